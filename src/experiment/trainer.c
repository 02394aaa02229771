/* Training one population: points of the curves, checkpoints, going on from one, and members that
 * diverge.
 *
 * A training has boundaries: after every epoch, or after every metrics.every_steps, and at the end;
 * boundary 0 lies before the first step. At each one the losses are looked at. Some of them are
 * points of the curves, at which members are measured and logged; the last one always is. */
#include "experiment/experiment.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    iv_experiment *x;
    size_t index;
    iv_model *model;
    iv_training training;
    void *measure;
    size_t steps, boundary_steps, point_steps, n_boundaries; /* those after number 0 */
    size_t n_sets;
    iv_metric_set sets[IV_MAX_SETS];
    double *values; /* [R, iv_values_size] */
    iv_position position;
    double last_save;
} trainer;

static size_t boundary_steps_of(const iv_population *p) {
    return iv_spec_has(p->config, "metrics.every_epochs") ? p->steps_per_epoch
                                                          : iv_population_point_steps(p);
}

size_t experiment_points(const iv_population *p) {
    const size_t every = iv_population_point_steps(p);
    return 1 + (iv_population_steps(p) + every - 1) / every;
}

static size_t boundary_step(const trainer *t, size_t boundary) {
    return boundary < t->n_boundaries ? boundary * t->boundary_steps : t->steps;
}

static size_t epoch_of(const trainer *t) {
    const size_t length = t->model->population->steps_per_epoch;
    return (t->position.step + length - 1) / length;
}

/* ------------------------------------------------------------------ one point */

/* Values that a metric of a set has at this point. */
static size_t n_values(const trainer *t, size_t r, size_t set, size_t metric) {
    const iv_study *study = t->x->study;
    const iv_population *p = t->model->population;
    const iv_metric_def *def = study->schema->metric(metric);
    if (def->flags & IV_METRIC_END_ONLY) return 0;
    if ((def->flags & IV_METRIC_AFTER_STEP) && t->position.step == 0) return 0;
    return experiment_applies(study, p, &p->members[r], set, metric, true);
}

static const double *values_at(const trainer *t, size_t r, size_t set, size_t metric) {
    const iv_study *study = t->x->study;
    return t->values + r * iv_values_size(study) + iv_value_index(study, set, metric);
}

/* What of a member is not finite, for people; false if all is. */
static bool find_not_finite(const trainer *t, size_t r, bool measured, char what[96]) {
    const double loss = (double)t->position.losses[r];
    if (!isfinite(loss)) {
        snprintf(what, 96, "its training loss is %g", loss);
        return true;
    }
    for (size_t s = 0; s < t->n_sets && measured; s++) {
        if (t->sets[s].split == IV_SPLIT_UNLOGGED) continue;
        for (size_t m = 0; t->x->study->schema->metric(m); m++)
            for (size_t k = 0; k < n_values(t, r, s, m); k++) {
                const double value = values_at(t, r, s, m)[k];
                if (isfinite(value)) continue;
                snprintf(what, 96, "%.64s is %g", t->x->study->schema->metric(m)->name, value);
                return true;
            }
    }
    return false;
}

/* Mark members whose numbers are not finite, and say so. Such members learn nothing any more; they
 * stay in their population, where the others do not feel them. */
static void follow_divergence(trainer *t, bool measured) {
    const size_t epoch = epoch_of(t);
    for (size_t r = 0; r < t->position.n_members; r++) {
        const iv_member *member = &t->model->population->members[r];
        char what[96], line[400];
        if (t->position.diverged_from[r] > 0 || !find_not_finite(t, r, measured, what)) continue;
        t->position.diverged_from[r] = (uint32_t)(epoch > 0 ? epoch : 1);
        snprintf(line, sizeof line,
                 "%.200s seed %" PRIu32
                 " diverged in epoch %zu (learning rate %g): after step %" PRIu32 " %s",
                 member->run->name, member->seed, epoch,
                 (double)iv_member_float(member, "training.learning_rate"), t->position.step, what);
        iv_experiment_say(t->x, line);
    }
}

static bool all_diverged(const trainer *t) {
    for (size_t r = 0; r < t->position.n_members; r++)
        if (t->position.diverged_from[r] == 0) return false;
    return true;
}

/* ------------------------------------------------------------------ the log */

static void log_values(trainer *t, size_t r, size_t set, size_t metric, size_t n) {
    const iv_metric_def *def = t->x->study->schema->metric(metric);
    const double *values = values_at(t, r, set, metric);
    iv_log *log = t->x->log;
    if (!(def->flags & IV_METRIC_FLOAT)) {
        if (def->most > 0)
            iv_log_doubles(log, def->name, values, n);
        else
            iv_log_double(log, def->name, *values);
    } else if (def->most > 0) {
        float numbers[64];
        for (size_t k = 0; k < n && k < 64; k++) numbers[k] = (float)values[k];
        iv_log_floats(log, def->name, numbers, n < 64 ? n : 64);
    } else {
        iv_log_float(log, def->name, (float)*values);
    }
}

/* One member's line of one set; none where it would be empty, unless `always`. */
static iv_status log_line(trainer *t, size_t r, size_t set, bool always) {
    static const char *const names[] = {
        [IV_SPLIT_TRAIN] = "train", [IV_SPLIT_VALIDATION] = "validation", [IV_SPLIT_TEST] = "test"};
    const iv_member *member = &t->model->population->members[r];
    size_t total = 0;
    for (size_t m = 0; t->x->study->schema->metric(m); m++) total += n_values(t, r, set, m);
    if (total == 0 && !always) return IV_OK;
    iv_log_begin(t->x->log, member->run->name, member->seed, t->position.step, epoch_of(t),
                 names[t->sets[set].split]);
    for (size_t m = 0; t->x->study->schema->metric(m); m++) {
        const size_t n = n_values(t, r, set, m);
        if (n > 0) log_values(t, r, set, m, n);
    }
    return iv_log_end(t->x->log, iv_context_error(t->x->context));
}

static iv_status log_members(trainer *t, size_t first, size_t n, bool always) {
    iv_status status = IV_OK;
    for (int split = IV_SPLIT_TRAIN; split <= IV_SPLIT_TEST; split++)
        for (size_t s = 0; s < t->n_sets; s++)
            for (size_t r = first; r < first + n && status == IV_OK; r++)
                if ((int)t->sets[s].split == split) status = log_line(t, r, s, always);
    return status;
}

static iv_status log_point(trainer *t) {
    const size_t n_members = t->position.n_members;
    if (t->x->study->measures->log_set_by_set) return log_members(t, 0, n_members, true);
    iv_status status = IV_OK;
    for (size_t r = 0; r < n_members && status == IV_OK; r++) status = log_members(t, r, 1, false);
    return status;
}

/* Everything is measured before anything is logged: an interrupt leaves no half of a point. */
static iv_status end_boundary(trainer *t) {
    const size_t step = t->position.step;
    const bool point = step % t->point_steps == 0 || step == t->steps;
    iv_status status = IV_OK;
    if (point) status = experiment_run_measure(t->x, t->measure, &t->position, t->values);
    if (status == IV_OK) follow_divergence(t, point);
    if (status == IV_OK && point) status = log_point(t);
    if (status == IV_OK) t->position.next_boundary++;
    return status;
}

/* ------------------------------------------------------------------ training */

static iv_status open_trainer(trainer *t, uint32_t *diverged_from) {
    const iv_study *study = t->x->study;
    const iv_population *p = t->model->population;
    t->steps = iv_population_steps(p);
    t->boundary_steps = boundary_steps_of(p);
    t->point_steps = iv_population_point_steps(p);
    t->n_boundaries = (t->steps + t->boundary_steps - 1) / t->boundary_steps;
    t->n_sets = experiment_sets(study, p, t->sets);
    t->position = (iv_position){.n_members = p->n_members,
                                .losses = calloc(p->n_members, sizeof(float)),
                                .diverged_from = diverged_from};
    t->values = experiment_values(study, p->n_members);
    if (!t->position.losses || !t->values) return iv_no_memory(t->x->context);
    iv_status status = experiment_create_training(t->x, t->model, &t->training);
    if (status == IV_OK) status = experiment_create_measure(t->x, t->model, true, &t->measure);
    return status;
}

static void close_trainer(trainer *t) {
    experiment_destroy_measure(t->x->study, t->measure);
    iv_training_clear(&t->training);
    free(t->position.losses);
    free(t->values);
}

static iv_status save(trainer *t) {
    t->last_save = iv_seconds();
    return experiment_save(t->x, t->index, t->model, t->training.optimizer, &t->position);
}

/* Train towards the next boundary, at most for `seconds` (0: no limit), and read the losses. */
static iv_status train(trainer *t, double seconds, const char *label) {
    const iv_job *job = t->x->job;
    const iv_progress progress = experiment_progress_within(t->x);
    const uint32_t before = t->position.step;
    const uint32_t end = (uint32_t)boundary_step(t, t->position.next_boundary);
    iv_status status = iv_train(t->x->context, t->training.plan, &t->position.step, end,
                                (uint32_t)t->steps, seconds, job->stop, &progress, label);
    if (t->position.step != before && (status == IV_OK || status == IV_EINTERRUPTED)) {
        const iv_status read = iv_plan_read(t->training.plan, t->training.loss, t->position.losses);
        if (status == IV_OK) status = read;
    }
    return status;
}

/* Train to the next boundary and look at it; save when the time has come. Where all members have
 * diverged there is nothing to train, but their log goes on: it does not depend on the company. */
static iv_status train_and_look(trainer *t, const char *label) {
    const double every =
        iv_spec_number(t->model->population->config, "training.checkpoint_seconds");
    const double save_at = t->last_save + every, left = save_at - iv_seconds();
    iv_status status = IV_OK;
    if (all_diverged(t))
        t->position.step = (uint32_t)boundary_step(t, t->position.next_boundary);
    else
        status = train(t, every == 0 ? 0 : left > 0.001 ? left : 0.001, label);
    if (status == IV_OK && t->position.step == boundary_step(t, t->position.next_boundary))
        status = end_boundary(t);
    if (status == IV_OK && every > 0 && iv_seconds() >= save_at) status = save(t);
    return status;
}

iv_status experiment_train(iv_experiment *x, size_t index, iv_model *model,
                           uint32_t *diverged_from) {
    trainer t = {.x = x, .index = index, .model = model};
    iv_status status = open_trainer(&t, diverged_from);
    t.last_save = iv_seconds();
    if (status == IV_OK && x->checkpoint)
        status = experiment_load(
            x, model, t.training.optimizer,
            &(experiment_boundaries){t.steps, t.boundary_steps, t.n_boundaries}, &t.position);
    else if (status == IV_OK)
        status = save(&t); /* from here on, a resumed run starts with this population */

    char label[EXPERIMENT_PATH];
    experiment_label(x, index, label);
    while (status == IV_OK && t.position.next_boundary <= t.n_boundaries)
        status = train_and_look(&t, label);
    if (status == IV_EINTERRUPTED)
        status = experiment_save_stopped(x, index, model, t.training.optimizer, &t.position);
    if (status == IV_OK) status = save(&t); /* what follows may be interrupted too */
    close_trainer(&t);
    return status;
}

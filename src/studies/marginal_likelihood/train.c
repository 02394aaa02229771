/* Training one population of the marginal-likelihood study: curves, checkpoints, going on from one,
 * and members that diverge. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    ml_study *study;
    size_t index;
    ml_model *model;
    study_training training;
    size_t steps, point_steps, n_points; /* point number i is after step i * point_steps */
    study_position position;             /* next_epoch: the next point */
    float *eta;                          /* [R, 6] */
    double *elbo;                        /* [R] of the last step's batch */
} trainer;

static size_t point_step(const trainer *t, size_t point) {
    return point < t->n_points ? point * t->point_steps : t->steps;
}

static size_t epoch_of(const trainer *t, size_t step) {
    const size_t length = t->training.steps_per_epoch;
    return (step + length - 1) / length;
}

/* ------------------------------------------------------------------ numbers of a point */

static iv_status read_kl(trainer *t, size_t r, float *kl) {
    const iv_view view = iv_posterior_kl_view(t->model->posterior);
    return iv_buffer_read(t->model->context, view.buffer,
                          (view.offset + r * view.stride) * sizeof *kl, sizeof *kl, kl);
}

static iv_status read_point(trainer *t) {
    const ml_population *p = t->model->population;
    iv_status status = ml_model_eta(t->model, t->eta);
    if (status == IV_OK && t->position.step > 0)
        status = iv_plan_read(t->training.plan, t->training.loss, t->position.losses);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        float kl = 0;
        if (!p->point) status = read_kl(t, r, &kl);
        t->elbo[r] = -((double)t->position.losses[r] + (double)kl / (double)p->n_train);
    }
    return status;
}

static void follow_divergence(trainer *t) {
    const ml_population *p = t->model->population;
    const size_t epoch = epoch_of(t, t->position.step);
    for (size_t r = 0; r < p->n_members; r++) {
        const ml_member *member = &p->members[r];
        bool finite = isfinite(t->elbo[r]);
        for (size_t i = 0; i < IV_N_GENERATORS; i++)
            finite &= (bool)isfinite(t->eta[r * IV_N_GENERATORS + i]);
        study_follow_divergence(t->study->job, &t->position, r, finite, epoch, member->run,
                                member->seed, (double)member->learning_rate);
    }
}

static iv_status log_member(trainer *t, size_t r) {
    const ml_member *member = &t->model->population->members[r];
    const float *eta = t->eta + r * IV_N_GENERATORS;
    iv_log *log = t->study->log;
    iv_log_begin(log, member->run->name, member->seed, t->position.step,
                 epoch_of(t, t->position.step), "train");
    if (t->position.step > 0) iv_log_double(log, "elbo_estimate", t->elbo[r]);
    iv_log_floats(log, "eta", eta, IV_N_GENERATORS);
    if (ml_rotates(member))
        iv_log_double(log, "rotation_degrees", ml_degrees((double)eta[ML_ROTATION]));
    return iv_log_end(log, iv_context_error(t->model->context));
}

/* Everything that can fail halfway comes before the log: an interrupt leaves no half of a point. */
static iv_status end_point(trainer *t) {
    const ml_population *p = t->model->population;
    iv_status status = read_point(t);
    if (status == IV_OK) follow_divergence(t);
    if (status == IV_OK) status = ml_snapshot(t->study, p, t->model, t->position.step);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) status = log_member(t, r);
    if (status == IV_OK) t->position.next_epoch++;
    return status;
}

/* ------------------------------------------------------------------ training */

static iv_status open_trainer(trainer *t, uint32_t *diverged_from) {
    const ml_population *p = t->model->population;
    t->steps = ml_steps(p);
    t->point_steps = ml_point_steps(&t->study->plan, p);
    t->n_points = (t->steps + t->point_steps - 1) / t->point_steps;
    t->position = (study_position){.n_members = p->n_members,
                                   .losses = calloc(p->n_members, sizeof(float)),
                                   .diverged_from = diverged_from};
    t->eta = calloc(p->n_members * IV_N_GENERATORS, sizeof *t->eta);
    t->elbo = calloc(p->n_members, sizeof *t->elbo);
    if (!t->position.losses || !t->eta || !t->elbo) return study_out_of_memory(t->model->context);
    return ml_training_create(t->model, &t->study->data, &t->training);
}

static void close_trainer(trainer *t) {
    study_training_clear(&t->training);
    free(t->position.losses);
    free(t->eta);
    free(t->elbo);
}

static iv_status save(trainer *t) {
    return study_save(t->study->job, t->study->log, t->index, t->model->parameters,
                      t->training.optimizer, t->model->posterior, &t->position);
}

static iv_status load(trainer *t) {
    const iv_status status =
        study_load(t->study->job, &t->study->resume, t->model->parameters, t->training.optimizer,
                   t->model->posterior, t->point_steps, &t->position);
    return status == IV_OK ? iv_posterior_prepare(t->model->posterior, t->position.step) : status;
}

/* Train to the next point of the curves and look at it; save when the time has come. */
static iv_status train_to_next_point(trainer *t, const char *label, double *last_save) {
    const ml_population *p = t->model->population;
    const double every = iv_spec_number(p->config, "training.checkpoint_seconds");
    const double save_at = *last_save + every, left = save_at - iv_seconds();
    const double seconds = every > 0 ? (left > 0.001 ? left : 0.001) : 0;
    const iv_progress progress = study_progress_within(&t->study->progress);
    const uint32_t end = (uint32_t)point_step(t, t->position.next_epoch);
    iv_status status = iv_train(t->model->context, t->training.plan, &t->position.step, end,
                                (uint32_t)t->steps, seconds, t->study->job->stop, &progress, label);
    if (status == IV_OK && t->position.step == end) status = end_point(t);
    if (status == IV_OK && every > 0 && iv_seconds() >= save_at) {
        status = save(t);
        *last_save = iv_seconds();
    }
    return status;
}

iv_status ml_train(ml_study *study, size_t index, ml_model *model, uint32_t *diverged_from) {
    const ml_population *p = model->population;
    trainer t = {.study = study, .index = index, .model = model};
    iv_status status = open_trainer(&t, diverged_from);
    if (status == IV_OK && study->resume)
        status = load(&t);
    else if (status == IV_OK)
        status = save(&t); /* from here on, a resumed run starts with this population */

    char label[STUDY_PATH];
    study_label(p->members[0].run, p->n_members, index, study->plan.n_populations, label);
    double last_save = iv_seconds();
    while (status == IV_OK && t.position.next_epoch <= t.n_points &&
           !study_all_diverged(&t.position))
        status = train_to_next_point(&t, label, &last_save);
    if (status == IV_EINTERRUPTED)
        status = study_save_after_interrupt(study->job, study->log, index, model->parameters,
                                            t.training.optimizer, model->posterior, &t.position);
    if (status == IV_OK) status = save(&t); /* what follows may be interrupted too */
    close_trainer(&t);
    return status;
}

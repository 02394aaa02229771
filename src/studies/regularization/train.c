/* Training one population of the regularization study: curves, checkpoints, going on from one. */
#include "studies/regularization/regularization.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
    reg_study *study;
    size_t index;
    reg_model *model;
    study_training training;
    reg_weight_norms norms;
    reg_measure *validation; /* NULL if there are no validation images */
    bool jacobians;          /* are part of what is measured on them */
    study_position position;
    double *sigma_max; /* [R, layers] */
    reg_metrics *metrics;
} trainer;

static iv_status save(trainer *s) {
    return study_save(s->study->job, s->study->log, s->index, s->model->parameters,
                      s->training.optimizer, NULL, &s->position);
}

/* ------------------------------------------------------------------ curves */

static iv_status log_training(trainer *s, size_t epoch) {
    const reg_population *p = s->model->population;
    iv_log *log = s->study->log;
    for (size_t r = 0; r < p->n_members; r++) {
        iv_log_begin(log, p->members[r].run->name, p->members[r].seed, s->position.step, epoch,
                     "train");
        if (epoch > 0) iv_log_float(log, "loss", s->position.losses[r]);
        if (s->study->plan.sigma_max)
            iv_log_doubles(log, "sigma_max", s->sigma_max + r * p->layers, p->layers);
        const iv_status status = iv_log_end(log, iv_context_error(s->model->context));
        if (status != IV_OK) return status;
    }
    return IV_OK;
}

static iv_status log_validation(trainer *s, size_t epoch) {
    const reg_population *p = s->model->population;
    const reg_plan *plan = &s->study->plan;
    iv_log *log = s->study->log;
    for (size_t r = 0; r < p->n_members; r++) {
        const reg_metrics *m = &s->metrics[r];
        iv_log_begin(log, p->members[r].run->name, p->members[r].seed, s->position.step, epoch,
                     "validation");
        if (plan->accuracy) iv_log_double(log, "accuracy", m->accuracy);
        if (plan->li) iv_log_double(log, "li", m->li);
        if (plan->di) iv_log_double(log, "di", m->di);
        if (plan->si) iv_log_double(log, "si", m->si);
        if (s->jacobians) iv_log_double(log, "sigma_max_jacobian", m->sigma_max_jacobian);
        const iv_status status = iv_log_end(log, iv_context_error(s->model->context));
        if (status != IV_OK) return status;
    }
    return IV_OK;
}

/* Everything is measured before anything is logged: an interrupt leaves no half of a point. */
static iv_status log_point(trainer *s) {
    const iv_study_job *job = s->study->job;
    const size_t epoch = s->position.step / s->training.steps_per_epoch;
    iv_status status = IV_OK;
    if (s->study->plan.sigma_max) status = reg_weight_norms_run(&s->norms, s->sigma_max);
    if (status == IV_OK && s->validation)
        status = reg_measure_run(s->validation, job->stop, NULL, NULL, s->metrics);
    if (status == IV_OK) status = log_training(s, epoch);
    if (status == IV_OK && s->validation) status = log_validation(s, epoch);
    return status;
}

/* ------------------------------------------------------------------ training */

static iv_status open_trainer(trainer *s, const reg_pool *pool, cl_mem splits) {
    const reg_population *p = s->model->population;
    const reg_plan *plan = &s->study->plan;
    const size_t n_members = p->n_members;
    s->position =
        (study_position){.n_members = n_members, .losses = calloc(n_members, sizeof(float))};
    s->sigma_max = calloc(n_members * p->layers, sizeof *s->sigma_max);
    s->metrics = calloc(n_members, sizeof *s->metrics);
    if (!s->position.losses || !s->sigma_max || !s->metrics)
        return iv_fail(iv_context_error(s->model->context), IV_ENOMEM,
                       "out of memory for a population");

    iv_image_source images;
    reg_images_of(s->model, pool, splits, 0, p->n_train, true, &images);
    iv_status status = reg_training_create(s->model, &images, &s->training);
    if (status == IV_OK && plan->sigma_max) status = reg_weight_norms_create(s->model, &s->norms);
    if (status == IV_OK && p->n_validation > 0) {
        reg_images_of(s->model, pool, splits, p->n_train, p->n_validation, false, &images);
        /* Jacobians are the dearest metric: along the way only where their decay is drawn. */
        s->jacobians =
            plan->sigma_max_jacobian && iv_spec_lists(p->config, "figures.names", "spectral-decay");
        const size_t n_jacobians = !s->jacobians                ? 0
                                   : plan->jacobian_samples > 0 ? plan->jacobian_samples
                                                                : p->n_validation;
        status = reg_measure_create(s->model, &images, n_jacobians, &s->validation);
    }
    return status;
}

static void close_trainer(trainer *s) {
    reg_measure_destroy(s->validation);
    reg_weight_norms_clear(&s->norms);
    study_training_clear(&s->training);
    free(s->position.losses);
    free(s->sigma_max);
    free(s->metrics);
}

/* The epoch of the curves' next point; past the last one once that is there. */
static size_t epoch_after(size_t epoch, size_t every, size_t last) {
    if (epoch == last) return last + 1;
    return epoch + every < last ? epoch + every : last;
}

/* Train to the next point of the curves and log it; save when the time has come. */
static iv_status train_to_next_point(trainer *s, const char *label, double *last_save) {
    const reg_population *p = s->model->population;
    const double every = iv_spec_number(p->config, "training.checkpoint_seconds");
    const double save_at = every > 0 ? *last_save + every : 0;
    iv_status status = study_train(s->study->job, &s->training, &s->position, p->epochs, save_at,
                                   s->study->job->progress, label);
    const size_t boundary = s->position.next_epoch * s->training.steps_per_epoch;
    if (status == IV_OK && s->position.step == boundary) {
        status = log_point(s);
        if (status == IV_OK)
            s->position.next_epoch =
                epoch_after(s->position.next_epoch, s->study->plan.every_epochs, p->epochs);
    }
    if (status == IV_OK && every > 0 && iv_seconds() >= save_at) {
        status = save(s);
        *last_save = iv_seconds();
    }
    return status;
}

iv_status reg_train(reg_study *study, size_t index, reg_model *model, const reg_pool *pool,
                    cl_mem splits) {
    const reg_population *p = model->population;
    trainer s = {.study = study, .index = index, .model = model};
    iv_status status = open_trainer(&s, pool, splits);
    if (status == IV_OK && study->resume) {
        status = study_load(study->job, &study->resume, model->parameters, s.training.optimizer,
                            NULL, s.training.steps_per_epoch, &s.position);
    } else if (status == IV_OK) {
        status = save(&s); /* from here on, a resumed run starts with this population */
    }

    char label[160];
    snprintf(label, sizeof label, "%s%s%s x %zu", p->members[0].run->base,
             *p->members[0].run->variant ? " " : "", p->members[0].run->variant, p->n_members);
    double last_save = iv_seconds();
    while (status == IV_OK && s.position.next_epoch <= p->epochs)
        status = train_to_next_point(&s, label, &last_save);
    if (status == IV_EINTERRUPTED)
        status = study_save_after_interrupt(study->job, study->log, index, model->parameters,
                                            s.training.optimizer, NULL, &s.position);
    if (status == IV_OK) status = save(&s); /* what follows may be interrupted too */
    close_trainer(&s);
    return status;
}

/* Training one population of the autoencoder study: curves, checkpoints, going on from one, and
 * members that diverge. */
#include "studies/autoencoder/autoencoder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    ae_study *study;
    size_t index;
    ae_model *model;
    study_training training;
    ae_measure *test;
    study_position position;
    ae_metrics *metrics; /* [R] on the test set */
} trainer;

static void follow_divergence(trainer *t, size_t epoch, bool measured) {
    const ae_population *p = t->model->population;
    for (size_t r = 0; r < p->n_members; r++) {
        const ae_member *member = &p->members[r];
        bool finite = isfinite(t->position.losses[r]);
        for (size_t i = 0; i < AE_N_METRICS && measured; i++)
            finite &= !ae_applies(p, (ae_metric)i) || isfinite(t->metrics[r].values[i]);
        study_follow_divergence(t->study->job, &t->position, r, finite, epoch, member->run,
                                member->seed, (double)member->learning_rate);
    }
}

/* ------------------------------------------------------------------ curves */

static iv_status log_member(trainer *t, size_t r, size_t epoch) {
    const ae_population *p = t->model->population;
    const ae_member *member = &p->members[r];
    iv_error *error = iv_context_error(t->model->context);
    iv_log *log = t->study->log;
    if (epoch > 0) {
        iv_log_begin(log, member->run->name, member->seed, t->position.step, epoch, "train");
        iv_log_float(log, "loss", t->position.losses[r]);
        const iv_status status = iv_log_end(log, error);
        if (status != IV_OK) return status;
    }
    iv_log_begin(log, member->run->name, member->seed, t->position.step, epoch, "test");
    for (size_t i = 0; i < AE_N_METRICS; i++)
        if (ae_applies(p, (ae_metric)i))
            iv_log_double(log, ae_metric_name((ae_metric)i), t->metrics[r].values[i]);
    return iv_log_end(log, error);
}

/* Everything is measured before anything is logged: an interrupt leaves no half of a point. */
static iv_status end_epoch(trainer *t) {
    const ae_population *p = t->model->population;
    const size_t epoch = t->position.next_epoch;
    const bool point = epoch % t->study->plan.every_epochs == 0 || epoch == p->epochs;
    iv_status status = IV_OK;
    if (point) status = ae_measure_run(t->test, t->study->job->stop, t->metrics);
    if (status == IV_OK) follow_divergence(t, epoch, point);
    for (size_t r = 0; r < p->n_members && point && status == IV_OK; r++)
        status = log_member(t, r, epoch);
    if (status == IV_OK) t->position.next_epoch++;
    return status;
}

/* ------------------------------------------------------------------ training */

static iv_status open_trainer(trainer *t, uint32_t *diverged_from) {
    const ae_population *p = t->model->population;
    const ae_data *data = &t->study->data;
    t->position = (study_position){.n_members = p->n_members,
                                   .losses = calloc(p->n_members, sizeof(float)),
                                   .diverged_from = diverged_from};
    t->metrics = calloc(p->n_members, sizeof *t->metrics);
    if (!t->position.losses || !t->metrics) return study_out_of_memory(t->model->context);
    iv_status status = ae_training_create(t->model, data, &t->training);
    if (status == IV_OK)
        status = ae_measure_create(t->model, data, &data->test, p->n_test, &t->test);
    return status;
}

static void close_trainer(trainer *t) {
    ae_measure_destroy(t->test);
    study_training_clear(&t->training);
    free(t->position.losses);
    free(t->metrics);
}

static iv_status save(trainer *t) {
    return study_save(t->study->job, t->study->log, t->index, t->model->parameters,
                      t->training.optimizer, NULL, &t->position);
}

/* Train to the end of the next epoch and look at it; save when the time has come. */
static iv_status train_epoch(trainer *t, const char *label, double *last_save) {
    const ae_population *p = t->model->population;
    const double every = iv_spec_number(p->config, "training.checkpoint_seconds");
    const double save_at = every > 0 ? *last_save + every : 0;
    const iv_progress progress = study_progress_within(&t->study->progress);
    iv_status status = study_train(t->study->job, &t->training, &t->position, p->epochs, save_at,
                                   &progress, label);
    const size_t boundary = t->position.next_epoch * t->training.steps_per_epoch;
    if (status == IV_OK && t->position.step == boundary) status = end_epoch(t);
    if (status == IV_OK && every > 0 && iv_seconds() >= save_at) {
        status = save(t);
        *last_save = iv_seconds();
    }
    return status;
}

iv_status ae_train(ae_study *study, size_t index, ae_model *model, uint32_t *diverged_from) {
    const ae_population *p = model->population;
    trainer t = {.study = study, .index = index, .model = model};
    iv_status status = open_trainer(&t, diverged_from);
    if (status == IV_OK && study->resume)
        status = study_load(study->job, &study->resume, model->parameters, t.training.optimizer,
                            NULL, t.training.steps_per_epoch, &t.position);
    else if (status == IV_OK)
        status = save(&t); /* from here on, a resumed run starts with this population */

    char label[STUDY_PATH];
    study_label(p->members[0].run, p->n_members, index, study->plan.n_populations, label);
    double last_save = iv_seconds();
    while (status == IV_OK && t.position.next_epoch <= p->epochs &&
           !study_all_diverged(&t.position))
        status = train_epoch(&t, label, &last_save);
    if (status == IV_EINTERRUPTED)
        status = study_save_after_interrupt(study->job, study->log, index, model->parameters,
                                            t.training.optimizer, NULL, &t.position);
    if (status == IV_OK) status = save(&t); /* what follows may be interrupted too */
    close_trainer(&t);
    return status;
}

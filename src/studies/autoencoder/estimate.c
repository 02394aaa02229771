/* What the autoencoder study would take: everything a population needs is made as for the study
 * itself, then a few training steps and batches of measuring are timed. Also what is refused before
 * a study begins. */
#include "studies/autoencoder/autoencoder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* One population on the device, ready to train and to be measured. */
typedef struct {
    ae_model *model;
    study_training training;
    ae_measure *test;
} rehearsal;

static iv_status open_rehearsal(iv_context *context, const ae_population *p, ae_data *data,
                                rehearsal *r) {
    *r = (rehearsal){0};
    iv_status status = ae_data_provide(context, p, data);
    if (status == IV_OK) status = ae_model_create(context, p, data, &r->model);
    if (status == IV_OK) status = ae_training_create(r->model, data, &r->training);
    if (status == IV_OK)
        status = ae_measure_create(r->model, data, &data->test, p->n_test, &r->test);
    return status;
}

static void close_rehearsal(rehearsal *r) {
    ae_measure_destroy(r->test);
    study_training_clear(&r->training);
    ae_model_destroy(r->model);
}

/* ------------------------------------------------------------------ beforehand */

iv_status ae_prepare(const iv_study_job *job) {
    ae_plan plan;
    ae_data data = {0};
    iv_error *error = iv_context_error(job->context);
    iv_status status = ae_plan_create(job->spec, &plan, error);
    if (status != IV_OK) return status;
    status = ae_plan_split(&plan, iv_context_device(job->context), error);
    for (size_t i = 0; i < plan.n_populations && status == IV_OK; i++) {
        if (job->stop && *job->stop) {
            status = iv_fail(error, IV_EINTERRUPTED, "interrupted before anything was written");
            break;
        }
        rehearsal r;
        status = open_rehearsal(job->context, &plan.populations[i], &data, &r);
        close_rehearsal(&r);
    }
    ae_data_clear(job->context, &data);
    ae_plan_clear(&plan);
    return status;
}

/* ------------------------------------------------------------------ memory and time */

typedef struct {
    iv_context *context;
    ae_plan plan;
    ae_data data;
} estimating;

static iv_status estimate_population(void *state, size_t index, iv_estimate *estimate) {
    estimating *e = state;
    const ae_population *p = &e->plan.populations[index];
    const iv_spec_run *run = p->members[0].run;
    rehearsal r;
    double step_seconds = NAN, measure_seconds = NAN;
    iv_status status = open_rehearsal(e->context, p, &e->data, &r);
    if (status == IV_OK) {
        estimate->bytes = iv_context_bytes(e->context);
        status = study_time_steps(e->context, r.training.plan, &step_seconds);
    }
    if (status == IV_OK) status = ae_measure_time(r.test, &measure_seconds);
    if (status == IV_OK) {
        /* points of the curves, from before the first epoch to after the last; then the test set
         * and as many training signals once more */
        const size_t every = e->plan.every_epochs;
        const size_t points = 1 + (p->epochs + every - 1) / every + 2;
        estimate->n_members = p->n_members;
        estimate->seconds = step_seconds * (double)(r.training.steps_per_epoch * p->epochs) +
                            measure_seconds * (double)points;
        snprintf(estimate->name, sizeof estimate->name, "%.60s%s%.32s", run->column,
                 *run->variant ? " " : "", run->variant);
    }
    close_rehearsal(&r);
    return status;
}

iv_status ae_estimate(const iv_study_job *job, iv_estimate **estimates, size_t *n_estimates) {
    estimating e = {.context = job->context};
    *estimates = NULL;
    *n_estimates = 0;
    iv_error *error = iv_context_error(job->context);
    iv_status status = ae_plan_create(job->spec, &e.plan, error);
    if (status != IV_OK) return status;
    status = ae_plan_split(&e.plan, iv_context_device(job->context), error);
    if (status == IV_OK)
        status = study_estimate_each(job->context, e.plan.n_populations, estimate_population, &e,
                                     estimates, n_estimates);
    ae_data_clear(job->context, &e.data);
    ae_plan_clear(&e.plan);
    return status;
}

/* What the marginal-likelihood study would take: everything a population needs is made as for the
 * study itself, then a few training steps and batches of measuring are timed. Also what is refused
 * before a study begins. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ memory and time */

static void take_most(iv_context *context, size_t *bytes) {
    if (iv_context_bytes(context) > *bytes) *bytes = iv_context_bytes(context);
}

/* Make what training and measuring make, one after the other; run some of it if `timed`. */
static iv_status rehearse(iv_context *context, const ml_population *p, const ml_data *data,
                          bool timed, iv_estimate *estimate) {
    ml_model *model;
    study_training training = {0};
    ml_measure *measure = NULL;
    double step_seconds = NAN, measure_seconds = NAN;
    iv_status status = ml_model_create(context, p, &model);
    if (status == IV_OK) status = ml_training_create(model, data, &training);
    take_most(context, &estimate->bytes);
    if (status == IV_OK && timed) status = study_time_steps(context, training.plan, &step_seconds);
    study_training_clear(&training);
    if (status == IV_OK) status = ml_measure_create(model, data, &measure);
    take_most(context, &estimate->bytes);
    if (status == IV_OK && timed) status = ml_measure_time(measure, &measure_seconds);
    estimate->seconds = step_seconds * (double)ml_steps(p) + measure_seconds;
    ml_measure_destroy(measure);
    ml_model_destroy(model);
    return status;
}

static iv_status rehearse_any(iv_context *context, const ml_population *p, const ml_data *data,
                              bool timed, iv_estimate *estimate) {
    return p->sgpr ? ml_sgpr_estimate(context, p, data, timed, estimate)
                   : rehearse(context, p, data, timed, estimate);
}

/* ------------------------------------------------------------------ beforehand */

iv_status ml_prepare(const iv_study_job *job) {
    ml_plan plan;
    ml_data data = {0};
    iv_error *error = iv_context_error(job->context);
    iv_status status = ml_plan_create(job->spec, &plan, error);
    if (status != IV_OK) return status;
    status = ml_plan_split(&plan, iv_context_device(job->context), error);
    for (size_t i = 0; i < plan.n_populations && status == IV_OK; i++) {
        if (job->stop && *job->stop) {
            status = iv_fail(error, IV_EINTERRUPTED, "interrupted before anything was written");
            break;
        }
        const ml_population *p = &plan.populations[i];
        iv_estimate estimate = {0};
        status = ml_data_provide(job, p, &data);
        if (status == IV_OK) status = rehearse_any(job->context, p, &data, false, &estimate);
    }
    ml_data_clear(job->context, &data);
    ml_plan_clear(&plan);
    return status;
}

/* ------------------------------------------------------------------ estimates */

typedef struct {
    iv_context *context;
    ml_plan plan;
    ml_data data;
} estimating;

static iv_status estimate_population(void *state, size_t index, iv_estimate *estimate) {
    estimating *e = state;
    const ml_population *p = &e->plan.populations[index];
    const iv_spec_run *run = p->members[0].run;
    estimate->n_members = p->n_members;
    snprintf(estimate->name, sizeof estimate->name, "%.60s%s%.32s", run->column,
             *run->variant ? " " : "", run->variant);
    const iv_status status = ml_data_make_up(e->context, p, &e->data);
    return status == IV_OK ? rehearse_any(e->context, p, &e->data, true, estimate) : status;
}

iv_status ml_estimate(const iv_study_job *job, iv_estimate **estimates, size_t *n_estimates) {
    estimating e = {.context = job->context};
    *estimates = NULL;
    *n_estimates = 0;
    iv_error *error = iv_context_error(job->context);
    iv_status status = ml_plan_create(job->spec, &e.plan, error);
    if (status != IV_OK) return status;
    status = ml_plan_split(&e.plan, iv_context_device(job->context), error);
    if (status == IV_OK)
        status = study_estimate_each(job->context, e.plan.n_populations, estimate_population, &e,
                                     estimates, n_estimates);
    ml_data_clear(job->context, &e.data);
    ml_plan_clear(&e.plan);
    return status;
}

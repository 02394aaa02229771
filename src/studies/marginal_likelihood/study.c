/* The marginal-likelihood study (van der Ouderaa and van der Wilk 2022): shallow networks that
 * learn which transformations they are invariant to, by maximising a lower bound of the marginal
 * likelihood. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ models */

static iv_status export_models(const iv_study_job *job, const ml_model *model,
                               const ml_outcome *outcomes) {
    iv_status status = IV_OK;
    for (size_t r = 0; r < model->population->n_members && status == IV_OK; r++) {
        const ml_member *member = &model->population->members[r];
        status = study_export(job, model->parameters, model->posterior, r, member->run,
                              member->seed, outcomes[r].diverged_from);
    }
    return status;
}

static iv_status import_models(const iv_study_job *job, ml_model *model, ml_outcome *outcomes) {
    iv_status status = IV_OK;
    for (size_t r = 0; r < model->population->n_members && status == IV_OK; r++) {
        const ml_member *member = &model->population->members[r];
        status = study_import(job, model->parameters, model->posterior, r, member->run,
                              member->seed, &outcomes[r].diverged_from);
    }
    return status;
}

/* ------------------------------------------------------------------ populations */

static iv_status measure_all(const ml_study *study, const ml_model *model, ml_outcome *outcomes) {
    ml_measure *measure;
    iv_status status = ml_measure_create(model, &study->data, &measure);
    if (status == IV_OK) status = ml_measure_run(measure, study->job->stop, outcomes);
    ml_measure_destroy(measure);
    return status;
}

static iv_status train_population(ml_study *study, size_t index, ml_model *model,
                                  ml_outcome *outcomes) {
    const size_t n_members = model->population->n_members;
    uint32_t *diverged_from = calloc(n_members, sizeof *diverged_from);
    iv_status status = diverged_from ? ml_train(study, index, model, diverged_from)
                                     : study_out_of_memory(study->job->context);
    for (size_t r = 0; r < n_members && status == IV_OK; r++)
        outcomes[r].diverged_from = diverged_from[r];
    free(diverged_from);
    return status == IV_OK ? export_models(study->job, model, outcomes) : status;
}

/* Bring one population to its end, trained here or read back from its models, and measure it. */
static iv_status run_population(ml_study *study, size_t index, bool trained, ml_outcome *outcomes) {
    const iv_study_job *job = study->job;
    const ml_population *p = &study->plan.populations[index];
    iv_status status = ml_data_provide(job, p, &study->data);
    if (status != IV_OK || p->sgpr)
        return status == IV_OK ? ml_sgpr_run(study, index, trained, outcomes) : status;

    ml_model *model;
    status = ml_model_create(job->context, p, &model);
    if (status == IV_OK)
        status = trained ? import_models(job, model, outcomes)
                         : train_population(study, index, model, outcomes);
    if (status == IV_OK) status = measure_all(study, model, outcomes);
    if (status == IV_OK && study->log) status = ml_figures_of_population(study, p, model);
    ml_model_destroy(model);
    return status;
}

static void report_population(const iv_study_job *job, const ml_population *p,
                              const ml_outcome *outcomes) {
    for (size_t r = 0; r < p->n_members; r++) {
        const ml_outcome *o = &outcomes[r];
        if (o->diverged_from > 0) continue; /* has been said */
        char line[512];
        int n = snprintf(line, sizeof line, "%.256s seed %" PRIu32 ": accuracy %.2f%%",
                         p->members[r].run->name, p->members[r].seed, 100 * o->accuracy);
        if (p->sgpr)
            n += snprintf(line + n, sizeof line - (size_t)n, ", bound %.3f a sample",
                          o->bound_per_sample);
        else if (p->point) /* has no bound */
            n += snprintf(line + n, sizeof line - (size_t)n, ", cross-entropy %.3f",
                          o->cross_entropy);
        else
            n += snprintf(line + n, sizeof line - (size_t)n, ", ELBO %.3f", o->elbo);
        if (p->invariant && o->eta[ML_ROTATION] != 0)
            snprintf(line + n, sizeof line - (size_t)n, ", rotation by up to %.0f degrees",
                     o->rotation_degrees);
        study_say(job, line);
    }
}

/* ------------------------------------------------------------------ progress */

static double population_flops(const ml_population *p, double *steps) {
    if (p->sgpr) {
        *steps = ml_sgpr_passes(p);
        return (double)p->n_members * *steps * ml_sgpr_flops(p);
    }
    const double samples = (double)p->n_train + (double)p->n_test;
    const double batches = p->rings ? 2 : samples / ML_MEASURE_BATCH;
    *steps = (double)ml_steps(p);
    return (double)p->n_members * (*steps * ml_step_flops(p) + batches * ml_measure_flops(p));
}

static void begin_progress(ml_study *study) {
    study_progress_begin(&study->progress, study->job->progress);
    for (size_t i = 0; i < study->plan.n_populations; i++) {
        double steps;
        const double flops = population_flops(&study->plan.populations[i], &steps);
        study_progress_expect(&study->progress, flops, steps);
    }
}

/* ------------------------------------------------------------------ the study */

static iv_status run_all(ml_study *study, bool train, size_t first, ml_outcome **outcomes) {
    const iv_study_job *job = study->job;
    iv_status status = IV_OK;
    for (size_t i = 0; i < study->plan.n_populations && status == IV_OK; i++) {
        const ml_population *p = &study->plan.populations[i];
        outcomes[i] = calloc(p->n_members, sizeof **outcomes);
        if (!outcomes[i]) return study_out_of_memory(job->context);
        double steps;
        const double flops = population_flops(p, &steps);
        study_progress_population(&study->progress, flops);
        status = run_population(study, i, i < first, outcomes[i]);
        if (status == IV_OK && train) report_population(job, p, outcomes[i]);
        if (!train && status == IV_OK)
            iv_progress_update(job->progress, "measuring", i + 1, study->plan.n_populations);
    }
    return status;
}

static iv_status run_study(const iv_study_job *job, bool train, iv_results *results) {
    ml_study study = {.job = job};
    iv_error *error = iv_context_error(job->context);
    ml_outcome **outcomes = NULL;
    ml_table table = {0};
    size_t first = SIZE_MAX;
    iv_status status = ml_plan_create(job->spec, &study.plan, error);
    if (status == IV_OK)
        status = ml_plan_split(&study.plan, iv_context_device(job->context), error);
    if (status == IV_OK && train) status = study_open_log(job, &study.resume, &study.log, &first);
    const size_t n = study.plan.n_populations;
    if (status == IV_OK && !(outcomes = calloc(n, sizeof *outcomes)))
        status = study_out_of_memory(job->context);
    begin_progress(&study);
    if (status == IV_OK) status = run_all(&study, train, first, outcomes);
    if (status == IV_OK) status = ml_table_create(job->spec, &study.plan, outcomes, &table, error);
    if (status == IV_OK) status = ml_results_fill(job->spec, &table, results, error);
    if (status == IV_OK) status = ml_claims_add(&table, results, error);
    if (train) status = study_close_log(job, &study.log, status);
    if (status == IV_OK && train) status = ml_figures_draw(job, &table);

    ml_table_clear(&table);
    iv_safetensors_close(study.resume);
    ml_data_clear(job->context, &study.data);
    for (size_t i = 0; i < n && outcomes; i++) free(outcomes[i]);
    free(outcomes);
    ml_plan_clear(&study.plan);
    return status;
}

iv_status ml_run_study(const iv_study_job *job, iv_results *results) {
    return run_study(job, true, results);
}

iv_status ml_evaluate(const iv_study_job *job, iv_results *results) {
    return run_study(job, false, results);
}

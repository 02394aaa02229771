/* The autoencoder study (Zhang and Arodz 2021): whether networks learn codes that are invariant to
 * shifts and other distortions, with standard layers and with rich ones. */
#include "studies/autoencoder/autoencoder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ models */

static iv_status export_models(const iv_study_job *job, const ae_model *model,
                               const ae_outcome *outcomes) {
    iv_status status = IV_OK;
    for (size_t r = 0; r < model->population->n_members && status == IV_OK; r++) {
        const ae_member *member = &model->population->members[r];
        status = study_export(job, model->parameters, NULL, r, member->run, member->seed,
                              outcomes[r].diverged_from);
    }
    return status;
}

static iv_status import_models(const iv_study_job *job, ae_model *model, ae_outcome *outcomes) {
    iv_status status = IV_OK;
    for (size_t r = 0; r < model->population->n_members && status == IV_OK; r++) {
        const ae_member *member = &model->population->members[r];
        status = study_import(job, model->parameters, NULL, r, member->run, member->seed,
                              &outcomes[r].diverged_from);
    }
    return status;
}

/* ------------------------------------------------------------------ populations */

static iv_status measure_on(ae_study *study, const ae_model *model, const iv_signal_set *set,
                            ae_metrics *metrics) {
    ae_measure *measure;
    iv_status status =
        ae_measure_create(model, &study->data, set, model->population->n_test, &measure);
    if (status == IV_OK) status = ae_measure_run(measure, study->job->stop, metrics);
    ae_measure_destroy(measure);
    return status;
}

static iv_status measure_all(ae_study *study, const ae_model *model, ae_outcome *outcomes) {
    const ae_population *p = model->population;
    ae_metrics *metrics = malloc(p->n_members * sizeof *metrics);
    iv_status status = metrics ? measure_on(study, model, &study->data.test, metrics)
                               : study_out_of_memory(study->job->context);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) outcomes[r].test = metrics[r];
    if (status == IV_OK) status = measure_on(study, model, &study->data.train, metrics);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++)
        outcomes[r].training_loss = ae_loss(p, &p->members[r], &metrics[r]);
    free(metrics);
    return status;
}

static iv_status train_population(ae_study *study, size_t index, ae_model *model,
                                  ae_outcome *outcomes) {
    const size_t n_members = model->population->n_members;
    uint32_t *diverged_from = calloc(n_members, sizeof *diverged_from);
    iv_status status = diverged_from ? ae_train(study, index, model, diverged_from)
                                     : study_out_of_memory(study->job->context);
    for (size_t r = 0; r < n_members && status == IV_OK; r++)
        outcomes[r].diverged_from = diverged_from[r];
    free(diverged_from);
    return status == IV_OK ? export_models(study->job, model, outcomes) : status;
}

/* Bring one population to its end, trained here or read back from its models, and measure it. */
static iv_status run_population(ae_study *study, size_t index, bool trained, ae_outcome *outcomes) {
    const iv_study_job *job = study->job;
    const ae_population *p = &study->plan.populations[index];
    ae_model *model = NULL;
    iv_status status = ae_data_provide(job->context, p, &study->data);
    if (status == IV_OK) status = ae_model_create(job->context, p, &study->data, &model);
    if (status == IV_OK)
        status = trained ? import_models(job, model, outcomes)
                         : train_population(study, index, model, outcomes);
    if (status == IV_OK) status = measure_all(study, model, outcomes);
    ae_model_destroy(model);
    return status;
}

static void report_population(const iv_study_job *job, const ae_population *p,
                              const ae_outcome *outcomes) {
    for (size_t r = 0; r < p->n_members; r++) {
        if (outcomes[r].diverged_from > 0) continue; /* has been said */
        char line[512];
        size_t n = (size_t)snprintf(line, sizeof line, "%s seed %" PRIu32 ":",
                                    p->members[r].run->name, p->members[r].seed);
        for (size_t i = 0; i < AE_N_METRICS && n < sizeof line; i++)
            if (ae_applies(p, (ae_metric)i))
                n += (size_t)snprintf(line + n, sizeof line - n, " %s %.3g",
                                      ae_metric_name((ae_metric)i), outcomes[r].test.values[i]);
        study_say(job, line);
    }
}

/* ------------------------------------------------------------------ progress */

static double population_flops(const ae_study *study, const ae_population *p, double *steps) {
    const double batches = (double)((p->n_test + AE_MEASURE_BATCH - 1) / AE_MEASURE_BATCH);
    const double points = (double)(p->epochs / study->plan.every_epochs + 3);
    *steps = (double)p->epochs * (double)(p->n_train / p->batch);
    return (double)p->n_members *
           (*steps * ae_step_flops(p) + points * batches * ae_measure_flops(p));
}

static void begin_progress(ae_study *study) {
    study_progress_begin(&study->progress, study->job->progress);
    for (size_t i = 0; i < study->plan.n_populations; i++) {
        double steps;
        const double flops = population_flops(study, &study->plan.populations[i], &steps);
        study_progress_expect(&study->progress, flops, steps);
    }
}

/* ------------------------------------------------------------------ the study */

static iv_status run_all(ae_study *study, bool train, size_t first, ae_outcome **outcomes) {
    const iv_study_job *job = study->job;
    iv_status status = IV_OK;
    for (size_t i = 0; i < study->plan.n_populations && status == IV_OK; i++) {
        const ae_population *p = &study->plan.populations[i];
        outcomes[i] = calloc(p->n_members, sizeof **outcomes);
        if (!outcomes[i]) return study_out_of_memory(job->context);
        double steps;
        const double flops = population_flops(study, p, &steps);
        study_progress_population(&study->progress, flops);
        status = run_population(study, i, i < first, outcomes[i]);
        if (status == IV_OK && train) report_population(job, p, outcomes[i]);
        if (!train && status == IV_OK)
            iv_progress_update(job->progress, "measuring", i + 1, study->plan.n_populations);
    }
    return status;
}

static iv_status run_study(const iv_study_job *job, bool train, iv_results *results) {
    ae_study study = {.job = job};
    iv_error *error = iv_context_error(job->context);
    ae_outcome **outcomes = NULL;
    ae_table table = {0};
    size_t first = SIZE_MAX;
    iv_status status = ae_plan_create(job->spec, &study.plan, error);
    if (status == IV_OK)
        status = ae_plan_split(&study.plan, iv_context_device(job->context), error);
    if (status == IV_OK && train) status = study_open_log(job, &study.resume, &study.log, &first);
    const size_t n = study.plan.n_populations;
    if (status == IV_OK && !(outcomes = calloc(n, sizeof *outcomes)))
        status = study_out_of_memory(job->context);
    begin_progress(&study);
    if (status == IV_OK) status = run_all(&study, train, first, outcomes);
    if (status == IV_OK) status = ae_table_create(job->spec, &study.plan, outcomes, &table, error);
    if (status == IV_OK) status = ae_results_fill(job->spec, &table, results, error);
    if (status == IV_OK) status = ae_claims_add(&table, results, error);
    if (train) status = study_close_log(job, &study.log, status);
    if (status == IV_OK && train) status = ae_figures_draw(job, &table);

    ae_table_clear(&table);
    iv_safetensors_close(study.resume);
    ae_data_clear(job->context, &study.data);
    for (size_t i = 0; i < n && outcomes; i++) free(outcomes[i]);
    free(outcomes);
    ae_plan_clear(&study.plan);
    return status;
}

iv_status ae_run_study(const iv_study_job *job, iv_results *results) {
    return run_study(job, true, results);
}

iv_status ae_evaluate(const iv_study_job *job, iv_results *results) {
    return run_study(job, false, results);
}

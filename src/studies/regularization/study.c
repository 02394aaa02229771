/* The regularization study (Moskalev et al. 2023): weight-tying, data augmentation and invariance
 * regularization of a perceptron, and how invariant each really is. */
#include "studies/regularization/regularization.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

iv_status reg_study_pool(reg_study *study, const reg_model *model, const char *name, size_t n_asked,
                         const reg_pool **pool) {
    reg_pool *p = &study->pool;
    *pool = p;
    if (p->pixels && strcmp(p->name, name) == 0 && p->n_asked == n_asked &&
        p->side == model->group->side)
        return IV_OK;
    reg_pool_clear(study->job->context, p);
    return reg_pool_create(study->job->context, study->job->data_dir, name, n_asked, model->group,
                           p);
}

/* ------------------------------------------------------------------ files */

static iv_status export_models(const iv_study_job *job, const reg_model *model) {
    iv_status status = IV_OK;
    for (size_t r = 0; r < model->population->n_members && status == IV_OK; r++) {
        const reg_member *member = &model->population->members[r];
        status = study_export(job, model->parameters, NULL, r, member->run, member->seed, 0);
    }
    return status;
}

static iv_status import_models(const iv_study_job *job, reg_model *model) {
    iv_status status = IV_OK;
    for (size_t r = 0; r < model->population->n_members && status == IV_OK; r++) {
        const reg_member *member = &model->population->members[r];
        status = study_import(job, model->parameters, NULL, r, member->run, member->seed, NULL);
    }
    return status;
}

/* One file a seed; where a sweep changes the data, one a seed and configuration. */
static iv_status save_splits(const reg_study *study, const reg_population *p, size_t n_pool) {
    iv_error *error = iv_context_error(study->job->context);
    int32_t *rows = malloc(n_pool * sizeof *rows);
    iv_status status = rows ? IV_OK : study_out_of_memory(study->job->context);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        const char *variant = p->members[r].run->variant;
        char name[512];
        snprintf(name, sizeof name, "splits/seed%u%s%s.npy", p->members[r].seed,
                 *variant ? "-" : "", variant);
        status = iv_split(p->members[r].seed, n_pool, p->n_train, p->n_validation, p->n_test, rows,
                          error);
        char *path = iv_run_dir_file(study->job->dir, name);
        if (status == IV_OK && !path) status = study_out_of_memory(study->job->context);
        const iv_array array = {.type = IV_ARRAY_INT32, .rank = 1, .shape = {n_pool}, .data = rows};
        if (status == IV_OK) status = iv_npy_write(path, &array, error);
        free(path);
    }
    free(rows);
    return status;
}

/* ------------------------------------------------------------------ measuring */

static iv_status measure_on(const reg_study *study, const reg_model *model,
                            const iv_image_source *images, const char *what, reg_metrics *metrics) {
    const reg_plan *plan = &study->plan;
    const bool jacobians = plan->sigma_max_jacobian || plan->jacobian_spectrum;
    const size_t n_jacobians = !jacobians                   ? 0
                               : plan->jacobian_samples > 0 ? plan->jacobian_samples
                                                            : images->n_samples;
    reg_measure *measure;
    iv_status status = reg_measure_create(model, images, n_jacobians, &measure);
    if (status == IV_OK)
        status = reg_measure_run(measure, study->job->stop, study->job->progress, what, metrics);
    reg_measure_destroy(measure);
    return status;
}

/* The test part of another data set, split by the same seeds. */
static iv_status measure_drift(reg_study *study, const reg_model *model, const char *name,
                               reg_metrics *metrics) {
    const reg_population *p = model->population;
    const reg_pool *pool;
    const bool built_in = strcmp(name, "digits") == 0 || strcmp(name, "noise") == 0;
    iv_status status = reg_study_pool(study, model, name, built_in ? p->n_test : 0, &pool);
    if (status != IV_OK) return status;

    const size_t n_test = p->n_test < pool->n_images ? p->n_test : pool->n_images;
    cl_mem splits = NULL;
    char what[64];
    snprintf(what, sizeof what, "measuring on %s", name);
    status = reg_splits_create(model, pool->n_images, 0, 0, n_test, &splits);
    if (status == IV_OK) {
        iv_image_source images;
        reg_images_of(model, pool, splits, 0, n_test, false, &images);
        status = measure_on(study, model, &images, what, metrics);
    }
    iv_buffer_release(model->context, splits);
    return status;
}

static iv_status measure_all(reg_study *study, const reg_model *model, const reg_pool *pool,
                             cl_mem splits, reg_outcome *outcomes) {
    const reg_population *p = model->population;
    reg_metrics *metrics = malloc(p->n_members * sizeof *metrics);
    double *sigma_max = malloc(p->n_members * p->layers * sizeof *sigma_max);
    reg_weight_norms norms = {0};
    iv_status status = metrics && sigma_max ? IV_OK : study_out_of_memory(study->job->context);

    iv_image_source images;
    if (status == IV_OK && p->n_validation > 0) {
        reg_images_of(model, pool, splits, p->n_train, p->n_validation, false, &images);
        status = measure_on(study, model, &images, "measuring on validation images", metrics);
        for (size_t r = 0; r < p->n_members; r++) outcomes[r].validation = metrics[r];
    }
    if (status == IV_OK) {
        reg_images_of(model, pool, splits, p->n_train + p->n_validation, p->n_test, false, &images);
        status = measure_on(study, model, &images, "measuring on test images", metrics);
        for (size_t r = 0; r < p->n_members; r++) outcomes[r].test = metrics[r];
    }
    if (status == IV_OK && study->log && iv_spec_lists(p->config, "figures.names", "saliency"))
        status = reg_figures_draw_saliency(study->job, model, &images);

    if (status == IV_OK) status = reg_weight_norms_create(model, &norms);
    if (status == IV_OK) status = reg_weight_norms_run(&norms, sigma_max);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++)
        memcpy(outcomes[r].sigma_max, sigma_max + r * p->layers, p->layers * sizeof *sigma_max);
    reg_weight_norms_clear(&norms);

    const char *names[REG_MAX_DRIFT];
    const size_t n_drift = reg_drift_sets(p->config, p->dataset, names);
    for (size_t i = 0; i < n_drift && status == IV_OK; i++) {
        status = measure_drift(study, model, names[i], metrics);
        for (size_t r = 0; r < p->n_members; r++) outcomes[r].drift[i] = metrics[r];
    }
    for (size_t r = 0; r < p->n_members; r++) outcomes[r].measured = status == IV_OK;
    free(metrics);
    free(sigma_max);
    return status;
}

/* ------------------------------------------------------------------ populations */

/* Bring one population to its end, trained here or read back from its models, and measure it. */
static iv_status run_population(reg_study *study, size_t index, bool trained,
                                reg_outcome *outcomes) {
    const iv_study_job *job = study->job;
    const reg_population *p = &study->plan.populations[index];
    reg_model *model;
    cl_mem splits = NULL;
    const reg_pool *pool;
    iv_status status = reg_model_create(job->context, p, &model);
    if (status == IV_OK) status = reg_study_pool(study, model, p->dataset, p->n_images, &pool);
    if (status == IV_OK)
        status = reg_splits_create(model, pool->n_images, p->n_train, p->n_validation, p->n_test,
                                   &splits);
    if (status == IV_OK && trained) {
        status = import_models(job, model);
    } else if (status == IV_OK) {
        status = save_splits(study, p, pool->n_images);
        if (status == IV_OK) status = reg_train(study, index, model, pool, splits);
        if (status == IV_OK) status = export_models(job, model);
    }
    if (status == IV_OK) status = measure_all(study, model, pool, splits, outcomes);
    iv_buffer_release(job->context, splits);
    reg_model_destroy(model);
    return status;
}

static void report_population(const iv_study_job *job, const reg_population *p,
                              const reg_outcome *outcomes) {
    for (size_t r = 0; r < p->n_members; r++) {
        const reg_metrics *m = &outcomes[r].test;
        char line[256];
        snprintf(line, sizeof line,
                 "%s seed %u: accuracy %.2f%%, LI %.4g, DI %.3g, SI %.4f, sigma_max(J) %.3g",
                 p->members[r].run->name, p->members[r].seed, 100 * m->accuracy, m->li, m->di,
                 m->si, m->sigma_max_jacobian);
        study_say(job, line);
    }
}

/* ------------------------------------------------------------------ the study */

static iv_status run_study(const iv_study_job *job, bool train, iv_results *results) {
    reg_study study = {.job = job};
    iv_error *error = iv_context_error(job->context);
    reg_outcome **outcomes = NULL;
    size_t first = SIZE_MAX;
    iv_status status = reg_plan_create(job->spec, &study.plan, error);
    if (status == IV_OK)
        status = reg_plan_split(&study.plan, iv_context_device(job->context), error);
    if (status == IV_OK && train) status = study_open_log(job, &study.resume, &study.log, &first);
    const size_t n = study.plan.n_populations;
    if (status == IV_OK && !(outcomes = calloc(n, sizeof *outcomes)))
        status = study_out_of_memory(job->context);

    for (size_t i = 0; i < n && status == IV_OK; i++) {
        outcomes[i] = calloc(study.plan.populations[i].n_members, sizeof **outcomes);
        status = outcomes[i] ? run_population(&study, i, i < first, outcomes[i])
                             : study_out_of_memory(job->context);
        if (status == IV_OK && train)
            report_population(job, &study.plan.populations[i], outcomes[i]);
    }
    if (status == IV_OK)
        status = reg_results_fill(job->spec, &study.plan, outcomes, results, error);
    if (train) status = study_close_log(job, &study.log, status);
    if (status == IV_OK && train) status = reg_figures_draw_curves(job, &study.plan);

    iv_safetensors_close(study.resume);
    reg_pool_clear(job->context, &study.pool);
    for (size_t i = 0; i < n && outcomes; i++) free(outcomes[i]);
    free(outcomes);
    reg_plan_clear(&study.plan);
    return status;
}

iv_status reg_run(const iv_study_job *job, iv_results *results) {
    return run_study(job, true, results);
}

iv_status reg_evaluate(const iv_study_job *job, iv_results *results) {
    return run_study(job, false, results);
}

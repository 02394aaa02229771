/* What the regularization study can refuse before it begins: data that is missing or damaged, and
 * populations that the device cannot hold. */
#include "studies/regularization/regularization.h"

#include <string.h>

enum { MOST_SETS = 8 };

/* ------------------------------------------------------------------ data */

static bool is_built_in(const char *name) {
    return strcmp(name, "digits") == 0 || strcmp(name, "noise") == 0;
}

static iv_status read_once(const iv_study_job *job, const char *name, const char *read[MOST_SETS],
                           size_t *n_read) {
    if (is_built_in(name)) return IV_OK;
    for (size_t i = 0; i < *n_read; i++)
        if (strcmp(read[i], name) == 0) return IV_OK;
    if (*n_read < MOST_SETS) read[(*n_read)++] = name;
    iv_dataset data;
    const iv_status status =
        iv_dataset_load(job->data_dir, name, 0, &data, iv_context_error(job->context));
    if (status == IV_OK) iv_dataset_clear(&data);
    return status;
}

/* Drift sets are looked at only after training: hours may have passed by then. */
static iv_status check_data(const iv_study_job *job, const reg_plan *plan) {
    const char *read[MOST_SETS], *drift[REG_MAX_DRIFT];
    size_t n_read = 0;
    iv_status status = IV_OK;
    for (size_t i = 0; i < plan->n_populations && status == IV_OK; i++) {
        const reg_population *p = &plan->populations[i];
        status = read_once(job, p->dataset, read, &n_read);
        const size_t n_drift = reg_drift_sets(p->config, p->dataset, drift);
        for (size_t k = 0; k < n_drift && status == IV_OK; k++)
            status = read_once(job, drift[k], read, &n_read);
    }
    return status;
}

/* ------------------------------------------------------------------ memory */

static size_t jacobians_of(const reg_plan *plan, size_t n_samples) {
    if (!plan->sigma_max_jacobian && !plan->jacobian_spectrum) return 0;
    return plan->jacobian_samples > 0 ? plan->jacobian_samples : n_samples;
}

/* Allocate what training and measuring allocate, in their order, and run nothing. */
static iv_status rehearse(const iv_study_job *job, const reg_plan *plan, const reg_population *p) {
    iv_context *context = job->context;
    reg_model *model;
    reg_pool pool = {.n_images = p->n_train + p->n_validation + p->n_test};
    cl_mem splits = NULL;
    study_training training = {0};
    reg_measure *measure = NULL;
    iv_image_source images;
    if (pool.n_images < p->n_images) pool.n_images = p->n_images;

    size_t bytes;
    iv_status status = reg_model_create(context, p, &model);
    if (status == IV_OK)
        status = iv_multiply_size(pool.n_images, model->group->n_pixels, &bytes,
                                  iv_context_error(context));
    if (status == IV_OK) status = iv_buffer_create(context, bytes, &pool.pixels);
    if (status == IV_OK) status = iv_buffer_create(context, pool.n_images, &pool.labels);
    if (status == IV_OK)
        status = iv_multiply_size(pool.n_images * sizeof(int32_t), p->n_members, &bytes,
                                  iv_context_error(context));
    if (status == IV_OK) status = iv_buffer_create(context, bytes, &splits);
    if (status == IV_OK) {
        reg_images_of(model, &pool, splits, 0, p->n_train, true, &images);
        status = reg_training_create(model, &images, &training);
    }
    if (status == IV_OK && p->n_validation > 0) {
        reg_images_of(model, &pool, splits, p->n_train, p->n_validation, false, &images);
        status = reg_measure_create(model, &images, jacobians_of(plan, p->n_validation), &measure);
    }
    reg_measure_destroy(measure);
    measure = NULL;
    study_training_clear(&training);
    if (status == IV_OK) {
        reg_images_of(model, &pool, splits, p->n_train + p->n_validation, p->n_test, false,
                      &images);
        status = reg_measure_create(model, &images, jacobians_of(plan, p->n_test), &measure);
    }
    reg_measure_destroy(measure);
    reg_pool_clear(context, &pool);
    iv_buffer_release(context, splits);
    reg_model_destroy(model);
    return status;
}

/* ------------------------------------------------------------------ both */

iv_status reg_prepare(const iv_study_job *job) {
    reg_plan plan;
    iv_error *error = iv_context_error(job->context);
    iv_status status = reg_plan_create(job->spec, &plan, error);
    if (status != IV_OK) return status;
    status = reg_plan_split(&plan, iv_context_device(job->context), error);
    if (status == IV_OK) status = check_data(job, &plan);
    for (size_t i = 0; i < plan.n_populations && status == IV_OK; i++) {
        if (job->stop && *job->stop)
            status = iv_fail(error, IV_EINTERRUPTED, "interrupted before anything was written");
        else
            status = rehearse(job, &plan, &plan.populations[i]);
    }
    reg_plan_clear(&plan);
    return status;
}

/* What is measured of a population of the regularization study: along the way, the validation
 * images and the weights; at the end, the test images and other data sets too. */
#include "studies/regularization/regularization.h"

typedef struct {
    reg_model *model;
    bool curves;
    reg_on_images *images; /* validation images along the way, test images at the end; NULL: none */
    reg_weight_norms norms;
    bool has_norms;
} reg_measure;

static size_t n_jacobians(const reg_setting *s, bool curves, size_t n_samples) {
    if (curves ? !s->jacobians_along : !s->jacobians) return 0;
    return s->jacobian_samples > 0 ? s->jacobian_samples : n_samples;
}

static void close_measure(void *measure) {
    reg_measure *m = measure;
    reg_on_images_destroy(m->images);
    if (m->has_norms) reg_weight_norms_clear(&m->norms);
}

/* The others of the end's sets are opened one after another, to hold less memory at once. */
static iv_status open_measure(iv_model *model, bool curves, void *measure) {
    reg_measure *m = measure;
    m->model = (reg_model *)model;
    m->curves = curves;
    const reg_setting *s = m->model->setting;
    if (reg_sets.applies(model->population, NULL, REG_WEIGHTS, REG_SIGMA_MAX, curves) > 0) {
        const iv_status status = reg_weight_norms_create(m->model, &m->norms);
        if (status != IV_OK) return status;
        m->has_norms = true;
    }
    if (curves && s->n_validation == 0) return IV_OK;
    const iv_image_source images = reg_images(m->model, !curves);
    return reg_on_images_create(m->model, &images, n_jacobians(s, curves, images.n_samples),
                                &m->images);
}

/* ------------------------------------------------------------------ running */

static iv_status measure_on(const iv_experiment *x, const reg_model *model,
                            const iv_image_source *images, size_t set, double *values) {
    reg_on_images *m;
    iv_status status = reg_on_images_create(
        model, images, n_jacobians(model->setting, false, images->n_samples), &m);
    if (status == IV_OK) status = reg_on_images_run(x, m, set, values);
    reg_on_images_destroy(m);
    return status;
}

/* The test part of another data set, split by the same seeds. */
static iv_status measure_drift(iv_experiment *x, const reg_model *model, size_t i, double *values) {
    const reg_setting *s = model->setting;
    reg_pool pool;
    cl_mem splits = NULL;
    iv_status status = reg_drift_load(x, model->data, s, s->drift[i], &pool);
    if (status != IV_OK) return status;
    const size_t n_test = s->n_test < pool.n_images ? s->n_test : pool.n_images;
    status =
        reg_splits_create(x->context, model->base.population, pool.n_images, 0, 0, n_test, &splits);
    if (status == IV_OK) {
        const iv_image_source images = reg_images_of(model, &pool, splits, 0, n_test, false);
        status = measure_on(x, model, &images, REG_DRIFT + i, values);
    }
    iv_buffer_release(x->context, splits);
    reg_pool_clear(x->context, &pool);
    return status;
}

static iv_status measure_end(iv_experiment *x, reg_measure *m, double *values) {
    const reg_setting *s = m->model->setting;
    iv_status status = reg_on_images_run(x, m->images, REG_TEST, values);
    reg_on_images_destroy(m->images);
    m->images = NULL;
    if (status == IV_OK && s->n_validation > 0) {
        const iv_image_source images = reg_images(m->model, false);
        status = measure_on(x, m->model, &images, REG_VALIDATION, values);
    }
    for (size_t i = 0; i < s->n_drift && status == IV_OK; i++)
        status = measure_drift(x, m->model, i, values);
    return status;
}

static iv_status run(iv_experiment *x, void *measure, const iv_position *position, double *values) {
    reg_measure *m = measure;
    const size_t size = iv_values_size(&reg_study);
    const size_t loss = iv_value_index(&reg_study, REG_WEIGHTS, REG_LOSS);
    iv_status status = m->has_norms ? reg_weight_norms_run(&m->norms, values) : IV_OK;
    for (size_t r = 0; r < m->model->base.population->n_members && position; r++)
        values[r * size + loss] = (double)position->losses[r];
    if (status != IV_OK) return status;
    if (!m->curves) return measure_end(x, m, values);
    return m->images ? reg_on_images_run(x, m->images, REG_VALIDATION, values) : IV_OK;
}

static iv_status measure_time(void *measure, double *seconds) {
    reg_measure *m = measure;
    const reg_setting *s = m->model->setting;
    *seconds = 0;
    const iv_status status = m->images ? reg_on_images_time(m->images, seconds) : IV_OK;
    /* at the end the validation images and the drift sets come on top */
    if (!m->curves && s->n_test > 0)
        *seconds *= 1 + (double)s->n_drift + (double)s->n_validation / (double)s->n_test;
    return status;
}

const iv_study_measures reg_measures = {
    .size = sizeof(reg_measure),
    .open = open_measure,
    .close = close_measure,
    .run = run,
    .time = measure_time,
    .log_set_by_set = true,
};

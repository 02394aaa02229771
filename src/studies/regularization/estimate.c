/* What the regularization study would take: memory by building each population, time by measuring a
 * few of its steps on blank images. Nothing of the study itself is started. */
#include "studies/regularization/regularization.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Copies of an image that one training sample needs. */
static size_t training_copies(const reg_population *p) {
    const size_t orbit = p->group_kind == IV_GROUP_SHIFT && p->axes == IV_AXES_XY
                             ? p->group_order * p->group_order
                             : p->group_order;
    return p->method == REG_WEIGHT_TYING ? orbit : p->method == REG_REGULARIZATION ? 2 : 1;
}

/* Bound by the batch of images, the largest tensor, and by what surrounds it: activations and their
 * gradients of every layer, and four copies of the parameters. */
size_t reg_members_that_fit(const reg_population *p, const iv_device_info *device) {
    const size_t side = 28 + (p->group_kind == IV_GROUP_SHIFT ? p->group_order : 0);
    const double rows = (double)(training_copies(p) * p->batch);
    const double images = rows * (double)(side * side) * sizeof(float);
    const double activations = rows * (double)p->hidden * (double)(p->layers + 4) * sizeof(float);
    const double weights =
        (double)p->hidden * (double)(side * side + p->layers * p->hidden) * sizeof(float);
    const double fit_buffer = (double)device->max_alloc_bytes / images;
    const double fit_total =
        0.6 * (double)device->global_bytes / (images + activations + 5 * weights);
    const double fit = fit_buffer < fit_total ? fit_buffer : fit_total;
    return fit < 1 ? 1 : fit > 1e6 ? 1000000 : (size_t)fit;
}

/* A pool of one black image that every index points to. */
static iv_status blank_pool(const reg_model *model, size_t n_indices, reg_pool *pool,
                            cl_mem *splits) {
    iv_context *context = model->context;
    const size_t index_bytes = model->population->n_members * n_indices * sizeof(int32_t);
    memset(pool, 0, sizeof *pool);
    *splits = NULL;
    const size_t pixel_bytes = (model->group->n_pixels + 3) / 4 * 4;
    iv_status status = iv_buffer_create(context, pixel_bytes, &pool->pixels);
    if (status == IV_OK) status = iv_buffer_fill(context, pool->pixels, 0, pixel_bytes, 0);
    if (status == IV_OK) status = iv_buffer_create(context, 4, &pool->labels);
    if (status == IV_OK) status = iv_buffer_fill(context, pool->labels, 0, 4, 0);
    if (status == IV_OK) status = iv_buffer_create(context, index_bytes, splits);
    if (status == IV_OK) status = iv_buffer_fill(context, *splits, 0, index_bytes, 0);
    pool->n_images = n_indices;
    return status;
}

typedef struct {
    iv_context *context;
    reg_plan plan;
} estimating;

static iv_status estimate_population(void *state, size_t index, iv_estimate *estimate) {
    const estimating *e = state;
    iv_context *context = e->context;
    const reg_population *p = &e->plan.populations[index];
    reg_model *model;
    reg_pool pool = {0};
    cl_mem splits = NULL;
    study_training training = {0};
    const size_t bytes_before = iv_context_bytes(context);
    double seconds = NAN;
    iv_status status = reg_model_create(context, p, &model);
    if (status == IV_OK) status = blank_pool(model, p->n_train, &pool, &splits);
    if (status == IV_OK) {
        iv_image_source images;
        reg_images_of(model, &pool, splits, 0, p->n_train, true, &images);
        status = reg_training_create(model, &images, &training);
    }
    if (status == IV_OK) {
        estimate->bytes =
            iv_context_bytes(context) - bytes_before + p->n_images * model->group->n_pixels;
        status = study_time_steps(context, training.plan, &seconds);
    }
    if (status == IV_OK) {
        estimate->n_members = p->n_members;
        estimate->seconds = seconds * (double)training.steps_per_epoch * (double)p->epochs;
        snprintf(estimate->name, sizeof estimate->name, "%s%s%s", p->members[0].run->base,
                 *p->members[0].run->variant ? " " : "", p->members[0].run->variant);
    }
    study_training_clear(&training);
    reg_pool_clear(context, &pool);
    iv_buffer_release(context, splits);
    reg_model_destroy(model);
    return status;
}

iv_status reg_estimate(const iv_study_job *job, iv_estimate **estimates, size_t *n_estimates) {
    estimating e = {.context = job->context};
    *estimates = NULL;
    *n_estimates = 0;
    iv_error *error = iv_context_error(job->context);
    iv_status status = reg_plan_create(job->spec, &e.plan, error);
    if (status != IV_OK) return status;
    status = reg_plan_split(&e.plan, iv_context_device(job->context), error);
    if (status == IV_OK)
        status = study_estimate_each(job->context, e.plan.n_populations, estimate_population, &e,
                                     estimates, n_estimates);
    reg_plan_clear(&e.plan);
    return status;
}

/* Metrics of a population on a set of images: accuracy and invariance on orbits, spectra of
 * Jacobians. Per-sample numbers come from the device; means are taken here, in double
 * and in order. */
#include "studies/regularization/regularization.h"

#include <invar/linalg.h>

#include <stdlib.h>

enum { MAX_BATCH = 256, MIN_BATCH = 8, MOST_METRICS = 32 };
static const size_t batch_bytes = (size_t)64 << 20; /* of the largest tensor, so about */

struct reg_on_images {
    const reg_model *model;
    size_t n_samples, batch;
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *metrics[MOST_METRICS]; /* of orbits: [B] each, */
    size_t rows[MOST_METRICS];        /* and which they are */
    size_t n_metrics;
    size_t n_jacobians, jacobian_batch;
    iv_graph *jacobian_graph;
    iv_plan *jacobian_plan;
    iv_graph *factor_graph;
    iv_plan *factor_plan;
    cl_mem factor;          /* [R, G hidden, G hidden]; NULL if Jacobians are formed */
    cl_mem singular_values; /* [R, jacobian_batch, C] */
    float *values;          /* host: one read, all members */
};

static size_t n_classes_of(const reg_on_images *m) {
    return m->model->setting->images.n_classes;
}

static size_t choose_batch(size_t n_samples, size_t bytes_per_sample) {
    size_t batch = batch_bytes / bytes_per_sample;
    if (batch > MAX_BATCH) batch = MAX_BATCH;
    if (batch < MIN_BATCH) batch = MIN_BATCH;
    return batch < n_samples ? batch : n_samples;
}

/* Images of a batch with their orbit, every metric on it, and the saliency of the predicted class.
 */
static iv_status create_orbit_plan(reg_on_images *m, const iv_image_source *images) {
    const reg_model *model = m->model;
    const size_t n_elements = model->group->n_elements, n_pixels = model->group->n_pixels;
    const size_t copies =
        n_elements * (model->setting->method == REG_WEIGHT_TYING ? n_elements : 1);
    m->batch = choose_batch(m->n_samples,
                            model->base.population->n_members * copies * n_pixels * sizeof(float));
    iv_status status =
        iv_graph_create(model->base.context, model->base.population->n_members, &m->graph);
    if (status != IV_OK) return status;

    iv_graph *g = m->graph;
    const size_t rows = n_elements * m->batch;
    iv_tensor *parameters[2 * REG_MAX_LAYERS], *orbit, *labels, *saliency = NULL;
    reg_model_tensors(model, g, parameters);
    iv_image_batch(g, images, m->batch, IV_COPIES_ORBIT, &orbit, &labels);
    iv_tensor *x = iv_reshape(g, orbit, 2, (const size_t[]){rows, n_pixels});
    iv_tensor *flat_logits = reg_model_logits(model, g, parameters, x, NULL);
    iv_tensor *logits =
        iv_reshape(g, flat_logits, 3, (const size_t[]){n_elements, m->batch, n_classes_of(m)});
    iv_tensor *predicted = iv_argmax(g, iv_slice(g, logits, 0, 1));
    iv_tensor *chosen = iv_class_logit_sum(g, flat_logits, predicted);
    status = iv_gradient(g, chosen, &x, 1, &saliency);
    if (status != IV_OK) return status;
    saliency = iv_reshape(g, saliency, 3, (const size_t[]){n_elements, m->batch, n_pixels});

    const reg_orbit all = {labels, logits, saliency, model->data->inverse};
    for (size_t i = 0; reg_metric_def(i) && m->n_metrics < MOST_METRICS; i++) {
        iv_tensor *metric = reg_orbit_metric(g, i, &all);
        if (!metric) continue;
        m->rows[m->n_metrics] = i;
        m->metrics[m->n_metrics++] = metric;
    }
    return iv_graph_compile(g, m->metrics, m->n_metrics, &m->plan);
}

/* The first layer's weights under every element (W g^-1 below one another, as the derivative by the
 * images has them), and their triangular factor. */
static iv_status create_factor(reg_on_images *m, size_t n_elements) {
    const reg_model *model = m->model;
    const size_t n_members = model->base.population->n_members, n_pixels = model->group->n_pixels;
    const size_t hidden = model->setting->hidden, n_filters = n_elements * hidden;
    iv_status status = iv_buffer_create(
        model->base.context, n_members * n_filters * n_filters * sizeof(float), &m->factor);
    if (status == IV_OK) status = iv_graph_create(model->base.context, n_members, &m->factor_graph);
    if (status != IV_OK) return status;

    iv_graph *g = m->factor_graph;
    iv_tensor *weights = iv_parameters_tensor(model->base.parameters, g, 0);
    iv_tensor *filters = n_elements == 1 ? weights
                                         : iv_orbit(g, weights, model->data->inverse,
                                                    model->data->source, n_elements);
    status = iv_graph_compile(g, &filters, 1, &m->factor_plan);
    if (status != IV_OK) return status;
    return iv_lq(iv_plan_sequence(m->factor_plan),
                 &(iv_lq_desc){.m = n_filters,
                               .n = n_pixels,
                               .batch = n_members,
                               .a = iv_plan_view(m->factor_plan, filters),
                               .l = {m->factor, 0, n_filters * n_filters}});
}

/* Singular values of the Jacobians by the images: of their product form where the first layer has
 * no more filters than pixels, of the Jacobians themselves otherwise. */
static iv_status append_values(reg_on_images *m, iv_tensor *jacobian, size_t n_elements) {
    const reg_model *model = m->model;
    const size_t n_members = model->base.population->n_members, n_pixels = model->group->n_pixels;
    const size_t batch = m->jacobian_batch;
    iv_view matrices = iv_plan_view(m->jacobian_plan, jacobian);
    if (m->factor)
        return iv_factored_svd(
            iv_plan_sequence(m->jacobian_plan),
            &(iv_factored_svd_desc){
                .n_members = n_members,
                .n_elements = n_elements,
                .n_inputs = batch,
                .rows = n_classes_of(m),
                .width = model->setting->hidden,
                .d = matrices,
                .l = {m->factor, 0,
                      n_elements * n_elements * model->setting->hidden * model->setting->hidden},
                .s = {m->singular_values, 0, batch * n_classes_of(m)}});

    matrices.stride = n_classes_of(m) * n_pixels; /* those of all members follow one another */
    return iv_svd(iv_plan_sequence(m->jacobian_plan),
                  &(iv_svd_desc){.m = n_classes_of(m),
                                 .n = n_pixels,
                                 .batch = n_members * batch,
                                 .a = matrices,
                                 .s = {m->singular_values, 0, n_classes_of(m)}});
}

static iv_status create_jacobian_plan(reg_on_images *m, const iv_image_source *images) {
    const reg_model *model = m->model;
    const reg_setting *s = model->setting;
    const size_t n_members = model->base.population->n_members, n_pixels = model->group->n_pixels;
    const size_t n_elements = s->method == REG_WEIGHT_TYING ? model->group->n_elements : 1;
    const bool factored = n_elements * s->hidden <= n_pixels && s->hidden >= n_classes_of(m);
    m->jacobian_batch =
        choose_batch(m->n_jacobians, n_members * n_classes_of(m) * n_pixels * sizeof(float));
    iv_status status = factored ? create_factor(m, n_elements) : IV_OK;
    if (status == IV_OK)
        status = iv_graph_create(model->base.context, n_members, &m->jacobian_graph);
    if (status != IV_OK) return status;

    iv_graph *g = m->jacobian_graph;
    const size_t batch = m->jacobian_batch;
    iv_tensor *parameters[2 * REG_MAX_LAYERS], *copies, *labels, *sums;
    reg_model_tensors(model, g, parameters);
    iv_image_batch(g, images, batch, IV_COPIES_IDENTITY, &copies, &labels);
    iv_tensor *x = iv_reshape(g, copies, 2, (const size_t[]){batch, n_pixels});
    iv_tensor *logits = reg_model_logits(model, g, parameters, x, &sums);
    iv_tensor *jacobian = iv_jacobian(g, logits, factored ? sums : x);
    status = iv_graph_compile(g, &jacobian, 1, &m->jacobian_plan);
    if (status == IV_OK)
        status = iv_buffer_create(model->base.context,
                                  n_members * batch * n_classes_of(m) * sizeof(float),
                                  &m->singular_values);
    return status == IV_OK ? append_values(m, jacobian, n_elements) : status;
}

iv_status reg_on_images_create(const reg_model *model, const iv_image_source *images,
                               size_t n_jacobians, reg_on_images **out) {
    reg_on_images *m = *out = calloc(1, sizeof *m);
    if (!m) return iv_no_memory(model->base.context);
    m->model = model;
    m->n_samples = images->n_samples;
    m->n_jacobians = n_jacobians < m->n_samples ? n_jacobians : m->n_samples;

    iv_status status = create_orbit_plan(m, images);
    if (status == IV_OK && m->n_jacobians > 0) status = create_jacobian_plan(m, images);
    if (status == IV_OK) {
        const size_t a = m->batch, b = m->jacobian_batch * n_classes_of(m);
        m->values = malloc(model->base.population->n_members * (a > b ? a : b) * sizeof *m->values);
        if (!m->values) status = iv_no_memory(model->base.context);
    }
    if (status != IV_OK) {
        reg_on_images_destroy(m);
        *out = NULL;
    }
    return status;
}

void reg_on_images_destroy(reg_on_images *m) {
    if (!m) return;
    iv_plan_destroy(m->plan);
    iv_graph_destroy(m->graph);
    iv_plan_destroy(m->jacobian_plan);
    iv_graph_destroy(m->jacobian_graph);
    iv_plan_destroy(m->factor_plan);
    iv_graph_destroy(m->factor_graph);
    iv_buffer_release(m->model->base.context, m->factor);
    iv_buffer_release(m->model->base.context, m->singular_values);
    free(m->values);
    free(m);
}

/* ------------------------------------------------------------------ running */

/* Where a member's sums go. */
static double *sums_of(double *values, size_t set, size_t r, size_t metric) {
    return values + r * iv_values_size(&reg_study) + iv_value_index(&reg_study, set, metric);
}

/* Batch number `step` of the orbits; `valid` of its images count. */
static iv_status add_orbits(reg_on_images *m, size_t step, size_t valid, size_t set,
                            double *values) {
    iv_status status = iv_plan_run(m->plan, (uint32_t)step);
    for (size_t k = 0; k < m->n_metrics && status == IV_OK; k++) {
        status = iv_plan_read(m->plan, m->metrics[k], m->values);
        for (size_t r = 0; r < m->model->base.population->n_members && status == IV_OK; r++)
            for (size_t i = 0; i < valid; i++)
                *sums_of(values, set, r, m->rows[k]) += (double)m->values[r * m->batch + i];
    }
    return status;
}

static iv_status add_jacobians(reg_on_images *m, size_t step, size_t valid, size_t set,
                               double *values) {
    const size_t n_members = m->model->base.population->n_members, batch = m->jacobian_batch;
    iv_status status = iv_plan_run(m->jacobian_plan, (uint32_t)step);
    if (status == IV_OK)
        status = iv_buffer_read(m->model->base.context, m->singular_values, 0,
                                n_members * batch * n_classes_of(m) * sizeof(float), m->values);
    for (size_t r = 0; r < n_members && status == IV_OK; r++)
        for (size_t i = 0; i < valid; i++)
            for (size_t c = 0; c < n_classes_of(m); c++)
                sums_of(values, set, r, REG_SPECTRUM)[c] +=
                    (double)m->values[(r * batch + i) * n_classes_of(m) + c];
    return status;
}

static void begin_sums(const reg_on_images *m, size_t set, double *values) {
    for (size_t r = 0; r < m->model->base.population->n_members; r++) {
        for (size_t k = 0; k < m->n_metrics; k++) *sums_of(values, set, r, m->rows[k]) = 0;
        for (size_t c = 0; c < n_classes_of(m) && m->n_jacobians > 0; c++)
            sums_of(values, set, r, REG_SPECTRUM)[c] = 0;
    }
}

static void finish_sums(const reg_on_images *m, size_t set, double *values) {
    for (size_t r = 0; r < m->model->base.population->n_members; r++) {
        for (size_t k = 0; k < m->n_metrics; k++)
            *sums_of(values, set, r, m->rows[k]) /= (double)m->n_samples;
        double *spectrum = sums_of(values, set, r, REG_SPECTRUM);
        for (size_t c = 0; c < n_classes_of(m) && m->n_jacobians > 0; c++)
            spectrum[c] /= (double)m->n_jacobians;
        if (m->n_jacobians > 0) *sums_of(values, set, r, REG_SIGMA_JACOBIAN) = spectrum[0];
    }
}

static size_t valid_of(size_t n, size_t batch, size_t step) {
    const size_t left = n - step * batch;
    return left < batch ? left : batch;
}

iv_status reg_on_images_run(const iv_experiment *x, reg_on_images *m, size_t set, double *values) {
    iv_status status = IV_OK;
    begin_sums(m, set, values);
    for (size_t step = 0; step * m->batch < m->n_samples && status == IV_OK; step++) {
        status = iv_experiment_stopped(x);
        if (status == IV_OK)
            status = add_orbits(m, step, valid_of(m->n_samples, m->batch, step), set, values);
    }
    if (status == IV_OK && m->factor_plan) status = iv_plan_run(m->factor_plan, 0);
    for (size_t step = 0; step * m->jacobian_batch < m->n_jacobians && status == IV_OK; step++) {
        status = iv_experiment_stopped(x);
        if (status == IV_OK)
            status = add_jacobians(m, step, valid_of(m->n_jacobians, m->jacobian_batch, step), set,
                                   values);
    }
    if (status == IV_OK) finish_sums(m, set, values);
    return status;
}

/* ------------------------------------------------------------------ time */

/* Sums that nobody reads. */
typedef struct {
    reg_on_images *m;
    double *values;
} timed;

static iv_status run_orbits(void *state, size_t batch) {
    const timed *t = state;
    return add_orbits(t->m, batch, 1, 0, t->values);
}

static iv_status run_jacobians(void *state, size_t batch) {
    const timed *t = state;
    return add_jacobians(t->m, batch, 1, 0, t->values);
}

static size_t n_batches(size_t n, size_t batch) {
    return (n + batch - 1) / batch;
}

iv_status reg_on_images_time(reg_on_images *m, double *seconds) {
    const size_t n = m->model->base.population->n_members * iv_values_size(&reg_study);
    timed t = {m, calloc(n, sizeof *t.values)};
    iv_status status = t.values ? IV_OK : iv_no_memory(m->model->base.context);
    if (status == IV_OK)
        status = iv_time_batches(run_orbits, &t, n_batches(m->n_samples, m->batch), seconds);
    if (status == IV_OK && m->factor_plan) status = iv_plan_run(m->factor_plan, 0);
    if (status == IV_OK && m->n_jacobians > 0)
        status = iv_time_batches(run_jacobians, &t, n_batches(m->n_jacobians, m->jacobian_batch),
                                 seconds);
    free(t.values);
    return status;
}

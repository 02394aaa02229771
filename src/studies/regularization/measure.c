/* Metrics of a population on a set of images: accuracy and invariance on orbits, spectra of
 * Jacobians and weights. Per-sample numbers come from the device; means are taken here, in double
 * and in order. */
#include "studies/regularization/regularization.h"

#include <invar/linalg.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BATCH = 256, MIN_BATCH = 8, N_ORBIT_METRICS = 4 };
static const size_t batch_bytes = (size_t)64 << 20; /* of the largest tensor, so about */

struct reg_measure {
    const reg_model *model;
    size_t n_samples, batch;
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *metrics[N_ORBIT_METRICS]; /* accuracy, li, di, si: [B] */
    size_t n_jacobians, jacobian_batch;
    iv_graph *jacobian_graph;
    iv_plan *jacobian_plan;
    iv_graph *factor_graph;
    iv_plan *factor_plan;
    cl_mem factor;          /* [R, G hidden, G hidden]; NULL if Jacobians are formed */
    cl_mem singular_values; /* [R, jacobian_batch, C] */
    float *values;          /* host: one read, all members */
};

static size_t choose_batch(size_t n_samples, size_t bytes_per_sample) {
    size_t batch = batch_bytes / bytes_per_sample;
    if (batch > MAX_BATCH) batch = MAX_BATCH;
    if (batch < MIN_BATCH) batch = MIN_BATCH;
    return batch < n_samples ? batch : n_samples;
}

/* Images of a batch with their orbit, every metric on it, and the saliency of the predicted class.
 */
static iv_status create_orbit_plan(reg_measure *m, const iv_image_source *images) {
    const reg_model *model = m->model;
    const size_t n_elements = model->group->n_elements, n_pixels = model->group->n_pixels;
    const size_t copies =
        n_elements * (model->population->method == REG_WEIGHT_TYING ? n_elements : 1);
    m->batch = choose_batch(m->n_samples,
                            model->population->n_members * copies * n_pixels * sizeof(float));
    iv_status status = iv_graph_create(model->context, model->population->n_members, &m->graph);
    if (status != IV_OK) return status;

    iv_graph *g = m->graph;
    const size_t rows = n_elements * m->batch;
    iv_tensor *parameters[2 * REG_MAX_LAYERS], *orbit, *labels, *saliency = NULL;
    reg_model_tensors(model, g, parameters);
    iv_image_batch(g, images, m->batch, IV_COPIES_ORBIT, &orbit, &labels);
    iv_tensor *x = iv_reshape(g, orbit, 2, (const size_t[]){rows, n_pixels});
    iv_tensor *flat_logits = reg_model_logits(model, g, parameters, x, NULL);
    iv_tensor *logits =
        iv_reshape(g, flat_logits, 3, (const size_t[]){n_elements, m->batch, REG_CLASSES});
    iv_tensor *predicted = iv_argmax(g, iv_slice(g, logits, 0, 1));
    iv_tensor *chosen = iv_class_logit_sum(g, flat_logits, predicted);
    iv_gradient(g, chosen, &x, 1, &saliency);
    saliency = iv_reshape(g, saliency, 3, (const size_t[]){n_elements, m->batch, n_pixels});

    m->metrics[0] = iv_orbit_accuracy(g, logits, labels);
    m->metrics[1] = iv_orbit_logit_invariance(g, logits);
    m->metrics[2] = iv_orbit_distribution_invariance(g, logits);
    m->metrics[3] = iv_orbit_saliency_similarity(g, saliency, model->inverse);
    return iv_graph_compile(g, m->metrics, N_ORBIT_METRICS, &m->plan);
}

/* The first layer's weights under every element (W g^-1 below one another, as the derivative by the
 * images has them), and their triangular factor. */
static iv_status create_factor(reg_measure *m, size_t n_elements) {
    const reg_model *model = m->model;
    const size_t n_members = model->population->n_members, n_pixels = model->group->n_pixels;
    const size_t hidden = model->population->hidden, n_filters = n_elements * hidden;
    iv_status status = iv_buffer_create(
        model->context, n_members * n_filters * n_filters * sizeof(float), &m->factor);
    if (status == IV_OK) status = iv_graph_create(model->context, n_members, &m->factor_graph);
    if (status != IV_OK) return status;

    iv_graph *g = m->factor_graph;
    iv_tensor *weights = iv_parameters_tensor(model->parameters, g, 0);
    iv_tensor *filters =
        n_elements == 1 ? weights : iv_orbit(g, weights, model->inverse, model->source, n_elements);
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
static iv_status append_values(reg_measure *m, iv_tensor *jacobian, size_t n_elements) {
    const reg_model *model = m->model;
    const size_t n_members = model->population->n_members, n_pixels = model->group->n_pixels;
    const size_t batch = m->jacobian_batch;
    iv_view matrices = iv_plan_view(m->jacobian_plan, jacobian);
    if (m->factor)
        return iv_factored_svd(
            iv_plan_sequence(m->jacobian_plan),
            &(iv_factored_svd_desc){.n_members = n_members,
                                    .n_elements = n_elements,
                                    .n_inputs = batch,
                                    .rows = REG_CLASSES,
                                    .width = model->population->hidden,
                                    .d = matrices,
                                    .l = {m->factor, 0,
                                          n_elements * n_elements * model->population->hidden *
                                              model->population->hidden},
                                    .s = {m->singular_values, 0, batch * REG_CLASSES}});

    matrices.stride = REG_CLASSES * n_pixels; /* those of all members follow one another */
    return iv_svd(iv_plan_sequence(m->jacobian_plan),
                  &(iv_svd_desc){.m = REG_CLASSES,
                                 .n = n_pixels,
                                 .batch = n_members * batch,
                                 .a = matrices,
                                 .s = {m->singular_values, 0, REG_CLASSES}});
}

static iv_status create_jacobian_plan(reg_measure *m, const iv_image_source *images) {
    const reg_model *model = m->model;
    const reg_population *p = model->population;
    const size_t n_members = p->n_members, n_pixels = model->group->n_pixels;
    const size_t n_elements = p->method == REG_WEIGHT_TYING ? model->group->n_elements : 1;
    const bool factored = n_elements * p->hidden <= n_pixels && p->hidden >= REG_CLASSES;
    m->jacobian_batch =
        choose_batch(m->n_jacobians, n_members * REG_CLASSES * n_pixels * sizeof(float));
    iv_status status = factored ? create_factor(m, n_elements) : IV_OK;
    if (status == IV_OK) status = iv_graph_create(model->context, n_members, &m->jacobian_graph);
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
        status = iv_buffer_create(model->context, n_members * batch * REG_CLASSES * sizeof(float),
                                  &m->singular_values);
    return status == IV_OK ? append_values(m, jacobian, n_elements) : status;
}

iv_status reg_measure_create(const reg_model *model, const iv_image_source *images,
                             size_t n_jacobians, reg_measure **out) {
    *out = NULL;
    iv_error *error = iv_context_error(model->context);
    reg_measure *m = calloc(1, sizeof *m);
    if (!m) return iv_fail(error, IV_ENOMEM, "out of memory for measuring");
    m->model = model;
    m->n_samples = images->n_samples;
    m->n_jacobians = n_jacobians < m->n_samples ? n_jacobians : m->n_samples;

    iv_status status = create_orbit_plan(m, images);
    if (status == IV_OK && m->n_jacobians > 0) status = create_jacobian_plan(m, images);
    if (status == IV_OK) {
        const size_t a = m->batch, b = m->jacobian_batch * REG_CLASSES;
        m->values = malloc(model->population->n_members * (a > b ? a : b) * sizeof *m->values);
        if (!m->values) status = iv_fail(error, IV_ENOMEM, "out of memory for measuring");
    }
    if (status != IV_OK)
        reg_measure_destroy(m);
    else
        *out = m;
    return status;
}

void reg_measure_destroy(reg_measure *m) {
    if (!m) return;
    iv_plan_destroy(m->plan);
    iv_graph_destroy(m->graph);
    iv_plan_destroy(m->jacobian_plan);
    iv_graph_destroy(m->jacobian_graph);
    iv_plan_destroy(m->factor_plan);
    iv_graph_destroy(m->factor_graph);
    iv_buffer_release(m->model->context, m->factor);
    iv_buffer_release(m->model->context, m->singular_values);
    free(m->values);
    free(m);
}

static double *orbit_metric(reg_metrics *metrics, size_t i) {
    double *const fields[N_ORBIT_METRICS] = {&metrics->accuracy, &metrics->li, &metrics->di,
                                             &metrics->si};
    return fields[i];
}

static iv_status stopped(const reg_measure *m, const volatile sig_atomic_t *stop) {
    if (!stop || !*stop) return IV_OK;
    return iv_fail(iv_context_error(m->model->context), IV_EINTERRUPTED, "interrupted");
}

static iv_status run_orbits(reg_measure *m, const volatile sig_atomic_t *stop,
                            const iv_progress *progress, const char *what, reg_metrics *metrics) {
    const size_t n_members = m->model->population->n_members;
    for (size_t first = 0, step = 0; first < m->n_samples; first += m->batch, step++) {
        iv_status status = stopped(m, stop);
        if (status == IV_OK) status = iv_plan_run(m->plan, (uint32_t)step);
        const size_t left = m->n_samples - first;
        const size_t valid = left < m->batch ? left : m->batch;
        for (size_t k = 0; k < N_ORBIT_METRICS && status == IV_OK; k++) {
            status = iv_plan_read(m->plan, m->metrics[k], m->values);
            for (size_t r = 0; r < n_members && status == IV_OK; r++)
                for (size_t i = 0; i < valid; i++)
                    *orbit_metric(&metrics[r], k) += m->values[r * m->batch + i];
        }
        if (status != IV_OK) return status;
        iv_progress_update(progress, what, first + valid, m->n_samples);
    }
    for (size_t r = 0; r < n_members; r++)
        for (size_t k = 0; k < N_ORBIT_METRICS; k++)
            *orbit_metric(&metrics[r], k) /= (double)m->n_samples;
    return IV_OK;
}

static iv_status run_jacobians(reg_measure *m, const volatile sig_atomic_t *stop,
                               const iv_progress *progress, const char *what,
                               reg_metrics *metrics) {
    const size_t n_members = m->model->population->n_members, batch = m->jacobian_batch;
    iv_status status = m->factor_plan ? iv_plan_run(m->factor_plan, 0) : IV_OK;
    for (size_t first = 0, step = 0; first < m->n_jacobians; first += batch, step++) {
        if (status == IV_OK) status = stopped(m, stop);
        if (status == IV_OK) status = iv_plan_run(m->jacobian_plan, (uint32_t)step);
        if (status == IV_OK)
            status = iv_buffer_read(m->model->context, m->singular_values, 0,
                                    n_members * batch * REG_CLASSES * sizeof(float), m->values);
        if (status != IV_OK) return status;
        const size_t left = m->n_jacobians - first;
        const size_t valid = left < batch ? left : batch;
        for (size_t r = 0; r < n_members; r++)
            for (size_t i = 0; i < valid; i++)
                for (size_t c = 0; c < REG_CLASSES; c++)
                    metrics[r].jacobian_spectrum[c] += m->values[(r * batch + i) * REG_CLASSES + c];
        iv_progress_update(progress, what, first + valid, m->n_jacobians);
    }
    if (status != IV_OK) return status;
    for (size_t r = 0; r < n_members; r++) {
        for (size_t c = 0; c < REG_CLASSES; c++)
            metrics[r].jacobian_spectrum[c] /= (double)m->n_jacobians;
        metrics[r].sigma_max_jacobian = metrics[r].jacobian_spectrum[0];
    }
    return IV_OK;
}

iv_status reg_measure_run(reg_measure *m, const volatile sig_atomic_t *stop,
                          const iv_progress *progress, const char *what, reg_metrics *metrics) {
    memset(metrics, 0, m->model->population->n_members * sizeof *metrics);
    iv_status status = run_orbits(m, stop, progress, what, metrics);
    if (status == IV_OK && m->n_jacobians > 0)
        status = run_jacobians(m, stop, progress, what, metrics);
    return status;
}

/* ------------------------------------------------------------------ weights */

iv_status reg_weight_norms_create(const reg_model *model, reg_weight_norms *norms) {
    memset(norms, 0, sizeof *norms);
    norms->context = model->context;
    norms->n_layers = model->population->layers;
    norms->n_members = model->population->n_members;
    iv_status status = iv_sequence_create(model->context, &norms->sequence);
    for (size_t l = 0; l < norms->n_layers && status == IV_OK; l++) {
        const iv_parameter_desc *weight = iv_parameters_desc(model->parameters, 2 * l);
        const size_t m = weight->dims[0], n = weight->dims[1];
        norms->widths[l] = m < n ? m : n;
        status = iv_buffer_create(
            model->context, norms->n_members * norms->widths[l] * sizeof(float), &norms->values[l]);
        if (status == IV_OK)
            status = iv_svd(norms->sequence,
                            &(iv_svd_desc){.m = m,
                                           .n = n,
                                           .batch = norms->n_members,
                                           .a = iv_parameters_view(model->parameters, 2 * l),
                                           .s = {norms->values[l], 0, norms->widths[l]}});
    }
    if (status != IV_OK) reg_weight_norms_clear(norms);
    return status;
}

void reg_weight_norms_clear(reg_weight_norms *norms) {
    iv_sequence_destroy(norms->sequence);
    for (size_t l = 0; l < norms->n_layers; l++)
        iv_buffer_release(norms->context, norms->values[l]);
    memset(norms, 0, sizeof *norms);
}

iv_status reg_weight_norms_run(reg_weight_norms *norms, double *sigma_max) {
    iv_status status = iv_sequence_run(norms->sequence, 0);
    for (size_t l = 0; l < norms->n_layers; l++)
        for (size_t r = 0; r < norms->n_members && status == IV_OK; r++) {
            float largest;
            status =
                iv_buffer_read(norms->context, norms->values[l],
                               r * norms->widths[l] * sizeof largest, sizeof largest, &largest);
            sigma_max[r * norms->n_layers + l] = largest;
        }
    return status;
}

/* Numbers of single images from the device: metrics on orbits, singular values of Jacobians. */
#include "audit/audit.h"

#include <invar/linalg.h>

#include <stdlib.h>
#include <string.h>

enum { MAX_BATCH = 256, MIN_BATCH = 8, MOST_METRICS = 32 };
static const size_t batch_bytes = (size_t)64 << 20;   /* of the largest tensor, so about */
static const size_t layers_bytes = (size_t)256 << 20; /* of all layers' together */

struct iv_measure {
    iv_measured networks;
    size_t n_elements, n_samples, batch;
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *metrics[MOST_METRICS]; /* [B] each */
    size_t n_metrics;
    iv_tensor *logits; /* [G, B, C] */
    float *at_orbit;   /* host: their values, all members; NULL until they are asked for */
    size_t n_jacobians, jacobian_batch, n_values;
    iv_graph *jacobian_graph;
    iv_plan *jacobian_plan;
    iv_graph *factor_graph;
    iv_plan *factor_plan;
    cl_mem factor;          /* [R, copies width, copies width]; NULL if Jacobians are formed */
    cl_mem singular_values; /* [R, jacobian_batch, n_values] */
    float *values;          /* host: one read, all members */
};

iv_tensor *iv_metric_accuracy(iv_graph *graph, const iv_orbit_batch *orbit) {
    return iv_orbit_accuracy(graph, orbit->logits, orbit->labels);
}

iv_tensor *iv_metric_logit_invariance(iv_graph *graph, const iv_orbit_batch *orbit) {
    return iv_orbit_logit_invariance(graph, orbit->logits);
}

iv_tensor *iv_metric_distribution_invariance(iv_graph *graph, const iv_orbit_batch *orbit) {
    return iv_orbit_distribution_invariance(graph, orbit->logits);
}

iv_tensor *iv_metric_saliency_invariance(iv_graph *graph, const iv_orbit_batch *orbit) {
    return iv_orbit_saliency_similarity(graph, orbit->saliency, orbit->inverse);
}

/* ------------------------------------------------------------------ plans */

size_t audit_fitting_batch(const iv_measured *networks, size_t copies, size_t most) {
    const double bytes =
        (double)networks->n_members * (double)copies * (double)networks->n_entries * sizeof(float);
    if (bytes * (double)most <= (double)layers_bytes) return most;
    const size_t batch = (size_t)((double)layers_bytes / bytes);
    return batch > 0 ? batch : 1;
}

static size_t choose_batch(const iv_measured *n, size_t copies, size_t n_samples,
                           size_t bytes_per_sample) {
    size_t batch = batch_bytes / bytes_per_sample;
    if (batch > MAX_BATCH) batch = MAX_BATCH;
    if (batch < MIN_BATCH) batch = MIN_BATCH;
    return audit_fitting_batch(n, copies, batch < n_samples ? batch : n_samples);
}

/* Images of a batch with their orbit, their logits, and the saliency of the class predicted at x. */
static iv_status add_orbit(iv_graph *g, const iv_measured *n, const iv_image_source *images,
                           size_t batch, cl_mem inverse, iv_orbit_batch *orbit) {
    const size_t n_elements = images->n_elements;
    iv_tensor *copied, *labels, *saliency = NULL;
    iv_image_batch(g, images, batch, IV_COPIES_ORBIT, &copied, &labels);
    iv_tensor *x = iv_reshape(g, copied, 2, (const size_t[]){n_elements * batch, n->n_pixels});
    iv_tensor *flat_logits = n->logits(n->networks, g, x, NULL);
    iv_tensor *logits =
        iv_reshape(g, flat_logits, 3, (const size_t[]){n_elements, batch, n->n_classes});
    iv_tensor *predicted = iv_argmax(g, iv_slice(g, logits, 0, 1));
    iv_tensor *chosen = iv_class_logit_sum(g, flat_logits, predicted);
    const iv_status status = iv_gradient(g, chosen, &x, 1, &saliency);
    if (status != IV_OK) return status;
    saliency = iv_reshape(g, saliency, 3, (const size_t[]){n_elements, batch, n->n_pixels});
    *orbit = (iv_orbit_batch){labels, logits, saliency, inverse};
    return IV_OK;
}

static size_t orbit_bytes(const iv_measured *n, const iv_image_source *images) {
    return n->n_members * images->n_elements * n->n_copies * n->n_pixels * sizeof(float);
}

/* Every metric on the orbits of a batch. */
static iv_status create_orbit_plan(iv_measure *m, const iv_image_source *images, cl_mem inverse,
                                   iv_orbit_metric *const *metrics, size_t n_metrics) {
    const iv_measured *n = &m->networks;
    iv_orbit_batch orbit;
    m->batch =
        choose_batch(n, images->n_elements * n->n_copies, m->n_samples, orbit_bytes(n, images));
    iv_status status = iv_graph_create(n->context, n->n_members, &m->graph);
    if (status == IV_OK) status = add_orbit(m->graph, n, images, m->batch, inverse, &orbit);
    if (status != IV_OK) return status;

    iv_tensor *outputs[MOST_METRICS + 1];
    for (size_t i = 0; i < n_metrics && i < MOST_METRICS; i++)
        outputs[i] = m->metrics[m->n_metrics++] = metrics[i](m->graph, &orbit);
    outputs[m->n_metrics] = m->logits = orbit.logits;
    return iv_graph_compile(m->graph, outputs, m->n_metrics + 1, &m->plan);
}

/* The first layer's weights under every element (W g^-1 below one another, as the derivative by the
 * images has them), and their triangular factor. */
static iv_status create_factor(iv_measure *m) {
    const iv_measured *n = &m->networks;
    const size_t n_filters = n->n_copies * n->width;
    iv_status status = iv_buffer_create(
        n->context, n->n_members * n_filters * n_filters * sizeof(float), &m->factor);
    if (status == IV_OK) status = iv_graph_create(n->context, n->n_members, &m->factor_graph);
    if (status != IV_OK) return status;

    iv_graph *g = m->factor_graph;
    iv_tensor *filters = n->filters(n->networks, g);
    if (n->n_copies > 1) filters = iv_orbit(g, filters, n->inverse, n->source, n->n_copies);
    status = iv_graph_compile(g, &filters, 1, &m->factor_plan);
    if (status != IV_OK) return status;
    return iv_lq(iv_plan_sequence(m->factor_plan),
                 &(iv_lq_desc){.m = n_filters,
                               .n = n->n_pixels,
                               .batch = n->n_members,
                               .a = iv_plan_view(m->factor_plan, filters),
                               .l = {m->factor, 0, n_filters * n_filters}});
}

/* Singular values of the Jacobians by the images: of their product form where the first layer has
 * no more filters than pixels, of the Jacobians themselves otherwise. */
static iv_status append_values(iv_measure *m, iv_tensor *jacobian) {
    const iv_measured *n = &m->networks;
    const size_t batch = m->jacobian_batch, n_filters = n->n_copies * n->width;
    iv_view matrices = iv_plan_view(m->jacobian_plan, jacobian);
    if (m->factor)
        return iv_factored_svd(
            iv_plan_sequence(m->jacobian_plan),
            &(iv_factored_svd_desc){.n_members = n->n_members,
                                    .n_elements = n->n_copies,
                                    .n_inputs = batch,
                                    .rows = n->n_classes,
                                    .width = n->width,
                                    .d = matrices,
                                    .l = {m->factor, 0, n_filters * n_filters},
                                    .s = {m->singular_values, 0, batch * m->n_values}});

    matrices.stride = n->n_classes * n->n_pixels; /* those of all members follow one another */
    return iv_svd(iv_plan_sequence(m->jacobian_plan),
                  &(iv_svd_desc){.m = n->n_classes,
                                 .n = n->n_pixels,
                                 .batch = n->n_members * batch,
                                 .a = matrices,
                                 .s = {m->singular_values, 0, m->n_values}});
}

static iv_status create_jacobian_plan(iv_measure *m, const iv_image_source *images) {
    const iv_measured *n = &m->networks;
    const bool factored = n->n_copies * n->width <= n->n_pixels && n->width >= n->n_classes;
    m->n_values = n->n_classes < n->n_pixels ? n->n_classes : n->n_pixels;
    m->jacobian_batch = choose_batch(n, 1, m->n_jacobians,
                                     n->n_members * n->n_classes * n->n_pixels * sizeof(float));
    iv_status status = factored ? create_factor(m) : IV_OK;
    if (status == IV_OK) status = iv_graph_create(n->context, n->n_members, &m->jacobian_graph);
    if (status != IV_OK) return status;

    iv_graph *g = m->jacobian_graph;
    const size_t batch = m->jacobian_batch;
    iv_tensor *copies, *labels, *sums;
    iv_image_batch(g, images, batch, IV_COPIES_IDENTITY, &copies, &labels);
    iv_tensor *x = iv_reshape(g, copies, 2, (const size_t[]){batch, n->n_pixels});
    iv_tensor *logits = n->logits(n->networks, g, x, &sums);
    iv_tensor *jacobian = audit_jacobian(n, g, logits, factored ? sums : x);
    status = iv_graph_compile(g, &jacobian, 1, &m->jacobian_plan);
    if (status == IV_OK)
        status = iv_buffer_create(n->context, n->n_members * batch * m->n_values * sizeof(float),
                                  &m->singular_values);
    return status == IV_OK ? append_values(m, jacobian) : status;
}

iv_status iv_measure_create(const iv_measured *networks, const iv_image_source *images,
                            cl_mem inverse, iv_orbit_metric *const *metrics, size_t n_metrics,
                            size_t n_jacobians, iv_measure **out) {
    iv_measure *m = *out = calloc(1, sizeof *m);
    if (!m) return audit_no_memory(networks->context);
    m->networks = *networks;
    m->n_elements = images->n_elements;
    m->n_samples = images->n_samples;
    m->n_jacobians = n_jacobians < m->n_samples ? n_jacobians : m->n_samples;

    iv_status status = create_orbit_plan(m, images, inverse, metrics, n_metrics);
    if (status == IV_OK && m->n_jacobians > 0) status = create_jacobian_plan(m, images);
    if (status == IV_OK) {
        const size_t a = m->batch, b = m->jacobian_batch * m->n_values;
        m->values = malloc(networks->n_members * (a > b ? a : b) * sizeof *m->values);
        if (!m->values) status = audit_no_memory(networks->context);
    }
    if (status != IV_OK) {
        iv_measure_destroy(m);
        *out = NULL;
    }
    return status;
}

void iv_measure_destroy(iv_measure *m) {
    if (!m) return;
    iv_plan_destroy(m->plan);
    iv_graph_destroy(m->graph);
    iv_plan_destroy(m->jacobian_plan);
    iv_graph_destroy(m->jacobian_graph);
    iv_plan_destroy(m->factor_plan);
    iv_graph_destroy(m->factor_graph);
    iv_buffer_release(m->networks.context, m->factor);
    iv_buffer_release(m->networks.context, m->singular_values);
    free(m->values);
    free(m->at_orbit);
    free(m);
}

/* ------------------------------------------------------------------ running */

static size_t n_batches(size_t n, size_t batch) {
    return n > 0 ? (n + batch - 1) / batch : 0;
}

static size_t valid_of(size_t n, size_t batch, size_t step) {
    const size_t left = n - step * batch;
    return left < batch ? left : batch;
}

size_t iv_measure_orbit_batches(const iv_measure *m) {
    return n_batches(m->n_samples, m->batch);
}

iv_status iv_measure_orbits(iv_measure *m, size_t batch, iv_measure_take take, void *state) {
    const size_t valid = valid_of(m->n_samples, m->batch, batch);
    iv_status status = iv_plan_run(m->plan, (uint32_t)batch);
    for (size_t k = 0; k < m->n_metrics && status == IV_OK; k++) {
        status = iv_plan_read(m->plan, m->metrics[k], m->values);
        for (size_t r = 0; r < m->networks.n_members && status == IV_OK; r++)
            take(state, k, r, batch * m->batch, valid, 1, m->values + r * m->batch);
    }
    return status;
}

iv_status iv_measure_logits(iv_measure *m, const float **logits, size_t *batch) {
    const iv_measured *n = &m->networks;
    if (!m->at_orbit)
        m->at_orbit =
            calloc(n->n_members * m->n_elements * m->batch * n->n_classes, sizeof *m->at_orbit);
    if (!m->at_orbit) return audit_no_memory(n->context);
    *logits = m->at_orbit;
    *batch = m->batch;
    return iv_plan_read(m->plan, m->logits, m->at_orbit);
}

size_t iv_measure_jacobian_batches(const iv_measure *m) {
    return n_batches(m->n_jacobians, m->jacobian_batch);
}

iv_status iv_measure_prepare(iv_measure *m) {
    return m->factor_plan ? iv_plan_run(m->factor_plan, 0) : IV_OK;
}

iv_status iv_measure_jacobians(iv_measure *m, size_t batch, iv_measure_take take, void *state) {
    const size_t valid = valid_of(m->n_jacobians, m->jacobian_batch, batch);
    const size_t of_member = m->jacobian_batch * m->n_values;
    iv_status status = iv_plan_run(m->jacobian_plan, (uint32_t)batch);
    if (status == IV_OK)
        status = iv_buffer_read(m->networks.context, m->singular_values, 0,
                                m->networks.n_members * of_member * sizeof(float), m->values);
    for (size_t r = 0; r < m->networks.n_members && status == IV_OK; r++)
        take(state, m->n_metrics, r, batch * m->jacobian_batch, valid, m->n_values,
             m->values + r * of_member);
    return status;
}

/* ------------------------------------------------------------------ single images */

/* Rows [R, G, batch, width] of a batch to their places among [R, G, n, width]. */
static void spread(const float *from, size_t n_rows, size_t batch, size_t n_valid, size_t width,
                   size_t n, float *to) {
    for (size_t row = 0; row < n_rows; row++)
        memcpy(to + row * n * width, from + row * batch * width, n_valid * width * sizeof *to);
}

static iv_status run_orbits_of(const iv_measured *n, const iv_image_source *images, size_t batch,
                               iv_plan *plan, const iv_orbit_batch *orbit, float *logits,
                               float *saliency) {
    const size_t n_rows = n->n_members * images->n_elements, n_images = images->n_samples;
    const size_t wide = n->n_pixels > n->n_classes ? n->n_pixels : n->n_classes;
    float *values = calloc(n_rows * batch * wide, sizeof *values);
    iv_status status = values ? IV_OK : audit_no_memory(n->context);
    for (size_t i = 0; i < n_batches(n_images, batch) && status == IV_OK; i++) {
        const size_t valid = valid_of(n_images, batch, i), first = i * batch;
        status = iv_plan_run(plan, (uint32_t)i);
        if (status == IV_OK) status = iv_plan_read(plan, orbit->logits, values);
        if (status == IV_OK)
            spread(values, n_rows, batch, valid, n->n_classes, n_images,
                   logits + first * n->n_classes);
        if (status == IV_OK && saliency) status = iv_plan_read(plan, orbit->saliency, values);
        if (status == IV_OK && saliency)
            spread(values, n_rows, batch, valid, n->n_pixels, n_images,
                   saliency + first * n->n_pixels);
    }
    free(values);
    return status;
}

iv_status iv_measure_orbits_of(const iv_measured *networks, const iv_image_source *images,
                               float *logits, float *saliency) {
    const size_t batch = choose_batch(networks, images->n_elements * networks->n_copies,
                                      images->n_samples, orbit_bytes(networks, images));
    iv_graph *graph = NULL;
    iv_plan *plan = NULL;
    iv_orbit_batch orbit;
    iv_status status = iv_graph_create(networks->context, networks->n_members, &graph);
    if (status == IV_OK) status = add_orbit(graph, networks, images, batch, NULL, &orbit);
    if (status == IV_OK)
        status = iv_graph_compile(graph, (iv_tensor *const[]){orbit.logits, orbit.saliency},
                                  saliency ? 2 : 1, &plan);
    if (status == IV_OK)
        status = run_orbits_of(networks, images, batch, plan, &orbit, logits, saliency);
    iv_plan_destroy(plan);
    iv_graph_destroy(graph);
    return status;
}

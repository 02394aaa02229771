/* Metrics on orbits from logits and gradients that another program computed: the same ops as of
 * networks on the device. */
#include "audit/audit.h"

#include <stdlib.h>
#include <string.h>

struct audit_given {
    iv_context *context;
    audit_given_shape shape;
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *logits, *gradients, *labels, *metrics[AUDIT_N_ORBIT_METRICS];
    float *packed; /* one batch in the plan's shape; zeros where there are no images */
    int32_t *classes;
};

static bool has_metric(const audit_given *g, size_t metric) {
    return metric != IV_AUDIT_SI || g->shape.n_pixels > 0;
}

static iv_status create_plan(audit_given *g) {
    const audit_given_shape *s = &g->shape;
    iv_status status = iv_graph_create(g->context, 1, &g->graph);
    if (status != IV_OK) return status;
    g->logits = iv_input(g->graph, IV_F32, 3,
                         (const size_t[]){s->n_elements, s->batch, s->n_classes}, NULL);
    g->labels = iv_input(g->graph, IV_I32, 1, &s->batch, NULL);
    if (s->n_pixels > 0)
        g->gradients = iv_input(g->graph, IV_F32, 3,
                                (const size_t[]){s->n_elements, s->batch, s->n_pixels}, NULL);
    const iv_orbit_batch orbit = {g->labels, g->logits, g->gradients, s->inverse};
    iv_tensor *outputs[AUDIT_N_ORBIT_METRICS];
    size_t n = 0;
    for (size_t m = 0; m < AUDIT_N_ORBIT_METRICS; m++)
        if (has_metric(g, m))
            outputs[n++] = g->metrics[m] = audit_orbit_metrics[m](g->graph, &orbit);
    return iv_graph_compile(g->graph, outputs, n, &g->plan);
}

iv_status audit_given_create(iv_context *context, const audit_given_shape *shape,
                             audit_given **given) {
    audit_given *g = *given = calloc(1, sizeof *g);
    if (!g) return audit_no_memory(context);
    g->context = context;
    g->shape = *shape;
    const size_t wide = shape->n_pixels > shape->n_classes ? shape->n_pixels : shape->n_classes;
    size_t n;
    iv_status status =
        iv_multiply_size(shape->n_elements * shape->batch, wide, &n, iv_context_error(context));
    if (status == IV_OK) {
        g->packed = calloc(n, sizeof *g->packed);
        g->classes = calloc(shape->batch, sizeof *g->classes);
        status = g->packed && g->classes ? create_plan(g) : audit_no_memory(context);
    }
    if (status != IV_OK) {
        audit_given_destroy(g);
        *given = NULL;
    }
    return status;
}

void audit_given_destroy(audit_given *g) {
    if (!g) return;
    iv_plan_destroy(g->plan);
    iv_graph_destroy(g->graph);
    free(g->packed);
    free(g->classes);
    free(g);
}

/* values [G, n, width] to a tensor [G, batch, width]. */
static iv_status send(audit_given *g, const iv_tensor *tensor, size_t n, size_t width,
                      const float *values) {
    const iv_view view = iv_plan_view(g->plan, tensor);
    const size_t n_elements = g->shape.n_elements, batch = g->shape.batch;
    memset(g->packed, 0, n_elements * batch * width * sizeof *g->packed);
    for (size_t e = 0; e < n_elements; e++)
        memcpy(g->packed + e * batch * width, values + e * n * width, n * width * sizeof *values);
    return iv_buffer_write(g->context, view.buffer, view.offset * sizeof *g->packed,
                           n_elements * batch * width * sizeof *g->packed, g->packed);
}

iv_status audit_given_run(audit_given *g, size_t n, const float *logits, const float *gradients,
                          const uint8_t *labels, float *const values[AUDIT_N_ORBIT_METRICS]) {
    const iv_view view = iv_plan_view(g->plan, g->labels);
    for (size_t i = 0; i < g->shape.batch; i++) g->classes[i] = i < n ? labels[i] : 0;
    iv_status status = send(g, g->logits, n, g->shape.n_classes, logits);
    if (status == IV_OK && g->gradients)
        status = send(g, g->gradients, n, g->shape.n_pixels, gradients);
    if (status == IV_OK)
        status = iv_buffer_write(g->context, view.buffer, view.offset * sizeof *g->classes,
                                 g->shape.batch * sizeof *g->classes, g->classes);
    if (status == IV_OK) status = iv_plan_run(g->plan, 0);
    for (size_t m = 0; m < AUDIT_N_ORBIT_METRICS && status == IV_OK; m++) {
        if (!g->metrics[m] || !values[m]) continue;
        status = iv_plan_read(g->plan, g->metrics[m], g->packed);
        if (status == IV_OK) memcpy(values[m], g->packed, n * sizeof *g->packed);
    }
    return status;
}

/* The orbit of a batch under a finite group, the mean over an orbit, and their derivatives.
 * Kernels: cl/orbit.cl. */
#include "graph/ops/own.h"

#include <stdio.h>

enum { MAX_ELEMENTS = 64, MEAN_VECTOR = 16 };

iv_tensor *iv_orbit(iv_graph *graph, iv_tensor *x, cl_mem source, cl_mem inverse,
                    size_t n_elements) {
    node *n = iv_graph_node(graph, &op_orbit, 1, &x, 1, sizeof(own_orbit));
    if (!n) return NULL;
    if (x->rank != 2 || n_elements == 0)
        return iv_graph_fail(graph, "orbit: needs images [B, D] and at least one element");
    *(own_orbit *)n->own = (own_orbit){source, inverse, n_elements};
    return iv_graph_output(n, IV_F32, 3, (const size_t[]){n_elements, x->dims[0], x->dims[1]});
}

static iv_status orbit_forward(emitter *e, const node *n) {
    const own_orbit *own = n->own;
    const iv_tensor *x = n->inputs[0], *y = n->outputs[0];
    const bool whole = iv_kernel_value(e->graph->context, "orbit", "WHOLE");
    const size_t block = whole ? iv_columns(x) : 1;
    char options[32];
    snprintf(options, sizeof options, "-DBLOCK=%zu", block);
    iv_launch *launch = iv_launch_begin(e->sequence, "orbit", "orbit", options);
    iv_arg_tensor(launch, x);
    iv_arg_buffer(launch, own->source);
    iv_arg_tensor(launch, y);
    iv_arg_uint(launch, iv_columns(x));
    iv_arg_uint(launch, iv_rows(x));
    iv_arg_uint(launch, own->n_elements);
    return iv_launch_end_by_member(
        launch, 3, (const size_t[]){iv_columns(y) / block, iv_rows(y), e->n_members},
        whole ? (const size_t[]){1, 1, 1} : NULL);
}

static void orbit_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                           iv_tensor **gradients) {
    const iv_tensor *x = n->inputs[0];
    node *d = iv_graph_node(graph, &op_orbit_gradient, 1, &gradient, 1, sizeof(own_orbit));
    if (!d) return;
    const own_orbit *own = n->own;
    *(own_orbit *)d->own = (own_orbit){own->inverse, own->source, own->n_elements};
    size_t dims[IV_MAX_RANK];
    const unsigned rank =
        iv_gradient_shape(x, gradient->n_elements / n->outputs[0]->n_elements, dims);
    gradients[0] = iv_graph_output(d, IV_F32, rank, dims);
}

const iv_op op_orbit = {.name = "orbit", .forward = orbit_forward, .backward = orbit_backward};

static iv_status orbit_gradient_forward(emitter *e, const node *n) {
    const own_orbit *own = n->own;
    const iv_tensor *dx = n->outputs[0];
    iv_launch *launch = iv_launch_begin(e->sequence, "orbit", "orbit_gradient", NULL);
    iv_arg_tensor(launch, n->inputs[0]);
    iv_arg_buffer(launch, own->source);
    iv_arg_tensor(launch, dx);
    iv_arg_uint(launch, iv_columns(dx));
    iv_arg_uint(launch, iv_rows(dx));
    iv_arg_uint(launch, own->n_elements);
    return iv_launch_end_by_member(
        launch, 3, (const size_t[]){iv_columns(dx), iv_rows(dx), e->n_members}, NULL);
}

const iv_op op_orbit_gradient = {.name = "orbit_gradient", .forward = orbit_gradient_forward};

static iv_tensor *mean(iv_graph *graph, iv_tensor *x, size_t n_elements, size_t n_features) {
    node *n = iv_graph_node(graph, &op_orbit_mean, 1, &x, 1, sizeof(own_orbit_mean));
    if (!n) return NULL;
    const size_t rows = x->n_elements / n_elements / n_features;
    *(own_orbit_mean *)n->own =
        (own_orbit_mean){n_elements, x->rank == 3 ? rows * n_features : n_features};
    return iv_graph_output(n, IV_F32, 2, (const size_t[]){rows, n_features});
}

iv_tensor *iv_orbit_mean(iv_graph *graph, iv_tensor *x) {
    if (graph->status != IV_OK || !x) return mean(graph, NULL, 1, 1);
    if (x->rank != 3 || x->dims[0] > MAX_ELEMENTS)
        return iv_graph_fail(graph, "orbit mean: needs [G, B, H] with G at most %d", MAX_ELEMENTS);
    return mean(graph, x, x->dims[0], x->dims[2]);
}

iv_tensor *iv_orbit_mean_of_features(iv_graph *graph, iv_tensor *x, size_t n_elements) {
    if (graph->status != IV_OK || !x) return mean(graph, NULL, 1, 1);
    if (x->rank != 2 || n_elements == 0 || n_elements > MAX_ELEMENTS ||
        x->dims[1] % n_elements != 0)
        return iv_graph_fail(graph, "orbit mean: needs [B, G H] with G at most %d", MAX_ELEMENTS);
    return mean(graph, x, n_elements, x->dims[1] / n_elements);
}

static iv_status orbit_mean_forward(emitter *e, const node *n) {
    const own_orbit_mean *own = n->own;
    const iv_tensor *x = n->inputs[0], *y = n->outputs[0];
    const size_t inner = own->inner;
    const bool wide = iv_context_device(e->graph->context)->float_vector_width >= 4 &&
                      (inner == y->n_elements || inner % MEAN_VECTOR == 0);
    const size_t width = wide ? MEAN_VECTOR : 1;
    char options[48];
    snprintf(options, sizeof options, "-DG=%zu -DVW=%zu", own->n_elements, width);
    iv_launch *launch = iv_launch_begin(e->sequence, "orbit", "orbit_mean", options);
    iv_arg_tensor(launch, x);
    iv_arg_tensor(launch, y);
    iv_arg_uint(launch, y->n_elements);
    iv_arg_uint(launch, inner);
    return iv_launch_members(e, launch, (y->n_elements + width - 1) / width);
}

static void orbit_mean_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                iv_tensor **gradients) {
    const iv_tensor *x = n->inputs[0];
    const size_t n_products = gradient->n_elements / n->outputs[0]->n_elements;
    if (x->rank == 2 && n_products > 1) {
        iv_graph_fail(graph, "orbit mean: several products at once need the elements outermost");
        return;
    }
    node *d =
        iv_graph_node(graph, &op_orbit_mean_gradient, 1, &gradient, 1, sizeof(own_orbit_mean));
    size_t dims[IV_MAX_RANK];
    const unsigned rank = iv_gradient_shape(x, n_products, dims);
    if (!d) return;
    const own_orbit_mean *own = n->own;
    *(own_orbit_mean *)d->own =
        (own_orbit_mean){own->n_elements, own->inner * (x->rank == 3 ? n_products : 1)};
    gradients[0] = iv_graph_output(d, IV_F32, rank, dims);
}

const iv_op op_orbit_mean = {
    .name = "orbit_mean", .forward = orbit_mean_forward, .backward = orbit_mean_backward};

static iv_status orbit_mean_gradient_forward(emitter *e, const node *n) {
    const own_orbit_mean *own = n->own;
    const iv_tensor *dy = n->inputs[0], *dx = n->outputs[0];
    char options[24] = "";
    if (n->gate) snprintf(options, sizeof options, "-DGATE=%u", (unsigned)n->gate_activation);
    iv_launch *launch = iv_launch_begin(e->sequence, "orbit", "orbit_mean_gradient", options);
    iv_arg_tensor(launch, dy);
    if (n->gate) iv_arg_tensor(launch, n->gate);
    iv_arg_tensor(launch, dx);
    const size_t inner = own->inner, outer = dy->n_elements / inner;
    iv_arg_uint(launch, inner);
    iv_arg_uint(launch, outer);
    iv_arg_uint(launch, own->n_elements);
    return iv_launch_end_by_member(launch, 3, (const size_t[]){inner, outer, e->n_members}, NULL);
}

const iv_op op_orbit_mean_gradient = {
    .name = "orbit_mean_gradient", .forward = orbit_mean_gradient_forward, .can = IV_OP_TAKES_GATE};

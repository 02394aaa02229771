/* The orbit of a batch under a finite group, the mean over an orbit, and their derivatives.
 * Kernels: cl/orbit.cl. */
#include "graph/graph.h"

#include <stdio.h>

enum { MAX_ELEMENTS = 64, MEAN_VECTOR = 16 };

iv_tensor *iv_orbit(iv_graph *graph, iv_tensor *x, cl_mem source, cl_mem inverse,
                    size_t n_elements) {
    node *n = iv_graph_node(graph, &op_orbit, 1, &x, 1);
    if (!n) return NULL;
    if (x->rank != 2 || n_elements == 0)
        return iv_graph_fail(graph, "orbit: needs images [B, D] and at least one element");
    n->tables[0] = source;
    n->tables[1] = inverse;
    n->attributes[0] = n_elements;
    return iv_graph_output(n, IV_F32, 3, (const size_t[]){n_elements, x->dims[0], x->dims[1]});
}

static iv_status orbit_forward(emitter *e, const node *n) {
    const iv_tensor *x = n->inputs[0], *y = n->outputs[0];
    iv_launch *launch = iv_launch_begin(e->sequence, "orbit", "orbit", NULL);
    iv_arg_tensor(launch, x);
    iv_arg_buffer(launch, n->tables[0]);
    iv_arg_tensor(launch, y);
    iv_arg_uint(launch, x->n_elements);
    iv_arg_uint(launch, iv_columns(x));
    iv_arg_uint(launch, n->attributes[0]);
    return iv_launch_members(e, launch, y->n_elements);
}

static void orbit_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                           iv_tensor **gradients) {
    const iv_tensor *x = n->inputs[0];
    node *d = iv_graph_node(graph, &op_orbit_gradient, 1, &gradient, 1);
    if (!d) return;
    d->tables[0] = n->tables[1];
    d->attributes[0] = n->attributes[0];
    size_t dims[IV_MAX_RANK];
    const unsigned rank =
        iv_gradient_shape(x, gradient->n_elements / n->outputs[0]->n_elements, dims);
    gradients[0] = iv_graph_output(d, IV_F32, rank, dims);
}

const iv_op op_orbit = {.name = "orbit", .forward = orbit_forward, .backward = orbit_backward};

static iv_status orbit_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *dx = n->outputs[0];
    iv_launch *launch = iv_launch_begin(e->sequence, "orbit", "orbit_gradient", NULL);
    iv_arg_tensor(launch, n->inputs[0]);
    iv_arg_buffer(launch, n->tables[0]);
    iv_arg_tensor(launch, dx);
    iv_arg_uint(launch, dx->n_elements);
    iv_arg_uint(launch, iv_columns(dx));
    iv_arg_uint(launch, n->attributes[0]);
    return iv_launch_members(e, launch, dx->n_elements);
}

const iv_op op_orbit_gradient = {.name = "orbit_gradient", .forward = orbit_gradient_forward};

iv_tensor *iv_orbit_mean(iv_graph *graph, iv_tensor *x) {
    node *n = iv_graph_node(graph, &op_orbit_mean, 1, &x, 1);
    if (!n) return NULL;
    if (x->rank != 3 || x->dims[0] > MAX_ELEMENTS)
        return iv_graph_fail(graph, "orbit mean: needs [G, B, H] with G at most %d", MAX_ELEMENTS);
    return iv_graph_output(n, IV_F32, 2, x->dims + 1);
}

static iv_status orbit_mean_forward(emitter *e, const node *n) {
    const iv_tensor *x = n->inputs[0], *y = n->outputs[0];
    const size_t width =
        iv_context_device(e->graph->context)->float_vector_width >= 4 ? MEAN_VECTOR : 1;
    char options[48];
    snprintf(options, sizeof options, "-DG=%zu -DVW=%zu", x->dims[0], width);
    iv_launch *launch = iv_launch_begin(e->sequence, "orbit", "orbit_mean", options);
    iv_arg_tensor(launch, x);
    iv_arg_tensor(launch, y);
    iv_arg_uint(launch, y->n_elements);
    return iv_launch_members(e, launch, (y->n_elements + width - 1) / width);
}

static void orbit_mean_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                iv_tensor **gradients) {
    const iv_tensor *x = n->inputs[0];
    node *d = iv_graph_node(graph, &op_orbit_mean_gradient, 1, &gradient, 1);
    size_t dims[IV_MAX_RANK];
    const unsigned rank =
        iv_gradient_shape(x, gradient->n_elements / n->outputs[0]->n_elements, dims);
    if (d) gradients[0] = iv_graph_output(d, IV_F32, rank, dims);
}

const iv_op op_orbit_mean = {
    .name = "orbit_mean", .forward = orbit_mean_forward, .backward = orbit_mean_backward};

static iv_status orbit_mean_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *dy = n->inputs[0], *dx = n->outputs[0];
    iv_launch *launch = iv_launch_begin(e->sequence, "orbit", "orbit_mean_gradient",
                                        n->gate ? "-DGATE" : NULL);
    iv_arg_tensor(launch, dy);
    if (n->gate) iv_arg_tensor(launch, n->gate);
    iv_arg_tensor(launch, dx);
    iv_arg_uint(launch, dy->n_elements);
    iv_arg_uint(launch, dx->dims[0]);
    return iv_launch_members(e, launch, dy->n_elements);
}

const iv_op op_orbit_mean_gradient = {.name = "orbit_mean_gradient",
                                      .forward = orbit_mean_gradient_forward};

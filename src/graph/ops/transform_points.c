/* Points of the plane under each sample's transformation. Kernels: cl/points.cl. */
#include "graph/graph.h"

#include <invar/affine.h>

enum { X, T };

iv_tensor *iv_transform_points(iv_graph *graph, iv_tensor *x, iv_tensor *t) {
    node *n = iv_graph_node(graph, &op_transform_points, 2, (iv_tensor *[]){x, t}, 2, 0);
    if (!n) return NULL;
    if (x->rank != 2 || x->dims[1] != 2 || t->rank != 2 || t->dims[1] != 6)
        return iv_graph_fail(graph, "transform points: needs points [B, 2] and transformations "
                                    "[S, 6]");
    return iv_graph_output(n, IV_F32, 3, (const size_t[]){t->dims[0], x->dims[0], 2});
}

static iv_status transform_points_forward(emitter *e, const node *n) {
    const iv_tensor *x = n->inputs[X], *t = n->inputs[T];
    iv_launch *launch = iv_launch_begin(e->sequence, "points", "transform_points", NULL);
    iv_arg_tensor(launch, x);
    iv_arg_tensor(launch, t);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, x->dims[0]);
    iv_arg_uint(launch, t->dims[0]);
    return iv_launch_members(e, launch, t->dims[0] * x->dims[0]);
}

static void transform_points_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                      iv_tensor **gradients) {
    if (gradient->n_elements != n->outputs[0]->n_elements) return; /* several products at once */
    node *d = iv_graph_node(graph, &op_transform_points_gradient, 2,
                            (iv_tensor *[]){gradient, n->inputs[X]}, 2, 0);
    if (d) gradients[T] = iv_graph_output(d, IV_F32, 2, n->inputs[T]->dims);
}

const iv_op op_transform_points = {.name = "transform_points",
                                   .forward = transform_points_forward,
                                   .backward = transform_points_backward};

static iv_status transform_points_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *dy = n->inputs[0], *dt = n->outputs[0];
    iv_launch *launch = iv_launch_begin(e->sequence, "points", "transform_points_gradient", NULL);
    iv_arg_tensor(launch, dy);
    iv_arg_tensor(launch, n->inputs[1]);
    iv_arg_tensor(launch, dt);
    iv_arg_uint(launch, dy->dims[1]);
    iv_arg_uint(launch, dt->dims[0]);
    return iv_launch_members(e, launch, dt->n_elements);
}

const iv_op op_transform_points_gradient = {.name = "transform_points_gradient",
                                            .forward = transform_points_gradient_forward};

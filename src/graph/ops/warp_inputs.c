/* The adjoint of each sample's warp applied to a batch: <x, A w> = <A^T x, w>, so that the products
 * of all samples' filters become one product with the filters as they are. Launches: warp.c. */
#include "graph/ops/warp.h"

enum { X, T };

iv_tensor *iv_warp_inputs(iv_graph *graph, iv_tensor *x, iv_tensor *t, iv_image_shape shape) {
    node *n = iv_warp_node(graph, &op_warp_inputs, x, t, shape);
    if (!n) return NULL;
    iv_tensor *moved =
        iv_graph_output(n, IV_F32, 3, (const size_t[]){t->dims[0], x->dims[0], x->dims[1]});
    if (moved) moved->zeros = iv_has_zeros(x);
    return moved;
}

static iv_status warp_inputs_forward(emitter *e, const node *n) {
    return iv_append_warp(e, n, WARP_ADJOINT, n->inputs[X], n->inputs[T], n->outputs[0]);
}

/* <A^T x, dy> = <x, A dy> */
static void warp_inputs_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                 iv_tensor **gradients) {
    if (gradient->n_elements != n->outputs[0]->n_elements) return; /* several products at once */
    const own_warp *own = n->own;
    gradients[T] = iv_warp_slopes(graph, own->shape, n->inputs[X], gradient, n->inputs[T]);
}

const iv_op op_warp_inputs = {
    .name = "warp_inputs", .forward = warp_inputs_forward, .backward = warp_inputs_backward};

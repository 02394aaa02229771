/* Filters warped by each sample's transformation, and their derivatives. Launches: warp.c. */
#include "graph/ops/warp.h"

enum { W, T };

iv_tensor *iv_warp_filters(iv_graph *graph, iv_tensor *w, iv_tensor *t, iv_image_shape shape) {
    node *n = iv_warp_node(graph, &op_warp_filters, w, t, shape);
    if (!n) return NULL;
    return iv_graph_output(n, IV_F32, 3, (const size_t[]){t->dims[0], w->dims[0], w->dims[1]});
}

static iv_status warp_filters_forward(emitter *e, const node *n) {
    return iv_append_warp(e, n, WARP, n->inputs[W], n->inputs[T], n->outputs[0]);
}

static void warp_filters_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                  iv_tensor **gradients) {
    iv_tensor *w = n->inputs[W], *t = n->inputs[T];
    if (gradient->n_elements != n->outputs[0]->n_elements) return; /* several products at once */
    node *d = iv_graph_node(graph, &op_warp_filters_gradient, 2, (iv_tensor *[]){gradient, t}, 2,
                            sizeof(own_warp));
    if (!d) return;
    const own_warp *own = n->own;
    *(own_warp *)d->own = *own;
    gradients[W] = iv_graph_output(d, IV_F32, 2, w->dims);
    gradients[T] = iv_warp_slopes(graph, own->shape, gradient, w, t);
}

const iv_op op_warp_filters = {
    .name = "warp_filters", .forward = warp_filters_forward, .backward = warp_filters_backward};

static iv_status warp_filters_gradient_forward(emitter *e, const node *n) {
    return iv_append_warp(e, n, WARP_ADJOINT_SUM, n->inputs[0], n->inputs[1], n->outputs[0]);
}

const iv_op op_warp_filters_gradient = {.name = "warp_filters_gradient",
                                        .forward = warp_filters_gradient_forward};

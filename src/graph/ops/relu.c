/* ReLU and its derivative, which compiling fuses into the product before it where it can.
 * Kernels: cl/elementwise.cl. */
#include "graph/graph.h"

iv_tensor *iv_relu(iv_graph *graph, iv_tensor *x) {
    node *n = iv_graph_node(graph, &op_relu, 1, &x, 1);
    if (!n) return NULL;
    return iv_graph_output(n, IV_F32, x->rank, x->dims);
}

static iv_status relu_forward(emitter *e, const node *n) {
    iv_launch *launch = iv_launch_begin(e->sequence, "elementwise", "relu", NULL);
    iv_arg_tensor(launch, n->inputs[0]);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, n->outputs[0]->n_elements);
    return iv_launch_members(e, launch, n->outputs[0]->n_elements);
}

/* Gradient rows may outnumber the output's: S products at once share a row of the gate. */
static void relu_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                          iv_tensor **gradients) {
    node *d =
        iv_graph_node(graph, &op_relu_gradient, 2, (iv_tensor *[]){gradient, n->outputs[0]}, 2);
    if (d) gradients[0] = iv_graph_output(d, IV_F32, gradient->rank, gradient->dims);
}

const iv_op op_relu = {.name = "relu", .forward = relu_forward, .backward = relu_backward};

static iv_status relu_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *gradient = n->inputs[0], *y = n->inputs[1];
    const size_t n_products = iv_rows(gradient) / iv_rows(y);
    iv_launch *launch = iv_launch_begin(e->sequence, "elementwise", "relu_gradient",
                                        n_products > 1 ? "-DSHARED_GATE" : NULL);
    iv_arg_tensor(launch, gradient);
    iv_arg_tensor(launch, y);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, gradient->n_elements);
    iv_arg_uint(launch, iv_columns(y));
    iv_arg_uint(launch, n_products);
    return iv_launch_members(e, launch, gradient->n_elements);
}

const iv_op op_relu_gradient = {.name = "relu_gradient", .forward = relu_gradient_forward};

/* Activations and their derivatives, which compiling fuses into the product before them where it
 * can. Kernels: cl/elementwise.cl, cl/activation.cl. */
#include "graph/ops/own.h"

#include <stdio.h>

iv_tensor *iv_activate(iv_graph *graph, iv_tensor *x, iv_activation activation) {
    if (graph->status == IV_OK && (unsigned)activation > IV_ACTIVATION_TANH)
        return iv_graph_fail(graph, "activate: there is no activation %d", (int)activation);
    if (activation == IV_ACTIVATION_NONE) return graph->status == IV_OK ? x : NULL;
    node *n = iv_graph_node(graph, &op_activate, 1, &x, 1, sizeof(own_activate));
    if (!n) return NULL;
    *(own_activate *)n->own = (own_activate){activation};
    return iv_graph_output(n, IV_F32, x->rank, x->dims);
}

/* Of both ops. */
static iv_activation activation_of(const node *n) {
    const own_activate *own = n->own;
    return own->activation;
}

static iv_status activate_forward(emitter *e, const node *n) {
    char options[32];
    snprintf(options, sizeof options, "-DACTIVATION=%u", (unsigned)activation_of(n));
    iv_launch *launch = iv_launch_begin(e->sequence, "elementwise", "activate", options);
    iv_arg_tensor(launch, n->inputs[0]);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, n->outputs[0]->n_elements);
    return iv_launch_members(e, launch, n->outputs[0]->n_elements);
}

/* Gradient rows may outnumber the output's: S products at once share a row of the gate. */
static void activate_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                              iv_tensor **gradients) {
    node *d = iv_graph_node(graph, &op_activation_gradient, 2,
                            (iv_tensor *[]){gradient, n->outputs[0]}, 2, sizeof(own_activate));
    if (!d) return;
    *(own_activate *)d->own = *(const own_activate *)n->own;
    gradients[0] = iv_graph_output(d, IV_F32, gradient->rank, gradient->dims);
}

const iv_op op_activate = {.name = "activate",
                           .forward = activate_forward,
                           .backward = activate_backward,
                           .can = IV_OP_IS_ACTIVATION,
                           .activation = activation_of};

static iv_status activation_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *gradient = n->inputs[0], *y = n->inputs[1];
    const size_t n_products = gradient->n_elements / y->n_elements;
    char options[48];
    snprintf(options, sizeof options, "-DGATE=%u%s", (unsigned)activation_of(n),
             n_products > 1 ? " -DSHARED_GATE" : "");
    iv_launch *launch = iv_launch_begin(e->sequence, "elementwise", "activation_gradient", options);
    iv_arg_tensor(launch, gradient);
    iv_arg_tensor(launch, y);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, gradient->n_elements);
    iv_arg_uint(launch, iv_product_block(y));
    iv_arg_uint(launch, n_products);
    return iv_launch_members(e, launch, gradient->n_elements);
}

const iv_op op_activation_gradient = {.name = "activation_gradient",
                                      .forward = activation_gradient_forward,
                                      .can = IV_OP_IS_GATE,
                                      .activation = activation_of};

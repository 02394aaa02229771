/* Functions of every entry. Those that are activations of layers too are left to iv_activate, which
 * compiling fuses into products. Kernels: cl/unary.cl. */
#include "graph/ops/own.h"
#include "graph/ops/strided.h"

#include <stdio.h>

static bool is_activation(iv_function_kind kind, iv_activation *activation) {
    switch (kind) {
    case IV_RELU: *activation = IV_ACTIVATION_RELU; return true;
    case IV_SELU: *activation = IV_ACTIVATION_SELU; return true;
    case IV_SIGMOID: *activation = IV_ACTIVATION_SIGMOID; return true;
    case IV_TANH: *activation = IV_ACTIVATION_TANH; return true;
    default: return false;
    }
}

iv_tensor *iv_unary(iv_graph *graph, const iv_function *function, iv_tensor *x) {
    iv_activation activation;
    if (graph->status == IV_OK && (unsigned)function->kind >= IV_N_FUNCTIONS)
        return iv_graph_fail(graph, "unary: there is no function %d", (int)function->kind);
    if (graph->status == IV_OK && x && is_activation(function->kind, &activation))
        return iv_activate(graph, x, activation);
    node *n = iv_graph_node(graph, &op_unary, 1, &x, 1, sizeof(own_unary));
    if (!n) return NULL;
    *(own_unary *)n->own = (own_unary){*function};
    return iv_graph_output(n, IV_F32, x->rank, x->dims);
}

/* Of both ops. */
static iv_status launch_vectors(emitter *e, const node *n, const char *kernel, const char *more) {
    const iv_function *function = &((const own_unary *)n->own)->function;
    const size_t elements = n->outputs[0]->n_elements;
    char options[64];
    snprintf(options, sizeof options, "-DVW=%d -DFUNCTION=%d%s", STRIDED_VECTOR,
             (int)function->kind, more);
    iv_launch *launch = iv_launch_begin(e->sequence, "unary", kernel, options);
    for (size_t k = 0; k < n->n_inputs; k++) iv_arg_tensor(launch, n->inputs[k]);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_float(launch, function->a);
    iv_arg_float(launch, function->b);
    iv_arg_uint(launch, elements);
    return iv_launch_members(e, launch, (elements + STRIDED_VECTOR - 1) / STRIDED_VECTOR);
}

static iv_status unary_forward(emitter *e, const node *n) {
    return launch_vectors(e, n, "unary", "");
}

static void unary_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                           iv_tensor **gradients) {
    const iv_function *function = &((const own_unary *)n->own)->function;
    if (!iv_one_product(graph, n, gradient)) return;
    if (function->kind == IV_NEGATE) {
        gradients[0] = iv_unary(graph, function, gradient);
        return;
    }
    const bool by_output =
        function->kind == IV_EXP || function->kind == IV_SQRT || function->kind == IV_RECIPROCAL;
    iv_tensor *z = by_output ? n->outputs[0] : n->inputs[0];
    node *d = iv_graph_node(graph, &op_unary_gradient, 2, (iv_tensor *[]){gradient, z}, 2,
                            sizeof(own_unary));
    if (!d) return;
    *(own_unary *)d->own = (own_unary){*function};
    gradients[0] = iv_graph_output(d, IV_F32, gradient->rank, gradient->dims);
}

const iv_op op_unary = {.name = "unary", .forward = unary_forward, .backward = unary_backward};

static iv_status unary_gradient_forward(emitter *e, const node *n) {
    return launch_vectors(e, n, "unary_gradient", " -DGRADIENT");
}

const iv_op op_unary_gradient = {.name = "unary_gradient", .forward = unary_gradient_forward};

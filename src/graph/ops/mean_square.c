/* Mean square error, its derivative, and sums of square errors for evaluation in batches.
 * Kernels: cl/mean_square.cl. */
#include "graph/ops/own.h"

#include <stdio.h>

static bool are_batches(const iv_tensor *a, const iv_tensor *b) {
    return a->rank == 2 && iv_same_shape(a, b);
}

/* Outputs: the loss, and its gradient to a. */
iv_tensor *iv_mean_square(iv_graph *graph, iv_tensor *a, iv_tensor *b) {
    node *n = iv_graph_node(graph, &op_mean_square, 2, (iv_tensor *[]){a, b}, 2, 0);
    if (!n) return NULL;
    if (!are_batches(a, b))
        return iv_graph_fail(graph, "mean square: needs two tensors of shape [B, C]");
    iv_tensor *loss = iv_graph_output(n, IV_F32, 1, (const size_t[]){1});
    iv_graph_output(n, IV_F32, 2, a->dims);
    return loss;
}

static iv_status mean_square_forward(emitter *e, const node *n) {
    const iv_tensor *a = n->inputs[0], *gradient = n->outputs[1];
    const size_t lanes = iv_kernel_value(e->graph->context, "mean_square", "LANES");
    char options[48];
    snprintf(options, sizeof options, "-DLANES=%zu%s", lanes,
             gradient->needed ? " -DGRADIENT" : "");
    iv_launch *launch = iv_launch_begin(e->sequence, "mean_square", "mean_square", options);
    iv_arg_tensor(launch, a);
    iv_arg_tensor(launch, n->inputs[1]);
    iv_arg_tensor(launch, n->outputs[0]);
    if (gradient->needed) iv_arg_tensor(launch, gradient);
    iv_arg_uint(launch, a->n_elements);
    iv_arg_float(launch, (float)(2.0 / (double)a->n_elements));
    return iv_launch_end_by_member(launch, 2, (const size_t[]){lanes, e->n_members},
                                   (const size_t[]){lanes, 1});
}

/* The gradient to a comes along with the loss unless it is weighted. */
static void mean_square_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                 iv_tensor **gradients) {
    for (size_t i = 0; i < 2; i++)
        gradients[i] = i == 0 && !gradient
                           ? n->outputs[1]
                           : iv_difference_gradient(graph, n->inputs[i], n->inputs[1 - i], gradient,
                                                    2, n->inputs[i]->n_elements);
}

const iv_op op_mean_square = {.name = "mean_square",
                              .forward = mean_square_forward,
                              .backward = mean_square_backward,
                              .can = IV_OP_TAKES_ONE};

iv_tensor *iv_square_error_sums(iv_graph *graph, iv_tensor *a, iv_tensor *b, size_t n_rows) {
    node *n = iv_graph_node(graph, &op_square_error_sums, 2, (iv_tensor *[]){a, b}, 2,
                            sizeof(own_square_error_sums));
    if (!n) return NULL;
    if (!are_batches(a, b))
        return iv_graph_fail(graph, "square error sums: needs two tensors of shape [B, C]");
    *(own_square_error_sums *)n->own = (own_square_error_sums){n_rows};
    return iv_graph_output(n, IV_F32, 1, &a->dims[1]);
}

static iv_status square_error_sums_forward(emitter *e, const node *n) {
    const iv_tensor *a = n->inputs[0];
    const size_t lanes = iv_kernel_value(e->graph->context, "mean_square", "ROW_LANES");
    char options[32];
    snprintf(options, sizeof options, "-DROW_LANES=%zu", lanes);
    iv_launch *launch = iv_launch_begin(e->sequence, "mean_square", "square_error_sums", options);
    iv_arg_tensor(launch, a);
    iv_arg_tensor(launch, n->inputs[1]);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, a->dims[0]);
    iv_arg_uint(launch, a->dims[1]);
    iv_arg_uint(launch, ((const own_square_error_sums *)n->own)->n_rows);
    iv_arg_step(launch);
    return iv_launch_end_by_member(launch, 3, (const size_t[]){lanes, a->dims[1], e->n_members},
                                   (const size_t[]){lanes, 1, 1});
}

const iv_op op_square_error_sums = {.name = "square_error_sums",
                                    .forward = square_error_sums_forward};

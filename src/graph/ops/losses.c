/* Losses, each one number a member: cross-entropy, logit distance, their weighted sum.
 * Kernels: cl/loss.cl. */
#include "graph/ops/own.h"

static iv_tensor *scalar(node *n) {
    return iv_graph_output(n, IV_F32, 1, (const size_t[]){1});
}

iv_status iv_append_mean(emitter *e, const iv_tensor *values, const iv_tensor *mean) {
    iv_launch *launch = iv_launch_begin(e->sequence, "reduce", "mean", NULL);
    iv_arg_tensor(launch, values);
    iv_arg_tensor(launch, mean);
    iv_arg_uint(launch, values->n_elements);
    return iv_launch_end_by_member(launch, 2, (const size_t[]){64, e->n_members},
                                   (const size_t[]){64, 1});
}

/* Outputs: the loss, its gradient to the logits, and the loss of each row. */
iv_tensor *iv_cross_entropy(iv_graph *graph, iv_tensor *logits, iv_tensor *labels) {
    node *n = iv_graph_node(graph, &op_cross_entropy, 2, (iv_tensor *[]){logits, labels}, 2, 0);
    if (!n) return NULL;
    if (logits->rank != 2 || labels->dtype != IV_I32 || labels->n_elements != logits->dims[0])
        return iv_graph_fail(graph, "cross-entropy: needs logits [B, C] and integer labels [B]");
    iv_tensor *loss = scalar(n);
    iv_graph_output(n, IV_F32, 2, logits->dims);
    iv_graph_output(n, IV_F32, 1, logits->dims);
    return loss;
}

static iv_status cross_entropy_forward(emitter *e, const node *n) {
    const iv_tensor *logits = n->inputs[0];
    const iv_device_info *device = iv_context_device(e->graph->context);
    const bool wide = iv_kernel_value(e->graph->context, "loss", "WIDE") &&
                      device->float_vector_width >= 8 && logits->dims[1] <= 16;
    iv_launch *launch =
        iv_launch_begin(e->sequence, "loss", "cross_entropy", wide ? "-DWIDE" : NULL);
    iv_arg_tensor(launch, logits);
    iv_arg_tensor(launch, n->inputs[1]);
    iv_arg_tensor(launch, n->outputs[1]);
    iv_arg_tensor(launch, n->outputs[2]);
    iv_arg_uint(launch, logits->dims[0]);
    iv_arg_uint(launch, logits->dims[1]);
    const iv_status status = iv_launch_members(e, launch, logits->dims[0]);
    return status == IV_OK && n->outputs[0]->needed
               ? iv_append_mean(e, n->outputs[2], n->outputs[0])
               : status;
}

static void cross_entropy_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                   iv_tensor **gradients) {
    gradients[0] = gradient ? iv_scale(graph, n->outputs[1], gradient) : n->outputs[1];
}

const iv_op op_cross_entropy = {.name = "cross_entropy",
                                .forward = cross_entropy_forward,
                                .backward = cross_entropy_backward,
                                .can = IV_OP_TAKES_ONE,
                                .integer_inputs = 1 << 1};

/* Outputs: the loss, and the distance of each row. */
iv_tensor *iv_logit_distance(iv_graph *graph, iv_tensor *a, iv_tensor *b) {
    node *n = iv_graph_node(graph, &op_logit_distance, 2, (iv_tensor *[]){a, b}, 2, 0);
    if (!n) return NULL;
    if (a->rank != 2 || !iv_same_shape(a, b))
        return iv_graph_fail(graph, "logit distance: needs two tensors of shape [B, C]");
    iv_tensor *loss = scalar(n);
    iv_graph_output(n, IV_F32, 1, a->dims);
    return loss;
}

static iv_status logit_distance_forward(emitter *e, const node *n) {
    const iv_tensor *a = n->inputs[0];
    iv_launch *launch = iv_launch_begin(e->sequence, "loss", "logit_distance", NULL);
    iv_arg_tensor(launch, a);
    iv_arg_tensor(launch, n->inputs[1]);
    iv_arg_tensor(launch, n->outputs[1]);
    iv_arg_uint(launch, a->dims[0]);
    iv_arg_uint(launch, a->dims[1]);
    const iv_status status = iv_launch_members(e, launch, a->dims[0]);
    return status == IV_OK ? iv_append_mean(e, n->outputs[1], n->outputs[0]) : status;
}

/* d/da = (a - b) gradient / B, d/db the same with a and b swapped. */
static void logit_distance_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                    iv_tensor **gradients) {
    for (size_t i = 0; i < 2; i++)
        gradients[i] = iv_difference_gradient(graph, n->inputs[i], n->inputs[1 - i], gradient, 1,
                                              n->inputs[i]->dims[0]);
}

const iv_op op_logit_distance = {.name = "logit_distance",
                                 .forward = logit_distance_forward,
                                 .backward = logit_distance_backward,
                                 .can = IV_OP_TAKES_ONE};

iv_tensor *iv_difference_gradient(iv_graph *graph, iv_tensor *a, iv_tensor *b, iv_tensor *weight,
                                  size_t numerator, size_t denominator) {
    if (weight && weight->n_elements != 1)
        return iv_graph_fail(graph, "distances: take one product at a time");
    node *n = iv_graph_node(graph, &op_difference_gradient, 3, (iv_tensor *[]){a, b, weight}, 2,
                            sizeof(own_difference_gradient));
    if (!n) return NULL;
    *(own_difference_gradient *)n->own = (own_difference_gradient){numerator, denominator};
    return iv_graph_output(n, IV_F32, a->rank, a->dims);
}

static iv_status difference_gradient_forward(emitter *e, const node *n) {
    const own_difference_gradient *own = n->own;
    const iv_tensor *a = n->inputs[0], *weight = n->inputs[2];
    iv_launch *launch =
        iv_launch_begin(e->sequence, "loss", "difference_gradient", weight ? "-DWEIGHTED" : NULL);
    iv_arg_tensor(launch, a);
    iv_arg_tensor(launch, n->inputs[1]);
    if (weight) iv_arg_tensor(launch, weight);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, a->n_elements);
    iv_arg_float(launch, (float)((double)own->numerator / (double)own->denominator));
    return iv_launch_members(e, launch, a->n_elements);
}

const iv_op op_difference_gradient = {.name = "difference_gradient",
                                      .forward = difference_gradient_forward};

iv_tensor *iv_weighted_sum(iv_graph *graph, iv_tensor *a, iv_tensor *b, iv_tensor *weight) {
    node *n = iv_graph_node(graph, &op_weighted_sum, 3, (iv_tensor *[]){a, b, weight}, 3, 0);
    if (!n) return NULL;
    if (a->n_elements != 1 || b->n_elements != 1 || weight->n_elements != 1)
        return iv_graph_fail(graph, "weighted sum: needs one number a member each");
    return scalar(n);
}

static iv_status weighted_sum_forward(emitter *e, const node *n) {
    iv_launch *launch = iv_launch_begin(e->sequence, "elementwise", "weighted_sum", NULL);
    for (size_t i = 0; i < 3; i++) iv_arg_tensor(launch, n->inputs[i]);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, e->n_members);
    return iv_launch_end_by_member(launch, 1, (const size_t[]){e->n_members}, (const size_t[]){1});
}

/* A gradient of 1 stays 1 for a (the caller passes it on), is the weight for b and b for the
 * weight. */
static void weighted_sum_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                  iv_tensor **gradients) {
    gradients[0] = gradient;
    for (size_t i = 1; i < 3; i++)
        gradients[i] = gradient ? iv_scale(graph, gradient, n->inputs[3 - i]) : n->inputs[3 - i];
}

const iv_op op_weighted_sum = {.name = "weighted_sum",
                               .forward = weighted_sum_forward,
                               .backward = weighted_sum_backward,
                               .can = IV_OP_TAKES_ONE | IV_OP_PASSES_ONE};

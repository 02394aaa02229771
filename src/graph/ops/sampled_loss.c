/* Cross-entropy of logits that are Gaussian for each row. Kernels: cl/sampled_loss.cl. */
#include "graph/ops/own.h"

/* Outputs: the loss, its gradients to means and variances, the loss of each row, the curvature. */
enum { LOSS, TO_MEANS, TO_VARIANCES, OF_ROWS, CURVATURE };

iv_tensor *iv_sampled_cross_entropy(iv_graph *graph, iv_tensor *means, iv_tensor *variances,
                                    iv_tensor *labels, const iv_logit_draws *draws,
                                    iv_tensor **curvature) {
    if (curvature) *curvature = NULL;
    node *n = iv_graph_node(graph, &op_sampled_cross_entropy, 3,
                            (iv_tensor *[]){means, variances, labels}, 3,
                            sizeof(own_sampled_cross_entropy));
    if (!n) return NULL;
    if (means->rank != 2 || !iv_same_shape(means, variances) ||
        labels->n_elements != means->dims[0])
        return iv_graph_fail(
            graph, "sampled cross-entropy: needs means and variances [B, C] and labels [B]");
    if (draws->n_pairs == 0 || !draws->seeds.buffer)
        return iv_graph_fail(graph, "sampled cross-entropy: needs seeds and at least one pair");
    *(own_sampled_cross_entropy *)n->own = (own_sampled_cross_entropy){*draws};
    iv_tensor *loss = iv_graph_output(n, IV_F32, 1, (const size_t[]){1});
    iv_graph_output(n, IV_F32, 2, means->dims);
    iv_graph_output(n, IV_F32, 2, means->dims);
    iv_graph_output(n, IV_F32, 1, means->dims);
    iv_tensor *bend = iv_graph_output(n, IV_F32, 2, means->dims);
    if (curvature) *curvature = bend;
    return loss;
}

static iv_status sampled_cross_entropy_forward(emitter *e, const node *n) {
    const own_sampled_cross_entropy *own = n->own;
    const iv_tensor *means = n->inputs[0];
    iv_launch *launch = iv_launch_begin(e->sequence, "sampled_loss", "sampled_cross_entropy", NULL);
    for (size_t i = 0; i < 3; i++) iv_arg_tensor(launch, n->inputs[i]);
    for (size_t i = TO_MEANS; i <= CURVATURE; i++) iv_arg_tensor(launch, n->outputs[i]);
    iv_arg_view(launch, own->draws.seeds);
    iv_arg_uint(launch, own->draws.stream);
    iv_arg_step(launch);
    iv_arg_uint(launch, means->dims[0]);
    iv_arg_uint(launch, means->dims[1]);
    iv_arg_uint(launch, own->draws.n_pairs);
    const iv_status status = iv_launch_members(e, launch, means->dims[0]);
    return status == IV_OK && n->outputs[LOSS]->needed
               ? iv_append_mean(e, n->outputs[OF_ROWS], n->outputs[LOSS])
               : status;
}

static void sampled_cross_entropy_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                           iv_tensor **gradients) {
    for (size_t i = 0; i < 2; i++)
        gradients[i] = gradient ? iv_scale(graph, n->outputs[TO_MEANS + i], gradient)
                                : n->outputs[TO_MEANS + i];
}

const iv_op op_sampled_cross_entropy = {.name = "sampled_cross_entropy",
                                        .forward = sampled_cross_entropy_forward,
                                        .backward = sampled_cross_entropy_backward,
                                        .can = IV_OP_TAKES_ONE,
                                        .integer_inputs = 1 << 2};

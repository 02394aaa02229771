/* The logit of a chosen class, whose gradient is the saliency map; argmax; and the seed of a
 * Jacobian. Kernels: cl/loss.cl. */
#include "graph/graph.h"

/* Outputs: the sum, and the chosen logit of each row. */
iv_tensor *iv_class_logit_sum(iv_graph *graph, iv_tensor *logits, iv_tensor *classes) {
    node *n = iv_graph_node(graph, &op_class_logit_sum, 2, (iv_tensor *[]){logits, classes}, 2, 0);
    if (!n) return NULL;
    if (classes->dtype != IV_I32 || iv_rows(logits) % classes->n_elements != 0)
        return iv_graph_fail(graph, "class logit: %zu rows of logits meet %zu classes",
                             iv_rows(logits), classes->n_elements);
    iv_tensor *sum = iv_graph_output(n, IV_F32, 1, (const size_t[]){1});
    iv_graph_output(n, IV_F32, 1, (const size_t[]){iv_rows(logits)});
    return sum;
}

static iv_status class_logit_sum_forward(emitter *e, const node *n) {
    const iv_tensor *logits = n->inputs[0], *chosen = n->outputs[1];
    iv_launch *launch = iv_launch_begin(e->sequence, "loss", "class_logit", NULL);
    iv_arg_tensor(launch, logits);
    iv_arg_tensor(launch, n->inputs[1]);
    iv_arg_tensor(launch, chosen);
    iv_arg_uint(launch, iv_rows(logits));
    iv_arg_uint(launch, iv_columns(logits));
    iv_arg_uint(launch, n->inputs[1]->n_elements);
    const iv_status status = iv_launch_members(e, launch, iv_rows(logits));
    if (status != IV_OK) return status;

    iv_launch *sum = iv_launch_begin(e->sequence, "reduce", "column_sum", NULL);
    iv_arg_tensor(sum, chosen);
    iv_arg_tensor(sum, n->outputs[0]);
    iv_arg_uint(sum, chosen->n_elements);
    iv_arg_uint(sum, 1);
    return iv_launch_members(e, sum, 1);
}

/* One where the class is the chosen one (times the incoming gradient), zero elsewhere. */
static void class_logit_sum_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                     iv_tensor **gradients) {
    node *d = iv_graph_node(graph, &op_class_logit_gradient, 1, &n->inputs[1], 1, 0);
    iv_tensor *one_hot = iv_graph_output(d, IV_F32, n->inputs[0]->rank, n->inputs[0]->dims);
    gradients[0] = gradient ? iv_scale(graph, one_hot, gradient) : one_hot;
}

const iv_op op_class_logit_sum = {.name = "class_logit_sum",
                                  .forward = class_logit_sum_forward,
                                  .backward = class_logit_sum_backward,
                                  .can = IV_OP_TAKES_ONE,
                                  .integer_inputs = 1 << 1};

static iv_status class_logit_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *one_hot = n->outputs[0];
    iv_launch *launch = iv_launch_begin(e->sequence, "loss", "one_hot", NULL);
    iv_arg_tensor(launch, n->inputs[0]);
    iv_arg_tensor(launch, one_hot);
    iv_arg_uint(launch, one_hot->n_elements);
    iv_arg_uint(launch, iv_columns(one_hot));
    iv_arg_uint(launch, n->inputs[0]->n_elements);
    return iv_launch_members(e, launch, one_hot->n_elements);
}

const iv_op op_class_logit_gradient = {.name = "class_logit_gradient",
                                       .forward = class_logit_gradient_forward,
                                       .integer_inputs = 1 << 0};

iv_tensor *iv_argmax(iv_graph *graph, iv_tensor *logits) {
    node *n = iv_graph_node(graph, &op_argmax, 1, &logits, 1, 0);
    if (!n) return NULL;
    if (logits->rank != 2) return iv_graph_fail(graph, "argmax: needs logits [B, C]");
    return iv_graph_output(n, IV_I32, 1, logits->dims);
}

static iv_status argmax_forward(emitter *e, const node *n) {
    const iv_tensor *logits = n->inputs[0];
    iv_launch *launch = iv_launch_begin(e->sequence, "loss", "argmax", NULL);
    iv_arg_tensor(launch, logits);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, logits->dims[0]);
    iv_arg_uint(launch, logits->dims[1]);
    return iv_launch_members(e, launch, logits->dims[0]);
}

const iv_op op_argmax = {.name = "argmax", .forward = argmax_forward};

iv_tensor *iv_identity_seed(iv_graph *graph, iv_tensor *like, unsigned rank, const size_t *dims) {
    node *n = iv_graph_node(graph, &op_identity_seed, 1, &like, 1, 0);
    return iv_graph_output(n, IV_F32, rank, dims);
}

/* [B, C, C] from logits [B, C]: the unit vector of every class, for every row. */
static iv_status identity_seed_forward(emitter *e, const node *n) {
    const iv_tensor *seed = n->outputs[0];
    iv_launch *launch = iv_launch_begin(e->sequence, "loss", "identity_seed", NULL);
    iv_arg_tensor(launch, seed);
    iv_arg_uint(launch, seed->n_elements);
    iv_arg_uint(launch, iv_columns(seed));
    return iv_launch_members(e, launch, seed->n_elements);
}

const iv_op op_identity_seed = {.name = "identity_seed", .forward = identity_seed_forward};

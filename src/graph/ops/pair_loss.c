/* The loss of pairs of codes (Zhang and Arodz 2021, equation 2), and sums over pairs for evaluation
 * in batches. Kernels: cl/pair_loss.cl. */
#include "graph/ops/own.h"

#include <stdio.h>

/* Inputs of both ops. */
enum { CODES, SQUARED_DISTANCES, DELTA, ALPHA };

/* The node of the loss or of the sums, once its inputs fit each other. */
static node *pair_node(iv_graph *graph, const iv_op *op, iv_tensor *z, own_pairs own,
                       iv_tensor *squared_distances, iv_tensor *delta, iv_tensor *alpha) {
    node *n = iv_graph_node(graph, op, 4, (iv_tensor *[]){z, squared_distances, delta, alpha}, 4,
                            sizeof(own_pairs));
    if (!n) return NULL;
    if (z->rank != 3 || z->dims[0] != 2 || squared_distances->n_elements != z->dims[1]) {
        iv_graph_fail(graph, "%s: needs codes [2, B, C] and B squared distances", op->name);
        return NULL;
    }
    if (own.n_invariant == 0 || own.n_invariant > z->dims[2]) {
        iv_graph_fail(graph, "%s: %zu invariant columns of %zu", op->name, own.n_invariant,
                      z->dims[2]);
        return NULL;
    }
    if (delta->n_elements != 1 || alpha->n_elements != 1) {
        iv_graph_fail(graph, "%s: delta and alpha are one number a member each", op->name);
        return NULL;
    }
    *(own_pairs *)n->own = own;
    return n;
}

/* Outputs: the loss, its gradient to z, and the loss of each pair. */
iv_tensor *iv_pair_loss(iv_graph *graph, iv_tensor *z, size_t n_invariant,
                        iv_tensor *squared_distances, iv_tensor *delta, iv_tensor *alpha) {
    node *n = pair_node(graph, &op_pair_loss, z, (own_pairs){n_invariant, 0}, squared_distances,
                        delta, alpha);
    if (!n) return NULL;
    iv_tensor *loss = iv_graph_output(n, IV_F32, 1, (const size_t[]){1});
    iv_graph_output(n, IV_F32, 3, z->dims);
    iv_graph_output(n, IV_F32, 1, &z->dims[1]);
    return loss;
}

static iv_status pair_loss_forward(emitter *e, const node *n) {
    const own_pairs *own = n->own;
    const iv_tensor *z = n->inputs[CODES], *loss = n->outputs[0], *gradient = n->outputs[1],
                    *losses = n->outputs[2];
    const size_t lanes = iv_kernel_value(e->graph->context, "pair_loss", "LANES");
    size_t pairs = lanes == 1 ? iv_kernel_value(e->graph->context, "pair_loss", "PAIRS") : 1;
    char options[48];
    snprintf(options, sizeof options, "-DLANES=%zu%s", lanes,
             gradient->needed ? " -DGRADIENT" : "");
    iv_launch *launch = iv_launch_begin(e->sequence, "pair_loss", "pair_loss", options);
    while (pairs > 1 && pairs > iv_launch_items(launch)) pairs /= 2;
    for (size_t i = 0; i < n->n_inputs; i++) iv_arg_tensor(launch, n->inputs[i]);
    iv_arg_tensor(launch, losses);
    if (gradient->needed) iv_arg_tensor(launch, gradient);
    iv_arg_uint(launch, z->dims[1]);
    iv_arg_uint(launch, z->dims[2]);
    iv_arg_uint(launch, own->n_invariant);
    iv_arg_float(launch, 4.0f / (float)z->dims[1]);
    const iv_status status =
        iv_launch_end_by_member(launch, 3, (const size_t[]){lanes, z->dims[1], e->n_members},
                                (const size_t[]){lanes, pairs, 1});
    return status == IV_OK && loss->needed ? iv_append_mean(e, losses, loss) : status;
}

static void pair_loss_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                               iv_tensor **gradients) {
    gradients[CODES] = gradient ? iv_scale(graph, n->outputs[1], gradient) : n->outputs[1];
}

const iv_op op_pair_loss = {.name = "pair_loss",
                            .forward = pair_loss_forward,
                            .backward = pair_loss_backward,
                            .can = IV_OP_TAKES_ONE};

iv_tensor *iv_pair_sums(iv_graph *graph, iv_tensor *z, size_t n_invariant,
                        iv_tensor *squared_distances, iv_tensor *delta, iv_tensor *alpha,
                        size_t n_rows) {
    node *n = pair_node(graph, &op_pair_sums, z, (own_pairs){n_invariant, n_rows},
                        squared_distances, delta, alpha);
    if (!n) return NULL;
    return iv_graph_output(n, IV_F32, 1, (const size_t[]){IV_N_PAIR_SUMS});
}

static iv_status pair_sums_forward(emitter *e, const node *n) {
    enum { GROUP = 64 };
    const own_pairs *own = n->own;
    const iv_tensor *z = n->inputs[CODES];
    iv_launch *launch = iv_launch_begin(e->sequence, "pair_loss", "pair_sums", NULL);
    for (size_t i = 0; i < n->n_inputs; i++) iv_arg_tensor(launch, n->inputs[i]);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, z->dims[1]);
    iv_arg_uint(launch, z->dims[2]);
    iv_arg_uint(launch, own->n_invariant);
    iv_arg_uint(launch, own->n_rows);
    iv_arg_step(launch);
    return iv_launch_end_by_member(launch, 2, (const size_t[]){GROUP, e->n_members},
                                   (const size_t[]){GROUP, 1});
}

const iv_op op_pair_sums = {.name = "pair_sums", .forward = pair_sums_forward};

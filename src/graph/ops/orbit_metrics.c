/* How invariant a network is on the orbit of each sample: accuracy, logits, distribution, saliency.
 * Kernels: cl/invariance.cl. Source: Moskalev et al. 2023, section 3. */
#include "graph/ops/own.h"

static iv_tensor *per_sample(iv_graph *graph, const iv_op *op, iv_tensor *orbit,
                             iv_tensor *labels) {
    node *n = iv_graph_node(graph, op, labels ? 2 : 1, (iv_tensor *[]){orbit, labels}, 1,
                            sizeof(own_orbit_metric));
    if (!n) return NULL;
    if (orbit->rank != 3 || orbit->dims[0] < 2)
        return iv_graph_fail(graph, "%s: needs [G, B, ...] with G at least 2", op->name);
    if (labels && (labels->dtype != IV_I32 || labels->n_elements != orbit->dims[1]))
        return iv_graph_fail(graph, "%s: needs one integer label a sample", op->name);
    return iv_graph_output(n, IV_F32, 1, orbit->dims + 1);
}

/* Arguments of every metric kernel: orbit, [labels or table,] out, G, B, width. */
static iv_status append_metric(emitter *e, const node *n, const char *kernel) {
    const own_orbit_metric *own = n->own;
    const iv_tensor *orbit = n->inputs[0];
    iv_launch *launch = iv_launch_begin(e->sequence, "invariance", kernel, NULL);
    iv_arg_tensor(launch, orbit);
    if (n->n_inputs > 1) iv_arg_tensor(launch, n->inputs[1]);
    if (own->inverse) iv_arg_buffer(launch, own->inverse);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, orbit->dims[0]);
    iv_arg_uint(launch, orbit->dims[1]);
    iv_arg_uint(launch, orbit->dims[2]);
    return iv_launch_members(e, launch, orbit->dims[1]);
}

iv_tensor *iv_orbit_accuracy(iv_graph *graph, iv_tensor *logits, iv_tensor *labels) {
    if (!labels && graph->status == IV_OK)
        return iv_graph_fail(graph, "orbit accuracy: the labels are missing");
    return per_sample(graph, &op_orbit_accuracy, logits, labels);
}

static iv_status accuracy_forward(emitter *e, const node *n) {
    return append_metric(e, n, "orbit_accuracy");
}

const iv_op op_orbit_accuracy = {
    .name = "orbit_accuracy", .forward = accuracy_forward, .integer_inputs = 1 << 1};

iv_tensor *iv_orbit_logit_invariance(iv_graph *graph, iv_tensor *logits) {
    return per_sample(graph, &op_orbit_logit_invariance, logits, NULL);
}

static iv_status logit_invariance_forward(emitter *e, const node *n) {
    return append_metric(e, n, "orbit_logit_invariance");
}

const iv_op op_orbit_logit_invariance = {.name = "orbit_logit_invariance",
                                         .forward = logit_invariance_forward};

iv_tensor *iv_orbit_distribution_invariance(iv_graph *graph, iv_tensor *logits) {
    return per_sample(graph, &op_orbit_distribution_invariance, logits, NULL);
}

static iv_status distribution_invariance_forward(emitter *e, const node *n) {
    return append_metric(e, n, "orbit_distribution_invariance");
}

const iv_op op_orbit_distribution_invariance = {.name = "orbit_distribution_invariance",
                                                .forward = distribution_invariance_forward};

iv_tensor *iv_orbit_saliency_similarity(iv_graph *graph, iv_tensor *saliency, cl_mem inverse) {
    iv_tensor *similarity = per_sample(graph, &op_orbit_saliency_similarity, saliency, NULL);
    if (similarity) *(own_orbit_metric *)similarity->producer->own = (own_orbit_metric){inverse};
    return similarity;
}

static iv_status saliency_similarity_forward(emitter *e, const node *n) {
    return append_metric(e, n, "orbit_saliency_similarity");
}

const iv_op op_orbit_saliency_similarity = {.name = "orbit_saliency_similarity",
                                            .forward = saliency_similarity_forward};

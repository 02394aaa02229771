/* Means over samples of ReLU or cosine features. Kernels: cl/feature_mean.cl. */
#include "graph/ops/own.h"

#include <math.h>
#include <stdio.h>

/* Vectors of 16 that a work-item takes on CPU devices: long enough pieces of each sample's sums for
 * the memory, and they stay in the nearest cache. 0 on GPUs. */
static size_t vectors_of(const emitter *e) {
    return iv_kernel_value(e->graph->context, "feature_mean", "VECTORS");
}

iv_tensor *iv_feature_mean(iv_graph *graph, iv_tensor *z, iv_feature feature) {
    node *n = iv_graph_node(graph, &op_feature_mean, 1, &z, 1, sizeof(own_feature_mean));
    if (!n) return NULL;
    if (z->rank != 3 || (feature != IV_FEATURE_RELU && feature != IV_FEATURE_COSINE))
        return iv_graph_fail(graph,
                             "feature mean: needs sums [S, B, H] and a feature that there is");
    *(own_feature_mean *)n->own = (own_feature_mean){feature};
    return iv_graph_output(n, IV_F32, 2, z->dims + 1);
}

static bool is_cosine(const node *n) {
    const own_feature_mean *own = n->own;
    return own->feature == IV_FEATURE_COSINE;
}

/* The launch after its tensors: h or dh [B, H], and S. */
static iv_launch *begin(emitter *e, const node *n, const char *function) {
    char options[48] = "", vectors[24] = "";
    if (vectors_of(e)) snprintf(vectors, sizeof vectors, " -DVECTORS=%zu", vectors_of(e));
    snprintf(options, sizeof options, "%s%s", is_cosine(n) ? "-DCOSINE" : "", vectors);
    return iv_launch_begin(e->sequence, "feature_mean", function, options);
}

static iv_status end(emitter *e, const node *n, iv_launch *launch, const iv_tensor *h,
                     size_t samples) {
    const size_t neighbours = 16 * vectors_of(e);
    const double scale = is_cosine(n) ? sqrt(2.0 / (double)iv_columns(h)) : 1.0;
    iv_arg_uint(launch, h->n_elements);
    iv_arg_uint(launch, samples);
    iv_arg_float(launch, (float)(scale / (double)samples));
    if (!neighbours) return iv_launch_members(e, launch, h->n_elements);
    return iv_launch_end_by_member(
        launch, 2, (const size_t[]){(h->n_elements + neighbours - 1) / neighbours, e->n_members},
        (const size_t[]){1, 1});
}

static iv_status feature_mean_forward(emitter *e, const node *n) {
    const iv_tensor *z = n->inputs[0], *h = n->outputs[0];
    iv_launch *launch = begin(e, n, "feature_mean");
    iv_arg_tensor(launch, z);
    iv_arg_tensor(launch, h);
    return end(e, n, launch, h, z->dims[0]);
}

static void feature_mean_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                  iv_tensor **gradients) {
    iv_tensor *z = n->inputs[0];
    if (gradient->n_elements != n->outputs[0]->n_elements) return; /* several products at once */
    node *d = iv_graph_node(graph, &op_feature_mean_gradient, 2, (iv_tensor *[]){gradient, z}, 2,
                            sizeof(own_feature_mean));
    if (!d) return;
    *(own_feature_mean *)d->own = *(const own_feature_mean *)n->own;
    gradients[0] = iv_graph_output(d, IV_F32, 3, z->dims);
}

const iv_op op_feature_mean = {
    .name = "feature_mean", .forward = feature_mean_forward, .backward = feature_mean_backward};

static iv_status feature_mean_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *dh = n->inputs[0], *z = n->inputs[1];
    iv_launch *launch = begin(e, n, "feature_mean_gradient");
    iv_arg_tensor(launch, dh);
    iv_arg_tensor(launch, z);
    iv_arg_tensor(launch, n->outputs[0]);
    return end(e, n, launch, dh, z->dims[0]);
}

const iv_op op_feature_mean_gradient = {.name = "feature_mean_gradient",
                                        .forward = feature_mean_gradient_forward};

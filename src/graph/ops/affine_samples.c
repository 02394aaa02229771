/* Samples of affine transformations from eta, and their derivative. Kernels: cl/affine.cl. */
#include "graph/ops/own.h"

#include <stdio.h>

enum { MAX_SAMPLES = 256 }; /* the derivative keeps them in local memory */

iv_tensor *iv_affine_samples(iv_graph *graph, iv_tensor *eta, iv_tensor *learned,
                             const iv_affine_draws *draws) {
    node *n = iv_graph_node(graph, &op_affine_samples, 2, (iv_tensor *[]){eta, learned}, 2,
                            sizeof(own_affine_samples));
    if (!n) return NULL;
    if (eta->n_elements != IV_N_GENERATORS || learned->n_elements != IV_N_GENERATORS)
        return iv_graph_fail(graph, "affine samples: eta and learned need %d numbers each",
                             IV_N_GENERATORS);
    if (draws->n_samples == 0 || draws->n_samples > MAX_SAMPLES)
        return iv_graph_fail(graph, "affine samples: %zu samples; use 1 to %d", draws->n_samples,
                             MAX_SAMPLES);
    if (!draws->points.buffer && !draws->seeds.buffer)
        return iv_graph_fail(graph, "affine samples: neither seeds nor points");
    if (draws->widths.buffer && (!draws->points.buffer || !draws->seeds.buffer))
        return iv_graph_fail(graph, "affine samples: widths without points and seeds");
    *(own_affine_samples *)n->own = (own_affine_samples){.draws = *draws};
    return iv_graph_output(n, IV_F32, 2, (const size_t[]){draws->n_samples, 6});
}

/* Arguments that say where eps comes from; both kernels end with them. */
static void arg_source(iv_launch *launch, const iv_affine_draws *draws) {
    if (draws->points.buffer) iv_arg_view(launch, draws->points);
    if (draws->widths.buffer) iv_arg_view(launch, draws->widths);
    if (draws->points.buffer && !draws->widths.buffer) return;
    iv_arg_view(launch, draws->seeds);
    iv_arg_uint(launch, draws->stream);
    iv_arg_step(launch);
}

static const char *source_option(const iv_affine_draws *draws) {
    return draws->widths.buffer ? "-DPOINTS -DWIDTHS" : draws->points.buffer ? "-DPOINTS" : "";
}

static iv_status affine_samples_forward(emitter *e, const node *n) {
    const own_affine_samples *own = n->own;
    const iv_affine_draws *draws = &own->draws;
    iv_launch *launch =
        iv_launch_begin(e->sequence, "affine", "affine_samples", source_option(draws));
    iv_arg_tensor(launch, n->inputs[0]);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, draws->n_samples);
    arg_source(launch, draws);
    return iv_launch_members(e, launch, draws->n_samples);
}

static void affine_samples_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                    iv_tensor **gradients) {
    if (gradient->n_elements != n->outputs[0]->n_elements) return; /* several products at once */
    iv_tensor *inputs[] = {gradient, n->inputs[0], n->inputs[1]};
    node *d =
        iv_graph_node(graph, &op_affine_samples_gradient, 3, inputs, 3, sizeof(own_affine_samples));
    if (!d) return;
    own_affine_samples *own = d->own;
    *own = *(const own_affine_samples *)n->own;
    own->lanes = iv_kernel_value(graph->context, "affine", "LANES");
    gradients[0] = iv_graph_output(d, IV_F32, n->inputs[0]->rank, n->inputs[0]->dims);
}

const iv_op op_affine_samples = {.name = "affine_samples",
                                 .forward = affine_samples_forward,
                                 .backward = affine_samples_backward};

static iv_status affine_samples_gradient_forward(emitter *e, const node *n) {
    const own_affine_samples *own = n->own;
    const iv_affine_draws *draws = &own->draws;
    const size_t lanes = own->lanes;
    char options[96];
    snprintf(options, sizeof options, "-DLANES=%zu -DSAMPLES=%zu %s", lanes, draws->n_samples,
             source_option(draws));
    iv_launch *launch = iv_launch_begin(e->sequence, "affine", "affine_samples_gradient", options);
    for (size_t i = 0; i < 3; i++) iv_arg_tensor(launch, n->inputs[i]);
    iv_arg_tensor(launch, n->outputs[0]);
    arg_source(launch, draws);
    return iv_launch_end_by_member(launch, 2, (const size_t[]){lanes, e->n_members},
                                   (const size_t[]){lanes, 1});
}

const iv_op op_affine_samples_gradient = {.name = "affine_samples_gradient",
                                          .forward = affine_samples_gradient_forward};

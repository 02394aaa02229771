/* Networks of one architecture as a population on the device. */
#include "audit/audit.h"

#include <stdlib.h>
#include <string.h>

iv_status audit_no_memory(iv_context *context) {
    return iv_fail(iv_context_error(context), IV_ENOMEM, "out of memory");
}

bool iv_network_same_architecture(const iv_network *a, const iv_network *b) {
    if (a->onnx || b->onnx) return a->onnx && b->onnx && audit_onnx_same(a->onnx, b->onnx);
    bool same = a->n_layers == b->n_layers && a->activation == b->activation && a->tied == b->tied;
    if (same && a->tied)
        same = a->tied_kind == b->tied_kind && a->tied_order == b->tied_order &&
               a->tied_axes == b->tied_axes;
    for (size_t l = 0; l < a->n_layers && same; l++)
        same = a->layers[l].inputs == b->layers[l].inputs &&
               a->layers[l].outputs == b->layers[l].outputs &&
               !a->layers[l].bias == !b->layers[l].bias;
    return same;
}

/* ------------------------------------------------------------------ the first layer */

/* w ((x - mean) / deviation) + b = (w / deviation) x + (b - w mean / deviation): what comes before
 * the first layer becomes a part of it. weight [outputs, inputs], bias [outputs]: out. */
static void standardize(const iv_network_layer *layer, size_t n_of_channel, const float *mean,
                        const float *deviation, float *weight, float *bias) {
    for (size_t o = 0; o < layer->outputs; o++) {
        const float *row = layer->weight + o * layer->inputs;
        double shift = layer->bias ? (double)layer->bias[o] : 0;
        for (size_t i = 0; i < layer->inputs; i++) {
            const size_t c = i / n_of_channel;
            const double scaled = (double)row[i] / (deviation ? (double)deviation[c] : 1);
            weight[o * layer->inputs + i] = (float)scaled;
            shift -= scaled * (mean ? (double)mean[c] : 0);
        }
        bias[o] = (float)shift;
    }
}

/* ------------------------------------------------------------------ to the device */

static size_t n_weights(const iv_network_layer *layer) {
    return layer->inputs * layer->outputs;
}

static iv_status upload_layer(audit_population *p, const iv_network *const *networks, size_t l,
                              size_t n_of_channel, const float *mean, const float *deviation) {
    const iv_network_layer *like = &p->first->layers[l];
    const bool changed = l == 0 && (mean || deviation), has_bias = like->bias || changed;
    const size_t n = n_weights(like), n_bias = like->outputs;
    float *weights = malloc(p->n_members * n * sizeof *weights);
    float *biases = malloc(p->n_members * n_bias * sizeof *biases);
    iv_status status = weights && biases ? IV_OK : audit_no_memory(p->context);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        const iv_network_layer *layer = &networks[r]->layers[l];
        float *weight = weights + r * n, *bias = biases + r * n_bias;
        if (changed) {
            standardize(layer, n_of_channel, mean, deviation, weight, bias);
        } else {
            memcpy(weight, layer->weight, n * sizeof *weight);
            if (layer->bias) memcpy(bias, layer->bias, n_bias * sizeof *bias);
        }
    }
    if (status == IV_OK)
        status = iv_buffer_upload(p->context, weights, p->n_members * n * sizeof *weights,
                                  &p->weights[l]);
    if (status == IV_OK && has_bias)
        status = iv_buffer_upload(p->context, biases, p->n_members * n_bias * sizeof *biases,
                                  &p->biases[l]);
    free(weights);
    free(biases);
    return status;
}

static iv_status make_tied(audit_population *p, iv_image_shape shape) {
    const iv_network *n = p->first;
    iv_error *error = iv_context_error(p->context);
    iv_status status =
        iv_group_create(n->tied_kind, n->tied_order, n->tied_axes, shape, &p->tied, error);
    if (status == IV_OK && p->tied->n_pixels != iv_image_values(shape))
        status = iv_fail(error, IV_EDATA,
                         "%s: weights are tied under a group that pads images of %zu x %zu, "
                         "expected images with that padding",
                         n->name, shape.height, shape.width);
    if (status != IV_OK) return status;
    const size_t bytes = p->tied->n_elements * p->tied->n_pixels * sizeof *p->tied->source;
    status = iv_buffer_upload(p->context, p->tied->source, bytes, &p->source);
    return status == IV_OK ? iv_buffer_upload(p->context, p->tied->inverse, bytes, &p->inverse)
                           : status;
}

iv_status audit_population_create(iv_context *context, const iv_network *const *networks,
                                  size_t n_networks, iv_image_shape shape, const float *mean,
                                  const float *deviation, audit_population *p) {
    *p = (audit_population){.context = context, .first = networks[0], .n_members = n_networks};
    if (p->first->onnx) return audit_onnx_upload(p, networks, shape, mean, deviation);
    iv_status status = p->first->tied ? make_tied(p, shape) : IV_OK;
    for (size_t l = 0; l < p->first->n_layers && status == IV_OK; l++)
        status = upload_layer(p, networks, l, shape.height * shape.width, mean, deviation);
    return status;
}

void audit_population_clear(audit_population *p) {
    for (size_t l = 0; l < IV_NETWORK_MOST_LAYERS && p->context; l++) {
        iv_buffer_release(p->context, p->weights[l]);
        iv_buffer_release(p->context, p->biases[l]);
    }
    if (p->context) {
        audit_onnx_clear(p);
        iv_buffer_release(p->context, p->source);
        iv_buffer_release(p->context, p->inverse);
    }
    iv_group_destroy(p->tied);
    *p = (audit_population){0};
}

/* ------------------------------------------------------------------ in graphs */

static iv_tensor *weight_of(const audit_population *p, iv_graph *graph, size_t l) {
    const iv_network_layer *layer = &p->first->layers[l];
    const iv_view view = {p->weights[l], 0, n_weights(layer)};
    return iv_input(graph, IV_F32, 2, (const size_t[]){layer->outputs, layer->inputs}, &view);
}

static iv_tensor *bias_of(const audit_population *p, iv_graph *graph, size_t l) {
    const iv_network_layer *layer = &p->first->layers[l];
    const iv_view view = {p->biases[l], 0, layer->outputs};
    return view.buffer ? iv_input(graph, IV_F32, 1, &layer->outputs, &view) : NULL;
}

/* The orbit of x passes the first layer where weights are tied: the mean of its activations is then
 * invariant to the last bit. */
static iv_tensor *logits(const void *networks, iv_graph *graph, iv_tensor *x, iv_tensor **sums) {
    const audit_population *p = networks;
    const iv_network *n = p->first;
    if (p->tied) x = iv_orbit(graph, x, p->source, p->inverse, p->tied->n_elements);
    iv_tensor *y = iv_linear(graph, x, weight_of(p, graph, 0), bias_of(p, graph, 0));
    if (sums) *sums = y;
    for (size_t l = 1; l < n->n_layers; l++) {
        y = iv_activate(graph, y, n->activation);
        if (l == 1 && p->tied) y = iv_orbit_mean(graph, y);
        y = iv_linear(graph, y, weight_of(p, graph, l), bias_of(p, graph, l));
    }
    return y;
}

static iv_tensor *filters(const void *networks, iv_graph *graph) {
    return weight_of(networks, graph, 0);
}

iv_measured audit_population_measured(const audit_population *p) {
    const iv_network *n = p->first;
    if (n->onnx) return audit_onnx_measured(p);
    return (iv_measured){
        .context = p->context,
        .n_members = p->n_members,
        .n_pixels = n->layers[0].inputs,
        .n_classes = n->layers[n->n_layers - 1].outputs,
        .networks = p,
        .logits = logits,
        .filters = filters,
        .width = n->n_layers > 1 ? n->layers[0].outputs : 0,
        .n_copies = p->tied ? p->tied->n_elements : 1,
        .source = p->source,
        .inverse = p->inverse,
    };
}

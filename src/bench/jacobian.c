/* Jacobians of 1024 inputs of the regularization study's perceptron, 784-128-128-128-128-10, and
 * all their singular values: of the Jacobians themselves, and without forming them as the study
 * does. */
#include "bench/bench.h"

#include <invar/graph.h>
#include <invar/linalg.h>

#include <math.h>

enum { INPUTS = 1024, LAYERS = 5, PIXELS = 784, HIDDEN = 128, CLASSES = 10 };

typedef enum { JACOBIANS, THEIR_VALUES, FACTORED_VALUES } task;

typedef struct {
    task task;
    cl_mem images, weights[LAYERS], biases[LAYERS], factor, values;
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *jacobian;
} network;

static size_t inputs_of(size_t layer) {
    return layer == 0 ? PIXELS : HIDDEN;
}

static size_t outputs_of(size_t layer) {
    return layer + 1 == LAYERS ? CLASSES : HIDDEN;
}

static void close_network(bench *b, network *net) {
    iv_plan_destroy(net->plan);
    iv_graph_destroy(net->graph);
    iv_buffer_release(b->context, net->images);
    iv_buffer_release(b->context, net->factor);
    iv_buffer_release(b->context, net->values);
    for (size_t l = 0; l < LAYERS; l++) {
        iv_buffer_release(b->context, net->weights[l]);
        iv_buffer_release(b->context, net->biases[l]);
    }
}

static iv_tensor *given(network *net, cl_mem buffer, size_t rows, size_t columns) {
    const iv_view view = {buffer, 0, (rows ? rows : 1) * columns};
    return rows ? iv_input(net->graph, IV_F32, 2, (const size_t[]){rows, columns}, &view)
                : iv_input(net->graph, IV_F32, 1, (const size_t[]){columns}, &view);
}

static iv_status open_network(bench *b, network *net) {
    iv_status status = bench_random_buffer(b, 4, INPUTS * PIXELS, 1, &net->images);
    for (size_t l = 0; l < LAYERS && status == IV_OK; l++) {
        const float bound = 1.0f / sqrtf((float)inputs_of(l));
        status = bench_random_buffer(b, (uint32_t)(5 + 2 * l), outputs_of(l) * inputs_of(l), bound,
                                     &net->weights[l]);
        if (status == IV_OK)
            status = bench_random_buffer(b, (uint32_t)(6 + 2 * l), outputs_of(l), bound,
                                         &net->biases[l]);
    }
    if (status == IV_OK) status = iv_graph_create(b->context, 1, &net->graph);
    if (status != IV_OK) return status;

    iv_tensor *x = given(net, net->images, INPUTS, PIXELS), *h = x, *sums = NULL;
    for (size_t l = 0; l < LAYERS; l++) {
        h = iv_linear(net->graph, h, given(net, net->weights[l], outputs_of(l), inputs_of(l)),
                      given(net, net->biases[l], 0, outputs_of(l)));
        if (l == 0) sums = h;
        if (l + 1 < LAYERS) h = iv_activate(net->graph, h, IV_ACTIVATION_RELU);
    }
    net->jacobian = iv_jacobian(net->graph, h, net->task == FACTORED_VALUES ? sums : x);
    return iv_graph_compile(net->graph, &net->jacobian, 1, &net->plan);
}

static iv_status append_singular_values(bench *b, network *net) {
    iv_sequence *sequence = iv_plan_sequence(net->plan);
    iv_view jacobians = iv_plan_view(net->plan, net->jacobian);
    iv_status status = iv_buffer_create(b->context, INPUTS * CLASSES * sizeof(float), &net->values);
    if (status != IV_OK) return status;
    if (net->task == THEIR_VALUES) {
        jacobians.stride = CLASSES * PIXELS;
        return iv_svd(sequence, &(iv_svd_desc){.m = CLASSES,
                                               .n = PIXELS,
                                               .batch = INPUTS,
                                               .a = jacobians,
                                               .s = {net->values, 0, CLASSES}});
    }
    const iv_view weights = {net->weights[0], 0, HIDDEN * PIXELS};
    status = iv_buffer_create(b->context, HIDDEN * HIDDEN * sizeof(float), &net->factor);
    const iv_view factor = {net->factor, 0, HIDDEN * HIDDEN};
    if (status == IV_OK)
        status = iv_lq(sequence, &(iv_lq_desc){HIDDEN, PIXELS, 1, weights, factor});
    if (status != IV_OK) return status;
    return iv_factored_svd(sequence,
                           &(iv_factored_svd_desc){.n_members = 1,
                                                   .n_elements = 1,
                                                   .n_inputs = INPUTS,
                                                   .rows = CLASSES,
                                                   .width = HIDDEN,
                                                   .d = jacobians,
                                                   .l = factor,
                                                   .s = {net->values, 0, INPUTS * CLASSES}});
}

/* Forward once, backward once for every logit; the last layer's part of that is a copy of its
 * weights. */
static double count_flops(void) {
    const double hidden = (double)HIDDEN * (PIXELS + (LAYERS - 2) * HIDDEN);
    return 2.0 * INPUTS * (hidden + HIDDEN * CLASSES + CLASSES * hidden);
}

static iv_status measure(bench *b, const char *name, task asked) {
    if (!bench_wants(b, name)) return IV_OK;
    network net = {.task = asked};
    iv_status status = open_network(b, &net);
    if (status == IV_OK && asked != JACOBIANS) status = append_singular_values(b, &net);
    if (status == IV_OK)
        status = bench_sequence(b,
                                &(bench_work){.name = name,
                                              .unit = "ms",
                                              .scale = 1e3,
                                              .flops = asked == JACOBIANS ? count_flops() : 0},
                                iv_plan_sequence(net.plan));
    close_network(b, &net);
    return status;
}

iv_status bench_jacobian(bench *b) {
    iv_status status = measure(b, "jacobian/1024-inputs", JACOBIANS);
    if (status == IV_OK)
        status = measure(b, "jacobian/1024-inputs-singular-values", FACTORED_VALUES);
    if (status == IV_OK) status = measure(b, "jacobian/1024-inputs-formed-values", THEIR_VALUES);
    return status;
}

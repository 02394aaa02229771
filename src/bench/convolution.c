/* Layers of convolutional networks: a convolution with its bias and ReLU, and the gradient of one to
 * its images. */
#include "bench/bench.h"

#include <invar/image_ops.h>

#include <stdio.h>

/* Square images and windows, with borders that keep an image's size at a stride of 1. */
typedef struct {
    size_t images, channels, side, outputs, window, stride, groups;
} layer;

static const layer layers[] = {
    /* the first layer on small images in color; a residual network's layers */
    {32, 3, 32, 32, 3, 1, 1},
    {16, 64, 56, 64, 3, 1, 1},
    {32, 64, 28, 64, 3, 1, 1},
    {32, 64, 28, 128, 3, 2, 1},
    {32, 64, 28, 128, 1, 1, 1},
    {32, 128, 14, 128, 3, 1, 1},
    {32, 256, 7, 256, 3, 1, 1},
    /* a depthwise one */
    {32, 64, 28, 64, 3, 1, 64},
};

typedef struct {
    cl_mem images, weights, bias, seed;
    iv_graph *graph;
    iv_plan *plan;
} network;

static iv_tensor *given(bench *b, network *net, cl_mem *buffer, uint32_t seed, unsigned rank,
                        const size_t *dims) {
    size_t n = 1;
    for (unsigned i = 0; i < rank; i++) n *= dims[i];
    const iv_status status = bench_random_buffer(b, seed, n, 1.0f, buffer);
    return status == IV_OK ? iv_input(net->graph, IV_F32, rank, dims, &(iv_view){*buffer, 0, n})
                           : NULL;
}

static iv_status open_network(bench *b, const layer *l, bool gradient, network *net) {
    const size_t before = l->window / 2, weights = l->channels / l->groups;
    const iv_window window = {
        {l->window, l->window}, {l->stride, l->stride}, {1, 1}, {before, before}, {before, before}};
    iv_status status = iv_graph_create(b->context, 1, &net->graph);
    if (status != IV_OK) return status;
    iv_tensor *x = given(b, net, &net->images, 8, 4,
                         (const size_t[]){l->images, l->channels, l->side, l->side});
    iv_tensor *w = given(b, net, &net->weights, 9, 4,
                         (const size_t[]){l->outputs, weights, l->window, l->window});
    iv_tensor *bias = given(b, net, &net->bias, 10, 1, &l->outputs);
    iv_tensor *y = iv_convolve(net->graph, x, w, bias, &window, l->groups), *result = y;
    if (!gradient) {
        result = iv_activate(net->graph, y, IV_ACTIVATION_RELU);
    } else if (y) {
        const size_t side = iv_dim(y, 2);
        iv_tensor *seed =
            given(b, net, &net->seed, 11, 4, (const size_t[]){l->images, l->outputs, side, side});
        status = iv_vector_jacobian(net->graph, y, seed, &x, 1, &result);
    }
    return status == IV_OK ? iv_graph_compile(net->graph, &result, 1, &net->plan) : status;
}

static iv_status measure(bench *b, const layer *l, bool gradient) {
    char name[72], stride[24] = "", groups[24] = "";
    if (l->stride > 1) snprintf(stride, sizeof stride, "-s%zu", l->stride);
    if (l->groups > 1) snprintf(groups, sizeof groups, "-g%zu", l->groups);
    snprintf(name, sizeof name, "convolution/%zux%zux%zux%zu-%zux%zux%zu%s%s%s", l->images,
             l->channels, l->side, l->side, l->outputs, l->window, l->window, stride, groups,
             gradient ? "-gradient" : "");
    if (!bench_wants(b, name)) return IV_OK;

    const size_t side = (l->side + l->window / 2 * 2 - l->window) / l->stride + 1;
    const double flops = 2.0 * (double)(l->images * l->outputs * side * side) *
                         (double)(l->channels / l->groups * l->window * l->window);
    network net = {.graph = NULL};
    iv_status status = open_network(b, l, gradient, &net);
    if (status == IV_OK)
        status = bench_sequence(b,
                                &(bench_work){.name = name,
                                              .unit = "GFLOP/s",
                                              .is_rate = true,
                                              .scale = 1e-9 * flops,
                                              .flops = flops},
                                iv_plan_sequence(net.plan));
    iv_plan_destroy(net.plan);
    iv_graph_destroy(net.graph);
    iv_buffer_release(b->context, net.images);
    iv_buffer_release(b->context, net.weights);
    iv_buffer_release(b->context, net.bias);
    iv_buffer_release(b->context, net.seed);
    return status;
}

iv_status bench_convolution(bench *b) {
    iv_status status = IV_OK;
    for (int gradient = 0; gradient < 2; gradient++)
        for (size_t i = 0; i < sizeof layers / sizeof *layers && status == IV_OK; i++)
            status = measure(b, &layers[i], gradient);
    return status;
}

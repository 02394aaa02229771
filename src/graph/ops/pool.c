/* The largest value and the mean of windows in images. Kernels: cl/pool.cl. */
#include "graph/ops/window.h"

#include <stdio.h>

static iv_tensor *pool(iv_graph *graph, const iv_op *op, const char *what, iv_tensor *x,
                       const iv_window *window, bool count_padding, node **made) {
    size_t outputs[2];
    *made = iv_graph_node(graph, op, 1, &x, 1, sizeof(own_pool));
    if (!*made || !iv_window_outputs(graph, what, x, window, outputs)) return NULL;
    if (!count_padding && !iv_windows_touch(x, window, outputs))
        return iv_graph_fail(graph,
                             "%s: a window lies beside the image, whose borders are as wide "
                             "as it",
                             what);
    *(own_pool *)(*made)->own = (own_pool){*window, count_padding};
    return iv_graph_output(*made, IV_F32, 4,
                           (const size_t[]){x->dims[0], x->dims[1], outputs[Y], outputs[X]});
}

/* The gradient's node, with dy first. */
static iv_tensor *pool_gradient(iv_graph *graph, const iv_op *op, const node *n, size_t n_inputs,
                                iv_tensor *const *inputs) {
    node *d = iv_graph_node(graph, op, n_inputs, inputs, n_inputs, sizeof(own_pool));
    if (!d) return NULL;
    *(own_pool *)d->own = *(const own_pool *)n->own;
    size_t dims[IV_MAX_RANK];
    const size_t n_products = inputs[0]->n_elements / n->outputs[0]->n_elements;
    const unsigned rank = iv_gradient_shape(n->inputs[0], n_products, dims);
    return iv_graph_output(d, IV_F32, rank, dims);
}

/* Floats of a vector along rows, where a work-item takes planes; 0: it takes a pixel. Means have short
 * vectors, whose last ones leave few pixels over. */
static size_t vector_width(const emitter *e, bool mean) {
    if (!iv_kernel_value(e->graph->context, "pool", "PLANES")) return 0;
    const size_t native = iv_context_device(e->graph->context)->float_vector_width;
    return !mean && native >= 16 ? 16 : !mean && native >= 8 ? 8 : 4;
}

/* Begin a launch over the planes of an image: of KERNEL or of KERNEL_by_planes. */
static iv_launch *begin(const emitter *e, const node *n, const char *kernel, bool mean) {
    const own_pool *own = n->own;
    const size_t width = vector_width(e, mean);
    char size[48], vectors[48] = "", options[128], name[64];
    iv_window_options(&own->window, size);
    if (width)
        snprintf(vectors, sizeof vectors, " -DVW=%zu -DSTEP=%zu", width, own->window.stride[X]);
    snprintf(options, sizeof options, "%s%s%s", size, vectors,
             own->count_padding ? " -DCOUNT_PADDING" : "");
    snprintf(name, sizeof name, "%s%s", kernel, width ? "_by_planes" : "");
    return iv_launch_begin(e->sequence, "pool", name, options);
}

static iv_status end(const emitter *e, iv_launch *launch, const node *n, const iv_tensor *image,
                     const iv_tensor *pooled, const iv_tensor *out, bool mean) {
    const own_pool *own = n->own;
    const size_t planes = out->dims[0] * out->dims[1];
    iv_arg_window(launch, image, pooled->dims + IMAGE_Y, &own->window);
    if (vector_width(e, mean))
        return iv_launch_end_by_member(launch, 2, (const size_t[]){planes, e->n_members},
                                       (const size_t[]){1, 1});
    return iv_launch_end_by_member(
        launch, 3, (const size_t[]){out->dims[IMAGE_Y] * out->dims[IMAGE_X], planes, e->n_members},
        NULL);
}

/* ------------------------------------------------------------------ largest values */

/* Outputs: y, and the pixel that each comes from. */
iv_tensor *iv_max_pool(iv_graph *graph, iv_tensor *x, const iv_window *window) {
    node *n;
    iv_tensor *y = pool(graph, &op_max_pool, "max pool", x, window, false, &n);
    if (!y || !iv_graph_output(n, IV_I32, y->rank, y->dims)) return NULL;
    return y;
}

static iv_status max_pool_forward(emitter *e, const node *n) {
    const iv_tensor *x = n->inputs[0], *y = n->outputs[0];
    iv_launch *launch = begin(e, n, "max_pool", false);
    iv_arg_tensor(launch, x);
    iv_arg_tensor(launch, y);
    iv_arg_tensor(launch, n->outputs[1]);
    iv_arg_uint(launch, y->dims[0] * y->dims[1]);
    return end(e, launch, n, x, y, y, false);
}

static void max_pool_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                              iv_tensor **gradients) {
    gradients[0] =
        pool_gradient(graph, &op_max_pool_gradient, n, 2, (iv_tensor *[]){gradient, n->outputs[1]});
}

const iv_op op_max_pool = {
    .name = "max_pool", .forward = max_pool_forward, .backward = max_pool_backward};

static iv_status max_pool_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *dy = n->inputs[0], *chosen = n->inputs[1], *dx = n->outputs[0];
    iv_launch *launch = begin(e, n, "max_pool_gradient", false);
    iv_arg_tensor(launch, dy);
    iv_arg_tensor(launch, chosen);
    iv_arg_tensor(launch, dx);
    iv_arg_uint(launch, dx->dims[0] * dx->dims[1]);
    iv_arg_uint(launch, dx->dims[1]);
    iv_arg_uint(launch, dy->n_elements / chosen->n_elements);
    return end(e, launch, n, dx, dy, dx, false);
}

const iv_op op_max_pool_gradient = {
    .name = "max_pool_gradient", .forward = max_pool_gradient_forward, .integer_inputs = 1 << 1};

/* ------------------------------------------------------------------ means */

iv_tensor *iv_mean_pool(iv_graph *graph, iv_tensor *x, const iv_window *window,
                        bool count_padding) {
    node *n;
    return pool(graph, &op_mean_pool, "mean pool", x, window, count_padding, &n);
}

static iv_status mean_pool_forward(emitter *e, const node *n) {
    const iv_tensor *x = n->inputs[0], *y = n->outputs[0];
    iv_launch *launch = begin(e, n, "mean_pool", true);
    iv_arg_tensor(launch, x);
    iv_arg_tensor(launch, y);
    iv_arg_uint(launch, y->dims[0] * y->dims[1]);
    return end(e, launch, n, x, y, y, true);
}

static void mean_pool_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                               iv_tensor **gradients) {
    gradients[0] = pool_gradient(graph, &op_mean_pool_gradient, n, 1, &gradient);
}

const iv_op op_mean_pool = {
    .name = "mean_pool", .forward = mean_pool_forward, .backward = mean_pool_backward};

static iv_status mean_pool_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *dy = n->inputs[0], *dx = n->outputs[0];
    iv_launch *launch = begin(e, n, "mean_pool_gradient", true);
    iv_arg_tensor(launch, dy);
    iv_arg_tensor(launch, dx);
    iv_arg_uint(launch, dx->dims[0] * dx->dims[1]);
    return end(e, launch, n, dx, dy, dx, true);
}

const iv_op op_mean_pool_gradient = {.name = "mean_pool_gradient",
                                     .forward = mean_pool_gradient_forward};

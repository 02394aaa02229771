/* Convolutions of images, and their gradient to the images. Kernels: cl/convolve.cl; what is direct,
 * convolve_direct.c. */
#include "graph/ops/convolve.h"

#include <stdio.h>

/* Groups with fewer channels than this, before or after, are no matrix products worth the name. */
enum { FEW_CHANNELS = 8 };

/* Direct gradients have a launch for each place between two windows, as many as strides' products. */
enum { MOST_PHASES = 4 };

/* Elements of the workspace that images share, unless one alone takes more: they are still in the
 * cache when they are read. */
enum { WORKSPACE = 1 << 19 };

iv_view conv_part(const iv_tensor *images, size_t image, size_t channel) {
    iv_view view = iv_tensor_view(images);
    view.offset +=
        (image * images->dims[1] + channel) * (images->dims[IMAGE_Y] * images->dims[IMAGE_X]);
    return view;
}

static conv_layer layer_of(const own_convolve *own, const iv_tensor *x, const iv_tensor *y,
                           const iv_tensor *w) {
    return (conv_layer){
        .x = x,
        .y = y,
        .w = w,
        .window = own->window,
        .images = x->dims[0],
        .groups = own->groups,
        .inputs = x->dims[1] / own->groups,
        .outputs = y->dims[1] / own->groups,
        .pixels = x->dims[IMAGE_Y] * x->dims[IMAGE_X],
        .positions = y->dims[IMAGE_Y] * y->dims[IMAGE_X],
        .parts = own->window.size[Y] * own->window.size[X],
        .at_a_time = own->at_a_time,
    };
}

/* Whether an unfolded image is the image itself. */
static bool is_pointwise(const conv_layer *l) {
    bool pointwise = l->parts == 1;
    for (int axis = Y; axis <= X; axis++)
        pointwise = pointwise && l->window.stride[axis] == 1 && l->window.before[axis] == 0 &&
                    l->window.after[axis] == 0;
    return pointwise;
}

/* ------------------------------------------------------------------ building */

static bool is_few(const conv_layer *l) {
    return l->groups > 1 && (l->inputs < FEW_CHANNELS || l->outputs < FEW_CHANNELS);
}

static int choose_way(iv_context *context, const conv_layer *l, bool gradient) {
    if (is_pointwise(l) && !is_few(l)) return CONVOLVE_PRODUCTS;
    const bool few_phases = l->window.stride[Y] * l->window.stride[X] <= MOST_PHASES;
    if (iv_kernel_value(context, "convolve", "DIRECT") && (few_phases || !gradient))
        return CONVOLVE_DIRECT;
    return is_few(l) ? CONVOLVE_PLANES : CONVOLVE_PRODUCTS;
}

/* As many images as have so many elements. */
static size_t images_of(const conv_layer *l, size_t of_image) {
    if (of_image == 0) return l->images;
    const size_t n = of_image < WORKSPACE ? WORKSPACE / of_image : 1;
    return n < l->images ? n : l->images;
}

/* Choose the way and how many images the workspace holds, and add that as the node's next output: it
 * is memory of the plan, which lends it to others afterwards. */
static bool add_workspace(node *n, own_convolve *own, const conv_layer *l, bool gradient) {
    iv_context *context = n->graph->context;
    iv_error *error = iv_context_error(context);
    size_t fixed = 0, of_image = 0, total;
    own->way = choose_way(context, l, gradient);
    own->at_a_time = images_of(l, l->y->n_elements / l->images);
    if (own->way == CONVOLVE_PLANES || (own->way == CONVOLVE_PRODUCTS && is_pointwise(l)))
        return true;
    iv_status status = IV_OK;
    if (own->way == CONVOLVE_DIRECT) {
        conv_direct_workspace(context, l, gradient, &fixed, &of_image);
    } else {
        status = iv_multiply_size(l->inputs * l->parts, l->positions, &of_image, error);
    }
    own->at_a_time = images_of(l, of_image);
    if (status == IV_OK) status = iv_multiply_size(own->at_a_time, of_image, &total, error);
    if (status != IV_OK || total > SIZE_MAX - fixed) {
        iv_graph_fail(n->graph, "convolution: an image of %zu channels, unfolded, is too large",
                      l->inputs);
        return false;
    }
    return iv_graph_output(n, IV_F32, 1, (const size_t[]){total + fixed}) != NULL;
}

iv_tensor *iv_convolve(iv_graph *graph, iv_tensor *x, iv_tensor *w, iv_tensor *b,
                       const iv_window *window, size_t groups) {
    size_t outputs[2];
    node *n =
        iv_graph_node(graph, &op_convolve, 3, (iv_tensor *[]){x, w, b}, 2, sizeof(own_convolve));
    if (!n || !iv_window_outputs(graph, "convolution", x, window, outputs)) return NULL;
    if (w->rank != 4 || w->dims[IMAGE_Y] != window->size[Y] || w->dims[IMAGE_X] != window->size[X])
        return iv_graph_fail(graph,
                             "convolution: needs weights [O, C / groups, %zu, %zu], the "
                             "window's size",
                             window->size[Y], window->size[X]);
    if (groups == 0 || x->dims[1] % groups != 0 || w->dims[0] % groups != 0 ||
        w->dims[1] != x->dims[1] / groups)
        return iv_graph_fail(graph,
                             "convolution: %zu channels in %zu groups meet weights of %zu "
                             "outputs by %zu channels",
                             x->dims[1], groups, w->dims[0], w->dims[1]);
    if (b && b->n_elements != w->dims[0])
        return iv_graph_fail(graph, "convolution: %zu outputs meet %zu biases", w->dims[0],
                             b->n_elements);
    iv_tensor *y = iv_graph_output(
        n, IV_F32, 4, (const size_t[]){x->dims[0], w->dims[0], outputs[Y], outputs[X]});
    if (!y) return NULL;
    own_convolve *own = n->own;
    *own = (own_convolve){.window = *window, .groups = groups};
    const conv_layer l = layer_of(own, x, y, w);
    return add_workspace(n, own, &l, false) ? y : NULL;
}

/* Gradients of S products are S times as many images, whose gates are not shared. */
static void convolve_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                              iv_tensor **gradients) {
    node *d = iv_graph_node(graph, &op_convolve_gradient, 2,
                            (iv_tensor *[]){gradient, n->inputs[1]}, 2, sizeof(own_convolve));
    if (!d) return;
    size_t dims[IV_MAX_RANK];
    const unsigned rank =
        iv_gradient_shape(n->inputs[0], gradient->n_elements / n->outputs[0]->n_elements, dims);
    iv_tensor *dx = iv_graph_output(d, IV_F32, rank, dims);
    if (!dx) return;
    own_convolve *own = d->own;
    *own = *(const own_convolve *)n->own;
    const conv_layer l = layer_of(own, dx, gradient, n->inputs[1]);
    if (add_workspace(d, own, &l, true)) gradients[0] = dx;
}

/* ------------------------------------------------------------------ groups of few channels */

static iv_launch *begin(const emitter *e, const conv_layer *l, const char *kernel,
                        const char *more) {
    char size[48], options[160];
    iv_window_options(&l->window, size);
    snprintf(options, sizeof options, "%s%s", size, more);
    return iv_launch_begin(e->sequence, "convolve", kernel, options);
}

/* -DBIAS -DACTIVATION=n -DGATE=n, as the node has them. */
static void end_options(const node *n, char options[64]) {
    char activation[24] = "", gate[16] = "";
    const bool bias = n->n_inputs > 2 && n->inputs[2];
    if (n->activation != IV_ACTIVATION_NONE)
        snprintf(activation, sizeof activation, " -DACTIVATION=%u", (unsigned)n->activation % 10);
    if (n->gate) snprintf(gate, sizeof gate, " -DGATE=%u", (unsigned)n->gate_activation % 10);
    snprintf(options, 64, "%s%s%s", bias ? " -DBIAS" : "", activation, gate);
}

static iv_status append_planes(emitter *e, const node *n, const conv_layer *l, bool gradient) {
    char more[64];
    end_options(n, more);
    iv_launch *launch =
        begin(e, l, gradient ? "convolve_planes_gradient" : "convolve_planes", more);
    iv_arg_tensor(launch, n->inputs[0]);
    iv_arg_tensor(launch, l->w);
    iv_arg_tensor(launch, n->outputs[0]);
    if (!gradient && n->inputs[2]) iv_arg_tensor(launch, n->inputs[2]);
    if (n->gate) iv_arg_tensor(launch, n->gate);
    iv_arg_uint(launch, l->images);
    iv_arg_uint(launch, l->groups);
    iv_arg_uint(launch, l->inputs);
    iv_arg_uint(launch, l->outputs);
    iv_arg_window(launch, l->x, l->y->dims + IMAGE_Y, &l->window);
    const iv_tensor *out = n->outputs[0];
    return iv_launch_end_by_member(launch, 3,
                                   (const size_t[]){out->dims[IMAGE_Y] * out->dims[IMAGE_X],
                                                    out->dims[0] * out->dims[1], e->n_members},
                                   NULL);
}

/* ------------------------------------------------------------------ matrix products */

/* The product of every image: `b_step` and `c_step` elements apart, with weights in common. A
 * population's members are one batch of products, image by image; a single member's images are one. */
static iv_status multiply(emitter *e, iv_gemm_desc gemm, size_t images, size_t b_step,
                          size_t c_step) {
    if (e->n_members == 1) {
        gemm.batch = images;
        gemm.a.stride = 0;
        gemm.b.stride = b_step;
        gemm.c.stride = gemm.gate.stride = c_step;
        return iv_gemm(e->sequence, &gemm);
    }
    iv_status status = IV_OK;
    gemm.batch = e->n_members;
    for (size_t i = 0; i < images && status == IV_OK; i++) {
        status = iv_gemm(e->sequence, &gemm);
        gemm.b.offset += b_step;
        gemm.c.offset += c_step;
        gemm.gate.offset += c_step;
    }
    return status;
}

/* Weights of a group [outputs, inputs x parts]. */
static iv_view weights_of(const conv_layer *l, size_t group) {
    iv_view view = iv_tensor_view(l->w);
    view.offset += group * l->outputs * l->inputs * l->parts;
    return view;
}

/* Unfold images of a group, or fold what is to become their gradient. */
static iv_status append_unfold(emitter *e, const conv_layer *l, size_t first, size_t images,
                               size_t group, iv_view unfolded) {
    iv_launch *launch = begin(e, l, "unfold", "");
    iv_arg_view(launch, conv_part(l->x, first, group * l->inputs));
    iv_arg_view(launch, unfolded);
    iv_arg_uint(launch, images);
    iv_arg_uint(launch, l->inputs);
    iv_arg_uint(launch, l->x->n_elements / l->images);
    iv_arg_window(launch, l->x, l->y->dims + IMAGE_Y, &l->window);
    return iv_launch_end_by_member(
        launch, 3, (const size_t[]){l->positions, images * l->inputs * l->parts, e->n_members},
        NULL);
}

static iv_status append_fold(emitter *e, const node *n, const conv_layer *l, size_t first,
                             size_t images, size_t group, iv_view unfolded) {
    char more[64];
    end_options(n, more);
    iv_launch *launch = begin(e, l, "fold", more);
    iv_arg_view(launch, unfolded);
    iv_arg_view(launch, conv_part(l->x, first, group * l->inputs));
    if (n->gate) iv_arg_view(launch, conv_part(n->gate, first, group * l->inputs));
    iv_arg_uint(launch, images);
    iv_arg_uint(launch, l->inputs);
    iv_arg_uint(launch, l->x->n_elements / l->images);
    iv_arg_window(launch, l->x, l->y->dims + IMAGE_Y, &l->window);
    return iv_launch_end_by_member(
        launch, 3, (const size_t[]){l->pixels, images * l->inputs, e->n_members}, NULL);
}

/* The bias and the activation of some images, still in the cache. On CPUs a work-item takes a plane. */
static iv_status append_finish(emitter *e, const node *n, const conv_layer *l, size_t first,
                               size_t images) {
    const iv_device_info *device = iv_context_device(e->graph->context);
    const iv_tensor *bias = n->inputs[2];
    char end[64], more[112];
    if (!bias && n->activation == IV_ACTIVATION_NONE) return IV_OK;
    const size_t width = device->float_vector_width >= 16  ? 16
                         : device->float_vector_width >= 4 ? 4
                                                           : 1;
    const size_t block = width > 1 ? l->positions : 1;
    end_options(n, end);
    snprintf(more, sizeof more, " -DVW=%zu%s", width, end);
    iv_launch *launch = begin(e, l, "finish", more);
    const size_t planes = images * l->y->dims[1];
    iv_arg_view(launch, conv_part(l->y, first, 0));
    if (bias) iv_arg_tensor(launch, bias);
    iv_arg_uint(launch, l->positions);
    iv_arg_uint(launch, planes);
    iv_arg_uint(launch, l->y->dims[1]);
    iv_arg_uint(launch, block);
    return iv_launch_end_by_member(launch, 3,
                                   (const size_t[]){l->positions / block, planes, e->n_members},
                                   block > 1 ? (const size_t[]){1, 1, 1} : NULL);
}

/* y = w unfolded(x), image by image and group by group; or dx = fold(w^T dy). */
static iv_status append_product(emitter *e, const node *n, const conv_layer *l, bool gradient,
                                size_t first, size_t images, size_t group) {
    const bool pointwise = is_pointwise(l);
    const size_t k = l->inputs * l->parts, of_x = l->x->n_elements / l->images,
                 of_y = l->y->n_elements / l->images;
    const iv_view unfolded =
        pointwise ? conv_part(l->x, first, group * l->inputs) : iv_tensor_view(n->outputs[1]);
    const size_t of_unfolded = pointwise ? of_x : k * l->positions;
    iv_gemm_desc gemm = {
        .n = l->positions,
        .a = weights_of(l, group),
        .lda = k,
        .ldb = l->positions,
        .ldc = l->positions,
    };
    if (!gradient) {
        iv_status status = IV_OK;
        if (!pointwise) status = append_unfold(e, l, first, images, group, unfolded);
        if (status != IV_OK) return status;
        gemm.m = l->outputs;
        gemm.k = k;
        gemm.b = unfolded;
        gemm.c = conv_part(l->y, first, group * l->outputs);
        return multiply(e, gemm, images, of_unfolded, of_y);
    }
    gemm.m = k;
    gemm.k = l->outputs;
    gemm.transpose_a = true;
    gemm.b = conv_part(l->y, first, group * l->outputs);
    gemm.c = unfolded;
    if (pointwise && n->gate) {
        gemm.gate = conv_part(n->gate, first, group * l->inputs);
        gemm.gate_activation = n->gate_activation;
    }
    const iv_status status = multiply(e, gemm, images, of_y, of_unfolded);
    if (status != IV_OK || pointwise) return status;
    return append_fold(e, n, l, first, images, group, unfolded);
}

static iv_status append_products(emitter *e, const node *n, const conv_layer *l, bool gradient) {
    iv_status status = IV_OK;
    for (size_t first = 0; first < l->images && status == IV_OK; first += l->at_a_time) {
        const size_t left = l->images - first, images = left < l->at_a_time ? left : l->at_a_time;
        for (size_t group = 0; group < l->groups && status == IV_OK; group++)
            status = append_product(e, n, l, gradient, first, images, group);
        if (status == IV_OK && !gradient) status = append_finish(e, n, l, first, images);
    }
    return status;
}

/* ------------------------------------------------------------------ the ops */

static iv_status convolve_forward(emitter *e, const node *n) {
    const own_convolve *own = n->own;
    const conv_layer l = layer_of(own, n->inputs[0], n->outputs[0], n->inputs[1]);
    switch (own->way) {
    case CONVOLVE_PLANES: return append_planes(e, n, &l, false);
    case CONVOLVE_PRODUCTS: return append_products(e, n, &l, false);
    default: return conv_direct_forward(e, n, &l, n->outputs[1]);
    }
}

const iv_op op_convolve = {.name = "convolve",
                           .forward = convolve_forward,
                           .backward = convolve_backward,
                           .can = IV_OP_TAKES_ACTIVATION};

static iv_status convolve_gradient_forward(emitter *e, const node *n) {
    const own_convolve *own = n->own;
    const conv_layer l = layer_of(own, n->outputs[0], n->inputs[0], n->inputs[1]);
    switch (own->way) {
    case CONVOLVE_PLANES: return append_planes(e, n, &l, true);
    case CONVOLVE_PRODUCTS: return append_products(e, n, &l, true);
    default: return conv_direct_gradient(e, n, &l, n->outputs[1]);
    }
}

const iv_op op_convolve_gradient = {
    .name = "convolve_gradient", .forward = convolve_gradient_forward, .can = IV_OP_TAKES_GATE};

/* Launches of bilinear warps, and their derivative by the transformations. Kernels:
 * cl/warp_vector.cl on CPUs, else cl/warp.cl. */
#include "graph/ops/warp.h"

#include <stdio.h>

/* Of the kernels: images side by side, by vectors and without them, and work-items of a sum. */
enum { VECTOR_IMAGES = 16, CHUNK = 8, LANES = 64 };

/* A work-item of the vector kernels has two images of 64 bytes a pixel on its stack. */
enum { MAX_VECTOR_PIXELS = 48 * 48 };

bool iv_is_image_shape(const node *n, iv_image_shape shape, size_t D) {
    size_t pixels, values;
    if (iv_multiply_size(shape.height, shape.width, &pixels, NULL) != IV_OK ||
        iv_multiply_size(pixels, shape.planes, &values, NULL) != IV_OK || values != D) {
        iv_graph_fail(n->graph, "%s: %zu planes of %zu x %zu pixels are not the %zu of an image",
                      n->op->name, shape.planes, shape.height, shape.width, D);
        return false;
    }
    return true;
}

node *iv_warp_node(iv_graph *graph, const iv_op *op, iv_tensor *images, iv_tensor *t,
                   iv_image_shape shape) {
    node *n = iv_graph_node(graph, op, 2, (iv_tensor *[]){images, t}, 2, sizeof(own_warp));
    if (!n) return NULL;
    if (images->rank != 2 || t->rank != 2 || t->dims[1] != 6) {
        iv_graph_fail(graph, "%s: needs images [N, D] and transformations [S, 6]", op->name);
        return NULL;
    }
    if (!iv_is_image_shape(n, shape, images->dims[1])) return NULL;
    *(own_warp *)n->own = (own_warp){shape};
    return n;
}

/* ------------------------------------------------------------------ launches */

static iv_image_shape shape_of(const node *n) {
    const own_warp *own = n->own;
    return own->shape;
}

typedef struct {
    size_t images, samples, D;
    bool vectors;
    size_t of_item; /* samples that a work-item takes one after the other */
    size_t blocks;  /* of images */
} sizes;

static sizes sizes_of(const node *n, const iv_tensor *x, const iv_tensor *t) {
    const size_t pixels = shape_of(n).height * shape_of(n).width;
    sizes z = {.images = x->dims[x->rank - 2], .samples = t->dims[0], .D = iv_columns(x)};
    iv_context *context = n->graph->context;
    z.vectors = iv_kernel_value(context, "warp", "VECTORS") && pixels <= MAX_VECTOR_PIXELS;
    z.of_item = iv_kernel_value(context, "warp", "SAMPLES");
    const size_t block = z.vectors ? VECTOR_IMAGES : CHUNK;
    z.blocks = (z.images + block - 1) / block;
    return z;
}

static iv_launch *begin(emitter *e, const node *n, const sizes *z, const char *function, bool sum) {
    const bool wide = iv_context_device(e->graph->context)->float_vector_width >= 8;
    char options[112];
    snprintf(options, sizeof options, "-DHEIGHT=%zu -DWIDTH=%zu%s%s", shape_of(n).height,
             shape_of(n).width, sum ? " -DSUM" : "", z->vectors && wide ? " -DWIDE_VECTORS" : "");
    return iv_launch_begin(e->sequence, z->vectors ? "warp_vector" : "warp", function, options);
}

/* Elements from one sample's images to the next one's. */
static size_t stride_of(const iv_tensor *images) {
    return images->rank == 3 ? images->dims[1] * images->dims[2] : 0;
}

iv_status iv_append_warp(emitter *e, const node *n, iv_warp_kind kind, const iv_tensor *x,
                         const iv_tensor *t, const iv_tensor *y) {
    const sizes z = sizes_of(n, x, t);
    const bool sum = kind == WARP_ADJOINT_SUM;
    iv_launch *launch = begin(e, n, &z, kind == WARP ? "warp" : "warp_adjoint", sum);
    iv_arg_tensor(launch, x);
    iv_arg_tensor(launch, t);
    iv_arg_tensor(launch, y);
    iv_arg_uint(launch, shape_of(n).planes);
    iv_arg_uint(launch, z.images);
    iv_arg_uint(launch, z.samples);
    iv_arg_uint(launch, stride_of(x));
    if (!z.vectors)
        return iv_launch_end_by_member(
            launch, 3, (const size_t[]){z.D, z.blocks * (sum ? 1 : z.samples), e->n_members}, NULL);
    const size_t group = sum ? z.samples : z.of_item;
    iv_arg_uint(launch, group);
    return iv_launch_end_by_member(
        launch, 3, (const size_t[]){z.blocks, (z.samples + group - 1) / group, e->n_members},
        (const size_t[]){1, 1, 1});
}

/* ------------------------------------------------------------------ the derivative by t */

/* Outputs: dt [S, 6], and its parts [blocks, S, 6]. */
enum { TOTAL, PARTS };

iv_tensor *iv_warp_slopes(iv_graph *graph, iv_image_shape shape, iv_tensor *x, iv_tensor *y,
                          iv_tensor *t) {
    node *n =
        iv_graph_node(graph, &op_warp_slopes, 3, (iv_tensor *[]){x, y, t}, 3, sizeof(own_warp));
    if (!n) return NULL;
    *(own_warp *)n->own = (own_warp){shape};
    const sizes z = sizes_of(n, x, t);
    iv_tensor *total = iv_graph_output(n, IV_F32, 2, t->dims);
    iv_graph_output(n, IV_F32, 3, (const size_t[]){z.blocks, z.samples, 6});
    return total;
}

static iv_status warp_slopes_forward(emitter *e, const node *n) {
    const iv_tensor *x = n->inputs[0], *y = n->inputs[1], *t = n->inputs[2];
    const sizes z = sizes_of(n, x, t);
    iv_launch *launch = begin(e, n, &z, "warp_slopes", false);
    iv_arg_tensor(launch, x);
    iv_arg_tensor(launch, y);
    iv_arg_tensor(launch, t);
    iv_arg_tensor(launch, n->outputs[PARTS]);
    iv_arg_uint(launch, shape_of(n).planes);
    iv_arg_uint(launch, z.images);
    iv_arg_uint(launch, z.samples);
    iv_arg_uint(launch, stride_of(x));
    iv_arg_uint(launch, stride_of(y));
    iv_status status;
    if (z.vectors) {
        iv_arg_uint(launch, z.of_item);
        status = iv_launch_end_by_member(
            launch, 3,
            (const size_t[]){z.blocks, (z.samples + z.of_item - 1) / z.of_item, e->n_members},
            (const size_t[]){1, 1, 1});
    } else {
        status = iv_launch_end_by_member(
            launch, 3, (const size_t[]){LANES, z.blocks * z.samples, e->n_members},
            (const size_t[]){LANES, 1, 1});
    }
    if (status != IV_OK) return status;

    launch = iv_launch_begin(e->sequence, "reduce", "column_sum", NULL);
    iv_arg_tensor(launch, n->outputs[PARTS]);
    iv_arg_tensor(launch, n->outputs[TOTAL]);
    iv_arg_uint(launch, z.blocks);
    iv_arg_uint(launch, 6 * z.samples);
    return iv_launch_members(e, launch, 6 * z.samples);
}

const iv_op op_warp_slopes = {.name = "warp_slopes", .forward = warp_slopes_forward};

/* Gaussian blur of images. Kernels: cl/blur.cl. */
#include "graph/ops/warp.h"

#include <math.h>
#include <stdio.h>

/* Outputs: the images, and those that are blurred along columns alone. */
enum { BLURRED, HALF_WAY };

/* exp(-k^2 / (2 sigma^2)) is below 2^-24 past this many standard deviations. */
static const double reach = 5.77;

static const float max_sigma = 1000.0f;

iv_tensor *iv_blur(iv_graph *graph, iv_tensor *images, iv_image_shape shape, float sigma) {
    node *n = iv_graph_node(graph, &op_blur, 1, &images, 1, sizeof(own_blur));
    if (!n) return NULL;
    if (images->rank != 2) return iv_graph_fail(graph, "blur: needs images [N, D]");
    if (!(sigma > 0.0f && sigma <= max_sigma))
        return iv_graph_fail(graph, "blur: a standard deviation of %g pixels, not one in (0, %g]",
                             (double)sigma, (double)max_sigma);
    if (!iv_is_image_shape(n, shape, images->dims[1])) return NULL;
    *(own_blur *)n->own = (own_blur){shape, sigma};
    iv_tensor *blurred = iv_graph_output(n, IV_F32, 2, images->dims);
    if (!iv_kernel_value(graph->context, "blur", "ROWS"))
        iv_graph_output(n, IV_F32, 2, images->dims);
    return blurred;
}

/* Weights from the middle outwards, as far as they reach within an image. They sum to 1 with those
 * that reach farther. */
static iv_status upload_weights(emitter *e, const node *n, size_t *radius, cl_mem *buffer) {
    float weights[6000]; /* more than reach * max_sigma */
    const own_blur *own = n->own;
    const double sigma = (double)own->sigma;
    const size_t farthest = (size_t)(reach * sigma);
    double sum = 0.0;
    for (size_t k = 0; k <= farthest; k++)
        sum += (k ? 2.0 : 1.0) * exp(-0.5 * pow((double)k / sigma, 2.0));
    for (size_t k = 0; k <= farthest; k++)
        weights[k] = (float)(exp(-0.5 * pow((double)k / sigma, 2.0)) / sum);
    const size_t height = own->shape.height, width = own->shape.width;
    const size_t side = height > width ? height : width;
    *radius = farthest < side ? farthest : side - 1;
    const size_t bytes = (*radius + 1) * sizeof *weights;
    const iv_status status = iv_sequence_buffer(e->sequence, bytes, buffer);
    return status == IV_OK ? iv_buffer_write(e->graph->context, *buffer, 0, bytes, weights)
                           : status;
}

static iv_status append_pass(emitter *e, const node *n, const char *function, const char *options,
                             const iv_tensor *x, cl_mem weights, const iv_tensor *y,
                             const size_t *global, const size_t *local) {
    iv_launch *launch = iv_launch_begin(e->sequence, "blur", function, options);
    iv_arg_tensor(launch, x);
    iv_arg_buffer(launch, weights);
    iv_arg_tensor(launch, y);
    iv_arg_uint(launch, x->dims[0] * ((const own_blur *)n->own)->shape.planes);
    return iv_launch_end_by_member(launch, 3, global, local);
}

static iv_status blur_forward(emitter *e, const node *n) {
    const own_blur *own = n->own;
    const iv_tensor *x = n->inputs[0], *y = n->outputs[BLURRED];
    const size_t height = own->shape.height, width = own->shape.width;
    const size_t images = x->dims[0] * own->shape.planes;
    size_t radius;
    cl_mem weights;
    const iv_status status = upload_weights(e, n, &radius, &weights);
    if (status != IV_OK) return status;

    const bool by_rows = n->n_outputs == 1;
    char options[112];
    snprintf(options, sizeof options, "-DHEIGHT=%zu -DWIDTH=%zu -DRADIUS=%zu%s", height, width,
             radius, by_rows ? " -DROWS" : "");
    if (by_rows)
        return append_pass(e, n, "blur_row", options, x, weights, y,
                           (const size_t[]){height, images, e->n_members},
                           (const size_t[]){height < 32 ? height : 32, 1, 1});
    const size_t global[] = {width, height * images, e->n_members};
    const iv_tensor *half_way = n->outputs[HALF_WAY];
    const iv_status first =
        append_pass(e, n, "blur_columns", options, x, weights, half_way, global, NULL);
    if (first != IV_OK) return first;
    return append_pass(e, n, "blur_rows", options, half_way, weights, y, global, NULL);
}

/* The matrix of a symmetric kernel with zeros outside is symmetric. */
static void blur_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                          iv_tensor **gradients) {
    if (gradient->n_elements != n->outputs[0]->n_elements) return; /* several products at once */
    const own_blur *own = n->own;
    gradients[0] = iv_blur(graph, gradient, own->shape, own->sigma);
}

const iv_op op_blur = {.name = "blur", .forward = blur_forward, .backward = blur_backward};

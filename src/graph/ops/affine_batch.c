/* A batch of images that are transformed as they are gathered. Kernels: cl/affine_batch.cl. */
#include "graph/ops/own.h"

#include <stdio.h>

/* Outputs: images [B, D], labels [B]. */
enum { IMAGES, LABELS };
enum { MOST_PRIVATE = 1 << 12 }; /* pixels that a work-item of a CPU copies into private memory */

static bool values_of(iv_graph *graph, iv_image_shape shape, size_t *n_values) {
    iv_error *error = iv_context_error(graph->context);
    if (shape.planes == 0 || shape.height == 0 || shape.width == 0) {
        iv_graph_fail(graph, "affine image batch: images of %zu planes of %zu x %zu pixels",
                      shape.planes, shape.height, shape.width);
        return false;
    }
    iv_status status = iv_multiply_size(shape.planes, shape.height, n_values, error);
    if (status == IV_OK) status = iv_multiply_size(*n_values, shape.width, n_values, error);
    if (status != IV_OK) graph->status = status;
    return status == IV_OK;
}

void iv_affine_image_batch(iv_graph *graph, const iv_affine_image_source *source, size_t batch,
                           iv_tensor **images, iv_tensor **labels) {
    size_t n_values;
    *images = *labels = NULL;
    if (graph->status != IV_OK || !values_of(graph, source->shape, &n_values)) return;
    if (batch == 0 || source->n_samples == 0 || (source->shuffle && batch > source->n_samples)) {
        iv_graph_fail(graph, "affine image batch: a batch of %zu from %zu samples", batch,
                      source->n_samples);
        return;
    }
    if (!source->transformations.buffer || (source->shuffle && !source->seeds.buffer)) {
        iv_graph_fail(graph, "affine image batch: no transformations, or a shuffled order without "
                             "seeds");
        return;
    }
    if (!(source->mean >= 0.0f && source->mean <= 1.0f)) {
        iv_graph_fail(graph, "affine image batch: a mean of %g, not one in [0, 1]",
                      (double)source->mean);
        return;
    }
    node *n =
        iv_graph_node(graph, &op_affine_image_batch, 0, NULL, 0, sizeof(own_affine_image_batch));
    if (!n) return;
    *(own_affine_image_batch *)n->own =
        (own_affine_image_batch){*source, iv_kernel_value(graph->context, "affine_batch", "LANES")};
    *images = iv_graph_output(n, IV_F32, 2, (const size_t[]){batch, n_values});
    if (*images) (*images)->zeros = source->zeros;
    *labels = iv_graph_output(n, IV_I32, 1, &batch);
}

static iv_status affine_image_batch_forward(emitter *e, const node *n) {
    const own_affine_image_batch *own = n->own;
    const iv_affine_image_source *source = &own->source;
    const iv_tensor *images = n->outputs[IMAGES];
    const size_t height = source->shape.height, width = source->shape.width;
    const size_t batch = iv_rows(images), n_pixels = height * width;
    const size_t lanes = own->lanes;
    /* Where there is a single row or column the pixels themselves are turned. */
    const float aspect = height > 1 && width > 1 ? (float)(width - 1) / (float)(height - 1) : 1.0f;

    char options[96], size[48] = "";
    if (lanes == 1 && n_pixels <= MOST_PRIVATE)
        snprintf(size, sizeof size, " -DHEIGHT=%zu -DWIDTH=%zu", height, width);
    snprintf(options, sizeof options, "-DSHUFFLE=%d -DLANES=%zu%s", source->shuffle, lanes, size);
    iv_launch *launch = iv_launch_begin(e->sequence, "affine_batch", "affine_batch", options);
    iv_arg_buffer(launch, source->pixels);
    iv_arg_buffer(launch, source->labels);
    iv_arg_view(launch, source->transformations);
    /* not read in order */
    iv_arg_view(launch, source->shuffle ? source->seeds : source->transformations);
    iv_arg_tensor(launch, images);
    iv_arg_tensor(launch, n->outputs[LABELS]);
    iv_arg_uint(launch, batch);
    iv_arg_uint(launch, iv_columns(images) / n_pixels);
    iv_arg_uint(launch, height);
    iv_arg_uint(launch, width);
    iv_arg_float(launch, aspect);
    iv_arg_float(launch, source->mean);
    iv_arg_uint(launch, source->first);
    iv_arg_uint(launch, source->n_samples);
    iv_arg_uint(launch, source->data_seed);
    iv_arg_step(launch);
    return iv_launch_end_by_member(launch, 3, (const size_t[]){lanes, batch, e->n_members},
                                   (const size_t[]){lanes, 1, 1});
}

const iv_op op_affine_image_batch = {.name = "affine_image_batch",
                                     .forward = affine_image_batch_forward};

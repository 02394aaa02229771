/* A batch of images that are transformed as they are gathered. Kernels: cl/affine_batch.cl. */
#include "graph/graph.h"

#include <invar/affine.h>

#include <stdio.h>
#include <string.h>

/* Outputs: images [B, D], labels [B]. */
enum { IMAGES, LABELS };
enum { HEIGHT, WIDTH, FIRST, N_SAMPLES, DATA_SEED, LANES, MEAN }; /* MEAN: the bits of it */
enum { PIXELS, POOL_LABELS };
enum { MOST_PRIVATE = 1 << 12 }; /* pixels that a work-item of a CPU copies into private memory */
enum { TRANSFORMATIONS, SEEDS }; /* no seeds: in order */

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
    node *n = iv_graph_node(graph, &op_affine_image_batch, 0, NULL, 0);
    if (!n) return;
    n->attributes[HEIGHT] = source->shape.height;
    n->attributes[WIDTH] = source->shape.width;
    n->attributes[FIRST] = source->first;
    n->attributes[N_SAMPLES] = source->n_samples;
    n->attributes[DATA_SEED] = source->data_seed;
    const bool cpu = iv_context_device(graph->context)->type == IV_DEVICE_CPU;
    n->attributes[LANES] = cpu ? 1 : 64;
    uint32_t bits;
    memcpy(&bits, &source->mean, sizeof bits);
    n->attributes[MEAN] = bits;
    n->tables[PIXELS] = source->pixels;
    n->tables[POOL_LABELS] = source->labels;
    n->views[TRANSFORMATIONS] = source->transformations;
    if (source->shuffle) n->views[SEEDS] = source->seeds;
    *images = iv_graph_output(n, IV_F32, 2, (const size_t[]){batch, n_values});
    if (*images) (*images)->zeros = source->zeros;
    *labels = iv_graph_output(n, IV_I32, 1, &batch);
}

static iv_status affine_image_batch_forward(emitter *e, const node *n) {
    const iv_tensor *images = n->outputs[IMAGES];
    const size_t height = n->attributes[HEIGHT], width = n->attributes[WIDTH];
    const size_t batch = iv_rows(images), n_pixels = height * width;
    const size_t lanes = n->attributes[LANES];
    const bool shuffle = n->views[SEEDS].buffer;
    const uint32_t bits = (uint32_t)n->attributes[MEAN];
    float mean;
    memcpy(&mean, &bits, sizeof mean);
    /* Where there is a single row or column the pixels themselves are turned. */
    const float aspect = height > 1 && width > 1 ? (float)(width - 1) / (float)(height - 1) : 1.0f;

    char options[96], size[48] = "";
    if (lanes == 1 && n_pixels <= MOST_PRIVATE)
        snprintf(size, sizeof size, " -DHEIGHT=%zu -DWIDTH=%zu", height, width);
    snprintf(options, sizeof options, "-DSHUFFLE=%d -DLANES=%zu%s", shuffle, lanes, size);
    iv_launch *launch = iv_launch_begin(e->sequence, "affine_batch", "affine_batch", options);
    iv_arg_buffer(launch, n->tables[PIXELS]);
    iv_arg_buffer(launch, n->tables[POOL_LABELS]);
    iv_arg_view(launch, n->views[TRANSFORMATIONS]);
    iv_arg_view(launch, n->views[shuffle ? SEEDS : TRANSFORMATIONS]); /* not read in order */
    iv_arg_tensor(launch, images);
    iv_arg_tensor(launch, n->outputs[LABELS]);
    iv_arg_uint(launch, batch);
    iv_arg_uint(launch, iv_columns(images) / n_pixels);
    iv_arg_uint(launch, height);
    iv_arg_uint(launch, width);
    iv_arg_float(launch, aspect);
    iv_arg_float(launch, mean);
    iv_arg_uint(launch, n->attributes[FIRST]);
    iv_arg_uint(launch, n->attributes[N_SAMPLES]);
    iv_arg_uint(launch, n->attributes[DATA_SEED]);
    iv_arg_step(launch);
    return iv_launch_end_by_member(launch, 3, (const size_t[]){lanes, batch, e->n_members},
                                   (const size_t[]){lanes, 1, 1});
}

const iv_op op_affine_image_batch = {.name = "affine_image_batch",
                                     .forward = affine_image_batch_forward};

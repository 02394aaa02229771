/* A batch of images from bytes on the device: which samples, which group elements, and the pixels.
 * Kernels: cl/image_batch.cl. */
#include "graph/graph.h"

#include <stdio.h>

/* Outputs: images, labels, and for each copy of each sample its pool row and group element. */
enum { IMAGES, LABELS, DRAWS };
enum { BATCH, COPIES, N_COPIES, SHUFFLE, N_SAMPLES, N_ELEMENTS, SEEDED };
enum { PIXELS, POOL_LABELS, SOURCE };
enum { INDICES, SEEDS };

void iv_image_batch(iv_graph *graph, const iv_image_source *source, size_t batch, iv_copies copies,
                    iv_tensor **images, iv_tensor **labels) {
    *images = *labels = NULL;
    if (graph->status != IV_OK) return;
    if (batch == 0 || (source->shuffle && batch > source->n_samples)) {
        iv_graph_fail(graph, "image batch: a batch of %zu from %zu samples", batch,
                      source->n_samples);
        return;
    }
    /* which sample is which row, and which element, may follow from the step alone */
    const size_t n_elements = source->source ? source->n_elements : 1;
    const bool draws = copies == IV_COPIES_RANDOM || copies == IV_COPIES_PAIR;
    const bool seeded = source->shuffle || (draws && source->source);
    if (seeded && !source->seeds.buffer) {
        iv_graph_fail(graph, "image batch: %s needs seeds",
                      source->shuffle ? "a shuffled order" : "drawing elements of the group");
        return;
    }
    node *n = iv_graph_node(graph, &op_image_batch, 0, NULL, 0);
    if (!n) return;
    const size_t n_copies = copies == IV_COPIES_ORBIT  ? n_elements
                            : copies == IV_COPIES_PAIR ? 2
                                                       : 1;
    n->attributes[BATCH] = batch;
    n->attributes[COPIES] = copies;
    n->attributes[N_COPIES] = n_copies;
    n->attributes[SHUFFLE] = source->shuffle;
    n->attributes[N_SAMPLES] = source->n_samples;
    n->attributes[N_ELEMENTS] = n_elements;
    n->attributes[SEEDED] = seeded;
    n->tables[PIXELS] = source->pixels;
    n->tables[POOL_LABELS] = source->labels;
    n->tables[SOURCE] = source->source;
    n->views[INDICES] = source->indices;
    n->views[SEEDS] = source->seeds;
    *images = iv_graph_output(n, IV_F32, 3, (const size_t[]){n_copies, batch, source->n_pixels});
    if (*images) (*images)->zeros = source->zeros;
    *labels = iv_graph_output(n, IV_I32, 1, &batch);
    iv_graph_output(n, IV_I32, 3, (const size_t[]){n_copies, batch, 2});
}

static iv_status image_batch_forward(emitter *e, const node *n) {
    const iv_tensor *images = n->outputs[IMAGES];
    const bool moved = n->tables[SOURCE], listed = n->views[INDICES].buffer;
    const bool seeded = n->attributes[SEEDED];
    char options[128];
    const bool cpu = iv_context_device(e->graph->context)->type == IV_DEVICE_CPU;
    const size_t block = cpu ? iv_columns(images) : 1, samples = cpu ? 64 : 1, rows = cpu ? 16 : 1;
    snprintf(options, sizeof options,
             "-DCOPIES=%zu -DSHUFFLE=%zu -DBLOCK=%zu -DSAMPLES=%zu -DROWS=%zu%s%s%s",
             n->attributes[COPIES], n->attributes[SHUFFLE], block, samples, rows,
             moved ? "" : " -DPLAIN", listed ? "" : " -DALL_ROWS", seeded ? "" : " -DUNSEEDED");
    iv_launch *draw = iv_launch_begin(e->sequence, "image_batch", "draw_samples", options);
    iv_arg_buffer(draw, n->tables[POOL_LABELS]);
    if (listed)
        iv_arg_view(draw, n->views[INDICES]);
    else
        iv_arg_uint(draw, n->views[INDICES].offset);
    if (seeded) iv_arg_view(draw, n->views[SEEDS]);
    iv_arg_tensor(draw, n->outputs[LABELS]);
    iv_arg_tensor(draw, n->outputs[DRAWS]);
    iv_arg_uint(draw, n->attributes[BATCH]);
    iv_arg_uint(draw, n->attributes[N_COPIES]);
    iv_arg_uint(draw, n->attributes[N_SAMPLES]);
    iv_arg_uint(draw, n->attributes[N_ELEMENTS]);
    iv_arg_step(draw);
    const iv_status status = iv_launch_end_by_member(
        draw, 2, (const size_t[]){(n->attributes[BATCH] + samples - 1) / samples, e->n_members},
        cpu ? (const size_t[]){1, 1} : NULL);
    if (status != IV_OK) return status;

    iv_launch *gather = iv_launch_begin(e->sequence, "image_batch", "gather_images", options);
    iv_arg_buffer(gather, n->tables[PIXELS]);
    if (moved) iv_arg_buffer(gather, n->tables[SOURCE]);
    iv_arg_tensor(gather, n->outputs[DRAWS]);
    iv_arg_tensor(gather, images);
    iv_arg_uint(gather, iv_columns(images));
    iv_arg_uint(gather, iv_rows(images));
    return iv_launch_end_by_member(gather, 3,
                                   (const size_t[]){iv_columns(images) / block,
                                                    (iv_rows(images) + rows - 1) / rows,
                                                    e->n_members},
                                   cpu ? (const size_t[]){1, 1, 1} : NULL);
}

const iv_op op_image_batch = {.name = "image_batch", .forward = image_batch_forward};

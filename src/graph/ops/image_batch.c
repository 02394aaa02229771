/* A batch of images from bytes on the device: which samples, which group elements, and the pixels.
 * Kernels: cl/image_batch.cl. */
#include "graph/ops/own.h"

#include <stdio.h>

/* Outputs: images, labels, and for each copy of each sample its pool row and group element. */
enum { IMAGES, LABELS, DRAWS };

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
    node *n = iv_graph_node(graph, &op_image_batch, 0, NULL, 0, sizeof(own_image_batch));
    if (!n) return;
    const size_t n_copies = copies == IV_COPIES_ORBIT  ? n_elements
                            : copies == IV_COPIES_PAIR ? 2
                                                       : 1;
    own_image_batch *own = n->own;
    *own = (own_image_batch){*source, batch, copies, n_copies, seeded};
    own->source.n_elements = n_elements;
    *images = iv_graph_output(n, IV_F32, 3, (const size_t[]){n_copies, batch, source->n_pixels});
    if (*images) (*images)->zeros = source->zeros;
    *labels = iv_graph_output(n, IV_I32, 1, &batch);
    iv_graph_output(n, IV_I32, 3, (const size_t[]){n_copies, batch, 2});
}

static iv_status image_batch_forward(emitter *e, const node *n) {
    const own_image_batch *own = n->own;
    const iv_image_source *source = &own->source;
    const iv_tensor *images = n->outputs[IMAGES];
    const bool moved = source->source, listed = source->indices.buffer;
    char options[128];
    iv_context *context = e->graph->context;
    const bool whole = iv_kernel_value(context, "image_batch", "WHOLE");
    const size_t samples = iv_kernel_value(context, "image_batch", "SAMPLES");
    const size_t rows = whole ? iv_kernel_value(context, "image_batch", "ROWS") : 1;
    const bool is_cpu = iv_context_device(context)->type == IV_DEVICE_CPU;
    snprintf(options, sizeof options, "-DCOPIES=%d -DSHUFFLE=%d -DSAMPLES=%zu -DROWS=%zu%s%s%s%s%s",
             own->copies, source->shuffle, samples, rows, whole ? " -DWHOLE" : "",
             is_cpu ? " -DPREFETCH" : "", moved ? "" : " -DPLAIN", listed ? "" : " -DALL_ROWS",
             own->seeded ? "" : " -DUNSEEDED");
    iv_launch *draw = iv_launch_begin(e->sequence, "image_batch", "draw_samples", options);
    iv_arg_buffer(draw, source->labels);
    if (listed)
        iv_arg_view(draw, source->indices);
    else
        iv_arg_uint(draw, source->indices.offset);
    if (own->seeded) iv_arg_view(draw, source->seeds);
    iv_arg_tensor(draw, n->outputs[LABELS]);
    iv_arg_tensor(draw, n->outputs[DRAWS]);
    iv_arg_uint(draw, own->batch);
    iv_arg_uint(draw, own->n_copies);
    iv_arg_uint(draw, source->n_samples);
    iv_arg_uint(draw, source->n_elements);
    iv_arg_step(draw);
    const iv_status status = iv_launch_end_by_member(
        draw, 2, (const size_t[]){(own->batch + samples - 1) / samples, e->n_members},
        samples > 1 ? (const size_t[]){1, 1} : NULL);
    if (status != IV_OK) return status;

    iv_launch *gather = iv_launch_begin(e->sequence, "image_batch", "gather_images", options);
    iv_arg_buffer(gather, source->pixels);
    if (moved) iv_arg_buffer(gather, source->source);
    iv_arg_tensor(gather, n->outputs[DRAWS]);
    iv_arg_tensor(gather, images);
    iv_arg_uint(gather, iv_columns(images));
    iv_arg_uint(gather, iv_rows(images));
    return iv_launch_end_by_member(gather, 3,
                                   (const size_t[]){whole ? 1 : iv_columns(images),
                                                    (iv_rows(images) + rows - 1) / rows,
                                                    e->n_members},
                                   whole ? (const size_t[]){1, 1, 1} : NULL);
}

const iv_op op_image_batch = {.name = "image_batch", .forward = image_batch_forward};

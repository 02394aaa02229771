/* Inside the convolution: the layer, and the ways to compute it and its gradient to the images. */
#ifndef INVAR_GRAPH_OPS_CONVOLVE_H
#define INVAR_GRAPH_OPS_CONVOLVE_H

#include "graph/ops/window.h"

/* How a layer is computed. */
enum {
    CONVOLVE_PLANES,   /* a work-item an output: groups of few channels */
    CONVOLVE_PRODUCTS, /* iv_gemm, with unfolded images unless the window is one pixel */
    CONVOLVE_DIRECT,   /* a product whose operand is read where it lies in the images: CPUs */
};

/* A layer x -> y, or of a gradient dy -> dx. */
typedef struct {
    const iv_tensor *x, *y; /* images before and after, or gradients of theirs */
    const iv_tensor *w;
    iv_window window;
    size_t images, groups, inputs, outputs; /* channels of a group */
    size_t pixels, positions;               /* H W, H' W' */
    size_t parts;                           /* of the window */
    size_t at_a_time;                       /* images in the workspace */
} conv_layer;

/* Elements of a channel, an image, and so on as views: `image` of it, `group`'s first channel. */
iv_view conv_part(const iv_tensor *images, size_t image, size_t channel);

/* What a direct convolution needs beside its tensors: elements for the weights and for each image.
 * The second may be 0. */
void conv_direct_workspace(iv_context *context, const conv_layer *layer, bool gradient,
                           size_t *of_weights, size_t *of_image);

/* Append it. workspace: NULL where none is needed. */
iv_status conv_direct_forward(emitter *e, const node *n, const conv_layer *layer,
                              const iv_tensor *workspace);
iv_status conv_direct_gradient(emitter *e, const node *n, const conv_layer *layer,
                               const iv_tensor *workspace);

#endif

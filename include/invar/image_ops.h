/* Ops on images: convolutions and pooling, with gradients to the images. They are nodes of graphs
 * like those of <invar/graph.h>.
 *
 * Images are [B, C, H, W]: B images of C channels, H rows of W pixels. Sizes are along y, then x.
 *
 * Several products at once (iv_vector_jacobian with a seed [..., S, C]): a tensor of four axes has
 * no room for one more, so that a gradient of S products by [B, C, H, W] is [B S, C, H, W], with
 * product s of image b at b S + s. That is the layout of [B, S, C H W], so that flattening by
 * iv_reshape passes it on: [B, C, H, W] <-> [B, C H W]. All ops below, iv_activate, iv_add,
 * iv_scale, iv_linear and iv_slice of more than one image take it; others refuse. A Jacobian of N
 * classes takes N times the memory of one gradient; N calls with a seed of one product each give
 * the same numbers in the memory of one. */
#ifndef INVAR_IMAGE_OPS_H
#define INVAR_IMAGE_OPS_H

#include <invar/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where a window stands: along each axis output i covers the pixels
 * i stride - before + t dilation, t < size. There are
 * floor((H + before + after - dilation (size - 1) - 1) / stride) + 1 outputs. */
typedef struct {
    size_t size[2], stride[2], dilation[2]; /* at least 1 */
    size_t before[2], after[2];             /* pixels beyond the image's edges */
} iv_window;

/* Cross-correlation, as networks call their convolution:
 * y[b, o, i, j] = b[o] + sum over c, s, t of w[o, c, s, t] x[b, first(o) + c, (i, s), (j, t)],
 * where pixels beyond the edges are 0 and first(o) is the first channel of output o's group.
 *
 * x [B, C, H, W], w [O, C / groups, size y, size x], b [O] or NULL -> [B, O, H', W']
 *
 * The gradient is to x alone. The work is matrix products (iv_gemm), or a kernel that multiplies
 * without copying each pixel size y size x times, whichever suits the device; groups of few
 * channels have a kernel of their own. A plan lends it memory for some images at a time, never for
 * the whole batch at once. An activation right after it costs nothing more.
 *
 * IV_EINVAL, like for the functions below: sizes, strides and dilations of 0, a window that is
 * larger than the image with its borders, shapes that do not fit one another, and images or windows
 * of more than 2^24 pixels along an axis, or of 2^31 in all. */
iv_tensor *iv_convolve(iv_graph *graph, iv_tensor *x, iv_tensor *w, iv_tensor *b,
                       const iv_window *window, size_t groups);

/* The largest of what lies inside the image; NaN if one of it is. x [B, C, H, W] -> [B, C, H', W'].
 * The gradient goes to the first of equal values, in the order of rows. Windows that lie beside the
 * image: IV_EINVAL. */
iv_tensor *iv_max_pool(iv_graph *graph, iv_tensor *x, const iv_window *window);

/* The mean of the window: its sum, with zeros beyond the edges, divided by size y size x where
 * count_padding, else by how many of its pixels lie inside the image (windows that have none:
 * IV_EINVAL). x [B, C, H, W] -> [B, C, H', W']. */
iv_tensor *iv_mean_pool(iv_graph *graph, iv_tensor *x, const iv_window *window, bool count_padding);

#ifdef __cplusplus
}
#endif

#endif

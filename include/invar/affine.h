/* Learned affine transformations of images: samples of transformations and their derivative,
 * images transformed as they are gathered, and the bilinear warp on either side of a product.
 *
 * A transformation is T = expm(sum_i eps_i eta_i G_i) on normalised coordinates
 * (invar/transform.h): the transformed image at p is the image at T p, bilinear, zero outside; each
 * of the four neighbours counts if it lies inside (PyTorch's grid_sample(padding_mode="zeros",
 * align_corners=True)). Builders work like those of invar/graph.h: NULL after a failure, such as a
 * shape other than those given here.
 * Source: van der Ouderaa and van der Wilk 2022. */
#ifndef INVAR_AFFINE_H
#define INVAR_AFFINE_H

#include <invar/graph.h>
#include <invar/stream.h>
#include <invar/transform.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ transformations */

/* Where eps comes from. */
typedef struct {
    iv_view seeds;   /* uint [R, 1]; not read with points that have no widths */
    uint32_t stream; /* IV_STREAM_TRANSFORMATION or IV_STREAM_EVALUATION */
    size_t n_samples;
    iv_view points; /* float [R, S, 6], e.g. of iv_affine_points; no buffer: draw */
    iv_view widths; /* float [R, 6], with points: draw from point +- width; no buffer: the points */
} iv_affine_draws;

/* T_s = expm(sum_i eps_si eta_i G_i).  eta [6] -> [S, 6], S at most 256.
 *
 * Draws are eps ~ U[-1, 1)^6, anew at every step: iv_uniform_symmetric of Philox(seed, stream,
 * step, index), generators 0 to 3 of the words 0 to 3 of index 2 s, 4 and 5 of the words 0 and 1 of
 * index 2 s + 1. With points and widths eps is fma(width, such a draw, point).
 *
 * learned [6], an input, multiplies the gradient to eta and nothing else: 1 for a generator to
 * learn, 0 to keep its eta where it is. The derivative is that of the exponential itself. */
iv_tensor *iv_affine_samples(iv_graph *graph, iv_tensor *eta, iv_tensor *learned,
                             const iv_affine_draws *draws);

/* What the images of a data set may be transformed by, any of them together, once and for all. u
 * stands for a number on [-1, 1) of the image, one for each of angle, x, y and scale. */
enum {
    IV_DATA_ROTATED = 1,           /* by pi u */
    IV_DATA_PARTIALLY_ROTATED = 2, /* by pi / 2 u, unless rotated */
    IV_DATA_TRANSLATED = 4,        /* by 8 u pixels to either side, and up or down */
    IV_DATA_SCALED = 8,            /* by exp(u ln 2), x and y alike */
};

typedef struct {
    cl_mem pixels; /* uchar [n_pool, D]; value = byte / 255 - mean */
    cl_mem labels; /* uchar [n_pool] */
    iv_image_shape shape;
    float mean;              /* in [0, 1]; outside of an image a byte is 0 */
    size_t first, n_samples; /* this set: rows first to first + n_samples - 1 of the pool */
    iv_view transformations; /* int [R, 1]: sum of IV_DATA_*; 0: the images as they are */
    uint32_t data_seed;
    iv_view seeds; /* uint [R, 1]; of the order alone, and not read without it */
    bool shuffle;  /* a new order every epoch (training); else in order (evaluation) */
    bool zeros;    /* most bytes are 0: products with the images may pass over them (iv_gemm) */
} iv_affine_image_source;

/* Batch number `step` of images that are transformed as they are gathered: *images [B, D], *labels
 * int [B]. Order, epochs and the end of a set are those of iv_image_batch.
 *
 * Row i of the pool is the byte image at T p, T = T_rotation T_scale T_translation (of those asked
 * for; first rotated, then scaled, then translated), interpolated once. Its numbers are
 * iv_uniform_symmetric of Philox(data_seed, IV_STREAM_DATASET, 0, i): word 0 angle, 1 and 2
 * translation along x and y, 3 logarithm of the scale. A transformation of 0 gives byte / 255,
 * correctly rounded, less the mean. */
void iv_affine_image_batch(iv_graph *graph, const iv_affine_image_source *source, size_t batch,
                           iv_tensor **images, iv_tensor **labels);

/* ------------------------------------------------------------------ warps and features
 * A(T) is the matrix of the warp: (A(T) image)(p) = image(T p). */

/* A(T_s)^T x_b, the adjoint of the warp: its product with w is that of x_b with A(T_s) w.
 * x [B, D], t [S, 6] -> [S, B, D]. The gradient is to t alone. */
iv_tensor *iv_warp_inputs(iv_graph *graph, iv_tensor *x, iv_tensor *t, iv_image_shape shape);

/* A(T_s) w_h.  w [H, D], t [S, 6] -> [S, H, D]. Gradients to w and t. */
iv_tensor *iv_warp_filters(iv_graph *graph, iv_tensor *w, iv_tensor *t, iv_image_shape shape);

/* Products with every sample's filters: z_sbh = <x_b, w_sh> + b_h.  x [B, D], w [S, H, D], b [H] ->
 * [S, B, H]. Gradients to w and b. */
iv_tensor *iv_filter_products(iv_graph *graph, iv_tensor *x, iv_tensor *w, iv_tensor *b);

/* T_s x_b of points of the plane.  x [B, 2], t [S, 6] -> [S, B, 2]. The gradient is to t alone. */
iv_tensor *iv_transform_points(iv_graph *graph, iv_tensor *x, iv_tensor *t);

/* Convolution with a Gaussian of `sigma` pixels, in (0, 1000], zero outside: cut off where it is
 * below the resolution of floats, weights summing to 1 where the border is far. Its own adjoint.
 * images [N, D] -> [N, D]. Differentiable. */
iv_tensor *iv_blur(iv_graph *graph, iv_tensor *images, iv_image_shape shape, float sigma);

typedef enum {
    IV_FEATURE_RELU,   /* max(z, 0) */
    IV_FEATURE_COSINE, /* sqrt(2 / H) cos z */
} iv_feature;

/* Mean over s of the feature of z.  z [S, B, H] -> [B, H]. Cosines are accurate for |z| up to 1e4.
 * Differentiable. */
iv_tensor *iv_feature_mean(iv_graph *graph, iv_tensor *z, iv_feature feature);

#ifdef __cplusplus
}
#endif

#endif

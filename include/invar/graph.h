/* Static graphs of tensor operations over a population, their derivatives, and plans that replay
 * them.
 *
 * Every tensor has a leading axis R of members that is not written in its shape: a tensor of shape
 * [B, C] holds R x B x C values. Build a graph with the functions below, ask for gradients, compile
 * it once into a plan, and run the plan as often as wanted: a run replays a fixed list of launches.
 *
 * Building needs no checks call by call: a function that fails returns NULL and passes NULL on, and
 * iv_graph_compile reports the first failure (the message lies in the context's error). */
#ifndef INVAR_GRAPH_H
#define INVAR_GRAPH_H

#include <invar/linalg.h>
#include <invar/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { IV_F32, IV_I32 } iv_dtype;

enum { IV_MAX_RANK = 4 };

typedef struct iv_graph iv_graph;
typedef struct iv_plan iv_plan;
typedef struct iv_tensor iv_tensor; /* lives as long as its graph */

/* ------------------------------------------------------------------ graphs */

iv_status iv_graph_create(iv_context *context, size_t n_members, iv_graph **graph);
void iv_graph_destroy(iv_graph *graph); /* after the plans made from it; NULL is fine */

/* A tensor that is there before the graph runs. `view` says where it lies; NULL lets the plan
 * allocate it (write to iv_plan_view). */
iv_tensor *iv_input(iv_graph *graph, iv_dtype dtype, unsigned rank, const size_t *dims,
                    const iv_view *view);

/* Let a computed tensor be written to memory of the caller instead of the plan's own. Fails for
 * slices, which have no memory of their own, and for a second place. */
void iv_place(iv_tensor *tensor, iv_view view);

/* Let a computed tensor, times one number a member, be added to what lies at `target`, one fma an
 * entry, instead of being kept: gradient descent with scale = -rate. It happens in each run for
 * those that are among the outputs of a plan, once nothing of the run reads the target any more; a
 * product that computes the tensor does it in its epilogue. Fails for slices and for tensors that
 * have a place. */
void iv_add_to(iv_tensor *tensor, iv_view target, iv_view scale);

/* Shape of a tensor, without the axis of members. */
unsigned iv_rank(const iv_tensor *tensor);
size_t iv_dim(const iv_tensor *tensor, unsigned axis);
size_t iv_elements(const iv_tensor *tensor);

/* ------------------------------------------------------------------ batches */

/* Where batches come from: a pool of byte images on the device and, for each member, which of them
 * are its own and in what order. All buffers belong to the caller. */
typedef struct {
    cl_mem pixels;   /* uchar [n_pool, n_pixels], as the group acts on them; value = byte / 255 */
    cl_mem labels;   /* uchar [n_pool] */
    iv_view indices; /* int [R, n_samples]: each member's images, as rows of the pool; no buffer:
                        rows indices.offset, indices.offset + 1, ... for all members */
    size_t n_samples;
    cl_mem source; /* ushort [n_elements, n_pixels]: the group's `source` table; NULL: plain images,
                      of a group that has the identity alone */
    size_t n_elements; /* not read without a table */
    size_t n_pixels;
    iv_view seeds; /* uint [R, 1]; not read where nothing is drawn: in order, no random elements */
    bool shuffle;  /* a new order every epoch (training); else in order (evaluation) */
    bool zeros;    /* most bytes are 0: products with the images may pass over them (iv_gemm) */
} iv_image_source;

typedef enum {
    IV_COPIES_IDENTITY, /* 1 copy: the image */
    IV_COPIES_RANDOM,   /* 1 copy: g x, g uniform per sample and step */
    IV_COPIES_PAIR,     /* 2 copies: x, and g x with g uniform per sample and step */
    IV_COPIES_ORBIT,    /* n_elements copies: g x for every g */
} iv_copies;

/* Batch number `step` of an image source: *images [copies, B, n_pixels] in [0, 1], *labels int [B].
 * With shuffle, an epoch is n_samples / B whole batches; without, samples follow one another and
 * those past the end repeat the last one. */
void iv_image_batch(iv_graph *graph, const iv_image_source *source, size_t batch, iv_copies copies,
                    iv_tensor **images, iv_tensor **labels);

/* ------------------------------------------------------------------ layers */

/* y = x w^T + b.  x [..., K], w [N, K], b [N] or NULL; y [..., N]. */
iv_tensor *iv_linear(iv_graph *graph, iv_tensor *x, iv_tensor *w, iv_tensor *b);

/* The activation of every entry (invar/linalg.h); IV_ACTIVATION_NONE returns x itself. */
iv_tensor *iv_activate(iv_graph *graph, iv_tensor *x, iv_activation activation);

/* x [B, D] -> [G, B, D]: g x for every g. source, inverse: ushort [G, D] on the device, the group's
 * tables. */
iv_tensor *iv_orbit(iv_graph *graph, iv_tensor *x, cl_mem source, cl_mem inverse,
                    size_t n_elements);

/* x [G, B, H] -> [B, H]: mean over the first axis. The G values are summed in order of size, so the
 * result is the same bits for any order of the group's elements: pooling is exactly invariant. G <=
 * 64. */
iv_tensor *iv_orbit_mean(iv_graph *graph, iv_tensor *x);

/* The same mean where the elements are side by side in the features: x [B, G H] -> [B, H]. */
iv_tensor *iv_orbit_mean_of_features(iv_graph *graph, iv_tensor *x, size_t n_elements);

/* Part of a tensor along its first axis; shares memory. count = 1 drops the axis. */
iv_tensor *iv_slice(iv_graph *graph, iv_tensor *x, size_t first, size_t count);

/* The same values in another shape; shares memory. */
iv_tensor *iv_reshape(iv_graph *graph, iv_tensor *x, unsigned rank, const size_t *dims);

/* Element-wise sum of two tensors of one shape. */
iv_tensor *iv_add(iv_graph *graph, iv_tensor *a, iv_tensor *b);

/* x times one number a member: factor [1]. */
iv_tensor *iv_scale(iv_graph *graph, iv_tensor *x, iv_tensor *factor);

/* x exp(exponent): exponent [1]. The gradient is to the exponent alone. */
iv_tensor *iv_exponential_scale(iv_graph *graph, iv_tensor *x, iv_tensor *exponent);

/* Append the same for n values of each member where they lie, after an optimizer for one. */
iv_status iv_append_exponential_scale(iv_sequence *sequence, size_t n, size_t n_members, iv_view x,
                                      iv_view exponent, iv_view y);

/* What a rich layer puts out, [o, r, a, b, a b]: its input o [.., N], and from X = o w^T + b
 * [.., M], M even, whose neighbouring columns (even, odd) are M / 2 pairs:
 * r = sqrt(even^2 + odd^2 + 1e-12), a = even / r, b = odd / r -> [.., N + 2 M].
 * Source: Zhang and Arodz 2021, section 4. */
iv_tensor *iv_rich(iv_graph *graph, iv_tensor *o, iv_tensor *x);

/* ------------------------------------------------------------------ losses, each one number a
 * member */

/* Mean over rows of -log softmax(logits)[label].  logits [B, C], labels int [B] -> [1]. */
iv_tensor *iv_cross_entropy(iv_graph *graph, iv_tensor *logits, iv_tensor *labels);

/* Variances of x w, w of covariance T_c T_c^T for each class c: |T_c^T x_b|^2.
 * x [B, H], factors T [C, H, H] -> [B, C]. T is lower triangular: zeros have to stand above the
 * diagonal, and what stands there of its gradient means nothing. */
iv_tensor *iv_row_variances(iv_graph *graph, iv_tensor *x, iv_tensor *factors);

/* How Gaussian logits are sampled. */
typedef struct {
    iv_view seeds; /* uint [R, 1] */
    uint32_t stream;
    size_t n_pairs; /* P */
} iv_logit_draws;

/* Mean over rows, and over P antithetic pairs of samples for each, of the cross-entropy of logits
 * N(means, variances); a variance below 1e-20 counts as that much. means, variances [B, C], labels
 * int [B] -> [1]. *curvature (NULL: not wanted): the mean over a row's samples of p (1 - p), p the
 * softmax [B, C]; it has no derivative.
 *
 * Sample 2 p and 2 p + 1 of class c in row b are mean + and - eps times the root of the variance:
 * eps is number c % 4 of (seed, stream, step, index (p B + b) ceil(C / 4) + c / 4), where numbers 0
 * and 1 are iv_normal's two of words 0 and 1, 2 and 3 those of words 2 and 3.
 * Source: local reparametrisation, Kingma, Salimans and Welling 2015. */
iv_tensor *iv_sampled_cross_entropy(iv_graph *graph, iv_tensor *means, iv_tensor *variances,
                                    iv_tensor *labels, const iv_logit_draws *draws,
                                    iv_tensor **curvature);

/* Mean over rows of 0.5 |a - b|^2.  a, b [B, C] -> [1].  Moskalev et al. 2023: the logit invariance
 * error of a pair. */
iv_tensor *iv_logit_distance(iv_graph *graph, iv_tensor *a, iv_tensor *b);

/* Mean over all entries of (a - b)^2.  a, b [B, C] -> [1]. */
iv_tensor *iv_mean_square(iv_graph *graph, iv_tensor *a, iv_tensor *b);

/* Mean over pairs of (1 / (delta + alpha d^2) - 1 / (delta + alpha q))^2, q = |z - z'|^2 over the
 * first n_invariant columns.  z [2, B, C] (the first of each pair, then their partners),
 * squared_distances [B] holds d^2, delta [1], alpha [1] -> [1]. The gradient is to z alone.
 * Source: Zhang and Arodz 2021, equation 2. */
iv_tensor *iv_pair_loss(iv_graph *graph, iv_tensor *z, size_t n_invariant,
                        iv_tensor *squared_distances, iv_tensor *delta, iv_tensor *alpha);

/* a + weight b, all [1]. */
iv_tensor *iv_weighted_sum(iv_graph *graph, iv_tensor *a, iv_tensor *b, iv_tensor *weight);

/* Sum over rows of the logit of a chosen class.  logits [rows, C] (or [G, B, C]), classes int [B]
 * with row i taking class i mod B -> [1]. Its gradient to the input is the saliency map. */
iv_tensor *iv_class_logit_sum(iv_graph *graph, iv_tensor *logits, iv_tensor *classes);

/* ------------------------------------------------------------------ metrics, one number a sample
 * Orbit tensors hold the identity's copy first. Means over g run over the G - 1 other elements. */

/* Index of the largest logit, the first one among equals.  logits [B, C] -> int [B]. */
iv_tensor *iv_argmax(iv_graph *graph, iv_tensor *logits);

/* Share of the orbit that is classified as the label.  logits [G, B, C], labels int [B] -> [B]. */
iv_tensor *iv_orbit_accuracy(iv_graph *graph, iv_tensor *logits, iv_tensor *labels);

/* Mean over g of 0.5 |f(x) - f(g x)|^2.  logits [G, B, C] -> [B]. */
iv_tensor *iv_orbit_logit_invariance(iv_graph *graph, iv_tensor *logits);

/* Mean over g of KL(softmax f(x) || softmax f(g x)), in nats.  logits [G, B, C] -> [B]. */
iv_tensor *iv_orbit_distribution_invariance(iv_graph *graph, iv_tensor *logits);

/* Mean over g of cos(g^-1 s(g x), s(x)).  saliency [G, B, D], inverse: ushort [G, D] -> [B].
 * 0 where a map vanishes. */
iv_tensor *iv_orbit_saliency_similarity(iv_graph *graph, iv_tensor *saliency, cl_mem inverse);

/* ------------------------------------------------------------------ metrics of a batch
 * Sums over the rows of batch number `step` that are samples: row i is left out where
 * step B + i >= n_rows. */

/* Sum over rows of (a - b)^2.  a, b [B, C] -> [C]. */
iv_tensor *iv_square_error_sums(iv_graph *graph, iv_tensor *a, iv_tensor *b, size_t n_rows);

/* What iv_pair_sums puts out: sums over pairs, with dhat = sqrt(q). */
enum {
    IV_PAIR_LOSS,              /* of (1 / (delta + alpha d^2) - 1 / (delta + alpha q))^2 */
    IV_PAIR_SQUARE_ERROR,      /* of (dhat - d)^2 */
    IV_PAIR_SAME_COUNT,        /* of 1 where d = 0 */
    IV_PAIR_SAME_DISTANCE,     /* of dhat where d = 0 */
    IV_PAIR_SAME_SQUARE,       /* of dhat^2 where d = 0 */
    IV_PAIR_DISTINCT_COUNT,    /* of 1 where d > 0 */
    IV_PAIR_DISTINCT_DISTANCE, /* of dhat where d > 0 */
    IV_PAIR_DISTINCT_SQUARE,   /* of dhat^2 where d > 0 */
    IV_N_PAIR_SUMS,
};

/* Inputs as for iv_pair_loss -> [IV_N_PAIR_SUMS]. */
iv_tensor *iv_pair_sums(iv_graph *graph, iv_tensor *z, size_t n_invariant,
                        iv_tensor *squared_distances, iv_tensor *delta, iv_tensor *alpha,
                        size_t n_rows);

/* ------------------------------------------------------------------ derivatives */

/* Gradients of a one-number-a-member tensor with respect to `wrt` (parameters or inputs):
 * gradients[i] has the shape of wrt[i]. IV_EINVAL if y does not depend on one of them, or through
 * something that has no derivative (a metric, a gradient, the factor of iv_scale). */
iv_status iv_gradient(iv_graph *graph, iv_tensor *y, iv_tensor *const *wrt, size_t n_wrt,
                      iv_tensor **gradients);

/* Vector-Jacobian products: like iv_gradient for any y, with `seed` in the place of dL/dy. seed has
 * y's shape, or one axis more before the last, [..., S, C]: S products at once, and gradients of
 * inputs then carry that axis too ([..., S, D]); gradients of parameters need S = 1. Tensors of four
 * axes have their S products along the first one instead: see <invar/image_ops.h>. */
iv_status iv_vector_jacobian(iv_graph *graph, iv_tensor *y, iv_tensor *seed, iv_tensor *const *wrt,
                             size_t n_wrt, iv_tensor **gradients);

/* The Jacobian of logits [B, C] with respect to what they were computed from, x [B, D] -> [B, C,
 * D], or x [G, B, D] -> [G, B, C, D]. Row b of the logits must depend on row b of x alone. */
iv_tensor *iv_jacobian(iv_graph *graph, iv_tensor *logits, iv_tensor *x);

/* ------------------------------------------------------------------ plans */

/* Compile what `outputs` depend on. Fuses activations and their derivatives into the products
 * before them, shares memory between tensors that do not live at the same time, allocates, and
 * binds every launch. IV_ENOMEM before allocating if the device cannot hold it, with the number of
 * members that would fit. */
iv_status iv_graph_compile(iv_graph *graph, iv_tensor *const *outputs, size_t n_outputs,
                           iv_plan **plan);
void iv_plan_destroy(iv_plan *plan); /* NULL is fine */

/* Bytes that compiling would allocate, for all members together. */
iv_status iv_graph_bytes(iv_graph *graph, iv_tensor *const *outputs, size_t n_outputs,
                         size_t *bytes);

/* Replay. `step` numbers the batch and whatever else depends on time. Does not wait. */
iv_status iv_plan_run(iv_plan *plan, uint32_t step);

/* Where a tensor lies: an input, an output, or memory given by the caller. No buffer for others. In
 * memory that the plan allocated for a whole tensor (no slice) its members follow one another. */
iv_view iv_plan_view(const iv_plan *plan, const iv_tensor *tensor);

/* Read an output of all members: values [R, elements], float or int32. Waits. IV_EINVAL if the plan
 * does not keep the tensor. */
iv_status iv_plan_read(iv_plan *plan, const iv_tensor *tensor, void *values);

/* The plan's list, to append to (an optimizer's update, a singular value decomposition) before it
 * runs. */
iv_sequence *iv_plan_sequence(iv_plan *plan);

size_t iv_plan_bytes(const iv_plan *plan);

#ifdef __cplusplus
}
#endif

#endif

/* Gaussian posteriors N(mean_c, L_c L_c^T) of C classes over H features: samples W = mean + L eps,
 * and the update of a training step, which reads and writes L and Adam's moments of it once.
 *
 * L_c lies in rows that begin at whole vectors: row i holds its i + 1 entries in the first places
 * of i / PIECE + 1 pieces of PIECE floats; what is left of the last piece is 0 and stays 0. Adam's
 * moments lie alike, eps in rows of whole pieces, mean and everything else of W as [C, H].
 *
 * -DVW     floats of a vector: 16 on CPUs, 4 on GPUs
 * -DLANES  work-items that share a row: 1 on CPUs, where a work-item takes several rows; on GPUs a
 *          work-group for a row, the longest rows first
 * Work-items over rows: (parts, C, members), with lanes (H LANES, C, members). */
#include "group_sum.cl"
#include "tensor.cl"
#include "random.cl"
#include "learning_rate.cl"

#define GROUP ITEMS(LANES)
#define SUMMERS ITEMS(64) /* of a group that sums over a member */

#define PIECE 16
typedef PASTE(int, VW) places;
#if VW == 16
#define PLACES (places)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#else
#define PLACES (places)(0, 1, 2, 3)
#endif

/* Diagonal entries count as this far from zero at least. */
#define SMALLEST 1e-12f

/* Floats of the rows before row i. */
static inline size_t row_offset(uint i) {
    const size_t pieces = i / PIECE + 1;
    return PIECE * pieces * (8 * (pieces - 1) + (i & (PIECE - 1)));
}

/* The rows of a work-item. Where it has several, they are neighbours, which memory likes, and about
 * as many entries as every other's: b of n parts of a triangle end at sqrt(b / n) of its height. */
#define ROWS_OF_GROUP __attribute__((reqd_work_group_size(GROUP, 1, 1)))
#if GROUP == 1
#define LANE 0U
static inline uint end_of_part(uint b, uint n, uint n_features) {
    return b == n ? n_features : min(n_features, (uint)(sqrt((float)b / (float)n) * n_features));
}
#define FOR_ROWS(i)                                                                                \
    const uint part = get_global_id(0), n_parts = get_global_size(0);                              \
    const uint end = end_of_part(part + 1, n_parts, n_features);                                   \
    for (uint i = end_of_part(part, n_parts, n_features); i < end; i++)
#else
#define LANE          (uint) get_local_id(0)
#define FOR_ROWS(i)   const uint i = n_features - 1 - (uint)get_group_id(0);
#endif

static inline float sum_of(vector v) {
    float entries[VW], sum = 0.0f;
    SPREAD(v, entries);
    for (uint k = 0; k < VW; k++) sum += entries[k];
    return sum;
}

/* Sums over the lanes of a row, in a fixed order; lane 0 learns them. */
static inline float2 sum_lanes(float2 of_lane, __local float2 *partial) {
#if GROUP == 1
    return of_lane;
#else
    partial[LANE] = of_lane;
    GROUP_SUM(partial, LANE, GROUP)
    return partial[LANE];
#endif
}

/* The sum of a vector's entries, once more after other sums. */
static inline float sum_lanes_again(vector of_lane, __local float2 *partial) {
#if GROUP > 1
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    return sum_lanes((float2)(sum_of(of_lane), 0.0f), partial).x;
}

/* L = deviation I where all was 0.  Work-items: (H, C, members). */
__kernel void posterior_diagonal(__global float *restrict factor, uint n_features, uint n_classes,
                                 uint entries, float deviation) {
    const uint i = get_global_id(0), c = get_global_id(1), r = get_global_id(2);
    if (i < n_features) factor[((size_t)r * n_classes + c) * entries + row_offset(i) + i] = deviation;
}

/* ------------------------------------------------------------------ noise */

/* eps of elements 4 k to 4 k + 3 of [C, H]. */
static void draw(__global float *eps, uint seed, uint stream, uint step, uint k, uint n_features,
                 uint n_classes) {
    const uint row = (n_features + PIECE - 1) / PIECE * PIECE;
    uint words[4];
    float normal[4];
    iv_philox(seed, stream, step, k, words);
    iv_normal(words[0], words[1], normal);
    iv_normal(words[2], words[3], normal + 2);
    for (uint e = 4 * k; e < min(4 * k + 4, n_classes * n_features); e++) {
        const uint c = e / n_features, j = e - c * n_features;
        eps[(size_t)c * row + j] = normal[e & 3];
    }
}

/* eps [R, n_slots, C, row] of a step; of two slots, odd steps have the second one.
 * Work-items: (ceil(C H / 4), members). */
__kernel void posterior_noise(__global float *restrict eps, __global const uint *restrict seeds,
                              uint stream, uint n_slots, uint n_features, uint n_classes,
                              uint eps_stride, uint step) {
    const uint k = get_global_id(0), r = get_global_id(1);
    const uint slot = step & (n_slots - 1);
    if (4 * k < n_classes * n_features)
        draw(eps + ((size_t)r * n_slots + slot) * eps_stride, seeds[r], stream, step, k,
             n_features, n_classes);
}

/* What an update takes that all entries of a member share: eps of the next step, and in
 * adam_scales [R, 2] Adam's step size and its correction of the variance.  Work-items likewise. */
__kernel void posterior_next(__global float *restrict eps, __global const uint *restrict seeds,
                             uint stream, uint n_features, uint n_classes, uint eps_stride,
                             __global const float *restrict learning_rates, uint cosine_steps,
                             float log_beta1, float log_beta2, __global float *restrict adam_scales,
                             uint step) {
    const uint k = get_global_id(0), r = get_global_id(1), next = step + 1;
    if (4 * k < n_classes * n_features)
        draw(eps + ((size_t)r * 2 + (next & 1)) * eps_stride, seeds[r], stream, next, k,
             n_features, n_classes);
    if (k == 0) {
        const float rate = learning_rates[r] * annealing(step, cosine_steps);
        adam_scales[2 * r] = adam_step_size(rate, step, log_beta1);
        adam_scales[2 * r + 1] = adam_variance_correction(step, log_beta2);
    }
}

/* ------------------------------------------------------------------ samples */

/* Where the [C, row] of a step's eps begin for a class of a member. */
static inline __global const vector *eps_of(__global const float *eps, uint r, uint n_slots,
                                            uint step, uint eps_stride, uint c, uint n_classes) {
    const size_t slot = (size_t)r * n_slots + (step & (n_slots - 1));
    return (__global const vector *)(eps + slot * eps_stride + c * (eps_stride / n_classes));
}

/* W = mean + L eps with the eps of posterior_noise, summed as in the update. */
ROWS_OF_GROUP
__kernel void posterior_sample(__global const float *restrict factor,
                               __global const float *restrict mean,
                               __global const float *restrict eps, __global float *restrict w,
                               uint n_slots, uint n_features, uint n_classes, uint eps_stride,
                               uint entries, uint stride, uint step) {
    const uint c = get_global_id(1), r = get_global_id(2);
    const size_t of_class = ((size_t)r * n_classes + c) * entries;
    const size_t of_weights = (size_t)r * stride + c * n_features;
    __global const vector *e = eps_of(eps, r, n_slots, step, eps_stride, c, n_classes);
    __local float2 partial[GROUP];

    FOR_ROWS(i) {
        __global const vector *row = (__global const vector *)(factor + of_class + row_offset(i));
        vector sum = 0.0f;
        for (uint k = LANE; k <= i / VW; k += GROUP) sum = MULTIPLY_ADD(row[k], e[k], sum);
        const float2 sums = sum_lanes((float2)(sum_of(sum), 0.0f), partial);
        if (LANE == 0) w[of_weights + i] = mean[of_weights + i] + sums.x;
    }
}

/* ------------------------------------------------------------------ the update */

/* Adam of numbers or vectors. */
#define ADAM(value, mean, variance, gradient)                                                      \
    do {                                                                                           \
        mean = beta1 * mean + (1.0f - beta1) * gradient;                                           \
        variance = beta2 * variance + (1.0f - beta2) * gradient * gradient;                        \
        value -= step_size * mean / (sqrt(variance) * correction + epsilon);                       \
    } while (0)

/* Vector l of a row: its squares, Adam, of which `kept` remains, the next sample. */
#define UPDATE_VECTOR(gradient, kept)                                                              \
    do {                                                                                           \
        vector mean_of = means[k], variance_of = variances[k];                                     \
        squares = MULTIPLY_ADD(l, l, squares);                                                     \
        ADAM(l, mean_of, variance_of, gradient);                                                   \
        means[k] = mean_of;                                                                        \
        variances[k] = variance_of;                                                                \
        l = kept;                                                                                  \
        row[k] = l;                                                                                \
        sum = MULTIPLY_ADD(l, after[k], sum);                                                      \
    } while (0)

/* Vector k of a row's gradient of the cross-entropy, added to that of the KL. */
#ifdef LOGITS
#define OF_LOSS(k, of_kl) (load_gradient(factor_gradients + of_gradients, k, n_features) + of_kl)
/* What lies past the row's end counts for nothing. */
static inline vector load_gradient(__global const float *row, uint k, uint n) {
    if ((k + 1) * VW <= n) return LOAD(row + k * VW);
    float entries[VW];
    for (uint j = 0; j < VW; j++) entries[j] = k * VW + j < n ? row[k * VW + j] : 0.0f;
    return LOAD(entries);
}
#else
#define OF_LOSS(k, of_kl) MULTIPLY_ADD((vector)down, now[k], of_kl)
#endif

/* The end of a training step, once for every entry of L and mean:
 *
 *     dL = dW eps^T + (L / alpha - 1 / L_ii on the diagonal) / n_data,  on and below the diagonal
 *     dmean = dW + mean / alpha / n_data
 *
 * then Adam, and w = mean + L eps of the next step. row_kl [R, C H]: the KL of each row before, and
 * row_squares its |L|^2. kl_weight 1 / n_data; adam_scales and the next eps are
 * those of posterior_next. -DLOGITS: the gradient of the cross-entropy to L lies in factor_gradients
 * [R, C, H, H], instead of dW eps^T. */
ROWS_OF_GROUP
__kernel void posterior_update(
    __global float *restrict factor, __global float *restrict factor_means,
    __global float *restrict factor_variances, __global float *restrict mean,
    __global float *restrict mean_means, __global float *restrict mean_variances,
    __global const float *restrict gradients, __global const float *restrict factor_gradients,
    __global const float *restrict eps, __global const float *restrict adam_scales,
    __global float *restrict w, __global float *restrict row_kl,
    __global float *restrict row_squares, __global const float *restrict prior, uint n_features,
    uint n_classes, uint eps_stride, uint entries, uint stride, float kl_weight, float beta1,
    float beta2, float epsilon, uint step) {
    const uint c = get_global_id(1), r = get_global_id(2);
    const size_t of_class = ((size_t)r * n_classes + c) * entries;
    const size_t of_weights = (size_t)r * stride + c * n_features;
    const float step_size = adam_scales[2 * r], correction = adam_scales[2 * r + 1];
    const float precision = prior[2 * r], log_variance = prior[2 * r + 1];
    const float decay = kl_weight * precision;
    __global const vector *now = eps_of(eps, r, 2, step, eps_stride, c, n_classes);
    __global const vector *after = eps_of(eps, r, 2, step + 1, eps_stride, c, n_classes);
    __local float2 partial[GROUP];

    FOR_ROWS(i) {
        const size_t of_row = of_class + row_offset(i);
        __global vector *row = (__global vector *)(factor + of_row);
        __global vector *means = (__global vector *)(factor_means + of_row);
        __global vector *variances = (__global vector *)(factor_variances + of_row);
        const float down = gradients[of_weights + i];
#ifdef LOGITS
        const size_t of_gradients =
            (((size_t)r * n_classes + c) * n_features + i) * n_features;
#endif
        const uint last = i / VW; /* holds the diagonal */
        vector sum = 0.0f, squares = 0.0f;
        float log_diagonal = 0.0f;

        uint k = LANE;
        for (; k < last; k += GROUP) {
            vector l = row[k];
            const vector gradient = OF_LOSS(k, decay * l);
            UPDATE_VECTOR(gradient, l);
        }
        if (k == last) {
            const int diagonal = i & (VW - 1);
            const float on = factor[of_row + i];
            const float inverse = fabs(on) < SMALLEST ? 0.0f : kl_weight / on;
            log_diagonal = log(fmax(fabs(on), SMALLEST));
            vector l = row[k];
            vector gradient = OF_LOSS(k, decay * l);
            gradient -= select((vector)(0.0f), (vector)(inverse), PLACES == diagonal);
            gradient = select(gradient, (vector)(0.0f), PLACES > diagonal);
            UPDATE_VECTOR(gradient, select(l, (vector)(0.0f), PLACES > diagonal));
        }

        const float kl = 0.5f * precision * sum_of(squares) - log_diagonal;
        const float2 sums = sum_lanes((float2)(sum_of(sum), kl), partial);
        const float square = sum_lanes_again(squares, partial);
        if (LANE == 0) {
            const size_t at = of_weights + i;
            row_squares[at] = square;
            float value = mean[at], mean_of = mean_means[at], variance_of = mean_variances[at];
            const float gradient = MULTIPLY_ADD(decay, value, down);
            row_kl[at] = sums.y + 0.5f * (precision * value * value + (log_variance - 1.0f));
            ADAM(value, mean_of, variance_of, gradient);
            mean[at] = value;
            mean_means[at] = mean_of;
            mean_variances[at] = variance_of;
            w[at] = value + sums.x;
        }
    }
}

/* row_kl and row_squares as above, where something else updates. */
ROWS_OF_GROUP
__kernel void posterior_statistics(__global const float *restrict factor,
                                   __global const float *restrict mean,
                                   __global float *restrict row_kl,
                                   __global float *restrict row_squares,
                                   __global const float *restrict prior, uint n_features,
                                   uint n_classes, uint entries, uint stride) {
    const uint c = get_global_id(1), r = get_global_id(2);
    const size_t of_class = ((size_t)r * n_classes + c) * entries;
    const size_t of_weights = (size_t)r * stride + c * n_features;
    const float precision = prior[2 * r], log_variance = prior[2 * r + 1];
    __local float2 partial[GROUP];

    FOR_ROWS(i) {
        __global const vector *row = (__global const vector *)(factor + of_class + row_offset(i));
        vector sum = 0.0f;
        for (uint k = LANE; k <= i / VW; k += GROUP) sum = MULTIPLY_ADD(row[k], row[k], sum);
        const float square = sum_lanes_again(sum, partial);
        if (LANE == 0) {
            const size_t at = of_weights + i;
            const float diagonal = fabs(factor[of_class + row_offset(i) + i]);
            const float squares = MULTIPLY_ADD(mean[at], mean[at], square);
            row_squares[at] = square;
            row_kl[at] = 0.5f * (precision * squares + (log_variance - 1.0f)) -
                         log(fmax(diagonal, SMALLEST));
        }
    }
}

/* L [R, C, H, H] in whole squares, zeros above the diagonal.  Work-items: (H, H, R C). */
__kernel void posterior_square(__global const float *restrict factor,
                               __global float *restrict squares, uint n_features, uint entries) {
    const uint j = get_global_id(0), i = get_global_id(1);
    const size_t m = get_global_id(2);
    if (j < n_features)
        squares[(m * n_features + i) * n_features + j] =
            j <= i ? factor[m * entries + row_offset(i) + j] : 0.0f;
}

/* ------------------------------------------------------------------ the prior */

/* What alpha counts for in its own best value, of all weights. */
#define OWN_SHARE 0.02f

/* prior [R, 2]: precision and logarithm of the variance alpha [R].  Work-items: (members). */
__kernel void posterior_prior(__global const float *restrict alpha, __global float *restrict prior) {
    const uint r = get_global_id(0);
    prior[2 * r] = 1.0f / alpha[r];
    prior[2 * r + 1] = log(alpha[r]);
}

/* The variance moves, by `damping` of the way on a logarithmic scale, towards the best one: see
 * invar/posterior.h. Before step `first` it stays. n = C H; mean, row_squares [R, stride].
 * Work-groups: one of SUMMERS a member. */
__attribute__((reqd_work_group_size(SUMMERS, 1, 1)))
__kernel void posterior_alpha(__global const float *restrict mean,
                              __global const float *restrict row_squares,
                              __global float *restrict alpha, __global float *restrict prior,
                              uint n, uint stride, float damping, uint first, uint step) {
    const uint lane = get_local_id(0);
    const size_t r = get_global_id(1);
    __local float2 partial[SUMMERS];
    float2 sum = 0.0f; /* |mean|^2, |L|^2 */
    for (uint i = lane; i < n; i += SUMMERS) {
        const float m = mean[r * stride + i];
        sum += (float2)(m * m, row_squares[r * stride + i]);
    }
    partial[lane] = sum;
    GROUP_SUM(partial, lane, SUMMERS)
    if (lane == 0 && step >= first) {
        const float share = OWN_SHARE * (float)n, before = alpha[r];
        const float determined = fmax((float)n - partial[0].y / before, 0.0f);
        const float best = MULTIPLY_ADD(share, before, partial[0].x) / (determined + share);
        const float after = before * exp(damping * log(best / before));
        alpha[r] = after;
        prior[2 * r] = 1.0f / after;
        prior[2 * r + 1] = log(after);
    }
}

/* kl [R]: the sum of n values row_kl [R, stride]. Work-groups: one of SUMMERS a member. */
__attribute__((reqd_work_group_size(SUMMERS, 1, 1)))
__kernel void posterior_kl(__global const float *restrict row_kl, __global float *restrict kl,
                           uint n, uint stride) {
    const uint lane = get_local_id(0);
    const size_t r = get_global_id(1);
    __local float partial[SUMMERS];
    float sum = 0.0f;
    for (uint i = lane; i < n; i += SUMMERS) sum += row_kl[r * stride + i];
    partial[lane] = sum;
    GROUP_SUM(partial, lane, SUMMERS)
    if (lane == 0) kl[r] = partial[0];
}

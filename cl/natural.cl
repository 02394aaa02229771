/* Natural gradients of Gaussian posteriors: what is no matrix product of src/train/posterior_natural.c.
 *
 * Precisions P [R, C, H, H] have their rows and columns in reverse order, which makes the covariance's factor T,
 * P = T^-T T^-1, lower triangular: with J the reversal and J P J = L L^T, T = J L^-T J. Their entries above
 * the diagonal are not read. */
#include "group_sum.cl"
#include "tensor.cl"

#define PIECE 16

/* What a step does to a member, rates [R, 4]: what it keeps of what data said before it, the precision of the
 * prior before it, what a batch's curvature counts for, and how far the means may move, in nats. */
#define KEEP   0
#define BEFORE 1
#define SCALE  2
#define TRUST  3
#define RATES  4

/* The step's share of what is new: `rate` for the first `hold` steps, then falling as 1 / step, down
 * to `least`. */
static inline float newton_rate(uint step, float rate, uint hold, float least) {
    return step < hold ? rate : fmax(least, rate * (float)hold / (float)step);
}

/* n / B rho, of the data that a step's q stands for, n: those that it remembers, at most n_data. */
static inline float newton_scale(float rho, float n_data, uint rows) {
    return fmin(rho * (n_data / (float)rows), 1.0f);
}

/* rates [R, 4] of the posterior's step, one for `every` of the training's, before alpha moves; rows: of all their
 * batches.  Work-items: (members). */
__kernel void natural_rates(__global const float *restrict prior, __global float *restrict rates, float trust,
                            float n_data, uint rows, float rate, uint hold, float least, uint members,
                            uint every, uint training_step) {
    const uint r = get_global_id(0), step = training_step / every;
    if (r >= members) return;
    const float rho = newton_rate(step, rate, hold, least), scale = newton_scale(rho, n_data, rows);
    float keep = 0.0f;
    if (step > 0) {
        const float rho_before = newton_rate(step - 1, rate, hold, least);
        const float scale_before = newton_scale(rho_before, n_data, rows);
        keep = (1.0f - rho) * (scale / scale_before) * (rho_before / rho);
    }
    __global float *mine = rates + RATES * r;
    mine[KEEP] = keep;
    mine[BEFORE] = prior[2 * r];
    mine[SCALE] = scale;
    mine[TRUST] = trust * (float)rows * (scale / rho);
}

/* What the prior adds to P beside what is kept, now that alpha has moved. */
static inline float newton_ridge(__global const float *restrict prior, __global const float *restrict rates,
                                 uint r) {
    return prior[2 * r] - rates[RATES * r + KEEP] * rates[RATES * r + BEFORE];
}

/* What pulls at the means: -(rho n dmean + ridge mean), [R, C, H], gathered from the gradients of `every` batches.
 * Work-items: (C H, members). */
__kernel void natural_pull(__global const float *restrict means,
                           __global const float *restrict gradients, uint stride,
                           __global const float *restrict prior, __global const float *restrict rates,
                           __global float *restrict pull, uint n, uint rows, uint every,
                           uint training_step) {
    const uint i = get_global_id(0), r = get_global_id(1);
    if (i >= n) return;
    const size_t at = (size_t)r * stride + i, here = (size_t)r * n + i;
    const float so_far =
        training_step % every ? -pull[here] : newton_ridge(prior, rates, r) * means[at];
    pull[here] = -MULTIPLY_ADD(rates[RATES * r + SCALE] * (float)rows, gradients[at], so_far);
}

/* P = keep P + ridge I.  Work-items: (H, H, R C). */
__kernel void natural_decay(__global float *restrict precisions, __global const float *restrict prior,
                            __global const float *restrict rates, uint n, uint n_classes) {
    const uint j = get_global_id(0), i = get_global_id(1), m = get_global_id(2), r = m / n_classes;
    if (j >= n) return;
    const float on = i == j ? newton_ridge(prior, rates, r) : 0.0f;
    const size_t at = ((size_t)m * n + i) * n + j;
    precisions[at] = MULTIPLY_ADD(rates[RATES * r + KEEP], precisions[at], on);
}

/* Features in reverse order times roots of a class's curvatures: out [R, B, H].
 * Work-items: (H, B, members). */
__kernel void natural_weighted(TENSOR(const float, features), TENSOR(const float, curvatures),
                               __global float *restrict out, uint c, uint rows, uint n,
                               uint n_classes) {
    const uint k = get_global_id(0), b = get_global_id(1), r = get_global_id(2);
    if (k >= n) return;
    const float root = sqrt(fmax(MEMBER(curvatures, r)[b * n_classes + c], 0.0f));
    out[((size_t)r * rows + b) * n + k] =
        root * MEMBER(features, r)[(size_t)b * n + (n - 1 - k)];
}

/* What is factored: P with its diagonal a little larger, for what rounding takes from a positive
 * definite matrix (invar/linalg.h).  Work-items: (H, H, R C). */
__kernel void natural_copy(__global const float *restrict precisions,
                           __global float *restrict copies, uint n) {
    const uint j = get_global_id(0), i = get_global_id(1), m = get_global_id(2);
    if (j >= n) return;
    const size_t at = ((size_t)m * n + i) * n + j;
    const float entry = precisions[at];
    copies[at] = i == j ? MULTIPLY_ADD(entry, (float)n * 0x1p-23f, entry) : entry;
}

/* Floats of the rows before row i: cl/posterior.cl. */
static inline size_t row_offset(uint i) {
    const size_t pieces = i / PIECE + 1;
    return PIECE * pieces * (8 * (pieces - 1) + (i & (PIECE - 1)));
}

/* T = J L^-T J from inverses L^-1 [R, C, H, H]: packed as cl/posterior.cl says, and square, zeros above the
 * diagonal. A matrix that could not be factored, failed [R, C] not 0, keeps the packed T that it has. A
 * work-item moves PIECE rows and columns.  Work-items: (pieces, pieces, R C). */
__kernel void natural_factor(__global const float *restrict inverses,
                             __global const int *restrict failed, __global float *restrict factor, __global float *restrict squares,
                             uint n, uint entries) {
    const uint first_j = get_global_id(0) * PIECE, first_i = get_global_id(1) * PIECE;
    const size_t m = get_global_id(2);
    if (first_j >= n) return;
    __global const float *inverse = inverses + m * n * n;
    const uint end_i = min(first_i + PIECE, n), end_j = min(first_j + PIECE, n);
    for (uint i = first_i; i < end_i; i++)
        for (uint j = first_j; j < end_j; j++) {
            const size_t packed = m * entries + row_offset(i) + j;
            float entry = 0.0f;
            if (j <= i)
                entry = failed[m] ? factor[packed] : inverse[(size_t)(n - 1 - j) * n + (n - 1 - i)];
            squares[(m * n + i) * n + j] = entry;
            if (first_j <= first_i) factor[packed] = entry;
        }
}

/* Shares [R] of the steps: 1, or less where |way|^2 / 2 were more than the member's TRUST, unless that is 0; way
 * [R, C, H], n numbers a member.  Work-groups: one of LANES a member. */
#define LANES ITEMS(64)
__attribute__((reqd_work_group_size(LANES, 1, 1)))
__kernel void natural_share(__global const float *restrict way, __global const float *restrict rates,
                            __global float *restrict shares, uint n) {
    const uint lane = get_local_id(0), r = get_global_id(1);
    __local float partial[LANES];
    __global const float *mine = way + (size_t)r * n;
    float sum = 0.0f;
    for (uint i = lane; i < n; i += LANES) sum = MULTIPLY_ADD(mine[i], mine[i], sum);
    partial[lane] = sum;
    GROUP_SUM(partial, lane, LANES)
    if (lane != 0) return;
    const float length = sqrt(partial[0]), longest = sqrt(2.0f * rates[RATES * r + TRUST]);
    shares[r] = longest > 0.0f && length > longest ? longest / length : 1.0f;
}

/* mean += share steps, steps [R, C, H].  Work-items: (C H, members). */
__kernel void natural_move(__global float *restrict means, uint stride,
                           __global const float *restrict steps,
                           __global const float *restrict shares, uint n) {
    const uint i = get_global_id(0), r = get_global_id(1);
    if (i >= n) return;
    const size_t at = (size_t)r * stride + i;
    means[at] = MULTIPLY_ADD(shares[r], steps[(size_t)r * n + i], means[at]);
}

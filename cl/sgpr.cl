/* Sparse Gaussian process regression: what lies between the matrix products. src/studies/sgpr.h has
 * the formulas, src/studies/sgpr_pass.c and sgpr_bound.c the order.
 *
 * Data come a chunk of rows at a time; the step is the chunk's number. Rows past the last datum are
 * zero everywhere, and so add nothing to sums over data. Kernels are of unit variance here:
 * p = exp(-d^2 / (2 l^2)), and its derivative to log l, p d^2 / l^2.
 *
 * numbers  -1 / (2 l^2), 1 / l^2, ratio v / s of variance and noise */
#include "group_sum.cl"
#include "tensor.cl"

enum { EXPONENT, SCALE, RATIO };

/* rows [chunk, columns] = rows of x less the centre.  Work-items: (columns, chunk). */
__kernel void sgpr_gather(__global const float *restrict x, __global const float *restrict centre,
                          __global float *restrict rows, const uint columns, const uint n,
                          const uint chunk, const uint step) {
    const uint j = get_global_id(0), i = get_global_id(1), row = step * chunk + i;
    if (j >= columns) return;
    rows[(size_t)i * columns + j] = row < n ? x[(size_t)row * columns + j] - centre[j] : 0.0f;
}

/* Squared lengths of rows [n, columns], in eight sums that a short row leaves at zero.
 * Work-items: (n). */
__kernel void sgpr_lengths(__global const float *restrict rows, __global float *restrict lengths,
                           const uint columns, const uint n) {
    const uint i = get_global_id(0);
    if (i >= n) return;
    __global const float *row = rows + (size_t)i * columns;
    float sums[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    uint j = 0;
    for (; j + 8 <= columns; j += 8)
        for (uint k = 0; k < 8; k++) sums[k] = MULTIPLY_ADD(row[j + k], row[j + k], sums[k]);
    for (uint k = 0; j + k < columns; k++)
        sums[k] = MULTIPLY_ADD(row[j + k], row[j + k], sums[k]);
    lengths[i] = ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
                 ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/* squares [rows, m]: |a_i - b_j|^2 from the products a_i b_j.  Work-items: (m, rows). */
__kernel void sgpr_squares(__global const float *restrict products,
                           __global const float *restrict lengths_a,
                           __global const float *restrict lengths_b,
                           __global float *restrict squares, const uint m) {
    const uint j = get_global_id(0), i = get_global_id(1);
    if (j >= m) return;
    const float square = lengths_a[i] + lengths_b[j] - 2.0f * products[(size_t)i * m + j];
    squares[(size_t)i * m + j] = square < 0.0f ? 0.0f : square; /* NaN stays */
}

/* features [chunk, m]: p.  pairs [chunk, 2, m]: the second half, p's derivative; the first is for
 * what solving makes of p.  Work-items: (m, chunk). */
__kernel void sgpr_features(__global const float *restrict squares,
                            __global const float *restrict numbers,
                            __global float *restrict features, __global float *restrict pairs,
                            const uint m, const uint n, const uint chunk, const uint step) {
    const uint j = get_global_id(0), i = get_global_id(1);
    if (j >= m) return;
    const float square = squares[(size_t)i * m + j];
    const float p = step * chunk + i < n ? exp(numbers[EXPONENT] * square) : 0.0f;
    features[(size_t)i * m + j] = p;
    pairs[(size_t)(2 * i + 1) * m + j] = p * square * numbers[SCALE];
}

/* targets [chunk, classes]: 1 for the label, less 1 / classes.  Work-items: (classes, chunk). */
__kernel void sgpr_targets(__global const uchar *restrict labels, __global float *restrict targets,
                           const uint classes, const uint n, const uint chunk, const uint step) {
    const uint c = get_global_id(0), i = get_global_id(1), row = step * chunk + i;
    if (c >= classes) return;
    const float mean = 1.0f / (float)classes;
    float target = 0.0f;
    if (row < n) target = labels[row] == c ? 1.0f - mean : -mean;
    targets[i * classes + c] = target;
}

/* The inducing points' own p, with the jitter on the diagonal, and its derivative; both [m, m].
 * Work-items: (m, m). */
__kernel void sgpr_prior(__global const float *restrict squares,
                         __global const float *restrict numbers, __global float *restrict prior,
                         __global float *restrict derivative, const uint m, const float jitter) {
    const uint j = get_global_id(0), i = get_global_id(1);
    if (j >= m) return;
    const size_t e = (size_t)i * m + j;
    const float p = exp(numbers[EXPONENT] * squares[e]);
    prior[e] = i == j ? 1.0f + jitter : p;
    derivative[e] = i == j ? 0.0f : p * squares[e] * numbers[SCALE];
}

/* I + ratio G; G [m, m] has rows ldg apart.  Work-items: (m, m). */
__kernel void sgpr_inner(__global const float *restrict g, __global const float *restrict numbers,
                         __global float *restrict inner, const uint m, const uint ldg) {
    const uint j = get_global_id(0), i = get_global_id(1);
    if (j >= m) return;
    const float diagonal = i == j ? 1.0f : 0.0f;
    inner[(size_t)i * m + j] = MULTIPLY_ADD(numbers[RATIO], g[(size_t)i * ldg + j], diagonal);
}

/* Work-items: (m, m). */
__kernel void sgpr_identity(__global float *restrict matrix, const uint m) {
    const uint j = get_global_id(0), i = get_global_id(1);
    if (j < m) matrix[(size_t)i * m + j] = i == j ? 1.0f : 0.0f;
}

/* Work-items: (m, m). */
__kernel void sgpr_transpose(__global const float *restrict from, __global float *restrict to,
                             const uint m) {
    const uint j = get_global_id(0), i = get_global_id(1);
    if (j < m) to[(size_t)i * m + j] = from[(size_t)j * m + i];
}

/* Rows of `to` are the first m of each row of `from`.  Work-items: (m, rows). */
__kernel void sgpr_copy(__global const float *restrict from, __global float *restrict to,
                        const uint m, const uint ld_from) {
    const uint j = get_global_id(0), i = get_global_id(1);
    if (j < m) to[(size_t)i * m + j] = from[(size_t)i * ld_from + j];
}

/* out [m] = the diagonal.  Work-items: (m). */
__kernel void sgpr_diagonal(TENSOR(const float, a), const uint lda, TENSOR(float, out),
                            const uint m) {
    const uint i = get_global_id(0);
    if (i < m) MEMBER(out, 0)[i] = MEMBER(a, 0)[(size_t)i * lda + i];
}

/* out [m] = products of rows of a and b, [m, m]: together the trace of A B^T.
 * Work-items: (LANES, m), a group a row. */
#define LANES ITEMS(64)
__kernel __attribute__((reqd_work_group_size(LANES, 1, 1))) void
sgpr_row_products(TENSOR(const float, a), const uint lda, TENSOR(const float, b), const uint ldb,
                  TENSOR(float, out), const uint m) {
    __local float partial[LANES];
    const uint item = get_local_id(0), i = get_global_id(1);
    __global const float *row_a = MEMBER(a, 0) + (size_t)i * lda;
    __global const float *row_b = MEMBER(b, 0) + (size_t)i * ldb;
    float sum = 0.0f;
    for (uint j = item; j < m; j += LANES) sum = MULTIPLY_ADD(row_a[j], row_b[j], sum);
    partial[item] = sum;
    GROUP_SUM(partial, item, LANES)
    if (item == 0) MEMBER(out, 0)[i] = partial[0];
}

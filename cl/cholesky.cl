/* Cholesky factors and what solves with them need. The host side (src/linalg/cholesky.c,
 * src/linalg/triangular.c) goes along the diagonal in blocks; here is what is no matrix product. */
#include "group_items.cl"
#include "tensor.cl"

/* Rows of a block on the diagonal. A row of it in local memory is one longer, so that items that
 * read a column do not meet in one bank. A work-item has ROWS of them, GROUP apart: one, or more
 * where the device allows no work-groups of BLOCK. */
#define BLOCK 64
#define PITCH (BLOCK + 1)
#define GROUP ITEMS(BLOCK)
#define ROWS  (BLOCK / GROUP)

/* L L^T = A for rows and columns first .. first + size - 1, size <= BLOCK, in place, zeros above
 * the diagonal. `failed` becomes the number of the first pivot, from 1, that is not above zero; the
 * first launch (first = 0) sets it to 0. What follows a failure is NaN.
 * Work-groups: one of BLOCK a matrix. Loops that store start from the item's
 * number: PoCL 3.1 puts barriers into loops that all items take alike, also around what an `if` in
 * them leaves out, and then stores out of bounds. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
cholesky_block(TENSOR(float, a), const uint lda, const uint first, const uint size,
               TENSOR(int, failed)) {
    __local float block[BLOCK * PITCH];
    __local int failure;
    const uint item = get_local_id(0), r = get_global_id(1);
    __global float *corner = MEMBER(a, r) + (size_t)first * lda + first;

    if (item == 0) failure = first ? MEMBER(failed, r)[0] : 0;
    for (uint e = item; e < size * BLOCK; e += GROUP) {
        const uint i = e / BLOCK, j = e % BLOCK;
        if (j <= i) block[i * PITCH + j] = corner[(size_t)i * lda + j];
    }
    barrier(CLK_LOCAL_MEM_FENCE);

    for (uint j = 0; j < size; j++) {
        float rest[ROWS];
        for (uint n = 0; n < ROWS; n++) {
            const uint row = item + n * GROUP;
            rest[n] = 0.0f;
            if (row >= j && row < size) {
                rest[n] = block[row * PITCH + j];
                for (uint k = 0; k < j; k++)
                    rest[n] = MULTIPLY_ADD(-block[row * PITCH + k], block[j * PITCH + k], rest[n]);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint n = 0; n < ROWS; n++)
            if (item + n * GROUP == j) {
                const bool is_good = rest[n] > 0.0f && rest[n] < INFINITY;
                if (!is_good && failure == 0) failure = (int)(first + j + 1);
                block[j * PITCH + j] = is_good ? sqrt(rest[n]) : NAN;
            }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint n = 0; n < ROWS; n++) {
            const uint row = item + n * GROUP;
            if (row > j && row < size) block[row * PITCH + j] = rest[n] / block[j * PITCH + j];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    for (uint e = item; e < size * BLOCK; e += GROUP) {
        const uint i = e / BLOCK, j = e % BLOCK;
        const float entry = j <= i ? block[i * PITCH + j] : 0.0f;
        if (j < size) corner[(size_t)i * lda + j] = entry;
    }
    if (item == 0) MEMBER(failed, r)[0] = failure;
}

/* The rows below such a block: X L^T = A for rows first + BLOCK .. n - 1 and columns first .. first
 * + BLOCK - 1, in place; and -X [.., BLOCK], row 0 for the first of them, for the update of what is
 * right of it.
 * Work-items: (rows, matrices). */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
cholesky_panel(TENSOR(float, a), const uint lda, const uint first, const uint n,
               TENSOR(float, negative)) {
    __local float block[BLOCK * BLOCK];
    const uint item = get_local_id(0), row = get_global_id(0), r = get_global_id(1);
    __global const float *corner = MEMBER(a, r) + (size_t)first * lda + first;
    for (uint e = item; e < BLOCK * BLOCK; e += GROUP)
        block[e] = corner[(size_t)(e / BLOCK) * lda + e % BLOCK];
    barrier(CLK_LOCAL_MEM_FENCE);
    if (first + BLOCK + row >= n) return;

    __global float *target = MEMBER(a, r) + (size_t)(first + BLOCK + row) * lda + first;
    __global float *negated = MEMBER(negative, r) + (size_t)row * BLOCK;
    float x[BLOCK];
    for (uint j = 0; j < BLOCK; j++) {
        float rest = target[j];
        for (uint k = 0; k < j; k++) rest = MULTIPLY_ADD(-x[k], block[j * BLOCK + k], rest);
        x[j] = rest / block[j * BLOCK + j];
    }
    for (uint j = 0; j < BLOCK; j++) {
        target[j] = x[j];
        negated[j] = -x[j];
    }
}

/* Zeros above the diagonal, where updates of whole squares left something.
 * Work-items: (columns, rows, matrices). */
__kernel void cholesky_clear(TENSOR(float, a), const uint lda, const uint n) {
    const uint j = get_global_id(0), i = get_global_id(1);
    if (j > i && j < n) MEMBER(a, get_global_id(2))[(size_t)i * lda + j] = 0.0f;
}

/* f [n, n] = -L left of the square blocks of `width` on the diagonal, 0 in the blocks and right of
 * them.  Work-items: (columns, rows, matrices). */
__kernel void triangular_negate(TENSOR(const float, l), const uint ldl, const uint n,
                                const uint width, TENSOR(float, f)) {
    const uint j = get_global_id(0), i = get_global_id(1), r = get_global_id(2);
    if (j >= n) return;
    const bool is_left = j < i / width * width;
    MEMBER(f, r)[(size_t)i * n + j] = is_left ? -MEMBER(l, r)[(size_t)i * ldl + j] : 0.0f;
}

/* The blocks on the diagonal: their inverses, column by column from the top. Columns side by side
 * belong to items side by side. What lies above a column's diagonal is zero, so that all columns of
 * a block take the same sums.  Work-items: (width, blocks, matrices). */
__kernel void triangular_invert(TENSOR(const float, l), const uint ldl, const uint n,
                                const uint width, TENSOR(float, f)) {
    const uint start = get_global_id(1) * width, r = get_global_id(2);
    const uint end = min(start + width, n), j = start + get_global_id(0);
    if (j >= end || get_global_id(0) >= width) return;
    __global const float *lower = MEMBER(l, r);
    __global float *inverse = MEMBER(f, r);
    for (uint i = start; i < end; i++) {
        __global const float *row = lower + (size_t)i * ldl;
        float rest = i == j ? 1.0f : 0.0f;
        for (uint k = start; k < i; k++)
            rest = MULTIPLY_ADD(-row[k], inverse[(size_t)k * n + j], rest);
        inverse[(size_t)i * n + j] = i < j ? 0.0f : rest / row[i];
    }
}

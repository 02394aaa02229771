/* The loss of pairs of codes and sums over pairs (Zhang and Arodz 2021, equation 2).
 * z [2, batch, columns]: the first of each pair, then their partners; q = |z - z'|^2 over the first
 * n_invariant columns; d^2 given for each pair. */
#include "group_sum.cl"
#include "tensor.cl"

/* u - v with u = 1 / (delta + alpha d^2), v = 1 / (delta + alpha q): written as a product, so that
 * it keeps its precision where q comes close to d^2. */
static float deviation(float square_distance, float q, float delta, float alpha, float *v) {
    const float u = 1.0f / MULTIPLY_ADD(alpha, square_distance, delta);
    *v = 1.0f / MULTIPLY_ADD(alpha, q, delta);
    return alpha * (q - square_distance) * *v * u;
}

/* losses[i] = (u - v)^2, and with -DGRADIENT the gradient of their mean to z,
 * 4 alpha / batch (u - v) v^2 (z - z') for the first of a pair, its negative for the partner, 0 past
 * n_invariant; scale = 4 / batch. LANES work-items take a pair: one on CPUs, a
 * work-group elsewhere.  Work-items: (LANES, pairs, members). */
#ifdef LANES
#define GROUP ITEMS(LANES)
#if LANES > 1
__attribute__((reqd_work_group_size(GROUP, 1, 1)))
#endif
__kernel void pair_loss(TENSOR(const float, z), TENSOR(const float, square_distances),
                        TENSOR(const float, delta), TENSOR(const float, alpha),
                        TENSOR(float, losses),
#ifdef GRADIENT
                        TENSOR(float, dz),
#endif
                        uint batch, uint columns, uint n_invariant, float scale) {
    const size_t lane = get_local_id(0), i = get_global_id(1), r = get_global_id(2);
    if (i >= batch) return; /* a whole work-group, or a work-item that meets no barrier */
    __global const float *first = MEMBER(z, r) + i * columns;
    __global const float *partner = first + (size_t)batch * columns;

#if GROUP == 1
    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    uint c = 0;
    for (; c + 4 <= n_invariant; c += 4)
        for (uint k = 0; k < 4; k++) {
            const float difference = first[c + k] - partner[c + k];
            sums[k] = MULTIPLY_ADD(difference, difference, sums[k]);
        }
    for (; c < n_invariant; c++) {
        const float difference = first[c] - partner[c];
        sums[0] = MULTIPLY_ADD(difference, difference, sums[0]);
    }
    const float q = (sums[0] + sums[1]) + (sums[2] + sums[3]);
#else
    __local float partial[GROUP];
    float sum = 0.0f;
    for (uint c = lane; c < n_invariant; c += GROUP) {
        const float difference = first[c] - partner[c];
        sum = MULTIPLY_ADD(difference, difference, sum);
    }
    partial[lane] = sum;
    GROUP_SUM(partial, lane, GROUP)
    barrier(CLK_LOCAL_MEM_FENCE);
    const float q = partial[0];
#endif

    float v;
    const float difference_of_inverses = deviation(
        MEMBER(square_distances, r)[i], q, MEMBER(delta, r)[0], MEMBER(alpha, r)[0], &v);
    if (lane == 0) MEMBER(losses, r)[i] = difference_of_inverses * difference_of_inverses;
#ifdef GRADIENT
    const float factor = scale * MEMBER(alpha, r)[0] * difference_of_inverses * v * v;
    __global float *out = MEMBER(dz, r) + i * columns;
    __global float *partner_out = out + (size_t)batch * columns;
    for (uint c = lane; c < n_invariant; c += GROUP) {
        const float value = factor * (first[c] - partner[c]);
        out[c] = value;
        partner_out[c] = -value;
    }
    for (uint c = n_invariant + lane; c < columns; c += GROUP) out[c] = partner_out[c] = 0.0f;
#endif
}
#endif

/* sums over the pairs that are samples (pair i of batch number `step` is number step x batch + i of
 * n_rows), in the order of IV_PAIR_*: (u - v)^2, (sqrt(q) - d)^2, and of 1, sqrt(q) and q over pairs
 * with d = 0 and over those with d > 0.  Work-groups: one of SUMMERS a member. */
#define N_SUMS 8
#define SUMMERS ITEMS(64)
__attribute__((reqd_work_group_size(SUMMERS, 1, 1)))
__kernel void pair_sums(TENSOR(const float, z), TENSOR(const float, square_distances),
                        TENSOR(const float, delta), TENSOR(const float, alpha), TENSOR(float, sums),
                        uint batch, uint columns, uint n_invariant, uint n_rows, uint step) {
    const size_t lane = get_local_id(0), r = get_global_id(1);
    __local float partial[SUMMERS * N_SUMS];
    const ulong before = (ulong)step * batch;
    const uint end = before < n_rows ? min((ulong)batch, n_rows - before) : 0;

    float sum[N_SUMS] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    for (uint i = lane; i < end; i += SUMMERS) {
        __global const float *first = MEMBER(z, r) + (size_t)i * columns;
        __global const float *partner = first + (size_t)batch * columns;
        float q = 0.0f, v;
        for (uint c = 0; c < n_invariant; c++) {
            const float difference = first[c] - partner[c];
            q = MULTIPLY_ADD(difference, difference, q);
        }
        const float square_distance = MEMBER(square_distances, r)[i];
        const float inverses = deviation(square_distance, q, MEMBER(delta, r)[0],
                                         MEMBER(alpha, r)[0], &v);
        const float distance = sqrt(q), error = distance - sqrt(square_distance);
        sum[0] = MULTIPLY_ADD(inverses, inverses, sum[0]);
        sum[1] = MULTIPLY_ADD(error, error, sum[1]);
        const bool same = square_distance == 0.0f;
        sum[2] += same ? 1.0f : 0.0f;
        sum[3] += same ? distance : 0.0f;
        sum[4] += same ? q : 0.0f;
        sum[5] += same ? 0.0f : 1.0f;
        sum[6] += same ? 0.0f : distance;
        sum[7] += same ? 0.0f : q;
    }
    for (uint k = 0; k < N_SUMS; k++) partial[lane * N_SUMS + k] = sum[k];
    GROUP_FOLD(lane, SUMMERS, width,
               for (uint k = 0; k < N_SUMS; k++)
                   partial[lane * N_SUMS + k] += partial[(lane + width) * N_SUMS + k])
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint k = lane; k < N_SUMS; k += SUMMERS) MEMBER(sums, r)[k] = partial[k];
}

/* Singular values of many matrices A [m, n]: a Householder LQ reduction, then one-sided Jacobi
 * rotations (Hestenes) of the rows of the small triangle.
 *
 * With k = min(m, n) and l = max(m, n), W [k, l] is A where m <= n and its transpose elsewhere:
 *   svd_reduce.cl   W = L Q, L [k, k] lower triangular        (Golub and Van Loan, 5.2)
 *   svd_rotate.cl   rotates rows of L until J L = S Z^T has orthogonal rows
 *   svd_packed.cl   the same for many small matrices side by side
 *   svd_vectors.cl  W = J^T S (Z^T Q): rows of J are left, rows of Z^T Q right vectors
 * This file holds what they share; each is a program of its own, so that only what is used is
 * built. Householder and Jacobi are both backward stable in float32; a Gram matrix would square the
 * condition. Each W is scaled by a power of two so that its largest entry is about 1.
 *
 * Division of work: a work-group takes whole matrices, one after another. It is TEAMS teams of TEAM
 * work-items; a team takes a row (or a pair of rows) and its work-items take every TEAM-th block of
 * VEC floats. CPU devices get one work-item with wide blocks (VEC 16, TEAM 1, TEAMS 1), GPUs
 * single floats and many work-items (VEC 1). Sums have a fixed order that depends on shapes alone.
 * Built with -DVEC, -DWANTED_TEAM and -DWANTED_GROUP (work-items; VEC > 1 only with a group of
 * one), -DPACK (matrices side by side, 1 for none), -DMAX_SWEEPS and -DNEGLIGIBLE (squared length
 * below which a row is 0). */
#include "group_items.cl"
#include "tensor.cl"

#define GROUP ITEMS(WANTED_GROUP)
#define TEAM  ITEMS(WANTED_TEAM)
#define TEAMS (GROUP / TEAM)

#if VEC == 16
typedef float16 block_t;
#elif VEC == 1
typedef float block_t;
#else
#error "VEC must be 1 or 16"
#endif

#define INFINITY_BITS 0x7f800000u
#define NAN_BITS      0x7fc00000u

#if VEC == 16
/* By an array, not by halves of vectors: Oclgrind 21.10 fails on the shuffles that those turn into.
 * Compilers for CPUs make the same few instructions of both. */
static float horizontal_sum(float16 x) {
    float parts[16];
    vstore16(x, 0, parts);
    for (uint i = 0; i < 8; i++) parts[i] += parts[i + 8];
    for (uint i = 0; i < 4; i++) parts[i] += parts[i + 4];
    return (parts[0] + parts[2]) + (parts[1] + parts[3]);
}
#else
static float horizontal_sum(float x) {
    return x;
}
#endif

/* The first block at or after `first` that belongs to this lane: a block has the same lane whatever
 * the range, so that a lane never reads what another lane of its team wrote. */
static uint first_block(uint first, uint lane) {
    uint block = first - first % TEAM + lane;
    return block < first ? block + TEAM : block;
}

/* Component-wise sum over the team, to every lane in the same bits: a butterfly, where each partner
 * adds the same two numbers. `turn` alternates between two halves of `exchange` (2 * GROUP float4),
 * which saves the second barrier of each step. All work-items of the group must call it. */
static float4 team_sum(float4 value, __local float4 *exchange, uint *turn) {
#if TEAM > 1
    const uint item = get_local_id(0);
    for (uint distance = 1; distance < TEAM; distance *= 2) {
        __local float4 *current = exchange + *turn * GROUP;
        current[item] = value;
        barrier(CLK_LOCAL_MEM_FENCE);
        value += current[item ^ distance];
        *turn ^= 1;
    }
#endif
    return value;
}

/* Sum of x * y over this lane's blocks in [first, end); four partial sums hide the latency. */
static float lane_dot(__global const block_t *x, __global const block_t *y, uint first, uint end,
                      uint lane) {
    block_t sum0 = 0.0f, sum1 = 0.0f, sum2 = 0.0f, sum3 = 0.0f;
    uint b = first_block(first, lane);
    for (; b + 3 * TEAM < end; b += 4 * TEAM) {
        sum0 = MULTIPLY_ADD(x[b], y[b], sum0);
        sum1 = MULTIPLY_ADD(x[b + TEAM], y[b + TEAM], sum1);
        sum2 = MULTIPLY_ADD(x[b + 2 * TEAM], y[b + 2 * TEAM], sum2);
        sum3 = MULTIPLY_ADD(x[b + 3 * TEAM], y[b + 3 * TEAM], sum3);
    }
    for (; b < end; b += TEAM) sum0 = MULTIPLY_ADD(x[b], y[b], sum0);
    return horizontal_sum((sum0 + sum1) + (sum2 + sum3));
}

/* y += factor * x over this lane's blocks in [first, end). */
static void lane_add(__global block_t *y, float factor, __global const block_t *x, uint first,
                     uint end, uint lane) {
    const block_t factors = factor;
    for (uint b = first_block(first, lane); b < end; b += TEAM) {
        y[b] = MULTIPLY_ADD(factors, x[b], y[b]);
    }
}

/* Singular values, first part: scale each matrix and reduce it to a triangle. svd.cl tells the
 * method and how work is divided. */
#include "group_sum.cl"
#include "svd.cl"

/* Bit pattern of the largest |entry| of a [size]: patterns of magnitudes are ordered like the
 * magnitudes, with infinity and then NaN on top. */
static uint largest_magnitude(__global const float *a, uint size, __local float4 *exchange) {
    const uint item = get_local_id(0);
    uint largest = 0;
    uint e = item;
#if VEC == 16
    uint16 many = 0;
    for (; e + 16 <= size; e += 16) many = max(many, as_uint16(vload16(0, a + e)) & 0x7fffffffu);
    uint parts[16];
    vstore16(many, 0, parts);
    for (uint i = 0; i < 16; i++) largest = max(largest, parts[i]);
#endif
    for (; e < size; e += GROUP) largest = max(largest, as_uint(a[e]) & 0x7fffffffu);
#if GROUP > 1
    __local uint *shared = (__local uint *)exchange;
    barrier(CLK_LOCAL_MEM_FENCE);
    shared[item] = largest;
    GROUP_FOLD(item, GROUP, distance, shared[item] = max(shared[item], shared[item + distance]))
    barrier(CLK_LOCAL_MEM_FENCE);
    largest = shared[0];
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    return largest;
}

/* w [k, blocks] = scale * A, or its transpose where m > n; rows padded with zeros to full blocks.
 */
static void load_scaled(__global float *w, uint blocks, __global const float *a, uint m, uint n,
                        float scale, uint team, uint lane) {
    const uint row_length = blocks * VEC;
#if VEC > 1
    for (uint i = 0; i < min(m, n); i++) {
        for (uint j = max(m, n); j < row_length; j++) w[i * row_length + j] = 0.0f;
    }
#endif
    for (uint i = team; i < m; i += TEAMS) {
        __global const float *source = a + i * n;
        if (m <= n) {
            __global float *target = w + i * row_length;
            uint j = lane;
#if VEC == 16
            for (; j + 16 <= n; j += 16) vstore16(scale * vload16(0, source + j), 0, target + j);
#endif
            for (; j < n; j += TEAM) target[j] = scale * source[j];
        } else {
            for (uint j = lane; j < n; j += TEAM) w[j * row_length + i] = scale * source[j];
        }
    }
}

/* W = L Q in place for w [k, blocks]: row j of w becomes the Householder vector v_j, zero before
 * entry j; Q = H_(k-1) ... H_0 with H_j = I - factors[j] v_j v_j^T. The part of L below and on the
 * diagonal goes to lower[i * row_stride + j * entry_stride]. */
static void reduce(__global block_t *w, uint k, uint blocks, __global float *lower, uint row_stride,
                   uint entry_stride, __global float *factors, __local float4 *exchange,
                   uint *turn) {
    const uint item = get_local_id(0), team = item / TEAM, lane = item % TEAM;
    for (uint j = 0; j < k; j++) {
        __global block_t *v = w + j * blocks;
        __global float *entries = (__global float *)v;
        __global float *lower_row = lower + j * row_stride;
        const uint first = j / VEC;
        for (uint c = item; c < j; c += GROUP) lower_row[c * entry_stride] = entries[c];
#if VEC > 1
        for (uint c = first * VEC; c < j; c++) entries[c] = 0.0f;
#endif
        const float head = entries[j];
        const float square = lane_dot(v, v, first, blocks, lane);
        const float length = sqrt(team_sum((float4)(square, 0.0f, 0.0f, 0.0f), exchange, turn).x);
        const uint reflects = length * length > NEGLIGIBLE;
        const float factor = reflects ? 1.0f / (length * (length + fabs(head))) : 0.0f;
        barrier(CLK_GLOBAL_MEM_FENCE); /* all have read the row */
        if (item == 0) {
            lower_row[j * entry_stride] = reflects ? -copysign(length, head) : head;
            entries[j] = head + copysign(length, head);
            factors[j] = factor;
        }
        barrier(CLK_GLOBAL_MEM_FENCE);

        for (uint base = j + 1; base < k; base += TEAMS) {
            const uint i = base + team;
            float dot = i < k ? lane_dot(v, w + i * blocks, first, blocks, lane) : 0.0f;
            dot = team_sum((float4)(dot, 0.0f, 0.0f, 0.0f), exchange, turn).x;
            if (i < k) lane_add(w + i * blocks, -dot * factor, v, first, blocks, lane);
        }
        barrier(CLK_GLOBAL_MEM_FENCE);
    }
}

/* Scale, copy and reduce each matrix.  Work-groups: any number; each takes PACK neighbours at a
 * time, so that two compute units never write into one cache line.
 *
 * a           [batch, m, n]
 * reflectors  [slots, k, blocks] Householder vectors; a slot a matrix if `keep`, else one a group
 * factors     [slots, k]
 * triangles   PACK = 1: [batch, k, width] of floats: L in the first k columns; if `keep`, the
 *             identity in k columns from width / 2 on; zeros elsewhere
 *             PACK > 1: [ceil(batch / PACK), k, k, PACK], zero past the end of the batch
 * unscale     [batch padded to PACK] what singular values of L are to be multiplied with: a power
 *             of two, or NaN (and L = 0) where A has an entry that is not finite */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
svd_triangularise(TENSOR(const float, a), const uint m, const uint n, const uint batch,
                  const uint keep, __global block_t *reflectors, __global float *factors,
                  __global float *triangles, const uint width, __global float *unscale,
                  __local float4 *exchange) {
    const uint item = get_local_id(0), team = item / TEAM, lane = item % TEAM;
    const uint k = min(m, n), blocks = (max(m, n) + VEC - 1) / VEC;
    uint turn = 0;
    for (uint pack = get_group_id(0); pack * PACK < batch; pack += get_num_groups(0)) {
        for (uint member = 0; member < PACK; member++) {
            const uint matrix = pack * PACK + member;
            const size_t slot = keep ? matrix : get_group_id(0);
            __global float *triangle = triangles + (size_t)pack * PACK * k * width + member;
            for (uint i = team; i < k; i += TEAMS) {
                for (uint j = lane; j < width; j += TEAM) {
                    triangle[(i * width + j) * PACK] = keep && j == i + width / 2 ? 1.0f : 0.0f;
                }
            }

            uint largest = 0;
            if (matrix < batch) largest = largest_magnitude(MEMBER(a, matrix), m * n, exchange);
            const uint is_finite = largest < INFINITY_BITS;
            const int exponent = largest ? clamp((int)(largest >> 23) - 127, -126, 126) : 0;
            if (item == 0) {
                unscale[matrix] = as_float(is_finite ? (uint)(127 + exponent) << 23 : NAN_BITS);
            }
            if (matrix < batch && is_finite) {
                __global block_t *w = reflectors + slot * k * blocks;
                const float scale = as_float((uint)(127 - exponent) << 23);
                load_scaled((__global float *)w, blocks, MEMBER(a, matrix), m, n, scale, team,
                            lane);
                barrier(CLK_GLOBAL_MEM_FENCE);
                reduce(w, k, blocks, triangle, width * PACK, PACK, factors + slot * k, exchange,
                       &turn);
            }
        }
    }
}

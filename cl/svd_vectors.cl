/* Singular values, last part: the singular vectors, where they are wanted. svd.cl tells the method
 * and how work is divided. */
#include "svd.cl"

/* Singular vectors from what the kernels above left.  Work-groups: any number.
 *
 * scratch  [groups, TEAMS, blocks] of blocks: rows of Z^T Q being made
 * u        [batch, m, k], left as it is if !wants_u
 * vt       [batch, k, n], likewise */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
svd_vectors(const uint m, const uint n, const uint batch, __global const block_t *reflectors,
            __global const float *factors, __global const block_t *triangles, const uint width,
            __global const float *unscale, __global const float *lengths,
            __global const uint *order, __global block_t *scratch, const uint wants_u,
            TENSOR(float, u), const uint wants_vt, TENSOR(float, vt), __local float4 *exchange) {
    const uint item = get_local_id(0), team = item / TEAM, lane = item % TEAM;
    const uint k = min(m, n), l = max(m, n), blocks = (l + VEC - 1) / VEC;
    const uint is_wide = m <= n;
    const uint wants_long = is_wide ? wants_vt : wants_u,
               wants_short = is_wide ? wants_u : wants_vt;
    __global block_t *y = scratch + ((size_t)get_group_id(0) * TEAMS + team) * blocks;
    uint turn = 0;
    for (uint matrix = get_group_id(0); matrix < batch; matrix += get_num_groups(0)) {
        __global const block_t *vectors = reflectors + (size_t)matrix * k * blocks;
        const uint is_finite = (as_uint(unscale[matrix]) & 0x7fffffffu) < INFINITY_BITS;
        for (uint base = 0; base < k; base += TEAMS) {
            const uint i = base + team, active = i < k;
            const uint row = active ? order[(size_t)matrix * k + i] : 0;
            const float length = lengths[(size_t)matrix * k + row];
            const float nonzero = is_finite ? (length > 0.0f ? 1.0f : 0.0f) : as_float(NAN_BITS);
            const float inverse = length > 0.0f ? 1.0f / length : nonzero;
            __global const block_t *rotated = triangles + ((size_t)matrix * k + row) * width;

            if (active && wants_short) {
                __global const float *left = (__global const float *)(rotated + width / 2);
                for (uint e = lane; e < k; e += TEAM) {
                    if (is_wide) {
                        MEMBER(u, matrix)[e * k + i] = nonzero * left[e];
                    } else {
                        MEMBER(vt, matrix)[i * n + e] = nonzero * left[e];
                    }
                }
            }
            for (uint b = lane; b < blocks; b += TEAM) {
                y[b] = b < width / 2 ? inverse * rotated[b] : (block_t)(0.0f * inverse);
            }
            const uint n_reflections = wants_long && is_finite ? k : 0;
            for (uint done = 0; done < n_reflections; done++) {
                const uint j = k - 1 - done;
                __global const block_t *v = vectors + j * blocks;
                float dot = active ? lane_dot(v, y, j / VEC, blocks, lane) : 0.0f;
                dot = team_sum((float4)(dot, 0.0f, 0.0f, 0.0f), exchange, &turn).x;
                const float factor = factors[(size_t)matrix * k + j];
                if (active) lane_add(y, -dot * factor, v, j / VEC, blocks, lane);
            }
            if (active && wants_long) {
                __global const float *entries = (__global const float *)y;
                for (uint e = lane; e < l; e += TEAM) {
                    if (is_wide) {
                        MEMBER(vt, matrix)[i * n + e] = entries[e];
                    } else {
                        MEMBER(u, matrix)[e * k + i] = entries[e];
                    }
                }
            }
        }
    }
}

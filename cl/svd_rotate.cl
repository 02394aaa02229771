/* Singular values, second part: one-sided Jacobi rotations of each triangle. svd.cl tells the
 * method and how work is divided. */
#include "svd.cl"

/* Whether any work-item of the group has a count other than 0. */
static uint any_in_group(uint count, __local float4 *exchange) {
#if GROUP > 1
    __local uint *shared = (__local uint *)exchange;
    barrier(CLK_LOCAL_MEM_FENCE);
    shared[get_local_id(0)] = count;
    barrier(CLK_LOCAL_MEM_FENCE);
    count = 0;
    for (uint item = 0; item < GROUP; item += TEAM) count += shared[item];
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    return count != 0;
}

/* Make rows p and q orthogonal, unless they are so already to `tolerance` (a cosine); 1 if they
 * were not. Dot products run over the first `blocks` blocks, the rotation over all `width`. All
 * work-items of the group call it; a team without a pair passes active = 0. */
static uint rotate_pair(__global block_t *p, __global block_t *q, uint active, uint blocks,
                        uint width, float tolerance, uint lane, __local float4 *exchange,
                        uint *turn) {
    block_t pp = 0.0f, qq = 0.0f, pq = 0.0f;
    if (active) {
        for (uint b = lane; b < blocks; b += TEAM) {
            const block_t x = p[b], y = q[b];
            pp = MULTIPLY_ADD(x, x, pp);
            qq = MULTIPLY_ADD(y, y, qq);
            pq = MULTIPLY_ADD(x, y, pq);
        }
    }
    const float4 sums = team_sum(
        (float4)(horizontal_sum(pp), horizontal_sum(qq), horizontal_sum(pq), 0.0f), exchange, turn);
    if (!active || sums.x <= NEGLIGIBLE || sums.y <= NEGLIGIBLE ||
        (sums.z / sums.x) * (sums.z / sums.y) <= tolerance * tolerance) {
        return 0;
    }

    /* t = tan of the smaller angle; the form with tan of half of it (Rutishauser) leaves the least
     * rounding when angles are small. */
    const float zeta = (sums.y - sums.x) / (2.0f * sums.z);
    const float t = fabs(zeta) > 1e9f
                        ? 0.5f / zeta
                        : copysign(1.0f, zeta) / (fabs(zeta) + sqrt(1.0f + zeta * zeta));
    const float cosine = 1.0f / sqrt(1.0f + t * t);
    const block_t sine = t * cosine, turn_halftangent = t * cosine / (1.0f + cosine);
#if TEAMS == 1
    /* Longer rows first: fewer sweeps in cyclic order (de Rijk 1989), more in round-robin order. */
    const uint swaps = sums.x < sums.y;
#else
    const uint swaps = 0;
#endif
    __global block_t *target_p = swaps ? q : p, *target_q = swaps ? p : q;
    for (uint b = lane; b < width; b += TEAM) {
        const block_t x = p[b], y = q[b];
        target_p[b] = MULTIPLY_ADD(-sine, MULTIPLY_ADD(turn_halftangent, x, y), x);
        target_q[b] = MULTIPLY_ADD(sine, MULTIPLY_ADD(-turn_halftangent, y, x), y);
    }
    return 1;
}

/* Rotate all pairs of rows once; how many pairs of this team were not orthogonal. */
static uint sweep_pairs(__global block_t *rows, uint k, uint blocks, uint width, float tolerance,
                        uint team, uint lane, __local float4 *exchange, uint *turn) {
    uint rotations = 0;
#if TEAMS == 1
    for (uint i = 0; i + 1 < k; i++) {
        for (uint j = i + 1; j < k; j++) {
            rotations += rotate_pair(rows + i * width, rows + j * width, 1, blocks, width,
                                     tolerance, lane, exchange, turn);
        }
    }
#else
    /* Round-robin tournament: each round pairs all rows disjointly; a row k stands for a bye. */
    const uint players = k + k % 2, rounds = players - 1;
    for (uint stage = 0; stage < rounds; stage++) {
        for (uint base = 0; base < players / 2; base += TEAMS) {
            const uint pair = base + team;
            const uint i = pair == 0 ? rounds : (stage + pair) % rounds;
            const uint j = (stage + rounds - pair % players) % rounds;
            const uint active = pair < players / 2 && i < k && j < k;
            rotations += rotate_pair(rows + i * width, rows + j * width, active, blocks, width,
                                     tolerance, lane, exchange, turn);
        }
        barrier(CLK_GLOBAL_MEM_FENCE);
    }
#endif
    return rotations;
}

/* Orthogonalise the rows of each triangle; write the singular values.  Work-groups: any number.
 *
 * triangles  [batch, k, width] of blocks, of which dots run over the first `blocks`
 * lengths    [batch, k] length of each row at the end
 * order      [batch, k] the row that holds singular value i, largest first
 * s          [batch, k] */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
svd_rotate(const uint k, const uint batch, __global block_t *triangles, const uint blocks,
           const uint width, const float tolerance, __global const float *unscale,
           __global float *lengths, __global uint *order, TENSOR(float, s),
           __local float4 *exchange) {
    const uint item = get_local_id(0), team = item / TEAM, lane = item % TEAM;
    uint turn = 0;
    for (uint matrix = get_group_id(0); matrix < batch; matrix += get_num_groups(0)) {
        __global block_t *rows = triangles + (size_t)matrix * k * width;
        __global float *length = lengths + (size_t)matrix * k;
        for (uint sweep = 0; sweep < MAX_SWEEPS; sweep++) {
            const uint rotations =
                sweep_pairs(rows, k, blocks, width, tolerance, team, lane, exchange, &turn);
            if (!any_in_group(rotations, exchange)) break;
        }

        for (uint base = 0; base < k; base += TEAMS) {
            const uint i = base + team;
            __global const block_t *row = rows + i * width;
            const float part = i < k ? lane_dot(row, row, 0, blocks, lane) : 0.0f;
            const float square = team_sum((float4)(part, 0.0f, 0.0f, 0.0f), exchange, &turn).x;
            if (i < k && lane == 0) length[i] = square > NEGLIGIBLE ? sqrt(square) : 0.0f;
        }
        barrier(CLK_GLOBAL_MEM_FENCE);
        for (uint i = item; i < k; i += GROUP) {
            uint rank = 0;
            for (uint j = 0; j < k; j++) {
                rank += length[j] > length[i] || (length[j] == length[i] && j < i);
            }
            MEMBER(s, matrix)[rank] = length[i] * unscale[matrix];
            order[(size_t)matrix * k + rank] = i;
        }
    }
}

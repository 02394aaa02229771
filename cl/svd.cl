/* Singular values of many matrices A [m, n]: a Householder LQ reduction, then one-sided Jacobi
 * rotations (Hestenes) of the rows of the small triangle.
 *
 * With k = min(m, n) and l = max(m, n), W [k, l] is A where m <= n and its transpose elsewhere:
 *   svd_triangularise     W = L Q, L [k, k] lower triangular        (Golub and Van Loan, 5.2)
 *   svd_rotate            rotates rows of L until J L = S Z^T has orthogonal rows
 *                         (svd_packed.cl: the same for many small matrices side by side)
 *   svd_vectors           W = J^T S (Z^T Q): rows of J are left, rows of Z^T Q right vectors
 * Householder and Jacobi are both backward stable in float32; a Gram matrix would square the
 * condition. Each W is scaled by a power of two so that its largest entry is about 1.
 *
 * Division of work: a work-group takes whole matrices, one after another. It is TEAMS teams of TEAM
 * work-items; a team takes a row (or a pair of rows) and its work-items take every TEAM-th block of
 * VEC floats. CPU devices get one work-item with wide blocks (VEC 16, TEAM 1, TEAMS 1), GPUs
 * single floats and many work-items (VEC 1). Sums have a fixed order that depends on shapes alone.
 * Built with -DVEC -DTEAM -DTEAMS (VEC > 1 only with a group of one work-item), -DPACK (matrices
 * side by side, 1 for none), -DMAX_SWEEPS and -DNEGLIGIBLE (squared length below which a row is
 * zero). */
#include "tensor.cl"

#define GROUP (TEAM * TEAMS)

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
    for (uint distance = GROUP / 2; distance > 0; distance /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < distance) shared[item] = max(shared[item], shared[item + distance]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    largest = shared[0];
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    return largest;
}

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

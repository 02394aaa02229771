/* Bilinear warps, a pixel at a time: for GPUs, and for images too large for cl/warp_vector.cl.
 * Images are rows of D = planes PIXELS floats. A work-item takes a pixel of up to CHUNK images,
 * which share its weights.
 *
 * Sizes that all kernels take last: `per_sample` is the stride from one sample's images to the next
 * one's, or 0 where all samples share them. */
#include "group_sum.cl"
#include "warp_map.cl"

#define CHUNK 8

/* The CHUNK images of this work-item, and its sample; -DSUM: of all samples. */
#define BEGIN                                                                                      \
    const size_t r = get_global_id(2), D = (size_t)planes * PIXELS;                                \
    const uint chunks = (images + CHUNK - 1) / CHUNK;                                              \
    const uint s = get_global_id(1) / chunks;                                                      \
    const uint first = ((uint)get_global_id(1) - s * chunks) * CHUNK;                              \
    const uint count = min((uint)CHUNK, images - first);

/* The neighbours of a position: cell of the upper left one, and the way from that. False if all lie
 * outside, which includes what is not finite. */
static bool find_neighbours(float u, float v, int *row, int *column, float *right, float *below) {
    if (!(u > -1.0f && u < (float)WIDTH && v > -1.0f && v < (float)HEIGHT)) return false;
    const float left = floor(u), top = floor(v);
    *column = (int)left;
    *row = (int)top;
    *right = u - left;
    *below = v - top;
    return true;
}

/* 0 outside the image. */
static float pixel_at(__global const float *plane, int row, int column) {
    const bool inside = row >= 0 && row < HEIGHT && column >= 0 && column < WIDTH;
    return inside ? plane[row * WIDTH + column] : 0.0f;
}

/* y[s][n][p] = sum over neighbours q of weight x[n][q].  Work-items: (D, chunks x samples,
 * members). */
__kernel void warp(TENSOR(const float, x), TENSOR(const float, t), TENSOR(float, y), uint planes,
                   uint images, uint samples, uint per_sample) {
    BEGIN
    const uint at = get_global_id(0), plane = at / PIXELS, p = at - plane * PIXELS;
    if (at >= D || s >= samples) return;
    const uint i = p / WIDTH, j = p - i * WIDTH;
    const pixel_map map = map_of(MEMBER(t, r) + 6 * s);
    const float u = PLACE(map, 0, HALF_W, float, j - HALF_W, i - HALF_H);
    const float v = PLACE(map, 3, HALF_H, float, j - HALF_W, i - HALF_H);
    int row, column;
    float right, below;
    const bool inside = find_neighbours(u, v, &row, &column, &right, &below);
    __global const float *in =
        MEMBER(x, r) + (size_t)s * per_sample + first * D + (size_t)plane * PIXELS;
    __global float *out = MEMBER(y, r) + ((size_t)s * images + first) * D + at;
    for (uint n = 0; n < count; n++, in += D, out += D) {
        float value = map.poison;
        if (inside) {
            const float a = pixel_at(in, row, column), b = pixel_at(in, row, column + 1);
            const float c = pixel_at(in, row + 1, column), d = pixel_at(in, row + 1, column + 1);
            const float top = MULTIPLY_ADD(right, b - a, a), bottom = MULTIPLY_ADD(right, d - c, c);
            value += MULTIPLY_ADD(below, bottom - top, top);
        }
        *out = value;
    }
}

/* ------------------------------------------------------------------ the adjoint */

/* The pixels that may have q as a neighbour: those that go to within 1 of it lie in the box around
 * what the inverse makes of that square. */
typedef struct {
    int first_row, last_row, first_column, last_column;
} box;

/* From `low` to `high`, within 0 to n - 1; all of them unless both are finite. */
static void clip(float low, float high, int n, int *first, int *last) {
    const bool finite = low - low == 0.0f && high - high == 0.0f;
    *first = finite ? (int)ceil(clamp(low, 0.0f, (float)n)) : 0;
    *last = finite ? (int)floor(clamp(high, -1.0f, n - 1.0f)) : n - 1;
}

/* Wider by what rounding may have done to it: each pixel is tested by its position later. */
static box box_of(const pixel_map *map, float column, float row) {
    const float a = map->m[0], b = map->m[1], c = map->m[3], d = map->m[4];
    const float u = column - HALF_W - map->m[2], v = row - HALF_H - map->m[5];
    const float determinant = a * d - b * c, inverse = 1.0f / determinant;
    const float slack = 1e-5f + 1e-6f * (fabs(a * d) + fabs(b * c)) * fabs(inverse);
    const float reach_u = 1.0f + slack * (WIDTH + fabs(map->m[2]));
    const float reach_v = 1.0f + slack * (HEIGHT + fabs(map->m[5]));
    const float x = (d * u - b * v) * inverse + HALF_W, y = (a * v - c * u) * inverse + HALF_H;
    const float wide = (fabs(d) * reach_u + fabs(b) * reach_v) * fabs(inverse) + 1e-3f;
    const float high = (fabs(c) * reach_u + fabs(a) * reach_v) * fabs(inverse) + 1e-3f;
    box found;
    clip(x - wide, x + wide, WIDTH, &found.first_column, &found.last_column);
    clip(y - high, y + high, HEIGHT, &found.first_row, &found.last_row);
    return found;
}

/* y[s][n][q] = sum over pixels p with a neighbour q of weight x[n][p], in the order of p. -DSUM:
 * y[n][q], summed over the samples too.  Work-items: (D, chunks x samples, members); chunks with
 * -DSUM. */
__kernel void warp_adjoint(TENSOR(const float, x), TENSOR(const float, t), TENSOR(float, y),
                           uint planes, uint images, uint samples, uint per_sample) {
    BEGIN
    const uint at = get_global_id(0), plane = at / PIXELS, q = at - plane * PIXELS;
    const uint row = q / WIDTH, column = q - row * WIDTH;
    float sum[CHUNK];
    _Pragma("unroll") for (uint n = 0; n < CHUNK; n++) sum[n] = 0.0f;
#ifdef SUM
    if (at >= D || s > 0) return;
    const uint first_sample = 0, last_sample = samples;
    __global float *out = MEMBER(y, r) + first * D + at;
#else
    if (at >= D || s >= samples) return;
    const uint first_sample = s, last_sample = s + 1;
    __global float *out = MEMBER(y, r) + ((size_t)s * images + first) * D + at;
#endif
    for (uint k = first_sample; k < last_sample; k++) {
        const pixel_map map = map_of(MEMBER(t, r) + 6 * k);
        const box near = box_of(&map, (float)column, (float)row);
        __global const float *in =
            MEMBER(x, r) + (size_t)k * per_sample + first * D + (size_t)plane * PIXELS;
        _Pragma("unroll") for (uint n = 0; n < CHUNK; n++) sum[n] += map.poison;
        for (int i = near.first_row; i <= near.last_row; i++)
            for (int j = near.first_column; j <= near.last_column; j++) {
                const float u = PLACE(map, 0, HALF_W, float, j - HALF_W, i - HALF_H);
                const float v = PLACE(map, 3, HALF_H, float, j - HALF_W, i - HALF_H);
                const float across = 1.0f - fabs(u - column), down = 1.0f - fabs(v - row);
                if (!(across > 0.0f && down > 0.0f)) continue;
                const float weight = across * down;
                __global const float *pixel = in + i * WIDTH + j;
                _Pragma("unroll") for (uint n = 0; n < CHUNK; n++)
                    if (n < count) sum[n] = MULTIPLY_ADD(weight, pixel[n * D], sum[n]);
            }
    }
    _Pragma("unroll") for (uint n = 0; n < CHUNK; n++)
        if (n < count) out[n * D] = sum[n];
}

/* ------------------------------------------------------------------ the derivative */

#define LANES ITEMS(64)

/* The derivative by t of the sum over n and p of x[n][p] y(n, T_s p), y interpolated: its part from
 * one chunk of images, parts[chunk][s][6].  Work-groups: LANES for each of (chunks x samples,
 * members). */
__attribute__((reqd_work_group_size(LANES, 1, 1)))
__kernel void warp_slopes(TENSOR(const float, x), TENSOR(const float, y), TENSOR(const float, t),
                          TENSOR(float, parts), uint planes, uint images, uint samples,
                          uint x_per_sample, uint y_per_sample) {
    BEGIN
    const uint lane = get_local_id(0);
    const pixel_map map = map_of(MEMBER(t, r) + 6 * s);
    __local float sums[6][LANES];
    float sum[6];
    for (uint k = 0; k < 6; k++) sum[k] = map.poison;
    for (uint p = lane; p < PIXELS; p += LANES) {
        const uint i = p / WIDTH, j = p - i * WIDTH;
        const float u = PLACE(map, 0, HALF_W, float, j - HALF_W, i - HALF_H);
        const float v = PLACE(map, 3, HALF_H, float, j - HALF_W, i - HALF_H);
        int row, column;
        float right, below, du = 0.0f, dv = 0.0f;
        if (find_neighbours(u, v, &row, &column, &right, &below))
            for (uint plane = 0; plane < planes; plane++) {
                const size_t start = first * D + (size_t)plane * PIXELS;
                __global const float *weight =
                    MEMBER(x, r) + (size_t)s * x_per_sample + start + p;
                __global const float *in = MEMBER(y, r) + (size_t)s * y_per_sample + start;
                for (uint n = 0; n < count; n++, weight += D, in += D) {
                    const float a = pixel_at(in, row, column), b = pixel_at(in, row, column + 1);
                    const float c = pixel_at(in, row + 1, column);
                    const float d = pixel_at(in, row + 1, column + 1);
                    const float twist = (d - c) - (b - a);
                    du = MULTIPLY_ADD(*weight, MULTIPLY_ADD(below, twist, b - a), du);
                    dv = MULTIPLY_ADD(*weight, MULTIPLY_ADD(right, twist, c - a), dv);
                }
            }
        sum[0] = MULTIPLY_ADD(du, j - HALF_W, sum[0]);
        sum[1] = MULTIPLY_ADD(du, i - HALF_H, sum[1]);
        sum[2] += du;
        sum[3] = MULTIPLY_ADD(dv, j - HALF_W, sum[3]);
        sum[4] = MULTIPLY_ADD(dv, i - HALF_H, sum[4]);
        sum[5] += dv;
    }
    scale_to_t(sum);
    for (uint k = 0; k < 6; k++) sums[k][lane] = sum[k];
    GROUP_FOLD(lane, LANES, width,
               for (uint k = 0; k < 6; k++) sums[k][lane] += sums[k][lane + width])
    if (lane == 0)
        for (uint k = 0; k < 6; k++)
            MEMBER(parts, r)[((first / CHUNK) * (size_t)samples + s) * 6 + k] = sums[k][0];
}

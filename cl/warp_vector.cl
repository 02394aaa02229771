/* Bilinear warps for CPUs: vectors run over 16 images, since a transformation has the same weights
 * for all of them. Images are rows of D = planes PIXELS floats; a work-item turns a plane of 16 of
 * them over into its own memory, where a pixel is a vector.
 *
 * A warped plane has a border of one pixel around it, so that each of a position's four neighbours
 * lies somewhere; positions with no neighbour inside point to the cells behind.
 *
 * Work-items of all: (blocks of 16 images, groups of `group` samples, members). */
#include "transpose.cl"
#include "warp_map.cl"

#define STRIDE  (WIDTH + 2)
#define NOWHERE ((HEIGHT + 2) * STRIDE)
#define CELLS   (NOWHERE + STRIDE + 2)

/* Of each pixel: the cell of its upper left neighbour, and how far it lies to the right of that and
 * below. Rows are written 16 pixels at a time, the last one past its end. */
typedef struct {
    int cell[PIXELS + 16];
    float right[PIXELS + 16], below[PIXELS + 16];
} neighbours;

static void find_neighbours(const pixel_map *map, neighbours *found) {
    const float16 lanes = (float16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (uint i = 0; i < HEIGHT; i++) {
        const float16 y = (float16)(i - HALF_H);
        for (uint j = 0; j < WIDTH; j += 16) {
            const float16 x = lanes + (j - HALF_W);
            float16 u = PLACE(*map, 0, HALF_W, float16, x, y);
            float16 v = PLACE(*map, 3, HALF_H, float16, x, y);
            const int16 inside = u > -1.0f & u < (float)WIDTH & v > -1.0f & v < (float)HEIGHT;
            u = select((float16)(0.0f), u, inside);
            v = select((float16)(0.0f), v, inside);
            const float16 column = floor(u), row = floor(v);
            const int16 cell =
                (convert_int16(row) + 1) * STRIDE + convert_int16(column) + 1;
            const uint p = i * WIDTH + j;
            vstore16(select((int16)(NOWHERE), cell, inside), 0, found->cell + p);
            vstore16(u - column, 0, found->right + p);
            vstore16(v - row, 0, found->below + p);
        }
    }
}

/* ------------------------------------------------------------------ planes of 16 images */

/* plane[cell of pixel p] = that pixel of `count` images of D floats, 0 for the others. Cells of a
 * row follow one another, rows are `stride` cells apart. */
static void read_plane(__global const float *images, size_t D, uint count, uint stride,
                       float16 *plane) {
    for (uint i = 0; i < HEIGHT; i++) {
        __global const float *row = images + i * WIDTH;
        float16 *cells = plane + i * stride;
#if WIDTH >= 16
        for (uint next = 0; next < WIDTH; next += 16) {
            const uint j = min(next, (uint)WIDTH - 16);
            float16 block[16];
            _Pragma("unroll") for (uint k = 0; k < 16; k++) block[k] =
                k < count ? vload16(0, row + k * D + j) : (float16)(0.0f);
            transpose_block(block);
            _Pragma("unroll") for (uint k = 0; k < 16; k++) cells[j + k] = block[k];
        }
#else
        for (uint j = 0; j < WIDTH; j++) {
            float pixel[16];
            for (uint k = 0; k < 16; k++) pixel[k] = k < count ? row[k * D + j] : 0.0f;
            cells[j] = vload16(0, pixel);
        }
#endif
    }
}

/* The other way round. */
static void write_plane(const float16 *plane, uint stride, size_t D, uint count,
                        __global float *images) {
    for (uint i = 0; i < HEIGHT; i++) {
        __global float *row = images + i * WIDTH;
        const float16 *cells = plane + i * stride;
#if WIDTH >= 16
        for (uint next = 0; next < WIDTH; next += 16) {
            const uint j = min(next, (uint)WIDTH - 16);
            float16 block[16];
            _Pragma("unroll") for (uint k = 0; k < 16; k++) block[k] = cells[j + k];
            transpose_block(block);
            _Pragma("unroll") for (uint k = 0; k < 16; k++)
                if (k < count) STORE16(block[k], row + k * D + j);
        }
#else
        for (uint j = 0; j < WIDTH; j++) {
            float pixel[16];
            vstore16(cells[j], 0, pixel);
            for (uint k = 0; k < count; k++) row[k * D + j] = pixel[k];
        }
#endif
    }
}

static void fill_cells(float16 *cells, float value) {
    for (uint c = 0; c < CELLS; c++) cells[c] = (float16)(value);
}

/* The cell of pixel 0. */
#define INNER(cells) ((cells) + STRIDE + 1)

/* Sizes that all kernels take last: per_sample is the stride from one sample's images to the next
 * one's, or 0 where all samples share them. */
#define BEGIN                                                                                      \
    const uint first = get_global_id(0) * 16, first_sample = get_global_id(1) * group;             \
    const size_t r = get_global_id(2), D = (size_t)planes * PIXELS;                                \
    if (first >= images || first_sample >= samples) return;                                        \
    const uint count = min(images - first, 16u);                                                   \
    const uint last_sample = min(first_sample + group, samples);                                   \
    neighbours found;

/* ------------------------------------------------------------------ kernels */

/* y[s][n][p] = sum over neighbours q of weight x[n][q]. */
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void warp(TENSOR(const float, x), TENSOR(const float, t), TENSOR(float, y), uint planes,
                   uint images, uint samples, uint per_sample, uint group) {
    BEGIN
    float16 source[CELLS], warped[PIXELS];
    fill_cells(source, 0.0f);
    for (uint s = first_sample; s < last_sample; s++) {
        const pixel_map map = map_of(MEMBER(t, r) + 6 * s);
        find_neighbours(&map, &found);
        for (uint plane = 0; plane < planes; plane++) {
            const size_t start = first * D + plane * PIXELS;
            if (s == first_sample || planes > 1 || per_sample)
                read_plane(MEMBER(x, r) + (size_t)s * per_sample + start, D, count, STRIDE,
                           INNER(source));
            for (uint p = 0; p < PIXELS; p++) {
                const float16 *cell = source + found.cell[p];
                const float16 right = (float16)(found.right[p]), below = (float16)(found.below[p]);
                const float16 top = MULTIPLY_ADD(right, cell[1] - cell[0], cell[0]);
                const float16 bottom =
                    MULTIPLY_ADD(right, cell[STRIDE + 1] - cell[STRIDE], cell[STRIDE]);
                warped[p] = MULTIPLY_ADD(below, bottom - top, top) + map.poison;
            }
            write_plane(warped, WIDTH, D, count,
                        MEMBER(y, r) + (size_t)s * images * D + start);
        }
    }
}

/* The adjoint: y[s][n][q] = sum over pixels p with a neighbour q of weight x[n][p], in the order
 * of p.  -DSUM: y[n][q], summed over the samples too; one group of them then. */
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void warp_adjoint(TENSOR(const float, x), TENSOR(const float, t), TENSOR(float, y),
                           uint planes, uint images, uint samples, uint per_sample, uint group) {
    BEGIN
    float16 source[PIXELS], warped[CELLS];
    for (uint plane = 0; plane < planes; plane++) {
        const size_t start = first * D + plane * PIXELS;
        for (uint s = first_sample; s < last_sample; s++) {
            const pixel_map map = map_of(MEMBER(t, r) + 6 * s);
            find_neighbours(&map, &found);
            if (s == first_sample || per_sample)
                read_plane(MEMBER(x, r) + (size_t)s * per_sample + start, D, count, WIDTH, source);
#ifdef SUM
            if (s == first_sample) fill_cells(warped, 0.0f);
#else
            fill_cells(warped, map.poison);
#endif
            for (uint p = 0; p < PIXELS; p++) {
                float16 *cell = warped + found.cell[p];
                const float16 x_p = source[p], below = (float16)(found.below[p]);
                const float16 right = x_p * found.right[p], left = x_p - right;
                const float16 above = 1.0f - below;
                cell[0] = MULTIPLY_ADD(left, above, cell[0]);
                cell[1] = MULTIPLY_ADD(right, above, cell[1]);
                cell[STRIDE] = MULTIPLY_ADD(left, below, cell[STRIDE]);
                cell[STRIDE + 1] = MULTIPLY_ADD(right, below, cell[STRIDE + 1]);
            }
#ifdef SUM
            if (map.poison != 0.0f)
                for (uint c = 0; c < CELLS; c++) warped[c] += map.poison;
        }
        write_plane(INNER(warped), STRIDE, D, count, MEMBER(y, r) + start);
#else
            write_plane(INNER(warped), STRIDE, D, count,
                        MEMBER(y, r) + (size_t)s * images * D + start);
        }
#endif
    }
}

static float sum_of_lanes(float16 v) {
    float lane[16];
    vstore16(v, 0, lane);
    for (uint width = 8; width > 0; width /= 2)
        for (uint k = 0; k < width; k++) lane[k] += lane[k + width];
    return lane[0];
}

/* The derivative by t of the sum over n and p of x[n][p] y(n, T_s p), y interpolated: its part from
 * one block of images, parts[block][s][6]. */
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void warp_slopes(TENSOR(const float, x), TENSOR(const float, y), TENSOR(const float, t),
                          TENSOR(float, parts), uint planes, uint images, uint samples,
                          uint x_per_sample, uint y_per_sample, uint group) {
    BEGIN
    float16 weight[PIXELS], value[CELLS];
    fill_cells(value, 0.0f);
    for (uint s = first_sample; s < last_sample; s++) {
        const pixel_map map = map_of(MEMBER(t, r) + 6 * s);
        find_neighbours(&map, &found);
        float16 sum[6];
        for (uint k = 0; k < 6; k++) sum[k] = (float16)(0.0f);
        for (uint plane = 0; plane < planes; plane++) {
            const size_t start = first * D + plane * PIXELS;
            if (s == first_sample || planes > 1 || x_per_sample)
                read_plane(MEMBER(x, r) + (size_t)s * x_per_sample + start, D, count, WIDTH,
                           weight);
            if (s == first_sample || planes > 1 || y_per_sample)
                read_plane(MEMBER(y, r) + (size_t)s * y_per_sample + start, D, count, STRIDE,
                           INNER(value));
            for (uint i = 0; i < HEIGHT; i++) {
                const float16 row = (float16)(i - HALF_H);
                float16 du = (float16)(0.0f), dv = du, du_x = du, dv_x = du; /* of this row */
                for (uint j = 0; j < WIDTH; j++) {
                    const uint p = i * WIDTH + j;
                    const float16 *cell = value + found.cell[p];
                    const float16 right = (float16)(found.right[p]);
                    const float16 below = (float16)(found.below[p]);
                    const float16 across = cell[1] - cell[0], down = cell[STRIDE] - cell[0];
                    const float16 twist = (cell[STRIDE + 1] - cell[STRIDE]) - across;
                    const float16 u = weight[p] * MULTIPLY_ADD(below, twist, across);
                    const float16 v = weight[p] * MULTIPLY_ADD(right, twist, down);
                    const float16 x_p = (float16)(j - HALF_W);
                    du += u;
                    dv += v;
                    du_x = MULTIPLY_ADD(x_p, u, du_x);
                    dv_x = MULTIPLY_ADD(x_p, v, dv_x);
                }
                sum[0] += du_x;
                sum[1] = MULTIPLY_ADD(row, du, sum[1]);
                sum[2] += du;
                sum[3] += dv_x;
                sum[4] = MULTIPLY_ADD(row, dv, sum[4]);
                sum[5] += dv;
            }
        }
        float total[6];
        for (uint k = 0; k < 6; k++) total[k] = sum_of_lanes(sum[k]);
        scale_to_t(total);
        __global float *part = MEMBER(parts, r) + (get_global_id(0) * samples + s) * 6;
        for (uint k = 0; k < 6; k++) part[k] = total[k] + map.poison;
    }
}

/* Convolutions as matrix products whose operand is read where it lies in the images, for devices
 * with caches and wide vectors (CPUs):  y[p][o] = sum over k of x[p + offsets[k]] weights[k][o].
 *
 * One work-item computes a tile of MR positions and NV vectors of VW output channels, held in
 * registers for the whole sum over k: parts of the window, channel by channel. Nothing is unfolded,
 * and no lane is wasted on the ends of short rows. Tiles are turned over and collected, so that
 * images stay planes of pixels and are written in whole lines: planes of a power of two of pixels
 * would drive one another out of the cache.
 *
 * -DMR -DNV -DVW   the tile
 * -DTILES=n        at most, of a work-item
 * -DACTIVATION=n -DGATE=n   what ends the sums; the gate lies like the result */
#include "product_end.cl"

DEFINE_ACTIVATION(number, float, as_float, as_uint)
DEFINE_GATE(number, float)
DEFINE_GATE(vector, vector)
#if VW == 1
DEFINE_ACTIVATION(vector, vector, as_float, as_uint)
#else
DEFINE_ACTIVATION(vector, vector, PASTE(as_float, VW), PASTE(as_uint, VW))
#endif

#define PANEL (NV * VW)

/* A row of n floats: whole vectors, the last one of which begins early enough to end with it. */
static void copy_row(__global const float *in, __global float *out, uint n) {
    if (n < VW) {
        for (uint j = 0; j < n; j++) out[j] = in[j];
        return;
    }
    for (uint j = 0; j + VW < n; j += VW) STORE(LOAD(in + j), out + j);
    STORE(LOAD(in + n - VW), out + n - VW);
}

/* Surrounds images with zeros: planes of size_y x size_x from those of pixels_y x pixels_x, which
 * begin at (before_y, before_x), and the last one with `reach` more. What does not fit is left out.
 * Work-items: (planes, members). */
__kernel void surround(TENSOR(const float, x), TENSOR(float, surrounded), uint planes, uint pixels_y,
                       uint pixels_x, uint before_y, uint before_x, uint size_y, uint size_x,
                       uint reach) {
    const uint plane = get_global_id(0), r = get_global_id(1);
    if (plane >= planes) return;
    __global const float *in = MEMBER(x, r) + (size_t)plane * pixels_y * pixels_x;
    __global float *out = MEMBER(surrounded, r) + (size_t)plane * size_y * size_x;
    const uint end_y = min(before_y + pixels_y, size_y), end_x = min(before_x + pixels_x, size_x);
    for (uint i = 0; i < min(before_y, size_y) * size_x; i++) out[i] = 0.0f;
    for (uint i = before_y; i < end_y; i++) {
        __global float *row = out + (size_t)i * size_x;
        for (uint j = 0; j < min(before_x, size_x); j++) row[j] = 0.0f;
        if (before_x < end_x)
            copy_row(in + (size_t)(i - before_y) * pixels_x, row + before_x, end_x - before_x);
        for (uint j = max(before_x, end_x); j < size_x; j++) row[j] = 0.0f;
    }
    const uint end = size_y * size_x + (plane == planes - 1 ? reach : 0);
    for (uint i = max(before_y, end_y) * size_x; i < end; i++) out[i] = 0.0f;
}

/* Weights as the products read them: packed [groups, panels][1 + k][PANEL], first the bias or zeros,
 * and zeros past a group's channels.  Channel o of a group has its weight number k at
 * o channel_stride + places[k], and its group begins at group_stride.
 * Work-items: (blocks of 16 k, groups x panels, members). */
__kernel void pack_weights(TENSOR(const float, w), TENSOR(float, packed),
#ifdef BIAS
                           TENSOR(const float, bias),
#endif
                           __global const uint *restrict places, uint k, uint panels,
                           uint all_panels, uint channels, uint channel_stride, uint group_stride) {
    const uint block = get_global_id(0), panel = get_global_id(1), r = get_global_id(2);
    if (block * 16 >= max(k, 1u) || panel >= all_panels) return;
    const uint group = panel / panels, column = (panel - group * panels) * PANEL;
    __global const float *source = MEMBER(w, r) + (size_t)group * group_stride;
    __global float *out = MEMBER(packed, r) + (size_t)panel * (1 + k) * PANEL;
    for (uint v = 0; v < PANEL; v++) {
        const uint o = column + v;
        if (block == 0) {
#ifdef BIAS
            out[v] = o < channels ? MEMBER(bias, r)[group * channels + o] : 0.0f;
#else
            out[v] = 0.0f;
#endif
        }
        for (uint q = block * 16; q < min(block * 16 + 16, k); q++)
            out[(size_t)(1 + q) * PANEL + v] =
                o < channels ? source[(size_t)o * channel_stride + places[q]] : 0.0f;
    }
}

/* What a work-item has computed: channels of its positions side by side, before they go where they
 * belong in whole lines. */
#define BLOCK (TILES * MR)

#if VW == 16
/* Pairs of a and b: in channels 0, 1, 4, 5, ..., and in those between. A swizzle is one instruction. */
#define LOW_PAIRS(a, b)                                                                            \
    (float16)(a.s0, b.s0, a.s1, b.s1, a.s4, b.s4, a.s5, b.s5, a.s8, b.s8, a.s9, b.s9, a.sc, b.sc,  \
              a.sd, b.sd)
#define HIGH_PAIRS(a, b)                                                                           \
    (float16)(a.s2, b.s2, a.s3, b.s3, a.s6, b.s6, a.s7, b.s7, a.sa, b.sa, a.sb, b.sb, a.se, b.se,  \
              a.sf, b.sf)
#define LOW_QUADS(ab, cd)                                                                          \
    (float16)(ab.s01, cd.s01, ab.s45, cd.s45, ab.s89, cd.s89, ab.scd, cd.scd)
#define HIGH_QUADS(ab, cd)                                                                         \
    (float16)(ab.s23, cd.s23, ab.s67, cd.s67, ab.sab, cd.sab, ab.sef, cd.sef)

/* Neighbouring positions of channels c, c + 4, ...; of c, c + 1, c + 4, c + 5, ... */
#define KEEP_QUADS(value, c)                                                                       \
    {                                                                                              \
        const float16 quads = value;                                                               \
        vstore4(quads.s0123, 0, out + (c) * BLOCK);                                                \
        vstore4(quads.s4567, 0, out + (c + 4) * BLOCK);                                            \
        vstore4(quads.s89ab, 0, out + (c + 8) * BLOCK);                                            \
        vstore4(quads.scdef, 0, out + (c + 12) * BLOCK);                                           \
    }
#define KEEP_PAIRS(value, c)                                                                       \
    {                                                                                              \
        const float16 pairs = value;                                                               \
        vstore2(pairs.s01, 0, out + (c) * BLOCK);                                                  \
        vstore2(pairs.s23, 0, out + (c + 1) * BLOCK);                                              \
        vstore2(pairs.s45, 0, out + (c + 4) * BLOCK);                                              \
        vstore2(pairs.s67, 0, out + (c + 5) * BLOCK);                                              \
        vstore2(pairs.s89, 0, out + (c + 8) * BLOCK);                                              \
        vstore2(pairs.sab, 0, out + (c + 9) * BLOCK);                                              \
        vstore2(pairs.scd, 0, out + (c + 12) * BLOCK);                                             \
        vstore2(pairs.sef, 0, out + (c + 13) * BLOCK);                                             \
    }

/* 16 channels of four positions, or of two. */
__attribute__((always_inline)) static void keep_four(float16 a, float16 b, float16 c, float16 d,
                                                     float *out) {
    const float16 ab_low = LOW_PAIRS(a, b), ab_high = HIGH_PAIRS(a, b);
    const float16 cd_low = LOW_PAIRS(c, d), cd_high = HIGH_PAIRS(c, d);
    KEEP_QUADS(LOW_QUADS(ab_low, cd_low), 0)
    KEEP_QUADS(HIGH_QUADS(ab_low, cd_low), 1)
    KEEP_QUADS(LOW_QUADS(ab_high, cd_high), 2)
    KEEP_QUADS(HIGH_QUADS(ab_high, cd_high), 3)
}

__attribute__((always_inline)) static void keep_two(float16 a, float16 b, float *out) {
    KEEP_PAIRS(LOW_PAIRS(a, b), 0)
    KEEP_PAIRS(HIGH_PAIRS(a, b), 2)
}
#endif

/* Where the outputs of images lie: a grid in each. */
typedef struct {
    uint positions;                      /* of all images, image by image and row by row */
    uint grid_y, grid_x;                 /* of an image */
    uint image, step_y, step_x;          /* steps in x, from image to image and from output to output */
    uint out_image, out_y, out_x, plane; /* in y, and from channel to channel */
} grid;

/* A tile whose first position is `begin`: out[c][m] of PANEL channels and MR positions. */
static void compute_tile(const grid *g, uint begin, __global const float *x,
                         __global const float *weights, __global const uint *offsets, uint k,
                         float *out) {
    size_t rows[MR]; /* past the end the last position is repeated */
    const uint of_image = g->grid_y * g->grid_x;
    uint b = begin / of_image, j = begin - b * of_image, i = j / g->grid_x;
    j -= i * g->grid_x;
    _Pragma("unroll") for (uint m = 0; m < MR; m++) {
        rows[m] = (size_t)b * g->image + (size_t)i * g->step_y + (size_t)j * g->step_x;
        if (begin + m + 1 >= g->positions) continue;
        if (++j < g->grid_x) continue;
        j = 0;
        if (++i < g->grid_y) continue;
        i = 0;
        b++;
    }

    vector sum[MR][NV];
    _Pragma("unroll") for (uint v = 0; v < NV; v++) {
        sum[0][v] = LOAD(weights + v * VW);
        _Pragma("unroll") for (uint m = 1; m < MR; m++) sum[m][v] = sum[0][v];
    }
    for (uint q = 0; q < k; q++) {
        weights += PANEL;
        __global const float *at = x + offsets[q];
        vector right[NV];
        _Pragma("unroll") for (uint v = 0; v < NV; v++) right[v] = LOAD(weights + v * VW);
        _Pragma("unroll") for (uint m = 0; m < MR; m++) {
            const vector left = (vector)(at[rows[m]]);
            _Pragma("unroll") for (uint v = 0; v < NV; v++) sum[m][v] =
                MULTIPLY_ADD(left, right[v], sum[m][v]);
        }
    }

#if VW == 16
    _Pragma("unroll") for (uint v = 0; v < NV; v++, out += VW * BLOCK) {
        _Pragma("unroll") for (uint m = 0; m + 4 <= MR; m += 4)
            keep_four(sum[m][v], sum[m + 1][v], sum[m + 2][v], sum[m + 3][v], out + m);
        if (MR % 4 == 2) keep_two(sum[MR - 2][v], sum[MR - 1][v], out + MR - 2);
    }
#else
    _Pragma("unroll") for (uint m = 0; m < MR; m++)
        _Pragma("unroll") for (uint v = 0; v < NV; v++) {
            float lanes[VW];
            SPREAD(sum[m][v], lanes);
            for (uint c = 0; c < VW; c++) out[(v * VW + c) * BLOCK + m] = lanes[c];
        }
#endif
}

/* n positions of one channel, through the activation and the gate, to where they belong. */
static void put_run(const float *in, uint n, uint step, __global float *out,
                    __global const float *gate) {
    uint i = 0;
    for (; step == 1 && i + VW <= n; i += VW) {
        vector value = LOAD(in + i);
        ACTIVATE_RESULT(activate_vector, value)
        GATE_RESULT(pass_vector, value, LOAD(gate + i))
        STORE(value, out + i);
    }
    for (; i < n; i++) {
        float value = in[i];
        ACTIVATE_RESULT(activate_number, value)
        GATE_RESULT(pass_number, value, gate[(size_t)i * step])
        out[(size_t)i * step] = value;
    }
}

/* A work-item computes `tiles` tiles, at most TILES.
 * Work-items: (blocks of tiles, groups x panels, members). */
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void convolve_direct(TENSOR(const float, x), TENSOR(const float, packed), TENSOR(float, y),
#ifdef GATE
                              TENSOR(const float, gate),
#endif
                              __global const uint *restrict offsets, uint k, uint panels,
                              uint channels, uint tiles, uint positions, uint grid_y, uint grid_x,
                              uint image, uint group_step, uint step_y, uint step_x, uint out_image,
                              uint out_plane, uint out_y, uint out_x) {
    const size_t r = get_global_id(2);
    const uint panel = get_global_id(1), first = get_global_id(0) * tiles * MR;
    const uint group = panel / panels, column = (panel - group * panels) * PANEL;
    const size_t first_plane = (size_t)(group * channels + column) * out_plane;
    __global const float *images = MEMBER(x, r) + (size_t)group * group_step;
    __global const float *weights = MEMBER(packed, r) + (size_t)panel * (1 + k) * PANEL;
    const grid g = {positions, grid_y,    grid_x, image, step_y,
                    step_x,    out_image, out_y,  out_x, out_plane};
    const uint end = min(first + tiles * MR, positions), n_columns = min((uint)PANEL, channels - column);
    float block[PANEL * BLOCK];
    for (uint begin = first; begin < end; begin += MR)
        compute_tile(&g, begin, images, weights, offsets, k, block + (begin - first));

    /* Rows of outputs that follow one another are one run, up to the end of the image. */
    const bool dense = out_x == 1 && out_y == grid_x;
    const uint of_image = grid_y * grid_x, run = dense ? of_image : grid_x;
    for (uint p = first, n; p < end; p += n) {
        const uint b = p / of_image, at = p - b * of_image, i = at / run, j = at - i * run;
        n = min(end - p, run - j);
        const size_t place =
            first_plane + (size_t)b * out_image + (size_t)i * out_y + (size_t)j * out_x;
        for (uint c = 0; c < n_columns; c++) {
            const float *in = block + c * BLOCK + (p - first);
            __global float *out = MEMBER(y, r) + place + (size_t)c * out_plane;
#ifdef GATE
            __global const float *gates = MEMBER(gate, r) + place + (size_t)c * out_plane;
#else
            __global const float *gates = 0;
#endif
            put_run(in, n, out_x, out, gates);
        }
    }
}

/* ------------------------------------------------------------------ few channels */

/* Where channels would leave most lanes idle, vectors lie along rows instead: a work-item computes a
 * plane of outputs, ROWS rows of a vector at a time, from weights where they lie. It reads up to a
 * vector's lanes past the end of the images. */
#define ROWS 4

/* VW values, STEP apart. */
#if STEP == 2 && VW > 1
static vector load_row(__global const float *p) {
    const vector a = LOAD(p), b = LOAD(p + VW - 1);
    return (vector)(a.even, b.odd);
}
#elif STEP > 1 && VW > 1
static vector load_row(__global const float *p) {
    float lanes[VW];
    for (uint v = 0; v < VW; v++) lanes[v] = p[v * STEP];
    return PASTE(vload, VW)(0, lanes);
}
#else
#define load_row(p) LOAD(p)
#endif

#ifdef STEP
/* Channel o of a group has its weight number k at o channel_stride + weight_places[k], and its group
 * begins at weight_group. Otherwise as above.  Work-items: (images x groups x channels, members). */
__kernel void convolve_rows(TENSOR(const float, x), TENSOR(const float, w), TENSOR(float, y),
#ifdef BIAS
                            TENSOR(const float, bias),
#endif
#ifdef GATE
                            TENSOR(const float, gate),
#endif
                            __global const uint *restrict offsets,
                            __global const uint *restrict weight_places, uint k,
                            uint channel_stride, uint weight_group, uint groups, uint channels,
                            uint images, uint grid_y, uint grid_x, uint image, uint group_step,
                            uint step_y, uint out_image, uint out_plane, uint out_y, uint out_x) {
    const uint plane = get_global_id(0), r = get_global_id(1);
    const uint all = groups * channels;
    if (plane >= images * all) return;
    const uint b = plane / all, channel = plane - b * all, group = channel / channels;
    __global const float *in = MEMBER(x, r) + (size_t)b * image + (size_t)group * group_step;
    __global const float *weights = MEMBER(w, r) + (size_t)group * weight_group +
                                    (size_t)(channel - group * channels) * channel_stride;
    const size_t begin = (size_t)b * out_image + (size_t)channel * out_plane;
    __global float *out = MEMBER(y, r) + begin;
    for (uint i = 0; i < grid_y; i += ROWS)
        for (uint j = 0; j < grid_x; j += VW) {
            size_t rows[ROWS]; /* past the end the last one is repeated */
            vector sum[ROWS];
            _Pragma("unroll") for (uint m = 0; m < ROWS; m++) {
                rows[m] = (size_t)min(i + m, grid_y - 1) * step_y + (size_t)j * STEP;
#ifdef BIAS
                sum[m] = (vector)(MEMBER(bias, r)[channel]);
#else
                sum[m] = (vector)(0.0f);
#endif
            }
            for (uint q = 0; q < k; q++) {
                __global const float *at = in + offsets[q];
                const vector weight = (vector)(weights[weight_places[q]]);
                _Pragma("unroll") for (uint m = 0; m < ROWS; m++) sum[m] =
                    MULTIPLY_ADD(weight, load_row(at + rows[m]), sum[m]);
            }
            const uint n_rows = min((uint)ROWS, grid_y - i), n_columns = min((uint)VW, grid_x - j);
            _Pragma("unroll") for (uint m = 0; m < ROWS; m++) {
                if (m >= n_rows) break;
                ACTIVATE_RESULT(activate_vector, sum[m])
                const size_t first = (size_t)(i + m) * out_y + (size_t)j * out_x;
                if (n_columns == VW && out_x == 1) {
                    GATE_RESULT(pass_vector, sum[m], LOAD(MEMBER(gate, r) + begin + first))
                    STORE(sum[m], out + first);
                    continue;
                }
                float lanes[VW];
                SPREAD(sum[m], lanes);
                for (uint v = 0; v < n_columns; v++) {
                    const size_t place = first + (size_t)v * out_x;
                    GATE_RESULT(pass_number, lanes[v], MEMBER(gate, r)[begin + place])
                    out[place] = lanes[v];
                }
            }
        }
}
#endif

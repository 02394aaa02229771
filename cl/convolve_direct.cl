/* Convolutions as matrix products whose operand is read where it lies in the images, for devices
 * with caches and wide vectors (CPUs):  y[p][o] = sum over k of x[p + offsets[k]] weights[k][o].
 *
 * One work-item computes a tile of MR positions and NV vectors of VW output channels, held in
 * registers for the whole sum over k: parts of the window, channel by channel. Nothing is unfolded,
 * and no lane is wasted on the ends of short rows. The tile is turned over as it is stored, so that
 * images stay planes of pixels.
 *
 * -DMR -DNV -DVW   the tile
 * -DACTIVATION=n -DGATE=n   what ends the sums; the gate lies like the result */
#include "product_end.cl"

#if VW == 16
#define WIDE_VECTORS
#endif
#include "transpose.cl"

DEFINE_GATE(number, float)
#if VW == 1
DEFINE_ACTIVATION(vector, vector, as_float, as_uint)
#else
DEFINE_ACTIVATION(vector, vector, PASTE(as_float, VW), PASTE(as_uint, VW))
#endif

#define PANEL (NV * VW)

/* What surrounds an image with zeros: rows of `size_x` from an image of pixels_y x pixels_x, which
 * begins at (before_y, before_x).  Work-items: (rows, planes, members). */
__kernel void surround(TENSOR(const float, x), TENSOR(float, surrounded), uint planes, uint pixels_y,
                       uint pixels_x, uint before_y, uint before_x, uint size_y, uint size_x) {
    const uint row = get_global_id(0), plane = get_global_id(1), r = get_global_id(2);
    if (row >= size_y || plane >= planes) return;
    __global float *out = MEMBER(surrounded, r) + ((size_t)plane * size_y + row) * size_x;
    const uint py = row - before_y;
    if (py >= pixels_y) {
        for (uint j = 0; j < size_x; j++) out[j] = 0.0f;
        return;
    }
    __global const float *in = MEMBER(x, r) + ((size_t)plane * pixels_y + py) * pixels_x;
    const uint first = min(before_x, size_x), end = min(before_x + pixels_x, size_x);
    for (uint j = 0; j < first; j++) out[j] = 0.0f;
    for (uint j = first; j < end; j++) out[j] = in[j - before_x];
    for (uint j = end; j < size_x; j++) out[j] = 0.0f;
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

/* `positions`: of all images, image by image, each a grid_y x grid_x; they lie step_y and step_x apart
 * in x, out_y and out_x apart in y.
 * Work-items: (tiles of positions, groups x panels, members). */
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void convolve_direct(TENSOR(const float, x), TENSOR(const float, packed), TENSOR(float, y),
#ifdef GATE
                              TENSOR(const float, gate),
#endif
                              __global const uint *restrict offsets, uint k, uint panels,
                              uint channels, uint positions, uint grid_y, uint grid_x, uint image,
                              uint group_step, uint step_y, uint step_x, uint out_image,
                              uint out_plane, uint out_y, uint out_x) {
    const size_t r = get_global_id(2);
    const uint panel = get_global_id(1), first = get_global_id(0) * MR;
    const uint group = panel / panels, column = (panel - group * panels) * PANEL;

    /* Past the end the last position is repeated. */
    size_t rows[MR], places[MR];
    const uint count = min((uint)MR, positions - first);
    uint b = first / (grid_y * grid_x), j = first - b * (grid_y * grid_x), i = j / grid_x;
    j -= i * grid_x;
    _Pragma("unroll") for (uint m = 0; m < MR; m++) {
        rows[m] = (size_t)b * image + (size_t)i * step_y + (size_t)j * step_x;
        places[m] = (size_t)b * out_image + (size_t)i * out_y + (size_t)j * out_x;
        if (m + 1 >= count) continue;
        if (++j < grid_x) continue;
        j = 0;
        if (++i < grid_y) continue;
        i = 0;
        b++;
    }

    __global const float *images = MEMBER(x, r) + (size_t)group * group_step;
    __global const float *weights = MEMBER(packed, r) + (size_t)panel * (1 + k) * PANEL;
    vector sum[MR][NV];
    _Pragma("unroll") for (uint v = 0; v < NV; v++) {
        sum[0][v] = LOAD(weights + v * VW);
        _Pragma("unroll") for (uint m = 1; m < MR; m++) sum[m][v] = sum[0][v];
    }
    for (uint q = 0; q < k; q++) {
        weights += PANEL;
        __global const float *at = images + offsets[q];
        vector right[NV];
        _Pragma("unroll") for (uint v = 0; v < NV; v++) right[v] = LOAD(weights + v * VW);
        _Pragma("unroll") for (uint m = 0; m < MR; m++) {
            const vector left = (vector)(at[rows[m]]);
            _Pragma("unroll") for (uint v = 0; v < NV; v++) sum[m][v] =
                MULTIPLY_ADD(left, right[v], sum[m][v]);
        }
    }

    float tile[MR][PANEL];
    _Pragma("unroll") for (uint m = 0; m < MR; m++)
        _Pragma("unroll") for (uint v = 0; v < NV; v++) {
            ACTIVATE_RESULT(activate_vector, sum[m][v])
            SPREAD(sum[m][v], &tile[m][v * VW]);
        }
    const uint n_columns = min((uint)PANEL, channels - column);
    __global float *out = MEMBER(y, r) + (size_t)(group * channels + column) * out_plane;
#ifdef GATE
    __global const float *gates = MEMBER(gate, r) + (size_t)(group * channels + column) * out_plane;
#endif
    for (uint c = 0; c < n_columns; c++)
        for (uint m = 0; m < count; m++) {
            const size_t place = (size_t)c * out_plane + places[m];
            float value = tile[m][c];
            GATE_RESULT(pass_number, value, gates[place])
            out[place] = value;
        }
}

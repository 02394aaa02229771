/* Convolutions around matrix products, and those of groups of few channels.
 *
 * x [B, C, H, W], y [B, O, H', W'], w [O, C / groups, SIZE_Y, SIZE_X]. An unfolded image has a row of
 * H' W' pixels for each channel and part of the window, so that y = w unfolded(x), and dx is
 * w^T dy folded back.
 *
 * -DBIAS -DACTIVATION=n -DGATE=n   what ends a result, in that order; gates lie like the result */
#include "product_end.cl"
#include "window.cl"

DEFINE_ACTIVATION(number, float, as_float, as_uint)
DEFINE_GATE(number, float)

/* unfolded[b][(c, s, t)][i, j] = x[b][c] at the pixel of output (i, j) under part (s, t), or 0.
 * Images of x lie image_stride apart.  Work-items: (outputs, images x channels x parts, members). */
__kernel void unfold(TENSOR(const float, x), TENSOR(float, unfolded), uint images, uint channels,
                     uint image_stride, WINDOW_ARGUMENTS) {
    const uint o = get_global_id(0), row = get_global_id(1), r = get_global_id(2);
    const uint rows = channels * SIZE_Y * SIZE_X;
    if (o >= outputs_y * outputs_x || row >= images * rows) return;
    const uint i = o / outputs_x, j = o - i * outputs_x;
    const uint b = row / rows, k = row - b * rows;
    const uint c = k / (SIZE_Y * SIZE_X), part = k - c * (SIZE_Y * SIZE_X);
    const uint s = part / SIZE_X, t = part - s * SIZE_X;
    const uint py = PIXEL(y, i, s), px = PIXEL(x, j, t);
    __global const float *plane =
        MEMBER(x, r) + (size_t)b * image_stride + (size_t)c * pixels_y * pixels_x;
    MEMBER(unfolded, r)[(size_t)row * outputs_y * outputs_x + o] =
        py < pixels_y && px < pixels_x ? plane[py * pixels_x + px] : 0.0f;
}

/* dx[b][c][p] = sum over the parts (s, t) of unfolded[b][(c, s, t)] at the output whose window has
 * that part on p.  Work-items: (pixels, images x channels, members). */
__kernel void fold(TENSOR(const float, unfolded), TENSOR(float, dx),
#ifdef GATE
                   TENSOR(const float, gate),
#endif
                   uint images, uint channels, uint image_stride, WINDOW_ARGUMENTS) {
    const uint p = get_global_id(0), row = get_global_id(1), r = get_global_id(2);
    if (p >= pixels_y * pixels_x || row >= images * channels) return;
    const uint py = p / pixels_x, px = p - py * pixels_x;
    const uint b = row / channels, c = row - b * channels;
    const size_t n_outputs = (size_t)outputs_y * outputs_x;
    __global const float *from = MEMBER(unfolded, r) + (size_t)row * SIZE_Y * SIZE_X * n_outputs;
    float sum = 0.0f;
    for (uint s = 0; s < SIZE_Y; s++)
        for (uint t = 0; t < SIZE_X; t++) {
            const uint i = OUTPUT(y, py, s), j = OUTPUT(x, px, t);
            if (i < outputs_y && j < outputs_x)
                sum += from[(s * SIZE_X + t) * n_outputs + i * outputs_x + j];
        }
    const size_t place = (size_t)b * image_stride + (size_t)c * pixels_y * pixels_x + p;
    GATE_RESULT(pass_number, sum, MEMBER(gate, r)[place])
    MEMBER(dx, r)[place] = sum;
}

#ifdef VW
#if VW == 1
DEFINE_ACTIVATION(vector, vector, as_float, as_uint)
#else
DEFINE_ACTIVATION(vector, vector, PASTE(as_float, VW), PASTE(as_uint, VW))
#endif

/* y = activation(y + bias), in place.  y [images, channels, n], `block` entries a work-item.
 * Work-items: (ceil(n / block), images x channels, members). */
__kernel void finish(TENSOR(float, y),
#ifdef BIAS
                     TENSOR(const float, bias),
#endif
                     uint n, uint planes, uint channels, uint block) {
    const uint first = get_global_id(0) * block, plane = get_global_id(1), r = get_global_id(2);
    if (first >= n || plane >= planes) return;
    const uint end = min(first + block, n);
    __global float *entries = MEMBER(y, r) + (size_t)plane * n;
#ifdef BIAS
    const float shift = MEMBER(bias, r)[plane % channels];
#endif
    uint i = first;
    for (; i + VW <= end; i += VW) {
        vector value = LOAD(entries + i);
        ADD_BIAS(value, (vector)(shift))
        ACTIVATE_RESULT(activate_vector, value)
        STORE(value, entries + i);
    }
    for (; i < end; i++) {
        float value = entries[i];
        ADD_BIAS(value, shift)
        ACTIVATE_RESULT(activate_number, value)
        entries[i] = value;
    }
}
#endif

/* Groups of few channels: y[b][o] = sum over the channels of o's group and the parts of the window.
 * Work-items: (outputs, images x output channels, members). */
__kernel void convolve_planes(TENSOR(const float, x), TENSOR(const float, w), TENSOR(float, y),
#ifdef BIAS
                              TENSOR(const float, bias),
#endif
                              uint images, uint groups, uint group_inputs, uint group_outputs,
                              WINDOW_ARGUMENTS) {
    const uint out = get_global_id(0), row = get_global_id(1), r = get_global_id(2);
    const uint n_o = groups * group_outputs;
    if (out >= outputs_y * outputs_x || row >= images * n_o) return;
    const uint i = out / outputs_x, j = out - i * outputs_x;
    const uint b = row / n_o, o = row - b * n_o, group = o / group_outputs;
    __global const float *weight = MEMBER(w, r) + (size_t)o * group_inputs * SIZE_Y * SIZE_X;
    __global const float *plane =
        MEMBER(x, r) + (size_t)(b * groups + group) * group_inputs * pixels_y * pixels_x;
    float sum = 0.0f;
    for (uint c = 0; c < group_inputs; c++, plane += pixels_y * pixels_x)
        for (uint s = 0; s < SIZE_Y; s++)
            for (uint t = 0; t < SIZE_X; t++, weight++) {
                const uint py = PIXEL(y, i, s), px = PIXEL(x, j, t);
                if (py < pixels_y && px < pixels_x)
                    sum = MULTIPLY_ADD(*weight, plane[py * pixels_x + px], sum);
            }
    FINISH_PRODUCT(number, sum, MEMBER(bias, r)[o], 0.0f)
    MEMBER(y, r)[(size_t)row * outputs_y * outputs_x + out] = sum;
}

/* Their derivative: dx[b][c] = sum over the outputs of c's group and the parts of the window.
 * Work-items: (pixels, images x input channels, members). */
__kernel void convolve_planes_gradient(TENSOR(const float, dy), TENSOR(const float, w),
                                       TENSOR(float, dx),
#ifdef GATE
                                       TENSOR(const float, gate),
#endif
                                       uint images, uint groups, uint group_inputs,
                                       uint group_outputs, WINDOW_ARGUMENTS) {
    const uint p = get_global_id(0), row = get_global_id(1), r = get_global_id(2);
    const uint n_c = groups * group_inputs;
    if (p >= pixels_y * pixels_x || row >= images * n_c) return;
    const uint py = p / pixels_x, px = p - py * pixels_x;
    const uint b = row / n_c, in = row - b * n_c, group = in / group_inputs;
    const uint c = in - group * group_inputs, size = SIZE_Y * SIZE_X;
    const size_t n_outputs = (size_t)outputs_y * outputs_x;
    const uint first = group * group_outputs;
    float sum = 0.0f;
    for (uint o = first; o < first + group_outputs; o++) {
        __global const float *weight = MEMBER(w, r) + ((size_t)o * group_inputs + c) * size;
        __global const float *plane =
            MEMBER(dy, r) + ((size_t)b * groups * group_outputs + o) * n_outputs;
        for (uint s = 0; s < SIZE_Y; s++)
            for (uint t = 0; t < SIZE_X; t++, weight++) {
                const uint i = OUTPUT(y, py, s), j = OUTPUT(x, px, t);
                if (i < outputs_y && j < outputs_x)
                    sum = MULTIPLY_ADD(*weight, plane[i * outputs_x + j], sum);
            }
    }
    const size_t place = (size_t)row * pixels_y * pixels_x + p;
    GATE_RESULT(pass_number, sum, MEMBER(gate, r)[place])
    MEMBER(dx, r)[place] = sum;
}

/* Pooling of images [B, C, H, W], and its derivatives. Planes are the B C images of one channel.
 * Work-items: (pixels or outputs of a plane, planes, members); of kernels by planes, which suit CPUs,
 * (planes, members). */
#include "window.cl"

/* y: the largest value of each window; chosen: its pixel, the first one among equals, or a NaN. */
__kernel void max_pool(TENSOR(const float, x), TENSOR(float, y), TENSOR(int, chosen), uint planes,
                       WINDOW_ARGUMENTS) {
    const uint o = get_global_id(0), plane = get_global_id(1), r = get_global_id(2);
    if (o >= outputs_y * outputs_x || plane >= planes) return;
    const uint i = o / outputs_x, j = o - i * outputs_x;
    __global const float *image = MEMBER(x, r) + (size_t)plane * pixels_y * pixels_x;
    float largest = -INFINITY;
    uint at = pixels_y * pixels_x; /* none yet */
    for (uint s = 0; s < SIZE_Y; s++)
        for (uint t = 0; t < SIZE_X; t++) {
            const uint py = PIXEL(y, i, s), px = PIXEL(x, j, t);
            if (py >= pixels_y || px >= pixels_x) continue;
            const float value = image[py * pixels_x + px];
            if (at < pixels_y * pixels_x && !(value > largest) && value == value) continue;
            largest = value;
            at = py * pixels_x + px;
        }
    const size_t place = (size_t)plane * outputs_y * outputs_x + o;
    MEMBER(y, r)[place] = largest;
    MEMBER(chosen, r)[place] = at;
}

/* dx[p] = sum of dy over the outputs that chose p, in their order. `products` planes of dy share one
 * of `chosen`: gradients lie [B, products, C, H', W']. */
__kernel void max_pool_gradient(TENSOR(const float, dy), TENSOR(const int, chosen),
                                TENSOR(float, dx), uint planes, uint channels, uint products,
                                WINDOW_ARGUMENTS) {
    const uint p = get_global_id(0), plane = get_global_id(1), r = get_global_id(2);
    if (p >= pixels_y * pixels_x || plane >= planes) return;
    const uint image = plane / channels, channel = plane - image * channels;
    const size_t n_outputs = (size_t)outputs_y * outputs_x;
    __global const int *choice =
        MEMBER(chosen, r) + ((size_t)(image / products) * channels + channel) * n_outputs;
    __global const float *gradient = MEMBER(dy, r) + plane * n_outputs;
    const uint py = p / pixels_x, px = p - py * pixels_x;
    float sum = 0.0f;
    for (uint s = SIZE_Y; s-- > 0;)
        for (uint t = SIZE_X; t-- > 0;) {
            const uint i = OUTPUT(y, py, s), j = OUTPUT(x, px, t);
            if (i >= outputs_y || j >= outputs_x) continue;
            const size_t o = (size_t)i * outputs_x + j;
            if (choice[o] == (int)p) sum += gradient[o];
        }
    MEMBER(dx, r)[(size_t)plane * pixels_y * pixels_x + p] = sum;
}

/* How many parts of output i's window lie inside the image. */
static uint count_inside(uint i, uint size, uint pixels, uint stride, uint dilation, uint before) {
    uint count = 0;
    for (uint t = 0; t < size; t++) count += i * stride + t * dilation - before < pixels;
    return count;
}
#ifdef COUNT_PADDING
#define DIVISOR(i, j) (SIZE_Y * SIZE_X)
#else
#define DIVISOR(i, j)                                                                              \
    (count_inside(i, SIZE_Y, pixels_y, stride_y, dilation_y, before_y) *                           \
     count_inside(j, SIZE_X, pixels_x, stride_x, dilation_x, before_x))
#endif

#ifdef VW
/* VW pixels, STEP apart. */
#if STEP == 1
#define load_pixels(p) LOAD(p)
#elif STEP == 2
static vector load_pixels(__global const float *p) {
    const vector a = LOAD(p), b = LOAD(p + VW - 1);
    return (vector)(a.even, b.odd);
}
#else
static vector load_pixels(__global const float *p) {
    float pixels[VW];
    for (uint v = 0; v < VW; v++) pixels[v] = p[v * STEP];
    return PASTE(vload, VW)(0, pixels);
}
#endif
typedef PASTE(int, VW) integers;
typedef integers loose_integers __attribute__((aligned(4)));

/* The outputs of a row whose windows have part t on a pixel: from *first to before *end. */
static void find_outputs(uint t, uint pixels, uint outputs, uint stride, uint dilation, uint before,
                         uint *first, uint *end) {
    const uint part = t * dilation, last = pixels + before;
    *first = min(part < before ? (before - part + stride - 1) / stride : 0, outputs);
    *end = part < last ? min((last - part - 1) / stride + 1, outputs) : 0;
}
#define OUTPUTS_OF_PART(t, first, end)                                                             \
    uint first, end;                                                                               \
    find_outputs(t, pixels_x, outputs_x, stride_x, dilation_x, before_x, &first, &end)

/* One part of the windows of a row: larger values take their places. Twice does no harm, so that the
 * last vector may begin before the one before it ends.  steps: from the first of a vector's pixels
 * to each of them. */
static void take_larger(__global const float *row, uint pixel, integers steps, uint n,
                        __global float *y, __global int *chosen) {
    if (n < VW) {
        for (uint j = 0; j < n; j++) {
            const float value = row[j * STEP];
            if (!(value > y[j]) && value == value && chosen[j] >= 0) continue;
            y[j] = value;
            chosen[j] = pixel + j * STEP;
        }
        return;
    }
    for (uint next = 0; next < n; next += VW) {
        const uint j = min(next, n - VW);
        const vector value = load_pixels(row + j * STEP), before = LOAD(y + j);
        __global loose_integers *places = (__global loose_integers *)(chosen + j);
        const integers there = *places;
        const integers better = (value > before) | (value != value) | (there < 0);
        STORE(select(before, value, better), y + j);
        *places = select(there, steps + (int)(pixel + j * STEP), better);
    }
}

__kernel void max_pool_by_planes(TENSOR(const float, x), TENSOR(float, y), TENSOR(int, chosen),
                                 uint planes, WINDOW_ARGUMENTS) {
    const uint plane = get_global_id(0), r = get_global_id(1);
    if (plane >= planes) return;
    __global const float *image = MEMBER(x, r) + (size_t)plane * pixels_y * pixels_x;
    const size_t first = (size_t)plane * outputs_y * outputs_x;
    __global float *out = MEMBER(y, r) + first;
    __global int *places = MEMBER(chosen, r) + first;
    int step[VW];
    for (uint v = 0; v < VW; v++) step[v] = v * STEP;
    const integers steps = PASTE(vload, VW)(0, step);
    for (uint i = 0; i < outputs_y; i++, out += outputs_x, places += outputs_x) {
        for (uint j = 0; j < outputs_x; j++) {
            out[j] = -INFINITY;
            places[j] = -1;
        }
        for (uint s = 0; s < SIZE_Y; s++) {
            const uint py = PIXEL(y, i, s);
            if (py >= pixels_y) continue;
            for (uint t = 0; t < SIZE_X; t++) {
                OUTPUTS_OF_PART(t, begin, end);
                if (begin >= end) continue;
                const uint pixel = py * pixels_x + PIXEL(x, begin, t);
                take_larger(image + pixel, pixel, steps, end - begin, out + begin, places + begin);
            }
        }
    }
}

/* One work-item adds all of a plane, in the order of outputs. */
__kernel void max_pool_gradient_by_planes(TENSOR(const float, dy), TENSOR(const int, chosen),
                                          TENSOR(float, dx), uint planes, uint channels,
                                          uint products, WINDOW_ARGUMENTS) {
    const uint plane = get_global_id(0), r = get_global_id(1);
    if (plane >= planes) return;
    const uint image = plane / channels, channel = plane - image * channels;
    const uint n_outputs = outputs_y * outputs_x, n_pixels = pixels_y * pixels_x;
    __global const int *choice =
        MEMBER(chosen, r) + ((size_t)(image / products) * channels + channel) * n_outputs;
    __global const float *gradient = MEMBER(dy, r) + (size_t)plane * n_outputs;
    __global float *out = MEMBER(dx, r) + (size_t)plane * n_pixels;
    for (uint p = 0; p < n_pixels; p++) out[p] = 0.0f;
    for (uint o = 0; o < n_outputs; o++) out[choice[o]] += gradient[o];
}
#endif

/* y: the sum of each window divided by its size (-DCOUNT_PADDING) or by what of it lies inside. */
__kernel void mean_pool(TENSOR(const float, x), TENSOR(float, y), uint planes, WINDOW_ARGUMENTS) {
    const uint o = get_global_id(0), plane = get_global_id(1), r = get_global_id(2);
    if (o >= outputs_y * outputs_x || plane >= planes) return;
    const uint i = o / outputs_x, j = o - i * outputs_x;
    __global const float *image = MEMBER(x, r) + (size_t)plane * pixels_y * pixels_x;
    float sum = 0.0f;
    for (uint s = 0; s < SIZE_Y; s++)
        for (uint t = 0; t < SIZE_X; t++) {
            const uint py = PIXEL(y, i, s), px = PIXEL(x, j, t);
            if (py < pixels_y && px < pixels_x) sum += image[py * pixels_x + px];
        }
    MEMBER(y, r)[(size_t)plane * outputs_y * outputs_x + o] = sum / (float)(DIVISOR(i, j));
}

/* dx[p] = sum over the outputs whose windows hold p of dy by their divisor, in their order. */
__kernel void mean_pool_gradient(TENSOR(const float, dy), TENSOR(float, dx), uint planes,
                                 WINDOW_ARGUMENTS) {
    const uint p = get_global_id(0), plane = get_global_id(1), r = get_global_id(2);
    if (p >= pixels_y * pixels_x || plane >= planes) return;
    __global const float *gradient = MEMBER(dy, r) + (size_t)plane * outputs_y * outputs_x;
    const uint py = p / pixels_x, px = p - py * pixels_x;
    float sum = 0.0f;
    for (uint s = SIZE_Y; s-- > 0;)
        for (uint t = SIZE_X; t-- > 0;) {
            const uint i = OUTPUT(y, py, s), j = OUTPUT(x, px, t);
            if (i < outputs_y && j < outputs_x)
                sum += gradient[i * outputs_x + j] / (float)(DIVISOR(i, j));
        }
    MEMBER(dx, r)[(size_t)plane * pixels_y * pixels_x + p] = sum;
}

#ifdef VW
__kernel void mean_pool_by_planes(TENSOR(const float, x), TENSOR(float, y), uint planes,
                                  WINDOW_ARGUMENTS) {
    const uint plane = get_global_id(0), r = get_global_id(1);
    if (plane >= planes) return;
    __global const float *image = MEMBER(x, r) + (size_t)plane * pixels_y * pixels_x;
    __global float *out = MEMBER(y, r) + (size_t)plane * outputs_y * outputs_x;
    for (uint i = 0; i < outputs_y; i++, out += outputs_x) {
        for (uint j = 0; j < outputs_x; j++) out[j] = 0.0f;
        for (uint s = 0; s < SIZE_Y; s++) {
            const uint py = PIXEL(y, i, s);
            if (py >= pixels_y) continue;
            for (uint t = 0; t < SIZE_X; t++) {
                OUTPUTS_OF_PART(t, j, end);
                if (j >= end) continue;
                __global const float *row = image + py * pixels_x + PIXEL(x, j, t);
                for (; j + VW <= end; j += VW, row += VW * STEP)
                    STORE(LOAD(out + j) + load_pixels(row), out + j);
                for (; j < end; j++, row += STEP) out[j] += *row;
            }
        }
        for (uint j = 0; j < outputs_x; j++) out[j] /= (float)(DIVISOR(i, j));
    }
}

/* One work-item adds all of a plane, in the order of outputs. */
__kernel void mean_pool_gradient_by_planes(TENSOR(const float, dy), TENSOR(float, dx), uint planes,
                                           WINDOW_ARGUMENTS) {
    const uint plane = get_global_id(0), r = get_global_id(1);
    if (plane >= planes) return;
    __global const float *gradient = MEMBER(dy, r) + (size_t)plane * outputs_y * outputs_x;
    __global float *out = MEMBER(dx, r) + (size_t)plane * pixels_y * pixels_x;
    for (uint p = 0; p < pixels_y * pixels_x; p++) out[p] = 0.0f;
    for (uint i = 0; i < outputs_y; i++)
        for (uint j = 0; j < outputs_x; j++) {
            const float part = gradient[i * outputs_x + j] / (float)(DIVISOR(i, j));
            for (uint s = 0; s < SIZE_Y; s++)
                for (uint t = 0; t < SIZE_X; t++) {
                    const uint py = PIXEL(y, i, s), px = PIXEL(x, j, t);
                    if (py < pixels_y && px < pixels_x) out[py * pixels_x + px] += part;
                }
        }
}
#endif

/* Pooling of images [B, C, H, W], and its derivatives. Planes are the B C images of one channel.
 * Work-items: (pixels or outputs of a plane, planes, members). */
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

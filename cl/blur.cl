/* Convolution of images with a symmetric kernel, along columns and then along rows; pixels outside
 * count as 0. Images follow one another, -DHEIGHT rows of -DWIDTH pixels.
 * weights [RADIUS + 1], from the middle outwards.
 * -DROWS   both passes in one kernel, else a kernel each. */
#include "tensor.cl"

/* Of row i, around `pixel`. */
static float column_sum(__global const float *pixel, __global const float *weights, int i) {
    float sum = 0.0f;
    for (int k = max(-RADIUS, -i); k <= min(RADIUS, HEIGHT - 1 - i); k++)
        sum = MULTIPLY_ADD(weights[abs(k)], pixel[k * WIDTH], sum);
    return sum;
}

#ifdef ROWS
#define PADDED (RADIUS + WIDTH + RADIUS + 16)

/* For CPUs: a row of an image, the sums along its columns kept in a row of zeros around.
 * Work-items: (HEIGHT, images, members). */
__kernel void blur_row(TENSOR(const float, x), __global const float *restrict weights,
                       TENSOR(float, y), uint images) {
    const int i = get_global_id(0);
    const size_t n = get_global_id(1), r = get_global_id(2), start = (n * HEIGHT + i) * WIDTH;
    if (i >= HEIGHT || n >= images) return;
    __global const float *in = MEMBER(x, r) + start;
    __global float *out = MEMBER(y, r) + start;
    float row[PADDED];
    for (uint j = 0; j < PADDED; j++) row[j] = 0.0f;
#if WIDTH >= 16
    for (int next = 0; next < WIDTH; next += 16) {
        const int j = min(next, WIDTH - 16);
        float16 sum = (float16)(0.0f);
        for (int k = max(-RADIUS, -i); k <= min(RADIUS, HEIGHT - 1 - i); k++)
            sum = MULTIPLY_ADD((float16)(weights[abs(k)]), vload16(0, in + k * WIDTH + j), sum);
        vstore16(sum, 0, row + RADIUS + j);
    }
    for (int next = 0; next < WIDTH; next += 16) {
        const int j = min(next, WIDTH - 16);
        float16 sum = (float16)(0.0f);
        for (int k = -RADIUS; k <= RADIUS; k++)
            sum = MULTIPLY_ADD((float16)(weights[abs(k)]), vload16(0, row + RADIUS + j + k), sum);
        STORE16(sum, out + j);
    }
#else
    for (int j = 0; j < WIDTH; j++) row[RADIUS + j] = column_sum(in + j, weights, i);
    for (int j = 0; j < WIDTH; j++) {
        float sum = 0.0f;
        for (int k = -RADIUS; k <= RADIUS; k++)
            sum = MULTIPLY_ADD(weights[abs(k)], row[RADIUS + j + k], sum);
        out[j] = sum;
    }
#endif
}

#else
/* One pixel in either direction.  Work-items: (WIDTH, HEIGHT x images, members). */
__kernel void blur_columns(TENSOR(const float, x), __global const float *restrict weights,
                           TENSOR(float, y), uint images) {
    const size_t j = get_global_id(0), row = get_global_id(1), r = get_global_id(2);
    const size_t n = row / HEIGHT, i = row - n * HEIGHT, at = row * WIDTH + j;
    if (j < WIDTH && n < images)
        MEMBER(y, r)[at] = column_sum(MEMBER(x, r) + at, weights, (int)i);
}

__kernel void blur_rows(TENSOR(const float, x), __global const float *restrict weights,
                        TENSOR(float, y), uint images) {
    const int j = get_global_id(0);
    const size_t row = get_global_id(1), r = get_global_id(2), at = row * WIDTH + j;
    if (j >= WIDTH || row >= (size_t)images * HEIGHT) return;
    __global const float *pixel = MEMBER(x, r) + at;
    float sum = 0.0f;
    for (int k = max(-RADIUS, -j); k <= min(RADIUS, WIDTH - 1 - j); k++)
        sum = MULTIPLY_ADD(weights[abs(k)], pixel[k], sum);
    MEMBER(y, r)[at] = sum;
}
#endif

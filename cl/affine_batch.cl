/* Batches of byte images, transformed as they are gathered: out(p) = image(T p) / 255 - mean,
 * bilinear, bytes of 0 outside. T is a translation, then a scale, then a rotation, of numbers that
 * belong to the image. Positions are pixels from the image's centre.
 * -DSHUFFLE: 1 for a new order every epoch; -DLANES: work-items of an image, side by side;
 * -DHEIGHT, -DWIDTH: for CPUs, which then copy a plane into private memory. */
#include "group_items.cl"
#include "pixel.cl"
#include "random.cl"
#include "tensor.cl"

/* As in invar/affine.h. */
#define ROTATED           1
#define PARTIALLY_ROTATED 2
#define TRANSLATED        4
#define SCALED            8

#define MOST_PIXELS 8.0f /* of a translation */

/* x' = xx (x + dx) + xy (y + dy), y' = yx (x + dx) + yy (y + dy) */
typedef struct {
    float xx, xy, yx, yy, dx, dy;
} map;

/* Of image i of the pool. aspect: width over height, between the centres of corner pixels; the
 * rotation is one in coordinates where both are 2. */
static void map_of_image(int transformation, uint data_seed, uint i, float aspect, map *m) {
    uint words[4];
    iv_philox(data_seed, IV_STREAM_DATASET, 0, i, words);
    const float turn = iv_uniform_symmetric(words[0]) * (transformation & ROTATED ? 1.0f : 0.5f);
    const bool turned = transformation & (ROTATED | PARTIALLY_ROTATED);
    const float cosine = turned ? cospi(turn) : 1.0f, sine = turned ? sinpi(turn) : 0.0f;
    const float scale = transformation & SCALED ? exp2(iv_uniform_symmetric(words[3])) : 1.0f;
    const float pixels = transformation & TRANSLATED ? MOST_PIXELS : 0.0f;
    m->xx = m->yy = scale * cosine;
    m->xy = -scale * sine * aspect;
    m->yx = scale * sine / aspect;
    m->dx = pixels * iv_uniform_symmetric(words[1]);
    m->dy = pixels * iv_uniform_symmetric(words[2]);
}

#ifdef HEIGHT
/* A plane, for CPUs: zeros around it and positions held fast on them take the place of questions
 * about the border. Arithmetic is on vectors; what they fetch is fetched one by one. */
static void transform_plane(__global const uchar *image, const map *m, float mean,
                            __global float *out) {
    enum { STRIDE = WIDTH + 3, N_PIXELS = HEIGHT * WIDTH };
    float padded[(HEIGHT + 3) * STRIDE];
    for (uint i = 0; i < (HEIGHT + 3) * STRIDE; i++) padded[i] = 0.0f;
    for (uint v = 0; v < HEIGHT; v++)
        for (uint u = 0; u < WIDTH; u++) padded[(v + 1) * STRIDE + u + 1] = image[v * WIDTH + u];

    const float centre_x = 0.5f * (WIDTH - 1), centre_y = 0.5f * (HEIGHT - 1);
    for (uint i = 0; i < N_PIXELS; i += 8) {
        /* rows and columns of up to 2^12 pixels: (i + 1/2) / WIDTH is never near a whole number */
        const float8 number = (float)i + (float8)(0, 1, 2, 3, 4, 5, 6, 7);
        const float8 v = convert_float8(convert_int8((number + 0.5f) * (1.0f / WIDTH)));
        const float8 x = number - v * WIDTH - centre_x + m->dx, y = v - centre_y + m->dy;
        const float8 column = clamp(fma(m->xx, x, m->xy * y) + centre_x, -1.0f, (float)WIDTH);
        const float8 line = clamp(fma(m->yx, x, m->yy * y) + centre_y, -1.0f, (float)HEIGHT);
        const int8 left = convert_int8(column + 1.0f), top = convert_int8(line + 1.0f);
        const float8 right_share = column + 1.0f - convert_float8(left);
        const float8 low_share = line + 1.0f - convert_float8(top);

        int at[8];
        float corners[4][8];
        vstore8(top * STRIDE + left, 0, at);
        /* compilers that make vectors of addresses take them apart again */
        _Pragma("clang loop vectorize(disable) unroll(full)") for (uint k = 0; k < 8; k++) {
            corners[0][k] = padded[at[k]];
            corners[1][k] = padded[at[k] + 1];
            corners[2][k] = padded[at[k] + STRIDE];
            corners[3][k] = padded[at[k] + STRIDE + 1];
        }
        const float8 upper = mix(vload8(0, corners[0]), vload8(0, corners[1]), right_share);
        const float8 lower = mix(vload8(0, corners[2]), vload8(0, corners[3]), right_share);
        const float8 value = fma(mix(upper, lower, low_share), 1.0f / 255.0f, -mean);
        if (i + 8 <= N_PIXELS) {
            STORE8(value, out + i);
        } else {
            vstore8(value, 0, corners[0]);
            for (uint k = 0; i + k < N_PIXELS; k++) out[i + k] = corners[0][k];
        }
    }
}
#endif

/* 0 outside of the image. */
static float byte_at(__global const uchar *image, int row, int column, int height, int width) {
    const bool inside = row >= 0 && row < height && column >= 0 && column < width;
    return inside ? (float)image[row * width + column] : 0.0f;
}

/* Row of the pool that is sample b of batch `step`. */
static uint sample_of(uint seed, uint b, uint batch, uint samples, uint step) {
#if SHUFFLE
    const uint batches = samples / batch, epoch = step / batches;
    return iv_shuffle(seed, IV_STREAM_BATCH_ORDER, epoch, samples,
                      (step - epoch * batches) * batch + b);
#else
    return min(step * batch + b, samples - 1);
#endif
}

#define GROUP ITEMS(LANES)

/* images [B, planes height width], labels [B].  Work-items: (LANES, B, members). */
__attribute__((reqd_work_group_size(GROUP, 1, 1)))
__kernel void affine_batch(__global const uchar *restrict pixels,
                           __global const uchar *restrict pool_labels,
                           TENSOR(const int, transformations), TENSOR(const uint, seeds),
                           TENSOR(float, images), TENSOR(int, labels), uint batch, uint planes,
                           uint height, uint width, float aspect, float mean, uint first,
                           uint samples, uint data_seed, uint step) {
    const uint lane = get_global_id(0), b = get_global_id(1), r = get_global_id(2);
    if (b >= batch) return;
    const uint seed = SHUFFLE ? MEMBER(seeds, r)[0] : 0;
    const uint row = first + sample_of(seed, b, batch, samples, step);
    if (lane == 0) MEMBER(labels, r)[b] = pool_labels[row];

    const uint n_pixels = height * width, n_values = planes * n_pixels;
    __global const uchar *image = pixels + (size_t)row * n_values;
    __global float *out = MEMBER(images, r) + (size_t)b * n_values;
    const int transformation = MEMBER(transformations, r)[0];
    if (transformation == 0) {
        for (uint i = lane; i < n_values; i += GROUP) {
            const float value = image[i];
            out[i] = PIXEL_VALUE(value) - mean;
        }
        return;
    }
    map m;
    map_of_image(transformation, data_seed, row, aspect, &m);
#ifdef HEIGHT
    for (uint plane = lane; plane < planes; plane += GROUP)
        transform_plane(image + plane * n_pixels, &m, mean, out + plane * n_pixels);
#else
    const float centre_x = 0.5f * (width - 1), centre_y = 0.5f * (height - 1);
    for (uint i = lane; i < n_pixels; i += GROUP) {
        const uint v = i / width;
        const float x = (i - v * width) - centre_x + m.dx, y = v - centre_y + m.dy;
        const float column = fma(m.xx, x, m.xy * y) + centre_x;
        const float line = fma(m.yx, x, m.yy * y) + centre_y;
        const float left = floor(column), top = floor(line);
        const float right_share = column - left, low_share = line - top;
        for (uint plane = 0; plane < planes; plane++) {
            __global const uchar *from = image + plane * n_pixels;
            const float upper =
                mix(byte_at(from, (int)top, (int)left, height, width),
                    byte_at(from, (int)top, (int)left + 1, height, width), right_share);
            const float lower =
                mix(byte_at(from, (int)top + 1, (int)left, height, width),
                    byte_at(from, (int)top + 1, (int)left + 1, height, width), right_share);
            out[plane * n_pixels + i] = fma(mix(upper, lower, low_share), 1.0f / 255.0f, -mean);
        }
    }
#endif
}

/* Batches of images from bytes on the device, the group acting on the way.
 * -DCOPIES: 0 identity, 1 random element, 2 identity and random element, 3 the whole orbit;
 * -DSHUFFLE: 1 for a new order every epoch; -DBLOCK: pixels a work-item; -DSAMPLES: samples. */
#include "pixel.cl"
#include "random.cl"
#include "tensor.cl"

/* Which pool row and which element each copy of each sample of batch `step` is.
 * draws [copies, B, 2]; labels [B].  -DSAMPLES: of a work-item, 1 or a multiple of 8 (for CPUs, which
 * draw eight side by side).  Work-items: (parts of the batch, members). */
__kernel void draw_samples(__global const uchar *restrict pool_labels, TENSOR(const int, indices),
                           TENSOR(const uint, seeds), TENSOR(int, labels), TENSOR(int, draws),
                           uint batch, uint copies, uint samples, uint elements, uint step) {
    const uint begin = get_global_id(0) * SAMPLES, end = min(begin + SAMPLES, batch);
    const size_t r = get_global_id(1);
    if (begin >= batch) return;
    const uint seed = MEMBER(seeds, r)[0];
#if SHUFFLE
    const uint batches = samples / batch, first = step % batches * batch;
    iv_shuffler order;
    iv_shuffle_prepare(seed, IV_STREAM_BATCH_ORDER, step / batches, samples, &order);
#endif
    uint rows[8], words[32];
    for (uint b = begin; b < end; b++) {
        const uint k = (b - begin) & 7;
#if SAMPLES > 1
        if (k == 0) iv_philox_8(seed, IV_STREAM_AUGMENTATION, step, b, words);
#else
        iv_philox(seed, IV_STREAM_AUGMENTATION, step, b, words);
#endif
#if SHUFFLE && SAMPLES > 1
        if (k == 0) iv_shuffle_walk_8(&order, first + b, rows);
#elif SHUFFLE
        rows[k] = iv_shuffle_walk(&order, first + b);
#else
        rows[k] = min(step * batch + b, samples - 1);
#endif
        const int row = MEMBER(indices, r)[rows[k]];
        MEMBER(labels, r)[b] = pool_labels[row];
        const int random_element = iv_below(words[4 * k], elements);
        for (uint copy = 0; copy < copies; copy++) {
            __global int *draw = MEMBER(draws, r) + ((size_t)copy * batch + b) * 2;
            draw[0] = row;
#if COPIES == 0
            draw[1] = 0;
#elif COPIES == 1
            draw[1] = random_element;
#elif COPIES == 2
            draw[1] = copy == 0 ? 0 : random_element;
#else
            draw[1] = copy;
#endif
        }
    }
}

#if BLOCK > 1
/* A row, for CPUs. Where the group moves pixels their bytes are fetched one after another into the
 * end of the row, from where whole vectors of floats overtake them: compilers that vectorise the
 * fetching take vectors of addresses apart again. */
static void gather_row(__global const uchar *image, __global const ushort *table, bool moved,
                       __global float *out, uint n_pixels) {
    __global const uchar *bytes = image;
    if (moved) {
        __global uchar *end = (__global uchar *)out + 3 * (size_t)n_pixels;
        _Pragma("clang loop vectorize(disable) unroll_count(8)") for (uint p = 0; p < n_pixels; p++)
            end[p] = image[table[p]];
        bytes = end;
    }
    uint p = 0;
    for (; p + 16 <= n_pixels; p += 16) {
        const float16 value = convert_float16(vload16(0, bytes + p));
        STORE16(PIXEL_VALUE(value), out + p);
    }
    for (; p < n_pixels; p++) {
        const float value = bytes[p];
        out[p] = PIXEL_VALUE(value);
    }
}
#endif

/* images[row][p] = pixels[pool row][source[element][p]] / 255; element 0 moves nothing. A work-item
 * takes BLOCK pixels of a row: one on GPUs, so that neighbours read and write together; a row on
 * CPUs.  n_pixels: of an image.  Work-items: (blocks of a row, rows, members). */
__kernel void gather_images(__global const uchar *restrict pixels,
                            __global const ushort *restrict source, TENSOR(const int, draws),
                            TENSOR(float, images), uint n_pixels) {
    const size_t first = get_global_id(0) * BLOCK, row = get_global_id(1), r = get_global_id(2);
    if (first >= n_pixels) return;
    __global const int *draw = MEMBER(draws, r) + row * 2;
    __global const uchar *image = pixels + (size_t)draw[0] * n_pixels;
    __global const ushort *table = source + (size_t)draw[1] * n_pixels;
    __global float *out = MEMBER(images, r) + row * n_pixels;
#if BLOCK > 1
    gather_row(image, table, draw[1] != 0, out, n_pixels);
#else
    const float value = image[table[first]];
    out[first] = PIXEL_VALUE(value);
#endif
}

/* Batches of images from bytes on the device, the group acting on the way.
 * -DCOPIES: 0 identity, 1 random element, 2 identity and random element, 3 the whole orbit;
 * -DSHUFFLE: 1 for a new order every epoch; -DWHOLE: a work-item takes whole rows, ROWS of them, else
 * a pixel; -DSAMPLES: samples of a work-item; -DPLAIN: no group, whose only element is the identity;
 * -DALL_ROWS: sample i is row first_row + i of the pool; -DUNSEEDED: nothing is drawn; -DPREFETCH: where
 * compilers know it, for CPUs. */
#include "pixel.cl"
#include "random.cl"
#include "tensor.cl"

/* Which pool row and which element each copy of each sample of batch `step` is.
 * draws [copies, B, 2]; labels [B].  -DSAMPLES: of a work-item, 1 or a multiple of 8 (for CPUs, which
 * draw eight side by side).  Work-items: (parts of the batch, members). */
__kernel void draw_samples(__global const uchar *restrict pool_labels,
#ifdef ALL_ROWS
                           uint first_row,
#else
                           TENSOR(const int, indices),
#endif
#ifndef UNSEEDED
                           TENSOR(const uint, seeds),
#endif
                           TENSOR(int, labels), TENSOR(int, draws), uint batch, uint copies,
                           uint samples, uint elements, uint step) {
    const uint begin = get_global_id(0) * SAMPLES, end = min(begin + SAMPLES, batch);
    const size_t r = get_global_id(1);
    if (begin >= batch) return;
#ifndef UNSEEDED
    const uint seed = MEMBER(seeds, r)[0];
#endif
#if SHUFFLE
    const uint batches = samples / batch, first = step % batches * batch;
    iv_shuffler order;
    iv_shuffle_prepare(seed, IV_STREAM_BATCH_ORDER, step / batches, samples, &order);
#endif
    uint rows[8];
#ifndef UNSEEDED
    uint words[32];
#endif
    for (uint b = begin; b < end; b++) {
        const uint k = (b - begin) & 7;
#ifdef UNSEEDED
#elif SAMPLES > 1
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
#ifdef ALL_ROWS
        const int row = first_row + rows[k];
#else
        const int row = MEMBER(indices, r)[rows[k]];
#endif
        MEMBER(labels, r)[b] = pool_labels[row];
#if COPIES == 1 || COPIES == 2
#ifdef UNSEEDED
        const int random_element = 0;
#else
        const int random_element = iv_below(words[4 * k], elements);
#endif
#endif
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

#ifdef WHOLE
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

#ifdef WHOLE
/* Bring an image into the cache. Images come from anywhere in memory, and what a processor finds to do
 * beyond a load that waits does not reach the next one. OpenCL's prefetch does nothing with PoCL. */
static void fetch_ahead(__global const uchar *image, uint n_pixels) {
#if defined(PREFETCH) && defined(INVAR_BUILTIN_PREFETCH)
    for (uint p = 0; p < n_pixels; p += 64)
        __builtin_prefetch((const void *)(uintptr_t)(image + p), 0, 3);
#endif
}
#endif

/* images[row][p] = pixels[pool row][source[element][p]] / 255; element 0 moves nothing. A work-item
 * takes a pixel on GPUs, so that neighbours read and write together; on CPUs whole rows, ROWS of them.
 * n_pixels: of an image.  Work-items: (pixels or 1, rows or ROWS-th parts of them, members). */
__kernel void gather_images(__global const uchar *restrict pixels,
#ifndef PLAIN
                            __global const ushort *restrict source,
#endif
                            TENSOR(const int, draws), TENSOR(float, images), uint n_pixels,
                            uint n_rows) {
    const size_t r = get_global_id(2);
    __global const int *draw = MEMBER(draws, r);
    __global float *out = MEMBER(images, r);
#ifdef WHOLE
    const uint begin = get_global_id(1) * ROWS, end = min(begin + ROWS, n_rows);
    for (uint row = begin; row < end; row++) {
        const uint next = min(row + 2, n_rows - 1);
        fetch_ahead(pixels + (size_t)draw[2 * next] * n_pixels, n_pixels);
        gather_row(pixels + (size_t)draw[2 * row] * n_pixels,
#ifdef PLAIN
                   0, false,
#else
                   source + (size_t)draw[2 * row + 1] * n_pixels, draw[2 * row + 1] != 0,
#endif
                   out + (size_t)row * n_pixels, n_pixels);
    }
#else
    const size_t pixel = get_global_id(0), row = get_global_id(1);
    if (pixel >= n_pixels || row >= n_rows) return;
    __global const uchar *image = pixels + (size_t)draw[2 * row] * n_pixels;
#ifdef PLAIN
    const float value = image[pixel];
#else
    const float value = image[source[(size_t)draw[2 * row + 1] * n_pixels + pixel]];
#endif
    out[row * n_pixels + pixel] = PIXEL_VALUE(value);
#endif
}

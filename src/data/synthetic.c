/* Images without content: noise, and scribbles as sparse as handwriting. */
#include "data/images.h"

#include <invar/random.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Image i is made of Philox of (seed, i) alone, 16 bytes at a time. */
static void fill_with_noise(uint32_t seed, const iv_dataset *dataset) {
    const size_t image_bytes = dataset->channels * dataset->height * dataset->width;
    for (size_t i = 0; i < dataset->n_images; i++) {
        uint8_t *pixels = dataset->pixels + i * image_bytes;
        for (size_t first = 0; first < image_bytes; first += 16) {
            uint32_t words[4];
            iv_philox(seed, IV_STREAM_NOISE, (uint32_t)i, (uint32_t)(first / 16), words);
            for (size_t k = 0; k < 16 && first + k < image_bytes; k++)
                pixels[first + k] = (uint8_t)(words[k / 4] >> (8 * (k % 4)));
        }
    }
}

static iv_status allocate(const char *name, const iv_dataset_info *info, size_t n_images,
                          iv_dataset *dataset, iv_error *error) {
    assert(info->n_classes > 0 && info->n_classes <= 256);
    *dataset = (iv_dataset){.n_images = n_images,
                            .n_training = iv_usual_training(n_images),
                            .n_classes = info->n_classes,
                            .channels = info->channels,
                            .height = info->height,
                            .width = info->width};
    snprintf(dataset->name, sizeof dataset->name, "%s", name);
    const iv_status status = iv_dataset_allocate(dataset, error);
    for (size_t i = 0; i < n_images && status == IV_OK; i++)
        dataset->labels[i] = (uint8_t)(i % info->n_classes);
    return status;
}

iv_status iv_noise_make(uint32_t seed, size_t n_images, iv_dataset *dataset, iv_error *error) {
    const iv_dataset_info shape = {.channels = 1, .height = 28, .width = 28, .n_classes = 10};
    const iv_status status = allocate("noise", &shape, n_images, dataset, error);
    if (status == IV_OK) fill_with_noise(seed, dataset);
    return status;
}

iv_status iv_synthetic_images(const iv_dataset_info *info, size_t n_images, iv_dataset *dataset,
                              iv_error *error) {
    const iv_status status = allocate("synthetic", info, n_images, dataset, error);
    if (status != IV_OK) return status;
    if (info->mostly_zero)
        iv_scribble(dataset->pixels, n_images * info->channels, info->height, info->width);
    else
        fill_with_noise(0, dataset);
    return IV_OK;
}

void iv_scribble(uint8_t *pixels, size_t n_planes, size_t height, size_t width) {
    const size_t top = height / 7, left = width / 7;
    for (size_t i = 0; i < n_planes * height; i++) {
        const size_t y = i % height;
        uint8_t *row = pixels + i * width;
        memset(row, 0, width);
        for (size_t x = left; y >= top && y < height - top && x < width - left; x++) {
            const uint32_t word = iv_mix((uint32_t)(i * width + x));
            if (word & 0x100) row[x] = (uint8_t)word;
        }
    }
}

/* At 60%, eight images side by side still share zeros; clothes have 50%, handwriting 81%. */
bool iv_mostly_zero(const uint8_t *pixels, size_t n) {
    size_t n_zeros = 0;
    for (size_t i = 0; i < n; i++) n_zeros += pixels[i] == 0;
    return (double)n_zeros >= 0.6 * (double)n;
}

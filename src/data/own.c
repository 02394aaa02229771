/* Images of the user's own: what lies in a folder decides how they are read. */
#include "data/own.h"

#include <invar/random.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const iv_own_format *const formats[] = {&iv_own_idx, &iv_own_npy, &iv_own_png};
enum { N_FORMATS = sizeof formats / sizeof *formats };

/* ------------------------------------------------------------------ for the formats */

bool iv_own_has(const char *folder, const char *file) {
    char path[IV_PATH_BYTES];
    bool exists;
    return iv_file_path(folder, file, path, &exists, NULL) != IV_OK || exists;
}

iv_status iv_own_separate_planes(uint8_t *pixels, size_t n_images, size_t n_pixels, size_t channels,
                                 iv_error *error) {
    const size_t image_bytes = n_pixels * channels;
    uint8_t *image = malloc(image_bytes);
    if (!image) return iv_fail(error, IV_ENOMEM, "out of memory for images");
    for (size_t i = 0; i < n_images && channels > 1; i++) {
        uint8_t *of_image = pixels + i * image_bytes;
        memcpy(image, of_image, image_bytes);
        for (size_t c = 0; c < channels; c++)
            for (size_t p = 0; p < n_pixels; p++)
                of_image[c * n_pixels + p] = image[p * channels + c];
    }
    free(image);
    return IV_OK;
}

iv_status iv_own_check_shape(const char *path, size_t channels, size_t height, size_t width,
                             iv_error *error) {
    if (channels != 1 && channels != 3)
        return iv_fail(error, IV_EDATA,
                       "%s: images of %zu channels, expected 1 (grey) or 3 (red, green, blue)",
                       path, channels);
    if (height < 2 || width < 2 || height > IV_OWN_MOST_SIDE || width > IV_OWN_MOST_SIDE)
        return iv_fail(error, IV_EDATA, "%s: images of %zu x %zu pixels, expected sides of 2 to %d",
                       path, height, width, IV_OWN_MOST_SIDE);
    return IV_OK;
}

/* ------------------------------------------------------------------ both parts */

static size_t n_classes_of(const iv_own_part *part) {
    size_t n_classes = 0;
    for (size_t i = 0; i < part->n_images; i++)
        if (part->labels[i] >= n_classes) n_classes = part->labels[i] + 1u;
    return n_classes;
}

static iv_status check_parts(const iv_own_part parts[2], size_t n_classes, iv_error *error) {
    const iv_own_part *first = &parts[0], *second = &parts[1];
    if (second->n_images == 0) return IV_OK;
    if (first->channels != second->channels || first->height != second->height ||
        first->width != second->width)
        return iv_fail(error, IV_EDATA,
                       "%s: images of %zu x %zu x %zu (channels, height, width), but those of %s "
                       "are %zu x %zu x %zu; expected images of one size",
                       second->images_path, second->channels, second->height, second->width,
                       first->images_path, first->channels, first->height, first->width);
    for (size_t i = 0; i < second->n_images; i++)
        if (second->labels[i] >= n_classes)
            return iv_fail(error, IV_EDATA,
                           "%s: label %zu is %d, expected less than %zu, the number of classes of "
                           "the training images",
                           second->labels_path, i, second->labels[i], n_classes);
    return IV_OK;
}

/* The second part's images after the first's. */
static iv_status pool(iv_own_part parts[2], iv_dataset *dataset, iv_error *error) {
    iv_own_part *first = &parts[0], *second = &parts[1];
    const size_t n_classes = n_classes_of(first), n = first->n_images + second->n_images;
    const size_t image_bytes = first->channels * first->height * first->width;
    size_t bytes;
    iv_status status = check_parts(parts, n_classes, error);
    if (status == IV_OK) status = iv_multiply_size(n, image_bytes, &bytes, error);
    if (status != IV_OK) return status;
    if (n > INT32_MAX)
        return iv_fail(error, IV_EDATA, "%s: %zu images, expected at most %ld", first->images_path,
                       n, (long)INT32_MAX);
    if (second->n_images > 0) {
        uint8_t *pixels = realloc(first->pixels, bytes);
        if (pixels) first->pixels = pixels;
        uint8_t *labels = realloc(first->labels, n);
        if (labels) first->labels = labels;
        if (!pixels || !labels) return iv_fail(error, IV_ENOMEM, "out of memory for %zu images", n);
        memcpy(pixels + first->n_images * image_bytes, second->pixels,
               second->n_images * image_bytes);
        memcpy(labels + first->n_images, second->labels, second->n_images);
    }
    dataset->n_images = n;
    dataset->n_training = first->n_images;
    dataset->n_classes = n_classes;
    dataset->channels = first->channels;
    dataset->height = first->height;
    dataset->width = first->width;
    dataset->pixels = first->pixels;
    dataset->labels = first->labels;
    first->pixels = first->labels = NULL;
    return IV_OK;
}

/* ------------------------------------------------------------------ a folder */

static iv_status find_format(const char *folder, const iv_own_format **format, iv_error *error) {
    struct stat found;
    *format = NULL;
    if (stat(folder, &found) != 0)
        return iv_fail(error, IV_EDATA, "%s: %s; expected a folder with images", folder,
                       strerror(errno));
    if (!S_ISDIR(found.st_mode))
        return iv_fail(error, IV_EDATA, "%s: not a folder; expected one with images", folder);
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (!formats[i]->is_there(folder)) continue;
        /* Folders beside files may be anything. */
        if (*format && formats[i] != &iv_own_png)
            return iv_fail(error, IV_EDATA, "%s: holds %s and %s; expected one of them", folder,
                           (*format)->what, formats[i]->what);
        if (!*format) *format = formats[i];
    }
    if (!*format)
        return iv_fail(error, IV_EDATA, "%s: holds no images: expected " IV_OWN_EXPECTED, folder);
    return IV_OK;
}

/* "~/" is the shell's, which does not see what a spec says. */
static iv_status expand_home(const char *folder, char path[IV_PATH_BYTES], iv_error *error) {
    const char *home = folder[0] == '~' && folder[1] == '/' ? getenv("HOME") : NULL;
    if (home) return iv_path_within(home, folder + 2, "", path, error);
    if (strlen(folder) >= IV_PATH_BYTES)
        return iv_fail(error, IV_EINVAL, "a path is longer than %d bytes", IV_PATH_BYTES);
    strcpy(path, folder);
    return IV_OK;
}

iv_status iv_own_images_load(const char *folder, const char *name, iv_dataset *dataset,
                             iv_error *error) {
    const iv_own_format *format = NULL;
    char path[IV_PATH_BYTES];
    *dataset = (iv_dataset){0};
    iv_own_part *parts = calloc(2, sizeof *parts);
    iv_status status = parts ? expand_home(folder, path, error)
                             : iv_fail(error, IV_ENOMEM, "out of memory for images");
    if (status == IV_OK) status = find_format(path, &format, error);
    if (status == IV_OK) status = format->load(path, parts, error);
    if (status == IV_OK) status = pool(parts, dataset, error);
    if (status == IV_OK) snprintf(dataset->name, sizeof dataset->name, "%s", name);
    for (int i = 0; i < 2 && parts; i++) {
        free(parts[i].pixels);
        free(parts[i].labels);
    }
    free(parts);
    return status;
}

/* ------------------------------------------------------------------ order */

static iv_status shuffle(iv_dataset *dataset, size_t first, size_t n, uint32_t seed,
                         iv_error *error) {
    const size_t image_bytes = dataset->channels * dataset->height * dataset->width;
    if (n == 0) return IV_OK;
    int32_t *order = malloc(n * sizeof *order);
    uint8_t *pixels = malloc(n * image_bytes), *labels = malloc(n);
    const bool fits = order && pixels && labels;
    if (fits) {
        iv_permutation(seed, IV_STREAM_SPLIT, (uint32_t)n, order);
        for (size_t i = 0; i < n; i++) {
            const size_t from = first + (size_t)order[i];
            memcpy(pixels + i * image_bytes, dataset->pixels + from * image_bytes, image_bytes);
            labels[i] = dataset->labels[from];
        }
        memcpy(dataset->pixels + first * image_bytes, pixels, n * image_bytes);
        memcpy(dataset->labels + first, labels, n);
    }
    free(order);
    free(pixels);
    free(labels);
    return fits ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for %zu images", n);
}

iv_status iv_dataset_shuffle(iv_dataset *dataset, uint32_t seed, iv_error *error) {
    const size_t n_training = dataset->n_training;
    const iv_status status = shuffle(dataset, 0, n_training, seed, error);
    return status == IV_OK
               ? shuffle(dataset, n_training, dataset->n_images - n_training, seed, error)
               : status;
}

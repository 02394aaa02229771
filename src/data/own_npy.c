/* Images of the user's own in NumPy arrays. */
#include "data/own.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Images and labels: to train on and to test with, or all together. */
static const char *const names[3][2] = {
    {"train-images.npy", "train-labels.npy"},
    {"test-images.npy", "test-labels.npy"},
    {"images.npy", "labels.npy"},
};
enum { TRAINING, TEST, TOGETHER };

static bool has_part(const char *folder, int part) {
    return iv_own_has(folder, names[part][0]) || iv_own_has(folder, names[part][1]);
}

static bool is_there(const char *folder) {
    return has_part(folder, TRAINING) || has_part(folder, TEST) || has_part(folder, TOGETHER);
}

/* ------------------------------------------------------------------ images */

/* Numbers in [0, 1] to bytes, to the nearest one. */
static iv_status round_to_bytes(const char *path, const float *values, size_t n, uint8_t *bytes,
                                iv_error *error) {
    for (size_t i = 0; i < n; i++) {
        if (!(values[i] >= 0 && values[i] <= 1))
            return iv_fail(error, IV_EDATA,
                           "%s: value %zu is %g, expected numbers in [0, 1] (or bytes, uint8)",
                           path, i, (double)values[i]);
        bytes[i] = (uint8_t)lroundf(values[i] * 255);
    }
    return IV_OK;
}

static iv_status take_values(const iv_array *array, size_t n, iv_own_part *part, iv_error *error) {
    part->pixels = malloc(n);
    if (!part->pixels) return iv_fail(error, IV_ENOMEM, "out of memory for images");
    if (array->type == IV_ARRAY_FLOAT32)
        return round_to_bytes(part->images_path, array->data, n, part->pixels, error);
    memcpy(part->pixels, array->data, n);
    return IV_OK;
}

/* [N, H, W] or [N, H, W, C]. */
static iv_status take_images(const iv_array *array, iv_own_part *part, iv_error *error) {
    const char *path = part->images_path;
    const size_t *shape = array->shape;
    if (array->rank != 3 && array->rank != 4)
        return iv_fail(error, IV_EDATA,
                       "%s: an array of %u dimensions, expected [N, H, W] or [N, H, W, C]", path,
                       array->rank);
    if (array->type != IV_ARRAY_UINT8 && array->type != IV_ARRAY_FLOAT32)
        return iv_fail(error, IV_EDATA, "%s: an array of %s, expected uint8, or float32 in [0, 1]",
                       path, iv_array_type_name(array->type));
    part->n_images = shape[0];
    part->height = shape[1];
    part->width = shape[2];
    part->channels = array->rank == 4 ? shape[3] : 1;
    if (part->n_images == 0) return iv_fail(error, IV_EDATA, "%s: holds no images", path);
    iv_status status = iv_own_check_shape(path, part->channels, part->height, part->width, error);
    const size_t n_pixels = part->height * part->width;
    if (status == IV_OK)
        status = take_values(array, part->n_images * n_pixels * part->channels, part, error);
    if (status == IV_OK)
        status =
            iv_own_separate_planes(part->pixels, part->n_images, n_pixels, part->channels, error);
    return status;
}

/* ------------------------------------------------------------------ labels */

static iv_status take_labels(const iv_array *array, iv_own_part *part, iv_error *error) {
    const char *path = part->labels_path;
    if (array->type == IV_ARRAY_FLOAT32)
        return iv_fail(error, IV_EDATA, "%s: an array of float32, expected integers", path);
    if (array->rank != 1)
        return iv_fail(error, IV_EDATA, "%s: an array of %u dimensions, expected labels [N]", path,
                       array->rank);
    if (array->shape[0] != part->n_images)
        return iv_fail(error, IV_EDATA, "%s: has %zu labels, but there are %zu images in %s", path,
                       array->shape[0], part->n_images, part->images_path);
    part->labels = malloc(part->n_images);
    if (!part->labels) return iv_fail(error, IV_ENOMEM, "out of memory for labels");
    for (size_t i = 0; i < part->n_images; i++) {
        const int64_t label = iv_array_integer(array, i);
        if (label < 0 || label >= IV_OWN_MOST_CLASSES)
            return iv_fail(error, IV_EDATA, "%s: label %zu is %lld, expected 0 to %d", path, i,
                           (long long)label, IV_OWN_MOST_CLASSES - 1);
        part->labels[i] = (uint8_t)label;
    }
    return IV_OK;
}

/* ------------------------------------------------------------------ files */

static iv_status read_array(const char *folder, const char *file, char path[IV_PATH_BYTES],
                            iv_array *array, iv_error *error) {
    const iv_status status = iv_path_within(folder, file, "", path, error);
    return status == IV_OK ? iv_npy_read(path, array, error) : status;
}

static iv_status load_part(const char *folder, int which, iv_own_part *part, iv_error *error) {
    iv_array images = {0}, labels = {0};
    iv_status status = read_array(folder, names[which][0], part->images_path, &images, error);
    if (status == IV_OK) status = take_images(&images, part, error);
    free(images.data);
    if (status == IV_OK)
        status = read_array(folder, names[which][1], part->labels_path, &labels, error);
    if (status == IV_OK) status = take_labels(&labels, part, error);
    free(labels.data);
    return status;
}

static iv_status load(const char *folder, iv_own_part parts[2], iv_error *error) {
    const bool in_parts = has_part(folder, TRAINING) || has_part(folder, TEST);
    if (in_parts && has_part(folder, TOGETHER))
        return iv_fail(error, IV_EDATA, "%s: holds %s and %s; expected one of them", folder,
                       names[TRAINING][0], names[TOGETHER][0]);
    const iv_status status = load_part(folder, in_parts ? TRAINING : TOGETHER, &parts[0], error);
    return status == IV_OK && has_part(folder, TEST) ? load_part(folder, TEST, &parts[1], error)
                                                     : status;
}

const iv_own_format iv_own_npy = {".npy files", is_there, load};

/* Image sets of four IDX files: whether these fit together, and writing them. */
#include "data/idx_set.h"

#include "data/idx.h"
#include "data/images.h"
#include "data/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const iv_idx_names[4] = {IV_IDX_NAMES};

static iv_status read_idx(const iv_dataset_info *info, const char *directory, int file,
                          unsigned rank, const size_t *expected, iv_idx *idx, char *path,
                          iv_error *error) {
    bool exists;
    const iv_status status =
        iv_dataset_path(directory, info, info->files[file], path, &exists, error);
    if (status != IV_OK) return status;
    if (!exists) return iv_dataset_fail_missing(directory, info, path, error);
    return iv_idx_read(path, rank, expected, idx, error);
}

static iv_status check_labels(const char *path, const iv_idx *labels, size_t n_classes,
                              iv_error *error) {
    for (size_t i = 0; i < labels->shape[0]; i++)
        if (labels->data[i] >= n_classes)
            return iv_fail(
                error, IV_EDATA,
                "%s: label %zu is %d, expected less than %zu; delete it and fetch it again", path,
                i, labels->data[i], n_classes);
    return IV_OK;
}

/* Images and labels of one half (training or test). */
static iv_status read_half(const iv_dataset_info *info, const char *directory, int first_file,
                           size_t n_expected, iv_idx *images, iv_idx *labels, iv_error *error) {
    char path[IV_PATH_BYTES];
    const size_t image_shape[] = {n_expected, info->height, info->width};
    iv_status status = read_idx(info, directory, first_file, 3, image_shape, images, path, error);
    if (status != IV_OK) return status;

    const size_t label_shape[] = {0};
    status = read_idx(info, directory, first_file + 1, 1, label_shape, labels, path, error);
    if (status != IV_OK) return status;
    if (labels->shape[0] != images->shape[0])
        return iv_fail(error, IV_EDATA,
                       "%s: has %zu labels, but there are %zu images; fetch both again", path,
                       labels->shape[0], images->shape[0]);
    return check_labels(path, labels, info->n_classes, error);
}

/* Those that were read, one after the other. */
static iv_status pool(const iv_dataset_info *info, const iv_idx images[2], const iv_idx labels[2],
                      iv_dataset *dataset, iv_error *error) {
    /* Each half fitted in memory, so the sum cannot overflow. */
    dataset->n_training = images[0].shape[0];
    dataset->n_images = images[0].shape[0] + images[1].shape[0];
    dataset->n_classes = info->n_classes;
    dataset->channels = 1;
    dataset->height = info->height;
    dataset->width = info->width;
    const iv_status status = iv_dataset_allocate(dataset, error);
    if (status != IV_OK) return status;
    const size_t image_bytes = dataset->height * dataset->width;
    for (size_t half = 0, at = 0; half < 2; half++) {
        const size_t n = images[half].shape[0];
        if (n == 0) continue;
        memcpy(dataset->pixels + at * image_bytes, images[half].data, n * image_bytes);
        memcpy(dataset->labels + at, labels[half].data, n);
        at += n;
    }
    return IV_OK;
}

iv_status iv_idx_set_load(const iv_dataset_info *info, const char *directory, iv_dataset_part part,
                          iv_dataset *dataset, iv_error *error) {
    iv_idx images[2] = {{0}}, labels[2] = {{0}};
    iv_status status = IV_OK;
    if (part != IV_PART_TEST)
        status = read_half(info, directory, IV_IDX_TRAINING_IMAGES, info->n_training, &images[0],
                           &labels[0], error);
    if (status == IV_OK && part != IV_PART_TRAINING)
        status = read_half(info, directory, IV_IDX_TEST_IMAGES, info->n_test, &images[1],
                           &labels[1], error);
    if (status == IV_OK) status = pool(info, images, labels, dataset, error);
    for (int i = 0; i < 2; i++) {
        free(images[i].data);
        free(labels[i].data);
    }
    return status;
}

iv_status iv_dataset_write_idx(const char *directory, const iv_dataset *dataset, iv_error *error) {
    if (dataset->channels != 1)
        return iv_fail(error, IV_EINVAL, "%s: has %zu channels, IDX images have 1", dataset->name,
                       dataset->channels);
    if (dataset->n_training == 0 || dataset->n_training >= dataset->n_images)
        return iv_fail(error, IV_EINVAL, "%s: needs training and test images, at least one of each",
                       dataset->name);

    iv_status status = iv_make_directories(directory, error);
    const size_t image_bytes = dataset->height * dataset->width;
    const size_t counts[] = {dataset->n_training, dataset->n_images - dataset->n_training};
    for (int half = 0; half < 2 && status == IV_OK; half++) {
        const size_t first = half == 0 ? 0 : dataset->n_training;
        const size_t shape[] = {counts[half], dataset->height, dataset->width};
        char path[IV_PATH_BYTES];
        for (int file = 0; file < 2 && status == IV_OK; file++) {
            const int length =
                snprintf(path, sizeof path, "%s/%s", directory, iv_idx_names[2 * half + file]);
            if (length < 0 || (size_t)length >= sizeof path)
                return iv_fail(error, IV_EINVAL, "the path is longer than %zu bytes", sizeof path);
            if (file == 0)
                status = iv_idx_write(path, 3, shape, dataset->pixels + first * image_bytes, error);
            else
                status = iv_idx_write(path, 1, shape, dataset->labels + first, error);
        }
    }
    return status;
}

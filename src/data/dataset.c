/* Loading image sets by name: which files they are made of, and whether these fit together. */
#include <invar/data.h>

#include "data/cifar.h"
#include "data/idx.h"
#include "data/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_BUILT_IN_IMAGES = 20000 };

/* What the headers of a set's files must say; 0 where they are free to. */
typedef struct {
    size_t n_training, n_test, height, width, n_classes;
} idx_shape;

void iv_dataset_clear(iv_dataset *dataset) {
    free(dataset->pixels);
    free(dataset->labels);
    *dataset = (iv_dataset){0};
}

static iv_status fail_missing(const char *path, const char *name, iv_error *error) {
    const iv_dataset_source *source = iv_dataset_source_find(name);
    if (source && source->by_hand)
        return iv_fail(error, IV_EDATA, "%s: missing; %s", path, source->by_hand);
    return iv_fail(
        error, IV_EDATA,
        "%s: missing (nor is there %s.gz); run `invar data fetch %s`, or say with --data "
        "or INVAR_DATA_DIR where %s/ is",
        path, path, name, name);
}

static iv_status read_idx(const char *directory, const char *name, int file, unsigned rank,
                          const size_t *expected, iv_idx *idx, char *path, iv_error *error) {
    bool exists;
    const iv_status status =
        iv_dataset_path(directory, name, iv_idx_names[file], path, &exists, error);
    if (status != IV_OK) return status;
    if (!exists) return fail_missing(path, name, error);
    return iv_idx_read(path, rank, expected, idx, error);
}

static iv_status check_labels(const char *path, const iv_idx *labels, size_t n_classes,
                              iv_error *error) {
    for (size_t i = 0; n_classes != 0 && i < labels->shape[0]; i++)
        if (labels->data[i] >= n_classes)
            return iv_fail(
                error, IV_EDATA,
                "%s: label %zu is %d, expected less than %zu; delete it and fetch it again", path,
                i, labels->data[i], n_classes);
    return IV_OK;
}

/* Images and labels of one half (training or test). */
static iv_status read_half(const char *directory, const char *name, int first_file,
                           size_t n_expected, const idx_shape *shape, iv_idx *images,
                           iv_idx *labels, iv_error *error) {
    char path[IV_PATH_BYTES];
    const size_t image_shape[] = {n_expected, shape->height, shape->width};
    iv_status status = read_idx(directory, name, first_file, 3, image_shape, images, path, error);
    if (status != IV_OK) return status;

    const size_t label_shape[] = {0};
    status = read_idx(directory, name, first_file + 1, 1, label_shape, labels, path, error);
    if (status != IV_OK) return status;
    if (labels->shape[0] != images->shape[0])
        return iv_fail(error, IV_EDATA,
                       "%s: has %zu labels, but there are %zu images; fetch both again", path,
                       labels->shape[0], images->shape[0]);
    return check_labels(path, labels, shape->n_classes, error);
}

static iv_status pool(const char *name, const iv_idx images[2], const iv_idx labels[2],
                      iv_dataset *dataset, iv_error *error) {
    if (images[0].shape[1] != images[1].shape[1] || images[0].shape[2] != images[1].shape[2])
        return iv_fail(
            error, IV_EDATA, "%s: training images are %zu x %zu but test images %zu x %zu", name,
            images[0].shape[1], images[0].shape[2], images[1].shape[1], images[1].shape[2]);

    /* Each half fitted in memory, so neither sum nor product can overflow but on tiny machines. */
    const size_t n_first = images[0].shape[0], n_second = images[1].shape[0];
    dataset->n_images = n_first + n_second;
    dataset->n_training = n_first;
    dataset->channels = 1;
    dataset->height = images[0].shape[1];
    dataset->width = images[0].shape[2];
    const size_t image_bytes = dataset->height * dataset->width;
    size_t n_bytes;
    const iv_status status = iv_multiply_size(dataset->n_images, image_bytes, &n_bytes, error);
    if (status != IV_OK) return status;

    dataset->pixels = malloc(n_bytes);
    dataset->labels = malloc(dataset->n_images);
    if (!dataset->pixels || !dataset->labels)
        return iv_fail(error, IV_ENOMEM, "%s: no memory for %zu images", name, dataset->n_images);
    memcpy(dataset->pixels, images[0].data, n_first * image_bytes);
    memcpy(dataset->pixels + n_first * image_bytes, images[1].data, n_second * image_bytes);
    memcpy(dataset->labels, labels[0].data, n_first);
    memcpy(dataset->labels + n_first, labels[1].data, n_second);
    return IV_OK;
}

static iv_status load_idx(const char *directory, const char *name, const idx_shape *shape,
                          iv_dataset *dataset, iv_error *error) {
    iv_idx images[2] = {{0}}, labels[2] = {{0}};
    iv_status status = read_half(directory, name, IV_IDX_TRAINING_IMAGES, shape->n_training, shape,
                                 &images[0], &labels[0], error);
    if (status == IV_OK)
        status = read_half(directory, name, IV_IDX_TEST_IMAGES, shape->n_test, shape, &images[1],
                           &labels[1], error);
    if (status == IV_OK) status = pool(name, images, labels, dataset, error);

    dataset->n_classes = shape->n_classes;
    for (size_t i = 0; status == IV_OK && shape->n_classes == 0 && i < dataset->n_images; i++)
        if (dataset->labels[i] >= dataset->n_classes) dataset->n_classes = dataset->labels[i] + 1u;

    for (int i = 0; i < 2; i++) {
        free(images[i].data);
        free(labels[i].data);
    }
    return status;
}

/* A set of the user's own: a folder of that name with IDX files under MNIST's names. */
static bool is_own_set(const char *directory, const char *name) {
    char path[IV_PATH_BYTES];
    bool exists = false;
    if (!directory || !*name || *name == '.' || strchr(name, '/')) return false;
    return iv_dataset_path(directory, name, iv_idx_names[IV_IDX_TRAINING_IMAGES], path, &exists,
                           NULL) == IV_OK &&
           exists;
}

iv_status iv_dataset_load(const char *directory, const char *name, size_t n_images,
                          iv_dataset *dataset, iv_error *error) {
    static const idx_shape published = {60000, 10000, 28, 28, 10};
    static const idx_shape any = {0};
    const size_t n_built_in = n_images ? n_images : DEFAULT_BUILT_IN_IMAGES;

    *dataset = (iv_dataset){0};
    if (strcmp(name, "digits") == 0) return iv_digits_make(0, n_built_in, dataset, error);
    if (strcmp(name, "noise") == 0) return iv_noise_make(0, n_built_in, dataset, error);

    iv_status status;
    if (strcmp(name, "mnist") == 0 || strcmp(name, "fashion-mnist") == 0)
        status = load_idx(directory, name, &published, dataset, error);
    else if (strcmp(name, "cifar10") == 0)
        status = iv_cifar10_load(directory, dataset, error);
    else if (is_own_set(directory, name) && strlen(name) < sizeof dataset->name)
        status = load_idx(directory, name, &any, dataset, error);
    else
        status =
            iv_fail(error, IV_EINVAL,
                    "unknown dataset '%s': expected mnist, fashion-mnist, cifar10, digits, noise, "
                    "or a folder of that name with IDX files in the data directory",
                    name);

    if (status != IV_OK) {
        iv_dataset_clear(dataset);
        return status;
    }
    snprintf(dataset->name, sizeof dataset->name, "%s", name);
    return IV_OK;
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

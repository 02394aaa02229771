/* The memory of image sets. */
#include "data/images.h"

#include <stdlib.h>

iv_status iv_dataset_allocate(iv_dataset *dataset, iv_error *error) {
    const size_t n_images = dataset->n_images;
    if (n_images == 0 || n_images > INT32_MAX)
        return iv_fail(error, IV_EINVAL, "%s: %zu images, expected 1 to %ld", dataset->name,
                       n_images, (long)INT32_MAX);

    size_t n_bytes;
    iv_status status = iv_multiply_size(dataset->height, dataset->width, &n_bytes, error);
    if (status == IV_OK) status = iv_multiply_size(n_bytes, dataset->channels, &n_bytes, error);
    if (status == IV_OK) status = iv_multiply_size(n_bytes, n_images, &n_bytes, error);
    if (status != IV_OK) return status;
    dataset->pixels = malloc(n_bytes);
    dataset->labels = malloc(n_images);
    if (dataset->pixels && dataset->labels) return IV_OK;
    status = iv_fail(error, IV_ENOMEM, "%s: no memory for %zu images", dataset->name, n_images);
    iv_dataset_clear(dataset);
    return status;
}

void iv_dataset_clear(iv_dataset *dataset) {
    free(dataset->pixels);
    free(dataset->labels);
    *dataset = (iv_dataset){0};
}

/* Reading CIFAR's binary batches. */
#include "data/cifar.h"

#include "data/images.h"
#include "data/reader.h"
#include "data/source.h"

#include <stdlib.h>
#include <string.h>

/* What each batch of a set holds. */
typedef struct {
    size_t n_records, image_bytes, record_bytes;
} batch_shape;

static iv_status read_batch(const iv_dataset_info *info, const char *directory, size_t batch,
                            const batch_shape *shape, uint8_t *records, uint8_t *pixels,
                            uint8_t *labels, iv_error *error) {
    char path[IV_PATH_BYTES];
    bool exists;
    iv_reader *reader = NULL;
    iv_status status = iv_dataset_path(directory, info, info->files[batch], path, &exists, error);
    if (status != IV_OK) return status;
    const char *advice = "delete it and fetch it again";
    if (!exists) return iv_dataset_fail_missing(directory, info, path, error);

    size_t got;
    const size_t expected = shape->n_records * shape->record_bytes;
    status = iv_reader_open(path, &reader, error);
    if (status == IV_OK) status = iv_reader_read(reader, records, expected + 1, &got, error);
    iv_reader_close(reader);
    if (status != IV_OK) return status;
    if (got != expected)
        return iv_fail(error, IV_EDATA, "%s: %s: expected %zu bytes, found %s%zu; %s", path,
                       got < expected ? "truncated" : "too long", expected,
                       got < expected ? "" : "at least ", got, advice);

    for (size_t i = 0; i < shape->n_records; i++) {
        const uint8_t *record = records + i * shape->record_bytes;
        if (record[0] >= info->n_classes)
            return iv_fail(error, IV_EDATA, "%s: label %zu is %d, expected less than %zu; %s", path,
                           i, record[0], info->n_classes, advice);
        labels[i] = record[0];
        memcpy(pixels + i * shape->image_bytes, record + 1, shape->image_bytes);
    }
    return IV_OK;
}

iv_status iv_cifar_load(const iv_dataset_info *info, const char *directory, iv_dataset_part part,
                        iv_dataset *dataset, iv_error *error) {
    size_t n_batches = 0;
    while (info->files[n_batches]) n_batches++;
    const size_t image_bytes = info->channels * info->height * info->width;
    const batch_shape shape = {(info->n_training + info->n_test) / n_batches, image_bytes,
                               1 + image_bytes};
    const size_t n_training_batches = info->n_training / shape.n_records;
    const size_t first = part == IV_PART_TEST ? n_training_batches : 0;
    const size_t end = part == IV_PART_TRAINING ? n_training_batches : n_batches;
    dataset->n_images = (end - first) * shape.n_records;
    dataset->n_training = part == IV_PART_TEST ? 0 : info->n_training;
    dataset->n_classes = info->n_classes;
    dataset->channels = info->channels;
    dataset->height = info->height;
    dataset->width = info->width;

    iv_status status = iv_dataset_allocate(dataset, error);
    if (status != IV_OK) return status;
    uint8_t *records = malloc(shape.n_records * shape.record_bytes + 1);
    if (!records) status = iv_fail(error, IV_ENOMEM, "%s: no memory to read it", info->name);
    for (size_t batch = first; batch < end && status == IV_OK; batch++)
        status = read_batch(info, directory, batch, &shape, records,
                            dataset->pixels + (batch - first) * shape.n_records * image_bytes,
                            dataset->labels + (batch - first) * shape.n_records, error);
    free(records);
    return status;
}

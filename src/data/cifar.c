#include "data/cifar.h"

#include "data/reader.h"
#include "data/source.h"

#include <stdlib.h>
#include <string.h>

enum { BATCHES = 6, RECORDS = 10000, IMAGE_BYTES = 3 * 32 * 32, RECORD_BYTES = 1 + IMAGE_BYTES };

static iv_status read_batch(const char *directory, const iv_dataset_source *source, size_t batch,
                            uint8_t *records, uint8_t *pixels, uint8_t *labels, iv_error *error) {
    char path[IV_PATH_BYTES];
    bool exists;
    iv_reader *reader = NULL;
    iv_status status =
        iv_dataset_path(directory, source->name, source->files[batch], path, &exists, error);
    if (status != IV_OK) return status;
    if (!exists) return iv_fail(error, IV_EDATA, "%s: missing; %s", path, source->by_hand);

    size_t got;
    const size_t expected = (size_t)RECORDS * RECORD_BYTES;
    status = iv_reader_open(path, &reader, error);
    if (status == IV_OK) status = iv_reader_read(reader, records, expected + 1, &got, error);
    iv_reader_close(reader);
    if (status != IV_OK) return status;
    if (got != expected)
        return iv_fail(error, IV_EDATA, "%s: %s: expected %zu bytes, found %s%zu; %s", path,
                       got < expected ? "truncated" : "too long", expected,
                       got < expected ? "" : "at least ", got, source->by_hand);

    for (size_t i = 0; i < RECORDS; i++) {
        const uint8_t *record = records + i * RECORD_BYTES;
        if (record[0] > 9)
            return iv_fail(error, IV_EDATA, "%s: label %zu is %d, expected less than 10; %s", path,
                           i, record[0], source->by_hand);
        labels[i] = record[0];
        memcpy(pixels + i * IMAGE_BYTES, record + 1, IMAGE_BYTES);
    }
    return IV_OK;
}

iv_status iv_cifar10_load(const char *directory, iv_dataset *dataset, iv_error *error) {
    const iv_dataset_source *source = iv_dataset_source_find("cifar10");
    *dataset = (iv_dataset){.n_images = (size_t)BATCHES * RECORDS,
                            .n_training = (size_t)(BATCHES - 1) * RECORDS,
                            .n_classes = 10,
                            .channels = 3,
                            .height = 32,
                            .width = 32};
    uint8_t *records = malloc((size_t)RECORDS * RECORD_BYTES + 1);
    dataset->pixels = malloc(dataset->n_images * IMAGE_BYTES);
    dataset->labels = malloc(dataset->n_images);

    iv_status status = IV_OK;
    if (!records || !dataset->pixels || !dataset->labels)
        status = iv_fail(error, IV_ENOMEM, "cifar10: no memory for its images");
    for (size_t batch = 0; batch < BATCHES && status == IV_OK; batch++)
        status = read_batch(directory, source, batch, records,
                            dataset->pixels + batch * RECORDS * IMAGE_BYTES,
                            dataset->labels + batch * RECORDS, error);
    free(records);
    return status;
}

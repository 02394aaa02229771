#include "data/idx.h"

#include "data/reader.h"

#include <invar/data.h>

#include <stdio.h>
#include <stdlib.h>

/* Far above any set this library is for, and small enough to say no to a nonsensical header. */
static const uint64_t most_data_bytes = (uint64_t)1 << 32;

static uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The sizes from the header, checked one by one and as a product. */
static iv_status check_header(const char *path, const uint8_t *header, unsigned rank,
                              const size_t *expected, iv_idx *idx, size_t *n_bytes,
                              iv_error *error) {
    if (header[0] != 0 || header[1] != 0 || header[2] != 8 || header[3] != rank)
        return iv_fail(error, IV_EDATA,
                       "%s: not an IDX file of %s: starts with %02x %02x %02x %02x, expected "
                       "00 00 08 %02x; put the right file there or run `invar data fetch`",
                       path, rank == 1 ? "labels" : "images", header[0], header[1], header[2],
                       header[3], rank);

    uint64_t product = 1;
    idx->rank = rank;
    for (unsigned i = 0; i < rank; i++) {
        const uint32_t size = big_endian(header + 4 + 4 * i);
        static const char *const names[] = {"number of items", "height", "width", "channels"};
        if (expected[i] != 0 && size != expected[i])
            return iv_fail(error, IV_EDATA, "%s: the header gives %s %lu, expected %zu", path,
                           names[i], (unsigned long)size, expected[i]);
        if (size == 0) return iv_fail(error, IV_EDATA, "%s: the header gives %s 0", path, names[i]);
        idx->shape[i] = size;
        /* Cannot overflow: both factors are below 2^32 here. */
        product *= size;
        if (product > most_data_bytes)
            return iv_fail(error, IV_EDATA, "%s: the header promises more than %llu bytes", path,
                           (unsigned long long)most_data_bytes);
    }
    if (product > SIZE_MAX)
        return iv_fail(error, IV_ENOMEM, "%s: too large for this machine's memory", path);
    *n_bytes = (size_t)product;
    return IV_OK;
}

unsigned iv_idx_image_rank(const char *path) {
    iv_reader *reader = NULL;
    uint8_t header[4] = {0};
    size_t got = 0;
    if (iv_reader_open(path, &reader, NULL) == IV_OK)
        (void)iv_reader_read(reader, header, sizeof header, &got, NULL);
    iv_reader_close(reader);
    return got == sizeof header && header[3] == 4 ? 4 : 3;
}

iv_status iv_idx_read(const char *path, unsigned rank, const size_t *expected, iv_idx *idx,
                      iv_error *error) {
    iv_reader *reader = NULL;
    uint8_t *data = NULL;
    *idx = (iv_idx){0};

    iv_status status = iv_reader_open(path, &reader, error);
    if (status != IV_OK) goto done;

    uint8_t header[4 + 4 * IV_IDX_MOST_RANK];
    const size_t header_bytes = 4 + 4 * (size_t)rank;
    size_t got, n_bytes = 0;
    status = iv_reader_read(reader, header, header_bytes, &got, error);
    if (status != IV_OK) goto done;
    if (got < header_bytes) {
        status = iv_fail(error, IV_EDATA,
                         "%s: truncated: has %zu bytes, an IDX header has %zu; delete it and "
                         "write or fetch it again",
                         path, got, header_bytes);
        goto done;
    }
    status = check_header(path, header, rank, expected, idx, &n_bytes, error);
    if (status != IV_OK) goto done;
    if (iv_reader_most_bytes(reader) < header_bytes + (uint64_t)n_bytes) {
        status =
            iv_fail(error, IV_EDATA,
                    "%s: truncated: holds at most %llu bytes, the header promises %zu and %zu; "
                    "delete it and write or fetch it again",
                    path, (unsigned long long)iv_reader_most_bytes(reader), header_bytes, n_bytes);
        goto done;
    }

    /* One byte more than promised, to see whether the file ends where it should. */
    data = malloc(n_bytes + 1);
    if (!data) {
        status = iv_fail(error, IV_ENOMEM, "%s: no memory for its %zu bytes", path, n_bytes);
        goto done;
    }
    status = iv_reader_read(reader, data, n_bytes + 1, &got, error);
    if (status != IV_OK) goto done;
    if (got != n_bytes) {
        status =
            iv_fail(error, IV_EDATA,
                    "%s: %s: the header promises %zu bytes of data, found %s%zu; delete it and "
                    "write or fetch it again",
                    path, got < n_bytes ? "truncated" : "too long", n_bytes,
                    got < n_bytes ? "" : "at least ", got);
        goto done;
    }
    idx->data = data;
    data = NULL;

done:
    free(data);
    iv_reader_close(reader);
    return status;
}

iv_status iv_idx_write(const char *path, unsigned rank, const size_t *shape, const uint8_t *data,
                       iv_error *error) {
    uint8_t header[4 + 4 * IV_IDX_MOST_RANK] = {0, 0, 8, (uint8_t)rank};
    size_t n_bytes = 1;
    for (unsigned i = 0; i < rank; i++) {
        if (shape[i] > UINT32_MAX)
            return iv_fail(error, IV_EINVAL, "%s: %zu does not fit an IDX file", path, shape[i]);
        for (unsigned k = 0; k < 4; k++)
            header[4 + 4 * i + k] = (uint8_t)(shape[i] >> (24 - 8 * k));
        const iv_status status = iv_multiply_size(n_bytes, shape[i], &n_bytes, error);
        if (status != IV_OK) return status;
    }
    const iv_file_part parts[] = {{header, 4 + 4 * (size_t)rank}, {data, n_bytes}};
    return iv_write_parts_atomically(path, parts, 2, error);
}

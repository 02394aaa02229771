/* IDX files: the format of MNIST. Four bytes 0, 0, type, rank, then the sizes as big-endian 32-bit
 * integers, then the data in C order. Only type 8 (unsigned byte) is read and written. */
#ifndef INVAR_DATA_IDX_H
#define INVAR_DATA_IDX_H

#include <invar/status.h>

#include <stdint.h>

enum { IV_IDX_MOST_RANK = 4 };

typedef struct {
    unsigned rank; /* 1 for labels, 3 for grey images, 4 for images in colour */
    size_t shape[IV_IDX_MOST_RANK];
    uint8_t *data; /* product of the shape; freed with free() */
} iv_idx;

/* Read `path`, plain or gzip, as an IDX file of the given rank.
 * expected  [rank] sizes that the header must give, 0 where any size of at least 1 will do
 * IV_EDATA if the file is missing or anything in it is not as it should be. */
iv_status iv_idx_read(const char *path, unsigned rank, const size_t *expected, iv_idx *idx,
                      iv_error *error);

/* The rank of images: 4 if the header says so, else 3, also if it cannot be read. */
unsigned iv_idx_image_rank(const char *path);

/* Write one, uncompressed and atomically. */
iv_status iv_idx_write(const char *path, unsigned rank, const size_t *shape, const uint8_t *data,
                       iv_error *error);

#endif

/* Files of images written byte by byte as their formats prescribe, without the code under test. */
#ifndef INVAR_TESTS_DATA_OWN_FILES_H
#define INVAR_TESTS_DATA_OWN_FILES_H

#include "../kit/files.h"

/* Unsigned bytes. */
void write_idx(const char *path, unsigned rank, const unsigned *shape, const void *data);

/* descr: "|u1", say; data: n_bytes as they are to lie in the file. */
void write_npy(const char *path, const char *descr, const char *order, const char *shape,
               const void *data, size_t n_bytes);

/* A PNG of one IDAT chunk without filters. rows [height, row_bytes]; palette [n_colours, 3]. */
typedef struct {
    unsigned width, height, depth, colour_type;
    const uint8_t *rows;
    size_t row_bytes;
    const uint8_t *palette;
    size_t n_colours;
    bool transparent; /* has a tRNS chunk */
} png_to_write;

void write_png(const char *path, const png_to_write *png);

/* Grey, 8 bits, all of one value. */
void write_grey_png(const char *path, unsigned width, unsigned height, uint8_t value);

/* A tar archive, gzip-compressed, of files that are all of `n_bytes` and begin with their number.
 * names: up to a NULL. */
void write_tar_gz(const char *path, const char *const *names, size_t n_bytes);

#endif

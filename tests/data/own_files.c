#include "own_files.h"

#include <zlib.h>

static void put_big_endian(uint8_t *bytes, uint32_t value) {
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

static FILE *create(const char *path) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    return file;
}

static void put(FILE *file, const void *bytes, size_t n) {
    assert_int_equal(fwrite(bytes, 1, n, file), n);
}

/* ------------------------------------------------------------------ arrays */

void write_idx(const char *path, unsigned rank, const unsigned *shape, const void *data) {
    uint8_t header[4] = {0, 0, 8, (uint8_t)rank}, size[4];
    size_t n = 1;
    FILE *file = create(path);
    put(file, header, sizeof header);
    for (unsigned i = 0; i < rank; i++) {
        put_big_endian(size, shape[i]);
        put(file, size, sizeof size);
        n *= shape[i];
    }
    put(file, data, n);
    assert_int_equal(fclose(file), 0);
}

void write_npy(const char *path, const char *descr, const char *order, const char *shape,
               const void *data, size_t n_bytes) {
    char header[256];
    int length =
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }",
                 descr, order, shape);
    while ((length + 11) % 64 != 0) header[length++] = ' ';
    header[length++] = '\n';
    const uint8_t prefix[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)length, 0};
    FILE *file = create(path);
    put(file, prefix, sizeof prefix);
    put(file, header, (size_t)length);
    put(file, data, n_bytes);
    assert_int_equal(fclose(file), 0);
}

/* ------------------------------------------------------------------ PNG */

static void put_chunk(FILE *file, const char *type, const void *data, size_t n) {
    uint8_t word[4];
    put_big_endian(word, (uint32_t)n);
    put(file, word, 4);
    put(file, type, 4);
    if (n > 0) put(file, data, n);
    uLong sum = crc32(0, (const Bytef *)type, 4);
    if (n > 0) sum = crc32(sum, data, (uInt)n);
    put_big_endian(word, (uint32_t)sum);
    put(file, word, 4);
}

static void put_rows(FILE *file, const png_to_write *png) {
    const size_t n = png->height * (1 + png->row_bytes);
    uint8_t *raw = calloc(1, n); /* each row begins with its filter, 0 */
    uLongf n_packed = compressBound(n);
    uint8_t *packed = malloc(n_packed);
    assert_true(raw && packed);
    for (size_t y = 0; y < png->height; y++)
        memcpy(raw + y * (1 + png->row_bytes) + 1, png->rows + y * png->row_bytes, png->row_bytes);
    assert_int_equal(compress(packed, &n_packed, raw, n), Z_OK);
    put_chunk(file, "IDAT", packed, n_packed);
    free(raw);
    free(packed);
}

void write_png(const char *path, const png_to_write *png) {
    static const uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    uint8_t header[13] = {0};
    put_big_endian(header, png->width);
    put_big_endian(header + 4, png->height);
    header[8] = (uint8_t)png->depth;
    header[9] = (uint8_t)png->colour_type;
    FILE *file = create(path);
    put(file, signature, sizeof signature);
    put_chunk(file, "IHDR", header, sizeof header);
    if (png->palette) put_chunk(file, "PLTE", png->palette, 3 * png->n_colours);
    if (png->transparent) put_chunk(file, "tRNS", "\0\0\0\0\0\0", png->colour_type == 2 ? 6 : 2);
    put_rows(file, png);
    put_chunk(file, "IEND", NULL, 0);
    assert_int_equal(fclose(file), 0);
}

void write_grey_png(const char *path, unsigned width, unsigned height, uint8_t value) {
    uint8_t *rows = malloc((size_t)width * height);
    assert_non_null(rows);
    memset(rows, value, (size_t)width * height);
    write_png(path,
              &(png_to_write){
                  .width = width, .height = height, .depth = 8, .rows = rows, .row_bytes = width});
    free(rows);
}

/* ------------------------------------------------------------------ tar */

static void put_header(gzFile file, const char *name, size_t n_bytes) {
    char block[512] = "";
    unsigned sum = 0;
    snprintf(block, 100, "%s", name);
    memcpy(block + 100, "0000644", 7);
    snprintf(block + 124, 12, "%011lo", (unsigned long)n_bytes);
    memset(block + 148, ' ', 8);
    block[156] = name[strlen(name) - 1] == '/' ? '5' : '0';
    memcpy(block + 257, "ustar\00000", 8);
    for (int i = 0; i < 512; i++) sum += (unsigned char)block[i];
    snprintf(block + 148, 7, "%06o", sum);
    assert_int_equal(gzwrite(file, block, 512), 512);
}

void write_tar_gz(const char *path, const char *const *names, size_t n_bytes) {
    const size_t padded = (n_bytes + 511) / 512 * 512;
    gzFile file = gzopen(path, "wb");
    uint8_t *data = calloc(1, padded + 1024);
    assert_true(file && data);
    for (int i = 0; names[i]; i++) {
        const bool folder = names[i][strlen(names[i]) - 1] == '/';
        put_header(file, names[i], folder ? 0 : n_bytes);
        data[0] = (uint8_t)i;
        if (!folder) assert_int_equal(gzwrite(file, data, (unsigned)padded), padded);
    }
    data[0] = 0;
    assert_int_equal(gzwrite(file, data, 1024), 1024);
    assert_int_equal(gzclose(file), Z_OK);
    free(data);
}

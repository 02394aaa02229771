/* POSIX ustar: blocks of 512 bytes, a header before each file's data, which fills whole blocks. */
#include "data/tar.h"

#include "data/file.h"
#include "data/reader.h"
#include "data/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 512,
    NAME = 100, /* bytes of the name, at the block's start */
    SIZE_AT = 124,
    SUM_AT = 148,
    SUM_BYTES = 8,
    TYPE_AT = 156,
    CHUNK = 128 * BLOCK,
};
static const uint64_t most_bytes = (uint64_t)1 << 30; /* of a file */

typedef struct {
    const char *path;
    iv_reader *reader;
    uint8_t chunk[CHUNK];
} archive;

static uint64_t octal(const uint8_t *digits, size_t n) {
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        if (digits[i] >= '0' && digits[i] <= '7') value = value * 8 + (digits[i] - '0');
    return value;
}

/* The sum of all bytes, those of the sum itself taken as spaces. */
static bool is_header(const uint8_t *block) {
    uint64_t sum = 0;
    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_BYTES ? ' ' : block[i];
    return sum == octal(block + SUM_AT, SUM_BYTES);
}

static bool is_blank(const uint8_t *block) {
    for (size_t i = 0; i < BLOCK; i++)
        if (block[i]) return false;
    return true;
}

static iv_status read_whole(archive *a, size_t n, iv_error *error) {
    size_t got;
    const iv_status status = iv_reader_read(a->reader, a->chunk, n, &got, error);
    if (status != IV_OK || got == n) return status;
    return iv_fail(error, IV_EDATA, "%s: truncated; delete it and fetch it again", a->path);
}

/* A file's data, to `descriptor` or (-1) to nowhere. */
static iv_status copy_data(archive *a, uint64_t n_bytes, int descriptor, const char *to,
                           iv_error *error) {
    iv_status status = IV_OK;
    while (n_bytes > 0 && status == IV_OK) {
        const size_t n = n_bytes < CHUNK ? (size_t)n_bytes : CHUNK;
        status = read_whole(a, (n + BLOCK - 1) / BLOCK * BLOCK, error);
        const int code =
            status == IV_OK && descriptor >= 0 ? iv_file_write(descriptor, a->chunk, n) : 0;
        if (code != 0) status = iv_file_fail(error, to, "write", code);
        n_bytes -= n;
    }
    return status;
}

static iv_status write_file(archive *a, uint64_t n_bytes, const char *folder, const char *file,
                            iv_error *error) {
    char path[IV_PATH_BYTES], temporary[IV_PATH_BYTES + IV_FILE_SUFFIX_BYTES];
    iv_status status = iv_path_within(folder, file, "", path, error);
    if (status != IV_OK) return status;
    const int descriptor = iv_file_create_beside(path, temporary, sizeof temporary);
    if (descriptor < 0) return iv_file_fail(error, path, "create a file beside it", errno);
    status = copy_data(a, n_bytes, descriptor, path, error);
    if (status == IV_OK) return iv_file_commit(descriptor, temporary, path, error);
    iv_file_abandon(descriptor, temporary);
    return status;
}

/* Which of the files a header's name ends in; SIZE_MAX for none. */
static size_t find_name(const uint8_t *header, const char *const *files) {
    char name[NAME + 1] = "";
    memcpy(name, header, NAME);
    const char *slash = strrchr(name, '/');
    for (size_t i = 0; files[i]; i++)
        if (strcmp(files[i], slash ? slash + 1 : name) == 0) return i;
    return SIZE_MAX;
}

static iv_status unpack(archive *a, const char *folder, const char *const *files, bool *found,
                        iv_error *error) {
    for (;;) {
        iv_status status = read_whole(a, BLOCK, error);
        if (status != IV_OK) return status;
        if (is_blank(a->chunk)) return IV_OK;
        const uint64_t n_bytes = octal(a->chunk + SIZE_AT, 12);
        if (!is_header(a->chunk) || n_bytes > most_bytes)
            return iv_fail(error, IV_EDATA, "%s: not a tar archive, or damaged", a->path);
        const bool regular = a->chunk[TYPE_AT] == '0' || a->chunk[TYPE_AT] == '\0';
        const size_t file = regular ? find_name(a->chunk, files) : SIZE_MAX;
        status = file == SIZE_MAX ? copy_data(a, n_bytes, -1, NULL, error)
                                  : write_file(a, n_bytes, folder, files[file], error);
        if (status != IV_OK) return status;
        if (file != SIZE_MAX) found[file] = true;
    }
}

iv_status iv_tar_unpack(const char *path, const char *folder, const char *const *files,
                        iv_error *error) {
    size_t n_files = 0;
    while (files[n_files]) n_files++;
    archive *a = calloc(1, sizeof *a);
    bool *found = calloc(n_files + 1, sizeof *found);
    iv_status status = a && found ? iv_reader_open(path, &a->reader, error)
                                  : iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);
    if (status == IV_OK) {
        a->path = path;
        status = unpack(a, folder, files, found, error);
        iv_reader_close(a->reader);
    }
    for (size_t i = 0; i < n_files && status == IV_OK; i++)
        if (!found[i])
            status = iv_fail(error, IV_EDATA, "%s: there is no %s in it", path, files[i]);
    free(a);
    free(found);
    return status;
}

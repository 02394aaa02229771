#include "data/verify.h"

#include "data/reader.h"
#include "data/source.h"
#include "runtime/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No published file comes near; keeps a gzip bomb from running for hours. */
static const uint64_t most_bytes = (uint64_t)1 << 30;

static iv_status add_all(iv_reader *reader, iv_sha256 *hash, const char *path, iv_error *error) {
    enum { CHUNK = 1 << 16 };
    unsigned char *chunk = malloc(CHUNK);
    if (!chunk) return iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);
    uint64_t total = 0;
    size_t got = CHUNK;
    iv_status status = IV_OK;
    while (got == CHUNK && status == IV_OK) {
        status = iv_reader_read(reader, chunk, CHUNK, &got, error);
        total += got;
        if (status == IV_OK && total > most_bytes)
            status = iv_fail(error, IV_EDATA, "%s: holds more than %llu bytes", path,
                             (unsigned long long)most_bytes);
        if (status == IV_OK) iv_sha256_add(hash, chunk, got);
    }
    free(chunk);
    return status;
}

static iv_status file_sha256(const char *path, bool as_it_is, char sha256[65], iv_error *error) {
    iv_reader *reader = NULL;
    sha256[0] = '\0';
    iv_sha256 *hash = iv_sha256_begin();
    iv_status status = !hash      ? iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path)
                       : as_it_is ? iv_reader_open_as_it_is(path, &reader, error)
                                  : iv_reader_open(path, &reader, error);
    if (status == IV_OK) status = add_all(reader, hash, path, error);
    if (status == IV_OK && !iv_sha256_so_far(hash, sha256))
        status = iv_fail(error, IV_EFAILED, "%s: the crypto library cannot compute SHA-256", path);
    iv_reader_close(reader);
    iv_sha256_end(hash);
    return status;
}

iv_status iv_file_sha256(const char *path, char sha256[65], iv_error *error) {
    return file_sha256(path, false, sha256, error);
}

iv_status iv_archive_sha256(const char *path, char sha256[65], iv_error *error) {
    return file_sha256(path, true, sha256, error);
}

bool iv_dataset_file_find(const char *directory, const iv_dataset_info *info, size_t file,
                          char *path) {
    bool exists;
    *path = '\0';
    return iv_dataset_path(directory, info, info->files[file], path, &exists, NULL) == IV_OK &&
           exists;
}

iv_file_state iv_dataset_file_verify(const char *directory, const iv_dataset_info *info,
                                     size_t file, char *path, char *sha256, iv_error *error) {
    bool exists;
    path[0] = sha256[0] = '\0';
    if (iv_dataset_path(directory, info, info->files[file], path, &exists, error) != IV_OK)
        return IV_FILE_DAMAGED;
    if (!exists) return IV_FILE_MISSING;
    if (iv_file_sha256(path, sha256, error) != IV_OK) return IV_FILE_DAMAGED;
    if (!info->sha256s[file]) return IV_FILE_UNCHECKED;
    return strcmp(sha256, info->sha256s[file]) == 0 ? IV_FILE_GOOD : IV_FILE_DIFFERENT;
}

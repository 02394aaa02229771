#include "report/log_join.h"

#include "data/file.h"
#include "runtime/open.h"
#include "runtime/sha256.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 16 };

/* The first `bytes` bytes of a file to the end of another; hashes may be NULL. */
static iv_status append(int to, const char *path, const char *from, uint64_t bytes, iv_sha256 *own,
                        iv_sha256 *all, iv_error *error) {
    char block[BLOCK];
    const char *reason;
    const int file = iv_open_to_read(from, NULL, &reason);
    if (file < 0) return iv_fail(error, IV_EDATA, "%s: cannot be read: %s", from, reason);
    iv_status status = IV_OK;
    for (uint64_t left = bytes; left > 0 && status == IV_OK;) {
        const size_t n = left < sizeof block ? (size_t)left : sizeof block;
        if (!iv_read_exactly(file, block, n, &reason)) {
            status = iv_fail(error, IV_EDATA, "%s: cannot be read to its end: %s", from, reason);
            break;
        }
        if (own) iv_sha256_add(own, block, n);
        if (all) iv_sha256_add(all, block, n);
        const int code = iv_file_write(to, block, n);
        if (code != 0) status = iv_file_fail(error, path, "write", code);
        left -= n;
    }
    close(file);
    return status;
}

static iv_status append_checked(int to, const char *path, const iv_log_part *part, iv_sha256 *all,
                                iv_error *error) {
    char sha256[IV_SHA256_HEX];
    iv_sha256 *own = iv_sha256_begin();
    if (!own) return iv_fail(error, IV_ENOMEM, "out of memory for a log");
    iv_status status = append(to, path, part->path, part->mark.bytes, own, all, error);
    if (status == IV_OK &&
        (!iv_sha256_so_far(own, sha256) || strcmp(sha256, part->mark.sha256) != 0))
        status = iv_fail(error, IV_EDATA, "%s was changed: its SHA-256 is not what was logged",
                         part->path);
    iv_sha256_end(own);
    return status;
}

/* A file beside `path`, to be given its name once it is whole. */
static iv_status create(const char *path, int *descriptor, char **temporary, iv_error *error) {
    const size_t size = strlen(path) + IV_FILE_SUFFIX_BYTES;
    *descriptor = -1;
    *temporary = malloc(size);
    if (!*temporary) return iv_fail(error, IV_ENOMEM, "out of memory for a log");
    *descriptor = iv_file_create_beside(path, *temporary, size);
    if (*descriptor >= 0) return IV_OK;
    return iv_file_fail(error, path, "create a file beside it", errno);
}

iv_status iv_log_join(const char *path, const iv_log_part *parts, size_t n, iv_log_mark *whole,
                      iv_error *error) {
    int descriptor;
    char *temporary;
    iv_sha256 *all = iv_sha256_begin();
    iv_status status = create(path, &descriptor, &temporary, error);
    if (status == IV_OK && !all) status = iv_fail(error, IV_ENOMEM, "out of memory for a log");
    *whole = (iv_log_mark){0};
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        status = append_checked(descriptor, path, &parts[i], all, error);
        whole->bytes += parts[i].mark.bytes;
    }
    if (status == IV_OK && !iv_sha256_so_far(all, whole->sha256))
        status = iv_fail(error, IV_EFAILED, "%s: no SHA-256 can be computed", path);
    iv_sha256_end(all);
    if (status == IV_OK)
        status = iv_file_commit(descriptor, temporary, path, error);
    else if (descriptor >= 0)
        iv_file_abandon(descriptor, temporary);
    free(temporary);
    return status;
}

iv_status iv_log_copy(const char *from, uint64_t bytes, const char *to, iv_error *error) {
    int descriptor;
    char *temporary;
    iv_status status = create(to, &descriptor, &temporary, error);
    if (status == IV_OK) status = append(descriptor, to, from, bytes, NULL, NULL, error);
    if (status == IV_OK)
        status = iv_file_commit(descriptor, temporary, to, error);
    else if (descriptor >= 0)
        iv_file_abandon(descriptor, temporary);
    free(temporary);
    return status;
}

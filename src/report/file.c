#include "report/file.h"

#include <invar/data.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *iv_string_copy(const char *string) {
    if (!string) return NULL;
    size_t n = strlen(string) + 1;
    char *copy = malloc(n);
    return copy ? memcpy(copy, string, n) : NULL;
}

char *iv_path_join(const char *dir, const char *name) {
    size_t n = strlen(dir);
    iv_text path = {0};
    iv_text_format(&path, n && dir[n - 1] == '/' ? "%s%s" : "%s/%s", dir, name);
    if (path.failed) iv_text_free(&path);
    return path.data;
}

bool iv_file_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

iv_status iv_file_write_text(const char *path, iv_text *text, iv_error *error) {
    char *string;
    size_t n = text->length;
    iv_status status = iv_text_take(text, &string, error);
    if (status == IV_OK) status = iv_write_file_atomically(path, string, n, error);
    free(string);
    return status;
}

iv_status iv_file_read(const char *path, char **data, size_t *n, iv_error *error) {
    iv_status status = IV_OK;
    iv_text text = {0};
    char block[65536];
    size_t got;
    struct stat info;

    *data = NULL;
    if (n) *n = 0;
    FILE *file = fopen(path, "rb");
    if (!file) return iv_fail(error, IV_EDATA, "cannot read %s: %s", path, strerror(errno));
    if (fstat(fileno(file), &info) == 0 && S_ISDIR(info.st_mode)) {
        status = iv_fail(error, IV_EDATA, "cannot read %s: it is a directory", path);
        goto done;
    }
    while ((got = fread(block, 1, sizeof block, file)) > 0) iv_text_add_bytes(&text, block, got);
    if (ferror(file)) {
        status = iv_fail(error, IV_EDATA, "cannot read %s: %s", path, strerror(errno));
        goto done;
    }
    if (n) *n = text.length;
    status = iv_text_take(&text, data, error);
done:
    iv_text_free(&text);
    fclose(file);
    return status;
}

iv_status iv_make_directories(const char *path, iv_error *error) {
    iv_status status = IV_OK;
    struct stat info;
    char *partial = iv_string_copy(path);
    if (!partial) return iv_fail(error, IV_ENOMEM, "out of memory while making %s", path);

    for (char *end = partial; status == IV_OK && end;) {
        end = strchr(end + (*end == '/'), '/');
        if (end) *end = '\0';
        if (*partial && mkdir(partial, 0777) != 0) {
            int reason = errno;
            /* Root of a read-only or automounted tree may answer something else than EEXIST. */
            if (stat(partial, &info) != 0) {
                status = iv_fail(error, IV_EFAILED, "cannot make the directory %s: %s", path,
                                 strerror(reason));
            } else if (!S_ISDIR(info.st_mode)) {
                status =
                    iv_fail(error, IV_EFAILED,
                            "cannot make the directory %s: %s is not a directory", path, partial);
            }
        }
        if (end) *end = '/';
    }
    free(partial);
    return status;
}

#include "report/file.h"

#include <invar/data.h>

#include <stdlib.h>
#include <string.h>

enum { LARGEST_BYTES = 1 << 28 };

char *iv_string_copy(const char *string) {
    if (!string) return NULL;
    size_t n = strlen(string) + 1;
    char *copy = malloc(n);
    return copy ? memcpy(copy, string, n) : NULL;
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
    uint8_t *bytes;
    size_t n_bytes;
    iv_status status = iv_read_file(path, LARGEST_BYTES, &bytes, &n_bytes, error);
    *data = (char *)bytes;
    if (n) *n = n_bytes;
    return status;
}

#include "report/json_file.h"

#include "report/file.h"

#include <stdlib.h>

iv_status iv_json_read(const char *path, json_t **root, iv_error *error) {
    char *text;
    size_t n;
    *root = NULL;
    iv_status status = iv_file_read(path, &text, &n, error);
    if (status != IV_OK) return status;

    json_error_t reason;
    *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &reason);
    if (!*root && json_error_code(&reason) == json_error_out_of_memory) {
        status = iv_fail(error, IV_ENOMEM, "out of memory while reading %s", path);
    } else if (!*root) {
        status = iv_fail(error, IV_EDATA, "%s:%d:%d: damaged: %s", path, reason.line, reason.column,
                         reason.text);
    }
    free(text);
    return status;
}

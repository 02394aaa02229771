#include "report/log_read.h"

#include <invar/data.h>

#include <stdlib.h>
#include <string.h>

static iv_status no_memory(iv_error *error) {
    return iv_fail(error, IV_ENOMEM, "no memory to read a log");
}

static iv_status add_line(json_t *points, const char *path, size_t number, const char *line,
                          size_t length, iv_error *error) {
    json_error_t reason;
    json_t *point = json_loadb(line, length, 0, &reason);
    if (!point && json_error_code(&reason) != json_error_out_of_memory)
        return iv_fail(error, IV_EDATA, "%s:%zu: damaged: %s", path, number, reason.text);
    return point && json_array_append_new(points, point) == 0 ? IV_OK : no_memory(error);
}

iv_status iv_log_read(const char *path, json_t **points, iv_error *error) {
    uint8_t *text = NULL;
    size_t left = 0;
    *points = json_array();
    iv_status status =
        *points ? iv_read_file(path, SIZE_MAX / 2, &text, &left, error) : no_memory(error);
    const char *line = (const char *)text;
    for (size_t number = 1; left > 0 && status == IV_OK; number++) {
        const char *end = memchr(line, '\n', left);
        const size_t length = end ? (size_t)(end - line) : left;
        status = add_line(*points, path, number, line, length, error);
        line += length + (end != NULL);
        left -= length + (end != NULL);
    }
    free(text);
    if (status == IV_OK) return IV_OK;
    json_decref(*points);
    *points = NULL;
    return status;
}

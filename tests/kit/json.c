#include "json.h"

#include "files.h"

json_t *read_json(const char *path) {
    json_error_t reason;
    json_t *value = json_load_file(path, JSON_REJECT_DUPLICATES, &reason);
    if (!value) fail_msg("%s:%d: %s", path, reason.line, reason.text);
    return value;
}

json_t *read_json_lines(const char *path) {
    json_t *values = json_array();
    char *text = slurp(path, NULL);
    size_t line = 1;
    for (char *at = text, *end; *at; at = end + 1, line++) {
        json_error_t reason;
        end = strchr(at, '\n');
        if (!end) fail_msg("%s:%zu: the line does not end", path, line);
        *end = '\0';
        json_t *value = json_loads(at, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &reason);
        if (!value) fail_msg("%s:%zu: %s", path, line, reason.text);
        assert_int_equal(json_array_append_new(values, value), 0);
    }
    free(text);
    return values;
}

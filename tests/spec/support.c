#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

iv_spec *parse_good(const char *text, const char *override) {
    iv_error error = {0};
    iv_spec *spec = NULL;
    iv_status status = iv_spec_parse("spec.yaml", text, strlen(text), &override, override != NULL,
                                     iv_study_schema, &spec, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, IV_OK);
    assert_non_null(spec);
    return spec;
}

static void expect(const char *text, size_t n_bytes, const char *override, const char *message) {
    iv_error error = {0};
    iv_spec *spec = (iv_spec *)&error;
    iv_status status = iv_spec_parse("spec.yaml", text, n_bytes, &override, override != NULL,
                                     iv_study_schema, &spec, &error);
    assert_string_equal(error.message, message);
    assert_int_equal(status, IV_EINVAL);
    assert_int_equal(error.status, IV_EINVAL);
    assert_null(spec);
}

void expect_message(const char *text, const char *override, const char *message) {
    expect(text, strlen(text), override, message);
}

void expect_message_of_bytes(const char *text, size_t n_bytes, const char *message) {
    expect(text, n_bytes, NULL, message);
}

char *written(const iv_spec *spec) {
    iv_error error = {0};
    char *text = NULL;
    size_t n_bytes = 0;
    FILE *stream = open_memstream(&text, &n_bytes);
    assert_non_null(stream);
    assert_ok(&error, iv_spec_write(spec, stream, &error));
    assert_int_equal(fclose(stream), 0);
    return text;
}

static size_t walk(const char *folder, void (*function)(const char *path)) {
    size_t n_files = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[1024];
        struct stat about;
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        assert_int_equal(stat(path, &about), 0);
        size_t length = strlen(path);
        if (S_ISDIR(about.st_mode)) {
            n_files += walk(path, function);
        } else if (length > 5 && strcmp(path + length - 5, ".yaml") == 0) {
            function(path);
            n_files++;
        }
    }
    closedir(directory);
    return n_files;
}

size_t for_each_config(void (*function)(const char *path)) {
    return walk(CONFIG_FOLDER, function);
}

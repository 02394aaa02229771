/* What the tests of the data room share: a folder of their own, and reading errors. */
#ifndef INVAR_TESTS_DATA_FIXTURE_H
#define INVAR_TESTS_DATA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <invar/data.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A new empty folder; removed with remove_folder. */
static inline char *make_folder(void) {
    const char *base = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof path, "%s/invar-test-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(path));
    return strdup(path);
}

static inline void remove_tree(const char *path) {
    DIR *folder = opendir(path);
    if (folder) {
        struct dirent *entry;
        while ((entry = readdir(folder))) {
            char child[1400];
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
            if (snprintf(child, sizeof child, "%s/%s", path, entry->d_name) >= (int)sizeof child)
                continue;
            struct stat found;
            if (lstat(child, &found) == 0 && S_ISDIR(found.st_mode))
                remove_tree(child);
            else
                unlink(child);
        }
        closedir(folder);
    }
    rmdir(path);
}

static inline void remove_folder(char *path) {
    remove_tree(path);
    free(path);
}

static inline size_t count_files(const char *path) {
    size_t n = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder)) n++;
    closedir(folder);
    return n - 2;
}

/* FOLDER/NAME in one of a few static buffers, so that several can be used in one statement. */
static inline const char *in(const char *folder, const char *name) {
    static char paths[8][1024];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline void write_bytes(const char *path, const void *bytes, size_t n_bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
    assert_int_equal(fclose(file), 0);
}

static inline void assert_ok(iv_status status, const iv_error *error) {
    if (status != IV_OK) fail_msg("status %d: %s", (int)status, error->message);
}

/* The expected failure, with each of the parts (up to a NULL) in its message. Clears the error. */
static inline void assert_fails(iv_status status, iv_status expected, iv_error *error, ...) {
    if (status != expected)
        fail_msg("status %d, expected %d: %s", status, expected, error->message);
    assert_int_equal(error->status, expected);
    va_list parts;
    va_start(parts, error);
    const char *part;
    while ((part = va_arg(parts, const char *)))
        if (!strstr(error->message, part))
            fail_msg("the message lacks \"%s\": %s", part, error->message);
    va_end(parts);
    iv_error_clear(error);
}

/* The folder of the real data sets. For main: NULL, with TAP that
 * says so, where it is not known. */
static inline const char *real_data(void) {
    const char *directory = getenv("INVAR_DATA_DIR");
    if (directory && *directory) return directory;
    printf("1..0 # SKIP INVAR_DATA_DIR is not set\n");
    return NULL;
}

#endif

/* What the report room's tests share: an empty folder for each test, and reading files back without
 * the code under test. Include after <cmocka.h>. */
#ifndef INVAR_TESTS_REPORT_SCRATCH_H
#define INVAR_TESTS_REPORT_SCRATCH_H

#include <invar/status.h>

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCRATCH_PATH = 512 };

static inline int make_scratch(void **state) {
    const char *parent = getenv("TMPDIR");
    char *path = malloc(SCRATCH_PATH);
    snprintf(path, SCRATCH_PATH, "%s/invar-report-XXXXXX", parent && *parent ? parent : "/tmp");
    *state = path;
    return mkdtemp(path) ? 0 : -1;
}

static inline void remove_tree(const char *path) {
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        size_t bytes = strlen(path) + strlen(entry->d_name) + 2;
        char *child = malloc(bytes);
        snprintf(child, bytes, "%s/%s", path, entry->d_name);
        if (remove(child) != 0) remove_tree(child);
        free(child);
    }
    if (folder) closedir(folder);
    remove(path);
}

static inline int remove_scratch(void **state) {
    remove_tree(*state);
    free(*state);
    return 0;
}

#define SCRATCH_TEST(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, make_scratch, remove_scratch)

/* Leave a test that this machine cannot run. cmocka's skip() prints "not ok # SKIP" in TAP, which
 * `meson test` counts as a failure. */
#define SKIP_BECAUSE(reason)                                                                       \
    do {                                                                                           \
        print_message("# skipped: %s: %s\n", __func__, reason);                                    \
        return;                                                                                    \
    } while (0)

/* SCRATCH/NAME in one of a few static buffers. */
static inline const char *in_scratch(void **state, const char *name) {
    static char paths[8][SCRATCH_PATH + 128];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", (const char *)*state, name);
    return path;
}

/* The whole file, NUL-terminated; fails the test if it is not there. */
static inline char *slurp(const char *path, size_t *n) {
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s is missing", path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = calloc((size_t)size + 1, 1);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    fclose(file);
    if (n) *n = (size_t)size;
    return text;
}

static inline void spill(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static inline bool exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

static inline size_t count_entries(const char *path) {
    size_t n = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while (readdir(folder)) n++;
    closedir(folder);
    return n - 2;
}

static inline void assert_contains(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("\"%s\" is not in:\n%s", part, text);
}

static inline void assert_lacks(const char *text, const char *part) {
    if (strstr(text, part)) fail_msg("\"%s\" is in:\n%s", part, text);
}

static inline void assert_ok(iv_status status, const iv_error *error) {
    if (status != IV_OK) fail_msg("status %d: %s", status, error->message);
}

#endif

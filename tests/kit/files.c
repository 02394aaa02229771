#include "files.h"

#include <dirent.h>

const char *scratch;

/* ------------------------------------------------------------------ folders */

static void name_new_folder(char *path, size_t bytes) {
    const char *parent = getenv("TMPDIR");
    snprintf(path, bytes, "%s/invar-test-XXXXXX", parent && *parent ? parent : "/tmp");
    assert_non_null(mkdtemp(path));
}

int make_scratch(void **state) {
    char *path = malloc(SCRATCH_PATH / 2);
    assert_non_null(path);
    name_new_folder(path, SCRATCH_PATH / 2);
    scratch = *state = path;
    return 0;
}

int remove_scratch(void **state) {
    scratch = NULL;
    remove_tree(*state);
    free(*state);
    return 0;
}

void make_folder(own_folder *f) {
    memset(f, 0, sizeof *f);
    name_new_folder(f->path, sizeof f->path);
}

const char *in_folder(own_folder *f, const char *name) {
    assert_true(f->n_files < sizeof f->files / sizeof *f->files);
    char path[sizeof *f->files];
    assert_true(snprintf(path, sizeof path, "%s/%s", f->path, name) < (int)sizeof path);
    return memcpy(f->files[f->n_files++], path, sizeof path);
}

void remove_folder(own_folder *f) {
    for (size_t i = 0; i < f->n_files; i++) unlink(f->files[i]);
    assert_int_equal(rmdir(f->path), 0);
}

static bool is_folder(const char *path) {
    struct stat about;
    return lstat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* The next entry that is not the folder itself or its parent. */
static const char *next_name(DIR *opened) {
    struct dirent *entry;
    while ((entry = readdir(opened)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return entry->d_name;
    return NULL;
}

void remove_tree(const char *path) {
    DIR *opened = is_folder(path) ? opendir(path) : NULL;
    for (const char *name; opened && (name = next_name(opened));) {
        char child[SCRATCH_PATH];
        if (snprintf(child, sizeof child, "%s/%s", path, name) < (int)sizeof child)
            remove_tree(child);
    }
    if (opened) closedir(opened);
    remove(path);
}

const char *in(const char *folder, const char *name) {
    static char paths[8][SCRATCH_PATH];
    static unsigned next;
    char *path = paths[next++ % 8];
    assert_true(snprintf(path, sizeof paths[0], "%s/%s", folder, name) < (int)sizeof paths[0]);
    return path;
}

const char *in_scratch(void **state, const char *name) {
    return in(*state, name);
}

bool exists(const char *path) {
    struct stat about;
    return stat(path, &about) == 0;
}

size_t count_entries(const char *path) {
    size_t n = 0;
    DIR *opened = opendir(path);
    assert_non_null(opened);
    while (next_name(opened)) n++;
    closedir(opened);
    return n;
}

/* ------------------------------------------------------------------ files */

void write_bytes(const char *path, const void *bytes, size_t n_bytes) {
    FILE *file = fopen(path, "wb");
    if (!file) fail_msg("%s cannot be written", path);
    assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
    assert_int_equal(fclose(file), 0);
}

void spill(const char *path, const char *text) {
    write_bytes(path, text, strlen(text));
}

char *slurp(const char *path, size_t *n_bytes) {
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s is missing", path);
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    char *text = calloc((size_t)size + 1, 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    fclose(file);
    if (n_bytes) *n_bytes = (size_t)size;
    return text;
}

/* ------------------------------------------------------------------ comparing */

static bool files_differ(const char *a, const char *b, char *difference, size_t bytes) {
    size_t n_a, n_b;
    char *bytes_a = slurp(a, &n_a), *bytes_b = slurp(b, &n_b);
    const bool differ = n_a != n_b || memcmp(bytes_a, bytes_b, n_a) != 0;
    if (differ)
        snprintf(difference, bytes, "%s (%zu bytes) and %s (%zu bytes) differ", a, n_a, b, n_b);
    free(bytes_a);
    free(bytes_b);
    return differ;
}

void assert_same_file(const char *a, const char *b) {
    char difference[2 * SCRATCH_PATH + 64];
    if (files_differ(a, b, difference, sizeof difference)) fail_msg("%s", difference);
}

static bool is_among(const char *name, const char *const *names) {
    for (; names && *names; names++)
        if (strcmp(name, *names) == 0) return true;
    return false;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder in order, without those ignored, up to a NULL. */
static char **list_names(const char *path, const char *const *ignored) {
    size_t n = 0;
    char **names = calloc(count_entries(path) + 1, sizeof *names);
    DIR *opened = opendir(path);
    assert_true(names && opened);
    for (const char *name; (name = next_name(opened));)
        if (!is_among(name, ignored)) assert_non_null(names[n++] = strdup(name));
    closedir(opened);
    qsort(names, n, sizeof *names, compare_names);
    return names;
}

static void free_names(char **names) {
    for (size_t i = 0; names[i]; i++) free(names[i]);
    free(names);
}

static bool entries_differ(const char *a, const char *b, const char *name,
                           const char *const *ignored, char *difference, size_t bytes) {
    char path_a[SCRATCH_PATH],
        path_b[SCRATCH_PATH]; /* not in(): this goes as deep as the folders do */
    assert_true(snprintf(path_a, sizeof path_a, "%s/%s", a, name) < (int)sizeof path_a);
    assert_true(snprintf(path_b, sizeof path_b, "%s/%s", b, name) < (int)sizeof path_b);
    if (is_folder(path_a) && is_folder(path_b))
        return folders_differ(path_a, path_b, ignored, difference, bytes);
    if (!is_folder(path_a) && !is_folder(path_b))
        return files_differ(path_a, path_b, difference, bytes);
    snprintf(difference, bytes, "%s or %s is a folder, the other is not", path_a, path_b);
    return true;
}

bool folders_differ(const char *a, const char *b, const char *const *ignored, char *difference,
                    size_t bytes) {
    char **names_a = list_names(a, ignored), **names_b = list_names(b, ignored);
    bool differ = false;
    for (size_t i = 0; !differ && (names_a[i] || names_b[i]); i++) {
        const int order = !names_a[i] ? 1 : !names_b[i] ? -1 : strcmp(names_a[i], names_b[i]);
        if (order == 0) {
            differ = entries_differ(a, b, names_a[i], ignored, difference, bytes);
        } else {
            differ = true;
            snprintf(difference, bytes, "%s is in %s, not in %s",
                     (order < 0 ? names_a : names_b)[i], order < 0 ? a : b, order < 0 ? b : a);
        }
    }
    free_names(names_a);
    free_names(names_b);
    return differ;
}

void assert_same_folder(const char *a, const char *b, const char *const *ignored) {
    char difference[2 * SCRATCH_PATH + 64];
    if (folders_differ(a, b, ignored, difference, sizeof difference)) fail_msg("%s", difference);
}

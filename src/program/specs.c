/* Specs that come with Invar: by name, without their folder and ending. */
#include "program/program.h"

#include "runtime/text.h"
#include "runtime/text_builder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char ending[] = ".yaml";
enum { ENDING = sizeof ending - 1, MOST_FOLDERS = 4, TITLE = 512 };

static bool is_there(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 || errno != ENOENT;
}

const char *iv_specs_directory(void) {
    const char *directory = getenv("INVAR_SPECS");
    return directory && *directory ? directory : is_there(IV_SPECS) ? IV_SPECS : "configs";
}

static iv_status no_memory(iv_error *error) {
    return iv_fail(error, IV_ENOMEM, "out of memory for specs");
}

/* ------------------------------------------------------------------ all of them */

void iv_named_specs_clear(iv_named_specs *specs) {
    for (size_t i = 0; i < specs->n; i++) {
        free(specs->items[i].name);
        free(specs->items[i].title);
    }
    free(specs->items);
    *specs = (iv_named_specs){0};
}

/* Drop what stands in the first brackets, a citation, and all behind the first sentence. */
static void shorten(char *title) {
    char *open = strstr(title, " ("), *close = open ? strchr(open, ')') : NULL;
    if (close) memmove(open, close + 1, strlen(close + 1) + 1);
    for (char *at = title; (at = strchr(at, '.')); at++)
        if (at[1] == '\0' || (at[1] == ' ' && at[2] >= 'A' && at[2] <= 'Z')) {
            *at = '\0';
            break;
        }
}

/* The first sentence of the comment that a file begins with. */
static void read_title(const char *path, char title[TITLE]) {
    size_t n = 0;
    char line[256];
    FILE *file = fopen(path, "r");
    *title = '\0';
    while (file && fgets(line, sizeof line, file) && line[0] == '#') {
        const char *text = line + 1 + strspn(line + 1, " ");
        const size_t length = strcspn(text, "\n");
        const int written =
            snprintf(title + n, TITLE - n, "%s%.*s", n ? " " : "", (int)length, text);
        n += written > 0 && (size_t)written < TITLE - n ? (size_t)written : TITLE - 1 - n;
    }
    if (file) fclose(file);
    shorten(title);
}

static iv_status add(iv_named_specs *specs, const char *path, const char *name, size_t length,
                     iv_error *error) {
    char title[TITLE];
    iv_named_spec *items = realloc(specs->items, (specs->n + 1) * sizeof *items);
    if (!items) return no_memory(error);
    specs->items = items;
    read_title(path, title);
    iv_named_spec *spec = &items[specs->n++];
    *spec = (iv_named_spec){strndup(name, length - ENDING), strdup(title)};
    return spec->name && spec->title ? IV_OK : no_memory(error);
}

/* Those in ROOT/FOLDER and its own folders; FOLDER is "" or ends in a slash. */
static iv_status add_folder(iv_named_specs *specs, const char *root, const char *folder, int depth,
                            iv_error *error) {
    iv_text path = {0};
    iv_text_format(&path, "%s/%s", root, folder);
    DIR *entries = path.failed ? NULL : opendir(path.data);
    iv_status status = path.failed ? no_memory(error) : IV_OK;
    for (const struct dirent *entry; entries && status == IV_OK && (entry = readdir(entries));) {
        iv_text name = {0}, whole = {0};
        struct stat about;
        if (entry->d_name[0] == '.') continue;
        iv_text_format(&name, "%s%s", folder, entry->d_name);
        iv_text_format(&whole, "%s/%s%s", root, folder, entry->d_name);
        if (name.failed || whole.failed) {
            status = no_memory(error);
        } else if (stat(whole.data, &about) == 0 && S_ISDIR(about.st_mode)) {
            iv_text_add(&name, "/");
            if (name.failed)
                status = no_memory(error);
            else if (depth < MOST_FOLDERS)
                status = add_folder(specs, root, name.data, depth + 1, error);
        } else if (name.length > ENDING && strcmp(name.data + name.length - ENDING, ending) == 0) {
            status = add(specs, whole.data, name.data, name.length, error);
        }
        iv_text_free(&name);
        iv_text_free(&whole);
    }
    if (entries) closedir(entries);
    iv_text_free(&path);
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const iv_named_spec *)a)->name, ((const iv_named_spec *)b)->name);
}

iv_status iv_named_specs_list(iv_named_specs *specs, iv_error *error) {
    *specs = (iv_named_specs){0};
    const iv_status status = add_folder(specs, iv_specs_directory(), "", 0, error);
    if (status == IV_OK && specs->n > 0)
        qsort(specs->items, specs->n, sizeof *specs->items, by_name);
    if (status != IV_OK) iv_named_specs_clear(specs);
    return status;
}

/* ------------------------------------------------------------------ one of them */

/* A name as it stands in messages: with the nearest one that there is. */
static iv_status refuse(const char *name, iv_error *error) {
    iv_named_specs specs;
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    iv_status status = iv_named_specs_list(&specs, error);
    if (status != IV_OK) return status;
    for (size_t i = 0; i < specs.n; i++)
        if (iv_word_nearer(name, specs.items[i].name, &best)) nearest = specs.items[i].name;
    if (nearest)
        status = iv_fail(error, IV_EINVAL,
                         "%s: No such file, nor a spec of that name in %s; did you mean `%s`?",
                         name, iv_specs_directory(), nearest);
    else
        status = iv_fail(error, IV_EINVAL, "%s: No such file, nor a spec of that name in %s", name,
                         iv_specs_directory());
    iv_named_specs_clear(&specs);
    return status;
}

iv_status iv_named_spec_find(const char *name, char **path, iv_error *error) {
    const size_t n = strlen(name);
    const bool has_ending = n > ENDING && strcmp(name + n - ENDING, ending) == 0;
    iv_text text = {0};
    *path = NULL;
    if (!is_there(name) && *name != '/') {
        iv_text_format(&text, "%s/%s%s", iv_specs_directory(), name, has_ending ? "" : ending);
        if (text.failed) return no_memory(error);
        if (is_there(text.data)) return iv_text_take(&text, path, error);
        iv_text_free(&text);
        if (!has_ending) return refuse(name, error);
    }
    iv_text_add(&text, name);
    return iv_text_take(&text, path, error);
}

/* A spec's file and those that it extends, to one map of nodes. */
#include "spec/stages.h"

#include "runtime/open.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The chain of files that is being read, from the spec itself to what it extends last. */
typedef struct {
    const char *paths[IV_SPEC_MAX_FILES];
    size_t n, n_bytes;
} file_chain;

static bool same_file(const char *a, const char *b) {
    struct stat about_a, about_b;
    if (strcmp(a, b) == 0) return true;
    if (stat(a, &about_a) != 0 || stat(b, &about_b) != 0) return false;
    return about_a.st_dev == about_b.st_dev && about_a.st_ino == about_b.st_ino;
}

/* Up to one byte more than allowed, so that a longer file shows. *reason: of a failure. */
static bool read_bytes(const char *path, char *text, size_t *n_bytes, const char **reason) {
    uint64_t size;
    *n_bytes = 0;
    const int descriptor = iv_open_to_read(path, &size, reason);
    if (descriptor < 0) return false;
    const size_t wanted = size > IV_SPEC_MAX_BYTES ? IV_SPEC_MAX_BYTES + 1 : (size_t)size;
    const bool good = iv_read_exactly(descriptor, text, wanted, reason);
    if (good) *n_bytes = wanted;
    close(descriptor);
    return good;
}

static iv_status parse(spec_context *context, file_chain *chain, const char *text, size_t n_bytes,
                       iv_node **root) {
    const char *path = chain->paths[chain->n - 1];
    context->file = path;
    context->level = (unsigned)chain->n - 1;
    spec_mark top = {path, 1, 1, NULL, context->level};
    iv_status status = spec_read_text(context, text, n_bytes, NULL, root);
    if (status != IV_OK) return status;
    chain->n_bytes += n_bytes;
    if (chain->n_bytes > IV_SPEC_MAX_BYTES) {
        return spec_fail(context, top,
                         "more than %d bytes with the specs that extend it, expected a smaller one",
                         IV_SPEC_MAX_BYTES);
    }
    if (*root && (*root)->kind == SPEC_MAP) return IV_OK;
    return spec_fail(context, *root ? (*root)->mark : top,
                     "%s, expected a map of keys (study, name, dataset, ...)",
                     !*root                       ? "an empty spec"
                     : (*root)->kind == SPEC_LIST ? "a list"
                                                  : "a single value");
}

/* The path that `entry` gives, which is relative to the folder of the file it stands in. */
static iv_status extended_path(spec_context *context, const file_chain *chain,
                               const spec_entry *entry, const char **path) {
    const iv_node *node = entry->node;
    const char *from = chain->paths[chain->n - 1], *slash = strrchr(from, '/');
    if (node->kind != SPEC_SCALAR || spec_is_null(node) || !*node->text) {
        return spec_fail(context, node->mark, "`extends` %s, expected the path of another spec",
                         node->kind == SPEC_MAP    ? "is a map"
                         : node->kind == SPEC_LIST ? "is a list"
                                                   : "has no value");
    }
    bool relative = slash && node->text[0] != '/';
    *path =
        spec_format(context, "%.*s%s", relative ? (int)(slash - from) + 1 : 0, from, node->text);
    if (!*path) return IV_ENOMEM;
    for (size_t i = 0; i < chain->n; i++) {
        if (!same_file(chain->paths[i], *path)) continue;
        return spec_fail(context, node->mark, "`extends` leads back to %s, expected another spec",
                         spec_shown(context, *path));
    }
    if (chain->n < IV_SPEC_MAX_FILES) return IV_OK;
    return spec_fail(context, node->mark, "`extends` for the %dth time, expected at most %d files",
                     IV_SPEC_MAX_FILES, IV_SPEC_MAX_FILES);
}

static void drop(iv_node *map, spec_entry *entry) {
    size_t index = (size_t)(entry - map->entries);
    memmove(entry, entry + 1, (map->n_entries - index - 1) * sizeof *entry);
    map->n_entries--;
}

/* Read on along the chain: *root, of its last file, becomes what that says laid over what it
 * extends. */
static iv_status extend(spec_context *context, file_chain *chain, char *text, iv_node **root) {
    spec_entry *entry = spec_find(*root, "extends", strlen("extends"));
    if (!entry) return IV_OK;
    const iv_node *value = entry->node;
    const char *path = NULL, *reason = "";
    size_t n_bytes;
    iv_node *base;
    iv_status status = extended_path(context, chain, entry, &path);
    if (status != IV_OK) return status;
    if (!read_bytes(path, text, &n_bytes, &reason)) {
        return spec_fail(context, value->mark,
                         "`extends`: %s cannot be read (%s), expected a YAML spec",
                         spec_shown(context, path), reason);
    }
    drop(*root, entry);
    chain->paths[chain->n++] = path;
    status = parse(context, chain, text, n_bytes, &base);
    if (status == IV_OK) status = extend(context, chain, text, &base);
    return status == IV_OK ? spec_merge(context, base, *root, root) : status;
}

iv_status spec_read_named(spec_context *context, const char *path, const char *text, size_t n_bytes,
                          iv_node **root) {
    file_chain chain = {.paths = {path}, .n = 1};
    iv_status status = parse(context, &chain, text, n_bytes, root);
    if (status != IV_OK || !spec_find(*root, "extends", strlen("extends"))) return status;
    char *buffer = malloc(IV_SPEC_MAX_BYTES + 1);
    if (!buffer) return iv_fail(context->error, IV_ENOMEM, "out of memory for reading specs");
    status = extend(context, &chain, buffer, root);
    context->file = path;
    context->level = 0;
    free(buffer);
    return status;
}

iv_status spec_read_file(spec_context *context, const char *path, iv_node **root) {
    const char *reason = "";
    size_t n_bytes;
    char *text = malloc(IV_SPEC_MAX_BYTES + 1);
    if (!text) return iv_fail(context->error, IV_ENOMEM, "out of memory for reading %s", path);
    iv_status status =
        read_bytes(path, text, &n_bytes, &reason)
            ? spec_read_named(context, path, text, n_bytes, root)
            : iv_fail(context->error, IV_EINVAL,
                      "%s:1:1: cannot be read (%s), expected a YAML spec", path, reason);
    free(text);
    return status;
}

#include "spec/stages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

iv_status iv_spec_parse(const char *name, const char *text, size_t n_bytes,
                        const char *const *overrides, size_t n_overrides, iv_spec **spec,
                        iv_error *error) {
    iv_error local = {0};
    iv_node *raw;
    spec_arena scratch = {0}; /* the trial expansion, which only checking needs */
    iv_spec_expansion expansion = {0};
    *spec = NULL;
    iv_spec *loaded = calloc(1, sizeof *loaded);
    if (!loaded) return iv_fail(error, IV_ENOMEM, "out of memory for the spec");

    spec_context context = {.arena = &loaded->arena, .file = name, .error = error ? error : &local};
    spec_mark top = {1, 1, NULL};
    iv_status status = spec_read_text(&context, text, n_bytes, NULL, &raw);
    if (status == IV_OK && (!raw || raw->kind != SPEC_MAP)) {
        status = spec_fail(&context, raw ? raw->mark : top,
                           "%s, expected a map of keys (study, name, dataset, ...)",
                           !raw                     ? "an empty spec"
                           : raw->kind == SPEC_LIST ? "a list"
                                                    : "a single value");
    }
    for (size_t i = 0; status == IV_OK && i < n_overrides; i++) {
        status = spec_override(&context, raw, overrides[i]);
    }
    context.n_nodes = 0; /* what is written out and read back is held to the same number */
    if (status == IV_OK) status = spec_resolve(&context, &spec_builtin_schema, raw, &loaded->root);

    context.arena = &scratch;
    if (status == IV_OK) status = spec_expand_within(&context, loaded->root, &expansion);
    if (status == IV_OK) status = spec_check(&context, loaded->root, &expansion);
    spec_arena_release(&scratch);
    if (status != IV_OK) {
        iv_spec_destroy(loaded);
        return status;
    }
    *spec = loaded;
    return IV_OK;
}

/* Up to one byte more than allowed, so that a longer file shows. */
static iv_status read_file(const char *path, char **text, size_t *n_bytes, iv_error *error) {
    iv_status status = IV_OK;
    *text = malloc(IV_SPEC_MAX_BYTES + 1);
    if (!*text) return iv_fail(error, IV_ENOMEM, "out of memory for reading %s", path);
    errno = 0;
    FILE *file = fopen(path, "rb");
    *n_bytes = file ? fread(*text, 1, IV_SPEC_MAX_BYTES + 1, file) : 0;
    if (!file || ferror(file)) {
        status = iv_fail(error, IV_EINVAL, "%s:1:1: cannot be read (%s), expected a YAML spec",
                         path, strerror(errno));
    }
    if (file) fclose(file);
    return status;
}

iv_status iv_spec_load(const char *path, const char *const *overrides, size_t n_overrides,
                       iv_spec **spec, iv_error *error) {
    char *text;
    size_t n_bytes = 0;
    *spec = NULL;
    iv_status status = read_file(path, &text, &n_bytes, error);
    if (status == IV_OK) {
        status = iv_spec_parse(path, text, n_bytes, overrides, n_overrides, spec, error);
    }
    free(text);
    return status;
}

void iv_spec_destroy(iv_spec *spec) {
    if (!spec) return;
    spec_arena_release(&spec->arena);
    free(spec);
}

const iv_node *iv_spec_root(const iv_spec *spec) {
    return spec->root;
}

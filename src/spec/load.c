/* A spec from a file or from memory through all the stages. */
#include "spec/stages.h"

#include "runtime/numeric.h"

#include <stdlib.h>

static iv_status check_expanded(spec_context *context, const iv_spec *spec,
                                iv_schema_list schemas) {
    spec_arena scratch = {0}; /* the trial expansion, which only checking needs */
    iv_spec_expansion expansion = {0};
    spec_schema schema = spec_schema_of(spec->schema, schemas);
    iv_spec_check check = {context, spec->schema, &schema, &expansion};
    context->arena = &scratch;
    iv_status status = spec_expand_within(context, spec->schema, spec->root, &expansion);
    if (status == IV_OK) status = spec_check(&check, spec->root);
    spec_arena_release(&scratch);
    context->arena = NULL;
    return status;
}

/* From the nodes of the file on. */
static iv_status finish(spec_context *context, iv_spec *spec, iv_node *raw,
                        const char *const *overrides, size_t n_overrides, iv_schema_list schemas) {
    for (size_t i = 0; i < n_overrides; i++) {
        iv_status status = spec_override(context, raw, overrides[i]);
        if (status != IV_OK) return status;
    }
    context->n_nodes = 0; /* what is written out and read back is held to the same number */
    iv_status status = spec_resolve(context, schemas, raw, &spec->schema, &spec->root);
    return status == IV_OK ? check_expanded(context, spec, schemas) : status;
}

/* text: NULL to read the file. */
static iv_status load(const char *path, const char *text, size_t n_bytes,
                      const char *const *overrides, size_t n_overrides, iv_schema_list schemas,
                      iv_spec **spec, iv_error *error) {
    iv_error local = {0};
    iv_node *raw;
    *spec = NULL;
    iv_spec *loaded = calloc(1, sizeof *loaded);
    if (!loaded) return iv_fail(error, IV_ENOMEM, "out of memory for the spec");
    spec_context context = {.arena = &loaded->arena, .file = path, .error = error ? error : &local};
    const iv_numeric numeric = iv_numeric_begin();
    iv_status status = text ? spec_read_named(&context, path, text, n_bytes, &raw)
                            : spec_read_file(&context, path, &raw);
    if (status == IV_OK) status = finish(&context, loaded, raw, overrides, n_overrides, schemas);
    iv_numeric_end(numeric);
    if (status != IV_OK) {
        iv_spec_destroy(loaded);
        return status;
    }
    *spec = loaded;
    return IV_OK;
}

iv_status iv_spec_parse(const char *name, const char *text, size_t n_bytes,
                        const char *const *overrides, size_t n_overrides, iv_schema_list schemas,
                        iv_spec **spec, iv_error *error) {
    return load(name, text, n_bytes, overrides, n_overrides, schemas, spec, error);
}

iv_status iv_spec_load(const char *path, const char *const *overrides, size_t n_overrides,
                       iv_schema_list schemas, iv_spec **spec, iv_error *error) {
    return load(path, NULL, 0, overrides, n_overrides, schemas, spec, error);
}

void iv_spec_destroy(iv_spec *spec) {
    if (!spec) return;
    spec_arena_release(&spec->arena);
    free(spec);
}

const iv_node *iv_spec_root(const iv_spec *spec) {
    return spec->root;
}

const iv_schema *iv_spec_schema(const iv_spec *spec) {
    return spec->schema;
}

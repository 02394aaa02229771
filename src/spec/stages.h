/* The stages of loading a spec, in order. Each works on what the one before it left. */
#ifndef INVAR_SPEC_STAGES_H
#define INVAR_SPEC_STAGES_H

#include "spec/node.h"
#include "spec/schema.h"

struct iv_spec {
    spec_arena arena;
    const iv_schema *schema;
    iv_node *root;
};

/* 1. Text to nodes. An empty text gives *root = NULL. set_key: NULL for a file, else the marks'
 * key. */
iv_status spec_read_text(spec_context *context, const char *text, size_t n_bytes,
                         const char *set_key, iv_node **root);

/* 1. A file, or its text (path: what it is called), and all that it extends, merged to one map. */
iv_status spec_read_file(spec_context *context, const char *path, iv_node **root);
iv_status spec_read_named(spec_context *context, const char *path, const char *text, size_t n_bytes,
                          iv_node **root);

/* 1. `over` laid over `base`, both as parsed; the result may share nodes with them. */
iv_status spec_merge(spec_context *context, iv_node *base, const iv_node *over, iv_node **merged);

/* 2. Apply one --set KEY=VALUE to the nodes of the file. */
iv_status spec_override(spec_context *context, iv_node *root, const char *assignment);

/* 3. Check every key against the schema of the spec's study, give scalars their types, fill in the
 * defaults. The result shares no node with `raw`; its keys are in the schema's order. */
iv_status spec_resolve(spec_context *context, iv_schema_list schemas, const iv_node *raw,
                       const iv_schema **study, iv_node **root);

/* Parse one scalar's text into *node as `key` wants it; messages call it `path`. */
iv_status spec_resolve_scalar(spec_context *context, const spec_schema *schema, const iv_key *key,
                              const char *path, const iv_node *raw, iv_node **node);

/* A map of `sweep`; `scope` is the schema path that its keys are relative to ("" or "runs[]"). */
iv_status spec_resolve_sweep(spec_context *context, const spec_schema *schema, const char *scope,
                             const char *path, const iv_node *raw, iv_node **node);

/* "unknown key" with the nearest valid one. */
iv_status spec_unknown_key(spec_context *context, const spec_schema *schema, const char *scope,
                           const char *path, unsigned flags, const spec_entry *entry);

/* 4. Expand, with the bounds and names checked. */
iv_status spec_expand_within(spec_context *context, const iv_schema *schema, const iv_node *root,
                             iv_spec_expansion *expansion);

/* What the checks share. */
struct iv_spec_check {
    spec_context *context;
    const iv_schema *study;
    const spec_schema *schema;
    const iv_spec_expansion *expansion;
};

/* 5. What no single key can tell: references between keys, sizes that must fit each other. */
iv_status spec_check(iv_spec_check *check, const iv_node *root);

/* 5. Of one run: keys that mean nothing to it (iv_key.only_if) have to keep their defaults and may
 * not be swept. */
iv_status spec_check_conditions(iv_spec_check *check, const iv_node *root, const iv_node *config);

#endif

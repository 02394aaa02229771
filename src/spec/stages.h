/* The stages of loading a spec, in order. Each works on what the one before it left. */
#ifndef INVAR_SPEC_STAGES_H
#define INVAR_SPEC_STAGES_H

#include "spec/node.h"
#include "spec/schema.h"

struct iv_spec {
    spec_arena arena;
    iv_node *root;
};

/* 1. Text to nodes. An empty text gives *root = NULL. set_key: NULL for a file, else the marks'
 * key. */
iv_status spec_read_text(spec_context *context, const char *text, size_t n_bytes,
                         const char *set_key, iv_node **root);

/* 2. Apply one --set KEY=VALUE to the nodes of the file. */
iv_status spec_override(spec_context *context, iv_node *root, const char *assignment);

/* 3. Check every key against the schema, give scalars their types, fill in the defaults. The result
 * shares no node with `raw`; its keys are in the schema's order. */
iv_status spec_resolve(spec_context *context, const spec_schema *schema, const iv_node *raw,
                       iv_node **root);

/* Parse one scalar's text into *node as `key` wants it; messages call it `path`. */
iv_status spec_resolve_scalar(spec_context *context, const spec_schema *schema, const spec_key *key,
                              const char *path, const iv_node *raw, iv_node **node);

/* A map of `sweep`; `scope` is the schema path that its keys are relative to ("" or "runs[]"). */
iv_status spec_resolve_sweep(spec_context *context, const spec_schema *schema, int studies,
                             const char *scope, const char *path, const iv_node *raw,
                             iv_node **node);

/* "unknown key" with the nearest valid one. */
iv_status spec_unknown_key(spec_context *context, const spec_schema *schema, int studies,
                           const char *scope, const char *path, unsigned flags,
                           const spec_entry *entry);

/* 4. Expand, with the bounds and names checked. */
iv_status spec_expand_within(spec_context *context, const iv_node *root,
                             iv_spec_expansion *expansion);

/* 5. What no single key can tell: references between keys, sizes that must fit each other. */
iv_status spec_check(spec_context *context, const iv_node *root,
                     const iv_spec_expansion *expansion);
iv_status spec_check_regularization(spec_context *context, const iv_node *root,
                                    const iv_spec_expansion *expansion);
iv_status spec_check_autoencoder(spec_context *context, const iv_node *root,
                                 const iv_spec_expansion *expansion);
iv_status spec_check_marginal_likelihood(spec_context *context, const iv_node *root,
                                         const iv_spec_expansion *expansion);

/* Whether the text at `path` is `word`. */
bool spec_is_word(const iv_node *node, const char *path, const char *word);

/* A batch no larger than the training set; `samples` is what the study calls them. */
iv_status spec_check_batch(spec_context *context, const iv_node *config, const char *samples);

#endif

/* Nodes as parsed to a resolved spec: every key known, typed and in range, every default filled in.
 */
#include "spec/stages.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    spec_context *context;
    const spec_schema *schema;
    const iv_node *sweep; /* the resolved top-level sweep, NULL if there is none */
} resolver;

static iv_status resolve(resolver *r, const iv_key *key, const char *path, const iv_node *raw,
                         iv_node **node);

/* "a" and "b" to "a.b"; the schema's paths are short, so are those of spec keys that passed it. */
static void join(char *buffer, size_t size, const char *path, const char *name) {
    snprintf(buffer, size, "%s%s%s", path, *path ? "." : "", name);
}

static iv_status wrong_kind(resolver *r, const iv_key *key, const char *path, const iv_node *raw) {
    char expects[640];
    spec_key_expects(r->schema, key, expects, sizeof expects);
    const char *text = raw->kind == SPEC_MAP    ? "is a map"
                       : raw->kind == SPEC_LIST ? "is a list"
                       : *raw->text             ? NULL
                                                : "has no value";
    if (text) return spec_fail(r->context, raw->mark, "`%s` %s, expected %s", path, text, expects);
    return spec_fail(r->context, raw->mark, "`%s` is `%s`, expected %s", path,
                     spec_shown(r->context, raw->text), expects);
}

/* ---------------------------------------------------------------- lists */

static int by_integer(const void *a, const void *b) {
    int64_t x = (*(const iv_node *const *)a)->integer, y = (*(const iv_node *const *)b)->integer;
    return (x > y) - (x < y);
}

static iv_status resolve_list(resolver *r, const iv_key *key, const char *path, const iv_node *raw,
                              iv_node **node) {
    if (raw->kind != SPEC_LIST) return wrong_kind(r, key, path, raw);
    if (!spec_within(spec_interval_of(key->range), (double)raw->n_entries)) {
        return spec_fail(r->context, raw->mark,
                         "`%s` has %zu elements, expected a number of them in %s", path,
                         raw->n_entries, key->range);
    }
    char element_path[256];
    snprintf(element_path, sizeof element_path, "%s[]", key->path);
    const iv_key *element_key = spec_key_find(r->schema, element_path);
    *node = spec_node_new(r->context, SPEC_LIST, raw->mark);
    if (!*node) return r->context->error->status;
    for (size_t i = 0; i < raw->n_entries; i++) {
        iv_node *element;
        snprintf(element_path, sizeof element_path, "%s.%zu", path, i);
        iv_status status = resolve(r, element_key, element_path, raw->entries[i].node, &element);
        if (status != IV_OK) return status;
        for (size_t j = 0; element->kind == SPEC_SCALAR && j < i; j++) {
            if (spec_same_scalar(element, (*node)->entries[j].node)) {
                return spec_fail(r->context, element->mark,
                                 "`%s` repeats `%s`, expected each value once", path,
                                 spec_shown(r->context, element->text));
            }
        }
        status = spec_append(r->context, *node, NULL, element->mark, element);
        if (status != IV_OK) return status;
    }
    return IV_OK;
}

static iv_status check_seeds_differ(resolver *r, const iv_node *seeds) {
    const iv_node **sorted = spec_allocate(r->context, (seeds->n_entries + 1) * sizeof *sorted);
    if (!sorted) return IV_ENOMEM;
    for (size_t i = 0; i < seeds->n_entries; i++) sorted[i] = seeds->entries[i].node;
    qsort(sorted, seeds->n_entries, sizeof *sorted, by_integer);
    for (size_t i = 1; i < seeds->n_entries; i++) {
        if (sorted[i]->integer == sorted[i - 1]->integer) {
            const iv_node *second = sorted[i]->mark.line > sorted[i - 1]->mark.line ||
                                            (sorted[i]->mark.line == sorted[i - 1]->mark.line &&
                                             sorted[i]->mark.column > sorted[i - 1]->mark.column)
                                        ? sorted[i]
                                        : sorted[i - 1];
            return spec_fail(r->context, second->mark, "seed %lld is listed twice, expected once",
                             (long long)second->integer);
        }
    }
    return IV_OK;
}

/* N becomes the list 0 .. N-1. */
static iv_status resolve_seeds(resolver *r, const iv_key *key, const char *path, const iv_node *raw,
                               iv_node **node) {
    static const iv_key count = {.path = "seeds", .type = IV_KEY_INTEGER, .range = "[1, 1000]"};
    static const iv_key seed = {
        .path = "seeds[]", .type = IV_KEY_INTEGER, .range = "[0, 2147483647]"};
    iv_node *n_seeds = NULL;
    size_t n = raw->n_entries;
    iv_status status = IV_OK;

    if (raw->kind == SPEC_MAP || (raw->kind == SPEC_LIST && (n < 1 || n > IV_SPEC_MAX_SEEDS))) {
        return wrong_kind(r, key, path, raw);
    }
    if (raw->kind == SPEC_SCALAR) {
        status = spec_resolve_scalar(r->context, r->schema, &count, path, raw, &n_seeds);
        if (status != IV_OK) return status;
        n = (size_t)n_seeds->integer;
    }
    *node = spec_node_new(r->context, SPEC_LIST, raw->mark);
    if (!*node) return r->context->error->status;
    for (size_t i = 0; i < n; i++) {
        char element_path[256];
        snprintf(element_path, sizeof element_path, "%s.%zu", path, i);
        iv_node written = {.mark = raw->mark};
        written.text = spec_format(r->context, "%zu", i);
        if (!written.text) return IV_ENOMEM;
        iv_node *element;
        status = spec_resolve_scalar(r->context, r->schema, &seed, element_path,
                                     n_seeds ? &written : raw->entries[i].node, &element);
        if (status == IV_OK) status = spec_append(r->context, *node, NULL, element->mark, element);
        if (status != IV_OK) return status;
    }
    return check_seeds_differ(r, *node);
}

/* ---------------------------------------------------------------- maps */

static iv_status check_known(resolver *r, const char *scope, const char *path, const iv_node *raw) {
    for (size_t i = 0; i < raw->n_entries; i++) {
        bool known = false;
        for (size_t k = 0; !known && k < r->schema->n_keys; k++) {
            const iv_key *key = &r->schema->keys[k];
            const char *name = spec_child_name(key, scope);
            known = name && name[0] != '[' && strcmp(name, raw->entries[i].key) == 0;
        }
        if (!known) {
            return spec_unknown_key(r->context, r->schema, scope, path, 0, &raw->entries[i]);
        }
    }
    return IV_OK;
}

/* What stands in for a key that is not written: *raw stays NULL if nothing needs to. */
static iv_status absent(resolver *r, const iv_key *key, const char *path, const iv_node *parent,
                        const iv_node **raw) {
    if (key->flags & IV_KEY_OPTIONAL) return IV_OK;
    if (key->flags & IV_KEY_REQUIRED) {
        const spec_entry *swept = r->sweep ? spec_find(r->sweep, path, strlen(path)) : NULL;
        if (swept) { /* its first value: the configurations replace it anyway */
            *raw = swept->node->entries[0].node;
            return IV_OK;
        }
        char expects[640];
        spec_key_expects(r->schema, key, expects, sizeof expects);
        return spec_fail(r->context, parent->mark, "missing key `%s`, expected %s", path, expects);
    }
    iv_node *preset = NULL;
    if (key->type == IV_KEY_MAP) {
        preset = spec_node_new(r->context, SPEC_MAP, parent->mark);
    } else {
        iv_status status =
            spec_read_text(r->context, key->preset, strlen(key->preset), NULL, &preset);
        if (status != IV_OK) return status;
        preset->mark = parent->mark;
    }
    if (!preset) return r->context->error->status;
    preset->is_default = true;
    *raw = preset;
    return IV_OK;
}

static iv_status resolve_map(resolver *r, const char *scope, const char *path, const iv_node *raw,
                             iv_node **node) {
    iv_status status = check_known(r, scope, path, raw);
    if (status != IV_OK) return status;
    *node = spec_node_new(r->context, SPEC_MAP, raw->mark);
    if (!*node) return r->context->error->status;

    for (size_t k = 0; k < r->schema->n_keys; k++) {
        const iv_key *key = &r->schema->keys[k];
        const char *name = spec_child_name(key, scope);
        if (!name || name[0] == '[') continue;

        char child_path[256];
        join(child_path, sizeof child_path, path, name);
        const spec_entry *entry = spec_find(raw, name, strlen(name));
        const iv_node *child = entry ? entry->node : NULL;
        if (!child) {
            status = absent(r, key, child_path, raw, &child);
            if (status != IV_OK) return status;
            if (!child) continue;
        }
        iv_node *resolved;
        status = resolve(r, key, child_path, child, &resolved);
        if (status == IV_OK) {
            status =
                spec_append(r->context, *node, name, entry ? entry->mark : raw->mark, resolved);
        }
        if (status != IV_OK) return status;
    }
    return IV_OK;
}

static iv_status resolve(resolver *r, const iv_key *key, const char *path, const iv_node *raw,
                         iv_node **node) {
    switch (key->type) {
    case IV_KEY_MAP:
        if (raw->kind != SPEC_MAP) return wrong_kind(r, key, path, raw);
        return resolve_map(r, key->path, path, raw, node);
    case IV_KEY_LIST: return resolve_list(r, key, path, raw, node);
    case IV_KEY_SEEDS: return resolve_seeds(r, key, path, raw, node);
    case IV_KEY_SWEEP: {
        if (raw->kind != SPEC_MAP) return wrong_kind(r, key, path, raw);
        size_t length = strlen(key->path) - strlen("sweep");
        char scope[128];
        snprintf(scope, sizeof scope, "%.*s", length > 0 ? (int)length - 1 : 0, key->path);
        return spec_resolve_sweep(r->context, r->schema, scope, path, raw, node);
    }
    default: return spec_resolve_scalar(r->context, r->schema, key, path, raw, node);
    }
}

/* The study decides which keys there are, and the sweep which of them need not be written: both
 * come before the rest. */
iv_status spec_resolve(spec_context *context, iv_schema_list schemas, const iv_node *raw,
                       const iv_schema **study, iv_node **root) {
    spec_schema all, schema;
    iv_status status = spec_schema_of_all(context, schemas, &all);
    if (status != IV_OK) return status;
    resolver r = {.context = context, .schema = &all};
    iv_node *node;

    const spec_entry *written = spec_find(raw, "study", strlen("study"));
    const iv_key *study_key = spec_key_find(&all, "study");
    const iv_node *value = written ? written->node : NULL;
    if (!value) status = check_known(&r, "", "", raw);
    if (status == IV_OK && !value) status = absent(&r, study_key, "study", raw, &value);
    if (status == IV_OK) status = resolve(&r, study_key, "study", value, &node);
    if (status != IV_OK) return status;
    *study = iv_schema_find(schemas, node->text);
    schema = spec_schema_of(*study, schemas);
    r.schema = &schema;

    const spec_entry *sweep = spec_find(raw, "sweep", strlen("sweep"));
    const iv_key *sweep_key = spec_key_find(&schema, "sweep");
    if (sweep_key && sweep) {
        status = resolve(&r, sweep_key, "sweep", sweep->node, &node);
        if (status != IV_OK) return status;
        r.sweep = node;
    }
    return resolve_map(&r, "", "", raw, root);
}

/* Sweeps as written (nested maps or dotted keys) to one flat map of key paths to typed lists, and
 * keys that the schema does not have. */
#include "spec/stages.h"

#include <string.h>

typedef struct {
    spec_context *context;
    const spec_schema *schema;
    const char *scope; /* schema path that keys are relative to */
    const char *path;  /* of the sweep itself, for messages */
    iv_node *flat;
} sweeper;

/* Path of `key` below `scope`, over any number of levels; NULL if it is not there. */
static const char *below(const iv_key *key, const char *scope) {
    size_t length = strlen(scope);
    if (length == 0) return key->path;
    if (strncmp(key->path, scope, length) != 0 || key->path[length] != '.') return NULL;
    return key->path + length + 1;
}

/* Nearest key, for "did you mean". flags: only keys with one of them (0: any direct child of
 * scope). */
static const char *nearest(const spec_schema *schema, const char *scope, unsigned flags,
                           const char *text) {
    const char *found = NULL, *elsewhere = NULL;
    size_t best = SIZE_MAX;
    for (size_t k = 0; k < schema->n_keys; k++) {
        const iv_key *key = &schema->keys[k];
        if (flags && !(key->flags & flags)) continue;
        const char *name = flags ? below(key, scope) : spec_child_name(key, scope);
        if (name && !strchr(name, '[') && spec_nearer(text, name, &best)) found = name;

        const char *whole = below(key, scope);
        const char *leaf = whole ? strrchr(whole, '.') : NULL;
        if (leaf && !strchr(whole, '[') && strcmp(leaf + 1, text) == 0) elsewhere = whole;
    }
    return found ? found : elsewhere;
}

iv_status spec_unknown_key(spec_context *context, const spec_schema *schema, const char *scope,
                           const char *path, unsigned flags, const spec_entry *entry) {
    const char *shown = spec_shown(context, entry->key);
    const char *place = *path ? spec_format(context, " in `%s`", path) : "";
    if (!place) return IV_ENOMEM;
    const char *match = nearest(schema, scope, flags, entry->key);
    if (match) {
        return spec_fail(context, entry->mark, "unknown key `%s`%s, did you mean `%s`?", shown,
                         place, match);
    }
    char list[640];
    size_t used = 0;
    list[0] = '\0';
    for (size_t k = 0; k < schema->n_keys && used < sizeof list; k++) {
        const iv_key *key = &schema->keys[k];
        if (flags && !(key->flags & flags)) continue;
        const char *name = flags ? below(key, scope) : spec_child_name(key, scope);
        if (!name || strchr(name, '[')) continue;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", name);
    }
    return spec_fail(context, entry->mark, "unknown key `%s`%s, expected one of %s", shown, place,
                     list);
}

/* "dataset, model or training": where keys that can be swept at the top are. */
static void sweepable_places(const spec_schema *schema, char *buffer, size_t size) {
    const char *last = "";
    size_t used = 0, last_at = 0, n = 0;
    for (size_t k = 0; k < schema->n_keys; k++) {
        const iv_key *key = &schema->keys[k];
        size_t length = strcspn(key->path, ".");
        if (!(key->flags & IV_KEY_SWEEPABLE)) continue;
        if (memchr(key->path, '[', length) || strncmp(last, key->path, length + 1) == 0) continue;
        last = key->path;
        last_at = used;
        used += (size_t)snprintf(buffer + used, size - used, "%s%.*s", n++ ? ", " : "", (int)length,
                                 key->path);
    }
    if (n > 1)
        snprintf(buffer + last_at, size - last_at, " or %.*s", (int)strcspn(last, "."), last);
}

static bool is_of_runs(const sweeper *s, const char *key_path) {
    char path[128];
    snprintf(path, sizeof path, "runs[].%s", key_path);
    return strncmp(key_path, "runs.", 5) == 0 || spec_key_find(s->schema, path);
}

static iv_status add_values(sweeper *s, const char *key_path, const spec_entry *entry) {
    char schema_path[256];
    snprintf(schema_path, sizeof schema_path, "%s%s%s", s->scope, *s->scope ? "." : "", key_path);
    const iv_key *key = spec_key_find(s->schema, schema_path);
    const iv_node *raw = entry->node;
    if (!*s->scope && is_of_runs(s, key_path)) {
        return spec_fail(s->context, entry->mark,
                         "`%s` belongs to single runs, expected in the `sweep` of a run",
                         spec_shown(s->context, key_path));
    }
    if (!key || strchr(key_path, '[')) {
        spec_entry named = *entry;
        named.key = key_path;
        return spec_unknown_key(s->context, s->schema, s->scope, s->path, IV_KEY_SWEEPABLE, &named);
    }
    if (!(key->flags & IV_KEY_SWEEPABLE)) {
        char places[256] = "";
        sweepable_places(s->schema, places, sizeof places);
        return spec_fail(s->context, entry->mark,
                         "`%s` cannot be swept here, expected a key of one value%s%s", key_path,
                         *s->scope ? "" : " under ", *s->scope ? "" : places);
    }
    if (raw->kind != SPEC_LIST || raw->n_entries == 0) {
        return spec_fail(s->context, raw->mark, "`%s.%s` %s, expected a list of values to try",
                         s->path, key_path,
                         raw->kind == SPEC_LIST ? "is an empty list" : "is a single value");
    }
    if (raw->n_entries > IV_SPEC_MAX_RUNS) {
        return spec_fail(s->context, raw->mark, "%zu values, expected at most %d", raw->n_entries,
                         IV_SPEC_MAX_RUNS);
    }
    const spec_entry *earlier = spec_find(s->flat, key_path, strlen(key_path));
    if (earlier) {
        return spec_fail(s->context, entry->mark,
                         "duplicate key `%s`, expected once (it is also at %s)", key_path,
                         spec_place(s->context, entry->mark, earlier->mark));
    }
    iv_node *list = spec_node_new(s->context, SPEC_LIST, raw->mark);
    if (!list) return s->context->error->status;
    for (size_t i = 0; i < raw->n_entries; i++) {
        char path[320];
        snprintf(path, sizeof path, "%s.%s.%zu", s->path, key_path, i);
        iv_node *value;
        iv_status status =
            spec_resolve_scalar(s->context, s->schema, key, path, raw->entries[i].node, &value);
        for (size_t j = 0; status == IV_OK && j < i; j++) {
            const iv_node *other = list->entries[j].node;
            bool same = value->type == SPEC_TEXT
                            ? strcmp(value->text, other->text) == 0
                            : value->number == other->number && value->boolean == other->boolean;
            if (same) {
                status = spec_fail(s->context, value->mark,
                                   "`%s.%s` repeats `%s`, expected each value once", s->path,
                                   key_path, spec_shown(s->context, value->text));
            }
        }
        if (status == IV_OK) status = spec_append(s->context, list, NULL, value->mark, value);
        if (status != IV_OK) return status;
    }
    return spec_append(s->context, s->flat, key_path, entry->mark, list);
}

static iv_status flatten(sweeper *s, const char *prefix, const iv_node *map) {
    for (size_t i = 0; i < map->n_entries; i++) {
        const spec_entry *entry = &map->entries[i];
        const char *key_path =
            spec_format(s->context, "%s%s%s", prefix, *prefix ? "." : "", entry->key);
        if (!key_path) return IV_ENOMEM;
        iv_status status = entry->node->kind == SPEC_MAP ? flatten(s, key_path, entry->node)
                                                         : add_values(s, key_path, entry);
        if (status != IV_OK) return status;
    }
    return IV_OK;
}

iv_status spec_resolve_sweep(spec_context *context, const spec_schema *schema, const char *scope,
                             const char *path, const iv_node *raw, iv_node **node) {
    sweeper s = {context, schema, scope, path, NULL};
    s.flat = spec_node_new(context, SPEC_MAP, raw->mark);
    if (!s.flat) return context->error->status;
    *node = s.flat;
    return flatten(&s, "", raw);
}

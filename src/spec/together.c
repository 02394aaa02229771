/* Which runs may train in one population: those that agree in every key that counts for them. */
#include "spec/stages.h"

#include <string.h>

static bool same(const iv_node *a, const iv_node *b) {
    if (a == b) return true;
    if (!a || !b || a->kind != b->kind || a->n_entries != b->n_entries) return false;
    if (a->kind == SPEC_SCALAR) return spec_same_scalar(a, b);
    for (size_t i = 0; i < a->n_entries; i++) {
        if (!same(a->entries[i].node, b->entries[i].node)) return false;
    }
    return true;
}

/* Whether members may differ in the two values. */
static bool is_own(const iv_key *key, const iv_node *config_a, const iv_node *a,
                   const iv_node *config_b, const iv_node *b) {
    if (!key->own) return false;
    if (!spec_any_holds(key->own_if, config_a) || !spec_any_holds(key->own_if, config_b)) {
        return false;
    }
    return strcmp(key->own, "*") == 0 ||
           (a && b && spec_is_listed(a, key->own) && spec_is_listed(b, key->own));
}

/* What decides nothing by itself: maps are compared by their keys, lists as a whole, and a run's
 * value instead of training's already stands there. */
static bool is_compared(const iv_key *key) {
    const char *rest = strncmp(key->path, "runs[].", 7) == 0 ? key->path + 7 : key->path;
    return key->type != IV_KEY_MAP && key->type != IV_KEY_SWEEP && !(key->flags & IV_KEY_INSTEAD) &&
           !strchr(rest, '[') && strcmp(rest, "runs") != 0;
}

/* Where a key's map is in two configs. Rows of one map follow each other, and most maps are shared
 * by the runs of a spec. */
typedef struct {
    const char *name;
    size_t length;
    const iv_node *a, *b;
} map_pair;

/* Enter the map of a row's path; returns what follows. */
static const char *enter(map_pair *map, const char *path, const iv_node *a, const iv_node *b) {
    size_t length = strcspn(path, ".[");
    bool of_runs = path[length] == '[';
    if (length != map->length || strncmp(map->name, path, length) != 0) {
        const char *name = of_runs ? "run" : path;
        const spec_entry *in_a = spec_find(a, name, of_runs ? 3 : length);
        const spec_entry *in_b = spec_find(b, name, of_runs ? 3 : length);
        map->name = path;
        map->length = length;
        map->a = in_a ? in_a->node : NULL;
        map->b = in_b ? in_b->node : NULL;
    }
    path += length + (of_runs ? strlen("[]") : 0);
    return path + (*path == '.');
}

bool iv_spec_together(const iv_spec *spec, const iv_node *config_a, const iv_node *config_b) {
    const iv_schema *schema = spec->schema;
    map_pair map = {.name = ""};
    for (size_t k = 0; k < schema->n_keys; k++) {
        const iv_key *key = &schema->keys[k];
        if (!is_compared(key)) continue;
        spec_condition failing;
        const char *rest = enter(&map, key->path, config_a, config_b);
        if (map.a == map.b && !key->only_if) continue;
        const iv_node *a = spec_at(map.a, rest), *b = spec_at(map.b, rest);
        if (a == b && !key->only_if) continue;
        bool counts = spec_all_hold(key->only_if, config_a, &failing);
        if (counts != spec_all_hold(key->only_if, config_b, &failing)) return false;
        if (counts && !same(a, b) && !is_own(key, config_a, a, config_b, b)) return false;
    }
    return true;
}

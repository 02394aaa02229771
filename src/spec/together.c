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

static bool lists(const char *words, const iv_node *node) {
    char word[64];
    for (size_t i = 0; spec_word(words, i, word, sizeof word); i++) {
        if (spec_equals(node, word, strlen(word))) return true;
    }
    return false;
}

/* Whether members may differ in the two values. */
static bool is_own(const iv_key *key, const iv_node *config_a, const iv_node *a,
                   const iv_node *config_b, const iv_node *b) {
    if (!key->own) return false;
    if (!spec_any_holds(key->own_if, config_a) || !spec_any_holds(key->own_if, config_b)) {
        return false;
    }
    return strcmp(key->own, "*") == 0 || (a && b && lists(key->own, a) && lists(key->own, b));
}

/* What decides nothing by itself: maps are compared by their keys, lists as a whole, and a run's
 * value instead of training's already stands there. */
static bool is_compared(const iv_key *key) {
    const char *rest = strncmp(key->path, "runs[].", 7) == 0 ? key->path + 7 : key->path;
    return key->type != IV_KEY_MAP && key->type != IV_KEY_SWEEP && !(key->flags & IV_KEY_INSTEAD) &&
           !strchr(rest, '[') && strcmp(rest, "runs") != 0;
}

bool iv_spec_together(const iv_spec *spec, const iv_node *config_a, const iv_node *config_b) {
    const iv_schema *schema = spec->schema;
    for (size_t k = 0; k < schema->n_keys; k++) {
        const iv_key *key = &schema->keys[k];
        if (!is_compared(key)) continue;
        spec_condition failing;
        char buffer[128];
        const char *path = spec_config_path(key, buffer);
        const iv_node *a = spec_at(config_a, path), *b = spec_at(config_b, path);
        if (a == b && !key->only_if) continue;
        bool counts = spec_all_hold(key->only_if, config_a, &failing);
        if (counts != spec_all_hold(key->only_if, config_b, &failing)) return false;
        if (counts && !same(a, b) && !is_own(key, config_a, a, config_b, b)) return false;
    }
    return true;
}

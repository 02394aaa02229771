/* One spec laid over another, as parsed. */
#include "spec/stages.h"

#include <string.h>

/* `KEY: ~` rather than nothing after the colon, which looks forgotten. */
static bool is_removal(const iv_node *node) {
    return spec_is_null(node) && *node->text;
}

static void remove_entry(iv_node *parent, spec_entry *entry) {
    size_t index = (size_t)(entry - parent->entries);
    memmove(entry, entry + 1, (parent->n_entries - index - 1) * sizeof *entry);
    parent->n_entries--;
}

static bool has_names(const iv_node *list) {
    for (size_t i = 0; i < list->n_entries; i++) {
        if (!spec_find(list->entries[i].node, "name", strlen("name"))) return false;
    }
    return list->n_entries > 0;
}

/* The entry of `base` that an entry laid over it changes; NULL if there is none. */
static spec_entry *find(const iv_node *base, const char *key) {
    size_t length = strlen(key), taken;
    if (base->kind == SPEC_MAP) return spec_find(base, key, length);
    spec_entry *named = spec_named(base, key, &taken);
    return named && taken == length ? named : NULL;
}

static iv_status no_such_element(spec_context *context, const iv_node *list,
                                 const spec_entry *entry) {
    const char *names = spec_names(context, list);
    if (!names) return IV_ENOMEM;
    return spec_fail(context, entry->mark, "no element `%s` in the list, expected one of %s",
                     spec_shown(context, entry->key), names);
}

static iv_status lay_over(spec_context *context, iv_node *base, const spec_entry *entry) {
    spec_entry *below = find(base, entry->key);
    if (!below && base->kind == SPEC_LIST) return no_such_element(context, base, entry);
    if (!below && is_removal(entry->node)) {
        return spec_fail(context, entry->mark,
                         "`%s` is removed but not there, expected a key of the extended spec",
                         spec_shown(context, entry->key));
    }
    if (!below) return spec_append(context, base, entry->key, entry->mark, entry->node);
    if (is_removal(entry->node)) {
        remove_entry(base, below);
        return IV_OK;
    }
    if (base->kind == SPEC_LIST && entry->node->kind != SPEC_MAP) {
        return spec_fail(context, entry->node->mark, "`%s` is %s, expected a map of keys to change",
                         spec_shown(context, entry->key),
                         entry->node->kind == SPEC_LIST ? "a list" : "a single value");
    }
    below->mark = entry->mark;
    return spec_merge(context, below->node, entry->node, &below->node);
}

iv_status spec_merge(spec_context *context, iv_node *base, const iv_node *over, iv_node **merged) {
    bool maps = base->kind == SPEC_MAP && over->kind == SPEC_MAP;
    bool by_name = base->kind == SPEC_LIST && over->kind == SPEC_MAP && has_names(base);
    if (!maps && !by_name) {
        *merged = (iv_node *)over;
        return IV_OK;
    }
    for (size_t i = 0; i < over->n_entries; i++) {
        iv_status status = lay_over(context, base, &over->entries[i]);
        if (status != IV_OK) return status;
    }
    base->mark = over->mark;
    *merged = base;
    return IV_OK;
}

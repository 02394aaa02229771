/* Typed getters. Loading has made sure of every type, so a miss here is the caller's mistake. */
#include "spec/node.h"

#include <assert.h>
#include <string.h>

static const iv_node *scalar(const iv_node *node, const char *path) {
    const iv_node *found = spec_at(node, path);
    assert(found && found->kind == SPEC_SCALAR && "no such value in the spec");
    return found && found->kind == SPEC_SCALAR ? found : NULL;
}

bool iv_spec_has(const iv_node *node, const char *path) {
    return spec_at(node, path) != NULL;
}

int64_t iv_spec_integer(const iv_node *node, const char *path) {
    const iv_node *found = scalar(node, path);
    assert(found && found->type == SPEC_INTEGER);
    return found ? found->integer : 0;
}

double iv_spec_number(const iv_node *node, const char *path) {
    const iv_node *found = scalar(node, path);
    assert(found && (found->type == SPEC_NUMBER || found->type == SPEC_INTEGER));
    return found ? found->number : 0;
}

bool iv_spec_boolean(const iv_node *node, const char *path) {
    const iv_node *found = scalar(node, path);
    assert(found && found->type == SPEC_BOOLEAN);
    return found && found->boolean;
}

const char *iv_spec_string(const iv_node *node, const char *path) {
    const iv_node *found = scalar(node, path);
    assert(found && found->type == SPEC_TEXT);
    return found ? found->text : "";
}

const iv_node *iv_spec_node(const iv_node *node, const char *path) {
    const iv_node *found = spec_at(node, path);
    assert(found && "no such key in the spec");
    return found;
}

size_t iv_spec_length(const iv_node *node, const char *path) {
    const iv_node *found = iv_spec_node(node, path);
    return found ? found->n_entries : 0;
}

const iv_node *iv_spec_element(const iv_node *node, const char *path, size_t index) {
    const iv_node *list = iv_spec_node(node, path);
    assert(list && list->kind == SPEC_LIST && index < list->n_entries);
    return list && index < list->n_entries ? list->entries[index].node : NULL;
}

bool iv_spec_is(const iv_node *node, const char *path, const char *word) {
    return strcmp(iv_spec_string(node, path), word) == 0;
}

bool iv_spec_is_default(const iv_node *node) {
    return node->is_default;
}

bool iv_spec_lists(const iv_node *node, const char *path, const char *word) {
    const iv_node *list = iv_spec_node(node, path);
    for (size_t i = 0; list && i < list->n_entries; i++) {
        if (strcmp(list->entries[i].node->text, word) == 0) return true;
    }
    return false;
}

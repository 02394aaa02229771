/* --set key.path=value. */
#include "spec/stages.h"

#include <stdlib.h>
#include <string.h>

/* The entry of `map` whose key starts `path`: of `sweep: {training.batch: ...}` too, whose keys
 * hold dots; the longest wins. *taken: bytes of the path it covers. */
static spec_entry *longest_key(const iv_node *map, const char *path, size_t *taken) {
    spec_entry *found = NULL;
    *taken = strcspn(path, ".");
    for (size_t i = 0; i < map->n_entries; i++) {
        size_t length = strlen(map->entries[i].key);
        bool fits = strncmp(map->entries[i].key, path, length) == 0 &&
                    (path[length] == '.' || path[length] == '\0');
        if (fits && (!found || length > *taken)) {
            found = &map->entries[i];
            *taken = length;
        }
    }
    return found;
}

static iv_status list_entry(spec_context *context, const iv_node *list, const char *path,
                            spec_mark mark, spec_entry **entry, size_t *taken) {
    char *end;
    unsigned long index = strtoul(path, &end, 10);
    *taken = strcspn(path, ".");
    if (path[0] >= '0' && path[0] <= '9' && end == path + *taken && index < list->n_entries) {
        *entry = &list->entries[index];
        return IV_OK;
    }
    *entry = spec_named(list, path, taken);
    if (*entry) return IV_OK;
    const char *part = spec_copy(context, path, *taken);
    const char *names = spec_names(context, list);
    if (!part || !names) return IV_ENOMEM;
    if (list->n_entries == 0) {
        return spec_fail(context, mark,
                         "`%s` indexes an empty list, expected to set the whole list",
                         spec_shown(context, part));
    }
    return spec_fail(context, mark,
                     "no element `%s` in the list, expected an index from 0 to %zu%s%s",
                     spec_shown(context, part), list->n_entries - 1, *names ? " or " : "", names);
}

/* Find the entry that `path` names below `node`, making the maps on the way. */
static iv_status locate(spec_context *context, iv_node *node, const char *path, spec_mark mark,
                        spec_entry **entry) {
    for (unsigned depth = 0;; depth++) {
        size_t taken = 0;
        *entry = NULL;
        if (depth >= IV_SPEC_MAX_DEPTH) {
            return spec_fail(context, mark, "nested too deeply, expected at most %d levels",
                             IV_SPEC_MAX_DEPTH);
        }
        if (node->kind == SPEC_LIST) {
            iv_status status = list_entry(context, node, path, mark, entry, &taken);
            if (status != IV_OK) return status;
        } else if (node->kind == SPEC_MAP) {
            *entry = longest_key(node, path, &taken);
        } else {
            return spec_fail(context, mark,
                             "leads through the value `%s`, expected a map or a list there",
                             spec_shown(context, node->text));
        }
        bool last = path[taken] == '\0';
        if (!last && path[taken + 1] == '\0') {
            return spec_fail(context, mark, "the key ends in a dot, expected KEY.PATH=VALUE");
        }
        if (!*entry) {
            const char *key = spec_copy(context, path, taken);
            iv_node *child = spec_node_new(context, SPEC_MAP, mark);
            if (!key || !child) return context->error->status;
            iv_status status = spec_append(context, node, key, mark, child);
            if (status != IV_OK) return status;
            *entry = &node->entries[node->n_entries - 1];
        }
        if (last) return IV_OK;
        node = (*entry)->node;
        path += taken + 1;
    }
}

iv_status spec_override(spec_context *context, iv_node *root, const char *assignment) {
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment) {
        return iv_fail(context->error, IV_EINVAL,
                       "--set %s: no value, expected KEY.PATH=VALUE (training.epochs=5)",
                       spec_shown(context, assignment));
    }
    const char *key = spec_copy(context, assignment, (size_t)(equals - assignment));
    if (!key) return IV_ENOMEM;
    spec_mark mark = {context->file, 1, 1, spec_shown(context, key), 0};

    iv_node *value;
    iv_status status =
        spec_read_text(context, equals + 1, strlen(equals + 1), mark.set_key, &value);
    if (status != IV_OK) return status;
    if (!value) {
        return spec_fail(context, mark, "no value, expected KEY.PATH=VALUE (training.epochs=5)");
    }
    spec_entry *entry;
    status = locate(context, root, key, mark, &entry);
    if (status != IV_OK) return status;
    entry->node = value;
    entry->mark = mark;
    return IV_OK;
}

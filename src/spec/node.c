/* Nodes, the memory they live in, and messages that say where a node came from. */
#include "spec/node.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 16384

struct spec_block {
    spec_block *next;
    size_t used, size; /* bytes of data */
    max_align_t data[];
};

void *spec_allocate(spec_context *context, size_t bytes) {
    size_t aligned = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    spec_block *block = context->arena->blocks;
    if (aligned < bytes) {
        (void)iv_fail(context->error, IV_ENOMEM, "out of memory for the spec");
        return NULL;
    }
    if (!block || block->size - block->used < aligned) {
        size_t size = aligned > BLOCK_BYTES ? aligned : BLOCK_BYTES;
        block = size > SIZE_MAX - sizeof *block ? NULL : calloc(1, sizeof *block + size);
        if (!block) {
            (void)iv_fail(context->error, IV_ENOMEM, "out of memory for the spec");
            return NULL;
        }
        block->size = size;
        block->next = context->arena->blocks;
        context->arena->blocks = block;
    }
    void *memory = (char *)block->data + block->used;
    block->used += aligned;
    return memory;
}

char *spec_copy(spec_context *context, const char *text, size_t n_bytes) {
    char *copy = spec_allocate(context, n_bytes + 1);
    if (copy) memcpy(copy, text, n_bytes);
    return copy;
}

char *spec_format(spec_context *context, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = n < 0 ? NULL : spec_allocate(context, (size_t)n + 1);
    if (!text) return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)n + 1, format, arguments);
    va_end(arguments);
    return text;
}

void spec_arena_release(spec_arena *arena) {
    while (arena->blocks) {
        spec_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}

iv_node *spec_node_new(spec_context *context, spec_kind kind, spec_mark mark) {
    if (++context->n_nodes > IV_SPEC_MAX_NODES) {
        (void)spec_fail(context, mark, "the spec has too many values, expected at most %d",
                        IV_SPEC_MAX_NODES);
        return NULL;
    }
    iv_node *node = spec_allocate(context, sizeof *node);
    if (!node) return NULL;
    node->kind = kind;
    node->mark = mark;
    node->text = "";
    return node;
}

iv_status spec_append(spec_context *context, iv_node *parent, const char *key, spec_mark mark,
                      iv_node *child) {
    if (parent->n_entries == parent->capacity) {
        size_t capacity = parent->capacity ? 2 * parent->capacity : 8;
        spec_entry *entries = spec_allocate(context, capacity * sizeof *entries);
        if (!entries) return IV_ENOMEM;
        if (parent->n_entries) {
            memcpy(entries, parent->entries, parent->n_entries * sizeof *entries);
        }
        parent->entries = entries;
        parent->capacity = capacity;
    }
    parent->entries[parent->n_entries++] = (spec_entry){.key = key, .mark = mark, .node = child};
    return IV_OK;
}

spec_entry *spec_find(const iv_node *map, const char *key, size_t key_length) {
    if (map->kind != SPEC_MAP) return NULL;
    for (size_t i = 0; i < map->n_entries; i++) {
        const char *candidate = map->entries[i].key;
        if (strncmp(candidate, key, key_length) == 0 && candidate[key_length] == '\0') {
            return &map->entries[i];
        }
    }
    return NULL;
}

const iv_node *spec_at(const iv_node *node, const char *path) {
    while (node && *path) {
        size_t length = strcspn(path, ".");
        if (node->kind == SPEC_LIST) {
            char *end;
            unsigned long index = strtoul(path, &end, 10);
            if (path[0] < '0' || path[0] > '9' || end != path + length) return NULL;
            node = index < node->n_entries ? node->entries[index].node : NULL;
        } else {
            spec_entry *entry = spec_find(node, path, length);
            node = entry ? entry->node : NULL;
        }
        path += length;
        if (*path == '.') path++;
    }
    return node;
}

bool spec_same_scalar(const iv_node *a, const iv_node *b) {
    if (a->type == SPEC_TEXT) return strcmp(a->text, b->text) == 0;
    return a->number == b->number && a->boolean == b->boolean && a->integer == b->integer;
}

const char *spec_scalar_text(spec_context *context, const iv_node *node) {
    char number[32];
    if (node->type == SPEC_TEXT) return node->text;
    if (node->type == SPEC_BOOLEAN) return node->boolean ? "true" : "false";
    spec_number_text(node->number, number);
    const char *text = spec_copy(context, number, strlen(number));
    return text ? text : "?";
}

bool spec_is_null(const iv_node *node) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != SPEC_SCALAR || node->quoted) return false;
    for (size_t i = 0; i < sizeof nulls / sizeof nulls[0]; i++) {
        if (strcmp(node->text, nulls[i]) == 0) return true;
    }
    return false;
}

spec_entry *spec_named(const iv_node *list, const char *path, size_t *taken) {
    spec_entry *found = NULL;
    for (size_t i = 0; i < list->n_entries; i++) {
        const spec_entry *name = spec_find(list->entries[i].node, "name", strlen("name"));
        if (!name || name->node->kind != SPEC_SCALAR) continue;
        size_t length = strlen(name->node->text);
        bool fits = length > 0 && strncmp(name->node->text, path, length) == 0 &&
                    (path[length] == '.' || path[length] == '\0');
        if (fits && (!found || length > *taken)) {
            found = &list->entries[i];
            *taken = length;
        }
    }
    return found;
}

iv_status spec_fail(spec_context *context, spec_mark mark, const char *format, ...) {
    char text[sizeof context->error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (mark.set_key) {
        return iv_fail(context->error, IV_EINVAL, "--set %s: %s", mark.set_key, text);
    }
    return iv_fail(context->error, IV_EINVAL, "%s:%u:%u: %s", mark.file, mark.line, mark.column,
                   text);
}

const char *spec_names(spec_context *context, const iv_node *list) {
    enum { LONGEST = 200 };
    const char *names = "";
    for (size_t i = 0; i < list->n_entries && names; i++) {
        const spec_entry *name = spec_find(list->entries[i].node, "name", strlen("name"));
        if (!name || name->node->kind != SPEC_SCALAR) continue;
        if (strlen(names) > LONGEST) return spec_format(context, "%s, ...", names);
        names = spec_format(context, "%s%s%s", names, *names ? ", " : "",
                            spec_shown(context, name->node->text));
    }
    return names;
}

const char *spec_place(spec_context *context, spec_mark from, spec_mark mark) {
    bool elsewhere = strcmp(from.file, mark.file) != 0;
    const char *place = spec_format(context, "%s%sline %u, column %u", elsewhere ? mark.file : "",
                                    elsewhere ? ", " : "", mark.line, mark.column);
    return place ? place : "?";
}

const char *spec_shown(spec_context *context, const char *text) {
    enum { LONGEST = 60 };
    size_t length = 0;
    while (length < LONGEST && text[length]) length++;
    bool cut = text[length] != '\0';
    if (cut) { /* not through the middle of a UTF-8 sequence */
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) length--;
    }
    char *shown = spec_allocate(context, length + 4);
    if (!shown) return "?";
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        shown[i] = c < 0x20 || c == 0x7F ? '?' : text[i];
    }
    if (cut) memcpy(shown + length, "...", 4);
    return shown;
}

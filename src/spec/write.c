/* Resolved specs as YAML, nodes as JSON. */
#include "spec/stages.h"

#include "runtime/numeric.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

/* Words that some YAML reader takes for something else than text. */
static bool is_plain_word(const char *text) {
    static const char *const reserved[] = {"y",   "n",    "yes",   "no",  "on",
                                           "off", "true", "false", "null"};
    bool letter = (text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z');
    if (!letter) return false;
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (strcasecmp(text, reserved[i]) == 0) return false;
    }
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") ==
           strlen(text);
}

static int emit_text(yaml_emitter_t *emitter, const char *text, bool plain) {
    yaml_event_t event;
    return yaml_scalar_event_initialize(
               &event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), 1, 1,
               plain ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE) &&
           yaml_emitter_emit(emitter, &event);
}

static int emit_scalar(yaml_emitter_t *emitter, const iv_node *node) {
    char number[40];
    switch (node->type) {
    case SPEC_INTEGER:
        snprintf(number, sizeof number, "%lld", (long long)node->integer);
        return emit_text(emitter, number, true);
    case SPEC_NUMBER: {
        spec_number_text(node->number, number);
        char *exponent = strchr(number, 'e'); /* YAML 1.1 wants a point in a float: 1.0e-08 */
        if (exponent && !strchr(number, '.')) {
            memmove(exponent + 2, exponent, strlen(exponent) + 1);
            memcpy(exponent, ".0", 2);
        }
        return emit_text(emitter, number, true);
    }
    case SPEC_BOOLEAN: return emit_text(emitter, node->boolean ? "true" : "false", true);
    default: return emit_text(emitter, node->text, is_plain_word(node->text));
    }
}

static int emit_node(yaml_emitter_t *emitter, const iv_node *node) {
    yaml_event_t event;
    if (node->kind == SPEC_SCALAR) return emit_scalar(emitter, node);

    bool is_map = node->kind == SPEC_MAP;
    bool flow = !is_map;
    for (size_t i = 0; i < node->n_entries; i++) {
        flow = flow && node->entries[i].node->kind == SPEC_SCALAR;
    }
    int good = is_map ? yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
                                                            YAML_BLOCK_MAPPING_STYLE)
                      : yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
                                                             flow ? YAML_FLOW_SEQUENCE_STYLE
                                                                  : YAML_BLOCK_SEQUENCE_STYLE);
    good = good && yaml_emitter_emit(emitter, &event);
    for (size_t i = 0; good && i < node->n_entries; i++) {
        const spec_entry *entry = &node->entries[i];
        if (is_map) good = emit_text(emitter, entry->key, is_plain_word(entry->key));
        good = good && emit_node(emitter, entry->node);
    }
    return good &&
           (is_map ? yaml_mapping_end_event_initialize(&event)
                   : yaml_sequence_end_event_initialize(&event)) &&
           yaml_emitter_emit(emitter, &event);
}

static int emit_document(yaml_emitter_t *emitter, const iv_node *root) {
    yaml_event_t event;
    return yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
           yaml_emitter_emit(emitter, &event) &&
           yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
           yaml_emitter_emit(emitter, &event) && emit_node(emitter, root) &&
           yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(emitter, &event) &&
           yaml_stream_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

iv_status iv_spec_write(const iv_spec *spec, FILE *out, iv_error *error) {
    yaml_emitter_t emitter;
    if (!yaml_emitter_initialize(&emitter)) {
        return iv_fail(error, IV_ENOMEM, "out of memory for writing the spec");
    }
    yaml_emitter_set_output_file(&emitter, out);
    yaml_emitter_set_width(&emitter, -1); /* no folding */
    yaml_emitter_set_unicode(&emitter, 1);
    const iv_numeric numeric = iv_numeric_begin();
    int good = emit_document(&emitter, spec->root) && yaml_emitter_flush(&emitter);
    iv_numeric_end(numeric);
    yaml_emitter_delete(&emitter);
    if (!good || fflush(out) != 0 || ferror(out)) {
        return iv_fail(error, IV_EFAILED, "the resolved spec cannot be written: is the disk full?");
    }
    return IV_OK;
}

static json_t *to_json(const iv_node *node) {
    if (node->kind == SPEC_SCALAR) {
        switch (node->type) {
        case SPEC_INTEGER: return json_integer(node->integer);
        case SPEC_NUMBER: return json_real(node->number);
        case SPEC_BOOLEAN: return json_boolean(node->boolean);
        default: return json_string(node->text);
        }
    }
    json_t *json = node->kind == SPEC_MAP ? json_object() : json_array();
    for (size_t i = 0; json && i < node->n_entries; i++) {
        json_t *value = to_json(node->entries[i].node);
        int failed = node->kind == SPEC_MAP ? json_object_set_new(json, node->entries[i].key, value)
                                            : json_array_append_new(json, value);
        if (failed) {
            json_decref(json);
            json = NULL;
        }
    }
    return json;
}

iv_status iv_spec_json(const iv_node *node, char **text, iv_error *error) {
    json_t *json = to_json(node);
    *text =
        json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    return *text ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for the spec as JSON");
}

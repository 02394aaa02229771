/* Conditions on the keys of a run, as schemas write them (iv_key.only_if, iv_key.own_if). */
#include "spec/stages.h"

#include <assert.h>
#include <string.h>

static void copy(char *buffer, size_t size, const char *text, size_t length) {
    if (length >= size) length = size - 1;
    memcpy(buffer, text, length);
    buffer[length] = '\0';
}

const char *spec_condition_next(const char *text, spec_condition *condition) {
    const char *end = strstr(text, " & "), *alternative = strstr(text, " or ");
    if (alternative && (!end || alternative < end)) end = alternative;
    size_t length = end ? (size_t)(end - text) : strlen(text), path = strcspn(text, "!=");
    condition->negated = text[path] == '!';
    size_t skipped = path + 1 + condition->negated;
    assert(path < sizeof condition->path && skipped < length &&
           length - skipped < sizeof condition->words && "a condition that no one can read");
    copy(condition->path, sizeof condition->path, text, path);
    copy(condition->words, sizeof condition->words, text + skipped, length - skipped);
    return end && end != alternative ? end + 3 : NULL;
}

bool spec_condition_holds(const spec_condition *condition, const iv_node *config) {
    const iv_node *node = spec_at(config, condition->path);
    bool listed = node && spec_is_listed(node, condition->words);
    return listed != condition->negated;
}

bool spec_all_hold(const char *text, const iv_node *config, spec_condition *failing) {
    while (text) {
        text = spec_condition_next(text, failing);
        if (!spec_condition_holds(failing, config)) return false;
    }
    return true;
}

bool spec_any_holds(const char *text, const iv_node *config) {
    spec_condition failing;
    if (!text) return true;
    while (!spec_all_hold(text, config, &failing)) {
        const char *alternative = strstr(text, " or ");
        if (!alternative) return false;
        text = alternative + 4;
    }
    return true;
}

/* ------------------------------------------------------------------ in words */

const char *spec_condition_name(const spec_condition *condition) {
    return strncmp(condition->path, "run.", 4) == 0 ? condition->path + 4 : condition->path;
}

static bool is_word_of(const char *words, const char *word) {
    char other[64];
    for (size_t i = 0; spec_word(words, i, other, sizeof other); i++) {
        if (strcmp(other, word) == 0) return true;
    }
    return false;
}

/* The i-th value that `key` may have; a key without choices has those of the condition. */
static bool value(const spec_schema *schema, const iv_key *key, const spec_condition *condition,
                  size_t i, char *buffer, size_t size) {
    if (key && key->type == IV_KEY_ENUM) return spec_choice(schema, key, i, buffer, size);
    if (key && key->type == IV_KEY_BOOLEAN) return spec_word("true|false", i, buffer, size);
    return spec_word(condition->words, i, buffer, size);
}

void spec_condition_values(const spec_schema *schema, const spec_condition *condition, char *buffer,
                           size_t size) {
    const iv_key *key = spec_config_key(schema, condition->path);
    char word[64], last[64] = "";
    size_t used = 0, n = 0;
    buffer[0] = '\0';
    for (size_t i = 0; value(schema, key, condition, i, word, sizeof word); i++) {
        if (is_word_of(condition->words, word) == condition->negated) continue;
        if (n > 0 && used < size)
            used += (size_t)snprintf(buffer + used, size - used, "%s%s", n > 1 ? ", " : "", last);
        snprintf(last, sizeof last, "%s", word);
        n++;
    }
    if (used < size) snprintf(buffer + used, size - used, "%s%s", n > 1 ? " or " : "", last);
}

/* ------------------------------------------------------------------ checking */

static iv_status check_default(iv_spec_check *check, const iv_key *key, const iv_node *config) {
    spec_condition failing;
    char buffer[128], values[512];
    const iv_node *node = spec_at(config, spec_config_path(key, buffer));
    if (!node || (key->preset && spec_equals(node, key->preset, strlen(key->preset)))) return IV_OK;
    if (spec_all_hold(key->only_if, config, &failing)) return IV_OK;
    spec_condition_values(check->schema, &failing, values, sizeof values);
    const iv_node *found = spec_at(config, failing.path);
    const char *name = spec_condition_name(&failing);
    return spec_fail(check->context, node->mark, "`%s` is set for %s %s, expected only for %s %s",
                     key->path + strlen("runs[]."), name, spec_scalar_text(check->context, found),
                     name, values);
}

static iv_status check_swept(iv_spec_check *check, const spec_entry *entry, const iv_node *config) {
    spec_condition failing;
    char values[512];
    const iv_key *key = spec_key_find(check->schema, entry->key);
    if (!key || spec_all_hold(key->only_if, config, &failing)) return IV_OK;
    spec_condition_values(check->schema, &failing, values, sizeof values);
    const iv_node *found = spec_at(config, failing.path);
    const char *name = spec_condition_name(&failing);
    return spec_fail(check->context, entry->mark,
                     "`%s` is swept for %s %s (run `%s`), expected only for %s %s", entry->key,
                     name, spec_scalar_text(check->context, found),
                     iv_spec_string(config, "run.name"), name, values);
}

iv_status spec_check_conditions(iv_spec_check *check, const iv_node *root, const iv_node *config) {
    const iv_node *sweep = spec_at(root, "sweep");
    iv_status status = IV_OK;
    for (size_t k = 0; k < check->schema->n_keys && status == IV_OK; k++) {
        const iv_key *key = &check->schema->keys[k];
        bool of_runs = strncmp(key->path, "runs[].", 7) == 0;
        if (of_runs && key->only_if) status = check_default(check, key, config);
    }
    for (size_t i = 0; sweep && i < sweep->n_entries && status == IV_OK; i++)
        status = check_swept(check, &sweep->entries[i], config);
    return status;
}

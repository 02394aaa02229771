/* Looking things up in the schema and saying them in words. */
#include "spec/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ rows */

spec_schema spec_schema_of(const iv_schema *schema, iv_schema_list schemas) {
    return (spec_schema){schema->keys, schema->n_keys, schema->metric, schemas};
}

/* A row that is not there yet goes before the one that follows it in its own schema. */
iv_status spec_schema_of_all(spec_context *context, iv_schema_list schemas, spec_schema *all) {
    size_t n = 0;
    const iv_schema *schema;
    for (size_t i = 0; (schema = schemas(i)); i++) n += schema->n_keys;
    iv_key *keys = spec_allocate(context, (n + 1) * sizeof *keys);
    if (!keys) return IV_ENOMEM;
    *all = (spec_schema){.keys = keys, .schemas = schemas};
    for (size_t i = 0; (schema = schemas(i)); i++) {
        size_t place = all->n_keys;
        for (size_t k = schema->n_keys; k-- > 0;) {
            const iv_key *known = spec_key_find(all, schema->keys[k].path);
            if (known) {
                place = (size_t)(known - keys);
                continue;
            }
            memmove(keys + place + 1, keys + place, (all->n_keys - place) * sizeof *keys);
            keys[place] = schema->keys[k];
            all->n_keys++;
        }
    }
    return IV_OK;
}

const char *spec_child_name(const iv_key *key, const char *parent) {
    size_t length = strlen(parent);
    const char *rest = key->path;
    if (length > 0) {
        if (strncmp(rest, parent, length) != 0) return NULL;
        rest += length;
        if (strcmp(rest, "[]") == 0) return rest;
        if (*rest++ != '.') return NULL;
    }
    return strpbrk(rest, ".[") ? NULL : rest;
}

const iv_key *spec_key_find(const spec_schema *schema, const char *path) {
    for (size_t i = 0; i < schema->n_keys; i++) {
        if (strcmp(schema->keys[i].path, path) == 0) return &schema->keys[i];
    }
    return NULL;
}

const char *spec_config_path(const iv_key *key, char *buffer) {
    if (strncmp(key->path, "runs[]", 6) != 0) return key->path;
    memcpy(buffer, "run", 3);
    strncpy(buffer + 3, key->path + 6, 124);
    buffer[127] = '\0';
    return buffer;
}

const iv_key *spec_config_key(const spec_schema *schema, const char *path) {
    char of_runs[128];
    if (strncmp(path, "run.", 4) != 0) return spec_key_find(schema, path);
    snprintf(of_runs, sizeof of_runs, "runs[]%s", path + 3);
    return spec_key_find(schema, of_runs);
}

bool spec_equals(const iv_node *node, const char *text, size_t length) {
    switch (node->type) {
    case SPEC_INTEGER:
    case SPEC_NUMBER: return node->number == strtod(text, NULL); /* ends at a bar or a space */
    case SPEC_BOOLEAN: return node->boolean == (length == 4 && strncmp(text, "true", 4) == 0);
    default: return strncmp(node->text, text, length) == 0 && node->text[length] == '\0';
    }
}

bool spec_is_listed(const iv_node *node, const char *words) {
    for (;; words++) {
        size_t length = strcspn(words, "|");
        if (spec_equals(node, words, length)) return true;
        words += length;
        if (*words == '\0') return false;
    }
}

/* ------------------------------------------------------------------ ranges and choices */

spec_interval spec_interval_of(const char *range) {
    spec_interval interval = {-INFINITY, INFINITY, true, true};
    if (!range) return interval;
    char *end;
    interval.open_low = range[0] == '(';
    interval.low = strtod(range + 1, &end);
    interval.high = strtod(end + 1, &end);
    interval.open_high = *end == ')';
    return interval;
}

bool spec_within(spec_interval interval, double value) {
    return (interval.open_low ? value > interval.low : value >= interval.low) &&
           (interval.open_high ? value < interval.high : value <= interval.high);
}

bool spec_word(const char *words, size_t i, char *buffer, size_t size) {
    for (; words; i--) {
        const char *bar = strchr(words, '|');
        if (i == 0) {
            int length = (int)(bar ? (size_t)(bar - words) : strlen(words));
            snprintf(buffer, size, "%.*s", length, words);
            return true;
        }
        words = bar ? bar + 1 : NULL;
    }
    return false;
}

static const char *metric_with(const iv_metric_def *(*metric)(size_t i), unsigned flags, size_t i) {
    const iv_metric_def *found;
    for (size_t k = 0; (found = metric(k)); k++)
        if ((found->flags & flags) == flags && i-- == 0) return found->name;
    return NULL;
}

bool spec_choice(const spec_schema *schema, const iv_key *key, size_t i, char *buffer,
                 size_t size) {
    if (key->choices) return spec_word(key->choices, i, buffer, size);
    const char *choice = NULL;
    if (key->choice) {
        choice = key->choice(i);
    } else if (key->metrics) {
        choice = schema->metric ? metric_with(schema->metric, key->metrics, i) : NULL;
    } else if (schema->schemas) {
        const iv_schema *study = schema->schemas(i);
        choice = study ? study->study : NULL;
    }
    if (choice) snprintf(buffer, size, "%s", choice);
    return choice != NULL;
}

/* ------------------------------------------------------------------ what a key wants */

static void expect_number(const char *what, const char *range, char *buffer, size_t size) {
    if (range) {
        snprintf(buffer, size, "%s in %s", what, range);
    } else {
        snprintf(buffer, size, "%s", what);
    }
}

static void expect_list(const spec_schema *schema, const iv_key *key, char *buffer, size_t size) {
    char path[128], element_text[384];
    snprintf(path, sizeof path, "%s[]", key->path);
    const iv_key *element = spec_key_find(schema, path);
    bool not_empty = spec_interval_of(key->range).low >= 1;
    if (!element || element->type == IV_KEY_MAP) {
        snprintf(buffer, size, not_empty ? "a list of at least one map" : "a list of maps");
    } else {
        spec_key_expects(schema, element, element_text, sizeof element_text);
        snprintf(buffer, size, "a list%s, each element %s", not_empty ? ", not empty" : "",
                 element_text);
    }
}

static void expect_choice(const spec_schema *schema, const iv_key *key, char *buffer, size_t size) {
    char choice[64];
    bool several = spec_choice(schema, key, 1, choice, sizeof choice);
    size_t used = (size_t)snprintf(buffer, size, several ? "one of " : "");
    for (size_t i = 0; used < size && spec_choice(schema, key, i, choice, sizeof choice); i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", i ? ", " : "", choice);
}

void spec_key_expects(const spec_schema *schema, const iv_key *key, char *buffer, size_t size) {
    switch (key->type) {
    case IV_KEY_MAP: snprintf(buffer, size, "a map of keys"); break;
    case IV_KEY_LIST: expect_list(schema, key, buffer, size); break;
    case IV_KEY_STRING: snprintf(buffer, size, "a text of 1 to 256 bytes"); break;
    case IV_KEY_NAME:
        if (key->choice) {
            expect_choice(schema, key, buffer, size);
            const size_t used = strlen(buffer);
            snprintf(buffer + used, size - used,
                     ", or a name of your own (1 to 64 letters, digits, '.', '_' or '-')");
            break;
        }
        snprintf(buffer, size,
                 "a name of 1 to 64 letters, digits, '.', '_' or '-' that starts with a letter or "
                 "digit");
        break;
    case IV_KEY_ENUM: expect_choice(schema, key, buffer, size); break;
    case IV_KEY_INTEGER: expect_number("an integer", key->range, buffer, size); break;
    case IV_KEY_NUMBER: expect_number("a number", key->range, buffer, size); break;
    case IV_KEY_BOOLEAN: snprintf(buffer, size, "true or false"); break;
    case IV_KEY_SEEDS:
        snprintf(buffer, size,
                 "how many (an integer in [1, %d]) or a list of distinct integers in "
                 "[0, 2147483647]",
                 IV_SPEC_MAX_SEEDS);
        break;
    case IV_KEY_SWEEP: snprintf(buffer, size, "a map of keys to lists of values to try"); break;
    }
}

/* ------------------------------------------------------------------ for other rooms */

const iv_schema *iv_schema_find(iv_schema_list schemas, const char *study) {
    const iv_schema *schema;
    for (size_t i = 0; (schema = schemas(i)); i++)
        if (strcmp(schema->study, study) == 0) return schema;
    return NULL;
}

/* Past the metric's name nothing follows, or the index of an array's element. */
static bool is_of_metric(const iv_metric_def *metric, const char *name) {
    size_t length = strlen(metric->name);
    if (strncmp(metric->name, name, length) != 0) return false;
    if (name[length] == '\0') return true;
    const char *index = name + length + 1;
    return metric->most > 0 && name[length] == '.' && *index &&
           strspn(index, "0123456789") == strlen(index);
}

const iv_metric_def *iv_metric_find(const iv_schema *schema, const char *name) {
    const iv_metric_def *metric;
    for (size_t i = 0; (metric = schema->metric(i)); i++)
        if (is_of_metric(metric, name)) return metric;
    return NULL;
}

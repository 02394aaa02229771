/* Looking things up in the schema and saying them in words. */
#include "spec/node.h"
#include "spec/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int spec_study_bit(const char *name) {
    if (strcmp(name, "regularization") == 0) return STUDY_REGULARIZATION;
    if (strcmp(name, "autoencoder") == 0) return STUDY_AUTOENCODER;
    return strcmp(name, "marginal-likelihood") == 0 ? STUDY_MARGINAL_LIKELIHOOD : 0;
}

const char *spec_child_name(const spec_key *key, const char *parent) {
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

const spec_key *spec_key_find(const spec_schema *schema, const char *path, int studies) {
    for (size_t i = 0; i < schema->n_keys; i++) {
        const spec_key *key = &schema->keys[i];
        if ((key->studies & studies) && strcmp(key->path, path) == 0) return key;
    }
    return NULL;
}

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

bool spec_choice(const char *choices, size_t i, char *buffer, size_t size) {
    for (; choices; i--) {
        const char *bar = strchr(choices, '|');
        if (i == 0) {
            int length = (int)(bar ? (size_t)(bar - choices) : strlen(choices));
            snprintf(buffer, size, "%.*s", length, choices);
            return true;
        }
        choices = bar ? bar + 1 : NULL;
    }
    return false;
}

static void expect_number(const char *what, const char *range, char *buffer, size_t size) {
    if (range) {
        snprintf(buffer, size, "%s in %s", what, range);
    } else {
        snprintf(buffer, size, "%s", what);
    }
}

static void expect_list(const spec_schema *schema, const spec_key *key, char *buffer, size_t size) {
    char path[128], element_text[384];
    snprintf(path, sizeof path, "%s[]", key->path);
    const spec_key *element = spec_key_find(schema, path, key->studies);
    bool not_empty = spec_interval_of(key->range).low >= 1;
    if (!element || element->type == KEY_MAP) {
        snprintf(buffer, size, not_empty ? "a list of at least one map" : "a list of maps");
    } else {
        spec_key_expects(schema, element, element_text, sizeof element_text);
        snprintf(buffer, size, "a list%s, each element %s", not_empty ? ", not empty" : "",
                 element_text);
    }
}

void spec_key_expects(const spec_schema *schema, const spec_key *key, char *buffer, size_t size) {
    switch (key->type) {
    case KEY_MAP: snprintf(buffer, size, "a map of keys"); break;
    case KEY_LIST: expect_list(schema, key, buffer, size); break;
    case KEY_STRING: snprintf(buffer, size, "a text of 1 to 256 bytes"); break;
    case KEY_NAME:
        snprintf(buffer, size,
                 "a name of 1 to 64 letters, digits, '.', '_' or '-' that starts with a letter or "
                 "digit");
        break;
    case KEY_ENUM: {
        size_t used = (size_t)snprintf(buffer, size, strchr(key->choices, '|') ? "one of " : "");
        char choice[64];
        for (size_t i = 0; used < size && spec_choice(key->choices, i, choice, sizeof choice);
             i++) {
            used += (size_t)snprintf(buffer + used, size - used, "%s%s", i ? ", " : "", choice);
        }
        break;
    }
    case KEY_INTEGER: expect_number("an integer", key->range, buffer, size); break;
    case KEY_NUMBER: expect_number("a number", key->range, buffer, size); break;
    case KEY_BOOLEAN: snprintf(buffer, size, "true or false"); break;
    case KEY_SEEDS:
        snprintf(buffer, size,
                 "how many (an integer in [1, %d]) or a list of distinct integers in "
                 "[0, 2147483647]",
                 IV_SPEC_MAX_SEEDS);
        break;
    case KEY_SWEEP: snprintf(buffer, size, "a map of keys to lists of values to try"); break;
    }
}

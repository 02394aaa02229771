/* One scalar's text to the type its key wants. */
#include "spec/stages.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 64, LONGEST_TEXT = 256 };

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Past the sign and the digits of an integer without leading zeros; NULL if there is none. */
static const char *integer_end(const char *text) {
    if (*text == '+' || *text == '-') text++;
    if (!is_digit(*text) || (text[0] == '0' && is_digit(text[1]))) return NULL;
    while (is_digit(*text)) text++;
    return text;
}

static bool is_integer(const char *text) {
    const char *end = integer_end(text);
    return end && *end == '\0';
}

/* Decimal only: what strtod takes beyond that (hexadecimal, inf, nan) is refused. */
static bool is_number(const char *text) {
    const char *end = integer_end(text);
    if (!end) {
        end = text + (*text == '+' || *text == '-');
        if (end[0] != '.' || !is_digit(end[1])) return false;
    }
    if (*end == '.') {
        for (end++; is_digit(*end);) end++;
    }
    if (*end == 'e' || *end == 'E') {
        end++;
        if (*end == '+' || *end == '-') end++;
        if (!is_digit(*end)) return false;
        while (is_digit(*end)) end++;
    }
    return *end == '\0';
}

static bool is_name(const char *text) {
    size_t length = strlen(text);
    if (length < 1 || length > LONGEST_NAME) return false;
    if (!is_letter(text[0]) && !is_digit(text[0])) return false;
    for (const char *c = text; *c; c++) {
        if (!is_letter(*c) && !is_digit(*c) && !strchr("._-", *c)) return false;
    }
    return true;
}

static const char *found(spec_context *context, const iv_node *raw) {
    if (raw->kind == SPEC_MAP) return "is a map";
    if (raw->kind == SPEC_LIST) return "is a list";
    if (spec_is_null(raw)) return "has no value";
    const char *text = spec_format(context, raw->quoted ? "is the quoted text `%s`" : "is `%s`",
                                   spec_shown(context, raw->text));
    return text ? text : "is wrong";
}

static iv_status mismatch(spec_context *context, const spec_schema *schema, const iv_key *key,
                          const char *path, const iv_node *raw) {
    char expects[640], choice[64];
    spec_key_expects(schema, key, expects, sizeof expects);
    if (key->type == IV_KEY_ENUM && raw->kind == SPEC_SCALAR) {
        size_t best = SIZE_MAX;
        const char *nearest = NULL;
        for (size_t i = 0; spec_choice(schema, key, i, choice, sizeof choice); i++) {
            if (spec_nearer(raw->text, choice, &best)) {
                nearest = spec_copy(context, choice, strlen(choice));
                if (!nearest) return IV_ENOMEM;
            }
        }
        if (nearest) {
            return spec_fail(context, raw->mark, "`%s` %s, expected %s; did you mean `%s`?", path,
                             found(context, raw), expects, nearest);
        }
    }
    return spec_fail(context, raw->mark, "`%s` %s, expected %s", path, found(context, raw),
                     expects);
}

/* False if the text is not of the key's type or not in its range. */
static bool convert(const spec_schema *schema, const iv_key *key, iv_node *node) {
    const char *text = node->text;
    spec_interval range = spec_interval_of(key->range);
    char choice[64];
    switch (key->type) {
    case IV_KEY_INTEGER:
        if (node->quoted || !is_integer(text)) return false;
        errno = 0;
        node->type = SPEC_INTEGER;
        node->integer = strtoll(text, NULL, 10);
        node->number = (double)node->integer;
        return errno == 0 && spec_within(range, node->number);
    case IV_KEY_NUMBER:
        if (node->quoted || !is_number(text)) return false;
        node->type = SPEC_NUMBER;
        node->number = strtod(text, NULL) + 0.0; /* -0 reads as 0: they are one value in a name */
        return isfinite(node->number) && spec_within(range, node->number);
    case IV_KEY_BOOLEAN:
        node->type = SPEC_BOOLEAN;
        node->boolean = strcmp(text, "true") == 0;
        return !node->quoted && (node->boolean || strcmp(text, "false") == 0);
    case IV_KEY_STRING:
        node->type = SPEC_TEXT;
        return !spec_is_null(node) && *text && strlen(text) <= LONGEST_TEXT;
    case IV_KEY_NAME: node->type = SPEC_TEXT; return !spec_is_null(node) && is_name(text);
    case IV_KEY_ENUM:
        node->type = SPEC_TEXT;
        for (size_t i = 0; spec_choice(schema, key, i, choice, sizeof choice); i++) {
            if (strcmp(text, choice) == 0) return true;
        }
        return false;
    default: return false;
    }
}

/* A number with a range is used as a 32-bit float on devices, where it must still be a number in its range, and
 * none that they may take for 0. */
static iv_status check_float(spec_context *context, const spec_schema *schema, const iv_key *key,
                             const char *path, const iv_node *node) {
    const spec_interval range = spec_interval_of(key->range);
    const float number = (float)node->number;
    const spec_interval as_float = {(double)(float)range.low, (double)(float)range.high,
                                    range.open_low, range.open_high};
    const bool kept = isfinite(number) && (node->number == 0 || fabsf(number) >= FLT_MIN);
    char expects[640], becomes[32];
    if (kept && spec_within(as_float, (double)number)) return IV_OK;
    spec_key_expects(schema, key, expects, sizeof expects);
    snprintf(becomes, sizeof becomes, "%g", kept || isinf(number) ? (double)number : 0);
    return spec_fail(context, node->mark,
                     "`%s` is `%s`, which is %s as a 32-bit float, expected %s", path,
                     spec_shown(context, node->text), becomes, expects);
}

iv_status spec_resolve_scalar(spec_context *context, const spec_schema *schema, const iv_key *key,
                              const char *path, const iv_node *raw, iv_node **node) {
    if (raw->kind != SPEC_SCALAR) return mismatch(context, schema, key, path, raw);
    *node = spec_node_new(context, SPEC_SCALAR, raw->mark);
    if (!*node) return context->error->status;
    (*node)->text = raw->text;
    (*node)->quoted = raw->quoted;
    (*node)->is_default = raw->is_default;
    if (!convert(schema, key, *node)) return mismatch(context, schema, key, path, raw);
    return (*node)->type == SPEC_NUMBER && key->range
               ? check_float(context, schema, key, path, *node)
               : IV_OK;
}

#include "runtime/text_builder.h"

#include "runtime/numeric.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void iv_text_free(iv_text *text) {
    free(text->data);
    *text = (iv_text){0};
}

static bool reserve(iv_text *text, size_t n) {
    if (text->failed) return false;
    if (n < text->capacity - text->length) return true;

    size_t capacity = text->capacity ? text->capacity : 256;
    while (capacity - text->length <= n) {
        if (capacity > SIZE_MAX / 2) {
            text->failed = true;
            return false;
        }
        capacity *= 2;
    }
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void iv_text_add_bytes(iv_text *text, const char *bytes, size_t n) {
    if (!reserve(text, n)) return;
    if (n) memcpy(text->data + text->length, bytes, n);
    text->length += n;
    text->data[text->length] = '\0';
}

void iv_text_add(iv_text *text, const char *string) {
    iv_text_add_bytes(text, string, strlen(string));
}

void iv_text_format(iv_text *text, const char *format, ...) {
    va_list arguments, again;
    const iv_numeric numeric = iv_numeric_begin();
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    if (n < 0) {
        text->failed = true;
    } else if (reserve(text, (size_t)n)) {
        vsnprintf(text->data + text->length, (size_t)n + 1, format, again);
        text->length += (size_t)n;
    }
    va_end(again);
    va_end(arguments);
    iv_numeric_end(numeric);
}

iv_status iv_text_take(iv_text *text, char **string, iv_error *error) {
    *string = NULL;
    iv_text_add(text, "");
    if (text->failed) {
        iv_text_free(text);
        return iv_fail(error, IV_ENOMEM, "out of memory while writing a text");
    }
    *string = text->data;
    *text = (iv_text){0};
    return IV_OK;
}

/* ------------------------------------------------------------------ numbers */

/* Digits before the point of a whole number that is not long, so that 100 is not written 1e+02;
 * else 1. */
static int shortest_start(double value) {
    int n = 1;
    if (value == floor(value) && fabs(value) < 1e7) {
        for (double limit = 10; fabs(value) >= limit; limit *= 10) n++;
    }
    return n;
}

void iv_text_double(iv_text *text, double value, const char *missing) {
    if (!isfinite(value)) {
        iv_text_add(text, missing);
        return;
    }
    char digits[40];
    const iv_numeric numeric = iv_numeric_begin();
    for (int precision = shortest_start(value); precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) break;
    }
    iv_numeric_end(numeric);
    iv_text_add(text, digits);
}

void iv_text_float(iv_text *text, float value, const char *missing) {
    if (!isfinite(value)) {
        iv_text_add(text, missing);
        return;
    }
    char digits[40];
    const iv_numeric numeric = iv_numeric_begin();
    for (int precision = shortest_start((double)value); precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, (double)value);
        if (strtof(digits, NULL) == value) break;
    }
    iv_numeric_end(numeric);
    iv_text_add(text, digits);
}

/* ------------------------------------------------------------------ strings */

/* Length of the UTF-8 sequence at `s`, 0 if it is not a valid one (overlong, surrogate, cut). */
static size_t utf8_length(const unsigned char *s) {
    if (s[0] < 0x80) return 1;
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
    }
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
    bool too_large = s[0] == 0xf4 && s[1] >= 0x90;
    return overlong || surrogate || too_large ? 0 : n;
}

bool iv_is_utf8(const char *string) {
    const unsigned char *s = (const unsigned char *)string;
    size_t n = 1;
    for (; *s && n > 0; s += n) n = utf8_length(s);
    return n > 0;
}

void iv_text_json(iv_text *text, const char *string) {
    iv_text_add(text, "\"");
    for (const unsigned char *s = (const unsigned char *)string; *s;) {
        size_t n = utf8_length(s);
        if (n == 0) {
            iv_text_add(text, "\\ufffd");
            n = 1;
        } else if (*s == '"' || *s == '\\') {
            iv_text_format(text, "\\%c", *s);
        } else if (*s == '\n') {
            iv_text_add(text, "\\n");
        } else if (*s == '\t') {
            iv_text_add(text, "\\t");
        } else if (*s < 0x20) {
            iv_text_format(text, "\\u%04x", *s);
        } else {
            iv_text_add_bytes(text, (const char *)s, n);
        }
        s += n;
    }
    iv_text_add(text, "\"");
}

/* Add the character at `s` and return what is after it; a byte that is no UTF-8, as names of files
 * may hold, becomes U+FFFD. */
static const char *add_character(iv_text *text, const char *s) {
    const size_t n = utf8_length((const unsigned char *)s);
    iv_text_add_bytes(text, n > 0 ? s : "\xEF\xBF\xBD", n > 0 ? n : 3);
    return s + (n > 0 ? n : 1);
}

void iv_text_csv(iv_text *text, const char *string) {
    const bool quoted = strpbrk(string, ",\"\r\n") != NULL;
    if (quoted) iv_text_add(text, "\"");
    for (const char *s = string; *s;) {
        if (*s == '"') iv_text_add(text, "\"");
        s = add_character(text, s);
    }
    if (quoted) iv_text_add(text, "\"");
}

void iv_text_html(iv_text *text, const char *string) {
    for (const char *s = string; *s;) {
        const char *escaped = *s == '&'    ? "&amp;"
                              : *s == '<'  ? "&lt;"
                              : *s == '>'  ? "&gt;"
                              : *s == '"'  ? "&quot;"
                              : *s == '\'' ? "&#39;"
                                           : NULL;
        if (escaped) iv_text_add(text, escaped);
        s = escaped ? s + 1 : add_character(text, s);
    }
}

void iv_text_markdown(iv_text *text, const char *string) {
    for (const char *s = string; *s;) {
        const char *instead = *s == '\n' || *s == '\r' ? " "
                              : *s == '<'              ? "&lt;"
                              : *s == '&'              ? "&amp;"
                                                       : NULL;
        if (!instead && strchr("\\|*_`[]", *s)) iv_text_add(text, "\\");
        if (instead) iv_text_add(text, instead);
        s = instead ? s + 1 : add_character(text, s);
    }
}

void iv_text_gnuplot(iv_text *text, const char *string) {
    iv_text_add(text, "'");
    for (const char *s = string; *s;) {
        const bool ends_line = *s == '\n' || *s == '\r';
        if (*s == '\'') iv_text_add(text, "'");
        if (ends_line) iv_text_add(text, " ");
        s = ends_line ? s + 1 : add_character(text, s);
    }
    iv_text_add(text, "'");
}

void iv_text_base64(iv_text *text, const unsigned char *bytes, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        unsigned group = (unsigned)bytes[i] << 16;
        if (left > 1) group |= (unsigned)bytes[i + 1] << 8;
        if (left > 2) group |= bytes[i + 2];
        char four[4] = {digits[group >> 18], digits[group >> 12 & 63],
                        left > 1 ? digits[group >> 6 & 63] : '=',
                        left > 2 ? digits[group & 63] : '='};
        iv_text_add_bytes(text, four, sizeof four);
    }
}

size_t iv_text_width(const char *string) {
    size_t width = 0;
    for (const char *s = string; *s; s++) width += ((unsigned char)*s & 0xc0) != 0x80;
    return width;
}

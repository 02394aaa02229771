#include "runtime/text_builder.h"

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

/* A program that embeds the library may have set a locale with a decimal comma. */
static void add_number(iv_text *text, char *digits) {
    char *comma = strchr(digits, ',');
    if (comma) *comma = '.';
    iv_text_add(text, digits);
}

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
    for (int precision = shortest_start(value); precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) break;
    }
    add_number(text, digits);
}

void iv_text_float(iv_text *text, float value, const char *missing) {
    if (!isfinite(value)) {
        iv_text_add(text, missing);
        return;
    }
    char digits[40];
    for (int precision = shortest_start((double)value); precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, (double)value);
        if (strtof(digits, NULL) == value) break;
    }
    add_number(text, digits);
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

void iv_text_csv(iv_text *text, const char *string) {
    if (!strpbrk(string, ",\"\r\n")) {
        iv_text_add(text, string);
        return;
    }
    iv_text_add(text, "\"");
    for (const char *s = string; *s; s++) {
        if (*s == '"') iv_text_add(text, "\"");
        iv_text_add_bytes(text, s, 1);
    }
    iv_text_add(text, "\"");
}

void iv_text_html(iv_text *text, const char *string) {
    for (const char *s = string; *s; s++) {
        switch (*s) {
        case '&': iv_text_add(text, "&amp;"); break;
        case '<': iv_text_add(text, "&lt;"); break;
        case '>': iv_text_add(text, "&gt;"); break;
        case '"': iv_text_add(text, "&quot;"); break;
        case '\'': iv_text_add(text, "&#39;"); break;
        default: iv_text_add_bytes(text, s, 1);
        }
    }
}

void iv_text_markdown(iv_text *text, const char *string) {
    for (const char *s = string; *s; s++) {
        if (*s == '\n' || *s == '\r') {
            iv_text_add(text, " ");
        } else if (*s == '<') {
            iv_text_add(text, "&lt;");
        } else if (*s == '&') {
            iv_text_add(text, "&amp;");
        } else {
            if (strchr("\\|*_`[]", *s)) iv_text_add(text, "\\");
            iv_text_add_bytes(text, s, 1);
        }
    }
}

void iv_text_gnuplot(iv_text *text, const char *string) {
    iv_text_add(text, "'");
    for (const char *s = string; *s; s++) {
        if (*s == '\'') iv_text_add(text, "'");
        iv_text_add_bytes(text, *s == '\n' || *s == '\r' ? " " : s, 1);
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

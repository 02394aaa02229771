/* Text that grows, and how numbers and strings look in each of the formats a report is made of. */
#ifndef INVAR_RUNTIME_TEXT_BUILDER_H
#define INVAR_RUNTIME_TEXT_BUILDER_H

#include <invar/status.h>

#include <stdbool.h>
#include <stddef.h>

/* Begin with {0}. Running out of memory is remembered: check it once, with iv_text_take or
 * `failed`. */
typedef struct {
    char *data; /* NUL-terminated; NULL while nothing was added */
    size_t length;
    size_t capacity;
    bool failed;
} iv_text;

void iv_text_free(iv_text *text);

void iv_text_add(iv_text *text, const char *string);
void iv_text_add_bytes(iv_text *text, const char *bytes, size_t n);
void iv_text_format(iv_text *text, const char *format, ...) IV_PRINTF(2, 3);

/* Hand the string over ("" if nothing was added) and empty the text. IV_ENOMEM if an addition
 * failed. */
iv_status iv_text_take(iv_text *text, char **string, iv_error *error);

/* Shortest decimal that reads back to the same double, or float; `missing` if it is not finite. */
void iv_text_double(iv_text *text, double value, const char *missing);
void iv_text_float(iv_text *text, float value, const char *missing);

/* Whether all of a string is UTF-8. */
bool iv_is_utf8(const char *string);

/* In the formats that follow, bytes that are not UTF-8 become U+FFFD. */

/* A string quoted and escaped as JSON. */
void iv_text_json(iv_text *text, const char *string);

/* A CSV field: quoted if it holds a comma, a quote or a line end (RFC 4180). */
void iv_text_csv(iv_text *text, const char *string);

/* Escaped for HTML text and attribute values. */
void iv_text_html(iv_text *text, const char *string);

/* Escaped for a cell of a Markdown table: one line, no markup. */
void iv_text_markdown(iv_text *text, const char *string);

/* A string in single quotes for gnuplot. */
void iv_text_gnuplot(iv_text *text, const char *string);

void iv_text_base64(iv_text *text, const unsigned char *bytes, size_t n);

/* Columns a string takes on a terminal (one a code point). */
size_t iv_text_width(const char *string);

#endif

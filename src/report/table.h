/* A table of strings, between results and the formats they are shown in. */
#ifndef INVAR_REPORT_TABLE_H
#define INVAR_REPORT_TABLE_H

#include "runtime/text_builder.h"

#include <invar/report.h>

/* lines x columns strings, row-major; the first line is the header, the first column the labels. */
typedef struct {
    char *title; /* NULL if none */
    size_t n_lines, n_columns;
    char **strings;
    bool with_published; /* LaTeX: a cell is two, ours and the published one */
} iv_table;

typedef struct {
    iv_table *tables;
    size_t n;
} iv_table_list;

/* The tables of iv_table_format_results, for that format. Free with iv_table_list_free, also after a failure. */
iv_status iv_table_list_make(const iv_results *results, iv_table_format format, iv_table_list *list,
                             iv_error *error);
void iv_table_list_free(iv_table_list *list);

void iv_table_render(const iv_table *table, iv_table_format format, iv_text *text);

/* How the results show a metric; by its name with three digits if they do not say. The texts are
 * the results', or `metric`. */
iv_metric_style iv_metric_style_of(const iv_results *results, const char *metric);

/* One number in its style: fixed if that shows a digit of it ("94.3") or without decimals ("0"),
 * else with an exponent ("1.2e-11"); "n/a" if it is not finite. */
void iv_table_number(iv_text *text, double value, const iv_metric_style *style);

/* A deviation with the decimals of its mean; it has to be finite. */
void iv_table_deviation(iv_text *text, double mean, double std, const iv_metric_style *style);

/* Escaped for LaTeX's text. */
void iv_text_latex(iv_text *text, const char *string);

/* A cell's numbers for siunitx; two of them, with & between, if published ones have a column. */
void iv_table_cell_latex(iv_text *text, const iv_results *results, const iv_cell *cell,
                         bool with_published);
void iv_table_render_latex(const iv_table *table, iv_text *text);

/* A cell: `94.3 ± 0.2 (94.6 ± 0.1)`, without what is missing. */
void iv_table_cell(iv_text *text, const iv_results *results, const iv_cell *cell);

/* The cells as CSV lines; `run`, unless NULL, becomes a first column. */
void iv_table_add_csv_header(iv_text *text, bool with_run);
void iv_table_add_csv(iv_text *text, const char *run, const iv_results *results);

#endif

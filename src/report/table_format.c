/* Tables of strings as terminal text, Markdown, HTML; cells as CSV. */
#include "report/table.h"

#include "report/file.h"
#include "runtime/text.h"

#include <stdlib.h>
#include <string.h>

static const char *string_at(const iv_table *table, size_t line, size_t column) {
    return table->strings[line * table->n_columns + column];
}

static void add_repeated(iv_text *text, const char *string, size_t n) {
    while (n-- > 0) iv_text_add(text, string);
}

static size_t column_width(const iv_table *table, size_t column) {
    size_t width = 0;
    for (size_t line = 0; line < table->n_lines; line++) {
        size_t w = iv_text_width(string_at(table, line, column));
        if (w > width) width = w;
    }
    return width;
}

static void render_text(const iv_table *table, iv_text *text) {
    size_t total = 0;
    for (size_t c = 0; c < table->n_columns; c++) total += column_width(table, c) + (c ? 2 : 0);

    if (table->title && *table->title) iv_text_format(text, "%s\n", table->title);
    for (size_t line = 0; line < table->n_lines; line++) {
        size_t padding = 0; /* written before the next string, so that no line ends in spaces */
        for (size_t c = 0; c < table->n_columns; c++) {
            const char *string = string_at(table, line, c);
            if (*string) {
                add_repeated(text, " ", padding);
                iv_text_add(text, string);
                padding = 0;
            }
            padding += column_width(table, c) - iv_text_width(string) + 2;
        }
        iv_text_add(text, "\n");
        if (line == 0) {
            add_repeated(text, "-", total);
            iv_text_add(text, "\n");
        }
    }
}

static void render_markdown(const iv_table *table, iv_text *text) {
    if (table->title && *table->title) {
        iv_text_add(text, "**");
        iv_text_markdown(text, table->title);
        iv_text_add(text, "**\n\n");
    }
    for (size_t line = 0; line < table->n_lines; line++) {
        for (size_t c = 0; c < table->n_columns; c++) {
            iv_text_add(text, c ? " | " : "| ");
            iv_text_markdown(text, string_at(table, line, c));
        }
        iv_text_add(text, " |\n");
        if (line == 0) {
            iv_text_add(text, "| ");
            for (size_t c = 0; c < table->n_columns; c++) iv_text_add(text, c ? "| ---: " : "--- ");
            iv_text_add(text, "|\n");
        }
    }
}

/* The published number of a cell (see iv_table_cell) goes onto a line of its own, so that a table
 * of many columns fits a page. */
static void add_html_cell(iv_text *text, const char *string) {
    const char *published = NULL;
    for (const char *s = string; (s = strstr(s, " (")); s++) published = s;
    if (!published || string[strlen(string) - 1] != ')') {
        iv_text_html(text, string);
        return;
    }
    iv_text ours = {0};
    iv_text_add_bytes(&ours, string, (size_t)(published - string));
    if (ours.data) iv_text_html(text, ours.data);
    text->failed |= ours.failed;
    iv_text_free(&ours);
    iv_text_add(text, " <span class=\"published\">");
    iv_text_html(text, published + 1);
    iv_text_add(text, "</span>");
}

static void render_html(const iv_table *table, iv_text *text) {
    iv_text_add(text, "<table>\n");
    if (table->title && *table->title) {
        iv_text_add(text, "<caption>");
        iv_text_html(text, table->title);
        iv_text_add(text, "</caption>\n");
    }
    for (size_t line = 0; line < table->n_lines; line++) {
        iv_text_add(text, line == 0 ? "<thead><tr>" : line == 1 ? "<tbody>\n<tr>" : "<tr>");
        for (size_t c = 0; c < table->n_columns; c++) {
            const char *tag = line == 0 ? "th scope=\"col\"" : c == 0 ? "th scope=\"row\"" : "td";
            iv_text_format(text, "<%s>", tag);
            if (line > 0 && c > 0)
                add_html_cell(text, string_at(table, line, c));
            else
                iv_text_html(text, string_at(table, line, c));
            iv_text_format(text, "</%.2s>", tag);
        }
        iv_text_add(text, line == 0 ? "</tr></thead>\n" : "</tr>\n");
    }
    iv_text_add(text, table->n_lines > 1 ? "</tbody>\n</table>\n" : "</table>\n");
}

void iv_table_render(const iv_table *table, iv_table_format format, iv_text *text) {
    switch (format) {
    case IV_TABLE_TEXT: render_text(table, text); break;
    case IV_TABLE_MARKDOWN: render_markdown(table, text); break;
    case IV_TABLE_HTML: render_html(table, text); break;
    case IV_TABLE_LATEX: iv_table_render_latex(table, text); break;
    }
}

iv_status iv_table_format_results(const iv_results *results, iv_table_format format, char **text,
                                  iv_error *error) {
    iv_table_list list;
    iv_text out = {0};
    *text = NULL;
    iv_status status = iv_table_list_make(results, format, &list, error);
    for (size_t t = 0; status == IV_OK && t < list.n; t++) {
        if (t) iv_text_add(&out, "\n");
        iv_table_render(&list.tables[t], format, &out);
    }
    if (format == IV_TABLE_TEXT && out.data) iv_tame(out.data);
    if (status == IV_OK) status = iv_text_take(&out, text, error);
    iv_text_free(&out);
    iv_table_list_free(&list);
    return status;
}

/* Mean, deviation, number of values and the published two. */
static void add_csv_numbers(iv_text *text, const iv_cell *cell) {
    iv_text_double(text, cell->mean, "");
    iv_text_add(text, ",");
    iv_text_double(text, cell->std, "");
    iv_text_format(text, ",%zu,", cell->n);
    iv_text_double(text, cell->published, "");
    iv_text_add(text, ",");
    iv_text_double(text, cell->published_std, "");
}

void iv_table_add_csv_header(iv_text *text, bool with_run) {
    iv_text_format(text, "%srow,column,metric,mean,std,n,published,published_std\n",
                   with_run ? "run," : "");
}

void iv_table_add_csv(iv_text *text, const char *run, const iv_results *results) {
    for (size_t i = 0; i < results->n_cells; i++) {
        const iv_cell *cell = &results->cells[i];
        const char *labels[] = {run, cell->row, cell->column, cell->metric};
        for (size_t k = run ? 0 : 1; k < 4; k++) {
            iv_text_csv(text, labels[k]);
            iv_text_add(text, ",");
        }
        add_csv_numbers(text, cell);
        iv_text_add(text, "\n");
    }
}

/* NAME_SUFFIX of the metrics, comma first. */
static void add_wide_header(iv_text *text, const char *metric) {
    static const char *const suffixes[] = {"", "_std", "_n", "_published", "_published_std"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        iv_text name = {0};
        iv_text_format(&name, "%s%s", metric, suffixes[i]);
        iv_text_add(text, ",");
        iv_text_csv(text, name.data ? name.data : "");
        text->failed |= name.failed;
        iv_text_free(&name);
    }
}

/* Whether no cell before this one has its metric, or its row and column. */
static bool is_first(const iv_results *results, size_t cell, bool of_metric) {
    const iv_cell *b = &results->cells[cell];
    for (size_t i = 0; i < cell; i++) {
        const iv_cell *a = &results->cells[i];
        if (of_metric ? strcmp(a->metric, b->metric) == 0
                      : strcmp(a->row, b->row) == 0 && strcmp(a->column, b->column) == 0)
            return false;
    }
    return true;
}

iv_status iv_table_format_wide(const iv_results *results, char **text, iv_error *error) {
    iv_text out = {0};
    iv_text_add(&out, "row,column");
    for (size_t i = 0; i < results->n_cells; i++)
        if (is_first(results, i, true)) add_wide_header(&out, results->cells[i].metric);
    iv_text_add(&out, "\n");
    for (size_t i = 0; i < results->n_cells; i++) {
        const iv_cell *line = &results->cells[i];
        if (!is_first(results, i, false)) continue;
        iv_text_csv(&out, line->row);
        iv_text_add(&out, ",");
        iv_text_csv(&out, line->column);
        for (size_t k = 0; k < results->n_cells; k++) {
            if (!is_first(results, k, true)) continue;
            const iv_cell *cell =
                iv_results_cell(results, line->row, line->column, results->cells[k].metric);
            iv_text_add(&out, cell ? "," : ",,,,,");
            if (cell) add_csv_numbers(&out, cell);
        }
        iv_text_add(&out, "\n");
    }
    return iv_text_take(&out, text, error);
}

iv_status iv_table_write_csv(const iv_results *results, const char *path, iv_error *error) {
    iv_text text = {0};
    iv_table_add_csv_header(&text, false);
    iv_table_add_csv(&text, NULL, results);
    return iv_file_write_text(path, &text, error);
}

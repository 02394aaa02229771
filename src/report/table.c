/* From cells to tables of strings: how each metric is shown, and which way a table lies. */
#include "report/table.h"

#include "report/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ numbers */

iv_metric_style iv_metric_style_of(const iv_results *results, const char *metric) {
    for (size_t i = 0; i < results->n_styles; i++)
        if (strcmp(results->styles[i].metric, metric) == 0) return results->styles[i];
    return (iv_metric_style){(char *)metric, (char *)metric, NULL, 1, -1};
}

static bool is_fixed(double value, int decimals) {
    if (decimals < 0) return false;
    double magnitude = fabs(value);
    if (decimals == 0) return magnitude < 1e7; /* what is shown in whole units may well be none */
    return magnitude == 0 || (magnitude >= 0.5 * pow(10, -decimals) && magnitude < 1e7);
}

static void add_general(iv_text *text, double value, const char *format) {
    char digits[40];
    snprintf(digits, sizeof digits, format, value);
    char *exponent = strchr(digits, 'e');
    if (!exponent) {
        iv_text_add(text, digits);
        return;
    }
    *exponent = '\0';
    iv_text_format(text, "%se%d", digits, atoi(exponent + 1));
}

static void add_shown(iv_text *text, double value, int decimals, bool fixed) {
    if (!isfinite(value))
        iv_text_add(text, "n/a");
    else if (fixed)
        iv_text_format(text, "%.*f", decimals, value);
    else
        add_general(text, value, decimals < 0 ? "%.3g" : "%.1e");
}

void iv_table_number(iv_text *text, double value, const iv_metric_style *style) {
    value *= style->scale;
    add_shown(text, value, style->decimals, is_fixed(value, style->decimals));
}

void iv_table_deviation(iv_text *text, double mean, double std, const iv_metric_style *style) {
    std *= style->scale;
    add_shown(text, std, style->decimals,
              is_fixed(mean * style->scale, style->decimals) || is_fixed(std, style->decimals));
}

static void add_pair(iv_text *text, double mean, double std, const iv_metric_style *style) {
    iv_table_number(text, mean, style);
    if (!isfinite(std)) return;
    iv_text_add(text, " ± ");
    iv_table_deviation(text, mean, std, style);
}

void iv_table_cell(iv_text *text, const iv_results *results, const iv_cell *cell) {
    const iv_metric_style style = iv_metric_style_of(results, cell->metric);
    if (cell->n == 0)
        iv_text_add(text, "–");
    else if (!isfinite(cell->mean))
        iv_text_add(text, "not finite");
    else
        add_pair(text, cell->mean, cell->std, &style);

    if (isfinite(cell->published)) {
        iv_text_add(text, " (");
        add_pair(text, cell->published, cell->published_std, &style);
        iv_text_add(text, ")");
    }
}

/* ---------------------------------------------------------------- names, in order of appearance */

typedef enum { ROW, COLUMN, METRIC } cell_key;

typedef struct {
    const char **names;
    size_t n;
} name_list;

static const char *key_of(const iv_cell *cell, cell_key key) {
    return key == ROW ? cell->row : key == COLUMN ? cell->column : cell->metric;
}

/* Distinct keys of the cells, of one row only if `row` is given. */
static iv_status list_names(const iv_results *results, cell_key key, const char *row,
                            name_list *list, iv_error *error) {
    list->n = 0;
    list->names = calloc(results->n_cells ? results->n_cells : 1, sizeof *list->names);
    if (!list->names) return iv_fail(error, IV_ENOMEM, "out of memory while making a table");

    for (size_t i = 0; i < results->n_cells; i++) {
        if (row && strcmp(results->cells[i].row, row) != 0) continue;
        const char *name = key_of(&results->cells[i], key);
        size_t known = 0;
        while (known < list->n && strcmp(list->names[known], name) != 0) known++;
        if (known == list->n) list->names[list->n++] = name;
    }
    return IV_OK;
}

/* ------------------------------------------------------------------ tables */

void iv_table_list_free(iv_table_list *list) {
    for (size_t t = 0; t < list->n; t++) {
        iv_table *table = &list->tables[t];
        for (size_t i = 0; table->strings && i < table->n_lines * table->n_columns; i++) {
            free(table->strings[i]);
        }
        free(table->strings);
        free(table->title);
    }
    free(list->tables);
    *list = (iv_table_list){0};
}

static bool has_published(const iv_results *results) {
    for (size_t i = 0; i < results->n_cells; i++)
        if (isfinite(results->cells[i].published)) return true;
    return false;
}

/* One table: `fixed_name` is what all its cells share (key `fixed`), `down` and `across` vary. */
static iv_status fill_table(const iv_results *results, iv_table_format format, cell_key fixed,
                            const char *fixed_name, cell_key down, const name_list *lines,
                            cell_key across, const name_list *columns, iv_table *table,
                            iv_error *error) {
    size_t n;
    iv_status status = iv_multiply_size(lines->n + 1, columns->n + 1, &n, error);
    if (status != IV_OK) return status;
    table->with_published = format == IV_TABLE_LATEX && has_published(results);
    table->n_lines = lines->n + 1;
    table->n_columns = columns->n + 1;
    table->strings = calloc(n, sizeof *table->strings);
    table->title = iv_string_copy(fixed == METRIC ? iv_metric_style_of(results, fixed_name).label
                                                  : fixed_name);
    if (!table->strings || !table->title) {
        return iv_fail(error, IV_ENOMEM, "out of memory while making a table");
    }

    for (size_t line = 0; status == IV_OK && line < table->n_lines; line++) {
        for (size_t column = 0; status == IV_OK && column < table->n_columns; column++) {
            iv_text text = {0};
            if (line == 0 && column > 0) {
                const char *name = columns->names[column - 1];
                iv_text_add(&text,
                            across == METRIC ? iv_metric_style_of(results, name).label : name);
            } else if (line > 0 && column == 0) {
                iv_text_add(&text, lines->names[line - 1]);
            } else if (line > 0) {
                const char *key[3] = {0};
                key[fixed] = fixed_name;
                key[down] = lines->names[line - 1];
                key[across] = columns->names[column - 1];
                const iv_cell *cell = iv_results_cell(results, key[ROW], key[COLUMN], key[METRIC]);
                if (cell && format == IV_TABLE_LATEX)
                    iv_table_cell_latex(&text, results, cell, table->with_published);
                else if (cell)
                    iv_table_cell(&text, results, cell);
            }
            status = iv_text_take(&text, &table->strings[line * table->n_columns + column], error);
        }
    }
    return status;
}

iv_status iv_table_list_make(const iv_results *results, iv_table_format format, iv_table_list *list,
                             iv_error *error) {
    name_list rows = {0}, columns = {0}, metrics = {0};
    *list = (iv_table_list){0};
    if (results->n_cells == 0) return IV_OK;

    iv_status status = list_names(results, ROW, NULL, &rows, error);
    if (status == IV_OK) status = list_names(results, COLUMN, NULL, &columns, error);
    if (status == IV_OK) status = list_names(results, METRIC, NULL, &metrics, error);
    if (status != IV_OK) goto done;

    list->tables = calloc(rows.n, sizeof *list->tables);
    if (!list->tables) {
        status = iv_fail(error, IV_ENOMEM, "out of memory while making a table");
    } else if (metrics.n == 1) {
        list->n = 1;
        status = fill_table(results, format, METRIC, metrics.names[0], ROW, &rows, COLUMN, &columns,
                            &list->tables[0], error);
    } else if (columns.n == 1) {
        list->n = 1;
        status = fill_table(results, format, COLUMN, columns.names[0], ROW, &rows, METRIC, &metrics,
                            &list->tables[0], error);
    } else {
        for (size_t r = 0; status == IV_OK && r < rows.n; r++) {
            name_list methods = {0}, measured = {0};
            status = list_names(results, COLUMN, rows.names[r], &methods, error);
            if (status == IV_OK)
                status = list_names(results, METRIC, rows.names[r], &measured, error);
            if (status == IV_OK) {
                list->n++;
                status = fill_table(results, format, ROW, rows.names[r], COLUMN, &methods, METRIC,
                                    &measured, &list->tables[r], error);
            }
            free(methods.names);
            free(measured.names);
        }
    }
done:
    free(rows.names);
    free(columns.names);
    free(metrics.names);
    return status;
}

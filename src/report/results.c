/* Results in memory: runs with their metrics, cells over seeds, claims. */
#include <invar/report.h>

#include "report/file.h"
#include "runtime/numeric.h"
#include "runtime/text_builder.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static iv_status no_memory(iv_error *error) {
    return iv_fail(error, IV_ENOMEM, "out of memory while collecting results");
}

/* Make room for one more of `n` elements; the capacity is the next power of two, so it need not be
 * kept. */
static void *grow(void *array, size_t n, size_t element_bytes, iv_error *error) {
    if (n & (n - 1)) return array;
    size_t bytes;
    if (n > SIZE_MAX / 2 ||
        iv_multiply_size(n ? 2 * n : 1, element_bytes, &bytes, error) != IV_OK) {
        return NULL;
    }
    void *grown = realloc(array, bytes);
    if (!grown) (void)no_memory(error);
    return grown;
}

void iv_results_free(iv_results *results) {
    for (size_t i = 0; i < results->n_styles; i++) {
        free(results->styles[i].metric);
        free(results->styles[i].label);
        free(results->styles[i].doc);
    }
    for (size_t i = 0; i < results->n_runs; i++) {
        iv_result_run *run = &results->runs[i];
        for (size_t m = 0; m < run->n_metrics; m++) {
            free(run->metrics[m].name);
            free(run->metrics[m].values);
        }
        free(run->metrics);
        free(run->name);
        free(run->status);
        free(run->model);
    }
    for (size_t i = 0; i < results->n_cells; i++) {
        free(results->cells[i].row);
        free(results->cells[i].column);
        free(results->cells[i].metric);
    }
    for (size_t i = 0; i < results->n_claims; i++) {
        free(results->claims[i].claim);
        free(results->claims[i].evidence);
    }
    free(results->styles);
    free(results->runs);
    free(results->cells);
    free(results->claims);
    *results = (iv_results){0};
}

/* ------------------------------------------------------------------ styles */

iv_status iv_results_add_style(iv_results *results, const char *metric, const char *label,
                               const char *doc, double scale, int decimals, iv_error *error) {
    iv_metric_style *styles = grow(results->styles, results->n_styles, sizeof *styles, error);
    if (!styles) return IV_ENOMEM;
    results->styles = styles;
    iv_metric_style *style = &styles[results->n_styles++];
    *style = (iv_metric_style){iv_string_copy(metric), iv_string_copy(label), iv_string_copy(doc),
                               scale, decimals};
    return style->metric && style->label && style->doc ? IV_OK : no_memory(error);
}

/* ------------------------------------------------------------------ runs */

iv_status iv_results_add_run(iv_results *results, const char *name, uint64_t seed,
                             const char *status, const char *model, iv_error *error) {
    iv_result_run *runs = grow(results->runs, results->n_runs, sizeof *runs, error);
    if (!runs) return IV_ENOMEM;
    results->runs = runs;

    iv_result_run *run = &runs[results->n_runs];
    *run = (iv_result_run){.seed = seed,
                           .name = iv_string_copy(name),
                           .status = iv_string_copy(status),
                           .model = iv_string_copy(model)};
    results->n_runs++;
    return !run->name || !run->status || (model && !run->model) ? no_memory(error) : IV_OK;
}

static iv_status add_metric(iv_results *results, const char *name, bool is_array,
                            const double *values, size_t n, iv_error *error) {
    if (results->n_runs == 0) {
        return iv_fail(error, IV_EINVAL, "metric %s was added before any run", name);
    }
    iv_result_run *run = &results->runs[results->n_runs - 1];
    iv_metric *metrics = grow(run->metrics, run->n_metrics, sizeof *metrics, error);
    if (!metrics) return IV_ENOMEM;
    run->metrics = metrics;

    size_t bytes;
    iv_status status = iv_multiply_size(n, sizeof *values, &bytes, error);
    if (status != IV_OK) return status;
    iv_metric *metric = &metrics[run->n_metrics];
    *metric = (iv_metric){.name = iv_string_copy(name),
                          .is_array = is_array,
                          .n = n,
                          .values = malloc(bytes ? bytes : 1)};
    run->n_metrics++;
    if (!metric->name || !metric->values) return no_memory(error);
    if (bytes) memcpy(metric->values, values, bytes);
    return IV_OK;
}

iv_status iv_results_add_metric(iv_results *results, const char *metric, double value,
                                iv_error *error) {
    return add_metric(results, metric, false, &value, 1, error);
}

iv_status iv_results_add_metric_array(iv_results *results, const char *metric, const double *values,
                                      size_t n, iv_error *error) {
    return add_metric(results, metric, true, values, n, error);
}

const iv_metric *iv_result_run_metric(const iv_result_run *run, const char *metric) {
    for (size_t i = 0; i < run->n_metrics; i++) {
        if (strcmp(run->metrics[i].name, metric) == 0) return &run->metrics[i];
    }
    return NULL;
}

/* ------------------------------------------------------------------ cells */

/* The cell with `n` and numbers already known. */
static iv_status add_cell(iv_results *results, const iv_cell *numbers, const char *row,
                          const char *column, const char *metric, iv_error *error) {
    iv_cell *cells = grow(results->cells, results->n_cells, sizeof *cells, error);
    if (!cells) return IV_ENOMEM;
    results->cells = cells;

    iv_cell *cell = &cells[results->n_cells];
    *cell = *numbers;
    cell->row = iv_string_copy(row);
    cell->column = iv_string_copy(column);
    cell->metric = iv_string_copy(metric);
    results->n_cells++;
    return !cell->row || !cell->column || !cell->metric ? no_memory(error) : IV_OK;
}

iv_status iv_results_add_cell(iv_results *results, const char *row, const char *column,
                              const char *metric, const double *values, size_t n, double published,
                              double published_std, iv_error *error) {
    iv_cell cell = {.mean = NAN, .std = NAN, .n = n};
    cell.published = published;
    cell.published_std = published_std;

    if (n > 0) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++) sum += values[i];
        cell.mean = isfinite(sum) ? sum / (double)n : NAN;
        for (size_t i = 0; i < n; i++) {
            squares += (values[i] - cell.mean) * (values[i] - cell.mean);
        }
        if (n > 1) cell.std = sqrt(squares / (double)(n - 1));
    }
    return add_cell(results, &cell, row, column, metric, error);
}

iv_status iv_results_add_cell_of_runs(iv_results *results, const char *row, const char *column,
                                      const char *metric, const char *run, double published,
                                      double published_std, iv_error *error) {
    size_t bytes, n = 0;
    iv_status status = iv_multiply_size(results->n_runs, sizeof(double), &bytes, error);
    if (status != IV_OK) return status;
    double *values = malloc(bytes ? bytes : 1);
    if (!values) return no_memory(error);

    for (size_t i = 0; i < results->n_runs; i++) {
        if (strcmp(results->runs[i].name, run) != 0) continue;
        const iv_metric *found = iv_result_run_metric(&results->runs[i], metric);
        if (found && !found->is_array) values[n++] = found->values[0];
    }
    status = iv_results_add_cell(results, row, column, metric, values, n, published, published_std,
                                 error);
    free(values);
    return status;
}

const iv_cell *iv_results_cell(const iv_results *results, const char *row, const char *column,
                               const char *metric) {
    for (size_t i = 0; i < results->n_cells; i++) {
        const iv_cell *cell = &results->cells[i];
        if (strcmp(cell->row, row) == 0 && strcmp(cell->column, column) == 0 &&
            strcmp(cell->metric, metric) == 0) {
            return cell;
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------ claims */

iv_status iv_results_add_claim(iv_results *results, const char *claim, bool holds, iv_error *error,
                               const char *evidence, ...) {
    iv_claim *claims = grow(results->claims, results->n_claims, sizeof *claims, error);
    if (!claims) return IV_ENOMEM;
    results->claims = claims;

    va_list arguments, again;
    const iv_numeric numeric = iv_numeric_begin();
    va_start(arguments, evidence);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, evidence, arguments);
    char *sentence = n < 0 ? NULL : malloc((size_t)n + 1);
    if (sentence) vsnprintf(sentence, (size_t)n + 1, evidence, again);
    va_end(again);
    va_end(arguments);
    iv_numeric_end(numeric);

    iv_claim *added = &claims[results->n_claims];
    *added = (iv_claim){.claim = iv_string_copy(claim), .holds = holds, .evidence = sentence};
    results->n_claims++;
    return !added->claim || !added->evidence ? no_memory(error) : IV_OK;
}

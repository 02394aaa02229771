/* results.json: written with our own number format (jansson 2.14 has no shortest one), read with
 * jansson. */
#include <invar/report.h>

#include "report/file.h"
#include "report/json_file.h"
#include "runtime/text_builder.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ writing */

static bool run_is_finite(const iv_result_run *run) {
    for (size_t m = 0; m < run->n_metrics; m++) {
        for (size_t i = 0; i < run->metrics[m].n; i++) {
            if (!isfinite(run->metrics[m].values[i])) return false;
        }
    }
    return true;
}

static void add_run(iv_text *text, const iv_result_run *run) {
    bool hidden = strcmp(run->status, "done") == 0 && !run_is_finite(run);
    iv_text_add(text, "    {\"name\": ");
    iv_text_json(text, run->name);
    iv_text_format(text, ", \"seed\": %" PRIu64 ", \"status\": ", run->seed);
    iv_text_json(text, hidden ? "not finite" : run->status);
    iv_text_add(text, ",\n     \"metrics\": {");
    for (size_t m = 0; m < run->n_metrics; m++) {
        const iv_metric *metric = &run->metrics[m];
        if (m) iv_text_add(text, ", ");
        iv_text_json(text, metric->name);
        iv_text_add(text, metric->is_array ? ": [" : ": ");
        for (size_t i = 0; i < metric->n; i++) {
            if (i) iv_text_add(text, ", ");
            iv_text_double(text, metric->values[i], "null");
        }
        if (metric->is_array) iv_text_add(text, "]");
    }
    iv_text_add(text, "},\n     \"model\": ");
    if (run->model)
        iv_text_json(text, run->model);
    else
        iv_text_add(text, "null");
    iv_text_add(text, "}");
}

static void add_cell(iv_text *text, const iv_cell *cell) {
    iv_text_add(text, "    {\"row\": ");
    iv_text_json(text, cell->row);
    iv_text_add(text, ", \"column\": ");
    iv_text_json(text, cell->column);
    iv_text_add(text, ", \"metric\": ");
    iv_text_json(text, cell->metric);
    iv_text_add(text, ", \"mean\": ");
    iv_text_double(text, cell->mean, "null");
    iv_text_add(text, ", \"std\": ");
    iv_text_double(text, cell->std, "null");
    iv_text_format(text, ", \"n\": %zu, \"published\": ", cell->n);
    iv_text_double(text, cell->published, "null");
    iv_text_add(text, ", \"published_std\": ");
    iv_text_double(text, cell->published_std, "null");
    iv_text_format(text, ", \"status\": \"%s\"}",
                   cell->n == 0           ? "no runs"
                   : isfinite(cell->mean) ? "ok"
                                          : "not finite");
}

static void add_claim(iv_text *text, const iv_claim *claim) {
    iv_text_add(text, "    {\"claim\": ");
    iv_text_json(text, claim->claim);
    iv_text_format(text, ", \"holds\": %s, \"evidence\": ", claim->holds ? "true" : "false");
    iv_text_json(text, claim->evidence);
    iv_text_add(text, "}");
}

static void add_style(iv_text *text, const iv_metric_style *style) {
    iv_text_add(text, "    ");
    iv_text_json(text, style->metric);
    iv_text_add(text, ": {\"label\": ");
    iv_text_json(text, style->label);
    iv_text_add(text, ", \"doc\": ");
    iv_text_json(text, style->doc);
    iv_text_add(text, ", \"scale\": ");
    iv_text_double(text, style->scale, "null");
    iv_text_format(text, ", \"decimals\": %d}", style->decimals);
}

static void add_results(iv_text *text, const iv_results *results) {
    iv_text_add(text, "{\n  \"metrics\": {");
    for (size_t i = 0; i < results->n_styles; i++) {
        iv_text_add(text, i ? ",\n" : "\n");
        add_style(text, &results->styles[i]);
    }
    iv_text_add(text, "\n  },\n  \"runs\": [");
    for (size_t i = 0; i < results->n_runs; i++) {
        iv_text_add(text, i ? ",\n" : "\n");
        add_run(text, &results->runs[i]);
    }
    iv_text_add(text, "\n  ],\n  \"cells\": [");
    for (size_t i = 0; i < results->n_cells; i++) {
        iv_text_add(text, i ? ",\n" : "\n");
        add_cell(text, &results->cells[i]);
    }
    iv_text_add(text, "\n  ],\n  \"claims\": [");
    for (size_t i = 0; i < results->n_claims; i++) {
        iv_text_add(text, i ? ",\n" : "\n");
        add_claim(text, &results->claims[i]);
    }
    iv_text_add(text, "\n  ]\n}\n");
}

iv_status iv_results_write(const iv_results *results, const char *path, iv_error *error) {
    iv_text text = {0};
    add_results(&text, results);
    return iv_file_write_text(path, &text, error);
}

iv_status iv_results_print(const iv_results *results, FILE *out, iv_error *error) {
    iv_text text = {0};
    char *string;
    add_results(&text, results);
    iv_status status = iv_text_take(&text, &string, error);
    if (status == IV_OK && (fputs(string, out) == EOF || fflush(out) == EOF)) {
        status = iv_fail(error, IV_EFAILED, "cannot write the results: output error");
    }
    free(string);
    return status;
}

/* ------------------------------------------------------------------ reading */

typedef struct {
    const char *path;
    iv_results *results;
    iv_error *error;
} reader;

static iv_status damaged(const reader *r, const char *list, size_t index, const char *what) {
    return iv_fail(r->error, IV_EDATA, "%s: damaged: %s[%zu] %s", r->path, list, index, what);
}

static bool is_number_or_null(const json_t *value) {
    return json_is_number(value) || json_is_null(value);
}

static double number_or_nan(const json_t *value) {
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static iv_status read_metric(const reader *r, size_t index, const char *name, const json_t *value) {
    if (is_number_or_null(value)) {
        return iv_results_add_metric(r->results, name, number_or_nan(value), r->error);
    }
    if (!json_is_array(value)) {
        return damaged(r, "runs", index,
                       "has a metric that is neither a number nor a list of numbers");
    }
    size_t n = json_array_size(value);
    double *values = calloc(n ? n : 1, sizeof *values);
    if (!values) return iv_fail(r->error, IV_ENOMEM, "out of memory while reading %s", r->path);
    iv_status status = IV_OK;
    for (size_t i = 0; status == IV_OK && i < n; i++) {
        const json_t *element = json_array_get(value, i);
        values[i] = number_or_nan(element);
        if (!is_number_or_null(element)) {
            status = damaged(r, "runs", index, "has a list that holds something else than numbers");
        }
    }
    if (status == IV_OK)
        status = iv_results_add_metric_array(r->results, name, values, n, r->error);
    free(values);
    return status;
}

static iv_status read_run(const reader *r, size_t index, json_t *run) {
    const char *name = json_string_value(json_object_get(run, "name"));
    const char *run_status = json_string_value(json_object_get(run, "status"));
    const json_t *seed = json_object_get(run, "seed");
    json_t *metrics = json_object_get(run, "metrics");
    if (!name || !run_status || !json_is_integer(seed) || !json_is_object(metrics)) {
        return damaged(r, "runs", index, "lacks one of name, seed, status, metrics");
    }
    iv_status status =
        iv_results_add_run(r->results, name, (uint64_t)json_integer_value(seed), run_status,
                           json_string_value(json_object_get(run, "model")), r->error);
    const char *key;
    json_t *value;
    json_object_foreach(metrics, key, value) {
        if (status == IV_OK) status = read_metric(r, index, key, value);
    }
    return status;
}

static iv_status read_cell(const reader *r, size_t index, json_t *object) {
    const char *row = json_string_value(json_object_get(object, "row"));
    const char *column = json_string_value(json_object_get(object, "column"));
    const char *metric = json_string_value(json_object_get(object, "metric"));
    const json_t *n = json_object_get(object, "n");
    if (!row || !column || !metric || !json_is_integer(n) || json_integer_value(n) < 0 ||
        !is_number_or_null(json_object_get(object, "mean")) ||
        !is_number_or_null(json_object_get(object, "std"))) {
        return damaged(r, "cells", index, "lacks one of row, column, metric, mean, std, n");
    }
    /* Through the public function for its copies, then the numbers as they stand. */
    iv_status status =
        iv_results_add_cell(r->results, row, column, metric, NULL, 0,
                            number_or_nan(json_object_get(object, "published")),
                            number_or_nan(json_object_get(object, "published_std")), r->error);
    if (status == IV_OK) {
        iv_cell *cell = &r->results->cells[r->results->n_cells - 1];
        cell->n = (size_t)json_integer_value(n);
        cell->mean = number_or_nan(json_object_get(object, "mean"));
        cell->std = number_or_nan(json_object_get(object, "std"));
    }
    return status;
}

static iv_status read_claim(const reader *r, size_t index, json_t *object) {
    const char *claim = json_string_value(json_object_get(object, "claim"));
    const char *evidence = json_string_value(json_object_get(object, "evidence"));
    const json_t *holds = json_object_get(object, "holds");
    if (!claim || !evidence || !json_is_boolean(holds)) {
        return damaged(r, "claims", index, "lacks one of claim, holds, evidence");
    }
    return iv_results_add_claim(r->results, claim, json_is_true(holds), r->error, "%s", evidence);
}

static iv_status read_list(const reader *r, json_t *root, const char *list,
                           iv_status (*read_element)(const reader *, size_t, json_t *)) {
    iv_status status = IV_OK;
    json_t *elements = json_object_get(root, list);
    if (!json_is_array(elements)) {
        return iv_fail(r->error, IV_EDATA, "%s: damaged: no list \"%s\" in it", r->path, list);
    }
    for (size_t i = 0; status == IV_OK && i < json_array_size(elements); i++) {
        status = read_element(r, i, json_array_get(elements, i));
    }
    return status;
}

/* How metrics are shown; results may say nothing of it. */
static iv_status read_styles(const reader *r, json_t *root) {
    const char *metric;
    json_t *style, *styles = json_object_get(root, "metrics");
    iv_status status = IV_OK;
    if (styles && !json_is_object(styles))
        return iv_fail(r->error, IV_EDATA, "%s: damaged: \"metrics\" is no object", r->path);
    json_object_foreach(styles, metric, style) {
        const char *label = json_string_value(json_object_get(style, "label"));
        const char *doc = json_string_value(json_object_get(style, "doc"));
        const json_t *scale = json_object_get(style, "scale");
        const json_t *decimals = json_object_get(style, "decimals");
        if (!label || !doc || !json_is_number(scale) || !json_is_integer(decimals) ||
            json_integer_value(decimals) < -1 || json_integer_value(decimals) > 17)
            return iv_fail(r->error, IV_EDATA,
                           "%s: damaged: metric %s lacks one of label, doc, scale, decimals",
                           r->path, metric);
        if (status == IV_OK)
            status = iv_results_add_style(r->results, metric, label, doc, json_number_value(scale),
                                          (int)json_integer_value(decimals), r->error);
    }
    return status;
}

iv_status iv_results_read(const char *path, iv_results *results, iv_error *error) {
    json_t *root;
    *results = (iv_results){0};
    iv_status status = iv_json_read(path, &root, error);
    if (status != IV_OK) return status;

    reader r = {path, results, error};
    status = read_styles(&r, root);
    if (status == IV_OK) status = read_list(&r, root, "runs", read_run);
    if (status == IV_OK) status = read_list(&r, root, "cells", read_cell);
    if (status == IV_OK) status = read_list(&r, root, "claims", read_claim);
    if (status != IV_OK) iv_results_free(results);
    json_decref(root);
    return status;
}

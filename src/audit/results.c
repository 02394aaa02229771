/* What an audit found, as a table, as JSON and as CSV. */
#include "audit/audit.h"

#include "runtime/numeric.h"
#include "runtime/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ tables */

enum { N_COLUMNS = 1 + IV_AUDIT_SPECTRUM }; /* the name, and what is one number */

typedef struct {
    char cells[N_COLUMNS][AUDIT_CELL];
} table_line;

void audit_format(char text[AUDIT_CELL], double value, iv_audit_metric metric) {
    const double scale = iv_audit_metric_get(metric)->scale;
    if (!isfinite(value))
        snprintf(text, AUDIT_CELL, "n/a");
    else
        snprintf(text, AUDIT_CELL, scale == 100 ? "%.1f" : "%.3g", scale * value);
}

void audit_format_interval(char text[AUDIT_CELL], const iv_audit_model *model,
                           iv_audit_metric metric) {
    char value[AUDIT_CELL], low[AUDIT_CELL], high[AUDIT_CELL];
    if (model->n_images[metric] == 0) {
        snprintf(text, AUDIT_CELL, "-");
        return;
    }
    audit_format(value, model->all[metric]->value, metric);
    audit_format(low, model->all[metric]->low, metric);
    audit_format(high, model->all[metric]->high, metric);
    snprintf(text, AUDIT_CELL, "%.28s [%.28s, %.28s]", value, low, high);
}

static void add_line(iv_text *text, const table_line *l, const size_t widths[N_COLUMNS]) {
    for (size_t c = 0; c < N_COLUMNS; c++) {
        iv_text_add(text, l->cells[c]);
        for (size_t at = iv_text_width(l->cells[c]); at < widths[c] + 2 && c + 1 < N_COLUMNS; at++)
            iv_text_add(text, " ");
    }
    iv_text_add(text, "\n");
}

static void add_table(iv_text *text, const table_line *lines, size_t n) {
    size_t widths[N_COLUMNS] = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < N_COLUMNS; c++) {
            const size_t width = iv_text_width(lines[i].cells[c]);
            if (width > widths[c]) widths[c] = width;
        }
    for (size_t i = 0; i < n; i++) add_line(text, &lines[i], widths);
}

/* A line for each direction: its sensitivity, and what it is made of. */
static void add_directions(iv_text *text, const iv_audit_model *model) {
    if (!model->directions) return;
    iv_text_format(text, "\n%s: sensitivity to directions of the affine algebra\n", model->name);
    for (size_t k = 0; k < IV_N_GENERATORS; k++) {
        const iv_audit_direction *direction = &model->directions[k];
        iv_text_format(text, "    %-10.3g", direction->sensitivity);
        for (size_t g = 0; g < IV_N_GENERATORS; g++)
            iv_text_format(text, "  %s %+.2f", iv_generator_name((iv_generator)g),
                           direction->generators[g]);
        iv_text_add(text, "\n");
    }
}

iv_status iv_audit_table(const iv_audit *audit, char **out, iv_error *error) {
    const iv_numeric numeric = iv_numeric_begin();
    iv_text text = {0};
    *out = NULL;
    table_line *lines = calloc(audit->n_models + 1, sizeof *lines);
    iv_status status = lines ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for a table");
    if (status == IV_OK) {
        for (size_t c = 1; c < N_COLUMNS; c++)
            snprintf(lines[0].cells[c], AUDIT_CELL, "%s", iv_audit_metric_get(c - 1)->label);
        for (size_t i = 0; i < audit->n_models; i++) {
            snprintf(lines[i + 1].cells[0], AUDIT_CELL, "%s", audit->models[i].name);
            for (size_t c = 1; c < N_COLUMNS; c++)
                audit_format_interval(lines[i + 1].cells[c], &audit->models[i],
                                      (iv_audit_metric)(c - 1));
        }
        iv_text_format(&text,
                       "%zu images of %s under %s, %zu elements; 95%% intervals over images\n\n",
                       audit->n_images, audit->data, audit->group, audit->n_elements);
        add_table(&text, lines, audit->n_models + 1);
        for (size_t i = 0; i < audit->n_models; i++) add_directions(&text, &audit->models[i]);
        if (text.data) iv_tame(text.data); /* names of files may hold anything */
        status = iv_text_take(&text, out, error);
    }
    free(lines);
    iv_numeric_end(numeric);
    return status;
}

/* ------------------------------------------------------------------ JSON */

bool audit_is_list(size_t metric) {
    return metric == IV_AUDIT_SPECTRUM || metric == IV_AUDIT_CHANGES;
}

/* "value": [..] of `width` numbers; a number alone where that is what the metric has. */
static void add_values(iv_text *text, const char *key, const iv_audit_number *numbers, size_t width,
                       bool is_array, size_t which) {
    iv_text_format(text, "\"%s\": %s", key, is_array ? "[" : "");
    for (size_t k = 0; k < width; k++) {
        const iv_audit_number *n = &numbers[k];
        if (k > 0) iv_text_add(text, ", ");
        iv_text_double(text, which == 0 ? n->value : which == 1 ? n->low : n->high, "null");
    }
    if (is_array) iv_text_add(text, "]");
}

static void add_metrics(iv_text *text, const iv_audit_model *model, iv_audit_number *const *numbers,
                        size_t class, const char *indent) {
    bool first = true;
    iv_text_add(text, "{");
    for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++) {
        if (model->n_images[m] == 0) continue;
        const size_t width = model->width[m];
        const iv_audit_number *n = numbers[m] + class * width;
        const bool is_array = audit_is_list(m);
        iv_text_format(text, "%s\n%s\"%s\": {", first ? "" : ",", indent,
                       iv_audit_metric_get(m)->name);
        add_values(text, "value", n, width, is_array, 0);
        iv_text_add(text, ", ");
        add_values(text, "low", n, width, is_array, 1);
        iv_text_add(text, ", ");
        add_values(text, "high", n, width, is_array, 2);
        iv_text_add(text, "}");
        first = false;
    }
    iv_text_add(text, "}");
}

static void add_notes(iv_text *text, const char *notes) {
    char line[1024];
    iv_text_add(text, "[");
    for (const char *at = notes; *at;) {
        const size_t n = strcspn(at, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, at);
        if (at != notes) iv_text_add(text, ", ");
        iv_text_json(text, line);
        at += n + (at[n] == '\n');
    }
    iv_text_add(text, "]");
}

/* An image's number, label and DI; under each element the class predicted, and its probability. */
static void add_worst(iv_text *text, const iv_audit *audit, const iv_audit_model *model,
                      const iv_audit_worst *worst) {
    const size_t n_classes = model->n_outputs;
    iv_text_format(text, "{\"image\": %zu, \"label\": %zu, \"di\": ", worst->image, worst->label);
    iv_text_float(text, worst->di, "null");
    iv_text_add(text, ", \"predicted\": [");
    for (size_t g = 0; g < audit->n_elements; g++)
        iv_text_format(text, "%s%zu", g ? ", " : "",
                       audit_predicted(worst->logits + g * n_classes, n_classes));
    iv_text_add(text, "], \"probability\": [");
    for (size_t g = 0; g < audit->n_elements; g++) {
        const float *logits = worst->logits + g * n_classes;
        if (g > 0) iv_text_add(text, ", ");
        iv_text_float(text, (float)audit_probability(logits, n_classes), "null");
    }
    iv_text_add(text, "]}");
}

static void add_model(iv_text *text, const iv_audit *audit, size_t i) {
    const iv_audit_model *model = &audit->models[i];
    iv_text_add(text, "\n    {\"name\": ");
    iv_text_json(text, model->name);
    iv_text_add(text, ",\n     \"architecture\": ");
    iv_text_json(text, model->architecture);
    iv_text_add(text, ",\n     \"notes\": ");
    add_notes(text, model->notes);
    iv_text_format(text, ",\n     \"jacobians\": %zu,\n     \"metrics\": ",
                   model->n_images[IV_AUDIT_SPECTRUM]);
    add_metrics(text, model, model->all, 0, "       ");
    if (model->directions) {
        iv_text_add(text, ",\n     \"directions\": [");
        for (size_t k = 0; k < IV_N_GENERATORS; k++) {
            const iv_audit_direction *direction = &model->directions[k];
            iv_text_format(text, "%s\n       {\"sensitivity\": ", k ? "," : "");
            iv_text_double(text, direction->sensitivity, "null");
            for (size_t g = 0; g < IV_N_GENERATORS; g++) {
                iv_text_format(text, ", \"%s\": ", iv_generator_name((iv_generator)g));
                iv_text_double(text, direction->generators[g], "null");
            }
            iv_text_add(text, "}");
        }
        iv_text_add(text, "]");
    }
    if (audit->n_curves > 0) {
        iv_text_add(text, ",\n     \"curves\": ");
        audit_add_curves(text, audit, i);
    }
    for (size_t k = 0; k < model->n_worst; k++) {
        iv_text_add(text, k ? ",\n       " : ",\n     \"worst\": [\n       ");
        add_worst(text, audit, model, &model->worst[k]);
        if (k + 1 == model->n_worst) iv_text_add(text, "]");
    }
    iv_text_add(text, ",\n     \"classes\": [");
    for (size_t c = 0; c < audit->n_classes; c++) {
        if (c > 0) iv_text_add(text, ", ");
        add_metrics(text, model, model->classes, c, "       ");
    }
    iv_text_add(text, "]}");
}

iv_status iv_audit_json(const iv_audit *audit, char **out, iv_error *error) {
    const iv_numeric numeric = iv_numeric_begin();
    iv_text text = {0};
    iv_text_add(&text, "{\n  \"data\": ");
    iv_text_json(&text, audit->data);
    iv_text_format(&text,
                   ",\n  \"images\": %zu,\n  \"classes\": %zu,\n  \"group\": ", audit->n_images,
                   audit->n_classes);
    iv_text_json(&text, audit->group);
    iv_text_format(&text, ",\n  \"elements\": %zu,\n  \"element_names\": [", audit->n_elements);
    for (size_t g = 0; g < audit->n_elements; g++) {
        if (g > 0) iv_text_add(&text, ", ");
        iv_text_json(&text, audit->elements[g]);
    }
    iv_text_format(&text, "],\n  \"resamples\": %zu,\n  \"metrics\": {", audit->n_resamples);
    for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++) {
        iv_text_format(&text, "%s\n    \"%s\": ", m ? "," : "", iv_audit_metric_get(m)->name);
        iv_text_json(&text, iv_audit_metric_get(m)->doc);
    }
    iv_text_add(&text, "},\n  \"models\": [");
    for (size_t i = 0; i < audit->n_models; i++) {
        if (i > 0) iv_text_add(&text, ",");
        add_model(&text, audit, i);
    }
    iv_text_add(&text, "]\n}\n");
    const iv_status status = iv_text_take(&text, out, error);
    iv_numeric_end(numeric);
    return status;
}

/* ------------------------------------------------------------------ CSV */

/* class: a number, or "" for all images */
static void add_rows(iv_text *text, const iv_audit_model *model, const char *class,
                     iv_audit_number *const *numbers, size_t row) {
    for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++)
        for (size_t k = 0; k < model->width[m] && model->n_images[m] > 0; k++) {
            const iv_audit_number *n = &numbers[m][row * model->width[m] + k];
            iv_text_csv(text, model->name);
            iv_text_format(text, ",%s,%s", class, iv_audit_metric_get(m)->name);
            if (audit_is_list(m)) iv_text_format(text, ".%zu", k);
            iv_text_add(text, ",");
            iv_text_double(text, n->value, "");
            iv_text_add(text, ",");
            iv_text_double(text, n->low, "");
            iv_text_add(text, ",");
            iv_text_double(text, n->high, "");
            iv_text_add(text, "\n");
        }
}

static iv_status csv(const iv_audit *audit, char **out, iv_error *error) {
    const iv_numeric numeric = iv_numeric_begin();
    iv_text text = {0};
    char class[24];
    iv_text_add(&text, "model,class,metric,value,low,high\n");
    for (size_t i = 0; i < audit->n_models; i++) {
        const iv_audit_model *model = &audit->models[i];
        add_rows(&text, model, "", model->all, 0);
        for (size_t c = 0; c < audit->n_classes; c++) {
            snprintf(class, sizeof class, "%zu", c);
            add_rows(&text, model, class, model->classes, c);
        }
    }
    const iv_status status = iv_text_take(&text, out, error);
    iv_numeric_end(numeric);
    return status;
}

/* ------------------------------------------------------------------ files */

iv_status audit_write_text(const char *directory, const char *name, const char *text,
                           iv_error *error) {
    const size_t bytes = strlen(directory) + strlen(name) + 2;
    char *path = malloc(bytes);
    if (!path) return iv_fail(error, IV_ENOMEM, "out of memory for a path");
    snprintf(path, bytes, "%s/%s", directory, name);
    const iv_status status = iv_write_file_atomically(path, text, strlen(text), error);
    free(path);
    return status;
}

iv_status iv_audit_write(const iv_audit *audit, const char *directory, bool *drawn,
                         iv_error *error) {
    char *json = NULL, *table = NULL;
    iv_status status = iv_make_directories(directory, error);
    if (status == IV_OK) status = iv_audit_json(audit, &json, error);
    if (status == IV_OK) status = csv(audit, &table, error);
    if (status == IV_OK) status = audit_write_text(directory, "audit.json", json, error);
    if (status == IV_OK) status = audit_write_text(directory, "audit.csv", table, error);
    if (drawn) *drawn = true;
    if (status == IV_OK) status = audit_write_curves(audit, directory, drawn, error);
    if (status == IV_OK) status = audit_write_page(audit, directory, error);
    free(json);
    free(table);
    return status;
}

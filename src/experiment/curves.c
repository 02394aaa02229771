/* Plots of curves, read back from a run's log. */
#include "experiment/experiment.h"

#include "report/log_read.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char label[160];
    double *x, *means, *counts;
    size_t n, capacity;
    bool dashed;
} curve;

struct iv_chart {
    const iv_experiment *x;
    json_t *points; /* what was logged, in order */
    curve *curves;
    size_t n, capacity;
};

iv_status iv_chart_open(const iv_experiment *x, iv_chart **out) {
    char *path = iv_run_dir_file(x->job->dir, "metrics.jsonl");
    iv_chart *chart = *out = calloc(1, sizeof *chart);
    if (chart) *chart = (iv_chart){.x = x};
    const iv_status status = chart && path
                                 ? iv_log_read(path, &chart->points, iv_context_error(x->context))
                                 : iv_no_memory(x->context);
    free(path);
    if (status != IV_OK) {
        iv_chart_close(chart);
        *out = NULL;
    }
    return status;
}

static void clear(iv_chart *chart) {
    for (size_t i = 0; i < chart->n; i++) {
        free(chart->curves[i].x);
        free(chart->curves[i].means);
        free(chart->curves[i].counts);
    }
    chart->n = 0;
}

void iv_chart_close(iv_chart *chart) {
    if (!chart) return;
    clear(chart);
    json_decref(chart->points);
    free(chart->curves);
    free(chart);
}

/* The quantity's value in a logged point; false if the point has none. */
static bool value_of(const json_t *point, const iv_quantity *quantity, double *value) {
    const char *run = json_string_value(json_object_get(point, "run"));
    const char *split = json_string_value(json_object_get(point, "split"));
    if (!run || !split || strcmp(run, quantity->run) != 0 || strcmp(split, quantity->split) != 0)
        return false;
    const json_t *entry = json_object_get(point, quantity->metric);
    if (quantity->element != SIZE_MAX) entry = json_array_get(entry, quantity->element);
    if (!entry) return false;
    *value = json_is_number(entry) ? json_number_value(entry) : NAN;
    if (quantity->magnitude) *value = fabs(*value);
    return true;
}

static bool add_value(curve *c, double x, double value) {
    size_t i = 0;
    while (i < c->n && c->x[i] != x) i++;
    if (i == c->capacity) {
        const size_t wanted = c->capacity ? 2 * c->capacity : 64;
        double **const columns[] = {&c->x, &c->means, &c->counts};
        for (size_t k = 0; k < 3; k++) {
            double *grown = realloc(*columns[k], wanted * sizeof *grown);
            if (!grown) return false;
            *columns[k] = grown;
        }
        c->capacity = wanted;
    }
    if (i == c->n) {
        c->x[i] = x;
        c->means[i] = c->counts[i] = 0;
        c->n++;
    }
    c->means[i] += value;
    c->counts[i]++;
    return true;
}

static curve *next_curve(iv_chart *chart) {
    if (chart->n == chart->capacity) {
        const size_t wanted = chart->capacity ? 2 * chart->capacity : 16;
        curve *grown = realloc(chart->curves, wanted * sizeof *grown);
        if (!grown) return NULL;
        chart->curves = grown;
        chart->capacity = wanted;
    }
    curve *c = &chart->curves[chart->n++];
    *c = (curve){0};
    return c;
}

iv_status iv_chart_add(iv_chart *chart, const iv_quantity *quantity, const char *label, ...) {
    curve *c = next_curve(chart);
    if (!c) return iv_no_memory(chart->x->context);
    va_list arguments;
    va_start(arguments, label);
    vsnprintf(c->label, sizeof c->label, label, arguments);
    va_end(arguments);
    c->dashed = quantity->dashed;
    const char *key = quantity->by_step ? "step" : "epoch";
    size_t index;
    const json_t *point;
    json_array_foreach(chart->points, index, point) {
        double value;
        if (value_of(point, quantity, &value) &&
            !add_value(c, json_number_value(json_object_get(point, key)), value))
            return iv_no_memory(chart->x->context);
    }
    for (size_t i = 0; i < c->n; i++) {
        c->means[i] /= c->counts[i];
        if (quantity->unit != 0) c->means[i] *= quantity->unit;
    }
    return IV_OK;
}

iv_status iv_chart_draw(iv_chart *chart, const iv_plot *labels, const char *figure,
                        const char *of) {
    if (chart->n == 0) return IV_OK;
    iv_series *series = calloc(chart->n, sizeof *series);
    if (!series) return iv_no_memory(chart->x->context);
    for (size_t i = 0; i < chart->n; i++) {
        const curve *c = &chart->curves[i];
        series[i] = (iv_series){
            .label = c->label, .n = c->n, .x = c->x, .y = c->means, .dashed = c->dashed};
    }
    iv_plot plot = *labels;
    plot.series = series;
    plot.n_series = chart->n;
    char name[IV_FIGURE_NAME];
    if (of) iv_figure_name(figure, of, name);
    const iv_status status = iv_experiment_plot(chart->x, &plot, of ? name : figure);
    free(series);
    clear(chart);
    return status;
}

iv_status iv_experiment_plot(const iv_experiment *x, const iv_plot *plot, const char *name) {
    char *folder = iv_run_dir_file(x->job->dir, "figures");
    bool drawn;
    if (!folder) return iv_no_memory(x->context);
    const iv_status status =
        iv_plot_write(plot, folder, name, &drawn, iv_context_error(x->context));
    iv_experiment_plotted(x, name, status, drawn);
    free(folder);
    return IV_OK;
}

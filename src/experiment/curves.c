/* Curves of a run, read back from its log, so that a resumed run has them whole. */
#include "experiment/experiment.h"

#include <jansson.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct iv_points {
    json_t *list;
};

iv_status iv_points_read(const iv_experiment *x, iv_points **out) {
    char *path = iv_run_dir_file(x->job->dir, "metrics.jsonl");
    iv_points *points = *out = calloc(1, sizeof *points);
    if (points) points->list = json_array();
    FILE *file = path ? fopen(path, "rb") : NULL;
    iv_status status = IV_OK;
    if (!points || !points->list || !path)
        status = iv_no_memory(x->context);
    else if (!file)
        status = iv_fail(iv_context_error(x->context), IV_EFAILED, "cannot read %s for the figures",
                         path);
    while (status == IV_OK) {
        json_error_t reason;
        json_t *point = json_loadf(file, JSON_DISABLE_EOF_CHECK, &reason);
        if (!point) break;
        if (json_array_append_new(points->list, point) != 0) status = iv_no_memory(x->context);
    }
    if (file) fclose(file);
    free(path);
    if (status != IV_OK) {
        iv_points_free(points);
        *out = NULL;
    }
    return status;
}

void iv_points_free(iv_points *points) {
    if (!points) return;
    json_decref(points->list);
    free(points);
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

static bool add_value(iv_curve *c, double x, double value) {
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

iv_status iv_curve_fill(const iv_experiment *x, const iv_points *points,
                        const iv_quantity *quantity, iv_curve *curve) {
    const char *key = quantity->by_step ? "step" : "epoch";
    size_t index;
    const json_t *point;
    json_array_foreach(points->list, index, point) {
        double value;
        if (value_of(point, quantity, &value) &&
            !add_value(curve, json_number_value(json_object_get(point, key)), value))
            return iv_no_memory(x->context);
    }
    for (size_t i = 0; i < curve->n; i++) curve->means[i] /= curve->counts[i];
    return IV_OK;
}

void iv_curve_clear(iv_curve *curve) {
    free(curve->x);
    free(curve->means);
    free(curve->counts);
    memset(curve, 0, sizeof *curve);
}

iv_status iv_experiment_plot(const iv_experiment *x, const iv_plot *plot, const char *name) {
    char *folder = iv_run_dir_file(x->job->dir, "figures");
    bool drawn;
    const iv_status status =
        folder ? iv_plot_write(plot, folder, name, &drawn, iv_context_error(x->context))
               : iv_no_memory(x->context);
    if (status == IV_OK && !drawn) iv_experiment_say(x, iv_gnuplot_missing);
    free(folder);
    return status;
}

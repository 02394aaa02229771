/* The figure that most studies have: a metric of each row's runs against epochs. */
#include "experiment/experiment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CURVES = 12 }; /* what a legend holds */

typedef struct {
    const iv_experiment *x;
    const iv_trained_runs *all;
    const iv_points *points;
    const char *figure, *split, *row;
    const iv_metric_def *metric;
} drawing;

static bool is_shown(const drawing *d, const iv_trained_run *run) {
    return run->chosen && strcmp(run->row, d->row) == 0;
}

/* Of very many runs, evenly chosen ones. */
static iv_status draw_row(const drawing *d) {
    iv_curve curves[MOST_CURVES] = {0};
    iv_series series[MOST_CURVES] = {0};
    size_t n = 0, n_shown = 0, k = 0;
    for (size_t i = 0; i < d->all->n; i++) n_shown += is_shown(d, &d->all->runs[i]);
    const size_t stride = (n_shown + MOST_CURVES - 1) / MOST_CURVES;
    iv_status status = IV_OK;
    for (size_t i = 0; i < d->all->n && status == IV_OK; i++) {
        const iv_trained_run *run = &d->all->runs[i];
        if (!is_shown(d, run) || k++ % stride != 0) continue;
        const iv_quantity quantity = {.run = run->run->name,
                                      .split = d->split,
                                      .metric = d->metric->name,
                                      .element = SIZE_MAX};
        snprintf(curves[n].label, sizeof curves[n].label, "%s", run->column);
        status = iv_curve_fill(d->x, d->points, &quantity, &curves[n]);
        series[n] = (iv_series){
            .label = curves[n].label, .n = curves[n].n, .x = curves[n].x, .y = curves[n].means};
        n++;
    }
    if (status == IV_OK) {
        char name[IV_FIGURE_NAME];
        iv_figure_name(d->figure, d->row, name);
        const iv_plot plot = {.title = d->row,
                              .x_label = "epoch",
                              .y_label = d->metric->label,
                              .series = series,
                              .n_series = n};
        status = iv_experiment_plot(d->x, &plot, name);
    }
    for (size_t i = 0; i < n; i++) iv_curve_clear(&curves[i]);
    return status;
}

iv_status iv_experiment_draw_curves(const iv_experiment *x, const iv_trained_runs *all,
                                    const char *figure, const char *split, size_t metric) {
    if (!iv_experiment_draws(x, figure)) return IV_OK;
    iv_points *points;
    iv_status status = iv_points_read(x, &points);
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        const drawing d = {.x = x,
                           .all = all,
                           .points = points,
                           .figure = figure,
                           .split = split,
                           .row = all->runs[i].row,
                           .metric = all->study->schema->metric(metric)};
        if (iv_trained_first_of_row(all, i)) status = draw_row(&d);
    }
    iv_points_free(points);
    return status;
}

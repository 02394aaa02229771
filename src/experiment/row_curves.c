/* The figure that most studies have: a metric of each row's runs against epochs. */
#include "experiment/experiment.h"

#include <string.h>

enum { MOST_CURVES = 12 }; /* what a legend holds */

static bool is_shown(const iv_trained_run *run, const char *row) {
    return run->chosen && strcmp(run->row, row) == 0;
}

/* Of very many runs, evenly chosen ones. */
static iv_status add_row(iv_chart *chart, const iv_trained_runs *all, const char *row,
                         iv_quantity quantity) {
    size_t n_shown = 0, k = 0;
    for (size_t i = 0; i < all->n; i++) n_shown += is_shown(&all->runs[i], row);
    const size_t stride = (n_shown + MOST_CURVES - 1) / MOST_CURVES;
    iv_status status = IV_OK;
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        const iv_trained_run *run = &all->runs[i];
        if (!is_shown(run, row) || k++ % stride != 0) continue;
        quantity.run = run->run->name;
        status = iv_chart_add(chart, &quantity, "%s", run->column);
    }
    return status;
}

iv_status iv_experiment_draw_curves(const iv_experiment *x, const iv_trained_runs *all,
                                    const char *figure, const char *split, size_t metric) {
    const iv_metric_def *shown = all->study->schema->metric(metric);
    const iv_quantity quantity = {.split = split, .metric = shown->name, .element = SIZE_MAX};
    iv_chart *chart;
    if (!iv_experiment_draws(x, figure)) return IV_OK;
    iv_status status = iv_chart_open(x, &chart);
    if (status != IV_OK) return status;
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        const char *row = all->runs[i].row;
        const iv_plot plot = {.title = row, .x_label = "epoch", .y_label = shown->label};
        if (!iv_trained_first_of_row(all, i)) continue;
        status = add_row(chart, all, row, quantity);
        if (status == IV_OK) status = iv_chart_draw(chart, &plot, figure, row);
    }
    iv_chart_close(chart);
    return status;
}

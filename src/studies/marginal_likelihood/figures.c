/* Figures of the marginal-likelihood study: learned invariances against iterations, a figure a row
 * of the tables. Filter banks and contours have files of their own. */
#include "studies/marginal_likelihood/figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

iv_status ml_draw_population(iv_experiment *x, iv_model *model) {
    if (ml_setting_of(model->population)->sgpr) return IV_OK;
    const ml_model *m = (const ml_model *)model;
    const iv_status status = ml_filters_draw(x, m);
    return status == IV_OK ? ml_contours_draw(x, m) : status;
}

/* ------------------------------------------------------------------ learned invariances */

enum { MOST = 3 /* generators of a figure */ };

/* Generators that share a unit, and so a figure. */
typedef struct {
    const char *figure, *y_label;
    size_t generators[MOST];
    const char *labels[MOST];
    size_t n;
} group;

static const group groups[] = {
    {"eta", "rotation (degrees)", {ML_ROTATION}, {""}, 1},
    {"eta-translation", "translation (pixels)", {0, 1}, {" x", " y"}, 2},
    {"eta-scale", "scale (logarithm) and shear", {3, 4, 5}, {" scale x", " scale y", " shear"}, 3},
};

typedef struct {
    const iv_experiment *x;
    const iv_trained_runs *all;
    const char *row;
    const iv_points *points;
} drawing;

/* From eta to the figure's unit. Coordinates run from -1 to 1 between the corner pixels. */
static double unit_of(const iv_population *p, size_t generator) {
    const ml_setting *s = ml_setting_of(p);
    if (generator == ML_ROTATION) return ml_degrees(1);
    if (s->rings || generator > 1) return 1;
    return ((double)(generator == 0 ? s->shape.width : s->shape.height) - 1) / 2;
}

static iv_status add_curve(const drawing *d, const iv_trained_run *run, const group *g, size_t k,
                           iv_curve *curve, iv_series *series) {
    snprintf(curve->label, sizeof curve->label, "%.120s%s", run->column, g->labels[k]);
    const iv_quantity quantity = {.run = run->run->name,
                                  .split = "train",
                                  .metric = "eta",
                                  .element = g->generators[k],
                                  .by_step = true,
                                  .magnitude = true};
    const iv_status status = iv_curve_fill(d->x, d->points, &quantity, curve);
    const double unit = unit_of(run->population, g->generators[k]);
    for (size_t i = 0; i < curve->n; i++) curve->means[i] *= unit;
    *series = (iv_series){
        .label = curve->label, .n = curve->n, .x = curve->x, .y = curve->means, .dashed = k == 1};
    return status;
}

/* Every run of the row that learns one of the group's generators; no figure where there is none. */
static iv_status draw_group(const drawing *d, const group *g) {
    iv_curve *curves = calloc(d->all->n * MOST, sizeof *curves);
    iv_series *series = calloc(d->all->n * MOST, sizeof *series);
    size_t n = 0;
    iv_status status = curves && series ? IV_OK : iv_no_memory(d->x->context);
    for (size_t i = 0; i < d->all->n && status == IV_OK; i++) {
        const iv_trained_run *run = &d->all->runs[i];
        if (strcmp(run->row, d->row) != 0 || ml_setting_of(run->population)->sgpr) continue;
        const ml_own own = ml_own_of(run->population, run->members[0]);
        for (size_t k = 0; k < g->n && status == IV_OK; k++) {
            if (!(own.learned[g->generators[k]] > 0)) continue;
            status = add_curve(d, run, g, k, &curves[n], &series[n]);
            n++;
        }
    }
    if (status == IV_OK && n > 0) {
        char name[IV_FIGURE_NAME];
        iv_figure_name(g->figure, d->row, name);
        const iv_plot plot = {.title = d->row,
                              .x_label = "iteration",
                              .y_label = g->y_label,
                              .series = series,
                              .n_series = n};
        status = iv_experiment_plot(d->x, &plot, name);
    }
    for (size_t i = 0; i < n; i++) iv_curve_clear(&curves[i]);
    free(curves);
    free(series);
    return status;
}

iv_status ml_draw(const iv_experiment *x, const iv_trained_runs *all) {
    iv_points *points = NULL;
    if (!iv_experiment_draws(x, "eta")) return IV_OK;
    iv_status status = iv_points_read(x, &points);
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        const drawing d = {x, all, all->runs[i].row, points};
        for (size_t g = 0; g < sizeof groups / sizeof *groups && status == IV_OK; g++)
            if (iv_trained_first_of_row(all, i)) status = draw_group(&d, &groups[g]);
    }
    iv_points_free(points);
    return status;
}

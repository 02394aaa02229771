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

/* From eta to the figure's unit. Coordinates run from -1 to 1 between the corner pixels. */
static double unit_of(const iv_population *p, size_t generator) {
    const ml_setting *s = ml_setting_of(p);
    if (generator == ML_ROTATION) return ml_degrees(1);
    if (s->rings || generator > 1) return 1;
    return ((double)(generator == 0 ? s->images.shape.width : s->images.shape.height) - 1) / 2;
}

static iv_status add_run(iv_chart *chart, const iv_trained_run *run, const group *g) {
    const ml_own own = ml_own_of(run->population, run->members[0]);
    iv_status status = IV_OK;
    for (size_t k = 0; k < g->n && status == IV_OK; k++) {
        const size_t generator = g->generators[k];
        const iv_quantity size = {.run = run->run->name,
                                  .split = "train",
                                  .metric = "eta",
                                  .element = generator,
                                  .by_step = true,
                                  .magnitude = true,
                                  .unit = unit_of(run->population, generator),
                                  .dashed = k == 1};
        if (own.learned[generator] > 0)
            status = iv_chart_add(chart, &size, "%.120s%s", run->column, g->labels[k]);
    }
    return status;
}

/* Every run of the row that learns one of the group's generators; no figure where there is none. */
static iv_status draw_group(iv_chart *chart, const iv_trained_runs *all, const char *row,
                            const group *g) {
    const iv_plot plot = {.title = row, .x_label = "iteration", .y_label = g->y_label};
    iv_status status = IV_OK;
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        const iv_trained_run *run = &all->runs[i];
        if (strcmp(run->row, row) == 0 && !ml_setting_of(run->population)->sgpr)
            status = add_run(chart, run, g);
    }
    return status == IV_OK ? iv_chart_draw(chart, &plot, g->figure, row) : status;
}

iv_status ml_draw(const iv_experiment *x, const iv_trained_runs *all) {
    iv_chart *chart;
    if (!iv_experiment_draws(x, "eta")) return IV_OK;
    iv_status status = iv_chart_open(x, &chart);
    if (status != IV_OK) return status;
    for (size_t i = 0; i < all->n; i++)
        for (size_t g = 0; g < sizeof groups / sizeof *groups && status == IV_OK; g++)
            if (iv_trained_first_of_row(all, i))
                status = draw_group(chart, all, all->runs[i].row, &groups[g]);
    iv_chart_close(chart);
    return status;
}

/* Figures of the marginal-likelihood study: learned invariances against iterations, a figure a row
 * of the tables. Filter banks and contours have files of their own. */
#include "studies/marginal_likelihood/figures.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ml_figure_name(const char *figure, const char *what, char name[ML_FIGURE_NAME]) {
    size_t n = (size_t)snprintf(name, ML_FIGURE_NAME, "%s-", figure);
    for (; *what && n + 1 < ML_FIGURE_NAME; what++)
        name[n++] = isalnum((unsigned char)*what) || *what == '.' ? *what : '-';
    name[n] = '\0';
}

bool ml_figure_wanted(const iv_study_job *job, const char *figure) {
    return iv_spec_lists(iv_spec_root(job->spec), "figures.names", figure);
}

bool ml_is_first_seed(const iv_study_job *job, const ml_member *member) {
    const iv_node *first = iv_spec_element(iv_spec_root(job->spec), "seeds", 0);
    return member->seed == (uint32_t)iv_spec_integer(first, "");
}

iv_status ml_figures_of_population(ml_study *study, const ml_population *population,
                                   const ml_model *model) {
    const iv_status status = ml_filters_draw(study, population, model);
    return status == IV_OK ? ml_contours_draw(study, population, model) : status;
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
    const iv_study_job *job;
    const ml_table *table;
    const char *row;
    const study_points *points;
} drawing;

/* From eta to the figure's unit. Coordinates run from -1 to 1 between the corner pixels. */
static double unit_of(const ml_population *p, size_t generator) {
    if (generator == ML_ROTATION) return ml_degrees(1);
    if (p->rings || generator > 1) return 1;
    return ((double)(generator == 0 ? p->shape.width : p->shape.height) - 1) / 2;
}

static iv_status add_curve(const drawing *d, const ml_run *run, const group *g, size_t k,
                           study_curve *curve, iv_series *series) {
    snprintf(curve->label, sizeof curve->label, "%.120s%s", run->column, g->labels[k]);
    const study_quantity quantity = {.run = run->run->name,
                                     .split = "train",
                                     .metric = "eta",
                                     .element = g->generators[k],
                                     .by_step = true,
                                     .magnitude = true};
    const iv_status status = study_curve_fill(d->job, d->points, &quantity, curve);
    const double unit = unit_of(run->population, g->generators[k]);
    for (size_t i = 0; i < curve->n; i++) curve->means[i] *= unit;
    *series = (iv_series){
        .label = curve->label, .n = curve->n, .x = curve->x, .y = curve->means, .dashed = k == 1};
    return status;
}

/* Every run of the row that learns one of the group's generators; no figure where there is none. */
static iv_status draw_group(const drawing *d, const group *g) {
    study_curve *curves = calloc(d->table->n_runs * MOST, sizeof *curves);
    iv_series *series = calloc(d->table->n_runs * MOST, sizeof *series);
    size_t n = 0;
    iv_status status = curves && series ? IV_OK : study_out_of_memory(d->job->context);
    for (size_t i = 0; i < d->table->n_runs && status == IV_OK; i++) {
        const ml_run *run = &d->table->runs[i];
        if (strcmp(run->row, d->row) != 0 || run->population->sgpr) continue;
        for (size_t k = 0; k < g->n && status == IV_OK; k++) {
            if (!(run->members[0]->learned[g->generators[k]] > 0)) continue;
            status = add_curve(d, run, g, k, &curves[n], &series[n]);
            n++;
        }
    }
    if (status == IV_OK && n > 0) {
        char name[ML_FIGURE_NAME];
        ml_figure_name(g->figure, d->row, name);
        const iv_plot plot = {.title = d->row,
                              .x_label = "iteration",
                              .y_label = g->y_label,
                              .series = series,
                              .n_series = n};
        status = study_plot(d->job, &plot, name);
    }
    for (size_t i = 0; i < n; i++) study_curve_clear(&curves[i]);
    free(curves);
    free(series);
    return status;
}

iv_status ml_figures_draw(const iv_study_job *job, const ml_table *table) {
    study_points *points = NULL;
    if (!ml_figure_wanted(job, "eta")) return IV_OK;
    iv_status status = study_points_read(job, &points);
    for (size_t i = 0; i < table->n_runs && status == IV_OK; i++) {
        const drawing d = {job, table, table->runs[i].row, points};
        bool first = true;
        for (size_t k = 0; k < i; k++) first &= strcmp(table->runs[k].row, d.row) != 0;
        for (size_t g = 0; g < sizeof groups / sizeof *groups && first && status == IV_OK; g++)
            status = draw_group(&d, &groups[g]);
    }
    study_points_free(points);
    return status;
}

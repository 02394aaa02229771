/* Figures of the autoencoder study, for each row of its tables: final errors against depth, and
 * errors against epochs. Of the learning rates tried, the chosen one is drawn. */
#include "studies/autoencoder/autoencoder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_METRICS = 4, LABEL = 160, MAX_CURVES = 12 /* what a legend holds */ };

typedef struct {
    const iv_experiment *x;
    const iv_trained_runs *all;
    const char *row;
} drawing;

static const ae_setting *setting_of(const iv_trained_run *run) {
    return ae_setting_of(run->population);
}

/* A column without its depth: what one line of the depth figure shows. */
static void line_name(const iv_trained_run *run, char name[LABEL]) {
    char depth[32];
    snprintf(name, LABEL, "%s", run->column);
    snprintf(depth, sizeof depth, "-depth%zu", setting_of(run)->depth);
    const size_t length = strlen(depth);
    for (char *at = strstr(name, depth); at; at = strstr(at + 1, depth)) {
        if (at[length] != '-' && at[length] != '\0') continue;
        memmove(at, at + length, strlen(at + length) + 1);
        return;
    }
}

/* Where one thing is drawn, every part of its error; where several are compared, what is trained.
 */
static size_t metrics_to_draw(const iv_trained_run *run, bool alone,
                              ae_metric metrics[MAX_METRICS]) {
    static const ae_metric parts[] = {AE_RECONSTRUCTION, AE_MODULUS,    AE_PHASE,    AE_SINE,
                                      AE_COSINE,         AE_INVARIANCE, AE_DISTANCE, AE_LOSS};
    static const ae_metric whole[] = {AE_RECONSTRUCTION, AE_CODE, AE_INVARIANCE, AE_LOSS};
    size_t n = 0;
    for (const ae_metric *m = alone ? parts : whole; *m != AE_LOSS && n < MAX_METRICS; m++)
        if (ae_has(setting_of(run), *m)) metrics[n++] = *m;
    return n;
}

/* ------------------------------------------------------------------ against depth */

typedef struct {
    char name[LABEL], label[2 * LABEL];
    ae_metric metric;
    double *depths, *means, *low, *high; /* [n] */
    size_t n;
} depth_line;

static void put_point(const drawing *d, depth_line *line, const iv_trained_run *run) {
    const double depth = (double)setting_of(run)->depth;
    double low = INFINITY, high = -INFINITY;
    for (size_t k = 0; k < run->n_seeds; k++) {
        const double value = iv_trained_value(d->all, run, k, AE_ON_TEST, line->metric);
        if (!(value >= low)) low = value;
        if (!(value <= high)) high = value;
    }
    size_t i = line->n++; /* in order of depth */
    for (; i > 0 && line->depths[i - 1] > depth; i--) {
        line->depths[i] = line->depths[i - 1];
        line->means[i] = line->means[i - 1];
        line->low[i] = line->low[i - 1];
        line->high[i] = line->high[i - 1];
    }
    line->depths[i] = depth;
    line->means[i] = iv_trained_mean(d->all, run, AE_ON_TEST, line->metric);
    line->low[i] = low;
    line->high[i] = high;
}

static bool open_line(depth_line *line, const char *name, ae_metric metric, bool alone, size_t n) {
    snprintf(line->name, sizeof line->name, "%s", name);
    snprintf(line->label, sizeof line->label, "%s%s%s", alone ? "" : name, alone ? "" : " ",
             ae_metric_def(metric)->name);
    line->metric = metric;
    line->depths = calloc(n, sizeof *line->depths);
    line->means = calloc(n, sizeof *line->means);
    line->low = calloc(n, sizeof *line->low);
    line->high = calloc(n, sizeof *line->high);
    return line->depths && line->means && line->low && line->high;
}

static void free_lines(depth_line *lines, size_t n) {
    for (size_t i = 0; i < n && lines; i++) {
        free(lines[i].depths);
        free(lines[i].means);
        free(lines[i].low);
        free(lines[i].high);
    }
    free(lines);
}

static bool shown(const drawing *d, const iv_trained_run *run) {
    return run->chosen && strcmp(run->row, d->row) == 0;
}

/* Whether all that is shown of the row is one line's. */
static bool one_line(const drawing *d) {
    char first[LABEL] = "", name[LABEL];
    bool any = false;
    for (size_t i = 0; i < d->all->n; i++) {
        if (!shown(d, &d->all->runs[i])) continue;
        line_name(&d->all->runs[i], any ? name : first);
        if (any && strcmp(name, first) != 0) return false;
        any = true;
    }
    return true;
}

static iv_status fill_lines(const drawing *d, depth_line *lines, size_t *n_lines) {
    const bool alone = one_line(d);
    for (size_t i = 0; i < d->all->n; i++) {
        const iv_trained_run *run = &d->all->runs[i];
        if (!shown(d, run)) continue;
        char name[LABEL];
        ae_metric metrics[MAX_METRICS];
        const size_t n_metrics = metrics_to_draw(run, alone, metrics);
        line_name(run, name);
        for (size_t k = 0; k < n_metrics; k++) {
            size_t l = 0;
            while (l < *n_lines &&
                   (lines[l].metric != metrics[k] || strcmp(lines[l].name, name) != 0))
                l++;
            if (l == *n_lines) {
                ++*n_lines;
                if (!open_line(&lines[l], name, metrics[k], alone, d->all->n))
                    return iv_no_memory(d->x->context);
            }
            put_point(d, &lines[l], run);
        }
    }
    return IV_OK;
}

static iv_status draw_depth(const drawing *d) {
    const size_t most = d->all->n * MAX_METRICS;
    depth_line *lines = calloc(most, sizeof *lines);
    iv_series *series = calloc(most, sizeof *series);
    size_t n = 0;
    iv_status status = lines && series ? fill_lines(d, lines, &n) : iv_no_memory(d->x->context);
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        const bool band = d->all->runs[0].n_seeds > 1;
        series[i] = (iv_series){.label = lines[i].label,
                                .n = lines[i].n,
                                .x = lines[i].depths,
                                .y = lines[i].means,
                                .low = band ? lines[i].low : NULL,
                                .high = band ? lines[i].high : NULL,
                                .style = IV_SERIES_LINE_AND_POINTS,
                                .dashed = lines[i].metric == AE_RECONSTRUCTION};
    }
    if (status == IV_OK) {
        char name[IV_FIGURE_NAME];
        iv_figure_name("depth", d->row, name);
        const iv_plot plot = {.title = d->row,
                              .x_label = "hidden layers",
                              .y_label = "error on the test set",
                              .log_y = true,
                              .series = series,
                              .n_series = n};
        status = iv_experiment_plot(d->x, &plot, name);
    }
    free_lines(lines, n);
    free(series);
    return status;
}

/* ------------------------------------------------------------------ against epochs */

/* A single column with every part of its error. Of several, the error of the code, or of the
 * reconstruction where there is no other; of very many columns, evenly chosen ones. Labels leave
 * out what all curves share. */
static iv_status draw_training(const drawing *d, iv_chart *chart) {
    size_t n_columns = 0, column = 0;
    for (size_t i = 0; i < d->all->n; i++) n_columns += shown(d, &d->all->runs[i]);
    const size_t stride = (n_columns + MAX_CURVES - 1) / MAX_CURVES;
    const bool alone = n_columns == 1;
    iv_status status = IV_OK;
    for (size_t i = 0; i < d->all->n; i++) {
        const iv_trained_run *run = &d->all->runs[i];
        ae_metric metrics[MAX_METRICS];
        if (!shown(d, run) || column++ % stride != 0) continue;
        const size_t n_metrics = metrics_to_draw(run, alone, metrics);
        for (size_t k = alone ? 0 : n_metrics - 1; k < n_metrics && status == IV_OK; k++) {
            const char *name = ae_metric_def(metrics[k])->name;
            const iv_quantity error = {.run = run->run->name,
                                       .split = "test",
                                       .metric = name,
                                       .element = SIZE_MAX,
                                       .dashed = alone && metrics[k] == AE_RECONSTRUCTION};
            status = iv_chart_add(chart, &error, "%s", alone ? name : run->column);
        }
    }
    const iv_plot plot = {.title = d->row,
                          .x_label = "epoch",
                          .y_label =
                              alone ? "error on the test set" : "error of the code on the test set",
                          .log_y = true};
    return status == IV_OK ? iv_chart_draw(chart, &plot, "training", d->row) : status;
}

iv_status ae_draw(const iv_experiment *x, const iv_trained_runs *all) {
    const bool depth = iv_experiment_draws(x, "depth"),
               training = iv_experiment_draws(x, "training");
    iv_chart *chart = NULL;
    iv_status status = training ? iv_chart_open(x, &chart) : IV_OK;
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        const drawing d = {x, all, all->runs[i].row};
        if (!iv_trained_first_of_row(all, i)) continue;
        if (depth) status = draw_depth(&d);
        if (status == IV_OK && training) status = draw_training(&d, chart);
    }
    iv_chart_close(chart);
    return status;
}

/* Curves as a table, JSON, CSV and figures. */
#include "audit/audit.h"

#include "runtime/numeric.h"

#include <invar/report.h>

#include <stdlib.h>
#include <string.h>

/* What a point has, by name; `label` of axes, where it is drawn. */
typedef struct {
    const char *name, *label;
    size_t moved, undone; /* where it stands in a point; undone 0: there is none */
} column;

#define OFFSET(part, number) (offsetof(iv_curve_point, part) + offsetof(iv_curve_numbers, number))
static const column columns[] = {
    {"accuracy", "accuracy", OFFSET(moved, accuracy), OFFSET(undone, accuracy)},
    {"li", "LI", OFFSET(moved, li), OFFSET(undone, li)},
    {"di", "DI", OFFSET(moved, di), OFFSET(undone, di)},
    {"si", "SI", OFFSET(moved, si), OFFSET(undone, si)},
};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

const char *audit_curve_number(size_t i) {
    return i < N_COLUMNS ? columns[i].name : NULL;
}

static double number_at(const iv_curve_point *point, size_t offset) {
    double value;
    memcpy(&value, (const char *)point + offset, sizeof value);
    return value;
}

/* ------------------------------------------------------------------ JSON and CSV */

static void add_list(iv_text *text, const char *prefix, const char *name,
                     const iv_curve_point *points, size_t n, size_t offset) {
    iv_text_format(text, "\"%s%s\": [", prefix, name);
    for (size_t k = 0; k < n; k++) {
        if (k > 0) iv_text_add(text, ", ");
        iv_text_double(text, number_at(&points[k], offset), "null");
    }
    iv_text_add(text, "]");
}

void audit_add_curves(iv_text *text, const iv_audit *audit, size_t model) {
    iv_text_add(text, "{");
    for (size_t i = 0; i < audit->n_curves; i++) {
        const iv_curve *curve = &audit->curves[i];
        const iv_curve_point *points = curve->points + model * curve->n_points;
        iv_text_format(text, "%s\n       \"%s\": {", i ? "," : "", iv_curve_get(curve->kind)->name);
        add_list(text, "", "at", points, curve->n_points, offsetof(iv_curve_point, at));
        for (size_t c = 0; c < N_COLUMNS; c++) {
            iv_text_add(text, ",\n         ");
            add_list(text, "", columns[c].name, points, curve->n_points, columns[c].moved);
            iv_text_add(text, ",\n         ");
            add_list(text, "undone_", columns[c].name, points, curve->n_points, columns[c].undone);
        }
        iv_text_add(text, ",\n         ");
        add_list(text, "", "error", points, curve->n_points, offsetof(iv_curve_point, error));
        iv_text_add(text, "}");
    }
    iv_text_add(text, "}");
}

static void add_csv(iv_text *text, const iv_audit *audit, const iv_curve *curve) {
    iv_text_add(text, "model,at");
    for (size_t c = 0; c < N_COLUMNS; c++)
        iv_text_format(text, ",%s,undone_%s", columns[c].name, columns[c].name);
    iv_text_add(text, ",error\n");
    for (size_t i = 0; i < audit->n_models; i++)
        for (size_t k = 0; k < curve->n_points; k++) {
            const iv_curve_point *point = &curve->points[i * curve->n_points + k];
            iv_text_csv(text, audit->models[i].name);
            iv_text_add(text, ",");
            iv_text_double(text, point->at, "");
            for (size_t c = 0; c < N_COLUMNS; c++) {
                iv_text_add(text, ",");
                iv_text_double(text, number_at(point, columns[c].moved), "");
                iv_text_add(text, ",");
                iv_text_double(text, number_at(point, columns[c].undone), "");
            }
            iv_text_add(text, ",");
            iv_text_double(text, point->error, "");
            iv_text_add(text, "\n");
        }
}

/* ------------------------------------------------------------------ figures */

/* Of one number: every network, and beside it, dashed, what resampling does to it. */
static iv_status draw(const iv_audit *audit, const iv_curve *curve, const column *number,
                      const char *figures, bool *drawn, iv_error *error) {
    const size_t n = curve->n_points, n_series = 2 * audit->n_models;
    iv_series *series = calloc(n_series, sizeof *series);
    double *values = malloc((n_series + 1) * n * sizeof *values);
    char(*labels)[160] = calloc(n_series, sizeof *labels), name[64];
    iv_status status = series && values && labels
                           ? IV_OK
                           : iv_fail(error, IV_ENOMEM, "out of memory for a figure");
    for (size_t k = 0; k < n && status == IV_OK; k++)
        values[n_series * n + k] = curve->points[k].at;
    for (size_t s = 0; s < n_series && status == IV_OK; s++) {
        const bool undone = s % 2;
        double *y = values + s * n;
        for (size_t k = 0; k < n; k++)
            y[k] =
                number_at(&curve->points[s / 2 * n + k], undone ? number->undone : number->moved);
        snprintf(labels[s], sizeof *labels, "%.120s%s", audit->models[s / 2].name,
                 undone ? ", done and undone" : "");
        series[s] = (iv_series){.label = labels[s],
                                .n = n,
                                .x = values + n_series * n,
                                .y = y,
                                .style = IV_SERIES_LINE,
                                .dashed = undone};
    }
    if (status == IV_OK) {
        const iv_plot plot = {.x_label = iv_curve_get(curve->kind)->label,
                              .y_label = number->label,
                              .log_x = curve->kind == IV_CURVE_SCALE,
                              .series = series,
                              .n_series = n_series};
        snprintf(name, sizeof name, "%s-%s", iv_curve_get(curve->kind)->name, number->name);
        status = iv_plot_write(&plot, figures, name, drawn, error);
    }
    free(series);
    free(values);
    free(labels);
    return status;
}

iv_status audit_write_curves(const iv_audit *audit, const char *directory, bool *drawn,
                             iv_error *error) {
    char *figures = NULL;
    iv_status status = audit_path(directory, "figures", SIZE_MAX, &figures, error);
    if (status == IV_OK && audit->n_curves > 0) status = iv_make_directories(figures, error);
    for (size_t i = 0; i < audit->n_curves && status == IV_OK; i++) {
        const iv_curve *curve = &audit->curves[i];
        const iv_numeric numeric = iv_numeric_begin();
        iv_text text = {0};
        char *csv = NULL, name[32];
        add_csv(&text, audit, curve);
        snprintf(name, sizeof name, "%s.csv", iv_curve_get(curve->kind)->name);
        status = iv_text_take(&text, &csv, error);
        if (status == IV_OK) status = audit_write_text(directory, name, csv, error);
        for (size_t c = 0; c < N_COLUMNS && status == IV_OK; c++)
            status = draw(audit, curve, &columns[c], figures, drawn, error);
        free(csv);
        iv_numeric_end(numeric);
    }
    free(figures);
    return status;
}

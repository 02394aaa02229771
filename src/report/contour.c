/* Functions on a grid, drawn as colours and contours: the numbers as CSV, the look as a script. */
#include "report/plot.h"

#include <invar/report.h>

#include <math.h>

static double at(double first, double last, size_t i, size_t n) {
    return first + (last - first) * (double)i / (double)(n - 1);
}

/* A blank line after each row: gnuplot finds contours only where it sees the grid. */
static void add_grid(iv_text *text, const iv_contour *contour) {
    iv_text_add(text, "x,y,value\n");
    for (size_t r = 0; r < contour->rows; r++) {
        for (size_t c = 0; c < contour->columns; c++) {
            iv_text_double(text, at(contour->left, contour->right, c, contour->columns), "nan");
            iv_text_add(text, ",");
            iv_text_double(text, at(contour->bottom, contour->top, r, contour->rows), "nan");
            iv_text_add(text, ",");
            iv_text_double(text, contour->values[r * contour->columns + c], "nan");
            iv_text_add(text, "\n");
        }
        if (r + 1 < contour->rows) iv_text_add(text, "\n");
    }
}

static void add_points(iv_text *text, const iv_contour *contour) {
    iv_text_add(text, "x,y,label\n");
    for (size_t s = 0; s < contour->n_points; s++) {
        const iv_series *points = &contour->points[s];
        for (size_t i = 0; i < points->n; i++) {
            iv_text_double(text, points->x[i], "nan");
            iv_text_add(text, ",");
            iv_text_double(text, points->y[i], "nan");
            iv_text_add(text, ",");
            iv_text_csv(text, points->label ? points->label : "");
            iv_text_add(text, "\n");
        }
    }
}

static bool is_finite_somewhere(const iv_contour *contour) {
    for (size_t i = 0; i < contour->rows * contour->columns; i++)
        if (isfinite(contour->values[i])) return true;
    return false;
}

/* Rows of the points' file, counted from 0 after its header, that belong to a series. */
static void add_points_command(iv_text *text, const iv_contour *contour, size_t s, size_t first) {
    static const int symbols[] = {2, 6, 8, 4}; /* cross, circle, triangle, square */
    const iv_series *points = &contour->points[s];
    if (points->n == 0) return;
    iv_text_format(text,
                   ", \\\n     points skip 1 every ::%zu::%zu using 1:2 with points pointtype %d "
                   "pointsize 0.7 linewidth 1 linecolor '#000000'",
                   first, first + points->n - 1, symbols[s % 4]);
    if (points->label && *points->label) {
        iv_text_add(text, " title ");
        iv_text_gnuplot(text, points->label);
    } else {
        iv_text_add(text, " notitle");
    }
}

static void add_plot_command(iv_text *text, const iv_contour *contour) {
    iv_text_add(text, "plot data skip 1 using 1:2:3 with image notitle");
    if (contour->n_levels && is_finite_somewhere(contour))
        iv_text_add(text, ", \\\n     $lines using (coordinate(1)):(coordinate(2)) with lines "
                          "linecolor '#444444' linewidth 1 notitle");
    size_t first = 0;
    for (size_t s = 0; s < contour->n_points; s++) {
        add_points_command(text, contour, s, first);
        first += contour->points[s].n;
    }
    iv_text_add(text, "\n");
}

static void add_levels(iv_text *text, const iv_contour *contour) {
    if (!contour->n_levels || !is_finite_somewhere(contour)) return;
    iv_text_add(text, "set contour base\nset cntrparam levels discrete ");
    for (size_t i = 0; i < contour->n_levels; i++) {
        if (i) iv_text_add(text, ", ");
        iv_text_double(text, contour->levels[i], "0");
    }
    /* gnuplot writes contours between blanks whatever it is told, and reads them as one column. */
    iv_text_add(text, "\nunset surface\nset table $lines\n"
                      "splot data skip 1 using 1:2:3\n"
                      "unset table\nunset contour\nset surface\n"
                      "coordinate(i) = real(word(strcol(1), i))\n\n");
}

static void add_range(iv_text *text, const char *axis, double low, double high) {
    iv_text_format(text, "set %s [", axis);
    iv_text_double(text, low, "*");
    iv_text_add(text, ":");
    iv_text_double(text, high, "*");
    iv_text_add(text, "]\n");
}

static void add_script(iv_text *text, const iv_contour *contour, const char *name) {
    iv_plot_begin_script(text, name);
    iv_text_format(text, "points = '%s-points.csv'\n\n", name);
    add_levels(text, contour);
    iv_plot_add_setting(text, "title", contour->title);
    iv_plot_add_setting(text, "xlabel", contour->x_label);
    iv_plot_add_setting(text, "ylabel", contour->y_label);
    iv_text_add(text, "set title noenhanced\nset xlabel noenhanced\nset ylabel noenhanced\n"
                      "set bmargin 6\n"
                      "set key at screen 0.5, screen 0.02 center bottom horizontal noenhanced\n"
                      "set size ratio -1\nset border linecolor '#444444'\n"
                      "set tics nomirror out scale 0.6 textcolor '#222222'\n"
                      "set palette defined (0 '#67a9cf', 0.5 '#f7f7f7', 1 '#ef8a62')\n");
    const double half_x = (contour->right - contour->left) / (double)(contour->columns - 1) / 2;
    const double half_y = (contour->top - contour->bottom) / (double)(contour->rows - 1) / 2;
    add_range(text, "xrange", contour->left - half_x, contour->right + half_x);
    add_range(text, "yrange", contour->bottom - half_y, contour->top + half_y);
    add_range(text, "cbrange", contour->low, contour->high);
    iv_plot_begin_picture(text, name);
    add_plot_command(text, contour);
    iv_plot_end_script(text, name);
}

iv_status iv_contour_write(const iv_contour *contour, const char *dir, const char *name,
                           bool *drawn, iv_error *error) {
    if (drawn) *drawn = false;
    iv_status status = iv_plot_check_name(name, error);
    if (status != IV_OK) return status;
    if (contour->rows < 2 || contour->columns < 2 || !(contour->left < contour->right) ||
        !(contour->bottom < contour->top) || !(contour->low < contour->high))
        return iv_fail(error, IV_EINVAL,
                       "figure %s: a grid of %zu x %zu from %g, %g to %g, %g, colours from %g to "
                       "%g, expected at least 2 x 2 points and an extent",
                       name, contour->columns, contour->rows, contour->left, contour->bottom,
                       contour->right, contour->top, contour->low, contour->high);

    iv_text grid = {0}, points = {0}, script = {0};
    add_grid(&grid, contour);
    status = iv_plot_write_beside(dir, name, ".csv", &grid, error);
    if (status != IV_OK) return status;
    add_points(&points, contour);
    status = iv_plot_write_beside(dir, name, "-points.csv", &points, error);
    if (status != IV_OK) return status;
    add_script(&script, contour, name);
    bool found = false;
    status = iv_figure_draw(dir, name, &script, &found, error);
    if (drawn) *drawn = status == IV_OK && found;
    return status;
}

/* Line plots: the numbers as CSV, the look as a gnuplot script beside it. */
#include "report/plot.h"

#include "report/file.h"
#include "runtime/text_builder.h"

#include <invar/report.h>

#include <math.h>

const char *const iv_gnuplot_missing = "figures were not drawn because gnuplot is not installed; "
                                       "their scripts and data are in figures/";

/* Okabe and Ito's colours: told apart with any colour vision. Beyond seven series the dashes
 * differ. */
static const char *const colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                      "#E69F00", "#56B4E9", "#000000"};
enum { N_COLOURS = sizeof colours / sizeof *colours };

static bool all_share_x(const iv_plot *plot) {
    const iv_series *first = &plot->series[0];
    for (size_t s = 1; s < plot->n_series; s++) {
        const iv_series *series = &plot->series[s];
        if (series->n != first->n) return false;
        for (size_t i = 0; i < first->n; i++) {
            if (series->x[i] != first->x[i]) return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------ CSV */

/* A header field such as "WT low". */
static void add_header(iv_text *text, const char *label, const char *suffix) {
    iv_text name = {0};
    iv_text_format(&name, "%s%s%s", label ? label : "", label && *label ? " " : "", suffix);
    if (name.length && name.data[name.length - 1] == ' ') name.data[--name.length] = '\0';
    if (name.failed)
        text->failed = true;
    else
        iv_text_csv(text, name.data);
    iv_text_free(&name);
}

static void add_value(iv_text *text, const double *values, size_t i, size_t n) {
    /* gnuplot leaves a gap at "nan", but joins the neighbours of an empty field. */
    if (i < n) iv_text_double(text, values[i], "nan");
}

static void add_csv(iv_text *text, const iv_plot *plot, bool shared_x) {
    size_t n_lines = 0;
    for (size_t s = 0; s < plot->n_series; s++) {
        const iv_series *series = &plot->series[s];
        if (series->n > n_lines) n_lines = series->n;
        if (s) iv_text_add(text, ",");
        if (!shared_x || s == 0) {
            add_header(text, shared_x ? NULL : series->label, "x");
            iv_text_add(text, ",");
        }
        add_header(text, series->label, series->label && *series->label ? "" : "y");
        if (series->low) {
            iv_text_add(text, ",");
            add_header(text, series->label, "low");
            iv_text_add(text, ",");
            add_header(text, series->label, "high");
        }
    }
    iv_text_add(text, "\n");

    for (size_t i = 0; i < n_lines; i++) {
        for (size_t s = 0; s < plot->n_series; s++) {
            const iv_series *series = &plot->series[s];
            if (s) iv_text_add(text, ",");
            if (!shared_x || s == 0) {
                add_value(text, series->x, i, series->n);
                iv_text_add(text, ",");
            }
            add_value(text, series->y, i, series->n);
            if (series->low) {
                iv_text_add(text, ",");
                add_value(text, series->low, i, series->n);
                iv_text_add(text, ",");
                add_value(text, series->high, i, series->n);
            }
        }
        iv_text_add(text, "\n");
    }
}

/* ------------------------------------------------------------------ script */

void iv_plot_begin_script(iv_text *text, const char *name) {
    iv_text_format(text,
                   "# Reads %s.csv, makes %s.svg and %s.png. Run in this folder: gnuplot %s.gp\n"
                   "set encoding utf8\n"
                   "set datafile separator comma\n"
                   "data = '%s.csv'\n\n",
                   name, name, name, name, name);
}

void iv_plot_begin_picture(iv_text *text, const char *name) {
    iv_text_format(text,
                   "\nset terminal svg size 760,440 dynamic font 'Arial,13' background '#ffffff'\n"
                   "set output '%s.svg'\n",
                   name);
}

void iv_plot_end_script(iv_text *text, const char *name) {
    iv_text_format(text,
                   "\nset output\n"
                   "if (strstrt(GPVAL_TERMINALS, 'pngcairo')) {\n"
                   "    set terminal pngcairo size 1140,660 fontscale 1.5 linewidth 1.5 "
                   "background '#ffffff'\n"
                   "} else {\n"
                   "    set terminal png size 1140,660\n"
                   "}\n"
                   "set output '%s.png'\n"
                   "replot\n"
                   "set output\n",
                   name);
}

void iv_plot_add_setting(iv_text *text, const char *setting, const char *value) {
    if (!value || !*value) return;
    iv_text_format(text, "set %s ", setting);
    iv_text_gnuplot(text, value);
    iv_text_add(text, "\n");
}

/* Where a series lies in the CSV, counted from 1; its band follows y. */
typedef struct {
    size_t x, y;
} columns;

static columns find_columns(const iv_plot *plot, size_t index, bool shared_x) {
    columns at = {1, 1};
    for (size_t s = 0; s <= index; s++) {
        if (!shared_x || s == 0) at.x = at.y++;
        if (s < index) at.y += plot->series[s].low ? 3 : 1;
    }
    return at;
}

static void add_band(iv_text *text, const iv_plot *plot, size_t s, bool shared_x) {
    columns at = find_columns(plot, s, shared_x);
    iv_text_format(text, "data skip 1 using %zu:%zu:%zu with filledcurves linecolor '%s' notitle",
                   at.x, at.y + 1, at.y + 2, colours[s % N_COLOURS]);
}

static void add_curve(iv_text *text, const iv_plot *plot, size_t s, bool shared_x) {
    static const char *const style[] = {"lines", "points", "linespoints"};
    const iv_series *series = &plot->series[s];
    columns at = find_columns(plot, s, shared_x);
    size_t dash = series->dashed ? 2 : s / N_COLOURS % 5 + 1;

    iv_text_format(text, "data skip 1 using %zu:%zu with %s linestyle %zu", at.x, at.y,
                   style[series->style], s + 1);
    if (series->style != IV_SERIES_POINTS) iv_text_format(text, " dashtype %zu", dash);
    if (series->label && *series->label) {
        iv_text_add(text, " title ");
        iv_text_gnuplot(text, series->label);
    } else {
        iv_text_add(text, " notitle");
    }
}

static bool shows_something(const iv_plot *plot) {
    for (size_t s = 0; s < plot->n_series; s++) {
        for (size_t i = 0; i < plot->series[s].n; i++) {
            double x = plot->series[s].x[i], y = plot->series[s].y[i];
            if (isfinite(x) && isfinite(y) && (x > 0 || !plot->log_x) && (y > 0 || !plot->log_y)) {
                return true;
            }
        }
    }
    return false;
}

static void add_plot_command(iv_text *text, const iv_plot *plot, bool shared_x) {
    const char *separator = "plot ";
    if (!shows_something(plot)) {
        /* gnuplot refuses a plot without points; a run that diverged still gets its figure. */
        iv_text_add(text, "set label 'no finite values' at graph 0.5, graph 0.5 center\n"
                          "set xrange [0.1:1]\nset yrange [0.1:1]\nplot NaN notitle\n");
        return;
    }
    /* Bands first, so that no band hides a curve. */
    for (size_t s = 0; s < plot->n_series; s++) {
        if (!plot->series[s].low) continue;
        iv_text_add(text, separator);
        add_band(text, plot, s, shared_x);
        separator = ", \\\n     ";
    }
    for (size_t s = 0; s < plot->n_series; s++) {
        iv_text_add(text, separator);
        add_curve(text, plot, s, shared_x);
        separator = ", \\\n     ";
    }
    iv_text_add(text, "\n");
}

static void add_script(iv_text *text, const iv_plot *plot, const char *name, bool shared_x) {
    iv_plot_begin_script(text, name);
    iv_plot_add_setting(text, "title", plot->title);
    iv_plot_add_setting(text, "xlabel", plot->x_label);
    iv_plot_add_setting(text, "ylabel", plot->y_label);
    if (plot->log_x) iv_text_add(text, "set logscale x\n");
    if (plot->log_y) iv_text_add(text, "set logscale y\n");
    iv_text_add(text, "set title noenhanced\n"
                      "set xlabel noenhanced\n"
                      "set ylabel noenhanced\n"
                      "set format '%g'\n"
                      "set key outside right top noenhanced samplen 2 spacing 1.2\n"
                      "set border 3 linecolor '#444444'\n"
                      "set tics nomirror out scale 0.6 textcolor '#222222'\n"
                      "set grid linetype 1 linecolor '#DDDDDD' linewidth 0.7\n"
                      "set style fill transparent solid 0.18 noborder\n");
    for (size_t s = 0; s < plot->n_series; s++) {
        iv_text_format(text,
                       "set style line %zu linecolor '%s' linewidth 2 pointtype 7 pointsize 0.6\n",
                       s + 1, colours[s % N_COLOURS]);
    }
    iv_plot_begin_picture(text, name);
    add_plot_command(text, plot, shared_x);
    iv_plot_end_script(text, name);
}

/* ------------------------------------------------------------------ files */

static bool is_plain_name(const char *name) {
    if (!*name || *name == '.') return false;
    for (const char *s = name; *s; s++) {
        bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
                     (*s >= '0' && *s <= '9') || *s == '_' || *s == '-' || *s == '.';
        if (!plain) return false;
    }
    return true;
}

iv_status iv_plot_check_name(const char *name, iv_error *error) {
    if (is_plain_name(name)) return IV_OK;
    return iv_fail(error, IV_EINVAL,
                   "figure name \"%s\": expected letters, digits, dot, dash and underscore", name);
}

iv_status iv_plot_write_beside(const char *dir, const char *name, const char *ending, iv_text *text,
                               iv_error *error) {
    iv_text path = {0};
    iv_text_format(&path, "%s/%s%s", dir, name, ending);
    iv_status status = path.failed
                           ? iv_fail(error, IV_ENOMEM, "out of memory while writing %s", name)
                           : iv_file_write_text(path.data, text, error);
    iv_text_free(text);
    iv_text_free(&path);
    return status;
}

iv_status iv_plot_write(const iv_plot *plot, const char *dir, const char *name, bool *drawn,
                        iv_error *error) {
    if (drawn) *drawn = false;
    iv_status status = iv_plot_check_name(name, error);
    if (status != IV_OK) return status;
    if (plot->n_series == 0) {
        return iv_fail(error, IV_EINVAL, "figure %s has no series", name);
    }
    for (size_t s = 0; s < plot->n_series; s++) {
        if (!plot->series[s].low != !plot->series[s].high) {
            return iv_fail(error, IV_EINVAL, "figure %s: a band needs both low and high", name);
        }
    }

    bool shared_x = all_share_x(plot);
    iv_text csv = {0}, script = {0};
    add_csv(&csv, plot, shared_x);
    status = iv_plot_write_beside(dir, name, ".csv", &csv, error);
    if (status != IV_OK) return status;
    add_script(&script, plot, name, shared_x);
    bool found = false;
    status = iv_figure_draw(dir, name, &script, &found, error);
    if (drawn) *drawn = status == IV_OK && found;
    return status;
}

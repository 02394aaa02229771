/* What a run leaves behind: its directory, log, results, tables, figures and report.
 *
 * Files are replaced whole or not at all, and their bytes follow from the numbers alone: only
 * run.json holds times and names of machines. Numbers are written with the fewest digits that read
 * back to the same value, NaN and infinities as null.
 *
 * Failures to write (a full disk, no permission) are IV_EFAILED with the path and the reason; files
 * that are missing or damaged when read are IV_EDATA. */
#ifndef INVAR_REPORT_H
#define INVAR_REPORT_H

#include <invar/runtime.h>
#include <invar/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ run directory */

typedef struct iv_run_dir iv_run_dir;

typedef struct {
    const char *path;             /* NULL: runs/NAME-YYYYmmdd-HHMMSS (local time), made unique */
    const char *name;             /* the spec's name; "run" if NULL */
    const iv_device_info *device; /* NULL: run.json has null for device and driver */
    const uint64_t *seeds;        /* [n_seeds] */
    size_t n_seeds;
    const char *spec;   /* text of the resolved spec, for spec.yaml; NULL: none is written */
    const char *engine; /* how matrix products are made, for run.json; NULL: null */
    bool resume;        /* accept a directory that already holds a run */
    bool join;          /* work there with other processes; begin the run if there is none */
} iv_run_dir_options;

/* Make the directory with models/, splits/, checkpoint/ and figures/ in it, lock it, remove
 * what killed processes left half-written, and write spec.yaml and then run.json with status
 * "running". Without `resume`, IV_EINVAL if the directory already holds a run: a finished one is not
 * overwritten, an unfinished one is to be resumed. With `resume`, IV_EDATA if there is none. A
 * resumed run keeps its first start time, its seconds add up, and run.json lists the conditions of
 * every process. IV_EFAILED if another process works in the directory, until iv_run_dir_destroy or
 * its death.
 *
 * With `join` several processes share the directory, on any number of machines; a process that works
 * alone keeps them out, and they it. The first writes run.json, and each one writes of itself to
 * parts/processes/. A finished run is opened, and nothing is written: see
 * iv_run_dir_previous_status. */
iv_status iv_run_dir_create(const iv_run_dir_options *options, iv_run_dir **dir, iv_error *error);

/* Make runs/NAME-YYYYmmdd-HHMMSS (local time), which nobody else has. The caller frees *path. */
iv_status iv_run_dir_default(const char *name, char **path, iv_error *error);

/* An existing directory to read from; nothing is written. Such a handle cannot be finished.
 * IV_EDATA if there is no such directory, or if its run.json is damaged. */
iv_status iv_run_dir_open(const char *path, iv_run_dir **dir, iv_error *error);

/* Free without changing the status on disk (NULL is fine). */
void iv_run_dir_destroy(iv_run_dir *dir);

/* The directory as a path usable from the current directory, without a trailing slash. */
const char *iv_run_dir_path(const iv_run_dir *dir);

/* Status in run.json before this process opened it ("done", "interrupted", "failed", "running" if
 * it was killed); NULL if there was none. */
const char *iv_run_dir_previous_status(const iv_run_dir *dir);

/* What a resumed run does under other conditions than the process before: "device B (was A), driver
 * 2 (was 1)"; "" if nothing changed. The caller frees *changes. */
iv_status iv_run_dir_changes(const iv_run_dir *dir, char **changes, iv_error *error);

/* Record in run.json a file of data that the running run reads: its SHA-256, and whether it
 * may be the published one. Told twice, it counts once. IV_EDATA if the run was begun with another file. */
iv_status iv_run_dir_add_data(iv_run_dir *dir, const char *file, const char *sha256, bool published,
                              iv_error *error);

/* Take over the processes, seconds and data of the run in `other`, for a run that is made of it. */
iv_status iv_run_dir_add_earlier(iv_run_dir *dir, const char *other, iv_error *error);

/* DIR/NAME, to be freed by the caller; NULL only if memory ran out. name may have folders in it. */
char *iv_run_dir_file(const iv_run_dir *dir, const char *name);

/* Replace DIR/NAME by `bytes` bytes of `data`, atomically (spec.yaml, ...). */
iv_status iv_run_dir_write(const iv_run_dir *dir, const char *name, const void *data, size_t bytes,
                           iv_error *error);

/* For a process that has joined others: say of itself that it has nothing to do now, or has again. */
iv_status iv_run_dir_pause(iv_run_dir *dir, bool pauses, iv_error *error);

/* Write DIR/NAME unless it is there: of several processes that do, one succeeds, and the others leave
 * its file alone. */
iv_status iv_run_dir_write_once(const iv_run_dir *dir, const char *name, const void *data,
                                size_t bytes, iv_error *error);

/* Remove parts/, once a run is put together, and what killed processes left half-written. */
iv_status iv_run_dir_remove_parts(const char *dir, iv_error *error);

/* Write run.json with the end time and a status: "done", "interrupted" or "failed" (IV_EINVAL for
 * another). A process among several writes of itself, and run.json if the run is done or if it is
 * the last. */
iv_status iv_run_dir_finish(iv_run_dir *dir, const char *status, iv_error *error);

/* ------------------------------------------------------------------ how far a run is */

typedef enum {
    IV_PART_WAITING, /* nobody has it */
    IV_PART_RUNNING,
    IV_PART_DONE,
    IV_PART_FAILED, /* its last process could not go on */
    IV_PART_LOST,   /* its last process is dead, or silent for longer than a lease */
} iv_part_state;
enum { IV_PART_STATES = 5 };

/* A population of a run that several processes work on. Texts are tamed, and may be empty. */
typedef struct {
    char name[160];
    size_t n_members;
    double operations; /* as the progress counts them */
    iv_part_state state;
    unsigned claims;      /* processes that have had it so far */
    long process;         /* of the last one: who, */
    char host[128];       /* where, */
    char since[32];       /* since when, */
    char why[512];        /* why it gave the work back, */
    double age;           /* and seconds since its last sign of life, by the file's time */
    uint64_t done, total; /* its progress */
} iv_part_standing;

typedef struct {
    char name[128], status[32]; /* of run.json */
    bool finished;              /* everything is written, or about to be */
    bool at_work;               /* some process lives, as far as this machine can tell */
    double share;               /* of the operations; 0 where there are no parts */
    iv_part_standing *parts;    /* [n_parts]; none if one process works alone */
    size_t n_parts, n_of[IV_PART_STATES];
    char saved[64]; /* of one process alone: how far its checkpoint is */
} iv_standing;

/* How far the run in `dir` is; writes nothing, and may be called while processes work there. IV_EDATA
 * if there is no run. Cleared by the caller after success. */
iv_status iv_standing_read(const char *dir, iv_standing *standing, iv_error *error);
void iv_standing_clear(iv_standing *standing);

/* ------------------------------------------------------------------ metrics.jsonl */

typedef struct iv_log iv_log;

/* A moment of a log, for a checkpoint. */
typedef struct {
    uint64_t bytes;  /* length of the file, in whole lines */
    char sha256[65]; /* of these bytes, in hexadecimal */
} iv_log_mark;

/* Open DIR/metrics.jsonl. mark: keep what was logged until then and drop the rest; NULL starts anew.
 * IV_EDATA if what is kept is not there, or is not what was logged; IV_EFAILED if the file cannot be
 * written or is no regular file. */
iv_status iv_log_open(const char *path, const iv_log_mark *mark, iv_log **log, iv_error *error);

/* Open a log that is kept as it is. */
iv_status iv_log_open_whole(const char *path, iv_log **log, iv_error *error);

/* Add one object: begin, any number of metrics, end. A failure on the way is remembered and
 * returned by iv_log_end. Points are kept in memory until iv_log_flush, or until they fill the
 * buffer. split: "train", "validation", "test"; NULL leaves the key out. A float is written with
 * the fewest digits that give the same float. */
void iv_log_begin(iv_log *log, const char *run, uint64_t seed, uint64_t step, uint64_t epoch,
                  const char *split);
void iv_log_float(iv_log *log, const char *metric, float value);
void iv_log_double(iv_log *log, const char *metric, double value);
void iv_log_floats(iv_log *log, const char *metric, const float *values, size_t n);
void iv_log_doubles(iv_log *log, const char *metric, const double *values, size_t n);
iv_status iv_log_end(iv_log *log, iv_error *error);

/* Write every ended point to the disk; *mark (may be NULL) is this moment. If the disk is full the
 * file keeps whole lines only. */
iv_status iv_log_flush(iv_log *log, iv_log_mark *mark, iv_error *error);

/* Flush, close and free, also on failure (NULL is fine). */
iv_status iv_log_close(iv_log *log, iv_error *error);

/* ------------------------------------------------------------------ results.json */

typedef struct {
    char *name;
    bool is_array;
    size_t n; /* 1 if not an array */
    double *values;
} iv_metric;

typedef struct {
    char *name;
    uint64_t seed;
    char *status; /* "done", "diverged", "interrupted", ... */
    char *model;  /* relative to the run directory; NULL if none */
    size_t n_metrics;
    iv_metric *metrics;
} iv_result_run;

/* Mean and sample standard deviation (divisor n - 1; NaN if n < 2) over seeds, in the metric's own
 * unit: an accuracy is a fraction here and a percentage in tables. published, published_std: NaN if
 * the paper gives none. */
typedef struct {
    char *row;    /* what the lines of a table are grouped by: "rotation-4" */
    char *column; /* what is compared: "WT" */
    char *metric;
    double mean, std;
    size_t n;
    double published, published_std;
} iv_cell;

typedef struct {
    char *claim;
    bool holds;
    char *evidence;
} iv_claim;

/* How a metric is called and shown, so that results are read without knowing the study. */
typedef struct {
    char *metric; /* as in cells: "accuracy" */
    char *label;  /* in tables: "Acc. (%)" */
    char *doc;    /* what it means */
    double scale; /* tables show the value times this */
    int decimals; /* -1: three significant digits */
} iv_metric_style;

typedef struct {
    iv_metric_style *styles;
    size_t n_styles;
    iv_result_run *runs;
    size_t n_runs;
    iv_cell *cells;
    size_t n_cells;
    iv_claim *claims;
    size_t n_claims;
} iv_results;

/* Begin with `iv_results results = {0};` and end with iv_results_free; every string and array is
 * copied. The add functions fail with IV_ENOMEM only, unless said otherwise. */
void iv_results_free(iv_results *results);

/* Say how a metric is shown; others are shown by name with three digits. */
iv_status iv_results_add_style(iv_results *results, const char *metric, const char *label,
                               const char *doc, double scale, int decimals, iv_error *error);

/* Metrics added later go to the last run added. */
iv_status iv_results_add_run(iv_results *results, const char *name, uint64_t seed,
                             const char *status, const char *model, iv_error *error);
iv_status iv_results_add_metric(iv_results *results, const char *metric, double value,
                                iv_error *error);
iv_status iv_results_add_metric_array(iv_results *results, const char *metric, const double *values,
                                      size_t n, iv_error *error);

/* A cell from one value a seed. A value that is not finite makes the mean NaN: a diverged seed is
 * shown, not left out. n = 0 gives an empty cell beside the published number. */
iv_status iv_results_add_cell(iv_results *results, const char *row, const char *column,
                              const char *metric, const double *values, size_t n, double published,
                              double published_std, iv_error *error);

/* The same from the scalar metric `metric` of every run named `run` added so far. */
iv_status iv_results_add_cell_of_runs(iv_results *results, const char *row, const char *column,
                                      const char *metric, const char *run, double published,
                                      double published_std, iv_error *error);

/* evidence: the numbers that decide it, as one printf-formatted sentence. */
iv_status iv_results_add_claim(iv_results *results, const char *claim, bool holds, iv_error *error,
                               const char *evidence, ...) IV_PRINTF(5, 6);

/* The named metric of a run, the named cell; NULL if there is none. */
const iv_metric *iv_result_run_metric(const iv_result_run *run, const char *metric);
const iv_cell *iv_results_cell(const iv_results *results, const char *row, const char *column,
                               const char *metric);

/* Write results.json:
 *
 *   {"metrics": {name: {"label", "doc", "scale", "decimals"}},
 *    "runs": [{"name", "seed", "status", "metrics": {metric: value or [values]}, "model": path}],
 *    "cells": [{"row", "column", "metric", "mean", "std", "n", "published", "published_std",
 *               "status"}],
 *    "claims": [{"claim", "holds", "evidence"}]}
 *
 * A cell has status "ok", "not finite" (mean is null) or "no runs"; a run whose status is "done"
 * but has a metric that is not finite is written as "not finite". std is null if n < 2, published
 * and published_std are null if there is none. */
iv_status iv_results_write(const iv_results *results, const char *path, iv_error *error);

/* The same text on a stream (`invar eval`). */
iv_status iv_results_print(const iv_results *results, FILE *out, iv_error *error);

/* Read it back; null becomes NaN. IV_EDATA with the path and the place for anything else than the
 * format above. *results is empty on failure. */
iv_status iv_results_read(const char *path, iv_results *results, iv_error *error);

/* The results of a run directory. IV_EDATA for a directory that is missing, not a run's, damaged, or
 * has no results yet. *results is empty on failure. */
iv_status iv_results_of_run(const char *run_dir, iv_results *results, iv_error *error);

/* ------------------------------------------------------------------ tables */

typedef enum { IV_TABLE_TEXT, IV_TABLE_MARKDOWN, IV_TABLE_HTML, IV_TABLE_LATEX } iv_table_format;

/* Every cell, ours beside the published one: `94.3 ± 0.2 (94.6 ± 0.1)`. With several metrics there
 * is one table per row label, methods (the cells' columns) down and metrics across; with a single
 * metric, row labels down and methods across. LaTeX has the published ones in columns of their own, and
 * needs the packages booktabs and siunitx. The caller frees *text. */
iv_status iv_table_format_results(const iv_results *results, iv_table_format format, char **text,
                                  iv_error *error);

/* row,column,metric,mean,std,n,published,published_std with full
 * precision; missing values empty. */
iv_status iv_table_write_csv(const iv_results *results, const char *path, iv_error *error);

/* CSV with a line for each row and column and the metrics side by side: row, column, and for each
 * metric METRIC, METRIC_std, METRIC_n, METRIC_published, METRIC_published_std, in full precision;
 * missing values empty. The caller frees *text. */
iv_status iv_table_format_wide(const iv_results *results, char **text, iv_error *error);

/* Write what a run logged as TensorBoard's event files, RUN-seedN/events.out.tfevents.0.invar in
 * `out_dir` for each run and seed: scalars SPLIT/METRIC by step, SPLIT/METRIC/I for entry I of an
 * array. The clock of all of them is 0: a log has no times. IV_EDATA as iv_report_write, or if the
 * log is damaged. */
iv_status iv_events_write(const char *run_dir, const char *out_dir, iv_error *error);

/* ------------------------------------------------------------------ figures */

typedef enum { IV_SERIES_LINE, IV_SERIES_POINTS, IV_SERIES_LINE_AND_POINTS } iv_series_style;

typedef struct {
    const char *label;
    size_t n;
    const double *x, *y;      /* [n]; a point that is not finite leaves a gap */
    const double *low, *high; /* [n] band around y; both or neither (NULL) */
    iv_series_style style;
    bool dashed; /* for reference lines and published curves */
} iv_series;

typedef struct {
    const char *title, *x_label, *y_label; /* NULL: none */
    bool log_x, log_y;
    const iv_series *series;
    size_t n_series;
} iv_plot;

/* Write DIR/NAME.csv and DIR/NAME.gp, a gnuplot script that reads it from the folder it lies in,
 * and let gnuplot make DIR/NAME.svg and DIR/NAME.png from it, without the user's own settings for
 * gnuplot. *drawn (may be NULL) is false, and
 * the status IV_OK, if gnuplot is not installed: running `gnuplot NAME.gp` in DIR later completes
 * the figure. IV_EFAILED with gnuplot's message if it refuses the script. */
iv_status iv_plot_write(const iv_plot *plot, const char *dir, const char *name, bool *drawn,
                        iv_error *error);

/* A function of two variables on a grid, with points over it. */
typedef struct {
    const char *title, *x_label, *y_label; /* NULL: none */
    size_t rows, columns;                  /* at least two each */
    double left, right, bottom, top;       /* of the outermost grid points */
    const double *values;                  /* [rows][columns], the bottom row first */
    double low, high;                      /* shown in the colours' two ends; low < high */
    const double *levels;                  /* [n_levels] where contours are drawn */
    size_t n_levels;
    const iv_series *points; /* [n_points] drawn as points, a symbol a series; bands are left out */
    size_t n_points;
} iv_contour;

/* Write DIR/NAME.csv (lines of x, y, value), DIR/NAME-points.csv (lines of x, y, label) and
 * DIR/NAME.gp, and let gnuplot draw them as iv_plot_write does. IV_EINVAL for a grid that is too
 * small or has no extent. */
iv_status iv_contour_write(const iv_contour *contour, const char *dir, const char *name,
                           bool *drawn, iv_error *error);

/* One line for the user when a figure was not drawn. */
extern const char *const iv_gnuplot_missing;

/* pixels [height][width] bytes, or [height][width][3] for rgb, top row first. */
iv_status iv_png_write_gray(const char *path, const uint8_t *pixels, size_t width, size_t height,
                            iv_error *error);
iv_status iv_png_write_rgb(const char *path, const uint8_t *pixels, size_t width, size_t height,
                           iv_error *error);

typedef struct {
    const float *images; /* [rows][columns][planes][height][width] */
    size_t rows, columns, height, width;
    size_t planes; /* 0 or 1; 3: red, green and blue */
    /* false: grey, each image from its minimum to its maximum. true: blue-white-red, each from
     * minus to plus its largest magnitude, zero white. Three planes have the same ranges; their
     * zero is grey if signed. */
    bool is_signed;
    unsigned zoom; /* each image pixel is zoom x zoom; 0: an image is about 84 pixels wide */
    const char *const *row_labels;    /* [rows], printable ASCII; NULL: none */
    const char *const *column_labels; /* [columns]; NULL: none */
} iv_image_grid;

/* Draw the grid as a PNG. Pixels that are not finite are drawn in magenta. */
iv_status iv_image_grid_write(const iv_image_grid *grid, const char *path, iv_error *error);

/* ------------------------------------------------------------------ report */

/* Read the run directories and write OUT_DIR/report.html, report.md and report.csv: tables beside
 * the published numbers, claims with their evidence, figures, the spec, device, versions, time. The
 * HTML needs no other file. out_dir NULL: the run directory itself, or "." if there are several.
 * Nothing in a run directory is run: a figure that has a script but no picture is listed with the
 * command that draws it, and *drawn (may be NULL) is false then. IV_EDATA for a directory that is
 * missing, not a run's, damaged, or has no results yet. */
iv_status iv_report_write(const char *const *run_dirs, size_t n_run_dirs, const char *out_dir,
                          bool *drawn, iv_error *error);

#ifdef __cplusplus
}
#endif

#endif

/* Measuring Invar: what a device can do, how near the library comes, and how two machines compare.
 *
 * A report holds one machine's measurements, one entry a device. It is printed as a table, kept as
 * JSON, and compared with others. */
#ifndef INVAR_BENCH_H
#define INVAR_BENCH_H

#include <invar/studies.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ statistics */

typedef struct {
    size_t n;
    double median, minimum, maximum;
    double spread; /* interquartile range / median; 0 if n < 2 */
} iv_bench_statistics;

/* Quantile q in [0, 1] of n >= 1 ascending values, by linear interpolation between them (the
 * convention of NumPy and R). */
double iv_bench_quantile(const double *ascending, size_t n, double q);

/* Of n >= 1 values; sorts them. */
void iv_bench_summarize(double *values, size_t n, iv_bench_statistics *statistics);

/* ------------------------------------------------------------------ reports */

typedef struct {
    char name[72];          /* "gemm/512x128x784-nt"; what comes before the slash is the suite */
    char unit[16];          /* "GFLOP/s", "GB/s", "images/s", "ms", "us" */
    bool higher_is_better;  /* a rate; false for a time */
    double value;           /* the median; the fastest repetition in the suite `peak` */
    double spread;          /* interquartile range of the repetitions / their median */
    size_t repetitions;     /* timed samples */
    double milliseconds;    /* median time of one replay, all members together */
    double percent_of_peak; /* of the device's measured FLOP/s or bandwidth; NaN for other units */
} iv_bench_item;

typedef struct {
    char name[256], platform[128], driver[128], version[256], type[8]; /* type: cpu, gpu, other */
    unsigned compute_units;
    double peak_gflops, peak_gb_per_s; /* NaN if not measured */
    iv_bench_item *items;
    size_t n_items;
} iv_bench_device;

typedef struct {
    char version[64], commit[64]; /* of Invar */
    char opencl_headers[16];
    char host[128], system[256];
    char date[32]; /* UTC, ISO 8601 */
    iv_bench_device *devices;
    size_t n_devices;
} iv_bench_report;

/* An empty report of this machine and moment; end with iv_bench_report_free. */
void iv_bench_report_begin(iv_bench_report *report);
void iv_bench_report_free(iv_bench_report *report); /* a zeroed report is fine */

/* Write as JSON, atomically:
 *
 *   {"version", "commit", "opencl_headers", "host", "system", "date",
 *    "devices": [{"name", "platform", "driver", "version", "type", "compute_units", "peak_gflops",
 *                 "peak_gb_per_s",
 *                 "items": [{"name", "unit", "better": "higher" or "lower", "value", "spread",
 *                            "repetitions", "milliseconds", "percent_of_peak"}]}]}
 *
 * Numbers that are not finite are null. */
iv_status iv_bench_report_write(const iv_bench_report *report, const char *path, iv_error *error);

/* Read it back. IV_EDATA with the path and what is wrong if it is missing, damaged or another kind
 * of file; *report is empty then. */
iv_status iv_bench_report_read(const char *path, iv_bench_report *report, iv_error *error);

/* ------------------------------------------------------------------ measuring */

/* The suites and what they measure, in the order in which they run; NULL after the last. */
typedef struct {
    const char *name, *summary;
} iv_bench_suite;

const iv_bench_suite *iv_bench_suite_get(size_t i);

typedef struct {
    const char *const *names; /* SUITE, or SUITE/PART for the items with PART in their name */
    size_t n_names;           /* 0: every suite */
    double seconds; /* at most, for the repetitions of one item; building it comes on top */
    const volatile sig_atomic_t *stop; /* NULL for none */
    const char *json; /* NULL, or where the report is written after each item, with all before it */
    const char *trace; /* NULL, or where a trace (iv_profile_trace) is written likewise */

    /* Called before an item is measured, and after; NULL for none. */
    void (*started)(void *state, const char *item);
    void (*measured)(void *state, const iv_bench_item *item);

    /* Called after that where the item is a sequence of launches, with what they took in the fastest
     * of a few runs; NULL for none. It and `trace` need a context that was made with profiling. */
    void (*profiled)(void *state, const iv_bench_item *item, const iv_profile *profile);
    void *state;
} iv_bench_options;

/* IV_EINVAL, with the suites there are, if a name is none of theirs. */
iv_status iv_bench_check_names(const char *const *names, size_t n_names, iv_error *error);

/* Measure on the context's device and add the device to the report. Each item is warmed up and then
 * repeated until the interquartile range is below 3% of the median or `seconds` are over. What
 * items of other suites are compared with is measured shortly first where the suite `peak` is not
 * asked for. Errors are in the context's error: IV_EINVAL for unknown names and for a PART that no
 * item has, IV_EINTERRUPTED if `stop` became nonzero. What was measured before a failure is in the
 * report. */
iv_status iv_bench_run(iv_context *context, const iv_bench_options *options,
                       iv_bench_report *report);

/* ------------------------------------------------------------------ comparing */

/* One device of one report: a column of the comparison. */
typedef struct {
    const char *label; /* NULL: the device's name */
    const iv_bench_device *device;
} iv_bench_column;

/* How many times as fast as the first column an item is in column `i`: a ratio of rates, or the
 * inverse ratio of times. NaN if one of them lacks the item or has it in another unit. */
double iv_bench_ratio(const iv_bench_column *columns, size_t i, const iv_bench_item *of_first);

/* A text table: the items of the first column with their values, and for every other column the
 * value and the ratio (above 1: faster than the first). *text is to be freed by the caller.
 * IV_EINVAL with fewer than two columns, or if no other column shares an item with the first. */
iv_status iv_bench_compare_table(const iv_bench_column *columns, size_t n_columns, char **text,
                                 iv_error *error);

/* The same ratios as a chart, one group of bars an item, on a logarithmic scale around 1. */
iv_status iv_bench_compare_svg(const iv_bench_column *columns, size_t n_columns, char **text,
                               iv_error *error);

#ifdef __cplusplus
}
#endif

#endif

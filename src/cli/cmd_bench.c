/* invar bench: measure devices, and compare measurements. */
#include "cli/cli.h"

#include <invar/bench.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char **words; /* suites to measure, or reports to compare */
    size_t n_words;
    const char *device, *json, *svg, *trace;
    double seconds;
    bool compare, profile;
} bench_options;

/* ------------------------------------------------------------------ measuring */

enum { NAME_WIDTH = 44 };

static void print_heading(const iv_device_info *device) {
    printf("%s (%s, %u compute units, driver %s)\n\n", device->name, device->platform,
           device->compute_units, device->driver);
    printf("%-*s %12s %-10s %8s %6s %8s\n", NAME_WIDTH, "item", "value", "unit", "spread", "times",
           "of peak");
}

static void print_item(void *state, const iv_bench_item *item) {
    (void)state;
    char percent[16] = "";
    if (isfinite(item->percent_of_peak))
        snprintf(percent, sizeof percent, "%.1f%%", item->percent_of_peak);
    printf("%-*s %12.*f %-10s %7.1f%% %6zu %8s\n", NAME_WIDTH, item->name,
           item->value >= 1000  ? 0
           : item->value >= 100 ? 1
           : item->value >= 1   ? 2
                                : 4,
           item->value, item->unit, 100 * item->spread, item->repetitions, percent);
    fflush(stdout);
}

static void print_profile(void *state, const iv_bench_item *item, const iv_profile *profile) {
    (void)state;
    cli_print_profile(profile, 1e-3 * item->milliseconds);
}

static iv_status measure_device(const bench_options *o, const char *selector,
                                iv_bench_report *report, iv_error *error) {
    iv_context *context = NULL;
    iv_status status = iv_context_create(selector, o->profile || o->trace, &context, error);
    if (status != IV_OK) return status;
    const iv_bench_options options = {.names = o->words,
                                      .n_names = o->n_words,
                                      .seconds = o->seconds,
                                      .stop = cli_catch_stop(),
                                      .json = o->json,
                                      .trace = o->trace,
                                      .measured = print_item,
                                      .profiled = o->profile ? print_profile : NULL};
    print_heading(iv_context_device(context));
    status = iv_bench_run(context, &options, report);
    if (status != IV_OK) *error = *iv_context_error(context);
    iv_context_destroy(context);
    return status;
}

/* Every usable device; one that fails does not keep the others from being measured. */
static iv_status measure_all(const bench_options *o, iv_bench_report *report, iv_error *error) {
    iv_device_info *devices;
    size_t n_devices, n_usable = 0;
    iv_status status = iv_devices_list(&devices, &n_devices, error);
    if (status != IV_OK) return status;
    for (size_t i = 0; i < n_devices; i++) {
        char selector[24];
        iv_error failure = {0};
        if (!devices[i].available) continue;
        if (n_usable++) putchar('\n');
        snprintf(selector, sizeof selector, "%zu", i);
        const iv_status measured = measure_device(o, selector, report, &failure);
        if (measured == IV_OK) continue;
        status = iv_fail(error, measured, "%s: %s", devices[i].name, failure.message);
        if (measured == IV_EINTERRUPTED || measured == IV_EINVAL) break;
        fprintf(stderr, "invar: %s: %s\n", devices[i].name, failure.message);
    }
    if (n_usable == 0) {
        size_t index;
        status = iv_device_select(devices, n_devices, "", &index, error);
    }
    free(devices);
    return status;
}

static int measure(const bench_options *o) {
    iv_error error = {0};
    iv_status status = iv_bench_check_names(o->words, o->n_words, &error);
    if (status != IV_OK) return cli_fail(&error);

    const char *selector = o->device ? o->device : getenv("INVAR_DEVICE");
    iv_bench_report report;
    iv_bench_report_begin(&report);
    status = selector && strcmp(selector, "all") == 0
                 ? measure_all(o, &report, &error)
                 : measure_device(o, o->device, &report, &error);
    /* Also where no item fits the device. */
    if (status == IV_OK && o->json) status = iv_bench_report_write(&report, o->json, &error);
    iv_bench_report_free(&report);
    if (status == IV_OK && (fflush(stdout) == EOF || ferror(stdout)))
        status = iv_fail(&error, IV_EFAILED, "cannot write to standard output");
    return status == IV_OK ? 0 : cli_fail(&error);
}

/* ------------------------------------------------------------------ comparing */

/* "FILE: DEVICE" */
static char *column_label(const char *path, const char *device) {
    const size_t size = strlen(path) + strlen(device) + 3;
    char *label = malloc(size);
    if (label) snprintf(label, size, "%s: %s", path, device);
    return label;
}

static iv_status print_comparison(const bench_options *o, const iv_bench_column *columns, size_t n,
                                  iv_error *error) {
    char *table = NULL, *svg = NULL;
    iv_status status = iv_bench_compare_table(columns, n, &table, error);
    if (status == IV_OK) {
        fputs(table, stdout);
        if (fflush(stdout) == EOF || ferror(stdout))
            status = iv_fail(error, IV_EFAILED, "cannot write to standard output");
    }
    if (status == IV_OK && o->svg) {
        status = iv_bench_compare_svg(columns, n, &svg, error);
        if (status == IV_OK) status = iv_write_file_atomically(o->svg, svg, strlen(svg), error);
    }
    free(table);
    free(svg);
    return status;
}

static int compare(const bench_options *o) {
    iv_error error = {0};
    iv_bench_report *reports = calloc(o->n_words + 1, sizeof *reports);
    iv_bench_column *columns = NULL;
    size_t n_columns = 0, n = 0;
    iv_status status = reports ? IV_OK : iv_fail(&error, IV_ENOMEM, "out of memory");
    for (size_t i = 0; i < o->n_words && status == IV_OK; i++) {
        status = iv_bench_report_read(o->words[i], &reports[i], &error);
        n_columns += reports[i].n_devices;
    }
    if (status == IV_OK && !(columns = calloc(n_columns + 1, sizeof *columns)))
        status = iv_fail(&error, IV_ENOMEM, "out of memory");
    for (size_t i = 0; i < o->n_words && status == IV_OK; i++)
        for (size_t k = 0; k < reports[i].n_devices && status == IV_OK; k++, n++) {
            columns[n].device = &reports[i].devices[k];
            columns[n].label = column_label(o->words[i], reports[i].devices[k].name);
            if (!columns[n].label) status = iv_fail(&error, IV_ENOMEM, "out of memory");
        }
    if (status == IV_OK) status = print_comparison(o, columns, n_columns, &error);

    for (size_t i = 0; i < n; i++) free((char *)(uintptr_t)columns[i].label);
    free(columns);
    for (size_t i = 0; i < o->n_words && reports; i++) iv_bench_report_free(&reports[i]);
    free(reports);
    return status == IV_OK ? 0 : cli_fail(&error);
}

/* ------------------------------------------------------------------ the subcommand */

static int check_options(bench_options *o, const char *seconds) {
    if (seconds) {
        char *end;
        o->seconds = strtod(seconds, &end);
        if (end == seconds || *end || !(o->seconds > 0) || o->seconds > 3600)
            return cli_usage_error(&cli_bench, "--time %s: seconds per item, above 0, at most 3600",
                                   seconds);
    }
    if (o->trace && o->device && strcmp(o->device, "all") == 0)
        return cli_usage_error(&cli_bench, "--trace is of one device: which?");
    if (o->compare && (o->json || o->device || seconds || o->trace || o->profile))
        return cli_usage_error(&cli_bench, "--compare measures nothing: only --svg goes with it");
    if (o->compare && o->n_words == 0)
        return cli_usage_error(&cli_bench, "--compare needs reports: which JSON files?");
    if (o->svg && !o->compare) return cli_usage_error(&cli_bench, "--svg goes with --compare");
    return 0;
}

static int run(const cli_arguments *arguments) {
    bench_options o = {.words = arguments->words,
                       .n_words = arguments->n_words,
                       .device = cli_value(arguments, "device"),
                       .json = cli_value(arguments, "json"),
                       .svg = cli_value(arguments, "svg"),
                       .trace = cli_value(arguments, "trace"),
                       .compare = cli_has(arguments, "compare"),
                       .profile = cli_has(arguments, "profile"),
                       .seconds = 1};
    const int wrong = check_options(&o, cli_value(arguments, "time"));
    return wrong ? wrong : o.compare ? compare(&o) : measure(&o);
}

static const cli_option options[] = {
    {"device", "SEL", "index, part of the name, cpu, gpu, or all for one after another"},
    {"json", "FILE", "keep the measurements; written after each item"},
    {"profile", NULL, "print what each item's kernels take, one after another"},
    CLI_TRACE,
    {"time", "SECONDS", "at most, for the repetitions of an item (default: 1)"},
    {"compare", NULL, "print the ratios of kept measurements to those of the first device"},
    {"svg", "FILE", "draw the ratios as bars"},
    CLI_END,
};

const cli_command cli_bench = {
    .name = "bench",
    .summary = "measure a device, and compare measurements",
    .synopsis = "[NAME...] [OPTIONS]\n--compare A.json B.json... [--svg FILE]",
    .description =
        "Measure what a device can do and how near Invar comes. NAME is a suite, or SUITE/PART\n"
        "for the items with PART in their name; without a name every suite runs:\n"
        "\n"
        "    peak      multiply-adds, memory bandwidth, the cost of launching a kernel\n"
        "    gemm      matrix products of the studies' shapes\n"
        "    svd       singular values of Jacobians and weights\n"
        "    jacobian  Jacobians of 1024 inputs of a perceptron, and their singular values\n"
        "    step      training steps of the studies, one member and eight\n"
        "    input     gathering batches of images under a group's action\n"
        "\n"
        "Each item is warmed up and repeated until the interquartile range of its times is below\n"
        "3% of the median. Shown are the median, that spread, how often it was repeated, and the\n"
        "share of the device's peak (the fastest repetition of peak/multiply-adds, or of a large\n"
        "copy or triad).\n",
    .notes =
        "Exit status: 0; 1 if measuring or writing fails; 2 for an unknown name; 3 if there is no\n"
        "usable device; 4 if a report to be compared is missing or damaged.\n",
    .most_words = SIZE_MAX,
    .options = options,
    .run = run,
};

/* invar tune: measure the engines of matrix products on a device and keep the fastest. */
#include "cli/cli.h"

#include "runtime/stop.h"

#include <invar/tuning.h>

#include <math.h>
#include <stdlib.h>

static const double default_seconds = 180.0;

static char transpose_letter(bool transpose) {
    return transpose ? 'T' : 'N';
}

static void print_heading(void) {
    printf("%-22s %-26s %-26s %10s %10s %8s\n", "rows x columns x depth", "untuned", "fastest",
           "us/member", "GFLOP/s", "gain");
}

static void print_result(void *user, const iv_tune_result *r) {
    char size[64], gain[32] = "-";
    (void)user;
    snprintf(size, sizeof size, "%c%c %zux%zux%zu", transpose_letter(r->transpose_a),
             transpose_letter(r->transpose_b), r->m, r->n, r->k);
    if (isfinite(r->untuned_seconds))
        snprintf(gain, sizeof gain, "%.2fx", r->untuned_seconds / r->best_seconds);
    printf("%-22s %-26s %-26s %10.1f %10.1f %8s\n", size, r->untuned, r->best,
           1e6 * r->best_seconds, r->gflops, gain);
    fflush(stdout);
}

static void print_kernel(void *user, const iv_kernel_result *r) {
    char name[64];
    (void)user;
    snprintf(name, sizeof name, "%s.%s", r->kernel, r->name);
    printf("%-22s %-26zu %-26zu %10.1f %10s %7.2fx\n", name, r->untuned, r->best,
           1e6 * r->best_seconds, "", r->untuned_seconds / r->best_seconds);
    fflush(stdout);
}

/* Every number of a kernel, what is in use and what is tried. */
static int list(const char *device) {
    iv_error error = {0};
    iv_context *context;
    if (iv_context_create(device, false, &context, &error) != IV_OK) return cli_fail(&error);
    const iv_kernel_parameter *rows;
    const size_t n = iv_kernel_parameters(&rows);
    printf("Numbers of kernels on %s. The products' are measured one by one: invar tune.\n",
           iv_context_device(context)->name);
    printf("%-24s %6s %6s %6s  %-20s %s\n", "kernel.number", "in use", "CPUs", "GPUs", "tried",
           "meaning");
    for (size_t i = 0; i < n; i++) {
        char name[64], tried[64] = "";
        snprintf(name, sizeof name, "%s.%s", rows[i].kernel, rows[i].name);
        for (size_t c = 0, at = 0; c < rows[i].n_candidates && at < sizeof tried; c++)
            at += (size_t)snprintf(tried + at, sizeof tried - at, c ? " %zu" : "%zu",
                                   rows[i].candidates[c]);
        printf("%-24s %6zu %6zu %6zu  %-20s %s\n", name,
               iv_kernel_value(context, rows[i].kernel, rows[i].name), rows[i].cpu, rows[i].gpu,
               tried, rows[i].meaning);
    }
    iv_context_destroy(context);
    return 0;
}

static void print_note(void *user, const char *text) {
    (void)user;
    fprintf(stderr, "invar: %s\n", text);
}

static bool read_seconds(const char *text, double *seconds) {
    char *end;
    *seconds = strtod(text, &end);
    return *text && !*end && isfinite(*seconds) && *seconds > 0.0;
}

static int tune(const char *device, double seconds) {
    const volatile sig_atomic_t *stop = cli_catch_stop();
    /* A sixth of the time for the kernels, and what the products leave of the rest: those take most of
     * a step. */
    iv_tune_options options = {
        .seconds = seconds * 5.0 / 6.0, .result = print_result, .note = print_note, .stop = stop};
    iv_error error = {0};
    iv_context *context;
    iv_status status = iv_context_create(device, false, &context, &error);
    if (status != IV_OK) return cli_fail(&error);

    printf("Tuning matrix products and other kernels on %s for about %.0f s. N, T: an operand as "
           "stored or "
           "transposed.\n",
           iv_context_device(context)->name, seconds);
    print_heading();
    const double start = iv_seconds();
    status = iv_tune(context, &options);
    options.seconds = fmax(seconds / 6.0, seconds - (iv_seconds() - start));
    if (status == IV_OK && !iv_stop_is_asked(stop))
        status = iv_tune_kernels(context, &options, print_kernel);
    int exit_status = status == IV_OK ? 0 : cli_fail(iv_context_error(context));
    if (iv_stop_is_asked(stop)) exit_status = iv_exit_status(IV_EINTERRUPTED);
    iv_context_destroy(context);
    return exit_status;
}

static int run(const cli_arguments *arguments) {
    double seconds = default_seconds;
    const char *time = cli_value(arguments, "time");
    if (cli_has(arguments, "list")) return list(cli_value(arguments, "device"));
    if (time && !read_seconds(time, &seconds))
        return cli_usage_error(&cli_tune, "--time %s: want a number of seconds above 0", time);
    return tune(cli_value(arguments, "device"), seconds);
}

static const cli_option options[] = {
    CLI_DEVICE,
    {"time", "SECONDS", "about how long (default: 180)"},
    {"list", NULL, "print the numbers of kernels, which are in use and which are tried, and stop"},
    CLI_END,
};

const cli_command cli_tune = {
    .name = "tune",
    .summary = "find the fastest products and kernels for a device and remember them",
    .synopsis = "[OPTIONS]",
    .description =
        "Measure the engines of matrix products, with several parameters each, on the products\n"
        "that the studies are made of, check every result in double precision, and try the\n"
        "numbers of the other kernels (invar tune --list). The fastest are kept for this\n"
        "device and driver in the cache directory ($XDG_CACHE_HOME/invar/tuning, else\n"
        "~/.cache/invar/tuning). Later runs use them; their results may differ from earlier\n"
        "ones in their last bits. Tune again after a new driver; to go back, delete the\n"
        "directory.\n",
    .notes =
        "Exit status: 0; 1 if no engine computes right; 3 if there is no usable device; 130 if\n"
        "interrupted, with what was found so far kept.\n",
    .options = options,
    .run = run,
};

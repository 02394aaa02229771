/* invar tune: measure the engines of matrix products on a device and keep the fastest. */
#include "cli/cli.h"

#include <invar/tune.h>

#include <math.h>
#include <stdlib.h>

static const double default_seconds = 60.0;

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
    const iv_tune_options options = {
        .seconds = seconds, .result = print_result, .note = print_note, .stop = stop};
    iv_error error = {0};
    iv_context *context;
    iv_status status = iv_context_create(device, false, &context, &error);
    if (status != IV_OK) return cli_fail(&error);

    printf("Tuning matrix products on %s for about %.0f s. N, T: an operand as stored or "
           "transposed.\n",
           iv_context_device(context)->name, seconds);
    print_heading();
    status = iv_tune(context, &options);
    int exit_status = status == IV_OK ? 0 : cli_fail(iv_context_error(context));
    if (*stop) exit_status = iv_exit_status(IV_EINTERRUPTED);
    iv_context_destroy(context);
    return exit_status;
}

static int run(const cli_arguments *arguments) {
    double seconds = default_seconds;
    const char *time = cli_value(arguments, "time");
    if (time && !read_seconds(time, &seconds))
        return cli_usage_error(&cli_tune, "--time %s: want a number of seconds above 0", time);
    return tune(cli_value(arguments, "device"), seconds);
}

static const cli_option options[] = {
    CLI_DEVICE,
    {"time", "SECONDS", "about how long (default: 60)"},
    CLI_END,
};

const cli_command cli_tune = {
    .name = "tune",
    .summary = "find the fastest matrix products for a device and remember them",
    .synopsis = "[OPTIONS]",
    .description =
        "Measure the engines of matrix products, with several parameters each, on the products\n"
        "that the studies are made of, check every result in double precision, and keep the\n"
        "fastest for this device and driver in the cache directory ($XDG_CACHE_HOME/invar/tuning,\n"
        "else ~/.cache/invar/tuning). Later runs on the device use them. Results may differ in\n"
        "their last bits from those of before. Tune again after a new driver; to go back, delete\n"
        "the directory.\n",
    .notes =
        "Exit status: 0; 1 if no engine computes right; 3 if there is no usable device; 130 if\n"
        "interrupted, with what was found so far kept.\n",
    .options = options,
    .run = run,
};

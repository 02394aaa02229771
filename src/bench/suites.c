/* The suites, which of them are asked for, and running them. */
#include "bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    iv_bench_suite suite;
    iv_status (*run)(bench *b);
} suites[] = {
    /* first, because the others are compared with it */
    {{"peak", "what the device can do: multiply-adds, memory, launches"}, bench_peak},
    {{"gemm", "matrix products of the studies' shapes"}, bench_gemm},
    {{"svd", "singular values of Jacobians and weights"}, bench_svd},
    {{"jacobian", "Jacobians of 1024 inputs of a perceptron, and their singular values"},
     bench_jacobian},
    {{"convolution", "layers of convolutional networks, and their gradients to the images"},
     bench_convolution},
    {{"step", "training steps of the studies, one member and eight"}, bench_step},
    {{"input", "gathering batches of images under a group's action"}, bench_input},
};
enum { N_SUITES = sizeof suites / sizeof *suites };

const iv_bench_suite *iv_bench_suite_get(size_t i) {
    return i < N_SUITES ? &suites[i].suite : NULL;
}

/* Whether `name` is the suite, or SUITE/PART. */
static bool names_suite(const char *name, const char *suite) {
    const size_t length = strlen(suite);
    return strncmp(name, suite, length) == 0 && (name[length] == '\0' || name[length] == '/');
}

iv_status iv_bench_check_names(const char *const *names, size_t n_names, iv_error *error) {
    for (size_t i = 0; i < n_names; i++) {
        bool known = false;
        char list[128] = "";
        for (size_t k = 0; k < N_SUITES; k++) {
            const char *suite = suites[k].suite.name;
            known |= names_suite(names[i], suite);
            const size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", k ? ", " : "", suite);
        }
        if (!known)
            return iv_fail(error, IV_EINVAL, "there is no suite \"%s\"; the suites are %s",
                           names[i], list);
    }
    return IV_OK;
}

bool bench_wants(bench *b, const char *item) {
    bool wanted = b->options->n_names == 0;
    for (size_t i = 0; i < b->options->n_names; i++) {
        const char *name = b->options->names[i], *part = strchr(name, '/');
        const size_t suite_length = part ? (size_t)(part - name) : strlen(name);
        if (strncmp(item, name, suite_length) != 0 || item[suite_length] != '/') continue;
        if (part && !strstr(item + suite_length + 1, part + 1)) continue;
        b->found[i] = wanted = true;
    }
    return wanted;
}

static bool wants_suite(const bench *b, const char *suite) {
    bool wanted = b->options->n_names == 0;
    for (size_t i = 0; i < b->options->n_names; i++)
        wanted |= names_suite(b->options->names[i], suite);
    return wanted;
}

static void describe_device(const iv_device_info *info, iv_bench_device *device) {
    static const char *const types[] = {
        [IV_DEVICE_CPU] = "cpu", [IV_DEVICE_GPU] = "gpu", [IV_DEVICE_OTHER] = "other"};
    *device = (iv_bench_device){
        .compute_units = info->compute_units, .peak_gflops = NAN, .peak_gb_per_s = NAN};
    snprintf(device->name, sizeof device->name, "%s", info->name);
    snprintf(device->platform, sizeof device->platform, "%s", info->platform);
    snprintf(device->driver, sizeof device->driver, "%s", info->driver);
    snprintf(device->version, sizeof device->version, "%s", info->version);
    snprintf(device->type, sizeof device->type, "%s", types[info->type]);
}

static iv_status append_device(iv_bench_report *report, const iv_bench_device *device,
                               iv_error *error) {
    iv_bench_device *devices = realloc(report->devices, (report->n_devices + 1) * sizeof *devices);
    if (!devices) return iv_fail(error, IV_ENOMEM, "out of memory for results");
    report->devices = devices;
    devices[report->n_devices++] = *device;
    return IV_OK;
}

iv_status iv_bench_run(iv_context *context, const iv_bench_options *options,
                       iv_bench_report *report) {
    iv_error *error = iv_context_error(context);
    iv_status status = iv_bench_check_names(options->names, options->n_names, error);
    if (status != IV_OK) return status;

    bench b = {.context = context, .options = options, .report = report};
    describe_device(iv_context_device(context), &b.device);
    b.found = calloc(options->n_names + 1, sizeof *b.found);
    if (!b.found) return iv_fail(error, IV_ENOMEM, "out of memory for measuring");

    for (size_t k = 0; k < N_SUITES && status == IV_OK; k++)
        if (wants_suite(&b, suites[k].suite.name)) status = suites[k].run(&b);
    for (size_t i = 0; i < options->n_names && status == IV_OK; i++)
        if (!b.found[i])
            status = iv_fail(error, IV_EINVAL,
                             "no item fits \"%s\"; `invar bench SUITE` shows the "
                             "names of a suite's items",
                             options->names[i]);
    const bool kept = (status == IV_OK || b.device.n_items > 0) &&
                      append_device(report, &b.device, error) == IV_OK;
    if (!kept) free(b.device.items);
    if (status == IV_OK && !kept) status = IV_ENOMEM;
    bench_clear_tracks(&b);
    free(b.found);
    return status;
}

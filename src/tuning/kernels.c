/* Tunes the numbers of kernels (src/linalg/kernel_parameters.c) on probes. */
#include "tuning/probe.h"

#include "runtime/stop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A winner must beat the number without tuning by more than a clock wavers. */
static const double least_gain = 1.05;

/* What is known of a row while it is tuned. */
typedef struct {
    iv_context *context;
    const iv_tune_options *options;
    const iv_kernel_parameter *row;
    const probe_kind *kind;
    double deadline; /* of iv_seconds(): nothing more is tried past it */
    double budget;   /* seconds of a candidate */
    float *right;    /* what comes out without tuning */
} trial;

static bool is_over(const iv_tune_options *options, double deadline) {
    return iv_seconds() >= deadline || iv_stop_is_asked(options->stop);
}

static iv_status no_memory(iv_context *context) {
    return iv_fail(iv_context_error(context), IV_ENOMEM, "no memory for the tuner");
}

/* Results of what is open are right, or are remembered as such if they are the first. */
static iv_status look(trial *t, const probe *p) {
    const size_t n = probe_size(p);
    float *values = malloc(n * sizeof *values);
    if (!values) return no_memory(t->context);
    iv_status status = probe_read(p, values);
    if (status == IV_OK && t->right && !probe_agrees(p, t->right, values))
        status = iv_fail(iv_context_error(t->context), IV_EFAILED, "wrong results");
    if (status == IV_OK && !t->right)
        t->right = values;
    else
        free(values);
    return status;
}

static iv_status measure(trial *t, size_t value, double *seconds) {
    probe p = {.context = t->context};
    iv_status status = iv_kernel_set(t->context, t->row->kernel, t->row->name, value);
    if (status != IV_OK) return status;
    status = probe_open(t->context, t->kind, &p);
    if (status == IV_OK) status = look(t, &p);
    if (status == IV_OK) status = probe_time(&p, t->budget, seconds);
    probe_close(&p);
    return status;
}

/* A candidate that does not build or is wrong is skipped, and said so. */
static bool try_value(trial *t, size_t value, double *seconds) {
    const iv_tune_options *options = t->options;
    if (measure(t, value, seconds) == IV_OK) return true;
    char text[512];
    const size_t tried =
        value == IV_KERNEL_UNTUNED
            ? iv_kernel_default(iv_context_device(t->context), t->row->kernel, t->row->name)
            : value;
    snprintf(text, sizeof text, "%s.%s: %zu skipped: %.380s", t->row->kernel, t->row->name, tried,
             iv_context_error(t->context)->message);
    if (options->note) options->note(options->user, text);
    iv_error_clear(iv_context_error(t->context));
    return false;
}

/* That candidates from the i-th on were left for want of time. */
static void note_untried(const iv_tune_options *options, const iv_kernel_parameter *row, size_t i) {
    char values[128] = "", text[320];
    if (!options->note || iv_stop_is_asked(options->stop)) return;
    for (size_t at = 0; i < row->n_candidates && at < sizeof values; i++)
        at += (size_t)snprintf(values + at, sizeof values - at, " %zu", row->candidates[i]);
    snprintf(text, sizeof text, "%s.%s: no time was left to try%s", row->kernel, row->name, values);
    options->note(options->user, text);
}

/* Each candidate, then the winner and the number without tuning once more in turn. */
static bool tune_row(trial *t, iv_kernel_result *result) {
    const iv_kernel_parameter *row = t->row;
    double seconds;
    size_t best = IV_KERNEL_UNTUNED;
    if (!try_value(t, IV_KERNEL_UNTUNED, &result->untuned_seconds)) return false;
    result->best_seconds = result->untuned_seconds;
    for (size_t i = 0; i < row->n_candidates; i++) {
        if (row->candidates[i] == result->untuned) continue;
        if (is_over(t->options, t->deadline)) {
            note_untried(t->options, row, i);
            break;
        }
        if (!try_value(t, row->candidates[i], &seconds)) continue;
        if (seconds < result->best_seconds) {
            result->best_seconds = seconds;
            best = row->candidates[i];
        }
    }
    if (best != IV_KERNEL_UNTUNED && try_value(t, IV_KERNEL_UNTUNED, &seconds))
        result->untuned_seconds = fmin(result->untuned_seconds, seconds);
    if (best != IV_KERNEL_UNTUNED && try_value(t, best, &seconds))
        result->best_seconds = fmin(result->best_seconds, seconds);
    if (result->best_seconds * least_gain >= result->untuned_seconds) best = IV_KERNEL_UNTUNED;
    if (best == IV_KERNEL_UNTUNED) result->best_seconds = result->untuned_seconds;
    result->best = best == IV_KERNEL_UNTUNED ? result->untuned : best;
    return iv_kernel_set(t->context, row->kernel, row->name, best) == IV_OK;
}

iv_status iv_tune_kernels(iv_context *context, const iv_tune_options *options,
                          void (*result)(void *user, const iv_kernel_result *result)) {
    const iv_kernel_parameter *rows;
    const size_t n = iv_kernel_parameters(&rows);
    const double seconds = options->seconds > 0.0 ? options->seconds : 10.0;
    const double deadline = iv_seconds() + seconds;
    iv_status status = IV_OK;
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        const iv_kernel_parameter *row = &rows[i];
        if (is_over(options, deadline)) {
            note_untried(options, row, 0);
            continue;
        }
        trial t = {.context = context,
                   .options = options,
                   .row = row,
                   .kind = probe_of(row->kernel, row->name),
                   .deadline = deadline,
                   .budget = seconds / (double)(n * (IV_MAX_KERNEL_CANDIDATES + 2))};
        iv_kernel_result of = {
            .kernel = row->kernel,
            .name = row->name,
            .untuned = iv_kernel_default(iv_context_device(context), row->kernel, row->name)};
        if (tune_row(&t, &of)) {
            if (result) result(options->user, &of);
        } else {
            status = iv_kernel_set(context, row->kernel, row->name, IV_KERNEL_UNTUNED);
        }
        free(t.right);
    }
    const iv_status kept = iv_kernel_keep(context);
    return status == IV_OK ? kept : status;
}

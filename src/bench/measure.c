/* Timing one piece of work, and entering it into the report. */
#include "bench/bench.h"

#include "runtime/stop.h"

#include <invar/random.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sample is long against the clock and against what waiting for the device costs; samples are
 * many enough for quartiles to mean something. */
enum { LEAST_SAMPLES = 9, MOST_SAMPLES = 400, SAMPLES_AT_ANY_COST = 3, MOST_REPLAYS = 1000 };
static const double sample_seconds = 0.005, narrow_spread = 0.03, short_seconds = 0.3;

static iv_status replay_often(bench *b, bench_replay replay, void *state, size_t n, uint32_t *step,
                              double *seconds) {
    const double start = iv_seconds();
    iv_status status = IV_OK;
    for (size_t i = 0; i < n && status == IV_OK; i++) status = replay(state, (*step)++);
    if (status == IV_OK) status = iv_context_finish(b->context);
    *seconds = iv_seconds() - start;
    if (status == IV_OK && iv_stop_is_asked(b->options->stop))
        status = iv_fail(iv_context_error(b->context), IV_EINTERRUPTED, "interrupted");
    return status;
}

iv_status bench_time(bench *b, bench_replay replay, void *state, double limit,
                     iv_bench_statistics *statistics) {
    double samples[MOST_SAMPLES], once, taken;
    uint32_t step = 0;
    iv_status status =
        replay_often(b, replay, state, 1, &step, &once); /* may compile, map memory */
    if (status == IV_OK) status = replay_often(b, replay, state, 1, &step, &once);
    const double wanted = sample_seconds < limit / 20 ? sample_seconds : limit / 20;
    const double fit = ceil(wanted / once);
    const size_t n_replays = fit < 1 ? 1 : fit > MOST_REPLAYS ? MOST_REPLAYS : (size_t)fit;

    const double warm_until = iv_seconds() + limit / 10;
    while (status == IV_OK && iv_seconds() < warm_until)
        status = replay_often(b, replay, state, n_replays, &step, &taken);

    const double start = iv_seconds();
    for (size_t n = 0; n < MOST_SAMPLES && status == IV_OK;) {
        status = replay_often(b, replay, state, n_replays, &step, &taken);
        samples[n++] = taken / (double)n_replays;
        if (status != IV_OK || n < SAMPLES_AT_ANY_COST) continue;

        iv_bench_summarize(samples, n, statistics);
        const double elapsed = iv_seconds() - start;
        if (elapsed >= limit) break;
        if (n >= LEAST_SAMPLES && elapsed >= limit / 4 && statistics->spread < narrow_spread) break;
    }
    return status;
}

iv_status bench_time_item(bench *b, const char *name, bench_replay replay, void *state,
                          iv_bench_statistics *statistics) {
    if (b->options->started) b->options->started(b->options->state, name);
    return bench_time(b, replay, state, b->options->seconds, statistics);
}

/* What the work is compared with, measured shortly if the suite `peak` did not. */
static iv_status ensure_peak(bench *b, const bench_work *work) {
    const double seconds =
        b->options->seconds < short_seconds ? b->options->seconds : short_seconds;
    iv_bench_statistics s;
    double amount;
    iv_status status = IV_OK;
    if (work->flops > 0 && isnan(b->device.peak_gflops)) {
        status = bench_measure_flops(b, seconds, &s, &amount);
        if (status == IV_OK) b->device.peak_gflops = 1e-9 * amount / s.minimum;
    }
    if (status == IV_OK && work->bytes > 0 && isnan(b->device.peak_gb_per_s)) {
        status = bench_measure_bandwidth(b, "triad", seconds, &s, &amount);
        if (status == IV_OK) b->device.peak_gb_per_s = 1e-9 * amount / s.minimum;
    }
    return status;
}

/* Write what is measured so far, so that nothing is lost if a driver ends the process. */
static iv_status keep(const bench *b) {
    if (!b->options->json) return IV_OK;
    iv_error *error = iv_context_error(b->context);
    iv_bench_report so_far = *b->report;
    so_far.devices = malloc((b->report->n_devices + 1) * sizeof *so_far.devices);
    if (!so_far.devices) return iv_fail(error, IV_ENOMEM, "out of memory for results");
    if (b->report->n_devices)
        memcpy(so_far.devices, b->report->devices, b->report->n_devices * sizeof *so_far.devices);
    so_far.devices[so_far.n_devices++] = b->device;
    const iv_status status = iv_bench_report_write(&so_far, b->options->json, error);
    free(so_far.devices);
    return status;
}

iv_status bench_add(bench *b, const bench_work *work, const iv_bench_statistics *statistics,
                    bool best) {
    iv_status status = ensure_peak(b, work);
    if (status != IV_OK) return status;
    iv_bench_device *device = &b->device;
    if (device->n_items == b->n_capacity) {
        const size_t n = b->n_capacity ? 2 * b->n_capacity : 32;
        iv_bench_item *items = realloc(device->items, n * sizeof *items);
        if (!items)
            return iv_fail(iv_context_error(b->context), IV_ENOMEM, "out of memory for results");
        device->items = items;
        b->n_capacity = n;
    }

    const double seconds = best ? statistics->minimum : statistics->median;
    iv_bench_item *item = &device->items[device->n_items++];
    *item = (iv_bench_item){
        .higher_is_better = work->is_rate,
        .value = work->is_rate ? work->scale / seconds : work->scale * seconds,
        .spread = statistics->spread,
        .repetitions = statistics->n,
        .milliseconds = 1e3 * statistics->median,
        .percent_of_peak = work->flops > 0   ? 1e-7 * work->flops / seconds / device->peak_gflops
                           : work->bytes > 0 ? 1e-7 * work->bytes / seconds / device->peak_gb_per_s
                                             : NAN,
    };
    snprintf(item->name, sizeof item->name, "%s", work->name);
    snprintf(item->unit, sizeof item->unit, "%s", work->unit);
    status = keep(b);
    if (b->options->measured) b->options->measured(b->options->state, item);
    return status;
}

static iv_status replay_sequence(void *state, uint32_t step) {
    return iv_sequence_run(state, step);
}

iv_status bench_sequence(bench *b, const bench_work *work, iv_sequence *sequence) {
    iv_bench_statistics statistics;
    iv_status status = bench_time_item(b, work->name, replay_sequence, sequence, &statistics);
    if (status == IV_OK) status = bench_add(b, work, &statistics, false);
    return status == IV_OK ? bench_profile(b, sequence) : status;
}

iv_status bench_random_buffer(bench *b, uint32_t seed, size_t n, float bound, cl_mem *buffer) {
    iv_error *error = iv_context_error(b->context);
    size_t bytes;
    *buffer = NULL;
    iv_status status = iv_multiply_size(n, sizeof(float), &bytes, error);
    float *values = status == IV_OK ? malloc(bytes) : NULL;
    if (status == IV_OK && !values)
        status = iv_fail(error, IV_ENOMEM, "out of memory for a matrix");
    for (size_t i = 0; i < n && status == IV_OK; i += 4) {
        uint32_t words[4];
        iv_philox(seed, IV_STREAM_TEST, 0, (uint32_t)(i / 4), words);
        for (size_t k = 0; k < 4 && i + k < n; k++)
            values[i + k] = bound * iv_uniform_symmetric(words[k]);
    }
    if (status == IV_OK) status = iv_buffer_create(b->context, bytes, buffer);
    if (status == IV_OK) status = iv_buffer_write(b->context, *buffer, 0, bytes, values);
    free(values);
    return status;
}

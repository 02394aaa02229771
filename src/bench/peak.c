/* What the device can do, measured with kernels that do nothing else. Kernels: cl/bench.cl. */
#include "bench/bench.h"

#include <stdio.h>

/* Two multiply-add units of latency four or five are kept busy by ten chains, and ten accumulators
 * fit the sixteen vector registers of older CPUs. */
enum { CHAINS = 10, LAUNCHES = 1000 };
static const size_t largest_array_bytes = (size_t)256 << 20; /* far beyond any cache */

/* Floats a vector: a CPU's registers; scalars for a GPU's
 * arithmetic, short vectors for its memory. */
static unsigned vector_width(const iv_device_info *device, unsigned on_gpus) {
    if (device->type != IV_DEVICE_CPU) return on_gpus;
    const unsigned native = device->float_vector_width;
    return native >= 16 ? 16 : native >= 8 ? 8 : 4;
}

static iv_status replay_sequence(void *state, uint32_t step) {
    return iv_sequence_run(state, step);
}

/* ------------------------------------------------------------------ arithmetic */

/* With fma or with mad: compilers differ in which of the two becomes the device's own
 * instruction. */
static iv_status time_multiply_adds(bench *b, bool fused, double seconds,
                                    iv_bench_statistics *statistics, double *flops) {
    const iv_device_info *device = iv_context_device(b->context);
    const bool is_cpu = device->type == IV_DEVICE_CPU;
    const unsigned width = vector_width(device, 1);
    const size_t units = device->compute_units ? device->compute_units : 1;
    const size_t n_items = units * (is_cpu ? 16 : 64 * 64);
    const size_t iterations = is_cpu ? 16384 : 2048;
    *flops = 2.0 * CHAINS * width * (double)iterations * (double)n_items;

    iv_sequence *sequence = NULL;
    cl_mem out;
    char options[64];
    snprintf(options, sizeof options, "-DVW=%u -DCHAINS=%d%s", width, CHAINS,
             fused ? " -DFUSED" : "");
    iv_status status = iv_sequence_create(b->context, &sequence);
    if (status == IV_OK)
        status = iv_sequence_buffer(sequence, n_items * width * sizeof(float), &out);
    if (status == IV_OK) {
        iv_launch *launch = iv_launch_begin(sequence, "bench", "multiply_adds", options);
        iv_arg_buffer(launch, out);
        iv_arg_float(launch, 0.5f); /* the chains approach 2: no overflow, no denormals */
        iv_arg_float(launch, 1.0f);
        iv_arg_uint(launch, iterations);
        status = iv_launch_end(launch, 1, &n_items, is_cpu ? (const size_t[]){1} : NULL);
    }
    if (status == IV_OK) status = bench_time(b, replay_sequence, sequence, seconds, statistics);
    iv_sequence_destroy(sequence);
    return status;
}

iv_status bench_measure_flops(bench *b, double seconds, iv_bench_statistics *statistics,
                              double *flops) {
    iv_bench_statistics fused;
    iv_status status = time_multiply_adds(b, true, seconds / 2, &fused, flops);
    if (status == IV_OK) status = time_multiply_adds(b, false, seconds / 2, statistics, flops);
    if (status == IV_OK && fused.minimum < statistics->minimum) *statistics = fused;
    return status;
}

/* ------------------------------------------------------------------ memory */

iv_status bench_measure_bandwidth(bench *b, const char *kernel, double seconds,
                                  iv_bench_statistics *statistics, double *bytes) {
    const iv_device_info *device = iv_context_device(b->context);
    const unsigned width = vector_width(device, 4);
    const bool is_triad = kernel[0] == 't';
    size_t array_bytes = largest_array_bytes;
    if (array_bytes > device->max_alloc_bytes) array_bytes = device->max_alloc_bytes;
    if (array_bytes > device->global_bytes / 8) array_bytes = device->global_bytes / 8;
    const size_t n = array_bytes / (width * sizeof(float));
    const size_t n_arrays = is_triad ? 3 : 2;
    *bytes = (double)(n_arrays * n * width * sizeof(float));

    iv_sequence *sequence = NULL;
    cl_mem arrays[3];
    char options[64];
    snprintf(options, sizeof options, "-DVW=%u -DCHAINS=%d", width, CHAINS);
    iv_status status = iv_sequence_create(b->context, &sequence);
    for (size_t i = 0; i < n_arrays && status == IV_OK; i++) {
        status = iv_sequence_buffer(sequence, n * width * sizeof(float), &arrays[i]);
        if (status == IV_OK)
            status = iv_buffer_fill(b->context, arrays[i], 0, n * width * sizeof(float), 0);
    }
    if (status == IV_OK) {
        iv_launch *launch = iv_launch_begin(sequence, "bench", kernel, options);
        for (size_t i = 0; i < n_arrays; i++) iv_arg_buffer(launch, arrays[i]);
        if (is_triad) iv_arg_float(launch, 3.0f);
        iv_arg_uint(launch, n);
        status = iv_launch_end(launch, 1, &n, NULL);
    }
    if (status == IV_OK) status = bench_time(b, replay_sequence, sequence, seconds, statistics);
    iv_sequence_destroy(sequence);
    return status;
}

/* ------------------------------------------------------------------ launches */

static iv_status replay_and_wait(void *state, uint32_t step) {
    const iv_status status = iv_sequence_run(state, step);
    return status == IV_OK ? iv_context_finish(iv_sequence_context(state)) : status;
}

/* Launches that do nothing: each waited for, or many in a row. */
static iv_status measure_launches(bench *b, const char *name, size_t n_launches,
                                  bench_replay replay) {
    if (!bench_wants(b, name)) return IV_OK;
    const bench_work work = {.name = name, .unit = "us", .scale = 1e6 / (double)n_launches};
    iv_sequence *sequence = NULL;
    cl_mem out;
    iv_status status = iv_sequence_create(b->context, &sequence);
    if (status == IV_OK) status = iv_sequence_buffer(sequence, sizeof(float), &out);
    for (size_t i = 0; i < n_launches && status == IV_OK; i++) {
        iv_launch *launch = iv_launch_begin(sequence, "bench", "empty", "-DVW=1 -DCHAINS=1");
        iv_arg_buffer(launch, out);
        status = iv_launch_end(launch, 1, (const size_t[]){1}, (const size_t[]){1});
    }
    iv_bench_statistics statistics;
    if (status == IV_OK) status = bench_time_item(b, name, replay, sequence, &statistics);
    if (status == IV_OK) status = bench_add(b, &work, &statistics, false);
    iv_sequence_destroy(sequence);
    return status;
}

/* ------------------------------------------------------------------ the suite */

static iv_status measure_flops(bench *b) {
    static const char name[] = "peak/multiply-adds";
    if (!bench_wants(b, name)) return IV_OK;
    if (b->options->started) b->options->started(b->options->state, name);
    iv_bench_statistics statistics;
    double flops;
    const iv_status status = bench_measure_flops(b, b->options->seconds, &statistics, &flops);
    if (status != IV_OK) return status;
    b->device.peak_gflops = 1e-9 * flops / statistics.minimum;
    const bench_work work = {
        .name = name, .unit = "GFLOP/s", .is_rate = true, .scale = 1e-9 * flops};
    return bench_add(b, &work, &statistics, true);
}

static iv_status measure_bandwidth(bench *b, const char *name, const char *kernel) {
    if (!bench_wants(b, name)) return IV_OK;
    if (b->options->started) b->options->started(b->options->state, name);
    iv_bench_statistics statistics;
    double bytes;
    const iv_status status =
        bench_measure_bandwidth(b, kernel, b->options->seconds, &statistics, &bytes);
    if (status != IV_OK) return status;
    const double gb_per_s = 1e-9 * bytes / statistics.minimum;
    if (!(b->device.peak_gb_per_s >= gb_per_s)) b->device.peak_gb_per_s = gb_per_s;
    const bench_work work = {.name = name, .unit = "GB/s", .is_rate = true, .scale = 1e-9 * bytes};
    return bench_add(b, &work, &statistics, true);
}

iv_status bench_peak(bench *b) {
    iv_status status = measure_flops(b);
    if (status == IV_OK) status = measure_bandwidth(b, "peak/copy", "copy");
    if (status == IV_OK) status = measure_bandwidth(b, "peak/triad", "triad");
    if (status == IV_OK) status = measure_launches(b, "peak/launch-and-wait", 1, replay_and_wait);
    if (status == IV_OK)
        status = measure_launches(b, "peak/launch-in-a-row", LAUNCHES, replay_sequence);
    return status;
}

/* Inside the bench room: how it is split into files.
 *
 *   statistics.c  median, quartiles
 *   measure.c     timing one piece of work, and its place in the report
 *   suites.c      the table of suites; which items are asked for
 *   peak.c gemm.c svd.c jacobian.c convolution.c step.c input.c   a suite each
 *   profile.c     which kernels an item's time goes to
 *   report.c      reports and their JSON
 *   compare.c     ratios and their table
 *   chart.c       ratios as SVG */
#ifndef INVAR_BENCH_BENCH_H
#define INVAR_BENCH_BENCH_H

#include <invar/bench.h>

/* An item of a trace. */
typedef struct {
    char name[72];
    iv_profile profile;
} bench_track;

/* Measuring on one device. */
typedef struct {
    iv_context *context;
    const iv_bench_options *options;
    const iv_bench_report *report; /* of the devices before this one */
    iv_bench_device device;        /* what is measured so far */
    size_t n_capacity;             /* items that fit */
    bool *found;                   /* [options->n_names] whether an item fits the name */
    bench_track *tracks;           /* [n_tracks] of the trace, if one is wanted */
    size_t n_tracks;
} bench;

/* Whether the user asked for an item of this name. */
bool bench_wants(bench *b, const char *item);

/* What one replay of a piece of work means. */
typedef struct {
    const char *name, *unit;
    bool is_rate; /* the value is scale / seconds; else scale * seconds */
    double scale;
    double flops, bytes; /* per replay, compared with the device's peak; 0: not compared */
} bench_work;

/* Enqueue one replay; does not wait. */
typedef iv_status (*bench_replay)(void *state, uint32_t step);

/* Seconds of one replay: warm up, then repeat for at most `seconds`. */
iv_status bench_time(bench *b, bench_replay replay, void *state, double seconds,
                     iv_bench_statistics *statistics);

/* Announce, time for the seconds that the user allows. */
iv_status bench_time_item(bench *b, const char *name, bench_replay replay, void *state,
                          iv_bench_statistics *statistics);

/* Enter a measurement into the report. `best`: the value is of the fastest repetition. */
iv_status bench_add(bench *b, const bench_work *work, const iv_bench_statistics *statistics,
                    bool best);

/* Show and keep the profile of the last item, whose replay this is, if the options ask for it. */
iv_status bench_profile(bench *b, iv_sequence *sequence);
void bench_clear_tracks(bench *b);

/* Time, enter and profile a sequence. */
iv_status bench_sequence(bench *b, const bench_work *work, iv_sequence *sequence);

/* A buffer of n floats, uniform on +-bound; drawn from `seed`. */
iv_status bench_random_buffer(bench *b, uint32_t seed, size_t n, float bound, cl_mem *buffer);

/* The device's FLOP/s and bytes a second, measured for at most `seconds`. */
iv_status bench_measure_flops(bench *b, double seconds, iv_bench_statistics *statistics,
                              double *flops);
iv_status bench_measure_bandwidth(bench *b, const char *kernel, double seconds,
                                  iv_bench_statistics *statistics, double *bytes);

/* Shared by the comparisons. */
const iv_bench_item *bench_find(const iv_bench_device *device, const char *name); /* or NULL */
const char *bench_label(const iv_bench_column *column);
iv_status bench_check_columns(const iv_bench_column *columns, size_t n_columns, iv_error *error);

iv_status bench_peak(bench *b);
iv_status bench_gemm(bench *b);
iv_status bench_svd(bench *b);
iv_status bench_jacobian(bench *b);
iv_status bench_convolution(bench *b);
iv_status bench_step(bench *b);
iv_status bench_input(bench *b);

#endif

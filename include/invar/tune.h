/* The tuner: which engine of iv_gemm, with which parameters, is fastest on a device.
 *
 * It measures the products that the studies are made of, checks every result against a product in
 * double precision on the host, and keeps the winners in the user's cache directory, for this
 * device, driver, platform and version of Invar. Contexts made later use them (once a context, at
 * its first product).
 *
 * A winner belongs to a class of products: rows, columns and depth in steps of half an octave, and
 * the transposes. The number of members is no part of it, so a member gets the same bits in any
 * population, before and after others join it. Tuning may change the last bits of results. */
#ifndef INVAR_TUNE_H
#define INVAR_TUNE_H

#include <invar/linalg.h>

#include <signal.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One product as measured: op(A) [m, k] times op(B) [k, n], and the best way to compute it. */
typedef struct {
    size_t m, n, k;
    bool transpose_a, transpose_b;
    char untuned[64];       /* engine and parameters without tuning, "panel 8x3x16" */
    char best[64];          /* the fastest that was measured */
    double untuned_seconds; /* per member */
    double best_seconds;
    double gflops;       /* of the best */
    size_t n_candidates; /* that were measured and right */
} iv_tune_result;

typedef struct {
    double seconds; /* to spend, about; what does not fit is left as it is. 60 if 0 */
    /* Told as it happens; either may be NULL. `note` hears of every candidate that does not build,
     * is refused by the driver, or computes something wrong and is skipped, and of what there was no time
     * for. */
    void (*result)(void *user, const iv_tune_result *result);
    void (*note)(void *user, const char *text);
    void *user;
    /* NULL, or set to nonzero to stop early and keep what was found. */
    const volatile sig_atomic_t *stop;
} iv_tune_options;

/* Measure and store. The context itself goes on with the winners.
 * CLBlast's parameters are tried on the device of the whole process and cannot be restored to the
 * installed ones: tune in a process of its own, as `invar tune` does.
 * IV_EFAILED if no engine gives a right result; a product for which the budget was too short keeps
 * its default. */
iv_status iv_tune(iv_context *context, const iv_tune_options *options);

/* ------------------------------------------------------------------ other kernels */

enum { IV_MAX_KERNEL_CANDIDATES = 8, IV_MAX_KERNEL_PARAMETERS = 64 };

/* A number that a kernel is built or launched with: how it divides its work. */
typedef struct {
    const char *kernel, *name;                   /* a file of cl/ without ending, and the number */
    size_t cpu, gpu;                             /* without tuning */
    size_t candidates[IV_MAX_KERNEL_CANDIDATES]; /* to try */
    size_t n_candidates;
    const char *meaning;
} iv_kernel_parameter;

/* All of them, in the order of their names. Returns how many. */
size_t iv_kernel_parameters(const iv_kernel_parameter **rows);

/* The number in use on the context's device: the tuner's, else the device's kind's. The row has to
 * exist. */
size_t iv_kernel_value(iv_context *context, const char *kernel, const char *name);

/* The number without tuning. */
size_t iv_kernel_default(const iv_device_info *device, const char *kernel, const char *name);

#define IV_KERNEL_UNTUNED SIZE_MAX

/* Use one of the candidates in this context from now on, in what is compiled later;
 * IV_KERNEL_UNTUNED: the number without tuning. IV_EINVAL for another value. */
iv_status iv_kernel_set(iv_context *context, const char *kernel, const char *name, size_t value);

/* Store what this context uses, for contexts made later. */
iv_status iv_kernel_keep(iv_context *context);

/* Seconds of a run of a sequence: the least of a few within about `budget` seconds. */
iv_status iv_tune_time(iv_context *context, iv_sequence *sequence, double budget, double *seconds);

#ifdef __cplusplus
}
#endif

#endif

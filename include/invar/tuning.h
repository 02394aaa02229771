/* The tuner of kernels' numbers, all that stand in iv_kernel_parameters (invar/tune.h), and the
 * self-test of a device. */
#ifndef INVAR_TUNING_H
#define INVAR_TUNING_H

#include <invar/tune.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A number of a kernel and its best value. */
typedef struct {
    const char *kernel, *name;
    size_t untuned, best;
    double untuned_seconds, best_seconds; /* of one launch for all members measured */
} iv_kernel_result;

/* Try every candidate on a small piece of work around its kernel, at the studies' sizes, and store
 * the winners: the fastest whose results are those without tuning, but for rounding, and that beats
 * it by more than a clock wavers. What the time is too short for keeps its number, and `note` hears
 * of it. `seconds` of the options are spent on this alone; `result` of theirs is not called, this one
 * is, unless it is NULL. */
iv_status iv_tune_kernels(iv_context *context, const iv_tune_options *options,
                          void (*result)(void *user, const iv_kernel_result *result));

/* ------------------------------------------------------------------ the self-test */

typedef enum {
    IV_TEST_RIGHT,
    IV_TEST_WRONG,  /* it ran, and its result is another one */
    IV_TEST_FAILED, /* it does not build, does not fit the device, or failed while running */
} iv_test_outcome;

typedef struct {
    const char *part; /* of the library: "products, forward" */
    iv_test_outcome outcome;
    const char *problem; /* "" if right; lives as long as the call of `result` */
    double seconds;
} iv_test_result;

/* Run the kernels of the studies on small work of known results, and tell each part's outcome as it
 * happens. Random numbers are compared with the host's bit for bit; products, singular values and
 * Cholesky factors with double precision on the host, within the bounds of their rounding errors;
 * the others with themselves in another form, one of the tuner's candidates, within 1e-4 of the
 * largest entry.
 *
 * n_right   out, how many parts are right
 *
 * IV_EFAILED, with how many of how many, if a part is not; parts after it are tested all the same. */
iv_status iv_device_test(iv_context *context,
                         void (*result)(void *user, const iv_test_result *result), void *user,
                         size_t *n_right);

#ifdef __cplusplus
}
#endif

#endif

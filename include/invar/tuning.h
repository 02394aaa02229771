/* The tuner of kernels' numbers: all that stand in iv_kernel_parameters (invar/tune.h). */
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

#ifdef __cplusplus
}
#endif

#endif

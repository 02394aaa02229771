/* What the tests of signals share: data sets on the device, and the same on the host in double
 * precision, from the draws as invar/signal.h describes them. */
#ifndef INVAR_TESTS_GRAPH_SIGNALS_H
#define INVAR_TESTS_GRAPH_SIGNALS_H

#include "examples.h"
#include "oracles.h"

#include "graph/signal.h"

enum { N_SETS = 2, FIRST_SIGNAL = 3 };

/* Members 0 and 1 are alike in everything; 2 has the other data set, 3 another seed. */
uint32_t member_seed(const trial *t, size_t member);
size_t member_set(const trial *t, size_t member);

/* Signal number i of a set as the trial has it.  x [d] */
void known_signal(size_t set, size_t i, size_t d, float *x);

/* int [d] */
void known_cycle(size_t set, size_t d, int32_t *cycle);

/* A code and bounds on the errors of a device's.  value, error [iv_code_size]. */
void known_code(const float *x, size_t d, iv_code code, double *value, double *error);

/* Squared distance of two signals and a bound on the error of a device's. The first `same` entries
 * are known to be a copy. */
double known_distance(iv_distortion distortion, const float *x, const float *y, size_t d,
                      const int32_t *cycle, size_t same, double *error);

/* N_SETS sets with codes (if `code` is not NULL) and a source of batches for the trial's members,
 * all owned by the trial; *set must stay until the batch has been built. */
iv_signal_source trial_signals(trial *t, size_t count, size_t d, const iv_code *code, bool shuffle,
                               bool fresh, iv_signal_set *set);

/* NULL unless the distortion needs cycles. */
cl_mem trial_cycles(trial *t, iv_distortion distortion, size_t d);

/* IV_EINVAL, with `part` in the message, which is then forgotten. */
void assert_refused(trial *t, iv_status status, const char *part);

#endif

/* A Newton step of natural gradients and of a learned prior in double precision, for the tests. */
#ifndef INVAR_TESTS_TRAIN_NEWTON_ORACLE_H
#define INVAR_TESTS_TRAIN_NEWTON_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLASSES = 3, N_DATA = 20 };

/* One member: what data say, A and b, and the q that follows. */
typedef struct {
    size_t n, rows;
    double *matrices, *sums;               /* A [C, H, H], b [C, H] */
    double *precisions, *covariances;      /* [C, H, H] */
    double *means, *largest_errors;        /* [C, H]; [C] of the covariances, in the 2-norm */
    double mean_error, alpha, kl, n_shown; /* the data that q is of */
} known;

/* Steps of `rows` rows, from L = deviation I. */
known known_begin(size_t n, size_t rows, double deviation, double alpha);
void known_end(known *k);

/* KL(q || prior) by the covariances. */
double known_kl(const known *k);

/* Step number `step` of the schedule {.rate = 0.4, .hold = 2, .least = 0.3}. Returns whether the means
 * moved less far than b says. */
bool known_step(known *k, uint32_t step, const float *features, const float *curvatures,
                const float *gradients, double damping, double alpha_of_device, double trust);

#endif

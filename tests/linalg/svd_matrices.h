/* Matrices that are hard on singular value decompositions, each in its own way. */
#ifndef INVAR_TESTS_SVD_MATRICES_H
#define INVAR_TESTS_SVD_MATRICES_H

#include <stddef.h>
#include <stdint.h>

/* Fill a [m, n]. `state` is that of a random number generator and moves on. */
typedef void (*fill_function)(float *a, size_t m, size_t n, uint64_t *state);

void fill_random(float *a, size_t m, size_t n, uint64_t *state); /* standard normal entries */
void fill_zero(float *a, size_t m, size_t n, uint64_t *state);
void fill_deficient(float *a, size_t m, size_t n, uint64_t *state); /* rank 1 + min(m, n) / 3 */
void fill_duplicate_rows(float *a, size_t m, size_t n, uint64_t *state);
void fill_zero_rows_and_columns(float *a, size_t m, size_t n, uint64_t *state);

/* Rows shrink by a factor of 1e8 from first to last: condition about 1e8. */
void fill_graded(float *a, size_t m, size_t n, uint64_t *state);

/* Rows between 1e-20 and 1e20, in no order. */
void fill_extreme(float *a, size_t m, size_t n, uint64_t *state);

/* All entries so large, or so small, that their squares are not floats. */
void fill_huge(float *a, size_t m, size_t n, uint64_t *state);
void fill_minute(float *a, size_t m, size_t n, uint64_t *state);

/* A Householder reflection of the larger side, cut to [m, n]: all singular values are 1. */
void fill_orthogonal(float *a, size_t m, size_t n, uint64_t *state);

#endif

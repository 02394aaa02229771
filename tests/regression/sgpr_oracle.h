/* The oracle of sparse Gaussian process regression, and problems to try it on. */
#ifndef INVAR_TESTS_REGRESSION_SGPR_ORACLE_H
#define INVAR_TESTS_REGRESSION_SGPR_ORACLE_H

#include "regression/sgpr.h"

/* Points x around (3, 3, ...), and the number of the nearest of C random centres as their label. */
typedef struct {
    size_t n, n_test, columns, n_classes, m;
    size_t iterations; /* of training */
    float *x;          /* [n + n_test, columns] */
    uint8_t *labels;
} sgpr_problem;

/* Problem `number`, with n / 5 + 1 test rows; one of the usual size. */
sgpr_problem sgpr_problem_new(uint32_t number, size_t n, size_t columns, size_t n_classes,
                              size_t m);
sgpr_problem sgpr_problem_usual(uint32_t number, size_t columns);
void sgpr_problem_free(sgpr_problem *p);

/* The bound sum_c log N(y_c | 0, Q + s I) - C/2s tr(K_ff - Q); predicted [n_test, C]:
 * Q_*f (Q + s I)^-1 Y + 1/C, or NULL. */
double sgpr_oracle(const sgpr_problem *p, const int32_t *inducing, const sgpr_hyper *h,
                   double *predicted);

#endif

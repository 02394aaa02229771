/* Problems for sparse Gaussian process regression, and the textbook's formulas in double precision,
 * with matrices of N x N. */
#include "sgpr_oracle.h"

#include "../kit/kit.h"

#include <invar/random.h>

#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ problems */

sgpr_problem sgpr_problem_new(uint32_t number, size_t n, size_t columns, size_t n_classes,
                              size_t m) {
    sgpr_problem p = {.n = n,
                      .n_test = n / 5 + 1,
                      .columns = columns,
                      .n_classes = n_classes,
                      .m = m,
                      .iterations = 50};
    const size_t rows = p.n + p.n_test + n_classes;
    p.x = calloc(rows * columns, sizeof *p.x);
    p.labels = calloc(rows, 1);
    assert_non_null(p.x);
    assert_non_null(p.labels);
    for (size_t i = 0; i < rows * columns; i++) {
        uint32_t words[4];
        float normal[2];
        iv_philox(number, IV_STREAM_TEST, 0, (uint32_t)i, words);
        iv_normal(words[0], words[1], normal);
        p.x[i] = 3.0f + normal[0];
    }
    const float *centres = p.x + (p.n + p.n_test) * columns;
    for (size_t i = 0; i < p.n + p.n_test; i++) {
        double nearest = INFINITY;
        for (size_t c = 0; c < n_classes; c++) {
            double square = 0.0;
            for (size_t j = 0; j < columns; j++)
                square += pow((double)p.x[i * columns + j] - centres[c * columns + j], 2.0);
            if (square < nearest) p.labels[i] = (uint8_t)c;
            nearest = fmin(nearest, square);
        }
    }
    return p;
}

void sgpr_problem_free(sgpr_problem *p) {
    free(p->x);
    free(p->labels);
}

sgpr_problem sgpr_problem_usual(uint32_t number, size_t columns) {
    return is_small_run() ? sgpr_problem_new(number, 45, columns, 3, 10)
                          : sgpr_problem_new(number, 300, columns, 10, 40);
}

/* ------------------------------------------------------------------ the oracle */

static double *new_doubles(size_t n) {
    double *values = calloc(n, sizeof *values);
    assert_non_null(values);
    return values;
}

static double kernel(const sgpr_problem *p, const sgpr_hyper *h, size_t row_a, size_t row_b) {
    double square = 0.0;
    for (size_t j = 0; j < p->columns; j++)
        square += pow((double)p->x[row_a * p->columns + j] - p->x[row_b * p->columns + j], 2.0);
    return h->variance * exp(-0.5 * square / (h->lengthscale * h->lengthscale));
}

/* Q [n + n_test, n] = K_fu (K_uu + jitter v I)^-1 K_uf, for test rows too. */
static double *low_rank(const sgpr_problem *p, const int32_t *inducing, const sgpr_hyper *h) {
    const size_t m = p->m, rows = p->n + p->n_test;
    double *uu = new_doubles(m * m), *uf = new_doubles(m * rows), *solved = new_doubles(m * rows);
    double *q = new_doubles(rows * p->n);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < m; j++)
            uu[i * m + j] = kernel(p, h, (size_t)inducing[i], (size_t)inducing[j]);
        uu[i * m + i] += SGPR_JITTER * h->variance;
        for (size_t j = 0; j < rows; j++) uf[i * rows + j] = kernel(p, h, (size_t)inducing[i], j);
    }
    memcpy(solved, uf, m * rows * sizeof *uf);
    assert_int_equal(
        LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', (int)m, (int)rows, uu, (int)m, solved, (int)rows), 0);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < p->n; j++)
            for (size_t k = 0; k < m; k++)
                q[i * p->n + j] += uf[k * rows + i] * solved[k * rows + j];
    free(uu);
    free(uf);
    free(solved);
    return q;
}

double sgpr_oracle(const sgpr_problem *p, const int32_t *inducing, const sgpr_hyper *h,
                   double *predicted) {
    const size_t n = p->n, n_classes = p->n_classes;
    double *q = low_rank(p, inducing, h), *covariance = new_doubles(n * n);
    double *y = new_doubles(n * n_classes), *solved = new_doubles(n * n_classes);
    double trace = 0.0, log_determinant = 0.0, square = 0.0;
    memcpy(covariance, q, n * n * sizeof *q);
    for (size_t i = 0; i < n; i++) {
        trace += h->variance - q[i * n + i];
        covariance[i * n + i] += h->noise;
        for (size_t c = 0; c < n_classes; c++)
            y[i * n_classes + c] = (p->labels[i] == c ? 1.0 : 0.0) - 1.0 / (double)n_classes;
    }
    memcpy(solved, y, n * n_classes * sizeof *y);
    assert_int_equal(LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', (int)n, (int)n_classes, covariance,
                                   (int)n, solved, (int)n_classes),
                     0);
    for (size_t i = 0; i < n; i++) log_determinant += 2.0 * log(covariance[i * n + i]);
    for (size_t i = 0; i < n * n_classes; i++) square += y[i] * solved[i];
    for (size_t i = 0; predicted && i < p->n_test; i++)
        for (size_t c = 0; c < n_classes; c++) {
            double sum = 1.0 / (double)n_classes;
            for (size_t j = 0; j < n; j++) sum += q[(n + i) * n + j] * solved[j * n_classes + c];
            predicted[i * n_classes + c] = sum;
        }
    free(q);
    free(covariance);
    free(y);
    free(solved);
    const double outputs = (double)n_classes;
    return -0.5 * outputs * ((double)n * log(2.0 * 3.14159265358979323846) + log_determinant) -
           0.5 * square - 0.5 * outputs * trace / h->noise;
}

#include "svd_matrices.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Uniform on (0, 1), from the 64-bit generator of Knuth's MMIX. */
static double uniform(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t *state) {
    const double radius = sqrt(-2.0 * log(uniform(state)));
    return radius * cos(6.283185307179586 * uniform(state));
}

void fill_random(float *a, size_t m, size_t n, uint64_t *state) {
    for (size_t i = 0; i < m * n; i++) a[i] = (float)normal(state);
}

void fill_zero(float *a, size_t m, size_t n, uint64_t *state) {
    (void)state;
    memset(a, 0, m * n * sizeof *a);
}

void fill_deficient(float *a, size_t m, size_t n, uint64_t *state) {
    const size_t rank = 1 + (m < n ? m : n) / 3;
    fill_zero(a, m, n, state);
    for (size_t r = 0; r < rank; r++) {
        uint64_t column_start = *state + 77 * (r + 1);
        for (size_t i = 0; i < m; i++) {
            const double left = normal(state);
            uint64_t column_state = column_start;
            for (size_t j = 0; j < n; j++) a[i * n + j] += (float)(left * normal(&column_state));
        }
    }
}

void fill_graded(float *a, size_t m, size_t n, uint64_t *state) {
    for (size_t i = 0; i < m; i++) {
        const double size = pow(10.0, -8.0 * (double)i / (double)m);
        for (size_t j = 0; j < n; j++) a[i * n + j] = (float)(size * normal(state));
    }
}

void fill_extreme(float *a, size_t m, size_t n, uint64_t *state) {
    for (size_t i = 0; i < m; i++) {
        const double size = pow(10.0, 40.0 * (double)(i * 7 % m) / (double)m - 20.0);
        for (size_t j = 0; j < n; j++) a[i * n + j] = (float)(size * normal(state));
    }
}

void fill_huge(float *a, size_t m, size_t n, uint64_t *state) {
    for (size_t i = 0; i < m * n; i++) a[i] = (float)(1e36 * (uniform(state) - 0.5));
}

void fill_minute(float *a, size_t m, size_t n, uint64_t *state) {
    for (size_t i = 0; i < m * n; i++) a[i] = (float)(1e-34 * (1.0 + uniform(state)));
}

void fill_duplicate_rows(float *a, size_t m, size_t n, uint64_t *state) {
    fill_random(a, m, n, state);
    for (size_t i = 1; i < m; i++) {
        if (i % 3 != 0) memcpy(a + i * n, a + (i - 1) * n, n * sizeof *a);
    }
}

void fill_zero_rows_and_columns(float *a, size_t m, size_t n, uint64_t *state) {
    fill_random(a, m, n, state);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            if (i % 3 == 0 || j % 2 == 0) a[i * n + j] = 0.0f;
        }
    }
}

void fill_orthogonal(float *a, size_t m, size_t n, uint64_t *state) {
    const size_t l = m > n ? m : n;
    double *v = calloc(l, sizeof *v), square = 0.0;
    if (!v) abort();
    for (size_t i = 0; i < l; i++) {
        v[i] = normal(state);
        square += v[i] * v[i];
    }
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            a[i * n + j] = (float)((i == j) - 2.0 * v[i] * v[j] / square);
        }
    }
    free(v);
}

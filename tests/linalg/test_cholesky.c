/* Cholesky factors and triangular solves against double precision and LAPACK. */
#include "../kit/device.h"

#include <invar/linalg.h>
#include <invar/random.h>

#include <lapacke.h>
#include <math.h>
#include <string.h>

#define UNIT_ROUNDOFF 5.96e-8

static cl_mem put(const program *f, iv_sequence *sequence, const float *values, size_t n) {
    return sequence_upload(f->context, sequence, values, n * sizeof *values);
}

/* Uniform on [-1, 1). */
static void draw(program *f, float *values, size_t n) {
    f->n_draws++;
    for (size_t i = 0; i < n; i++) {
        uint32_t words[4];
        iv_philox(7, IV_STREAM_TEST, f->n_draws, (uint32_t)i, words);
        values[i] = iv_uniform_symmetric(words[0]);
    }
}

/* A = R R^T / n + I / 100, rows lda apart: symmetric positive definite with a condition number of
 * a hundred or so. Above the diagonal, and past the end of rows, NaN, which nothing may read. */
static void make_positive_definite(program *f, float *a, size_t n, size_t lda) {
    float *root = new_floats(n * n);
    draw(f, root, n * n);
    for (size_t i = 0; i < n * lda; i++) a[i] = NAN;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = i == j ? 0.01 * (double)n : 0.0;
            for (size_t k = 0; k < n; k++) sum += (double)root[i * n + k] * root[j * n + k];
            a[i * lda + j] = (float)(sum / (double)n);
        }
    free(root);
}

/* ------------------------------------------------------------------ factors */

/* a [batch, n, lda] in place. Returns what iv_cholesky_check does. */
static iv_status factorise(program *f, float *a, size_t n, size_t lda, size_t batch) {
    iv_sequence *sequence = begin_sequence(f);
    cl_mem failed;
    assert_ok(f->context, iv_sequence_buffer(sequence, batch * sizeof(cl_int), &failed));
    const cl_mem buffer = put(f, sequence, a, batch * n * lda);
    const iv_cholesky_desc desc = {
        .n = n, .batch = batch, .lda = lda, .a = {buffer, 0, n * lda}, .failed = {failed, 0, 1}};
    assert_ok(f->context, iv_cholesky(sequence, &desc));
    assert_ok(f->context, iv_sequence_run(sequence, 0));
    assert_ok(f->context, iv_buffer_read(f->context, buffer, 0, batch * n * lda * sizeof *a, a));
    const iv_status status = iv_cholesky_check(f->context, &desc, "the test's matrix");
    end_sequence(f, sequence);
    return status;
}

/* |L L^T - A| <= (n + 1) u |L| |L^T| / (1 - (n + 1) u), entry by entry: Higham 2002, theorem 10.3.
 * With a positive diagonal there is one such L, so that nothing else need be compared; the factor
 * of LAPACK, though, tells an error of this test from one of the factor. */
static void assert_factor(const float *a, const float *l, size_t n, size_t lda) {
    double *reference = new_doubles(n * n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) reference[i * n + j] = a[i * lda + j];
    assert_int_equal(LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'L', (int)n, reference, (int)n), 0);
    const double gamma = 1.01 * (double)(n + 1) * UNIT_ROUNDOFF;
    for (size_t i = 0; i < n; i++) {
        assert_true(l[i * lda + i] > 0.0f);
        for (size_t j = 0; j < n; j++) {
            if (j > i) {
                assert_true(l[i * lda + j] == 0.0f);
                continue;
            }
            double product = 0.0, magnitude = 0.0;
            for (size_t k = 0; k <= j; k++) {
                const double term = (double)l[i * lda + k] * l[j * lda + k];
                product += term;
                magnitude += fabs(term);
            }
            if (!(fabs(product - a[i * lda + j]) <= gamma * magnitude))
                fail_msg("n %zu: entry (%zu, %zu) of L L^T is %.9g, of A %.9g", n, i, j, product,
                         a[i * lda + j]);
            /* a condition number of some hundred: 1e-3 is far above any rounding error */
            if (!(fabs(l[i * lda + j] - reference[i * n + j]) <= 1e-3))
                fail_msg("n %zu: entry (%zu, %zu) of L is %.9g, of LAPACK's %.9g", n, i, j,
                         l[i * lda + j], reference[i * n + j]);
        }
    }
    free(reference);
}

static void check_factor(program *f, size_t n, size_t lda, size_t batch) {
    float *a = new_floats(batch * n * lda), *l = new_floats(batch * n * lda);
    for (size_t r = 0; r < batch; r++) make_positive_definite(f, a + r * n * lda, n, lda);
    memcpy(l, a, batch * n * lda * sizeof *a);
    assert_ok(f->context, factorise(f, l, n, lda, batch));
    for (size_t r = 0; r < batch; r++) {
        const float *factor = l + r * n * lda;
        assert_factor(a + r * n * lda, factor, n, lda);
        for (size_t i = 0; i < n; i++)
            for (size_t j = n; j < lda; j++) assert_true(isnan(factor[i * lda + j]));
    }
    free(a);
    free(l);
}

static void factor_times_its_transpose_is_the_matrix(void **state) {
    program *f = *state;
    check_factor(f, 1, 1, 2);
    check_factor(f, 5, 7, 3);
    check_factor(f, 65, 66, 1);
    if (is_small_run()) return;
    check_factor(f, 64, 64, 1);
    check_factor(f, 65, 66, 2);
    check_factor(f, 2, 2, 1);
    check_factor(f, 63, 63, 2);
    check_factor(f, 127, 127, 1);
    check_factor(f, 128, 128, 1);
    check_factor(f, 129, 130, 2);
    check_factor(f, 200, 200, 3);
    check_factor(f, 333, 340, 1);
}

static void matrix_is_factored_alike_alone_and_in_a_batch(void **state) {
    program *f = *state;
    const size_t n = is_small_run() ? 9 : 70, size = n * n;
    float *many = new_floats(3 * size), *one = new_floats(size);
    for (size_t r = 0; r < 3; r++) make_positive_definite(f, many + r * size, n, n);
    memcpy(one, many + size, size * sizeof *one);
    assert_ok(f->context, factorise(f, many, n, n, 3));
    assert_ok(f->context, factorise(f, one, n, n, 1));
    assert_memory_equal(one, many + size, size * sizeof *one);
    free(many);
    free(one);
}

/* A = I with one entry of the diagonal changed, in the second of two matrices. */
static void assert_refused(program *f, size_t n, size_t pivot, float value) {
    float *a = new_floats(2 * n * n);
    char expected[32];
    for (size_t i = 0; i < 2 * n; i++) a[i * n + i % n] = 1.0f;
    a[(n + pivot) * n + pivot] = value;
    assert_int_equal(factorise(f, a, n, n, 2), IV_EFAILED);
    const char *message = iv_context_error(f->context)->message;
    snprintf(expected, sizeof expected, "pivot %zu ", pivot + 1);
    assert_non_null(strstr(message, expected));
    assert_non_null(strstr(message, "the test's matrix"));
    iv_error_clear(iv_context_error(f->context));
    free(a);
}

static void matrix_that_is_not_positive_definite_is_refused(void **state) {
    program *f = *state;
    assert_refused(f, 1, 0, -1.0f);
    assert_refused(f, 3, 1, 0.0f);
    assert_refused(f, 3, 2, NAN);
    assert_refused(f, 3, 2, INFINITY);
    if (is_small_run()) return;
    assert_refused(f, 70, 3, -1.0f); /* what follows is NaN, and must not be reported instead */
    assert_refused(f, 70, 68, -1e-3f);
}

/* Of A = [1 2; 2 1] every entry of the diagonal is positive; the second pivot is 1 - 4. */
static void indefinite_matrix_with_positive_diagonal_is_refused(void **state) {
    program *f = *state;
    float a[4] = {1.0f, 2.0f, 2.0f, 1.0f};
    assert_int_equal(factorise(f, a, 2, 2, 1), IV_EFAILED);
    assert_non_null(strstr(iv_context_error(f->context)->message, "pivot 2 "));
    iv_error_clear(iv_context_error(f->context));
}

static void impossible_descriptions_are_refused(void **state) {
    program *f = *state;
    const float zeros[4] = {0};
    iv_sequence *sequence = begin_sequence(f);
    const iv_view view = {put(f, sequence, zeros, 4), 0, 4}, none = {NULL, 0, 0};
    const iv_cholesky_desc factors[] = {
        {0, 1, 2, view, view}, {2, 0, 2, view, view}, {2, 1, 1, view, view}, {2, 1, 2, none, view}};
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        assert_int_equal(iv_cholesky(sequence, &factors[i]), IV_EINVAL);
        iv_error_clear(iv_context_error(f->context));
    }
    const iv_triangular_desc preparation = {2, 1, 1, view, view};
    assert_int_equal(iv_triangular_prepare(sequence, &preparation), IV_EINVAL);
    iv_error_clear(iv_context_error(f->context));
    assert_int_equal(iv_triangular_inverse(sequence, &preparation), IV_EINVAL);
    iv_error_clear(iv_context_error(f->context));
    const iv_triangular_solve_desc solves[] = {{2, 0, 1, false, view, view, view, 2, 2},
                                               {2, 1, 1, false, view, view, view, 1, 2},
                                               {2, 1, 1, false, view, view, none, 2, 2}};
    for (size_t i = 0; i < sizeof solves / sizeof *solves; i++) {
        assert_int_equal(iv_triangular_solve(sequence, &solves[i]), IV_EINVAL);
        iv_error_clear(iv_context_error(f->context));
    }
    end_sequence(f, sequence);
}

/* ------------------------------------------------------------------ solves */

/* y = |A| x or |A^T| x for lower triangular A. */
static void apply_magnitudes(const double *a, size_t n, bool transpose, const double *x,
                             double *y) {
    for (size_t i = 0; i < n; i++) y[i] = 0.0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            if (transpose)
                y[j] += fabs(a[i * n + j]) * x[i];
            else
                y[i] += fabs(a[i * n + j]) * x[j];
        }
}

/* One row of X against substitution in double precision. Substitution alone errs by at most
 * n u |L^-1| |L| |x|, entry by entry (Higham 2002, theorem 8.5). Where a block's inverse is used,
 * it comes with an error of its own, n u |L^-1| |L| |L^-1| (section 14.2), that is multiplied with
 * what is at most |L| |x|. Both are below n u |L^-1| |L| |L^-1| |L| |x|. */
static void assert_row(const double *l, const double *inverse, size_t n, bool transpose,
                       const float *b, const float *x, double *work) {
    double *exact = work, *one = work + n, *other = work + 2 * n;
    for (size_t step = 0; step < n; step++) {
        const size_t i = transpose ? n - 1 - step : step;
        double rest = b[i];
        for (size_t k = 0; k < step; k++) {
            const size_t j = transpose ? n - 1 - k : k;
            rest -= (transpose ? l[j * n + i] : l[i * n + j]) * exact[j];
        }
        exact[i] = rest / l[i * n + i];
    }
    for (size_t i = 0; i < n; i++) one[i] = fabs(exact[i]);
    for (int turn = 0; turn < 2; turn++) {
        apply_magnitudes(l, n, transpose, one, other);
        apply_magnitudes(inverse, n, transpose, other, one);
    }
    for (size_t i = 0; i < n; i++)
        if (!(fabs(x[i] - exact[i]) <= 2.0 * (double)n * UNIT_ROUNDOFF * one[i]))
            fail_msg("n %zu%s: x[%zu] is %.9g, not %.9g; the bound is %.3g", n,
                     transpose ? ", transposed" : "", i, x[i], exact[i],
                     2.0 * (double)n * UNIT_ROUNDOFF * one[i]);
}

static void check_solve(program *f, size_t n, size_t rows, size_t batch, bool transpose) {
    const size_t ldl = n + 1, ldb = n + 2, ldx = n + 3;
    float *l = new_floats(batch * n * ldl), *b = new_floats(batch * rows * ldb);
    float *x = new_floats(batch * rows * ldx);
    double *exact_l = new_doubles(n * n), *inverse = new_doubles(n * n), *work = new_doubles(3 * n);
    for (size_t r = 0; r < batch; r++) make_positive_definite(f, l + r * n * ldl, n, ldl);
    assert_ok(f->context, factorise(f, l, n, ldl, batch));
    for (size_t r = 0; r < batch; r++) /* a solve must not read zeros where others keep something */
        for (size_t i = 0; i < n; i++)
            for (size_t j = i + 1; j < ldl; j++) l[(r * n + i) * ldl + j] = NAN;
    draw(f, b, batch * rows * ldb);

    iv_sequence *sequence = begin_sequence(f);
    cl_mem factor, result;
    assert_ok(f->context, iv_sequence_buffer(sequence, batch * n * n * sizeof *l, &factor));
    assert_ok(f->context, iv_sequence_buffer(sequence, batch * rows * ldx * sizeof *x, &result));
    const cl_mem device_l = put(f, sequence, l, batch * n * ldl);
    const cl_mem device_b = put(f, sequence, b, batch * rows * ldb);
    const iv_triangular_desc preparation = {
        n, batch, ldl, {device_l, 0, n * ldl}, {factor, 0, n * n}};
    const iv_triangular_solve_desc solve = {.n = n,
                                            .rows = rows,
                                            .batch = batch,
                                            .transpose = transpose,
                                            .f = {factor, 0, n * n},
                                            .b = {device_b, 0, rows * ldb},
                                            .x = {result, 0, rows * ldx},
                                            .ldb = ldb,
                                            .ldx = ldx};
    assert_ok(f->context, iv_triangular_prepare(sequence, &preparation));
    assert_ok(f->context, iv_triangular_solve(sequence, &solve));
    assert_ok(f->context, iv_sequence_run(sequence, 0));
    for (size_t i = 0; i < batch * rows; i++)
        assert_ok(f->context, iv_buffer_read(f->context, result, i * ldx * sizeof *x, n * sizeof *x,
                                             x + i * ldx));

    for (size_t r = 0; r < batch; r++) {
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                exact_l[i * n + j] = j <= i ? l[(r * n + i) * ldl + j] : 0.0;
        memcpy(inverse, exact_l, n * n * sizeof *inverse);
        assert_int_equal(LAPACKE_dtrtri(LAPACK_ROW_MAJOR, 'L', 'N', (int)n, inverse, (int)n), 0);
        for (size_t i = r * rows; i < (r + 1) * rows; i++)
            assert_row(exact_l, inverse, n, transpose, b + i * ldb, x + i * ldx, work);
    }
    end_sequence(f, sequence);
    free(l);
    free(b);
    free(x);
    free(exact_l);
    free(inverse);
    free(work);
}

static void solves_are_those_of_substitution(void **state) {
    program *f = *state;
    for (int transpose = 0; transpose < 2; transpose++) {
        check_solve(f, 1, 1, 1, transpose);
        check_solve(f, 5, 3, 2, transpose);
        check_solve(f, 65, 2, 1, transpose);
        if (is_small_run()) continue;
        check_solve(f, 200, 2, 1, transpose);
        check_solve(f, 63, 1, 3, transpose);
        check_solve(f, 64, 64, 1, transpose);
        check_solve(f, 65, 7, 2, transpose);
        check_solve(f, 128, 33, 1, transpose);
        check_solve(f, 192, 5, 1, transpose);
        check_solve(f, 193, 5, 2, transpose);
        check_solve(f, 400, 50, 1, transpose);
    }
}

/* Column by column, the inverse is a solve. */
static void check_inverse(program *f, size_t n, size_t batch) {
    const size_t ldl = n + 1;
    float *l = new_floats(batch * n * ldl), *x = new_floats(batch * n * n);
    float *column = new_floats(n), *unit = new_floats(n);
    double *exact_l = new_doubles(n * n), *inverse = new_doubles(n * n), *work = new_doubles(3 * n);
    for (size_t r = 0; r < batch; r++) make_positive_definite(f, l + r * n * ldl, n, ldl);
    assert_ok(f->context, factorise(f, l, n, ldl, batch));
    for (size_t r = 0; r < batch; r++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = i + 1; j < ldl; j++) l[(r * n + i) * ldl + j] = NAN;
    iv_sequence *sequence = begin_sequence(f);
    cl_mem result;
    assert_ok(f->context, iv_sequence_buffer(sequence, batch * n * n * sizeof *l, &result));
    const iv_triangular_desc desc = {
        n, batch, ldl, {put(f, sequence, l, batch * n * ldl), 0, n * ldl}, {result, 0, n * n}};
    assert_ok(f->context, iv_triangular_inverse(sequence, &desc));
    assert_ok(f->context, iv_sequence_run(sequence, 0));
    assert_ok(f->context, iv_buffer_read(f->context, result, 0, batch * n * n * sizeof *x, x));
    for (size_t r = 0; r < batch; r++) {
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                exact_l[i * n + j] = j <= i ? l[(r * n + i) * ldl + j] : 0.0;
        memcpy(inverse, exact_l, n * n * sizeof *inverse);
        assert_int_equal(LAPACKE_dtrtri(LAPACK_ROW_MAJOR, 'L', 'N', (int)n, inverse, (int)n), 0);
        for (size_t j = 0; j < n; j++) {
            for (size_t i = 0; i < n; i++) {
                unit[i] = i == j ? 1.0f : 0.0f;
                column[i] = x[(r * n + i) * n + j];
                if (i < j) assert_true(column[i] == 0.0f);
            }
            assert_row(exact_l, inverse, n, false, unit, column, work);
        }
    }
    end_sequence(f, sequence);
    free(l);
    free(x);
    free(column);
    free(unit);
    free(exact_l);
    free(inverse);
    free(work);
}

static void inverse_of_a_factor_solves_for_every_unit_vector(void **state) {
    program *f = *state;
    check_inverse(f, 1, 1);
    check_inverse(f, 5, 2);
    check_inverse(f, 70, 1);
    if (is_small_run()) return;
    check_inverse(f, 64, 3);
    check_inverse(f, 128, 1);
    check_inverse(f, 193, 2);
    check_inverse(f, 400, 1);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factor_times_its_transpose_is_the_matrix),
        cmocka_unit_test(matrix_is_factored_alike_alone_and_in_a_batch),
        cmocka_unit_test(matrix_that_is_not_positive_definite_is_refused),
        cmocka_unit_test(indefinite_matrix_with_positive_diagonal_is_refused),
        cmocka_unit_test(impossible_descriptions_are_refused),
        cmocka_unit_test(solves_are_those_of_substitution),
        cmocka_unit_test(inverse_of_a_factor_solves_for_every_unit_vector),
    };
    return cmocka_run_group_tests_name("cholesky", tests, open_program, close_program);
}

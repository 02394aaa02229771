/* The triangular factor of a matrix, and singular values through it, against double precision and
 * LAPACK's dgesdd. Each case runs with the kernels for CPU devices and with those for GPUs. */
#include "../kit/device.h"
#include "svd_matrices.h"

#include <invar/linalg.h>

#include <lapacke.h>
#include <math.h>

#define UNIT_ROUNDOFF 5.96e-8

static const char *const kernel_sets[] = {"vector", "group"};

/* ------------------------------------------------------------------ L */

/* L of `batch` matrices [m, n] that lie `gap` elements apart. */
static void factor(program *f, const float *a, size_t m, size_t n, size_t batch, size_t gap,
                   float *l) {
    const size_t stride = m * n + gap;
    iv_sequence *sequence = begin_sequence(f);
    const cl_mem in = sequence_upload(f->context, sequence, a, batch * stride * sizeof *a);
    cl_mem out;
    assert_ok(f->context, iv_sequence_buffer(sequence, batch * m * m * sizeof *l, &out));
    const iv_lq_desc desc = {m, n, batch, {in, 0, stride}, {out, 0, m * m}};
    assert_ok(f->context, iv_lq(sequence, &desc));
    assert_ok(f->context, iv_sequence_run(sequence, 0));
    assert_ok(f->context, iv_buffer_read(f->context, out, 0, batch * m * m * sizeof *l, l));
    end_sequence(f, sequence);
}

/* A A^T = L L^T, and L is triangular. The factor's backward error is at most about m n
 * u |A| in norm (Higham 2002, theorem 19.4, for m reflections of length n; in practice
 * it is its square root), so entry (i, j) of the products differs by at most twice
 * that times the two rows' lengths. */
static void assert_factor(const float *a, const float *l, size_t m, size_t n) {
    double largest = 0.0;
    for (size_t i = 0; i < m; i++) {
        double square = 0.0;
        for (size_t p = 0; p < n; p++) square += (double)a[i * n + p] * a[i * n + p];
        largest = fmax(largest, square);
    }
    const double bound = 2.0 * (8.0 + sqrt((double)(m * n))) * UNIT_ROUNDOFF * largest;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            double of_a = 0.0, of_l = 0.0;
            for (size_t p = 0; p < n; p++) of_a += (double)a[i * n + p] * a[j * n + p];
            for (size_t p = 0; p < m; p++) of_l += (double)l[i * m + p] * l[j * m + p];
            if (!(fabs(of_a - of_l) <= bound))
                fail_msg("%zu x %zu: entry (%zu, %zu) of L L^T is %.9g, of A A^T %.9g", m, n, i, j,
                         of_l, of_a);
            if (j > i) assert_true(l[i * m + j] == 0.0f);
        }
}

static void check_factors(program *f, size_t m, size_t n, size_t batch, size_t gap,
                          fill_function fill) {
    const size_t stride = m * n + gap;
    float *a = new_floats(batch * stride), *l = new_floats(batch * m * m);
    uint64_t random = 7 * m + n;
    for (size_t r = 0; r < batch; r++) fill(a + r * stride, m, n, &random);
    for (size_t k = 0; k < 2; k++) {
        setenv("INVAR_SVD_KERNELS", kernel_sets[k], 1);
        factor(f, a, m, n, batch, gap, l);
        for (size_t r = 0; r < batch; r++) assert_factor(a + r * stride, l + r * m * m, m, n);
    }
    unsetenv("INVAR_SVD_KERNELS");
    free(a);
    free(l);
}

static void factor_times_its_transpose_is_the_matrix_times_its_own(void **state) {
    program *f = *state;
    check_factors(f, 1, 1, 1, 0, fill_random);
    check_factors(f, 1, 9, 3, 0, fill_random);
    check_factors(f, 5, 5, 2, 3, fill_random);
    check_factors(f, 7, 33, 5, 1, fill_random);
    check_factors(f, 10, 19, 2, 0, fill_deficient);
    check_factors(f, 6, 20, 1, 0, fill_graded);
    check_factors(f, 4, 6, 2, 0, fill_zero);
    if (is_small_run()) return;
    check_factors(f, 40, 47, 2, 0, fill_random);
    check_factors(f, 128, 784, 2, 0, fill_random);
}

static void a_matrix_with_more_rows_than_columns_is_refused(void **state) {
    program *f = *state;
    const float zeros[6] = {0};
    iv_sequence *sequence = begin_sequence(f);
    const cl_mem buffer = sequence_upload(f->context, sequence, zeros, sizeof zeros);
    const iv_lq_desc desc = {3, 2, 1, {buffer, 0, 6}, {buffer, 0, 6}};
    assert_fails(f->context, iv_lq(sequence, &desc), IV_EINVAL, "3 x 2");
    end_sequence(f, sequence);
}

/* ------------------------------------------------------------------ values */

typedef struct {
    size_t n_members, n_elements, n_inputs, rows, width, n;
} product_case;

/* Singular values of sum over g of D_g W_g, formed in double precision. */
static void reference_values(const product_case *c, const float *d, const float *w, size_t input,
                             double *s) {
    double *product = calloc(c->rows * c->n, sizeof *product);
    assert_non_null(product);
    for (size_t g = 0; g < c->n_elements; g++)
        for (size_t i = 0; i < c->rows; i++)
            for (size_t p = 0; p < c->width; p++) {
                const double left = d[((g * c->n_inputs + input) * c->rows + i) * c->width + p];
                for (size_t j = 0; j < c->n; j++)
                    product[i * c->n + j] += left * w[(g * c->width + p) * c->n + j];
            }
    assert_int_equal(LAPACKE_dgesdd(LAPACK_ROW_MAJOR, 'N', (int)c->rows, (int)c->n, product,
                                    (int)c->n, s, NULL, (int)c->rows, NULL, (int)c->n),
                     0);
    free(product);
}

static void check_values(program *f, product_case c) {
    const size_t columns = c.n_elements * c.width, n_w = columns * c.n;
    const size_t n_d = c.n_elements * c.n_inputs * c.rows * c.width;
    const size_t n_values = c.rows < columns ? c.rows : columns, n_s = c.n_inputs * n_values;
    float *d = new_floats(c.n_members * n_d), *w = new_floats(c.n_members * n_w);
    float *s = new_floats(c.n_members * n_s), *l = new_floats(c.n_members * columns * columns);
    double *expected = calloc(c.rows < c.n ? c.rows : c.n, sizeof *expected);
    assert_non_null(expected);
    uint64_t random = 11 * c.width + c.n;
    fill_random(d, c.n_members, n_d, &random);
    fill_random(w, c.n_members, n_w, &random);
    factor(f, w, columns, c.n, c.n_members, 0, l);

    const size_t s_bytes = c.n_members * n_s * sizeof *s;
    iv_sequence *sequence = begin_sequence(f);
    const cl_mem device_d = sequence_upload(f->context, sequence, d, c.n_members * n_d * sizeof *d);
    const cl_mem device_l =
        sequence_upload(f->context, sequence, l, c.n_members * columns * columns * sizeof *l);
    cl_mem device_s;
    assert_ok(f->context, iv_sequence_buffer(sequence, s_bytes, &device_s));
    const iv_factored_svd_desc desc = {.n_members = c.n_members,
                                       .n_elements = c.n_elements,
                                       .n_inputs = c.n_inputs,
                                       .rows = c.rows,
                                       .width = c.width,
                                       .d = {device_d, 0, n_d},
                                       .l = {device_l, 0, columns * columns},
                                       .s = {device_s, 0, n_s}};
    assert_ok(f->context, iv_factored_svd(sequence, &desc));
    assert_ok(f->context, iv_sequence_run(sequence, 0));
    assert_ok(f->context, iv_buffer_read(f->context, device_s, 0, s_bytes, s));
    end_sequence(f, sequence);

    /* What the header promises for iv_svd: 1e-5 of the largest. Rounding the product adds to that
     * as much as rounding the Jacobian itself would, width u times the norms, which is far below
     * for these sizes. */
    for (size_t r = 0; r < c.n_members; r++)
        for (size_t b = 0; b < c.n_inputs; b++) {
            reference_values(&c, d + r * n_d, w + r * n_w, b, expected);
            for (size_t i = 0; i < n_values; i++) {
                const double value = s[r * n_s + b * n_values + i];
                if (!(fabs(value - expected[i]) <= 1e-5 * expected[0]))
                    fail_msg("member %zu, input %zu: value %zu is %.9g, not %.9g", r, b, i, value,
                             expected[i]);
            }
        }
    free(d);
    free(w);
    free(s);
    free(l);
    free(expected);
}

static void values_of_a_product_are_those_of_the_product_formed(void **state) {
    program *f = *state;
    check_values(f, (product_case){1, 1, 1, 1, 1, 1});
    check_values(f, (product_case){2, 1, 3, 4, 6, 11});
    check_values(f, (product_case){1, 1, 2, 7, 3, 5});
    check_values(f, (product_case){2, 4, 3, 3, 5, 23});
    check_values(f, (product_case){1, 3, 2, 10, 4, 12});
    if (is_small_run()) return;
    check_values(f, (product_case){2, 1, 37, 10, 128, 784});
    check_values(f, (product_case){1, 4, 5, 10, 128, 784});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factor_times_its_transpose_is_the_matrix_times_its_own),
        cmocka_unit_test(a_matrix_with_more_rows_than_columns_is_refused),
        cmocka_unit_test(values_of_a_product_are_those_of_the_product_formed),
    };
    return cmocka_run_group_tests_name("factored", tests, open_program, close_program);
}

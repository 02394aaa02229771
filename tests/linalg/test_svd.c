/* Batched singular values against LAPACK's dgesdd on the same floats in double precision.
 *
 * Each case runs with the kernels for CPU devices and with those for GPUs, on whatever device there
 * is. With INVAR_TEST_SMALL=1 shapes are small. */
#include "../kit/device.h"
#include "svd_matrices.h"

#include <invar/linalg.h>

#include <lapacke.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_ROUNDOFF 5.96e-8

/* What the header promises for singular values, of the largest. */
#define VALUE_TOLERANCE 1e-5

typedef struct {
    size_t m, n, batch, gap; /* gap: unused elements between matrices */
    fill_function fill;
    bool vectors;
} svd_case;

typedef struct {
    size_t k, stride;
    float *a, *s, *u, *vt;
} svd_arrays;

static const char *const kernel_sets[] = {"vector", "group"};

/* ------------------------------------------------------------------ running and checking */

static svd_arrays make_arrays(const svd_case *c) {
    svd_arrays arrays = {.k = c->m < c->n ? c->m : c->n, .stride = c->m * c->n + c->gap};
    uint64_t state = 1000 * c->m + c->n;
    arrays.a = calloc(c->batch * arrays.stride, sizeof(float));
    arrays.s = calloc(c->batch * arrays.k, sizeof(float));
    arrays.u = calloc(c->batch * c->m * arrays.k, sizeof(float));
    arrays.vt = calloc(c->batch * arrays.k * c->n, sizeof(float));
    assert_true(arrays.a && arrays.s && arrays.u && arrays.vt);
    for (size_t r = 0; r < c->batch; r++) {
        c->fill(arrays.a + r * arrays.stride, c->m, c->n, &state);
        for (size_t i = 0; i < c->gap; i++) {
            arrays.a[r * arrays.stride + c->m * c->n + i] = NAN; /* must not be looked at */
        }
    }
    return arrays;
}

static void free_arrays(svd_arrays *arrays) {
    free(arrays->a);
    free(arrays->s);
    free(arrays->u);
    free(arrays->vt);
}

static void append_svd(const program *f, iv_sequence *sequence, const char *kernels,
                       const iv_svd_desc *desc) {
    setenv("INVAR_SVD_KERNELS", kernels, 1);
    assert_ok(f->context, iv_svd(sequence, desc));
    unsetenv("INVAR_SVD_KERNELS");
}

/* Decompose on the device. The singular values lie 3 elements into their buffer, 2 apart. */
static void decompose(program *f, const char *kernels, const svd_case *c, svd_arrays *arrays) {
    const size_t s_offset = 3, s_stride = arrays->k + 2;
    const size_t a_bytes = c->batch * arrays->stride * sizeof(float);
    const size_t s_bytes = (s_offset + c->batch * s_stride) * sizeof(float);
    const size_t u_bytes = c->batch * c->m * arrays->k * sizeof(float);
    const size_t vt_bytes = c->batch * arrays->k * c->n * sizeof(float);
    iv_svd_desc desc = {.m = c->m, .n = c->n, .batch = c->batch};
    desc.a.stride = arrays->stride;
    desc.s.offset = s_offset;
    desc.s.stride = s_stride;
    desc.u.stride = c->m * arrays->k;
    desc.vt.stride = arrays->k * c->n;
    iv_sequence *sequence = begin_sequence(f);
    assert_ok(f->context, iv_sequence_buffer(sequence, a_bytes, &desc.a.buffer));
    assert_ok(f->context, iv_sequence_buffer(sequence, s_bytes, &desc.s.buffer));
    assert_ok(f->context, iv_buffer_fill(f->context, desc.s.buffer, 0, s_bytes, 0x12345678));
    assert_ok(f->context, iv_buffer_write(f->context, desc.a.buffer, 0, a_bytes, arrays->a));
    if (c->vectors) {
        assert_ok(f->context, iv_sequence_buffer(sequence, u_bytes, &desc.u.buffer));
        assert_ok(f->context, iv_sequence_buffer(sequence, vt_bytes, &desc.vt.buffer));
    }
    append_svd(f, sequence, kernels, &desc);
    assert_ok(f->context, iv_sequence_run(sequence, 0));

    float *s = malloc(s_bytes), *a = malloc(a_bytes);
    assert_true(s && a);
    assert_ok(f->context, iv_buffer_read(f->context, desc.s.buffer, 0, s_bytes, s));
    assert_ok(f->context, iv_buffer_read(f->context, desc.a.buffer, 0, a_bytes, a));
    assert_memory_equal(a, arrays->a, a_bytes);
    const uint32_t untouched = 0x12345678;
    for (size_t i = 0; i < s_offset; i++) assert_memory_equal(s + i, &untouched, sizeof untouched);
    for (size_t r = 0; r < c->batch; r++) {
        const float *values = s + s_offset + r * s_stride;
        memcpy(arrays->s + r * arrays->k, values, arrays->k * sizeof *s);
        for (size_t i = arrays->k; i < s_stride; i++) {
            assert_memory_equal(values + i, &untouched, sizeof untouched);
        }
    }
    if (c->vectors) {
        assert_ok(f->context, iv_buffer_read(f->context, desc.u.buffer, 0, u_bytes, arrays->u));
        assert_ok(f->context, iv_buffer_read(f->context, desc.vt.buffer, 0, vt_bytes, arrays->vt));
    }
    free(s);
    free(a);
    end_sequence(f, sequence);
}

static void check_values(const svd_case *c, const float *a, const float *s, size_t k) {
    double *copy = malloc(c->m * c->n * sizeof *copy), *expected = malloc(k * sizeof *expected);
    assert_true(copy && expected);
    for (size_t i = 0; i < c->m * c->n; i++) copy[i] = a[i];
    /* A row-major matrix is the transpose of a column-major one: same singular values. */
    assert_int_equal(LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'N', (lapack_int)c->n, (lapack_int)c->m, copy,
                                    (lapack_int)c->n, expected, NULL, 1, NULL, 1),
                     0);
    for (size_t i = 0; i < k; i++) {
        const double error = fabs((double)s[i] - expected[i]);
        if (!(error <= VALUE_TOLERANCE * expected[0])) {
            fail_msg("%zu x %zu: value %zu is %.9g, not %.9g; the largest is %.9g", c->m, c->n, i,
                     (double)s[i], expected[i], expected[0]);
        }
        if (i > 0 && !(s[i] <= s[i - 1])) fail_msg("%zu x %zu: not sorted", c->m, c->n);
    }
    free(copy);
    free(expected);
}

/* Rounding errors of a row's way through k reflections to the triangle, k back, and some 10 sweeps
 * of k rotations: N = 12 k steps, each of which adds about 3 unit roundoffs of its length. Errors
 * of either sign add up like sqrt(N) (Higham and Mary 2019); 4 standard deviations of that. */
static double vector_tolerance(size_t k) {
    return 4.0 * 3.0 * UNIT_ROUNDOFF * sqrt(12.0 * (double)k);
}

/* sum_e x[e * step] y[e * step] is `expected`, where x and y are vectors i and j. */
static void check_dot(const svd_case *c, const float *x, const float *y, size_t size, size_t step,
                      double expected, double tolerance) {
    double dot = 0.0;
    for (size_t e = 0; e < size; e++) dot += (double)x[e * step] * y[e * step];
    if (!(fabs(dot - expected) <= tolerance)) {
        fail_msg("%zu x %zu: product of singular vectors is %.9g, not %g", c->m, c->n, dot,
                 expected);
    }
}

static void check_vectors(const svd_case *c, const float *a, const float *s, const float *u,
                          const float *vt, size_t k) {
    /* Between rows, what the sweeps leave: cosines of FLT_EPSILON sqrt(k) = 2 unit roundoffs. */
    const double tolerance = vector_tolerance(k) + 2.0 * UNIT_ROUNDOFF * sqrt((double)k);
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j <= i; j++) {
            const double expected = i == j && s[i] > 0.0f ? 1.0 : 0.0;
            check_dot(c, u + i, u + j, c->m, k, expected, tolerance);
            check_dot(c, vt + i * c->n, vt + j * c->n, c->n, 1, expected, tolerance);
        }
    }
    double error = 0.0, norm = 0.0;
    for (size_t i = 0; i < c->m; i++) {
        for (size_t j = 0; j < c->n; j++) {
            double sum = 0.0;
            for (size_t r = 0; r < k; r++) sum += (double)u[i * k + r] * s[r] * vt[r * c->n + j];
            error += (sum - a[i * c->n + j]) * (sum - a[i * c->n + j]);
            norm += (double)a[i * c->n + j] * a[i * c->n + j];
        }
    }
    if (!(sqrt(error) <= vector_tolerance(k) * sqrt(norm))) {
        fail_msg("%zu x %zu: U S Vt misses A by %g of %g", c->m, c->n, sqrt(error), sqrt(norm));
    }
}

static void check_case(program *f, svd_case c) {
    if (is_small_run()) {
        /* 17 x 19 is the smallest shape here that takes the large work-groups, 40 x 3 the smallest
         * with several panels of rows: once is enough. Without vectors the same kernels run. */
        const bool once = c.vectors && c.fill == (c.m == 17 ? fill_random : fill_extreme);
        const size_t largest = c.m == 17 || c.m == 40 ? (once ? 323 : 0) : 20;
        if (c.m * c.n > largest || (!c.vectors && c.fill != fill_random)) return;
        if (c.batch > 18) c.batch = 18;
        if (c.fill != fill_random && c.batch > 2) c.batch = 2;
    }
    for (size_t set = 0; set < sizeof kernel_sets / sizeof *kernel_sets; set++) {
        svd_arrays arrays = make_arrays(&c);
        decompose(f, kernel_sets[set], &c, &arrays);
        for (size_t r = 0; r < c.batch; r++) {
            const float *a = arrays.a + r * arrays.stride, *s = arrays.s + r * arrays.k;
            check_values(&c, a, s, arrays.k);
            if (!c.vectors) continue;
            check_vectors(&c, a, s, arrays.u + r * c.m * arrays.k, arrays.vt + r * arrays.k * c.n,
                          arrays.k);
        }
        free_arrays(&arrays);
    }
}

static void check_shapes(void **state, fill_function fill, bool vectors) {
    static const size_t shapes[][2] = {{1, 1},    {1, 2},    {1, 7},    {7, 1},     {2, 2},
                                       {3, 5},    {5, 3},    {4, 20},   {18, 3},    {17, 19},
                                       {10, 33},  {31, 31},  {32, 40},  {33, 100},  {100, 64},
                                       {10, 784}, {784, 10}, {10, 900}, {128, 128}, {128, 784}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        check_case(*state, (svd_case){shapes[i][0], shapes[i][1], 2, 5, fill, vectors});
    }
}

/* ------------------------------------------------------------------ claims */

static void values_of_random_matrices_agree_with_lapack(void **state) {
    check_shapes(state, fill_random, false);
}

static void vectors_of_random_matrices_rebuild_them(void **state) {
    check_shapes(state, fill_random, true);
}

static void rank_deficient_matrices_are_decomposed(void **state) {
    check_shapes(state, fill_deficient, false);
    check_shapes(state, fill_deficient, true);
}

static void graded_matrices_are_decomposed(void **state) {
    check_shapes(state, fill_graded, false);
    check_shapes(state, fill_graded, true);
}

static void orthogonal_matrices_have_values_of_one(void **state) {
    check_shapes(state, fill_orthogonal, false);
    check_shapes(state, fill_orthogonal, true);
}

static void duplicate_rows_are_decomposed(void **state) {
    check_shapes(state, fill_duplicate_rows, false);
    check_shapes(state, fill_duplicate_rows, true);
}

static void zero_rows_and_columns_are_decomposed(void **state) {
    check_shapes(state, fill_zero_rows_and_columns, false);
    check_shapes(state, fill_zero_rows_and_columns, true);
}

static void zero_matrices_give_zeros(void **state) {
    check_shapes(state, fill_zero, false);
    check_shapes(state, fill_zero, true);
}

static void extreme_entries_neither_overflow_nor_underflow(void **state) {
    static const fill_function fills[] = {fill_extreme, fill_huge, fill_minute};
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        for (int vectors = 0; vectors < 2; vectors++) {
            check_case(*state, (svd_case){7, 9, 2, 0, fills[i], vectors});
            check_case(*state, (svd_case){40, 3, 2, 0, fills[i], vectors});
            check_case(*state, (svd_case){40, 50, 2, 0, fills[i], vectors});
        }
    }
}

static void large_batches_agree_with_lapack(void **state) {
    check_case(*state, (svd_case){3, 5, 4096, 1, fill_random, false});
    check_case(*state, (svd_case){5, 3, 1000, 0, fill_random, true});
    check_case(*state, (svd_case){10, 17, 33, 0, fill_random, false});
    check_case(*state, (svd_case){10, 784, 129, 0, fill_random, false});
}

static void a_matrix_gets_the_same_bits_alone_and_in_a_batch(void **state) {
    static const size_t shapes[][2] = {{3, 5}, {10, 33}, {5, 18}, {40, 60}};
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        const svd_case whole = {shapes[i / 2][0], shapes[i / 2][1], 21, 0, fill_random, i % 2};
        if (is_small_run() && whole.m * whole.n > 20) continue;
        for (size_t set = 0; set < sizeof kernel_sets / sizeof *kernel_sets; set++) {
            svd_arrays batch = make_arrays(&whole);
            decompose(*state, kernel_sets[set], &whole, &batch);
            svd_case one = whole;
            one.batch = 1;
            const size_t k = batch.k;
            for (size_t r = 0; r < whole.batch; r += is_small_run() ? 20 : 5) {
                svd_arrays alone = make_arrays(&one);
                memcpy(alone.a, batch.a + r * batch.stride, batch.stride * sizeof(float));
                decompose(*state, kernel_sets[set], &one, &alone);
                assert_memory_equal(alone.s, batch.s + r * k, k * sizeof(float));
                assert_memory_equal(alone.u, batch.u + r * one.m * k, one.m * k * sizeof(float));
                assert_memory_equal(alone.vt, batch.vt + r * k * one.n, k * one.n * sizeof(float));
                free_arrays(&alone);
            }
            free_arrays(&batch);
        }
    }
}

static void only_one_side_of_vectors_can_be_asked_for(void **state) {
    program *f = *state;
    static const size_t shapes[][2] = {{3, 5}, {5, 3}};
    for (size_t i = 0; i < 4; i++) {
        const bool wants_u = i % 2 == 0;
        const svd_case c = {shapes[i / 2][0], shapes[i / 2][1], 2, 0, fill_random, true};
        svd_arrays both = make_arrays(&c);
        decompose(f, "vector", &c, &both);

        const size_t size = 3 * (wants_u ? c.m : c.n), bytes = c.batch * size * sizeof(float);
        const size_t a_bytes = c.batch * both.stride * sizeof(float);
        float one[2 * 3 * 5];
        iv_svd_desc desc = {.m = c.m, .n = c.n, .batch = c.batch, .a.stride = 15, .s.stride = 3};
        iv_view *wanted = wants_u ? &desc.u : &desc.vt;
        wanted->stride = size;
        iv_sequence *sequence = begin_sequence(f);
        assert_ok(f->context, iv_sequence_buffer(sequence, a_bytes, &desc.a.buffer));
        assert_ok(f->context,
                  iv_sequence_buffer(sequence, c.batch * 3 * sizeof(float), &desc.s.buffer));
        assert_ok(f->context, iv_sequence_buffer(sequence, bytes, &wanted->buffer));
        assert_ok(f->context, iv_buffer_write(f->context, desc.a.buffer, 0, a_bytes, both.a));
        append_svd(f, sequence, "vector", &desc);
        assert_ok(f->context, iv_sequence_run(sequence, 0));
        assert_ok(f->context, iv_buffer_read(f->context, wanted->buffer, 0, bytes, one));
        assert_memory_equal(one, wants_u ? both.u : both.vt, bytes);
        end_sequence(f, sequence);
        free_arrays(&both);
    }
}

static void entries_that_are_not_finite_give_nan_in_that_matrix_alone(void **state) {
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    static const size_t shapes[][2] = {{3, 5}, {6, 4}};
    for (size_t i = 0; i < 4; i++) {
        const svd_case c = {shapes[i / 2][0], shapes[i / 2][1], 5, 0, fill_random, i % 2};
        for (size_t set = 0; set < sizeof kernel_sets / sizeof *kernel_sets; set++) {
            svd_arrays arrays = make_arrays(&c);
            const size_t k = arrays.k;
            for (size_t b = 0; b < 3; b++) arrays.a[(b + 1) * arrays.stride + 7 + b] = bad[b];
            decompose(*state, kernel_sets[set], &c, &arrays);
            for (size_t r = 0; r < c.batch; r += 4) {
                check_values(&c, arrays.a + r * arrays.stride, arrays.s + r * k, k);
            }
            for (size_t e = k; e < 4 * k; e++) assert_true(isnan(arrays.s[e]));
            if (c.vectors) {
                for (size_t e = c.m * k; e < 4 * c.m * k; e++) assert_true(isnan(arrays.u[e]));
                for (size_t e = c.n * k; e < 4 * c.n * k; e++) assert_true(isnan(arrays.vt[e]));
            }
            free_arrays(&arrays);
        }
    }
}

static void empty_sizes_and_missing_buffers_are_refused(void **state) {
    program *f = *state;
    iv_sequence *sequence = begin_sequence(f);
    iv_view view = {.stride = 15};
    assert_ok(f->context, iv_sequence_buffer(sequence, 60, &view.buffer));
    const iv_svd_desc bad[] = {
        {.m = 0, .n = 5, .batch = 1, .a = view, .s = view},
        {.m = 3, .n = 0, .batch = 1, .a = view, .s = view},
        {.m = 3, .n = 5, .batch = 0, .a = view, .s = view},
        {.m = 3, .n = 5, .batch = 1, .s = view},
        {.m = 3, .n = 5, .batch = 1, .a = view},
        {.m = 1u << 20, .n = 1u << 20, .batch = 1, .a = view, .s = view},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(iv_svd(sequence, &bad[i]), IV_EINVAL);
        assert_true(strstr(iv_context_error(f->context)->message, "iv_svd") != NULL);
        iv_error_clear(iv_context_error(f->context));
    }
    assert_int_equal(iv_sequence_length(sequence), 0);
    end_sequence(f, sequence);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_random_matrices_agree_with_lapack),
        cmocka_unit_test(vectors_of_random_matrices_rebuild_them),
        cmocka_unit_test(rank_deficient_matrices_are_decomposed),
        cmocka_unit_test(graded_matrices_are_decomposed),
        cmocka_unit_test(orthogonal_matrices_have_values_of_one),
        cmocka_unit_test(duplicate_rows_are_decomposed),
        cmocka_unit_test(zero_rows_and_columns_are_decomposed),
        cmocka_unit_test(zero_matrices_give_zeros),
        cmocka_unit_test(extreme_entries_neither_overflow_nor_underflow),
        cmocka_unit_test(large_batches_agree_with_lapack),
        cmocka_unit_test(a_matrix_gets_the_same_bits_alone_and_in_a_batch),
        cmocka_unit_test(only_one_side_of_vectors_can_be_asked_for),
        cmocka_unit_test(entries_that_are_not_finite_give_nan_in_that_matrix_alone),
        cmocka_unit_test(empty_sizes_and_missing_buffers_are_refused),
    };
    return cmocka_run_group_tests_name("svd", tests, open_any_engine, close_program);
}

/* What the engines behind iv_gemm promise beside right results of plain products: every tile,
 * members whose bits do not depend on the population, and CLBlast with parameters of ours.
 *
 * INVAR_TEST_SMALL=1 leaves out what is too slow on a simulated device. */
#include "../kit/device.h"

#include "linalg/tune.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_tile(iv_context *context, const iv_tune_shape *s, const iv_gemm_tile *tile) {
    iv_product product;
    char why[256];
    double seconds;
    const iv_gemm_choice choice = {.engine = IV_ENGINE_TILED, .tiled = *tile};
    assert_ok(context, iv_product_create(context, s->m, s->n, s->k, s->transpose_a, s->transpose_b,
                                         3, &product));
    if (!iv_product_measure(&product, iv_gemm_append, &choice, 0.0, &seconds, why, sizeof why))
        fail_msg("%zux%zux%zu with tiles of %zux%zux%zu: %s", s->m, s->n, s->k, tile->rows,
                 tile->columns, tile->depth, why);
    iv_product_destroy(&product);
}

static void every_tile_of_the_tiled_engine_is_right(void **state) {
    (void)state;
    static const iv_gemm_tile tiles[] = {{64, 64, 16, 8, 8}, {32, 32, 16, 4, 2}, {16, 16, 32, 2, 2},
                                         {64, 16, 16, 4, 4}, {16, 64, 16, 4, 4}, {32, 64, 16, 4, 8},
                                         {32, 32, 16, 8, 1}};
    static const iv_tune_shape awkward = {70, 67, 35, false, true},
                               small = {35, 34, 18, false, true};
    const size_t n_tiles = is_small_run() ? 2 : sizeof tiles / sizeof *tiles;
    iv_context *context = open_context(false);
    for (size_t t = 0; t < n_tiles; t++)
        check_tile(context, is_small_run() ? &small : &awkward, &tiles[t]);
    iv_context_destroy(context);
}

static void tiled_engine_is_right_on_every_side_of_an_edge(void **state) {
    (void)state;
    static const iv_tune_shape shapes[] = {{3, 5, 1, false, false},    {20, 36, 20, true, false},
                                           {33, 35, 18, false, false}, {33, 35, 18, true, false},
                                           {33, 35, 18, true, true},   {32, 32, 32, false, true},
                                           {32, 32, 32, true, false}};
    static const iv_gemm_tile tile = {16, 16, 16, 2, 2};
    iv_context *context = open_context(false);
    for (size_t s = 0; s < (is_small_run() ? 3 : sizeof shapes / sizeof *shapes); s++)
        check_tile(context, &shapes[s], &tile);
    iv_context_destroy(context);
}

/* Where CLBlast's packed kernel begins, in one place: with another number it compiles all its kernels again. */
enum { PACKED_FROM = 64 };

/* A buffer of small integers, whose products are exact in float. */
static float *integers(iv_context *context, size_t n, uint32_t seed, cl_mem *buffer) {
    float *host = malloc(n * sizeof *host);
    assert_non_null(host);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        host[i] = (float)(seed >> 28) - 8.0f;
    }
    assert_ok(context, iv_buffer_create(context, n * sizeof *host, buffer));
    assert_ok(context, iv_buffer_write(context, *buffer, 0, n * sizeof *host, host));
    return host;
}

/* Two members of N x N x N at an offset, a's or b's members one and the same. */
static void check_packed(iv_context *context, bool transpose_a, bool transpose_b, int shared) {
    enum { N = 64, SIZE = N * N, OFFSET = 32, ELEMENTS = OFFSET + 2 * SIZE };
    iv_gemm_desc d = {.m = N,
                      .n = N,
                      .k = N,
                      .batch = 2,
                      .transpose_a = transpose_a,
                      .transpose_b = transpose_b,
                      .lda = N,
                      .ldb = N,
                      .ldc = N};
    d.a = (iv_view){NULL, OFFSET, shared == 1 ? 0 : SIZE};
    d.b = (iv_view){NULL, OFFSET, shared == 2 ? 0 : SIZE};
    d.c = (iv_view){NULL, OFFSET, SIZE};
    float *a = integers(context, ELEMENTS, 1, &d.a.buffer);
    float *b = integers(context, ELEMENTS, 2, &d.b.buffer);
    float *c = integers(context, ELEMENTS, 3, &d.c.buffer);
    iv_sequence *sequence;
    assert_ok(context, iv_sequence_create(context, &sequence));
    assert_ok(context,
              iv_gemm_append(sequence, &d, &(iv_gemm_choice){.engine = IV_ENGINE_CLBLAST}));
    assert_ok(context, iv_sequence_run(sequence, 0));
    assert_ok(context, iv_buffer_read(context, d.c.buffer, 0, ELEMENTS * sizeof *c, c));
    for (size_t r = 0; r < 2; r++)
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j < N; j++) {
                double sum = 0.0;
                for (size_t p = 0; p < N; p++)
                    sum +=
                        (double)a[OFFSET + r * d.a.stride + (transpose_a ? p * N + i : i * N + p)] *
                        b[OFFSET + r * d.b.stride + (transpose_b ? j * N + p : p * N + j)];
                assert_true((double)c[OFFSET + r * SIZE + i * N + j] == sum);
            }
    iv_sequence_destroy(sequence);
    iv_buffer_release(context, d.a.buffer);
    iv_buffer_release(context, d.b.buffer);
    iv_buffer_release(context, d.c.buffer);
    free(a);
    free(b);
    free(c);
}

static void clblast_packed_kernel_heeds_offsets_and_shared_operands(void **state) {
    (void)state;
    if (!is_full_run()) SKIP_BECAUSE("CLBlast's kernels with other parameters: in full runs");
    char why[256];
    iv_context *context = open_context(false);
    iv_clblast_parameters parameters = iv_clblast_generic;
    parameters.threshold = PACKED_FROM; /* 64 x 64 x 64 is just large enough */
    if (!iv_clblast_override(context, &parameters, why, sizeof why)) fail_msg("%s", why);
    assert_true(iv_clblast_is_packed(context, 64, 64, 64));
    assert_false(iv_clblast_is_packed(context, 64, 64, 63));
    for (int i = 0; i < 12; i++) check_packed(context, i & 1, i & 2, i / 4);
    iv_context_destroy(context);
}

static void refused_parameters_leave_clblast_usable(void **state) {
    (void)state;
    if (!is_full_run()) SKIP_BECAUSE("CLBlast's kernels with other parameters: in full runs");
    char why[256];
    iv_context *context = open_context(false);
    /* Work-groups larger than any device's: CLBlast takes the number, and then cannot run. */
    iv_clblast_parameters nonsense = iv_clblast_generic;
    nonsense.direct[2] = 1 << 16;
    assert_true(iv_clblast_override(context, &nonsense, why, sizeof why));
    iv_product product;
    assert_ok(context, iv_product_create(context, 40, 30, 20, false, true, 2, &product));
    const iv_gemm_choice clblast = {.engine = IV_ENGINE_CLBLAST};
    double seconds;
    if (!iv_product_measure(&product, iv_gemm_append, &clblast, 0.0, &seconds, why, sizeof why))
        fail_msg("%s", why);
    iv_product_destroy(&product);
    iv_context_destroy(context);
}

/* All members of one product in one launch, and each member in a launch of its own. */
static void check_bits(iv_context *context, const iv_gemm_choice *choice, bool transpose_a,
                       bool transpose_b) {
    enum { BATCH = 5 };
    const size_t m = 70, n = 36, k = 300; /* sums long enough for their order to matter */
    iv_product product;
    assert_ok(context,
              iv_product_create(context, m, n, k, transpose_a, transpose_b, BATCH, &product));
    iv_gemm_desc *d = &product.desc;
    float *together = malloc(m * n * sizeof *together), *alone = malloc(m * n * sizeof *alone);
    assert_true(together && alone);
    iv_sequence *all, *one;
    for (size_t r = 0; r < BATCH; r++) {
        const size_t at = (d->c.offset + r * d->c.stride) * sizeof(float);
        assert_ok(context, iv_sequence_create(context, &all));
        assert_ok(context, iv_gemm_append(all, d, choice));
        assert_ok(context, iv_sequence_run(all, 0));
        assert_ok(context,
                  iv_buffer_read(context, d->c.buffer, at, m * n * sizeof(float), together));
        assert_ok(context, iv_buffer_fill(context, d->c.buffer, at, m * n * sizeof(float), 0));

        iv_gemm_desc single = *d;
        iv_view *views[] = {&single.a,    &single.b,    &single.c,
                            &single.bias, &single.gate, &single.row_sums};
        for (size_t v = 0; v < sizeof views / sizeof *views; v++) {
            views[v]->offset += r * views[v]->stride;
            views[v]->stride = 0;
        }
        single.batch = 1;
        assert_ok(context, iv_sequence_create(context, &one));
        assert_ok(context, iv_gemm_append(one, &single, choice));
        assert_ok(context, iv_sequence_run(one, 0));
        assert_ok(context, iv_buffer_read(context, d->c.buffer, at, m * n * sizeof(float), alone));
        assert_memory_equal(together, alone, m * n * sizeof(float));
        iv_sequence_destroy(all);
        iv_sequence_destroy(one);
    }
    free(together);
    free(alone);
    iv_product_destroy(&product);
}

static void members_have_the_same_bits_alone_and_together(void **state) {
    (void)state;
    if (is_small_run()) SKIP_BECAUSE("too slow for a small run");
    static const iv_gemm_choice choices[] = {
        {.engine = IV_ENGINE_PANEL},
        {.engine = IV_ENGINE_TILED},
        {.engine = IV_ENGINE_TILED, .tiled = {32, 32, 16, 8, 1}},
        {.engine = IV_ENGINE_CLBLAST},
    };
    iv_context *context = open_context(false);
    for (size_t c = 0; c < sizeof choices / sizeof *choices; c++)
        for (int i = 0; i < 3; i++)
            if (i == 2 || choices[c].engine != IV_ENGINE_CLBLAST || is_full_run())
                check_bits(context, &choices[c], i & 1, i & 2);

    iv_context_destroy(context);
}

static void members_of_clblast_packed_kernel_have_the_same_bits(void **state) {
    (void)state;
    if (!is_full_run()) SKIP_BECAUSE("CLBlast's kernels with other parameters: in full runs");
    char why[256];
    iv_context *context = open_context(false);
    const iv_gemm_choice clblast = {.engine = IV_ENGINE_CLBLAST};
    iv_clblast_parameters packed = iv_clblast_generic;
    packed.threshold = PACKED_FROM;
    if (!iv_clblast_override(context, &packed, why, sizeof why)) fail_msg("%s", why);
    for (int i = 0; i < 3; i++) check_bits(context, &clblast, i & 1, i & 2);
    iv_context_destroy(context);
}

/* C_i = A B_i^T, one after another in one sequence, for every i below `n`. */
static void append_row_of_products(iv_sequence *sequence, iv_gemm_desc d, const cl_mem *b,
                                   const cl_mem *c, size_t n) {
    iv_context *context = iv_sequence_context(sequence);
    for (size_t i = 0; i < n; i++) {
        d.b.buffer = b[i];
        d.c.buffer = c[i];
        assert_ok(context,
                  iv_gemm_append(sequence, &d, &(iv_gemm_choice){.engine = IV_ENGINE_PANEL}));
    }
}

/* B^T is packed: all three products through the same memory, which a member of one lane must not
 * take from another's. */
static void products_in_a_row_share_the_memory_that_they_pack_into(void **state) {
    (void)state;
    enum { M = 9, N = 50, K = 33, MEMBERS = 5, PRODUCTS = 3, STEPS = 20 };
    iv_context *context = open_context(false);
    iv_gemm_desc d = {.m = M, .n = N, .k = K, .batch = MEMBERS, .transpose_b = true};
    d.lda = d.ldb = K;
    d.ldc = N;
    d.a.stride = M * K;
    d.b.stride = N * K;
    d.c.stride = M * N;
    cl_mem b[PRODUCTS], c[PRODUCTS];
    float *host_b[PRODUCTS], *host_c = NULL,
                             *host_a = integers(context, MEMBERS * M * K, 1, &d.a.buffer);
    for (uint32_t i = 0; i < PRODUCTS; i++) {
        host_b[i] = integers(context, MEMBERS * N * K, 10 + i, &b[i]);
        free(host_c);
        host_c = integers(context, MEMBERS * M * N, 20 + i, &c[i]);
    }

    iv_sequence *one, *all;
    const size_t before = iv_context_bytes(context);
    assert_ok(context, iv_sequence_create(context, &one));
    append_row_of_products(one, d, b, c, 1);
    const size_t of_one = iv_context_bytes(context) - before;
    assert_true(of_one > 0);
    assert_ok(context, iv_sequence_create(context, &all));
    iv_sequence_set_members(all, MEMBERS);
    append_row_of_products(all, d, b, c, PRODUCTS);
    assert_int_equal(iv_context_bytes(context) - before, 2 * of_one);

    for (uint32_t step = 0; step < STEPS; step++) assert_ok(context, iv_sequence_run(all, step));
    for (size_t i = 0; i < PRODUCTS; i++) {
        assert_ok(context,
                  iv_buffer_read(context, c[i], 0, MEMBERS * M * N * sizeof *host_c, host_c));
        for (size_t e = 0; e < (size_t)MEMBERS * M * N; e++) {
            const size_t r = e / (M * N), row = e / N % M, column = e % N;
            float sum = 0.0f;
            for (size_t p = 0; p < K; p++)
                sum += host_a[(r * M + row) * K + p] * host_b[i][(r * N + column) * K + p];
            assert_true(host_c[e] == sum);
        }
    }
    iv_sequence_destroy(one);
    iv_sequence_destroy(all);
    for (size_t i = 0; i < PRODUCTS; i++) {
        iv_buffer_release(context, b[i]);
        iv_buffer_release(context, c[i]);
        free(host_b[i]);
    }
    iv_buffer_release(context, d.a.buffer);
    free(host_a);
    free(host_c);
    iv_context_destroy(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tile_of_the_tiled_engine_is_right),
        cmocka_unit_test(tiled_engine_is_right_on_every_side_of_an_edge),
        cmocka_unit_test(members_have_the_same_bits_alone_and_together),
        cmocka_unit_test(members_of_clblast_packed_kernel_have_the_same_bits),
        cmocka_unit_test(products_in_a_row_share_the_memory_that_they_pack_into),
        cmocka_unit_test(clblast_packed_kernel_heeds_offsets_and_shared_operands),
        cmocka_unit_test(refused_parameters_leave_clblast_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Products whose operands are mostly zero, which the panel engine passes over: the same bits as the
 * product of every term, which other tests compare with sums in double precision.
 * INVAR_TEST_SMALL=1 leaves out what is too slow on a simulated device. */
#include "../kit/device.h"

#include "linalg/gemm.h"

#include <invar/random.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    size_t m, n, k, batch;
    bool transpose_a, shared, accumulate;
} product;

/* Where the zeros are: at both ends, a quarter each; anywhere, four in five; everywhere. */
typedef enum { MARGIN, SCATTERED, ALL, N_PATTERNS } pattern;

static float value_at(program *f, pattern zeros, size_t i, size_t n) {
    uint32_t words[4];
    iv_philox(2, IV_STREAM_TEST, 0, f->n_draws++, words);
    const bool zero = zeros == ALL || (zeros == MARGIN && (i < n / 4 || i >= n - n / 4)) ||
                      (zeros == SCATTERED && words[1] % 5 != 0);
    return zero ? 0.0f : iv_uniform_symmetric(words[0]);
}

/* rows x columns a member, zeros along the columns. */
static iv_view random_matrix(program *f, iv_sequence *sequence, size_t rows, size_t columns,
                             size_t batch, pattern zeros, bool has_zeros) {
    const size_t n = rows * columns * batch;
    iv_view view = {NULL, 0, batch == 1 ? 0 : rows * columns};
    float *values = malloc(n * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++)
        values[i] = value_at(f, has_zeros ? zeros : N_PATTERNS, i % columns, columns);
    assert_ok(f->context, iv_sequence_buffer(sequence, n * sizeof *values, &view.buffer));
    assert_ok(f->context, iv_buffer_write(f->context, view.buffer, 0, n * sizeof *values, values));
    free(values);
    return view;
}

/* One product with and without the hint; *longer: launches that the hint adds. */
static void compare(program *f, const iv_panel_tile *tile, product p, pattern zeros, bool zeros_a,
                    size_t *longer) {
    iv_sequence *memory = begin_sequence(f);
    const size_t n_a = p.shared ? 1 : p.batch, bytes = p.m * p.n * p.batch * sizeof(float);
    const size_t rows_a = p.transpose_a ? p.k : p.m, columns_a = p.transpose_a ? p.m : p.k;
    iv_gemm_desc desc = {
        .m = p.m,
        .n = p.n,
        .k = p.k,
        .batch = p.batch,
        .transpose_a = p.transpose_a,
        .transpose_b = zeros_a,
        .a = random_matrix(f, memory, rows_a, columns_a, n_a, zeros, zeros_a),
        .lda = columns_a,
        .ldc = p.n,
        .accumulate = p.accumulate,
    };
    desc.ldb = zeros_a ? p.k : p.n;
    desc.b = random_matrix(f, memory, zeros_a ? p.n : p.k, desc.ldb, p.shared ? 1 : p.batch, zeros,
                           !zeros_a);
    float *results[2];
    size_t lengths[2];
    for (int hint = 0; hint < 2; hint++) {
        iv_sequence *sequence = begin_sequence(f);
        desc.zeros_a = hint && zeros_a;
        desc.zeros_b = hint && !zeros_a;
        desc.c = (iv_view){NULL, 0, p.m * p.n};
        desc.row_sums = (iv_view){NULL, 0, p.m};
        assert_ok(f->context, iv_sequence_buffer(sequence, bytes, &desc.c.buffer));
        assert_ok(f->context, iv_sequence_buffer(sequence, p.m * p.batch * sizeof(float),
                                                 &desc.row_sums.buffer));
        assert_ok(f->context, iv_buffer_fill(f->context, desc.c.buffer, 0, bytes, 0x3f000000));
        const iv_gemm_choice choice = {.engine = IV_ENGINE_PANEL, .panel = *tile};
        assert_ok(f->context, iv_gemm_append(sequence, &desc, &choice));
        assert_ok(f->context, iv_sequence_run(sequence, 0));
        results[hint] = malloc(bytes + p.m * p.batch * sizeof(float));
        assert_non_null(results[hint]);
        assert_ok(f->context, iv_buffer_read(f->context, desc.c.buffer, 0, bytes, results[hint]));
        assert_ok(f->context,
                  iv_buffer_read(f->context, desc.row_sums.buffer, 0, p.m * p.batch * sizeof(float),
                                 results[hint] + p.m * p.n * p.batch));
        lengths[hint] = iv_sequence_length(sequence);
        end_sequence(f, sequence);
    }
    for (size_t i = 0; i < (p.m * p.n + p.m) * p.batch; i++)
        if (memcmp(&results[0][i], &results[1][i], sizeof(float)) != 0)
            fail_msg("%zu x %zu x %zu: element %zu is %.9g, of every term %.9g", p.m, p.n, p.k, i,
                     (double)results[1][i], (double)results[0][i]);
    *longer = lengths[1] - lengths[0];
    free(results[0]);
    free(results[1]);
    end_sequence(f, memory);
}

/* Tiles of CPUs with NEON, AVX-512 and AVX2, a simulated device taking the first alone: where
 * packing transposes blocks of 16 x 16 in registers, Oclgrind takes lanes for uninitialised. Ends
 * of rows, columns and blocks of k that fill none. */
static const iv_panel_tile tiles[] = {{8, 3, 4}, {8, 3, 16}, {6, 2, 8}};
enum { N_TILES = sizeof tiles / sizeof *tiles };

/* Every tile for the first product, that of AVX-512 for the others. */
static bool is_taken(size_t i_product, size_t i_tile) {
    return is_small_run() ? i_tile == 0 : i_product == 0 || i_tile == 1;
}

static void compare_all(program *f, const product *products, size_t n, bool zeros_a) {
    for (size_t i = 0; i < (is_small_run() ? 2 : n); i++)
        for (size_t t = 0; t < N_TILES; t++)
            for (int zeros = 0; zeros < N_PATTERNS && is_taken(i, t); zeros++) {
                size_t longer;
                compare(f, &tiles[t], products[i], (pattern)zeros, zeros_a, &longer);
                assert_int_equal(longer, products[i].k > 1024 ? 2 : 1); /* a list a block of k */
            }
}

static void rows_with_zeros_give_the_bits_of_the_whole_sum(void **state) {
    const product products[] = {{.m = 21, .n = 98, .k = 45, .batch = 2},
                                {.m = 5, .n = 98, .k = 16, .batch = 1, .accumulate = true},
                                {.m = 64, .n = 128, .k = 33, .batch = 3, .shared = true},
                                {.m = 19, .n = 100, .k = 1100, .batch = 2}};
    compare_all(*state, products, sizeof products / sizeof *products, true);
}

static void columns_with_zeros_give_the_bits_of_the_whole_sum(void **state) {
    const product products[] = {
        {.m = 33, .n = 80, .k = 21, .batch = 2, .transpose_a = true},
        {.m = 17, .n = 112, .k = 40, .batch = 1},
        {.m = 40, .n = 784, .k = 64, .batch = 2, .transpose_a = true, .shared = true},
        {.m = 20, .n = 48, .k = 1100, .batch = 2, .transpose_a = true, .accumulate = true},
        {.m = 18, .n = 101, .k = 50, .batch = 2, .transpose_a = true}}; /* B is packed */
    compare_all(*state, products, sizeof products / sizeof *products, false);
}

/* A list would cost more than one or two tiles beside it save. */
static void narrow_products_take_no_lists(void **state) {
    size_t longer;
    compare(*state, &tiles[0], (product){.m = 40, .n = 10, .k = 50, .batch = 1}, MARGIN, true,
            &longer);
    assert_int_equal(longer, 0);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_with_zeros_give_the_bits_of_the_whole_sum),
        cmocka_unit_test(columns_with_zeros_give_the_bits_of_the_whole_sum),
        cmocka_unit_test(narrow_products_take_no_lists),
    };
    return cmocka_run_group_tests_name("products with zeros", tests, open_any_engine,
                                       close_program);
}

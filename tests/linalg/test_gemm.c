/* Matrix products of every engine against sums in double precision.
 *
 * Every operand lies in a larger buffer: with an offset, gaps between members and rows longer than
 * needed, all of it NaN, so that reading a gap shows. What surrounds C must keep its bits.
 * INVAR_TEST_SMALL=1 leaves out what is too slow on a simulated device. */
#include "../kit/device.h"

#include "linalg/gemm.h"

#include <invar/random.h>

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_ROUNDOFF 0x1p-24

typedef struct {
    size_t m, n, k, batch;
    bool transpose_a, transpose_b;
    bool shared_a, shared_b, shared_bias;         /* one copy for all members */
    bool accumulate, scale, bias, relu, row_sums; /* scale goes with accumulate alone */
    size_t gate_rows;                             /* 0: no gate */
    size_t gap; /* extra elements in offsets, rows and between members */
} product;

/* A matrix for each member in a buffer. */
typedef struct {
    size_t rows, columns, stored; /* stored: elements from one row to the next */
    iv_view view;
    size_t n; /* elements of the buffer */
    float *values;
} operand;

typedef struct {
    operand a, b, c, scale, bias, gate, row_sums;
    float *before, *sums_before; /* C and the row sums as they were */
} operands;

/* Oclgrind takes what CLBlast's kernels compute in registers past the edge of a matrix for reads of
 * uninitialised memory. */
static bool is_testable(const program *f, iv_gemm_engine engine) {
    return engine != IV_ENGINE_CLBLAST || !strstr(iv_context_device(f->context)->name, "Oclgrind");
}

/* A driver takes ten seconds for CLBlast's kernels of a pair of transposes: one pair, but in full runs. */
static bool is_tried(iv_gemm_engine engine, const product *p) {
    return engine != IV_ENGINE_CLBLAST || is_full_run() || (!p->transpose_a && p->transpose_b);
}

static float uniform(program *f) {
    uint32_t words[4];
    iv_philox(1, IV_STREAM_TEST, 0, f->n_draws++, words);
    return iv_uniform_symmetric(words[0]);
}

/* ------------------------------------------------------------------ operands */

static operand make_operand(program *f, iv_sequence *sequence, size_t rows, size_t columns,
                            size_t batch, bool shared, size_t gap, bool is_random) {
    operand o = {.rows = rows, .columns = columns, .stored = columns + gap};
    o.view.offset = gap;
    o.view.stride = shared ? 0 : rows * o.stored + 2 * gap;
    o.n = gap + (batch - 1) * o.view.stride + rows * o.stored + gap;
    o.values = malloc(o.n * sizeof *o.values);
    assert_non_null(o.values);
    for (size_t i = 0; i < o.n; i++) o.values[i] = NAN;
    for (size_t r = 0; r < (shared ? 1 : batch) && is_random; r++)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < columns; j++)
                o.values[o.view.offset + r * o.view.stride + i * o.stored + j] = uniform(f);
    assert_ok(f->context, iv_sequence_buffer(sequence, o.n * sizeof *o.values, &o.view.buffer));
    assert_ok(f->context,
              iv_buffer_write(f->context, o.view.buffer, 0, o.n * sizeof *o.values, o.values));
    return o;
}

static double at(const operand *o, size_t member, size_t row, size_t column) {
    return o->values[o->view.offset + member * o->view.stride + row * o->stored + column];
}

/* Without accumulation C starts as NaN, which a product with 0 would keep. */
static operands make_operands(program *f, iv_sequence *sequence, const product *p) {
    operands o;
    memset(&o, 0, sizeof o);
    o.a = make_operand(f, sequence, p->transpose_a ? p->k : p->m, p->transpose_a ? p->m : p->k,
                       p->batch, p->shared_a, p->gap, true);
    o.b = make_operand(f, sequence, p->transpose_b ? p->n : p->k, p->transpose_b ? p->k : p->n,
                       p->batch, p->shared_b, p->gap, true);
    o.c = make_operand(f, sequence, p->m, p->n, p->batch, false, p->gap, p->accumulate);
    o.before = malloc(o.c.n * sizeof *o.before);
    assert_non_null(o.before);
    memcpy(o.before, o.c.values, o.c.n * sizeof *o.before);
    /* bias, gate and sums have no row length of their own */
    if (p->bias) o.bias = make_operand(f, sequence, p->n, 1, p->batch, p->shared_bias, 0, true);
    if (p->gate_rows)
        o.gate = make_operand(f, sequence, p->m / p->gate_rows * p->n, 1, p->batch, false, 0, true);
    if (p->row_sums) o.row_sums = make_operand(f, sequence, p->m, 1, p->batch, false, 0, p->scale);
    if (p->row_sums) {
        o.sums_before = malloc(o.row_sums.n * sizeof *o.sums_before);
        assert_non_null(o.sums_before);
        memcpy(o.sums_before, o.row_sums.values, o.row_sums.n * sizeof *o.sums_before);
    }
    if (p->scale) o.scale = make_operand(f, sequence, 1, 1, p->batch, false, 2, true);
    return o;
}

static void free_operands(operands *o) {
    free(o->a.values);
    free(o->b.values);
    free(o->c.values);
    free(o->scale.values);
    free(o->bias.values);
    free(o->gate.values);
    free(o->row_sums.values);
    free(o->before);
    free(o->sums_before);
}

static iv_gemm_desc describe(const product *p, const operands *o) {
    return (iv_gemm_desc){.m = p->m,
                          .n = p->n,
                          .k = p->k,
                          .batch = p->batch,
                          .transpose_a = p->transpose_a,
                          .transpose_b = p->transpose_b,
                          .a = o->a.view,
                          .b = o->b.view,
                          .c = o->c.view,
                          .lda = o->a.stored,
                          .ldb = o->b.stored,
                          .ldc = o->c.stored,
                          .accumulate = p->accumulate,
                          .scale = o->scale.view,
                          .bias = o->bias.view,
                          .activation = p->relu ? IV_ACTIVATION_RELU : IV_ACTIVATION_NONE,
                          .gate = o->gate.view,
                          .gate_activation = IV_ACTIVATION_RELU,
                          .gate_rows = p->gate_rows,
                          .row_sums = o->row_sums.view};
}

/* Compute on the device: new values of C and the row sums. */
static void multiply(program *f, iv_sequence *sequence, const iv_gemm_choice *choice,
                     const product *p, operands *o) {
    const iv_gemm_desc desc = describe(p, o);
    assert_ok(f->context, iv_gemm_append(sequence, &desc, choice));
    assert_ok(f->context, iv_sequence_run(sequence, 0));
    operand *const results[] = {&o->c, &o->row_sums};
    for (size_t i = 0; i < 2; i++)
        if (results[i]->values)
            assert_ok(f->context,
                      iv_buffer_read(f->context, results[i]->view.buffer, 0,
                                     results[i]->n * sizeof(float), results[i]->values));
}

/* ------------------------------------------------------------------ the oracle */

/* A sum of N rounded terms in any order is within N u of the sum of magnitudes, to first order
 * (Higham 2002, section 3.1): k products, and one more each for bias and accumulation. */
static void check_entry(const product *p, const operands *o, size_t r, size_t i, size_t j) {
    double sum = 0.0, magnitude = 0.0;
    for (size_t q = 0; q < p->k; q++) {
        const double x = at(&o->a, r, p->transpose_a ? q : i, p->transpose_a ? i : q);
        const double y = at(&o->b, r, p->transpose_b ? j : q, p->transpose_b ? q : j);
        sum += x * y;
        magnitude += fabs(x * y);
    }
    const size_t here = o->c.view.offset + r * o->c.view.stride + i * o->c.stored + j;
    const double bias = p->bias ? at(&o->bias, r, j, 0) : 0.0;
    const double kept = p->accumulate ? o->before[here] : 0.0;
    if (p->scale) sum *= at(&o->scale, r, 0, 0), magnitude *= fabs(at(&o->scale, r, 0, 0));
    sum += bias + kept;
    magnitude += fabs(bias) + fabs(kept);
    if (p->relu && sum < 0.0) sum = 0.0;
    const bool closed = p->gate_rows && at(&o->gate, r, i / p->gate_rows * p->n + j, 0) <= 0.0;
    const double tolerance = closed ? 0.0 : (double)(p->k + 2) * UNIT_ROUNDOFF * magnitude;
    const double expected = closed ? 0.0 : sum, got = o->c.values[here];
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%zu x %zu x %zu%s%s: member %zu, entry (%zu, %zu) is %.9g, not %.9g +- %.2g",
                 p->m, p->n, p->k, p->transpose_a ? " A^T" : "", p->transpose_b ? " B^T" : "", r, i,
                 j, got, expected, tolerance);
}

static void check_row_sum(const product *p, const operands *o, size_t r, size_t i) {
    double sum = 0.0, magnitude = 0.0;
    for (size_t q = 0; q < p->k; q++) {
        const double x = at(&o->a, r, p->transpose_a ? q : i, p->transpose_a ? i : q);
        sum += x;
        magnitude += fabs(x);
    }
    if (p->scale) {
        const double kept =
            o->sums_before[o->row_sums.view.offset + r * o->row_sums.view.stride + i];
        sum = kept + at(&o->scale, r, 0, 0) * sum;
        magnitude = fabs(kept) + fabs(at(&o->scale, r, 0, 0)) * magnitude;
    }
    const double got = at(&o->row_sums, r, i, 0);
    if (!(fabs(got - sum) <= (double)p->k * UNIT_ROUNDOFF * magnitude))
        fail_msg("%zu x %zu x %zu: member %zu, the sum of row %zu is %.9g, not %.9g", p->m, p->n,
                 p->k, r, i, got, sum);
}

/* What does not belong to C has the bits it had. */
static void check_surroundings(const product *p, const operands *o) {
    for (size_t i = 0; i < o->c.n; i++) {
        const size_t from_start = i - o->c.view.offset;
        const size_t within = from_start % o->c.view.stride;
        const bool inside = i >= o->c.view.offset && from_start / o->c.view.stride < p->batch &&
                            within / o->c.stored < p->m && within % o->c.stored < p->n;
        if (!inside && memcmp(&o->c.values[i], &o->before[i], sizeof(float)) != 0)
            fail_msg("%zu x %zu x %zu: element %zu outside of C was written", p->m, p->n, p->k, i);
    }
}

static void check_choice(program *f, const iv_gemm_choice *choice, product p) {
    if (!is_testable(f, choice->engine) || !is_tried(choice->engine, &p)) return;
    iv_sequence *sequence = begin_sequence(f);
    operands o = make_operands(f, sequence, &p);
    multiply(f, sequence, choice, &p, &o);
    const size_t every = p.m * p.n * p.k > 10000000 ? 7 : 1; /* sums in double take their time */
    for (size_t r = 0; r < p.batch; r++)
        for (size_t i = 0; i < p.m; i++) {
            for (size_t j = i % every; j < p.n; j += every) check_entry(&p, &o, r, i, j);
            if (p.row_sums) check_row_sum(&p, &o, r, i);
        }
    check_surroundings(&p, &o);
    free_operands(&o);
    end_sequence(f, sequence);
}

/* The tiled engine's own tiles take CPU drivers seconds to build, for each variant: they are tried
 * on the largest product, with both operands transposed but in full runs, and in test_engines.c. */
static void check(program *f, product p) {
    check_choice(f, &(iv_gemm_choice){.engine = IV_ENGINE_CLBLAST}, p);
    check_choice(f, &(iv_gemm_choice){.engine = IV_ENGINE_PANEL}, p);
    iv_gemm_choice tiled = {.engine = IV_ENGINE_TILED};
    const bool is_small = p.m * p.n * p.k < 1000000;
    if (is_small || !(is_full_run() || (p.transpose_a && p.transpose_b)))
        tiled.tiled = (iv_gemm_tile){16, 16, 16, 2, 2};
    check_choice(f, &tiled, p);
}

/* ------------------------------------------------------------------ claims */

static const size_t shapes[][3] = {{1, 1, 1},    {1, 7, 3},      {4, 1, 5},     {13, 50, 5},
                                   {5, 17, 19},  {128, 10, 128}, {64, 64, 64},  {33, 100, 1},
                                   {1, 257, 65}, {9, 16, 2049},  {257, 129, 63}};

static size_t n_shapes(void) {
    return is_small_run() ? 4 : sizeof shapes / sizeof *shapes;
}

static void products_of_all_transposes_agree_with_double_sums(void **state) {
    for (size_t i = 0; i < n_shapes(); i++)
        for (unsigned transposes = 0; transposes < 4; transposes++)
            check(*state, (product){.m = shapes[i][0],
                                    .n = shapes[i][1],
                                    .k = shapes[i][2],
                                    .batch = i % 3 + 1,
                                    .transpose_a = transposes & 1,
                                    .transpose_b = transposes >> 1,
                                    .gap = i % 2 ? 3 : 0});
}

static void large_products_are_packed_and_blocked_rightly(void **state) {
    if (is_small_run()) SKIP_BECAUSE("too slow for a small run");
    for (unsigned transposes = 0; transposes < 4; transposes++)
        check_choice(*state, &(iv_gemm_choice){.engine = IV_ENGINE_PANEL},
                     (product){.m = 290,
                               .n = 203,
                               .k = 1301,
                               .batch = 2,
                               .transpose_a = transposes & 1,
                               .transpose_b = transposes >> 1,
                               .shared_a = transposes == 1,
                               .bias = true,
                               .relu = true,
                               .row_sums = true,
                               .gap = 5});
}

static void epilogues_come_in_their_order(void **state) {
    static const product epilogues[] = {
        {.bias = true},
        {.relu = true},
        {.bias = true, .relu = true},
        {.accumulate = true},
        {.accumulate = true, .bias = true, .relu = true},
        {.gate_rows = 1},
        {.gate_rows = 10},
        {.accumulate = true, .bias = true, .relu = true, .gate_rows = 5},
        {.row_sums = true},
        {.row_sums = true, .bias = true, .accumulate = true},
        {.bias = true, .shared_bias = true},
        {.accumulate = true, .scale = true},
        {.accumulate = true, .scale = true, .row_sums = true},
    };
    static const size_t sizes[][3] = {{20, 7, 9}, {130, 65, 33}, {40, 50, 1100}};
    for (size_t i = 0; i < (is_small_run() ? 1 : 3); i++)
        for (size_t k = 0; k < sizeof epilogues / sizeof *epilogues; k++) {
            product p = epilogues[k];
            p.m = sizes[i][0];
            p.n = sizes[i][1];
            p.k = sizes[i][2];
            p.batch = 2;
            p.transpose_a = k % 2;
            p.transpose_b = i % 2 == 0;
            p.gap = 1;
            if (i == 0)
                check(*state, p);
            else /* every variant is a kernel to be built; in several blocks of k, the epilogue
                  * belongs to the last */
                check_choice(*state, &(iv_gemm_choice){.engine = IV_ENGINE_PANEL}, p);
            const bool has_most = (p.gate_rows && p.bias) || (p.scale && p.row_sums);
            if (i == 1 && p.accumulate && (has_most || (is_full_run() && (p.bias || p.scale))))
                /* the tiled engine's larger tile */
                check_choice(*state, &(iv_gemm_choice){.engine = IV_ENGINE_TILED}, p);
        }
}

static void operands_can_be_shared_among_members(void **state) {
    for (unsigned which = 1; which < 4; which++)
        for (unsigned transposes = 0; transposes < 4; transposes++)
            check(*state, (product){.m = 12,
                                    .n = 19,
                                    .k = 6,
                                    .batch = 3,
                                    .transpose_a = transposes & 1,
                                    .transpose_b = transposes >> 1,
                                    .shared_a = which & 1,
                                    .shared_b = which >> 1,
                                    .gap = which % 2});
}

/* Other devices take other tiles; all of them work on this one. */
static void every_tile_of_the_panel_engine_gives_the_product(void **state) {
    static const iv_gemm_choice choices[] = {
        {.engine = IV_ENGINE_PANEL, .panel = {8, 3, 16}},
        {.engine = IV_ENGINE_PANEL, .panel = {6, 2, 8}},
        {.engine = IV_ENGINE_PANEL, .panel = {8, 3, 4}},
        {.engine = IV_ENGINE_PANEL, .panel = {1, 1, 1}},
        {.engine = IV_ENGINE_PANEL, .panel = {4, 4, 2}},
    };
    static const size_t sizes[][3] = {{9, 21, 11}, {65, 70, 40}, {12, 64, 17}};
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        for (size_t k = 0; k < (is_small_run() ? 1 : 3); k++)
            for (unsigned transposes = 0; transposes < 4; transposes++)
                check_choice(*state, &choices[i],
                             (product){.m = sizes[k][0],
                                       .n = sizes[k][1],
                                       .k = sizes[k][2],
                                       .batch = 2,
                                       .transpose_a = transposes & 1,
                                       .transpose_b = transposes >> 1,
                                       .bias = true,
                                       .relu = transposes % 2,
                                       .gap = k});
}

static void a_member_gets_the_same_bits_alone_and_in_a_batch(void **state) {
    program *f = *state;
    static const size_t sizes[][3] = {{3, 5, 7}, {20, 48, 33}, {70, 10, 300}, {65, 66, 1200}};
    for (int engine = IV_ENGINE_CLBLAST; engine <= IV_ENGINE_TILED; engine++) {
        const iv_gemm_choice choice = {.engine = (iv_gemm_engine)engine};
        if (!is_testable(f, choice.engine)) continue;
        for (size_t i = 0; i < (is_small_run() ? 2 : 4); i++) {
            product p = {.m = sizes[i][0],
                         .n = sizes[i][1],
                         .k = sizes[i][2],
                         .batch = 7,
                         .transpose_b = i % 2,
                         .bias = true,
                         .relu = true,
                         .gap = i};
            if (!is_tried(choice.engine, &p)) continue;
            iv_sequence *sequence = begin_sequence(f);
            operands all = make_operands(f, sequence, &p);
            multiply(f, sequence, &choice, &p, &all);
            p.batch = 1;
            for (size_t r = 0; r < 7; r += 3) {
                iv_sequence *of_one = begin_sequence(f);
                operands one = make_operands(f, of_one, &p);
                const operand *from[] = {&all.a, &all.b, &all.bias};
                operand *to[] = {&one.a, &one.b, &one.bias};
                for (size_t k = 0; k < 3; k++) {
                    const size_t first = from[k]->view.offset + r * from[k]->view.stride;
                    memcpy(to[k]->values + to[k]->view.offset, from[k]->values + first,
                           from[k]->rows * from[k]->stored * sizeof(float));
                    assert_ok(f->context, iv_buffer_write(f->context, to[k]->view.buffer, 0,
                                                          to[k]->n * sizeof(float), to[k]->values));
                }
                multiply(f, of_one, &choice, &p, &one);
                assert_memory_equal(one.c.values + one.c.view.offset,
                                    all.c.values + all.c.view.offset + r * all.c.view.stride,
                                    p.m * one.c.stored * sizeof(float));
                free_operands(&one);
                end_sequence(f, of_one);
            }
            free_operands(&all);
            end_sequence(f, sequence);
        }
    }
}

static void assert_refused(const program *f, iv_status status, const char *part) {
    iv_error *error = iv_context_error(f->context);
    assert_int_equal(status, IV_EINVAL);
    if (!strstr(error->message, part))
        fail_msg("the message lacks \"%s\": %s", part, error->message);
    iv_error_clear(error);
}

static void sizes_that_do_not_fit_are_refused(void **state) {
    program *f = *state;
    const product p = {.m = 6, .n = 5, .k = 4, .batch = 2, .gate_rows = 2};
    iv_sequence *sequence = begin_sequence(f);
    operands o = make_operands(f, sequence, &p);
    const iv_gemm_desc good = describe(&p, &o);
    size_t *no_size[4], *short_row[3];
    iv_gemm_desc bad = good;
    iv_view *const no_buffer[] = {&bad.a, &bad.b, &bad.c};
    no_size[0] = &bad.m, no_size[1] = &bad.n, no_size[2] = &bad.k, no_size[3] = &bad.batch;
    short_row[0] = &bad.lda, short_row[1] = &bad.ldb, short_row[2] = &bad.ldc;
    for (size_t i = 0; i < 4; i++) {
        bad = good;
        *no_size[i] = 0;
        assert_refused(f, iv_gemm(sequence, &bad), "zero");
    }
    for (size_t i = 0; i < 3; i++) {
        bad = good;
        --*short_row[i];
        assert_refused(f, iv_gemm(sequence, &bad), "leading dimensions");
    }
    for (size_t i = 0; i < 3; i++) {
        bad = good;
        no_buffer[i]->buffer = NULL;
        assert_refused(f, iv_gemm(sequence, &bad), "has no buffer");
    }
    bad = good;
    bad.gate_rows = 4;
    assert_refused(f, iv_gemm(sequence, &bad), "do not share gates of 4 rows");
    bad = good;
    bad.scale = good.a;
    bad.gate.buffer = NULL;
    assert_refused(f, iv_gemm(sequence, &bad), "scaled product");
    bad.accumulate = true;
    bad.activation = IV_ACTIVATION_SELU;
    assert_refused(f, iv_gemm(sequence, &bad), "scaled product");
    bad.activation = IV_ACTIVATION_NONE;
    bad.bias = good.a;
    assert_refused(f, iv_gemm(sequence, &bad), "scaled product");
    assert_int_equal(iv_sequence_length(sequence), 0);
    free_operands(&o);
    end_sequence(f, sequence);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_all_transposes_agree_with_double_sums),
        cmocka_unit_test(large_products_are_packed_and_blocked_rightly),
        cmocka_unit_test(epilogues_come_in_their_order),
        cmocka_unit_test(operands_can_be_shared_among_members),
        cmocka_unit_test(every_tile_of_the_panel_engine_gives_the_product),
        cmocka_unit_test(a_member_gets_the_same_bits_alone_and_in_a_batch),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("gemm", tests, open_any_engine, close_program);
}

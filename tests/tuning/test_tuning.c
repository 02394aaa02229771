/* The tuner of kernels' numbers: every number has a probe, whose results do not depend on the number but
 * for rounding. Those of ops are compared with oracles in tests/graph/test_kernel_parameters.c. */
#include "../kit/device.h"

#include "regression/sgpr_parts.h"
#include "tuning/probe.h"

#include <math.h>

static size_t n_rows(const iv_kernel_parameter **rows) {
    return iv_kernel_parameters(rows);
}

static bool is_candidate(const iv_kernel_parameter *row, size_t value) {
    for (size_t i = 0; i < row->n_candidates; i++)
        if (row->candidates[i] == value) return true;
    return false;
}

static void every_number_has_a_probe_and_something_to_try(void **state) {
    const iv_kernel_parameter *rows;
    (void)state;
    for (size_t i = 0; i < n_rows(&rows); i++) {
        const probe_kind *kind = probe_of(rows[i].kernel, rows[i].name);
        assert_non_null(kind);
        assert_true((kind->build == NULL) != (kind->open == NULL));
        assert_true(rows[i].n_candidates >= 2);
        assert_true(is_candidate(&rows[i], rows[i].cpu));
        assert_true(is_candidate(&rows[i], rows[i].gpu));
    }
    assert_int_equal(n_rows(&rows), n_probe_graphs + n_probe_systems);
    assert_null(probe_of("rich", "rows"));
}

/* What a probe computes, which the caller frees. */
static float *results_of(program *p, const probe_kind *kind, size_t value, probe *opened) {
    assert_ok(p->context, iv_kernel_set(p->context, kind->kernel, kind->name, value));
    assert_ok(p->context, probe_open(p->context, kind, opened));
    float *values = calloc(probe_size(opened), sizeof *values);
    assert_non_null(values);
    assert_ok(p->context, probe_read(opened, values));
    return values;
}

static void assert_not_all_equal(const float *values, size_t n) {
    bool differ = n == 1;
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(values[i]));
        differ |= values[i] != values[0];
    }
    assert_true(differ);
}

static void check_row(program *p, const iv_kernel_parameter *row, bool all) {
    const probe_kind *kind = probe_of(row->kernel, row->name);
    probe opened;
    float *right = results_of(p, kind, IV_KERNEL_UNTUNED, &opened);
    assert_not_all_equal(right, probe_size(&opened));
    probe_close(&opened);
    for (size_t c = 0; c < row->n_candidates && all; c++) {
        float *values = results_of(p, kind, row->candidates[c], &opened);
        if (!probe_agrees(&opened, right, values))
            fail_msg("%s.%s: with %zu other results", row->kernel, row->name, row->candidates[c]);
        free(values);
        probe_close(&opened);
    }
    free(right);
    assert_ok(p->context, iv_kernel_set(p->context, row->kernel, row->name, IV_KERNEL_UNTUNED));
}

static void results_do_not_depend_on_the_number(void **state) {
    program *p = *state;
    const iv_kernel_parameter *rows;
    for (size_t i = 0; i < n_rows(&rows); i++) {
        const bool is_graph = probe_of(rows[i].kernel, rows[i].name)->build != NULL;
        if (!is_small_run() || !is_graph) check_row(p, &rows[i], !is_graph && !is_small_run());
    }
}

/* Numbers that change the order of sums show in the last bits of what the probe computes; how many floats an
 * update's vectors have does not. */
static void numbers_are_used(void **state) {
    program *p = *state;
    static const struct {
        const char *kernel, *name;
        size_t one, other;
    } pairs[] = {
        {"posterior", "LANES", 1, 64}, {"svd", "VECTORS", 0, 1}, {"triangular", "BLOCK", 64, 256}};
    if (is_small_run()) SKIP_BECAUSE("too slow for a small run");
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const probe_kind *kind = probe_of(pairs[i].kernel, pairs[i].name);
        probe opened;
        float *one = results_of(p, kind, pairs[i].one, &opened);
        probe_close(&opened);
        float *other = results_of(p, kind, pairs[i].other, &opened);
        if (memcmp(one, other, probe_size(&opened) * sizeof *one) == 0)
            fail_msg("%s.%s: %zu and %zu are one", pairs[i].kernel, pairs[i].name, pairs[i].one,
                     pairs[i].other);
        probe_close(&opened);
        free(one);
        free(other);
        assert_ok(p->context,
                  iv_kernel_set(p->context, kind->kernel, kind->name, IV_KERNEL_UNTUNED));
    }
}

/* Its products sum over the same blocks of rows whatever the chunks, so that results do not tell. */
static void a_regression_takes_the_rows_that_were_set(void **state) {
    program *p = *state;
    const probe_kind *kind = probe_of("sgpr", "CHUNK");
    static const size_t chunks[] = {1024, 8192};
    for (size_t i = 0; i < 2; i++) {
        probe opened;
        free(results_of(p, kind, chunks[i], &opened));
        assert_int_equal(opened.regression->desc.chunk, chunks[i]);
        probe_close(&opened);
    }
    assert_ok(p->context, iv_kernel_set(p->context, "sgpr", "CHUNK", IV_KERNEL_UNTUNED));
}

static void other_results_are_found(void **state) {
    program *p = *state;
    probe opened;
    const probe_kind *kind = probe_of("optimizer", "VW");
    float *right = results_of(p, kind, IV_KERNEL_UNTUNED, &opened);
    float *values = results_of(p, kind, IV_KERNEL_UNTUNED, (probe_close(&opened), &opened));
    const size_t n = probe_size(&opened);
    float largest = 0.0f;
    for (size_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(right[i]));
    assert_memory_equal(right, values, n * sizeof *right);
    values[n - 1] += 2e-5f * largest;
    assert_true(probe_agrees(&opened, right, values));
    values[n - 1] += 2e-4f * largest;
    assert_false(probe_agrees(&opened, right, values));
    values[n - 1] = NAN;
    assert_false(probe_agrees(&opened, right, values));
    probe_close(&opened);
    free(right);
    free(values);
}

static void hear(void *user, const char *text) {
    *(size_t *)user += strstr(text, "no time was left to try ") != NULL;
}

static void numbers_that_there_was_no_time_for_are_named(void **state) {
    program *p = *state;
    const iv_kernel_parameter *rows;
    size_t n_heard = 0;
    const iv_tune_options options = {.seconds = 1e-9, .note = hear, .user = &n_heard};
    assert_ok(p->context, iv_tune_kernels(p->context, &options, NULL));
    assert_int_equal(n_heard, n_rows(&rows));
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_has_a_probe_and_something_to_try),
        cmocka_unit_test(results_do_not_depend_on_the_number),
        cmocka_unit_test(numbers_are_used),
        cmocka_unit_test(a_regression_takes_the_rows_that_were_set),
        cmocka_unit_test(other_results_are_found),
        cmocka_unit_test(numbers_that_there_was_no_time_for_are_named),
    };
    return cmocka_run_group_tests_name("tuning", tests, open_program, close_program);
}

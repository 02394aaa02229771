/* Numbers of kernels that the tuner may choose: with each of them the kernels agree with the
 * oracles. */
#include "examples.h"
#include "oracles.h"

#include <invar/tune.h>

static void check(program *p, const example_family *family, size_t variant) {
    trial *t = trial_begin(p, 2);
    example x = {.n_outputs = 0};
    family->build(t, variant, &x);
    iv_tensor *y = x.outputs[0], *outputs[EXAMPLE_MAX + 1] = {y};
    if (x.n_wrt > 0) {
        iv_tensor *seed = trial_floats(t, LIES_APART, y->rank, y->dims, -1.0, 1.0);
        assert_ok(t->context, iv_vector_jacobian(t->graph, y, seed, x.wrt, x.n_wrt, outputs + 1));
    }
    trial_run(t, outputs, x.n_wrt + 1, 5);
    for (size_t i = 0; i < x.n_wrt + 1; i++) assert_tensor_agrees(t, outputs[i], 5);
    trial_end(p, t);
}

/* Every number that has candidates is here. */
static const struct {
    const char *kernel, *name;
    const example_family *family;
} tuned[] = {
    {"feature_mean", "VECTORS", &examples_feature_mean},
    {"mean_square", "LANES", &examples_mean_square},
    {"mean_square", "ROW_LANES", &examples_square_error_sums},
    {"pair_loss", "LANES", &examples_pair_loss},
    {"pair_loss", "PAIRS", &examples_pair_loss},
    {"rich", "ROWS", &examples_rich},
    {"warp", "SAMPLES", &examples_warp_filters},
};

static const example_family *family_of(const iv_kernel_parameter *row) {
    for (size_t i = 0; i < sizeof tuned / sizeof *tuned; i++)
        if (strcmp(tuned[i].kernel, row->kernel) == 0 && strcmp(tuned[i].name, row->name) == 0)
            return tuned[i].family;
    fail_msg("%s.%s has candidates but no examples here", row->kernel, row->name);
    return NULL;
}

static void every_candidate_agrees_with_the_oracles(void **state) {
    program *p = *state;
    const iv_kernel_parameter *rows;
    const size_t n = iv_kernel_parameters(&rows);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; rows[i].candidates[c]; c++) {
            if (is_small_run() && c > 0) continue;
            assert_ok(p->context, iv_kernel_set(p->context, rows[i].kernel, rows[i].name,
                                                rows[i].candidates[c]));
            assert_int_equal(iv_kernel_value(p->context, rows[i].kernel, rows[i].name),
                             rows[i].candidates[c]);
            for (size_t variant = 2; variant < 4; variant++) check(p, family_of(&rows[i]), variant);
            assert_ok(p->context, iv_kernel_set(p->context, rows[i].kernel, rows[i].name, 0));
        }
}

static void hear(void *user, const char *text) {
    *(size_t *)user += strstr(text, "no time was left to try ") != NULL;
}

static void numbers_that_there_was_no_time_for_are_named(void **state) {
    program *p = *state;
    size_t n_heard = 0;
    const iv_tune_options options = {.seconds = 1e-9, .note = hear, .user = &n_heard};
    assert_ok(p->context, iv_tune_kernels(p->context, &options, NULL));
    assert_int_equal(n_heard, sizeof tuned / sizeof *tuned);
}

static void other_values_are_refused(void **state) {
    program *p = *state;
    static const struct {
        const char *kernel, *name;
        size_t value;
    } wrong[] = {
        {"rich", "ROWS", 7}, {"rich", "rows", 8}, {"none", "ROWS", 8}, {"svd", "VECTORS", 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(iv_kernel_set(p->context, wrong[i].kernel, wrong[i].name, wrong[i].value),
                         IV_EINVAL);
        assert_non_null(strstr(iv_context_error(p->context)->message, wrong[i].kernel));
        iv_error_clear(iv_context_error(p->context));
    }
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_candidate_agrees_with_the_oracles),
        cmocka_unit_test(numbers_that_there_was_no_time_for_are_named),
        cmocka_unit_test(other_values_are_refused),
    };
    return cmocka_run_group_tests_name("kernel parameters", tests, open_program, close_program);
}

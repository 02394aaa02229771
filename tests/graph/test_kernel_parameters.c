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

/* The numbers of ops' kernels. */
static const struct {
    const char *kernel, *name;
    const example_family *family;
} tuned[] = {
    {"affine", "LANES", &examples_affine_samples},
    {"affine_batch", "LANES", &examples_affine_image_batch},
    {"blur", "ROWS", &examples_blur},
    {"convolve", "DIRECT", &examples_convolve},
    {"feature_mean", "VECTORS", &examples_feature_mean},
    {"fourier", "LANES", &examples_pair_batch},
    {"image_batch", "ROWS", &examples_image_batch},
    {"image_batch", "SAMPLES", &examples_image_batch},
    {"image_batch", "WHOLE", &examples_image_batch},
    {"loss", "WIDE", &examples_cross_entropy},
    {"mean_square", "LANES", &examples_mean_square},
    {"mean_square", "ROW_LANES", &examples_square_error_sums},
    {"orbit", "WHOLE", &examples_orbit},
    {"pair_loss", "LANES", &examples_pair_loss},
    {"pair_loss", "PAIRS", &examples_pair_loss},
    {"pool", "PLANES", &examples_max_pool},
    {"rich", "ROWS", &examples_rich},
    {"signal_batch", "SAMPLES", &examples_signal_batch},
    {"warp", "SAMPLES", &examples_warp_filters},
    {"warp", "VECTORS", &examples_warp_filters},
};

/* Kernels that no op launches: tests/tuning. */
static bool is_of_an_op(const iv_kernel_parameter *row) {
    static const char *const others[] = {"optimizer", "posterior", "sgpr", "svd", "triangular"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i], row->kernel) == 0) return false;
    return true;
}

static const example_family *family_of(const iv_kernel_parameter *row) {
    for (size_t i = 0; i < sizeof tuned / sizeof *tuned; i++)
        if (strcmp(tuned[i].kernel, row->kernel) == 0 && strcmp(tuned[i].name, row->name) == 0)
            return tuned[i].family;
    fail_msg("%s.%s has candidates but no examples here", row->kernel, row->name);
    return NULL;
}

/* What is in use without tuning is tested everywhere else. */
static void every_candidate_agrees_with_the_oracles(void **state) {
    program *p = *state;
    const iv_kernel_parameter *rows;
    const size_t n = iv_kernel_parameters(&rows);
    for (size_t i = 0; i < n; i++) {
        const size_t usual = iv_kernel_value(p->context, rows[i].kernel, rows[i].name);
        for (size_t c = 0; c < rows[i].n_candidates && is_of_an_op(&rows[i]); c++) {
            const size_t value = rows[i].candidates[c];
            if (value == usual) continue;
            assert_ok(p->context, iv_kernel_set(p->context, rows[i].kernel, rows[i].name, value));
            assert_int_equal(iv_kernel_value(p->context, rows[i].kernel, rows[i].name), value);
            check(p, family_of(&rows[i]), 2 + c % 2);
            assert_ok(p->context,
                      iv_kernel_set(p->context, rows[i].kernel, rows[i].name, IV_KERNEL_UNTUNED));
            assert_int_equal(iv_kernel_value(p->context, rows[i].kernel, rows[i].name), usual);
        }
    }
}

static void other_values_are_refused(void **state) {
    program *p = *state;
    static const struct {
        const char *kernel, *name;
        size_t value;
    } wrong[] = {
        {"rich", "ROWS", 7}, {"rich", "rows", 8}, {"none", "ROWS", 8}, {"svd", "VECTORS", 2}};
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
        cmocka_unit_test(other_values_are_refused),
    };
    return cmocka_run_group_tests_name("kernel parameters", tests, open_program, close_program);
}

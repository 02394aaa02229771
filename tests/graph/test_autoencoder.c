/* The rich layer, mean square error and the loss of pairs where they are delicate: at zero, close
 * to their minimum, for values that are not numbers, and in the kernels for the other kind of
 * device. */
#include "examples.h"
#include "oracles.h"

#include <float.h>

/* ------------------------------------------------------------------ the rich layer */

/* Pairs that vanish, that 1e-12 dominates, that lie on an axis, and large ones. */
static void rich_outputs_and_derivatives_are_right_down_to_zero(void **state) {
    static const double pairs[][2] = {{0.0, 0.0},   {1e-6, 0.0},  {-1e-7, 2e-6}, {1e-20, 1e-9},
                                      {1.0, 0.0},   {0.0, -1.0},  {1.0, 1e-7},   {-1e-5, 3.0},
                                      {1e6, -1e-6}, {2e15, 1e15}, {-0.0, 5e-4}};
    enum { ROWS = 3, COLUMNS = 4, PAIRS = sizeof pairs / sizeof *pairs };
    trial *t = trial_begin(*state, 2);
    iv_tensor *o = trial_floats(t, LIES_APART, 2, DIMS(ROWS, COLUMNS), -1.0, 1.0);
    iv_tensor *x = trial_floats(t, LIES_APART, 2, DIMS(ROWS, 2 * PAIRS), -1.0, 1.0);
    iv_tensor *seed = trial_floats(t, LIES_APART, 2, DIMS(ROWS, COLUMNS + 4 * PAIRS), -1.0, 1.0);
    for (size_t r = 0; r < 2; r++)
        for (size_t i = 0; i < ROWS * PAIRS; i++)
            for (size_t k = 0; k < 2; k++)
                trial_values(t, x, r)[2 * i + k] = (float)pairs[(i + r) % PAIRS][k];
    iv_tensor *y = iv_rich(t->graph, o, x), *gradients[2];
    assert_ok(t->context,
              iv_vector_jacobian(t->graph, y, seed, (iv_tensor *[]){x, o}, 2, gradients));
    iv_tensor *outputs[] = {y, gradients[0], gradients[1]};
    trial_run(t, outputs, 3, 0);
    for (size_t i = 0; i < 3; i++) assert_tensor_agrees(t, outputs[i], 0);
    trial_end(*state, t);
}

/* At X = 0: r = 1e-6, a = b = 0, so dr and dab do not count and da, db come back times 1e6. */
static void at_zero_the_rich_layer_has_the_slope_of_its_closed_form(void **state) {
    trial *t = trial_begin(*state, 1);
    iv_tensor *o = trial_floats(t, LIES_IN_PLAN, 2, DIMS(1, 1), 0.0, 1.0);
    iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 2, DIMS(1, 2), 0.0, 0.0);
    iv_tensor *seed = trial_floats(t, LIES_IN_PLAN, 2, DIMS(1, 5), 0.0, 0.0);
    static const double arriving[] = {7.0, 3.0, 0.25, -0.5, 11.0};
    memcpy(trial_values(t, seed, 0), arriving, sizeof arriving);
    iv_tensor *y = iv_rich(t->graph, o, x), *gradient;
    assert_ok(t->context, iv_vector_jacobian(t->graph, y, seed, &x, 1, &gradient));
    trial_run(t, (iv_tensor *[]){y, gradient}, 2, 0);
    float *values = trial_read(t, y), *dx = trial_read(t, gradient);
    /* 1e-12 in float32, sqrt (3 ulp), a division (2.5 ulp) and four products: below 20 ulp */
    const double tolerance = 20.0 * FLT_EPSILON;
    assert_true(fabs(values[1] - 1e-6) <= tolerance * 1e-6);
    for (size_t i = 2; i < 5; i++) assert_true(values[i] == 0.0f);
    assert_true(fabs(dx[0] - 0.25e6) <= tolerance * 0.25e6);
    assert_true(fabs(dx[1] + 0.5e6) <= tolerance * 0.5e6);
    free(values);
    free(dx);
    trial_end(*state, t);
}

/* What is not a number stays where it came from. */
static void nan_in_a_pair_reaches_what_that_pair_gives_and_nothing_else(void **state) {
    enum { ROWS = 2, COLUMNS = 3, PAIRS = 9, WRONG_ROW = 1, WRONG = 8 };
    trial *t = trial_begin(*state, 1);
    iv_tensor *o = trial_floats(t, LIES_IN_PLAN, 2, DIMS(ROWS, COLUMNS), 0.0, 1.0);
    iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 2, DIMS(ROWS, 2 * PAIRS), 0.5, 1.0);
    trial_values(t, x, 0)[WRONG_ROW * 2 * PAIRS + 2 * WRONG + 1] = NAN;
    iv_tensor *y = iv_rich(t->graph, o, x);
    trial_run(t, &y, 1, 0);
    float *got = trial_read(t, y);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t c = 0; c < COLUMNS + 4 * PAIRS; c++) {
            /* even / r and odd / r alike: r is not a number */
            const bool wrong = row == WRONG_ROW && c >= COLUMNS && (c - COLUMNS) % PAIRS == WRONG;
            assert_int_equal(isnan(got[row * (COLUMNS + 4 * PAIRS) + c]) != 0, wrong);
        }
    free(got);
    trial_end(*state, t);
}

/* ------------------------------------------------------------------ losses */

static void losses_of_nan_are_nan(void **state) {
    trial *t = trial_begin(*state, 2);
    iv_tensor *a = trial_floats(t, LIES_APART, 2, DIMS(30, 10), 0.0, 1.0);
    iv_tensor *b = trial_floats(t, LIES_APART, 2, DIMS(30, 10), 0.0, 1.0);
    iv_tensor *z = trial_floats(t, LIES_APART, 3, DIMS(2, 7, 5), 0.0, 1.0);
    iv_tensor *squares = trial_floats(t, LIES_APART, 1, DIMS(7), 0.0, 1.0);
    iv_tensor *one = trial_floats(t, LIES_APART, 1, DIMS(1), 1.0, 1.0);
    trial_values(t, a, 1)[299] = trial_values(t, z, 1)[62] = NAN;
    iv_tensor *outputs[] = {iv_mean_square(t->graph, a, b),
                            iv_pair_loss(t->graph, z, 5, squares, one, one),
                            iv_square_error_sums(t->graph, a, b, 30),
                            iv_pair_sums(t->graph, z, 5, squares, one, one, 7)};
    trial_run(t, outputs, 4, 0);
    for (size_t i = 0; i < 2; i++) {
        float *loss = trial_read(t, outputs[i]);
        assert_true(isfinite(loss[0]) && isnan(loss[1]));
        free(loss);
    }
    float *sums = trial_read(t, outputs[2]), *of_pairs = trial_read(t, outputs[3]);
    for (size_t i = 0; i < 20; i++) assert_int_equal(isnan(sums[i]) != 0, i == 19);
    assert_true(isfinite(of_pairs[IV_PAIR_LOSS]));
    assert_true(isnan(of_pairs[IV_N_PAIR_SUMS + IV_PAIR_LOSS]));
    free(sums);
    free(of_pairs);
    trial_end(*state, t);
}

/* One pair a member, whose codes differ by `step` in every one of 4 columns. */
typedef struct {
    trial *t;
    iv_tensor *loss, *gradient;
} lone_pair;

static lone_pair lone_pair_of(void **state, double step, double square, double delta) {
    trial *t = trial_begin(*state, 1);
    iv_tensor *z = trial_floats(t, LIES_IN_PLAN, 3, DIMS(2, 1, 4), 0.0, 0.0);
    iv_tensor *squares = trial_floats(t, LIES_IN_PLAN, 1, DIMS(1), square, square);
    iv_tensor *d = trial_floats(t, LIES_IN_PLAN, 1, DIMS(1), delta, delta);
    iv_tensor *alpha = trial_floats(t, LIES_IN_PLAN, 1, DIMS(1), 1.0, 1.0);
    for (size_t c = 0; c < 4; c++) trial_values(t, z, 0)[c] = step;
    lone_pair p = {.t = t, .loss = iv_pair_loss(t->graph, z, 4, squares, d, alpha)};
    assert_ok(t->context, iv_gradient(t->graph, p.loss, &z, 1, &p.gradient));
    trial_run(t, (iv_tensor *[]){p.loss, p.gradient}, 2, 0);
    return p;
}

static void equal_codes_of_a_copy_cost_nothing(void **state) {
    const lone_pair p = lone_pair_of(state, 0.0, 0.0, 0.1);
    float *loss = trial_read(p.t, p.loss), *gradient = trial_read(p.t, p.gradient);
    assert_true(loss[0] == 0.0f);
    for (size_t i = 0; i < 8; i++) assert_true(gradient[i] == 0.0f);
    free(loss);
    free(gradient);
    trial_end(*state, p.t);
}

/* delta = 0.5, d^2 = 0.5: (1 - 2)^2. */
static void equal_codes_of_distinct_signals_cost_but_have_no_slope(void **state) {
    const lone_pair p = lone_pair_of(state, 0.0, 0.5, 0.5);
    float *loss = trial_read(p.t, p.loss), *gradient = trial_read(p.t, p.gradient);
    assert_true(fabs(loss[0] - 1.0) <= 20.0 * FLT_EPSILON); /* ten roundings, squared */
    for (size_t i = 0; i < 8; i++) assert_true(gradient[i] == 0.0f);
    free(loss);
    free(gradient);
    trial_end(*state, p.t);
}

/* With q = 4 step^2 far below delta, u - v = q / delta^2 up to q / delta = 2^-24 relative; the
 * difference of float32 inverses near 8 is a multiple of 2^-20 and would lose it all. */
static void the_loss_keeps_its_precision_as_codes_become_equal(void **state) {
    const double step = 0x1p-15, q = 4.0 * step * step, delta = 0.125;
    const lone_pair p = lone_pair_of(state, step, 0.0, delta);
    float *loss = trial_read(p.t, p.loss), *gradient = trial_read(p.t, p.gradient);
    const double deviation = q / (delta * delta), expected = deviation * deviation;
    const double slope = 4.0 * deviation / (delta * delta) * step; /* 4 (u - v) v^2 (z - z') */
    assert_true(fabs(loss[0] - expected) <= 40.0 * FLT_EPSILON * expected);
    for (size_t c = 0; c < 4; c++) {
        assert_true(fabs(gradient[c] - slope) <= 40.0 * FLT_EPSILON * slope);
        assert_true(gradient[4 + c] == -gradient[c]);
    }
    free(loss);
    free(gradient);
    trial_end(*state, p.t);
}

/* ------------------------------------------------------------------ sums in batches */

/* Rows past the last sample do not count, even where they hold no numbers. */
static void sums_of_batches_leave_out_what_is_past_the_last_sample(void **state) {
    enum { BATCH = 4, SAMPLES = 6 };
    trial *t = trial_begin(*state, 1);
    iv_tensor *a = trial_floats(t, LIES_IN_PLAN, 2, DIMS(BATCH, 2), 1.0, 1.0);
    iv_tensor *b = trial_floats(t, LIES_IN_PLAN, 2, DIMS(BATCH, 2), 0.0, 0.0);
    iv_tensor *z = trial_floats(t, LIES_IN_PLAN, 3, DIMS(2, BATCH, 1), 0.0, 0.0);
    iv_tensor *squares = trial_floats(t, LIES_IN_PLAN, 1, DIMS(BATCH), 0.0, 0.0);
    iv_tensor *one = trial_floats(t, LIES_IN_PLAN, 1, DIMS(1), 1.0, 1.0);
    trial_values(t, squares, 0)[1] = 9.0;
    for (size_t i = 0; i < 2; i++) trial_values(t, z, 0)[i] = 2.0;
    trial_values(t, a, 0)[2 * 2] = trial_values(t, z, 0)[BATCH + 3] = NAN;
    iv_tensor *outputs[] = {iv_square_error_sums(t->graph, a, b, SAMPLES),
                            iv_pair_sums(t->graph, z, 1, squares, one, one, SAMPLES)};
    trial_run(t, outputs, 2, 1); /* holds samples 4 and 5 */
    float *sums = trial_read(t, outputs[0]), *of_pairs = trial_read(t, outputs[1]);
    assert_true(sums[0] == 2.0f && sums[1] == 2.0f);
    /* (1 - 1/5)^2 + (1/10 - 1/5)^2, (2 - 0)^2 + (2 - 3)^2 */
    assert_true(fabs(of_pairs[IV_PAIR_LOSS] - 0.65) <= 20.0 * FLT_EPSILON);
    assert_true(fabs(of_pairs[IV_PAIR_SQUARE_ERROR] - 5.0) <= 5.0 * 20.0 * FLT_EPSILON);
    static const float others[] = {1.0f, 2.0f, 4.0f};
    for (size_t k = 0; k < 3; k++) {
        /* sqrt(4) may be off by 3 ulp */
        assert_true(fabsf(of_pairs[IV_PAIR_SAME_COUNT + k] - others[k]) <= 6.0f * FLT_EPSILON);
        assert_true(fabsf(of_pairs[IV_PAIR_DISTINCT_COUNT + k] - others[k]) <= 6.0f * FLT_EPSILON);
    }
    free(sums);
    free(of_pairs);
    assert_ok(t->context, iv_plan_run(t->plan, 2)); /* holds none */
    sums = trial_read(t, outputs[0]);
    of_pairs = trial_read(t, outputs[1]);
    for (size_t k = 0; k < 2; k++) assert_true(sums[k] == 0.0f);
    for (size_t k = 0; k < IV_N_PAIR_SUMS; k++) assert_true(of_pairs[k] == 0.0f);
    free(sums);
    free(of_pairs);
    trial_end(*state, t);
}

/* ------------------------------------------------------------------ the other kind of device */

typedef void builder(trial *t, size_t variant, example *x);

static void check_kernels(program *p, builder *build, size_t variant) {
    trial *t = trial_begin(p, 2);
    example x = {.n_outputs = 0};
    build(t, variant, &x);
    iv_tensor *y = x.outputs[0], *outputs[EXAMPLE_MAX + 1] = {y};
    if (x.n_wrt > 0) {
        iv_tensor *seed = trial_floats(t, LIES_APART, y->rank, y->dims, -1.0, 1.0);
        assert_ok(t->context, iv_vector_jacobian(t->graph, y, seed, x.wrt, x.n_wrt, outputs + 1));
    }
    trial_run(t, outputs, x.n_wrt + 1, 5);
    for (size_t i = 0; i < x.n_wrt + 1; i++) assert_tensor_agrees(t, outputs[i], 5);
    trial_end(p, t);
}

/* CPUs and GPUs get different kernels, and any device can run either. */
static void kernels_for_the_other_kind_of_device_agree_with_the_oracles(void **state) {
    program *p = *state;
    static const example_family *const families[] = {
        &examples_rich, &examples_mean_square, &examples_pair_loss, &examples_square_error_sums,
        &examples_pair_sums};
    iv_device_type *type = (iv_device_type *)&iv_context_device(p->context)->type;
    const iv_device_type original = *type;
    *type = original == IV_DEVICE_CPU ? IV_DEVICE_GPU : IV_DEVICE_CPU;
    for (size_t k = 0; k < sizeof families / sizeof *families; k++)
        for (size_t variant = 0; variant < (is_small_run() ? 4 : 6); variant++)
            check_kernels(p, families[k]->build, variant);
    *type = original;
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rich_outputs_and_derivatives_are_right_down_to_zero),
        cmocka_unit_test(at_zero_the_rich_layer_has_the_slope_of_its_closed_form),
        cmocka_unit_test(nan_in_a_pair_reaches_what_that_pair_gives_and_nothing_else),
        cmocka_unit_test(losses_of_nan_are_nan),
        cmocka_unit_test(equal_codes_of_a_copy_cost_nothing),
        cmocka_unit_test(equal_codes_of_distinct_signals_cost_but_have_no_slope),
        cmocka_unit_test(the_loss_keeps_its_precision_as_codes_become_equal),
        cmocka_unit_test(sums_of_batches_leave_out_what_is_past_the_last_sample),
        cmocka_unit_test(kernels_for_the_other_kind_of_device_agree_with_the_oracles),
    };
    return cmocka_run_group_tests_name("autoencoder", tests, open_program, close_program);
}

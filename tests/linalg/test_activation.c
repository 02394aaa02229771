/* Activations and their derivatives in the epilogue of every engine, against double precision.
 *
 * The products are [m, 1] times a row of ones, so that every column of C gets the same sum, x,
 * without rounding: what is left is the epilogue's own error, and columns must agree to the last
 * bit, whether they lie in a whole vector or at the edge. INVAR_TEST_SMALL=1 takes fewer values. */
#include "../kit/device.h"

#include "linalg/gemm.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_ROUNDOFF 0x1p-24

enum { MAX_VALUES = 4096 };

static const double lambda = 1.0507009873554805, alpha = 1.6732632423543772;

static const iv_gemm_choice choices[] = {
    {.engine = IV_ENGINE_PANEL, .panel = {8, 3, 16}},
    {.engine = IV_ENGINE_PANEL, .panel = {6, 2, 8}},
    {.engine = IV_ENGINE_PANEL, .panel = {8, 3, 4}},
    {.engine = IV_ENGINE_PANEL, .panel = {1, 1, 1}},
    {.engine = IV_ENGINE_TILED},
    {.engine = IV_ENGINE_TILED, .tiled = {32, 32, 16, 8, 1}},
    {.engine = IV_ENGINE_CLBLAST},
};
enum { N_CHOICES = sizeof choices / sizeof *choices };

/* Three vectors of 16 and some columns at the edge. Whole vectors of 4 in every row let the tiled
 * engine store vectors, which the compiler in Oclgrind 21.10 makes a store of an undefined one and
 * four of numbers, and Oclgrind then reports: not in small runs. */
static size_t n_columns(void) {
    return is_small_run() ? 53 : 52;
}

/* Oclgrind takes what CLBlast's kernels compute in registers past the edge of a matrix for reads of
 * uninitialised memory. */
static bool is_testable(const program *f, const iv_gemm_choice *choice) {
    if (choice->tiled.rows && !is_full_run()) return false; /* as the tile before it */
    return choice->engine != IV_ENGINE_CLBLAST ||
           !strstr(iv_context_device(f->context)->name, "Oclgrind");
}

static iv_view put(const program *f, iv_sequence *sequence, const float *values, size_t n) {
    return (iv_view){sequence_upload(f->context, sequence, values, n * sizeof *values), 0, n};
}

/* c [m, columns] = gate(activation(x)), x [m]; gates [m], one for a whole row, or NULL. To free. */
static float *apply(program *f, const iv_gemm_choice *choice, const float *x, size_t m,
                    iv_activation activation, const float *gates, iv_activation gate_activation) {
    const size_t columns = n_columns(), n = m * columns;
    float *c = malloc(n * sizeof *c), *ones = malloc(columns * sizeof *ones);
    assert_true(c && ones);
    iv_sequence *sequence = begin_sequence(f);
    for (size_t j = 0; j < columns; j++) ones[j] = 1.0f;
    for (size_t i = 0; i < n; i++) c[i] = gates ? gates[i / columns] : NAN;
    iv_gemm_desc desc = {.m = m,
                         .n = columns,
                         .k = 1,
                         .batch = 1,
                         .a = put(f, sequence, x, m),
                         .b = put(f, sequence, ones, columns),
                         .lda = 1,
                         .ldb = columns,
                         .ldc = columns,
                         .activation = activation,
                         .gate_activation = gate_activation};
    if (gates) desc.gate = put(f, sequence, c, n);
    desc.c = put(f, sequence, c, n);
    assert_ok(f->context, iv_gemm_append(sequence, &desc, choice));
    assert_ok(f->context, iv_sequence_run(sequence, 0));
    assert_ok(f->context, iv_buffer_read(f->context, desc.c.buffer, 0, n * sizeof *c, c));
    end_sequence(f, sequence);
    free(ones);
    return c;
}

/* ------------------------------------------------------------------ the oracle */

static double activation_of(iv_activation activation, double x) {
    switch (activation) {
    case IV_ACTIVATION_NONE: return x;
    case IV_ACTIVATION_RELU: return x > 0.0 || isnan(x) ? x : 0.0;
    case IV_ACTIVATION_SELU: return x > 0.0 ? lambda * x : lambda * alpha * expm1(x);
    case IV_ACTIVATION_SIGMOID: return 1.0 / (1.0 + exp(-x));
    case IV_ACTIVATION_TANH: return tanh(x);
    }
    return NAN;
}

/* In units of roundoff, relative to the result. The exponential and exp - 1 are promised within 2
 * ulp, 4 u at most. SELU: that, the rounded constant, and the product with it. Sigmoid: that, one
 * sum, and OpenCL's division, 2.5 ulp = 5 u. Tanh: -t / (2 + t) at most doubles an error of t, then
 * the same. */
static double activation_error(iv_activation activation) {
    static const double errors[] = {[IV_ACTIVATION_RELU] = 0.0,
                                    [IV_ACTIVATION_SELU] = 4.0 + 1.0 + 1.0,
                                    [IV_ACTIVATION_SIGMOID] = 4.0 + 1.0 + 5.0,
                                    [IV_ACTIVATION_TANH] = 2.0 * 4.0 + 1.0 + 5.0};
    return errors[activation];
}

static double slope_of(iv_activation activation, double y) {
    switch (activation) {
    case IV_ACTIVATION_NONE: break;
    case IV_ACTIVATION_RELU: return y > 0.0 ? 1.0 : 0.0;
    case IV_ACTIVATION_SELU: return y > 0.0 ? lambda : y + lambda * alpha;
    case IV_ACTIVATION_SIGMOID: return y * (1.0 - y);
    case IV_ACTIVATION_TANH: return 1.0 - y * y;
    }
    return NAN;
}

/* Of slope times d, in units of roundoff, absolute: every operation rounds once. SELU's constant is
 * rounded before the sum, which may cancel it. */
static double slope_error(iv_activation activation, double y) {
    const double slope = fabs(slope_of(activation, y));
    switch (activation) {
    case IV_ACTIVATION_NONE:
    case IV_ACTIVATION_RELU: break;
    case IV_ACTIVATION_SELU: return lambda * alpha + 2.0 * slope;
    case IV_ACTIVATION_SIGMOID: return 3.0 * slope;
    case IV_ACTIVATION_TANH: return 4.0 * slope;
    }
    return 0.0;
}

/* What is below the smallest normal number may be rounded to 0. */
static bool is_near(double got, double expected, double relative, double absolute) {
    if (isnan(expected)) return isnan(got);
    if (fabs(expected) > FLT_MAX) return got == (expected > 0.0 ? INFINITY : -INFINITY);
    return got == expected ||
           fabs(got - expected) <=
               UNIT_ROUNDOFF * (relative * fabs(expected) + absolute) + (double)FLT_MIN;
}

/* ------------------------------------------------------------------ values */

static const float special[] = {
    0.0f,    NAN,       INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, FLT_MIN, -FLT_MIN, 1e-30f, -1e-30f,
    1e-8f,   -1e-8f,    1.0f,     -1.0f,     20.0f,   -20.0f,   50.0f,   -50.0f,   87.3f,  -87.3f,
    -87.33f, -87.3366f, -88.0f,   -100.0f,   -104.0f, 100.0f,   200.0f,  -200.0f,  1e10f,  -1e10f};
enum { N_SPECIAL = sizeof special / sizeof *special };

/* Special values, a fine walk through [-100, 100], and magnitudes from 1e-37 to 1 of both signs. */
static size_t make_values(float *values) {
    const size_t n = is_small_run() ? 128 : MAX_VALUES, half = n / 2;
    memcpy(values, special, sizeof special);
    for (size_t i = N_SPECIAL; i < half; i++)
        values[i] = (float)(100.0 * sin(0.5 + 2.0 * (double)i) * (i % 3 ? 0.2 : 1.0));
    for (size_t i = half; i < n; i++)
        values[i] = (float)((i % 2 ? 1.0 : -1.0) *
                            pow(10.0, -37.0 * (double)(i - half) / (double)(n - half)));
    return n;
}

static void assert_columns_agree(const float *c, size_t m, const float *x) {
    const size_t columns = n_columns();
    for (size_t i = 0; i < m; i++)
        for (size_t j = 1; j < columns; j++)
            if (memcmp(&c[i * columns], &c[i * columns + j], sizeof *c) != 0 &&
                !(isnan(c[i * columns]) && isnan(c[i * columns + j])))
                fail_msg("of %.9g: column %zu is %.9g, column 0 is %.9g", x[i], j,
                         c[i * columns + j], c[i * columns]);
}

/* ------------------------------------------------------------------ claims */

static void check_activation(program *f, iv_activation activation) {
    float x[MAX_VALUES];
    const size_t m = make_values(x), columns = n_columns();
    for (size_t k = 0; k < N_CHOICES; k++) {
        if (!is_testable(f, &choices[k])) continue;
        float *c = apply(f, &choices[k], x, m, activation, NULL, IV_ACTIVATION_NONE);
        assert_columns_agree(c, m, x);
        for (size_t i = 0; i < m; i++) {
            const double expected = activation_of(activation, x[i]);
            if (!is_near(c[i * columns], expected, activation_error(activation), 0.0))
                fail_msg("engine %d: activation %d of %.9g is %.9g, not %.9g", choices[k].engine,
                         activation, x[i], c[i * columns], expected);
        }
        free(c);
    }
}

static void relu_cuts_and_nothing_else(void **state) {
    check_activation(*state, IV_ACTIVATION_RELU);
}

static void selu_agrees_with_double_precision(void **state) {
    check_activation(*state, IV_ACTIVATION_SELU);
}

static void sigmoid_agrees_with_double_precision(void **state) {
    check_activation(*state, IV_ACTIVATION_SIGMOID);
}

static void tanh_agrees_with_double_precision(void **state) {
    check_activation(*state, IV_ACTIVATION_TANH);
}

static void bits_do_not_depend_on_the_width_of_vectors(void **state) {
    program *f = *state;
    float x[MAX_VALUES];
    const size_t m = make_values(x), columns = n_columns();
    for (int a = IV_ACTIVATION_RELU; a <= IV_ACTIVATION_TANH; a++) {
        float *wide = apply(f, &choices[0], x, m, (iv_activation)a, NULL, IV_ACTIVATION_NONE);
        for (size_t k = 1; k < N_CHOICES && choices[k].engine == IV_ENGINE_PANEL; k++) {
            float *other = apply(f, &choices[k], x, m, (iv_activation)a, NULL, IV_ACTIVATION_NONE);
            for (size_t i = 0; i < m; i++)
                if (!isnan(x[i]))
                    assert_memory_equal(&wide[i * columns], &other[i * columns], sizeof *wide);
            free(other);
        }
        free(wide);
    }
}

/* Outputs of the activation from one end of its range to the other, with both ends. */
static float output_at(iv_activation activation, size_t i, size_t n) {
    const double share = (double)i / (double)(n - 1);
    switch (activation) {
    case IV_ACTIVATION_SELU: return (float)(-lambda * alpha + 4.0 * share);
    case IV_ACTIVATION_SIGMOID: return (float)share;
    case IV_ACTIVATION_NONE:
    case IV_ACTIVATION_RELU:
    case IV_ACTIVATION_TANH: break;
    }
    return (float)(2.0 * share - 1.0);
}

static void gates_multiply_by_the_derivative(void **state) {
    program *f = *state;
    const size_t m = is_small_run() ? 64 : 1001, columns = n_columns();
    float d[1001], y[1001];
    for (int a = IV_ACTIVATION_RELU; a <= IV_ACTIVATION_TANH; a++) {
        const iv_activation activation = (iv_activation)a;
        for (size_t i = 0; i < m; i++) {
            d[i] = (float)(3.0 * sin(1.0 + (double)i));
            y[i] = output_at(activation, i, m);
        }
        y[m / 2] = 0.0f;
        y[1] = NAN; /* ReLU's gate is then closed */
        for (size_t k = 0; k < N_CHOICES; k++) {
            if (!is_testable(f, &choices[k])) continue;
            float *c = apply(f, &choices[k], d, m, IV_ACTIVATION_NONE, y, activation);
            assert_columns_agree(c, m, d);
            for (size_t i = 0; i < m; i++) {
                const double expected = d[i] * slope_of(activation, y[i]);
                const double error = fabs(d[i]) * slope_error(activation, y[i]);
                if (!is_near(c[i * columns], expected, 0.0, error))
                    fail_msg("engine %d: %.9g through gate %d at %.9g is %.9g, not %.9g",
                             choices[k].engine, d[i], a, y[i], c[i * columns], expected);
            }
            free(c);
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

static void unknown_activations_and_gates_of_none_are_refused(void **state) {
    program *f = *state;
    const float one = 1.0f;
    iv_sequence *sequence = begin_sequence(f);
    const iv_view view = put(f, sequence, &one, 1);
    const iv_gemm_desc good = {.m = 1,
                               .n = 1,
                               .k = 1,
                               .batch = 1,
                               .a = view,
                               .b = view,
                               .c = put(f, sequence, &one, 1),
                               .lda = 1,
                               .ldb = 1,
                               .ldc = 1};
    iv_gemm_desc bad = good;
    bad.activation = (iv_activation)(IV_ACTIVATION_TANH + 1);
    assert_refused(f, iv_gemm(sequence, &bad), "there is no activation 5");
    bad = good;
    bad.gate = view;
    assert_refused(f, iv_gemm(sequence, &bad), "a gate needs the activation");
    bad.gate_activation = (iv_activation)(IV_ACTIVATION_TANH + 1);
    assert_refused(f, iv_gemm(sequence, &bad), "a gate needs the activation");
    assert_int_equal(iv_sequence_length(sequence), 0);
    end_sequence(f, sequence);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relu_cuts_and_nothing_else),
        cmocka_unit_test(selu_agrees_with_double_precision),
        cmocka_unit_test(sigmoid_agrees_with_double_precision),
        cmocka_unit_test(tanh_agrees_with_double_precision),
        cmocka_unit_test(bits_do_not_depend_on_the_width_of_vectors),
        cmocka_unit_test(gates_multiply_by_the_derivative),
        cmocka_unit_test(unknown_activations_and_gates_of_none_are_refused),
    };
    return cmocka_run_group_tests_name("activation", tests, open_any_engine, close_program);
}

/* Every op against an oracle in double precision, and every
 * derivative against central differences. */
#include "examples.h"
#include "oracles.h"

enum { MAX_OPS = 256, STEP_NUMBER = 5, N_PRODUCTS = 3 };

/* Which ops of the table have been launched and compared. */
static bool was_compared[MAX_OPS];

static void note_ops(const trial *t) {
    for (size_t i = 0; i < t->graph->n_nodes; i++) {
        const node *n = t->graph->nodes[i];
        for (size_t k = 0; iv_ops[k] && n->needed; k++)
            if (iv_ops[k] == n->op) was_compared[k] = true;
    }
}

static void check_forward(program *p, const example_family *family, size_t variant,
                          size_t n_members) {
    trial *t = trial_begin(p, n_members);
    example x = {.n_outputs = 0};
    family->build(t, variant, &x);
    for (size_t i = 0; i < x.n_outputs; i++)
        if (x.outputs[i] && !x.outputs[i]->base && !x.outputs[i]->placed && variant % 2)
            trial_place(t, x.outputs[i]);
    trial_run(t, x.outputs, x.n_outputs, STEP_NUMBER);
    for (size_t i = 0; i < x.n_outputs; i++) assert_tensor_agrees(t, x.outputs[i], STEP_NUMBER);
    note_ops(t);
    trial_end(p, t);
}

/* S products of random seeds; S = 1 covers parameters too. */
static void check_products(program *p, const example_family *family, size_t variant,
                           size_t n_members, size_t S) {
    trial *t = trial_begin(p, n_members);
    example x = {.n_outputs = 0};
    family->build(t, variant, &x);
    iv_tensor *y = x.outputs[0], *gradients[EXAMPLE_MAX];
    assert_non_null(y);
    const size_t n_wrt = S == 1 ? x.n_wrt : x.n_products_wrt;
    if (n_wrt > 0) {
        size_t dims[IV_MAX_RANK];
        const unsigned rank = iv_gradient_shape(y, S, dims);
        iv_tensor *seed = trial_floats(t, (layout)(variant % 3), rank, dims, -1.0, 1.0);
        assert_ok(t->context, iv_vector_jacobian(t->graph, y, seed, x.wrt, n_wrt, gradients));
        for (size_t i = 0; i < n_wrt; i++) {
            assert_int_equal(iv_elements(gradients[i]), S * iv_elements(x.wrt[i]));
            const bool is_fresh = gradients[i]->producer && !gradients[i]->base;
            const bool is_repeated = i > 0 && gradients[i] == gradients[i - 1];
            if (variant % 2 && is_fresh && !is_repeated) trial_place(t, gradients[i]);
        }
        trial_run(t, gradients, n_wrt, STEP_NUMBER);
        for (size_t i = 0; i < n_wrt; i++)
            assert_gradient_agrees(t, y, seed, x.wrt[i], gradients[i], STEP_NUMBER);
        note_ops(t);
    }
    trial_end(p, t);
}

/* Losses: the gradient itself, along with the loss. */
static void check_gradient(program *p, const example_family *family, size_t variant,
                           size_t n_members) {
    trial *t = trial_begin(p, n_members);
    example x = {.n_outputs = 0};
    family->build(t, variant, &x);
    iv_tensor *y = x.outputs[0], *outputs[EXAMPLE_MAX + 1];
    if (x.n_wrt > 0 && iv_elements(y) == 1) {
        assert_ok(t->context, iv_gradient(t->graph, y, x.wrt, x.n_wrt, outputs));
        outputs[x.n_wrt] = y;
        trial_run(t, outputs, x.n_wrt + 1, STEP_NUMBER);
        assert_tensor_agrees(t, y, STEP_NUMBER);
        for (size_t i = 0; i < x.n_wrt; i++)
            assert_gradient_agrees(t, y, NULL, x.wrt[i], outputs[i], STEP_NUMBER);
        note_ops(t);
    }
    trial_end(p, t);
}

/* ------------------------------------------------------------------ claims */

static size_t n_variants(const example_family *family) {
    return is_small_run() ? family->n_small : family->n_variants;
}

static void outputs_agree_with_the_oracles(void **state) {
    for (const example_family *const *family = example_families; *family; family++)
        for (size_t variant = 0; variant < n_variants(*family); variant++) {
            check_forward(*state, *family, variant, 1);
            check_forward(*state, *family, variant, 3);
        }
}

/* Derivatives are made of ops that the oracles know in all variants: the small run's say whether they
 * are the right ones. */
static size_t n_derived(const example_family *family) {
    return is_full_run() ? n_variants(family) : family->n_small;
}

static void vector_jacobian_products_agree_with_central_differences(void **state) {
    for (const example_family *const *family = example_families; *family; family++)
        for (size_t variant = 0; variant < n_derived(*family); variant++)
            check_products(*state, *family, variant, variant % 2 ? 1 : 3, 1);
}

static void several_products_at_once_agree_with_central_differences(void **state) {
    for (const example_family *const *family = example_families; *family; family++)
        for (size_t variant = 0; variant < n_derived(*family); variant++)
            check_products(*state, *family, variant, variant % 2 ? 3 : 1, N_PRODUCTS);
}

static void gradients_of_losses_agree_with_central_differences(void **state) {
    for (const example_family *const *family = example_families; *family; family++)
        for (size_t variant = 0; variant < n_derived(*family); variant++)
            check_gradient(*state, *family, variant, 2);
}

/* Runs last: what the others compared. */
static void every_op_of_the_table_has_been_compared(void **state) {
    (void)state;
    for (size_t k = 0; iv_ops[k]; k++) {
        assert_true(k < MAX_OPS);
        if (!was_compared[k])
            fail_msg("%s is in no example: add one to tests/graph/examples.c", iv_ops[k]->name);
    }
}

static void slices_hold_rows_in_order(void **state) {
    trial *t = trial_begin(*state, 2);
    const size_t dims[] = {4, 3};
    iv_tensor *x = trial_floats(t, LIES_APART, 2, dims, -1.0, 1.0);
    iv_tensor *outputs[] = {iv_slice(t->graph, x, 1, 2), iv_slice(t->graph, x, 3, 1)};
    assert_int_equal(iv_rank(outputs[0]), 2);
    assert_int_equal(iv_dim(outputs[0], 0), 2);
    assert_int_equal(iv_rank(outputs[1]), 1);
    assert_int_equal(iv_dim(outputs[1], 0), 3);
    trial_run(t, outputs, 2, 0);
    float *middle = trial_read(t, outputs[0]), *last = trial_read(t, outputs[1]);
    for (size_t r = 0; r < 2; r++) {
        for (size_t i = 0; i < 6; i++)
            assert_true(middle[r * 6 + i] == trial_values(t, x, r)[3 + i]);
        for (size_t i = 0; i < 3; i++) assert_true(last[r * 3 + i] == trial_values(t, x, r)[9 + i]);
    }
    free(middle);
    free(last);
    trial_end(*state, t);
}

static void nan_passes_through_activations(void **state) {
    for (int a = IV_ACTIVATION_RELU; a <= IV_ACTIVATION_TANH; a++) {
        trial *t = trial_begin(*state, 1);
        const size_t dims[] = {2, 3}, n = 3;
        iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 2, dims, 0.5, 1.0);
        iv_tensor *w = trial_floats(t, LIES_IN_PLAN, 2, (const size_t[]){n, n}, 0.5, 1.0);
        trial_values(t, x, 0)[4] = NAN;
        iv_tensor *alone = iv_activate(t->graph, x, (iv_activation)a);
        iv_tensor *fused = iv_activate(t->graph, iv_linear(t->graph, x, w, NULL), (iv_activation)a);
        iv_tensor *outputs[] = {alone, fused};
        trial_run(t, outputs, 2, 0);
        float *of_alone = trial_read(t, alone), *of_fused = trial_read(t, fused);
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(isnan(of_alone[i]) != 0, i == 4);
            assert_int_equal(isnan(of_fused[i]) != 0, i >= 3);
        }
        free(of_alone);
        free(of_fused);
        trial_end(*state, t);
    }
}

/* Exact limits, without an overflow on the way; no activation, none at all. */
static void activations_reach_their_limits(void **state) {
    enum { N = 7 };
    static const double x_values[N] = {0.0, -0.0, INFINITY, -INFINITY, 3e38, -3e38, 1e-39};
    static const float lowest = -1.7580993408473766f;
    static const float expected[][N - 1] = {
        [IV_ACTIVATION_RELU] = {0, 0, INFINITY, 0, 3e38f, 0},
        [IV_ACTIVATION_SELU] = {0, 0, INFINITY, lowest, 1.0507009873554805f * 3e38f, lowest},
        [IV_ACTIVATION_SIGMOID] = {0.5f, 0.5f, 1, 0, 1, 0},
        [IV_ACTIVATION_TANH] = {0, 0, 1, -1, 1, -1},
    };
    trial *t = trial_begin(*state, 1);
    iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 1, (const size_t[]){N}, 0.0, 1.0), *y[5];
    memcpy(trial_values(t, x, 0), x_values, sizeof x_values);
    assert_ptr_equal(iv_activate(t->graph, x, IV_ACTIVATION_NONE), x);
    for (int a = IV_ACTIVATION_RELU; a <= IV_ACTIVATION_TANH; a++)
        y[a] = iv_activate(t->graph, x, (iv_activation)a);
    trial_run(t, y + 1, 4, 0);
    for (int a = IV_ACTIVATION_RELU; a <= IV_ACTIVATION_TANH; a++) {
        float *got = trial_read(t, y[a]);
        for (size_t i = 0; i < N - 1; i++)
            if (!(got[i] == expected[a][i]))
                fail_msg("activation %d of %g is %.9g, not %.9g", a, x_values[i], got[i],
                         expected[a][i]);
        /* a number below the normal ones may count as 0 */
        if (a != IV_ACTIVATION_SIGMOID) assert_true(got[N - 1] >= 0.0f && got[N - 1] < 2e-39f);
        free(got);
    }
    trial_end(*state, t);
}

static void the_first_of_equal_logits_wins(void **state) {
    trial *t = trial_begin(*state, 1);
    iv_tensor *logits = trial_floats(t, LIES_IN_PLAN, 2, (const size_t[]){3, 4}, 0.0, 1.0);
    static const double values[] = {1, 2, 2, 0, 3, 3, 3, 3, -1, -2, -1, -1};
    static const int32_t expected[] = {1, 0, 0};
    memcpy(trial_values(t, logits, 0), values, sizeof values);
    iv_tensor *best = iv_argmax(t->graph, logits);
    trial_run(t, &best, 1, 0);
    float *got = trial_read(t, best);
    assert_memory_equal(got, expected, sizeof expected);
    free(got);
    trial_end(*state, t);
}

/* Rotating which copy comes first permutes the first axis; so does any other permutation. */
static void orbit_mean_has_the_same_bits_for_any_order(void **state) {
    static const size_t orders[] = {2, 4, 9};
    for (size_t k = 0; k < 3; k++) {
        const size_t G = orders[k], n = 3 * 11;
        trial *t = trial_begin(*state, 1);
        iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 3, (const size_t[]){G, 3, 11}, -1.0, 1.0);
        iv_tensor *mean = iv_orbit_mean(t->graph, x);
        double *values = trial_values(t, x, 0);
        for (size_t i = 0; i < G * n; i += 5) values[i] *= 1e-4; /* orders of summing matter */
        trial_run(t, &mean, 1, 0);
        float *first = trial_read(t, mean);
        for (uint32_t order = 0; order < 8; order++) {
            int32_t to[9];
            double permuted[9 * 3 * 11];
            iv_permutation(order, IV_STREAM_TEST, (uint32_t)G, to);
            for (size_t g = 0; g < G; g++)
                memcpy(permuted + g * n, values + (size_t)to[g] * n, n * sizeof *permuted);
            memcpy(values, permuted, G * n * sizeof *permuted);
            trial_write_inputs(t);
            assert_ok(t->context, iv_plan_run(t->plan, 0));
            float *again = trial_read(t, mean);
            assert_memory_equal(first, again, n * sizeof *first);
            free(again);
        }
        free(first);
        trial_end(*state, t);
    }
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_agree_with_the_oracles),
        cmocka_unit_test(vector_jacobian_products_agree_with_central_differences),
        cmocka_unit_test(several_products_at_once_agree_with_central_differences),
        cmocka_unit_test(gradients_of_losses_agree_with_central_differences),
        cmocka_unit_test(every_op_of_the_table_has_been_compared),
        cmocka_unit_test(slices_hold_rows_in_order),
        cmocka_unit_test(nan_passes_through_activations),
        cmocka_unit_test(activations_reach_their_limits),
        cmocka_unit_test(the_first_of_equal_logits_wins),
        cmocka_unit_test(orbit_mean_has_the_same_bits_for_any_order),
    };
    return cmocka_run_group_tests_name("ops", tests, open_program, close_program);
}

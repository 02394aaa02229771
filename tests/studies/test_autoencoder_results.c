/* What the autoencoder study makes of its members' numbers: rows, columns, which learning rate
 * stands for a column, claims. The numbers are made up here; no device is needed. */
#include "../kit/kit.h"
#include "example.h"

#include "studies/autoencoder/autoencoder.h"

#include <math.h>

static double *training_loss(example *e, const char *run, uint32_t seed) {
    return example_value(e, run, seed, AE_ON_TRAINING, AE_TRAINING_LOSS);
}

static double *test_value(example *e, const char *run, uint32_t seed, ae_metric metric) {
    return example_value(e, run, seed, AE_ON_TEST, metric);
}

static const iv_claim *claim_about(const example *e, const char *part) {
    for (size_t i = 0; i < e->results.n_claims; i++)
        if (strstr(e->results.claims[i].claim, part)) return &e->results.claims[i];
    return NULL;
}

/* ------------------------------------------------------------------ learning rates */

static const char rates[] = "study: autoencoder\n"
                            "name: rates\n"
                            "seeds: [3, 5]\n"
                            "runs:\n"
                            "  - {name: a, layer: selu, sweep: {depth: [2, 4], "
                            "learning_rate: [0.1, 0.01, 0.001]}}\n";

static double cell(const example *e, const char *column, const char *metric) {
    const iv_cell *c = iv_results_cell(&e->results, "d=10 modulus-sine-cosine", column, metric);
    if (!c) fail_msg("there is no cell %s, %s", column, metric);
    return c->mean;
}

static void the_learning_rate_with_the_smallest_mean_training_loss_is_shown(void **state) {
    (void)state;
    example e;
    example_open(&e, rates, 1);
    /* 0.01 is worse with seed 5 than 0.001, and better on average */
    *training_loss(&e, "a-depth2-learning_rate0.01", 3) = 0.2;
    *training_loss(&e, "a-depth2-learning_rate0.01", 5) = 0.6;
    *training_loss(&e, "a-depth2-learning_rate0.001", 3) = 0.5;
    *training_loss(&e, "a-depth2-learning_rate0.001", 5) = 0.5;
    *test_value(&e, "a-depth2-learning_rate0.01", 3, AE_CODE) = 7;
    *test_value(&e, "a-depth2-learning_rate0.01", 5, AE_CODE) = 9;
    *training_loss(&e, "a-depth4-learning_rate0.1", 3) = 0.1;
    example_fill(&e);
    assert_true(cell(&e, "a-depth2", "mse_code") == 8);
    assert_true(cell(&e, "a-depth2", "learning_rate") == 0.01);
    assert_true(cell(&e, "a-depth4", "learning_rate") == 0.1);
    assert_int_equal(e.results.n_runs, 2 * 3 * 2); /* the others stay among the runs */
    example_close(&e);
}

static void a_learning_rate_that_diverges_once_is_not_shown(void **state) {
    (void)state;
    example e;
    example_open(&e, rates, 1);
    *training_loss(&e, "a-depth2-learning_rate0.1", 3) = 1e-9;
    *training_loss(&e, "a-depth2-learning_rate0.1", 5) = 1e-9;
    *example_diverged(&e, "a-depth2-learning_rate0.1", 5) = 4;
    *training_loss(&e, "a-depth2-learning_rate0.01", 3) = NAN;
    *test_value(&e, "a-depth2-learning_rate0.01", 3, AE_CODE) = NAN;
    example_fill(&e);
    assert_true(cell(&e, "a-depth2", "learning_rate") == 0.001);
    size_t n_diverged = 0;
    for (size_t i = 0; i < e.results.n_runs; i++)
        n_diverged += strcmp(e.results.runs[i].status, "diverged") == 0;
    assert_int_equal(n_diverged, 2);
    example_close(&e);
}

static void a_column_whose_learning_rates_all_diverge_is_still_shown(void **state) {
    (void)state;
    example e;
    example_open(&e, rates, 1);
    static const char *const all[] = {"a-depth2-learning_rate0.1", "a-depth2-learning_rate0.01",
                                      "a-depth2-learning_rate0.001"};
    for (size_t i = 0; i < 3; i++) {
        *example_diverged(&e, all[i], 3) = 1;
        *training_loss(&e, all[i], 3) = *test_value(&e, all[i], 3, AE_CODE) = NAN;
    }
    example_fill(&e);
    assert_true(isnan(cell(&e, "a-depth2", "mse_code")));
    example_close(&e);
}

/* ------------------------------------------------------------------ names */

static void rows_name_dimensions_code_and_what_else_is_swept(void **state) {
    (void)state;
    example e;
    example_open(&e,
                 "study: autoencoder\n"
                 "name: rows\n"
                 "seeds: 1\n"
                 "runs: [{name: a, layer: rich, sweep: {depth: [1, 2]}}]\n"
                 "sweep: {task.code: [shift, two-part-shift], task.delta: [1.0e-05, 0.5],\n"
                 "        dataset.dimensions: [6, 12]}\n",
                 1);
    example_fill(&e);
    static const char *const rows[] = {"d=6 shift delta1e-05",
                                       "d=12 shift delta1e-05",
                                       "d=6 shift delta0.5",
                                       "d=12 shift delta0.5",
                                       "d=6 two-part-shift delta1e-05",
                                       "d=12 two-part-shift delta1e-05",
                                       "d=6 two-part-shift delta0.5",
                                       "d=12 two-part-shift delta0.5"};
    for (size_t i = 0; i < e.runs.n; i++) {
        assert_string_equal(e.runs.runs[i].row, rows[i / 2]);
        assert_string_equal(e.runs.runs[i].column, i % 2 ? "a-depth2" : "a-depth1");
    }
    assert_int_equal(e.runs.n, 16);
    example_close(&e);
}

/* ------------------------------------------------------------------ claims */

static const char comparison[] = "study: autoencoder\n"
                                 "name: comparison\n"
                                 "seeds: 1\n"
                                 "runs:\n"
                                 "  - {name: selu, layer: selu, sweep: {depth: [2, 4]}}\n"
                                 "  - {name: relu, layer: relu}\n"
                                 "  - {name: rich, layer: rich, sweep: {depth: [1, 3]}}\n"
                                 "  - {name: encoder, layer: selu, part: encoder}\n"
                                 "  - {name: decoder, layer: selu, part: decoder}\n";

static void set(example *e, const char *run, ae_metric metric, double value) {
    *test_value(e, run, 0, metric) = value;
}

static void check_comparison(double selu, double rich, double decoder, const bool holds[4]) {
    static const char *const parts[4] = {"SELU has the smallest", "more than ten times better",
                                         "shallower", "decoder alone"};
    example e;
    example_open(&e, comparison, 1);
    set(&e, "selu-depth4", AE_CODE, selu);
    set(&e, "relu", AE_CODE, 0.5);
    set(&e, "rich-depth3", AE_CODE, rich);
    set(&e, "encoder", AE_CODE, 0.3);
    set(&e, "decoder", AE_RECONSTRUCTION, decoder);
    example_fill(&e);
    assert_int_equal(e.results.n_claims, 4);
    for (size_t i = 0; i < 4; i++) {
        const iv_claim *claim = claim_about(&e, parts[i]);
        assert_non_null(claim);
        assert_int_equal(claim->holds, holds[i]);
    }
    example_close(&e);
}

static void claims_hold_where_the_numbers_say_so(void **state) {
    (void)state;
    check_comparison(0.4, 0.039, 0.2, (const bool[]){true, true, true, true});
}

static void claims_fail_where_the_numbers_say_so(void **state) {
    (void)state;
    check_comparison(0.6, 0.061, 0.4, (const bool[]){false, false, true, false});
}

static void claims_without_both_sides_are_not_made(void **state) {
    (void)state;
    example e;
    example_open(&e, rates, 1);
    example_fill(&e);
    assert_int_equal(e.results.n_claims, 0);
    example_close(&e);
}

static void what_diverged_is_never_the_best(void **state) {
    (void)state;
    /* what is left: 1 each, of SELU with 2 layers and of rich layers with 1 */
    check_comparison(NAN, NAN, NAN, (const bool[]){false, false, true, false});
}

/* A loss may overflow while what the weights give is finite still. */
static void what_diverged_is_never_the_best_even_with_finite_errors(void **state) {
    (void)state;
    example e;
    example_open(&e, comparison, 1);
    set(&e, "selu-depth4", AE_CODE, 1e-3);
    *example_diverged(&e, "selu-depth4", 0) = 3;
    set(&e, "relu", AE_CODE, 0.5);
    example_fill(&e);
    const iv_claim *claim = claim_about(&e, "SELU has the smallest");
    assert_non_null(claim);
    assert_false(claim->holds); /* 1, with 2 layers */
    example_close(&e);
}

static void two_parts_are_learned_below_the_published_bound_alone(void **state) {
    (void)state;
    static const struct {
        double invariance, reconstruction, same;
        bool holds[3];
    } cases[] = {{0.9e-4, 1.1e-4, 0.49, {true, false, true}},
                 {1.1e-4, 0.9e-4, 0.51, {false, true, false}}};
    for (size_t i = 0; i < 2; i++) {
        example e;
        example_open(&e,
                     "study: autoencoder\n"
                     "name: parts\n"
                     "seeds: 1\n"
                     "task: {code: two-part-shift}\n"
                     "runs: [{name: a, layer: rich}]\n",
                     1);
        set(&e, "a", AE_INVARIANCE, cases[i].invariance);
        set(&e, "a", AE_RECONSTRUCTION, cases[i].reconstruction);
        set(&e, "a", AE_SAME, cases[i].same);
        example_fill(&e);
        assert_int_equal(claim_about(&e, "invariance loss below")->holds, cases[i].holds[0]);
        assert_int_equal(claim_about(&e, "reconstruction MSE below")->holds, cases[i].holds[1]);
        assert_int_equal(claim_about(&e, "twice as close")->holds, cases[i].holds[2]);
        example_close(&e);
    }
}

/* ------------------------------------------------------------------ shapes */

/* Widths by hand: rich layers of 5 columns make 6 more in X, 5 + 2 * 6 = 17, then 17 + 2 * 18. */
static void odd_widths_of_rich_layers_are_rounded_up(void **state) {
    (void)state;
    const ae_setting s = {
        .d = 5, .code = IV_CODE_MODULUS_SINE_COSINE, .layer = AE_RICH, .depth = 2};
    ae_map maps[AE_MAX_MAPS];
    static const size_t shapes[3][2] = {{5, 6}, {17, 18}, {53, 15}};
    assert_int_equal(ae_encoder_maps(&s, maps), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(maps[i].inputs, shapes[i][0]);
        assert_int_equal(maps[i].outputs, shapes[i][1]);
        assert_int_equal(maps[i].rich, i < 2);
        assert_int_equal(maps[i].activation, IV_ACTIVATION_NONE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_learning_rate_with_the_smallest_mean_training_loss_is_shown),
        cmocka_unit_test(a_learning_rate_that_diverges_once_is_not_shown),
        cmocka_unit_test(a_column_whose_learning_rates_all_diverge_is_still_shown),
        cmocka_unit_test(rows_name_dimensions_code_and_what_else_is_swept),
        cmocka_unit_test(claims_hold_where_the_numbers_say_so),
        cmocka_unit_test(claims_fail_where_the_numbers_say_so),
        cmocka_unit_test(claims_without_both_sides_are_not_made),
        cmocka_unit_test(what_diverged_is_never_the_best),
        cmocka_unit_test(what_diverged_is_never_the_best_even_with_finite_errors),
        cmocka_unit_test(two_parts_are_learned_below_the_published_bound_alone),
        cmocka_unit_test(odd_widths_of_rich_layers_are_rounded_up),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the marginal-likelihood study makes of its members' numbers: runs and cells. */
#include "../kit/kit.h"
#include "example.h"

#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <math.h>

/* Every accuracy is 0.5 and every elbo -1. */
static void open_example(example *e, const char *text) {
    example_open(e, text, 0);
    example_set_all(e, 0, ML_ACCURACY, 0.5);
    example_set_all(e, 0, ML_ELBO, -1);
}

static const char kinds[] = "study: marginal-likelihood\n"
                            "name: kinds\n"
                            "seeds: [3, 5]\n"
                            "dataset: {name: digits, transformation: rotated}\n"
                            "model: {features: relu}\n"
                            "runs:\n"
                            "  - {name: plain}\n"
                            "  - {name: fixed, invariance: rotation, eta: 0.5, learned: false}\n"
                            "  - {name: shift, invariance: translation}\n"
                            "  - {name: all, invariance: affine}\n"
                            "  - {name: point, invariance: rotation, estimate: point}\n"
                            "  - {name: process, method: sgpr}\n"
                            "published:\n"
                            "  - {row: rotated, run: all, metric: elbo, mean: -0.25}\n";

static const iv_result_run *result_of(const example *e, const char *name, uint64_t seed) {
    for (size_t i = 0; i < e->results.n_runs; i++)
        if (strcmp(e->results.runs[i].name, name) == 0 && e->results.runs[i].seed == seed)
            return &e->results.runs[i];
    return NULL;
}

static void a_run_has_the_metrics_that_its_kind_has(void **state) {
    (void)state;
    static const char *const metrics[] = {
        "accuracy", "elbo", "kl", "cross_entropy", "bound_per_sample", "rotation_degrees", "eta"};
    static const struct {
        const char *run;
        bool has[7];
    } expected[] = {
        {"plain", {true, true, true, true, false, false, true}},
        {"fixed", {true, true, true, true, false, true, true}},
        {"shift", {true, true, true, true, false, false, true}},
        {"all", {true, true, true, true, false, true, true}},
        {"point", {true, false, false, true, false, true, true}},
        {"process", {true, false, false, false, true, false, false}},
    };
    example e;
    open_example(&e, kinds);
    example_fill(&e);
    assert_int_equal(e.results.n_runs, 12);
    for (size_t i = 0; i < 6; i++) {
        const iv_result_run *run = result_of(&e, expected[i].run, 5);
        assert_non_null(run);
        assert_string_equal(run->status, "done");
        for (size_t m = 0; m < 7; m++)
            assert_int_equal(iv_result_run_metric(run, metrics[m]) != NULL, expected[i].has[m]);
    }
    assert_int_equal(iv_result_run_metric(result_of(&e, "all", 3), "eta")->n, 6);
    assert_string_equal(result_of(&e, "all", 3)->model, "models/all-seed3.safetensors");
    example_close(&e);
}

static void cells_are_means_beside_the_published(void **state) {
    (void)state;
    example e;
    open_example(&e, kinds);
    *example_value(&e, "all", 3, 0, ML_ELBO) = -0.5;
    *example_value(&e, "all", 5, 0, ML_ELBO) = -0.25;
    *example_value(&e, "all", 3, 0, ML_DEGREES) = 170;
    *example_value(&e, "all", 5, 0, ML_DEGREES) = 180;
    example_fill(&e);
    const iv_cell *cell = iv_results_cell(&e.results, "rotated", "all", "elbo");
    assert_non_null(cell);
    assert_true(cell->mean == -0.375 && cell->n == 2 && cell->published == -0.25);
    cell = iv_results_cell(&e.results, "rotated", "all", "rotation_degrees");
    assert_non_null(cell);
    assert_true(cell->mean == 175 && isnan(cell->published));
    assert_non_null(iv_results_cell(&e.results, "rotated", "process", "accuracy"));
    assert_null(iv_results_cell(&e.results, "rotated", "process", "elbo"));
    assert_null(iv_results_cell(&e.results, "rotated", "point", "elbo"));
    assert_null(iv_results_cell(&e.results, "rotated", "shift", "rotation_degrees"));
    assert_null(iv_results_cell(&e.results, "rotated", "all", "kl"));
    example_close(&e);
}

static void rotations_are_no_column_where_none_is_learned(void **state) {
    (void)state;
    example e;
    open_example(&e, "study: marginal-likelihood\n"
                     "name: fixed\n"
                     "seeds: 1\n"
                     "dataset: {name: digits}\n"
                     "runs:\n"
                     "  - {name: fixed, invariance: rotation, eta: 1, learned: false}\n");
    example_fill(&e);
    assert_null(iv_results_cell(&e.results, "regular", "fixed", "rotation_degrees"));
    assert_non_null(iv_result_run_metric(result_of(&e, "fixed", 0), "rotation_degrees"));
    example_close(&e);
}

static void what_is_not_finite_has_diverged(void **state) {
    (void)state;
    example e;
    open_example(&e, kinds);
    *example_value(&e, "all", 3, 0, ML_DEGREES) = NAN;
    *example_value(&e, "plain", 3, 0, ML_DEGREES) = NAN; /* which it does not have */
    *example_diverged(&e, "shift", 5) = 2;
    example_fill(&e);
    assert_string_equal(result_of(&e, "all", 3)->status, "diverged");
    assert_string_equal(result_of(&e, "plain", 3)->status, "done");
    assert_string_equal(result_of(&e, "shift", 5)->status, "diverged");
    assert_true(isnan(iv_results_cell(&e.results, "rotated", "all", "rotation_degrees")->mean));
    example_close(&e);
}

static const iv_metric_style *style_of(const example *e, const char *metric) {
    for (size_t i = 0; i < e->results.n_styles; i++)
        if (strcmp(e->results.styles[i].metric, metric) == 0) return &e->results.styles[i];
    return NULL;
}

static void results_say_how_what_they_hold_is_shown(void **state) {
    (void)state;
    example e;
    open_example(&e, kinds);
    example_fill(&e);
    const iv_metric_style *accuracy = style_of(&e, "accuracy");
    assert_non_null(accuracy);
    assert_string_equal(accuracy->label, "Acc. (%)");
    assert_true(accuracy->scale == 100 && accuracy->decimals == 1);
    assert_true(style_of(&e, "elbo")->scale == 1);
    assert_null(style_of(&e, "elbo_estimate")); /* logged along the way alone */
    for (size_t i = 0; i < e.results.n_runs; i++)
        for (size_t m = 0; m < e.results.runs[i].n_metrics; m++) {
            const iv_metric_style *style = style_of(&e, e.results.runs[i].metrics[m].name);
            assert_non_null(style);
            assert_true(strlen(style->label) > 0 && strlen(style->doc) > 0);
        }
    example_close(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_has_the_metrics_that_its_kind_has),
        cmocka_unit_test(cells_are_means_beside_the_published),
        cmocka_unit_test(rotations_are_no_column_where_none_is_learned),
        cmocka_unit_test(what_is_not_finite_has_diverged),
        cmocka_unit_test(results_say_how_what_they_hold_is_shown),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

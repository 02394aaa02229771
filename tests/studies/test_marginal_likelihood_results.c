/* What the marginal-likelihood study makes of its members' numbers: runs, cells, claims. The
 * numbers are made up here; no device is needed. */
#include "studies/marginal_likelihood.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    iv_spec *spec;
    ml_plan plan;
    ml_outcome **outcomes; /* [population][member] */
    ml_table table;
    iv_results results;
    iv_error error;
} example;

static void open_example(example *e, const char *text) {
    memset(e, 0, sizeof *e);
    if (iv_spec_parse("spec", text, strlen(text), NULL, 0, &e->spec, &e->error) != IV_OK)
        fail_msg("%s", e->error.message);
    assert_int_equal(ml_plan_create(e->spec, &e->plan, &e->error), IV_OK);
    e->outcomes = calloc(e->plan.n_populations, sizeof *e->outcomes);
    assert_non_null(e->outcomes);
    for (size_t p = 0; p < e->plan.n_populations; p++) {
        e->outcomes[p] = calloc(e->plan.populations[p].n_members, sizeof **e->outcomes);
        assert_non_null(e->outcomes[p]);
        for (size_t r = 0; r < e->plan.populations[p].n_members; r++)
            e->outcomes[p][r] = (ml_outcome){.accuracy = 0.5, .elbo = -1};
    }
}

/* The outcome of a run, by its whole name, and a seed. */
static ml_outcome *outcome_of(example *e, const char *run, uint32_t seed) {
    for (size_t p = 0; p < e->plan.n_populations; p++)
        for (size_t r = 0; r < e->plan.populations[p].n_members; r++) {
            const ml_member *member = &e->plan.populations[p].members[r];
            if (strcmp(member->run->name, run) == 0 && member->seed == seed)
                return &e->outcomes[p][r];
        }
    fail_msg("there is no run %s with seed %u", run, seed);
    return NULL;
}

static void set(example *e, const char *run, double accuracy, double elbo, double rotation) {
    ml_outcome *o = outcome_of(e, run, 0);
    o->accuracy = accuracy;
    o->elbo = elbo;
    o->rotation_degrees = rotation;
}

static void fill(example *e) {
    assert_int_equal(ml_table_create(e->spec, &e->plan, e->outcomes, &e->table, &e->error), IV_OK);
    assert_int_equal(ml_results_fill(e->spec, &e->table, &e->results, &e->error), IV_OK);
    assert_int_equal(ml_claims_add(&e->table, &e->results, &e->error), IV_OK);
}

static void close_example(example *e) {
    iv_results_free(&e->results);
    ml_table_clear(&e->table);
    for (size_t p = 0; p < e->plan.n_populations; p++) free(e->outcomes[p]);
    free(e->outcomes);
    ml_plan_clear(&e->plan);
    iv_spec_destroy(e->spec);
}

static const iv_claim *claim_about(const example *e, const char *part, const char *row) {
    for (size_t i = 0; i < e->results.n_claims; i++)
        if (strstr(e->results.claims[i].claim, part) && strstr(e->results.claims[i].claim, row))
            return &e->results.claims[i];
    return NULL;
}

static void assert_claim(const example *e, const char *part, const char *row, bool holds) {
    const iv_claim *claim = claim_about(e, part, row);
    if (!claim) fail_msg("nothing is claimed about \"%s\", %s", part, row);
    if (claim->holds != holds)
        fail_msg("%s is said to be %s: %s", claim->claim, holds ? "false" : "true",
                 claim->evidence);
}

/* ------------------------------------------------------------------ runs and cells */

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
    fill(&e);
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
    close_example(&e);
}

static void cells_are_means_beside_the_published(void **state) {
    (void)state;
    example e;
    open_example(&e, kinds);
    outcome_of(&e, "all", 3)->elbo = -0.5;
    outcome_of(&e, "all", 5)->elbo = -0.25;
    outcome_of(&e, "all", 3)->rotation_degrees = 170;
    outcome_of(&e, "all", 5)->rotation_degrees = 180;
    fill(&e);
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
    close_example(&e);
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
    fill(&e);
    assert_null(iv_results_cell(&e.results, "regular", "fixed", "rotation_degrees"));
    assert_non_null(iv_result_run_metric(result_of(&e, "fixed", 0), "rotation_degrees"));
    close_example(&e);
}

static void what_is_not_finite_has_diverged(void **state) {
    (void)state;
    example e;
    open_example(&e, kinds);
    outcome_of(&e, "all", 3)->rotation_degrees = NAN;
    outcome_of(&e, "plain", 3)->rotation_degrees = NAN; /* which it does not have */
    outcome_of(&e, "shift", 5)->diverged_from = 2;
    fill(&e);
    assert_string_equal(result_of(&e, "all", 3)->status, "diverged");
    assert_string_equal(result_of(&e, "plain", 3)->status, "done");
    assert_string_equal(result_of(&e, "shift", 5)->status, "diverged");
    assert_true(isnan(iv_results_cell(&e.results, "rotated", "all", "rotation_degrees")->mean));
    close_example(&e);
}

/* ------------------------------------------------------------------ claims about rotations */

static const char starts[] =
    "study: marginal-likelihood\n"
    "name: starts\n"
    "seeds: 1\n"
    "dataset: {name: digits}\n"
    "sweep: {dataset.transformation: [rotated, partially-rotated, regular, scaled]}\n"
    "runs:\n"
    "  - {name: fixed-5, invariance: rotation, eta: 0.0872664626, learned: false}\n"
    "  - {name: fixed-90, invariance: rotation, eta: 1.5707963268, learned: false}\n"
    "  - {name: from-5, invariance: rotation, eta: 0.0872664626}\n"
    "  - {name: from-45, invariance: rotation, eta: 0.7853981634}\n"
    "  - {name: from-90, invariance: rotation, eta: 1.5707963268}\n"
    "  - {name: from-135, invariance: rotation, eta: 2.3561944902}\n"
    "  - {name: from-175, invariance: rotation, eta: 3.054326191}\n"
    "  - {name: point, invariance: rotation, eta: 0.0872664626, estimate: point}\n";

static const char *const from[] = {"from-5", "from-45", "from-90", "from-135", "from-175"};

static void set_ends(example *e, const char *row, const double ends[5]) {
    for (size_t i = 0; i < 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s-%s", from[i], row);
        set(e, name, 0.5, -1, ends[i]);
    }
}

static void four_of_five_starts_recover_a_rotation(void **state) {
    (void)state;
    example e;
    open_example(&e, starts);
    set_ends(&e, "rotated", (const double[]){151, 160, 200, 149, 178});
    set_ends(&e, "partially-rotated", (const double[]){61, 119, 90, 100, 121});
    set_ends(&e, "regular", (const double[]){44, 0, 20, 30, 46});
    fill(&e);
    assert_claim(&e, "learned rotation ends above 150", "(rotated)", true);
    assert_claim(&e, "learned rotation ends between", "(partially-rotated)", true);
    assert_claim(&e, "learned rotation ends below 45", "(regular)", true);
    assert_null(claim_about(&e, "learned rotation ends", "(scaled)"));
    const iv_claim *claim = claim_about(&e, "learned rotation ends above 150", "(rotated)");
    assert_non_null(strstr(claim->evidence, "149 degrees from 135"));
    assert_non_null(strstr(claim->evidence, "4 of 5 starts"));
    assert_non_null(strstr(claim->claim, "from at least four of five starts"));
    close_example(&e);
}

/* Four of five means nothing to fewer: each has to hold, and the claim says no more than that. */
static void fewer_starts_all_recover_a_rotation(void **state) {
    (void)state;
    static const char text[] = "study: marginal-likelihood\n"
                               "name: few\n"
                               "seeds: 1\n"
                               "dataset: {name: digits, transformation: rotated}\n"
                               "runs:\n"
                               "  - {name: a, invariance: rotation}\n";
    static const char second[] = "  - {name: b, invariance: rotation, eta: 1}\n";
    static const struct {
        double ends[2];
        size_t n;
        const char *claim;
        bool holds;
    } cases[] = {
        {{151, 0}, 1, "The learned rotation ends above 150 degrees (rotated).", true},
        {{149, 0}, 1, "The learned rotation ends above 150 degrees (rotated).", false},
        {{151, 151}, 2, "ends above 150 degrees, from every start (rotated).", true},
        {{151, 149}, 2, "ends above 150 degrees, from every start (rotated).", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char spec[512];
        snprintf(spec, sizeof spec, "%s%s", text, cases[i].n > 1 ? second : "");
        example e;
        open_example(&e, spec);
        for (size_t k = 0; k < cases[i].n; k++) set(&e, k ? "b" : "a", 0.5, -1, cases[i].ends[k]);
        fill(&e);
        assert_claim(&e, cases[i].claim, "", cases[i].holds);
        close_example(&e);
    }
}

static void three_of_five_starts_do_not(void **state) {
    (void)state;
    example e;
    open_example(&e, starts);
    set_ends(&e, "rotated", (const double[]){151, 160, 200, 149, NAN});
    set_ends(&e, "partially-rotated", (const double[]){59, 119, 90, 100, 121});
    set_ends(&e, "regular", (const double[]){44, 0, 20, 46, 46});
    fill(&e);
    assert_claim(&e, "learned rotation ends above 150", "(rotated)", false);
    assert_claim(&e, "learned rotation ends between", "(partially-rotated)", false);
    assert_claim(&e, "learned rotation ends below 45", "(regular)", false);
    close_example(&e);
}

/* Finite numbers or not, a diverged seed has learned nothing. */
static void a_diverged_start_recovers_nothing(void **state) {
    (void)state;
    example e;
    open_example(&e, starts);
    set_ends(&e, "rotated", (const double[]){151, 160, 149, 170, 178});
    outcome_of(&e, "from-45-rotated", 0)->diverged_from = 7;
    fill(&e);
    assert_claim(&e, "learned rotation ends above 150", "(rotated)", false);
    close_example(&e);
}

static void point_estimates_are_compared_from_small_starts(void **state) {
    (void)state;
    static const struct {
        double variational, point;
        bool holds;
    } cases[] = {{151, 44, true}, {149, 44, false}, {151, 46, false}, {151, NAN, false}};
    for (size_t i = 0; i < 4; i++) {
        example e;
        open_example(&e, starts);
        /* the start at 45 is not small, so where it ends does not matter */
        set_ends(&e, "rotated", (const double[]){cases[i].variational, 10, 180, 180, 180});
        set(&e, "point-rotated", 0.5, NAN, cases[i].point);
        fill(&e);
        assert_claim(&e, "point estimate", "(rotated)", cases[i].holds);
        assert_null(claim_about(&e, "point estimate", "(regular)"));
        close_example(&e);
    }
}

static void the_learned_bound_is_held_against_the_best_fixed_one(void **state) {
    (void)state;
    /* one start in five may miss it */
    static const struct {
        double learned[5];
        bool holds;
    } cases[] = {{{-0.44, -0.44, -0.43, -0.2, -0.47}, true},
                 {{-0.44, -0.46, -0.43, -0.2, -0.47}, false},
                 {{-0.44, -0.44, -0.43, NAN, -0.44}, true},
                 {{-0.44, -0.44, -0.43, NAN, NAN}, false}};
    for (size_t i = 0; i < 4; i++) {
        example e;
        open_example(&e, starts);
        set(&e, "fixed-5-rotated", 0.5, -0.9, 5);
        set(&e, "fixed-90-rotated", 0.5, -0.43, 90);
        for (size_t k = 0; k < 5; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s-rotated", from[k]);
            set(&e, name, 0.5, cases[i].learned[k], 90);
        }
        fill(&e);
        assert_claim(&e, "ELBO is at most 0.02 below", "(rotated)", cases[i].holds);
        close_example(&e);
    }
}

static void the_best_bound_is_held_against_the_best_accuracy(void **state) {
    (void)state;
    static const struct {
        double accuracy, elbo;
        bool holds;
    } cases[] = {{0.951, -0.2, true}, {0.949, -0.2, false}, {0.5, -0.9, true}, {0.951, NAN, true}};
    for (size_t i = 0; i < 4; i++) {
        example e;
        open_example(&e, starts);
        set(&e, "fixed-5-rotated", 0.96, -0.3, 5);
        set(&e, "fixed-90-rotated", cases[i].accuracy, cases[i].elbo, 90);
        fill(&e);
        assert_claim(&e, "best ELBO", "(rotated)", cases[i].holds);
        close_example(&e);
    }
}

/* ------------------------------------------------------------------ claims about others */

static const char families[] =
    "study: marginal-likelihood\n"
    "name: families\n"
    "seeds: 1\n"
    "dataset: {name: digits}\n"
    "sweep: {dataset.transformation: [translated, scaled, rotated-scaled, regular]}\n"
    "runs:\n"
    "  - {name: plain}\n"
    "  - {name: rotation, invariance: rotation}\n"
    "  - {name: translation, invariance: translation}\n"
    "  - {name: scale, invariance: scale}\n"
    "  - {name: affine, invariance: affine}\n"
    "  - {name: process, method: sgpr}\n";

static void each_data_set_has_its_invariance(void **state) {
    (void)state;
    example e;
    open_example(&e, families);
    /* 0.5 where nothing is said */
    set(&e, "translation-translated", 0.51, -1, 0);
    set(&e, "translation-scaled", 0.9, -1, 0);
    set(&e, "affine-rotated-scaled", 0.6, -1, 0);
    fill(&e);
    assert_claim(&e, "the invariance that the data have", "(translated)", true);
    assert_claim(&e, "the invariance that the data have", "(scaled)", false);
    assert_claim(&e, "the invariance that the data have", "(rotated-scaled)", true);
    assert_null(claim_about(&e, "the invariance that the data have", "(regular)"));
    close_example(&e);
}

static void affine_invariance_is_held_against_the_best(void **state) {
    (void)state;
    example e;
    open_example(&e, families);
    set(&e, "affine-translated", 0.891, -1, 0);
    set(&e, "translation-translated", 0.9, -1, 0);
    set(&e, "affine-scaled", 0.889, -1, 0);
    set(&e, "process-scaled", 0.9, -1, 0);
    set(&e, "affine-rotated-scaled", NAN, -1, 0);
    set(&e, "affine-regular", 0.2, -1, 0); /* the others' diverged: nothing is better */
    static const char *const others[] = {"plain-regular", "rotation-regular", "translation-regular",
                                         "scale-regular", "process-regular"};
    for (size_t i = 0; i < 5; i++) set(&e, others[i], NAN, NAN, NAN);
    fill(&e);
    assert_claim(&e, "Affine", "(translated)", true);
    assert_claim(&e, "Affine", "(scaled)", false);
    assert_claim(&e, "Affine", "(rotated-scaled)", false);
    assert_claim(&e, "Affine", "(regular)", true);
    close_example(&e);
}

static void claims_without_both_sides_are_not_made(void **state) {
    (void)state;
    static const char *const alone[] = {
        "  - {name: plain}\n",
        "  - {name: fixed, invariance: rotation, eta: 1, learned: false}\n",
        "  - {name: point, invariance: rotation, eta: 0.1, estimate: point}\n",
        "  - {name: affine, invariance: affine}\n",
        "  - {name: process, method: sgpr}\n",
    };
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "study: marginal-likelihood\nname: alone\nseeds: 1\n"
                 "dataset: {name: digits, transformation: rotated}\nruns:\n%s",
                 alone[i]);
        example e;
        open_example(&e, text);
        fill(&e);
        assert_int_equal(e.results.n_claims, 0);
        close_example(&e);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_has_the_metrics_that_its_kind_has),
        cmocka_unit_test(cells_are_means_beside_the_published),
        cmocka_unit_test(rotations_are_no_column_where_none_is_learned),
        cmocka_unit_test(what_is_not_finite_has_diverged),
        cmocka_unit_test(four_of_five_starts_recover_a_rotation),
        cmocka_unit_test(three_of_five_starts_do_not),
        cmocka_unit_test(fewer_starts_all_recover_a_rotation),
        cmocka_unit_test(a_diverged_start_recovers_nothing),
        cmocka_unit_test(point_estimates_are_compared_from_small_starts),
        cmocka_unit_test(the_learned_bound_is_held_against_the_best_fixed_one),
        cmocka_unit_test(the_best_bound_is_held_against_the_best_accuracy),
        cmocka_unit_test(each_data_set_has_its_invariance),
        cmocka_unit_test(affine_invariance_is_held_against_the_best),
        cmocka_unit_test(claims_without_both_sides_are_not_made),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the marginal-likelihood study claims from its members' numbers. */
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

static void set(example *e, const char *run, double accuracy, double elbo, double rotation) {
    *example_value(e, run, 0, 0, ML_ACCURACY) = accuracy;
    *example_value(e, run, 0, 0, ML_ELBO) = elbo;
    *example_value(e, run, 0, 0, ML_DEGREES) = rotation;
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
    example_fill(&e);
    assert_claim(&e, "learned rotation ends above 150", "(rotated)", true);
    assert_claim(&e, "learned rotation ends between", "(partially-rotated)", true);
    assert_claim(&e, "learned rotation ends below 45", "(regular)", true);
    assert_null(claim_about(&e, "learned rotation ends", "(scaled)"));
    const iv_claim *claim = claim_about(&e, "learned rotation ends above 150", "(rotated)");
    assert_non_null(strstr(claim->evidence, "149 degrees from 135"));
    assert_non_null(strstr(claim->evidence, "4 of 5 starts"));
    assert_non_null(strstr(claim->claim, "from at least four of five starts"));
    example_close(&e);
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
        example_fill(&e);
        assert_claim(&e, cases[i].claim, "", cases[i].holds);
        example_close(&e);
    }
}

static void three_of_five_starts_do_not(void **state) {
    (void)state;
    example e;
    open_example(&e, starts);
    set_ends(&e, "rotated", (const double[]){151, 160, 200, 149, NAN});
    set_ends(&e, "partially-rotated", (const double[]){59, 119, 90, 100, 121});
    set_ends(&e, "regular", (const double[]){44, 0, 20, 46, 46});
    example_fill(&e);
    assert_claim(&e, "learned rotation ends above 150", "(rotated)", false);
    assert_claim(&e, "learned rotation ends between", "(partially-rotated)", false);
    assert_claim(&e, "learned rotation ends below 45", "(regular)", false);
    example_close(&e);
}

/* Finite numbers or not, a diverged seed has learned nothing. */
static void a_diverged_start_recovers_nothing(void **state) {
    (void)state;
    example e;
    open_example(&e, starts);
    set_ends(&e, "rotated", (const double[]){151, 160, 149, 170, 178});
    *example_diverged(&e, "from-45-rotated", 0) = 7;
    example_fill(&e);
    assert_claim(&e, "learned rotation ends above 150", "(rotated)", false);
    example_close(&e);
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
        example_fill(&e);
        assert_claim(&e, "point estimate", "(rotated)", cases[i].holds);
        assert_null(claim_about(&e, "point estimate", "(regular)"));
        example_close(&e);
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
        example_fill(&e);
        assert_claim(&e, "ELBO is at most 0.02 below", "(rotated)", cases[i].holds);
        example_close(&e);
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
        example_fill(&e);
        assert_claim(&e, "best ELBO", "(rotated)", cases[i].holds);
        example_close(&e);
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
    example_fill(&e);
    assert_claim(&e, "the invariance that the data have", "(translated)", true);
    assert_claim(&e, "the invariance that the data have", "(scaled)", false);
    assert_claim(&e, "the invariance that the data have", "(rotated-scaled)", true);
    assert_null(claim_about(&e, "the invariance that the data have", "(regular)"));
    example_close(&e);
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
    example_fill(&e);
    assert_claim(&e, "Affine", "(translated)", true);
    assert_claim(&e, "Affine", "(scaled)", false);
    assert_claim(&e, "Affine", "(rotated-scaled)", false);
    assert_claim(&e, "Affine", "(regular)", true);
    example_close(&e);
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
        example_fill(&e);
        assert_int_equal(e.results.n_claims, 0);
        example_close(&e);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
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

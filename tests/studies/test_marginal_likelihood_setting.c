/* What the marginal-likelihood study makes of a spec: populations, members, rows, data. */
#include "../kit/kit.h"

#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <invar/studies.h>

#include <math.h>

typedef struct {
    iv_spec *spec;
    iv_populations all;
    iv_error error;
} example;

static void open_example(example *e, const char *text) {
    memset(e, 0, sizeof *e);
    assert_ok(&e->error, iv_spec_parse("spec", text, strlen(text), NULL, 0, iv_study_schema,
                                       &e->spec, &e->error));
    assert_ok(&e->error, iv_populations_create(&ml_study, e->spec, &e->all, &e->error));
}

static void close_example(example *e) {
    iv_populations_clear(&e->all);
    iv_spec_destroy(e->spec);
}

/* The member of a run, by its whole name, and a seed; *home: its population. */
static const iv_member *find_member(const example *e, const char *run, uint32_t seed,
                                    const iv_population **home) {
    *home = NULL;
    for (size_t p = 0; p < e->all.n; p++) {
        *home = &e->all.items[p];
        for (size_t r = 0; r < (*home)->n_members; r++) {
            const iv_member *member = &(*home)->members[r];
            if (strcmp(member->run->name, run) == 0 && member->seed == seed) return member;
        }
    }
    fail_msg("there is no run %s with seed %u", run, seed);
    return NULL;
}

static ml_own own_of(const example *e, const char *run, uint32_t seed) {
    const iv_population *home;
    const iv_member *member = find_member(e, run, seed, &home);
    return ml_own_of(home, member);
}

static const char table[] =
    "study: marginal-likelihood\n"
    "name: t\n"
    "seeds: [3, 5]\n"
    "sweep: {dataset.transformation: [rotated, partially-rotated, translated-scaled]}\n"
    "dataset: {name: mnist, train: 1000, test: 100}\n"
    "model: {hidden: 16, samples: 4}\n"
    "training: {batch: 100, epochs: 7, learning_rate: 0.001, eta_learning_rate: 0.01}\n"
    "runs:\n"
    "- {name: mlp}\n"
    "- {name: rotation, invariance: rotation, eta: 0.5}\n"
    "- {name: affine, invariance: affine, eta: 0.25}\n"
    "- {name: fixed, invariance: rotation, eta: 2, learned: false}\n"
    "- {name: point, invariance: rotation, eta: 0.5, estimate: point}\n"
    "- {name: gp, method: sgpr, inducing: 50}\n";

/* ------------------------------------------------------------------ populations */

static void runs_of_one_shape_are_one_population_for_all_seeds_and_data(void **state) {
    (void)state;
    example e;
    const iv_population *mlp, *rotation, *affine, *other;
    open_example(&e, table);
    assert_int_equal(e.all.n, 5);
    find_member(&e, "rotation-rotated", 3, &rotation);
    find_member(&e, "rotation-translated-scaled", 5, &other);
    assert_ptr_equal(rotation, other);
    find_member(&e, "affine-partially-rotated", 5, &affine);
    assert_ptr_equal(rotation, affine);
    assert_int_equal(rotation->n_members, 2 * 3 * 2);
    find_member(&e, "mlp-rotated", 3, &mlp);
    assert_int_equal(mlp->n_members, 3 * 2);
    close_example(&e);
}

static void what_a_run_needs_decides_its_population(void **state) {
    (void)state;
    example e;
    const iv_population *mlp, *rotation, *fixed, *point, *gp;
    open_example(&e, table);
    find_member(&e, "mlp-rotated", 3, &mlp);
    find_member(&e, "rotation-rotated", 3, &rotation);
    find_member(&e, "fixed-rotated", 3, &fixed);
    find_member(&e, "point-rotated", 3, &point);
    find_member(&e, "gp-rotated", 3, &gp);
    assert_false(ml_setting_of(mlp)->invariant);
    assert_int_equal(ml_setting_of(mlp)->n_samples, 1);
    assert_true(ml_setting_of(rotation)->invariant && ml_setting_of(rotation)->learns &&
                !ml_setting_of(rotation)->point);
    assert_int_equal(ml_setting_of(rotation)->n_samples, 4);
    assert_true(ml_setting_of(fixed)->invariant && !ml_setting_of(fixed)->learns);
    assert_true(ml_setting_of(point)->learns && ml_setting_of(point)->point);
    assert_true(ml_setting_of(gp)->sgpr && ml_setting_of(gp)->n_inducing == 50);
    close_example(&e);
}

/* rho falls to a batch's share of the data unless the spec says otherwise, and never to more than it begins with. */
static void natural_gradients_remember_a_pass_over_the_data(void **state) {
    (void)state;
    static const struct {
        const char *training;
        float least;
    } cases[] = {
        {"batch: 100", 0.1f},
        {"batch: 1000", 0.3f},
        {"batch: 100, newton_least: 0.02", 0.02f},
        {"batch: 100, newton_rate: 0.05", 0.05f},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "study: marginal-likelihood\n"
                 "name: natural\n"
                 "dataset: {name: digits, train: 1000, test: 10}\n"
                 "training: {posterior: natural, epochs: 1, %s}\n"
                 "runs: [{name: mlp}]\n",
                 cases[i].training);
        example e;
        open_example(&e, text);
        const iv_newton_schedule newton = ml_setting_of(&e.all.items[0])->newton;
        assert_true(newton.least == cases[i].least);
        assert_true(newton.trust == 0.1f);
        close_example(&e);
    }
}

/* What a kernel or the schedule takes as one number for all members must not differ among them. */
static void what_is_one_number_to_a_population_divides_it_when_swept(void **state) {
    (void)state;
    static const char *const swept[] = {"model.features: [relu, rff]",
                                        "model.hidden: [64, 128]",
                                        "model.samples: [4, 9]",
                                        "model.sampling: [random, equally-spaced]",
                                        "model.alpha: [1, 2]",
                                        "model.initial_deviation: [1, 0.1]",
                                        "model.input_mean: [0, 0.5]",
                                        "model.blur: [0, 1]",
                                        "dataset.train: [1000, 2000]",
                                        "training.batch: [64, 128]",
                                        "training.epochs: [2, 3]",
                                        "training.annealing: [cosine, none]",
                                        "training.eta_learning_rate: [0.001, 0.01]"};
    for (size_t i = 0; i < sizeof swept / sizeof *swept; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "{study: marginal-likelihood, name: t, seeds: 1, sweep: {%s}, dataset: {name: "
                 "mnist}, runs: [{name: a, invariance: rotation, eta: 0.1}]}",
                 swept[i]);
        example e;
        open_example(&e, text);
        if (e.all.n != 2) fail_msg("`%s` did not divide a population", swept[i]);
        close_example(&e);
    }
}

static void members_start_with_the_eta_of_their_own_generators(void **state) {
    (void)state;
    example e;
    open_example(&e, table);
    const ml_own rotation = own_of(&e, "rotation-rotated", 3);
    const ml_own affine = own_of(&e, "affine-rotated", 3);
    const ml_own fixed = own_of(&e, "fixed-rotated", 3);
    for (size_t i = 0; i < IV_N_GENERATORS; i++) {
        const bool turns = i == ML_ROTATION;
        assert_true(rotation.eta[i] == (turns ? 0.5f : 0.0f));
        assert_true(rotation.learned[i] == (turns ? 1.0f : 0.0f));
        assert_true(affine.eta[i] == 0.25f);
        assert_true(affine.learned[i] == 1.0f);
        assert_true(fixed.eta[i] == (turns ? 2.0f : 0.0f));
        assert_true(fixed.learned[i] == 0.0f);
    }
    close_example(&e);
}

static void each_member_has_its_own_transformation_of_the_data(void **state) {
    (void)state;
    example e;
    open_example(&e, table);
    assert_int_equal(own_of(&e, "mlp-rotated", 3).transformations, IV_DATA_ROTATED);
    assert_int_equal(own_of(&e, "mlp-partially-rotated", 3).transformations,
                     IV_DATA_PARTIALLY_ROTATED);
    assert_int_equal(own_of(&e, "mlp-translated-scaled", 3).transformations,
                     IV_DATA_TRANSLATED + IV_DATA_SCALED);
    close_example(&e);
}

static void schedules_follow_from_whole_batches(void **state) {
    (void)state;
    example e;
    const iv_population *home;
    open_example(&e, table);
    find_member(&e, "rotation-rotated", 3, &home);
    assert_int_equal(home->steps_per_epoch, 10);
    assert_int_equal(iv_population_steps(home), 70);
    assert_int_equal(iv_population_point_steps(home), 1); /* fewer steps than 100 points */
    /* 0.01 and 0.001 are read as doubles, divided, and rounded once: within half an ulp of 10 */
    assert_true(fabsf(ml_setting_of(home)->eta_rate - 10.0f) <= 5e-7f);
    assert_true(ml_setting_of(home)->annealed);
    close_example(&e);
}

static void splitting_keeps_every_member_once_and_in_order(void **state) {
    (void)state;
    example e;
    static const char spec[] = "study: marginal-likelihood\n"
                               "name: t\n"
                               "seeds: 7\n"
                               "dataset: {name: mnist, train: 1000, test: 100}\n"
                               "training: {population: 3}\n"
                               "runs: [{name: a}, {name: gp, method: sgpr, inducing: 50}]\n";
    open_example(&e, spec);
    const iv_device_info device = {.max_alloc_bytes = SIZE_MAX, .global_bytes = SIZE_MAX};
    assert_ok(&e.error, iv_populations_split(&ml_study, &device, &e.all, &e.error));
    static const size_t sizes[] = {3, 3, 1};
    assert_int_equal(e.all.n, 3 + 7); /* regressions one by one */
    uint32_t seed = 0;
    for (size_t p = 0; p < 3; p++) {
        assert_int_equal(e.all.items[p].n_members, sizes[p]);
        for (size_t r = 0; r < sizes[p]; r++)
            assert_int_equal(e.all.items[p].members[r].seed, seed++);
    }
    for (size_t p = 3; p < 10; p++) {
        assert_true(ml_setting_of(&e.all.items[p])->sgpr);
        assert_int_equal(e.all.items[p].n_members, 1);
        assert_int_equal(e.all.items[p].members[0].seed, p - 3);
    }
    close_example(&e);
}

static void what_fits_the_device_bounds_a_population(void **state) {
    (void)state;
    example e;
    static const char spec[] = "study: marginal-likelihood\n"
                               "name: t\n"
                               "seeds: 40\n"
                               "dataset: {name: mnist}\n"
                               "runs: [{name: a, invariance: rotation}]\n";
    open_example(&e, spec);
    /* The published size: triangular factors with two moments of 3 x 10 x 1024^2 / 2 numbers are
     * 63 MB a member, a batch's transformed images 32 x 128 x 784 and sums 32 x 128 x 1024 numbers
     * with their gradients 59 MB. */
    const double member = 122e6;
    const iv_device_info device = {.max_alloc_bytes = (size_t)1 << 34,
                                   .global_bytes = (size_t)8 << 30};
    assert_ok(&e.error, iv_populations_split(&ml_study, &device, &e.all, &e.error));
    size_t largest = 0;
    for (size_t p = 0; p < e.all.n; p++)
        if (e.all.items[p].n_members > largest) largest = e.all.items[p].n_members;
    assert_true((double)largest * member <= (double)device.global_bytes);
    assert_true((double)largest * member >= 0.33 * (double)device.global_bytes);
    close_example(&e);
}

/* ------------------------------------------------------------------ rows */

static void expect_row(const char *spec, const char *run, const char *row) {
    example e;
    const iv_population *home;
    char name[256];
    open_example(&e, spec);
    const iv_member *member = find_member(&e, run, 0, &home);
    ml_study.results->row_name(home, member->run, name, sizeof name);
    assert_string_equal(name, row);
    close_example(&e);
}

static void rows_are_transformations_with_what_else_is_swept(void **state) {
    (void)state;
    expect_row("{study: marginal-likelihood, name: t, seeds: 1, dataset: {name: mnist, "
               "transformation: scaled}, runs: [{name: a}]}",
               "a", "scaled");
    expect_row("{study: marginal-likelihood, name: t, seeds: 1, sweep: {dataset.transformation: "
               "[rotated, partially-rotated]}, dataset: {name: mnist}, runs: [{name: a}]}",
               "a-partially-rotated", "partially-rotated");
    expect_row("{study: marginal-likelihood, name: t, seeds: 1, sweep: {dataset.name: [mnist, "
               "fashion-mnist], dataset.transformation: [rotated, regular]}, runs: [{name: a}]}",
               "a-fashion-mnist-rotated", "fashion-mnist rotated");
    expect_row("{study: marginal-likelihood, name: t, seeds: 1, sweep: {model.hidden: [64, 128]}, "
               "dataset: {name: mnist}, runs: [{name: a}]}",
               "a-hidden64", "regular hidden64");
    expect_row("{study: marginal-likelihood, name: t, seeds: 1, dataset: {name: rings, train: 128, "
               "test: 10}, runs: [{name: a}]}",
               "a", "rings");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_of_one_shape_are_one_population_for_all_seeds_and_data),
        cmocka_unit_test(what_a_run_needs_decides_its_population),
        cmocka_unit_test(natural_gradients_remember_a_pass_over_the_data),
        cmocka_unit_test(what_is_one_number_to_a_population_divides_it_when_swept),
        cmocka_unit_test(members_start_with_the_eta_of_their_own_generators),
        cmocka_unit_test(each_member_has_its_own_transformation_of_the_data),
        cmocka_unit_test(schedules_follow_from_whole_batches),
        cmocka_unit_test(splitting_keeps_every_member_once_and_in_order),
        cmocka_unit_test(what_fits_the_device_bounds_a_population),
        cmocka_unit_test(rows_are_transformations_with_what_else_is_swept),
    };
    return cmocka_run_group_tests_name("the marginal-likelihood study's setting", tests, NULL,
                                       NULL);
}

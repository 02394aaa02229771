/* Trainings of the marginal-likelihood study: the same spec gives the same bytes, whatever stops it
 * on the way; a member does not depend on its company, not even on one that diverges. */
#include "members.h"
#include "stopping.h"

#include <math.h>

/* Populations: without transformations, learned ones, fixed ones, and a point estimate. */
#define SPEC(seeds, features, runs)                                                                \
    "study: marginal-likelihood\n"                                                                 \
    "name: small\n"                                                                                \
    "seeds: " seeds "\n"                                                                           \
    "dataset: {name: digits, transformation: rotated, train: 200, test: 150}\n"                    \
    "model: {features: " features ", hidden: 12, samples: 3}\n"                                    \
    "training: {batch: 32, epochs: 5, learning_rate: 0.01}\n"                                      \
    "metrics: {every_steps: 7}\n"                                                                  \
    "runs:\n" runs

#define RUNS                                                                                       \
    "  - {name: none}\n"                                                                           \
    "  - {name: affine, invariance: affine, eta: 0.2}\n"                                           \
    "  - {name: fixed, invariance: rotation, eta: 2, learned: false}\n"                            \
    "  - {name: point, invariance: rotation, eta: 0.5, estimate: point}\n"

#define SMALL_SPEC SPEC("[5, 6]", "relu", RUNS)

/* Everything that two runs of SMALL_SPEC should have in common, byte by byte. */
static void assert_same_runs(const char *a, const char *b) {
    static const char *const names[] = {
        "spec.yaml",
        "results.json",
        "metrics.jsonl",
        "models/none-seed5.safetensors",
        "models/none-seed6.safetensors",
        "models/affine-seed5.safetensors",
        "models/affine-seed6.safetensors",
        "models/fixed-seed5.safetensors",
        "models/fixed-seed6.safetensors",
        "models/point-seed5.safetensors",
        "models/point-seed6.safetensors",
    };
    assert_same_files(a, b, names, sizeof names / sizeof *names);
}

/* ------------------------------------------------------------------ the same bytes */

static void the_same_spec_twice_gives_the_same_bytes(void **state) {
    run_spec(state, SMALL_SPEC, "first", NULL);
    run_spec(state, SMALL_SPEC, "second", NULL);
    assert_same_runs(in_scratch(state, "first"), in_scratch(state, "second"));
}

/* Populations of two: on two compute units each member has a lane of its own. */
static void lanes_change_no_byte(void **state) {
    run_spec(state, SMALL_SPEC, "divided", NULL);
    assert_int_equal(setenv("INVAR_LANES", "off", 1), 0);
    run_spec(state, SMALL_SPEC, "shared", NULL);
    unsetenv("INVAR_LANES");
    assert_same_runs(in_scratch(state, "divided"), in_scratch(state, "shared"));
}

static void the_resolved_spec_gives_the_same_bytes(void **state) {
    run_spec(state, SMALL_SPEC, "first", "training.epochs=3");
    invar_succeeds(state, ARGUMENTS("run", in_scratch(state, "first/spec.yaml"), "--quiet", "--out",
                                    in_scratch(state, "second")));
    assert_same_runs(in_scratch(state, "first"), in_scratch(state, "second"));
}

/* Step 0, every 7 steps, and the last of 30; eta there is the result. */
static void curves_have_the_points_asked_for_and_end_at_the_result(void **state) {
    static const int steps[] = {0, 7, 14, 21, 28, 30};
    enum { N_STEPS = sizeof steps / sizeof *steps };
    run_spec(state, SMALL_SPEC, "run", NULL);
    json_t *results = read_results(state, "run"), *point = NULL;
    char *lines = log_of(state, "run", "affine", 6), *line = lines;
    for (int i = 0; i < N_STEPS; i++) {
        json_decref(point);
        point = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(point);
        assert_int_equal(json_integer_value(json_object_get(point, "step")), steps[i]);
        assert_string_equal(json_string_value(json_object_get(point, "split")), "train");
        const json_t *elbo = json_object_get(point, "elbo_estimate");
        assert_int_equal(json_is_number(elbo), i > 0);
        line = strchr(line, '\n') + 1;
    }
    assert_int_equal(*line, '\0');
    const json_t *metrics = json_object_get(find_run(results, "affine", 6), "metrics");
    const json_t *eta = json_object_get(metrics, "eta"), *logged = json_object_get(point, "eta");
    for (size_t k = 0; k < 6; k++) /* the log has digits enough for a float */
        assert_true((float)json_number_value(json_array_get(logged, k)) ==
                    (float)json_number_value(json_array_get(eta, k)));
    assert_true(json_number_value(json_object_get(point, "rotation_degrees")) ==
                metric_of(results, "affine", 6, "rotation_degrees"));
    json_decref(point);
    json_decref(results);
    free(lines);
}

/* ------------------------------------------------------------------ company */

#define CROWD                                                                                      \
    "  - {name: turned, invariance: rotation, sweep: {eta: [0.1, 0.5, 1, 2, 3]}}\n"                \
    "  - {name: affine, invariance: affine, eta: 0.2}\n"                                           \
    "  - {name: none}\n"

#define ONE_OF_EACH                                                                                \
    "  - {name: turned, invariance: rotation, sweep: {eta: [2]}}\n"                                \
    "  - {name: none}\n"

static void check_company(void **state, const char *crowd, const char *one) {
    run_spec(state, crowd, "crowd", NULL);
    run_spec(state, one, "one", NULL);
    run_spec(state, crowd, "split", "training.population=3");
    assert_same_file(in_scratch(state, "crowd/results.json"),
                     in_scratch(state, "split/results.json"));
    assert_same_member(state, "crowd", "one", "turned-eta2", 6);
    assert_same_member(state, "crowd", "split", "turned-eta2", 6);
    assert_same_member(state, "crowd", "one", "none", 6);

    /* Neighbours are other members, not copies: the comparison above could have failed. */
    json_t *results = read_results(state, "crowd");
    const double bound = metric_of(results, "turned-eta2", 6, "elbo");
    assert_string_equal(status_of(results, "turned-eta2", 6), "done");
    assert_true(bound != metric_of(results, "turned-eta2", 5, "elbo"));
    assert_true(bound != metric_of(results, "turned-eta1", 6, "elbo"));
    json_decref(results);
}

static void a_member_alone_and_among_others_is_the_same(void **state) {
    check_company(state, SPEC("[5, 6]", "relu", CROWD), SPEC("[6]", "relu", ONE_OF_EACH));
}

static void random_features_alone_and_among_others_are_the_same(void **state) {
    check_company(state, SPEC("[5, 6]", "rff", CROWD), SPEC("[6]", "rff", ONE_OF_EACH));
}

#define AT_RATES(rates)                                                                            \
    SPEC("[5, 6]", "relu", "  - {name: r, invariance: affine, eta: 0.2}\n")                        \
    "sweep: {training.learning_rate: " rates "}\n"

/* A step of 1000 takes eta where the exponential of a scale is past the largest float. */
static void a_member_that_diverges_is_marked_and_leaves_the_others_alone(void **state) {
    run_spec(state, AT_RATES("[0.01, 1000]"), "together", NULL);
    run_spec(state, AT_RATES("[0.01]"), "apart", NULL);
    json_t *results = read_results(state, "together");
    for (int seed = 5; seed <= 6; seed++) {
        assert_same_member(state, "together", "apart", "r-learning_rate0.01", seed);
        assert_string_equal(status_of(results, "r-learning_rate0.01", seed), "done");
        assert_string_equal(status_of(results, "r-learning_rate1000", seed), "diverged");
    }
    json_decref(results);
}

/* ------------------------------------------------------------------ interrupted */

/* Long enough to be met in the middle: 6 steps an epoch. */
#define LONG_OPTIONS                                                                               \
    "--quiet", "--set", "training.checkpoint_seconds=0.02", "--set", "training.epochs=200",        \
        "--set", "metrics.every_steps=70"

static void start_and_stop(void **state, const moment *m, int number) {
    spill(in_scratch(state, "spec.yaml"), SMALL_SPEC);
    stop(state,
         ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--out", in_scratch(state, "run"),
                   LONG_OPTIONS),
         m, number);
}

static void resume_and_stop(void **state, const moment *m, int number) {
    stop(state, ARGUMENTS("resume", in_scratch(state, "run"), "--quiet"), m, number);
}

static void finish_and_compare(void **state) {
    invar_succeeds(state, ARGUMENTS("resume", in_scratch(state, "run"), "--quiet"));
    invar_succeeds(state, ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--out",
                                    in_scratch(state, "whole"), LONG_OPTIONS));
    assert_same_runs(in_scratch(state, "whole"), in_scratch(state, "run"));
}

static void interrupts_change_no_byte(void **state) {
    start_and_stop(state, &(moment){.population = 0, .step = 1}, SIGINT);
    resume_and_stop(state, &(moment){.population = 1, .step = 300}, SIGINT);
    resume_and_stop(state, &(moment){.population = 3, .step = 800}, SIGTERM);
    finish_and_compare(state);
}

static void kills_change_no_byte(void **state) {
    start_and_stop(state, &(moment){.population = 1, .step = 200}, SIGKILL);
    resume_and_stop(state, &(moment){.population = 2, .step = 300}, SIGKILL);
    finish_and_compare(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(the_same_spec_twice_gives_the_same_bytes),
        SCRATCH_TEST(lanes_change_no_byte),
        SCRATCH_TEST(the_resolved_spec_gives_the_same_bytes),
        SCRATCH_TEST(curves_have_the_points_asked_for_and_end_at_the_result),
        SCRATCH_TEST(a_member_alone_and_among_others_is_the_same),
        SCRATCH_TEST(random_features_alone_and_among_others_are_the_same),
        SCRATCH_TEST(a_member_that_diverges_is_marked_and_leaves_the_others_alone),
        SCRATCH_TEST(interrupts_change_no_byte),
        SCRATCH_TEST(kills_change_no_byte),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

/* Trainings of the marginal-likelihood study, beside what test_conformance.c claims of all
 * studies. */
#include "members.h"

#include "../kit/process.h"

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

/* ------------------------------------------------------------------ curves */

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

static void random_features_alone_and_among_others_are_the_same(void **state) {
    const char *crowd = SPEC("[5, 6]", "rff", CROWD), *one = SPEC("[6]", "rff", ONE_OF_EACH);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(curves_have_the_points_asked_for_and_end_at_the_result),
        SCRATCH_TEST(random_features_alone_and_among_others_are_the_same),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

/* The same spec gives the same bytes, and what a member becomes does not depend on its company. */
#include "members.h"
#include "small_runs.h"

/* Run a spec into SCRATCH/NAME; further options up to a NULL. */
static void run_into(void **state, const char *spec, const char *name, ...) {
    const char *arguments[MOST_ARGUMENTS + 1] = {"run", in_scratch(state, spec), "--quiet", "--out",
                                                 in_scratch(state, name)};
    va_list list;
    va_start(list, name);
    for (int i = 5; i < MOST_ARGUMENTS && (arguments[i] = va_arg(list, const char *)); i++) {
    }
    va_end(list);
    invar_succeeds(state, arguments);
}

static void the_same_spec_twice_gives_the_same_bytes(void **state) {
    spill(in_scratch(state, "spec.yaml"), SMALL_SPEC);
    run_into(state, "spec.yaml", "first", NULL);
    run_into(state, "spec.yaml", "second", NULL);
    assert_same_run(in_scratch(state, "first"), in_scratch(state, "second"));
}

/* Populations of two: on two compute units each member has a lane of its own. */
static void lanes_change_no_byte(void **state) {
    spill(in_scratch(state, "spec.yaml"), SMALL_SPEC);
    run_into(state, "spec.yaml", "divided", NULL);
    assert_int_equal(setenv("INVAR_LANES", "off", 1), 0);
    run_into(state, "spec.yaml", "shared", NULL);
    unsetenv("INVAR_LANES");
    assert_same_run(in_scratch(state, "divided"), in_scratch(state, "shared"));
}

static void the_resolved_spec_gives_the_same_bytes(void **state) {
    spill(in_scratch(state, "spec.yaml"), SMALL_SPEC);
    run_into(state, "spec.yaml", "first", "--set", "training.epochs=3", NULL);
    run_into(state, "first/spec.yaml", "second", NULL);
    assert_same_run(in_scratch(state, "first"), in_scratch(state, "second"));
}

/* ------------------------------------------------------------------ company */

/* Eight members of each method: two seeds, four strengths or step sizes. */
#define CROWD(runs)                                                                                \
    "study: regularization\n"                                                                      \
    "name: crowd\n"                                                                                \
    "seeds: [5, 6]\n"                                                                              \
    "dataset: {name: digits, images: 900, train: 512, validation: 70, test: 90}\n"                 \
    "group: {kind: rotation, order: 4}\n"                                                          \
    "model: {hidden: 32, layers: 4}\n"                                                             \
    "training: {batch: 64, epochs: 4}\n"                                                           \
    "runs:\n" runs "metrics:\n"                                                                    \
    "  names: [accuracy, li, di, si, sigma_max_jacobian, jacobian_spectrum, sigma_max]\n"          \
    "  every_epochs: 2\n"                                                                          \
    "  drift: [noise]\n"

#define RATES "sweep: {learning_rate: [0.001, 0.002, 0.003, 0.004]}}\n"
#define CROWD_OF_EIGHT                                                                             \
    CROWD("  - {name: WT, method: weight-tying, " RATES                                            \
          "  - {name: DA, method: augmentation, " RATES                                            \
          "  - {name: IR, method: regularization, sweep: {nu: [0, 0.3, 1, 3]}}\n")

#define RATE "sweep: {learning_rate: [0.003]}}\n"
#define ONE_OF_EACH                                                                                \
    CROWD("  - {name: WT, method: weight-tying, " RATE                                             \
          "  - {name: DA, method: augmentation, " RATE                                             \
          "  - {name: IR, method: regularization, sweep: {nu: [0.3]}}\n")

static void a_member_alone_and_among_eight_is_the_same(void **state) {
    spill(in_scratch(state, "eight.yaml"), CROWD_OF_EIGHT);
    spill(in_scratch(state, "one.yaml"), ONE_OF_EACH);
    run_into(state, "eight.yaml", "eight", NULL);
    run_into(state, "one.yaml", "one", "--set", "seeds=[6]", NULL);
    assert_same_member(state, "eight", "one", "WT-learning_rate0.003", 6);
    assert_same_member(state, "eight", "one", "DA-learning_rate0.003", 6);
    assert_same_member(state, "eight", "one", "IR-nu0.3", 6);

    /* Neighbours are other members, not copies: the comparison above could have failed. */
    char *one = log_of(state, "eight", "DA-learning_rate0.003", 6);
    char *other = log_of(state, "eight", "DA-learning_rate0.004", 6);
    assert_string_not_equal(strstr(one, "\"step\": 16"), strstr(other, "\"step\": 16"));
    free(one);
    free(other);
}

/* Eight members as 3 + 3 + 2. The log's lines come in another order. */
static void populations_of_any_size_give_the_same_bytes(void **state) {
    spill(in_scratch(state, "eight.yaml"), CROWD_OF_EIGHT);
    run_into(state, "eight.yaml", "whole", NULL);
    run_into(state, "eight.yaml", "split", "--set", "training.population=3", NULL);
    json_t *results = read_results(state, "whole"), *run;
    assert_same_file(in_scratch(state, "whole/results.json"),
                     in_scratch(state, "split/results.json"));
    size_t i;
    json_array_foreach(json_object_get(results, "runs"), i, run)
        assert_same_member(state, "whole", "split", json_string_value(json_object_get(run, "name")),
                           (int)json_integer_value(json_object_get(run, "seed")));
    assert_int_equal(i, 24);
    json_decref(results);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(the_same_spec_twice_gives_the_same_bytes),
        SCRATCH_TEST(lanes_change_no_byte),
        SCRATCH_TEST(the_resolved_spec_gives_the_same_bytes),
        SCRATCH_TEST(a_member_alone_and_among_eight_is_the_same),
        SCRATCH_TEST(populations_of_any_size_give_the_same_bytes),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

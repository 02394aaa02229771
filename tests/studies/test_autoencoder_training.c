/* Trainings of the autoencoder study, beside what test_conformance.c claims of all studies. */
#include "members.h"
#include "stopping.h"

#include <math.h>

/* Two populations of known codes and two of pairs, with both kinds of layers. */
#define SPEC(seeds, runs)                                                                          \
    "study: autoencoder\n"                                                                         \
    "name: small\n"                                                                                \
    "seeds: " seeds "\n"                                                                           \
    "dataset: {dimensions: 5, train: 640, test: 300}\n"                                            \
    "task: {lambda: 0.5}\n"                                                                        \
    "model: {width: 3}\n"                                                                          \
    "training: {batch: 32, epochs: 4, learning_rate: 0.05}\n"                                      \
    "metrics: {every_epochs: 2}\n"                                                                 \
    "sweep: {task.code: [modulus-sine-cosine, cycle]}\n"                                           \
    "runs:\n" runs

#define RUNS                                                                                       \
    "  - {name: selu, layer: selu, depth: 3}\n"                                                    \
    "  - {name: rich, layer: rich, depth: 2, lift: 1, learning_rate: 0.01, momentum: 0.5}\n"

#define SMALL_SPEC SPEC("[5, 6]", RUNS)

static void the_last_point_of_the_curves_is_the_result(void **state) {
    run_spec(state, SMALL_SPEC, "run", NULL);
    json_t *results = read_results(state, "run");
    static const char *const of_known[] = {"mse_reconstruction", "mse_code", "mse_modulus",
                                           "mse_sine", "mse_cosine"};
    for (size_t i = 0; i < sizeof of_known / sizeof *of_known; i++) {
        const char *name = "rich-modulus-sine-cosine";
        char *lines = log_of(state, "run", name, 6), *last = lines;
        for (char *line = lines; line; line = strstr(line + 1, "\n{"))
            if (strstr(line, "\"split\": \"test\"")) last = line;
        json_t *point = json_loads(last + (*last == '\n'), JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(point);
        assert_int_equal(json_integer_value(json_object_get(point, "epoch")), 4);
        assert_int_equal(json_integer_value(json_object_get(point, "step")), 4 * (640 / 32));
        assert_true(json_number_value(json_object_get(point, of_known[i])) ==
                    metric_of(results, name, 6, of_known[i]));
        json_decref(point);
        free(lines);
    }
    json_decref(results);
}

/* ------------------------------------------------------------------ members that diverge */

/* Steps of 1000 multiply the weights of three layers past the largest float within a few steps. */
static void a_member_that_diverges_is_not_shown_in_tables(void **state) {
    run_spec(state,
             SPEC("[5, 6]", "  - {name: selu, layer: selu, depth: 3, sweep: {learning_rate: "
                            "[0.05, 1000]}}\n"),
             "run", NULL);
    json_t *results = read_results(state, "run");
    for (int seed = 5; seed <= 6; seed++)
        assert_true(json_is_null(json_object_get(
            json_object_get(find_run(results, "selu-learning_rate1000-modulus-sine-cosine", seed),
                            "metrics"),
            "training_loss")));

    /* The column they share shows the one that did not diverge. */
    const double mean =
        0.5 * (metric_of(results, "selu-learning_rate0.05-modulus-sine-cosine", 5, "mse_code") +
               metric_of(results, "selu-learning_rate0.05-modulus-sine-cosine", 6, "mse_code"));
    size_t i, n_found = 0;
    json_t *cell;
    json_array_foreach(json_object_get(results, "cells"), i, cell) {
        const char *metric = json_string_value(json_object_get(cell, "metric"));
        const char *row = json_string_value(json_object_get(cell, "row"));
        if (strcmp(metric, "mse_code") != 0) continue;
        assert_string_equal(row, "d=5 modulus-sine-cosine");
        assert_string_equal(json_string_value(json_object_get(cell, "column")), "selu");
        assert_int_equal(json_integer_value(json_object_get(cell, "n")), 2);
        const double found = json_number_value(json_object_get(cell, "mean"));
        assert_true(fabs(found - mean) <= 4 * 0x1p-53 * mean); /* two additions in double */
        n_found++;
    }
    assert_int_equal(n_found, 1);
    json_decref(results);
}

/* ------------------------------------------------------------------ interrupted */

/* Long enough to be met in the middle: 100 steps an epoch. */
#define LONG_OPTIONS                                                                               \
    "--quiet", "--set", "training.checkpoint_seconds=0.02", "--set", "training.epochs=30",         \
        "--set", "metrics.every_epochs=7", "--set", "dataset.train=3200"

static void start_and_stop(void **state, const moment *m, int number) {
    spill(in_scratch(state, "spec.yaml"), SMALL_SPEC);
    stop(state,
         ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--out", in_scratch(state, "run"),
                   LONG_OPTIONS),
         m, number);
}

/* The spec in the directory was changed by hand. */
static void a_checkpoint_of_a_changed_spec_is_refused(void **state) {
    start_and_stop(state, &(moment){.population = 0, .step = 200}, SIGKILL);
    const char *path = in_scratch(state, "run/spec.yaml");
    char *text = slurp(path, NULL), *batch = strstr(text, "batch: 32");
    assert_non_null(batch);
    memcpy(batch, "batch: 99", 9);
    spill(path, text);
    free(text);
    invar_fails(state, ARGUMENTS("resume", in_scratch(state, "run"), "--quiet"), 4,
                "the checkpoint is of another spec", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(the_last_point_of_the_curves_is_the_result),
        SCRATCH_TEST(a_member_that_diverges_is_not_shown_in_tables),
        SCRATCH_TEST(a_checkpoint_of_a_changed_spec_is_refused),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

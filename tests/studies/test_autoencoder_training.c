/* Trainings of the autoencoder study: the same spec gives the same bytes, whatever stops it on the
 * way; a member does not depend on its company, not even on one that diverges. */
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

/* Everything that two runs of SMALL_SPEC should have in common, byte by byte. */
static void assert_same_runs(const char *a, const char *b) {
    static const char *const names[] = {
        "spec.yaml",
        "results.json",
        "metrics.jsonl",
        "models/selu-modulus-sine-cosine-seed5.safetensors",
        "models/selu-modulus-sine-cosine-seed6.safetensors",
        "models/rich-modulus-sine-cosine-seed5.safetensors",
        "models/rich-modulus-sine-cosine-seed6.safetensors",
        "models/selu-cycle-seed5.safetensors",
        "models/selu-cycle-seed6.safetensors",
        "models/rich-cycle-seed5.safetensors",
        "models/rich-cycle-seed6.safetensors",
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

/* ------------------------------------------------------------------ company */

#define CROWD                                                                                      \
    "  - {name: selu, layer: selu, depth: 3, sweep: {learning_rate: [0.01, 0.03, 0.05, 0.1]}}\n"   \
    "  - {name: rich, layer: rich, depth: 2, sweep: {learning_rate: [0.001, 0.003, 0.01]}}\n"

#define ONE_OF_EACH                                                                                \
    "  - {name: selu, layer: selu, depth: 3, sweep: {learning_rate: [0.05]}}\n"                    \
    "  - {name: rich, layer: rich, depth: 2, sweep: {learning_rate: [0.003]}}\n"

static void a_member_alone_and_among_others_is_the_same(void **state) {
    run_spec(state, SPEC("[5, 6]", CROWD), "crowd", NULL);
    run_spec(state, SPEC("[6]", ONE_OF_EACH), "one", NULL);
    run_spec(state, SPEC("[5, 6]", CROWD), "split", "training.population=3");
    assert_same_file(in_scratch(state, "crowd/results.json"),
                     in_scratch(state, "split/results.json"));

    static const char *const names[] = {
        "selu-learning_rate0.05-modulus-sine-cosine", "selu-learning_rate0.05-cycle",
        "rich-learning_rate0.003-modulus-sine-cosine", "rich-learning_rate0.003-cycle"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_same_member(state, "crowd", "one", names[i], 6);
        assert_same_member(state, "crowd", "split", names[i], 6);
    }

    /* Neighbours are other members, not copies: the comparison above could have failed. */
    json_t *results = read_results(state, "crowd");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(status_of(results, names[i], 6), "done");
    const double one = metric_of(results, names[0], 6, "mse_code");
    assert_true(one != metric_of(results, names[0], 5, "mse_code"));
    assert_true(one !=
                metric_of(results, "selu-learning_rate0.1-modulus-sine-cosine", 6, "mse_code"));
    json_decref(results);
}

/* Steps of 1000 multiply the weights of three layers past the largest float within a few steps. */
static void a_member_that_diverges_is_marked_and_leaves_the_others_alone(void **state) {
    static const char together[] =
        SPEC("[5, 6]", "  - {name: selu, layer: selu, depth: 3, sweep: {learning_rate: [0.05, "
                       "1000]}}\n");
    static const char apart[] =
        SPEC("[5, 6]", "  - {name: selu, layer: selu, depth: 3, sweep: {learning_rate: [0.05]}}\n");
    run_spec(state, together, "together", NULL);
    run_spec(state, apart, "apart", NULL);
    json_t *results = read_results(state, "together");
    for (int seed = 5; seed <= 6; seed++) {
        const char *good = "selu-learning_rate0.05-modulus-sine-cosine";
        const char *bad = "selu-learning_rate1000-modulus-sine-cosine";
        assert_string_equal(status_of(results, good, seed), "done");
        assert_string_equal(status_of(results, "selu-learning_rate0.05-cycle", seed), "done");
        assert_string_equal(status_of(results, bad, seed), "diverged");
        assert_true(json_is_null(json_object_get(
            json_object_get(find_run(results, bad, seed), "metrics"), "training_loss")));
        assert_same_member(state, "together", "apart", good, seed);
        assert_same_member(state, "together", "apart", "selu-learning_rate0.05-cycle", seed);
    }

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

static void a_run_whose_members_all_diverge_still_ends_with_results(void **state) {
    run_spec(state, SPEC("[5, 6]", "  - {name: selu, layer: selu, depth: 3}\n"), "run",
             "training.learning_rate=1000");
    json_t *results = read_results(state, "run");
    for (int seed = 5; seed <= 6; seed++) {
        assert_string_equal(status_of(results, "selu-modulus-sine-cosine", seed), "diverged");
        assert_string_equal(status_of(results, "selu-cycle", seed), "diverged");
    }
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
    start_and_stop(state, &(moment){.population = 0, .step = 200}, SIGKILL);
    resume_and_stop(state, &(moment){.population = 2, .step = 300}, SIGKILL);
    finish_and_compare(state);
}

/* Epochs of 32 steps: none of those that the checkpoint knows of comes as far as its step. */
static void a_checkpoint_of_other_batches_is_refused(void **state) {
    start_and_stop(state, &(moment){.population = 0, .step = 200}, SIGKILL);
    const char *path = in_scratch(state, "run/spec.yaml");
    char *text = slurp(path, NULL), *batch = strstr(text, "batch: 32");
    assert_non_null(batch);
    memcpy(batch, "batch: 99", 9);
    spill(path, text);
    free(text);
    invar_fails(state, ARGUMENTS("resume", in_scratch(state, "run"), "--quiet"), 4,
                "the checkpoint is of other batches", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(the_same_spec_twice_gives_the_same_bytes),
        SCRATCH_TEST(lanes_change_no_byte),
        SCRATCH_TEST(the_resolved_spec_gives_the_same_bytes),
        SCRATCH_TEST(the_last_point_of_the_curves_is_the_result),
        SCRATCH_TEST(a_member_alone_and_among_others_is_the_same),
        SCRATCH_TEST(a_member_that_diverges_is_marked_and_leaves_the_others_alone),
        SCRATCH_TEST(a_run_whose_members_all_diverge_still_ends_with_results),
        SCRATCH_TEST(interrupts_change_no_byte),
        SCRATCH_TEST(kills_change_no_byte),
        SCRATCH_TEST(a_checkpoint_of_other_batches_is_refused),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

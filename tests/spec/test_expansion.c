/* Sweeps and the runs they give. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

static void expect_names(const char *text, const char *names) {
    iv_error error = {0};
    iv_spec_expansion expansion;
    char joined[1024] = "";
    iv_spec *spec = parse_good(text, NULL);
    assert_ok(&error, iv_spec_expand(spec, &expansion, &error));
    for (size_t i = 0; i < expansion.n_runs; i++) {
        strcat(joined, i ? " " : "");
        strcat(joined, expansion.runs[i].name);
    }
    assert_string_equal(joined, names);
    iv_spec_expansion_release(&expansion);
    iv_spec_destroy(spec);
}

#define IR_SWEEP(sweep)                                                                            \
    "runs: [{name: DA, method: augmentation},\n"                                                   \
    "       {name: IR, method: regularization, sweep: " sweep "}]\n"

static void without_a_sweep_runs_are_as_written(void **state) {
    (void)state;
    expect_names(SMALL, "DA");
}

static void a_run_s_sweep_multiplies_that_run(void **state) {
    (void)state;
    expect_names(HEAD IR_SWEEP("{nu: [1, 3, 10, 0.5, 1e-6]}"),
                 "DA IR-nu1 IR-nu3 IR-nu10 IR-nu0.5 IR-nu1e-06");
    expect_names(HEAD IR_SWEEP("{nu: [1, 3], learning_rate: [0.1, 0.01]}"),
                 "DA IR-nu1-learning_rate0.1 IR-nu1-learning_rate0.01 IR-nu3-learning_rate0.1 "
                 "IR-nu3-learning_rate0.01");
}

static void a_top_level_sweep_multiplies_everything(void **state) {
    (void)state;
    expect_names(HEAD IR_SWEEP("{nu: [1, 3]}") "sweep: {training: {batch: [64, 128]}}\n",
                 "DA-batch64 IR-nu1-batch64 IR-nu3-batch64 DA-batch128 IR-nu1-batch128 "
                 "IR-nu3-batch128");
    expect_names(SMALL "sweep: {training.learning_rate: [0.001], dataset.name: [digits, mnist]}\n",
                 "DA-learning_rate0.001-digits DA-learning_rate0.001-mnist");
}

static void configurations_hold_the_swept_values(void **state) {
    (void)state;
    iv_error error = {0};
    iv_spec_expansion expansion;
    iv_spec *spec = parse_good(
        HEAD IR_SWEEP("{nu: [1, 3], learning_rate: [0.5]}") "sweep: {training.batch: [64, 128], "
                                                            "dataset.name: [mnist, digits]}\n",
        NULL);
    assert_ok(&error, iv_spec_expand(spec, &expansion, &error));
    assert_int_equal(expansion.n_configurations, 4);
    assert_int_equal(expansion.n_runs, 12);

    const iv_spec_run *run = &expansion.runs[1 * 3 + 2]; /* batch 64, digits; third run: nu 3 */
    assert_string_equal(run->base, "IR");
    assert_string_equal(run->variant, "batch64-digits");
    assert_int_equal(run->base_index, 1);
    assert_int_equal(run->configuration, 1);
    assert_int_equal(iv_spec_integer(run->config, "training.batch"), 64);
    assert_string_equal(iv_spec_string(run->config, "dataset.name"), "digits");
    assert_true(iv_spec_number(run->config, "run.nu") == 3);
    assert_true(iv_spec_number(run->config, "training.learning_rate") == 0.5);
    assert_false(iv_spec_has(run->config, "sweep"));
    assert_false(iv_spec_has(run->config, "runs"));
    assert_false(iv_spec_has(run->config, "run.sweep"));

    /* neither the spec nor other runs changed with it */
    assert_true(iv_spec_number(expansion.runs[0].config, "training.learning_rate") == 0.0008);
    assert_int_equal(iv_spec_integer(expansion.runs[11].config, "training.batch"), 128);
    assert_int_equal(iv_spec_integer(iv_spec_root(spec), "training.batch"), 512);
    iv_spec_expansion_release(&expansion);
    iv_spec_destroy(spec);
}

static void a_required_key_may_be_given_by_its_sweep(void **state) {
    (void)state;
    expect_names("study: regularization\nname: x\ngroup: {kind: rotation, order: 4}\n"
                 "sweep: {dataset.name: [mnist, digits]}\n" RUNS,
                 "DA-mnist DA-digits");
}

static void runs_are_bounded(void **state) {
    (void)state;
    char *text = malloc(200000);
    assert_non_null(text);
    for (int n_values = 100; n_values <= 101; n_values++) {
        size_t used = (size_t)sprintf(text, SMALL "sweep:\n  training.batch: [");
        for (int i = 1; i <= n_values; i++) used += (size_t)sprintf(text + used, "%d,", i);
        used += (size_t)sprintf(text + used, "]\n  training.epochs: [");
        for (int i = 1; i <= 100; i++) used += (size_t)sprintf(text + used, "%d,", i);
        sprintf(text + used, "]\n");
        if (n_values == 100) { /* exactly 10,000 runs */
            iv_error error = {0};
            iv_spec_expansion expansion;
            iv_spec *spec = parse_good(text, NULL);
            assert_ok(&error, iv_spec_expand(spec, &expansion, &error));
            assert_int_equal(expansion.n_runs, 10000);
            iv_spec_expansion_release(&expansion);
            iv_spec_destroy(spec);
        } else {
            expect_message(text, NULL,
                           "spec.yaml:7:3: the sweeps give more than 10000 runs, "
                           "expected fewer values or keys");
        }
    }
    free(text);
}

static void a_product_that_overflows_is_still_too_large(void **state) {
    (void)state;
    /* 2^64 values and more: 9 keys of 256 */
    static const char *const swept[] = {
        "dataset.images",  "dataset.train",          "dataset.validation",
        "dataset.test",    "model.hidden",           "training.batch",
        "training.epochs", "training.learning_rate", "training.epsilon"};
    char *text = malloc(200000);
    assert_non_null(text);
    size_t used = (size_t)sprintf(text, SMALL "sweep:\n");
    for (size_t k = 0; k < sizeof swept / sizeof swept[0]; k++) {
        used += (size_t)sprintf(text + used, "  %s: [", swept[k]);
        for (int i = 1; i <= 256; i++) {
            used += (size_t)sprintf(text + used, k == 8 ? "0.%03d," : "%d,", i);
        }
        used += (size_t)sprintf(text + used, "]\n");
    }
    expect_message(text, NULL,
                   "spec.yaml:7:3: the sweeps give more than 10000 runs, expected fewer "
                   "values or keys");
    free(text);
}

static void sweeps_are_checked_like_values(void **state) {
    (void)state;
    expect_message(SMALL "sweep: {training.epoch: [1]}\n", NULL,
                   "spec.yaml:6:9: unknown key `training.epoch` in `sweep`, did you mean "
                   "`training.epochs`?");
    expect_message(SMALL "sweep: {epochs: [1]}\n", NULL,
                   "spec.yaml:6:9: unknown key `epochs` in `sweep`, did you mean "
                   "`training.epochs`?");
    expect_message(SMALL "sweep: {training: {epochs: [1, 0]}}\n", NULL,
                   "spec.yaml:6:32: `sweep.training.epochs.1` is `0`, expected an integer in "
                   "[1, 1000000]");
    expect_message(SMALL "sweep: {training: {epochs: 5}}\n", NULL,
                   "spec.yaml:6:28: `sweep.training.epochs` is a single value, expected a list of "
                   "values to try");
    expect_message(SMALL "sweep: {training: {epochs: []}}\n", NULL,
                   "spec.yaml:6:28: `sweep.training.epochs` is an empty list, expected a list of "
                   "values to try");
    expect_message(SMALL "sweep: {training: {learning_rate: [1, 1.0]}}\n", NULL,
                   "spec.yaml:6:39: `sweep.training.learning_rate` repeats `1.0`, expected each "
                   "value once");
    expect_message(SMALL "sweep: {training.epochs: [1], training: {epochs: [2]}}\n", NULL,
                   "spec.yaml:6:42: duplicate key `training.epochs`, expected once (it is also at "
                   "line 6, column 9)");
    expect_message(SMALL "sweep: {seeds: [1]}\n", NULL,
                   "spec.yaml:6:9: `seeds` cannot be swept here, expected a key of one value under "
                   "dataset, group, model or training");
    expect_message(SMALL "sweep: {nu: [1]}\n", NULL,
                   "spec.yaml:6:9: `nu` belongs to single runs, expected in the `sweep` of a run");
    expect_message(HEAD IR_SWEEP("{mu: [1]}"), NULL,
                   "spec.yaml:6:51: unknown key `mu` in `runs.1.sweep`, did you mean `nu`?");
    expect_message(SMALL "sweep: {group.order: [2, 3, 4]}\n", NULL,
                   "spec.yaml:6:26: `group.order` is 3, expected 2 or 4 for a rotation: others do "
                   "not map square pixels onto each other");
}

static void two_runs_of_one_name_are_refused(void **state) {
    (void)state;
    expect_message(HEAD "runs: [{name: DA, method: augmentation},\n"
                        "       {name: da, method: augmentation}]\n",
                   NULL,
                   "spec.yaml:6:15: two runs are named `da` but for capitals, expected a name of "
                   "its own for each");
    expect_message(HEAD "runs: [{name: IR-nu3, method: regularization},\n"
                        "       {name: IR, method: regularization, sweep: {nu: [1, 3]}}]\n",
                   NULL,
                   "spec.yaml:6:15: two runs are named `IR-nu3`, expected a name of its own for "
                   "each");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_sweep_runs_are_as_written),
        cmocka_unit_test(a_run_s_sweep_multiplies_that_run),
        cmocka_unit_test(a_top_level_sweep_multiplies_everything),
        cmocka_unit_test(configurations_hold_the_swept_values),
        cmocka_unit_test(a_required_key_may_be_given_by_its_sweep),
        cmocka_unit_test(runs_are_bounded),
        cmocka_unit_test(a_product_that_overflows_is_still_too_large),
        cmocka_unit_test(sweeps_are_checked_like_values),
        cmocka_unit_test(two_runs_of_one_name_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every class of mistake in a spec, with the exact place and words that report it. */
#include "support.h"

#include <string.h>

static void unknown_key_names_the_nearest_one(void **state) {
    (void)state;
    expect_message(SMALL "training: {epoch: 3}\n", NULL,
                   "spec.yaml:6:12: unknown key `epoch` in `training`, did you mean `epochs`?");
    expect_message(SMALL "trainign:\n  epochs: 3\n", NULL,
                   "spec.yaml:6:1: unknown key `trainign`, did you mean `training`?");
}

static void unknown_key_that_belongs_elsewhere_is_sent_there(void **state) {
    (void)state;
    expect_message(SMALL "epochs: 3\n", NULL,
                   "spec.yaml:6:1: unknown key `epochs`, did you mean `training.epochs`?");
}

static void unknown_key_like_no_other_lists_what_there_is(void **state) {
    (void)state;
    expect_message(SMALL "model: {zebra: 3}\n", NULL,
                   "spec.yaml:6:9: unknown key `zebra` in `model`, expected one of kind, hidden, "
                   "layers");
    expect_message(HEAD "runs:\n  - name: DA\n    methods: augmentation\n", NULL,
                   "spec.yaml:7:5: unknown key `methods` in `runs.0`, did you mean `method`?");
}

static void wrong_type_tells_what_was_found_and_expected(void **state) {
    (void)state;
    expect_message(SMALL "training:\n  epochs: many\n", NULL,
                   "spec.yaml:7:11: `training.epochs` is `many`, expected an integer in "
                   "[1, 1000000]");
    expect_message(SMALL "training: {epochs: 2.5}\n", NULL,
                   "spec.yaml:6:20: `training.epochs` is `2.5`, expected an integer in "
                   "[1, 1000000]");
    expect_message(SMALL "training: {epochs: '3'}\n", NULL,
                   "spec.yaml:6:20: `training.epochs` is the quoted text `3`, expected an integer "
                   "in [1, 1000000]");
    expect_message(SMALL "training: {epochs: [3]}\n", NULL,
                   "spec.yaml:6:20: `training.epochs` is a list, expected an integer in "
                   "[1, 1000000]");
    expect_message(SMALL "training:\n  beta1:\n", NULL,
                   "spec.yaml:7:9: `training.beta1` has no value, expected a number in [0, 1)");
    expect_message(SMALL "training: 5\n", NULL,
                   "spec.yaml:6:11: `training` is `5`, expected a map of keys");
    expect_message(SMALL "metrics: {names: si}\n", NULL,
                   "spec.yaml:6:18: `metrics.names` is `si`, expected a list, not empty, each "
                   "element one of accuracy, li, di, si, sigma_max_jacobian, jacobian_spectrum, "
                   "sigma_max");
    expect_message(HEAD "runs: {name: DA}\n", NULL,
                   "spec.yaml:5:7: `runs` is a map, expected a list of at least one map");
    expect_message("study: regularization\nname: a/b\n", NULL,
                   "spec.yaml:2:7: `name` is `a/b`, expected a name of 1 to 64 letters, digits, "
                   "'.', '_' or '-' that starts with a letter or digit");
}

static void numbers_beyond_decimal_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"0x1p3", ".inf",  "nan", "inf", "1e",
                                      "1_000", "1e999", "--1", "010"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[512], message[256];
        snprintf(text, sizeof text, SMALL "training: {learning_rate: %s}\n", bad[i]);
        snprintf(message, sizeof message,
                 "spec.yaml:6:27: `training.learning_rate` is `%s`, expected a number in (0, 1000]",
                 bad[i]);
        expect_message(text, NULL, message);
    }
}

/* What is another number where it is used. */
static void numbers_that_are_others_as_floats_are_refused(void **state) {
    (void)state;
    expect_message(SMALL "training: {epsilon: 1e-46}\n", NULL,
                   "spec.yaml:6:21: `training.epsilon` is `1e-46`, which is 0 as a 32-bit float, "
                   "expected a number in (0, 1]");
    expect_message(SMALL "training: {epsilon: 1e-40}\n", NULL,
                   "spec.yaml:6:21: `training.epsilon` is `1e-40`, which is 0 as a 32-bit float, "
                   "expected a number in (0, 1]");
    expect_message(SMALL "training: {beta2: 0.99999999999}\n", NULL,
                   "spec.yaml:6:19: `training.beta2` is `0.99999999999`, which is 1 as a 32-bit "
                   "float, expected a number in [0, 1)");
    iv_spec_destroy(parse_good(SMALL "training: {epsilon: 1.2e-38, beta2: 0.9999999}\n", NULL));
}

static void ranges_are_kept_at_both_ends(void **state) {
    (void)state;
    expect_message(SMALL "training: {epochs: 0}\n", NULL,
                   "spec.yaml:6:20: `training.epochs` is `0`, expected an integer in [1, 1000000]");
    expect_message(SMALL "training: {epochs: 99999999999999999999}\n", NULL,
                   "spec.yaml:6:20: `training.epochs` is `99999999999999999999`, expected an "
                   "integer in [1, 1000000]");
    expect_message(SMALL "training: {learning_rate: 0}\n", NULL,
                   "spec.yaml:6:27: `training.learning_rate` is `0`, expected a number in "
                   "(0, 1000]");
    expect_message(SMALL "training: {beta2: 1}\n", NULL,
                   "spec.yaml:6:19: `training.beta2` is `1`, expected a number in [0, 1)");
    iv_spec_destroy(parse_good(SMALL "training: {beta2: 0, learning_rate: 1000}\n", NULL));
    expect_message(HEAD "runs: []\n", NULL,
                   "spec.yaml:5:7: `runs` has 0 elements, expected a number of them in [1, 10000]");
}

static void misspelt_choice_names_the_nearest_one(void **state) {
    (void)state;
    expect_message("study: regularisation\n", NULL,
                   "spec.yaml:1:8: `study` is `regularisation`, expected one of regularization, "
                   "autoencoder, marginal-likelihood; did you mean `regularization`?");
    expect_message(HEAD "runs: [{name: DA, method: augmentatoin}]\n", NULL,
                   "spec.yaml:5:27: `runs.0.method` is `augmentatoin`, expected one of "
                   "weight-tying, augmentation, regularization; did you mean `augmentation`?");
}

static void duplicate_keys_are_refused_with_both_places(void **state) {
    (void)state;
    expect_message(SMALL "name: again\n", NULL,
                   "spec.yaml:6:1: duplicate key `name`, expected once (it is also at line 2, "
                   "column 1)");
    expect_message(SMALL "metrics: {names: [si, li, si]}\n", NULL,
                   "spec.yaml:6:27: `metrics.names` repeats `si`, expected each value once");
}

static void missing_keys_are_named_where_they_belong(void **state) {
    (void)state;
    expect_message("# nothing\n\nname: x\n", NULL,
                   "spec.yaml:3:1: missing key `study`, expected one of regularization, "
                   "autoencoder, marginal-likelihood");
    expect_message("study: regularization\nname: x\ngroup: {kind: shift, order: 3}\n" RUNS, NULL,
                   "spec.yaml:1:1: missing key `dataset.name`, expected one of mnist, "
                   "fashion-mnist, cifar10, digits, or a name of your own (1 to 64 letters, "
                   "digits, '.', '_' or '-')");
    expect_message(HEAD "runs:\n  - name: DA\n", NULL,
                   "spec.yaml:6:5: missing key `runs.0.method`, expected one of weight-tying, "
                   "augmentation, regularization");
}

static void published_rows_must_name_a_run(void **state) {
    (void)state;
    expect_message(SMALL "published:\n"
                         "  - {row: rotation-4, run: DB, metric: si, mean: 0.2}\n",
                   NULL,
                   "spec.yaml:7:28: `published.0.run` is `DB`, expected the name of one of `runs`; "
                   "did you mean `DA`?");
    expect_message(SMALL "published: [{row: r, run: DA, metric: sii, mean: 0.2}]\n", NULL,
                   "spec.yaml:6:39: `published.0.metric` is `sii`, expected one of accuracy, li, "
                   "di, si, sigma_max_jacobian; did you mean `si`?");
    expect_message(SMALL "published: [{row: r, run: DA, metric: accuracy, mean: 94}]\n", NULL,
                   "spec.yaml:6:55: `published.0.mean` is 94, expected a value of accuracy in "
                   "[0, 1]: share of images and group elements that are classified rightly");
    expect_message(SMALL "published:\n"
                         "  - {row: r, run: DA, metric: si, mean: 0}\n"
                         "  - {row: r, run: DA, metric: si, mean: 1}\n",
                   NULL,
                   "spec.yaml:8:5: `published.1` repeats element 0, expected each row, run and "
                   "metric once");
}

#define REGULARIZED(rest) HEAD "runs: [{name: IR, method: regularization, " rest "}]\n"

static void select_must_name_a_measured_metric_and_a_sweep(void **state) {
    (void)state;
    expect_message(REGULARIZED("sweep: {nu: [1]}, select: {metric: is}"), NULL,
                   "spec.yaml:5:78: `runs.0.select.metric` is `is`, expected one of si, accuracy; "
                   "did you mean `si`?");
    expect_message(REGULARIZED("sweep: {nu: [1]}, select: {metric: si}") "metrics: {names: [li]}\n",
                   NULL,
                   "spec.yaml:5:78: `select` uses the metric si, expected one that `metrics.names` "
                   "lists");
    expect_message(REGULARIZED("nu: 3, select: {metric: si}"), NULL,
                   "spec.yaml:5:58: `select` in a run that does not sweep nu, expected `sweep: "
                   "{nu: [1, 3]}` beside it");
    expect_message(REGULARIZED("sweep: {nu: [1]}, select: {}"), "dataset.validation=0",
                   "--set dataset.validation: `dataset.validation` is 0, expected some images: "
                   "`select` measures on them");
}

static void sizes_must_fit_each_other(void **state) {
    (void)state;
    expect_message(SMALL, "group.order=3",
                   "--set group.order: `group.order` is 3, expected 2 or 4 for a rotation: others "
                   "do not map square pixels onto each other");
    expect_message(SMALL, "dataset={name: digits, images: 100, train: 80, test: 21, validation: 0}",
                   "--set dataset: `dataset`: train + validation + test is 101, expected at most "
                   "the 100 images of digits");
    expect_message(SMALL "training:\n  batch: 20001\n", NULL,
                   "spec.yaml:7:10: `training.batch` is 20001, expected at most the 20000 images "
                   "of `dataset.train`");
    expect_message(HEAD "runs: [{name: DA, method: augmentation, nu: 3}]\n", NULL,
                   "spec.yaml:5:45: `nu` is set for method augmentation, expected only for "
                   "method regularization");
    expect_message(HEAD "runs:\n- {name: DA, method: augmentation}\n"
                        "- {name: DA, method: weight-tying}\n",
                   NULL,
                   "spec.yaml:7:10: two runs are named `DA`, expected a name of its own for each");
}

static void what_some_runs_have_no_use_for_is_not_swept_over_them(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(SMALL "sweep: {dataset.images: [50000, 60000]}\n", NULL));
    expect_message(SMALL "sweep: {dataset: {name: [digits, mnist], images: [50000, 60000]}}\n",
                   NULL,
                   "spec.yaml:6:42: `dataset.images` is swept for dataset.name mnist (run `DA`), "
                   "expected only for dataset.name digits");
    iv_spec_destroy(parse_good(SMALL "sweep: {group.axes: [x, y]}\n", "group.kind=shift"));
    expect_message(SMALL "sweep: {group.axes: [x, y]}\n", NULL,
                   "spec.yaml:6:9: `group.axes` is swept for group.kind rotation (run `DA`), "
                   "expected only for group.kind shift or flip");
    iv_spec_destroy(parse_good(HEAD "runs: [{name: DA, method: augmentation, nu: 0}]\n", NULL));
    expect_message(HEAD "runs: [{name: DA, method: augmentation, select: {}}]\n", NULL,
                   "spec.yaml:5:49: `select` is set for method augmentation, expected only for "
                   "method regularization");
}

static void seeds_are_a_count_or_a_list_of_distinct_ones(void **state) {
    (void)state;
    expect_message(SMALL "seeds: 0\n", NULL,
                   "spec.yaml:6:8: `seeds` is `0`, expected an integer in [1, 1000]");
    expect_message(SMALL "seeds: [1, 2, 1]\n", NULL,
                   "spec.yaml:6:15: seed 1 is listed twice, expected once");
    expect_message(SMALL "seeds: [2147483648]\n", NULL,
                   "spec.yaml:6:9: `seeds.0` is `2147483648`, expected an integer in "
                   "[0, 2147483647]");
    expect_message(SMALL "seeds: []\n", NULL,
                   "spec.yaml:6:8: `seeds` is a list, expected how many (an integer in [1, 1000]) "
                   "or a list of distinct integers in [0, 2147483647]");
}

static void unreadable_file_is_reported_with_the_reason(void **state) {
    (void)state;
    iv_error error = {0};
    iv_spec *spec;
    assert_int_equal(iv_spec_load("no/such.yaml", NULL, 0, iv_study_schema, &spec, &error),
                     IV_EINVAL);
    assert_string_equal(error.message, "no/such.yaml:1:1: cannot be read (No such file or "
                                       "directory), expected a YAML spec");
    assert_null(spec);
    iv_error_clear(&error);
    assert_int_equal(iv_spec_load(CONFIG_FOLDER, NULL, 0, iv_study_schema, &spec, &error),
                     IV_EINVAL);
    assert_non_null(strstr(error.message, "configs:1:1: cannot be read (Is a directory)"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_key_names_the_nearest_one),
        cmocka_unit_test(unknown_key_that_belongs_elsewhere_is_sent_there),
        cmocka_unit_test(unknown_key_like_no_other_lists_what_there_is),
        cmocka_unit_test(wrong_type_tells_what_was_found_and_expected),
        cmocka_unit_test(numbers_beyond_decimal_are_refused),
        cmocka_unit_test(ranges_are_kept_at_both_ends),
        cmocka_unit_test(numbers_that_are_others_as_floats_are_refused),
        cmocka_unit_test(misspelt_choice_names_the_nearest_one),
        cmocka_unit_test(duplicate_keys_are_refused_with_both_places),
        cmocka_unit_test(missing_keys_are_named_where_they_belong),
        cmocka_unit_test(published_rows_must_name_a_run),
        cmocka_unit_test(select_must_name_a_measured_metric_and_a_sweep),
        cmocka_unit_test(sizes_must_fit_each_other),
        cmocka_unit_test(what_some_runs_have_no_use_for_is_not_swept_over_them),
        cmocka_unit_test(seeds_are_a_count_or_a_list_of_distinct_ones),
        cmocka_unit_test(unreadable_file_is_reported_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Specs of the autoencoder study: defaults, runs and columns, and every mistake that its own checks
 * find. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define CODES "study: autoencoder\nname: codes\n"
#define SELU  "runs: [{name: selu, layer: selu}]\n"

static void a_small_spec_is_written_with_every_default(void **state) {
    (void)state;
    iv_spec *spec = parse_good(CODES SELU, "seeds=1");
    char *text = written(spec);
    assert_string_equal(text, "study: autoencoder\n"
                              "name: codes\n"
                              "seeds: [0]\n"
                              "dataset:\n"
                              "  dimensions: 10\n"
                              "  train: 60000\n"
                              "  test: 10000\n"
                              "task:\n"
                              "  code: modulus-sine-cosine\n"
                              "  lambda: 8\n"
                              "  delta: 0.1\n"
                              "  alpha: 1\n"
                              "model:\n"
                              "  width: 8\n"
                              "  invariant: 1\n"
                              "  variant: 1\n"
                              "training:\n"
                              "  optimizer: sgd\n"
                              "  learning_rate: 0.05\n"
                              "  momentum: 0\n"
                              "  batch: 128\n"
                              "  epochs: 20\n"
                              "  beta1: 0.9\n"
                              "  beta2: 0.999\n"
                              "  epsilon: 1.0e-08\n"
                              "  population: 0\n"
                              "  checkpoint_seconds: 60\n"
                              "runs:\n"
                              "- name: selu\n"
                              "  layer: selu\n"
                              "  depth: 4\n"
                              "  lift: 0\n"
                              "  part: full\n"
                              "metrics:\n"
                              "  every_epochs: 1\n"
                              "figures:\n"
                              "  names: []\n"
                              "published: []\n");
    free(text);
    iv_spec_destroy(spec);
}

static void keys_of_the_other_study_are_unknown(void **state) {
    (void)state;
    expect_message(CODES SELU "dataset: {images: 5}\n", NULL,
                   "spec.yaml:4:11: unknown key `images` in `dataset`, expected one of dimensions, "
                   "train, test");
    expect_message(CODES SELU "group: {kind: rotation}\n", NULL,
                   "spec.yaml:4:1: unknown key `group`, expected one of study, name, seeds, "
                   "dataset, task, model, training, runs, metrics, figures, published, sweep");
    expect_message(CODES "runs: [{name: a, layer: selu, nu: 3}]\n", NULL,
                   "spec.yaml:3:31: unknown key `nu` in `runs.0`, expected one of name, layer, "
                   "depth, lift, part, learning_rate, momentum, sweep");
    expect_message(HEAD RUNS "training: {momentum: 0.9}\n", NULL,
                   "spec.yaml:6:12: unknown key `momentum` in `training`, expected one of "
                   "optimizer, learning_rate, batch, epochs, beta1, beta2, epsilon, population, "
                   "checkpoint_seconds");
    expect_message(HEAD RUNS "training: {optimizer: sgd}\n", NULL,
                   "spec.yaml:6:23: `training.optimizer` is `sgd`, expected adam");
    expect_message(CODES SELU "sweep: {seeds: [1]}\n", NULL,
                   "spec.yaml:4:9: `seeds` cannot be swept here, expected a key of one value under "
                   "dataset, task, model or training");
}

/* ------------------------------------------------------------------ runs */

static void a_column_leaves_out_the_learning_rate_and_the_momentum(void **state) {
    (void)state;
    static const char *const expected[][3] = {
        {"selu-depth2-learning_rate0.1-momentum0.9-dimensions4", "selu-depth2", "dimensions4"},
        {"selu-depth2-learning_rate0.2-momentum0.9-dimensions4", "selu-depth2", "dimensions4"},
        {"selu-depth3-learning_rate0.1-momentum0.9-dimensions4", "selu-depth3", "dimensions4"},
        {"selu-depth3-learning_rate0.2-momentum0.9-dimensions4", "selu-depth3", "dimensions4"},
        {"rich-dimensions4", "rich", "dimensions4"},
        {"selu-depth2-learning_rate0.1-momentum0.9-dimensions5", "selu-depth2", "dimensions5"},
    };
    iv_error error = {0};
    iv_spec_expansion expansion;
    iv_spec *spec = parse_good(
        CODES "runs:\n"
              "- {name: selu, layer: selu, sweep: {depth: [2, 3], learning_rate: [0.1, 0.2], "
              "momentum: [0.9]}}\n"
              "- {name: rich, layer: rich, learning_rate: 0.01}\n"
              "sweep: {dataset.dimensions: [4, 5]}\n",
        NULL);
    assert_ok(&error, iv_spec_expand(spec, &expansion, &error));
    assert_int_equal(expansion.n_runs, 10);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_string_equal(expansion.runs[i].name, expected[i][0]);
        assert_string_equal(expansion.runs[i].column, expected[i][1]);
        assert_string_equal(expansion.runs[i].variant, expected[i][2]);
    }
    const iv_node *config = expansion.runs[1].config;
    assert_true(iv_spec_number(config, "training.learning_rate") == 0.2);
    assert_true(iv_spec_number(config, "training.momentum") == 0.9);
    config = expansion.runs[4].config;
    assert_true(iv_spec_number(config, "training.learning_rate") == 0.01);
    assert_true(iv_spec_number(config, "training.momentum") == 0);
    iv_spec_expansion_release(&expansion);
    iv_spec_destroy(spec);
}

static void published_numbers_name_a_column(void **state) {
    (void)state;
    static const char swept[] =
        CODES "runs: [{name: rich, layer: rich, sweep: {depth: [1, 2], learning_rate: [1, 2]}}]\n";
    char text[1024];
    snprintf(text, sizeof text,
             "%spublished: [{row: d=10 shift, run: rich-depth2, metric: mse_code, mean: 1}]\n",
             swept);
    iv_spec_destroy(parse_good(text, NULL));
    snprintf(text, sizeof text,
             "%spublished: [{row: d=10 shift, run: rich-deph2, metric: mse_code, mean: 1}]\n",
             swept);
    expect_message(text, NULL,
                   "spec.yaml:4:36: `published.0.run` is `rich-deph2`, expected the name of one of "
                   "`runs`; did you mean `rich-depth2`?");
    expect_message(CODES SELU "published: [{row: r, run: selu, metric: accuracy, mean: 1}]\n", NULL,
                   "spec.yaml:4:41: `published.0.metric` is `accuracy`, expected one of "
                   "mse_reconstruction, mse_code, mse_modulus, mse_phase, mse_sine, mse_cosine, "
                   "loss_invariance, mse_distance");
}

/* ------------------------------------------------------------------ what must fit together */

static void half_an_autoencoder_needs_a_known_code(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(CODES "runs: [{name: a, layer: selu, sweep: {part: [full, encoder, "
                                     "decoder]}}]\n"
                                     "sweep: {task.code: [modulus-phase, modulus-sine-cosine]}\n",
                               NULL));
    expect_message(CODES "runs: [{name: a, layer: selu, part: decoder}]\ntask: {code: cycle}\n",
                   NULL,
                   "spec.yaml:3:37: `part` is set for task.code cycle, expected only for task.code "
                   "modulus-sine-cosine or modulus-phase");
    expect_message(CODES "runs: [{name: a, layer: selu, sweep: {part: [full, encoder]}}]\n",
                   "task.code=shift",
                   "spec.yaml:3:52: `part` is set for task.code shift, expected only for task.code "
                   "modulus-sine-cosine or modulus-phase");
}

static void only_rich_layers_are_lifted(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(CODES "runs: [{name: a, layer: rich, lift: 8}]\n", NULL));
    expect_message(CODES "runs: [{name: a, layer: relu, lift: 8}]\n", NULL,
                   "spec.yaml:3:37: `lift` is set for layer relu, expected only for layer rich");
}

static void what_pairs_alone_use_is_swept_with_pairs_alone(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(CODES SELU "task: {code: shift}\n"
                                          "sweep: {task: {delta: [1, 2], alpha: [1, 2]}, "
                                          "model: {invariant: [1, 2]}}\n",
                               NULL));
    iv_spec_destroy(parse_good(CODES SELU "task: {delta: 3}\n", NULL));
    expect_message(CODES SELU "sweep: {task: {delta: [1, 2]}}\n", NULL,
                   "spec.yaml:4:16: `task.delta` is swept for task.code modulus-sine-cosine (run "
                   "`selu`), expected only for task.code shift, two-part-shift, cycle or "
                   "shift-scale");
    expect_message(CODES SELU "sweep: {model.variant: [1, 2], task.code: [shift, modulus-phase]}\n",
                   NULL,
                   "spec.yaml:4:9: `model.variant` is swept for task.code modulus-phase (run "
                   "`selu`), expected only for task.code shift, two-part-shift, cycle or "
                   "shift-scale");
}

static void widths_and_rates_are_swept_with_what_uses_them(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(CODES SELU "sweep: {model.width: [2, 4]}\n", NULL));
    expect_message(CODES "runs: [{name: a, layer: selu}, {name: b, layer: rich}]\n"
                         "sweep: {model.width: [2, 4]}\n",
                   NULL,
                   "spec.yaml:4:9: `model.width` is swept for layer rich (run `b`), expected only "
                   "for layer selu, relu, sigmoid or bipolar-sigmoid");
    iv_spec_destroy(parse_good(CODES SELU "training: {beta1: 0.5}\n", NULL));
    expect_message(CODES SELU "sweep: {training: {beta1: [0.5, 0.6]}}\n", NULL,
                   "spec.yaml:4:20: `training.beta1` is swept for training.optimizer sgd (run "
                   "`selu`), expected only for training.optimizer adam");
    expect_message(CODES SELU "sweep: {training.optimizer: [sgd, adam], training.momentum: [0, "
                              "0.5]}\n",
                   NULL,
                   "spec.yaml:4:42: `training.momentum` is swept for training.optimizer adam (run "
                   "`selu`), expected only for training.optimizer sgd");
    expect_message(CODES "runs: [{name: a, layer: selu, momentum: 0.5}]\n",
                   "training.optimizer=adam",
                   "spec.yaml:3:41: `momentum` is set for training.optimizer adam, expected only "
                   "for training.optimizer sgd");
}

static void batches_and_parts_are_not_larger_than_what_they_are_of(void **state) {
    (void)state;
    expect_message(CODES SELU "dataset:\n  train: 100\n", NULL,
                   "spec.yaml:5:10: `training.batch` is 128, expected at most the 100 signals of "
                   "`dataset.train`");
    iv_spec_destroy(parse_good(CODES SELU "dataset: {train: 128}\n", NULL));
    iv_spec_destroy(
        parse_good(CODES SELU "dataset: {dimensions: 4}\ntask: {code: two-part-shift}\n", NULL));
    expect_message(CODES SELU "dataset: {dimensions: 3}\ntask: {code: two-part-shift}\n", NULL,
                   "spec.yaml:4:23: `dataset.dimensions` is 3, expected at least 4 for "
                   "two-part-shift: a part of one dimension has nothing to shift");
}

static void pairs_are_measured_on_a_copy_and_an_unrelated_signal_at_least(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(CODES SELU "dataset: {test: 1}\n", NULL));
    iv_spec_destroy(parse_good(CODES SELU "dataset: {test: 2}\ntask: {code: shift}\n", NULL));
    expect_message(CODES SELU "dataset: {test: 1}\ntask: {code: shift}\n", NULL,
                   "spec.yaml:4:17: `dataset.test` is 1 while `task.code` is shift, expected at "
                   "least 2: a distorted copy and an unrelated signal");
}

#define RICH(rest) CODES "runs: [{name: a, layer: rich, " rest "}]\n"

/* Widths by hand: n columns become n + 2 (n rounded up to even).
 *   encoder, d = 10:      10, 30, 90, 270, 810, 2430, 7290, 21870, 65610, 196830
 *   decoder, 3 d = 30:    30, 90, 270, 810, 2430, 7290, 21870, 65610, 196830
 *   d = 5 lifted to 5:     5, 17, 53, 161, 485, 1457, 4373, 13121, 39365, 118097 */
static void widths_of_rich_layers_are_bounded(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(RICH("depth: 7"), NULL));
    iv_spec_destroy(parse_good(RICH("depth: 8, part: encoder"), NULL));
    iv_spec_destroy(parse_good(RICH("depth: 8, lift: 1"), "dataset.dimensions=5"));
    expect_message(RICH("depth: 8"), NULL,
                   "spec.yaml:3:38: `depth` is 8 and rich layer 8 of the decoder would have "
                   "196830 columns, expected fewer than 100000: each layer has three times the "
                   "columns of the one before");
    expect_message(RICH("depth: 64, part: encoder"), NULL,
                   "spec.yaml:3:38: `depth` is 64 and rich layer 9 of the encoder would have "
                   "196830 columns, expected fewer than 100000: each layer has three times the "
                   "columns of the one before");
    expect_message(RICH("sweep: {depth: [8, 9]}, lift: 1"), "dataset.dimensions=5",
                   "spec.yaml:3:50: `depth` is 9 and rich layer 9 of the encoder would have "
                   "118097 columns, expected fewer than 100000: each layer has three times the "
                   "columns of the one before");
    iv_spec_destroy(parse_good(CODES "runs: [{name: a, layer: selu, depth: 64}]\n", NULL));
    expect_message(CODES "runs: [{name: a, layer: selu, depth: 65}]\n", NULL,
                   "spec.yaml:3:38: `runs.0.depth` is `65`, expected an integer in [1, 64]");
}

static void a_rate_has_one_place(void **state) {
    (void)state;
    expect_message(CODES "runs: [{name: a, layer: selu, momentum: 0.5}]\n"
                         "sweep: {training.momentum: [0, 0.9]}\n",
                   NULL,
                   "spec.yaml:3:41: a run's own `momentum` while `training.momentum` is swept, "
                   "expected only one of them");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_spec_is_written_with_every_default),
        cmocka_unit_test(keys_of_the_other_study_are_unknown),
        cmocka_unit_test(a_column_leaves_out_the_learning_rate_and_the_momentum),
        cmocka_unit_test(published_numbers_name_a_column),
        cmocka_unit_test(half_an_autoencoder_needs_a_known_code),
        cmocka_unit_test(only_rich_layers_are_lifted),
        cmocka_unit_test(what_pairs_alone_use_is_swept_with_pairs_alone),
        cmocka_unit_test(widths_and_rates_are_swept_with_what_uses_them),
        cmocka_unit_test(batches_and_parts_are_not_larger_than_what_they_are_of),
        cmocka_unit_test(pairs_are_measured_on_a_copy_and_an_unrelated_signal_at_least),
        cmocka_unit_test(widths_of_rich_layers_are_bounded),
        cmocka_unit_test(a_rate_has_one_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

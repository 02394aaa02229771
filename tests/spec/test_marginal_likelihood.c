/* Specs of the marginal-likelihood study: defaults, runs, and every mistake that its own checks
 * find. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS   "study: marginal-likelihood\nname: digits\ndataset: {name: digits}\n"
#define PLAIN    "runs: [{name: mlp}]\n"
#define LEARNED  "runs: [{name: rotation, invariance: rotation, eta: 0.1}]\n"
#define RINGS    "study: marginal-likelihood\nname: rings\ndataset: {name: rings, train: 128}\n"
#define RUN(...) "runs: [{name: a, " __VA_ARGS__ "}]\n"

static void a_small_spec_is_written_with_every_default(void **state) {
    (void)state;
    iv_spec *spec = parse_good(DIGITS PLAIN, "seeds=1");
    char *text = written(spec);
    assert_string_equal(text, "study: marginal-likelihood\n"
                              "name: digits\n"
                              "seeds: [0]\n"
                              "dataset:\n"
                              "  name: digits\n"
                              "  transformation: regular\n"
                              "  train: 60000\n"
                              "  test: 10000\n"
                              "  seed: 0\n"
                              "model:\n"
                              "  features: relu\n"
                              "  hidden: 1024\n"
                              "  samples: 32\n"
                              "  sampling: random\n"
                              "  sigma: 0.3\n"
                              "  alpha: 1\n"
                              "  initial_deviation: 1\n"
                              "  learn: []\n"
                              "  input_mean: 0\n"
                              "  blur: 0\n"
                              "training:\n"
                              "  learning_rate: 0.001\n"
                              "  eta_learning_rate: 0\n"
                              "  sigma_rate: 0.1\n"
                              "  annealing: cosine\n"
                              "  posterior: adam\n"
                              "  samples: weights\n"
                              "  newton_rate: 0.3\n"
                              "  newton_hold: 6\n"
                              "  newton_least: 0\n"
                              "  newton_trust: 0.1\n"
                              "  newton_every: 1\n"
                              "  alpha_rate: 0.5\n"
                              "  batch: 128\n"
                              "  epochs: 100\n"
                              "  beta1: 0.9\n"
                              "  beta2: 0.999\n"
                              "  epsilon: 1.0e-08\n"
                              "  population: 0\n"
                              "  checkpoint_seconds: 60\n"
                              "runs:\n"
                              "- name: mlp\n"
                              "  invariance: none\n"
                              "  eta: 0\n"
                              "  learned: true\n"
                              "  estimate: variational\n"
                              "  method: network\n"
                              "  inducing: 1000\n"
                              "  iterations: 100\n"
                              "metrics:\n"
                              "  every_steps: 0\n"
                              "figures:\n"
                              "  names: []\n"
                              "published: []\n");
    iv_spec_destroy(spec);
    spec = parse_good(text, NULL); /* what is written out with its defaults is as good */
    free(text);
    iv_spec_destroy(spec);
}

static void keys_of_the_other_studies_are_unknown(void **state) {
    (void)state;
    expect_message(DIGITS "runs: [{name: a, nu: 3}]\n", NULL,
                   "spec.yaml:4:18: unknown key `nu` in `runs.0`, expected one of name, "
                   "invariance, eta, learned, estimate, method, inducing, iterations, sweep");
    expect_message(
        DIGITS PLAIN "training: {momentum: 0.9}\n", NULL,
        "spec.yaml:5:12: unknown key `momentum` in `training`, expected one of "
        "learning_rate, eta_learning_rate, sigma_rate, annealing, posterior, samples, "
        "newton_rate, newton_hold, newton_least, newton_trust, newton_every, alpha_rate, "
        "batch, epochs, beta1, beta2, epsilon, population, checkpoint_seconds");
    expect_message("study: autoencoder\nname: a\nmodel: {samples: 3}\n"
                   "runs: [{name: a, layer: selu}]\n",
                   NULL,
                   "spec.yaml:3:9: unknown key `samples` in `model`, expected one of width, "
                   "invariant, variant");
    expect_message(DIGITS PLAIN "sweep: {dataset: {seed: [1, 2]}}\n", NULL,
                   "spec.yaml:5:19: `dataset.seed` cannot be swept here, expected a key of one "
                   "value under dataset, model or training");
}

static void every_swept_value_of_a_run_is_a_column(void **state) {
    (void)state;
    static const char *const expected[][3] = {
        {"a-variational-learnedtrue-rotated", "a-variational-learnedtrue", "rotated"},
        {"a-variational-learnedfalse-rotated", "a-variational-learnedfalse", "rotated"},
        {"a-point-learnedtrue-rotated", "a-point-learnedtrue", "rotated"},
        {"a-point-learnedfalse-rotated", "a-point-learnedfalse", "rotated"},
        {"a-variational-learnedtrue-translated-scaled", "a-variational-learnedtrue",
         "translated-scaled"},
    };
    iv_error error = {0};
    iv_spec_expansion expansion;
    iv_spec *spec = parse_good(
        DIGITS RUN("invariance: affine, sweep: {estimate: [variational, point], "
                   "learned: [true, false]}") "sweep: {dataset.transformation: [rotated, "
                                              "translated-scaled]}\n",
        NULL);
    assert_ok(&error, iv_spec_expand(spec, &expansion, &error));
    assert_int_equal(expansion.n_runs, 8);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_string_equal(expansion.runs[i].name, expected[i][0]);
        assert_string_equal(expansion.runs[i].column, expected[i][1]);
        assert_string_equal(expansion.runs[i].variant, expected[i][2]);
    }
    assert_false(iv_spec_boolean(expansion.runs[1].config, "run.learned"));
    assert_string_equal(iv_spec_string(expansion.runs[2].config, "run.estimate"), "point");
    iv_spec_expansion_release(&expansion);
    iv_spec_destroy(spec);
}

/* ------------------------------------------------------------------ data */

static void no_more_images_are_asked_for_than_there_are(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(DIGITS PLAIN, "dataset.train=1000000"));
    iv_spec_destroy(parse_good(DIGITS PLAIN, "dataset={name: cifar10, train: 50000}"));
    expect_message(DIGITS PLAIN "sweep: {dataset.name: [mnist, cifar10]}\n", NULL,
                   "spec.yaml:5:31: `dataset.train` is 60000, expected at most the 50000 training "
                   "images of cifar10");
    expect_message("study: marginal-likelihood\nname: a\n" PLAIN
                   "dataset:\n  name: fashion-mnist\n  train: 60001\n",
                   NULL,
                   "spec.yaml:6:10: `dataset.train` is 60001, expected at most the 60000 training "
                   "images of fashion-mnist");
    expect_message("study: marginal-likelihood\nname: a\n" PLAIN
                   "dataset:\n  name: mnist\n  test: 10001\n",
                   NULL,
                   "spec.yaml:6:9: `dataset.test` is 10001, expected at most the 10000 test "
                   "images of mnist");
    expect_message(DIGITS PLAIN "training: {batch: 101}\n", "dataset.train=100",
                   "spec.yaml:5:19: `training.batch` is 101, expected at most the 100 images of "
                   "`dataset.train`");
}

static void a_grid_has_as_many_points_along_each_generator(void **state) {
    (void)state;
    iv_spec_destroy(
        parse_good(DIGITS LEARNED "model: {samples: 5, sampling: equally-spaced}\n", NULL));
    iv_spec_destroy(parse_good(DIGITS LEARNED "model: {samples: 5, sampling: stratified}\n", NULL));
    expect_message(
        DIGITS RUN("invariance: scale") "model: {samples: 8, sampling: equally-spaced}\n", NULL,
        "spec.yaml:5:18: `model.samples` is 8 while `model.sampling` is equally-spaced, "
        "expected for invariance `scale` a number to the power of 2");
}

static void rings_are_points(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(RINGS LEARNED "figures: {names: [eta, contours]}\n", NULL));
    expect_message(RINGS PLAIN "sweep: {dataset.transformation: [regular, rotated]}\n", NULL,
                   "spec.yaml:5:43: `dataset.transformation` is rotated while `dataset.name` is "
                   "rings, expected regular: points are not transformed as images are");
    expect_message(RINGS PLAIN "model: {input_mean: 0.5}\n", NULL,
                   "spec.yaml:5:21: `model.input_mean` is 0.5 while `dataset.name` is rings, "
                   "expected 0: points have no pixels");
    expect_message(RINGS PLAIN "model: {blur: 0.5}\n", NULL,
                   "spec.yaml:5:15: `model.blur` is 0.5 while `dataset.name` is rings, expected "
                   "0: the weights of points are not images");
    expect_message(RINGS RUN("method: sgpr"), NULL,
                   "spec.yaml:4:26: `method` is sgpr while `dataset.name` is rings, expected "
                   "network");
    expect_message(RINGS PLAIN, "dataset.train=64",
                   "--set dataset.train: `training.batch` is 128, expected the 64 of "
                   "`dataset.train`: all points of rings are one batch");
    expect_message(RINGS PLAIN "training: {batch: 64}\n", NULL,
                   "spec.yaml:5:19: `training.batch` is 64, expected the 128 of `dataset.train`: "
                   "all points of rings are one batch");
}

/* ------------------------------------------------------------------ runs */

static void a_degree_needs_an_invariance(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(DIGITS RUN("invariance: scale, eta: -0.5, learned: false"), NULL));
    iv_spec_destroy(parse_good(DIGITS RUN("invariance: none, eta: 0"), NULL));
    expect_message(DIGITS RUN("eta: 0.5"), NULL,
                   "spec.yaml:4:23: `eta` is set for invariance none, expected only for invariance "
                   "rotation, translation, scale or affine");
    expect_message(DIGITS RUN("eta: 1, sweep: {invariance: [affine, none]}"), NULL,
                   "spec.yaml:4:23: `eta` is set for invariance none, expected only for invariance "
                   "rotation, translation, scale or affine");
    expect_message(DIGITS RUN("learned: false"), NULL,
                   "spec.yaml:4:27: `learned` is set for invariance none, expected only for "
                   "invariance rotation, translation, scale or affine");
    expect_message(DIGITS RUN("invariance: rotation, eta: 180"), NULL,
                   "spec.yaml:4:45: `runs.0.eta` is `180`, expected a number in [-10, 10]");
}

static void a_gaussian_process_is_no_network(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(DIGITS RUN("method: sgpr, inducing: 5, sweep: {iterations: [1, 2]}"),
                               "training.batch=70000"));
    iv_spec_destroy(parse_good(DIGITS RUN("inducing: 1000, iterations: 100"), NULL));
    expect_message(DIGITS RUN("inducing: 5"), NULL,
                   "spec.yaml:4:28: `inducing` is set for method network, expected only for "
                   "method sgpr");
    expect_message(DIGITS RUN("sweep: {iterations: [100, 5]}"), NULL,
                   "spec.yaml:4:44: `iterations` is set for method network, expected only for "
                   "method sgpr");
    expect_message(DIGITS RUN("method: sgpr, invariance: rotation"), NULL,
                   "spec.yaml:4:44: `invariance` is set for method sgpr, expected only for method "
                   "network");
    expect_message(DIGITS RUN("method: sgpr, sweep: {estimate: [variational, point]}"), NULL,
                   "spec.yaml:4:64: `estimate` is set for method sgpr, expected only for method "
                   "network");
    expect_message(DIGITS RUN("method: sgpr, learned: false"), NULL,
                   "spec.yaml:4:41: `learned` is set for method sgpr, expected only for method "
                   "network");
    expect_message(DIGITS RUN("method: sgpr, inducing: 200"), "dataset.train=199",
                   "spec.yaml:4:42: `inducing` is 200, expected at most the 199 images of "
                   "`dataset.train`");
    expect_message(DIGITS RUN("method: sgpr"), "dataset.train=999",
                   "--set dataset.train: `inducing` is 1000, expected at most the 999 images of "
                   "`dataset.train`");
}

static void what_a_run_has_no_use_for_is_not_swept(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(DIGITS RUN("method: sgpr") "sweep: {dataset: {transformation: "
                                                          "[regular, rotated]}}\n",
                               NULL));
    iv_spec_destroy(
        parse_good(DIGITS PLAIN "sweep: {model: {sigma: [1, 2]}}\n", "model.features=rff"));
    expect_message(DIGITS RUN("method: sgpr") "sweep: {training.epochs: [5, 6]}\n", NULL,
                   "spec.yaml:5:9: `training.epochs` is swept for method sgpr (run `a`), expected "
                   "only for method network");
    expect_message(DIGITS PLAIN "sweep: {model: {features: [rff, relu], sigma: [1, 2]}}\n", NULL,
                   "spec.yaml:5:40: `model.sigma` is swept for model.features relu (run `mlp`), "
                   "expected only for model.features rff");
    expect_message(DIGITS RUN("estimate: point") "sweep: {model.alpha: [1, 2]}\n", NULL,
                   "spec.yaml:5:9: `model.alpha` is swept for estimate point (run `a`), expected "
                   "only for estimate variational");
    expect_message(
        DIGITS RUN("estimate: point") "sweep: {model.initial_deviation: [1, 2]}\n", NULL,
        "spec.yaml:5:9: `model.initial_deviation` is swept for estimate point (run `a`), "
        "expected only for estimate variational");
    iv_spec_destroy(parse_good(DIGITS LEARNED "sweep: {model: {samples: [4, 9]}, training: "
                                              "{eta_learning_rate: [0, 0.1]}}\n",
                               NULL));
    expect_message(DIGITS PLAIN "sweep: {model.samples: [4, 8]}\n", NULL,
                   "spec.yaml:5:9: `model.samples` is swept for invariance none (run `mlp`), "
                   "expected only for invariance rotation, translation, scale or affine");
    expect_message(
        DIGITS RUN(
            "invariance: scale, eta: 0.1, learned: false") "sweep: {training.eta_learning_rate: "
                                                           "[0, 0.1]}\n",
        NULL,
        "spec.yaml:5:9: `training.eta_learning_rate` is swept for learned false (run `a`), "
        "expected only for learned true");
}

/* ------------------------------------------------------------------ reports */

static void figures_have_something_to_show(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(DIGITS RUN("method: sgpr}, {name: b, invariance: scale, learned: "
                                          "false") "figures: {names: [filters]}\n",
                               NULL));
    expect_message(DIGITS PLAIN "figures: {names: [contours]}\n", NULL,
                   "spec.yaml:5:19: the figure contours for digits, expected only rings: the "
                   "others have no plane to draw");
    expect_message(RINGS LEARNED "figures: {names: [eta, filters]}\n", NULL,
                   "spec.yaml:5:24: the figure filters for rings, expected only images");
    expect_message(DIGITS RUN("method: sgpr") "figures: {names: [filters]}\n", NULL,
                   "spec.yaml:5:19: the figure filters, expected a run of method network with an "
                   "invariance: it shows what the transformations do to filters");
    expect_message(
        DIGITS RUN("invariance: affine, learned: false") "figures: {names: [filters, eta]}\n", NULL,
        "spec.yaml:5:28: the figure eta, expected a run of method network that learns "
        "an invariance");
}

static void published_bounds_are_not_positive(void **state) {
    (void)state;
    iv_spec_destroy(parse_good(
        DIGITS LEARNED "published: [{row: regular, run: rotation, metric: elbo, mean: -0.26}]\n",
        NULL));
    expect_message(DIGITS LEARNED "published: [{row: regular, run: rotation, metric: elbo, "
                                  "mean: 0.26}]\n",
                   NULL,
                   "spec.yaml:5:63: `published.0.mean` is 0.26, expected a value of elbo in "
                   "(-inf, 0]: lower bound of the log marginal likelihood, per training sample: "
                   "-(cross_entropy + kl / N)");
    expect_message(DIGITS LEARNED "published: [{row: regular, run: rotation, metric: mse_code, "
                                  "mean: 0}]\n",
                   NULL,
                   "spec.yaml:5:51: `published.0.metric` is `mse_code`, expected one of accuracy, "
                   "elbo");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_spec_is_written_with_every_default),
        cmocka_unit_test(keys_of_the_other_studies_are_unknown),
        cmocka_unit_test(every_swept_value_of_a_run_is_a_column),
        cmocka_unit_test(no_more_images_are_asked_for_than_there_are),
        cmocka_unit_test(a_grid_has_as_many_points_along_each_generator),
        cmocka_unit_test(rings_are_points),
        cmocka_unit_test(a_degree_needs_an_invariance),
        cmocka_unit_test(a_gaussian_process_is_no_network),
        cmocka_unit_test(what_a_run_has_no_use_for_is_not_swept),
        cmocka_unit_test(figures_have_something_to_show),
        cmocka_unit_test(published_bounds_are_not_positive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

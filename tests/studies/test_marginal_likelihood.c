/* The marginal-likelihood study against the oracle: whole trainings step by step, and every metric
 * that it reports and that `invar eval` prints, recomputed from the exported models. */
#include "members.h"
#include "ml_oracle.h"

#include "../kit/process.h"

#include <invar/data.h>
#include <invar/random.h>

#include <math.h>

enum { N_TRAIN = 150, N_TEST = 140, HIDDEN = 10, SAMPLES = 3, BATCH = 32, EPOCHS = 3 };
enum { DATA_SEED = 9, MEASURE_BATCH = 128, MEASURE_SAMPLES = 1 << 30 };
static const double rate = 0.01, eta_rate = 0.02, epsilon = 0.05;
static const double alpha = 0.75; /* the study has it as a float */
static const double initial_deviation = 0.5;
static const uint32_t seeds[] = {3, 14};

/* What a spec says, and one of its runs. */
typedef struct {
    const char *features, *transformation;
    bool rings;
    double blur;
    const char *annealing;
    bool grid;       /* transformations are equally spaced: of the runs whose samples can be */
    bool stratified; /* one from each part of the grid */
    double input_mean;
    const char *posterior; /* what is said of its training beyond the paper's; NULL: nothing */
    bool alpha_learned, sigma_learned; /* the latter with the former */
} setting;

typedef struct {
    const char *name, *invariance;
    double eta;
    bool learned, point;
} run_kind;

static const run_kind runs[] = {
    {"none", "none", 0, true, false},          {"rotation", "rotation", 0.8, true, false},
    {"affine", "affine", 0.25, true, false},   {"fixed", "scale", 0.4, false, false},
    {"point", "translation", 0.2, true, true},
};
enum { N_RUNS = sizeof runs / sizeof *runs };

static bool has_run(const setting *s, const run_kind *run) {
    return !(s->grid || s->stratified) || strcmp(run->invariance, "rotation") == 0;
}

/* ------------------------------------------------------------------ what the oracle sees */

static void transformations(const setting *s, uint32_t seed, uint32_t stream, uint32_t step,
                            double *eps) {
    ml_oracle_draw_transformations(seed, stream, step, SAMPLES, eps);
    for (int i = 0; (s->grid || s->stratified) && i < SAMPLES; i++) {
        const double drawn = s->stratified ? eps[6 * i + 2] : 0.0;
        memset(eps + 6 * i, 0, 6 * sizeof *eps);
        eps[6 * i + 2] = (i + 0.5 + 0.5 * drawn) * 2 / SAMPLES - 1;
    }
}

typedef struct {
    ml_oracle_shape shape;
    int n_classes;
    double *x;   /* [N_TRAIN + N_TEST, D] */
    int *labels; /* [N_TRAIN + N_TEST] */
} data;

static data data_create(const setting *s) {
    enum { N = N_TRAIN + N_TEST };
    iv_error error = {0};
    iv_dataset set = {0};
    int rows[N];
    data d = {.shape = {.planes = 1, .height = 28, .width = 28, .points = s->rings},
              .n_classes = s->rings ? 2 : 10};
    d.x = calloc((size_t)(N * ml_oracle_pixels(&d.shape)), sizeof *d.x);
    d.labels = calloc(N, sizeof *d.labels);
    assert_true(d.x && d.labels);
    if (s->rings) {
        for (int i = 0; i < N; i++)
            ml_oracle_ring_point(DATA_SEED, (uint32_t)i, d.x + 2 * i, &d.labels[i]);
        return d;
    }
    assert_ok(&error, iv_digits_make(DATA_SEED, N, &set, &error));
    for (int i = 0; i < N; i++) {
        rows[i] = i;
        d.labels[i] = set.labels[i];
    }
    ml_oracle_images(s->transformation, DATA_SEED, &d.shape, set.pixels, rows, N, d.x);
    for (int i = 0; i < N * ml_oracle_pixels(&d.shape); i++) d.x[i] -= s->input_mean;
    iv_dataset_clear(&set);
    return d;
}

static void data_free(data *d) {
    free(d->x);
    free(d->labels);
}

static ml_oracle_network network_create(const setting *s, const run_kind *run, const data *d) {
    static const struct {
        const char *invariance;
        double mask[6];
    } families[] = {{"rotation", {0, 0, 1, 0, 0, 0}},
                    {"translation", {1, 1, 0, 0, 0, 0}},
                    {"scale", {0, 0, 0, 1, 1, 0}},
                    {"affine", {1, 1, 1, 1, 1, 1}}};
    ml_oracle_network network = {.shape = d->shape,
                                 .n_hidden = HIDDEN,
                                 .n_classes = d->n_classes,
                                 .cosine = strcmp(s->features, "rff") == 0,
                                 .blur = s->blur,
                                 .alpha = alpha,
                                 .alpha_learned = s->alpha_learned,
                                 .sigma_learned = s->sigma_learned,
                                 .initial_deviation = initial_deviation,
                                 .n_data = N_TRAIN,
                                 .point = run->point};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (strcmp(run->invariance, families[i].invariance) != 0) continue;
        network.n_samples = SAMPLES;
        if (run->learned) memcpy(network.learned, families[i].mask, sizeof network.learned);
    }
    ml_oracle_network_create(&network);
    return network;
}

static void load_model(void **state, const char *directory, const run_kind *run, uint32_t seed,
                       ml_oracle_network *network) {
    char name[128];
    snprintf(name, sizeof name, "%s/models/%s-seed%u.safetensors", directory, run->name, seed);
    ml_oracle_network_load(in_scratch(state, name), network);
}

/* ------------------------------------------------------------------ running the study */

static void write_spec(void **state, const setting *s) {
    char text[2048];
    int n = snprintf(text, sizeof text,
                     "study: marginal-likelihood\n"
                     "name: oracle\n"
                     "seeds: [%u, %u]\n"
                     "dataset: {name: %s, transformation: %s, train: %d, test: %d, seed: %d}\n"
                     "model: {features: %s, hidden: %d, samples: %d, sampling: %s, alpha: %g, "
                     "initial_deviation: %g, input_mean: %g, blur: %g, learn: %s}\n"
                     "training: {batch: %d, epochs: %d, annealing: %s, epsilon: %g%s}\n"
                     "runs:\n",
                     seeds[0], seeds[1], s->rings ? "rings" : "digits", s->transformation, N_TRAIN,
                     N_TEST, DATA_SEED, s->features, HIDDEN, SAMPLES,
                     s->grid         ? "equally-spaced"
                     : s->stratified ? "stratified"
                                     : "random",
                     alpha, initial_deviation, s->input_mean, s->blur,
                     s->sigma_learned   ? "[alpha, sigma]"
                     : s->alpha_learned ? "[alpha]"
                                        : "[]",
                     s->rings ? N_TRAIN : BATCH, s->rings ? 4 * EPOCHS : EPOCHS, s->annealing,
                     epsilon, s->posterior ? s->posterior : "");
    for (int i = 0; i < N_RUNS; i++) {
        if (!has_run(s, &runs[i])) continue;
        n += snprintf(text + n, sizeof text - (size_t)n,
                      "  - {name: %s, invariance: %s, eta: %g, learned: %s, estimate: %s}\n",
                      runs[i].name, runs[i].invariance, runs[i].eta,
                      runs[i].learned ? "true" : "false", runs[i].point ? "point" : "variational");
    }
    assert_true(n < (int)sizeof text);
    spill(in_scratch(state, "spec.yaml"), text);
}

static void train(void **state, const char *directory, double learning_rate, double of_eta) {
    char set[2][64];
    snprintf(set[0], sizeof set[0], "training.learning_rate=%g", learning_rate);
    snprintf(set[1], sizeof set[1], "training.eta_learning_rate=%g", of_eta);
    invar_succeeds(state,
                   ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--quiet", "--out",
                             in_scratch(state, directory), "--set", set[0], "--set", set[1]));
}

/* ------------------------------------------------------------------ training */

/* One batch of training, as the study draws it. */
static void train_step(const setting *s, const data *d, uint32_t seed, ml_oracle_network *network,
                       ml_oracle_adam *adam) {
    const int columns = ml_oracle_pixels(&d->shape), n = s->rings ? N_TRAIN : BATCH;
    const uint32_t step = (uint32_t)adam->step, steps_per_epoch = (uint32_t)(N_TRAIN / n);
    double *x = calloc((size_t)(n * columns), sizeof *x), eps[6 * SAMPLES];
    double noise[10 * HIDDEN];
    int labels[N_TRAIN];
    assert_non_null(x);
    for (int b = 0; b < n; b++) {
        const uint32_t epoch = step / steps_per_epoch;
        const uint32_t position = step % steps_per_epoch * (uint32_t)n + (uint32_t)b;
        const uint32_t row =
            s->rings ? position : iv_shuffle(seed, IV_STREAM_BATCH_ORDER, epoch, N_TRAIN, position);
        memcpy(x + b * columns, d->x + row * (uint32_t)columns, (size_t)columns * sizeof *x);
        labels[b] = d->labels[row];
    }
    transformations(s, seed, IV_STREAM_TRANSFORMATION, step, eps);
    ml_oracle_draw_noise(network, seed, IV_STREAM_POSTERIOR, step, noise);
    const ml_oracle_batch batch = {x, labels, n, eps, noise};
    ml_oracle_train(network, &batch, adam);
    free(x);
}

/* Each step moves a parameter by rate g / (|g| + epsilon), so by at most rate / epsilon = 0.2 (0.4
 * for eta) times the error of a gradient, which is 5e-6 of the largest entry
 * (test_marginal_likelihood_graph.c), and that is 0.2 here: 12 steps are off by 2.4e-6 (5e-6) if
 * all errors have one sign, and they do not. Parameters are below 2 and lose 6e-8 a step to
 * rounding. */
static const double training_tolerance[ML_ORACLE_N_TENSORS] = {1e-6, 1e-6, 2e-6, 1e-6, 1e-6};

static void compare_models(const char *label, const ml_oracle_network *found,
                           const ml_oracle_network *expected, const ml_oracle_network *initial,
                           bool first_layer_fixed) {
    for (int k = 0; k < ML_ORACLE_N_TENSORS; k++) {
        double moved = 0;
        for (int i = 0; i < ml_oracle_elements(found, k); i++) {
            const double value = found->tensors[k][i], wanted = expected->tensors[k][i];
            moved = fmax(moved, fabs(value - initial->tensors[k][i]));
            if (!(fabs(value - wanted) <= training_tolerance[k]))
                fail_msg("%s: element %d of tensor %d is %.9g, the oracle says %.9g", label, i, k,
                         value, wanted);
        }
        bool moves = k != ML_ORACLE_FACTOR || !found->point;
        if (k == ML_ORACLE_WEIGHT || k == ML_ORACLE_BIAS) moves = !first_layer_fixed;
        if (k == ML_ORACLE_ETA) {
            moves = false;
            for (int i = 0; i < 6; i++) moves |= found->learned[i] != 0;
        }
        /* so that a training which does nothing would be noticed */
        if (moves && moved < 100 * training_tolerance[k])
            fail_msg("%s: tensor %d moved by %g alone", label, k, moved);
        if (!moves && moved > 0) fail_msg("%s: tensor %d moved by %g", label, k, moved);
    }
}

static void check_training(void **state, const setting *s, const data *d, const run_kind *run,
                           uint32_t seed) {
    char label[128];
    snprintf(label, sizeof label, "%s of %s, seed %u", run->name, s->transformation, seed);
    ml_oracle_network found = network_create(s, run, d), initial = network_create(s, run, d);
    ml_oracle_network expected = network_create(s, run, d);
    load_model(state, "run", run, seed, &found);
    load_model(state, "initial", run, seed, &initial);
    load_model(state, "initial", run, seed, &expected);
    const int steps = s->rings ? 4 * EPOCHS : N_TRAIN / BATCH * EPOCHS;
    ml_oracle_adam adam = {.rate = rate,
                           .eta_rate = eta_rate,
                           .beta1 = 0.9,
                           .beta2 = 0.999,
                           .epsilon = epsilon,
                           .cosine_steps = strcmp(s->annealing, "cosine") == 0 ? steps : 0,
                           .first_layer_fixed = found.cosine};
    while (adam.step < steps) train_step(s, d, seed, &expected, &adam);
    compare_models(label, &found, &expected, &initial, found.cosine);
    ml_oracle_adam_free(&adam);
    ml_oracle_network_free(&found);
    ml_oracle_network_free(&initial);
    ml_oracle_network_free(&expected);
}

/* ------------------------------------------------------------------ metrics */

/* Sum over a set of cross-entropies with samples of the output layer, or of hits with its mean. */
static double measure(const setting *s, const data *d, const ml_oracle_network *network,
                      uint32_t seed, bool test) {
    const int columns = ml_oracle_pixels(&d->shape), c = d->n_classes;
    const int first = test ? N_TRAIN : 0, n = test ? N_TEST : N_TRAIN;
    const int size = s->rings ? n : MEASURE_BATCH;
    double eps[6 * SAMPLES], noise[10 * HIDDEN], w[10 * HIDDEN], sum = 0;
    double logits[10 * (N_TRAIN + N_TEST)];
    for (int i = 0; i * size < n; i++) {
        const int rows = n - i * size < size ? n - i * size : size;
        const int *labels = d->labels + first + i * size;
        transformations(s, seed, IV_STREAM_EVALUATION, (uint32_t)i, eps);
        ml_oracle_draw_noise(network, seed, IV_STREAM_EVALUATION, (uint32_t)(MEASURE_SAMPLES + i),
                             noise);
        ml_oracle_output_layer(network, test ? NULL : noise, w);
        ml_oracle_logits(network, eps, w, d->x + (first + i * size) * columns, rows, logits);
        sum += test ? ml_oracle_hits(logits, labels, rows, c)
                    : ml_oracle_cross_entropy(logits, labels, rows, c);
    }
    return sum;
}

static void close_to(const char *label, const json_t *metrics, const char *name, double expected,
                     double relative) {
    const json_t *found = json_object_get(metrics, name);
    if (isnan(expected)) {
        if (found) fail_msg("%s: %s, which it does not have", label, name);
        return;
    }
    if (!json_is_number(found)) fail_msg("%s: %s is missing", label, name);
    const double value = json_number_value(found);
    if (!(fabs(value - expected) <= relative * fabs(expected)))
        fail_msg("%s: %s is %.9g, the oracle says %.9g", label, name, value, expected);
}

/* The model's; degrees where the invariance has rotations. */
static void check_eta(const char *label, const json_t *metrics, const run_kind *run,
                      const double eta[6]) {
    const json_t *found = json_object_get(metrics, "eta");
    const bool turns =
        strcmp(run->invariance, "rotation") == 0 || strcmp(run->invariance, "affine") == 0;
    assert_int_equal(json_array_size(found), 6);
    for (size_t k = 0; k < 6; k++)
        assert_true(json_number_value(json_array_get(found, k)) == eta[k]);
    close_to(label, metrics, "rotation_degrees", turns ? fabs(eta[2]) * 45 / atan(1) : NAN, 1e-12);
}

/* A logit sums some ten features, each right to 1e-6, so that mean cross-entropies, which are near
 * 1, are right to 1e-6 or so; what the host computes from exported numbers in double, to 1e-12. */
static void check_metrics(void **state, const setting *s, const data *d, const run_kind *run,
                          uint32_t seed, json_t *const reports[2]) {
    char label[128];
    snprintf(label, sizeof label, "%s of %s, seed %u", run->name, s->transformation, seed);
    ml_oracle_network network = network_create(s, run, d);
    load_model(state, "run", run, seed, &network);
    const double cross_entropy = measure(s, d, &network, seed, false) / N_TRAIN;
    const double accuracy = measure(s, d, &network, seed, true) / N_TEST;
    const double kl = ml_oracle_kl(&network);
    for (int i = 0; i < 2; i++) {
        const json_t *found = find_run(reports[i], run->name, (int)seed);
        const json_t *metrics = json_object_get(found, "metrics");
        assert_string_equal(json_string_value(json_object_get(found, "status")), "done");
        close_to(label, metrics, "cross_entropy", cross_entropy, 1e-5);
        close_to(label, metrics, "accuracy", accuracy, 1e-12);
        close_to(label, metrics, "kl", run->point ? NAN : kl, 1e-12);
        close_to(label, metrics, "elbo", run->point ? NAN : -(cross_entropy + kl / N_TRAIN), 1e-5);
        close_to(label, metrics, "alpha", s->alpha_learned && !run->point ? network.alpha : NAN,
                 1e-12);
        close_to(label, metrics, "sigma", s->sigma_learned ? exp(network.log_sigma) : NAN, 1e-6);
        check_eta(label, metrics, run, network.tensors[ML_ORACLE_ETA]);
    }
    ml_oracle_network_free(&network);
}

/* ------------------------------------------------------------------ settings */

/* The random weights are those that the run began with, times what sigma grew by: two roundings, and
 * the float of an exponential of a logarithm, whose error is 2^-24 of the logarithm. */
static void assert_weights_follow_sigma(void **state, const data *d, const setting *s,
                                        const run_kind *run, uint32_t seed,
                                        const ml_oracle_network *after) {
    ml_oracle_network before = network_create(s, run, d);
    load_model(state, "initial", run, seed, &before);
    const double growth = exp(after->log_sigma - before.log_sigma);
    assert_true(fabs(growth - 1) > 1e-5);
    for (int i = 0; i < ml_oracle_elements(&before, ML_ORACLE_WEIGHT); i++) {
        const double expected = before.tensors[ML_ORACLE_WEIGHT][i] * growth;
        assert_true(fabs(after->tensors[ML_ORACLE_WEIGHT][i] - expected) <= 1e-6 * fabs(expected));
    }
    ml_oracle_network_free(&before);
}

static void assert_alpha_moved(void **state, const data *d, const setting *s, const run_kind *run,
                               uint32_t seed) {
    ml_oracle_network network = network_create(s, run, d);
    load_model(state, "run", run, seed, &network);
    if (!run->point) assert_true(fabs(network.alpha / alpha - 1) > 1e-3);
    if (s->sigma_learned) assert_weights_follow_sigma(state, d, s, run, seed, &network);
    ml_oracle_network_free(&network);
}

static void check_setting(void **state, const setting *s) {
    data d = data_create(s);
    json_t *reports[2];
    write_spec(state, s);
    train(state, "initial", 1e-30, 1e-30); /* as the seeds begin: no step is that small */
    train(state, "run", rate, eta_rate);
    outcome o = invar(state, "eval", in_scratch(state, "run"), NULL);
    assert_status(&o, 0);
    reports[0] = read_results(state, "run");
    reports[1] = json_loads(o.out, 0, NULL);
    assert_non_null(reports[1]);
    outcome_free(&o);
    for (int i = 0; i < N_RUNS; i++)
        for (int k = 0; k < 2 && has_run(s, &runs[i]); k++) {
            if (!s->posterior) check_training(state, s, &d, &runs[i], seeds[k]);
            if (s->alpha_learned) assert_alpha_moved(state, &d, s, &runs[i], seeds[k]);
            check_metrics(state, s, &d, &runs[i], seeds[k], reports);
        }
    json_decref(reports[0]);
    json_decref(reports[1]);
    data_free(&d);
}

static void learned_filters_of_rotated_images_are_the_oracles(void **state) {
    check_setting(
        state, &(setting){.features = "relu", .transformation = "rotated", .annealing = "cosine"});
}

static void random_features_of_images_as_they_are_are_the_oracles(void **state) {
    check_setting(
        state, &(setting){.features = "rff", .transformation = "regular", .annealing = "cosine"});
}

static void random_features_of_translated_and_scaled_images_are_the_oracles(void **state) {
    check_setting(
        state,
        &(setting){.features = "rff", .transformation = "translated-scaled", .annealing = "none"});
}

static void blurred_filters_are_the_oracles(void **state) {
    check_setting(state, &(setting){.features = "relu",
                                    .transformation = "partially-rotated",
                                    .annealing = "cosine",
                                    .blur = 0.8});
}

static void networks_of_pixels_less_their_mean_are_the_oracles(void **state) {
    check_setting(state, &(setting){.features = "relu",
                                    .transformation = "rotated",
                                    .annealing = "cosine",
                                    .input_mean = 0.375});
}

static void equally_spaced_transformations_are_the_oracles(void **state) {
    check_setting(state, &(setting){.features = "relu",
                                    .transformation = "rotated",
                                    .annealing = "cosine",
                                    .grid = true});
}

static void stratified_transformations_are_the_oracles(void **state) {
    check_setting(state, &(setting){.features = "relu",
                                    .transformation = "rotated",
                                    .annealing = "cosine",
                                    .stratified = true});
}

/* The metrics alone: test_posterior_natural.c has the steps. */
static void metrics_after_natural_gradients_are_the_oracles(void **state) {
    check_setting(state, &(setting){.features = "rff",
                                    .transformation = "rotated",
                                    .annealing = "cosine",
                                    .alpha_learned = true,
                                    .sigma_learned = true,
                                    .posterior = ", posterior: natural, sigma_rate: 1"});
}

static void metrics_after_sampled_logits_are_the_oracles(void **state) {
    check_setting(state, &(setting){.features = "relu",
                                    .transformation = "rotated",
                                    .annealing = "cosine",
                                    .alpha_learned = true,
                                    .posterior = ", samples: logits"});
}

static void learned_filters_of_points_are_the_oracles(void **state) {
    check_setting(state, &(setting){.features = "relu",
                                    .transformation = "regular",
                                    .annealing = "cosine",
                                    .rings = true});
}

static void random_features_of_points_are_the_oracles(void **state) {
    check_setting(state, &(setting){.features = "rff",
                                    .transformation = "regular",
                                    .annealing = "none",
                                    .rings = true});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(learned_filters_of_rotated_images_are_the_oracles),
        SCRATCH_TEST(random_features_of_images_as_they_are_are_the_oracles),
        SCRATCH_TEST(random_features_of_translated_and_scaled_images_are_the_oracles),
        SCRATCH_TEST(blurred_filters_are_the_oracles),
        SCRATCH_TEST(networks_of_pixels_less_their_mean_are_the_oracles),
        SCRATCH_TEST(equally_spaced_transformations_are_the_oracles),
        SCRATCH_TEST(stratified_transformations_are_the_oracles),
        SCRATCH_TEST(metrics_after_natural_gradients_are_the_oracles),
        SCRATCH_TEST(metrics_after_sampled_logits_are_the_oracles),
        SCRATCH_TEST(learned_filters_of_points_are_the_oracles),
        SCRATCH_TEST(random_features_of_points_are_the_oracles),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every metric that a run reports, and that `invar eval` prints, is what the exported model and the
 * images say: recomputed by the oracle from the model file, the split file and the data. */
#include "../kit/process.h"
#include "oracle.h"

#include <float.h>
#include <jansson.h>
#include <math.h>

enum { N_SEEDS = 2, N_METHODS = 3 };
static const char *const methods[N_METHODS] = {"WT", "DA", "IR"};

/* One small training. */
typedef struct {
    const char *dataset, *drift; /* drift NULL for none */
    int n_images;                /* of a built-in set; 0 for a published one */
    const char *group_text;
    oracle_group group;
    int hidden, layers, n_train, n_test, jacobian_samples;
} setting;

static void write_spec(const setting *s, const char *path) {
    char text[2048], images[32] = "";
    if (s->n_images) snprintf(images, sizeof images, "images: %d, ", s->n_images);
    snprintf(text, sizeof text,
             "study: regularization\n"
             "name: oracle\n"
             "seeds: [3, 14]\n"
             "dataset: {name: %s, %strain: %d, validation: 0, test: %d}\n"
             "group: {kind: %s}\n"
             "model: {hidden: %d, layers: %d}\n"
             "training: {batch: 64, epochs: 3, learning_rate: 0.003}\n"
             "runs:\n"
             "  - {name: WT, method: weight-tying}\n"
             "  - {name: DA, method: augmentation}\n"
             "  - {name: IR, method: regularization, nu: 0.5}\n"
             "metrics:\n"
             "  names: [accuracy, li, di, si, sigma_max_jacobian, jacobian_spectrum, sigma_max]\n"
             "  every_epochs: 3\n"
             "  jacobian_samples: %d\n"
             "  drift: [%s]\n",
             s->dataset, images, s->n_train, s->n_test, s->group_text, s->hidden, s->layers,
             s->jacobian_samples, s->drift ? s->drift : "");
    spill(path, text);
}

/* ------------------------------------------------------------------ comparing */

static const json_t *metrics_of(const json_t *results, const char *run, int seed) {
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(results, "runs"), i, entry) {
        if (strcmp(json_string_value(json_object_get(entry, "name")), run) != 0 ||
            json_integer_value(json_object_get(entry, "seed")) != seed)
            continue;
        assert_string_equal(json_string_value(json_object_get(entry, "status")), "done");
        return json_object_get(entry, "metrics");
    }
    fail_msg("there are no results of %s seed %d", run, seed);
    return NULL;
}

static void close_to(const char *what, const json_t *found, double expected, double tolerance) {
    if (!json_is_number(found)) fail_msg("%s is missing", what);
    const double value = json_number_value(found);
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%s: %.9g, the oracle says %.9g, tolerance %.2g", what, value, expected,
                 tolerance);
}

static double larger(double a, double b) {
    return a > b ? a : b;
}

/* The metrics under `prefix` against the oracle's. The relative tolerance is 1e-4. Single precision
 * sums n <= 900 products in each of at most five layers: by the usual random-walk estimate a logit
 * is off by a few sqrt(n) FLT_EPSILON = 4e-6 of the largest, and a ReLU whose argument is that near
 * to zero changes a gradient by a hundredth in less than one image of a thousand. Absolute floors:
 *   accuracy, SI  classifications nearer to a tie than rounding count for nothing
 *   LI            exact zeros (WT) become 0.5 C (2 u)^2 for logits off by u = 4e-6 of the largest
 *   DI            each p (log p - log q) is rounded to FLT_EPSILON |log p|, |log p| <= 2 max + log
 * C spectrum      the smallest singular values feel rounding of the matrix: sqrt(D) eps sigma_max
 */
static void compare(const char *label, const json_t *found, const char *prefix,
                    const oracle_metrics *expected, const oracle_metrics *on_first) {
    static const double relative = 1e-4;
    const double u = 4e-6 * expected->largest_logit;
    const struct {
        const char *name;
        double value, floor;
    } scalars[] = {
        {"accuracy", expected->accuracy, expected->undecided_accuracy + 1e-9},
        {"li", expected->li, 0.5 * ORACLE_CLASSES * 4 * u * u},
        {"di", expected->di, FLT_EPSILON * (2 * expected->largest_logit + log(ORACLE_CLASSES))},
        {"si", expected->si, 2 * expected->undecided_si + relative},
        {"sigma_max_jacobian", on_first->jacobian_spectrum[0], 0},
    };
    char what[160], key[64];
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        snprintf(key, sizeof key, "%s%s", prefix, scalars[i].name);
        snprintf(what, sizeof what, "%s: %s", label, key);
        close_to(what, json_object_get(found, key), scalars[i].value,
                 larger(relative * fabs(scalars[i].value), scalars[i].floor));
    }
    snprintf(key, sizeof key, "%sjacobian_spectrum", prefix);
    const json_t *spectrum = json_object_get(found, key);
    assert_int_equal(json_array_size(spectrum), ORACLE_CLASSES);
    const double floor = sqrt(900) * FLT_EPSILON * on_first->jacobian_spectrum[0];
    for (size_t c = 0; c < ORACLE_CLASSES; c++) {
        const double value = on_first->jacobian_spectrum[c];
        snprintf(what, sizeof what, "%s: %s[%zu]", label, key, c);
        close_to(what, json_array_get(spectrum, c), value, larger(relative * value, floor));
    }
}

static void compare_weight_norms(const char *label, const json_t *found,
                                 const oracle_network *network) {
    double sigma_max[ORACLE_LAYERS];
    oracle_weight_norms(network, sigma_max);
    for (int l = 0; l < network->n_layers; l++) {
        char key[32], what[160];
        snprintf(key, sizeof key, "sigma_max.%d", l);
        snprintf(what, sizeof what, "%s: %s", label, key);
        close_to(what, json_object_get(found, key), sigma_max[l], 1e-4 * sigma_max[l]);
    }
}

/* ------------------------------------------------------------------ a run */

static iv_dataset load_images(const char *name, size_t n_images) {
    iv_error error = {0};
    iv_dataset data;
    char directory[4096];
    assert_ok(&error, iv_data_directory(NULL, directory, sizeof directory, &error));
    assert_ok(&error, iv_dataset_load(directory, name, n_images, &data, &error));
    return data;
}

/* The seed's split of the pooled images; checked to be a permutation. free() it. */
static int32_t *read_split(void **state, int seed, size_t n_pool) {
    char name[64];
    snprintf(name, sizeof name, "run/splits/seed%d.npy", seed);
    iv_error error = {0};
    iv_array array;
    assert_ok(&error, iv_npy_read(in_scratch(state, name), &array, &error));
    assert_int_equal(array.type, IV_ARRAY_INT32);
    assert_int_equal(array.rank, 1);
    assert_int_equal(array.shape[0], n_pool);
    int32_t *rows = array.data;
    bool *seen = calloc(n_pool, sizeof *seen);
    for (size_t i = 0; i < n_pool; i++) {
        assert_in_range(rows[i], 0, n_pool - 1);
        assert_false(seen[rows[i]]);
        seen[rows[i]] = true;
    }
    free(seen);
    return rows;
}

static void measure(const setting *s, const oracle_network *network, const iv_dataset *data,
                    const int32_t *rows, oracle_metrics *all, oracle_metrics *on_first) {
    oracle_measure(network, data, rows, (size_t)s->n_test, all);
    *on_first = *all;
    if (s->jacobian_samples)
        oracle_measure(network, data, rows, (size_t)s->jacobian_samples, on_first);
}

static void check_seed(void **state, const setting *s, int seed, const iv_dataset *images,
                       const iv_dataset *drift, const json_t *const reports[2]) {
    int32_t *rows = read_split(state, seed, images->n_images);
    for (int i = 0; i < N_METHODS; i++) {
        char path[128], label[64], prefix[64];
        snprintf(path, sizeof path, "run/models/%s-seed%d.safetensors", methods[i], seed);
        snprintf(label, sizeof label, "%s seed %d", methods[i], seed);
        snprintf(prefix, sizeof prefix, "drift.%s.", s->drift ? s->drift : "");
        oracle_network network;
        oracle_network_load(in_scratch(state, path), i == 0, s->group, &network);
        assert_int_equal(network.n_layers, s->layers);
        assert_int_equal(network.widths[1], s->hidden);

        oracle_metrics on_test, on_test_first, on_drift, on_drift_first;
        measure(s, &network, images, rows + s->n_train, &on_test, &on_test_first);
        /* Of a built-in drift set, as many images as there are test images are made; of a published
         * one, the first of the same permutation of as many images are taken. */
        if (s->drift)
            measure(s, &network, drift, s->n_images ? NULL : rows, &on_drift, &on_drift_first);
        for (int k = 0; k < 2; k++) {
            const json_t *found = metrics_of(reports[k], methods[i], seed);
            compare(label, found, "", &on_test, &on_test_first);
            compare_weight_norms(label, found, &network);
            if (s->drift) compare(label, found, prefix, &on_drift, &on_drift_first);
        }
        oracle_network_free(&network);
    }
    free(rows);
}

static void check(void **state, const setting *s) {
    const char *spec = in_scratch(state, "spec.yaml"), *run = in_scratch(state, "run");
    write_spec(s, spec);
    invar_succeeds(state, ARGUMENTS("run", spec, "--out", run, "--quiet"));
    json_t *written = json_load_file(in_scratch(state, "run/results.json"), 0, NULL);
    assert_non_null(written);
    outcome o = invar(state, "eval", run, NULL);
    assert_status(&o, 0);
    json_t *printed = json_loads(o.out, 0, NULL);
    assert_non_null(printed);
    outcome_free(&o);

    iv_dataset images = load_images(s->dataset, (size_t)s->n_images), drift = {0};
    if (s->drift) drift = load_images(s->drift, s->n_images ? (size_t)s->n_test : 0);
    check_seed(state, s, 3, &images, &drift, (const json_t *const[]){written, printed});
    check_seed(state, s, 14, &images, &drift, (const json_t *const[]){written, printed});
    iv_dataset_clear(&images);
    iv_dataset_clear(&drift);
    json_decref(written);
    json_decref(printed);
}

static void metrics_under_quarter_turns_and_drift_to_noise_are_the_oracles(void **state) {
    check(state, &(setting){.dataset = "digits",
                            .drift = "noise",
                            .n_images = 1000,
                            .group_text = "rotation, order: 4",
                            .group = oracle_rotation(4),
                            .hidden = 64,
                            .layers = 5,
                            .n_train = 512,
                            .n_test = 100});
}

/* 41 images fill no batch, and only some of them have their Jacobian taken. */
static void metrics_under_half_turns_are_the_oracles(void **state) {
    check(state, &(setting){.dataset = "digits",
                            .n_images = 600,
                            .group_text = "rotation, order: 2",
                            .group = oracle_rotation(2),
                            .hidden = 40,
                            .layers = 3,
                            .n_train = 512,
                            .n_test = 41,
                            .jacobian_samples = 17});
}

static void check_shift(void **state, const char *axes) {
    char text[64];
    snprintf(text, sizeof text, "shift, order: 3, axes: %s", axes);
    check(state, &(setting){.dataset = "digits",
                            .n_images = 600,
                            .group_text = text,
                            .group = oracle_shift(3, axes),
                            .hidden = 32,
                            .layers = 3,
                            .n_train = 512,
                            .n_test = 40});
}

static void metrics_under_shifts_to_the_side_are_the_oracles(void **state) {
    check_shift(state, "x");
}

static void metrics_under_shifts_down_are_the_oracles(void **state) {
    check_shift(state, "y");
}

static void metrics_under_shifts_along_both_axes_are_the_oracles(void **state) {
    check_shift(state, "xy");
}

static void metrics_on_mnist_and_drift_to_fashion_mnist_are_the_oracles(void **state) {
    const char *directory = getenv("INVAR_DATA_DIR");
    if (!directory || !*directory) SKIP_BECAUSE("INVAR_DATA_DIR is not set");
    check(state, &(setting){.dataset = "mnist",
                            .drift = "fashion-mnist",
                            .group_text = "rotation, order: 4",
                            .group = oracle_rotation(4),
                            .hidden = 64,
                            .layers = 5,
                            .n_train = 1024,
                            .n_test = 120});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(metrics_under_quarter_turns_and_drift_to_noise_are_the_oracles),
        SCRATCH_TEST(metrics_under_half_turns_are_the_oracles),
        SCRATCH_TEST(metrics_under_shifts_to_the_side_are_the_oracles),
        SCRATCH_TEST(metrics_under_shifts_down_are_the_oracles),
        SCRATCH_TEST(metrics_under_shifts_along_both_axes_are_the_oracles),
        SCRATCH_TEST(metrics_on_mnist_and_drift_to_fashion_mnist_are_the_oracles),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

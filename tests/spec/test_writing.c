/* Resolved specs: defaults, writing, reading again. */
#include "support.h"

#include "../kit/files.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static void expect_round_trip(iv_spec *spec) {
    char *first = written(spec);
    iv_spec *again = parse_good(first, NULL);
    char *second = written(again);
    assert_string_equal(first, second);
    iv_spec_destroy(again);
    iv_spec_destroy(spec);
    free(first);
    free(second);
}

static void a_small_spec_is_written_with_every_default(void **state) {
    (void)state;
    iv_spec *spec = parse_good(SMALL "seeds: 2\n", NULL);
    char *text = written(spec);
    assert_string_equal(text, "study: regularization\n"
                              "name: small\n"
                              "seeds: [0, 1]\n"
                              "dataset:\n"
                              "  name: digits\n"
                              "  images: 70000\n"
                              "  train: 20000\n"
                              "  validation: 5000\n"
                              "  test: 10000\n"
                              "group:\n"
                              "  kind: rotation\n"
                              "  order: 4\n"
                              "  axes: x\n"
                              "model:\n"
                              "  kind: perceptron\n"
                              "  hidden: 128\n"
                              "  layers: 5\n"
                              "training:\n"
                              "  optimizer: adam\n"
                              "  learning_rate: 0.0008\n"
                              "  batch: 512\n"
                              "  epochs: 300\n"
                              "  beta1: 0.9\n"
                              "  beta2: 0.999\n"
                              "  epsilon: 1.0e-08\n"
                              "  population: 0\n"
                              "  checkpoint_seconds: 60\n"
                              "runs:\n"
                              "- name: DA\n"
                              "  method: augmentation\n"
                              "  nu: 0\n"
                              "metrics:\n"
                              "  names: [accuracy, li, di, si]\n"
                              "  every_epochs: 10\n"
                              "  jacobian_samples: 0\n"
                              "  drift: []\n"
                              "figures:\n"
                              "  names: []\n"
                              "  saliency_images: 4\n"
                              "published: []\n");
    free(text);
    expect_round_trip(spec);
}

static void everything_optional_survives_the_round_trip(void **state) {
    (void)state;
    expect_round_trip(
        parse_good(HEAD "runs:\n"
                        "  - name: '3'\n"
                        "    method: regularization\n"
                        "    learning_rate: 1e-30\n"
                        "    sweep: {nu: [0.1, 0.30000000000000004, 1e5]}\n"
                        "    select: {at_least: -0.5}\n"
                        "sweep: {model: {hidden: [64, 32]}, training.beta1: [0.5]}\n"
                        "published:\n"
                        "  - {row: \"on: \\u00e9 \\\"x\\\" \\n # [\", run: '3', metric: li, mean: "
                        "1.7976931348623157e308}\n"
                        "  - {row: 'null', run: '3', metric: li, mean: 4.9e-324, std: 0.1}\n",
                   NULL));
}

static void numbers_read_back_to_the_last_bit(void **state) {
    (void)state;
    char text[512];
    snprintf(text, sizeof text, SMALL "training: {learning_rate: %.17g}\n", 1.0 / 3);
    iv_spec *spec = parse_good(text, NULL);
    char *out = written(spec);
    iv_spec *again = parse_good(out, NULL);
    assert_true(iv_spec_number(iv_spec_root(again), "training.learning_rate") == 1.0 / 3);
    iv_spec_destroy(again);
    iv_spec_destroy(spec);
    free(out);
}

static void a_run_as_json_holds_its_values(void **state) {
    (void)state;
    iv_error error = {0};
    iv_spec_expansion expansion;
    char *text;
    iv_spec *spec = parse_good(SMALL "training: {learning_rate: 0.1}\n", NULL);
    assert_ok(&error, iv_spec_expand(spec, &expansion, &error));
    assert_ok(&error, iv_spec_json(expansion.runs[0].config, &text, &error));
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    const char *method;
    double rate;
    int seed, batch;
    assert_int_equal(json_unpack(json, "{s:{s:s}, s:{s:F, s:i}, s:[i]}", "run", "method", &method,
                                 "training", "learning_rate", &rate, "batch", &batch, "seeds",
                                 &seed),
                     0);
    assert_string_equal(method, "augmentation");
    assert_true(rate == 0.1);
    assert_int_equal(batch, 512);
    json_decref(json);
    free(text);
    iv_spec_expansion_release(&expansion);
    iv_spec_destroy(spec);
}

static void a_full_disk_is_reported(void **state) {
    (void)state;
    iv_error error = {0};
    FILE *full = fopen("/dev/full", "w");
    if (!full) SKIP_BECAUSE("there is no /dev/full");
    iv_spec *spec = parse_good(SMALL, NULL);
    assert_int_equal(iv_spec_write(spec, full, &error), IV_EFAILED);
    assert_true(error.message[0] != '\0');
    iv_spec_destroy(spec);
    fclose(full);
}

static void check_config(const char *path) {
    iv_error error = {0};
    iv_spec *spec;
    assert_ok(&error, iv_spec_load(path, NULL, 0, iv_study_schema, &spec, &error));
    expect_round_trip(spec);
    assert_ok(&error, iv_spec_load(path, NULL, 0, iv_study_schema, &spec, &error));
    const iv_node *root = iv_spec_root(spec);

    size_t n_bytes;
    char *text = slurp(path, &n_bytes);
    assert_int_equal(text[0], '#'); /* says first what it reproduces */
    free(text);

    /* published means full size, quick means smaller */
    bool full = !strstr(path, "/quick/") && !strstr(path, "quickstart");
    if (strcmp(iv_spec_string(root, "study"), "regularization") == 0) {
        assert_int_equal(iv_spec_integer(root, "training.epochs") == 300, full);
        assert_int_equal(iv_spec_integer(root, "dataset.train") == 20000, full);
        assert_int_equal(iv_spec_length(root, "seeds") == 5, full);
        assert_int_equal(iv_spec_integer(root, "training.batch"), 512);
        assert_true(iv_spec_number(root, "training.learning_rate") == 0.0008);
    }
    if (strcmp(iv_spec_string(root, "study"), "autoencoder") == 0) {
        assert_int_equal(iv_spec_integer(root, "dataset.train") == 60000, full);
        assert_int_equal(iv_spec_integer(root, "dataset.test"), 10000);
        assert_int_equal(iv_spec_length(root, "seeds") == 5, full);
        assert_int_equal(iv_spec_integer(root, "training.batch"), 128);
        assert_int_equal(iv_spec_integer(root, "model.width"), 8);
        assert_string_equal(iv_spec_string(root, "training.optimizer"), "sgd");
    }
    if (strcmp(iv_spec_string(root, "study"), "marginal-likelihood") == 0) {
        bool images = strcmp(iv_spec_string(root, "dataset.name"), "rings") != 0;
        int64_t all = strcmp(iv_spec_string(root, "dataset.name"), "cifar10") == 0 ? 50000 : 60000;
        /* trained as the paper trains; natural gradients have batches, rates and numbers of
         * transformations of their own */
        const bool adam = strcmp(iv_spec_string(root, "training.posterior"), "adam") == 0;
        if (images) {
            assert_true(!full || iv_spec_integer(root, "dataset.train") == all);
            assert_true(!full || iv_spec_integer(root, "dataset.test") == 10000);
            assert_true(!adam || iv_spec_integer(root, "training.batch") == 128);
        }
        assert_int_equal(iv_spec_integer(root, "model.hidden") == 1024, full);
        assert_true(!adam || (iv_spec_integer(root, "model.samples") == 32) == full);
        assert_true(!full || !adam || iv_spec_number(root, "training.learning_rate") == 0.001);
        assert_true(!full || !adam || iv_spec_number(root, "training.eta_learning_rate") == 0);
    }
    iv_spec_destroy(spec);
}

static void all_shipped_configs_load_and_round_trip(void **state) {
    (void)state;
    assert_true(for_each_config(check_config) >= 57);
}

static void the_documentation_tells_every_key_and_metric_of_a_study(void **state) {
    (void)state;
    const iv_schema *schema;
    for (size_t i = 0; (schema = iv_study_schema(i)); i++) {
        char *text = NULL, line[160];
        size_t n_bytes;
        FILE *stream = open_memstream(&text, &n_bytes);
        assert_non_null(stream);
        iv_schema_describe(schema, false, stream);
        fclose(stream);
        for (size_t k = 0; k < schema->n_keys; k++) {
            const iv_key *key = &schema->keys[k];
            if (strcmp(key->path + strlen(key->path) - 2, "[]") == 0) continue;
            bool star = key->flags & IV_KEY_SWEEPABLE;
            snprintf(line, sizeof line, "\n%s%s\n    ", key->path, star ? " *" : "");
            assert_non_null(strstr(text, line));
            assert_non_null(strstr(text, key->doc));
        }
        for (size_t m = 0; schema->metric(m); m++) {
            snprintf(line, sizeof line, "\n%s\n    ", schema->metric(m)->name);
            assert_non_null(strstr(text, line));
        }
        free(text);
    }
}

static void the_documentation_tells_defaults_ranges_and_conditions(void **state) {
    (void)state;
    char *text = NULL;
    size_t n_bytes;
    FILE *stream = open_memstream(&text, &n_bytes);
    assert_non_null(stream);
    iv_schema_describe(iv_schema_find(iv_study_schema, "marginal-likelihood"), false, stream);
    fclose(stream);
    assert_non_null(strstr(text, "integer in [1, 1000000]; default 100; only for method sgpr\n"));
    assert_non_null(strstr(text, "default 32; only for method network, not for invariance none\n"));
    assert_non_null(
        strstr(text, "mnist, fashion-mnist, cifar10, digits, rings, or a name of your own "));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_spec_is_written_with_every_default),
        cmocka_unit_test(everything_optional_survives_the_round_trip),
        cmocka_unit_test(numbers_read_back_to_the_last_bit),
        cmocka_unit_test(a_run_as_json_holds_its_values),
        cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test(all_shipped_configs_load_and_round_trip),
        cmocka_unit_test(the_documentation_tells_every_key_and_metric_of_a_study),
        cmocka_unit_test(the_documentation_tells_defaults_ranges_and_conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

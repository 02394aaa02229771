/* A study that a program brings along: its metrics are those of its model files, computed again in
 * double precision. */
#include "autoencoder_oracle.h"
#include "members.h"

#include "../kit/process.h"

#include <invar/data.h>

#include <math.h>

enum { D = 6, N_TRAIN = 640, N_TEST = 200 };

#define SPEC                                                                                       \
    "study: fourier\n"                                                                             \
    "name: small\n"                                                                                \
    "seeds: [5, 6]\n"                                                                              \
    "dataset: {dimensions: 6, train: 640, test: 200}\n"                                            \
    "training: {batch: 32, epochs: 10}\n"                                                          \
    "runs: [{name: narrow, hidden: 8}, {name: wide, hidden: 32}]\n"                                \
    "figures: {names: [training]}\n"                                                               \
    "sweep: {training.learning_rate: [0.02, 0.05]}\n"

/* y [n] = w [n, m] x + b */
static void linear(const float *w, const float *b, size_t n, size_t m, const double *x, double *y) {
    for (size_t i = 0; i < n; i++) {
        y[i] = (double)b[i];
        for (size_t k = 0; k < m; k++) y[i] += (double)w[i * m + k] * x[k];
    }
}

static const float *tensor(const iv_safetensors *file, const char *name) {
    const iv_tensor_entry *entry = iv_safetensors_find(file, name);
    assert_non_null(entry);
    return entry->data;
}

/* Mean squared errors of moduli and phases of a model file on the test signals of its seed. */
static void errors_of(const char *path, uint32_t seed, double errors[2]) {
    iv_error error = {0};
    iv_safetensors *file;
    assert_int_equal(iv_safetensors_open(path, &file, &error), IV_OK);
    assert_int_equal(iv_safetensors_count(file), 4);
    const size_t hidden = iv_safetensors_find(file, "hidden.bias")->shape[0];
    double *h = calloc(hidden, sizeof *h);
    errors[0] = errors[1] = 0;
    for (uint32_t i = N_TRAIN; i < N_TRAIN + N_TEST; i++) {
        double x[D], code[2 * D], y[2 * D];
        oracle_signal(seed, i, D, x);
        oracle_known_code(ORACLE_MODULUS_PHASE, D, x, code);
        linear(tensor(file, "hidden.weight"), tensor(file, "hidden.bias"), hidden, D, x, h);
        for (size_t k = 0; k < hidden; k++) h[k] = fmax(h[k], 0);
        linear(tensor(file, "output.weight"), tensor(file, "output.bias"), 2 * D, hidden, h, y);
        for (size_t k = 0; k < 2 * D; k++)
            errors[k / D] += (y[k] - code[k]) * (y[k] - code[k]) / (N_TEST * D);
    }
    free(h);
    iv_safetensors_close(file);
}

/* Sums of 200 squares in single precision: at most 200 half units in the last place, 200 2^-24. */
static void assert_close(double found, double expected) {
    if (!(fabs(found - expected) <= 1.2e-5 * expected))
        fail_msg("%.9g, expected %.9g", found, expected);
}

static void metrics_are_those_of_the_models(void **state) {
    run_spec(state, SPEC, "run", NULL);
    json_t *results = read_results(state, "run"), *run;
    size_t i;
    json_array_foreach(json_object_get(results, "runs"), i, run) {
        const char *name = json_string_value(json_object_get(run, "name"));
        const int seed = (int)json_integer_value(json_object_get(run, "seed"));
        char path[256];
        double errors[2];
        snprintf(path, sizeof path, "run/%s", json_string_value(json_object_get(run, "model")));
        errors_of(in_scratch(state, path), (uint32_t)seed, errors);
        assert_close(metric_of(results, name, seed, "mse_modulus"), errors[0]);
        assert_close(metric_of(results, name, seed, "mse_phase"), errors[1]);
        assert_close(metric_of(results, name, seed, "mse"), (errors[0] + errors[1]) / 2);
    }
    assert_int_equal(i, 8);
    json_decref(results);
}

static void training_learns(void **state) {
    run_spec(state, SPEC, "run", NULL);
    char *lines = log_of(state, "run", "wide-learning_rate0.05", 6), *last = lines;
    for (char *line = lines; line; line = strstr(line + 1, "\n{")) last = line;
    json_t *first = json_loads(lines, JSON_DISABLE_EOF_CHECK, NULL);
    json_t *end = json_loads(last + (*last == '\n'), JSON_DISABLE_EOF_CHECK, NULL);
    assert_int_equal(json_integer_value(json_object_get(first, "step")), 0);
    assert_int_equal(json_integer_value(json_object_get(end, "step")), 10 * (N_TRAIN / 32));
    assert_true(json_number_value(json_object_get(end, "mse")) <
                0.5 * json_number_value(json_object_get(first, "mse")));
    json_decref(first);
    json_decref(end);
    free(lines);
}

/* Rows of its tables and names of its figures are what the spec sweeps, though it names neither. */
static void rows_are_what_the_spec_sweeps(void **state) {
    run_spec(state, SPEC, "run", NULL);
    json_t *results = read_results(state, "run");
    json_t *cells = json_object_get(results, "cells"), *claims = json_object_get(results, "claims");
    assert_int_equal(json_array_size(cells), 2 * 2 * 3); /* rows, columns, metrics */
    assert_int_equal(json_array_size(claims), 4);
    const json_t *first = json_array_get(cells, 0);
    assert_string_equal(json_string_value(json_object_get(first, "row")), "learning_rate0.02");
    assert_string_equal(json_string_value(json_object_get(first, "column")), "narrow");
    assert_true(exists(in_scratch(state, "run/figures/training-learning-rate0.02.csv")));
    assert_true(exists(in_scratch(state, "run/figures/training-learning-rate0.05.csv")));
    json_decref(results);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(metrics_are_those_of_the_models),
        SCRATCH_TEST(training_learns),
        SCRATCH_TEST(rows_are_what_the_spec_sweeps),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

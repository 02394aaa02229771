/* Every error that the autoencoder study reports, and that `invar eval` prints, is what the
 * exported model and the seed's signals say: recomputed by the oracle. */
#include "autoencoder_oracle.h"
#include "members.h"

#include "../kit/process.h"

#include <math.h>

enum { N_TRAIN = 320, N_TEST = 300, BATCH_WHILE_MEASURING = 256, DEPTH = 2, WIDTH = 3, LIFT = 3 };

#define HEAD(rest)                                                                                 \
    "study: autoencoder\n"                                                                         \
    "name: oracle\n"                                                                               \
    "seeds: [3, 14]\n"                                                                             \
    "dataset: {train: 320, test: 300}\n"                                                           \
    "training: {batch: 32, epochs: 2, learning_rate: 0.05}\n"                                      \
    "metrics: {every_epochs: 2}\n" rest

/* One run of a spec, whose depth is DEPTH. */
typedef struct {
    const char *name;
    oracle_layer layer;
    int lift; /* columns for each dimension; 0 none */
    bool encoder, decoder;
} run_kind;

static const char *const code_names[] = {
    "modulus-phase", "modulus-sine-cosine", "shift", "two-part-shift", "cycle", "shift-scale"};

/* ------------------------------------------------------------------ comparing */

/* Single precision against double: each of at most four linear maps sums n <= 150 products, off by
 * a few sqrt(n) FLT_EPSILON = 1.5e-6 of its size; phases and normalised columns multiply that by
 * one over a modulus, which is below 0.1 in about one of a hundred. Rounding has either sign, so of
 * a mean over more than a thousand squares about a thirtieth of a few 1e-6 remains; 1e-5 leaves
 * room for exponentials and square roots that are only as exact as OpenCL asks for. */
static const double relative = 1e-5;

static void close_to(const char *label, const json_t *metrics, const char *name, double expected) {
    const json_t *found = json_object_get(metrics, name);
    if (isnan(expected)) {
        if (found) fail_msg("%s: %s of what was not trained", label, name);
        return;
    }
    if (!json_is_number(found)) fail_msg("%s: %s is missing", label, name);
    const double value = json_number_value(found);
    if (!(fabs(value - expected) <= relative * fabs(expected)))
        fail_msg("%s: %s is %.9g, the oracle says %.9g", label, name, value, expected);
}

static void compare_known(const char *label, const json_t *metrics, const oracle_task *task,
                          const oracle_errors *e) {
    const bool phase = task->code == ORACLE_MODULUS_PHASE;
    close_to(label, metrics, "mse_reconstruction", e->mse_reconstruction);
    close_to(label, metrics, "mse_code", e->mse_code);
    close_to(label, metrics, "mse_modulus", e->mse_parts[0]);
    close_to(label, metrics, "mse_phase", phase ? e->mse_parts[1] : NAN);
    close_to(label, metrics, "mse_sine", phase ? NAN : e->mse_parts[1]);
    close_to(label, metrics, "mse_cosine", phase ? NAN : e->mse_parts[2]);
    close_to(label, metrics, "loss_invariance", NAN);
    close_to(label, metrics, "mse_distance", NAN);
}

static void compare_pairs(const char *label, const json_t *metrics, const oracle_errors *e) {
    close_to(label, metrics, "mse_reconstruction", e->mse_reconstruction);
    close_to(label, metrics, "loss_invariance", e->loss_invariance);
    close_to(label, metrics, "mse_distance", e->mse_distance);
    close_to(label, metrics, "distance_same", e->distance_same);
    close_to(label, metrics, "distance_unrelated", e->distance_unrelated);
    close_to(label, metrics, "mse_code", NAN);
    close_to(label, metrics, "mse_modulus", NAN);
}

/* What training minimises; lambda as in the spec, 8 unless set. */
static double loss_of(const run_kind *kind, bool known, double lambda, const oracle_errors *e) {
    if (!kind->decoder) return e->mse_code;
    if (!kind->encoder) return e->mse_reconstruction;
    return e->mse_reconstruction + lambda * (known ? e->mse_code : e->loss_invariance);
}

/* ------------------------------------------------------------------ a run */

/* Widths as the study documents them; what the oracle's reader finds only has to fit together. */
static void check_shape(const oracle_half *half, const run_kind *kind, int d, int n_in, int n_out) {
    const int lifts = kind->lift > 0;
    int columns = n_in;
    assert_int_equal(half->n_maps, lifts + DEPTH + 1);
    assert_int_equal(half->n_in[0], n_in);
    assert_int_equal(half->n_out[half->n_maps - 1], n_out);
    if (lifts) {
        columns = kind->lift * d;
        assert_int_equal(half->n_out[0], columns);
    }
    for (int i = lifts; i < lifts + DEPTH; i++) {
        const int even = columns + columns % 2;
        assert_int_equal(half->n_out[i], kind->layer == ORACLE_RICH ? even : WIDTH * d);
        columns += 2 * even;
    }
}

static void check_member(void **state, const run_kind *kind, const oracle_task *on_test,
                         int code_columns, double lambda, json_t *const reports[2]) {
    const bool known = on_test->code <= ORACLE_MODULUS_SINE_COSINE;
    const int d = on_test->d, seed = (int)on_test->seed;
    char name[128], label[160], path[256];
    oracle_half encoder, decoder;
    oracle_errors test, training;
    snprintf(name, sizeof name, "%s-dimensions%d-%s", kind->name, d, code_names[on_test->code]);
    snprintf(label, sizeof label, "%s seed %d", name, seed);
    snprintf(path, sizeof path, "run/models/%s-seed%d.safetensors", name, seed);
    const char *file = in_scratch(state, path);
    assert_int_equal(oracle_half_load(file, "encoder", kind->layer, kind->lift > 0, &encoder),
                     kind->encoder);
    assert_int_equal(oracle_half_load(file, "decoder", kind->layer, kind->lift > 0, &decoder),
                     kind->decoder);
    if (kind->encoder) check_shape(&encoder, kind, d, d, code_columns);
    if (kind->decoder) check_shape(&decoder, kind, d, code_columns, d);

    oracle_task on_training = *on_test;
    on_training.first = 0;
    void (*measure)(const oracle_task *, const oracle_half *, const oracle_half *,
                    oracle_errors *) = known ? oracle_known_errors : oracle_pair_errors;
    measure(on_test, kind->encoder ? &encoder : NULL, kind->decoder ? &decoder : NULL, &test);
    measure(&on_training, kind->encoder ? &encoder : NULL, kind->decoder ? &decoder : NULL,
            &training);
    for (int k = 0; k < 2; k++) {
        const json_t *run = find_run(reports[k], name, seed);
        const json_t *metrics = json_object_get(run, "metrics");
        assert_string_equal(json_string_value(json_object_get(run, "status")), "done");
        if (known) compare_known(label, metrics, on_test, &test);
        if (!known) compare_pairs(label, metrics, &test);
        close_to(label, metrics, "training_loss", loss_of(kind, known, lambda, &training));
    }
    oracle_half_free(&encoder);
    oracle_half_free(&decoder);
}

/* Run the spec, evaluate what it left: results as written and as printed. */
static void train_and_evaluate(void **state, const char *spec, json_t *reports[2]) {
    const char *run = in_scratch(state, "run");
    spill(in_scratch(state, "spec.yaml"), spec);
    invar_succeeds(state,
                   ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--out", run, "--quiet"));
    outcome o = invar(state, "eval", run, NULL);
    assert_status(&o, 0);
    reports[0] = read_results(state, "run");
    reports[1] = json_loads(o.out, 0, NULL);
    assert_non_null(reports[1]);
    outcome_free(&o);
}

static const int seeds[] = {3, 14};

static void known_codes_errors_are_the_oracles(void **state) {
    static const run_kind kinds[] = {
        {"selu", ORACLE_SELU, 0, true, true},
        {"relu", ORACLE_RELU, 0, true, true},
        {"sigmoid", ORACLE_SIGMOID, 0, true, true},
        {"bipolar", ORACLE_BIPOLAR_SIGMOID, 0, true, true},
        {"rich", ORACLE_RICH, 0, true, true},
        {"lifted", ORACLE_RICH, LIFT, true, true},
        {"encoder", ORACLE_SELU, 0, true, false},
        {"decoder", ORACLE_RICH, 0, false, true},
    };
    json_t *reports[2];
    train_and_evaluate(
        state,
        HEAD("model: {width: 3}\n"
             "sweep:\n"
             "  dataset.dimensions: [4, 5]\n"
             "  task.code: [modulus-phase, modulus-sine-cosine]\n"
             "runs:\n"
             "  - {name: selu, layer: selu, depth: 2}\n"
             "  - {name: relu, layer: relu, depth: 2}\n"
             "  - {name: sigmoid, layer: sigmoid, depth: 2}\n"
             "  - {name: bipolar, layer: bipolar-sigmoid, depth: 2}\n"
             "  - {name: rich, layer: rich, depth: 2, learning_rate: 0.01}\n"
             "  - {name: lifted, layer: rich, depth: 2, lift: 3, learning_rate: 0.01}\n"
             "  - {name: encoder, layer: selu, depth: 2, part: encoder}\n"
             "  - {name: decoder, layer: rich, depth: 2, part: decoder, learning_rate: 0.01}\n"),
        reports);
    for (int d = 4; d <= 5; d++)
        for (int code = ORACLE_MODULUS_PHASE; code <= ORACLE_MODULUS_SINE_COSINE; code++)
            for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
                for (int s = 0; s < 2; s++) {
                    const oracle_task task = {.code = (oracle_code)code,
                                              .d = d,
                                              .seed = (uint32_t)seeds[s],
                                              .first = N_TRAIN,
                                              .n = N_TEST};
                    const int columns = d * (code == ORACLE_MODULUS_PHASE ? 2 : 3);
                    check_member(state, &kinds[i], &task, columns, 8, reports);
                }
    json_decref(reports[0]);
    json_decref(reports[1]);
}

static void pairs_errors_are_the_oracles(void **state) {
    enum { INVARIANT = 2, VARIANT = 1 };
    static const run_kind kinds[] = {
        {"selu", ORACLE_SELU, 0, true, true},
        {"rich", ORACLE_RICH, 0, true, true},
    };
    json_t *reports[2];
    train_and_evaluate(state,
                       HEAD("model: {width: 3, invariant: 2, variant: 1}\n"
                            "task: {lambda: 0.5, delta: 0.3, alpha: 0.7}\n"
                            "sweep:\n"
                            "  dataset.dimensions: [4, 5]\n"
                            "  task.code: [shift, two-part-shift, cycle, shift-scale]\n"
                            "runs:\n"
                            "  - {name: selu, layer: selu, depth: 2}\n"
                            "  - {name: rich, layer: rich, depth: 2, learning_rate: 0.01}\n"),
                       reports);
    for (int d = 4; d <= 5; d++)
        for (int code = ORACLE_SHIFT; code <= ORACLE_SHIFT_SCALE; code++)
            for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
                for (int s = 0; s < 2; s++) {
                    const oracle_task task = {.code = (oracle_code)code,
                                              .d = d,
                                              .n_invariant = INVARIANT * d,
                                              .delta = 0.3,
                                              .alpha = 0.7,
                                              .seed = (uint32_t)seeds[s],
                                              .first = N_TRAIN,
                                              .n = N_TEST,
                                              .batch = BATCH_WHILE_MEASURING};
                    check_member(state, &kinds[i], &task, (INVARIANT + VARIANT) * d, 0.5, reports);
                }
    json_decref(reports[0]);
    json_decref(reports[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(known_codes_errors_are_the_oracles),
        SCRATCH_TEST(pairs_errors_are_the_oracles),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

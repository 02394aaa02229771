/* Which runs of a spec may train in one population. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

/* Groups of the spec's runs, a letter for each run: "ABA" if the first and the third are together.
 * Also sees to it that being together is an equivalence relation. */
static size_t group_runs(const iv_spec *spec, char *letters, size_t size, size_t *n_runs) {
    iv_error error = {0};
    iv_spec_expansion e;
    assert_ok(&error, iv_spec_expand(spec, &e, &error));
    size_t *group = calloc(e.n_runs, sizeof *group), *first = calloc(e.n_runs, sizeof *first);
    size_t n_groups = 0;
    assert_true(group && first);
    for (size_t i = 0; i < e.n_runs; i++) {
        size_t g = 0, n_fitting = 0;
        group[i] = n_groups;
        for (; g < n_groups; g++) {
            if (!iv_spec_together(spec, e.runs[first[g]].config, e.runs[i].config)) continue;
            assert_true(iv_spec_together(spec, e.runs[i].config, e.runs[first[g]].config));
            group[i] = g;
            n_fitting++;
        }
        assert_true(n_fitting <= 1);
        if (group[i] == n_groups) first[n_groups++] = i;
        if (i + 1 < size) letters[i] = (char)('A' + group[i]), letters[i + 1] = '\0';
    }
    *n_runs = e.n_runs;
    free(group);
    free(first);
    iv_spec_expansion_release(&e);
    return n_groups;
}

static void expect_groups(const char *text, const char *override, const char *expected) {
    char letters[64] = "";
    size_t n_runs;
    iv_spec *spec = parse_good(text, override);
    group_runs(spec, letters, sizeof letters, &n_runs);
    assert_string_equal(letters, expected);
    iv_spec_destroy(spec);
}

/* ------------------------------------------------------------------ regularization */

static void a_step_size_and_nu_are_a_members_own(void **state) {
    (void)state;
    expect_groups(HEAD "runs:\n"
                       "- {name: DA, method: augmentation, sweep: {learning_rate: [0.1, 0.2]}}\n"
                       "- {name: IR, method: regularization, sweep: {nu: [1, 3]}}\n"
                       "- {name: IR0, method: regularization}\n"
                       "- {name: WT, method: weight-tying}\n"
                       "- {name: DA2, method: augmentation}\n",
                  NULL, "AABBBCA");
}

static void a_select_does_not_set_runs_apart(void **state) {
    (void)state;
    expect_groups(HEAD
                  "runs:\n"
                  "- {name: a, method: regularization, sweep: {nu: [1]}, select: {}}\n"
                  "- {name: b, method: regularization, sweep: {nu: [1]}, select: {at_least: 0.5}}\n"
                  "- {name: c, method: regularization, nu: 3}\n",
                  NULL, "AAA");
}

static void every_other_swept_key_sets_them_apart(void **state) {
    (void)state;
    static const char *const sweeps[] = {
        "dataset.name: [mnist, digits]", "dataset.images: [60000, 70000]",
        "dataset.train: [1000, 2000]",   "dataset.validation: [10, 20]",
        "dataset.test: [10, 20]",        "group.kind: [rotation, shift]",
        "group.order: [2, 4]",           "model.hidden: [4, 8]",
        "model.layers: [2, 3]",          "training.batch: [64, 128]",
        "training.epochs: [1, 2]",       "training.beta1: [0, 0.9]",
        "training.beta2: [0, 0.9]",      "training.epsilon: [1e-8, 1e-7]",
    };
    char text[512];
    for (size_t i = 0; i < sizeof sweeps / sizeof sweeps[0]; i++) {
        snprintf(text, sizeof text, SMALL "sweep: {%s}\n", sweeps[i]);
        expect_groups(text, NULL, "AB");
    }
    expect_groups(SMALL "sweep: {group.axes: [x, y, xy]}\n", "group.kind=shift", "ABC");
    expect_groups(SMALL "sweep: {training.learning_rate: [1, 2]}\n", NULL, "AA");
}

/* ------------------------------------------------------------------ autoencoder */

#define CODES "study: autoencoder\nname: codes\n"

static void weights_of_losses_are_a_members_own(void **state) {
    (void)state;
    expect_groups(CODES "runs: [{name: a, layer: selu, sweep: {learning_rate: [1, 2]}}]\n"
                        "task: {code: shift}\n"
                        "sweep: {task.lambda: [1, 2], task.delta: [1, 2], task.alpha: [1, 2]}\n",
                  NULL, "AAAAAAAAAAAAAAAA");
    expect_groups(CODES "runs: [{name: a, layer: selu}]\n"
                        "sweep: {task.code: [shift, cycle, modulus-phase, modulus-sine-cosine]}\n",
                  NULL, "ABCD");
    expect_groups(CODES "runs: [{name: a, layer: selu}]\n"
                        "sweep: {model.invariant: [1, 2], model.variant: [0, 1]}\n",
                  "task.code=shift", "ABCD");
}

static void what_a_layer_or_an_optimizer_has_no_use_for_does_not_count(void **state) {
    (void)state;
    expect_groups(CODES "runs:\n"
                        "- {name: a, layer: rich, lift: 1}\n"
                        "- {name: b, layer: rich, lift: 2}\n"
                        "- {name: c, layer: rich, lift: 1, learning_rate: 3}\n"
                        "- {name: d, layer: selu}\n"
                        "- {name: e, layer: selu, part: encoder}\n",
                  NULL, "ABACD");
    /* momenta differ, in the run or in training; with Adam there are none */
    expect_groups(CODES "runs: [{name: a, layer: selu, momentum: 0.5}, {name: b, layer: selu}]\n",
                  "training.momentum=0.5", "AA");
    expect_groups(CODES "runs: [{name: a, layer: selu, momentum: 0.5}, {name: b, layer: selu}]\n",
                  NULL, "AB");
    expect_groups(CODES "runs: [{name: a, layer: selu}]\nsweep: {training.beta1: [0.5, 0.6]}\n",
                  "training.optimizer=adam", "AB");
}

/* ------------------------------------------------------------------ marginal likelihood */

#define DIGITS "study: marginal-likelihood\nname: digits\ndataset: {name: digits}\n"

static void invariances_and_data_are_a_members_own_but_none_is_another_network(void **state) {
    (void)state;
    expect_groups(DIGITS "runs:\n"
                         "- {name: mlp}\n"
                         "- {name: rotation, invariance: rotation, eta: 1}\n"
                         "- {name: scale, invariance: scale}\n"
                         "- {name: fixed, invariance: scale, learned: false}\n"
                         "- {name: point, invariance: affine, estimate: point}\n"
                         "- {name: sgpr, method: sgpr}\n"
                         "- {name: sgpr5, method: sgpr, inducing: 5}\n"
                         "- {name: affine, invariance: affine}\n",
                  NULL, "ABBCDEFB");
    expect_groups(DIGITS "runs: [{name: a}]\n"
                         "sweep: {dataset.transformation: [regular, rotated, scaled]}\n",
                  NULL, "AAA");
    expect_groups(DIGITS "runs: [{name: a}]\nsweep: {dataset.name: [digits, mnist]}\n", NULL, "AB");
}

/* The rate of eta over the others is one number per population. */
static void a_step_size_is_a_members_own_unless_eta_has_its_own(void **state) {
    (void)state;
    static const char rates[] = DIGITS "runs:\n"
                                       "- {name: mlp}\n"
                                       "- {name: fixed, invariance: scale, learned: false}\n"
                                       "- {name: learned, invariance: scale}\n"
                                       "sweep: {training.learning_rate: [0.1, 0.2]}\n";
    expect_groups(rates, NULL, "ABCABC");
    expect_groups(rates, "training.eta_learning_rate=0.5", "ABCABD");
}

/* ------------------------------------------------------------------ a study of no one's */

static const iv_metric_def *no_metric(size_t i) {
    (void)i;
    return NULL;
}

/* clang-format off */
static const iv_key invented_keys[] = {
    IV_KEYS_HEAD,
    IV_KEYS_MODEL,
    IV_KEYS_TRAINING,
    IV_KEYS_SCHEDULE,
    IV_KEYS_RUNS,
    {"runs[].kind", IV_KEY_ENUM, 0, "a", .choices = "a|b|c", .doc = "kind", .own = "*"},
    {"runs[].size", IV_KEY_INTEGER, 0, "1", .doc = "size", .only_if = "run.kind=a|b"},
    {"runs[].shift", IV_KEY_INTEGER, 0, "1", .doc = "shift", .own = "1|2"},
    IV_KEYS_METRICS,
    IV_KEYS_FIGURES("none", "none"),
    IV_KEYS_TAIL("row"),
};
/* clang-format on */
static const iv_schema invented = {.study = "invented",
                                   .keys = invented_keys,
                                   .n_keys = sizeof invented_keys / sizeof *invented_keys,
                                   .metric = no_metric};

static const iv_schema *invented_schemas(size_t i) {
    return i == 0 ? &invented : NULL;
}

static void a_key_that_counts_for_one_of_two_runs_sets_them_apart(void **state) {
    (void)state;
    static const char text[] = "study: invented\nname: x\nruns:\n"
                               "- {name: a, kind: a}\n"
                               "- {name: b, kind: b}\n"
                               "- {name: c, kind: c}\n"
                               "- {name: a2, kind: a, size: 2}\n"
                               "- {name: shifted, kind: b, shift: 2}\n"
                               "- {name: far, kind: b, shift: 3}\n";
    char letters[16];
    size_t n_runs;
    iv_error error = {0};
    iv_spec *spec;
    assert_ok(&error,
              iv_spec_parse("x", text, strlen(text), NULL, 0, invented_schemas, &spec, &error));
    assert_ptr_equal(iv_spec_schema(spec), &invented);
    group_runs(spec, letters, sizeof letters, &n_runs);
    assert_string_equal(letters, "AABCAD");
    iv_spec_destroy(spec);
    assert_int_equal(
        iv_spec_parse("x", SMALL, strlen(SMALL), NULL, 0, invented_schemas, &spec, &error),
        IV_EINVAL);
    assert_string_equal(error.message, "x:1:8: `study` is `regularization`, expected invented");
}

/* ------------------------------------------------------------------ configs */

static const struct {
    const char *path;
    size_t n_runs, n_groups;
} configs[] = {
    {"autoencoder/fig1-activations.yaml", 240, 80},
    {"autoencoder/fig1.yaml", 152, 76},
    {"autoencoder/fig2.yaml", 228, 114},
    {"autoencoder/fig3.yaml", 120, 60},
    {"autoencoder/fig4.yaml", 18, 6},
    {"autoencoder/fig5.yaml", 18, 6},
    {"autoencoder/quick/fig1-activations.yaml", 60, 20},
    {"autoencoder/quick/fig1.yaml", 40, 20},
    {"autoencoder/quick/fig2.yaml", 60, 30},
    {"autoencoder/quick/fig3.yaml", 52, 26},
    {"autoencoder/quick/fig4.yaml", 12, 6},
    {"autoencoder/quick/fig5.yaml", 12, 6},
    {"marginal-likelihood/fig1.yaml", 3, 2},
    {"marginal-likelihood/fig2.yaml", 15, 1},
    {"marginal-likelihood/fig3.yaml", 1, 1},
    {"marginal-likelihood/fig4.yaml", 4, 1},
    {"marginal-likelihood/fig5.yaml", 4, 4},
    {"marginal-likelihood/fig6.yaml", 8, 1},
    {"marginal-likelihood/fig7.yaml", 1, 1},
    {"marginal-likelihood/fig8.yaml", 15, 1},
    {"marginal-likelihood/fig9.yaml", 15, 1},
    {"marginal-likelihood/quick/fig1.yaml", 3, 2},
    {"marginal-likelihood/quick/fig2.yaml", 15, 1},
    {"marginal-likelihood/quick/fig3.yaml", 1, 1},
    {"marginal-likelihood/quick/fig4.yaml", 4, 1},
    {"marginal-likelihood/quick/fig5.yaml", 4, 4},
    {"marginal-likelihood/quick/fig6.yaml", 8, 1},
    {"marginal-likelihood/quick/fig7.yaml", 1, 1},
    {"marginal-likelihood/quick/fig8.yaml", 15, 1},
    {"marginal-likelihood/quick/fig9.yaml", 15, 1},
    {"marginal-likelihood/quick/table1.yaml", 18, 2},
    {"marginal-likelihood/quick/table2.yaml", 24, 3},
    {"marginal-likelihood/quick/table3.yaml", 20, 2},
    {"marginal-likelihood/quick/table4.yaml", 30, 2},
    {"marginal-likelihood/quick/table5.yaml", 30, 2},
    {"marginal-likelihood/quick/table6.yaml", 20, 2},
    {"marginal-likelihood/quick/table7.yaml", 20, 2},
    {"marginal-likelihood/quick/table8.yaml", 20, 2},
    {"marginal-likelihood/table1-natural.yaml", 18, 2},
    {"marginal-likelihood/table1.yaml", 18, 2},
    {"marginal-likelihood/table2-natural.yaml", 24, 3},
    {"marginal-likelihood/table2.yaml", 24, 3},
    {"marginal-likelihood/table3.yaml", 20, 2},
    {"marginal-likelihood/table4-natural.yaml", 30, 2},
    {"marginal-likelihood/table4.yaml", 30, 2},
    {"marginal-likelihood/table5.yaml", 30, 2},
    {"marginal-likelihood/table6.yaml", 20, 2},
    {"marginal-likelihood/table7.yaml", 20, 2},
    {"marginal-likelihood/table8.yaml", 20, 2},
    {"quickstart.yaml", 3, 3},
    {"regularization/drift.yaml", 12, 6},
    {"regularization/quick/drift.yaml", 6, 6},
    {"regularization/quick/saliency.yaml", 3, 3},
    {"regularization/quick/spectral-decay.yaml", 2, 2},
    {"regularization/quick/table1-rotation.yaml", 5, 3},
    {"regularization/quick/table1-shift.yaml", 5, 3},
    {"regularization/saliency.yaml", 3, 3},
    {"regularization/spectral-decay.yaml", 2, 2},
    {"regularization/table1-rotation.yaml", 6, 3},
    {"regularization/table1-shift.yaml", 6, 3},
};
static size_t n_known;

static void check_config(const char *path) {
    iv_error error = {0};
    iv_spec *spec;
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        if (strcmp(path + strlen(CONFIG_FOLDER) + 1, configs[i].path) != 0) continue;
        char letters[2];
        size_t n_runs;
        assert_ok(&error, iv_spec_load(path, NULL, 0, iv_study_schema, &spec, &error));
        assert_int_equal(group_runs(spec, letters, sizeof letters, &n_runs), configs[i].n_groups);
        assert_int_equal(n_runs, configs[i].n_runs);
        iv_spec_destroy(spec);
        n_known++;
    }
}

static void configs_have_these_populations(void **state) {
    (void)state;
    for_each_config(check_config);
    assert_int_equal(n_known, sizeof configs / sizeof configs[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_size_and_nu_are_a_members_own),
        cmocka_unit_test(a_select_does_not_set_runs_apart),
        cmocka_unit_test(every_other_swept_key_sets_them_apart),
        cmocka_unit_test(weights_of_losses_are_a_members_own),
        cmocka_unit_test(what_a_layer_or_an_optimizer_has_no_use_for_does_not_count),
        cmocka_unit_test(invariances_and_data_are_a_members_own_but_none_is_another_network),
        cmocka_unit_test(a_step_size_is_a_members_own_unless_eta_has_its_own),
        cmocka_unit_test(a_key_that_counts_for_one_of_two_runs_sets_them_apart),
        cmocka_unit_test(configs_have_these_populations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

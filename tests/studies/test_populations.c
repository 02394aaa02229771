/* Which runs share a population: what the schemas say (iv_spec_together) is what each study's own
 * comparison of its settings says, for all configs and for random small specs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "studies/autoencoder/autoencoder.h"
#include "studies/marginal_likelihood/marginal_likelihood.h"
#include "studies/regularization/regularization.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../spec/support.h"

/* group[i] of run i, numbered in order of appearance. */
static void group_by_schema(const iv_spec *spec, size_t *group) {
    iv_error error = {0};
    iv_spec_expansion e;
    assert_int_equal(iv_spec_expand(spec, &e, &error), IV_OK);
    size_t *first = calloc(e.n_runs, sizeof *first), n_groups = 0;
    assert_non_null(first);
    for (size_t i = 0; i < e.n_runs; i++) {
        group[i] = 0;
        while (group[i] < n_groups &&
               !iv_spec_together(spec, e.runs[first[group[i]]].config, e.runs[i].config))
            group[i]++;
        if (group[i] == n_groups) first[n_groups++] = i;
    }
    free(first);
    iv_spec_expansion_release(&e);
}

#define GROUP_BY_PLAN(plan_type, plan_create, plan_clear)                                          \
    do {                                                                                           \
        plan_type plan;                                                                            \
        assert_int_equal(plan_create(spec, &plan, &error), IV_OK);                                 \
        for (size_t p = 0; p < plan.n_populations; p++)                                            \
            for (size_t m = 0; m < plan.populations[p].n_members; m++)                             \
                group[plan.populations[p].members[m].run - plan.expansion.runs] = p;               \
        plan_clear(&plan);                                                                         \
    } while (0)

static void group_by_study(const iv_spec *spec, size_t *group) {
    iv_error error = {0};
    const char *study = iv_spec_schema(spec)->study;
    if (strcmp(study, "regularization") == 0)
        GROUP_BY_PLAN(reg_plan, reg_plan_create, reg_plan_clear);
    else if (strcmp(study, "autoencoder") == 0)
        GROUP_BY_PLAN(ae_plan, ae_plan_create, ae_plan_clear);
    else
        GROUP_BY_PLAN(ml_plan, ml_plan_create, ml_plan_clear);
}

/* Returns the number of groups. */
static size_t expect_same_groups(const iv_spec *spec, const char *what) {
    iv_error error = {0};
    iv_spec_expansion e;
    size_t n_groups = 0;
    assert_int_equal(iv_spec_expand(spec, &e, &error), IV_OK);
    size_t *a = calloc(e.n_runs, sizeof *a), *b = calloc(e.n_runs, sizeof *b);
    assert_true(a && b);
    group_by_schema(spec, a);
    group_by_study(spec, b);
    for (size_t i = 0; i < e.n_runs; i++) {
        if (a[i] != b[i])
            fail_msg("%s: run %s is in group %zu by the schema, %zu by the study", what,
                     e.runs[i].name, a[i], b[i]);
        if (a[i] >= n_groups) n_groups = a[i] + 1;
    }
    free(a);
    free(b);
    iv_spec_expansion_release(&e);
    return n_groups;
}

static void check_config(const char *path) {
    iv_error error = {0};
    iv_spec *spec;
    assert_int_equal(iv_spec_load(path, NULL, 0, iv_study_schema, &spec, &error), IV_OK);
    expect_same_groups(spec, path);
    iv_spec_destroy(spec);
}

static void configs_are_grouped_as_by_the_studies(void **state) {
    (void)state;
    assert_true(for_each_config(check_config) >= 57);
}

/* ------------------------------------------------------------------ random specs */

static uint32_t random_state = 2463534242u;

static uint32_t draw(uint32_t below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % below;
}

/* Values to draw from, for keys of the spec and of runs. */
typedef struct {
    const char *head, *run;      /* the first key of a run */
    const char *keys[24][6];     /* {path, value, ...}: swept at the top, or set */
    const char *run_keys[12][6]; /* set or swept in runs */
} pool;

static const pool pools[] = {
    {"study: regularization\nname: a\nseeds: 1\n",
     "method",
     {{"dataset.name", "digits", "mnist"},
      {"dataset.images", "300", "400"},
      {"dataset.train", "64", "100"},
      {"dataset.validation", "0", "20"},
      {"dataset.test", "10", "20"},
      {"group.kind", "rotation", "shift"},
      {"group.order", "2", "4"},
      {"group.axes", "x", "y", "xy"},
      {"model.hidden", "3", "4"},
      {"model.layers", "2", "3"},
      {"training.learning_rate", "0.1", "0.2"},
      {"training.batch", "32", "64"},
      {"training.epochs", "1", "2"},
      {"training.beta1", "0.5", "0.9"},
      {"training.beta2", "0.9", "0.99"},
      {"training.epsilon", "1e-8", "1e-6"}},
     {{"method", "weight-tying", "augmentation", "regularization"},
      {"nu", "0", "1", "3"},
      {"learning_rate", "0.1", "0.3"}}},
    {"study: autoencoder\nname: a\nseeds: 1\n",
     "layer",
     {{"dataset.dimensions", "4", "5"},
      {"dataset.train", "200", "300"},
      {"dataset.test", "10", "20"},
      {"task.code", "modulus-phase", "modulus-sine-cosine", "shift", "cycle"},
      {"task.lambda", "1", "8"},
      {"task.delta", "0.1", "1"},
      {"task.alpha", "1", "2"},
      {"model.width", "2", "8"},
      {"model.invariant", "1", "2"},
      {"model.variant", "0", "1"},
      {"training.optimizer", "sgd", "adam"},
      {"training.learning_rate", "0.1", "0.2"},
      {"training.momentum", "0", "0.9"},
      {"training.batch", "32", "64"},
      {"training.epochs", "1", "2"},
      {"training.beta1", "0.5", "0.9"},
      {"training.beta2", "0.9", "0.99"},
      {"training.epsilon", "1e-8", "1e-6"}},
     {{"layer", "selu", "relu", "rich"},
      {"depth", "1", "2"},
      {"lift", "0", "1"},
      {"part", "full", "encoder", "decoder"},
      {"learning_rate", "0.1", "0.3"},
      {"momentum", "0", "0.5"}}},
    {"study: marginal-likelihood\nname: a\nseeds: 1\n",
     "invariance",
     {{"dataset.name", "digits", "mnist"},
      {"dataset.transformation", "regular", "rotated", "scaled"},
      {"dataset.train", "1000", "2000"},
      {"dataset.test", "10", "20"},
      {"model.features", "relu", "rff"},
      {"model.hidden", "3", "4"},
      {"model.samples", "1", "64"},
      {"model.sampling", "random", "equally-spaced"},
      {"model.sigma", "0.3", "5"},
      {"model.alpha", "1", "2"},
      {"model.initial_deviation", "1", "0.1"},
      {"model.input_mean", "0", "0.5"},
      {"model.blur", "0", "1"},
      /* no two pairs of rates with one ratio: the studies compare that, the schema both */
      {"training.learning_rate", "0.1", "0.3"},
      {"training.eta_learning_rate", "0", "0.5", "0.7"},
      {"training.annealing", "cosine", "none"},
      {"training.batch", "32", "64"},
      {"training.epochs", "1", "2"},
      {"training.beta1", "0.5", "0.9"},
      {"training.beta2", "0.9", "0.99"},
      {"training.epsilon", "1e-8", "1e-6"}},
     {{"invariance", "none", "rotation", "scale", "affine"},
      {"eta", "0", "0.5", "1"},
      {"learned", "true", "false"},
      {"estimate", "variational", "point"},
      {"method", "network", "sgpr"},
      {"inducing", "1000", "5"},
      {"iterations", "100", "5"}}},
};

static size_t count(const char *const *values) {
    size_t n = 0;
    while (n < 5 && values[n + 1]) n++;
    return n;
}

/* "KEY: VALUE" or "KEY: [VALUE, VALUE]", with a separator. */
static void add(char *text, size_t size, const char *const *key, bool swept) {
    const size_t used = strlen(text), n = count(key);
    const size_t i = draw((uint32_t)n), k = (i + 1 + draw((uint32_t)n - 1)) % n;
    if (swept)
        snprintf(text + used, size - used, "%s: [%s, %s], ", key[0], key[1 + i], key[1 + k]);
    else
        snprintf(text + used, size - used, "%s: %s, ", key[0], key[1 + i]);
}

static void write_spec(const pool *from, char *text, size_t size) {
    char sweep[1024] = "", run[512], run_sweep[256];
    const char *map = "";
    snprintf(text, size, "%s", from->head);
    for (size_t k = 0; from->keys[k][0]; k++) {
        const char *path = from->keys[k][0], *dot = strchr(path, '.');
        const char *key[6];
        memcpy(key, from->keys[k], sizeof key);
        if (draw(8) == 0) {
            add(sweep, sizeof sweep, key, true);
            continue;
        }
        const size_t length = (size_t)(dot - path) + 1;
        if (strncmp(map, path, length) != 0)
            snprintf(text + strlen(text), size - strlen(text), "%s%.*s: {", *map ? "}\n" : "",
                     (int)length - 1, path);
        map = path;
        key[0] = dot + 1;
        add(text, size, key, false);
    }
    snprintf(text + strlen(text), size - strlen(text), "}\nruns:\n");
    for (uint32_t i = 0, n = 1 + draw(4); i < n; i++) {
        snprintf(run, sizeof run, "- {name: r%u, ", i);
        run_sweep[0] = '\0';
        for (size_t k = 0; from->run_keys[k][0]; k++) {
            const bool first = k == 0 && strcmp(from->run_keys[k][0], from->run) == 0;
            const bool required = first && strcmp(from->run, "invariance") != 0;
            if (!first && draw(3) > 0) continue;
            const bool swept = !required && strcmp(from->run_keys[k][0], "method") && draw(2);
            add(swept ? run_sweep : run, swept ? sizeof run_sweep : sizeof run, from->run_keys[k],
                swept);
        }
        snprintf(text + strlen(text), size - strlen(text), "%ssweep: {%s}}\n", run, run_sweep);
    }
    snprintf(text + strlen(text), size - strlen(text), "sweep: {%s}\n", sweep);
}

static void random_specs_are_grouped_as_by_the_studies(void **state) {
    (void)state;
    enum { N_SPECS = 3000, MOST_RUNS = 200 };
    for (size_t s = 0; s < sizeof pools / sizeof *pools; s++) {
        size_t n_loaded = 0, n_shared = 0, n_apart = 0;
        for (size_t i = 0; i < N_SPECS; i++) {
            char text[4096];
            iv_error error = {0};
            iv_spec *spec;
            write_spec(&pools[s], text, sizeof text);
            if (iv_spec_parse("random", text, strlen(text), NULL, 0, iv_study_schema, &spec,
                              &error) != IV_OK) {
                assert_null(strstr(error.message, "not YAML"));
                assert_null(strstr(error.message, "unknown key"));
                continue;
            }
            iv_spec_expansion e;
            assert_int_equal(iv_spec_expand(spec, &e, &error), IV_OK);
            if (e.n_runs <= MOST_RUNS) {
                const size_t n_groups = expect_same_groups(spec, text);
                n_loaded++;
                n_shared += n_groups < e.n_runs;
                n_apart += n_groups > 1;
            }
            iv_spec_expansion_release(&e);
            iv_spec_destroy(spec);
        }
        /* the test reaches both answers */
        assert_true(n_loaded > 100 && n_shared > 50 && n_apart > 50);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configs_are_grouped_as_by_the_studies),
        cmocka_unit_test(random_specs_are_grouped_as_by_the_studies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

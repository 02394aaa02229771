/* Which runs share a population: what the studies' schemas say (iv_populations_create) is what is
 * written down here by hand, for all configs and for random small specs. */
#include "../kit/kit.h"

#include <invar/studies.h>

#include "../spec/support.h"

/* ------------------------------------------------------------------ by hand */

static bool is(const iv_node *config, const char *path, const char *word) {
    return strcmp(iv_spec_string(config, path), word) == 0;
}

static bool same_word(const iv_node *a, const iv_node *b, const char *path) {
    return is(a, path, iv_spec_string(b, path));
}

static bool same_number(const iv_node *a, const iv_node *b, const char *path) {
    return iv_spec_number(a, path) == iv_spec_number(b, path);
}

/* Up to a NULL. */
static bool same_numbers(const iv_node *a, const iv_node *b, const char *const *paths) {
    for (; *paths; paths++)
        if (!same_number(a, b, *paths)) return false;
    return true;
}

/* What the three studies have in common. */
static bool same_schedule(const iv_node *a, const iv_node *b) {
    return same_number(a, b, "training.batch") && same_number(a, b, "training.epochs");
}

static bool same_adam(const iv_node *a, const iv_node *b) {
    return same_number(a, b, "training.beta1") && same_number(a, b, "training.beta2") &&
           same_number(a, b, "training.epsilon");
}

/* Learning rates and nu are each member's own, and so is what selects among them. */
static bool regularization_agrees(const iv_node *a, const iv_node *b) {
    static const char *const sizes[] = {
        "dataset.images", "dataset.train", "dataset.validation", "dataset.test",
        "group.order",    "model.hidden",  "model.layers",       NULL};
    return same_word(a, b, "run.method") && same_word(a, b, "dataset.name") &&
           same_word(a, b, "group.kind") && same_word(a, b, "group.axes") &&
           same_numbers(a, b, sizes) && same_schedule(a, b) && same_adam(a, b);
}

static bool learns_from_pairs(const iv_node *config) {
    return strncmp(iv_spec_string(config, "task.code"), "modulus-", 8) != 0;
}

static bool same_layers(const iv_node *a, const iv_node *b) {
    const char *width = is(a, "run.layer", "rich") ? "run.lift" : "model.width";
    return same_word(a, b, "run.layer") && same_number(a, b, "run.depth") &&
           same_word(a, b, "run.part") && same_number(a, b, width);
}

/* Learning rates and the loss' coefficients are each member's own. */
static bool autoencoder_agrees(const iv_node *a, const iv_node *b) {
    static const char *const sizes[] = {"dataset.dimensions", "dataset.train", "dataset.test",
                                        NULL};
    static const char *const columns[] = {"model.invariant", "model.variant", NULL};
    if (!same_word(a, b, "task.code") || !same_numbers(a, b, sizes)) return false;
    if (learns_from_pairs(a) && !same_numbers(a, b, columns)) return false;
    if (!same_layers(a, b) || !same_schedule(a, b)) return false;
    if (!same_word(a, b, "training.optimizer")) return false;
    return is(a, "training.optimizer", "adam") ? same_adam(a, b)
                                               : same_number(a, b, "training.momentum");
}

static bool is_invariant(const iv_node *config) {
    return !is(config, "run.invariance", "none");
}

static bool learns_invariance(const iv_node *config) {
    return is_invariant(config) && iv_spec_boolean(config, "run.learned");
}

/* eta's learning rate is a multiple of the others', the same for all: where it is not the others'
 * itself, neither rate is a member's own. */
static bool same_rates(const iv_node *a, const iv_node *b) {
    if (!learns_invariance(a)) return true;
    if (!same_number(a, b, "training.eta_learning_rate")) return false;
    return iv_spec_number(a, "training.eta_learning_rate") == 0 ||
           same_number(a, b, "training.learning_rate");
}

/* Whether there are transformations at all, and whether eta learns, are the same for all; which
 * they are and where eta begins are not. */
static bool same_invariance(const iv_node *a, const iv_node *b) {
    if (is_invariant(a) != is_invariant(b)) return false;
    if (!is_invariant(a)) return true;
    return learns_invariance(a) == learns_invariance(b) && same_number(a, b, "model.samples") &&
           same_word(a, b, "model.sampling") && same_rates(a, b);
}

static bool same_network(const iv_node *a, const iv_node *b) {
    static const char *const numbers[] = {"model.hidden", "model.input_mean", "model.blur", NULL};
    static const char *const prior[] = {"model.alpha", "model.initial_deviation", NULL};
    if (!same_word(a, b, "model.features") || !same_numbers(a, b, numbers)) return false;
    if (is(a, "model.features", "rff") && !same_number(a, b, "model.sigma")) return false;
    if (!same_word(a, b, "run.estimate")) return false;
    return is(a, "run.estimate", "point") || same_numbers(a, b, prior);
}

/* The data's transformation is each member's own. */
static bool marginal_likelihood_agrees(const iv_node *a, const iv_node *b) {
    static const char *const data[] = {"dataset.train", "dataset.test", "dataset.seed", NULL};
    static const char *const regression[] = {"run.inducing", "run.iterations", NULL};
    if (!same_word(a, b, "run.method") || !same_word(a, b, "dataset.name")) return false;
    if (!same_numbers(a, b, data)) return false;
    if (is(a, "run.method", "sgpr")) return same_numbers(a, b, regression);
    return same_network(a, b) && same_invariance(a, b) && same_schedule(a, b) && same_adam(a, b) &&
           same_word(a, b, "training.annealing");
}

typedef bool (*agreement)(const iv_node *a, const iv_node *b);

static agreement agreement_of(const iv_spec *spec) {
    const char *study = iv_spec_schema(spec)->study;
    if (strcmp(study, "regularization") == 0) return regularization_agrees;
    if (strcmp(study, "autoencoder") == 0) return autoencoder_agrees;
    assert_string_equal(study, "marginal-likelihood");
    return marginal_likelihood_agrees;
}

/* ------------------------------------------------------------------ comparing */

/* group[i] of run i, numbered in order of appearance. */
static void group_by_hand(const iv_spec *spec, const iv_spec_expansion *e, size_t *group) {
    const agreement agree = agreement_of(spec);
    size_t *first = calloc(e->n_runs, sizeof *first), n_groups = 0;
    assert_non_null(first);
    for (size_t i = 0; i < e->n_runs; i++) {
        group[i] = 0;
        while (group[i] < n_groups && !agree(e->runs[first[group[i]]].config, e->runs[i].config))
            group[i]++;
        if (group[i] == n_groups) first[n_groups++] = i;
    }
    free(first);
}

/* Every member once, a run's seeds in their order. */
static void group_by_schema(const iv_spec *spec, const iv_populations *all, size_t *group) {
    const iv_spec_expansion *e = &all->expansion;
    const size_t n_seeds = iv_spec_length(iv_spec_root(spec), "seeds");
    size_t *n_found = calloc(e->n_runs, sizeof *n_found);
    assert_non_null(n_found);
    for (size_t p = 0; p < all->n; p++)
        for (size_t m = 0; m < all->items[p].n_members; m++) {
            const iv_member *member = &all->items[p].members[m];
            const size_t i = (size_t)(member->run - e->runs);
            const iv_node *seed = iv_spec_element(iv_spec_root(spec), "seeds", n_found[i]++);
            assert_non_null(seed);
            assert_int_equal(member->seed, iv_spec_integer(seed, ""));
            if (n_found[i] > 1) assert_int_equal(group[i], p);
            group[i] = p;
        }
    for (size_t i = 0; i < e->n_runs; i++) assert_int_equal(n_found[i], n_seeds);
    free(n_found);
}

/* Returns the number of groups. */
static size_t expect_same_groups(const iv_spec *spec, const char *what) {
    iv_error error = {0};
    iv_populations all;
    size_t n_groups = 0;
    assert_ok(&error, iv_populations_create(iv_study_of(spec), spec, &all, &error));
    const iv_spec_expansion *e = &all.expansion;
    size_t *a = calloc(e->n_runs, sizeof *a), *b = calloc(e->n_runs, sizeof *b);
    assert_true(a && b);
    group_by_schema(spec, &all, a);
    group_by_hand(spec, e, b);
    for (size_t i = 0; i < e->n_runs; i++) {
        if (a[i] != b[i])
            fail_msg("%s: run %s is in group %zu by the schema, %zu by hand", what, e->runs[i].name,
                     a[i], b[i]);
        if (a[i] >= n_groups) n_groups = a[i] + 1;
    }
    free(a);
    free(b);
    iv_populations_clear(&all);
    return n_groups;
}

static void check_config(const char *path) {
    iv_error error = {0};
    iv_spec *spec;
    assert_ok(&error, iv_spec_load(path, NULL, 0, iv_study_schema, &spec, &error));
    expect_same_groups(spec, path);
    iv_spec_destroy(spec);
}

static void configs_are_grouped_as_by_hand(void **state) {
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

static void random_specs_are_grouped_as_by_hand(void **state) {
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
            assert_ok(&error, iv_spec_expand(spec, &e, &error));
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
        cmocka_unit_test(configs_are_grouped_as_by_hand),
        cmocka_unit_test(random_specs_are_grouped_as_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

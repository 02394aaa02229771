#include "example.h"

#include "../kit/kit.h"

#include "experiment/experiment.h"

#include <math.h>

/* Set one metric, or all (SIZE_MAX), of a set's members that have it. */
static void set_of_population(example *e, size_t p, size_t set, size_t metric, double value) {
    const iv_study *study = e->study;
    const iv_population *population = &e->populations.items[p];
    for (size_t r = 0; r < population->n_members; r++)
        for (size_t m = 0; m < iv_study_metrics(study); m++) {
            if (metric != SIZE_MAX && m != metric) continue;
            if (study->schema->metric(m)->flags & IV_METRIC_CURVE_ONLY) continue;
            double *values =
                e->values[p] + r * iv_values_size(study) + iv_value_index(study, set, m);
            const size_t n =
                experiment_applies(study, population, &population->members[r], set, m, false);
            for (size_t i = 0; i < n; i++) values[i] = value;
        }
}

static void create_values(example *e, size_t p, double value) {
    const iv_population *population = &e->populations.items[p];
    const size_t n = population->n_members * iv_values_size(e->study);
    iv_metric_set sets[IV_MAX_SETS];
    const size_t n_sets = experiment_sets(e->study, population, sets);
    e->values[p] = calloc(n, sizeof **e->values);
    e->diverged[p] = calloc(population->n_members, sizeof **e->diverged);
    assert_true(e->values[p] && e->diverged[p]);
    for (size_t i = 0; i < n; i++) e->values[p][i] = NAN;
    for (size_t s = 0; s < n_sets; s++) set_of_population(e, p, s, SIZE_MAX, value);
}

void example_open(example *e, const char *text, double value) {
    memset(e, 0, sizeof *e);
    assert_ok(&e->error, iv_spec_parse("spec", text, strlen(text), NULL, 0, iv_study_schema,
                                       &e->spec, &e->error));
    e->study = iv_study_of(e->spec);
    assert_ok(&e->error, iv_populations_create(e->study, e->spec, &e->populations, &e->error));
    e->values = calloc(e->populations.n, sizeof *e->values);
    e->diverged = calloc(e->populations.n, sizeof *e->diverged);
    assert_true(e->values && e->diverged);
    for (size_t p = 0; p < e->populations.n; p++) create_values(e, p, value);
}

size_t example_metric(const example *e, const char *name) {
    for (size_t m = 0; m < iv_study_metrics(e->study); m++)
        if (strcmp(e->study->schema->metric(m)->name, name) == 0) return m;
    fail_msg("the study %s has no metric %s", e->study->schema->study, name);
    return 0;
}

void example_set_all(example *e, size_t set, size_t metric, double value) {
    for (size_t p = 0; p < e->populations.n; p++) set_of_population(e, p, set, metric, value);
}

static void find(const example *e, const char *run, uint32_t seed, size_t *population, size_t *r) {
    for (size_t p = 0; p < e->populations.n; p++)
        for (size_t i = 0; i < e->populations.items[p].n_members; i++) {
            const iv_member *member = &e->populations.items[p].members[i];
            if (strcmp(member->run->name, run) != 0 || member->seed != seed) continue;
            *population = p;
            *r = i;
            return;
        }
    fail_msg("there is no run %s with seed %u", run, seed);
}

double *example_value(example *e, const char *run, uint32_t seed, size_t set, size_t metric) {
    size_t p = 0, r = 0;
    find(e, run, seed, &p, &r);
    return e->values[p] + r * iv_values_size(e->study) + iv_value_index(e->study, set, metric);
}

uint32_t *example_diverged(example *e, const char *run, uint32_t seed) {
    size_t p = 0, r = 0;
    find(e, run, seed, &p, &r);
    return &e->diverged[p][r];
}

void example_fill(example *e) {
    assert_ok(&e->error, iv_trained_runs_create(e->study, e->spec, &e->populations, e->values,
                                                e->diverged, &e->runs, &e->error));
    assert_ok(&e->error, iv_trained_fill(&e->runs, &e->results, &e->error));
}

void example_close(example *e) {
    iv_results_free(&e->results);
    iv_trained_runs_clear(&e->runs);
    for (size_t p = 0; p < e->populations.n; p++) {
        free(e->values[p]);
        free(e->diverged[p]);
    }
    free(e->values);
    free(e->diverged);
    iv_populations_clear(&e->populations);
    iv_spec_destroy(e->spec);
}

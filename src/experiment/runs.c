/* Trained runs: the members' values by run and seed, and the choice among alternatives. */
#include "experiment/experiment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ values */

size_t iv_study_metrics(const iv_study *study) {
    size_t n = 0;
    while (study->schema->metric(n)) n++;
    return n;
}

static size_t metric_size(const iv_metric_def *metric) {
    return metric->most > 0 ? metric->most : 1;
}

static size_t set_size(const iv_study *study) {
    const iv_metric_def *metric;
    size_t size = 0;
    for (size_t i = 0; (metric = study->schema->metric(i)); i++) size += metric_size(metric);
    return size;
}

size_t iv_values_size(const iv_study *study) {
    return (study->sets && study->sets->sets ? IV_MAX_SETS : 1) * set_size(study);
}

size_t iv_value_index(const iv_study *study, size_t set, size_t metric) {
    size_t index = set * set_size(study);
    for (size_t i = 0; i < metric; i++) index += metric_size(study->schema->metric(i));
    return index;
}

bool iv_study_has_metric(const iv_study *study, const iv_populations *all, size_t metric) {
    if (study->schema->metric(metric)->flags & IV_METRIC_CURVE_ONLY) return false;
    for (size_t i = 0; i < all->n; i++) {
        const iv_population *p = &all->items[i];
        iv_metric_set sets[IV_MAX_SETS];
        const size_t n_sets = experiment_sets(study, p, sets);
        for (size_t s = 0; s < n_sets; s++)
            for (size_t r = 0; r < p->n_members; r++)
                if (experiment_applies(study, p, &p->members[r], s, metric, false) > 0) return true;
    }
    return false;
}

double *experiment_values(const iv_study *study, size_t n_members) {
    const size_t n = n_members * iv_values_size(study);
    double *values = malloc(n * sizeof *values);
    for (size_t i = 0; i < n && values; i++) values[i] = NAN;
    return values;
}

double iv_trained_value(const iv_trained_runs *all, const iv_trained_run *run, size_t seed,
                        size_t set, size_t metric) {
    return run->values[seed][iv_value_index(all->study, set, metric)];
}

double iv_trained_mean(const iv_trained_runs *all, const iv_trained_run *run, size_t set,
                       size_t metric) {
    double sum = 0;
    for (size_t k = 0; k < run->n_seeds; k++)
        sum += run->diverged_from[k] > 0 ? NAN : iv_trained_value(all, run, k, set, metric);
    return sum / (double)run->n_seeds;
}

bool iv_trained_first_of_row(const iv_trained_runs *all, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (strcmp(all->runs[k].row, all->runs[i].row) == 0) return false;
    return true;
}

/* ------------------------------------------------------------------ runs */

static iv_status collect(const iv_populations *populations, double *const *values,
                         uint32_t *const *diverged, size_t n_seeds, const iv_study *study,
                         iv_trained_run *run) {
    run->column = run->run->column;
    run->members = calloc(n_seeds, sizeof *run->members);
    run->values = calloc(n_seeds, sizeof *run->values);
    run->diverged_from = calloc(n_seeds, sizeof *run->diverged_from);
    if (!run->members || !run->values || !run->diverged_from) return IV_ENOMEM;
    for (size_t p = 0; p < populations->n; p++)
        for (size_t r = 0; r < populations->items[p].n_members; r++) {
            const iv_member *member = &populations->items[p].members[r];
            if (member->run != run->run || run->n_seeds == n_seeds) continue;
            run->population = &populations->items[p];
            run->members[run->n_seeds] = member;
            run->values[run->n_seeds] = values[p] + r * iv_values_size(study);
            run->diverged_from[run->n_seeds++] = diverged[p][r];
        }
    experiment_row_name(study, run->population, run->run, run->row, sizeof run->row);
    return IV_OK;
}

static bool alternatives(const iv_trained_run *a, const iv_trained_run *b) {
    return strcmp(a->column, b->column) == 0 && strcmp(a->row, b->row) == 0;
}

/* The first among equals, so that exactly one is chosen. */
static void choose(iv_trained_runs *all) {
    double (*const cost_of)(const iv_trained_runs *, const iv_trained_run *) =
        experiment_results(all->study).cost;
    for (size_t i = 0; i < all->n; i++) {
        iv_trained_run *run = &all->runs[i];
        run->chosen = true;
        run->n_alternatives = 1;
        if (!cost_of) continue;
        const double cost = cost_of(all, run);
        for (size_t k = 0; k < all->n; k++) {
            if (k == i || !alternatives(run, &all->runs[k])) continue;
            run->n_alternatives++;
            const double other = cost_of(all, &all->runs[k]);
            if (other < cost || (other == cost && k < i)) run->chosen = false;
        }
    }
}

iv_status iv_trained_runs_create(const iv_study *study, const iv_spec *spec,
                                 const iv_populations *populations, double *const *values,
                                 uint32_t *const *diverged, iv_trained_runs *all, iv_error *error) {
    const size_t n_seeds = iv_spec_length(iv_spec_root(spec), "seeds");
    const iv_spec_expansion *expansion = &populations->expansion;
    *all = (iv_trained_runs){
        .study = study, .spec = spec, .runs = calloc(expansion->n_runs, sizeof *all->runs)};
    iv_status status = all->runs ? IV_OK : IV_ENOMEM;
    for (size_t i = 0; i < expansion->n_runs && status == IV_OK; i++) {
        all->runs[i].run = &expansion->runs[i];
        all->n++;
        status = collect(populations, values, diverged, n_seeds, study, &all->runs[i]);
    }
    if (status != IV_OK) {
        iv_trained_runs_clear(all);
        return iv_fail(error, status, "out of memory for results");
    }
    choose(all);
    return IV_OK;
}

void iv_trained_runs_clear(iv_trained_runs *all) {
    for (size_t i = 0; i < all->n; i++) {
        free(all->runs[i].members);
        free(all->runs[i].values);
        free(all->runs[i].diverged_from);
    }
    free(all->runs);
    memset(all, 0, sizeof *all);
}

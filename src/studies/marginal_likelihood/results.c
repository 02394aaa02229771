/* Results of the marginal-likelihood study: runs with all that was measured, and cells. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ the table of runs */

static iv_status collect_run(const ml_plan *plan, ml_outcome *const *outcomes, size_t n_seeds,
                             ml_run *run, iv_error *error) {
    run->column = run->run->column;
    run->outcomes = calloc(n_seeds, sizeof *run->outcomes);
    run->members = calloc(n_seeds, sizeof *run->members);
    if (!run->outcomes || !run->members)
        return iv_fail(error, IV_ENOMEM, "out of memory for results");
    for (size_t p = 0; p < plan->n_populations; p++)
        for (size_t m = 0; m < plan->populations[p].n_members; m++) {
            const ml_member *member = &plan->populations[p].members[m];
            if (member->run != run->run || run->n_seeds == n_seeds) continue;
            run->population = &plan->populations[p];
            run->members[run->n_seeds] = member;
            run->outcomes[run->n_seeds++] = &outcomes[p][m];
        }
    ml_row_name(run->population, run->run, run->row, sizeof run->row);
    return IV_OK;
}

iv_status ml_table_create(const iv_spec *spec, const ml_plan *plan, ml_outcome *const *outcomes,
                          ml_table *table, iv_error *error) {
    const size_t n_seeds = iv_spec_length(iv_spec_root(spec), "seeds");
    *table = (ml_table){.runs = calloc(plan->expansion.n_runs, sizeof *table->runs)};
    iv_status status = table->runs ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for results");
    for (size_t i = 0; i < plan->expansion.n_runs && status == IV_OK; i++) {
        table->runs[i].run = &plan->expansion.runs[i];
        table->n_runs++;
        status = collect_run(plan, outcomes, n_seeds, &table->runs[i], error);
    }
    if (status != IV_OK) ml_table_clear(table);
    return status;
}

void ml_table_clear(ml_table *table) {
    for (size_t i = 0; i < table->n_runs; i++) {
        free(table->runs[i].outcomes);
        free(table->runs[i].members);
    }
    free(table->runs);
    memset(table, 0, sizeof *table);
}

/* ------------------------------------------------------------------ metrics */

/* The metrics that are one number. */
typedef enum {
    ACCURACY,
    ELBO,
    KL,
    CROSS_ENTROPY,
    BOUND,
    ROTATION,
    N_METRICS,
} metric;

static const char *const metric_names[N_METRICS] = {
    [ACCURACY] = "accuracy",
    [ELBO] = "elbo",
    [KL] = "kl",
    [CROSS_ENTROPY] = "cross_entropy",
    [BOUND] = "bound_per_sample",
    [ROTATION] = "rotation_degrees",
};

static double value_of(const ml_outcome *outcome, metric m) {
    const double values[N_METRICS] = {
        [ACCURACY] = outcome->accuracy,
        [ELBO] = outcome->elbo,
        [KL] = outcome->kl,
        [CROSS_ENTROPY] = outcome->cross_entropy,
        [BOUND] = outcome->bound_per_sample,
        [ROTATION] = outcome->rotation_degrees,
    };
    return values[m];
}

/* Minus the cross-entropy of a point estimate bounds nothing. */
static bool applies(const ml_run *run, metric m) {
    const ml_population *p = run->population;
    const bool applies_to[N_METRICS] = {
        [ACCURACY] = true,
        [ELBO] = !p->sgpr && !p->point,
        [KL] = !p->sgpr && !p->point,
        [CROSS_ENTROPY] = !p->sgpr,
        [BOUND] = p->sgpr,
        [ROTATION] = ml_rotates(run->members[0]),
    };
    return applies_to[m];
}

/* ------------------------------------------------------------------ runs and cells */

static iv_status add_run(const ml_run *run, size_t k, iv_results *results, iv_error *error) {
    const ml_outcome *o = run->outcomes[k];
    const ml_population *p = run->population;
    char model[STUDY_PATH];
    study_model_name(run->run, run->members[k]->seed, model);
    bool finite = o->diverged_from == 0;
    for (metric m = 0; m < N_METRICS; m++) finite &= !applies(run, m) || isfinite(value_of(o, m));
    iv_status status = iv_results_add_run(results, run->run->name, run->members[k]->seed,
                                          finite ? "done" : "diverged", model, error);
    for (metric m = 0; m < N_METRICS && status == IV_OK; m++)
        if (applies(run, m))
            status = iv_results_add_metric(results, metric_names[m], value_of(o, m), error);
    if (status == IV_OK && !p->sgpr)
        status = iv_results_add_metric_array(results, "eta", o->eta, IV_N_GENERATORS, error);
    return status;
}

static bool shown(const ml_run *run, metric m, bool rotations) {
    return (m == ACCURACY || m == ELBO || (m == ROTATION && rotations)) && applies(run, m);
}

static iv_status add_cells(const iv_spec *spec, const ml_run *run, bool rotations, double *values,
                           iv_results *results, iv_error *error) {
    iv_status status = IV_OK;
    for (metric m = 0; m < N_METRICS && status == IV_OK; m++) {
        if (!shown(run, m, rotations)) continue;
        double published, published_std;
        study_published(spec, run->row, run->column, metric_names[m], &published, &published_std);
        for (size_t k = 0; k < run->n_seeds; k++) values[k] = value_of(run->outcomes[k], m);
        status = iv_results_add_cell(results, run->row, run->column, metric_names[m], values,
                                     run->n_seeds, published, published_std, error);
    }
    return status;
}

iv_status ml_results_fill(const iv_spec *spec, const ml_table *table, iv_results *results,
                          iv_error *error) {
    double *values = malloc(iv_spec_length(iv_spec_root(spec), "seeds") * sizeof *values);
    iv_status status = values ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for results");
    bool rotations = false; /* are learned: worth a column */
    for (size_t i = 0; i < table->n_runs && status == IV_OK; i++) {
        const ml_run *run = &table->runs[i];
        rotations |= applies(run, ROTATION) && run->population->learns;
        for (size_t k = 0; k < run->n_seeds && status == IV_OK; k++)
            status = add_run(run, k, results, error);
    }
    for (size_t i = 0; i < table->n_runs && status == IV_OK; i++)
        status = add_cells(spec, &table->runs[i], rotations, values, results, error);
    free(values);
    return status;
}

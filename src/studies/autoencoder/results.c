/* Results of the autoencoder study: runs, and cells from the best of each column's alternatives. */
#include "studies/autoencoder/autoencoder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ the table of runs */

static iv_status collect_run(const ae_plan *plan, ae_outcome *const *outcomes, size_t n_seeds,
                             ae_run *run, iv_error *error) {
    run->column = run->run->column;
    run->outcomes = calloc(n_seeds, sizeof *run->outcomes);
    run->members = calloc(n_seeds, sizeof *run->members);
    if (!run->outcomes || !run->members)
        return iv_fail(error, IV_ENOMEM, "out of memory for results");
    for (size_t p = 0; p < plan->n_populations; p++)
        for (size_t m = 0; m < plan->populations[p].n_members; m++) {
            const ae_member *member = &plan->populations[p].members[m];
            if (member->run != run->run || run->n_seeds == n_seeds) continue;
            run->population = &plan->populations[p];
            run->members[run->n_seeds] = member;
            run->outcomes[run->n_seeds++] = &outcomes[p][m];
        }
    ae_row_name(run->population, run->run, run->row, sizeof run->row);
    return IV_OK;
}

/* A diverged seed counts as the worst of all. */
static double mean_training_loss(const ae_run *run) {
    double sum = 0;
    for (size_t k = 0; k < run->n_seeds; k++)
        sum += run->outcomes[k]->diverged_from > 0 ? INFINITY : run->outcomes[k]->training_loss;
    return isfinite(sum) ? sum / (double)run->n_seeds : INFINITY;
}

static bool alternatives(const ae_run *a, const ae_run *b) {
    return strcmp(a->column, b->column) == 0 && strcmp(a->row, b->row) == 0;
}

/* The first among equals, so that exactly one is chosen. */
static void choose(ae_table *table) {
    for (size_t i = 0; i < table->n_runs; i++) {
        ae_run *run = &table->runs[i];
        const double loss = mean_training_loss(run);
        run->chosen = true;
        for (size_t k = 0; k < table->n_runs; k++) {
            if (!alternatives(run, &table->runs[k])) continue;
            run->n_alternatives++;
            const double other = mean_training_loss(&table->runs[k]);
            if (other < loss || (other == loss && k < i)) run->chosen = false;
        }
    }
}

iv_status ae_table_create(const iv_spec *spec, const ae_plan *plan, ae_outcome *const *outcomes,
                          ae_table *table, iv_error *error) {
    const size_t n_seeds = iv_spec_length(iv_spec_root(spec), "seeds");
    *table = (ae_table){.runs = calloc(plan->expansion.n_runs, sizeof *table->runs)};
    iv_status status = table->runs ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for results");
    for (size_t i = 0; i < plan->expansion.n_runs && status == IV_OK; i++) {
        table->runs[i].run = &plan->expansion.runs[i];
        table->n_runs++;
        status = collect_run(plan, outcomes, n_seeds, &table->runs[i], error);
    }
    if (status == IV_OK)
        choose(table);
    else
        ae_table_clear(table);
    return status;
}

void ae_table_clear(ae_table *table) {
    for (size_t i = 0; i < table->n_runs; i++) {
        free(table->runs[i].outcomes);
        free(table->runs[i].members);
    }
    free(table->runs);
    memset(table, 0, sizeof *table);
}

double ae_run_mean(const ae_run *run, ae_metric metric) {
    double sum = 0;
    for (size_t k = 0; k < run->n_seeds; k++)
        sum += run->outcomes[k]->diverged_from > 0 ? NAN : run->outcomes[k]->test.values[metric];
    return sum / (double)run->n_seeds;
}

/* ------------------------------------------------------------------ runs and cells */

static iv_status add_run(const ae_run *run, size_t k, iv_results *results, iv_error *error) {
    const ae_outcome *o = run->outcomes[k];
    char model[STUDY_PATH];
    study_model_name(run->run, run->members[k]->seed, model);
    bool finite = o->diverged_from == 0;
    for (size_t i = 0; i < AE_N_METRICS; i++)
        finite &= !ae_applies(run->population, (ae_metric)i) || isfinite(o->test.values[i]);
    iv_status status = iv_results_add_run(results, run->run->name, run->members[k]->seed,
                                          finite ? "done" : "diverged", model, error);
    for (size_t i = 0; i < AE_N_METRICS && status == IV_OK; i++)
        if (ae_applies(run->population, (ae_metric)i))
            status = iv_results_add_metric(results, ae_metric_name((ae_metric)i), o->test.values[i],
                                           error);
    if (status == IV_OK)
        status = iv_results_add_metric(results, "training_loss", o->training_loss, error);
    return status;
}

static iv_status add_cells(const iv_spec *spec, const ae_run *run, double *values,
                           bool learning_rates, iv_results *results, iv_error *error) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < AE_N_METRICS && status == IV_OK; i++) {
        if (!ae_applies(run->population, (ae_metric)i)) continue;
        const char *name = ae_metric_name((ae_metric)i);
        double published, published_std;
        study_published(spec, run->row, run->column, name, &published, &published_std);
        for (size_t k = 0; k < run->n_seeds; k++) values[k] = run->outcomes[k]->test.values[i];
        status = iv_results_add_cell(results, run->row, run->column, name, values, run->n_seeds,
                                     published, published_std, error);
    }
    if (status != IV_OK || !learning_rates) return status;
    for (size_t k = 0; k < run->n_seeds; k++)
        values[k] = iv_spec_number(run->run->config, "training.learning_rate");
    return iv_results_add_cell(results, run->row, run->column, "learning_rate", values,
                               run->n_seeds, NAN, NAN, error);
}

iv_status ae_results_fill(const iv_spec *spec, const ae_table *table, iv_results *results,
                          iv_error *error) {
    double *values = malloc(iv_spec_length(iv_spec_root(spec), "seeds") * sizeof *values);
    iv_status status = values ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for results");
    bool learning_rates = false; /* were chosen: worth a column */
    for (size_t i = 0; i < table->n_runs && status == IV_OK; i++) {
        learning_rates |= table->runs[i].n_alternatives > 1;
        for (size_t k = 0; k < table->runs[i].n_seeds && status == IV_OK; k++)
            status = add_run(&table->runs[i], k, results, error);
    }
    for (size_t i = 0; i < table->n_runs && status == IV_OK; i++)
        if (table->runs[i].chosen)
            status = add_cells(spec, &table->runs[i], values, learning_rates, results, error);
    free(values);
    return status;
}

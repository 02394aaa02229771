/* From trained runs to results: runs with every metric, cells beside the published numbers,
 * claims. */
#include "experiment/experiment.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 128 };

/* ------------------------------------------------------------------ runs */

static size_t n_values(const iv_trained_runs *all, const iv_trained_run *run, size_t set,
                       size_t metric) {
    if (all->study->schema->metric(metric)->flags & IV_METRIC_CURVE_ONLY) return 0;
    return experiment_applies(all->study, run->population, run->members[0], set, metric, false);
}

static bool is_finite(const iv_trained_runs *all, const iv_trained_run *run, size_t k,
                      size_t n_sets) {
    if (run->diverged_from[k] > 0) return false;
    for (size_t s = 0; s < n_sets; s++)
        for (size_t m = 0; all->study->schema->metric(m); m++) {
            const double *values = run->values[k] + iv_value_index(all->study, s, m);
            for (size_t i = 0; i < n_values(all, run, s, m); i++)
                if (!isfinite(values[i])) return false;
        }
    return true;
}

static iv_status add_metric(const iv_trained_runs *all, const iv_trained_run *run, size_t k,
                            const char *prefix, size_t set, size_t metric, iv_results *results,
                            iv_error *error) {
    const iv_metric_def *def = all->study->schema->metric(metric);
    const size_t n = n_values(all, run, set, metric);
    const double *values = run->values[k] + iv_value_index(all->study, set, metric);
    char name[NAME_SIZE];
    iv_status status = IV_OK;
    if (n == 0) return IV_OK;
    snprintf(name, sizeof name, "%.63s%.63s", prefix, def->name);
    if (def->most == 0) return iv_results_add_metric(results, name, *values, error);
    if (!(def->flags & IV_METRIC_SEPARATE))
        return iv_results_add_metric_array(results, name, values, n, error);
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        snprintf(name, sizeof name, "%.63s%.40s.%zu", prefix, def->name, i);
        status = iv_results_add_metric(results, name, values[i], error);
    }
    return status;
}

static iv_status add_run(const iv_trained_runs *all, const iv_trained_run *run, size_t k,
                         iv_results *results, iv_error *error) {
    iv_metric_set sets[IV_MAX_SETS];
    const size_t n_sets = experiment_sets(all->study, run->population, sets);
    const iv_metric_def *def;
    char model[EXPERIMENT_PATH];
    experiment_model_name(run->members[k], model);
    iv_status status =
        iv_results_add_run(results, run->run->name, run->members[k]->seed,
                           is_finite(all, run, k, n_sets) ? "done" : "diverged", model, error);
    for (size_t s = 0; s < n_sets; s++)
        for (int arrays = 0; arrays < 2; arrays++) /* numbers first */
            for (size_t m = 0; (def = all->study->schema->metric(m)) && status == IV_OK; m++)
                if ((def->most > 0) == arrays)
                    status = add_metric(all, run, k, sets[s].prefix, s, m, results, error);
    return status;
}

/* ------------------------------------------------------------------ cells */

static void find_published(const iv_spec *spec, const char *row, const char *column,
                           const char *metric, double *mean, double *std) {
    const iv_node *root = iv_spec_root(spec);
    const size_t n = iv_spec_has(root, "published") ? iv_spec_length(root, "published") : 0;
    for (size_t i = 0; i < n; i++) {
        const iv_node *entry = iv_spec_element(root, "published", i);
        if (strcmp(iv_spec_string(entry, "row"), row) != 0 ||
            strcmp(iv_spec_string(entry, "run"), column) != 0 ||
            strcmp(iv_spec_string(entry, "metric"), metric) != 0)
            continue;
        *mean = iv_spec_number(entry, "mean");
        if (iv_spec_has(entry, "std")) *std = iv_spec_number(entry, "std");
    }
}

/* Nobody has published anything about images of the user's own. */
static bool is_of_own_images(const iv_study *study, const iv_population *population) {
    return study->data && study->data->is_unread && study->data->is_unread(population->setting);
}

iv_status iv_trained_add_cell(const iv_trained_runs *all, const iv_trained_run *run, size_t set,
                              size_t metric, const char *row, const char *column,
                              const char *published_row, iv_results *results, iv_error *error) {
    const iv_metric_def *def = all->study->schema->metric(metric);
    double published = NAN, published_std = NAN;
    if (published_row && !is_of_own_images(all->study, run->population))
        find_published(all->spec, published_row, column, def->name, &published, &published_std);
    double *values = malloc(run->n_seeds * sizeof *values);
    if (!values) return iv_fail(error, IV_ENOMEM, "out of memory for results");
    for (size_t k = 0; k < run->n_seeds; k++)
        values[k] = iv_trained_value(all, run, k, set, metric);
    const iv_status status = iv_results_add_cell(results, row, column, def->name, values,
                                                 run->n_seeds, published, published_std, error);
    free(values);
    return status;
}

/* The learning rate that was chosen, one for each seed as the other cells have. */
static iv_status add_learning_rate(const iv_trained_run *run, iv_results *results,
                                   iv_error *error) {
    double *values = malloc(run->n_seeds * sizeof *values);
    if (!values) return iv_fail(error, IV_ENOMEM, "out of memory for results");
    for (size_t k = 0; k < run->n_seeds; k++)
        values[k] = iv_member_number(run->members[k], "training.learning_rate");
    const iv_status status = iv_results_add_cell(results, run->row, run->column, "learning_rate",
                                                 values, run->n_seeds, NAN, NAN, error);
    free(values);
    return status;
}

/* Every number of set 0 of every chosen run. */
static iv_status add_cells(const iv_trained_runs *all, iv_results *results, iv_error *error) {
    bool (*const shown)(const iv_trained_runs *, const iv_trained_run *, size_t) =
        experiment_results(all->study).shown;
    bool rates = false; /* were chosen: worth a column */
    for (size_t i = 0; i < all->n; i++) rates |= all->runs[i].n_alternatives > 1;
    iv_status status = IV_OK;
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        const iv_trained_run *run = &all->runs[i];
        const iv_metric_def *def;
        if (!run->chosen) continue;
        for (size_t m = 0; (def = all->study->schema->metric(m)) && status == IV_OK; m++)
            if (def->most == 0 && n_values(all, run, 0, m) > 0 && (!shown || shown(all, run, m)))
                status = iv_trained_add_cell(all, run, 0, m, run->row, run->column, run->row,
                                             results, error);
        if (status == IV_OK && rates) status = add_learning_rate(run, results, error);
    }
    return status;
}

/* ------------------------------------------------------------------ all of it */

/* How every metric that results may hold is shown. */
static iv_status add_styles(const iv_study *study, iv_results *results, iv_error *error) {
    iv_status status = IV_OK;
    const iv_metric_def *def;
    for (size_t m = 0; (def = study->schema->metric(m)) && status == IV_OK; m++)
        if (!(def->flags & IV_METRIC_CURVE_ONLY))
            status = iv_results_add_style(results, def->name, def->label, def->doc,
                                          def->scale == 0 ? 1 : def->scale, def->decimals, error);
    if (status == IV_OK && experiment_results(study).cost)
        status = iv_results_add_style(results, "learning_rate", "Learning rate",
                                      "the one that was chosen among those tried", 1, -1, error);
    return status;
}

iv_status iv_trained_fill(const iv_trained_runs *all, iv_results *results, iv_error *error) {
    const iv_study *study = all->study;
    const iv_study_results own = experiment_results(study);
    iv_status status = add_styles(study, results, error);
    for (size_t i = 0; i < all->n && status == IV_OK; i++)
        for (size_t k = 0; k < all->runs[i].n_seeds && status == IV_OK; k++)
            status = add_run(all, &all->runs[i], k, results, error);
    if (status == IV_OK) status = (own.add_cells ? own.add_cells : add_cells)(all, results, error);
    if (status == IV_OK && own.add_claims) status = own.add_claims(all, results, error);
    return status;
}

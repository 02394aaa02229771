/* Results of the regularization study: metrics a run, cells beside the published numbers, claims.
 */
#include "studies/regularization/regularization.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_METRICS = 5, NAME_SIZE = 128 };

static const char *const metric_names[N_METRICS] = {"accuracy", "li", "di", "si",
                                                    "sigma_max_jacobian"};

static double metric(const reg_metrics *m, size_t i) {
    const double values[N_METRICS] = {m->accuracy, m->li, m->di, m->si, m->sigma_max_jacobian};
    return values[i];
}

static bool metric_wanted(const reg_plan *plan, size_t i) {
    const bool wanted[N_METRICS] = {plan->accuracy, plan->li, plan->di, plan->si,
                                    plan->sigma_max_jacobian};
    return wanted[i];
}

/* One expanded run with its outcomes, one a seed. */
typedef struct {
    const iv_spec_run *run;
    const reg_population *population; /* a population that holds it */
    const reg_outcome **outcomes;     /* [n_seeds] */
    const reg_member **members;
    size_t n_seeds;
} run_outcomes;

typedef struct {
    const iv_spec *spec;
    const reg_plan *plan;
    run_outcomes *runs; /* [n_runs], in the expansion's order */
    size_t n_runs;
    double *values; /* scratch, [most seeds] */
    iv_results *results;
    iv_error *error;
} filling;

/* ------------------------------------------------------------------ which images */

/* Test images, or number i - 1 of the drift sets. */
static const reg_metrics *metrics_on(const reg_outcome *outcome, size_t set) {
    return set == 0 ? &outcome->test : &outcome->drift[set - 1];
}

static size_t image_sets(const run_outcomes *r, const char *names[1 + REG_MAX_DRIFT]) {
    names[0] = NULL;
    return 1 + reg_drift_sets(r->run->config, r->population->dataset, names + 1);
}

static double mean(const run_outcomes *r, size_t set, size_t i) {
    double sum = 0;
    for (size_t k = 0; k < r->n_seeds; k++) sum += metric(metrics_on(r->outcomes[k], set), i);
    return sum / (double)r->n_seeds;
}

static double worst(const run_outcomes *r, size_t set, size_t i, bool largest) {
    double found = metric(metrics_on(r->outcomes[0], set), i);
    for (size_t k = 1; k < r->n_seeds; k++) {
        const double value = metric(metrics_on(r->outcomes[k], set), i);
        if (largest ? value > found : value < found) found = value;
    }
    return found;
}

/* ------------------------------------------------------------------ runs */

static bool finite_outcome(const reg_outcome *o, const reg_plan *plan) {
    for (size_t i = 0; i < N_METRICS; i++)
        if (metric_wanted(plan, i) && !isfinite(metric(&o->test, i))) return false;
    return true;
}

static iv_status add_set(filling *f, const reg_metrics *m, const char *prefix) {
    iv_status status = IV_OK;
    char name[NAME_SIZE];
    for (size_t i = 0; i < N_METRICS && status == IV_OK; i++) {
        if (!metric_wanted(f->plan, i)) continue;
        snprintf(name, sizeof name, "%s%s", prefix, metric_names[i]);
        status = iv_results_add_metric(f->results, name, metric(m, i), f->error);
    }
    if (status == IV_OK && f->plan->jacobian_spectrum) {
        snprintf(name, sizeof name, "%sjacobian_spectrum", prefix);
        status = iv_results_add_metric_array(f->results, name, m->jacobian_spectrum, REG_CLASSES,
                                             f->error);
    }
    return status;
}

static iv_status add_run(filling *f, const run_outcomes *r, size_t k) {
    const reg_outcome *o = r->outcomes[k];
    char model[512], name[NAME_SIZE];
    snprintf(model, sizeof model, "models/%s-seed%u.safetensors", r->run->name,
             r->members[k]->seed);
    iv_status status =
        iv_results_add_run(f->results, r->run->name, r->members[k]->seed,
                           finite_outcome(o, f->plan) ? "done" : "diverged", model, f->error);
    if (status == IV_OK) status = add_set(f, &o->test, "");
    if (status == IV_OK && r->population->n_validation > 0)
        status = add_set(f, &o->validation, "validation.");
    for (size_t l = 0; l < r->population->layers && status == IV_OK && f->plan->sigma_max; l++) {
        snprintf(name, sizeof name, "sigma_max.%zu", l);
        status = iv_results_add_metric(f->results, name, o->sigma_max[l], f->error);
    }
    const char *sets[1 + REG_MAX_DRIFT];
    const size_t n_sets = image_sets(r, sets);
    for (size_t s = 1; s < n_sets && status == IV_OK; s++) {
        snprintf(name, sizeof name, "drift.%s.", sets[s]);
        status = add_set(f, &o->drift[s - 1], name);
    }
    return status;
}

/* ------------------------------------------------------------------ cells */

static void published(const filling *f, const run_outcomes *r, size_t set, const char *column,
                      const char *metric_name, double *value, double *std) {
    char row[NAME_SIZE];
    *value = *std = NAN;
    if (set > 0 || *r->run->variant || strcmp(column, r->run->base) != 0) return;
    reg_row_name(r->population, row, sizeof row);
    study_published(f->spec, row, column, metric_name, value, std);
}

static iv_status add_cells(filling *f, const run_outcomes *r, const char *column) {
    const char *sets[1 + REG_MAX_DRIFT];
    const size_t n_sets = image_sets(r, sets);
    iv_status status = IV_OK;
    for (size_t s = 0; s < n_sets; s++) {
        char group[64], row[256];
        reg_row_name(r->population, group, sizeof group);
        snprintf(row, sizeof row, "%s%s%s%s%s", group, *r->run->variant ? " " : "", r->run->variant,
                 s > 0 ? " on " : "", s > 0 ? sets[s] : "");
        for (size_t i = 0; i < N_METRICS && status == IV_OK; i++) {
            if (!metric_wanted(f->plan, i)) continue;
            double value, std;
            published(f, r, s, column, metric_names[i], &value, &std);
            for (size_t k = 0; k < r->n_seeds; k++)
                f->values[k] = metric(metrics_on(r->outcomes[k], s), i);
            status = iv_results_add_cell(f->results, row, column, metric_names[i], f->values,
                                         r->n_seeds, value, std, f->error);
        }
    }
    return status;
}

/* The run that stands for all runs of its base: the smallest nu that reaches what `select` asks
 * for, the one that comes nearest if none does. Without `select`, the run itself if there is no
 * other. */
static const run_outcomes *selected(const filling *f, const run_outcomes *first, bool *reached) {
    const run_outcomes *best = NULL;
    const iv_node *config = first->run->config;
    size_t n_alike = 0;
    double best_value = -INFINITY;
    *reached = false;
    for (size_t i = 0; i < f->n_runs; i++) {
        const run_outcomes *r = &f->runs[i];
        if (r->run->configuration != first->run->configuration ||
            r->run->base_index != first->run->base_index)
            continue;
        n_alike++;
        if (!iv_spec_has(config, "run.select")) {
            best = r;
            continue;
        }
        const bool by_accuracy =
            strcmp(iv_spec_string(config, "run.select.metric"), "accuracy") == 0;
        double value = 0;
        for (size_t k = 0; k < r->n_seeds; k++)
            value += metric(&r->outcomes[k]->validation, by_accuracy ? 0 : 3);
        value /= (double)r->n_seeds;
        const bool reaches = value >= iv_spec_number(config, "run.select.at_least");
        const bool better = reaches ? !*reached || r->members[0]->nu < best->members[0]->nu
                                    : !*reached && value > best_value;
        if (better) {
            best = r;
            best_value = value;
        }
        *reached = *reached || reaches;
    }
    if (iv_spec_has(config, "run.select")) return best;
    *reached = true;
    return n_alike == 1 ? best : NULL;
}

/* ------------------------------------------------------------------ claims */

static const run_outcomes *find(const filling *f, const run_outcomes *like, reg_method method) {
    for (size_t i = 0; i < f->n_runs; i++) {
        const run_outcomes *r = &f->runs[i];
        bool reached;
        if (r->run->configuration == like->run->configuration && r->population->method == method &&
            (i == 0 || r->run->base_index != f->runs[i - 1].run->base_index ||
             r->run->configuration != f->runs[i - 1].run->configuration))
            return selected(f, r, &reached);
    }
    return NULL;
}

enum { ACCURACY, LI, DI, SI, SIGMA };

static iv_status claim_tied(filling *f, const run_outcomes *wt, const char *where) {
    char claim[256];
    snprintf(claim, sizeof claim, "Weight-tying is invariant by construction%s.", where);
    const double li = worst(wt, 0, LI, true), si = worst(wt, 0, SI, false);
    return iv_results_add_claim(f->results, claim, li < 1e-8 && si > 0.9999, f->error,
                                "over %zu seeds, LI is at most %.3g (below 1e-8 asked) and SI at "
                                "least %.6f (above 0.9999 asked)",
                                wt->n_seeds, li, si);
}

static iv_status claim_augmented(filling *f, const run_outcomes *wt, const run_outcomes *da,
                                 const char *where) {
    char claim[256];
    snprintf(claim, sizeof claim,
             "Augmentation is about as accurate as weight-tying without being invariant%s.", where);
    const double gap = mean(wt, 0, ACCURACY) - mean(da, 0, ACCURACY);
    return iv_results_add_claim(
        f->results, claim, gap < 0.02 && mean(da, 0, LI) > 1 && mean(da, 0, SI) < 0.9, f->error,
        "%s: accuracy %.2f%%, LI %.3g, SI %.3f; %s: accuracy %.2f%%, LI %.3g, SI %.3f",
        da->run->name, 100 * mean(da, 0, ACCURACY), mean(da, 0, LI), mean(da, 0, SI), wt->run->name,
        100 * mean(wt, 0, ACCURACY), mean(wt, 0, LI), mean(wt, 0, SI));
}

static iv_status claim_regularized(filling *f, const run_outcomes *da, const run_outcomes *ir,
                                   const char *where) {
    char claim[256];
    snprintf(claim, sizeof claim,
             "Regularization makes the network invariant (SI at least 0.95) and costs accuracy%s.",
             where);
    return iv_results_add_claim(
        f->results, claim, mean(ir, 0, SI) >= 0.95 && mean(ir, 0, ACCURACY) < mean(da, 0, ACCURACY),
        f->error, "%s: SI %.4f, LI %.3g, accuracy %.2f%%; %s: SI %.3f, LI %.3g, accuracy %.2f%%",
        ir->run->name, mean(ir, 0, SI), mean(ir, 0, LI), 100 * mean(ir, 0, ACCURACY), da->run->name,
        mean(da, 0, SI), mean(da, 0, LI), 100 * mean(da, 0, ACCURACY));
}

static iv_status claim_spectral_decay(filling *f, const run_outcomes *da, const run_outcomes *ir,
                                      const char *where) {
    char claim[256];
    snprintf(claim, sizeof claim,
             "Regularization reduces the sensitivity to any input perturbation%s.", where);
    return iv_results_add_claim(f->results, claim, mean(ir, 0, SIGMA) < mean(da, 0, SIGMA),
                                f->error, "mean sigma_max(J): %s %.4g, %s %.4g", ir->run->name,
                                mean(ir, 0, SIGMA), da->run->name, mean(da, 0, SIGMA));
}

static iv_status claim_drift(filling *f, const run_outcomes *da, size_t set, const char *name,
                             const char *where) {
    char claim[256];
    snprintf(claim, sizeof claim, "Invariance learned by augmentation does not carry over to %s%s.",
             name, where);
    return iv_results_add_claim(
        f->results, claim, mean(da, set, DI) > mean(da, 0, DI), f->error,
        "%s: DI %.3g on %s, %.3g on the test set; LI %.3g and %.3g; SI %.3f and %.3f",
        da->run->name, mean(da, set, DI), name, mean(da, 0, DI), mean(da, set, LI), mean(da, 0, LI),
        mean(da, set, SI), mean(da, 0, SI));
}

/* What the paper claims, for one configuration of the spec. */
static iv_status add_claims(filling *f, const run_outcomes *any) {
    const run_outcomes *wt = find(f, any, REG_WEIGHT_TYING);
    const run_outcomes *da = find(f, any, REG_AUGMENTATION);
    const run_outcomes *ir = find(f, any, REG_REGULARIZATION);
    char where[128] = "";
    if (*any->run->variant) snprintf(where, sizeof where, " (%s)", any->run->variant);
    const bool invariance = f->plan->li && f->plan->si && f->plan->accuracy;
    iv_status status = IV_OK;
    if (wt && f->plan->li && f->plan->si) status = claim_tied(f, wt, where);
    if (status == IV_OK && wt && da && invariance) status = claim_augmented(f, wt, da, where);
    if (status == IV_OK && da && ir && invariance) status = claim_regularized(f, da, ir, where);
    if (status == IV_OK && da && ir && f->plan->sigma_max_jacobian)
        status = claim_spectral_decay(f, da, ir, where);
    const char *sets[1 + REG_MAX_DRIFT];
    const size_t n_sets = da && f->plan->di ? image_sets(da, sets) : 0;
    for (size_t s = 1; s < n_sets && status == IV_OK; s++)
        status = claim_drift(f, da, s, sets[s], where);
    return status;
}

/* ------------------------------------------------------------------ all of it */

static iv_status collect(filling *f, reg_outcome *const *outcomes) {
    const reg_plan *plan = f->plan;
    const size_t n_seeds = iv_spec_length(iv_spec_root(f->spec), "seeds");
    f->n_runs = plan->expansion.n_runs;
    f->runs = calloc(f->n_runs, sizeof *f->runs);
    f->values = malloc(n_seeds * sizeof *f->values);
    if (!f->runs || !f->values) return iv_fail(f->error, IV_ENOMEM, "out of memory for results");
    for (size_t i = 0; i < f->n_runs; i++) {
        run_outcomes *r = &f->runs[i];
        r->run = &plan->expansion.runs[i];
        r->outcomes = calloc(n_seeds, sizeof *r->outcomes);
        r->members = calloc(n_seeds, sizeof *r->members);
        if (!r->outcomes || !r->members)
            return iv_fail(f->error, IV_ENOMEM, "out of memory for results");
        for (size_t p = 0; p < plan->n_populations; p++)
            for (size_t m = 0; m < plan->populations[p].n_members; m++) {
                if (plan->populations[p].members[m].run != r->run) continue;
                r->population = &plan->populations[p];
                r->outcomes[r->n_seeds] = &outcomes[p][m];
                r->members[r->n_seeds++] = &plan->populations[p].members[m];
            }
    }
    return IV_OK;
}

iv_status reg_results_fill(const iv_spec *spec, const reg_plan *plan, reg_outcome *const *outcomes,
                           iv_results *results, iv_error *error) {
    filling f = {.spec = spec, .plan = plan, .results = results, .error = error};
    iv_status status = collect(&f, outcomes);
    for (size_t i = 0; i < f.n_runs && status == IV_OK; i++)
        for (size_t k = 0; k < f.runs[i].n_seeds && status == IV_OK; k++)
            status = add_run(&f, &f.runs[i], k);

    for (size_t i = 0; i < f.n_runs && status == IV_OK; i++) {
        const run_outcomes *r = &f.runs[i], *before = i > 0 ? r - 1 : NULL;
        const bool new_base = !before || before->run->base_index != r->run->base_index ||
                              before->run->configuration != r->run->configuration;
        bool reached;
        const run_outcomes *chosen = new_base ? selected(&f, r, &reached) : NULL;
        if (chosen) status = add_cells(&f, chosen, r->run->base);
        if (status == IV_OK && strcmp(r->run->base, r->run->name) != 0 &&
            iv_spec_has(r->run->config, "run.select"))
            status = add_cells(&f, r, r->run->name);
    }
    for (size_t i = 0; i < f.n_runs && status == IV_OK; i++)
        if (i == 0 || f.runs[i].run->configuration != f.runs[i - 1].run->configuration)
            status = add_claims(&f, &f.runs[i]);

    for (size_t i = 0; i < f.n_runs && f.runs; i++) {
        free(f.runs[i].outcomes);
        free(f.runs[i].members);
    }
    free(f.runs);
    free(f.values);
    return status;
}

/* What Moskalev et al. 2023 claim, for each configuration of a spec. */
#include "studies/regularization/regularization.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    const iv_trained_runs *all;
    iv_results *results;
    iv_error *error;
} claiming;

/* ------------------------------------------------------------------ runs */

static double mean(const claiming *c, const iv_trained_run *run, size_t set, reg_metric metric) {
    return iv_trained_mean(c->all, run, set, metric);
}

static double tested(const claiming *c, const iv_trained_run *run, reg_metric metric) {
    return mean(c, run, REG_TEST, metric);
}

/* On test images: the largest or smallest over seeds. */
static double worst(const claiming *c, const iv_trained_run *run, reg_metric metric, bool largest) {
    double found = iv_trained_value(c->all, run, 0, REG_TEST, metric);
    for (size_t k = 1; k < run->n_seeds; k++) {
        const double value = iv_trained_value(c->all, run, k, REG_TEST, metric);
        if (largest ? value > found : value < found) found = value;
    }
    return found;
}

/* The run of a method in a configuration, of those that differ in nu the selected one. */
static const iv_trained_run *find(const claiming *c, const iv_trained_run *like,
                                  reg_method method) {
    for (size_t i = 0; i < c->all->n; i++) {
        const iv_trained_run *run = &c->all->runs[i];
        bool reached;
        if (run->run->configuration == like->run->configuration &&
            reg_setting_of(run->population)->method == method && reg_first_of_base(c->all, i))
            return reg_selected(c->all, run, &reached);
    }
    return NULL;
}

/* ------------------------------------------------------------------ claims */

static iv_status claim_tied(const claiming *c, const iv_trained_run *wt, const char *where) {
    char claim[256];
    snprintf(claim, sizeof claim, "Weight-tying is invariant by construction%s.", where);
    const double li = worst(c, wt, REG_LI, true), si = worst(c, wt, REG_SI, false);
    return iv_results_add_claim(c->results, claim, li < 1e-8 && si > 0.9999, c->error,
                                "over %zu seeds, LI is at most %.3g (below 1e-8 asked) and SI at "
                                "least %.6f (above 0.9999 asked)",
                                wt->n_seeds, li, si);
}

static iv_status claim_augmented(const claiming *c, const iv_trained_run *wt,
                                 const iv_trained_run *da, const char *where) {
    char claim[256];
    snprintf(claim, sizeof claim,
             "Augmentation is about as accurate as weight-tying without being invariant%s.", where);
    const double gap = tested(c, wt, REG_ACCURACY) - tested(c, da, REG_ACCURACY);
    return iv_results_add_claim(
        c->results, claim, gap < 0.02 && tested(c, da, REG_LI) > 1 && tested(c, da, REG_SI) < 0.9,
        c->error, "%s: accuracy %.2f%%, LI %.3g, SI %.3f; %s: accuracy %.2f%%, LI %.3g, SI %.3f",
        da->run->name, 100 * tested(c, da, REG_ACCURACY), tested(c, da, REG_LI),
        tested(c, da, REG_SI), wt->run->name, 100 * tested(c, wt, REG_ACCURACY),
        tested(c, wt, REG_LI), tested(c, wt, REG_SI));
}

static iv_status claim_regularized(const claiming *c, const iv_trained_run *da,
                                   const iv_trained_run *ir, const char *where) {
    char claim[256];
    snprintf(claim, sizeof claim,
             "Regularization makes the network invariant (SI at least 0.95) and costs accuracy%s.",
             where);
    return iv_results_add_claim(
        c->results, claim,
        tested(c, ir, REG_SI) >= 0.95 && tested(c, ir, REG_ACCURACY) < tested(c, da, REG_ACCURACY),
        c->error, "%s: SI %.4f, LI %.3g, accuracy %.2f%%; %s: SI %.3f, LI %.3g, accuracy %.2f%%",
        ir->run->name, tested(c, ir, REG_SI), tested(c, ir, REG_LI),
        100 * tested(c, ir, REG_ACCURACY), da->run->name, tested(c, da, REG_SI),
        tested(c, da, REG_LI), 100 * tested(c, da, REG_ACCURACY));
}

static iv_status claim_spectral_decay(const claiming *c, const iv_trained_run *da,
                                      const iv_trained_run *ir, const char *where) {
    char claim[256];
    snprintf(claim, sizeof claim,
             "Regularization reduces the sensitivity to any input perturbation%s.", where);
    return iv_results_add_claim(
        c->results, claim, tested(c, ir, REG_SIGMA_JACOBIAN) < tested(c, da, REG_SIGMA_JACOBIAN),
        c->error, "mean sigma_max(J): %s %.4g, %s %.4g", ir->run->name,
        tested(c, ir, REG_SIGMA_JACOBIAN), da->run->name, tested(c, da, REG_SIGMA_JACOBIAN));
}

static iv_status claim_drift(const claiming *c, const iv_trained_run *da, size_t set,
                             const char *name, const char *where) {
    char claim[256];
    snprintf(claim, sizeof claim, "Invariance learned by augmentation does not carry over to %s%s.",
             name, where);
    return iv_results_add_claim(
        c->results, claim, mean(c, da, set, REG_DI) > tested(c, da, REG_DI), c->error,
        "%s: DI %.3g on %s, %.3g on the test set; LI %.3g and %.3g; SI %.3f and %.3f",
        da->run->name, mean(c, da, set, REG_DI), name, tested(c, da, REG_DI),
        mean(c, da, set, REG_LI), tested(c, da, REG_LI), mean(c, da, set, REG_SI),
        tested(c, da, REG_SI));
}

/* Whether a run's spec asks for a metric. */
static bool has(const iv_trained_run *run, reg_metric metric) {
    return reg_sets.applies(run->population, run->members[0], REG_TEST, metric, false) > 0;
}

static iv_status add_claims(const claiming *c, const iv_trained_run *any) {
    const iv_trained_run *wt = find(c, any, REG_WEIGHT_TYING);
    const iv_trained_run *da = find(c, any, REG_AUGMENTATION);
    const iv_trained_run *ir = find(c, any, REG_REGULARIZATION);
    char where[128] = "";
    if (*any->run->variant) snprintf(where, sizeof where, " (%s)", any->run->variant);
    const bool invariance = has(any, REG_LI) && has(any, REG_SI);
    const bool accuracy = invariance && has(any, REG_ACCURACY);
    iv_status status = IV_OK;
    if (wt && invariance) status = claim_tied(c, wt, where);
    if (status == IV_OK && wt && da && accuracy) status = claim_augmented(c, wt, da, where);
    if (status == IV_OK && da && ir && accuracy) status = claim_regularized(c, da, ir, where);
    if (status == IV_OK && da && ir && has(any, REG_SIGMA_JACOBIAN))
        status = claim_spectral_decay(c, da, ir, where);
    const reg_setting *s = da && has(da, REG_DI) ? reg_setting_of(da->population) : NULL;
    for (size_t i = 0; s && i < s->n_drift && status == IV_OK; i++)
        status = claim_drift(c, da, REG_DRIFT + i, s->drift[i], where);
    return status;
}

iv_status reg_add_claims(const iv_trained_runs *all, iv_results *results, iv_error *error) {
    const claiming c = {all, results, error};
    iv_status status = IV_OK;
    for (size_t i = 0; i < all->n && status == IV_OK; i++)
        if (i == 0 || all->runs[i].run->configuration != all->runs[i - 1].run->configuration)
            status = add_claims(&c, &all->runs[i]);
    return status;
}

/* Metrics of the marginal-likelihood study: what they are and where they apply. A metric is one
 * row. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <math.h>

typedef struct {
    iv_metric_def def;
    bool (*has)(const iv_population *population, const iv_member *member);
    void (*take)(const ml_numbers *numbers, double *values);
} row;

/* ------------------------------------------------------------------ where they apply */

static bool always(const iv_population *p, const iv_member *member) {
    (void)p;
    (void)member;
    return true;
}

static bool is_network(const iv_population *p, const iv_member *member) {
    (void)member;
    return !ml_setting_of(p)->sgpr;
}

static bool is_regression(const iv_population *p, const iv_member *member) {
    (void)member;
    return ml_setting_of(p)->sgpr;
}

/* Minus the cross-entropy of a point estimate bounds nothing. */
static bool is_variational(const iv_population *p, const iv_member *member) {
    return is_network(p, member) && !ml_setting_of(p)->point;
}

static bool learns_alpha(const iv_population *p, const iv_member *member) {
    return is_variational(p, member) && ml_setting_of(p)->alpha_rate > 0;
}

static bool learns_sigma(const iv_population *p, const iv_member *member) {
    return is_network(p, member) && ml_setting_of(p)->sigma_rate > 0;
}

static bool rotates(const iv_population *p, const iv_member *member) {
    return is_network(p, member) && ml_rotates(member);
}

/* ------------------------------------------------------------------ from what was measured */

static void accuracy(const ml_numbers *n, double *value) {
    *value = n->accuracy;
}

static void elbo(const ml_numbers *n, double *value) {
    *value = -(n->cross_entropy + n->kl / n->n_train);
}

static void kl(const ml_numbers *n, double *value) {
    *value = n->kl;
}

static void cross_entropy(const ml_numbers *n, double *value) {
    *value = n->cross_entropy;
}

static void bound(const ml_numbers *n, double *value) {
    *value = n->bound / n->n_train;
}

static void elbo_estimate(const ml_numbers *n, double *value) {
    *value = -(n->batch_loss + n->batch_kl / n->n_train);
}

static void eta(const ml_numbers *n, double *values) {
    for (size_t i = 0; i < IV_N_GENERATORS; i++) values[i] = (double)n->eta[i];
}

static void degrees(const ml_numbers *n, double *value) {
    *value = ml_degrees((double)n->eta[ML_ROTATION]);
}

static void alpha(const ml_numbers *n, double *value) {
    *value = (double)n->alpha;
}

static void sigma(const ml_numbers *n, double *value) {
    *value = (double)n->sigma;
}

double ml_degrees(double radians) {
    return fabs(radians) * 57.29577951308232;
}

/* ------------------------------------------------------------------ all of them */

/* Rows that other files name, in the order of ml_metric; others follow. */
static const row rows[] = {
    [ML_ACCURACY] = {{"accuracy", "Acc. (%)", 100, 1, IV_METRIC_PUBLISHED | IV_METRIC_END_ONLY,
                      "[0, 1]", .doc = "share of the test set that is classified rightly"},
                     always,
                     accuracy},
    [ML_ELBO] = {{"elbo", "ELBO", 1, 2, IV_METRIC_PUBLISHED | IV_METRIC_END_ONLY, "(-inf, 0]",
                  .doc = "lower bound of the log marginal likelihood, per training sample: "
                         "-(cross_entropy + kl / N)"},
                 is_variational,
                 elbo},
    [ML_KL] = {{"kl", "KL", 1, -1, IV_METRIC_END_ONLY,
                .doc = "divergence of the output layer's posterior from its prior, in all"},
               is_variational,
               kl},
    [ML_CROSS_ENTROPY] = {{"cross_entropy", "Cross-entropy", 1, -1, IV_METRIC_END_ONLY,
                           .doc = "mean over the training set, with sampled output weights"},
                          is_network,
                          cross_entropy},
    [ML_BOUND] = {{"bound_per_sample", "Bound per sample", 1, 2, IV_METRIC_END_ONLY,
                   .doc = "bound of a regression's log marginal likelihood, per training sample"},
                  is_regression,
                  bound},
    [ML_ELBO_ESTIMATE] = {{"elbo_estimate", "ELBO of a batch", 1, -1,
                           IV_METRIC_CURVE_ONLY | IV_METRIC_AFTER_STEP,
                           .doc = "minus the loss of the last batch"},
                          is_network,
                          elbo_estimate},
    [ML_ETA_VALUES] = {{"eta", "eta", 1, -1, IV_METRIC_FLOAT, .most = IV_N_GENERATORS,
                        .doc = "degree of each generator's invariance: translation x and y, "
                               "rotation, scale x and y, shear"},
                       is_network,
                       eta},
    [ML_DEGREES] = {{"rotation_degrees", "Rotation (°)", 1, 0, 0,
                     .doc = "eta of rotation in degrees, without its sign"},
                    rotates,
                    degrees},
    [ML_ALPHA] = {{"alpha", "alpha", 1, 1, IV_METRIC_FLOAT,
                   .doc = "variance of the output weights' prior, where it is learned"},
                  learns_alpha,
                  alpha},
    [ML_SIGMA] = {{"sigma", "sigma", 1, 2, IV_METRIC_FLOAT,
                   .doc = "standard deviation of random features' weights, where it is learned"},
                  learns_sigma,
                  sigma},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

const iv_metric_def *ml_metric_def(size_t metric) {
    return metric < N_ROWS ? &rows[metric].def : NULL;
}

static size_t sets_of(const iv_population *population, iv_metric_set sets[IV_MAX_SETS]) {
    (void)population;
    sets[0] = (iv_metric_set){"", IV_SPLIT_TRAIN}; /* what is logged is of the training */
    return 1;
}

static size_t applies(const iv_population *p, const iv_member *member, size_t set, size_t metric,
                      bool curve) {
    (void)set;
    (void)curve;
    const size_t most = rows[metric].def.most;
    return !rows[metric].has(p, member) ? 0 : most > 0 ? most : 1;
}

void ml_take(const iv_population *p, const iv_member *member, const ml_numbers *numbers,
             double *values) {
    for (size_t i = 0; i < N_ROWS; i++)
        if (rows[i].has(p, member)) rows[i].take(numbers, values + iv_value_index(&ml_study, 0, i));
}

/* Tables show the rotation where some run learns one. */
bool ml_shown(const iv_trained_runs *all, const iv_trained_run *run, size_t metric) {
    (void)run;
    if (metric == ML_ALPHA || metric == ML_SIGMA) return true;
    if (metric != ML_DEGREES) return metric == ML_ACCURACY || metric == ML_ELBO;
    for (size_t i = 0; i < all->n; i++)
        if (ml_setting_of(all->runs[i].population)->learns && ml_rotates(all->runs[i].members[0]))
            return true;
    return false;
}

const iv_study_sets ml_sets = {.sets = sets_of, .applies = applies};

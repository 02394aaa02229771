/* Metrics of the regularization study: what they are, where they apply, how they follow from an
 * orbit. A metric is one row. */
#include "studies/regularization/regularization.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    iv_metric_def def;
    iv_orbit_metric *of_orbit; /* NULL: not of orbits */
} row;

enum { PAPER = IV_METRIC_PUBLISHED | IV_METRIC_ASKED };

/* Rows that other files name, in the order of reg_metric; others follow. */
static const row rows[] = {
    [REG_ACCURACY] = {{"accuracy", "Acc. (%)", 100, 1, PAPER, "[0, 1]", .doc = IV_DOC_ACCURACY},
                      iv_metric_accuracy},
    [REG_LI] = {{"li", "LI", 1, 2, PAPER, .doc = IV_DOC_LI}, iv_metric_logit_invariance},
    [REG_DI] = {{"di", "DI", 1, 2, PAPER, .doc = IV_DOC_DI}, iv_metric_distribution_invariance},
    [REG_SI] = {{"si", "SI", 1, 2, PAPER, .doc = IV_DOC_SI}, iv_metric_saliency_invariance},
    [REG_SIGMA_JACOBIAN] = {{"sigma_max_jacobian", "σmax(J)", 1, 2, PAPER,
                             .doc = IV_DOC_SIGMA_JACOBIAN}},
    [REG_SPECTRUM] = {{"jacobian_spectrum", "Spectrum of J", 1, -1,
                       IV_METRIC_ASKED | IV_METRIC_END_ONLY, .most = REG_MOST_CLASSES,
                       .doc = IV_DOC_SPECTRUM}},
    [REG_LOSS] = {IV_METRIC_LOSS},
    [REG_SIGMA_MAX] = {{"sigma_max", "σmax(W)", 1, -1, IV_METRIC_ASKED | IV_METRIC_SEPARATE,
                        .most = REG_MAX_LAYERS,
                        .doc = "largest singular value of each layer's weights, first layer "
                               "first"}},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

iv_orbit_metric *reg_orbit_metric(size_t metric) {
    return rows[metric].of_orbit;
}

const iv_metric_def *reg_metric_def(size_t metric) {
    return metric < N_ROWS ? &rows[metric].def : NULL;
}

static size_t sets_of(const iv_population *p, iv_metric_set sets[IV_MAX_SETS]) {
    const reg_setting *s = reg_setting_of(p);
    sets[REG_TEST] = (iv_metric_set){"", IV_SPLIT_UNLOGGED};
    sets[REG_VALIDATION] = (iv_metric_set){"validation.", s->n_validation > 0 ? IV_SPLIT_VALIDATION
                                                                              : IV_SPLIT_UNLOGGED};
    sets[REG_WEIGHTS] = (iv_metric_set){"", IV_SPLIT_TRAIN};
    for (size_t i = 0; i < s->n_drift; i++) {
        sets[REG_DRIFT + i].split = IV_SPLIT_UNLOGGED;
        snprintf(sets[REG_DRIFT + i].prefix, sizeof sets->prefix, "drift.%s.", s->drift[i]);
    }
    return REG_DRIFT + s->n_drift;
}

/* Numbers of a set of images, or of the weights and the training. */
static size_t applies(const iv_population *p, const iv_member *member, size_t set, size_t metric,
                      bool curve) {
    const reg_setting *s = reg_setting_of(p);
    const bool asked = iv_spec_lists(p->config, "metrics.names", rows[metric].def.name);
    (void)member;
    if (set == REG_WEIGHTS)
        return metric == REG_SIGMA_MAX ? (asked ? s->layers : 0) : metric == REG_LOSS;
    if (metric == REG_SIGMA_MAX || !asked) return 0;
    if (set == REG_VALIDATION && s->n_validation == 0) return 0;
    if (curve && metric == REG_SIGMA_JACOBIAN && !s->jacobians_along) return 0;
    return metric == REG_SPECTRUM ? s->images.n_classes : 1;
}

const iv_study_sets reg_sets = {.sets = sets_of, .applies = applies};

/* What the marginal-likelihood study measures (van der Ouderaa and van der Wilk 2022). */
#include "studies/schemas.h"

enum { N_GENERATORS = 6 };

static const iv_metric_def metrics[] = {
    {"accuracy", "Acc. (%)", 100, 1, IV_METRIC_PUBLISHED | IV_METRIC_END_ONLY, .range = "[0, 1]",
     .doc = "share of the test set with the right class"},
    {"elbo", "ELBO", 1, 2, IV_METRIC_PUBLISHED | IV_METRIC_END_ONLY, .range = "(-inf, 0]",
     .doc = "lower bound of the log marginal likelihood per training image, the logarithm of a "
            "probability; not of a point estimate"},
    {"kl", "kl", 1, -1, IV_METRIC_END_ONLY,
     .doc = "KL divergence of the posterior from the prior, total; not of a point estimate"},
    {"cross_entropy", "cross_entropy", 1, -1, IV_METRIC_END_ONLY,
     .doc = "mean over the training set, with a sample of the output weights"},
    {"bound_per_sample", "Bound a sample", 1, 2, IV_METRIC_END_ONLY,
     .doc = "sgpr: bound on the log marginal likelihood of its regression on labels, per training "
            "image; does not compare with elbo"},
    {"rotation_degrees", "Rotation (°)", 1, 0,
     .doc = "size of the rotation in eta, in degrees; of runs whose invariance has one"},
    {"eta", "eta", 1, -1, IV_METRIC_FLOAT, .most = N_GENERATORS,
     .doc = "degree of invariance of each generator: translation x, translation y, rotation, "
            "scale x, scale y, shear"},
    {"elbo_estimate", "elbo_estimate", 1, -1, IV_METRIC_CURVE_ONLY | IV_METRIC_AFTER_STEP,
     .doc = "minus the loss of the step's batch"},
};

const iv_metric_def *ml_metric_def(size_t i) {
    return i < sizeof metrics / sizeof *metrics ? &metrics[i] : NULL;
}

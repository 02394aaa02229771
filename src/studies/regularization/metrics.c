/* What the regularization study measures (Moskalev et al. 2023). */
#include "studies/schemas.h"

enum { MOST_CLASSES = 10, MOST_LAYERS = 64, NAMED = IV_METRIC_PUBLISHED | IV_METRIC_ASKED };

static const iv_metric_def metrics[] = {
    {"accuracy", "Acc. (%)", 100, 1, NAMED, .range = "[0, 1]",
     .doc = "share of correct classes over all images and all elements of the group"},
    {"li", "LI", 1, 2, NAMED,
     .doc = "logit invariance error: mean over x and g != e of half the squared distance of the "
            "logits of x and g x"},
    {"di", "DI", 1, 2, NAMED,
     .doc = "distribution invariance error: mean over x and g != e of the KL divergence between "
            "the classes of x and g x, in nats"},
    {"si", "SI", 1, 2, NAMED,
     .doc = "saliency invariance: mean over x and g != e of the cosine between the saliencies of "
            "x and, moved back, of g x"},
    {"sigma_max_jacobian", "σmax(J)", 1, 2, NAMED,
     .doc = "mean over x of the largest singular value of the Jacobian of the logits"},
    {"jacobian_spectrum", "jacobian_spectrum", 1, -1, IV_METRIC_ASKED | IV_METRIC_END_ONLY,
     .most = MOST_CLASSES, .doc = "mean over x of each singular value of that Jacobian"},
    {"sigma_max", "sigma_max", 1, -1, IV_METRIC_ASKED | IV_METRIC_SEPARATE, .most = MOST_LAYERS,
     .doc = "largest singular value of each layer's weight"},
    {"loss", "loss", 1, -1, IV_METRIC_CURVE_ONLY | IV_METRIC_FLOAT | IV_METRIC_AFTER_STEP,
     .doc = "training loss of the step's batch"},
};

const iv_metric_def *reg_metric_def(size_t i) {
    return i < sizeof metrics / sizeof *metrics ? &metrics[i] : NULL;
}

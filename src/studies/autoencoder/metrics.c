/* What the autoencoder study measures (Zhang and Arodz 2021), on the test set. */
#include "studies/schemas.h"

static const iv_metric_def metrics[] = {
    {"mse_reconstruction", "MSE reconstruction", 1, -1, IV_METRIC_PUBLISHED,
     .doc = "mean squared error of what the decoder gives for the encoder's code; of a decoder "
            "alone, for the known code"},
    {"mse_code", "MSE code", 1, -1, IV_METRIC_PUBLISHED,
     .doc = "mean squared error of all columns of a known code"},
    {"mse_modulus", "MSE modulus", 1, -1, IV_METRIC_PUBLISHED,
     .doc = "mean squared error of a known code's moduli"},
    {"mse_phase", "MSE phase", 1, -1, IV_METRIC_PUBLISHED,
     .doc = "mean squared error of a known code's phases"},
    {"mse_sine", "MSE sine", 1, -1, IV_METRIC_PUBLISHED,
     .doc = "mean squared error of a known code's sines"},
    {"mse_cosine", "MSE cosine", 1, -1, IV_METRIC_PUBLISHED,
     .doc = "mean squared error of a known code's cosines"},
    {"loss_invariance", "Invariance loss", 1, -1, IV_METRIC_PUBLISHED,
     .doc = "loss of pairs of signals: how far their codes are from lying as the pairs do"},
    {"mse_distance", "MSE distance", 1, -1, IV_METRIC_PUBLISHED,
     .doc = "mean squared error of the codes' distances from those of the pairs"},
    {"distance_same", "RMS distance of copies", 1, -1,
     .doc = "root mean squared distance of the codes of a signal and its distorted copy"},
    {"distance_unrelated", "RMS distance of others", 1, -1,
     .doc = "root mean squared distance of the codes of unrelated signals"},
    {"training_loss", "training_loss", 1, -1, IV_METRIC_END_ONLY,
     .doc = "what training minimises, on as many training signals as there are test signals; it "
            "chooses among the alternatives of a column"},
    {"learning_rate", "Learning rate", 1, -1, IV_METRIC_END_ONLY,
     .doc = "step size of the alternative that tables show"},
    {"loss", "loss", 1, -1, IV_METRIC_CURVE_ONLY | IV_METRIC_FLOAT | IV_METRIC_AFTER_STEP,
     .doc = "training loss of the step's batch"},
};

const iv_metric_def *ae_metric_def(size_t i) {
    return i < sizeof metrics / sizeof *metrics ? &metrics[i] : NULL;
}

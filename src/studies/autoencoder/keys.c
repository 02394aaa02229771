/* What specs of the autoencoder study may say. Defaults are the published settings (Zhang and Arodz
 * 2021) where the paper gives them. */
#include "studies/autoencoder/autoencoder.h"

#define KNOWN_CODES "modulus-sine-cosine|modulus-phase"
#define PAIRS       "shift|two-part-shift|cycle|shift-scale"

/* clang-format off */
static const iv_key keys[] = {
    IV_KEYS_HEAD,

    {"dataset", IV_KEY_MAP, .doc = "signals, uniform on [-1, 1] in every dimension"},
    {"dataset.dimensions", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "10", "[2, 256]",
     .doc = "dimensions d of a signal"},
    {"dataset.train", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "60000", "[1, 10000000]",
     .doc = "signals in the training set, the first ones drawn from the seed"},
    {"dataset.test", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "10000", "[1, 10000000]",
     .doc = "signals in the test set, the next ones"},

    {"task", IV_KEY_MAP, .doc = "the code that the encoder is to give"},
    {"task.code", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "modulus-sine-cosine",
     .choices = KNOWN_CODES "|" PAIRS,
     .doc = "known, these parts of the Fourier transform (modulus-...), or learned from pairs of "
            "signals that are alike up to this distortion"},
    {"task.lambda", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "8", "[0, 1000000]",
     .doc = "weight of the code's, or the pairs', loss beside that of the reconstruction",
     .own = "*"},
    {"task.delta", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0.1", "(0, 1000000]",
     .doc = "a squared distance d^2 counts as 1 / (delta + alpha d^2)",
     .only_if = "task.code=" PAIRS, .own = "*"},
    {"task.alpha", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "1", "(0, 1000000]", .doc = "as for delta",
     .only_if = "task.code=" PAIRS, .own = "*"},

    IV_KEYS_MODEL,
    {"model.width", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "8", "[1, 1024]",
     .doc = "units of a hidden layer for each dimension of the signals; rich layers have their "
            "own widths",
     .only_if = "run.layer!=rich"},
    {"model.invariant", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "1", "[1, 64]",
     .doc = "columns of the code's invariant part for each dimension",
     .only_if = "task.code=" PAIRS},
    {"model.variant", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "1", "[0, 64]",
     .doc = "columns of the code's other part for each dimension", .only_if = "task.code=" PAIRS},

    IV_KEYS_TRAINING,
    {"training.optimizer", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "sgd", .choices = "sgd|adam",
     .doc = "update rule"},
    {"training.learning_rate", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0.05", "(0, 1000]",
     .doc = "step size; a run may have its own", .own = "*"},
    {"training.momentum", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0", "[0, 1)",
     .doc = "share of the last update's velocity that is kept; a run may have its own",
     .only_if = "training.optimizer=sgd"},
    IV_KEYS_BATCHES("128", "signals (or pairs)", "20", NULL),
    IV_KEYS_ADAM("training.optimizer=adam"),
    IV_KEYS_SCHEDULE,

    IV_KEYS_RUNS,
    {"runs[].layer", IV_KEY_ENUM, IV_KEY_REQUIRED,
     .choices = "selu|relu|sigmoid|bipolar-sigmoid|rich",
     .doc = "what follows a hidden layer's linear map; rich also keeps its input beside the "
            "result"},
    {"runs[].depth", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "4", "[1, 64]",
     .doc = "hidden layers, of the encoder and of the decoder"},
    {"runs[].lift", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "0", "[0, 64]",
     .doc = "columns, for each dimension of the signals, of a linear map before the first rich "
            "layer; 0: none",
     .only_if = "run.layer=rich"},
    {"runs[].part", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "full", .choices = "full|encoder|decoder",
     .doc = "what is trained: both, or one half of the autoencoder alone, which needs a known code",
     .only_if = "task.code=" KNOWN_CODES},
    {"runs[].learning_rate", IV_KEY_NUMBER, IV_KEY_OPTIONAL | IV_KEY_SWEEPABLE | IV_KEY_INSTEAD,
     .range = "(0, 1000]", .doc = "this run's step size instead of training.learning_rate"},
    {"runs[].momentum", IV_KEY_NUMBER, IV_KEY_OPTIONAL | IV_KEY_SWEEPABLE | IV_KEY_INSTEAD,
     .range = "[0, 1)", .doc = "this run's momentum instead of training.momentum",
     .only_if = "training.optimizer=sgd"},
    {"runs[].sweep", IV_KEY_SWEEP, IV_KEY_OPTIONAL,
     .doc = "values to try for keys of this run: {depth: [2, 4]}; all combinations are trained; of "
            "those that differ in learning_rate or momentum alone, tables and figures show the one "
            "with the smallest training loss"},

    IV_KEYS_METRICS,
    {"metrics.every_epochs", IV_KEY_INTEGER, 0, "1", "[1, 1000000]",
     .doc = "epochs between the points of the curves; what is measured follows from the task"},

    IV_KEYS_FIGURES("depth|training", "test errors against depth, or against epochs"),

    IV_KEYS_TAIL("row of the table: dimensions and code (d=10 modulus-sine-cosine), then what "
                      "else is swept"),
};
/* clang-format on */

const iv_schema ae_schema = {
    .study = "autoencoder",
    .title = "Autoencoders that learn the invariants of the Fourier transform, known or from pairs "
             "of signals (Zhang and Arodz 2021)",
    .reference = "@inproceedings{zhang2021invariance,\n"
                 "  author    = {Zhang, Han and Arodz, Tomasz},\n"
                 "  title     = {Learning Invariance in Deep Neural Networks},\n"
                 "  booktitle = {Computational Science -- ICCS 2021},\n"
                 "  publisher = {Springer},\n"
                 "  year      = {2021}\n"
                 "}\n",
    .keys = keys,
    .n_keys = sizeof keys / sizeof *keys,
    .metric = ae_metric_def,
    .check_run = ae_check_run,
};

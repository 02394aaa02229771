/* What specs of the marginal-likelihood study may say. Defaults are the published settings (van der
 * Ouderaa and van der Wilk 2022) where the paper gives them. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

/* Runs that train a network, those that average its features over transformations, and those that
 * learn how far these go. */
#define NETWORK   "run.method=network"
#define INVARIANT NETWORK " & run.invariance!=none"
#define LEARNED   INVARIANT " & run.learned=true"

/* Those that have a posterior of the output layer, and those that move it by natural gradients. */
#define VARIATIONAL NETWORK " & run.estimate=variational"
#define NATURAL     VARIATIONAL " & training.posterior=natural"

/* Image sets, and points of the plane. */
static const char *dataset(size_t i) {
    const iv_dataset_info *info = iv_dataset_info_match(ml_learns_from, i);
    if (info) return info->name;
    return i > 0 && iv_dataset_info_match(ml_learns_from, i - 1) ? "rings" : NULL;
}

/* clang-format off */
static const iv_key keys[] = {
    IV_KEYS_HEAD,

    {"dataset", IV_KEY_MAP, .doc = "images, or points, to train and test on"},
    STUDY_KEYS_IMAGES(dataset, "digits are images drawn by a built-in generator; rings are points "
                               "in the plane, of two classes; neither needs files"),
    {"dataset.transformation", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "regular",
     .choices = "regular|rotated|partially-rotated|translated|scaled|rotated-translated|"
                "rotated-scaled|translated-scaled",
     .doc = "every image transformed once, at random: by up to half a turn, a quarter turn "
            "(partially-rotated), 8 pixels in x and y, or a factor of 2",
     .own = "*"},
    {"dataset.train", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "60000", "[1, 1000000]",
     .doc = "images in the training set, the first of the official one (cifar10 has 50000); images "
            "of your own are taken in an order that dataset.seed decides"},
    {"dataset.test", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "10000", "[1, 1000000]",
     .doc = "images in the test set, the first of the official one; the last of all images, where "
            "images of your own have no test part"},
    {"dataset.seed", IV_KEY_INTEGER, 0, "0", "[0, 2147483647]",
     .doc = "decides how each image is transformed, digits and rings themselves, and the order of "
            "images of your own: the same for every seed of `seeds`"},

    IV_KEYS_MODEL,
    {"model.features", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "relu", .choices = "relu|rff",
     .doc = "hidden units: max(z, 0) of learned weights, or sqrt(2/H) cos z of random ones that "
            "stay (random Fourier features)",
     .only_if = NETWORK},
    {"model.hidden", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "1024", "[1, 16384]",
     .doc = "hidden units H", .only_if = NETWORK},
    {"model.samples", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "32", "[1, 256]",
     .doc = "transformations S that features are averaged over", .only_if = INVARIANT},
    {"model.sampling", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "random", .choices = "random|equally-spaced|stratified",
     .doc = "how transformations are taken from their distribution: drawn for each batch; the same "
            "grid always, n^k transformations for an invariance of k generators; or stratified, "
            "one drawn for each batch from each of that grid's equal parts",
     .only_if = INVARIANT},
    {"model.sigma", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0.3", "(0, 1000]",
     .doc = "standard deviation of the hidden weights", .only_if = NETWORK " & model.features=rff"},
    {"model.alpha", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "1", "(0, 1000000]",
     .doc = "variance of the output weights' prior, or where that begins", .only_if = VARIATIONAL},
    {"model.initial_deviation", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "1", "(0, 1000]",
     .doc = "standard deviation of the output weights before training: their posterior begins at "
            "L = this times I",
     .only_if = VARIATIONAL},
    {"model.learn", IV_KEY_LIST, 0, "[]", "[0, 2]",
     .doc = "hyper-parameters that are learned with the bound, beside eta (`learned` of a run)"},
    {"model.learn[]", IV_KEY_ENUM, .choices = "alpha|sigma",
     .doc = "alpha: the prior's variance, which moves towards its best for the posterior at hand "
            "after every step; sigma: the standard deviation of random features' weights, by "
            "Adam on its logarithm"},
    {"model.input_mean", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0", "[0, 1]",
     .doc = "subtracted from the value of every pixel, byte / 255, before the first layer; 0.47 "
            "for CIFAR-10, whose many bright pixels otherwise let Adam's first steps switch every "
            "ReLU off",
     .only_if = NETWORK},
    {"model.blur", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0", "[0, 100]",
     .doc = "standard deviation, in pixels, of a Gaussian that blurs the filters before they are "
            "transformed; 0: none (the paper's 0.1, if it means pixels, changes no number in "
            "single precision: a neighbour weighs e^-50)",
     .only_if = NETWORK},

    IV_KEYS_TRAINING,
    /* The ratio of eta's rate to the others is one number per population. */
    {"training.learning_rate", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0.001", "(0, 1000]",
     .doc = "step size of Adam", .only_if = NETWORK, .own = "*",
     .own_if = "run.invariance=none or run.learned=false or training.eta_learning_rate=0"},
    {"training.eta_learning_rate", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0", "[0, 1000]",
     .doc = "step size for eta, the degree of invariance; 0: the same", .only_if = LEARNED},
    {"training.sigma_rate", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0.1", "(0, 1000]",
     .doc = "step size of Adam for the logarithm of a learned sigma, over training.learning_rate",
     .only_if = NETWORK " & model.features=rff"},
    {"training.annealing", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "cosine", .choices = "cosine|none",
     .doc = "step sizes fall to zero along half a cosine over the training, or stay",
     .only_if = NETWORK},
    {"training.posterior", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "adam", .choices = "adam|natural",
     .doc = "how the output layer's posterior is trained: Adam on its mean and L, as the paper has "
            "it, or natural gradients, which reach the same bound in a few passes with large "
            "batches",
     .only_if = VARIATIONAL},
    {"training.samples", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "weights", .choices = "weights|logits",
     .doc = "what a training step samples: output weights, once for the batch, as the paper has "
            "it, or logits, for each image (natural gradients always do)",
     .only_if = VARIATIONAL " & training.posterior=adam"},
    {"training.newton_rate", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0.3", "(0, 1]",
     .doc = "natural gradients: share of the way to a batch's precision and mean, in the first "
            "training.newton_hold steps",
     .only_if = NATURAL},
    {"training.newton_hold", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "6", "[1, 1000000000]",
     .doc = "natural gradients: steps after which that share falls as 1 / step", .only_if = NATURAL},
    {"training.newton_least", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0", "[0, 1]",
     .doc = "natural gradients: what it falls to; 0: a step's share of the training images, so "
            "that about a pass over them is remembered. The posterior stands for as many images as "
            "it remembers",
     .only_if = NATURAL},
    {"training.newton_trust", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0.1", "[0, 1000]",
     .doc = "natural gradients: how far the means move in a step at most, in nats of KL divergence "
            "for each training image; 0: any distance",
     .only_if = NATURAL},
    {"training.newton_every", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "1", "[1, 10000]",
     .doc = "natural gradients: batches that the posterior gathers before it moves, and moves by as "
            "one; eta and hidden weights move after each of them",
     .only_if = NATURAL},
    {"training.alpha_rate", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0.5", "(0, 1]",
     .doc = "share of the way, on a logarithmic scale, that a learned alpha moves in a step",
     .only_if = VARIATIONAL},
    IV_KEYS_BATCHES("128", "images (all points of rings)", "100", NETWORK),
    IV_KEYS_ADAM(NETWORK),
    IV_KEYS_SCHEDULE,

    IV_KEYS_RUNS,
    {"runs[].invariance", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "none",
     .choices = "none|rotation|translation|scale|affine",
     .doc = "the transformations that features are averaged over; affine has them all and shear",
     .only_if = NETWORK, .own = "rotation|translation|scale|affine"},
    {"runs[].eta", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0", "[-10, 10]",
     .doc = "degree of invariance that training starts from, for each of the run's generators: "
            "rotation in radians, translation in halves of the image, scale and shear as "
            "logarithms",
     .only_if = INVARIANT, .own = "*"},
    {"runs[].learned", IV_KEY_BOOLEAN, IV_KEY_SWEEPABLE, "true",
     .doc = "whether eta is trained, or stays", .only_if = INVARIANT},
    {"runs[].estimate", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "variational",
     .choices = "variational|point",
     .doc = "output weights: a Gaussian posterior, trained on the lower bound of the marginal "
            "likelihood, or one value, trained on the cross-entropy",
     .only_if = NETWORK},
    {"runs[].method", IV_KEY_ENUM, 0, "network", .choices = "network|sgpr",
     .doc = "sgpr: sparse Gaussian process regression instead of a network"},
    {"runs[].inducing", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "1000", "[1, 100000]",
     .doc = "inducing points, a subset of the training images", .only_if = "run.method=sgpr"},
    {"runs[].iterations", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "100", "[1, 1000000]",
     .doc = "most iterations that maximise its bound", .only_if = "run.method=sgpr"},
    {"runs[].sweep", IV_KEY_SWEEP, IV_KEY_OPTIONAL,
     .doc = "values to try for keys of this run: {estimate: [variational, point]}; all "
            "combinations are trained, each a column of tables"},

    IV_KEYS_METRICS,
    {"metrics.every_steps", IV_KEY_INTEGER, 0, "0", "[0, 1000000000]",
     .doc = "training steps between the points of the curves; 0: about 100 points per run"},

    IV_KEYS_FIGURES("eta|filters|contours",
                    "eta during training, filters under the learned transformations, or (rings "
                    "only) predictions over the plane"),

    IV_KEYS_TAIL("row of the table: the transformation (rotated), the data set in front if "
                      "that is swept (mnist rotated)"),
};
/* clang-format on */

const iv_schema ml_schema = {
    .study = "marginal-likelihood",
    .title = "The degree of an invariance learned by gradient descent on a lower bound of the "
             "marginal likelihood (van der Ouderaa and van der Wilk 2022)",
    .reference = "@inproceedings{vanderouderaa2022invariant,\n"
                 "  author    = {van der Ouderaa, Tycho F. A. and van der Wilk, Mark},\n"
                 "  title     = {Learning Invariant Weights in Neural Networks},\n"
                 "  booktitle = {Uncertainty in Artificial Intelligence},\n"
                 "  year      = {2022},\n"
                 "  eprint    = {2202.12439},\n"
                 "  archiveprefix = {arXiv}\n"
                 "}\n",
    .keys = keys,
    .n_keys = sizeof keys / sizeof *keys,
    .metric = ml_metric_def,
    .check_run = ml_check_run,
    .check_spec = ml_check_spec,
};

/* What specs of the regularization study may say. Defaults are the published settings (Moskalev et
 * al. 2023) where the paper gives them. */
#include "studies/regularization/regularization.h"

static const char *dataset(size_t i) {
    const iv_dataset_info *info = iv_dataset_info_match(reg_learns_from, i);
    return info ? info->name : NULL;
}

static const char *drift_set(size_t i) {
    const iv_dataset_info *info = iv_dataset_info_get(i);
    return info ? info->name : NULL;
}

static const char *group_kind(size_t i) {
    const iv_group_kind_info *kind = iv_group_kind_get(i);
    return kind ? kind->name : NULL;
}

/* clang-format off */
static const iv_key keys[] = {
    IV_KEYS_HEAD,

    {"dataset", IV_KEY_MAP, .doc = "images to train and test on"},
    STUDY_KEYS_IMAGES(dataset, "digits are drawn by a built-in generator, no files needed"),
    {"dataset.images", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "70000", "[1, 1000000]",
     .doc = "how many to draw (mnist and fashion-mnist hold 70000, cifar10 60000)",
     .only_if = "dataset.name=digits"},
    {"dataset.train", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "20000", "[1, 1000000]",
     .doc = "images in the training set, the first of the seed's permutation of all images"},
    {"dataset.validation", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "5000", "[0, 1000000]",
     .doc = "images in the validation set, next in the permutation"},
    {"dataset.test", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "10000", "[1, 1000000]",
     .doc = "images in the test set, next in the permutation"},

    {"group", IV_KEY_MAP, .doc = "the transformations to be invariant to"},
    {"group.kind", IV_KEY_ENUM, IV_KEY_REQUIRED | IV_KEY_SWEEPABLE, .choice = group_kind,
     .doc = "rotations of the image (by quarter turns of square ones alone), cyclic shifts of the "
            "image padded to divisible sides, mirror images, or quarter turns and mirror images"},
    {"group.order", IV_KEY_INTEGER, IV_KEY_REQUIRED | IV_KEY_SWEEPABLE, .range = "[2, 8]",
     .doc = "elements, or elements along each axis: 2 or 4 for rotation, 2 to 8 for shift, 2 for "
            "flip, 8 for dihedral"},
    {"group.axes", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "x", .choices = "x|y|xy",
     .doc = "along which axes (xy has order x order elements)",
     .only_if = "group.kind=shift|flip"},

    IV_KEYS_MODEL,
    {"model.kind", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "perceptron", .choices = "perceptron",
     .doc = "fully connected, ReLU between layers"},
    {"model.hidden", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "128", "[1, 16384]",
     .doc = "units in each hidden layer"},
    {"model.layers", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "5", "[2, 64]",
     .doc = "linear layers, counting the one that gives the logits"},

    IV_KEYS_TRAINING,
    {"training.optimizer", IV_KEY_ENUM, IV_KEY_SWEEPABLE, "adam", .choices = "adam",
     .doc = "update rule"},
    {"training.learning_rate", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0.0008", "(0, 1000]",
     .doc = "step size; a run may have its own", .own = "*"},
    IV_KEYS_BATCHES("512", "images", "300", NULL),
    IV_KEYS_ADAM(NULL),
    IV_KEYS_SCHEDULE,

    IV_KEYS_RUNS,
    {"runs[].method", IV_KEY_ENUM, IV_KEY_REQUIRED,
     .choices = "weight-tying|augmentation|regularization",
     .doc = "invariant by construction (WT), by transformed training images (DA) or by a penalty "
            "(IR)"},
    {"runs[].nu", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0", "[0, 1000000]",
     .doc = "weight of the logit invariance error in the loss",
     .only_if = "run.method=regularization", .own = "*"},
    {"runs[].learning_rate", IV_KEY_NUMBER, IV_KEY_OPTIONAL | IV_KEY_SWEEPABLE | IV_KEY_INSTEAD,
     .range = "(0, 1000]", .doc = "this run's step size instead of training.learning_rate"},
    {"runs[].sweep", IV_KEY_SWEEP, IV_KEY_OPTIONAL,
     .doc = "values to try for keys of this run: {nu: [1, 3, 10]}; all combinations are trained"},
    {"runs[].select", IV_KEY_MAP, IV_KEY_OPTIONAL,
     .doc = "report the smallest swept nu whose metric, averaged over seeds, is large enough",
     .only_if = "run.method=regularization"},
    {"runs[].select.metric", IV_KEY_ENUM, 0, "si", .choices = "si|accuracy",
     .doc = "the metric to reach", .own = "*"},
    {"runs[].select.at_least", IV_KEY_NUMBER, 0, "0.95", "[-1, 1]", .doc = "the value to reach",
     .own = "*"},
    {"runs[].select.on", IV_KEY_ENUM, 0, "validation", .choices = "validation",
     .doc = "the images it is measured on", .own = "*"},

    IV_KEYS_METRICS,
    {"metrics.names", IV_KEY_LIST, 0, "[accuracy, li, di, si]", "[1, 100]",
     .doc = "measured on the test set after training, and along the way for the curves"},
    {"metrics.names[]", IV_KEY_ENUM, .metrics = IV_METRIC_ASKED, .doc = "see the metrics below"},
    {"metrics.every_epochs", IV_KEY_INTEGER, 0, "10", "[1, 1000000]",
     .doc = "epochs between the points of the curves"},
    {"metrics.jacobian_samples", IV_KEY_INTEGER, 0, "0", "[0, 1000000]",
     .doc = "test images whose Jacobian is taken, the first ones; 0: all"},
    {"metrics.drift", IV_KEY_LIST, 0, "[]", "[0, 100]",
     .doc = "other images on which every metric is measured too, without training on them"},
    {"metrics.drift[]", IV_KEY_NAME, .choice = drift_set,
     .doc = "noise is uniform in every pixel; images of your own are folders in the data directory; "
            "all have the size of the images that are trained on"},

    IV_KEYS_FIGURES("accuracy|saliency|spectral-decay|drift",
                    "accuracy, largest singular values (spectral-decay) or si (drift) of "
                    "validation images against epochs, or saliency maps over the group"),
    {"figures.saliency_images", IV_KEY_INTEGER, 0, "4", "[1, 64]",
     .doc = "test images in the saliency figure, the first ones"},

    IV_KEYS_TAIL("row of the table: the group, as KIND-ORDER (rotation-4)"),
};
/* clang-format on */

const iv_schema reg_schema = {
    .study = "regularization",
    .title = "Invariance by data augmentation and by regularization against the invariance that "
             "weight-tying guarantees (Moskalev et al. 2023)",
    .reference = "@misc{moskalev2023genuine,\n"
                 "  author = {Moskalev, Artem and Sepliarskaia, Anna and Bekkers, Erik J. and\n"
                 "            Smeulders, Arnold},\n"
                 "  title  = {On Genuine Invariance Learning without Weight-Tying},\n"
                 "  year   = {2023},\n"
                 "  eprint = {2308.03904},\n"
                 "  archiveprefix = {arXiv}\n"
                 "}\n",
    .keys = keys,
    .n_keys = sizeof keys / sizeof *keys,
    .metric = reg_metric_def,
    .published_by_base = true,
    .check_run = reg_check_run,
    .check_spec = reg_check_spec,
};

/* The three studies at their smallest, each with several populations, and figures. */
#ifndef INVAR_TESTS_SCALE_STUDIES_H
#define INVAR_TESTS_SCALE_STUDIES_H

static const char *const specs[][2] = {
    {"regularization",
     "study: regularization\nname: r\nseeds: [4, 7]\n"
     "dataset: {name: digits, images: 200, train: 64, validation: 32, test: 32}\n"
     "group: {kind: rotation, order: 2}\nmodel: {hidden: 16, layers: 3}\n"
     "training: {batch: 32, epochs: 3, population: 1, checkpoint_seconds: 0.001}\n"
     "runs: [{name: IR, method: regularization, nu: 1}, {name: DA, method: augmentation}]\n"
     "metrics: {names: [accuracy, li]}\nfigures: {names: [saliency]}\n"},
    {"autoencoder",
     "study: autoencoder\nname: a\nseeds: [5]\ndataset: {dimensions: 5, train: 64, test: 30}\n"
     "task: {code: cycle, lambda: 0.5}\nmodel: {width: 3}\n"
     "training: {batch: 32, epochs: 3, checkpoint_seconds: 0.001}\nmetrics: {every_epochs: 1}\n"
     "runs: [{name: rich, layer: rich, depth: 2, lift: 1, learning_rate: 0.005}, "
     "{name: selu, layer: selu, sweep: {depth: [2, 3]}, learning_rate: 0.005}]\n"},
    {"marginal-likelihood",
     "study: marginal-likelihood\nname: m\nseeds: [5]\n"
     "dataset: {name: digits, transformation: rotated, train: 64, test: 32}\n"
     "model: {features: relu, hidden: 8, samples: 2}\n"
     "training: {batch: 32, epochs: 3, learning_rate: 0.01, checkpoint_seconds: 0.001}\n"
     "metrics: {every_steps: 2}\n"
     "runs: [{name: affine, invariance: affine}, {name: none, invariance: none}, {name: sgpr, "
     "method: sgpr, inducing: 10, iterations: 3}]\nfigures: {names: [filters]}\n"},
};
enum { N_STUDIES = sizeof specs / sizeof *specs };

/* Twelve populations that take longer: about a tenth of a second each on a busy machine. */
static const char longer[] =
    "study: regularization\nname: longer\nseeds: [1, 2, 3, 4, 5, 6]\n"
    "dataset: {name: digits, images: 300, train: 128, validation: 32, test: 32}\n"
    "group: {kind: rotation, order: 4}\nmodel: {hidden: 32, layers: 4}\n"
    "training: {batch: 64, epochs: 30, population: 1, checkpoint_seconds: 0.01}\n"
    "runs: [{name: IR, method: regularization, nu: 1}, {name: DA, method: augmentation}]\n"
    "metrics: {names: [accuracy, li], every_epochs: 5}\n";

/* But for what tells of times and of the directory, and for the checkpoint, which one process alone
 * keeps. */
static const char *const other_bytes[] = {
    "run.json", "report.html", "report.md", "report.csv", "lock", "population.safetensors", NULL};

#endif

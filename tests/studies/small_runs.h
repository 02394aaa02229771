/* Small trainings for the tests of determinism and of interrupted runs. */
#ifndef INVAR_TESTS_STUDIES_SMALL_RUNS_H
#define INVAR_TESTS_STUDIES_SMALL_RUNS_H

#include "members.h"

#include "../kit/process.h"

/* Three runs of two seeds on drawn digits, every metric on; a complete spec. */
#define SMALL_SPEC                                                                                 \
    "study: regularization\n"                                                                      \
    "name: small\n"                                                                                \
    "seeds: [5, 6]\n"                                                                              \
    "dataset: {name: digits, images: 900, train: 512, validation: 70, test: 90}\n"                 \
    "group: {kind: rotation, order: 4}\n"                                                          \
    "model: {hidden: 32, layers: 4}\n"                                                             \
    "training: {batch: 64, epochs: 6, learning_rate: 0.002}\n"                                     \
    "runs:\n"                                                                                      \
    "  - {name: WT, method: weight-tying}\n"                                                       \
    "  - {name: DA, method: augmentation}\n"                                                       \
    "  - {name: IR, method: regularization, nu: 0.5}\n"                                            \
    "metrics:\n"                                                                                   \
    "  names: [accuracy, li, di, si, sigma_max_jacobian, jacobian_spectrum, sigma_max]\n"          \
    "  every_epochs: 2\n"                                                                          \
    "  drift: [noise]\n"

/* What two runs of one spec, in directories a and b, have in common byte by byte: results, logs,
 * models, splits. */
static inline void assert_same_run(const char *a, const char *b) {
    static const char *const names[] = {
        "spec.yaml",
        "results.json",
        "metrics.jsonl",
        "models/WT-seed5.safetensors",
        "models/WT-seed6.safetensors",
        "models/DA-seed5.safetensors",
        "models/DA-seed6.safetensors",
        "models/IR-seed5.safetensors",
        "models/IR-seed6.safetensors",
        "splits/seed5.npy",
        "splits/seed6.npy",
    };
    assert_same_files(a, b, names, sizeof names / sizeof *names);
}

#endif

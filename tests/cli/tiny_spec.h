/* A training of a few steps. */
#ifndef INVAR_TESTS_CLI_TINY_SPEC_H
#define INVAR_TESTS_CLI_TINY_SPEC_H

#define TINY_SPEC_ON(dataset)                                                                      \
    "study: regularization\n"                                                                      \
    "name: tiny\n"                                                                                 \
    "seeds: [4]\n"                                                                                 \
    "dataset: " dataset "\n"                                                                       \
    "group: {kind: rotation, order: 4}\n"                                                          \
    "model: {hidden: 32, layers: 4}\n"                                                             \
    "training: {batch: 64, epochs: 2}\n"                                                           \
    "runs:\n"                                                                                      \
    "  - {name: DA, method: augmentation}\n"                                                       \
    "  - {name: IR, method: regularization, sweep: {nu: [0.5, 1]}}\n"                              \
    "metrics: {names: [accuracy, li, di, si]}\n"

#define TINY_SPEC TINY_SPEC_ON("{name: digits, images: 300, train: 128, validation: 40, test: 50}")

#endif

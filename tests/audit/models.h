/* Model files and images of these tests, made without the code under test. */
#ifndef INVAR_TESTS_AUDIT_MODELS_H
#define INVAR_TESTS_AUDIT_MODELS_H

#include "../kit/files.h"
#include "oracle.h"

#include <invar/data.h>

/* A tensor of a safetensors file. */
typedef struct {
    const char *name, *type; /* "F32", "F64", "F16", "BF16" */
    unsigned rank;
    size_t shape[4];
    const double *values; /* exact in that type, but for F32 and F64 */
} tensor;

/* metadata: a JSON object, or NULL. */
void write_tensors(const char *path, const char *metadata, const tensor *tensors, size_t n);

/* The network's layers as PREFIX0.weight, PREFIX0.bias, PREFIX2.weight and so on, as of an
 * nn.Sequential with activations in between. */
void write_network(const char *path, const char *metadata, const char *prefix, const char *type,
                   const oracle_network *network);

/* n images of random bytes; labels are 0, 1, 2, ..., n_classes - 1, 0, ... */
iv_dataset random_images(size_t n, size_t planes, size_t side, size_t n_classes, uint32_t seed);

/* Image i in [0, 1]. */
void image_of(const iv_dataset *images, size_t i, double *image);

#endif

/* A model's list of nodes computed in double precision, plainly: the oracle of whatever computes it
 * otherwise. */
#ifndef INVAR_TESTS_ONNX_EVALUATE_H
#define INVAR_TESTS_ONNX_EVALUATE_H

#include <invar/onnx.h>

/* images [n_images, n_pixels] -> logits [n_images, n_classes]. Aborts where a node's shapes do not fit
 * what invar/onnx.h promises of it. */
void onnx_evaluate(const iv_onnx_model *model, size_t n_images, const double *images,
                   double *logits);

#endif

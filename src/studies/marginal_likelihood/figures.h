/* Pictures of the marginal-likelihood study, between the files that draw them. */
#ifndef INVAR_STUDIES_MARGINAL_LIKELIHOOD_FIGURES_H
#define INVAR_STUDIES_MARGINAL_LIKELIHOOD_FIGURES_H

#include "studies/marginal_likelihood/marginal_likelihood.h"

/* out(p) = filter(T p), as invar/affine.h says, in double precision. A transformation that is not
 * finite gives values that are not.  filter, out [planes, height, width] */
void ml_filter_warp(const float *filter, iv_image_shape shape, const double t[6], float *out);

/* Convolution with a Gaussian of `sigma` pixels, in place, zero outside. */
void ml_filter_blur(float *filter, iv_image_shape shape, double sigma);

/* Filter banks of one population's networks after their training: the filters with the most
 * structure, and two of them through training, from what ml_snapshot left. */
iv_status ml_filters_draw(const iv_experiment *x, const ml_model *model);

/* What networks predict over the plane that rings lie in. */
iv_status ml_contours_draw(const iv_experiment *x, const ml_model *model);

#endif

/* Pictures of the marginal-likelihood study, between the files that draw them. */
#ifndef INVAR_STUDIES_MARGINAL_LIKELIHOOD_FIGURES_H
#define INVAR_STUDIES_MARGINAL_LIKELIHOOD_FIGURES_H

#include "studies/marginal_likelihood/marginal_likelihood.h"

enum { ML_FIGURE_NAME = 300 };

/* "filters-rotation-0.5": letters, digits and dots of `what`, dashes for all else. */
void ml_figure_name(const char *figure, const char *what, char name[ML_FIGURE_NAME]);

/* Whether the spec asks for a figure. */
bool ml_figure_wanted(const iv_study_job *job, const char *figure);

/* Pictures of single networks are drawn for the first seed alone. */
bool ml_is_first_seed(const iv_study_job *job, const ml_member *member);

/* out(p) = filter(T p), as invar/affine.h says, in double precision. A transformation that is not
 * finite gives values that are not.  filter, out [planes, height, width] */
void ml_filter_warp(const float *filter, iv_image_shape shape, const double t[6], float *out);

/* Convolution with a Gaussian of `sigma` pixels, in place, zero outside. */
void ml_filter_blur(float *filter, iv_image_shape shape, double sigma);

/* Filter banks of one population's networks after their training: the filters with the most
 * structure, and two of them through training, from what ml_snapshot left. */
iv_status ml_filters_draw(ml_study *study, const ml_population *population, const ml_model *model);

/* What networks predict over the plane that rings lie in. */
iv_status ml_contours_draw(ml_study *study, const ml_population *population, const ml_model *model);

#endif

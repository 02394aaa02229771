/* What the tests of learned affine transformations share: their oracles in double precision, the
 * draws replayed on the host, and graphs around them. */
#ifndef INVAR_TESTS_GRAPH_AFFINE_H
#define INVAR_TESTS_GRAPH_AFFINE_H

#include "examples.h"
#include "oracles.h"

#include <invar/affine.h>

/* Seeds of the trial's members, and uint [R, 1] on the device. */
uint32_t affine_seed(const trial *t, size_t member);
iv_view trial_affine_seeds(trial *t);

/* Number i of the equally spread eps of sample s, if the trial has points instead of draws; float
 * [R, S, 6] on the device. */
float affine_point(const trial *t, size_t member, size_t s, size_t i);
iv_view trial_affine_points(trial *t, size_t n_samples);

/* Likewise the widths of what is drawn around points: [R, 6]. */
float affine_width(const trial *t, size_t member, size_t i);
iv_view trial_affine_widths(trial *t);

/* T = expm(sum_i a_i G_i) and its derivative along d (NULL: none), by long series.
 * growth: the largest norm of expm on the way, at least 1. */
void known_exponential(const double a[6], const double d[6], double t[6], double dt[6],
                       double *growth);

/* A source of a pool of n_pool images in 5 classes, of which `first` are left out. Member r takes
 * the transformation trial_transformation(t, r). */
enum { AFFINE_DATA_SEED = 77 };
iv_affine_image_source trial_affine_images(trial *t, iv_image_shape shape, size_t n_pool,
                                           size_t first, bool shuffle);
int32_t trial_transformation(const trial *t, size_t member);
uint8_t affine_byte(size_t row, size_t i);

#endif

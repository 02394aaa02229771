/* Small graphs around every op, in several shapes and memory layouts. */
#ifndef INVAR_TESTS_GRAPH_EXAMPLES_H
#define INVAR_TESTS_GRAPH_EXAMPLES_H

#include "trial.h"

enum { EXAMPLE_MAX = 4 };

/* What to look at in a graph. */
typedef struct {
    iv_tensor *outputs[EXAMPLE_MAX]; /* the first one is differentiated */
    size_t n_outputs;
    iv_tensor *wrt[EXAMPLE_MAX]; /* none if the op has no derivative */
    size_t n_wrt;
    size_t n_products_wrt; /* how many of them take several products at once */
} example;

typedef struct {
    const char *name;
    void (*build)(trial *t, size_t variant, example *x);
    size_t n_variants, n_small; /* the first n_small are for small runs */
} example_family;

/* For building: the i-th way of lying in memory, and what to look at. */
layout lies(size_t i);
void add_output(example *x, iv_tensor *tensor);
void add_wrt(example *x, iv_tensor *tensor, bool takes_products);

/* Of the autoencoder study. */
void build_rich(trial *t, size_t variant, example *x);
void build_rich_layer(trial *t, size_t variant, example *x);
void build_mean_square(trial *t, size_t variant, example *x);
void build_pair_loss(trial *t, size_t variant, example *x);
void build_square_error_sums(trial *t, size_t variant, example *x);
void build_pair_sums(trial *t, size_t variant, example *x);

/* Of learned transformations: warps, products with warped filters, and features. */
void build_warp_inputs(trial *t, size_t variant, example *x);
void build_warp_filters(trial *t, size_t variant, example *x);
void build_filter_products(trial *t, size_t variant, example *x);
void build_invariant_layer(trial *t, size_t variant, example *x);
void build_transform_points(trial *t, size_t variant, example *x);
void build_blur(trial *t, size_t variant, example *x);
void build_feature_mean(trial *t, size_t variant, example *x);

/* Ends with a family without a name. */
extern const example_family example_families[];

#endif

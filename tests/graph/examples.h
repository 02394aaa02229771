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

/* Ends with a family without a name. */
extern const example_family example_families[];

#endif

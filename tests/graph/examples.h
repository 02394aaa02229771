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

/* Define the examples of a name: EXAMPLES(name, how many, how many in small runs) { ... } with a
 * body that builds number `variant` in trial `t` and says in `x` what to look at. */
#define EXAMPLES(name, n_variants, n_small)                                                        \
    static void build_##name(trial *t, size_t variant, example *x);                                \
    const example_family examples_##name = {#name, build_##name, n_variants, n_small};             \
    static void build_##name(trial *t, size_t variant, example *x)

/* One for each op but those that are parts of others' examples: a missing one does not link. */
#define OP(name) extern const example_family examples_##name;
#define PART(name)
#include "graph/ops/ops.def"

/* Of several ops together. */
extern const example_family examples_row, examples_orbit_mean_of_features,
    examples_activated_layers, examples_activated_orbit_mean, examples_near_invariance,
    examples_repeated_loss, examples_jacobian, examples_rich_layer, examples_invariant_layer,
    examples_activated_convolutions, examples_convolutional_network;

/* All of them; ends with NULL. */
extern const example_family *const example_families[];

#endif

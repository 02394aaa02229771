/* The graphs that the ops of the autoencoder study are tested in. */
#include "examples.h"

enum { STEP_OF_TESTS = 5 }; /* so that some batches end past the last sample */

/* Central differences want a smooth function: r is at least 0.5. */
static void keep_away_from_zero(trial *t, const iv_tensor *x) {
    for (size_t r = 0; r < t->n_members; r++) {
        double *values = trial_values(t, x, r);
        for (size_t i = 0; i < iv_elements(x); i += 2)
            values[i] = (float)(values[i] + copysign(0.5, values[i]));
    }
}

/* Pairs one by one, by vectors of 4 and of 8, with and without something left over. */
EXAMPLES(rich, 12, 6) {
    static const struct {
        unsigned rank;
        size_t dims[2], n, pairs;
    } cases[] = {{2, {1}, 1, 1},   {2, {9}, 5, 3},  {2, {3}, 3, 4},    {3, {2, 3}, 7, 5},
                 {2, {17}, 18, 9}, {1, {0}, 4, 2},  {2, {8}, 16, 8},   {3, {3, 5}, 2, 7},
                 {2, {67}, 10, 5}, {2, {5}, 1, 24}, {2, {11}, 50, 25}, {2, {2}, 33, 1}};
    const unsigned rank = cases[variant].rank;
    size_t dims[3] = {cases[variant].dims[0], cases[variant].dims[1], 0};
    dims[rank - 1] = 2 * cases[variant].pairs;
    iv_tensor *both = trial_floats(t, lies(variant), rank, dims, -1.0, 1.0);
    keep_away_from_zero(t, both);
    dims[rank - 1] = cases[variant].n;
    iv_tensor *o = trial_floats(t, lies(variant + 1), rank, dims, -1.0, 1.0);
    add_output(x, iv_rich(t->graph, o, both));
    add_wrt(x, both, true);
    if (variant % 3 != 2) add_wrt(x, o, true); /* the first layer's input needs no gradient */
}

/* A whole layer: the gradient reaches its input directly and through X. */
EXAMPLES(rich_layer, 3, 2) {
    const size_t B = 2 + 7 * variant, N = 4 + 3 * variant, M = 2 * N;
    iv_tensor *o = trial_floats(t, lies(variant), 2, DIMS(B, N), -1.0, 1.0);
    iv_tensor *w = trial_floats(t, lies(variant + 1), 2, DIMS(M, N), -0.1, 0.1);
    iv_tensor *b = trial_floats(t, lies(variant + 2), 1, DIMS(M), -1.0, 1.0);
    keep_away_from_zero(t, b);
    iv_tensor *inner = iv_rich(t->graph, o, iv_linear(t->graph, o, w, b));
    add_output(x, inner);
    add_wrt(x, o, true);
    add_wrt(x, w, false);
    add_wrt(x, b, false);
}

EXAMPLES(mean_square, 6, 4) {
    static const size_t shapes[][2] = {{1, 1}, {2, 3}, {16, 16}, {26, 10}, {67, 13}, {128, 20}};
    iv_tensor *a = trial_floats(t, lies(variant), 2, shapes[variant], -3.0, 3.0);
    iv_tensor *b = trial_floats(t, lies(variant + 1), 2, shapes[variant], -3.0, 3.0);
    add_output(x, iv_mean_square(t->graph, a, b));
    add_wrt(x, a, false);
    add_wrt(x, b, false);
}

typedef struct {
    size_t batch, columns, n_invariant;
} pair_shape;

static const pair_shape pair_shapes[] = {{1, 1, 1},    {5, 4, 2},    {3, 9, 9},
                                         {67, 20, 10}, {12, 70, 66}, {2, 131, 129}};

typedef struct {
    iv_tensor *z, *squares, *delta, *alpha;
} pair_inputs;

/* Every other distance is 0. delta and alpha differ between members. */
static pair_inputs inputs_of_pairs(trial *t, size_t variant) {
    const pair_shape *s = &pair_shapes[variant];
    const double spread = s->n_invariant > 20 ? 0.2 : 1.0;
    const pair_inputs in = {
        trial_floats(t, lies(variant), 3, DIMS(2, s->batch, s->columns), -spread, spread),
        trial_floats(t, lies(variant + 1), 1, DIMS(s->batch), 0.1, 3.0),
        trial_floats(t, lies(variant + 2), 1, DIMS(1), 0.5, 1.0),
        trial_floats(t, lies(variant), 1, DIMS(1), 0.5, 2.0),
    };
    for (size_t r = 0; r < t->n_members; r++)
        for (size_t i = 0; i < s->batch; i += 2) trial_values(t, in.squares, r)[i] = 0.0;
    return in;
}

EXAMPLES(pair_loss, 6, 3) {
    const pair_inputs in = inputs_of_pairs(t, variant);
    iv_tensor *loss = iv_pair_loss(t->graph, in.z, pair_shapes[variant].n_invariant, in.squares,
                                   in.delta, in.alpha);
    add_output(x, loss);
    add_wrt(x, in.z, false);
}

/* Batches that end before, at and after the last sample, or lie past it. */
static size_t rows_of(size_t batch, size_t variant) {
    const size_t before = STEP_OF_TESTS * batch;
    switch (variant % 4) {
    case 0: return before + batch;
    case 1: return before + (batch + 1) / 2;
    case 2: return before + 10 * batch;
    default: return before > 3 ? before - 3 : 0;
    }
}

EXAMPLES(square_error_sums, 6, 4) {
    static const size_t shapes[][2] = {{1, 1}, {7, 3}, {64, 10}, {5, 2}, {200, 1}, {67, 30}};
    const size_t *dims = shapes[variant];
    iv_tensor *a = trial_floats(t, lies(variant), 2, dims, -3.0, 3.0);
    iv_tensor *b = trial_floats(t, lies(variant + 1), 2, dims, -3.0, 3.0);
    add_output(x, iv_square_error_sums(t->graph, a, b, rows_of(dims[0], variant)));
}

EXAMPLES(pair_sums, 6, 4) {
    const pair_shape *s = &pair_shapes[variant];
    const pair_inputs in = inputs_of_pairs(t, variant);
    add_output(x, iv_pair_sums(t->graph, in.z, s->n_invariant, in.squares, in.delta, in.alpha,
                               rows_of(s->batch, variant)));
}

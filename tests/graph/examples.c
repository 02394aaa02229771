/* The graphs that the ops are tested in. Together they hold every op of the table. */
#include "examples.h"
#include "affine.h"
#include "signals.h"

layout lies(size_t i) {
    return (layout)(i % 3);
}

void add_output(example *x, iv_tensor *tensor) {
    assert_true(x->n_outputs < EXAMPLE_MAX);
    x->outputs[x->n_outputs++] = tensor;
}

void add_wrt(example *x, iv_tensor *tensor, bool takes_products) {
    assert_true(x->n_wrt < EXAMPLE_MAX);
    x->wrt[x->n_wrt++] = tensor;
    x->n_products_wrt += takes_products;
}

/* ------------------------------------------------------------------ layers */

EXAMPLES(linear, 8, 4) {
    static const struct {
        unsigned rank;
        size_t dims[3], outputs;
        bool bias;
    } cases[] = {{2, {1, 1}, 1, true},     {2, {3, 5}, 4, true},    {3, {2, 3, 7}, 2, false},
                 {1, {5}, 3, true},        {2, {7, 13}, 5, true},   {3, {4, 9, 17}, 33, true},
                 {2, {33, 50}, 10, false}, {2, {66, 31}, 128, true}};
    const size_t *dims = cases[variant].dims, N = cases[variant].outputs;
    const unsigned rank = cases[variant].rank;
    iv_tensor *input = trial_floats(t, lies(variant), rank, dims, -1.0, 1.0);
    iv_tensor *w = trial_floats(t, lies(variant + 1), 2, DIMS(N, dims[rank - 1]), -1.0, 1.0);
    iv_tensor *b =
        cases[variant].bias ? trial_floats(t, lies(variant + 2), 1, &N, -1.0, 1.0) : NULL;
    add_output(x, iv_linear(t->graph, input, w, b));
    add_wrt(x, input, true);
    add_wrt(x, w, false);
    if (b) add_wrt(x, b, false);
}

static const struct {
    unsigned rank;
    size_t dims[4];
} plain_shapes[] = {{1, {1}}, {2, {2, 3}},   {3, {2, 3, 5}},
                    {1, {7}}, {2, {13, 67}}, {4, {2, 1, 3, 9}}};

EXAMPLES(activate, 12, 4) {
    const size_t shape = variant % 6;
    iv_tensor *input = trial_floats(t, lies(variant), plain_shapes[shape].rank,
                                    plain_shapes[shape].dims, -3.0, 3.0);
    const iv_activation activation = (iv_activation)(IV_ACTIVATION_RELU + variant % 4);
    add_output(x, iv_activate(t->graph, input, activation));
    add_wrt(x, input, true);
}

EXAMPLES(add, 6, 4) {
    const unsigned rank = plain_shapes[variant].rank;
    iv_tensor *a = trial_floats(t, lies(variant), rank, plain_shapes[variant].dims, -1.0, 1.0);
    iv_tensor *b = trial_floats(t, lies(variant + 1), rank, plain_shapes[variant].dims, -1.0, 1.0);
    /* a enters twice: 2 a + b */
    add_output(x, iv_add(t->graph, iv_add(t->graph, a, b), a));
    add_wrt(x, a, true);
    add_wrt(x, b, true);
}

EXAMPLES(scale, 6, 3) {
    iv_tensor *input = trial_floats(t, lies(variant), plain_shapes[variant].rank,
                                    plain_shapes[variant].dims, -1.0, 1.0);
    iv_tensor *factor = trial_floats(t, lies(variant + 1), 1, DIMS(1), 0.5, 2.0);
    add_output(x, iv_scale(t->graph, input, factor));
    add_wrt(x, input, true);
}

/* Sums of slices: the gradient is put together from parts, with and without gaps, or added up where
 * parts overlap or are too many for one node. */
EXAMPLES(slice, 5, 5) {
    static const size_t firsts[][6] = {
        {0, 2, 99}, {0, 3, 99}, {2, 1, 99}, {2, 99}, {5, 0, 2, 3, 4, 99}};
    const size_t n = 7;
    iv_tensor *whole = trial_floats(t, lies(variant), 3, DIMS(n, 2, 3), -1.0, 1.0);
    iv_tensor *sum = NULL;
    for (size_t i = 0; i < 6 && firsts[variant][i] != 99; i++) {
        const size_t count = variant == 4 ? 1 : 2;
        iv_tensor *part = iv_slice(t->graph, whole, firsts[variant][i], count);
        /* each part counts differently */
        iv_tensor *weighted =
            iv_scale(t->graph, part, trial_floats(t, lies(i), 1, DIMS(1), 0.5, 2.0));
        sum = sum ? iv_add(t->graph, sum, weighted) : weighted;
    }
    add_output(x, sum);
    add_wrt(x, whole, true);
}

/* Whole vectors and single rows, which lose their axis. */
EXAMPLES(row, 3, 3) {
    const unsigned rank = variant == 2 ? 1 : 2;
    iv_tensor *whole = trial_floats(t, lies(variant), rank, DIMS(6, 5), -1.0, 1.0);
    add_output(x, iv_activate(t->graph, iv_slice(t->graph, whole, variant, variant == 0 ? 1 : 3),
                              IV_ACTIVATION_RELU));
    add_wrt(x, whole, rank > 1);
}

EXAMPLES(reshape, 4, 4) {
    static const struct {
        unsigned rank;
        size_t dims[4];
    } targets[] = {{2, {6, 5}}, {3, {3, 2, 5}}, {1, {30}}, {2, {10, 3}}};
    iv_tensor *input = trial_floats(t, lies(variant), 3, DIMS(2, 3, 5), -1.0, 1.0);
    iv_tensor *other = iv_reshape(t->graph, input, targets[variant].rank, targets[variant].dims);
    add_output(x, iv_activate(t->graph, other, IV_ACTIVATION_RELU));
    add_wrt(x, input, variant < 2);
}

/* ------------------------------------------------------------------ orbits */

static const known_group *group_of(trial *t, size_t variant) {
    switch (variant) {
    case 0: return trial_group(t, IV_GROUP_ROTATION, 4, IV_AXES_XY, 3);
    case 1: return trial_group(t, IV_GROUP_SHIFT, 3, IV_AXES_XY, 4);
    case 2: return trial_group(t, IV_GROUP_ROTATION, 2, IV_AXES_XY, 1);
    case 3: return trial_group(t, IV_GROUP_SHIFT, 5, IV_AXES_X, 7);
    default: return trial_group(t, IV_GROUP_ROTATION, 4, IV_AXES_XY, 8);
    }
}

EXAMPLES(orbit, 5, 3) {
    const known_group *g = group_of(t, variant);
    const size_t dims[] = {1 + variant, g->group->n_pixels};
    iv_tensor *input = trial_floats(t, lies(variant), 2, dims, -1.0, 1.0);
    add_output(x, iv_orbit(t->graph, input, g->source, g->inverse, g->group->n_elements));
    add_wrt(x, input, true);
}

EXAMPLES(orbit_mean, 6, 4) {
    static const size_t dims[][3] = {{2, 1, 1}, {4, 3, 5},  {9, 2, 7},
                                     {1, 3, 2}, {3, 7, 33}, {64, 2, 3}};
    iv_tensor *input = trial_floats(t, lies(variant), 3, dims[variant], -1.0, 1.0);
    add_output(x, iv_orbit_mean(t->graph, input));
    add_wrt(x, input, true);
}

EXAMPLES(orbit_mean_of_features, 6, 4) {
    static const struct {
        size_t rows, elements, features;
    } sizes[] = {{1, 2, 1}, {3, 4, 5}, {2, 9, 16}, {5, 1, 3}, {7, 3, 32}, {3, 64, 2}};
    iv_tensor *input = trial_floats(
        t, lies(variant), 2,
        DIMS(sizes[variant].rows, sizes[variant].elements * sizes[variant].features), -1.0, 1.0);
    add_output(x, iv_orbit_mean_of_features(t->graph, input, sizes[variant].elements));
    add_wrt(x, input, false);
}

/* Activations between products and before a mean: compiled into their neighbours. */
EXAMPLES(activated_layers, 8, 4) {
    const iv_activation activation = (iv_activation)(IV_ACTIVATION_RELU + variant % 4);
    iv_tensor *input = trial_floats(t, lies(variant), 2, DIMS(3, 5), -1.0, 1.0);
    iv_tensor *w[] = {trial_floats(t, lies(variant + 1), 2, DIMS(18, 5), -1.0, 1.0),
                      trial_floats(t, lies(variant + 2), 2, DIMS(6, 18), -1.0, 1.0)};
    iv_tensor *h = iv_activate(t->graph, iv_linear(t->graph, input, w[0], NULL), activation);
    add_output(x, iv_activate(t->graph, iv_linear(t->graph, h, w[1], NULL), activation));
    add_wrt(x, input, true);
    add_wrt(x, w[0], false);
}

EXAMPLES(activated_orbit_mean, 8, 4) {
    const iv_activation activation = (iv_activation)(IV_ACTIVATION_RELU + variant % 4);
    iv_tensor *input = trial_floats(t, lies(variant), 3, DIMS(4, 3, 5), -2.0, 2.0);
    add_output(x, iv_orbit_mean(t->graph, iv_activate(t->graph, input, activation)));
    add_wrt(x, input, true);
}

EXAMPLES(orbit_accuracy, 5, 4) {
    static const size_t dims[][3] = {{2, 1, 2}, {4, 3, 10}, {9, 2, 3}, {2, 5, 1}, {4, 67, 10}};
    const size_t *d = dims[variant];
    const double spread = variant == 4 ? 20.0 : 3.0;
    iv_tensor *logits = trial_floats(t, lies(variant), 3, d, -spread, spread);
    iv_tensor *labels = trial_classes(t, lies(variant + 1), d[1], d[2]);
    add_output(x, iv_orbit_accuracy(t->graph, logits, labels));
    add_output(x, iv_orbit_logit_invariance(t->graph, logits));
    add_output(x, iv_orbit_distribution_invariance(t->graph, logits));
}

/* Logits that hardly differ along the orbit: the divergence is far below its terms. */
EXAMPLES(near_invariance, 2, 1) {
    const size_t G = 4, B = 3, C = 10;
    iv_tensor *logits = trial_floats(t, lies(variant), 3, DIMS(G, B, C), -3.0, 3.0);
    const double spread = variant == 0 ? 1e-3 : 1e-1;
    for (size_t r = 0; r < t->n_members; r++) {
        double *values = trial_values(t, logits, r);
        for (size_t i = B * C; i < G * B * C; i++)
            values[i] = (float)(values[i % (B * C)] + spread * values[i] / 3.0);
    }
    add_output(x, iv_orbit_logit_invariance(t->graph, logits));
    add_output(x, iv_orbit_distribution_invariance(t->graph, logits));
}

EXAMPLES(orbit_saliency_similarity, 5, 3) {
    const known_group *g = group_of(t, variant);
    const size_t dims[] = {g->group->n_elements, 1 + variant, g->group->n_pixels};
    const double spread = variant % 2 ? 1e-30 : 1.0; /* its square underflows */
    iv_tensor *maps = trial_floats(t, lies(variant), 3, dims, -spread, spread);
    if (variant == 4) /* one map that vanishes */
        memset(trial_values(t, maps, 0), 0, g->group->n_pixels * sizeof(double));
    add_output(x, iv_orbit_saliency_similarity(t->graph, maps, g->inverse));
}

/* ------------------------------------------------------------------ losses */

static const size_t logit_shapes[][2] = {{1, 1}, {2, 3}, {5, 10}, {3, 1}, {67, 10}, {130, 7}};

EXAMPLES(cross_entropy, 6, 4) {
    const double spread = variant == 2 ? 60.0 : 3.0;
    const size_t *dims = logit_shapes[variant];
    iv_tensor *logits = trial_floats(t, lies(variant), 2, dims, -spread, spread);
    iv_tensor *labels = trial_classes(t, lies(variant + 1), dims[0], dims[1]);
    iv_tensor *loss = iv_cross_entropy(t->graph, logits, labels);
    add_output(x, loss);
    add_wrt(x, logits, false);
}

EXAMPLES(logit_distance, 6, 4) {
    const size_t *dims = logit_shapes[variant];
    iv_tensor *a = trial_floats(t, lies(variant), 2, dims, -3.0, 3.0);
    iv_tensor *b = trial_floats(t, lies(variant + 1), 2, dims, -3.0, 3.0);
    add_output(x, iv_logit_distance(t->graph, a, b));
    add_wrt(x, a, false);
    add_wrt(x, b, false);
}

/* (CE(p) + w D(p, q)) + v D(q, p): the same distance with either order, a sum within a sum. */
EXAMPLES(weighted_sum, 6, 3) {
    const size_t *dims = logit_shapes[variant];
    iv_tensor *p = trial_floats(t, lies(variant), 2, dims, -2.0, 2.0);
    iv_tensor *q = trial_floats(t, lies(variant + 1), 2, dims, -2.0, 2.0);
    iv_tensor *labels = trial_classes(t, lies(variant + 2), dims[0], dims[1]);
    iv_tensor *w = trial_floats(t, lies(variant), 1, DIMS(1), 0.1, 2.0);
    iv_tensor *v = trial_floats(t, lies(variant + 1), 1, DIMS(1), -2.0, -0.1);
    iv_tensor *inner = iv_weighted_sum(t->graph, iv_cross_entropy(t->graph, p, labels),
                                       iv_logit_distance(t->graph, p, q), w);
    add_output(x, iv_weighted_sum(t->graph, inner, iv_logit_distance(t->graph, q, p), v));
    add_wrt(x, p, false);
    add_wrt(x, q, false);
    add_wrt(x, w, false);
}

/* Sums of losses that the gradient reaches along several ways: 2 a + w a, scaled. */
EXAMPLES(repeated_loss, 6, 3) {
    const size_t *dims = logit_shapes[variant];
    iv_tensor *p = trial_floats(t, lies(variant), 2, dims, -2.0, 2.0);
    iv_tensor *labels = trial_classes(t, lies(variant + 2), dims[0], dims[1]);
    iv_tensor *w = trial_floats(t, lies(variant), 1, DIMS(1), 0.1, 2.0);
    iv_tensor *a = iv_cross_entropy(t->graph, p, labels);
    iv_tensor *sum = iv_weighted_sum(t->graph, iv_weighted_sum(t->graph, a, a, w), a, w);
    if (variant % 2) sum = iv_scale(t->graph, iv_add(t->graph, sum, a), w);
    add_output(x, sum);
    add_wrt(x, p, false);
}

EXAMPLES(class_logit_sum, 6, 4) {
    const size_t *dims = logit_shapes[variant];
    const bool orbit = variant % 2;
    const size_t shape[] = {orbit ? 4 : dims[0], orbit ? dims[0] : dims[1], dims[1]};
    iv_tensor *logits = trial_floats(t, lies(variant), orbit ? 3 : 2, shape, -3.0, 3.0);
    iv_tensor *classes =
        orbit ? trial_classes(t, lies(variant + 1), dims[0], dims[1]) : iv_argmax(t->graph, logits);
    iv_tensor *sum = iv_class_logit_sum(t->graph, logits, classes);
    add_output(x, sum);
    add_output(x, sum->producer->outputs[1]);
    if (!orbit) add_output(x, classes);
    add_wrt(x, logits, false);
}

EXAMPLES(jacobian, 6, 3) {
    const size_t *dims = logit_shapes[variant];
    iv_tensor *input = trial_floats(t, lies(variant), 2, DIMS(dims[0], 6), -1.0, 1.0);
    iv_tensor *w = trial_floats(t, lies(variant + 1), 2, DIMS(dims[1], 6), -1.0, 1.0);
    add_output(x, iv_jacobian(t->graph, iv_linear(t->graph, input, w, NULL), input));
}

/* The four ways of taking a batch, shuffled or not; steps are the test's. */
EXAMPLES(image_batch, 8, 8) {
    const known_group *g = group_of(t, variant % 2);
    iv_tensor *images, *labels;
    trial_image_batch(t, g, 11, 7, variant % 3 + 1, (iv_copies)(variant % 4), variant < 4, &images,
                      &labels);
    trial_place(t, images);
    add_output(x, images);
    add_output(x, labels);
}

const example_family *const example_families[] = {
#define OP(name) &examples_##name,
#define PART(name)
#include "graph/ops/ops.def"
    &examples_row,
    &examples_orbit_mean_of_features,
    &examples_activated_layers,
    &examples_activated_orbit_mean,
    &examples_near_invariance,
    &examples_repeated_loss,
    &examples_jacobian,
    &examples_rich_layer,
    &examples_invariant_layer,
    &examples_activated_convolutions,
    &examples_convolutional_network,
    NULL,
};

/* The oracle of the marginal-likelihood study against closed forms and its own differences, and the
 * study's graph against the oracle. */
#include "ml_oracle.h"

#include "../graph/trial.h"

#include <invar/affine.h>

/* ------------------------------------------------------------------ made-up numbers */

/* Uniform on [low, high), the next one of a test. */
static double number(uint32_t *drawn, double low, double high) {
    uint32_t words[4];
    iv_philox(1, IV_STREAM_TEST, 0, (*drawn)++, words);
    return low + (high - low) * (double)iv_uniform(words[0]);
}

/* ------------------------------------------------------------------ the oracle itself */

static void exponentials_have_their_closed_forms(void **state) {
    (void)state;
    double t[6];
    /* 100 terms of the series, each off by 2^-53 of at most e^|a| < 25 */
    const double tolerance = 1e-13;
    const double rotation[6] = {0, 0, 2.5, 0, 0, 0}, scale[6] = {0, 0, 0, 0.5, -0.25, 0};
    const double turned[6] = {cos(2.5), -sin(2.5), 0, sin(2.5), cos(2.5), 0};
    const double scaled[6] = {exp(0.5), 0, 0, 0, exp(-0.25), 0};
    const double shear[6] = {0, 0, 0, 0, 0, 0.75}, translation[6] = {0.5, -2, 0, 0, 0, 0};
    const double sheared[6] = {cosh(0.75), sinh(0.75), 0, sinh(0.75), cosh(0.75), 0};
    const double translated[6] = {1, 0, 0.5, 0, 1, -2};
    const struct {
        const double *a, *t;
    } known[] = {{rotation, turned}, {scale, scaled}, {shear, sheared}, {translation, translated}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        ml_oracle_exponential(known[i].a, t, NULL);
        for (int k = 0; k < 6; k++) assert_true(fabs(t[k] - known[i].t[k]) < tolerance);
    }
}

/* A quarter turn of a square maps pixels on pixels: x right, y down, the image at p is that at T p.
 */
static void a_quarter_turn_moves_pixels(void **state) {
    (void)state;
    enum { SIDE = 5 };
    const ml_oracle_shape shape = {1, SIDE, SIDE, false};
    double image[SIDE * SIDE], turned[SIDE * SIDE], t[6];
    uint32_t drawn = 0;
    for (int i = 0; i < SIDE * SIDE; i++) image[i] = number(&drawn, 0, 1);
    ml_oracle_exponential((const double[6]){0, 0, acos(0), 0, 0, 0}, t, NULL);
    ml_oracle_warp(&shape, t, image, turned);
    for (int row = 0; row < SIDE; row++)
        for (int column = 0; column < SIDE; column++) {
            /* T (x, y) = (-y, x): the pixel at row r, column c shows row c, column SIDE - 1 - r */
            const double from = image[column * SIDE + SIDE - 1 - row];
            assert_true(fabs(turned[row * SIDE + column] - from) < 1e-12);
        }
}

typedef struct {
    ml_oracle_network network;
    ml_oracle_batch batch;
    double *x, *eps, *noise;
    int *labels;
} example;

static void example_free(example *e) {
    ml_oracle_network_free(&e->network);
    free(e->x);
    free(e->eps);
    free(e->noise);
    free(e->labels);
}

/* A network with numbers of a size that training gives them. */
static example example_create(ml_oracle_network network, int n) {
    example e = {.network = network};
    const int d = ml_oracle_pixels(&network.shape), c = network.n_classes;
    uint32_t drawn = 0;
    ml_oracle_network_create(&e.network);
    e.x = calloc((size_t)(n * d), sizeof *e.x);
    e.eps = calloc((size_t)(6 * network.n_samples + 1), sizeof *e.eps);
    e.noise = calloc((size_t)(c * network.n_hidden), sizeof *e.noise);
    e.labels = calloc((size_t)n, sizeof *e.labels);
    assert_true(e.x && e.eps && e.noise && e.labels);
    for (int i = 0; i < n * d; i++) e.x[i] = (float)number(&drawn, 0, 1);
    for (int i = 0; i < n; i++) e.labels[i] = (int)number(&drawn, 0, c);
    for (int i = 0; i < 6; i++) e.network.learned[i] = i != 4;
    ml_oracle_draw_transformations(7, IV_STREAM_TRANSFORMATION, 3, network.n_samples, e.eps);
    ml_oracle_draw_noise(&e.network, 7, IV_STREAM_POSTERIOR, 3, e.noise);
    for (int k = 0; k < ML_ORACLE_N_TENSORS; k++)
        for (int i = 0; i < ml_oracle_elements(&network, k); i++)
            e.network.tensors[k][i] += (float)number(&drawn, -0.4, 0.4);
    e.batch = (ml_oracle_batch){e.x, e.labels, n, e.eps, e.noise};
    return e;
}

static const ml_oracle_network kinds[] = {
    {.shape = {1, 6, 7, false},
     .n_hidden = 5,
     .n_classes = 3,
     .n_samples = 3,
     .alpha = 0.7,
     .initial_deviation = 1,
     .n_data = 50},
    {.shape = {3, 6, 5, false},
     .n_hidden = 4,
     .n_classes = 3,
     .n_samples = 2,
     .cosine = true,
     .alpha = 2,
     .initial_deviation = 1,
     .n_data = 9,
     .blur = 0.8},
    {.shape = {1, 6, 6, false},
     .n_hidden = 5,
     .n_classes = 3,
     .alpha = 1,
     .initial_deviation = 1,
     .n_data = 50},
    {.shape = {1, 6, 6, false}, .n_hidden = 5, .n_classes = 3, .n_samples = 2, .point = true},
    {.shape = {.points = true},
     .n_hidden = 6,
     .n_classes = 2,
     .n_samples = 4,
     .cosine = true,
     .alpha = 1,
     .initial_deviation = 1,
     .n_data = 20},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* With steps of 1e-5, central differences of a loss near 1 are off by 2^-53 / 1e-5 = 1e-11 from
 * rounding and 1e-10 times a third derivative, which a sum of few terms keeps below 100. */
static void the_oracles_gradients_are_its_differences(void **state) {
    (void)state;
    for (int kind = 0; kind < N_KINDS; kind++) {
        example e = example_create(kinds[kind], 4);
        double *gradients[ML_ORACLE_N_TENSORS];
        for (int k = 0; k < ML_ORACLE_N_TENSORS; k++) {
            gradients[k] = calloc((size_t)ml_oracle_elements(&e.network, k) + 1, sizeof(double));
            assert_non_null(gradients[k]);
        }
        ml_oracle_loss(&e.network, &e.batch, gradients);
        for (int k = 0; k < ML_ORACLE_N_TENSORS; k++)
            for (int i = 0; i < ml_oracle_elements(&e.network, k); i++) {
                const double before = e.network.tensors[k][i], step = 1e-5;
                e.network.tensors[k][i] = before + step;
                const double above = ml_oracle_loss(&e.network, &e.batch, NULL);
                e.network.tensors[k][i] = before - step;
                const double below = ml_oracle_loss(&e.network, &e.batch, NULL);
                e.network.tensors[k][i] = before;
                const double counts = k == ML_ORACLE_ETA ? e.network.learned[i] : 1;
                const double slope = counts * (above - below) / (2 * step);
                if (!(fabs(slope - gradients[k][i]) <= 1e-8))
                    fail_msg("kind %d, tensor %d, element %d: %.12g, differences say %.12g", kind,
                             k, i, gradients[k][i], slope);
            }
        for (int k = 0; k < ML_ORACLE_N_TENSORS; k++) free(gradients[k]);
        example_free(&e);
    }
}

/* ------------------------------------------------------------------ the graph */

#define DIMS(...) ((const size_t[]){__VA_ARGS__})

enum { N_MEMBERS = 2, STEP = 5, BATCH = 7 };
static const uint32_t seeds[N_MEMBERS] = {11, 4000000000U};

typedef enum { INPUT_FORM, FILTER_FORM } graph_form;

/* The cross-entropy of a batch for N_MEMBERS members; parameters in the order of the oracle's
 * tensors, ML_ORACLE_MEAN being the output layer itself. */
typedef struct {
    iv_tensor *x, *labels, *learned, *parameters[ML_ORACLE_FACTOR];
    iv_tensor *loss, *gradients[ML_ORACLE_FACTOR];
} loss_graph;

static iv_tensor *pre_activations(trial *t, const ml_oracle_network *network, graph_form form,
                                  const loss_graph *g) {
    const iv_image_shape shape = {(size_t)network->shape.planes, (size_t)network->shape.height,
                                  (size_t)network->shape.width};
    const size_t h = (size_t)network->n_hidden;
    iv_tensor *w = g->parameters[ML_ORACLE_WEIGHT], *b = g->parameters[ML_ORACLE_BIAS];
    if (network->blur > 0) w = iv_blur(t->graph, w, shape, (float)network->blur);
    if (!network->n_samples)
        return iv_reshape(t->graph, iv_linear(t->graph, g->x, w, b), 3, DIMS(1, BATCH, h));
    const iv_affine_draws draws = {.seeds = {trial_upload(t, seeds, sizeof seeds), 0, 1},
                                   .stream = IV_STREAM_TRANSFORMATION,
                                   .n_samples = (size_t)network->n_samples};
    iv_tensor *sampled =
        iv_affine_samples(t->graph, g->parameters[ML_ORACLE_ETA], g->learned, &draws);
    if (network->shape.points)
        return iv_linear(t->graph, iv_transform_points(t->graph, g->x, sampled), w, b);
    if (form == INPUT_FORM)
        return iv_linear(t->graph, iv_warp_inputs(t->graph, g->x, sampled, shape), w, b);
    return iv_filter_products(t->graph, g->x, iv_warp_filters(t->graph, w, sampled, shape), b);
}

static loss_graph build_loss(trial *t, const ml_oracle_network *network, graph_form form) {
    loss_graph g = {0};
    const size_t d = (size_t)ml_oracle_pixels(&network->shape), h = (size_t)network->n_hidden;
    const size_t n_classes = (size_t)network->n_classes;
    g.x = trial_floats(t, LIES_APART, 2, DIMS(BATCH, d), 0, 1);
    g.labels = trial_classes(t, LIES_APART, BATCH, n_classes);
    g.learned = trial_floats(t, LIES_APART, 1, DIMS(6), 0, 1);
    g.parameters[ML_ORACLE_WEIGHT] = trial_floats(t, LIES_APART, 2, DIMS(h, d), -0.5, 0.5);
    g.parameters[ML_ORACLE_BIAS] = trial_floats(t, LIES_APART, 1, &h, -0.5, 0.5);
    g.parameters[ML_ORACLE_ETA] = trial_floats(t, LIES_APART, 1, DIMS(6), -0.6, 0.6);
    g.parameters[ML_ORACLE_MEAN] = trial_floats(t, LIES_APART, 2, DIMS(n_classes, h), -2, 2);
    for (size_t r = 0; r < N_MEMBERS; r++)
        for (size_t i = 0; i < 6; i++)
            trial_values(t, g.learned, r)[i] = i != r + 3; /* each member keeps one eta */
    iv_tensor *features = iv_feature_mean(t->graph, pre_activations(t, network, form, &g),
                                          network->cosine ? IV_FEATURE_COSINE : IV_FEATURE_RELU);
    iv_tensor *logits = iv_linear(t->graph, features, g.parameters[ML_ORACLE_MEAN], NULL);
    g.loss = iv_cross_entropy(t->graph, logits, g.labels);

    iv_tensor *wrt[ML_ORACLE_FACTOR], *gradients[ML_ORACLE_FACTOR];
    size_t n = 0;
    for (int k = 0; k < ML_ORACLE_FACTOR; k++)
        if (k != ML_ORACLE_ETA || network->n_samples) wrt[n++] = g.parameters[k];
    assert_ok(t->context, iv_gradient(t->graph, g.loss, wrt, n, gradients));
    n = 0;
    for (int k = 0; k < ML_ORACLE_FACTOR; k++)
        if (k != ML_ORACLE_ETA || network->n_samples) g.gradients[k] = gradients[n++];
    return g;
}

/* The oracle's loss and gradients of one member. */
static double expected_loss(const trial *t, const ml_oracle_network *kind, const loss_graph *g,
                            size_t member, double *const gradients[ML_ORACLE_N_TENSORS]) {
    ml_oracle_network network = *kind;
    int labels[BATCH];
    double *eps = calloc((size_t)network.n_samples * 6 + 1, sizeof *eps);
    assert_non_null(eps);
    for (int i = 0; i < BATCH; i++) labels[i] = (int)trial_values(t, g->labels, member)[i];
    for (int i = 0; i < 6; i++) network.learned[i] = trial_values(t, g->learned, member)[i];
    for (int k = 0; k < ML_ORACLE_FACTOR; k++)
        network.tensors[k] = trial_values(t, g->parameters[k], member);
    ml_oracle_draw_transformations(seeds[member], IV_STREAM_TRANSFORMATION, STEP, network.n_samples,
                                   eps);
    const ml_oracle_batch batch = {trial_values(t, g->x, member), labels, BATCH, eps, NULL};
    const double loss = ml_oracle_loss(&network, &batch, gradients);
    free(eps);
    return loss;
}

static double largest(const double *values, int n) {
    double top = 0;
    for (int i = 0; i < n; i++) top = fmax(top, fabs(values[i]));
    return top;
}

/* A pre-activation sums up to 90 products of at most 1 in floats, between pixels of which a float
 * finds the place to within 1e-6 of a pixel: it is right to 1e-6 as a rule, and so are logits. A
 * gradient sums terms of either sign, which are off by as much as that together and so by a few
 * times that much of the largest entry. */
static const double loss_tolerance = 1e-6, gradient_tolerance = 5e-6;

static void compare(trial *t, const ml_oracle_network *kind, const loss_graph *g) {
    double *gradients[ML_ORACLE_N_TENSORS];
    float *loss = trial_read(t, g->loss);
    for (int k = 0; k < ML_ORACLE_N_TENSORS; k++) {
        gradients[k] = calloc((size_t)ml_oracle_elements(kind, k) + 1, sizeof(double));
        assert_non_null(gradients[k]);
    }
    for (size_t r = 0; r < N_MEMBERS; r++) {
        const double expected = expected_loss(t, kind, g, r, gradients);
        if (!(fabs((double)loss[r] - expected) <= loss_tolerance * fabs(expected)))
            fail_msg("member %zu: loss %.9g, the oracle says %.9g", r, (double)loss[r], expected);
        for (int k = 0; k < ML_ORACLE_FACTOR; k++) {
            if (!g->gradients[k]) continue;
            const int n = ml_oracle_elements(kind, k);
            const double tolerance = gradient_tolerance * largest(gradients[k], n);
            float *found = trial_read(t, g->gradients[k]);
            assert_true(tolerance > 0);
            for (int i = 0; i < n; i++) {
                const double value = (double)found[r * (size_t)n + (size_t)i];
                if (!(fabs(value - gradients[k][i]) <= tolerance))
                    fail_msg("member %zu, tensor %d, element %d: gradient %.9g, the oracle says "
                             "%.9g, tolerance %.3g",
                             r, k, i, value, gradients[k][i], tolerance);
                if (k == ML_ORACLE_ETA && (size_t)i == r + 3) assert_true(value == 0);
            }
            free(found);
        }
    }
    for (int k = 0; k < ML_ORACLE_N_TENSORS; k++) free(gradients[k]);
    free(loss);
}

static void check_form(void **state, graph_form form) {
    for (int i = 0; i < N_KINDS; i++) {
        ml_oracle_network kind = kinds[i];
        kind.point = true;
        if (form == FILTER_FORM && (kind.shape.points || !kind.n_samples)) continue;
        trial *t = trial_begin(*state, N_MEMBERS);
        const loss_graph g = build_loss(t, &kind, form);
        iv_tensor *outputs[1 + ML_ORACLE_FACTOR] = {g.loss};
        size_t n = 1;
        for (int k = 0; k < ML_ORACLE_FACTOR; k++)
            if (g.gradients[k]) outputs[n++] = g.gradients[k];
        trial_run(t, outputs, n, STEP);
        compare(t, &kind, &g);
        trial_end(*state, t);
    }
}

static void loss_and_gradients_of_warped_inputs_are_the_oracles(void **state) {
    check_form(state, INPUT_FORM);
}

static void loss_and_gradients_of_warped_filters_are_the_oracles(void **state) {
    check_form(state, FILTER_FORM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponentials_have_their_closed_forms),
        cmocka_unit_test(a_quarter_turn_moves_pixels),
        cmocka_unit_test(the_oracles_gradients_are_its_differences),
        cmocka_unit_test(loss_and_gradients_of_warped_inputs_are_the_oracles),
        cmocka_unit_test(loss_and_gradients_of_warped_filters_are_the_oracles),
    };
    if (no_device_to_test()) return 0;
    return cmocka_run_group_tests(tests, open_program, close_program);
}

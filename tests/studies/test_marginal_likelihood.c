/* The oracle of the marginal-likelihood study against closed forms and its own differences, and the
 * study's graph against the oracle. */
#include "ml_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <invar/random.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
     .n_data = 50},
    {.shape = {3, 6, 5, false},
     .n_hidden = 4,
     .n_classes = 3,
     .n_samples = 2,
     .cosine = true,
     .alpha = 2,
     .n_data = 9,
     .blur = 0.8},
    {.shape = {1, 6, 6, false}, .n_hidden = 5, .n_classes = 3, .alpha = 1, .n_data = 50},
    {.shape = {1, 6, 6, false}, .n_hidden = 5, .n_classes = 3, .n_samples = 2, .point = true},
    {.shape = {.points = true},
     .n_hidden = 6,
     .n_classes = 2,
     .n_samples = 4,
     .cosine = true,
     .alpha = 1,
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
                const double kept = e.network.tensors[k][i], step = 1e-5;
                e.network.tensors[k][i] = kept + step;
                const double above = ml_oracle_loss(&e.network, &e.batch, NULL);
                e.network.tensors[k][i] = kept - step;
                const double below = ml_oracle_loss(&e.network, &e.batch, NULL);
                e.network.tensors[k][i] = kept;
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponentials_have_their_closed_forms),
        cmocka_unit_test(a_quarter_turn_moves_pixels),
        cmocka_unit_test(the_oracles_gradients_are_its_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

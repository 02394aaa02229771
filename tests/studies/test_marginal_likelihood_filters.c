/* Filters as the marginal-likelihood study's figures show them. No device is needed. */
#include "../kit/kit.h"
#include "ml_oracle.h"

#include "studies/marginal_likelihood/figures.h"

#include <invar/random.h>

#include <math.h>

enum { PLANES = 3, HEIGHT = 7, WIDTH = 6, PIXELS = PLANES * HEIGHT * WIDTH };

static const iv_image_shape shape = {PLANES, HEIGHT, WIDTH};
static const ml_oracle_shape oracle_shape = {PLANES, HEIGHT, WIDTH, false};

static void make_filter(float *filter, double *copy) {
    for (uint32_t i = 0; i < PIXELS; i++) {
        uint32_t words[4];
        iv_philox(1, IV_STREAM_TEST, 0, i, words);
        filter[i] = iv_uniform_symmetric(words[0]);
        copy[i] = (double)filter[i];
    }
}

/* Both interpolate in double precision and differ by rounding alone, which then a float's last
 * place hides: half of one of numbers up to 1 is 3e-8. Beside a whole pixel rounding may choose
 * other neighbours, with the same result to a few times 1e-15. */
static void warped_filters_agree_with_the_oracle(void **state) {
    (void)state;
    static const double etas[][6] = {{0, 0, 0, 0, 0, 0},      {0, 0, 0.3, 0, 0, 0},
                                     {0, 0, -2.9, 0, 0, 0},   {0.4, -1.7, 0, 0, 0, 0},
                                     {0, 0, 0, 0.5, -0.7, 0}, {0.1, 0.2, 1.1, -0.3, 0.4, 0.6},
                                     {5, 0, 0, 0, 0, 0},      {0, 0, 0, 40, 40, 0}};
    float filter[PIXELS], warped[PIXELS];
    double copy[PIXELS], expected[PIXELS];
    make_filter(filter, copy);
    for (size_t k = 0; k < sizeof etas / sizeof *etas; k++) {
        double t[6];
        ml_oracle_exponential(etas[k], t, NULL);
        ml_oracle_warp(&oracle_shape, t, copy, expected);
        ml_filter_warp(filter, shape, t, warped);
        for (size_t i = 0; i < PIXELS; i++)
            assert_true(fabs((double)warped[i] - expected[i]) < 5e-8);
    }
}

/* The oracle and the study could misread the paper alike: known moves by hand. */
static void a_filter_moves_by_whole_pixels(void **state) {
    (void)state;
    float filter[PIXELS], warped[PIXELS];
    double copy[PIXELS];
    make_filter(filter, copy);
    /* at p lies what was one column to the right: corner pixels are 2 apart, WIDTH - 1 columns */
    const double t[6] = {1, 0, 2.0 / (WIDTH - 1), 0, 1, 0};
    ml_filter_warp(filter, shape, t, warped);
    for (size_t i = 0; i < PIXELS; i++) {
        const double wanted = i % WIDTH == WIDTH - 1 ? 0 : (double)filter[i + 1];
        /* the position is exact to a few 1e-16, and pixels differ by 2 at most */
        assert_true(fabs((double)warped[i] - wanted) < 5e-8);
    }
}

static void what_is_not_finite_is_drawn_as_such(void **state) {
    (void)state;
    float filter[PIXELS], warped[PIXELS];
    double copy[PIXELS];
    make_filter(filter, copy);
    const double bad[2][6] = {{1, NAN, 0, 0, 1, 0}, {1, 0, INFINITY, 0, 1, 0}};
    for (size_t k = 0; k < 2; k++) {
        ml_filter_warp(filter, shape, bad[k], warped);
        for (size_t i = 0; i < PIXELS; i++) assert_true(isnan(warped[i]));
    }
}

/* Weights are cut at 6 standard deviations, where they are 2e-8 of the largest, and rows are
 * rounded to floats before columns are added: at most 2^-24 twice, of numbers up to 1. */
static void blurred_filters_agree_with_the_oracle(void **state) {
    (void)state;
    static const double sigmas[] = {0.1, 0.5, 1, 3};
    for (size_t k = 0; k < sizeof sigmas / sizeof *sigmas; k++) {
        float filter[PIXELS];
        double copy[PIXELS], expected[PIXELS];
        make_filter(filter, copy);
        ml_oracle_blur(&oracle_shape, sigmas[k], copy, expected);
        ml_filter_blur(filter, shape, sigmas[k]);
        for (size_t i = 0; i < PIXELS; i++)
            assert_true(fabs((double)filter[i] - expected[i]) < 2e-7);
    }
}

static void figures_have_plain_names(void **state) {
    (void)state;
    char name[IV_FIGURE_NAME];
    iv_figure_name("eta", "cifar10 rotated=1e+06/x", name);
    assert_string_equal(name, "eta-cifar10-rotated1e-06-x");
    char endless[2 * IV_FIGURE_NAME];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    iv_figure_name("filters", endless, name);
    assert_int_equal(strlen(name), IV_FIGURE_NAME - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warped_filters_agree_with_the_oracle),
        cmocka_unit_test(a_filter_moves_by_whole_pixels),
        cmocka_unit_test(what_is_not_finite_is_drawn_as_such),
        cmocka_unit_test(blurred_filters_agree_with_the_oracle),
        cmocka_unit_test(figures_have_plain_names),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Affine maps: the exponential against closed forms, and equally spaced points. */
#include "../kit/kit.h"

#include <invar/random.h>
#include <invar/transform.h>

#include <complex.h>
#include <float.h>
#include <string.h>

#define PI 3.14159265358979323846

/* Ten squarings at most double the rounding errors of long double each time; where that is no wider
 * than double, and for the closed forms in double, this is what is left of their digits. */
#define TOLERANCE (4096 * DBL_EPSILON)

static double largest(const double t[6]) {
    double most = 1.0;
    for (size_t i = 0; i < 6; i++) most = fmax(most, fabs(t[i]));
    return most;
}

static void assert_map(const double got[6], const double expected[6]) {
    for (size_t i = 0; i < 6; i++)
        if (!(fabs(got[i] - expected[i]) <= TOLERANCE * largest(expected)))
            fail_msg("entry %zu is %.17g, not %.17g", i, got[i], expected[i]);
}

static void exponential_of(iv_generator generator, double a, double t[6]) {
    double along[IV_N_GENERATORS] = {0};
    along[generator] = a;
    iv_affine_exponential(along, t);
}

/* a b */
static void product(const double a[6], const double b[6], double out[6]) {
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 3; j++)
            out[3 * i + j] =
                a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + (j == 2 ? a[3 * i + 2] : 0.0);
}

/* ------------------------------------------------------------------ claims */

static const double lengths[] = {0.0, 1e-12, 1e-3, 0.3, -1.0, PI, -2.5, 8.0, -20.0};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths };

static void nothing_is_the_identity(void **state) {
    (void)state;
    const double a[IV_N_GENERATORS] = {0}, identity[] = {1, 0, 0, 0, 1, 0};
    double t[6];
    iv_affine_exponential(a, t);
    assert_memory_equal(t, identity, sizeof identity);
}

static void single_generators_have_their_closed_forms(void **state) {
    (void)state;
    for (size_t i = 0; i < N_LENGTHS; i++) {
        const double a = lengths[i], c = cos(a), s = sin(a);
        const double expected[IV_N_GENERATORS][6] = {
            [IV_GENERATOR_TRANSLATION_X] = {1, 0, a, 0, 1, 0},
            [IV_GENERATOR_TRANSLATION_Y] = {1, 0, 0, 0, 1, a},
            [IV_GENERATOR_ROTATION] = {c, -s, 0, s, c, 0},
            [IV_GENERATOR_SCALE_X] = {exp(a), 0, 0, 0, 1, 0},
            [IV_GENERATOR_SCALE_Y] = {1, 0, 0, 0, exp(a), 0},
            [IV_GENERATOR_SHEAR] = {cosh(a), sinh(a), 0, sinh(a), cosh(a), 0},
        };
        for (int g = 0; g < IV_N_GENERATORS; g++) {
            double t[6];
            exponential_of((iv_generator)g, a, t);
            assert_map(t, expected[g]);
        }
    }
}

/* x' = s x + c has the flow exp(s) x + (exp(s) - 1) / s c. */
static void translations_grow_with_the_scale(void **state) {
    (void)state;
    for (size_t i = 0; i < N_LENGTHS; i++) {
        const double s = lengths[i];
        const double a[] = {0.7, -1.9, 0.0, s, -0.5 * s, 0.0};
        const double x = s == 0.0 ? 1.0 : expm1(s) / s;
        const double y = s == 0.0 ? 1.0 : expm1(-0.5 * s) / (-0.5 * s);
        const double expected[] = {exp(s), 0, 0.7 * x, 0, exp(-0.5 * s), -1.9 * y};
        double t[6];
        iv_affine_exponential(a, t);
        assert_map(t, expected);
    }
}

/* Sylvester's formula: f(L) from the eigenvalues of L, complex or not; the translation is that of
 * f(z) = (exp(z) - 1) / z. */
static void eigenvalues_give_the_same(void **state) {
    (void)state;
    for (uint32_t trial = 0; trial < 2000; trial++) {
        uint32_t words[8];
        iv_philox(1, IV_STREAM_TEST, trial, 0, words);
        iv_philox(1, IV_STREAM_TEST, trial, 1, words + 4);
        double a[IV_N_GENERATORS];
        for (size_t i = 0; i < IV_N_GENERATORS; i++)
            a[i] = 3.0 * (double)iv_uniform_symmetric(words[i]);
        const double q = a[5] - a[2], r = a[5] + a[2], m = (a[3] + a[4]) / 2, h = (a[3] - a[4]) / 2;
        const double complex root = csqrt(h * h + q * r), z = m + root, w = m - root;
        if (cabs(root) < 0.1 || cabs(z) < 0.1 || cabs(w) < 0.1) continue; /* they cancel there */

        const double complex f = (cexp(z) - 1.0) / z, g = (cexp(w) - 1.0) / w;
        const double half = creal(cexp(z) + cexp(w)) / 2,
                     slope = creal((cexp(z) - cexp(w)) / (z - w));
        const double mean = creal(f + g) / 2, quotient = creal((f - g) / (z - w));
        const double expected[] = {
            half + slope * h, slope * q,        (mean + quotient * h) * a[0] + quotient * q * a[1],
            slope * r,        half - slope * h, quotient * r * a[0] + (mean - quotient * h) * a[1]};
        double t[6];
        iv_affine_exponential(a, t);
        assert_map(t, expected);
    }
}

static void the_exponential_of_a_sum_along_one_line_is_the_product(void **state) {
    (void)state;
    const double a[] = {0.4, -0.2, 1.1, 0.3, -0.5, 0.8};
    double b[6], once[6], twice[6], squared[6], back[6];
    for (size_t i = 0; i < 6; i++) b[i] = 2.0 * a[i];
    iv_affine_exponential(a, once);
    iv_affine_exponential(b, twice);
    product(once, once, squared);
    assert_map(squared, twice);
    for (size_t i = 0; i < 6; i++) b[i] = -a[i];
    iv_affine_exponential(b, back);
    product(once, back, squared);
    assert_map(squared, (const double[]){1, 0, 0, 0, 1, 0});
}

static void families_have_their_generators(void **state) {
    (void)state;
    static const float expected[][IV_N_GENERATORS] = {
        [IV_AFFINE_NONE] = {0},
        [IV_AFFINE_ROTATION] = {0, 0, 1, 0, 0, 0},
        [IV_AFFINE_TRANSLATION] = {1, 1, 0, 0, 0, 0},
        [IV_AFFINE_SCALE] = {0, 0, 0, 1, 1, 0},
        [IV_AFFINE_ALL] = {1, 1, 1, 1, 1, 1},
    };
    for (int family = IV_AFFINE_NONE; family <= IV_AFFINE_ALL; family++) {
        float mask[IV_N_GENERATORS];
        iv_affine_mask((iv_affine_family)family, mask);
        assert_memory_equal(mask, expected[family], sizeof mask);
    }
}

static void points_along_one_generator_are_midpoints(void **state) {
    (void)state;
    const float mask[] = {0, 0, 1, 0, 0, 0}, expected[] = {-0.75f, -0.25f, 0.25f, 0.75f};
    float eps[4][IV_N_GENERATORS];
    assert_int_equal(iv_affine_points(mask, 4, eps[0], NULL), IV_OK);
    for (size_t s = 0; s < 4; s++)
        for (size_t i = 0; i < IV_N_GENERATORS; i++)
            assert_true(eps[s][i] == (i == 2 ? expected[s] : 0.0f));
}

static void points_along_several_generators_are_their_product(void **state) {
    (void)state;
    float eps[729][IV_N_GENERATORS];
    const float two[] = {1, 1, 0, 0, 0, 0}, all[] = {1, 1, 1, 1, 1, 1};
    static const float expected[][2] = {{-0.5f, -0.5f}, {-0.5f, 0.5f}, {0.5f, -0.5f}, {0.5f, 0.5f}};
    assert_int_equal(iv_affine_points(two, 4, eps[0], NULL), IV_OK);
    for (size_t s = 0; s < 4; s++) assert_memory_equal(eps[s], expected[s], sizeof *expected);

    /* every choice of -2/3, 0, 2/3 once, in order, with a mean of 0 */
    assert_int_equal(iv_affine_points(all, 729, eps[0], NULL), IV_OK);
    for (size_t s = 0; s < 729; s++) {
        size_t number = 0;
        for (size_t i = 0; i < IV_N_GENERATORS; i++)
            number = 3 * number + (size_t)lrintf(1.5f * eps[s][i] + 1.0f);
        assert_int_equal(number, s);
        for (size_t i = 0; i < IV_N_GENERATORS; i++) {
            assert_true(fabsf(fabsf(eps[s][i]) - 1.0f / 3.0f) - 1.0f / 3.0f < 1e-7f);
            assert_true(eps[s][i] == -eps[728 - s][i]);
        }
    }
    const float none[IV_N_GENERATORS] = {0};
    assert_int_equal(iv_affine_points(none, 1, eps[0], NULL), IV_OK);
    assert_memory_equal(eps[0], none, sizeof none);
}

/* Rotations by +- pi are one and the same: midpoints leave them out. */
static void a_full_turn_counts_no_angle_twice(void **state) {
    (void)state;
    enum { N = 8 };
    const float mask[] = {0, 0, 1, 0, 0, 0};
    float eps[N][IV_N_GENERATORS];
    double t[N][6];
    assert_int_equal(iv_affine_points(mask, N, eps[0], NULL), IV_OK);
    for (size_t s = 0; s < N; s++) {
        exponential_of(IV_GENERATOR_ROTATION, PI * (double)eps[s][IV_GENERATOR_ROTATION], t[s]);
        for (size_t other = 0; other < s; other++)
            assert_true(hypot(t[s][0] - t[other][0], t[s][1] - t[other][1]) > 0.7);
    }
}

static void counts_that_make_no_grid_are_refused(void **state) {
    (void)state;
    static const struct {
        size_t n_generators, n_samples;
        const char *part;
    } bad[] = {{0, 2, "use 1"},         {0, 0, "use 1"},          {1, 0, "use 1 to"},
               {2, 8, "use 4 or 9"},    {3, 32, "use 27 or 64"},  {6, 32, "use 1 or 64"},
               {6, 730, "729 or 4096"}, {2, SIZE_MAX, "use 1 to"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        float mask[IV_N_GENERATORS] = {0}, eps[IV_N_GENERATORS];
        for (size_t k = 0; k < bad[i].n_generators; k++) mask[k] = 1.0f;
        iv_error error = {0};
        assert_int_equal(iv_affine_points(mask, bad[i].n_samples, eps, &error), IV_EINVAL);
        if (!strstr(error.message, bad[i].part))
            fail_msg("the message lacks \"%s\": %s", bad[i].part, error.message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_the_identity),
        cmocka_unit_test(single_generators_have_their_closed_forms),
        cmocka_unit_test(translations_grow_with_the_scale),
        cmocka_unit_test(eigenvalues_give_the_same),
        cmocka_unit_test(the_exponential_of_a_sum_along_one_line_is_the_product),
        cmocka_unit_test(families_have_their_generators),
        cmocka_unit_test(points_along_one_generator_are_midpoints),
        cmocka_unit_test(points_along_several_generators_are_their_product),
        cmocka_unit_test(a_full_turn_counts_no_angle_twice),
        cmocka_unit_test(counts_that_make_no_grid_are_refused),
    };
    return cmocka_run_group_tests_name("affine", tests, NULL, NULL);
}

/* Quantiles and spread against values worked out by hand and by NumPy. */
#include "../kit/kit.h"

#include <invar/bench.h>

#include <math.h>

/* Interpolation of small numbers rounds a few times in double. */
static const double rounding = 1e-12;

#define ASSERT_NEAR(value, expected)                                                               \
    do {                                                                                           \
        const double value_ = (value), expected_ = (expected);                                     \
        if (!(fabs(value_ - expected_) <= rounding * (1 + fabs(expected_))))                       \
            fail_msg("%s is %.17g, not %.17g", #value, value_, expected_);                         \
    } while (0)

static void quantiles_interpolate_as_numpy_does(void **state) {
    (void)state;
    const double four[] = {1, 2, 3, 4}, five[] = {15, 20, 35, 40, 50};
    ASSERT_NEAR(iv_bench_quantile(four, 4, 0.25), 1.75);
    ASSERT_NEAR(iv_bench_quantile(four, 4, 0.5), 2.5);
    ASSERT_NEAR(iv_bench_quantile(four, 4, 0.75), 3.25);
    ASSERT_NEAR(iv_bench_quantile(five, 5, 0.05), 16);
    ASSERT_NEAR(iv_bench_quantile(five, 5, 0.4), 29);
    ASSERT_NEAR(iv_bench_quantile(five, 5, 0.5), 35);
}

static void extreme_quantiles_are_the_ends(void **state) {
    (void)state;
    const double values[] = {-2, 0.5, 7};
    ASSERT_NEAR(iv_bench_quantile(values, 3, 0), -2);
    ASSERT_NEAR(iv_bench_quantile(values, 3, 1), 7);
    ASSERT_NEAR(iv_bench_quantile(values, 1, 0.3), -2);
}

static void summary_takes_values_in_any_order(void **state) {
    (void)state;
    double values[] = {9, 1, 5, 3, 7};
    iv_bench_statistics s;
    iv_bench_summarize(values, 5, &s);
    assert_int_equal(s.n, 5);
    ASSERT_NEAR(s.median, 5);
    ASSERT_NEAR(s.minimum, 1);
    ASSERT_NEAR(s.maximum, 9);
    ASSERT_NEAR(s.spread, 4.0 / 5); /* quartiles 3 and 7 */
}

static void one_straggler_moves_neither_median_nor_spread(void **state) {
    (void)state;
    double calm[] = {1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8};
    double disturbed[] = {1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1000};
    iv_bench_statistics a, b;
    iv_bench_summarize(calm, 9, &a);
    iv_bench_summarize(disturbed, 9, &b);
    ASSERT_NEAR(a.median, 1.4);
    ASSERT_NEAR(b.median, a.median);
    ASSERT_NEAR(b.spread, a.spread);
    ASSERT_NEAR(a.spread, 0.4 / 1.4);
}

static void a_single_value_has_no_spread(void **state) {
    (void)state;
    double value[] = {0.25};
    iv_bench_statistics s;
    iv_bench_summarize(value, 1, &s);
    ASSERT_NEAR(s.median, 0.25);
    ASSERT_NEAR(s.spread, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_interpolate_as_numpy_does),
        cmocka_unit_test(extreme_quantiles_are_the_ends),
        cmocka_unit_test(summary_takes_values_in_any_order),
        cmocka_unit_test(one_straggler_moves_neither_median_nor_spread),
        cmocka_unit_test(a_single_value_has_no_spread),
    };
    return cmocka_run_group_tests_name("bench statistics", tests, NULL, NULL);
}

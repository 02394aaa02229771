/* What several devices take, by simulation, against the best of all divisions. */
#include "../kit/kit.h"

#include <invar/program.h>

#include <math.h>

enum { MOST = 7 };

static double longest_of(const double *seconds, size_t n, size_t n_devices) {
    iv_error error = {0};
    double longest;
    assert_ok(&error, iv_schedule(seconds, n, n_devices, &longest, &error));
    return longest;
}

/* The shortest that any division takes. */
static double best(const double *seconds, size_t n, double *busy, size_t n_devices) {
    double longest = 0, least = INFINITY;
    for (size_t k = 0; k < n_devices; k++)
        if (busy[k] > longest) longest = busy[k];
    if (n == 0) return longest;
    for (size_t k = 0; k < n_devices; k++) {
        busy[k] += seconds[n - 1];
        least = fmin(least, best(seconds, n - 1, busy, n_devices));
        busy[k] -= seconds[n - 1];
    }
    return least;
}

/* By hand: 5 and 4 begin, 3 follows 4, 3 follows 5, 1 goes to the first that is free at 7. */
static void the_longest_go_first(void **state) {
    (void)state;
    static const double seconds[] = {3, 1, 5, 4, 3};
    assert_float_equal(longest_of(seconds, 5, 1), 16, 0);
    assert_float_equal(longest_of(seconds, 5, 2), 8, 0);
    assert_float_equal(longest_of(seconds, 5, 5), 5, 0);
    assert_float_equal(longest_of(seconds, 5, 50), 5, 0);
    assert_float_equal(longest_of(seconds, 0, 3), 0, 0);
    iv_error error = {0};
    double longest;
    assert_fails(&error, iv_schedule(seconds, 5, 0, &longest, &error), IV_EINVAL, "device");
}

/* Graham (1969): at most 4/3 - 1/(3 m) of the best. Small whole numbers are exact sums. */
static void no_schedule_is_worse_than_grahams_bound(void **state) {
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 300; round++) {
        double seconds[MOST], busy[MOST] = {0};
        for (size_t i = 0; i < MOST; i++) {
            seed = seed * 1664525u + 1013904223u;
            seconds[i] = 1 + (double)(seed >> 24) / 16;
        }
        for (size_t m = 1; m <= 3; m++) {
            const double found = longest_of(seconds, MOST, m), least = best(seconds, MOST, busy, m);
            assert_true(found >= least);
            assert_true(found <= least * (4.0 / 3 - 1.0 / (3 * (double)m)));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_go_first),
        cmocka_unit_test(no_schedule_is_worse_than_grahams_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

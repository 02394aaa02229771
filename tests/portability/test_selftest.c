/* `invar devices --test` says what a driver gets wrong: faults by disguise.c. */
#include "../kit/process.h"

static const char *type = "cpu", *limit; /* of all kernels' work-items */

static void put_on(void) {
    setenv("INVAR_DISGUISE_TYPE", type, 1);
    setenv("INVAR_CACHE", "off", 1); /* a binary has no source to refuse */
    if (limit) setenv("INVAR_DISGUISE_KERNEL", limit, 1);
}

/* Three faults: a launch that does nothing, a program that does not build, a kernel that is allowed
 * no work-items. */
static void put_on_faults(void) {
    put_on();
    setenv("INVAR_DISGUISE_SKIP", "orbit", 1);
    setenv("INVAR_DISGUISE_REFUSE", "svd_triangularise", 1);
    setenv("INVAR_DISGUISE_KERNEL", "0", 1);
    setenv("INVAR_DISGUISE_KERNEL_NAME", "posterior_update", 1);
}

/* How many lines of the report have this in them. */
static size_t count(const char *report, const char *part) {
    size_t n = 0;
    for (; (report = strstr(report, part)); report += strlen(part)) n++;
    return n;
}

static void assert_all_right(void **state) {
    outcome o = invar_with(state, put_on, ARGUMENTS("devices", "--test"));
    assert_status(&o, 0);
    assert_int_equal(count(o.out, " right "), 18);
    assert_contains(o.out, "18 of 18 parts are right");
    outcome_free(&o);
}

static void a_good_device_passes(void **state) {
    assert_all_right(state);
}

static void a_small_device_passes(void **state) {
    if (!is_full_run()) SKIP_BECAUSE("only in a full run");
    static const char *const limits[] = {"256", "64", "16", "1"};
    type = "gpu";
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        limit = limits[i];
        assert_all_right(state);
    }
    type = "cpu";
    limit = NULL;
}

static void each_fault_is_found_in_its_part(void **state) {
    outcome o = invar_with(state, put_on_faults, ARGUMENTS("devices", "--test"));
    assert_status(&o, 1);
    assert_int_equal(count(o.out, " right "), 14);
    assert_int_equal(count(o.out, " WRONG "), 1);
    assert_int_equal(count(o.out, " FAILED "), 3);
    assert_contains(strstr(o.out, "images under a group"), "WRONG");
    assert_contains(o.out, "orbit.WHOLE of 1 and of 0 give different results");
    assert_contains(o.out, "cl/svd_reduce.cl does not build on");
    assert_contains(strstr(o.out, "posteriors"), "FAILED");
    assert_contains(o.out, "posterior.posterior_update wants work-groups of");
    assert_contains(o.err, "4 of 18 parts do not work on");
    outcome_free(&o);
}

static void the_test_stands_alone(void **state) {
    invar_fails(state, ARGUMENTS("devices", "--test", "--json"), 2, "exclude each other", NULL);
    invar_fails(state, ARGUMENTS("devices", "--device", "cpu"), 2, "--device is for --test", NULL);
}

int main(void) {
    setenv("OCL_ICD_VENDORS", DISGUISE_ICD, 1);
    unsetenv("INVAR_DEVICE");
    if (run_without_device()) return 0;
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_good_device_passes),
        SCRATCH_TEST(a_small_device_passes),
        SCRATCH_TEST(each_fault_is_found_in_its_part),
        SCRATCH_TEST(the_test_stands_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

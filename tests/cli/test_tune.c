/* `invar tune`: what is found is kept, also when there is no time for the rest. */
#include "../kit/process.h"

static char cache[SCRATCH_PATH];

/* Of one's own, but for what PoCL keeps. */
static void use_own_cache(void) {
    setenv("XDG_CACHE_HOME", cache, 1);
    unsetenv("INVAR_CACHE");
}

static size_t count_kept(void) {
    const char *folder = in(cache, "invar/tuning");
    return exists(folder) ? count_entries(folder) : 0;
}

static void says(void **state, const char *const *arguments, const char *part) {
    outcome o = invar_with(state, use_own_cache, arguments);
    assert_status(&o, 0);
    assert_contains(o.out, part);
    outcome_free(&o);
}

static void what_was_found_in_little_time_is_kept_and_used(void **state) {
    snprintf(cache, sizeof cache, "%s", (const char *)*state);
    says(state, ARGUMENTS("tune", "--list"), "rich.ROWS");
    assert_int_equal(count_kept(), 0);
    says(state, ARGUMENTS("tune", "--time", "0.2"), "rows x columns x depth");
    assert_int_equal(count_kept(), 1);
    says(state, ARGUMENTS("tune", "--list"), "rich.ROWS");
    assert_int_equal(count_kept(), 1); /* whole, or it would have been removed */
}

static void a_time_that_is_none_is_refused(void **state) {
    static const char *const wrong[] = {"0", "-1", "1x", "nan", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        invar_fails(state, ARGUMENTS("tune", "--time", wrong[i]), 2, "--time", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(what_was_found_in_little_time_is_kept_and_used),
        SCRATCH_TEST(a_time_that_is_none_is_refused),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

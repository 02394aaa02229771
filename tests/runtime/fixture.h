/* What the tests of the runtime share. */
#ifndef INVAR_TESTS_RUNTIME_FIXTURE_H
#define INVAR_TESTS_RUNTIME_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <invar/runtime.h>

#include <stdlib.h>
#include <string.h>

/* Leave a test that cannot run here. Not cmocka's skip(), whose "not ok # SKIP" Meson counts as
 * failed. */
#define SKIP_BECAUSE(reason)                                                                       \
    do {                                                                                           \
        print_message("# skipped: %s: %s\n", __func__, reason);                                    \
        return;                                                                                    \
    } while (0)

/* For main: true, with TAP that says so, where there is no device to test on. */
static inline bool no_device_to_test(void) {
    iv_error error = {0};
    iv_context *context = NULL;
    iv_status status = iv_context_create(NULL, false, &context, &error);
    iv_context_destroy(context);
    if (status == IV_ENODEVICE) printf("1..0 # SKIP %s\n", error.message);
    return status == IV_ENODEVICE;
}

static inline iv_context *open_device(bool profiling) {
    iv_error error = {0};
    iv_context *context = NULL;
    if (iv_context_create(NULL, profiling, &context, &error) != IV_OK)
        fail_msg("%s", error.message);
    return context;
}

/* A success, or the context's message in the test's report. */
static inline void assert_ok(iv_context *context, iv_status status) {
    if (status != IV_OK) fail_msg("status %d: %s", (int)status, iv_context_error(context)->message);
}

/* The expected failure, a message with `part` in it, and a context
 * that is ready for the next try. */
static inline void assert_fails(iv_context *context, iv_status status, iv_status expected,
                                const char *part) {
    iv_error *error = iv_context_error(context);
    assert_int_equal(status, expected);
    assert_int_equal(error->status, expected);
    if (!strstr(error->message, part))
        fail_msg("the message lacks \"%s\": %s", part, error->message);
    iv_error_clear(error);
}

#endif

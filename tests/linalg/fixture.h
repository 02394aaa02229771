/* What the tests of matrix products, activations and singular values share: a device, and sequences
 * on it. */
#ifndef INVAR_TESTS_LINALG_FIXTURE_H
#define INVAR_TESTS_LINALG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <invar/runtime.h>

#include <stdio.h>
#include <stdlib.h>

/* Oclgrind 21.10 takes a new buffer for one that was released before, if it is
 * smaller, and reports reads past the end of that as uninitialised. So small runs keep
 * all their sequences to the end. */
typedef struct {
    iv_context *context;
    iv_sequence *kept[4096];
    size_t n_kept;
    uint32_t n_draws; /* of the test's own numbers */
} fixture;

/* Leave out what is too slow on a simulated device. */
static inline bool is_small_run(void) {
    return getenv("INVAR_TEST_SMALL") != NULL;
}

static inline void assert_ok(const fixture *f, iv_status status) {
    if (status != IV_OK) fail_msg("%s", iv_context_error(f->context)->message);
}

static inline iv_sequence *begin_sequence(const fixture *f) {
    iv_sequence *sequence = NULL;
    assert_ok(f, iv_sequence_create(f->context, &sequence));
    return sequence;
}

static inline void end_sequence(fixture *f, iv_sequence *sequence) {
    if (is_small_run() && f->n_kept < sizeof f->kept / sizeof *f->kept)
        f->kept[f->n_kept++] = sequence;
    else
        iv_sequence_destroy(sequence);
}

/* For cmocka: the set-up and the tear-down of a group of tests. */
static inline int open_device(void **state) {
    iv_error error = {0};
    fixture *f = calloc(1, sizeof *f);
    if (!f) return -1;
    if (iv_context_create(NULL, false, &f->context, &error) != IV_OK) {
        print_message("# %s\n", error.message);
        free(f);
        return -1;
    }
    *state = f;
    return 0;
}

static inline int close_device(void **state) {
    fixture *f = *state;
    for (size_t i = 0; i < f->n_kept; i++) iv_sequence_destroy(f->kept[i]);
    iv_context_destroy(f->context);
    free(f);
    return 0;
}

/* For main: true, with TAP that says so, where there is no device to test on. */
static inline bool no_device_to_test(void) {
    iv_error error = {0};
    iv_context *context = NULL;
    const iv_status status = iv_context_create(NULL, false, &context, &error);
    iv_context_destroy(context);
    if (status == IV_ENODEVICE) printf("1..0 # SKIP %s\n", error.message);
    return status == IV_ENODEVICE;
}

#endif

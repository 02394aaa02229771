/* What all tests share: cmocka with the headers that it wants before it, successes and failures
 * with the error's message, and leaving a test that cannot run here. */
#ifndef INVAR_TESTS_KIT_H
#define INVAR_TESTS_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <invar/runtime.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A success, or the error's message in the report of the test. `where` is what the error is kept
 * in: an iv_context * or an iv_error *. */
#define assert_ok(where, status) kit_assert_ok(kit_error(where), status, __FILE__, __LINE__)

/* The expected failure, with each of the texts in its message; the error is then clear again. */
#define assert_fails(where, status, expected, ...)                                                 \
    kit_assert_fails(kit_error(where), status, expected, (const char *const[]){__VA_ARGS__, NULL}, \
                     __FILE__, __LINE__)

void assert_contains(const char *text, const char *part);
void assert_lacks(const char *text, const char *part);

/* Leave a test that cannot run here. Not cmocka's skip(), whose "not ok # SKIP" Meson counts as
 * failed. */
#define SKIP_BECAUSE(reason)                                                                       \
    do {                                                                                           \
        print_message("# skipped: %s: %s\n", __func__, reason);                                    \
        return;                                                                                    \
    } while (0)

/* For main, which returns its result: no test of this program can run here. */
int skip_all_because(const char *reason);

/* Whether INVAR_TEST_SMALL asks to leave out what is too slow with sanitizers or on a simulated
 * device. */
bool is_small_run(void);

/* Whether INVAR_TEST_FULL asks for what takes long, too: ./check --full. Never in a small run. */
bool is_full_run(void);

/* The shape of a tensor. */
#define DIMS(...) ((const size_t[]){__VA_ARGS__})

/* ------------------------------------------------------------------ behind the macros */

static inline iv_error *kit_error_itself(iv_error *error) {
    return error;
}

#define kit_error(where)                                                                           \
    _Generic((where), iv_context * : iv_context_error, iv_error * : kit_error_itself)(where)

void kit_assert_ok(const iv_error *error, iv_status status, const char *file, int line);
void kit_assert_fails(iv_error *error, iv_status status, iv_status expected,
                      const char *const *parts, const char *file, int line);

#endif

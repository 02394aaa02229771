/* Errors and sizes. */
#include "../kit/device.h"

#include <invar/status.h>

static void the_first_message_wins(void **state) {
    (void)state;
    iv_error error = {0};
    assert_int_equal(iv_fail(&error, IV_EDATA, "file %d", 7), IV_EDATA);
    assert_int_equal(iv_fail(&error, IV_ENOMEM, "while cleaning up"), IV_ENOMEM);
    assert_int_equal(error.status, IV_EDATA);
    assert_string_equal(error.message, "file 7");

    iv_error_clear(&error);
    assert_int_equal(error.status, IV_OK);
    assert_string_equal(error.message, "");
    (void)iv_fail(&error, IV_EINVAL, "next");
    assert_string_equal(error.message, "next");
}

static void a_failure_without_an_error_is_still_a_status(void **state) {
    (void)state;
    assert_int_equal(iv_fail(NULL, IV_EFAILED, "nobody listens"), IV_EFAILED);
    iv_error_clear(NULL);
}

static void a_long_message_is_cut_and_says_so(void **state) {
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';

    iv_error error = {0};
    (void)iv_fail(&error, IV_EFAILED, "%s", text);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    assert_string_equal(error.message + sizeof error.message - 4, "...");
}

static void a_message_has_no_trailing_newline(void **state) {
    (void)state;
    iv_error error = {0};
    (void)iv_fail(&error, IV_EFAILED, "a log\nof two lines\n\n");
    assert_string_equal(error.message, "a log\nof two lines");
}

/* The numbers are those of the command line's documentation. */
static void exit_statuses_are_the_documented_ones(void **state) {
    (void)state;
    assert_int_equal(iv_exit_status(IV_OK), 0);
    assert_int_equal(iv_exit_status(IV_EFAILED), 1);
    assert_int_equal(iv_exit_status(IV_ENOMEM), 1);
    assert_int_equal(iv_exit_status(IV_EINVAL), 2);
    assert_int_equal(iv_exit_status(IV_ENODEVICE), 3);
    assert_int_equal(iv_exit_status(IV_EDATA), 4);
    assert_int_equal(iv_exit_status(IV_EINTERRUPTED), 130);
}

static void a_product_that_overflows_is_refused(void **state) {
    (void)state;
    iv_error error = {0};
    size_t product = 1;
    assert_int_equal(iv_multiply_size(SIZE_MAX / 2, 2, &product, &error), IV_OK);
    assert_true(product == SIZE_MAX - 1);
    assert_int_equal(iv_multiply_size(0, SIZE_MAX, &product, &error), IV_OK);
    assert_true(product == 0);

    assert_int_equal(iv_multiply_size(SIZE_MAX / 2 + 1, 2, &product, &error), IV_ENOMEM);
    assert_int_equal(error.status, IV_ENOMEM);
    assert_true(product == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_message_wins),
        cmocka_unit_test(a_failure_without_an_error_is_still_a_status),
        cmocka_unit_test(a_long_message_is_cut_and_says_so),
        cmocka_unit_test(a_message_has_no_trailing_newline),
        cmocka_unit_test(exit_statuses_are_the_documented_ones),
        cmocka_unit_test(a_product_that_overflows_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Durations as people say them. How near words are is tested where specs are. */
#include "../kit/kit.h"

#include "runtime/text.h"
#include "runtime/text_builder.h"

#include <math.h>

static void assert_duration(double seconds, const char *expected) {
    char text[40];
    iv_format_duration(seconds, text, sizeof text);
    assert_string_equal(text, expected);
}

static void durations_are_rounded_before_they_are_taken_apart(void **state) {
    (void)state;
    assert_duration(59.4, "59 s");
    assert_duration(59.7, "1 min 00 s");
    assert_duration(119.4, "1 min 59 s");
    assert_duration(119.6, "2 min 00 s");
    assert_duration(3599.4, "59 min 59 s");
    assert_duration(3599.7, "1 h 00 min");
    assert_duration(7170, "2 h 00 min");
    assert_duration(7169, "1 h 59 min");
    assert_duration(90000, "25 h 00 min");
}

/* Whatever the duration, no part of it is a whole unit of the next larger one. */
static void no_part_of_a_duration_is_sixty(void **state) {
    (void)state;
    for (double seconds = 0; seconds < 20000; seconds += 0.1) {
        char text[40];
        iv_format_duration(seconds, text, sizeof text);
        if (strncmp(text, "60", 2) == 0 || strstr(text, " 60")) fail_msg("%g: %s", seconds, text);
    }
}

static void short_durations_have_a_decimal(void **state) {
    (void)state;
    assert_duration(0.52, "0.5 s");
    assert_duration(9.94, "9.9 s");
    assert_duration(9.96, "10 s");
    assert_duration(1e-9, "0.1 s");
}

static void what_is_no_duration_is_shown_as_none(void **state) {
    (void)state;
    assert_duration(0, "0 s");
    assert_duration(-3, "0 s");
    assert_duration(NAN, "0 s");
    char text[40];
    iv_format_duration(INFINITY, text, sizeof text);
    assert_non_null(strstr(text, " h "));
}

static void a_word_is_nearer_only_within_its_tolerance(void **state) {
    (void)state;
    size_t best = SIZE_MAX;
    assert_true(iv_word_nearer("trian", "train", &best));
    assert_int_equal(best, 1);                             /* a swap of neighbours */
    assert_false(iv_word_nearer("trian", "trial", &best)); /* as near, not nearer */
    best = SIZE_MAX;
    assert_false(iv_word_nearer("abc", "xyz", &best));
    assert_true(best == SIZE_MAX);
}

/* Names of files may hold any bytes; texts are UTF-8. What is, stays as it is. */
static void bytes_that_are_no_utf8_are_replaced_in_every_format(void **state) {
    static void (*const add[])(iv_text *, const char *) = {iv_text_json, iv_text_csv, iv_text_html,
                                                           iv_text_markdown, iv_text_gnuplot};
    static const char *const right[] = {"\"d\xC3\xA9\\ufffdz\"", "d\xC3\xA9\xEF\xBF\xBDz",
                                        "d\xC3\xA9\xEF\xBF\xBDz", "d\xC3\xA9\xEF\xBF\xBDz",
                                        "'d\xC3\xA9\xEF\xBF\xBDz'"};
    (void)state;
    for (size_t i = 0; i < sizeof add / sizeof *add; i++) {
        iv_text text = {0};
        add[i](&text, "d\xC3\xA9\xE9z");
        assert_string_equal(text.data, right[i]);
        iv_text_free(&text);
    }
    assert_true(iv_is_utf8("d\xC3\xA9"));
    assert_false(iv_is_utf8("\xE9z"));
}

static void what_controls_a_terminal_is_replaced(void **state) {
    (void)state;
    char text[] = "a\x1b[2Jb\r\x07\x7f\tc\nd \xc2\x9b"
                  "e \xc2\xa0\xc3\xa9 \xc2";
    iv_tame(text);
    assert_string_equal(text, "a?[2Jb???\tc\nd ??"
                              "e \xc2\xa0\xc3\xa9 \xc2");

    iv_error error = {0};
    (void)iv_fail(&error, IV_EDATA, "no tensor %s", "\x1b]0;title\x07");
    assert_string_equal(error.message, "no tensor ?]0;title?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_rounded_before_they_are_taken_apart),
        cmocka_unit_test(no_part_of_a_duration_is_sixty),
        cmocka_unit_test(short_durations_have_a_decimal),
        cmocka_unit_test(what_is_no_duration_is_shown_as_none),
        cmocka_unit_test(a_word_is_nearer_only_within_its_tolerance),
        cmocka_unit_test(bytes_that_are_no_utf8_are_replaced_in_every_format),
        cmocka_unit_test(what_controls_a_terminal_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a file may not be, whatever it says. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

static void text_that_is_not_yaml_is_refused_where_it_stops_being(void **state) {
    (void)state;
    expect_message("study: [a, b\nname: x\n", NULL,
                   "spec.yaml:2:5: not YAML: did not find expected ',' or ']' while parsing a flow "
                   "sequence, expected a map of keys and values");
    expect_message("study: \"a\n", NULL,
                   "spec.yaml:2:1: not YAML: found unexpected end of stream while scanning a "
                   "quoted scalar, expected a map of keys and values");
    expect_message("study: a\n\x01\n", NULL,
                   "spec.yaml:2:1: not YAML: control characters are not allowed, expected a map of "
                   "keys and values");
}

static void what_is_not_a_map_is_refused(void **state) {
    (void)state;
    static const char tail[] = ", expected a map of keys (study, name, dataset, ...)";
    char message[256];
    snprintf(message, sizeof message, "spec.yaml:1:1: an empty spec%s", tail);
    expect_message("", NULL, message);
    expect_message("# only a comment\n", NULL, message);
    snprintf(message, sizeof message, "spec.yaml:1:1: a list%s", tail);
    expect_message("- study\n", NULL, message);
    snprintf(message, sizeof message, "spec.yaml:1:1: a single value%s", tail);
    expect_message("hello", NULL, message);
}

static void nul_bytes_and_broken_utf8_are_refused(void **state) {
    (void)state;
    expect_message_of_bytes("name: a\0b\n", 10,
                            "spec.yaml:1:8: a NUL byte, expected YAML text in UTF-8");
    expect_message("a: \xc3\xa9\nname: \xc3(\n", NULL,
                   "spec.yaml:2:7: invalid UTF-8, expected YAML text in UTF-8");
    static const char *const bad[] = {
        "\xc0\x80",         /* overlong NUL */
        "\xe0\x80\x80",     /* overlong */
        "\xed\xa0\x80",     /* surrogate */
        "\xf4\x90\x80\x80", /* beyond U+10FFFF */
        "\xf8\x88\x80\x80", /* five bytes once */
        "\x80",             /* continuation alone */
        "\xe2\x82",         /* cut short */
        "\xff\xfe",         /* UTF-16 mark */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect_message(bad[i], NULL, "spec.yaml:1:1: invalid UTF-8, expected YAML text in UTF-8");
    }
    expect_message("study: \"a\\0b\"\n", NULL,
                   "spec.yaml:1:8: a text with a NUL character, expected one without");
}

/* Some editors begin every text with it. */
static void a_byte_order_mark_is_passed_over(void **state) {
    (void)state;
    iv_spec_destroy(parse_good("\xEF\xBB\xBF" SMALL, NULL));
    expect_message("\xEF\xBB\xBFstudy: other\n", NULL,
                   "spec.yaml:1:8: `study` is `other`, expected one of regularization, "
                   "autoencoder, marginal-likelihood");
}

static void columns_count_characters_not_bytes(void **state) {
    (void)state;
    expect_message(SMALL "published: [{row: \xc3\xa9\xc3\xa9, run: XX, metric: si, mean: 0}]\n",
                   NULL,
                   "spec.yaml:6:28: `published.0.run` is `XX`, expected the name of one of `runs`");
}

static void anchors_aliases_and_tags_are_refused(void **state) {
    (void)state;
    expect_message("study: &s regularization\nname: *s\n", NULL,
                   "spec.yaml:1:8: an anchor (&s), expected the value alone");
    expect_message("name: *s\n", NULL,
                   "spec.yaml:1:7: an alias (*), expected the value itself written out");
    expect_message("*s : a\n", NULL,
                   "spec.yaml:1:1: an alias (*), expected the value itself written out");
    expect_message("study: !!str regularization\n", NULL,
                   "spec.yaml:1:8: a tag (tag:yaml.org,2002:str), expected the value alone");
    expect_message("runs: &r [1]\n", NULL,
                   "spec.yaml:1:7: an anchor (&r), expected the value alone");
    expect_message("runs: !x {}\n", NULL, "spec.yaml:1:7: a tag (!x), expected the value alone");
    expect_message("[a, b]: c\n", NULL, "spec.yaml:1:1: a list or map as a key, expected a word");
}

static void a_second_document_is_refused(void **state) {
    (void)state;
    expect_message(SMALL "---\nstudy: x\n", NULL, "spec.yaml:6:1: a second document, expected one");
    iv_spec_destroy(parse_good("%YAML 1.1\n---\n" SMALL "...\n", NULL));
}

static void large_files_are_refused(void **state) {
    (void)state;
    size_t n = IV_SPEC_MAX_BYTES + 1;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, '#', n);
    expect_message_of_bytes(text, n,
                            "spec.yaml:1:1: more than 1048576 bytes, expected a smaller spec");
    /* at the limit the comment is read, and then there is no spec in it */
    expect_message_of_bytes(text, n - 1,
                            "spec.yaml:1:1: an empty spec, expected a map of keys (study, name, "
                            "dataset, ...)");
    free(text);
}

static void deep_nesting_is_refused_at_the_33rd_level(void **state) {
    (void)state;
    expect_message("x: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[ 1 ]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
                   NULL, "spec.yaml:1:35: nested too deeply, expected at most 32 levels");
    /* 31 lists in the map are 32 levels: what is wrong then is the key */
    expect_message(
        SMALL "zzzzz: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[ 1 ]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n", NULL,
        "spec.yaml:6:1: unknown key `zzzzz`, expected one of study, name, seeds, "
        "dataset, group, model, training, runs, metrics, figures, published, sweep");
}

static void a_megabyte_of_brackets_ends_soon(void **state) {
    (void)state;
    static const char *const fills[] = {"[", "{", "- ", "? ", "a: ", "[a,", "\"", "|\n"};
    char *text = malloc(IV_SPEC_MAX_BYTES);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof fills / sizeof fills[0]; i++) {
        iv_error error = {0};
        iv_spec *spec;
        size_t length = strlen(fills[i]);
        for (size_t j = 0; j < IV_SPEC_MAX_BYTES; j++) text[j] = fills[i][j % length];
        assert_int_equal(iv_spec_parse("spec.yaml", text, IV_SPEC_MAX_BYTES, NULL, 0,
                                       iv_study_schema, &spec, &error),
                         IV_EINVAL);
        assert_int_equal(strncmp(error.message, "spec.yaml:", 10), 0);
    }
    free(text);
}

static void many_values_are_refused(void **state) {
    (void)state;
    enum { N = 20001 };
    char *text = malloc(2 * N + 16);
    assert_non_null(text);
    strcpy(text, "x: [");
    for (size_t i = 0; i < N; i++) memcpy(text + 4 + 2 * i, "1,", 2);
    strcpy(text + 4 + 2 * (size_t)N, "]\n");
    /* the map and the list are the first two nodes, so the 19,999th one is too many */
    expect_message(text, NULL,
                   "spec.yaml:1:40001: the spec has too many values, expected at most 20000");
    free(text);
}

static void long_words_are_cut_in_messages(void **state) {
    (void)state;
    char text[400] = "";
    memset(text, 'k', 300);
    strcpy(text + 300, ": 1\n");
    expect_message(
        text, NULL,
        "spec.yaml:1:1: unknown key "
        "`kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...`, expected one "
        "of study, name, seeds, dataset, group, task, model, training, runs, metrics, "
        "figures, published, sweep");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_is_not_yaml_is_refused_where_it_stops_being),
        cmocka_unit_test(what_is_not_a_map_is_refused),
        cmocka_unit_test(nul_bytes_and_broken_utf8_are_refused),
        cmocka_unit_test(columns_count_characters_not_bytes),
        cmocka_unit_test(a_byte_order_mark_is_passed_over),
        cmocka_unit_test(anchors_aliases_and_tags_are_refused),
        cmocka_unit_test(a_second_document_is_refused),
        cmocka_unit_test(large_files_are_refused),
        cmocka_unit_test(deep_nesting_is_refused_at_the_33rd_level),
        cmocka_unit_test(a_megabyte_of_brackets_ends_soon),
        cmocka_unit_test(many_values_are_refused),
        cmocka_unit_test(long_words_are_cut_in_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

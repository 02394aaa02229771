/* The parts that resolving is made of: numbers as text, edit distance, types by a table of its own.
 */
#include "support.h"

#include "spec/stages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void numbers_take_the_fewest_digits(void **state) {
    (void)state;
    static const struct {
        double number;
        const char *text;
    } cases[] = {{0, "0"},
                 {3, "3"},
                 {10, "10"},
                 {30000, "30000"},
                 {0.0008, "0.0008"},
                 {0.1, "0.1"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1e-5, "1e-05"},
                 {1e22, "1e+22"},
                 {-2.5, "-2.5"},
                 {123456.789, "123456.789"},
                 {4.9406564584124654e-324, "5e-324"},
                 {1e14, "100000000000000"}};
    char text[32];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        spec_number_text(cases[i].number, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void numbers_read_back_exactly(void **state) {
    (void)state;
    uint64_t bits = 88172645463325252u; /* xorshift: any bit pattern that is a finite number */
    for (int i = 0; i < 20000; i++) {
        double number;
        char text[32];
        bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
        memcpy(&number, &bits, sizeof number);
        if (!isfinite(number)) continue;
        spec_number_text(number, text);
        assert_true(strtod(text, NULL) == number);
    }
}

/* The definition of the optimal string alignment distance, by recursion. */
static size_t distance_by_definition(const char *a, size_t n, const char *b, size_t m) {
    if (n == 0) return m;
    if (m == 0) return n;
    size_t least = distance_by_definition(a, n - 1, b, m - 1) + (a[n - 1] != b[m - 1]);
    size_t other = distance_by_definition(a, n - 1, b, m) + 1;
    if (other < least) least = other;
    other = distance_by_definition(a, n, b, m - 1) + 1;
    if (other < least) least = other;
    if (n > 1 && m > 1 && a[n - 1] == b[m - 2] && a[n - 2] == b[m - 1]) {
        other = distance_by_definition(a, n - 2, b, m - 2) + 1;
        if (other < least) least = other;
    }
    return least;
}

static void distance_agrees_with_its_definition(void **state) {
    (void)state;
    static const char *const words[] = {"",       "a",     "ab",    "ba",    "epochs", "epoch",
                                        "epcohs", "batch", "bacht", "sigma", "si",     "abcab"};
    size_t n_words = sizeof words / sizeof words[0];
    for (size_t i = 0; i < n_words; i++) {
        for (size_t j = 0; j < n_words; j++) {
            assert_int_equal(
                spec_distance(words[i], words[j]),
                distance_by_definition(words[i], strlen(words[i]), words[j], strlen(words[j])));
        }
    }
}

static const iv_key own_keys[] = {
    {"study", IV_KEY_ENUM, IV_KEY_REQUIRED, .doc = "the study"},
    {"shuffle", IV_KEY_BOOLEAN, 0, "true", .doc = "a switch"},
    {"title", IV_KEY_STRING, IV_KEY_OPTIONAL, .doc = "any words"},
    {"depths", IV_KEY_LIST, 0, "[1, 2]", "[1, 3]", .doc = "integers"},
    {"depths[]", IV_KEY_INTEGER, .range = "[1, 9]", .doc = "one"},
};
static const iv_schema own_schema = {
    .study = "own", .keys = own_keys, .n_keys = sizeof own_keys / sizeof own_keys[0]};

static const iv_schema *own_schemas(size_t i) {
    return i == 0 ? &own_schema : NULL;
}

/* `text` follows the line that names the study. */
static iv_status resolve_own(const char *text, spec_arena *arena, iv_error *error, iv_node **root) {
    spec_context context = {.arena = arena, .file = "own", .error = error};
    const iv_schema *study;
    iv_node *raw;
    char whole[128];
    snprintf(whole, sizeof whole, "study: own\n%s", text);
    iv_status status = spec_read_text(&context, whole, strlen(whole), NULL, &raw);
    return status == IV_OK ? spec_resolve(&context, own_schemas, raw, &study, root) : status;
}

static void any_table_can_be_a_schema(void **state) {
    (void)state;
    spec_arena arena = {0};
    iv_error error = {0};
    iv_node *root;
    assert_int_equal(resolve_own("title: 3 words: no\n", &arena, &error, &root), IV_EINVAL);
    iv_error_clear(&error);
    assert_ok(&error, resolve_own("title: 42\n", &arena, &error, &root));
    assert_true(iv_spec_boolean(root, "shuffle"));
    assert_string_equal(iv_spec_string(root, "title"), "42");
    assert_int_equal(iv_spec_integer(iv_spec_element(root, "depths", 1), ""), 2);
    assert_ok(&error, resolve_own("shuffle: false\n", &arena, &error, &root));
    assert_false(iv_spec_boolean(root, "shuffle"));
    spec_arena_release(&arena);
}

static void booleans_are_true_or_false_only(void **state) {
    (void)state;
    static const char *const bad[] = {"yes", "on", "True", "1", "'true'"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        spec_arena arena = {0};
        iv_error error = {0};
        iv_node *root;
        char text[64];
        snprintf(text, sizeof text, "shuffle: %s\n", bad[i]);
        assert_int_equal(resolve_own(text, &arena, &error, &root), IV_EINVAL);
        assert_non_null(strstr(error.message, "own:2:10: `shuffle` is "));
        assert_non_null(strstr(error.message, ", expected true or false"));
        spec_arena_release(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_take_the_fewest_digits),
        cmocka_unit_test(numbers_read_back_exactly),
        cmocka_unit_test(distance_agrees_with_its_definition),
        cmocka_unit_test(any_table_can_be_a_schema),
        cmocka_unit_test(booleans_are_true_or_false_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

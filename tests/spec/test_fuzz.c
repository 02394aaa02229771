/* Damaged specs: every shipped config, mutated the same way each time. Whatever comes out, loading
 * ends, with a spec that survives writing or with a message that names a place. Built with
 * sanitizers
 * (-Db_sanitize=address,undefined) it also looks for what does not show. */
#include "support.h"

#include "../kit/files.h"

#include <stdlib.h>
#include <string.h>

enum { MUTANTS_PER_CONFIG = 250 };

static uint32_t random_state;
static size_t n_loaded, n_refused;

static uint32_t draw(uint32_t below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % below;
}

static const char *const pieces[] = {
    "\n",    " ",        "  ",    ": ",   "- ",   "[",      "]",
    "{",     "}",        ",",     "#",    "\"",   "'",      "|\n",
    ">\n",   "?",        "&a ",   "*a",   "!!",   "%",      "---\n",
    "...\n", "\t",       "\r",    "\\",   "\xff", "\xc3",   "\xe2\x80\xa8",
    "0",     "-1",       "1e999", "nan",  "null", "sweep:", "runs:",
    "nu:",   "seeds: 9", "<<: ",  "true", "\x01", ".",      "9999999999999999999"};

/* One change in place; the buffer has room for what is inserted. */
static size_t mutate(char *text, size_t n) {
    size_t at = draw((uint32_t)n + 1), count = 1 + draw(40);
    if (at + count > n) count = n - at;
    const char *piece = pieces[draw(sizeof pieces / sizeof pieces[0])];
    size_t length = strlen(piece);
    switch (draw(5)) {
    case 0: /* remove some */
        memmove(text + at, text + at + count, n - at - count);
        return n - count;
    case 1: /* repeat some */ memmove(text + at + count, text + at, n - at); return n + count;
    case 2: /* any byte */
        if (at < n) text[at] = (char)draw(256);
        return n;
    case 3: /* cut */ return draw(8) == 0 ? at : n;
    default: /* insert what means something */
        memmove(text + at + length, text + at, n - at);
        memcpy(text + at, piece, length);
        return n + length;
    }
}

/* In the config itself or in what it extends. */
static void check_place(const char *message) {
    unsigned line, column;
    const char *colon = strchr(message, ':');
    assert_int_equal(strncmp(message, CONFIG_FOLDER, strlen(CONFIG_FOLDER)), 0);
    assert_non_null(colon);
    assert_int_equal(sscanf(colon, ":%u:%u: ", &line, &column), 2);
    assert_true(line >= 1 && column >= 1);
}

static void fuzz_config(const char *path) {
    size_t n_original;
    char *original = slurp(path, &n_original);
    enum { MUTATIONS = 6, ROOM = 64 * MUTATIONS };
    char *text = malloc(n_original + ROOM);
    assert_non_null(text);
    for (uint32_t m = 0; m < MUTANTS_PER_CONFIG; m++) {
        random_state = 2463534242u + 7919u * m;
        memcpy(text, original, n_original);
        size_t n = n_original;
        for (uint32_t i = 1 + draw(MUTATIONS); i > 0; i--) n = mutate(text, n);

        /* an exact copy, so that a sanitizer sees reading past the end */
        char *exact = malloc(n + !n);
        assert_non_null(exact);
        memcpy(exact, text, n);
        iv_error error = {0};
        iv_spec *spec;
        iv_status status = iv_spec_parse(path, exact, n, NULL, 0, iv_study_schema, &spec, &error);
        free(exact);
        if (status == IV_OK) {
            char *first = written(spec);
            iv_spec *again = parse_good(first, NULL);
            char *second = written(again);
            assert_string_equal(first, second);
            free(first);
            free(second);
            iv_spec_destroy(again);
            iv_spec_destroy(spec);
            n_loaded++;
        } else {
            assert_int_equal(status, IV_EINVAL);
            check_place(error.message);
            n_refused++;
        }
    }
    free(text);
    free(original);
}

static void damaged_configs_load_or_are_refused_with_a_place(void **state) {
    (void)state;
    assert_true(for_each_config(fuzz_config) >= 11);
    /* both ends of the test are reached: some damage is harmless, most is not */
    assert_true(n_loaded > 100 && n_refused > 1000);
}

static void damaged_overrides_load_or_are_refused(void **state) {
    (void)state;
    static const char *const keys[] = {"seeds", "runs",     "runs.0",   "runs.0.nu",
                                       "sweep", "training", "sweep.nu", "dataset.name",
                                       ".",     "runs..nu", "runs.-1"};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
            char text[128];
            const char *override = text;
            iv_error error = {0};
            iv_spec *spec;
            snprintf(text, sizeof text, "%s=%s", keys[k], pieces[p]);
            iv_status status = iv_spec_parse("small", SMALL, strlen(SMALL), &override, 1,
                                             iv_study_schema, &spec, &error);
            assert_true(status == IV_OK || status == IV_EINVAL);
            if (status == IV_EINVAL) assert_true(error.message[0] != '\0');
            iv_spec_destroy(spec);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_configs_load_or_are_refused_with_a_place),
        cmocka_unit_test(damaged_overrides_load_or_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "kit.h"

void kit_assert_ok(const iv_error *error, iv_status status, const char *file, int line) {
    if (status == IV_OK) return;
    print_error("status %d: %s\n", (int)status, error->message);
    _fail(file, line);
}

void kit_assert_fails(iv_error *error, iv_status status, iv_status expected,
                      const char *const *parts, const char *file, int line) {
    if (status != expected || error->status != expected) {
        print_error("status %d, in the error %d, expected %d: %s\n", (int)status,
                    (int)error->status, (int)expected, error->message);
        _fail(file, line);
    }
    for (; *parts; parts++) {
        if (strstr(error->message, *parts)) continue;
        print_error("the message lacks \"%s\": %s\n", *parts, error->message);
        _fail(file, line);
    }
    iv_error_clear(error);
}

void assert_contains(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("\"%s\" is not in:\n%s", part, text);
}

void assert_lacks(const char *text, const char *part) {
    if (strstr(text, part)) fail_msg("\"%s\" is in:\n%s", part, text);
}

int skip_all_because(const char *reason) {
    printf("1..0 # SKIP %s\n", reason);
    return 0;
}

bool is_small_run(void) {
    return getenv("INVAR_TEST_SMALL") != NULL;
}

bool is_full_run(void) {
    return getenv("INVAR_TEST_FULL") != NULL && !is_small_run();
}

/* What a terminal shows while a run trains: one line that is redrawn and never wraps. */
#define _XOPEN_SOURCE 700 /* posix_openpt */

#include "../kit/process.h"
#include "tiny_spec.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

enum { MOST_BYTES = 65536, ENOUGH_LINES = 4 };
static const char erase[] = "\033[K";

/* A training that does not end by itself. */
static int make_long_run(void **state) {
    if (make_scratch(state) != 0) return -1;
    spill(in_scratch(state, "spec.yaml"), TINY_SPEC);
    return 0;
}

static size_t count(const char *text, const char *part) {
    size_t n = 0;
    for (const char *s = text; (s = strstr(s, part)); s++) n++;
    return n;
}

/* The longest line that was redrawn, in bytes (the spec's names are ASCII); 0 if there was none. */
static size_t longest_redrawn(const char *text) {
    size_t longest = 0;
    for (const char *end = text; (end = strstr(end, erase)); end++) {
        const char *start = end;
        while (start > text && start[-1] != '\r' && start[-1] != '\n' && start[-1] != 'K') start--;
        const size_t length = (size_t)(end - start);
        if (length > longest) longest = length;
    }
    return longest;
}

/* Whether the line has been redrawn a few times with all that it shows, or as far as it fits. */
static bool is_enough(const char *text, size_t columns) {
    const bool is_full = columns > 0 && longest_redrawn(text) + 1 >= columns;
    return count(text, "% (") >= ENOUGH_LINES || (is_full && count(text, erase) > 3 * ENOUGH_LINES);
}

/* Start the run with standard error on a terminal of that many columns (0: it does not know), until
 * it has redrawn its line a few times or `seconds` are over, and stop it. Returns what the terminal
 * got; `env` are NAME, VALUE pairs (VALUE NULL: unset) up to a NULL. */
static char *watch(void **state, unsigned short columns, double seconds, const char *const *env) {
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) return NULL;
    const int slave = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    const struct winsize size = {.ws_row = 24, .ws_col = columns};
    assert_int_equal(ioctl(terminal, TIOCSWINSZ, &size), 0);

    char *const argv[] = {(char *)(uintptr_t)invar_program,
                          (char *)(uintptr_t) "run",
                          (char *)(uintptr_t)in_scratch(state, "spec.yaml"),
                          (char *)(uintptr_t) "--set",
                          (char *)(uintptr_t) "training.epochs=1000000",
                          (char *)(uintptr_t) "--out",
                          (char *)(uintptr_t)in_scratch(state, "run"),
                          NULL};
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (; *env; env += 2)
            if (env[1])
                setenv(env[0], env[1], 1);
            else
                unsetenv(env[0]);
        if (!freopen("/dev/null", "w", stdout) || dup2(slave, STDERR_FILENO) < 0) _exit(126);
        execv(invar_program, argv);
        _exit(127);
    }
    close(slave);

    char *text = calloc(1, MOST_BYTES);
    size_t n = 0;
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (bool stopped = false; n + 1 < MOST_BYTES;) {
        struct pollfd ready = {.fd = terminal, .events = POLLIN};
        if (poll(&ready, 1, 100) > 0) {
            const ssize_t got = read(terminal, text + n, MOST_BYTES - 1 - n);
            if (got <= 0 && errno != EINTR) break; /* the run is over */
            if (got > 0) n += (size_t)got;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (stopped) continue;
        stopped = is_enough(text, columns) || (double)(now.tv_sec - start.tv_sec) > seconds;
        if (stopped) kill(child, SIGTERM);
    }
    close(terminal);
    int how;
    while (waitpid(child, &how, 0) < 0) assert_int_equal(errno, EINTR);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 130);
    remove_tree(in_scratch(state, "run"));
    return text;
}

static void the_line_is_cut_to_the_terminal(void **state) {
    static const unsigned short columns[] = {20, 30, 44};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        char *text = watch(state, columns[i], 120, (const char *const[]){"TERM", "xterm", NULL});
        if (!text) SKIP_BECAUSE("there are no pseudo-terminals");
        /* Full, but for the last column, where a terminal would wrap. */
        assert_int_equal(longest_redrawn(text), columns[i] - 1);
        free(text);
    }
}

static void a_wide_terminal_gets_the_whole_line(void **state) {
    char *text = watch(state, 300, 120, (const char *const[]){"TERM", "xterm", NULL});
    if (!text) SKIP_BECAUSE("there are no pseudo-terminals");
    assert_contains(text, " left)\033[K");
    free(text);
}

static void a_terminal_without_a_width_has_that_of_the_environment(void **state) {
    char *text =
        watch(state, 0, 120, (const char *const[]){"TERM", "xterm", "COLUMNS", "25", NULL});
    if (!text) SKIP_BECAUSE("there are no pseudo-terminals");
    assert_int_equal(longest_redrawn(text), 24);
    free(text);
    text = watch(state, 0, 120, (const char *const[]){"TERM", "xterm", "COLUMNS", NULL, NULL});
    assert_true(longest_redrawn(text) > 24);
    assert_true(longest_redrawn(text) <= 79);
    free(text);
}

static void a_dumb_terminal_gets_plain_lines(void **state) {
    char *text = watch(state, 80, 2, (const char *const[]){"TERM", "dumb", NULL});
    if (!text) SKIP_BECAUSE("there are no pseudo-terminals");
    assert_lacks(text, "\033");
    for (const char *s = text; (s = strchr(s, '\r')); s++) assert_int_equal(s[1], '\n');
    free(text);
}

static void a_run_says_what_runs_where(void **state) {
    outcome devices = invar(state, "devices", "--json", NULL);
    json_t *root = json_loads(devices.out, 0, NULL);
    const json_t *chosen =
        json_array_get(json_object_get(root, "devices"),
                       (size_t)json_integer_value(json_object_get(root, "default")));
    char place[1024];
    snprintf(place, sizeof place, "%s (%s)", json_string_value(json_object_get(chosen, "name")),
             json_string_value(json_object_get(chosen, "type")));
    outcome_free(&devices);
    json_decref(root);

    const char *spec = in_scratch(state, "spec.yaml"), *run = in_scratch(state, "run");
    outcome o = invar(state, "run", spec, "--out", run, "--set", "training.epochs=1", NULL);
    assert_status(&o, 0);
    assert_contains(o.err, place);
    assert_contains(o.err, spec);
    assert_contains(o.err, run);
    assert_contains(o.err, "tiny");
    outcome_free(&o);
}

#define LONG_TEST(function) cmocka_unit_test_setup_teardown(function, make_long_run, remove_scratch)

int main(void) {
    const struct CMUnitTest tests[] = {
        LONG_TEST(the_line_is_cut_to_the_terminal),
        LONG_TEST(a_wide_terminal_gets_the_whole_line),
        LONG_TEST(a_terminal_without_a_width_has_that_of_the_environment),
        LONG_TEST(a_dumb_terminal_gets_plain_lines),
        LONG_TEST(a_run_says_what_runs_where),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

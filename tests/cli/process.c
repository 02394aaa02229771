#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

static void become_invar(const process *p, void (*prepare)(void), const char *const *arguments) {
    char *argv[MOST_ARGUMENTS + 2] = {(char *)(uintptr_t)INVAR_PROGRAM};
    for (int i = 0; arguments[i] && i < MOST_ARGUMENTS; i++)
        argv[i + 1] = (char *)(uintptr_t)arguments[i];
    if (!freopen("/dev/null", "r", stdin) || !freopen(p->out, "w", stdout) ||
        !freopen(p->err, "w", stderr))
        _exit(126);
    if (prepare) prepare();
    execv(INVAR_PROGRAM, argv);
    _exit(127);
}

static process start(void **state, void (*prepare)(void), const char *const *arguments) {
    static unsigned number;
    process p;
    snprintf(p.out, sizeof p.out, "%s/.stdout-%u", (const char *)*state, number);
    snprintf(p.err, sizeof p.err, "%s/.stderr-%u", (const char *)*state, number++);
    fflush(NULL);
    p.pid = fork();
    assert_true(p.pid >= 0);
    if (p.pid == 0) become_invar(&p, prepare, arguments);
    return p;
}

process invar_start(void **state, const char *const *arguments) {
    return start(state, NULL, arguments);
}

outcome invar_wait(const process *p) {
    int how;
    while (waitpid(p->pid, &how, 0) < 0) assert_int_equal(errno, EINTR);
    outcome o = {.status = WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how),
                 .out = slurp(p->out, NULL),
                 .err = slurp(p->err, NULL)};
    unlink(p->out);
    unlink(p->err);
    return o;
}

outcome invar_with(void **state, void (*prepare)(void), const char *const *arguments) {
    const process p = start(state, prepare, arguments);
    return invar_wait(&p);
}

outcome invar(void **state, ...) {
    const char *arguments[MOST_ARGUMENTS + 1] = {NULL};
    va_list list;
    va_start(list, state);
    for (int i = 0; i < MOST_ARGUMENTS; i++)
        if (!(arguments[i] = va_arg(list, const char *))) break;
    va_end(list);
    return invar_with(state, NULL, arguments);
}

void outcome_free(outcome *o) {
    free(o->out);
    free(o->err);
}

void assert_status(const outcome *o, int status) {
    if (o->status != status)
        fail_msg("exit status %d, expected %d\nstandard output:\n%s\nstandard error:\n%s",
                 o->status, status, o->out, o->err);
}

void invar_succeeds(void **state, const char *const *arguments) {
    outcome o = invar_with(state, NULL, arguments);
    assert_status(&o, 0);
    outcome_free(&o);
}

void invar_fails(void **state, const char *const *arguments, int status, ...) {
    outcome o = invar_with(state, NULL, arguments);
    assert_status(&o, status);
    va_list parts;
    va_start(parts, status);
    const char *part;
    while ((part = va_arg(parts, const char *))) assert_contains(o.err, part);
    va_end(parts);
    outcome_free(&o);
}

int run_without_device(void) {
    void *state;
    if (make_scratch(&state) != 0) return 0;
    outcome o = invar(&state, "devices", NULL);
    const int none = o.status == 3;
    if (none) printf("1..0 # SKIP no OpenCL device\n");
    outcome_free(&o);
    remove_scratch(&state);
    return none;
}

void assert_same_file(const char *a, const char *b) {
    size_t n_a, n_b;
    char *bytes_a = slurp(a, &n_a), *bytes_b = slurp(b, &n_b);
    if (n_a != n_b || memcmp(bytes_a, bytes_b, n_a) != 0)
        fail_msg("%s (%zu bytes) and %s (%zu bytes) differ", a, n_a, b, n_b);
    free(bytes_a);
    free(bytes_b);
}

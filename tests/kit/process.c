#include "process.h"

#include <errno.h>
#include <sys/wait.h>

static void become(const process *p, const char *program, void (*prepare)(void),
                   const char *const *arguments) {
    char *argv[MOST_ARGUMENTS + 2] = {(char *)(uintptr_t)program};
    for (int i = 0; arguments[i] && i < MOST_ARGUMENTS; i++)
        argv[i + 1] = (char *)(uintptr_t)arguments[i];
    if (!freopen("/dev/null", "r", stdin) || !freopen(p->out, "w", stdout) ||
        !freopen(p->err, "w", stderr))
        _exit(126);
    if (prepare) prepare();
    execvp(program, argv);
    _exit(127);
}

process process_start(void **state, const char *program, void (*prepare)(void),
                      const char *const *arguments) {
    static unsigned number;
    process p;
    snprintf(p.out, sizeof p.out, "%s/.stdout-%u", (const char *)*state, number);
    snprintf(p.err, sizeof p.err, "%s/.stderr-%u", (const char *)*state, number++);
    fflush(NULL);
    p.pid = fork();
    assert_true(p.pid >= 0);
    if (p.pid == 0) become(&p, program, prepare, arguments);
    return p;
}

outcome process_wait(const process *p) {
    int how;
    while (waitpid(p->pid, &how, 0) < 0) assert_int_equal(errno, EINTR);
    outcome o = {.status = WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how),
                 .out = slurp(p->out, NULL),
                 .err = slurp(p->err, NULL)};
    unlink(p->out);
    unlink(p->err);
    return o;
}

void outcome_free(outcome *o) {
    free(o->out);
    free(o->err);
}

void assert_status(const outcome *o, int status) {
    if (o->status == status) return;
    fputs(o->err, stderr); /* whole: fail_msg cuts off what is long */
    fail_msg("exit status %d, expected %d\nstandard output:\n%s\nstandard error:\n%s", o->status,
             status, o->out, o->err);
}

const char *python_with(const char *modules) {
    static const char *const pythons[] = {"python3", "/usr/bin/python3"};
    for (size_t i = 0; i < sizeof pythons / sizeof *pythons; i++) {
        char command[256];
        snprintf(command, sizeof command, "%s -c 'import %s' >/dev/null 2>&1", pythons[i], modules);
        if (system(command) == 0) return pythons[i];
    }
    return NULL;
}

/* ------------------------------------------------------------------ invar */

process invar_start(void **state, const char *const *arguments) {
    return process_start(state, invar_program, NULL, arguments);
}

outcome invar_wait(const process *p) {
    return process_wait(p);
}

outcome invar_with(void **state, void (*prepare)(void), const char *const *arguments) {
    const process p = process_start(state, invar_program, prepare, arguments);
    return process_wait(&p);
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
    if (none) skip_all_because("no OpenCL device");
    outcome_free(&o);
    remove_scratch(&state);
    return none;
}

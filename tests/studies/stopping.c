#include "stopping.h"

#include <invar/data.h>

#include <sys/wait.h>
#include <time.h>

static void nap(void) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* Where the last checkpoint is: false if there is none yet. */
static bool where(void **state, size_t *population, size_t *step) {
    iv_error error = {0};
    iv_safetensors *file;
    const char *path = in_scratch(state, "run/checkpoint/population.safetensors");
    if (!exists(path)) return false;
    /* Replaced atomically: whoever reads it sees a whole one. */
    assert_ok(&error, iv_safetensors_open(path, &file, &error));
    *population = strtoul(iv_safetensors_metadata(file, "population"), NULL, 10);
    *step = strtoul(iv_safetensors_metadata(file, "step"), NULL, 10);
    iv_safetensors_close(file);
    return true;
}

bool has_come(void **state, const moment *m) {
    size_t population, step;
    if (m->model) return exists(in_scratch(state, m->model));
    return where(state, &population, &step) &&
           (population > m->population || (population == m->population && step >= m->step));
}

static bool has_ended(const process *p) {
    siginfo_t info = {0};
    waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid == p->pid;
}

bool stop_unless_ended(void **state, const char *const *arguments, const moment *m, int number) {
    const process p = invar_start(state, arguments);
    while (!has_come(state, m) && !has_ended(&p)) nap();
    kill(p.pid, number);
    outcome o = invar_wait(&p);
    if (o.status == 0) {
        outcome_free(&o);
        return false;
    }
    assert_status(&o, number == SIGKILL ? -SIGKILL : 130);
    if (number != SIGKILL) assert_contains(o.err, "interrupted; `invar resume ");
    outcome_free(&o);

    char *run = slurp(in_scratch(state, "run/run.json"), NULL);
    assert_contains(run,
                    number == SIGKILL ? "\"status\": \"running\"" : "\"status\": \"interrupted\"");
    free(run);
    assert_false(exists(in_scratch(state, "run/results.json")));
    return true;
}

void stop(void **state, const char *const *arguments, const moment *m, int number) {
    if (!stop_unless_ended(state, arguments, m, number))
        fail_msg("the run ended before it could be stopped");
}

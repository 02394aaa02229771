/* Each study at its smallest with one call that fails, or killed at one, on every command: no crash,
 * no hang, a message, and nothing wrong where the status says success. What failed or was killed
 * goes on to the bytes of a run that nothing happened to, and leaves nothing else behind.
 *
 * Of the calls of each kind one is taken; INVAR_TEST_FAULTS asks for that many, or for all. */
#include "../kit/process.h"

#include <jansson.h>

static const char *const specs[][2] = {
    {"regularization",
     "study: regularization\nname: r\nseeds: [4]\n"
     "dataset: {name: digits, images: 200, train: 64, validation: 32, test: 32}\n"
     "group: {kind: rotation, order: 2}\nmodel: {hidden: 16, layers: 3}\n"
     "training: {batch: 32, epochs: 3, checkpoint_seconds: 0.001}\n"
     "runs: [{name: IR, method: regularization, nu: 1}, {name: DA, method: augmentation}]\n"
     "metrics: {names: [accuracy, li]}\n"},
    {"autoencoder",
     "study: autoencoder\nname: a\nseeds: [5]\ndataset: {dimensions: 5, train: 64, test: 30}\n"
     "task: {code: cycle, lambda: 0.5}\nmodel: {width: 3}\n"
     "training: {batch: 32, epochs: 3, checkpoint_seconds: 0.001}\nmetrics: {every_epochs: 1}\n"
     "runs: [{name: rich, layer: rich, depth: 2, lift: 1, learning_rate: 0.005}]\n"
     "figures: {names: [depth]}\n"},
    {"marginal-likelihood",
     "study: marginal-likelihood\nname: m\nseeds: [5]\n"
     "dataset: {name: digits, transformation: rotated, train: 64, test: 32}\n"
     "model: {features: relu, hidden: 8, samples: 2}\n"
     "training: {batch: 32, epochs: 3, learning_rate: 0.01, checkpoint_seconds: 0.001}\n"
     "metrics: {every_steps: 2}\n"
     "runs: [{name: affine, invariance: affine}, {name: sgpr, method: sgpr, inducing: 10, "
     "iterations: 3}]\nfigures: {names: [filters]}\n"},
};
enum { N_STUDIES = sizeof specs / sizeof *specs };

static const char *const kinds[] = {"memory", "write", "flush", "rename",
                                    "open",   "make",  "read",  "opencl"};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* But for what tells of times and names; a process killed at its very end leaves its lock. */
static const char *const ignored[] = {"run.json",   "report.html", "report.md",
                                      "report.csv", "lock",        NULL};

/* ------------------------------------------------------------------ one process with a fault */

static struct { char fault[64], how[16], log[SCRATCH_PATH]; } next;

static void preload(void) {
    enum { LONGEST_SECONDS = 120 };
    setenv("LD_PRELOAD", FAULTS_LIBRARY, 1);
    setenv("INVAR_FAULT", next.fault, 1);
    setenv("INVAR_FAULT_KILL", next.how, 1);
    setenv("INVAR_FAULT_LOG", next.log, 1);
    alarm(LONGEST_SECONDS); /* ends what hangs */
}

static outcome with_fault(void **state, const char *const *arguments, const char *kind, long n,
                          const char *how) {
    snprintf(next.fault, sizeof next.fault, "%s:%ld", kind, n);
    snprintf(next.how, sizeof next.how, "%s", how);
    snprintf(next.log, sizeof next.log, "%s", in_scratch(state, "counts"));
    return invar_with(state, preload, arguments);
}

/* How many calls of each kind a command makes when nothing fails. */
static void count_calls(void **state, const char *const *arguments, long counts[N_KINDS]) {
    outcome o = with_fault(state, arguments, "memory", 0, "");
    assert_status(&o, 0);
    outcome_free(&o);
    FILE *log = fopen(in_scratch(state, "counts"), "r");
    assert_non_null(log);
    for (size_t k = 0; k < N_KINDS; k++) {
        char name[16];
        assert_int_equal(fscanf(log, "%15s %ld", name, &counts[k]), 2);
        assert_string_equal(name, kinds[k]);
    }
    fclose(log);
}

/* ------------------------------------------------------------------ what is tried */

typedef struct {
    const char *study;
    char spec[SCRATCH_PATH], whole[SCRATCH_PATH], begun[SCRATCH_PATH], dir[SCRATCH_PATH];
    char there[SCRATCH_PATH];
} subject;

/* The numbers of the calls that are tried, of n: all, or a few, others in each study. */
static long next_number(long before, long n, size_t salt) {
    const char *wanted = getenv("INVAR_TEST_FAULTS");
    const long few = !wanted ? 1 : strcmp(wanted, "all") == 0 ? n : strtol(wanted, NULL, 10);
    const long stride = few > 0 && n / few > 0 ? n / few : 1;
    return before == 0 ? 1 + (long)(salt * 7919) % stride : before + stride;
}

static void check_said(const subject *s, const outcome *o, const char *command) {
    if (o->status < 0)
        fail_msg("%s: %s with %s: ended by signal %d\n%s", s->study, command, next.fault,
                 -o->status, o->err);
    if (o->status > 0 && !strstr(o->err, "invar: "))
        fail_msg("%s: %s with %s: status %d without a word", s->study, command, next.fault,
                 o->status);
}

static void copy_tree(const char *from, const char *to) {
    char command[2 * SCRATCH_PATH + 32];
    remove_tree(to);
    snprintf(command, sizeof command, "cp -R '%s' '%s'", from, to);
    assert_int_equal(system(command), 0);
}

/* Bring the directory to its end without a fault; it is whole then. */
static void finish_and_compare(void **state, const subject *s, const char *command) {
    char difference[512];
    const bool begun = exists(in(s->dir, "run.json"));
    outcome o = begun ? invar(state, "resume", s->dir, "--quiet", NULL)
                      : invar(state, "run", s->spec, "--quiet", "--out", s->dir, NULL);
    if (o.status != 0)
        fail_msg("%s: after %s with %s %s the run does not go on: %s", s->study, command,
                 next.fault, next.how, o.err);
    outcome_free(&o);
    if (folders_differ(s->whole, s->dir, ignored, difference, sizeof difference))
        fail_msg("%s: after %s with %s %s: %s", s->study, command, next.fault, next.how,
                 difference);
    assert_true(exists(in(s->dir, "report.html")));
}

/* Success has to be one, but for pictures and reports that a note tells of, which are then drawn. */
static void check_training(void **state, const subject *s, const outcome *o, const char *command) {
    check_said(s, o, command);
    if (o->status == 0 && strstr(o->err, "note: ")) unlink(in(s->dir, "report.html"));
    finish_and_compare(state, s, command);
}

static void try_run(void **state, const subject *s, size_t salt) {
    const char *const arguments[] = {"run", s->spec, "--quiet", "--out", s->dir, NULL};
    long counts[N_KINDS];
    remove_tree(s->dir);
    count_calls(state, arguments, counts);
    for (size_t k = 0; k < N_KINDS; k++)
        for (long n = 0; (n = next_number(n, counts[k], salt + k)) <= counts[k];) {
            remove_tree(s->dir);
            outcome o = with_fault(state, arguments, kinds[k], n, "");
            check_training(state, s, &o, "run");
            outcome_free(&o);
        }
}

static void try_resume(void **state, const subject *s, size_t salt) {
    const char *const arguments[] = {"resume", s->dir, "--quiet", NULL};
    long counts[N_KINDS];
    copy_tree(s->begun, s->dir);
    count_calls(state, arguments, counts);
    for (size_t k = 0; k < N_KINDS; k++)
        for (long n = 0; (n = next_number(n, counts[k], salt + 3 * k)) <= counts[k];) {
            copy_tree(s->begun, s->dir);
            outcome o = with_fault(state, arguments, kinds[k], n, "");
            check_training(state, s, &o, "resume");
            outcome_free(&o);
        }
}

static void try_kills(void **state, const subject *s, size_t salt) {
    static const char *const tried[][2] = {{"rename", "before"}, {"rename", "after"},
                                           {"write", "torn"},    {"flush", "after"},
                                           {"open", "after"},    {"make", "after"}};
    const char *const arguments[] = {"run", s->spec, "--quiet", "--out", s->dir, NULL};
    long counts[N_KINDS];
    remove_tree(s->dir);
    count_calls(state, arguments, counts);
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        size_t k = 0;
        while (strcmp(kinds[k], tried[i][0]) != 0) k++;
        for (long n = 0; (n = next_number(n, counts[k], salt + 5 * i)) <= counts[k];) {
            remove_tree(s->dir);
            outcome o = with_fault(state, arguments, kinds[k], n, tried[i][1]);
            if (o.status != -9 && o.status != 0) assert_status(&o, -9);
            outcome_free(&o);
            finish_and_compare(state, s, "run");
        }
    }
}

/* What only reads: the right answer, or words and a status. */
static void try_reading(void **state, const subject *s, size_t salt) {
    const char *const eval[] = {"eval", s->whole, "--quiet", NULL};
    const char *const report[] = {"report", s->whole, "--out", s->there, NULL};
    const char *const *const commands[] = {eval, report};
    char *results = slurp(in(s->whole, "results.json"), NULL);
    for (size_t c = 0; c < 2; c++) {
        long counts[N_KINDS];
        count_calls(state, commands[c], counts);
        for (size_t k = 0; k < N_KINDS; k++)
            for (long n = 0; (n = next_number(n, counts[k], salt + 11 * k)) <= counts[k];) {
                remove_tree(s->there);
                outcome o = with_fault(state, commands[c], kinds[k], n, "");
                check_said(s, &o, commands[c][0]);
                if (o.status == 0 && c == 0) assert_string_equal(o.out, results);
                if (o.status == 0 && c == 1) assert_true(exists(in(s->there, "report.html")));
                outcome_free(&o);
            }
    }
    free(results);
}

/* ------------------------------------------------------------------ subjects */

static void open_subject(void **state, size_t i, subject *s) {
    s->study = specs[i][0];
    snprintf(s->spec, sizeof s->spec, "%s", in_scratch(state, "spec.yaml"));
    snprintf(s->whole, sizeof s->whole, "%s", in_scratch(state, "whole"));
    snprintf(s->begun, sizeof s->begun, "%s", in_scratch(state, "begun"));
    snprintf(s->dir, sizeof s->dir, "%s", in_scratch(state, "run"));
    snprintf(s->there, sizeof s->there, "%s", in_scratch(state, "there"));
    spill(s->spec, specs[i][1]);
    invar_succeeds(state, ARGUMENTS("run", s->spec, "--quiet", "--out", s->whole));

    /* A run that was killed in the middle. */
    const char *const arguments[] = {"run", s->spec, "--quiet", "--out", s->begun, NULL};
    long counts[N_KINDS];
    count_calls(state, arguments, counts);
    remove_tree(s->begun);
    outcome o = with_fault(state, arguments, "rename", counts[3] / 2, "after");
    assert_int_equal(o.status, -9);
    outcome_free(&o);
    assert_true(exists(in(s->begun, "checkpoint/population.safetensors")));
}

static void every_study(void **state, void (*try)(void **state, const subject *s, size_t salt)) {
    for (size_t i = 0; i < N_STUDIES; i++) {
        subject s;
        void *scratch_state;
        make_scratch(&scratch_state);
        open_subject(&scratch_state, i, &s);
        try(&scratch_state, &s, 17 * i + 1);
        remove_scratch(&scratch_state);
    }
    (void)state;
}

static void a_failing_call_of_run_costs_nothing(void **state) {
    every_study(state, try_run);
}

static void a_failing_call_of_resume_costs_nothing(void **state) {
    every_study(state, try_resume);
}

static void a_kill_at_any_call_costs_nothing(void **state) {
    every_study(state, try_kills);
}

static void a_failing_call_of_eval_or_report_is_told(void **state) {
    every_study(state, try_reading);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failing_call_of_run_costs_nothing),
        cmocka_unit_test(a_failing_call_of_resume_costs_nothing),
        cmocka_unit_test(a_kill_at_any_call_costs_nothing),
        cmocka_unit_test(a_failing_call_of_eval_or_report_is_told),
    };
    if (is_small_run()) return skip_all_because("too slow on a simulated device");
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

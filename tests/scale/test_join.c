/* Several processes on one run: the bytes of one, whatever their number, whoever is killed, suspended
 * or out of room. */
#include "../kit/process.h"

#include "studies.h"

#include <jansson.h>

#include <signal.h>
#include <time.h>

enum { MOST_PROCESSES = 4 };

/* The longer run by one process, which others are compared with. */
static char whole[SCRATCH_PATH];
static void *group_state;

/* ------------------------------------------------------------------ helpers */

static void pause_ms(long ms) {
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static const char *path_of(void **state, const char *name) {
    static char paths[4][SCRATCH_PATH];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, SCRATCH_PATH, "%s", in_scratch(state, name));
    return path;
}

static void run_alone(void **state, const char *spec, const char *out) {
    invar_succeeds(state, ARGUMENTS("run", spec, "--quiet", "--out", out));
}

static process start_joined(void **state, const char *spec, const char *out) {
    return invar_start(state, ARGUMENTS("run", spec, "--quiet", "--join", "--out", out));
}

static void finish_well(const process *p) {
    outcome o = process_wait(p);
    assert_status(&o, 0);
    outcome_free(&o);
}

/* The process list of run.json, and its status. */
static size_t count_processes(const char *out, const char *status) {
    char path[SCRATCH_PATH + 16];
    snprintf(path, sizeof path, "%s/run.json", out);
    json_t *run = json_load_file(path, 0, NULL);
    assert_non_null(run);
    assert_string_equal(json_string_value(json_object_get(run, "status")), status);
    const size_t n = json_array_size(json_object_get(run, "processes"));
    json_decref(run);
    return n;
}

static void expect_whole(const char *expected, const char *out) {
    char parts[SCRATCH_PATH + 16];
    snprintf(parts, sizeof parts, "%s/parts", out);
    assert_same_folder(expected, out, other_bytes);
    assert_false(exists(parts));
}

static int run_longer(void **state) {
    if (make_scratch(state) != 0) return -1;
    group_state = *state;
    snprintf(whole, sizeof whole, "%s", in_scratch(state, "whole"));
    spill(in_scratch(state, "longer.yaml"), longer);
    run_alone(state, in_scratch(state, "longer.yaml"), whole);
    return 0;
}

static int remove_longer(void **state) {
    *state = group_state;
    return remove_scratch(state);
}

/* ------------------------------------------------------------------ how many */

static void any_number_of_processes_makes_the_bytes_of_one(void **state) {
    for (size_t s = 0; s < N_STUDIES; s++) {
        char name[64];
        snprintf(name, sizeof name, "%s.yaml", specs[s][0]);
        char *spec = strdup(in_scratch(state, name)), *one = strdup(in_scratch(state, specs[s][0]));
        spill(spec, specs[s][1]);
        run_alone(state, spec, one);
        for (int n = 1; n <= 3; n++) {
            process p[MOST_PROCESSES];
            snprintf(name, sizeof name, "%.40s-%d", specs[s][0], n);
            char *out = strdup(in_scratch(state, name));
            for (int i = 0; i < n; i++) p[i] = start_joined(state, spec, out);
            for (int i = 0; i < n; i++) finish_well(&p[i]);
            expect_whole(one, out);
            assert_in_range(count_processes(out, "done"), 1, n);
            free(out);
        }
        free(spec);
        free(one);
    }
}

/* ------------------------------------------------------------------ kills */

/* Processes are killed at random moments, and others begun; some are asked to stop. */
static void killed_processes_cost_no_result(void **state) {
    const char *spec = path_of(state, "longer.yaml");
    const char *out = path_of(state, "run");
    unsigned seed = 20261201;
    spill(spec, longer);
    for (int round = 0; round < 4; round++) {
        process p[3];
        for (int i = 0; i < 3; i++) p[i] = start_joined(state, spec, out);
        for (int i = 0; i < 3; i++) {
            seed = seed * 1664525u + 1013904223u;
            pause_ms(20 + (long)(seed >> 16) % 150);
            kill(p[i].pid, round % 3 == 2 ? SIGTERM : SIGKILL);
        }
        for (int i = 0; i < 3; i++) {
            outcome o = process_wait(&p[i]);
            /* done before, killed (also by a request before it listened), or stopped on request */
            if (o.status != 0 && o.status != -SIGKILL && o.status != -SIGTERM)
                assert_status(&o, 130);
            outcome_free(&o);
        }
    }
    invar_succeeds(state, ARGUMENTS("run", spec, "--quiet", "--join", "--out", out));
    expect_whole(whole, out);
}

static void the_others_go_on_when_one_is_killed(void **state) {
    const char *spec = path_of(state, "longer.yaml");
    const char *out = path_of(state, "run");
    spill(spec, longer);
    const process killed = start_joined(state, spec, out);
    while (!exists(in(out, "parts/1/work-1/checkpoint.safetensors"))) pause_ms(5);
    const process other = start_joined(state, spec, out);
    kill(killed.pid, SIGKILL);
    finish_well(&other);
    outcome o = process_wait(&killed);
    assert_int_equal(o.status, -SIGKILL);
    outcome_free(&o);
    expect_whole(whole, out);
}

/* One that is asked to stop leaves; the last one says so in run.json. */
static void all_that_stop_leave_an_interrupted_run(void **state) {
    const char *spec = path_of(state, "longer.yaml");
    const char *out = path_of(state, "run");
    spill(spec, longer);
    const process p[2] = {start_joined(state, spec, out), start_joined(state, spec, out)};
    while (!exists(in(out, "parts/1/work-1/checkpoint.safetensors")) ||
           count_entries(in(out, "parts/processes")) < 2)
        pause_ms(5);
    for (int i = 0; i < 2; i++) kill(p[i].pid, SIGUSR1);
    for (int i = 0; i < 2; i++) {
        outcome o = process_wait(&p[i]);
        assert_status(&o, 130);
        assert_contains(o.err, "invar resume");
        outcome_free(&o);
    }
    assert_int_equal(count_processes(out, "interrupted"), 2);
    invar_succeeds(state, ARGUMENTS("resume", out, "--join", "--quiet"));
    expect_whole(whole, out);
    assert_int_equal(count_processes(out, "done"), 3);
}

/* ------------------------------------------------------------------ slow ones */

static void be_impatient(void) {
    setenv("INVAR_LEASE_SECONDS", "0.6", 1);
}

/* Suspended for longer than its lease: another process takes over, and the first finds that out. */
static void a_suspended_process_loses_its_work_and_harms_nothing(void **state) {
    const char *spec = path_of(state, "longer.yaml");
    const char *out = path_of(state, "run");
    spill(spec, longer);
    const char *const arguments[] = {"run", spec, "--quiet", "--join", "--out", out, NULL};
    const process slow = process_start(state, invar_program, be_impatient, arguments);
    while (!exists(in(out, "parts/1/work-1/checkpoint.safetensors"))) pause_ms(5);
    kill(slow.pid, SIGSTOP);
    const process other = process_start(state, invar_program, be_impatient, arguments);
    finish_well(&other);
    expect_whole(whole, out);
    kill(slow.pid, SIGCONT);
    finish_well(&slow);
    expect_whole(whole, out);
}

/* ------------------------------------------------------------------ no room */

#ifdef FAULTS_LIBRARY
static char fault[64];

static void lack_room(void) {
    setenv("LD_PRELOAD", FAULTS_LIBRARY, 1);
    setenv("INVAR_FAULT", fault, 1);
    alarm(120);
}

static void a_process_that_cannot_write_ends_and_the_others_go_on(void **state) {
    static const char *const faults[] = {"write:40", "flush:30", "rename:6"};
    const char *spec = path_of(state, "longer.yaml");
    spill(spec, longer);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char name[32];
        snprintf(name, sizeof name, "run-%zu", i);
        snprintf(fault, sizeof fault, "%s", faults[i]);
        char *out = strdup(in_scratch(state, name));
        const process failing =
            process_start(state, invar_program, lack_room,
                          ARGUMENTS("run", spec, "--quiet", "--join", "--out", out));
        pause_ms(60);
        const process other = start_joined(state, spec, out);
        finish_well(&other);
        outcome o = process_wait(&failing);
        /* some failures, as of a beat, cost nothing */
        if (o.status != 0 && o.status != 1) assert_status(&o, 1);
        if (o.status == 1) assert_contains(o.err, "invar: ");
        outcome_free(&o);
        expect_whole(whole, out);
        free(out);
    }
}
#endif

/* ------------------------------------------------------------------ who may not join */

static void what_does_not_fit_is_refused(void **state) {
    const char *spec = path_of(state, "spec.yaml"), *out = path_of(state, "run");
    spill(spec, specs[0][1]);
    invar_fails(state, ARGUMENTS("run", spec, "--join"), 2, "--join needs --out", NULL);
    invar_fails(state, ARGUMENTS("run", spec, "--no-wait", "--out", out), 2, "--join", NULL);
    const process p = start_joined(state, spec, out);
    while (!exists(in(out, "parts/plan.json"))) pause_ms(2);
    kill(p.pid, SIGKILL);
    outcome o = process_wait(&p);
    outcome_free(&o);
    invar_fails(state, ARGUMENTS("run", spec, "--join", "--out", out, "--set", "training.epochs=9"),
                2, "differs from the spec", NULL);
    invar_fails(state, ARGUMENTS("run", spec, "--out", out), 2, "--join", NULL);
    invar_succeeds(state, ARGUMENTS("run", spec, "--join", "--no-wait", "--quiet", "--out", out));
    assert_int_equal(count_processes(out, "done"), 2);

    /* a finished one has nothing to join */
    o = invar(state, "run", spec, "--join", "--out", out, NULL);
    assert_status(&o, 0);
    assert_contains(o.out, "nothing to resume");
    outcome_free(&o);

    /* and does not train again for want of a report */
    struct stat before, after;
    assert_int_equal(stat(in(out, "models/DA-seed4.safetensors"), &before), 0);
    assert_int_equal(unlink(in(out, "report.html")), 0);
    assert_int_equal(mkdir(in(out, "parts"), 0700), 0);
    invar_succeeds(state, ARGUMENTS("resume", out));
    assert_true(exists(in(out, "report.html")));
    assert_false(exists(in(out, "parts")));
    assert_int_equal(stat(in(out, "models/DA-seed4.safetensors"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void a_run_of_one_process_is_not_joined(void **state) {
    const char *spec = path_of(state, "longer.yaml"), *out = path_of(state, "run");
    spill(spec, longer);
    const process p = invar_start(state, ARGUMENTS("run", spec, "--quiet", "--out", out));
    while (!exists(in(out, "checkpoint/population.safetensors"))) pause_ms(5);
    kill(p.pid, SIGTERM);
    outcome o = process_wait(&p);
    assert_status(&o, 130);
    outcome_free(&o);
    invar_fails(state, ARGUMENTS("run", spec, "--join", "--out", out), 2, "began alone",
                "invar resume", NULL);
    invar_succeeds(state, ARGUMENTS("resume", out, "--quiet"));
}

static void a_damaged_part_is_refused_by_name(void **state) {
    const char *spec = path_of(state, "longer.yaml"), *out = path_of(state, "run");
    spill(spec, longer);
    const process p = start_joined(state, spec, out);
    while (!exists(in(out, "parts/1/measured.safetensors"))) pause_ms(2);
    kill(p.pid, SIGKILL);
    outcome o = process_wait(&p);
    outcome_free(&o);
    size_t n;
    char *bytes = slurp(in(out, "parts/1/measured.safetensors"), &n);
    bytes[n - 1] ^= 1;
    write_bytes(in(out, "parts/1/measured.safetensors"), bytes, n);
    free(bytes);
    invar_fails(state, ARGUMENTS("resume", out, "--quiet"), 4, "parts/1/measured.safetensors",
                "remove this file", NULL);
    assert_int_equal(unlink(in(out, "parts/1/measured.safetensors")), 0);
    invar_succeeds(state, ARGUMENTS("resume", out, "--quiet"));
    expect_whole(whole, out);
}

int main(void) {
    if (run_without_device()) return 0;
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(any_number_of_processes_makes_the_bytes_of_one),
        SCRATCH_TEST(killed_processes_cost_no_result),
        SCRATCH_TEST(the_others_go_on_when_one_is_killed),
        SCRATCH_TEST(all_that_stop_leave_an_interrupted_run),
        SCRATCH_TEST(a_suspended_process_loses_its_work_and_harms_nothing),
#ifdef FAULTS_LIBRARY
        SCRATCH_TEST(a_process_that_cannot_write_ends_and_the_others_go_on),
#endif
        SCRATCH_TEST(what_does_not_fit_is_refused),
        SCRATCH_TEST(a_run_of_one_process_is_not_joined),
        SCRATCH_TEST(a_damaged_part_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, run_longer, remove_longer);
}

/* Several devices by one command, `invar status`, and `--stop-after`. PoCL shows one CPU as two
 * devices. */
#include "../kit/process.h"

#include "studies.h"

#include <jansson.h>

#include <signal.h>
#include <time.h>

static char whole[SCRATCH_PATH];
static void *group_state;
static bool two_devices;

static void pause_ms(long ms) {
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static int run_longer(void **state) {
    if (make_scratch(state) != 0) return -1;
    group_state = *state;
    snprintf(whole, sizeof whole, "%s", in_scratch(state, "whole"));
    spill(in_scratch(state, "longer.yaml"), longer);
    invar_succeeds(state,
                   ARGUMENTS("run", in_scratch(state, "longer.yaml"), "--quiet", "--out", whole));
    setenv("POCL_DEVICES", "pthread pthread", 1);
    outcome o = invar(state, "devices", "--json", NULL);
    json_t *devices = json_loads(o.out, 0, NULL);
    two_devices = json_array_size(json_object_get(devices, "devices")) == 2;
    json_decref(devices);
    outcome_free(&o);
    if (!two_devices) unsetenv("POCL_DEVICES");
    return 0;
}

static int remove_longer(void **state) {
    *state = group_state;
    return remove_scratch(state);
}

static int make_spec(void **state) {
    if (make_scratch(state) != 0) return -1;
    spill(in_scratch(state, "longer.yaml"), longer);
    return 0;
}

/* Arguments of `invar run` into SCRATCH/run. */
#define RUN(...)                                                                                   \
    ARGUMENTS("run", in_scratch(state, "longer.yaml"), "--out", in_scratch(state, "run"),          \
              __VA_ARGS__)

static void expect_status(void **state, int status, const char *text) {
    outcome o = invar(state, "status", in_scratch(state, "run"), NULL);
    assert_status(&o, status);
    assert_contains(o.out, text);
    outcome_free(&o);
}

static json_t *standing(void **state) {
    outcome o = invar(state, "status", in_scratch(state, "run"), "--json", NULL);
    json_t *root = json_loads(o.out, 0, NULL);
    assert_non_null(root);
    outcome_free(&o);
    return root;
}

/* The process of the first running population; 0 if there is none. */
static pid_t somebody_at_work(void **state) {
    size_t index;
    const json_t *part;
    json_t *root = standing(state);
    pid_t found = 0;
    json_array_foreach(
        json_object_get(root, "populations"), index,
        part) if (strcmp(json_string_value(json_object_get(part, "state")), "running") == 0 &&
                  !found) found = (pid_t)json_integer_value(json_object_get(part, "process"));
    json_decref(root);
    return found;
}

static void await_parts(void **state) {
    while (!exists(in_scratch(state, "run/parts/1/work-1/checkpoint.safetensors"))) pause_ms(5);
}

/* ------------------------------------------------------------------ devices */

#define NEEDS_TWO_DEVICES                                                                          \
    if (!two_devices) SKIP_BECAUSE("this OpenCL does not show two devices")

static void two_devices_make_the_bytes_of_one(void **state) {
    NEEDS_TWO_DEVICES;
    static const char *const lists[] = {"0,1", "all"};
    for (size_t i = 0; i < 2; i++) {
        outcome o = invar_with(state, NULL, RUN("--device", lists[i]));
        assert_status(&o, 0);
        assert_contains(o.err, "device 0: ");
        assert_contains(o.err, "device 1: ");
        assert_contains(o.out, "results: ");
        outcome_free(&o);
        assert_same_folder(whole, in_scratch(state, "run"), other_bytes);
        expect_status(state, 0, "longer: done");
        remove_tree(in_scratch(state, "run"));
    }
}

static void devices_that_are_not_there_are_refused(void **state) {
    invar_fails(state, RUN("--device", "0,77"), 3, "77", "there are: 0 = ", NULL);
    invar_fails(state, RUN("--device", "0,"), 2, "a name is missing", NULL);
    assert_false(exists(in_scratch(state, "run")));
}

/* One process ends, whatever the reason; the others do its work. */
static void a_device_that_is_lost_costs_no_result(void **state) {
    NEEDS_TWO_DEVICES;
    pid_t victim = 0;
    const process p = invar_start(state, RUN("--device", "0,1", "--quiet"));
    await_parts(state);
    for (int i = 0; i < 200 && !victim; i++) victim = somebody_at_work(state);
    if (victim) kill(victim, SIGKILL);
    outcome o = process_wait(&p);
    assert_status(&o, 0);
    if (victim) assert_contains(o.err, "ended by signal 9");
    outcome_free(&o);
    assert_same_folder(whole, in_scratch(state, "run"), other_bytes);
}

static void a_request_to_stop_reaches_all(void **state) {
    NEEDS_TWO_DEVICES;
    const process p = invar_start(state, RUN("--device", "0,1", "--quiet"));
    await_parts(state);
    kill(p.pid, SIGINT);
    outcome o = process_wait(&p);
    assert_status(&o, 130);
    assert_contains(o.err, "invar resume ");
    outcome_free(&o);
    expect_status(state, 11, "nobody works on it");
    invar_succeeds(state,
                   ARGUMENTS("resume", in_scratch(state, "run"), "--device", "1,0", "--quiet"));
    assert_same_folder(whole, in_scratch(state, "run"), other_bytes);
}

/* ------------------------------------------------------------------ status */

static void the_status_tells_scripts_what_to_do(void **state) {
    invar_fails(state, ARGUMENTS("status", in_scratch(state, "run")), 4, "no run", NULL);
    const process p = invar_start(state, RUN("--join", "--quiet"));
    await_parts(state);
    kill(p.pid, SIGSTOP);
    expect_status(state, 10, "longer: running");
    kill(p.pid, SIGKILL);
    outcome o = process_wait(&p);
    outcome_free(&o);
    expect_status(state, 11, "nobody works on it");
    json_t *root = standing(state);
    assert_int_equal(json_array_size(json_object_get(root, "populations")), 12);
    assert_false(json_is_true(json_object_get(root, "at_work")));
    json_decref(root);

    invar_succeeds(state, RUN("--join", "--quiet"));
    expect_status(state, 0, "longer: done");
}

static void one_process_alone_has_a_status_too(void **state) {
    const process p = invar_start(state, RUN("--quiet"));
    while (!exists(in_scratch(state, "run/checkpoint/population.safetensors"))) pause_ms(5);
    kill(p.pid, SIGSTOP);
    expect_status(state, 10, "longer: running, population ");
    kill(p.pid, SIGCONT);
    kill(p.pid, SIGTERM);
    outcome o = process_wait(&p);
    assert_status(&o, 130);
    outcome_free(&o);
    expect_status(state, 11, "longer: unfinished, population ");
}

#ifdef FAULTS_LIBRARY
static void lack_room(void) {
    setenv("LD_PRELOAD", FAULTS_LIBRARY, 1);
    setenv("INVAR_FAULT", "rename:8", 1);
}

static void a_failure_is_told_with_its_reason(void **state) {
    outcome o = invar_with(state, lack_room, RUN("--join", "--quiet"));
    assert_status(&o, 1);
    outcome_free(&o);
    expect_status(state, 1, "failed");
    expect_status(state, 1, "cannot replace");
    invar_succeeds(state, ARGUMENTS("resume", in_scratch(state, "run"), "--quiet"));
    assert_same_folder(whole, in_scratch(state, "run"), other_bytes);
}
#endif

/* A hostile plan or claim is data: refused or shown tamed, without a crash. */
static void what_is_no_plan_is_refused(void **state) {
    static const char *const plans[] = {"", "[]", "{\"populations\": 3}", "{\"populations\": [1]}",
                                        "{\"populations\": [{\"name\": \"\\u001b[31m\"}]}"};
    assert_int_equal(mkdir(in_scratch(state, "run"), 0700), 0);
    assert_int_equal(mkdir(in_scratch(state, "run/parts"), 0700), 0);
    assert_int_equal(mkdir(in_scratch(state, "run/parts/1"), 0700), 0);
    spill(in_scratch(state, "run/run.json"), "{\"name\": \"x\", \"status\": \"running\"}");
    spill(in_scratch(state, "run/parts/1/claim-7"), "{\"state\": \"free\", \"why\": \"\x1b[2J\"}");
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        spill(in_scratch(state, "run/parts/plan.json"), plans[i]);
        outcome o = invar(state, "status", in_scratch(state, "run"), NULL);
        assert_in_range(o.status, 1, 11); /* no signal, and not done */
        assert_lacks(o.out, "\x1b");
        outcome_free(&o);
    }
}

/* ------------------------------------------------------------------ time */

static void a_time_to_stop_leaves_a_checkpoint(void **state) {
    static const char *const wrong[] = {"", "5x", "-1", "1e3", "0", "1.2.3", "m", "inf"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        invar_fails(state, RUN("--stop-after", wrong[i]), 2, "expected a time such as", NULL);
    outcome o = invar_with(
        state, NULL, RUN("--quiet", "--set", "training.epochs=100000", "--stop-after", "0.01m"));
    assert_status(&o, 130);
    outcome_free(&o);
    expect_status(state, 11, "longer: unfinished");
}

int main(void) {
    if (run_without_device()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_devices_make_the_bytes_of_one, make_spec,
                                        remove_scratch),
        cmocka_unit_test_setup_teardown(devices_that_are_not_there_are_refused, make_spec,
                                        remove_scratch),
        cmocka_unit_test_setup_teardown(a_device_that_is_lost_costs_no_result, make_spec,
                                        remove_scratch),
        cmocka_unit_test_setup_teardown(a_request_to_stop_reaches_all, make_spec, remove_scratch),
        cmocka_unit_test_setup_teardown(the_status_tells_scripts_what_to_do, make_spec,
                                        remove_scratch),
        cmocka_unit_test_setup_teardown(one_process_alone_has_a_status_too, make_spec,
                                        remove_scratch),
#ifdef FAULTS_LIBRARY
        cmocka_unit_test_setup_teardown(a_failure_is_told_with_its_reason, make_spec,
                                        remove_scratch),
#endif
        cmocka_unit_test_setup_teardown(what_is_no_plan_is_refused, make_spec, remove_scratch),
        cmocka_unit_test_setup_teardown(a_time_to_stop_leaves_a_checkpoint, make_spec,
                                        remove_scratch),
    };
    return cmocka_run_group_tests(tests, run_longer, remove_longer);
}

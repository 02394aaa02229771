/* A run that was stopped, politely or not, goes on to the same bytes as one that never was. */
#include "small_runs.h"
#include "stopping.h"

/* Long enough to be met in the middle. */
#define LONG_SPEC_OPTIONS                                                                          \
    "--quiet", "--set", "training.checkpoint_seconds=0.02", "--set", "training.epochs=60",         \
        "--set", "metrics.every_epochs=7", "--set", "dataset.images=3000", "--set",                \
        "dataset.test=1500"

/* ------------------------------------------------------------------ claims */

/* What was never stopped: made once, in a scratch folder of its own. */
static void *reference;

static int make_reference(void **state) {
    (void)state;
    if (make_scratch(&reference) != 0) return -1;
    spill(in_scratch(&reference, "spec.yaml"), SMALL_SPEC);
    outcome o = invar_with(&reference, NULL,
                           ARGUMENTS("run", in_scratch(&reference, "spec.yaml"), "--out",
                                     in_scratch(&reference, "whole"), LONG_SPEC_OPTIONS));
    const int status = o.status;
    if (status != 0) print_message("# %s\n", o.err);
    outcome_free(&o);
    return status;
}

static int remove_reference(void **state) {
    (void)state;
    return remove_scratch(&reference);
}

static void start_and_stop(void **state, const moment *m, int number) {
    spill(in_scratch(state, "spec.yaml"), SMALL_SPEC);
    stop(state,
         ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--out", in_scratch(state, "run"),
                   LONG_SPEC_OPTIONS),
         m, number);
}

static void resume_and_stop(void **state, const moment *m, int number) {
    stop(state, ARGUMENTS("resume", in_scratch(state, "run"), "--quiet"), m, number);
}

static void resume_to_the_end(void **state) {
    char whole[SCRATCH_PATH + 8], run[SCRATCH_PATH + 8];
    invar_succeeds(state, ARGUMENTS("resume", in_scratch(state, "run"), "--quiet"));
    snprintf(whole, sizeof whole, "%s/whole", (const char *)reference);
    snprintf(run, sizeof run, "%s/run", (const char *)*state);
    assert_same_run(whole, run);
    char *json = slurp(in_scratch(state, "run/run.json"), NULL);
    assert_contains(json, "\"status\": \"done\"");
    free(json);
}

static void interrupts_in_training_change_no_byte(void **state) {
    start_and_stop(state, &(moment){.population = 0, .step = 1}, SIGINT);
    resume_and_stop(state, &(moment){.population = 1, .step = 200}, SIGINT);
    resume_and_stop(state, &(moment){.population = 2, .step = 300}, SIGTERM);
    resume_to_the_end(state);
}

static void interrupts_while_measuring_change_no_byte(void **state) {
    start_and_stop(state, &(moment){.model = "run/models/WT-seed6.safetensors"}, SIGINT);
    resume_and_stop(state, &(moment){.model = "run/models/DA-seed6.safetensors"}, SIGINT);
    resume_to_the_end(state);
}

static void kills_change_no_byte(void **state) {
    start_and_stop(state, &(moment){.population = 0, .step = 100}, SIGKILL);
    resume_and_stop(state, &(moment){.model = "run/models/WT-seed6.safetensors"}, SIGKILL);
    resume_and_stop(state, &(moment){.population = 2, .step = 100}, SIGKILL);
    resume_to_the_end(state);
}

static void a_damaged_checkpoint_is_refused(void **state) {
    start_and_stop(state, &(moment){.population = 0, .step = 100}, SIGINT);
    const char *path = in_scratch(state, "run/checkpoint/population.safetensors");
    assert_int_equal(truncate(path, 5000), 0);
    invar_fails(state, ARGUMENTS("resume", in_scratch(state, "run"), "--quiet"), 4,
                "population.safetensors", NULL);
}

static void another_spec_cannot_be_resumed(void **state) {
    start_and_stop(state, &(moment){.population = 0, .step = 1}, SIGINT);
    invar_fails(state,
                ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--out", in_scratch(state, "run"),
                          "--resume", LONG_SPEC_OPTIONS, "--set", "training.batch=32"),
                2, "differs from the spec that", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(interrupts_in_training_change_no_byte),
        SCRATCH_TEST(interrupts_while_measuring_change_no_byte),
        SCRATCH_TEST(kills_change_no_byte),
        SCRATCH_TEST(a_damaged_checkpoint_is_refused),
        SCRATCH_TEST(another_spec_cannot_be_resumed),
    };
    return run_without_device() ? 0
                                : cmocka_run_group_tests(tests, make_reference, remove_reference);
}

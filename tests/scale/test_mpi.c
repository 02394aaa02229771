/* Started by mpirun: ranks share one run. Without MPI in the build, mpirun is answered. */
#include "../kit/process.h"

#include "studies.h"

#include <jansson.h>

#include <signal.h>
#include <time.h>

static void launched(void) {
    setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
}

#ifdef MPIRUN

static void pause_ms(long ms) {
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void as_any_user(void) {
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 1);
    setenv("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe", 1);
    setenv("OMPI_MCA_btl", "self,vader", 1); /* no network card is looked for */
    /* What MPI's plug-ins keep cannot be named, since they are unloaded by then. */
    const char *before = getenv("ASAN_OPTIONS");
    char options[512];
    snprintf(options, sizeof options, "%s%sdetect_leaks=0", before ? before : "",
             before ? ":" : "");
    setenv("ASAN_OPTIONS", options, 1);
}

static bool can_run(void **state) {
    const process p = process_start(state, MPIRUN, as_any_user, ARGUMENTS("-n", "2", "true"));
    outcome o = process_wait(&p);
    const bool can = o.status == 0;
    outcome_free(&o);
    return can;
}

static process start_ranks(void **state, const char *command, const char *spec, const char *out,
                           const char *epochs) {
    return process_start(
        state, MPIRUN, as_any_user,
        epochs ? ARGUMENTS("-n", "2", invar_program, command, spec, "--quiet", "--out", out,
                           "--set", epochs)
               : ARGUMENTS("-n", "2", invar_program, command, spec, "--quiet", "--out", out));
}

static void ranks_make_the_bytes_of_one_process(void **state) {
    if (!can_run(state)) SKIP_BECAUSE("mpirun cannot start two processes here");
    char spec[SCRATCH_PATH], whole[SCRATCH_PATH], out[SCRATCH_PATH];
    snprintf(spec, sizeof spec, "%s", in_scratch(state, "spec.yaml"));
    snprintf(whole, sizeof whole, "%s", in_scratch(state, "whole"));
    snprintf(out, sizeof out, "%s", in_scratch(state, "run"));
    spill(spec, specs[0][1]);
    invar_succeeds(state, ARGUMENTS("run", spec, "--quiet", "--out", whole));
    const process p = start_ranks(state, "run", spec, out, NULL);
    outcome o = process_wait(&p);
    assert_status(&o, 0);
    /* told once */
    const char *first = strstr(o.out, "results: ");
    assert_non_null(first);
    assert_null(strstr(first + 1, "results: "));
    outcome_free(&o);
    assert_same_folder(whole, out, other_bytes);
}

static void a_request_to_stop_reaches_all_ranks(void **state) {
    if (!can_run(state)) SKIP_BECAUSE("mpirun cannot start two processes here");
    char spec[SCRATCH_PATH], out[SCRATCH_PATH];
    snprintf(spec, sizeof spec, "%s", in_scratch(state, "spec.yaml"));
    snprintf(out, sizeof out, "%s", in_scratch(state, "run"));
    spill(spec, longer);
    const process p = start_ranks(state, "run", spec, out, "training.epochs=100000");
    for (int i = 0; i < 3000 && (!exists(in(out, "parts/1/work-1/checkpoint.safetensors")) ||
                                 !exists(in(out, "parts/2/work-1/checkpoint.safetensors")));
         i++)
        pause_ms(10);
    outcome o = invar(state, "status", out, "--json", NULL);
    json_t *root = json_loads(o.out, 0, NULL);
    outcome_free(&o);
    for (size_t i = 0; i < 2; i++) {
        const json_t *part = json_array_get(json_object_get(root, "populations"), i);
        const pid_t rank = (pid_t)json_integer_value(json_object_get(part, "process"));
        assert_true(rank > 1);
        kill(rank, SIGUSR1);
    }
    json_decref(root);
    o = process_wait(&p);
    assert_status(&o, 130);
    assert_contains(o.err, "invar resume ");
    outcome_free(&o);
    o = invar(state, "status", out, NULL);
    assert_status(&o, 11);
    outcome_free(&o);
}

static void without_a_directory_the_ranks_agree_on_one(void **state) {
    if (!can_run(state)) SKIP_BECAUSE("mpirun cannot start two processes here");
    char here[SCRATCH_PATH], spec[SCRATCH_PATH];
    snprintf(spec, sizeof spec, "%s", in_scratch(state, "spec.yaml"));
    spill(spec, specs[0][1]);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(*state), 0);
    const process p =
        process_start(state, MPIRUN, as_any_user,
                      ARGUMENTS("-n", "2", invar_program, "run", spec, "--quiet", "--seeds", "1"));
    outcome o = process_wait(&p);
    assert_int_equal(chdir(here), 0);
    assert_status(&o, 0);
    outcome_free(&o);
    assert_int_equal(count_entries(in_scratch(state, "runs")), 1);
}

#else

static void without_mpi_the_copies_are_refused(void **state) {
    spill(in_scratch(state, "spec.yaml"), specs[0][1]);
    outcome o = invar_with(
        state, launched,
        ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--out", in_scratch(state, "run")));
    assert_status(&o, 2);
    assert_contains(o.err, "mpirun has started 2 copies");
    assert_contains(o.err, "--join");
    outcome_free(&o);
    assert_false(exists(in_scratch(state, "run")));
}

#endif

/* Whatever asks nothing of the others needs no MPI. */
static void other_commands_are_as_ever(void **state) {
    outcome o = invar_with(state, launched, ARGUMENTS("--version"));
    assert_status(&o, 0);
    outcome_free(&o);
}

int main(void) {
    if (run_without_device()) return 0;
    const struct CMUnitTest tests[] = {
#ifdef MPIRUN
        SCRATCH_TEST(ranks_make_the_bytes_of_one_process),
        SCRATCH_TEST(a_request_to_stop_reaches_all_ranks),
        SCRATCH_TEST(without_a_directory_the_ranks_agree_on_one),
#else
        SCRATCH_TEST(without_mpi_the_copies_are_refused),
#endif
        SCRATCH_TEST(other_commands_are_as_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

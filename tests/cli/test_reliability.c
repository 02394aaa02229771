/* What a run survives: damage to what it left, requests to stop, closed streams, company, and a
 * plotting program that fails. Each test works on a copy of one finished run. */
#include "../kit/process.h"

#include "tiny_spec.h"

#include <invar/data.h>

#include <jansson.h>

#include <fcntl.h>
#include <signal.h>
#include <time.h>

static const char checkpoint[] = "run/checkpoint/population.safetensors";

/* ------------------------------------------------------------------ one finished run */

static char finished[SCRATCH_PATH];

static void copy_tree(const char *from, const char *to) {
    char command[2 * SCRATCH_PATH + 32];
    snprintf(command, sizeof command, "cp -R '%s' '%s'", from, to);
    assert_int_equal(system(command), 0);
}

static int make_finished_run(void **state) {
    if (make_scratch(state) != 0) return -1;
    snprintf(finished, sizeof finished, "%s", in_scratch(state, "run"));
    spill(in_scratch(state, "spec.yaml"), TINY_SPEC);
    outcome o = invar(state, "run", in_scratch(state, "spec.yaml"), "--out", finished, NULL);
    const int status = o.status;
    outcome_free(&o);
    return status == 0 ? 0 : -1;
}

static void *group_state;

static int copy_run(void **state) {
    if (make_scratch(state) != 0) return -1;
    spill(in_scratch(state, "spec.yaml"), TINY_SPEC);
    copy_tree(finished, in_scratch(state, "run"));
    return 0;
}

/* As if the process had been killed before it was done. */
static void make_unfinished(void **state) {
    json_t *run = json_load_file(in_scratch(state, "run/run.json"), 0, NULL);
    assert_non_null(run);
    json_object_set_new(run, "status", json_string("running"));
    assert_int_equal(json_dump_file(run, in_scratch(state, "run/run.json"), 0), 0);
    json_decref(run);
}

static void expect_status(void **state, const char *status) {
    json_t *run = json_load_file(in_scratch(state, "run/run.json"), 0, NULL);
    assert_non_null(run);
    assert_string_equal(json_string_value(json_object_get(run, "status")), status);
    json_decref(run);
}

/* But for what tells of times and of the directory's name. */
static void expect_same_bytes(void **state) {
    static const char *const ignored[] = {"run.json", "report.html", "report.md", "report.csv",
                                          NULL};
    assert_same_folder(finished, in_scratch(state, "run"), ignored);
}

static void flip(const char *path, size_t at) {
    size_t n;
    char *bytes = slurp(path, &n);
    assert_true(at < n);
    bytes[at] ^= 1;
    write_bytes(path, bytes, n);
    free(bytes);
}

#define RESUME ARGUMENTS("resume", in_scratch(state, "run"), "--quiet")

/* ------------------------------------------------------------------ what is read back */

static void an_undamaged_copy_resumes_to_the_same_bytes(void **state) {
    make_unfinished(state);
    spill(in_scratch(state, "run/models/DA-seed4.safetensors.part-77-0"), "half a model");
    invar_succeeds(state, RESUME);
    expect_status(state, "done");
    expect_same_bytes(state);
}

/* In the length, in the metadata, in a tensor's shape, in a weight, in the last byte. */
static void one_flipped_bit_of_a_checkpoint_is_refused(void **state) {
    size_t n, places[] = {0, 8, 120, 400, 0, 0};
    char path[SCRATCH_PATH];
    snprintf(path, sizeof path, "%s", in_scratch(state, checkpoint));
    make_unfinished(state);
    free(slurp(path, &n));
    places[4] = n / 2;
    places[5] = n - 1;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        flip(path, places[i]);
        invar_fails(state, RESUME, 4, checkpoint, "damaged", "remove this file", NULL);
        flip(path, places[i]);
    }
    invar_succeeds(state, RESUME);
    expect_same_bytes(state);
}

static void a_checkpoint_without_a_seal_or_of_another_spec_is_refused(void **state) {
    iv_error error = {0};
    char path[SCRATCH_PATH];
    snprintf(path, sizeof path, "%s", in_scratch(state, checkpoint));
    const float weight = 0;
    const iv_tensor_entry tensor = {"parameters", 2, {1, 1}, &weight};
    const iv_metadata metadata[] = {{"population", "0"}, {"spec_sha256", "00"}};
    make_unfinished(state);
    assert_ok(&error, iv_safetensors_write(path, &tensor, 1, metadata, 2, &error));
    invar_fails(state, RESUME, 4, checkpoint, "no SHA-256", "remove this file", NULL);
    assert_ok(&error, iv_safetensors_write_sealed(path, &tensor, 1, metadata, 2, &error));
    invar_fails(state, RESUME, 4, checkpoint, "of another spec", "remove this file", NULL);
    assert_int_equal(unlink(path), 0); /* what the message says */
    invar_succeeds(state, RESUME);
    expect_same_bytes(state);
}

/* The file again, sealed, with another text under one key. */
static void restate(const char *path, const char *key, const char *text) {
    static const char *const keys[] = {"population", "step",         "next_boundary",
                                       "log_bytes",  "log_sha256",   "spec_sha256",
                                       "losses",     "diverged_from"};
    enum { N_KEYS = sizeof keys / sizeof *keys, MOST_TENSORS = 16 };
    iv_error error = {0};
    iv_safetensors *file;
    iv_metadata metadata[N_KEYS];
    iv_tensor_entry tensors[MOST_TENSORS];
    assert_ok(&error, iv_safetensors_open_sealed(path, &file, &error));
    const size_t n = iv_safetensors_count(file);
    assert_in_range(n, 1, MOST_TENSORS);
    for (size_t i = 0; i < n; i++) tensors[i] = *iv_safetensors_get(file, i);
    for (size_t i = 0; i < N_KEYS; i++) {
        const char *was = iv_safetensors_metadata(file, keys[i]);
        assert_non_null(was);
        metadata[i] = (iv_metadata){keys[i], strcmp(keys[i], key) == 0 ? text : was};
    }
    assert_ok(&error, iv_safetensors_write_sealed(path, tensors, n, metadata, N_KEYS, &error));
    iv_safetensors_close(file);
}

/* A step beyond the last would skip the training, one before the log's end repeat points of it. */
static void numbers_of_a_checkpoint_that_cannot_be_are_refused(void **state) {
    static const char *const wrong[][2] = {
        {"population", "9"},
        {"population", "-1"},
        {"step", "1000000000"},
        {"step", "1x"},
        {"step", ""},
        {"next_boundary", "1000000000"},
        {"log_bytes", "1e3"},
        {"log_bytes", "99999999999999999999999"},
        {"losses", "0.5"},
        {"losses", "0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 "},
        {"diverged_from", "0 "},
        {"diverged_from", "4000000000 4000000000 4000000000 "},
        {"diverged_from", "- - - "},
        {"log_sha256", "0123456789012345678901234567890123456789012345678901234567890123456789"},
    };
    char path[SCRATCH_PATH], whole[SCRATCH_PATH];
    snprintf(path, sizeof path, "%s", in_scratch(state, checkpoint));
    snprintf(whole, sizeof whole, "%s", in(finished, strchr(checkpoint, '/') + 1));
    make_unfinished(state);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char named[64];
        snprintf(named, sizeof named, "`%s` is not what it can be", wrong[i][0]);
        restate(path, wrong[i][0], wrong[i][1]);
        invar_fails(state, RESUME, 4, checkpoint, named, "remove this file", NULL);
        copy_tree(whole, path);
    }
    restate(path, "none of them", "");
    invar_succeeds(state, RESUME);
    expect_same_bytes(state);
}

static void a_changed_log_is_refused(void **state) {
    make_unfinished(state);
    flip(in_scratch(state, "run/metrics.jsonl"), 20);
    invar_fails(state, RESUME, 4, "metrics.jsonl was changed", "remove this file", NULL);
}

/* "Could not" is not "there is none": the log is not cut, and training does not begin anew. */
static void what_cannot_be_opened_is_not_taken_for_missing(void **state) {
    static const char *const names[] = {"run/checkpoint/population.safetensors",
                                        "run/metrics.jsonl", "run/spec.yaml", "run/run.json"};
    make_unfinished(state);
    size_t n, left;
    free(slurp(in_scratch(state, "run/metrics.jsonl"), &n));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[SCRATCH_PATH], away[SCRATCH_PATH];
        snprintf(path, sizeof path, "%s", in_scratch(state, names[i]));
        snprintf(away, sizeof away, "%s", in_scratch(state, "away"));
        assert_int_equal(rename(path, away), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        outcome o = invar_with(state, NULL, RESUME);
        if (o.status == 0) fail_msg("a pipe as %s was accepted", names[i]);
        assert_contains(o.err, strrchr(names[i], '/') + 1);
        assert_contains(o.err, "not a regular file");
        outcome_free(&o);
        assert_int_equal(rename(away, path), 0);
        free(slurp(in_scratch(state, "run/metrics.jsonl"), &left));
        assert_int_equal(left, n);
    }
}

static void models_under_exchanged_names_are_refused(void **state) {
    const char *a = in_scratch(state, "run/models/IR-nu0.5-seed4.safetensors");
    const char *b = in_scratch(state, "run/models/IR-nu1-seed4.safetensors");
    const char *away = in_scratch(state, "away");
    assert_int_equal(rename(a, away), 0);
    assert_int_equal(rename(b, a), 0);
    assert_int_equal(rename(away, b), 0);
    invar_fails(state, ARGUMENTS("eval", in_scratch(state, "run"), "--quiet"), 4,
                "IR-nu0.5-seed4.safetensors", "holds the model of IR-nu1 seed 4", "exchanged",
                NULL);
}

/* ------------------------------------------------------------------ results first */

static void a_finished_run_without_its_report_gets_it(void **state) {
    assert_int_equal(unlink(in_scratch(state, "run/report.html")), 0);
    invar_succeeds(state, RESUME);
    assert_true(exists(in_scratch(state, "run/report.html")));
    expect_status(state, "done");
    expect_same_bytes(state);
}

static char plotting[SCRATCH_PATH];

static void prefer_another_gnuplot(void) {
    char path[SCRATCH_PATH + 64];
    snprintf(path, sizeof path, "%s:/usr/bin:/bin", plotting);
    setenv("PATH", path, 1);
}

static void a_gnuplot_that_fails_costs_no_result(void **state) {
    snprintf(plotting, sizeof plotting, "%s", (const char *)*state);
    spill(in_scratch(state, "gnuplot"), "#!/bin/sh\necho no colours left >&2\nexit 3\n");
    assert_int_equal(chmod(in_scratch(state, "gnuplot"), 0755), 0);
    outcome o =
        invar_with(state, prefer_another_gnuplot,
                   ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--quiet", "--set",
                             "figures.names=[accuracy]", "--out", in_scratch(state, "drawn")));
    assert_status(&o, 0);
    assert_contains(o.err, "a figure is not drawn");
    assert_contains(o.err, "no colours left");
    assert_contains(o.err, "/drawn/figures && gnuplot ");
    outcome_free(&o);
    assert_same_file(in_scratch(state, "drawn/results.json"), in(finished, "results.json"));
    assert_true(exists(in_scratch(state, "drawn/report.html")));
}

static void a_report_that_cannot_be_written_costs_no_result(void **state) {
    make_unfinished(state);
    assert_int_equal(unlink(in_scratch(state, "run/report.md")), 0);
    assert_int_equal(mkdir(in_scratch(state, "run/report.md"), 0700), 0);
    outcome o = invar_with(state, NULL, RESUME);
    assert_status(&o, 0);
    assert_contains(o.err, "there is no report");
    assert_contains(o.err, "report.md");
    assert_contains(o.err, "`invar report ");
    outcome_free(&o);
    expect_status(state, "done");
}

/* ------------------------------------------------------------------ surroundings */

#define LONG_RUN                                                                                   \
    ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--quiet", "--set", "training.epochs=20000",  \
              "--out", in_scratch(state, "long"))

/* Once it has a checkpoint it trains. */
static void wait_for_training(void **state) {
    const struct timespec moment = {.tv_nsec = 20000000};
    const char *path = in_scratch(state, "long/checkpoint/population.safetensors");
    for (int i = 0; i < 3000 && !exists(path); i++) nanosleep(&moment, NULL);
    assert_true(exists(path));
}

static void heed_hangups(void) {
    signal(SIGHUP, SIG_DFL);
}

static void whoever_asks_a_run_to_stop_gets_a_checkpoint(void **state) {
    static const int signals[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        const process p = process_start(state, invar_program, heed_hangups, LONG_RUN);
        wait_for_training(state);
        assert_int_equal(kill(p.pid, SIGPIPE), 0); /* is none */
        assert_int_equal(kill(p.pid, signals[i]), 0);
        outcome o = invar_wait(&p);
        assert_status(&o, 130);
        assert_contains(o.err, "goes on from here");
        outcome_free(&o);
        remove_tree(in_scratch(state, "long"));
    }
}

static void ignore_hangups(void) {
    signal(SIGHUP, SIG_IGN);
}

static void a_second_process_is_refused_and_nohup_respected(void **state) {
    process p = process_start(state, invar_program, ignore_hangups, LONG_RUN);
    char holder[64];
    snprintf(holder, sizeof holder, "is in use by process %ld on ", (long)p.pid);
    wait_for_training(state);
    invar_fails(state, ARGUMENTS("resume", in_scratch(state, "long")), 1, holder, NULL);
    assert_int_equal(kill(p.pid, SIGHUP), 0);
    assert_int_equal(kill(p.pid, SIGTERM), 0);
    outcome o = invar_wait(&p);
    assert_status(&o, 130);
    outcome_free(&o);
    assert_false(exists(in_scratch(state, "long/lock")));
}

static void close_streams(void) {
    for (int i = 0; i <= 2; i++) close(i);
}

/* Or messages would land in the first files that are opened. */
static void closed_streams_take_no_files_place(void **state) {
    outcome o = invar_with(
        state, close_streams,
        ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--out", in_scratch(state, "closed")));
    assert_int_equal(o.status, 0);
    outcome_free(&o);
    assert_same_file(in_scratch(state, "closed/metrics.jsonl"), in(finished, "metrics.jsonl"));
    assert_same_file(in_scratch(state, "closed/results.json"), in(finished, "results.json"));
}

/* ------------------------------------------------------------------ PoCL's directory */

static bool is_pocl(void **state) {
    outcome o = invar(state, "devices", NULL);
    const bool found = strstr(o.out, "Portable Computing Language") != NULL;
    outcome_free(&o);
    return found;
}

static char pocl_folder[SCRATCH_PATH];

static void use_pocl_folder_without_privileges(void) {
    setenv("POCL_CACHE_DIR", pocl_folder, 1);
    renounce_privileges();
}

/* PoCL ends the process where it cannot write, and has no device where it cannot make the directory. */
static void a_directory_of_pocl_that_cannot_be_written_is_named(void **state) {
    if (!is_pocl(state)) SKIP_BECAUSE("the device is not PoCL's");
    const char *folder = in_scratch(state, "pocl");
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(chmod(folder, 0500), 0);
    for (int there = 1; there >= 0; there--) {
        snprintf(pocl_folder, sizeof pocl_folder, "%s%s", folder, there ? "" : "/below");
        outcome o = invar_with(state, use_pocl_folder_without_privileges,
                               ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--quiet", "--out",
                                         in_scratch(state, "elsewhere")));
        if (o.status == STILL_PRIVILEGED) SKIP_BECAUSE("root cannot do without its rights here");
        assert_status(&o, there ? 1 : 3);
        assert_contains(o.err, "PoCL cannot compile kernels in ");
        assert_contains(o.err, folder);
        assert_contains(o.err, "set POCL_CACHE_DIR");
        outcome_free(&o);
        assert_false(exists(in_scratch(state, "elsewhere")));
    }
    assert_int_equal(chmod(folder, 0700), 0);
}

/* In a mount of its own, which Linux lets a user make in a namespace of their own. */
static void a_directory_of_pocl_that_is_full_or_runs_no_programs_is_named(void **state) {
    static const char script[] =
        "unshare -rm true 2>/dev/null || exit 125\n"
        "exec unshare -rm sh -c 'mount -t tmpfs -o \"$2\" none \"$1\" || exit 125\n"
        "POCL_CACHE_DIR=$1 exec \"$3\" run \"$4\" --quiet --out \"$5\"' sh \"$@\"";
    static const char *const mounts[][2] = {{"size=64k", "No space left"},
                                            {"noexec,size=64m", "programs must not run there"}};
    if (!is_pocl(state)) SKIP_BECAUSE("the device is not PoCL's");
    const char *folder = in_scratch(state, "mounted");
    assert_int_equal(mkdir(folder, 0700), 0);
    for (size_t i = 0; i < 2; i++) {
        const process p = process_start(state, "/bin/sh", NULL,
                                        ARGUMENTS("-c", script, "sh", folder, mounts[i][0],
                                                  invar_program, in_scratch(state, "spec.yaml"),
                                                  in_scratch(state, "elsewhere")));
        outcome o = process_wait(&p);
        if (o.status == 125 || o.status == 127) {
            outcome_free(&o);
            SKIP_BECAUSE("nothing can be mounted here");
        }
        assert_status(&o, 1);
        assert_contains(o.err, "PoCL cannot compile kernels in ");
        assert_contains(o.err, mounts[i][1]);
        outcome_free(&o);
        assert_false(exists(in_scratch(state, "elsewhere")));
    }
}

#define COPY_TEST(function) cmocka_unit_test_setup_teardown(function, copy_run, remove_scratch)

int main(void) {
    const struct CMUnitTest tests[] = {
        COPY_TEST(an_undamaged_copy_resumes_to_the_same_bytes),
        COPY_TEST(one_flipped_bit_of_a_checkpoint_is_refused),
        COPY_TEST(a_checkpoint_without_a_seal_or_of_another_spec_is_refused),
        COPY_TEST(numbers_of_a_checkpoint_that_cannot_be_are_refused),
        COPY_TEST(a_changed_log_is_refused),
        COPY_TEST(what_cannot_be_opened_is_not_taken_for_missing),
        COPY_TEST(models_under_exchanged_names_are_refused),
        COPY_TEST(a_finished_run_without_its_report_gets_it),
        COPY_TEST(a_gnuplot_that_fails_costs_no_result),
        COPY_TEST(a_report_that_cannot_be_written_costs_no_result),
        COPY_TEST(whoever_asks_a_run_to_stop_gets_a_checkpoint),
        COPY_TEST(a_second_process_is_refused_and_nohup_respected),
        COPY_TEST(closed_streams_take_no_files_place),
        COPY_TEST(a_directory_of_pocl_that_cannot_be_written_is_named),
        COPY_TEST(a_directory_of_pocl_that_is_full_or_runs_no_programs_is_named),
    };
    if (run_without_device()) return 0;
    if (make_finished_run(&group_state) != 0) return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_scratch(&group_state);
    return failed;
}

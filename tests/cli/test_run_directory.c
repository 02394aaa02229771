/* Where runs are written, and what becomes of a run that cannot be. */
#include "../kit/json.h"
#include "../kit/process.h"

#include "tiny_spec.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>

/* Write the spec and return `invar run` with it into SCRATCH/run; further arguments follow. */
#define RUN(...)                                                                                   \
    ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--quiet", "--out", in_scratch(state, "run"), \
              __VA_ARGS__)

static int make_spec(void **state) {
    if (make_scratch(state) != 0) return -1;
    spill(in_scratch(state, "spec.yaml"), TINY_SPEC);
    return 0;
}

static void expect_run_status(void **state, const char *status) {
    json_t *run = json_load_file(in_scratch(state, "run/run.json"), 0, NULL);
    assert_non_null(run);
    assert_string_equal(json_string_value(json_object_get(run, "status")), status);
    json_decref(run);
}

static void a_run_leaves_what_it_promises(void **state) {
    static const char *const left[] = {"run/spec.yaml",
                                       "run/run.json",
                                       "run/metrics.jsonl",
                                       "run/results.json",
                                       "run/report.html",
                                       "run/report.md",
                                       "run/splits/seed4.npy",
                                       "run/models/DA-seed4.safetensors",
                                       "run/models/IR-nu0.5-seed4.safetensors",
                                       "run/models/IR-nu1-seed4.safetensors"};
    outcome o = invar_with(state, NULL, RUN("--set", "training.epochs=1"));
    assert_status(&o, 0);
    assert_contains(o.out, "rotation-4");
    assert_string_equal(o.err, "");
    outcome_free(&o);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        if (!exists(in_scratch(state, left[i]))) fail_msg("%s is missing", left[i]);
    assert_int_equal(count_entries(in_scratch(state, "run/models")), 3);
    assert_int_equal(count_entries(in_scratch(state, "run/splits")), 1);
    expect_run_status(state, "done");
}

static void the_images_are_drawn_once_for_each_configuration(void **state) {
    static const char *const once[] = {"images", "saliency-DA", "saliency-IR-nu0.5",
                                       "saliency-IR-nu1"};
    static const char *const twice[] = {"images-order2",
                                        "images-order4",
                                        "saliency-DA-order2",
                                        "saliency-DA-order4",
                                        "saliency-IR-nu0.5-order2",
                                        "saliency-IR-nu0.5-order4",
                                        "saliency-IR-nu1-order2",
                                        "saliency-IR-nu1-order4"};
    char name[128];
    invar_succeeds(state, RUN("--set", "figures.names=[saliency]", "--set", "training.epochs=1"));
    for (size_t i = 0; i < sizeof once / sizeof *once; i++) {
        snprintf(name, sizeof name, "run/figures/%s.png", once[i]);
        if (!exists(in_scratch(state, name))) fail_msg("%s is missing", name);
    }
    assert_int_equal(count_entries(in_scratch(state, "run/figures")), 4);

    remove_tree(in_scratch(state, "run"));
    invar_succeeds(state, RUN("--set", "figures.names=[saliency]", "--set", "training.epochs=1",
                              "--set", "sweep={group.order: [2, 4]}"));
    for (size_t i = 0; i < sizeof twice / sizeof *twice; i++) {
        snprintf(name, sizeof name, "run/figures/%s.png", twice[i]);
        if (!exists(in_scratch(state, name))) fail_msg("%s is missing", name);
    }
    assert_int_equal(count_entries(in_scratch(state, "run/figures")), 8);
}

/* ------------------------------------------------------------------ directories */

static void a_finished_run_is_not_overwritten(void **state) {
    invar_succeeds(state, RUN(NULL));
    size_t n;
    char *before = slurp(in_scratch(state, "run/run.json"), &n);
    invar_fails(state, RUN(NULL), 2, "already holds a finished run", "--out", NULL);
    char *after = slurp(in_scratch(state, "run/run.json"), &n);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* Names, sizes and times of everything in the run directory. */
static char *listing(void **state) {
    static const char *const folders[] = {"run", "run/models", "run/checkpoint", "run/splits",
                                          "run/figures"};
    char *text = calloc(1, 65536);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        DIR *opened = opendir(in_scratch(state, folders[i]));
        assert_non_null(opened);
        for (struct dirent *entry; (entry = readdir(opened));) {
            char path[SCRATCH_PATH];
            struct stat info;
            snprintf(path, sizeof path, "%s/%.200s", folders[i], entry->d_name);
            assert_int_equal(stat(in_scratch(state, path), &info), 0);
            const size_t n = strlen(text);
            if (strcmp(entry->d_name, "..") != 0)
                snprintf(text + n, 65536 - n, "%s %lld %lld.%09ld\n", path, (long long)info.st_size,
                         (long long)info.st_mtim.tv_sec, (long)info.st_mtim.tv_nsec);
        }
        closedir(opened);
    }
    return text;
}

static void resuming_a_finished_run_changes_nothing(void **state) {
    invar_succeeds(state, RUN(NULL));
    char *before = listing(state);
    outcome o = invar(state, "resume", in_scratch(state, "run"), NULL);
    assert_status(&o, 0);
    assert_contains(o.out, "nothing to resume");
    outcome_free(&o);
    char *after = listing(state);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void eval_changes_nothing(void **state) {
    invar_succeeds(state, RUN(NULL));
    char *before = listing(state);
    outcome o = invar(state, "eval", in_scratch(state, "run"), "--quiet", NULL);
    assert_status(&o, 0);
    char *after = listing(state), *results = slurp(in_scratch(state, "run/results.json"), NULL);
    assert_string_equal(before, after);
    assert_string_equal(o.out, results);
    outcome_free(&o);
    free(before);
    free(after);
    free(results);
}

static void a_directory_that_cannot_be_made_is_refused(void **state) {
    spill(in_scratch(state, "file"), "not a directory");
    invar_fails(
        state,
        ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--out", in_scratch(state, "file/run")), 1,
        "file", "Not a directory", NULL);
}

static void a_directory_without_permission_is_refused(void **state) {
    assert_int_equal(mkdir(in_scratch(state, "closed"), 0500), 0);
    outcome o = invar_with(
        state, renounce_privileges,
        ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--out", in_scratch(state, "closed/run")));
    if (o.status == STILL_PRIVILEGED) {
        outcome_free(&o);
        SKIP_BECAUSE("root cannot do without its rights here");
    }
    assert_status(&o, 1);
    assert_contains(o.err, "closed");
    assert_contains(o.err, "Permission denied");
    outcome_free(&o);
}

/* ------------------------------------------------------------------ commands on no run */

static void what_is_no_run_is_refused(void **state) {
    static const char *const names[] = {"resume", "eval", "report"};
    assert_int_equal(mkdir(in_scratch(state, "empty"), 0700), 0);
    for (size_t i = 0; i < 3; i++) {
        invar_fails(state, ARGUMENTS(names[i], in_scratch(state, "nowhere")), 4, "nowhere", NULL);
        invar_fails(state, ARGUMENTS(names[i], in_scratch(state, "empty")), 4, "empty", "run.json",
                    NULL);
        invar_fails(state, ARGUMENTS(names[i], in_scratch(state, "spec.yaml")), 4, "spec.yaml",
                    NULL);
    }
    assert_int_equal(count_entries(in_scratch(state, "empty")), 0);
}

static void garbage_is_refused(void **state) {
    static const char *const names[] = {"resume", "eval", "report"};
    assert_int_equal(mkdir(in_scratch(state, "run"), 0700), 0);
    spill(in_scratch(state, "run/run.json"), "{\"status\": ");
    spill(in_scratch(state, "run/results.json"), "[1, 2");
    spill(in_scratch(state, "run/spec.yaml"), TINY_SPEC);
    for (size_t i = 0; i < 3; i++)
        invar_fails(state, ARGUMENTS(names[i], in_scratch(state, "run")), 4, "run.json", NULL);
    assert_int_equal(count_entries(in_scratch(state, "run")), 3);
}

static void damaged_models_are_refused_by_eval(void **state) {
    invar_succeeds(state, RUN(NULL));
    const char *model = in_scratch(state, "run/models/IR-nu1-seed4.safetensors");
    assert_int_equal(truncate(model, 3000), 0);
    invar_fails(state, ARGUMENTS("eval", in_scratch(state, "run")), 4, model, NULL);
    assert_int_equal(unlink(model), 0);
    invar_fails(state, ARGUMENTS("eval", in_scratch(state, "run")), 4, model, NULL);
}

static void report_writes_its_files_where_asked(void **state) {
    invar_succeeds(state, RUN(NULL));
    outcome o =
        invar(state, "report", in_scratch(state, "run"), "--out", in_scratch(state, "there"), NULL);
    assert_status(&o, 0);
    assert_contains(o.out, "rotation-4");
    outcome_free(&o);
    assert_true(exists(in_scratch(state, "there/report.html")));
    assert_true(exists(in_scratch(state, "there/report.md")));
}

static void check_prints_runs_and_estimates_and_leaves_nothing(void **state) {
    const size_t before = count_entries(*state);
    outcome o = invar(state, "check", in_scratch(state, "spec.yaml"), NULL);
    assert_status(&o, 0);
    static const char *const parts[] = {
        "3 runs x 1 seed", "    DA\n",   "    IR-nu0.5\n", "    IR-nu1\n", "MiB",
        "members",         "population", "members",        " time\n",      "measured:"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) assert_contains(o.out, parts[i]);
    outcome_free(&o);
    assert_int_equal(count_entries(*state), before);
    assert_false(exists("runs"));
}

/* A table and a track for each population, with the kernels of its training step. */
static void check_profiles_a_step_of_each_population(void **state) {
    outcome o = invar(state, "check", in_scratch(state, "spec.yaml"), "--profile", "--trace",
                      in_scratch(state, "trace.json"), NULL);
    assert_status(&o, 0);
    assert_contains(o.out, "a training step of DA");
    assert_contains(o.out, "a training step of IR");
    assert_contains(o.out, "optimizer.");
    json_t *root = read_json(in_scratch(state, "trace.json")), *event;
    size_t i, n_names = 0, n_updates[3] = {0};
    json_array_foreach(json_object_get(root, "traceEvents"), i, event) {
        const size_t track = (size_t)json_integer_value(json_object_get(event, "tid"));
        const char *name = json_string_value(json_object_get(event, "name"));
        assert_in_range(track, 0, 2);
        n_names += strcmp(name, "thread_name") == 0;
        n_updates[track] += strncmp(name, "optimizer.", 10) == 0;
    }
    json_decref(root);
    assert_int_equal(n_names, 2);
    assert_true(n_updates[1] > 0 && n_updates[2] > 0);
    outcome_free(&o);
}

/* ------------------------------------------------------------------ too little of something */

static void a_population_that_does_not_fit_is_refused_with_one_that_does(void **state) {
    /* 1000 members, 50000 images a step: 150 GB of images alone. */
    outcome o = invar_with(state, NULL,
                           RUN("--seeds", "1000", "--set", "training.population=1000", "--set",
                               "training.batch=50000", "--set", "dataset.images=51000", "--set",
                               "dataset.train=50000"));
    assert_status(&o, 1);
    assert_contains(o.err, "a population of 1000 needs");
    assert_contains(o.err, "MiB");
    assert_contains(o.err, "would fit");
    outcome_free(&o);
    assert_false(exists(in_scratch(state, "run")));
}

static void allow_small_files_only(void) {
    const struct rlimit limit = {100000, 100000};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(125);
}

/* The programs are kept by the first run: PoCL ends a process that cannot write what it compiles. */
static void a_full_disk_fails_the_run_and_leaves_only_whole_files(void **state) {
    setenv("INVAR_CACHE", "on", 1);
    invar_succeeds(state, ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--quiet", "--out",
                                    in_scratch(state, "whole")));
    outcome o = invar_with(state, allow_small_files_only, RUN(NULL));
    assert_status(&o, 1);
    assert_contains(o.err, "run/checkpoint/population.safetensors");
    assert_contains(o.err, "File too large");
    assert_lacks(o.err, "run again"); /* it would be refused */
    char advice[SCRATCH_PATH + 64];
    snprintf(advice, sizeof advice, "`invar resume %s/run` goes on", (const char *)*state);
    assert_contains(o.err, advice);
    outcome_free(&o);
    expect_run_status(state, "failed");
    assert_int_equal(count_entries(in_scratch(state, "run/checkpoint")), 0);
    assert_int_equal(count_entries(in_scratch(state, "run/models")), 0);
    assert_false(exists(in_scratch(state, "run/results.json")));

    /* With room again it goes on, and ends as if nothing had been. */
    invar_succeeds(state, ARGUMENTS("resume", in_scratch(state, "run"), "--quiet"));
    expect_run_status(state, "done");
    assert_same_file(in_scratch(state, "whole/results.json"),
                     in_scratch(state, "run/results.json"));
    assert_same_file(in_scratch(state, "whole/metrics.jsonl"),
                     in_scratch(state, "run/metrics.jsonl"));
    unsetenv("INVAR_CACHE");
}

/* A folder where the results should go: everything else can be written. */
static void results_that_cannot_be_written_fail_the_run(void **state) {
    assert_int_equal(mkdir(in_scratch(state, "run"), 0700), 0);
    assert_int_equal(mkdir(in_scratch(state, "run/results.json"), 0700), 0);
    outcome o = invar_with(state, NULL, RUN(NULL));
    assert_status(&o, 1);
    assert_contains(o.err, "results.json");
    assert_lacks(o.err, "invar resume"); /* that alone would change nothing */
    outcome_free(&o);
    expect_run_status(state, "failed");
    assert_int_equal(count_entries(in_scratch(state, "run/results.json")), 0);
    DIR *opened = opendir(in_scratch(state, "run"));
    assert_non_null(opened);
    for (struct dirent *entry; (entry = readdir(opened));)
        if (strstr(entry->d_name, "tmp")) fail_msg("%s was left behind", entry->d_name);
    closedir(opened);

    assert_int_equal(rmdir(in_scratch(state, "run/results.json")), 0);
    invar_succeeds(state, ARGUMENTS("resume", in_scratch(state, "run"), "--quiet"));
    expect_run_status(state, "done");
}

#define RUN_TEST(function) cmocka_unit_test_setup_teardown(function, make_spec, remove_scratch)

int main(void) {
    const struct CMUnitTest tests[] = {
        RUN_TEST(a_run_leaves_what_it_promises),
        RUN_TEST(the_images_are_drawn_once_for_each_configuration),
        RUN_TEST(a_finished_run_is_not_overwritten),
        RUN_TEST(resuming_a_finished_run_changes_nothing),
        RUN_TEST(eval_changes_nothing),
        RUN_TEST(a_directory_that_cannot_be_made_is_refused),
        RUN_TEST(a_directory_without_permission_is_refused),
        RUN_TEST(what_is_no_run_is_refused),
        RUN_TEST(garbage_is_refused),
        RUN_TEST(damaged_models_are_refused_by_eval),
        RUN_TEST(report_writes_its_files_where_asked),
        RUN_TEST(check_prints_runs_and_estimates_and_leaves_nothing),
        RUN_TEST(check_profiles_a_step_of_each_population),
        RUN_TEST(a_population_that_does_not_fit_is_refused_with_one_that_does),
        RUN_TEST(a_full_disk_fails_the_run_and_leaves_only_whole_files),
        RUN_TEST(results_that_cannot_be_written_fail_the_run),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

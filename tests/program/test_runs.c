/* Whole specs through the library alone, as a program of someone else's runs them. */
#include "../kit/device.h"
#include "../kit/files.h"
#include "../kit/locale.h"

#include <invar/program.h>

#include <signal.h>

#include "../cli/tiny_spec.h"

/* ------------------------------------------------------------------ what the tests hear */

typedef struct {
    char dir[SCRATCH_PATH], name[64];
    size_t n_started, n_messages, n_updates;
    size_t stop_after; /* updates; 0: never */
    volatile sig_atomic_t stop;
    size_t n_runs, n_estimates; /* of iv_check, when the spec was expanded */
} listener;

static void started(void *state, const iv_run_start *start) {
    listener *l = state;
    l->n_started++;
    snprintf(l->dir, sizeof l->dir, "%s", start->dir);
    snprintf(l->name, sizeof l->name, "%s", start->name);
    assert_non_null(start->device);
    assert_true(exists(start->spec));
}

static void message(void *state, const char *text) {
    assert_true(*text);
    ((listener *)state)->n_messages++;
}

static void update(void *state, const char *what, uint64_t done, uint64_t total) {
    listener *l = state;
    assert_non_null(what);
    assert_true(done <= total);
    if (++l->n_updates == l->stop_after) l->stop = 1;
}

static void expanded(void *state, const iv_check_report *report) {
    listener *l = state;
    l->n_runs = report->populations.expansion.n_runs;
    l->n_estimates = report->n_estimates;
}

/* ------------------------------------------------------------------ helpers */

/* A path that stays while others are asked for. */
typedef struct {
    char text[SCRATCH_PATH];
} path;

static const char *kept_path(path *p, void **state, const char *name) {
    snprintf(p->text, sizeof p->text, "%s", in_scratch(state, name));
    return p->text;
}

static const char *tiny(void **state) {
    static path p;
    spill(kept_path(&p, state, "tiny.yaml"), TINY_SPEC);
    return p.text;
}

static const char *run_folder(void **state) {
    static path p;
    return kept_path(&p, state, "run");
}

/* results.json holds the same numbers. */
static void assert_same_results(const iv_results *a, const iv_results *b) {
    assert_int_equal(a->n_runs, b->n_runs);
    for (size_t i = 0; i < a->n_runs; i++) {
        const iv_result_run *run = &a->runs[i], *other = &b->runs[i];
        assert_string_equal(run->name, other->name);
        assert_int_equal(run->seed, other->seed);
        assert_int_equal(run->n_metrics, other->n_metrics);
        for (size_t m = 0; m < run->n_metrics; m++) {
            assert_string_equal(run->metrics[m].name, other->metrics[m].name);
            assert_int_equal(run->metrics[m].n, other->metrics[m].n);
            assert_memory_equal(run->metrics[m].values, other->metrics[m].values,
                                run->metrics[m].n * sizeof(double));
        }
    }
    assert_int_equal(a->n_cells, b->n_cells);
    assert_int_equal(a->n_claims, b->n_claims);
}

/* A failure with `part` in its message, and nothing in the results. */
static void assert_refused(iv_status status, iv_status expected, iv_error *error,
                           const iv_results *results, const char *part) {
    assert_int_equal(status, expected);
    assert_int_equal(error->status, expected);
    assert_contains(error->message, part);
    assert_int_equal(results->n_runs, 0);
    assert_null(results->runs);
    iv_error_clear(error);
}

/* ------------------------------------------------------------------ running */

static void a_run_returns_what_its_directory_holds(void **state) {
    listener l = {0};
    iv_error error = {0};
    iv_results results, kept = {0}, again;
    const iv_progress progress = {update, &l};
    const iv_run_options options = {.spec = tiny(state),
                                    .out = run_folder(state),
                                    .progress = &progress,
                                    .started = started,
                                    .message = message,
                                    .state = &l};
    assert_ok(&error, iv_run(&options, &results, &error));
    assert_int_equal(l.n_started, 1);
    assert_string_equal(l.dir, in_scratch(state, "run"));
    assert_string_equal(l.name, "tiny");
    assert_true(l.n_messages > 0);
    assert_true(l.n_updates > 0);
    assert_int_equal(results.n_runs, 3); /* DA, and IR with two weights */
    static const char *const files[] = {"spec.yaml", "run.json", "metrics.jsonl", "report.html",
                                        "models/DA-seed4.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char file[2 * SCRATCH_PATH];
        snprintf(file, sizeof file, "%s/%s", l.dir, files[i]);
        assert_true(exists(file));
    }
    assert_ok(&error, iv_results_read(in_scratch(state, "run/results.json"), &kept, &error));
    assert_same_results(&results, &kept);

    /* a finished run is left as it is */
    assert_ok(&error, iv_resume(in_scratch(state, "run"), &options, &again, &error));
    assert_int_equal(l.n_started, 1);
    assert_same_results(&again, &kept);
    iv_results_free(&again);

    assert_ok(&error, iv_evaluate(in_scratch(state, "run"), &(iv_run_options){0}, &again, &error));
    assert_same_results(&again, &kept);
    iv_results_free(&again);

    const char *dirs[] = {run_folder(state), run_folder(state)};
    iv_results reported[2];
    bool drawn;
    assert_ok(&error, iv_report(dirs, 2, in_scratch(state, "report"), reported, &drawn, &error));
    assert_true(exists(in_scratch(state, "report/report.html")));
    for (size_t i = 0; i < 2; i++) {
        assert_same_results(&reported[i], &kept);
        iv_results_free(&reported[i]);
    }
    iv_results_free(&results);
    iv_results_free(&kept);
}

static void a_stopped_run_resumes_to_the_same_bytes(void **state) {
    listener l = {.stop_after = 2};
    iv_error error = {0};
    iv_results whole, rest, none;
    const iv_progress progress = {update, &l};
    iv_run_options options = {.spec = tiny(state), .out = in_scratch(state, "whole")};
    assert_ok(&error, iv_run(&options, &whole, &error));

    options.out = run_folder(state);
    options.stop = &l.stop;
    options.progress = &progress;
    assert_refused(iv_run(&options, &none, &error), IV_EINTERRUPTED, &error, &none,
                   "invar resume ");
    l.stop = 0;
    assert_ok(&error, iv_resume(run_folder(state), &options, &rest, &error));
    assert_same_results(&whole, &rest);
    assert_same_file(in_scratch(state, "whole/metrics.jsonl"),
                     in_scratch(state, "run/metrics.jsonl"));
    assert_same_file(in_scratch(state, "whole/models/IR-nu1-seed4.safetensors"),
                     in_scratch(state, "run/models/IR-nu1-seed4.safetensors"));
    iv_results_free(&whole);
    iv_results_free(&rest);
}

static void overrides_and_seeds_change_the_spec(void **state) {
    iv_error error = {0};
    iv_check_report report;
    static const char *const overrides[] = {"name=other", "seeds=[7, 8]", "runs.IR.sweep.nu=[2]"};
    iv_run_options options = {.spec = tiny(state), .overrides = overrides, .n_overrides = 3};
    assert_ok(&error, iv_check(&options, NULL, &report, &error));
    const iv_node *root = iv_spec_root(report.spec);
    assert_string_equal(iv_spec_string(root, "name"), "other");
    assert_int_equal(iv_spec_integer(root, "seeds.1"), 8);
    assert_int_equal(report.populations.expansion.n_runs, 2);
    iv_check_clear(&report);

    options.seeds = 3; /* after the overrides */
    assert_ok(&error, iv_check(&options, NULL, &report, &error));
    assert_int_equal(iv_spec_length(iv_spec_root(report.spec), "seeds"), 3);
    iv_check_clear(&report);
}

/* ------------------------------------------------------------------ beforehand */

static void a_check_tells_the_runs_before_it_measures(void **state) {
    listener l = {.n_estimates = 9};
    iv_error error = {0};
    iv_check_report report;
    const iv_run_options options = {.spec = tiny(state), .state = &l};
    assert_ok(&error, iv_check(&options, expanded, &report, &error));
    assert_int_equal(l.n_runs, 3);
    assert_int_equal(l.n_estimates, 0);
    assert_true(report.has_device);
    assert_true(*report.device.name);

    size_t n_members = 0;
    for (size_t i = 0; i < report.n_estimates; i++) {
        n_members += report.estimates[i].n_members;
        /* at the very least, the weights of 784 x 32, their gradient and Adam's two moments */
        assert_true(report.estimates[i].bytes >=
                    report.estimates[i].n_members * 4 * 784 * 32 * sizeof(float));
        assert_true(report.estimates[i].seconds > 0);
    }
    assert_int_equal(n_members, 3);
    iv_check_clear(&report);
    assert_null(report.spec);
    iv_check_clear(&report); /* of nothing */
}

/* ------------------------------------------------------------------ refusals */

static void what_cannot_run_is_refused(void **state) {
    iv_error error = {0};
    iv_results results;
    iv_check_report report;
    iv_run_options options = {.out = run_folder(state)};
    assert_refused(iv_run(&options, &results, &error), IV_EINVAL, &error, &results, "no spec");

    options.spec = in_scratch(state, "missing.yaml");
    assert_refused(iv_run(&options, &results, &error), IV_EINVAL, &error, &results, "missing.yaml");
    assert_int_equal(iv_check(&options, expanded, &report, &error), IV_EINVAL);
    iv_error_clear(&error);
    iv_check_clear(&report);

    options.spec = tiny(state);
    options.device = "no such device";
    assert_refused(iv_run(&options, &results, &error), IV_ENODEVICE, &error, &results,
                   "no such device");
    assert_int_equal(iv_check(&options, NULL, &report, &error), IV_ENODEVICE);
    assert_false(report.has_device);
    assert_contains(error.message, "no such device");
    iv_error_clear(&error);
    iv_check_clear(&report);

    options.device = NULL;
    options.resume = true;
    assert_refused(iv_run(&options, &results, &error), IV_EDATA, &error, &results, "run");
    options.out = NULL;
    assert_refused(iv_run(&options, &results, &error), IV_EINVAL, &error, &results, "`out`");
    assert_refused(iv_resume(in_scratch(state, "none"), &options, &results, &error), IV_EDATA,
                   &error, &results, "none");
    assert_refused(iv_evaluate(in_scratch(state, "none"), &options, &results, &error), IV_EDATA,
                   &error, &results, "none");
    assert_false(exists(in_scratch(state, "run")));

    /* and without anybody to tell why */
    assert_int_equal(iv_run(&options, &results, NULL), IV_EINVAL);
    assert_int_equal(iv_evaluate(in_scratch(state, "none"), &options, &results, NULL), IV_EDATA);
}

static void a_resumed_run_keeps_its_spec(void **state) {
    listener l = {.stop_after = 1};
    iv_error error = {0};
    iv_results results;
    const iv_progress progress = {update, &l};
    static const char *const other[] = {"training.epochs=3"};
    iv_run_options options = {
        .spec = tiny(state), .out = run_folder(state), .stop = &l.stop, .progress = &progress};
    assert_refused(iv_run(&options, &results, &error), IV_EINTERRUPTED, &error, &results, "resume");
    l.stop = 0;
    options.resume = true;
    options.overrides = other;
    options.n_overrides = 1;
    assert_refused(iv_run(&options, &results, &error), IV_EINVAL, &error, &results, "differs");
    /* overrides do not count where the directory says which spec */
    assert_ok(&error, iv_resume(in_scratch(state, "run"), &options, &results, &error));
    assert_int_equal(results.n_runs, 3);
    iv_results_free(&results);
}

/* The program that the library is a part of may use a decimal comma: specs are read, and all is
 * written, as without it. Interrupted and resumed, so that a checkpoint is read too. */
static void a_run_does_not_depend_on_the_locale(void **state) {
    static const char *const ignored[] = {"run.json", "report.html", "report.md", "report.csv",
                                          NULL};
    iv_error error = {0};
    iv_results results;
    listener l = {.stop_after = 3};
    const iv_progress progress = {update, &l};
    iv_run_options options = {.spec = tiny(state), .out = run_folder(state)};
    assert_ok(&error, iv_run(&options, &results, &error));
    iv_results_free(&results);

    if (!choose_decimal_comma()) SKIP_BECAUSE("no locale with a decimal comma");
    path comma;
    options.out = kept_path(&comma, state, "foreign");
    options.progress = &progress;
    options.stop = &l.stop;
    const iv_status stopped = iv_run(&options, &results, &error);
    const iv_error reason = error;
    iv_error_clear(&error);
    l = (listener){0};
    const iv_status resumed = iv_resume(comma.text, &options, &results, &error);
    setlocale(LC_ALL, "C");
    if (stopped != IV_EINTERRUPTED) fail_msg("%s", reason.message);
    assert_ok(&error, resumed);
    iv_results_free(&results);
    assert_same_folder(run_folder(state), comma.text, ignored);
}

/* ------------------------------------------------------------------ the tests */

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_run_returns_what_its_directory_holds),
        SCRATCH_TEST(a_stopped_run_resumes_to_the_same_bytes),
        SCRATCH_TEST(overrides_and_seeds_change_the_spec),
        SCRATCH_TEST(a_check_tells_the_runs_before_it_measures),
        SCRATCH_TEST(what_cannot_run_is_refused),
        SCRATCH_TEST(a_resumed_run_keeps_its_spec),
        SCRATCH_TEST(a_run_does_not_depend_on_the_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

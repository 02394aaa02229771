/* What an experiment says while it works, and the form of its log: the same for every study. */
#include "../kit/process.h"

#include <invar/studies.h>

#include <jansson.h>

#include <math.h>

/* ------------------------------------------------------------------ one experiment */

enum { MOST_LABELS = 4, TEXT = 8192 };

typedef struct {
    iv_spec *spec;
    iv_context *context;
    iv_run_dir *dir;
    iv_results results;
    iv_error error;
    char news[TEXT]; /* a line each */
    char labels[MOST_LABELS][128];
    size_t n_labels;
    uint64_t done, total; /* of the last progress */
    bool steady;          /* it never went back, and never meant another total */
} experiment;

static void hear(void *state, const char *text) {
    experiment *e = state;
    const size_t used = strlen(e->news);
    snprintf(e->news + used, sizeof e->news - used, "%s\n", text);
}

static void follow(void *state, const char *what, uint64_t done, uint64_t total) {
    experiment *e = state;
    if (e->n_labels == 0 || strcmp(e->labels[e->n_labels - 1], what) != 0) {
        assert_true(e->n_labels < MOST_LABELS);
        snprintf(e->labels[e->n_labels++], sizeof *e->labels, "%s", what);
    }
    e->steady &= done >= e->done && (e->total == 0 || total == e->total);
    e->done = done;
    e->total = total;
}

/* Run a spec in SCRATCH/run. */
static void run(void **state, experiment *e, const char *text) {
    memset(e, 0, sizeof *e);
    e->steady = true;
    assert_ok(&e->error, iv_spec_parse("spec", text, strlen(text), NULL, 0, iv_study_schema,
                                       &e->spec, &e->error));
    assert_ok(&e->error, iv_context_create(NULL, false, &e->context, &e->error));
    const iv_run_dir_options options = {.path = in_scratch(state, "run"), .name = "run"};
    assert_ok(&e->error, iv_run_dir_create(&options, &e->dir, &e->error));
    const iv_progress progress = {follow, e};
    const iv_job job = {.spec = e->spec,
                        .study = iv_study_of(e->spec),
                        .context = e->context,
                        .dir = e->dir,
                        .progress = &progress,
                        .message = hear,
                        .message_state = e};
    assert_ok(e->context, iv_experiment_run(&job, &e->results));
}

static void clear(experiment *e) {
    iv_results_free(&e->results);
    iv_run_dir_destroy(e->dir);
    iv_context_destroy(e->context);
    iv_spec_destroy(e->spec);
}

/* ------------------------------------------------------------------ specs */

static const char codes[] = "study: autoencoder\n"
                            "name: codes\n"
                            "seeds: [5, 6]\n"
                            "dataset: {dimensions: 4, train: 320, test: 40}\n"
                            "task: {lambda: 0.5}\n"
                            "model: {width: 2}\n"
                            "training: {batch: 32, epochs: 3, learning_rate: 0.05}\n"
                            "metrics: {every_epochs: 2}\n"
                            "sweep: {task.code: [modulus-phase, cycle]}\n"
                            "runs: [{name: selu, layer: selu, depth: 2}]\n";

#define IMAGES(layers, runs)                                                                       \
    "study: regularization\n"                                                                      \
    "name: images\n"                                                                               \
    "seeds: [5, 6]\n"                                                                              \
    "dataset: {name: digits, images: 300, train: 128, validation: 30, test: 20}\n"                 \
    "group: {kind: rotation, order: 2}\n"                                                          \
    "model: {hidden: 16, layers: " layers "}\n"                                                    \
    "training: {batch: 64, epochs: 2}\n"                                                           \
    "metrics: {names: [sigma_max, si, accuracy], every_epochs: 1}\n"                               \
    "runs: [" runs "]\n"

static const char turns[] = "study: marginal-likelihood\n"
                            "name: turns\n"
                            "seeds: [5]\n"
                            "dataset: {name: digits, train: 60, test: 20}\n"
                            "model: {features: relu, hidden: 8, samples: 2}\n"
                            "training: {batch: 30, epochs: 2}\n"
                            "metrics: {every_steps: 3}\n"
                            "runs:\n"
                            "  - {name: none}\n"
                            "  - {name: turn, invariance: rotation, eta: 1}\n"
                            "  - {name: process, method: sgpr, inducing: 5, iterations: 2}\n";

/* ------------------------------------------------------------------ news */

/* Numbers with four digits, in the order of the metrics. */
static void say_numbers(const iv_result_run *run, const char *const *metrics, char *text) {
    size_t n = strlen(text);
    n += (size_t)snprintf(text + n, TEXT - n, "%s seed %u:", run->name, (unsigned)run->seed);
    for (; *metrics; metrics++) {
        const iv_metric *metric = iv_result_run_metric(run, *metrics);
        assert_non_null(metric);
        n += (size_t)snprintf(text + n, TEXT - n, " %s %.4g", *metrics, metric->values[0]);
    }
    snprintf(text + n, TEXT - n, "\n");
}

static void finished_members_are_said_with_their_test_numbers(void **state) {
    static const char *const known[] = {"mse_reconstruction", "mse_code", "mse_modulus",
                                        "mse_phase", NULL};
    static const char *const pairs[] = {"mse_reconstruction", "loss_invariance",    "mse_distance",
                                        "distance_same",      "distance_unrelated", NULL};
    experiment e;
    char expected[TEXT] = "";
    run(state, &e, codes);
    assert_int_equal(e.results.n_runs, 4);
    for (size_t i = 0; i < 4; i++) say_numbers(&e.results.runs[i], i < 2 ? known : pairs, expected);
    assert_string_equal(e.news, expected);
    clear(&e);
}

/* 3 epochs of 10 steps for each of two populations. */
static void progress_is_one_over_all_populations(void **state) {
    experiment e;
    run(state, &e, codes);
    assert_int_equal(e.n_labels, 2);
    assert_string_equal(e.labels[0], "selu modulus-phase x 2 (1 of 2)");
    assert_string_equal(e.labels[1], "selu cycle x 2 (2 of 2)");
    assert_true(e.steady);
    assert_int_equal(e.total, 2 * 3 * 10);
    assert_int_equal(e.done, e.total);
    clear(&e);
}

/* Adam's first step moves each weight by the learning rate, so that twelve layers multiply what
 * they are given by about 1000^12, past the largest float. What diverged is not said once more when
 * it is finished. */
static void
a_member_of_the_regularization_study_that_diverges_is_said_while_it_trains(void **state) {
    experiment e;
    run(state, &e,
        IMAGES("12", "{name: DA, method: augmentation, sweep: {learning_rate: [0.001, 1000]}}"));
    assert_int_equal(e.results.n_runs, 4);
    for (size_t i = 0; i < 4; i++) {
        const iv_result_run *member = &e.results.runs[i];
        const bool bad = strcmp(member->name, "DA-learning_rate1000") == 0;
        char start[128];
        snprintf(start, sizeof start, "%s seed %u%s", member->name, (unsigned)member->seed,
                 bad ? " diverged in epoch " : ": accuracy ");
        const char *line = strstr(e.news, start);
        assert_string_equal(member->status, bad ? "diverged" : "done");
        if (!line) fail_msg("\"%s\" is not in:\n%s", start, e.news);
        snprintf(start, sizeof start, "%s seed %u", member->name, (unsigned)member->seed);
        assert_null(strstr(line + 1, start));
    }
    clear(&e);
}

/* ------------------------------------------------------------------ the log */

/* "RUN SEED STEP EPOCH SPLIT: KEY KEY ..." of each line. */
static char *form_of_log(void **state) {
    char *text = slurp(in_scratch(state, "run/metrics.jsonl"), NULL);
    char *form = calloc(1, TEXT);
    size_t n = 0;
    assert_non_null(form);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        json_t *point = json_loadb(line, (size_t)(end - line), 0, NULL), *value;
        const char *run, *split, *key;
        int seed, step, epoch;
        assert_non_null(point);
        assert_int_equal(json_unpack(point, "{s:s, s:i, s:i, s:i, s:s}", "run", &run, "seed", &seed,
                                     "step", &step, "epoch", &epoch, "split", &split),
                         0);
        n += (size_t)snprintf(form + n, TEXT - n, "%s %d %d %d %s:", run, seed, step, epoch, split);
        size_t place = 0;
        json_object_foreach(point, key, value) {
            if (place++ >= 5) n += (size_t)snprintf(form + n, TEXT - n, " %s", key);
        }
        n += (size_t)snprintf(form + n, TEXT - n, "\n");
        assert_true(n < TEXT);
        json_decref(point);
    }
    free(text);
    return form;
}

static void expect_log(void **state, const char *spec, const char *form) {
    experiment e;
    run(state, &e, spec);
    char *found = form_of_log(state);
    assert_string_equal(found, form);
    free(found);
    clear(&e);
}

/* All members' training, then all members' validation. */
static void the_log_of_the_regularization_study_has_these_lines(void **state) {
    expect_log(state, IMAGES("4", "{name: DA, method: augmentation}"),
               "DA 5 0 0 train: sigma_max\n"
               "DA 6 0 0 train: sigma_max\n"
               "DA 5 0 0 validation: accuracy si\n"
               "DA 6 0 0 validation: accuracy si\n"
               "DA 5 2 1 train: loss sigma_max\n"
               "DA 6 2 1 train: loss sigma_max\n"
               "DA 5 2 1 validation: accuracy si\n"
               "DA 6 2 1 validation: accuracy si\n"
               "DA 5 4 2 train: loss sigma_max\n"
               "DA 6 4 2 train: loss sigma_max\n"
               "DA 5 4 2 validation: accuracy si\n"
               "DA 6 4 2 validation: accuracy si\n");
}

/* Member by member; no training line before the first step. */
#define POINT(name, step, numbers)                                                                 \
    name " 5 " step " train: loss\n" name " 5 " step " test: " numbers "\n" name " 6 " step        \
         " train: loss\n" name " 6 " step " test: " numbers "\n"
#define POINTS(name, numbers)                                                                      \
    name " 5 0 0 test: " numbers "\n" name " 6 0 0 test: " numbers                                 \
         "\n" POINT(name, "20 2", numbers) POINT(name, "30 3", numbers)

static void the_log_of_the_autoencoder_study_has_these_lines(void **state) {
    expect_log(state, codes,
               POINTS("selu-modulus-phase", "mse_reconstruction mse_code mse_modulus mse_phase")
                   POINTS("selu-cycle", "mse_reconstruction loss_invariance mse_distance "
                                        "distance_same distance_unrelated"));
}

static void the_log_of_the_marginal_likelihood_study_has_these_lines(void **state) {
    expect_log(state, turns,
               "none 5 0 0 train: eta\n"
               "none 5 3 2 train: elbo_estimate eta\n"
               "none 5 4 2 train: elbo_estimate eta\n"
               "turn 5 0 0 train: eta rotation_degrees\n"
               "turn 5 3 2 train: elbo_estimate eta rotation_degrees\n"
               "turn 5 4 2 train: elbo_estimate eta rotation_degrees\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(finished_members_are_said_with_their_test_numbers),
        SCRATCH_TEST(progress_is_one_over_all_populations),
        SCRATCH_TEST(a_member_of_the_regularization_study_that_diverges_is_said_while_it_trains),
        SCRATCH_TEST(the_log_of_the_regularization_study_has_these_lines),
        SCRATCH_TEST(the_log_of_the_autoencoder_study_has_these_lines),
        SCRATCH_TEST(the_log_of_the_marginal_likelihood_study_has_these_lines),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

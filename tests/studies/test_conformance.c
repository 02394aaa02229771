/* What every study has to keep, whatever it trains: claims that are checked for each study in the
 * table of studies, with its small spec. A new study is covered the day it is registered. */
#include "conformance.h"

#include <jansson.h>

#include <math.h>

/* Specs beside specs/STUDY.yaml, of what would not fit into it. */
static const char *const other_specs[] = {"marginal-likelihood-natural"};
enum { N_OTHERS = sizeof other_specs / sizeof *other_specs };

/* *folder: the scratch folder of the test. */
typedef struct {
    const char *text;
    void (*check)(void **folder, subject *s);
    bool once; /* for each study: other specs of it would show nothing new */
} claim;

/* ------------------------------------------------------------------ the spec itself */

static void spec_is_telling(void **folder, subject *s) {
    (void)folder;
    assert_loaded(s);
    assert_true(n_trained(s) >= 2);
    assert_true(iv_spec_length(iv_spec_root(s->spec), "seeds") >= 2);
    assert_true(iv_spec_length(iv_spec_root(s->spec), "figures.names") >= 1);

    /* Members that differ in more than their seeds train together, and become different. */
    bool differ = false;
    for (size_t p = 0; p < s->populations.n; p++) {
        const iv_population *population = &s->populations.items[p];
        for (size_t r = 1; r < population->n_members; r++)
            differ |= population->members[r].run != population->members[0].run;
    }
    assert_true(differ);
    reference_run(s);
    json_t *results = read_results(&s->reference, "run"), *first, *other;
    for (size_t p = 0; p < s->populations.n; p++) {
        const iv_population *population = &s->populations.items[p];
        const iv_member *a = &population->members[0];
        first = json_object_get(find_run(results, a->run->name, (int)a->seed), "metrics");
        for (size_t r = 1; r < population->n_members; r++) {
            const iv_member *b = &population->members[r];
            other = json_object_get(find_run(results, b->run->name, (int)b->seed), "metrics");
            assert_false(json_equal(first, other));
        }
    }
    json_decref(results);
}

static void check_estimates(void **folder, subject *s) {
    assert_loaded(s);
    outcome o = invar_with(folder, NULL, ARGUMENTS("check", s->path));
    assert_status(&o, 0);
    const char *row = strstr(o.out, "\npopulation ");
    assert_non_null(row);
    for (size_t p = 0; p < s->populations.n; p++) {
        const iv_population *population = &s->populations.items[p];
        const iv_spec_run *run = population->members[0].run;
        char name[256];
        size_t n_members;
        row = strchr(row + 1, '\n');
        assert_non_null(row);
        snprintf(name, sizeof name, "%s%s%s", run->column, *run->variant ? " " : "", run->variant);
        assert_memory_equal(row + 1, name, strlen(name));
        assert_int_equal(sscanf(row + 1 + strlen(name), "%zu", &n_members), 1);
        assert_int_equal(n_members, population->n_members);
    }
    row = strchr(row + 1, '\n');
    assert_non_null(row);
    assert_memory_equal(row + 1, "all, ", 5);
    outcome_free(&o);
}

/* ------------------------------------------------------------------ the same bytes */

static void same_twice(void **folder, subject *s) {
    reference_run(s);
    invar_succeeds(folder, arguments_of_run(folder, s, NULL, "run", "--quiet", NULL));
    assert_same_outputs(reference_run(s), in_scratch(folder, "run"));
}

static void without_lanes(void) {
    setenv("INVAR_LANES", "off", 1);
}

static void same_without_lanes(void **folder, subject *s) {
    reference_run(s);
    outcome o = invar_with(folder, without_lanes,
                           arguments_of_run(folder, s, NULL, "run", "--quiet", NULL));
    assert_status(&o, 0);
    outcome_free(&o);
    assert_same_outputs(reference_run(s), in_scratch(folder, "run"));
}

static void same_when_resolved(void **folder, subject *s) {
    char spec[SCRATCH_PATH + 32];
    snprintf(spec, sizeof spec, "%s/spec.yaml", reference_run(s));
    invar_succeeds(folder, ARGUMENTS("run", spec, "--quiet", "--out", in_scratch(folder, "run")));
    assert_same_outputs(reference_run(s), in_scratch(folder, "run"));
}

static void same_evaluated(void **folder, subject *s) {
    outcome o = invar_with(folder, NULL, ARGUMENTS("eval", reference_run(s), "--quiet"));
    assert_status(&o, 0);
    char *results = slurp(in_scratch(&s->reference, "run/results.json"), NULL);
    assert_string_equal(o.out, results);
    free(results);
    outcome_free(&o);
}

/* ------------------------------------------------------------------ company */

static void compare_divided(void **folder, subject *s, const char *population) {
    reference_run(s);
    invar_succeeds(folder,
                   arguments_of_run(folder, s, NULL, "run", "--quiet", "--set", population, NULL));
    char results[SCRATCH_PATH + 32];
    snprintf(results, sizeof results, "%s/results.json", reference_run(s));
    assert_same_file(results, in_scratch(folder, "run/results.json"));
    assert_same_members(folder, s, -1);
}

static void same_one_by_one(void **folder, subject *s) {
    compare_divided(folder, s, "training.population=1");
}

/* Four members as three and one: the log's lines come in another order. */
static void same_divided(void **folder, subject *s) {
    compare_divided(folder, s, "training.population=3");
}

static void same_with_one_seed(void **folder, subject *s) {
    assert_loaded(s);
    const iv_node *root = iv_spec_root(s->spec);
    const size_t n_seeds = iv_spec_length(root, "seeds");
    const int last = (int)iv_spec_integer(iv_spec_element(root, "seeds", n_seeds - 1), "");
    char seeds[32];
    snprintf(seeds, sizeof seeds, "seeds=[%d]", last);
    reference_run(s);
    invar_succeeds(folder,
                   arguments_of_run(folder, s, NULL, "run", "--quiet", "--set", seeds, NULL));
    assert_same_members(folder, s, last);
}

/* "... after step 8 its training loss is nan", or a metric of the study and what is not finite. */
static void assert_names_a_number(const subject *s, const char *said) {
    static const char opening[] = "): after step ", loss[] = "its training loss";
    char what[64] = "", value[16] = "";
    unsigned step = 0;
    const char *at = strstr(said, opening);
    assert_non_null(at);
    at += strlen(opening);
    assert_int_equal(sscanf(at, "%u", &step), 1);
    assert_true(step >= 1);
    at = strchr(at, ' ');
    assert_non_null(at);
    bool known = strncmp(at + 1, loss, strlen(loss)) == 0;
    if (known)
        at += strlen(loss);
    else
        assert_int_equal(sscanf(at, " %63s", what), 1);
    for (size_t m = 0; s->study->schema->metric(m); m++)
        known |= strcmp(s->study->schema->metric(m)->name, what) == 0;
    assert_true(known);
    at = strstr(at, " is ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, " is %15s", value), 1);
    assert_false(isfinite(strtod(value, NULL)));
}

static void diverging_alone(void **folder, subject *s) {
    char *both = spec_at_rates(s, BOTH_RATES), *good = spec_at_rates(s, GOOD_RATE);
    spill(in_scratch(folder, "both.yaml"), both);
    spill(in_scratch(folder, "good.yaml"), good);
    free(both);
    free(good);
    outcome o = invar_with(
        folder, NULL, arguments_of_run(folder, s, in_scratch(folder, "both.yaml"), "both", NULL));
    assert_status(&o, 0);
    assert_contains(o.err, "diverged in epoch"); /* as soon as it is seen, not at the end */
    assert_names_a_number(s, o.err);
    invar_succeeds(folder, arguments_of_run(folder, s, in_scratch(folder, "good.yaml"), "good",
                                            "--quiet", NULL));

    json_t *results = read_results(folder, "both"), *unspoilt = read_results(folder, "good"), *run;
    size_t i, n_diverged = 0;
    json_array_foreach(json_object_get(results, "runs"), i, run) {
        const char *name = json_string_value(json_object_get(run, "name"));
        const int seed = (int)json_integer_value(json_object_get(run, "seed"));
        const bool diverges = strstr(name, "learning_rate1000") != NULL;
        n_diverged += diverges;
        assert_string_equal(status_of(results, name, seed), diverges ? "diverged" : "done");
        if (diverges) {
            char message[200];
            snprintf(message, sizeof message, "%s seed %d diverged in epoch ", name, seed);
            assert_contains(o.err, message);
        } else {
            assert_same_member(folder, "both", "good", name, seed);
        }
    }
    assert_true(n_diverged > 0);
    assert_int_equal(i - n_diverged, json_array_size(json_object_get(unspoilt, "runs")));
    json_decref(results);
    json_decref(unspoilt);
    outcome_free(&o);
}

static void diverging_together(void **folder, subject *s) {
    char *bad = spec_at_rates(s, BAD_RATE);
    spill(in_scratch(folder, "bad.yaml"), bad);
    free(bad);
    invar_succeeds(folder, arguments_of_run(folder, s, in_scratch(folder, "bad.yaml"), "bad",
                                            "--quiet", NULL));
    json_t *results = read_results(folder, "bad"), *run;
    size_t i;
    json_array_foreach(json_object_get(results, "runs"), i, run)
        assert_string_equal(json_string_value(json_object_get(run, "status")), "diverged");
    assert_true(i > 0);
    json_decref(results);

    /* Weights need not tell that they diverged: the models' metadata does. */
    outcome o = invar_with(folder, NULL, ARGUMENTS("eval", in_scratch(folder, "bad"), "--quiet"));
    assert_status(&o, 0);
    char *written = slurp(in_scratch(folder, "bad/results.json"), NULL);
    assert_string_equal(o.out, written);
    free(written);
    outcome_free(&o);
}

/* ------------------------------------------------------------------ stopped */

static void resume_to_the_end(void **folder, subject *s) {
    invar_succeeds(folder, ARGUMENTS("resume", in_scratch(folder, "run"), "--quiet"));
    assert_same_outputs(reference_run(s), in_scratch(folder, "run"));
    char *json = slurp(in_scratch(folder, "run/run.json"), NULL);
    assert_contains(json, "\"status\": \"done\"");
    free(json);
}

/* Start, and stop at each moment that has not passed already when its turn comes: on a busy machine
 * a run gets further than it was to. At least half of them are met. */
static void stop_again_and_again(void **folder, subject *s, const moment *moments, size_t n,
                                 int number) {
    size_t n_stops = 0;
    bool ended = false;
    reference_run(s);
    for (size_t i = 0; i < n && !ended; i++) {
        if (i > 0 && has_come(folder, &moments[i])) continue;
        const char *const resume[] = {"resume", in_scratch(folder, "run"), "--quiet", NULL};
        ended = !stop_unless_ended(
            folder, i > 0 ? resume : arguments_of_run(folder, s, NULL, "run", "--quiet", NULL),
            &moments[i], number);
        n_stops += !ended;
    }
    assert_true(2 * n_stops >= n);
    resume_to_the_end(folder, s);
}

static void interrupted(void **folder, subject *s) {
    assert_loaded(s);
    const size_t last = n_trained(s) - 1;
    const moment moments[] = {in_training(s, 0, 0.01), in_measuring(s, 0), in_training(s, 1, 0),
                              in_training(s, last, 0.3)};
    stop_again_and_again(folder, s, moments, sizeof moments / sizeof *moments, SIGINT);
}

static void terminated(void **folder, subject *s) {
    assert_loaded(s);
    const moment moments[] = {in_training(s, 0, 0.6), in_training(s, 1, 0.2)};
    stop_again_and_again(folder, s, moments, sizeof moments / sizeof *moments, SIGTERM);
}

static void killed(void **folder, subject *s) {
    assert_loaded(s);
    const size_t last = n_trained(s) - 1;
    const moment moments[] = {in_training(s, 0, 0), in_training(s, 0, 0.3), in_measuring(s, 0),
                              in_training(s, last, 0.3)};
    stop_again_and_again(folder, s, moments, sizeof moments / sizeof *moments, SIGKILL);
}

static void start_and_stop(void **folder, const subject *s) {
    assert_loaded(s);
    const moment m = in_training(s, 0, 0.2);
    stop(folder, arguments_of_run(folder, s, NULL, "run", "--quiet", NULL), &m, SIGINT);
}

static void write_all(const char *path, const char *bytes, size_t n) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* Cut, or with one byte of the header changed: its length, and where its JSON begins. Each of them for the
 * first study; the others, whose checkpoints the same code reads, take every third. */
static void damaged(void **folder, subject *s) {
    start_and_stop(folder, s);
    char path[SCRATCH_PATH + 64], log[SCRATCH_PATH + 64];
    snprintf(path, sizeof path, "%s/run/checkpoint/population.safetensors", (char *)*folder);
    snprintf(log, sizeof log, "%s/run/metrics.jsonl", (char *)*folder);
    size_t n, n_log;
    char *whole = slurp(path, &n), *logged = slurp(log, &n_log);
    assert_true(n > 64);
    const struct {
        size_t keep, flip; /* flip: SIZE_MAX for none */
    } damages[] = {{0, SIZE_MAX}, {5, SIZE_MAX}, {n / 2, SIZE_MAX}, {n - 1, SIZE_MAX}, {n, 1},
                   {n, 7},        {n, 8}};
    const size_t every = is_full_run() || s->study == iv_study_get(0) ? 1 : 3;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i += every) {
        char *bytes = malloc(n);
        memcpy(bytes, whole, n);
        if (damages[i].flip < n) bytes[damages[i].flip] ^= 0x20;
        write_all(path, bytes, damages[i].keep);
        free(bytes);
        invar_fails(folder, ARGUMENTS("resume", in_scratch(folder, "run"), "--quiet"), 4,
                    "population.safetensors", NULL);
        char *after = slurp(log, NULL);
        assert_string_equal(after, logged);
        free(after);
    }
    write_all(path, whole, n);
    free(whole);
    free(logged);
    resume_to_the_end(folder, s);
}

static void of_another_spec(void **folder, subject *s) {
    start_and_stop(folder, s);
    invar_fails(folder,
                arguments_of_run(folder, s, NULL, "run", "--resume", "--quiet", "--set",
                                 "training.epochs=3", NULL),
                2, "differs from the spec that", NULL);
    resume_to_the_end(folder, s);
}

/* ------------------------------------------------------------------ all of them */

static const claim claims[] = {
    {"has a small spec with populations of different members", spec_is_telling, false},
    {"check prints estimates with a row for each population", check_estimates, true},
    {"the same spec twice, the same bytes", same_twice, false},
    {"without lanes, the same bytes", same_without_lanes, false},
    {"the resolved spec, the same bytes", same_when_resolved, false},
    {"evaluated from its models, the same results", same_evaluated, false},
    {"members alone and in company, the same bytes", same_one_by_one, false},
    {"populations divided, the same bytes", same_divided, false},
    {"one seed alone and among others, the same bytes", same_with_one_seed, false},
    {"a member that diverges is marked and leaves the others alone", diverging_alone, true},
    {"a run whose members all diverge ends with results", diverging_together, true},
    {"interrupted and resumed, the same bytes", interrupted, false},
    {"terminated and resumed, the same bytes", terminated, true},
    {"killed and resumed, the same bytes", killed, false},
    {"a damaged checkpoint is refused, and nothing is lost", damaged, false},
    {"a checkpoint of another spec is refused, and nothing is lost", of_another_spec, true},
};
enum { N_CLAIMS = sizeof claims / sizeof *claims };

/* One claim about one study. */
typedef struct {
    const claim *claim;
    subject *subject;
    void *folder;
    char name[128];
} trial;

static int set_up(void **state) {
    trial *t = *state;
    return make_scratch(&t->folder);
}

static void run_trial(void **state) {
    trial *t = *state;
    t->claim->check(&t->folder, t->subject);
}

static int tear_down(void **state) {
    trial *t = *state;
    return remove_scratch(&t->folder);
}

/* The study whose name a spec's name begins with. */
static const iv_study *study_of(const char *spec) {
    size_t i = 0;
    while (strncmp(spec, iv_study_get(i)->schema->study, strlen(iv_study_get(i)->schema->study)) !=
           0)
        i++;
    return iv_study_get(i);
}

/* With an argument: those tests alone whose names match it ("fourier:*"). */
int main(int argc, char **argv) {
    if (run_without_device()) return 0;
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    size_t n_studies = 0;
    while (iv_study_get(n_studies)) n_studies++;
    const size_t n = n_studies + N_OTHERS;
    subject *subjects = calloc(n, sizeof *subjects);
    trial *trials = calloc(n * N_CLAIMS, sizeof *trials);
    struct CMUnitTest *tests = calloc(n * N_CLAIMS, sizeof *tests);
    if (!subjects || !trials || !tests) return 1;
    /* Instrumented, each study takes a minute: every claim about some of them, and of every study a
     * third of the claims. */
    const size_t every = is_small_run() ? 3 : 1;
    size_t n_tests = 0;
    for (size_t i = 0; i < n; i++) {
        if (i < n_studies)
            subject_open(iv_study_get(i), iv_study_get(i)->schema->study, &subjects[i]);
        else
            subject_open(study_of(other_specs[i - n_studies]), other_specs[i - n_studies],
                         &subjects[i]);
        for (size_t k = (2 * i) % every; k < N_CLAIMS; k += every) {
            if (claims[k].once && subjects[i].is_another) continue;
            trial *t = &trials[n_tests];
            *t = (trial){.claim = &claims[k], .subject = &subjects[i]};
            snprintf(t->name, sizeof t->name, "%s: %s", subjects[i].name, claims[k].text);
            tests[n_tests++] = (struct CMUnitTest){.name = t->name,
                                                   .test_func = run_trial,
                                                   .setup_func = set_up,
                                                   .teardown_func = tear_down,
                                                   .initial_state = t};
        }
    }
    const int n_failed = _cmocka_run_group_tests("studies", tests, n_tests, NULL, NULL);
    for (size_t i = 0; i < n; i++) subject_close(&subjects[i]);
    free(subjects);
    free(trials);
    free(tests);
    return n_failed;
}

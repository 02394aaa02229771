/* The same spec gives the same bytes, and what a member becomes does not depend on its company. */
#include "small_runs.h"

#include <invar/data.h>

#include <jansson.h>

/* Run a spec into SCRATCH/NAME; further options up to a NULL. */
static void run_into(void **state, const char *spec, const char *name, ...) {
    const char *arguments[MOST_ARGUMENTS + 1] = {"run", in_scratch(state, spec), "--quiet", "--out",
                                                 in_scratch(state, name)};
    va_list list;
    va_start(list, name);
    for (int i = 5; i < MOST_ARGUMENTS && (arguments[i] = va_arg(list, const char *)); i++) {
    }
    va_end(list);
    invar_succeeds(state, arguments);
}

static void the_same_spec_twice_gives_the_same_bytes(void **state) {
    spill(in_scratch(state, "spec.yaml"), SMALL_SPEC);
    run_into(state, "spec.yaml", "first", NULL);
    run_into(state, "spec.yaml", "second", NULL);
    assert_same_run(in_scratch(state, "first"), in_scratch(state, "second"));
}

static void the_resolved_spec_gives_the_same_bytes(void **state) {
    spill(in_scratch(state, "spec.yaml"), SMALL_SPEC);
    run_into(state, "spec.yaml", "first", "--set", "training.epochs=3", NULL);
    run_into(state, "first/spec.yaml", "second", NULL);
    assert_same_run(in_scratch(state, "first"), in_scratch(state, "second"));
}

/* ------------------------------------------------------------------ company */

static void assert_same_tensors(const char *a, const char *b) {
    iv_error error = {0};
    iv_safetensors *files[2];
    assert_ok(iv_safetensors_open(a, &files[0], &error), &error);
    assert_ok(iv_safetensors_open(b, &files[1], &error), &error);
    assert_int_equal(iv_safetensors_count(files[0]), iv_safetensors_count(files[1]));
    for (size_t i = 0; i < iv_safetensors_count(files[0]); i++) {
        const iv_tensor_entry *x = iv_safetensors_get(files[0], i);
        const iv_tensor_entry *y = iv_safetensors_find(files[1], x->name);
        assert_non_null(y);
        size_t n = 1;
        assert_int_equal(x->rank, y->rank);
        for (unsigned k = 0; k < x->rank; k++) {
            assert_int_equal(x->shape[k], y->shape[k]);
            n *= x->shape[k];
        }
        if (memcmp(x->data, y->data, n * sizeof *x->data) != 0)
            fail_msg("%s differs between %s and %s", x->name, a, b);
    }
    iv_safetensors_close(files[0]);
    iv_safetensors_close(files[1]);
}

static json_t *read_results(void **state, const char *run) {
    char name[128];
    snprintf(name, sizeof name, "%s/results.json", run);
    json_t *results = json_load_file(in_scratch(state, name), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(results);
    return results;
}

static json_t *find_run(json_t *results, const char *name, int seed) {
    size_t i;
    json_t *run;
    json_array_foreach(
        json_object_get(results, "runs"), i,
        run) if (strcmp(json_string_value(json_object_get(run, "name")), name) == 0 &&
                 json_integer_value(json_object_get(run, "seed")) == seed) return run;
    fail_msg("there are no results of %s seed %d", name, seed);
    return NULL;
}

/* Every metric at the end, to the last bit: numbers are written so that they read back exactly. */
static void assert_same_metrics(void **state, const char *in_a, const char *in_b, const char *name,
                                int seed) {
    json_t *a = read_results(state, in_a), *b = read_results(state, in_b);
    json_t *metrics_a = json_object_get(find_run(a, name, seed), "metrics");
    json_t *metrics_b = json_object_get(find_run(b, name, seed), "metrics");
    assert_true(json_object_size(metrics_a) > 10);
    if (!json_equal(metrics_a, metrics_b)) {
        char *text_a = json_dumps(metrics_a, 0), *text_b = json_dumps(metrics_b, 0);
        fail_msg("metrics of %s seed %d differ:\n%s\n%s", name, seed, text_a, text_b);
    }
    json_decref(a);
    json_decref(b);
}

/* The lines of one member in a log. free() them. */
static char *log_of(void **state, const char *run, const char *name, int seed) {
    char path[128], start[128];
    snprintf(path, sizeof path, "%s/metrics.jsonl", run);
    snprintf(start, sizeof start, "{\"run\": \"%s\", \"seed\": %d,", name, seed);
    char *text = slurp(in_scratch(state, path), NULL), *kept = calloc(strlen(text) + 1, 1);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
        if (strncmp(line, start, strlen(start)) == 0) strncat(kept, line, (size_t)(end - line) + 1);
    free(text);
    return kept;
}

static void assert_same_member(void **state, const char *a, const char *b, const char *name,
                               int seed) {
    char path_a[256], path_b[256];
    snprintf(path_a, sizeof path_a, "%s/models/%s-seed%d.safetensors", a, name, seed);
    snprintf(path_b, sizeof path_b, "%s/models/%s-seed%d.safetensors", b, name, seed);
    assert_same_tensors(in_scratch(state, path_a), in_scratch(state, path_b));
    assert_same_metrics(state, a, b, name, seed);
    char *log_a = log_of(state, a, name, seed), *log_b = log_of(state, b, name, seed);
    assert_true(strlen(log_a) > 0);
    assert_string_equal(log_a, log_b);
    free(log_a);
    free(log_b);
}

/* Eight members of each method: two seeds, four strengths or step sizes. */
#define CROWD(runs)                                                                                \
    "study: regularization\n"                                                                      \
    "name: crowd\n"                                                                                \
    "seeds: [5, 6]\n"                                                                              \
    "dataset: {name: digits, images: 900, train: 512, validation: 70, test: 90}\n"                 \
    "group: {kind: rotation, order: 4}\n"                                                          \
    "model: {hidden: 32, layers: 4}\n"                                                             \
    "training: {batch: 64, epochs: 4}\n"                                                           \
    "runs:\n" runs "metrics:\n"                                                                    \
    "  names: [accuracy, li, di, si, sigma_max_jacobian, jacobian_spectrum, sigma_max]\n"          \
    "  every_epochs: 2\n"                                                                          \
    "  drift: [noise]\n"

#define RATES "sweep: {learning_rate: [0.001, 0.002, 0.003, 0.004]}}\n"
#define CROWD_OF_EIGHT                                                                             \
    CROWD("  - {name: WT, method: weight-tying, " RATES                                            \
          "  - {name: DA, method: augmentation, " RATES                                            \
          "  - {name: IR, method: regularization, sweep: {nu: [0, 0.3, 1, 3]}}\n")

#define RATE "sweep: {learning_rate: [0.003]}}\n"
#define ONE_OF_EACH                                                                                \
    CROWD("  - {name: WT, method: weight-tying, " RATE                                             \
          "  - {name: DA, method: augmentation, " RATE                                             \
          "  - {name: IR, method: regularization, sweep: {nu: [0.3]}}\n")

static void a_member_alone_and_among_eight_is_the_same(void **state) {
    spill(in_scratch(state, "eight.yaml"), CROWD_OF_EIGHT);
    spill(in_scratch(state, "one.yaml"), ONE_OF_EACH);
    run_into(state, "eight.yaml", "eight", NULL);
    run_into(state, "one.yaml", "one", "--set", "seeds=[6]", NULL);
    assert_same_member(state, "eight", "one", "WT-learning_rate0.003", 6);
    assert_same_member(state, "eight", "one", "DA-learning_rate0.003", 6);
    assert_same_member(state, "eight", "one", "IR-nu0.3", 6);

    /* Neighbours are other members, not copies: the comparison above could have failed. */
    char *one = log_of(state, "eight", "DA-learning_rate0.003", 6);
    char *other = log_of(state, "eight", "DA-learning_rate0.004", 6);
    assert_string_not_equal(strstr(one, "\"step\": 16"), strstr(other, "\"step\": 16"));
    free(one);
    free(other);
}

/* Eight members as 3 + 3 + 2. The log's lines come in another order. */
static void populations_of_any_size_give_the_same_bytes(void **state) {
    spill(in_scratch(state, "eight.yaml"), CROWD_OF_EIGHT);
    run_into(state, "eight.yaml", "whole", NULL);
    run_into(state, "eight.yaml", "split", "--set", "training.population=3", NULL);
    json_t *results = read_results(state, "whole"), *run;
    assert_same_file(in_scratch(state, "whole/results.json"),
                     in_scratch(state, "split/results.json"));
    size_t i;
    json_array_foreach(json_object_get(results, "runs"), i, run)
        assert_same_member(state, "whole", "split", json_string_value(json_object_get(run, "name")),
                           (int)json_integer_value(json_object_get(run, "seed")));
    assert_int_equal(i, 24);
    json_decref(results);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(the_same_spec_twice_gives_the_same_bytes),
        SCRATCH_TEST(the_resolved_spec_gives_the_same_bytes),
        SCRATCH_TEST(a_member_alone_and_among_eight_is_the_same),
        SCRATCH_TEST(populations_of_any_size_give_the_same_bytes),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

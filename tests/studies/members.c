#include "members.h"

#include "../kit/process.h"

#include <invar/data.h>

static void assert_same_tensors(const char *a, const char *b) {
    iv_error error = {0};
    iv_safetensors *files[2];
    assert_ok(&error, iv_safetensors_open(a, &files[0], &error));
    assert_ok(&error, iv_safetensors_open(b, &files[1], &error));
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

void run_spec(void **state, const char *text, const char *name, const char *set) {
    char file[64];
    snprintf(file, sizeof file, "%s.yaml", name);
    const char *spec = in_scratch(state, file);
    spill(spec, text);
    invar_succeeds(state, ARGUMENTS("run", spec, "--quiet", "--out", in_scratch(state, name),
                                    "--set", set ? set : "name=small"));
}

void assert_same_files(const char *a, const char *b, const char *const *names, size_t n_names) {
    for (size_t i = 0; i < n_names; i++) {
        char path_a[SCRATCH_PATH + 256], path_b[SCRATCH_PATH + 256];
        snprintf(path_a, sizeof path_a, "%s/%s", a, names[i]);
        snprintf(path_b, sizeof path_b, "%s/%s", b, names[i]);
        assert_same_file(path_a, path_b);
    }
}

json_t *read_results(void **state, const char *run) {
    char name[128];
    snprintf(name, sizeof name, "%s/results.json", run);
    json_t *results = json_load_file(in_scratch(state, name), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(results);
    return results;
}

json_t *find_run(json_t *results, const char *name, int seed) {
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
    assert_true(json_object_size(metrics_a) > 0);
    if (!json_equal(metrics_a, metrics_b)) {
        char *text_a = json_dumps(metrics_a, 0), *text_b = json_dumps(metrics_b, 0);
        fail_msg("metrics of %s seed %d differ:\n%s\n%s", name, seed, text_a, text_b);
    }
    json_decref(a);
    json_decref(b);
}

char *log_of(void **state, const char *run, const char *name, int seed) {
    char path[128], start[128];
    snprintf(path, sizeof path, "%s/metrics.jsonl", run);
    snprintf(start, sizeof start, "{\"run\": \"%s\", \"seed\": %d,", name, seed);
    char *text = slurp(in_scratch(state, path), NULL), *kept = calloc(strlen(text) + 1, 1);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
        if (strncmp(line, start, strlen(start)) == 0) strncat(kept, line, (size_t)(end - line) + 1);
    free(text);
    return kept;
}

void assert_same_model(void **state, const char *a, const char *b, const char *name, int seed) {
    char path_a[256], path_b[256];
    snprintf(path_a, sizeof path_a, "%s/models/%s-seed%d.safetensors", a, name, seed);
    snprintf(path_b, sizeof path_b, "%s/models/%s-seed%d.safetensors", b, name, seed);
    assert_same_tensors(in_scratch(state, path_a), in_scratch(state, path_b));
    assert_same_metrics(state, a, b, name, seed);
}

void assert_same_member(void **state, const char *a, const char *b, const char *name, int seed) {
    assert_same_model(state, a, b, name, seed);
    char *log_a = log_of(state, a, name, seed), *log_b = log_of(state, b, name, seed);
    assert_true(strlen(log_a) > 0);
    assert_string_equal(log_a, log_b);
    free(log_a);
    free(log_b);
}

double metric_of(json_t *results, const char *name, int seed, const char *metric) {
    json_t *metrics = json_object_get(find_run(results, name, seed), "metrics");
    const json_t *value = json_object_get(metrics, metric);
    if (!json_is_number(value)) fail_msg("%s seed %d has no %s", name, seed, metric);
    return json_number_value(value);
}

const char *status_of(json_t *results, const char *name, int seed) {
    const char *status =
        json_string_value(json_object_get(find_run(results, name, seed), "status"));
    if (!status) fail_msg("%s seed %d has no status", name, seed);
    return status;
}

/* Runs with different seeds to one: the numbers and the log of a run with all seeds, and nothing that
 * does not fit together. */
#include "../kit/process.h"

#include "studies.h"

#include <jansson.h>

static const char *run_with(void **state, const char *spec, const char *name, const char *seeds) {
    static char paths[8][SCRATCH_PATH];
    static unsigned next;
    char *path = paths[next++ % 8], set[64];
    snprintf(path, SCRATCH_PATH, "%s", in_scratch(state, name));
    snprintf(set, sizeof set, "seeds=%s", seeds);
    invar_succeeds(state, ARGUMENTS("run", spec, "--quiet", "--out", path, "--set", set));
    return path;
}

static void seeds_apart_make_the_numbers_of_all_together(void **state) {
    for (size_t s = 0; s < N_STUDIES; s++) {
        /* and once with several populations of one configuration */
        for (int divided = 0; divided < (s == 0 ? 2 : 1); divided++) {
            char spec[SCRATCH_PATH], out[SCRATCH_PATH];
            snprintf(spec, sizeof spec, "%s", in_scratch(state, "spec.yaml"));
            snprintf(out, sizeof out, "%s", in_scratch(state, "out"));
            spill(spec, specs[s][1]);
            const char *set = divided ? "training.population=2" : "training.population=0";
            char name[3][SCRATCH_PATH];
            const char *const seeds[] = {"seeds=[4, 7, 2]", "seeds=[4, 7]", "seeds=[2]"};
            for (int i = 0; i < 3; i++) {
                char folder[16];
                snprintf(folder, sizeof folder, "run-%d", i);
                snprintf(name[i], sizeof name[i], "%s", in_scratch(state, folder));
                invar_succeeds(state, ARGUMENTS("run", spec, "--quiet", "--out", name[i], "--set",
                                                seeds[i], "--set", set));
            }
            invar_succeeds(state, ARGUMENTS("merge", out, name[1], name[2]));
            assert_same_file(in(name[0], "results.json"), in(out, "results.json"));
            assert_same_file(in(name[0], "metrics.jsonl"), in(out, "metrics.jsonl"));
            assert_same_file(in(name[0], "spec.yaml"), in(out, "spec.yaml"));
            assert_int_equal(count_entries(in(out, "models")),
                             count_entries(in(name[0], "models")));
            invar_succeeds(state, ARGUMENTS("eval", out, "--quiet"));
            for (int i = 0; i < 3; i++) remove_tree(name[i]);
            remove_tree(out);
        }
    }
}

static void change_run(const char *dir, const char *key, json_t *value) {
    char path[SCRATCH_PATH + 16];
    snprintf(path, sizeof path, "%s/run.json", dir);
    json_t *run = json_load_file(path, 0, NULL);
    assert_non_null(run);
    json_object_set_new(run, key, value);
    assert_int_equal(json_dump_file(run, path, 0), 0);
    json_decref(run);
}

static void what_does_not_fit_together_is_refused(void **state) {
    char spec[SCRATCH_PATH], out[SCRATCH_PATH];
    snprintf(spec, sizeof spec, "%s", in_scratch(state, "spec.yaml"));
    snprintf(out, sizeof out, "%s", in_scratch(state, "out"));
    spill(spec, specs[1][1]);
    const char *a = run_with(state, spec, "a", "[1]"), *b = run_with(state, spec, "b", "[2]");
    invar_fails(state, ARGUMENTS("merge", out, a, a), 2, "seed 1", "twice", NULL);
    invar_fails(state, ARGUMENTS("merge", out, a, in_scratch(state, "none")), 4, "none", "no run",
                NULL);
    invar_fails(state, ARGUMENTS("merge", out), 2, "needs a directory to make, and runs", NULL);

    char longer_spec[SCRATCH_PATH], other[SCRATCH_PATH];
    snprintf(longer_spec, sizeof longer_spec, "%s", in_scratch(state, "other"));
    snprintf(other, sizeof other, "%s", longer_spec);
    invar_succeeds(state, ARGUMENTS("run", spec, "--quiet", "--out", other, "--set", "seeds=[3]",
                                    "--set", "training.epochs=2"));
    invar_fails(state, ARGUMENTS("merge", out, a, other), 2, "of another spec", "epochs: 2", NULL);

    char *run = slurp(in(b, "run.json"), NULL);
    change_run(b, "version", json_string("0.0.7"));
    invar_fails(state, ARGUMENTS("merge", out, a, b), 2, "by version 0.0.7", NULL);
    spill(in(b, "run.json"), run);
    free(run);
    change_run(b, "status", json_string("interrupted"));
    invar_fails(state, ARGUMENTS("merge", out, a, b), 4, "not finished", "invar resume", NULL);
    change_run(b, "status", json_string("done"));
    change_run(a, "data", json_pack("[{s:s, s:s}]", "file", "mnist/x", "sha256", "00"));
    change_run(b, "data", json_pack("[{s:s, s:s}]", "file", "mnist/x", "sha256", "01"));
    invar_fails(state, ARGUMENTS("merge", out, a, b), 2, "other data", "mnist/x", NULL);
    change_run(b, "data", json_pack("[{s:s, s:s}]", "file", "mnist/x", "sha256", "00"));
    assert_false(exists(out));

    change_run(b, "device", json_string("Another One"));
    outcome o = invar(state, "merge", out, a, b, NULL);
    assert_status(&o, 0);
    assert_contains(o.err, "Another One");
    outcome_free(&o);
    invar_fails(state, ARGUMENTS("merge", out, a, b), 2, "already holds a finished run", NULL);
}

static void a_part_with_damage_is_refused_by_name(void **state) {
    char spec[SCRATCH_PATH];
    snprintf(spec, sizeof spec, "%s", in_scratch(state, "spec.yaml"));
    spill(spec, specs[1][1]);
    const char *a = run_with(state, spec, "a", "[1]"), *b = run_with(state, spec, "b", "[2]");
    static const char *const files[] = {"results.json", "metrics.jsonl",
                                        "models/rich-seed2.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t n;
        char name[32];
        snprintf(name, sizeof name, "out-%zu", i);
        char *bytes = slurp(in(b, files[i]), &n);
        write_bytes(in(b, files[i]), "{\"run\": \"x\", ", 13);
        invar_fails(state, ARGUMENTS("merge", in_scratch(state, name), a, b), 4, files[i], NULL);
        write_bytes(in(b, files[i]), bytes, n);
        free(bytes);
    }
}

int main(void) {
    if (run_without_device()) return 0;
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(seeds_apart_make_the_numbers_of_all_together),
        SCRATCH_TEST(what_does_not_fit_together_is_refused),
        SCRATCH_TEST(a_part_with_damage_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

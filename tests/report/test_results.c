/* results.json: schema, precision, reading back, damage. */
#include "../kit/files.h"

#include <invar/report.h>

#include <jansson.h>

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

/* Three runs of WT, one of which diverged, an array, and a cell of each kind. */
static iv_results example(void) {
    iv_results r = {0};
    iv_error e = {0};
    const double spectrum[] = {3.25, 1.0 / 3, NAN};
    const double accuracy[] = {0.94, 0.95, 0.96};
    iv_status status = IV_OK;
    status |= iv_results_add_run(&r, "WT", 0, "done", "models/WT-seed0.safetensors", &e);
    status |= iv_results_add_metric(&r, "li", 1.2e-11, &e);
    status |= iv_results_add_metric_array(&r, "jacobian_spectrum", spectrum, 2, &e);
    status |= iv_results_add_run(&r, "WT", 1, "done", NULL, &e);
    status |= iv_results_add_metric(&r, "li", NAN, &e);
    status |= iv_results_add_run(&r, "DA", 2, "diverged", NULL, &e);
    status |= iv_results_add_metric(&r, "li", 98.6, &e);
    status |= iv_results_add_metric_array(&r, "jacobian_spectrum", spectrum, 3, &e);
    status |=
        iv_results_add_cell(&r, "rotation-4", "WT", "accuracy", accuracy, 3, 0.946, 0.001, &e);
    status |= iv_results_add_cell_of_runs(&r, "rotation-4", "WT", "li", "WT", 0, NAN, &e);
    status |= iv_results_add_cell_of_runs(&r, "rotation-4", "DA", "li", "DA", NAN, NAN, &e);
    status |= iv_results_add_cell(&r, "rotation-4", "IR", "li", NULL, 0, 0.02, 0.0, &e);
    status |=
        iv_results_add_claim(&r, "WT beats \"DA\"", true, &e, "%.1f %% > %.1f %%", 94.6, 94.0);
    status |= iv_results_add_claim(&r, "IR is exact", false, &e, "LI 0.02\nis not 0");
    assert_int_equal(status, IV_OK);
    return r;
}

static void mean_and_deviation_are_those_of_the_textbook(void **state) {
    (void)state;
    iv_results results = example();
    const iv_cell *cell = iv_results_cell(&results, "rotation-4", "WT", "accuracy");
    assert_non_null(cell);
    /* 0.94, 0.95, 0.96: mean 0.95, squared deviations 2e-4 over n - 1 = 2: 0.01. The sums round a
     * few times at 2^-53 relative to 3. */
    assert_true(fabs(cell->mean - 0.95) < 1e-15);
    assert_true(fabs(cell->std - 0.01) < 1e-15);
    assert_int_equal(cell->n, 3);
    const iv_cell *one = iv_results_cell(&results, "rotation-4", "DA", "li");
    assert_true(one->mean == 98.6 && isnan(one->std) && one->n == 1);
    const iv_cell *diverged = iv_results_cell(&results, "rotation-4", "WT", "li");
    assert_true(isnan(diverged->mean) && diverged->n == 2);
    assert_null(iv_results_cell(&results, "rotation-4", "WT", "di"));
    iv_results_free(&results);
}

static void the_file_has_the_documented_keys(void **state) {
    iv_error error = {0};
    iv_results results = example();
    const char *path = in_scratch(state, "results.json");
    assert_ok(&error, iv_results_write(&results, path, &error));
    iv_results_free(&results);

    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    json_t *runs = json_object_get(root, "runs"), *cells = json_object_get(root, "cells");
    json_t *claims = json_object_get(root, "claims");
    assert_int_equal(json_array_size(runs), 3);
    assert_int_equal(json_array_size(cells), 4);
    assert_int_equal(json_array_size(claims), 2);

    const char *name, *status, *model, *row, *column, *metric, *evidence;
    int seed, n, holds;
    double li, mean, std, published, published_std;
    json_t *array;
    assert_int_equal(json_unpack(json_array_get(runs, 0), "{s:s, s:i, s:s, s:{s:F, s:o}, s:s!}",
                                 "name", &name, "seed", &seed, "status", &status, "metrics", "li",
                                 &li, "jacobian_spectrum", &array, "model", &model),
                     0);
    assert_string_equal(name, "WT");
    assert_string_equal(status, "done");
    assert_string_equal(model, "models/WT-seed0.safetensors");
    assert_true(li == 1.2e-11);
    assert_int_equal(json_array_size(array), 2);
    assert_true(json_number_value(json_array_get(array, 1)) == 1.0 / 3);

    assert_int_equal(json_unpack(json_array_get(cells, 0),
                                 "{s:s, s:s, s:s, s:F, s:F, s:i, s:F, s:F, s:s!}", "row", &row,
                                 "column", &column, "metric", &metric, "mean", &mean, "std", &std,
                                 "n", &n, "published", &published, "published_std", &published_std,
                                 "status", &status),
                     0);
    assert_string_equal(status, "ok");
    assert_true(published == 0.946 && published_std == 0.001);

    assert_int_equal(json_unpack(json_array_get(claims, 0), "{s:s, s:b, s:s!}", "claim", &name,
                                 "holds", &holds, "evidence", &evidence),
                     0);
    assert_string_equal(name, "WT beats \"DA\"");
    assert_string_equal(evidence, "94.6 % > 94.0 %");
    assert_true(holds);
    json_decref(root);
}

static void what_is_not_finite_is_null_with_a_status(void **state) {
    iv_error error = {0};
    iv_results results = example();
    const char *path = in_scratch(state, "results.json");
    assert_ok(&error, iv_results_write(&results, path, &error));
    iv_results_free(&results);

    json_t *root = json_load_file(path, 0, NULL);
    json_t *runs = json_object_get(root, "runs"), *cells = json_object_get(root, "cells");
    json_t *diverged = json_array_get(runs, 1);
    assert_true(json_is_null(json_object_get(json_object_get(diverged, "metrics"), "li")));
    assert_string_equal(json_string_value(json_object_get(diverged, "status")), "not finite");
    json_t *named = json_array_get(runs, 2); /* has a status of its own, which stays */
    assert_string_equal(json_string_value(json_object_get(named, "status")), "diverged");
    assert_true(json_is_null(json_array_get(
        json_object_get(json_object_get(named, "metrics"), "jacobian_spectrum"), 2)));

    const char *const status[] = {"ok", "not finite", "ok", "no runs"};
    for (size_t i = 0; i < 4; i++) {
        json_t *cell = json_array_get(cells, i);
        assert_string_equal(json_string_value(json_object_get(cell, "status")), status[i]);
        assert_int_equal(json_is_null(json_object_get(cell, "mean")), strcmp(status[i], "ok") != 0);
    }
    json_t *single = json_array_get(cells, 2);
    assert_true(json_is_null(json_object_get(single, "std")));
    assert_true(json_is_null(json_object_get(single, "published")));
    assert_true(json_is_null(json_object_get(single, "published_std")));
    json_decref(root);
}

static bool same(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

static void results_survive_writing_and_reading(void **state) {
    iv_error error = {0};
    iv_results a = example(), b;
    const char *path = in_scratch(state, "results.json"), *again = in_scratch(state, "again.json");
    assert_ok(&error, iv_results_write(&a, path, &error));
    assert_ok(&error, iv_results_read(path, &b, &error));
    assert_int_equal(a.n_runs, b.n_runs);
    for (size_t i = 0; i < a.n_runs; i++) {
        assert_string_equal(a.runs[i].name, b.runs[i].name);
        assert_int_equal(a.runs[i].seed, b.runs[i].seed);
        assert_int_equal(a.runs[i].n_metrics, b.runs[i].n_metrics);
        assert_int_equal(!a.runs[i].model, !b.runs[i].model);
        for (size_t m = 0; m < a.runs[i].n_metrics; m++) {
            const iv_metric *x = &a.runs[i].metrics[m];
            const iv_metric *y = iv_result_run_metric(&b.runs[i], x->name);
            assert_non_null(y);
            assert_int_equal(x->is_array, y->is_array);
            assert_int_equal(x->n, y->n);
            for (size_t k = 0; k < x->n; k++) assert_true(same(x->values[k], y->values[k]));
        }
    }
    assert_int_equal(a.n_cells, b.n_cells);
    for (size_t i = 0; i < a.n_cells; i++) {
        const iv_cell *x = &a.cells[i], *y = &b.cells[i];
        assert_string_equal(x->row, y->row);
        assert_string_equal(x->column, y->column);
        assert_string_equal(x->metric, y->metric);
        assert_int_equal(x->n, y->n);
        assert_true(same(x->mean, y->mean) && same(x->std, y->std) &&
                    same(x->published, y->published) && same(x->published_std, y->published_std));
    }
    assert_int_equal(a.n_claims, b.n_claims);
    assert_string_equal(a.claims[1].evidence, b.claims[1].evidence);
    assert_false(b.claims[1].holds);

    assert_ok(&error, iv_results_write(&b, again, &error));
    char *first = slurp(path, NULL), *second = slurp(again, NULL);
    assert_string_equal(first, second);
    free(first);
    free(second);
    iv_results_free(&a);
    iv_results_free(&b);
}

static void an_empty_result_is_valid(void **state) {
    iv_error error = {0};
    iv_results results = {0};
    const char *path = in_scratch(state, "results.json");
    assert_ok(&error, iv_results_write(&results, path, &error));
    assert_ok(&error, iv_results_read(path, &results, &error));
    assert_int_equal(results.n_runs + results.n_cells + results.n_claims, 0);
    iv_results_free(&results);
}

static void damaged_files_are_refused_with_the_place(void **state) {
    const char *const damaged[][2] = {
        {"", "results.json:1:"},
        {"{\"runs\": [", "results.json:1:"},
        {"[]", "\"runs\""},
        {"{\"runs\": [], \"cells\": {}, \"claims\": []}", "\"cells\""},
        {"{\"runs\": [{\"name\": \"a\", \"status\": \"done\", \"metrics\": {}}]}", "runs[0]"},
        {"{\"runs\": [{\"name\": \"a\", \"seed\": 1, \"status\": \"done\", \"metrics\": {\"li\": "
         "\"x\"}}]}",
         "runs[0]"},
        {"{\"runs\": [], \"cells\": [{\"row\": \"a\", \"column\": \"b\", \"metric\": \"li\", "
         "\"mean\": 1, "
         "\"std\": null, \"n\": -1}]}",
         "cells[0]"},
        {"{\"runs\": [], \"cells\": [], \"claims\": [{\"claim\": \"a\", \"holds\": 1, "
         "\"evidence\": \"\"}]}",
         "claims[0]"},
    };
    const char *path = in_scratch(state, "results.json");
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        iv_error error = {0};
        iv_results results;
        spill(path, damaged[i][0]);
        assert_int_equal(iv_results_read(path, &results, &error), IV_EDATA);
        assert_contains(error.message, damaged[i][1]);
        assert_contains(error.message, "results.json");
        assert_null(results.runs);
    }
    iv_error error = {0};
    iv_results results;
    assert_int_equal(iv_results_read(in_scratch(state, "none.json"), &results, &error), IV_EDATA);
    assert_contains(error.message, "none.json");
}

static void a_full_disk_keeps_the_old_file_and_leaves_nothing_else(void **state) {
    iv_error error = {0};
    struct rlimit before, limited;
    iv_results results = example();
    const char *path = in_scratch(state, "results.json");
    spill(path, "old");

    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limited = before;
    limited.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited), 0);
    iv_status status = iv_results_write(&results, path, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);

    assert_int_equal(status, IV_EFAILED);
    assert_contains(error.message, path);
    char *text = slurp(path, NULL);
    assert_string_equal(text, "old");
    free(text);
    assert_int_equal(count_entries(*state), 1);
    iv_results_free(&results);
}

static void names_that_are_not_utf8_still_give_valid_json(void **state) {
    iv_error error = {0};
    iv_results results = {0};
    const char *path = in_scratch(state, "results.json");
    assert_ok(&error, iv_results_add_run(&results, "a\xff\xc0\x80 \x01 \xe2\x88\x9e", 0, "done",
                                         NULL, &error));
    assert_ok(&error, iv_results_write(&results, path, &error));
    iv_results_free(&results);
    assert_ok(&error, iv_results_read(path, &results, &error));
    assert_string_equal(results.runs[0].name,
                        "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \x01 \xe2\x88\x9e");
    iv_results_free(&results);
}

static void a_metric_before_any_run_is_refused(void **state) {
    (void)state;
    iv_error error = {0};
    iv_results results = {0};
    assert_int_equal(iv_results_add_metric(&results, "li", 1, &error), IV_EINVAL);
    iv_results_free(&results);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_and_deviation_are_those_of_the_textbook),
        SCRATCH_TEST(the_file_has_the_documented_keys),
        SCRATCH_TEST(what_is_not_finite_is_null_with_a_status),
        SCRATCH_TEST(results_survive_writing_and_reading),
        SCRATCH_TEST(an_empty_result_is_valid),
        SCRATCH_TEST(damaged_files_are_refused_with_the_place),
        SCRATCH_TEST(a_full_disk_keeps_the_old_file_and_leaves_nothing_else),
        SCRATCH_TEST(names_that_are_not_utf8_still_give_valid_json),
        cmocka_unit_test(a_metric_before_any_run_is_refused),
    };
    return cmocka_run_group_tests_name("results", tests, NULL, NULL);
}

/* Tables as text, Markdown, HTML and CSV. */
#include "../kit/files.h"
#include "../kit/locale.h"

#include <invar/report.h>

#include <math.h>

/* A cell whose values have this mean and deviation: two values at mean ± std / sqrt(2). */
static void add(iv_results *results, const char *row, const char *column, const char *metric,
                double mean, double std, double published, double published_std) {
    iv_error error = {0};
    double values[] = {mean - std / sqrt(2), mean + std / sqrt(2)};
    assert_ok(&error, iv_results_add_cell(results, row, column, metric, values, isnan(std) ? 1 : 2,
                                          published, published_std, &error));
    if (isnan(std)) {
        iv_cell *cell = &results->cells[results->n_cells - 1];
        cell->mean = mean;
    }
}

/* Labels, scales and digits as the studies have them; other_metric has none. */
static void add_styles(iv_results *results) {
    static const struct {
        const char *metric, *label;
        double scale;
        int decimals;
    } styles[] = {{"accuracy", "Acc. (%)", 100, 1},           {"li", "LI", 1, 2},
                  {"sigma_max_jacobian", "σmax(J)", 1, 2},    {"mse_code", "MSE code", 1, -1},
                  {"rotation_degrees", "Rotation (°)", 1, 0}, {"elbo", "ELBO", 1, 2}};
    iv_error error = {0};
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++)
        assert_ok(&error, iv_results_add_style(results, styles[i].metric, styles[i].label, "",
                                               styles[i].scale, styles[i].decimals, &error));
}

static char *format(iv_results *results, iv_table_format kind) {
    iv_error error = {0};
    char *text;
    add_styles(results);
    assert_ok(&error, iv_table_format_results(results, kind, &text, &error));
    return text;
}

static void assert_table(iv_results *results, iv_table_format kind, const char *expected) {
    char *text = format(results, kind);
    assert_string_equal(text, expected);
    free(text);
    iv_results_free(results);
}

static void metrics_stand_across_in_the_papers_units(void **state) {
    (void)state;
    iv_results r = {0};
    add(&r, "rotation-4", "WT", "accuracy", 0.943, 0.002, 0.946, 0.001);
    add(&r, "rotation-4", "WT", "li", 1.2e-11, 3.4e-12, 0, 0);
    add(&r, "rotation-4", "DA", "accuracy", 0.9405, 0.005, 0.94, 0.005);
    add(&r, "rotation-4", "DA", "li", 98.61, 5.37, 98.6, 5.4);
    add(&r, "shift-3", "IR", "accuracy", 0.9, NAN, 0.931, NAN);
    add(&r, "shift-3", "IR", "sigma_max_jacobian", 12.345, 0.001, NAN, NAN);
    assert_table(&r, IV_TABLE_TEXT,
                 "rotation-4\n"
                 "    Acc. (%)                 LI\n"
                 "------------------------------------------------------------\n"
                 "WT  94.3 ± 0.2 (94.6 ± 0.1)  1.2e-11 ± 3.4e-12 (0.00 ± 0.00)\n"
                 "DA  94.0 ± 0.5 (94.0 ± 0.5)  98.61 ± 5.37 (98.60 ± 5.40)\n"
                 "\n"
                 "shift-3\n"
                 "    Acc. (%)     σmax(J)\n"
                 "-----------------------------\n"
                 "IR  90.0 (93.1)  12.35 ± 0.00\n");
}

static void a_single_metric_has_methods_across(void **state) {
    (void)state;
    iv_results r = {0};
    add(&r, "MNIST", "learned", "accuracy", 0.9876, 0.001, NAN, NAN);
    add(&r, "MNIST", "fixed", "accuracy", 0.9, 0.001, NAN, NAN);
    add(&r, "F|MNIST", "learned", "accuracy", 0.8, 0.001, NAN, NAN);
    assert_table(&r, IV_TABLE_MARKDOWN,
                 "**Acc. (%)**\n\n"
                 "|  | learned | fixed |\n"
                 "| --- | ---: | ---: |\n"
                 "| MNIST | 98.8 ± 0.1 | 90.0 ± 0.1 |\n"
                 "| F\\|MNIST | 80.0 ± 0.1 |  |\n");
}

static void a_single_method_has_metrics_across_in_one_table(void **state) {
    (void)state;
    iv_results r = {0};
    add(&r, "depth 1", "ours", "mse_code", 0.012345, 0.001, NAN, NAN);
    add(&r, "depth 1", "ours", "other_metric", 1234567, 10, NAN, NAN);
    add(&r, "depth 2", "ours", "mse_code", 1.5e-7, 2e-8, NAN, NAN);
    assert_table(&r, IV_TABLE_TEXT,
                 "ours\n"
                 "         MSE code        other_metric\n"
                 "-------------------------------------\n"
                 "depth 1  0.0123 ± 0.001  1.23e6 ± 10\n"
                 "depth 2  1.5e-7 ± 2e-8\n");
}

static void degrees_are_whole_and_bounds_have_two_decimals(void **state) {
    (void)state;
    iv_results r = {0};
    add(&r, "regular", "a", "rotation_degrees", 0.25, 1e-7, NAN, NAN);
    add(&r, "regular", "a", "elbo", -0.258, 0.004, -0.26, NAN);
    add(&r, "rotated", "a", "rotation_degrees", 178.6, 2.4, NAN, NAN);
    add(&r, "rotated", "a", "elbo", -0.056, 0.012, NAN, NAN);
    assert_table(&r, IV_TABLE_TEXT,
                 "a\n"
                 "         Rotation (°)  ELBO\n"
                 "-------------------------------------------\n"
                 "regular  0 ± 0         -0.26 ± 0.00 (-0.26)\n"
                 "rotated  179 ± 2       -0.06 ± 0.01\n");
}

static void what_is_missing_is_shown_as_missing(void **state) {
    (void)state;
    iv_error error = {0};
    iv_results r = {0};
    double diverged[] = {1, NAN};
    assert_ok(&error, iv_results_add_cell(&r, "a", "WT", "li", diverged, 2, 0.5, NAN, &error));
    assert_ok(&error, iv_results_add_cell(&r, "a", "DA", "li", NULL, 0, 0.5, 0.1, &error));
    assert_table(&r, IV_TABLE_TEXT,
                 "LI\n"
                 "   WT                 DA\n"
                 "-------------------------------------\n"
                 "a  not finite (0.50)  – (0.50 ± 0.10)\n");
}

static void html_is_escaped(void **state) {
    (void)state;
    iv_results r = {0};
    add(&r, "<script>alert('x')</script>", "a & \"b\"", "li", 1, NAN, NAN, NAN);
    char *text = format(&r, IV_TABLE_HTML);
    assert_contains(text, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
    assert_contains(text, "a &amp; &quot;b&quot;");
    assert_lacks(text, "<script");
    assert_contains(text, "<th scope=\"col\">");
    free(text);
    iv_results_free(&r);
}

static void a_terminal_is_not_controlled(void **state) {
    (void)state;
    iv_results r = {0};
    add(&r, "\x1b[31mred", "bell\x07", "li", 1, NAN, NAN, NAN);
    char *text = format(&r, IV_TABLE_TEXT);
    assert_contains(text, "?[31mred");
    assert_contains(text, "bell?");
    free(text);
    iv_results_free(&r);
}

static void csv_fields_are_quoted_and_numbers_are_whole(void **state) {
    iv_error error = {0};
    iv_results r = {0};
    const char *path = in_scratch(state, "table.csv");
    add(&r, "a,b", "say \"x\"", "two\nlines", 1.0 / 3, NAN, 0.1, NAN);
    add(&r, "plain", "c", "li", 2, 0, NAN, NAN);
    assert_ok(&error, iv_table_write_csv(&r, path, &error));
    char *text = slurp(path, NULL);
    assert_string_equal(text,
                        "row,column,metric,mean,std,n,published,published_std\n"
                        "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",0.3333333333333333,,1,0.1,\n"
                        "plain,c,li,2,0,2,,\n");
    free(text);
    iv_results_free(&r);
}

static void no_cells_give_an_empty_text(void **state) {
    (void)state;
    iv_results r = {0};
    assert_table(&r, IV_TABLE_TEXT, "");
}

/* A program that embeds the library may use a decimal comma. */
static void files_do_not_depend_on_the_locale(void **state) {
    iv_error error = {0};
    iv_results r = {0};
    if (!choose_decimal_comma()) SKIP_BECAUSE("no locale with a decimal comma");
    const char *path = in_scratch(state, "results.json");
    add(&r, "a", "b", "li", 0.5, NAN, 0.25, NAN);
    iv_status status = iv_results_write(&r, path, &error);
    setlocale(LC_NUMERIC, "C");
    assert_ok(&error, status);
    char *text = slurp(path, NULL);
    assert_contains(text, "\"mean\": 0.5,");
    free(text);
    iv_results_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_stand_across_in_the_papers_units),
        cmocka_unit_test(a_single_metric_has_methods_across),
        cmocka_unit_test(a_single_method_has_metrics_across_in_one_table),
        cmocka_unit_test(degrees_are_whole_and_bounds_have_two_decimals),
        cmocka_unit_test(what_is_missing_is_shown_as_missing),
        cmocka_unit_test(html_is_escaped),
        cmocka_unit_test(a_terminal_is_not_controlled),
        SCRATCH_TEST(csv_fields_are_quoted_and_numbers_are_whole),
        cmocka_unit_test(no_cells_give_an_empty_text),
        SCRATCH_TEST(files_do_not_depend_on_the_locale),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}

/* invar report: from run directories to report.html, report.md and report.csv. */
#include "../kit/files.h"

#include <invar/report.h>

#include <math.h>

static const char nasty[] = "</pre><script>alert(\"1\")</script>";

/* A finished run with everything in it; `name` is also the folder. */
static void make_run(void **state, const char *name, bool with_figures) {
    iv_error error = {0};
    const uint64_t seeds[] = {4, 5};
    const iv_device_info device = {
        .name = "Device & Sons", .platform = "Plat<form>", .driver = "9.9"};
    const iv_run_dir_options options = {.path = in_scratch(state, name),
                                        .name = name,
                                        .device = &device,
                                        .seeds = seeds,
                                        .n_seeds = 2};
    iv_run_dir *dir;
    assert_ok(&error, iv_run_dir_create(&options, &dir, &error));
    char spec[200];
    snprintf(spec, sizeof spec, "study: regularization\nname: %s # ``` %s\n", name, nasty);
    assert_ok(&error, iv_run_dir_write(dir, "spec.yaml", spec, strlen(spec), &error));

    iv_results results = {0};
    const double accuracy[] = {0.943, 0.943}, li[] = {0.25, NAN};
    iv_status status = iv_results_add_style(&results, "accuracy", "Acc. (%)", "", 100, 1, &error);
    status |= iv_results_add_run(&results, "WT", 4, "done", NULL, &error);
    status |= iv_results_add_metric(&results, "li", 0.25, &error);
    status |= iv_results_add_run(&results, "WT", 5, "done", NULL, &error);
    status |= iv_results_add_metric(&results, "li", NAN, &error);
    status |=
        iv_results_add_cell(&results, "r", "WT", "accuracy", accuracy, 2, 0.946, 0.001, &error);
    status |= iv_results_add_cell(&results, "r", "WT", "li", li, 2, NAN, NAN, &error);
    status |= iv_results_add_claim(&results, "WT < DA", false, &error, "%s", nasty);
    char *path = iv_run_dir_file(dir, "results.json");
    status |= iv_results_write(&results, path, &error);
    free(path);
    assert_ok(&error, status);
    iv_results_free(&results);

    if (with_figures) {
        char file[100];
        snprintf(file, sizeof file, "%s/figures/b.svg", name);
        spill(in_scratch(state, file), "<svg>abc</svg>");
        snprintf(file, sizeof file, "%s/figures/a&b.png", name);
        spill(in_scratch(state, file), "M");
    }
    assert_ok(&error, iv_run_dir_finish(dir, "done", &error));
    iv_run_dir_destroy(dir);
}

static void assert_report(void **state, const char *const *runs, size_t n, const char *out) {
    iv_error error = {0};
    (void)state;
    assert_ok(&error, iv_report_write(runs, n, out, NULL, &error));
}

static void one_run_is_reported_in_its_own_directory(void **state) {
    make_run(state, "table1", true);
    const char *runs[] = {in_scratch(state, "table1")};
    assert_report(state, runs, 1, NULL);

    char *html = slurp(in_scratch(state, "table1/report.html"), NULL);
    assert_contains(html, "<title>table1</title>");
    assert_contains(html, "94.3 ± 0.0 <span class=\"published\">(94.6 ± 0.1)</span></td>");
    assert_contains(html, "Mean ± standard deviation over seeds; published numbers");
    assert_contains(html, "not finite");
    assert_contains(html, "WT &lt; DA");
    assert_contains(html, "Device &amp; Sons (Plat&lt;form&gt;)");
    assert_contains(html, "WT seed 5 not finite");
    assert_contains(html, "study: regularization");
    /* Base64 by hand: "M" is 010011 01|0000; "<svg>abc</svg>" from the coreutils' base64. */
    assert_contains(html, "src=\"data:image/png;base64,TQ==\"");
    assert_contains(html, "src=\"data:image/svg+xml;base64,PHN2Zz5hYmM8L3N2Zz4=\"");
    assert_contains(html, "alt=\"Grid of images: a&amp;b.\"");
    assert_lacks(html, "<script");
    assert_lacks(html, "src=\"figures");
    assert_lacks(html, "http://");
    assert_lacks(html, "https://");
    free(html);

    char *markdown = slurp(in_scratch(state, "table1/report.md"), NULL);
    assert_contains(markdown, "# table1\n");
    assert_contains(markdown, "| r | 94.3 ± 0.0 (94.6 ± 0.1) | not finite |");
    assert_contains(markdown, "![Plot: b.](<figures/b.svg>)");
    assert_contains(markdown, "| WT &lt; DA | **no** |");
    assert_contains(markdown,
                    "\n````yaml\nstudy: regularization\n"); /* longer than the fence inside */
    free(markdown);

    char *csv = slurp(in_scratch(state, "table1/report.csv"), NULL);
    assert_contains(csv, "run,row,column,metric,mean,std,n,published,published_std\n");
    assert_contains(csv, "/table1,r,WT,accuracy,0.943,0,2,0.946,0.001\n");
    assert_contains(csv, "/table1,r,WT,li,,,2,,\n");
    free(csv);
}

/* Replace the results of a run by one seed's. */
static void keep_one_seed(void **state, double published) {
    iv_error error = {0};
    iv_results results = {0};
    const double accuracy[] = {0.943};
    assert_ok(&error, iv_results_add_cell(&results, "r", "WT", "accuracy", accuracy, 1, published,
                                          NAN, &error));
    assert_ok(&error, iv_results_write(&results, in_scratch(state, "run/results.json"), &error));
    iv_results_free(&results);
}

static void one_seed_is_said_to_be_one(void **state) {
    make_run(state, "run", false);
    const char *runs[] = {in_scratch(state, "run")};
    for (int k = 0; k < 2; k++) {
        keep_one_seed(state, k ? 0.95 : NAN);
        assert_report(state, runs, 1, NULL);
        static const char *const files[] = {"run/report.html", "run/report.md"};
        for (int i = 0; i < 2; i++) {
            char *text = slurp(in_scratch(state, files[i]), NULL);
            assert_lacks(text, "±");
            assert_contains(text, k ? "One seed, so there is no standard deviation; published"
                                    : "One seed, so there is no standard deviation.");
            free(text);
        }
    }
}

/* What scrolls on the screen: reached by the keyboard, and shown whole on paper. */
static void no_column_is_out_of_reach(void **state) {
    make_run(state, "run", true);
    const char *runs[] = {in_scratch(state, "run")};
    assert_report(state, runs, 1, NULL);
    char *html = slurp(in_scratch(state, "run/report.html"), NULL);
    size_t n_boxes = 0;
    for (const char *s = html; (s = strstr(s, "<div class=\"scroll\"")); s++) {
        static const char reachable[] = "<div class=\"scroll\" tabindex=\"0\"";
        assert_int_equal(strncmp(s, reachable, strlen(reachable)), 0);
        n_boxes++;
    }
    assert_int_equal(n_boxes, 2); /* results, claims */
    assert_contains(html, "<pre tabindex=\"0\">study");
    const char *print = strstr(html, "@media print{");
    assert_non_null(print);
    assert_contains(print, ".scroll,pre{overflow:visible}");
    free(html);
}

static void several_runs_share_one_report(void **state) {
    make_run(state, "one", false);
    make_run(state, "two", true);
    const char *runs[] = {in_scratch(state, "one"), in_scratch(state, "two")};
    assert_report(state, runs, 2, in_scratch(state, "out/deep"));
    char *html = slurp(in_scratch(state, "out/deep/report.html"), NULL);
    assert_contains(html, "<h1>one</h1>");
    assert_contains(html, "<h1>two</h1>");
    free(html);
    char *markdown = slurp(in_scratch(state, "out/deep/report.md"), NULL);
    assert_contains(markdown, "/two/figures/b.svg>)");
    free(markdown);
    assert_false(exists(in_scratch(state, "one/report.html")));
}

static void the_same_run_gives_the_same_report(void **state) {
    make_run(state, "run", true);
    const char *runs[] = {in_scratch(state, "run")};
    assert_report(state, runs, 1, in_scratch(state, "a"));
    assert_report(state, runs, 1, in_scratch(state, "b"));
    char *first = slurp(in_scratch(state, "a/report.html"), NULL);
    char *second = slurp(in_scratch(state, "b/report.html"), NULL);
    assert_string_equal(first, second);
    free(first);
    free(second);
}

/* A script that somebody else put there: whoever runs it makes a file. */
static void put_evil_script(void **state, const char *name) {
    char file[128], script[SCRATCH_PATH + 200];
    snprintf(file, sizeof file, "run/figures/%s.gp", name);
    snprintf(script, sizeof script, "system(\"touch '%s/ran'\")\nset title 'It''s <b> `x`'\n",
             (const char *)*state);
    spill(in_scratch(state, file), script);
}

static void a_script_in_a_run_directory_is_never_run(void **state) {
    make_run(state, "run", false);
    put_evil_script(state, "evil");
    put_evil_script(state, "$(touch ran)");
    put_evil_script(state, "-e");
    const char *runs[] = {in_scratch(state, "run")};
    iv_error error = {0};
    bool drawn = true;
    assert_ok(&error, iv_report_write(runs, 1, NULL, &drawn, &error));
    assert_false(exists(in_scratch(state, "ran")));
    assert_false(drawn);
    assert_int_equal(count_entries(in_scratch(state, "run/figures")), 3);

    /* Named, with the command; a name that the shell would read otherwise gets none. */
    char *html = slurp(in_scratch(state, "run/report.html"), NULL), command[SCRATCH_PATH + 200];
    snprintf(command, sizeof command, "cd &#39;%s/run&#39;/figures &amp;&amp; gnuplot evil.gp",
             (const char *)*state);
    assert_contains(html, command);
    assert_contains(html, "<figcaption>$(touch ran). Not drawn: its script has a name");
    assert_lacks(html, "gnuplot $(");
    assert_lacks(html, "gnuplot -e");
    free(html);
    char *markdown = slurp(in_scratch(state, "run/report.md"), NULL);
    assert_contains(markdown, "gnuplot evil.gp");
    assert_lacks(markdown, "gnuplot $(");
    free(markdown);
}

static void a_figure_is_described_by_a_sentence(void **state) {
    make_run(state, "run", true);
    spill(in_scratch(state, "run/figures/b.gp"),
          "# set title 'no'\nset title 'It''s \"it\"'\nset xlabel 'epoch'\nset ylabel 'SI'\n");
    const char *runs[] = {in_scratch(state, "run")};
    assert_report(state, runs, 1, NULL);
    char *html = slurp(in_scratch(state, "run/report.html"), NULL);
    assert_contains(html, "alt=\"Grid of images: a&amp;b.\"");
    assert_contains(html, "alt=\"Plot of SI against epoch: It&#39;s &quot;it&quot;.\"");
    free(html);
}

/* A name of a file, which holds anything but a slash, ends neither the link nor the line. */
static void the_name_of_a_picture_stays_in_its_link(void **state) {
    make_run(state, "run", false);
    spill(in_scratch(state, "run/figures/a>) <b>\n100%.png"), "no picture");
    const char *runs[] = {in_scratch(state, "run")};
    assert_report(state, runs, 1, NULL);
    char *markdown = slurp(in_scratch(state, "run/report.md"), NULL);
    assert_contains(markdown, "](<figures/a%3E) %3Cb%3E%0A100%25.png>)\n");
    assert_lacks(markdown, "<b>");
    free(markdown);
}

static void assert_refused(void **state, const char *name, const char *message) {
    iv_error error = {0};
    const char *runs[] = {in_scratch(state, name)};
    assert_int_equal(iv_report_write(runs, 1, NULL, NULL, &error), IV_EDATA);
    assert_contains(error.message, message);
    assert_contains(error.message, name);
}

static void missing_and_damaged_run_directories_are_named(void **state) {
    assert_refused(state, "nothing", "No such file");
    spill(in_scratch(state, "file"), "x");
    assert_refused(state, "file", "not a directory");
    assert_int_equal(mkdir(in_scratch(state, "empty"), 0777), 0);
    assert_refused(state, "empty", "no run.json");

    make_run(state, "run", false);
    spill(in_scratch(state, "run/results.json"), "{\"runs\": [");
    assert_refused(state, "run", "results.json:1:");
    remove(in_scratch(state, "run/results.json"));
    assert_refused(state, "run", "invar resume");
    spill(in_scratch(state, "run/run.json"), "{}");
    assert_refused(state, "run", "\"status\"");
    assert_false(exists(in_scratch(state, "run/report.html")));
}

static void an_unwritable_place_is_reported(void **state) {
    make_run(state, "run", false);
    spill(in_scratch(state, "file"), "x");
    iv_error error = {0};
    const char *runs[] = {in_scratch(state, "run")};
    assert_int_equal(iv_report_write(runs, 1, in_scratch(state, "file/out"), NULL, &error),
                     IV_EFAILED);
    assert_contains(error.message, "file");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(one_run_is_reported_in_its_own_directory),
        SCRATCH_TEST(one_seed_is_said_to_be_one),
        SCRATCH_TEST(no_column_is_out_of_reach),
        SCRATCH_TEST(several_runs_share_one_report),
        SCRATCH_TEST(the_same_run_gives_the_same_report),
        SCRATCH_TEST(a_script_in_a_run_directory_is_never_run),
        SCRATCH_TEST(a_figure_is_described_by_a_sentence),
        SCRATCH_TEST(the_name_of_a_picture_stays_in_its_link),
        SCRATCH_TEST(missing_and_damaged_run_directories_are_named),
        SCRATCH_TEST(an_unwritable_place_is_reported),
    };
    return cmocka_run_group_tests_name("whole report", tests, NULL, NULL);
}

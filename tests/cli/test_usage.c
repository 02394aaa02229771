/* What the command line says to people who ask, and to those who mistype. */
#include "../kit/process.h"
#include "tiny_spec.h"

#include <string.h>

static const char *const commands[] = {
    "run",  "check", "resume",     "eval", "export", "audit", "report", "data",   "devices",
    "tune", "bench", "completion", "spec", "cite",   "man",   "merge",  "status", "submit"};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void help_lists_every_command(void **state) {
    static const char *const asked[] = {"--help", "-h", "help"};
    for (size_t i = 0; i < 3; i++) {
        outcome o = invar(state, asked[i], NULL);
        assert_status(&o, 0);
        assert_string_equal(o.err, "");
        for (size_t k = 0; k < N_COMMANDS; k++) assert_contains(o.out, commands[k]);
        outcome_free(&o);
    }
}

static void every_command_explains_itself(void **state) {
    for (size_t k = 0; k < N_COMMANDS; k++) {
        char usage[64];
        snprintf(usage, sizeof usage, "usage: invar %s", commands[k]);
        outcome o = invar(state, commands[k], "--help", NULL);
        assert_status(&o, 0);
        assert_string_equal(o.err, "");
        assert_contains(o.out, usage);
        outcome_free(&o);
        /* --help wins over other arguments, wherever it stands. */
        o = invar(state, commands[k], "something", "--nonsense", "-h", NULL);
        assert_status(&o, 0);
        assert_contains(o.out, usage);
        outcome_free(&o);
    }
}

static void the_version_names_the_program_its_commit_and_opencl(void **state) {
    outcome o = invar(state, "--version", NULL);
    assert_status(&o, 0);
    assert_int_equal(strncmp(o.out, "invar ", 6), 0);
    assert_contains(o.out, "commit ");
    assert_contains(o.out, "OpenCL");
    outcome_free(&o);
}

static void the_short_forms_say_the_same(void **state) {
    outcome whole = invar(state, "--version", NULL), brief = invar(state, "-V", NULL);
    assert_status(&brief, 0);
    assert_string_equal(brief.out, whole.out);
    outcome_free(&whole);
    outcome_free(&brief);
    for (size_t k = 0; k < N_COMMANDS; k++) {
        whole = invar(state, commands[k], "--help", NULL);
        brief = invar(state, "help", commands[k], NULL);
        assert_status(&brief, 0);
        assert_string_equal(brief.out, whole.out);
        outcome_free(&whole);
        outcome_free(&brief);
    }
    invar_fails(state, ARGUMENTS("help", "rnu"), 2, "did you mean `run`?", NULL);
}

/* Every option that --help shows is one that the command reads, with or without a value as shown.
 */
static void options_are_what_help_says(void **state) {
    size_t n_options = 0;
    for (size_t k = 0; k < N_COMMANDS; k++) {
        outcome help = invar(state, commands[k], "--help", NULL);
        for (const char *line = help.out; (line = strstr(line, "\n    --")); line++) {
            char option[64], argument[80], expected[128];
            const size_t length = strcspn(line + 5, " \n");
            snprintf(option, sizeof option, "%.*s", (int)length, line + 5);
            const bool takes_value =
                line[5 + length] == ' ' && line[6 + length] >= 'A' && line[6 + length] <= 'Z';
            snprintf(argument, sizeof argument, "%s%s", option, takes_value ? "" : "=1");
            snprintf(expected, sizeof expected, "%s %s value", option,
                     takes_value ? "needs a" : "takes no");
            invar_fails(state, ARGUMENTS(commands[k], argument), 2, expected, NULL);
            n_options++;
        }
        outcome_free(&help);
    }
    assert_true(n_options >= 20);
}

static void no_command_is_bad_usage(void **state) {
    invar_fails(state, ARGUMENTS(NULL), 2, "usage: invar COMMAND", NULL);
}

static void an_unknown_command_is_bad_usage(void **state) {
    invar_fails(state, ARGUMENTS("trian"), 2, "there is no command \"trian\"", NULL);
}

static void a_misspelt_command_is_answered_with_the_nearest(void **state) {
    static const char *const words[][2] = {{"rnu", "run"},        {"runn", "run"},
                                           {"chek", "check"},     {"reprot", "report"},
                                           {"device", "devices"}, {"resmue", "resume"}};
    char expected[64];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        snprintf(expected, sizeof expected, "did you mean `%s`?", words[i][1]);
        invar_fails(state, ARGUMENTS(words[i][0]), 2, expected, NULL);
    }
    /* Where none is near, all are named. */
    outcome o = invar(state, "optimize", NULL);
    assert_status(&o, 2);
    assert_lacks(o.err, "did you mean");
    for (size_t k = 0; k < N_COMMANDS; k++) assert_contains(o.err, commands[k]);
    outcome_free(&o);
}

static void a_misspelt_option_is_answered_with_the_nearest(void **state) {
    static const char *const words[][3] = {
        {"run", "--sets", "--set"},          {"run", "--seed=3", "--seeds"},
        {"run", "-device", "--device"},      {"check", "--devcie", "--device"},
        {"resume", "--quite", "--quiet"},    {"eval", "--dta", "--data"},
        {"report", "--outt", "--out"},       {"devices", "--jsno", "--json"},
        {"bench", "--compair", "--compare"}, {"tune", "--tiem", "--time"},
        {"data", "--image", "--images"},     {"run", "--hepl", "--help"}};
    char expected[64];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        snprintf(expected, sizeof expected, "did you mean `%s`?", words[i][2]);
        invar_fails(state, ARGUMENTS(words[i][0], words[i][1], "x"), 2, words[i][1], expected,
                    NULL);
    }
    outcome o = invar(state, "run", "--nonsense", NULL);
    assert_lacks(o.err, "did you mean");
    outcome_free(&o);
}

static void two_dashes_end_the_options(void **state) {
    invar_fails(state, ARGUMENTS("report", "--", "--out"), 4, "--out", NULL);
    invar_fails(state, ARGUMENTS("eval", "--", "-h"), 4, "-h", NULL);
}

static void an_unknown_option_is_bad_usage(void **state) {
    for (size_t k = 0; k < N_COMMANDS; k++)
        invar_fails(state, ARGUMENTS(commands[k], "--nonsense"), 2, "--nonsense", "--help", NULL);
}

static void a_missing_argument_is_bad_usage(void **state) {
    static const char *const needy[] = {"run", "check", "resume", "eval", "report", "data"};
    for (size_t i = 0; i < sizeof needy / sizeof *needy; i++)
        invar_fails(state, ARGUMENTS(needy[i]), 2, needy[i], NULL);
    invar_fails(state, ARGUMENTS("run", "spec.yaml", "--set"), 2, "--set needs a value", NULL);
    invar_fails(state, ARGUMENTS("run", "spec.yaml", "--device"), 2, "--device needs a value",
                NULL);
    invar_fails(state, ARGUMENTS("eval", "run", "--data"), 2, "--data needs a value", NULL);
}

static void an_argument_too_many_is_bad_usage(void **state) {
    invar_fails(state, ARGUMENTS("run", "a.yaml", "b.yaml"), 2, "b.yaml", NULL);
    invar_fails(state, ARGUMENTS("check", "a.yaml", "b.yaml"), 2, "b.yaml", NULL);
    invar_fails(state, ARGUMENTS("resume", "a", "b"), 2, "\"b\"", NULL);
    invar_fails(state, ARGUMENTS("eval", "a", "b"), 2, "\"b\"", NULL);
    invar_fails(state, ARGUMENTS("data", "list", "b"), 2, "'b'", NULL);
}

static void resuming_without_a_directory_is_bad_usage(void **state) {
    invar_fails(state, ARGUMENTS("run", "a.yaml", "--resume"), 2, "--out", NULL);
}

/* ------------------------------------------------------------------ specs */

static void expect_place(void **state, const char *text, const char *place, const char *what) {
    const char *spec = in_scratch(state, "bad.yaml");
    spill(spec, text);
    char expected[SCRATCH_PATH + 256];
    snprintf(expected, sizeof expected, "invar: %s:%s: ", spec, place);
    invar_fails(state, ARGUMENTS("run", spec, "--out", in_scratch(state, "run")), 2, expected, what,
                NULL);
    invar_fails(state, ARGUMENTS("check", spec), 2, expected, what, NULL);
    assert_false(exists(in_scratch(state, "run")));
}

static void a_bad_spec_is_refused_with_its_place(void **state) {
    expect_place(state, "study: regularization\nname: a\ndataset: {nmae: digits}\n", "3:11",
                 "name");
    expect_place(state, "study: regularization\nname: a\nseeds: many\n", "3:8", "seeds");
    expect_place(state, "study: [\n", "2:1", "");
    expect_place(state,
                 "study: regularization\nname: a\ndataset: {name: digits}\n"
                 "group: {kind: rotation, order: 3}\nruns: [{name: A, method: augmentation}]\n",
                 "4:32", "2 or 4");
}

static void a_spec_that_is_not_there_is_refused(void **state) {
    invar_fails(state, ARGUMENTS("run", in_scratch(state, "none.yaml")), 2, "none.yaml",
                "No such file", NULL);
}

static void a_bad_override_is_refused_with_its_key(void **state) {
    const char *spec = in_scratch(state, "spec.yaml");
    spill(spec, TINY_SPEC);
    invar_fails(state, ARGUMENTS("run", spec, "--set", "training.epohcs=3"), 2,
                "--set training.epohcs", "did you mean `epochs`?", NULL);
    invar_fails(state, ARGUMENTS("run", spec, "--set", "training.epochs=-3"), 2,
                "--set training.epochs", NULL);
    invar_fails(state, ARGUMENTS("run", spec, "--seeds", "0"), 2, "--set seeds", NULL);
    invar_fails(state, ARGUMENTS("check", spec, "--set", "nothing"), 2, "nothing", NULL);
    invar_fails(state, ARGUMENTS("check", spec, "--seeds", "0"), 2, "--set seeds", NULL);
}

/* ------------------------------------------------------------------ devices */

static void hide_devices(void) {
    setenv("OCL_ICD_VENDORS", "/nonexistent/", 1);
    setenv("OPENCL_VENDOR_PATH", "/nonexistent/", 1);
    setenv("OCL_ICD_FILENAMES", "", 1);
}

static void without_a_device_nothing_begins(void **state) {
    const char *spec = in_scratch(state, "spec.yaml");
    spill(spec, TINY_SPEC);
    outcome o =
        invar_with(state, hide_devices, ARGUMENTS("run", spec, "--out", in_scratch(state, "run")));
    if (o.status == 0) {
        outcome_free(&o);
        SKIP_BECAUSE("this OpenCL loader cannot be told to find nothing");
    }
    assert_status(&o, 3);
    assert_contains(o.err, "no OpenCL device found");
    assert_contains(o.err, "install");
    outcome_free(&o);
    assert_false(exists(in_scratch(state, "run")));

    o = invar_with(state, hide_devices, ARGUMENTS("devices"));
    assert_status(&o, 3);
    outcome_free(&o);

    /* A spec can be checked all the same. */
    o = invar_with(state, hide_devices, ARGUMENTS("check", spec, "--seeds", "7"));
    assert_status(&o, 0);
    assert_contains(o.out, "3 runs x 7 seeds");
    assert_contains(o.out, "IR-nu0.5");
    assert_contains(o.out, "no OpenCL device");
    outcome_free(&o);
}

static void an_unknown_device_is_refused_with_those_there_are(void **state) {
    const char *spec = in_scratch(state, "spec.yaml");
    spill(spec, TINY_SPEC);
    outcome o = invar(state, "devices", NULL);
    const int none = o.status == 3;
    outcome_free(&o);
    if (none) SKIP_BECAUSE("no OpenCL device");
    invar_fails(state,
                ARGUMENTS("run", spec, "--device", "abacus", "--out", in_scratch(state, "run")), 3,
                "abacus", NULL);
    invar_fails(state, ARGUMENTS("check", spec, "--device", "abacus"), 3, "abacus", NULL);
    invar_fails(state, ARGUMENTS("check", spec, "--device=4711"), 3, "4711", NULL);
    assert_false(exists(in_scratch(state, "run")));
}

/* ------------------------------------------------------------------ data */

static void verifying_names_what_replaces_missing_files(void **state) {
    outcome o = invar(state, "data", "verify", "mnist", "--data", *state, NULL);
    assert_status(&o, 4);
    assert_contains(o.err, "4 files missing");
    assert_contains(o.err, "`invar data fetch mnist` replaces");
    assert_lacks(o.err, "cifar");
    outcome_free(&o);

    o = invar(state, "data", "verify", "cifar10", "fashion-mnist", "--data", *state, NULL);
    assert_status(&o, 4);
    assert_contains(o.err, "`invar data fetch fashion-mnist cifar10` replaces");
    outcome_free(&o);
}

/* ------------------------------------------------------------------ standard output */

static void print_to_a_full_disk(void) {
    if (!freopen("/dev/full", "w", stdout)) _exit(125);
}

static void output_that_cannot_be_written_is_a_failure(void **state) {
    if (!exists("/dev/full")) SKIP_BECAUSE("there is no /dev/full");
    outcome o = invar_with(state, print_to_a_full_disk, ARGUMENTS("--version"));
    assert_status(&o, 1);
    assert_contains(o.err, "standard output");
    outcome_free(&o);
}

/* Whatever stands behind "    --" in a command's help is an option. */
static void assert_options(const char *help, const char *page) {
    static const char before[] = "\n    --";
    for (const char *at = help; (at = strstr(at, before));) {
        at += sizeof before - 1;
        char wanted[64] = "\\-\\-";
        size_t n = strlen(wanted);
        for (; n + 3 < sizeof wanted && *at > ' '; at++) {
            if (*at == '-') wanted[n++] = '\\';
            wanted[n++] = *at;
        }
        wanted[n] = '\0';
        assert_contains(page, wanted);
    }
}

static void the_manual_page_has_every_command_and_option(void **state) {
    outcome page = invar(state, "man", NULL);
    assert_status(&page, 0);
    for (size_t k = 0; k < N_COMMANDS; k++) {
        char heading[64];
        snprintf(heading, sizeof heading, "\n.SS invar %s\n", commands[k]);
        assert_contains(page.out, heading);
        outcome help = invar(state, commands[k], "--help", NULL);
        assert_options(help.out, page.out);
        outcome_free(&help);
    }
    outcome_free(&page);
}

/* What roff does not know it leaves out without a word: every line that begins with a dot is one of
 * these requests, and every backslash begins one of these escapes. */
static void the_manual_page_is_roff(void **state) {
    static const char *const requests[] = {".TH ", ".SH ", ".SS ",  ".PP\n", ".TP\n", ".B ",
                                           ".I ",  ".BR ", ".br\n", ".nf\n", ".fi\n"};
    outcome page = invar(state, "man", NULL);
    assert_status(&page, 0);
    for (const char *line = page.out; line && *line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        bool known = *line != '.' && *line != '\'';
        for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
            known = known || strncmp(line, requests[i], strlen(requests[i])) == 0;
        if (!known) fail_msg("%.*s", (int)strcspn(line, "\n"), line);
    }
    for (const char *at = page.out; (at = strchr(at, '\\')); at += 2)
        assert_true(at[1] == '-' || at[1] == '&' || at[1] == 'e');
    outcome_free(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(help_lists_every_command),
        SCRATCH_TEST(every_command_explains_itself),
        SCRATCH_TEST(the_manual_page_has_every_command_and_option),
        SCRATCH_TEST(the_manual_page_is_roff),
        SCRATCH_TEST(the_version_names_the_program_its_commit_and_opencl),
        SCRATCH_TEST(the_short_forms_say_the_same),
        SCRATCH_TEST(options_are_what_help_says),
        SCRATCH_TEST(no_command_is_bad_usage),
        SCRATCH_TEST(an_unknown_command_is_bad_usage),
        SCRATCH_TEST(a_misspelt_command_is_answered_with_the_nearest),
        SCRATCH_TEST(a_misspelt_option_is_answered_with_the_nearest),
        SCRATCH_TEST(two_dashes_end_the_options),
        SCRATCH_TEST(an_unknown_option_is_bad_usage),
        SCRATCH_TEST(a_missing_argument_is_bad_usage),
        SCRATCH_TEST(an_argument_too_many_is_bad_usage),
        SCRATCH_TEST(resuming_without_a_directory_is_bad_usage),
        SCRATCH_TEST(a_bad_spec_is_refused_with_its_place),
        SCRATCH_TEST(a_spec_that_is_not_there_is_refused),
        SCRATCH_TEST(a_bad_override_is_refused_with_its_key),
        SCRATCH_TEST(without_a_device_nothing_begins),
        SCRATCH_TEST(an_unknown_device_is_refused_with_those_there_are),
        SCRATCH_TEST(verifying_names_what_replaces_missing_files),
        SCRATCH_TEST(output_that_cannot_be_written_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

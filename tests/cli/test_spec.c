/* invar spec: what specs may say, and the page of the documentation that is made of it. */
#include "../kit/process.h"

#include "tiny_spec.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void the_page_in_the_tree_is_what_the_program_prints(void **state) {
    outcome o = invar(state, "spec", "--markdown", NULL);
    char *page = slurp(KEYS_PAGE, NULL);
    assert_status(&o, 0);
    if (strcmp(o.out, page) != 0)
        fail_msg("docs/keys.md differs: invar spec --markdown > docs/keys.md");
    free(page);
    outcome_free(&o);
}

static void a_study_is_told_alone(void **state) {
    outcome o = invar(state, "spec", "autoencoder", NULL);
    assert_status(&o, 0);
    assert_contains(o.out, "\nruns[].lift *\n");
    assert_contains(o.out, "only for layer rich");
    assert_contains(o.out, "\nmse_code\n");
    assert_lacks(o.out, "runs[].nu");
    outcome_free(&o);
    o = invar(state, "spec", NULL);
    assert_status(&o, 0);
    assert_contains(o.out, "\nruns[].lift *\n");
    assert_contains(o.out, "\nruns[].nu *\n");
    outcome_free(&o);
}

static void an_unknown_study_is_refused_with_those_there_are(void **state) {
    invar_fails(state, ARGUMENTS("spec", "auto"), 2, "there is no study \"auto\"",
                "regularization, autoencoder, marginal-likelihood", NULL);
    invar_fails(state, ARGUMENTS("spec", "autoencoder", "x"), 2, "unexpected argument \"x\"", NULL);
}

/* ------------------------------------------------------------------ specs that come with Invar */

static const char *specs;

static void take_specs(void) {
    setenv("INVAR_SPECS", specs, 1);
    setenv("COLUMNS", "100", 1);
}

static void go_there(void) {
    unsetenv("INVAR_SPECS");
    if (chdir(specs) != 0) _exit(1);
}

static void write_specs(void **state) {
    specs = in_scratch(state, "specs");
    assert_int_equal(mkdir(specs, 0700), 0);
    assert_int_equal(mkdir(in_scratch(state, "specs/study"), 0700), 0);
    spill(in_scratch(state, "specs/study/table9.yaml"),
          "# Table 9 (Doe et al. 2023): what is\n# measured. Not this.\n" TINY_SPEC);
    spill(in_scratch(state, "specs/first.yaml"), TINY_SPEC);
    spill(in_scratch(state, "specs/study/notes.txt"), "");
}

static void assert_check(void **state, const char *name, int status, const char *said) {
    outcome o = invar_with(state, take_specs, ARGUMENTS("check", name, "--device", "abacus"));
    assert_status(&o, status);
    assert_contains(o.err, said);
    outcome_free(&o);
}

static void specs_that_come_with_invar_are_found_by_name(void **state) {
    write_specs(state);
    assert_check(state, "study/table9", 3, "abacus"); /* read, and then there is no such device */
    assert_check(state, "study/table9.yaml", 3, "abacus");
    assert_check(state, "first", 3, "abacus");
    assert_check(state, "study/tabel9", 2, "did you mean `study/table9`?");
    assert_check(state, "study/tabel9.yaml", 2, "No such file");
    assert_check(state, "study", 2, "study"); /* a folder is no spec */
    assert_check(state, "/first", 2, "No such file");

    /* A file of one's own comes first. */
    const char *own = in_scratch(state, "own");
    spill(own, "study: [");
    assert_check(state, own, 2, own);
}

static void a_missing_spec_is_answered_with_those_there_are(void **state) {
    write_specs(state);
    static const char *const commands[] = {"run", "check"};
    for (size_t i = 0; i < 2; i++) {
        outcome o = invar_with(state, take_specs, ARGUMENTS(commands[i]));
        assert_status(&o, 2);
        assert_contains(o.err, "    first         \n    study/table9  Table 9: what is measured\n");
        outcome_free(&o);
    }
    outcome o = invar_with(state, take_specs, ARGUMENTS("spec", "--names"));
    assert_status(&o, 0);
    assert_string_equal(o.out, "first\nstudy/table9\n");
    outcome_free(&o);

    /* Not installed: those of the folder that it is run in. */
    struct stat about;
    specs = in_scratch(state, "");
    if (stat(INSTALLED_SPECS, &about) != 0) {
        assert_int_equal(rename(in_scratch(state, "specs"), in_scratch(state, "configs")), 0);
        o = invar_with(state, go_there, ARGUMENTS("spec", "--names"));
        assert_status(&o, 0);
        assert_string_equal(o.out, "first\nstudy/table9\n");
        outcome_free(&o);
    }

    specs = in_scratch(state, "nothing");
    o = invar_with(state, take_specs, ARGUMENTS("run"));
    assert_status(&o, 2);
    assert_lacks(o.err, "come with");
    outcome_free(&o);
}

/* ------------------------------------------------------------------ completion */

/* What bash would offer for the last of the words. */
static void assert_completion(void **state, const char *script, const char *words, int last,
                              const char *expected) {
    char line[1024];
    snprintf(line, sizeof line,
             "source '%s'; COMP_WORDS=(%s); COMP_CWORD=%d; _invar; echo \"${COMPREPLY[*]}\"",
             script, words, last);
    process running =
        process_start(state, "/usr/bin/env", take_specs, ARGUMENTS("bash", "-c", line));
    outcome o = process_wait(&running);
    assert_status(&o, 0);
    assert_string_equal(o.out, expected);
    outcome_free(&o);
}

static void bash_completes_commands_options_and_specs(void **state) {
    write_specs(state);
    outcome o = invar(state, "completion", "bash", NULL);
    assert_status(&o, 0);
    const char *script = in_scratch(state, "invar.bash");
    spill(script, o.out);
    outcome_free(&o);
    char words[512];
    assert_completion(state, script, "invar re", 1, "resume report\n");
    assert_completion(state, script, "invar help exp", 2, "export\n");
    assert_completion(state, script, "invar run --se", 2, "--set --seeds\n");
    snprintf(words, sizeof words, "'%s' run s", invar_program);
    assert_completion(state, script, words, 2, "study/table9\n");
    assert_completion(state, script, "invar eval x", 2, "\n");

    o = invar(state, "completion", "tcsh", NULL);
    assert_status(&o, 2);
    assert_contains(o.err, "bash, zsh or fish");
    outcome_free(&o);
}

/* Every option of every command is in the scripts of the other shells, with its help. */
static void zsh_and_fish_know_the_options(void **state) {
    static const char *const shells[] = {"zsh", "fish"};
    for (size_t i = 0; i < 2; i++) {
        outcome o = invar(state, "completion", shells[i], NULL);
        assert_status(&o, 0);
        assert_contains(o.out, "the same as --set seeds=N");
        assert_contains(o.out, "export");
        outcome_free(&o);
    }
}

/* ------------------------------------------------------------------ what to cite */

static size_t count(const char *text, const char *part) {
    size_t n = 0;
    for (; (text = strstr(text, part)); text += strlen(part)) n++;
    return n;
}

static void everything_that_can_be_cited_is_cited_by_default(void **state) {
    outcome o = invar(state, "cite", NULL);
    assert_status(&o, 0);
    assert_contains(o.out, "@software{invar,");
    assert_int_equal(count(o.out, "\n@"), 6); /* three papers, three published image sets */
    assert_int_equal(count(o.out, "{"), count(o.out, "}"));
    outcome_free(&o);
}

static void a_study_or_an_image_set_is_cited_alone(void **state) {
    outcome o = invar(state, "cite", "autoencoder", "cifar10", NULL);
    assert_status(&o, 0);
    assert_int_equal(count(o.out, "\n@"), 2);
    assert_contains(o.out, "Arodz");
    assert_contains(o.out, "Krizhevsky");
    outcome_free(&o);
    invar_fails(state, ARGUMENTS("cite", "nothing-of-that-name"), 2, "nothing-of-that-name", NULL);
}

static void a_spec_is_cited_with_its_paper_and_its_images(void **state) {
    const char *path = in_scratch(state, "cited.yaml");
    spill(path, "study: regularization\nname: cited\nseeds: 1\ngroup: {kind: rotation, order: 4}\n"
                "sweep: {dataset.name: [mnist, digits]}\n"
                "runs: [{name: DA, method: augmentation}]\nmetrics: {drift: [fashion-mnist]}\n");
    outcome o = invar(state, "cite", path, NULL);
    assert_status(&o, 0);
    assert_int_equal(count(o.out, "\n@"), 3);
    assert_contains(o.out, "Moskalev");
    assert_contains(o.out, "LeCun");
    assert_contains(o.out, "Xiao");
    outcome_free(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(the_page_in_the_tree_is_what_the_program_prints),
        SCRATCH_TEST(a_study_is_told_alone),
        SCRATCH_TEST(an_unknown_study_is_refused_with_those_there_are),
        SCRATCH_TEST(specs_that_come_with_invar_are_found_by_name),
        SCRATCH_TEST(a_missing_spec_is_answered_with_those_there_are),
        SCRATCH_TEST(bash_completes_commands_options_and_specs),
        SCRATCH_TEST(zsh_and_fish_know_the_options),
        SCRATCH_TEST(everything_that_can_be_cited_is_cited_by_default),
        SCRATCH_TEST(a_study_or_an_image_set_is_cited_alone),
        SCRATCH_TEST(a_spec_is_cited_with_its_paper_and_its_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* invar spec: what specs may say, and the page of the documentation that is made of it. */
#include "../kit/process.h"

#include <string.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(the_page_in_the_tree_is_what_the_program_prints),
        SCRATCH_TEST(a_study_is_told_alone),
        SCRATCH_TEST(an_unknown_study_is_refused_with_those_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

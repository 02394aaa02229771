#include "ml_example.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

void ml_example_open(ml_example *e, const char *text) {
    memset(e, 0, sizeof *e);
    if (iv_spec_parse("spec", text, strlen(text), NULL, 0, iv_study_schema, &e->spec, &e->error) !=
        IV_OK)
        fail_msg("%s", e->error.message);
    assert_int_equal(ml_plan_create(e->spec, &e->plan, &e->error), IV_OK);
    e->outcomes = calloc(e->plan.n_populations, sizeof *e->outcomes);
    assert_non_null(e->outcomes);
    for (size_t p = 0; p < e->plan.n_populations; p++) {
        e->outcomes[p] = calloc(e->plan.populations[p].n_members, sizeof **e->outcomes);
        assert_non_null(e->outcomes[p]);
        for (size_t r = 0; r < e->plan.populations[p].n_members; r++)
            e->outcomes[p][r] = (ml_outcome){.accuracy = 0.5, .elbo = -1};
    }
}

ml_outcome *ml_example_outcome(ml_example *e, const char *run, uint32_t seed) {
    for (size_t p = 0; p < e->plan.n_populations; p++)
        for (size_t r = 0; r < e->plan.populations[p].n_members; r++) {
            const ml_member *member = &e->plan.populations[p].members[r];
            if (strcmp(member->run->name, run) == 0 && member->seed == seed)
                return &e->outcomes[p][r];
        }
    fail_msg("there is no run %s with seed %u", run, seed);
    return NULL;
}

void ml_example_set(ml_example *e, const char *run, double accuracy, double elbo, double rotation) {
    ml_outcome *o = ml_example_outcome(e, run, 0);
    o->accuracy = accuracy;
    o->elbo = elbo;
    o->rotation_degrees = rotation;
}

void ml_example_fill(ml_example *e) {
    assert_int_equal(ml_table_create(e->spec, &e->plan, e->outcomes, &e->table, &e->error), IV_OK);
    assert_int_equal(ml_results_fill(e->spec, &e->table, &e->results, &e->error), IV_OK);
    assert_int_equal(ml_claims_add(&e->table, &e->results, &e->error), IV_OK);
}

void ml_example_close(ml_example *e) {
    iv_results_free(&e->results);
    ml_table_clear(&e->table);
    for (size_t p = 0; p < e->plan.n_populations; p++) free(e->outcomes[p]);
    free(e->outcomes);
    ml_plan_clear(&e->plan);
    iv_spec_destroy(e->spec);
}

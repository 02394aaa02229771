/* What one member of a population left in a run directory of the scratch folder, and whether it
 * left the same elsewhere. */
#ifndef INVAR_TESTS_STUDIES_MEMBERS_H
#define INVAR_TESTS_STUDIES_MEMBERS_H

#include <jansson.h>

/* SCRATCH/RUN/results.json; json_decref() it. */
json_t *read_results(void **state, const char *run);

/* A run's entry for a seed; fails the test if there is none. */
json_t *find_run(json_t *results, const char *name, int seed);

/* The lines of one member in a log. free() them. */
char *log_of(void **state, const char *run, const char *name, int seed);

/* Model, results and log of a member are the same, to the last bit, in the run directories a and b.
 */
void assert_same_member(void **state, const char *a, const char *b, const char *name, int seed);

#endif

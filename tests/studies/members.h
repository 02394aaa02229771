/* Small trainings in run directories of the scratch folder, what each left of a member, and whether
 * two left the same. */
#ifndef INVAR_TESTS_STUDIES_MEMBERS_H
#define INVAR_TESTS_STUDIES_MEMBERS_H

#include <jansson.h>

#include <stddef.h>

/* Train the spec that `text` holds, in SCRATCH/NAME. set: "KEY=VALUE" to change in it, or NULL. */
void run_spec(void **state, const char *text, const char *name, const char *set);

/* Files of the run directories a and b are the same, byte by byte. */
void assert_same_files(const char *a, const char *b, const char *const *names, size_t n_names);

/* SCRATCH/RUN/results.json; json_decref() it. */
json_t *read_results(void **state, const char *run);

/* A run's entry for a seed; fails the test if there is none. */
json_t *find_run(json_t *results, const char *name, int seed);

/* A number that a run has for a seed, and how it ended; without either the test fails. */
double metric_of(json_t *results, const char *name, int seed, const char *metric);
const char *status_of(json_t *results, const char *name, int seed);

/* The lines of one member in a log. free() them. */
char *log_of(void **state, const char *run, const char *name, int seed);

/* Model and results of a member are the same, to the last bit, in the run directories a and b; and
 * its log, which members have that are trained by steps. */
void assert_same_model(void **state, const char *a, const char *b, const char *name, int seed);
void assert_same_member(void **state, const char *a, const char *b, const char *name, int seed);

#endif

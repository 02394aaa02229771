/* Members' numbers made up, and what their study makes of them: runs, cells and claims. Works for
 * any study; no device is needed. */
#ifndef INVAR_TESTS_STUDIES_EXAMPLE_H
#define INVAR_TESTS_STUDIES_EXAMPLE_H

#include <invar/studies.h>

typedef struct {
    iv_spec *spec;
    const iv_study *study;
    iv_populations populations;
    double **values;     /* [population] each [R, iv_values_size], see iv_study */
    uint32_t **diverged; /* [population] each [R] */
    iv_trained_runs runs;
    iv_results results;
    iv_error error;
} example;

/* From the text of a spec. Whatever a study says that a member has at the end is `value`; all else
 * is NaN, as it is after a training. */
void example_open(example *e, const char *text, double value);
void example_close(example *e);

/* The number of a metric, by its name. */
size_t example_metric(const example *e, const char *name);

/* Set a metric of all members that have it. */
void example_set_all(example *e, size_t set, size_t metric, double value);

/* Where a metric lies of a run, by its whole name, and a seed (an array metric: its first value);
 * the epoch in which they were found diverged. */
double *example_value(example *e, const char *run, uint32_t seed, size_t set, size_t metric);
uint32_t *example_diverged(example *e, const char *run, uint32_t seed);

/* From values to trained runs and results. */
void example_fill(example *e);

#endif

/* Members' numbers made up, and what the marginal-likelihood study makes of them: runs, cells and
 * claims. No device is needed. */
#ifndef INVAR_TESTS_STUDIES_ML_EXAMPLE_H
#define INVAR_TESTS_STUDIES_ML_EXAMPLE_H

#include "studies/marginal_likelihood/marginal_likelihood.h"

typedef struct {
    iv_spec *spec;
    ml_plan plan;
    ml_outcome **outcomes; /* [population][member] */
    ml_table table;
    iv_results results;
    iv_error error;
} ml_example;

/* From the text of a spec; every accuracy is 0.5 and every elbo -1. */
void ml_example_open(ml_example *e, const char *text);
void ml_example_close(ml_example *e);

/* The outcome of a run, by its whole name, and a seed; some of it for seed 0. */
ml_outcome *ml_example_outcome(ml_example *e, const char *run, uint32_t seed);
void ml_example_set(ml_example *e, const char *run, double accuracy, double elbo, double rotation);

/* From outcomes to results. */
void ml_example_fill(ml_example *e);

#endif

/* What the tests of all studies share: each study's small spec, runs of it, and comparing them. */
#ifndef INVAR_TESTS_STUDIES_CONFORMANCE_H
#define INVAR_TESTS_STUDIES_CONFORMANCE_H

#include <invar/studies.h>

#include "members.h"
#include "stopping.h"

enum { LEARNING_RATE_THAT_DIVERGES = 1000 };

/* A study with its small spec, specs/STUDY.yaml, or another one of its, specs/STUDY-WHAT.yaml. */
typedef struct {
    const iv_study *study;
    const char *name; /* of the spec */
    bool is_another;
    char path[512];
    iv_error error; /* why the spec does not load */
    iv_spec *spec;
    iv_populations populations; /* those of a run, in order */
    void *reference;            /* the folder of a run that nothing disturbed, FOLDER/run */
} subject;

void subject_open(const iv_study *study, const char *name, subject *s);
void subject_close(subject *s);

/* The test fails unless the spec has loaded. */
void assert_loaded(const subject *s);

/* The run that nothing disturbed: made by the first test that asks for it. */
const char *reference_run(subject *s);

/* FOLDER/NAME in one of a few static buffers; "run --quiet --out SCRATCH/NAME SPEC" and further
 * arguments up to a NULL, as they are for small tests. `spec` NULL: the subject's. */
const char *const *arguments_of_run(void **folder, const subject *s, const char *spec,
                                    const char *name, ...);

/* Everything that two runs of one spec have in common, byte by byte: the spec, results, log,
 * models, splits, and what the figures show. */
void assert_same_outputs(const char *a, const char *b);

/* For each member of the population that has this seed (-1: any): its tensors, results and log in
 * FOLDER/run are those of the reference. */
void assert_same_members(void **folder, subject *s, int seed);

/* The specs of a population of the study's first run, one with members at the spec's learning rate
 * and at one that is too large, one without the latter, one without the former. */
typedef enum { BOTH_RATES, GOOD_RATE, BAD_RATE } rates;
char *spec_at_rates(const subject *s, rates which);

/* ------------------------------------------------------------------ moments of a run */

/* Populations that are trained by steps, in order. */
size_t n_trained(const subject *s);
size_t trained_population(const subject *s, size_t i);

/* Population number i of those is trained to a share of its steps, or its last model is written:
 * its metrics are being measured. */
moment in_training(const subject *s, size_t i, double share);
moment in_measuring(const subject *s, size_t i);

#endif

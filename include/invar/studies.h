/* The papers' studies: each takes a resolved spec and leaves a run directory. */
#ifndef INVAR_STUDIES_H
#define INVAR_STUDIES_H

#include <invar/report.h>
#include <invar/spec.h>
#include <invar/train.h>

typedef struct {
    const iv_spec *spec;
    iv_context *context;
    const char *data_dir; /* see iv_data_directory */
    iv_run_dir *dir;
    bool resume; /* go on from the directory's checkpoint */
    const volatile sig_atomic_t *stop;
    const iv_progress *progress;
    void (*message)(void *state, const char *text); /* a line of news; NULL for none */
    void *message_state;
} iv_study_job;

/* What a population would take. */
typedef struct {
    char name[96]; /* of its runs */
    size_t n_members;
    size_t bytes;   /* device memory, at once */
    double seconds; /* of training, from a few measured steps; with the measurements along the way
                       where they count */
} iv_estimate;

/* One training step, ready to be replayed and timed. */
typedef struct {
    iv_plan *plan; /* a run is one step of all members */
    double flops;  /* of its matrix products, all members together */
    void *state;   /* the study's own */
} iv_study_step;

/* A step at the published size, on made-up data, that `invar bench` knows by name. */
typedef struct {
    const char *name; /* "rotation-4-da" */
    iv_status (*open)(iv_context *context, size_t n_members, iv_study_step *step);
    void (*close)(iv_study_step *step); /* after a successful open */
} iv_study_step_entry;

typedef struct {
    const char *name; /* the spec's `study` */

    /* Refuse what cannot succeed, before a run directory is made (`dir` is not used): IV_EDATA if
     * an image set is missing or damaged, IV_ENOMEM if a population does not fit the device. */
    iv_status (*prepare)(const iv_study_job *job);

    /* Train everything, measure it, write models, splits, logs, checkpoints and figures into the
     * run directory, and fill `results`. Metrics are logged to metrics.jsonl. Errors are in the
     * context's error; IV_EINTERRUPTED leaves a checkpoint that `resume` continues from, bit for
     * bit. */
    iv_status (*run)(const iv_study_job *job, iv_results *results);

    /* Recompute every metric of a finished run from its exported models. Writes nothing. */
    iv_status (*evaluate)(const iv_study_job *job, iv_results *results);

    /* Device memory and time of each population, in order. The caller frees *estimates. */
    iv_status (*estimate)(const iv_study_job *job, iv_estimate **estimates, size_t *n_estimates);

    const iv_study_step_entry *steps; /* ends with a NULL name; NULL for none */
} iv_study;

/* The i-th study's schema, NULL past the last: for iv_spec_load. */
const iv_schema *iv_study_schema(size_t i);

/* The i-th study, or NULL after the last. */
const iv_study *iv_study_get(size_t i);

/* NULL if there is none of that name. */
const iv_study *iv_study_find(const char *name);

#endif

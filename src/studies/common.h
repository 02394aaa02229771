/* What the studies share: model files, checkpoints, the log, names (common.c), curves drawn from
 * the log (curves.c), progress and estimates (timing.c). */
#ifndef INVAR_STUDIES_COMMON_H
#define INVAR_STUDIES_COMMON_H

#include <invar/studies.h>

/* A line of news for the user. */
void study_say(const iv_study_job *job, const char *text);

/* IV_ENOMEM with a message. */
iv_status study_out_of_memory(iv_context *context);

/* A buffer that holds a copy of `bytes` bytes of data. */
iv_status study_upload(iv_context *context, const void *data, size_t bytes, cl_mem *buffer);

/* ------------------------------------------------------------------ model files */

enum { STUDY_PATH = 512 };

/* "models/RUN-seedS.safetensors", in the run directory. */
void study_model_name(const iv_spec_run *run, uint32_t seed, char name[STUDY_PATH]);

/* Write a member's model, with its posterior (NULL: none) and, as metadata, its run and the epoch
 * in which it was found diverged (0: never); or read its parameters and that epoch back
 * (diverged_from NULL: not wanted), which its weights need not tell. */
iv_status study_export(const iv_study_job *job, const iv_parameters *parameters,
                       const iv_posterior *posterior, size_t member, const iv_spec_run *run,
                       uint32_t seed, uint32_t diverged_from);
iv_status study_import(const iv_study_job *job, iv_parameters *parameters, iv_posterior *posterior,
                       size_t member, const iv_spec_run *run, uint32_t seed,
                       uint32_t *diverged_from);

/* ------------------------------------------------------------------ training */

/* A plan whose run is one step, its optimizer, and the loss of the step. */
typedef struct {
    iv_optimizer *optimizer;
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *loss; /* [1] */
    size_t steps_per_epoch;
} study_training;

void study_training_clear(study_training *training); /* a zeroed one is fine */

/* ------------------------------------------------------------------ checkpoints */

/* How far the training of a population has come. */
typedef struct {
    uint32_t step;
    size_t next_epoch; /* whose end comes next */
    size_t n_members;
    float *losses;           /* [n_members] of the last step, once there was one */
    uint32_t *diverged_from; /* [n_members] epoch in which a member was found diverged, 0 if not;
                                NULL where that is not followed */
} study_position;

/* Save population number `index`; first everything logged so far is written out, because the
 * checkpoint says how long the log is. */
iv_status study_save(const iv_study_job *job, iv_log *log, size_t index, iv_parameters *parameters,
                     iv_optimizer *optimizer, iv_posterior *posterior,
                     const study_position *position);

/* The same when the work was stopped: returns the reason it stopped, and keeps its message. */
iv_status study_save_after_interrupt(const iv_study_job *job, iv_log *log, size_t index,
                                     iv_parameters *parameters, iv_optimizer *optimizer,
                                     iv_posterior *posterior, const study_position *position);

/* Read a population back from *file, which is closed and set to NULL. IV_EDATA if it is of another
 * one, or of epochs of another length. */
iv_status study_load(const iv_study_job *job, iv_safetensors **file, iv_parameters *parameters,
                     iv_optimizer *optimizer, iv_posterior *posterior, size_t steps_per_epoch,
                     study_position *position);

/* Train to the end of epoch position->next_epoch of n_epochs and read the losses. Returns IV_OK
 * before that, with position->step short of it, once iv_seconds() is past save_at (0: never). */
iv_status study_train(const iv_study_job *job, const study_training *training,
                      study_position *position, size_t n_epochs, double save_at,
                      const iv_progress *progress, const char *label);

/* Open the log of a run: anew, or, if the job resumes and there is a checkpoint, to go on from it;
 * then *checkpoint is that file (else NULL), and *first the population that it belongs to (else 0).
 */
iv_status study_open_log(const iv_study_job *job, iv_safetensors **checkpoint, iv_log **log,
                         size_t *first);

/* Close the log (NULL is fine) and set it to NULL; a failure to do so is one of a run that was fine
 * so far. */
iv_status study_close_log(const iv_study_job *job, iv_log **log, iv_status status);

/* Mark member r as diverged if its numbers are not `finite` and it was not before, and say so. Such
 * members learn nothing any more; they stay in their population, where the others do not feel them.
 */
void study_follow_divergence(const iv_study_job *job, study_position *position, size_t r,
                             bool finite, size_t epoch, const iv_spec_run *run, uint32_t seed,
                             double learning_rate);
bool study_all_diverged(const study_position *position);

/* ------------------------------------------------------------------ names */

/* "RUN VARIANT x N (I of N_POPULATIONS)": what is being trained, for the progress. */
void study_label(const iv_spec_run *run, size_t n_members, size_t index, size_t n_populations,
                 char label[STUDY_PATH]);

/* Take `piece` out of a list joined by "-"; false if it is not in there. Put spaces for the "-". */
bool study_take_out(char *list, const char *piece);
void study_separate(char *list);

/* ------------------------------------------------------------------ results */

/* Published mean and standard deviation of a metric; NaN if the spec gives none. */
void study_published(const iv_spec *spec, const char *row, const char *run, const char *metric,
                     double *mean, double *std);

/* ------------------------------------------------------------------ curves */

/* Every point of a run's metrics.jsonl, in order. */
typedef struct study_points study_points;
iv_status study_points_read(const iv_study_job *job, study_points **points);
void study_points_free(study_points *points); /* NULL is fine */

/* What a curve shows: a metric of a run on a split. */
typedef struct {
    const char *run, *split, *metric;
    size_t element; /* of an array metric; SIZE_MAX for a number */
    bool by_step;   /* against the logged step instead of the epoch */
    bool magnitude; /* absolute values */
} study_quantity;

/* One curve: means over seeds at each logged epoch or step. Zeroed to begin with. */
typedef struct {
    char label[160];
    double *x, *means, *counts;
    size_t n, capacity;
} study_curve;

/* Fill a curve; it stays empty where nothing of it was logged. IV_ENOMEM. */
iv_status study_curve_fill(const iv_study_job *job, const study_points *points,
                           const study_quantity *quantity, study_curve *curve);
void study_curve_clear(study_curve *curve);

/* Write a plot to the run's figures, and say so if gnuplot is missing. */
iv_status study_plot(const iv_study_job *job, const iv_plot *plot, const char *name);

/* ------------------------------------------------------------------ progress */

/* Progress over all populations as one: steps, weighted by the operations in them. What measuring a
 * population takes is counted as part of its steps. */
typedef struct {
    const iv_progress *outer;
    double done, present, total; /* operations: before the present population, in it, in all */
    uint64_t shown_total;        /* total as a count of steps */
} study_progress;

/* Begin; say what there will be, population by population; then, when one begins, which it is. */
void study_progress_begin(study_progress *progress, const iv_progress *outer);
void study_progress_expect(study_progress *progress, double flops, double n_steps);
void study_progress_population(study_progress *progress, double flops);

/* For what says how far the present population has come. */
iv_progress study_progress_within(study_progress *progress);

/* ------------------------------------------------------------------ estimates */

/* Seconds of one step: the median of a few pieces of so many steps that a piece lasts long enough.
 */
iv_status study_time_steps(iv_context *context, iv_plan *plan, double *seconds);

/* Collect the estimates of n populations, each made by `estimate`. On failure *estimates is NULL.
 */
typedef iv_status (*study_estimate_function)(void *state, size_t index, iv_estimate *estimate);
iv_status study_estimate_each(iv_context *context, size_t n, study_estimate_function estimate,
                              void *state, iv_estimate **estimates, size_t *n_estimates);

#endif

/* Inside the experiment room: what its files do for each other.
 *
 *   driver.c       run and evaluate: populations one after another, trained or read back
 *   populations.c  runs to populations, and how many members at once
 *   members.c      what members have of their own; optimizers and times
 *   trainer.c      training a population: points of the curves, checkpoints, divergence
 *   checkpoint.c   a population's training on disk, and the log that belongs to it
 *   model_file.c   models out and in
 *   rehearse.c     what can be refused beforehand; memory and time
 *   step.c         single training steps, to be timed
 *   runs.c         trained runs: the members' values by run and seed, and the choice among
 *                  alternatives
 *   results.c      from trained runs to results: runs, cells, claims
 *   curves.c       curves drawn from the log
 *   row_curves.c   a figure of them for each row of tables
 *   progress.c     one progress over all populations
 *   together.c     several processes: each trains the populations that it can claim
 *   gather.c       what they have trained to one run
 *   measured.c     what was measured of a population, kept until then
 *   combine.c      finished runs with different seeds to one
 *   plan.c         what they agree on: how the members are divided
 *   hooks.c        a study's optional functions, and what is done where it has none
 *   parts.c        parts that most studies are made of
 *   names.c        names of rows, figures and populations
 */
#ifndef INVAR_EXPERIMENT_INSIDE_H
#define INVAR_EXPERIMENT_INSIDE_H

#include <invar/experiment.h>

/* ------------------------------------------------------------------ open and close */

/* An experiment with its populations, divided to the device (or as its directory's plan says); made up, and x->unread: undivided, of
 * no use but to be closed. */
iv_status experiment_open(const iv_job *job, bool synthetic, iv_experiment *x);
void experiment_close(iv_experiment *x);

/* A population's data and model. */
iv_status experiment_open_model(iv_experiment *x, const iv_population *population,
                                iv_model **model);

/* Refuses batches that do not fit the training set and trainings of too many steps. */
iv_status experiment_create_training(iv_experiment *x, iv_model *model, iv_training *training);

/* ------------------------------------------------------------------ training */

/* Train population number `index` from its initial parameters or from x->checkpoint, logging the
 * curves and saving checkpoints. diverged_from [R] is filled. A population whose members have all
 * diverged is trained no further. */
iv_status experiment_train(iv_experiment *x, size_t index, iv_model *model,
                           uint32_t *diverged_from);

/* [n_members, iv_values_size] of NaN; the caller frees them. NULL if memory runs out. */
double *experiment_values(const iv_study *study, size_t n_members);

/* Number of points of the curves, the one before the first step included. */
size_t experiment_points(const iv_population *population);

/* ------------------------------------------------------------------ model files */

enum { EXPERIMENT_PATH = 512 };

/* "models/RUN-seedS.safetensors", in the run directory. */
void experiment_model_name(const iv_member *member, char name[EXPERIMENT_PATH]);

/* What of a population is saved: its parameters, what the optimizer keeps (NULL: model files need
 * none of it), and what the model says. How many there are. */
enum { EXPERIMENT_STATES = 2 + IV_MAX_MODEL_STATES };
size_t experiment_states(const iv_model *model, const iv_optimizer *optimizer,
                         const iv_state *states[EXPERIMENT_STATES]);

/* Write all members' models with, as metadata, their runs and the epochs in which they were found
 * diverged; or read their parameters and these epochs back, which weights need not tell. */
iv_status experiment_export(const iv_experiment *x, const iv_model *model,
                            const uint32_t *diverged_from);
iv_status experiment_import(const iv_experiment *x, iv_model *model, uint32_t *diverged_from);

/* *all: whether a resumed run finds all models of a population, each written whole or not at all.
 */
iv_status experiment_has_models(const iv_experiment *x, const iv_population *population, bool *all);

/* ------------------------------------------------------------------ checkpoints */

/* Save population number `index`; first everything logged so far is written out, because the
 * checkpoint says how long the log is. */
iv_status experiment_save(const iv_experiment *x, size_t index, const iv_model *model,
                          iv_optimizer *optimizer, const iv_position *position);

/* The same when the work was stopped: returns the reason it stopped, and keeps its message. */
iv_status experiment_save_stopped(const iv_experiment *x, size_t index, const iv_model *model,
                                  iv_optimizer *optimizer, const iv_position *position);

/* Where the boundaries of a training lie: number 0 before the first step, then n more. */
typedef struct {
    size_t steps, steps_between, n;
} experiment_boundaries;

/* Go on from x->checkpoint, which is closed and set to NULL. IV_EDATA if it is of another
 * population, or says what cannot be. */
iv_status experiment_load(iv_experiment *x, iv_model *model, iv_optimizer *optimizer,
                          const experiment_boundaries *boundaries, iv_position *position);

/* Open the log of a run: anew, or, if the job resumes and there is a checkpoint, to go on from it;
 * then x->checkpoint is that file, and *first the population that it belongs to (else 0). IV_EDATA
 * if the checkpoint is damaged or of another spec, or the log is not what it was then. */
iv_status experiment_open_log(iv_experiment *x, size_t *first);

/* Close the log; a failure to do so is one of a run that was fine so far. */
iv_status experiment_close_log(iv_experiment *x, iv_status status);

/* ------------------------------------------------------------------ results so far */

typedef struct {
    double **values;     /* [populations] each [R, iv_values_size] */
    uint32_t **diverged; /* [populations] each [R] */
} experiment_measured;

/* All there is to be measured, as NaN, and not diverged. IV_ENOMEM; cleared in both cases. */
iv_status experiment_measured_create(const iv_experiment *x, experiment_measured *all);
void experiment_measured_clear(const iv_experiment *x, experiment_measured *all);

/* Bring one population to its end, trained here or read back from its models, and measure it. */
iv_status experiment_run_population(iv_experiment *x, size_t index, bool trained, double *values,
                                    uint32_t *diverged_from);

/* One line for each member with what is shown of it in tables. */
void experiment_report_population(const iv_experiment *x, const iv_population *population,
                                  const double *values, const uint32_t *diverged_from);

/* Make results of all that was measured, hand them on, and draw figures. */
iv_status experiment_finish(iv_experiment *x, const experiment_measured *all, iv_results *results);

/* ------------------------------------------------------------------ several processes
 *
 * Population number i (from 0) of a run that several processes work on lies in parts/i+1: leases
 * (report/lease.h); work-N/, in which the holder of claim-N keeps its log and its checkpoint; and, once
 * it is trained, measured.safetensors, which is written last. Models and figures go to the run
 * directory itself: they are replaced whole, by the same bytes. */

/* A folder or file of the run directory: "parts/3/NAME". NULL if memory ran out. */
char *experiment_part(const iv_experiment *x, size_t index, const char *name);

/* Train what can be claimed until all populations are trained, the longest first. *merge: the lease
 * to put everything together; NULL if another process does, or has done, so. */
iv_status experiment_work_together(iv_experiment *x, struct iv_lease **merge);

/* Put the log together, x->log at its end, and read what was measured. */
iv_status experiment_gather(iv_experiment *x, experiment_measured *all);

/* Keep what was measured of a population, and which log belongs to it; and read it back. */
iv_status experiment_keep_measured(const iv_experiment *x, size_t index, const double *values,
                                   const uint32_t *diverged_from, const iv_log_mark *mark);
iv_status experiment_read_measured(const iv_experiment *x, size_t index, double *values,
                                   uint32_t *diverged_from, char work[EXPERIMENT_PATH],
                                   iv_log_mark *mark);

/* Divide populations as the first process of the run did, which may be this one; then parts/plan.json says
 * which there are. IV_ENOMEM if they do not fit the device. */
iv_status experiment_follow_plan(iv_experiment *x);

/* How many members of each undivided population train at once: [n], to be freed. */
size_t *experiment_at_once(const iv_study *study, const iv_device_info *device,
                           const iv_populations *all);
iv_status experiment_split(iv_populations *all, const size_t *at_once, iv_error *error);

/* SHA-256 of the resolved spec. */
iv_status experiment_hash_spec(const iv_experiment *x, char hex[65]);

/* A list of numbers in metadata, " " after each. */
char *experiment_list_epochs(const uint32_t *diverged_from, size_t n);

/* ------------------------------------------------------------------ a study's optional functions
 *
 * As `iv_study` says, with its defaults where the study has none. */

/* The study's functions that make results; all NULL where it has none. */
iv_study_results experiment_results(const iv_study *study);

void experiment_read(const iv_study *study, const iv_node *config, void *setting);
void experiment_row_name(const iv_study *study, const iv_population *population,
                         const iv_spec_run *run, char *name, size_t size);
bool experiment_has_unread(const iv_experiment *x);
iv_status experiment_describe_data(iv_experiment *x, void *setting); /* if some are unread */
iv_status experiment_provide_data(iv_experiment *x, const iv_population *population);
void experiment_clear_data(iv_experiment *x);
iv_status experiment_create_model(iv_experiment *x, const iv_population *population,
                                  iv_model **model);
void experiment_destroy_model(const iv_study *study, iv_model *model); /* NULL is fine */
size_t experiment_sets(const iv_study *study, const iv_population *population,
                       iv_metric_set sets[IV_MAX_SETS]);
size_t experiment_applies(const iv_study *study, const iv_population *population,
                          const iv_member *member, size_t set, size_t metric, bool curve);
iv_status experiment_create_measure(iv_experiment *x, iv_model *model, bool curves, void **measure);
void experiment_destroy_measure(const iv_study *study, void *measure); /* NULL is fine */
iv_status experiment_run_measure(iv_experiment *x, void *measure, const iv_position *position,
                                 double *values);
iv_status experiment_time_measure(iv_experiment *x, const iv_model *model, bool curves,
                                  void *measure, double *seconds);

/* ------------------------------------------------------------------ names */

/* "RUN VARIANT x N (I of N_POPULATIONS)": what is being trained, for the progress. */
void experiment_label(const iv_experiment *x, size_t index, char label[EXPERIMENT_PATH]);

/* ------------------------------------------------------------------ progress */

/* Operations of a population; *steps: of its training. */
double experiment_flops(const iv_experiment *x, const iv_population *population, double *steps);

/* Progress over all populations as one: steps, weighted by the operations in them. What measuring a
 * population takes is counted as part of its steps. */
void experiment_progress_begin(iv_experiment *x);
void experiment_progress_population(iv_experiment *x, const iv_population *population);

/* For what says how far the present population has come. */
iv_progress experiment_progress_within(iv_experiment *x);

#endif

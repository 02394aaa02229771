/* What an experiment would take: everything a population needs is made as for the experiment
 * itself, then a few training steps and parts of measuring are timed. Also what is refused before
 * an experiment begins. */
#include "experiment/experiment.h"

#include "runtime/stop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_PIECES = 5, MIN_TIMED = 2, PROFILED_RUNS = 5 };
static const double piece_seconds = 0.03; /* single steps can take a fraction of a millisecond */
static const double enough_seconds = 3;
static const double batch_seconds = 0.1; /* of measuring */

/* ------------------------------------------------------------------ a step */

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static iv_status time_piece(iv_context *context, iv_plan *plan, uint32_t *step, uint32_t n,
                            double *seconds) {
    const double start = iv_seconds();
    const uint32_t end = *step + n;
    const iv_status status = iv_train(context, plan, step, end, end, 0, NULL, NULL, NULL);
    *seconds = iv_seconds() - start;
    return status;
}

/* The median of a few pieces of so many steps that a piece lasts long enough, and has all launches. */
static iv_status time_steps(iv_context *context, iv_plan *plan, double *seconds) {
    const double start = iv_seconds();
    double pieces[MOST_PIECES];
    size_t n_pieces = 1;
    uint32_t step = 0, n = iv_sequence_period(iv_plan_sequence(plan));
    iv_status status = time_piece(context, plan, &step, n, &pieces[0]); /* warms up */
    if (status == IV_OK) status = time_piece(context, plan, &step, n, &pieces[0]);
    while (status == IV_OK && pieces[0] < piece_seconds) {
        n *= 2;
        status = time_piece(context, plan, &step, n, &pieces[0]);
    }
    while (status == IV_OK && n_pieces < MOST_PIECES && iv_seconds() - start < enough_seconds)
        status = time_piece(context, plan, &step, n, &pieces[n_pieces++]);
    if (status != IV_OK) return status;
    qsort(pieces, n_pieces, sizeof *pieces, by_size);
    *seconds = pieces[n_pieces / 2] / n;
    return IV_OK;
}

/* ------------------------------------------------------------------ measuring */

iv_status iv_time_batches(iv_batch_function run, void *state, size_t n_batches, double *seconds) {
    iv_status status = run(state, 0); /* warms up */
    if (status == IV_OK) status = run(state, 0);
    const double start = iv_seconds();
    size_t n = 0;
    while (status == IV_OK && n < n_batches &&
           (n < MIN_TIMED || iv_seconds() - start < batch_seconds))
        status = run(state, n++);
    *seconds += n > 0 ? (iv_seconds() - start) / (double)n * (double)n_batches : 0;
    return status;
}

/* ------------------------------------------------------------------ a population */

static void take_most(iv_context *context, size_t *bytes) {
    if (iv_context_bytes(context) > *bytes) *bytes = iv_context_bytes(context);
}

/* What training makes, the measure of its curves included. */
static iv_status rehearse_training(iv_experiment *x, iv_model *model, bool timed,
                                   iv_estimate *estimate) {
    const iv_population *p = model->population;
    iv_training training;
    void *curves = NULL;
    double of_step = 0, of_point = 0;
    iv_status status = experiment_create_training(x, model, &training);
    if (status == IV_OK) status = experiment_create_measure(x, model, true, &curves);
    take_most(x->context, &estimate->bytes);
    if (status == IV_OK && timed) status = time_steps(x->context, training.plan, &of_step);
    if (status == IV_OK && timed)
        status = experiment_time_measure(x, model, true, curves, &of_point);
    if (status == IV_OK && timed && x->job->profile)
        status = iv_sequence_profile(iv_plan_sequence(training.plan), 0, PROFILED_RUNS,
                                     &estimate->profile);
    estimate->step_seconds = of_step;
    estimate->seconds +=
        of_step * (double)iv_population_steps(p) + of_point * (double)experiment_points(p);
    experiment_destroy_measure(x->study, curves);
    iv_training_clear(&training);
    return status;
}

/* Make what training and measuring make, one after the other; run some of it if `timed`. */
static iv_status rehearse(iv_experiment *x, const iv_population *p, bool timed,
                          iv_estimate *estimate) {
    iv_model *model;
    iv_work work = {0};
    void *measure = NULL;
    double at_end = 0;
    *estimate = (iv_estimate){.n_members = p->n_members};
    x->study->work(p, &work);
    iv_status status = experiment_open_model(x, p, &model);
    if (status == IV_OK && work.fit_steps == 0)
        status = rehearse_training(x, model, timed, estimate);
    if (status == IV_OK) status = experiment_create_measure(x, model, false, &measure);
    take_most(x->context, &estimate->bytes);
    if (status == IV_OK && timed)
        status = experiment_time_measure(x, model, false, measure, &at_end);
    estimate->seconds += at_end;
    experiment_destroy_measure(x->study, measure);
    experiment_destroy_model(x->study, model);
    return status;
}

/* ------------------------------------------------------------------ all of them */

iv_status iv_experiment_prepare(const iv_job *job) {
    iv_experiment x;
    iv_status status = experiment_open(job, false, &x);
    if (status != IV_OK) return status;
    for (size_t i = 0; i < x.populations.n && status == IV_OK; i++) {
        iv_estimate estimate;
        if (iv_stop_is_asked(job->stop))
            status = iv_fail(iv_context_error(job->context), IV_EINTERRUPTED,
                             "interrupted before anything was written");
        else
            status = rehearse(&x, &x.populations.items[i], false, &estimate);
    }
    experiment_close(&x);
    return status;
}

void iv_estimates_destroy(iv_estimate *estimates, size_t n_estimates) {
    for (size_t i = 0; estimates && i < n_estimates; i++) iv_profile_clear(&estimates[i].profile);
    free(estimates);
}

iv_status iv_experiment_estimate(const iv_job *job, iv_estimate **estimates, size_t *n_estimates) {
    iv_experiment x;
    *estimates = NULL;
    *n_estimates = 0;
    iv_status status = experiment_open(job, true, &x);
    if (status != IV_OK) return status;
    const size_t n = x.unread ? 0 : x.populations.n;
    iv_estimate *all = calloc(n + 1, sizeof *all);
    if (!all) status = iv_no_memory(job->context);
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        const iv_spec_run *run = x.populations.items[i].members[0].run;
        status = rehearse(&x, &x.populations.items[i], true, &all[i]);
        snprintf(all[i].name, sizeof all[i].name, "%.60s%s%.32s", run->column,
                 *run->variant ? " " : "", run->variant);
    }
    experiment_close(&x);
    if (status != IV_OK) {
        iv_estimates_destroy(all, n);
        return status;
    }
    *estimates = all;
    *n_estimates = n;
    return IV_OK;
}

/* Experiments: populations one after another, trained or read back from their models, measured, and
 * what comes of them. */
#include "experiment/experiment.h"

#include "report/lease.h"
#include "runtime/numeric.h"
#include "runtime/stop.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ for studies */

void iv_experiment_say(const iv_experiment *x, const char *text) {
    if (x->job->message) x->job->message(x->job->message_state, text);
}

static void warn(const iv_experiment *x, const char *text) {
    if (x->job->warning) x->job->warning(x->job->message_state, text);
}

void iv_experiment_plotted(const iv_experiment *x, const char *name, iv_status status, bool drawn) {
    iv_error *error = iv_context_error(x->context);
    char line[sizeof error->message + 1024];
    if (status == IV_OK && !drawn) iv_experiment_say(x, iv_gnuplot_missing);
    if (status == IV_OK) return;
    snprintf(line, sizeof line,
             "note: a figure is not drawn: %s; `cd %.700s/figures && gnuplot %.200s.gp` draws it",
             error->message, iv_run_dir_path(x->job->dir), name);
    warn(x, line);
    iv_error_clear(error);
}

/* Of a picture: its failure costs no result, and is said. A request to stop is no failure of it. */
static iv_status without_picture(const iv_experiment *x, iv_status status) {
    if (status == IV_OK || status == IV_EINTERRUPTED) return status;
    iv_error *error = iv_context_error(x->context);
    char line[sizeof error->message + 64];
    snprintf(line, sizeof line, "note: a figure is not drawn: %s", error->message);
    warn(x, line);
    iv_error_clear(error);
    return IV_OK;
}

iv_status iv_experiment_stopped(const iv_experiment *x) {
    if (!iv_stop_is_asked(x->job->stop)) return IV_OK;
    return iv_fail(iv_context_error(x->context), IV_EINTERRUPTED, "interrupted");
}

iv_status(iv_no_memory)(iv_context *context) {
    return iv_fail(iv_context_error(context), IV_ENOMEM, "out of memory");
}

bool iv_experiment_draws(const iv_experiment *x, const char *figure) {
    return x->log && iv_spec_lists(iv_spec_root(x->job->spec), "figures.names", figure);
}

bool iv_experiment_shows(const iv_experiment *x, const iv_member *member) {
    const iv_node *first = iv_spec_element(iv_spec_root(x->job->spec), "seeds", 0);
    return member->seed == (uint32_t)iv_spec_integer(first, "");
}

/* ------------------------------------------------------------------ open and close */

/* Settings as they are when the data have been looked at. */
static iv_status describe_data(iv_experiment *x) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < x->populations.n_settings && status == IV_OK; i++)
        status = experiment_describe_data(x, x->populations.settings[i]);
    return status;
}

iv_status experiment_open(const iv_job *job, bool synthetic, iv_experiment *x) {
    iv_error *error = iv_context_error(job->context);
    *x = (iv_experiment){
        .job = job, .study = job->study, .context = job->context, .synthetic = synthetic};
    x->data =
        calloc(1, (job->study->data ? job->study->data->size : 0) + 1); /* a study may have none */
    if (!x->data) return iv_no_memory(job->context);
    iv_status status = iv_populations_create(job->study, job->spec, &x->populations, error);
    if (status == IV_OK) x->unread = experiment_has_unread(x);
    if (status == IV_OK && synthetic && x->unread) return IV_OK;
    if (status == IV_OK && x->unread) status = describe_data(x);
    if (status == IV_OK)
        status = job->join && job->dir && !synthetic
                     ? experiment_follow_plan(x)
                     : iv_populations_split(job->study, iv_context_device(job->context),
                                            &x->populations, error);
    if (status != IV_OK) experiment_close(x);
    return status;
}

void experiment_close(iv_experiment *x) {
    if (x->data) experiment_clear_data(x);
    free(x->data);
    iv_safetensors_close(x->checkpoint);
    iv_populations_clear(&x->populations);
    *x = (iv_experiment){0};
}

iv_status experiment_open_model(iv_experiment *x, const iv_population *population,
                                iv_model **model) {
    *model = NULL;
    const iv_status status = experiment_provide_data(x, population);
    return status == IV_OK ? experiment_create_model(x, population, model) : status;
}

void iv_training_clear(iv_training *t) {
    iv_plan_destroy(t->plan);
    iv_graph_destroy(t->graph);
    iv_optimizer_destroy(t->optimizer);
    memset(t, 0, sizeof *t);
}

iv_status experiment_create_training(iv_experiment *x, iv_model *model, iv_training *training) {
    const iv_population *p = model->population;
    iv_error *error = iv_context_error(x->context);
    memset(training, 0, sizeof *training);
    if (p->batch > p->n_train)
        return iv_fail(error, IV_EINVAL, "training.batch: %zu does not fit %zu training samples",
                       p->batch, p->n_train);
    if (p->epochs > (UINT32_MAX - 1) / p->steps_per_epoch)
        return iv_fail(error, IV_EINVAL,
                       "training.epochs: %zu epochs of %zu steps, expected fewer than 2^32 steps",
                       p->epochs, p->steps_per_epoch);
    const iv_status status = x->study->models->create_training(x, model, training);
    if (status != IV_OK) iv_training_clear(training);
    return status;
}

/* ------------------------------------------------------------------ one population */

static bool is_fitted(const iv_experiment *x, const iv_population *p) {
    iv_work work = {0};
    x->study->work(p, &work);
    return work.fit_steps > 0;
}

static iv_status train_population(iv_experiment *x, size_t index, iv_model *model,
                                  uint32_t *diverged_from) {
    const iv_progress progress = experiment_progress_within(x);
    iv_status status =
        x->study->data && x->study->data->save ? x->study->data->save(x, model->population) : IV_OK;
    if (status == IV_OK)
        status = is_fitted(x, model->population) ? x->study->models->fit(x, model, &progress)
                                                 : experiment_train(x, index, model, diverged_from);
    return status == IV_OK ? experiment_export(x, model, diverged_from) : status;
}

static iv_status measure_population(iv_experiment *x, iv_model *model, double *values) {
    void *measure;
    iv_status status = experiment_create_measure(x, model, false, &measure);
    if (status != IV_OK) return status;
    status = experiment_run_measure(x, measure, NULL, values);
    experiment_destroy_measure(x->study, measure);
    return status;
}

/* Fitting is not saved along the way: a resumed run reads back what is there. */
iv_status experiment_run_population(iv_experiment *x, size_t index, bool trained, double *values,
                                    uint32_t *diverged_from) {
    const iv_population *p = &x->populations.items[index];
    iv_model *model;
    iv_status status = IV_OK;
    if (!trained && is_fitted(x, p)) status = experiment_has_models(x, p, &trained);
    if (status != IV_OK) return status;
    status = experiment_open_model(x, p, &model);
    if (status == IV_OK)
        status = trained ? experiment_import(x, model, diverged_from)
                         : train_population(x, index, model, diverged_from);
    if (status == IV_OK) status = measure_population(x, model, values);
    if (status == IV_OK && x->training && x->study->results && x->study->results->draw_population)
        status = without_picture(x, x->study->results->draw_population(x, model));
    experiment_destroy_model(x->study, model);
    return status;
}

void experiment_report_population(const iv_experiment *x, const iv_population *p,
                                  const double *values, const uint32_t *diverged_from) {
    const iv_study *study = x->study;
    for (size_t r = 0; r < p->n_members; r++) {
        if (diverged_from[r] > 0) continue; /* has been said */
        char line[512];
        size_t n = (size_t)snprintf(line, sizeof line, "%.256s seed %" PRIu32 ":",
                                    p->members[r].run->name, p->members[r].seed);
        const iv_metric_def *def;
        for (size_t m = 0; (def = study->schema->metric(m)) && n < sizeof line; m++) {
            if (def->most > 0 || (def->flags & IV_METRIC_CURVE_ONLY)) continue;
            if (experiment_applies(study, p, &p->members[r], 0, m, false) == 0) continue;
            const double value = values[r * iv_values_size(study) + iv_value_index(study, 0, m)];
            n += (size_t)snprintf(line + n, sizeof line - n, " %s %.4g", def->name, value);
        }
        iv_experiment_say(x, line);
    }
}

/* ------------------------------------------------------------------ all of them */

iv_status experiment_measured_create(const iv_experiment *x, experiment_measured *all) {
    const size_t n = x->populations.n;
    *all = (experiment_measured){calloc(n, sizeof *all->values), calloc(n, sizeof *all->diverged)};
    if (!all->values || !all->diverged) return iv_no_memory(x->context);
    for (size_t i = 0; i < n; i++) {
        const size_t n_members = x->populations.items[i].n_members;
        all->values[i] = experiment_values(x->study, n_members);
        all->diverged[i] = calloc(n_members, sizeof **all->diverged);
        if (!all->values[i] || !all->diverged[i]) return iv_no_memory(x->context);
    }
    return IV_OK;
}

void experiment_measured_clear(const iv_experiment *x, experiment_measured *all) {
    for (size_t i = 0; i < x->populations.n; i++) {
        if (all->values) free(all->values[i]);
        if (all->diverged) free(all->diverged[i]);
    }
    free(all->values);
    free(all->diverged);
    *all = (experiment_measured){0};
}

static iv_status run_all(iv_experiment *x, size_t first, experiment_measured *all) {
    const iv_populations *populations = &x->populations;
    iv_status status = IV_OK;
    for (size_t i = 0; i < populations->n && status == IV_OK; i++) {
        const iv_population *p = &populations->items[i];
        experiment_progress_population(x, p);
        status = experiment_run_population(x, i, i < first, all->values[i], all->diverged[i]);
        if (status == IV_OK && x->training)
            experiment_report_population(x, p, all->values[i], all->diverged[i]);
        if (status == IV_OK && !x->training)
            iv_progress_update(x->job->progress, "measuring", i + 1, populations->n);
    }
    return status;
}

iv_status experiment_finish(iv_experiment *x, const experiment_measured *all, iv_results *results) {
    iv_error *error = iv_context_error(x->context);
    iv_trained_runs runs = {0};
    iv_status status = iv_trained_runs_create(x->study, x->job->spec, &x->populations, all->values,
                                              all->diverged, &runs, error);
    if (status == IV_OK) status = iv_trained_fill(&runs, results, error);
    if (status == IV_OK && x->training) status = iv_log_flush(x->log, NULL, error);
    if (status == IV_OK && x->job->measured)
        status = x->job->measured(x->job->measured_state, results);
    if (status == IV_OK && x->training && x->study->results && x->study->results->draw)
        status = without_picture(x, x->study->results->draw(x, &runs));
    iv_trained_runs_clear(&runs);
    return status;
}

static iv_status end(const iv_experiment *x, iv_status status) {
    if (status != IV_OK || !x->job->ended) return status;
    return x->job->ended(x->job->measured_state);
}

/* One process does it all, population after population. */
static iv_status run_alone(iv_experiment *x, experiment_measured *all, iv_results *results) {
    size_t first = x->populations.n; /* all are read back */
    iv_status status = x->training ? experiment_open_log(x, &first) : IV_OK;
    if (status == IV_OK) status = run_all(x, first, all);
    if (status == IV_OK) status = experiment_finish(x, all, results);
    if (x->training) status = experiment_close_log(x, status);
    return end(x, status);
}

/* One of several. Whoever puts the parts together keeps the others waiting until all is written. */
static iv_status run_together(iv_experiment *x, experiment_measured *all, iv_results *results) {
    iv_lease *merge = NULL;
    iv_status status = experiment_work_together(x, &merge);
    if (status != IV_OK || !merge) return status;
    status = experiment_gather(x, all);
    if (status == IV_OK) status = experiment_finish(x, all, results);
    status = end(x, experiment_close_log(x, status));
    if (status == IV_OK)
        status =
            iv_run_dir_remove_parts(iv_run_dir_path(x->job->dir), iv_context_error(x->context));
    iv_lease_release(merge, status == IV_OK ? NULL : iv_context_error(x->context)->message);
    return status;
}

static iv_status run_experiment(const iv_job *job, bool training, iv_results *results) {
    iv_experiment x;
    experiment_measured all;
    iv_status status = experiment_open(job, false, &x);
    if (status != IV_OK) return status;
    x.training = training;
    status = experiment_measured_create(&x, &all);
    experiment_progress_begin(&x);
    if (status == IV_OK)
        status = (training && job->join ? run_together : run_alone)(&x, &all, results);
    experiment_measured_clear(&x, &all);
    experiment_close(&x);
    return status;
}

static iv_status run_plainly(const iv_job *job, bool training, iv_results *results) {
    const iv_numeric numeric = iv_numeric_begin();
    const iv_status status = run_experiment(job, training, results);
    iv_numeric_end(numeric);
    return status;
}

iv_status iv_experiment_run(const iv_job *job, iv_results *results) {
    return run_plainly(job, true, results);
}

iv_status iv_experiment_evaluate(const iv_job *job, iv_results *results) {
    return run_plainly(job, false, results);
}

/* Calls of a study's optional functions, with what is done where it has none. */
#include "experiment/experiment.h"

#include <stdio.h>
#include <stdlib.h>

void experiment_read(const iv_study *study, const iv_node *config, void *setting) {
    if (study->read) study->read(config, setting);
}

iv_study_results experiment_results(const iv_study *study) {
    return study->results ? *study->results : (iv_study_results){0};
}

void experiment_row_name(const iv_study *study, const iv_population *population,
                         const iv_spec_run *run, char *name, size_t size) {
    const iv_study_results results = experiment_results(study);
    if (results.row_name) {
        results.row_name(population, run, name, size);
        return;
    }
    snprintf(name, size, "%s", *run->variant ? run->variant : "all");
    iv_name_spaces(name);
}

iv_status experiment_provide_data(iv_experiment *x, const iv_population *population) {
    return x->study->data ? x->study->data->provide(x, population, x->data) : IV_OK;
}

bool experiment_has_unread(const iv_experiment *x) {
    bool unread = false;
    for (size_t i = 0; i < x->populations.n_settings && x->study->data; i++)
        unread |=
            x->study->data->is_unread && x->study->data->is_unread(x->populations.settings[i]);
    return unread;
}

iv_status experiment_describe_data(iv_experiment *x, void *setting) {
    const iv_study_data *data = x->study->data;
    return data->is_unread(setting) ? data->describe(x, x->data, setting) : IV_OK;
}

void experiment_clear_data(iv_experiment *x) {
    if (x->study->data) x->study->data->clear(x->context, x->data);
}

iv_status experiment_create_model(iv_experiment *x, const iv_population *population,
                                  iv_model **out) {
    const iv_study_models *models = x->study->models;
    iv_model *model = *out = calloc(1, models->size > 0 ? models->size : sizeof *model);
    if (!model) return iv_no_memory(x->context);
    model->context = x->context;
    model->population = population;
    const iv_status status = models->create(x, model);
    if (status != IV_OK) {
        experiment_destroy_model(x->study, model);
        *out = NULL;
    }
    return status;
}

void experiment_destroy_model(const iv_study *study, iv_model *model) {
    if (!model) return;
    if (study->models->clear) study->models->clear(model);
    iv_parameters_destroy(model->parameters);
    free(model);
}

size_t experiment_sets(const iv_study *study, const iv_population *population,
                       iv_metric_set sets[IV_MAX_SETS]) {
    if (study->sets && study->sets->sets) return study->sets->sets(population, sets);
    sets[0] = (iv_metric_set){"", IV_SPLIT_TEST};
    return 1;
}

size_t experiment_applies(const iv_study *study, const iv_population *population,
                          const iv_member *member, size_t set, size_t metric, bool curve) {
    if (study->sets && study->sets->applies)
        return study->sets->applies(population, member, set, metric, curve);
    const iv_metric_def *def = study->schema->metric(metric);
    return def->most > 0 ? def->most : 1;
}

/* ------------------------------------------------------------------ measuring */

/* One run of one plan, of studies that measure so. */
typedef struct {
    const iv_model *model;
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *output;
    float *values; /* [R, elements] */
} single_measure;

static void close_single(single_measure *m) {
    iv_plan_destroy(m->plan);
    iv_graph_destroy(m->graph);
    free(m->values);
}

static iv_status open_single(iv_experiment *x, const iv_model *model, single_measure *m) {
    const size_t n_members = model->population->n_members;
    m->model = model;
    iv_status status = iv_graph_create(x->context, n_members, &m->graph);
    if (status != IV_OK) return status;
    m->output = x->study->measures->build(x, model, m->graph);
    status = iv_graph_compile(m->graph, &m->output, 1, &m->plan);
    if (status != IV_OK) return status;
    m->values = calloc(n_members * iv_elements(m->output), sizeof *m->values);
    return m->values ? IV_OK : iv_no_memory(x->context);
}

static iv_status run_single(iv_experiment *x, single_measure *m, const iv_position *position,
                            double *values) {
    iv_status status = iv_experiment_stopped(x);
    if (status == IV_OK) status = iv_plan_run(m->plan, 0);
    if (status == IV_OK) status = iv_plan_read(m->plan, m->output, m->values);
    if (status == IV_OK) x->study->measures->take(x, m->model, m->values, position, values);
    return status;
}

iv_status experiment_create_measure(iv_experiment *x, iv_model *model, bool curves,
                                    void **measure) {
    const iv_study_measures *measures = x->study->measures;
    *measure = calloc(1, measures->open ? measures->size : sizeof(single_measure));
    if (!*measure) return iv_no_memory(x->context);
    const iv_status status =
        measures->open ? measures->open(model, curves, *measure) : open_single(x, model, *measure);
    if (status != IV_OK) {
        experiment_destroy_measure(x->study, *measure);
        *measure = NULL;
    }
    return status;
}

void experiment_destroy_measure(const iv_study *study, void *measure) {
    if (!measure) return;
    if (study->measures->open)
        study->measures->close(measure);
    else
        close_single(measure);
    free(measure);
}

iv_status experiment_run_measure(iv_experiment *x, void *measure, const iv_position *position,
                                 double *values) {
    return x->study->measures->open ? x->study->measures->run(x, measure, position, values)
                                    : run_single(x, measure, position, values);
}

/* As along the way, with losses of 0. */
static iv_status time_run(iv_experiment *x, const iv_model *model, bool curves, void *measure,
                          double *seconds) {
    const size_t n = model->population->n_members;
    const iv_position position = {.n_members = n,
                                  .losses = calloc(n, sizeof(float)),
                                  .diverged_from = calloc(n, sizeof(uint32_t))};
    double *values = experiment_values(x->study, n);
    const double start = iv_seconds();
    const iv_status status =
        position.losses && position.diverged_from && values
            ? experiment_run_measure(x, measure, curves ? &position : NULL, values)
            : iv_no_memory(x->context);
    *seconds = iv_seconds() - start;
    free(position.losses);
    free(position.diverged_from);
    free(values);
    return status;
}

iv_status experiment_time_measure(iv_experiment *x, const iv_model *model, bool curves,
                                  void *measure, double *seconds) {
    *seconds = 0;
    if (x->study->measures->time) return x->study->measures->time(measure, seconds);
    return time_run(x, model, curves, measure, seconds);
}

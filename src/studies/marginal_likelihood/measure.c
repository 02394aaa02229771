/* Accuracy and bound of a population. Logits come back to the host, where softmax and sums are
 * taken in double and in order: rows past a set's end are left out, and a member's numbers do not
 * depend on its population. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One of the two sets with its plan. */
typedef struct {
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *logits;     /* [B, C] */
    const uint8_t *labels; /* [n], on the host */
    size_t n, batch;
} pass;

typedef struct {
    iv_model *model;
    bool curves; /* along the way: none of what follows is open */
    pass train, test;
    iv_sequence *sample; /* draws W2; NULL for point estimates */
    float *logits;       /* host: [R, B, C] */
    double *sums;        /* [R] */
} ml_measure;

static const ml_model *networks(const ml_measure *m) {
    return (const ml_model *)m->model;
}

static bool is_regression(const ml_measure *m) {
    return ml_setting_of(m->model->population)->sgpr;
}

static iv_status open_pass(const ml_model *m, bool test, pass *p) {
    const iv_population *population = m->base.population;
    p->n = test ? m->setting->n_test : population->n_train;
    p->batch = m->setting->rings ? p->n : ML_MEASURE_BATCH;
    p->labels = m->data->host_labels + (test ? m->data->first_test : 0);
    iv_status status = iv_graph_create(m->base.context, population->n_members, &p->graph);
    if (status != IV_OK) return status;

    iv_tensor *tensors[ML_N_PARAMETERS], *x, *labels;
    ml_model_tensors(m, p->graph, tensors);
    ml_model_batch(m, p->graph, test, false, p->batch, &x, &labels);
    iv_tensor *features = ml_model_features(m, p->graph, tensors, x, IV_STREAM_EVALUATION);
    p->logits = ml_model_logits(m, p->graph, features, !test);
    return iv_graph_compile(p->graph, &p->logits, 1, &p->plan);
}

static void close_pass(pass *p) {
    iv_plan_destroy(p->plan);
    iv_graph_destroy(p->graph);
}

static iv_status open_passes(ml_measure *m) {
    iv_context *context = m->model->context;
    const ml_setting *s = networks(m)->setting;
    const size_t n_members = m->model->population->n_members;
    iv_status status = open_pass(networks(m), false, &m->train);
    if (status == IV_OK) status = open_pass(networks(m), true, &m->test);
    if (status == IV_OK && !s->point) status = iv_sequence_create(context, &m->sample);
    if (status == IV_OK && !s->point)
        status = iv_posterior_append_sample(m->model->posterior, m->sample, IV_STREAM_EVALUATION);
    if (status != IV_OK) return status;
    const size_t rows = m->train.batch > m->test.batch ? m->train.batch : m->test.batch;
    m->logits = malloc(n_members * rows * s->n_classes * sizeof *m->logits);
    m->sums = malloc(n_members * sizeof *m->sums);
    return m->logits && m->sums ? IV_OK : iv_no_memory(context);
}

static void destroy(void *measure) {
    ml_measure *m = measure;
    if (!m) return;
    close_pass(&m->train);
    close_pass(&m->test);
    iv_sequence_destroy(m->sample);
    free(m->logits);
    free(m->sums);
    free(m);
}

static iv_status create(iv_experiment *x, iv_model *model, bool curves, void **out) {
    ml_measure *m = *out = calloc(1, sizeof *m);
    if (!m) return iv_no_memory(x->context);
    m->model = model;
    m->curves = curves;
    const iv_status status = curves || is_regression(m) ? IV_OK : open_passes(m);
    if (status != IV_OK) {
        destroy(m);
        *out = NULL;
    }
    return status;
}

/* ------------------------------------------------------------------ one sample */

static double cross_entropy(const float *logits, size_t n_classes, size_t label) {
    double largest = -INFINITY, sum = 0;
    for (size_t c = 0; c < n_classes; c++)
        if (logits[c] > largest) largest = logits[c];
    for (size_t c = 0; c < n_classes; c++) sum += exp((double)logits[c] - largest);
    return log(sum) + largest - (double)logits[label];
}

/* The first class among equals; nothing is right among logits that are not numbers. */
static double is_right(const float *logits, size_t n_classes, size_t label) {
    size_t best = 0;
    for (size_t c = 0; c < n_classes; c++) {
        if (isnan(logits[c])) return 0;
        if (logits[c] > logits[best]) best = c;
    }
    return best == label;
}

/* ------------------------------------------------------------------ sums */

static size_t count_batches(const pass *p) {
    return (p->n + p->batch - 1) / p->batch;
}

/* Add a batch to the sums: cross-entropies of the training set, or right answers of the test set.
 */
static iv_status add_batch(ml_measure *m, const pass *p, size_t index) {
    const bool training = p == &m->train;
    const size_t n_classes = networks(m)->setting->n_classes, first = index * p->batch;
    const size_t left = p->n - first, valid = left < p->batch ? left : p->batch;
    iv_status status = IV_OK;
    if (training && m->sample)
        status = iv_sequence_run(m->sample, ML_SAMPLE_STEPS + (uint32_t)index);
    if (status == IV_OK) status = iv_plan_run(p->plan, (uint32_t)index);
    if (status == IV_OK) status = iv_plan_read(p->plan, p->logits, m->logits);
    for (size_t r = 0; r < m->model->population->n_members && status == IV_OK; r++)
        for (size_t i = 0; i < valid; i++) {
            const float *logits = m->logits + (r * p->batch + i) * n_classes;
            const size_t label = p->labels[first + i];
            m->sums[r] += training ? cross_entropy(logits, n_classes, label)
                                   : is_right(logits, n_classes, label);
        }
    return status;
}

/* Means over a pass, one for each member, into a metric's values. */
static iv_status run_pass(const iv_experiment *x, ml_measure *m, const pass *p, ml_metric metric,
                          double *values) {
    const size_t n_members = m->model->population->n_members;
    memset(m->sums, 0, n_members * sizeof *m->sums);
    iv_status status = IV_OK;
    for (size_t i = 0; i < count_batches(p) && status == IV_OK; i++) {
        status = iv_experiment_stopped(x);
        if (status == IV_OK) status = add_batch(m, p, i);
    }
    for (size_t r = 0; r < n_members && status == IV_OK; r++)
        values[r * iv_values_size(&ml_study) + iv_value_index(&ml_study, 0, metric)] =
            m->sums[r] / (double)p->n;
    return status;
}

/* ------------------------------------------------------------------ parameters */

double ml_degrees(double radians) {
    return fabs(radians) * 57.29577951308232;
}

static double *value(double *values, size_t r, ml_metric metric) {
    return values + r * iv_values_size(&ml_study) + iv_value_index(&ml_study, 0, metric);
}

static iv_status put_eta(const ml_model *model, double *values) {
    const iv_population *p = model->base.population;
    float *eta = malloc(p->n_members * IV_N_GENERATORS * sizeof *eta);
    const iv_status status = eta ? ml_model_eta(model, eta) : iv_no_memory(model->base.context);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        double *own = value(values, r, ML_ETA_VALUES);
        for (size_t i = 0; i < IV_N_GENERATORS; i++) own[i] = (double)eta[r * IV_N_GENERATORS + i];
        *value(values, r, ML_DEGREES) =
            model->setting->invariant ? ml_degrees(own[ML_ROTATION]) : (double)NAN;
    }
    free(eta);
    return status;
}

static iv_status put_bound(const ml_model *model, double *values) {
    const iv_population *p = model->base.population;
    double *kl = calloc(p->n_members, sizeof *kl);
    const iv_status status =
        kl ? iv_posterior_kl(model->base.posterior, kl) : iv_no_memory(model->base.context);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        *value(values, r, ML_KL) = kl[r];
        *value(values, r, ML_ELBO) =
            -(*value(values, r, ML_CROSS_ENTROPY) + kl[r] / (double)p->n_train);
    }
    free(kl);
    return status;
}

/* ------------------------------------------------------------------ along the way */

static iv_status read_kl(const ml_model *model, size_t r, float *kl) {
    const iv_view view = iv_posterior_kl_view(model->base.posterior);
    return iv_buffer_read(model->base.context, view.buffer,
                          (view.offset + r * view.stride) * sizeof *kl, sizeof *kl, kl);
}

static iv_status measure_point(const iv_experiment *x, const ml_model *model,
                               const iv_position *position, double *values) {
    const iv_population *p = model->base.population;
    iv_status status = put_eta(model, values);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        float kl = 0;
        if (!model->setting->point) status = read_kl(model, r, &kl);
        *value(values, r, ML_ELBO_ESTIMATE) =
            -((double)position->losses[r] + (double)kl / (double)p->n_train);
    }
    return status == IV_OK ? ml_snapshot(x, model, position->step) : status;
}

static iv_status run(iv_experiment *x, void *measure, const iv_position *position, double *values) {
    ml_measure *m = measure;
    if (is_regression(m)) return ml_sgpr_measure(m->model, values);
    if (m->curves) return measure_point(x, networks(m), position, values);
    iv_status status = run_pass(x, m, &m->train, ML_CROSS_ENTROPY, values);
    if (status == IV_OK) status = run_pass(x, m, &m->test, ML_ACCURACY, values);
    if (status == IV_OK) status = put_eta(networks(m), values);
    return status == IV_OK ? put_bound(networks(m), values) : status;
}

/* ------------------------------------------------------------------ time */

typedef struct {
    ml_measure *m;
    const pass *p;
} timed;

static iv_status run_batch(void *state, size_t batch) {
    const timed *t = state;
    return add_batch(t->m, t->p, batch);
}

static iv_status measure_time(void *measure, double *seconds) {
    ml_measure *m = measure;
    timed train = {m, &m->train}, test = {m, &m->test};
    *seconds = 0;
    if (is_regression(m)) return ml_sgpr_time(m->model, seconds);
    if (m->curves) return IV_OK; /* reads a few numbers */
    memset(m->sums, 0, m->model->population->n_members * sizeof *m->sums);
    const iv_status status = iv_time_batches(run_batch, &train, count_batches(train.p), seconds);
    return status == IV_OK ? iv_time_batches(run_batch, &test, count_batches(test.p), seconds)
                           : status;
}

const iv_study_measures ml_measures = {
    .sets = ml_sets,
    .applies = ml_applies,
    .create = create,
    .destroy = destroy,
    .run = run,
    .time = measure_time,
};

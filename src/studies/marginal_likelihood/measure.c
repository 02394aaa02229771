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
        status =
            iv_posterior_append_sample(networks(m)->posterior, m->sample, IV_STREAM_EVALUATION);
    if (status != IV_OK) return status;
    const size_t rows = m->train.batch > m->test.batch ? m->train.batch : m->test.batch;
    m->logits = malloc(n_members * rows * s->images.n_classes * sizeof *m->logits);
    m->sums = malloc(n_members * sizeof *m->sums);
    return m->logits && m->sums ? IV_OK : iv_no_memory(context);
}

static void close_measure(void *measure) {
    ml_measure *m = measure;
    close_pass(&m->train);
    close_pass(&m->test);
    iv_sequence_destroy(m->sample);
    free(m->logits);
    free(m->sums);
}

static iv_status open_measure(iv_model *model, bool curves, void *measure) {
    ml_measure *m = measure;
    m->model = model;
    m->curves = curves;
    return curves || is_regression(m) ? IV_OK : open_passes(m);
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
    const size_t n_classes = networks(m)->setting->images.n_classes, first = index * p->batch;
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

/* Means over a pass: [R]. */
static iv_status run_pass(const iv_experiment *x, ml_measure *m, const pass *p, double *means) {
    const size_t n_members = m->model->population->n_members;
    memset(m->sums, 0, n_members * sizeof *m->sums);
    iv_status status = IV_OK;
    for (size_t i = 0; i < count_batches(p) && status == IV_OK; i++) {
        status = iv_experiment_stopped(x);
        if (status == IV_OK) status = add_batch(m, p, i);
    }
    for (size_t r = 0; r < n_members && status == IV_OK; r++) means[r] = m->sums[r] / (double)p->n;
    return status;
}

/* ------------------------------------------------------------------ numbers of all members */

/* [R] each, but for eta [R, 6]. */
typedef struct {
    double *accuracy, *cross_entropy, *kl;
    float *eta, *alpha, *sigma;
} numbers;

static iv_status create_numbers(iv_context *context, size_t n, numbers *all) {
    *all = (numbers){.accuracy = calloc(n, sizeof(double)),
                     .cross_entropy = calloc(n, sizeof(double)),
                     .kl = calloc(n, sizeof(double)),
                     .eta = calloc(n * IV_N_GENERATORS, sizeof(float)),
                     .alpha = calloc(n, sizeof(float)),
                     .sigma = calloc(n, sizeof(float))};
    return all->accuracy && all->cross_entropy && all->kl && all->eta && all->alpha && all->sigma
               ? IV_OK
               : iv_no_memory(context);
}

static void destroy_numbers(numbers *all) {
    free(all->accuracy);
    free(all->cross_entropy);
    free(all->kl);
    free(all->eta);
    free(all->alpha);
    free(all->sigma);
}

static iv_status measure_end(const iv_experiment *x, ml_measure *m, numbers *all) {
    iv_status status = run_pass(x, m, &m->train, all->cross_entropy);
    if (status == IV_OK) status = run_pass(x, m, &m->test, all->accuracy);
    return status == IV_OK ? iv_posterior_kl(networks(m)->posterior, all->kl) : status;
}

/* KLs of the last step; 0 of point estimates. */
static iv_status read_kl(const ml_model *model, double *kl) {
    const iv_view view = iv_posterior_kl_view(model->posterior);
    iv_status status = IV_OK;
    for (size_t r = 0; r < model->base.population->n_members && status == IV_OK; r++) {
        float value = 0;
        if (!model->setting->point)
            status = iv_buffer_read(model->base.context, view.buffer,
                                    (view.offset + r * view.stride) * sizeof value, sizeof value,
                                    &value);
        kl[r] = (double)value;
    }
    return status;
}

static iv_status measure_networks(iv_experiment *x, ml_measure *m, const iv_position *position,
                                  double *values) {
    const iv_population *p = m->model->population;
    numbers all;
    iv_status status = create_numbers(x->context, p->n_members, &all);
    if (status == IV_OK) status = ml_model_eta(networks(m), all.eta);
    if (status == IV_OK) status = ml_model_sigma(networks(m), all.sigma);
    if (status == IV_OK) status = iv_posterior_prior(networks(m)->posterior, all.alpha);
    if (status == IV_OK && m->curves) status = read_kl(networks(m), all.kl);
    if (status == IV_OK && m->curves) status = ml_snapshot(x, networks(m), position->step);
    if (status == IV_OK && !m->curves) status = measure_end(x, m, &all);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        const ml_numbers own = {.n_train = (double)p->n_train,
                                .accuracy = all.accuracy[r],
                                .cross_entropy = all.cross_entropy[r],
                                .kl = all.kl[r],
                                .batch_loss = position ? (double)position->losses[r] : 0,
                                .batch_kl = all.kl[r],
                                .eta = all.eta + r * IV_N_GENERATORS,
                                .alpha = all.alpha[r],
                                .sigma = all.sigma[r]};
        ml_take(p, &p->members[r], &own, values + r * iv_values_size(&ml_study));
    }
    destroy_numbers(&all);
    return status;
}

static iv_status measure_regression(ml_measure *m, double *values) {
    const iv_population *p = m->model->population;
    ml_numbers own = {.n_train = (double)p->n_train};
    const iv_status status = ml_sgpr_measure(m->model, &own);
    if (status == IV_OK) ml_take(p, &p->members[0], &own, values);
    return status;
}

static iv_status measure_population(iv_experiment *x, void *measure, const iv_position *position,
                                    double *values) {
    ml_measure *m = measure;
    return is_regression(m) ? measure_regression(m, values)
                            : measure_networks(x, m, position, values);
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
    .size = sizeof(ml_measure),
    .open = open_measure,
    .close = close_measure,
    .run = measure_population,
    .time = measure_time,
};

/* Accuracy and bound of a population. Logits come back to the host, where softmax and sums are
 * taken in double and in order: rows past a set's end are left out, and a member's numbers do not
 * depend on its population. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WARM_UP_BATCHES = 1, MIN_TIMED_BATCHES = 2 };
static const double timed_seconds = 0.1;

/* One of the two sets with its plan. */
typedef struct {
    iv_graph *graph;
    iv_plan *plan;
    iv_tensor *logits;     /* [B, C] */
    const uint8_t *labels; /* [n], on the host */
    size_t n, batch;
} pass;

struct ml_measure {
    const ml_model *model;
    pass train, test;
    iv_sequence *sample; /* draws W2; NULL for point estimates */
    float *logits;       /* host: [R, B, C] */
    double *sums;        /* [R] */
};

static iv_status open_pass(const ml_model *m, const ml_data *data, bool test, pass *p) {
    const ml_population *population = m->population;
    p->n = test ? population->n_test : population->n_train;
    p->batch = population->rings ? p->n : ML_MEASURE_BATCH;
    p->labels = data->host_labels + (test ? data->first_test : 0);
    iv_status status = iv_graph_create(m->context, population->n_members, &p->graph);
    if (status != IV_OK) return status;

    iv_tensor *tensors[ML_N_PARAMETERS], *x, *labels;
    ml_model_tensors(m, p->graph, tensors);
    ml_model_batch(m, data, p->graph, test, false, p->batch, &x, &labels);
    iv_tensor *features = ml_model_features(m, p->graph, tensors, x, IV_STREAM_EVALUATION);
    p->logits = ml_model_logits(m, p->graph, features, !test);
    return iv_graph_compile(p->graph, &p->logits, 1, &p->plan);
}

static void close_pass(pass *p) {
    iv_plan_destroy(p->plan);
    iv_graph_destroy(p->graph);
}

iv_status ml_measure_create(const ml_model *model, const ml_data *data, ml_measure **out) {
    *out = NULL;
    const ml_population *p = model->population;
    ml_measure *m = calloc(1, sizeof *m);
    if (!m) return study_out_of_memory(model->context);
    m->model = model;
    iv_status status = open_pass(model, data, false, &m->train);
    if (status == IV_OK) status = open_pass(model, data, true, &m->test);
    if (status == IV_OK && !p->point) status = iv_sequence_create(model->context, &m->sample);
    if (status == IV_OK && !p->point)
        status = iv_posterior_append_sample(model->posterior, m->sample, IV_STREAM_EVALUATION);
    if (status == IV_OK) {
        const size_t rows = m->train.batch > m->test.batch ? m->train.batch : m->test.batch;
        m->logits = malloc(p->n_members * rows * p->n_classes * sizeof *m->logits);
        m->sums = malloc(p->n_members * sizeof *m->sums);
        if (!m->logits || !m->sums) status = study_out_of_memory(model->context);
    }
    if (status != IV_OK)
        ml_measure_destroy(m);
    else
        *out = m;
    return status;
}

void ml_measure_destroy(ml_measure *m) {
    if (!m) return;
    close_pass(&m->train);
    close_pass(&m->test);
    iv_sequence_destroy(m->sample);
    free(m->logits);
    free(m->sums);
    free(m);
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
    const ml_population *population = m->model->population;
    const bool training = p == &m->train;
    const size_t n_classes = population->n_classes, first = index * p->batch;
    const size_t left = p->n - first, valid = left < p->batch ? left : p->batch;
    iv_status status = IV_OK;
    if (training && m->sample)
        status = iv_sequence_run(m->sample, ML_SAMPLE_STEPS + (uint32_t)index);
    if (status == IV_OK) status = iv_plan_run(p->plan, (uint32_t)index);
    if (status == IV_OK) status = iv_plan_read(p->plan, p->logits, m->logits);
    for (size_t r = 0; r < population->n_members && status == IV_OK; r++)
        for (size_t i = 0; i < valid; i++) {
            const float *logits = m->logits + (r * p->batch + i) * n_classes;
            const size_t label = p->labels[first + i];
            m->sums[r] += training ? cross_entropy(logits, n_classes, label)
                                   : is_right(logits, n_classes, label);
        }
    return status;
}

static iv_status run_pass(ml_measure *m, const pass *p, const volatile sig_atomic_t *stop) {
    memset(m->sums, 0, m->model->population->n_members * sizeof *m->sums);
    iv_status status = IV_OK;
    for (size_t i = 0; i < count_batches(p) && status == IV_OK; i++) {
        if (stop && *stop)
            return iv_fail(iv_context_error(m->model->context), IV_EINTERRUPTED, "interrupted");
        status = add_batch(m, p, i);
    }
    return status;
}

static iv_status add_parameters(const ml_model *model, ml_outcome *outcomes) {
    const ml_population *p = model->population;
    float *eta = malloc(p->n_members * IV_N_GENERATORS * sizeof *eta);
    double *kl = calloc(p->n_members, sizeof *kl);
    iv_status status = eta && kl ? IV_OK : study_out_of_memory(model->context);
    if (status == IV_OK) status = ml_model_eta(model, eta);
    if (status == IV_OK) status = iv_posterior_kl(model->posterior, kl);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        ml_outcome *o = &outcomes[r];
        o->kl = kl[r];
        o->elbo = -(o->cross_entropy + o->kl / (double)p->n_train);
        for (size_t i = 0; i < IV_N_GENERATORS; i++)
            o->eta[i] = (double)eta[r * IV_N_GENERATORS + i];
        o->rotation_degrees = p->invariant ? ml_degrees(o->eta[ML_ROTATION]) : (double)NAN;
        o->bound_per_sample = NAN;
    }
    free(eta);
    free(kl);
    return status;
}

iv_status ml_measure_run(ml_measure *m, const volatile sig_atomic_t *stop, ml_outcome *outcomes) {
    const ml_population *p = m->model->population;
    iv_status status = run_pass(m, &m->train, stop);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++)
        outcomes[r].cross_entropy = m->sums[r] / (double)p->n_train;
    if (status == IV_OK) status = run_pass(m, &m->test, stop);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++)
        outcomes[r].accuracy = m->sums[r] / (double)p->n_test;
    return status == IV_OK ? add_parameters(m->model, outcomes) : status;
}

double ml_degrees(double radians) {
    return fabs(radians) * 57.29577951308232;
}

/* ------------------------------------------------------------------ time */

static iv_status time_pass(ml_measure *m, const pass *p, double *seconds) {
    const size_t n_batches = count_batches(p);
    iv_status status = IV_OK;
    for (size_t i = 0; i < WARM_UP_BATCHES && status == IV_OK; i++) status = add_batch(m, p, 0);
    const double start = iv_seconds();
    size_t n = 0;
    do {
        if (status == IV_OK) status = add_batch(m, p, n % n_batches);
        n++;
    } while (status == IV_OK && n < n_batches &&
             (n < MIN_TIMED_BATCHES || iv_seconds() - start < timed_seconds));
    *seconds += (iv_seconds() - start) / (double)n * (double)n_batches;
    return status;
}

iv_status ml_measure_time(ml_measure *m, double *seconds) {
    *seconds = 0;
    memset(m->sums, 0, m->model->population->n_members * sizeof *m->sums);
    iv_status status = time_pass(m, &m->train, seconds);
    return status == IV_OK ? time_pass(m, &m->test, seconds) : status;
}

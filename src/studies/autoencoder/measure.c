/* Errors of a population on signals. Batches are summed on the device, sums added here in double
 * and in order, so that a member's numbers do not depend on its population. */
#include "studies/autoencoder/autoencoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OUTPUTS = 3, WARM_UP_BATCHES = 2, MIN_TIMED_BATCHES = 3 };
static const double timed_seconds = 0.1;

struct ae_measure {
    const ae_model *model;
    size_t n_rows;
    iv_graph *graph;
    iv_plan *plan;
    /* Sums over a batch: of reconstruction errors [d] (of pairs: two of these, one for each
     * signal), of code errors [K], or over pairs [IV_N_PAIR_SUMS]. NULL where there is none. */
    iv_tensor *reconstruction, *reconstruction_of_partner, *code, *pairs;
    float *values; /* host: one output of all members */
    double *sums;  /* [R, n_sums], in the order above */
    size_t n_sums;
};

/* Outputs there are, with where their sums begin among a member's. */
static size_t list_outputs(const ae_measure *m, iv_tensor *outputs[MAX_OUTPUTS],
                           size_t offsets[MAX_OUTPUTS + 1]) {
    iv_tensor *const all[] = {m->reconstruction, m->reconstruction_of_partner, m->code, m->pairs};
    size_t n = 0;
    offsets[0] = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!all[i]) continue;
        outputs[n] = all[i];
        offsets[n + 1] = offsets[n] + iv_elements(all[i]);
        n++;
    }
    return n;
}

static iv_status build(ae_measure *m, const ae_data *data, const iv_signal_set *set) {
    const ae_model *model = m->model;
    const ae_population *p = model->population;
    iv_graph *g = m->graph;
    iv_tensor *tensors[AE_MAX_PARAMETERS];
    const iv_signal_source source = ae_model_source(model, set, false, true);
    ae_pass pass;
    ae_model_tensors(model, g, tensors);
    ae_model_pass(model, data, g, &source, AE_MEASURE_BATCH, tensors, &pass);
    if (p->pairs) {
        m->reconstruction = iv_square_error_sums(g, iv_slice(g, pass.y, 0, 1),
                                                 iv_slice(g, pass.x, 0, 1), m->n_rows);
        m->reconstruction_of_partner = iv_square_error_sums(g, iv_slice(g, pass.y, 1, 1),
                                                            iv_slice(g, pass.x, 1, 1), m->n_rows);
        m->pairs = iv_pair_sums(g, pass.z, ae_invariant_columns(p), pass.squared_distances,
                                ae_scalar(g, model->delta), ae_scalar(g, model->alpha), m->n_rows);
    } else {
        if (pass.y) m->reconstruction = iv_square_error_sums(g, pass.y, pass.x, m->n_rows);
        if (pass.z) m->code = iv_square_error_sums(g, pass.z, pass.code, m->n_rows);
    }
    iv_tensor *outputs[MAX_OUTPUTS];
    size_t offsets[MAX_OUTPUTS + 1];
    const size_t n = list_outputs(m, outputs, offsets);
    m->n_sums = offsets[n];
    return iv_graph_compile(g, outputs, n, &m->plan);
}

iv_status ae_measure_create(const ae_model *model, const ae_data *data, const iv_signal_set *set,
                            size_t n_rows, ae_measure **out) {
    *out = NULL;
    ae_measure *m = calloc(1, sizeof *m);
    if (!m) return study_out_of_memory(model->context);
    m->model = model;
    m->n_rows = n_rows < set->count ? n_rows : set->count;
    const size_t n_members = model->population->n_members;
    iv_status status = iv_graph_create(model->context, n_members, &m->graph);
    if (status == IV_OK) status = build(m, data, set);
    if (status == IV_OK) {
        m->values = malloc(n_members * m->n_sums * sizeof *m->values);
        m->sums = malloc(n_members * m->n_sums * sizeof *m->sums);
        if (!m->values || !m->sums) status = study_out_of_memory(model->context);
    }
    if (status != IV_OK)
        ae_measure_destroy(m);
    else
        *out = m;
    return status;
}

void ae_measure_destroy(ae_measure *m) {
    if (!m) return;
    iv_plan_destroy(m->plan);
    iv_graph_destroy(m->graph);
    free(m->values);
    free(m->sums);
    free(m);
}

/* ------------------------------------------------------------------ sums */

static iv_status add_batch(ae_measure *m, uint32_t step) {
    iv_tensor *outputs[MAX_OUTPUTS];
    size_t offsets[MAX_OUTPUTS + 1];
    const size_t n = list_outputs(m, outputs, offsets);
    iv_status status = iv_plan_run(m->plan, step);
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        status = iv_plan_read(m->plan, outputs[i], m->values);
        const size_t width = offsets[i + 1] - offsets[i];
        for (size_t r = 0; r < m->model->population->n_members && status == IV_OK; r++)
            for (size_t k = 0; k < width; k++)
                m->sums[r * m->n_sums + offsets[i] + k] += m->values[r * width + k];
    }
    return status;
}

static double total(const double *values, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    return sum;
}

static double root_mean(double sum, double count) {
    return sqrt(sum / count);
}

/* A member's metrics from its sums over n_rows signals or pairs. */
static void finish(const ae_measure *m, const double *sums, ae_metrics *metrics) {
    const ae_population *p = m->model->population;
    const double n = (double)m->n_rows, d = (double)p->d;
    double *v = metrics->values;
    for (size_t i = 0; i < AE_N_METRICS; i++) v[i] = NAN;
    if (p->pairs) {
        const double *pairs = sums + 2 * p->d;
        v[AE_RECONSTRUCTION] = total(sums, 2 * p->d) / (2 * n * d);
        v[AE_INVARIANCE] = pairs[IV_PAIR_LOSS] / n;
        v[AE_DISTANCE] = pairs[IV_PAIR_SQUARE_ERROR] / n;
        v[AE_SAME] = root_mean(pairs[IV_PAIR_SAME_SQUARE], pairs[IV_PAIR_SAME_COUNT]);
        v[AE_UNRELATED] = root_mean(pairs[IV_PAIR_DISTINCT_SQUARE], pairs[IV_PAIR_DISTINCT_COUNT]);
        return;
    }
    if (m->reconstruction) {
        v[AE_RECONSTRUCTION] = total(sums, p->d) / (n * d);
        sums += p->d;
    }
    if (!m->code) return;
    const size_t columns = ae_code_columns(p);
    v[AE_CODE] = total(sums, columns) / (n * (double)columns);
    v[AE_MODULUS] = total(sums, p->d) / (n * d);
    if (p->code == IV_CODE_MODULUS_PHASE) {
        v[AE_PHASE] = total(sums + p->d, p->d) / (n * d);
    } else {
        v[AE_SINE] = total(sums + p->d, p->d) / (n * d);
        v[AE_COSINE] = total(sums + 2 * p->d, p->d) / (n * d);
    }
}

iv_status ae_measure_run(ae_measure *m, const volatile sig_atomic_t *stop, ae_metrics *metrics) {
    const size_t n_members = m->model->population->n_members;
    memset(m->sums, 0, n_members * m->n_sums * sizeof *m->sums);
    for (size_t first = 0, step = 0; first < m->n_rows; first += AE_MEASURE_BATCH, step++) {
        if (stop && *stop)
            return iv_fail(iv_context_error(m->model->context), IV_EINTERRUPTED, "interrupted");
        const iv_status status = add_batch(m, (uint32_t)step);
        if (status != IV_OK) return status;
    }
    for (size_t r = 0; r < n_members; r++) finish(m, m->sums + r * m->n_sums, &metrics[r]);
    return IV_OK;
}

iv_status ae_measure_time(ae_measure *m, double *seconds) {
    const size_t n_batches = (m->n_rows + AE_MEASURE_BATCH - 1) / AE_MEASURE_BATCH;
    iv_status status = IV_OK;
    for (size_t i = 0; i < WARM_UP_BATCHES && status == IV_OK; i++) status = add_batch(m, 0);
    const double start = iv_seconds();
    size_t n = 0;
    do {
        if (status == IV_OK) status = add_batch(m, (uint32_t)(n % n_batches));
        n++;
    } while (status == IV_OK && n < n_batches &&
             (n < MIN_TIMED_BATCHES || iv_seconds() - start < timed_seconds));
    *seconds = (iv_seconds() - start) / (double)n * (double)n_batches;
    return status;
}

double ae_loss(const ae_population *p, const ae_member *member, const ae_metrics *metrics) {
    const double *v = metrics->values;
    if (p->pairs) return v[AE_RECONSTRUCTION] + (double)member->lambda * v[AE_INVARIANCE];
    if (p->part == AE_ENCODER) return v[AE_CODE];
    if (p->part == AE_DECODER) return v[AE_RECONSTRUCTION];
    return v[AE_RECONSTRUCTION] + (double)member->lambda * v[AE_CODE];
}

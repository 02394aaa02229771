/* Errors of a population on signals. Batches are summed on the device, sums added here in double
 * and in order, so that a member's numbers do not depend on its population. */
#include "studies/autoencoder/autoencoder.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_OUTPUTS = 4 };

/* One set of signals with its plan. */
typedef struct {
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
} pass;

typedef struct {
    pass passes[AE_N_SETS]; /* the training signals' is open at the end alone */
    size_t n;
} ae_measure;

/* Outputs there are, with where their sums begin among a member's; NULL ones take no room. */
static size_t list_outputs(const pass *m, iv_tensor *outputs[MAX_OUTPUTS],
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

static iv_status build(pass *m, const iv_signal_set *set) {
    const ae_model *model = m->model;
    const ae_setting *s = model->setting;
    iv_graph *g = m->graph;
    iv_tensor *tensors[AE_MAX_PARAMETERS];
    const iv_signal_source source = ae_model_source(model, set, false, true);
    ae_pass out;
    ae_model_tensors(model, g, tensors);
    ae_model_pass(model, g, &source, AE_MEASURE_BATCH, tensors, &out);
    if (s->pairs) {
        m->reconstruction =
            iv_square_error_sums(g, iv_slice(g, out.y, 0, 1), iv_slice(g, out.x, 0, 1), m->n_rows);
        m->reconstruction_of_partner =
            iv_square_error_sums(g, iv_slice(g, out.y, 1, 1), iv_slice(g, out.x, 1, 1), m->n_rows);
        m->pairs = iv_pair_sums(g, out.z, ae_invariant_columns(s), out.squared_distances,
                                ae_scalar(g, model->delta), ae_scalar(g, model->alpha), m->n_rows);
    } else {
        if (out.y) m->reconstruction = iv_square_error_sums(g, out.y, out.x, m->n_rows);
        if (out.z) m->code = iv_square_error_sums(g, out.z, out.code, m->n_rows);
    }
    iv_tensor *outputs[MAX_OUTPUTS];
    size_t offsets[MAX_OUTPUTS + 1];
    const size_t n = list_outputs(m, outputs, offsets);
    m->n_sums = offsets[n];
    return iv_graph_compile(g, outputs, n, &m->plan);
}

static void close_pass(pass *m) {
    iv_plan_destroy(m->plan);
    iv_graph_destroy(m->graph);
    free(m->values);
    free(m->sums);
}

/* The first signals of a set, at most as many as are tested. */
static iv_status open_pass(const ae_model *model, const iv_signal_set *set, pass *m) {
    const size_t n_members = model->base.population->n_members, n_test = model->setting->n_test;
    *m = (pass){.model = model, .n_rows = n_test < set->count ? n_test : set->count};
    iv_status status = iv_graph_create(model->base.context, n_members, &m->graph);
    if (status == IV_OK) status = build(m, set);
    if (status == IV_OK) {
        m->values = malloc(n_members * m->n_sums * sizeof *m->values);
        m->sums = malloc(n_members * m->n_sums * sizeof *m->sums);
        if (!m->values || !m->sums) status = iv_no_memory(model->base.context);
    }
    return status;
}

static void close_measure(void *measure) {
    ae_measure *m = measure;
    for (size_t i = 0; i < m->n; i++) close_pass(&m->passes[i]);
}

static iv_status open_measure(iv_model *model, bool curves, void *measure) {
    const ae_model *m = (const ae_model *)model;
    const iv_signal_set *const sets[AE_N_SETS] = {
        [AE_ON_TEST] = &m->data->test, [AE_ON_TRAINING] = &m->data->train};
    ae_measure *all = measure;
    iv_status status = IV_OK;
    for (size_t i = 0; i < (curves ? 1 : AE_N_SETS) && status == IV_OK; i++) {
        all->n++;
        status = open_pass(m, sets[i], &all->passes[i]);
    }
    return status;
}

/* ------------------------------------------------------------------ sums */

static iv_status add_batch(void *state, size_t step) {
    pass *m = state;
    iv_tensor *outputs[MAX_OUTPUTS];
    size_t offsets[MAX_OUTPUTS + 1];
    const size_t n = list_outputs(m, outputs, offsets);
    iv_status status = iv_plan_run(m->plan, (uint32_t)step);
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        status = iv_plan_read(m->plan, outputs[i], m->values);
        const size_t width = offsets[i + 1] - offsets[i];
        for (size_t r = 0; r < m->model->base.population->n_members && status == IV_OK; r++)
            for (size_t k = 0; k < width; k++)
                m->sums[r * m->n_sums + offsets[i] + k] += m->values[r * width + k];
    }
    return status;
}

static iv_status run_pass(const iv_experiment *x, pass *m) {
    memset(m->sums, 0, m->model->base.population->n_members * m->n_sums * sizeof *m->sums);
    iv_status status = IV_OK;
    for (size_t first = 0, step = 0; first < m->n_rows && status == IV_OK;
         first += AE_MEASURE_BATCH, step++) {
        status = iv_experiment_stopped(x);
        if (status == IV_OK) status = add_batch(m, step);
    }
    return status;
}

static ae_sums sums_of(const pass *m, size_t r) {
    const double *at = m->sums + r * m->n_sums;
    const size_t d = m->model->setting->d;
    ae_sums sums = {.n = (double)m->n_rows};
    if (m->reconstruction) {
        sums.reconstruction = at;
        at += d;
    }
    if (m->reconstruction_of_partner) {
        sums.reconstruction_of_partner = at;
        at += d;
    }
    if (m->code) sums.code = at;
    if (m->pairs) sums.pairs = at;
    return sums;
}

/* What training minimises, of the signals of a pass. */
static double loss(const ae_setting *s, double lambda, const ae_sums *sums) {
    if (s->pairs)
        return ae_value(s, AE_RECONSTRUCTION, sums) + lambda * ae_value(s, AE_INVARIANCE, sums);
    if (s->part == AE_ENCODER) return ae_value(s, AE_CODE, sums);
    if (s->part == AE_DECODER) return ae_value(s, AE_RECONSTRUCTION, sums);
    return ae_value(s, AE_RECONSTRUCTION, sums) + lambda * ae_value(s, AE_CODE, sums);
}

static iv_status run(iv_experiment *x, void *measure, const iv_position *position, double *values) {
    ae_measure *all = measure;
    const ae_model *model = all->passes[0].model;
    const ae_setting *s = model->setting;
    iv_status status = IV_OK;
    for (size_t i = 0; i < all->n && status == IV_OK; i++) status = run_pass(x, &all->passes[i]);
    for (size_t r = 0; r < model->base.population->n_members && status == IV_OK; r++) {
        double *own = values + r * iv_values_size(&ae_study);
        const ae_sums tested = sums_of(&all->passes[AE_ON_TEST], r);
        for (size_t i = 0; ae_metric_def(i); i++)
            if (ae_has(s, (ae_metric)i))
                own[iv_value_index(&ae_study, AE_ON_TEST, i)] = ae_value(s, (ae_metric)i, &tested);
        if (position)
            own[iv_value_index(&ae_study, AE_ON_TRAINING, AE_LOSS)] = (double)position->losses[r];
        if (all->n <= AE_ON_TRAINING) continue;
        const ae_sums trained = sums_of(&all->passes[AE_ON_TRAINING], r);
        const double lambda =
            (double)iv_member_float(&model->base.population->members[r], "task.lambda");
        own[iv_value_index(&ae_study, AE_ON_TRAINING, AE_TRAINING_LOSS)] =
            loss(s, lambda, &trained);
    }
    return status;
}

/* ------------------------------------------------------------------ time */

static iv_status measure_time(void *measure, double *seconds) {
    ae_measure *all = measure;
    iv_status status = IV_OK;
    *seconds = 0;
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        pass *m = &all->passes[i];
        const size_t n_batches = (m->n_rows + AE_MEASURE_BATCH - 1) / AE_MEASURE_BATCH;
        status = iv_time_batches(add_batch, m, n_batches, seconds);
    }
    return status;
}

const iv_study_measures ae_measures = {
    .size = sizeof(ae_measure),
    .open = open_measure,
    .close = close_measure,
    .run = run,
    .time = measure_time,
};

/* Metrics of a population on a set of images: means of the numbers of single images, in double and
 * in order. */
#include "studies/regularization/regularization.h"

#include <stdlib.h>

enum { MOST_METRICS = 32 };

struct reg_on_images {
    const reg_model *model;
    iv_measure *measure;
    size_t rows[MOST_METRICS]; /* of the metrics on orbits */
    size_t n_metrics, n_samples, n_jacobians;
};

/* ------------------------------------------------------------------ the network */

static iv_tensor *logits(const void *networks, iv_graph *graph, iv_tensor *x, iv_tensor **sums) {
    iv_tensor *parameters[2 * REG_MAX_LAYERS];
    reg_model_tensors(networks, graph, parameters);
    return reg_model_logits(networks, graph, parameters, x, sums);
}

static iv_tensor *filters(const void *networks, iv_graph *graph) {
    return iv_parameters_tensor(((const reg_model *)networks)->base.parameters, graph, 0);
}

static iv_measured measured(const reg_model *model) {
    const bool tied = model->setting->method == REG_WEIGHT_TYING;
    return (iv_measured){
        .context = model->base.context,
        .n_members = model->base.population->n_members,
        .n_pixels = model->group->n_pixels,
        .n_classes = model->setting->images.n_classes,
        .networks = model,
        .logits = logits,
        .filters = filters,
        .width = model->setting->hidden,
        .n_copies = tied ? model->group->n_elements : 1,
        .source = model->data->source,
        .inverse = model->data->inverse,
    };
}

iv_status reg_on_images_create(const reg_model *model, const iv_image_source *images,
                               size_t n_jacobians, reg_on_images **out) {
    iv_orbit_metric *metrics[MOST_METRICS];
    reg_on_images *m = *out = calloc(1, sizeof *m);
    if (!m) return iv_no_memory(model->base.context);
    m->model = model;
    m->n_samples = images->n_samples;
    m->n_jacobians = n_jacobians < m->n_samples ? n_jacobians : m->n_samples;
    for (size_t i = 0; reg_metric_def(i) && m->n_metrics < MOST_METRICS; i++) {
        if (!reg_orbit_metric(i)) continue;
        m->rows[m->n_metrics] = i;
        metrics[m->n_metrics++] = reg_orbit_metric(i);
    }
    const iv_measured networks = measured(model);
    const iv_status status = iv_measure_create(&networks, images, model->data->inverse, metrics,
                                               m->n_metrics, m->n_jacobians, &m->measure);
    if (status != IV_OK) {
        reg_on_images_destroy(m);
        *out = NULL;
    }
    return status;
}

void reg_on_images_destroy(reg_on_images *m) {
    if (!m) return;
    iv_measure_destroy(m->measure);
    free(m);
}

/* ------------------------------------------------------------------ running */

/* Where a member's sums go. */
static double *sums_of(double *values, size_t set, size_t r, size_t metric) {
    return values + r * iv_values_size(&reg_study) + iv_value_index(&reg_study, set, metric);
}

typedef struct {
    const reg_on_images *m;
    size_t set;
    double *values;
} sums;

static void add(void *state, size_t metric, size_t member, size_t first, size_t n_images,
                size_t width, const float *values) {
    (void)first;
    const sums *s = state;
    const size_t row = metric < s->m->n_metrics ? s->m->rows[metric] : REG_SPECTRUM;
    double *sum = sums_of(s->values, s->set, member, row);
    for (size_t i = 0; i < n_images; i++)
        for (size_t c = 0; c < width; c++) sum[c] += (double)values[i * width + c];
}

static size_t n_classes_of(const reg_on_images *m) {
    return m->model->setting->images.n_classes;
}

static void begin_sums(const reg_on_images *m, size_t set, double *values) {
    for (size_t r = 0; r < m->model->base.population->n_members; r++) {
        for (size_t k = 0; k < m->n_metrics; k++) *sums_of(values, set, r, m->rows[k]) = 0;
        for (size_t c = 0; c < n_classes_of(m) && m->n_jacobians > 0; c++)
            sums_of(values, set, r, REG_SPECTRUM)[c] = 0;
    }
}

static void finish_sums(const reg_on_images *m, size_t set, double *values) {
    for (size_t r = 0; r < m->model->base.population->n_members; r++) {
        for (size_t k = 0; k < m->n_metrics; k++)
            *sums_of(values, set, r, m->rows[k]) /= (double)m->n_samples;
        double *spectrum = sums_of(values, set, r, REG_SPECTRUM);
        for (size_t c = 0; c < n_classes_of(m) && m->n_jacobians > 0; c++)
            spectrum[c] /= (double)m->n_jacobians;
        if (m->n_jacobians > 0) *sums_of(values, set, r, REG_SIGMA_JACOBIAN) = spectrum[0];
    }
}

iv_status reg_on_images_run(const iv_experiment *x, reg_on_images *m, size_t set, double *values) {
    sums s = {m, set, values};
    iv_status status = IV_OK;
    begin_sums(m, set, values);
    for (size_t i = 0; i < iv_measure_orbit_batches(m->measure) && status == IV_OK; i++) {
        status = iv_experiment_stopped(x);
        if (status == IV_OK) status = iv_measure_orbits(m->measure, i, add, &s);
    }
    if (status == IV_OK) status = iv_measure_prepare(m->measure);
    for (size_t i = 0; i < iv_measure_jacobian_batches(m->measure) && status == IV_OK; i++) {
        status = iv_experiment_stopped(x);
        if (status == IV_OK) status = iv_measure_jacobians(m->measure, i, add, &s);
    }
    if (status == IV_OK) finish_sums(m, set, values);
    return status;
}

/* ------------------------------------------------------------------ time */

static iv_status run_orbits(void *state, size_t batch) {
    sums *s = state;
    return iv_measure_orbits(s->m->measure, batch, add, s);
}

static iv_status run_jacobians(void *state, size_t batch) {
    sums *s = state;
    return iv_measure_jacobians(s->m->measure, batch, add, s);
}

iv_status reg_on_images_time(reg_on_images *m, double *seconds) {
    const size_t n = m->model->base.population->n_members * iv_values_size(&reg_study);
    sums s = {m, 0, calloc(n, sizeof *s.values)}; /* nobody reads them */
    iv_status status = s.values ? IV_OK : iv_no_memory(m->model->base.context);
    if (status == IV_OK)
        status = iv_time_batches(run_orbits, &s, iv_measure_orbit_batches(m->measure), seconds);
    if (status == IV_OK) status = iv_measure_prepare(m->measure);
    if (status == IV_OK && m->n_jacobians > 0)
        status =
            iv_time_batches(run_jacobians, &s, iv_measure_jacobian_batches(m->measure), seconds);
    free(s.values);
    return status;
}

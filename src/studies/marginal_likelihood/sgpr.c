/* The baseline of the marginal-likelihood study: regressions, which know no invariance. A member's
 * model file holds its hyper-parameters and which training images are its inducing points. */
#include "regression/sgpr.h"
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_HYPER = 3, HYPER = 0, INDUCING = 1, N_TENSORS = 2, USUAL_PASSES = 12 };

/* ------------------------------------------------------------------ data */

/* Images of a set as a member's data transforms them: float [n, D]. */
static iv_status transform_images(iv_context *context, const iv_population *p, const ml_data *data,
                                  unsigned of_data, bool test, cl_mem rows) {
    const ml_setting *s = ml_setting_of(p);
    const size_t n = test ? s->n_test : p->n_train;
    const int32_t transformations = (int32_t)of_data;
    iv_graph *graph = NULL;
    iv_plan *plan = NULL;
    cl_mem word = NULL;
    iv_tensor *x, *labels;
    iv_status status = iv_buffer_upload(context, &transformations, sizeof transformations, &word);
    if (status == IV_OK) status = iv_graph_create(context, 1, &graph);
    if (status == IV_OK) {
        const iv_affine_image_source source = {.pixels = data->pixels,
                                               .labels = data->labels,
                                               .shape = s->images.shape,
                                               .first = test ? data->first_test : 0,
                                               .n_samples = n,
                                               .transformations = {word, 0, 1},
                                               .data_seed = s->data_seed,
                                               .seeds = {word, 0, 1}}; /* without a shuffle: any */
        iv_affine_image_batch(graph, &source, n, &x, &labels);
        iv_place(x, (iv_view){rows, 0, n * ml_columns(s)});
        status = iv_graph_compile(graph, &x, 1, &plan);
    }
    if (status == IV_OK) status = iv_plan_run(plan, 0);
    if (status == IV_OK) status = iv_context_finish(context);
    iv_plan_destroy(plan);
    iv_graph_destroy(graph);
    iv_buffer_release(context, word);
    return status;
}

static iv_status create_rows(iv_context *context, const iv_population *p, const ml_data *data,
                             unsigned of_data, bool test, cl_mem *rows) {
    const ml_setting *s = ml_setting_of(p);
    const size_t n = test ? s->n_test : p->n_train;
    size_t bytes;
    *rows = NULL;
    iv_status status =
        iv_multiply_size(n, ml_columns(s) * sizeof(float), &bytes, iv_context_error(context));
    if (status != IV_OK) return status;
    status = iv_buffer_create(context, bytes, rows);
    return status == IV_OK ? transform_images(context, p, data, of_data, test, *rows) : status;
}

/* ------------------------------------------------------------------ creation */

static iv_status create_tensors(ml_sgpr *m) {
    const iv_parameter_desc descs[N_TENSORS] = {
        [HYPER] = {.name = "hyper", .rank = 1, .dims = {N_HYPER}},
        [INDUCING] = {.name = "inducing",
                      .rank = 1,
                      .dims = {ml_setting_of(m->base.population)->n_inducing}},
    };
    return iv_model_parameters(&m->base, descs, N_TENSORS);
}

static iv_status create_regression(ml_sgpr *m) {
    const iv_population *p = m->base.population;
    const ml_setting *s = ml_setting_of(p);
    const sgpr_desc desc = {.n_data = p->n_train,
                            .n_columns = ml_columns(s),
                            .n_classes = s->images.n_classes,
                            .n_inducing = s->n_inducing,
                            .seed = p->members[0].seed,
                            .iterations = s->iterations};
    const iv_status status = create_rows(m->base.context, p, m->data, m->of_data, false, &m->x);
    return status == IV_OK
               ? sgpr_create(m->base.context, &desc, m->x, m->data->host_labels, &m->regression)
               : status;
}

iv_status ml_sgpr_create(iv_experiment *x, ml_sgpr *m) {
    const iv_population *p = m->base.population;
    m->data = x->data;
    m->of_data = ml_own_of(p, &p->members[0]).transformations;
    const iv_status status = create_tensors(m);
    return status == IV_OK ? create_regression(m) : status;
}

void ml_sgpr_clear(ml_sgpr *m) {
    sgpr_destroy(m->regression);
    iv_buffer_release(m->base.context, m->x);
}

/* ------------------------------------------------------------------ fitting */

static iv_status write_tensor(const ml_sgpr *m, size_t i, const float *values) {
    const iv_view view = iv_parameters_view(m->base.parameters, i);
    return iv_buffer_write(m->base.context, view.buffer, view.offset * sizeof *values,
                           iv_parameters_desc(m->base.parameters, i)->dims[0] * sizeof *values,
                           values);
}

iv_status ml_sgpr_fit(iv_experiment *x, iv_model *model, const iv_progress *progress) {
    ml_sgpr *m = (ml_sgpr *)model;
    const size_t n = ml_setting_of(model->population)->n_inducing;
    iv_status status = sgpr_train(m->regression, x->job->stop, progress);
    if (status != IV_OK) return status;
    const sgpr_hyper hyper = sgpr_get_hyper(m->regression);
    const float numbers[N_HYPER] = {(float)hyper.variance, (float)hyper.lengthscale,
                                    (float)hyper.noise};
    float *inducing = malloc(n * sizeof *inducing); /* exact below 2^24 */
    if (!inducing) return iv_no_memory(x->context);
    for (size_t i = 0; i < n; i++) inducing[i] = (float)sgpr_inducing(m->regression)[i];
    status = write_tensor(m, HYPER, numbers);
    if (status == IV_OK) status = write_tensor(m, INDUCING, inducing);
    free(inducing);
    return status;
}

/* The hyper-parameters as the model file says them, where numbers are rounded. */
static iv_status take_hyper(ml_sgpr *m) {
    float numbers[N_HYPER];
    const iv_view view = iv_parameters_view(m->base.parameters, HYPER);
    const iv_status status = iv_buffer_read(m->base.context, view.buffer,
                                            view.offset * sizeof *numbers, sizeof numbers, numbers);
    if (status != IV_OK) return status;
    return sgpr_set_hyper(m->regression, (sgpr_hyper){.variance = (double)numbers[0],
                                                      .lengthscale = (double)numbers[1],
                                                      .noise = (double)numbers[2]});
}

/* ------------------------------------------------------------------ measuring */

static iv_status measure_accuracy(const ml_sgpr *m, double *accuracy) {
    const iv_population *p = m->base.population;
    const ml_setting *s = ml_setting_of(p);
    const uint8_t *labels = m->data->host_labels + m->data->first_test;
    cl_mem x = NULL;
    float *scores = malloc(s->n_test * s->images.n_classes * sizeof *scores);
    iv_status status = scores ? create_rows(m->base.context, p, m->data, m->of_data, true, &x)
                              : iv_no_memory(m->base.context);
    if (status == IV_OK) status = sgpr_predict(m->regression, x, s->n_test, scores);
    size_t right = 0;
    for (size_t i = 0; i < s->n_test && status == IV_OK; i++) {
        const float *row = scores + i * s->images.n_classes;
        size_t best = 0;
        for (size_t c = 1; c < s->images.n_classes; c++)
            if (row[c] > row[best]) best = c;
        right += best == labels[i];
    }
    *accuracy = (double)right / (double)s->n_test;
    iv_buffer_release(m->base.context, x);
    free(scores);
    return status;
}

iv_status ml_sgpr_measure(iv_model *model, ml_numbers *numbers) {
    ml_sgpr *m = (ml_sgpr *)model;
    iv_status status = take_hyper(m);
    if (status == IV_OK) status = sgpr_bound(m->regression, &numbers->bound, NULL);
    return status == IV_OK ? measure_accuracy(m, &numbers->accuracy) : status;
}

/* ------------------------------------------------------------------ work and time */

/* The search along the lengthscale mostly ends after a dozen passes over the data. */
double ml_sgpr_passes(const ml_setting *s) {
    return s->iterations < USUAL_PASSES ? (double)s->iterations : USUAL_PASSES;
}

double ml_sgpr_flops(const iv_population *p) {
    const ml_setting *s = ml_setting_of(p);
    const double inducing = (double)s->n_inducing;
    return 2 * (double)p->n_train * inducing * ((double)ml_columns(s) + inducing);
}

/* Fitting included; one pass more measures the bound, half a one the test set. */
iv_status ml_sgpr_time(iv_model *model, double *seconds) {
    ml_sgpr *m = (ml_sgpr *)model;
    double bound;
    const double start = iv_seconds();
    const iv_status status = sgpr_bound(m->regression, &bound, NULL);
    *seconds = (iv_seconds() - start) * (ml_sgpr_passes(ml_setting_of(model->population)) + 1.5);
    return status;
}

/* The baseline of the marginal-likelihood study: regressions, which know no invariance. A member's
 * model file holds its hyper-parameters and which training images are its inducing points. */
#include "studies/marginal_likelihood/marginal_likelihood.h"
#include "regression/sgpr.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_HYPER = 3, HYPER = 0, INDUCING = 1, N_TENSORS = 2, USUAL_PASSES = 12 };

/* ------------------------------------------------------------------ data */

/* Images of a set as a member's data transforms them: float [n, D]. */
static iv_status transform_images(iv_context *context, const ml_population *p, const ml_data *data,
                                  const ml_member *member, bool test, cl_mem rows) {
    const size_t n = test ? p->n_test : p->n_train;
    const int32_t transformations = (int32_t)member->transformations;
    iv_graph *graph = NULL;
    iv_plan *plan = NULL;
    cl_mem word = NULL;
    iv_tensor *x, *labels;
    iv_status status = study_upload(context, &transformations, sizeof transformations, &word);
    if (status == IV_OK) status = iv_graph_create(context, 1, &graph);
    if (status == IV_OK) {
        const iv_affine_image_source source = {.pixels = data->pixels,
                                               .labels = data->labels,
                                               .shape = p->shape,
                                               .first = test ? data->first_test : 0,
                                               .n_samples = n,
                                               .transformations = {word, 0, 1},
                                               .data_seed = p->data_seed,
                                               .seeds = {word, 0, 1}}; /* without a shuffle: any */
        iv_affine_image_batch(graph, &source, n, &x, &labels);
        iv_place(x, (iv_view){rows, 0, n * ml_columns(p)});
        status = iv_graph_compile(graph, &x, 1, &plan);
    }
    if (status == IV_OK) status = iv_plan_run(plan, 0);
    if (status == IV_OK) status = iv_context_finish(context);
    iv_plan_destroy(plan);
    iv_graph_destroy(graph);
    iv_buffer_release(context, word);
    return status;
}

static iv_status create_rows(iv_context *context, const ml_population *p, const ml_data *data,
                             const ml_member *member, bool test, cl_mem *rows) {
    const size_t n = test ? p->n_test : p->n_train;
    size_t bytes;
    *rows = NULL;
    iv_status status =
        iv_multiply_size(n, ml_columns(p) * sizeof(float), &bytes, iv_context_error(context));
    if (status != IV_OK) return status;
    status = iv_buffer_create(context, bytes, rows);
    return status == IV_OK ? transform_images(context, p, data, member, test, *rows) : status;
}

/* A member's regression with its training data. */
typedef struct {
    iv_context *context;
    const ml_population *population;
    const ml_data *data;
    const ml_member *member;
    cl_mem x;
    sgpr *regression;
} opened;

static iv_status open_regression(iv_context *context, const ml_population *p, const ml_data *data,
                                 const ml_member *member, opened *o) {
    *o = (opened){.context = context, .population = p, .data = data, .member = member};
    const sgpr_desc desc = {.n_data = p->n_train,
                            .n_columns = ml_columns(p),
                            .n_classes = p->n_classes,
                            .n_inducing = p->n_inducing,
                            .seed = member->seed,
                            .iterations = p->iterations};
    const iv_status status = create_rows(context, p, data, member, false, &o->x);
    return status == IV_OK ? sgpr_create(context, &desc, o->x, data->host_labels, &o->regression)
                           : status;
}

static void close_regression(opened *o) {
    sgpr_destroy(o->regression);
    iv_buffer_release(o->context, o->x);
}

/* ------------------------------------------------------------------ models */

static iv_status create_tensors(const opened *o, iv_parameters **tensors) {
    const iv_parameter_desc descs[N_TENSORS] = {
        [HYPER] = {.name = "hyper", .rank = 1, .dims = {N_HYPER}},
        [INDUCING] = {.name = "inducing", .rank = 1, .dims = {o->population->n_inducing}},
    };
    return iv_parameters_create(o->context, 1, descs, N_TENSORS, tensors);
}

static iv_status write_tensor(iv_context *context, const iv_parameters *tensors, size_t i,
                              const float *values) {
    const iv_view view = iv_parameters_view(tensors, i);
    return iv_buffer_write(context, view.buffer, view.offset * sizeof *values,
                           iv_parameters_desc(tensors, i)->dims[0] * sizeof *values, values);
}

static iv_status export_regression(const iv_study_job *job, const opened *o) {
    const size_t n = o->population->n_inducing;
    const sgpr_hyper hyper = sgpr_get_hyper(o->regression);
    const float numbers[N_HYPER] = {(float)hyper.variance, (float)hyper.lengthscale,
                                    (float)hyper.noise};
    iv_parameters *tensors = NULL;
    float *inducing = malloc(n * sizeof *inducing); /* exact below 2^24 */
    iv_status status = inducing ? create_tensors(o, &tensors) : study_out_of_memory(job->context);
    for (size_t i = 0; i < n && status == IV_OK; i++)
        inducing[i] = (float)sgpr_inducing(o->regression)[i];
    if (status == IV_OK) status = write_tensor(job->context, tensors, HYPER, numbers);
    if (status == IV_OK) status = write_tensor(job->context, tensors, INDUCING, inducing);
    if (status == IV_OK)
        status = study_export(job, tensors, NULL, 0, o->member->run, o->member->seed, 0);
    iv_parameters_destroy(tensors);
    free(inducing);
    return status;
}

static iv_status import_regression(const iv_study_job *job, const opened *o) {
    iv_parameters *tensors = NULL;
    float numbers[N_HYPER];
    iv_status status = create_tensors(o, &tensors);
    if (status == IV_OK)
        status = study_import(job, tensors, NULL, 0, o->member->run, o->member->seed, NULL);
    if (status == IV_OK) {
        const iv_view view = iv_parameters_view(tensors, HYPER);
        status = iv_buffer_read(job->context, view.buffer, view.offset * sizeof *numbers,
                                sizeof numbers, numbers);
    }
    iv_parameters_destroy(tensors);
    if (status != IV_OK) return status;
    return sgpr_set_hyper(o->regression, (sgpr_hyper){.variance = (double)numbers[0],
                                                      .lengthscale = (double)numbers[1],
                                                      .noise = (double)numbers[2]});
}

/* ------------------------------------------------------------------ measuring */

static iv_status measure_accuracy(const opened *o, double *accuracy) {
    const ml_population *p = o->population;
    const uint8_t *labels = o->data->host_labels + o->data->first_test;
    cl_mem x = NULL;
    float *scores = malloc(p->n_test * p->n_classes * sizeof *scores);
    iv_status status = scores ? create_rows(o->context, p, o->data, o->member, true, &x)
                              : study_out_of_memory(o->context);
    if (status == IV_OK) status = sgpr_predict(o->regression, x, p->n_test, scores);
    size_t right = 0;
    for (size_t i = 0; i < p->n_test && status == IV_OK; i++) {
        const float *row = scores + i * p->n_classes;
        size_t best = 0;
        for (size_t c = 1; c < p->n_classes; c++)
            if (row[c] > row[best]) best = c;
        right += best == labels[i];
    }
    *accuracy = (double)right / (double)p->n_test;
    iv_buffer_release(o->context, x);
    free(scores);
    return status;
}

static iv_status measure(const opened *o, ml_outcome *outcome) {
    double bound = NAN, accuracy = NAN;
    iv_status status = sgpr_bound(o->regression, &bound, NULL);
    if (status == IV_OK) status = measure_accuracy(o, &accuracy);
    *outcome = (ml_outcome){.accuracy = accuracy,
                            .elbo = NAN,
                            .kl = NAN,
                            .cross_entropy = NAN,
                            .bound_per_sample = bound / (double)o->population->n_train,
                            .rotation_degrees = NAN};
    for (size_t i = 0; i < IV_N_GENERATORS; i++) outcome->eta[i] = NAN;
    return status;
}

/* ------------------------------------------------------------------ the study's entries */

/* Whether a resumed run finds the member's model, which is written whole or not at all. */
static bool is_done(const iv_study_job *job, const ml_member *member) {
    char name[STUDY_PATH];
    study_model_name(member->run, member->seed, name);
    char *path = job->resume ? iv_run_dir_file(job->dir, name) : NULL;
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (file) fclose(file);
    free(path);
    return file != NULL;
}

iv_status ml_sgpr_run(ml_study *study, size_t index, bool trained, ml_outcome *outcomes) {
    const iv_study_job *job = study->job;
    const ml_population *p = &study->plan.populations[index];
    const iv_progress progress = study_progress_within(&study->progress);
    iv_status status = IV_OK;
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        opened o;
        status = open_regression(job->context, p, &study->data, &p->members[r], &o);
        if (status == IV_OK && !trained && !is_done(job, &p->members[r])) {
            status = sgpr_train(o.regression, job->stop, &progress);
            if (status == IV_OK) status = export_regression(job, &o);
        }
        /* measured as the file says, where numbers are rounded */
        if (status == IV_OK) status = import_regression(job, &o);
        if (status == IV_OK) status = measure(&o, &outcomes[r]);
        close_regression(&o);
    }
    return status;
}

/* The search along the lengthscale mostly ends after a dozen passes over the data. */
double ml_sgpr_passes(const ml_population *p) {
    return p->iterations < USUAL_PASSES ? (double)p->iterations : USUAL_PASSES;
}

double ml_sgpr_flops(const ml_population *p) {
    const double inducing = (double)p->n_inducing;
    return 2 * (double)p->n_train * inducing * ((double)ml_columns(p) + inducing);
}

iv_status ml_sgpr_estimate(iv_context *context, const ml_population *p, const ml_data *data,
                           bool timed, iv_estimate *estimate) {
    opened o;
    double bound;
    iv_status status = open_regression(context, p, data, &p->members[0], &o);
    const double start = iv_seconds();
    if (status == IV_OK && timed) status = sgpr_bound(o.regression, &bound, NULL);
    /* one pass more measures the bound, half a one the test set */
    estimate->seconds = (iv_seconds() - start) * (ml_sgpr_passes(p) + 1.5);
    estimate->bytes = iv_context_bytes(context);
    close_regression(&o);
    return status;
}

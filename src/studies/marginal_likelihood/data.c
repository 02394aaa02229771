/* Images and toy points of the marginal-likelihood study on the device. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_ARCS = 3 };
static const double arc_radius = 0.4, arc_noise = 0.05;
static const double arc_middle = 1.5707963267948966, arc_reach = 1.0471975511965976;

static bool is_drawn(const ml_population *p) {
    return strcmp(p->dataset, "digits") == 0;
}

static bool holds(const ml_data *data, const ml_population *p) {
    if (!data->name || strcmp(data->name, p->dataset) != 0) return false;
    if (!p->rings && !is_drawn(p)) return true;
    return data->seed == p->data_seed && data->first_test == p->n_train &&
           data->n_pool == p->n_train + p->n_test;
}

/* ------------------------------------------------------------------ images */

static iv_status check_images(const ml_population *p, const iv_dataset *set, size_t first_test,
                              iv_error *error) {
    if (set->channels != p->shape.planes || set->height != p->shape.height ||
        set->width != p->shape.width || set->n_classes > p->n_classes)
        return iv_fail(error, IV_EDATA,
                       "%s holds images of %zu x %zu x %zu in %zu classes, expected %zu x %zu x "
                       "%zu in at most %zu",
                       p->dataset, set->channels, set->height, set->width, set->n_classes,
                       p->shape.planes, p->shape.height, p->shape.width, p->n_classes);
    if (p->n_train > first_test)
        return iv_fail(error, IV_EINVAL,
                       "dataset.train: %zu images, but %s has %zu for training; expected at most "
                       "that many",
                       p->n_train, p->dataset, first_test);
    if (p->n_test > set->n_images - first_test)
        return iv_fail(error, IV_EINVAL,
                       "dataset.test: %zu images, but %s has %zu for testing; expected at most "
                       "that many",
                       p->n_test, p->dataset, set->n_images - first_test);
    return IV_OK;
}

static iv_status keep_labels(ml_data *data, const uint8_t *labels, iv_context *context) {
    data->host_labels = malloc(data->n_pool);
    if (!data->host_labels) return study_out_of_memory(context);
    memcpy(data->host_labels, labels, data->n_pool);
    return IV_OK;
}

iv_status ml_data_of_images(iv_context *context, const ml_population *p, const uint8_t *pixels,
                            const uint8_t *labels, size_t n_pool, size_t first_test,
                            ml_data *data) {
    *data = (ml_data){
        .name = p->dataset, .seed = p->data_seed, .n_pool = n_pool, .first_test = first_test};
    size_t bytes;
    iv_status status = iv_multiply_size(n_pool, ml_columns(p), &bytes, iv_context_error(context));
    if (status == IV_OK) status = study_upload(context, pixels, bytes, &data->pixels);
    if (status == IV_OK) status = study_upload(context, labels, n_pool, &data->labels);
    if (status == IV_OK) status = keep_labels(data, labels, context);
    if (status == IV_OK) data->zeros = iv_mostly_zero(pixels, bytes);
    if (status != IV_OK) ml_data_clear(context, data);
    return status;
}

static iv_status load_images(const iv_study_job *job, const ml_population *p, ml_data *data) {
    iv_error *error = iv_context_error(job->context);
    iv_dataset set;
    iv_status status = is_drawn(p)
                           ? iv_digits_make(p->data_seed, p->n_train + p->n_test, &set, error)
                           : iv_dataset_load(job->data_dir, p->dataset, 0, &set, error);
    if (status != IV_OK) return status;
    const size_t first_test = is_drawn(p) ? p->n_train : set.n_training;
    status = check_images(p, &set, first_test, error);
    if (status == IV_OK)
        status = ml_data_of_images(job->context, p, set.pixels, set.labels, set.n_images,
                                   first_test, data);
    iv_dataset_clear(&set);
    return status;
}

/* Random bytes, four from a word; fewer where the data set has zeros. */
static iv_status make_up_images(iv_context *context, const ml_population *p, ml_data *data) {
    iv_error *error = iv_context_error(context);
    const size_t n = p->n_train + p->n_test;
    size_t bytes;
    iv_status status = iv_multiply_size(n, ml_columns(p), &bytes, error);
    if (status != IV_OK) return status;
    uint8_t *pixels = malloc(bytes), *labels = malloc(n);
    if (!pixels || !labels) status = study_out_of_memory(context);
    for (size_t i = 0; i < bytes && status == IV_OK; i++)
        pixels[i] = (uint8_t)(iv_mix((uint32_t)(i / 4)) >> (8 * (i % 4)));
    if (status == IV_OK && strcmp(p->dataset, "mnist") == 0)
        iv_scribble(pixels, n, p->shape.height, p->shape.width);
    for (size_t i = 0; i < n && status == IV_OK; i++) labels[i] = (uint8_t)(i % p->n_classes);
    if (status == IV_OK)
        status = ml_data_of_images(context, p, pixels, labels, n, p->n_train, data);
    free(pixels);
    free(labels);
    return status;
}

/* ------------------------------------------------------------------ rings */

static void make_point(uint32_t seed, uint32_t i, float point[2], uint8_t *label) {
    uint32_t words[4];
    float normal[2];
    iv_philox(seed, IV_STREAM_DATASET, 0, i, words);
    iv_normal(words[2], words[3], normal);
    const double angle = arc_middle + arc_reach * (double)iv_uniform_symmetric(words[0]);
    const double radius = arc_radius * (i % N_ARCS + 1) + arc_noise * (double)normal[0];
    point[0] = (float)(radius * cos(angle));
    point[1] = (float)(radius * sin(angle));
    *label = i % N_ARCS % 2;
}

static iv_status make_rings(iv_context *context, const ml_population *p, ml_data *data) {
    const size_t n = p->n_train + p->n_test;
    *data = (ml_data){.name = p->dataset,
                      .seed = p->data_seed,
                      .n_pool = n,
                      .first_test = p->n_train,
                      .host_labels = malloc(n),
                      .host_points = malloc(2 * n * sizeof(float))};
    int32_t *labels = malloc(n * sizeof *labels);
    iv_status status =
        data->host_labels && data->host_points && labels ? IV_OK : study_out_of_memory(context);
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        make_point(p->data_seed, (uint32_t)i, data->host_points + 2 * i, &data->host_labels[i]);
        labels[i] = data->host_labels[i];
    }
    if (status == IV_OK)
        status = study_upload(context, data->host_points, 2 * n * sizeof(float), &data->points);
    if (status == IV_OK)
        status = study_upload(context, labels, n * sizeof *labels, &data->point_labels);
    free(labels);
    if (status != IV_OK) ml_data_clear(context, data);
    return status;
}

/* ------------------------------------------------------------------ both */

iv_status ml_data_provide(const iv_study_job *job, const ml_population *p, ml_data *data) {
    if (holds(data, p)) return IV_OK;
    ml_data_clear(job->context, data);
    return p->rings ? make_rings(job->context, p, data) : load_images(job, p, data);
}

iv_status ml_data_make_up(iv_context *context, const ml_population *p, ml_data *data) {
    ml_data_clear(context, data);
    return p->rings ? make_rings(context, p, data) : make_up_images(context, p, data);
}

void ml_data_clear(iv_context *context, ml_data *data) {
    cl_mem const buffers[] = {data->pixels, data->labels, data->points, data->point_labels};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        iv_buffer_release(context, buffers[i]);
    free(data->host_labels);
    free(data->host_points);
    memset(data, 0, sizeof *data);
}

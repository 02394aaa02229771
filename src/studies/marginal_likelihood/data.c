/* Images and toy points of the marginal-likelihood study on the device. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <invar/random.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_ARCS = 3 };
static const double arc_radius = 0.4, arc_noise = 0.05;
static const double arc_middle = 1.5707963267948966, arc_reach = 1.0471975511965976;

bool ml_learns_from(const iv_dataset_info *info) {
    return !info->meaningless;
}

/* Whether the pool is made for a population, as large as it asks for, instead of read. */
static bool is_made(const iv_experiment *x, const ml_setting *s) {
    return s->rings || x->synthetic || iv_dataset_info_find(s->dataset)->built_in;
}

static bool holds(const iv_experiment *x, const ml_data *data, const iv_population *p) {
    const ml_setting *s = ml_setting_of(p);
    if (!data->name || strcmp(data->name, s->dataset) != 0) return false;
    if (!is_made(x, s)) return true;
    return data->seed == s->data_seed && data->first_test == p->n_train &&
           data->n_pool == p->n_train + s->n_test;
}

/* ------------------------------------------------------------------ images */

static iv_status check_images(const iv_population *p, const iv_dataset *set, size_t first_test,
                              iv_error *error) {
    const ml_setting *s = ml_setting_of(p);
    if (set->channels != s->shape.planes || set->height != s->shape.height ||
        set->width != s->shape.width || set->n_classes > s->n_classes)
        return iv_fail(error, IV_EDATA,
                       "%s holds images of %zu x %zu x %zu in %zu classes, expected %zu x %zu x "
                       "%zu in at most %zu",
                       s->dataset, set->channels, set->height, set->width, set->n_classes,
                       s->shape.planes, s->shape.height, s->shape.width, s->n_classes);
    if (p->n_train > first_test)
        return iv_fail(error, IV_EINVAL,
                       "dataset.train: %zu images, but %s has %zu for training; expected at most "
                       "that many",
                       p->n_train, s->dataset, first_test);
    if (s->n_test > set->n_images - first_test)
        return iv_fail(error, IV_EINVAL,
                       "dataset.test: %zu images, but %s has %zu for testing; expected at most "
                       "that many",
                       s->n_test, s->dataset, set->n_images - first_test);
    return IV_OK;
}

static iv_status keep_labels(ml_data *data, const uint8_t *labels, iv_context *context) {
    data->host_labels = malloc(data->n_pool);
    if (!data->host_labels) return iv_no_memory(context);
    memcpy(data->host_labels, labels, data->n_pool);
    return IV_OK;
}

static void clear(iv_context *context, void *held) {
    ml_data *data = held;
    cl_mem const buffers[] = {data->pixels, data->labels, data->points, data->point_labels};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        iv_buffer_release(context, buffers[i]);
    free(data->host_labels);
    free(data->host_points);
    memset(data, 0, sizeof *data);
}

static iv_status take_images(iv_context *context, const iv_population *p, const uint8_t *pixels,
                             const uint8_t *labels, size_t n_pool, size_t first_test,
                             ml_data *data) {
    const ml_setting *s = ml_setting_of(p);
    *data = (ml_data){
        .name = s->dataset, .seed = s->data_seed, .n_pool = n_pool, .first_test = first_test};
    size_t bytes;
    iv_status status = iv_multiply_size(n_pool, ml_columns(s), &bytes, iv_context_error(context));
    if (status == IV_OK) status = iv_buffer_upload(context, pixels, bytes, &data->pixels);
    if (status == IV_OK) status = iv_buffer_upload(context, labels, n_pool, &data->labels);
    if (status == IV_OK) status = keep_labels(data, labels, context);
    if (status == IV_OK) data->zeros = iv_mostly_zero(pixels, bytes);
    if (status != IV_OK) clear(context, data);
    return status;
}

static iv_status load_images(const iv_experiment *x, const iv_population *p, ml_data *data) {
    const ml_setting *s = ml_setting_of(p);
    iv_error *error = iv_context_error(x->context);
    const size_t n_made = p->n_train + s->n_test;
    iv_dataset set;
    iv_status status =
        x->synthetic    ? iv_synthetic_images(iv_dataset_info_find(s->dataset), n_made, &set, error)
        : is_made(x, s) ? iv_dataset_info_find(s->dataset)->make(s->data_seed, n_made, &set, error)
                        : iv_dataset_load(x->job->data_dir, s->dataset, 0, &set, error);
    if (status != IV_OK) return status;
    const size_t first_test = is_made(x, s) ? p->n_train : set.n_training;
    status = check_images(p, &set, first_test, error);
    if (status == IV_OK)
        status = take_images(x->context, p, set.pixels, set.labels, set.n_images, first_test, data);
    iv_dataset_clear(&set);
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

static iv_status make_rings(iv_context *context, const iv_population *p, ml_data *data) {
    const ml_setting *s = ml_setting_of(p);
    const size_t n = p->n_train + s->n_test;
    *data = (ml_data){.name = s->dataset,
                      .seed = s->data_seed,
                      .n_pool = n,
                      .first_test = p->n_train,
                      .host_labels = malloc(n),
                      .host_points = malloc(2 * n * sizeof(float))};
    int32_t *labels = malloc(n * sizeof *labels);
    iv_status status =
        data->host_labels && data->host_points && labels ? IV_OK : iv_no_memory(context);
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        make_point(s->data_seed, (uint32_t)i, data->host_points + 2 * i, &data->host_labels[i]);
        labels[i] = data->host_labels[i];
    }
    if (status == IV_OK)
        status = iv_buffer_upload(context, data->host_points, 2 * n * sizeof(float), &data->points);
    if (status == IV_OK)
        status = iv_buffer_upload(context, labels, n * sizeof *labels, &data->point_labels);
    free(labels);
    if (status != IV_OK) clear(context, data);
    return status;
}

/* ------------------------------------------------------------------ both */

static iv_status provide(iv_experiment *x, const iv_population *p, void *held) {
    ml_data *data = held;
    if (holds(x, data, p)) return IV_OK;
    clear(x->context, data);
    return ml_setting_of(p)->rings ? make_rings(x->context, p, data) : load_images(x, p, data);
}

const iv_study_data ml_data_hooks = {.size = sizeof(ml_data), .provide = provide, .clear = clear};

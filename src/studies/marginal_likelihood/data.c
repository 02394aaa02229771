/* Images and toy points of the marginal-likelihood study on the device. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <invar/random.h>

#include <math.h>
#include <stdio.h>
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
    return s->rings || x->synthetic || (s->images.known && s->images.known->built_in);
}

static bool holds(const iv_experiment *x, const ml_data *data, const iv_population *p) {
    const ml_setting *s = ml_setting_of(p);
    if (data->n_pool == 0 || !study_images_are(&data->of, &s->images)) return false;
    if (is_made(x, s))
        return data->seed == s->data_seed && data->first_test == p->n_train &&
               data->n_pool == p->n_train + s->n_test;
    return s->images.known ||
           (data->seed == s->data_seed && data->n_train == p->n_train && data->n_test == s->n_test);
}

/* ------------------------------------------------------------------ images */

static iv_status check_images(const iv_population *p, const iv_dataset *set, size_t first_test,
                              iv_error *error) {
    const ml_setting *s = ml_setting_of(p);
    if (set->channels != s->images.shape.planes || set->height != s->images.shape.height ||
        set->width != s->images.shape.width || set->n_classes > s->images.n_classes)
        return iv_fail(error, IV_EDATA,
                       "%s holds images of %zu x %zu x %zu in %zu classes, expected %zu x %zu x "
                       "%zu in at most %zu",
                       s->images.name, set->channels, set->height, set->width, set->n_classes,
                       s->images.shape.planes, s->images.shape.height, s->images.shape.width,
                       s->images.n_classes);
    if (p->n_train > first_test)
        return iv_fail(error, IV_EINVAL,
                       "dataset.train: %zu images, but %s has %zu for training; expected at most "
                       "that many",
                       p->n_train, s->images.name, first_test);
    if (s->n_test > set->n_images - first_test)
        return iv_fail(error, IV_EINVAL,
                       "dataset.test: %zu images, but %s has %zu for testing; expected at most "
                       "that many",
                       s->n_test, s->images.name, set->n_images - first_test);
    return IV_OK;
}

static iv_status keep_labels(ml_data *data, const uint8_t *labels, iv_context *context) {
    data->host_labels = malloc(data->n_pool);
    if (!data->host_labels) return iv_no_memory(context);
    memcpy(data->host_labels, labels, data->n_pool);
    return IV_OK;
}

/* All but images that are still to be taken. */
static void release(iv_context *context, ml_data *data) {
    const study_own_images own = data->own;
    cl_mem const buffers[] = {data->pixels, data->labels, data->points, data->point_labels};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        iv_buffer_release(context, buffers[i]);
    free(data->host_labels);
    free(data->host_points);
    *data = (ml_data){.own = own};
}

static void clear(iv_context *context, void *held) {
    ml_data *data = held;
    release(context, data);
    study_own_images_clear(&data->own);
}

/* What the pool is of. */
static void begin(const iv_population *p, size_t n_pool, size_t first_test, ml_data *data) {
    const ml_setting *s = ml_setting_of(p);
    study_images_note(&data->of, &s->images);
    data->seed = s->data_seed;
    data->n_pool = n_pool;
    data->first_test = first_test;
    data->n_train = p->n_train;
    data->n_test = s->n_test;
}

static iv_status take_images(iv_context *context, const iv_population *p, const iv_dataset *set,
                             size_t first_test, ml_data *data) {
    const ml_setting *s = ml_setting_of(p);
    size_t bytes;
    begin(p, set->n_images, first_test, data);
    iv_status status =
        iv_multiply_size(set->n_images, ml_columns(s), &bytes, iv_context_error(context));
    if (status == IV_OK) status = iv_buffer_upload(context, set->pixels, bytes, &data->pixels);
    if (status == IV_OK)
        status = iv_buffer_upload(context, set->labels, set->n_images, &data->labels);
    if (status == IV_OK) status = keep_labels(data, set->labels, context);
    if (status == IV_OK) data->zeros = iv_mostly_zero(set->pixels, bytes);
    if (status != IV_OK) release(context, data);
    return status;
}

/* Where the test images begin. Images of the user's own without a test part end with them, as far
 * as there are so many. */
static size_t find_first_test(const iv_experiment *x, const iv_population *p,
                              const iv_dataset *set) {
    const ml_setting *s = ml_setting_of(p);
    if (is_made(x, s)) return p->n_train;
    if (set->n_training < set->n_images) return set->n_training;
    return set->n_images - (s->n_test < set->n_images ? s->n_test : set->n_images);
}

static iv_status load_images(const iv_experiment *x, const iv_population *p, ml_data *data) {
    const ml_setting *s = ml_setting_of(p);
    iv_error *error = iv_context_error(x->context);
    const size_t n_made = p->n_train + s->n_test;
    const bool built_in = !x->synthetic && is_made(x, s);
    iv_dataset set;
    iv_status status =
        built_in ? s->images.known->make(s->data_seed, n_made, &set, error)
                 : study_images_load(x, &data->own, &s->images, x->synthetic ? n_made : 0, &set);
    if (status != IV_OK) return status;
    if (!s->images.known) status = iv_dataset_shuffle(&set, s->data_seed, error);
    const size_t first_test = find_first_test(x, p, &set);
    if (status == IV_OK) status = check_images(p, &set, first_test, error);
    if (status == IV_OK) status = take_images(x->context, p, &set, first_test, data);
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
    begin(p, n, p->n_train, data);
    data->host_labels = malloc(n);
    data->host_points = malloc(2 * n * sizeof(float));
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
    if (status != IV_OK) release(context, data);
    return status;
}

/* ------------------------------------------------------------------ both */

static iv_status provide(iv_experiment *x, const iv_population *p, void *held) {
    ml_data *data = held;
    if (holds(x, data, p)) return IV_OK;
    release(x->context, data);
    return ml_setting_of(p)->rings ? make_rings(x->context, p, data) : load_images(x, p, data);
}

static bool is_unread(const void *setting) {
    return !((const ml_setting *)setting)->rings && study_images_unread(setting);
}

const iv_study_data ml_data_hooks = {
    .size = sizeof(ml_data),
    .is_unread = is_unread,
    .describe = study_images_describe,
    .provide = provide,
    .clear = clear,
};

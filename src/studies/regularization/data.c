/* Images of the regularization study on the device, as a group acts on them, and how they are
 * split. */
#include "studies/regularization/regularization.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool reg_learns_from(const iv_dataset_info *info) {
    return !info->meaningless;
}

/* ------------------------------------------------------------------ pools */

static iv_status upload_pool(iv_context *context, const iv_dataset *data, const iv_group *group,
                             reg_pool *pool) {
    uint8_t *padded = NULL;
    size_t bytes;
    *pool = (reg_pool){0};
    iv_status status =
        iv_multiply_size(data->n_images, group->n_pixels, &bytes, iv_context_error(context));
    if (status == IV_OK && !(padded = malloc(bytes))) status = iv_no_memory(context);
    if (status == IV_OK) {
        iv_group_pad(group, data->pixels, data->n_images, padded);
        status = iv_buffer_upload(context, padded, bytes, &pool->pixels);
    }
    if (status == IV_OK)
        status = iv_buffer_upload(context, data->labels, data->n_images, &pool->labels);
    if (status == IV_OK) {
        pool->n_images = data->n_images;
        pool->zeros = iv_mostly_zero(padded, bytes);
    }
    free(padded);
    if (status != IV_OK) reg_pool_clear(context, pool);
    return status;
}

void reg_pool_clear(iv_context *context, reg_pool *pool) {
    iv_buffer_release(context, pool->pixels);
    iv_buffer_release(context, pool->labels);
    *pool = (reg_pool){0};
}

static iv_status load_images(iv_experiment *x, study_own_images *own, const study_images *images,
                             size_t n_asked, iv_dataset *set) {
    const iv_dataset_info *known = images->known;
    const bool whole = x->synthetic && known && !known->built_in;
    return study_images_load(x, own, images, whole ? known->n_training + known->n_test : n_asked,
                             set);
}

static iv_status check_fits(iv_context *context, const reg_data *data, const iv_dataset *set) {
    const iv_image_shape shape = data->group->image;
    if (set->channels == shape.planes && set->height == shape.height && set->width == shape.width &&
        set->n_classes <= data->n_classes)
        return IV_OK;
    return iv_fail(iv_context_error(context), IV_EDATA,
                   "%s holds images of %zu x %zu x %zu (channels, height, width) in %zu classes, "
                   "expected %zu x %zu x %zu in at most %zu classes, as the images to train on",
                   set->name, set->channels, set->height, set->width, set->n_classes, shape.planes,
                   shape.height, shape.width, data->n_classes);
}

static iv_status load_drift_set(iv_experiment *x, const reg_data *data, const reg_setting *s,
                                const char *name, iv_dataset *set) {
    const study_images images = {.name = name, .known = iv_dataset_info_find(name)};
    const bool built_in = images.known && images.known->built_in;
    iv_status status = load_images(x, NULL, &images, built_in ? s->n_test : 0, set);
    if (status == IV_OK && (status = check_fits(x->context, data, set)) != IV_OK)
        iv_dataset_clear(set);
    return status;
}

iv_status reg_drift_load(iv_experiment *x, const reg_data *data, const reg_setting *s,
                         const char *name, reg_pool *pool) {
    iv_dataset set;
    *pool = (reg_pool){0};
    iv_status status = load_drift_set(x, data, s, name, &set);
    if (status != IV_OK) return status;
    status = upload_pool(x->context, &set, data->group, pool);
    iv_dataset_clear(&set);
    return status;
}

/* ------------------------------------------------------------------ of a population */

static bool holds(const reg_data *data, const reg_setting *s) {
    const iv_group *g = data->group;
    return g && study_images_are(&data->of, &s->images) && data->n_asked == s->n_images &&
           g->kind == s->group_kind && g->order == s->group_order && data->axes == s->axes;
}

static iv_status make_group(iv_context *context, const reg_setting *s, reg_data *data) {
    iv_status status = iv_group_create(s->group_kind, s->group_order, s->axes, s->images.shape,
                                       &data->group, iv_context_error(context));
    if (status != IV_OK) return status;
    const iv_group *g = data->group;
    const size_t bytes = g->n_elements * g->n_pixels * sizeof *g->source;
    status = iv_buffer_upload(context, g->source, bytes, &data->source);
    return status == IV_OK ? iv_buffer_upload(context, g->inverse, bytes, &data->inverse) : status;
}

/* Drift sets are looked at only after training: hours may have passed by then. */
static iv_status read_drift_sets(iv_experiment *x, const reg_data *data, const reg_setting *s) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < s->n_drift && status == IV_OK && !x->synthetic; i++) {
        const iv_dataset_info *info = iv_dataset_info_find(s->drift[i]);
        iv_dataset set = {0};
        if (info && info->built_in) { /* takes a while to make */
            snprintf(set.name, sizeof set.name, "%s", info->name);
            set.channels = info->channels;
            set.height = info->height;
            set.width = info->width;
            set.n_classes = info->n_classes;
            status = check_fits(x->context, data, &set);
        } else {
            status = load_drift_set(x, data, s, s->drift[i], &set);
            if (status == IV_OK) iv_dataset_clear(&set);
        }
    }
    return status;
}

/* All but images that are still to be taken. */
static void release(iv_context *context, reg_data *data) {
    const study_own_images own = data->own;
    reg_pool_clear(context, &data->pool);
    iv_buffer_release(context, data->source);
    iv_buffer_release(context, data->inverse);
    iv_group_destroy(data->group);
    *data = (reg_data){.own = own};
}

static void clear(iv_context *context, void *held) {
    reg_data *data = held;
    release(context, data);
    study_own_images_clear(&data->own);
}

/* What the spec could not tell of images of the user's own. */
static iv_status check_own(iv_context *context, const iv_population *p, const reg_setting *s,
                           const iv_dataset *set) {
    const size_t used = p->n_train + s->n_validation + s->n_test;
    if (used <= set->n_images) return IV_OK;
    return iv_fail(iv_context_error(context), IV_EINVAL,
                   "`dataset`: train + validation + test is %zu, expected at most the %zu images "
                   "of %s%s%s%s",
                   used, set->n_images, s->images.name, s->images.path ? " (" : "",
                   s->images.path ? s->images.path : "", s->images.path ? ")" : "");
}

static iv_status load_pool(iv_experiment *x, const iv_population *p, reg_data *data) {
    const reg_setting *s = reg_setting_of(p);
    iv_dataset set;
    iv_status status = load_images(x, &data->own, &s->images, s->n_images, &set);
    if (status != IV_OK) return status;
    status = check_fits(x->context, data, &set);
    if (status == IV_OK && !s->images.known) status = check_own(x->context, p, s, &set);
    if (status == IV_OK) status = upload_pool(x->context, &set, data->group, &data->pool);
    iv_dataset_clear(&set);
    return status;
}

static iv_status provide(iv_experiment *x, const iv_population *p, void *held) {
    reg_data *data = held;
    const reg_setting *s = reg_setting_of(p);
    if (holds(data, s)) return IV_OK;
    release(x->context, data);
    iv_status status = make_group(x->context, s, data);
    data->n_classes = s->images.n_classes;
    if (status == IV_OK) status = load_pool(x, p, data);
    if (status == IV_OK) status = read_drift_sets(x, data, s);
    if (status != IV_OK) {
        release(x->context, data);
        return status;
    }
    study_images_note(&data->of, &s->images);
    data->n_asked = s->n_images;
    data->axes = s->axes;
    return IV_OK;
}

/* ------------------------------------------------------------------ splits */

iv_status reg_splits_create(iv_context *context, const iv_population *p, size_t n_pool,
                            size_t n_train, size_t n_validation, size_t n_test, cl_mem *splits) {
    iv_error *error = iv_context_error(context);
    *splits = NULL;
    size_t n;
    iv_status status = iv_multiply_size(p->n_members, n_pool, &n, error);
    int32_t *rows = status == IV_OK ? malloc(n * sizeof *rows) : NULL;
    if (status == IV_OK && !rows) status = iv_no_memory(context);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++)
        status = iv_split(p->members[r].seed, n_pool, n_train, n_validation, n_test,
                          rows + r * n_pool, error);
    if (status == IV_OK) status = iv_buffer_upload(context, rows, n * sizeof *rows, splits);
    free(rows);
    return status;
}

/* One file for each seed; where a sweep changes the data, one for each seed and configuration. */
static iv_status save_splits(iv_experiment *x, const iv_population *p) {
    const reg_setting *s = reg_setting_of(p);
    const size_t n_pool = ((const reg_data *)x->data)->pool.n_images;
    iv_error *error = iv_context_error(x->context);
    int32_t *rows = malloc(n_pool * sizeof *rows);
    iv_status status = rows ? IV_OK : iv_no_memory(x->context);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        const char *variant = p->members[r].run->variant;
        char name[512];
        snprintf(name, sizeof name, "splits/seed%u%s%.200s.npy", p->members[r].seed,
                 *variant ? "-" : "", variant);
        status = iv_split(p->members[r].seed, n_pool, p->n_train, s->n_validation, s->n_test, rows,
                          error);
        char *path = iv_run_dir_file(x->job->dir, name);
        if (status == IV_OK && !path) status = iv_no_memory(x->context);
        const iv_array array = {.type = IV_ARRAY_INT32, .rank = 1, .shape = {n_pool}, .data = rows};
        if (status == IV_OK) status = iv_npy_write(path, &array, error);
        free(path);
    }
    free(rows);
    return status;
}

const iv_study_data reg_data_hooks = {
    .size = sizeof(reg_data),
    .is_unread = study_images_unread,
    .describe = study_images_describe,
    .provide = provide,
    .clear = clear,
    .save = save_splits,
};

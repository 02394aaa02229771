/* Images of the regularization study on the device, as a group acts on them, and how they are
 * split. */
#include "studies/regularization/regularization.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool reg_takes(const iv_dataset_info *info) {
    return info->channels == 1 && info->height == REG_SIDE && info->width == REG_SIDE &&
           info->n_classes <= REG_CLASSES;
}

bool reg_learns_from(const iv_dataset_info *info) {
    return reg_takes(info) && !info->meaningless;
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

static iv_status load_images(iv_experiment *x, const char *name, size_t n_asked, iv_dataset *set) {
    iv_error *error = iv_context_error(x->context);
    const iv_dataset_info *info = iv_dataset_info_find(name);
    if (!x->synthetic) return iv_dataset_load(x->job->data_dir, name, n_asked, set, error);
    const size_t n = info->built_in ? n_asked : info->n_training + info->n_test;
    return iv_synthetic_images(info, n, set, error);
}

iv_status reg_pool_load(iv_experiment *x, const reg_data *data, const char *name, size_t n_asked,
                        reg_pool *pool) {
    const iv_group *group = data->group;
    iv_dataset set;
    *pool = (reg_pool){0};
    iv_status status = load_images(x, name, n_asked, &set);
    if (status != IV_OK) return status;
    if (set.channels != 1 || set.height != set.width || set.height != group->image_side ||
        set.n_classes > REG_CLASSES)
        status = iv_fail(iv_context_error(x->context), IV_EDATA,
                         "%s holds %zu x %zu images of %zu channels in %zu classes; this study "
                         "takes grey squares of side %zu in at most %d classes",
                         name, set.height, set.width, set.channels, set.n_classes,
                         group->image_side, REG_CLASSES);
    if (status == IV_OK) status = upload_pool(x->context, &set, group, pool);
    iv_dataset_clear(&set);
    return status;
}

/* ------------------------------------------------------------------ of a population */

static bool holds(const reg_data *data, const reg_setting *s) {
    const iv_group *g = data->group;
    return g && strcmp(data->name, s->dataset) == 0 && data->n_asked == s->n_images &&
           g->kind == s->group_kind && g->order == s->group_order && data->axes == s->axes;
}

static iv_status make_group(iv_context *context, const reg_setting *s, reg_data *data) {
    iv_status status = iv_group_create(s->group_kind, s->group_order, s->axes, REG_SIDE,
                                       &data->group, iv_context_error(context));
    if (status != IV_OK) return status;
    const iv_group *g = data->group;
    const size_t bytes = g->n_elements * g->n_pixels * sizeof *g->source;
    status = iv_buffer_upload(context, g->source, bytes, &data->source);
    return status == IV_OK ? iv_buffer_upload(context, g->inverse, bytes, &data->inverse) : status;
}

/* Drift sets are looked at only after training: hours may have passed by then. */
static iv_status read_drift_sets(const iv_experiment *x, const reg_setting *s) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < s->n_drift && status == IV_OK && !x->synthetic; i++) {
        iv_dataset set;
        if (iv_dataset_info_find(s->drift[i])->built_in) continue;
        status =
            iv_dataset_load(x->job->data_dir, s->drift[i], 0, &set, iv_context_error(x->context));
        if (status == IV_OK) iv_dataset_clear(&set);
    }
    return status;
}

static void clear(iv_context *context, void *held) {
    reg_data *data = held;
    reg_pool_clear(context, &data->pool);
    iv_buffer_release(context, data->source);
    iv_buffer_release(context, data->inverse);
    iv_group_destroy(data->group);
    *data = (reg_data){0};
}

static iv_status provide(iv_experiment *x, const iv_population *p, void *held) {
    reg_data *data = held;
    const reg_setting *s = reg_setting_of(p);
    if (holds(data, s)) return IV_OK;
    clear(x->context, data);
    iv_status status = make_group(x->context, s, data);
    if (status == IV_OK) status = reg_pool_load(x, data, s->dataset, s->n_images, &data->pool);
    if (status == IV_OK) status = read_drift_sets(x, s);
    if (status != IV_OK) {
        clear(x->context, data);
        return status;
    }
    snprintf(data->name, sizeof data->name, "%s", s->dataset);
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
    .size = sizeof(reg_data), .provide = provide, .clear = clear, .save = save_splits};

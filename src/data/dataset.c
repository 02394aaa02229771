/* Loading image sets by name, and names for messages. */
#include <invar/data.h>

#include "data/idx_set.h"
#include "data/source.h"

#include <stdio.h>
#include <string.h>

enum { DEFAULT_BUILT_IN_IMAGES = 20000 };

static bool is_chosen(const iv_dataset_info *info, iv_dataset_choice choice) {
    switch (choice) {
    case IV_DATASETS_BUILT_IN: return info->built_in;
    case IV_DATASETS_OF_FILES: return !info->built_in;
    case IV_DATASETS_TO_FETCH: return !info->built_in && !info->by_hand;
    case IV_DATASETS_ALL: break;
    }
    return true;
}

const char *iv_dataset_names(iv_dataset_choice choice, const char *separator, const char *last,
                             char *text, size_t size) {
    const iv_dataset_info *info;
    size_t n_left = 0, length = 0, n = 0;
    for (size_t i = 0; (info = iv_dataset_info_get(i)); i++) n_left += is_chosen(info, choice);
    if (size > 0) *text = '\0';
    for (size_t i = 0; (info = iv_dataset_info_get(i)) && length < size; i++) {
        if (!is_chosen(info, choice)) continue;
        n_left--;
        const char *between = n++ == 0 ? "" : n_left == 0 ? last : separator;
        const int added = snprintf(text + length, size - length, "%s%s", between, info->name);
        length += added > 0 ? (size_t)added : 0;
    }
    return text;
}

/* A set of the user's own: a folder of that name with IDX files under MNIST's names. */
static bool is_own_set(const char *directory, const char *name) {
    char path[IV_PATH_BYTES];
    bool exists = false;
    if (!directory || !*name || *name == '.' || strchr(name, '/')) return false;
    return iv_dataset_path(directory, name, iv_idx_names[IV_IDX_TRAINING_IMAGES], path, &exists,
                           NULL) == IV_OK &&
           exists;
}

/* The table's row of a name, or one of the user's own with no more than is known without reading.
 */
static iv_status find_row(const char *directory, const char *name, iv_dataset_info *info,
                          iv_error *error) {
    const iv_dataset_info *known = iv_dataset_info_find(name);
    if (known) {
        *info = *known;
    } else if (is_own_set(directory, name) && strlen(name) < IV_DATASET_NAME) {
        *info = (iv_dataset_info){
            .name = name, .title = name, .load = iv_idx_set_load, .files = {IV_IDX_NAMES}};
    } else {
        char names[256];
        return iv_fail(error, IV_EINVAL,
                       "unknown dataset '%s': expected %s, or a folder of that name with IDX files "
                       "in the data directory",
                       name, iv_dataset_names(IV_DATASETS_ALL, ", ", ", ", names, sizeof names));
    }
    return IV_OK;
}

static iv_status read_files(const iv_dataset_info *info, const char *directory, iv_dataset *dataset,
                            iv_error *error) {
    snprintf(dataset->name, sizeof dataset->name, "%s", info->name);
    const iv_status status = info->load(info, directory, dataset, error);
    if (status != IV_OK) iv_dataset_clear(dataset);
    return status;
}

iv_status iv_dataset_load(const char *directory, const char *name, size_t n_images,
                          iv_dataset *dataset, iv_error *error) {
    iv_dataset_info info;
    *dataset = (iv_dataset){0};
    const iv_status status = find_row(directory, name, &info, error);
    if (status != IV_OK) return status;
    if (info.built_in)
        return info.make(0, n_images ? n_images : DEFAULT_BUILT_IN_IMAGES, dataset, error);
    return read_files(&info, directory, dataset, error);
}

iv_status iv_dataset_describe(const char *directory, const char *name, iv_dataset_info *info,
                              iv_error *error) {
    iv_dataset own = {0};
    iv_status status = find_row(directory, name, info, error);
    if (status != IV_OK || info->n_classes > 0) return status;
    status = read_files(info, directory, &own, error);
    if (status != IV_OK) return status;
    info->channels = own.channels;
    info->height = own.height;
    info->width = own.width;
    info->n_classes = own.n_classes;
    info->n_training = own.n_training;
    info->n_test = own.n_images - own.n_training;
    info->mostly_zero =
        iv_mostly_zero(own.pixels, own.n_images * own.channels * own.height * own.width);
    iv_dataset_clear(&own);
    return IV_OK;
}

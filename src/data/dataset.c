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

iv_status iv_dataset_load(const char *directory, const char *name, size_t n_images,
                          iv_dataset *dataset, iv_error *error) {
    const iv_dataset_info own = {.name = name, .load = iv_idx_set_load, .files = {IV_IDX_NAMES}};
    const iv_dataset_info *info = iv_dataset_info_find(name);
    *dataset = (iv_dataset){0};
    if (info && info->built_in)
        return info->make(0, n_images ? n_images : DEFAULT_BUILT_IN_IMAGES, dataset, error);

    if (!info && is_own_set(directory, name) && strlen(name) < sizeof dataset->name) info = &own;
    if (!info) {
        char names[256];
        return iv_fail(error, IV_EINVAL,
                       "unknown dataset '%s': expected %s, or a folder of that name with IDX files "
                       "in the data directory",
                       name, iv_dataset_names(IV_DATASETS_ALL, ", ", ", ", names, sizeof names));
    }
    snprintf(dataset->name, sizeof dataset->name, "%s", name);
    const iv_status status = info->load(info, directory, dataset, error);
    if (status != IV_OK) iv_dataset_clear(dataset);
    return status;
}

/* Loading image sets by name, and names for messages. */
#include <invar/data.h>

#include "data/own.h"

#include "runtime/text.h"

#include <stdio.h>
#include <string.h>

enum { DEFAULT_BUILT_IN_IMAGES = 20000 };

static bool is_chosen(const iv_dataset_info *info, iv_dataset_choice choice) {
    switch (choice) {
    case IV_DATASETS_BUILT_IN: return info->built_in;
    case IV_DATASETS_OF_FILES: return !info->built_in;
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

static iv_status fail_unknown(const char *directory, const char *name, iv_error *error) {
    char names[256];
    const char *nearest = NULL;
    const iv_dataset_info *info;
    size_t best = SIZE_MAX;
    for (size_t i = 0; (info = iv_dataset_info_get(i)); i++)
        if (iv_word_nearer(name, info->name, &best)) nearest = info->name;
    return iv_fail(error, IV_EINVAL,
                   "unknown dataset '%s': expected %s, or a folder of that name in the data "
                   "directory (%s) with images of your own: " IV_OWN_EXPECTED "%s%s%s",
                   name, iv_dataset_names(IV_DATASETS_ALL, ", ", ", ", names, sizeof names),
                   directory ? directory : "none is known", nearest ? "; did you mean `" : "",
                   nearest ? nearest : "", nearest ? "`?" : "");
}

/* Where images of the user's own are by name: a folder of the data directory. */
static iv_status own_folder(const char *directory, const char *name, char folder[IV_PATH_BYTES],
                            iv_error *error) {
    const bool is_name = *name && *name != '.' && !strchr(name, '/');
    if (!directory || !is_name || strlen(name) >= IV_DATASET_NAME || !iv_own_has(directory, name))
        return fail_unknown(directory, name, error);
    return iv_path_within(directory, name, "", folder, error);
}

static iv_status load_own(const char *directory, const char *name, iv_dataset *dataset,
                          iv_error *error) {
    char folder[IV_PATH_BYTES];
    const iv_status status = own_folder(directory, name, folder, error);
    return status == IV_OK ? iv_own_images_load(folder, name, dataset, error) : status;
}

static iv_status read_files(const iv_dataset_info *info, const char *directory,
                            iv_dataset_part part, iv_dataset *dataset, iv_error *error) {
    snprintf(dataset->name, sizeof dataset->name, "%s", info->name);
    const iv_status status = info->load(info, directory, part, dataset, error);
    if (status != IV_OK) iv_dataset_clear(dataset);
    return status;
}

iv_status iv_dataset_load(const char *directory, const char *name, size_t n_images,
                          iv_dataset *dataset, iv_error *error) {
    return iv_dataset_load_part(directory, name, n_images, IV_PART_ALL, dataset, error);
}

iv_status iv_dataset_load_part(const char *directory, const char *name, size_t n_images,
                               iv_dataset_part part, iv_dataset *dataset, iv_error *error) {
    const iv_dataset_info *info = iv_dataset_info_find(name);
    *dataset = (iv_dataset){0};
    if (!info) return load_own(directory, name, dataset, error);
    if (info->built_in)
        return info->make(0, n_images ? n_images : DEFAULT_BUILT_IN_IMAGES, dataset, error);
    return read_files(info, directory, part, dataset, error);
}

iv_status iv_dataset_describe(const char *directory, const char *name, iv_dataset_info *info,
                              iv_error *error) {
    const iv_dataset_info *known = iv_dataset_info_find(name);
    if (known) {
        *info = *known;
        return IV_OK;
    }
    iv_dataset own = {0};
    const iv_status status = load_own(directory, name, &own, error);
    if (status != IV_OK) return status;
    *info = (iv_dataset_info){
        .name = name,
        .title = name,
        .channels = own.channels,
        .height = own.height,
        .width = own.width,
        .n_classes = own.n_classes,
        .n_training = own.n_training,
        .n_test = own.n_images - own.n_training,
        .mostly_zero =
            iv_mostly_zero(own.pixels, own.n_images * own.channels * own.height * own.width),
    };
    iv_dataset_clear(&own);
    return IV_OK;
}

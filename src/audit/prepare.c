/* Orbits of images as files, for programs that know networks which Invar does not. */
#include "audit/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char manifest[] = "manifest.json";

iv_status audit_path(const char *folder, const char *name, size_t number, char **path,
                     iv_error *error) {
    const size_t bytes = strlen(folder) + strlen(name) + 40;
    *path = malloc(bytes);
    if (!*path) return iv_fail(error, IV_ENOMEM, "out of memory for a path");
    if (number == SIZE_MAX)
        snprintf(*path, bytes, "%s/%s", folder, name);
    else
        snprintf(*path, bytes, "%s/%s-%04zu.npy", folder, name, number);
    return IV_OK;
}

bool iv_audit_is_prepared(const char *directory) {
    char *path;
    struct stat about;
    if (audit_path(directory, manifest, SIZE_MAX, &path, NULL) != IV_OK) return false;
    const bool there = stat(path, &about) == 0;
    free(path);
    return there;
}

static iv_status write_array(const char *directory, const char *name, size_t number,
                             const iv_array *array, iv_error *error) {
    char *path;
    iv_status status = audit_path(directory, name, number, &path, error);
    if (status == IV_OK) status = iv_npy_write(path, array, error);
    free(path);
    return status;
}

/* One batch of n images from number `first` of the chosen ones on. */
static iv_status write_batch(const iv_audit_options *o, size_t first, size_t n, size_t number,
                             const char *directory, iv_error *error) {
    const iv_group *g = o->group;
    const size_t of_image = iv_image_values(g->image), d = g->n_pixels;
    float *values = malloc(g->n_elements * n * d * sizeof *values);
    uint8_t *padded = malloc(n * d);
    iv_status status =
        values && padded ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for images");
    if (status == IV_OK) {
        iv_group_pad(g, o->images->pixels + (o->first + first) * of_image, n, padded);
        for (size_t e = 0; e < g->n_elements; e++)
            for (size_t i = 0; i < n; i++)
                for (size_t p = 0; p < d; p++)
                    values[(e * n + i) * d + p] =
                        (float)padded[i * d + g->source[e * d + p]] / 255.0f;
        const iv_array array = {
            .type = IV_ARRAY_FLOAT32,
            .rank = 5,
            .shape = {g->n_elements, n, g->padded.planes, g->padded.height, g->padded.width},
            .data = values};
        status = write_array(directory, "images", number, &array, error);
    }
    free(values);
    free(padded);
    return status;
}

/* The last file: a directory without it is not prepared. */
static iv_status write_manifest(const iv_audit_options *o, size_t batch, const char *directory,
                                iv_error *error) {
    const iv_group *g = o->group;
    iv_text text = {0};
    char *path = NULL, *json = NULL;
    iv_text_add(&text, "{\n  \"data\": ");
    iv_text_json(&text, o->images->name);
    iv_text_add(&text, ",\n  \"group\": ");
    iv_text_json(&text, o->group_name ? o->group_name : "a group");
    iv_text_format(&text,
                   ",\n  \"elements\": %zu,\n  \"images\": %zu,\n  \"batch\": %zu,\n  \"classes\": "
                   "%zu,\n  \"channels\": %zu,\n  \"height\": %zu,\n  \"width\": %zu\n}\n",
                   g->n_elements, o->n_images, batch, o->images->n_classes, g->padded.planes,
                   g->padded.height, g->padded.width);
    iv_status status = iv_text_take(&text, &json, error);
    if (status == IV_OK) status = audit_path(directory, manifest, SIZE_MAX, &path, error);
    if (status == IV_OK) status = iv_write_file_atomically(path, json, strlen(json), error);
    free(path);
    free(json);
    return status;
}

iv_status iv_audit_prepare(const iv_audit_options *o, size_t batch, const char *directory,
                           iv_error *error) {
    const iv_group *g = o->group;
    if (batch == 0) batch = 256;
    iv_status status = audit_check_images(o, error);
    if (status == IV_OK && iv_audit_is_prepared(directory))
        status = iv_fail(error, IV_EINVAL, "%s holds prepared images: choose another directory",
                         directory);
    if (status == IV_OK) status = iv_make_directories(directory, error);
    for (size_t i = 0; i * batch < o->n_images && status == IV_OK; i++) {
        const size_t left = o->n_images - i * batch;
        status = write_batch(o, i * batch, left < batch ? left : batch, i, directory, error);
    }
    const iv_array labels = {.type = IV_ARRAY_UINT8,
                             .rank = 1,
                             .shape = {o->n_images},
                             .data = o->images->labels + o->first};
    const iv_array table = {.type = IV_ARRAY_UINT16,
                            .rank = 2,
                            .shape = {g->n_elements, g->n_pixels},
                            .data = g->source};
    if (status == IV_OK) status = write_array(directory, "labels.npy", SIZE_MAX, &labels, error);
    if (status == IV_OK) status = write_array(directory, "group.npy", SIZE_MAX, &table, error);
    return status == IV_OK ? write_manifest(o, batch, directory, error) : status;
}

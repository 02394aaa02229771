/* An audit from logits and gradients that another program made of prepared images. */
#include "audit/audit.h"

#include "report/json_file.h"
#include "runtime/stop.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST = 1 << 24 }; /* of anything that a manifest counts */

typedef struct {
    iv_context *context;
    const iv_audit_options *options;
    const char *directory;
    iv_audit *audit;
    size_t batch, n_pixels;
    uint8_t *labels;  /* [n_images] */
    cl_mem inverse;   /* ushort [G, D] */
    char **names;     /* [n_models] folders; "" for the directory itself */
    size_t n_folders; /* n_models so far */
    uint64_t done;    /* images */
} reading;

static iv_error *error_of(const reading *r) {
    return iv_context_error(r->context);
}

/* ------------------------------------------------------------------ the manifest */

static iv_status read_count(const reading *r, const json_t *manifest, const char *key, size_t *n) {
    const json_t *value = json_object_get(manifest, key);
    *n =
        json_is_integer(value) && json_integer_value(value) > 0 && json_integer_value(value) <= MOST
            ? (size_t)json_integer_value(value)
            : 0;
    if (*n > 0) return IV_OK;
    return iv_fail(error_of(r), IV_EDATA,
                   "%s/manifest.json: \"%s\" is missing, or no number from 1 on", r->directory,
                   key);
}

static iv_status read_manifest(reading *r) {
    iv_audit *audit = r->audit;
    char *path = NULL;
    json_t *manifest = NULL;
    iv_image_shape shape = {0};
    iv_status status = audit_path(r->directory, "manifest.json", SIZE_MAX, &path, error_of(r));
    if (status == IV_OK) status = iv_json_read(path, &manifest, error_of(r));
    const struct {
        const char *key;
        size_t *to;
    } counts[] = {
        {"elements", &audit->n_elements}, {"images", &audit->n_images}, {"batch", &r->batch},
        {"classes", &audit->n_classes},   {"channels", &shape.planes},  {"height", &shape.height},
        {"width", &shape.width}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts && status == IV_OK; i++)
        status = read_count(r, manifest, counts[i].key, counts[i].to);
    const char *data = json_string_value(json_object_get(manifest, "data"));
    const char *group = json_string_value(json_object_get(manifest, "group"));
    if (status == IV_OK &&
        (!data || !group || audit->n_classes > 256 || audit->n_elements < 2 ||
         iv_multiply_size(shape.planes * shape.height, shape.width, &r->n_pixels, NULL) != IV_OK ||
         shape.planes > 65535 || shape.height > 65535 || r->n_pixels > 65535))
        status = iv_fail(error_of(r), IV_EDATA,
                         "%s: not one that invar audit --prepare wrote: damaged", path);
    if (status == IV_OK) {
        audit->data = strdup(data);
        audit->group = strdup(group);
        audit->shape = shape;
        if (!audit->data || !audit->group) status = audit_no_memory(r->context);
        if (r->batch > audit->n_images) r->batch = audit->n_images;
    }
    json_decref(manifest);
    free(path);
    return status;
}

/* Words for the elements, if the group's name says what they do. */
static iv_status name_elements(reading *r) {
    const iv_image_shape shape = r->audit->shape;
    iv_group group;
    iv_error unheard = {0};
    const bool known =
        iv_group_parse_name(r->audit->group, &group, &unheard) == IV_OK &&
        iv_group_order_allowed(group.kind, group.order, shape, NULL) &&
        iv_group_elements(group.kind, group.order, group.axes) == r->audit->n_elements;
    group.padded = shape;
    group.n_elements = r->audit->n_elements;
    return audit_describe_elements(r->audit, known ? &group : NULL, error_of(r));
}

/* ------------------------------------------------------------------ arrays */

static void format_shape(const iv_array *array, char text[128]) {
    int n = snprintf(text, 128, "[");
    for (unsigned i = 0; i < array->rank && n < 100; i++)
        n += snprintf(text + n, 128 - (size_t)n, "%s%zu", i ? ", " : "", array->shape[i]);
    snprintf(text + n, 128 - (size_t)n, "]");
}

static size_t n_elements_of(const iv_array *array) {
    size_t n = 1;
    for (unsigned i = 0; i < array->rank; i++) n *= array->shape[i];
    return n;
}

static iv_status refuse(const reading *r, const char *path, const iv_array *array,
                        const char *expected) {
    char shape[128];
    format_shape(array, shape);
    return iv_fail(error_of(r), IV_EDATA, "%s: an array of %s %s, expected %s", path,
                   iv_array_type_name(array->type), shape, expected);
}

static iv_status read_labels(reading *r) {
    iv_array array = {0};
    char *path = NULL;
    iv_status status = audit_path(r->directory, "labels.npy", SIZE_MAX, &path, error_of(r));
    if (status == IV_OK) status = iv_npy_read(path, &array, error_of(r));
    if (status == IV_OK &&
        (array.type != IV_ARRAY_UINT8 || array.rank != 1 || array.shape[0] != r->audit->n_images))
        status = refuse(r, path, &array, "the labels as they were written");
    r->labels = array.data;
    for (size_t i = 0; i < r->audit->n_images && status == IV_OK; i++)
        if (r->labels[i] >= r->audit->n_classes)
            status = iv_fail(error_of(r), IV_EDATA, "%s: label %zu is %u of %zu classes", path, i,
                             r->labels[i], r->audit->n_classes);
    free(path);
    return status;
}

/* The inverse tables, of tables that permute. */
static iv_status read_group(reading *r) {
    const size_t d = r->n_pixels, n = r->audit->n_elements;
    iv_array array = {0};
    char *path = NULL;
    iv_status status = audit_path(r->directory, "group.npy", SIZE_MAX, &path, error_of(r));
    if (status == IV_OK) status = iv_npy_read(path, &array, error_of(r));
    if (status == IV_OK && (array.type != IV_ARRAY_UINT16 || array.rank != 2 ||
                            array.shape[0] != n || array.shape[1] != d))
        status = refuse(r, path, &array, "the group as it was written");
    uint16_t *inverse = status == IV_OK ? malloc(n * d * sizeof *inverse) : NULL;
    if (status == IV_OK && !inverse) status = audit_no_memory(r->context);
    if (status == IV_OK) {
        const uint16_t *source = array.data;
        memset(inverse, 0xff, n * d * sizeof *inverse); /* 65535 is no pixel */
        for (size_t i = 0; i < n * d && status == IV_OK; i++) {
            if (source[i] >= d || inverse[i / d * d + source[i]] != 0xffff)
                status = iv_fail(error_of(r), IV_EDATA, "%s: element %zu is no permutation", path,
                                 i / d);
            else
                inverse[i / d * d + source[i]] = (uint16_t)(i % d);
        }
    }
    if (status == IV_OK)
        status = iv_buffer_upload(r->context, inverse, n * d * sizeof *inverse, &r->inverse);
    free(inverse);
    free(array.data);
    free(path);
    return status;
}

/* ------------------------------------------------------------------ networks */

/* Number `number` of the files of that name that a network has; folder ".": the directory itself. */
static iv_status path_of(const reading *r, const char *folder, const char *name, size_t number,
                         char **path) {
    char *within = NULL;
    if (strcmp(folder, ".") == 0) return audit_path(r->directory, name, number, path, error_of(r));
    iv_status status = audit_path(r->directory, folder, SIZE_MAX, &within, error_of(r));
    if (status == IV_OK) status = audit_path(within, name, number, path, error_of(r));
    free(within);
    return status;
}

static bool has_files(const reading *r, const char *folder, const char *name, size_t number) {
    char *path = NULL;
    struct stat about;
    const bool there = path_of(r, folder, name, number, &path) == IV_OK && stat(path, &about) == 0;
    free(path);
    return there;
}

static int compare_names(const void *first, const void *second) {
    return strcmp(*(char *const *)first, *(char *const *)second);
}

static iv_status add_name(reading *r, const char *name) {
    char **longer = realloc(r->names, (r->n_folders + 1) * sizeof *longer);
    if (!longer) return audit_no_memory(r->context);
    r->names = longer;
    if (!(r->names[r->n_folders] = strdup(name))) return audit_no_memory(r->context);
    r->n_folders++;
    return IV_OK;
}

/* The directory itself, and folders in it in the order of their names. */
static iv_status find_networks(reading *r) {
    const struct dirent *entry;
    DIR *folder = opendir(r->directory);
    iv_status status =
        folder ? IV_OK : iv_fail(error_of(r), IV_EDATA, "%s: cannot be read", r->directory);
    if (status == IV_OK && has_files(r, ".", "logits", 0)) status = add_name(r, ".");
    while (status == IV_OK && (entry = readdir(folder)))
        if (entry->d_name[0] != '.' && has_files(r, entry->d_name, "logits", 0))
            status = add_name(r, entry->d_name);
    if (folder) closedir(folder);
    if (status == IV_OK && r->n_folders == 0)
        status = iv_fail(error_of(r), IV_EDATA,
                         "%s: no logits-0000.npy in it, nor in a folder in it: they are what your "
                         "program makes of images-0000.npy",
                         r->directory);
    if (r->n_folders > 1) qsort(r->names, r->n_folders, sizeof *r->names, compare_names);
    return status;
}

static iv_status name_model(const reading *r, const char *folder, iv_audit_model *model) {
    size_t n = strlen(r->directory);
    while (n > 1 && r->directory[n - 1] == '/') n--;
    size_t first = n;
    while (first > 0 && r->directory[first - 1] != '/') first--;
    const bool own = strcmp(folder, ".") == 0;
    model->name = own ? strndup(r->directory + first, n - first) : strdup(folder);
    model->architecture = strdup("logits from elsewhere");
    model->notes = strdup("");
    return model->name && model->architecture && model->notes ? IV_OK : audit_no_memory(r->context);
}

/* ------------------------------------------------------------------ numbers of a network */

/* Values [G n, width] or [G, n, ...] of NAME-0000.npy and so on; *width 0: any, which it becomes. */
static iv_status read_values(const reading *r, const char *folder, const char *name, size_t number,
                             size_t n, size_t *width, iv_array *array) {
    const size_t rows = r->audit->n_elements * n;
    char *path = NULL, expected[160];
    *array = (iv_array){0};
    iv_status status = path_of(r, folder, name, number, &path);
    if (status == IV_OK) status = iv_npy_read(path, array, error_of(r));
    const bool apart =
        array->rank >= 2 && array->shape[0] == r->audit->n_elements && array->shape[1] == n;
    const bool whole = array->rank >= 2 && array->shape[0] == rows;
    const size_t of_row = rows > 0 ? n_elements_of(array) / rows : 0;
    if (status == IV_OK && *width == 0 && array->rank == (apart ? 3 : 2)) *width = of_row;
    if (status == IV_OK && (array->type != IV_ARRAY_FLOAT32 || (!apart && !whole) || *width == 0 ||
                            of_row != *width)) {
        snprintf(expected, sizeof expected, "float32 [%zu, %zu, %s%zu%s] or [%zu, ...]",
                 r->audit->n_elements, n, *width ? "" : "C], at least ",
                 *width ? *width : r->audit->n_classes, *width ? "" : " classes", rows);
        status = refuse(r, path, array, expected);
    }
    for (size_t i = 0; i < rows * *width && status == IV_OK; i++)
        if (!isfinite(((const float *)array->data)[i]))
            status = iv_fail(error_of(r), IV_EDATA, "%s: value %zu is not finite", path, i);
    free(path);
    return status;
}

static iv_status go_on(reading *r, size_t n) {
    r->done += n;
    iv_progress_update(r->options->progress, "auditing", r->done,
                       (uint64_t)r->n_folders * r->audit->n_images);
    if (iv_stop_is_asked(r->options->stop))
        return iv_fail(error_of(r), IV_EINTERRUPTED, "interrupted");
    return IV_OK;
}

static iv_status measure_batch(reading *r, const char *folder, size_t number, bool with_gradients,
                               size_t *n_classes, audit_given **given, iv_audit_model *model) {
    const size_t first = number * r->batch, left = r->audit->n_images - first;
    const size_t n = left < r->batch ? left : r->batch;
    iv_array logits = {0}, gradients = {0};
    size_t n_pixels = r->n_pixels;
    float *values[AUDIT_N_ORBIT_METRICS];
    iv_status status = read_values(r, folder, "logits", number, n, n_classes, &logits);
    if (status == IV_OK && !audit_classes_fit(*n_classes, r->audit->n_classes, r->audit->data))
        status = iv_fail(error_of(r), IV_EDATA, "%s: has logits of %zu classes, but %s has %zu",
                         model->name, *n_classes, r->audit->data, r->audit->n_classes);
    if (status == IV_OK && with_gradients)
        status = read_values(r, folder, "gradients", number, n, &n_pixels, &gradients);
    if (status == IV_OK && !*given)
        status = audit_given_create(r->context,
                                    &(audit_given_shape){.n_elements = r->audit->n_elements,
                                                         .batch = r->batch,
                                                         .n_classes = *n_classes,
                                                         .n_pixels = with_gradients ? n_pixels : 0,
                                                         .inverse = r->inverse},
                                    given);
    for (size_t m = 0; m < AUDIT_N_ORBIT_METRICS; m++)
        values[m] = model->images[m] ? model->images[m] + first : NULL;
    if (status == IV_OK)
        status = audit_given_run(*given, n, logits.data, gradients.data, r->labels + first, values);
    if (status == IV_OK)
        audit_predictions(logits.data, r->audit->n_elements, n, *n_classes, n,
                          model->images[IV_AUDIT_CHANGES] + first * r->audit->n_elements,
                          model->images[IV_AUDIT_SIZE] + first);
    free(logits.data);
    free(gradients.data);
    return status == IV_OK ? go_on(r, n) : status;
}

/* ------------------------------------------------------------------ the worst images */

/* Of the image at place i among n in a batch, rows [width] under the elements: all of them, or those
 * that are shown. values [G, n, width] */
static void copy_rows(const reading *r, const iv_audit_worst *worst, bool all, const float *values,
                      size_t i, size_t n, size_t width, float *to) {
    const size_t n_rows = all ? r->audit->n_elements : worst->n_shown;
    for (size_t k = 0; k < n_rows; k++)
        memcpy(to + k * width, values + ((all ? k : worst->shown[k]) * n + i) * width,
               width * sizeof *to);
}

/* What there is of one of them: logits; gradients and images unless somebody took them away. */
static iv_status read_worst(const reading *r, const char *folder, bool with_gradients,
                            const iv_audit_model *model, iv_audit_worst *worst) {
    const size_t number = worst->image / r->batch, i = worst->image % r->batch;
    const size_t left = r->audit->n_images - number * r->batch;
    const size_t n = left < r->batch ? left : r->batch;
    const bool with_pixels = has_files(r, ".", "images", number);
    size_t n_classes = model->n_outputs, n_pixels = r->n_pixels;
    iv_array array;
    iv_status status = read_values(r, folder, "logits", number, n, &n_classes, &array);
    if (status == IV_OK) copy_rows(r, worst, true, array.data, i, n, n_classes, worst->logits);
    free(array.data);
    if (status == IV_OK)
        status = audit_show_worst(r->audit, model, worst, with_pixels, with_gradients, error_of(r));
    for (int k = 0; k < 2 && status == IV_OK; k++) {
        float *to = k == 0 ? worst->pixels : worst->saliency;
        if (!to) continue;
        status = k == 0 ? read_values(r, ".", "images", number, n, &n_pixels, &array)
                        : read_values(r, folder, "gradients", number, n, &n_pixels, &array);
        if (status == IV_OK) copy_rows(r, worst, false, array.data, i, n, n_pixels, to);
        free(array.data);
    }
    return status;
}

static iv_status measure_network(reading *r, size_t i) {
    const char *folder = r->names[i];
    iv_audit_model *model = &r->audit->models[i];
    const bool with_gradients = has_files(r, folder, "gradients", 0);
    audit_given *given = NULL;
    for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++) {
        model->width[m] = m == IV_AUDIT_CHANGES ? r->audit->n_elements : 1;
        if (m != IV_AUDIT_SIGMA && m != IV_AUDIT_SPECTRUM && (m != IV_AUDIT_SI || with_gradients))
            model->n_images[m] = r->audit->n_images;
    }
    iv_status status = name_model(r, folder, model);
    if (status == IV_OK) status = audit_allocate(r->audit, model, error_of(r));
    for (size_t k = 0; k * r->batch < r->audit->n_images && status == IV_OK; k++)
        status = measure_batch(r, folder, k, with_gradients, &model->n_outputs, &given, model);
    audit_given_destroy(given);
    if (status == IV_OK)
        status = audit_choose_worst(r->audit, model, r->options->n_worst, r->labels, error_of(r));
    for (size_t k = 0; k < model->n_worst && status == IV_OK; k++)
        status = read_worst(r, folder, with_gradients, model, &model->worst[k]);
    return status;
}

iv_status iv_audit_prepared(iv_context *context, const char *directory,
                            const iv_audit_options *options, iv_audit *audit) {
    reading r = {.context = context, .options = options, .directory = directory, .audit = audit};
    *audit = (iv_audit){.n_resamples = audit_resamples(options)};
    iv_status status = read_manifest(&r);
    if (status == IV_OK) status = name_elements(&r);
    if (status == IV_OK) status = read_labels(&r);
    if (status == IV_OK) status = read_group(&r);
    if (status == IV_OK) status = find_networks(&r);
    if (status == IV_OK) {
        audit->models = calloc(r.n_folders, sizeof *audit->models);
        audit->n_models = r.n_folders;
        if (!audit->models) status = audit_no_memory(context);
    }
    for (size_t i = 0; i < r.n_folders && status == IV_OK; i++) status = measure_network(&r, i);
    if (status == IV_OK)
        status = audit_find_intervals(audit, r.labels, options->seed, iv_context_error(context));
    for (size_t i = 0; i < r.n_folders; i++) free(r.names[i]);
    free(r.names);
    free(r.labels);
    iv_buffer_release(context, r.inverse);
    if (status != IV_OK) iv_audit_clear(audit);
    return status;
}

/* An audit: networks on the orbits of images, one architecture after the other. */
#include "audit/audit.h"

#include "runtime/stop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_ORBIT_METRICS = AUDIT_N_ORBIT_METRICS };

iv_orbit_metric *const audit_orbit_metrics[N_ORBIT_METRICS] = {
    [IV_AUDIT_ACCURACY] = iv_metric_accuracy,
    [IV_AUDIT_LI] = iv_metric_logit_invariance,
    [IV_AUDIT_DI] = iv_metric_distribution_invariance,
    [IV_AUDIT_SI] = iv_metric_saliency_invariance,
};

static const iv_audit_metric_info infos[IV_AUDIT_N_METRICS] = {
    [IV_AUDIT_ACCURACY] = {"accuracy", "Acc. (%)", 100, IV_DOC_ACCURACY},
    [IV_AUDIT_LI] = {"li", "LI", 1, IV_DOC_LI},
    [IV_AUDIT_DI] = {"di", "DI", 1, IV_DOC_DI},
    [IV_AUDIT_SI] = {"si", "SI", 1, IV_DOC_SI},
    [IV_AUDIT_SIGMA] = {"sigma_max_jacobian", "σmax(J)", 1, IV_DOC_SIGMA_JACOBIAN},
    [IV_AUDIT_SPECTRUM] = {"jacobian_spectrum", "Spectrum of J", 1, IV_DOC_SPECTRUM},
    [IV_AUDIT_CHANGES] = {"prediction_changes", "Changes (%)", 100, IV_DOC_CHANGES},
    [IV_AUDIT_SIZE] = {"logit_size", "½|f|²", 1, IV_DOC_SIZE},
};

const iv_audit_metric_info *iv_audit_metric_get(iv_audit_metric metric) {
    return metric < IV_AUDIT_N_METRICS ? &infos[metric] : NULL;
}

void iv_audit_clear(iv_audit *audit) {
    for (size_t i = 0; i < audit->n_models && audit->models; i++) {
        iv_audit_model *model = &audit->models[i];
        for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++) {
            free(model->all[m]);
            free(model->classes[m]);
            free(model->images[m]);
        }
        free(model->directions);
        audit_free_worst(model);
        free(model->name);
        free(model->architecture);
        free(model->notes);
    }
    for (size_t i = 0; i < audit->n_curves && audit->curves; i++) free(audit->curves[i].points);
    free(audit->curves);
    free(audit->models);
    free(audit->elements);
    free(audit->data);
    free(audit->group);
    *audit = (iv_audit){0};
}

/* ------------------------------------------------------------------ what is asked for */

size_t audit_resamples(const iv_audit_options *options) {
    return options->n_resamples > 0 ? options->n_resamples : 1000;
}

/* What is the same for all networks. */
typedef struct {
    iv_context *context;
    const iv_audit_options *options;
    iv_audit *audit;
    const uint8_t *labels; /* of the audited images */
    uint8_t *padded;       /* their pixels as the group acts on them */
    cl_mem pixels, device_labels, source, inverse;
    bool zeros;
    size_t n_jacobians;
    uint64_t done, total; /* images, in one way or another */
} auditing;

bool audit_classes_fit(size_t n_classes, size_t n_of_images, const char *images) {
    return n_classes == n_of_images || (n_classes > n_of_images && !iv_dataset_info_find(images));
}

/* Also of networks that were filled in by hand. */
static iv_status check_layers(const iv_network *n, const char *name, iv_error *error) {
    if (n->n_layers < (n->tied ? 2 : 1) || n->n_layers > IV_NETWORK_MOST_LAYERS)
        return iv_fail(error, IV_EINVAL, "%s: has %zu layers, expected %d to %d", name, n->n_layers,
                       n->tied ? 2 : 1, IV_NETWORK_MOST_LAYERS);
    for (size_t l = 1; l < n->n_layers; l++)
        if (n->layers[l].inputs != n->layers[l - 1].outputs)
            return iv_fail(error, IV_EINVAL,
                           "%s: layer %zu gives %zu values, the next one takes %zu", name, l - 1,
                           n->layers[l - 1].outputs, n->layers[l].inputs);
    return IV_OK;
}

/* Whether a network takes images of one shape alone, and not these of as many values. */
static bool wants_others(const iv_onnx_model *model, iv_image_shape shape) {
    return model && model->planes > 0 &&
           (model->planes != shape.planes || model->height != shape.height ||
            model->width != shape.width);
}

static iv_status check_network(const auditing *a, const iv_network *n) {
    const iv_audit_options *o = a->options;
    iv_error *error = iv_context_error(a->context);
    const char *name = n->name ? n->name : "a network";
    const iv_status status = n->onnx ? IV_OK : check_layers(n, name, error);
    if (status != IV_OK) return status;
    const iv_image_shape image = o->group->image, padded = o->group->padded;
    const size_t inputs = n->onnx ? n->onnx->n_pixels : n->layers[0].inputs;
    const size_t outputs = n->onnx ? n->onnx->n_classes : n->layers[n->n_layers - 1].outputs;
    if (inputs != o->group->n_pixels && o->group->n_pixels != iv_image_values(image) &&
        inputs == iv_image_values(image))
        return iv_fail(error, IV_EINVAL,
                       "%s: takes %zu values, but this group pads images of %zu x %zu to %zu x "
                       "%zu: choose an order that divides both sides",
                       name, inputs, image.height, image.width, padded.height, padded.width);
    if (wants_others(n->onnx, padded))
        return iv_fail(error, IV_EDATA,
                       "%s: takes images of %zu x %zu x %zu, but %s has %zu x %zu x %zu (channels, "
                       "height, width)",
                       name, n->onnx->planes, n->onnx->height, n->onnx->width, o->images->name,
                       padded.planes, padded.height, padded.width);
    if (inputs != o->group->n_pixels)
        return iv_fail(error, IV_EDATA,
                       "%s: takes %zu values, but %s has %zu x %zu x %zu (channels, height, width)",
                       name, inputs, o->images->name, padded.planes, padded.height, padded.width);
    if (!audit_classes_fit(outputs, o->images->n_classes, o->images->name))
        return iv_fail(error, IV_EDATA, "%s: has %zu classes, but %s has %zu", name, outputs,
                       o->images->name, o->images->n_classes);
    return IV_OK;
}

iv_status audit_check_images(const iv_audit_options *o, iv_error *error) {
    if (o->n_images == 0 || o->first > o->images->n_images ||
        o->n_images > o->images->n_images - o->first)
        return iv_fail(error, IV_EINVAL,
                       "%zu images from number %zu on, expected some of the %zu of %s", o->n_images,
                       o->first, o->images->n_images, o->images->name);
    if (o->group->n_elements < 2)
        return iv_fail(error, IV_EINVAL,
                       "a group with the identity alone, expected 2 elements or more");
    return IV_OK;
}

static iv_status check(const auditing *a) {
    const iv_audit_options *o = a->options;
    iv_error *error = iv_context_error(a->context);
    if (o->n_networks == 0) return iv_fail(error, IV_EINVAL, "no networks to audit");
    for (size_t c = 0; c < o->images->channels && o->deviation; c++)
        if (!(o->deviation[c] > 0) || !isfinite(o->deviation[c]))
            return iv_fail(error, IV_EINVAL, "a deviation of %g, expected numbers above 0",
                           (double)o->deviation[c]);
    for (size_t i = 0; i < o->n_curves; i++)
        for (size_t k = 0; k < o->n_points[i]; k++)
            if (!isfinite(o->at[i][k]) || (o->kinds[i] == IV_CURVE_SCALE && !(o->at[i][k] > 0)))
                return iv_fail(error, IV_EINVAL, "a curve at %g, expected finite numbers%s",
                               o->at[i][k], o->kinds[i] == IV_CURVE_SCALE ? " above 0" : "");
    iv_status status = audit_check_images(o, error);
    for (size_t i = 0; i < o->n_networks && status == IV_OK; i++)
        status = check_network(a, &o->networks[i]);
    return status;
}

static iv_status upload_images(auditing *a) {
    const iv_audit_options *o = a->options;
    const iv_group *group = o->group;
    const iv_dataset *images = o->images;
    const size_t of_image = iv_image_values(group->image);
    size_t bytes;
    iv_status status =
        iv_multiply_size(o->n_images, group->n_pixels, &bytes, iv_context_error(a->context));
    if (status != IV_OK) return status;
    uint8_t *padded = a->padded = malloc(bytes);
    if (!padded) return audit_no_memory(a->context);
    iv_group_pad(group, images->pixels + o->first * of_image, o->n_images, padded);
    a->zeros = iv_mostly_zero(padded, bytes);
    a->labels = images->labels + o->first;
    const size_t table_bytes = group->n_elements * group->n_pixels * sizeof *group->source;
    status = iv_buffer_upload(a->context, padded, bytes, &a->pixels);
    if (status == IV_OK)
        status = iv_buffer_upload(a->context, a->labels, o->n_images, &a->device_labels);
    if (status == IV_OK)
        status = iv_buffer_upload(a->context, group->source, table_bytes, &a->source);
    if (status == IV_OK)
        status = iv_buffer_upload(a->context, group->inverse, table_bytes, &a->inverse);
    return status;
}

/* ------------------------------------------------------------------ numbers of single images */

/* Networks of one architecture, by their places in the audit. */
typedef struct {
    auditing *a;
    size_t *places;
    const iv_network **networks;
    size_t n;
} together;

static void take(void *state, size_t metric, size_t member, size_t first, size_t n_images,
                 size_t width, const float *values) {
    const together *t = state;
    iv_audit_model *model = &t->a->audit->models[t->places[member]];
    if (metric < N_ORBIT_METRICS) {
        memcpy(model->images[metric] + first, values, n_images * sizeof *values);
        return;
    }
    memcpy(model->images[IV_AUDIT_SPECTRUM] + first * width, values,
           n_images * width * sizeof *values);
    for (size_t i = 0; i < n_images; i++)
        model->images[IV_AUDIT_SIGMA][first + i] = values[i * width];
}

iv_status audit_allocate(iv_audit *audit, iv_audit_model *model, iv_error *error) {
    for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++) {
        const size_t width = model->width[m];
        if (model->n_images[m] == 0) continue;
        model->images[m] = calloc(model->n_images[m] * width, sizeof *model->images[m]);
        model->all[m] = calloc(width, sizeof *model->all[m]);
        model->classes[m] = calloc(audit->n_classes * width, sizeof *model->classes[m]);
        if (!model->images[m] || !model->all[m] || !model->classes[m])
            return iv_fail(error, IV_ENOMEM, "out of memory for an audit");
    }
    return IV_OK;
}

static iv_status allocate(auditing *a, iv_audit_model *model, size_t n_values) {
    for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++) {
        const bool of_jacobian = m == IV_AUDIT_SIGMA || m == IV_AUDIT_SPECTRUM;
        model->n_images[m] = of_jacobian ? a->n_jacobians : a->options->n_images;
        model->width[m] = m == IV_AUDIT_SPECTRUM  ? n_values
                          : m == IV_AUDIT_CHANGES ? a->audit->n_elements
                                                  : 1;
    }
    return audit_allocate(a->audit, model, iv_context_error(a->context));
}

static iv_status go_on(auditing *a, size_t n_images) {
    a->done += n_images;
    iv_progress_update(a->options->progress, "auditing", a->done, a->total);
    if (iv_stop_is_asked(a->options->stop))
        return iv_fail(iv_context_error(a->context), IV_EINTERRUPTED, "interrupted");
    return IV_OK;
}

/* What predictions say of the batch that was just run. */
static iv_status take_predictions(together *t, iv_measure *measure, size_t number) {
    const iv_audit *audit = t->a->audit;
    const float *logits;
    size_t batch;
    const iv_status status = iv_measure_logits(measure, &logits, &batch);
    if (status != IV_OK) return status;
    const size_t first = number * batch, left = audit->n_images - first;
    for (size_t r = 0; r < t->n; r++) {
        iv_audit_model *model = &audit->models[t->places[r]];
        audit_predictions(logits + r * audit->n_elements * batch * model->n_outputs,
                          audit->n_elements, batch, model->n_outputs, left < batch ? left : batch,
                          model->images[IV_AUDIT_CHANGES] + first * audit->n_elements,
                          model->images[IV_AUDIT_SIZE] + first);
    }
    return IV_OK;
}

static iv_status run_batches(together *t, iv_measure *measure) {
    auditing *a = t->a;
    const size_t n_orbits = iv_measure_orbit_batches(measure);
    const size_t n_jacobians = iv_measure_jacobian_batches(measure);
    iv_status status = IV_OK;
    for (size_t i = 0; i < n_orbits && status == IV_OK; i++) {
        status = iv_measure_orbits(measure, i, take, t);
        if (status == IV_OK) status = take_predictions(t, measure, i);
        if (status == IV_OK) status = go_on(a, t->n * a->options->n_images / n_orbits);
    }
    if (status == IV_OK) status = iv_measure_prepare(measure);
    for (size_t i = 0; i < n_jacobians && status == IV_OK; i++) {
        status = iv_measure_jacobians(measure, i, take, t);
        if (status == IV_OK) status = go_on(a, t->n * a->n_jacobians / n_jacobians);
    }
    return status;
}

static iv_status curve_goes_on(void *state, size_t n_images) {
    const together *t = state;
    return go_on(t->a, t->n * n_images);
}

static iv_status measure_changes(together *t, const iv_measured *measured) {
    auditing *a = t->a;
    const iv_audit_options *o = a->options;
    const audit_curve_images images = {.pixels = a->padded,
                                       .labels = a->labels,
                                       .n_images = o->n_images,
                                       .shape = o->group->padded,
                                       .go_on = curve_goes_on,
                                       .state = t};
    iv_curve_point **points = calloc(t->n, sizeof *points);
    iv_audit_direction **directions = calloc(t->n, sizeof *directions);
    iv_status status = points && directions ? IV_OK : audit_no_memory(a->context);
    for (size_t r = 0; r < t->n && o->directions && status == IV_OK; r++) {
        iv_audit_model *model = &a->audit->models[t->places[r]];
        directions[r] = model->directions = calloc(IV_N_GENERATORS, sizeof *model->directions);
        if (!directions[r]) status = audit_no_memory(a->context);
    }
    if (status == IV_OK && o->directions) status = audit_directions(measured, &images, directions);
    for (size_t i = 0; i < o->n_curves && status == IV_OK; i++) {
        const iv_curve *curve = &a->audit->curves[i];
        for (size_t r = 0; r < t->n; r++)
            points[r] = curve->points + t->places[r] * curve->n_points;
        status = audit_curve(measured, &images, curve->kind, curve->n_points, points);
    }
    free(points);
    free(directions);
    return status;
}

static iv_status measure_worst(together *t, const iv_measured *measured) {
    const auditing *a = t->a;
    const audit_images images = {a->options->group, a->padded, a->labels, a->source};
    iv_status status = IV_OK;
    for (size_t r = 0; r < t->n && status == IV_OK; r++) {
        iv_audit_model *model = &a->audit->models[t->places[r]];
        status = audit_choose_worst(a->audit, model, a->options->n_worst, a->labels,
                                    iv_context_error(a->context));
        if (status == IV_OK) status = audit_measure_worst(measured, r, &images, a->audit, model);
    }
    return status;
}

static iv_status measure(together *t) {
    auditing *a = t->a;
    const iv_audit_options *o = a->options;
    const iv_image_source images = {.pixels = a->pixels,
                                    .labels = a->device_labels,
                                    .n_samples = o->n_images,
                                    .source = a->source,
                                    .n_elements = o->group->n_elements,
                                    .n_pixels = o->group->n_pixels,
                                    .zeros = a->zeros};
    audit_population population;
    iv_measure *measure = NULL;
    iv_status status = audit_population_create(a->context, t->networks, t->n, o->group->padded,
                                               o->mean, o->deviation, &population);
    const iv_measured measured = audit_population_measured(&population);
    const size_t n_values =
        measured.n_classes < measured.n_pixels ? measured.n_classes : measured.n_pixels;
    for (size_t i = 0; i < t->n && status == IV_OK; i++) {
        a->audit->models[t->places[i]].n_outputs = measured.n_classes;
        status = allocate(a, &a->audit->models[t->places[i]], n_values);
    }
    if (status == IV_OK)
        status = iv_measure_create(&measured, &images, a->inverse, audit_orbit_metrics,
                                   N_ORBIT_METRICS, a->n_jacobians, &measure);
    if (status == IV_OK) status = run_batches(t, measure);
    if (status == IV_OK) status = measure_worst(t, &measured);
    if (status == IV_OK) status = measure_changes(t, &measured);
    iv_measure_destroy(measure);
    audit_population_clear(&population);
    return status;
}

/* ------------------------------------------------------------------ all of it */

static iv_status measure_all(auditing *a) {
    const iv_audit_options *o = a->options;
    together t = {.a = a};
    bool *done = calloc(o->n_networks, sizeof *done);
    t.places = calloc(o->n_networks, sizeof *t.places);
    t.networks = calloc(o->n_networks, sizeof *t.networks);
    iv_status status = done && t.places && t.networks ? IV_OK : audit_no_memory(a->context);
    for (size_t i = 0; i < o->n_networks && status == IV_OK; i++) {
        if (done[i]) continue;
        t.n = 0;
        for (size_t k = i; k < o->n_networks; k++) {
            if (!iv_network_same_architecture(&o->networks[i], &o->networks[k])) continue;
            done[k] = true;
            t.places[t.n] = k;
            t.networks[t.n++] = &o->networks[k];
        }
        status = measure(&t);
    }
    free(done);
    free(t.places);
    free(t.networks);
    return status;
}

static iv_status describe_curves(auditing *a) {
    const iv_audit_options *o = a->options;
    iv_audit *audit = a->audit;
    audit->curves = calloc(o->n_curves + 1, sizeof *audit->curves);
    if (!audit->curves) return audit_no_memory(a->context);
    for (size_t i = 0; i < o->n_curves; i++) {
        iv_curve *curve = &audit->curves[audit->n_curves++];
        const size_t n = o->n_points[i];
        *curve = (iv_curve){.kind = o->kinds[i], .n_points = n};
        curve->points = calloc(o->n_networks * n + 1, sizeof *curve->points);
        if (!curve->points) return audit_no_memory(a->context);
        for (size_t k = 0; k < o->n_networks * n; k++) curve->points[k].at = o->at[i][k % n];
    }
    return IV_OK;
}

static iv_status describe(auditing *a) {
    const iv_audit_options *o = a->options;
    iv_audit *audit = a->audit;
    iv_error *error = iv_context_error(a->context);
    char name[64];
    const iv_group_kind_info *kind =
        o->group->kind == IV_GROUP_LISTED ? NULL : iv_group_kind_get((size_t)o->group->kind);
    snprintf(name, sizeof name, "%s:%zu", kind ? kind->name : "permutations", o->group->order);
    audit->data = strdup(o->images->name);
    audit->group = strdup(o->group_name ? o->group_name : name);
    audit->n_images = o->n_images;
    audit->n_elements = o->group->n_elements;
    audit->n_classes = o->images->n_classes;
    audit->shape = o->group->padded;
    audit->n_resamples = audit_resamples(o);
    audit->models = calloc(o->n_networks, sizeof *audit->models);
    audit->n_models = o->n_networks;
    if (!audit->data || !audit->group || !audit->models) return audit_no_memory(a->context);
    iv_status status = audit_describe_elements(audit, o->group, error);
    for (size_t i = 0; i < o->n_networks && status == IV_OK; i++) {
        const iv_network *network = &o->networks[i];
        iv_audit_model *model = &audit->models[i];
        model->name = strdup(network->name ? network->name : "network");
        model->notes = strdup(network->notes ? network->notes : "");
        status = model->name && model->notes
                     ? audit_architecture(network, &model->architecture, error)
                     : audit_no_memory(a->context);
    }
    return status == IV_OK ? describe_curves(a) : status;
}

iv_status iv_audit_run(iv_context *context, const iv_audit_options *options, iv_audit *audit) {
    auditing a = {.context = context, .options = options, .audit = audit};
    const size_t n = options->n_images, asked = options->n_jacobians;
    *audit = (iv_audit){0};
    a.n_jacobians = options->no_jacobians ? 0 : asked > 0 && asked < n ? asked : n;
    a.total = n + a.n_jacobians + (options->directions ? n : 0);
    for (size_t i = 0; i < options->n_curves; i++) a.total += (uint64_t)options->n_points[i] * n;
    a.total *= options->n_networks;
    iv_status status = check(&a);
    if (status == IV_OK) status = describe(&a);
    if (status == IV_OK) status = upload_images(&a);
    if (status == IV_OK) status = measure_all(&a);
    if (status == IV_OK)
        status = audit_find_intervals(audit, a.labels, options->seed, iv_context_error(context));
    free(a.padded);
    iv_buffer_release(context, a.pixels);
    iv_buffer_release(context, a.device_labels);
    iv_buffer_release(context, a.source);
    iv_buffer_release(context, a.inverse);
    if (status != IV_OK) iv_audit_clear(audit);
    return status;
}

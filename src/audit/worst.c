/* Predictions that change along orbits, and the images whose predictions change most. */
#include "audit/audit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ predictions */

size_t audit_predicted(const float *logits, size_t n_classes) {
    size_t best = 0;
    for (size_t c = 1; c < n_classes; c++)
        if (logits[c] > logits[best]) best = c;
    return best;
}

void audit_predictions(const float *logits, size_t n_elements, size_t batch, size_t n_classes,
                       size_t n, float *changed, float *size) {
    for (size_t i = 0; i < n; i++) {
        const float *at_x = logits + i * n_classes;
        const size_t predicted = audit_predicted(at_x, n_classes);
        double sum = 0;
        for (size_t c = 0; c < n_classes; c++) sum += (double)at_x[c] * (double)at_x[c];
        size[i] = (float)(sum / 2);
        for (size_t g = 0; g < n_elements; g++)
            changed[i * n_elements + g] =
                audit_predicted(at_x + g * batch * n_classes, n_classes) != predicted;
    }
}

double audit_probability(const float *logits, size_t n_classes) {
    const double largest = (double)logits[audit_predicted(logits, n_classes)];
    double sum = 0;
    for (size_t c = 0; c < n_classes; c++) sum += exp((double)logits[c] - largest);
    return 1 / sum;
}

/* ------------------------------------------------------------------ which images */

typedef struct {
    float di;
    size_t image;
} candidate;

/* Numbers that are not finite are as bad as can be. */
static int worse_first(const void *first, const void *second) {
    const candidate *a = first, *b = second;
    const float x = isfinite(a->di) ? a->di : INFINITY, y = isfinite(b->di) ? b->di : INFINITY;
    return x != y ? (x < y) - (x > y) : (a->image > b->image) - (a->image < b->image);
}

iv_status audit_choose_worst(const iv_audit *audit, iv_audit_model *model, size_t n_worst,
                             const uint8_t *labels, iv_error *error) {
    const size_t n_images = model->n_images[IV_AUDIT_DI];
    const size_t n = n_worst < n_images ? n_worst : n_images;
    if (n == 0) return IV_OK;
    candidate *all = malloc(n_images * sizeof *all);
    model->worst = calloc(n, sizeof *model->worst);
    iv_status status =
        all && model->worst ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for images");
    if (status == IV_OK) {
        for (size_t i = 0; i < n_images; i++)
            all[i] = (candidate){model->images[IV_AUDIT_DI][i], i};
        qsort(all, n_images, sizeof *all, worse_first);
    }
    for (; model->n_worst < n && status == IV_OK; model->n_worst++) {
        iv_audit_worst *worst = &model->worst[model->n_worst];
        worst->image = all[model->n_worst].image;
        worst->di = all[model->n_worst].di;
        worst->label = labels[worst->image];
        worst->logits = calloc(audit->n_elements * model->n_outputs, sizeof *worst->logits);
        if (!worst->logits) status = iv_fail(error, IV_ENOMEM, "out of memory for images");
    }
    free(all);
    return status;
}

/* ------------------------------------------------------------------ what is pictured */

typedef struct {
    double distance;
    size_t element;
} moved;

static int farther_first(const void *first, const void *second) {
    const moved *a = first, *b = second;
    return a->distance != b->distance ? (a->distance < b->distance) - (a->distance > b->distance)
                                      : (a->element > b->element) - (a->element < b->element);
}

static int by_number(const void *first, const void *second) {
    const size_t a = *(const size_t *)first, b = *(const size_t *)second;
    return (a > b) - (a < b);
}

static void log_softmax(const float *logits, size_t n_classes, double *out) {
    const double largest = (double)logits[audit_predicted(logits, n_classes)];
    const double log_sum = -log(audit_probability(logits, n_classes));
    for (size_t c = 0; c < n_classes; c++) out[c] = (double)logits[c] - largest - log_sum;
}

/* KL(softmax f(x) || softmax f(g x)), given their logarithms. */
static double distance(const double *at_x, const double *at_gx, size_t n_classes) {
    double sum = 0;
    for (size_t c = 0; c < n_classes; c++) sum += exp(at_x[c]) * (at_x[c] - at_gx[c]);
    return isfinite(sum) ? sum : HUGE_VAL;
}

iv_status audit_show_worst(const iv_audit *audit, const iv_audit_model *model,
                           iv_audit_worst *worst, bool with_pixels, bool with_saliency,
                           iv_error *error) {
    const size_t n_classes = model->n_outputs, n_elements = audit->n_elements;
    const size_t n = n_elements < IV_AUDIT_MOST_SHOWN ? n_elements : IV_AUDIT_MOST_SHOWN;
    const size_t n_values = n * iv_image_values(audit->shape);
    moved *all = calloc(n_elements, sizeof *all);
    double *logs = calloc(2 * n_classes, sizeof *logs);
    if (with_pixels) worst->pixels = calloc(n_values, sizeof *worst->pixels);
    if (with_saliency) worst->saliency = calloc(n_values, sizeof *worst->saliency);
    const bool room =
        all && logs && (worst->pixels || !with_pixels) && (worst->saliency || !with_saliency);
    const iv_status status = room ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for images");
    if (status == IV_OK) {
        log_softmax(worst->logits, n_classes, logs);
        all[0] = (moved){HUGE_VAL, 0};
        for (size_t g = 1; g < n_elements; g++) {
            log_softmax(worst->logits + g * n_classes, n_classes, logs + n_classes);
            all[g] = (moved){distance(logs, logs + n_classes, n_classes), g};
        }
        qsort(all, n_elements, sizeof *all, farther_first);
        for (size_t k = 0; k < n; k++) worst->shown[k] = all[k].element;
        qsort(worst->shown, n, sizeof *worst->shown, by_number);
        worst->n_shown = n;
    }
    free(all);
    free(logs);
    return status;
}

void audit_free_worst(iv_audit_model *model) {
    for (size_t k = 0; k < model->n_worst; k++) {
        free(model->worst[k].logits);
        free(model->worst[k].pixels);
        free(model->worst[k].saliency);
    }
    free(model->worst);
    model->worst = NULL;
    model->n_worst = 0;
}

/* ------------------------------------------------------------------ networks on the device */

/* logits [G, n, C] and saliency [G, n, D] of image number k of n to where it belongs. */
static iv_status keep(const audit_images *images, const iv_audit *audit,
                      const iv_audit_model *model, size_t k, const float *logits,
                      const float *saliency, iv_error *error) {
    iv_audit_worst *worst = &model->worst[k];
    const size_t c = model->n_outputs, d = images->group->n_pixels, n = model->n_worst;
    for (size_t g = 0; g < audit->n_elements; g++)
        memcpy(worst->logits + g * c, logits + (g * n + k) * c, c * sizeof *logits);
    const iv_status status = audit_show_worst(audit, model, worst, true, true, error);
    for (size_t s = 0; s < worst->n_shown && status == IV_OK; s++) {
        const size_t g = worst->shown[s];
        const uint8_t *image = images->pixels + worst->image * d;
        for (size_t p = 0; p < d; p++)
            worst->pixels[s * d + p] = (float)image[images->group->source[g * d + p]] / 255.0f;
        memcpy(worst->saliency + s * d, saliency + (g * n + k) * d, d * sizeof *saliency);
    }
    return status;
}

iv_status audit_measure_worst(const iv_measured *networks, size_t member,
                              const audit_images *images, const iv_audit *audit,
                              iv_audit_model *model) {
    iv_context *context = networks->context;
    iv_error *error = iv_context_error(context);
    const size_t n = model->n_worst, d = images->group->n_pixels, c = model->n_outputs;
    size_t rows = 0, unused;
    if (n == 0) return IV_OK;
    iv_status status = iv_multiply_size(networks->n_members * n, audit->n_elements, &rows, error);
    if (status == IV_OK) status = iv_multiply_size(rows, (d + c) * sizeof(float), &unused, error);
    if (status != IV_OK) return status;
    uint8_t *pixels = malloc(n * d), *labels = malloc(n);
    float *logits = malloc(rows * c * sizeof *logits),
          *saliency = malloc(rows * d * sizeof *saliency);
    if (!pixels || !labels || !logits || !saliency) status = audit_no_memory(context);
    for (size_t k = 0; k < n && status == IV_OK; k++) {
        memcpy(pixels + k * d, images->pixels + model->worst[k].image * d, d);
        labels[k] = images->labels[model->worst[k].image];
    }
    iv_image_source source = {
        .n_samples = n, .source = images->source, .n_elements = audit->n_elements, .n_pixels = d};
    if (status == IV_OK) status = iv_buffer_upload(context, pixels, n * d, &source.pixels);
    if (status == IV_OK) status = iv_buffer_upload(context, labels, n, &source.labels);
    if (status == IV_OK) status = iv_measure_orbits_of(networks, &source, logits, saliency);
    const size_t of_member = rows / networks->n_members;
    for (size_t k = 0; k < n && status == IV_OK; k++)
        status = keep(images, audit, model, k, logits + member * of_member * c,
                      saliency + member * of_member * d, error);
    iv_buffer_release(context, source.pixels);
    iv_buffer_release(context, source.labels);
    free(pixels);
    free(labels);
    free(logits);
    free(saliency);
    return status;
}

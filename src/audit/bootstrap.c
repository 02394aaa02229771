/* Means over images, and the intervals that the bootstrap gives them. */
#include "audit/audit.h"

#include <invar/random.h>

#include <math.h>
#include <stdlib.h>

/* What a resample keeps of how many columns at a time. */
enum { MOST_COLUMNS = 16 };

static const double low_quantile = 0.025, high_quantile = 0.975;

typedef struct {
    const float *values; /* [n_images, width] */
    size_t n_images, width, first, n_columns;
    const uint8_t *labels;
    size_t n_classes, n_resamples;
    uint32_t seed;
    uint32_t *counts; /* [n_images] in the present resample */
    double *sums;     /* [n_classes, n_columns] in the present resample */
    double *in_class; /* [n_classes] images in the present resample */
    double *means;    /* [1 + n_classes, n_columns, n_resamples], all images first */
} resampling;

/* How often each image is in resample b. */
static void draw(const resampling *s, uint32_t b) {
    uint32_t words[4];
    for (size_t i = 0; i < s->n_images; i++) s->counts[i] = 0;
    for (size_t i = 0; i < s->n_images; i++) {
        if (i % 4 == 0) iv_philox(s->seed, IV_STREAM_BOOTSTRAP, b, (uint32_t)(i / 4), words);
        s->counts[iv_below(words[i % 4], (uint32_t)s->n_images)]++;
    }
}

static void add_up(const resampling *s) {
    for (size_t i = 0; i < s->n_classes * s->n_columns; i++) s->sums[i] = 0;
    for (size_t c = 0; c < s->n_classes; c++) s->in_class[c] = 0;
    for (size_t i = 0; i < s->n_images; i++) {
        if (s->counts[i] == 0) continue;
        const float *row = s->values + i * s->width + s->first;
        double *sum = s->sums + s->labels[i] * s->n_columns;
        s->in_class[s->labels[i]] += s->counts[i];
        for (size_t k = 0; k < s->n_columns; k++) sum[k] += s->counts[i] * (double)row[k];
    }
}

/* A class that is not in a resample has no mean there: 0 / 0. */
static void keep_means(const resampling *s, size_t b) {
    for (size_t k = 0; k < s->n_columns; k++) {
        double total = 0;
        for (size_t c = 0; c < s->n_classes; c++) {
            const double sum = s->sums[c * s->n_columns + k];
            s->means[((1 + c) * s->n_columns + k) * s->n_resamples + b] = sum / s->in_class[c];
            total += sum;
        }
        s->means[k * s->n_resamples + b] = total / (double)s->n_images;
    }
}

static int compare(const void *first, const void *second) {
    const double a = *(const double *)first, b = *(const double *)second;
    return (a > b) - (a < b);
}

/* Between the two sorted values next to it, linearly. */
static double quantile(const double *sorted, size_t n, double q) {
    const double at = q * (double)(n - 1);
    const size_t below = (size_t)at;
    const double share = at - (double)below;
    return share > 0 ? sorted[below] + share * (sorted[below + 1] - sorted[below]) : sorted[below];
}

static void find_interval(double *means, size_t n_resamples, iv_audit_number *number) {
    size_t n = 0;
    for (size_t b = 0; b < n_resamples; b++)
        if (isfinite(means[b])) means[n++] = means[b];
    if (!isfinite(number->value) || n == 0) return;
    qsort(means, n, sizeof *means, compare);
    number->low = quantile(means, n, low_quantile);
    number->high = quantile(means, n, high_quantile);
}

static void resample(const resampling *s, iv_audit_number *all, iv_audit_number *classes) {
    for (size_t b = 0; b < s->n_resamples; b++) {
        draw(s, (uint32_t)b);
        add_up(s);
        keep_means(s, b);
    }
    for (size_t k = 0; k < s->n_columns; k++) {
        find_interval(s->means + k * s->n_resamples, s->n_resamples, &all[s->first + k]);
        for (size_t c = 0; c < s->n_classes; c++)
            find_interval(s->means + ((1 + c) * s->n_columns + k) * s->n_resamples, s->n_resamples,
                          &classes[c * s->width + s->first + k]);
    }
}

/* In double and in order. */
static void find_means(const float *values, size_t n_images, size_t width, const uint8_t *labels,
                       size_t n_classes, iv_audit_number *all, iv_audit_number *classes) {
    for (size_t k = 0; k < width; k++) {
        double total = 0;
        for (size_t i = 0; i < n_images; i++) total += (double)values[i * width + k];
        all[k] = (iv_audit_number){total / (double)n_images, NAN, NAN};
        for (size_t c = 0; c < n_classes; c++) {
            double sum = 0, n = 0;
            for (size_t i = 0; i < n_images; i++)
                if (labels[i] == c) {
                    sum += (double)values[i * width + k];
                    n++;
                }
            classes[c * width + k] = (iv_audit_number){sum / n, NAN, NAN};
        }
    }
}

iv_status audit_bootstrap(const float *values, size_t n_images, size_t width, const uint8_t *labels,
                          size_t n_classes, size_t n_resamples, uint32_t seed, iv_audit_number *all,
                          iv_audit_number *classes, iv_error *error) {
    const size_t most = width < MOST_COLUMNS ? width : MOST_COLUMNS;
    resampling s = {.values = values,
                    .n_images = n_images,
                    .width = width,
                    .labels = labels,
                    .n_classes = n_classes,
                    .n_resamples = n_resamples,
                    .seed = seed};
    s.counts = calloc(n_images, sizeof *s.counts);
    s.sums = calloc(n_classes * most, sizeof *s.sums);
    s.in_class = calloc(n_classes, sizeof *s.in_class);
    s.means = calloc((1 + n_classes) * most * n_resamples, sizeof *s.means);
    iv_status status = IV_OK;
    if (!s.counts || !s.sums || !s.in_class || !s.means)
        status = iv_fail(error, IV_ENOMEM, "out of memory for intervals");
    if (status == IV_OK) find_means(values, n_images, width, labels, n_classes, all, classes);
    for (; s.first < width && status == IV_OK; s.first += s.n_columns) {
        s.n_columns = width - s.first < most ? width - s.first : most;
        resample(&s, all, classes);
    }
    free(s.counts);
    free(s.sums);
    free(s.in_class);
    free(s.means);
    return status;
}

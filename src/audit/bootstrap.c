/* Means over images, and the intervals that the bootstrap gives them.
 *
 * All numbers of the same images are resampled together: a draw is made once, and the values of an
 * image lie side by side. */
#include "audit/audit.h"

#include <invar/random.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Means that a resample keeps at a time: classes times columns, of MOST_COLUMNS at most. */
enum { MOST_COLUMNS = 64, MOST_MEANS = 2048 };

static const double low_quantile = 0.025, high_quantile = 0.975;

/* Where a column comes from, and where its means go. */
typedef struct {
    const audit_sample *sample;
    size_t column; /* of the sample */
} source;

typedef struct {
    size_t n_images, n_columns; /* columns at hand: those of sources[0] to [n_columns - 1] */
    const source *sources;
    float *values; /* [n_images, n_columns] */
    const uint8_t *labels;
    size_t n_classes, n_resamples;
    uint32_t seed;
    uint32_t *counts; /* [n_images] in the present resample */
    double *sums;     /* [n_classes, n_columns] in the present resample */
    double *in_class; /* [n_classes] images in the present resample */
    double *means;    /* [1 + n_classes, n_columns, n_resamples], all images first */
} resampling;

static void gather(const resampling *s) {
    for (size_t k = 0; k < s->n_columns; k++) {
        const audit_sample *from = s->sources[k].sample;
        for (size_t i = 0; i < s->n_images; i++)
            s->values[i * s->n_columns + k] = from->values[i * from->width + s->sources[k].column];
    }
}

/* How often each image is in resample b. */
static void draw(const resampling *s, uint32_t b) {
    uint32_t words[4];
    memset(s->counts, 0, s->n_images * sizeof *s->counts);
    for (size_t i = 0; i < s->n_images; i++) {
        if (i % 4 == 0) iv_philox(s->seed, IV_STREAM_BOOTSTRAP, b, (uint32_t)(i / 4), words);
        s->counts[iv_below(words[i % 4], (uint32_t)s->n_images)]++;
    }
}

static void add_up(const resampling *s) {
    const size_t n = s->n_columns;
    memset(s->sums, 0, s->n_classes * n * sizeof *s->sums);
    memset(s->in_class, 0, s->n_classes * sizeof *s->in_class);
    for (size_t i = 0; i < s->n_images; i++) {
        if (s->counts[i] == 0) continue;
        const double count = s->counts[i];
        const float *restrict row = s->values + i * n;
        double *restrict sum = s->sums + s->labels[i] * n;
        s->in_class[s->labels[i]] += count;
        for (size_t k = 0; k < n; k++) sum[k] += count * (double)row[k];
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

static void resample(const resampling *s) {
    gather(s);
    for (size_t b = 0; b < s->n_resamples; b++) {
        draw(s, (uint32_t)b);
        add_up(s);
        keep_means(s, b);
    }
    for (size_t k = 0; k < s->n_columns; k++) {
        const audit_sample *to = s->sources[k].sample;
        const size_t column = s->sources[k].column;
        find_interval(s->means + k * s->n_resamples, s->n_resamples, &to->all[column]);
        for (size_t c = 0; c < s->n_classes; c++)
            find_interval(s->means + ((1 + c) * s->n_columns + k) * s->n_resamples, s->n_resamples,
                          &to->classes[c * to->width + column]);
    }
}

/* In double and in order. sums, counts [n_classes] */
static void find_means(const audit_sample *sample, size_t n_images, const uint8_t *labels,
                       size_t n_classes, double *sums, double *counts) {
    const size_t width = sample->width;
    for (size_t k = 0; k < width; k++) {
        double total = 0;
        memset(sums, 0, n_classes * sizeof *sums);
        memset(counts, 0, n_classes * sizeof *counts);
        for (size_t i = 0; i < n_images; i++) {
            const double value = (double)sample->values[i * width + k];
            total += value;
            sums[labels[i]] += value;
            counts[labels[i]]++;
        }
        sample->all[k] = (iv_audit_number){total / (double)n_images, NAN, NAN};
        for (size_t c = 0; c < n_classes; c++)
            sample->classes[c * width + k] = (iv_audit_number){sums[c] / counts[c], NAN, NAN};
    }
}

static iv_status allocate(resampling *s, size_t most, iv_error *error) {
    size_t means = 0, values = 0;
    iv_status status = iv_multiply_size((1 + s->n_classes) * most, s->n_resamples, &means, error);
    if (status == IV_OK) status = iv_multiply_size(s->n_images, most, &values, error);
    if (status != IV_OK) return status;
    s->counts = calloc(s->n_images, sizeof *s->counts);
    s->values = calloc(values, sizeof *s->values);
    s->sums = calloc(s->n_classes * most, sizeof *s->sums);
    s->in_class = calloc(s->n_classes, sizeof *s->in_class);
    s->means = calloc(means, sizeof *s->means);
    if (s->counts && s->values && s->sums && s->in_class && s->means) return IV_OK;
    return iv_fail(error, IV_ENOMEM, "out of memory for intervals");
}

iv_status audit_bootstrap(const audit_sample *samples, size_t n_samples, size_t n_images,
                          const uint8_t *labels, size_t n_classes, size_t n_resamples,
                          uint32_t seed, iv_error *error) {
    size_t n_columns = 0, most = MOST_MEANS / (1 + n_classes);
    for (size_t i = 0; i < n_samples; i++) n_columns += samples[i].width;
    if (n_columns == 0) return IV_OK;
    if (most > MOST_COLUMNS) most = MOST_COLUMNS;
    if (most > n_columns) most = n_columns;
    if (most == 0) most = 1;
    source *sources = malloc(n_columns * sizeof *sources);
    resampling s = {.n_images = n_images,
                    .labels = labels,
                    .n_classes = n_classes,
                    .n_resamples = n_resamples,
                    .seed = seed};
    iv_status status = sources ? allocate(&s, most, error)
                               : iv_fail(error, IV_ENOMEM, "out of memory for intervals");
    for (size_t i = 0, at = 0; i < n_samples && status == IV_OK; i++) {
        find_means(&samples[i], n_images, labels, n_classes, s.sums, s.in_class);
        for (size_t k = 0; k < samples[i].width; k++) sources[at++] = (source){&samples[i], k};
    }
    for (size_t first = 0; first < n_columns && status == IV_OK; first += s.n_columns) {
        s.sources = sources + first;
        s.n_columns = n_columns - first < most ? n_columns - first : most;
        resample(&s);
    }
    free(sources);
    free(s.counts);
    free(s.values);
    free(s.sums);
    free(s.in_class);
    free(s.means);
    return status;
}

/* Those of all networks' numbers that were measured on `n_images` images; *n 0: there are none. */
static void gather_samples(const iv_audit *audit, size_t n_images, audit_sample *samples,
                           size_t *n) {
    *n = 0;
    for (size_t i = 0; i < audit->n_models; i++)
        for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++) {
            const iv_audit_model *model = &audit->models[i];
            if (model->n_images[m] == n_images)
                samples[(*n)++] = (audit_sample){model->images[m], model->width[m], model->all[m],
                                                 model->classes[m]};
        }
}

/* The largest number of images below `bound` that something was measured on; 0 if there is none. */
static size_t next_count(const iv_audit *audit, size_t bound) {
    size_t largest = 0;
    for (size_t i = 0; i < audit->n_models; i++)
        for (size_t m = 0; m < IV_AUDIT_N_METRICS; m++) {
            const size_t n = audit->models[i].n_images[m];
            if (n < bound && n > largest) largest = n;
        }
    return largest;
}

iv_status audit_find_intervals(iv_audit *audit, const uint8_t *labels, uint32_t seed,
                               iv_error *error) {
    audit_sample *samples = calloc(audit->n_models * IV_AUDIT_N_METRICS + 1, sizeof *samples);
    size_t n, n_images = SIZE_MAX;
    iv_status status = samples ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for intervals");
    while (status == IV_OK && (n_images = next_count(audit, n_images)) > 0) {
        gather_samples(audit, n_images, samples, &n);
        status = audit_bootstrap(samples, n, n_images, labels, audit->n_classes, audit->n_resamples,
                                 seed, error);
    }
    free(samples);
    return status;
}

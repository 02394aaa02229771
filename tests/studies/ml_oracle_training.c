#include "../kit/kit.h"
#include "ml_oracle.h"

#include <math.h>

static double *zeros(int n) {
    double *values = calloc((size_t)n + 1, sizeof *values);
    assert_non_null(values);
    return values;
}

/* ------------------------------------------------------------------ the first layer */

/* A network's filters under every transformation, and what they make of a batch. */
typedef struct {
    int n_samples;              /* 1 without transformations */
    double (*t)[6], (*d)[6][6]; /* [S] */
    double *filters;            /* blurred [H, D] */
    double *transformed;        /* [S, H, D]; none for points */
    double *z;                  /* [S, n, H] */
    double *features;           /* [n, H] */
} first_layer;

static bool is_transformed(const ml_oracle_network *network) {
    return network->n_samples > 0;
}

static void prepare_filters(const ml_oracle_network *network, const double *eps,
                            first_layer *layer) {
    const int d = ml_oracle_pixels(&network->shape), h = network->n_hidden;
    layer->n_samples = is_transformed(network) ? network->n_samples : 1;
    layer->t = calloc((size_t)layer->n_samples, sizeof *layer->t);
    layer->d = calloc((size_t)layer->n_samples, sizeof *layer->d);
    assert_non_null(layer->t);
    assert_non_null(layer->d);
    layer->filters = zeros(h * d);
    layer->transformed = zeros(layer->n_samples * h * d);
    for (int j = 0; j < h; j++) {
        const double *filter = network->tensors[ML_ORACLE_WEIGHT] + j * d;
        if (network->blur > 0)
            ml_oracle_blur(&network->shape, network->blur, filter, layer->filters + j * d);
        else
            memcpy(layer->filters + j * d, filter, (size_t)d * sizeof *filter);
    }
    for (int s = 0; s < layer->n_samples; s++) {
        if (is_transformed(network))
            ml_oracle_sample(network, eps + 6 * s, layer->t[s], layer->d[s]);
        if (network->shape.points) continue;
        for (int j = 0; j < h; j++) {
            double *to = layer->transformed + (s * h + j) * d;
            if (is_transformed(network))
                ml_oracle_warp(&network->shape, layer->t[s], layer->filters + j * d, to);
            else
                memcpy(to, layer->filters + j * d, (size_t)d * sizeof *to);
        }
    }
}

/* A point under sample s. */
static void move(const ml_oracle_network *network, const first_layer *layer, int s,
                 const double x[2], double moved[2]) {
    const double *t = layer->t[s];
    for (int i = 0; i < 2; i++)
        moved[i] =
            is_transformed(network) ? t[3 * i] * x[0] + t[3 * i + 1] * x[1] + t[3 * i + 2] : x[i];
}

static double pre_activation(const ml_oracle_network *network, const first_layer *layer, int s,
                             int j, const double *x) {
    const int d = ml_oracle_pixels(&network->shape);
    double sum = network->tensors[ML_ORACLE_BIAS][j], moved[2];
    if (network->shape.points) {
        const double *filter = layer->filters + 2 * j;
        move(network, layer, s, x, moved);
        return sum + filter[0] * moved[0] + filter[1] * moved[1];
    }
    const double *filter = layer->transformed + (s * network->n_hidden + j) * d;
    for (int p = 0; p < d; p++) sum += filter[p] * x[p];
    return sum;
}

static void first_layer_apply(const ml_oracle_network *network, const double *eps, const double *x,
                              int n, first_layer *layer) {
    const int d = ml_oracle_pixels(&network->shape), h = network->n_hidden;
    prepare_filters(network, eps, layer);
    layer->z = zeros(layer->n_samples * n * h);
    layer->features = zeros(n * h);
    for (int s = 0; s < layer->n_samples; s++)
        for (int i = 0; i < n; i++)
            for (int j = 0; j < h; j++) {
                double slope, *z = layer->z + (s * n + i) * h + j;
                *z = pre_activation(network, layer, s, j, x + (size_t)i * d);
                layer->features[i * h + j] +=
                    ml_oracle_feature(network, *z, &slope) / layer->n_samples;
            }
}

static void first_layer_free(first_layer *layer) {
    free(layer->t);
    free(layer->d);
    free(layer->filters);
    free(layer->transformed);
    free(layer->z);
    free(layer->features);
}

static void output_apply(const ml_oracle_network *network, const double *features, const double *w,
                         int n, double *logits) {
    const int h = network->n_hidden, n_classes = network->n_classes;
    for (int i = 0; i < n; i++)
        for (int c = 0; c < n_classes; c++) {
            logits[i * n_classes + c] = 0;
            for (int j = 0; j < h; j++)
                logits[i * n_classes + c] += features[i * h + j] * w[c * h + j];
        }
}

void ml_oracle_logits(const ml_oracle_network *network, const double *eps, const double *w,
                      const double *x, int n, double *logits) {
    first_layer layer;
    first_layer_apply(network, eps, x, n, &layer);
    output_apply(network, layer.features, w, n, logits);
    first_layer_free(&layer);
}

/* ------------------------------------------------------------------ derivatives */

/* Of the mean cross-entropy to logits: softmax minus the label's 1, over n. In place. */
static void logits_backward(const int *labels, int n, int n_classes, double *logits) {
    for (int i = 0; i < n; i++) {
        double *row = logits + i * n_classes, top = row[0], sum = 0;
        for (int c = 1; c < n_classes; c++) top = fmax(top, row[c]);
        for (int c = 0; c < n_classes; c++) sum += exp(row[c] - top);
        for (int c = 0; c < n_classes; c++)
            row[c] = (exp(row[c] - top) / sum - (c == labels[i])) / n;
    }
}

static void posterior_backward(const ml_oracle_network *network, const double *noise,
                               const double *d_w, double *const gradients[ML_ORACLE_N_TENSORS]) {
    const int h = network->n_hidden;
    for (int e = 0; e < ml_oracle_elements(network, ML_ORACLE_MEAN); e++) {
        const double *factor = network->tensors[ML_ORACLE_FACTOR] + e * h;
        const int i = e % h;
        gradients[ML_ORACLE_MEAN][e] = d_w[e];
        if (network->point) continue;
        gradients[ML_ORACLE_MEAN][e] +=
            network->tensors[ML_ORACLE_MEAN][e] / network->alpha / network->n_data;
        for (int j = 0; j <= i; j++)
            gradients[ML_ORACLE_FACTOR][e * h + j] =
                d_w[e] * noise[e - i + j] +
                (factor[j] / network->alpha - (i == j ? 1 / factor[i] : 0)) / network->n_data;
    }
}

/* From the derivatives of sample s's filters, or of points that the filters meet, to weight and T.
 * d_z [n, H] */
static void sample_backward(const ml_oracle_network *network, const ml_oracle_batch *batch,
                            const first_layer *layer, int s, const double *d_z, double *d_filters,
                            double d_t[6]) {
    const int d = ml_oracle_pixels(&network->shape), h = network->n_hidden;
    double *d_to = zeros(d), moved[2];
    for (int j = 0; j < h; j++) {
        double *d_filter = d_filters + j * d;
        const double *filter = layer->filters + j * d;
        memset(d_to, 0, (size_t)d * sizeof *d_to);
        for (int i = 0; i < batch->n; i++) {
            const double *x = batch->x + (size_t)i * d, slope = d_z[i * h + j];
            if (network->shape.points) {
                move(network, layer, s, x, moved);
                for (int k = 0; k < 2; k++) {
                    d_filter[k] += slope * moved[k];
                    d_t[3 * k] += slope * filter[k] * x[0];
                    d_t[3 * k + 1] += slope * filter[k] * x[1];
                    d_t[3 * k + 2] += slope * filter[k];
                }
            }
            for (int p = 0; p < d; p++) d_to[p] += slope * x[p];
        }
        if (network->shape.points) continue;
        if (is_transformed(network))
            ml_oracle_warp_backward(&network->shape, layer->t[s], filter, d_to, d_filter, d_t);
        else
            for (int p = 0; p < d; p++) d_filter[p] += d_to[p];
    }
    free(d_to);
}

static void first_layer_backward(const ml_oracle_network *network, const ml_oracle_batch *batch,
                                 const first_layer *layer, const double *d_features,
                                 double *const gradients[ML_ORACLE_N_TENSORS]) {
    const int d = ml_oracle_pixels(&network->shape), h = network->n_hidden, n = batch->n;
    double *d_z = zeros(n * h), *d_filters = zeros(h * d);
    for (int s = 0; s < layer->n_samples; s++) {
        double d_t[6] = {0};
        for (int i = 0; i < n * h; i++) {
            double slope;
            ml_oracle_feature(network, layer->z[s * n * h + i], &slope);
            d_z[i] = d_features[i] * slope / layer->n_samples;
            gradients[ML_ORACLE_BIAS][i % h] += d_z[i];
        }
        sample_backward(network, batch, layer, s, d_z, d_filters, d_t);
        for (int g = 0; is_transformed(network) && g < 6; g++)
            for (int k = 0; k < 6; k++)
                gradients[ML_ORACLE_ETA][g] += network->learned[g] * d_t[k] * layer->d[s][g][k];
    }
    for (int j = 0; j < h; j++)
        if (network->blur > 0)
            ml_oracle_blur(&network->shape, network->blur, d_filters + j * d,
                           gradients[ML_ORACLE_WEIGHT] + j * d);
        else
            memcpy(gradients[ML_ORACLE_WEIGHT] + j * d, d_filters + j * d,
                   (size_t)d * sizeof *d_filters);
    free(d_z);
    free(d_filters);
}

double ml_oracle_loss(const ml_oracle_network *network, const ml_oracle_batch *batch,
                      double *const gradients[ML_ORACLE_N_TENSORS]) {
    const int h = network->n_hidden, n_classes = network->n_classes, n = batch->n;
    double *w = zeros(n_classes * h), *logits = zeros(n * n_classes);
    double *d_w = zeros(n_classes * h), *d_features = zeros(n * h);
    first_layer layer;
    first_layer_apply(network, batch->eps, batch->x, n, &layer);
    ml_oracle_output_layer(network, batch->noise, w);
    output_apply(network, layer.features, w, n, logits);
    const double loss = ml_oracle_cross_entropy(logits, batch->labels, n, n_classes) / n +
                        (network->point ? 0 : ml_oracle_kl(network) / network->n_data);
    if (gradients) {
        for (int k = 0; k < ML_ORACLE_N_TENSORS; k++)
            memset(gradients[k], 0, (size_t)ml_oracle_elements(network, k) * sizeof *gradients[k]);
        logits_backward(batch->labels, n, n_classes, logits);
        for (int i = 0; i < n; i++)
            for (int c = 0; c < n_classes; c++)
                for (int j = 0; j < h; j++) {
                    d_w[c * h + j] += logits[i * n_classes + c] * layer.features[i * h + j];
                    d_features[i * h + j] += logits[i * n_classes + c] * w[c * h + j];
                }
        posterior_backward(network, batch->noise, d_w, gradients);
        first_layer_backward(network, batch, &layer, d_features, gradients);
    }
    first_layer_free(&layer);
    free(w);
    free(logits);
    free(d_w);
    free(d_features);
    return loss;
}

/* ------------------------------------------------------------------ Adam */

double ml_oracle_train(ml_oracle_network *network, const ml_oracle_batch *batch,
                       ml_oracle_adam *adam) {
    const double pi = 3.14159265358979323846;
    double *gradients[ML_ORACLE_N_TENSORS];
    for (int k = 0; k < ML_ORACLE_N_TENSORS; k++) {
        const int n = ml_oracle_elements(network, k);
        gradients[k] = zeros(n);
        if (!adam->m[k]) adam->m[k] = zeros(n);
        if (!adam->v[k]) adam->v[k] = zeros(n);
    }
    const double loss = ml_oracle_loss(network, batch, gradients);
    const double annealed =
        adam->cosine_steps ? 0.5 * (1 + cos(pi * adam->step / adam->cosine_steps)) : 1;
    adam->step++;
    const double correction1 = 1 - pow(adam->beta1, adam->step);
    const double correction2 = 1 - pow(adam->beta2, adam->step);
    for (int k = 0; k < ML_ORACLE_N_TENSORS; k++) {
        const bool fixed =
            adam->first_layer_fixed && (k == ML_ORACLE_WEIGHT || k == ML_ORACLE_BIAS);
        const double rate = annealed * (k == ML_ORACLE_ETA ? adam->eta_rate : adam->rate);
        for (int i = 0; !fixed && i < ml_oracle_elements(network, k); i++) {
            const double g = gradients[k][i];
            double *m = &adam->m[k][i], *v = &adam->v[k][i];
            *m = adam->beta1 * *m + (1 - adam->beta1) * g;
            *v = adam->beta2 * *v + (1 - adam->beta2) * g * g;
            network->tensors[k][i] -=
                rate * (*m / correction1) / (sqrt(*v / correction2) + adam->epsilon);
        }
    }
    for (int k = 0; k < ML_ORACLE_N_TENSORS; k++) free(gradients[k]);
    return loss;
}

void ml_oracle_adam_free(ml_oracle_adam *adam) {
    for (int k = 0; k < ML_ORACLE_N_TENSORS; k++) {
        free(adam->m[k]);
        free(adam->v[k]);
    }
}

#include "oracle.h"

#include "../kit/kit.h"

#include <lapacke.h>
#include <math.h>

static double *doubles(size_t n) {
    double *values = calloc(n, sizeof *values);
    assert_non_null(values);
    return values;
}

/* ------------------------------------------------------------------ groups */

oracle_group oracle_rotation(int order) {
    return (oracle_group){.rotation = true, .order = order, .side = 28, .n_elements = order};
}

oracle_group oracle_shift(int order, const char *axes) {
    oracle_group group = {
        .order = order, .along_x = strchr(axes, 'x') != NULL, .along_y = strchr(axes, 'y') != NULL};
    group.side = 28;
    while (group.side % order != 0) group.side++;
    group.pad = (group.side - 28) / 2;
    group.n_elements = group.along_x && group.along_y ? order * order : order;
    return group;
}

/* A quarter turn: what was at (row, column) goes to (side - 1 - column, row). */
static void turn(int side, const double *from, double *to) {
    for (int row = 0; row < side; row++)
        for (int column = 0; column < side; column++)
            to[(side - 1 - column) * side + row] = from[row * side + column];
}

static void roll(int side, int down, int right, const double *from, double *to) {
    for (int row = 0; row < side; row++)
        for (int column = 0; column < side; column++)
            to[(row + down) % side * side + (column + right) % side] = from[row * side + column];
}

void oracle_act(const oracle_group *group, int g, bool inverse, const double *from, double *to) {
    const int side = group->side, n = side * side;
    if (group->rotation) {
        const int quarters = g * 4 / group->order;
        double *kept = doubles((size_t)n);
        memcpy(to, from, (size_t)n * sizeof *to);
        for (int i = 0; i < (inverse ? 4 - quarters : quarters); i++) {
            memcpy(kept, to, (size_t)n * sizeof *to);
            turn(side, kept, to);
        }
        free(kept);
        return;
    }
    const int step = side / group->order;
    int down = 0, right = 0;
    if (group->along_x && group->along_y) {
        down = g / group->order * step;
        right = g % group->order * step;
    } else if (group->along_y) {
        down = g * step;
    } else {
        right = g * step;
    }
    if (inverse) {
        down = (side - down) % side;
        right = (side - right) % side;
    }
    roll(side, down, right, from, to);
}

/* ------------------------------------------------------------------ networks */

static double *widened(const iv_tensor_entry *entry) {
    size_t n = 1;
    for (unsigned i = 0; i < entry->rank; i++) n *= entry->shape[i];
    double *values = doubles(n);
    for (size_t i = 0; i < n; i++) values[i] = entry->data[i];
    return values;
}

void oracle_network_load(const char *path, bool tied, oracle_group group, oracle_network *network) {
    iv_error error = {0};
    iv_safetensors *file;
    assert_ok(&error, iv_safetensors_open(path, &file, &error));
    *network = (oracle_network){.tied = tied, .group = group};
    network->n_layers = (int)iv_safetensors_count(file) / 2;
    assert_in_range(network->n_layers, 2, ORACLE_LAYERS);
    network->widths[0] = group.side * group.side;
    for (int l = 0; l < network->n_layers; l++) {
        char name[64];
        snprintf(name, sizeof name, "layers.%d.weight", l);
        const iv_tensor_entry *weight = iv_safetensors_find(file, name);
        snprintf(name, sizeof name, "layers.%d.bias", l);
        const iv_tensor_entry *bias = iv_safetensors_find(file, name);
        assert_true(weight && weight->rank == 2 && bias && bias->rank == 1);
        assert_int_equal(weight->shape[1], network->widths[l]);
        assert_int_equal(weight->shape[0], bias->shape[0]);
        network->widths[l + 1] = (int)weight->shape[0];
        network->weights[l] = widened(weight);
        network->biases[l] = widened(bias);
    }
    assert_int_equal(network->widths[network->n_layers], ORACLE_CLASSES);
    iv_safetensors_close(file);
}

void oracle_network_free(oracle_network *network) {
    for (int l = 0; l < network->n_layers; l++) {
        free(network->weights[l]);
        free(network->biases[l]);
    }
}

/* y = W x + b of one layer */
static void affine(const oracle_network *network, int l, const double *x, double *y) {
    const int n_in = network->widths[l], n_out = network->widths[l + 1];
    for (int o = 0; o < n_out; o++) {
        const double *row = network->weights[l] + (size_t)o * (size_t)n_in;
        double sum = network->biases[l][o];
        for (int i = 0; i < n_in; i++) sum += row[i] * x[i];
        y[o] = sum;
    }
}

/* dx += W^T dy of one layer */
static void affine_transposed(const oracle_network *network, int l, const double *dy, double *dx) {
    const int n_in = network->widths[l], n_out = network->widths[l + 1];
    for (int o = 0; o < n_out; o++) {
        if (dy[o] == 0) continue;
        const double *row = network->weights[l] + (size_t)o * (size_t)n_in;
        for (int i = 0; i < n_in; i++) dx[i] += row[i] * dy[o];
    }
}

/* What the forward pass leaves for the backward pass. */
typedef struct {
    int n_lifted;                     /* copies of the first layer: the group's, or one */
    double *lifted;                   /* [n_lifted, widths[1]] before the ReLU */
    double *outputs[ORACLE_LAYERS];   /* of layer l: before the ReLU; not of the first */
    double *activated[ORACLE_LAYERS]; /* after ReLU, and pooling in the first */
} pass;

static void forward(const oracle_network *network, const double *image, pass *p) {
    const int n_pixels = network->widths[0], width = network->widths[1];
    p->n_lifted = network->tied ? network->group.n_elements : 1;
    p->lifted = doubles((size_t)p->n_lifted * (size_t)width);
    p->activated[0] = doubles((size_t)width);
    double *moved = doubles((size_t)n_pixels);
    for (int g = 0; g < p->n_lifted; g++) {
        double *lifted = p->lifted + (size_t)g * (size_t)width;
        oracle_act(&network->group, g, false, image, moved);
        affine(network, 0, moved, lifted);
        for (int h = 0; h < width; h++) p->activated[0][h] += fmax(lifted[h], 0) / p->n_lifted;
    }
    free(moved);
    for (int l = 1; l < network->n_layers; l++) {
        const int n = network->widths[l + 1];
        p->outputs[l] = doubles((size_t)n);
        p->activated[l] = doubles((size_t)n);
        affine(network, l, p->activated[l - 1], p->outputs[l]);
        for (int i = 0; i < n; i++) p->activated[l][i] = fmax(p->outputs[l][i], 0);
    }
}

/* The gradient, with respect to the image, of seed . logits. */
static void backward(const oracle_network *network, const pass *p, const double *seed,
                     double *gradient) {
    const int n_pixels = network->widths[0], width = network->widths[1];
    double *upper = doubles(ORACLE_CLASSES);
    memcpy(upper, seed, ORACLE_CLASSES * sizeof *seed);
    for (int l = network->n_layers - 1; l > 0; l--) {
        double *lower = doubles((size_t)network->widths[l]);
        affine_transposed(network, l, upper, lower);
        for (int i = 0; l > 1 && i < network->widths[l]; i++)
            if (p->outputs[l - 1][i] <= 0) lower[i] = 0;
        free(upper);
        upper = lower;
    }
    double *moved = doubles((size_t)n_pixels), *back = doubles((size_t)n_pixels);
    double *masked = doubles((size_t)width);
    memset(gradient, 0, (size_t)n_pixels * sizeof *gradient);
    for (int g = 0; g < p->n_lifted; g++) {
        const double *lifted = p->lifted + (size_t)g * (size_t)width;
        for (int h = 0; h < width; h++) masked[h] = lifted[h] > 0 ? upper[h] / p->n_lifted : 0;
        memset(moved, 0, (size_t)n_pixels * sizeof *moved);
        affine_transposed(network, 0, masked, moved);
        /* Permutations are orthogonal: the transpose of g is its inverse. */
        oracle_act(&network->group, g, true, moved, back);
        for (int i = 0; i < n_pixels; i++) gradient[i] += back[i];
    }
    free(moved);
    free(back);
    free(masked);
    free(upper);
}

void oracle_evaluate(const oracle_network *network, const double *image, double *logits,
                     const double *seeds, int n_seeds, double *gradients) {
    pass p = {0};
    forward(network, image, &p);
    memcpy(logits, p.outputs[network->n_layers - 1], ORACLE_CLASSES * sizeof *logits);
    for (int i = 0; i < n_seeds; i++)
        backward(network, &p, seeds + i * ORACLE_CLASSES, gradients + i * network->widths[0]);
    free(p.lifted);
    for (int l = 0; l < network->n_layers; l++) {
        free(p.outputs[l]);
        free(p.activated[l]);
    }
}

/* ------------------------------------------------------------------ metrics */

double oracle_singular_values(const double *matrix, int m, int n, double *values) {
    const int least = m < n ? m : n;
    double *copy = doubles((size_t)m * (size_t)n), *s = doubles((size_t)least), unused;
    memcpy(copy, matrix, (size_t)m * (size_t)n * sizeof *copy);
    assert_int_equal(
        LAPACKE_dgesdd(LAPACK_ROW_MAJOR, 'N', m, n, copy, n, s, &unused, m, &unused, n), 0);
    if (values) memcpy(values, s, (size_t)least * sizeof *s);
    const double largest = s[0];
    free(copy);
    free(s);
    return largest;
}

void oracle_weight_norms(const oracle_network *network, double *sigma_max) {
    for (int l = 0; l < network->n_layers; l++)
        sigma_max[l] = oracle_singular_values(network->weights[l], network->widths[l + 1],
                                              network->widths[l], NULL);
}

/* Index of the largest logit; *margin is how far it lies above the second largest. */
static int predicted(const double *logits, double *margin) {
    int best = 0;
    double second = -INFINITY;
    for (int c = 1; c < ORACLE_CLASSES; c++)
        if (logits[c] > logits[best]) best = c;
    for (int c = 0; c < ORACLE_CLASSES; c++)
        if (c != best && logits[c] > second) second = logits[c];
    *margin = logits[best] - second;
    return best;
}

static void log_softmax(const double *logits, double *out) {
    double largest = logits[0], sum = 0;
    for (int c = 1; c < ORACLE_CLASSES; c++) largest = fmax(largest, logits[c]);
    for (int c = 0; c < ORACLE_CLASSES; c++) sum += exp(logits[c] - largest);
    for (int c = 0; c < ORACLE_CLASSES; c++) out[c] = logits[c] - largest - log(sum);
}

static double cosine(const double *a, const double *b, int n) {
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < n; i++) {
        ab += a[i] * b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa) / sqrt(bb) : 0;
}

/* One image's part of every mean. */
static void measure_image(const oracle_network *network, const double *image, int label,
                          oracle_metrics *m) {
    const oracle_group *group = &network->group;
    const int n_pixels = network->widths[0], others = group->n_elements - 1;
    double seeds[ORACLE_CLASSES * ORACLE_CLASSES] = {0}, spectrum[ORACLE_CLASSES];
    for (int c = 0; c < ORACLE_CLASSES; c++) seeds[c * ORACLE_CLASSES + c] = 1;
    double *jacobian = doubles((size_t)(ORACLE_CLASSES * n_pixels));
    double *moved = doubles((size_t)n_pixels), *saliency = doubles((size_t)n_pixels),
           *back = doubles((size_t)n_pixels);

    double at_x[ORACLE_CLASSES], log_x[ORACLE_CLASSES], margin;
    oracle_evaluate(network, image, at_x, seeds, ORACLE_CLASSES, jacobian);
    log_softmax(at_x, log_x);
    oracle_singular_values(jacobian, ORACLE_CLASSES, n_pixels, spectrum);
    for (int c = 0; c < ORACLE_CLASSES; c++) {
        m->jacobian_spectrum[c] += spectrum[c];
        m->largest_logit = fmax(m->largest_logit, fabs(at_x[c]));
    }

    /* Rounding of a logit stays below this: sums of a thousand terms, layer after layer. */
    const double tie = 1e-5 * (1 + fabs(at_x[predicted(at_x, &margin)]));
    const int class_at_x = predicted(at_x, &margin);
    m->accuracy += (class_at_x == label) / (double)group->n_elements;
    m->undecided_accuracy += (margin < tie) / (double)group->n_elements;
    m->undecided_si += margin < tie;
    for (int g = 1; g <= others; g++) {
        double at_gx[ORACLE_CLASSES], log_gx[ORACLE_CLASSES], distance = 0, divergence = 0;
        oracle_act(group, g, false, image, moved);
        oracle_evaluate(network, moved, at_gx, seeds + class_at_x * ORACLE_CLASSES, 1, saliency);
        log_softmax(at_gx, log_gx);
        for (int c = 0; c < ORACLE_CLASSES; c++) {
            distance += 0.5 * (at_x[c] - at_gx[c]) * (at_x[c] - at_gx[c]);
            divergence += exp(log_x[c]) * (log_x[c] - log_gx[c]);
        }
        oracle_act(group, g, true, saliency, back);
        m->li += distance / others;
        m->di += divergence / others;
        m->si += cosine(back, jacobian + class_at_x * n_pixels, n_pixels) / others;
        m->accuracy += (predicted(at_gx, &margin) == label) / (double)group->n_elements;
        m->undecided_accuracy += (margin < tie) / (double)group->n_elements;
    }
    free(jacobian);
    free(moved);
    free(saliency);
    free(back);
}

void oracle_measure(const oracle_network *network, const iv_dataset *data, const int32_t *rows,
                    size_t n_rows, oracle_metrics *m) {
    const oracle_group *group = &network->group;
    double *image = doubles((size_t)network->widths[0]);
    memset(m, 0, sizeof *m);
    for (size_t i = 0; i < n_rows; i++) {
        const size_t row = rows ? (size_t)rows[i] : i;
        assert_true(row < data->n_images);
        for (int r = 0; r < 28; r++)
            for (int c = 0; c < 28; c++)
                image[(r + group->pad) * group->side + c + group->pad] =
                    data->pixels[row * 784 + (size_t)(r * 28 + c)] / 255.0;
        measure_image(network, image, data->labels[row], m);
    }
    const double n = (double)n_rows;
    m->accuracy /= n;
    m->li /= n;
    m->di /= n;
    m->si /= n;
    m->undecided_accuracy /= n;
    m->undecided_si /= n;
    for (int c = 0; c < ORACLE_CLASSES; c++) m->jacobian_spectrum[c] /= n;
    free(image);
}

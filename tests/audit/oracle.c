#include "oracle.h"

#include <invar/random.h>

#include <lapacke.h>
#include <math.h>

enum { IMAGE = ORACLE_WIDTH };

/* ------------------------------------------------------------------ networks */

void oracle_random(oracle_network *n, uint32_t seed, double scale, double grain) {
    for (size_t l = 0; l < n->n_layers; l++) {
        const size_t in = n->widths[l], out = n->widths[l + 1];
        const bool has_bias = n->biases[l] || l % 2 == 0;
        assert_true(in <= ORACLE_WIDTH && out <= ORACLE_WIDTH);
        n->weights[l] = calloc(in * out, sizeof(double));
        n->biases[l] = has_bias ? calloc(out, sizeof(double)) : NULL;
        for (size_t i = 0; i < in * out + (has_bias ? out : 0); i++) {
            uint32_t words[4];
            iv_philox(seed, IV_STREAM_TEST, (uint32_t)l, (uint32_t)i, words);
            double value = scale * (words[0] / 2147483648.0 - 1) / sqrt((double)in);
            if (grain > 0) value = floor(value * grain) / grain;
            if (i < in * out)
                n->weights[l][i] = value;
            else
                n->biases[l][i - in * out] = value;
        }
    }
}

void oracle_free(oracle_network *n) {
    for (size_t l = 0; l < n->n_layers; l++) {
        free(n->weights[l]);
        free(n->biases[l]);
        n->weights[l] = n->biases[l] = NULL;
    }
}

static double activate(const char *name, double x) {
    if (strcmp(name, "relu") == 0) return x > 0 ? x : 0;
    if (strcmp(name, "tanh") == 0) return tanh(x);
    if (strcmp(name, "sigmoid") == 0) return 1 / (1 + exp(-x));
    if (strcmp(name, "selu") == 0)
        return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x));
    assert_string_equal(name, "none");
    return x;
}

static double slope(const char *name, double x) {
    if (strcmp(name, "relu") == 0) return x > 0;
    if (strcmp(name, "tanh") == 0) return 1 - tanh(x) * tanh(x);
    if (strcmp(name, "sigmoid") == 0) return exp(-x) / (1 + exp(-x)) / (1 + exp(-x));
    if (strcmp(name, "selu") == 0)
        return 1.0507009873554805 * (x > 0 ? 1 : 1.6732632423543772 * exp(x));
    return 1;
}

/* sums[l]: of layer l, before its activation. */
static void forward(const oracle_network *n, const double *image,
                    double sums[ORACLE_LAYERS][ORACLE_WIDTH]) {
    double x[ORACLE_WIDTH];
    const size_t of_plane = n->side * n->side;
    for (size_t i = 0; i < n->widths[0]; i++) {
        const size_t c = i / of_plane;
        x[i] = n->deviation[c] > 0 ? (image[i] - n->mean[c]) / n->deviation[c] : image[i];
    }
    for (size_t l = 0; l < n->n_layers; l++) {
        for (size_t o = 0; o < n->widths[l + 1]; o++) {
            sums[l][o] = n->biases[l] ? n->biases[l][o] : 0;
            for (size_t i = 0; i < n->widths[l]; i++)
                sums[l][o] += n->weights[l][o * n->widths[l] + i] * x[i];
        }
        for (size_t o = 0; o < n->widths[l + 1]; o++) x[o] = activate(n->activation, sums[l][o]);
    }
}

void oracle_logits(const oracle_network *n, const double *image, double *logits) {
    double sums[ORACLE_LAYERS][ORACLE_WIDTH];
    forward(n, image, sums);
    memcpy(logits, sums[n->n_layers - 1], n->widths[n->n_layers] * sizeof *logits);
}

/* The gradient of one logit by the pixels. */
static void gradient(const oracle_network *n, const double *image, size_t class, double *out) {
    double sums[ORACLE_LAYERS][ORACLE_WIDTH], upper[ORACLE_WIDTH] = {0}, lower[ORACLE_WIDTH];
    forward(n, image, sums);
    upper[class] = 1;
    for (size_t l = n->n_layers; l-- > 0;) {
        for (size_t i = 0; i < n->widths[l]; i++) {
            lower[i] = 0;
            for (size_t o = 0; o < n->widths[l + 1]; o++)
                lower[i] += n->weights[l][o * n->widths[l] + i] * upper[o];
            if (l > 0) lower[i] *= slope(n->activation, sums[l - 1][i]);
        }
        memcpy(upper, lower, sizeof upper);
    }
    for (size_t i = 0; i < n->widths[0]; i++) {
        const double deviation = n->deviation[i / (n->side * n->side)];
        out[i] = upper[i] / (deviation > 0 ? deviation : 1);
    }
}

/* ------------------------------------------------------------------ groups */

/* Counter-clockwise: the right edge goes to the top. */
static void turn(size_t side, const double *from, double *to) {
    for (size_t row = 0; row < side; row++)
        for (size_t column = 0; column < side; column++)
            to[(side - 1 - column) * side + row] = from[row * side + column];
}

static void turn_often(size_t quarters, size_t side, const double *from, double *to) {
    double kept[IMAGE];
    memcpy(to, from, side * side * sizeof *to);
    for (size_t i = 0; i < quarters; i++) {
        memcpy(kept, to, side * side * sizeof *to);
        turn(side, kept, to);
    }
}

static void turn_by_halves(size_t element, size_t side, const double *from, double *to) {
    turn_often(2 * element, side, from, to);
}

/* Element n i + j rolls i n-ths of the side down and j to the right. */
static void roll(size_t n, size_t element, size_t side, const double *from, double *to) {
    const size_t down = element / n * (side / n), right = element % n * (side / n);
    for (size_t row = 0; row < side; row++)
        for (size_t column = 0; column < side; column++)
            to[(row + down) % side * side + (column + right) % side] = from[row * side + column];
}

static void roll_by_halves(size_t element, size_t side, const double *from, double *to) {
    roll(2, element, side, from, to);
}

static void roll_by_thirds(size_t element, size_t side, const double *from, double *to) {
    roll(3, element, side, from, to);
}

oracle_group oracle_quarter_turns(void) {
    return (oracle_group){4, turn_often, {0, 3, 2, 1}};
}

oracle_group oracle_half_turns(void) {
    return (oracle_group){2, turn_by_halves, {0, 1}};
}

oracle_group oracle_rolls(void) {
    return (oracle_group){4, roll_by_halves, {0, 1, 2, 3}};
}

oracle_group oracle_thirds(void) {
    return (oracle_group){9, roll_by_thirds, {0, 2, 1, 6, 8, 7, 3, 5, 4}};
}

static void act(const oracle_group *group, size_t element, const oracle_network *n,
                const double *from, double *to) {
    const size_t of_plane = n->side * n->side;
    for (size_t c = 0; c < n->planes; c++)
        group->act(element, n->side, from + c * of_plane, to + c * of_plane);
}

/* ------------------------------------------------------------------ metrics */

static size_t predicted(const double *logits, size_t n_classes) {
    size_t best = 0;
    for (size_t c = 1; c < n_classes; c++)
        if (logits[c] > logits[best]) best = c;
    return best;
}

static void log_softmax(const double *logits, size_t n_classes, double *out) {
    double sum = 0, largest = logits[predicted(logits, n_classes)];
    for (size_t c = 0; c < n_classes; c++) sum += exp(logits[c] - largest);
    for (size_t c = 0; c < n_classes; c++) out[c] = logits[c] - largest - log(sum);
}

static double cosine(const double *a, const double *b, size_t n) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += a[i] * b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static void find_spectrum(const oracle_network *n, const double *image, double *spectrum) {
    const size_t n_classes = n->widths[n->n_layers], d = n->widths[0];
    double jacobian[ORACLE_CLASSES * ORACLE_WIDTH], unused;
    for (size_t c = 0; c < n_classes; c++) gradient(n, image, c, jacobian + c * d);
    assert_int_equal(LAPACKE_dgesdd(LAPACK_ROW_MAJOR, 'N', (int)n_classes, (int)d, jacobian, (int)d,
                                    spectrum, &unused, (int)n_classes, &unused, (int)d),
                     0);
}

void oracle_measure(const oracle_network *n, const oracle_group *group, const double *image,
                    size_t label, oracle_numbers *numbers) {
    const size_t n_classes = n->widths[n->n_layers], d = n->widths[0];
    const double others = (double)(group->n_elements - 1);
    double at_x[ORACLE_CLASSES], log_x[ORACLE_CLASSES], at_gx[ORACLE_CLASSES],
        log_gx[ORACLE_CLASSES];
    double moved[IMAGE], saliency[IMAGE], other[IMAGE], back[IMAGE];
    assert_true(n_classes <= ORACLE_CLASSES && group->n_elements <= ORACLE_ELEMENTS);
    *numbers = (oracle_numbers){0};
    oracle_logits(n, image, at_x);
    log_softmax(at_x, n_classes, log_x);
    const size_t class = predicted(at_x, n_classes);
    gradient(n, image, class, saliency);
    numbers->accuracy = class == label;
    for (size_t c = 0; c < n_classes; c++) numbers->size += 0.5 * at_x[c] * at_x[c];
    for (size_t g = 1; g < group->n_elements; g++) {
        act(group, g, n, image, moved);
        oracle_logits(n, moved, at_gx);
        log_softmax(at_gx, n_classes, log_gx);
        for (size_t c = 0; c < n_classes; c++) {
            numbers->li += 0.5 * (at_x[c] - at_gx[c]) * (at_x[c] - at_gx[c]) / others;
            numbers->kl[g] += exp(log_x[c]) * (log_x[c] - log_gx[c]);
        }
        numbers->di += numbers->kl[g] / others;
        numbers->changed[g] = predicted(at_gx, n_classes) != class;
        gradient(n, moved, class, other);
        act(group, group->inverse[g], n, other, back);
        numbers->si += cosine(back, saliency, d) / others;
        numbers->accuracy += predicted(at_gx, n_classes) == label;
    }
    numbers->accuracy /= (double)group->n_elements;
    find_spectrum(n, image, numbers->spectrum);
}

void oracle_orbit(const oracle_network *n, const oracle_group *group, const double *image,
                  size_t element, double *moved, double *logits, double *saliency) {
    double at_x[ORACLE_CLASSES];
    oracle_logits(n, image, at_x);
    act(group, element, n, image, moved);
    oracle_logits(n, moved, logits);
    gradient(n, moved, predicted(at_x, n->widths[n->n_layers]), saliency);
}

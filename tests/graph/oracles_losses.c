/* Losses, chosen logits, invariance metrics. */
#include "oracles.h"

typedef struct {
    double value, error;
} number;

static number at(const array *a, size_t i) {
    return (number){a->value[i], a->error[i]};
}

/* log of the sum of exp over n values of an array: shifted by the largest, exp, n - 1 sums, log,
 * and the shift back. Errors of the terms count by their share of the sum. */
static number log_sum_exp(const array *a, size_t first, size_t n) {
    double largest = -INFINITY, sum = 0.0, error = 0.0;
    for (size_t c = 0; c < n; c++) largest = fmax(largest, a->value[first + c]);
    for (size_t c = 0; c < n; c++) {
        const double shifted = a->value[first + c] - largest, term = exp(shifted);
        sum += term;
        error += term * (a->error[first + c] + UNIT_ROUNDOFF * fabs(shifted) + FUNCTION_ERROR);
    }
    const double result = largest + log(sum);
    return (number){result, error / sum + (double)n * UNIT_ROUNDOFF + FUNCTION_ERROR * log(sum) +
                                UNIT_ROUNDOFF * fabs(result) + UNDERFLOW};
}

/* Sum of n values in any order, times a factor with a relative error of its own. */
static number scaled_sum(const array *a, double factor, double factor_error) {
    double sum = 0.0, magnitude = 0.0, error = 0.0;
    for (size_t i = 0; i < a->n; i++) {
        sum += a->value[i];
        magnitude += fabs(a->value[i]);
        error += a->error[i];
    }
    error += (double)a->n * UNIT_ROUNDOFF * magnitude;
    return (number){sum * factor,
                    factor * (error + (factor_error + UNIT_ROUNDOFF) * fabs(sum)) + UNDERFLOW};
}

static void put(array *out, size_t i, number x) {
    out->value[i] = x.value;
    out->error[i] = x.error;
}

/* Outputs: the loss, its gradient to the logits, and the loss of each row. */
void oracle_cross_entropy(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const size_t B = n->inputs[0]->dims[0], C = n->inputs[0]->dims[1];
    for (size_t b = 0; b < B; b++) {
        const number normalizer = log_sum_exp(in[0], b * C, C);
        const size_t label = (size_t)in[1]->value[b];
        for (size_t c = 0; c < C; c++) {
            const number x = at(in[0], b * C + c);
            const double log_p = x.value - normalizer.value, p = exp(log_p);
            const double difference = p - (c == label);
            const double p_error =
                p * (x.error + normalizer.error + UNIT_ROUNDOFF * fabs(log_p) + FUNCTION_ERROR);
            out[1].value[b * C + c] = difference / (double)B;
            out[1].error[b * C + c] =
                (p_error + (UNIT_ROUNDOFF + DIVISION_ERROR) * fabs(difference)) / (double)B +
                UNDERFLOW;
        }
        const number x = at(in[0], b * C + label);
        const double loss = normalizer.value - x.value;
        put(&out[2], b,
            (number){loss, normalizer.error + x.error + UNIT_ROUNDOFF * fabs(loss) + UNDERFLOW});
    }
    put(&out[0], 0, scaled_sum(&out[2], 1.0 / (double)B, DIVISION_ERROR));
}

/* 0.5 |a - b|^2 of C values each. */
static number half_square_distance(const array *a, size_t first_a, const array *b, size_t first_b,
                                   size_t C) {
    double sum = 0.0, error = 0.0;
    for (size_t c = 0; c < C; c++) {
        const double d = a->value[first_a + c] - b->value[first_b + c];
        const double d_error =
            a->error[first_a + c] + b->error[first_b + c] + UNIT_ROUNDOFF * fabs(d);
        sum += d * d;
        error += d_error * (2.0 * fabs(d) + d_error);
    }
    return (number){0.5 * sum, 0.5 * (error + (double)(C + 1) * UNIT_ROUNDOFF * sum) + UNDERFLOW};
}

/* Outputs: the loss, and the distance of each row. */
void oracle_logit_distance(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const size_t B = n->inputs[0]->dims[0], C = n->inputs[0]->dims[1];
    for (size_t b = 0; b < B; b++)
        put(&out[1], b, half_square_distance(in[0], b * C, in[1], b * C, C));
    put(&out[0], 0, scaled_sum(&out[1], 1.0 / (double)B, DIVISION_ERROR));
}

/* (a - b) scale, times a weight if there is one; rounded: the difference, the scale and the
 * products. */
void oracle_difference_gradient(const evaluation *e, const node *n, const array *const *in,
                                array *out) {
    (void)e;
    const own_difference_gradient *own = n->own;
    const double scale = (double)own->numerator / (double)own->denominator;
    const number weight = in[2] ? at(in[2], 0) : (number){1.0, 0.0};
    for (size_t i = 0; i < out->n; i++) {
        const number a = at(in[0], i), b = at(in[1], i);
        const double d = a.value - b.value;
        out->value[i] = d * scale * weight.value;
        out->error[i] = ((a.error + b.error) * fabs(weight.value) + fabs(d) * weight.error +
                         4.0 * UNIT_ROUNDOFF * fabs(d * weight.value)) *
                            scale +
                        UNDERFLOW;
    }
}

void oracle_weighted_sum(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    (void)n;
    const number a = at(in[0], 0), b = at(in[1], 0), weight = at(in[2], 0);
    const double product = b.value * weight.value;
    put(out, 0,
        (number){a.value + product,
                 a.error + b.error * fabs(weight.value) + fabs(b.value) * weight.error +
                     UNIT_ROUNDOFF * (fabs(product) + fabs(a.value + product)) + UNDERFLOW});
}

/* Outputs: the sum, and the chosen logit of each row. */
void oracle_class_logit_sum(const evaluation *e, const node *n, const array *const *in,
                            array *out) {
    (void)e;
    const size_t C = iv_columns(n->inputs[0]);
    for (size_t row = 0; row < out[1].n; row++) {
        const size_t chosen = (size_t)in[1]->value[row % in[1]->n];
        put(&out[1], row, at(in[0], row * C + chosen));
    }
    put(&out[0], 0, scaled_sum(&out[1], 1.0, 0.0));
}

void oracle_class_logit_gradient(const evaluation *e, const node *n, const array *const *in,
                                 array *out) {
    (void)e;
    const size_t C = iv_columns(n->outputs[0]);
    for (size_t row = 0; row < out->n / C; row++)
        out->value[row * C + (size_t)in[0]->value[row % in[0]->n]] = 1.0;
}

static size_t first_largest(const double *values, size_t n) {
    size_t best = 0;
    for (size_t c = 1; c < n; c++)
        if (values[c] > values[best]) best = c;
    return best;
}

void oracle_argmax(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const size_t C = iv_columns(n->inputs[0]);
    for (size_t b = 0; b < out->n; b++)
        out->value[b] = (double)first_largest(in[0]->value + b * C, C);
}

/* [.., C, C]: ones where the last two indices agree. */
void oracle_identity_seed(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    (void)in;
    const size_t C = iv_columns(n->outputs[0]);
    for (size_t i = 0; i < out->n; i++) out->value[i] = i / C % C == i % C;
}

/* ------------------------------------------------------------------ metrics */

void oracle_orbit_accuracy(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const size_t *dims = n->inputs[0]->dims;
    for (size_t b = 0; b < dims[1]; b++) {
        size_t n_correct = 0;
        for (size_t g = 0; g < dims[0]; g++)
            n_correct += first_largest(in[0]->value + (g * dims[1] + b) * dims[2], dims[2]) ==
                         (size_t)in[1]->value[b];
        out->value[b] = (double)n_correct / (double)dims[0];
        out->error[b] = DIVISION_ERROR * out->value[b];
    }
}

/* A mean over the G - 1 elements besides the identity. */
static number mean_over_others(const number *terms, size_t G) {
    double sum = 0.0, magnitude = 0.0, error = 0.0;
    for (size_t g = 1; g < G; g++) {
        sum += terms[g].value;
        magnitude += fabs(terms[g].value);
        error += terms[g].error;
    }
    const double others = (double)(G - 1);
    return (number){sum / others,
                    (error + others * UNIT_ROUNDOFF * magnitude + DIVISION_ERROR * fabs(sum)) /
                            others +
                        UNDERFLOW};
}

enum { MAX_ELEMENTS = 64 };

void oracle_orbit_logit_invariance(const evaluation *e, const node *n, const array *const *in,
                                   array *out) {
    (void)e;
    const size_t G = n->inputs[0]->dims[0], B = n->inputs[0]->dims[1], C = n->inputs[0]->dims[2];
    number terms[MAX_ELEMENTS];
    for (size_t b = 0; b < B; b++) {
        for (size_t g = 1; g < G; g++)
            terms[g] = half_square_distance(in[0], b * C, in[0], (g * B + b) * C, C);
        put(out, b, mean_over_others(terms, G));
    }
}

/* KL(p || q) by its definition, sum p (log p - log q). The error bound is that of a sum of positive
 * terms p (r - 1 - log r), r = q / p: the derivative by log r is p (r - 1), by log p the term
 * itself; 10 roundings in a term, and exp(d) - 1 - d has the absolute error of its parts where |d|
 * > 1/2. */
static number divergence(const array *a, size_t first_p, size_t first_q, size_t C) {
    const number p_normalizer = log_sum_exp(a, first_p, C),
                 q_normalizer = log_sum_exp(a, first_q, C);
    double sum = 0.0, error = 0.0;
    for (size_t c = 0; c < C; c++) {
        const number x = at(a, first_p + c), y = at(a, first_q + c);
        const double log_p = x.value - p_normalizer.value, log_q = y.value - q_normalizer.value;
        const double d = log_q - log_p, p = exp(log_p), q = exp(log_q);
        const double p_error = x.error + p_normalizer.error + UNIT_ROUNDOFF * fabs(log_p);
        const double q_error = y.error + q_normalizer.error + UNIT_ROUNDOFF * fabs(log_q);
        const double d_error = p_error + q_error + UNIT_ROUNDOFF * fabs(d);
        const double term = q - p - p * d;
        sum += p * (log_p - log_q);
        error += fabs(q - p) * d_error + (p + q) * d_error * d_error +
                 (p_error + 10.0 * UNIT_ROUNDOFF) * fabs(term);
        if (fabs(d) > 0.5) error += FUNCTION_ERROR * (fabs(q - p) + 2.0 * p * fabs(d) + q);
        error += (double)C * UNIT_ROUNDOFF * fabs(term) + UNDERFLOW;
    }
    return (number){sum, error};
}

void oracle_orbit_distribution_invariance(const evaluation *e, const node *n,
                                          const array *const *in, array *out) {
    (void)e;
    const size_t G = n->inputs[0]->dims[0], B = n->inputs[0]->dims[1], C = n->inputs[0]->dims[2];
    number terms[MAX_ELEMENTS];
    for (size_t b = 0; b < B; b++) {
        for (size_t g = 1; g < G; g++) terms[g] = divergence(in[0], b * C, (g * B + b) * C, C);
        put(out, b, mean_over_others(terms, G));
    }
}

static double norm(const double *values, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += values[i] * values[i];
    return sqrt(sum);
}

/* The angle between two vectors moves by at most the sum of the relative errors of each; the three
 * sums of D terms and scaling by the largest add (D + 8) u relative to the product of the norms. */
static number cosine(const array *a, size_t x, size_t y, const uint16_t *back, size_t D) {
    const double x_norm = norm(a->value + x, D), y_norm = norm(a->value + y, D);
    if (x_norm == 0.0 || y_norm == 0.0) return (number){0.0, 0.0};
    double dot = 0.0;
    for (size_t p = 0; p < D; p++) dot += a->value[x + p] * a->value[y + back[p]];
    const double from_inputs = norm(a->error + x, D) / x_norm + norm(a->error + y, D) / y_norm;
    return (number){dot / (x_norm * y_norm), from_inputs + 2.0 * (double)(D + 8) * UNIT_ROUNDOFF +
                                                 4.0 * DIVISION_ERROR + FUNCTION_ERROR};
}

void oracle_orbit_saliency_similarity(const evaluation *e, const node *n, const array *const *in,
                                      array *out) {
    const size_t G = n->inputs[0]->dims[0], B = n->inputs[0]->dims[1], D = n->inputs[0]->dims[2];
    const own_orbit_metric *own = n->own;
    const known_group *known = NULL;
    for (size_t i = 0; i < e->t->n_groups; i++)
        if (e->t->groups[i].inverse == own->inverse) known = &e->t->groups[i];
    assert_non_null(known);
    number terms[MAX_ELEMENTS];
    for (size_t b = 0; b < B; b++) {
        for (size_t g = 1; g < G; g++)
            terms[g] = cosine(in[0], b * D, (g * B + b) * D, known->group->inverse + g * D, D);
        put(out, b, mean_over_others(terms, G));
    }
}

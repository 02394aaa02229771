/* Gaussian output weights: variances of sums, and cross-entropies of sampled logits. */
#include "affine.h"

/* 2 n u, the rounding of sums of n terms and of what their terms were made of. */
static double rounding(size_t n) {
    return (double)(n + 4) * UNIT_ROUNDOFF;
}

/* u[c][b][j] = sum over k of x[b][k] T[c][k][j]; v[b][c] = its square length over j. */
void oracle_row_variances(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const size_t B = n->inputs[0]->dims[0], H = n->inputs[0]->dims[1], C = n->inputs[1]->dims[0];
    const array *x = in[0], *t = in[1];
    for (size_t c = 0; c < C; c++)
        for (size_t b = 0; b < B; b++) {
            double square = 0.0, error = 0.0;
            for (size_t j = 0; j < H; j++) {
                double sum = 0.0, sum_error = 0.0;
                for (size_t k = 0; k < H; k++) {
                    const size_t i = b * H + k, at = (c * H + k) * H + j;
                    sum += x->value[i] * t->value[at];
                    sum_error +=
                        x->error[i] * fabs(t->value[at]) +
                        (t->error[at] + rounding(H) * fabs(t->value[at])) * fabs(x->value[i]);
                }
                out[1].value[(c * B + b) * H + j] = sum;
                out[1].error[(c * B + b) * H + j] = sum_error + UNDERFLOW;
                square += sum * sum;
                error += (2.0 * fabs(sum) + sum_error) * sum_error + rounding(H) * sum * sum;
            }
            out[0].value[b * C + c] = square;
            out[0].error[b * C + c] = error + UNDERFLOW;
        }
}

/* in: dv [B, C], x, u, T. du[b] = 2 dv[b][c] u[c][b]; dx = sum over c of du T_c^T, dT_c = x^T du. */
void oracle_row_variances_gradient(const evaluation *e, const node *n, const array *const *in,
                                   array *out) {
    (void)e;
    const size_t B = n->inputs[1]->dims[0], H = n->inputs[1]->dims[1], C = n->inputs[3]->dims[0];
    const array *dv = in[0], *x = in[1], *u = in[2], *t = in[3];
    for (size_t c = 0; c < C; c++)
        for (size_t b = 0; b < B; b++)
            for (size_t j = 0; j < H; j++) {
                const size_t of_v = b * C + c, of_u = (c * B + b) * H + j;
                const double du = 2.0 * dv->value[of_v] * u->value[of_u];
                const double du_error = 2.0 * (dv->error[of_v] * fabs(u->value[of_u]) +
                                               u->error[of_u] * fabs(dv->value[of_v])) +
                                        2.0 * UNIT_ROUNDOFF * fabs(du);
                for (size_t k = 0; k < H; k++) {
                    const size_t of_x = b * H + k, of_t = (c * H + k) * H + j;
                    out[0].value[of_x] += du * t->value[of_t];
                    out[0].error[of_x] += du_error * fabs(t->value[of_t]) +
                                          t->error[of_t] * fabs(du) +
                                          rounding(C * H) * fabs(du * t->value[of_t]) + UNDERFLOW;
                    out[1].value[of_t] += du * x->value[of_x];
                    out[1].error[of_t] += du_error * fabs(x->value[of_x]) +
                                          x->error[of_x] * fabs(du) +
                                          rounding(B) * fabs(du * x->value[of_x]) + UNDERFLOW;
                }
            }
}

void oracle_exponential_scale(const evaluation *e, const node *n, const array *const *in,
                              array *out) {
    (void)e;
    (void)n;
    const double factor = exp(in[1]->value[0]);
    const double error = factor * (in[1]->error[0] + FUNCTION_ERROR + UNIT_ROUNDOFF);
    for (size_t i = 0; i < out->n; i++) {
        out->value[i] = in[0]->value[i] * factor;
        out->error[i] = in[0]->error[i] * factor + fabs(in[0]->value[i]) * error + UNDERFLOW;
    }
}

/* in: dy, y -> sum of dy y; and the sums of 1024 products each. */
void oracle_exponential_scale_gradient(const evaluation *e, const node *n, const array *const *in,
                                       array *out) {
    (void)e;
    (void)n;
    const array *dy = in[0], *y = in[1];
    for (size_t i = 0; i < dy->n; i++) {
        const double product = dy->value[i] * y->value[i];
        const double error = dy->error[i] * fabs(y->value[i]) + y->error[i] * fabs(dy->value[i]) +
                             rounding(dy->n) * fabs(product) + UNDERFLOW;
        out[0].value[0] += product;
        out[0].error[0] += error;
        out[1].value[i / 1024] += product;
        out[1].error[i / 1024] += error;
    }
}

/* Normal number of class c in row b and pair p, as invar/graph.h says. */
static double normal(const evaluation *e, const node *n, size_t p, size_t b, size_t c) {
    const own_sampled_cross_entropy *own = n->own;
    const size_t B = n->inputs[0]->dims[0], C = n->inputs[0]->dims[1];
    uint32_t words[4];
    float pair[2];
    iv_philox(affine_seed(e->t, e->member), own->draws.stream, e->step,
              (uint32_t)((p * B + b) * ((C + 3) / 4) + c / 4), words);
    iv_normal(words[c % 4 < 2 ? 0 : 2], words[c % 4 < 2 ? 1 : 3], pair);
    return (double)pair[c % 2];
}

typedef struct {
    double values[16], errors[16]; /* probabilities */
    double loss, loss_error, roots[16], root_errors[16], eps[16];
} sample;

/* Softmax and cross-entropy of one sample: sign 1 or -1 times eps. */
static void take_sample(const evaluation *e, const node *n, const array *const *in, size_t p,
                        size_t b, double sign, sample *s) {
    const size_t C = n->inputs[0]->dims[1], label = (size_t)in[2]->value[b];
    double logits[16], errors[16], largest = -INFINITY, sum = 0.0, sum_error = 0.0;
    assert_true(C <= 16);
    for (size_t c = 0; c < C; c++) {
        const double v = in[1]->value[b * C + c], m = in[0]->value[b * C + c];
        s->roots[c] = sqrt(fmax(v, 1e-20));
        s->root_errors[c] =
            in[1]->error[b * C + c] / (2.0 * s->roots[c]) + FUNCTION_ERROR * s->roots[c];
        s->eps[c] = normal(e, n, p, b, c);
        logits[c] = m + sign * s->eps[c] * s->roots[c];
        errors[c] = in[0]->error[b * C + c] + fabs(s->eps[c]) * s->root_errors[c] +
                    2.0 * UNIT_ROUNDOFF * (fabs(m) + fabs(s->eps[c] * s->roots[c]));
        largest = fmax(largest, logits[c]);
    }
    for (size_t c = 0; c < C; c++) {
        const double term = exp(logits[c] - largest);
        sum += term;
        sum_error +=
            term * (errors[c] + UNIT_ROUNDOFF * fabs(logits[c] - largest) + FUNCTION_ERROR);
    }
    const double normalizer = largest + log(sum);
    const double normalizer_error = sum_error / sum + (double)C * UNIT_ROUNDOFF +
                                    FUNCTION_ERROR * log(sum) + UNIT_ROUNDOFF * fabs(normalizer);
    s->loss = normalizer - logits[label];
    s->loss_error = normalizer_error + errors[label] + UNIT_ROUNDOFF * fabs(s->loss);
    for (size_t c = 0; c < C; c++) {
        const double log_p = logits[c] - normalizer;
        s->values[c] = exp(log_p);
        s->errors[c] = s->values[c] * (errors[c] + normalizer_error + UNIT_ROUNDOFF * fabs(log_p) +
                                       FUNCTION_ERROR) +
                       UNDERFLOW;
    }
}

/* Outputs: loss, gradients to means and variances, loss of each row, curvature. */
void oracle_sampled_cross_entropy(const evaluation *e, const node *n, const array *const *in,
                                  array *out) {
    const own_sampled_cross_entropy *own = n->own;
    const size_t B = n->inputs[0]->dims[0], C = n->inputs[0]->dims[1], P = own->draws.n_pairs;
    const double weight = 1.0 / (double)(2 * P), rows = (double)B;
    for (size_t b = 0; b < B; b++) {
        for (size_t p = 0; p < P; p++)
            for (double sign = 1.0; sign > -2.0; sign -= 2.0) {
                sample s;
                take_sample(e, n, in, p, b, sign, &s);
                out[3].value[b] += weight * s.loss;
                out[3].error[b] += weight * (s.loss_error + rounding(2 * P) * fabs(s.loss));
                for (size_t c = 0; c < C; c++) {
                    const size_t at = b * C + c;
                    const double q = s.values[c], q_error = s.errors[c];
                    const double slope = q - (c == (size_t)in[2]->value[b] ? 1.0 : 0.0);
                    const double by_root = sign * s.eps[c] * weight / rows / (2.0 * s.roots[c]);
                    const double more = DIVISION_ERROR + rounding(2 * P + 4);
                    out[1].value[at] += weight / rows * slope;
                    out[1].error[at] += weight / rows * (q_error + more * (q + fabs(slope)));
                    if (in[1]->value[at] > 1e-20) {
                        /* the device takes the difference of two probabilities */
                        out[2].value[at] += by_root * slope;
                        out[2].error[at] +=
                            fabs(by_root) *
                            (q_error + (more + s.root_errors[c] / s.roots[c]) * (q + fabs(slope)));
                    }
                    out[4].value[at] += weight * q * (1.0 - q);
                    out[4].error[at] += weight * (q_error + more * q);
                }
            }
    }
    for (size_t b = 0; b < B; b++) {
        out[0].value[0] += out[3].value[b] / rows;
        out[0].error[0] +=
            (out[3].error[b] + (rounding(B) + DIVISION_ERROR) * fabs(out[3].value[b])) / rows;
    }
}

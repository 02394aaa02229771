/* Oracles of the ops on tensors of any shape. */
#include "oracles.h"

#include <invar/tensor_ops.h>

enum { AXES = 4 };

/* OpenCL 1.2, table 7.4: 16 ulp for pow and erf. */
#define POWER_ERROR (32 * UNIT_ROUNDOFF)
#define ERF_ERROR   (32 * UNIT_ROUNDOFF)

/* Shape with ones before it. */
static void dims_of(const iv_tensor *tensor, size_t dims[AXES]) {
    for (unsigned i = 0; i < AXES; i++)
        dims[i] = i < AXES - tensor->rank ? 1 : tensor->dims[i - (AXES - tensor->rank)];
}

/* Places along the axes of entry i. */
static void places_of(size_t i, const size_t dims[AXES], size_t places[AXES]) {
    for (unsigned a = AXES; a-- > 0; i /= dims[a]) places[a] = i % dims[a];
}

static size_t entry_at(const size_t places[AXES], const size_t dims[AXES]) {
    size_t i = 0;
    for (unsigned a = 0; a < AXES; a++) i = i * dims[a] + places[a];
    return i;
}

/* Which entry of a tensor is repeated at entry i of another. */
static size_t repeated(const iv_tensor *small, const iv_tensor *whole, size_t i) {
    size_t dims[AXES], of_whole[AXES], places[AXES];
    dims_of(small, dims);
    dims_of(whole, of_whole);
    places_of(i, of_whole, places);
    for (unsigned a = 0; a < AXES; a++)
        if (dims[a] == 1) places[a] = 0;
    return entry_at(places, dims);
}

/* ------------------------------------------------------------------ two operands */

static double combined(iv_binary_kind kind, double a, double b) {
    switch (kind) {
    case IV_ADD: return a + b;
    case IV_SUBTRACT: return a - b;
    case IV_MULTIPLY: return a * b;
    case IV_DIVIDE: return a / b;
    case IV_POWER: return pow(a, b);
    case IV_MINIMUM: return fmin(a, b);
    case IV_MAXIMUM: return fmax(a, b);
    }
    return NAN;
}

/* What d sends back to a (side 0) or b, and its derivatives by a and b for errors of these. */
static double sent(iv_binary_kind kind, unsigned side, double d, double a, double b) {
    const double toward = kind == IV_MINIMUM ? b - a : a - b;
    switch (kind) {
    case IV_DIVIDE: return side == 0 ? d / b : -d * a / (b * b);
    case IV_POWER:
        if (side == 0) return d * b * pow(a, b - 1);
        return a > 0 ? d * pow(a, b) * log(a) : 0;
    case IV_MINIMUM:
    case IV_MAXIMUM:
        if (toward == 0) return 0.5 * d;
        return (toward > 0) == (side == 0) ? d : 0;
    default: return NAN;
    }
}

/* The largest change of f(a, b) where these are off by their errors, to first order. */
static double spread_of(double (*f)(const double *fixed, double a, double b), const double *fixed,
                        double a, double ea, double b, double eb) {
    const double at = f(fixed, a, b);
    return fmax(fabs(f(fixed, a + ea, b) - at), fabs(f(fixed, a - ea, b) - at)) +
           fmax(fabs(f(fixed, a, b + eb) - at), fabs(f(fixed, a, b - eb) - at));
}

static double combined_at(const double *kind, double a, double b) {
    return combined((iv_binary_kind)kind[0], a, b);
}

static double sent_at(const double *fixed, double a, double b) {
    return sent((iv_binary_kind)fixed[0], (unsigned)fixed[1], fixed[2], a, b);
}

void oracle_binary(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const iv_binary_kind kind = ((const own_binary *)n->own)->kind;
    const double fixed[] = {kind}, rounding = kind == IV_POWER    ? POWER_ERROR
                                              : kind == IV_DIVIDE ? DIVISION_ERROR
                                                                  : UNIT_ROUNDOFF;
    for (size_t i = 0; i < out->n; i++) {
        const size_t p = repeated(n->inputs[0], n->outputs[0], i);
        const size_t q = repeated(n->inputs[1], n->outputs[0], i);
        const double a = in[0]->value[p], b = in[1]->value[q];
        out->value[i] = combined(kind, a, b);
        out->error[i] = spread_of(combined_at, fixed, a, in[0]->error[p], b, in[1]->error[q]) +
                        rounding * fabs(out->value[i]) + UNDERFLOW;
    }
}

/* Six operations at most, a power and a logarithm among them; an exponent's rounding counts times
 * the logarithm of its base. */
void oracle_binary_gradient(const evaluation *e, const node *n, const array *const *in,
                            array *out) {
    (void)e;
    const own_binary *own = n->own;
    for (size_t i = 0; i < out->n; i++) {
        const size_t p = repeated(n->inputs[1], n->outputs[0], i);
        const size_t q = repeated(n->inputs[2], n->outputs[0], i);
        const double d = in[0]->value[i], a = in[1]->value[p], b = in[2]->value[q];
        const double fixed[] = {own->kind, own->side, d};
        const double logarithm = own->kind == IV_POWER && a > 0 ? fabs(log(a)) : 0;
        const double slope = fabs(sent(own->kind, own->side, 1, a, b));
        out->value[i] = sent(own->kind, own->side, d, a, b);
        out->error[i] = in[0]->error[i] * slope +
                        spread_of(sent_at, fixed, a, in[1]->error[p], b, in[2]->error[q]) +
                        (POWER_ERROR + FUNCTION_ERROR + DIVISION_ERROR +
                         (6 + (fabs(b) + 1) * logarithm) * UNIT_ROUNDOFF) *
                            fabs(out->value[i]) +
                        UNDERFLOW;
    }
}

/* ------------------------------------------------------------------ one operand */

static double function_at(const iv_function *f, double x) {
    const double a = f->a, b = f->b;
    switch (f->kind) {
    case IV_LEAKY_RELU: return x > 0 ? x : a * x;
    case IV_ELU: return x > 0 ? x : a * expm1(x);
    case IV_ERF: return erf(x);
    case IV_EXP: return exp(x);
    case IV_LOG: return log(x);
    case IV_SQRT: return sqrt(x);
    case IV_NEGATE: return -x;
    case IV_ABSOLUTE: return fabs(x);
    case IV_RECIPROCAL: return 1 / x;
    case IV_CLIP: return fmin(fmax(x, a), b);
    case IV_SOFTPLUS: return log1p(exp(x));
    case IV_HARD_SIGMOID: return fmin(fmax(a * x + b, 0), 1);
    default: return NAN; /* an activation of layers: another op */
    }
}

/* The derivative, of z = x, or of z = f(x) where the op takes that. */
static double slope_at(const iv_function *f, double z) {
    const double a = f->a, b = f->b, line = a * z + b;
    switch (f->kind) {
    case IV_LEAKY_RELU: return z > 0 ? 1 : a;
    case IV_ELU: return z > 0 ? 1 : a * exp(z);
    case IV_ERF: return 1.1283791670955126 * exp(-z * z);
    case IV_EXP: return z;
    case IV_LOG: return 1 / z;
    case IV_SQRT: return 0.5 / z;
    case IV_ABSOLUTE: return (z > 0) - (z < 0);
    case IV_RECIPROCAL: return -z * z;
    case IV_CLIP: return z >= a && z <= b;
    case IV_SOFTPLUS: return 1 / (1 + exp(-z));
    case IV_HARD_SIGMOID: return line > 0 && line < 1 ? a : 0;
    default: return NAN;
    }
}

/* The larger change of f where x is off by its error. */
static double off(double (*f)(const iv_function *, double), const iv_function *function, double x,
                  double error) {
    const double at = f(function, x);
    return fmax(fabs(f(function, x + error) - at), fabs(f(function, x - error) - at));
}

/* Two functions and four operations at most; of the line of a hard sigmoid, its terms. */
void oracle_unary(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const iv_function *f = &((const own_unary *)n->own)->function;
    for (size_t i = 0; i < out->n; i++) {
        const double x = in[0]->value[i], line = fabs(f->a * x) + fabs((double)f->b);
        out->value[i] = function_at(f, x);
        out->error[i] = off(function_at, f, x, in[0]->error[i]) +
                        (f->kind == IV_ERF ? ERF_ERROR : 2 * FUNCTION_ERROR + 4 * UNIT_ROUNDOFF) *
                            fabs(out->value[i]) +
                        (f->kind == IV_HARD_SIGMOID ? 2 * UNIT_ROUNDOFF * line : 0) + UNDERFLOW;
    }
}

/* exp(-z^2) is off by the rounding of z^2 too. */
void oracle_unary_gradient(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const iv_function *f = &((const own_unary *)n->own)->function;
    for (size_t i = 0; i < out->n; i++) {
        const double d = in[0]->value[i], z = in[1]->value[i], slope = slope_at(f, z);
        const double square = f->kind == IV_ERF ? z * z : 0;
        out->value[i] = d * slope;
        out->error[i] =
            in[0]->error[i] * fabs(slope) +
            (fabs(d) + in[0]->error[i]) * off(slope_at, f, z, in[1]->error[i]) +
            (FUNCTION_ERROR + DIVISION_ERROR + (4 + square) * UNIT_ROUNDOFF) * fabs(out->value[i]) +
            UNDERFLOW;
    }
}

/* ------------------------------------------------------------------ along axes */

void oracle_sum_over(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const own_sum_over *own = n->own;
    size_t dims[AXES], kept[AXES], places[AXES];
    dims_of(n->inputs[0], dims);
    for (unsigned a = 0; a < AXES; a++) kept[a] = own->axes >> a & 1 ? 1 : dims[a];
    const double n_terms = (double)in[0]->n / (double)out->n;
    double *magnitudes = calloc(out->n, sizeof *magnitudes);
    assert_non_null(magnitudes);
    for (size_t i = 0; i < in[0]->n; i++) {
        places_of(i, dims, places);
        for (unsigned a = 0; a < AXES; a++)
            if (own->axes >> a & 1) places[a] = 0;
        const size_t to = entry_at(places, kept);
        out->value[to] += own->factor * in[0]->value[i];
        out->error[to] += own->factor * in[0]->error[i];
        magnitudes[to] += own->factor * fabs(in[0]->value[i]);
    }
    for (size_t i = 0; i < out->n; i++)
        out->error[i] += (n_terms + 2) * UNIT_ROUNDOFF * magnitudes[i] + UNDERFLOW;
    free(magnitudes);
}

/* An error of x changes a share by at most that part of it, and the others' sum by as much. */
void oracle_softmax(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const size_t C = iv_columns(n->outputs[0]);
    for (size_t row = 0; row < out->n; row += C) {
        double largest = -INFINITY, sum = 0.0, error = 0.0, range = 0.0;
        for (size_t c = 0; c < C; c++) largest = fmax(largest, in[0]->value[row + c]);
        for (size_t c = 0; c < C; c++) {
            sum += exp(in[0]->value[row + c] - largest);
            error = fmax(error, in[0]->error[row + c]);
            range = fmax(range, largest - in[0]->value[row + c]);
        }
        for (size_t c = 0; c < C; c++) {
            const double share = exp(in[0]->value[row + c] - largest) / sum;
            out->value[row + c] = share;
            out->error[row + c] = share * (2 * error + 2 * FUNCTION_ERROR + DIVISION_ERROR +
                                           ((double)C + 2 * range + 2) * UNIT_ROUNDOFF) +
                                  UNDERFLOW;
        }
    }
}

void oracle_softmax_gradient(const evaluation *e, const node *n, const array *const *in,
                             array *out) {
    (void)e;
    const size_t C = iv_columns(n->outputs[0]);
    for (size_t row = 0; row < out->n; row += C) {
        const double *d = in[0]->value + row, *d_error = in[0]->error + row;
        const double *y = in[1]->value + row, *y_error = in[1]->error + row;
        double mean = 0.0, error = 0.0, magnitude = 0.0;
        for (size_t c = 0; c < C; c++) {
            mean += d[c] * y[c];
            magnitude += fabs(d[c] * y[c]);
            error += d_error[c] * fabs(y[c]) + fabs(d[c]) * y_error[c];
        }
        error += ((double)C + 1) * UNIT_ROUNDOFF * magnitude;
        for (size_t c = 0; c < C; c++) {
            const double difference = d[c] - mean;
            out->value[row + c] = y[c] * difference;
            out->error[row + c] = y_error[c] * fabs(difference) +
                                  fabs(y[c]) * (d_error[c] + error + UNIT_ROUNDOFF * magnitude) +
                                  3 * UNIT_ROUNDOFF * fabs(y[c]) * (fabs(d[c]) + fabs(mean)) +
                                  UNDERFLOW;
        }
    }
}

/* ------------------------------------------------------------------ other places */

/* Written from the order of axes, not from the op's strides. */
void oracle_permute(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const own_strides *own = n->own;
    const iv_tensor *x = n->inputs[0], *y = n->outputs[0];
    for (size_t i = 0; i < out->n; i++) {
        size_t places[AXES] = {0}, rest = i, from = 0;
        for (unsigned a = y->rank; a-- > 0; rest /= y->dims[a])
            places[own->order[a]] = rest % y->dims[a];
        for (unsigned a = 0; a < x->rank; a++) from = from * x->dims[a] + places[a];
        out->value[i] = in[0]->value[from];
        out->error[i] = in[0]->error[from];
    }
}

void oracle_spread(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const double factor = ((const own_strides *)n->own)->factor;
    for (size_t i = 0; i < out->n; i++) {
        const size_t from = repeated(n->inputs[0], n->outputs[0], i);
        out->value[i] = factor * in[0]->value[from];
        out->error[i] =
            fabs(factor) * in[0]->error[from] + UNIT_ROUNDOFF * fabs(out->value[i]) + UNDERFLOW;
    }
}

void oracle_move(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const own_move *own = n->own;
    size_t dims[AXES], of_x[AXES], places[AXES];
    dims_of(n->outputs[0], dims);
    dims_of(n->inputs[0], of_x);
    for (size_t i = 0; i < out->n; i++) {
        bool inside = true;
        places_of(i, dims, places);
        for (unsigned a = 0; a < AXES; a++) {
            const ptrdiff_t from = (ptrdiff_t)places[a] - own->before[a];
            inside = inside && from >= 0 && from < (ptrdiff_t)of_x[a];
            places[a] = (size_t)from;
        }
        out->value[i] = inside ? in[0]->value[entry_at(places, of_x)] : own->value;
        out->error[i] = inside ? in[0]->error[entry_at(places, of_x)] : 0;
    }
}

/* The evaluation of graphs in double precision, the table of oracles, and the plain ones. */
#include "oracles.h"
#include "affine.h"
#include "signals.h"

/* ------------------------------------------------------------------ element-wise */

void oracle_add(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    (void)n;
    for (size_t i = 0; i < out->n; i++) {
        out->value[i] = in[0]->value[i] + in[1]->value[i];
        out->error[i] =
            in[0]->error[i] + in[1]->error[i] + UNIT_ROUNDOFF * fabs(out->value[i]) + UNDERFLOW;
    }
}

void oracle_scale(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    (void)n;
    const double factor = in[1]->value[0];
    for (size_t i = 0; i < out->n; i++) {
        out->value[i] = in[0]->value[i] * factor;
        out->error[i] = in[0]->error[i] * (fabs(factor) + in[1]->error[0]) +
                        fabs(in[0]->value[i]) * in[1]->error[0] +
                        UNIT_ROUNDOFF * fabs(out->value[i]) + UNDERFLOW;
    }
}

static const double selu_lambda = 1.0507009873554805, selu_alpha = 1.6732632423543772;

static double activation_of(iv_activation activation, double x) {
    if (isnan(x)) return x;
    switch (activation) {
    case IV_ACTIVATION_NONE: return x;
    case IV_ACTIVATION_RELU: return fmax(x, 0.0);
    case IV_ACTIVATION_SELU: return selu_lambda * (x > 0.0 ? x : selu_alpha * expm1(x));
    case IV_ACTIVATION_SIGMOID: return 1.0 / (1.0 + exp(-x));
    case IV_ACTIVATION_TANH: return tanh(x);
    }
    return NAN;
}

/* No slope is larger than SELU's at 0 from below; those of the others are at most 1. */
void oracle_activate(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const iv_activation activation = ((const own_activate *)n->own)->activation;
    const double slope = activation == IV_ACTIVATION_SELU ? selu_lambda * selu_alpha : 1.0;
    for (size_t i = 0; i < out->n; i++) {
        out->value[i] = activation_of(activation, in[0]->value[i]);
        out->error[i] = slope * in[0]->error[i];
        if (activation != IV_ACTIVATION_RELU)
            out->error[i] += ACTIVATION_ERROR * fabs(out->value[i]) + UNDERFLOW;
    }
}

/* The derivative as a function of the output y, and its largest change with an error of y. */
static double slope_at(iv_activation activation, double y, double y_error, double *error) {
    switch (activation) {
    case IV_ACTIVATION_NONE: break;
    case IV_ACTIVATION_RELU:
        *error = y > 0.0 && y <= y_error ? 1.0 : 0.0;
        return y > 0.0 ? 1.0 : 0.0;
    case IV_ACTIVATION_SELU:
        /* rounded: the constant, the sum, and the product with the gradient */
        *error = y_error + 3.0 * UNIT_ROUNDOFF * selu_lambda * selu_alpha;
        if (fabs(y) <= y_error) *error += selu_lambda * (selu_alpha - 1.0);
        return y > 0.0 ? selu_lambda : y + selu_lambda * selu_alpha;
    case IV_ACTIVATION_SIGMOID:
        *error = y_error + 3.0 * UNIT_ROUNDOFF * y * (1.0 - y);
        return y * (1.0 - y);
    case IV_ACTIVATION_TANH:
        *error = 2.0 * y_error + 4.0 * UNIT_ROUNDOFF * (1.0 - y * y);
        return (1.0 - y) * (1.0 + y);
    }
    return NAN;
}

/* Where the error of y leaves its sign open, the side of a ReLU or a SELU is. A y of exactly 0 is
 * one that ReLU cut, unless its input was within the error. */
void oracle_activation_gradient(const evaluation *e, const node *n, const array *const *in,
                                array *out) {
    (void)e;
    const size_t columns = iv_product_block(n->inputs[1]);
    const size_t n_products = in[0]->n / in[1]->n;
    for (size_t i = 0; i < out->n; i++) {
        const size_t row = i / columns / n_products, column = i % columns;
        double slope_error = 0.0;
        const double slope = slope_at(((const own_activate *)n->own)->activation,
                                      in[1]->value[row * columns + column],
                                      in[1]->error[row * columns + column], &slope_error);
        out->value[i] = in[0]->value[i] * slope;
        out->error[i] = in[0]->error[i] * (fabs(slope) + slope_error) +
                        fabs(in[0]->value[i]) * slope_error + UNDERFLOW;
    }
}

/* ------------------------------------------------------------------ shared memory */

void oracle_slice(const evaluation *e, const node *n, const array *const *in, array *out) {
    const own_slice *own = n->own;
    (void)e;
    memcpy(out->value, in[0]->value + own->first, out->n * sizeof(double));
    memcpy(out->error, in[0]->error + own->first, out->n * sizeof(double));
}

void oracle_reshape(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    (void)n;
    memcpy(out->value, in[0]->value, out->n * sizeof(double));
    memcpy(out->error, in[0]->error, out->n * sizeof(double));
}

void oracle_concatenate(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const own_concatenate *own = n->own;
    const size_t columns = out->n / own->rows;
    for (size_t k = 0; k < n->n_inputs; k++) {
        const size_t of_row = in[k]->n / own->rows;
        assert_true(own->places[k] + of_row <= columns);
        for (size_t i = 0; i < in[k]->n; i++) {
            const size_t to = i / of_row * columns + own->places[k] + i % of_row;
            out->value[to] += in[k]->value[i];
            out->error[to] += in[k]->error[i];
        }
    }
}

/* ------------------------------------------------------------------ products */

/* A matrix in an array: entry (i, j) lies at i * row + j * column. */
typedef struct {
    const array *a;
    size_t row, column;
} matrix;

/* out [m, n] = a [m, k] b [k, n] + bias [n] */
static void multiply(matrix a, matrix b, const array *bias, size_t m, size_t n, size_t k,
                     array *out) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = bias ? bias->value[j] : 0.0, magnitude = fabs(sum);
            double error = bias ? bias->error[j] : 0.0;
            for (size_t p = 0; p < k; p++) {
                const size_t l = i * a.row + p * a.column, r = p * b.row + j * b.column;
                const double x = a.a->value[l], y = b.a->value[r];
                sum += x * y;
                magnitude += fabs(x * y);
                error += fabs(x) * b.a->error[r] + a.a->error[l] * (fabs(y) + b.a->error[r]);
            }
            out->value[i * n + j] = sum;
            out->error[i * n + j] =
                error + (double)(k + 1) * (UNIT_ROUNDOFF * magnitude + UNDERFLOW);
        }
}

void oracle_linear(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const size_t outputs = n->inputs[1]->dims[0], features = n->inputs[1]->dims[1];
    multiply((matrix){in[0], features, 1}, (matrix){in[1], 1, features}, in[2], in[0]->n / features,
             outputs, features, out);
}

/* dx = dy w */
void oracle_linear_input_gradient(const evaluation *e, const node *n, const array *const *in,
                                  array *out) {
    (void)e;
    const size_t outputs = n->inputs[1]->dims[0], features = n->inputs[1]->dims[1];
    multiply((matrix){in[0], outputs, 1}, (matrix){in[1], features, 1}, NULL, in[0]->n / outputs,
             features, outputs, out);
}

/* dw = dy^T x, db = the sum of dy's rows */
void oracle_linear_weight_gradient(const evaluation *e, const node *n, const array *const *in,
                                   array *out) {
    (void)e;
    const size_t outputs = n->outputs[0]->dims[0], features = n->outputs[0]->dims[1];
    const size_t rows = in[1]->n / features;
    multiply((matrix){in[0], 1, outputs}, (matrix){in[1], features, 1}, NULL, outputs, features,
             rows, &out[0]);
    if (n->n_outputs == 1) return;
    double one = 1.0, exact = 0.0;
    const array ones = {1, &one, &exact};
    multiply((matrix){&ones, 0, 0}, (matrix){in[0], outputs, 1}, NULL, 1, outputs, rows, &out[1]);
}

/* ------------------------------------------------------------------ the table */

static const struct {
    const iv_op *op;
    oracle *oracle;
} oracles[] = {
#define OP(name) {&op_##name, oracle_##name},
#include "graph/ops/ops.def"
};

oracle *oracle_of(const iv_op *op) {
    for (size_t i = 0; i < sizeof oracles / sizeof *oracles; i++)
        if (oracles[i].op == op) return oracles[i].oracle;
    return NULL;
}

/* ------------------------------------------------------------------ evaluation */

evaluation *evaluation_begin(const trial *t, size_t member, uint32_t step) {
    evaluation *e = calloc(1, sizeof *e);
    assert_non_null(e);
    e->t = t;
    e->member = member;
    e->step = step;
    e->n_arrays = t->graph->n_tensors;
    e->arrays = calloc(e->n_arrays, sizeof *e->arrays);
    assert_non_null(e->arrays);
    return e;
}

void evaluation_forget(evaluation *e) {
    for (size_t i = 0; i < e->n_arrays; i++) {
        free(e->arrays[i].value);
        free(e->arrays[i].error);
        e->arrays[i] = (array){0, NULL, NULL};
    }
}

void evaluation_end(evaluation *e) {
    evaluation_forget(e);
    free(e->arrays);
    free(e);
}

static void allocate(array *a, const iv_tensor *tensor) {
    a->n = iv_elements(tensor);
    a->value = calloc(a->n, sizeof *a->value);
    a->error = calloc(a->n, sizeof *a->error);
    assert_true(a->value && a->error);
}

const array *evaluate(evaluation *e, const iv_tensor *tensor) {
    assert_true(tensor->id < e->n_arrays);
    array *a = &e->arrays[tensor->id];
    if (a->value) return a;
    const node *n = tensor->producer;
    if (!n) {
        const double *values = trial_values(e->t, tensor, e->member);
        assert_non_null(values);
        allocate(a, tensor);
        memcpy(a->value, values, a->n * sizeof *values);
        return a;
    }
    const array *inputs[MAX_INPUTS] = {NULL};
    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i]) inputs[i] = evaluate(e, n->inputs[i]);
    array outputs[MAX_OUTPUTS] = {{0, NULL, NULL}};
    for (size_t i = 0; i < n->n_outputs; i++) allocate(&outputs[i], n->outputs[i]);
    oracle *compute = oracle_of(n->op);
    if (!compute) fail_msg("op %s has no oracle in tests/graph/oracles.c", n->op->name);
    compute(e, n, inputs, outputs);
    for (size_t i = 0; i < n->n_outputs; i++) e->arrays[n->outputs[i]->id] = outputs[i];
    return a;
}

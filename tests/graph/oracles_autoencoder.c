/* The rich layer, mean square error, the loss of pairs and sums over pairs. */
#include "oracles.h"

#include <float.h>

#define RICH_EPSILON 1e-12

typedef struct {
    double value, error;
} number;

static number at(const array *a, size_t i) {
    return (number){a->value[i], a->error[i]};
}

static void put(array *out, size_t i, number x) {
    out->value[i] = x.value;
    out->error[i] = x.error;
}

/* ------------------------------------------------------------------ numbers with errors
 * Each operation passes errors on to first order and adds a rounding of its own. */

static number rounded(double value, double error) {
    return (number){value, error + UNIT_ROUNDOFF * fabs(value) + UNDERFLOW};
}

static number add(number x, number y) {
    return rounded(x.value + y.value, x.error + y.error);
}

static number subtract(number x, number y) {
    return rounded(x.value - y.value, x.error + y.error);
}

static number multiply(number x, number y) {
    return rounded(x.value * y.value,
                   fabs(x.value) * y.error + x.error * (fabs(y.value) + y.error));
}

static number invert(number x) {
    const double inverse = 1.0 / x.value;
    return rounded(inverse, (x.error * fabs(inverse) + DIVISION_ERROR) * fabs(inverse));
}

/* |sqrt(x + error) - sqrt(x)| is at most error / sqrt(x), and at most sqrt(error). */
static number square_root(number x) {
    const double root = sqrt(x.value);
    const double from_input = fmin(x.error / fmax(root, DBL_MIN), sqrt(x.error));
    return rounded(root, from_input + FUNCTION_ERROR * root);
}

static number exactly(double value) {
    return (number){value, 0.0};
}

/* A sum of positive terms in any order: every partial sum is rounded. */
typedef struct {
    double value, error;
    size_t n;
} running_sum;

static void count(running_sum *sum, number term) {
    sum->value += term.value;
    sum->error += term.error;
    sum->n++;
}

static number total(const running_sum *sum) {
    return rounded(sum->value,
                   sum->error + (double)sum->n * (UNIT_ROUNDOFF * sum->value + UNDERFLOW));
}

static number square_of_difference(number x, number y) {
    const number difference = subtract(x, y);
    return multiply(difference, difference);
}

/* ------------------------------------------------------------------ the rich layer */

/* [o, r, a, b, a b], by the layer's definition. */
void oracle_rich(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const size_t N = iv_columns(n->inputs[0]), M = iv_columns(n->inputs[1]), pairs = M / 2;
    for (size_t row = 0; row < in[1]->n / M; row++) {
        const size_t first = row * (N + 2 * M);
        for (size_t c = 0; c < N; c++) put(out, first + c, at(in[0], row * N + c));
        for (size_t k = 0; k < pairs; k++) {
            const number even = at(in[1], row * M + 2 * k), odd = at(in[1], row * M + 2 * k + 1);
            const number epsilon = rounded(RICH_EPSILON, 0.0);
            const number square = add(multiply(even, even), add(multiply(odd, odd), epsilon));
            const number r = square_root(square), inverse = invert(r);
            number a = multiply(even, inverse), b = multiply(odd, inverse);
            a.value = even.value / r.value;
            b.value = odd.value / r.value;
            const size_t at_r = first + N + k;
            put(out, at_r, r);
            put(out, at_r + pairs, a);
            put(out, at_r + 2 * pairs, b);
            put(out, at_r + 3 * pairs, multiply(a, b));
        }
    }
}

/* The derivative by the quotient rule, from r, a, b and what arrives at r, a, b, a b:
 * d even = dr a + (da' (1 - a^2) - db' a b) / r with da' = da + dab b, db' = db + dab a. Its bound
 * is that of dr a + (b (da' b - db' a) + k da') / r, k = 1 - a^2 - b^2 = 1e-12 / r^2: in the
 * quotient rule terms cancel that need not. It rounds to doubles: a few DBL_EPSILON of its
 * terms. */
static number rich_derivative(number dr, number a, number b, number da, number db, number r) {
    const number inverse = invert(r);
    const number k = multiply(exactly(RICH_EPSILON), multiply(inverse, inverse));
    const number turn = subtract(multiply(da, b), multiply(db, a));
    const number bound =
        add(multiply(dr, a), multiply(add(multiply(b, turn), multiply(k, da)), inverse));
    const double value =
        dr.value * a.value +
        (da.value * (1.0 - a.value * a.value) - db.value * a.value * b.value) / r.value;
    const double own = 8.0 * DBL_EPSILON * (fabs(da.value) + fabs(db.value)) / r.value;
    return (number){value, bound.error + own};
}

/* Outputs: the gradients to X and to o. */
void oracle_rich_gradient(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const size_t M = iv_columns(n->outputs[0]), N = iv_columns(n->outputs[1]), pairs = M / 2;
    const size_t columns = N + 2 * M, n_products = in[0]->n / in[1]->n;
    for (size_t row = 0; row < in[0]->n / columns; row++) {
        const size_t dy = row * columns, y = row / n_products * columns;
        for (size_t c = 0; c < N; c++) put(&out[1], row * N + c, at(in[0], dy + c));
        for (size_t k = 0; k < pairs; k++) {
            const size_t i = N + k;
            const number r = at(in[1], y + i), a = at(in[1], y + i + pairs),
                         b = at(in[1], y + i + 2 * pairs);
            const number dr = at(in[0], dy + i), dab = at(in[0], dy + i + 3 * pairs);
            const number da = add(at(in[0], dy + i + pairs), multiply(dab, b));
            const number db = add(at(in[0], dy + i + 2 * pairs), multiply(dab, a));
            put(&out[0], row * M + 2 * k, rich_derivative(dr, a, b, da, db, r));
            put(&out[0], row * M + 2 * k + 1, rich_derivative(dr, b, a, db, da, r));
        }
    }
}

/* ------------------------------------------------------------------ mean square error */

/* Outputs: the loss, and its gradient to a. */
void oracle_mean_square(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    (void)n;
    running_sum sum = {0.0, 0.0, 0};
    for (size_t i = 0; i < in[0]->n; i++) {
        const number a = at(in[0], i), b = at(in[1], i);
        count(&sum, square_of_difference(a, b));
        put(&out[1], i, multiply(subtract(a, b), rounded(2.0 / (double)in[0]->n, 0.0)));
    }
    put(&out[0], 0, multiply(total(&sum), invert(exactly((double)in[0]->n))));
}

/* How many of a batch's rows are samples. */
static size_t valid_rows(const evaluation *e, size_t batch, size_t n_rows) {
    size_t n = 0;
    while (n < batch && e->step * batch + n < n_rows) n++;
    return n;
}

void oracle_square_error_sums(const evaluation *e, const node *n, const array *const *in,
                              array *out) {
    const size_t B = n->inputs[0]->dims[0], C = n->inputs[0]->dims[1];
    for (size_t c = 0; c < C; c++) {
        running_sum sum = {0.0, 0.0, 0};
        for (size_t row = 0;
             row < valid_rows(e, B, ((const own_square_error_sums *)n->own)->n_rows); row++)
            count(&sum, square_of_difference(at(in[0], row * C + c), at(in[1], row * C + c)));
        put(out, c, total(&sum));
    }
}

/* ------------------------------------------------------------------ pairs */

/* One pair: q, v and u - v. The value of u - v is that of its definition, the bound that of
 * alpha (q - d^2) u v. */
typedef struct {
    number q, v, difference;
} pair;

static pair pair_at(const node *n, const array *const *in, size_t i) {
    const size_t B = n->inputs[0]->dims[1], C = n->inputs[0]->dims[2];
    const number square = at(in[1], i), delta = at(in[2], 0), alpha = at(in[3], 0);
    running_sum sum = {0.0, 0.0, 0};
    for (size_t c = 0; c < ((const own_pairs *)n->own)->n_invariant; c++)
        count(&sum, square_of_difference(at(in[0], i * C + c), at(in[0], (B + i) * C + c)));

    const number q = total(&sum);
    const number u = invert(add(delta, multiply(alpha, square)));
    const number v = invert(add(delta, multiply(alpha, q)));
    number difference = multiply(multiply(multiply(alpha, subtract(q, square)), u), v);
    difference.value = u.value - v.value;
    difference.error += 2.0 * DBL_EPSILON * (u.value + v.value);
    return (pair){q, v, difference};
}

/* Outputs: the loss, its gradient to z, and the loss of each pair. */
void oracle_pair_loss(const evaluation *e, const node *n, const array *const *in, array *out) {
    (void)e;
    const size_t B = n->inputs[0]->dims[1], C = n->inputs[0]->dims[2];
    running_sum sum = {0.0, 0.0, 0};
    for (size_t i = 0; i < B; i++) {
        const pair p = pair_at(n, in, i);
        const number loss = multiply(p.difference, p.difference);
        count(&sum, loss);
        put(&out[2], i, loss);

        /* dL/dq = 2 / B (u - v) alpha v^2 */
        const number slope = multiply(multiply(at(in[3], 0), rounded(2.0 / (double)B, 0.0)),
                                      multiply(p.difference, multiply(p.v, p.v)));
        for (size_t c = 0; c < ((const own_pairs *)n->own)->n_invariant; c++) {
            const size_t first = i * C + c, partner = (B + i) * C + c;
            const number d = multiply(
                slope, multiply(exactly(2.0), subtract(at(in[0], first), at(in[0], partner))));
            put(&out[1], first, d);
            put(&out[1], partner, (number){-d.value, d.error});
        }
    }
    put(&out[0], 0, multiply(total(&sum), invert(exactly((double)B))));
}

void oracle_pair_sums(const evaluation *e, const node *n, const array *const *in, array *out) {
    running_sum sums[IV_N_PAIR_SUMS] = {{0.0, 0.0, 0}};
    for (size_t i = 0;
         i < valid_rows(e, n->inputs[0]->dims[1], ((const own_pairs *)n->own)->n_rows); i++) {
        const pair p = pair_at(n, in, i);
        const number square = at(in[1], i), distance = square_root(p.q);
        const bool same = square.value == 0.0;
        count(&sums[IV_PAIR_LOSS], multiply(p.difference, p.difference));
        count(&sums[IV_PAIR_SQUARE_ERROR], square_of_difference(distance, square_root(square)));
        count(&sums[same ? IV_PAIR_SAME_COUNT : IV_PAIR_DISTINCT_COUNT], exactly(1.0));
        count(&sums[same ? IV_PAIR_SAME_DISTANCE : IV_PAIR_DISTINCT_DISTANCE], distance);
        count(&sums[same ? IV_PAIR_SAME_SQUARE : IV_PAIR_DISTINCT_SQUARE], p.q);
    }
    for (size_t k = 0; k < IV_N_PAIR_SUMS; k++) put(out, k, total(&sums[k]));
}

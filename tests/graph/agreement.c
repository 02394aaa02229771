/* Comparing what a device computed with the oracles, and gradients with central differences. */
#include "oracles.h"

/* Steps of central differences: truncation is step^2 f''' / 6, rounding 1e-16 |f| / step, so that
 * both stay below DIFFERENCE_TOLERANCE times the magnitudes for the smooth functions here. The small
 * step is for points that have a kink within the other. */
#define STEP                 1e-5
#define SMALL_STEP           1e-7
#define DIFFERENCE_TOLERANCE 1e-8

static bool agrees(double got, double expected, double error) {
    if (isnan(expected)) return isnan(got);
    return got == expected || fabs(got - expected) <= error;
}

/* Element i of a tensor that was read from the device. */
static double element(const iv_tensor *tensor, const float *values, size_t i) {
    if (tensor->dtype == IV_F32) return values[i];
    int32_t integer;
    memcpy(&integer, &values[i], sizeof integer);
    return integer;
}

void assert_tensor_agrees(trial *t, const iv_tensor *tensor, uint32_t step) {
    const char *op = tensor->producer ? tensor->producer->op->name : "input";
    const size_t n = iv_elements(tensor);
    float *got = trial_read(t, tensor);
    for (size_t r = 0; r < t->n_members; r++) {
        evaluation *e = evaluation_begin(t, r, step);
        const array *expected = evaluate(e, tensor);
        for (size_t i = 0; i < n; i++) {
            const double value = element(tensor, got, r * n + i);
            if (!agrees(value, expected->value[i], expected->error[i]))
                fail_msg("%s: member %zu, element %zu of %zu is %.9g, not %.9g +- %.2g", op, r, i,
                         n, value, expected->value[i], expected->error[i]);
        }
        evaluation_end(e);
    }
    free(got);
}

/* dy[i] = derivative of y's element i by one element of an input. */
static void differentiate(evaluation *e, const iv_tensor *y, double *x, double step, double *dy,
                          double *scale) {
    const double original = *x;
    const size_t n = iv_elements(y);
    *x = original + step;
    evaluation_forget(e);
    memcpy(dy, evaluate(e, y)->value, n * sizeof *dy);
    *x = original - step;
    evaluation_forget(e);
    const double *low = evaluate(e, y)->value;
    *scale = 0.0;
    for (size_t i = 0; i < n; i++) {
        *scale += fabs(dy[i]);
        dy[i] = (dy[i] - low[i]) / (2.0 * step);
    }
    *x = original;
}

/* Product number s of a block of seeds, [blocks of y, S, C], with dy [blocks of y, C]. */
static double contract(const double *seed, const double *dy, size_t n_y, size_t C, size_t S,
                       size_t s, double *magnitude) {
    double sum = 0.0;
    for (size_t i = 0; i < n_y; i++) {
        const double weight = seed ? seed[(i / C * S + s) * C + i % C] : 1.0;
        sum += weight * dy[i];
        *magnitude += fabs(weight * dy[i]) + fabs(weight);
    }
    return sum;
}

typedef struct {
    const iv_tensor *y, *seed, *gradient;
    iv_tensor *x;
    double *dy;
    /* of one member */
    const float *got;
    const array *expected;
    const double *seed_values;
} comparison;

/* Whether the nodes' derivatives by element i are those of differences; `dy` is left. */
static bool differences_agree(trial *t, evaluation *e, const comparison *c, size_t i, double step,
                              double *scale) {
    const size_t C = iv_product_block(c->y), D = iv_product_block(c->x);
    const size_t S = iv_elements(c->gradient) / iv_elements(c->x);
    bool agree = true;
    differentiate(e, c->y, trial_values(t, c->x, e->member) + i, step, c->dy, scale);
    for (size_t s = 0; s < S; s++) {
        double magnitude = *scale;
        const double difference =
            contract(c->seed_values, c->dy, iv_elements(c->y), C, S, s, &magnitude);
        const double expected = c->expected->value[(i / D * S + s) * D + i % D];
        if (!(fabs(expected - difference) <= DIFFERENCE_TOLERANCE * magnitude)) agree = false;
    }
    return agree;
}

static void compare_element(trial *t, evaluation *e, const comparison *c, size_t i) {
    const size_t C = iv_product_block(c->y), D = iv_product_block(c->x);
    const size_t S = iv_elements(c->gradient) / iv_elements(c->x);
    double scale;
    if (!differences_agree(t, e, c, i, STEP, &scale))
        differences_agree(t, e, c, i, SMALL_STEP, &scale);
    const array *expected = c->expected;
    for (size_t s = 0; s < S; s++) {
        const size_t at = (i / D * S + s) * D + i % D;
        double magnitude = scale;
        const double difference =
            contract(c->seed_values, c->dy, iv_elements(c->y), C, S, s, &magnitude);
        const double tolerance = DIFFERENCE_TOLERANCE * magnitude;
        if (!(fabs(expected->value[at] - difference) <= tolerance))
            fail_msg("through %s: the nodes of the derivative give %.9g at element %zu, product "
                     "%zu; central differences give %.9g +- %.2g",
                     c->y->producer->op->name, expected->value[at], i, s, difference, tolerance);
        if (!agrees(c->got[at], difference, expected->error[at] + tolerance))
            fail_msg("through %s: the device's derivative is %.9g at element %zu, product %zu; "
                     "central differences give %.9g +- %.2g",
                     c->y->producer->op->name, c->got[at], i, s, difference,
                     expected->error[at] + tolerance);
    }
}

/* The same without differences, which take their time: the last member stands for all. */
static void compare_exactly(const comparison *c, size_t i) {
    const size_t D = iv_product_block(c->x), S = iv_elements(c->gradient) / iv_elements(c->x);
    for (size_t s = 0; s < S; s++) {
        const size_t at = (i / D * S + s) * D + i % D;
        if (!agrees(c->got[at], c->expected->value[at], c->expected->error[at]))
            fail_msg("through %s: the device's derivative is %.9g at element %zu, product %zu, not "
                     "%.9g +- %.2g",
                     c->y->producer->op->name, c->got[at], i, s, c->expected->value[at],
                     c->expected->error[at]);
    }
}

void assert_gradient_agrees(trial *t, const iv_tensor *y, const iv_tensor *seed, iv_tensor *x,
                            const iv_tensor *gradient, uint32_t step) {
    comparison c = {.y = y, .seed = seed, .gradient = gradient, .x = x};
    c.dy = malloc(iv_elements(y) * sizeof *c.dy);
    float *got = trial_read(t, gradient);
    assert_non_null(c.dy);
    for (size_t r = 0; r < t->n_members; r++) {
        c.got = got + r * iv_elements(gradient);
        evaluation *exact = evaluation_begin(t, r, step), *moved = evaluation_begin(t, r, step);
        c.expected = evaluate(exact, gradient);
        c.seed_values = seed ? evaluate(exact, seed)->value : NULL;
        for (size_t i = 0; i < iv_elements(x); i++)
            if (r == t->n_members - 1)
                compare_element(t, moved, &c, i);
            else
                compare_exactly(&c, i);
        evaluation_end(moved);
        evaluation_end(exact);
    }
    free(c.dy);
    free(got);
}

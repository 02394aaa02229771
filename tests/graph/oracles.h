/* What every op computes, in double precision: evaluates a graph on the host.
 *
 * Each value comes with a bound on the error that a device may make in float32: rounding in every
 * operation of a sum of n terms in any order, (n + 1) u times the sum of magnitudes (Higham 2002,
 * section 3.1), the accuracy that OpenCL 1.2 asks of division, exp, log and sqrt (section 7.4), and
 * what reaches the op from errors of its inputs, to first order. */
#ifndef INVAR_TESTS_GRAPH_ORACLES_H
#define INVAR_TESTS_GRAPH_ORACLES_H

#include "trial.h"

#include "graph/ops/own.h"

#define UNIT_ROUNDOFF 0x1p-24

/* OpenCL 1.2, table 7.4, in unit roundoffs (half an ulp): 2.5 ulp for x / y, 3 ulp for sqrt, exp,
 * expm1 and log. */
#define DIVISION_ERROR (5 * UNIT_ROUNDOFF)
#define FUNCTION_ERROR (6 * UNIT_ROUNDOFF)

/* Of SELU, sigmoid and tanh in cl/activation.cl: their exponential is within 2 unit roundoffs of
 * a result in [-1, 1], whose error at most doubles on the way; a division and two other operations
 * follow. */
#define ACTIVATION_ERROR (2 * 2 * UNIT_ROUNDOFF + 2 * UNIT_ROUNDOFF + DIVISION_ERROR)

/* Below the normal floats devices may round to zero. */
#define UNDERFLOW 1.2e-38

typedef struct {
    size_t n;
    double *value, *error; /* NULL until computed */
} array;

/* One member's values at one step. */
typedef struct {
    const trial *t;
    size_t member;
    uint32_t step;
    array *arrays; /* by the tensor's number */
    size_t n_arrays;
} evaluation;

typedef void oracle(const evaluation *e, const node *n, const array *const *in, array *out);

/* NULL if the op is not in ops.def. */
oracle *oracle_of(const iv_op *op);

evaluation *evaluation_begin(const trial *t, size_t member, uint32_t step);
const array *evaluate(evaluation *e, const iv_tensor *tensor);
void evaluation_forget(evaluation *e); /* after an input has changed */
void evaluation_end(evaluation *e);

/* The values that the device computed for all members are within the bounds. */
void assert_tensor_agrees(trial *t, const iv_tensor *tensor, uint32_t step);

/* The gradient (or S vector-Jacobian products with `seed`) of y by an input x: the device's values
 * agree with the oracles of the nodes that compute it, and these with central differences of y.
 * seed: NULL for 1. */
void assert_gradient_agrees(trial *t, const iv_tensor *y, const iv_tensor *seed, iv_tensor *x,
                            const iv_tensor *gradient, uint32_t step);

/* One for each op: a missing one does not link. */
#define OP(name) oracle oracle_##name;
#include "graph/ops/ops.def"

/* Of cl/feature_mean.cl, absolute, for |z| up to 1e4: the reduction is off by one rounding of
 * numbers up to 0.8, the polynomials by 1.5 unit roundoffs and the rounding of their last steps. */
#define COSINE_ERROR (4 * UNIT_ROUNDOFF)

#endif

/* Functions of one number, element by element, and their derivatives. -DFUNCTION=n: iv_function_kind,
 * with its constants a and b; a work-item makes VW entries, -DVW=n.  Work-items: (vectors, members).
 *
 * Comparisons are written so that NaN passes. ReLU, SELU, sigmoid and tanh are in activation.cl. */
#include "tensor.cl"

#define LEAKY_RELU   1
#define ELU          2
#define ERF          6
#define EXP          7
#define LOG          8
#define SQRT         9
#define NEGATE       10
#define ABSOLUTE     11
#define RECIPROCAL   12
#define CLIP         13
#define SOFTPLUS     14
#define HARD_SIGMOID 15

#define ZERO (T)(0.0f)
#define ONE  (T)(1.0f)

/* F is the function of x, PASSED what it sends back of d (-DGRADIENT). z is x; of EXP, SQRT and
 * RECIPROCAL it is F. T is the type of either. */
#if FUNCTION == LEAKY_RELU
#define F      x > ZERO ? x : a *x
#define PASSED z > ZERO ? d : a *d
#elif FUNCTION == ELU
#define F      x > ZERO ? x : a *expm1(x)
#define PASSED z > ZERO ? d : d *a *exp(z)
#elif FUNCTION == ERF
#define F      erf(x)
#define PASSED d *(T)(1.1283791670955126f) * exp(-z *z)
#elif FUNCTION == EXP
#define F      exp(x)
#define PASSED d *z
#elif FUNCTION == LOG
#define F      log(x)
#define PASSED d / z
#elif FUNCTION == SQRT
#define F      sqrt(x)
#define PASSED (T)(0.5f) * d / z
#elif FUNCTION == NEGATE
#define F -x
#elif FUNCTION == ABSOLUTE
#define F      fabs(x)
#define PASSED z > ZERO ? d : z < ZERO ? -d : ZERO
#elif FUNCTION == RECIPROCAL
#define F      ONE / x
#define PASSED -d *(z * z)
#elif FUNCTION == CLIP
#define F      x<(T)(a) ? (T)(a) : x>(T)(b) ? (T)(b) : x
#define PASSED z<(T)(a) ? ZERO : z>(T)(b) ? ZERO : d
#elif FUNCTION == SOFTPLUS
/* exp does not overflow this way. */
#define F      (x > ZERO ? x : ZERO) + log1p(exp(x > ZERO ? -x : x))
#define PASSED d / (ONE + exp(-z))
#elif FUNCTION == HARD_SIGMOID
#define LINE(x) (a * (x) + b)
#define F       LINE(x)<ZERO ? ZERO : LINE(x)> ONE ? ONE : LINE(x)
#define PASSED  LINE(z) > ZERO ? (LINE(z) < ONE ? a * d : ZERO) : ZERO
#endif

#ifndef GRADIENT
#define T vector
static vector of_vector(vector x, float a, float b) {
    return F;
}
#undef T

#define T float
static float of_number(float x, float a, float b) {
    return F;
}
#undef T

__kernel void unary(TENSOR(const float, x), TENSOR(float, y), float a, float b, uint n) {
    const size_t first = get_global_id(0) * VW, r = get_global_id(1);
    if (first >= n) return;
    __global const float *from = MEMBER(x, r) + first;
    __global float *to = MEMBER(y, r) + first;
    if (first + VW <= n)
        STORE(of_vector(LOAD(from), a, b), to);
    else
        for (uint m = 0; first + m < n; m++) to[m] = of_number(from[m], a, b);
}

#else
#define T vector
static vector pass_vector(vector d, vector z, float a, float b) {
    return PASSED;
}
#undef T

#define T float
static float pass_number(float d, float z, float a, float b) {
    return PASSED;
}
#undef T

__kernel void unary_gradient(TENSOR(const float, dy), TENSOR(const float, z), TENSOR(float, dx),
                             float a, float b, uint n) {
    const size_t first = get_global_id(0) * VW, r = get_global_id(1);
    if (first >= n) return;
    __global const float *sent = MEMBER(dy, r) + first, *at = MEMBER(z, r) + first;
    __global float *to = MEMBER(dx, r) + first;
    if (first + VW <= n)
        STORE(pass_vector(LOAD(sent), LOAD(at), a, b), to);
    else
        for (uint m = 0; first + m < n; m++) to[m] = pass_number(sent[m], at[m], a, b);
}
#endif

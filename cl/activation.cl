/* Activations and their derivatives, for numbers and for whole vectors alike.
 *
 * -DACTIVATION=n   which one DEFINE_ACTIVATION defines, -DGATE=n   whose derivative DEFINE_GATE
 * defines; n as in iv_activation.  The file that includes this one invokes both.
 *
 * The exponential is our own: drivers compute theirs entry by entry, and in the epilogue of a small
 * product that would cost as much as the product. It is branch-free, its arguments are never
 * positive, and a number gets the same bits as in any lane of a vector, because nothing is left to
 * the compiler to contract. Comparisons are written so that NaN passes. */
#include "tensor.cl"

#define RELU    1
#define SELU    2
#define SIGMOID 3
#define TANH    4

#define SELU_LAMBDA       1.0507009873554805f
#define SELU_LAMBDA_ALPHA 1.7580993408473766f

/* exp(x) - 1 rounds to -1 below this, and exp(x) is no normal number below that. */
#define EXPM1_LOWEST -20.0f
#define EXP_LOWEST   -87.33f

/* 1.5 2^23: a float that is added to it is rounded to an integer, in the lowest bits of the sum. */
#define ROUNDER 12582912.0f

/* exp(x) = scale (1 + part) for -87.34 < x <= 0 (or small x above), with scale a power of two, and
 * part = exp(r) - 1 for |r| <= 0.3475.  part = r + r^2 q(r), q the polynomial of degree 4 with the
 * smallest largest error: 1.7e-8 of part, 0.3 of a unit roundoff. ln 2 is split so that its first
 * part times an exponent is exact. */
#define DEFINE_EXPONENTIAL(name, type, as_floats, as_uints)                                        \
    static type exponential_##name(type x, type *scale) {                                          \
        const type shifted = MULTIPLY_ADD(x, (type)(1.44269504f), (type)(ROUNDER));                \
        const type exponent = shifted - (type)(ROUNDER);                                           \
        type r = MULTIPLY_ADD(exponent, (type)(-0.693359375f), x);                                 \
        r = MULTIPLY_ADD(exponent, (type)(2.12194440e-4f), r);                                     \
        type q = MULTIPLY_ADD(r, (type)(0.00138824887f), (type)(0.00836669188f));                  \
        q = MULTIPLY_ADD(r, q, (type)(0.0416672044f));                                             \
        q = MULTIPLY_ADD(r, q, (type)(0.16666542f));                                               \
        q = MULTIPLY_ADD(r, q, (type)(0.49999997f));                                               \
        *scale = as_floats((as_uints(shifted) << 23) + 0x3f800000u);                               \
        return MULTIPLY_ADD(r * r, q, r);                                                          \
    }

/* ------------------------------------------------------------------ activations */

#if ACTIVATION == RELU
#define DEFINE_ACTIVATION(name, type, as_floats, as_uints)                                         \
    static type activate_##name(type x) { return x <= (type)(0.0f) ? (type)(0.0f) : x; }

#elif ACTIVATION == SELU
#define DEFINE_ACTIVATION(name, type, as_floats, as_uints)                                         \
    DEFINE_EXPONENTIAL(name, type, as_floats, as_uints)                                            \
    static type activate_##name(type x) {                                                          \
        type scale;                                                                                \
        const type part =                                                                          \
            exponential_##name(x < (type)(EXPM1_LOWEST) ? (type)(EXPM1_LOWEST) : x, &scale);       \
        const type expm1_x = MULTIPLY_ADD(part, scale, scale - (type)(1.0f));                      \
        return x > (type)(0.0f) ? (type)(SELU_LAMBDA) * x : (type)(SELU_LAMBDA_ALPHA) * expm1_x;   \
    }

#elif ACTIVATION == SIGMOID
/* With e = exp(-|x|) neither form overflows or cancels. */
#define DEFINE_ACTIVATION(name, type, as_floats, as_uints)                                         \
    DEFINE_EXPONENTIAL(name, type, as_floats, as_uints)                                            \
    static type activate_##name(type x) {                                                          \
        const type falling = x > (type)(0.0f) ? -x : x;                                            \
        type scale;                                                                                \
        const type part = exponential_##name(falling, &scale);                                     \
        const type e = falling < (type)(EXP_LOWEST) ? (type)(0.0f)                                 \
                                                    : MULTIPLY_ADD(part, scale, scale);            \
        return (x < (type)(0.0f) ? e : (type)(1.0f)) / ((type)(1.0f) + e);                         \
    }

#elif ACTIVATION == TANH
/* -t / (2 + t) with t = exp(-2 |x|) - 1. */
#define DEFINE_ACTIVATION(name, type, as_floats, as_uints)                                         \
    DEFINE_EXPONENTIAL(name, type, as_floats, as_uints)                                            \
    static type activate_##name(type x) {                                                          \
        const type falling = (type)(2.0f) * (x > (type)(0.0f) ? -x : x);                           \
        type scale;                                                                                \
        const type part = exponential_##name(                                                      \
            falling < (type)(EXPM1_LOWEST) ? (type)(EXPM1_LOWEST) : falling, &scale);              \
        const type t = MULTIPLY_ADD(part, scale, scale - (type)(1.0f));                            \
        const type y = t / ((type)(2.0f) + t);                                                     \
        return x > (type)(0.0f) ? -y : y;                                                          \
    }

#else
#define DEFINE_ACTIVATION(name, type, as_floats, as_uints)
#endif

/* ------------------------------------------------------------------ derivatives */

/* pass_NAME(d, y): d times the derivative of the activation whose output is y. */
#if GATE == RELU
#define DEFINE_GATE(name, type)                                                                    \
    static type pass_##name(type d, type y) { return y > (type)(0.0f) ? d : (type)(0.0f); }

#elif GATE == SELU
#define DEFINE_GATE(name, type)                                                                    \
    static type pass_##name(type d, type y) {                                                      \
        return d * (y > (type)(0.0f) ? (type)(SELU_LAMBDA) : y + (type)(SELU_LAMBDA_ALPHA));       \
    }

#elif GATE == SIGMOID
#define DEFINE_GATE(name, type)                                                                    \
    static type pass_##name(type d, type y) { return d * (y * ((type)(1.0f) - y)); }

#elif GATE == TANH
/* Not 1 - y^2, which cancels near 1. */
#define DEFINE_GATE(name, type)                                                                    \
    static type pass_##name(type d, type y) {                                                      \
        return d * (((type)(1.0f) - y) * ((type)(1.0f) + y));                                      \
    }

#else
#define DEFINE_GATE(name, type)
#endif

/* Operations on tensors of any shape, as networks that other programs exported are made of.
 *
 * They are ops of graphs (invar/graph.h), with gradients to every input that holds floats; the axis
 * of members is not counted. All of them take one product at a time: iv_vector_jacobian with a seed
 * of one axis more refuses them. A builder that fails returns NULL and leaves its reason in the
 * graph. */
#ifndef INVAR_TENSOR_OPS_H
#define INVAR_TENSOR_OPS_H

#include <invar/graph.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ element by element */

typedef enum {
    IV_ADD,
    IV_SUBTRACT,
    IV_MULTIPLY,
    IV_DIVIDE,
    IV_POWER,
    IV_MINIMUM,
    IV_MAXIMUM,
} iv_binary_kind;

/* a + b, a - b, a b, a / b, a to the power of b, the smaller, the larger. Shapes are as in NumPy:
 * counted from the last axis, each is the same for both, or 1 or missing in one of them, which is
 * then repeated. Where both of a minimum or maximum are equal, half of the gradient goes to each;
 * the gradient to an exponent counts as 0 where its base is not above 0. */
iv_tensor *iv_binary(iv_graph *graph, iv_binary_kind kind, iv_tensor *a, iv_tensor *b);

typedef enum {
    IV_RELU,
    IV_LEAKY_RELU, /* x > 0 ? x : a x */
    IV_ELU,        /* x > 0 ? x : a (exp(x) - 1) */
    IV_SELU,       /* with Klambauer's constants */
    IV_SIGMOID,
    IV_TANH,
    IV_ERF,
    IV_EXP,
    IV_LOG,
    IV_SQRT,
    IV_NEGATE,
    IV_ABSOLUTE,     /* its derivative at 0 is 0 */
    IV_RECIPROCAL,   /* 1 / x */
    IV_CLIP,         /* at least a and at most b; its derivative on both bounds is 1 */
    IV_SOFTPLUS,     /* log(1 + exp(x)) */
    IV_HARD_SIGMOID, /* a x + b, at least 0 and at most 1; its derivative on both bounds is 0 */
    IV_N_FUNCTIONS
} iv_function_kind;

typedef struct {
    iv_function_kind kind;
    float a, b; /* constants, where the kind has some */
} iv_function;

/* A function of every entry. The derivative of a ReLU at 0 is 0. NaN passes. */
iv_tensor *iv_unary(iv_graph *graph, const iv_function *function, iv_tensor *x);

/* ------------------------------------------------------------------ along axes */

/* exp(x) over its sum along the last axis. */
iv_tensor *iv_softmax(iv_graph *graph, iv_tensor *x);

/* The mean over the axes whose bits are set in `axes`. They stay, with a length of 1 (keep), or
 * go; one axis of length 1 is left where all would go. */
iv_tensor *iv_mean_over(iv_graph *graph, iv_tensor *x, unsigned axes, bool keep);

/* ------------------------------------------------------------------ moving entries */

/* Axis i of the result is axis order[i] of x. */
iv_tensor *iv_permute(iv_graph *graph, iv_tensor *x, const unsigned *order);

/* Repeated to another shape: counted from the last axis, each of x is the same there, or 1, or
 * missing. */
iv_tensor *iv_repeat(iv_graph *graph, iv_tensor *x, unsigned rank, const size_t *dims);

/* Side by side along an axis; the other axes are the same for all of n tensors, any number. */
iv_tensor *iv_concatenate(iv_graph *graph, size_t n, iv_tensor *const *xs, unsigned axis);

/* Places first, ..., first + count - 1 along an axis, which stays also if count is 1. */
iv_tensor *iv_part(iv_graph *graph, iv_tensor *x, unsigned axis, size_t first, size_t count);

/* before[i] places before axis i of x and after[i] behind it, which hold `value`. */
iv_tensor *iv_pad(iv_graph *graph, iv_tensor *x, const size_t *before, const size_t *after,
                  float value);

#ifdef __cplusplus
}
#endif

#endif

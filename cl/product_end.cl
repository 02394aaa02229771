/* What ends a matrix product, in iv_gemm's order, the same for every engine. Steps that the options
 * do not ask for vanish with their arguments.
 *
 * kind: `number` or `vector`, as given to DEFINE_ACTIVATION and DEFINE_GATE, which the file that
 * includes this one invokes; type: the type of the value. */
#include "activation.cl"
#include "tensor.cl"

/* -DACCUMULATE: add the value to what is there, with -DSCALE times a number. */
#if defined(SCALE)
#define ADD_TO_RESULT(type, value, scale, there) value = fma((type)(scale), value, there);
#elif defined(ACCUMULATE)
#define ADD_TO_RESULT(type, value, scale, there) value += there;
#else
#define ADD_TO_RESULT(type, value, scale, there)
#endif

/* -DBIAS -DACTIVATION=n -DGATE=n */
#define FINISH_PRODUCT(kind, value, bias, gate)                                                    \
    ADD_BIAS(value, bias)                                                                          \
    ACTIVATE_RESULT(activate_##kind, value)                                                        \
    GATE_RESULT(pass_##kind, value, gate)

#ifdef BIAS
#define ADD_BIAS(value, bias) value += bias;
#else
#define ADD_BIAS(value, bias)
#endif
#ifdef ACTIVATION
#define ACTIVATE_RESULT(activate, value) value = activate(value);
#else
#define ACTIVATE_RESULT(activate, value)
#endif
#ifdef GATE
#define GATE_RESULT(pass, value, gate) value = pass(value, gate);
#else
#define GATE_RESULT(pass, value, gate)
#endif

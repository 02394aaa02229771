/* Functions of two numbers, element by element, with operands repeated along axes, and what they send
 * back to one of them. -DKIND=n: iv_binary_kind. Work-items: see strided.cl. */
#include "strided.cl"

#define ADD      0
#define SUBTRACT 1
#define MULTIPLY 2
#define DIVIDE   3
#define POWER    4
#define MINIMUM  5
#define MAXIMUM  6

/* Comparisons are written so that NaN passes. */
#if KIND == ADD
#define COMBINED(type) a + b
#elif KIND == SUBTRACT
#define COMBINED(type) a - b
#elif KIND == MULTIPLY
#define COMBINED(type) a *b
#elif KIND == DIVIDE
#define COMBINED(type) a / b
#elif KIND == POWER
#define COMBINED(type) pow(a, b)
#elif KIND == MINIMUM
#define COMBINED(type) a != a ? a : a < b ? a : b
#elif KIND == MAXIMUM
#define COMBINED(type) a != a ? a : a > b ? a : b
#endif

#if !defined(SIDE)
static vector combine_vectors(vector a, vector b) {
    return COMBINED(vector);
}

static float combine_numbers(float a, float b) {
    return COMBINED(float);
}

__kernel void binary(TENSOR(const float, a), STRIDES(a), TENSOR(const float, b), STRIDES(b),
                     TENSOR(float, y), ROWS) {
    FIND_ROW
    __global const float *at_a = AT(a), *at_b = AT(b);
    __global float *to = MEMBER(y, r) + (size_t)row * n + first;
    if (first + VW <= n)
        STORE(combine_vectors(FETCH(0, a), FETCH(1, b)), to);
    else
        for (uint m = 0; first + m < n; m++)
            to[m] = combine_numbers(at_a[m * (size_t)a_s3], at_b[m * (size_t)b_s3]);
}

#else
/* What d, of the result, sends back to -DSIDE=0, a, or 1, b, of those kinds for which that is no
 * plain product. Half of it goes to either one of equals. */
#if KIND == DIVIDE && SIDE == 1
#define SENT(type) -d *a / (b * b)
#elif KIND == POWER && SIDE == 0
#define SENT(type) d *b *pow(a, b - (type)(1.0f))
#elif KIND == POWER
#define SENT(type) a > (type)(0.0f) ? d *pow(a, b) * log(a) : (type)(0.0f)
#elif (KIND == MINIMUM) == (SIDE == 0)
#define SENT(type) a == b ? (type)(0.5f) * d : a < b ? d : (type)(0.0f)
#else
#define SENT(type) a == b ? (type)(0.5f) * d : a > b ? d : (type)(0.0f)
#endif

static vector send_vectors(vector d, vector a, vector b) {
    return SENT(vector);
}

static float send_numbers(float d, float a, float b) {
    return SENT(float);
}

__kernel void binary_gradient(TENSOR(const float, d), STRIDES(d), TENSOR(const float, a),
                              STRIDES(a), TENSOR(const float, b), STRIDES(b), TENSOR(float, y),
                              ROWS) {
    FIND_ROW
    __global const float *at_d = AT(d), *at_a = AT(a), *at_b = AT(b);
    __global float *to = MEMBER(y, r) + (size_t)row * n + first;
    if (first + VW <= n)
        STORE(send_vectors(FETCH(0, d), FETCH(1, a), FETCH(2, b)), to);
    else
        for (uint m = 0; first + m < n; m++)
            to[m] = send_numbers(at_d[m * (size_t)d_s3], at_a[m * (size_t)a_s3],
                                 at_b[m * (size_t)b_s3]);
}
#endif

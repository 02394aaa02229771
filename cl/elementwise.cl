/* Element-wise operations. Work-items: (elements, members) unless a kernel says otherwise. */
#include "activation.cl"
#include "tensor.cl"

DEFINE_ACTIVATION(number, float, as_float, as_uint)
DEFINE_GATE(number, float)

__kernel void add(TENSOR(const float, a), TENSOR(const float, b), TENSOR(float, sum), uint n) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i < n) MEMBER(sum, r)[i] = MEMBER(a, r)[i] + MEMBER(b, r)[i];
}

/* y = x factor, one factor a member. */
__kernel void scale(TENSOR(const float, x), TENSOR(const float, factor), TENSOR(float, y), uint n) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i < n) MEMBER(y, r)[i] = MEMBER(x, r)[i] * MEMBER(factor, r)[0];
}

/* y = x exp(exponent), one exponent a member. */
__kernel void exponential_scale(TENSOR(const float, x), TENSOR(const float, exponent),
                                TENSOR(float, y), uint n) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i < n) MEMBER(y, r)[i] = MEMBER(x, r)[i] * exp(MEMBER(exponent, r)[0]);
}

/* Sums of dy y over `chunk` neighbours each, and of such sums.  Work-items: (parts, members). */
__kernel void products_of_chunks(TENSOR(const float, dy), TENSOR(const float, y),
                                 TENSOR(float, parts), uint n, uint chunk, uint n_parts) {
    const uint part = get_global_id(0), r = get_global_id(1);
    if (part >= n_parts) return;
    __global const float *a = MEMBER(dy, r), *b = MEMBER(y, r);
    float sum = 0.0f;
    for (uint i = part * chunk; i < min((part + 1) * chunk, n); i++)
        sum = MULTIPLY_ADD(a[i], b[i], sum);
    MEMBER(parts, r)[part] = sum;
}

__kernel void sum_of_parts(TENSOR(const float, parts), TENSOR(float, sum), uint n_parts) {
    const uint r = get_global_id(1);
    if (get_global_id(0) > 0) return;
    float total = 0.0f;
    for (uint i = 0; i < n_parts; i++) total += MEMBER(parts, r)[i];
    MEMBER(sum, r)[0] = total;
}

/* target += x scale, one scale a member. */
__kernel void add_to(TENSOR(const float, x), TENSOR(float, target), TENSOR(const float, scale),
                     uint n) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i >= n) return;
    __global float *entry = MEMBER(target, r) + i;
    *entry = fma(MEMBER(scale, r)[0], MEMBER(x, r)[i], *entry);
}

#ifdef ACTIVATION
/* -DACTIVATION=n: iv_activation. NaN passes, so that a diverging member shows. */
__kernel void activate(TENSOR(const float, x), TENSOR(float, y), uint n) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i < n) MEMBER(y, r)[i] = activate_number(MEMBER(x, r)[i]);
}
#endif

#ifdef GATE
/* dx = dy times the derivative of activation -DGATE=n, as a function of its output y.  dy [rows x
 * products, columns], y [rows, columns]: with -DSHARED_GATE, `products` rows of the gradient share
 * one row of the output; else products is 1. */
__kernel void activation_gradient(TENSOR(const float, dy), TENSOR(const float, y),
                                  TENSOR(float, dx), uint n, uint columns, uint products) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i >= n) return;
#ifdef SHARED_GATE
    /* Not i % columns: compilers turn the pair into a `freeze` that Oclgrind does not know. */
    const size_t row = i / columns, column = i - row * columns;
    const size_t gate = row / products * columns + column;
#else
    const size_t gate = i;
#endif
    MEMBER(dx, r)[i] = pass_number(MEMBER(dy, r)[i], MEMBER(y, r)[gate]);
}
#endif

/* Copy a part of n elements to where it lies in the whole. */
__kernel void place(TENSOR(const float, part), TENSOR(float, whole), uint position, uint n) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i < n) MEMBER(whole, r)[position + i] = MEMBER(part, r)[i];
}

__kernel void place_zeros(TENSOR(float, whole), uint position, uint n) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i < n) MEMBER(whole, r)[position + i] = 0.0f;
}

/* The same row by row: part [rows, n], whole [rows, columns].  Work-items: (n, rows, members). */
__kernel void place_rows(TENSOR(const float, part), TENSOR(float, whole), uint position, uint n,
                         uint columns, uint rows) {
    const size_t i = get_global_id(0), row = get_global_id(1), r = get_global_id(2);
    if (i >= n || row >= rows) return;
    MEMBER(whole, r)[row * columns + position + i] = MEMBER(part, r)[row * n + i];
}

/* a + weight b, one number a member.  Work-items: (members). */
__kernel void weighted_sum(TENSOR(const float, a), TENSOR(const float, b),
                           TENSOR(const float, weight), TENSOR(float, sum), uint members) {
    const size_t r = get_global_id(0);
    if (r >= members) return;
    MEMBER(sum, r)[0] = MULTIPLY_ADD(MEMBER(weight, r)[0], MEMBER(b, r)[0], MEMBER(a, r)[0]);
}

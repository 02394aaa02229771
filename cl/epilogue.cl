/* What surrounds a matrix product whose engine has no epilogue of its own. */
#include "product_end.cl"

DEFINE_ACTIVATION(number, float, as_float, as_uint)
DEFINE_GATE(number, float)

/* Bias, activation, gate, in iv_gemm's order.  -DBIAS -DACTIVATION=n -DGATE=n (iv_activation).
 * Work-items: (columns, rows, members). */
__kernel void epilogue(TENSOR(float, c),
#ifdef BIAS
                       TENSOR(const float, bias),
#endif
#ifdef GATE
                       TENSOR(const float, gate), uint gate_rows,
#endif
                       uint m, uint n, uint ldc) {
    const size_t j = get_global_id(0), i = get_global_id(1), r = get_global_id(2);
    if (i >= m || j >= n) return;
    __global float *entry = MEMBER(c, r) + i * ldc + j;
    float value = *entry;
    FINISH_PRODUCT(number, value, MEMBER(bias, r)[j], MEMBER(gate, r)[i / gate_rows * n + j])
    *entry = value;
}

/* c += scale sum, one number a member.  sum [m, n], c [m, n] with rows ldc apart.
 * Work-items: (columns, rows, members). */
__kernel void add_scaled(TENSOR(const float, sum), TENSOR(float, c), TENSOR(const float, scale),
                         uint m, uint n, uint ldc) {
    const size_t j = get_global_id(0), i = get_global_id(1), r = get_global_id(2);
    if (i >= m || j >= n) return;
    __global float *entry = MEMBER(c, r) + i * ldc + j;
    *entry = fma(MEMBER(scale, r)[0], MEMBER(sum, r)[i * n + j], *entry);
}

/* sums[i] = sum over p of a[i * row_stride + p * k_stride], with -DSCALE that times one number a
 * member added to what is there.  Work-items: (rows, members). */
__kernel void row_sums(TENSOR(const float, a), TENSOR(float, sums),
#ifdef SCALE
                       TENSOR(const float, scale),
#endif
                       uint m, uint k, uint row_stride, uint k_stride) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i >= m) return;
    __global const float *row = MEMBER(a, r) + i * row_stride;
    float sum = 0.0f;
    for (uint p = 0; p < k; p++) sum += row[(size_t)p * k_stride];
#ifdef SCALE
    sum = fma(MEMBER(scale, r)[0], sum, MEMBER(sums, r)[i]);
#endif
    MEMBER(sums, r)[i] = sum;
}

/* Sums along axes, and the softmax of rows. Sums are in a fixed order. */
#include "tensor.cl"

/* y = factor times sums of x. Entry (i, j) of the result is the sum of x over (p, q): the one at
 * i k_0 + j k_1 + p s_0 + q s_1.  Work-items: (entries of the result, members).
 * -DVW=n: s_1 is 1, and rows are summed in n lanes that are added in the end. */
__kernel void sum_over(TENSOR(const float, x), TENSOR(float, y), uint n, uint columns, uint k_0,
                       uint k_1, uint outer, uint inner, uint s_0, uint s_1, float factor) {
    const size_t entry = get_global_id(0), r = get_global_id(1);
    if (entry >= n) return;
    const size_t i = entry / columns, j = entry - i * columns;
    __global const float *from = MEMBER(x, r) + i * k_0 + j * k_1;
    float total = 0.0f;
    for (uint p = 0; p < outer; p++, from += s_0) {
        uint q = 0;
#ifdef VW
        vector lanes = (vector)(0.0f);
        for (; q + VW <= inner; q += VW) lanes += LOAD(from + q);
        float parts[VW];
        SPREAD(lanes, parts);
        for (uint m = 0; m < VW; m++) total += parts[m];
#endif
        for (; q < inner; q++) total += from[(size_t)q * s_1];
    }
    MEMBER(y, r)[entry] = factor * total;
}

/* y = exp(x) over its sum, shifted by the largest so that nothing overflows.  x, y [rows, n].
 * Work-items: (rows, members). */
__kernel void softmax(TENSOR(const float, x), TENSOR(float, y), uint rows, uint n) {
    const size_t row = get_global_id(0), r = get_global_id(1);
    if (row >= rows) return;
    __global const float *from = MEMBER(x, r) + row * n;
    __global float *to = MEMBER(y, r) + row * n;
    float largest = from[0], sum = 0.0f;
    for (uint c = 1; c < n; c++) largest = fmax(largest, from[c]);
    for (uint c = 0; c < n; c++) sum += to[c] = exp(from[c] - largest);
    for (uint c = 0; c < n; c++) to[c] /= sum;
}

/* dx = y (dy - sum of dy y). */
__kernel void softmax_gradient(TENSOR(const float, dy), TENSOR(const float, y), TENSOR(float, dx),
                               uint rows, uint n) {
    const size_t row = get_global_id(0), r = get_global_id(1);
    if (row >= rows) return;
    __global const float *from = MEMBER(dy, r) + row * n, *share = MEMBER(y, r) + row * n;
    __global float *to = MEMBER(dx, r) + row * n;
    float mean = 0.0f;
    for (uint c = 0; c < n; c++) mean = MULTIPLY_ADD(from[c], share[c], mean);
    for (uint c = 0; c < n; c++) to[c] = share[c] * (from[c] - mean);
}

/* Variances of linear functions of Gaussian weights: |T_c^T x_b|^2 for rows x_b and the factor T_c T_c^T of
 * each class's covariance, from the products U_c = X T_c, and what their gradient takes. */
#include "tensor.cl"

/* v[b][c] = |u[c][b]|^2, u [C, B, H]: 16 sums side by side, which are then added in order.
 * Work-items: (B C, members). */
__kernel void row_variances(TENSOR(const float, u), TENSOR(float, v), uint rows, uint classes,
                            uint columns) {
    const uint item = get_global_id(0), r = get_global_id(1);
    if (item >= rows * classes) return;
    const uint b = item / classes, c = item - b * classes;
    __global const float *row = MEMBER(u, r) + ((size_t)c * rows + b) * columns;
    float16 sums = 0.0f;
    uint k = 0;
    for (; k + 16 <= columns; k += 16) {
        const float16 x = vload16(0, row + k);
        sums = MULTIPLY_ADD(x, x, sums);
    }
    float rest = 0.0f, lanes[16];
    for (; k < columns; k++) rest = MULTIPLY_ADD(row[k], row[k], rest);
    vstore16(sums, 0, lanes);
    for (uint i = 0; i < 16; i++) rest += lanes[i];
    MEMBER(v, r)[item] = rest;
}

/* du[b] = 2 dv[b][c] u[c][b] of one class.  Work-items: (H, B, members). */
__kernel void row_variances_scaled(TENSOR(const float, dv), TENSOR(const float, u),
                                   TENSOR(float, du), uint c, uint rows, uint classes,
                                   uint columns) {
    const uint k = get_global_id(0), b = get_global_id(1), r = get_global_id(2);
    if (k >= columns) return;
    const float factor = 2.0f * MEMBER(dv, r)[b * classes + c];
    MEMBER(du, r)[(size_t)b * columns + k] =
        factor * MEMBER(u, r)[((size_t)c * rows + b) * columns + k];
}

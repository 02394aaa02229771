/* The factor L of A = L Q, from the scaled triangles that svd_triangularise leaves.
 *
 * l[matrix][i][j] = unscale[matrix] triangles[matrix][i][j] for j <= i, else 0
 * triangles [batch, m, width].  Work-items: (columns, rows, matrices). */
#include "tensor.cl"

__kernel void lq_factor(__global const float *restrict triangles, uint width,
                        __global const float *restrict unscale, TENSOR(float, l), uint m) {
    const size_t j = get_global_id(0), i = get_global_id(1), matrix = get_global_id(2);
    if (j >= m || i >= m) return;
    MEMBER(l, matrix)[i * m + j] =
        j <= i ? unscale[matrix] * triangles[(matrix * m + i) * width + j] : 0.0f;
}

/* Affine transformations of points of the plane. t [S, 6], each [t0 t1 t2; t3 t4 t5]. */
#include "tensor.cl"

/* y[s][b] = T_s x[b].  Work-items: (samples x points, members). */
__kernel void transform_points(TENSOR(const float, x), TENSOR(const float, t), TENSOR(float, y),
                               uint points, uint samples) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    const size_t s = i / points, b = i - s * points;
    if (s >= samples) return;
    __global const float *T = MEMBER(t, r) + 6 * s;
    const float2 p = vload2(b, MEMBER(x, r));
    vstore2((float2)(MULTIPLY_ADD(T[0], p.x, MULTIPLY_ADD(T[1], p.y, T[2])),
                     MULTIPLY_ADD(T[3], p.x, MULTIPLY_ADD(T[4], p.y, T[5]))),
            i, MEMBER(y, r));
}

/* dt[s][3 c + k] = sum over b of dy[s][b][c] (x, y, 1)_k.  Work-items: (samples x 6, members). */
__kernel void transform_points_gradient(TENSOR(const float, dy), TENSOR(const float, x),
                                        TENSOR(float, dt), uint points, uint samples) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    const size_t s = i / 6, which = i - s * 6, c = which / 3, k = which - c * 3;
    if (s >= samples) return;
    __global const float *slope = MEMBER(dy, r) + s * points * 2 + c;
    __global const float *point = MEMBER(x, r) + min(k, (size_t)1);
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (size_t b = 0; b < points; b++) {
        const float factor = k < 2 ? point[2 * b] : 1.0f;
        sum[b & 3] = MULTIPLY_ADD(slope[2 * b], factor, sum[b & 3]);
    }
    MEMBER(dt, r)[i] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

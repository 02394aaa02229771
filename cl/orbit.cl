/* Orbits of images under a finite group given as index tables, and means over orbits.
 * Tensors are [G, B, D] with the group's element outermost. Work-items: (elements of the output, members);
 * orbit_mean_gradient: (elements of dy, members). */
#include "tensor.cl"

/* y[g][b][p] = x[b][source[g][p]].  n: elements of x, B x D. */
__kernel void orbit(TENSOR(const float, x), __global const ushort *restrict source,
                    TENSOR(float, y), uint n, uint pixels, uint elements) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i >= (size_t)n * elements) return;
    const size_t g = i / n, within = i % n, b = within / pixels, p = within % pixels;
    MEMBER(y, r)[i] = MEMBER(x, r)[b * pixels + source[g * pixels + p]];
}

/* dx[b][p] = sum over g of dy[g][b][inverse[g][p]].  n: elements of dx. */
__kernel void orbit_gradient(TENSOR(const float, dy), __global const ushort *restrict inverse,
                             TENSOR(float, dx), uint n, uint pixels, uint elements) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i >= n) return;
    const size_t b = i / pixels, p = i % pixels;
    __global const float *row = MEMBER(dy, r) + b * pixels;
    float sum = 0.0f;
    for (uint g = 0; g < elements; g++)
        sum += row[(size_t)g * n + inverse[(size_t)g * pixels + p]];
    MEMBER(dx, r)[i] = sum;
}

#ifdef G
/* y[i] = mean over g of x[g][i]. The values are sorted before they are summed, so the mean does not depend
 * on the order of the group's elements, to the last bit. A NaN anywhere gives NaN.  n: elements of y. */
__kernel void orbit_mean(TENSOR(const float, x), TENSOR(float, y), uint n) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i >= n) return;
    float value[G];
    float nan_guard = 0.0f;
    _Pragma("unroll") for (uint g = 0; g < G; g++) {
        value[g] = MEMBER(x, r)[(size_t)g * n + i];
        nan_guard += value[g] - value[g];
    }
    _Pragma("unroll") for (uint end = G - 1; end > 0; end--)
        _Pragma("unroll") for (uint k = 0; k < end; k++) {
            const float low = fmin(value[k], value[k + 1]);
            value[k + 1] = fmax(value[k], value[k + 1]);
            value[k] = low;
        }
    float sum = nan_guard;
    for (uint g = 0; g < G; g++) sum += value[g];
    MEMBER(y, r)[i] = sum * (1.0f / G);
}
#endif

/* dx[g][i] = dy[i] / G for every g.  n: elements of dy. */
__kernel void orbit_mean_gradient(TENSOR(const float, dy), TENSOR(float, dx), uint n,
                                  uint elements) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i >= n) return;
    const float value = MEMBER(dy, r)[i] * (1.0f / elements);
    for (uint g = 0; g < elements; g++) MEMBER(dx, r)[(size_t)g * n + i] = value;
}

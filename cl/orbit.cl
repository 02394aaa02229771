/* Orbits of images under a finite group given as index tables, and means over orbits.
 * Tensors are [G, B, D] with the group's element outermost. Work-items: (elements of the output, members)
 * unless a kernel says otherwise; orbit_mean_gradient: (elements of dy, members). */
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
 * on the order of the group's elements, to the last bit. A NaN anywhere gives NaN.
 * n: elements of y.  Work-items: (ceil(n / VW), members), each VW neighbours. */
#define MEAN_OF_ORBIT(type, load, store)                                                           \
    {                                                                                              \
        type value[G], sum = (type)(0.0f);                                                         \
        _Pragma("unroll") for (uint g = 0; g < G; g++) {                                           \
            value[g] = load(orbit + (size_t)g * n);                                                \
            sum += value[g] - value[g];                                                            \
        }                                                                                          \
        _Pragma("unroll") for (uint end = G - 1; end > 0; end--)                                   \
            _Pragma("unroll") for (uint k = 0; k < end; k++) {                                     \
                const type a = value[k], b = value[k + 1];                                         \
                value[k] = b < a ? b : a;                                                          \
                value[k + 1] = b < a ? a : b;                                                      \
            }                                                                                      \
        _Pragma("unroll") for (uint g = 0; g < G; g++) sum += value[g];                            \
        store(sum * (1.0f / G), mean);                                                             \
    }
#define LOAD_ONE(p) (*(p))
#define STORE_ONE(v, p) (*(p) = (v))
#define LOAD_WIDE(p) vload16(0, p)
#define STORE_WIDE(v, p) vstore16(v, 0, p)

__kernel void orbit_mean(TENSOR(const float, x), TENSOR(float, y), uint n) {
    const size_t first = get_global_id(0) * VW, r = get_global_id(1);
    if (first >= n) return;
#if VW == 16
    if (first + VW <= n) {
        __global const float *orbit = MEMBER(x, r) + first;
        __global float *mean = MEMBER(y, r) + first;
        MEAN_OF_ORBIT(float16, LOAD_WIDE, STORE_WIDE)
        return;
    }
#endif
    for (size_t i = first; i < min(first + VW, (size_t)n); i++) {
        __global const float *orbit = MEMBER(x, r) + i;
        __global float *mean = MEMBER(y, r) + i;
        MEAN_OF_ORBIT(float, LOAD_ONE, STORE_ONE)
    }
}
#endif

/* dx[g][i] = dy[i] / G for every g.  n: elements of dy.  With -DGATE also the derivative of the ReLU
 * before the mean: 0 where gate[g][i] <= 0. */
__kernel void orbit_mean_gradient(TENSOR(const float, dy),
#ifdef GATE
                                  TENSOR(const float, gate),
#endif
                                  TENSOR(float, dx), uint n, uint elements) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i >= n) return;
    const float value = MEMBER(dy, r)[i] * (1.0f / elements);
    for (uint g = 0; g < elements; g++) {
        const size_t k = (size_t)g * n + i;
#ifdef GATE
        MEMBER(dx, r)[k] = MEMBER(gate, r)[k] > 0.0f ? value : 0.0f;
#else
        MEMBER(dx, r)[k] = value;
#endif
    }
}

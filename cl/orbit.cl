/* Orbits of images under a finite group given as index tables, and means over orbits.
 * Tensors are [G, B, D] with the group's element outermost, unless a kernel says otherwise. */
#include "activation.cl"
#include "tensor.cl"

DEFINE_GATE(number, float)

/* y[g][b][p] = x[b][source[g][p]].  -DBLOCK: pixels a work-item, one on GPUs, a row on CPUs, where
 * loading values one by one is faster than a vector gather. Work-items: (ceil(pixels / BLOCK),
 * elements x rows, members). */
#ifdef BLOCK
__kernel void orbit(TENSOR(const float, x), __global const ushort *restrict source,
                    TENSOR(float, y), uint pixels, uint rows, uint elements) {
    const size_t first = get_global_id(0) * BLOCK, row = get_global_id(1), r = get_global_id(2);
    if (first >= pixels || row >= (size_t)rows * elements) return;
    const size_t g = row / rows, b = row - g * rows;
    __global const float *image = MEMBER(x, r) + b * pixels;
    __global const ushort *table = source + g * pixels;
    __global float *out = MEMBER(y, r) + row * pixels;
    const size_t end = min(first + BLOCK, (size_t)pixels);
    _Pragma("clang loop vectorize(disable)") for (size_t p = first; p < end; p++) out[p] =
        image[table[p]];
}
#endif

/* dx[b][p] = sum over g of dy[g][b][inverse[g][p]].  Work-items: (pixels, rows, members). */
__kernel void orbit_gradient(TENSOR(const float, dy), __global const ushort *restrict inverse,
                             TENSOR(float, dx), uint pixels, uint rows, uint elements) {
    const size_t p = get_global_id(0), b = get_global_id(1), r = get_global_id(2);
    if (p >= pixels || b >= rows) return;
    __global const float *image = MEMBER(dy, r) + b * pixels;
    float sum = 0.0f;
    for (uint g = 0; g < elements; g++)
        sum += image[(size_t)g * rows * pixels + inverse[(size_t)g * pixels + p]];
    MEMBER(dx, r)[b * pixels + p] = sum;
}

#ifdef G
/* y[o][i] = mean over g of x[o][g][i], i < inner. The values are sorted before they are summed, so
 * the mean does not depend on the order of the group's elements, to the last bit. A NaN anywhere
 * gives NaN. n: elements of y.  Work-items: (ceil(n / VW), members), each VW neighbours; inner is a
 * multiple of VW unless it is n. */
#define MEAN_OF_ORBIT(type, load, store)                                                           \
    {                                                                                              \
        type value[G], sum = (type)(0.0f);                                                         \
        _Pragma("unroll") for (uint g = 0; g < G; g++) {                                           \
            value[g] = load(orbit + (size_t)g * inner);                                            \
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

__kernel void orbit_mean(TENSOR(const float, x), TENSOR(float, y), uint n, uint inner) {
    const size_t first = get_global_id(0) * VW, r = get_global_id(1);
    if (first >= n) return;
    __global const float *start = MEMBER(x, r) + first / inner * inner * (G - 1);
#if VW == 16
    if (first + VW <= n) {
        __global const float *orbit = start + first;
        __global float *mean = MEMBER(y, r) + first;
        MEAN_OF_ORBIT(float16, LOAD_WIDE, STORE_WIDE)
        return;
    }
#endif
    for (size_t i = first; i < min(first + VW, (size_t)n); i++) {
        __global const float *orbit = start + i;
        __global float *mean = MEMBER(y, r) + i;
        MEAN_OF_ORBIT(float, LOAD_ONE, STORE_ONE)
    }
}
#endif

/* dx[o][g][i] = dy[o][i] / G for every g, i < inner.  -DGATE=n: times the derivative of activation n
 * before the mean, gate[o][g][i] its output.  Work-items: (inner, outer, members). */
__kernel void orbit_mean_gradient(TENSOR(const float, dy),
#ifdef GATE
                                  TENSOR(const float, gate),
#endif
                                  TENSOR(float, dx), uint inner, uint outer, uint elements) {
    const size_t i = get_global_id(0), o = get_global_id(1), r = get_global_id(2);
    if (i >= inner || o >= outer) return;
    const float value = MEMBER(dy, r)[o * inner + i] * (1.0f / elements);
    const size_t start = o * elements * inner + i;
    for (uint g = 0; g < elements; g++) {
        const size_t k = start + (size_t)g * inner;
#ifdef GATE
        MEMBER(dx, r)[k] = pass_number(value, MEMBER(gate, r)[k]);
#else
        MEMBER(dx, r)[k] = value;
#endif
    }
}

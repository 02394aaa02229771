/* Means over samples of max(z, 0) or of cos z, times a factor, and their derivative.
 * z [samples][n], h [n].
 *
 * -DCOSINE     cosines, else ReLU
 * -DVECTORS=N  a work-item takes 16 N neighbours, for CPUs; else one.
 * Work-items of both: (ceil(n / neighbours), members).
 *
 * Cosine: z = k pi / 2 + r, k an integer and |r| at most pi / 4 and a bit. pi / 2 has three parts,
 * the first two of 8 and 11 bits, so that k times them is exact up to |z| = 12867, and beyond 10^6
 * where multiply-add rounds once. Polynomials: S. Moshier's Cephes library, sinf.c. Beyond 2^20,
 * where neighbouring floats are 1/8 apart, the argument counts as 2^20. */
#include "tensor.cl"

#ifdef COSINE
#define ROUNDER 12582912.0f /* 1.5 2^23: a float added to it leaves an integer in the lowest bits */
#define LIMIT   1048576.0f

/* cos(z + quarters pi / 2) */
#define DEFINE_COSINE(name, type, integers, as_integers, as_floats)                                \
    static type cosine_##name(type z, uint quarters) {                                             \
        type bounded = z > (type)(LIMIT) ? (type)(LIMIT) : z;                                      \
        bounded = bounded < (type)(-LIMIT) ? (type)(-LIMIT) : bounded;                             \
        const type shifted = MULTIPLY_ADD(bounded, (type)(0.636619772f), (type)(ROUNDER));         \
        const type k = shifted - (type)(ROUNDER);                                                  \
        type r = MULTIPLY_ADD(k, (type)(-1.5703125f), bounded);                                    \
        r = MULTIPLY_ADD(k, (type)(-4.837512969970703125e-4f), r);                                 \
        r = MULTIPLY_ADD(k, (type)(-7.54978995489188216e-8f), r);                                  \
        const type square = r * r;                                                                 \
        type c = MULTIPLY_ADD(square, (type)(2.443315711809948e-5f),                               \
                              (type)(-1.388731625493765e-3f));                                     \
        c = MULTIPLY_ADD(c, square, (type)(4.166664568298827e-2f));                                \
        c = MULTIPLY_ADD(c, square, (type)(-0.5f));                                                \
        c = MULTIPLY_ADD(c, square, (type)(1.0f));                                                 \
        type s = MULTIPLY_ADD(square, (type)(-1.9515295891e-4f), (type)(8.3321608736e-3f));        \
        s = MULTIPLY_ADD(s, square, (type)(-1.6666654611e-1f));                                    \
        s = MULTIPLY_ADD(s * square, r, r);                                                        \
        const integers turn = as_integers(shifted) + quarters;                                     \
        const type part = (turn & 1) != 0 ? s : c;                                                 \
        const integers sign = ((turn + 1) & 2) << 30;                                              \
        return as_floats(as_integers(part) ^ sign) + (z - z);                                      \
    }

DEFINE_COSINE(1, float, uint, as_uint, as_float)
#define FEATURE_1(z)  cosine_1(z, 0)
#define SLOPE_1(z, d) (cosine_1(z, 1) * (d))
#ifdef VECTORS
DEFINE_COSINE(16, float16, uint16, as_uint16, as_float16)
#define FEATURE_16(z)  cosine_16(z, 0)
#define SLOPE_16(z, d) (cosine_16(z, 1) * (d))
#endif

#else /* comparisons let NaN pass */
#define FEATURE_1(z)   ((z) <= 0.0f ? 0.0f : (z))
#define SLOPE_1(z, d)  ((z) > 0.0f ? (d) : 0.0f)
#define FEATURE_16(z)  ((z) <= (float16)(0.0f) ? (float16)(0.0f) : (z))
#define SLOPE_16(z, d) ((z) > (float16)(0.0f) ? (d) : (float16)(0.0f))
#endif

static void mean_of_one(__global const float *z, __global float *h, size_t n, uint samples,
                        float factor) {
    float sum = 0.0f;
    for (uint s = 0; s < samples; s++) sum += FEATURE_1(z[s * n]);
    *h = sum * factor;
}

static void gradient_of_one(__global const float *dh, __global const float *z, __global float *dz,
                            size_t n, uint samples, float factor) {
    const float d = *dh * factor;
    for (uint s = 0; s < samples; s++) dz[s * n] = SLOPE_1(z[s * n], d);
}

#ifdef VECTORS
#define NEIGHBOURS (16 * VECTORS)

/* Where vector v of the `count` >= 16 values of a work-item begins: the last one may overlap the
 * one before, and the same numbers are written twice. */
#define START(v) min(16 * (v), count - 16)
#endif

/* h[i] = factor sum over s of feature(z[s][i]) */
__kernel void feature_mean(TENSOR(const float, z), TENSOR(float, h), uint n, uint samples,
                           float factor) {
    const size_t r = get_global_id(1);
#ifdef VECTORS
    const uint first = get_global_id(0) * NEIGHBOURS;
    if (first >= n) return;
    const uint count = min((uint)NEIGHBOURS, n - first), vectors = (count + 15) / 16;
    __global const float *in = MEMBER(z, r) + first;
    __global float *out = MEMBER(h, r) + first;
    if (count < 16) {
        for (uint i = 0; i < count; i++) mean_of_one(in + i, out + i, n, samples, factor);
        return;
    }
    float16 sum[VECTORS];
    for (uint v = 0; v < vectors; v++) sum[v] = (float16)(0.0f);
    for (uint s = 0; s < samples; s++, in += n)
        for (uint v = 0; v < vectors; v++) {
            const float16 value = vload16(0, in + START(v));
            sum[v] += FEATURE_16(value);
        }
    for (uint v = 0; v < vectors; v++) STORE16(sum[v] * factor, out + START(v));
#else
    const uint i = get_global_id(0);
    if (i < n) mean_of_one(MEMBER(z, r) + i, MEMBER(h, r) + i, n, samples, factor);
#endif
}

/* dz[s][i] = factor dh[i] feature'(z[s][i]) */
__kernel void feature_mean_gradient(TENSOR(const float, dh), TENSOR(const float, z),
                                    TENSOR(float, dz), uint n, uint samples, float factor) {
    const size_t r = get_global_id(1);
#ifdef VECTORS
    const uint first = get_global_id(0) * NEIGHBOURS;
    if (first >= n) return;
    const uint count = min((uint)NEIGHBOURS, n - first), vectors = (count + 15) / 16;
    __global const float *slope = MEMBER(dh, r) + first, *in = MEMBER(z, r) + first;
    __global float *out = MEMBER(dz, r) + first;
    if (count < 16) {
        for (uint i = 0; i < count; i++)
            gradient_of_one(slope + i, in + i, out + i, n, samples, factor);
        return;
    }
    for (uint s = 0; s < samples; s++, in += n, out += n)
        for (uint v = 0; v < vectors; v++) {
            const float16 d = vload16(0, slope + START(v)) * factor;
            const float16 value = vload16(0, in + START(v));
            STORE16(SLOPE_16(value, d), out + START(v));
        }
#else
    const uint i = get_global_id(0);
    if (i < n)
        gradient_of_one(MEMBER(dh, r) + i, MEMBER(z, r) + i, MEMBER(dz, r) + i, n, samples, factor);
#endif
}

/* Samples of affine transformations and their derivative: T = expm(M), M = sum of eps_i eta_i G_i,
 * whose last row is 0. By scaling and squaring, with pairs of floats (high + low, some 2^-46 of
 * precision) in the place of numbers: squaring doubles errors, and that way none of them shows in
 * the floats that come out.
 *
 * A map is its first two rows [0 1 2; 3 4 5]; the last one is 0 0 1.
 * -DPOINTS: eps comes from a table instead of the generator of random numbers.
 * -DSAMPLES, -DLANES: of the derivative, which is left out without them. */
#pragma OPENCL FP_CONTRACT OFF

#include "group_items.cl"
#include "random.cl"
#include "tensor.cl"

/* The series of exp(M) where M has a norm below 1/4: what it leaves is below 4^-11 / 11! < 2^-47,
 * and below 2^-41 for the derivative. */
#define DEGREE 10

/* ------------------------------------------------------------------ pairs of floats */

/* |a| >= |b| */
static float2 pair_of(float a, float b) {
    const float sum = a + b;
    return (float2)(sum, b - (sum - a));
}

static float2 add(float2 a, float2 b) {
    const float sum = a.x + b.x, part = sum - a.x;
    const float error = (a.x - (sum - part)) + (b.x - part);
    return pair_of(sum, error + (a.y + b.y));
}

static float2 multiply(float2 a, float2 b) {
    const float product = a.x * b.x, error = fma(a.x, b.x, -product);
    return pair_of(product, fma(a.x, b.y, fma(a.y, b.x, error)));
}

/* ------------------------------------------------------------------ maps */

static void copy(const float2 a[6], float2 out[6]) {
    for (uint k = 0; k < 6; k++) out[k] = a[k];
}

/* out = a b */
static void compose(const float2 a[6], const float2 b[6], float2 out[6]) {
    for (uint i = 0; i < 2; i++)
        for (uint j = 0; j < 3; j++) {
            const float2 sum = add(multiply(a[3 * i], b[j]), multiply(a[3 * i + 1], b[3 + j]));
            out[3 * i + j] = j < 2 ? sum : add(sum, a[3 * i + 2]);
        }
}

/* out = w e^T + p^T y: w and y are two rows of gradients, p the first two columns of a map. */
static void pull_back(const float2 w[6], const float2 e[6], const float2 p[6], const float2 y[6],
                      float2 out[6]) {
    for (uint i = 0; i < 2; i++)
        for (uint j = 0; j < 3; j++) {
            float2 sum = w[3 * i + 2];
            if (j < 2) {
                sum = add(multiply(w[3 * i], e[3 * j]), multiply(w[3 * i + 1], e[3 * j + 1]));
                sum = add(sum, multiply(w[3 * i + 2], e[3 * j + 2]));
            }
            const float2 other = add(multiply(p[i], y[j]), multiply(p[3 + i], y[3 + j]));
            out[3 * i + j] = add(sum, other);
        }
}

/* M / 2^k with the norm of its linear part below 1/4; returns k. Where eta is not a number anymore
 * neither is the result. */
static uint generator(const float eps[6], __global const float *eta, float2 m[6], float *scale) {
    float2 a[6];
    for (uint i = 0; i < 6; i++) {
        const float product = eps[i] * eta[i];
        a[i] = (float2)(product, fma(eps[i], eta[i], -product));
    }
    m[0] = a[3];
    m[1] = add(a[5], -a[2]);
    m[2] = a[0];
    m[3] = add(a[5], a[2]);
    m[4] = a[4];
    m[5] = a[1];
    const float norm = fabs(m[0].x) + fabs(m[1].x) + fabs(m[3].x) + fabs(m[4].x);
    const int exponent = (int)(as_uint(norm) >> 23) - 127;
    const uint k = clamp(exponent + 3, 0, 40);
    *scale = as_float((127 - k) << 23);
    for (uint i = 0; i < 6; i++) m[i] *= *scale;
    return k;
}

/* exp(M 2^k) from M. With w, dL/dT times 2^-k, comes y = dL/dM, which may be w. Both walk through
 * h = I + M h / n, and through squares; D exp(M^T)[w] = y is the adjoint of the derivative. */
static void exponential(const float2 m[6], uint k, float2 h[6], const float2 *w, float2 *y) {
    float2 next[6];
    for (uint i = 0; i < 6; i++) h[i] = (float2)(i == 0 || i == 4 ? 1.0f : 0.0f, 0.0f);
    for (uint i = 0; i < 6 && y; i++) y[i] = 0.0f;
    for (uint n = DEGREE; n > 0; n--) {
        const float high = 1.0f / n;
        const float2 reciprocal = (float2)(high, fma(-(float)n, high, 1.0f) * high);
        if (y) {
            pull_back(w, h, m, y, next);
            for (uint i = 0; i < 6; i++) y[i] = multiply(next[i], reciprocal);
        }
        compose(m, h, next);
        for (uint i = 0; i < 6; i++) h[i] = multiply(next[i], reciprocal);
        h[0] = add((float2)(1.0f, 0.0f), h[0]);
        h[4] = add((float2)(1.0f, 0.0f), h[4]);
    }
    for (; k > 0; k--) {
        if (y) {
            pull_back(y, h, h, y, next);
            copy(next, y);
        }
        compose(h, h, next);
        copy(next, h);
    }
}

/* ------------------------------------------------------------------ kernels */

/* Where eps comes from: draws; -DPOINTS, points; with -DWIDTHS too, draws from around them. */
#define DRAWN TENSOR(const uint, seeds), uint stream, uint step

static inline void draw_eps(uint seed, uint stream, uint step, uint s, float eps[6]) {
    uint words[8];
    iv_philox(seed, stream, step, 2 * s, words);
    iv_philox(seed, stream, step, 2 * s + 1, words + 4);
    for (uint i = 0; i < 6; i++) eps[i] = iv_uniform_symmetric(words[i]);
}

static inline void place_eps(__global const float *point, __global const float *width, float eps[6]) {
    for (uint i = 0; i < 6; i++) eps[i] = fma(width[i], eps[i], point[i]);
}

static inline void copy_eps(__global const float *point, float eps[6]) {
    for (uint i = 0; i < 6; i++) eps[i] = point[i];
}

#ifdef WIDTHS
#define SOURCE TENSOR(const float, points), TENSOR(const float, widths), DRAWN
#define TAKE_EPS(r, s, eps)                                                                        \
    draw_eps(MEMBER(seeds, r)[0], stream, step, s, eps);                                           \
    place_eps(MEMBER(points, r) + 6 * s, MEMBER(widths, r), eps)
#elif defined(POINTS)
#define SOURCE              TENSOR(const float, points)
#define TAKE_EPS(r, s, eps) copy_eps(MEMBER(points, r) + 6 * s, eps)
#else
#define SOURCE              DRAWN
#define TAKE_EPS(r, s, eps) draw_eps(MEMBER(seeds, r)[0], stream, step, s, eps)
#endif

/* t [S, 6] from eta [6].  Work-items: (S, members). */
__kernel void affine_samples(TENSOR(const float, eta), TENSOR(float, t), uint n_samples, SOURCE) {
    const uint s = get_global_id(0), r = get_global_id(1);
    if (s >= n_samples) return;
    float eps[6], scale;
    float2 m[6], h[6];
    TAKE_EPS(r, s, eps);
    const uint k = generator(eps, MEMBER(eta, r), m, &scale);
    exponential(m, k, h, 0, 0);
    for (uint i = 0; i < 6; i++) MEMBER(t, r)[6 * s + i] = h[i].x;
}

#ifdef SAMPLES
#define GROUP ITEMS(LANES)

/* d_eta_i = learned_i times the sum over s of eps_si <dL/dM_s, G_i>, in the order of s.
 * d_t [S, 6]; eta, learned, d_eta [6].  -DLANES: work-items of a member's group; -DSAMPLES: S.
 * Work-items: (LANES, members). */
__attribute__((reqd_work_group_size(GROUP, 1, 1)))
__kernel void affine_samples_gradient(TENSOR(const float, d_t), TENSOR(const float, eta),
                                      TENSOR(const float, learned), TENSOR(float, d_eta), SOURCE) {
    __local float2 terms[SAMPLES][6];
    const uint lane = get_local_id(0), r = get_global_id(1);
    for (uint s = lane; s < SAMPLES; s += GROUP) {
        float eps[6], scale;
        float2 m[6], h[6], w[6], y[6];
        TAKE_EPS(r, s, eps);
        const uint k = generator(eps, MEMBER(eta, r), m, &scale);
        for (uint i = 0; i < 6; i++) w[i] = (float2)(MEMBER(d_t, r)[6 * s + i] * scale, 0.0f);
        exponential(m, k, h, w, y);
        const float2 along[6] = {y[2], y[5], add(y[3], -y[1]), y[0], y[4], add(y[1], y[3])};
        for (uint i = 0; i < 6; i++)
            terms[s][i] = multiply(along[i], (float2)(eps[i], 0.0f));
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = lane; i < 6; i += GROUP) {
        float2 sum = 0.0f;
        for (uint s = 0; s < SAMPLES; s++) sum = add(sum, terms[s][i]);
        MEMBER(d_eta, r)[i] = sum.x * MEMBER(learned, r)[i];
    }
}
#endif

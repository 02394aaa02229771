/* Outputs of a rich layer and what they send back (Zhang and Arodz 2021, section 4). Neighbouring
 * columns (e, f) of X [rows, 2 pairs] are a pair, and a row of the outputs is [o, r, a, b, a b]: n
 * columns of the layer's input o, then one a pair of each of
 *     r = sqrt(e^2 + f^2 + EPSILON),  a = e / r,  b = f / r.
 * -DROWS=N: a work-item takes N whole rows, for CPUs; work-items: (ceil(rows / N), members).
 * Without it one pair, so that neighbours are side by side; work-items: (rows x pairs, members). */
#include "tensor.cl"

#define EPSILON 1e-12f

/* Several pairs at once. */
#define LOAD_ONE(i, p)         (*(p))
#define STORE_ONE(value, i, p) (*(p) = (value))
#define INTERLEAVE_1(e, f)     (float2)(e, f)
#define INTERLEAVE_4(e, f)                                                                         \
    (float8)((e).s0, (f).s0, (e).s1, (f).s1, (e).s2, (f).s2, (e).s3, (f).s3)
#define INTERLEAVE_8(e, f)                                                                         \
    (float16)((e).s0, (f).s0, (e).s1, (f).s1, (e).s2, (f).s2, (e).s3, (f).s3, (e).s4, (f).s4,      \
              (e).s5, (f).s5, (e).s6, (f).s6, (e).s7, (f).s7)

/* x: the pairs' columns of X; y: the first one's r. */
#define OUTPUTS(name, vector, vector_of_both, load_both, store)                                    \
    static void name(__global const float *x, __global float *y, uint pairs) {                     \
        const vector_of_both both = load_both(0, x);                                               \
        const vector e = both.even, f = both.odd;                                                  \
        const vector r = sqrt(MULTIPLY_ADD(e, e, MULTIPLY_ADD(f, f, (vector)(EPSILON))));          \
        const vector inverse = 1.0f / r, a = e * inverse, b = f * inverse;                         \
        store(r, 0, y);                                                                            \
        store(a, 0, y + pairs);                                                                    \
        store(b, 0, y + 2 * (size_t)pairs);                                                        \
        store(a * b, 0, y + 3 * (size_t)pairs);                                                    \
    }

/* With a^2 + b^2 + k = 1, k = EPSILON / r^2, nothing cancels in the derivatives but what has to:
 *     da/de = (b^2 + k) / r,  da/df = db/de = -a b / r,  db/df = (a^2 + k) / r. */
#define GRADIENT(name, vector, load, store_both, interleave)                                       \
    static void name(__global const float *dy, __global const float *y, __global float *dx,        \
                     uint pairs) {                                                                 \
        const vector a = load(0, y + pairs), b = load(0, y + 2 * (size_t)pairs);                   \
        const vector dr = load(0, dy), dab = load(0, dy + 3 * (size_t)pairs);                      \
        const vector da = MULTIPLY_ADD(dab, b, load(0, dy + pairs));                               \
        const vector db = MULTIPLY_ADD(dab, a, load(0, dy + 2 * (size_t)pairs));                   \
        const vector inverse = 1.0f / load(0, y), k = EPSILON * inverse * inverse;                 \
        const vector turn = da * b - db * a;                                                       \
        const vector e = MULTIPLY_ADD(dr, a, MULTIPLY_ADD(b, turn, k * da) * inverse);             \
        const vector f = MULTIPLY_ADD(dr, b, MULTIPLY_ADD(-a, turn, k * db) * inverse);            \
        store_both(interleave(e, f), 0, dx);                                                       \
    }

OUTPUTS(outputs_1, float, float2, vload2, STORE_ONE)
GRADIENT(gradient_1, float, LOAD_ONE, vstore2, INTERLEAVE_1)

#ifdef ROWS
OUTPUTS(outputs_4, float4, float8, vload8, vstore4)
OUTPUTS(outputs_8, float8, float16, vload16, vstore8)
GRADIENT(gradient_4, float4, vload4, vstore8, INTERLEAVE_4)
GRADIENT(gradient_8, float8, vload8, vstore16, INTERLEAVE_8)

/* The last vector of a row overlaps the one before: the same numbers are written twice. */
#define FOR_PAIRS(by_8, by_4, by_1)                                                                \
    if (pairs >= 8)                                                                                \
        for (uint i = 0; i < pairs; i += 8) {                                                      \
            const size_t k = min(i, pairs - 8);                                                    \
            by_8;                                                                                  \
        }                                                                                          \
    else if (pairs >= 4)                                                                           \
        for (uint i = 0; i < pairs; i += 4) {                                                      \
            const size_t k = min(i, pairs - 4);                                                    \
            by_4;                                                                                  \
        }                                                                                          \
    else                                                                                           \
        for (size_t k = 0; k < pairs; k++) by_1

__kernel void rich(TENSOR(const float, o), TENSOR(const float, x), TENSOR(float, y), uint rows,
                   uint n, uint pairs) {
    const size_t first = get_global_id(0) * ROWS, r = get_global_id(1);
    for (size_t row = first; row < min(first + ROWS, (size_t)rows); row++) {
        __global const float *in = MEMBER(o, r) + row * n;
        __global const float *both = MEMBER(x, r) + row * 2 * pairs;
        __global float *out = MEMBER(y, r) + row * (n + 4 * (size_t)pairs);
        for (uint c = 0; c < n; c++) out[c] = in[c];
        out += n;
        FOR_PAIRS(outputs_8(both + 2 * k, out + k, pairs), outputs_4(both + 2 * k, out + k, pairs),
                  outputs_1(both + 2 * k, out + k, pairs));
    }
}
#else
__kernel void rich(TENSOR(const float, o), TENSOR(const float, x), TENSOR(float, y), uint rows,
                   uint n, uint pairs) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    const size_t row = i / pairs, k = i - row * pairs;
    if (row >= rows) return;
    __global const float *in = MEMBER(o, r) + row * n;
    __global float *out = MEMBER(y, r) + row * (n + 4 * (size_t)pairs);
    for (size_t c = k; c < n; c += pairs) out[c] = in[c];
    outputs_1(MEMBER(x, r) + 2 * i, out + n + k, pairs);
}
#endif

/* dx, and with -DPASS_ON do = the first n columns of dy.  dy [rows, n + 4 pairs]; `products` rows of
 * the gradient share a row of the outputs y. */
#ifdef ROWS
__kernel void rich_gradient(TENSOR(const float, dy), TENSOR(const float, y), TENSOR(float, dx),
#ifdef PASS_ON
                            TENSOR(float, input_gradient),
#endif
                            uint rows, uint n, uint pairs, uint products) {
    const size_t first = get_global_id(0) * ROWS, r = get_global_id(1);
    const size_t columns = n + 4 * (size_t)pairs;
    for (size_t row = first; row < min(first + ROWS, (size_t)rows); row++) {
        __global const float *in = MEMBER(dy, r) + row * columns;
        __global const float *of = MEMBER(y, r) + row / products * columns + n;
        __global float *out = MEMBER(dx, r) + row * 2 * pairs;
#ifdef PASS_ON
        __global float *passed = MEMBER(input_gradient, r) + row * n;
        for (uint c = 0; c < n; c++) passed[c] = in[c];
#endif
        in += n;
        FOR_PAIRS(gradient_8(in + k, of + k, out + 2 * k, pairs),
                  gradient_4(in + k, of + k, out + 2 * k, pairs),
                  gradient_1(in + k, of + k, out + 2 * k, pairs));
    }
}
#else
__kernel void rich_gradient(TENSOR(const float, dy), TENSOR(const float, y), TENSOR(float, dx),
#ifdef PASS_ON
                            TENSOR(float, input_gradient),
#endif
                            uint rows, uint n, uint pairs, uint products) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    const size_t row = i / pairs, k = i - row * pairs;
    if (row >= rows) return;
    const size_t columns = n + 4 * (size_t)pairs;
    __global const float *in = MEMBER(dy, r) + row * columns;
#ifdef PASS_ON
    __global float *passed = MEMBER(input_gradient, r) + row * n;
    for (size_t c = k; c < n; c += pairs) passed[c] = in[c];
#endif
    gradient_1(in + n + k, MEMBER(y, r) + row / products * columns + n + k,
               MEMBER(dx, r) + 2 * i, pairs);
}
#endif

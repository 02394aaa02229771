/* Stateless random numbers: Philox4x32-10 (Salmon et al. 2011, the Random123 library) of
 * (seed, stream, step, index).
 *
 * There is no generator state: any number can be drawn again at any time, on the host or on a
 * device, and it has the same bits. cl/random.cl holds the same functions under the same names for
 * kernels; every operation used is exact or correctly rounded on both sides.
 *
 * Conventions: `seed` is the member's seed, `stream` says what the numbers are for, `step` is the
 * training step, epoch or tensor number, `index` the sample or parameter within it.
 *
 * The one header that needs Random123's; invar/invar.h does not include it. */
#ifndef INVAR_RANDOM_H
#define INVAR_RANDOM_H

#include <Random123/philox.h>

#include <invar/stream.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Four 32-bit words: Philox4x32-10 with key {seed, stream} and counter {index, step, 0, 0}. */
static inline void iv_philox(uint32_t seed, uint32_t stream, uint32_t step, uint32_t index,
                             uint32_t out[4]) {
    const philox4x32_key_t key = {{seed, stream}};
    const philox4x32_ctr_t counter = {{index, step, 0, 0}};
    const philox4x32_ctr_t words = philox4x32_R(10, counter, key);
    for (int i = 0; i < 4; i++) out[i] = words.v[i];
}

/* Uniform on [0, 1): a multiple of 2^-24, exact. */
static inline float iv_uniform(uint32_t word) {
    return (float)(word >> 8) * 0x1p-24f;
}

/* Uniform on [-1, 1): a multiple of 2^-23, exact. */
static inline float iv_uniform_symmetric(uint32_t word) {
    return (float)((int32_t)(word >> 8) - (1 << 23)) * 0x1p-23f;
}

/* Integer on [0, n); each value has probability 1/n within 2^-32. 0 if n is 0. */
static inline uint32_t iv_below(uint32_t word, uint32_t n) {
    return (uint32_t)(((uint64_t)word * n) >> 32);
}

/* Two independent standard normal numbers of two words, by Box and Muller, within 1e-6 of the exact
 * formula and at most 5.77. Only single multiplications and fma, which round correctly on every
 * device and leave a compiler no product and sum to contract; logarithm, sine and cosine are the
 * minimax polynomials of Moshier's Cephes. Kernels must not be built with -cl-fast-relaxed-math. */
static inline void iv_normal(uint32_t word0, uint32_t word1, float out[2]) {
    /* u = k / 2^24 on (0, 1] as 2^exponent (1 + t), sqrt(1/2) < 1 + t <= sqrt(2) */
    const float k = (float)((word0 >> 8) + 1);
    uint32_t bits;
    memcpy(&bits, &k, sizeof bits);
    int32_t exponent = (int32_t)(bits >> 23) - 127 - 24;
    bits = (bits & 0x007fffffU) | 0x3f800000U;
    if (bits > 0x3fb504f3U) {
        bits -= 0x00800000U;
        exponent++;
    }
    float mantissa;
    memcpy(&mantissa, &bits, sizeof mantissa);
    const float t = mantissa - 1.0f, e = (float)exponent;

    float p = 7.0376836292e-2f;
    p = fmaf(p, t, -1.1514610310e-1f);
    p = fmaf(p, t, 1.1676998740e-1f);
    p = fmaf(p, t, -1.2420140846e-1f);
    p = fmaf(p, t, 1.4249322787e-1f);
    p = fmaf(p, t, -1.6668057665e-1f);
    p = fmaf(p, t, 2.0000714765e-1f);
    p = fmaf(p, t, -2.4999993993e-1f);
    p = fmaf(p, t, 3.3333331174e-1f);
    p = fmaf(p, t, -0.5f);
    const float log_mantissa = fmaf(t * t, p, t);
    const float log_u = fmaf(e, 0.693359375f, fmaf(e, -2.12194440e-4f, log_mantissa));

    /* radius = sqrt(-2 log u): Newton's method for the reciprocal
     * root, then one step for the root */
    const float square = -2.0f * log_u;
    memcpy(&bits, &square, sizeof bits);
    bits = 0x5f3759dfU - (bits >> 1);
    float reciprocal;
    memcpy(&reciprocal, &bits, sizeof reciprocal);
    for (int i = 0; i < 3; i++)
        reciprocal = reciprocal * fmaf(-0.5f * square, reciprocal * reciprocal, 1.5f);
    float radius = square * reciprocal;
    radius = fmaf(fmaf(-radius, radius, square), 0.5f * reciprocal, radius);
    if (square == 0.0f) radius = 0.0f;

    /* quarter turns from the two upper bits of word1, an angle on [-pi/4, pi/4) from the next 24 */
    const uint32_t quarter = word1 >> 30;
    const float angle = (float)((int32_t)((word1 >> 6) & 0xffffffU) - (1 << 23)) * 0x1.921fb6p-24f;
    const float z = angle * angle;
    float s = fmaf(fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f), z, -1.6666654611e-1f);
    float c =
        fmaf(fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f), z, 4.166664568298827e-2f);
    s = fmaf(z * angle, s, angle);
    c = fmaf(z, fmaf(z, c, -0.5f), 1.0f);
    const float x = (quarter & 1) ? -s : c, y = (quarter & 1) ? c : s;
    out[0] = radius * ((quarter & 2) ? -x : x);
    out[1] = radius * ((quarter & 2) ? -y : y);
}

/* A permutation of 0 .. n-1 by Fisher and Yates, all n! equally likely (Lemire's rejection).
 * out  [n] */
static inline void iv_permutation(uint32_t seed, uint32_t stream, uint32_t n, int32_t *out) {
    for (uint32_t i = 0; i < n; i++) out[i] = (int32_t)i;
    for (uint32_t i = n; i > 1; i--) {
        uint64_t product;
        uint32_t attempt = 0;
        do {
            uint32_t words[4];
            iv_philox(seed, stream, attempt++, i, words);
            product = (uint64_t)words[0] * i;
        } while ((uint32_t)product < (0U - i) % i);

        const uint32_t j = (uint32_t)(product >> 32);
        const int32_t kept = out[i - 1];
        out[i - 1] = out[j];
        out[j] = kept;
    }
}

/* A 32-bit mixer: every output bit depends on every input bit (Wellons, "lowbias32"). */
static inline uint32_t iv_mix(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7feb352dU;
    x ^= x >> 15;
    x *= 0x846ca68bU;
    x ^= x >> 16;
    return x;
}

/* What all samples of an epoch's pseudo-random order have in common: see iv_shuffle. */
typedef struct {
    uint32_t n, a, b, keys[4];
} iv_shuffler;

static inline void iv_shuffle_prepare(uint32_t seed, uint32_t stream, uint32_t epoch, uint32_t n,
                                      iv_shuffler *s) {
    uint32_t a = 1;
    for (uint32_t bit = 1U << 15; bit > 0; bit >>= 1)
        if ((uint64_t)(a + bit) * (a + bit) <= n) a += bit;
    a = a < 8 ? 8 : a;
    const uint32_t rows = (n + a - 1) / a;
    s->n = n;
    s->a = a;
    s->b = rows < 8 ? 8 : rows;

    /* The index sets the key apart from the numbers that a kernel may draw from the same stream. */
    iv_philox(seed, stream, epoch, 0xffffffffU, s->keys);
}

static inline uint32_t iv_shuffle_walk(const iv_shuffler *s, uint32_t i) {
    const uint32_t a = s->a, b = s->b;
    if (s->n < 2) return 0;
    do {
        uint32_t left = i / b, right = i % b;
        for (uint32_t turn = 0; turn < 8; turn += 2) {
            left += iv_below(iv_mix(right + s->keys[turn & 3] + turn * 0x9e3779b9U), a);
            left -= left >= a ? a : 0;
            right += iv_below(iv_mix(left + s->keys[(turn + 1) & 3] + turn * 0x9e3779b9U), b);
            right -= right >= b ? b : 0;
        }
        i = left * b + right;
    } while (i >= s->n);
    return i;
}

/* Where a pseudo-random permutation of [0, n) sends i < n, without storing it: sample i of an
 * epoch. A Feistel network of 8 rounds on pairs (left < a, right < b) with a b little above n
 * (Black and Rogaway 2002), walked until it comes back below n, which it mostly is at once; a and b
 * are at least 8, so that few samples are mixed as well as many. n is at most 2^31; 0 if n is
 * below 2. For many samples of an epoch, prepare once and walk for each. */
static inline uint32_t iv_shuffle(uint32_t seed, uint32_t stream, uint32_t epoch, uint32_t n,
                                  uint32_t i) {
    iv_shuffler s;
    iv_shuffle_prepare(seed, stream, epoch, n, &s);
    return iv_shuffle_walk(&s, i);
}

#ifdef __cplusplus
}
#endif

#endif

/* Stateless random numbers: Philox4x32-10 (Salmon et al. 2011, the Random123 library) of
 * (seed, stream, step, index).
 *
 * There is no generator state: any number can be drawn again at any time, on the host or on a
 * device, and it has the same bits. cl/random.cl holds the same functions under the same names for
 * kernels; every operation used is exact or correctly rounded on both sides.
 *
 * Conventions: `seed` is the member's seed, `stream` says what the numbers are for, `step` is the
 * training step, epoch or tensor number, `index` the sample or parameter within it.
 */
#ifndef INVAR_RANDOM_H
#define INVAR_RANDOM_H

#include <Random123/philox.h>

#include <stdint.h>

/* What a number is for. Values are part of the meaning of a seed: never change or reuse one. */
enum {
    IV_STREAM_SPLIT = 1,          /* permutation of the pooled images */
    IV_STREAM_INITIAL = 2,        /* initial parameters; step: tensor, index: element */
    IV_STREAM_BATCH_ORDER = 3,    /* iv_shuffle of the training set; step: epoch */
    IV_STREAM_AUGMENTATION = 4,   /* group elements drawn a sample; step: training step */
    IV_STREAM_REGULARIZER = 5,    /* the group element of an invariance penalty */
    IV_STREAM_TRANSFORMATION = 6, /* eps of sampled Lie transformations */
    IV_STREAM_POSTERIOR = 7,      /* samples of a variational posterior */
    IV_STREAM_EVALUATION = 8,     /* whatever an evaluation draws */
    IV_STREAM_SIGNAL = 9,         /* generated signals; index: sample */
    IV_STREAM_DIGITS = 10,        /* the built-in digits; step: image */
    IV_STREAM_NOISE = 11,         /* the built-in noise images */
    IV_STREAM_TEST = 12,          /* tests */
};

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

/* Where a pseudo-random permutation of [0, n) sends i < n, without storing it: sample i of an
 * epoch. A balanced Feistel network of 8 rounds on the even number of bits, at least 6, that holds
 * n, walked until it comes back below n (fewer than 4 turns on average for n > 16). n is at most
 * 2^31; 0 if n is below 2. */
static inline uint32_t iv_shuffle(uint32_t seed, uint32_t stream, uint32_t epoch, uint32_t n,
                                  uint32_t i) {
    if (n < 2) return 0;

    /* At least 3: Feistel networks on 4 bits reach only a part of all permutations. */
    uint32_t half = 3;
    while (((n - 1) >> half) >> half) half++;
    const uint32_t mask = (1U << half) - 1;

    /* The index sets the key apart from the numbers that a kernel may draw from the same stream. */
    uint32_t keys[4];
    iv_philox(seed, stream, epoch, 0xffffffffU, keys);

    do {
        uint32_t left = i >> half, right = i & mask;
        for (uint32_t turn = 0; turn < 8; turn++) {
            const uint32_t key = keys[turn & 3] + turn * 0x9e3779b9U;
            const uint32_t next =
                left ^ (iv_mix(iv_mix(right + key) ^ keys[(turn + 1) & 3]) & mask);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

#endif

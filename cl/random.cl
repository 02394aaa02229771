/* Stateless random numbers in kernels: the functions of include/invar/random.h under the same names,
 * with the same bits. The conventions of seed, stream, step and index are described there. */
#include "philox.cl"

/* Same values as the enum of random.h. */
#define IV_STREAM_SPLIT          1U
#define IV_STREAM_INITIAL        2U
#define IV_STREAM_BATCH_ORDER    3U
#define IV_STREAM_AUGMENTATION   4U
#define IV_STREAM_REGULARIZER    5U
#define IV_STREAM_TRANSFORMATION 6U
#define IV_STREAM_POSTERIOR      7U
#define IV_STREAM_EVALUATION     8U
#define IV_STREAM_SIGNAL         9U
#define IV_STREAM_DIGITS         10U
#define IV_STREAM_NOISE          11U
#define IV_STREAM_TEST           12U

/* Four 32-bit words: Philox4x32-10 with key {seed, stream} and counter {index, step, 0, 0}. */
static inline void iv_philox(uint seed, uint stream, uint step, uint index, uint out[4])
{
    philox4x32_key_t key = {{seed, stream}};
    philox4x32_ctr_t counter = {{index, step, 0, 0}};
    philox4x32_ctr_t words = philox4x32_R(10, counter, key);
    for (int i = 0; i < 4; i++) out[i] = words.v[i];
}

/* Uniform on [0, 1): a multiple of 2^-24, exact. */
static inline float iv_uniform(uint word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

/* Uniform on [-1, 1): a multiple of 2^-23, exact. */
static inline float iv_uniform_symmetric(uint word)
{
    return (float)((int)(word >> 8) - (1 << 23)) * 0x1p-23f;
}

/* Integer on [0, n). */
static inline uint iv_below(uint word, uint n)
{
    return mul_hi(word, n);
}

static inline uint iv_mix(uint x)
{
    x ^= x >> 16;
    x *= 0x7feb352dU;
    x ^= x >> 15;
    x *= 0x846ca68bU;
    x ^= x >> 16;
    return x;
}

/* Where a pseudo-random permutation of [0, n) sends i: see random.h. */
static inline uint iv_shuffle(uint seed, uint stream, uint epoch, uint n, uint i)
{
    if (n < 2) return 0;

    uint half_bits = 3;
    while (((n - 1) >> half_bits) >> half_bits) half_bits++;
    const uint mask = (1U << half_bits) - 1;

    uint keys[4];
    iv_philox(seed, stream, epoch, 0xffffffffU, keys);

    do {
        uint left = i >> half_bits, right = i & mask;
        for (uint turn = 0; turn < 8; turn++) {
            const uint key = keys[turn & 3] + turn * 0x9e3779b9U;
            const uint next = left ^ (iv_mix(iv_mix(right + key) ^ keys[(turn + 1) & 3]) & mask);
            left = right;
            right = next;
        }
        i = left << half_bits | right;
    } while (i >= n);
    return i;
}

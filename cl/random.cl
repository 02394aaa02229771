/* Stateless random numbers in kernels: the functions of include/invar/random.h under the same names,
 * with the same bits. The conventions of seed, stream, step and index are described there. */
#include "philox.cl"

/* Same values as the enum of random.h. */
#define IV_STREAM_SPLIT          1U
#define IV_STREAM_INITIAL        2U
#define IV_STREAM_BATCH_ORDER    3U
#define IV_STREAM_AUGMENTATION   4U
#define IV_STREAM_TRANSFORMATION 6U
#define IV_STREAM_POSTERIOR      7U
#define IV_STREAM_EVALUATION     8U
#define IV_STREAM_SIGNAL         9U
#define IV_STREAM_DIGITS         10U
#define IV_STREAM_NOISE          11U
#define IV_STREAM_TEST           12U
#define IV_STREAM_CYCLE          13U
#define IV_STREAM_DATASET        14U

/* Four 32-bit words: Philox4x32-10 with key {seed, stream} and counter {index, step, 0, 0}. */
static inline void iv_philox(uint seed, uint stream, uint step, uint index, uint out[4])
{
    philox4x32_key_t key = {{seed, stream}};
    philox4x32_ctr_t counter = {{index, step, 0, 0}};
    philox4x32_ctr_t words = philox4x32_R(10, counter, key);
    for (int i = 0; i < 4; i++) out[i] = words.v[i];
}

/* The words of 8 indices from `first` on, side by side in vectors for CPU devices: out[4 k ..] are
 * those of first + k. The generator is written out: Salmon et al. 2011, section 3.3. */
static inline void iv_philox_8(uint seed, uint stream, uint step, uint first, uint out[32])
{
    uint8 c0 = first + (uint8)(0, 1, 2, 3, 4, 5, 6, 7), c1 = step, c2 = 0, c3 = 0;
    for (uint round = 0; round < 10; round++) {
        const uint8 high0 = mul_hi(c0, (uint8)(0xd2511f53U)), low0 = c0 * 0xd2511f53U;
        const uint8 high1 = mul_hi(c2, (uint8)(0xcd9e8d57U)), low1 = c2 * 0xcd9e8d57U;
        c0 = high1 ^ c1 ^ (seed + round * 0x9e3779b9U);
        c2 = high0 ^ c3 ^ (stream + round * 0xbb67ae85U);
        c1 = low1;
        c3 = low0;
    }
    uint words[4][8];
    vstore8(c0, 0, words[0]);
    vstore8(c1, 0, words[1]);
    vstore8(c2, 0, words[2]);
    vstore8(c3, 0, words[3]);
    for (uint k = 0; k < 32; k++) out[k] = words[k & 3][k >> 2];
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

/* Two independent standard normal numbers: see random.h for why it is written like this. */
static inline void iv_normal(uint word0, uint word1, float out[2])
{
    /* u = k / 2^24 on (0, 1] as 2^exponent (1 + t), sqrt(1/2) < 1 + t <= sqrt(2) */
    const float k = (float)((word0 >> 8) + 1);
    uint bits = as_uint(k);
    int exponent = (int)(bits >> 23) - 127 - 24;
    bits = (bits & 0x007fffffU) | 0x3f800000U;
    if (bits > 0x3fb504f3U) {
        bits -= 0x00800000U;
        exponent++;
    }
    const float t = as_float(bits) - 1.0f, e = (float)exponent;

    float p = 7.0376836292e-2f;
    p = fma(p, t, -1.1514610310e-1f);
    p = fma(p, t, 1.1676998740e-1f);
    p = fma(p, t, -1.2420140846e-1f);
    p = fma(p, t, 1.4249322787e-1f);
    p = fma(p, t, -1.6668057665e-1f);
    p = fma(p, t, 2.0000714765e-1f);
    p = fma(p, t, -2.4999993993e-1f);
    p = fma(p, t, 3.3333331174e-1f);
    p = fma(p, t, -0.5f);
    const float log_mantissa = fma(t * t, p, t);
    const float log_u = fma(e, 0.693359375f, fma(e, -2.12194440e-4f, log_mantissa));

    /* radius = sqrt(-2 log u): Newton's method for the reciprocal root, then one step for the root */
    const float square = -2.0f * log_u;
    float reciprocal = as_float(0x5f3759dfU - (as_uint(square) >> 1));
    for (int i = 0; i < 3; i++)
        reciprocal = reciprocal * fma(-0.5f * square, reciprocal * reciprocal, 1.5f);
    float radius = square * reciprocal;
    radius = fma(fma(-radius, radius, square), 0.5f * reciprocal, radius);
    if (square == 0.0f) radius = 0.0f;

    /* quarter turns from the two upper bits of word1, and an angle on [-pi/4, pi/4) from the next 24 */
    const uint quarter = word1 >> 30;
    const float angle = (float)((int)((word1 >> 6) & 0xffffffU) - (1 << 23)) * 0x1.921fb6p-24f;
    const float z = angle * angle;
    float s = fma(fma(-1.9515295891e-4f, z, 8.3321608736e-3f), z, -1.6666654611e-1f);
    float c = fma(fma(2.443315711809948e-5f, z, -1.388731625493765e-3f), z, 4.166664568298827e-2f);
    s = fma(z * angle, s, angle);
    c = fma(z, fma(z, c, -0.5f), 1.0f);
    const float x = (quarter & 1) ? -s : c, y = (quarter & 1) ? c : s;
    out[0] = radius * ((quarter & 2) ? -x : x);
    out[1] = radius * ((quarter & 2) ? -y : y);
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

/* What all samples of an epoch's order have in common, and where it sends i: see random.h. Not
 * returned: inlined, that becomes an intrinsic that Oclgrind 21.10 does not know. */
typedef struct {
    uint n, a, b, keys[4];
} iv_shuffler;

static inline void iv_shuffle_prepare(uint seed, uint stream, uint epoch, uint n, iv_shuffler *s)
{
    uint a = 1;
    for (uint bit = 1U << 15; bit > 0; bit >>= 1)
        if ((ulong)(a + bit) * (a + bit) <= n) a += bit;
    a = a < 8 ? 8 : a;
    const uint rows = (n + a - 1) / a;
    s->n = n;
    s->a = a;
    s->b = rows < 8 ? 8 : rows;
    iv_philox(seed, stream, epoch, 0xffffffffU, s->keys);
}

static inline uint iv_shuffle_walk(const iv_shuffler *s, uint i)
{
    const uint a = s->a, b = s->b;
    if (s->n < 2) return 0;
    do {
        /* Not i % b: compilers turn the pair into a `freeze` that Oclgrind does not know. */
        uint left = i / b, right = i - left * b;
        for (uint turn = 0; turn < 8; turn += 2) {
            left += iv_below(iv_mix(right + s->keys[turn & 3] + turn * 0x9e3779b9U), a);
            left -= left >= a ? a : 0;
            right += iv_below(iv_mix(left + s->keys[(turn + 1) & 3] + turn * 0x9e3779b9U), b);
            right -= right >= b ? b : 0;
        }
        i = left * b + right;
    } while (i >= s->n);
    return i;
}

/* Where a pseudo-random permutation of [0, n) sends i: see random.h. */
static inline uint iv_shuffle(uint seed, uint stream, uint epoch, uint n, uint i)
{
    iv_shuffler s;
    iv_shuffle_prepare(seed, stream, epoch, n, &s);
    return iv_shuffle_walk(&s, i);
}

/* iv_shuffle_walk of the 8 numbers from `first` on, side by side in vectors: several times as fast
 * as one by one on CPU devices. Those of n and more go anywhere. */
static inline void iv_shuffle_walk_8(const iv_shuffler *s, uint first, uint out[8])
{
    const uint8 a = s->a, b = s->b;
    uint8 left = first / s->b, right = first - left * b + (uint8)(0, 1, 2, 3, 4, 5, 6, 7);
    const uint8 wraps = as_uint8(right >= b); /* all bits set, or none */
    left -= wraps;
    right -= wraps & b;
    for (uint turn = 0; turn < 8; turn++) {
        uint8 x = (turn & 1 ? left : right) + s->keys[turn & 3] + (turn & 6U) * 0x9e3779b9U;
        x = (x ^ (x >> 16)) * 0x7feb352dU;
        x = (x ^ (x >> 15)) * 0x846ca68bU;
        x ^= x >> 16;
        if (turn & 1) {
            right += mul_hi(x, b);
            right -= as_uint8(right >= b) & b;
        } else {
            left += mul_hi(x, a);
            left -= as_uint8(left >= a) & a;
        }
    }
    vstore8(left * b + right, 0, out);
    for (uint k = 0; k < 8; k++) {
        if (s->n < 2) out[k] = 0;
        if (out[k] >= s->n && first + k < s->n) out[k] = iv_shuffle_walk(s, out[k]);
    }
}

/* Fills buffers with random numbers: initial parameters, and the words that tests compare. */
#include "tensor.cl"
#include "random.cl"

/* x[r][i] uniform on [-bound, bound): word i % 4 of index i / 4, of member r's seed.
 * seeds [R]; x [R, n].  Work-items: (ceil(n / 4), R). */
__kernel void uniform_fill(TENSOR(float, x), __global const uint *restrict seeds, const uint stream,
                           const uint step, const uint n, const uint n_members, const float bound)
{
    const uint i = get_global_id(0), r = get_global_id(1);
    if (i >= (n + 3) / 4 || r >= n_members) return;

    uint words[4];
    iv_philox(seeds[r], stream, step, i, words);
    __global float *const member = MEMBER(x, r);
    for (uint k = 0; k < 4 && 4 * i + k < n; k++)
        member[4 * i + k] = bound * iv_uniform_symmetric(words[k]);
}

/* x[r][i] normal with standard deviation `deviation`: of iv_normal's two numbers of words 0 and 1 of
 * index i / 4, and the two of words 2 and 3, number i % 4.
 * seeds [R]; x [R, n].  Work-items: (ceil(n / 4), R). */
__kernel void normal_fill(TENSOR(float, x), __global const uint *restrict seeds, const uint stream,
                          const uint step, const uint n, const uint n_members,
                          const float deviation)
{
    const uint i = get_global_id(0), r = get_global_id(1);
    if (i >= (n + 3) / 4 || r >= n_members) return;

    uint words[4];
    iv_philox(seeds[r], stream, step, i, words);
    float normal[4];
    iv_normal(words[0], words[1], normal);
    iv_normal(words[2], words[3], normal + 2);
    __global float *const member = MEMBER(x, r);
    for (uint k = 0; k < 4 && 4 * i + k < n; k++) member[4 * i + k] = deviation * normal[k];
}

/* What random.h computes for (seed, stream, step, index), index the work-item: ten words each.
 * out [n, 10]: four Philox words, iv_uniform's and iv_uniform_symmetric's bits, iv_below(word 2, bound),
 * iv_shuffle(seed, stream, step, n, index), the bits of iv_normal(words 0 and 1). */
__kernel void random_words(__global uint *restrict out, const uint seed, const uint stream,
                           const uint step, const uint bound, const uint n)
{
    const uint i = get_global_id(0);
    if (i >= n) return;

    uint words[4];
    iv_philox(seed, stream, step, i, words);
    __global uint *const row = out + 10 * (size_t)i;
    for (uint k = 0; k < 4; k++) row[k] = words[k];
    row[4] = as_uint(iv_uniform(words[0]));
    row[5] = as_uint(iv_uniform_symmetric(words[1]));
    row[6] = iv_below(words[2], bound);
    row[7] = iv_shuffle(seed, stream, step, n, i);

    float normal[2];
    iv_normal(words[0], words[1], normal);
    row[8] = as_uint(normal[0]);
    row[9] = as_uint(normal[1]);
}

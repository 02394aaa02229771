/* Invariance of a network on orbits, one number a sample. Orbit tensors are [G, B, width] with the
 * identity's copy first; means over g run over the other G - 1 elements.
 * Work-items: (samples, members).  Source: Moskalev et al. 2023, section 3. */
#include "softmax.cl"
#include "tensor.cl"

/* Share of the orbit whose largest logit is the label's. */
__kernel void orbit_accuracy(TENSOR(const float, logits), TENSOR(const int, labels),
                             TENSOR(float, out), uint elements, uint batch, uint classes) {
    const size_t b = get_global_id(0), r = get_global_id(1);
    if (b >= batch) return;
    const int label = MEMBER(labels, r)[b];
    uint correct = 0;
    for (uint g = 0; g < elements; g++) {
        __global const float *row = MEMBER(logits, r) + ((size_t)g * batch + b) * classes;
        int winner = 0;
        for (uint c = 1; c < classes; c++)
            if (row[c] > row[winner]) winner = c;
        correct += winner == label;
    }
    MEMBER(out, r)[b] = (float)correct / elements;
}

/* 0.5 |f(x) - f(g x)|^2 */
__kernel void orbit_logit_invariance(TENSOR(const float, logits), TENSOR(float, out), uint elements,
                                     uint batch, uint classes) {
    const size_t b = get_global_id(0), r = get_global_id(1);
    if (b >= batch) return;
    __global const float *identity = MEMBER(logits, r) + b * classes;
    float total = 0.0f;
    for (uint g = 1; g < elements; g++) {
        __global const float *row = identity + (size_t)g * batch * classes;
        float sum = 0.0f;
        for (uint c = 0; c < classes; c++) {
            const float difference = identity[c] - row[c];
            sum = MULTIPLY_ADD(difference, difference, sum);
        }
        total += 0.5f * sum;
    }
    MEMBER(out, r)[b] = total / (elements - 1);
}

/* exp(d) - 1 - d, without cancellation near 0. */
static float exp_remainder(float d) {
    if (fabs(d) > 0.5f) return expm1(d) - d;
    float series = 1.0f / 40320.0f;
    series = MULTIPLY_ADD(series, d, 1.0f / 5040.0f);
    series = MULTIPLY_ADD(series, d, 1.0f / 720.0f);
    series = MULTIPLY_ADD(series, d, 1.0f / 120.0f);
    series = MULTIPLY_ADD(series, d, 1.0f / 24.0f);
    series = MULTIPLY_ADD(series, d, 1.0f / 6.0f);
    series = MULTIPLY_ADD(series, d, 0.5f);
    return series * d * d;
}

/* KL(p || q) = sum of p (q / p - 1 - log(q / p)), p = softmax f(x), q = softmax f(g x): equal to
 * sum of p log(p / q) since both sum to 1, and every term is positive, so nothing cancels. */
__kernel void orbit_distribution_invariance(TENSOR(const float, logits), TENSOR(float, out),
                                            uint elements, uint batch, uint classes) {
    const size_t b = get_global_id(0), r = get_global_id(1);
    if (b >= batch) return;
    __global const float *identity = MEMBER(logits, r) + b * classes;
    const float identity_normalizer = log_sum_exp(identity, classes);
    float total = 0.0f;
    for (uint g = 1; g < elements; g++) {
        __global const float *row = identity + (size_t)g * batch * classes;
        const float row_normalizer = log_sum_exp(row, classes);
        for (uint c = 0; c < classes; c++) {
            const float log_p = identity[c] - identity_normalizer;
            const float log_q = row[c] - row_normalizer;
            total += log_q - log_p > 80.0f ? exp(log_q) : exp(log_p) * exp_remainder(log_q - log_p);
        }
    }
    MEMBER(out, r)[b] = total / (elements - 1);
}

/* Saliency maps are scaled by their largest entry before squaring: their range is wide. 0 for a map
 * of zeros. */
static float largest_magnitude(__global const float *map, uint n) {
    float8 eight = (float8)(0.0f); /* one after the other they would wait for each other */
    uint p = 0;
    for (; p + 8 <= n; p += 8) eight = fmax(eight, fabs(vload8(0, map + p)));
    const float4 four = fmax(eight.lo, eight.hi);
    const float2 two = fmax(four.lo, four.hi);
    float largest = fmax(two.lo, two.hi);
    for (; p < n; p++) largest = fmax(largest, fabs(map[p]));
    return largest;
}

/* cos(g^-1 s(g x), s(x)) */
__kernel void orbit_saliency_similarity(TENSOR(const float, saliency),
                                        __global const ushort *restrict inverse, TENSOR(float, out),
                                        uint elements, uint batch, uint pixels) {
    const size_t b = get_global_id(0), r = get_global_id(1);
    if (b >= batch) return;
    __global const float *identity = MEMBER(saliency, r) + b * pixels;
    const float identity_largest = largest_magnitude(identity, pixels);
    float total = 0.0f;
    for (uint g = 1; g < elements; g++) {
        __global const float *map = identity + (size_t)g * batch * pixels;
        __global const ushort *back = inverse + (size_t)g * pixels;
        const float map_largest = largest_magnitude(map, pixels);
        if (identity_largest == 0.0f || map_largest == 0.0f) continue;
        float dot_product = 0.0f, identity_square = 0.0f, map_square = 0.0f;
        for (uint p = 0; p < pixels; p++) {
            const float x = identity[p] / identity_largest, y = map[back[p]] / map_largest;
            dot_product = MULTIPLY_ADD(x, y, dot_product);
            identity_square = MULTIPLY_ADD(x, x, identity_square);
            map_square = MULTIPLY_ADD(y, y, map_square);
        }
        total += dot_product / sqrt(identity_square * map_square);
    }
    MEMBER(out, r)[b] = total / (elements - 1);
}

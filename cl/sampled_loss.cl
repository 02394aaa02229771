/* Cross-entropy of logits that are Gaussian for each row: antithetic pairs of samples m + s eps and m - s eps,
 * s^2 the variance, one normal number a row, class and pair. */
#include "tensor.cl"
#include "random.cl"

/* A variance counts as at least this, so that its root has a derivative. */
#define SMALLEST 1e-20f

/* eps of classes 4 g .. 4 g + 3 of row b in pair p. */
static inline void draw(uint seed, uint stream, uint step, uint row, uint groups, uint g,
                        float eps[4]) {
    uint words[4];
    iv_philox(seed, stream, step, row * groups + g, words);
    iv_normal(words[0], words[1], eps);
    iv_normal(words[2], words[3], eps + 2);
}

#define FOR_CLASSES(c, eps)                                                                        \
    for (uint g = 0; g < groups; g++) {                                                            \
        float eps[4];                                                                              \
        draw(seed, stream, step, p * rows + b, groups, g, eps);                                    \
        for (uint c = 4 * g; c < min(4 * g + 4, classes); c++) {                                   \
            const float deviation = sqrt(fmax(variance[c], SMALLEST)) * eps[c & 3];                \
            const float above = mean[c] + deviation, below = mean[c] - deviation;

#define END_CLASSES                                                                                \
    }                                                                                              \
    }

/* Of the 2 P samples of each row: loss[b], their mean cross-entropy; its gradients, over B rows, to means and
 * variances; curvature[b], the mean of p (1 - p), p the softmax.  Work-items: (B, members). */
__kernel void sampled_cross_entropy(TENSOR(const float, means), TENSOR(const float, variances),
                                    TENSOR(const int, labels), TENSOR(float, to_means),
                                    TENSOR(float, to_variances), TENSOR(float, loss),
                                    TENSOR(float, curvature), TENSOR(const uint, seeds),
                                    uint stream, uint step, uint rows, uint classes, uint pairs) {
    const uint b = get_global_id(0), r = get_global_id(1), groups = (classes + 3) / 4;
    if (b >= rows) return;
    __global const float *mean = MEMBER(means, r) + (size_t)b * classes;
    __global const float *variance = MEMBER(variances, r) + (size_t)b * classes;
    __global float *to_mean = MEMBER(to_means, r) + (size_t)b * classes;
    __global float *to_variance = MEMBER(to_variances, r) + (size_t)b * classes;
    __global float *bend = MEMBER(curvature, r) + (size_t)b * classes;
    const uint label = MEMBER(labels, r)[b], seed = MEMBER(seeds, r)[0];
    const float weight = 1.0f / (float)(2 * pairs);

    for (uint c = 0; c < classes; c++) to_mean[c] = to_variance[c] = bend[c] = 0.0f;
    float total = 0.0f;
    for (uint p = 0; p < pairs; p++) {
        float2 largest = -INFINITY, sum = 0.0f, of_label = 0.0f;
        FOR_CLASSES(c, eps)
            largest = fmax(largest, (float2)(above, below));
            if (c == label) of_label = (float2)(above, below);
        END_CLASSES
        FOR_CLASSES(c, eps)
            sum += (float2)(exp(above - largest.x), exp(below - largest.y));
        END_CLASSES
        const float2 normalizer = largest + (float2)(log(sum.x), log(sum.y));
        const float2 losses = normalizer - of_label;
        total += losses.x + losses.y;
        FOR_CLASSES(c, eps)
            const float p_above = exp(above - normalizer.x), p_below = exp(below - normalizer.y);
            const float target = c == label ? 1.0f : 0.0f;
            to_mean[c] += (p_above - target) + (p_below - target);
            to_variance[c] += (p_above - p_below) * eps[c & 3];
            bend[c] += p_above * (1.0f - p_above) + p_below * (1.0f - p_below);
        END_CLASSES
    }
    for (uint c = 0; c < classes; c++) {
        const float root = sqrt(fmax(variance[c], SMALLEST));
        to_mean[c] *= weight / (float)rows;
        to_variance[c] *= variance[c] > SMALLEST ? weight / (float)rows / (2.0f * root) : 0.0f;
        bend[c] *= weight;
    }
    MEMBER(loss, r)[b] = total * weight;
}

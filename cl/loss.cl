/* Losses of a batch of logits [rows, C] and what they send back. Work-items: (rows, members), or
 * (elements, members) where a kernel takes n. */
#include "activation.cl"
#include "softmax.cl"
#include "tensor.cl"

/* loss[b] = -log softmax(logits[b])[label[b]];  gradient[b] = (softmax - one_hot) / rows. -DWIDE: for
 * at most 16 classes on devices with wide vectors, a row is a vector, filled up with classes that are
 * impossible, and its exponentials are those of cl/activation.cl. */
#ifdef WIDE
DEFINE_EXPONENTIAL(wide, float16, as_float16, as_uint16)

static float16 power_of_e(float16 x) {
    float16 scale;
    const float16 part = exponential_wide(x, &scale);
    return x < (float16)(EXP_LOWEST) ? (float16)(0.0f) : MULTIPLY_ADD(part, scale, scale);
}

static void softmax_row(__global const float *row, uint classes, float *values, float *normalizer) {
    for (uint c = 0; c < 16; c++) values[c] = c < classes ? row[c] : -INFINITY;
    const float16 x = vload16(0, values);
    const float8 most8 = fmax(x.lo, x.hi);
    const float4 most4 = fmax(most8.lo, most8.hi);
    const float largest = fmax(fmax(most4.x, most4.y), fmax(most4.z, most4.w));
    const float16 e = power_of_e(x - (float16)(largest));
    const float8 sum8 = e.lo + e.hi;
    const float4 sum4 = sum8.lo + sum8.hi;
    *normalizer = largest + log((sum4.x + sum4.y) + (sum4.z + sum4.w));
    vstore16(power_of_e(x - (float16)(*normalizer)), 0, values);
}
#endif

__kernel void cross_entropy(TENSOR(const float, logits), TENSOR(const int, labels),
                            TENSOR(float, gradient), TENSOR(float, loss), uint rows, uint classes) {
    const size_t b = get_global_id(0), r = get_global_id(1);
    if (b >= rows) return;
    __global const float *row = MEMBER(logits, r) + b * classes;
    __global float *out = MEMBER(gradient, r) + b * classes;
    const uint label = MEMBER(labels, r)[b];
#ifdef WIDE
    float probabilities[16], normalizer;
    softmax_row(row, classes, probabilities, &normalizer);
    for (uint c = 0; c < classes; c++)
        out[c] = (probabilities[c] - (c == label ? 1.0f : 0.0f)) / rows;
#else
    const float normalizer = log_sum_exp(row, classes);
    for (uint c = 0; c < classes; c++) {
        const float probability = exp(row[c] - normalizer);
        out[c] = (probability - (c == label ? 1.0f : 0.0f)) / rows;
    }
#endif
    MEMBER(loss, r)[b] = normalizer - row[label];
}

/* distance[b] = 0.5 |a[b] - b[b]|^2. */
__kernel void logit_distance(TENSOR(const float, a), TENSOR(const float, b),
                             TENSOR(float, distance), uint rows, uint classes) {
    const size_t row = get_global_id(0), r = get_global_id(1);
    if (row >= rows) return;
    __global const float *x = MEMBER(a, r) + row * classes;
    __global const float *y = MEMBER(b, r) + row * classes;
    float sum = 0.0f;
    for (uint c = 0; c < classes; c++) sum = MULTIPLY_ADD(x[c] - y[c], x[c] - y[c], sum);
    MEMBER(distance, r)[row] = 0.5f * sum;
}

/* da = (a - b) scale, with -DWEIGHTED times one weight a member. */
__kernel void difference_gradient(TENSOR(const float, a), TENSOR(const float, b),
#ifdef WEIGHTED
                                  TENSOR(const float, weight),
#endif
                                  TENSOR(float, da), uint n, float scale) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i >= n) return;
    const float gradient = (MEMBER(a, r)[i] - MEMBER(b, r)[i]) * scale;
#ifdef WEIGHTED
    MEMBER(da, r)[i] = gradient * MEMBER(weight, r)[0];
#else
    MEMBER(da, r)[i] = gradient;
#endif
}

/* Index of the largest logit of each row, the first among equals. */
__kernel void argmax(TENSOR(const float, logits), TENSOR(int, best), uint rows, uint classes) {
    const size_t b = get_global_id(0), r = get_global_id(1);
    if (b >= rows) return;
    __global const float *row = MEMBER(logits, r) + b * classes;
    int winner = 0;
    for (uint c = 1; c < classes; c++)
        if (row[c] > row[winner]) winner = c;
    MEMBER(best, r)[b] = winner;
}

/* chosen[row] = logits[row][class of row mod B]. */
__kernel void class_logit(TENSOR(const float, logits), TENSOR(const int, class_of),
                          TENSOR(float, chosen), uint rows, uint classes, uint batch) {
    const size_t row = get_global_id(0), r = get_global_id(1);
    if (row >= rows) return;
    MEMBER(chosen, r)[row] = MEMBER(logits, r)[row * classes + MEMBER(class_of, r)[row % batch]];
}

/* out[row][c] = 1 where c is the class of row mod B, else 0. */
__kernel void one_hot(TENSOR(const int, class_of), TENSOR(float, out), uint n, uint classes,
                      uint batch) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i >= n) return;
    /* Not i % classes: compilers turn the pair into a `freeze` that Oclgrind does not know. */
    const size_t row = i / classes, c = i - row * classes;
    const int chosen = MEMBER(class_of, r)[row % batch];
    MEMBER(out, r)[i] = (int)c == chosen ? 1.0f : 0.0f;
}

/* out[row][s][c] = 1 where s = c. */
__kernel void identity_seed(TENSOR(float, out), uint n, uint classes) {
    const size_t i = get_global_id(0), r = get_global_id(1);
    if (i >= n) return;
    const size_t row = i / classes, c = i - row * classes;
    MEMBER(out, r)[i] = c == row % classes ? 1.0f : 0.0f;
}

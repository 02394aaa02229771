/* Optimizers: one launch updates the parameters [R, n] of a whole population, n a multiple of VW.
 * -DVW      floats of a vector
 * -DCHUNK   vectors a work-item, one after another: it reads and computes what all of a member's
 *           parameters share once for all of them
 * Work-items: (ceil(n / (VW CHUNK)), members). */
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
typedef PASTE(float, VW) vector;
#define LOAD(p) PASTE(vload, VW)(i, p)

/* Adam with bias correction (Kingma and Ba 2015). The corrections 1 - beta^t are -expm1(t log beta):
 * no cancellation at small t. beta = 0 works too, since log 0 is minus infinity. */
__kernel void adam(__global float *restrict values, __global const float *restrict gradients,
                   __global float *restrict means, __global float *restrict variances,
                   __global const float *restrict learning_rates, float beta1, float beta2,
                   float log_beta1, float log_beta2, float epsilon, uint n, uint step) {
    const size_t first = get_global_id(0) * CHUNK, r = get_global_id(1);
    const float t = (float)step + 1.0f;
    const float step_size = learning_rates[r] / -expm1(t * log_beta1);
    const float variance_correction = 1.0f / sqrt(-expm1(t * log_beta2));

    const size_t base = r * (n / VW), end = min(first + CHUNK, (size_t)(n / VW));
    for (size_t i = base + first; i < base + end; i++) {
        const vector gradient = LOAD(gradients);
        const vector mean = beta1 * LOAD(means) + (1.0f - beta1) * gradient;
        const vector variance = beta2 * LOAD(variances) + (1.0f - beta2) * gradient * gradient;
        const vector root = sqrt(variance) * variance_correction + epsilon;
        PASTE(vstore, VW)(mean, i, means);
        PASTE(vstore, VW)(variance, i, variances);
        PASTE(vstore, VW)(LOAD(values) - step_size * mean / root, i, values);
    }
}

/* Stochastic gradient descent. Each update is one fma, rounded once: the same bits everywhere. */
__kernel void sgd(__global float *restrict values, __global const float *restrict gradients,
                  __global const float *restrict learning_rates, uint n) {
    const size_t first = get_global_id(0) * CHUNK, r = get_global_id(1);
    const vector down = -learning_rates[r];

    const size_t base = r * (n / VW), end = min(first + CHUNK, (size_t)(n / VW));
    for (size_t i = base + first; i < base + end; i++)
        PASTE(vstore, VW)(fma(down, LOAD(gradients), LOAD(values)), i, values);
}

/* With momentum, as PyTorch writes it: v = momentum v + g, p = p - rate v. */
__kernel void sgd_momentum(__global float *restrict values, __global const float *restrict gradients,
                           __global float *restrict velocities,
                           __global const float *restrict learning_rates, float momentum, uint n) {
    const size_t first = get_global_id(0) * CHUNK, r = get_global_id(1);
    const vector down = -learning_rates[r];

    const size_t base = r * (n / VW), end = min(first + CHUNK, (size_t)(n / VW));
    for (size_t i = base + first; i < base + end; i++) {
        const vector velocity = fma((vector)momentum, LOAD(velocities), LOAD(gradients));
        PASTE(vstore, VW)(velocity, i, velocities);
        PASTE(vstore, VW)(fma(down, velocity, LOAD(values)), i, values);
    }
}

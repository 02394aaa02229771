/* Optimizers: one launch updates n neighbouring parameters from `first` on of every member, out of
 * those [R, stride] of a population; all three are multiples of VW.
 * -DVW      floats of a vector
 * -DCHUNK   vectors a work-item, one after another: it reads and computes what all of a member's
 *           parameters share once for all of them
 * rate_factor multiplies the members' learning rates, and so does the annealing of
 * cl/learning_rate.cl.
 * Work-items: (ceil(n / (VW CHUNK)), members). */
#include "learning_rate.cl"
#include "tensor.cl"

/* Vector number i of an array. */
#define TAKE(p)   PASTE(vload, VW)(i, p)
#define PUT(v, p) PASTE(vstore, VW)(v, i, p)

#define RATE(r) (learning_rates[r] * rate_factor * annealing(step, cosine_steps))

/* Numbers of the vectors that a work-item takes. */
#define FOR_VECTORS(r)                                                                             \
    const size_t base = (r) * (stride / VW) + first / VW, chunk = get_global_id(0) * CHUNK;        \
    const size_t end = base + min(chunk + CHUNK, (size_t)(n / VW));                                \
    for (size_t i = base + chunk; i < end; i++)

/* Adam with bias correction (Kingma and Ba 2015). */
__kernel void adam(__global float *restrict values, __global const float *restrict gradients,
                   __global float *restrict means, __global float *restrict variances,
                   __global const float *restrict learning_rates, float rate_factor,
                   uint cosine_steps, uint stride, uint first, uint n, uint step, float beta1,
                   float beta2, float log_beta1, float log_beta2, float epsilon) {
    const size_t r = get_global_id(1);
    const float step_size = adam_step_size(RATE(r), step, log_beta1);
    const float variance_correction = adam_variance_correction(step, log_beta2);

    FOR_VECTORS(r) {
        const vector gradient = TAKE(gradients);
        const vector mean = beta1 * TAKE(means) + (1.0f - beta1) * gradient;
        const vector variance = beta2 * TAKE(variances) + (1.0f - beta2) * gradient * gradient;
        const vector root = sqrt(variance) * variance_correction + epsilon;
        PUT(mean, means);
        PUT(variance, variances);
        PUT(TAKE(values) - step_size * mean / root, values);
    }
}

/* Stochastic gradient descent. Each update is one fma, rounded once: the same bits everywhere. */
__kernel void sgd(__global float *restrict values, __global const float *restrict gradients,
                  __global const float *restrict learning_rates, float rate_factor,
                  uint cosine_steps, uint stride, uint first, uint n, uint step) {
    const size_t r = get_global_id(1);
    const vector down = -RATE(r);

    FOR_VECTORS(r) {
        PUT(fma(down, TAKE(gradients), TAKE(values)), values);
    }
}

/* With momentum, as PyTorch writes it: v = momentum v + g, p = p - rate v. */
__kernel void sgd_momentum(__global float *restrict values,
                           __global const float *restrict gradients,
                           __global float *restrict velocities,
                           __global const float *restrict learning_rates, float rate_factor,
                           uint cosine_steps, uint stride, uint first, uint n, uint step,
                           float momentum) {
    const size_t r = get_global_id(1);
    const vector down = -RATE(r);

    FOR_VECTORS(r) {
        const vector velocity = fma((vector)momentum, TAKE(velocities), TAKE(gradients));
        PUT(velocity, velocities);
        PUT(fma(down, velocity, TAKE(values)), values);
    }
}

/* Adam with bias correction (Kingma and Ba 2015) over the parameters [R, n] of a whole population,
 * n a multiple of VW. The corrections 1 - beta^t are -expm1(t log beta): no cancellation at small
 * t. beta = 0 works too, since log 0 is minus infinity.
 * -DVW      floats of a vector
 * -DCHUNK   vectors a work-item, one after another: it computes the corrections once for all of
 *           them
 * Work-items: (ceil(n / (VW CHUNK)), members). */
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
typedef PASTE(float, VW) vector;
#define LOAD(p) PASTE(vload, VW)(i, p)

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

/* Kernels that measure a device for `invar bench`: arithmetic, memory and launches.
 *
 * -DVW      floats a vector
 * -DCHAINS  independent chains of multiply-adds a work-item: enough to hide their latency, few enough
 *           to stay in registers
 * -DFUSED   with fma instead of mad */
#include "tensor.cl"

/* Compilers differ in which of the two becomes the device's own instruction. */
#ifdef FUSED
#define STEP(x, a, b) fma(x, a, b)
#else
#define STEP(x, a, b) mad(x, a, b)
#endif

/* x = x * scale + shift, over and over, CHAINS * VW at once; 2 FLOPs each. The result is stored so that
 * nothing can be left out.  out: VW floats a work-item.  Work-items: as many as fill the device. */
__kernel void multiply_adds(__global float *restrict out, const float scale, const float shift,
                            const uint iterations) {
    const size_t i = get_global_id(0);
    const vector scales = (vector)(scale), shifts = (vector)(shift);
    vector chains[CHAINS];
    _Pragma("unroll") for (uint c = 0; c < CHAINS; c++) chains[c] = (vector)((float)(i + c));
    for (uint n = 0; n < iterations; n++)
        _Pragma("unroll") for (uint c = 0; c < CHAINS; c++) chains[c] =
            STEP(chains[c], scales, shifts);
    vector sum = chains[0];
    _Pragma("unroll") for (uint c = 1; c < CHAINS; c++) sum += chains[c];
    SPREAD(sum, out + i * VW);
}

/* out = a.  Work-items: n vectors. */
__kernel void copy(__global float *restrict out, __global const float *restrict a, const uint n) {
    const size_t i = get_global_id(0);
    if (i < n) SPREAD(LOAD(a + i * VW), out + i * VW);
}

/* out = a + factor * b (McCalpin's STREAM).  Work-items: n vectors. */
__kernel void triad(__global float *restrict out, __global const float *restrict a,
                    __global const float *restrict b, const float factor, const uint n) {
    const size_t i = get_global_id(0);
    if (i < n)
        SPREAD(MULTIPLY_ADD((vector)(factor), LOAD(b + i * VW), LOAD(a + i * VW)), out + i * VW);
}

/* Nothing: what a launch costs.  Work-items: 1. */
__kernel void empty(__global float *out) {
}

/* Data sets of uniform random signals [sets, count, D], and their codes [sets, count, PARTS D]:
 * modulus and phase (-DPARTS=2), or modulus, sine and cosine (3), of their DFTs. */
#include "fourier.cl"
#include "random.cl"

/* One set.  first: number of the first signal.  Work-items: signals. */
__kernel void draw_signals(__global float *restrict signals, uint set, uint seed, uint first,
                           uint count) {
    const size_t i = get_global_id(0);
    if (i >= count) return;
    __global float *x = signals + ((size_t)set * count + i) * D;
    for (uint block = 0; 4 * block < D; block++) {
        uint words[4];
        iv_philox(seed, IV_STREAM_SIGNAL, block, first + (uint)i, words);
        for (uint w = 0; w < 4 && 4 * block + w < D; w++)
            x[4 * block + w] = iv_uniform_symmetric(words[w]);
    }
}

/* Entries k and D - k of a code. An imaginary part of 0 is told apart so that signs of zeros and
 * the accuracy of a device's functions do not matter there. */
static void write_code(__global float *code, uint k, float re, float im) {
    if (2 * k > D) return;
    const bool is_real = im == 0.0f;
    const float modulus = is_real ? fabs(re) : sqrt(fma(re, re, im * im));
    const uint mirror = k == 0 ? 0 : D - k;
    code[k] = code[mirror] = modulus;
#if PARTS == 2
    const float phase = is_real ? (re < 0.0f ? M_PI_F : 0.0f) : atan2(im, re);
    code[D + mirror] = is_real ? phase : -phase;
    code[D + k] = phase;
#else
    const float sine = is_real ? 0.0f : im / modulus;
    const float cosine = is_real ? (re < 0.0f ? -1.0f : 1.0f) : re / modulus;
    code[D + mirror] = is_real ? 0.0f : -sine;
    code[D + k] = sine;
    code[2 * D + k] = code[2 * D + mirror] = cosine;
#endif
}

/* Work-groups: (1, signals, sets), of LANES work-items. */
OF_GROUP
__kernel void encode_signals(__global const float *restrict signals,
                             __global const float *restrict table, __global float *restrict codes) {
    const size_t row = get_group_id(2) * get_num_groups(1) + get_group_id(1);
    const uint lane = get_local_id(0);
    SHARED float x[D];
    for (uint j = lane; j < D; j += GROUP) x[j] = signals[row * D + j];
    SYNC();

    for (uint chunk = 0; chunk < COLUMNS / WIDTH; chunk++) {
        coefficients re, im;
        transform(x, table, D, chunk, &re, &im);
#if GROUP == 1
        float real[WIDTH], imaginary[WIDTH];
        vstore8(re, 0, real);
        vstore8(im, 0, imaginary);
        for (uint k = 0; k < WIDTH; k++)
            write_code(codes + row * PARTS * D, chunk * WIDTH + k, real[k], -imaginary[k]);
#else
        write_code(codes + row * PARTS * D, chunk * WIDTH + lane, re, -im);
#endif
    }
}

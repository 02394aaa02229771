/* Blocks of 16 x 16 floats in registers, turned over.
 *
 * -DWIDE_VECTORS   shuffles as literals: PoCL 3.1 makes one instruction of each where registers are
 *                  wide, and several of shuffle2. Without it shuffle2, since Oclgrind 21.10 takes
 *                  what the literals give for uninitialised. */

static float16 interleave_low(float16 a, float16 b) {
#ifdef WIDE_VECTORS
    return (float16)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3,
                     a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7);
#else
    return shuffle2(a, b, (uint16)(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
#endif
}

static float16 interleave_high(float16 a, float16 b) {
#ifdef WIDE_VECTORS
    return (float16)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb,
                     a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf);
#else
    return shuffle2(a, b, (uint16)(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
#endif
}

/* Four perfect shuffles of rows and columns. */
static void transpose_block(float16 *block) {
    _Pragma("unroll") for (uint turn = 0; turn < 4; turn++) {
        float16 mixed[16];
        _Pragma("unroll") for (uint i = 0; i < 8; i++) {
            mixed[2 * i] = interleave_low(block[i], block[i + 8]);
            mixed[2 * i + 1] = interleave_high(block[i], block[i + 8]);
        }
        _Pragma("unroll") for (uint i = 0; i < 16; i++) block[i] = mixed[i];
    }
}

/* Copies of operands as cl/gemm_panel.cl reads them.
 *
 * -DMR -DNV -DVW   its tile
 * -DROWS           of k that a work-item packs, a multiple of 16
 * -DSTRIPS         that a work-item packs
 * -DTRANSPOSE_A, -DTRANSPOSE_B   as in iv_gemm */
#include "tensor.cl"

#if VW == 16
#define WIDE_VECTORS /* such panels are for wide registers alone */
#include "transpose.cl"
#endif

#define PANEL (NV * VW)

/* Values of B for columns column .. column + count - 1 of rows first .. last - 1, one after
 * another, and zeros up to VW columns. */
static void pack_some(__global const float *source, __global float *out, uint column, uint count,
                      uint first, uint last, uint ldb) {
    for (uint p = first; p < last; p++)
        for (uint v = 0; v < VW; v++) {
            const uint j = column + v;
#ifdef TRANSPOSE_B
            out[(size_t)p * PANEL + v] = v < count ? source[(size_t)j * ldb + p] : 0.0f;
#else
            out[(size_t)p * PANEL + v] = v < count ? source[(size_t)p * ldb + j] : 0.0f;
#endif
        }
}

/* Pack op(B) [k, n] into panels [n / (NV VW)][k][NV VW], zeros past n.  B is stored [k, n], or
 * [n, k] with -DTRANSPOSE_B.  Work-items: (panels, blocks of ROWS rows, members). */
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void pack_panels(TENSOR(const float, b), TENSOR(float, panels), uint n, uint k, uint ldb) {
    const uint panel = get_global_id(0), first = get_global_id(1) * ROWS;
    const uint last = min(first + ROWS, k);
    const size_t r = get_global_id(2);
    __global const float *source = MEMBER(b, r);
#if VW == 16 && !defined(TRANSPOSE_B)
    /* A whole panel row by row: the next row may be another page. */
    if (panel * PANEL + PANEL <= n) {
        __global float *out = MEMBER(panels, r) + (size_t)panel * k * PANEL;
        for (uint p = first; p < last; p++)
            _Pragma("unroll") for (uint v = 0; v < PANEL; v += 16)
                STORE16(vload16(0, source + (size_t)p * ldb + panel * PANEL + v),
                        out + (size_t)p * PANEL + v);
        return;
    }
#endif
    for (uint vector = 0; vector < NV; vector++) {
        const uint column = panel * PANEL + vector * VW;
        const uint count = column < n ? min((uint)VW, n - column) : 0;
        __global float *out = MEMBER(panels, r) + (size_t)panel * k * PANEL + vector * VW;
#if VW == 16
        if (count == 0) {
            for (uint p = first; p < last; p++) STORE16((float16)(0.0f), out + (size_t)p * PANEL);
            continue;
        }
#ifdef TRANSPOSE_B
        if (k >= 16) {
            /* Blocks of 16 x 16; the last one begins early enough to end with k, though not before
             * this work-item's rows: two never write the same place. */
            for (uint next = first; next < last; next += 16) {
                const uint row = min(next, k - 16);
                if (row < first) {
                    pack_some(source, out, column, count, next, last, ldb);
                    break;
                }
                float16 block[16];
                _Pragma("unroll") for (uint v = 0; v < 16; v++) block[v] =
                    v < count ? vload16(0, source + (size_t)(column + v) * ldb + row)
                              : (float16)(0.0f);
                transpose_block(block);
                _Pragma("unroll") for (uint p = 0; p < 16; p++)
                    STORE16(block[p], out + (size_t)(row + p) * PANEL);
            }
            continue;
        }
#else
        if (count == 16) {
            for (uint p = first; p < last; p++)
                STORE16(vload16(0, source + (size_t)p * ldb + column), out + (size_t)p * PANEL);
            continue;
        }
#endif
#endif
        pack_some(source, out, column, count, first, last, ldb);
    }
}

/* Pack op(A) [m, k] into strips [m / MR][k][MR], zeros past m.  A is stored [m, k], or [k, m] with
 * -DTRANSPOSE_A.  A work-item packs STRIPS strips, so that it reads long pieces of a row of [k, m]:
 * where the next row is another page, those are what counts.  Work-items: (groups of strips, blocks
 * of ROWS of k, members). */
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void pack_strips(TENSOR(const float, a), TENSOR(float, strips), uint m, uint k, uint lda) {
    const uint strip = get_global_id(0) * STRIPS, first = get_global_id(1) * ROWS;
    const size_t r = get_global_id(2);
    __global const float *source = MEMBER(a, r);
    __global float *out = MEMBER(strips, r) + (size_t)strip * k * MR;
    const uint n_strips = min((uint)STRIPS, (m + MR - 1) / MR - strip), last = min(first + ROWS, k);
    for (uint p = first; p < last; p++)
        for (uint s = 0; s < n_strips; s++) {
            const uint row = (strip + s) * MR;
            __global float *place = out + ((size_t)s * k + p) * MR;
#if defined(TRANSPOSE_A) && MR == 8
            if (row + MR <= m) {
                STORE8(vload8(0, source + (size_t)p * lda + row), place);
                continue;
            }
#endif
            for (uint i = 0; i < MR; i++) {
#ifdef TRANSPOSE_A
                place[i] = row + i < m ? source[(size_t)p * lda + row + i] : 0.0f;
#else
                place[i] = row + i < m ? source[(size_t)(row + i) * lda + p] : 0.0f;
#endif
            }
        }
}

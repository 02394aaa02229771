/* Which k count for a tile of a product whose operand is mostly zero: those at which not all of the
 * tile's rows of A, or columns of B, are 0. cl/gemm_panel.cl sums over these alone.
 *
 * lists [tiles][list_stride]: how many there are, then the first and the gaps to the next ones. Every
 * k is written to the next free place and the place only taken where k counts: no branch to guess
 * wrong. A zero with a minus counts too, which costs a sum of zeros and changes nothing.
 *
 * -DMR   rows of a tile
 * -DNV -DVW   vectors of a tile's columns and their width */
#include "tensor.cl"

static int any_bit(int16 bits) {
    const int8 halves = bits.lo | bits.hi;
    const int4 quarters = halves.lo | halves.hi;
    return (quarters.x | quarters.y) | (quarters.z | quarters.w);
}

/* A row-major [m, k].  Work-items: (strips of MR rows, members). */
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void list_rows(TENSOR(const float, a), TENSOR(ushort, lists), uint m, uint k, uint lda,
                        uint list_stride) {
    const uint strip = get_global_id(0);
    const size_t r = get_global_id(1);
    __global const float *source = MEMBER(a, r);
    __global ushort *list = MEMBER(lists, r) + (size_t)strip * list_stride;
    size_t rows[MR];
    _Pragma("unroll") for (uint i = 0; i < MR; i++) rows[i] =
        (size_t)min(strip * MR + i, m - 1) * lda;
    uint count = 0, last = 0, p = 0;
    for (; p + 16 <= k; p += 16) {
        int16 bits = 0;
        _Pragma("unroll") for (uint i = 0; i < MR; i++) bits |=
            as_int16(vload16(0, source + rows[i] + p));
        if (any_bit(bits) == 0) continue; /* a row of the margin */
        int any[16];
        vstore16(bits, 0, any);
        _Pragma("unroll") for (uint v = 0; v < 16; v++) {
            list[1 + count] = p + v - last;
            count += any[v] != 0;
            last = any[v] != 0 ? p + v : last;
        }
    }
    for (; p < k; p++) {
        int any = 0;
        _Pragma("unroll") for (uint i = 0; i < MR; i++) any |= as_int(source[rows[i] + p]);
        list[1 + count] = p - last;
        count += any != 0;
        last = any != 0 ? p : last;
    }
    list[0] = count;
}

/* B as cl/gemm_panel.cl reads it, in place or packed.  Work-items: (panels of NV vectors, members). */
__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void list_columns(TENSOR(const float, b), TENSOR(ushort, lists), uint n, uint k, uint ldb,
                           uint list_stride, uint panel_stride) {
    const uint panel = get_global_id(0);
    const size_t r = get_global_id(1);
    const uint width = min((uint)(NV * VW), n - panel * NV * VW);
    __global const float *source = MEMBER(b, r) + (size_t)panel * panel_stride;
    __global ushort *list = MEMBER(lists, r) + (size_t)panel * list_stride;
    uint count = 0, last = 0;
    for (uint p = 0; p < k; p++, source += ldb) {
        int16 bits = 0;
        uint j = 0;
        for (; j + 16 <= width; j += 16) bits |= as_int16(vload16(0, source + j));
        int any = any_bit(bits);
        for (; j < width; j++) any |= as_int(source[j]);
        list[1 + count] = p - last;
        count += any != 0;
        last = any != 0 ? p : last;
    }
    list[0] = count;
}

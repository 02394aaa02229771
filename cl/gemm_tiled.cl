/* Matrix products for devices with local memory and many small cores (GPUs):  C = epilogue(op(A) op(B)).
 *
 * A work-group computes a tile of TILE_M x TILE_N entries of C in steps of TILE_K along k. It holds the two
 * tiles of the operands in local memory, each as TILE_K lines, while its work-items already fetch the next
 * ones into registers. A work-item computes ITEM_M x ITEM_N entries, in groups of VECTOR neighbours that
 * lie GROUPS * VECTOR apart, so that neighbouring work-items read neighbouring words. Lines past the end
 * of k and entries past the end of the matrices are zeros. Every sum runs over k in order.
 *
 * -DTILE_M -DTILE_N -DTILE_K -DITEM_M -DITEM_N   the tile; TILE_K is a multiple of 4
 * -DTRANSPOSE_A -DTRANSPOSE_B   A is stored [k, m], B is stored [n, k]
 * -DALIGNED_A -DALIGNED_B -DALIGNED_C   every stored row begins at a multiple of 16 bytes
 * -DACCUMULATE [-DSCALE] -DBIAS -DACTIVATION=n -DGATE=n   parts of the epilogue, in iv_gemm's order
 * -DROW_SUMS   the work-groups of the first columns also sum the rows of op(A)
 *
 * Work-groups: (tiles of rows, tiles of columns, members). */
#include "product_end.cl"

DEFINE_ACTIVATION(number, float, as_float, as_uint)
DEFINE_GATE(number, float)

#define ITEMS_M (TILE_M / ITEM_M)
#define ITEMS_N (TILE_N / ITEM_N)
#define GROUP   (ITEMS_M * ITEMS_N)

/* Vectors that a work-item fetches of each operand's tile. */
#define FETCH_A (TILE_M * TILE_K / 4 / GROUP)
#define FETCH_B (TILE_N * TILE_K / 4 / GROUP)

/* Four extra words a line spread the transposing stores over the banks and keep lines aligned. */
#define LINE_A (TILE_M + 4)
#define LINE_B (TILE_N + 4)

#define VECTOR_M (ITEM_M % 4 == 0 ? 4 : ITEM_M % 2 == 0 ? 2 : 1)
#define VECTOR_N (ITEM_N % 4 == 0 ? 4 : ITEM_N % 2 == 0 ? 2 : 1)

/* Entry i of work-item `item` in a tile: row or column within the tile. */
#define WITHIN(i, item, items, vector) ((i) / (vector) * ((items) * (vector)) + (item) * (vector) + (i) % (vector))

typedef struct {
    __global const float *matrix;
    uint rows, columns, row_length; /* as stored */
} stored;

/* Four neighbours of a stored row, zeros where they lie outside the matrix. */
static float4 fetch4(const stored *s, uint row, uint column, bool aligned) {
    if (row >= s->rows || column >= s->columns) return (float4)(0.0f);
    __global const float *from = s->matrix + (size_t)row * s->row_length + column;
    const uint left = s->columns - column;
    if (left >= 4) return aligned ? *(__global const float4 *)from : vload4(0, from);
    float4 value = (float4)(from[0], 0.0f, 0.0f, 0.0f);
    if (left > 1) value.s1 = from[1];
    if (left > 2) value.s2 = from[2];
    return value;
}

/* Vector number i of an operand's tile whose stored rows run along k (ALONG) or across it (ACROSS): where
 * it is fetched from, and where its elements go in local memory. */
#define FETCH_ALONG(s, i, first, p, aligned) fetch4(s, first + (i) / (TILE_K / 4), p + (i) % (TILE_K / 4) * 4, aligned)
#define FETCH_ACROSS(s, i, first, p, tile, aligned) fetch4(s, p + (i) / (tile / 4), first + (i) % (tile / 4) * 4, aligned)

static void put_along(__local float *lines, uint line, uint i, float4 value) {
    __local float *to = lines + i % (TILE_K / 4) * 4 * line + i / (TILE_K / 4);
    to[0] = value.s0;
    to[line] = value.s1;
    to[2 * line] = value.s2;
    to[3 * line] = value.s3;
}

static void put_across(__local float *lines, uint line, uint tile, uint i, float4 value) {
    vstore4(value, 0, lines + i / (tile / 4) * line + i % (tile / 4) * 4);
}

#ifdef TRANSPOSE_A
#define FETCH_A_TILE(i, p) FETCH_ACROSS(&a, i, first_row, p, TILE_M, ALIGN_A)
#define PUT_A(i, value)    put_across(lines_a, LINE_A, TILE_M, i, value)
#else
#define FETCH_A_TILE(i, p) FETCH_ALONG(&a, i, first_row, p, ALIGN_A)
#define PUT_A(i, value)    put_along(lines_a, LINE_A, i, value)
#endif
#ifdef TRANSPOSE_B
#define FETCH_B_TILE(i, p) FETCH_ALONG(&b, i, first_column, p, ALIGN_B)
#define PUT_B(i, value)    put_along(lines_b, LINE_B, i, value)
#else
#define FETCH_B_TILE(i, p) FETCH_ACROSS(&b, i, first_column, p, TILE_N, ALIGN_B)
#define PUT_B(i, value)    put_across(lines_b, LINE_B, TILE_N, i, value)
#endif
#ifdef ALIGNED_A
#define ALIGN_A true
#else
#define ALIGN_A false
#endif
#ifdef ALIGNED_B
#define ALIGN_B true
#else
#define ALIGN_B false
#endif

/* The VECTOR entries of a line that belong together, into out[0 .. vector). */
static void load_line(__local const float *from, float *out, uint vector) {
    if (vector == 4) {
        const float4 v = *(__local const float4 *)from;
        out[0] = v.s0, out[1] = v.s1, out[2] = v.s2, out[3] = v.s3;
    } else if (vector == 2) {
        const float2 v = *(__local const float2 *)from;
        out[0] = v.s0, out[1] = v.s1;
    } else {
        out[0] = *from;
    }
}

__attribute__((reqd_work_group_size(GROUP, 1, 1)))
__kernel void gemm_tiled(TENSOR(const float, a), TENSOR(const float, b), TENSOR(float, c),
#ifdef SCALE
                         TENSOR(const float, scale),
#endif
#ifdef BIAS
                         TENSOR(const float, bias),
#endif
#ifdef GATE
                         TENSOR(const float, gate), uint gate_rows,
#endif
#ifdef ROW_SUMS
                         TENSOR(float, row_sums),
#endif
                         uint m, uint n, uint k, uint lda, uint ldb, uint ldc) {
    __local float lines_a[TILE_K * LINE_A] __attribute__((aligned(16)));
    __local float lines_b[TILE_K * LINE_B] __attribute__((aligned(16)));
    const uint item = get_local_id(0), item_n = item % ITEMS_N, item_m = item / ITEMS_N;
    const uint first_row = get_group_id(0) * TILE_M, first_column = get_group_id(1) * TILE_N;
    const size_t r = get_group_id(2);

#ifdef TRANSPOSE_A
    const stored a = {MEMBER(a, r), k, m, lda};
#else
    const stored a = {MEMBER(a, r), m, k, lda};
#endif
#ifdef TRANSPOSE_B
    const stored b = {MEMBER(b, r), n, k, ldb};
#else
    const stored b = {MEMBER(b, r), k, n, ldb};
#endif

    float sum[ITEM_M][ITEM_N];
    _Pragma("unroll") for (uint i = 0; i < ITEM_M; i++)
        _Pragma("unroll") for (uint j = 0; j < ITEM_N; j++) sum[i][j] = 0.0f;
#ifdef ROW_SUMS
    float row_sum[(TILE_M + GROUP - 1) / GROUP];
    for (uint i = 0; i < (TILE_M + GROUP - 1) / GROUP; i++) row_sum[i] = 0.0f;
#endif

    float4 next_a[FETCH_A], next_b[FETCH_B];
    _Pragma("unroll") for (uint i = 0; i < FETCH_A; i++) next_a[i] = FETCH_A_TILE(i * GROUP + item, 0);
    _Pragma("unroll") for (uint i = 0; i < FETCH_B; i++) next_b[i] = FETCH_B_TILE(i * GROUP + item, 0);

    for (uint p = 0; p < k; p += TILE_K) {
        _Pragma("unroll") for (uint i = 0; i < FETCH_A; i++) PUT_A(i * GROUP + item, next_a[i]);
        _Pragma("unroll") for (uint i = 0; i < FETCH_B; i++) PUT_B(i * GROUP + item, next_b[i]);
        barrier(CLK_LOCAL_MEM_FENCE);

        /* Past the end of k these are zeros that nobody stores. */
        _Pragma("unroll") for (uint i = 0; i < FETCH_A; i++) next_a[i] =
            FETCH_A_TILE(i * GROUP + item, p + TILE_K);
        _Pragma("unroll") for (uint i = 0; i < FETCH_B; i++) next_b[i] =
            FETCH_B_TILE(i * GROUP + item, p + TILE_K);

        _Pragma("unroll 4") for (uint q = 0; q < TILE_K; q++) {
            float left[ITEM_M], right[ITEM_N];
            _Pragma("unroll") for (uint i = 0; i < ITEM_M; i += VECTOR_M)
                load_line(lines_a + q * LINE_A + WITHIN(i, item_m, ITEMS_M, VECTOR_M), left + i, VECTOR_M);
            _Pragma("unroll") for (uint j = 0; j < ITEM_N; j += VECTOR_N)
                load_line(lines_b + q * LINE_B + WITHIN(j, item_n, ITEMS_N, VECTOR_N), right + j, VECTOR_N);
            _Pragma("unroll") for (uint i = 0; i < ITEM_M; i++)
                _Pragma("unroll") for (uint j = 0; j < ITEM_N; j++) sum[i][j] =
                    MULTIPLY_ADD(left[i], right[j], sum[i][j]);
        }
#ifdef ROW_SUMS
        if (first_column == 0)
            for (uint i = 0; i * GROUP + item < TILE_M; i++)
                for (uint q = 0; q < TILE_K; q++) row_sum[i] += lines_a[q * LINE_A + i * GROUP + item];
#endif
        barrier(CLK_LOCAL_MEM_FENCE);
    }

#ifdef ROW_SUMS
    if (first_column == 0)
        for (uint i = 0; i * GROUP + item < TILE_M && first_row + i * GROUP + item < m; i++) {
            __global float *total = MEMBER(row_sums, r) + first_row + i * GROUP + item;
#ifdef SCALE
            *total = fma(MEMBER(scale, r)[0], row_sum[i], *total);
#else
            *total = row_sum[i];
#endif
        }
#endif

    _Pragma("unroll") for (uint i = 0; i < ITEM_M; i++) {
        const uint row = first_row + WITHIN(i, item_m, ITEMS_M, VECTOR_M);
        if (row >= m) continue;
        __global float *c_row = MEMBER(c, r) + (size_t)row * ldc;
#ifdef GATE
        __global const float *gate_row = MEMBER(gate, r) + (size_t)(row / gate_rows) * n;
#endif
        _Pragma("unroll") for (uint j = 0; j < ITEM_N; j += VECTOR_N) {
            const uint column = first_column + WITHIN(j, item_n, ITEMS_N, VECTOR_N);
            float value[VECTOR_N];
            _Pragma("unroll") for (uint v = 0; v < VECTOR_N; v++) {
                value[v] = sum[i][j + v];
                if (column + v >= n) continue;
                ADD_TO_RESULT(float, value[v], MEMBER(scale, r)[0], c_row[column + v])
                FINISH_PRODUCT(number, value[v], MEMBER(bias, r)[column + v], gate_row[column + v])
            }
#ifdef ALIGNED_C
            if (VECTOR_N == 4 && column + 4 <= n) {
                *(__global float4 *)(c_row + column) =
                    (float4)(value[0], value[1 % VECTOR_N], value[2 % VECTOR_N], value[3 % VECTOR_N]);
                continue;
            }
#endif
            for (uint v = 0; v < VECTOR_N && column + v < n; v++) c_row[column + v] = value[v];
        }
    }
}

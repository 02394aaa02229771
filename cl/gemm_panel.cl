/* Matrix products for devices with caches and wide vectors (CPUs):  C = epilogue(op(A) B).
 *
 * One work-item computes a tile of MR rows and NV vectors of VW columns, held in registers for the
 * whole sum over k. The last tile of rows begins MR before the end and leaves those alone that the
 * one before it has. B is read as panels of NV vectors: entry (p, j) of panel t lies at t *
 * panel_stride + p * ldb + j, which describes both a packed copy (ldb = NV * VW) and a row-major
 * matrix read in place (panel_stride = NV * VW). A is read in place or as packed strips of MR rows.
 *
 * -DMR -DNV -DVW   the tile
 * -DTRANSPOSE_A    A is stored [k, m]
 * -DFEW_ROWS       m < MR: there is one tile of rows, and past the end it repeats the last one
 * -DPACKED_A       A is packed as [m / MR][k][MR]; lda is then the elements of a strip
 * -DACCUMULATE [-DSCALE] -DBIAS -DACTIVATION=n -DGATE=n   parts of the epilogue, in iv_gemm's order
 * -DLISTS=0|1      sums over the k in a list alone (cl/gemm_lists.cl): 0, that of the tile's rows of
 *                  A, which is read in place; 1, that of its columns of B
 * -DROW_SUMS=0|1   the work-items of the first panel also sum the rows of op(A); 1: add to what is
 *                  there
 *
 * Work-items: (tiles of rows, panels, members), one a work-group. */
#include "product_end.cl"

DEFINE_ACTIVATION(number, float, as_float, as_uint)
DEFINE_GATE(number, float)
#if VW == 1
DEFINE_ACTIVATION(vector, vector, as_float, as_uint)
#else
DEFINE_ACTIVATION(vector, vector, PASTE(as_float, VW), PASTE(as_uint, VW))
#endif
DEFINE_GATE(vector, vector)

/* Where row i of the tile lies in A, from its first one, and how far it is to the next k. */
#if defined(PACKED_A)
#define A_ROW(t, i) (i)
#define A_K_STRIDE(t) MR
#elif defined(FEW_ROWS)
#define A_ROW(t, i) (size_t)min((uint)(i), (t)->m - 1) * A_ROW_STRIDE(t)
#else
#define A_ROW(t, i) (size_t)(i) * A_ROW_STRIDE(t)
#endif
#if defined(TRANSPOSE_A)
#define A_ROW_STRIDE(t) 1
#define A_K_STRIDE(t) (t)->lda
#elif !defined(PACKED_A)
#define A_ROW_STRIDE(t) (t)->lda
#define A_K_STRIDE(t) 1
#endif

typedef struct {
    __global const float *a, *b;
    __global float *c;
    __global const float *bias, *gate;
    __global float *row_sums;
    float scale;
    __global const ushort *list;
    uint m, n, k, lda, ldb, ldc, gate_rows, row, column;
    uint first; /* row of the tile that is its own, as all after it */
} tile;

#ifdef ROW_SUMS
/* The rows of this tile summed over k: four sums each, so that additions need not wait for one
 * another. */
static void sum_rows(const tile *t) {
    float sum[4][MR];
    size_t rows[MR];
    _Pragma("unroll") for (uint i = 0; i < MR; i++) {
        rows[i] = A_ROW(t, i);
#ifdef SCALE
        sum[0][i] = 0.0f;
#else
        sum[0][i] = ROW_SUMS && i >= t->first && t->row + i < t->m ? t->row_sums[t->row + i] : 0.0f;
#endif
        sum[1][i] = sum[2][i] = sum[3][i] = 0.0f;
    }
    __global const float *a = t->a;
    uint p = 0;
    for (; p + 4 <= t->k; p += 4)
        _Pragma("unroll") for (uint q = 0; q < 4; q++, a += A_K_STRIDE(t))
            _Pragma("unroll") for (uint i = 0; i < MR; i++) sum[q][i] += a[rows[i]];
    for (; p < t->k; p++, a += A_K_STRIDE(t))
        _Pragma("unroll") for (uint i = 0; i < MR; i++) sum[0][i] += a[rows[i]];
    for (uint i = t->first; i < MR && t->row + i < t->m; i++) {
        const float total = (sum[0][i] + sum[1][i]) + (sum[2][i] + sum[3][i]);
#ifdef SCALE
        t->row_sums[t->row + i] = fma(t->scale, total, t->row_sums[t->row + i]);
#else
        t->row_sums[t->row + i] = total;
#endif
    }
}
#endif

static float epilogue_scalar(float sum, const tile *t, uint i, uint j) {
    ADD_TO_RESULT(float, sum, t->scale, t->c[(size_t)i * t->ldc + j])
    FINISH_PRODUCT(number, sum, t->bias[j], t->gate[(size_t)(i / t->gate_rows) * t->n + j])
    return sum;
}

static vector epilogue(vector sum, const tile *t, uint i, uint j) {
    ADD_TO_RESULT(vector, sum, t->scale, LOAD(t->c + (size_t)i * t->ldc + j))
    FINISH_PRODUCT(vector, sum, LOAD(t->bias + j),
                   LOAD(t->gate + (size_t)(i / t->gate_rows) * t->n + j))
    return sum;
}

/* What follows the sums of a tile. Rows in memory and a loop that is not unrolled: the epilogue, the
 * longest part of the kernel by far, would be there for every row. The vectors of a row side by side,
 * so that the steps of one need not wait for each other. `vectors` is a constant of every caller. */
__attribute__((always_inline)) static void finish_tile(const tile *t, const vector *sums,
                                                       uint vectors) {
    const uint rows = min((uint)MR, t->m - t->row);
    const uint whole = min(vectors, (t->n - t->column) / VW);
    _Pragma("unroll 1") for (uint i = t->first; i < rows; i++) {
        const uint row = t->row + i;
        __global float *c = t->c + (size_t)row * t->ldc + t->column;
        vector value[NV];
        if (whole == vectors) {
            _Pragma("unroll") for (uint j = 0; j < vectors; j++) value[j] =
                epilogue(sums[i * vectors + j], t, row, t->column + j * VW);
            _Pragma("unroll") for (uint j = 0; j < vectors; j++) STORE(value[j], c + j * VW);
        } else {
            for (uint j = 0; j < whole; j++)
                STORE(epilogue(sums[i * vectors + j], t, row, t->column + j * VW), c + j * VW);
            float last[VW];
            SPREAD(sums[i * vectors + whole], last);
            const uint column = t->column + whole * VW;
            for (uint v = 0; column + v < t->n; v++)
                c[whole * VW + v] = epilogue_scalar(last[v], t, row, column + v);
        }
    }
}

/* The steps of a sum over k: a and b go on by one, or by the gaps of a list. */
#ifdef LISTS
#define N_STEPS(t) (t)->list[0]
#define BEFORE_STEP(t, q)                                                                          \
    const uint gap = (t)->list[1 + (q)];                                                           \
    a += (size_t)gap * A_K_STRIDE(t);                                                              \
    b += (size_t)gap * (t)->ldb
#define AFTER_STEP(t)
#else
#define N_STEPS(t) (t)->k
#define BEFORE_STEP(t, q)
#define AFTER_STEP(t)                                                                              \
    a += A_K_STRIDE(t);                                                                            \
    b += (t)->ldb
#endif

/* The tile with `vectors` of its NV columns' vectors inside the matrix. Every caller passes a
 * constant, so that the loops unroll and the accumulators stay in registers. */
#define TILE(vectors)                                                                              \
    static void compute_tile_##vectors(const tile *t) {                                            \
        size_t rows[MR];                                                                           \
        _Pragma("unroll") for (uint i = 0; i < MR; i++) rows[i] = A_ROW(t, i);                     \
        vector sum[MR][vectors];                                                                   \
        _Pragma("unroll") for (uint i = 0; i < MR; i++)                                            \
            _Pragma("unroll") for (uint j = 0; j < vectors; j++) sum[i][j] = (vector)(0.0f);       \
        __global const float *a = t->a, *b = t->b;                                                 \
        const uint n_steps = N_STEPS(t);                                                           \
        for (uint q = 0; q < n_steps; q++) {                                                       \
            BEFORE_STEP(t, q);                                                                     \
            vector right[vectors];                                                                 \
            _Pragma("unroll") for (uint j = 0; j < vectors; j++) right[j] = LOAD(b + j * VW);      \
            _Pragma("unroll") for (uint i = 0; i < MR; i++) {                                      \
                const vector left = (vector)(a[rows[i]]);                                          \
                _Pragma("unroll") for (uint j = 0; j < vectors; j++) sum[i][j] =                   \
                    MULTIPLY_ADD(left, right[j], sum[i][j]);                                       \
            }                                                                                      \
            AFTER_STEP(t);                                                                         \
        }                                                                                          \
        vector result[MR * vectors];                                                               \
        _Pragma("unroll") for (uint i = 0; i < MR; i++)                                            \
            _Pragma("unroll") for (uint j = 0; j < vectors; j++) result[i * vectors + j] = sum[i][j];\
        finish_tile(t, result, vectors);                                                           \
    }

TILE(1)
#if NV > 1
TILE(2)
#endif
#if NV > 2
TILE(3)
#endif
#if NV > 3
TILE(4)
#endif

__attribute__((reqd_work_group_size(1, 1, 1)))
__kernel void gemm_panel(TENSOR(const float, a), TENSOR(const float, b), TENSOR(float, c),
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
#ifdef LISTS
                         TENSOR(const ushort, lists), uint list_stride,
#endif
                         uint m, uint n, uint k, uint lda, uint ldb, uint panel_stride, uint ldc) {
    const size_t r = get_global_id(2);
    const uint panel = get_global_id(1);
    tile t;
    t.m = m;
    t.n = n;
    t.k = k;
    t.lda = lda;
    t.ldb = ldb;
    t.ldc = ldc;
    const uint own = get_global_id(0) * MR;
#if defined(PACKED_A) || defined(FEW_ROWS)
    t.row = own;
#else
    t.row = min(own, m - MR);
#endif
    t.first = own - t.row;
    t.column = panel * NV * VW;
#ifdef PACKED_A
    t.a = MEMBER(a, r) + get_global_id(0) * (size_t)lda;
#else
    t.a = MEMBER(a, r) + (size_t)t.row * A_ROW_STRIDE(&t);
#endif
    t.b = MEMBER(b, r) + (size_t)panel * panel_stride;
    t.c = MEMBER(c, r);
#ifdef SCALE
    t.scale = MEMBER(scale, r)[0];
#endif
#ifdef BIAS
    t.bias = MEMBER(bias, r);
#endif
#ifdef GATE
    t.gate = MEMBER(gate, r);
    t.gate_rows = gate_rows;
#endif
#ifdef LISTS
    t.list = MEMBER(lists, r) + (LISTS ? panel : get_global_id(0)) * (size_t)list_stride;
#endif
#ifdef ROW_SUMS
    t.row_sums = MEMBER(row_sums, r);
    if (panel == 0) sum_rows(&t);
#endif
    switch (min((n - t.column + VW - 1) / VW, (uint)NV)) {
    case 1: compute_tile_1(&t); break;
#if NV > 1
    case 2: compute_tile_2(&t); break;
#endif
#if NV > 2
    case 3: compute_tile_3(&t); break;
#endif
#if NV > 3
    case 4: compute_tile_4(&t); break;
#endif
    }
}

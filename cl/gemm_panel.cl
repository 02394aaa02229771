/* Matrix products for devices with caches and wide vectors (CPUs):  C = epilogue(op(A) B).
 *
 * One work-item computes a tile of MR rows and NV vectors of VW columns, held in registers for the
 * whole sum over k. B is read as panels of NV vectors: entry (p, j) of panel t lies at t *
 * panel_stride + p * ldb + j, which describes both a packed copy (ldb = NV * VW) and a row-major
 * matrix read in place (panel_stride = NV * VW). A is read in place, rows past the end repeating
 * the last one, or as packed strips of MR rows.
 *
 * -DMR -DNV -DVW   the tile
 * -DTRANSPOSE_A    A is stored [k, m]
 * -DPACKED_A       A is packed as [m / MR][k][MR]; lda is then the elements of a strip
 * -DBIAS -DACTIVATION=n -DACCUMULATE -DGATE=n   parts of the epilogue, in iv_gemm's order
 * -DROW_SUMS=0|1   the work-items of the first panel also sum the rows of op(A); 1: add to what is
 *                  there
 *
 * Work-items: (tiles of rows, panels, members), one a work-group. */
#include "activation.cl"
#include "tensor.cl"

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#if VW == 1
typedef float vector;
#define LOAD(p) (*(p))
#define STORE(v, p) (*(p) = (v))
#define SPREAD(v, p) (*(p) = (v))
#else
typedef PASTE(float, VW) vector;
#define LOAD(p) PASTE(vload, VW)(0, p)
#define STORE(v, p) PASTE(STORE, VW)(v, p)
#define SPREAD(v, p) PASTE(vstore, VW)(v, 0, p)
#endif

DEFINE_ACTIVATION(number, float, as_float, as_uint)
DEFINE_GATE(number, float)
#if VW == 1
DEFINE_ACTIVATION(vector, vector, as_float, as_uint)
#else
DEFINE_ACTIVATION(vector, vector, PASTE(as_float, VW), PASTE(as_uint, VW))
#endif
DEFINE_GATE(vector, vector)

/* Where row i of the tile lies in A, and how far it is to the next k. */
#if defined(PACKED_A)
#define A_ROW(t, i) ((size_t)((t)->row / MR) * (t)->lda + (i))
#define A_K_STRIDE(t) MR
#elif defined(TRANSPOSE_A)
#define A_ROW(t, i) ((size_t)min((t)->row + (i), (t)->m - 1))
#define A_K_STRIDE(t) (t)->lda
#else
#define A_ROW(t, i) ((size_t)min((t)->row + (i), (t)->m - 1) * (t)->lda)
#define A_K_STRIDE(t) 1
#endif

typedef struct {
    __global const float *a, *b;
    __global float *c;
    __global const float *bias, *gate;
    __global float *row_sums;
    uint m, n, k, lda, ldb, ldc, gate_rows, row, column;
} tile;

#ifdef ROW_SUMS
/* The rows of this tile summed over k: four sums each, so that additions need not wait for one
 * another. */
static void sum_rows(const tile *t) {
    float sum[4][MR];
    size_t rows[MR];
    _Pragma("unroll") for (uint i = 0; i < MR; i++) {
        rows[i] = A_ROW(t, i);
        sum[0][i] = ROW_SUMS && t->row + i < t->m ? t->row_sums[t->row + i] : 0.0f;
        sum[1][i] = sum[2][i] = sum[3][i] = 0.0f;
    }
    __global const float *a = t->a;
    uint p = 0;
    for (; p + 4 <= t->k; p += 4)
        _Pragma("unroll") for (uint q = 0; q < 4; q++, a += A_K_STRIDE(t))
            _Pragma("unroll") for (uint i = 0; i < MR; i++) sum[q][i] += a[rows[i]];
    for (; p < t->k; p++, a += A_K_STRIDE(t))
        _Pragma("unroll") for (uint i = 0; i < MR; i++) sum[0][i] += a[rows[i]];
    for (uint i = 0; i < MR && t->row + i < t->m; i++)
        t->row_sums[t->row + i] = (sum[0][i] + sum[1][i]) + (sum[2][i] + sum[3][i]);
}
#endif

static float epilogue_scalar(float sum, const tile *t, uint i, uint j) {
#ifdef ACCUMULATE
    sum += t->c[(size_t)i * t->ldc + j];
#endif
#ifdef BIAS
    sum += t->bias[j];
#endif
#ifdef ACTIVATION
    sum = activate_number(sum);
#endif
#ifdef GATE
    sum = pass_number(sum, t->gate[(size_t)(i / t->gate_rows) * t->n + j]);
#endif
    return sum;
}

static vector epilogue(vector sum, const tile *t, uint i, uint j) {
#ifdef ACCUMULATE
    sum += LOAD(t->c + (size_t)i * t->ldc + j);
#endif
#ifdef BIAS
    sum += LOAD(t->bias + j);
#endif
#ifdef ACTIVATION
    sum = activate_vector(sum);
#endif
#ifdef GATE
    sum = pass_vector(sum, LOAD(t->gate + (size_t)(i / t->gate_rows) * t->n + j));
#endif
    return sum;
}

/* What follows the sums of a tile. Rows in memory and a loop that is not unrolled: the epilogue, the
 * longest part of the kernel by far, would be there for every row. The vectors of a row side by side,
 * so that the steps of one need not wait for each other. `vectors` is a constant of every caller. */
__attribute__((always_inline)) static void finish_tile(const tile *t, const vector *sums,
                                                       uint vectors) {
    const uint rows = min((uint)MR, t->m - t->row);
    const uint whole = min(vectors, (t->n - t->column) / VW);
    _Pragma("unroll 1") for (uint i = 0; i < rows; i++) {
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
        for (uint p = 0; p < t->k; p++) {                                                          \
            vector right[vectors];                                                                 \
            _Pragma("unroll") for (uint j = 0; j < vectors; j++) right[j] = LOAD(b + j * VW);      \
            _Pragma("unroll") for (uint i = 0; i < MR; i++) {                                      \
                const vector left = (vector)(a[rows[i]]);                                          \
                _Pragma("unroll") for (uint j = 0; j < vectors; j++) sum[i][j] =                   \
                    MULTIPLY_ADD(left, right[j], sum[i][j]);                                       \
            }                                                                                      \
            a += A_K_STRIDE(t);                                                                    \
            b += t->ldb;                                                                           \
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
#ifdef BIAS
                         TENSOR(const float, bias),
#endif
#ifdef GATE
                         TENSOR(const float, gate), uint gate_rows,
#endif
#ifdef ROW_SUMS
                         TENSOR(float, row_sums),
#endif
                         uint m, uint n, uint k, uint lda, uint ldb, uint panel_stride, uint ldc) {
    const size_t r = get_global_id(2);
    const uint panel = get_global_id(1);
    tile t;
    t.row = get_global_id(0) * MR;
    t.column = panel * NV * VW;
    t.a = MEMBER(a, r);
    t.b = MEMBER(b, r) + (size_t)panel * panel_stride;
    t.c = MEMBER(c, r);
#ifdef BIAS
    t.bias = MEMBER(bias, r);
#endif
#ifdef GATE
    t.gate = MEMBER(gate, r);
    t.gate_rows = gate_rows;
#endif
    t.m = m;
    t.n = n;
    t.k = k;
    t.lda = lda;
    t.ldb = ldb;
    t.ldc = ldc;
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

/* Dense linear algebra on the device: matrix products, singular values, Cholesky factors and
 * triangular solves, batched over members.
 *
 * All matrices are row-major float32. Functions append launches to a sequence; the work happens
 * when the sequence runs. */
#ifndef INVAR_LINALG_H
#define INVAR_LINALG_H

#include <invar/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ matrix products */

/* Element-wise, within a few units in the last place over the whole range; NaN gives NaN. What
 * would be below the smallest normal number may be 0. */
typedef enum {
    IV_ACTIVATION_NONE,
    IV_ACTIVATION_RELU, /* max(x, 0) */
    /* lambda x if x > 0, else lambda alpha (exp(x) - 1), where lambda = 1.0507009873554805 and
     * alpha = 1.6732632423543772: Klambauer 2017 */
    IV_ACTIVATION_SELU,
    IV_ACTIVATION_SIGMOID, /* 1 / (1 + exp(-x)) */
    IV_ACTIVATION_TANH,    /* the bipolar sigmoid */
} iv_activation;

typedef enum {
    IV_ENGINE_AUTO, /* what was tuned for the device (invar/tune.h), else by its type and the size;
                       INVAR_GEMM_ENGINE=clblast, panel or tiled overrides */
    IV_ENGINE_CLBLAST, /* CLBlast's strided-batched GEMM, then an epilogue kernel */
    IV_ENGINE_PANEL,   /* own register-tiled kernel, for devices with caches and wide vectors */
    IV_ENGINE_TILED,   /* own kernel with blocks in local memory, for GPUs */
} iv_gemm_engine;

/* For every member r < batch:  C_r = epilogue(op(A_r) op(B_r))
 * with op(A) [m, k], op(B) [k, n], C [m, n].
 *
 * epilogue(S) = gate ∘ activation(S + bias [+ C]):
 *   accumulate  adds to what C holds
 *   scale       with accumulate alone: C + s_r S, s_r one number a member; one fma an entry, or
 *               one for each block of a long sum
 *   bias        n values a member, added to every row; NULL buffer for none
 *   gate        [m / gate_rows, n]: outputs y of gate_activation; entry (i, j) is multiplied by the
 *               derivative at y = gate(i / gate_rows, j); NULL buffer for none. As functions of the
 *               output the derivatives are, for ReLU: 1 if y > 0, else the entry is set to 0;
 *               SELU: lambda if y > 0, else y + lambda alpha; sigmoid: y (1 - y); tanh: 1 - y^2 */
typedef struct {
    size_t m, n, k, batch;
    bool transpose_a; /* A is stored [k, m] */
    bool transpose_b; /* B is stored [n, k] */
    iv_view a, b, c;
    size_t lda, ldb, ldc; /* elements from one stored row to the next */
    bool accumulate;
    iv_view scale; /* NULL buffer for none */
    iv_view bias;
    iv_activation activation;
    iv_view gate;
    iv_activation gate_activation; /* with a gate: not IV_ACTIVATION_NONE */
    size_t gate_rows;              /* rows of C that share a row of the gate; 1 if 0 */
    /* Most of A, of B, is 0: an engine may leave out what that makes 0. Sums of finite numbers do
     * not change; NaN and infinity times 0 do not show. */
    bool zeros_a, zeros_b;
    /* m values per member: sums over k of rows of op(A), added to what is there, times s_r if there
     * is a scale. NULL buffer for none. */
    iv_view row_sums;
    iv_gemm_engine engine;
} iv_gemm_desc;

/* Append the product. C must not overlap A or B. Each entry is summed over k in one fixed order
 * that does not depend on `batch` or on the other members, so a member gets the same bits in any
 * population. IV_EINVAL for a zero size, a missing operand, a leading dimension below the row
 * length, an activation that there is not, a gate without its activation, or a scale without
 * accumulate or with another part of the epilogue. */
iv_status iv_gemm(iv_sequence *sequence, const iv_gemm_desc *desc);

/* How a context makes products, for the record of a run: the engine, and which tuning it follows.
 * "panel", or "panel, tuned 0123456789ab" with the first digits of the SHA-256 of the tuner's file.
 *
 * text  out, [bytes]; 64 are enough */
void iv_gemm_describe(iv_context *context, char *text, size_t bytes);

/* ------------------------------------------------------------------ singular values */

/* Singular values, largest first, of `batch` matrices [m, n] by one-sided Jacobi rotations
 * (Hestenes) on the shorter side; any m, n >= 1, in any relation. Every value is within 1e-5 of the
 * largest.
 *
 * a   matrix i starts at element a.offset + i * a.stride, rows contiguous; not changed
 * s   [batch, min(m, n)] at s.offset, matrix stride s.stride
 * u   [batch, m, min(m, n)] left singular vectors, or NULL buffer
 * vt  [batch, min(m, n), n] right singular vectors, transposed, or NULL buffer
 *
 * A matrix with a NaN or an infinity gives NaN in all its outputs. Vectors that belong to singular
 * values of zero are zero. A matrix gets the same bits alone and in any batch. The scratch memory
 * belongs to the sequence. CPU devices use kernels with wide vectors, others kernels with many
 * work-items, unless invar tune found the others faster; INVAR_SVD_KERNELS=vector or group overrides.
 *
 * Source: Demmel and Veselic 1992, "Jacobi's method is more accurate than QR". */
typedef struct {
    size_t m, n, batch;
    iv_view a, s, u, vt;
} iv_svd_desc;

iv_status iv_svd(iv_sequence *sequence, const iv_svd_desc *desc);

/* The factor L of A = L Q: L [m, m] lower triangular, rows of Q [m, n] orthonormal, m <= n. By
 * Householder reflections, as backward stable as the singular values above; those of D A are those
 * of D L for any D, since Q does not change lengths.
 *
 * a   matrix i starts at element a.offset + i * a.stride, rows contiguous; not changed
 * l   [batch, m, m] at l.offset, matrix stride l.stride; zero above the diagonal
 *
 * A matrix with a NaN or an infinity gives NaN on and below the diagonal. IV_EINVAL if m > n.
 * Source: Golub and Van Loan, Matrix Computations, section 5.2. */
typedef struct {
    size_t m, n, batch;
    iv_view a, l;
} iv_lq_desc;

iv_status iv_lq(iv_sequence *sequence, const iv_lq_desc *desc);

/* Singular values of products J_b = sum over g of D_gb W_g that are never formed: with W_0, W_1,
 * ... below one another and W = L Q, they are those of sum over g of D_gb L_g, which has as many
 * columns as W has rows instead of as many as W. This is a network's Jacobian: D the derivative of
 * the outputs by the first layer's sums, W its weights (under each of n_elements transformations).
 * Unlike the way through J J^T it squares nothing: the values are as accurate as iv_svd's.
 *
 * d   [R][n_elements, n_inputs, rows, width]
 * l   [R][n_elements width, n_elements width], by iv_lq from W
 * s   [R][n_inputs, min(rows, n_elements width)], largest first */
typedef struct {
    size_t n_members, n_elements, n_inputs, rows, width;
    iv_view d, l, s;
} iv_factored_svd_desc;

iv_status iv_factored_svd(iv_sequence *sequence, const iv_factored_svd_desc *desc);

/* ------------------------------------------------------------------ triangular factors */

/* Cholesky factorisation A = L L^T of `batch` symmetric positive definite matrices, in place.
 *
 * a       [n, n] a matrix: only entries on and below the diagonal are read; L replaces them, and
 *         zeros the rest. Matrix stride a.stride, rows lda elements apart
 * failed  int, one a matrix: 0, or the number, counted from 1, of the first pivot that is not above
 *         zero and finite; its matrix then holds nothing of use
 *
 * Blocked: the trailing matrix is updated by iv_gemm. The factor is that of a matrix within about
 * n u |A| of A, u = 2^-24 (Higham 2002, theorem 10.3): add at least that to the diagonal of a
 * matrix that is positive definite only in exact arithmetic. A matrix gets the same bits alone and
 * in any batch. IV_EINVAL for a zero size, a missing buffer, or lda < n. */
typedef struct {
    size_t n, batch, lda;
    iv_view a, failed;
} iv_cholesky_desc;

iv_status iv_cholesky(iv_sequence *sequence, const iv_cholesky_desc *desc);

/* Wait, and fail with IV_EFAILED if a factorisation did: `what` names the matrix in the message. */
iv_status iv_cholesky_check(iv_context *context, const iv_cholesky_desc *desc, const char *what);

/* What repeated solves with lower triangular matrices L need: inverses of the blocks on the
 * diagonal, and the rest negated, so that all work of a solve is iv_gemm's.
 *
 * l  [n, n], on and below the diagonal; rows ldl elements apart; not changed
 * f  [n, n], rows n elements apart; for iv_triangular_solve
 *
 * IV_EINVAL for a zero size, a missing buffer, or ldl < n. */
typedef struct {
    size_t n, batch, ldl;
    iv_view l, f;
} iv_triangular_desc;

iv_status iv_triangular_prepare(iv_sequence *sequence, const iv_triangular_desc *desc);

/* f = L^-1 [n, n], rows n elements apart, with zeros above the diagonal: by rows of blocks, all but
 * those on the diagonal by iv_gemm. Otherwise as above. Forward stable: |f L - I| is about n u |f| |L|
 * (Higham 2002, section 14.2). */
iv_status iv_triangular_inverse(iv_sequence *sequence, const iv_triangular_desc *desc);

/* Solve with L for each row b of B: L x = b, or L^T x = b if `transpose`; that is X = B L^-T, or X
 * = B L^-1.
 *
 * f  by iv_triangular_prepare
 * b  [rows, n], rows ldb elements apart; overwritten with intermediate results
 * x  [rows, n], rows ldx elements apart; must not overlap b
 *
 * Backward stable but for the blocks on the diagonal, of at most 256, which are multiplied with
 * their inverses. A zero on the diagonal of L gives infinities or NaN. IV_EINVAL for a zero size, a
 * missing buffer, or a leading dimension below n. */
typedef struct {
    size_t n, rows, batch;
    bool transpose;
    iv_view f, b, x;
    size_t ldb, ldx;
} iv_triangular_solve_desc;

iv_status iv_triangular_solve(iv_sequence *sequence, const iv_triangular_solve_desc *desc);

#ifdef __cplusplus
}
#endif

#endif

/* What the files of the regression share. Names of matrices are those of the collapsed bound in
 * units where the kernel's variance is 1 and the ratio rho = v / s carries the rest:
 *
 *   R = K / v = L L^T [M, M]    P = K_uf / v [M, N]    W = L^-1 P    V = L^-1 dP / dlog l
 *   G = W W^T    X = W V^T    g = W Y    h = V Y    S = L^-1 (dR / dlog l) L^-T
 *
 * All of these depend on the data and the lengthscale alone. With B = I + rho G, beta = B^-1 g and
 * C outputs
 *
 *   F = -NC/2 log(2 pi s) - C/2 log|B| - C rho/2 (N - tr G) - (|Y|^2 - rho tr(g^T beta)) / (2s)
 *
 * Matrices over data are stored with a row a datum, a chunk of them at a time: features [chunk, M]
 * are P^T, pairs [chunk, 2, M] are W^T and (dP / dlog l)^T, so that one product sums up G and X L^T
 * side by side. Solving for V datum by datum would cost a quarter more. */
#ifndef INVAR_REGRESSION_SGPR_PARTS_H
#define INVAR_REGRESSION_SGPR_PARTS_H

#include "regression/sgpr.h"

#include <invar/linalg.h>

/* Rows of M numbers that the host reads back after work on matrices of M x M. */
typedef enum {
    SGPR_DIAGONAL_G,
    SGPR_DIAGONAL_X,
    SGPR_DIAGONAL_S,
    SGPR_ROWS_G_S,       /* rows of G times rows of S: tr(G S) in all */
    SGPR_DIAGONAL_B,     /* of B's factor */
    SGPR_ROWS_INVERSE,   /* tr B^-1 */
    SGPR_ROWS_INVERSE_X, /* tr(B^-1 X) */
    SGPR_ROWS_INVERSE_S,
    SGPR_N_ROWS,
} sgpr_row;

/* Work that is bound once and replayed. */
typedef struct {
    iv_sequence *gather;   /* step: chunk -> its products with the inducing points */
    iv_sequence **store;   /* [n_slots] products -> squared distances in a slot */
    iv_sequence **expand;  /* [n_slots] step: chunk; distances in a slot -> features */
    iv_sequence *absorb;   /* step: chunk; features -> added to G, X, g, h */
    iv_sequence *distance; /* once: squared distances between inducing points */
    iv_sequence *factor;   /* R -> L */
    iv_sequence *prior;    /* L -> what solves with it need, S */
    iv_sequence *finish;   /* after the last chunk: X, h; rows of G, X, S */
    iv_sequence *inner;    /* B, its factor, beta */
    iv_sequence *slope;    /* B^-1 and the products that the derivative to log l needs */
} sgpr_work;

struct sgpr {
    iv_context *context;
    sgpr_desc desc; /* chunk is set */
    sgpr_hyper hyper;
    sgpr_work work;
    size_t n_chunks;
    size_t n_slots;     /* of squared distances: n_chunks if they stay, else 1 */
    bool keeps_squares; /* distances stay from one pass to the next */
    bool has_squares;   /* and are there */
    int32_t *inducing;
    double target_square; /* |Y|^2 */

    cl_mem x; /* the caller's */
    cl_mem labels, centre, points, point_lengths;
    cl_mem rows, row_lengths, products, targets; /* of a chunk */
    cl_mem *squares;                             /* [n_slots] of chunk x M */
    cl_mem features;                             /* [chunk, M]: P^T */
    cl_mem pairs;                                /* [chunk, 2, M]: W^T, dP^T side by side */
    cl_mem prior_squares, prior_factor, prior_derivative, prior_solver; /* [M, M] */
    cl_mem gram;        /* [M, 2, M]: G, and what X is solved from */
    cl_mem projection;  /* [C, 2, M]: g^T, and what h^T is solved from */
    cl_mem x_matrix, h; /* [M, M]: X; [C, M]: h^T */
    cl_mem s;           /* [M, M] */
    cl_mem inner, inner_solver, inverse_root, inverse, square; /* [M, M] */
    cl_mem right, half, beta;                                  /* [C, M] */
    cl_mem beta_x, beta_s;                                     /* [C, M]: beta^T X, beta^T S */
    cl_mem numbers, rows_out, failed, inner_failed;
    cl_mem *owned; /* all but x, to be released */
    size_t n_owned, owned_capacity;

    /* What the device holds the results of; 0: nothing. */
    double done_lengthscale, done_ratio;
    bool done_slope;

    /* Read back. */
    float *out_rows;         /* [SGPR_N_ROWS, M] */
    float *out_projection;   /* [C, 2, M] */
    float *out_h, *out_beta; /* [C, M] */
    float *out_beta_x, *out_beta_s;

    /* Of sgpr_train, while it runs. */
    const volatile sig_atomic_t *stop;
    const iv_progress *progress;
    size_t n_passes;
};

/* Make a buffer of rows x columns floats that lives as long as the regression. */
iv_status sgpr_buffer(sgpr *regression, size_t rows, size_t columns, cl_mem *buffer);

/* A launch whose work-items are (columns, rows) and that ends so. */
iv_status sgpr_launch_end(iv_launch *launch, size_t columns, size_t rows);

/* Rows of x [n, D], chunk by chunk, as the step says -> products with the inducing points. */
iv_status sgpr_append_gather(sgpr *regression, iv_sequence *sequence, cl_mem x, size_t n);
/* products -> squares, and squares -> features. */
iv_status sgpr_append_squares(sgpr *regression, iv_sequence *sequence, cl_mem squares);
iv_status sgpr_append_features(sgpr *regression, iv_sequence *sequence, cl_mem squares, size_t n);

/* Rows of out_rows; the diagonal and the row products of matrices with rows lda apart. */
iv_status sgpr_append_diagonal(sgpr *regression, iv_sequence *sequence, iv_view a, size_t lda,
                               sgpr_row row);
iv_status sgpr_append_row_products(sgpr *regression, iv_sequence *sequence, iv_view a, size_t lda,
                                   iv_view b, size_t ldb, sgpr_row row);

/* What kernels take of the present lengthscale and a ratio. */
iv_status sgpr_write_numbers(sgpr *regression, double ratio);

/* Build the sequences of each file. */
iv_status sgpr_pass_build(sgpr *regression);
iv_status sgpr_bound_build(sgpr *regression);

/* Make L, G, X, g, h and S those of the present lengthscale. */
iv_status sgpr_pass(sgpr *regression);

/* Then make B and beta those of a ratio, and read back what F needs. */
iv_status sgpr_inner(sgpr *regression, double ratio);

/* F and its derivatives to the logarithms of v and s, for the ratio that sgpr_inner was given and a
 * noise variance; and what noise variance is best for that ratio. */
typedef struct {
    double bound, to_variance, to_noise, best_noise;
} sgpr_outputs;

sgpr_outputs sgpr_evaluate(const sgpr *regression, double noise);

/* F's derivative to log l, likewise. */
iv_status sgpr_slope(sgpr *regression, double noise, double *slope);

#endif

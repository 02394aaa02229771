/* Sparse Gaussian process regression: the bound and its gradient from what a pass over the data
 * left. sgpr_parts.h has the names; the derivatives follow from those of the collapsed bound to G
 * and g,
 *
 *   dF/dG = C rho/2 (I - B^-1) - rho^2/(2s) beta beta^T     dF/dg = rho/s beta
 *
 * and from G and g moving with the lengthscale as dG = V W^T + W V^T - (S G + G S)/2 and
 * dg = h - S g/2: the factor L itself moves otherwise, by a rotation, which F does not see. */
#include "regression/sgpr_parts.h"

#include <math.h>

static const double two_pi = 6.283185307179586;

static iv_view view(cl_mem buffer, size_t offset) {
    return (iv_view){buffer, offset, 0};
}

/* ------------------------------------------------------------------ building */

static iv_cholesky_desc inner_cholesky(const sgpr *s) {
    const size_t m = s->desc.n_inducing;
    return (iv_cholesky_desc){
        .n = m, .batch = 1, .lda = m, .a = view(s->inner, 0), .failed = view(s->inner_failed, 0)};
}

/* B and its factor, in the same place. */
static iv_status append_factor(sgpr *s, iv_sequence *sequence) {
    const size_t m = s->desc.n_inducing;
    iv_launch *launch = iv_launch_begin(sequence, "sgpr", "sgpr_inner", NULL);
    iv_arg_buffer(launch, s->gram);
    iv_arg_buffer(launch, s->numbers);
    iv_arg_buffer(launch, s->inner);
    iv_arg_uint(launch, m);
    iv_arg_uint(launch, 2 * m);
    iv_status status = sgpr_launch_end(launch, m, m);
    const iv_cholesky_desc cholesky = inner_cholesky(s);
    if (status == IV_OK) status = iv_cholesky(sequence, &cholesky);
    if (status == IV_OK)
        status =
            iv_triangular_prepare(sequence, &(iv_triangular_desc){.n = m,
                                                                  .batch = 1,
                                                                  .ldl = m,
                                                                  .l = view(s->inner, 0),
                                                                  .f = view(s->inner_solver, 0)});
    return status == IV_OK
               ? sgpr_append_diagonal(s, sequence, view(s->inner, 0), m, SGPR_DIAGONAL_B)
               : status;
}

static iv_status append_solve(sgpr *s, iv_sequence *sequence, bool transpose, cl_mem b, cl_mem x,
                              size_t rows) {
    const size_t m = s->desc.n_inducing;
    return iv_triangular_solve(sequence, &(iv_triangular_solve_desc){.n = m,
                                                                     .rows = rows,
                                                                     .batch = 1,
                                                                     .transpose = transpose,
                                                                     .f = view(s->inner_solver, 0),
                                                                     .b = view(b, 0),
                                                                     .x = view(x, 0),
                                                                     .ldb = m,
                                                                     .ldx = m});
}

/* beta^T, and B's inverse factor, whose rows' lengths make the trace of B^-1. */
static iv_status append_solutions(sgpr *s, iv_sequence *sequence) {
    const size_t m = s->desc.n_inducing, n_classes = s->desc.n_classes;
    iv_launch *launch = iv_launch_begin(sequence, "sgpr", "sgpr_copy", NULL);
    iv_arg_buffer(launch, s->projection);
    iv_arg_buffer(launch, s->right);
    iv_arg_uint(launch, m);
    iv_arg_uint(launch, 2 * m);
    iv_status status = sgpr_launch_end(launch, m, n_classes);
    if (status == IV_OK) status = append_solve(s, sequence, false, s->right, s->half, n_classes);
    if (status == IV_OK) status = append_solve(s, sequence, true, s->half, s->beta, n_classes);
    if (status != IV_OK) return status;

    launch = iv_launch_begin(sequence, "sgpr", "sgpr_identity", NULL);
    iv_arg_buffer(launch, s->square);
    iv_arg_uint(launch, m);
    status = sgpr_launch_end(launch, m, m);
    if (status == IV_OK) status = append_solve(s, sequence, false, s->square, s->inverse_root, m);
    const iv_view root = view(s->inverse_root, 0);
    return status == IV_OK
               ? sgpr_append_row_products(s, sequence, root, m, root, m, SGPR_ROWS_INVERSE)
               : status;
}

/* c [rows, m] = a b or, with b transposed, a b^T. */
static iv_status append_product(sgpr *s, iv_sequence *sequence, cl_mem a, size_t rows, iv_view b,
                                bool transpose, cl_mem c) {
    const size_t m = s->desc.n_inducing;
    return iv_gemm(sequence, &(iv_gemm_desc){.m = rows,
                                             .n = m,
                                             .k = m,
                                             .batch = 1,
                                             .transpose_b = transpose,
                                             .a = view(a, 0),
                                             .b = b,
                                             .c = view(c, 0),
                                             .lda = m,
                                             .ldb = m,
                                             .ldc = m});
}

/* Rows of the inverse factor's transpose: B^-1 is their products with one another. */
static iv_status append_slope(sgpr *s, iv_sequence *sequence) {
    const size_t m = s->desc.n_inducing, n_classes = s->desc.n_classes;
    const iv_view x = view(s->x_matrix, 0), whitened = view(s->s, 0), inverse = view(s->inverse, 0);
    iv_status status =
        append_product(s, sequence, s->inverse_root, m, view(s->inverse_root, 0), true, s->inverse);
    if (status == IV_OK)
        status = sgpr_append_row_products(s, sequence, inverse, m, x, m, SGPR_ROWS_INVERSE_X);
    if (status == IV_OK)
        status =
            sgpr_append_row_products(s, sequence, inverse, m, whitened, m, SGPR_ROWS_INVERSE_S);
    if (status == IV_OK)
        status = append_product(s, sequence, s->beta, n_classes, x, false, s->beta_x);
    if (status == IV_OK)
        status = append_product(s, sequence, s->beta, n_classes, whitened, false, s->beta_s);
    return status;
}

iv_status sgpr_bound_build(sgpr *s) {
    iv_status status = iv_sequence_create(s->context, &s->work.inner);
    if (status == IV_OK) status = append_factor(s, s->work.inner);
    if (status == IV_OK) status = append_solutions(s, s->work.inner);
    if (status == IV_OK) status = iv_sequence_create(s->context, &s->work.slope);
    return status == IV_OK ? append_slope(s, s->work.slope) : status;
}

/* ------------------------------------------------------------------ reading back */

static iv_status read_floats(sgpr *s, cl_mem buffer, size_t rows, size_t columns, float *values) {
    return iv_buffer_read(s->context, buffer, 0, rows * columns * sizeof *values, values);
}

iv_status sgpr_inner(sgpr *s, double ratio) {
    const size_t m = s->desc.n_inducing, n_classes = s->desc.n_classes;
    iv_status status = sgpr_pass(s);
    if (status != IV_OK || s->done_ratio == ratio) return status;
    s->done_ratio = 0.0;
    s->done_slope = false;

    const iv_cholesky_desc cholesky = inner_cholesky(s);
    status = sgpr_write_numbers(s, ratio);
    if (status == IV_OK) status = iv_sequence_run(s->work.inner, 0);
    if (status == IV_OK)
        status = iv_cholesky_check(s->context, &cholesky, "the posterior's precision matrix");
    if (status == IV_OK) status = read_floats(s, s->rows_out, SGPR_N_ROWS, m, s->out_rows);
    if (status == IV_OK)
        status = read_floats(s, s->projection, n_classes, 2 * m, s->out_projection);
    if (status == IV_OK) status = read_floats(s, s->beta, n_classes, m, s->out_beta);
    if (status == IV_OK) s->done_ratio = ratio;
    return status;
}

static iv_status read_slope(sgpr *s) {
    const size_t m = s->desc.n_inducing, n_classes = s->desc.n_classes;
    if (s->done_slope) return IV_OK;
    iv_status status = iv_sequence_run(s->work.slope, 0);
    if (status == IV_OK) status = read_floats(s, s->rows_out, SGPR_N_ROWS, m, s->out_rows);
    if (status == IV_OK) status = read_floats(s, s->h, n_classes, m, s->out_h);
    if (status == IV_OK) status = read_floats(s, s->beta_x, n_classes, m, s->out_beta_x);
    if (status == IV_OK) status = read_floats(s, s->beta_s, n_classes, m, s->out_beta_s);
    s->done_slope = status == IV_OK;
    return status;
}

/* ------------------------------------------------------------------ sums, in double precision */

static double row_sum(const sgpr *s, sgpr_row row) {
    const size_t m = s->desc.n_inducing;
    double sum = 0.0;
    for (size_t i = 0; i < m; i++) sum += s->out_rows[(size_t)row * m + i];
    return sum;
}

/* The sum of a [C, M] times beta, rows of a lda apart. */
static double with_beta(const sgpr *s, const float *a, size_t lda) {
    const size_t m = s->desc.n_inducing;
    double sum = 0.0;
    for (size_t c = 0; c < s->desc.n_classes; c++)
        for (size_t i = 0; i < m; i++) sum += (double)a[c * lda + i] * s->out_beta[c * m + i];
    return sum;
}

sgpr_outputs sgpr_evaluate(const sgpr *s, double noise) {
    const size_t m = s->desc.n_inducing;
    const double n = (double)s->desc.n_data, outputs = (double)s->desc.n_classes;
    const double ratio = s->done_ratio;
    const double unexplained = n - row_sum(s, SGPR_DIAGONAL_G);
    const double misfit = s->target_square - ratio * with_beta(s, s->out_projection, 2 * m);
    double log_determinant = 0.0;
    for (size_t i = 0; i < m; i++)
        log_determinant += 2.0 * log(s->out_rows[SGPR_DIAGONAL_B * m + i]);

    sgpr_outputs out;
    out.bound = -0.5 * n * outputs * log(two_pi * noise) - 0.5 * outputs * log_determinant -
                0.5 * outputs * ratio * unexplained - 0.5 * misfit / noise;
    out.to_variance = -0.5 * outputs * ((double)m - row_sum(s, SGPR_ROWS_INVERSE)) -
                      0.5 * outputs * ratio * unexplained +
                      0.5 * ratio / noise * with_beta(s, s->out_beta, m);
    out.to_noise = -out.to_variance - 0.5 * n * outputs + 0.5 * misfit / noise;
    /* rounding may leave nothing of the misfit where the data are fitted to the last digit */
    out.best_noise = fmax(misfit, 1e-6 * s->target_square) / (n * outputs);
    return out;
}

static double to_lengthscale(const sgpr *s, double noise) {
    const size_t m = s->desc.n_inducing;
    const double outputs = (double)s->desc.n_classes, ratio = s->done_ratio;
    const double from_data =
        outputs * ratio * (row_sum(s, SGPR_DIAGONAL_X) - row_sum(s, SGPR_ROWS_INVERSE_X)) -
        ratio * ratio / noise * with_beta(s, s->out_beta_x, m) +
        ratio / noise * with_beta(s, s->out_h, m);
    const double from_prior =
        -0.5 * outputs * ratio * row_sum(s, SGPR_ROWS_G_S) +
        0.5 * outputs * (row_sum(s, SGPR_DIAGONAL_S) - row_sum(s, SGPR_ROWS_INVERSE_S)) -
        0.5 * ratio / noise * with_beta(s, s->out_beta_s, m);
    return from_data + from_prior;
}

iv_status sgpr_slope(sgpr *s, double noise, double *slope) {
    const iv_status status = read_slope(s);
    if (status == IV_OK) *slope = to_lengthscale(s, noise);
    return status;
}

iv_status sgpr_bound(sgpr *s, double *bound, double gradient[3]) {
    const double noise = s->hyper.noise;
    iv_status status = sgpr_inner(s, s->hyper.variance / noise);
    if (status == IV_OK && gradient) status = sgpr_slope(s, noise, &gradient[1]);
    if (status != IV_OK) return status;
    const sgpr_outputs out = sgpr_evaluate(s, noise);
    *bound = out.bound;
    if (gradient) {
        gradient[0] = out.to_variance;
        gradient[2] = out.to_noise;
    }
    return IV_OK;
}

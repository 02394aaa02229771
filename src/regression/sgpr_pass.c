/* Sparse Gaussian process regression: everything that a lengthscale decides, by one pass over the
 * data. Kernels: cl/sgpr.cl. */
#include "regression/sgpr_parts.h"

#include "runtime/stop.h"

#include <stdlib.h>

static iv_view view(cl_mem buffer, size_t offset) {
    return (iv_view){buffer, offset, 0};
}

iv_status sgpr_launch_end(iv_launch *launch, size_t columns, size_t rows) {
    return iv_launch_end(launch, 2, (const size_t[]){columns, rows}, NULL);
}

/* ------------------------------------------------------------------ features of a chunk */

static iv_status append_lengths(iv_sequence *sequence, cl_mem rows, cl_mem lengths, size_t columns,
                                size_t n) {
    iv_launch *launch = iv_launch_begin(sequence, "sgpr", "sgpr_lengths", NULL);
    iv_arg_buffer(launch, rows);
    iv_arg_buffer(launch, lengths);
    iv_arg_uint(launch, columns);
    iv_arg_uint(launch, n);
    return iv_launch_end(launch, 1, &n, NULL);
}

/* a [n, D] with the inducing points. */
static iv_status append_products(sgpr *s, iv_sequence *sequence, cl_mem a, size_t n,
                                 cl_mem products) {
    const size_t columns = s->desc.n_columns, m = s->desc.n_inducing;
    return iv_gemm(sequence, &(iv_gemm_desc){.m = n,
                                             .n = m,
                                             .k = columns,
                                             .batch = 1,
                                             .transpose_b = true,
                                             .a = view(a, 0),
                                             .b = view(s->points, 0),
                                             .c = view(products, 0),
                                             .lda = columns,
                                             .ldb = columns,
                                             .ldc = m});
}

iv_status sgpr_append_gather(sgpr *s, iv_sequence *sequence, cl_mem x, size_t n) {
    const size_t columns = s->desc.n_columns, chunk = s->desc.chunk;
    iv_launch *launch = iv_launch_begin(sequence, "sgpr", "sgpr_gather", NULL);
    iv_arg_buffer(launch, x);
    iv_arg_buffer(launch, s->centre);
    iv_arg_buffer(launch, s->rows);
    iv_arg_uint(launch, columns);
    iv_arg_uint(launch, n);
    iv_arg_uint(launch, chunk);
    iv_arg_step(launch);
    iv_status status = sgpr_launch_end(launch, columns, chunk);
    if (status == IV_OK) status = append_lengths(sequence, s->rows, s->row_lengths, columns, chunk);
    return status == IV_OK ? append_products(s, sequence, s->rows, chunk, s->products) : status;
}

static iv_status append_squares(sgpr *s, iv_sequence *sequence, cl_mem products, cl_mem lengths,
                                size_t rows, cl_mem squares) {
    iv_launch *launch = iv_launch_begin(sequence, "sgpr", "sgpr_squares", NULL);
    iv_arg_buffer(launch, products);
    iv_arg_buffer(launch, lengths);
    iv_arg_buffer(launch, s->point_lengths);
    iv_arg_buffer(launch, squares);
    iv_arg_uint(launch, s->desc.n_inducing);
    return sgpr_launch_end(launch, s->desc.n_inducing, rows);
}

iv_status sgpr_append_squares(sgpr *s, iv_sequence *sequence, cl_mem squares) {
    return append_squares(s, sequence, s->products, s->row_lengths, s->desc.chunk, squares);
}

iv_status sgpr_append_features(sgpr *s, iv_sequence *sequence, cl_mem squares, size_t n) {
    iv_launch *launch = iv_launch_begin(sequence, "sgpr", "sgpr_features", NULL);
    iv_arg_buffer(launch, squares);
    iv_arg_buffer(launch, s->numbers);
    iv_arg_buffer(launch, s->features);
    iv_arg_buffer(launch, s->pairs);
    iv_arg_uint(launch, s->desc.n_inducing);
    iv_arg_uint(launch, n);
    iv_arg_uint(launch, s->desc.chunk);
    iv_arg_step(launch);
    return sgpr_launch_end(launch, s->desc.n_inducing, s->desc.chunk);
}

/* ------------------------------------------------------------------ sums over a chunk */

static iv_status append_targets(sgpr *s, iv_sequence *sequence) {
    iv_launch *launch = iv_launch_begin(sequence, "sgpr", "sgpr_targets", NULL);
    iv_arg_buffer(launch, s->labels);
    iv_arg_buffer(launch, s->targets);
    iv_arg_uint(launch, s->desc.n_classes);
    iv_arg_uint(launch, s->desc.n_data);
    iv_arg_uint(launch, s->desc.chunk);
    iv_arg_step(launch);
    return sgpr_launch_end(launch, s->desc.n_classes, s->desc.chunk);
}

/* to [rows, 2, M] += left^T pairs; left [chunk, rows], rows ldl apart. */
static iv_status append_sums(sgpr *s, iv_sequence *sequence, cl_mem left, size_t ldl, size_t rows,
                             cl_mem to) {
    const size_t width = 2 * s->desc.n_inducing;
    return iv_gemm(sequence, &(iv_gemm_desc){.m = rows,
                                             .n = width,
                                             .k = s->desc.chunk,
                                             .batch = 1,
                                             .transpose_a = true,
                                             .a = view(left, 0),
                                             .b = view(s->pairs, 0),
                                             .c = view(to, 0),
                                             .lda = ldl,
                                             .ldb = width,
                                             .ldc = width,
                                             .accumulate = true});
}

/* x = L^-1 b for each row. */
static iv_status append_solve(sgpr *s, iv_sequence *sequence, iv_view b, size_t ldb, size_t rows,
                              cl_mem x, size_t ldx) {
    return iv_triangular_solve(sequence, &(iv_triangular_solve_desc){.n = s->desc.n_inducing,
                                                                     .rows = rows,
                                                                     .batch = 1,
                                                                     .f = view(s->prior_solver, 0),
                                                                     .b = b,
                                                                     .x = view(x, 0),
                                                                     .ldb = ldb,
                                                                     .ldx = ldx});
}

static iv_status append_absorb(sgpr *s, iv_sequence *sequence) {
    const size_t m = s->desc.n_inducing, n_classes = s->desc.n_classes;
    iv_status status = append_targets(s, sequence);
    if (status == IV_OK)
        status = append_solve(s, sequence, view(s->features, 0), m, s->desc.chunk, s->pairs, 2 * m);
    if (status == IV_OK)
        status = append_sums(s, sequence, s->targets, n_classes, n_classes, s->projection);
    if (status == IV_OK) status = append_sums(s, sequence, s->pairs, 2 * m, m, s->gram);
    return status;
}

/* ------------------------------------------------------------------ the inducing points */

static iv_status append_prior_matrices(sgpr *s, iv_sequence *sequence) {
    iv_launch *launch = iv_launch_begin(sequence, "sgpr", "sgpr_prior", NULL);
    iv_arg_buffer(launch, s->prior_squares);
    iv_arg_buffer(launch, s->numbers);
    iv_arg_buffer(launch, s->prior_factor);
    iv_arg_buffer(launch, s->prior_derivative);
    iv_arg_uint(launch, s->desc.n_inducing);
    iv_arg_float(launch, (float)SGPR_JITTER);
    return sgpr_launch_end(launch, s->desc.n_inducing, s->desc.n_inducing);
}

static iv_cholesky_desc prior_cholesky(const sgpr *s) {
    const size_t m = s->desc.n_inducing;
    return (iv_cholesky_desc){
        .n = m, .batch = 1, .lda = m, .a = view(s->prior_factor, 0), .failed = view(s->failed, 0)};
}

/* S = L^-1 D L^-T, D symmetric: rows solved give D L^-T, and its columns, as rows, the rest. */
static iv_status append_whitened_derivative(sgpr *s, iv_sequence *sequence) {
    const size_t m = s->desc.n_inducing;
    const iv_view derivative = view(s->prior_derivative, 0);
    iv_status status = append_solve(s, sequence, derivative, m, m, s->square, m);
    if (status != IV_OK) return status;
    iv_launch *launch = iv_launch_begin(sequence, "sgpr", "sgpr_transpose", NULL);
    iv_arg_buffer(launch, s->square);
    iv_arg_buffer(launch, s->prior_derivative);
    iv_arg_uint(launch, m);
    status = sgpr_launch_end(launch, m, m);
    return status == IV_OK ? append_solve(s, sequence, derivative, m, m, s->s, m) : status;
}

static iv_status append_prior(sgpr *s, iv_sequence *sequence) {
    const size_t m = s->desc.n_inducing;
    const iv_status status =
        iv_triangular_prepare(sequence, &(iv_triangular_desc){.n = m,
                                                              .batch = 1,
                                                              .ldl = m,
                                                              .l = view(s->prior_factor, 0),
                                                              .f = view(s->prior_solver, 0)});
    return status == IV_OK ? append_whitened_derivative(s, sequence) : status;
}

/* ------------------------------------------------------------------ building */

iv_status sgpr_append_diagonal(sgpr *s, iv_sequence *sequence, iv_view a, size_t lda,
                               sgpr_row row) {
    const size_t m = s->desc.n_inducing;
    iv_launch *launch = iv_launch_begin(sequence, "sgpr", "sgpr_diagonal", NULL);
    iv_arg_view(launch, a);
    iv_arg_uint(launch, lda);
    iv_arg_view(launch, view(s->rows_out, (size_t)row * m));
    iv_arg_uint(launch, m);
    return iv_launch_end(launch, 1, &m, NULL);
}

iv_status sgpr_append_row_products(sgpr *s, iv_sequence *sequence, iv_view a, size_t lda, iv_view b,
                                   size_t ldb, sgpr_row row) {
    const size_t m = s->desc.n_inducing;
    iv_launch *launch = iv_launch_begin(sequence, "sgpr", "sgpr_row_products", NULL);
    iv_arg_view(launch, a);
    iv_arg_uint(launch, lda);
    iv_arg_view(launch, b);
    iv_arg_uint(launch, ldb);
    iv_arg_view(launch, view(s->rows_out, (size_t)row * m));
    iv_arg_uint(launch, m);
    return iv_launch_end(launch, 2, (const size_t[]){64, m}, (const size_t[]){64, 1});
}

static iv_status append_finish(sgpr *s, iv_sequence *sequence) {
    const size_t m = s->desc.n_inducing, width = 2 * m;
    const iv_view g = view(s->gram, 0), x = view(s->x_matrix, 0), whitened = view(s->s, 0);
    iv_status status = append_solve(s, sequence, view(s->gram, m), width, m, s->x_matrix, m);
    if (status == IV_OK)
        status =
            append_solve(s, sequence, view(s->projection, m), width, s->desc.n_classes, s->h, m);
    if (status == IV_OK) status = sgpr_append_diagonal(s, sequence, g, width, SGPR_DIAGONAL_G);
    if (status == IV_OK) status = sgpr_append_diagonal(s, sequence, x, m, SGPR_DIAGONAL_X);
    if (status == IV_OK) status = sgpr_append_diagonal(s, sequence, whitened, m, SGPR_DIAGONAL_S);
    if (status == IV_OK)
        status = sgpr_append_row_products(s, sequence, g, width, whitened, m, SGPR_ROWS_G_S);
    return status;
}

static iv_status build_slots(sgpr *s) {
    iv_status status = IV_OK;
    s->work.store = calloc(s->n_slots, sizeof *s->work.store);
    s->work.expand = calloc(s->n_slots, sizeof *s->work.expand);
    if (!s->work.store || !s->work.expand)
        return iv_fail(iv_context_error(s->context), IV_ENOMEM, "no memory for a regression");
    for (size_t i = 0; i < s->n_slots && status == IV_OK; i++) {
        status = iv_sequence_create(s->context, &s->work.store[i]);
        if (status == IV_OK) status = sgpr_append_squares(s, s->work.store[i], s->squares[i]);
        if (status == IV_OK) status = iv_sequence_create(s->context, &s->work.expand[i]);
        if (status == IV_OK)
            status = sgpr_append_features(s, s->work.expand[i], s->squares[i], s->desc.n_data);
    }
    return status;
}

iv_status sgpr_pass_build(sgpr *s) {
    const size_t m = s->desc.n_inducing;
    sgpr_work *w = &s->work;
    iv_sequence **const sequences[] = {&w->gather, &w->absorb, &w->distance,
                                       &w->factor, &w->prior,  &w->finish};
    iv_status status = build_slots(s);
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences && status == IV_OK; i++)
        status = iv_sequence_create(s->context, sequences[i]);
    if (status == IV_OK) status = sgpr_append_gather(s, w->gather, s->x, s->desc.n_data);
    if (status == IV_OK) status = append_absorb(s, w->absorb);

    if (status == IV_OK)
        status = append_lengths(w->distance, s->points, s->point_lengths, s->desc.n_columns, m);
    if (status == IV_OK) status = append_products(s, w->distance, s->points, m, s->square);
    if (status == IV_OK)
        status = append_squares(s, w->distance, s->square, s->point_lengths, m, s->prior_squares);

    const iv_cholesky_desc cholesky = prior_cholesky(s);
    if (status == IV_OK) status = append_prior_matrices(s, w->factor);
    if (status == IV_OK) status = iv_cholesky(w->factor, &cholesky);
    if (status == IV_OK) status = append_prior(s, w->prior);
    if (status == IV_OK) status = append_finish(s, w->finish);
    return status;
}

/* ------------------------------------------------------------------ the pass */

/* Squared distances that stay are those of the first pass. */
static iv_status absorb_chunk(sgpr *s, size_t chunk) {
    const sgpr_work *w = &s->work;
    const size_t slot = s->keeps_squares ? chunk : 0;
    const uint32_t step = (uint32_t)chunk;
    iv_status status = IV_OK;
    if (!s->has_squares) {
        status = iv_sequence_run(w->gather, step);
        if (status == IV_OK) status = iv_sequence_run(w->store[slot], step);
    }
    if (status == IV_OK) status = iv_sequence_run(w->expand[slot], step);
    if (status == IV_OK) status = iv_sequence_run(w->absorb, step);
    /* Nothing else bounds what is in the queue, or lets a stop be heard. */
    if (status == IV_OK) status = iv_context_finish(s->context);
    if (status == IV_OK && iv_stop_is_asked(s->stop))
        status = iv_fail(iv_context_error(s->context), IV_EINTERRUPTED, "stopped on request");
    return status;
}

iv_status sgpr_write_numbers(sgpr *s, double ratio) {
    const double square = s->hyper.lengthscale * s->hyper.lengthscale;
    const float numbers[3] = {(float)(-0.5 / square), (float)(1.0 / square), (float)ratio};
    return iv_buffer_write(s->context, s->numbers, 0, sizeof numbers, numbers);
}

iv_status sgpr_pass(sgpr *s) {
    const size_t m = s->desc.n_inducing;
    if (s->done_lengthscale == s->hyper.lengthscale) return IV_OK;
    s->done_lengthscale = s->done_ratio = 0.0;
    s->done_slope = false;

    const iv_cholesky_desc cholesky = prior_cholesky(s);
    iv_status status = sgpr_write_numbers(s, 0.0);
    if (status == IV_OK) status = iv_sequence_run(s->work.factor, 0);
    if (status == IV_OK)
        status = iv_cholesky_check(s->context, &cholesky, "the inducing points' covariance matrix");
    if (status == IV_OK) status = iv_sequence_run(s->work.prior, 0);
    if (status == IV_OK)
        status = iv_buffer_fill(s->context, s->gram, 0, 2 * m * m * sizeof(float), 0);
    if (status == IV_OK)
        status = iv_buffer_fill(s->context, s->projection, 0,
                                2 * m * s->desc.n_classes * sizeof(float), 0);

    for (size_t i = 0; i < s->n_chunks && status == IV_OK; i++) {
        status = absorb_chunk(s, i);
        iv_progress_update(s->progress, "passes over the data", s->n_passes * s->n_chunks + i + 1,
                           s->desc.iterations * s->n_chunks);
    }
    if (status == IV_OK) status = iv_sequence_run(s->work.finish, 0);
    if (status != IV_OK) return status;
    s->has_squares = s->keeps_squares;
    s->done_lengthscale = s->hyper.lengthscale;
    s->n_passes++;
    return IV_OK;
}

/* Triangular solves with many right-hand sides, as matrix products. Kernels: cl/cholesky.cl. */
#include <invar/linalg.h>
#include <invar/tune.h>

static size_t size_min(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Rows of a block on the diagonal. Wide blocks make better products, narrow ones fewer operations:
 * a product with an inverse also multiplies its zeros, and inverting a block takes a work-item a
 * chain of sums as long as half the square of its width. 192 is a whole number of panels of the
 * products on CPU devices, 128 of their tiles on GPUs. The number of rows to solve for has no say,
 * so that a row gets the same bits among any others. */
static size_t block_width(const iv_sequence *sequence) {
    return iv_kernel_value(iv_sequence_context(sequence), "triangular", "BLOCK");
}

/* Of a whole inverse: its products are narrow however wide the blocks, and there is one for all
 * columns at once. */
enum { INVERSE_BLOCK = 64 };

static iv_status prepare(iv_sequence *sequence, const iv_triangular_desc *desc, size_t width,
                         const char *what) {
    iv_error *error = iv_context_error(iv_sequence_context(sequence));
    const size_t n = desc->n;
    if (n == 0 || desc->batch == 0 || desc->ldl < n || !desc->l.buffer || !desc->f.buffer)
        return iv_fail(error, IV_EINVAL, "%s: %zu matrices of %zu x %zu, leading dimension %zu%s",
                       what, desc->batch, n, n, desc->ldl,
                       desc->l.buffer && desc->f.buffer ? "" : ", without a buffer");

    iv_launch *launch = iv_launch_begin(sequence, "cholesky", "triangular_negate", NULL);
    iv_arg_view(launch, desc->l);
    iv_arg_uint(launch, desc->ldl);
    iv_arg_uint(launch, n);
    iv_arg_uint(launch, width);
    iv_arg_view(launch, desc->f);
    const iv_status status =
        iv_launch_end_by_member(launch, 3, (const size_t[]){n, n, desc->batch}, NULL);
    if (status != IV_OK) return status;

    launch = iv_launch_begin(sequence, "cholesky", "triangular_invert", NULL);
    iv_arg_view(launch, desc->l);
    iv_arg_uint(launch, desc->ldl);
    iv_arg_uint(launch, n);
    iv_arg_uint(launch, width);
    iv_arg_view(launch, desc->f);
    return iv_launch_end_by_member(
        launch, 3, (const size_t[]){size_min(width, n), (n + width - 1) / width, desc->batch},
        NULL);
}

iv_status iv_triangular_prepare(iv_sequence *sequence, const iv_triangular_desc *desc) {
    return prepare(sequence, desc, block_width(sequence), "iv_triangular_prepare");
}

/* Rows [start, start + size) of L^-1, once those above are there: F X, then the block's inverse. */
static iv_status append_rows(iv_sequence *sequence, const iv_triangular_desc *desc, size_t start,
                             size_t size, iv_view product) {
    const size_t n = desc->n;
    iv_gemm_desc gemm = {.m = size,
                         .n = start,
                         .k = start,
                         .batch = desc->batch,
                         .a = desc->f,
                         .b = desc->f,
                         .c = product,
                         .lda = n,
                         .ldb = n,
                         .ldc = start};
    gemm.a.offset += start * n;
    iv_status status = iv_gemm(sequence, &gemm);
    if (status != IV_OK) return status;
    gemm.k = size;
    gemm.a.offset += start;
    gemm.b = product;
    gemm.c = desc->f;
    gemm.c.offset += start * n;
    gemm.ldb = start;
    gemm.ldc = n;
    return iv_gemm(sequence, &gemm);
}

iv_status iv_triangular_inverse(iv_sequence *sequence, const iv_triangular_desc *desc) {
    const size_t n = desc->n, width = INVERSE_BLOCK;
    iv_view product = {NULL, 0, width * n};
    iv_status status = prepare(sequence, desc, width, "iv_triangular_inverse");
    if (status == IV_OK && n > width)
        status = iv_sequence_scratch(sequence, "triangular.rows", product.stride * sizeof(float),
                                     desc->batch, &product.buffer);
    for (size_t start = width; start < n && status == IV_OK; start += width)
        status = append_rows(sequence, desc, start, size_min(width, n - start), product);
    return status;
}

static iv_status check(const iv_triangular_solve_desc *desc, iv_error *error) {
    if (desc->n == 0 || desc->rows == 0 || desc->batch == 0)
        return iv_fail(error, IV_EINVAL, "iv_triangular_solve: n %zu, rows %zu, batch %zu", desc->n,
                       desc->rows, desc->batch);
    if (desc->ldb < desc->n || desc->ldx < desc->n)
        return iv_fail(error, IV_EINVAL,
                       "iv_triangular_solve: rows of %zu do not fit leading dimensions %zu and %zu",
                       desc->n, desc->ldb, desc->ldx);
    if (!desc->f.buffer || !desc->b.buffer || !desc->x.buffer)
        return iv_fail(error, IV_EINVAL, "iv_triangular_solve: an operand has no buffer");
    return IV_OK;
}

/* Columns [start, start + size) of X, once those that they depend on, [from, from + count), are
 * solved: what these take away from B, then the block on the diagonal. */
static iv_status append_columns(iv_sequence *sequence, const iv_triangular_solve_desc *desc,
                                size_t start, size_t size, size_t from, size_t count) {
    iv_gemm_desc product = {.m = desc->rows,
                            .n = size,
                            .k = count,
                            .batch = desc->batch,
                            .transpose_b = !desc->transpose,
                            .a = desc->x,
                            .b = desc->f,
                            .c = desc->b,
                            .lda = desc->ldx,
                            .ldb = desc->n,
                            .ldc = desc->ldb,
                            .accumulate = true};
    product.a.offset += from;
    product.b.offset += desc->transpose ? from * desc->n + start : start * desc->n + from;
    product.c.offset += start;
    iv_status status = count ? iv_gemm(sequence, &product) : IV_OK;
    if (status != IV_OK) return status;

    product.k = size;
    product.a = desc->b;
    product.c = desc->x;
    product.lda = desc->ldb;
    product.ldc = desc->ldx;
    product.a.offset += start;
    product.b.offset = desc->f.offset + start * desc->n + start;
    product.c.offset += start;
    product.accumulate = false;
    return iv_gemm(sequence, &product);
}

iv_status iv_triangular_solve(iv_sequence *sequence, const iv_triangular_solve_desc *desc) {
    const size_t n = desc->n, width = block_width(sequence);
    iv_status status = check(desc, iv_context_error(iv_sequence_context(sequence)));
    if (status != IV_OK) return status;
    const size_t n_blocks = (n + width - 1) / width;
    for (size_t i = 0; i < n_blocks && status == IV_OK; i++) {
        const size_t block = desc->transpose ? n_blocks - 1 - i : i;
        const size_t start = block * width, size = size_min(width, n - start), end = start + size;
        status = append_columns(sequence, desc, start, size, desc->transpose ? end : 0,
                                desc->transpose ? n - end : start);
    }
    return status;
}

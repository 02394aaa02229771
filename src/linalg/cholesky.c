/* Blocked Cholesky factorisation. Kernels: cl/cholesky.cl. */
#include <invar/linalg.h>

/* As in cl/cholesky.cl: a block on the diagonal fits the local memory of any device, and its rows a
 * work-group. */
enum { BLOCK = 64 };

static size_t size_min(size_t a, size_t b) {
    return a < b ? a : b;
}

static iv_status check(const iv_cholesky_desc *desc, iv_error *error) {
    if (desc->n == 0 || desc->batch == 0)
        return iv_fail(error, IV_EINVAL, "iv_cholesky: %zu matrices of %zu x %zu", desc->batch,
                       desc->n, desc->n);
    if (desc->lda < desc->n)
        return iv_fail(error, IV_EINVAL,
                       "iv_cholesky: rows of %zu do not fit a leading dimension of %zu", desc->n,
                       desc->lda);
    if (!desc->a.buffer || !desc->failed.buffer)
        return iv_fail(error, IV_EINVAL,
                       "iv_cholesky: the matrices or the failures have no buffer");
    return IV_OK;
}

static iv_status append_block(iv_sequence *sequence, const iv_cholesky_desc *desc, size_t first) {
    iv_launch *launch = iv_launch_begin(sequence, "cholesky", "cholesky_block", NULL);
    iv_arg_view(launch, desc->a);
    iv_arg_uint(launch, desc->lda);
    iv_arg_uint(launch, first);
    iv_arg_uint(launch, size_min(BLOCK, desc->n - first));
    iv_arg_view(launch, desc->failed);
    return iv_launch_end_by_member(launch, 2, (const size_t[]){BLOCK, desc->batch},
                                   (const size_t[]){BLOCK, 1});
}

/* The rows below the block, and what they take away from all that is right of them. */
static iv_status append_rest(iv_sequence *sequence, const iv_cholesky_desc *desc, size_t first,
                             iv_view negative) {
    const size_t next = first + BLOCK, rows = desc->n - next;
    iv_launch *launch = iv_launch_begin(sequence, "cholesky", "cholesky_panel", NULL);
    iv_arg_view(launch, desc->a);
    iv_arg_uint(launch, desc->lda);
    iv_arg_uint(launch, first);
    iv_arg_uint(launch, desc->n);
    iv_arg_view(launch, negative);
    iv_status status =
        iv_launch_end_by_member(launch, 2, (const size_t[]){rows, desc->batch}, NULL);
    if (status != IV_OK) return status;

    iv_gemm_desc product = {.m = rows,
                            .n = rows,
                            .k = BLOCK,
                            .batch = desc->batch,
                            .transpose_b = true,
                            .a = desc->a,
                            .b = negative,
                            .c = desc->a,
                            .lda = desc->lda,
                            .ldb = BLOCK,
                            .ldc = desc->lda,
                            .accumulate = true};
    product.a.offset += next * desc->lda + first;
    product.c.offset += next * desc->lda + next;
    return iv_gemm(sequence, &product);
}

static iv_status append_clear(iv_sequence *sequence, const iv_cholesky_desc *desc) {
    iv_launch *launch = iv_launch_begin(sequence, "cholesky", "cholesky_clear", NULL);
    iv_arg_view(launch, desc->a);
    iv_arg_uint(launch, desc->lda);
    iv_arg_uint(launch, desc->n);
    return iv_launch_end_by_member(launch, 3, (const size_t[]){desc->n, desc->n, desc->batch},
                                   NULL);
}

iv_status iv_cholesky(iv_sequence *sequence, const iv_cholesky_desc *desc) {
    iv_error *error = iv_context_error(iv_sequence_context(sequence));
    iv_view negative = {NULL, 0, 0};
    size_t bytes = 0;
    iv_status status = check(desc, error);
    if (status == IV_OK && desc->n > BLOCK) {
        negative.stride = (desc->n - BLOCK) * BLOCK;
        status = iv_multiply_size(negative.stride * sizeof(float), desc->batch, &bytes, error);
        if (status == IV_OK) status = iv_sequence_buffer(sequence, bytes, &negative.buffer);
    }
    for (size_t first = 0; status == IV_OK && first < desc->n; first += BLOCK) {
        status = append_block(sequence, desc, first);
        if (status == IV_OK && first + BLOCK < desc->n)
            status = append_rest(sequence, desc, first, negative);
    }
    if (status == IV_OK && desc->n > BLOCK) status = append_clear(sequence, desc);
    return status;
}

iv_status iv_cholesky_check(iv_context *context, const iv_cholesky_desc *desc, const char *what) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < desc->batch && status == IV_OK; i++) {
        cl_int pivot = 0;
        status = iv_buffer_read(context, desc->failed.buffer,
                                (desc->failed.offset + i * desc->failed.stride) * sizeof pivot,
                                sizeof pivot, &pivot);
        if (status == IV_OK && pivot != 0)
            status = iv_fail(iv_context_error(context), IV_EFAILED,
                             "%s, %zu x %zu, is not positive definite in single precision: pivot "
                             "%d is not above zero; add more to its diagonal, or look for values "
                             "that are not finite",
                             what, desc->n, desc->n, (int)pivot);
    }
    return status;
}

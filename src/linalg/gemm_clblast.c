/* The CLBlast engine: its GEMM, then an epilogue kernel where one is asked for. Kernel:
 * cl/epilogue.cl.
 *
 * The strided-batched routine is used for its direct kernel alone. With the packed one,
 * CLBlast 1.5.3 skips the packing of an operand that already has the tiles' sizes, and then reads
 * it from the start of the buffer and with dense strides, whatever offset and stride were given:
 * wrong for members of an arena and for operands that members share. Products of a size for the
 * packed kernel go member by member through the plain routine, which heeds offsets. */
#include "linalg/gemm.h"

#include "linalg/clblast_parameters.h"

#include <clblast_c.h>

#include <stdlib.h>

static CLBlastStatusCode multiply(const iv_gemm_desc *d, bool packed, cl_command_queue queue) {
    const CLBlastTranspose transpose_a = d->transpose_a ? CLBlastTransposeYes : CLBlastTransposeNo;
    const CLBlastTranspose transpose_b = d->transpose_b ? CLBlastTransposeYes : CLBlastTransposeNo;
    const float beta = d->accumulate ? 1.0f : 0.0f;
    const size_t stride_c = d->batch > 1 ? d->c.stride : d->m * d->ldc; /* CLBlast refuses 0 */
    if (!packed)
        return CLBlastSgemmStridedBatched(
            CLBlastLayoutRowMajor, transpose_a, transpose_b, d->m, d->n, d->k, 1.0f, d->a.buffer,
            d->a.offset, d->lda, d->a.stride, d->b.buffer, d->b.offset, d->ldb, d->b.stride, beta,
            d->c.buffer, d->c.offset, d->ldc, stride_c, d->batch, &queue, NULL);

    CLBlastStatusCode code = CLBlastSuccess;
    for (size_t r = 0; r < d->batch && code == CLBlastSuccess; r++)
        code = CLBlastSgemm(CLBlastLayoutRowMajor, transpose_a, transpose_b, d->m, d->n, d->k, 1.0f,
                            d->a.buffer, d->a.offset + r * d->a.stride, d->lda, d->b.buffer,
                            d->b.offset + r * d->b.stride, d->ldb, beta, d->c.buffer,
                            d->c.offset + r * d->c.stride, d->ldc, &queue, NULL);
    return code;
}

/* CLBlast passes OpenCL's codes on; its own begin where OpenCL's end. */
static bool is_opencl_code(CLBlastStatusCode code) {
    return code < 0 && code > CLBlastInsufficientMemoryY;
}

static iv_status run(iv_context *context, cl_command_queue queue, void *state) {
    const iv_gemm_desc *d = state;
    const bool packed = iv_clblast_is_packed(context, d->m, d->n, d->k);
    CLBlastStatusCode code = multiply(d, packed, queue);
    if (code == CLBlastSuccess) return IV_OK;

    /* Parameters that another version of CLBlast or of the driver took may fail now. What a first
     * try has added to C cannot be told, so that only a product that sets C is tried again. */
    if (!d->accumulate && iv_clblast_fall_back(context)) code = multiply(d, packed, queue);
    if (code == CLBlastSuccess) return IV_OK;
    if (is_opencl_code(code)) return iv_cl_check(context, code, "CLBlast GEMM");
    return iv_fail(iv_context_error(context), IV_EFAILED,
                   "CLBlast GEMM %zux%zux%zu, batch %zu: status %d (INVAR_GEMM_ENGINE=panel or "
                   "tiled avoids CLBlast)",
                   d->m, d->n, d->k, d->batch, (int)code);
}

static iv_status append_epilogue(iv_sequence *sequence, const iv_gemm_desc *d) {
    char options[IV_EPILOGUE_OPTIONS];
    iv_gemm_epilogue_options(d, options);
    iv_launch *launch = iv_launch_begin(sequence, "epilogue", "epilogue", options);
    iv_arg_view(launch, d->c);
    if (d->bias.buffer) iv_arg_view(launch, d->bias);
    if (d->gate.buffer) {
        iv_arg_view(launch, d->gate);
        iv_arg_uint(launch, d->gate_rows);
    }
    iv_arg_uint(launch, d->m);
    iv_arg_uint(launch, d->n);
    iv_arg_uint(launch, d->ldc);
    return iv_launch_end(launch, 3, (const size_t[]){d->n, d->m, d->batch}, NULL);
}

/* Sums over k of op(A): of columns as stored where A is transposed. */
static iv_status append_row_sums(iv_sequence *sequence, const iv_gemm_desc *d) {
    iv_launch *launch =
        iv_launch_begin(sequence, "epilogue", "row_sums", d->scale.buffer ? "-DSCALE" : NULL);
    iv_arg_view(launch, d->a);
    iv_arg_view(launch, d->row_sums);
    if (d->scale.buffer) iv_arg_view(launch, d->scale);
    iv_arg_uint(launch, d->m);
    iv_arg_uint(launch, d->k);
    iv_arg_uint(launch, d->transpose_a ? 1 : d->lda);
    iv_arg_uint(launch, d->transpose_a ? d->lda : 1);
    return iv_launch_end(launch, 2, (const size_t[]){d->m, d->batch}, NULL);
}

/* C += scale of each member times its product, which lies in `sum` [m, n]. */
static iv_status append_scaled(iv_sequence *sequence, const iv_gemm_desc *d, iv_view sum) {
    iv_launch *launch = iv_launch_begin(sequence, "epilogue", "add_scaled", NULL);
    iv_arg_view(launch, sum);
    iv_arg_view(launch, d->c);
    iv_arg_view(launch, d->scale);
    iv_arg_uint(launch, d->m);
    iv_arg_uint(launch, d->n);
    iv_arg_uint(launch, d->ldc);
    return iv_launch_end(launch, 3, (const size_t[]){d->n, d->m, d->batch}, NULL);
}

/* CLBlast's own factors are the same for all members: the product first, then what is added. */
static iv_status set_aside(iv_sequence *sequence, iv_gemm_desc *d) {
    size_t elements;
    iv_error *error = iv_context_error(iv_sequence_context(sequence));
    iv_status status = iv_multiply_size(d->m, d->n, &elements, error);
    if (status == IV_OK)
        status = iv_sequence_scratch(sequence, "gemm.sum", elements * sizeof(float), d->batch,
                                     &d->c.buffer);
    d->c.offset = 0;
    d->c.stride = elements;
    d->ldc = d->n;
    d->accumulate = false;
    return status;
}

iv_status iv_gemm_clblast(iv_sequence *sequence, const iv_gemm_desc *desc) {
    iv_context *context = iv_sequence_context(sequence);
    iv_status status = iv_clblast_prepare(context);
    if (status != IV_OK) return status;
    iv_gemm_desc *state = malloc(sizeof *state);
    if (!state)
        return iv_fail(iv_context_error(context), IV_ENOMEM, "out of memory for a matrix product");
    *state = *desc;
    if (desc->scale.buffer) status = set_aside(sequence, state);
    const iv_view product = state->c;
    if (status == IV_OK)
        status = iv_sequence_call(sequence, "CLBlast GEMM", run, state);
    else
        free(state);
    if (status == IV_OK && desc->row_sums.buffer) status = append_row_sums(sequence, desc);
    if (status != IV_OK) return status;
    if (desc->scale.buffer) return append_scaled(sequence, desc, product);
    const bool plain =
        !desc->bias.buffer && desc->activation == IV_ACTIVATION_NONE && !desc->gate.buffer;
    return plain ? IV_OK : append_epilogue(sequence, desc);
}

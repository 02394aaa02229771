/* Singular values of products with a factored matrix: two library calls. */
#include <invar/linalg.h>

/* products [R][n_inputs rows, n_elements width] = sum over g of D_g L_g. The rows L_g of the
 * triangle end with column (g + 1) width: the last element sets all columns, the others add to
 * fewer. */
static iv_status append_products(iv_sequence *sequence, const iv_factored_svd_desc *desc,
                                 iv_view products) {
    const size_t columns = desc->n_elements * desc->width, m = desc->n_inputs * desc->rows;
    iv_status status = IV_OK;
    for (size_t g = desc->n_elements; g-- > 0 && status == IV_OK;) {
        iv_gemm_desc gemm = {
            .m = m,
            .n = (g + 1) * desc->width,
            .k = desc->width,
            .batch = desc->n_members,
            .a = desc->d,
            .b = desc->l,
            .c = products,
            .lda = desc->width,
            .ldb = columns,
            .ldc = columns,
            .accumulate = g + 1 < desc->n_elements,
        };
        gemm.a.offset += g * m * desc->width;
        gemm.b.offset += g * desc->width * columns;
        status = iv_gemm(sequence, &gemm);
    }
    return status;
}

iv_status iv_factored_svd(iv_sequence *sequence, const iv_factored_svd_desc *desc) {
    iv_error *error = iv_context_error(iv_sequence_context(sequence));
    const size_t columns = desc->n_elements * desc->width;
    const size_t values = desc->rows < columns ? desc->rows : columns;
    iv_view products = {NULL, 0, desc->n_inputs * desc->rows * columns};
    size_t bytes = sizeof(float);
    iv_status status = iv_multiply_size(bytes, desc->n_members, &bytes, error);
    if (status == IV_OK) status = iv_multiply_size(bytes, desc->n_inputs, &bytes, error);
    if (status == IV_OK) status = iv_multiply_size(bytes, desc->rows * columns, &bytes, error);
    if (status == IV_OK) status = iv_sequence_buffer(sequence, bytes, &products.buffer);
    if (status == IV_OK) status = append_products(sequence, desc, products);
    if (status != IV_OK) return status;

    /* The products of all members follow one another; so do the values, if a member's fill its
     * stride. */
    iv_svd_desc svd = {.m = desc->rows,
                       .n = columns,
                       .batch = desc->n_members * desc->n_inputs,
                       .a = {products.buffer, 0, desc->rows * columns},
                       .s = {desc->s.buffer, desc->s.offset, values}};
    if (desc->n_members == 1 || desc->s.stride == desc->n_inputs * values)
        return iv_svd(sequence, &svd);
    return iv_fail(error, IV_EINVAL,
                   "iv_factored_svd: singular values of a member must fill its stride, %zu",
                   desc->n_inputs * values);
}

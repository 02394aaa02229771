/* Products with a matrix of weights. */
#include "onnx/state.h"

#include <inttypes.h>
#include <string.h>

/* Weights as [N, K] times a number. They are [N, K] in the file (`stored`), or [K, N] behind axes of
 * length 1. */
static iv_status read_weights(onnx_state *s, bool stored, float factor, size_t *value) {
    const onnx_constant *constant = onnx_constant_of(s, s->inputs[1]);
    const onnx_shape whole = constant->shape;
    const unsigned ones = whole.rank < 2 ? 0 : whole.rank - 2;
    onnx_constant *made;
    char text[ONNX_SHAPE_TEXT];
    if (!constant->floats) return onnx_refuse(s, "its weights are not floats");
    bool matrix = whole.rank >= 2 && constant->n > 0;
    for (unsigned i = 0; i < ones; i++) matrix = matrix && whole.axes[i] == 1;
    if (!matrix)
        return onnx_refuse(s, "its weights have shape %s, expected a matrix",
                           onnx_shape_text(&whole, text));
    const size_t rows = whole.axes[ones], columns = whole.axes[ones + 1];
    const onnx_shape shape = {.rank = 2,
                              .axes = {stored ? rows : columns, stored ? columns : rows}};
    if (stored && factor == 1) return onnx_use_constant(s, s->inputs[1]->constant, &shape, value);
    const int64_t strides[] = {stored ? (int64_t)columns : 1, stored ? 1 : (int64_t)columns};
    const iv_status status = onnx_pick(s, s->inputs[1], &shape, 0, strides, &made);
    if (status != IV_OK) return status;
    for (size_t i = 0; i < made->n && factor != 1; i++) made->floats[i] *= factor;
    return onnx_use_constant(s, (size_t)(made - s->constants), &shape, value);
}

/* x w^T, and where its shape does not allow that, why. */
static iv_status append_product(onnx_state *s, size_t x, size_t w, size_t *value) {
    onnx_shape to = s->values[x].shape;
    const onnx_shape weights = s->values[w].shape;
    char of_x[ONNX_SHAPE_TEXT];
    if (to.rank == 0 || to.axes[to.rank - 1] != weights.axes[1])
        return onnx_refuse(s,
                           "a tensor of shape %s for each image does not fit weights of %zu inputs",
                           onnx_shape_text(&to, of_x), weights.axes[1]);
    to.axes[to.rank - 1] = weights.axes[0];
    return onnx_append(s, &(iv_onnx_node){.op = IV_ONNX_LINEAR}, (const size_t[]){x, w}, 2, &to,
                       value);
}

iv_status onnx_lower_matmul(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    size_t value, w;
    (void)kind;
    iv_status status = onnx_computed(s, 0, &value);
    if (status != IV_OK) return status;
    const onnx_constant *weights = onnx_constant_of(s, s->inputs[1]);
    if (!weights)
        return onnx_refuse(
            s, "it multiplies two tensors that both depend on the image, which is not supported");
    if (weights->shape.rank > onnx_shape_in_file(s, x).rank && weights->shape.rank > 2)
        return onnx_refuse(s, "its weights have more axes than its input");
    status = read_weights(s, false, 1, &w);
    if (status == IV_OK) status = append_product(s, value, w, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

/* beta times the third input: a bias [N] if it is a constant that all rows have. */
static iv_status append_sum(onnx_state *s, float beta, size_t *value) {
    const onnx_name *x = s->inputs[0], *name = s->inputs[2];
    const onnx_constant *constant = onnx_constant_of(s, name);
    const size_t width = s->values[*value].shape.axes[s->values[*value].shape.rank - 1];
    const onnx_shape shape = {.rank = 1, .axes = {width}};
    onnx_constant *made;
    size_t bias;
    if (!constant) {
        if (beta != 1 || name->batched != x->batched ||
            !onnx_same_shape(&s->values[name->value].shape, &s->values[*value].shape))
            return onnx_refuse(s, "what it adds depends on the image and does not fit");
        return onnx_append_binary(s, IV_ADD, *value, name->value, value);
    }
    if (!constant->floats || (constant->n != width && constant->n != 1) ||
        constant->shape.rank > 2 ||
        (constant->n == width && width > 1 &&
         constant->shape.axes[constant->shape.rank - 1] != width))
        return onnx_refuse(s, "what it adds is not one number for each of its %zu outputs", width);
    iv_status status = onnx_make_constant(s, &shape, false, &made);
    if (status != IV_OK) return status;
    constant = onnx_constant_of(s, name);
    for (size_t i = 0; i < width; i++)
        made->floats[i] = beta * constant->floats[constant->n == 1 ? 0 : i];
    status = onnx_use_constant(s, s->n_constants - 1, &shape, &bias);
    if (status == IV_OK) onnx_add_bias(s, &s->nodes[s->values[*value].node], bias);
    return status;
}

iv_status onnx_lower_gemm(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    float alpha = 1, beta = 1;
    int64_t turn_a = 0, turn_b = 0;
    size_t value, w;
    (void)kind;
    iv_status status = onnx_computed(s, 0, &value);
    if (status == IV_OK) status = onnx_float(s, "alpha", 1, &alpha);
    if (status == IV_OK) status = onnx_float(s, "beta", 1, &beta);
    if (status == IV_OK) status = onnx_integer(s, "transA", 0, &turn_a);
    if (status == IV_OK) status = onnx_integer(s, "transB", 0, &turn_b);
    if (status != IV_OK) return status;
    if (turn_a) return onnx_refuse(s, "it mixes the images of a batch: transA");
    if (onnx_shape_in_file(s, x).rank != 2) return onnx_refuse(s, "its input is not a matrix");
    if (!onnx_constant_of(s, s->inputs[1]))
        return onnx_refuse(
            s, "it multiplies two tensors that both depend on the image, which is not supported");
    status = read_weights(s, turn_b != 0, alpha, &w);
    if (status == IV_OK) status = append_product(s, value, w, &value);
    if (status == IV_OK && s->n_inputs > 2 && beta != 0) status = append_sum(s, beta, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

/* Normalisation by what is computed of the image itself: (x - mean) / sqrt(variance + epsilon) over some
 * axes of it, then a factor and a summand. */
#include "onnx/state.h"

#include <string.h>

/* The mean over axes of a bit mask, which counts the axis of the batch; they stay. */
static iv_status append_mean(onnx_state *s, unsigned axes, size_t x, size_t *mean) {
    const iv_onnx_node node = {.op = IV_ONNX_MEAN_OVER, .mean = {.axes = axes, .keep = true}};
    onnx_shape to = s->values[x].shape;
    for (unsigned i = 0; i < to.rank; i++)
        if (axes >> (i + 1) & 1) to.axes[i] = 1;
    return onnx_append(s, &node, &x, 1, &to, mean);
}

static iv_status append_normalized(onnx_state *s, unsigned axes, size_t *value) {
    size_t mean, distance = 0, variance = 0;
    float epsilon;
    iv_status status = onnx_float(s, "epsilon", 1e-5f, &epsilon);
    if (status == IV_OK && !(epsilon >= 0)) return onnx_refuse(s, "its epsilon is below 0");
    if (status == IV_OK) status = append_mean(s, axes, *value, &mean);
    if (status == IV_OK) status = onnx_append_binary(s, IV_SUBTRACT, *value, mean, &distance);
    if (status == IV_OK) status = onnx_append_binary(s, IV_MULTIPLY, distance, distance, &variance);
    if (status == IV_OK) status = append_mean(s, axes, variance, &variance);
    if (status == IV_OK) status = onnx_append_number(s, IV_ADD, (double)epsilon, &variance);
    if (status == IV_OK)
        status = onnx_append_unary(s, (iv_function){.kind = IV_SQRT}, variance, &variance);
    if (status == IV_OK) status = onnx_append_binary(s, IV_DIVIDE, distance, variance, value);
    return status;
}

/* Times input 1, plus input 2 if there is one: constants in the shape that they are given here. */
static iv_status append_affine(onnx_state *s, const onnx_shape *shape, size_t *value) {
    static const iv_binary_kind kinds[] = {IV_MULTIPLY, IV_ADD};
    for (size_t i = 1; i < 3 && i < s->n_inputs; i++) {
        const onnx_constant *constant = onnx_constant_of(s, s->inputs[i]);
        size_t n, number;
        if (!s->inputs[i]) continue;
        if (!constant) return onnx_refuse(s, "its input %zu depends on the image", i);
        const onnx_shape *as = shape ? shape : &constant->shape;
        if (!onnx_count(as, &n) || n != constant->n)
            return onnx_refuse(s, "its input %zu has %zu numbers, expected %zu", i, constant->n, n);
        const onnx_shape given = *as;
        iv_status status = onnx_use_constant(s, s->inputs[i]->constant, &given, &number);
        if (status == IV_OK) status = onnx_append_binary(s, kinds[i - 1], *value, number, value);
        if (status != IV_OK) return status;
    }
    return IV_OK;
}

/* Over all axes from one on. */
iv_status onnx_lower_layer_normalize(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    size_t value;
    int64_t written;
    unsigned axis, axes = 0;
    (void)kind;
    iv_status status = onnx_computed(s, 0, &value);
    if (status == IV_OK) status = onnx_integer(s, "axis", -1, &written);
    if (status != IV_OK) return status;
    const onnx_shape from = onnx_shape_in_file(s, x), of_image = s->values[value].shape;
    status = onnx_axis(s, written, from.rank, &axis);
    if (status == IV_OK && x->batched && axis == 0)
        return onnx_refuse(s, "it mixes the images of a batch: it is along their axis");
    for (unsigned i = axis; i < from.rank; i++) axes |= 1u << (i + !x->batched);
    if (status == IV_OK) status = append_normalized(s, axes, &value);
    if (status == IV_OK) status = append_affine(s, NULL, &value);
    if (status == IV_OK && !onnx_same_shape(&s->values[value].shape, &of_image))
        return onnx_refuse(s, "its scale or its bias has more axes than its input");
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

/* Over all axes behind that of the channels. */
iv_status onnx_lower_instance_normalize(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    onnx_shape channels = {.rank = 0};
    size_t value;
    (void)kind;
    iv_status status = onnx_computed(s, 0, &value);
    if (status != IV_OK) return status;
    const onnx_shape shape = s->values[value].shape;
    if (!x->batched || shape.rank < 2)
        return onnx_refuse(s, "its input has no axes behind that of its channels");
    channels.rank = shape.rank;
    for (unsigned i = 0; i < shape.rank; i++) channels.axes[i] = i == 0 ? shape.axes[0] : 1;
    status = append_normalized(s, ((1u << (shape.rank + 1)) - 1) & ~3u, &value);
    if (status == IV_OK) status = append_affine(s, &channels, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, true);
    return status;
}

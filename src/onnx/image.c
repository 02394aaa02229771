/* Convolutions, their normalisation, and borders. */
#include "onnx/window.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------ convolution */

/* Input i as a constant of floats. */
static iv_status floats_of(onnx_state *s, size_t i, const char *what,
                           const onnx_constant **floats) {
    *floats = onnx_constant_of(s, s->inputs[i]);
    if (*floats && (*floats)->floats) return IV_OK;
    return onnx_refuse(s, "its %s %s, expected constant floats", what,
                       *floats ? "are integers" : "depend on the image");
}

iv_status onnx_lower_convolve(onnx_state *s, int kind) {
    const onnx_constant *weights, *bias;
    size_t inputs[3] = {0}, value, n[2];
    int64_t groups = 1;
    iv_window window;
    char of_x[ONNX_SHAPE_TEXT], of_w[ONNX_SHAPE_TEXT];
    (void)kind;
    iv_status status = floats_of(s, 1, "weights", &weights);
    if (status == IV_OK && weights->shape.rank != 4)
        return onnx_refuse(s,
                           "its weights have %u axes, expected 4: it is not along two axes, as "
                           "images are",
                           weights->shape.rank);
    if (status == IV_OK) status = onnx_images(s, &inputs[0]);
    if (status == IV_OK) status = onnx_integer(s, "group", 1, &groups);
    if (status != IV_OK) return status;
    const onnx_shape x = s->values[inputs[0]].shape, w = weights->shape;
    if (groups < 1 || groups > INT32_MAX || w.axes[1] == 0 || w.axes[0] == 0 || w.axes[2] == 0 ||
        w.axes[3] == 0 || w.axes[0] % (size_t)groups != 0 ||
        w.axes[1] * (size_t)groups != x.axes[0])
        return onnx_refuse(s, "weights %s of %" PRId64 " groups do not fit images %s",
                           onnx_shape_text(&w, of_w), groups, onnx_shape_text(&x, of_x));
    const size_t size[2] = {w.axes[2], w.axes[3]}, length[2] = {x.axes[1], x.axes[2]};
    status = onnx_read_window(s, size, length, &window);
    if (status == IV_OK) status = onnx_count_windows(s, &window, length, n);
    if (status == IV_OK) status = onnx_use_constant(s, s->inputs[1]->constant, &w, &inputs[1]);
    const bool has_bias = s->n_inputs > 2;
    if (status == IV_OK && has_bias) status = floats_of(s, 2, "bias", &bias);
    if (status == IV_OK && has_bias && (bias->shape.rank != 1 || bias->n != w.axes[0]))
        status = onnx_refuse(s, "its bias has %zu numbers, expected %zu", bias->n, w.axes[0]);
    if (status == IV_OK && has_bias) {
        const onnx_shape shape = bias->shape;
        status = onnx_use_constant(s, s->inputs[2]->constant, &shape, &inputs[2]);
    }
    const iv_onnx_node node = {.op = IV_ONNX_CONVOLVE,
                               .image = {.window = window, .groups = (size_t)groups}};
    const onnx_shape to = {.rank = 3, .axes = {w.axes[0], n[0], n[1]}};
    if (status == IV_OK) status = onnx_append(s, &node, inputs, has_bias ? 3 : 2, &to, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, true);
    return status;
}

/* ------------------------------------------------------------------ normalisation */

/* y = factor x + shift, [C] each, that stand for the four constants of the node. */
static iv_status read_affine(onnx_state *s, size_t n_channels, size_t *factor, size_t *shift) {
    static const char *const names[] = {"scale", "shift", "mean", "variance"};
    const onnx_constant *constants[4];
    const onnx_shape shape = {.rank = 1, .axes = {n_channels}};
    onnx_constant *made[2];
    float epsilon;
    iv_status status = onnx_float(s, "epsilon", 1e-5f, &epsilon);
    for (size_t i = 0; i < 2 && status == IV_OK; i++) {
        status = onnx_make_constant(s, &shape, false, &made[i]);
        *(i == 0 ? factor : shift) = s->n_constants - 1;
    }
    for (size_t i = 0; i < 4 && status == IV_OK; i++) {
        status = floats_of(s, i + 1, names[i], &constants[i]);
        if (status == IV_OK && constants[i]->n != n_channels)
            status = onnx_refuse(s, "its %s has %zu numbers for %zu channels", names[i],
                                 constants[i]->n, n_channels);
    }
    for (size_t c = 0; c < n_channels && status == IV_OK; c++) {
        const double variance = (double)constants[3]->floats[c] + (double)epsilon;
        if (!(variance > 0)) return onnx_refuse(s, "its variance of channel %zu is not above 0", c);
        const double of_x = (double)constants[0]->floats[c] / sqrt(variance);
        s->constants[*factor].floats[c] = (float)of_x;
        s->constants[*shift].floats[c] =
            (float)((double)constants[1]->floats[c] - of_x * (double)constants[2]->floats[c]);
    }
    return status;
}

/* Into the weights and the bias of the product that makes x: factor (w x + b) + shift. */
static iv_status fold_into(onnx_state *s, size_t at, size_t factor, size_t shift) {
    const onnx_value w = s->values[s->nodes[at].inputs[1]];
    const onnx_shape of_bias = s->constants[factor].shape;
    const size_t n_channels = of_bias.axes[0];
    const bool has_bias = s->nodes[at].n_inputs > 2;
    onnx_constant *weights, *bias;
    size_t new_weights = 0, new_bias = 0;
    iv_status status = onnx_make_constant(s, &w.shape, false, &weights);
    if (status == IV_OK) {
        const size_t each = weights->n / n_channels;
        const float *from = s->constants[w.constant].floats;
        for (size_t i = 0; i < weights->n; i++)
            weights->floats[i] = from[i] * s->constants[factor].floats[i / each];
        status = onnx_use_constant(s, s->n_constants - 1, &w.shape, &new_weights);
    }
    if (status == IV_OK) status = onnx_make_constant(s, &of_bias, false, &bias);
    if (status == IV_OK) {
        const float *old =
            has_bias ? s->constants[s->values[s->nodes[at].inputs[2]].constant].floats : NULL;
        for (size_t c = 0; c < n_channels; c++)
            bias->floats[c] =
                (float)((double)s->constants[shift].floats[c] +
                        (old ? (double)s->constants[factor].floats[c] * (double)old[c] : 0));
        status = onnx_use_constant(s, s->n_constants - 1, &of_bias, &new_bias);
    }
    if (status != IV_OK) return status;
    s->nodes[at].inputs[1] = new_weights;
    if (has_bias)
        s->nodes[at].inputs[2] = new_bias;
    else
        onnx_add_bias(s, &s->nodes[at], new_bias);
    onnx_bind_same(s, 0, s->inputs[0]);
    return IV_OK;
}

static iv_status append_affine(onnx_state *s, size_t factor, size_t shift, size_t *value) {
    onnx_shape per_channel = {.rank = s->values[*value].shape.rank};
    size_t constants[2] = {0};
    for (unsigned i = 0; i < per_channel.rank; i++) per_channel.axes[i] = 1;
    per_channel.axes[0] = s->values[*value].shape.axes[0];
    iv_status status = onnx_use_constant(s, factor, &per_channel, &constants[0]);
    if (status == IV_OK) status = onnx_use_constant(s, shift, &per_channel, &constants[1]);
    if (status == IV_OK) status = onnx_append_binary(s, IV_MULTIPLY, *value, constants[0], value);
    if (status == IV_OK) status = onnx_append_binary(s, IV_ADD, *value, constants[1], value);
    return status;
}

iv_status onnx_lower_normalize(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    int64_t training;
    size_t value, factor = 0, shift = 0;
    (void)kind;
    iv_status status = onnx_computed(s, 0, &value);
    if (status == IV_OK) status = onnx_integer(s, "training_mode", 0, &training);
    if (status != IV_OK) return status;
    for (size_t k = 1; k < s->node->n_output; k++)
        if (training || *s->node->output[k])
            return onnx_refuse(s, "is in training mode: export the network for inference");
    if (training) return onnx_refuse(s, "is in training mode: export the network for inference");
    const onnx_shape shape = s->values[value].shape;
    if (!x->batched || shape.rank == 0)
        return onnx_refuse(s, "its input has no axis of channels behind that of the batch");
    status = read_affine(s, shape.axes[0], &factor, &shift);
    if (status != IV_OK) return status;
    const iv_onnx_node *product = onnx_changeable(s, 0, IV_ONNX_CONVOLVE);
    if (!product && shape.rank == 1) product = onnx_changeable(s, 0, IV_ONNX_LINEAR);
    if (product) return fold_into(s, (size_t)(product - s->nodes), factor, shift);
    status = append_affine(s, factor, shift, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

/* ------------------------------------------------------------------ borders */

/* Along each axis of the file, before and after; negative ones cut off. */
static iv_status read_borders(onnx_state *s, unsigned rank, int64_t *before, int64_t *after) {
    int64_t pads[ONNX_MOST_AXES], axes[ONNX_MOST_AXES];
    size_t n, n_axes = 0;
    iv_status status = onnx_moved_integers(s, 11, "pads", 1, pads, &n);
    if (status == IV_OK) status = onnx_input_integers(s, 3, axes, NULL, &n_axes);
    if (status != IV_OK) return status;
    const size_t of = n_axes > 0 ? n_axes : rank;
    if (n != 2 * of) return onnx_refuse(s, "its pads are %zu numbers for %zu axes", n, of);
    for (size_t i = 0; i < of; i++) {
        unsigned axis = (unsigned)i;
        if (n_axes > 0) status = onnx_axis(s, axes[i], rank, &axis);
        if (status != IV_OK) return status;
        if (before[axis] != 0 || after[axis] != 0) return onnx_refuse(s, "it names an axis twice");
        before[axis] = pads[i];
        after[axis] = pads[i + of];
        if (pads[i] > INT32_MAX || pads[i] < -INT32_MAX || pads[i + of] > INT32_MAX ||
            pads[i + of] < -INT32_MAX)
            return onnx_refuse(s, "its pads are too large");
    }
    return IV_OK;
}

static iv_status read_border_value(onnx_state *s, float *value) {
    double number;
    char mode[32];
    iv_status status = onnx_string(s, "mode", "constant", mode);
    if (status != IV_OK) return status;
    if (strcmp(mode, "constant") != 0)
        return onnx_refuse(s, "its mode is another than constant, which is not supported");
    if (s->opset < 11) return onnx_float(s, "value", 0, value);
    status = onnx_input_number(s, 2, 0, &number);
    *value = (float)number;
    if (status == IV_OK && !isfinite(*value)) return onnx_refuse(s, "its value is not finite");
    return status;
}

iv_status onnx_lower_pad(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    int64_t before[ONNX_MOST_AXES] = {0}, after[ONNX_MOST_AXES] = {0};
    iv_onnx_node node = {.op = IV_ONNX_PAD};
    size_t value;
    bool any = false;
    (void)kind;
    iv_status status = onnx_computed(s, 0, &value);
    if (status != IV_OK) return status;
    const onnx_shape from = onnx_shape_in_file(s, x);
    status = read_borders(s, from.rank, before, after);
    if (status == IV_OK) status = read_border_value(s, &node.pad.value);
    if (status == IV_OK && from.rank + !x->batched > IV_ONNX_MAX_RANK)
        return onnx_refuse(s, "its input has too many axes");
    onnx_shape to = {.rank = 0};
    for (unsigned i = 0; i < from.rank && status == IV_OK; i++) {
        const int64_t length = (int64_t)from.axes[i];
        const int64_t first = before[i] < 0 ? -before[i] : 0, last = after[i] < 0 ? -after[i] : 0;
        const unsigned axis = i + !x->batched;
        if (axis == 0 && (before[i] != 0 || after[i] != 0)) return onnx_mixes(s);
        if (axis == 0) continue;
        if (first + last >= length) return onnx_refuse(s, "it leaves nothing of axis %u", i);
        status = onnx_append_part(s, value, axis, (size_t)first, (size_t)(length - first - last),
                                  &value);
        node.pad.before[axis] = before[i] > 0 ? (size_t)before[i] : 0;
        node.pad.after[axis] = after[i] > 0 ? (size_t)after[i] : 0;
        any = any || before[i] > 0 || after[i] > 0;
        to.axes[to.rank++] =
            (size_t)(length - first - last) + node.pad.before[axis] + node.pad.after[axis];
    }
    if (status == IV_OK && any) status = onnx_append(s, &node, &value, 1, &to, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

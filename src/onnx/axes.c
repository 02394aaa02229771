/* Along axes: softmax and reductions. */
#include "onnx/state.h"

#include <string.h>

/* ------------------------------------------------------------------ softmax */

static iv_status append_softmax(onnx_state *s, bool logarithm, size_t *value) {
    const onnx_shape shape = s->values[*value].shape;
    const iv_status status =
        onnx_append(s, &(iv_onnx_node){.op = IV_ONNX_SOFTMAX}, value, 1, &shape, value);
    if (status != IV_OK || !logarithm) return status;
    return onnx_append_unary(s, (iv_function){.kind = IV_LOG}, *value, value);
}

/* Since operator set 13, along one axis. `axis` counts that of the batch. */
static iv_status softmax_along(onnx_state *s, unsigned axis, bool logarithm, size_t *value) {
    const unsigned last = s->values[*value].shape.rank;
    unsigned order[ONNX_MOST_AXES];
    if (axis == last) return append_softmax(s, logarithm, value);
    for (unsigned i = 0; i <= last; i++) order[i] = i;
    order[axis] = last;
    order[last] = axis; /* its own inverse */
    iv_status status = onnx_append_permute(s, *value, order, value);
    if (status == IV_OK) status = append_softmax(s, logarithm, value);
    if (status == IV_OK) status = onnx_append_permute(s, *value, order, value);
    return status;
}

/* Before it, along all axes from one on, as if they were one. */
static iv_status softmax_from(onnx_state *s, unsigned axis, bool logarithm, size_t *value) {
    const onnx_shape shape = s->values[*value].shape;
    onnx_shape flat = {.rank = 2, .axes = {1, 1}};
    for (unsigned i = 0; i < shape.rank; i++) flat.axes[i + 1 < axis ? 0 : 1] *= shape.axes[i];
    if (flat.axes[0] == 1) flat = (onnx_shape){.rank = 1, .axes = {flat.axes[1]}};
    iv_status status = onnx_append_reshape(s, *value, &flat, value);
    if (status == IV_OK) status = append_softmax(s, logarithm, value);
    if (status == IV_OK) status = onnx_append_reshape(s, *value, &shape, value);
    return status;
}

/* kind 1: its logarithm */
iv_status onnx_lower_softmax(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    const onnx_shape in_file = onnx_shape_in_file(s, x);
    const bool one = s->opset >= 13;
    size_t value = x->value;
    int64_t written;
    unsigned axis;
    iv_status status = onnx_integer(s, "axis", one ? -1 : 1, &written);
    if (status == IV_OK) status = onnx_axis(s, written, in_file.rank, &axis);
    if (status != IV_OK) return status;
    /* One image's axis of length 1 changes nothing where all are one. */
    if (x->batched && axis == 0 && (one || s->images != 1))
        return onnx_refuse(s, "it mixes the images of a batch: it is along their axis");
    const unsigned place = axis + !x->batched;
    status = one ? softmax_along(s, place, kind == 1, &value)
                 : softmax_from(s, place > 0 ? place : 1, kind == 1, &value);
    if (status == IV_OK) onnx_bind_value(s, 0, value, x->batched);
    return status;
}

/* ------------------------------------------------------------------ reductions */

iv_status onnx_reduced_axes(onnx_state *s, int kind, unsigned rank, unsigned *axes, bool *keep,
                            bool *nothing) {
    int64_t named[ONNX_MOST_AXES], keep_axes = 1, no_op = 0;
    size_t n;
    iv_status status = onnx_moved_integers(s, kind == ONNX_SUM ? 13 : 18, "axes", 1, named, &n);
    if (status == IV_OK) status = onnx_integer(s, "keepdims", 1, &keep_axes);
    if (status == IV_OK) status = onnx_integer(s, "noop_with_empty_axes", 0, &no_op);
    *axes = n == 0 ? (1u << rank) - 1 : 0;
    *keep = keep_axes != 0;
    *nothing = n == 0 && no_op != 0;
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        unsigned place;
        status = onnx_axis(s, named[i], rank, &place);
        *axes |= 1u << place;
    }
    return status;
}

/* The mean over axes of a bit mask, times how many entries each is of. */
static iv_status append_mean(onnx_state *s, unsigned axes, bool keep, size_t times,
                             const onnx_shape *to, size_t *value) {
    const iv_onnx_node node = {.op = IV_ONNX_MEAN_OVER, .mean = {.axes = axes, .keep = keep}};
    const iv_status status = onnx_append(s, &node, value, 1, to, value);
    if (status != IV_OK || times == 1) return status;
    return onnx_append_number(s, IV_MULTIPLY, (double)times, value);
}

/* The largest entry along axes that stand side by side: the columns of an image, one window each. */
static iv_status append_largest(onnx_state *s, unsigned axes, size_t *value) {
    const onnx_shape shape = s->values[*value].shape;
    onnx_shape columns = {.rank = 3, .axes = {1, 1, 1}};
    unsigned part = 0; /* before the axes, along them, behind them */
    for (unsigned i = 0; i < shape.rank; i++) {
        const bool along = axes >> (i + 1) & 1;
        if (along != (part == 1)) part++;
        if (part > 2) return onnx_refuse(s, "its axes do not stand side by side");
        columns.axes[part] *= shape.axes[i];
    }
    const size_t length[2] = {columns.axes[1], columns.axes[2]};
    const iv_onnx_node node = {
        .op = IV_ONNX_MAX_POOL,
        .image = {.window = {.size = {length[0], 1}, .stride = {1, 1}, .dilation = {1, 1}},
                  .groups = 1}};
    iv_status status = onnx_append_reshape(s, *value, &columns, value);
    columns.axes[1] = 1;
    if (status == IV_OK) status = onnx_append(s, &node, value, 1, &columns, value);
    return status;
}

/* `to` is the shape of the result for each image. */
static iv_status append_reduced(onnx_state *s, int kind, unsigned axes, bool keep, size_t n_each,
                                const onnx_shape *to, size_t *value) {
    const iv_function negate = {.kind = IV_NEGATE}, root = {.kind = IV_SQRT};
    iv_status status = IV_OK;
    switch (kind) {
    case ONNX_LEAST:
        status = onnx_append_unary(s, negate, *value, value);
        if (status == IV_OK) status = append_largest(s, axes, value);
        if (status == IV_OK) status = onnx_append_unary(s, negate, *value, value);
        return status;
    case ONNX_LARGEST: return append_largest(s, axes, value);
    case ONNX_LENGTH:
        status = onnx_append_binary(s, IV_MULTIPLY, *value, *value, value);
        if (status == IV_OK) status = append_mean(s, axes, keep, n_each, to, value);
        if (status == IV_OK) status = onnx_append_unary(s, root, *value, value);
        return status;
    default: return append_mean(s, axes, keep, kind == ONNX_SUM ? n_each : 1, to, value);
    }
}

iv_status onnx_lower_reduce(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    size_t value, n_each = 1;
    unsigned axes = 0;
    bool keep, nothing;
    onnx_shape to = {.rank = 0}, in_file_to = {.rank = 0};
    iv_status status = onnx_computed(s, 0, &value);
    if (status != IV_OK) return status;
    const onnx_shape from = onnx_shape_in_file(s, x);
    status = onnx_reduced_axes(s, kind, from.rank, &axes, &keep, &nothing);
    if (status != IV_OK) return status;
    if (nothing && kind != ONNX_LENGTH) return onnx_lower_pass(s, 0);
    if (nothing) return onnx_refuse(s, "it names no axes");
    if (x->batched && axes & 1)
        return onnx_refuse(s, "it mixes the images of a batch: it is along their axis");
    for (unsigned i = 0; i < from.rank; i++) {
        const bool reduced = axes >> i & 1;
        if (reduced) n_each *= from.axes[i];
        if (!reduced || keep) in_file_to.axes[in_file_to.rank++] = reduced ? 1 : from.axes[i];
    }
    to = in_file_to;
    if (x->batched) {
        to.rank--;
        memmove(to.axes, to.axes + 1, to.rank * sizeof *to.axes);
    }
    if (n_each > 1 || kind == ONNX_LENGTH)
        status = append_reduced(s, kind, axes << !x->batched, keep, n_each, &to, &value);
    return status == IV_OK ? onnx_bind_in_shape(s, value, &in_file_to, x->batched) : status;
}

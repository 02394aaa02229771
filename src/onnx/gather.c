/* Places along an axis, taken in an order of their own. */
#include "onnx/state.h"

#include <inttypes.h>

/* The places along an axis, each checked. */
static iv_status read_places(onnx_state *s, const onnx_shape *from, unsigned *axis,
                             const onnx_constant **places) {
    int64_t written;
    iv_status status = onnx_integer(s, "axis", 0, &written);
    if (status == IV_OK) status = onnx_axis(s, written, from->rank, axis);
    *places = onnx_constant_of(s, s->inputs[1]);
    if (status != IV_OK) return status;
    if (!*places || !(*places)->integers || (*places)->of_images)
        return onnx_refuse(s, "its places are not constant integers");
    const int64_t length = (int64_t)from->axes[*axis];
    for (size_t i = 0; i < (*places)->n; i++)
        if ((*places)->integers[i] < -length || (*places)->integers[i] >= length)
            return onnx_refuse(s, "there is no place %" PRId64 " along an axis of %" PRId64,
                               (*places)->integers[i], length);
    return IV_OK;
}

static size_t place_of(const onnx_constant *places, size_t i, size_t length) {
    return (size_t)(places->integers[i] + (places->integers[i] < 0 ? (int64_t)length : 0));
}

/* The axis gives way to those of the places. */
static iv_status gathered(onnx_state *s, const onnx_shape *from, unsigned axis,
                          const onnx_constant *places, onnx_shape *to) {
    *to = (onnx_shape){.rank = from->rank - 1 + places->shape.rank};
    if (to->rank > ONNX_MOST_AXES) return onnx_refuse(s, "its output has too many axes");
    for (unsigned i = 0; i < to->rank; i++)
        to->axes[i] = i < axis                        ? from->axes[i]
                      : i < axis + places->shape.rank ? places->shape.axes[i - axis]
                                                      : from->axes[i + 1 - places->shape.rank];
    return IV_OK;
}

iv_status onnx_lower_gather(onnx_state *s, int kind) {
    const onnx_name *x = s->inputs[0];
    const onnx_constant *places;
    size_t value;
    unsigned axis;
    onnx_shape to;
    (void)kind;
    iv_status status = onnx_computed(s, 0, &value);
    if (status != IV_OK) return status;
    const onnx_shape from = onnx_shape_in_file(s, x);
    status = read_places(s, &from, &axis, &places);
    if (status == IV_OK) status = gathered(s, &from, axis, places, &to);
    if (status != IV_OK) return status;
    if (x->batched && axis == 0 && !(s->images == 1 && places->n == 1)) return onnx_mixes(s);
    if (places->n == 0) return onnx_refuse(s, "it takes nothing of axis %u", axis);
    const size_t length = from.axes[axis], first = place_of(places, 0, length);
    for (size_t i = 1; i < places->n; i++)
        if (place_of(places, i, length) != first + i)
            return onnx_refuse(s, "it takes entries of axis %u that are not neighbours", axis);
    if (!(x->batched && axis == 0))
        status = onnx_append_part(s, value, axis + !x->batched, first, places->n, &value);
    return status == IV_OK ? onnx_bind_in_shape(s, value, &to, x->batched && axis > 0) : status;
}

iv_status onnx_fold_gather(onnx_state *s, int kind) {
    const onnx_shape from = onnx_shape_in_file(s, s->inputs[0]);
    const onnx_constant *places;
    unsigned axis;
    onnx_shape to;
    onnx_constant *made;
    (void)kind;
    iv_status status = read_places(s, &from, &axis, &places);
    if (status == IV_OK) status = gathered(s, &from, axis, places, &to);
    if (status == IV_OK)
        status = onnx_make_constant(s, &to, s->constants[s->inputs[0]->constant].integers, &made);
    if (status != IV_OK) return status;
    const onnx_constant *constant = onnx_constant_of(s, s->inputs[0]);
    places = onnx_constant_of(s, s->inputs[1]);
    size_t inner = 1;
    for (unsigned i = axis + 1; i < from.rank; i++) inner *= from.axes[i];
    const size_t length = from.axes[axis], row = inner * places->n;
    for (size_t i = 0; i < made->n && status == IV_OK; i++) {
        const size_t place = place_of(places, i % row / inner, length);
        status =
            onnx_copy_entry(s, made, i, constant, (i / row * length + place) * inner + i % inner);
    }
    if (status == IV_OK) onnx_bind_constant(s, 0, made);
    return status;
}

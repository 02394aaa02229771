/* Constants made of constants, and those that nodes of the file are. */
#include "onnx/state.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void onnx_strides(const onnx_shape *shape, int64_t strides[ONNX_MOST_AXES]) {
    int64_t stride = 1;
    for (unsigned i = shape->rank; i-- > 0;) {
        strides[i] = stride;
        stride *= (int64_t)shape->axes[i];
    }
}

iv_status onnx_copy_entry(onnx_state *s, onnx_constant *to, size_t at, const onnx_constant *of,
                          size_t from) {
    if (to->floats) {
        to->floats[at] = of->floats[from];
        return IV_OK;
    }
    to->integers[at] = of->integers[from];
    if (!of->of_images || !of->of_images[from]) return IV_OK;
    const iv_status status = onnx_mark_images(s, to);
    if (status == IV_OK) to->of_images[at] = 1;
    return status;
}

iv_status onnx_pick(onnx_state *s, const onnx_name *name, const onnx_shape *shape, int64_t first,
                    const int64_t *strides, onnx_constant **constant) {
    iv_status status =
        onnx_make_constant(s, shape, s->constants[name->constant].integers != NULL, constant);
    const onnx_constant *from = &s->constants[name->constant];
    size_t at[ONNX_MOST_AXES] = {0};
    int64_t offset = first;
    for (size_t i = 0; status == IV_OK && i < (*constant)->n; i++) {
        status = onnx_copy_entry(s, *constant, i, from, (size_t)offset);
        for (unsigned axis = shape->rank; axis-- > 0;) {
            offset += strides[axis];
            if (++at[axis] < shape->axes[axis]) break;
            offset -= strides[axis] * (int64_t)shape->axes[axis];
            at[axis] = 0;
        }
    }
    return status;
}

iv_status onnx_reshape_constant(onnx_state *s, const onnx_name *from, const onnx_shape *shape,
                                onnx_constant **constant) {
    int64_t strides[ONNX_MOST_AXES];
    onnx_strides(shape, strides);
    return onnx_pick(s, from, shape, 0, strides, constant);
}

/* ------------------------------------------------------------------ constants of the file */

static iv_status constant_of_attribute(onnx_state *s, const Onnx__AttributeProto *attribute) {
    const bool floats = strcmp(attribute->name, "value_floats") == 0;
    const bool several = floats || strcmp(attribute->name, "value_ints") == 0;
    const bool one_float = strcmp(attribute->name, "value_float") == 0;
    onnx_shape shape = {.rank = several,
                        .axes = {floats ? attribute->n_floats : attribute->n_ints}};
    onnx_constant *made;
    if (!several && !one_float && strcmp(attribute->name, "value_int") != 0)
        return onnx_refuse(s, "its %s is not supported", attribute->name);
    const iv_status status = onnx_make_constant(s, &shape, !floats && !one_float, &made);
    if (status != IV_OK) return status;
    if (!several && one_float) made->floats[0] = attribute->f;
    if (!several && !one_float) made->integers[0] = attribute->i;
    for (size_t i = 0; i < made->n && several; i++) {
        if (floats)
            made->floats[i] = attribute->floats[i];
        else
            made->integers[i] = attribute->ints[i];
    }
    onnx_bind_constant(s, 0, made);
    return IV_OK;
}

iv_status onnx_fold_constant(onnx_state *s, int kind) {
    size_t constant;
    (void)kind;
    if (s->node->n_attribute != 1)
        return onnx_refuse(s, "has %zu values, expected one", s->node->n_attribute);
    const Onnx__AttributeProto *attribute = s->node->attribute[0];
    if (strcmp(attribute->name, "value") != 0) return constant_of_attribute(s, attribute);
    if (!attribute->t) return onnx_refuse(s, "its value is not a tensor");
    const iv_status status = onnx_read_tensor(s, s->node->n_output > 0 ? s->node->output[0] : "",
                                              attribute->t, &constant);
    if (status == IV_OK) onnx_bind_constant(s, 0, &s->constants[constant]);
    return status;
}

/* Entries that are all alike. An axis of as many as there are images has length 1: every image has the
 * same. */
iv_status onnx_fold_fill(onnx_state *s, int kind) {
    const Onnx__AttributeProto *attribute = onnx_attribute(s, "value");
    int64_t axes[ONNX_MOST_AXES];
    uint8_t images[ONNX_MOST_AXES];
    size_t n, value = ONNX_NOTHING;
    onnx_constant *made;
    (void)kind;
    iv_status status = onnx_input_integers(s, 0, axes, images, &n);
    if (status == IV_OK && attribute && !attribute->t)
        status = onnx_refuse(s, "its value is not a tensor");
    if (status == IV_OK && attribute) status = onnx_read_tensor(s, "value", attribute->t, &value);
    if (status == IV_OK && attribute && s->constants[value].n != 1)
        status = onnx_refuse(s, "its value is not one number");
    if (status != IV_OK) return status;
    onnx_shape shape = {.rank = (unsigned)n};
    for (unsigned i = 0; i < shape.rank; i++) {
        if (axes[i] < 0 || axes[i] > INT32_MAX)
            return onnx_refuse(s, "makes an axis of %" PRId64, axes[i]);
        shape.axes[i] = images[i] ? 1 : (size_t)axes[i];
    }
    status = onnx_make_constant(s, &shape, attribute && s->constants[value].integers, &made);
    if (status != IV_OK) return status;
    for (size_t i = 0; i < made->n && attribute && status == IV_OK; i++)
        status = onnx_copy_entry(s, made, i, &s->constants[value], 0);
    if (status == IV_OK) onnx_bind_constant(s, 0, made);
    return status;
}

iv_status onnx_fold_range(onnx_state *s, int kind) {
    double ends[3];
    bool integers = true;
    onnx_constant *made;
    (void)kind;
    for (size_t i = 0; i < 3; i++) {
        const iv_status status = onnx_input_number(s, i, 0, &ends[i]);
        if (status != IV_OK) return status;
        integers = integers && s->constants[s->inputs[i]->constant].integers;
    }
    const double n = ceil((ends[1] - ends[0]) / ends[2]);
    if (ends[2] == 0 || !(n <= (double)ONNX_MOST_ENTRIES) || (integers && fabs(ends[0]) > 0x1p50))
        return onnx_refuse(s, "a range from %g to %g by %g is not supported", ends[0], ends[1],
                           ends[2]);
    const onnx_shape shape = {.rank = 1, .axes = {n > 0 ? (size_t)n : 0}};
    const iv_status status = onnx_make_constant(s, &shape, integers, &made);
    if (status != IV_OK) return status;
    for (size_t i = 0; i < made->n; i++) {
        const double number = ends[0] + (double)i * ends[2];
        if (integers && fabs(number) > 0x1p50)
            return onnx_refuse(s, "computes with integers beyond their range");
        if (integers)
            made->integers[i] = (int64_t)number;
        else
            made->floats[i] = (float)number;
    }
    onnx_bind_constant(s, 0, made);
    return IV_OK;
}

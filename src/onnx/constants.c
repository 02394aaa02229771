/* Constants made of constants. */
#include "onnx/state.h"

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

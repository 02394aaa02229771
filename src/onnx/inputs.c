/* Inputs of nodes as values of the list. */
#include "onnx/state.h"

#include <string.h>

bool onnx_is_only_use(const onnx_state *s, size_t i) {
    const onnx_name *name = s->inputs[i];
    if (!name || name->value == ONNX_NOTHING) return false;
    const onnx_value *value = &s->values[name->value];
    return value->n_uses_in_file == 1 && value->n_uses == 0;
}

iv_onnx_node *onnx_changeable(onnx_state *s, size_t i, iv_onnx_op op) {
    if (!onnx_is_only_use(s, i)) return NULL;
    const size_t node = s->values[s->inputs[i]->value].node;
    return node != ONNX_NOTHING && s->nodes[node].op == op ? &s->nodes[node] : NULL;
}

/* onnx_append left room for it. */
void onnx_add_bias(onnx_state *s, iv_onnx_node *node, size_t bias) {
    node->inputs[node->n_inputs++] = bias;
    s->values[bias].n_uses++;
}

iv_status onnx_value_beside(onnx_state *s, const onnx_name *constant, const onnx_name *beside,
                            size_t *value) {
    onnx_shape shape = s->constants[constant->constant].shape;
    char text[ONNX_SHAPE_TEXT];
    const unsigned rank = s->values[beside->value].shape.rank;
    while (beside->batched && shape.rank > rank) {
        if (shape.axes[0] != 1 || shape.rank > rank + 1)
            return onnx_refuse(s, "a constant of shape %s is not the same for every image",
                               onnx_shape_text(&shape, text));
        shape.rank--;
        memmove(shape.axes, shape.axes + 1, shape.rank * sizeof *shape.axes);
    }
    return onnx_use_constant(s, constant->constant, &shape, value);
}

iv_status onnx_computed(onnx_state *s, size_t i, size_t *value) {
    char text[ONNX_NODE_NAME];
    if (s->inputs[i]->value == ONNX_NOTHING)
        return onnx_refuse(s,
                           "its input '%s' is a constant, expected one that depends on the image",
                           onnx_tame(s->inputs[i]->name, text));
    *value = s->inputs[i]->value;
    return IV_OK;
}

iv_status onnx_images(onnx_state *s, size_t *value) {
    const iv_status status = onnx_computed(s, 0, value);
    if (status != IV_OK) return status;
    const onnx_shape shape = onnx_shape_in_file(s, s->inputs[0]);
    char text[ONNX_SHAPE_TEXT];
    if (s->inputs[0]->batched && shape.rank == 4) return IV_OK;
    return onnx_refuse(
        s, "takes a tensor of shape %s, expected images: [batch, planes, height, width]",
        onnx_shape_text(&shape, text));
}

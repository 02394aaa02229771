/* The list's last steps: a softmax at its end goes, what is not needed goes, the rest is numbered anew. */
#include "onnx/finish.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const iv_onnx_node *maker(const onnx_state *s, size_t value) {
    const size_t node = s->values[value].node;
    return node != ONNX_NOTHING ? &s->nodes[node] : NULL;
}

/* Through reshapes. */
static size_t plain(const onnx_state *s, size_t value) {
    const iv_onnx_node *node;
    while ((node = maker(s, value)) && node->op == IV_ONNX_RESHAPE) value = node->inputs[0];
    return value;
}

/* The value whose softmax over all of it is `value`, or ONNX_NOTHING. */
static size_t under_softmax(const onnx_state *s, size_t value, size_t n) {
    const iv_onnx_node *node = maker(s, plain(s, value));
    if (!node || node->op != IV_ONNX_SOFTMAX) return ONNX_NOTHING;
    const onnx_shape *shape = &s->values[node->output].shape;
    return shape->rank > 0 && shape->axes[shape->rank - 1] == n ? node->inputs[0] : ONNX_NOTHING;
}

/* Metrics take logits; the logarithm of a softmax has them up to a constant per image. */
static void leave_softmax_out(onnx_state *s, size_t n, size_t *value) {
    const iv_onnx_node *last = maker(s, plain(s, *value));
    const bool logarithm = last && last->op == IV_ONNX_UNARY && last->unary.kind == IV_LOG;
    const size_t under = under_softmax(s, logarithm ? last->inputs[0] : *value, n);
    if (under == ONNX_NOTHING) return;
    s->left_out = logarithm ? "LogSoftmax" : "Softmax";
    onnx_note(s, "ends in a %s, which is left out: what it takes are the logits",
              logarithm ? "logarithm of a softmax" : "softmax");
    *value = under;
}

static iv_status find_logits(onnx_state *s, const onnx_name *output, size_t *value,
                             size_t *n_classes) {
    char text[ONNX_SHAPE_TEXT], name[ONNX_NODE_NAME];
    onnx_tame(output->name, name);
    if (output->value == ONNX_NOTHING)
        return onnx_refuse(s, "its output '%s' does not depend on the image", name);
    const onnx_shape shape = s->values[output->value].shape;
    unsigned longer = 0;
    *n_classes = 1;
    for (unsigned i = 0; i < shape.rank; i++) {
        longer += shape.axes[i] > 1;
        *n_classes *= shape.axes[i];
    }
    if (longer > 1 || shape.rank == 0)
        return onnx_refuse(
            s, "its output '%s' has shape %s for each image, expected one number per class", name,
            onnx_shape_text(&shape, text));
    *value = output->value;
    leave_softmax_out(s, *n_classes, value);
    return onnx_append_reshape(s, *value, &(onnx_shape){.rank = 1, .axes = {*n_classes}}, value);
}

/* ------------------------------------------------------------------ what is needed */

static iv_status check_constant(onnx_state *s, const iv_onnx_node *node, const onnx_value *value) {
    const onnx_constant *constant = &s->constants[value->constant];
    char name[ONNX_NODE_NAME];
    for (size_t i = 0; i < constant->n; i++)
        if (!isfinite(constant->floats[i]))
            return iv_fail(s->error, IV_EDATA,
                           "%s: %s: a constant of it, '%s', holds a number that is not finite",
                           s->path, node->name, onnx_tame(value->name, name));
    return IV_OK;
}

/* Whether the list can hold a node. */
static iv_status check_node(onnx_state *s, const iv_onnx_node *node) {
    const onnx_shape *shape = &s->values[node->output].shape;
    char text[ONNX_SHAPE_TEXT];
    iv_status status = IV_OK;
    if (shape->rank >= IV_ONNX_MAX_RANK)
        return iv_fail(
            s->error, IV_EDATA,
            "%s: %s: a tensor of shape %s for each image has %u axes, expected at most %d", s->path,
            node->name, onnx_shape_text(shape, text), shape->rank, IV_ONNX_MAX_RANK - 1);
    for (size_t k = 0; k < node->n_inputs && status == IV_OK; k++)
        if (s->values[node->inputs[k]].constant != ONNX_NOTHING)
            status = check_constant(s, node, &s->values[node->inputs[k]]);
    return status;
}

/* Nodes and values that the output needs. */
static iv_status mark(onnx_state *s, size_t output, bool *nodes, bool *values) {
    values[output] = true;
    for (size_t i = s->n_nodes; i-- > 0;) {
        const iv_onnx_node *node = &s->nodes[i];
        if (!values[node->output]) continue;
        nodes[i] = true;
        for (size_t k = 0; k < node->n_inputs; k++) values[node->inputs[k]] = true;
    }
    iv_status status = IV_OK;
    for (size_t i = 0; i < s->n_nodes && status == IV_OK; i++)
        if (nodes[i]) status = check_node(s, &s->nodes[i]);
    return status;
}

/* The last value that takes a constant has its floats, others have copies. */
static float *take_floats(onnx_constant *constant) {
    float *floats = constant->floats;
    if (--constant->n_takers == 0) {
        constant->floats = NULL;
        return floats;
    }
    float *copy = malloc((constant->n + 1) * sizeof *copy);
    if (copy) memcpy(copy, floats, constant->n * sizeof *copy);
    return copy;
}

static iv_status move_value(onnx_state *s, const onnx_value *from, iv_onnx_value *to) {
    const bool computed = from->constant == ONNX_NOTHING;
    char name[ONNX_NODE_NAME];
    to->name = strdup(onnx_tame(from->name, name));
    to->rank = from->shape.rank;
    for (unsigned i = 0; i < to->rank; i++) to->shape[i] = from->shape.axes[i];
    if (!computed) to->data = take_floats(&s->constants[from->constant]);
    if (to->name && (to->data || computed)) return IV_OK;
    return iv_fail(s->error, IV_ENOMEM, "%s: no memory to read it", s->path);
}

static iv_status move_all(onnx_state *s, const bool *nodes, const bool *values, size_t *number,
                          iv_onnx_model *model) {
    for (size_t i = 0; i < s->n_values; i++)
        if (values[i] && s->values[i].constant != ONNX_NOTHING)
            s->constants[s->values[i].constant].n_takers++;
    for (size_t i = 0; i < s->n_values; i++) {
        if (!values[i]) continue;
        number[i] = model->n_values;
        const iv_status status = move_value(s, &s->values[i], &model->values[model->n_values++]);
        if (status != IV_OK) return status;
    }
    for (size_t i = 0; i < s->n_nodes; i++) {
        if (!nodes[i]) continue;
        iv_onnx_node *to = &model->nodes[model->n_nodes++];
        *to = s->nodes[i];
        s->nodes[i].name = NULL;
        s->nodes[i].inputs = NULL;
        for (size_t k = 0; k < to->n_inputs; k++) to->inputs[k] = number[to->inputs[k]];
        to->output = number[to->output];
    }
    return IV_OK;
}

/* ------------------------------------------------------------------ models */

static iv_status describe(onnx_state *s, iv_onnx_model *model) {
    char name[ONNX_NODE_NAME], version[ONNX_NODE_NAME];
    iv_text producer = {0};
    iv_text_add(&producer, onnx_tame(s->model->producer_name, name));
    if (*name && s->model->producer_version && *s->model->producer_version)
        iv_text_format(&producer, " %s", onnx_tame(s->model->producer_version, version));
    if (s->narrow) onnx_note(s, "has numbers of type %s, computed with as floats", s->narrow);
    if (s->images > 1)
        onnx_note(s, "was exported for batches of %zu images, takes any number of them", s->images);
    model->opset = s->opset;
    model->left_out = s->left_out;
    const iv_onnx_value *image = &model->values[model->input];
    model->n_pixels = 1;
    for (unsigned i = 0; i < image->rank; i++) model->n_pixels *= image->shape[i];
    if (image->rank > 1) {
        model->planes = image->rank == 3 ? image->shape[0] : 1;
        model->height = image->shape[image->rank - 2];
        model->width = image->shape[image->rank - 1];
    }
    iv_status status = iv_text_take(&producer, &model->producer, s->error);
    if (status == IV_OK) status = iv_text_take(&s->notes, &model->notes, s->error);
    iv_text_free(&producer);
    return status;
}

iv_status onnx_finish(onnx_state *s, const onnx_name *output, iv_onnx_model *model) {
    size_t logits = 0;
    iv_status status = find_logits(s, output, &logits, &model->n_classes);
    if (status != IV_OK) return status;
    bool *nodes = calloc(s->n_nodes + 1, sizeof *nodes);
    bool *values = calloc(s->n_values + 1, sizeof *values);
    size_t *number = calloc(s->n_values + 1, sizeof *number);
    model->nodes = calloc(s->n_nodes + 1, sizeof *model->nodes);
    model->values = calloc(s->n_values + 1, sizeof *model->values);
    if (!nodes || !values || !number || !model->nodes || !model->values)
        status = iv_fail(s->error, IV_ENOMEM, "%s: no memory to read it", s->path);
    if (status == IV_OK) status = mark(s, logits, nodes, values);
    if (status == IV_OK && !values[0]) /* the image */
        status = onnx_refuse(s, "its output does not depend on the image");
    if (status == IV_OK) status = move_all(s, nodes, values, number, model);
    if (status == IV_OK) {
        model->input = number[0];
        model->output = number[logits];
        status = describe(s, model);
    }
    free(nodes);
    free(values);
    free(number);
    return status;
}

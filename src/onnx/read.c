/* From a file to a model: what the file claims is checked, then its nodes are lowered one by one. */
#include "onnx/finish.h"
#include "onnx/graph.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of constants beside eight for each byte of the file, which has the weights: 16 MiB for what is
 * computed of nothing. */
enum { FREE_ENTRIES = 1 << 22 };

bool iv_onnx_is_built(void) {
    return true;
}

/* ------------------------------------------------------------------ the image */

static iv_status find_input(onnx_state *s, const Onnx__ValueInfoProto **input) {
    char first[ONNX_NODE_NAME], text[ONNX_NODE_NAME];
    *input = NULL;
    for (size_t i = 0; i < s->graph->n_input; i++) {
        const Onnx__ValueInfoProto *given = s->graph->input[i];
        const onnx_name *name = onnx_find(s, onnx_text(given->name));
        if (!name || name->initializer || !name->needed) continue;
        if (*input)
            return onnx_refuse(s, "has more than one input, '%s' and '%s', expected an image alone",
                               onnx_tame((*input)->name, first), onnx_tame(given->name, text));
        *input = given;
    }
    if (!*input) return onnx_refuse(s, "its output depends on no input");
    return IV_OK;
}

/* The axes of the input; 0 where one is free. */
static iv_status read_input(onnx_state *s, const Onnx__ValueInfoProto *input, onnx_shape *shape) {
    char name[ONNX_NODE_NAME];
    const Onnx__TypeProto *type = input->type;
    onnx_tame(input->name, name);
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !type->tensor_type)
        return onnx_refuse(s, "its input '%s' is not a tensor", name);
    const Onnx__TypeProto__Tensor *tensor = type->tensor_type;
    switch (tensor->has_elem_type ? tensor->elem_type : 0) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT: break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16: s->narrow = "float16"; break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16: s->narrow = "bfloat16"; break;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE: s->narrow = "double"; break;
    default:
        return onnx_refuse(s, "its input '%s' is no tensor of floats (number %d of ONNX's types)",
                           name, tensor->has_elem_type ? tensor->elem_type : 0);
    }
    if (!tensor->shape || tensor->shape->n_dim == 0 || tensor->shape->n_dim > IV_ONNX_MAX_RANK)
        return onnx_refuse(s,
                           "its input '%s' has %zu axes, expected [images, pixels], [images, "
                           "height, width] or [images, planes, height, width]",
                           name, tensor->shape ? tensor->shape->n_dim : 0);
    *shape = (onnx_shape){.rank = (unsigned)tensor->shape->n_dim};
    for (unsigned i = 0; i < shape->rank; i++) {
        const Onnx__TensorShapeProto__Dimension *axis = tensor->shape->dim[i];
        const bool fixed =
            axis->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
            axis->dim_value > 0;
        if (fixed && axis->dim_value > INT32_MAX)
            return onnx_refuse(s, "its input '%s' has an axis of %" PRId64, name, axis->dim_value);
        if (!fixed && (i > 0 || shape->rank == 1))
            return onnx_refuse(s,
                               "its input '%s' does not say how long axis %u is: export it with "
                               "images of a fixed size",
                               name, i);
        shape->axes[i] = fixed ? (size_t)axis->dim_value : 0;
    }
    return IV_OK;
}

/* Whether a node that knows planes by their place takes the image. */
static bool is_taken_as_planes(const onnx_state *s, const char *image) {
    static const char *const operators[] = {
        "Conv",          "MaxPool",           "AveragePool",
        "GlobalMaxPool", "GlobalAveragePool", "BatchNormalization"};
    for (size_t i = 0; i < s->graph->n_node; i++) {
        const Onnx__NodeProto *node = s->graph->node[i];
        if (node->n_input == 0 || strcmp(node->input[0], image) != 0) continue;
        for (size_t k = 0; k < sizeof operators / sizeof *operators; k++)
            if (strcmp(onnx_text(node->op_type), operators[k]) == 0) return true;
    }
    return false;
}

/* TensorFlow's order of axes: planes are the last, and few. */
static bool is_planes_last(const onnx_state *s, const char *image, const onnx_shape *shape) {
    return shape->rank == 3 && shape->axes[2] <= 4 && shape->axes[0] > 4 && shape->axes[1] > 4 &&
           !is_taken_as_planes(s, image);
}

static iv_status make_input(onnx_state *s, const char *name, const onnx_shape *given,
                            bool batched) {
    onnx_shape shape = *given;
    size_t value;
    onnx_name *as = onnx_find(s, name);
    if (batched) {
        s->images = given->axes[0];
        shape.rank--;
        memmove(shape.axes, given->axes + 1, shape.rank * sizeof *shape.axes);
    } else {
        s->images = 1;
    }
    const bool last = is_planes_last(s, name, &shape);
    const onnx_shape image =
        last ? (onnx_shape){.rank = 3, .axes = {shape.axes[2], shape.axes[0], shape.axes[1]}}
             : shape;
    iv_status status = onnx_add_image(s, &image, &value);
    if (status != IV_OK) return status;
    if (last) {
        s->values[value].name = as->name;
        onnx_note(s, "takes images of [height, width, planes], and gets them so");
        status = onnx_append_permute(s, value, (const unsigned[]){0, 2, 3, 1}, &value);
    }
    if (status == IV_OK) onnx_bind(s, as, value, batched);
    return status;
}

/* ------------------------------------------------------------------ nodes */

static iv_status check_attributes(onnx_state *s, const onnx_op *op) {
    char text[ONNX_NODE_NAME];
    for (size_t i = 0; i < s->node->n_attribute; i++) {
        const Onnx__AttributeProto *attribute = s->node->attribute[i];
        const char *name = onnx_text(attribute->name);
        const size_t length = strlen(name);
        bool known = false;
        for (const char *at = op->attributes; *at && !known; at += strcspn(at, " ") + 1)
            known = length > 0 && strncmp(at, name, length) == 0 && at[length] == ' ';
        if (!known)
            return onnx_refuse(s, "has an attribute '%s' that is not known", onnx_tame(name, text));
        if (*onnx_text(attribute->ref_attr_name))
            return onnx_refuse(s, "its attribute '%s' refers to another", onnx_tame(name, text));
        for (size_t k = 0; k < i; k++)
            if (strcmp(s->node->attribute[k]->name, name) == 0)
                return onnx_refuse(s, "has the attribute '%s' twice", onnx_tame(name, text));
    }
    return IV_OK;
}

/* Constants are read where they are used first. */
static iv_status find_inputs(onnx_state *s, bool *constant) {
    s->n_inputs = s->node->n_input;
    *constant = true;
    for (size_t i = 0; i < s->n_inputs; i++) {
        onnx_name *name = s->inputs[i] = onnx_find(s, s->node->input[i]);
        if (!name) continue;
        if (name->initializer && name->constant == ONNX_NOTHING) {
            const iv_status status =
                onnx_read_tensor(s, name->name, name->initializer, &name->constant);
            if (status != IV_OK) return status;
        }
        if (name->constant == ONNX_NOTHING) *constant = false;
    }
    while (s->n_inputs > 0 && !s->inputs[s->n_inputs - 1]) s->n_inputs--;
    return IV_OK;
}

static iv_status lower_node(onnx_state *s) {
    const onnx_op *op = onnx_find_op(onnx_text(s->node->op_type));
    char text[ONNX_NODE_NAME];
    bool constant;
    iv_status status = check_attributes(s, op);
    if (status == IV_OK) status = find_inputs(s, &constant);
    if (status != IV_OK) return status;
    for (unsigned i = 0; i < op->least_inputs; i++)
        if (i >= s->n_inputs || !s->inputs[i]) return onnx_refuse(s, "lacks its input %u", i);
    if (s->n_inputs > op->most_inputs)
        return onnx_refuse(s, "has %zu inputs, expected at most %u", s->n_inputs, op->most_inputs);
    if (s->node->n_output > op->most_outputs)
        return onnx_refuse(s, "has %zu outputs, expected at most %u", s->node->n_output,
                           op->most_outputs);
    if (!constant && !op->first_may_be_constant && s->inputs[0]->value == ONNX_NOTHING)
        return onnx_refuse(s,
                           "its first input is a constant, expected one that depends on the image");
    onnx_lower *lower = constant ? op->fold : op->lower;
    if (!lower)
        return onnx_refuse(s, constant
                                  ? "does not depend on the image, and is not computed of constants"
                                  : "is computed of constants only, and depends on the image");
    status = lower(s, op->kind);
    for (size_t k = 0; k < s->node->n_output && status == IV_OK; k++) {
        const onnx_name *output = onnx_find(s, s->node->output[k]);
        if (output && output->needed && output->value == ONNX_NOTHING &&
            output->constant == ONNX_NOTHING)
            return onnx_refuse(s, "its output '%s' is not computed here",
                               onnx_tame(output->name, text));
    }
    return status;
}

static iv_status lower_nodes(onnx_state *s) {
    size_t most = 0;
    iv_status status = IV_OK;
    for (size_t i = 0; i < s->graph->n_node; i++)
        if (s->graph->node[i]->n_input > most) most = s->graph->node[i]->n_input;
    s->inputs = calloc(most + 1, sizeof *s->inputs);
    if (!s->inputs) return iv_fail(s->error, IV_ENOMEM, "%s: no memory to read it", s->path);
    for (s->at = 0; s->at < s->graph->n_node && status == IV_OK; s->at++) {
        s->node = s->graph->node[s->at];
        if (onnx_is_needed(s, s->node)) status = lower_node(s);
    }
    if (status == IV_OK) s->node = NULL;
    return status;
}

/* ------------------------------------------------------------------ files */

static void clear(onnx_state *s) {
    for (size_t i = 0; i < s->n_constants; i++) {
        free(s->constants[i].floats);
        free(s->constants[i].integers);
        free(s->constants[i].of_images);
    }
    for (size_t i = 0; i < s->n_nodes; i++) {
        free(s->nodes[i].name);
        free(s->nodes[i].inputs);
    }
    free(s->constants);
    free(s->values);
    free(s->nodes);
    free(s->names);
    free(s->inputs);
    iv_text_free(&s->notes);
}

/* An input whose first axis is fixed may be one image without an axis of the batch. `attempt` 0: it is
 * that axis. *again: another attempt may end otherwise. *progress: how far this one came. */
static iv_status lower_file(const char *path, const Onnx__ModelProto *file, size_t n_bytes,
                            unsigned attempt, iv_onnx_model *model, bool *again, size_t *progress,
                            iv_error *error) {
    onnx_state s = {.path = path,
                    .model = file,
                    .graph = file->graph,
                    .error = error,
                    .entries_left = FREE_ENTRIES + 8 * n_bytes};
    const Onnx__ValueInfoProto *input = NULL;
    onnx_name *output = NULL;
    onnx_shape shape = {0};
    *again = false;
    iv_status status = onnx_check_versions(&s);
    if (status == IV_OK) status = onnx_gather_names(&s);
    if (status == IV_OK) status = onnx_mark_needed(&s, &output);
    if (status == IV_OK) status = onnx_check_operators(&s);
    if (status == IV_OK) status = find_input(&s, &input);
    if (status == IV_OK) status = read_input(&s, input, &shape);
    if (status == IV_OK) {
        const bool alone = shape.rank == 1 || attempt == 1;
        *again = shape.rank > 1 && shape.rank < 4 && shape.axes[0] > 0 && attempt == 0;
        status = make_input(&s, input->name, &shape, !alone);
    }
    if (status == IV_OK) status = lower_nodes(&s);
    if (status == IV_OK) status = onnx_finish(&s, output, model);
    *progress = s.at;
    if (status != IV_OK) iv_onnx_clear(model);
    clear(&s);
    return status;
}

iv_status iv_onnx_read(const char *path, iv_onnx_model *model, iv_error *error) {
    onnx_memory memory;
    Onnx__ModelProto *file;
    size_t n_bytes, progress[2] = {0};
    bool again;
    iv_error reasons[2] = {{0}};
    *model = (iv_onnx_model){0};
    iv_status status = onnx_open(path, &memory, &file, &n_bytes, error);
    if (status != IV_OK) return status;
    status = lower_file(path, file, n_bytes, 0, model, &again, &progress[0], &reasons[0]);
    if (status == IV_EDATA && again)
        status = lower_file(path, file, n_bytes, 1, model, &again, &progress[1], &reasons[1]);
    onnx_close(&memory, file);
    if (status == IV_OK) return IV_OK;
    /* Of two reasons, that of the attempt that came further; a want of memory ends both. */
    const bool second =
        status == IV_ENOMEM ? reasons[1].status == status : progress[1] > progress[0];
    return iv_fail(error, status, "%s", reasons[second].message);
}

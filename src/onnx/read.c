/* From a file to a model: what the file claims is checked, then its nodes are lowered one by one. */
#include "onnx/finish.h"
#include "onnx/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Versions of the file format, and a memory for constants that no file of an honest exporter needs:
 * what is in a file, and 64 MiB for what is computed from it. */
enum { FIRST_IR = 3, LAST_IR = 13, FREE_ENTRIES = 1 << 24 };

bool iv_onnx_is_built(void) {
    return true;
}

static const char *text_of(const char *text) {
    return text ? text : "";
}

static bool is_standard(const char *domain) {
    return !*text_of(domain) || strcmp(domain, "ai.onnx") == 0;
}

/* ------------------------------------------------------------------ versions */

static iv_status check_versions(onnx_state *s) {
    const Onnx__ModelProto *model = s->model;
    size_t n = 0;
    if (!model->graph) return onnx_refuse(s, "not an ONNX file, or a damaged one: has no graph");
    if (!model->has_ir_version || model->ir_version < FIRST_IR || model->ir_version > LAST_IR)
        return onnx_refuse(s, "is in version %" PRId64 " of ONNX's format, %d to %d are read",
                           model->has_ir_version ? model->ir_version : 0, FIRST_IR, LAST_IR);
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *import = model->opset_import[i];
        if (!is_standard(import->domain)) continue;
        s->opset = import->has_version ? import->version : 0;
        n++;
    }
    if (n != 1) return onnx_refuse(s, "names %zu operator sets of ONNX, expected one", n);
    if (s->opset < IV_ONNX_FIRST_OPSET || s->opset > IV_ONNX_LAST_OPSET)
        return onnx_refuse(s, "uses operator set %" PRId64 ", %d to %d are read", s->opset,
                           IV_ONNX_FIRST_OPSET, IV_ONNX_LAST_OPSET);
    if (model->graph->n_sparse_initializer > 0)
        return onnx_refuse(s, "has sparse initializers, which are not read");
    return IV_OK;
}

/* ------------------------------------------------------------------ names */

static int compare_names(const void *first, const void *second) {
    const onnx_name *a = first, *b = second;
    return strcmp(a->name, b->name);
}

onnx_name *onnx_find(const onnx_state *s, const char *name) {
    const onnx_name wanted = {.name = name};
    return s->n_names == 0
               ? NULL
               : bsearch(&wanted, s->names, s->n_names, sizeof *s->names, compare_names);
}

static void add_name(onnx_state *s, const char *name, size_t node,
                     const Onnx__TensorProto *initializer) {
    if (!*text_of(name)) return;
    s->names[s->n_names++] = (onnx_name){.name = name,
                                         .constant = ONNX_NOTHING,
                                         .value = ONNX_NOTHING,
                                         .node = node,
                                         .given = node == ONNX_NOTHING,
                                         .initializer = initializer};
}

/* An input may have the name of an initializer, its default: they are one. */
static iv_status join_names(onnx_state *s) {
    char text[ONNX_NODE_NAME];
    size_t n = 0;
    qsort(s->names, s->n_names, sizeof *s->names, compare_names);
    for (size_t i = 0; i < s->n_names; i++) {
        onnx_name *last = n > 0 ? &s->names[n - 1] : NULL;
        const onnx_name *name = &s->names[i];
        if (!last || strcmp(last->name, name->name) != 0) {
            s->names[n++] = *name;
            continue;
        }
        if (!last->given || !name->given ||
            (last->initializer != NULL) == (name->initializer != NULL))
            return onnx_refuse(s, "has two tensors of the name '%s'", onnx_tame(name->name, text));
        if (name->initializer) last->initializer = name->initializer;
    }
    s->n_names = n;
    return IV_OK;
}

static iv_status gather_names(onnx_state *s) {
    const Onnx__GraphProto *graph = s->graph;
    size_t n = graph->n_initializer + graph->n_input;
    for (size_t i = 0; i < graph->n_node; i++) n += graph->node[i]->n_output;
    s->names = calloc(n + 1, sizeof *s->names);
    if (!s->names) return iv_fail(s->error, IV_ENOMEM, "%s: no memory to read it", s->path);
    for (size_t i = 0; i < graph->n_initializer; i++)
        add_name(s, graph->initializer[i]->name, ONNX_NOTHING, graph->initializer[i]);
    for (size_t i = 0; i < graph->n_input; i++)
        add_name(s, graph->input[i]->name, ONNX_NOTHING, NULL);
    for (size_t i = 0; i < graph->n_node; i++)
        for (size_t k = 0; k < graph->node[i]->n_output; k++)
            add_name(s, graph->node[i]->output[k], i, NULL);
    return join_names(s);
}

/* ------------------------------------------------------------------ what is needed */

static iv_status mark_node(onnx_state *s, size_t at) {
    const Onnx__NodeProto *node = s->graph->node[at];
    char text[ONNX_NODE_NAME];
    bool needed = false;
    s->node = node;
    for (size_t k = 0; k < node->n_output; k++) {
        const onnx_name *output = onnx_find(s, node->output[k]);
        needed = needed || (output && output->needed);
    }
    for (size_t i = 0; i < node->n_input && needed; i++) {
        onnx_name *input = onnx_find(s, node->input[i]);
        if (!*node->input[i]) continue;
        if (!input)
            return onnx_refuse(s, "its input '%s' is nowhere in the file",
                               onnx_tame(node->input[i], text));
        if (input->node != ONNX_NOTHING && input->node >= at)
            return onnx_refuse(s, "its input '%s' is computed by no node before it",
                               onnx_tame(node->input[i], text));
        input->needed = true;
        input->n_uses++;
    }
    s->node = NULL;
    return IV_OK;
}

/* From the output back. Nodes stand in an order in which they can be computed. */
static iv_status mark_needed(onnx_state *s, onnx_name **output) {
    const Onnx__GraphProto *graph = s->graph;
    char text[ONNX_NODE_NAME];
    iv_status status = IV_OK;
    if (graph->n_node == 0) return onnx_refuse(s, "has no nodes");
    if (graph->n_output == 0) return onnx_refuse(s, "has no output");
    *output = onnx_find(s, text_of(graph->output[0]->name));
    if (!*output || (*output)->given)
        return onnx_refuse(s, "its output '%s' is computed by no node",
                           onnx_tame(graph->output[0]->name, text));
    (*output)->needed = true;
    (*output)->n_uses++;
    for (size_t i = graph->n_node; i-- > 0 && status == IV_OK;) status = mark_node(s, i);
    if (status == IV_OK && graph->n_output > 1)
        onnx_note(s, "has %zu outputs: the first, '%s', is used", graph->n_output,
                  onnx_tame(graph->output[0]->name, text));
    return status;
}

static bool is_needed(const onnx_state *s, const Onnx__NodeProto *node) {
    for (size_t k = 0; k < node->n_output; k++) {
        const onnx_name *output = onnx_find(s, node->output[k]);
        if (output && output->needed) return true;
    }
    return false;
}

/* Nodes of strangers are named before anything is computed. */
static iv_status check_operators(onnx_state *s) {
    char type[ONNX_NODE_NAME], domain[ONNX_NODE_NAME];
    for (size_t i = 0; i < s->graph->n_node; i++) {
        const Onnx__NodeProto *node = s->graph->node[i];
        if (!is_needed(s, node)) continue;
        s->node = node;
        onnx_tame(node->op_type, type);
        if (!is_standard(node->domain))
            return onnx_refuse(s, "the operator %s of the domain '%s' is not supported", type,
                               onnx_tame(node->domain, domain));
        if (!onnx_find_op(text_of(node->op_type)))
            return onnx_refuse(s, "the operator %s is not supported", type);
    }
    s->node = NULL;
    return IV_OK;
}

/* ------------------------------------------------------------------ the image */

static iv_status find_input(onnx_state *s, const Onnx__ValueInfoProto **input) {
    char first[ONNX_NODE_NAME], text[ONNX_NODE_NAME];
    *input = NULL;
    for (size_t i = 0; i < s->graph->n_input; i++) {
        const Onnx__ValueInfoProto *given = s->graph->input[i];
        const onnx_name *name = onnx_find(s, text_of(given->name));
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

/* TensorFlow's order of axes: planes are the last, and few. */
static bool is_planes_last(const onnx_shape *shape) {
    return shape->rank == 3 && shape->axes[2] <= 4 && shape->axes[0] > 4 && shape->axes[1] > 4;
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
    const bool last = is_planes_last(&shape);
    const onnx_shape image =
        last ? (onnx_shape){.rank = 3, .axes = {shape.axes[2], shape.axes[0], shape.axes[1]}}
             : shape;
    iv_status status = onnx_add_image(s, &image, &value);
    if (status != IV_OK) return status;
    s->values[value].name = as->name;
    if (last) {
        onnx_note(s, "takes images of [height, width, planes], and gets them so");
        status = onnx_append_permute(s, value, (const unsigned[]){0, 2, 3, 1}, &value);
    }
    as->value = value;
    as->batched = batched;
    return status;
}

/* ------------------------------------------------------------------ nodes */

static iv_status check_attributes(onnx_state *s, const onnx_op *op) {
    char text[ONNX_NODE_NAME];
    for (size_t i = 0; i < s->node->n_attribute; i++) {
        const Onnx__AttributeProto *attribute = s->node->attribute[i];
        const char *name = text_of(attribute->name);
        const size_t length = strlen(name);
        bool known = false;
        for (const char *at = op->attributes; *at && !known; at += strcspn(at, " ") + 1)
            known = length > 0 && strncmp(at, name, length) == 0 && at[length] == ' ';
        if (!known)
            return onnx_refuse(s, "has an attribute '%s' that is not known", onnx_tame(name, text));
        if (*text_of(attribute->ref_attr_name))
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
    const onnx_op *op = onnx_find_op(text_of(s->node->op_type));
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
        if (is_needed(s, s->node)) status = lower_node(s);
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
    iv_status status = check_versions(&s);
    if (status == IV_OK) status = gather_names(&s);
    if (status == IV_OK) status = mark_needed(&s, &output);
    if (status == IV_OK) status = check_operators(&s);
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
    return iv_fail(error, status, "%s", reasons[progress[1] > progress[0]].message);
}

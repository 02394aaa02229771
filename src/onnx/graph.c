/* What a file claims: its versions, its names, and which of its nodes are needed. */
#include "onnx/graph.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Versions of the file format. */
enum { FIRST_IR = 3, LAST_IR = 14 };

const char *onnx_text(const char *text) {
    return text ? text : "";
}

static bool is_standard(const char *domain) {
    return !*onnx_text(domain) || strcmp(domain, "ai.onnx") == 0;
}

/* ------------------------------------------------------------------ versions */

iv_status onnx_check_versions(onnx_state *s) {
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
    if (!*onnx_text(name)) return;
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

iv_status onnx_gather_names(onnx_state *s) {
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
iv_status onnx_mark_needed(onnx_state *s, onnx_name **output) {
    const Onnx__GraphProto *graph = s->graph;
    char text[ONNX_NODE_NAME];
    iv_status status = IV_OK;
    if (graph->n_node == 0) return onnx_refuse(s, "has no nodes");
    if (graph->n_output == 0) return onnx_refuse(s, "has no output");
    *output = onnx_find(s, onnx_text(graph->output[0]->name));
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

bool onnx_is_needed(const onnx_state *s, const Onnx__NodeProto *node) {
    for (size_t k = 0; k < node->n_output; k++) {
        const onnx_name *output = onnx_find(s, node->output[k]);
        if (output && output->needed) return true;
    }
    return false;
}

/* Nodes of strangers are named before anything is computed. */
iv_status onnx_check_operators(onnx_state *s) {
    char type[ONNX_NODE_NAME], domain[ONNX_NODE_NAME];
    for (size_t i = 0; i < s->graph->n_node; i++) {
        const Onnx__NodeProto *node = s->graph->node[i];
        if (!onnx_is_needed(s, node)) continue;
        s->node = node;
        onnx_tame(node->op_type, type);
        if (!is_standard(node->domain))
            return onnx_refuse(s, "the operator %s of the domain '%s' is not supported", type,
                               onnx_tame(node->domain, domain));
        if (!onnx_find_op(onnx_text(node->op_type)))
            return onnx_refuse(s, "the operator %s is not supported", type);
    }
    s->node = NULL;
    return IV_OK;
}

/* Building graphs: tensors, nodes, and the one place where building fails. */
#include "graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

iv_status iv_graph_create(iv_context *context, size_t n_members, iv_graph **out) {
    *out = NULL;
    if (n_members == 0)
        return iv_fail(iv_context_error(context), IV_EINVAL, "a graph needs at least one member");
    iv_graph *graph = calloc(1, sizeof *graph);
    if (!graph) return iv_fail(iv_context_error(context), IV_ENOMEM, "out of memory for a graph");
    graph->context = context;
    graph->n_members = n_members;
    *out = graph;
    return IV_OK;
}

void iv_graph_destroy(iv_graph *graph) {
    if (!graph) return;
    for (size_t i = 0; i < graph->n_tensors; i++) free(graph->tensors[i]);
    for (size_t i = 0; i < graph->n_nodes; i++) {
        free(graph->nodes[i]->own);
        free(graph->nodes[i]);
    }
    free(graph->tensors);
    free(graph->nodes);
    free(graph);
}

iv_tensor *iv_graph_fail(iv_graph *graph, const char *format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    const iv_status status =
        iv_fail(iv_context_error(graph->context), IV_EINVAL, "graph: %s", message);
    if (graph->status == IV_OK) graph->status = status;
    return NULL;
}

static iv_tensor *out_of_memory(iv_graph *graph) {
    const iv_status status = iv_fail(iv_context_error(graph->context), IV_ENOMEM,
                                     "out of memory while building a graph");
    if (graph->status == IV_OK) graph->status = status;
    return NULL;
}

/* Room for one more pointer in a growing array. */
static bool grow(void ***items, size_t n, size_t *capacity) {
    if (n < *capacity) return true;
    const size_t wanted = *capacity ? 2 * *capacity : 64;
    void **grown = realloc(*items, wanted * sizeof *grown);
    if (!grown) return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

static iv_tensor *new_tensor(iv_graph *graph, iv_dtype dtype, unsigned rank, const size_t *dims) {
    if (graph->status != IV_OK) return NULL;
    if (rank < 1 || rank > IV_MAX_RANK)
        return iv_graph_fail(graph, "a tensor has 1 to %d axes, not %u", IV_MAX_RANK, rank);

    size_t n_elements = 1;
    for (unsigned i = 0; i < rank; i++) {
        if (dims[i] == 0) return iv_graph_fail(graph, "axis %u of a tensor is empty", i);
        if (iv_multiply_size(n_elements, dims[i], &n_elements, NULL) != IV_OK ||
            n_elements > UINT32_MAX)
            return iv_graph_fail(graph, "a tensor has more than 2^32 - 1 elements");
    }
    if (!grow((void ***)&graph->tensors, graph->n_tensors, &graph->tensor_capacity))
        return out_of_memory(graph);
    iv_tensor *tensor = calloc(1, sizeof *tensor);
    if (!tensor) return out_of_memory(graph);

    tensor->graph = graph;
    tensor->dtype = dtype;
    tensor->rank = rank;
    memcpy(tensor->dims, dims, rank * sizeof *dims);
    tensor->n_elements = n_elements;
    tensor->slot = NO_SLOT;
    tensor->id = graph->n_tensors;
    graph->tensors[graph->n_tensors++] = tensor;
    return tensor;
}

iv_tensor *iv_input(iv_graph *graph, iv_dtype dtype, unsigned rank, const size_t *dims,
                    const iv_view *view) {
    iv_tensor *tensor = new_tensor(graph, dtype, rank, dims);
    if (tensor && view) iv_place(tensor, *view);
    return tensor;
}

/* The tensor that has memory of its own: a reshape is all of its base. NULL for a slice. */
static iv_tensor *owner_of(iv_tensor *tensor) {
    while (tensor->base && tensor->base->n_elements == tensor->n_elements) tensor = tensor->base;
    return tensor->base ? NULL : tensor;
}

bool iv_same_view(const iv_view *a, const iv_view *b) {
    return a->buffer == b->buffer && a->offset == b->offset && a->stride == b->stride;
}

void iv_place(iv_tensor *tensor, iv_view view) {
    if (!tensor) return;
    iv_tensor *owner = owner_of(tensor);
    if (!owner) {
        iv_graph_fail(tensor->graph, "place: a slice lies in its base's memory");
    } else if (owner->adds || (owner->placed && !iv_same_view(&owner->view, &view))) {
        iv_graph_fail(tensor->graph, "place: the tensor already has another place");
    } else {
        owner->placed = true;
        owner->view = view;
    }
}

void iv_add_to(iv_tensor *tensor, iv_view target, iv_view scale) {
    if (!tensor) return;
    iv_tensor *owner = owner_of(tensor);
    if (!owner || !owner->producer) {
        iv_graph_fail(tensor->graph, "add to: %s",
                      owner ? "an input is not computed" : "a slice lies in its base's memory");
    } else if (owner->placed || owner->adds) {
        iv_graph_fail(tensor->graph, "add to: the tensor already has a place");
    } else {
        owner->adds = true;
        owner->target = target;
        owner->scale = scale;
    }
}

node *iv_graph_node(iv_graph *graph, const iv_op *op, size_t n_inputs, iv_tensor *const *inputs,
                    size_t n_required, size_t own_bytes) {
    if (graph->status != IV_OK) return NULL;
    if (n_inputs > MAX_INPUTS) {
        iv_graph_fail(graph, "%s: %zu inputs, at most %d can be", op->name, n_inputs, MAX_INPUTS);
        return NULL;
    }
    for (size_t i = 0; i < n_inputs; i++) {
        if (!inputs[i] && i < n_required) {
            iv_graph_fail(graph, "%s: input %zu is missing", op->name, i);
            return NULL;
        }
        if (!inputs[i]) continue;
        const bool integers = op->integer_inputs >> i & 1;
        if (inputs[i]->graph != graph) {
            iv_graph_fail(graph, "%s: input %zu belongs to another graph", op->name, i);
            return NULL;
        }
        if (op->integer_inputs != IV_ANY_INPUT && (inputs[i]->dtype == IV_I32) != integers) {
            iv_graph_fail(graph, "%s: input %zu has to hold %s", op->name, i,
                          integers ? "integers" : "floats");
            return NULL;
        }
    }
    if (!grow((void ***)&graph->nodes, graph->n_nodes, &graph->node_capacity)) {
        out_of_memory(graph);
        return NULL;
    }
    node *n = calloc(1, sizeof *n);
    if (n && own_bytes > 0) n->own = calloc(1, own_bytes);
    if (!n || (own_bytes > 0 && !n->own)) {
        free(n);
        out_of_memory(graph);
        return NULL;
    }
    n->graph = graph;
    n->op = op;
    n->id = graph->n_nodes;
    n->n_inputs = n_inputs;
    for (size_t i = 0; i < n_inputs; i++) n->inputs[i] = inputs[i];
    graph->nodes[graph->n_nodes++] = n;
    return n;
}

iv_tensor *iv_graph_output(node *n, iv_dtype dtype, unsigned rank, const size_t *dims) {
    if (!n) return NULL;
    if (n->n_outputs == MAX_OUTPUTS)
        return iv_graph_fail(n->graph, "%s: more than %d outputs", n->op->name, MAX_OUTPUTS);
    iv_tensor *tensor = new_tensor(n->graph, dtype, rank, dims);
    if (!tensor) return NULL;
    tensor->producer = n;
    n->outputs[n->n_outputs++] = tensor;
    return tensor;
}

void *iv_node_own(const node *n) {
    return n ? n->own : NULL;
}

iv_tensor *iv_node_input(const node *n, size_t i) {
    return i < n->n_inputs ? n->inputs[i] : NULL;
}

iv_tensor *iv_node_output(const node *n, size_t i) {
    return i < n->n_outputs ? n->outputs[i] : NULL;
}

iv_sequence *iv_emitter_sequence(const emitter *e) {
    return e->sequence;
}

size_t iv_emitter_members(const emitter *e) {
    return e->n_members;
}

unsigned iv_rank(const iv_tensor *tensor) {
    return tensor->rank;
}

size_t iv_dim(const iv_tensor *tensor, unsigned axis) {
    return axis < tensor->rank ? tensor->dims[axis] : 0;
}

size_t iv_elements(const iv_tensor *tensor) {
    return tensor->n_elements;
}

size_t iv_columns(const iv_tensor *tensor) {
    return tensor->dims[tensor->rank - 1];
}

size_t iv_rows(const iv_tensor *tensor) {
    return tensor->n_elements / iv_columns(tensor);
}

bool iv_has_zeros(const iv_tensor *tensor) {
    while (tensor->base) tensor = tensor->base;
    return tensor->zeros;
}

bool iv_same_shape(const iv_tensor *a, const iv_tensor *b) {
    return a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0;
}

iv_view iv_tensor_view(const iv_tensor *tensor) {
    size_t offset = 0;
    while (tensor->base) {
        offset += tensor->base_offset;
        tensor = tensor->base;
    }
    iv_view view = tensor->view;
    view.offset += offset;
    return view;
}

void iv_arg_tensor(iv_launch *launch, const iv_tensor *tensor) {
    iv_arg_view(launch, iv_tensor_view(tensor));
}

iv_status iv_launch_members(emitter *e, iv_launch *launch, size_t n) {
    return iv_launch_end_by_member(launch, 2, (const size_t[]){n, e->n_members}, NULL);
}

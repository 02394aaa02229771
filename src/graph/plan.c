/* Compiling a graph: what is needed, what fuses, which memory is
 * shared, which launches are bound. */
#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

static iv_tensor *root_of(iv_tensor *tensor) {
    while (tensor->base) tensor = tensor->base;
    return tensor;
}

/* ------------------------------------------------------------------ what is needed */

/* A fused node's input shares the memory of its output, and parts that of the whole; that is a
 * compile's own decision. */
static void unfuse(iv_graph *graph) {
    for (size_t i = 0; i < graph->n_nodes; i++) {
        node *n = graph->nodes[i];
        if (n->fused_away) n->inputs[0]->base = NULL;
        for (size_t k = 0; n->op->place_of_input && k < n->n_inputs; k++)
            if (n->inputs[k]->base == n->outputs[0]) n->inputs[k]->base = NULL;
        n->fused_away = n->needed = false;
        n->activation = IV_ACTIVATION_NONE;
        n->gate = NULL;
        n->gate_activation = IV_ACTIVATION_NONE;
    }
}

static void mark_needed(iv_graph *graph, iv_tensor *const *outputs, size_t n_outputs) {
    for (size_t i = 0; i < graph->n_tensors; i++) {
        iv_tensor *tensor = graph->tensors[i];
        tensor->needed = tensor->added_by_producer = false;
        tensor->n_uses = tensor->last_use = 0;
        tensor->slot = NO_SLOT;
    }
    for (size_t i = 0; i < n_outputs; i++) outputs[i]->needed = true;
    for (size_t i = graph->n_nodes; i-- > 0;) {
        node *n = graph->nodes[i];
        for (size_t k = 0; k < n->n_outputs; k++) n->needed = n->needed || n->outputs[k]->needed;
        if (!n->needed) continue;
        for (size_t k = 0; k < n->n_inputs; k++) {
            if (!n->inputs[k]) continue;
            n->inputs[k]->needed = true;
            n->inputs[k]->n_uses++;
        }
    }
}

/* ------------------------------------------------------------------ fusion */

static bool is_output(const iv_tensor *tensor, iv_tensor *const *outputs, size_t n_outputs) {
    for (size_t i = 0; i < n_outputs; i++)
        if (outputs[i] == tensor) return true;
    return false;
}

/* Whether a node can apply the derivative of an activation to what it computes. Products of four
 * axes share whole images of the gate, not rows. */
static bool takes_gate(const node *n, const iv_tensor *gate) {
    if (!(n->op->can & IV_OP_TAKES_GATE)) return false;
    return n->outputs[0]->n_elements == gate->n_elements ||
           ((n->op->can & IV_OP_SHARES_GATE) && gate->rank < IV_MAX_RANK);
}

/* Parts that nothing else reads are computed where they belong in the whole. */
static void put_parts_in_place(const node *n, iv_tensor *const *outputs, size_t n_outputs) {
    for (size_t k = 0; k < n->n_inputs; k++) {
        iv_tensor *part = n->inputs[k];
        const size_t place = n->op->place_of_input(n, k);
        if (part->n_uses != 1 || part->placed || part->base || !part->producer ||
            place == SIZE_MAX || is_output(part, outputs, n_outputs))
            continue;
        part->base = n->outputs[0];
        part->base_offset = place;
    }
}

/* An activation right after a product becomes its epilogue, and so does the derivative of one right
 * after the node that carries the gradient back. */
static void fuse(iv_graph *graph, iv_tensor *const *outputs, size_t n_outputs) {
    for (size_t i = 0; i < graph->n_nodes; i++) {
        node *n = graph->nodes[i];
        if (n->needed && n->op->place_of_input) put_parts_in_place(n, outputs, n_outputs);
        if (!n->needed || !(n->op->can & (IV_OP_IS_ACTIVATION | IV_OP_IS_GATE))) continue;
        iv_tensor *x = n->inputs[0];
        if (x->n_uses != 1 || x->placed || x->base || is_output(x, outputs, n_outputs)) continue;
        node *product = x->producer;
        if (!product) continue;

        const bool is_gate = n->op->can & IV_OP_IS_GATE;
        if (!is_gate && (product->op->can & IV_OP_TAKES_ACTIVATION)) {
            product->activation = n->op->activation(n);
        } else if (is_gate && takes_gate(product, n->inputs[1])) {
            product->gate = n->inputs[1];
            product->gate_activation = n->op->activation(n);
        } else {
            continue;
        }
        x->base = n->outputs[0];
        x->base_offset = 0;
        n->fused_away = true;
    }
}

/* ---------------------------------------------------------------- sums into the caller's memory */

/* Whether memory that a tensor is to be added to is read by its producer or after it. */
static bool target_is_read(const iv_graph *graph, const iv_tensor *tensor) {
    const iv_view *target = &tensor->target;
    for (size_t i = tensor->producer->id; i < graph->n_nodes; i++) {
        const node *n = graph->nodes[i];
        for (size_t k = 0; n->needed && k < n->n_inputs; k++) {
            if (!n->inputs[k] || !root_of(n->inputs[k])->placed) continue;
            const iv_view read = iv_tensor_view(n->inputs[k]);
            if (read.buffer == target->buffer &&
                read.offset < target->offset + tensor->n_elements &&
                target->offset < read.offset + n->inputs[k]->n_elements)
                return true;
        }
    }
    return false;
}

/* Whether a product can add everything that it computes to where that belongs. */
static bool adds_its_outputs(const iv_graph *graph, const node *n) {
    const iv_tensor *first = n->outputs[0];
    for (size_t k = 0; k < n->n_outputs; k++) {
        const iv_tensor *output = n->outputs[k];
        if (k > 0 && !output->needed) continue;
        if (!output->needed || !output->adds || output->n_uses > 0 ||
            !iv_same_view(&output->scale, &first->scale) || target_is_read(graph, output))
            return false;
    }
    return true;
}

static void find_sums(const iv_graph *graph) {
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const node *n = graph->nodes[i];
        if (!n->needed || !(n->op->can & IV_OP_ADDS_TO_TARGET) || !adds_its_outputs(graph, n))
            continue;
        for (size_t k = 0; k < n->n_outputs; k++)
            n->outputs[k]->added_by_producer = n->outputs[k]->needed;
    }
}

static iv_status append_sums(emitter *e) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < e->graph->n_tensors && status == IV_OK; i++) {
        const iv_tensor *tensor = e->graph->tensors[i];
        if (tensor->needed && tensor->adds && !tensor->added_by_producer)
            status = iv_append_add_to(e, tensor);
    }
    return status;
}

/* ------------------------------------------------------------------ memory */

typedef struct {
    size_t elements; /* of one member */
    bool free;
} slot;

typedef struct {
    slot *slots; /* at most one a tensor */
    size_t n_slots;
} arena;

static void read_at(iv_tensor *tensor, size_t node_id) {
    iv_tensor *root = root_of(tensor);
    if (root->last_use < node_id) root->last_use = node_id;
}

static void find_last_uses(iv_graph *graph, iv_tensor *const *outputs, size_t n_outputs) {
    for (size_t i = 0; i < graph->n_nodes; i++) {
        node *n = graph->nodes[i];
        if (!n->needed) continue;
        for (size_t k = 0; k < n->n_inputs; k++)
            if (n->inputs[k]) read_at(n->inputs[k], i);
        for (size_t k = 0; k < n->n_outputs; k++) read_at(n->outputs[k], i);
        if (n->gate) read_at(n->gate, i);
    }
    for (size_t i = 0; i < n_outputs; i++) root_of(outputs[i])->last_use = SIZE_MAX;
}

/* The smallest free slot that holds the tensor, else the largest free one grown, else a new one. A
 * tensor that outlives the run takes no larger one, so that its members follow one another. */
static void take_slot(arena *a, iv_tensor *tensor) {
    const size_t wanted = tensor->n_elements;
    const bool fits_exactly = tensor->last_use == SIZE_MAX;
    int best = NO_SLOT;
    for (size_t i = 0; i < a->n_slots; i++) {
        if (!a->slots[i].free || (fits_exactly && a->slots[i].elements > wanted)) continue;
        if (best == NO_SLOT) {
            best = (int)i;
            continue;
        }
        const size_t have = a->slots[i].elements, held = a->slots[best].elements;
        if (held < wanted ? have > held : have >= wanted && have < held) best = (int)i;
    }
    if (best == NO_SLOT) {
        best = (int)a->n_slots++;
        a->slots[best].elements = 0;
    }
    if (a->slots[best].elements < wanted) a->slots[best].elements = wanted;
    a->slots[best].free = false;
    tensor->slot = best;
}

/* What nobody reads after node i leaves its slot. */
static void leave_slot(arena *a, iv_tensor *tensor, size_t i) {
    const iv_tensor *root = root_of(tensor);
    if (root->slot != NO_SLOT && root->last_use == i) a->slots[root->slot].free = true;
}

static void assign_slots(iv_graph *graph, arena *a) {
    for (size_t i = 0; i < graph->n_tensors; i++) {
        iv_tensor *tensor = graph->tensors[i];
        const bool is_input = !tensor->producer && !tensor->base;
        if (!is_input || !tensor->needed || tensor->placed) continue;
        tensor->last_use = SIZE_MAX; /* its contents outlive a run */
        take_slot(a, tensor);
    }
    for (size_t i = 0; i < graph->n_nodes; i++) {
        node *n = graph->nodes[i];
        if (!n->needed) continue;
        for (size_t k = 0; k < n->n_outputs; k++) {
            iv_tensor *root = root_of(n->outputs[k]);
            if (!root->placed && !root->added_by_producer && root->slot == NO_SLOT)
                take_slot(a, root);
        }
        for (size_t k = 0; k < n->n_inputs; k++)
            if (n->inputs[k]) leave_slot(a, n->inputs[k], i);
        for (size_t k = 0; k < n->n_outputs; k++) leave_slot(a, n->outputs[k], i);
        if (n->gate) leave_slot(a, n->gate, i);
    }
}

static size_t arena_elements(const arena *a) {
    size_t total = 0;
    for (size_t i = 0; i < a->n_slots; i++) total += a->slots[i].elements;
    return total;
}

/* ------------------------------------------------------------------ compiling */

static iv_status lay_out(iv_graph *graph, iv_tensor *const *outputs, size_t n_outputs, arena *a) {
    iv_error *error = iv_context_error(graph->context);
    for (size_t i = 0; i < n_outputs && graph->status == IV_OK; i++)
        if (!outputs[i]) iv_graph_fail(graph, "output %zu is missing", i);
    if (graph->status != IV_OK) return graph->status;

    a->n_slots = 0;
    a->slots = calloc(graph->n_tensors + 1, sizeof *a->slots);
    if (!a->slots) return iv_fail(error, IV_ENOMEM, "out of memory while compiling a graph");
    unfuse(graph);
    mark_needed(graph, outputs, n_outputs);
    fuse(graph, outputs, n_outputs);
    find_sums(graph);
    find_last_uses(graph, outputs, n_outputs);
    assign_slots(graph, a);
    return IV_OK;
}

/* Refuse before the driver is asked, and say what would fit. */
static iv_status check_memory(const iv_graph *graph, const arena *a) {
    const iv_device_info *device = iv_context_device(graph->context);
    const size_t per_member = arena_elements(a) * sizeof(float);
    size_t largest = 0;
    for (size_t i = 0; i < a->n_slots; i++)
        if (a->slots[i].elements > largest) largest = a->slots[i].elements;
    if (per_member == 0) return IV_OK;

    const size_t taken = iv_context_bytes(graph->context);
    const size_t left = device->global_bytes > taken ? device->global_bytes - taken : 0;
    const size_t fit_total = left / per_member;
    const size_t fit_buffer = device->max_alloc_bytes / (largest * sizeof(float));
    const size_t fit = fit_total < fit_buffer ? fit_total : fit_buffer;
    if (graph->n_members <= fit) return IV_OK;
    return iv_fail(
        iv_context_error(graph->context), IV_ENOMEM,
        "a population of %zu needs %zu MiB of working memory (%zu MiB a member, largest "
        "buffer %zu MiB); device \"%s\" has %zu MiB left and buffers of at most %zu MiB: a "
        "population of %zu would fit (training.population)",
        graph->n_members, graph->n_members * per_member >> 20, per_member >> 20,
        graph->n_members * largest * sizeof(float) >> 20, device->name, left >> 20,
        device->max_alloc_bytes >> 20, fit);
}

static iv_status allocate(iv_plan *plan, const arena *a) {
    iv_graph *graph = plan->graph;
    plan->buffers = calloc(a->n_slots + 1, sizeof *plan->buffers);
    plan->views = calloc(graph->n_tensors + 1, sizeof *plan->views);
    if (!plan->buffers || !plan->views)
        return iv_fail(iv_context_error(graph->context), IV_ENOMEM,
                       "out of memory while compiling a graph");
    for (size_t i = 0; i < a->n_slots; i++) {
        const size_t bytes = a->slots[i].elements * graph->n_members * sizeof(float);
        const iv_status status = iv_buffer_create(graph->context, bytes, &plan->buffers[i]);
        if (status != IV_OK) return status;
        plan->n_buffers++;
        plan->bytes += bytes;
    }
    /* Members at the same distance for every tensor of a slot: one member's tensors never lie where
     * another's earlier ones do, so that members need not wait for each other. */
    for (size_t i = 0; i < graph->n_tensors; i++) {
        iv_tensor *tensor = graph->tensors[i];
        if (tensor->slot != NO_SLOT)
            tensor->view =
                (iv_view){plan->buffers[tensor->slot], 0, a->slots[tensor->slot].elements};
    }
    plan->n_views = graph->n_tensors;
    for (size_t i = 0; i < graph->n_tensors; i++) {
        const iv_tensor *root = root_of(graph->tensors[i]);
        if (root->placed || (root->last_use == SIZE_MAX && !root->added_by_producer))
            plan->views[i] = iv_tensor_view(graph->tensors[i]);
    }
    return IV_OK;
}

static iv_status emit(iv_plan *plan) {
    emitter e = {plan->graph, plan->sequence, plan->graph->n_members};
    for (size_t i = 0; i < plan->graph->n_nodes; i++) {
        const node *n = plan->graph->nodes[i];
        if (!n->needed || n->fused_away || !n->op->forward) continue;
        const iv_status status = n->op->forward(&e, n);
        if (status != IV_OK) return status;
    }
    return append_sums(&e);
}

iv_status iv_graph_compile(iv_graph *graph, iv_tensor *const *outputs, size_t n_outputs,
                           iv_plan **out) {
    *out = NULL;
    arena a = {NULL, 0};
    iv_plan *plan = calloc(1, sizeof *plan);
    iv_status status = plan ? IV_OK
                            : iv_fail(iv_context_error(graph->context), IV_ENOMEM,
                                      "out of memory while compiling a graph");
    if (status == IV_OK) {
        plan->graph = graph;
        status = lay_out(graph, outputs, n_outputs, &a);
    }
    if (status == IV_OK) status = check_memory(graph, &a);
    if (status == IV_OK) status = iv_sequence_create(graph->context, &plan->sequence);
    if (status == IV_OK) iv_sequence_set_members(plan->sequence, graph->n_members);
    if (status == IV_OK) status = allocate(plan, &a);
    if (status == IV_OK) status = emit(plan);
    free(a.slots);
    if (status != IV_OK)
        iv_plan_destroy(plan);
    else
        *out = plan;
    return status;
}

iv_status iv_graph_bytes(iv_graph *graph, iv_tensor *const *outputs, size_t n_outputs,
                         size_t *bytes) {
    arena a = {NULL, 0};
    const iv_status status = lay_out(graph, outputs, n_outputs, &a);
    *bytes = status == IV_OK ? arena_elements(&a) * graph->n_members * sizeof(float) : 0;
    free(a.slots);
    return status;
}

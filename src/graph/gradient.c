/* Reverse-mode differentiation: appends nodes that compute vector-Jacobian products. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

/* What has arrived at a tensor so far: the sum of both. */
typedef struct {
    bool depends; /* on one of the tensors differentiated for */
    bool one;     /* a gradient of 1 (the tensor has one element a member) */
    iv_tensor *sum;
} arrival;

unsigned iv_gradient_shape(const iv_tensor *tensor, size_t n_products, size_t *dims) {
    memcpy(dims, tensor->dims, tensor->rank * sizeof *dims);
    if (n_products == 1) return tensor->rank;
    if (tensor->rank == IV_MAX_RANK) {
        dims[0] *= n_products;
        return IV_MAX_RANK;
    }
    dims[tensor->rank] = dims[tensor->rank - 1];
    dims[tensor->rank - 1] = n_products;
    return tensor->rank + 1;
}

size_t iv_product_block(const iv_tensor *tensor) {
    return tensor->rank < IV_MAX_RANK ? iv_columns(tensor) : tensor->n_elements / tensor->dims[0];
}

iv_tensor *iv_accumulate_gradient(iv_graph *graph, iv_tensor *sum, iv_tensor *contribution) {
    if (!sum) return contribution;
    if (!contribution) return sum;
    return iv_can_join(sum, contribution) ? iv_join(graph, sum, contribution)
                                          : iv_add(graph, sum, contribution);
}

static void mark_dependence(const iv_graph *graph, size_t end, arrival *arrivals,
                            iv_tensor *const *wrt, size_t n_wrt) {
    for (size_t i = 0; i < n_wrt; i++) arrivals[wrt[i]->id].depends = true;
    for (size_t i = 0; i < end; i++) {
        const node *n = graph->nodes[i];
        bool depends = false;
        for (size_t k = 0; k < n->n_inputs; k++)
            depends = depends || (n->inputs[k] && arrivals[n->inputs[k]->id].depends);
        /* Integers (a predicted class) are constant almost everywhere. */
        for (size_t k = 0; k < n->n_outputs && depends; k++)
            arrivals[n->outputs[k]->id].depends = n->outputs[k]->dtype == IV_F32;
    }
}

/* All that has arrived, as a tensor; NULL if nothing has. */
static iv_tensor *total(iv_graph *graph, const arrival *a, iv_tensor *tensor) {
    if (!a->one) return a->sum;
    iv_tensor *one = iv_identity_seed(graph, tensor, tensor->rank, tensor->dims);
    return iv_accumulate_gradient(graph, a->sum, one);
}

/* Pass what has arrived at an output of node n on to its inputs. */
static void send_back(iv_graph *graph, const node *n, arrival *arrivals) {
    const arrival *out = &arrivals[n->outputs[0]->id];
    const bool one = out->one && !out->sum && (n->op->can & IV_OP_TAKES_ONE);
    iv_tensor *gradients[MAX_INPUTS] = {NULL};
    if (n->op->backward) {
        iv_tensor *gradient = one ? NULL : total(graph, out, n->outputs[0]);
        if (graph->status == IV_OK) n->op->backward(graph, n, gradient, gradients);
    }
    for (size_t k = 0; k < n->n_inputs && graph->status == IV_OK; k++) {
        if (!n->inputs[k] || !arrivals[n->inputs[k]->id].depends) continue;
        arrival *in = &arrivals[n->inputs[k]->id];
        if (gradients[k])
            in->sum = iv_accumulate_gradient(graph, in->sum, gradients[k]);
        else if (one && (n->op->can & IV_OP_PASSES_ONE) && !in->one)
            in->one = true;
        else
            iv_graph_fail(graph, "differentiation: %s has no derivative to its input %zu here",
                          n->op->name, k);
    }
}

/* Walk the nodes backwards from y's producer. `arrivals` covers the tensors that exist before. */
static void propagate(iv_graph *graph, const iv_tensor *y, arrival *arrivals) {
    for (size_t i = y->producer ? y->producer->id + 1 : 0; i-- > 0 && graph->status == IV_OK;) {
        const node *n = graph->nodes[i];
        for (size_t k = 0; k < n->n_outputs; k++) {
            const arrival *out = &arrivals[n->outputs[k]->id];
            if (!out->depends || (!out->one && !out->sum)) continue;
            if (k == 0)
                send_back(graph, n, arrivals);
            else
                iv_graph_fail(graph, "differentiation: output %zu of %s has no derivative", k,
                              n->op->name);
        }
    }
}

static iv_status differentiate(iv_graph *graph, iv_tensor *y, iv_tensor *seed,
                               iv_tensor *const *wrt, size_t n_wrt, iv_tensor **gradients) {
    for (size_t i = 0; i < n_wrt; i++) gradients[i] = NULL;
    for (size_t i = 0; i < n_wrt && graph->status == IV_OK; i++)
        if (!wrt[i]) iv_graph_fail(graph, "differentiation: tensor %zu is missing", i);
    if (graph->status != IV_OK) return graph->status;

    arrival *arrivals = calloc(graph->n_tensors, sizeof *arrivals);
    if (!arrivals) {
        graph->status = iv_fail(iv_context_error(graph->context), IV_ENOMEM,
                                "out of memory while differentiating a graph");
        return graph->status;
    }
    mark_dependence(graph, y->producer ? y->producer->id + 1 : 0, arrivals, wrt, n_wrt);
    arrivals[y->id].one = !seed;
    arrivals[y->id].sum = seed;
    propagate(graph, y, arrivals);

    for (size_t i = 0; i < n_wrt && graph->status == IV_OK; i++) {
        gradients[i] = total(graph, &arrivals[wrt[i]->id], wrt[i]);
        if (!gradients[i])
            iv_graph_fail(graph, "differentiation: the result does not depend on tensor %zu", i);
    }
    free(arrivals);
    return graph->status;
}

iv_status iv_gradient(iv_graph *graph, iv_tensor *y, iv_tensor *const *wrt, size_t n_wrt,
                      iv_tensor **gradients) {
    if (graph->status == IV_OK && (!y || y->n_elements != 1))
        iv_graph_fail(graph, "gradient: needs a tensor of one number a member");
    return differentiate(graph, y, NULL, wrt, n_wrt, gradients);
}

/* y's shape, or that of several products by it. */
static bool fits(const iv_tensor *seed, const iv_tensor *y) {
    if (seed->dtype != IV_F32 || seed->n_elements % y->n_elements != 0) return false;
    if (iv_same_shape(seed, y)) return true;
    size_t dims[IV_MAX_RANK];
    const size_t n_products = seed->n_elements / y->n_elements;
    if (n_products == 1) { /* with an axis of one product */
        if (y->rank == IV_MAX_RANK || seed->rank != y->rank + 1) return false;
        return seed->dims[y->rank - 1] == 1 && iv_columns(seed) == iv_columns(y) &&
               memcmp(seed->dims, y->dims, (y->rank - 1) * sizeof *dims) == 0;
    }
    return seed->rank == iv_gradient_shape(y, n_products, dims) &&
           memcmp(dims, seed->dims, seed->rank * sizeof *dims) == 0;
}

iv_status iv_vector_jacobian(iv_graph *graph, iv_tensor *y, iv_tensor *seed, iv_tensor *const *wrt,
                             size_t n_wrt, iv_tensor **gradients) {
    if (graph->status == IV_OK && (!y || !seed || !fits(seed, y)))
        iv_graph_fail(graph, "vector-Jacobian product: the seed does not fit the tensor's shape");
    return differentiate(graph, y, seed, wrt, n_wrt, gradients);
}

iv_tensor *iv_jacobian(iv_graph *graph, iv_tensor *logits, iv_tensor *x) {
    if (graph->status != IV_OK || !logits || !x) return NULL;
    if (logits->rank != 2 || x->rank < 2 || logits->dims[0] != x->dims[x->rank - 2])
        return iv_graph_fail(graph, "Jacobian: needs logits [B, C] of inputs [B, D]");

    iv_tensor *seed = iv_identity_seed(
        graph, logits, 3, (const size_t[]){logits->dims[0], logits->dims[1], logits->dims[1]});
    iv_tensor *jacobian = NULL;
    return iv_vector_jacobian(graph, logits, seed, &x, 1, &jacobian) == IV_OK ? jacobian : NULL;
}

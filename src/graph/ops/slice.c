/* Slices and reshapes share memory; the gradient of slices is their concatenation, with zeros in
 * between. Kernel: cl/elementwise.cl. */
#include "graph/graph.h"

#include <string.h>

static void share(iv_tensor *tensor, iv_tensor *base, size_t offset) {
    if (!tensor) return;
    tensor->base = base;
    tensor->base_offset = offset;
}

iv_tensor *iv_slice(iv_graph *graph, iv_tensor *x, size_t first, size_t count) {
    node *n = iv_graph_node(graph, &op_slice, 1, &x, 1);
    if (!n) return NULL;
    if (count == 0 || first >= x->dims[0] || count > x->dims[0] - first)
        return iv_graph_fail(graph, "slice: %zu to %zu of an axis of %zu", first, first + count,
                             x->dims[0]);
    if (count == 1 && x->rank == 1) return iv_graph_fail(graph, "slice: nothing would be left");

    size_t dims[IV_MAX_RANK];
    memcpy(dims, x->dims, sizeof dims);
    dims[0] = count;
    const bool drop = count == 1;
    iv_tensor *y = iv_graph_output(n, x->dtype, x->rank - drop, dims + drop);
    share(y, x, first * (x->n_elements / x->dims[0]));
    n->attributes[0] = first * (x->n_elements / x->dims[0]);
    return y;
}

/* Where part i lies in the whole: attributes[1 + i], in elements of the first product's layout. */
static void slice_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                           iv_tensor **gradients) {
    const size_t n_products = gradient->n_elements / n->outputs[0]->n_elements;
    if (n_products > 1 && n->inputs[0]->rank == 1) {
        iv_graph_fail(graph, "slice: several products at once need the last axis whole");
        return;
    }
    node *d = iv_graph_node(graph, &op_concatenate, 1, &gradient, 1);
    if (!d) return;
    d->attributes[0] = 1;
    d->attributes[1] = n->attributes[0] * n_products;
    size_t dims[IV_MAX_RANK];
    const unsigned rank = iv_gradient_shape(n->inputs[0], n_products, dims);
    gradients[0] = iv_graph_output(d, IV_F32, rank, dims);
}

const iv_op op_slice = {
    .name = "slice", .backward = slice_backward, .integer_inputs = IV_ANY_INPUT};

iv_tensor *iv_reshape(iv_graph *graph, iv_tensor *x, unsigned rank, const size_t *dims) {
    node *n = iv_graph_node(graph, &op_reshape, 1, &x, 1);
    if (!n) return NULL;
    iv_tensor *y = iv_graph_output(n, x->dtype, rank, dims);
    if (!y) return NULL;
    if (y->n_elements != x->n_elements)
        return iv_graph_fail(graph, "reshape: %zu elements into %zu", x->n_elements, y->n_elements);
    share(y, x, 0);
    return y;
}

static void reshape_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                             iv_tensor **gradients) {
    const iv_tensor *x = n->inputs[0], *y = n->outputs[0];
    const size_t n_products = gradient->n_elements / y->n_elements;
    if (n_products > 1 && iv_columns(x) != iv_columns(y)) {
        iv_graph_fail(graph, "reshape: several products at once need an unchanged last axis");
        return;
    }
    size_t dims[IV_MAX_RANK];
    const unsigned rank = iv_gradient_shape(x, n_products, dims);
    gradients[0] = iv_reshape(graph, gradient, rank, dims);
}

const iv_op op_reshape = {
    .name = "reshape", .backward = reshape_backward, .integer_inputs = IV_ANY_INPUT};

/* A launch a part, and one a gap for its zeros. */
static iv_status concatenate_forward(emitter *e, const node *n) {
    const iv_tensor *whole = n->outputs[0];
    size_t position = 0;
    while (position < whole->n_elements) {
        const iv_tensor *part = NULL;
        size_t next = whole->n_elements;
        for (size_t i = 0; i < n->n_inputs; i++) {
            if (n->attributes[1 + i] == position) part = n->inputs[i];
            if (n->attributes[1 + i] > position && n->attributes[1 + i] < next)
                next = n->attributes[1 + i];
        }
        const size_t count = part ? part->n_elements : next - position;
        if (part && part->base == whole) { /* it was computed there */
            position += count;
            continue;
        }
        iv_launch *launch =
            iv_launch_begin(e->sequence, "elementwise", part ? "place" : "place_zeros", NULL);
        if (part) iv_arg_tensor(launch, part);
        iv_arg_tensor(launch, whole);
        iv_arg_uint(launch, position);
        iv_arg_uint(launch, count);
        const iv_status status = iv_launch_members(e, launch, count);
        if (status != IV_OK) return status;
        position += count;
    }
    return IV_OK;
}

const iv_op op_concatenate = {.name = "concatenate", .forward = concatenate_forward};

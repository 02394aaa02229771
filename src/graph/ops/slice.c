/* Slices and reshapes share memory; the gradient of slices is their concatenation, with zeros in
 * between. Kernel: cl/elementwise.cl. */
#include "graph/ops/own.h"
#include "graph/ops/strided.h"

#include <string.h>

static void share(iv_tensor *tensor, iv_tensor *base, size_t offset) {
    if (!tensor) return;
    tensor->base = base;
    tensor->base_offset = offset;
}

iv_tensor *iv_slice(iv_graph *graph, iv_tensor *x, size_t first, size_t count) {
    node *n = iv_graph_node(graph, &op_slice, 1, &x, 1, sizeof(own_slice));
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
    *(own_slice *)n->own = (own_slice){first * (x->n_elements / x->dims[0])};
    return y;
}

/* Where a part lies in the whole is counted in elements of the first product's layout. */
static void slice_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                           iv_tensor **gradients) {
    const size_t n_products = gradient->n_elements / n->outputs[0]->n_elements;
    if (n_products > 1 && (n->inputs[0]->rank == 1 ||
                           iv_product_block(n->inputs[0]) != iv_product_block(n->outputs[0]))) {
        iv_graph_fail(graph, "slice: several products at once need the last axis whole");
        return;
    }
    node *d = iv_graph_node(graph, &op_concatenate, 1, &gradient, 1, sizeof(own_concatenate));
    if (!d) return;
    const own_slice *own = n->own;
    *(own_concatenate *)d->own = (own_concatenate){.places = {own->first * n_products}, .rows = 1};
    size_t dims[IV_MAX_RANK];
    const unsigned rank = iv_gradient_shape(n->inputs[0], n_products, dims);
    gradients[0] = iv_graph_output(d, IV_F32, rank, dims);
}

const iv_op op_slice = {
    .name = "slice", .backward = slice_backward, .integer_inputs = IV_ANY_INPUT};

iv_tensor *iv_reshape(iv_graph *graph, iv_tensor *x, unsigned rank, const size_t *dims) {
    node *n = iv_graph_node(graph, &op_reshape, 1, &x, 1, 0);
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
    if (n_products > 1 && iv_product_block(x) != iv_product_block(y)) {
        iv_graph_fail(graph, "reshape: several products at once need an unchanged last axis, or "
                             "whole images [B, C, H, W] as the last one, [B, C H W]");
        return;
    }
    size_t dims[IV_MAX_RANK];
    const unsigned rank = iv_gradient_shape(x, n_products, dims);
    gradients[0] = iv_reshape(graph, gradient, rank, dims);
}

const iv_op op_reshape = {
    .name = "reshape", .backward = reshape_backward, .integer_inputs = IV_ANY_INPUT};

/* Parts of several rows leave no gaps. */
static iv_status place_rows(emitter *e, const node *n) {
    const own_concatenate *own = n->own;
    iv_status status = IV_OK;
    for (size_t i = 0; i < n->n_inputs && status == IV_OK; i++) {
        const size_t count = n->inputs[i]->n_elements / own->rows;
        iv_launch *launch = iv_launch_begin(e->sequence, "elementwise", "place_rows", NULL);
        iv_arg_tensor(launch, n->inputs[i]);
        iv_arg_tensor(launch, n->outputs[0]);
        iv_arg_uint(launch, own->places[i]);
        iv_arg_uint(launch, count);
        iv_arg_uint(launch, n->outputs[0]->n_elements / own->rows);
        iv_arg_uint(launch, own->rows);
        status = iv_launch_end_by_member(launch, 3,
                                         (const size_t[]){count, own->rows, e->n_members}, NULL);
    }
    return status;
}

/* A launch a part, and one a gap for its zeros. */
static iv_status concatenate_forward(emitter *e, const node *n) {
    const own_concatenate *own = n->own;
    const iv_tensor *whole = n->outputs[0];
    size_t position = 0;
    if (own->rows > 1) return place_rows(e, n);
    while (position < whole->n_elements) {
        const iv_tensor *part = NULL;
        size_t next = whole->n_elements;
        for (size_t i = 0; i < n->n_inputs; i++) {
            const size_t place = own->places[i];
            if (place == position) part = n->inputs[i];
            if (place > position && place < next) next = place;
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

/* What slices send back, with gaps, has none. */
static void concatenate_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                 iv_tensor **gradients) {
    const own_concatenate *own = n->own;
    size_t first = 0;
    if (!own->gapless || !iv_one_product(graph, n, gradient)) return;
    for (size_t i = 0; i < n->n_inputs; i++) {
        gradients[i] = iv_part(graph, gradient, own->axis, first, iv_dim(n->inputs[i], own->axis));
        first += iv_dim(n->inputs[i], own->axis);
    }
}

static size_t place_of_input(const node *n, size_t i) {
    const own_concatenate *own = n->own;
    return own->rows > 1 ? SIZE_MAX : own->places[i];
}

const iv_op op_concatenate = {.name = "concatenate",
                              .forward = concatenate_forward,
                              .backward = concatenate_backward,
                              .place_of_input = place_of_input};

static bool overlaps(const node *parts, const node *part) {
    const size_t first = place_of_input(part, 0);
    const size_t end = first + part->inputs[0]->n_elements;
    for (size_t i = 0; i < parts->n_inputs; i++) {
        const size_t other = place_of_input(parts, i);
        if (first < other + parts->inputs[i]->n_elements && other < end) return true;
    }
    return false;
}

static bool is_in_one_row(const node *n) {
    return ((const own_concatenate *)n->own)->rows == 1;
}

bool iv_can_join(const iv_tensor *a, const iv_tensor *b) {
    return a->producer && b->producer && a->producer->op == &op_concatenate &&
           b->producer->op == &op_concatenate && b->producer->n_inputs == 1 &&
           is_in_one_row(a->producer) && is_in_one_row(b->producer) &&
           a->producer->n_inputs < MAX_INPUTS && iv_same_shape(a, b) &&
           !overlaps(a->producer, b->producer);
}

iv_tensor *iv_join(iv_graph *graph, const iv_tensor *a, const iv_tensor *b) {
    const node *parts = a->producer, *part = b->producer;
    iv_tensor *inputs[MAX_INPUTS];
    memcpy(inputs, parts->inputs, parts->n_inputs * sizeof *inputs);
    inputs[parts->n_inputs] = part->inputs[0];
    const size_t n_inputs = parts->n_inputs + 1;
    node *n =
        iv_graph_node(graph, &op_concatenate, n_inputs, inputs, n_inputs, sizeof(own_concatenate));
    if (!n) return NULL;
    own_concatenate *own = n->own;
    *own = *(const own_concatenate *)parts->own;
    own->places[parts->n_inputs] = place_of_input(part, 0);
    return iv_graph_output(n, IV_F32, a->rank, a->dims);
}

/* Parts, padding and tensors side by side along any axis. A part and padding are one op: the result
 * has its entries from x, moved along each axis by `before`, which is negative for parts, and a
 * constant where there is none. Its gradient is the same with the move turned round. Kernel:
 * cl/moves.cl. */
#include "graph/ops/own.h"
#include "graph/ops/strided.h"

#include <invar/tensor_ops.h>

#include <string.h>

/* ------------------------------------------------------------------ moves */

static iv_tensor *move(iv_graph *graph, iv_tensor *x, const ptrdiff_t *before, const size_t *dims,
                       float value) {
    node *n = iv_graph_node(graph, &op_move, 1, &x, 1, sizeof(own_move));
    if (!n) return NULL;
    own_move *own = n->own;
    own->value = value;
    memcpy(own->before + STRIDED_AXES - x->rank, before, x->rank * sizeof *before);
    return iv_graph_output(n, IV_F32, x->rank, dims);
}

iv_tensor *iv_part(iv_graph *graph, iv_tensor *x, unsigned axis, size_t first, size_t count) {
    if (!iv_takes(graph, x, "part")) return NULL;
    if (axis >= x->rank || count == 0 || first >= x->dims[axis] || count > x->dims[axis] - first)
        return iv_graph_fail(graph, "part: %zu to %zu of an axis of %zu", first, first + count,
                             iv_dim(x, axis));
    if (count == x->dims[axis]) return x;
    ptrdiff_t before[IV_MAX_RANK] = {0};
    size_t dims[IV_MAX_RANK];
    memcpy(dims, x->dims, sizeof dims);
    dims[axis] = count;
    before[axis] = -(ptrdiff_t)first;
    return move(graph, x, before, dims, 0.0f);
}

iv_tensor *iv_pad(iv_graph *graph, iv_tensor *x, const size_t *before, const size_t *after,
                  float value) {
    if (!iv_takes(graph, x, "pad")) return NULL;
    ptrdiff_t moved[IV_MAX_RANK];
    size_t dims[IV_MAX_RANK];
    bool same = true;
    for (unsigned i = 0; i < x->rank; i++) {
        if (before[i] > INT32_MAX || after[i] > INT32_MAX)
            return iv_graph_fail(graph, "pad: %zu and %zu places around axis %u", before[i],
                                 after[i], i);
        moved[i] = (ptrdiff_t)before[i];
        dims[i] = before[i] + x->dims[i] + after[i];
        same = same && dims[i] == x->dims[i];
    }
    return same ? x : move(graph, x, moved, dims, value);
}

static iv_status move_forward(emitter *e, const node *n) {
    const own_move *own = n->own;
    strided s = {.n_operands = 0}; /* rows as they are: moves differ by axis */
    size_t from[STRIDED_AXES];
    iv_strided_dims(n->outputs[0], s.dims);
    iv_strided_dims(n->inputs[0], from);
    char options[96];
    iv_strided_options(&s, options);
    iv_launch *launch = iv_launch_begin(e->sequence, "moves", "move", options);
    iv_arg_tensor(launch, n->inputs[0]);
    iv_arg_tensor(launch, n->outputs[0]);
    /* Unsigned numbers wrap: p - before is a place of x or too large to be one. */
    for (unsigned i = 0; i < STRIDED_AXES; i++) iv_arg_uint(launch, (uint32_t)own->before[i]);
    for (unsigned i = 0; i < STRIDED_AXES; i++) iv_arg_uint(launch, from[i]);
    iv_arg_float(launch, own->value);
    return iv_strided_end(e, launch, &s);
}

static void move_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                          iv_tensor **gradients) {
    const own_move *own = n->own;
    iv_tensor *x = n->inputs[0];
    ptrdiff_t back[IV_MAX_RANK];
    if (!iv_one_product(graph, n, gradient)) return;
    for (unsigned i = 0; i < x->rank; i++) back[i] = -own->before[STRIDED_AXES - x->rank + i];
    gradients[0] = move(graph, gradient, back, x->dims, 0.0f);
}

const iv_op op_move = {.name = "move", .forward = move_forward, .backward = move_backward};

/* ------------------------------------------------------------------ side by side */

/* Some of them at once; each is [rows, its own length]. */
static iv_tensor *join(iv_graph *graph, size_t n, iv_tensor *const *xs, unsigned axis) {
    size_t dims[IV_MAX_RANK], inner = 1, rows = 1, total = 0, places[MAX_INPUTS];
    const iv_tensor *like = xs[0];
    for (unsigned i = 0; i < axis; i++) rows *= like->dims[i];
    for (unsigned i = axis + 1; i < like->rank; i++) inner *= like->dims[i];
    for (size_t k = 0; k < n; k++) {
        places[k] = total * inner;
        total += xs[k]->dims[axis];
    }
    node *d = iv_graph_node(graph, &op_concatenate, n, xs, n, sizeof(own_concatenate));
    if (!d) return NULL;
    own_concatenate *own = d->own;
    own->rows = rows;
    own->gapless = true;
    own->axis = axis;
    memcpy(own->places, places, n * sizeof *places);
    memcpy(dims, like->dims, sizeof dims);
    dims[axis] = total;
    return iv_graph_output(d, IV_F32, like->rank, dims);
}

iv_tensor *iv_concatenate(iv_graph *graph, size_t n, iv_tensor *const *xs, unsigned axis) {
    if (graph->status != IV_OK) return NULL;
    for (size_t k = 0; k < n; k++) {
        if (!xs[k]) return iv_graph_fail(graph, "concatenate: tensor %zu is missing", k);
        bool fits = xs[k]->rank == xs[0]->rank && axis < xs[0]->rank;
        for (unsigned i = 0; i < xs[k]->rank && fits; i++)
            fits = i == axis || xs[k]->dims[i] == xs[0]->dims[i];
        if (!fits) return iv_graph_fail(graph, "concatenate: tensor %zu does not fit the first", k);
    }
    if (n == 0) return iv_graph_fail(graph, "concatenate: no tensors");
    if (n == 1) return xs[0];
    if (n <= MAX_INPUTS) return join(graph, n, xs, axis);

    /* As many of the same number together as a node takes, so that copies of copies are few. */
    iv_tensor *parts[MAX_INPUTS];
    const size_t of_part = (n + MAX_INPUTS - 1) / MAX_INPUTS;
    size_t n_parts = 0;
    for (size_t first = 0; first < n; first += of_part)
        parts[n_parts++] =
            iv_concatenate(graph, n - first < of_part ? n - first : of_part, xs + first, axis);
    return iv_concatenate(graph, n_parts, parts, axis);
}

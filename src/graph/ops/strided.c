/* Rows and strides of tensor ops, and the copies that are nothing but strides: axes in another
 * order, entries repeated. Kernels: cl/strided.cl. */
#include "graph/ops/strided.h"

#include "graph/ops/own.h"

#include <invar/tensor_ops.h>

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ rows and strides */

void iv_strided_dims(const iv_tensor *tensor, size_t dims[STRIDED_AXES]) {
    for (unsigned i = 0; i < STRIDED_AXES; i++) {
        const unsigned ones = STRIDED_AXES - tensor->rank;
        dims[i] = i < ones ? 1 : tensor->dims[i - ones];
    }
}

void iv_strided_repeat(const iv_tensor *tensor, const size_t dims[STRIDED_AXES],
                       size_t strides[STRIDED_AXES]) {
    size_t own[STRIDED_AXES], stride = 1;
    iv_strided_dims(tensor, own);
    for (unsigned i = STRIDED_AXES; i-- > 0; stride *= own[i])
        strides[i] = own[i] == 1 && dims[i] > 1 ? 0 : stride;
}

/* Whether an axis of the whole is the outer part of axis o of the merged one, for all operands. */
static bool continues(const strided *whole, unsigned i, const strided *merged, unsigned o) {
    for (size_t k = 0; k < whole->n_operands; k++)
        if (whole->strides[k][i] != merged->strides[k][o] * merged->dims[o]) return false;
    return true;
}

void iv_strided_merge(strided *s) {
    strided merged = {.n_operands = s->n_operands};
    unsigned o = STRIDED_AXES;
    for (unsigned i = STRIDED_AXES; i-- > 0;) {
        if (s->dims[i] == 1) continue;
        if (o < STRIDED_AXES && continues(s, i, &merged, o)) {
            merged.dims[o] *= s->dims[i];
            continue;
        }
        merged.dims[--o] = s->dims[i];
        for (size_t k = 0; k < s->n_operands; k++) merged.strides[k][o] = s->strides[k][i];
    }
    while (o > 0) merged.dims[--o] = 1;
    *s = merged;
}

void iv_strided_options(const strided *s, char options[96]) {
    unsigned n_axes = STRIDED_AXES;
    while (n_axes > 1 && s->dims[STRIDED_AXES - n_axes] == 1) n_axes--;
    int n = snprintf(options, 96, "-DVW=%d -DAXES=%u", STRIDED_VECTOR, n_axes);
    for (size_t k = 0; k < s->n_operands; k++) {
        const size_t step = s->strides[k][STRIDED_AXES - 1];
        n += snprintf(options + n, 96 - (size_t)n, " -DSTEP_%zu=%zu", k, step < 2 ? step : 2);
    }
}

void iv_strided_argument(iv_launch *launch, const strided *s, size_t operand) {
    for (unsigned i = 0; i < STRIDED_AXES; i++) iv_arg_uint(launch, s->strides[operand][i]);
}

iv_status iv_strided_end(emitter *e, iv_launch *launch, const strided *s) {
    const size_t n = s->dims[3], rows = s->dims[0] * s->dims[1] * s->dims[2];
    iv_arg_uint(launch, s->dims[1]);
    iv_arg_uint(launch, s->dims[2]);
    iv_arg_uint(launch, rows);
    iv_arg_uint(launch, n);
    const size_t vectors = (n + STRIDED_VECTOR - 1) / STRIDED_VECTOR;
    return iv_launch_members(e, launch, vectors * rows);
}

bool iv_takes(iv_graph *graph, const iv_tensor *x, const char *what) {
    if (graph->status == IV_OK && !x) iv_graph_fail(graph, "%s: input 0 is missing", what);
    return graph->status == IV_OK;
}

bool iv_one_product(iv_graph *graph, const node *n, const iv_tensor *gradient) {
    if (gradient->n_elements == n->outputs[0]->n_elements) return true;
    iv_graph_fail(graph, "%s: takes one product at a time", n->op->name);
    return false;
}

/* ------------------------------------------------------------------ copies */

static iv_status copy_forward(emitter *e, const node *n, float factor) {
    const own_strides *own = n->own;
    strided s = {.n_operands = 1};
    char options[96];
    iv_strided_dims(n->outputs[0], s.dims);
    memcpy(s.strides[0], own->strides, sizeof s.strides[0]);
    iv_strided_merge(&s);
    iv_strided_options(&s, options);
    iv_launch *launch = iv_launch_begin(e->sequence, "strided", "copy_strided", options);
    iv_arg_tensor(launch, n->inputs[0]);
    iv_strided_argument(launch, &s, 0);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_float(launch, factor);
    return iv_strided_end(e, launch, &s);
}

/* Axes of length 1 can stand anywhere. */
static bool keeps_order(const iv_tensor *x, const unsigned *order) {
    unsigned last = 0;
    for (unsigned i = 0; i < x->rank; i++) {
        if (x->dims[order[i]] == 1) continue;
        if (order[i] < last) return false;
        last = order[i];
    }
    return true;
}

iv_tensor *iv_permute(iv_graph *graph, iv_tensor *x, const unsigned *order) {
    if (!iv_takes(graph, x, "permute")) return NULL;
    size_t dims[IV_MAX_RANK], strides[IV_MAX_RANK], stride = 1;
    unsigned seen = 0;
    for (unsigned i = 0; i < x->rank; i++) {
        if (order[i] >= x->rank || seen & 1U << order[i])
            return iv_graph_fail(graph, "permute: the order has to hold each of %u axes once",
                                 x->rank);
        seen |= 1U << order[i];
        dims[i] = x->dims[order[i]];
    }
    if (keeps_order(x, order)) return iv_reshape(graph, x, x->rank, dims);

    node *n = iv_graph_node(graph, &op_permute, 1, &x, 1, sizeof(own_strides));
    if (!n) return NULL;
    own_strides *own = n->own;
    memcpy(own->order, order, x->rank * sizeof *order);
    for (unsigned i = x->rank; i-- > 0; stride *= x->dims[i]) strides[i] = stride;
    for (unsigned i = 0; i < x->rank; i++)
        own->strides[STRIDED_AXES - x->rank + i] = strides[order[i]];
    return iv_graph_output(n, IV_F32, x->rank, dims);
}

static iv_status permute_forward(emitter *e, const node *n) {
    return copy_forward(e, n, 1.0f);
}

static void permute_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                             iv_tensor **gradients) {
    const own_strides *own = n->own;
    unsigned inverse[IV_MAX_RANK];
    if (!iv_one_product(graph, n, gradient)) return;
    for (unsigned i = 0; i < gradient->rank; i++) inverse[own->order[i]] = i;
    gradients[0] = iv_permute(graph, gradient, inverse);
}

const iv_op op_permute = {
    .name = "permute", .forward = permute_forward, .backward = permute_backward};

iv_tensor *iv_spread(iv_graph *graph, iv_tensor *x, unsigned rank, const size_t *dims,
                     float factor) {
    node *n = iv_graph_node(graph, &op_spread, 1, &x, 1, sizeof(own_strides));
    iv_tensor *y = iv_graph_output(n, IV_F32, rank, dims);
    if (!y) return NULL;
    own_strides *own = n->own;
    size_t whole[STRIDED_AXES];
    own->factor = factor;
    iv_strided_dims(y, whole);
    iv_strided_repeat(x, whole, own->strides);
    return y;
}

iv_tensor *iv_repeat(iv_graph *graph, iv_tensor *x, unsigned rank, const size_t *dims) {
    if (!iv_takes(graph, x, "repeat")) return NULL;
    for (unsigned i = 1; i <= x->rank; i++)
        if (rank < x->rank || (x->dims[x->rank - i] != 1 && x->dims[x->rank - i] != dims[rank - i]))
            return iv_graph_fail(graph, "repeat: the shapes do not fit");
    return iv_spread(graph, x, rank, dims, 1.0f);
}

static iv_status spread_forward(emitter *e, const node *n) {
    return copy_forward(e, n, ((const own_strides *)n->own)->factor);
}

static void spread_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                            iv_tensor **gradients) {
    const float factor = ((const own_strides *)n->own)->factor;
    if (!iv_one_product(graph, n, gradient)) return;
    gradients[0] = iv_sum_to(graph, gradient, n->inputs[0], factor);
}

const iv_op op_spread = {.name = "spread", .forward = spread_forward, .backward = spread_backward};

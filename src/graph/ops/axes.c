/* Sums and means over axes, and the softmax of rows. Kernels: cl/axes.cl. */
#include "graph/ops/own.h"
#include "graph/ops/strided.h"

#include <invar/tensor_ops.h>

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ sums */

/* Sums of x over the axes of a bit mask, counted in four axes, times a factor. */
static iv_tensor *sum_over(iv_graph *graph, iv_tensor *x, unsigned axes, float factor,
                           unsigned rank, const size_t *dims) {
    node *n = iv_graph_node(graph, &op_sum_over, 1, &x, 1, sizeof(own_sum_over));
    if (!n) return NULL;
    *(own_sum_over *)n->own = (own_sum_over){.axes = axes, .factor = factor};
    return iv_graph_output(n, IV_F32, rank, dims);
}

iv_tensor *iv_mean_over(iv_graph *graph, iv_tensor *x, unsigned axes, bool keep) {
    if (!iv_takes(graph, x, "mean")) return NULL;
    size_t dims[IV_MAX_RANK], n = 1;
    unsigned rank = 0;
    if (axes == 0 || axes >> x->rank != 0)
        return iv_graph_fail(graph, "mean: needs some of %u axes", x->rank);
    for (unsigned i = 0; i < x->rank; i++) {
        const bool gone = axes >> i & 1;
        if (gone) n *= x->dims[i];
        if (keep || !gone) dims[rank++] = gone ? 1 : x->dims[i];
    }
    if (rank == 0) dims[rank++] = 1;
    return sum_over(graph, x, axes << (STRIDED_AXES - x->rank), 1.0f / (float)n, rank, dims);
}

iv_tensor *iv_sum_to(iv_graph *graph, iv_tensor *x, const iv_tensor *like, float factor) {
    if (!iv_takes(graph, x, "sum")) return NULL;
    size_t whole[STRIDED_AXES], wanted[STRIDED_AXES];
    unsigned axes = 0;
    if (factor == 1.0f && iv_same_shape(x, like)) return x;
    if (factor == 1.0f && x->n_elements == like->n_elements)
        return iv_reshape(graph, x, like->rank, like->dims);
    iv_strided_dims(x, whole);
    iv_strided_dims(like, wanted);
    for (unsigned i = 0; i < STRIDED_AXES; i++)
        if (whole[i] != wanted[i]) axes |= 1U << i;
    return sum_over(graph, x, axes, factor, like->rank, like->dims);
}

/* One kind of axes, summed or kept, as at most two of them with their strides. */
typedef struct {
    size_t dims[2], strides[2];
} two_axes;

static two_axes axes_of(const iv_tensor *x, unsigned axes, bool summed) {
    size_t dims[STRIDED_AXES], stride = 1;
    two_axes t = {{1, 1}, {0, 0}};
    int last = 2;
    iv_strided_dims(x, dims);
    for (unsigned i = STRIDED_AXES; i-- > 0; stride *= dims[i]) {
        if (dims[i] == 1 || (axes >> i & 1) != summed) continue;
        if (last < 2 && stride == t.strides[last] * t.dims[last]) {
            t.dims[last] *= dims[i];
        } else {
            last--; /* of four axes at most two of a kind do not touch */
            t.dims[last] = dims[i];
            t.strides[last] = stride;
        }
    }
    return t;
}

static iv_status sum_over_forward(emitter *e, const node *n) {
    const own_sum_over *own = n->own;
    const two_axes kept = axes_of(n->inputs[0], own->axes, false);
    const two_axes summed = axes_of(n->inputs[0], own->axes, true);
    char options[16];
    snprintf(options, sizeof options, "-DVW=%d", STRIDED_VECTOR);
    iv_launch *launch =
        iv_launch_begin(e->sequence, "axes", "sum_over", summed.strides[1] == 1 ? options : NULL);
    iv_arg_tensor(launch, n->inputs[0]);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, n->outputs[0]->n_elements);
    iv_arg_uint(launch, kept.dims[1]);
    iv_arg_uint(launch, kept.strides[0]);
    iv_arg_uint(launch, kept.strides[1]);
    iv_arg_uint(launch, summed.dims[0]);
    iv_arg_uint(launch, summed.dims[1]);
    iv_arg_uint(launch, summed.strides[0]);
    iv_arg_uint(launch, summed.strides[1]);
    iv_arg_float(launch, own->factor);
    return iv_launch_members(e, launch, n->outputs[0]->n_elements);
}

/* Back to where every term of a sum came from, with the summed axes of length 1 in their places. */
static void sum_over_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                              iv_tensor **gradients) {
    const own_sum_over *own = n->own;
    const iv_tensor *x = n->inputs[0];
    size_t dims[IV_MAX_RANK];
    if (!iv_one_product(graph, n, gradient)) return;
    for (unsigned i = 0; i < x->rank; i++)
        dims[i] = own->axes >> (STRIDED_AXES - x->rank + i) & 1 ? 1 : x->dims[i];
    gradients[0] =
        iv_spread(graph, iv_reshape(graph, gradient, x->rank, dims), x->rank, x->dims, own->factor);
}

const iv_op op_sum_over = {
    .name = "sum_over", .forward = sum_over_forward, .backward = sum_over_backward};

/* ------------------------------------------------------------------ softmax */

iv_tensor *iv_softmax(iv_graph *graph, iv_tensor *x) {
    node *n = iv_graph_node(graph, &op_softmax, 1, &x, 1, 0);
    if (!n) return NULL;
    return iv_graph_output(n, IV_F32, x->rank, x->dims);
}

/* Of both ops. */
static iv_status launch_rows(emitter *e, const node *n, const char *kernel) {
    const iv_tensor *y = n->outputs[0];
    iv_launch *launch = iv_launch_begin(e->sequence, "axes", kernel, NULL);
    for (size_t k = 0; k < n->n_inputs; k++) iv_arg_tensor(launch, n->inputs[k]);
    iv_arg_tensor(launch, y);
    iv_arg_uint(launch, iv_rows(y));
    iv_arg_uint(launch, iv_columns(y));
    return iv_launch_members(e, launch, iv_rows(y));
}

static iv_status softmax_forward(emitter *e, const node *n) {
    return launch_rows(e, n, "softmax");
}

static void softmax_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                             iv_tensor **gradients) {
    if (!iv_one_product(graph, n, gradient)) return;
    node *d = iv_graph_node(graph, &op_softmax_gradient, 2,
                            (iv_tensor *[]){gradient, n->outputs[0]}, 2, 0);
    gradients[0] = iv_graph_output(d, IV_F32, gradient->rank, gradient->dims);
}

const iv_op op_softmax = {
    .name = "softmax", .forward = softmax_forward, .backward = softmax_backward};

static iv_status softmax_gradient_forward(emitter *e, const node *n) {
    return launch_rows(e, n, "softmax_gradient");
}

const iv_op op_softmax_gradient = {.name = "softmax_gradient", .forward = softmax_gradient_forward};

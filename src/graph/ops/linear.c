/* Fully connected layers: y = x w^T + b, dx = dy w, dw = dy^T x, db = column sums of dy, which the
 * product for dw gives along the way. All go through iv_gemm. */
#include "graph/graph.h"

#include <string.h>

iv_tensor *iv_linear(iv_graph *graph, iv_tensor *x, iv_tensor *w, iv_tensor *b) {
    node *n = iv_graph_node(graph, &op_linear, 3, (iv_tensor *[]){x, w, b}, 2, 0);
    if (!n) return NULL;
    if (w->rank != 2 || iv_columns(x) != w->dims[1])
        return iv_graph_fail(graph, "linear: %zu features meet weights of %zu columns",
                             iv_columns(x), iv_columns(w));
    if (b && b->n_elements != w->dims[0])
        return iv_graph_fail(graph, "linear: %zu outputs meet %zu biases", w->dims[0],
                             b->n_elements);
    size_t dims[IV_MAX_RANK];
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank - 1] = w->dims[0];
    return iv_graph_output(n, IV_F32, x->rank, dims);
}

static iv_status linear_forward(emitter *e, const node *n) {
    const iv_tensor *x = n->inputs[0], *w = n->inputs[1], *b = n->inputs[2];
    iv_gemm_desc gemm = {
        .m = iv_rows(x),
        .n = w->dims[0],
        .k = w->dims[1],
        .batch = e->n_members,
        .transpose_b = true,
        .a = iv_tensor_view(x),
        .b = iv_tensor_view(w),
        .c = iv_tensor_view(n->outputs[0]),
        .lda = w->dims[1],
        .ldb = w->dims[1],
        .ldc = w->dims[0],
        .activation = n->activation,
        .zeros_a = iv_has_zeros(x),
    };
    if (b) gemm.bias = iv_tensor_view(b);
    return iv_gemm(e->sequence, &gemm);
}

static iv_tensor *input_gradient(iv_graph *graph, iv_tensor *x, iv_tensor *w, iv_tensor *dy) {
    node *n = iv_graph_node(graph, &op_linear_input_gradient, 2, (iv_tensor *[]){dy, w}, 2, 0);
    if (!n) return NULL;
    const size_t n_products = iv_rows(dy) / iv_rows(x);
    size_t dims[IV_MAX_RANK];
    const unsigned rank = iv_gradient_shape(x, n_products, dims);
    return iv_graph_output(n, IV_F32, rank, dims);
}

static void linear_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                            iv_tensor **gradients) {
    iv_tensor *x = n->inputs[0], *w = n->inputs[1], *b = n->inputs[2];
    gradients[0] = input_gradient(graph, x, w, gradient);
    if (iv_rows(gradient) != iv_rows(x)) return; /* several products: parameters have no gradient */

    node *dw =
        iv_graph_node(graph, &op_linear_weight_gradient, 2, (iv_tensor *[]){gradient, x}, 2, 0);
    gradients[1] = iv_graph_output(dw, IV_F32, 2, w->dims);
    if (b) gradients[2] = iv_graph_output(dw, IV_F32, b->rank, b->dims);
}

const iv_op op_linear = {.name = "linear",
                         .forward = linear_forward,
                         .backward = linear_backward,
                         .can = IV_OP_TAKES_ACTIVATION};

static iv_status input_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *dy = n->inputs[0], *w = n->inputs[1];
    iv_gemm_desc gemm = {
        .m = iv_rows(dy),
        .n = w->dims[1],
        .k = w->dims[0],
        .batch = e->n_members,
        .a = iv_tensor_view(dy),
        .b = iv_tensor_view(w),
        .c = iv_tensor_view(n->outputs[0]),
        .lda = w->dims[0],
        .ldb = w->dims[1],
        .ldc = w->dims[1],
    };
    if (n->gate) {
        gemm.gate = iv_tensor_view(n->gate);
        gemm.gate_activation = n->gate_activation;
        gemm.gate_rows = iv_rows(dy) / iv_rows(n->gate);
    }
    return iv_gemm(e->sequence, &gemm);
}

const iv_op op_linear_input_gradient = {.name = "linear_input_gradient",
                                        .forward = input_gradient_forward,
                                        .can = IV_OP_TAKES_GATE | IV_OP_SHARES_GATE};

/* Outputs: dw, and db if the layer has a bias; added to what they are to change, or kept. */
static iv_status weight_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *dy = n->inputs[0], *x = n->inputs[1], *dw = n->outputs[0];
    const iv_tensor *db = n->n_outputs > 1 && n->outputs[1]->needed ? n->outputs[1] : NULL;
    iv_gemm_desc gemm = {
        .m = iv_columns(dy),
        .n = iv_columns(x),
        .k = iv_rows(x),
        .batch = e->n_members,
        .transpose_a = true,
        .a = iv_tensor_view(dy),
        .b = iv_tensor_view(x),
        .c = dw->added_by_producer ? dw->target : iv_tensor_view(dw),
        .lda = iv_columns(dy),
        .ldb = iv_columns(x),
        .ldc = iv_columns(x),
        .accumulate = dw->added_by_producer,
        .zeros_b = iv_has_zeros(x),
    };
    if (dw->added_by_producer) gemm.scale = dw->scale;
    if (db) gemm.row_sums = dw->added_by_producer ? db->target : iv_tensor_view(db);
    return iv_gemm(e->sequence, &gemm);
}

const iv_op op_linear_weight_gradient = {.name = "linear_weight_gradient",
                                         .forward = weight_gradient_forward,
                                         .can = IV_OP_ADDS_TO_TARGET};

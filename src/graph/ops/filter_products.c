/* Products of a batch with every sample's own filters: a product for each, as in linear.c. */
#include "graph/graph.h"

#include <invar/affine.h>

enum { X, W, BIAS };

iv_tensor *iv_filter_products(iv_graph *graph, iv_tensor *x, iv_tensor *w, iv_tensor *b) {
    node *n = iv_graph_node(graph, &op_filter_products, 3, (iv_tensor *[]){x, w, b}, 3, 0);
    if (!n) return NULL;
    if (x->rank != 2 || w->rank != 3 || x->dims[1] != w->dims[2] || b->n_elements != w->dims[1])
        return iv_graph_fail(graph, "filter products: needs inputs [B, D], filters [S, H, D] and "
                                    "biases [H]");
    return iv_graph_output(n, IV_F32, 3, (const size_t[]){w->dims[0], x->dims[0], w->dims[1]});
}

/* Sample s of a tensor [S, ...]. */
static iv_view sample_of(const iv_tensor *tensor, size_t s) {
    iv_view view = iv_tensor_view(tensor);
    view.offset += s * (tensor->n_elements / tensor->dims[0]);
    return view;
}

static iv_status filter_products_forward(emitter *e, const node *n) {
    const iv_tensor *x = n->inputs[X], *w = n->inputs[W], *z = n->outputs[0];
    const size_t B = x->dims[0], H = w->dims[1], D = w->dims[2];
    iv_status status = IV_OK;
    for (size_t s = 0; s < w->dims[0] && status == IV_OK; s++) {
        const iv_gemm_desc gemm = {
            .m = B,
            .n = H,
            .k = D,
            .batch = e->n_members,
            .transpose_b = true,
            .a = iv_tensor_view(x),
            .b = sample_of(w, s),
            .c = sample_of(z, s),
            .lda = D,
            .ldb = D,
            .ldc = H,
            .bias = iv_tensor_view(n->inputs[BIAS]),
        };
        status = iv_gemm(e->sequence, &gemm);
    }
    return status;
}

static void filter_products_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                     iv_tensor **gradients) {
    const iv_tensor *w = n->inputs[W], *b = n->inputs[BIAS];
    if (gradient->n_elements != n->outputs[0]->n_elements) return; /* several products at once */
    node *d = iv_graph_node(graph, &op_filter_products_gradient, 2,
                            (iv_tensor *[]){gradient, n->inputs[X]}, 2, 0);
    if (!d) return;
    gradients[W] = iv_graph_output(d, IV_F32, 3, w->dims);
    gradients[BIAS] = iv_graph_output(d, IV_F32, b->rank, b->dims);
    iv_graph_output(d, IV_F32, 2, w->dims); /* db by samples */
}

const iv_op op_filter_products = {.name = "filter_products",
                                  .forward = filter_products_forward,
                                  .backward = filter_products_backward};

/* dw_s = dz_s^T x; db comes along with it, sample by sample. */
static iv_status filter_products_gradient_forward(emitter *e, const node *n) {
    enum { DW, DB, DB_PARTS };
    const iv_tensor *dz = n->inputs[0], *x = n->inputs[1], *parts = n->outputs[DB_PARTS];
    const size_t S = dz->dims[0], B = dz->dims[1], H = dz->dims[2], D = x->dims[1];
    iv_status status = IV_OK;
    for (size_t s = 0; s < S && status == IV_OK; s++) {
        const iv_gemm_desc gemm = {
            .m = H,
            .n = D,
            .k = B,
            .batch = e->n_members,
            .transpose_a = true,
            .a = sample_of(dz, s),
            .b = iv_tensor_view(x),
            .c = sample_of(n->outputs[DW], s),
            .lda = H,
            .ldb = D,
            .ldc = D,
            .row_sums = sample_of(parts, s),
        };
        status = iv_gemm(e->sequence, &gemm);
    }
    if (status != IV_OK || !n->outputs[DB]->needed) return status;
    iv_launch *launch = iv_launch_begin(e->sequence, "reduce", "column_sum", NULL);
    iv_arg_tensor(launch, parts);
    iv_arg_tensor(launch, n->outputs[DB]);
    iv_arg_uint(launch, S);
    iv_arg_uint(launch, H);
    return iv_launch_members(e, launch, H);
}

const iv_op op_filter_products_gradient = {.name = "filter_products_gradient",
                                           .forward = filter_products_gradient_forward};

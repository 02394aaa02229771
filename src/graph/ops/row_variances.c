/* Variances of x w where the weights w of each class are Gaussian. Kernels: cl/row_variances.cl.
 *
 * Products with a triangular factor go by blocks of columns, each without the rows above it, which
 * are zero: little more than half the work. */
#include "graph/graph.h"

/* Columns of a block: a whole number of panels and tiles of the products. */
enum { BLOCK = 192 };

static size_t size_min(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Outputs: the variances, and the products u [C, B, H]. */
iv_tensor *iv_row_variances(iv_graph *graph, iv_tensor *x, iv_tensor *factor) {
    node *n = iv_graph_node(graph, &op_row_variances, 2, (iv_tensor *[]){x, factor}, 2, 0);
    if (!n) return NULL;
    if (x->rank != 2 || factor->rank != 3 || factor->dims[1] != factor->dims[2] ||
        factor->dims[1] != x->dims[1])
        return iv_graph_fail(graph, "row variances: need x [B, H] and factors [C, H, H]");
    const size_t n_rows = x->dims[0], n_classes = factor->dims[0];
    iv_tensor *variances = iv_graph_output(n, IV_F32, 2, (const size_t[]){n_rows, n_classes});
    iv_graph_output(n, IV_F32, 3, (const size_t[]){n_classes, n_rows, x->dims[1]});
    return variances;
}

/* Where class c of a tensor [C, ..] of all members begins. */
static iv_view class_view(const iv_tensor *tensor, size_t c) {
    iv_view view = iv_tensor_view(tensor);
    view.offset += c * (tensor->n_elements / tensor->dims[0]);
    return view;
}

/* u_c = x T_c: columns first .. first + width - 1 need rows from `first` on. */
static iv_status append_products(emitter *e, const node *n, size_t c) {
    const iv_tensor *x = n->inputs[0], *factor = n->inputs[1], *u = n->outputs[1];
    const size_t H = x->dims[1];
    iv_status status = IV_OK;
    for (size_t first = 0; first < H && status == IV_OK; first += BLOCK) {
        iv_gemm_desc gemm = {.m = x->dims[0],
                             .n = size_min(BLOCK, H - first),
                             .k = H - first,
                             .batch = e->n_members,
                             .a = iv_tensor_view(x),
                             .b = class_view(factor, c),
                             .c = class_view(u, c),
                             .lda = H,
                             .ldb = H,
                             .ldc = H};
        gemm.a.offset += first;
        gemm.b.offset += first * H + first;
        gemm.c.offset += first;
        status = iv_gemm(e->sequence, &gemm);
    }
    return status;
}

static iv_status row_variances_forward(emitter *e, const node *n) {
    const iv_tensor *variances = n->outputs[0], *u = n->outputs[1];
    iv_status status = IV_OK;
    for (size_t c = 0; c < u->dims[0] && status == IV_OK; c++) status = append_products(e, n, c);
    if (status != IV_OK) return status;
    iv_launch *launch = iv_launch_begin(e->sequence, "row_variances", "row_variances", NULL);
    iv_arg_tensor(launch, u);
    iv_arg_tensor(launch, variances);
    iv_arg_uint(launch, u->dims[1]);
    iv_arg_uint(launch, u->dims[0]);
    iv_arg_uint(launch, u->dims[2]);
    return iv_launch_members(e, launch, variances->n_elements);
}

static void row_variances_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                   iv_tensor **gradients) {
    if (gradient->n_elements != n->outputs[0]->n_elements) return; /* several products at once */
    iv_tensor *x = n->inputs[0], *factor = n->inputs[1];
    node *d = iv_graph_node(graph, &op_row_variances_gradient, 4,
                            (iv_tensor *[]){gradient, x, n->outputs[1], factor}, 4, 0);
    gradients[0] = iv_graph_output(d, IV_F32, x->rank, x->dims);
    gradients[1] = iv_graph_output(d, IV_F32, factor->rank, factor->dims);
}

const iv_op op_row_variances = {
    .name = "row_variances", .forward = row_variances_forward, .backward = row_variances_backward};

/* dx (+)= du T_c^T: columns first .. first + width - 1 need those of du up to there. */
static iv_status append_dx(emitter *e, const node *n, const iv_view *du, size_t c) {
    const iv_tensor *factor = n->inputs[3], *dx = n->outputs[0];
    const size_t H = dx->dims[1];
    iv_status status = IV_OK;
    for (size_t first = 0; first < H && status == IV_OK; first += BLOCK) {
        const size_t width = size_min(BLOCK, H - first);
        iv_gemm_desc gemm = {.m = dx->dims[0],
                             .n = width,
                             .k = first + width,
                             .batch = e->n_members,
                             .transpose_b = true,
                             .a = *du,
                             .b = class_view(factor, c),
                             .c = iv_tensor_view(dx),
                             .lda = H,
                             .ldb = H,
                             .ldc = H,
                             .accumulate = c > 0};
        gemm.b.offset += first * H;
        gemm.c.offset += first;
        status = iv_gemm(e->sequence, &gemm);
    }
    return status;
}

/* dT_c = x^T du: columns first .. first + width - 1 from row `first` on; zeros above. */
static iv_status append_dt(emitter *e, const node *n, const iv_view *du, size_t c) {
    const iv_tensor *x = n->inputs[1], *dt = n->outputs[1];
    const size_t H = x->dims[1];
    iv_status status = IV_OK;
    for (size_t first = 0; first < H && status == IV_OK; first += BLOCK) {
        iv_gemm_desc gemm = {.m = H - first,
                             .n = size_min(BLOCK, H - first),
                             .k = x->dims[0],
                             .batch = e->n_members,
                             .transpose_a = true,
                             .a = iv_tensor_view(x),
                             .b = *du,
                             .c = class_view(dt, c),
                             .lda = H,
                             .ldb = H,
                             .ldc = H};
        gemm.a.offset += first;
        gemm.b.offset += first;
        gemm.c.offset += first * H + first;
        status = iv_gemm(e->sequence, &gemm);
    }
    return status;
}

static iv_status append_scaled(emitter *e, const node *n, const iv_view *du, size_t c) {
    const iv_tensor *dv = n->inputs[0], *u = n->inputs[2];
    iv_launch *launch = iv_launch_begin(e->sequence, "row_variances", "row_variances_scaled", NULL);
    iv_arg_tensor(launch, dv);
    iv_arg_tensor(launch, u);
    iv_arg_view(launch, *du);
    iv_arg_uint(launch, c);
    iv_arg_uint(launch, u->dims[1]);
    iv_arg_uint(launch, u->dims[0]);
    iv_arg_uint(launch, u->dims[2]);
    return iv_launch_end_by_member(launch, 3,
                                   (const size_t[]){u->dims[2], u->dims[1], e->n_members}, NULL);
}

/* Outputs: dx, and dT, of which what lies above the blocks on the diagonal is left as it is. */
static iv_status row_variances_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *dx = n->outputs[0], *dt = n->outputs[1];
    iv_view du = {NULL, 0, n->inputs[1]->n_elements};
    iv_status status = iv_sequence_scratch(e->sequence, "row_variances.scaled",
                                           du.stride * sizeof(float), e->n_members, &du.buffer);
    for (size_t c = 0; c < n->inputs[2]->dims[0] && status == IV_OK; c++) {
        status = append_scaled(e, n, &du, c);
        if (status == IV_OK && dx->needed) status = append_dx(e, n, &du, c);
        if (status == IV_OK && dt->needed) status = append_dt(e, n, &du, c);
    }
    return status;
}

const iv_op op_row_variances_gradient = {.name = "row_variances_gradient",
                                         .forward = row_variances_gradient_forward};

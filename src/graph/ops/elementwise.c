/* Element-wise sum, a tensor times one number a member, and that added to memory of the caller.
 * Kernels: cl/elementwise.cl. */
#include "graph/graph.h"

iv_tensor *iv_add(iv_graph *graph, iv_tensor *a, iv_tensor *b) {
    node *n = iv_graph_node(graph, &op_add, 2, (iv_tensor *[]){a, b}, 2, 0);
    if (!n) return NULL;
    if (!iv_same_shape(a, b)) return iv_graph_fail(graph, "add: the shapes differ");
    return iv_graph_output(n, IV_F32, a->rank, a->dims);
}

static iv_status add_forward(emitter *e, const node *n) {
    iv_launch *launch = iv_launch_begin(e->sequence, "elementwise", "add", NULL);
    iv_arg_tensor(launch, n->inputs[0]);
    iv_arg_tensor(launch, n->inputs[1]);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, n->outputs[0]->n_elements);
    return iv_launch_members(e, launch, n->outputs[0]->n_elements);
}

static void add_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                         iv_tensor **gradients) {
    (void)graph;
    (void)n;
    gradients[0] = gradients[1] = gradient;
}

const iv_op op_add = {.name = "add", .forward = add_forward, .backward = add_backward};

iv_tensor *iv_scale(iv_graph *graph, iv_tensor *x, iv_tensor *factor) {
    node *n = iv_graph_node(graph, &op_scale, 2, (iv_tensor *[]){x, factor}, 2, 0);
    if (!n) return NULL;
    if (factor->n_elements != 1)
        return iv_graph_fail(graph, "scale: the factor is one number a member");
    return iv_graph_output(n, IV_F32, x->rank, x->dims);
}

static iv_status scale_forward(emitter *e, const node *n) {
    iv_launch *launch = iv_launch_begin(e->sequence, "elementwise", "scale", NULL);
    iv_arg_tensor(launch, n->inputs[0]);
    iv_arg_tensor(launch, n->inputs[1]);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, n->outputs[0]->n_elements);
    return iv_launch_members(e, launch, n->outputs[0]->n_elements);
}

static void scale_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                           iv_tensor **gradients) {
    gradients[0] = gradient ? iv_scale(graph, gradient, n->inputs[1]) : n->inputs[1];
}

const iv_op op_scale = {
    .name = "scale", .forward = scale_forward, .backward = scale_backward, .can = IV_OP_TAKES_ONE};

/* ------------------------------------------------------------------ times an exponential */

iv_tensor *iv_exponential_scale(iv_graph *graph, iv_tensor *x, iv_tensor *exponent) {
    node *n = iv_graph_node(graph, &op_exponential_scale, 2, (iv_tensor *[]){x, exponent}, 2, 0);
    if (!n) return NULL;
    if (exponent->n_elements != 1)
        return iv_graph_fail(graph, "exponential scale: the exponent is one number a member");
    return iv_graph_output(n, IV_F32, x->rank, x->dims);
}

iv_status iv_append_exponential_scale(iv_sequence *sequence, size_t n, size_t n_members, iv_view x,
                                      iv_view exponent, iv_view y) {
    iv_launch *launch = iv_launch_begin(sequence, "elementwise", "exponential_scale", NULL);
    iv_arg_view(launch, x);
    iv_arg_view(launch, exponent);
    iv_arg_view(launch, y);
    iv_arg_uint(launch, n);
    return iv_launch_end_by_member(launch, 2, (const size_t[]){n, n_members}, NULL);
}

static iv_status exponential_scale_forward(emitter *e, const node *n) {
    return iv_append_exponential_scale(e->sequence, n->outputs[0]->n_elements, e->n_members,
                                       iv_tensor_view(n->inputs[0]), iv_tensor_view(n->inputs[1]),
                                       iv_tensor_view(n->outputs[0]));
}

/* Neighbours whose products one work-item adds, and outputs of the gradient: it, and its parts. */
enum { CHUNK = 1024 };

static void exponential_scale_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                                       iv_tensor **gradients) {
    if (gradient->n_elements != n->outputs[0]->n_elements) return; /* several products at once */
    node *d = iv_graph_node(graph, &op_exponential_scale_gradient, 2,
                            (iv_tensor *[]){gradient, n->outputs[0]}, 2, 0);
    gradients[1] = iv_graph_output(d, IV_F32, n->inputs[1]->rank, n->inputs[1]->dims);
    iv_graph_output(d, IV_F32, 1, (const size_t[]){(gradient->n_elements + CHUNK - 1) / CHUNK});
}

const iv_op op_exponential_scale = {.name = "exponential_scale",
                                    .forward = exponential_scale_forward,
                                    .backward = exponential_scale_backward};

static iv_status exponential_scale_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *parts = n->outputs[1];
    iv_launch *launch = iv_launch_begin(e->sequence, "elementwise", "products_of_chunks", NULL);
    iv_arg_tensor(launch, n->inputs[0]);
    iv_arg_tensor(launch, n->inputs[1]);
    iv_arg_tensor(launch, parts);
    iv_arg_uint(launch, n->inputs[0]->n_elements);
    iv_arg_uint(launch, CHUNK);
    iv_arg_uint(launch, parts->n_elements);
    const iv_status status = iv_launch_members(e, launch, parts->n_elements);
    if (status != IV_OK) return status;
    launch = iv_launch_begin(e->sequence, "elementwise", "sum_of_parts", NULL);
    iv_arg_tensor(launch, parts);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, parts->n_elements);
    return iv_launch_members(e, launch, 1);
}

const iv_op op_exponential_scale_gradient = {.name = "exponential_scale_gradient",
                                             .forward = exponential_scale_gradient_forward};

iv_status iv_append_add_to(emitter *e, const iv_tensor *tensor) {
    iv_launch *launch = iv_launch_begin(e->sequence, "elementwise", "add_to", NULL);
    iv_arg_tensor(launch, tensor);
    iv_arg_view(launch, tensor->target);
    iv_arg_view(launch, tensor->scale);
    iv_arg_uint(launch, tensor->n_elements);
    return iv_launch_members(e, launch, tensor->n_elements);
}

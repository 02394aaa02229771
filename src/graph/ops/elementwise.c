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

iv_status iv_append_add_to(emitter *e, const iv_tensor *tensor) {
    iv_launch *launch = iv_launch_begin(e->sequence, "elementwise", "add_to", NULL);
    iv_arg_tensor(launch, tensor);
    iv_arg_view(launch, tensor->target);
    iv_arg_view(launch, tensor->scale);
    iv_arg_uint(launch, tensor->n_elements);
    return iv_launch_members(e, launch, tensor->n_elements);
}

/* The rich layer's outputs and their derivative (Zhang and Arodz 2021, section 4).
 * Kernels: cl/rich.cl. */
#include "graph/graph.h"

#include <stdio.h>
#include <string.h>

iv_tensor *iv_rich(iv_graph *graph, iv_tensor *o, iv_tensor *x) {
    node *n = iv_graph_node(graph, &op_rich, 2, (iv_tensor *[]){o, x}, 2, 0);
    if (!n) return NULL;
    if (o->rank != x->rank || iv_rows(o) != iv_rows(x) ||
        memcmp(o->dims, x->dims, (o->rank - 1) * sizeof *o->dims) != 0)
        return iv_graph_fail(graph, "rich layer: the rows of o [.., N] and X [.., M] differ");
    if (iv_columns(x) % 2 != 0)
        return iv_graph_fail(graph, "rich layer: X has %zu columns, which are no pairs",
                             iv_columns(x));
    size_t dims[IV_MAX_RANK];
    memcpy(dims, o->dims, o->rank * sizeof *dims);
    dims[o->rank - 1] = iv_columns(o) + 2 * iv_columns(x);
    return iv_graph_output(n, IV_F32, o->rank, dims);
}

/* Work-items for all of a member's rows; `options` (of at least 48) for the kernels. */
static size_t divide_work(const emitter *e, size_t rows, size_t pairs, const char *more,
                          char *options) {
    const size_t of_item = iv_kernel_value(e->graph->context, "rich", "ROWS");
    if (of_item)
        snprintf(options, 48, "-DROWS=%zu%s", of_item, more);
    else
        snprintf(options, 48, "%s", more);
    return of_item ? (rows + of_item - 1) / of_item : rows * pairs;
}

/* A work-item with whole rows is a work-group of its own: vectors lie along the row. */
static iv_status end_launch(const emitter *e, iv_launch *launch, size_t n, const char *options) {
    const bool by_rows = strstr(options, "-DROWS") != NULL;
    return iv_launch_end_by_member(launch, 2, (const size_t[]){n, e->n_members},
                                   by_rows ? (const size_t[]){1, 1} : NULL);
}

static iv_status rich_forward(emitter *e, const node *n) {
    const iv_tensor *o = n->inputs[0], *x = n->inputs[1];
    const size_t rows = iv_rows(x), pairs = iv_columns(x) / 2;
    char options[48];
    const size_t n_items = divide_work(e, rows, pairs, "", options);
    iv_launch *launch = iv_launch_begin(e->sequence, "rich", "rich", options);
    iv_arg_tensor(launch, o);
    iv_arg_tensor(launch, x);
    iv_arg_tensor(launch, n->outputs[0]);
    iv_arg_uint(launch, rows);
    iv_arg_uint(launch, iv_columns(o));
    iv_arg_uint(launch, pairs);
    return end_launch(e, launch, n_items, options);
}

/* The outputs hold r, a and b: X itself need not live until here. */
static void rich_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                          iv_tensor **gradients) {
    const iv_tensor *o = n->inputs[0], *x = n->inputs[1];
    iv_tensor *y = n->outputs[0];
    const size_t n_products = gradient->n_elements / y->n_elements;
    if (n_products > 1 && y->rank == IV_MAX_RANK) {
        iv_graph_fail(graph, "rich layer: several products at once need at most three axes");
        return;
    }
    node *d = iv_graph_node(graph, &op_rich_gradient, 2, (iv_tensor *[]){gradient, y}, 2, 0);
    size_t dims[IV_MAX_RANK];
    unsigned rank = iv_gradient_shape(x, n_products, dims);
    gradients[1] = iv_graph_output(d, IV_F32, rank, dims);
    rank = iv_gradient_shape(o, n_products, dims);
    gradients[0] = iv_graph_output(d, IV_F32, rank, dims);
}

const iv_op op_rich = {.name = "rich", .forward = rich_forward, .backward = rich_backward};

/* Outputs: the gradients to X and to o. */
static iv_status rich_gradient_forward(emitter *e, const node *n) {
    const iv_tensor *dy = n->inputs[0], *y = n->inputs[1], *dx = n->outputs[0],
                    *input_gradient = n->outputs[1];
    const size_t rows = iv_rows(dx), pairs = iv_columns(dx) / 2;
    const bool pass_on = input_gradient->needed;
    char options[48];
    const size_t n_items = divide_work(e, rows, pairs, pass_on ? " -DPASS_ON" : "", options);
    iv_launch *launch = iv_launch_begin(e->sequence, "rich", "rich_gradient", options);
    iv_arg_tensor(launch, dy);
    iv_arg_tensor(launch, y);
    iv_arg_tensor(launch, dx);
    if (pass_on) iv_arg_tensor(launch, input_gradient);
    iv_arg_uint(launch, rows);
    iv_arg_uint(launch, iv_columns(input_gradient));
    iv_arg_uint(launch, pairs);
    iv_arg_uint(launch, dy->n_elements / y->n_elements);
    return end_launch(e, launch, n_items, options);
}

const iv_op op_rich_gradient = {.name = "rich_gradient", .forward = rich_gradient_forward};

/* Functions of two tensors, element by element, repeated along axes as in NumPy. Kernels:
 * cl/binary.cl. */
#include "graph/ops/own.h"
#include "graph/ops/strided.h"

#include <invar/tensor_ops.h>

#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [IV_ADD] = "add",        [IV_SUBTRACT] = "subtract", [IV_MULTIPLY] = "multiply",
    [IV_DIVIDE] = "divide",  [IV_POWER] = "power",       [IV_MINIMUM] = "minimum",
    [IV_MAXIMUM] = "maximum"};

/* The shape of both together; 0 if they do not fit. */
static unsigned shape_of_both(const iv_tensor *a, const iv_tensor *b, size_t *dims) {
    const unsigned rank = a->rank > b->rank ? a->rank : b->rank;
    for (unsigned i = 1; i <= rank; i++) {
        const size_t p = i <= a->rank ? a->dims[a->rank - i] : 1;
        const size_t q = i <= b->rank ? b->dims[b->rank - i] : 1;
        if (p != q && p != 1 && q != 1) return 0;
        dims[rank - i] = p > q ? p : q;
    }
    return rank;
}

iv_tensor *iv_binary(iv_graph *graph, iv_binary_kind kind, iv_tensor *a, iv_tensor *b) {
    if (graph->status == IV_OK && (unsigned)kind > IV_MAXIMUM)
        return iv_graph_fail(graph, "binary: there is no kind %d", (int)kind);
    node *n = iv_graph_node(graph, &op_binary, 2, (iv_tensor *[]){a, b}, 2, sizeof(own_binary));
    if (!n) return NULL;
    size_t dims[IV_MAX_RANK];
    const unsigned rank = shape_of_both(a, b, dims);
    if (rank == 0) return iv_graph_fail(graph, "%s: the shapes do not fit", names[kind]);
    *(own_binary *)n->own = (own_binary){.kind = kind};
    return iv_graph_output(n, IV_F32, rank, dims);
}

/* Of both ops: operands in the order of inputs. */
static iv_status launch_strided(emitter *e, const node *n, const char *kernel, const char *more) {
    strided s = {.n_operands = n->n_inputs};
    char steps[96], options[160];
    iv_strided_dims(n->outputs[0], s.dims);
    for (size_t k = 0; k < n->n_inputs; k++) iv_strided_repeat(n->inputs[k], s.dims, s.strides[k]);
    iv_strided_merge(&s);
    iv_strided_options(&s, steps);
    snprintf(options, sizeof options, "%s -DKIND=%d%s", steps,
             (int)((const own_binary *)n->own)->kind, more);
    iv_launch *launch = iv_launch_begin(e->sequence, "binary", kernel, options);
    for (size_t k = 0; k < n->n_inputs; k++) {
        iv_arg_tensor(launch, n->inputs[k]);
        iv_strided_argument(launch, &s, k);
    }
    iv_arg_tensor(launch, n->outputs[0]);
    return iv_strided_end(e, launch, &s);
}

static iv_status binary_forward(emitter *e, const node *n) {
    return launch_strided(e, n, "binary", "");
}

/* What a gradient sends back to one side, of the result's shape. */
static iv_tensor *sent(iv_graph *graph, const node *n, iv_tensor *gradient, unsigned side) {
    const iv_binary_kind kind = ((const own_binary *)n->own)->kind;
    if (kind == IV_ADD || (kind == IV_SUBTRACT && side == 0)) return gradient;
    if (kind == IV_SUBTRACT)
        return iv_unary(graph, &(const iv_function){.kind = IV_NEGATE}, gradient);
    if (kind == IV_MULTIPLY || (kind == IV_DIVIDE && side == 0))
        return iv_binary(graph, kind, gradient, n->inputs[1 - side]);
    node *d =
        iv_graph_node(graph, &op_binary_gradient, 3,
                      (iv_tensor *[]){gradient, n->inputs[0], n->inputs[1]}, 3, sizeof(own_binary));
    if (!d) return NULL;
    *(own_binary *)d->own = (own_binary){.kind = kind, .side = side};
    return iv_graph_output(d, IV_F32, gradient->rank, gradient->dims);
}

static void binary_backward(iv_graph *graph, const node *n, iv_tensor *gradient,
                            iv_tensor **gradients) {
    if (!iv_one_product(graph, n, gradient)) return;
    for (unsigned side = 0; side < 2; side++)
        gradients[side] = iv_sum_to(graph, sent(graph, n, gradient, side), n->inputs[side], 1.0f);
}

const iv_op op_binary = {.name = "binary", .forward = binary_forward, .backward = binary_backward};

static iv_status binary_gradient_forward(emitter *e, const node *n) {
    char side[16];
    snprintf(side, sizeof side, " -DSIDE=%u", ((const own_binary *)n->own)->side);
    return launch_strided(e, n, "binary_gradient", side);
}

const iv_op op_binary_gradient = {.name = "binary_gradient", .forward = binary_gradient_forward};

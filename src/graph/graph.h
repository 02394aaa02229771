/* Inside the graph room: tensors, nodes, the table of ops, and how an op emits its launches.
 *
 * An op is one file in ops/: the builder functions of the public header (shape rule), forward
 * (append the launches that compute the outputs), backward (append nodes that compute gradients);
 * and an entry in ops/ops.def, which everything else is made from. */
#ifndef INVAR_GRAPH_GRAPH_H
#define INVAR_GRAPH_GRAPH_H

#include <invar/linalg.h>
#include <invar/op.h>
#include <invar/tune.h>

enum { MAX_INPUTS = IV_MAX_INPUTS, MAX_OUTPUTS = IV_MAX_OUTPUTS, NO_SLOT = -1 };

typedef iv_node node;
typedef iv_emitter emitter;

struct iv_tensor {
    iv_graph *graph;
    iv_dtype dtype;
    unsigned rank;
    size_t dims[IV_MAX_RANK];
    size_t n_elements;
    node *producer;  /* NULL for inputs */
    iv_tensor *base; /* for slices and reshapes: the tensor whose memory this one shares */
    size_t base_offset;
    size_t id;
    bool zeros;  /* most entries are 0, of an image's border for one: see iv_gemm_desc */
    bool placed; /* lies in memory of the caller: `view` is given */
    bool adds;   /* is added to memory of the caller, times `scale`: see iv_add_to */
    iv_view view, target, scale;
    /* set while compiling */
    bool needed;
    bool added_by_producer; /* which keeps it nowhere */
    size_t n_uses;          /* by needed nodes */
    size_t last_use;        /* index of the last node that reads it; SIZE_MAX for outputs */
    int slot;
};

struct iv_node {
    iv_graph *graph;
    const iv_op *op;
    size_t id;
    iv_tensor *inputs[MAX_INPUTS]; /* NULL entries are absent optional inputs */
    iv_tensor *outputs[MAX_OUTPUTS];
    size_t n_inputs, n_outputs;
    void *own; /* an own_NAME of ops/own.h: the op's constants, or NULL */
    /* set while compiling */
    bool needed;
    bool fused_away;          /* computed by the epilogue of the product before it */
    iv_activation activation; /* fused into this product */
    iv_tensor *gate;          /* fused into this product, with its activation */
    iv_activation gate_activation;
};

struct iv_emitter {
    iv_graph *graph;
    iv_sequence *sequence;
    size_t n_members;
};

/* What the library's ops can do besides, in `can` after those of <invar/op.h>. Compiling and
 * differentiation ask for these and know no op by its name. */
enum {
    /* forward applies n->activation to output 0. */
    IV_OP_TAKES_ACTIVATION = 1 << 2,
    /* forward multiplies output 0 by the derivative of n->gate_activation where its output is
     * n->gate, if there is one: a tensor of as many elements. */
    IV_OP_TAKES_GATE = 1 << 3,
    /* The gate may also have one row for several rows of output 0, those of S products. */
    IV_OP_SHARES_GATE = 1 << 4,
    /* forward adds what it computes to the target of each output that is `added_by_producer`, times
     * output 0's scale, and writes these outputs nowhere else. */
    IV_OP_ADDS_TO_TARGET = 1 << 5,
    /* Applies an activation to input 0 and nothing else: an op that TAKES_ACTIVATION can do it. */
    IV_OP_IS_ACTIVATION = 1 << 6,
    /* Multiplies input 0 by the derivative of an activation where its output is input 1, and
     * nothing else: an op that TAKES_GATE can do it. */
    IV_OP_IS_GATE = 1 << 7,
};

struct iv_graph {
    iv_context *context;
    size_t n_members;
    iv_status status; /* of building; the first failure stays */
    iv_tensor **tensors;
    size_t n_tensors, tensor_capacity;
    node **nodes; /* in the order of computation */
    size_t n_nodes, node_capacity;
};

/* Ends with NULL. */
extern const iv_op *const iv_ops[];

#define OP(name) extern const iv_op op_##name;
#include "graph/ops/ops.def"

/* ------------------------------------------------------------------ building */

/* Add nodes for the sum of what has arrived so far (may be NULL) and one more contribution; slices
 * of one tensor are put side by side instead. */
iv_tensor *iv_accumulate_gradient(iv_graph *graph, iv_tensor *sum, iv_tensor *contribution);

/* Whether two gradients of slices touch different rows of the same whole, so that one node can hold
 * both; and that node's output, NULL after a failure. */
bool iv_can_join(const iv_tensor *a, const iv_tensor *b);
iv_tensor *iv_join(iv_graph *graph, const iv_tensor *a, const iv_tensor *b);

/* Ones where the last two axes' positions are equal, the shape of a gradient by `like`: the seed of
 * its Jacobian, or a gradient of 1. */
iv_tensor *iv_identity_seed(iv_graph *graph, iv_tensor *like, unsigned rank, const size_t *dims);

/* (a - b) times numerator / denominator, and times `weight`, one number a member, unless it is
 * NULL: what square distances send back to a. */
iv_tensor *iv_difference_gradient(iv_graph *graph, iv_tensor *a, iv_tensor *b, iv_tensor *weight,
                                  size_t numerator, size_t denominator);

/* Shape of a gradient of `tensor` that carries S products at once: dims of the tensor, with S
 * before the last axis if S > 1; of four axes, with S times as many entries of the first. Returns
 * the rank. */
unsigned iv_gradient_shape(const iv_tensor *tensor, size_t n_products, size_t *dims);

/* Elements of a tensor that such a gradient holds S times, product after product, before the next
 * ones come: a row, or, of four axes, an entry of the first. */
size_t iv_product_block(const iv_tensor *tensor);

/* Features (last axis) and rows (the rest) of a tensor. */
size_t iv_columns(const iv_tensor *tensor);
size_t iv_rows(const iv_tensor *tensor);
bool iv_same_shape(const iv_tensor *a, const iv_tensor *b);
bool iv_same_view(const iv_view *a, const iv_view *b);

/* Whether most entries are 0, as its producer said of it or of what it is a part of. */
bool iv_has_zeros(const iv_tensor *tensor);

/* ------------------------------------------------------------------ emitting */

/* Where a tensor lies now (its base's memory for slices and reshapes). */
iv_view iv_tensor_view(const iv_tensor *tensor);

/* Append target += scale tensor. */
iv_status iv_append_add_to(emitter *e, const iv_tensor *tensor);

/* Append mean [1] = the mean of values [n], added in a fixed order. */
iv_status iv_append_mean(emitter *e, const iv_tensor *values, const iv_tensor *mean);

#endif

/* Inside the graph room: tensors, nodes, the table of ops, and how an op emits its launches.
 *
 * An op is one file in ops/: the builder functions of the public header (shape rule), forward
 * (append the launches that compute the outputs), backward (append nodes that compute gradients),
 * and an entry in ops/table.c. */
#ifndef INVAR_GRAPH_GRAPH_H
#define INVAR_GRAPH_GRAPH_H

#include <invar/linalg.h>
#include <invar/op.h>

enum { MAX_INPUTS = IV_MAX_INPUTS, MAX_OUTPUTS = IV_MAX_OUTPUTS, MAX_ATTRIBUTES = 7, NO_SLOT = -1 };

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
    size_t attributes[MAX_ATTRIBUTES]; /* an op's own constants; its file names them */
    void *own;                         /* the same of an op from outside; see iv_node_keep */
    cl_mem tables[4];
    iv_view views[2];
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

extern const iv_op op_add, op_scale, op_activate, op_activation_gradient, op_slice, op_reshape,
    op_concatenate, op_linear, op_linear_input_gradient, op_linear_weight_gradient, op_orbit,
    op_orbit_gradient, op_orbit_mean, op_orbit_mean_gradient, op_image_batch, op_cross_entropy,
    op_logit_distance, op_difference_gradient, op_weighted_sum, op_class_logit_sum,
    op_class_logit_gradient, op_argmax, op_orbit_accuracy, op_orbit_logit_invariance,
    op_orbit_distribution_invariance, op_orbit_saliency_similarity, op_identity_seed,
    op_signal_batch, op_pair_batch;

/* of autoencoders */
extern const iv_op op_rich, op_rich_gradient, op_mean_square, op_square_error_sums, op_pair_loss,
    op_pair_sums;

/* of learned transformations: what they are, and images transformed as they are gathered */
extern const iv_op op_affine_samples, op_affine_samples_gradient, op_affine_image_batch;

/* of learned transformations: the warp on either side of a product, and features */
extern const iv_op op_warp_inputs, op_warp_filters, op_warp_filters_gradient, op_warp_slopes,
    op_filter_products, op_filter_products_gradient, op_transform_points,
    op_transform_points_gradient, op_blur, op_feature_mean, op_feature_mean_gradient;

/* ------------------------------------------------------------------ building */

/* Add nodes for the sum of what has arrived so far (may be NULL) and one more contribution; slices
 * of one tensor are put side by side instead. */
iv_tensor *iv_accumulate_gradient(iv_graph *graph, iv_tensor *sum, iv_tensor *contribution);

/* (a - b) times numerator / denominator, and times `weight`, one number a member, unless it is
 * NULL: what square distances send back to a. */
iv_tensor *iv_difference_gradient(iv_graph *graph, iv_tensor *a, iv_tensor *b, iv_tensor *weight,
                                  size_t numerator, size_t denominator);

/* Shape of a gradient of `tensor` that carries S products at once: dims of the tensor, with S
 * before the last axis if S > 1. Returns the rank. */
unsigned iv_gradient_shape(const iv_tensor *tensor, size_t n_products, size_t *dims);

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

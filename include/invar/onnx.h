/* Networks in ONNX files: read, checked and lowered to a short list of nodes.
 *
 * What a file of an exporter says in some hundred kinds of nodes becomes a list in the vocabulary of
 * invar/image_ops.h and invar/tensor_ops.h, in the order of computation. What does not depend on the
 * image is computed while reading: shapes, casts, dropout, batch normalisation (into the convolution
 * or the linear layer before it, or else a factor and a summand per channel). Whatever this library
 * cannot compute is refused in one line that names the node.
 *
 *     iv_onnx_model model;
 *     if (iv_onnx_read("resnet.onnx", &model, &error) == IV_OK) ...
 *     iv_onnx_clear(&model);
 *
 * Source of what nodes mean: the operator schemas of ONNX, operator sets 9 to 21. */
#ifndef INVAR_ONNX_H
#define INVAR_ONNX_H

#include <invar/image_ops.h>
#include <invar/status.h>
#include <invar/tensor_ops.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { IV_ONNX_MAX_RANK = 4, IV_ONNX_FIRST_OPSET = 9, IV_ONNX_LAST_OPSET = 21 };

/* ------------------------------------------------------------------ values */

/* A constant, or what a node computes for every image.
 *
 * The axis of the batch is not in the shape of a computed value: the tensor is [B, shape], and has
 * rank at most IV_ONNX_MAX_RANK with it. A constant is the same for every image: its shape is
 * whole. */
typedef struct {
    char *name; /* in the file; "" for what reading it made */
    unsigned rank;
    size_t shape[IV_ONNX_MAX_RANK];
    float *data; /* constants: [shape], finite; NULL: computed */
} iv_onnx_value;

/* ------------------------------------------------------------------ nodes */

/* x, y are computed, others are constants unless it says otherwise. Axes of attributes count the
 * axis of the batch, which is axis 0 of every computed value and stays it. */
typedef enum {
    IV_ONNX_LINEAR,    /* x [B, .., K], w [N, K], b [N] or none -> x w^T + b [B, .., N] */
    IV_ONNX_CONVOLVE,  /* x [B, C, H, W], w [O, C / groups, y, x], b [O] or none: iv_convolve */
    IV_ONNX_MAX_POOL,  /* x [B, C, H, W]: iv_max_pool */
    IV_ONNX_MEAN_POOL, /* x [B, C, H, W]: iv_mean_pool */
    IV_ONNX_MEAN_OVER, /* x: iv_mean_over */
    IV_ONNX_BINARY,    /* two inputs, one or both computed, in either order: iv_binary, so that
                            lengths of 1 are repeated. Two computed ones have the same rank; a constant
                            has at most the rank of the output's shape */
    IV_ONNX_UNARY,     /* x: iv_unary */
    IV_ONNX_SOFTMAX,   /* x: iv_softmax, along the last axis */
    IV_ONNX_RESHAPE,   /* x: the shape of the output; iv_reshape */
    IV_ONNX_PERMUTE,   /* x: iv_permute */
    IV_ONNX_CONCATENATE, /* one or more, at least one of them computed: iv_concatenate. A constant has the
                            rank of the output's shape, and is repeated for every image */
    IV_ONNX_PART,        /* x: iv_part */
    IV_ONNX_PAD,         /* x: iv_pad */
    IV_ONNX_N_OPS
} iv_onnx_op;

typedef struct {
    iv_onnx_op op;
    char *name; /* as messages name the file's node that it comes from: "Conv '/features/0/Conv'" */
    size_t n_inputs;
    size_t *inputs; /* numbers of values: constants, and what nodes before it compute */
    size_t output;  /* number of a value that no other node computes */
    union {
        struct {
            iv_window window;
            size_t groups;      /* convolution */
            bool count_padding; /* mean pool */
        } image;                /* CONVOLVE, MAX_POOL, MEAN_POOL */
        iv_binary_kind binary;  /* BINARY */
        iv_function unary;      /* UNARY */
        struct {
            unsigned axes; /* bit mask */
            bool keep;
        } mean;                           /* MEAN_OVER */
        unsigned order[IV_ONNX_MAX_RANK]; /* PERMUTE; order[0] = 0 */
        struct {
            unsigned axis;       /* at least 1 */
            size_t first, count; /* not of CONCATENATE */
        } part;                  /* PART, CONCATENATE */
        struct {
            size_t before[IV_ONNX_MAX_RANK], after[IV_ONNX_MAX_RANK]; /* 0 at axis 0 */
            float value;
        } pad; /* PAD */
    };
} iv_onnx_node;

/* The name of an op in lower case, as "convolve". */
const char *iv_onnx_op_name(iv_onnx_op op);

/* ------------------------------------------------------------------ models */

typedef struct {
    iv_onnx_value *values;
    size_t n_values;
    iv_onnx_node *nodes; /* in order of computation; all of them are needed for the output */
    size_t n_nodes;

    /* The image: value number `input`, of shape [planes, height, width], [height, width] (planes is 1
     * then) or [n_pixels] (planes, height and width are 0 then). */
    size_t input;
    size_t planes, height, width, n_pixels;

    /* The logits: value number `output`, of shape [n_classes]. A softmax or its logarithm at the end
     * of the file is left out, so that these are its inputs, and named here; else NULL. A network's
     * own shape of the output, as [B, n_classes, 1, 1], has been reshaped. */
    size_t output, n_classes;
    const char *left_out; /* "Softmax", "LogSoftmax" or NULL */

    int64_t opset;
    char *producer; /* "pytorch 1.13.1"; "" if the file does not say */
    char *notes;    /* what reading it had to decide or to change, in lines; "" for nothing */
} iv_onnx_model;

/* Whether the library was built with what reads ONNX (meson option `onnx`). */
bool iv_onnx_is_built(void);

/* Read a file, and data beside it that it names. It may come from anywhere: nothing in it is believed.
 *
 * model  cleared by iv_onnx_clear; zeroed if this fails
 *
 * IV_EDATA if the file is missing, damaged, too large, of another version, or holds what cannot be
 * computed here: "FILE: Node 'NAME': what is wrong". IV_ENOMEM if there is no memory for it.
 * IV_EFAILED if the library was built without ONNX. */
iv_status iv_onnx_read(const char *path, iv_onnx_model *model, iv_error *error);
void iv_onnx_clear(iv_onnx_model *model); /* all zero is fine */

#ifdef __cplusplus
}
#endif

#endif

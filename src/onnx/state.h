/* A file while it is lowered: constants, values and nodes made so far, and what its names stand for. */
#ifndef INVAR_ONNX_STATE_H
#define INVAR_ONNX_STATE_H

#include "onnx/proto.h"

#include "runtime/text_builder.h"

#include <invar/onnx.h>

/* Axes of a tensor in a file; those of more than IV_ONNX_MAX_RANK do not reach the list. */
enum { ONNX_MOST_AXES = 8 };

/* Entries of a value for one image, and of a constant that is computed from others. */
#define ONNX_MOST_ENTRIES ((size_t)INT32_MAX)

#define ONNX_NOTHING SIZE_MAX /* no value, no constant, no node */

typedef struct {
    unsigned rank;
    size_t axes[ONNX_MOST_AXES];
} onnx_shape;

/* Floats, or integers and booleans; the other is NULL. */
typedef struct {
    onnx_shape shape;
    size_t n;
    float *floats;
    int64_t *integers;
    /* [n] of integers: 1 where an entry is the number of images; NULL: none is */
    uint8_t *of_images;
    const char *name; /* in the file; "" if it is computed */
    bool has_value;   /* there is a value that takes its floats, in the shape of the constant */
    size_t value;
    size_t n_takers; /* values of the finished list that still want its floats */
} onnx_constant;

/* As iv_onnx_value, while it is made. */
typedef struct {
    const char *name;
    onnx_shape shape;
    size_t constant, node; /* what makes it; ONNX_NOTHING */
    size_t n_uses;         /* by nodes of the list */

    /* Uses of all names of the file that stand for it, but for those that made it stand for another
     * name: 1 where one node of the file alone has to do with it. */
    size_t n_uses_in_file;
} onnx_value;

/* What a name of the file stands for. */
typedef struct {
    const char *name;
    size_t constant; /* or ONNX_NOTHING */
    size_t value;    /* or ONNX_NOTHING */
    bool batched;    /* of a value: whether the first axis in the file is that of the batch */
    bool given;      /* by the graph: an input or an initializer */
    bool needed;     /* for the output */
    size_t n_uses;   /* by needed nodes of the file, and as its output */
    size_t node;     /* of the file, that computes it; or ONNX_NOTHING */
    const Onnx__TensorProto *initializer;
} onnx_name;

typedef struct {
    const char *path;
    const Onnx__ModelProto *model;
    const Onnx__GraphProto *graph;
    iv_error *error;
    int64_t opset;

    /* What an axis of the batch counts in the file: 1 or more; 0 where it is free. */
    size_t images;

    onnx_name *names; /* sorted */
    size_t n_names;

    onnx_constant *constants;
    size_t n_constants, room_constants;
    onnx_value *values;
    size_t n_values, room_values;
    iv_onnx_node *nodes;
    size_t n_nodes, room_nodes;
    size_t entries_left; /* that constants may still take */

    /* The node that is being lowered. Its inputs; NULL: left out. */
    size_t at;
    const Onnx__NodeProto *node;
    onnx_name **inputs;
    size_t n_inputs;

    const char *left_out;
    const char *narrow; /* a type of floats that were converted; NULL: none was */
    iv_text notes;
} onnx_state;

/* ------------------------------------------------------------------ messages */

/* IV_EDATA: "FILE: Conv 'NAME': ...", of the node that is being lowered. */
iv_status onnx_refuse(onnx_state *s, const char *format, ...) IV_PRINTF(2, 3);

/* It is no longer so that each image is computed alone. */
iv_status onnx_mixes(onnx_state *s);

/* A line of the model's notes. */
void onnx_note(onnx_state *s, const char *format, ...) IV_PRINTF(2, 3);

/* "Conv 'NAME'", tamed; "Conv of 'OUTPUT'" if it has none. */
enum { ONNX_NODE_NAME = 192, ONNX_SHAPE_TEXT = 160 };
void onnx_node_name(const Onnx__NodeProto *node, char name[ONNX_NODE_NAME]);

/* A name of the file, tamed and cut. */
const char *onnx_tame(const char *name, char text[ONNX_NODE_NAME]);

/* "[3, 32, 32]" */
const char *onnx_shape_text(const onnx_shape *shape, char text[ONNX_SHAPE_TEXT]);

/* ------------------------------------------------------------------ shapes */

/* How many entries. False if they are more than ONNX_MOST_ENTRIES. */
bool onnx_count(const onnx_shape *shape, size_t *n);
bool onnx_same_shape(const onnx_shape *a, const onnx_shape *b);

/* As NumPy broadcasts. False if they do not fit each other. */
bool onnx_broadcast(const onnx_shape *a, const onnx_shape *b, onnx_shape *both);

/* Where entry i of a shape lies in what is broadcast to it. */
typedef struct {
    unsigned rank;
    size_t axes[ONNX_MOST_AXES], strides[ONNX_MOST_AXES], at[ONNX_MOST_AXES];
    size_t offset;
} onnx_walk;
onnx_walk onnx_walk_begin(const onnx_shape *of, const onnx_shape *to);
void onnx_walk_next(onnx_walk *walk);

/* The shape in the file: with an axis of the batch, of length 1, where there is one. */
onnx_shape onnx_shape_in_file(const onnx_state *s, const onnx_name *name);

/* ------------------------------------------------------------------ constants */

/* Of n entries, zeros. The pointer holds until the next one is made. */
iv_status onnx_make_constant(onnx_state *s, const onnx_shape *shape, bool integers,
                             onnx_constant **constant);
/* An array that says which entries are the number of images. */
iv_status onnx_mark_images(onnx_state *s, onnx_constant *constant);
const onnx_constant *onnx_constant_of(const onnx_state *s, const onnx_name *name); /* or NULL */
iv_status onnx_read_tensor(onnx_state *s, const char *name, const Onnx__TensorProto *tensor,
                           size_t *constant);
double onnx_number(const onnx_constant *constant, size_t i);

/* Entries of a constant in another shape: entry [i, j, ..] is that at first + i strides[0] + ... */
iv_status onnx_pick(onnx_state *s, const onnx_name *from, const onnx_shape *shape, int64_t first,
                    const int64_t *strides, onnx_constant **constant);
/* All of them, in their order. */
iv_status onnx_reshape_constant(onnx_state *s, const onnx_name *from, const onnx_shape *shape,
                                onnx_constant **constant);
/* Entry `at` of one is entry `from` of the other, of the same type. */
iv_status onnx_copy_entry(onnx_state *s, onnx_constant *to, size_t at, const onnx_constant *of,
                          size_t from);
/* How far neighbours along each axis are from one another. */
void onnx_strides(const onnx_shape *shape, int64_t strides[ONNX_MOST_AXES]);

/* ------------------------------------------------------------------ the list */

/* The image: a value that no node makes. */
iv_status onnx_add_image(onnx_state *s, const onnx_shape *shape, size_t *value);

/* A value with the floats of a constant, in another shape of as many entries. */
iv_status onnx_use_constant(onnx_state *s, size_t constant, const onnx_shape *shape, size_t *value);
iv_status onnx_use_floats(onnx_state *s, const onnx_shape *shape, const float *floats,
                          size_t *value);
iv_status onnx_use_number(onnx_state *s, double number, size_t *value);

/* Append a node. `with` has its op and attributes; *value is what it computes. Nodes that change
 * nothing are left out, and reshapes of reshapes and permutes of permutes joined. */
iv_status onnx_append(onnx_state *s, const iv_onnx_node *with, const size_t *inputs,
                      size_t n_inputs, const onnx_shape *shape, size_t *value);
iv_status onnx_append_reshape(onnx_state *s, size_t x, const onnx_shape *shape, size_t *value);
iv_status onnx_append_unary(onnx_state *s, iv_function function, size_t x, size_t *value);
/* Of two values of the list, whatever their ranks: shapes are made to fit. */
iv_status onnx_append_binary(onnx_state *s, iv_binary_kind kind, size_t a, size_t b, size_t *value);
/* Of a value, which it replaces, and a number. */
iv_status onnx_append_number(onnx_state *s, iv_binary_kind kind, double number, size_t *value);
iv_status onnx_append_permute(onnx_state *s, size_t x, const unsigned *order, size_t *value);
iv_status onnx_append_part(onnx_state *s, size_t x, unsigned axis, size_t first, size_t count,
                           size_t *value);

/* A name stands for a value. */
void onnx_bind(onnx_state *s, onnx_name *name, size_t value, bool batched);
/* What output k of the node being lowered stands for. */
void onnx_bind_value(onnx_state *s, size_t k, size_t value, bool batched);
void onnx_bind_constant(onnx_state *s, size_t k, const onnx_constant *constant);
void onnx_bind_same(onnx_state *s, size_t k, const onnx_name *as);

/* Output 0 has the entries of a value in another shape, that in the file. batched: its first axis is that
 * of the batch, whatever length it has here; where the file holds one image, a first axis of length
 * 1 is that too. */
iv_status onnx_bind_in_shape(onnx_state *s, size_t value, const onnx_shape *in_file, bool batched);

/* ------------------------------------------------------------------ names and attributes */

onnx_name *onnx_find(const onnx_state *s, const char *name); /* NULL: there is none */

/* Attributes of the node being lowered; `otherwise` if it is not there. */
iv_status onnx_integer(onnx_state *s, const char *name, int64_t otherwise, int64_t *value);
iv_status onnx_float(onnx_state *s, const char *name, float otherwise, float *value);
/* In `text`, cut to 31 characters. */
iv_status onnx_string(onnx_state *s, const char *name, const char *otherwise, char text[32]);
/* *n = 0 if it is not there; at most ONNX_MOST_AXES of them. */
iv_status onnx_integers(onnx_state *s, const char *name, int64_t values[ONNX_MOST_AXES], size_t *n);
const Onnx__AttributeProto *onnx_attribute(const onnx_state *s, const char *name);

/* Integers of a constant input; *n = 0 if it is left out, at most ONNX_MOST_AXES. of_images (may be
 * NULL, images are refused then) says which of them are the number of images. */
iv_status onnx_input_integers(onnx_state *s, size_t input, int64_t values[ONNX_MOST_AXES],
                              uint8_t of_images[ONNX_MOST_AXES], size_t *n);
/* Integers that were an attribute before operator set `since`, and are an input from it on. */
iv_status onnx_moved_integers(onnx_state *s, int64_t since, const char *name, size_t input,
                              int64_t values[ONNX_MOST_AXES], size_t *n);
/* One number that is a constant input; `otherwise` if it is left out. */
iv_status onnx_input_number(onnx_state *s, size_t input, double otherwise, double *number);

/* An axis of the file's tensor of that rank; negative ones count from its end. */
iv_status onnx_axis(onnx_state *s, int64_t axis, unsigned rank, unsigned *place);

/* ------------------------------------------------------------------ inputs */

/* Whether input i is computed, and nothing else takes its value: the node that makes it may change. */
bool onnx_is_only_use(const onnx_state *s, size_t i);

/* A node that makes the value of input i, has this op, and may change; NULL otherwise. */
iv_onnx_node *onnx_changeable(onnx_state *s, size_t i, iv_onnx_op op);

/* One input more of a node: its bias. */
void onnx_add_bias(onnx_state *s, iv_onnx_node *node, size_t bias);

/* A constant as a value beside the images of `beside`: without the axis of the batch, where all images
 * have the same. */
iv_status onnx_value_beside(onnx_state *s, const onnx_name *constant, const onnx_name *beside,
                            size_t *value);

/* The value of input i, which is to be computed. */
iv_status onnx_computed(onnx_state *s, size_t i, size_t *value);

/* The same, which in the file is [batch, planes, height, width]. */
iv_status onnx_images(onnx_state *s, size_t *value);

/* ------------------------------------------------------------------ ops */

typedef iv_status onnx_lower(onnx_state *s, int kind);

/* Kinds beside iv_binary_kind and iv_function_kind, of operators that have one of them. */
enum {
    ONNX_MEAN_OF_INPUTS = IV_MAXIMUM + 1,
    ONNX_EQUAL,
    ONNX_GREATER,
    ONNX_LESS,
    ONNX_AND,
    ONNX_OR
};
enum { ONNX_NOT = IV_N_FUNCTIONS, ONNX_FLOOR, ONNX_CEILING };
enum { ONNX_MEAN, ONNX_SUM, ONNX_PRODUCT, ONNX_LARGEST, ONNX_LEAST, ONNX_LENGTH };

/* A constant as a cast makes it of input 0. `to` is one of ONNX's types. */
iv_status onnx_fold_to(onnx_state *s, int64_t to);

/* Axes of a reduction, an attribute or an input, as a bit mask; all where none are named. *nothing: it
 * does nothing then. */
iv_status onnx_reduced_axes(onnx_state *s, int kind, unsigned rank, unsigned *axes, bool *keep,
                            bool *nothing);

/* A row of the table: an operator of ONNX. */
typedef struct {
    const char *name;
    onnx_lower *lower; /* where the first input is computed; NULL: refused there */
    onnx_lower *fold;  /* where all inputs are constants; NULL: refused there */
    int kind;          /* handed to these */
    unsigned least_inputs, most_inputs, most_outputs;
    bool first_may_be_constant; /* where another input is computed */
    const char *attributes;     /* the names of its attributes, with a blank after each */
} onnx_op;

const onnx_op *onnx_find_op(const char *name); /* NULL: not supported */

onnx_lower onnx_lower_binary, onnx_lower_unary, onnx_lower_clip, onnx_lower_hard_swish,
    onnx_lower_gelu, onnx_lower_mish, onnx_lower_softsign, onnx_lower_prelu, onnx_lower_pass,
    onnx_lower_dropout, onnx_lower_cast, onnx_lower_cast_like, onnx_lower_selu, onnx_lower_celu;
onnx_lower onnx_lower_convolve, onnx_lower_pool, onnx_lower_pool_all, onnx_lower_responses,
    onnx_lower_normalize, onnx_lower_gemm, onnx_lower_matmul;
onnx_lower onnx_lower_softmax, onnx_lower_reduce, onnx_lower_layer_normalize,
    onnx_lower_instance_normalize;
onnx_lower onnx_lower_reshape, onnx_lower_flatten, onnx_lower_squeeze, onnx_lower_unsqueeze,
    onnx_lower_shape, onnx_lower_expand;
onnx_lower onnx_lower_transpose, onnx_lower_concatenate, onnx_lower_slice, onnx_lower_split,
    onnx_lower_gather, onnx_lower_pad;
onnx_lower onnx_fold_binary, onnx_fold_unary, onnx_fold_same, onnx_fold_cast, onnx_fold_cast_like,
    onnx_fold_reduce, onnx_fold_where, onnx_fold_constant, onnx_fold_fill, onnx_fold_range;
onnx_lower onnx_fold_reshape, onnx_fold_flatten, onnx_fold_squeeze, onnx_fold_unsqueeze,
    onnx_fold_expand, onnx_fold_transpose, onnx_fold_concatenate, onnx_fold_slice, onnx_fold_split,
    onnx_fold_gather;

#endif

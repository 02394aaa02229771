/* The operators that are read, with what their schemas allow. */
#include "onnx/state.h"

#include <string.h>

enum { ANY = 1 << 20 };

#define BINARY(name, kind)                                                                         \
    { name, onnx_lower_binary, onnx_fold_binary, kind, 2, 2, 1, "" }
#define UNARY(name, kind, more)                                                                    \
    { name, onnx_lower_unary, onnx_fold_unary, kind, 1, 1, 1, more }
#define COMPARE(name, kind)                                                                        \
    { name, NULL, onnx_fold_binary, kind, 2, 2, 1, "" }
#define WINDOW "auto_pad kernel_shape pads strides "

static const onnx_op ops[] = {
    /* products */
    {"Conv", onnx_lower_convolve, NULL, 0, 2, 3, 1, WINDOW "dilations group "},
    {"Gemm", onnx_lower_gemm, NULL, 0, 2, 3, 1, "alpha beta transA transB "},
    {"MatMul", onnx_lower_matmul, NULL, 0, 2, 2, 1, ""},

    /* windows and means */
    {"MaxPool", onnx_lower_pool, NULL, IV_ONNX_MAX_POOL, 1, 1, 2,
     WINDOW "ceil_mode dilations storage_order "},
    {"AveragePool", onnx_lower_pool, NULL, IV_ONNX_MEAN_POOL, 1, 1, 1,
     WINDOW "ceil_mode count_include_pad dilations "},
    {"GlobalMaxPool", onnx_lower_pool_all, NULL, IV_ONNX_MAX_POOL, 1, 1, 1, ""},
    {"GlobalAveragePool", onnx_lower_pool_all, NULL, IV_ONNX_MEAN_OVER, 1, 1, 1, ""},
    {"LRN", onnx_lower_responses, NULL, 0, 1, 1, 1, "alpha beta bias size "},
    {"ReduceMean", onnx_lower_reduce, onnx_fold_reduce, ONNX_MEAN, 1, 2, 1,
     "axes keepdims noop_with_empty_axes "},
    {"ReduceSum", onnx_lower_reduce, onnx_fold_reduce, ONNX_SUM, 1, 2, 1,
     "axes keepdims noop_with_empty_axes "},
    {"ReduceProd", NULL, onnx_fold_reduce, ONNX_PRODUCT, 1, 2, 1,
     "axes keepdims noop_with_empty_axes "},
    {"BatchNormalization", onnx_lower_normalize, NULL, 0, 5, 5, 5,
     "epsilon momentum training_mode "},

    {"LayerNormalization", onnx_lower_layer_normalize, NULL, 0, 2, 3, 3,
     "axis epsilon stash_type "},
    {"InstanceNormalization", onnx_lower_instance_normalize, NULL, 0, 3, 3, 1, "epsilon "},

    /* element by element */
    BINARY("Add", IV_ADD),
    BINARY("Sub", IV_SUBTRACT),
    BINARY("Mul", IV_MULTIPLY),
    BINARY("Div", IV_DIVIDE),
    BINARY("Pow", IV_POWER),
    {"Min", onnx_lower_binary, onnx_fold_binary, IV_MINIMUM, 1, ANY, 1, ""},
    {"Max", onnx_lower_binary, onnx_fold_binary, IV_MAXIMUM, 1, ANY, 1, ""},
    {"Sum", onnx_lower_binary, onnx_fold_binary, IV_ADD, 1, ANY, 1, ""},
    {"Mean", onnx_lower_binary, NULL, ONNX_MEAN_OF_INPUTS, 1, ANY, 1, ""},
    COMPARE("Equal", ONNX_EQUAL),
    COMPARE("Greater", ONNX_GREATER),
    COMPARE("Less", ONNX_LESS),
    COMPARE("And", ONNX_AND),
    COMPARE("Or", ONNX_OR),
    UNARY("Relu", IV_RELU, ""),
    UNARY("LeakyRelu", IV_LEAKY_RELU, "alpha "),
    UNARY("Elu", IV_ELU, "alpha "),
    UNARY("Sigmoid", IV_SIGMOID, ""),
    UNARY("Tanh", IV_TANH, ""),
    UNARY("Erf", IV_ERF, ""),
    UNARY("Exp", IV_EXP, ""),
    UNARY("Log", IV_LOG, ""),
    UNARY("Sqrt", IV_SQRT, ""),
    UNARY("Neg", IV_NEGATE, ""),
    UNARY("Abs", IV_ABSOLUTE, ""),
    UNARY("Reciprocal", IV_RECIPROCAL, ""),
    UNARY("Softplus", IV_SOFTPLUS, ""),
    UNARY("HardSigmoid", IV_HARD_SIGMOID, "alpha beta "),
    {"Not", NULL, onnx_fold_unary, ONNX_NOT, 1, 1, 1, ""},
    {"Floor", NULL, onnx_fold_unary, ONNX_FLOOR, 1, 1, 1, ""},
    {"Ceil", NULL, onnx_fold_unary, ONNX_CEILING, 1, 1, 1, ""},
    {"Selu", onnx_lower_selu, NULL, 0, 1, 1, 1, "alpha gamma "},
    {"Celu", onnx_lower_celu, NULL, 0, 1, 1, 1, "alpha "},
    {"Clip", onnx_lower_clip, NULL, 0, 1, 3, 1, "min max "},
    {"HardSwish", onnx_lower_hard_swish, NULL, 0, 1, 1, 1, ""},
    {"Gelu", onnx_lower_gelu, NULL, 0, 1, 1, 1, "approximate "},
    {"Mish", onnx_lower_mish, NULL, 0, 1, 1, 1, ""},
    {"Softsign", onnx_lower_softsign, NULL, 0, 1, 1, 1, ""},
    {"PRelu", onnx_lower_prelu, NULL, 0, 2, 2, 1, ""},
    {"Softmax", onnx_lower_softmax, NULL, 0, 1, 1, 1, "axis "},
    {"LogSoftmax", onnx_lower_softmax, NULL, 1, 1, 1, 1, "axis "},

    /* what changes nothing */
    {"Identity", onnx_lower_pass, onnx_fold_same, 0, 1, 1, 1, ""},
    {"Dropout", onnx_lower_dropout, onnx_fold_same, 0, 1, 3, 2, "ratio seed "},
    {"Cast", onnx_lower_cast, onnx_fold_cast, 0, 1, 1, 1, "to saturate "},
    {"CastLike", onnx_lower_cast_like, onnx_fold_cast_like, 0, 2, 2, 1, "saturate "},

    /* shapes */
    {"Reshape", onnx_lower_reshape, onnx_fold_reshape, 0, 2, 2, 1, "allowzero "},
    {"Flatten", onnx_lower_flatten, onnx_fold_flatten, 0, 1, 1, 1, "axis "},
    {"Squeeze", onnx_lower_squeeze, onnx_fold_squeeze, 0, 1, 2, 1, "axes "},
    {"Unsqueeze", onnx_lower_unsqueeze, onnx_fold_unsqueeze, 0, 1, 2, 1, "axes "},
    {"Expand", onnx_lower_expand, onnx_fold_expand, 0, 2, 2, 1, ""},
    {"Shape", onnx_lower_shape, onnx_lower_shape, 0, 1, 1, 1, "start end "},
    {"Size", onnx_lower_shape, onnx_lower_shape, 1, 1, 1, 1, ""},
    {"Transpose", onnx_lower_transpose, onnx_fold_transpose, 0, 1, 1, 1, "perm "},
    {"Concat", onnx_lower_concatenate, onnx_fold_concatenate, 0, 1, ANY, 1, "axis "},
    {"Slice", onnx_lower_slice, onnx_fold_slice, 0, 1, 5, 1, "axes ends starts "},
    {"Split", onnx_lower_split, onnx_fold_split, 0, 1, 2, ANY, "axis num_outputs split "},
    {"Gather", onnx_lower_gather, onnx_fold_gather, 0, 2, 2, 1, "axis "},
    {"Pad", onnx_lower_pad, NULL, 0, 1, 4, 1, "mode pads value "},

    /* constants */
    {"Constant", NULL, onnx_fold_constant, 0, 0, 0, 1,
     "sparse_value value value_float value_floats value_int value_ints value_string "
     "value_strings "},
    {"ConstantOfShape", NULL, onnx_fold_fill, 0, 1, 1, 1, "value "},
    {"Range", NULL, onnx_fold_range, 0, 3, 3, 1, ""},
    {"Where", NULL, onnx_fold_where, 0, 3, 3, 1, ""},
};

const onnx_op *onnx_find_op(const char *name) {
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].name, name) == 0) return &ops[i];
    return NULL;
}

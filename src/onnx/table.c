/* The operators that are read, with what their schemas allow. */
#include "onnx/state.h"

#include <string.h>

enum { ANY = 1 << 20 };

#define BINARY(name, kind)                                                                         \
    { name, onnx_lower_binary, onnx_fold_binary, kind, 2, 2, 1, true, "" }
#define UNARY(name, kind, more)                                                                    \
    { name, onnx_lower_unary, onnx_fold_unary, kind, 1, 1, 1, false, more }
#define COMPARE(name, kind)                                                                        \
    { name, NULL, onnx_fold_binary, kind, 2, 2, 1, true, "" }
#define WINDOW "auto_pad kernel_shape pads strides "

static const onnx_op ops[] = {
    /* products */
    {"Conv", onnx_lower_convolve, NULL, 0, 2, 3, 1, false, WINDOW "dilations group "},
    {"Gemm", onnx_lower_gemm, NULL, 0, 2, 3, 1, false, "alpha beta transA transB "},
    {"MatMul", onnx_lower_matmul, NULL, 0, 2, 2, 1, false, ""},

    /* windows and means */
    {"MaxPool", onnx_lower_pool, NULL, IV_ONNX_MAX_POOL, 1, 1, 2, false,
     WINDOW "ceil_mode dilations storage_order "},
    {"AveragePool", onnx_lower_pool, NULL, IV_ONNX_MEAN_POOL, 1, 1, 1, false,
     WINDOW "ceil_mode count_include_pad dilations "},
    {"GlobalMaxPool", onnx_lower_pool_all, NULL, IV_ONNX_MAX_POOL, 1, 1, 1, false, ""},
    {"GlobalAveragePool", onnx_lower_pool_all, NULL, IV_ONNX_MEAN_OVER, 1, 1, 1, false, ""},
    {"LRN", onnx_lower_responses, NULL, 0, 1, 1, 1, false, "alpha beta bias size "},
    {"ReduceMean", onnx_lower_reduce, onnx_fold_reduce, ONNX_MEAN, 1, 2, 1, false,
     "axes keepdims noop_with_empty_axes "},
    {"ReduceSum", onnx_lower_reduce, onnx_fold_reduce, ONNX_SUM, 1, 2, 1, false,
     "axes keepdims noop_with_empty_axes "},
    {"ReduceMax", onnx_lower_reduce, NULL, ONNX_LARGEST, 1, 2, 1, false,
     "axes keepdims noop_with_empty_axes "},
    {"ReduceMin", onnx_lower_reduce, NULL, ONNX_LEAST, 1, 2, 1, false,
     "axes keepdims noop_with_empty_axes "},
    {"ReduceL2", onnx_lower_reduce, NULL, ONNX_LENGTH, 1, 2, 1, false,
     "axes keepdims noop_with_empty_axes "},
    {"ReduceProd", NULL, onnx_fold_reduce, ONNX_PRODUCT, 1, 2, 1, false,
     "axes keepdims noop_with_empty_axes "},
    {"BatchNormalization", onnx_lower_normalize, NULL, 0, 5, 5, 5, false,
     "epsilon momentum training_mode "},

    {"LayerNormalization", onnx_lower_layer_normalize, NULL, 0, 2, 3, 3, false,
     "axis epsilon stash_type "},
    {"InstanceNormalization", onnx_lower_instance_normalize, NULL, 0, 3, 3, 1, false, "epsilon "},

    /* element by element */
    BINARY("Add", IV_ADD),
    BINARY("Sub", IV_SUBTRACT),
    BINARY("Mul", IV_MULTIPLY),
    BINARY("Div", IV_DIVIDE),
    BINARY("Pow", IV_POWER),
    {"Min", onnx_lower_binary, onnx_fold_binary, IV_MINIMUM, 1, ANY, 1, true, ""},
    {"Max", onnx_lower_binary, onnx_fold_binary, IV_MAXIMUM, 1, ANY, 1, true, ""},
    {"Sum", onnx_lower_binary, onnx_fold_binary, IV_ADD, 1, ANY, 1, true, ""},
    {"Mean", onnx_lower_binary, NULL, ONNX_MEAN_OF_INPUTS, 1, ANY, 1, true, ""},
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
    {"Not", NULL, onnx_fold_unary, ONNX_NOT, 1, 1, 1, false, ""},
    {"Floor", NULL, onnx_fold_unary, ONNX_FLOOR, 1, 1, 1, false, ""},
    {"Ceil", NULL, onnx_fold_unary, ONNX_CEILING, 1, 1, 1, false, ""},
    {"Selu", onnx_lower_selu, NULL, 0, 1, 1, 1, false, "alpha gamma "},
    {"Celu", onnx_lower_celu, NULL, 0, 1, 1, 1, false, "alpha "},
    {"Clip", onnx_lower_clip, NULL, 0, 1, 3, 1, false, "min max "},
    {"HardSwish", onnx_lower_hard_swish, NULL, 0, 1, 1, 1, false, ""},
    {"Gelu", onnx_lower_gelu, NULL, 0, 1, 1, 1, false, "approximate "},
    {"Mish", onnx_lower_mish, NULL, 0, 1, 1, 1, false, ""},
    {"Softsign", onnx_lower_softsign, NULL, 0, 1, 1, 1, false, ""},
    {"PRelu", onnx_lower_prelu, NULL, 0, 2, 2, 1, false, ""},
    {"Softmax", onnx_lower_softmax, NULL, 0, 1, 1, 1, false, "axis "},
    {"LogSoftmax", onnx_lower_softmax, NULL, 1, 1, 1, 1, false, "axis "},

    /* what changes nothing */
    {"Identity", onnx_lower_pass, onnx_fold_same, 0, 1, 1, 1, false, ""},
    {"Dropout", onnx_lower_dropout, onnx_fold_same, 0, 1, 3, 2, true, "ratio seed "},
    {"Cast", onnx_lower_cast, onnx_fold_cast, 0, 1, 1, 1, false, "to saturate "},
    {"CastLike", onnx_lower_cast_like, onnx_fold_cast_like, 0, 2, 2, 1, true, "saturate "},

    /* shapes */
    {"Reshape", onnx_lower_reshape, onnx_fold_reshape, 0, 2, 2, 1, false, "allowzero "},
    {"Flatten", onnx_lower_flatten, onnx_fold_flatten, 0, 1, 1, 1, false, "axis "},
    {"Squeeze", onnx_lower_squeeze, onnx_fold_squeeze, 0, 1, 2, 1, false, "axes "},
    {"Unsqueeze", onnx_lower_unsqueeze, onnx_fold_unsqueeze, 0, 1, 2, 1, false, "axes "},
    {"Expand", onnx_lower_expand, onnx_fold_expand, 0, 2, 2, 1, false, ""},
    {"Shape", onnx_lower_shape, onnx_lower_shape, 0, 1, 1, 1, false, "start end "},
    {"Size", onnx_lower_shape, onnx_lower_shape, 1, 1, 1, 1, false, ""},
    {"Transpose", onnx_lower_transpose, onnx_fold_transpose, 0, 1, 1, 1, false, "perm "},
    {"Concat", onnx_lower_concatenate, onnx_fold_concatenate, 0, 1, ANY, 1, true, "axis "},
    {"Slice", onnx_lower_slice, onnx_fold_slice, 0, 1, 5, 1, false, "axes ends starts "},
    {"Split", onnx_lower_split, onnx_fold_split, 0, 1, 2, ANY, false, "axis num_outputs split "},
    {"Gather", onnx_lower_gather, onnx_fold_gather, 0, 2, 2, 1, false, "axis "},
    {"Pad", onnx_lower_pad, NULL, 0, 1, 4, 1, false, "mode pads value "},

    /* constants */
    {"Constant", NULL, onnx_fold_constant, 0, 0, 0, 1, false,
     "sparse_value value value_float value_floats value_int value_ints value_string "
     "value_strings "},
    {"ConstantOfShape", NULL, onnx_fold_fill, 0, 1, 1, 1, false, "value "},
    {"Range", NULL, onnx_fold_range, 0, 3, 3, 1, false, ""},
    {"Where", NULL, onnx_fold_where, 0, 3, 3, 1, false, ""},
};

const onnx_op *onnx_find_op(const char *name) {
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].name, name) == 0) return &ops[i];
    return NULL;
}

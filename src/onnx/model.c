/* What a model is, however it came to be. */
#include <invar/onnx.h>

#include <stdlib.h>

const char *iv_onnx_op_name(iv_onnx_op op) {
    static const char *const names[IV_ONNX_N_OPS] = {[IV_ONNX_LINEAR] = "linear",
                                                     [IV_ONNX_CONVOLVE] = "convolve",
                                                     [IV_ONNX_MAX_POOL] = "max pool",
                                                     [IV_ONNX_MEAN_POOL] = "mean pool",
                                                     [IV_ONNX_MEAN_OVER] = "mean over",
                                                     [IV_ONNX_BINARY] = "binary",
                                                     [IV_ONNX_UNARY] = "unary",
                                                     [IV_ONNX_SOFTMAX] = "softmax",
                                                     [IV_ONNX_RESHAPE] = "reshape",
                                                     [IV_ONNX_PERMUTE] = "permute",
                                                     [IV_ONNX_CONCATENATE] = "concatenate",
                                                     [IV_ONNX_PART] = "part",
                                                     [IV_ONNX_PAD] = "pad"};
    return op < IV_ONNX_N_OPS ? names[op] : "?";
}

void iv_onnx_clear(iv_onnx_model *model) {
    for (size_t i = 0; i < model->n_values; i++) {
        free(model->values[i].name);
        free(model->values[i].data);
    }
    for (size_t i = 0; i < model->n_nodes; i++) {
        free(model->nodes[i].name);
        free(model->nodes[i].inputs);
    }
    free(model->values);
    free(model->nodes);
    free(model->producer);
    free(model->notes);
    *model = (iv_onnx_model){0};
}

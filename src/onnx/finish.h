/* The model that a list becomes. */
#ifndef INVAR_ONNX_FINISH_H
#define INVAR_ONNX_FINISH_H

#include "onnx/state.h"

/* What is needed for an output becomes a model. Its constants are taken from the state. */
iv_status onnx_finish(onnx_state *s, const onnx_name *output, iv_onnx_model *model);

#endif

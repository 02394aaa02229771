/* A file's graph before it is lowered. */
#ifndef INVAR_ONNX_GRAPH_H
#define INVAR_ONNX_GRAPH_H

#include "onnx/state.h"

/* "" for what is not there. */
const char *onnx_text(const char *text);

/* Of the format and of the operators; s->opset. */
iv_status onnx_check_versions(onnx_state *s);

/* s->names: of inputs, initializers and all that nodes compute, each once. */
iv_status onnx_gather_names(onnx_state *s);

/* From the first output back; nodes stand in an order in which they can be computed. */
iv_status onnx_mark_needed(onnx_state *s, onnx_name **output);
bool onnx_is_needed(const onnx_state *s, const Onnx__NodeProto *node);

/* Nodes that are not supported are named before anything is computed. */
iv_status onnx_check_operators(onnx_state *s);

#endif

/* The bytes of a file as protobuf-c's structures, and the numbers of its tensors. */
#ifndef INVAR_ONNX_PROTO_H
#define INVAR_ONNX_PROTO_H

#include <invar/status.h>

#include "onnx.pb-c.h"

#include <stdbool.h>

/* Unpacked messages nest no deeper: a model with graphs in attributes of graphs has a dozen levels. */
enum { ONNX_MOST_LEVELS = 64 };

/* Memory that protobuf-c may take: it grows with the file, never with what the file claims. */
typedef struct {
    ProtobufCAllocator allocator;
    size_t left;
    bool exhausted; /* it wanted more than that */
    bool failed;    /* there was none */
} onnx_memory;

/* Read a file and unpack it. `n_bytes` is its size; `model` is freed by onnx_close. */
iv_status onnx_open(const char *path, onnx_memory *memory, Onnx__ModelProto **model,
                    size_t *n_bytes, iv_error *error);
void onnx_close(onnx_memory *memory, Onnx__ModelProto *model); /* NULL is fine */

/* Whether bytes are a message of this kind, nested within ONNX_MOST_LEVELS: protobuf-c recurses
 * without a bound. */
bool onnx_levels_fit(const ProtobufCMessageDescriptor *kind, const uint8_t *bytes, size_t n_bytes);

#endif

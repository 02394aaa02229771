/* Unpacking, with bounds on what a file can make protobuf-c do. */
#include "onnx/proto.h"

#include <invar/data.h>

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* protobuf's own limit. */
static const size_t most_bytes = INT32_MAX;

/* An empty message takes 2 bytes of a file and some 200 of memory. No exporter writes thousands of
 * those; a file's numbers and names take what they take in the file, and lists up to 16 times as
 * much. */
enum { MEMORY_FOR_BYTE = 16, MEMORY_AT_LEAST = 16 << 20 };

/* ------------------------------------------------------------------ levels */

typedef struct {
    const uint8_t *at, *end;
} bytes_left;

static bool take_varint(bytes_left *bytes, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64 && bytes->at < bytes->end; shift += 7) {
        const uint8_t byte = *bytes->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

static bool skip(bytes_left *bytes, uint64_t n) {
    if (n > (uint64_t)(bytes->end - bytes->at)) return false;
    bytes->at += n;
    return true;
}

static const ProtobufCMessageDescriptor *message_in(const ProtobufCMessageDescriptor *kind,
                                                    uint64_t field) {
    for (unsigned i = 0; i < kind->n_fields; i++)
        if (kind->fields[i].id == field)
            return kind->fields[i].type == PROTOBUF_C_TYPE_MESSAGE ? kind->fields[i].descriptor
                                                                   : NULL;
    return NULL;
}

/* A level of the file is a level of the recursion, which ends at the bound that it keeps. */
static bool walk(const ProtobufCMessageDescriptor *kind, bytes_left bytes, unsigned levels) {
    if (levels == 0) return false;
    while (bytes.at < bytes.end) {
        uint64_t key, n;
        if (!take_varint(&bytes, &key)) return false;
        switch (key & 7) {
        case PROTOBUF_C_WIRE_TYPE_VARINT:
            if (!take_varint(&bytes, &n)) return false;
            break;
        case PROTOBUF_C_WIRE_TYPE_64BIT:
            if (!skip(&bytes, 8)) return false;
            break;
        case PROTOBUF_C_WIRE_TYPE_32BIT:
            if (!skip(&bytes, 4)) return false;
            break;
        case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED: {
            const ProtobufCMessageDescriptor *inner = message_in(kind, key >> 3);
            if (!take_varint(&bytes, &n)) return false;
            const uint8_t *begin = bytes.at;
            if (!skip(&bytes, n)) return false;
            if (inner && !walk(inner, (bytes_left){begin, bytes.at}, levels - 1)) return false;
            break;
        }
        default: return false; /* groups, which no ONNX file has */
        }
    }
    return true;
}

bool onnx_levels_fit(const ProtobufCMessageDescriptor *kind, const uint8_t *bytes, size_t n_bytes) {
    return walk(kind, (bytes_left){bytes, bytes + n_bytes}, ONNX_MOST_LEVELS);
}

/* ------------------------------------------------------------------ memory */

/* What stands before each piece: its size, aligned for anything. */
typedef union {
    size_t bytes;
    max_align_t alignment;
} piece;

static void *allocate(void *data, size_t bytes) {
    onnx_memory *memory = data;
    if (bytes > memory->left) {
        memory->exhausted = true;
        return NULL;
    }
    piece *made = bytes < SIZE_MAX - sizeof(piece) ? malloc(sizeof(piece) + bytes) : NULL;
    memory->failed = !made;
    if (!made) return NULL;
    made->bytes = bytes;
    memory->left -= bytes;
    return made + 1;
}

static void release(void *data, void *pointer) {
    onnx_memory *memory = data;
    if (!pointer) return;
    piece *made = (piece *)pointer - 1;
    memory->left += made->bytes;
    free(made);
}

/* ------------------------------------------------------------------ files */

iv_status onnx_open(const char *path, onnx_memory *memory, Onnx__ModelProto **model,
                    size_t *n_bytes, iv_error *error) {
    uint8_t *bytes = NULL;
    *model = NULL;
    iv_status status = iv_read_file(path, most_bytes, &bytes, n_bytes, error);
    if (status != IV_OK) return status;
    *memory = (onnx_memory){.allocator = {allocate, release, memory},
                            .left = MEMORY_AT_LEAST + MEMORY_FOR_BYTE * *n_bytes};
    if (*n_bytes == 0)
        status = iv_fail(error, IV_EDATA, "%s: not an ONNX file: it is empty", path);
    else if (!onnx_levels_fit(&onnx__model_proto__descriptor, bytes, *n_bytes))
        status = iv_fail(error, IV_EDATA,
                         "%s: not an ONNX file, or a damaged one: its bytes are no protocol "
                         "buffers, or nested in more than %d levels",
                         path, ONNX_MOST_LEVELS);
    else
        *model = onnx__model_proto__unpack(&memory->allocator, *n_bytes, bytes);
    free(bytes);
    if (status != IV_OK || *model) return status;
    if (memory->failed) return iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);
    if (memory->exhausted)
        return iv_fail(error, IV_EDATA, "%s: unpacks to more than %d times its size", path,
                       MEMORY_FOR_BYTE);
    return iv_fail(error, IV_EDATA,
                   "%s: not an ONNX file, or a damaged one: protobuf-c cannot unpack it", path);
}

void onnx_close(onnx_memory *memory, Onnx__ModelProto *model) {
    if (model) onnx__model_proto__free_unpacked(model, &memory->allocator);
}

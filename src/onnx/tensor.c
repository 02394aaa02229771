/* Tensors of a file, and of the files beside it, as constants. */
#include "onnx/state.h"

#include "data/numbers.h"
#include "runtime/open.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TYPE(name) ONNX__TENSOR_PROTO__DATA_TYPE__##name

/* Which list holds the numbers where no bytes do. */
typedef enum { OF_FLOATS, OF_INT32, OF_INT64, OF_DOUBLES, OF_UINT64 } list;

typedef struct {
    int32_t type;
    const char *name;
    size_t bytes;
    list list;
    bool floats, is_signed;
} number_type;

static const number_type types[] = {
    {TYPE(FLOAT), "float", 4, OF_FLOATS, true, true},
    {TYPE(DOUBLE), "double", 8, OF_DOUBLES, true, true},
    {TYPE(FLOAT16), "float16", 2, OF_INT32, true, true},
    {TYPE(BFLOAT16), "bfloat16", 2, OF_INT32, true, true},
    {TYPE(INT64), "int64", 8, OF_INT64, false, true},
    {TYPE(INT32), "int32", 4, OF_INT32, false, true},
    {TYPE(INT16), "int16", 2, OF_INT32, false, true},
    {TYPE(INT8), "int8", 1, OF_INT32, false, true},
    {TYPE(UINT8), "uint8", 1, OF_INT32, false, false},
    {TYPE(UINT16), "uint16", 2, OF_INT32, false, false},
    {TYPE(UINT32), "uint32", 4, OF_UINT64, false, false},
    {TYPE(UINT64), "uint64", 8, OF_UINT64, false, false},
    {TYPE(BOOL), "bool", 1, OF_INT32, false, false},
};

static const number_type *find_type(const Onnx__TensorProto *tensor) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (tensor->has_data_type && tensor->data_type == types[i].type) return &types[i];
    return NULL;
}

/* ------------------------------------------------------------------ numbers */

static float float_of(const number_type *type, uint64_t bits) {
    switch (type->type) {
    case TYPE(DOUBLE): return (float)iv_double_of_bits(bits);
    case TYPE(FLOAT16): return iv_float_of_half((uint32_t)bits);
    case TYPE(BFLOAT16): return iv_float_of_brain((uint32_t)bits);
    default: return iv_float_of_bits((uint32_t)bits);
    }
}

static void set(onnx_constant *constant, size_t i, const number_type *type, uint64_t bits) {
    const unsigned above = 64 - 8 * (unsigned)type->bytes;
    if (type->floats)
        constant->floats[i] = float_of(type, bits);
    else if (type->is_signed) /* the sign in all bits above it */
        constant->integers[i] = (int64_t)(bits << above) >> above;
    else
        constant->integers[i] = (int64_t)bits;
}

static void set_from_bytes(onnx_constant *constant, const number_type *type, const uint8_t *bytes) {
    if (type->type == TYPE(FLOAT)) {
        iv_floats_of_bytes(constant->floats, bytes, constant->n);
        return;
    }
    for (size_t i = 0; i < constant->n; i++)
        set(constant, i, type, iv_bits_at(bytes + i * type->bytes, type->bytes));
}

static size_t listed(const Onnx__TensorProto *tensor, list of) {
    switch (of) {
    case OF_FLOATS: return tensor->n_float_data;
    case OF_DOUBLES: return tensor->n_double_data;
    case OF_INT32: return tensor->n_int32_data;
    case OF_INT64: return tensor->n_int64_data;
    default: return tensor->n_uint64_data;
    }
}

static void set_from_list(onnx_constant *constant, const number_type *type,
                          const Onnx__TensorProto *tensor) {
    const uint64_t mask = UINT64_MAX >> (64 - 8 * type->bytes);
    for (size_t i = 0; i < constant->n; i++) switch (type->list) {
        case OF_FLOATS: constant->floats[i] = tensor->float_data[i]; break;
        case OF_DOUBLES: constant->floats[i] = (float)tensor->double_data[i]; break;
        case OF_INT32: set(constant, i, type, (uint64_t)tensor->int32_data[i] & mask); break;
        case OF_INT64: constant->integers[i] = tensor->int64_data[i]; break;
        case OF_UINT64: set(constant, i, type, tensor->uint64_data[i] & mask); break;
        }
}

/* ------------------------------------------------------------------ files beside the model */

/* A relative path that stays in the folder by its words. Links that lie there are the user's own. */
static bool stays(const char *location) {
    if (!*location || *location == '/' || strchr(location, '\\')) return false;
    for (const char *at = location; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0')) return false;
    return true;
}

static bool read_size(const char *text, uint64_t *size) {
    *size = 0;
    if (!*text || strlen(text) > 18 || strspn(text, "0123456789") != strlen(text)) return false;
    *size = strtoull(text, NULL, 10);
    return true;
}

static char *beside(const char *path, const char *location) {
    const char *slash = strrchr(path, '/');
    const size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    char *whole = malloc(folder + strlen(location) + 1);
    if (!whole) return NULL;
    memcpy(whole, path, folder);
    memcpy(whole + folder, location, strlen(location) + 1);
    return whole;
}

/* n_bytes of a file, all of them checked to be there before there is memory for them. */
static iv_status read_part(onnx_state *s, const char *name, const char *location, uint64_t offset,
                           size_t n_bytes, uint8_t **bytes) {
    iv_status status = IV_OK;
    uint64_t size;
    const char *reason;
    char text[ONNX_NODE_NAME];
    char *path = beside(s->path, location);
    if (!path) return iv_fail(s->error, IV_ENOMEM, "%s: no memory to read it", s->path);
    const int descriptor = iv_open_to_read(path, &size, &reason);
    if (descriptor < 0)
        status = onnx_refuse(
            s, "the data of tensor '%s' are in a file beside it, %s, which cannot be read: %s",
            name, onnx_tame(location, text), reason);
    else if (offset > size || n_bytes > size - offset)
        status = onnx_refuse(
            s, "the data of tensor '%s' end past the %" PRIu64 " bytes of the file beside it, %s",
            name, size, onnx_tame(location, text));
    else if (!(*bytes = malloc(n_bytes + 1)))
        status = iv_fail(s->error, IV_ENOMEM, "%s: no memory to read it", s->path);
    else if (lseek(descriptor, (off_t)offset, SEEK_SET) < 0 ||
             !iv_read_exactly(descriptor, *bytes, n_bytes, &reason))
        status = onnx_refuse(s, "the data of tensor '%s' cannot be read from %s", name,
                             onnx_tame(location, text));
    if (descriptor >= 0) close(descriptor);
    free(path);
    return status;
}

static iv_status read_beside(onnx_state *s, const char *name, const Onnx__TensorProto *tensor,
                             size_t n_bytes, uint8_t **bytes) {
    const char *location = "";
    uint64_t offset = 0, length = n_bytes;
    char text[ONNX_NODE_NAME];
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        const char *key = tensor->external_data[i]->key, *value = tensor->external_data[i]->value;
        if (!key || !value) continue;
        if (strcmp(key, "location") == 0) location = value;
        if ((strcmp(key, "offset") == 0 && !read_size(value, &offset)) ||
            (strcmp(key, "length") == 0 && !read_size(value, &length)))
            return onnx_refuse(s, "tensor '%s' has data in another file at an impossible %s", name,
                               key);
    }
    if (!stays(location))
        return onnx_refuse(s,
                           "tensor '%s' has data in '%s', which is not in the folder of the file",
                           name, onnx_tame(location, text));
    if (length != n_bytes)
        return onnx_refuse(s, "tensor '%s' has %" PRIu64 " bytes in %s, its shape takes %zu", name,
                           length, onnx_tame(location, text), n_bytes);
    return read_part(s, name, location, offset, n_bytes, bytes);
}

/* ------------------------------------------------------------------ tensors */

static iv_status read_shape(onnx_state *s, const char *name, const Onnx__TensorProto *tensor,
                            onnx_shape *shape, size_t *n) {
    if (tensor->n_dims > ONNX_MOST_AXES)
        return onnx_refuse(s, "tensor '%s' has %zu axes, expected at most %d", name, tensor->n_dims,
                           ONNX_MOST_AXES);
    *shape = (onnx_shape){.rank = (unsigned)tensor->n_dims};
    for (unsigned i = 0; i < shape->rank; i++) {
        if (tensor->dims[i] < 0 || tensor->dims[i] > INT32_MAX)
            return onnx_refuse(s, "tensor '%s' has an impossible shape: axis %u of %" PRId64, name,
                               i, tensor->dims[i]);
        shape->axes[i] = (size_t)tensor->dims[i];
    }
    if (!onnx_count(shape, n)) return onnx_refuse(s, "tensor '%s' is too large", name);
    return IV_OK;
}

/* Where the numbers are, and whether there are as many as the shape says. */
static iv_status check_numbers(onnx_state *s, const char *name, const Onnx__TensorProto *tensor,
                               const number_type *type, size_t n, bool external) {
    const size_t in_list = listed(tensor, type->list), in_bytes = tensor->raw_data.len;
    const size_t all = tensor->n_float_data + tensor->n_double_data + tensor->n_int32_data +
                       tensor->n_int64_data + tensor->n_uint64_data;
    const bool bytes = tensor->has_raw_data;
    if (tensor->segment) return onnx_refuse(s, "tensor '%s' is in segments", name);
    if (all != in_list || (bytes && all > 0) || (external && (all > 0 || bytes)))
        return onnx_refuse(s, "tensor '%s' has numbers in more than one place, or of another type",
                           name);
    if (external) return IV_OK;
    if (bytes ? in_bytes != n * type->bytes : in_list != n)
        return onnx_refuse(s, "tensor '%s' has %zu %s of numbers, its shape takes %zu", name,
                           bytes ? in_bytes : in_list, bytes ? "bytes" : "entries",
                           bytes ? n * type->bytes : n);
    return IV_OK;
}

iv_status onnx_read_tensor(onnx_state *s, const char *file_name, const Onnx__TensorProto *tensor,
                           size_t *constant) {
    const number_type *type = find_type(tensor);
    const bool external = tensor->has_data_location &&
                          tensor->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    char name[ONNX_NODE_NAME];
    onnx_shape shape;
    onnx_constant *made;
    uint8_t *bytes = NULL;
    size_t n;
    onnx_tame(file_name, name);
    if (!type)
        return onnx_refuse(s, "tensor '%s' is of a type that is not read (number %d of ONNX's)",
                           name, tensor->has_data_type ? tensor->data_type : 0);
    iv_status status = read_shape(s, name, tensor, &shape, &n);
    if (status == IV_OK) status = check_numbers(s, name, tensor, type, n, external);
    if (status == IV_OK && external) status = read_beside(s, name, tensor, n * type->bytes, &bytes);
    if (status == IV_OK && external) s->entries_left += 2 * n; /* they are there: no mere claim */
    if (status == IV_OK) status = onnx_make_constant(s, &shape, !type->floats, &made);
    if (status == IV_OK) {
        if (external || tensor->has_raw_data)
            set_from_bytes(made, type, external ? bytes : tensor->raw_data.data);
        else
            set_from_list(made, type, tensor);
        if (type->floats && type->type != TYPE(FLOAT) && n > 1) s->narrow = type->name;
        made->name = file_name;
        *constant = (size_t)(made - s->constants);
        for (size_t i = 0; type->type == TYPE(UINT64) && i < n; i++)
            if (made->integers[i] < 0)
                status = onnx_refuse(s, "tensor '%s' has integers beyond the range of int64", name);
    }
    free(bytes);
    return status;
}

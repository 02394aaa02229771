/* Reading safetensors, trusting nothing: the file may come from anywhere. */
#include "data/numbers.h"
#include "data/safetensors.h"

#include "runtime/sha256.h"

#include <invar/data.h>

#include <jansson.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The limit of the reference implementation. */
static const uint64_t most_header_bytes = 100000000;

/* How numbers are stored. The first is the one that is read where nothing is converted. */
typedef enum { F32, F16, BF16, F64, N_TYPES } number_type;

static const struct {
    const char *name;
    size_t bytes;
} types[N_TYPES] = {
    [F32] = {"F32", 4}, [F16] = {"F16", 2}, [BF16] = {"BF16", 2}, [F64] = {"F64", 8}};

typedef struct {
    iv_tensor_entry tensor; /* its name belongs to the JSON header */
    number_type type;
    size_t n_elements;
    size_t begin, end; /* in the data */
} entry;

struct iv_safetensors {
    uint8_t *bytes; /* the whole file */
    float *data;    /* its data, aligned, as floats */
    json_t *header;
    entry *entries;
    size_t n_entries;
};

void iv_safetensors_close(iv_safetensors *file) {
    if (!file) return;
    json_decref(file->header);
    free(file->entries);
    free(file->data);
    free(file->bytes);
    free(file);
}

static iv_status damaged(const char *path, const char *name, const char *what, iv_error *error) {
    return iv_fail(error, IV_EDATA, "%s: damaged safetensors file: tensor '%s' %s", path, name,
                   what);
}

/* A non-negative integer that fits size_t. */
static int get_size(const json_t *value, size_t *size) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return 0;
    *size = (size_t)json_integer_value(value);
    return (json_int_t)*size == json_integer_value(value);
}

static iv_status read_type(const char *path, const char *name, const char *written, bool convert,
                           number_type *type, iv_error *error) {
    for (*type = 0; *type < (convert ? N_TYPES : 1); (*type)++)
        if (strcmp(written, types[*type].name) == 0) return IV_OK;
    return iv_fail(error, IV_EDATA, "%s: tensor '%s' has type %s, only %s read", path, name,
                   written, convert ? "F32, F16, BF16 and F64 are" : "F32 is");
}

static iv_status read_entry(const char *path, const char *name, const json_t *value,
                            size_t data_bytes, bool convert, entry *out, iv_error *error) {
    const json_t *type = json_object_get(value, "dtype"), *shape = json_object_get(value, "shape");
    const json_t *offsets = json_object_get(value, "data_offsets");
    if (!json_is_string(type) || !json_is_array(shape) || !json_is_array(offsets) ||
        json_object_size(value) != 3)
        return damaged(path, name, "lacks dtype, shape or data_offsets, or has more", error);
    const iv_status status =
        read_type(path, name, json_string_value(type), convert, &out->type, error);
    if (status != IV_OK) return status;

    if (json_array_size(offsets) != 2 || !get_size(json_array_get(offsets, 0), &out->begin) ||
        !get_size(json_array_get(offsets, 1), &out->end) || out->begin > out->end ||
        out->end > data_bytes)
        return damaged(path, name, "lies outside the file", error);

    size_t n_bytes = types[out->type].bytes;
    if (json_array_size(shape) > IV_ARRAY_MAX_RANK)
        return damaged(path, name, "has too many dimensions", error);
    out->tensor.name = name;
    out->tensor.rank = (unsigned)json_array_size(shape);
    for (unsigned i = 0; i < out->tensor.rank; i++)
        if (!get_size(json_array_get(shape, i), &out->tensor.shape[i]) ||
            iv_multiply_size(n_bytes, out->tensor.shape[i], &n_bytes, NULL) != IV_OK)
            return damaged(path, name, "has an impossible shape", error);
    if (n_bytes != out->end - out->begin)
        return damaged(path, name, "has a shape that does not fit its bytes", error);
    out->n_elements = n_bytes / types[out->type].bytes;
    return IV_OK;
}

static iv_status check_metadata(const char *path, const json_t *map, iv_error *error) {
    const char *key;
    json_t *value;
    if (!json_is_object(map))
        return iv_fail(error, IV_EDATA, "%s: its __metadata__ is not a map", path);
    json_object_foreach((json_t *)(uintptr_t)map, key, value) {
        if (!json_is_string(value))
            return iv_fail(error, IV_EDATA, "%s: metadata '%s' is not a string", path, key);
    }
    return IV_OK;
}

static int compare_entries(const void *first, const void *second) {
    const entry *a = first, *b = second;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end) return a->end < b->end ? -1 : 1;
    return strcmp(a->tensor.name, b->tensor.name);
}

static iv_status read_entries(const char *path, iv_safetensors *file, size_t data_bytes,
                              bool convert, iv_error *error) {
    const size_t n_keys = json_object_size(file->header);
    file->entries = calloc(n_keys + 1, sizeof *file->entries);
    if (!file->entries) return iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);

    const char *key;
    json_t *value;
    json_object_foreach(file->header, key, value) {
        iv_status status;
        if (strcmp(key, "__metadata__") == 0)
            status = check_metadata(path, value, error);
        else
            status = read_entry(path, key, value, data_bytes, convert,
                                &file->entries[file->n_entries++], error);
        if (status != IV_OK) return status;
    }

    /* In the order of their data they must follow one another without gap or overlap. */
    qsort(file->entries, file->n_entries, sizeof *file->entries, compare_entries);
    size_t end = 0;
    for (size_t i = 0; i < file->n_entries; i++) {
        const entry *at = &file->entries[i];
        if (at->begin != end)
            return damaged(path, at->tensor.name, "overlaps another or leaves a gap", error);
        end = at->end;
    }
    if (end != data_bytes)
        return iv_fail(error, IV_EDATA, "%s: has %zu bytes of data, its tensors %zu", path,
                       data_bytes, end);
    return IV_OK;
}

static float number_at(const uint8_t *from, number_type type) {
    const uint64_t bits = iv_bits_at(from, types[type].bytes);
    switch (type) {
    case F16: return iv_float_of_half((uint32_t)bits);
    case BF16: return iv_float_of_brain((uint32_t)bits);
    case F64: return (float)iv_double_of_bits(bits); /* infinite beyond the largest */
    default: return iv_float_of_bits((uint32_t)bits);
    }
}

static iv_status copy_data(const char *path, iv_safetensors *file, const uint8_t *data,
                           iv_error *error) {
    size_t n = 0; /* at most half as many as there are bytes */
    for (size_t i = 0; i < file->n_entries; i++) n += file->entries[i].n_elements;
    float *to = file->data = malloc((n + 1) * sizeof *to);
    if (!to) return iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);
    for (size_t i = 0; i < file->n_entries; i++) {
        entry *at = &file->entries[i];
        at->tensor.data = to;
        if (at->type == F32)
            iv_floats_of_bytes(to, data + at->begin, at->n_elements);
        else
            for (size_t k = 0; k < at->n_elements; k++)
                to[k] = number_at(data + at->begin + k * types[at->type].bytes, at->type);
        to += at->n_elements;
    }
    return IV_OK;
}

static iv_status parse(const char *path, iv_safetensors *file, size_t size, bool convert,
                       iv_error *error) {
    uint64_t header_bytes = 0;
    if (size < 8)
        return iv_fail(error, IV_EDATA, "%s: not a safetensors file: it has %zu bytes", path, size);
    for (int i = 0; i < 8; i++) header_bytes |= (uint64_t)file->bytes[i] << (8 * i);
    if (header_bytes > most_header_bytes || header_bytes > size - 8)
        return iv_fail(
            error, IV_EDATA,
            "%s: not a safetensors file, or truncated: its header would have %llu of %zu bytes",
            path, (unsigned long long)header_bytes, size);

    json_error_t reason;
    file->header = json_loadb((const char *)file->bytes + 8, (size_t)header_bytes,
                              JSON_REJECT_DUPLICATES, &reason);
    if (!file->header && json_error_code(&reason) == json_error_out_of_memory)
        return iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);
    if (!json_is_object(file->header))
        return iv_fail(error, IV_EDATA, "%s: its safetensors header is not a JSON object: %s", path,
                       file->header ? "another kind of value" : reason.text);

    const size_t data_bytes = size - 8 - (size_t)header_bytes;
    const iv_status status = read_entries(path, file, data_bytes, convert, error);
    if (status != IV_OK) return status;
    return copy_data(path, file, file->bytes + 8 + header_bytes, error);
}

/* Whether the SHA-256 in the header, the first string of its metadata, is that of all the bytes. */
static iv_status check_seal(const char *path, iv_safetensors *file, size_t size, iv_error *error) {
    static const char before[] = "{\"__metadata__\":{\"sha256\":\"";
    enum { AT = 8 + sizeof before - 1, DIGITS = IV_SHA256_HEX - 1 };
    char written[IV_SHA256_HEX] = "", right[IV_SHA256_HEX] = "";
    if (size < AT + DIGITS || memcmp(file->bytes + 8, before, sizeof before - 1) != 0)
        return iv_fail(error, IV_EDATA,
                       "%s: damaged, or written by another version: there is no "
                       "SHA-256 in it",
                       path);
    memcpy(written, file->bytes + AT, DIGITS);
    iv_sha256 *hash = iv_sha256_begin();
    if (!hash) return iv_fail(error, IV_ENOMEM, "%s: no memory to check it", path);
    iv_sha256_add(hash, file->bytes, AT);
    iv_sha256_add(hash, iv_safetensors_no_seal, DIGITS);
    iv_sha256_add(hash, file->bytes + AT + DIGITS, size - AT - DIGITS);
    const bool known = iv_sha256_so_far(hash, right);
    iv_sha256_end(hash);
    if (!known) return iv_fail(error, IV_EFAILED, "%s: no SHA-256 can be computed", path);
    if (strcmp(written, right) == 0) return IV_OK;
    return iv_fail(error, IV_EDATA, "%s: damaged: its SHA-256 is not the one in it", path);
}

static iv_status open_file(const char *path, bool sealed, bool convert, iv_safetensors **out,
                           iv_error *error) {
    *out = NULL;
    iv_safetensors *file = calloc(1, sizeof *file);
    if (!file) return iv_fail(error, IV_ENOMEM, "%s: no memory to read it", path);

    size_t size;
    iv_status status = iv_read_file(path, SIZE_MAX / 2, &file->bytes, &size, error);
    if (status == IV_OK && sealed) status = check_seal(path, file, size, error);
    if (status == IV_OK) status = parse(path, file, size, convert, error);
    if (status != IV_OK) {
        iv_safetensors_close(file);
        return status;
    }
    free(file->bytes);
    file->bytes = NULL;
    *out = file;
    return IV_OK;
}

iv_status iv_safetensors_open(const char *path, iv_safetensors **file, iv_error *error) {
    return open_file(path, false, false, file, error);
}

iv_status iv_safetensors_open_converted(const char *path, iv_safetensors **file, iv_error *error) {
    return open_file(path, false, true, file, error);
}

iv_status iv_safetensors_open_sealed(const char *path, iv_safetensors **file, iv_error *error) {
    return open_file(path, true, false, file, error);
}

size_t iv_safetensors_count(const iv_safetensors *file) {
    return file->n_entries;
}

const iv_tensor_entry *iv_safetensors_get(const iv_safetensors *file, size_t i) {
    return i < file->n_entries ? &file->entries[i].tensor : NULL;
}

const char *iv_safetensors_stored(const iv_safetensors *file, size_t i) {
    return i < file->n_entries ? types[file->entries[i].type].name : NULL;
}

const iv_tensor_entry *iv_safetensors_find(const iv_safetensors *file, const char *name) {
    for (size_t i = 0; i < file->n_entries; i++)
        if (strcmp(file->entries[i].tensor.name, name) == 0) return &file->entries[i].tensor;
    return NULL;
}

const char *iv_safetensors_metadata(const iv_safetensors *file, const char *key) {
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

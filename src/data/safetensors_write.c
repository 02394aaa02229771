/* Writing safetensors: 8-byte little-endian header length, JSON
 * header, raw little-endian float32. */
#include <invar/data.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static iv_status tensor_bytes(const iv_tensor_entry *tensor, size_t *n_bytes, iv_error *error) {
    *n_bytes = sizeof(float);
    if (tensor->rank > IV_ARRAY_MAX_RANK)
        return iv_fail(error, IV_EINVAL, "tensor '%s' has %u dimensions, at most %d can be written",
                       tensor->name, tensor->rank, IV_ARRAY_MAX_RANK);
    for (unsigned i = 0; i < tensor->rank; i++) {
        const iv_status status = iv_multiply_size(*n_bytes, tensor->shape[i], n_bytes, error);
        if (status != IV_OK) return status;
    }
    return IV_OK;
}

static iv_status add_tensor(json_t *header, const iv_tensor_entry *tensor, size_t *offset,
                            iv_error *error) {
    if (!tensor->name || !*tensor->name || strcmp(tensor->name, "__metadata__") == 0 ||
        json_object_get(header, tensor->name))
        return iv_fail(error, IV_EINVAL, "tensor name '%s' is empty, reserved or given twice",
                       tensor->name ? tensor->name : "");
    size_t n_bytes;
    const iv_status status = tensor_bytes(tensor, &n_bytes, error);
    if (status != IV_OK) return status;
    if (n_bytes > SIZE_MAX / 2 - *offset)
        return iv_fail(error, IV_ENOMEM, "tensor '%s' is too large", tensor->name);

    json_t *shape = json_array();
    for (unsigned i = 0; i < tensor->rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i]));
    /* "o" takes `shape` over, also when packing fails. */
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape,
                              "data_offsets", (json_int_t)*offset, (json_int_t)(*offset + n_bytes));
    /* A name that is not UTF-8 is refused here; the entry is taken over either way. */
    if (!entry || json_object_set_new(header, tensor->name, entry) != 0)
        return iv_fail(error, IV_EINVAL, "tensor name '%s' is not UTF-8", tensor->name);
    *offset += n_bytes;
    return IV_OK;
}

static iv_status add_metadata(json_t *header, const iv_metadata *metadata, size_t n_metadata,
                              iv_error *error) {
    json_t *map = json_object();
    if (!map || json_object_set_new(header, "__metadata__", map) != 0)
        return iv_fail(error, IV_ENOMEM, "no memory for a model file's header");
    for (size_t i = 0; i < n_metadata; i++)
        if (json_object_set_new(map, metadata[i].key, json_string(metadata[i].value)) != 0)
            return iv_fail(error, IV_EINVAL, "metadata '%s' is not UTF-8", metadata[i].key);
    return IV_OK;
}

/* The JSON text padded with spaces, so that the data behind it is aligned to 8 bytes. */
static char *compose_header(const json_t *header, size_t *length) {
    char *text = json_dumps(header, JSON_COMPACT);
    if (!text) return NULL;
    *length = strlen(text);
    const size_t padded = (*length + 7) / 8 * 8;
    char *wider = realloc(text, padded + 1);
    if (!wider) {
        free(text);
        return NULL;
    }
    memset(wider + *length, ' ', padded - *length);
    *length = padded;
    return wider;
}

static bool machine_is_little_endian(void) {
    const uint16_t probe = 1;
    return *(const uint8_t *)&probe == 1;
}

static void *copy_swapped(const float *data, size_t n_bytes) {
    const uint8_t *from = (const uint8_t *)data;
    uint8_t *copy = malloc(n_bytes + 1);
    for (size_t i = 0; copy && i < n_bytes; i++) copy[i] = from[i ^ 3];
    return copy;
}

iv_status iv_safetensors_write(const char *path, const iv_tensor_entry *tensors, size_t n_tensors,
                               const iv_metadata *metadata, size_t n_metadata, iv_error *error) {
    json_t *header = json_object();
    char *text = NULL;
    iv_file_part *parts = calloc(n_tensors + 2, sizeof *parts);
    const bool swap = !machine_is_little_endian();
    iv_status status = IV_OK;
    if (!header || !parts) {
        status = iv_fail(error, IV_ENOMEM, "%s: no memory to write it", path);
        goto done;
    }

    if (n_metadata > 0) status = add_metadata(header, metadata, n_metadata, error);
    size_t offset = 0;
    for (size_t i = 0; i < n_tensors && status == IV_OK; i++)
        status = add_tensor(header, &tensors[i], &offset, error);
    if (status != IV_OK) goto done;

    size_t length;
    text = compose_header(header, &length);
    if (!text) {
        status = iv_fail(error, IV_ENOMEM, "%s: no memory to write it", path);
        goto done;
    }
    uint8_t prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (uint8_t)((uint64_t)length >> (8 * i));
    parts[0] = (iv_file_part){prefix, sizeof prefix};
    parts[1] = (iv_file_part){text, length};
    for (size_t i = 0; i < n_tensors; i++) {
        iv_file_part *part = &parts[2 + i];
        status = tensor_bytes(&tensors[i], &part->bytes, error);
        part->data =
            swap ? copy_swapped(tensors[i].data, part->bytes) : (const void *)tensors[i].data;
        if (status == IV_OK && part->bytes > 0 && !part->data)
            status = iv_fail(error, IV_ENOMEM, "%s: no memory to write it", path);
        if (status != IV_OK) goto done;
    }
    status = iv_write_parts_atomically(path, parts, n_tensors + 2, error);

done:
    for (size_t i = 0; swap && parts && i < n_tensors; i++)
        free((void *)(uintptr_t)parts[2 + i].data);
    free(parts);
    free(text);
    json_decref(header);
    return status;
}

/* Writing safetensors: 8-byte little-endian header length, JSON
 * header, raw little-endian float32. */
#include "data/safetensors.h"

#include "runtime/sha256.h"
#include "runtime/text_builder.h"

#include <invar/data.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const char iv_safetensors_no_seal[] =
    "0000000000000000000000000000000000000000000000000000000000000000";

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

static iv_status check_name(const iv_tensor_entry *tensors, size_t i, iv_error *error) {
    const char *name = tensors[i].name;
    bool good = name && *name && strcmp(name, "__metadata__") != 0;
    for (size_t k = 0; k < i && good; k++) good = strcmp(name, tensors[k].name) != 0;
    if (!good)
        return iv_fail(error, IV_EINVAL, "tensor name '%s' is empty, reserved or given twice",
                       name ? name : "");
    if (!iv_is_utf8(name)) return iv_fail(error, IV_EINVAL, "tensor name '%s' is not UTF-8", name);
    return IV_OK;
}

/* As `"NAME":{...}`; moves *offset past the tensor. */
static iv_status add_tensor(iv_text *header, const iv_tensor_entry *tensor, size_t *offset,
                            iv_error *error) {
    size_t n_bytes;
    const iv_status status = tensor_bytes(tensor, &n_bytes, error);
    if (status != IV_OK) return status;
    if (n_bytes > SIZE_MAX / 2 - *offset)
        return iv_fail(error, IV_ENOMEM, "tensor '%s' is too large", tensor->name);
    iv_text_json(header, tensor->name);
    iv_text_add(header, ":{\"dtype\":\"F32\",\"shape\":[");
    for (unsigned i = 0; i < tensor->rank; i++)
        iv_text_format(header, "%s%zu", i ? "," : "", tensor->shape[i]);
    iv_text_format(header, "],\"data_offsets\":[%zu,%zu]}", *offset, *offset + n_bytes);
    *offset += n_bytes;
    return IV_OK;
}

static iv_status add_metadata(iv_text *header, const iv_metadata *metadata, size_t n_metadata,
                              iv_error *error) {
    iv_text_add(header, "\"__metadata__\":{");
    for (size_t i = 0; i < n_metadata; i++) {
        if (!iv_is_utf8(metadata[i].key) || !iv_is_utf8(metadata[i].value))
            return iv_fail(error, IV_EINVAL, "metadata '%s' is not UTF-8", metadata[i].key);
        if (i > 0) iv_text_add(header, ",");
        iv_text_json(header, metadata[i].key);
        iv_text_add(header, ":");
        iv_text_json(header, metadata[i].value);
    }
    iv_text_add(header, "}");
    return IV_OK;
}

/* The header padded with spaces, so that the data behind it is aligned to 8 bytes. */
static iv_status compose_header(const iv_tensor_entry *tensors, size_t n_tensors,
                                const iv_metadata *metadata, size_t n_metadata, iv_text *header,
                                iv_error *error) {
    size_t offset = 0;
    iv_status status = IV_OK;
    iv_text_add(header, "{");
    if (n_metadata > 0) status = add_metadata(header, metadata, n_metadata, error);
    for (size_t i = 0; i < n_tensors && status == IV_OK; i++) {
        if (i > 0 || n_metadata > 0) iv_text_add(header, ",");
        status = check_name(tensors, i, error);
        if (status == IV_OK) status = add_tensor(header, &tensors[i], &offset, error);
    }
    iv_text_add(header, "}");
    while (!header->failed && header->length % 8 != 0) iv_text_add(header, " ");
    if (status == IV_OK && header->failed)
        status = iv_fail(error, IV_ENOMEM, "no memory for a safetensors header");
    return status;
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

/* Put the SHA-256 of all parts in the place of the zeros that stand for it. */
static iv_status seal(const iv_file_part *parts, size_t n_parts, iv_text *header, iv_error *error) {
    char hex[IV_SHA256_HEX];
    char *zeros = strstr(header->data, iv_safetensors_no_seal);
    iv_sha256 *hash = iv_sha256_begin();
    for (size_t i = 0; hash && i < n_parts; i++) iv_sha256_add(hash, parts[i].data, parts[i].bytes);
    const bool good = zeros && hash && iv_sha256_so_far(hash, hex);
    iv_sha256_end(hash);
    if (!good) return iv_fail(error, IV_EFAILED, "no SHA-256 of a file can be computed");
    memcpy(zeros, hex, IV_SHA256_HEX - 1);
    return IV_OK;
}

static iv_status write_file(const char *path, const iv_tensor_entry *tensors, size_t n_tensors,
                            const iv_metadata *metadata, size_t n_metadata, bool sealed,
                            iv_error *error) {
    iv_text header = {0};
    iv_file_part *parts = calloc(n_tensors + 2, sizeof *parts);
    const bool swap = !machine_is_little_endian();
    iv_status status =
        parts ? compose_header(tensors, n_tensors, metadata, n_metadata, &header, error)
              : iv_fail(error, IV_ENOMEM, "%s: no memory to write it", path);
    if (status != IV_OK) goto done;

    uint8_t prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (uint8_t)((uint64_t)header.length >> (8 * i));
    parts[0] = (iv_file_part){prefix, sizeof prefix};
    parts[1] = (iv_file_part){header.data, header.length};
    for (size_t i = 0; i < n_tensors; i++) {
        iv_file_part *part = &parts[2 + i];
        status = tensor_bytes(&tensors[i], &part->bytes, error);
        part->data =
            swap ? copy_swapped(tensors[i].data, part->bytes) : (const void *)tensors[i].data;
        if (status == IV_OK && part->bytes > 0 && !part->data)
            status = iv_fail(error, IV_ENOMEM, "%s: no memory to write it", path);
        if (status != IV_OK) goto done;
    }
    if (sealed) status = seal(parts, n_tensors + 2, &header, error);
    if (status == IV_OK) status = iv_write_parts_atomically(path, parts, n_tensors + 2, error);

done:
    for (size_t i = 0; swap && parts && i < n_tensors; i++)
        free((void *)(uintptr_t)parts[2 + i].data);
    free(parts);
    iv_text_free(&header);
    return status;
}

iv_status iv_safetensors_write(const char *path, const iv_tensor_entry *tensors, size_t n_tensors,
                               const iv_metadata *metadata, size_t n_metadata, iv_error *error) {
    return write_file(path, tensors, n_tensors, metadata, n_metadata, false, error);
}

iv_status iv_safetensors_write_sealed(const char *path, const iv_tensor_entry *tensors,
                                      size_t n_tensors, const iv_metadata *metadata,
                                      size_t n_metadata, iv_error *error) {
    iv_metadata *all = calloc(n_metadata + 1, sizeof *all);
    if (!all) return iv_fail(error, IV_ENOMEM, "%s: no memory to write it", path);
    all[0] = (iv_metadata){"sha256", iv_safetensors_no_seal}; /* first: no other text is found */
    for (size_t i = 0; i < n_metadata; i++) all[1 + i] = metadata[i];
    const iv_status status = write_file(path, tensors, n_tensors, all, n_metadata + 1, true, error);
    free(all);
    return status;
}

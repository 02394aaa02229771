/* One member of a population in a safetensors file. */
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

static size_t count_exported(const iv_state *const *states, size_t n_states) {
    size_t n = 0;
    for (size_t s = 0; s < n_states; s++) n += states[s]->n_exported;
    return n;
}

/* In the file, and on the device. */
static size_t n_elements(const iv_saved *tensor) {
    size_t n = 1;
    for (unsigned i = 0; i < tensor->rank; i++) n *= tensor->dims[i];
    return n;
}

static size_t n_packed(const iv_saved *tensor) {
    return tensor->pack ? tensor->n_packed : n_elements(tensor);
}

static size_t offset_of(const iv_saved *tensor, size_t member) {
    return (tensor->view.offset + member * tensor->view.stride) * sizeof(float);
}

/* Room for the largest form on the device of those that have one of their own. */
static float *allocate_packed(const iv_state *const *states, size_t n_states) {
    size_t n = 1;
    for (size_t s = 0; s < n_states; s++)
        for (size_t i = 0; i < states[s]->n_exported; i++) {
            const iv_saved *tensor = &states[s]->exported[i];
            if (tensor->pack && tensor->n_packed > n) n = tensor->n_packed;
        }
    return malloc(n * sizeof(float));
}

/* ------------------------------------------------------------------ writing */

static iv_status read_member(iv_context *context, const iv_saved *tensor, size_t member,
                             float *packed, float *values) {
    float *target = tensor->pack ? packed : values;
    const iv_status status = iv_buffer_read(context, tensor->view.buffer, offset_of(tensor, member),
                                            n_packed(tensor) * sizeof(float), target);
    if (status == IV_OK && tensor->pack) tensor->unpack(tensor, packed, values);
    return status;
}

iv_status iv_model_write(const char *path, const iv_state *const *states, size_t n_states,
                         size_t member, const iv_metadata *metadata, size_t n_metadata) {
    iv_context *context = states[0]->context;
    iv_error *error = iv_context_error(context);
    size_t n = 0, n_entries = 0;
    for (size_t s = 0; s < n_states; s++)
        for (size_t i = 0; i < states[s]->n_exported; i++) n += n_elements(&states[s]->exported[i]);
    iv_tensor_entry *entries = calloc(count_exported(states, n_states) + 1, sizeof *entries);
    float *values = malloc((n + 1) * sizeof *values), *next = values;
    float *packed = allocate_packed(states, n_states);
    iv_status status = entries && values && packed
                           ? IV_OK
                           : iv_fail(error, IV_ENOMEM, "out of memory for a model file");
    for (size_t s = 0; s < n_states && status == IV_OK; s++)
        for (size_t i = 0; i < states[s]->n_exported && status == IV_OK; i++) {
            const iv_saved *tensor = &states[s]->exported[i];
            iv_tensor_entry *entry = &entries[n_entries++];
            *entry = (iv_tensor_entry){.name = tensor->name, .rank = tensor->rank, .data = next};
            memcpy(entry->shape, tensor->dims, tensor->rank * sizeof *tensor->dims);
            status = read_member(context, tensor, member, packed, next);
            next += n_elements(tensor);
        }
    if (status == IV_OK)
        status = iv_safetensors_write(path, entries, n_entries, metadata, n_metadata, error);
    free(entries);
    free(values);
    free(packed);
    return status;
}

/* ------------------------------------------------------------------ reading */

static iv_status check_tensor(const iv_saved *tensor, const iv_safetensors *file, const char *path,
                              iv_error *error) {
    char what[256];
    const iv_tensor_entry *entry = iv_safetensors_find(file, tensor->name);
    if (!entry || entry->rank != tensor->rank ||
        memcmp(entry->shape, tensor->dims, tensor->rank * sizeof *tensor->dims) != 0)
        return iv_fail(error, IV_EDATA, "%s: tensor %s is missing or of another shape", path,
                       tensor->name);
    if (tensor->check && !tensor->check(tensor, entry->data, what, sizeof what))
        return iv_fail(error, IV_EDATA, "%s: %s", path, what);
    return IV_OK;
}

static iv_status check_file(const iv_safetensors *file, const char *path,
                            const iv_state *const *states, size_t n_states) {
    iv_error *error = iv_context_error(states[0]->context);
    const size_t n = count_exported(states, n_states);
    iv_status status = IV_OK;
    if (iv_safetensors_count(file) != n)
        return iv_fail(error, IV_EDATA, "%s holds %zu tensors, the model has %zu", path,
                       iv_safetensors_count(file), n);
    for (size_t s = 0; s < n_states && status == IV_OK; s++)
        for (size_t i = 0; i < states[s]->n_exported && status == IV_OK; i++)
            status = check_tensor(&states[s]->exported[i], file, path, error);
    return status;
}

static iv_status write_member(iv_context *context, const iv_saved *tensor, size_t member,
                              float *packed, const float *values) {
    if (tensor->pack) tensor->pack(tensor, values, packed);
    return iv_buffer_write(context, tensor->view.buffer, offset_of(tensor, member),
                           n_packed(tensor) * sizeof(float), tensor->pack ? packed : values);
}

iv_status iv_model_read(const char *path, const iv_state *const *states, size_t n_states,
                        size_t member) {
    iv_context *context = states[0]->context;
    iv_error *error = iv_context_error(context);
    iv_safetensors *file;
    iv_status status = iv_safetensors_open(path, &file, error);
    if (status != IV_OK) return status;
    float *packed = allocate_packed(states, n_states);
    if (!packed) status = iv_fail(error, IV_ENOMEM, "out of memory for a model file");
    if (status == IV_OK) status = check_file(file, path, states, n_states);
    for (size_t s = 0; s < n_states && status == IV_OK; s++)
        for (size_t i = 0; i < states[s]->n_exported && status == IV_OK; i++) {
            const iv_saved *tensor = &states[s]->exported[i];
            status = write_member(context, tensor, member, packed,
                                  iv_safetensors_find(file, tensor->name)->data);
        }
    free(packed);
    iv_safetensors_close(file);
    return status;
}

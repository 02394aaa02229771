/* Checkpoints: the whole state of a population in one safetensors file. */
#include "train/train.h"

#include <stdlib.h>

enum { N_STATES = 3 };
static const char *const state_names[N_STATES] = {"parameters", "adam.mean", "adam.variance"};

static void state_buffers(const iv_parameters *p, const iv_adam *adam, cl_mem buffers[N_STATES]) {
    buffers[0] = p->values;
    buffers[1] = adam->mean;
    buffers[2] = adam->variance;
}

iv_status iv_checkpoint_write(const char *path, iv_parameters *p, iv_adam *adam,
                              const iv_metadata *metadata, size_t n_metadata) {
    iv_error *error = iv_context_error(p->context);
    const size_t n = p->n_members * p->stride;
    float *values = malloc(N_STATES * n * sizeof *values);
    if (!values) return iv_fail(error, IV_ENOMEM, "out of memory for a checkpoint");

    cl_mem buffers[N_STATES];
    state_buffers(p, adam, buffers);
    iv_tensor_entry entries[N_STATES];
    iv_status status = IV_OK;
    for (size_t i = 0; i < N_STATES && status == IV_OK; i++) {
        entries[i] = (iv_tensor_entry){.name = state_names[i],
                                       .rank = 2,
                                       .shape = {p->n_members, p->stride},
                                       .data = values + i * n};
        status = iv_buffer_read(p->context, buffers[i], 0, n * sizeof *values, values + i * n);
    }
    if (status == IV_OK)
        status = iv_safetensors_write(path, entries, N_STATES, metadata, n_metadata, error);
    free(values);
    return status;
}

iv_status iv_checkpoint_read(const iv_safetensors *file, iv_parameters *p, iv_adam *adam) {
    iv_error *error = iv_context_error(p->context);
    cl_mem buffers[N_STATES];
    const iv_tensor_entry *entries[N_STATES];
    state_buffers(p, adam, buffers);
    for (size_t i = 0; i < N_STATES; i++) {
        const iv_tensor_entry *entry = entries[i] = iv_safetensors_find(file, state_names[i]);
        if (!entry || entry->rank != 2 || entry->shape[0] != p->n_members ||
            entry->shape[1] != p->stride)
            return iv_fail(error, IV_EDATA,
                           "the checkpoint holds another population: %s is not %zu x %zu",
                           state_names[i], p->n_members, p->stride);
    }
    iv_status status = IV_OK;
    for (size_t i = 0; i < N_STATES && status == IV_OK; i++)
        status = iv_buffer_write(p->context, buffers[i], 0,
                                 p->n_members * p->stride * sizeof(float), entries[i]->data);
    return status;
}

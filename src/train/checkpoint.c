/* Checkpoints: the whole state of a population in one safetensors file. */
#include "train/train.h"

#include <stdlib.h>

enum { MAX_STATES = 1 + IV_MAX_OPTIMIZER_STATES };

/* A tensor of the file: the parameters, or what their optimizer keeps. */
typedef struct {
    const char *name;
    cl_mem buffer; /* [n_members, stride] */
} state;

static size_t list_states(const iv_parameters *p, const iv_optimizer *o, state list[MAX_STATES]) {
    list[0] = (state){"parameters", p->values};
    for (size_t i = 0; i < o->method->n_states; i++)
        list[1 + i] = (state){o->method->states[i], o->states[i]};
    return 1 + o->method->n_states;
}

iv_status iv_checkpoint_write(const char *path, iv_parameters *p, iv_optimizer *optimizer,
                              iv_posterior *posterior, const iv_metadata *metadata,
                              size_t n_metadata) {
    (void)posterior;
    iv_error *error = iv_context_error(p->context);
    state states[MAX_STATES];
    const size_t n_states = list_states(p, optimizer, states), n = p->n_members * p->stride;
    float *values = malloc(n_states * n * sizeof *values);
    if (!values) return iv_fail(error, IV_ENOMEM, "out of memory for a checkpoint");

    iv_tensor_entry entries[MAX_STATES];
    iv_status status = IV_OK;
    for (size_t i = 0; i < n_states && status == IV_OK; i++) {
        entries[i] = (iv_tensor_entry){.name = states[i].name,
                                       .rank = 2,
                                       .shape = {p->n_members, p->stride},
                                       .data = values + i * n};
        status =
            iv_buffer_read(p->context, states[i].buffer, 0, n * sizeof *values, values + i * n);
    }
    if (status == IV_OK)
        status = iv_safetensors_write(path, entries, n_states, metadata, n_metadata, error);
    free(values);
    return status;
}

iv_status iv_checkpoint_read(const iv_safetensors *file, iv_parameters *p, iv_optimizer *optimizer,
                             iv_posterior *posterior) {
    (void)posterior;
    iv_error *error = iv_context_error(p->context);
    const iv_optimizer_method *ours = optimizer->method;
    const iv_optimizer_method *theirs = iv_optimizer_method_of(file);
    if (iv_safetensors_find(file, "parameters") && theirs != ours)
        return iv_fail(error, IV_EDATA, "the checkpoint is of another optimizer: %s, not %s",
                       theirs ? theirs->title : "one that is not known", ours->title);

    state states[MAX_STATES];
    const iv_tensor_entry *entries[MAX_STATES];
    const size_t n_states = list_states(p, optimizer, states);
    for (size_t i = 0; i < n_states; i++) {
        const iv_tensor_entry *entry = entries[i] = iv_safetensors_find(file, states[i].name);
        if (!entry || entry->rank != 2 || entry->shape[0] != p->n_members ||
            entry->shape[1] != p->stride)
            return iv_fail(error, IV_EDATA,
                           "the checkpoint holds another population: %s is not %zu x %zu",
                           states[i].name, p->n_members, p->stride);
    }
    iv_status status = IV_OK;
    for (size_t i = 0; i < n_states && status == IV_OK; i++)
        status = iv_buffer_write(p->context, states[i].buffer, 0,
                                 p->n_members * p->stride * sizeof(float), entries[i]->data);
    return status;
}

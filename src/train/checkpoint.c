/* Checkpoints: the whole state of a population in one safetensors file. */
#include "train/posterior.h"

#include <stdlib.h>

enum { MAX_STATES = 1 + IV_MAX_OPTIMIZER_STATES + IV_MAX_POSTERIOR_STATES };

/* The tensors of the file: the parameters, what their optimizer keeps, a posterior's. */
static size_t list_states(const iv_parameters *p, const iv_optimizer *o,
                          const iv_posterior *posterior, iv_state list[MAX_STATES]) {
    size_t n = 0;
    list[n++] = (iv_state){"parameters", p->values, p->stride};
    for (size_t i = 0; i < o->method->n_states; i++)
        list[n++] = (iv_state){o->method->states[i], o->states[i], p->stride};
    return n + iv_posterior_states(posterior, list + n);
}

iv_status iv_checkpoint_write(const char *path, iv_parameters *p, iv_optimizer *optimizer,
                              iv_posterior *posterior, const iv_metadata *metadata,
                              size_t n_metadata) {
    iv_error *error = iv_context_error(p->context);
    iv_state states[MAX_STATES];
    const size_t n_states = list_states(p, optimizer, posterior, states);
    size_t n = 0;
    for (size_t i = 0; i < n_states; i++) n += p->n_members * states[i].stride;
    float *values = malloc(n * sizeof *values);
    if (!values) return iv_fail(error, IV_ENOMEM, "out of memory for a checkpoint");

    iv_tensor_entry entries[MAX_STATES];
    iv_status status = IV_OK;
    float *next = values;
    for (size_t i = 0; i < n_states && status == IV_OK; i++) {
        const size_t n_state = p->n_members * states[i].stride;
        entries[i] = (iv_tensor_entry){.name = states[i].name,
                                       .rank = 2,
                                       .shape = {p->n_members, states[i].stride},
                                       .data = next};
        status = iv_buffer_read(p->context, states[i].buffer, 0, n_state * sizeof *next, next);
        next += n_state;
    }
    if (status == IV_OK)
        status = iv_safetensors_write(path, entries, n_states, metadata, n_metadata, error);
    free(values);
    return status;
}

/* Whether a file has as many tensors of a posterior as this one (may be NULL) has. */
static bool same_posterior(const iv_safetensors *file, const iv_posterior *posterior) {
    iv_state states[IV_MAX_POSTERIOR_STATES];
    size_t n = 0;
    for (size_t i = 0; i < iv_safetensors_count(file); i++)
        n += iv_posterior_owns(iv_safetensors_get(file, i)->name);
    return n == iv_posterior_states(posterior, states);
}

iv_status iv_checkpoint_read(const iv_safetensors *file, iv_parameters *p, iv_optimizer *optimizer,
                             iv_posterior *posterior) {
    iv_error *error = iv_context_error(p->context);
    const iv_optimizer_method *ours = optimizer->method;
    const iv_optimizer_method *theirs = iv_optimizer_method_of(file);
    if (iv_safetensors_find(file, "parameters") && theirs != ours)
        return iv_fail(error, IV_EDATA, "the checkpoint is of another optimizer: %s, not %s",
                       theirs ? theirs->title : "one that is not known", ours->title);
    if (!same_posterior(file, posterior))
        return iv_fail(error, IV_EDATA,
                       "the checkpoint holds another population: its posterior is of another kind");

    iv_state states[MAX_STATES];
    const iv_tensor_entry *entries[MAX_STATES];
    const size_t n_states = list_states(p, optimizer, posterior, states);
    for (size_t i = 0; i < n_states; i++) {
        const iv_tensor_entry *entry = entries[i] = iv_safetensors_find(file, states[i].name);
        if (!entry || entry->rank != 2 || entry->shape[0] != p->n_members ||
            entry->shape[1] != states[i].stride)
            return iv_fail(error, IV_EDATA,
                           "the checkpoint holds another population: %s is not %zu x %zu",
                           states[i].name, p->n_members, states[i].stride);
    }
    iv_status status = IV_OK;
    for (size_t i = 0; i < n_states && status == IV_OK; i++)
        status = iv_buffer_write(p->context, states[i].buffer, 0,
                                 p->n_members * states[i].stride * sizeof(float), entries[i]->data);
    return status;
}

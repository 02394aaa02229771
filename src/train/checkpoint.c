/* Checkpoints: the whole state of a population in one safetensors file. */
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

static size_t count_kept(const iv_state *const *states, size_t n_states) {
    size_t n = 0;
    for (size_t s = 0; s < n_states; s++) n += states[s]->n_kept;
    return n;
}

static size_t n_elements(const iv_state *state, const iv_saved *kept) {
    return state->n_members * kept->view.stride;
}

iv_status iv_checkpoint_write(const char *path, const iv_state *const *states, size_t n_states,
                              const iv_metadata *metadata, size_t n_metadata) {
    iv_context *context = states[0]->context;
    iv_error *error = iv_context_error(context);
    size_t n = 0, n_entries = 0;
    for (size_t s = 0; s < n_states; s++)
        for (size_t i = 0; i < states[s]->n_kept; i++)
            n += n_elements(states[s], &states[s]->kept[i]);
    iv_tensor_entry *entries = calloc(count_kept(states, n_states) + 1, sizeof *entries);
    float *values = malloc((n + 1) * sizeof *values), *next = values;
    iv_status status =
        entries && values ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory for a checkpoint");
    for (size_t s = 0; s < n_states && status == IV_OK; s++)
        for (size_t i = 0; i < states[s]->n_kept && status == IV_OK; i++) {
            const iv_saved *kept = &states[s]->kept[i];
            entries[n_entries++] =
                (iv_tensor_entry){.name = kept->name,
                                  .rank = 2,
                                  .shape = {states[s]->n_members, kept->view.stride},
                                  .data = next};
            const size_t n_kept = n_elements(states[s], kept);
            status = iv_buffer_read(context, kept->view.buffer, 0, n_kept * sizeof *next, next);
            next += n_kept;
        }
    if (status == IV_OK)
        status = iv_safetensors_write_sealed(path, entries, n_entries, metadata, n_metadata, error);
    free(entries);
    free(values);
    return status;
}

/* ------------------------------------------------------------------ reading */

static iv_status check_state(const iv_safetensors *file, const iv_state *state, iv_error *error) {
    const char *kind = state->kind_in ? state->kind_in(file) : NULL;
    if (kind && kind != state->kind)
        return iv_fail(error, IV_EDATA, "the checkpoint is of another %s: %s, not %s", state->what,
                       kind, state->kind);
    for (size_t i = 0; i < state->n_kept; i++) {
        const iv_saved *kept = &state->kept[i];
        const iv_tensor_entry *entry = iv_safetensors_find(file, kept->name);
        if (!entry || entry->rank != 2 || entry->shape[0] != state->n_members ||
            entry->shape[1] != kept->view.stride)
            return iv_fail(error, IV_EDATA,
                           "the checkpoint holds another population: %s is not %zu x %zu",
                           kept->name, state->n_members, kept->view.stride);
    }
    return IV_OK;
}

static bool is_kept(const char *name, const iv_state *const *states, size_t n_states) {
    for (size_t s = 0; s < n_states; s++)
        for (size_t i = 0; i < states[s]->n_kept; i++)
            if (strcmp(states[s]->kept[i].name, name) == 0) return true;
    return false;
}

iv_status iv_checkpoint_read(const iv_safetensors *file, const iv_state *const *states,
                             size_t n_states) {
    iv_context *context = states[0]->context;
    iv_error *error = iv_context_error(context);
    iv_status status = IV_OK;
    for (size_t s = 0; s < n_states && status == IV_OK; s++)
        status = check_state(file, states[s], error);
    for (size_t i = 0; i < iv_safetensors_count(file) && status == IV_OK; i++) {
        const char *name = iv_safetensors_get(file, i)->name;
        if (!is_kept(name, states, n_states))
            status =
                iv_fail(error, IV_EDATA,
                        "the checkpoint holds another population: nothing here is called %s", name);
    }
    for (size_t s = 0; s < n_states && status == IV_OK; s++)
        for (size_t i = 0; i < states[s]->n_kept && status == IV_OK; i++) {
            const iv_saved *kept = &states[s]->kept[i];
            status = iv_buffer_write(context, kept->view.buffer, 0,
                                     n_elements(states[s], kept) * sizeof(float),
                                     iv_safetensors_find(file, kept->name)->data);
        }
    return status;
}

iv_status iv_states_prepare(const iv_state *const *states, size_t n_states, uint32_t step) {
    iv_status status = IV_OK;
    for (size_t s = 0; s < n_states && status == IV_OK; s++)
        if (states[s]->prepare) status = states[s]->prepare(states[s]->owner, step);
    return status;
}

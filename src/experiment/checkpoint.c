/* A population's training on disk, and the log that belongs to it. */
#include "experiment/experiment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_TEXT = 20 }; /* characters of one number in a list of a checkpoint */

static const char checkpoint_name[] = "checkpoint/population.safetensors";

static uint64_t checkpoint_number(const iv_safetensors *file, const char *key) {
    const char *text = iv_safetensors_metadata(file, key);
    return text ? strtoull(text, NULL, 10) : 0;
}

/* Losses, or else epochs of divergence, one after another. */
static char *list_numbers(const iv_position *position, bool losses) {
    char *text = calloc(position->n_members + 1, NUMBER_TEXT);
    for (size_t r = 0, n = 0; r < position->n_members && text; r++)
        n += losses ? (size_t)snprintf(text + n, NUMBER_TEXT, "%.9g ", (double)position->losses[r])
                    : (size_t)snprintf(text + n, NUMBER_TEXT, "%" PRIu32 " ",
                                       position->diverged_from[r]);
    return text;
}

iv_status experiment_save(const iv_experiment *x, size_t index, const iv_model *model,
                          iv_optimizer *optimizer, const iv_position *position) {
    char population[24], step[24], boundary[24], offset[24];
    uint64_t log_bytes;
    iv_status status = iv_log_flush(x->log, &log_bytes, iv_context_error(x->context));
    if (status != IV_OK) return status;

    char *losses = list_numbers(position, true), *diverged = list_numbers(position, false);
    char *path = iv_run_dir_file(x->job->dir, checkpoint_name);
    snprintf(population, sizeof population, "%zu", index);
    snprintf(step, sizeof step, "%" PRIu32, position->step);
    snprintf(boundary, sizeof boundary, "%zu", position->next_boundary);
    snprintf(offset, sizeof offset, "%" PRIu64, log_bytes);
    const iv_metadata metadata[] = {{"population", population},  {"step", step},
                                    {"next_boundary", boundary}, {"log_bytes", offset},
                                    {"losses", losses},          {"diverged_from", diverged}};
    const iv_state *states[EXPERIMENT_STATES];
    const size_t n_states = experiment_states(model, optimizer, states);
    status = losses && diverged && path ? iv_checkpoint_write(path, states, n_states, metadata,
                                                              sizeof metadata / sizeof *metadata)
                                        : iv_no_memory(x->context);
    free(losses);
    free(diverged);
    free(path);
    return status;
}

iv_status experiment_save_stopped(const iv_experiment *x, size_t index, const iv_model *model,
                                  iv_optimizer *optimizer, const iv_position *position) {
    iv_error *error = iv_context_error(x->context);
    const iv_error reason = *error;
    iv_error_clear(error);
    const iv_status status = experiment_save(x, index, model, optimizer, position);
    if (status != IV_OK) return status;
    *error = reason;
    return reason.status;
}

iv_status experiment_load(iv_experiment *x, iv_model *model, iv_optimizer *optimizer,
                          size_t boundary_steps, iv_position *position) {
    iv_safetensors *file = x->checkpoint;
    const iv_state *states[EXPERIMENT_STATES];
    const size_t n_states = experiment_states(model, optimizer, states);
    iv_status status = iv_checkpoint_read(file, states, n_states);
    if (status != IV_OK) return status;
    position->step = (uint32_t)checkpoint_number(file, "step");
    position->next_boundary = (size_t)checkpoint_number(file, "next_boundary");
    const size_t begun = (position->step + boundary_steps - 1) / boundary_steps;
    if (begun > position->next_boundary)
        return iv_fail(iv_context_error(x->context), IV_EDATA,
                       "the checkpoint is of other batches: step %" PRIu32
                       " lies past point %zu, which are %zu steps apart",
                       position->step, position->next_boundary, boundary_steps);
    const char *losses = iv_safetensors_metadata(file, "losses");
    const char *diverged = iv_safetensors_metadata(file, "diverged_from");
    for (size_t r = 0; r < position->n_members; r++) {
        char *end;
        if (losses) {
            position->losses[r] = strtof(losses, &end);
            losses = end;
        }
        if (diverged) {
            position->diverged_from[r] = (uint32_t)strtoul(diverged, &end, 10);
            diverged = end;
        }
    }
    iv_safetensors_close(file);
    x->checkpoint = NULL;
    return iv_states_prepare(states, n_states, position->step);
}

/* ------------------------------------------------------------------ the log */

iv_status experiment_open_log(iv_experiment *x, size_t *first) {
    iv_error *error = iv_context_error(x->context);
    char *saved = iv_run_dir_file(x->job->dir, checkpoint_name);
    char *metrics = iv_run_dir_file(x->job->dir, "metrics.jsonl");
    iv_status status = saved && metrics ? IV_OK : iv_no_memory(x->context);
    uint64_t log_bytes = 0;
    *first = 0;
    FILE *exists = status == IV_OK && x->job->resume ? fopen(saved, "rb") : NULL;
    if (exists) {
        fclose(exists);
        status = iv_safetensors_open(saved, &x->checkpoint, error);
        if (status == IV_OK) {
            *first = (size_t)checkpoint_number(x->checkpoint, "population");
            log_bytes = checkpoint_number(x->checkpoint, "log_bytes");
        }
    }
    if (status == IV_OK) status = iv_log_open(metrics, log_bytes, &x->log, error);
    free(saved);
    free(metrics);
    return status;
}

iv_status experiment_close_log(iv_experiment *x, iv_status status) {
    iv_error late = {0};
    const iv_status closed = iv_log_close(x->log, &late);
    x->log = NULL;
    if (status != IV_OK || closed == IV_OK) return status;
    return iv_fail(iv_context_error(x->context), closed, "%s", late.message);
}

/* A population's training on disk, and the log that belongs to it. */
#include "experiment/experiment.h"

#include "report/log_join.h"
#include "runtime/open.h"
#include "runtime/sha256.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT = 20 }; /* characters of one number in a list of a checkpoint */

/* Of the run, or of the part of it that several processes share. */
static char *checkpoint_path(const iv_experiment *x, const char *part) {
    char name[EXPERIMENT_PATH];
    snprintf(name, sizeof name, "%s", "checkpoint/population.safetensors");
    if (*part) snprintf(name, sizeof name, "%s/checkpoint.safetensors", part);
    return iv_run_dir_file(x->job->dir, name);
}

static char *log_path(const iv_experiment *x, const char *part) {
    char name[EXPERIMENT_PATH];
    snprintf(name, sizeof name, "%s%smetrics.jsonl", part, *part ? "/" : "");
    return iv_run_dir_file(x->job->dir, name);
}

static iv_status fail_number(const iv_experiment *x, const char *key) {
    return iv_fail(iv_context_error(x->context), IV_EDATA,
                   "the checkpoint's `%s` is not what it can be", key);
}

/* A whole number from `least` to `most`. */
static iv_status read_number(const iv_experiment *x, const char *key, uint64_t least, uint64_t most,
                             uint64_t *number) {
    const char *text = iv_safetensors_metadata(x->checkpoint, key);
    char *end = NULL;
    errno = 0;
    *number = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    const bool good = end && !*end && errno == 0 && *number >= least && *number <= most;
    return good ? IV_OK : fail_number(x, key);
}

iv_status experiment_hash_spec(const iv_experiment *x, char hex[IV_SHA256_HEX]) {
    iv_error *error = iv_context_error(x->context);
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    iv_status status =
        stream ? iv_spec_write(x->job->spec, stream, error) : iv_no_memory(x->context);
    if (stream && fclose(stream) != 0 && status == IV_OK) status = iv_no_memory(x->context);
    if (status == IV_OK && !iv_sha256_bytes(text, size, hex))
        status = iv_fail(error, IV_EFAILED, "the SHA-256 of the spec cannot be computed");
    free(text);
    return status;
}

/* ------------------------------------------------------------------ saving */

static char *list_losses(const iv_position *position) {
    char *text = calloc(position->n_members + 1, NUMBER_TEXT);
    for (size_t r = 0, n = 0; r < position->n_members && text; r++)
        n += (size_t)snprintf(text + n, NUMBER_TEXT, "%.9g ", (double)position->losses[r]);
    return text;
}

char *experiment_list_epochs(const uint32_t *diverged_from, size_t n_members) {
    char *text = calloc(n_members + 1, NUMBER_TEXT);
    for (size_t r = 0, n = 0; r < n_members && text; r++)
        n += (size_t)snprintf(text + n, NUMBER_TEXT, "%" PRIu32 " ", diverged_from[r]);
    return text;
}

iv_status experiment_save(const iv_experiment *x, size_t index, const iv_model *model,
                          iv_optimizer *optimizer, const iv_position *position) {
    char population[24], step[24], boundary[24], offset[24];
    char spec[IV_SHA256_HEX];
    iv_log_mark mark;
    iv_status status = iv_log_flush(x->log, &mark, iv_context_error(x->context));
    if (status == IV_OK) status = experiment_hash_spec(x, spec);
    if (status != IV_OK) return status;

    char *losses = list_losses(position);
    char *diverged = experiment_list_epochs(position->diverged_from, position->n_members);
    char *path = checkpoint_path(x, x->part);
    snprintf(population, sizeof population, "%zu", index);
    snprintf(step, sizeof step, "%" PRIu32, position->step);
    snprintf(boundary, sizeof boundary, "%zu", position->next_boundary);
    snprintf(offset, sizeof offset, "%" PRIu64, mark.bytes);
    const iv_metadata metadata[] = {{"population", population},  {"step", step},
                                    {"next_boundary", boundary}, {"log_bytes", offset},
                                    {"log_sha256", mark.sha256}, {"spec_sha256", spec},
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

/* ------------------------------------------------------------------ going on */

/* Of every member; a loss may be no number. */
static iv_status read_lists(const iv_experiment *x, uint64_t most_epochs, iv_position *position) {
    const char *losses = iv_safetensors_metadata(x->checkpoint, "losses");
    const char *diverged = iv_safetensors_metadata(x->checkpoint, "diverged_from");
    if (!losses) return fail_number(x, "losses");
    if (!diverged) return fail_number(x, "diverged_from");
    for (size_t r = 0; r < position->n_members; r++) {
        char *end;
        position->losses[r] = strtof(losses, &end);
        if (end == losses || *end != ' ') return fail_number(x, "losses");
        losses = end + 1;
        const bool digit = *diverged >= '0' && *diverged <= '9';
        const unsigned long epoch = digit ? strtoul(diverged, &end, 10) : ULONG_MAX;
        if (!digit || *end != ' ' || epoch > most_epochs) return fail_number(x, "diverged_from");
        position->diverged_from[r] = (uint32_t)epoch;
        diverged = end + 1;
    }
    if (*losses) return fail_number(x, "losses");
    return *diverged ? fail_number(x, "diverged_from") : IV_OK;
}

/* After boundary number b, and before the next or at it. */
static iv_status read_position(const iv_experiment *x, const experiment_boundaries *all,
                               uint64_t most_epochs, iv_position *position) {
    uint64_t boundary, step, first = 0, last = 0;
    iv_status status = read_number(x, "next_boundary", 0, all->n + 1, &boundary);
    if (boundary > 0) first = (boundary - 1) * all->steps_between;
    if (boundary > 0) last = first + all->steps_between;
    if (first > all->steps) first = all->steps;
    if (last > all->steps) last = all->steps;
    if (status == IV_OK) status = read_number(x, "step", first, last, &step);
    if (status == IV_OK) status = read_lists(x, most_epochs, position);
    if (status != IV_OK) return status;
    position->step = (uint32_t)step;
    position->next_boundary = (size_t)boundary;
    return IV_OK;
}

static iv_status load(iv_experiment *x, iv_model *model, iv_optimizer *optimizer,
                      const experiment_boundaries *all, iv_position *position) {
    const iv_state *states[EXPERIMENT_STATES];
    const size_t n_states = experiment_states(model, optimizer, states);
    iv_status status = read_position(x, all, model->population->epochs, position);
    if (status == IV_OK) status = iv_checkpoint_read(x->checkpoint, states, n_states);
    if (status != IV_OK) return status;
    iv_safetensors_close(x->checkpoint);
    x->checkpoint = NULL;
    return iv_states_prepare(states, n_states, position->step);
}

/* A checkpoint that is refused says why, and what can be done. */
static iv_status refused(const iv_experiment *x, iv_status status) {
    iv_error *error = iv_context_error(x->context);
    if (status != IV_EDATA) return status;
    const iv_error reason = *error;
    char *path = checkpoint_path(x, x->before);
    iv_error_clear(error);
    (void)iv_fail(error, status,
                  "%s: the run cannot go on from it: %s; put back an undamaged copy of the run "
                  "directory, or remove this file to train from the beginning",
                  path ? path : "the checkpoint", reason.message);
    free(path);
    return status;
}

iv_status experiment_load(iv_experiment *x, iv_model *model, iv_optimizer *optimizer,
                          const experiment_boundaries *all, iv_position *position) {
    return refused(x, load(x, model, optimizer, all, position));
}

/* ------------------------------------------------------------------ the log */

/* What the checkpoint says of the run: that it is of this spec, of which population, and how far
 * the log had come. */
static iv_status read_checkpoint(iv_experiment *x, const char *path, size_t *population,
                                 iv_log_mark *mark) {
    iv_error *error = iv_context_error(x->context);
    char spec[IV_SHA256_HEX];
    uint64_t index = 0;
    iv_status status = iv_safetensors_open_sealed(path, &x->checkpoint, error);
    if (status == IV_OK) status = experiment_hash_spec(x, spec);
    if (status != IV_OK) return status;
    const char *of = iv_safetensors_metadata(x->checkpoint, "spec_sha256");
    const char *log = iv_safetensors_metadata(x->checkpoint, "log_sha256");
    if (!of || strcmp(of, spec) != 0)
        return iv_fail(error, IV_EDATA, "the checkpoint is of another spec");
    if (!log || strlen(log) >= sizeof mark->sha256) return fail_number(x, "log_sha256");
    snprintf(mark->sha256, sizeof mark->sha256, "%s", log);
    status = read_number(x, "population", 0, x->populations.n - 1, &index);
    if (status == IV_OK) status = read_number(x, "log_bytes", 0, INT64_MAX, &mark->bytes);
    *population = (size_t)index;
    return status;
}

iv_status experiment_open_log(iv_experiment *x, size_t *first) {
    iv_error *error = iv_context_error(x->context);
    char *saved = checkpoint_path(x, x->before), *metrics = log_path(x, x->part);
    char *logged = log_path(x, x->before);
    iv_status status = saved && metrics && logged ? IV_OK : iv_no_memory(x->context);
    iv_log_mark mark = {0};
    bool exists = false;
    *first = 0;
    if (status == IV_OK && x->job->resume) status = iv_path_exists(saved, &exists, error);
    if (status == IV_OK && exists) status = refused(x, read_checkpoint(x, saved, first, &mark));
    if (status == IV_OK && exists && strcmp(x->part, x->before) != 0)
        status = refused(x, iv_log_copy(logged, mark.bytes, metrics, error));
    if (status == IV_OK)
        status = refused(x, iv_log_open(metrics, exists ? &mark : NULL, &x->log, error));
    free(saved);
    free(metrics);
    free(logged);
    return status;
}

iv_status experiment_close_log(iv_experiment *x, iv_status status) {
    iv_error late = {0};
    const iv_status closed = iv_log_close(x->log, &late);
    x->log = NULL;
    if (status != IV_OK || closed == IV_OK) return status;
    return iv_fail(iv_context_error(x->context), closed, "%s", late.message);
}

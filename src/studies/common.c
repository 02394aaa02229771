/* What the studies share: model files, checkpoints, the log, divergence, names. */
#include "studies/common.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT = 20 }; /* characters of one number in a list of a checkpoint */

static const char checkpoint_name[] = "checkpoint/population.safetensors";
static const char diverged_key[] = "diverged_from"; /* of a model file */

void study_say(const iv_study_job *job, const char *text) {
    if (job->message) job->message(job->message_state, text);
}

iv_status study_out_of_memory(iv_context *context) {
    return iv_fail(iv_context_error(context), IV_ENOMEM, "out of memory");
}

iv_status study_upload(iv_context *context, const void *data, size_t bytes, cl_mem *buffer) {
    iv_status status = iv_buffer_create(context, bytes, buffer);
    if (status == IV_OK) status = iv_buffer_write(context, *buffer, 0, bytes, data);
    return status;
}

/* ------------------------------------------------------------------ model files */

void study_model_name(const iv_spec_run *run, uint32_t seed, char name[STUDY_PATH]) {
    snprintf(name, STUDY_PATH, "models/%s-seed%" PRIu32 ".safetensors", run->name, seed);
}

iv_status study_export(const iv_study_job *job, const iv_parameters *parameters,
                       const iv_posterior *posterior, size_t member, const iv_spec_run *run,
                       uint32_t seed, uint32_t diverged_from) {
    char name[STUDY_PATH], seed_text[16], epoch[16], *config = NULL;
    study_model_name(run, seed, name);
    snprintf(seed_text, sizeof seed_text, "%" PRIu32, seed);
    snprintf(epoch, sizeof epoch, "%" PRIu32, diverged_from);
    char *path = iv_run_dir_file(job->dir, name);
    iv_status status = path ? iv_spec_json(run->config, &config, iv_context_error(job->context))
                            : study_out_of_memory(job->context);
    if (status == IV_OK) {
        const iv_metadata metadata[] = {
            {"name", run->name}, {"seed", seed_text}, {"run", config}, {diverged_key, epoch}};
        status = iv_parameters_export(parameters, posterior, member, path, metadata,
                                      diverged_from > 0 ? 4 : 3);
    }
    free(config);
    free(path);
    return status;
}

static iv_status read_divergence(const char *path, uint32_t *diverged_from, iv_error *error) {
    iv_safetensors *file;
    const iv_status status = iv_safetensors_open(path, &file, error);
    if (status != IV_OK) return status;
    const char *epoch = iv_safetensors_metadata(file, diverged_key);
    *diverged_from = epoch ? (uint32_t)strtoul(epoch, NULL, 10) : 0;
    iv_safetensors_close(file);
    return IV_OK;
}

iv_status study_import(const iv_study_job *job, iv_parameters *parameters, iv_posterior *posterior,
                       size_t member, const iv_spec_run *run, uint32_t seed,
                       uint32_t *diverged_from) {
    char name[STUDY_PATH];
    study_model_name(run, seed, name);
    char *path = iv_run_dir_file(job->dir, name);
    iv_status status = path ? iv_parameters_import(parameters, posterior, member, path)
                            : study_out_of_memory(job->context);
    if (status == IV_OK && diverged_from)
        status = read_divergence(path, diverged_from, iv_context_error(job->context));
    free(path);
    return status;
}

/* ------------------------------------------------------------------ training */

void study_training_clear(study_training *t) {
    iv_plan_destroy(t->plan);
    iv_graph_destroy(t->graph);
    iv_optimizer_destroy(t->optimizer);
    memset(t, 0, sizeof *t);
}

iv_status study_train(const iv_study_job *job, const study_training *training,
                      study_position *position, size_t n_epochs, double save_at,
                      const iv_progress *progress, const char *label) {
    const uint32_t end = (uint32_t)(n_epochs * training->steps_per_epoch);
    const uint32_t boundary = (uint32_t)(position->next_epoch * training->steps_per_epoch);
    const uint32_t before = position->step;
    const double left = save_at - iv_seconds();
    const double seconds = save_at == 0 ? 0 : left > 0.001 ? left : 0.001;
    iv_status status = iv_train(job->context, training->plan, &position->step, boundary, end,
                                seconds, job->stop, progress, label);
    if (position->step != before && (status == IV_OK || status == IV_EINTERRUPTED)) {
        const iv_status read = iv_plan_read(training->plan, training->loss, position->losses);
        if (status == IV_OK) status = read;
    }
    return status;
}

/* ------------------------------------------------------------------ checkpoints */

static uint64_t checkpoint_number(const iv_safetensors *file, const char *key) {
    const char *text = iv_safetensors_metadata(file, key);
    return text ? strtoull(text, NULL, 10) : 0;
}

/* Losses, or else epochs of divergence, one after another. */
static char *list_numbers(const study_position *position, bool losses) {
    char *text = calloc(position->n_members + 1, NUMBER_TEXT);
    for (size_t r = 0, n = 0; r < position->n_members && text; r++)
        n += losses ? (size_t)snprintf(text + n, NUMBER_TEXT, "%.9g ", (double)position->losses[r])
                    : (size_t)snprintf(text + n, NUMBER_TEXT, "%" PRIu32 " ",
                                       position->diverged_from[r]);
    return text;
}

iv_status study_save(const iv_study_job *job, iv_log *log, size_t index, iv_parameters *parameters,
                     iv_optimizer *optimizer, iv_posterior *posterior,
                     const study_position *position) {
    char population[24], step[24], epoch[24], offset[24];
    uint64_t log_bytes;
    iv_status status = iv_log_flush(log, &log_bytes, iv_context_error(job->context));
    if (status != IV_OK) return status;

    const bool follows = position->diverged_from != NULL;
    char *losses = list_numbers(position, true);
    char *diverged = follows ? list_numbers(position, false) : NULL;
    char *path = iv_run_dir_file(job->dir, checkpoint_name);
    snprintf(population, sizeof population, "%zu", index);
    snprintf(step, sizeof step, "%" PRIu32, position->step);
    snprintf(epoch, sizeof epoch, "%zu", position->next_epoch);
    snprintf(offset, sizeof offset, "%" PRIu64, log_bytes);
    const iv_metadata metadata[] = {{"population", population}, {"step", step},
                                    {"next_epoch", epoch},      {"log_bytes", offset},
                                    {"losses", losses},         {"diverged_from", diverged}};
    status =
        losses && (diverged || !follows) && path
            ? iv_checkpoint_write(path, parameters, optimizer, posterior, metadata, follows ? 6 : 5)
            : study_out_of_memory(job->context);
    free(losses);
    free(diverged);
    free(path);
    return status;
}

iv_status study_save_after_interrupt(const iv_study_job *job, iv_log *log, size_t index,
                                     iv_parameters *parameters, iv_optimizer *optimizer,
                                     iv_posterior *posterior, const study_position *position) {
    iv_error *error = iv_context_error(job->context);
    const iv_error reason = *error;
    iv_error_clear(error);
    const iv_status status =
        study_save(job, log, index, parameters, optimizer, posterior, position);
    if (status != IV_OK) return status;
    *error = reason;
    return reason.status;
}

iv_status study_load(const iv_study_job *job, iv_safetensors **file, iv_parameters *parameters,
                     iv_optimizer *optimizer, iv_posterior *posterior, size_t steps_per_epoch,
                     study_position *position) {
    const iv_status status = iv_checkpoint_read(*file, parameters, optimizer, posterior);
    if (status != IV_OK) return status;
    position->step = (uint32_t)checkpoint_number(*file, "step");
    position->next_epoch = (size_t)checkpoint_number(*file, "next_epoch");
    const size_t begun = (position->step + steps_per_epoch - 1) / steps_per_epoch;
    if (begun > position->next_epoch)
        return iv_fail(iv_context_error(job->context), IV_EDATA,
                       "the checkpoint is of other batches: step %" PRIu32
                       " lies past epoch %zu of %zu steps",
                       position->step, position->next_epoch, steps_per_epoch);
    const char *losses = iv_safetensors_metadata(*file, "losses");
    const char *diverged = iv_safetensors_metadata(*file, "diverged_from");
    for (size_t r = 0; r < position->n_members; r++) {
        char *end;
        if (losses) {
            position->losses[r] = strtof(losses, &end);
            losses = end;
        }
        if (diverged && position->diverged_from) {
            position->diverged_from[r] = (uint32_t)strtoul(diverged, &end, 10);
            diverged = end;
        }
    }
    iv_safetensors_close(*file);
    *file = NULL;
    return IV_OK;
}

iv_status study_open_log(const iv_study_job *job, iv_safetensors **checkpoint, iv_log **log,
                         size_t *first) {
    iv_error *error = iv_context_error(job->context);
    char *saved = iv_run_dir_file(job->dir, checkpoint_name);
    char *metrics = iv_run_dir_file(job->dir, "metrics.jsonl");
    iv_status status = saved && metrics ? IV_OK : study_out_of_memory(job->context);
    uint64_t log_bytes = 0;
    *first = 0;
    *checkpoint = NULL;
    FILE *exists = status == IV_OK && job->resume ? fopen(saved, "rb") : NULL;
    if (exists) {
        fclose(exists);
        status = iv_safetensors_open(saved, checkpoint, error);
        if (status == IV_OK) {
            *first = (size_t)checkpoint_number(*checkpoint, "population");
            log_bytes = checkpoint_number(*checkpoint, "log_bytes");
        }
    }
    if (status == IV_OK) status = iv_log_open(metrics, log_bytes, log, error);
    free(saved);
    free(metrics);
    return status;
}

iv_status study_close_log(const iv_study_job *job, iv_log **log, iv_status status) {
    iv_error late = {0};
    const iv_status closed = iv_log_close(*log, &late);
    *log = NULL;
    if (status != IV_OK || closed == IV_OK) return status;
    return iv_fail(iv_context_error(job->context), closed, "%s", late.message);
}

/* ------------------------------------------------------------------ divergence */

void study_follow_divergence(const iv_study_job *job, study_position *position, size_t r,
                             bool finite, size_t epoch, const iv_spec_run *run, uint32_t seed,
                             double learning_rate) {
    if (finite || position->diverged_from[r] > 0) return;
    position->diverged_from[r] = (uint32_t)(epoch > 0 ? epoch : 1);
    char line[320];
    snprintf(line, sizeof line, "%s seed %" PRIu32 " diverged in epoch %zu (learning rate %g)",
             run->name, seed, epoch, learning_rate);
    study_say(job, line);
}

bool study_all_diverged(const study_position *position) {
    for (size_t r = 0; r < position->n_members; r++)
        if (position->diverged_from[r] == 0) return false;
    return true;
}

/* ------------------------------------------------------------------ names */

void study_label(const iv_spec_run *run, size_t n_members, size_t index, size_t n_populations,
                 char label[STUDY_PATH]) {
    snprintf(label, STUDY_PATH, "%.100s%s%.40s x %zu (%zu of %zu)", run->column,
             *run->variant ? " " : "", run->variant, n_members, index + 1, n_populations);
}

bool study_take_out(char *list, const char *piece) {
    const size_t length = strlen(piece);
    for (char *at = strstr(list, piece); at; at = strstr(at + 1, piece)) {
        char *end = at + length;
        if ((at > list && at[-1] != '-') || (*end != '-' && *end != '\0')) continue;
        if (*end == '-')
            end++;
        else if (at > list)
            at--;
        memmove(at, end, strlen(end) + 1);
        return true;
    }
    return false;
}

void study_separate(char *list) {
    /* a "-" before a digit is an exponent's sign */
    for (char *at = list; *at; at++)
        if (*at == '-' && !isdigit((unsigned char)at[1])) *at = ' ';
}

/* ------------------------------------------------------------------ results */

void study_published(const iv_spec *spec, const char *row, const char *run, const char *metric,
                     double *mean, double *std) {
    const iv_node *root = iv_spec_root(spec);
    *mean = *std = NAN;
    for (size_t i = 0; i < iv_spec_length(root, "published"); i++) {
        const iv_node *entry = iv_spec_element(root, "published", i);
        if (strcmp(iv_spec_string(entry, "row"), row) != 0 ||
            strcmp(iv_spec_string(entry, "run"), run) != 0 ||
            strcmp(iv_spec_string(entry, "metric"), metric) != 0)
            continue;
        *mean = iv_spec_number(entry, "mean");
        if (iv_spec_has(entry, "std")) *std = iv_spec_number(entry, "std");
    }
}

/* What was measured of a population that was trained in a part of the run, until all are put
 * together. The file is sealed, and says which log belongs to it; once it is there, the population
 * is done. */
#include "experiment/experiment.h"

#include "runtime/sha256.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char file_name[] = "measured.safetensors";

char *experiment_part(const iv_experiment *x, size_t index, const char *name) {
    char path[EXPERIMENT_PATH];
    snprintf(path, sizeof path, "parts/%zu%s%s", index + 1, *name ? "/" : "", name);
    return iv_run_dir_file(x->job->dir, path);
}

/* A double travels as two words of a file whose numbers are words. */
enum { WORDS = sizeof(double) / sizeof(float) };

iv_status experiment_keep_measured(const iv_experiment *x, size_t index, const double *values,
                                   const uint32_t *diverged_from, const iv_log_mark *mark) {
    const size_t n_members = x->populations.items[index].n_members;
    const size_t size = iv_values_size(x->study);
    char spec[IV_SHA256_HEX], bytes[24];
    iv_status status = experiment_hash_spec(x, spec);
    if (status != IV_OK) return status;
    char *path = experiment_part(x, index, file_name);
    char *diverged = experiment_list_epochs(diverged_from, n_members);
    float *words = malloc(n_members * size * sizeof *values + 1);
    if (!path || !diverged || !words) {
        status = iv_no_memory(x->context);
    } else {
        memcpy(words, values, n_members * size * sizeof *values);
        snprintf(bytes, sizeof bytes, "%" PRIu64, mark->bytes);
        const iv_tensor_entry tensor = {"values", 2, {n_members, WORDS * size}, words};
        const iv_metadata metadata[] = {{"spec_sha256", spec},
                                        {"log", x->part},
                                        {"log_bytes", bytes},
                                        {"log_sha256", mark->sha256},
                                        {"diverged_from", diverged}};
        status = iv_safetensors_write_sealed(path, &tensor, 1, metadata,
                                             sizeof metadata / sizeof *metadata,
                                             iv_context_error(x->context));
    }
    free(words);
    free(diverged);
    free(path);
    return status;
}

/* ------------------------------------------------------------------ reading */

static bool read_epochs(const char *text, size_t n, uint32_t most, uint32_t *epochs) {
    for (size_t r = 0; r < n; r++) {
        char *end;
        if (!text || *text < '0' || *text > '9') return false;
        const unsigned long epoch = strtoul(text, &end, 10);
        if (*end != ' ' || epoch > most) return false;
        epochs[r] = (uint32_t)epoch;
        text = end + 1;
    }
    return text && !*text;
}

/* "parts/1/work-2" */
static bool is_log_of(const char *log, size_t index) {
    char prefix[64];
    const int n = snprintf(prefix, sizeof prefix, "parts/%zu/work-", index + 1);
    if (!log || strncmp(log, prefix, (size_t)n) != 0) return false;
    const size_t digits = strspn(log + n, "0123456789");
    return digits > 0 && digits < 12 && !log[(size_t)n + digits];
}

static const char *take(const iv_experiment *x, const iv_safetensors *file, size_t index,
                        const char *spec, double *values, uint32_t *diverged_from,
                        iv_log_mark *mark) {
    const iv_population *p = &x->populations.items[index];
    const size_t size = iv_values_size(x->study);
    const char *of = iv_safetensors_metadata(file, "spec_sha256");
    const char *log = iv_safetensors_metadata(file, "log");
    const char *bytes = iv_safetensors_metadata(file, "log_bytes");
    const char *sha256 = iv_safetensors_metadata(file, "log_sha256");
    const char *diverged = iv_safetensors_metadata(file, "diverged_from");
    const iv_tensor_entry *tensor = iv_safetensors_find(file, "values");
    char *end = NULL;
    if (!of || strcmp(of, spec) != 0) return "it is of another spec";
    if (!tensor || tensor->rank != 2 || tensor->shape[0] != p->n_members ||
        tensor->shape[1] != WORDS * size)
        return "it holds other values than were measured";
    if (!is_log_of(log, index)) return "its `log` is not what it can be";
    errno = 0;
    mark->bytes = bytes && *bytes >= '0' && *bytes <= '9' ? strtoull(bytes, &end, 10) : 0;
    if (!end || *end || errno != 0 || mark->bytes > INT64_MAX)
        return "its `log_bytes` is not what it can be";
    if (!sha256 || strlen(sha256) + 1 != sizeof mark->sha256)
        return "its `log_sha256` is not what it can be";
    if (!read_epochs(diverged, p->n_members, (uint32_t)p->epochs, diverged_from))
        return "its `diverged_from` is not what it can be";
    memcpy(mark->sha256, sha256, sizeof mark->sha256);
    memcpy(values, tensor->data, p->n_members * size * sizeof *values);
    return NULL;
}

iv_status experiment_read_measured(const iv_experiment *x, size_t index, double *values,
                                   uint32_t *diverged_from, char work[EXPERIMENT_PATH],
                                   iv_log_mark *mark) {
    iv_error *error = iv_context_error(x->context), reason = {0};
    iv_safetensors *file = NULL;
    const char *wrong = NULL;
    char spec[IV_SHA256_HEX];
    char *path = experiment_part(x, index, file_name);
    iv_status status = path ? experiment_hash_spec(x, spec) : iv_no_memory(x->context);
    if (status == IV_OK) {
        status = iv_safetensors_open_sealed(path, &file, &reason);
        if (status == IV_OK) wrong = take(x, file, index, spec, values, diverged_from, mark);
        if (wrong) status = iv_fail(&reason, IV_EDATA, "%s", wrong);
        if (status != IV_OK)
            (void)iv_fail(error, status,
                          "%s: what was measured cannot be read: %s; remove this file to train its "
                          "population again",
                          path, reason.message);
    }
    if (status == IV_OK)
        snprintf(work, EXPERIMENT_PATH, "%s", iv_safetensors_metadata(file, "log"));
    iv_safetensors_close(file);
    free(path);
    return status;
}

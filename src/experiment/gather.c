/* The parts of a run to the whole: the log, population after population as one process would have
 * written it, and what was measured. */
#include "experiment/experiment.h"

#include "report/log_join.h"

#include <stdio.h>
#include <stdlib.h>

static iv_status read_part(iv_experiment *x, size_t index, experiment_measured *all,
                           iv_log_part *part) {
    char work[EXPERIMENT_PATH], log[EXPERIMENT_PATH + 32];
    iv_status status = experiment_read_measured(x, index, all->values[index], all->diverged[index],
                                                work, &part->mark);
    if (status != IV_OK) return status;
    snprintf(log, sizeof log, "%s/metrics.jsonl", work);
    part->path = iv_run_dir_file(x->job->dir, log);
    return part->path ? IV_OK : iv_no_memory(x->context);
}

iv_status experiment_gather(iv_experiment *x, experiment_measured *all) {
    iv_error *error = iv_context_error(x->context);
    const size_t n = x->populations.n;
    iv_log_mark whole;
    iv_log_part *parts = calloc(n + 1, sizeof *parts);
    char *path = iv_run_dir_file(x->job->dir, "metrics.jsonl");
    iv_status status = parts && path ? IV_OK : iv_no_memory(x->context);
    for (size_t i = 0; i < n && status == IV_OK; i++) status = read_part(x, i, all, &parts[i]);
    if (status == IV_OK) status = iv_log_join(path, parts, n, &whole, error);
    if (status == IV_OK) status = iv_log_open(path, &whole, &x->log, error);
    for (size_t i = 0; i < n && parts; i++) free(parts[i].path);
    free(parts);
    free(path);
    return status;
}

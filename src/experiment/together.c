/* Several processes train one run: each takes the longest population that nobody has, until none is
 * left; then one of them puts everything together. Who is left without work waits, to take over from
 * a process that dies. */
#include "experiment/experiment.h"

#include "report/lease.h"
#include "report/run_json.h"
#include "runtime/open.h"
#include "runtime/stop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const double shortest_pause = 0.05, longest_pause = 1;

typedef struct {
    size_t index;
    double flops;
    bool done, taken_before;
    iv_lease_watch watch;
} piece;

typedef struct {
    iv_experiment *x;
    piece *pieces; /* [n], the longest first */
    size_t n, n_done;
    iv_lease_watch merge_watch;
    bool waits; /* has nothing to do */
} work;

/* ------------------------------------------------------------------ the pieces */

static int by_length(const void *a, const void *b) {
    const piece *p = a, *q = b;
    if (p->flops != q->flops) return p->flops < q->flops ? 1 : -1;
    return p->index < q->index ? -1 : p->index > q->index;
}

static iv_status make_pieces(work *w) {
    iv_experiment *x = w->x;
    w->n = x->populations.n;
    w->pieces = calloc(w->n + 1, sizeof *w->pieces);
    if (!w->pieces) return iv_no_memory(x->context);
    iv_status status = IV_OK;
    for (size_t i = 0; i < w->n && status == IV_OK; i++) {
        double steps;
        w->pieces[i].index = i;
        w->pieces[i].flops = experiment_flops(x, &x->populations.items[i], &steps);
        char *folder = experiment_part(x, i, "");
        status = folder ? iv_make_directories(folder, iv_context_error(x->context))
                        : iv_no_memory(x->context);
        free(folder);
    }
    qsort(w->pieces, w->n, sizeof *w->pieces, by_length);
    return status;
}

static iv_status look_whether_done(work *w, piece *p) {
    if (p->done) return IV_OK;
    char *path = experiment_part(w->x, p->index, "measured.safetensors");
    const iv_status status = path ? iv_path_exists(path, &p->done, iv_context_error(w->x->context))
                                  : iv_no_memory(w->x->context);
    free(path);
    if (status == IV_OK && p->done) w->n_done++;
    return status;
}

/* ------------------------------------------------------------------ one piece */

/* The folder of the last claim before this one that left a checkpoint: x->before, or the own one. */
static iv_status find_checkpoint(iv_experiment *x, size_t index, unsigned number) {
    iv_error *error = iv_context_error(x->context);
    iv_status status = IV_OK;
    bool exists = false;
    snprintf(x->before, sizeof x->before, "%s", x->part);
    for (unsigned k = number - 1; k > 0 && !exists && status == IV_OK; k--) {
        char name[64];
        snprintf(name, sizeof name, "work-%u/checkpoint.safetensors", k);
        char *path = experiment_part(x, index, name);
        status = path ? iv_path_exists(path, &exists, error) : iv_no_memory(x->context);
        free(path);
        if (exists) snprintf(x->before, sizeof x->before, "parts/%zu/work-%u", index + 1, k);
    }
    return status;
}

/* What a done population needs no more. */
static void remove_checkpoints(const iv_experiment *x) {
    const char *const folders[] = {x->part, x->before};
    for (size_t i = 0; i < 2; i++) {
        char name[EXPERIMENT_PATH];
        snprintf(name, sizeof name, "%s/checkpoint.safetensors", folders[i]);
        char *path = iv_run_dir_file(x->job->dir, name);
        if (path) unlink(path);
        free(path);
    }
}

static iv_status open_part(iv_experiment *x, size_t index, unsigned number) {
    size_t of = index;
    snprintf(x->part, sizeof x->part, "parts/%zu/work-%u", index + 1, number);
    char *folder = iv_run_dir_file(x->job->dir, x->part);
    iv_status status = folder ? iv_make_directories(folder, iv_context_error(x->context))
                              : iv_no_memory(x->context);
    free(folder);
    if (status == IV_OK) status = find_checkpoint(x, index, number);
    if (status == IV_OK) status = experiment_open_log(x, &of);
    if (status == IV_OK && x->checkpoint && of != index)
        status = iv_fail(iv_context_error(x->context), IV_EDATA,
                         "%s/%s/checkpoint.safetensors: of another population; remove this file to "
                         "train from the beginning",
                         iv_run_dir_path(x->job->dir), x->before);
    return status;
}

static iv_status train_part(iv_experiment *x, size_t index) {
    const iv_population *p = &x->populations.items[index];
    iv_log_mark mark;
    double *values = experiment_values(x->study, p->n_members);
    uint32_t *diverged = calloc(p->n_members, sizeof *diverged);
    iv_status status = values && diverged ? IV_OK : iv_no_memory(x->context);
    if (status == IV_OK) status = experiment_run_population(x, index, false, values, diverged);
    if (status == IV_OK) experiment_report_population(x, p, values, diverged);
    if (status == IV_OK) status = iv_log_flush(x->log, &mark, iv_context_error(x->context));
    if (status == IV_OK) status = experiment_keep_measured(x, index, values, diverged, &mark);
    free(values);
    free(diverged);
    return status;
}

/* Whoever lost the lease has not failed: another process does the work. */
static iv_status end_of_part(work *w, piece *p, iv_lease *lease, iv_status status) {
    iv_experiment *x = w->x;
    iv_error *error = iv_context_error(x->context);
    const bool lost = status != IV_OK && iv_lease_is_lost(lease);
    if (status == IV_OK) remove_checkpoints(x);
    iv_lease_release(lease, status == IV_OK             ? NULL
                            : status == IV_EINTERRUPTED ? "interrupted"
                                                        : error->message);
    if (!lost || iv_stop_is_asked(x->job->stop)) return status;
    char label[EXPERIMENT_PATH], line[EXPERIMENT_PATH + 80];
    experiment_label(x, p->index, label);
    snprintf(line, sizeof line, "%s: another process has taken it over", label);
    iv_experiment_say(x, line);
    iv_error_clear(error);
    return IV_OK;
}

static double flops_done(const work *w) {
    double done = 0;
    for (size_t i = 0; i < w->n; i++)
        if (w->pieces[i].done) done += w->pieces[i].flops;
    return done;
}

static iv_status train_piece(work *w, piece *p, iv_lease *lease) {
    iv_experiment *x = w->x;
    const iv_job *job = x->job;
    iv_job own = *job;
    own.resume = true; /* from what an earlier holder has left */
    own.stop = iv_lease_stop(lease);
    x->job = &own;
    x->lease = lease;
    x->progress.done = flops_done(w);
    x->progress.present = 0;
    experiment_progress_population(x, &x->populations.items[p->index]);
    iv_status status = open_part(x, p->index, iv_lease_number(lease));
    if (status == IV_OK) status = train_part(x, p->index);
    if (x->log || status != IV_OK) status = experiment_close_log(x, status);
    iv_safetensors_close(x->checkpoint);
    x->checkpoint = NULL;
    x->lease = NULL;
    x->job = job;
    status = end_of_part(w, p, lease, status);
    x->part[0] = x->before[0] = '\0';
    return status;
}

/* Take a piece if it can be had, and train it. *worked: whether there was anything to do. */
static iv_status try_piece(work *w, piece *p, bool *worked) {
    iv_experiment *x = w->x;
    iv_error *error = iv_context_error(x->context);
    iv_lease *lease = NULL;
    iv_status status = look_whether_done(w, p);
    if (status != IV_OK || p->done) return status;
    char *folder = experiment_part(x, p->index, "");
    status = folder ? iv_lease_take(folder, &p->watch, x->job->stop, &lease, error)
                    : iv_no_memory(x->context);
    free(folder);
    if (status != IV_OK || !lease) return status;
    status = look_whether_done(w, p); /* it may have been, just before */
    if (status != IV_OK || p->done) {
        iv_lease_release(lease, NULL);
        return status;
    }
    *worked = true;
    if (w->waits) {
        w->waits = false;
        status = iv_run_dir_pause(x->job->dir, false, error);
    }
    if (status != IV_OK) {
        iv_lease_release(lease, error->message);
        return status;
    }
    return train_piece(w, p, lease);
}

/* ------------------------------------------------------------------ all of them */

/* Whether the run was put together, and the parts are gone. */
static iv_status is_finished(const iv_experiment *x, bool *is) {
    iv_error *error = iv_context_error(x->context);
    char *plan = iv_run_dir_file(x->job->dir, "parts/plan.json");
    char *json = iv_run_dir_file(x->job->dir, "run.json");
    bool exists = false;
    iv_run_json run = {0};
    iv_status status =
        plan && json ? iv_path_exists(plan, &exists, error) : iv_no_memory(x->context);
    *is = status == IV_OK && !exists;
    if (*is) status = iv_run_json_read(json, &run, error);
    if (*is && status == IV_OK && strcmp(run.status, "done") != 0)
        status = iv_fail(error, IV_EDATA, "%s: the parts of the run have been removed",
                         iv_run_dir_path(x->job->dir));
    iv_run_json_free(&run);
    free(plan);
    free(json);
    return status;
}

/* With the lease in hand, the run may turn out to be finished: then the lease's own folder is all that
 * is left of the parts. */
static iv_status try_merge(work *w, bool *finished, iv_lease **merge) {
    iv_experiment *x = w->x;
    char *folder = iv_run_dir_file(x->job->dir, "parts/merge");
    iv_error *error = iv_context_error(x->context);
    iv_status status = folder ? iv_make_directories(folder, error) : iv_no_memory(x->context);
    if (status == IV_OK) status = iv_lease_take(folder, &w->merge_watch, NULL, merge, error);
    free(folder);
    if (status == IV_OK && *merge) status = is_finished(x, finished);
    if (*merge && (status != IV_OK || *finished)) {
        iv_lease_release(*merge, NULL);
        *merge = NULL;
    }
    return status;
}

/* One look at everything there is to do. */
static iv_status look_around(work *w, bool *worked, bool *finished, iv_lease **merge) {
    iv_status status = is_finished(w->x, finished);
    for (size_t i = 0; i < w->n && status == IV_OK && !*finished && !*worked; i++) {
        status = iv_experiment_stopped(w->x);
        if (status == IV_OK) status = try_piece(w, &w->pieces[i], worked);
    }
    if (status == IV_OK && !*finished && w->n_done == w->n) status = try_merge(w, finished, merge);
    return status;
}

static iv_status begin_to_wait(work *w) {
    char line[160];
    if (w->waits) return IV_OK;
    w->waits = true;
    if (w->n_done < w->n)
        snprintf(line, sizeof line, "nothing is left to begin: other processes train %zu of %zu %s",
                 w->n - w->n_done, w->n, "populations");
    else
        snprintf(line, sizeof line, "all is trained: another process puts it together");
    iv_experiment_say(w->x, line);
    return iv_run_dir_pause(w->x->job->dir, true, iv_context_error(w->x->context));
}

iv_status experiment_work_together(iv_experiment *x, iv_lease **merge) {
    work w = {.x = x};
    iv_error *error = iv_context_error(x->context);
    double pause = shortest_pause;
    bool finished = false, leaves = false;
    *merge = NULL;
    iv_status status = make_pieces(&w);
    while (status == IV_OK && !finished && !leaves && !*merge) {
        bool worked = false;
        status = look_around(&w, &worked, &finished, merge);
        if (status != IV_OK && status != IV_EINTERRUPTED) {
            /* what is looked for may have been put together and removed meanwhile */
            const iv_error first = *error;
            iv_error_clear(error);
            if (is_finished(x, &finished) == IV_OK && finished)
                status = IV_OK;
            else
                *error = first;
        }
        if (status == IV_OK) status = finished || *merge ? IV_OK : iv_experiment_stopped(x);
        if (status != IV_OK || finished || *merge) break;
        if (worked) {
            pause = shortest_pause;
            continue;
        }
        status = begin_to_wait(&w);
        leaves = x->job->leave;
        if (status != IV_OK || leaves) break;
        const struct timespec time = {(time_t)pause, (long)((pause - (double)(time_t)pause) * 1e9)};
        nanosleep(&time, NULL);
        pause = 2 * pause < longest_pause ? 2 * pause : longest_pause;
    }
    free(w.pieces);
    /* what was made here while another process removed the parts */
    if (status == IV_OK && finished)
        status = iv_run_dir_remove_parts(iv_run_dir_path(x->job->dir), error);
    return status;
}

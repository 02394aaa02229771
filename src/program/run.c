/* One run from its spec to its report: in which order, and what is left behind when it fails. */
#include "program/program.h"

#include "runtime/open.h"

#include <invar/linalg.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything a run holds open. */
typedef struct {
    const iv_run_options *options;
    iv_spec *spec;
    char *spec_text;
    iv_context *context;
    iv_run_dir *dir;
    uint64_t *seeds;
    iv_results *results;
    char data_dir[4096];
    bool done; /* run.json says so */
    bool join; /* one of several processes */
    bool resume;
} running;

static iv_status read_seeds(running *r, iv_error *error) {
    const iv_node *root = iv_spec_root(r->spec);
    const size_t n = iv_spec_length(root, "seeds");
    r->seeds = malloc(n * sizeof *r->seeds);
    if (!r->seeds) return iv_fail(error, IV_ENOMEM, "out of memory for the seeds");
    for (size_t i = 0; i < n; i++)
        r->seeds[i] = (uint64_t)iv_spec_integer(iv_spec_element(root, "seeds", i), "");
    return IV_OK;
}

static iv_status open_directory(running *r, iv_error *error) {
    char engine[64];
    iv_gemm_describe(r->context, engine, sizeof engine);
    const iv_node *root = iv_spec_root(r->spec);
    const iv_run_dir_options options = {
        .path = r->options->out,
        .name = iv_spec_string(root, "name"),
        .device = iv_context_device(r->context),
        .seeds = r->seeds,
        .n_seeds = iv_spec_length(root, "seeds"),
        .spec = r->spec_text,
        .engine = engine,
        .resume = r->resume,
        .join = r->join,
    };
    return iv_run_dir_create(&options, &r->dir, error);
}

/* A run goes on only with the very spec it began with. */
static iv_status same_spec(running *r, iv_error *error) {
    iv_spec *begun = NULL;
    char *text = NULL, *path;
    iv_status status = iv_join_path(r->options->out, "spec.yaml", &path, error);
    if (status == IV_OK) status = iv_spec_load(path, NULL, 0, iv_study_schema, &begun, error);
    if (status == IV_OK) status = iv_spec_text(begun, &text, error);
    if (status == IV_OK && strcmp(text, r->spec_text) != 0)
        status =
            iv_fail(error, IV_EINVAL,
                    "%s differs from the spec that %s began with: resume it with `invar resume "
                    "%s`, or give another --out",
                    r->options->spec, r->options->out, r->options->out);
    iv_spec_destroy(begun);
    free(text);
    free(path);
    return status;
}

/* First the results, then what declares them. */
static iv_status finish(void *state, const iv_results *results) {
    running *r = state;
    iv_error *error = iv_context_error(r->context);
    char *json = iv_run_dir_file(r->dir, "results.json");
    iv_status status = json ? iv_results_write(results, json, error)
                            : iv_fail(error, IV_ENOMEM, "out of memory for the results");
    free(json);
    if (status == IV_OK) status = iv_run_dir_finish(r->dir, "done", error);
    r->done = status == IV_OK;
    return status;
}

/* Whether there was no room for a file: where it comes from is known by its text alone. */
static bool lacked_room(const iv_error *error) {
    const int codes[] = {ENOSPC, EDQUOT, EFBIG};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strstr(error->message, strerror(codes[i]))) return true;
    return false;
}

/* A run that stopped goes on later: after a request at once, for want of room once there is some.
 */
static void advise_to_resume(const running *r, iv_status status, iv_error *error) {
    const iv_error first = *error;
    const char *dir = iv_run_dir_path(r->dir);
    if (status == IV_EINTERRUPTED) {
        iv_error_clear(error);
        (void)iv_fail(error, status, "interrupted; `invar resume %s` goes on from here", dir);
    } else if (lacked_room(&first)) {
        iv_error_clear(error);
        (void)iv_fail(error, first.status,
                      "%s; once there is room, `invar resume %s` goes on from here", first.message,
                      dir);
    }
}

static const char *status_word(iv_status status) {
    return status == IV_OK ? "done" : status == IV_EINTERRUPTED ? "interrupted" : "failed";
}

/* Whether `out` holds a file of this name. */
static iv_status has(const char *out, const char *name, bool *exists, iv_error *error) {
    char *path;
    *exists = false;
    iv_status status = iv_join_path(out, name, &path, error);
    if (status == IV_OK) status = iv_path_exists(path, exists, error);
    free(path);
    return status;
}

/* Whether run.json says so; IV_EDATA if there is no run. */
static iv_status is_done(const char *path, bool *done, iv_error *error) {
    iv_run_dir *dir;
    *done = false;
    const iv_status status = iv_open_run(path, &dir, error);
    if (status != IV_OK) return status;
    *done = strcmp(iv_run_dir_previous_status(dir), "done") == 0;
    iv_run_dir_destroy(dir);
    return IV_OK;
}

/* What a run of several processes lacks after its end: a report that somebody has removed, and the
 * removal of the parts. */
static iv_status complete(const char *out, bool *reported, iv_error *error) {
    bool checkpoint = false, parts = false, removing = false;
    iv_status status = has(out, "checkpoint/population.safetensors", &checkpoint, error);
    if (status == IV_OK && !*reported && !checkpoint) {
        /* without a checkpoint there is nothing to go on from but the results */
        status = iv_report_write(&out, 1, NULL, NULL, error);
        *reported = status == IV_OK;
    }
    if (status == IV_OK) status = has(out, "parts", &parts, error);
    if (status == IV_OK) status = has(out, "parts-finished", &removing, error);
    if (status != IV_OK || !*reported || !(parts || removing)) return status;
    return iv_run_dir_remove_parts(out, error);
}

/* Whether the run in `out` is finished already, with its report, which is written last, and the parts
 * of several processes put together; IV_EDATA if there is no run. */
static iv_status already_done(running *r, bool *done, iv_error *error) {
    const char *out = r->options->out;
    bool reported = false;
    iv_status status = is_done(out, done, error);
    if (status == IV_OK && *done) status = has(out, "report.html", &reported, error);
    if (status == IV_OK && *done && !r->join) status = complete(out, &reported, error);
    *done = *done && reported && !r->join;
    return status;
}

/* Several processes work on the run if this one is asked to join, or if some have. A run that one
 * process began alone stays one of a single process. */
static iv_status look_for_company(running *r, iv_error *error) {
    const char *out = r->options->out;
    bool parts = false, checkpoint = false, begun = false, done = false;
    r->resume = r->options->resume;
    r->join = r->options->join;
    if (!out) return IV_OK;
    iv_status status = has(out, "parts/plan.json", &parts, error);
    if (status == IV_OK) status = has(out, "run.json", &begun, error);
    if (status != IV_OK) return status;
    if (parts && r->options->resume) r->join = true;
    if (!r->join || !begun) return IV_OK;
    r->resume = true;
    status = is_done(out, &done, error);
    if (status == IV_OK && done) r->join = parts;
    if (status != IV_OK || done) return status;
    status = has(out, "checkpoint/population.safetensors", &checkpoint, error);
    if (status == IV_OK && checkpoint && !parts)
        status = iv_fail(error, IV_EINVAL,
                         "%s holds a run that one process began alone: go on with it by `invar "
                         "resume %s`, or give another --out",
                         out, out);
    return status;
}

static void warn(const running *r, const char *format, const char *text, const char *more) {
    char line[1400];
    if (!r->options->warning) return;
    snprintf(line, sizeof line, format, text, more);
    r->options->warning(r->options->state, line);
}

/* A run goes on elsewhere all the same, but then nobody promises the same bytes. */
static iv_status warn_of_changes(const running *r, iv_error *error) {
    char *changes;
    const iv_status status = iv_run_dir_changes(r->dir, &changes, error);
    if (status == IV_OK && *changes)
        warn(r,
             r->join ? "note: this process works with another %s than the first; the results need "
                       "not be the bytes of one process%s"
                     : "note: this run goes on with another %s; its results need not be the bytes "
                       "of an uninterrupted one%s",
             changes, "");
    free(changes);
    return status;
}

static void announce(const running *r) {
    if (!r->options->started) return;
    const iv_run_start start = {.name = iv_spec_string(iv_spec_root(r->spec), "name"),
                                .spec = r->options->spec,
                                .dir = iv_run_dir_path(r->dir),
                                .device = iv_context_device(r->context)};
    r->options->started(r->options->state, &start);
}

/* The last thing of all; its failure costs no result. */
static iv_status report(void *state) {
    const running *r = state;
    const char *dirs[] = {iv_run_dir_path(r->dir)};
    iv_error unwritten = {0};
    if (iv_report_write(dirs, 1, NULL, NULL, &unwritten) != IV_OK)
        warn(r, "note: there is no report: %s; `invar report %s` writes it", unwritten.message,
             dirs[0]);
    return IV_OK;
}

/* Another process has put the run together, or will. */
static iv_status leave(running *r, iv_error *error) {
    bool done;
    iv_status status = is_done(r->options->out, &done, error);
    if (status == IV_OK && !done) status = iv_run_dir_finish(r->dir, "waiting", error);
    if (status != IV_OK || !done) return status;
    return iv_read_results(r->options->out, r->results, error);
}

/* Train, measure and write; the run's status on disk is right whatever happens. */
static iv_status carry_out(running *r, iv_error *error) {
    iv_job job = {
        .spec = r->spec,
        .study = iv_study_of(r->spec),
        .context = r->context,
        .data_dir = r->data_dir,
        .resume = r->resume,
        .join = r->join,
        .leave = r->options->leave,
        .stop = r->options->stop,
        .progress = r->options->progress,
        .message = r->options->message,
        .warning = r->options->warning,
        .message_state = r->options->state,
        .measured = finish,
        .ended = report,
        .measured_state = r,
    };
    iv_status status = iv_experiment_prepare(&job);
    iv_pass_on(r->context, status, error);
    if (status == IV_OK) status = open_directory(r, error);
    if (status != IV_OK) return status;
    announce(r);
    job.dir = r->dir;
    if (r->join) status = same_spec(r, error); /* as another process may have begun it just now */
    if (status == IV_OK) status = warn_of_changes(r, error);
    if (status == IV_OK) {
        status = iv_experiment_run(&job, r->results);
        iv_pass_on(r->context, status, error);
    }
    if (status != IV_OK) {
        iv_error late = {0}; /* the first failure is the one to report */
        if (!r->done) (void)iv_run_dir_finish(r->dir, status_word(status), &late);
        advise_to_resume(r, status, error);
        return status;
    }
    return r->join && !r->done ? leave(r, error) : IV_OK;
}

iv_status iv_run(const iv_run_options *options, iv_results *results, iv_error *error) {
    running r = {.options = options, .results = results};
    iv_error own = {0}; /* the first message counts, and the caller may want none */
    bool done = false;
    *results = (iv_results){0};
    iv_status status = IV_OK;
    if ((options->resume || options->join) && !options->out)
        status = iv_fail(&own, IV_EINVAL, "to %s needs `out`, the directory of the run",
                         options->resume ? "resume" : "join");
    if (status == IV_OK) status = look_for_company(&r, &own);
    if (status == IV_OK && r.resume) status = already_done(&r, &done, &own);
    if (status == IV_OK) status = iv_load_spec(options, &r.spec, &own);
    if (status == IV_OK) status = iv_spec_text(r.spec, &r.spec_text, &own);
    if (status == IV_OK) status = read_seeds(&r, &own);
    if (status == IV_OK && r.resume) status = same_spec(&r, &own);
    if (status == IV_OK && done) {
        status = iv_read_results(options->out, results, &own);
    } else if (status == IV_OK) {
        status = iv_data_directory(options->data, r.data_dir, sizeof r.data_dir, &own);
        if (status == IV_OK) status = iv_context_create(options->device, false, &r.context, &own);
        if (status == IV_OK) status = carry_out(&r, &own);
    }
    if (status != IV_OK) iv_results_free(results);
    if (status != IV_OK) (void)iv_fail(error, status, "%s", own.message);
    iv_run_dir_destroy(r.dir);
    iv_context_destroy(r.context);
    iv_spec_destroy(r.spec);
    free(r.spec_text);
    free(r.seeds);
    return status;
}

iv_status iv_run_directory(const iv_run_options *options, char **path, iv_error *error) {
    iv_spec *spec;
    *path = NULL;
    iv_status status = iv_load_spec(options, &spec, error);
    if (status == IV_OK)
        status = iv_run_dir_default(iv_spec_string(iv_spec_root(spec), "name"), path, error);
    iv_spec_destroy(spec);
    return status;
}

iv_status iv_resume(const char *dir, const iv_run_options *options, iv_results *results,
                    iv_error *error) {
    char *spec;
    *results = (iv_results){0};
    iv_status status = iv_join_path(dir, "spec.yaml", &spec, error);
    if (status != IV_OK) return status;
    iv_run_options resumed = *options;
    resumed.spec = spec;
    resumed.overrides = NULL;
    resumed.n_overrides = 0;
    resumed.seeds = 0;
    resumed.out = dir;
    resumed.resume = true;
    status = iv_run(&resumed, results, error);
    free(spec);
    return status;
}

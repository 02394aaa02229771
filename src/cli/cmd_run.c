/* invar run and invar resume: train and measure what a spec describes. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *spec_path;
    cli_overrides overrides;
    const char *device, *out, *data;
    bool resume, quiet;
} run_options;

/* Everything a run holds open. */
typedef struct {
    const run_options *options;
    iv_spec *spec;
    char *spec_text;
    iv_context *context;
    iv_run_dir *dir;
    uint64_t *seeds;
    iv_results results;
    cli_progress progress;
    char data_dir[4096];
} running;

iv_status cli_spec_text(const iv_spec *spec, char **text, iv_error *error) {
    size_t size;
    *text = NULL;
    FILE *stream = open_memstream(text, &size);
    if (!stream) return iv_fail(error, IV_ENOMEM, "out of memory for the resolved spec");
    const iv_status status = iv_spec_write(spec, stream, error);
    if (fclose(stream) != 0 && status == IV_OK)
        return iv_fail(error, IV_ENOMEM, "out of memory for the resolved spec");
    return status;
}

iv_status cli_open_run(const char *path, iv_run_dir **dir, iv_error *error) {
    const iv_status status = iv_run_dir_open(path, dir, error);
    if (status != IV_OK || iv_run_dir_previous_status(*dir)) return status;
    iv_run_dir_destroy(*dir);
    *dir = NULL;
    return iv_fail(error, IV_EDATA, "%s holds no run: there is no run.json in it", path);
}

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
    const iv_node *root = iv_spec_root(r->spec);
    const iv_run_dir_options options = {
        .path = r->options->out,
        .name = iv_spec_string(root, "name"),
        .device = iv_context_device(r->context),
        .seeds = r->seeds,
        .n_seeds = iv_spec_length(root, "seeds"),
        .resume = r->options->resume,
    };
    return iv_run_dir_create(&options, &r->dir, error);
}

/* A run goes on only with the very spec it began with. */
static iv_status same_spec(running *r, iv_error *error) {
    iv_spec *begun = NULL;
    char *text = NULL, *path = cli_path(r->options->out, "spec.yaml");
    iv_status status = path ? iv_spec_load(path, NULL, 0, &begun, error)
                            : iv_fail(error, IV_ENOMEM, "out of memory");
    if (status == IV_OK) status = cli_spec_text(begun, &text, error);
    if (status == IV_OK && strcmp(text, r->spec_text) != 0)
        status =
            iv_fail(error, IV_EINVAL,
                    "%s differs from the spec that %s began with: resume it with `invar resume "
                    "%s`, or give another --out",
                    r->options->spec_path, r->options->out, r->options->out);
    iv_spec_destroy(begun);
    free(text);
    free(path);
    return status;
}

static iv_status write_results(running *r, iv_error *error) {
    char *json = iv_run_dir_file(r->dir, "results.json");
    iv_status status = json ? iv_results_write(&r->results, json, error)
                            : iv_fail(error, IV_ENOMEM, "out of memory for the results");
    free(json);
    return status;
}

static iv_status print_outcome(running *r, iv_error *error) {
    char *table = NULL;
    const iv_status status = iv_table_format_results(&r->results, IV_TABLE_TEXT, &table, error);
    if (status == IV_OK) {
        printf("\n%s\n", table);
        for (size_t i = 0; i < r->results.n_claims; i++)
            printf("%-14s %s\n               %s\n",
                   r->results.claims[i].holds ? "holds" : "does not hold",
                   r->results.claims[i].claim, r->results.claims[i].evidence);
        printf("\nresults: %s (report.html, results.json, metrics.jsonl, models/, figures/)\n",
               iv_run_dir_path(r->dir));
    }
    free(table);
    return status;
}

/* Whether there was no room for a file: where it comes from is known by its text alone. */
static bool lacked_room(const iv_error *error) {
    const int codes[] = {ENOSPC, EDQUOT, EFBIG};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strstr(error->message, strerror(codes[i]))) return true;
    return false;
}

/* A run that stopped for want of room goes on once there is some. */
static void advise_to_resume(const running *r, iv_error *error) {
    const iv_error first = *error;
    if (!lacked_room(&first)) return;
    iv_error_clear(error);
    iv_fail(error, first.status, "%s; once there is room, `invar resume %s` goes on from here",
            first.message, iv_run_dir_path(r->dir));
}

static const char *status_word(iv_status status) {
    return status == IV_OK ? "done" : status == IV_EINTERRUPTED ? "interrupted" : "failed";
}

/* Whether the run in --out is finished already; IV_EDATA if there is none. */
static iv_status already_done(const char *path, bool *done, iv_error *error) {
    iv_run_dir *dir;
    const iv_status status = cli_open_run(path, &dir, error);
    if (status != IV_OK) return status;
    *done = strcmp(iv_run_dir_previous_status(dir), "done") == 0;
    iv_run_dir_destroy(dir);
    return IV_OK;
}

/* Train, measure and write; the run's status on disk is right whatever happens. */
static iv_status carry_out(running *r, iv_error *error) {
    const iv_study *study = iv_study_find(iv_spec_string(iv_spec_root(r->spec), "study"));
    if (!study) return iv_fail(error, IV_EINVAL, "this study is not built in");
    const iv_progress progress = {cli_progress_update, &r->progress};
    iv_study_job job = {
        .spec = r->spec,
        .context = r->context,
        .data_dir = r->data_dir,
        .resume = r->options->resume,
        .stop = cli_catch_stop(),
        .progress = &progress,
        .message = cli_progress_message,
        .message_state = &r->progress,
    };
    iv_status status = study->prepare(&job);
    if (status != IV_OK) *error = *iv_context_error(r->context);
    if (status == IV_OK) status = open_directory(r, error);
    if (status != IV_OK) return status;
    job.dir = r->dir;
    if (status == IV_OK)
        status = iv_run_dir_write(r->dir, "spec.yaml", r->spec_text, strlen(r->spec_text), error);
    if (status == IV_OK && (status = study->run(&job, &r->results)) != IV_OK)
        *error = *iv_context_error(r->context);
    cli_progress_end(&r->progress);
    if (status == IV_OK) status = write_results(r, error);

    iv_error late = {0};
    const iv_status finished = iv_run_dir_finish(r->dir, status_word(status), &late);
    if (status == IV_OK && finished != IV_OK) {
        *error = late;
        status = finished;
    }
    bool drawn;
    const char *dirs[] = {iv_run_dir_path(r->dir)};
    if (status == IV_OK) status = iv_report_write(dirs, 1, NULL, &drawn, error);
    if (status == IV_OK) status = print_outcome(r, error);
    if (status == IV_EINTERRUPTED) {
        iv_error_clear(error);
        iv_fail(error, status, "interrupted; `invar resume %s` goes on from here",
                iv_run_dir_path(r->dir));
    } else if (status != IV_OK) {
        advise_to_resume(r, error);
    }
    return status;
}

static int perform(const run_options *options) {
    running r = {.options = options};
    iv_error error = {0};
    cli_progress_init(&r.progress, options->quiet);
    bool done = false;
    iv_status status = options->resume ? already_done(options->out, &done, &error) : IV_OK;
    if (status == IV_OK)
        status = iv_spec_load(options->spec_path, options->overrides.texts, options->overrides.n,
                              &r.spec, &error);
    if (status == IV_OK) status = cli_spec_text(r.spec, &r.spec_text, &error);
    if (status == IV_OK) status = read_seeds(&r, &error);
    if (status == IV_OK && options->resume) status = same_spec(&r, &error);
    if (status == IV_OK && done) {
        printf("%s is finished: nothing to resume\n", options->out);
    } else {
        if (status == IV_OK)
            status = iv_data_directory(options->data, r.data_dir, sizeof r.data_dir, &error);
        if (status == IV_OK) status = iv_context_create(options->device, false, &r.context, &error);
        if (status == IV_OK) status = carry_out(&r, &error);
    }
    const int exit_status = status == IV_OK ? 0 : cli_fail(&error);
    iv_results_free(&r.results);
    iv_run_dir_destroy(r.dir);
    iv_context_destroy(r.context);
    iv_spec_destroy(r.spec);
    free(r.spec_text);
    free(r.seeds);
    return exit_status;
}

/* ------------------------------------------------------------------ arguments */

/* 1 taken, 0 another argument, -1 its value is missing. */
static int common_option(int argc, char **argv, int *i, run_options *o) {
    int taken = cli_option(argc, argv, i, "device", &o->device);
    if (taken == 0) taken = cli_option(argc, argv, i, "data", &o->data);
    if (taken == 0 && strcmp(argv[*i], "--quiet") == 0) {
        o->quiet = true;
        taken = 1;
    }
    return taken;
}

static int run(int argc, char **argv) {
    run_options o = {0};
    int exit_status;
    o.overrides.texts = calloc((size_t)argc + 1, sizeof *o.overrides.texts);
    if (!o.overrides.texts) return 1;
    for (int i = 1; i < argc; i++) {
        int taken = common_option(argc, argv, &i, &o);
        if (taken == 0) taken = cli_option(argc, argv, &i, "out", &o.out);
        if (taken == 0) taken = cli_override(argc, argv, &i, &o.overrides);
        if (taken == 0 && strcmp(argv[i], "--resume") == 0) {
            o.resume = true;
            taken = 1;
        }
        if (taken < 0) {
            exit_status = cli_usage_error(&cli_run, "%s needs a value", argv[i]);
            goto done;
        }
        if (taken == 1) continue;
        if (argv[i][0] == '-' || o.spec_path) {
            exit_status = cli_usage_error(&cli_run, "unexpected argument \"%s\"", argv[i]);
            goto done;
        }
        o.spec_path = argv[i];
    }
    if (!o.spec_path)
        exit_status = cli_usage_error(&cli_run, "needs a spec file");
    else if (o.resume && !o.out)
        exit_status = cli_usage_error(&cli_run, "--resume needs --out, the directory of the run");
    else
        exit_status = perform(&o);

done:
    free(o.overrides.texts);
    return exit_status;
}

const cli_command cli_run = {
    "run", "train and measure what a spec describes",
    "usage: invar run SPEC.yaml [OPTIONS]\n\n"
    "Train every run of the spec, measure it, and write models, metrics, tables and figures into a "
    "run\n"
    "directory. Ctrl-C stops it with a checkpoint; `invar resume RUN_DIR` goes on.\n\n"
    "    --set KEY=VALUE   change a value of the spec (training.epochs=10); may be repeated\n"
    "    --seeds N         the same as --set seeds=N\n"
    "    --device SEL      index, part of the name, cpu or gpu (default: $INVAR_DEVICE, else the "
    "first GPU)\n"
    "    --out DIR         run directory (default: runs/NAME-DATE-TIME)\n"
    "    --resume          go on with the unfinished run in --out\n"
    "    --data DIR        data directory (default: $INVAR_DATA_DIR, else ~/.local/share/invar)\n"
    "    --quiet           no progress\n",
    run};

static int resume(int argc, char **argv) {
    run_options o = {.resume = true};
    for (int i = 1; i < argc; i++) {
        const int taken = common_option(argc, argv, &i, &o);
        if (taken < 0) return cli_usage_error(&cli_resume, "%s needs a value", argv[i]);
        if (taken == 1) continue;
        if (argv[i][0] == '-' || o.out)
            return cli_usage_error(&cli_resume, "unexpected argument \"%s\"", argv[i]);
        o.out = argv[i];
    }
    if (!o.out) return cli_usage_error(&cli_resume, "needs a run directory");
    char *spec = cli_path(o.out, "spec.yaml");
    if (!spec) return 1;
    o.spec_path = spec;
    const int exit_status = perform(&o);
    free(spec);
    return exit_status;
}

const cli_command cli_resume = {
    "resume", "go on with an interrupted run",
    "usage: invar resume RUN_DIR [--device SEL] [--data DIR] [--quiet]\n\n"
    "Go on from the run's last checkpoint. On the same device the results are the same bytes as "
    "those of\n"
    "a run that was never interrupted.\n",
    resume};

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
    iv_status status = path ? iv_spec_load(path, NULL, 0, iv_study_schema, &begun, error)
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

/* What runs, where it runs and where it goes, before the first kernel is compiled. */
static void announce(const running *r) {
    if (r->options->quiet) return;
    const iv_device_info *device = iv_context_device(r->context);
    fprintf(stderr, "invar: %s (%s) on %s (%s), into %s\n",
            iv_spec_string(iv_spec_root(r->spec), "name"), r->options->spec_path, device->name,
            cli_type_name(device->type), iv_run_dir_path(r->dir));
}

/* Train, measure and write; the run's status on disk is right whatever happens. */
static iv_status carry_out(running *r, iv_error *error) {
    const iv_progress progress = {cli_progress_update, &r->progress};
    iv_job job = {
        .spec = r->spec,
        .study = iv_study_of(r->spec),
        .context = r->context,
        .data_dir = r->data_dir,
        .resume = r->options->resume,
        .stop = cli_catch_stop(),
        .progress = &progress,
        .message = cli_progress_message,
        .message_state = &r->progress,
    };
    iv_status status = iv_experiment_prepare(&job);
    if (status != IV_OK) *error = *iv_context_error(r->context);
    if (status == IV_OK) status = open_directory(r, error);
    if (status != IV_OK) return status;
    announce(r);
    job.dir = r->dir;
    if (status == IV_OK)
        status = iv_run_dir_write(r->dir, "spec.yaml", r->spec_text, strlen(r->spec_text), error);
    if (status == IV_OK && (status = iv_experiment_run(&job, &r->results)) != IV_OK)
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
                              iv_study_schema, &r.spec, &error);
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

static run_options read_options(const cli_arguments *arguments) {
    return (run_options){.device = cli_value(arguments, "device"),
                         .data = cli_value(arguments, "data"),
                         .quiet = cli_has(arguments, "quiet")};
}

static int run(const cli_arguments *arguments) {
    run_options o = read_options(arguments);
    o.spec_path = arguments->words[0];
    o.out = cli_value(arguments, "out");
    o.resume = cli_has(arguments, "resume");
    if (o.resume && !o.out)
        return cli_usage_error(&cli_run, "--resume needs --out, the directory of the run");
    if (!cli_overrides_read(arguments, &o.overrides)) return 1;
    const int exit_status = perform(&o);
    free(o.overrides.texts);
    return exit_status;
}

static const cli_option options_of_run[] = {
    CLI_SET,
    CLI_SEEDS,
    CLI_DEVICE,
    {"out", "DIR", "run directory (default: runs/NAME-DATE-TIME)"},
    {"resume", NULL, "go on with the unfinished run in --out"},
    CLI_DATA,
    CLI_QUIET,
    CLI_END,
};

const cli_command cli_run = {
    .name = "run",
    .summary = "train and measure what a spec describes",
    .synopsis = "SPEC.yaml [OPTIONS]",
    .description =
        "Train every run of the spec, measure it, and write models, metrics, tables and figures\n"
        "into a run directory. Ctrl-C stops it with a checkpoint; `invar resume RUN_DIR` goes on.\n"
        "The repository's specs are in configs/STUDY/ and configs/STUDY/quick/; docs/files.md\n"
        "describes them.\n",
    .notes =
        "Exit status: 0; 1 if it fails while running; 2 for bad usage or a bad spec; 3 if there\n"
        "is no usable device; 4 if data is missing or damaged; 130 if interrupted, with a\n"
        "checkpoint saved.\n",
    .needs = "a spec file",
    .least_words = 1,
    .most_words = 1,
    .options = options_of_run,
    .run = run,
};

static int resume(const cli_arguments *arguments) {
    run_options o = read_options(arguments);
    o.resume = true;
    o.out = arguments->words[0];
    char *spec = cli_path(o.out, "spec.yaml");
    if (!spec) return 1;
    o.spec_path = spec;
    const int exit_status = perform(&o);
    free(spec);
    return exit_status;
}

static const cli_option options_of_resume[] = {CLI_DEVICE, CLI_DATA, CLI_QUIET, CLI_END};

const cli_command cli_resume = {
    .name = "resume",
    .summary = "go on with an interrupted run",
    .synopsis = "RUN_DIR [OPTIONS]",
    .description =
        "Go on from the run's last checkpoint. On the same device the results are the same bytes\n"
        "as those of a run that was never interrupted.\n",
    .notes = "Exit status: as of `invar run`.\n",
    .needs = "a run directory",
    .least_words = 1,
    .most_words = 1,
    .options = options_of_resume,
    .run = resume,
};

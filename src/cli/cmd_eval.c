/* invar eval: recompute every metric of a run from its exported models. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static iv_status evaluate(const char *dir_path, const char *device, const char *data, bool quiet,
                          iv_error *error) {
    char data_dir[4096];
    iv_spec *spec = NULL;
    iv_context *context = NULL;
    iv_run_dir *dir = NULL;
    iv_results results = {0};
    cli_progress progress;
    cli_progress_init(&progress, quiet);
    char *path = cli_path(dir_path, "spec.yaml");
    iv_status status =
        path ? cli_open_run(dir_path, &dir, error) : iv_fail(error, IV_ENOMEM, "out of memory");
    if (status == IV_OK) status = iv_spec_load(path, NULL, 0, iv_study_schema, &spec, error);
    if (status == IV_OK) status = iv_data_directory(data, data_dir, sizeof data_dir, error);
    if (status == IV_OK) status = iv_context_create(device, false, &context, error);
    if (status == IV_OK) {
        const iv_progress report = {cli_progress_update, &progress};
        const iv_job job = {.spec = spec,
                            .study = iv_study_of(spec),
                            .context = context,
                            .data_dir = data_dir,
                            .dir = dir,
                            .stop = cli_catch_stop(),
                            .progress = &report};
        status = iv_experiment_evaluate(&job, &results);
        if (status != IV_OK) *error = *iv_context_error(context);
    }
    cli_progress_end(&progress);
    if (status == IV_OK) status = iv_results_print(&results, stdout, error);
    iv_results_free(&results);
    iv_run_dir_destroy(dir);
    iv_context_destroy(context);
    iv_spec_destroy(spec);
    free(path);
    return status;
}

static int run(const cli_arguments *arguments) {
    iv_error error = {0};
    const iv_status status =
        evaluate(arguments->words[0], cli_value(arguments, "device"), cli_value(arguments, "data"),
                 cli_has(arguments, "quiet"), &error);
    return status == IV_OK ? 0 : cli_fail(&error);
}

static const cli_option options[] = {CLI_DEVICE, CLI_DATA, CLI_QUIET, CLI_END};

const cli_command cli_eval = {
    .name = "eval",
    .summary = "recompute every metric of a run from its models; prints JSON",
    .synopsis = "RUN_DIR [OPTIONS]",
    .description =
        "Read the exported models of a finished run, measure them again and print the results as\n"
        "JSON, in the form of the run's results.json. Nothing is written.\n",
    .notes =
        "Exit status: 0; 1 if measuring fails; 3 if there is no usable device; 4 if the run, a\n"
        "model or data is missing or damaged; 130 if interrupted.\n",
    .needs = "a run directory",
    .least_words = 1,
    .most_words = 1,
    .options = options,
    .run = run,
};

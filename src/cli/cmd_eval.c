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

static int run(int argc, char **argv) {
    const char *dir = NULL, *device = NULL, *data = NULL;
    bool quiet = false;
    for (int i = 1; i < argc; i++) {
        int taken = cli_option(argc, argv, &i, "device", &device);
        if (taken == 0) taken = cli_option(argc, argv, &i, "data", &data);
        if (taken == 0 && strcmp(argv[i], "--quiet") == 0) {
            quiet = true;
            taken = 1;
        }
        if (taken < 0) return cli_usage_error(&cli_eval, "%s needs a value", argv[i]);
        if (taken == 1) continue;
        if (argv[i][0] == '-' || dir)
            return cli_usage_error(&cli_eval, "unexpected argument \"%s\"", argv[i]);
        dir = argv[i];
    }
    if (!dir) return cli_usage_error(&cli_eval, "needs a run directory");
    iv_error error = {0};
    return evaluate(dir, device, data, quiet, &error) == IV_OK ? 0 : cli_fail(&error);
}

const cli_command cli_eval = {"eval",
                              "recompute every metric of a run from its models; prints JSON",
                              "usage: invar eval RUN_DIR [--device SEL] [--data DIR] [--quiet]\n\n"
                              "Read the exported models of a finished run, measure them again and "
                              "print the results as JSON, in the\n"
                              "form of the run's results.json. Nothing is written.\n",
                              run};

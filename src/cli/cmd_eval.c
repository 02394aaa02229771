/* invar eval: recompute every metric of a run from its exported models. */
#include "cli/cli.h"

#include <stdio.h>

static int run(const cli_arguments *arguments) {
    iv_error error = {0};
    iv_results results;
    cli_progress progress;
    const iv_progress report = {cli_progress_update, &progress};
    const iv_run_options options = {.device = cli_value(arguments, "device"),
                                    .data = cli_value(arguments, "data"),
                                    .stop = cli_catch_stop(),
                                    .progress = &report};
    cli_progress_init(&progress, cli_has(arguments, "quiet"));
    iv_status status = iv_evaluate(arguments->words[0], &options, &results, &error);
    cli_progress_end(&progress);
    if (status == IV_OK) status = iv_results_print(&results, stdout, &error);
    iv_results_free(&results);
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

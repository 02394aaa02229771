/* invar merge: finished runs of one spec with different seeds to one run and one report. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

static void warn(void *state, const char *text) {
    (void)state;
    fprintf(stderr, "invar: %s\n", text);
}

static int run(const cli_arguments *arguments) {
    const iv_run_options options = {.out = arguments->words[0],
                                    .device = cli_value(arguments, "device"),
                                    .data = cli_value(arguments, "data"),
                                    .warning = warn};
    iv_results results;
    iv_error error = {0};
    iv_status status =
        iv_merge(&options, arguments->words + 1, arguments->n_words - 1, &results, &error);
    if (status == IV_OK) status = cli_print_outcome(options.out, &results, &error);
    iv_results_free(&results);
    return status == IV_OK ? 0 : cli_fail(&error);
}

static const cli_option options[] = {CLI_DEVICE, CLI_DATA, CLI_END};

const cli_command cli_merge = {
    .name = "merge",
    .summary = "finished runs of one spec with different seeds to one run",
    .synopsis = "OUT RUN_DIR... [OPTIONS]",
    .description =
        "Make one run directory, with one report, of runs that differ in their seeds alone, as\n"
        "machines without a shared folder have trained them. Nothing is trained or measured\n"
        "again: models and numbers are taken over. Runs of another spec, version or data are\n"
        "refused; other devices are told of.\n",
    .notes =
        "Exit status: 0; 1 if something cannot be written; 2 if the runs do not fit together;\n"
        "4 if one is missing, damaged or not finished.\n",
    .needs = "a directory to make, and runs",
    .least_words = 2,
    .most_words = 1000,
    .options = options,
    .run = run,
};

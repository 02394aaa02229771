/* invar report: tables and figures of finished runs beside the published numbers. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The tables and claims of one run directory on standard output. */
static iv_status print_results(const char *dir, iv_results *results, iv_error *error) {
    char *tables = NULL;
    const iv_status status = iv_table_format_results(results, IV_TABLE_TEXT, &tables, error);
    if (status == IV_OK) {
        printf("%s\n\n%s%s", dir, tables, results->n_claims > 0 ? "\n" : "");
        cli_print_claims(results);
        putchar('\n');
    }
    free(tables);
    return status;
}

static int run(const cli_arguments *arguments) {
    const char *out = cli_value(arguments, "out");
    const char *const *dirs = arguments->words;
    const size_t n_dirs = arguments->n_words;
    iv_error error = {0};
    if (out && !*out) return cli_usage_error(&cli_report, "--out needs a directory");
    iv_results *results = calloc(n_dirs, sizeof *results);
    if (!results) {
        (void)iv_fail(&error, IV_ENOMEM, "out of memory for the results");
        return cli_fail(&error);
    }

    bool drawn;
    iv_status status = iv_report(dirs, n_dirs, out, results, &drawn, &error);
    for (size_t i = 0; status == IV_OK && i < n_dirs; i++)
        status = print_results(dirs[i], &results[i], &error);
    if (status == IV_OK) {
        if (!drawn)
            fprintf(stderr, "invar: note: some figures have no picture; the report names them with "
                            "the command that draws each\n");
        const char *where = out ? out : n_dirs == 1 ? dirs[0] : ".";
        size_t n = strlen(where);
        printf("Wrote %s%sreport.html, report.md and report.csv\n", where,
               n && where[n - 1] == '/' ? "" : "/");
        if (fflush(stdout) == EOF || ferror(stdout))
            status = iv_fail(&error, IV_EFAILED, "cannot write to standard output");
    }
    for (size_t i = 0; i < n_dirs; i++) iv_results_free(&results[i]);
    free(results);
    return status == IV_OK ? 0 : cli_fail(&error);
}

static const cli_option options[] = {
    {"out", "DIR",
     "where to write; by default the run directory itself, or the current directory if there are "
     "several"},
    CLI_END,
};

const cli_command cli_report = {
    .name = "report",
    .summary = "write the tables and figures of runs beside the published numbers",
    .synopsis = "RUN_DIR... [--out DIR]",
    .description =
        "Print the tables and claims of finished runs, and write report.html (one page with\n"
        "everything in it), report.md and report.csv: results beside the published numbers,\n"
        "claims with their evidence, figures, the spec and the conditions of the run. Nothing in\n"
        "the run directory is run: a figure without a picture is listed with the command that\n"
        "draws it.\n",
    .notes = "Exit status: 0; 1 if the report cannot be written; 4 if a run directory is missing,\n"
             "damaged or has no results yet.\n",
    .needs = "a run directory",
    .least_words = 1,
    .most_words = SIZE_MAX,
    .options = options,
    .run = run,
};

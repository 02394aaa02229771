/* invar export: results and logs in the formats of other programs. */
#include "cli/cli.h"

#include "runtime/text.h"

#include <invar/data.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------------ tables */

static iv_status format_latex(const iv_results *results, char **text, iv_error *error) {
    return iv_table_format_results(results, IV_TABLE_LATEX, text, error);
}

static iv_status format_markdown(const iv_results *results, char **text, iv_error *error) {
    return iv_table_format_results(results, IV_TABLE_MARKDOWN, text, error);
}

static const struct {
    const char *name;
    iv_status (*format)(const iv_results *results, char **text, iv_error *error);
} formats[] = {
    {"latex", format_latex},
    {"csv", iv_table_format_wide},
    {"markdown", format_markdown},
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

static iv_status write_table(const char *dir, size_t format, const char *out, iv_error *error) {
    iv_results results;
    char *text = NULL;
    iv_status status = iv_results_of_run(dir, &results, error);
    if (status != IV_OK) return status;
    status = formats[format].format(&results, &text, error);
    if (status == IV_OK && !out && isatty(STDOUT_FILENO) == 1) iv_tame(text);
    if (status == IV_OK && out) status = iv_write_file_atomically(out, text, strlen(text), error);
    if (status == IV_OK && !out && (fputs(text, stdout) == EOF || fflush(stdout) == EOF))
        status = iv_fail(error, IV_EFAILED, "cannot write to standard output");
    free(text);
    iv_results_free(&results);
    return status;
}

/* ------------------------------------------------------------------ the subcommand */

static int run(const cli_arguments *arguments) {
    const char *name = cli_value(arguments, "format"), *out = cli_value(arguments, "out");
    const char *dir = arguments->words[0];
    iv_error error = {0};
    iv_status status;
    size_t format = 0;
    while (format < N_FORMATS && name && strcmp(name, formats[format].name) != 0) format++;
    if (out && !*out) return cli_usage_error(arguments->command, "--out needs a path");
    if (format < N_FORMATS) {
        status = write_table(dir, format, out, &error);
    } else if (strcmp(name, "tensorboard") != 0) {
        return cli_usage_error(arguments->command,
                               "--format is \"%s\", expected latex, csv, markdown or tensorboard",
                               name);
    } else if (!out) {
        return cli_usage_error(arguments->command, "--format tensorboard needs --out DIR");
    } else {
        status = iv_events_write(dir, out, &error);
        if (status == IV_OK) printf("Wrote %s; look with: tensorboard --logdir %s\n", out, out);
    }
    return status == IV_OK ? 0 : cli_fail(&error);
}

static const cli_option options[] = {
    {"format", "NAME",
     "latex (the default): tables with booktabs and siunitx; csv: a line for each row and column, "
     "all metrics side by side; markdown; tensorboard: event files of what was logged"},
    {"out", "PATH",
     "the file, or for tensorboard the directory, to write; default: standard output"},
    CLI_END,
};

const cli_command cli_export = {
    .name = "export",
    .summary = "results as LaTeX, CSV or Markdown, logs for TensorBoard",
    .synopsis = "RUN_DIR [--format latex|csv|markdown|tensorboard] [--out PATH]",
    .description =
        "Write the tables of a finished run, or what a run logged, for another program.\n",
    .notes =
        "Exit status: 0; 1 if writing fails; 2 for bad usage; 4 if the run directory is missing,\n"
        "damaged or has no results yet.\n",
    .needs = "a run directory",
    .least_words = 1,
    .most_words = 1,
    .options = options,
    .run = run,
};

/* What the subcommands share. One file a subcommand: cmd_NAME.c, entered in the table of main.c. */
#ifndef INVAR_CLI_H
#define INVAR_CLI_H

#include <invar/status.h>

typedef struct {
    const char *name;
    const char *summary; /* one line for `invar --help` */
    const char *usage;   /* whole text for `invar NAME --help` */
    /* argv[0] is the subcommand's name. Returns the process's exit status. */
    int (*run)(int argc, char **argv);
} cli_command;

extern const cli_command cli_bench, cli_check, cli_data, cli_devices, cli_eval, cli_report, cli_resume,
    cli_run, cli_tune;

/* Print "invar: MESSAGE" on standard error and return the exit status that fits. */
int cli_fail(const iv_error *error);

/* Print a usage error with a pointer to --help and return 2. */
int cli_usage_error(const cli_command *command, const char *format, ...) IV_PRINTF(2, 3);

/* Options common to several subcommands: if argv[*i] is --NAME VALUE or --NAME=VALUE, set *value, move *i
 * past what was taken and return 1; 0 if it is another argument; -1 if the value is missing. */
int cli_option(int argc, char **argv, int *i, const char *name, const char **value);

#endif

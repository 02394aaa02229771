/* What the subcommands share. One file a subcommand: cmd_NAME.c, entered in the table of main.c. */
#ifndef INVAR_CLI_H
#define INVAR_CLI_H

#include <invar/studies.h>

typedef struct {
    const char *name;
    const char *summary; /* one line for `invar --help` */
    const char *usage;   /* whole text for `invar NAME --help` */
    /* argv[0] is the subcommand's name. Returns the process's exit status. */
    int (*run)(int argc, char **argv);
} cli_command;

extern const cli_command cli_bench, cli_check, cli_data, cli_devices, cli_eval, cli_report,
    cli_resume, cli_run;
extern const cli_command cli_tune;

/* Print "invar: MESSAGE" on standard error and return the exit status that fits. */
int cli_fail(const iv_error *error);

/* Print a usage error with a pointer to --help and return 2. */
int cli_usage_error(const cli_command *command, const char *format, ...) IV_PRINTF(2, 3);

/* Options common to several subcommands: if argv[*i] is --NAME VALUE or --NAME=VALUE, set *value,
 * move *i past what was taken and return 1; 0 if it is another argument; -1 if the value is
 * missing. */
int cli_option(int argc, char **argv, int *i, const char *name, const char **value);

/* What the command line changes in a spec. texts: room for argc of them, the caller's. */
typedef struct {
    const char **texts; /* KEY=VALUE */
    size_t n;
    char seeds[64]; /* the last --seeds as such a text */
} cli_overrides;

/* The same for --set KEY=VALUE and --seeds N, which are kept. */
int cli_override(int argc, char **argv, int *i, cli_overrides *overrides);

/* ------------------------------------------------------------------ running */

/* Progress of long work on standard error: one line redrawn, with rate and time left, on a
 * terminal; otherwise a plain line now and then. */
typedef struct {
    bool quiet, terminal, line_open;
    char what[96];
    uint64_t first; /* how far it was when first heard of */
    uint64_t last, total;
    double start, last_shown;
} cli_progress;

void cli_progress_init(cli_progress *progress, bool quiet);
void cli_progress_update(void *progress, const char *what, uint64_t done, uint64_t total);
void cli_progress_message(void *progress, const char *text);
void cli_progress_end(cli_progress *progress); /* clear the line */

/* Nonzero once the user asked to stop (SIGINT, SIGTERM); a second request ends the process at once.
 */
const volatile sig_atomic_t *cli_catch_stop(void);

/* The resolved spec as YAML; the caller frees *text. */
iv_status cli_spec_text(const iv_spec *spec, char **text, iv_error *error);

/* Open a directory that holds a run; IV_EDATA if it does not. */
iv_status cli_open_run(const char *path, iv_run_dir **dir, iv_error *error);

/* DIR/NAME; the caller frees it. NULL if memory runs out. */
char *cli_path(const char *dir, const char *name);

#endif

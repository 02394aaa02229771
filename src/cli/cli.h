/* What the subcommands share. One file a subcommand: cmd_NAME.c, entered in the table of main.c. */
#ifndef INVAR_CLI_H
#define INVAR_CLI_H

#include <invar/program.h>

#include <stdio.h>

/* An option of a command. It is declared here alone: reading, --help and messages come from it. */
typedef struct {
    const char *name;    /* "device", without dashes; NULL ends a table */
    const char *metavar; /* "SEL", for its value; NULL: a switch, which takes none */
    const char *help;    /* one paragraph; broken into lines when shown */
} cli_option;

/* Options that several commands have. */
#define CLI_DEVICE                                                                                 \
    {                                                                                              \
        "device", "SEL",                                                                           \
            "index, part of the name, cpu or gpu (default: $INVAR_DEVICE, else the first GPU)"     \
    }
#define CLI_DEVICES                                                                                \
    {                                                                                              \
        "device", "SEL",                                                                           \
            "index, part of the name, cpu or gpu (default: $INVAR_DEVICE, else the first GPU); "   \
            "0,2 or all: a process for each, all on one run"                                       \
    }
#define CLI_JOIN(help)                                                                             \
    { "join", NULL, help }
#define CLI_NO_WAIT                                                                                \
    { "no-wait", NULL, "with --join: end once nothing is left to begin, though others still train" }
#define CLI_DATA                                                                                   \
    {                                                                                              \
        "data", "DIR",                                                                             \
            "data directory (default: $INVAR_DATA_DIR, else $XDG_DATA_HOME/invar, else "           \
            "~/.local/share/invar)"                                                                \
    }
#define CLI_STOP_AFTER                                                                             \
    {                                                                                              \
        "stop-after", "TIME",                                                                      \
            "stop with a checkpoint, as if interrupted, after 55m, 1.5h, 90s or 2d"                \
    }
#define CLI_QUIET                                                                                  \
    { "quiet", NULL, "say nothing of the progress" }
#define CLI_SET                                                                                    \
    { "set", "KEY=VALUE", "change a value of the spec (training.epochs=10); may be repeated" }
#define CLI_SEEDS                                                                                  \
    { "seeds", "N", "the same as --set seeds=N" }
#define CLI_TRACE                                                                                  \
    { "trace", "FILE", "keep every launch with its times, for ui.perfetto.dev or chrome://tracing" }
#define CLI_END                                                                                    \
    { NULL, NULL, NULL }

typedef struct cli_command cli_command;

typedef struct {
    const cli_option *option;
    const char *value; /* NULL for a switch */
} cli_given;

/* What the user wrote, by the command's table. */
typedef struct {
    const cli_command *command;
    const char **words; /* arguments that are no options */
    size_t n_words;
    cli_given *given; /* in order; an option may stand there several times */
    size_t n_given;
} cli_arguments;

struct cli_command {
    const char *name;
    const char *summary;      /* one line for `invar --help` */
    const char *synopsis;     /* what follows the name in a usage line; one per form, with '\n' */
    const char *description;  /* whole lines */
    const char *notes;        /* whole lines after the options; NULL for none */
    const char *needs;        /* what is missing below least_words: "a spec file" */
    void (*offer)(FILE *out); /* then prints what there is to choose from; NULL: nothing */
    size_t least_words, most_words;
    const cli_option *options; /* ended by CLI_END */
    /* Returns the process's exit status. */
    int (*run)(const cli_arguments *arguments);
};

extern const cli_command cli_audit, cli_bench, cli_check, cli_cite, cli_completion, cli_data,
    cli_devices, cli_eval, cli_export, cli_man, cli_merge, cli_report, cli_resume, cli_run,
    cli_spec, cli_status, cli_submit, cli_tune;

/* How this program was called: argv[0]. */
extern const char *cli_program;

/* This program's file, as the system knows it (written to `path`), or as it was called. */
const char *cli_own_path(char *path, size_t size);

/* Number i of the commands, in the order of help; NULL after the last. */
const cli_command *cli_command_get(size_t i);

/* Print "invar: MESSAGE" on standard error and return the exit status that fits. */
int cli_fail(const iv_error *error);

/* Print a usage error with a pointer to --help and return 2. */
int cli_usage_error(const cli_command *command, const char *format, ...) IV_PRINTF(2, 3);

/* Read argv[1] to argv[argc - 1] by the command's table. 0, or the exit status of what was wrong,
 * which has been said. Free them in both cases. */
int cli_arguments_read(const cli_command *command, int argc, char **argv, cli_arguments *arguments);
void cli_arguments_free(cli_arguments *arguments);

/* The value of --NAME, of the last one if there are several; NULL if there is none. */
const char *cli_value(const cli_arguments *arguments, const char *name);

/* Whether --NAME was given. */
bool cli_has(const cli_arguments *arguments, const char *name);

/* `invar NAME --help` */
void cli_print_help(FILE *out, const cli_command *command);

/* The specs that come with Invar, a line each, cut to the terminal's width. */
void cli_print_specs(FILE *out);

/* What --set and --seeds change in a spec, in order. */
typedef struct {
    const char **texts; /* KEY=VALUE; to be freed */
    size_t n;
    char seeds[64]; /* the last --seeds as such a text */
} cli_overrides;

/* False if memory runs out. The texts are the arguments'. */
bool cli_overrides_read(const cli_arguments *arguments, cli_overrides *overrides);

/* Print claims, each with whether it holds, in colours on a terminal, and its evidence; tames them. */
void cli_print_claims(iv_results *results);

/* Print what a profile's kernels took, longest first, beside the seconds of a run without events. */
void cli_print_profile(const iv_profile *profile, double seconds);

/* ------------------------------------------------------------------ running */

/* Whether standard error is a terminal that can draw over a line (TERM=dumb cannot). */
bool cli_redraws(void);

/* How many bytes of a text, in UTF-8, fit a line of the terminal behind `before` columns. */
size_t cli_fit(const char *text, size_t before);

/* Draw a line over the last one, cut to the terminal's width ($COLUMNS or 80 if it does not say),
 * so that it never wraps. */
void cli_redraw(const char *line);

/* Progress of long work on standard error: one line redrawn, with rate and time left, where that is
 * possible; otherwise a plain line now and then. */
typedef struct {
    bool quiet, news_only, terminal, line_open;
    char what[96];
    uint64_t first; /* how far it was when first heard of */
    uint64_t last, total;
    double start, last_shown;
} cli_progress;

void cli_progress_init(cli_progress *progress, bool quiet);
void cli_progress_update(void *progress, const char *what, uint64_t done, uint64_t total);
void cli_progress_message(void *progress, const char *text);
void cli_progress_warning(cli_progress *progress, const char *text); /* also if quiet */
void cli_progress_end(cli_progress *progress);                       /* clear the line */

/* Before anything else: a reader that goes away and a limit on file sizes are errors of writing and
 * not the end of the process, and no file is opened in the place of a standard stream. False if
 * that cannot be had. */
bool cli_settle_in(void);

/* Nonzero once the user or the system asked to stop (SIGINT, SIGTERM, SIGHUP unless it is ignored,
 * SIGUSR1, SIGUSR2); a second request ends the process at once. */
const volatile sig_atomic_t *cli_catch_stop(void);

/* The same once so many seconds have passed. False if that cannot be had. */
bool cli_stop_after(double seconds);

/* Seconds of a text like "90", "90s", "55m", "1.5h" or "2d"; false if it is none. */
bool cli_duration_read(const char *text, double *seconds);

/* ------------------------------------------------------------------ several devices */

/* Whether --device names several: "all", or a list with commas. */
bool cli_names_several(const char *selector);

/* Train on the devices that `selector` names, with a process for each: the same command with --join,
 * --out and --device. `resumed`: the run to go on with; NULL: that of the options. Returns the
 * process's exit status. */
int cli_crew(const cli_arguments *arguments, const iv_run_options *options, const char *selector,
             const char *resumed);

/* The index, as text, of the device that process `number` of several takes, of those that `selector`
 * names, in turn; NULL: all of a kind. */
iv_status cli_pick_device(const char *selector, size_t number, char *index, size_t size,
                          iv_error *error);

/* ------------------------------------------------------------------ MPI */

/* How many copies of this program mpirun has started; 1 without it. */
size_t cli_launched_copies(void);

/* Whether this program is built with MPI. */
bool cli_has_mpi(void);

/* This process among them. */
typedef struct {
    int rank, n, local; /* local: among those of its machine */
    bool begun;
    char *dir;       /* that rank 0 made, if it was to */
    char device[32]; /* for --device */
} cli_ranks;

/* Begin MPI, and share the directory that rank 0 makes if `makes`. Ended in both cases: all ranks wait
 * for each other there. Returns `status`. */
iv_status cli_ranks_begin(const iv_run_options *options, bool makes, cli_ranks *ranks,
                          iv_error *error);
int cli_ranks_end(cli_ranks *ranks, int status);

/* A run's table and claims, and where it lies. */
iv_status cli_print_outcome(const char *dir, iv_results *results, iv_error *error);

/* "cpu", "gpu" or "other" */
const char *cli_type_name(iv_device_type type);

#endif

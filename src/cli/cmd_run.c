/* invar run and invar resume: train and measure what a spec describes. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const cli_arguments *arguments;
    cli_progress progress;
    bool started;
    bool ranked; /* one of the copies that mpirun started: others may have ended the run */
    bool silent; /* another process tells of the run */
    char *dir;   /* of the run that started; NULL if memory ran out */
} running;

/* What runs, where it runs and where it goes. */
static void announce(void *state, const iv_run_start *start) {
    running *r = state;
    r->started = true;
    r->dir = strdup(start->dir);
    if (r->progress.quiet || r->progress.news_only) return;
    fprintf(stderr, "invar: %s (%s) on %s (%s), into %s\n", start->name, start->spec,
            start->device->name, cli_type_name(start->device->type), start->dir);
}

static void say(void *state, const char *text) {
    cli_progress_message(&((running *)state)->progress, text);
}

static void warn(void *state, const char *text) {
    cli_progress_warning(&((running *)state)->progress, text);
}

/* ------------------------------------------------------------------ arguments */

static int carry_out(running *r, iv_run_options options, const char *resumed) {
    iv_results results;
    iv_error error = {0};
    iv_status status = resumed ? iv_resume(resumed, &options, &results, &error)
                               : iv_run(&options, &results, &error);
    cli_progress_end(&r->progress);
    const bool shown = status == IV_OK && !r->silent;
    if (shown && !r->started && !r->ranked)
        printf("%s is finished: nothing to resume\n", resumed ? resumed : options.out);
    else if (shown && results.n_runs == 0)
        printf("nothing is left to begin in %s: other processes go on\n",
               r->dir ? r->dir : "the run");
    else if (shown)
        status = cli_print_outcome(r->dir    ? r->dir
                                   : resumed ? resumed
                                             : options.out,
                                   &results, &error);
    iv_results_free(&results);
    free(r->dir);
    return status == IV_OK ? 0 : cli_fail(&error);
}

/* One of the copies that mpirun has started: all share one run, and the first tells of it. */
static int perform_rank(running *r, iv_run_options options, const char *resumed) {
    cli_ranks ranks;
    iv_error error = {0};
    if (!cli_has_mpi())
        return cli_usage_error(
            r->arguments->command,
            "mpirun has started %zu copies, each of which would do the whole work, as this invar "
            "is "
            "built without MPI (meson setup -Dmpi=enabled): give --join and a shared --out",
            cli_launched_copies());
    const iv_status status = cli_ranks_begin(&options, !resumed && !options.out, &ranks, &error);
    if (status != IV_OK) return cli_ranks_end(&ranks, cli_fail(&error));
    options.join = r->ranked = true;
    options.device = ranks.device;
    if (ranks.dir) options.out = ranks.dir;
    if (ranks.rank > 0) {
        r->silent = true;
        r->progress.quiet = true;
    }
    return cli_ranks_end(&ranks, carry_out(r, options, resumed));
}

/* Run, or go on with the run in `resumed`, unless that is NULL. */
static int perform(const cli_arguments *arguments, iv_run_options options, const char *resumed) {
    running r = {.arguments = arguments};
    iv_error error = {0};
    const iv_progress progress = {cli_progress_update, &r.progress};
    cli_progress_init(&r.progress, cli_has(arguments, "quiet"));
    options.device = cli_value(arguments, "device");
    const char *stop_after = cli_value(arguments, "stop-after");
    double seconds = 0;
    if (stop_after && !cli_duration_read(stop_after, &seconds))
        return cli_usage_error(arguments->command,
                               "--stop-after %s: expected a time such as 90s, 55m, 1.5h or 2d",
                               stop_after);
    options.data = cli_value(arguments, "data");
    options.stop = cli_catch_stop();
    if (stop_after && !cli_stop_after(seconds)) {
        (void)iv_fail(&error, IV_EFAILED, "no thread for --stop-after");
        return cli_fail(&error);
    }
    if (cli_launched_copies() > 1 && (cli_has_mpi() || !options.join))
        return perform_rank(&r, options, resumed);
    const char *several = options.device ? options.device : getenv("INVAR_DEVICE");
    if (cli_names_several(several)) return cli_crew(arguments, &options, several, resumed);
    options.progress = &progress;
    options.started = announce;
    options.message = say;
    options.warning = warn;
    options.state = &r;
    return carry_out(&r, options, resumed);
}

static int run(const cli_arguments *arguments) {
    iv_run_options options = {.spec = arguments->words[0],
                              .out = cli_value(arguments, "out"),
                              .resume = cli_has(arguments, "resume"),
                              .join = cli_has(arguments, "join"),
                              .leave = cli_has(arguments, "no-wait")};
    cli_overrides overrides;
    if (options.join && !options.out)
        return cli_usage_error(&cli_run, "--join needs --out, the directory that is shared");
    if (options.leave && !options.join)
        return cli_usage_error(&cli_run, "--no-wait goes with --join");
    if (options.resume && !options.out)
        return cli_usage_error(&cli_run, "--resume needs --out, the directory of the run");
    if (!cli_overrides_read(arguments, &overrides)) {
        iv_error error = {0};
        (void)iv_fail(&error, IV_ENOMEM, "out of memory");
        return cli_fail(&error);
    }
    options.overrides = overrides.texts;
    options.n_overrides = overrides.n;
    const int exit_status = perform(arguments, options, NULL);
    free(overrides.texts);
    return exit_status;
}

static const cli_option options_of_run[] = {
    CLI_SET,
    CLI_SEEDS,
    CLI_DEVICES,
    {"out", "DIR", "run directory (default: runs/NAME-DATE-TIME)"},
    {"resume", NULL, "go on with the unfinished run in --out"},
    CLI_JOIN(
        "work on the run in --out with other processes, here or on machines that share the folder; "
        "begin it if there is none"),
    CLI_NO_WAIT,
    CLI_STOP_AFTER,
    CLI_DATA,
    CLI_QUIET,
    CLI_END,
};

const cli_command cli_run = {
    .name = "run",
    .summary = "train and measure what a spec describes",
    .synopsis = "SPEC [OPTIONS]",
    .description =
        "Train every run of the spec, measure it, and write models, metrics, tables and figures\n"
        "into a run directory. Ctrl-C stops it with a checkpoint; `invar resume RUN_DIR` goes on.\n"
        "Several devices, processes or machines can share the work: docs/scale.md.\n"
        "SPEC is a YAML file (docs/files.md), or the name of a spec that comes with Invar;\n"
        "`invar run` alone lists them.\n",
    .notes =
        "Exit status: 0; 1 if it fails while running; 2 for bad usage or a bad spec; 3 if there\n"
        "is no usable device; 4 if data is missing or damaged; 130 if interrupted, with a\n"
        "checkpoint saved.\n",
    .needs = "a spec",
    .offer = cli_print_specs,
    .least_words = 1,
    .most_words = 1,
    .options = options_of_run,
    .run = run,
};

static int resume(const cli_arguments *arguments) {
    const iv_run_options options = {.join = cli_has(arguments, "join"),
                                    .leave = cli_has(arguments, "no-wait")};
    if (options.leave && !options.join)
        return cli_usage_error(&cli_resume, "--no-wait goes with --join");
    return perform(arguments, options, arguments->words[0]);
}

static const cli_option options_of_resume[] = {
    CLI_DEVICES, CLI_JOIN("with other processes that do so, if the run was begun with --join"),
    CLI_NO_WAIT, CLI_STOP_AFTER,
    CLI_DATA,    CLI_QUIET,
    CLI_END,
};

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

/* invar submit: a spec to Slurm. Two scripts are written beside the run and handed to sbatch: an array
 * of tasks that share the run directory as `--join` has it, and a job that ends the run once they have
 * ended. Both go on by themselves where Slurm stops them: requeued after a preemption, and submitted
 * again when their time is over. */
#include "cli/cli.h"

#include "runtime/text_builder.h"

#include <invar/data.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOTICE_SECONDS = 120, MOST_TASKS = 10000 };

typedef struct {
    const cli_arguments *arguments;
    char *dir, *spec_text, *data; /* dir and data are absolute */
    const char *program;
    const char *name;
    size_t n_tasks;
    char own[PATH_MAX];
} submission;

/* ------------------------------------------------------------------ scripts */

/* 'TEXT' for a shell. */
static void add_quoted(iv_text *text, const char *string) {
    iv_text_add(text, "'");
    for (const char *at = string; *at; at++)
        if (*at == '\'')
            iv_text_add(text, "'\\''");
        else
            iv_text_add_bytes(text, at, 1);
    iv_text_add(text, "'");
}

static void add_directives(iv_text *text, const submission *s, bool array) {
    const char *partition = cli_value(s->arguments, "partition");
    const char *time = cli_value(s->arguments, "time");
    iv_text_format(text, "#!/bin/sh\n#SBATCH --job-name=%s%s\n", s->name, array ? "" : "-end");
    if (array && s->n_tasks > 1) iv_text_format(text, "#SBATCH --array=0-%zu\n", s->n_tasks - 1);
    if (partition) iv_text_format(text, "#SBATCH --partition=%s\n", partition);
    if (time) iv_text_format(text, "#SBATCH --time=%s\n", time);
    iv_text_format(text, "#SBATCH --output=%s/slurm/%s.log\n", s->dir,
                   array && s->n_tasks > 1 ? "%A-%a" : "%j");
    iv_text_format(text,
                   "#SBATCH --open-mode=append\n#SBATCH --requeue\n"
                   "#SBATCH --signal=B:USR1@%d\n",
                   NOTICE_SECONDS);
    for (size_t i = 0; i < s->arguments->n_given; i++)
        if (strcmp(s->arguments->given[i].option->name, "sbatch") == 0)
            iv_text_format(text, "#SBATCH %s\n", s->arguments->given[i].value);
}

static void add_command(iv_text *text, const submission *s, bool array) {
    const char *device = cli_value(s->arguments, "device");
    add_quoted(text, s->program);
    iv_text_add(text, " run ");
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/slurm/spec.yaml", s->dir);
    add_quoted(text, path);
    iv_text_add(text, " --out ");
    add_quoted(text, s->dir);
    iv_text_add(text, array ? " --join --no-wait" : " --join");
    if (device) {
        iv_text_add(text, " --device ");
        add_quoted(text, device);
    }
    if (s->data) {
        iv_text_add(text, " --data ");
        add_quoted(text, s->data);
    }
}

/* The shell hands signals on. Slurm tells it, before the time is over, by SIGUSR1: then it submits
 * itself once more, unless that was so soon that it would never get on. SIGTERM is a cancellation, or a preemption after which Slurm itself requeues. */
static iv_status make_script(const submission *s, bool array, char **script, iv_error *error) {
    iv_text text = {0};
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/slurm/%s.sh", s->dir, array ? "task" : "end");
    add_directives(&text, s, array);
    iv_text_add(&text, "again=no\nbegun=$(date +%s)\n"
                       "trap 'again=yes; kill -USR1 \"$child\" 2>/dev/null' USR1\n"
                       "trap 'kill -TERM \"$child\" 2>/dev/null' TERM INT\n");
    add_command(&text, s, array);
    iv_text_add(&text, " &\nchild=$!\nwait \"$child\"\nstatus=$?\n"
                       "while kill -0 \"$child\" 2>/dev/null; do\n"
                       "    wait \"$child\"\n    status=$?\ndone\n"
                       "[ $(($(date +%s) - begun)) -ge 60 ] || again=no\n"
                       "if [ \"$again\" = yes ] && [ \"$status\" -eq 130 ]; then\n    sbatch ");
    if (array && s->n_tasks > 1) iv_text_add(&text, "--array=\"$SLURM_ARRAY_TASK_ID\" ");
    add_quoted(&text, path);
    iv_text_add(&text, " && exit 0\nfi\nexit \"$status\"\n");
    return iv_text_take(&text, script, error);
}

/* ------------------------------------------------------------------ sbatch */

/* Run sbatch and read the number of the job. */
static iv_status call_sbatch(const char *const *argv, char *job, size_t size, iv_error *error) {
    int ends[2], how = 0;
    size_t n = 0;
    if (pipe(ends) != 0)
        return iv_fail(error, IV_EFAILED, "no pipe for sbatch: %s", strerror(errno));
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        if (dup2(ends[1], STDOUT_FILENO) < 0) _exit(126);
        close(ends[0]);
        close(ends[1]);
        execvp("sbatch", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(ends[1]);
    while (pid > 0 && n + 1 < size) {
        const ssize_t got = read(ends[0], job + n, size - 1 - n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        n += (size_t)got;
    }
    job[n] = '\0';
    close(ends[0]);
    while (pid > 0 && waitpid(pid, &how, 0) < 0 && errno == EINTR) continue;
    if (pid > 0 && WIFEXITED(how) && WEXITSTATUS(how) == 127)
        return iv_fail(error, IV_EFAILED,
                       "there is no sbatch on the PATH: submit from a machine with Slurm, or see "
                       "what would be submitted with --dry-run");
    if (pid < 0 || !WIFEXITED(how) || WEXITSTATUS(how) != 0)
        return iv_fail(error, IV_EFAILED, "sbatch has not taken the job; its reason is above");
    job[strspn(job, "0123456789")] = '\0'; /* "ID;CLUSTER" */
    if (!*job) return iv_fail(error, IV_EFAILED, "sbatch gave no number of a job");
    return IV_OK;
}

static iv_status submit(const submission *s, const char *after, const char *name, char *job,
                        size_t size, iv_error *error) {
    char path[PATH_MAX + 32], dependency[128];
    snprintf(path, sizeof path, "%s/slurm/%s.sh", s->dir, name);
    snprintf(dependency, sizeof dependency, "--dependency=afterany:%.64s", after ? after : "");
    const char *argv[] = {"sbatch", "--parsable", after ? dependency : path, after ? path : NULL,
                          NULL};
    return call_sbatch(argv, job, size, error);
}

/* ------------------------------------------------------------------ what is asked for */

/* Directives are lines of a file, in which neither Slurm nor people quote. */
static iv_status check_word(const char *what, const char *text, iv_error *error) {
    for (const char *at = text ? text : ""; *at; at++)
        if ((unsigned char)*at <= ' ' || strchr("'\"\\%#$`", *at))
            return iv_fail(error, IV_EINVAL,
                           "%s %s: blanks, quotes, %% and the like cannot be handed to Slurm", what,
                           text);
    return IV_OK;
}

static iv_status check_options(const submission *s, iv_error *error) {
    iv_status status = check_word("--partition", cli_value(s->arguments, "partition"), error);
    if (status == IV_OK) status = check_word("--time", cli_value(s->arguments, "time"), error);
    for (size_t i = 0; i < s->arguments->n_given && status == IV_OK; i++) {
        const cli_given *given = &s->arguments->given[i];
        if (strcmp(given->option->name, "sbatch") != 0) continue;
        if (strncmp(given->value, "--", 2) != 0 || strpbrk(given->value, "\n\r"))
            status = iv_fail(error, IV_EINVAL,
                             "--sbatch %s: expected an option of sbatch such as --gres=gpu:1",
                             given->value);
    }
    return status;
}

static iv_status count_tasks(submission *s, const iv_check_report *report, iv_error *error) {
    const char *text = cli_value(s->arguments, "tasks");
    char *end = NULL;
    s->n_tasks = 1;
    if (text) {
        const unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
        if (!end || *end || n < 1 || n > MOST_TASKS)
            return iv_fail(error, IV_EINVAL, "--tasks %s: expected a number from 1 to %d", text,
                           MOST_TASKS);
        s->n_tasks = n;
    } else if (cli_has(s->arguments, "array")) {
        s->n_tasks = 0; /* as many as populations, as far as that is known without a device */
        for (size_t i = 0; i < report->populations.n; i++) {
            const iv_population *p = &report->populations.items[i];
            const size_t at_once = (size_t)iv_spec_integer(p->config, "training.population");
            s->n_tasks += at_once > 0 ? (p->n_members + at_once - 1) / at_once : 1;
        }
        if (s->n_tasks > MOST_TASKS) s->n_tasks = MOST_TASKS;
    }
    return IV_OK;
}

/* The absolute path of a folder that may not be there yet. */
static iv_status absolute(const char *path, char **result, iv_error *error) {
    char here[PATH_MAX];
    iv_text text = {0};
    if (*path != '/') {
        if (!getcwd(here, sizeof here))
            return iv_fail(error, IV_EFAILED, "the working directory is unknown: %s",
                           strerror(errno));
        iv_text_format(&text, "%s/", here);
    }
    iv_text_add(&text, path);
    return iv_text_take(&text, result, error);
}

static iv_status write_one(const submission *s, const char *name, const char *text,
                           iv_error *error) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/slurm/%s", s->dir, name);
    return iv_write_file_atomically(path, text, strlen(text), error);
}

/* ------------------------------------------------------------------ all of it */

static iv_status hand_over(const submission *s, const char *task, const char *end,
                           iv_error *error) {
    char folder[PATH_MAX + 32], first[64], last[64];
    snprintf(folder, sizeof folder, "%s/slurm", s->dir);
    if (cli_has(s->arguments, "dry-run")) {
        printf("%s/slurm/task.sh:\n\n%s\n%s/slurm/end.sh:\n\n%s\n", s->dir, task, s->dir, end);
        printf("sbatch --parsable %s/slurm/task.sh\n", s->dir);
        printf("sbatch --parsable --dependency=afterany:JOB %s/slurm/end.sh\n", s->dir);
        return IV_OK;
    }
    iv_status status = iv_make_directories(folder, error);
    if (status == IV_OK) status = write_one(s, "spec.yaml", s->spec_text, error);
    if (status == IV_OK) status = write_one(s, "task.sh", task, error);
    if (status == IV_OK) status = write_one(s, "end.sh", end, error);
    if (status == IV_OK) status = submit(s, NULL, "task", first, sizeof first, error);
    if (status != IV_OK) return status;
    status = submit(s, first, "end", last, sizeof last, error);
    if (status != IV_OK) {
        iv_error second = *error;
        iv_error_clear(error);
        return iv_fail(error, status,
                       "%s; job %s is submitted all the same: scancel %s takes it back",
                       second.message, first, first);
    }
    printf("job %s: %zu task%s; job %s ends the run\n", first, s->n_tasks,
           s->n_tasks == 1 ? "" : "s", last);
    printf("`invar status %s` says how far it is, `scancel %s %s` stops it\n", s->dir, first, last);
    return IV_OK;
}

static iv_status prepare(submission *s, const iv_check_report *report, iv_error *error) {
    const char *out = cli_value(s->arguments, "out"), *data = cli_value(s->arguments, "data");
    iv_status status = check_options(s, error);
    if (status == IV_OK) status = count_tasks(s, report, error);
    if (status == IV_OK) status = absolute(out, &s->dir, error);
    if (status == IV_OK) status = check_word("--out", s->dir, error);
    if (status == IV_OK && strlen(s->dir) > PATH_MAX - 64)
        status = iv_fail(error, IV_EINVAL, "--out: the path is too long");
    if (status == IV_OK && data) status = absolute(data, &s->data, error);
    if (status == IV_OK) {
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);
        if (!stream) return iv_fail(error, IV_ENOMEM, "out of memory for the spec");
        status = iv_spec_write(report->spec, stream, error);
        if (fclose(stream) != 0 && status == IV_OK)
            status = iv_fail(error, IV_ENOMEM, "out of memory for the spec");
        s->spec_text = text;
    }
    s->name = iv_spec_string(iv_spec_root(report->spec), "name");
    if (status == IV_OK) status = check_word("the spec's name", s->name, error);
    return status;
}

static int run(const cli_arguments *arguments) {
    submission s = {.arguments = arguments};
    iv_error error = {0};
    iv_check_report report = {0};
    cli_overrides overrides;
    char *task = NULL, *end = NULL;
    if (!cli_value(arguments, "out"))
        return cli_usage_error(&cli_submit, "needs --out, a folder that the nodes share");
    if (!cli_overrides_read(arguments, &overrides)) {
        (void)iv_fail(&error, IV_ENOMEM, "out of memory");
        return cli_fail(&error);
    }
    const iv_run_options options = {
        .spec = arguments->words[0], .overrides = overrides.texts, .n_overrides = overrides.n};
    s.program = cli_own_path(s.own, sizeof s.own);
    iv_status status = iv_expand(&options, &report, &error);
    if (status == IV_OK) status = prepare(&s, &report, &error);
    if (status == IV_OK) status = make_script(&s, true, &task, &error);
    if (status == IV_OK) status = make_script(&s, false, &end, &error);
    if (status == IV_OK) status = hand_over(&s, task, end, &error);
    iv_check_clear(&report);
    free(overrides.texts);
    free(task);
    free(end);
    free(s.dir);
    free(s.data);
    free(s.spec_text);
    return status == IV_OK ? 0 : cli_fail(&error);
}

static const cli_option options[] = {
    {"out", "DIR", "the run directory, in a folder that the nodes share"},
    {"array", NULL, "as many tasks as the spec has populations"},
    {"tasks", "N", "so many tasks (default without --array: one)"},
    {"partition", "P", "Slurm's partition"},
    {"time", "T",
     "time limit of a task, as sbatch takes it; a task whose time is over goes on in another"},
    {"sbatch", "OPTION", "another option of sbatch, such as --gres=gpu:1; may be repeated"},
    CLI_SET,
    CLI_SEEDS,
    CLI_DEVICE,
    CLI_DATA,
    {"dry-run", NULL, "print what would be submitted; write nothing"},
    CLI_END,
};

const cli_command cli_submit = {
    .name = "submit",
    .summary = "a spec to Slurm: an array of tasks that share one run",
    .synopsis = "SPEC --out DIR [--partition P] [--array] [OPTIONS]",
    .description =
        "Write scripts into DIR/slurm and hand them to sbatch: an array of tasks that share the\n"
        "run directory (`invar run --join`), and a job that ends the run after them. A task that\n"
        "is preempted is requeued, one whose time is over submits itself again with what is\n"
        "left; `invar status DIR` says how far all are.\n",
    .notes =
        "Exit status: 0; 1 if there is no Slurm or it refuses; 2 for bad usage or a bad spec.\n",
    .needs = "a spec",
    .offer = cli_print_specs,
    .least_words = 1,
    .most_words = 1,
    .options = options,
    .run = run,
};

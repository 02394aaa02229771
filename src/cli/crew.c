/* Training on several devices: a process for each, which share one run directory as `--join` has them
 * (docs/scale.md). This one shows how far they are, hands requests to stop on, and says what comes
 * out. Processes instead of threads: a driver that aborts ends one of them, and whoever adds a machine
 * later does so in the same way. */
#include "cli/cli.h"

#include "runtime/stop.h"
#include "runtime/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { MOST_DEVICES = 64, LINE = 2048, LOOK_MS = 500 };

typedef struct {
    size_t device;
    pid_t pid;
    int news;        /* what it writes to standard error; -1 once that ended */
    char line[LINE]; /* of it, not yet ended */
    size_t length;
    bool ended, asked;
    int status;
} member;

typedef struct {
    const cli_arguments *arguments;
    const char *dir, *resumed;
    iv_device_info *devices;
    size_t n_devices;
    member *members;
    size_t n;
    cli_progress progress;
    char last[LINE]; /* what was said last, as all may say the same */
} crew;

bool cli_names_several(const char *selector) {
    return selector && (strchr(selector, ',') || strcasecmp(selector, "all") == 0);
}

/* ------------------------------------------------------------------ which devices */

static iv_status add_device(crew *c, size_t device, iv_error *error) {
    if (c->n == MOST_DEVICES)
        return iv_fail(error, IV_EINVAL, "--device: more than %d devices", MOST_DEVICES);
    c->members[c->n++] = (member){.device = device, .news = -1};
    return IV_OK;
}

/* Every GPU, or every device where there is none: a CPU beside a GPU would be the last to end. */
static iv_status add_all(crew *c, iv_error *error) {
    bool gpu = false;
    iv_status status = IV_OK;
    for (size_t i = 0; i < c->n_devices; i++)
        gpu |= c->devices[i].available && c->devices[i].type == IV_DEVICE_GPU;
    for (size_t i = 0; i < c->n_devices && status == IV_OK; i++)
        if (c->devices[i].available && (!gpu || c->devices[i].type == IV_DEVICE_GPU))
            status = add_device(c, i, error);
    if (status == IV_OK && c->n == 0) {
        size_t none;
        status = iv_device_select(c->devices, c->n_devices, NULL, &none, error);
    }
    return status;
}

static iv_status find_devices(crew *c, const char *selector, iv_error *error) {
    iv_status status = iv_devices_list(&c->devices, &c->n_devices, error);
    c->members = calloc(MOST_DEVICES, sizeof *c->members);
    char *list = strdup(selector);
    if (status == IV_OK && (!c->members || !list))
        status = iv_fail(error, IV_ENOMEM, "out of memory for the devices");
    if (status == IV_OK && strcasecmp(selector, "all") == 0) {
        status = add_all(c, error);
    } else if (status == IV_OK) {
        for (char *at = list, *next; at && status == IV_OK; at = next) {
            size_t index;
            next = strchr(at, ',');
            if (next) *next++ = '\0';
            at += strspn(at, " ");
            if (!*at)
                status = iv_fail(error, IV_EINVAL, "--device %s: a name is missing", selector);
            if (status == IV_OK)
                status = iv_device_select(c->devices, c->n_devices, at, &index, error);
            if (status == IV_OK) status = add_device(c, index, error);
        }
    }
    free(list);
    return status;
}

iv_status cli_pick_device(const char *selector, size_t number, char *index, size_t size,
                          iv_error *error) {
    crew c = {0};
    const char *asked = selector && *selector ? selector : getenv("INVAR_DEVICE");
    iv_status status = find_devices(&c, asked && *asked ? asked : "all", error);
    if (status == IV_OK) snprintf(index, size, "%zu", c.members[number % c.n].device);
    free(c.members);
    free(c.devices);
    return status;
}

/* ------------------------------------------------------------------ processes */

const char *cli_own_path(char *path, size_t size) {
    const ssize_t n = readlink("/proc/self/exe", path, size - 1);
    if (n <= 0) return cli_program;
    path[n] = '\0';
    return path;
}

/* The same command for one device. argv: [n_given * 2 + 16]; index: its text. */
static void write_command(const crew *c, const char *index, const char **argv,
                          char (*texts)[LINE]) {
    size_t n = 0, n_texts = 0;
    argv[n++] = "invar";
    argv[n++] = c->resumed ? "resume" : "run";
    argv[n++] = c->resumed ? c->resumed : c->arguments->words[0];
    for (size_t i = 0; i < c->arguments->n_given; i++) {
        const cli_given *given = &c->arguments->given[i];
        static const char *const own[] = {"device", "out",    "join",      "no-wait",
                                          "quiet",  "resume", "stop-after"};
        bool left_out = false;
        for (size_t k = 0; k < sizeof own / sizeof *own; k++)
            left_out |= strcmp(given->option->name, own[k]) == 0;
        if (left_out) continue;
        snprintf(texts[n_texts], LINE, "--%s", given->option->name);
        argv[n++] = texts[n_texts++];
        if (given->value) argv[n++] = given->value;
    }
    argv[n++] = "--join";
    argv[n++] = "--device";
    argv[n++] = index;
    if (!c->resumed) {
        argv[n++] = "--out";
        argv[n++] = c->dir;
    }
    argv[n] = NULL;
}

static void become(const char *path, const char *const *argv, int news) {
    setpgid(0, 0); /* the terminal's Ctrl-C reaches this program alone, which hands it on */
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
    const int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(news, STDERR_FILENO) < 0)
        _exit(126);
    if (strchr(path, '/'))
        execv(path, (char *const *)(uintptr_t)argv);
    else
        execvp(path, (char *const *)(uintptr_t)argv);
    _exit(127);
}

static iv_status start(crew *c, member *m, iv_error *error) {
    int ends[2];
    char path[4096], index[24];
    const size_t n = c->arguments->n_given;
    const char **argv = calloc(2 * n + 16, sizeof *argv);
    char(*texts)[LINE] = calloc(n + 1, sizeof *texts);
    iv_status status = IV_OK;
    snprintf(index, sizeof index, "%zu", m->device);
    if (!argv || !texts)
        status = iv_fail(error, IV_ENOMEM, "out of memory for a process");
    else if (pipe(ends) != 0)
        status = iv_fail(error, IV_EFAILED, "no pipe for a process: %s", strerror(errno));
    if (status == IV_OK) {
        write_command(c, index, argv, texts);
        fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        const char *program = cli_own_path(path, sizeof path);
        fflush(NULL);
        m->pid = fork();
        if (m->pid == 0) become(program, argv, ends[1]);
        close(ends[1]);
        m->news = ends[0];
        if (m->pid < 0) {
            status = iv_fail(error, IV_EFAILED, "no process for a device: %s", strerror(errno));
            m->ended = true;
        }
    }
    free(argv);
    free(texts);
    return status;
}

/* ------------------------------------------------------------------ what they say */

static void say(crew *c, const member *m, const char *text) {
    char line[LINE + 64];
    if (strcmp(text, c->last) == 0) return;
    snprintf(c->last, sizeof c->last, "%s", text);
    const bool trouble = strncmp(text, "invar: ", 7) == 0;
    snprintf(line, sizeof line, "device %zu: %s", m->device, trouble ? text + 7 : text);
    if (trouble)
        cli_progress_warning(&c->progress, line);
    else
        cli_progress_message(&c->progress, line);
}

static void hear(crew *c, member *m) {
    char block[1024];
    ssize_t n;
    while ((n = read(m->news, block, sizeof block)) > 0)
        for (ssize_t i = 0; i < n; i++) {
            const bool end = block[i] == '\n';
            if (!end && m->length + 1 < sizeof m->line) m->line[m->length++] = block[i];
            if (!end) continue;
            m->line[m->length] = '\0';
            m->length = 0;
            iv_tame(m->line);
            say(c, m, m->line);
        }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        close(m->news);
        m->news = -1;
    }
}

static void show(crew *c) {
    iv_standing s;
    iv_error unread = {0};
    char what[128];
    if (c->progress.quiet || iv_standing_read(c->dir, &s, &unread) != IV_OK) return;
    if (s.n_parts > 0) {
        snprintf(what, sizeof what, "%zu of %zu populations done, %zu running",
                 s.n_of[IV_PART_DONE], s.n_parts, s.n_of[IV_PART_RUNNING]);
        cli_progress_update(&c->progress, what, (uint64_t)(1000 * s.share), 1000);
    }
    iv_standing_clear(&s);
}

static void end_of(crew *c, member *m, int how) {
    char line[160];
    m->ended = true;
    m->status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
    if (!WIFSIGNALED(how)) return;
    snprintf(line, sizeof line, "invar: its process was ended by signal %d; the others go on",
             WTERMSIG(how));
    say(c, m, line);
}

static void wait_for_all(crew *c, const volatile sig_atomic_t *stop) {
    size_t left = c->n;
    while (left > 0) {
        struct pollfd polled[MOST_DEVICES];
        member *of[MOST_DEVICES];
        nfds_t n = 0;
        left = 0;
        for (size_t i = 0; i < c->n; i++) {
            member *m = &c->members[i];
            int how;
            if (!m->ended && waitpid(m->pid, &how, WNOHANG) == m->pid) {
                if (m->news >= 0) hear(c, m);
                end_of(c, m, how);
            }
            if (!m->ended && !m->asked && iv_stop_is_asked(stop)) {
                m->asked = true;
                kill(m->pid, SIGTERM);
            }
            left += !m->ended;
            if (m->news < 0 || m->ended) continue;
            of[n] = m;
            polled[n++] = (struct pollfd){.fd = m->news, .events = POLLIN};
        }
        if (left == 0) break;
        const int ready = poll(polled, n, iv_stop_is_asked(stop) ? 20 : LOOK_MS / 5);
        for (nfds_t i = 0; i < n && ready > 0; i++)
            if (polled[i].revents) hear(c, of[i]);
        show(c);
    }
    for (size_t i = 0; i < c->n; i++)
        if (c->members[i].news >= 0) close(c->members[i].news);
}

/* ------------------------------------------------------------------ all of it */

static void announce(const crew *c) {
    if (c->progress.quiet) return;
    fprintf(stderr, "invar: %zu processes, into %s\n", c->n, c->dir);
    for (size_t i = 0; i < c->n; i++) {
        const iv_device_info *d = &c->devices[c->members[i].device];
        fprintf(stderr, "device %zu: %s (%s%s%s)\n", c->members[i].device, d->name,
                cli_type_name(d->type), *d->address ? ", " : "", d->address);
    }
}

/* The run's end decides, whoever failed on the way. */
static int conclude(crew *c) {
    iv_standing s;
    iv_error error = {0};
    int status = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->members[i].status != 0 && (status == 0 || c->members[i].status == 130))
            status = c->members[i].status;
    if (iv_standing_read(c->dir, &s, &error) != IV_OK) return status ? status : cli_fail(&error);
    const bool finished = s.finished;
    iv_standing_clear(&s);
    if (finished) {
        iv_results results;
        iv_status read = iv_results_of_run(c->dir, &results, &error);
        if (read == IV_OK) read = cli_print_outcome(c->dir, &results, &error);
        iv_results_free(&results);
        return read == IV_OK ? 0 : cli_fail(&error);
    }
    if (status == 130)
        (void)iv_fail(&error, IV_EINTERRUPTED, "interrupted; `invar resume %s` goes on from here",
                      c->dir);
    else
        (void)iv_fail(&error, IV_EFAILED, "the run is not done; `invar resume %s` goes on", c->dir);
    cli_fail(&error);
    return status ? status : 1;
}

int cli_crew(const cli_arguments *arguments, const iv_run_options *options, const char *selector,
             const char *resumed) {
    crew c = {.arguments = arguments, .resumed = resumed};
    iv_error error = {0};
    char *made = NULL;
    cli_progress_init(&c.progress, cli_has(arguments, "quiet"));
    iv_status status = find_devices(&c, selector, &error);
    if (status == IV_OK && !resumed && !options->out) {
        status = iv_run_directory(options, &made, &error);
        c.dir = made;
    } else {
        c.dir = resumed ? resumed : options->out;
    }
    int result = 0;
    if (status == IV_OK) {
        announce(&c);
        setenv("INVAR_CREW", "1", 1); /* news, without progress: this process shows it */
        for (size_t i = 0; i < c.n && status == IV_OK; i++)
            status = start(&c, &c.members[i], &error);
        if (status != IV_OK)
            for (size_t i = 0; i < c.n; i++)
                if (c.members[i].pid > 0) kill(c.members[i].pid, SIGTERM);
        for (size_t i = 0; i < c.n; i++) c.members[i].ended |= c.members[i].pid <= 0;
        wait_for_all(&c, options->stop);
        cli_progress_end(&c.progress);
        if (status == IV_OK) result = conclude(&c);
    }
    free(made);
    free(c.members);
    free(c.devices);
    return status == IV_OK ? result : cli_fail(&error);
}

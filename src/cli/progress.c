/* How far long work has come, on standard error, and stopping it. */
#include "cli/cli.h"

#include "runtime/stop.h"
#include "runtime/text.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static const double terminal_seconds = 0.2, plain_seconds = 15;

/* ------------------------------------------------------------------ the terminal */

bool cli_redraws(void) {
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) == 1 && !(term && strcmp(term, "dumb") == 0);
}

static size_t terminal_columns(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    const char *columns = getenv("COLUMNS");
    const long n = columns ? strtol(columns, NULL, 10) : 0;
    return n > 0 && n < 10000 ? (size_t)n : 80;
}

/* How many bytes of a text, in UTF-8, fill at most `columns` columns. */
static size_t bytes_that_fit(const char *text, size_t columns) {
    size_t n = 0;
    for (size_t used = 0; text[n]; n++)
        if (((unsigned char)text[n] & 0xc0) != 0x80 && ++used > columns) break;
    return n;
}

size_t cli_fit(const char *text, size_t before) {
    const size_t columns = terminal_columns();
    return bytes_that_fit(text, columns > before + 1 ? columns - before - 1 : 1);
}

/* A line that reaches the last column would wrap, and no carriage return gets back over that. */
void cli_redraw(const char *line) {
    const size_t n = cli_fit(line, 0);
    fprintf(stderr, "\r%.*s\033[K", (int)n, line);
    fflush(stderr);
}

/* ------------------------------------------------------------------ progress */

void cli_progress_init(cli_progress *p, bool quiet) {
    memset(p, 0, sizeof *p);
    p->quiet = quiet;
    p->news_only = getenv("INVAR_CREW") != NULL; /* crew.c shows how far all are */
    p->terminal = cli_redraws();
}

static void clear_line(cli_progress *p) {
    if (p->line_open) fputs("\r\033[K", stderr);
    p->line_open = false;
}

void cli_progress_update(void *state, const char *what, uint64_t done, uint64_t total) {
    cli_progress *p = state;
    if (p->quiet || p->news_only || !what) return;
    const double now = iv_seconds();
    /* Work that goes on under another name keeps its clock; another total is other work. */
    const bool goes_on = total == p->total && done >= p->last;
    snprintf(p->what, sizeof p->what, "%s", what);
    p->last = done;
    p->total = total;
    if (!goes_on) {
        p->first = done;
        p->start = p->last_shown = now;
        return;
    }
    if (now - p->last_shown < (p->terminal ? terminal_seconds : plain_seconds)) return;
    p->last_shown = now;

    const double rate = (double)(done - p->first) / (now - p->start);
    char left[32] = "?";
    if (rate > 0) iv_format_duration((double)(total - done) / rate, left, sizeof left);
    const double percent = total ? 100.0 * (double)done / (double)total : 100.0;
    char line[256];
    snprintf(line, sizeof line, "%s: %.0f%% (%llu of %llu, %.4g/s, %s left)", p->what, percent,
             (unsigned long long)done, (unsigned long long)total, rate, left);
    if (p->terminal)
        cli_redraw(line);
    else
        fprintf(stderr, "%s\n", line);
    fflush(stderr);
    p->line_open = p->terminal;
}

void cli_progress_warning(cli_progress *p, const char *text) {
    clear_line(p);
    fprintf(stderr, "invar: %s\n", text);
}

void cli_progress_message(void *state, const char *text) {
    cli_progress *p = state;
    if (p->quiet) return;
    clear_line(p);
    fprintf(stderr, "%s\n", text);
}

void cli_progress_end(cli_progress *p) {
    clear_line(p);
    fflush(stderr);
}

/* ------------------------------------------------------------------ signals */

static volatile sig_atomic_t stop_requested;

typedef struct {
    sigset_t signals;
    bool heeds_hangup; /* under nohup it is ignored, and stays so */
} stop_requests;

/* Signals are waited for in a thread of their own: OpenCL drivers are built on compilers that put
 * their own handlers in the place of others', also of what was ignored, and unblock all in them. */
static void *await_requests(void *state) {
    const stop_requests *r = state;
    for (int number; sigwait(&r->signals, &number) == 0;) {
        if (number == SIGHUP && !r->heeds_hangup) continue;
        if (iv_stop_is_asked(&stop_requested)) _exit(130);
        iv_stop_ask(&stop_requested);
    }
    return NULL;
}

const volatile sig_atomic_t *cli_catch_stop(void) {
    /* SIGUSR1 and 2: a batch system gives notice. */
    static const int asked_by[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    static stop_requests r;
    struct sigaction hangup;
    pthread_t thread;
    sigemptyset(&r.signals);
    for (size_t i = 0; i < sizeof asked_by / sizeof *asked_by; i++)
        sigaddset(&r.signals, asked_by[i]);
    r.heeds_hangup = sigaction(SIGHUP, NULL, &hangup) != 0 || hangup.sa_handler != SIG_IGN;
    if (pthread_sigmask(SIG_BLOCK, &r.signals, NULL) == 0 &&
        pthread_create(&thread, NULL, await_requests, &r) == 0)
        pthread_detach(thread);
    else /* without the thread nobody would hear them */
        pthread_sigmask(SIG_UNBLOCK, &r.signals, NULL);
    return &stop_requested;
}

static void *stop_later(void *state) {
    const double seconds = *(const double *)state;
    const double end = iv_seconds() + seconds;
    for (double left = seconds; left > 0; left = end - iv_seconds()) {
        const double whole = (double)(time_t)left;
        const struct timespec time = {(time_t)whole, (long)((left - whole) * 1e9)};
        nanosleep(&time, NULL);
    }
    iv_stop_ask(&stop_requested);
    return NULL;
}

bool cli_stop_after(double seconds) {
    static double kept;
    pthread_t thread;
    kept = seconds;
    if (pthread_create(&thread, NULL, stop_later, &kept) != 0) return false;
    pthread_detach(thread);
    return true;
}

bool cli_settle_in(void) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
    /* And blocked: what is ignored gets a handler where a driver's compiler puts in its own. */
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPIPE);
    sigaddset(&blocked, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    for (int descriptor = 0; descriptor <= 2; descriptor++)
        if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) return false;
    return true;
}

/* The plotting program. It runs only scripts that the caller has just composed. */
#include "report/plot.h"

#include "report/file.h"
#include "runtime/text_builder.h"

#include <invar/runtime.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NOT_FOUND = 127, LIMIT_SECONDS = 30 };

#ifdef __APPLE__ /* a library there cannot link to the variable */
#include <crt_externs.h>
#define environ (*_NSGetEnviron())
#else
extern char **environ;
#endif

/* Settings that would reach gnuplot through the environment: its start-up files are switched off by
 * -d, and these could name others (GNUPLOT_LIB, GNUPLOT_FONTPATH, GNUTERM, FIT_SCRIPT, ...). */
static bool is_setting(const char *variable) {
    return strncmp(variable, "GNUPLOT", 7) == 0 || strncmp(variable, "GNUTERM", 7) == 0 ||
           strncmp(variable, "FIT_", 4) == 0;
}

/* The environment without gnuplot's settings; NULL if memory runs out. To be freed, not its
 * strings.
 */
static char **clean_environment(void) {
    size_t n = 0, kept = 0;
    while (environ && environ[n]) n++;
    char **clean = calloc(n + 1, sizeof *clean);
    for (size_t i = 0; clean && i < n; i++)
        if (!is_setting(environ[i])) clean[kept++] = environ[i];
    return clean;
}

/* In the child: only calls that are safe after fork in a process with threads (drivers have some).
 */
static void exec_gnuplot(const char *dir, const char *script, int messages, char **environment) {
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(messages, STDERR_FILENO) < 0 || chdir(dir) != 0) {
        _exit(1);
    }
    sigset_t none; /* what this program waits for must reach gnuplot */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    environ = environment;
    execlp("gnuplot", "gnuplot", "-d", script, (char *)NULL);
    _exit(errno == ENOENT || errno == EACCES || errno == ENOTDIR ? NOT_FOUND : 1);
}

/* What gnuplot writes until it ends: the first of it is kept, but all is read, or gnuplot would
 * block on a full pipe. False if it does not end in time. */
static bool read_message(int from, double limit, char *message, size_t size) {
    char block[512];
    size_t length = 0;
    message[0] = '\0';
    for (;;) {
        const double left = limit - iv_seconds();
        struct pollfd ready = {.fd = from, .events = POLLIN};
        if (left <= 0.0) return false;
        const int n_ready = poll(&ready, 1, (int)(1000.0 * left) + 1);
        if (n_ready < 0 && errno != EINTR) return false;
        if (n_ready <= 0) continue;
        const ssize_t n = read(from, block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return true;
        const size_t room = size - 1 - length, kept = (size_t)n < room ? (size_t)n : room;
        memcpy(message + length, block, kept);
        length += kept;
        message[length] = '\0';
    }
}

/* The child's end; past the limit it is ended. */
static bool wait_until(pid_t child, double limit, bool *in_time, int *result) {
    const struct timespec moment = {.tv_nsec = 10000000};
    *in_time = true;
    for (;;) {
        const pid_t ended = waitpid(child, result, *in_time ? WNOHANG : 0);
        if (ended == child) return true;
        if (ended < 0 && errno != EINTR) return false;
        if (ended == 0 && iv_seconds() < limit) {
            nanosleep(&moment, NULL);
        } else if (ended == 0) {
            *in_time = false;
            kill(child, SIGKILL);
        }
    }
}

iv_status iv_gnuplot_run(const char *dir, const char *script, int seconds, bool *found,
                         iv_error *error) {
    int ends[2];
    if (found) *found = true;
    char **environment = clean_environment();
    if (!environment) return iv_fail(error, IV_ENOMEM, "out of memory while starting gnuplot");
    if (pipe(ends) != 0) {
        free(environment);
        return iv_fail(error, IV_EFAILED, "cannot start gnuplot: %s", strerror(errno));
    }
    pid_t child = fork();
    if (child < 0) {
        int reason = errno;
        free(environment);
        close(ends[0]);
        close(ends[1]);
        return iv_fail(error, IV_EFAILED, "cannot start gnuplot: %s", strerror(reason));
    }
    if (child == 0) exec_gnuplot(dir, script, ends[1], environment);
    free(environment);
    close(ends[1]);

    char message[512];
    int result;
    const double limit = iv_seconds() + seconds;
    bool in_time = read_message(ends[0], limit, message, sizeof message);
    close(ends[0]);
    if (!wait_until(child, in_time ? limit : 0.0, &in_time, &result))
        return iv_fail(error, IV_EFAILED, "cannot wait for gnuplot: %s", strerror(errno));
    if (!in_time)
        return iv_fail(error, IV_EFAILED, "gnuplot was still drawing %s/%s after %d seconds", dir,
                       script, seconds);
    if (WIFEXITED(result) && WEXITSTATUS(result) == NOT_FOUND) {
        if (found) *found = false;
        return IV_OK;
    }
    if (!WIFEXITED(result) || WEXITSTATUS(result) != 0) {
        char *text = message + strspn(message, "\n ");
        text[strcspn(text, "\r")] = '\0';
        return iv_fail(error, IV_EFAILED, "gnuplot failed on %s/%s: %s", dir, script,
                       *text ? text : "no message");
    }
    return IV_OK;
}

/* No link, pipe or device that something else stands behind. */
static iv_status check_own_file(const char *path, iv_error *error) {
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? IV_OK
                               : iv_fail(error, IV_EFAILED, "%s: %s", path, strerror(errno));
    return S_ISREG(info.st_mode)
               ? IV_OK
               : iv_fail(error, IV_EFAILED, "%s is not a plain file: remove it", path);
}

iv_status iv_figure_draw(const char *dir, const char *name, iv_text *script, bool *found,
                         iv_error *error) {
    static const char *const pictures[] = {"svg", "png"};
    iv_text path = {0};
    iv_text_format(&path, "%s/%s.gp", dir, name);
    iv_status status =
        path.failed ? iv_fail(error, IV_ENOMEM, "out of memory while drawing %s", name) : IV_OK;
    if (found) *found = false;
    if (status == IV_OK) status = check_own_file(path.data, error);
    if (status == IV_OK) status = iv_file_write_text(path.data, script, error);
    if (status == IV_OK)
        status = iv_gnuplot_run(dir, path.data + strlen(dir) + 1, LIMIT_SECONDS, found, error);
    iv_text_free(script);
    iv_text_free(&path);
    for (size_t i = 0; status != IV_OK && i < 2; i++) {
        iv_text picture = {0};
        iv_text_format(&picture, "%s/%s.%s", dir, name, pictures[i]);
        if (!picture.failed) remove(picture.data);
        iv_text_free(&picture);
    }
    return status;
}

/* The plotting program. It runs only scripts that the caller has just composed. */
#include "report/plot.h"

#include "report/file.h"
#include "runtime/text_builder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_FOUND = 127 };

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
    environ = environment;
    execlp("gnuplot", "gnuplot", "-d", script, (char *)NULL);
    _exit(errno == ENOENT || errno == EACCES || errno == ENOTDIR ? NOT_FOUND : 1);
}

/* Run `gnuplot -d SCRIPT` in `dir`, without a shell. *found (may be NULL) is false, and the status
 * IV_OK, if there is no gnuplot on the PATH. IV_EFAILED with what gnuplot wrote on standard error.
 */
static iv_status run_gnuplot(const char *dir, const char *script, bool *found, iv_error *error) {
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

    /* Only the first message is kept, but all are read, or gnuplot would block on a full pipe. */
    char message[512], block[512];
    size_t length = 0;
    for (;;) {
        ssize_t n = read(ends[0], block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        size_t room = sizeof message - 1 - length;
        size_t kept = (size_t)n < room ? (size_t)n : room;
        memcpy(message + length, block, kept);
        length += kept;
    }
    message[length] = '\0';
    close(ends[0]);

    int result;
    while (waitpid(child, &result, 0) < 0) {
        if (errno != EINTR) {
            return iv_fail(error, IV_EFAILED, "cannot wait for gnuplot: %s", strerror(errno));
        }
    }
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

/* Whether the path is a file itself: no link, pipe or device that something else stands behind. */
static bool is_own_file(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0 && S_ISREG(info.st_mode);
}

iv_status iv_figure_draw(const char *dir, const char *name, iv_text *script, bool *found,
                         iv_error *error) {
    static const char *const pictures[] = {"svg", "png"};
    iv_text path = {0};
    iv_text_format(&path, "%s/%s.gp", dir, name);
    iv_status status =
        path.failed ? iv_fail(error, IV_ENOMEM, "out of memory while drawing %s", name) : IV_OK;
    if (found) *found = false;
    if (status == IV_OK && iv_file_exists(path.data) && !is_own_file(path.data))
        status = iv_fail(error, IV_EFAILED, "%s is not a plain file: remove it", path.data);
    if (status == IV_OK) status = iv_file_write_text(path.data, script, error);
    if (status == IV_OK) status = run_gnuplot(dir, path.data + strlen(dir) + 1, found, error);
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

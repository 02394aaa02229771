#include "report/plot.h"

#include "runtime/text_builder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_FOUND = 127 };

/* In the child: only calls that are safe after fork in a process
 * with threads (drivers have some). */
static void exec_gnuplot(const char *dir, const char *script, int messages) {
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(messages, STDERR_FILENO) < 0 || chdir(dir) != 0) {
        _exit(1);
    }
    execlp("gnuplot", "gnuplot", script, (char *)NULL);
    _exit(errno == ENOENT || errno == EACCES || errno == ENOTDIR ? NOT_FOUND : 1);
}

iv_status iv_gnuplot_run(const char *dir, const char *script, bool *found, iv_error *error) {
    int ends[2];
    if (found) *found = true;
    if (pipe(ends) != 0) {
        return iv_fail(error, IV_EFAILED, "cannot start gnuplot: %s", strerror(errno));
    }
    pid_t child = fork();
    if (child < 0) {
        int reason = errno;
        close(ends[0]);
        close(ends[1]);
        return iv_fail(error, IV_EFAILED, "cannot start gnuplot: %s", strerror(reason));
    }
    if (child == 0) exec_gnuplot(dir, script, ends[1]);
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

iv_status iv_figure_draw(const char *dir, const char *name, bool *found, iv_error *error) {
    static const char *const pictures[] = {"svg", "png"};
    iv_text script = {0};
    iv_text_format(&script, "%s.gp", name);
    iv_status status = script.failed
                           ? iv_fail(error, IV_ENOMEM, "out of memory while drawing %s", name)
                           : iv_gnuplot_run(dir, script.data, found, error);
    iv_text_free(&script);
    for (size_t i = 0; status != IV_OK && i < 2; i++) {
        iv_text picture = {0};
        iv_text_format(&picture, "%s/%s.%s", dir, name, pictures[i]);
        if (!picture.failed) remove(picture.data);
        iv_text_free(&picture);
    }
    return status;
}

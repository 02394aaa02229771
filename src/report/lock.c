#include "report/lock.h"

#include "report/file.h"
#include "runtime/text_builder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

struct iv_lock {
    int descriptor;
    char *path;
};

/* What another process has written into its lock; it may not have got that far. */
static iv_status fail_held(int descriptor, const char *what, iv_error *error) {
    char holder[256] = "";
    const ssize_t n = pread(descriptor, holder, sizeof holder - 1, 0);
    for (ssize_t i = 0; i < n; i++)
        if ((unsigned char)holder[i] < 0x20 || (unsigned char)holder[i] > 0x7e) holder[i] = '\0';
    return iv_fail(error, IV_EFAILED, "%s is in use by %s", what,
                   n > 0 && *holder ? holder : "another process");
}

static void write_holder(int descriptor) {
    struct utsname system;
    struct tm parts;
    char since[32];
    const time_t now = time(NULL);
    iv_text text = {0};
    gmtime_r(&now, &parts);
    strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &parts);
    iv_text_format(&text, "process %ld on %s since %s\n", (long)getpid(),
                   uname(&system) == 0 ? system.nodename : "an unknown host", since);
    /* For people alone: the lock holds without it. */
    if (!text.failed && ftruncate(descriptor, 0) == 0)
        (void)!pwrite(descriptor, text.data, text.length, 0);
    iv_text_free(&text);
}

/* Whether the path still names the file that was locked: whoever held it before may have removed it
 * in between. */
static bool is_still_there(int descriptor, const char *path) {
    struct stat locked, named;
    return fstat(descriptor, &locked) == 0 && stat(path, &named) == 0 &&
           locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

static bool has_no_locks(int reason) {
    return reason == ENOLCK || reason == EOPNOTSUPP || reason == ENOTSUP || reason == ENOSYS ||
           reason == EINVAL;
}

iv_status iv_lock_take(const char *path, const char *what, iv_lock **lock, iv_error *error) {
    iv_status status = IV_OK;
    *lock = NULL;
    iv_lock *taken = calloc(1, sizeof *taken);
    if (!taken || !(taken->path = iv_string_copy(path))) {
        free(taken);
        return iv_fail(error, IV_ENOMEM, "out of memory while locking %s", what);
    }
    bool held = false, lacking = false;
    while (!held && !lacking && status == IV_OK) {
        taken->descriptor =
            open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0666);
        if (taken->descriptor < 0) {
            status = iv_fail(error, IV_EFAILED, "cannot write %s: %s", path, strerror(errno));
            break;
        }
        if (flock(taken->descriptor, LOCK_EX | LOCK_NB) == 0) {
            held = is_still_there(taken->descriptor, path);
        } else if (errno == EWOULDBLOCK) {
            status = fail_held(taken->descriptor, what, error);
        } else if (errno != EINTR) {
            lacking = has_no_locks(errno);
            if (!lacking)
                status = iv_fail(error, IV_EFAILED, "cannot lock %s: %s", path, strerror(errno));
        }
        if (lacking) unlink(path);
        if (!held) close(taken->descriptor);
    }
    if (held) {
        write_holder(taken->descriptor);
        *lock = taken;
        return IV_OK;
    }
    free(taken->path);
    free(taken);
    return status;
}

void iv_lock_release(iv_lock *lock) {
    if (!lock) return;
    unlink(lock->path); /* while it is held, so that nobody else's is removed */
    close(lock->descriptor);
    free(lock->path);
    free(lock);
}

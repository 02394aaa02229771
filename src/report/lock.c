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

enum { SHARE_ATTEMPTS = 200 };
static const long pause_ns = 50 * 1000 * 1000; /* between them */

struct iv_lock {
    int descriptor;
    bool shared;
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

typedef enum { TAKEN, BUSY, LACKING, AGAIN, FAILED } attempt_result;

static attempt_result attempt(iv_lock *lock, int how, iv_error *error) {
    lock->descriptor =
        open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0666);
    if (lock->descriptor < 0) {
        (void)iv_fail(error, IV_EFAILED, "cannot write %s: %s", lock->path, strerror(errno));
        return FAILED;
    }
    if (flock(lock->descriptor, how | LOCK_NB) == 0) {
        if (is_still_there(lock->descriptor, lock->path)) return TAKEN;
        close(lock->descriptor);
        return AGAIN;
    }
    const int reason = errno;
    if (reason == EWOULDBLOCK) return BUSY; /* and open, to be read */
    close(lock->descriptor);
    if (reason == EINTR) return AGAIN;
    if (has_no_locks(reason)) return LACKING;
    (void)iv_fail(error, IV_EFAILED, "cannot lock %s: %s", lock->path, strerror(reason));
    return FAILED;
}

static attempt_result attempt_until(iv_lock *lock, int how, iv_error *error) {
    attempt_result result;
    while ((result = attempt(lock, how, error)) == AGAIN) continue;
    return result;
}

static iv_status make_lock(const char *path, const char *what, iv_lock **lock, iv_error *error) {
    *lock = calloc(1, sizeof **lock);
    if (*lock && ((*lock)->path = iv_string_copy(path))) return IV_OK;
    free(*lock);
    *lock = NULL;
    return iv_fail(error, IV_ENOMEM, "out of memory while locking %s", what);
}

static void forget(iv_lock **lock) {
    free((*lock)->path);
    free(*lock);
    *lock = NULL;
}

/* The end of all attempts. */
static iv_status conclude(iv_lock **lock, attempt_result result, const char *what,
                          iv_error *error) {
    iv_status status = IV_OK;
    if (result == TAKEN) return IV_OK;
    if (result == BUSY) {
        status = fail_held((*lock)->descriptor, what, error);
        close((*lock)->descriptor);
    }
    if (result == FAILED) status = IV_EFAILED;
    if (result == LACKING) unlink((*lock)->path);
    forget(lock);
    return status;
}

iv_status iv_lock_take(const char *path, const char *what, iv_lock **lock, iv_error *error) {
    iv_status status = make_lock(path, what, lock, error);
    if (status != IV_OK) return status;
    /* who only looks at the lock (iv_standing_read) has it for a moment */
    attempt_result result = attempt_until(*lock, LOCK_EX, error);
    for (int i = 0; i < 3 && result == BUSY; i++) {
        const struct timespec pause = {0, pause_ns / 5};
        close((*lock)->descriptor);
        nanosleep(&pause, NULL);
        result = attempt_until(*lock, LOCK_EX, error);
    }
    status = conclude(lock, result, what, error);
    if (*lock) write_holder((*lock)->descriptor);
    return status;
}

iv_status iv_lock_share(const char *path, const char *what, iv_lock **lock, bool *alone,
                        iv_error *error) {
    *alone = false;
    iv_status status = make_lock(path, what, lock, error);
    if (status != IV_OK) return status;
    attempt_result result = BUSY;
    for (int i = 0; i < SHARE_ATTEMPTS && result == BUSY; i++) {
        const struct timespec pause = {0, pause_ns};
        if (i > 0) nanosleep(&pause, NULL);
        result = attempt_until(*lock, LOCK_EX, error);
        *alone = result == TAKEN;
        if (result != BUSY) break;
        close((*lock)->descriptor);
        result = attempt_until(*lock, LOCK_SH, error);
        if (result == BUSY && i + 1 < SHARE_ATTEMPTS) close((*lock)->descriptor);
    }
    status = conclude(lock, result, what, error);
    if (*lock) (*lock)->shared = true;
    if (*lock && *alone) write_holder((*lock)->descriptor);
    return status;
}

iv_status iv_lock_let_others(iv_lock *lock, iv_error *error) {
    if (!lock) return IV_OK;
    while (flock(lock->descriptor, LOCK_SH) != 0)
        if (errno != EINTR)
            return iv_fail(error, IV_EFAILED, "cannot lock %s: %s", lock->path, strerror(errno));
    return IV_OK;
}

bool iv_lock_is_last(iv_lock *lock) {
    return lock && flock(lock->descriptor, LOCK_EX | LOCK_NB) == 0;
}

void iv_lock_release(iv_lock *lock) {
    if (!lock) return;
    if (!lock->shared || iv_lock_is_last(lock))
        unlink(lock->path); /* while it is held, so that nobody else's is removed */
    close(lock->descriptor);
    free(lock->path);
    free(lock);
}

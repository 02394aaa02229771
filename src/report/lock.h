/* A lock file: held while a process works in a directory, released by the kernel when it dies. */
#ifndef INVAR_REPORT_LOCK_H
#define INVAR_REPORT_LOCK_H

#include <invar/status.h>

#include <stdbool.h>

typedef struct iv_lock iv_lock;

/* Take the lock at `path` for work in `what`. IV_EFAILED, with the process that holds it, if it is
 * held. A file system that has no locks is no reason to fail: *lock is NULL then. */
iv_status iv_lock_take(const char *path, const char *what, iv_lock **lock, iv_error *error);

/* The same for one of several processes that work there together. *alone: whether there is no other
 * yet; then the lock is held alone until iv_lock_let_others. A process that holds it alone is waited
 * for, as it may be about to let others in, but not for long. */
iv_status iv_lock_share(const char *path, const char *what, iv_lock **lock, bool *alone,
                        iv_error *error);
iv_status iv_lock_let_others(iv_lock *lock, iv_error *error); /* NULL is fine */

/* Whether no other process shares the lock; then it is held alone from now on. */
bool iv_lock_is_last(iv_lock *lock);

/* Give it back and remove its file unless others share it (NULL is fine). */
void iv_lock_release(iv_lock *lock);

#endif

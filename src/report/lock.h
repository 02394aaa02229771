/* A lock file: held while a process works in a directory, released by the kernel when it dies. */
#ifndef INVAR_REPORT_LOCK_H
#define INVAR_REPORT_LOCK_H

#include <invar/status.h>

typedef struct iv_lock iv_lock;

/* Take the lock at `path` for work in `what`. IV_EFAILED, with the process that holds it, if it is
 * held. A file system that has no locks is no reason to fail: *lock is NULL then. */
iv_status iv_lock_take(const char *path, const char *what, iv_lock **lock, iv_error *error);

/* Give it back and remove its file (NULL is fine). */
void iv_lock_release(iv_lock *lock);

#endif

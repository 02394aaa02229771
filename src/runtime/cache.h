/* The user's cache directory: files that may be missing, damaged, deleted or written by several
 * processes at once, and whose loss costs only time. No function here reports an error.
 *
 * A file lies in $XDG_CACHE_HOME/invar/FOLDER/NAME (else ~/.cache/invar/...) and carries a
 * checksum. INVAR_CACHE=off in the environment: nothing is read or written. INVAR_CACHE=read: files
 * that are there are read, none is written. INVAR_CACHE=on: also what is seldom worth keeping. */
#ifndef INVAR_RUNTIME_CACHE_H
#define INVAR_RUNTIME_CACHE_H

#include <stdbool.h>
#include <stddef.h>

/* Read a file into memory that the caller frees with free(). False if there is none, or if it is
 * damaged or cut short: such a file is of no use to anyone and is removed. */
bool iv_cache_load(const char *folder, const char *name, void **data, size_t *bytes);

/* Whether iv_cache_store keeps anything, so that nobody makes in vain what it would keep. */
bool iv_cache_is_writable(void);

/* Whether INVAR_CACHE=on. */
bool iv_cache_keeps_all(void);

/* Keep `bytes` bytes: whoever reads the name sees the old file or
 * the whole new one, never a part. */
void iv_cache_store(const char *folder, const char *name, const void *data, size_t bytes);

/* Forget a file. */
void iv_cache_remove(const char *folder, const char *name);

#endif

/* The one way to open and look for files that are there. A file that cannot be opened is never
 * taken for one that is missing, and nothing here waits for a pipe. */
#ifndef INVAR_RUNTIME_OPEN_H
#define INVAR_RUNTIME_OPEN_H

#include <invar/status.h>

#include <stdbool.h>
#include <stdint.h>

/* DIR/NAME, to be freed by the caller; NULL if memory ran out. */
char *iv_path_join(const char *dir, const char *name);

/* Open a regular file to be read: its descriptor, or -1 with the reason in words. A pipe, a device
 * or a directory in its place is refused.
 *
 * n_bytes  out, its size; NULL if nobody asks */
int iv_open_to_read(const char *path, uint64_t *n_bytes, const char **reason);

/* Open a regular file to be written, made if it is missing; as iv_open_to_read. */
int iv_open_to_write(const char *path, uint64_t *n_bytes, const char **reason);

/* Read `bytes` bytes, however they come. False with the reason if they cannot be had. */
bool iv_read_exactly(int descriptor, void *data, size_t bytes, const char **reason);

/* Whether anything lies at `path`: only a missing file or folder counts as absent. IV_EDATA if it
 * cannot be told, as for want of a permission; *exists is true then. */
iv_status iv_path_exists(const char *path, bool *exists, iv_error *error);

#endif

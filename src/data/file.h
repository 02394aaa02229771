/* The steps of writing a file atomically, for those who write it piece by piece. */
#ifndef INVAR_DATA_FILE_H
#define INVAR_DATA_FILE_H

#include <invar/status.h>

enum { IV_FILE_SUFFIX_BYTES = 48 }; /* what a temporary name is longer than its path, at most */

/* IV_EFAILED with "PATH: cannot DOING: REASON". code: an errno. */
iv_status iv_file_fail(iv_error *error, const char *path, const char *doing, int code);

/* A new empty file beside `path`, its name in `temporary`. The descriptor, or -1 with errno set. */
int iv_file_create_beside(const char *path, char *temporary, size_t size);

/* Write all bytes. 0 or an errno. */
int iv_file_write(int descriptor, const void *bytes, size_t n_bytes);

/* Flush, close and give the file its name; or close and remove it.
 * Commit removes it if it fails. */
iv_status iv_file_commit(int descriptor, const char *temporary, const char *path, iv_error *error);
void iv_file_abandon(int descriptor, const char *temporary);

#endif

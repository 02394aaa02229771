/* Files of a run directory, on top of the data room's atomic writes. */
#ifndef INVAR_REPORT_FILE_H
#define INVAR_REPORT_FILE_H

#include "runtime/open.h"
#include "runtime/text_builder.h"

#include <invar/status.h>

#include <stddef.h>

/* Write a text atomically (iv_write_file_atomically); the text is freed whatever happens. */
iv_status iv_file_write_text(const char *path, iv_text *text, iv_error *error);

/* The whole of a regular file with a NUL after it, to be freed by the caller; *n (may be NULL)
 * without the NUL. IV_EDATA if it cannot be read, or is too large to belong into a run directory's
 * report. */
iv_status iv_file_read(const char *path, char **data, size_t *n, iv_error *error);

/* A copy to be freed by the caller; NULL gives NULL. */
char *iv_string_copy(const char *string);

#endif

/* Logs of parts to one. */
#ifndef INVAR_REPORT_LOG_JOIN_H
#define INVAR_REPORT_LOG_JOIN_H

#include <invar/report.h>

/* One part: the first mark.bytes of a file. */
typedef struct {
    char *path;
    iv_log_mark mark;
} iv_log_part;

/* Write the parts one after another to `path`, which is replaced whole or not at all. IV_EDATA if a
 * part is not what its mark says.
 *
 * whole  out, the mark of all of it */
iv_status iv_log_join(const char *path, const iv_log_part *parts, size_t n, iv_log_mark *whole,
                      iv_error *error);

/* Copy the beginning of a log to go on from it elsewhere; nothing is checked but that it is there. */
iv_status iv_log_copy(const char *from, uint64_t bytes, const char *to, iv_error *error);

#endif

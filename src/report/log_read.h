/* metrics.jsonl, read back. */
#ifndef INVAR_REPORT_LOG_READ_H
#define INVAR_REPORT_LOG_READ_H

#include <invar/status.h>

#include <jansson.h>

/* The points of a log, in order: an array of its lines' values, to json_decref. IV_EDATA, with the
 * number of the line, if one is no JSON: a damaged line is no end of the file. *points is NULL then. */
iv_status iv_log_read(const char *path, json_t **points, iv_error *error);

#endif

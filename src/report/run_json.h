/* run.json as read back: by a resuming run and by the report. */
#ifndef INVAR_REPORT_RUN_JSON_H
#define INVAR_REPORT_RUN_JSON_H

#include <invar/status.h>

#include <jansson.h>

/* Strings are NULL where the file has null or nothing. `status` is
 * there after a successful read. */
typedef struct {
    json_t *root; /* owns the strings */
    const char *name, *version, *commit, *host, *system, *device, *platform, *driver;
    const char *start, *end, *status;
    double seconds;
    const json_t *seeds; /* array, or NULL */
} iv_run_json;

/* IV_EDATA with path and line if it is missing, no JSON, or without a status. */
iv_status iv_run_json_read(const char *path, iv_run_json *run, iv_error *error);
void iv_run_json_free(iv_run_json *run);

#endif

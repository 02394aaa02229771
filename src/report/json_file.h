/* Reading a JSON file whole. */
#ifndef INVAR_REPORT_JSON_FILE_H
#define INVAR_REPORT_JSON_FILE_H

#include <invar/status.h>

#include <jansson.h>

/* Parse a file as a JSON object or array; IV_EDATA with path and line. The caller calls
 * json_decref. */
iv_status iv_json_read(const char *path, json_t **root, iv_error *error);

#endif

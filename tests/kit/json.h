/* Reading JSON back without the code under test. */
#ifndef INVAR_TESTS_KIT_JSON_H
#define INVAR_TESTS_KIT_JSON_H

#include "kit.h"

#include <jansson.h>

/* The file's value; json_decref() it. The test fails if the file is missing or not JSON. */
json_t *read_json(const char *path);

/* A file of one value per line, like metrics.jsonl, as an array; json_decref() it. */
json_t *read_json_lines(const char *path);

#endif

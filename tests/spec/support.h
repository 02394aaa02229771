/* What the tests of specs share. */
#ifndef INVAR_TESTS_SPEC_SUPPORT_H
#define INVAR_TESTS_SPEC_SUPPORT_H

#include "../kit/kit.h"

#include <invar/spec.h>
#include <invar/studies.h>

/* A small valid spec, without a newline at the end of what precedes `runs`. */
#define HEAD                                                                                       \
    "study: regularization\n"                                                                      \
    "name: small\n"                                                                                \
    "dataset: {name: digits}\n"                                                                    \
    "group: {kind: rotation, order: 4}\n"
#define RUNS  "runs: [{name: DA, method: augmentation}]\n"
#define SMALL HEAD RUNS

/* Parse as "spec.yaml" with up to one override (NULL for none). The caller destroys the result. */
iv_spec *parse_good(const char *text, const char *override);

/* Parse and expect IV_EINVAL with exactly this message. */
void expect_message(const char *text, const char *override, const char *message);
void expect_message_of_bytes(const char *text, size_t n_bytes, const char *message);

/* The resolved spec as YAML; free() it. */
char *written(const iv_spec *spec);

/* Call `function` for every YAML file under configs/; returns how many there are. */
size_t for_each_config(void (*function)(const char *path));

#endif

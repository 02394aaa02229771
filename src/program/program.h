/* Inside the program room. */
#ifndef INVAR_PROGRAM_PROGRAM_H
#define INVAR_PROGRAM_PROGRAM_H

#include <invar/program.h>

/* DIR/NAME; the caller frees it. IV_ENOMEM. */
iv_status iv_join_path(const char *dir, const char *name, char **path, iv_error *error);

/* Open a directory that holds a run; IV_EDATA if it does not. */
iv_status iv_open_run(const char *path, iv_run_dir **dir, iv_error *error);

/* The spec of the options, with all that changes it. */
iv_status iv_load_spec(const iv_run_options *options, iv_spec **spec, iv_error *error);

/* The resolved spec as YAML; the caller frees *text. */
iv_status iv_spec_text(const iv_spec *spec, char **text, iv_error *error);

/* Hand a failure's message on from the context's error; nothing if status is IV_OK. */
void iv_pass_on(iv_context *context, iv_status status, iv_error *error);

/* DIR/results.json of a run. */
iv_status iv_read_results(const char *dir, iv_results *results, iv_error *error);

#endif

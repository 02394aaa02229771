/* Every metric of a finished run again, and the report over several. */
#include "program/program.h"

#include <stdlib.h>

iv_status iv_evaluate(const char *dir_path, const iv_run_options *options, iv_results *results,
                      iv_error *error) {
    char data_dir[4096], *path = NULL;
    iv_spec *spec = NULL;
    iv_context *context = NULL;
    iv_run_dir *dir = NULL;
    *results = (iv_results){0};
    iv_status status = iv_join_path(dir_path, "spec.yaml", &path, error);
    if (status == IV_OK) status = iv_open_run(dir_path, &dir, error);
    if (status == IV_OK) status = iv_spec_load(path, NULL, 0, iv_study_schema, &spec, error);
    if (status == IV_OK)
        status = iv_data_directory(options->data, data_dir, sizeof data_dir, error);
    if (status == IV_OK) status = iv_context_create(options->device, false, &context, error);
    if (status == IV_OK) {
        const iv_job job = {.spec = spec,
                            .study = iv_study_of(spec),
                            .context = context,
                            .data_dir = data_dir,
                            .dir = dir,
                            .stop = options->stop,
                            .progress = options->progress};
        status = iv_experiment_evaluate(&job, results);
        iv_pass_on(context, status, error);
    }
    if (status != IV_OK) iv_results_free(results);
    iv_run_dir_destroy(dir);
    iv_context_destroy(context);
    iv_spec_destroy(spec);
    free(path);
    return status;
}

iv_status iv_report(const char *const *dirs, size_t n_dirs, const char *out, iv_results *results,
                    bool *drawn, iv_error *error) {
    for (size_t i = 0; results && i < n_dirs; i++) results[i] = (iv_results){0};
    iv_status status = iv_report_write(dirs, n_dirs, out, drawn, error);
    for (size_t i = 0; results && i < n_dirs && status == IV_OK; i++)
        status = iv_read_results(dirs[i], &results[i], error);
    for (size_t i = 0; results && i < n_dirs && status != IV_OK; i++) iv_results_free(&results[i]);
    return status;
}

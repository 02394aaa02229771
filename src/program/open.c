/* Opening what a run is made of: its spec, its directory, its results. */
#include "program/program.h"

#include "runtime/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

iv_status iv_join_path(const char *dir, const char *name, char **path, iv_error *error) {
    *path = iv_path_join(dir, name);
    return *path ? IV_OK : iv_fail(error, IV_ENOMEM, "out of memory");
}

iv_status iv_open_run(const char *path, iv_run_dir **dir, iv_error *error) {
    const iv_status status = iv_run_dir_open(path, dir, error);
    if (status != IV_OK || iv_run_dir_previous_status(*dir)) return status;
    iv_run_dir_destroy(*dir);
    *dir = NULL;
    return iv_fail(error, IV_EDATA, "%s holds no run: there is no run.json in it", path);
}

iv_status iv_load_spec(const iv_run_options *o, iv_spec **spec, iv_error *error) {
    char seeds[32];
    *spec = NULL;
    if (!o->spec) return iv_fail(error, IV_EINVAL, "no spec is given");
    const char **overrides = calloc(o->n_overrides + 1, sizeof *overrides);
    if (!overrides) return iv_fail(error, IV_ENOMEM, "out of memory");
    size_t n = 0;
    while (n < o->n_overrides) {
        overrides[n] = o->overrides[n];
        n++;
    }
    if (o->seeds) {
        snprintf(seeds, sizeof seeds, "seeds=%zu", o->seeds);
        overrides[n++] = seeds;
    }
    char *path = NULL;
    iv_status status = iv_named_spec_find(o->spec, &path, error);
    if (status == IV_OK) status = iv_spec_load(path, overrides, n, iv_study_schema, spec, error);
    free(path);
    free(overrides);
    return status;
}

iv_status iv_spec_text(const iv_spec *spec, char **text, iv_error *error) {
    size_t size;
    *text = NULL;
    FILE *stream = open_memstream(text, &size);
    if (!stream) return iv_fail(error, IV_ENOMEM, "out of memory for the resolved spec");
    const iv_status status = iv_spec_write(spec, stream, error);
    if (fclose(stream) != 0 && status == IV_OK)
        return iv_fail(error, IV_ENOMEM, "out of memory for the resolved spec");
    return status;
}

void iv_pass_on(iv_context *context, iv_status status, iv_error *error) {
    if (status != IV_OK) (void)iv_fail(error, status, "%s", iv_context_error(context)->message);
}

iv_status iv_read_results(const char *dir, iv_results *results, iv_error *error) {
    char *path;
    *results = (iv_results){0};
    iv_status status = iv_join_path(dir, "results.json", &path, error);
    if (status == IV_OK) status = iv_results_read(path, results, error);
    free(path);
    return status;
}

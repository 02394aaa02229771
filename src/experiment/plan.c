/* How a run that several processes share is divided: into the same populations everywhere, whatever
 * fits each one's device. The first process decides. */
#include "experiment/experiment.h"

#include "report/json_file.h"
#include "report/run_json.h"
#include "runtime/open.h"
#include "runtime/text_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char plan_name[] = "parts/plan.json";

/* ------------------------------------------------------------------ writing */

/* at_once: of the populations before they are divided. */
static void add_plan(const iv_experiment *x, const size_t *at_once, size_t n, const char *spec,
                     iv_text *text) {
    iv_text_format(text, "{\"spec_sha256\": \"%s\", \"at_once\": [", spec);
    for (size_t i = 0; i < n; i++) iv_text_format(text, "%s%zu", i ? ", " : "", at_once[i]);
    iv_text_add(text, "],\n \"populations\": [");
    for (size_t i = 0; i < x->populations.n; i++) {
        char label[EXPERIMENT_PATH];
        double steps;
        experiment_label(x, i, label);
        iv_text_add(text, i ? ",\n  {\"name\": " : "\n  {\"name\": ");
        iv_text_json(text, label);
        iv_text_format(text,
                       ", \"members\": %zu, \"operations\": ", x->populations.items[i].n_members);
        iv_text_double(text, experiment_flops(x, &x->populations.items[i], &steps), "null");
        iv_text_add(text, "}");
    }
    iv_text_add(text, "]}\n");
}

static iv_status write_plan(const iv_experiment *x, const size_t *at_once, size_t n,
                            const char *spec) {
    iv_error *error = iv_context_error(x->context);
    iv_text text = {0};
    char *string;
    add_plan(x, at_once, n, spec, &text);
    const size_t length = text.length;
    iv_status status = iv_text_take(&text, &string, error);
    if (status == IV_OK)
        status = iv_run_dir_write_once(x->job->dir, plan_name, string, length, error);
    free(string);
    return status;
}

/* ------------------------------------------------------------------ reading */

static iv_status damaged(const iv_experiment *x, const char *what) {
    return iv_fail(iv_context_error(x->context), IV_EDATA, "%s/%s: damaged: %s",
                   iv_run_dir_path(x->job->dir), plan_name, what);
}

/* What the plan says of the n populations, all of which have to fit this device. */
static iv_status read_plan(const iv_experiment *x, const char *path, const char *spec,
                           size_t *at_once, size_t n) {
    iv_error *error = iv_context_error(x->context);
    json_t *root;
    iv_status status = iv_json_read(path, &root, error);
    if (status != IV_OK) return status;
    const char *of = json_string_value(json_object_get(root, "spec_sha256"));
    const json_t *list = json_object_get(root, "at_once");
    if (!of || strcmp(of, spec) != 0) status = damaged(x, "it is of another spec");
    if (status == IV_OK && json_array_size(list) != n)
        status = damaged(x, "it has other populations than the spec");
    for (size_t i = 0; i < n && status == IV_OK; i++) {
        const json_int_t most = json_integer_value(json_array_get(list, i));
        const size_t members = x->populations.items[i].n_members;
        if (most < 1 || most > 1000000) {
            status = damaged(x, "a population of impossible size");
        } else if ((size_t)most > at_once[i] && members > at_once[i]) {
            status = iv_fail(error, IV_ENOMEM,
                             "the run was begun with %lld members at once, and only %zu fit this "
                             "device: begin it with --set training.population=%zu",
                             (long long)most, at_once[i], at_once[i]);
        } else {
            at_once[i] = (size_t)most;
        }
    }
    json_decref(root);
    return status;
}

/* Where another process has put the run together and removed the parts, there is nothing to plan. */
static iv_status is_done(const iv_experiment *x, bool *done) {
    iv_run_json run;
    char *path = iv_run_dir_file(x->job->dir, "run.json");
    *done = false;
    const iv_status status = path ? iv_run_json_read(path, &run, iv_context_error(x->context))
                                  : iv_no_memory(x->context);
    if (path && status == IV_OK) {
        *done = strcmp(run.status, "done") == 0;
        iv_run_json_free(&run);
    }
    free(path);
    return status;
}

static iv_status make_plan(const iv_experiment *x, const size_t *at_once, size_t n,
                           const char *spec) {
    bool done;
    iv_status status = is_done(x, &done);
    if (status != IV_OK || done) return status;
    status = write_plan(x, at_once, n, spec);
    if (status == IV_OK) status = is_done(x, &done); /* meanwhile */
    if (status == IV_OK && done)
        status =
            iv_run_dir_remove_parts(iv_run_dir_path(x->job->dir), iv_context_error(x->context));
    return status;
}

iv_status experiment_follow_plan(iv_experiment *x) {
    iv_error *error = iv_context_error(x->context);
    const size_t n = x->populations.n;
    char spec[65];
    bool exists = false;
    char *path = iv_run_dir_file(x->job->dir, plan_name);
    size_t *at_once = experiment_at_once(x->study, iv_context_device(x->context), &x->populations);
    iv_status status = path && at_once ? experiment_hash_spec(x, spec) : iv_no_memory(x->context);
    if (status == IV_OK) status = iv_path_exists(path, &exists, error);
    if (status == IV_OK && exists) status = read_plan(x, path, spec, at_once, n);
    if (status == IV_OK) status = experiment_split(&x->populations, at_once, error);
    if (status == IV_OK && !exists) status = make_plan(x, at_once, n, spec);
    free(at_once);
    free(path);
    return status;
}

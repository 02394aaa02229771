/* Finished runs to one: what fits together, and what does not. */
#include "program/program.h"

#include "report/run_json.h"
#include "runtime/open.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const iv_run_options *options;
    const char *const *dirs;
    size_t n;
    iv_spec **specs;   /* [n] as they were run */
    iv_run_json *runs; /* [n] */
    iv_results *parts; /* [n] */
    uint64_t *seeds;   /* [n_seeds] of all of them, in order */
    size_t n_seeds;
    iv_spec *spec; /* with these seeds */
    char *text;
    iv_context *context;
    iv_run_dir *dir;
    char data_dir[4096];
    bool done;
} merging;

static iv_status no_memory(iv_error *error) {
    return iv_fail(error, IV_ENOMEM, "out of memory to merge runs");
}

/* ------------------------------------------------------------------ reading */

static iv_status read_part(merging *m, size_t i, iv_error *error) {
    char *spec, *run;
    iv_status status = iv_join_path(m->dirs[i], "spec.yaml", &spec, error);
    if (status != IV_OK) return status;
    status = iv_join_path(m->dirs[i], "run.json", &run, error);
    bool exists = true;
    if (status == IV_OK) status = iv_path_exists(run, &exists, error);
    if (status == IV_OK && !exists)
        status =
            iv_fail(error, IV_EDATA, "%s holds no run: there is no run.json in it", m->dirs[i]);
    if (status == IV_OK) status = iv_run_json_read(run, &m->runs[i], error);
    if (status == IV_OK && strcmp(m->runs[i].status, "done") != 0)
        status = iv_fail(error, IV_EDATA, "%s is not finished: `invar resume %s` goes on with it",
                         m->dirs[i], m->dirs[i]);
    if (status == IV_OK) status = iv_spec_load(spec, NULL, 0, iv_study_schema, &m->specs[i], error);
    if (status == IV_OK) status = iv_read_results(m->dirs[i], &m->parts[i], error);
    free(spec);
    free(run);
    return status;
}

static iv_status add_seeds(merging *m, size_t i, iv_error *error) {
    const iv_node *root = iv_spec_root(m->specs[i]);
    const size_t n = iv_spec_length(root, "seeds");
    uint64_t *grown = realloc(m->seeds, (m->n_seeds + n) * sizeof *grown);
    if (!grown) return no_memory(error);
    m->seeds = grown;
    const size_t before = m->n_seeds;
    for (size_t k = 0; k < n; k++) {
        const uint64_t seed = (uint64_t)iv_spec_integer(iv_spec_element(root, "seeds", k), "");
        for (size_t j = 0; j < before; j++)
            if (m->seeds[j] == seed)
                return iv_fail(error, IV_EINVAL,
                               "%s: seed %llu is in another of the runs too: a mean would count it "
                               "twice",
                               m->dirs[i], (unsigned long long)seed);
        m->seeds[m->n_seeds++] = seed;
    }
    return IV_OK;
}

/* ------------------------------------------------------------------ what fits together */

/* The spec of a part as text, with the seeds of all. */
static iv_status with_all_seeds(const merging *m, size_t i, iv_spec **spec, char **text,
                                iv_error *error) {
    char *path, *list = NULL;
    size_t size;
    *spec = NULL;
    *text = NULL;
    iv_status status = iv_join_path(m->dirs[i], "spec.yaml", &path, error);
    FILE *stream = open_memstream(&list, &size);
    if (status == IV_OK && !stream) status = no_memory(error);
    if (stream) {
        fprintf(stream, "seeds=[");
        for (size_t k = 0; k < m->n_seeds; k++)
            fprintf(stream, "%s%llu", k ? ", " : "", (unsigned long long)m->seeds[k]);
        fprintf(stream, "]");
        if (fclose(stream) != 0 && status == IV_OK) status = no_memory(error);
    }
    if (status == IV_OK) {
        const char *overrides[] = {list};
        status = iv_spec_load(path, overrides, 1, iv_study_schema, spec, error);
    }
    if (status == IV_OK) status = iv_spec_text(*spec, text, error);
    free(list);
    free(path);
    return status;
}

/* The line in which two texts part. */
static void first_difference(const char *a, const char *b, char *line, size_t size) {
    while (*a && *b) {
        const size_t n = strcspn(a, "\n"), k = strcspn(b, "\n");
        if (n != k || strncmp(a, b, n) != 0) break;
        a += n + (a[n] == '\n');
        b += k + (b[k] == '\n');
    }
    const char *shown = *b ? b : a;
    snprintf(line, size, "%.*s", (int)strcspn(shown, "\n"), shown + strspn(shown, " "));
    line[strcspn(line, "\n")] = '\0';
}

static iv_status same_spec(merging *m, size_t i, iv_error *error) {
    iv_spec *spec;
    char *text, line[200];
    iv_status status = with_all_seeds(m, i, &spec, &text, error);
    if (status == IV_OK && strcmp(text, m->text) != 0) {
        first_difference(m->text, text, line, sizeof line);
        status = iv_fail(error, IV_EINVAL,
                         "%s is of another spec than %s; only seeds may differ, and there is: %s",
                         m->dirs[i], m->dirs[0], line);
    }
    iv_spec_destroy(spec);
    free(text);
    return status;
}

static iv_status same_version(const merging *m, size_t i, iv_error *error) {
    const iv_run_json *a = &m->runs[0], *b = &m->runs[i];
    const char *const pairs[][3] = {{"version", a->version, b->version},
                                    {"commit", a->commit, b->commit}};
    for (size_t k = 0; k < 2; k++)
        if (!pairs[k][1] || !pairs[k][2] || strcmp(pairs[k][1], pairs[k][2]) != 0)
            return iv_fail(error, IV_EINVAL, "%s was run by %s %s, and %s by %s", m->dirs[i],
                           pairs[k][0], pairs[k][2] ? pairs[k][2] : "unknown", m->dirs[0],
                           pairs[k][1] ? pairs[k][1] : "unknown");
    return IV_OK;
}

static const char *sha256_of(const iv_run_json *run, const char *file) {
    size_t index;
    const json_t *entry;
    json_array_foreach(json_object_get(run->root, "data"), index, entry) {
        const char *name = json_string_value(json_object_get(entry, "file"));
        if (name && strcmp(name, file) == 0)
            return json_string_value(json_object_get(entry, "sha256"));
    }
    return NULL;
}

static iv_status same_data(const merging *m, size_t i, iv_error *error) {
    size_t index;
    const json_t *entry;
    json_array_foreach(json_object_get(m->runs[0].root, "data"), index, entry) {
        const char *file = json_string_value(json_object_get(entry, "file"));
        const char *a = json_string_value(json_object_get(entry, "sha256"));
        const char *b = file ? sha256_of(&m->runs[i], file) : NULL;
        if (!a || !b || strcmp(a, b) != 0)
            return iv_fail(error, IV_EINVAL,
                           "%s was run with other data than %s: the SHA-256 of %s differs",
                           m->dirs[i], m->dirs[0], file ? file : "a file");
    }
    return IV_OK;
}

static void warn_of_devices(const merging *m) {
    char line[700];
    for (size_t i = 1; i < m->n && m->options->warning; i++) {
        const char *a = m->runs[0].device, *b = m->runs[i].device;
        if (!a || !b || strcmp(a, b) == 0) continue;
        snprintf(
            line, sizeof line,
            "note: %.150s was run on %.150s, and %.150s on %.150s: the numbers need not be the "
            "bits of one device",
            m->dirs[i], b, m->dirs[0], a);
        m->options->warning(m->options->state, line);
        return; /* once */
    }
}

static iv_status compare(merging *m, iv_error *error) {
    iv_status status = with_all_seeds(m, 0, &m->spec, &m->text, error);
    for (size_t i = 1; i < m->n && status == IV_OK; i++) {
        status = same_spec(m, i, error);
        if (status == IV_OK) status = same_version(m, i, error);
        if (status == IV_OK) status = same_data(m, i, error);
    }
    if (status == IV_OK) warn_of_devices(m);
    return status;
}

/* ------------------------------------------------------------------ writing */

static iv_status open_directory(merging *m, iv_error *error) {
    const iv_run_dir_options options = {
        .path = m->options->out,
        .name = iv_spec_string(iv_spec_root(m->spec), "name"),
        .device = iv_context_device(m->context),
        .seeds = m->seeds,
        .n_seeds = m->n_seeds,
        .spec = m->text,
    };
    iv_status status = iv_run_dir_create(&options, &m->dir, error);
    for (size_t i = 0; i < m->n && status == IV_OK; i++)
        status = iv_run_dir_add_earlier(m->dir, m->dirs[i], error);
    return status;
}

static iv_status write_results(void *state, const iv_results *results) {
    merging *m = state;
    iv_error *error = iv_context_error(m->context);
    char *json = iv_run_dir_file(m->dir, "results.json");
    iv_status status = json ? iv_results_write(results, json, error) : no_memory(error);
    free(json);
    if (status == IV_OK) status = iv_run_dir_finish(m->dir, "done", error);
    m->done = status == IV_OK;
    return status;
}

/* Files of a folder of a run that the new one has not made anew: pictures of single networks, and
 * which images were trained on. */
static iv_status copy_missing(const merging *m, size_t i, const char *folder, iv_error *error) {
    char *path;
    iv_status status = iv_join_path(m->dirs[i], folder, &path, error);
    DIR *opened = status == IV_OK ? opendir(path) : NULL;
    for (const struct dirent *entry; opened && status == IV_OK && (entry = readdir(opened));) {
        char name[512];
        bool exists = false;
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        char *to = iv_run_dir_file(m->dir, name), *from = NULL;
        uint8_t *bytes = NULL;
        size_t n = 0;
        status = to ? iv_path_exists(to, &exists, error) : no_memory(error);
        if (status == IV_OK && !exists) status = iv_join_path(m->dirs[i], name, &from, error);
        if (from) status = iv_read_file(from, SIZE_MAX / 2, &bytes, &n, error);
        if (from && status == IV_OK) status = iv_run_dir_write(m->dir, name, bytes, n, error);
        free(bytes);
        free(from);
        free(to);
    }
    if (opened) closedir(opened);
    free(path);
    return status;
}

static iv_status end(void *state) {
    merging *m = state;
    iv_error *error = iv_context_error(m->context);
    iv_status status = IV_OK;
    for (size_t i = 0; i < m->n && status == IV_OK; i++) {
        status = copy_missing(m, i, "splits", error);
        if (status == IV_OK) status = copy_missing(m, i, "figures", error);
    }
    if (status != IV_OK) return status;
    const char *dirs[] = {iv_run_dir_path(m->dir)};
    return iv_report_write(dirs, 1, NULL, NULL, error);
}

static iv_status carry_out(merging *m, iv_results *results, iv_error *error) {
    iv_status status = iv_data_directory(m->options->data, m->data_dir, sizeof m->data_dir, error);
    if (status == IV_OK) status = iv_context_create(m->options->device, false, &m->context, error);
    if (status == IV_OK) status = open_directory(m, error);
    if (status != IV_OK) return status;
    const iv_job job = {.spec = m->spec,
                        .study = iv_study_of(m->spec),
                        .context = m->context,
                        .data_dir = m->data_dir,
                        .dir = m->dir,
                        .message = m->options->message,
                        .warning = m->options->warning,
                        .message_state = m->options->state,
                        .measured = write_results,
                        .ended = end,
                        .measured_state = m};
    status = iv_experiment_combine(&job, m->dirs, m->parts, m->n, results);
    iv_pass_on(m->context, status, error);
    iv_error late = {0};
    if (status != IV_OK && !m->done) (void)iv_run_dir_finish(m->dir, "failed", &late);
    return status;
}

iv_status iv_merge(const iv_run_options *options, const char *const *dirs, size_t n_dirs,
                   iv_results *results, iv_error *error) {
    merging m = {.options = options, .dirs = dirs, .n = n_dirs};
    *results = (iv_results){0};
    if (n_dirs == 0 || !options->out)
        return iv_fail(error, IV_EINVAL, "to merge needs runs, and a directory for what they make");
    m.specs = calloc(n_dirs, sizeof *m.specs);
    m.runs = calloc(n_dirs, sizeof *m.runs);
    m.parts = calloc(n_dirs, sizeof *m.parts);
    iv_status status = m.specs && m.runs && m.parts ? IV_OK : no_memory(error);
    for (size_t i = 0; i < n_dirs && status == IV_OK; i++) {
        status = read_part(&m, i, error);
        if (status == IV_OK) status = add_seeds(&m, i, error);
    }
    if (status == IV_OK) status = compare(&m, error);
    if (status == IV_OK) status = carry_out(&m, results, error);
    if (status != IV_OK) iv_results_free(results);
    for (size_t i = 0; i < n_dirs; i++) {
        if (m.specs) iv_spec_destroy(m.specs[i]);
        if (m.runs) iv_run_json_free(&m.runs[i]);
        if (m.parts) iv_results_free(&m.parts[i]);
    }
    iv_run_dir_destroy(m.dir);
    iv_context_destroy(m.context);
    iv_spec_destroy(m.spec);
    free(m.text);
    free(m.seeds);
    free(m.specs);
    free(m.runs);
    free(m.parts);
    return status;
}

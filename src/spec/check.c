/* What no single key can tell and every study asks: references between keys. */
#include "spec/stages.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const iv_spec_expansion *iv_spec_check_runs(const iv_spec_check *check) {
    return check->expansion;
}

iv_status iv_spec_refuse(iv_spec_check *check, const iv_node *node, const char *format, ...) {
    char text[sizeof check->context->error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return spec_fail(check->context, node->mark, "%s", text);
}

iv_status iv_spec_at_most(iv_spec_check *check, const iv_node *config, const char *path,
                          const char *limit, const char *what) {
    const iv_node *value = spec_at(config, path), *most = spec_at(config, limit);
    if (value->integer <= most->integer) return IV_OK;
    return iv_spec_refuse(check, value->is_default ? most : value,
                          "`%s` is %lld, expected at most the %lld %s of `%s`",
                          strncmp(path, "run.", 4) == 0 ? path + 4 : path,
                          (long long)value->integer, (long long)most->integer, what, limit);
}

/* A value given on the command line, or in a spec that extends the one that sweeps: the sweep would
 * silently replace it. */
static iv_status check_set_not_swept(spec_context *context, const iv_node *map,
                                     const iv_node *sweep) {
    for (size_t i = 0; sweep && i < sweep->n_entries; i++) {
        const spec_entry *entry = &sweep->entries[i];
        const iv_node *node = spec_at(map, entry->key);
        if (!node || node->is_default || entry->node->mark.set_key) continue;
        if (!node->mark.set_key && node->mark.level >= entry->mark.level) continue;
        return spec_fail(context, node->mark,
                         "`%s` is swept at %s:%u:%u and the sweep replaces this value, expected to "
                         "set the sweep",
                         entry->key, entry->mark.file, entry->mark.line, entry->mark.column);
    }
    return IV_OK;
}

static iv_status check_one_place(spec_context *context, const iv_node *run, const iv_node *sweep,
                                 const char *key) {
    char both[64];
    snprintf(both, sizeof both, "training.%s", key);
    const iv_node *own = spec_at(run, key);
    if (!own) own = spec_at(spec_at(run, "sweep"), key);
    if (!own || !sweep || !spec_find(sweep, both, strlen(both))) return IV_OK;
    return spec_fail(context, own->mark,
                     "a run's own `%s` while `%s` is swept, expected only one of them", key, both);
}

static iv_status check_runs(iv_spec_check *check, const iv_node *root) {
    const iv_node *runs = spec_at(root, "runs"), *sweep = spec_at(root, "sweep");
    for (size_t i = 0; i < runs->n_entries; i++) {
        const iv_node *run = runs->entries[i].node;
        iv_status status = check_set_not_swept(check->context, run, spec_at(run, "sweep"));
        for (size_t k = 0; k < check->schema->n_keys && status == IV_OK; k++) {
            const iv_key *key = &check->schema->keys[k];
            if (!(key->flags & IV_KEY_INSTEAD)) continue;
            status = check_one_place(check->context, run, sweep, key->path + strlen("runs[]."));
        }
        if (status != IV_OK) return status;
    }
    return IV_OK;
}

/* ------------------------------------------------------------------ published numbers */

/* *is_one: whether `name` is that of a run, as the study's tables call it; if not, the nearest one
 * or NULL. */
static const char *nearest_run(const iv_spec_check *check, const char *name, bool *is_one) {
    const char *found = NULL;
    size_t best = SIZE_MAX;
    *is_one = false;
    for (size_t i = 0; i < check->expansion->n_runs; i++) {
        const iv_spec_run *run = &check->expansion->runs[i];
        const char *candidate = check->study->published_by_base ? run->base : run->column;
        if (strcmp(candidate, name) == 0) *is_one = true;
        if (spec_nearer(name, candidate, &best)) found = candidate;
    }
    return found;
}

static iv_status check_mean(iv_spec_check *check, size_t index, const iv_node *cell) {
    const iv_node *mean = spec_at(cell, "mean");
    const iv_metric_def *metric = iv_metric_find(check->study, spec_at(cell, "metric")->text);
    if (!metric || spec_within(spec_interval_of(metric->range), mean->number)) return IV_OK;
    return spec_fail(check->context, mean->mark,
                     "`published.%zu.mean` is %g, expected a value of %s in %s: %s", index,
                     mean->number, metric->name, metric->range, metric->doc);
}

static bool same_cell(const iv_node *a, const iv_node *b) {
    static const char *const keys[] = {"row", "run", "metric"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(spec_at(a, keys[i])->text, spec_at(b, keys[i])->text) != 0) return false;
    }
    return true;
}

static iv_status check_published(iv_spec_check *check, const iv_node *root) {
    const iv_node *published = spec_at(root, "published");
    spec_context *context = check->context;
    for (size_t i = 0; published && i < published->n_entries; i++) {
        const iv_node *cell = published->entries[i].node, *run = spec_at(cell, "run");
        bool is_one;
        const char *near = nearest_run(check, run->text, &is_one);
        if (!is_one) {
            return spec_fail(
                context, run->mark,
                "`published.%zu.run` is `%s`, expected the name of one of `runs`%s%s%s", i,
                spec_shown(context, run->text), near ? "; did you mean `" : "", near ? near : "",
                near ? "`?" : "");
        }
        iv_status status = check_mean(check, i, cell);
        if (status != IV_OK) return status;
        for (size_t j = 0; j < i; j++) {
            if (!same_cell(published->entries[j].node, cell)) continue;
            return spec_fail(context, cell->mark,
                             "`published.%zu` repeats element %zu, expected each row, run and "
                             "metric once",
                             i, j);
        }
    }
    return IV_OK;
}

iv_status spec_check(iv_spec_check *check, const iv_node *root) {
    const iv_schema *study = check->study;
    iv_status status = check_set_not_swept(check->context, root, spec_at(root, "sweep"));
    for (size_t i = 0; i < check->expansion->n_runs && status == IV_OK; i++) {
        const iv_node *config = check->expansion->runs[i].config;
        status = spec_check_conditions(check, root, config);
        if (status == IV_OK && study->check_run) status = study->check_run(check, config);
    }
    if (status == IV_OK && study->check_spec) status = study->check_spec(check, root);
    if (status == IV_OK) status = check_runs(check, root);
    return status == IV_OK ? check_published(check, root) : status;
}

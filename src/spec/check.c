/* What no single key can tell and every study asks: references between keys. */
#include "spec/stages.h"

#include <string.h>

bool spec_is_word(const iv_node *node, const char *path, const char *word) {
    return strcmp(iv_spec_string(node, path), word) == 0;
}

/* A value given on the command line that a sweep would silently replace. */
static iv_status check_set_not_swept(spec_context *context, const iv_node *map,
                                     const iv_node *sweep) {
    for (size_t i = 0; sweep && i < sweep->n_entries; i++) {
        const spec_entry *entry = &sweep->entries[i];
        const iv_node *node = spec_at(map, entry->key);
        if (!node || !node->mark.set_key || node->is_default || entry->node->mark.set_key) continue;
        return spec_fail(context, node->mark,
                         "`%s` is swept at %s:%u:%u and the sweep replaces this value, expected to "
                         "set the sweep",
                         entry->key, context->file, entry->mark.line, entry->mark.column);
    }
    return IV_OK;
}

iv_status spec_check_batch(spec_context *context, const iv_node *config, const char *samples) {
    const iv_node *batch = spec_at(config, "training.batch"),
                  *train = spec_at(config, "dataset.train");
    if (batch->integer <= train->integer) return IV_OK;
    return spec_fail(context, batch->is_default ? train->mark : batch->mark,
                     "`training.batch` is %lld, expected at most the %lld %s of `dataset.train`",
                     (long long)batch->integer, (long long)train->integer, samples);
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

static iv_status check_runs(spec_context *context, const iv_node *root) {
    const iv_node *runs = spec_at(root, "runs"), *sweep = spec_at(root, "sweep");
    for (size_t i = 0; i < runs->n_entries; i++) {
        const iv_node *run = runs->entries[i].node;
        iv_status status = check_set_not_swept(context, run, spec_at(run, "sweep"));
        if (status == IV_OK) status = check_one_place(context, run, sweep, "learning_rate");
        if (status == IV_OK) status = check_one_place(context, run, sweep, "momentum");
        if (status != IV_OK) return status;
    }
    return IV_OK;
}

/* What a published number calls the run it belongs to. The regularization study shows one column a
 * run of the spec, the others one for every value that a run sweeps. */
static const char *published_name(const iv_node *root, const iv_spec_run *run) {
    return spec_is_word(root, "study", "regularization") ? run->base : run->column;
}

/* *is_one: whether `name` is that of a run; if not, the nearest one or NULL. */
static const char *nearest_run(const iv_node *root, const iv_spec_expansion *expansion,
                               const char *name, bool *is_one) {
    const char *found = NULL;
    size_t best = SIZE_MAX;
    *is_one = false;
    for (size_t i = 0; i < expansion->n_runs; i++) {
        const char *candidate = published_name(root, &expansion->runs[i]);
        if (strcmp(candidate, name) == 0) *is_one = true;
        if (spec_nearer(name, candidate, &best)) found = candidate;
    }
    return found;
}

static iv_status check_published(spec_context *context, const iv_node *root,
                                 const iv_spec_expansion *expansion) {
    const iv_node *published = spec_at(root, "published");
    for (size_t i = 0; i < published->n_entries; i++) {
        const iv_node *cell = published->entries[i].node;
        const iv_node *run = spec_at(cell, "run"), *metric = spec_at(cell, "metric");
        const iv_node *mean = spec_at(cell, "mean");
        bool is_one;
        const char *near = nearest_run(root, expansion, run->text, &is_one);
        if (!is_one) {
            return spec_fail(
                context, run->mark,
                "`published.%zu.run` is `%s`, expected the name of one of `runs`%s%s%s", i,
                spec_shown(context, run->text), near ? "; did you mean `" : "", near ? near : "",
                near ? "`?" : "");
        }
        if (strcmp(metric->text, "accuracy") == 0 && (mean->number < 0 || mean->number > 1)) {
            return spec_fail(context, mean->mark,
                             "`published.%zu.mean` is %g, expected an accuracy in [0, 1], not in "
                             "percent",
                             i, mean->number);
        }
        if (strcmp(metric->text, "elbo") == 0 && mean->number > 0) {
            return spec_fail(context, mean->mark,
                             "`published.%zu.mean` is %g, expected an elbo of at most 0: it bounds "
                             "the logarithm of a probability",
                             i, mean->number);
        }
        for (size_t j = 0; j < i; j++) {
            const iv_node *other = published->entries[j].node;
            if (strcmp(spec_at(other, "row")->text, spec_at(cell, "row")->text) == 0 &&
                strcmp(spec_at(other, "run")->text, run->text) == 0 &&
                strcmp(spec_at(other, "metric")->text, metric->text) == 0) {
                return spec_fail(context, cell->mark,
                                 "`published.%zu` repeats element %zu, expected each row, run and "
                                 "metric once",
                                 i, j);
            }
        }
    }
    return IV_OK;
}

iv_status spec_check(spec_context *context, const iv_node *root,
                     const iv_spec_expansion *expansion) {
    iv_status status = check_set_not_swept(context, root, spec_at(root, "sweep"));
    if (status == IV_OK) {
        int study = spec_study_bit(iv_spec_string(root, "study"));
        status = study == STUDY_REGULARIZATION ? spec_check_regularization(context, root, expansion)
                 : study == STUDY_AUTOENCODER
                     ? spec_check_autoencoder(context, root, expansion)
                     : spec_check_marginal_likelihood(context, root, expansion);
    }
    if (status == IV_OK) status = check_runs(context, root);
    if (status == IV_OK) status = check_published(context, root, expansion);
    return status;
}

/* What no single key can tell: references between keys, and sizes that must fit each other. */
#include "spec/stages.h"

#include <string.h>

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

static iv_status check_group(spec_context *context, const iv_node *config) {
    const iv_node *order = spec_at(config, "group.order");
    bool rotation = strcmp(iv_spec_string(config, "group.kind"), "rotation") == 0;
    if (rotation && order->integer != 2 && order->integer != 4) {
        return spec_fail(context, order->mark,
                         "`group.order` is %lld, expected 2 or 4 for a rotation: others do not map "
                         "square pixels onto each other",
                         (long long)order->integer);
    }
    return IV_OK;
}

static iv_status check_sizes(spec_context *context, const iv_node *config) {
    enum { OFFICIAL_IMAGES = 70000 }; /* MNIST and Fashion-MNIST: 60000 training, 10000 test */
    const iv_node *batch = spec_at(config, "training.batch"),
                  *train = spec_at(config, "dataset.train");
    bool digits = strcmp(iv_spec_string(config, "dataset.name"), "digits") == 0;
    int64_t images = digits ? iv_spec_integer(config, "dataset.images") : OFFICIAL_IMAGES;
    int64_t used = train->integer + iv_spec_integer(config, "dataset.validation") +
                   iv_spec_integer(config, "dataset.test");
    if (used > images) {
        return spec_fail(context, train->mark,
                         "`dataset`: train + validation + test is %lld, expected at most the %lld "
                         "images of %s",
                         (long long)used, (long long)images,
                         iv_spec_string(config, "dataset.name"));
    }
    if (batch->integer > train->integer) {
        return spec_fail(context, batch->is_default ? train->mark : batch->mark,
                         "`training.batch` is %lld, expected at most the %lld images of "
                         "`dataset.train`",
                         (long long)batch->integer, (long long)train->integer);
    }
    return IV_OK;
}

static iv_status check_run(spec_context *context, const iv_node *config) {
    const iv_node *nu = spec_at(config, "run.nu");
    bool regularized = strcmp(iv_spec_string(config, "run.method"), "regularization") == 0;
    if (!regularized && nu->number > 0) {
        return spec_fail(context, nu->mark,
                         "`nu` is set for method %s, expected only for regularization",
                         iv_spec_string(config, "run.method"));
    }
    return IV_OK;
}

static iv_status check_select(spec_context *context, const iv_node *root, const iv_node *run,
                              const iv_spec_expansion *expansion) {
    const iv_node *select = spec_at(run, "select");
    if (!select) return IV_OK;
    if (!iv_spec_has(run, "sweep.nu")) {
        return spec_fail(context, select->mark,
                         "`select` in a run that does not sweep nu, expected `sweep: {nu: [1, 3]}` "
                         "beside it");
    }
    const iv_node *metric = spec_at(select, "metric");
    if (!iv_spec_lists(root, "metrics.names", metric->text)) {
        return spec_fail(context, metric->mark,
                         "`select` uses the metric %s, expected one that `metrics.names` lists",
                         metric->text);
    }
    for (size_t i = 0; i < expansion->n_runs; i++) {
        const iv_node *validation = spec_at(expansion->runs[i].config, "dataset.validation");
        if (validation->integer > 0) continue;
        return spec_fail(context, validation->mark,
                         "`dataset.validation` is 0, expected some images: `select` measures on "
                         "them");
    }
    return IV_OK;
}

static iv_status check_runs(spec_context *context, const iv_node *root,
                            const iv_spec_expansion *expansion) {
    const iv_node *runs = spec_at(root, "runs"), *sweep = spec_at(root, "sweep");
    for (size_t i = 0; i < runs->n_entries; i++) {
        const iv_node *run = runs->entries[i].node;
        iv_status status = check_set_not_swept(context, run, spec_at(run, "sweep"));
        if (status == IV_OK) status = check_select(context, root, run, expansion);
        if (status != IV_OK) return status;

        const iv_node *own = spec_at(run, "learning_rate");
        const char *both = "training.learning_rate";
        if (!own) own = spec_at(spec_at(run, "sweep"), "learning_rate");
        if (own && sweep && spec_find(sweep, both, strlen(both))) {
            return spec_fail(context, own->mark,
                             "a run's own `learning_rate` while `%s` is swept, expected only one "
                             "of them",
                             both);
        }
    }
    return IV_OK;
}

static const char *nearest_run(const iv_node *runs, const char *name) {
    const char *found = NULL;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < runs->n_entries; i++) {
        const char *candidate = spec_at(runs->entries[i].node, "name")->text;
        if (spec_nearer(name, candidate, &best)) found = candidate;
    }
    return found;
}

static bool is_run(const iv_node *runs, const char *name) {
    for (size_t i = 0; i < runs->n_entries; i++) {
        if (strcmp(spec_at(runs->entries[i].node, "name")->text, name) == 0) return true;
    }
    return false;
}

static iv_status check_published(spec_context *context, const iv_node *root) {
    const iv_node *published = spec_at(root, "published"), *runs = spec_at(root, "runs");
    for (size_t i = 0; i < published->n_entries; i++) {
        const iv_node *cell = published->entries[i].node;
        const iv_node *run = spec_at(cell, "run"), *metric = spec_at(cell, "metric");
        const iv_node *mean = spec_at(cell, "mean");
        if (!is_run(runs, run->text)) {
            const char *near = nearest_run(runs, run->text);
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
    for (size_t i = 0; status == IV_OK && i < expansion->n_runs; i++) {
        const iv_node *config = expansion->runs[i].config;
        status = check_group(context, config);
        if (status == IV_OK) status = check_sizes(context, config);
        if (status == IV_OK) status = check_run(context, config);
    }
    if (status == IV_OK) status = check_runs(context, root, expansion);
    if (status == IV_OK) status = check_published(context, root);
    return status;
}

/* The regularization study: what no single key can tell. */
#include "spec/stages.h"

#include <string.h>

static iv_status check_group(spec_context *context, const iv_node *config) {
    const iv_node *order = spec_at(config, "group.order");
    bool rotation = spec_is_word(config, "group.kind", "rotation");
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
    const iv_node *train = spec_at(config, "dataset.train");
    bool digits = spec_is_word(config, "dataset.name", "digits");
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
    return spec_check_batch(context, config, "images");
}

static iv_status check_run(spec_context *context, const iv_node *config) {
    const iv_node *nu = spec_at(config, "run.nu");
    bool regularized = spec_is_word(config, "run.method", "regularization");
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

iv_status spec_check_regularization(spec_context *context, const iv_node *root,
                                    const iv_spec_expansion *expansion) {
    const iv_node *runs = spec_at(root, "runs");
    iv_status status = IV_OK;
    for (size_t i = 0; status == IV_OK && i < expansion->n_runs; i++) {
        const iv_node *config = expansion->runs[i].config;
        status = check_group(context, config);
        if (status == IV_OK) status = check_sizes(context, config);
        if (status == IV_OK) status = check_run(context, config);
    }
    for (size_t i = 0; status == IV_OK && i < runs->n_entries; i++) {
        status = check_select(context, root, runs->entries[i].node, expansion);
    }
    return status;
}

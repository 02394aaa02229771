/* Specs of the regularization study: what no single key can tell. */
#include "studies/regularization/regularization.h"

#include <invar/spec.h>

static iv_status check_group(iv_spec_check *check, const iv_node *config) {
    const int64_t order = iv_spec_integer(config, "group.order");
    const iv_group_kind kind = reg_group_kind(iv_spec_string(config, "group.kind"));
    char expected[IV_GROUP_EXPECTED];
    if (iv_group_order_allowed(kind, (size_t)order, REG_SIDE, expected)) return IV_OK;
    return iv_spec_refuse(check, iv_spec_node(config, "group.order"),
                          "`group.order` is %lld, expected %s", (long long)order, expected);
}

iv_status reg_check_run(iv_spec_check *check, const iv_node *config) {
    const iv_dataset_info *info = iv_dataset_info_find(iv_spec_string(config, "dataset.name"));
    const int64_t images = info->built_in ? iv_spec_integer(config, "dataset.images")
                                          : (int64_t)(info->n_training + info->n_test);
    const int64_t used = iv_spec_integer(config, "dataset.train") +
                         iv_spec_integer(config, "dataset.validation") +
                         iv_spec_integer(config, "dataset.test");
    iv_status status = check_group(check, config);
    if (status == IV_OK && used > images) {
        return iv_spec_refuse(check, iv_spec_node(config, "dataset.train"),
                              "`dataset`: train + validation + test is %lld, expected at most the "
                              "%lld images of %s",
                              (long long)used, (long long)images,
                              iv_spec_string(config, "dataset.name"));
    }
    if (status != IV_OK) return status;
    return iv_spec_at_most(check, config, "training.batch", "dataset.train", "images");
}

static iv_status check_select(iv_spec_check *check, const iv_node *root, const iv_node *run) {
    const iv_spec_expansion *expansion = iv_spec_check_runs(check);
    if (!iv_spec_has(run, "select")) return IV_OK;
    if (!iv_spec_has(run, "sweep.nu")) {
        return iv_spec_refuse(check, iv_spec_node(run, "select"),
                              "`select` in a run that does not sweep nu, expected `sweep: {nu: "
                              "[1, 3]}` beside it");
    }
    const char *metric = iv_spec_string(run, "select.metric");
    if (!iv_spec_lists(root, "metrics.names", metric)) {
        return iv_spec_refuse(
            check, iv_spec_node(run, "select.metric"),
            "`select` uses the metric %s, expected one that `metrics.names` lists", metric);
    }
    for (size_t i = 0; i < expansion->n_runs; i++) {
        const iv_node *config = expansion->runs[i].config;
        if (iv_spec_integer(config, "dataset.validation") > 0) continue;
        return iv_spec_refuse(check, iv_spec_node(config, "dataset.validation"),
                              "`dataset.validation` is 0, expected some images: `select` measures "
                              "on them");
    }
    return IV_OK;
}

iv_status reg_check_spec(iv_spec_check *check, const iv_node *root) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < iv_spec_length(root, "runs") && status == IV_OK; i++)
        status = check_select(check, root, iv_spec_element(root, "runs", i));
    return status;
}

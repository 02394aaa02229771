/* Specs of the regularization study: what no single key can tell. */
#include "studies/regularization/regularization.h"

#include <invar/spec.h>

/* Of images of the user's own no more is known yet than that they may be squares. */
static iv_image_shape shape_of(const study_images *images) {
    return images->known ? images->shape : (iv_image_shape){1, 100, 100};
}

static iv_status check_group(iv_spec_check *check, const iv_node *config,
                             const study_images *images) {
    const int64_t order = iv_spec_integer(config, "group.order");
    const iv_group_kind kind = reg_group_kind(iv_spec_string(config, "group.kind"));
    char expected[IV_GROUP_EXPECTED];
    if (iv_group_order_allowed(kind, (size_t)order, shape_of(images), expected)) return IV_OK;
    return iv_spec_refuse(check, iv_spec_node(config, "group.order"),
                          "`group.order` is %lld, expected %s", (long long)order, expected);
}

static iv_status check_size(iv_spec_check *check, const iv_node *config,
                            const study_images *images) {
    const iv_dataset_info *info = images->known;
    if (!info) return IV_OK;
    const int64_t n = info->built_in ? iv_spec_integer(config, "dataset.images")
                                     : (int64_t)(info->n_training + info->n_test);
    const int64_t used = iv_spec_integer(config, "dataset.train") +
                         iv_spec_integer(config, "dataset.validation") +
                         iv_spec_integer(config, "dataset.test");
    if (used <= n) return IV_OK;
    return iv_spec_refuse(check, iv_spec_node(config, "dataset.train"),
                          "`dataset`: train + validation + test is %lld, expected at most the "
                          "%lld images of %s",
                          (long long)used, (long long)n, images->name);
}

/* Known sets to measure on have the images and classes of a known set that is trained on. */
static iv_status check_drift(iv_spec_check *check, const iv_node *config,
                             const study_images *images) {
    for (size_t i = 0; i < iv_spec_length(config, "metrics.drift"); i++) {
        const iv_node *node = iv_spec_element(config, "metrics.drift", i);
        const iv_dataset_info *drift = iv_dataset_info_find(iv_spec_string(node, ""));
        const iv_dataset_info *known = images->known;
        const iv_status status = study_images_check_name(check, node);
        if (status != IV_OK) return status;
        if (!drift || !known) continue;
        if (drift->channels == known->channels && drift->height == known->height &&
            drift->width == known->width && drift->n_classes <= known->n_classes)
            continue;
        return iv_spec_refuse(check, node,
                              "`metrics.drift` lists %s, whose images are %zu x %zu x %zu "
                              "(channels, height, width), expected %zu x %zu x %zu as those of %s",
                              drift->name, drift->channels, drift->height, drift->width,
                              known->channels, known->height, known->width, known->name);
    }
    return IV_OK;
}

static iv_status check_meaning(iv_spec_check *check, const iv_node *config,
                               const study_images *images) {
    if (!images->known || reg_learns_from(images->known)) return IV_OK;
    return iv_spec_refuse(check, iv_spec_node(config, "dataset.name"),
                          "`dataset.name` is %s, whose labels mean nothing, expected images to "
                          "learn from",
                          images->name);
}

iv_status reg_check_run(iv_spec_check *check, const iv_node *config) {
    study_images images;
    study_images_read(config, &images);
    iv_status status = study_images_check(check, config, NULL);
    if (status == IV_OK) status = check_meaning(check, config, &images);
    if (status == IV_OK) status = check_group(check, config, &images);
    if (status == IV_OK) status = check_size(check, config, &images);
    if (status == IV_OK) status = check_drift(check, config, &images);
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

/* Specs of the marginal-likelihood study: what no single key can tell. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <invar/spec.h>

static bool is_rings(const iv_node *config) {
    return iv_spec_is(config, "dataset.name", "rings");
}

static bool is_sgpr(const iv_node *config) {
    return iv_spec_is(config, "run.method", "sgpr");
}

static bool is_invariant(const iv_node *config) {
    return !iv_spec_is(config, "run.invariance", "none");
}

/* ------------------------------------------------------------------ data */

static iv_status check_size(iv_spec_check *check, const iv_node *config, const char *path,
                            int64_t most, const char *what) {
    const iv_node *size = iv_spec_node(config, path), *name = iv_spec_node(config, "dataset.name");
    const int64_t value = iv_spec_integer(size, "");
    if (value <= most) return IV_OK;
    return iv_spec_refuse(check, iv_spec_is_default(size) ? name : size,
                          "`%s` is %lld, expected at most the %lld %s images of %s", path,
                          (long long)value, (long long)most, what, iv_spec_string(name, ""));
}

static iv_status check_images(iv_spec_check *check, const iv_node *config) {
    const iv_dataset_info *info = iv_dataset_info_find(iv_spec_string(config, "dataset.name"));
    iv_status status = study_images_check(check, config, "rings");
    if (status == IV_OK && info && info->meaningless)
        return iv_spec_refuse(check, iv_spec_node(config, "dataset.name"),
                              "`dataset.name` is %s, whose labels mean nothing, expected images to "
                              "learn from",
                              info->name);
    if (status == IV_OK && info && !info->built_in) {
        status = check_size(check, config, "dataset.train", (int64_t)info->n_training, "training");
        if (status == IV_OK)
            status = check_size(check, config, "dataset.test", (int64_t)info->n_test, "test");
    }
    if (status != IV_OK || is_sgpr(config)) return status;
    return iv_spec_at_most(check, config, "training.batch", "dataset.train", "images");
}

/* A number that means nothing for points has to be 0. */
static iv_status check_zero(iv_spec_check *check, const iv_node *config, const char *path,
                            const char *reason) {
    const iv_node *node = iv_spec_node(config, path);
    const double value = iv_spec_number(node, "");
    if (value == 0) return IV_OK;
    return iv_spec_refuse(check, node, "`%s` is %g while `dataset.name` is rings, expected 0: %s",
                          path, value, reason);
}

static iv_status check_rings(iv_spec_check *check, const iv_node *config) {
    const iv_node *transformation = iv_spec_node(config, "dataset.transformation");
    const iv_node *batch = iv_spec_node(config, "training.batch");
    const iv_node *train = iv_spec_node(config, "dataset.train");
    if (!iv_spec_is(transformation, "", "regular")) {
        return iv_spec_refuse(check, transformation,
                              "`dataset.transformation` is %s while `dataset.name` is rings, "
                              "expected regular: points are not transformed as images are",
                              iv_spec_string(transformation, ""));
    }
    iv_status status = study_images_check(check, config, "rings");
    if (status == IV_OK)
        status = check_zero(check, config, "model.blur", "the weights of points are not images");
    if (status == IV_OK)
        status = check_zero(check, config, "model.input_mean", "points have no pixels");
    if (status != IV_OK || iv_spec_integer(batch, "") == iv_spec_integer(train, "")) return status;
    return iv_spec_refuse(check, iv_spec_is_default(batch) ? train : batch,
                          "`training.batch` is %lld, expected the %lld of `dataset.train`: all "
                          "points of rings are one batch",
                          (long long)iv_spec_integer(batch, ""),
                          (long long)iv_spec_integer(train, ""));
}

/* ------------------------------------------------------------------ runs */

/* A grid has as many points along each of its generators. */
static iv_status check_sampling(iv_spec_check *check, const iv_node *config) {
    if (!is_invariant(config) || iv_spec_is(config, "model.sampling", "random")) return IV_OK;
    const int64_t samples = iv_spec_integer(config, "model.samples");
    const int64_t n_generators = iv_spec_is(config, "run.invariance", "rotation") ? 1
                                 : iv_spec_is(config, "run.invariance", "affine") ? 6
                                                                                  : 2;
    for (int64_t side = 1;; side++) {
        int64_t n = 1;
        for (int64_t i = 0; i < n_generators; i++) n *= side;
        if (n == samples) return IV_OK;
        if (n > samples) break;
    }
    return iv_spec_refuse(check, iv_spec_node(config, "model.samples"),
                          "`model.samples` is %lld while `model.sampling` is %s, "
                          "expected for invariance `%s` a number to the power of %lld",
                          (long long)samples, iv_spec_string(config, "model.sampling"),
                          iv_spec_string(config, "run.invariance"), (long long)n_generators);
}

/* Learned filters have no sigma. */
static iv_status check_learn(iv_spec_check *check, const iv_node *config) {
    for (size_t i = 0; i < iv_spec_length(config, "model.learn"); i++) {
        const iv_node *what = iv_spec_element(config, "model.learn", i);
        if (iv_spec_is(what, "", "sigma") && !iv_spec_is(config, "model.features", "rff"))
            return iv_spec_refuse(check, what,
                                  "`model.learn` has sigma while `model.features` is relu, "
                                  "expected rff: learned weights have no sigma");
    }
    return IV_OK;
}

iv_status ml_check_run(iv_spec_check *check, const iv_node *config) {
    iv_status status = is_rings(config) ? check_rings(check, config) : check_images(check, config);
    if (status == IV_OK) status = check_learn(check, config);
    if (status != IV_OK) return status;
    if (!is_sgpr(config)) return check_sampling(check, config);
    if (is_rings(config)) {
        return iv_spec_refuse(check, iv_spec_node(config, "run.method"),
                              "`method` is sgpr while `dataset.name` is rings, expected network");
    }
    return iv_spec_at_most(check, config, "run.inducing", "dataset.train", "images");
}

/* ------------------------------------------------------------------ figures */

static iv_status check_figure(iv_spec_check *check, const iv_node *figure) {
    const iv_spec_expansion *expansion = iv_spec_check_runs(check);
    const bool of_points = iv_spec_is(figure, "", "contours");
    const bool of_images = iv_spec_is(figure, "", "filters");
    size_t n_invariant = 0, n_learned = 0;
    for (size_t i = 0; i < expansion->n_runs; i++) {
        const iv_node *config = expansion->runs[i].config;
        if (of_points && !is_rings(config)) {
            return iv_spec_refuse(check, figure,
                                  "the figure contours for %s, expected only rings: the others "
                                  "have no plane to draw",
                                  iv_spec_string(config, "dataset.name"));
        }
        if (of_images && is_rings(config))
            return iv_spec_refuse(check, figure,
                                  "the figure filters for rings, expected only images");
        if (is_sgpr(config) || !is_invariant(config)) continue;
        n_invariant++;
        if (iv_spec_boolean(config, "run.learned")) n_learned++;
    }
    if (of_images && n_invariant == 0) {
        return iv_spec_refuse(check, figure,
                              "the figure filters, expected a run of method network with an "
                              "invariance: it shows what the transformations do to filters");
    }
    if (!of_points && !of_images && n_learned == 0) {
        return iv_spec_refuse(check, figure,
                              "the figure %s, expected a run of method network that learns an "
                              "invariance",
                              iv_spec_string(figure, ""));
    }
    return IV_OK;
}

iv_status ml_check_spec(iv_spec_check *check, const iv_node *root) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < iv_spec_length(root, "figures.names") && status == IV_OK; i++)
        status = check_figure(check, iv_spec_element(root, "figures.names", i));
    return status;
}

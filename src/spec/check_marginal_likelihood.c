/* The marginal-likelihood study: what no single key can tell. */
#include "spec/stages.h"

#include <stdlib.h>
#include <string.h>

static bool is_rings(const iv_node *config) {
    return spec_is_word(config, "dataset.name", "rings");
}

static bool is_sgpr(const iv_node *config) {
    return spec_is_word(config, "run.method", "sgpr");
}

static bool is_invariant(const iv_node *config) {
    return !spec_is_word(config, "run.invariance", "none");
}

/* Whether an integer or number of the run has its default, written out or not. */
static bool has_preset(const iv_node *config, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "runs[].%s", name);
    const spec_key *key = spec_key_find(&spec_builtin_schema, path, STUDY_MARGINAL_LIKELIHOOD);
    snprintf(path, sizeof path, "run.%s", name);
    return iv_spec_number(config, path) == strtod(key->preset, NULL);
}

/* ------------------------------------------------------------------ data */

static iv_status check_size(spec_context *context, const iv_node *config, const char *path,
                            int64_t most, const char *what) {
    const iv_node *size = spec_at(config, path), *name = spec_at(config, "dataset.name");
    if (size->integer <= most) return IV_OK;
    return spec_fail(context, size->is_default ? name->mark : size->mark,
                     "`%s` is %lld, expected at most the %lld %s images of %s", path,
                     (long long)size->integer, (long long)most, what, name->text);
}

static iv_status check_rings(spec_context *context, const iv_node *config) {
    const iv_node *transformation = spec_at(config, "dataset.transformation");
    const iv_node *blur = spec_at(config, "model.blur");
    const iv_node *mean = spec_at(config, "model.input_mean");
    const iv_node *batch = spec_at(config, "training.batch");
    const iv_node *train = spec_at(config, "dataset.train");
    if (strcmp(transformation->text, "regular") != 0) {
        return spec_fail(context, transformation->mark,
                         "`dataset.transformation` is %s while `dataset.name` is rings, expected "
                         "regular: points are not transformed as images are",
                         transformation->text);
    }
    if (blur->number > 0) {
        return spec_fail(context, blur->mark,
                         "`model.blur` is %g while `dataset.name` is rings, expected 0: the "
                         "weights of points are not images",
                         blur->number);
    }
    if (mean->number > 0) {
        return spec_fail(context, mean->mark,
                         "`model.input_mean` is %g while `dataset.name` is rings, expected 0: "
                         "points have no pixels",
                         mean->number);
    }
    if (batch->integer != train->integer) {
        return spec_fail(context, batch->is_default ? train->mark : batch->mark,
                         "`training.batch` is %lld, expected the %lld of `dataset.train`: all "
                         "points of rings are one batch",
                         (long long)batch->integer, (long long)train->integer);
    }
    return IV_OK;
}

static iv_status check_data(spec_context *context, const iv_node *config) {
    enum { MNIST_TRAINING = 60000, CIFAR_TRAINING = 50000, TEST = 10000 };
    if (is_rings(config)) return check_rings(context, config);
    iv_status status = IV_OK;
    if (!spec_is_word(config, "dataset.name", "digits")) {
        bool cifar = spec_is_word(config, "dataset.name", "cifar10");
        status = check_size(context, config, "dataset.train",
                            cifar ? CIFAR_TRAINING : MNIST_TRAINING, "training");
        if (status == IV_OK) status = check_size(context, config, "dataset.test", TEST, "test");
    }
    if (status != IV_OK || is_sgpr(config)) return status;
    return spec_check_batch(context, config, "images");
}

/* ------------------------------------------------------------------ runs */

static iv_status check_sgpr(spec_context *context, const iv_node *config) {
    const iv_node *run = spec_at(config, "run");
    if (is_rings(config)) {
        return spec_fail(context, spec_at(run, "method")->mark,
                         "`method` is sgpr while `dataset.name` is rings, expected network");
    }
    const char *name = NULL;
    if (is_invariant(config)) {
        name = "invariance";
    } else if (!spec_is_word(config, "run.estimate", "variational")) {
        name = "estimate";
    } else if (!iv_spec_boolean(config, "run.learned")) {
        name = "learned";
    }
    if (name) {
        return spec_fail(context, spec_at(run, name)->mark,
                         "`%s` is set for method sgpr, expected only for method network", name);
    }
    const iv_node *inducing = spec_at(run, "inducing"), *train = spec_at(config, "dataset.train");
    if (inducing->integer > train->integer) {
        return spec_fail(context, inducing->is_default ? train->mark : inducing->mark,
                         "`inducing` is %lld, expected at most the %lld images of `dataset.train`",
                         (long long)inducing->integer, (long long)train->integer);
    }
    return IV_OK;
}

/* A grid has as many points along each of its generators. */
static iv_status check_sampling(spec_context *context, const iv_node *config) {
    if (!is_invariant(config) || !spec_is_word(config, "model.sampling", "equally-spaced"))
        return IV_OK;
    const iv_node *samples = spec_at(config, "model.samples");
    int64_t n_generators = spec_is_word(config, "run.invariance", "rotation") ? 1
                           : spec_is_word(config, "run.invariance", "affine") ? 6
                                                                              : 2;
    for (int64_t side = 1;; side++) {
        int64_t n = 1;
        for (int64_t i = 0; i < n_generators; i++) n *= side;
        if (n == samples->integer) return IV_OK;
        if (n > samples->integer) break;
    }
    return spec_fail(context, samples->mark,
                     "`model.samples` is %lld while `model.sampling` is equally-spaced, expected "
                     "for invariance `%s` a number to the power of %lld",
                     (long long)samples->integer, iv_spec_string(config, "run.invariance"),
                     (long long)n_generators);
}

static iv_status check_run(spec_context *context, const iv_node *config) {
    static const char *const of_sgpr[] = {"inducing", "iterations"};
    const iv_node *run = spec_at(config, "run"), *eta = spec_at(run, "eta");
    if (!is_invariant(config) && eta->number != 0) {
        return spec_fail(context, eta->mark,
                         "`eta` is set while `invariance` is none, expected the invariance that it "
                         "is the degree of");
    }
    if (is_sgpr(config)) return check_sgpr(context, config);
    for (size_t i = 0; i < sizeof of_sgpr / sizeof of_sgpr[0]; i++) {
        if (has_preset(config, of_sgpr[i])) continue;
        return spec_fail(context, spec_at(run, of_sgpr[i])->mark,
                         "`%s` is set for method network, expected only for method sgpr",
                         of_sgpr[i]);
    }
    return check_sampling(context, config);
}

/* Why a key of the spec means nothing to a run; NULL if it means something. */
static const char *why_unused(const char *key, const iv_node *config) {
    if (is_sgpr(config)) return strncmp(key, "dataset.", 8) != 0 ? "`method` sgpr" : NULL;
    if (strcmp(key, "model.sigma") == 0 && spec_is_word(config, "model.features", "relu"))
        return "`model.features` relu";
    const bool of_posterior =
        strcmp(key, "model.alpha") == 0 || strcmp(key, "model.initial_deviation") == 0;
    if (of_posterior && spec_is_word(config, "run.estimate", "point")) return "`estimate` point";
    bool of_samples = strcmp(key, "model.samples") == 0 || strcmp(key, "model.sampling") == 0;
    bool of_eta = strcmp(key, "training.eta_learning_rate") == 0;
    if ((of_samples || of_eta) && !is_invariant(config)) return "`invariance` none";
    return of_eta && !iv_spec_boolean(config, "run.learned") ? "`learned` false" : NULL;
}

/* Sweeping what a run has no use for would train the same run again under other names. */
static iv_status check_sweep(spec_context *context, const iv_node *root, const iv_node *config) {
    const iv_node *sweep = spec_at(root, "sweep");
    for (size_t i = 0; sweep && i < sweep->n_entries; i++) {
        const spec_entry *entry = &sweep->entries[i];
        const char *without = why_unused(entry->key, config);
        if (!without) continue;
        return spec_fail(context, entry->mark,
                         "`%s` is swept and means nothing to run `%s` with %s, expected that run "
                         "in a spec of its own",
                         entry->key, iv_spec_string(config, "run.name"), without);
    }
    return IV_OK;
}

/* ------------------------------------------------------------------ figures */

static iv_status check_figure(spec_context *context, const iv_node *figure,
                              const iv_spec_expansion *expansion) {
    bool of_points = strcmp(figure->text, "contours") == 0;
    bool of_images = strcmp(figure->text, "filters") == 0;
    size_t n_invariant = 0, n_learned = 0;
    for (size_t i = 0; i < expansion->n_runs; i++) {
        const iv_node *config = expansion->runs[i].config;
        if (of_points && !is_rings(config)) {
            return spec_fail(context, figure->mark,
                             "the figure contours for %s, expected only rings: the others have no "
                             "plane to draw",
                             iv_spec_string(config, "dataset.name"));
        }
        if (of_images && is_rings(config)) {
            return spec_fail(context, figure->mark,
                             "the figure filters for rings, expected only images");
        }
        if (is_sgpr(config) || !is_invariant(config)) continue;
        n_invariant++;
        if (iv_spec_boolean(config, "run.learned")) n_learned++;
    }
    if (of_images && n_invariant == 0) {
        return spec_fail(context, figure->mark,
                         "the figure filters, expected a run of method network with an invariance: "
                         "it shows what the transformations do to filters");
    }
    if (!of_points && !of_images && n_learned == 0) {
        return spec_fail(context, figure->mark,
                         "the figure %s, expected a run of method network that learns an "
                         "invariance",
                         figure->text);
    }
    return IV_OK;
}

iv_status spec_check_marginal_likelihood(spec_context *context, const iv_node *root,
                                         const iv_spec_expansion *expansion) {
    const iv_node *figures = spec_at(root, "figures.names");
    iv_status status = IV_OK;
    for (size_t i = 0; status == IV_OK && i < expansion->n_runs; i++) {
        const iv_node *config = expansion->runs[i].config;
        status = check_data(context, config);
        if (status == IV_OK) status = check_run(context, config);
        if (status == IV_OK) status = check_sweep(context, root, config);
    }
    for (size_t i = 0; status == IV_OK && i < figures->n_entries; i++) {
        status = check_figure(context, figures->entries[i].node, expansion);
    }
    return status;
}

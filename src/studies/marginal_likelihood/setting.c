/* From the spec to populations: which networks share a shape and train in lockstep. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ABOUT_POINTS = 100, RING_CLASSES = 2, IMAGE_CLASSES = 10 };

/* ------------------------------------------------------------------ reading */

static bool is(const iv_node *config, const char *path, const char *word) {
    return strcmp(iv_spec_string(config, path), word) == 0;
}

static unsigned read_transformations(const iv_node *config) {
    const char *name = iv_spec_string(config, "dataset.transformation");
    const bool partial = strstr(name, "partially-rotated") != NULL;
    return (partial                   ? IV_DATA_PARTIALLY_ROTATED
            : strstr(name, "rotated") ? IV_DATA_ROTATED
                                      : 0U) |
           (strstr(name, "translated") ? IV_DATA_TRANSLATED : 0U) |
           (strstr(name, "scaled") ? IV_DATA_SCALED : 0U);
}

static iv_affine_family read_family(const iv_node *config) {
    if (is(config, "run.invariance", "rotation")) return IV_AFFINE_ROTATION;
    if (is(config, "run.invariance", "translation")) return IV_AFFINE_TRANSLATION;
    if (is(config, "run.invariance", "scale")) return IV_AFFINE_SCALE;
    return is(config, "run.invariance", "affine") ? IV_AFFINE_ALL : IV_AFFINE_NONE;
}

static void read_data(const iv_node *config, ml_population *p) {
    p->dataset = iv_spec_string(config, "dataset.name");
    p->rings = strcmp(p->dataset, "rings") == 0;
    p->shape = p->rings                             ? (iv_image_shape){1, 1, 2}
               : strcmp(p->dataset, "cifar10") == 0 ? (iv_image_shape){3, 32, 32}
                                                    : (iv_image_shape){1, 28, 28};
    p->n_classes = p->rings ? RING_CLASSES : IMAGE_CLASSES;
    p->n_train = (size_t)iv_spec_integer(config, "dataset.train");
    p->n_test = (size_t)iv_spec_integer(config, "dataset.test");
    p->data_seed = (uint32_t)iv_spec_integer(config, "dataset.seed");
}

static void read_network(const iv_node *config, ml_population *p) {
    const bool cosine = is(config, "model.features", "rff");
    p->feature = cosine ? IV_FEATURE_COSINE : IV_FEATURE_RELU;
    p->hidden = (size_t)iv_spec_integer(config, "model.hidden");
    p->sigma = cosine ? (float)iv_spec_number(config, "model.sigma") : 0;
    p->alpha = (float)iv_spec_number(config, "model.alpha");
    p->initial_deviation = (float)iv_spec_number(config, "model.initial_deviation");
    p->input_mean = (float)iv_spec_number(config, "model.input_mean");
    p->blur = (float)iv_spec_number(config, "model.blur");
    p->point = is(config, "run.estimate", "point");
    p->invariant = read_family(config) != IV_AFFINE_NONE;
    p->equally_spaced = p->invariant && is(config, "model.sampling", "equally-spaced");
    p->learns = p->invariant && iv_spec_boolean(config, "run.learned");
    p->n_samples = p->invariant ? (size_t)iv_spec_integer(config, "model.samples") : 1;
}

static void read_training(const iv_node *config, ml_population *p) {
    const double rate = iv_spec_number(config, "training.learning_rate");
    const double eta_rate = iv_spec_number(config, "training.eta_learning_rate");
    p->batch = (size_t)iv_spec_integer(config, "training.batch");
    p->epochs = (size_t)iv_spec_integer(config, "training.epochs");
    p->eta_rate = p->learns && eta_rate > 0 ? (float)(eta_rate / rate) : 1;
    p->annealed = is(config, "training.annealing", "cosine");
    p->beta1 = (float)iv_spec_number(config, "training.beta1");
    p->beta2 = (float)iv_spec_number(config, "training.beta2");
    p->epsilon = (float)iv_spec_number(config, "training.epsilon");
}

static void read_setting(const iv_node *config, ml_population *p) {
    p->config = config;
    p->sgpr = is(config, "run.method", "sgpr");
    read_data(config, p);
    if (p->sgpr) {
        p->n_inducing = (size_t)iv_spec_integer(config, "run.inducing");
        p->iterations = (size_t)iv_spec_integer(config, "run.iterations");
    } else {
        read_network(config, p);
        read_training(config, p);
    }
}

static bool same_data(const ml_population *a, const ml_population *b) {
    return strcmp(a->dataset, b->dataset) == 0 && a->n_train == b->n_train &&
           a->n_test == b->n_test && a->data_seed == b->data_seed;
}

static bool same_network(const ml_population *a, const ml_population *b) {
    return a->sgpr == b->sgpr && a->feature == b->feature && a->hidden == b->hidden &&
           a->n_samples == b->n_samples && a->sigma == b->sigma && a->alpha == b->alpha &&
           a->initial_deviation == b->initial_deviation && a->input_mean == b->input_mean &&
           a->blur == b->blur && a->point == b->point && a->invariant == b->invariant &&
           a->equally_spaced == b->equally_spaced && a->learns == b->learns &&
           a->n_inducing == b->n_inducing;
}

static bool same_training(const ml_population *a, const ml_population *b) {
    return a->batch == b->batch && a->epochs == b->epochs && a->eta_rate == b->eta_rate &&
           a->annealed == b->annealed && a->beta1 == b->beta1 && a->beta2 == b->beta2 &&
           a->epsilon == b->epsilon && a->iterations == b->iterations;
}

/* ------------------------------------------------------------------ populations */

static iv_status add_members(ml_population *p, const iv_spec_run *run, const iv_node *root,
                             iv_error *error) {
    const size_t n_seeds = iv_spec_length(root, "seeds");
    ml_member *members = realloc(p->members, (p->n_members + n_seeds) * sizeof *members);
    if (!members) return iv_fail(error, IV_ENOMEM, "out of memory for %zu members", n_seeds);
    p->members = members;

    ml_member member = {.run = run,
                        .transformations = p->rings ? 0 : read_transformations(run->config)};
    if (!p->sgpr) {
        const float eta = (float)iv_spec_number(run->config, "run.eta");
        float mask[IV_N_GENERATORS];
        member.family = read_family(run->config);
        iv_affine_mask(member.family, mask);
        for (size_t i = 0; i < IV_N_GENERATORS; i++) {
            member.eta[i] = eta * mask[i];
            member.learned[i] = p->learns ? mask[i] : 0;
        }
        member.learning_rate = (float)iv_spec_number(run->config, "training.learning_rate");
    }
    for (size_t i = 0; i < n_seeds; i++) {
        member.seed = (uint32_t)iv_spec_integer(iv_spec_element(root, "seeds", i), "");
        p->members[p->n_members++] = member;
    }
    return IV_OK;
}

iv_status ml_plan_create(const iv_spec *spec, ml_plan *plan, iv_error *error) {
    const iv_node *root = iv_spec_root(spec);
    memset(plan, 0, sizeof *plan);
    plan->every_steps = (size_t)iv_spec_integer(root, "metrics.every_steps");
    iv_status status = iv_spec_expand(spec, &plan->expansion, error);
    if (status != IV_OK) return status;
    plan->populations = calloc(plan->expansion.n_runs, sizeof *plan->populations);
    if (!plan->populations) status = iv_fail(error, IV_ENOMEM, "out of memory for populations");

    for (size_t i = 0; i < plan->expansion.n_runs && status == IV_OK; i++) {
        const iv_spec_run *run = &plan->expansion.runs[i];
        ml_population wanted = {0};
        read_setting(run->config, &wanted);
        ml_population *home = NULL;
        for (size_t k = 0; k < plan->n_populations && !home; k++) {
            ml_population *p = &plan->populations[k];
            if (same_data(p, &wanted) && same_network(p, &wanted) && same_training(p, &wanted))
                home = p;
        }
        if (!home) {
            home = &plan->populations[plan->n_populations++];
            *home = wanted;
        }
        status = add_members(home, run, root, error);
    }
    if (status != IV_OK) ml_plan_clear(plan);
    return status;
}

void ml_plan_clear(ml_plan *plan) {
    for (size_t i = 0; i < plan->n_populations; i++) free(plan->populations[i].members);
    free(plan->populations);
    iv_spec_expansion_release(&plan->expansion);
    memset(plan, 0, sizeof *plan);
}

/* ------------------------------------------------------------------ memory */

/* A batch's transformed inputs and sums with their gradients and once more as products pack them,
 * the posterior's triangular factors with what Adam keeps of them, parameters likewise: an upper
 * bound on what a member takes. */
static size_t members_that_fit(const ml_population *p, const iv_device_info *device) {
    const double value = sizeof(float), hidden = (double)p->hidden, columns = (double)ml_columns(p);
    const double batch = (double)(p->batch > ML_MEASURE_BATCH ? p->batch : ML_MEASURE_BATCH);
    const double rows = (double)p->n_samples * batch;
    const double activations = rows * 3 * (columns + hidden) + 8 * batch * (columns + hidden);
    const double factor = p->point ? hidden : hidden * (hidden + 32) / 2;
    const double posterior = 3 * (double)p->n_classes * factor;
    const double parameters = 5 * hidden * (columns + 1);
    double buffer = rows * (columns > hidden ? columns : hidden);
    if (buffer < (double)p->n_classes * factor) buffer = (double)p->n_classes * factor;

    const double fit_buffer = (double)device->max_alloc_bytes / (value * buffer);
    const double fit_total =
        0.6 * (double)device->global_bytes / (value * (activations + posterior + parameters));
    const double fit = fit_buffer < fit_total ? fit_buffer : fit_total;
    return fit < 1 ? 1 : fit > 1e6 ? 1000000 : (size_t)fit;
}

/* Regressions are trained one after another, and a resumed run goes on after the last of them. */
static size_t piece_size(const ml_population *p, const iv_device_info *device) {
    if (p->sgpr) return 1;
    const size_t most = (size_t)iv_spec_integer(p->config, "training.population");
    return most > 0 ? most : members_that_fit(p, device);
}

iv_status ml_plan_split(ml_plan *plan, const iv_device_info *device, iv_error *error) {
    size_t n_members = 0, n_pieces = 0;
    for (size_t i = 0; i < plan->n_populations; i++) n_members += plan->populations[i].n_members;
    ml_population *pieces = calloc(n_members, sizeof *pieces);
    if (!pieces) return iv_fail(error, IV_ENOMEM, "out of memory for populations");

    iv_status status = IV_OK;
    for (size_t i = 0; i < plan->n_populations; i++) {
        const ml_population *p = &plan->populations[i];
        const size_t most = piece_size(p, device);
        for (size_t first = 0; first < p->n_members && status == IV_OK; first += most) {
            const size_t left = p->n_members - first, n = left < most ? left : most;
            ml_member *members = malloc(n * sizeof *members);
            if (!members) {
                status = iv_fail(error, IV_ENOMEM, "out of memory for populations");
                break;
            }
            memcpy(members, p->members + first, n * sizeof *members);
            pieces[n_pieces] = *p;
            pieces[n_pieces].members = members;
            pieces[n_pieces++].n_members = n;
        }
    }
    for (size_t i = 0; i < plan->n_populations; i++) free(plan->populations[i].members);
    free(plan->populations);
    plan->populations = pieces;
    plan->n_populations = n_pieces;
    return status;
}

/* ------------------------------------------------------------------ sizes */

size_t ml_columns(const ml_population *p) {
    return p->shape.planes * p->shape.height * p->shape.width;
}

size_t ml_steps_per_epoch(const ml_population *p) {
    return p->batch > 0 ? p->n_train / p->batch : 0;
}

size_t ml_steps(const ml_population *p) {
    return p->epochs * ml_steps_per_epoch(p);
}

size_t ml_point_steps(const ml_plan *plan, const ml_population *p) {
    if (plan->every_steps > 0) return plan->every_steps;
    const size_t steps = ml_steps(p);
    return steps < ABOUT_POINTS ? 1 : steps / ABOUT_POINTS;
}

static double pass_flops(const ml_population *p, double rows) {
    return 2 * (double)p->n_samples * rows * (double)ml_columns(p) * (double)p->hidden;
}

/* In reverse there is one product for the filters' gradient, where they are learned, and one for
 * the transformed inputs', from which those of eta follow. */
double ml_step_flops(const ml_population *p) {
    const double products = 1.0 + (p->feature == IV_FEATURE_RELU) + p->learns;
    const double output = 2 * (double)p->batch * (double)p->hidden * (double)p->n_classes;
    return products * pass_flops(p, (double)p->batch) + 3 * output;
}

double ml_measure_flops(const ml_population *p) {
    const double rows = p->rings ? (double)p->n_test : ML_MEASURE_BATCH;
    return pass_flops(p, rows) + 2 * rows * (double)p->hidden * (double)p->n_classes;
}

bool ml_rotates(const ml_member *member) {
    return member->family == IV_AFFINE_ROTATION || member->family == IV_AFFINE_ALL;
}

/* ------------------------------------------------------------------ names */

void ml_row_name(const ml_population *p, const iv_spec_run *run, char *name, size_t size) {
    const char *transformation = iv_spec_string(run->config, "dataset.transformation");
    char rest[256];
    snprintf(rest, sizeof rest, "%s", run->variant);
    const bool of_several = study_take_out(rest, p->dataset);
    study_take_out(rest, transformation);
    study_separate(rest);
    snprintf(name, size, "%s%s%s%s%s", of_several ? p->dataset : "", of_several ? " " : "",
             p->rings ? "rings" : transformation, *rest ? " " : "", rest);
}

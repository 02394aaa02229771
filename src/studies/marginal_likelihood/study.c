/* The marginal-likelihood study (van der Ouderaa and van der Wilk 2022): shallow networks that
 * learn which transformations they are invariant to, by maximising a lower bound of the marginal
 * likelihood. What it reads of a spec, and the study as the driver sees it. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <stdio.h>
#include <string.h>

enum { RING_CLASSES = 2 };

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

/* ------------------------------------------------------------------ of a population */

static void read_data(const iv_node *config, ml_setting *s) {
    study_images_read(config, &s->images);
    s->rings = strcmp(s->images.name, "rings") == 0;
    if (s->rings) {
        s->images.shape = (iv_image_shape){1, 1, 2};
        s->images.n_classes = RING_CLASSES;
    }
    s->n_test = (size_t)iv_spec_integer(config, "dataset.test");
    s->data_seed = (uint32_t)iv_spec_integer(config, "dataset.seed");
}

/* The output layer's posterior. */
static void read_posterior(const iv_node *config, ml_setting *s) {
    s->alpha = (float)iv_spec_number(config, "model.alpha");
    s->initial_deviation = (float)iv_spec_number(config, "model.initial_deviation");
    s->point = is(config, "run.estimate", "point");
    if (s->point) return;
    for (size_t i = 0; i < iv_spec_length(config, "model.learn"); i++)
        if (iv_spec_is(iv_spec_element(config, "model.learn", i), "", "alpha"))
            s->alpha_rate = (float)iv_spec_number(config, "training.alpha_rate");
    s->natural = is(config, "training.posterior", "natural");
    s->logits = s->natural || is(config, "training.samples", "logits");
    s->newton = (iv_newton_schedule){
        .rate = (float)iv_spec_number(config, "training.newton_rate"),
        .hold = (uint32_t)iv_spec_integer(config, "training.newton_hold"),
        .least = (float)iv_spec_number(config, "training.newton_least"),
        .trust = (float)iv_spec_number(config, "training.newton_trust"),
        .every = (uint32_t)iv_spec_integer(config, "training.newton_every"),
    };
    if (s->newton.least == 0)
        s->newton.least =
            (float)((double)iv_spec_integer(config, "training.batch") * (double)s->newton.every /
                    (double)iv_spec_integer(config, "dataset.train"));
    if (s->newton.least > s->newton.rate) s->newton.least = s->newton.rate;
}

static void read_network(const iv_node *config, ml_setting *s) {
    const bool cosine = is(config, "model.features", "rff");
    s->feature = cosine ? IV_FEATURE_COSINE : IV_FEATURE_RELU;
    s->hidden = (size_t)iv_spec_integer(config, "model.hidden");
    s->sigma = cosine ? (float)iv_spec_number(config, "model.sigma") : 0;
    s->input_mean = (float)iv_spec_number(config, "model.input_mean");
    s->blur = (float)iv_spec_number(config, "model.blur");
    read_posterior(config, s);
    s->invariant = read_family(config) != IV_AFFINE_NONE;
    s->equally_spaced = s->invariant && is(config, "model.sampling", "equally-spaced");
    s->stratified = s->invariant && is(config, "model.sampling", "stratified");
    for (size_t i = 0; i < iv_spec_length(config, "model.learn") && cosine; i++)
        if (iv_spec_is(iv_spec_element(config, "model.learn", i), "", "sigma"))
            s->sigma_rate = (float)iv_spec_number(config, "training.sigma_rate");
    s->learns = s->invariant && iv_spec_boolean(config, "run.learned");
    s->n_samples = s->invariant ? (size_t)iv_spec_integer(config, "model.samples") : 1;
}

static void read_training(const iv_node *config, ml_setting *s) {
    const double rate = iv_spec_number(config, "training.learning_rate");
    const double eta_rate = iv_spec_number(config, "training.eta_learning_rate");
    s->eta_rate = s->learns && eta_rate > 0 ? (float)(eta_rate / rate) : 1;
    s->annealed = is(config, "training.annealing", "cosine");
    s->beta1 = (float)iv_spec_number(config, "training.beta1");
    s->beta2 = (float)iv_spec_number(config, "training.beta2");
    s->epsilon = (float)iv_spec_number(config, "training.epsilon");
}

static void read_setting(const iv_node *config, void *setting) {
    ml_setting *s = setting;
    s->sgpr = is(config, "run.method", "sgpr");
    read_data(config, s);
    if (s->sgpr) {
        s->n_inducing = (size_t)iv_spec_integer(config, "run.inducing");
        s->iterations = (size_t)iv_spec_integer(config, "run.iterations");
    } else {
        read_network(config, s);
        read_training(config, s);
    }
}

const ml_setting *ml_setting_of(const iv_population *population) {
    return population->setting;
}

size_t ml_columns(const ml_setting *s) {
    return iv_image_values(s->images.shape);
}

/* ------------------------------------------------------------------ of a member */

ml_own ml_own_of(const iv_population *population, const iv_member *member) {
    const ml_setting *s = ml_setting_of(population);
    const iv_node *config = member->run->config;
    ml_own own = {.transformations = s->rings ? 0 : read_transformations(config)};
    if (s->sgpr) return own;
    const float eta = (float)iv_spec_number(config, "run.eta");
    float mask[IV_N_GENERATORS];
    own.family = read_family(config);
    iv_affine_mask(own.family, mask);
    for (size_t i = 0; i < IV_N_GENERATORS; i++) {
        own.eta[i] = eta * mask[i];
        own.learned[i] = s->learns ? mask[i] : 0;
    }
    return own;
}

bool ml_rotates(const iv_member *member) {
    const iv_affine_family family = read_family(member->run->config);
    return family == IV_AFFINE_ROTATION || family == IV_AFFINE_ALL;
}

/* ------------------------------------------------------------------ work */

static double pass_flops(const ml_setting *s, double rows) {
    return 2 * (double)s->n_samples * rows * (double)ml_columns(s) * (double)s->hidden;
}

/* Where logits are sampled: products with a triangle or of a symmetric result, in each direction, and
 * for natural gradients those of the curvature, a Cholesky factor and its inverse. */
static double posterior_flops(const ml_setting *s, double rows) {
    if (!s->logits) return 0;
    const double h = (double)s->hidden, squares = (double)s->images.n_classes * h * h;
    return 3 * squares * rows + (s->natural ? 4.0 / 3 * squares * h / s->newton.every : 0);
}

/* In reverse there is one product for the filters' gradient, where they are learned, and one for
 * the transformed inputs', from which those of eta follow. */
static void count_flops(const iv_population *p, iv_work *work) {
    const ml_setting *s = ml_setting_of(p);
    const double products = 1.0 + (s->feature == IV_FEATURE_RELU || s->sigma_rate > 0) + s->learns;
    const double output = 2 * (double)s->hidden * (double)s->images.n_classes;
    const double rows = s->rings ? (double)s->n_test : ML_MEASURE_BATCH;
    const double samples = (double)p->n_train + (double)s->n_test;
    const double n_batches = s->rings ? 2 : samples / ML_MEASURE_BATCH;
    work->step_flops = products * pass_flops(s, (double)p->batch) + 3 * output * (double)p->batch +
                       posterior_flops(s, (double)p->batch);
    work->end_flops = n_batches * (pass_flops(s, rows) + output * rows);
}

/* Where logits are sampled: factors as squares and their gradients, or precisions and their inverses,
 * and the products of a batch with its factors. */
static double posterior_values(const ml_setting *s, double rows) {
    if (!s->logits) return 0;
    const double h = (double)s->hidden, n_classes = (double)s->images.n_classes;
    return (s->natural ? 3 : 2) * n_classes * h * h + (2 * n_classes + 3) * rows * h;
}

/* A batch's transformed inputs and sums with their gradients and once more as products pack them,
 * the posterior's triangular factors with what Adam keeps of them, parameters likewise. */
static void count_bytes(const iv_population *p, iv_work *work) {
    const ml_setting *s = ml_setting_of(p);
    const double value = sizeof(float), hidden = (double)s->hidden, columns = (double)ml_columns(s);
    const double batch = (double)(p->batch > ML_MEASURE_BATCH ? p->batch : ML_MEASURE_BATCH);
    const double rows = (double)s->n_samples * batch;
    const double activations = rows * 3 * (columns + hidden) + 8 * batch * (columns + hidden);
    const double factor = s->point ? hidden : hidden * (hidden + 32) / 2;
    const double posterior = 3 * (double)s->images.n_classes * factor;
    const double parameters = 5 * hidden * (columns + 1);
    const double n_classes = (double)s->images.n_classes;
    double buffer = rows * (columns > hidden ? columns : hidden);
    if (buffer < n_classes * factor) buffer = n_classes * factor;
    if (s->logits && buffer < n_classes * hidden * (hidden > batch ? hidden : batch))
        buffer = n_classes * hidden * (hidden > batch ? hidden : batch);
    work->buffer_bytes = value * buffer;
    work->bytes = value * (activations + posterior + parameters + posterior_values(s, batch));
}

/* Regressions are trained one after another, and a resumed run goes on after the last of them. */
static void work_of(const iv_population *p, iv_work *work) {
    const ml_setting *s = ml_setting_of(p);
    if (s->sgpr) {
        work->most_members = 1;
        work->fit_steps = ml_sgpr_passes(s);
        work->step_flops = ml_sgpr_flops(p);
        return;
    }
    count_bytes(p, work);
    count_flops(p, work);
}

/* ------------------------------------------------------------------ names */

static void row_name(const iv_population *p, const iv_spec_run *run, char *name, size_t size) {
    const ml_setting *s = ml_setting_of(p);
    const char *transformation = iv_spec_string(run->config, "dataset.transformation");
    char rest[256];
    snprintf(rest, sizeof rest, "%s", run->variant);
    const bool of_several = iv_name_remove(rest, s->images.name);
    iv_name_remove(rest, transformation);
    iv_name_spaces(rest);
    snprintf(name, size, "%s%s%s%s%s", of_several ? s->images.name : "", of_several ? " " : "",
             s->rings ? "rings" : transformation, *rest ? " " : "", rest);
}

/* ------------------------------------------------------------------ benchmarks */

/* Training steps at the published size: 1024 hidden units, 32 transformations, batches of 128,
 * rotation learned. Labels are random, which cannot be fitted soon: gradients that vanish would
 * make some CPUs compute with denormal numbers. */
#define STEP(features)                                                                             \
    "study: marginal-likelihood\n"                                                                 \
    "name: step\n"                                                                                 \
    "dataset: {name: mnist, transformation: rotated, train: 10240, test: 1}\n"                     \
    "model: {features: " features ", hidden: 1024, samples: 32, sigma: 0.3}\n"                     \
    "training: {batch: 128, epochs: 1000, learning_rate: 0.001, annealing: none}\n"                \
    "runs: [{name: step, invariance: rotation, eta: 1}]\n"

/* The same by natural gradients, with larger batches; random features. */
#define NATURAL_STEP                                                                               \
    "study: marginal-likelihood\n"                                                                 \
    "name: step\n"                                                                                 \
    "dataset: {name: mnist, transformation: rotated, train: 10240, test: 1}\n"                     \
    "model: {features: rff, hidden: 1024, samples: 32, sampling: equally-spaced, learn: "          \
    "[alpha]}\n"                                                                                   \
    "training: {batch: 250, epochs: 1000, learning_rate: 0.1, annealing: none, "                   \
    "posterior: natural}\n"                                                                        \
    "runs: [{name: step, invariance: rotation, eta: 1}]\n"

static const iv_step_entry steps[] = {
    {"relu", STEP("relu")},
    {"rff", STEP("rff")},
    {"natural", NATURAL_STEP},
    {NULL, NULL},
};

static const iv_study_results results = {
    .row_name = row_name,
    .shown = ml_shown,
    .add_claims = ml_add_claims,
    .draw_population = ml_draw_population,
    .draw = ml_draw,
};

const iv_study ml_study = {
    .schema = &ml_schema,
    .setting_size = sizeof(ml_setting),
    .read = read_setting,
    .work = work_of,
    .data = &ml_data_hooks,
    .models = &ml_models,
    .sets = &ml_sets,
    .measures = &ml_measures,
    .results = &results,
    .steps = steps,
};

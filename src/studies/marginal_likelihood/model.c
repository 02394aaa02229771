/* One population of the marginal-likelihood study on the device: a hidden layer whose features are
 * means over transformations, and a Gaussian posterior over the output layer. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float pi = 3.14159265358979324f;

/* ------------------------------------------------------------------ parameters */

/* Random features keep what they are drawn as: weights normal of standard deviation sigma, and
 * phases uniform on a whole turn, from -pi to pi. Learned filters begin normal with variance
 * 2 / (inputs + outputs) (Glorot and Bengio 2010), their biases at 0. */
static iv_status create_parameters(ml_model *m) {
    const ml_setting *s = m->setting;
    const size_t columns = ml_columns(s);
    const bool random = s->feature == IV_FEATURE_COSINE;
    const float glorot = sqrtf(2.0f / (float)(columns + s->hidden));
    const iv_parameter_desc descs[ML_N_PARAMETERS] = {
        [ML_WEIGHT] = {.name = "hidden.weight",
                       .rank = 2,
                       .dims = {s->hidden, columns},
                       .distribution = IV_NORMAL,
                       .scale = random ? s->sigma : glorot,
                       .fixed = random},
        [ML_BIAS] = {.name = "hidden.bias",
                     .rank = 1,
                     .dims = {s->hidden},
                     .distribution = IV_UNIFORM,
                     .scale = random ? pi : 0,
                     .fixed = random},
        [ML_ETA] = {.name = "eta",
                    .rank = 1,
                    .dims = {IV_N_GENERATORS},
                    .relative_rate = s->eta_rate,
                    .fixed = !s->learns},
        [ML_LOG_SIGMA] = {.name = "log_sigma",
                          .rank = 1,
                          .dims = {1},
                          .relative_rate = s->sigma_rate > 0 ? s->sigma_rate : 1},
    };
    const iv_parameter_desc unit = {.name = "unit",
                                    .rank = 2,
                                    .dims = {s->hidden, columns},
                                    .distribution = IV_NORMAL,
                                    .scale = 1};
    const iv_status status = iv_model_parameters(&m->base, descs, ml_model_n(m));
    return status == IV_OK && s->sigma_rate > 0
               ? iv_parameters_create(m->base.context, m->base.population->n_members, &unit, 1,
                                      &m->unit)
               : status;
}

size_t ml_model_n(const ml_model *m) {
    return m->setting->sigma_rate > 0 ? ML_N_PARAMETERS : ML_LOG_SIGMA;
}

/* hidden.weight is that of sigma 1, the same random numbers, times sigma. */
static iv_status append_weights(const ml_model *m, iv_sequence *sequence) {
    if (!m->unit) return IV_OK;
    return iv_append_exponential_scale(
        sequence, m->setting->hidden * ml_columns(m->setting), m->base.population->n_members,
        iv_parameters_view(m->unit, 0), iv_parameters_view(m->base.parameters, ML_LOG_SIGMA),
        iv_parameters_view(m->base.parameters, ML_WEIGHT));
}

static iv_status start_sigma(ml_model *m, const uint32_t *seeds) {
    if (!m->unit) return IV_OK;
    const iv_view view = iv_parameters_view(m->base.parameters, ML_LOG_SIGMA);
    const float logarithm = logf(m->setting->sigma);
    iv_status status = iv_parameters_initialize(m->unit, seeds);
    for (size_t r = 0; r < m->base.population->n_members && status == IV_OK; r++)
        status = iv_buffer_write(m->base.context, view.buffer,
                                 (view.offset + r * view.stride) * sizeof logarithm,
                                 sizeof logarithm, &logarithm);
    iv_sequence *sequence = NULL;
    if (status == IV_OK) status = iv_sequence_create(m->base.context, &sequence);
    if (status == IV_OK) status = append_weights(m, sequence);
    if (status == IV_OK) status = iv_sequence_run(sequence, 0);
    if (status == IV_OK) status = iv_context_finish(m->base.context);
    iv_sequence_destroy(sequence);
    return status;
}

iv_status ml_model_sigma(const ml_model *m, float *sigma) {
    for (size_t r = 0; r < m->base.population->n_members; r++) sigma[r] = m->setting->sigma;
    if (!m->unit) return IV_OK;
    const iv_view view = iv_parameters_view(m->base.parameters, ML_LOG_SIGMA);
    iv_status status = IV_OK;
    for (size_t r = 0; r < m->base.population->n_members && status == IV_OK; r++) {
        float logarithm = 0;
        status = iv_buffer_read(m->base.context, view.buffer,
                                (view.offset + r * view.stride) * sizeof logarithm,
                                sizeof logarithm, &logarithm);
        sigma[r] = expf(logarithm);
    }
    return status;
}

static iv_status write_eta(ml_model *m) {
    const iv_population *p = m->base.population;
    const iv_view view = iv_parameters_view(m->base.parameters, ML_ETA);
    iv_status status = IV_OK;
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        const ml_own own = ml_own_of(p, &p->members[r]);
        status = iv_buffer_write(m->base.context, view.buffer,
                                 (view.offset + r * view.stride) * sizeof(float), sizeof own.eta,
                                 own.eta);
    }
    return status;
}

iv_status ml_model_eta(const ml_model *m, float *eta) {
    const iv_view view = iv_parameters_view(m->base.parameters, ML_ETA);
    iv_status status = IV_OK;
    for (size_t r = 0; r < m->base.population->n_members && status == IV_OK; r++)
        status = iv_buffer_read(m->base.context, view.buffer,
                                (view.offset + r * view.stride) * sizeof(float),
                                IV_N_GENERATORS * sizeof(float), eta + r * IV_N_GENERATORS);
    return status;
}

static iv_status create_posterior(ml_model *m, const uint32_t *seeds) {
    const iv_population *p = m->base.population;
    const ml_setting *s = m->setting;
    const size_t steps = iv_population_steps(p);
    m->optimizer_desc = (iv_optimizer_desc){.kind = IV_OPTIMIZER_ADAM,
                                            .learning_rates = m->learning_rates,
                                            .beta1 = s->beta1,
                                            .beta2 = s->beta2,
                                            .epsilon = s->epsilon,
                                            .cosine_steps = s->annealed ? (uint32_t)steps : 0};
    const iv_posterior_desc desc = {.n_classes = s->images.n_classes,
                                    .n_features = s->hidden,
                                    .n_data = p->n_train,
                                    .point = s->point,
                                    .prior_variance = s->alpha,
                                    .initial_deviation = s->initial_deviation,
                                    .alpha_damping = s->alpha_rate,
                                    .logits = s->logits,
                                    .natural = s->natural,
                                    .newton = s->newton,
                                    .seeds = seeds,
                                    .optimizer = m->optimizer_desc};
    const iv_status status =
        iv_posterior_create(m->base.context, p->n_members, &desc, &m->posterior);
    if (status == IV_OK) m->base.states[0] = iv_posterior_state(m->posterior);
    return status;
}

/* ------------------------------------------------------------------ members */

/* Every member's grid of transformations. */
/* The grid, and half the widths of its parts: the first point lies in the middle of one that begins
 * at -1. */
static iv_status upload_points(ml_model *m) {
    const iv_population *p = m->base.population;
    const ml_setting *s = m->setting;
    const size_t n = s->n_samples * IV_N_GENERATORS, n_widths = p->n_members * IV_N_GENERATORS;
    float *points = calloc(p->n_members, n * sizeof *points), mask[IV_N_GENERATORS];
    float *widths = calloc(n_widths, sizeof *widths);
    iv_status status = points && widths ? IV_OK : iv_no_memory(m->base.context);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        iv_affine_mask(ml_own_of(p, &p->members[r]).family, mask);
        status =
            iv_affine_points(mask, s->n_samples, points + r * n, iv_context_error(m->base.context));
        for (size_t i = 0; i < IV_N_GENERATORS; i++)
            widths[r * IV_N_GENERATORS + i] = mask[i] != 0.0f ? 1.0f + points[r * n + i] : 0.0f;
    }
    if (status == IV_OK)
        status = iv_buffer_upload(m->base.context, points, p->n_members * n * sizeof *points,
                                  &m->points);
    if (status == IV_OK && s->stratified)
        status = iv_buffer_upload(m->base.context, widths, n_widths * sizeof *widths, &m->widths);
    free(points);
    free(widths);
    return status;
}

static iv_status upload_members(ml_model *m) {
    const iv_population *p = m->base.population;
    iv_context *context = m->base.context;
    const size_t n = p->n_members;
    uint32_t *seeds = iv_member_seeds(p);
    int32_t *transformations = malloc(n * sizeof *transformations);
    float *learned = malloc(n * IV_N_GENERATORS * sizeof *learned);
    m->learning_rates = malloc(n * sizeof *m->learning_rates);
    iv_status status =
        seeds && transformations && learned && m->learning_rates ? IV_OK : iv_no_memory(context);
    for (size_t r = 0; r < n && status == IV_OK; r++) {
        const ml_own own = ml_own_of(p, &p->members[r]);
        transformations[r] = (int32_t)own.transformations;
        memcpy(learned + r * IV_N_GENERATORS, own.learned, sizeof own.learned);
        m->learning_rates[r] = iv_member_float(&p->members[r], "training.learning_rate");
    }
    if (status == IV_OK) status = iv_buffer_upload(context, seeds, n * sizeof *seeds, &m->seeds);
    if (status == IV_OK)
        status = iv_buffer_upload(context, transformations, n * sizeof *transformations,
                                  &m->transformations);
    if (status == IV_OK)
        status =
            iv_buffer_upload(context, learned, n * IV_N_GENERATORS * sizeof *learned, &m->learned);
    if (status == IV_OK && (m->setting->equally_spaced || m->setting->stratified))
        status = upload_points(m);
    if (status == IV_OK) status = write_eta(m);
    if (status == IV_OK) status = start_sigma(m, seeds);
    if (status == IV_OK) status = create_posterior(m, seeds);
    free(seeds);
    free(transformations);
    free(learned);
    return status;
}

static void clear_network(ml_model *m) {
    iv_posterior_destroy(m->posterior);
    iv_parameters_destroy(m->unit);
    cl_mem const buffers[] = {m->seeds, m->learned, m->transformations, m->points, m->widths};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        iv_buffer_release(m->base.context, buffers[i]);
    free(m->learning_rates);
}

static iv_status create_network(iv_experiment *x, ml_model *m) {
    m->setting = ml_setting_of(m->base.population);
    m->data = x->data;
    const iv_status status = create_parameters(m);
    return status == IV_OK ? upload_members(m) : status;
}

static bool is_regression(const iv_model *model) {
    return ml_setting_of(model->population)->sgpr;
}

static void clear(iv_model *model) {
    if (is_regression(model))
        ml_sgpr_clear((ml_sgpr *)model);
    else
        clear_network((ml_model *)model);
}

static iv_status create(iv_experiment *x, iv_model *model) {
    return is_regression(model) ? ml_sgpr_create(x, (ml_sgpr *)model)
                                : create_network(x, (ml_model *)model);
}

/* ------------------------------------------------------------------ the way through */

void ml_model_tensors(const ml_model *m, iv_graph *graph, iv_tensor *tensors[ML_N_PARAMETERS]) {
    for (size_t i = 0; i < ML_N_PARAMETERS; i++)
        tensors[i] = i < ml_model_n(m) ? iv_parameters_tensor(m->base.parameters, graph, i) : NULL;
}

static iv_tensor *points_batch(iv_graph *graph, cl_mem buffer, iv_dtype type, unsigned rank,
                               size_t first, size_t n) {
    const iv_view view = {buffer, first * rank, 0}; /* the same for all members */
    return iv_input(graph, type, rank, (const size_t[]){n, 2}, &view);
}

void ml_model_batch(const ml_model *m, iv_graph *graph, bool test, bool shuffle, size_t batch,
                    iv_tensor **x, iv_tensor **labels) {
    const ml_data *data = m->data;
    const iv_population *p = m->base.population;
    const ml_setting *s = m->setting;
    const size_t first = test ? data->first_test : 0, n = test ? s->n_test : p->n_train;
    if (s->rings) {
        *x = points_batch(graph, data->points, IV_F32, 2, first, batch);
        *labels = points_batch(graph, data->point_labels, IV_I32, 1, first, batch);
        return;
    }
    const iv_affine_image_source source = {.pixels = data->pixels,
                                           .labels = data->labels,
                                           .shape = s->images.shape,
                                           .mean = s->input_mean,
                                           .first = first,
                                           .n_samples = n,
                                           .transformations = {m->transformations, 0, 1},
                                           .data_seed = s->data_seed,
                                           .seeds = {m->seeds, 0, 1},
                                           .shuffle = shuffle,
                                           .zeros = data->zeros && s->input_mean == 0};
    iv_affine_image_batch(graph, &source, batch, x, labels);
}

/* Sums of the hidden layer, [S, B, H]. */
static iv_tensor *hidden_sums(const ml_model *m, iv_graph *graph,
                              iv_tensor *const tensors[ML_N_PARAMETERS], iv_tensor *x,
                              uint32_t stream) {
    const ml_setting *s = m->setting;
    iv_tensor *w = tensors[ML_WEIGHT], *b = tensors[ML_BIAS];
    if (s->blur > 0 && !s->rings) w = iv_blur(graph, w, s->images.shape, s->blur);
    if (!s->invariant) {
        iv_tensor *z = iv_linear(graph, x, w, b);
        return z ? iv_reshape(graph, z, 3, (const size_t[]){1, iv_dim(x, 0), s->hidden}) : NULL;
    }
    const iv_view learned = {m->learned, 0, IV_N_GENERATORS};
    const iv_affine_draws draws = {
        .seeds = {m->seeds, 0, 1},
        .stream = stream,
        .n_samples = s->n_samples,
        .points = {m->points, 0, m->points ? s->n_samples * IV_N_GENERATORS : 0},
        .widths = {m->widths, 0, m->widths ? IV_N_GENERATORS : 0}};
    iv_tensor *t = iv_affine_samples(
        graph, tensors[ML_ETA],
        iv_input(graph, IV_F32, 1, (const size_t[]){IV_N_GENERATORS}, &learned), &draws);
    if (s->rings) return iv_linear(graph, iv_transform_points(graph, x, t), w, b);
    if (m->form == ML_FILTER_FORM)
        return iv_filter_products(graph, x, iv_warp_filters(graph, w, t, s->images.shape), b);
    return iv_linear(graph, iv_warp_inputs(graph, x, t, s->images.shape), w, b);
}

iv_tensor *ml_model_features(const ml_model *m, iv_graph *graph,
                             iv_tensor *const tensors[ML_N_PARAMETERS], iv_tensor *x,
                             uint32_t stream) {
    return iv_feature_mean(graph, hidden_sums(m, graph, tensors, x, stream), m->setting->feature);
}

static iv_tensor *output_weights(const ml_model *m, iv_graph *graph, bool sampled) {
    const ml_setting *s = m->setting;
    const iv_view view = sampled && !s->point ? iv_posterior_sample_view(m->posterior)
                                              : iv_posterior_mean_view(m->posterior);
    return iv_input(graph, IV_F32, 2, (const size_t[]){s->images.n_classes, s->hidden}, &view);
}

iv_tensor *ml_model_logits(const ml_model *m, iv_graph *graph, iv_tensor *features, bool sampled) {
    return iv_linear(graph, features, output_weights(m, graph, sampled), NULL);
}

/* ------------------------------------------------------------------ training */

/* The output layer in a graph: what its gradient is taken by, and what natural gradients take. */
typedef struct {
    iv_tensor *weights; /* sampled, or their mean where logits are */
    iv_tensor *factors; /* [C, H, H], where logits are sampled */
    iv_tensor *features, *curvatures;
} output_layer;

static iv_tensor *build_loss(const ml_model *m, iv_graph *g, iv_tensor *labels, output_layer *o) {
    const ml_setting *s = m->setting;
    o->weights = output_weights(m, g, !s->logits);
    iv_tensor *logits = iv_linear(g, o->features, o->weights, NULL);
    if (!s->logits) return iv_cross_entropy(g, logits, labels);
    const iv_view factors = iv_posterior_factor_view(m->posterior);
    const iv_logit_draws draws = {
        .seeds = {m->seeds, 0, 1}, .stream = IV_STREAM_POSTERIOR, .n_pairs = ML_PAIRS};
    const size_t dims[] = {s->images.n_classes, s->hidden, s->hidden};
    o->factors = iv_input(g, IV_F32, 3, dims, &factors);
    return iv_sampled_cross_entropy(g, logits, iv_row_variances(g, o->features, o->factors), labels,
                                    &draws, &o->curvatures);
}

/* Place the gradients of the output layer and list what else it leaves: how many outputs. */
static size_t place_outputs(const ml_model *m, const output_layer *o, iv_tensor *const *gradients,
                            iv_tensor **outputs) {
    outputs[0] = gradients[0];
    iv_place(gradients[0], iv_posterior_gradient_view(m->posterior));
    if (!m->setting->logits) return 1;
    if (m->setting->natural) {
        outputs[1] = o->features;
        outputs[2] = o->curvatures;
        return 3;
    }
    outputs[1] = gradients[1];
    iv_place(gradients[1], iv_posterior_factor_gradient_view(m->posterior));
    return 2;
}

enum { MAX_OUTPUTS = ML_N_PARAMETERS + 4 };

static iv_status compile(const ml_model *m, iv_training *t, output_layer *o) {
    const iv_population *p = m->base.population;
    iv_graph *g = t->graph;
    iv_tensor *tensors[ML_N_PARAMETERS], *wrt[MAX_OUTPUTS], *x, *labels;
    iv_tensor *gradients[MAX_OUTPUTS], *outputs[MAX_OUTPUTS];
    size_t parameters[ML_N_PARAMETERS];
    ml_model_tensors(m, g, tensors);
    if (m->unit)
        tensors[ML_WEIGHT] =
            iv_exponential_scale(g, iv_parameters_tensor(m->unit, g, 0), tensors[ML_LOG_SIGMA]);
    ml_model_batch(m, g, false, true, p->batch, &x, &labels);
    o->features = ml_model_features(m, g, tensors, x, IV_STREAM_TRANSFORMATION);
    t->loss = build_loss(m, g, labels, o);

    size_t n = 0;
    for (size_t i = 0; i < ml_model_n(m); i++) {
        if (iv_parameters_desc(m->base.parameters, i)->fixed) continue;
        wrt[n] = tensors[i];
        parameters[n++] = i;
    }
    wrt[n] = o->weights;
    wrt[n + 1] = o->factors;
    const bool by_factors = m->setting->logits && !m->setting->natural;
    const iv_status status = iv_gradient(g, t->loss, wrt, n + 1 + by_factors, gradients);
    if (status != IV_OK) return status;
    for (size_t i = 0; i < n; i++) {
        iv_optimizer_take(t->optimizer, parameters[i], gradients[i]);
        outputs[i] = gradients[i];
    }
    n += place_outputs(m, o, gradients + n, outputs + n);
    outputs[n++] = t->loss;
    return iv_graph_compile(g, outputs, n, &t->plan);
}

static iv_status append_update(const ml_model *m, const iv_training *t, const output_layer *o) {
    iv_sequence *sequence = iv_plan_sequence(t->plan);
    if (!m->setting->natural) return iv_posterior_append_update(m->posterior, sequence);
    return iv_posterior_append_newton(m->posterior, sequence, m->base.population->batch,
                                      iv_plan_view(t->plan, o->features),
                                      iv_plan_view(t->plan, o->curvatures));
}

static iv_status create_training(iv_experiment *x, iv_model *model, iv_training *t) {
    const ml_model *m = (const ml_model *)model;
    const iv_population *p = model->population;
    output_layer output = {0};
    if (m->setting->rings && p->batch != p->n_train)
        return iv_fail(iv_context_error(x->context), IV_EINVAL,
                       "training.batch: %zu, expected the %zu of dataset.train: rings are trained "
                       "on all their points at once",
                       p->batch, p->n_train);
    iv_status status = iv_optimizer_create(model->parameters, &m->optimizer_desc, &t->optimizer);
    if (status == IV_OK) status = iv_graph_create(x->context, p->n_members, &t->graph);
    if (status == IV_OK) status = compile(m, t, &output);
    if (status == IV_OK) status = iv_optimizer_append(t->optimizer, iv_plan_sequence(t->plan));
    if (status == IV_OK) status = append_weights(m, iv_plan_sequence(t->plan));
    if (status == IV_OK) status = append_update(m, t, &output);
    return status == IV_OK ? iv_posterior_prepare(m->posterior, 0) : status;
}

const iv_study_models ml_models = {
    .size = sizeof(union {
        ml_model network;
        ml_sgpr regression;
    }),
    .create = create,
    .clear = clear,
    .create_training = create_training,
    .fit = ml_sgpr_fit,
};

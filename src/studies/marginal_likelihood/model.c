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
    const ml_population *p = m->population;
    const size_t columns = ml_columns(p);
    const bool random = p->feature == IV_FEATURE_COSINE;
    const float glorot = sqrtf(2.0f / (float)(columns + p->hidden));
    const iv_parameter_desc descs[ML_N_PARAMETERS] = {
        [ML_WEIGHT] = {.name = "hidden.weight",
                       .rank = 2,
                       .dims = {p->hidden, columns},
                       .distribution = IV_NORMAL,
                       .scale = random ? p->sigma : glorot,
                       .fixed = random},
        [ML_BIAS] = {.name = "hidden.bias",
                     .rank = 1,
                     .dims = {p->hidden},
                     .distribution = IV_UNIFORM,
                     .scale = random ? pi : 0,
                     .fixed = random},
        [ML_ETA] = {.name = "eta",
                    .rank = 1,
                    .dims = {IV_N_GENERATORS},
                    .relative_rate = p->eta_rate,
                    .fixed = !p->learns},
    };
    return iv_parameters_create(m->context, p->n_members, descs, ML_N_PARAMETERS, &m->parameters);
}

static iv_status write_eta(ml_model *m) {
    const iv_view view = iv_parameters_view(m->parameters, ML_ETA);
    iv_status status = IV_OK;
    for (size_t r = 0; r < m->population->n_members && status == IV_OK; r++)
        status = iv_buffer_write(
            m->context, view.buffer, (view.offset + r * view.stride) * sizeof(float),
            sizeof m->population->members[r].eta, m->population->members[r].eta);
    return status;
}

iv_status ml_model_eta(const ml_model *m, float *eta) {
    const iv_view view = iv_parameters_view(m->parameters, ML_ETA);
    iv_status status = IV_OK;
    for (size_t r = 0; r < m->population->n_members && status == IV_OK; r++)
        status =
            iv_buffer_read(m->context, view.buffer, (view.offset + r * view.stride) * sizeof(float),
                           IV_N_GENERATORS * sizeof(float), eta + r * IV_N_GENERATORS);
    return status;
}

static iv_status create_posterior(ml_model *m, const uint32_t *seeds) {
    const ml_population *p = m->population;
    const size_t steps = ml_steps(p);
    if (steps > UINT32_MAX - 1)
        return iv_fail(iv_context_error(m->context), IV_EINVAL,
                       "training.epochs: %zu epochs of %zu steps, expected fewer than 2^32 steps",
                       p->epochs, ml_steps_per_epoch(p));
    m->optimizer_desc = (iv_optimizer_desc){.kind = IV_OPTIMIZER_ADAM,
                                            .learning_rates = m->learning_rates,
                                            .beta1 = p->beta1,
                                            .beta2 = p->beta2,
                                            .epsilon = p->epsilon,
                                            .cosine_steps = p->annealed ? (uint32_t)steps : 0};
    const iv_posterior_desc desc = {.n_classes = p->n_classes,
                                    .n_features = p->hidden,
                                    .n_data = p->n_train,
                                    .point = p->point,
                                    .prior_variance = p->alpha,
                                    .initial_deviation = p->initial_deviation,
                                    .seeds = seeds,
                                    .optimizer = m->optimizer_desc};
    return iv_posterior_create(m->context, p->n_members, &desc, &m->posterior);
}

/* ------------------------------------------------------------------ members */

/* Every member's grid of transformations. */
static iv_status upload_points(ml_model *m) {
    const ml_population *p = m->population;
    const size_t n = p->n_samples * IV_N_GENERATORS;
    float *points = calloc(p->n_members, n * sizeof *points), mask[IV_N_GENERATORS];
    iv_status status = points ? IV_OK : study_out_of_memory(m->context);
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        iv_affine_mask(p->members[r].family, mask);
        status = iv_affine_points(mask, p->n_samples, points + r * n, iv_context_error(m->context));
    }
    if (status == IV_OK)
        status = study_upload(m->context, points, p->n_members * n * sizeof *points, &m->points);
    free(points);
    return status;
}

static iv_status upload_members(ml_model *m) {
    const ml_population *p = m->population;
    const size_t n = p->n_members;
    uint32_t *seeds = malloc(n * sizeof *seeds);
    int32_t *transformations = malloc(n * sizeof *transformations);
    float *learned = malloc(n * sizeof p->members->learned);
    m->learning_rates = malloc(n * sizeof *m->learning_rates);
    iv_status status = seeds && transformations && learned && m->learning_rates
                           ? IV_OK
                           : study_out_of_memory(m->context);
    for (size_t r = 0; r < n && status == IV_OK; r++) {
        const ml_member *member = &p->members[r];
        seeds[r] = member->seed;
        transformations[r] = (int32_t)member->transformations;
        memcpy(learned + r * IV_N_GENERATORS, member->learned, sizeof member->learned);
        m->learning_rates[r] = member->learning_rate;
    }
    if (status == IV_OK) status = study_upload(m->context, seeds, n * sizeof *seeds, &m->seeds);
    if (status == IV_OK)
        status = study_upload(m->context, transformations, n * sizeof *transformations,
                              &m->transformations);
    if (status == IV_OK)
        status = study_upload(m->context, learned, n * sizeof p->members->learned, &m->learned);
    if (status == IV_OK && p->equally_spaced) status = upload_points(m);
    if (status == IV_OK) status = iv_parameters_initialize(m->parameters, seeds);
    if (status == IV_OK) status = write_eta(m);
    if (status == IV_OK) status = create_posterior(m, seeds);
    free(seeds);
    free(transformations);
    free(learned);
    return status;
}

iv_status ml_model_create(iv_context *context, const ml_population *p, ml_model **out) {
    *out = NULL;
    ml_model *m = calloc(1, sizeof *m);
    if (!m) return study_out_of_memory(context);
    m->context = context;
    m->population = p;
    iv_status status = create_parameters(m);
    if (status == IV_OK) status = upload_members(m);
    if (status != IV_OK)
        ml_model_destroy(m);
    else
        *out = m;
    return status;
}

void ml_model_destroy(ml_model *m) {
    if (!m) return;
    iv_posterior_destroy(m->posterior);
    iv_parameters_destroy(m->parameters);
    cl_mem const buffers[] = {m->seeds, m->learned, m->transformations, m->points};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        iv_buffer_release(m->context, buffers[i]);
    free(m->learning_rates);
    free(m);
}

/* ------------------------------------------------------------------ the way through */

void ml_model_tensors(const ml_model *m, iv_graph *graph, iv_tensor *tensors[ML_N_PARAMETERS]) {
    for (size_t i = 0; i < ML_N_PARAMETERS; i++)
        tensors[i] = iv_parameters_tensor(m->parameters, graph, i);
}

static iv_tensor *points_batch(iv_graph *graph, cl_mem buffer, iv_dtype type, unsigned rank,
                               size_t first, size_t n) {
    const iv_view view = {buffer, first * rank, 0}; /* the same for all members */
    return iv_input(graph, type, rank, (const size_t[]){n, 2}, &view);
}

void ml_model_batch(const ml_model *m, const ml_data *data, iv_graph *graph, bool test,
                    bool shuffle, size_t batch, iv_tensor **x, iv_tensor **labels) {
    const ml_population *p = m->population;
    const size_t first = test ? data->first_test : 0, n = test ? p->n_test : p->n_train;
    if (p->rings) {
        *x = points_batch(graph, data->points, IV_F32, 2, first, batch);
        *labels = points_batch(graph, data->point_labels, IV_I32, 1, first, batch);
        return;
    }
    const iv_affine_image_source source = {.pixels = data->pixels,
                                           .labels = data->labels,
                                           .shape = p->shape,
                                           .mean = p->input_mean,
                                           .first = first,
                                           .n_samples = n,
                                           .transformations = {m->transformations, 0, 1},
                                           .data_seed = p->data_seed,
                                           .seeds = {m->seeds, 0, 1},
                                           .shuffle = shuffle,
                                           .zeros = data->zeros && p->input_mean == 0};
    iv_affine_image_batch(graph, &source, batch, x, labels);
}

/* Sums of the hidden layer, [S, B, H]. */
static iv_tensor *hidden_sums(const ml_model *m, iv_graph *graph,
                              iv_tensor *const tensors[ML_N_PARAMETERS], iv_tensor *x,
                              uint32_t stream) {
    const ml_population *p = m->population;
    iv_tensor *w = tensors[ML_WEIGHT], *b = tensors[ML_BIAS];
    if (p->blur > 0 && !p->rings) w = iv_blur(graph, w, p->shape, p->blur);
    if (!p->invariant) {
        iv_tensor *z = iv_linear(graph, x, w, b);
        return z ? iv_reshape(graph, z, 3, (const size_t[]){1, iv_dim(x, 0), p->hidden}) : NULL;
    }
    const iv_view learned = {m->learned, 0, IV_N_GENERATORS};
    const iv_affine_draws draws = {
        .seeds = {m->seeds, 0, 1},
        .stream = stream,
        .n_samples = p->n_samples,
        .points = {m->points, 0, m->points ? p->n_samples * IV_N_GENERATORS : 0}};
    iv_tensor *t = iv_affine_samples(
        graph, tensors[ML_ETA],
        iv_input(graph, IV_F32, 1, (const size_t[]){IV_N_GENERATORS}, &learned), &draws);
    if (p->rings) return iv_linear(graph, iv_transform_points(graph, x, t), w, b);
    if (m->form == ML_FILTER_FORM)
        return iv_filter_products(graph, x, iv_warp_filters(graph, w, t, p->shape), b);
    return iv_linear(graph, iv_warp_inputs(graph, x, t, p->shape), w, b);
}

iv_tensor *ml_model_features(const ml_model *m, iv_graph *graph,
                             iv_tensor *const tensors[ML_N_PARAMETERS], iv_tensor *x,
                             uint32_t stream) {
    return iv_feature_mean(graph, hidden_sums(m, graph, tensors, x, stream),
                           m->population->feature);
}

static iv_tensor *output_weights(const ml_model *m, iv_graph *graph, bool sampled) {
    const ml_population *p = m->population;
    const iv_view view = sampled && !p->point ? iv_posterior_sample_view(m->posterior)
                                              : iv_posterior_mean_view(m->posterior);
    return iv_input(graph, IV_F32, 2, (const size_t[]){p->n_classes, p->hidden}, &view);
}

iv_tensor *ml_model_logits(const ml_model *m, iv_graph *graph, iv_tensor *features, bool sampled) {
    return iv_linear(graph, features, output_weights(m, graph, sampled), NULL);
}

/* ------------------------------------------------------------------ training */

static iv_status compile(const ml_model *m, const ml_data *data, study_training *t) {
    const ml_population *p = m->population;
    iv_graph *g = t->graph;
    iv_tensor *tensors[ML_N_PARAMETERS], *wrt[ML_N_PARAMETERS + 1], *x, *labels;
    iv_tensor *outputs[ML_N_PARAMETERS + 2];
    size_t parameters[ML_N_PARAMETERS];
    ml_model_tensors(m, g, tensors);
    ml_model_batch(m, data, g, false, true, p->batch, &x, &labels);
    iv_tensor *features = ml_model_features(m, g, tensors, x, IV_STREAM_TRANSFORMATION);
    iv_tensor *weights = output_weights(m, g, true);
    t->loss = iv_cross_entropy(g, iv_linear(g, features, weights, NULL), labels);

    size_t n = 0;
    for (size_t i = 0; i < ML_N_PARAMETERS; i++) {
        if (iv_parameters_desc(m->parameters, i)->fixed) continue;
        wrt[n] = tensors[i];
        parameters[n++] = i;
    }
    wrt[n] = weights;
    iv_gradient(g, t->loss, wrt, n + 1, outputs);
    for (size_t i = 0; i < n; i++) iv_optimizer_take(t->optimizer, parameters[i], outputs[i]);
    iv_place(outputs[n], iv_posterior_gradient_view(m->posterior));
    outputs[n + 1] = t->loss;
    return iv_graph_compile(g, outputs, n + 2, &t->plan);
}

iv_status ml_training_create(const ml_model *m, const ml_data *data, study_training *t) {
    const ml_population *p = m->population;
    memset(t, 0, sizeof *t);
    t->steps_per_epoch = ml_steps_per_epoch(p);
    if (t->steps_per_epoch == 0)
        return iv_fail(iv_context_error(m->context), IV_EINVAL,
                       "training.batch: %zu does not fit %zu training samples", p->batch,
                       p->n_train);
    if (p->rings && p->batch != p->n_train)
        return iv_fail(iv_context_error(m->context), IV_EINVAL,
                       "training.batch: %zu, expected the %zu of dataset.train: rings are trained "
                       "on all their points at once",
                       p->batch, p->n_train);
    iv_status status = iv_optimizer_create(m->parameters, &m->optimizer_desc, &t->optimizer);
    if (status == IV_OK) status = iv_graph_create(m->context, p->n_members, &t->graph);
    if (status == IV_OK) status = compile(m, data, t);
    if (status == IV_OK) status = iv_optimizer_append(t->optimizer, iv_plan_sequence(t->plan));
    if (status == IV_OK)
        status = iv_posterior_append_update(m->posterior, iv_plan_sequence(t->plan));
    if (status == IV_OK) status = iv_posterior_prepare(m->posterior, 0);
    if (status != IV_OK) study_training_clear(t);
    return status;
}

/* One population of the regularization study on the device: network, training plan. */
#include "studies/regularization/regularization.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ network */

/* Uniform on +-1 / sqrt(inputs), weights and biases alike (PyTorch's default for linear layers). */
static void describe_layer(iv_parameter_desc *weight, iv_parameter_desc *bias, size_t layer,
                           size_t inputs, size_t outputs) {
    const float bound = 1.0f / sqrtf((float)inputs);
    *weight = (iv_parameter_desc){
        .rank = 2, .dims = {outputs, inputs}, .distribution = IV_UNIFORM, .scale = bound};
    *bias = (iv_parameter_desc){
        .rank = 1, .dims = {outputs}, .distribution = IV_UNIFORM, .scale = bound};
    snprintf(weight->name, sizeof weight->name, "layers.%zu.weight", layer);
    snprintf(bias->name, sizeof bias->name, "layers.%zu.bias", layer);
}

static iv_status create_parameters(reg_model *model) {
    const reg_setting *s = model->setting;
    iv_parameter_desc descs[2 * REG_MAX_LAYERS];
    for (size_t l = 0; l < s->layers; l++)
        describe_layer(&descs[2 * l], &descs[2 * l + 1], l,
                       l == 0 ? model->group->n_pixels : s->hidden,
                       l + 1 == s->layers ? s->images.n_classes : s->hidden);
    return iv_model_parameters(&model->base, descs, 2 * s->layers);
}

static iv_status upload_same_table(reg_model *model) {
    const size_t hidden = model->setting->hidden, n = model->group->n_elements * hidden;
    uint16_t *table = malloc(n * sizeof *table);
    if (!table) return iv_no_memory(model->base.context);
    for (size_t i = 0; i < n; i++) table[i] = (uint16_t)(i % hidden);
    const iv_status status =
        iv_buffer_upload(model->base.context, table, n * sizeof *table, &model->same);
    free(table);
    return status;
}

static iv_status upload_members(reg_model *model) {
    const iv_population *p = model->base.population;
    const reg_setting *s = model->setting;
    iv_context *context = model->base.context;
    iv_status status = iv_member_upload_seeds(context, p, &model->seeds);
    if (status == IV_OK) status = iv_member_upload(context, p, "run.nu", &model->nu);
    if (status == IV_OK)
        status = reg_splits_create(context, p, model->data->pool.n_images, p->n_train,
                                   s->n_validation, s->n_test, &model->splits);
    return status;
}

static void clear(iv_model *base) {
    const reg_model *model = (const reg_model *)base;
    cl_mem const buffers[] = {model->same, model->seeds, model->nu, model->splits};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        iv_buffer_release(base->context, buffers[i]);
}

static iv_status create(iv_experiment *x, iv_model *base) {
    reg_model *model = (reg_model *)base;
    model->setting = reg_setting_of(base->population);
    model->data = x->data;
    model->group = model->data->group;
    iv_status status = create_parameters(model);
    if (status == IV_OK) status = upload_same_table(model);
    return status == IV_OK ? upload_members(model) : status;
}

/* ------------------------------------------------------------------ images */

iv_image_source reg_images_of(const reg_model *model, const reg_pool *pool, cl_mem splits,
                              size_t first, size_t count, bool shuffle) {
    return (iv_image_source){
        .pixels = pool->pixels,
        .labels = pool->labels,
        .indices = {splits, first, pool->n_images},
        .n_samples = count,
        .source = model->data->source,
        .n_elements = model->group->n_elements,
        .n_pixels = model->group->n_pixels,
        .seeds = {model->seeds, 0, 1},
        .shuffle = shuffle,
        .zeros = pool->zeros,
    };
}

iv_image_source reg_images(const reg_model *model, bool test) {
    const reg_setting *s = model->setting;
    const size_t n_train = model->base.population->n_train;
    return reg_images_of(model, &model->data->pool, model->splits,
                         test ? n_train + s->n_validation : n_train,
                         test ? s->n_test : s->n_validation, false);
}

/* ------------------------------------------------------------------ the way through */

void reg_model_tensors(const reg_model *model, iv_graph *graph, iv_tensor **parameters) {
    for (size_t i = 0; i < iv_parameters_count(model->base.parameters); i++)
        parameters[i] = iv_parameters_tensor(model->base.parameters, graph, i);
}

/* The layers after the first, from its activations h [rows, hidden] to the logits. */
static iv_tensor *later_layers(const reg_model *model, iv_graph *graph,
                               iv_tensor *const *parameters, iv_tensor *h) {
    const size_t n_layers = model->setting->layers;
    for (size_t l = 1; l < n_layers; l++) {
        h = iv_linear(graph, h, parameters[2 * l], parameters[2 * l + 1]);
        if (l + 1 < n_layers) h = iv_activate(graph, h, IV_ACTIVATION_RELU);
    }
    return h;
}

/* Measuring acts on the images, x -> g x with the same weights: the pooled activations of x and g x
 * are then sums of the same numbers, and the network is invariant to the last bit. */
iv_tensor *reg_model_logits(const reg_model *model, iv_graph *graph, iv_tensor *const *parameters,
                            iv_tensor *x, iv_tensor **sums) {
    const bool tied = model->setting->method == REG_WEIGHT_TYING;
    if (tied)
        x = iv_orbit(graph, x, model->data->source, model->data->inverse, model->group->n_elements);
    iv_tensor *first = iv_linear(graph, x, parameters[0], parameters[1]);
    if (sums) *sums = first;
    iv_tensor *h = iv_activate(graph, first, IV_ACTIVATION_RELU);
    return later_layers(model, graph, parameters, tied ? iv_orbit_mean(graph, h) : h);
}

/* Training acts on the weights instead, W (g x) = (W g) x: there are fewer rows of them than
 * images. */
static iv_tensor *tied_logits(const reg_model *model, iv_graph *graph, iv_tensor *const *parameters,
                              iv_tensor *x) {
    const size_t n_elements = model->group->n_elements, n_pixels = model->group->n_pixels;
    const size_t hidden = model->setting->hidden, n_filters = n_elements * hidden;
    iv_tensor *filters = iv_reshape(
        graph,
        iv_orbit(graph, parameters[0], model->data->inverse, model->data->source, n_elements), 2,
        (const size_t[]){n_filters, n_pixels});
    iv_tensor *bias = iv_reshape(graph, parameters[1], 2, (const size_t[]){1, hidden});
    bias = iv_reshape(graph, iv_orbit(graph, bias, model->same, model->same, n_elements), 1,
                      &n_filters);
    iv_tensor *h = iv_activate(graph, iv_linear(graph, x, filters, bias), IV_ACTIVATION_RELU);
    return later_layers(model, graph, parameters, iv_orbit_mean_of_features(graph, h, n_elements));
}

/* ------------------------------------------------------------------ training */

static iv_tensor *rows_of(iv_graph *graph, iv_tensor *images) {
    if (!images) return NULL;
    return iv_reshape(graph, images, 2,
                      (const size_t[]){iv_dim(images, 0) * iv_dim(images, 1), iv_dim(images, 2)});
}

/* The loss of one batch, by method:
 *   WT  cross-entropy of the pooled network (the orbit of x is the same for every g x)
 *   DA  cross-entropy on g x
 *   IR  cross-entropy on x plus nu times the logit distance of x and g x */
static iv_tensor *build_loss(const reg_model *model, iv_graph *graph, const iv_image_source *source,
                             iv_tensor *const *parameters) {
    const reg_method method = model->setting->method;
    const size_t batch = model->base.population->batch;
    const size_t n_classes = model->setting->images.n_classes;
    iv_tensor *images, *labels;
    if (method == REG_WEIGHT_TYING) {
        iv_image_batch(graph, source, batch, IV_COPIES_IDENTITY, &images, &labels);
        return iv_cross_entropy(
            graph, tied_logits(model, graph, parameters, rows_of(graph, images)), labels);
    }
    if (method == REG_AUGMENTATION) {
        iv_image_batch(graph, source, batch, IV_COPIES_RANDOM, &images, &labels);
        return iv_cross_entropy(
            graph, reg_model_logits(model, graph, parameters, rows_of(graph, images), NULL),
            labels);
    }
    iv_image_batch(graph, source, batch, IV_COPIES_PAIR, &images, &labels);
    iv_tensor *logits =
        iv_reshape(graph, reg_model_logits(model, graph, parameters, rows_of(graph, images), NULL),
                   3, (const size_t[]){2, batch, n_classes});
    iv_tensor *of_x = iv_slice(graph, logits, 0, 1), *of_gx = iv_slice(graph, logits, 1, 1);
    const iv_view nu = {model->nu, 0, 1};
    return iv_weighted_sum(graph, iv_cross_entropy(graph, of_x, labels),
                           iv_logit_distance(graph, of_gx, of_x),
                           iv_input(graph, IV_F32, 1, (const size_t[]){1}, &nu));
}

static iv_status create_training(iv_experiment *x, iv_model *base, iv_training *t) {
    const reg_model *model = (const reg_model *)base;
    const iv_population *p = base->population;
    const iv_image_source images =
        reg_images_of(model, &model->data->pool, model->splits, 0, p->n_train, true);
    iv_tensor *parameters[2 * REG_MAX_LAYERS];
    const iv_status status = iv_graph_create(x->context, p->n_members, &t->graph);
    if (status != IV_OK) return status;
    reg_model_tensors(model, t->graph, parameters);
    t->loss = build_loss(model, t->graph, &images, parameters);
    return iv_training_compile(base, parameters, t);
}

const iv_study_models reg_models = {.size = sizeof(reg_model),
                                    .create = create,
                                    .clear = clear,
                                    .create_training = create_training};

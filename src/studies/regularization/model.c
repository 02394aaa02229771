/* One population of the regularization study on the device: data, network, training plan. */
#include "studies/regularization/regularization.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ data */

iv_status reg_pool_of_images(iv_context *context, const iv_dataset *data, const iv_group *group,
                             reg_pool *pool) {
    iv_error *error = iv_context_error(context);
    uint8_t *padded = NULL;
    size_t bytes;
    memset(pool, 0, sizeof *pool);
    iv_status status = iv_multiply_size(data->n_images, group->n_pixels, &bytes, error);
    if (status == IV_OK && !(padded = malloc(bytes))) status = study_out_of_memory(context);
    if (status == IV_OK) {
        iv_group_pad(group, data->pixels, data->n_images, padded);
        status = study_upload(context, padded, bytes, &pool->pixels);
    }
    if (status == IV_OK)
        status = study_upload(context, data->labels, data->n_images, &pool->labels);
    if (status == IV_OK) {
        pool->n_images = data->n_images;
        pool->side = group->side;
        pool->zeros = iv_mostly_zero(padded, bytes);
    }
    free(padded);
    if (status != IV_OK) reg_pool_clear(context, pool);
    return status;
}

iv_status reg_pool_create(iv_context *context, const char *data_dir, const char *name,
                          size_t n_asked, const iv_group *group, reg_pool *pool) {
    iv_error *error = iv_context_error(context);
    memset(pool, 0, sizeof *pool);
    iv_dataset data;
    iv_status status = iv_dataset_load(data_dir, name, n_asked, &data, error);
    if (status != IV_OK) return status;

    if (data.channels != 1 || data.height != data.width || data.height != group->image_side ||
        data.n_classes > REG_CLASSES)
        status =
            iv_fail(error, IV_EDATA,
                    "%s holds %zu x %zu images of %zu channels in %zu classes; this study takes "
                    "grey squares of side %zu in at most %d classes",
                    name, data.height, data.width, data.channels, data.n_classes, group->image_side,
                    REG_CLASSES);
    if (status == IV_OK) status = reg_pool_of_images(context, &data, group, pool);
    if (status == IV_OK) {
        snprintf(pool->name, sizeof pool->name, "%s", name);
        pool->n_asked = n_asked;
    }
    iv_dataset_clear(&data);
    return status;
}

void reg_pool_clear(iv_context *context, reg_pool *pool) {
    iv_buffer_release(context, pool->pixels);
    iv_buffer_release(context, pool->labels);
    memset(pool, 0, sizeof *pool);
}

iv_status reg_splits_create(const reg_model *model, size_t n_pool, size_t n_train,
                            size_t n_validation, size_t n_test, cl_mem *splits) {
    const reg_population *p = model->population;
    iv_error *error = iv_context_error(model->context);
    *splits = NULL;
    size_t n;
    iv_status status = iv_multiply_size(p->n_members, n_pool, &n, error);
    int32_t *rows = status == IV_OK ? malloc(n * sizeof *rows) : NULL;
    if (status == IV_OK && !rows)
        status = iv_fail(error, IV_ENOMEM, "out of memory for the splits");
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++)
        status = iv_split(p->members[r].seed, n_pool, n_train, n_validation, n_test,
                          rows + r * n_pool, error);
    if (status == IV_OK) status = study_upload(model->context, rows, n * sizeof *rows, splits);
    free(rows);
    return status;
}

void reg_images_of(const reg_model *model, const reg_pool *pool, cl_mem splits, size_t first,
                   size_t count, bool shuffle, iv_image_source *images) {
    *images = (iv_image_source){
        .pixels = pool->pixels,
        .labels = pool->labels,
        .indices = {splits, first, pool->n_images},
        .n_samples = count,
        .source = model->source,
        .n_elements = model->group->n_elements,
        .n_pixels = model->group->n_pixels,
        .seeds = {model->seeds, 0, 1},
        .shuffle = shuffle,
        .zeros = pool->zeros,
    };
}

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
    const reg_population *p = model->population;
    iv_parameter_desc descs[2 * REG_MAX_LAYERS];
    for (size_t l = 0; l < p->layers; l++)
        describe_layer(&descs[2 * l], &descs[2 * l + 1], l,
                       l == 0 ? model->group->n_pixels : p->hidden,
                       l + 1 == p->layers ? REG_CLASSES : p->hidden);
    return iv_parameters_create(model->context, p->n_members, descs, 2 * p->layers,
                                &model->parameters);
}

static iv_status upload_same_table(reg_model *model) {
    const size_t hidden = model->population->hidden, n_elements = model->group->n_elements;
    uint16_t *table = malloc(n_elements * hidden * sizeof *table);
    if (!table)
        return iv_fail(iv_context_error(model->context), IV_ENOMEM, "out of memory for a table");
    for (size_t i = 0; i < n_elements * hidden; i++) table[i] = (uint16_t)(i % hidden);
    const iv_status status =
        study_upload(model->context, table, n_elements * hidden * sizeof *table, &model->same);
    free(table);
    return status;
}

iv_status reg_model_create(iv_context *context, const reg_population *p, reg_model **out) {
    *out = NULL;
    iv_error *error = iv_context_error(context);
    reg_model *model = calloc(1, sizeof *model);
    uint32_t *seeds = malloc(p->n_members * sizeof *seeds);
    float *nu = malloc(p->n_members * sizeof *nu);
    iv_status status = IV_OK;
    if (!model || !seeds || !nu) {
        status = iv_fail(error, IV_ENOMEM, "out of memory for a population");
        goto done;
    }
    model->context = context;
    model->population = p;
    for (size_t r = 0; r < p->n_members; r++) {
        seeds[r] = p->members[r].seed;
        nu[r] = p->members[r].nu;
    }
    status = iv_group_create(p->group_kind, p->group_order, p->axes, 28, &model->group, error);
    if (status != IV_OK) goto done;

    const size_t table_bytes =
        model->group->n_elements * model->group->n_pixels * sizeof *model->group->source;
    status = study_upload(context, model->group->source, table_bytes, &model->source);
    if (status == IV_OK)
        status = study_upload(context, model->group->inverse, table_bytes, &model->inverse);
    if (status == IV_OK) status = upload_same_table(model);
    if (status == IV_OK)
        status = study_upload(context, seeds, p->n_members * sizeof *seeds, &model->seeds);
    if (status == IV_OK) status = study_upload(context, nu, p->n_members * sizeof *nu, &model->nu);
    if (status == IV_OK) status = create_parameters(model);
    if (status == IV_OK) status = iv_parameters_initialize(model->parameters, seeds);

done:
    free(seeds);
    free(nu);
    if (status != IV_OK)
        reg_model_destroy(model);
    else
        *out = model;
    return status;
}

void reg_model_destroy(reg_model *model) {
    if (!model) return;
    iv_parameters_destroy(model->parameters);
    iv_buffer_release(model->context, model->source);
    iv_buffer_release(model->context, model->inverse);
    iv_buffer_release(model->context, model->same);
    iv_buffer_release(model->context, model->seeds);
    iv_buffer_release(model->context, model->nu);
    iv_group_destroy(model->group);
    free(model);
}

void reg_model_tensors(const reg_model *model, iv_graph *graph, iv_tensor **parameters) {
    for (size_t i = 0; i < iv_parameters_count(model->parameters); i++)
        parameters[i] = iv_parameters_tensor(model->parameters, graph, i);
}

/* The layers after the first, from its activations h [rows, hidden] to the logits. */
static iv_tensor *later_layers(const reg_model *model, iv_graph *graph,
                               iv_tensor *const *parameters, iv_tensor *h) {
    const size_t n_layers = model->population->layers;
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
    const bool tied = model->population->method == REG_WEIGHT_TYING;
    if (tied) x = iv_orbit(graph, x, model->source, model->inverse, model->group->n_elements);
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
    const size_t hidden = model->population->hidden, n_filters = n_elements * hidden;
    iv_tensor *filters =
        iv_reshape(graph, iv_orbit(graph, parameters[0], model->inverse, model->source, n_elements),
                   2, (const size_t[]){n_filters, n_pixels});
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
    const reg_population *p = model->population;
    iv_tensor *images, *labels;
    if (p->method == REG_WEIGHT_TYING) {
        iv_image_batch(graph, source, p->batch, IV_COPIES_IDENTITY, &images, &labels);
        return iv_cross_entropy(
            graph, tied_logits(model, graph, parameters, rows_of(graph, images)), labels);
    }
    if (p->method == REG_AUGMENTATION) {
        iv_image_batch(graph, source, p->batch, IV_COPIES_RANDOM, &images, &labels);
        return iv_cross_entropy(
            graph, reg_model_logits(model, graph, parameters, rows_of(graph, images), NULL),
            labels);
    }
    iv_image_batch(graph, source, p->batch, IV_COPIES_PAIR, &images, &labels);
    iv_tensor *logits =
        iv_reshape(graph, reg_model_logits(model, graph, parameters, rows_of(graph, images), NULL),
                   3, (const size_t[]){2, p->batch, REG_CLASSES});
    iv_tensor *of_x = iv_slice(graph, logits, 0, 1), *of_gx = iv_slice(graph, logits, 1, 1);
    const iv_view nu = {model->nu, 0, 1};
    return iv_weighted_sum(graph, iv_cross_entropy(graph, of_x, labels),
                           iv_logit_distance(graph, of_gx, of_x),
                           iv_input(graph, IV_F32, 1, (const size_t[]){1}, &nu));
}

static iv_status create_optimizer(const reg_model *model, iv_optimizer **optimizer) {
    const reg_population *p = model->population;
    float *rates = malloc(p->n_members * sizeof *rates);
    if (!rates)
        return iv_fail(iv_context_error(model->context), IV_ENOMEM,
                       "out of memory for learning rates");
    for (size_t r = 0; r < p->n_members; r++) rates[r] = p->members[r].learning_rate;
    const iv_optimizer_desc desc = {.kind = IV_OPTIMIZER_ADAM,
                                    .learning_rates = rates,
                                    .beta1 = p->beta1,
                                    .beta2 = p->beta2,
                                    .epsilon = p->epsilon};
    const iv_status status = iv_optimizer_create(model->parameters, &desc, optimizer);
    free(rates);
    return status;
}

iv_status reg_training_create(const reg_model *model, const iv_image_source *images,
                              study_training *t) {
    const reg_population *p = model->population;
    memset(t, 0, sizeof *t);
    if (p->batch > p->n_train)
        return iv_fail(iv_context_error(model->context), IV_EINVAL,
                       "training.batch: %zu does not fit %zu training images", p->batch,
                       p->n_train);
    t->steps_per_epoch = p->n_train / p->batch;
    iv_status status = create_optimizer(model, &t->optimizer);
    if (status == IV_OK) status = iv_graph_create(model->context, p->n_members, &t->graph);
    if (status == IV_OK) {
        iv_tensor *parameters[2 * REG_MAX_LAYERS], *outputs[2 * REG_MAX_LAYERS + 1];
        const size_t n = 2 * p->layers;
        reg_model_tensors(model, t->graph, parameters);
        t->loss = build_loss(model, t->graph, images, parameters);
        iv_gradient(t->graph, t->loss, parameters, n, outputs);
        for (size_t i = 0; i < n; i++) iv_optimizer_take(t->optimizer, i, outputs[i]);
        outputs[n] = t->loss;
        status = iv_graph_compile(t->graph, outputs, n + 1, &t->plan);
    }
    if (status == IV_OK) status = iv_optimizer_append(t->optimizer, iv_plan_sequence(t->plan));
    if (status != IV_OK) study_training_clear(t);
    return status;
}

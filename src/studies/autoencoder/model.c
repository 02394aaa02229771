/* One population of the autoencoder study on the device: its networks and their parameters. */
#include "studies/autoencoder/autoencoder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ shapes */

/* Standard: `depth` hidden layers of width * d units. Rich: a linear lift to lift * d columns if
 * asked for, then `depth` rich layers; X has as many columns as the layer's input, one more where
 * those are odd. Both end in a linear head. */
static size_t network_maps(const ae_setting *s, size_t inputs, size_t outputs,
                           ae_map maps[AE_MAX_MAPS]) {
    static const iv_activation activations[] = {[AE_SELU] = IV_ACTIVATION_SELU,
                                                [AE_RELU] = IV_ACTIVATION_RELU,
                                                [AE_SIGMOID] = IV_ACTIVATION_SIGMOID,
                                                [AE_BIPOLAR_SIGMOID] = IV_ACTIVATION_TANH,
                                                [AE_RICH] = IV_ACTIVATION_NONE};
    size_t n = 0, columns = inputs;
    if (s->layer == AE_RICH && s->lift > 0) {
        maps[n++] = (ae_map){.inputs = columns, .outputs = s->lift * s->d};
        columns = s->lift * s->d;
    }
    for (size_t l = 0; l < s->depth; l++) {
        const bool rich = s->layer == AE_RICH;
        const size_t units = rich ? columns + columns % 2 : s->width * s->d;
        maps[n++] = (ae_map){columns, units, rich, activations[s->layer]};
        columns = rich ? columns + 2 * units : units;
    }
    maps[n++] = (ae_map){.inputs = columns, .outputs = outputs};
    return n;
}

size_t ae_encoder_maps(const ae_setting *s, ae_map maps[AE_MAX_MAPS]) {
    return s->part == AE_DECODER ? 0 : network_maps(s, s->d, ae_code_columns(s), maps);
}

size_t ae_decoder_maps(const ae_setting *s, ae_map maps[AE_MAX_MAPS]) {
    return s->part == AE_ENCODER ? 0 : network_maps(s, ae_code_columns(s), s->d, maps);
}

/* ------------------------------------------------------------------ parameters */

/* Initial values suit what follows the map: SELU normal with variance 1 / inputs, which keeps its
 * outputs normalised (Klambauer et al. 2017); ReLU normal with variance 2 / inputs (He et al.
 * 2015); sigmoid and bipolar sigmoid uniform on +-sqrt(6 / (inputs + outputs)) (Glorot and Bengio
 * 2010); all with biases of 0. Rich layers, lifts and heads: weights and biases uniform on
 * +-1 / sqrt(inputs), as PyTorch's linear layers. */
static void describe_map(const ae_map *map, const char *network, size_t index,
                         iv_parameter_desc *weight, iv_parameter_desc *bias) {
    const float inputs = (float)map->inputs, outputs = (float)map->outputs;
    iv_distribution distribution = IV_UNIFORM;
    float scale = 1.0f / sqrtf(inputs), bias_scale = 0;
    switch (map->activation) {
    case IV_ACTIVATION_SELU: distribution = IV_NORMAL; break;
    case IV_ACTIVATION_RELU:
        distribution = IV_NORMAL;
        scale = sqrtf(2.0f / inputs);
        break;
    case IV_ACTIVATION_SIGMOID:
    case IV_ACTIVATION_TANH: scale = sqrtf(6.0f / (inputs + outputs)); break;
    case IV_ACTIVATION_NONE: bias_scale = scale; break;
    }
    *weight = (iv_parameter_desc){.rank = 2,
                                  .dims = {map->outputs, map->inputs},
                                  .distribution = distribution,
                                  .scale = scale};
    *bias = (iv_parameter_desc){
        .rank = 1, .dims = {map->outputs}, .distribution = IV_UNIFORM, .scale = bias_scale};
    snprintf(weight->name, sizeof weight->name, "%s.%zu.weight", network, index);
    snprintf(bias->name, sizeof bias->name, "%s.%zu.bias", network, index);
}

static iv_status create_parameters(ae_model *m) {
    const size_t n = m->n_encoder + m->n_decoder;
    iv_parameter_desc *descs = malloc(2 * n * sizeof *descs);
    if (!descs) return iv_no_memory(m->base.context);
    for (size_t i = 0; i < m->n_encoder; i++)
        describe_map(&m->encoder[i], "encoder", i, &descs[2 * i], &descs[2 * i + 1]);
    for (size_t i = 0; i < m->n_decoder; i++) {
        const size_t k = 2 * (m->n_encoder + i);
        describe_map(&m->decoder[i], "decoder", i, &descs[k], &descs[k + 1]);
    }
    const iv_status status = iv_model_parameters(&m->base, descs, 2 * n);
    free(descs);
    return status;
}

/* ------------------------------------------------------------------ members */

/* Which of the data's sets is each member's: int [R]. */
static iv_status upload_sets(ae_model *m) {
    const iv_population *p = m->base.population;
    uint32_t *sets = calloc(p->n_members, sizeof *sets);
    if (!sets) return iv_no_memory(m->base.context);
    for (size_t r = 0; r < p->n_members; r++)
        while (sets[r] + 1 < m->data->n_seeds && m->data->seeds[sets[r]] != p->members[r].seed)
            sets[r]++;
    const iv_status status =
        iv_buffer_upload(m->base.context, sets, p->n_members * sizeof *sets, &m->set_of_member);
    free(sets);
    return status;
}

static iv_status upload_members(ae_model *m) {
    const iv_population *p = m->base.population;
    iv_context *context = m->base.context;
    iv_status status = iv_member_upload_seeds(context, p, &m->seeds);
    if (status == IV_OK) status = upload_sets(m);
    if (status == IV_OK) status = iv_member_upload(context, p, "task.lambda", &m->lambda);
    if (status == IV_OK) status = iv_member_upload(context, p, "task.delta", &m->delta);
    return status == IV_OK ? iv_member_upload(context, p, "task.alpha", &m->alpha) : status;
}

static void clear(iv_model *model) {
    const ae_model *m = (const ae_model *)model;
    cl_mem const buffers[] = {m->seeds, m->set_of_member, m->lambda, m->delta, m->alpha};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        iv_buffer_release(model->context, buffers[i]);
}

static iv_status create(iv_experiment *x, iv_model *model) {
    ae_model *m = (ae_model *)model;
    m->setting = ae_setting_of(model->population);
    m->data = x->data;
    m->n_encoder = ae_encoder_maps(m->setting, m->encoder);
    m->n_decoder = ae_decoder_maps(m->setting, m->decoder);
    const iv_status status = create_parameters(m);
    return status == IV_OK ? upload_members(m) : status;
}

iv_signal_source ae_model_source(const ae_model *m, const iv_signal_set *set, bool shuffle,
                                 bool fresh) {
    return (iv_signal_source){.set = set,
                              .set_of_member = {m->set_of_member, 0, 1},
                              .seeds = {m->seeds, 0, 1},
                              .shuffle = shuffle,
                              .fresh = fresh};
}

/* ------------------------------------------------------------------ the way through */

void ae_model_tensors(const ae_model *m, iv_graph *graph, iv_tensor **tensors) {
    for (size_t i = 0; i < iv_parameters_count(m->base.parameters); i++)
        tensors[i] = iv_parameters_tensor(m->base.parameters, graph, i);
}

iv_tensor *ae_scalar(iv_graph *graph, cl_mem values) {
    const iv_view view = {values, 0, 1};
    return iv_input(graph, IV_F32, 1, (const size_t[]){1}, &view);
}

/* x [rows, inputs] of the first map -> [rows, outputs] of the last. */
static iv_tensor *through(iv_graph *graph, const ae_map *maps, size_t n, iv_tensor *const *tensors,
                          iv_tensor *x) {
    for (size_t i = 0; i < n; i++) {
        iv_tensor *sums = iv_linear(graph, x, tensors[2 * i], tensors[2 * i + 1]);
        x = maps[i].rich ? iv_rich(graph, x, sums) : iv_activate(graph, sums, maps[i].activation);
    }
    return x;
}

/* Both signals of a pair go through as rows of one batch. */
static void pair_pass(const ae_model *m, iv_graph *graph, const iv_signal_source *source,
                      size_t batch, iv_tensor *const *tensors, ae_pass *pass) {
    const ae_setting *s = m->setting;
    const iv_pair_desc pairs = {s->distortion, m->data->cycles};
    const size_t code = ae_code_columns(s);
    iv_pair_batch(graph, source, &pairs, batch, &pass->x, &pass->squared_distances);
    iv_tensor *rows = iv_reshape(graph, pass->x, 2, (const size_t[]){2 * batch, s->d});
    iv_tensor *z = through(graph, m->encoder, m->n_encoder, tensors, rows);
    iv_tensor *y = through(graph, m->decoder, m->n_decoder, tensors + 2 * m->n_encoder, z);
    pass->z = iv_reshape(graph, z, 3, (const size_t[]){2, batch, code});
    pass->y = iv_reshape(graph, y, 3, (const size_t[]){2, batch, s->d});
}

void ae_model_pass(const ae_model *m, iv_graph *graph, const iv_signal_source *source, size_t batch,
                   iv_tensor *const *tensors, ae_pass *pass) {
    *pass = (ae_pass){0};
    if (m->setting->pairs) {
        pair_pass(m, graph, source, batch, tensors, pass);
        return;
    }
    iv_signal_batch(graph, source, batch, &pass->x, &pass->code);
    if (m->n_encoder > 0) pass->z = through(graph, m->encoder, m->n_encoder, tensors, pass->x);
    if (m->n_decoder > 0)
        pass->y = through(graph, m->decoder, m->n_decoder, tensors + 2 * m->n_encoder,
                          m->n_encoder > 0 ? pass->z : pass->code);
}

const iv_study_models ae_models = {
    .size = sizeof(ae_model),
    .create = create,
    .clear = clear,
    .create_training = ae_training_create,
};

/* One population of the autoencoder study on the device: its networks and their parameters. */
#include "studies/autoencoder/autoencoder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ shapes */

size_t ae_invariant_columns(const ae_population *p) {
    return p->invariant * p->d;
}

size_t ae_code_columns(const ae_population *p) {
    return p->pairs ? (p->invariant + p->variant) * p->d : iv_code_size(p->code, p->d);
}

/* Standard: `depth` hidden layers of width * d units. Rich: a linear lift to lift * d columns if
 * asked for, then `depth` rich layers; X has as many columns as the layer's input, one more where
 * those are odd. Both end in a linear head. */
static size_t network_maps(const ae_population *p, size_t inputs, size_t outputs,
                           ae_map maps[AE_MAX_MAPS]) {
    static const iv_activation activations[] = {[AE_SELU] = IV_ACTIVATION_SELU,
                                                [AE_RELU] = IV_ACTIVATION_RELU,
                                                [AE_SIGMOID] = IV_ACTIVATION_SIGMOID,
                                                [AE_BIPOLAR_SIGMOID] = IV_ACTIVATION_TANH,
                                                [AE_RICH] = IV_ACTIVATION_NONE};
    size_t n = 0, columns = inputs;
    if (p->layer == AE_RICH && p->lift > 0) {
        maps[n++] = (ae_map){.inputs = columns, .outputs = p->lift * p->d};
        columns = p->lift * p->d;
    }
    for (size_t l = 0; l < p->depth; l++) {
        const bool rich = p->layer == AE_RICH;
        const size_t units = rich ? columns + columns % 2 : p->width * p->d;
        maps[n++] = (ae_map){columns, units, rich, activations[p->layer]};
        columns = rich ? columns + 2 * units : units;
    }
    maps[n++] = (ae_map){.inputs = columns, .outputs = outputs};
    return n;
}

size_t ae_encoder_maps(const ae_population *p, ae_map maps[AE_MAX_MAPS]) {
    return p->part == AE_DECODER ? 0 : network_maps(p, p->d, ae_code_columns(p), maps);
}

size_t ae_decoder_maps(const ae_population *p, ae_map maps[AE_MAX_MAPS]) {
    return p->part == AE_ENCODER ? 0 : network_maps(p, ae_code_columns(p), p->d, maps);
}

/* ------------------------------------------------------------------ operations */

/* Multiply-adds of one row's way through the maps; *first: of the first of them. */
static double row_products(const ae_map *maps, size_t n, double *first) {
    double products = 0;
    for (size_t i = 0; i < n; i++) products += (double)maps[i].inputs * (double)maps[i].outputs;
    *first = n > 0 ? (double)maps[0].inputs * (double)maps[0].outputs : 0;
    return products;
}

static double pass_products(const ae_population *p, double *first) {
    ae_map maps[AE_MAX_MAPS];
    double of_decoder;
    const double encoder = row_products(maps, ae_encoder_maps(p, maps), first);
    const double decoder = row_products(maps, ae_decoder_maps(p, maps), &of_decoder);
    if (p->part == AE_DECODER) *first = of_decoder;
    return encoder + decoder;
}

static double rows_of(const ae_population *p, size_t batch) {
    return (double)batch * (p->pairs ? 2 : 1);
}

/* In reverse there is one product more for each map's weights and one for its input, but none for
 * the signals (or known codes) that come first. */
double ae_step_flops(const ae_population *p) {
    double first;
    const double products = pass_products(p, &first);
    return 2 * rows_of(p, p->batch) * (3 * products - first);
}

double ae_measure_flops(const ae_population *p) {
    double first;
    return 2 * rows_of(p, AE_MEASURE_BATCH) * pass_products(p, &first);
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
    if (!descs) return study_out_of_memory(m->context);
    for (size_t i = 0; i < m->n_encoder; i++)
        describe_map(&m->encoder[i], "encoder", i, &descs[2 * i], &descs[2 * i + 1]);
    for (size_t i = 0; i < m->n_decoder; i++) {
        const size_t k = 2 * (m->n_encoder + i);
        describe_map(&m->decoder[i], "decoder", i, &descs[k], &descs[k + 1]);
    }
    const iv_status status =
        iv_parameters_create(m->context, m->population->n_members, descs, 2 * n, &m->parameters);
    free(descs);
    return status;
}

/* ------------------------------------------------------------------ members */

static iv_status upload_members(ae_model *m, const ae_data *data) {
    const size_t n = m->population->n_members;
    uint32_t *words = malloc(2 * n * sizeof *words);
    float *numbers = malloc(3 * n * sizeof *numbers);
    iv_status status = words && numbers ? IV_OK : study_out_of_memory(m->context);
    for (size_t r = 0; r < n && status == IV_OK; r++) {
        const ae_member *member = &m->population->members[r];
        size_t set = 0;
        while (set + 1 < data->n_seeds && data->seeds[set] != member->seed) set++;
        words[r] = member->seed;
        words[n + r] = (uint32_t)set;
        numbers[r] = member->lambda;
        numbers[n + r] = member->delta;
        numbers[2 * n + r] = member->alpha;
    }
    const struct {
        const void *values;
        cl_mem *buffer;
    } uploads[] = {{words, &m->seeds},
                   {words + n, &m->set_of_member},
                   {numbers, &m->lambda},
                   {numbers + n, &m->delta},
                   {numbers + 2 * n, &m->alpha}};
    for (size_t i = 0; i < sizeof uploads / sizeof *uploads && status == IV_OK; i++)
        status = study_upload(m->context, uploads[i].values, n * 4, uploads[i].buffer);
    if (status == IV_OK) status = iv_parameters_initialize(m->parameters, words);
    free(words);
    free(numbers);
    return status;
}

iv_status ae_model_create(iv_context *context, const ae_population *p, const ae_data *data,
                          ae_model **out) {
    *out = NULL;
    ae_model *m = calloc(1, sizeof *m);
    if (!m) return study_out_of_memory(context);
    m->context = context;
    m->population = p;
    m->n_encoder = ae_encoder_maps(p, m->encoder);
    m->n_decoder = ae_decoder_maps(p, m->decoder);
    iv_status status = create_parameters(m);
    if (status == IV_OK) status = upload_members(m, data);
    if (status != IV_OK)
        ae_model_destroy(m);
    else
        *out = m;
    return status;
}

void ae_model_destroy(ae_model *m) {
    if (!m) return;
    iv_parameters_destroy(m->parameters);
    cl_mem const buffers[] = {m->seeds, m->set_of_member, m->lambda, m->delta, m->alpha};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        iv_buffer_release(m->context, buffers[i]);
    free(m);
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
    for (size_t i = 0; i < iv_parameters_count(m->parameters); i++)
        tensors[i] = iv_parameters_tensor(m->parameters, graph, i);
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
static void pair_pass(const ae_model *m, const ae_data *data, iv_graph *graph,
                      const iv_signal_source *source, size_t batch, iv_tensor *const *tensors,
                      ae_pass *pass) {
    const ae_population *p = m->population;
    const iv_pair_desc pairs = {p->distortion, data->cycles};
    const size_t code = ae_code_columns(p);
    iv_pair_batch(graph, source, &pairs, batch, &pass->x, &pass->squared_distances);
    iv_tensor *rows = iv_reshape(graph, pass->x, 2, (const size_t[]){2 * batch, p->d});
    iv_tensor *z = through(graph, m->encoder, m->n_encoder, tensors, rows);
    iv_tensor *y = through(graph, m->decoder, m->n_decoder, tensors + 2 * m->n_encoder, z);
    pass->z = iv_reshape(graph, z, 3, (const size_t[]){2, batch, code});
    pass->y = iv_reshape(graph, y, 3, (const size_t[]){2, batch, p->d});
}

void ae_model_pass(const ae_model *m, const ae_data *data, iv_graph *graph,
                   const iv_signal_source *source, size_t batch, iv_tensor *const *tensors,
                   ae_pass *pass) {
    *pass = (ae_pass){0};
    if (m->population->pairs) {
        pair_pass(m, data, graph, source, batch, tensors, pass);
        return;
    }
    iv_signal_batch(graph, source, batch, &pass->x, &pass->code);
    if (m->n_encoder > 0) pass->z = through(graph, m->encoder, m->n_encoder, tensors, pass->x);
    if (m->n_decoder > 0)
        pass->y = through(graph, m->decoder, m->n_decoder, tensors + 2 * m->n_encoder,
                          m->n_encoder > 0 ? pass->z : pass->code);
}

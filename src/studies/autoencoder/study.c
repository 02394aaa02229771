/* The autoencoder study (Zhang and Arodz 2021): whether networks learn codes that are invariant to
 * shifts and other distortions, with standard layers and with rich ones. */
#include "studies/autoencoder/autoencoder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------ setting */

static size_t word_index(const char *word, const char *const *words, size_t n) {
    size_t i = 0;
    while (i + 1 < n && strcmp(word, words[i]) != 0) i++;
    return i;
}

static void read_task(const iv_node *config, ae_setting *s) {
    static const char *const codes[] = {"modulus-phase", "modulus-sine-cosine"};
    static const char *const distortions[] = {"shift", "two-part-shift", "cycle", "shift-scale"};
    s->task = iv_spec_string(config, "task.code");
    s->pairs = strncmp(s->task, "modulus-", 8) != 0;
    if (s->pairs) {
        s->distortion = (iv_distortion)word_index(s->task, distortions, 4);
        s->invariant = (size_t)iv_spec_integer(config, "model.invariant");
        s->variant = (size_t)iv_spec_integer(config, "model.variant");
    } else {
        s->code = (iv_code)word_index(s->task, codes, 2);
    }
}

static void read_setting(const iv_node *config, void *setting) {
    static const char *const layers[AE_N_LAYERS] = {"selu", "relu", "sigmoid", "bipolar-sigmoid",
                                                    "rich"};
    static const char *const parts[] = {"full", "encoder", "decoder"};
    ae_setting *s = setting;
    s->d = (size_t)iv_spec_integer(config, "dataset.dimensions");
    s->n_test = (size_t)iv_spec_integer(config, "dataset.test");
    read_task(config, s);
    s->layer = (ae_layer)word_index(iv_spec_string(config, "run.layer"), layers, AE_N_LAYERS);
    s->part = (ae_part)word_index(iv_spec_string(config, "run.part"), parts, 3);
    s->depth = (size_t)iv_spec_integer(config, "run.depth");
    if (s->layer == AE_RICH)
        s->lift = (size_t)iv_spec_integer(config, "run.lift");
    else
        s->width = (size_t)iv_spec_integer(config, "model.width");
}

const ae_setting *ae_setting_of(const iv_population *population) {
    return population->setting;
}

size_t ae_invariant_columns(const ae_setting *s) {
    return s->invariant * s->d;
}

size_t ae_code_columns(const ae_setting *s) {
    return s->pairs ? (s->invariant + s->variant) * s->d : iv_code_size(s->code, s->d);
}

/* ------------------------------------------------------------------ work */

/* Of all maps of a member: weights, columns of activations, those of the widest layer. */
typedef struct {
    double products, first; /* multiply-adds of one row's way through, and of its first map */
    double weights, columns, widest;
} network_size;

static network_size size_of(const ae_setting *s) {
    ae_map maps[2][AE_MAX_MAPS];
    const size_t n[2] = {ae_encoder_maps(s, maps[0]), ae_decoder_maps(s, maps[1])};
    network_size size = {0};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < n[k]; i++) {
            const double inputs = (double)maps[k][i].inputs, outputs = (double)maps[k][i].outputs;
            const double layer = outputs + (maps[k][i].rich ? inputs + 2 * outputs : outputs);
            if (size.products == 0) size.first = inputs * outputs;
            size.products += inputs * outputs;
            size.weights += (inputs + 1) * outputs;
            size.columns += layer;
            if (layer > size.widest) size.widest = layer;
        }
    return size;
}

/* Activations of a batch with their gradients, parameters with what the optimizer keeps of them,
 * and each member's own data set. In reverse there is one product more for each map's weights and
 * one for its input, but none for the signals (or known codes) that come first. */
static void work(const iv_population *p, iv_work *work) {
    const ae_setting *s = ae_setting_of(p);
    const network_size size = size_of(s);
    const double value = sizeof(float), copies = s->pairs ? 2 : 1, batch = (double)p->batch;
    const double training = 2 * size.columns * batch,
                 measuring = 3 * size.widest * AE_MEASURE_BATCH;
    const double activations = copies * value * (training + measuring);
    const double known = s->pairs ? 0 : (double)ae_code_columns(s);
    const double signals =
        ((double)p->n_train + (double)s->n_test) * ((double)s->d + known) * value;
    const double rows = batch > AE_MEASURE_BATCH ? batch : AE_MEASURE_BATCH;
    double buffer = copies * rows * size.widest * value;
    if (buffer < size.weights * value) buffer = size.weights * value;
    if (buffer < signals) buffer = signals;
    work->buffer_bytes = buffer;
    work->bytes = activations + 4 * size.weights * value + signals;

    const size_t n_batches = (s->n_test + AE_MEASURE_BATCH - 1) / AE_MEASURE_BATCH;
    work->step_flops = 2 * copies * batch * (3 * size.products - size.first);
    work->point_flops = 2 * copies * AE_MEASURE_BATCH * size.products * (double)n_batches;
    work->end_flops = 2 * work->point_flops;
}

/* ------------------------------------------------------------------ tables */

/* "d=10 modulus-sine-cosine", and whatever else the spec's sweep varies. */
static void row_name(const iv_population *p, const iv_spec_run *run, char *name, size_t size) {
    const ae_setting *s = ae_setting_of(p);
    char rest[256], dimensions[32];
    snprintf(rest, sizeof rest, "%s", run->variant);
    snprintf(dimensions, sizeof dimensions, "dimensions%zu", s->d);
    iv_name_remove(rest, dimensions);
    iv_name_remove(rest, s->task);
    iv_name_spaces(rest);
    snprintf(name, size, "d=%zu %s%s%s", s->d, s->task, *rest ? " " : "", rest);
}

/* Of runs that differ in the learning rate alone the one with the smallest training loss stands in
 * tables. A diverged seed counts as the worst of all. */
static double cost(const iv_trained_runs *all, const iv_trained_run *run) {
    const double mean = iv_trained_mean(all, run, AE_ON_TRAINING, AE_TRAINING_LOSS);
    return isfinite(mean) ? mean : INFINITY;
}

/* ------------------------------------------------------------------ benchmarks */

/* At the published size: the whole autoencoder on the code of modulus, sine and cosine, batches of
 * 128, gradient descent. The rate is small enough for any depth: nothing may diverge however long a
 * step is timed. */
#define STEP(dimensions, run)                                                                      \
    "study: autoencoder\n"                                                                         \
    "name: step\n"                                                                                 \
    "dataset: {dimensions: " dimensions ", train: 10240, test: 1}\n"                               \
    "training: {batch: 128, learning_rate: 0.001}\n"                                               \
    "runs: [{name: step, " run "}]\n"

static const iv_step_entry steps[] = {
    {"selu-d10-depth4", STEP("10", "layer: selu, depth: 4")},
    {"selu-d20-depth20", STEP("20", "layer: selu, depth: 20")},
    {"rich-d10-depth2", STEP("10", "layer: rich, depth: 2")},
    {"rich-d20-depth3", STEP("20", "layer: rich, depth: 3")},
    {NULL, NULL},
};

static const iv_study_results results = {
    .row_name = row_name, .cost = cost, .add_claims = ae_add_claims, .draw = ae_draw};

const iv_study ae_study = {
    .schema = &ae_schema,
    .setting_size = sizeof(ae_setting),
    .read = read_setting,
    .work = work,
    .data = &ae_data_hooks,
    .models = &ae_models,
    .sets = &ae_sets,
    .measures = &ae_measures,
    .results = &results,
    .steps = steps,
};

/* From the spec to populations: which autoencoders share a shape and train in lockstep. */
#include "studies/autoencoder/autoencoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ reading */

static size_t word_index(const char *word, const char *const *words, size_t n) {
    size_t i = 0;
    while (i + 1 < n && strcmp(word, words[i]) != 0) i++;
    return i;
}

static void read_task(const iv_node *config, ae_population *p) {
    static const char *const codes[] = {"modulus-phase", "modulus-sine-cosine"};
    static const char *const distortions[] = {"shift", "two-part-shift", "cycle", "shift-scale"};
    p->task = iv_spec_string(config, "task.code");
    p->pairs = strncmp(p->task, "modulus-", 8) != 0;
    if (p->pairs) {
        p->distortion = (iv_distortion)word_index(p->task, distortions, 4);
        p->invariant = (size_t)iv_spec_integer(config, "model.invariant");
        p->variant = (size_t)iv_spec_integer(config, "model.variant");
    } else {
        p->code = (iv_code)word_index(p->task, codes, 2);
    }
}

static void read_network(const iv_node *config, ae_population *p) {
    static const char *const layers[AE_N_LAYERS] = {"selu", "relu", "sigmoid", "bipolar-sigmoid",
                                                    "rich"};
    static const char *const parts[] = {"full", "encoder", "decoder"};
    p->layer = (ae_layer)word_index(iv_spec_string(config, "run.layer"), layers, AE_N_LAYERS);
    p->part = (ae_part)word_index(iv_spec_string(config, "run.part"), parts, 3);
    p->depth = (size_t)iv_spec_integer(config, "run.depth");
    if (p->layer == AE_RICH)
        p->lift = (size_t)iv_spec_integer(config, "run.lift");
    else
        p->width = (size_t)iv_spec_integer(config, "model.width");
}

static void read_setting(const iv_node *config, ae_population *p) {
    p->config = config;
    p->d = (size_t)iv_spec_integer(config, "dataset.dimensions");
    p->n_train = (size_t)iv_spec_integer(config, "dataset.train");
    p->n_test = (size_t)iv_spec_integer(config, "dataset.test");
    read_task(config, p);
    read_network(config, p);
    p->batch = (size_t)iv_spec_integer(config, "training.batch");
    p->epochs = (size_t)iv_spec_integer(config, "training.epochs");
    if (strcmp(iv_spec_string(config, "training.optimizer"), "adam") == 0) {
        p->optimizer = IV_OPTIMIZER_ADAM;
        p->beta1 = (float)iv_spec_number(config, "training.beta1");
        p->beta2 = (float)iv_spec_number(config, "training.beta2");
        p->epsilon = (float)iv_spec_number(config, "training.epsilon");
    } else {
        p->optimizer = IV_OPTIMIZER_SGD;
        p->momentum = (float)iv_spec_number(config, "training.momentum");
    }
}

static bool same_data(const ae_population *a, const ae_population *b) {
    return a->d == b->d && a->n_train == b->n_train && a->n_test == b->n_test &&
           a->pairs == b->pairs && a->distortion == b->distortion && a->code == b->code &&
           a->invariant == b->invariant && a->variant == b->variant;
}

static bool same_network(const ae_population *a, const ae_population *b) {
    return a->layer == b->layer && a->width == b->width && a->depth == b->depth &&
           a->lift == b->lift && a->part == b->part;
}

static bool same_training(const ae_population *a, const ae_population *b) {
    return a->batch == b->batch && a->epochs == b->epochs && a->optimizer == b->optimizer &&
           a->momentum == b->momentum && a->beta1 == b->beta1 && a->beta2 == b->beta2 &&
           a->epsilon == b->epsilon;
}

/* ------------------------------------------------------------------ populations */

static iv_status add_members(ae_population *p, const iv_spec_run *run, const iv_node *root,
                             iv_error *error) {
    const size_t n_seeds = iv_spec_length(root, "seeds");
    ae_member *members = realloc(p->members, (p->n_members + n_seeds) * sizeof *members);
    if (!members) return iv_fail(error, IV_ENOMEM, "out of memory for %zu members", n_seeds);
    p->members = members;
    for (size_t i = 0; i < n_seeds; i++)
        p->members[p->n_members++] = (ae_member){
            .run = run,
            .seed = (uint32_t)iv_spec_integer(iv_spec_element(root, "seeds", i), ""),
            .learning_rate = (float)iv_spec_number(run->config, "training.learning_rate"),
            .lambda = (float)iv_spec_number(run->config, "task.lambda"),
            .delta = (float)iv_spec_number(run->config, "task.delta"),
            .alpha = (float)iv_spec_number(run->config, "task.alpha"),
        };
    return IV_OK;
}

iv_status ae_plan_create(const iv_spec *spec, ae_plan *plan, iv_error *error) {
    const iv_node *root = iv_spec_root(spec);
    memset(plan, 0, sizeof *plan);
    plan->every_epochs = (size_t)iv_spec_integer(root, "metrics.every_epochs");
    iv_status status = iv_spec_expand(spec, &plan->expansion, error);
    if (status != IV_OK) return status;
    plan->populations = calloc(plan->expansion.n_runs, sizeof *plan->populations);
    if (!plan->populations) status = iv_fail(error, IV_ENOMEM, "out of memory for populations");

    for (size_t i = 0; i < plan->expansion.n_runs && status == IV_OK; i++) {
        const iv_spec_run *run = &plan->expansion.runs[i];
        ae_population wanted = {0};
        read_setting(run->config, &wanted);
        ae_population *home = NULL;
        for (size_t k = 0; k < plan->n_populations && !home; k++) {
            ae_population *p = &plan->populations[k];
            if (same_data(p, &wanted) && same_network(p, &wanted) && same_training(p, &wanted))
                home = p;
        }
        if (!home) {
            home = &plan->populations[plan->n_populations++];
            *home = wanted;
        }
        status = add_members(home, run, root, error);
    }
    if (status != IV_OK) ae_plan_clear(plan);
    return status;
}

void ae_plan_clear(ae_plan *plan) {
    for (size_t i = 0; i < plan->n_populations; i++) free(plan->populations[i].members);
    free(plan->populations);
    iv_spec_expansion_release(&plan->expansion);
    memset(plan, 0, sizeof *plan);
}

/* ------------------------------------------------------------------ memory */

/* Activations of a batch with their gradients, parameters with what the optimizer keeps of them,
 * and each member's own data set: an upper bound on what a member takes. */
static size_t members_that_fit(const ae_population *p, const iv_device_info *device) {
    ae_map maps[2][AE_MAX_MAPS];
    const size_t n[2] = {ae_encoder_maps(p, maps[0]), ae_decoder_maps(p, maps[1])};
    double columns = 0, widest = 0, weights = 0;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < n[k]; i++) {
            const double inputs = (double)maps[k][i].inputs, outputs = (double)maps[k][i].outputs;
            const double layer = outputs + (maps[k][i].rich ? inputs + 2 * outputs : outputs);
            columns += layer;
            weights += (inputs + 1) * outputs;
            if (layer > widest) widest = layer;
        }
    const double copies = p->pairs ? 2 : 1, value = sizeof(float);
    const double training = 2 * columns * (double)p->batch,
                 measuring = 3 * widest * AE_MEASURE_BATCH;
    const double activations = copies * value * (training + measuring);
    const double known = p->pairs ? 0 : (double)ae_code_columns(p);
    const double signals =
        ((double)p->n_train + (double)p->n_test) * ((double)p->d + known) * value;
    const double rows = (double)(p->batch > AE_MEASURE_BATCH ? p->batch : AE_MEASURE_BATCH);
    double buffer = copies * rows * widest * value;
    if (buffer < weights * value) buffer = weights * value;
    if (buffer < signals) buffer = signals;

    const double fit_buffer = (double)device->max_alloc_bytes / buffer;
    const double fit_total =
        0.6 * (double)device->global_bytes / (activations + 4 * weights * value + signals);
    const double fit = fit_buffer < fit_total ? fit_buffer : fit_total;
    return fit < 1 ? 1 : fit > 1e6 ? 1000000 : (size_t)fit;
}

iv_status ae_plan_split(ae_plan *plan, const iv_device_info *device, iv_error *error) {
    size_t n_members = 0, n_pieces = 0;
    for (size_t i = 0; i < plan->n_populations; i++) n_members += plan->populations[i].n_members;
    ae_population *pieces = calloc(n_members, sizeof *pieces);
    if (!pieces) return iv_fail(error, IV_ENOMEM, "out of memory for populations");

    iv_status status = IV_OK;
    for (size_t i = 0; i < plan->n_populations; i++) {
        const ae_population *p = &plan->populations[i];
        size_t most = (size_t)iv_spec_integer(p->config, "training.population");
        if (most == 0) most = members_that_fit(p, device);
        for (size_t first = 0; first < p->n_members && status == IV_OK; first += most) {
            const size_t left = p->n_members - first, n = left < most ? left : most;
            ae_member *members = malloc(n * sizeof *members);
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

/* ------------------------------------------------------------------ names */

const char *ae_metric_name(ae_metric metric) {
    static const char *const names[AE_N_METRICS] = {
        [AE_RECONSTRUCTION] = "mse_reconstruction",
        [AE_CODE] = "mse_code",
        [AE_MODULUS] = "mse_modulus",
        [AE_PHASE] = "mse_phase",
        [AE_SINE] = "mse_sine",
        [AE_COSINE] = "mse_cosine",
        [AE_INVARIANCE] = "loss_invariance",
        [AE_DISTANCE] = "mse_distance",
        [AE_SAME] = "distance_same",
        [AE_UNRELATED] = "distance_unrelated",
    };
    return names[metric];
}

bool ae_applies(const ae_population *p, ae_metric metric) {
    switch (metric) {
    case AE_RECONSTRUCTION: return p->part != AE_ENCODER;
    case AE_CODE:
    case AE_MODULUS: return !p->pairs && p->part != AE_DECODER;
    case AE_PHASE: return !p->pairs && p->part != AE_DECODER && p->code == IV_CODE_MODULUS_PHASE;
    case AE_SINE:
    case AE_COSINE:
        return !p->pairs && p->part != AE_DECODER && p->code == IV_CODE_MODULUS_SINE_COSINE;
    default: return p->pairs;
    }
}

void ae_row_name(const ae_population *p, const iv_spec_run *run, char *name, size_t size) {
    char rest[256], dimensions[32];
    snprintf(rest, sizeof rest, "%s", run->variant);
    snprintf(dimensions, sizeof dimensions, "dimensions%zu", p->d);
    study_take_out(rest, dimensions);
    study_take_out(rest, p->task);
    study_separate(rest);
    snprintf(name, size, "d=%zu %s%s%s", p->d, p->task, *rest ? " " : "", rest);
}

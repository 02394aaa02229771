/* A whole study in one file, to show what a study has to say. It uses public headers alone.
 *
 * The question: which half of a signal's Fourier transform does a perceptron learn more easily, the
 * moduli, which no shift of the signal changes, or the phases, which every shift changes?
 *
 * To add it to the program, put &fourier_study into the table of studies. */
#include "fourier_study.h"

#include <invar/signal.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ metrics, one row each */

/* The driver measures, logs, tabulates and documents whatever stands here. */
enum { ERROR, MODULUS, PHASE, LOSS };

static const iv_metric_def metrics[] = {
    [ERROR] = {"mse", "MSE", 1, -1, IV_METRIC_PUBLISHED, .doc = "mean squared error per component"},
    [MODULUS] = {"mse_modulus", "MSE modulus", 1, -1, IV_METRIC_PUBLISHED,
                 .doc = "the same of the moduli"},
    [PHASE] = {"mse_phase", "MSE phase", 1, -1, IV_METRIC_PUBLISHED,
               .doc = "the same of the phases, in radians"},
    [LOSS] = {"loss", "Loss", 1, -1, IV_METRIC_AFTER_STEP | IV_METRIC_CURVE_ONLY,
              .doc = "what training minimises, on the last batch"},
};

static const iv_metric_def *metric(size_t i) {
    return i < sizeof metrics / sizeof *metrics ? &metrics[i] : NULL;
}

/* ------------------------------------------------------------------ keys, one row each */

/* `.own` marks what members of one population may differ in: here the learning rate. Runs that
 * differ in anything else (dimensions, hidden units) are other populations. */
/* clang-format off */
static const iv_key keys[] = {
    IV_KEYS_HEAD,
    {"dataset", IV_KEY_MAP, .doc = "signals, uniform on [-1, 1] in every dimension"},
    {"dataset.dimensions", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "8", "[2, 256]",
     .doc = "dimensions of a signal"},
    {"dataset.train", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "4096", "[1, 1000000]",
     .doc = "signals to train on"},
    {"dataset.test", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "1024", "[1, 100000]",
     .doc = "signals to test on"},
    IV_KEYS_TRAINING,
    {"training.learning_rate", IV_KEY_NUMBER, IV_KEY_SWEEPABLE, "0.05", "(0, 1000]",
     .doc = "step size of gradient descent", .own = "*"},
    {"training.batch", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "64", "[1, 100000]",
     .doc = "signals per step"},
    {"training.epochs", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "10", "[1, 1000000]",
     .doc = "passes over the training set"},
    IV_KEYS_SCHEDULE,
    IV_KEYS_RUNS,
    {"runs[].hidden", IV_KEY_INTEGER, IV_KEY_SWEEPABLE, "32", "[1, 4096]",
     .doc = "units of the hidden layer"},
    {"runs[].sweep", IV_KEY_SWEEP, IV_KEY_OPTIONAL, .doc = "values to try for keys of this run"},
    IV_KEYS_METRICS,
    {"metrics.every_epochs", IV_KEY_INTEGER, 0, "1", "[1, 1000000]",
     .doc = "epochs between the points of the curves"},
    IV_KEYS_FIGURES("training", "test errors against epochs"),
    IV_KEYS_TAIL("the code"),
};
/* clang-format on */

static const iv_schema schema = {
    .study = "fourier",
    .title = "Perceptrons that learn the moduli and phases of the Fourier transform",
    .keys = keys,
    .n_keys = sizeof keys / sizeof *keys,
    .metric = metric,
};

/* ------------------------------------------------------------------ setting */

/* What the study reads of a run, once per population. */
typedef struct {
    size_t d, hidden, n_test;
} setting;

static void read_setting(const iv_node *config, void *out) {
    *(setting *)out = (setting){.d = (size_t)iv_spec_integer(config, "dataset.dimensions"),
                                .hidden = (size_t)iv_spec_integer(config, "run.hidden"),
                                .n_test = (size_t)iv_spec_integer(config, "dataset.test")};
}

/* What a member takes, as an upper bound, so that populations are divided to fit the device. */
static void work(const iv_population *p, iv_work *work) {
    const setting *s = p->setting;
    const double d = (double)s->d, hidden = (double)s->hidden, test = (double)s->n_test;
    const double weights = 3 * d * (hidden + 2), rows = (double)p->batch + test;
    const double signals = ((double)p->n_train + test) * 3 * d;
    work->buffer_bytes = sizeof(float) * (signals + rows * hidden + weights);
    work->bytes = sizeof(float) * (signals + 3 * rows * (hidden + 2 * d) + 3 * weights);
    work->step_flops = 6 * (double)p->batch * weights;
    work->point_flops = work->end_flops = 2 * test * weights;
}

/* ------------------------------------------------------------------ data */

/* One set of signals per member, with the codes to learn: d moduli, then d phases. */
typedef struct {
    iv_signal_set train, test;
    cl_mem seeds, sets; /* [R]: each member's seed, and which set is its own */
} signals;

static void clear_data(iv_context *context, void *data) {
    signals *s = data;
    iv_signal_set_clear(context, &s->train);
    iv_signal_set_clear(context, &s->test);
    iv_buffer_release(context, s->seeds);
    iv_buffer_release(context, s->sets);
    *s = (signals){0};
}

static iv_status provide_data(iv_experiment *x, const iv_population *p, void *data) {
    static const iv_code code = IV_CODE_MODULUS_PHASE;
    const setting *s = p->setting;
    const size_t n = p->n_members, first_test = p->n_train, bytes = n * sizeof(uint32_t);
    signals *out = data;
    iv_context *c = x->context;
    clear_data(c, data);
    uint32_t *seeds = iv_member_seeds(p), *sets = malloc(bytes);
    for (uint32_t r = 0; r < n && sets; r++) sets[r] = r;
    iv_status status = seeds && sets ? IV_OK : iv_no_memory(c);
    if (status == IV_OK)
        status = iv_signal_set_create(c, seeds, n, 0, first_test, s->d, &code, &out->train);
    if (status == IV_OK)
        status = iv_signal_set_create(c, seeds, n, first_test, s->n_test, s->d, &code, &out->test);
    if (status == IV_OK) status = iv_buffer_upload(c, seeds, bytes, &out->seeds);
    if (status == IV_OK) status = iv_buffer_upload(c, sets, bytes, &out->sets);
    free(seeds);
    free(sets);
    return status;
}

/* ------------------------------------------------------------------ network */

enum { N_PARAMETERS = 4 };

static iv_status create_model(iv_experiment *x, iv_model *model) {
    (void)x;
    const setting *s = model->population->setting;
    const float first = 1.0f / sqrtf((float)s->d), second = 1.0f / sqrtf((float)s->hidden);
    const iv_parameter_desc parameters[N_PARAMETERS] = {
        {"hidden.weight", 2, {s->hidden, s->d}, IV_UNIFORM, .scale = first},
        {"hidden.bias", 1, {s->hidden}, IV_UNIFORM, .scale = first},
        {"output.weight", 2, {2 * s->d, s->hidden}, IV_UNIFORM, .scale = second},
        {"output.bias", 1, {2 * s->d}, IV_UNIFORM, .scale = second},
    };
    return iv_model_parameters(model, parameters, N_PARAMETERS);
}

/* A batch's codes, *code, and what the network makes of its signals, *y: both [batch, 2 d]. */
static void build(iv_experiment *x, const iv_model *model, iv_graph *graph, bool training,
                  iv_tensor **w, iv_tensor **y, iv_tensor **code) {
    const signals *data = x->data;
    const setting *s = model->population->setting;
    const iv_signal_source source = {.set = training ? &data->train : &data->test,
                                     .set_of_member = {data->sets, 0, 1},
                                     .seeds = {data->seeds, 0, 1},
                                     .shuffle = training};
    iv_tensor *input;
    for (size_t i = 0; i < N_PARAMETERS; i++)
        w[i] = iv_parameters_tensor(model->parameters, graph, i);
    iv_signal_batch(graph, &source, training ? model->population->batch : s->n_test, &input, code);
    iv_tensor *hidden = iv_activate(graph, iv_linear(graph, input, w[0], w[1]), IV_ACTIVATION_RELU);
    *y = iv_linear(graph, hidden, w[2], w[3]);
}

static iv_status create_training(iv_experiment *x, iv_model *model, iv_training *t) {
    iv_tensor *w[N_PARAMETERS], *y, *code;
    const iv_status status = iv_graph_create(x->context, model->population->n_members, &t->graph);
    if (status != IV_OK) return status;
    build(x, model, t->graph, true, w, &y, &code);
    t->loss = iv_mean_square(t->graph, y, code);
    return iv_training_compile(model, w, t);
}

/* ------------------------------------------------------------------ measuring */

/* Sums of squared errors over the test set, which is one batch: [2 d]. */
static iv_tensor *build_measure(iv_experiment *x, const iv_model *model, iv_graph *graph) {
    const setting *s = model->population->setting;
    iv_tensor *w[N_PARAMETERS], *y, *code;
    build(x, model, graph, false, w, &y, &code);
    return iv_square_error_sums(graph, y, code, s->n_test);
}

static void take_values(iv_experiment *x, const iv_model *model, const float *sums,
                        const iv_position *position, double *values) {
    const setting *s = model->population->setting;
    for (size_t r = 0; r < model->population->n_members; r++) {
        double half[2] = {0, 0};
        for (size_t k = 0; k < 2 * s->d; k++)
            half[k / s->d] += (double)sums[r * 2 * s->d + k] / (double)(s->n_test * s->d);
        double *own = values + r * iv_values_size(x->study); /* numbers, in the metrics' order */
        own[MODULUS] = half[0];
        own[PHASE] = half[1];
        own[ERROR] = (half[0] + half[1]) / 2;
        if (position) own[LOSS] = (double)position->losses[r];
    }
}

/* ------------------------------------------------------------------ results */

static iv_status add_claims(const iv_trained_runs *all, iv_results *results, iv_error *error) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < all->n && status == IV_OK; i++) {
        const iv_trained_run *run = &all->runs[i];
        const double modulus = iv_trained_mean(all, run, 0, MODULUS),
                     phase = iv_trained_mean(all, run, 0, PHASE);
        char claim[400];
        snprintf(claim, sizeof claim, "%s (%s) learns moduli better than phases.", run->column,
                 run->row);
        status = iv_results_add_claim(results, claim, modulus < phase, error,
                                      "MSE %.4g of moduli, %.4g of phases", modulus, phase);
    }
    return status;
}

static iv_status draw(const iv_experiment *x, const iv_trained_runs *all) {
    return iv_experiment_draw_curves(x, all, "training", "test", ERROR);
}

/* ------------------------------------------------------------------ the study */

const iv_study fourier_study = {
    .schema = &schema,
    .setting_size = sizeof(setting),
    .read = read_setting,
    .work = work,
    .data = &(
        const iv_study_data){.size = sizeof(signals), .provide = provide_data, .clear = clear_data},
    .models = &(const iv_study_models){.create = create_model, .create_training = create_training},
    .measures = &(const iv_study_measures){.build = build_measure, .take = take_values},
    .results = &(const iv_study_results){.add_claims = add_claims, .draw = draw},
};

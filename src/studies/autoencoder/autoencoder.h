/* Inside the autoencoder study (Zhang and Arodz 2021): how it is split into files.
 *
 *   study.c       the study: populations one after another, trained or read back
 *   setting.c     from the spec to populations, rows and columns
 *   data.c        signals, codes and hidden cycles on the device
 *   model.c       one population on the device: its networks and their parameters
 *   loss.c        training steps: the loss, its derivatives, the update
 *   train.c       training a population: curves, checkpoints, divergence
 *   measure.c     errors of a population on signals
 *   estimate.c    what can be refused beforehand, memory and time
 *   step.c        single training steps, to be timed
 *   results.c     runs, cells; which learning rate stands for its column
 *   claims.c      what the paper claims
 *   figures.c     figures
 */
#ifndef INVAR_STUDIES_AUTOENCODER_H
#define INVAR_STUDIES_AUTOENCODER_H

#include "studies/common.h"

#include <invar/linalg.h>
#include <invar/signal.h>

/* ------------------------------------------------------------------ setting */

enum {
    AE_MAX_DEPTH = 64,
    AE_MAX_MAPS = AE_MAX_DEPTH + 2, /* linear maps of a network: with a lift and the head */
    AE_MAX_PARAMETERS = 2 * 2 * AE_MAX_MAPS,
    /* Rows of a batch while measuring. Part of what the metrics of pairs mean, because partners are
     * drawn batch by batch. */
    AE_MEASURE_BATCH = 256,
};

typedef enum { AE_SELU, AE_RELU, AE_SIGMOID, AE_BIPOLAR_SIGMOID, AE_RICH, AE_N_LAYERS } ae_layer;
typedef enum { AE_FULL, AE_ENCODER, AE_DECODER } ae_part;

/* What is measured; ae_applies says where. Means over signals (or pairs) and, of the mean squared
 * errors, over components. */
typedef enum {
    AE_RECONSTRUCTION, /* mse_reconstruction; of pairs, over both signals */
    AE_CODE,           /* mse_code: of the known code */
    AE_MODULUS,        /* and of its parts */
    AE_PHASE,
    AE_SINE,
    AE_COSINE,
    AE_INVARIANCE, /* loss_invariance: equation 2 */
    AE_DISTANCE,   /* mse_distance: of the codes' distance |z - z'| from d */
    AE_SAME,       /* distance_same: root mean square of |z - z'| over distorted copies */
    AE_UNRELATED,  /* distance_unrelated: over all other pairs */
    AE_N_METRICS,
} ae_metric;

/* One autoencoder (or half of one) to train. */
typedef struct {
    const iv_spec_run *run;
    uint32_t seed;
    float learning_rate, lambda, delta, alpha;
} ae_member;

/* Members of one shape and schedule, trained in lockstep. */
typedef struct {
    const iv_node *config; /* of its first run; what is read from it is the same for all */
    size_t d, n_train, n_test;
    const char *task; /* task.code */
    bool pairs;       /* learned from pairs, of this distortion; else this code is known */
    iv_distortion distortion;
    iv_code code;
    size_t invariant, variant; /* pairs: columns of the code's two parts, for each dimension */
    ae_layer layer;
    size_t width; /* of a hidden layer, for each dimension; 0 with rich layers */
    size_t depth, lift;
    ae_part part;
    size_t batch, epochs;
    iv_optimizer_kind optimizer;
    float momentum, beta1, beta2, epsilon;
    ae_member *members;
    size_t n_members;
} ae_population;

/* What the whole spec asks for. */
typedef struct {
    iv_spec_expansion expansion;
    ae_population *populations;
    size_t n_populations;
    size_t every_epochs;
} ae_plan;

iv_status ae_plan_create(const iv_spec *spec, ae_plan *plan, iv_error *error);
void ae_plan_clear(ae_plan *plan);

/* Divide populations that are larger than training.population, or than what fits the device where
 * that is 0. Results do not depend on it. */
iv_status ae_plan_split(ae_plan *plan, const iv_device_info *device, iv_error *error);

/* Columns of the code, and of its part that pairs are compared by. */
size_t ae_code_columns(const ae_population *population);
size_t ae_invariant_columns(const ae_population *population);

/* "mse_reconstruction", ...; whether a population has the metric. */
const char *ae_metric_name(ae_metric metric);
bool ae_applies(const ae_population *population, ae_metric metric);

/* "d=10 modulus-sine-cosine", and whatever else the spec's sweep varies. */
void ae_row_name(const ae_population *population, const iv_spec_run *run, char *name, size_t size);

/* Floating-point operations of the products of one training step of one member, and of passing one
 * batch through while measuring. */
double ae_step_flops(const ae_population *population);
double ae_measure_flops(const ae_population *population);

/* ------------------------------------------------------------------ networks */

/* One linear map and what follows it. */
typedef struct {
    size_t inputs, outputs;
    bool rich;                /* the map's input beside functions of its output */
    iv_activation activation; /* NONE after lifts, heads and in rich layers */
} ae_map;

/* The maps of a population's encoder or decoder, first to last; 0 if it has none. */
size_t ae_encoder_maps(const ae_population *population, ae_map maps[AE_MAX_MAPS]);
size_t ae_decoder_maps(const ae_population *population, ae_map maps[AE_MAX_MAPS]);

/* ------------------------------------------------------------------ on the device */

/* Training and test signals of some seeds, and what goes with them. */
typedef struct {
    uint32_t *seeds; /* [n_seeds], one data set each */
    size_t n_seeds;
    size_t d, n_train, n_test;
    bool pairs;
    iv_code code;
    iv_signal_set train, test;
    cl_mem cycles; /* NULL unless pairs are distorted along them */
} ae_data;

/* Make `data` hold what a population needs: it may hold another one's, which often is the same. */
iv_status ae_data_provide(iv_context *context, const ae_population *population, ae_data *data);
void ae_data_clear(iv_context *context, ae_data *data); /* a zeroed one is fine */

typedef struct {
    iv_context *context;
    const ae_population *population;
    ae_map encoder[AE_MAX_MAPS], decoder[AE_MAX_MAPS];
    size_t n_encoder, n_decoder; /* maps */
    cl_mem seeds, set_of_member; /* [R] */
    cl_mem lambda, delta, alpha; /* [R] */
    iv_parameters *parameters;   /* weight and bias of each map: encoder's, then decoder's */
} ae_model;

/* A population on the device with its initial parameters. data: ae_data_provide's, whose order of
 * seeds it keeps. */
iv_status ae_model_create(iv_context *context, const ae_population *population, const ae_data *data,
                          ae_model **model);
void ae_model_destroy(ae_model *model); /* NULL is fine */

/* Signals of one of the data's two sets. fresh: partners that training never saw. */
iv_signal_source ae_model_source(const ae_model *model, const iv_signal_set *set, bool shuffle,
                                 bool fresh);

/* A batch and what the networks make of it. NULL where the population has no such thing. */
typedef struct {
    iv_tensor *x, *code;          /* known code: signals [B, d], their codes [B, K] */
    iv_tensor *squared_distances; /* pairs: [B]; x is then [2, B, d] */
    iv_tensor *z, *y;             /* the code [B, K], or [2, B, K]; reconstruction, shaped as x */
} ae_pass;

/* Append batch number `step` and its way through the networks. tensors: the model's parameters in
 * this graph, AE_MAX_PARAMETERS at most. */
void ae_model_pass(const ae_model *model, const ae_data *data, iv_graph *graph,
                   const iv_signal_source *source, size_t batch, iv_tensor *const *tensors,
                   ae_pass *pass);
void ae_model_tensors(const ae_model *model, iv_graph *graph, iv_tensor **tensors);

/* One number a member as a graph's input [1]. */
iv_tensor *ae_scalar(iv_graph *graph, cl_mem values);

iv_status ae_training_create(const ae_model *model, const ae_data *data, study_training *training);

/* ------------------------------------------------------------------ metrics */

typedef struct {
    double values[AE_N_METRICS]; /* NaN where ae_applies is false */
} ae_metrics;

typedef struct ae_measure ae_measure;

/* A plan that measures a population on the first n_rows signals of a set, with fresh partners. */
iv_status ae_measure_create(const ae_model *model, const ae_data *data, const iv_signal_set *set,
                            size_t n_rows, ae_measure **measure);
void ae_measure_destroy(ae_measure *measure); /* NULL is fine */

/* Measure: metrics [R]. IV_EINTERRUPTED if `stop` becomes nonzero. */
iv_status ae_measure_run(ae_measure *measure, const volatile sig_atomic_t *stop,
                         ae_metrics *metrics);

/* Seconds that ae_measure_run would take, from some of its batches. */
iv_status ae_measure_time(ae_measure *measure, double *seconds);

/* What training minimises, from metrics of the signals it is asked about. */
double ae_loss(const ae_population *population, const ae_member *member, const ae_metrics *metrics);

/* ------------------------------------------------------------------ the study */

/* Everything measured for one member at the end. */
typedef struct {
    ae_metrics test;
    double training_loss;   /* of the first n_test training signals, with fresh partners */
    uint32_t diverged_from; /* epoch in which the loss or a metric was found not finite; 0: never */
} ae_outcome;

/* What is open while a study runs. */
typedef struct {
    const iv_study_job *job;
    ae_plan plan;
    ae_data data;           /* of the last population: the next one often uses it too */
    iv_log *log;            /* NULL while evaluating */
    iv_safetensors *resume; /* the checkpoint to go on from; NULL once used */
    study_progress progress;
} ae_study;

/* Train population number `index` from its initial parameters or from study->resume, logging the
 * curves and saving checkpoints. diverged_from [R] is filled. A population whose members have all
 * diverged is given up. */
iv_status ae_train(ae_study *study, size_t index, ae_model *model, uint32_t *diverged_from);

/* ------------------------------------------------------------------ results */

/* One run with its outcomes, one a seed. */
typedef struct {
    const iv_spec_run *run;
    const ae_population *population; /* one that holds it */
    char row[256];
    const char *column;
    size_t n_seeds;
    const ae_member **members;   /* [n_seeds] */
    const ae_outcome **outcomes; /* [n_seeds] */
    size_t n_alternatives;       /* runs of its row and column, itself included */
    bool chosen;                 /* among those: it has the smallest mean training loss */
} ae_run;

typedef struct {
    ae_run *runs; /* [n_runs], in the expansion's order */
    size_t n_runs;
} ae_table;

iv_status ae_table_create(const iv_spec *spec, const ae_plan *plan, ae_outcome *const *outcomes,
                          ae_table *table, iv_error *error);
void ae_table_clear(ae_table *table);

/* Mean over a run's seeds; NaN if one of them diverged, whatever it measures. */
double ae_run_mean(const ae_run *run, ae_metric metric);

/* Runs, cells and claims. */
iv_status ae_results_fill(const iv_spec *spec, const ae_table *table, iv_results *results,
                          iv_error *error);
iv_status ae_claims_add(const ae_table *table, iv_results *results, iv_error *error);

/* Figures that the spec asks for. */
iv_status ae_figures_draw(const iv_study_job *job, const ae_table *table);

/* The study's entries in the table of studies (see iv_study). */
iv_status ae_prepare(const iv_study_job *job);
iv_status ae_run_study(const iv_study_job *job, iv_results *results);
iv_status ae_evaluate(const iv_study_job *job, iv_results *results);
iv_status ae_estimate(const iv_study_job *job, iv_estimate **estimates, size_t *n_estimates);
extern const iv_study_step_entry ae_steps[];

#endif

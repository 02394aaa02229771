/* Inside the autoencoder study (Zhang and Arodz 2021): how it is split into files.
 *
 *   study.c     the study as the driver sees it, and what it reads of a spec
 *   keys.c      its keys
 *   checks.c    what no single key can tell
 *   metrics.c   its metrics: what they are, where they apply, how they follow from sums
 *   data.c      signals, codes and hidden cycles on the device
 *   model.c     one population on the device: its networks and their parameters
 *   loss.c      training steps: the loss, its derivatives, the update
 *   measure.c   errors of a population on signals
 *   claims.c    what the paper claims
 *   figures.c   figures
 */
#ifndef INVAR_STUDIES_AUTOENCODER_H
#define INVAR_STUDIES_AUTOENCODER_H

#include <invar/experiment.h>
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

/* What is the same for all members of a population. */
typedef struct {
    size_t d, n_test;
    const char *task; /* task.code */
    bool pairs;       /* learned from pairs, of this distortion; else this code is known */
    iv_distortion distortion;
    iv_code code;
    size_t invariant, variant; /* pairs: columns of the code's two parts, for each dimension */
    ae_layer layer;
    size_t width; /* of a hidden layer, for each dimension; 0 with rich layers */
    size_t depth, lift;
    ae_part part;
} ae_setting;

const ae_setting *ae_setting_of(const iv_population *population);

/* Columns of the code, and of its part that pairs are compared by. */
size_t ae_code_columns(const ae_setting *setting);
size_t ae_invariant_columns(const ae_setting *setting);

/* ------------------------------------------------------------------ networks */

/* One linear map and what follows it. */
typedef struct {
    size_t inputs, outputs;
    bool rich;                /* the map's input beside functions of its output */
    iv_activation activation; /* NONE after lifts, heads and in rich layers */
} ae_map;

/* The maps of the encoder or decoder, first to last; 0 if there is none. */
size_t ae_encoder_maps(const ae_setting *setting, ae_map maps[AE_MAX_MAPS]);
size_t ae_decoder_maps(const ae_setting *setting, ae_map maps[AE_MAX_MAPS]);

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

typedef struct {
    iv_model base; /* parameters: weight and bias of each map, the encoder's, then the decoder's */
    const ae_setting *setting;
    const ae_data *data;
    ae_map encoder[AE_MAX_MAPS], decoder[AE_MAX_MAPS];
    size_t n_encoder, n_decoder; /* maps */
    cl_mem seeds, set_of_member; /* [R] */
    cl_mem lambda, delta, alpha; /* [R] */
} ae_model;

iv_status ae_training_create(iv_experiment *x, iv_model *model, iv_training *training);

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
void ae_model_pass(const ae_model *model, iv_graph *graph, const iv_signal_source *source,
                   size_t batch, iv_tensor *const *tensors, ae_pass *pass);
void ae_model_tensors(const ae_model *model, iv_graph *graph, iv_tensor **tensors);

/* One number for each member as a graph's input [1]. */
iv_tensor *ae_scalar(iv_graph *graph, cl_mem values);

/* ------------------------------------------------------------------ metrics */

/* What was measured on: sets of values. */
enum { AE_ON_TEST, AE_ON_TRAINING, AE_N_SETS };

/* Rows of metrics.c that other files name. Means over signals (or pairs) and, of the mean squared
 * errors, over components. */
typedef enum {
    AE_RECONSTRUCTION, /* of pairs, over both signals */
    AE_CODE,           /* of the known code, */
    AE_MODULUS,        /* and of its parts */
    AE_PHASE,
    AE_SINE,
    AE_COSINE,
    AE_INVARIANCE, /* loss_invariance: equation 2 */
    AE_DISTANCE,   /* of the codes' distance |z - z'| from d */
    AE_SAME,       /* root mean square of |z - z'| over distorted copies */
    AE_UNRELATED,  /* over all other pairs */
    AE_TRAINING_LOSS,
    AE_LOSS,
} ae_metric;

/* Sums over signals or pairs: of squared errors, a component each, of the reconstruction (of pairs:
 * of both signals) and the code; over pairs. NULL where there is none. */
typedef struct {
    double n;                                                 /* signals or pairs */
    const double *reconstruction, *reconstruction_of_partner; /* [d] */
    const double *code;                                       /* [K] */
    const double *pairs;                                      /* [IV_N_PAIR_SUMS] */
} ae_sums;

const iv_metric_def *ae_metric_def(size_t metric);

/* Whether a population has an error, and its value; NaN if it has not. */
bool ae_has(const ae_setting *setting, ae_metric metric);
double ae_value(const ae_setting *setting, ae_metric metric, const ae_sums *sums);

/* ------------------------------------------------------------------ results */

iv_status ae_add_claims(const iv_trained_runs *all, iv_results *results, iv_error *error);
iv_status ae_draw(const iv_experiment *x, const iv_trained_runs *all);

iv_status ae_check_run(iv_spec_check *check, const iv_node *config);

extern const iv_schema ae_schema;
extern const iv_study_data ae_data_hooks;
extern const iv_study_models ae_models;
extern const iv_study_sets ae_sets;
extern const iv_study_measures ae_measures;
extern const iv_study ae_study;

#endif

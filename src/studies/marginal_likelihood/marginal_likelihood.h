/* Inside the marginal-likelihood study (van der Ouderaa and van der Wilk 2022): how it is split
 * into files.
 *
 *   study.c     the study as the driver sees it, and what it reads of a spec
 *   keys.c      its keys
 *   checks.c    what no single key can tell
 *   metrics.c   its metrics: what they are, where they apply
 *   data.c      images and toy points on the device
 *   model.c     one population on the device: network and posterior
 *   measure.c   accuracy and bound of a population; eta along its training
 *   sgpr.c      the baseline: sparse Gaussian process regression
 *   claims.c    what the paper claims
 *   figures.c   figures: eta against training steps
 *   filters.c   filter banks, after training and through it
 *   contours.c  predictions over the plane
 */
#ifndef INVAR_STUDIES_MARGINAL_LIKELIHOOD_H
#define INVAR_STUDIES_MARGINAL_LIKELIHOOD_H

#include "studies/images.h"

#include <invar/affine.h>
#include <invar/posterior.h>

/* ------------------------------------------------------------------ setting */

enum {
    /* Rows of a batch while measuring, and so how often transformations are drawn anew: part of
     * what the metrics mean. */
    ML_MEASURE_BATCH = 128,
    /* Samples of W2 while measuring are drawn at this number plus the batch's, apart from the
     * transformations, which share their stream and are drawn at the batch's number. */
    ML_SAMPLE_STEPS = 1 << 30,
    ML_ROTATION = 2, /* the generator */
    /* Antithetic pairs of logits of each image, where training samples those. */
    ML_PAIRS = 2,
};

/* What is the same for all members of a population. */
typedef struct {
    study_images images; /* first: see study_images_describe; points are images of 1 x 1 x 2 */
    bool sgpr;           /* regressions, one after another; networks otherwise */
    bool rings;          /* points of the plane instead of images */
    size_t n_test;
    uint32_t data_seed; /* of transformations and of points */
    iv_feature feature;
    size_t hidden, n_samples; /* n_samples: transformations a batch; 1 without invariance */
    float sigma;              /* standard deviation of random features' weights; 0 with ReLU */
    float alpha;              /* prior variance of the output layer */
    float alpha_rate;         /* by which it is learned; 0: it stays */
    bool logits;              /* are sampled for each image; else weights, for each batch */
    bool natural;             /* the posterior moves by natural gradients; else by Adam */
    iv_newton_schedule newton;
    float initial_deviation; /* its posterior begins at L = this times I */
    float input_mean;        /* taken from every pixel */
    float blur;              /* of filters, in pixels; 0: none */
    bool point;              /* point estimate of the output layer; variational otherwise */
    bool equally_spaced;     /* transformations are a fixed grid; drawn for each batch otherwise */
    bool stratified;         /* one from each part of a grid */
    bool invariant;          /* transformations are drawn; false: no transformation, no warp */
    bool learns;             /* some eta are learned */
    float sigma_rate;        /* learning rate of ln sigma over the others'; 0: sigma stays */
    float eta_rate;          /* learning rate of eta over the others' */
    bool annealed;           /* learning rates follow a half cosine to zero */
    float beta1, beta2, epsilon;
    size_t n_inducing, iterations; /* sgpr */
} ml_setting;

const ml_setting *ml_setting_of(const iv_population *population);

/* What is a member's own. */
typedef struct {
    iv_affine_family family;        /* its generators */
    float eta[IV_N_GENERATORS];     /* initial values */
    float learned[IV_N_GENERATORS]; /* 1 for a generator whose eta is learned, else 0 */
    unsigned transformations;       /* of the data: sum of IV_DATA_* */
} ml_own;

ml_own ml_own_of(const iv_population *population, const iv_member *member);

/* Whether rotation is among a member's generators, learned or not. */
bool ml_rotates(const iv_member *member);

/* Values of an image or point. */
size_t ml_columns(const ml_setting *setting);

/* ------------------------------------------------------------------ data */

/* Images, or points of the plane, on the device.
 *
 * Images: the pool is the data set in its own order, official training images first. Training takes
 * the first n_train of those and testing the first n_test official test images, whose number in the
 * pool (and so whose transformation) does not depend on n_train. Images of the user's own are
 * brought into the order of iv_dataset_shuffle with data_seed first; where they have no test part,
 * the last n_test of them are for testing. Of images that are made (digits,
 * or made up) the pool is n_train + n_test images of seed data_seed, the last n_test of them for
 * testing.
 *
 * Rings: point i, training points first, lies on arc k = i mod 3 of radius 0.4 (k + 1) around the
 * origin and belongs to class k mod 2; words of Philox(data_seed, IV_STREAM_DATASET, 0, i): the
 * angle is pi / 2 + pi / 3 iv_uniform_symmetric(word 0), and the radius deviates by 0.05 times the
 * first of iv_normal's numbers of words 2 and 3. All points of a set are one batch, in order. */
typedef struct {
    study_own_images own; /* first */
    study_images_id of;
    uint32_t seed; /* of digits and rings, and of the order of the user's own images */
    size_t n_pool, first_test;
    size_t n_train, n_test; /* of the population that it was loaded for */
    cl_mem pixels, labels;  /* uchar [n_pool, D], [n_pool] */
    bool zeros;             /* most pixels are 0 */
    cl_mem points;          /* float [n_pool, 2] and int [n_pool]: rings, instead of pixels */
    cl_mem point_labels;
    uint8_t *host_labels; /* [n_pool] */
    float *host_points;   /* [n_pool, 2]; NULL unless rings */
} ml_data;

/* Image sets that the study trains on. */
bool ml_learns_from(const iv_dataset_info *info);

/* ------------------------------------------------------------------ on the device */

/* What the first layer's products are taken of: transformed inputs with the filters, or inputs with
 * transformed filters. The same numbers to rounding; points of the plane know the first alone. */
typedef enum { ML_INPUT_FORM, ML_FILTER_FORM } ml_form;

/* hidden.weight, hidden.bias, eta; ln sigma, of networks that learn it alone. */
enum { ML_WEIGHT, ML_BIAS, ML_ETA, ML_LOG_SIGMA, ML_N_PARAMETERS };

/* A population of networks. */
typedef struct {
    iv_model base;           /* parameters [H, D], [H], [6] */
    iv_posterior *posterior; /* of the output layer, [C, H] */
    iv_parameters *unit;     /* where sigma is learned: hidden.weight of a sigma of 1 */
    const ml_setting *setting;
    const ml_data *data;
    ml_form form;                     /* ML_INPUT_FORM unless set before anything is built */
    cl_mem seeds, learned;            /* uint [R], float [R, 6] */
    cl_mem transformations;           /* int [R] */
    cl_mem points;                    /* float [R, S, 6]: eps of a grid; NULL where drawn */
    cl_mem widths;                    /* float [R, 6]: of what is drawn around them; or NULL */
    iv_optimizer_desc optimizer_desc; /* without its learning rates, which are */
    float *learning_rates;            /* [R] */
} ml_model;

/* How many parameters there are. */
size_t ml_model_n(const ml_model *model);

/* Parameters as inputs of a graph; NULL for ln sigma where there is none. */
void ml_model_tensors(const ml_model *model, iv_graph *graph, iv_tensor *tensors[ML_N_PARAMETERS]);

/* Features of images or points: x [B, D] -> [B, H], the mean over transformations that are drawn
 * from `stream` at the step's number: IV_STREAM_TRANSFORMATION while training,
 * IV_STREAM_EVALUATION otherwise. A grid is the same in both. */
iv_tensor *ml_model_features(const ml_model *model, iv_graph *graph,
                             iv_tensor *const tensors[ML_N_PARAMETERS], iv_tensor *x,
                             uint32_t stream);

/* Their logits [B, C]: with the output layer's mean, or with its present sample. */
iv_tensor *ml_model_logits(const ml_model *model, iv_graph *graph, iv_tensor *features,
                           bool sampled);

/* Batch number `step` of the training or test set -> x [B, D], labels int [B]. */
void ml_model_batch(const ml_model *model, iv_graph *graph, bool test, bool shuffle, size_t batch,
                    iv_tensor **x, iv_tensor **labels);

/* eta [R, 6] as it is now; an eta of rotation in degrees, whose sign means nothing. */
iv_status ml_model_eta(const ml_model *model, float *eta);
iv_status ml_model_sigma(const ml_model *model, float *sigma); /* [R] */
double ml_degrees(double radians);

/* ------------------------------------------------------------------ metrics */

/* What metrics follow from, for one member; NaN, or NULL, where it was not measured. */
typedef struct {
    double n_train;
    double accuracy;             /* of the test set */
    double cross_entropy, kl;    /* mean over the training set; total */
    double bound;                /* of a regression, total */
    double batch_loss, batch_kl; /* of the last training step */
    const float *eta;            /* [6] */
    float alpha, sigma;          /* variance of the prior, deviation of random weights */
} ml_numbers;

/* Put what applies to a member into its values. */
void ml_take(const iv_population *population, const iv_member *member, const ml_numbers *numbers,
             double *values);

/* Rows of metrics.c that other files name. */
typedef enum {
    ML_ACCURACY,
    ML_ELBO,
    ML_KL,
    ML_CROSS_ENTROPY,
    ML_BOUND,
    ML_ELBO_ESTIMATE,
    ML_ETA_VALUES,
    ML_DEGREES,
    ML_ALPHA,
    ML_SIGMA,
} ml_metric;

const iv_metric_def *ml_metric_def(size_t metric);
bool ml_shown(const iv_trained_runs *all, const iv_trained_run *run, size_t metric);

/* Plans that measure networks. Along the way: eta and the bound of the last batch. At the end:
 * transformations are drawn once for each batch of ML_MEASURE_BATCH from IV_STREAM_EVALUATION at
 * the batch's number. The test set is classified with the output layer's mean. The training set's
 * cross-entropy takes a sample of it for each batch, from the same stream at step ML_SAMPLE_STEPS +
 * the batch's number. */

/* ------------------------------------------------------------------ regressions */

/* A population of one regression. */
typedef struct {
    iv_model base; /* parameters: hyper [3], inducing [M] */
    const ml_data *data;
    unsigned of_data; /* transformations of its images */
    cl_mem x;
    struct sgpr *regression;
} ml_sgpr;

/* As of a study's models. */
iv_status ml_sgpr_create(iv_experiment *x, ml_sgpr *model);
void ml_sgpr_clear(ml_sgpr *model);
iv_status ml_sgpr_fit(iv_experiment *x, iv_model *model, const iv_progress *progress);
iv_status ml_sgpr_measure(iv_model *model, ml_numbers *numbers);
iv_status ml_sgpr_time(iv_model *model, double *seconds);

/* Passes over the data that training one of them takes, about, and floating-point operations of
 * one. */
double ml_sgpr_passes(const ml_setting *setting);
double ml_sgpr_flops(const iv_population *population);

/* ------------------------------------------------------------------ results */

iv_status ml_add_claims(const iv_trained_runs *all, iv_results *results, iv_error *error);

/* A point of the curves has been reached after `step` steps (0: before the first): filter banks
 * that the spec asks for are written now and then. Called before the checkpoint of that step, so
 * that a resumed run has them all; may be called twice for one step. */
iv_status ml_snapshot(const iv_experiment *x, const ml_model *model, size_t step);

/* Pictures that need the models of a population of networks just trained; figures of all runs. */
iv_status ml_draw_population(iv_experiment *x, iv_model *model);
iv_status ml_draw(const iv_experiment *x, const iv_trained_runs *all);

iv_status ml_check_run(iv_spec_check *check, const iv_node *config);
iv_status ml_check_spec(iv_spec_check *check, const iv_node *root);

extern const iv_schema ml_schema;
extern const iv_study_data ml_data_hooks;
extern const iv_study_models ml_models;
extern const iv_study_sets ml_sets;
extern const iv_study_measures ml_measures;
extern const iv_study ml_study;

#endif

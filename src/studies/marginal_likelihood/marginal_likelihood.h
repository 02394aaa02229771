/* Inside the marginal-likelihood study (van der Ouderaa and van der Wilk 2022): how it is split
 * into files.
 *
 *   study.c       the study: populations one after another, trained or read back
 *   setting.c     from the spec to populations, rows and columns
 *   data.c        images and toy points on the device
 *   model.c       one population on the device: network and posterior
 *   train.c       training a population: curves, checkpoints, divergence
 *   measure.c     accuracy and bound of a population
 *   sgpr.c        the baseline: sparse Gaussian process regression
 *   estimate.c    what can be refused beforehand, memory and time
 *   step.c        single training steps, to be timed
 *   results.c     runs, cells
 *   claims.c      what the paper claims
 *   figures.c     figures: eta against training steps
 *   filters.c     filter banks, after training and through it
 *   contours.c    predictions over the plane
 */
#ifndef INVAR_STUDIES_MARGINAL_LIKELIHOOD_H
#define INVAR_STUDIES_MARGINAL_LIKELIHOOD_H

#include "studies/common.h"

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
};

/* One network to train, or one regression. */
typedef struct {
    const iv_spec_run *run;
    uint32_t seed;
    float learning_rate;
    iv_affine_family family;        /* its generators */
    float eta[IV_N_GENERATORS];     /* initial values */
    float learned[IV_N_GENERATORS]; /* 1 for a generator whose eta is learned, else 0 */
    unsigned transformations;       /* of the data: sum of IV_DATA_* */
} ml_member;

/* Members of one shape and schedule, trained in lockstep. */
typedef struct {
    const iv_node *config; /* of its first run; what is read from it is the same for all */
    bool sgpr;             /* regressions, one after another; networks otherwise */
    const char *dataset;
    bool rings;           /* points of the plane instead of images */
    iv_image_shape shape; /* of an image; points are 1 x 1 x 2 */
    size_t n_classes, n_train, n_test;
    uint32_t data_seed; /* of transformations and of points */
    iv_feature feature;
    size_t hidden, n_samples; /* n_samples: transformations a batch; 1 without invariance */
    float sigma;              /* standard deviation of random features' weights; 0 with ReLU */
    float alpha;              /* prior variance of the output layer */
    float initial_deviation;  /* its posterior begins at L = this times I */
    float input_mean;         /* taken from every pixel */
    float blur;               /* of filters, in pixels; 0: none */
    bool point;               /* point estimate of the output layer; variational otherwise */
    bool equally_spaced;      /* transformations are a fixed grid; drawn for each batch otherwise */
    bool invariant;           /* transformations are drawn; false: no transformation, no warp */
    bool learns;              /* some eta are learned */
    size_t batch, epochs;
    float eta_rate; /* learning rate of eta over the others' */
    bool annealed;  /* learning rates follow a half cosine to zero */
    float beta1, beta2, epsilon;
    size_t n_inducing, iterations; /* sgpr */
    ml_member *members;
    size_t n_members;
} ml_population;

/* What the whole spec asks for. */
typedef struct {
    iv_spec_expansion expansion;
    ml_population *populations;
    size_t n_populations;
    size_t every_steps; /* between points of the curves; 0: about a hundred a population */
} ml_plan;

iv_status ml_plan_create(const iv_spec *spec, ml_plan *plan, iv_error *error);
void ml_plan_clear(ml_plan *plan);

/* Divide populations that are larger than training.population, or than what fits the device where
 * that is 0. Results do not depend on it. */
iv_status ml_plan_split(ml_plan *plan, const iv_device_info *device, iv_error *error);

/* Values of an image or point; whole batches of an epoch; steps of the whole training, and from
 * one point of the curves to the next (the last may come sooner). */
size_t ml_columns(const ml_population *population);
size_t ml_steps_per_epoch(const ml_population *population);
size_t ml_steps(const ml_population *population);
size_t ml_point_steps(const ml_plan *plan, const ml_population *population);

/* Whether rotation is among a member's generators, learned or not. */
bool ml_rotates(const ml_member *member);

/* "rotated", with the data set's name in front where the spec sweeps it ("cifar10 rotated"), and
 * what else the spec's sweep varies behind it. */
void ml_row_name(const ml_population *population, const iv_spec_run *run, char *name, size_t size);

/* Floating-point operations of the products of one training step of one member, and of one batch
 * while measuring. */
double ml_step_flops(const ml_population *population);
double ml_measure_flops(const ml_population *population);

/* ------------------------------------------------------------------ data */

/* Images, or points of the plane, on the device.
 *
 * Images: the pool is the data set in its own order, official training images first. Training takes
 * the first n_train of those and testing the first n_test official test images, whose number in the
 * pool (and so whose transformation) does not depend on n_train. Of the built-in digits the pool is
 * n_train + n_test images of seed data_seed, the last n_test of them for testing.
 *
 * Rings: point i, training points first, lies on arc k = i mod 3 of radius 0.4 (k + 1) around the
 * origin and belongs to class k mod 2; words of Philox(data_seed, IV_STREAM_DATASET, 0, i): the
 * angle is pi / 2 + pi / 3 iv_uniform_symmetric(word 0), and the radius deviates by 0.05 times the
 * first of iv_normal's numbers of words 2 and 3. All points of a set are one batch, in order. */
typedef struct {
    const char *name;
    uint32_t seed; /* of digits and rings */
    size_t n_pool, first_test;
    cl_mem pixels, labels; /* uchar [n_pool, D], [n_pool] */
    bool zeros;            /* most pixels are 0 */
    cl_mem points;         /* float [n_pool, 2] and int [n_pool]: rings, instead of pixels */
    cl_mem point_labels;
    uint8_t *host_labels; /* [n_pool] */
    float *host_points;   /* [n_pool, 2]; NULL unless rings */
} ml_data;

/* Make `data` hold what a population needs: it may hold another one's, which often is the same. */
iv_status ml_data_provide(const iv_study_job *job, const ml_population *population, ml_data *data);

/* As many images of random bytes, with labels in turn: for what can be said without the files. */
iv_status ml_data_make_up(iv_context *context, const ml_population *population, ml_data *data);

/* Data from images in memory: pixels [n_pool, D], labels [n_pool]. */
iv_status ml_data_of_images(iv_context *context, const ml_population *population,
                            const uint8_t *pixels, const uint8_t *labels, size_t n_pool,
                            size_t first_test, ml_data *data);
void ml_data_clear(iv_context *context, ml_data *data); /* a zeroed one is fine */

/* ------------------------------------------------------------------ on the device */

/* What the first layer's products are taken of: transformed inputs with the filters, or inputs with
 * transformed filters. The same numbers to rounding; points of the plane know the first alone. */
typedef enum { ML_INPUT_FORM, ML_FILTER_FORM } ml_form;

enum { ML_WEIGHT, ML_BIAS, ML_ETA, ML_N_PARAMETERS }; /* hidden.weight, hidden.bias, eta */

typedef struct {
    iv_context *context;
    const ml_population *population;
    ml_form form;                     /* ML_INPUT_FORM unless set before anything is built */
    cl_mem seeds, learned;            /* uint [R], float [R, 6] */
    cl_mem transformations;           /* int [R] */
    cl_mem points;                    /* float [R, S, 6]: eps of a grid; NULL where drawn */
    iv_parameters *parameters;        /* [H, D], [H], [6] */
    iv_posterior *posterior;          /* of the output layer, [C, H] */
    iv_optimizer_desc optimizer_desc; /* without its learning rates, which are */
    float *learning_rates;            /* [R] */
} ml_model;

/* A population on the device with its initial parameters. */
iv_status ml_model_create(iv_context *context, const ml_population *population, ml_model **model);
void ml_model_destroy(ml_model *model); /* NULL is fine */

/* Parameters as inputs of a graph. */
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
void ml_model_batch(const ml_model *model, const ml_data *data, iv_graph *graph, bool test,
                    bool shuffle, size_t batch, iv_tensor **x, iv_tensor **labels);

/* Training: training->loss is the mean cross-entropy of a batch, without the posterior's KL. Ready
 * for step 0; for another one, iv_posterior_prepare comes first. */
iv_status ml_training_create(const ml_model *model, const ml_data *data, study_training *training);

/* ------------------------------------------------------------------ metrics */

typedef struct ml_measure ml_measure;

/* Plans that measure a population. Transformations are drawn once a batch of ML_MEASURE_BATCH from
 * IV_STREAM_EVALUATION at the batch's number. The test set is classified with the output layer's
 * mean. The training set's cross-entropy takes a sample of it a batch, from the same stream at step
 * ML_SAMPLE_STEPS + the batch's number. */
iv_status ml_measure_create(const ml_model *model, const ml_data *data, ml_measure **measure);
void ml_measure_destroy(ml_measure *measure); /* NULL is fine */

/* One member's numbers; NaN where it has no such thing. */
typedef struct {
    double accuracy;             /* share of the test set */
    double elbo;                 /* -(cross_entropy + kl / n_train) */
    double kl;                   /* total, of the output layer; 0 of a point estimate */
    double cross_entropy;        /* mean over the training set, with sampled W2 */
    double bound_per_sample;     /* sgpr: log marginal likelihood's bound / n_train */
    double eta[IV_N_GENERATORS]; /* networks */
    double rotation_degrees;     /* |eta| of rotation; NaN without invariance */
    uint32_t diverged_from;      /* epoch in which a number was found not finite; 0: never */
} ml_outcome;

/* Measure: outcomes [R]; diverged_from is left as it is. IV_EINTERRUPTED if `stop` becomes nonzero.
 */
iv_status ml_measure_run(ml_measure *measure, const volatile sig_atomic_t *stop,
                         ml_outcome *outcomes);

/* Seconds that ml_measure_run would take, from some of its batches. */
iv_status ml_measure_time(ml_measure *measure, double *seconds);

/* eta [R, 6] as it is now; an eta of rotation in degrees, whose sign means nothing. */
iv_status ml_model_eta(const ml_model *model, float *eta);
double ml_degrees(double radians);

/* ------------------------------------------------------------------ the study */

/* What is open while a study runs. */
typedef struct {
    const iv_study_job *job;
    ml_plan plan;
    ml_data data;           /* of the last population: the next one often uses it too */
    iv_log *log;            /* NULL while evaluating */
    iv_safetensors *resume; /* the checkpoint to go on from; NULL once used */
    study_progress progress;
} ml_study;

/* Train population number `index` from its initial parameters or from study->resume, logging the
 * curves and saving checkpoints. diverged_from [R] is filled. A population whose members have all
 * diverged is given up.
 *
 * metrics.jsonl gets, every ml_point_steps steps from step 0 on and at the end, a point of split
 * "train" for each member: "eta" (array) and "rotation_degrees" (with an invariance) after that
 * step, and, after step 0, "elbo_estimate": minus the loss of that step's batch. */
iv_status ml_train(ml_study *study, size_t index, ml_model *model, uint32_t *diverged_from);

/* Regressions of a population, trained or read back; outcomes [R]. */
iv_status ml_sgpr_run(ml_study *study, size_t index, bool trained, ml_outcome *outcomes);

/* Device memory of a population of regressions and, if `timed`, the seconds it takes. */
iv_status ml_sgpr_estimate(iv_context *context, const ml_population *population,
                           const ml_data *data, bool timed, iv_estimate *estimate);

/* Passes over the data that training one of them takes, about, and floating-point operations of
 * one. */
double ml_sgpr_passes(const ml_population *population);
double ml_sgpr_flops(const ml_population *population);

/* ------------------------------------------------------------------ results */

/* One run with its outcomes, one a seed. */
typedef struct {
    const iv_spec_run *run;
    const ml_population *population; /* one that holds it */
    char row[256];
    const char *column;
    size_t n_seeds;
    const ml_member **members;   /* [n_seeds] */
    const ml_outcome **outcomes; /* [n_seeds] */
} ml_run;

typedef struct {
    ml_run *runs; /* [n_runs], in the expansion's order */
    size_t n_runs;
} ml_table;

iv_status ml_table_create(const iv_spec *spec, const ml_plan *plan, ml_outcome *const *outcomes,
                          ml_table *table, iv_error *error);
void ml_table_clear(ml_table *table);

/* Runs and cells; what the paper claims. */
iv_status ml_results_fill(const iv_spec *spec, const ml_table *table, iv_results *results,
                          iv_error *error);
iv_status ml_claims_add(const ml_table *table, iv_results *results, iv_error *error);

/* ------------------------------------------------------------------ figures */

/* A point of the curves has been reached after `step` steps (0: before the first): filter banks
 * that the spec asks for are written now and then. Called before the checkpoint of that step, so
 * that a resumed run has them all; may be called twice for one step. */
iv_status ml_snapshot(ml_study *study, const ml_population *population, const ml_model *model,
                      size_t step);

/* A population of networks is trained and measured: pictures that need its models. study->data
 * holds its data. */
iv_status ml_figures_of_population(ml_study *study, const ml_population *population,
                                   const ml_model *model);

/* Figures that the spec asks for, from all runs. */
iv_status ml_figures_draw(const iv_study_job *job, const ml_table *table);

/* The study's entries in the table of studies (see iv_study). */
iv_status ml_prepare(const iv_study_job *job);
iv_status ml_run_study(const iv_study_job *job, iv_results *results);
iv_status ml_evaluate(const iv_study_job *job, iv_results *results);
iv_status ml_estimate(const iv_study_job *job, iv_estimate **estimates, size_t *n_estimates);
extern const iv_study_step_entry ml_step_entries[];

#endif

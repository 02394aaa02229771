/* Inside the regularization study (Moskalev et al. 2023): how it is split into files.
 *
 *   study.c       the study: populations one after another, trained or read back
 *   prepare.c     what can be refused before anything begins
 *   train.c       training a population: curves, checkpoints, going on from one
 *   setting.c     from the spec to populations
 *   model.c       one population on the device: network, training plan
 *   estimate.c    memory and time beforehand
 *   step.c        single training steps, to be timed
 *   measure.c     metrics of a population on a set of images
 *   results.c     cells, claims
 *   figures.c     figures
 */
#ifndef INVAR_STUDIES_REGULARIZATION_H
#define INVAR_STUDIES_REGULARIZATION_H

#include "studies/common.h"

enum { REG_CLASSES = 10, REG_MAX_LAYERS = 64, REG_MAX_DRIFT = 4 };

typedef enum { REG_WEIGHT_TYING, REG_AUGMENTATION, REG_REGULARIZATION } reg_method;

/* One network to train. */
typedef struct {
    const iv_spec_run *run;
    uint32_t seed;
    float learning_rate, nu;
} reg_member;

/* Members of one shape and method, trained in lockstep. */
typedef struct {
    const iv_node *config; /* of its first run; what is read from it is the same for all */
    reg_method method;
    iv_group_kind group_kind;
    iv_group_axes axes;
    size_t group_order;
    const char *dataset;
    size_t n_images; /* of a built-in data set */
    size_t n_train, n_validation, n_test;
    size_t hidden, layers, batch, epochs;
    float beta1, beta2, epsilon;
    size_t row; /* which row of the table: rows differ in data, group or shape, not in method */
    reg_member *members;
    size_t n_members;
} reg_population;

/* What the whole spec asks for. */
typedef struct {
    iv_spec_expansion expansion;
    reg_population *populations;
    size_t n_populations;
    size_t every_epochs, jacobian_samples;
    bool accuracy, li, di, si, sigma_max_jacobian, jacobian_spectrum,
        sigma_max; /* what to measure */
} reg_plan;

iv_status reg_plan_create(const iv_spec *spec, reg_plan *plan, iv_error *error);
void reg_plan_clear(reg_plan *plan);

/* Divide populations that are larger than training.population, or than what fits the device where
 * that is 0. Results do not depend on it. */
iv_status reg_plan_split(reg_plan *plan, const iv_device_info *device, iv_error *error);
size_t reg_members_that_fit(const reg_population *population, const iv_device_info *device);

/* "rotation-4" */
void reg_row_name(const reg_population *population, char *name, size_t size);

/* ------------------------------------------------------------------ on the device */

/* Images as a group acts on them. */
typedef struct {
    char name[32];
    size_t n_images, n_asked, side, image_side;
    cl_mem pixels, labels;
    bool zeros; /* most pixels are 0 */
} reg_pool;

iv_status reg_pool_create(iv_context *context, const char *data_dir, const char *name,
                          size_t n_asked, const iv_group *group, reg_pool *pool);
/* Of images in memory, which are as the group takes them. */
iv_status reg_pool_of_images(iv_context *context, const iv_dataset *data, const iv_group *group,
                             reg_pool *pool);
void reg_pool_clear(iv_context *context, reg_pool *pool);

typedef struct {
    iv_context *context;
    const reg_population *population;
    iv_group *group;
    cl_mem source, inverse; /* the group's tables */
    cl_mem same;            /* ushort [G, hidden]: the table of a group that moves nothing */
    cl_mem seeds, nu;       /* [R] */
    iv_parameters *parameters;
} reg_model;

/* A population on the device with its initial parameters. */
iv_status reg_model_create(iv_context *context, const reg_population *population,
                           reg_model **model);
void reg_model_destroy(reg_model *model); /* NULL is fine */

/* Some images of a pool for every member: entries first .. first + count - 1 of each member's own
 * permutation, splits int32 [R, n_pool] on the device. */
void reg_images_of(const reg_model *model, const reg_pool *pool, cl_mem splits, size_t first,
                   size_t count, bool shuffle, iv_image_source *images);

/* Each member's permutation of a pool, on the device. */
iv_status reg_splits_create(const reg_model *model, size_t n_pool, size_t n_train,
                            size_t n_validation, size_t n_test, cl_mem *splits);

/* Logits [rows, C] of images x [rows, D]. parameters: the model's tensors in this graph. sums (may
 * be NULL) gets the first layer's sums before the ReLU: [rows, hidden], or [G, rows, hidden] where
 * weights are tied. */
iv_tensor *reg_model_logits(const reg_model *model, iv_graph *graph, iv_tensor *const *parameters,
                            iv_tensor *x, iv_tensor **sums);
void reg_model_tensors(const reg_model *model, iv_graph *graph, iv_tensor **parameters);

iv_status reg_training_create(const reg_model *model, const iv_image_source *images,
                              study_training *training);

/* What is open while a study runs. */
typedef struct {
    const iv_study_job *job;
    reg_plan plan;
    iv_log *log;            /* NULL while evaluating */
    iv_safetensors *resume; /* the checkpoint to go on from; NULL once used */
    reg_pool pool;          /* of the last population: the next one often uses it too */
} reg_study;

/* The images of a data set for a model's group, from the study's pool or loaded into it. */
iv_status reg_study_pool(reg_study *study, const reg_model *model, const char *name, size_t n_asked,
                         const reg_pool **pool);

/* Train population number `index` from its initial parameters or from study->resume, logging the
 * curves and saving checkpoints. splits [R, n_pool] of `pool`. */
iv_status reg_train(reg_study *study, size_t index, reg_model *model, const reg_pool *pool,
                    cl_mem splits);

/* ------------------------------------------------------------------ metrics */

/* One member's numbers on one set of images. */
typedef struct {
    double accuracy, li, di, si, sigma_max_jacobian;
    double jacobian_spectrum[REG_CLASSES];
} reg_metrics;

typedef struct reg_measure reg_measure;

/* Plans that measure a population on images; n_jacobians of them have their Jacobian taken (0:
 * none). */
iv_status reg_measure_create(const reg_model *model, const iv_image_source *images,
                             size_t n_jacobians, reg_measure **measure);
void reg_measure_destroy(reg_measure *measure); /* NULL is fine */

/* Measure: metrics [R]. IV_EINTERRUPTED if `stop` becomes nonzero. */
iv_status reg_measure_run(reg_measure *measure, const volatile sig_atomic_t *stop,
                          const iv_progress *progress, const char *what, reg_metrics *metrics);

/* Largest singular value of every layer's weights. */
typedef struct {
    iv_context *context;
    iv_sequence *sequence;
    cl_mem values[REG_MAX_LAYERS]; /* [R, min(out, in)] each */
    size_t widths[REG_MAX_LAYERS];
    size_t n_layers, n_members;
} reg_weight_norms;

iv_status reg_weight_norms_create(const reg_model *model, reg_weight_norms *norms);
void reg_weight_norms_clear(reg_weight_norms *norms);
/* sigma_max [R, layers] */
iv_status reg_weight_norms_run(reg_weight_norms *norms, double *sigma_max);

/* ------------------------------------------------------------------ results */

/* Everything measured for one member at the end. */
typedef struct {
    bool measured;
    reg_metrics validation, test, drift[REG_MAX_DRIFT];
    double sigma_max[REG_MAX_LAYERS];
} reg_outcome;

/* Cells and claims from the outcomes of all members: outcomes[p][m] of member m of population p. */
iv_status reg_results_fill(const iv_spec *spec, const reg_plan *plan, reg_outcome *const *outcomes,
                           iv_results *results, iv_error *error);

/* Figures that the spec asks for. Curves are drawn from metrics.jsonl, so that a resumed run has
 * them whole; saliency maps from the models of the first seed. */
iv_status reg_figures_draw_curves(const iv_study_job *job, const reg_plan *plan);
iv_status reg_figures_draw_saliency(const iv_study_job *job, const reg_model *model,
                                    const iv_image_source *images);

/* The study's entries in the table of studies (see iv_study). */
iv_status reg_prepare(const iv_study_job *job);
iv_status reg_run(const iv_study_job *job, iv_results *results);
iv_status reg_evaluate(const iv_study_job *job, iv_results *results);
iv_status reg_estimate(const iv_study_job *job, iv_estimate **estimates, size_t *n_estimates);
extern const iv_study_step_entry reg_steps[];

/* Drift sets as the results name them. */
size_t reg_drift_sets(const iv_node *config, const char *trained_on,
                      const char *names[REG_MAX_DRIFT]);

#endif

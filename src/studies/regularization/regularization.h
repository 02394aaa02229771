/* Inside the regularization study (Moskalev et al. 2023): how it is split into files.
 *
 *   study.c    the study as the driver sees it, and what it reads of a spec
 *   keys.c     its keys
 *   checks.c   what no single key can tell
 *   metrics.c  its metrics: what they are, where they apply, how they follow from an orbit
 *   data.c     images as a group acts on them, and how they are split
 *   model.c    one population on the device: network, training plan
 *   measure.c  metrics of a population on its sets of images
 *   orbit.c    metrics on one set of images: means of what the audit room finds
 *   norms.c    largest singular values of the weights
 *   results.c  cells; the run that stands for those that differ in nu
 *   claims.c   what the paper claims
 *   figures.c  figures
 */
#ifndef INVAR_STUDIES_REGULARIZATION_H
#define INVAR_STUDIES_REGULARIZATION_H

#include "audit/measure.h"
#include "studies/images.h"

/* Sets of values: what is measured, and on what. */
enum { REG_TEST, REG_VALIDATION, REG_WEIGHTS, REG_DRIFT, REG_MAX_DRIFT = IV_MAX_SETS - REG_DRIFT };

enum {
    REG_MOST_CLASSES = 256,
    REG_MAX_LAYERS = 64,
};

typedef enum { REG_WEIGHT_TYING, REG_AUGMENTATION, REG_REGULARIZATION } reg_method;

/* What is the same for all members of a population. */
typedef struct {
    study_images images; /* first: see study_images_describe */
    reg_method method;
    iv_group_kind group_kind;
    iv_group_axes axes;
    size_t group_order;
    size_t n_images; /* of a built-in data set */
    size_t n_validation, n_test;
    size_t hidden, layers;
    size_t jacobian_samples;         /* 0: all */
    bool jacobians, jacobians_along; /* are taken, at the end and at points of the curves */
    const char *drift[REG_MAX_DRIFT];
    size_t n_drift;
} reg_setting;

const reg_setting *reg_setting_of(const iv_population *population);

/* ------------------------------------------------------------------ data */

/* Images as a group acts on them. */
typedef struct {
    size_t n_images;
    cl_mem pixels, labels;
    bool zeros; /* most pixels are 0 */
} reg_pool;

typedef struct {
    study_own_images own; /* first */
    study_images_id of;
    size_t n_asked, n_classes;
    iv_group_axes axes;
    iv_group *group;
    cl_mem source, inverse; /* the group's tables */
    reg_pool pool;
} reg_data;

/* Image sets that the study trains on. */
bool reg_learns_from(const iv_dataset_info *info);

/* A set of images that metrics are measured on without training: as many images of it as are
 * tested, as the data's group acts on them. */
iv_status reg_drift_load(iv_experiment *x, const reg_data *data, const reg_setting *setting,
                         const char *name, reg_pool *pool);
void reg_pool_clear(iv_context *context, reg_pool *pool);

/* Each member's permutation of a pool, on the device. */
iv_status reg_splits_create(iv_context *context, const iv_population *population, size_t n_pool,
                            size_t n_train, size_t n_validation, size_t n_test, cl_mem *splits);

/* ------------------------------------------------------------------ on the device */

typedef struct {
    iv_model base;
    const reg_setting *setting;
    const reg_data *data;
    const iv_group *group;
    cl_mem same;      /* ushort [G, hidden]: the table of a group that moves nothing */
    cl_mem seeds, nu; /* [R] */
    cl_mem splits;    /* int [R, n_pool] */
} reg_model;

/* Some images of a pool for every member: entries first .. first + count - 1 of each member's own
 * permutation, splits int32 [R, n_pool] on the device. */
iv_image_source reg_images_of(const reg_model *model, const reg_pool *pool, cl_mem splits,
                              size_t first, size_t count, bool shuffle);

/* Validation or test images. */
iv_image_source reg_images(const reg_model *model, bool test);

/* Logits [rows, C] of images x [rows, D]. parameters: the model's tensors in this graph. sums (may
 * be NULL) gets the first layer's sums before the ReLU: [rows, hidden], or [G, rows, hidden] where
 * weights are tied. */
iv_tensor *reg_model_logits(const reg_model *model, iv_graph *graph, iv_tensor *const *parameters,
                            iv_tensor *x, iv_tensor **sums);
void reg_model_tensors(const reg_model *model, iv_graph *graph, iv_tensor **parameters);

/* ------------------------------------------------------------------ metrics */

/* Rows of metrics.c that other files name. */
typedef enum {
    REG_ACCURACY,
    REG_LI,
    REG_DI,
    REG_SI,
    REG_SIGMA_JACOBIAN,
    REG_SPECTRUM,
    REG_LOSS,
    REG_SIGMA_MAX,
} reg_metric;

const iv_metric_def *reg_metric_def(size_t metric);

/* How a metric follows from an orbit; NULL for those that do not. */
iv_orbit_metric *reg_orbit_metric(size_t metric);

/* On one set of images, n_jacobians of which have their Jacobian taken (0: none). Means go to the
 * values of set number `set` of all members. */
typedef struct reg_on_images reg_on_images;
iv_status reg_on_images_create(const reg_model *model, const iv_image_source *images,
                               size_t n_jacobians, reg_on_images **m);
void reg_on_images_destroy(reg_on_images *m); /* NULL is fine */
iv_status reg_on_images_run(const iv_experiment *x, reg_on_images *m, size_t set, double *values);
iv_status reg_on_images_time(reg_on_images *m, double *seconds);

/* Largest singular value of every layer's weights. */
typedef struct {
    iv_context *context;
    iv_sequence *sequence;
    cl_mem values[REG_MAX_LAYERS]; /* [R, min(out, in)] each */
    size_t widths[REG_MAX_LAYERS];
    size_t n_layers, n_members;
} reg_weight_norms;

iv_status reg_weight_norms_create(const reg_model *model, reg_weight_norms *norms);
void reg_weight_norms_clear(reg_weight_norms *norms); /* a zeroed one is fine */
iv_status reg_weight_norms_run(reg_weight_norms *norms, double *values);

/* ------------------------------------------------------------------ results */

/* The run that stands for all runs of its base and configuration: the smallest nu that reaches what
 * `select` asks for, the one that comes nearest if none does (*reached is false then). Without
 * `select`, the run itself if there is no other, else NULL. */
const iv_trained_run *reg_selected(const iv_trained_runs *all, const iv_trained_run *first,
                                   bool *reached);

/* Whether run number i is the first of its base and configuration. */
bool reg_first_of_base(const iv_trained_runs *all, size_t i);

iv_status reg_add_claims(const iv_trained_runs *all, iv_results *results, iv_error *error);

/* Saliency maps of the models of the first seed; curves, drawn from metrics.jsonl so that a resumed
 * run has them whole. */
iv_status reg_draw_population(iv_experiment *x, iv_model *model);
iv_status reg_draw(const iv_experiment *x, const iv_trained_runs *all);

/* The kind of group of that name, which the schema knows. */
iv_group_kind reg_group_kind(const char *name);

iv_status reg_check_run(iv_spec_check *check, const iv_node *config);
iv_status reg_check_spec(iv_spec_check *check, const iv_node *root);

extern const iv_schema reg_schema;
extern const iv_study_data reg_data_hooks;
extern const iv_study_models reg_models;
extern const iv_study_sets reg_sets;
extern const iv_study_measures reg_measures;
extern const iv_study_results reg_results;
extern const iv_study reg_study;

#endif

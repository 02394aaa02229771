/* What the tests of posteriors share: a population of them under test, written and read through
 * model files, where a factor is a plain square, and what the host knows of it. */
#ifndef INVAR_TESTS_TRAIN_POSTERIOR_TRIAL_H
#define INVAR_TESTS_TRAIN_POSTERIOR_TRIAL_H

#include "setup.h"

#include "train/posterior.h"

enum { MAX_POSTERIORS = 8, TRIAL_ROWS = 7 /* of batches of natural gradients */ };

typedef struct {
    program *program;
    iv_context *context;
    iv_posterior *posterior;
    iv_parameters *others; /* files have more than a posterior */
    iv_optimizer *optimizer;
    iv_sequence *update;
    size_t n_members, n_classes, n_features;
    uint32_t first_seed;         /* member r has seed first_seed + r */
    cl_mem features, curvatures; /* of natural gradients: [R, TRIAL_ROWS, H], [R, TRIAL_ROWS, C] */
} subject;

/* Adam of the tests; learning rates are set by subject_begin. */
typedef struct {
    size_t n_members, n_classes, n_features, n_data, lanes;
    uint32_t first_seed;
    bool point;
    float prior_variance, initial_deviation;
    float alpha_damping;
    bool logits, natural;
    iv_newton_schedule newton;
    float rate; /* of member 0; member r has r + 1 times that */
    iv_optimizer_desc adam;
} plan_of_subject;

subject subject_begin(program *p, const plan_of_subject *plan);
/* What a model file has of a subject. */
#define MODEL_OF(s)                                                                                \
    ((const iv_state *const[]){iv_parameters_state((s)->others),                                   \
                               iv_posterior_state((s)->posterior)}),                               \
        2

void subject_end(subject *s);

/* Means [R, C, H] and factors [R, C, H, H] of all members; factors NULL of a point estimate. */
typedef struct {
    float *means, *factors;
} model;

/* Random: means in [-1, 1), diagonals in +-[0.5, 1.5) (mostly positive), the rest smaller. */
model random_model(const subject *s, uint32_t seed);
void write_model(const subject *s, const model *m);
model read_model(const subject *s);
void free_model(model *m);

/* [R, C H] of a view, to free. */
float *read_weights(const subject *s, iv_view view);
void write_gradients(const subject *s, const float *gradients);

/* A sequence that draws the W of an evaluation. */
iv_sequence *evaluation_begin(const subject *s);
void evaluation_end(const subject *s, iv_sequence *draw);

/* eps of class c and feature j as the header says. */
float eps_at(const subject *s, size_t member, uint32_t stream, uint32_t step, size_t c, size_t j);

/* KL of member r in double precision by way of the covariance: its trace, and its determinant from
 * its eigenvalues. *bound: what rounding may take. */
double kl_by_eigenvalues(const subject *s, const model *m, size_t r, double prior_variance,
                         double *bound);

#endif

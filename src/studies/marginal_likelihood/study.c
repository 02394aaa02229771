/* The marginal-likelihood study (van der Ouderaa and van der Wilk 2022): shallow networks that
 * learn which transformations they are invariant to, by maximising a lower bound of the marginal
 * likelihood. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

/* Training steps at the published size: 1024 hidden units, 32 transformations, batches of 128,
 * rotation learned. Labels are random, which cannot be fitted soon: gradients that vanish would
 * make some CPUs compute with denormal numbers. */
#define STEP(features)                                                                             \
    "study: marginal-likelihood\n"                                                                 \
    "name: step\n"                                                                                 \
    "dataset: {name: mnist, transformation: rotated, train: 10240, test: 1}\n"                     \
    "model: {features: " features ", hidden: 1024, samples: 32, sigma: 0.3}\n"                     \
    "training: {batch: 128, epochs: 1000, learning_rate: 0.001, annealing: none}\n"                \
    "runs: [{name: step, invariance: rotation, eta: 1}]\n"

static const iv_step_entry steps[] = {
    {"relu", STEP("relu")},
    {"rff", STEP("rff")},
    {NULL, NULL},
};

const iv_study ml_study = {
    .schema = &ml_schema,
    .setting_size = sizeof(ml_setting),
    .read = ml_read_setting,
    .work = ml_work,
    .row_name = ml_row_name,
    .data_size = sizeof(ml_data),
    .provide_data = ml_data_provide,
    .clear_data = ml_data_clear,
    .create_model = ml_model_create,
    .destroy_model = ml_model_destroy,
    .create_training = ml_training_create,
    .fit = ml_sgpr_fit,
    .sets = ml_sets,
    .applies = ml_applies,
    .create_measure = ml_measure_create,
    .destroy_measure = ml_measure_destroy,
    .run_measure = ml_measure_run,
    .time_measure = ml_measure_time,
    .shown = ml_shown,
    .add_claims = ml_add_claims,
    .draw_population = ml_draw_population,
    .draw = ml_draw,
    .steps = steps,
};

/* What the tests of training share: a toy population that trains. */
#ifndef INVAR_TESTS_TRAIN_SETUP_H
#define INVAR_TESTS_TRAIN_SETUP_H

#include "trial.h"

#include "../kit/files.h"

#include <invar/train.h>

enum { N_TENSORS = 4 };

/* The optimizers, without learning rates: Adam, SGD, SGD with momentum. */
enum { N_OPTIMIZERS = 3 };
extern const iv_optimizer_desc optimizers[N_OPTIMIZERS];

/* A perceptron of two layers on random images of 3 x 3 pixels, turned at random; cross-entropy.
 * Member r has the seed of number first_member + r and a learning rate of its own. */
typedef struct {
    trial *t;
    iv_parameters *parameters;
    iv_optimizer *optimizer;
    iv_tensor *loss;
} training;

/* With Adam, or with an optimizer of one's own, whose learning rates are set here. */
training training_begin(program *p, size_t n_members, size_t first_member);
training training_begin_with(program *p, size_t n_members, size_t first_member,
                             iv_optimizer_desc desc);
void training_end(program *p, training *a);

/* Destroy at once, or when a small run ends; an optimizer goes with its parameters. */
void release_parameters(program *p, iv_parameters *parameters);
void release_optimizer(program *p, iv_optimizer *optimizer);

/* What a checkpoint has of a training, and a model file of parameters. */
#define STATES_OF(a)                                                                               \
    ((const iv_state *const[]){iv_parameters_state((a)->parameters),                               \
                               iv_optimizer_state((a)->optimizer)}),                               \
        2
#define PARAMETERS_OF(p) ((const iv_state *const[]){iv_parameters_state(p)}), 1

/* All members' parameters, padding included, to free. */
float *training_values(const training *a, size_t *n_per_member);

/* Everything in a view's buffer, to free. */
float *read_buffer(iv_context *context, cl_mem buffer, size_t *n);

#endif

/* Training steps of the autoencoder study at the published size, for `invar bench`: the whole
 * autoencoder on the code of modulus, sine and cosine, batches of 128, gradient descent. */
#include "studies/autoencoder/autoencoder.h"

#include <stdlib.h>

enum { N_SIGNALS = 10240, BATCH = 128, WIDTH = 8 };

typedef struct {
    ae_population population;
    ae_data data;
    ae_model *model;
    study_training training;
    iv_context *context;
} step_state;

static void close_step(iv_study_step *step) {
    step_state *s = step->state;
    if (!s) return;
    study_training_clear(&s->training);
    ae_model_destroy(s->model);
    ae_data_clear(s->context, &s->data);
    free(s->population.members);
    free(s);
    step->state = NULL;
}

static iv_status open_step(iv_context *context, ae_layer layer, size_t d, size_t depth,
                           size_t n_members, iv_study_step *step) {
    step_state *s = step->state = calloc(1, sizeof *s);
    ae_member *members = calloc(n_members, sizeof *members);
    if (!s || !members) {
        free(members);
        free(s);
        step->state = NULL;
        return study_out_of_memory(context);
    }
    /* The rate is small enough for any depth: nothing may diverge however long a step is timed. */
    for (size_t r = 0; r < n_members; r++)
        members[r] = (ae_member){.seed = (uint32_t)r, .learning_rate = 1e-3f, .lambda = 8};
    s->context = context;
    s->population = (ae_population){
        .d = d,
        .n_train = N_SIGNALS,
        .n_test = 1,
        .code = IV_CODE_MODULUS_SINE_COSINE,
        .layer = layer,
        .width = layer == AE_RICH ? 0 : WIDTH,
        .depth = depth,
        .batch = BATCH,
        .optimizer = IV_OPTIMIZER_SGD,
        .members = members,
        .n_members = n_members,
    };
    iv_status status = ae_data_provide(context, &s->population, &s->data);
    if (status == IV_OK) status = ae_model_create(context, &s->population, &s->data, &s->model);
    if (status == IV_OK) status = ae_training_create(s->model, &s->data, &s->training);
    if (status != IV_OK) {
        close_step(step);
        return status;
    }
    step->plan = s->training.plan;
    step->flops = (double)n_members * ae_step_flops(&s->population);
    return IV_OK;
}

static iv_status open_selu_10(iv_context *context, size_t n_members, iv_study_step *step) {
    return open_step(context, AE_SELU, 10, 4, n_members, step);
}

static iv_status open_selu_20(iv_context *context, size_t n_members, iv_study_step *step) {
    return open_step(context, AE_SELU, 20, 20, n_members, step);
}

static iv_status open_rich_10(iv_context *context, size_t n_members, iv_study_step *step) {
    return open_step(context, AE_RICH, 10, 2, n_members, step);
}

static iv_status open_rich_20(iv_context *context, size_t n_members, iv_study_step *step) {
    return open_step(context, AE_RICH, 20, 3, n_members, step);
}

const iv_study_step_entry ae_steps[] = {
    {"selu-d10-depth4", open_selu_10, close_step},
    {"selu-d20-depth20", open_selu_20, close_step},
    {"rich-d10-depth2", open_rich_10, close_step},
    {"rich-d20-depth3", open_rich_20, close_step},
    {NULL, NULL, NULL},
};

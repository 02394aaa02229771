/* Training steps of the marginal-likelihood study at the published size, for `invar bench`: 1024
 * hidden units, 32 transformations, batches of 128, rotation learned. On noise with random labels,
 * which cannot be fitted soon: gradients that vanish would make some CPUs compute with denormal
 * numbers. */
#include "studies/marginal_likelihood/marginal_likelihood.h"

#include <stdlib.h>

enum { N_IMAGES = 10240, BATCH = 128, HIDDEN = 1024, SAMPLES = 32, CLASSES = 10, SIDE = 28 };

typedef struct {
    iv_context *context;
    ml_population population;
    ml_data data;
    ml_model *model;
    study_training training;
} step_state;

static void close_step(iv_study_step *step) {
    step_state *s = step->state;
    if (!s) return;
    study_training_clear(&s->training);
    ml_model_destroy(s->model);
    ml_data_clear(s->context, &s->data);
    free(s->population.members);
    free(s);
    step->state = NULL;
}

static iv_status make_data(step_state *s) {
    iv_dataset images;
    iv_status status = iv_noise_make(0, N_IMAGES, &images, iv_context_error(s->context));
    if (status == IV_OK) {
        iv_scribble(images.pixels, N_IMAGES, SIDE, SIDE);
        status = ml_data_of_images(s->context, &s->population, images.pixels, images.labels,
                                   N_IMAGES, N_IMAGES, &s->data);
    }
    iv_dataset_clear(&images);
    return status;
}

static iv_status open_step(iv_context *context, iv_feature feature, size_t n_members,
                           iv_study_step *step) {
    step_state *s = step->state = calloc(1, sizeof *s);
    ml_member *members = calloc(n_members, sizeof *members);
    if (!s || !members) {
        free(members);
        free(s);
        step->state = NULL;
        return study_out_of_memory(context);
    }
    for (size_t r = 0; r < n_members; r++) {
        members[r] = (ml_member){
            .seed = (uint32_t)r, .learning_rate = 1e-3f, .transformations = IV_DATA_ROTATED};
        members[r].eta[ML_ROTATION] = 1;
        members[r].learned[ML_ROTATION] = 1;
    }
    s->context = context;
    s->population = (ml_population){
        .dataset = "scribbles",
        .shape = {1, SIDE, SIDE},
        .n_classes = CLASSES,
        .n_train = N_IMAGES,
        .feature = feature,
        .hidden = HIDDEN,
        .n_samples = SAMPLES,
        .sigma = 0.3f,
        .alpha = 1,
        .initial_deviation = 1,
        .invariant = true,
        .learns = true,
        .batch = BATCH,
        .epochs = 1000, /* of which a measurement runs a few */
        .eta_rate = 1,
        .beta1 = 0.9f,
        .beta2 = 0.999f,
        .epsilon = 1e-8f,
        .members = members,
        .n_members = n_members,
    };
    iv_status status = make_data(s);
    if (status == IV_OK) status = ml_model_create(context, &s->population, &s->model);
    if (status == IV_OK) status = ml_training_create(s->model, &s->data, &s->training);
    if (status != IV_OK) {
        close_step(step);
        return status;
    }
    step->plan = s->training.plan;
    step->flops = (double)n_members * ml_step_flops(&s->population);
    return IV_OK;
}

static iv_status open_relu(iv_context *context, size_t n_members, iv_study_step *step) {
    return open_step(context, IV_FEATURE_RELU, n_members, step);
}

static iv_status open_rff(iv_context *context, size_t n_members, iv_study_step *step) {
    return open_step(context, IV_FEATURE_COSINE, n_members, step);
}

const iv_study_step_entry ml_step_entries[] = {
    {"relu", open_relu, close_step},
    {"rff", open_rff, close_step},
    {NULL, NULL, NULL},
};

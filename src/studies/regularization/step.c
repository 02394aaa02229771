/* Training steps of the regularization study at the published size, for `invar bench`: rotations by
 * multiples of 90 degrees, five layers of 128, batches of 512. On noise with random labels, which
 * cannot be fitted soon: gradients that vanish would make some CPUs compute with denormal numbers.
 */
#include "studies/regularization/regularization.h"

#include <stdlib.h>

enum { N_IMAGES = 10240, BATCH = 512, HIDDEN = 128, LAYERS = 5, ORDER = 4 };

typedef struct {
    reg_population population;
    reg_model *model;
    reg_pool pool;
    cl_mem splits;
    study_training training;
} step_state;

/* A product of w with its input, and in reverse one for w's gradient and, but for the first layer,
 * one for the input's. */
static double count_flops(const step_state *s) {
    const reg_population *p = &s->population;
    const double pixels = (double)s->model->group->n_pixels, hidden = (double)p->hidden;
    const double batch = (double)p->batch, elements = (double)s->model->group->n_elements;
    const double rows = p->method == REG_REGULARIZATION ? 2 * batch : batch;
    const double first_rows = p->method == REG_WEIGHT_TYING ? elements * batch : rows;
    const double later = hidden * ((double)(p->layers - 2) * hidden + REG_CLASSES);
    return 2 * (double)p->n_members * (2 * first_rows * pixels * hidden + 3 * rows * later);
}

static void close_step(iv_study_step *step) {
    step_state *s = step->state;
    if (!s) return;
    iv_context *context = s->model ? s->model->context : NULL;
    if (context) {
        study_training_clear(&s->training);
        iv_buffer_release(context, s->splits);
        reg_pool_clear(context, &s->pool);
    }
    reg_model_destroy(s->model);
    free(s->population.members);
    free(s);
    step->state = NULL;
}

static iv_status make_pool(iv_context *context, const iv_group *group, reg_pool *pool) {
    iv_dataset images;
    iv_status status = iv_noise_make(0, N_IMAGES, &images, iv_context_error(context));
    if (status == IV_OK) {
        iv_scribble(images.pixels, N_IMAGES, images.height, images.width);
        status = reg_pool_of_images(context, &images, group, pool);
    }
    iv_dataset_clear(&images);
    return status;
}

static iv_status open_step(iv_context *context, reg_method method, size_t n_members,
                           iv_study_step *step) {
    iv_error *error = iv_context_error(context);
    step_state *s = step->state = calloc(1, sizeof *s);
    if (s) s->population.members = calloc(n_members, sizeof *s->population.members);
    if (!s || !s->population.members) {
        close_step(step);
        return iv_fail(error, IV_ENOMEM, "out of memory for a training step");
    }
    reg_member *members = s->population.members;
    for (size_t r = 0; r < n_members; r++)
        members[r] = (reg_member){.seed = (uint32_t)r, .learning_rate = 8e-4f, .nu = 1};
    s->population = (reg_population){
        .method = method,
        .group_kind = IV_GROUP_ROTATION,
        .axes = IV_AXES_XY,
        .group_order = ORDER,
        .n_train = N_IMAGES,
        .hidden = HIDDEN,
        .layers = LAYERS,
        .batch = BATCH,
        .beta1 = 0.9f,
        .beta2 = 0.999f,
        .epsilon = 1e-8f,
        .members = members,
        .n_members = n_members,
    };

    iv_image_source images;
    iv_status status = reg_model_create(context, &s->population, &s->model);
    if (status == IV_OK) status = make_pool(context, s->model->group, &s->pool);
    if (status == IV_OK) status = reg_splits_create(s->model, N_IMAGES, N_IMAGES, 0, 0, &s->splits);
    if (status == IV_OK) {
        reg_images_of(s->model, &s->pool, s->splits, 0, N_IMAGES, true, &images);
        status = reg_training_create(s->model, &images, &s->training);
    }
    if (status != IV_OK) {
        close_step(step);
        return status;
    }
    step->plan = s->training.plan;
    step->flops = count_flops(s);
    return IV_OK;
}

static iv_status open_wt(iv_context *context, size_t n_members, iv_study_step *step) {
    return open_step(context, REG_WEIGHT_TYING, n_members, step);
}

static iv_status open_da(iv_context *context, size_t n_members, iv_study_step *step) {
    return open_step(context, REG_AUGMENTATION, n_members, step);
}

static iv_status open_ir(iv_context *context, size_t n_members, iv_study_step *step) {
    return open_step(context, REG_REGULARIZATION, n_members, step);
}

const iv_study_step_entry reg_steps[] = {
    {"rotation-4-wt", open_wt, close_step},
    {"rotation-4-da", open_da, close_step},
    {"rotation-4-ir", open_ir, close_step},
    {NULL, NULL, NULL},
};

/* The regularization study (Moskalev et al. 2023): weight-tying, data augmentation and invariance
 * regularization of a perceptron, and how invariant each really is. */
#include "studies/regularization/regularization.h"

#include <string.h>

/* ------------------------------------------------------------------ setting */

static reg_method read_method(const char *method) {
    if (strcmp(method, "weight-tying") == 0) return REG_WEIGHT_TYING;
    return strcmp(method, "augmentation") == 0 ? REG_AUGMENTATION : REG_REGULARIZATION;
}

static iv_group_axes read_axes(const char *axes) {
    if (strcmp(axes, "xy") == 0) return IV_AXES_XY;
    return strcmp(axes, "y") == 0 ? IV_AXES_Y : IV_AXES_X;
}

iv_group_kind reg_group_kind(const char *name) {
    size_t i = 0;
    while (strcmp(iv_group_kind_get(i)->name, name) != 0) i++;
    return (iv_group_kind)i;
}

/* Drift sets but for the one that is trained on. */
static void read_drift(const iv_node *config, reg_setting *s) {
    for (size_t i = 0; i < iv_spec_length(config, "metrics.drift"); i++) {
        const char *name = iv_spec_string(iv_spec_element(config, "metrics.drift", i), "");
        if (strcmp(name, s->images.name) != 0 && s->n_drift < REG_MAX_DRIFT)
            s->drift[s->n_drift++] = name;
    }
}

static void read_setting(const iv_node *config, void *setting) {
    reg_setting *s = setting;
    const bool sigma = iv_spec_lists(config, "metrics.names", "sigma_max_jacobian");
    s->method = read_method(iv_spec_string(config, "run.method"));
    s->group_kind = reg_group_kind(iv_spec_string(config, "group.kind"));
    s->axes = read_axes(iv_spec_string(config, "group.axes"));
    s->group_order = (size_t)iv_spec_integer(config, "group.order");
    study_images_read(config, &s->images);
    s->n_images = (size_t)iv_spec_integer(config, "dataset.images");
    s->n_validation = (size_t)iv_spec_integer(config, "dataset.validation");
    s->n_test = (size_t)iv_spec_integer(config, "dataset.test");
    s->hidden = (size_t)iv_spec_integer(config, "model.hidden");
    s->layers = (size_t)iv_spec_integer(config, "model.layers");
    s->jacobian_samples = (size_t)iv_spec_integer(config, "metrics.jacobian_samples");
    s->jacobians = sigma || iv_spec_lists(config, "metrics.names", "jacobian_spectrum");
    /* Jacobians are the dearest metric: along the way only where their decay is drawn. */
    s->jacobians_along = sigma && iv_spec_lists(config, "figures.names", "spectral-decay");
    read_drift(config, s);
}

const reg_setting *reg_setting_of(const iv_population *population) {
    return population->setting;
}

/* ------------------------------------------------------------------ work */

/* Values of an image as the group acts on it. */
static double n_pixels(const reg_setting *s) {
    return (double)iv_image_values(iv_group_padded(s->group_kind, s->group_order, s->images.shape));
}

/* Bound by the batch of images, the largest tensor, and by what surrounds it: activations and their
 * gradients of every layer, and four copies of the parameters. */
static void count_bytes(const iv_population *p, size_t n_copies, iv_work *work) {
    const reg_setting *s = reg_setting_of(p);
    const double pixels = n_pixels(s), hidden = (double)s->hidden, layers = (double)s->layers;
    const double rows = (double)(n_copies * p->batch);
    const double images = rows * pixels * sizeof(float);
    const double activations = rows * hidden * (layers + 4) * sizeof(float);
    const double weights = hidden * (pixels + layers * hidden) * sizeof(float);
    work->buffer_bytes = images;
    work->bytes = images + activations + 5 * weights;
}

/* A product of w with its input, and in reverse one for w's gradient and, but for the first layer,
 * one for the input's. Measuring passes every element's copy of an image, its gradient to the image
 * too. */
static void work(const iv_population *p, iv_work *work) {
    const reg_setting *s = reg_setting_of(p);
    const size_t n_elements = iv_group_elements(s->group_kind, s->group_order, s->axes);
    const bool tied = s->method == REG_WEIGHT_TYING;
    count_bytes(p, tied ? n_elements : s->method == REG_REGULARIZATION ? 2 : 1, work);

    const double pixels = n_pixels(s), hidden = (double)s->hidden, batch = (double)p->batch;
    const double elements = (double)n_elements;
    const double rows = s->method == REG_REGULARIZATION ? 2 * batch : batch;
    const double first_rows = tied ? elements * batch : rows;
    const double later = hidden * ((double)(s->layers - 2) * hidden + (double)s->images.n_classes);
    work->step_flops = 2 * (2 * first_rows * pixels * hidden + 3 * rows * later);

    const double of_image = 4 * elements * ((tied ? elements : 1) * pixels * hidden + later);
    work->point_flops = (double)s->n_validation * of_image;
    work->end_flops = (double)(s->n_validation + s->n_test * (1 + s->n_drift)) * of_image;
}

/* ------------------------------------------------------------------ benchmarks */

/* At the published size: rotations by multiples of 90 degrees, five layers of 128, batches of 512.
 * Labels are random, which cannot be fitted soon: gradients that vanish would make some CPUs
 * compute with denormal numbers. */
#define STEP(run)                                                                                  \
    "study: regularization\n"                                                                      \
    "name: step\n"                                                                                 \
    "dataset: {name: mnist, train: 10240, validation: 0, test: 1}\n"                               \
    "group: {kind: rotation, order: 4}\n"                                                          \
    "model: {hidden: 128, layers: 5}\n"                                                            \
    "training: {batch: 512, epochs: 300, learning_rate: 0.0008}\n"                                 \
    "runs: [{name: step, " run "}]\n"

static const iv_step_entry steps[] = {
    {"rotation-4-wt", STEP("method: weight-tying")},
    {"rotation-4-da", STEP("method: augmentation")},
    {"rotation-4-ir", STEP("method: regularization, nu: 1")},
    {NULL, NULL},
};

const iv_study reg_study = {
    .schema = &reg_schema,
    .setting_size = sizeof(reg_setting),
    .read = read_setting,
    .work = work,
    .data = &reg_data_hooks,
    .models = &reg_models,
    .sets = &reg_sets,
    .measures = &reg_measures,
    .results = &reg_results,
    .steps = steps,
};

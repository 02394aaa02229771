/* A toy population that trains. */
#include "setup.h"

#include "train/train.h"

enum { PIXELS = 9, HIDDEN = 7, CLASSES = 4, BATCH = 5 };

const iv_optimizer_desc optimizers[N_OPTIMIZERS] = {
    {.kind = IV_OPTIMIZER_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f},
    {.kind = IV_OPTIMIZER_SGD},
    {.kind = IV_OPTIMIZER_SGD, .momentum = 0.9f},
};

static void create_optimizer(training *a, size_t first_member, iv_optimizer_desc desc) {
    static const iv_parameter_desc descs[N_TENSORS] = {
        {.name = "layers.0.weight",
         .rank = 2,
         .dims = {HIDDEN, PIXELS},
         .distribution = IV_UNIFORM,
         .scale = 0.4f},
        {.name = "layers.0.bias",
         .rank = 1,
         .dims = {HIDDEN},
         .distribution = IV_UNIFORM,
         .scale = 0.4f},
        {.name = "layers.1.weight",
         .rank = 2,
         .dims = {CLASSES, HIDDEN},
         .distribution = IV_NORMAL,
         .scale = 0.5f},
        {.name = "layers.1.bias",
         .rank = 1,
         .dims = {CLASSES},
         .distribution = IV_UNIFORM,
         .scale = 0.5f},
    };
    iv_context *context = a->t->context;
    const size_t n_members = a->t->n_members;
    float *rates = malloc(n_members * sizeof *rates);
    assert_non_null(rates);
    for (size_t r = 0; r < n_members; r++) rates[r] = 0.01f * (float)(1 + first_member + r);
    assert_ok(context, iv_parameters_create(context, n_members, descs, N_TENSORS, &a->parameters));
    assert_ok(context, iv_parameters_initialize(a->parameters, a->t->images.seeds));
    desc.learning_rates = rates;
    assert_ok(context, iv_optimizer_create(a->parameters, &desc, &a->optimizer));
    free(rates);
}

training training_begin(program *p, size_t n_members, size_t first_member) {
    return training_begin_with(p, n_members, first_member, optimizers[0]);
}

training training_begin_with(program *p, size_t n_members, size_t first_member,
                             iv_optimizer_desc desc) {
    training a = {.t = trial_begin(p, n_members)};
    trial *t = a.t;
    t->first_member = first_member;
    const known_group *group = trial_group(t, IV_GROUP_ROTATION, 4, IV_AXES_XY, 3);
    iv_tensor *images, *labels, *parameters[N_TENSORS], *outputs[N_TENSORS + 1];
    trial_image_batch(t, group, 31, 23, BATCH, IV_COPIES_RANDOM, true, &images, &labels);
    create_optimizer(&a, first_member, desc);

    for (size_t i = 0; i < N_TENSORS; i++)
        parameters[i] = iv_parameters_tensor(a.parameters, t->graph, i);
    iv_tensor *x = iv_reshape(t->graph, images, 2, (const size_t[]){BATCH, PIXELS});
    iv_tensor *h = iv_activate(t->graph, iv_linear(t->graph, x, parameters[0], parameters[1]),
                               IV_ACTIVATION_RELU);
    a.loss =
        iv_cross_entropy(t->graph, iv_linear(t->graph, h, parameters[2], parameters[3]), labels);
    assert_ok(t->context, iv_gradient(t->graph, a.loss, parameters, N_TENSORS, outputs));
    for (size_t i = 0; i < N_TENSORS; i++) iv_optimizer_take(a.optimizer, i, outputs[i]);
    outputs[N_TENSORS] = a.loss;
    assert_ok(t->context, iv_graph_compile(t->graph, outputs, N_TENSORS + 1, &t->plan));
    assert_ok(t->context, iv_optimizer_append(a.optimizer, iv_plan_sequence(t->plan)));
    return a;
}

static void destroy_parameters(void *parameters) {
    iv_parameters_destroy(parameters);
}

static void destroy_optimizer(void *object) {
    iv_optimizer *optimizer = object;
    iv_parameters *parameters = optimizer->parameters;
    iv_optimizer_destroy(optimizer);
    iv_parameters_destroy(parameters);
}

void release_parameters(program *p, iv_parameters *parameters) {
    program_release(p, destroy_parameters, parameters);
}

void release_optimizer(program *p, iv_optimizer *optimizer) {
    program_release(p, destroy_optimizer, optimizer);
}

void training_end(program *p, training *a) {
    trial_end(p, a->t);
    release_optimizer(p, a->optimizer);
}

float *read_buffer(iv_context *context, cl_mem buffer, size_t *n) {
    size_t bytes = 0;
    assert_int_equal(clGetMemObjectInfo(buffer, CL_MEM_SIZE, sizeof bytes, &bytes, NULL), 0);
    float *values = malloc(bytes);
    assert_non_null(values);
    assert_ok(context, iv_buffer_read(context, buffer, 0, bytes, values));
    *n = bytes / sizeof *values;
    return values;
}

float *training_values(const training *a, size_t *n_per_member) {
    float *values =
        read_buffer(a->t->context, iv_parameters_view(a->parameters, 0).buffer, n_per_member);
    *n_per_member /= a->t->n_members;
    return values;
}

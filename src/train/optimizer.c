/* Optimizers: one launch updates neighbouring parameters of all
 * members. Kernels: cl/optimizer.cl. */
#include "train/train.h"

#include <invar/tune.h>

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const iv_optimizer_method adam = {"Adam", 2, {"adam.mean", "adam.variance"}};
static const iv_optimizer_method sgd = {"SGD without momentum", 0, {NULL}};
static const iv_optimizer_method sgd_momentum = {"SGD with momentum", 1, {"sgd.velocity"}};

static bool is_fraction(float x) {
    return x >= 0.0f && x < 1.0f;
}

static iv_status choose_method(const iv_optimizer_desc *desc, const iv_optimizer_method **method,
                               iv_error *error) {
    switch (desc->kind) {
    case IV_OPTIMIZER_ADAM:
        if (!is_fraction(desc->beta1) || !is_fraction(desc->beta2))
            return iv_fail(error, IV_EINVAL, "Adam: the betas %g and %g must be in [0, 1)",
                           (double)desc->beta1, (double)desc->beta2);
        *method = &adam;
        return IV_OK;
    case IV_OPTIMIZER_SGD:
        if (!(desc->momentum >= 0.0f) || isinf(desc->momentum))
            return iv_fail(error, IV_EINVAL, "SGD: the momentum %g must be at least 0 and finite",
                           (double)desc->momentum);
        *method = desc->momentum > 0.0f ? &sgd_momentum : &sgd;
        return IV_OK;
    }
    return iv_fail(error, IV_EINVAL, "there is no optimizer of kind %d", (int)desc->kind);
}

/* ------------------------------------------------------------------ what is saved */

/* The method whose tensors a checkpoint has; the one that keeps none comes last. */
static const char *kind_in(const iv_safetensors *checkpoint) {
    const iv_optimizer_method *const methods[] = {&adam, &sgd_momentum, &sgd};
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        size_t found = 0;
        for (size_t i = 0; i < methods[m]->n_states; i++)
            found += iv_safetensors_find(checkpoint, methods[m]->states[i]) != NULL;
        if (found == methods[m]->n_states) return methods[m]->title;
    }
    return NULL;
}

static void declare(iv_optimizer *o) {
    const iv_parameters *p = o->parameters;
    for (size_t i = 0; i < o->method->n_states; i++)
        o->kept[i] = (iv_saved){.name = o->method->states[i], .view = {o->states[i], 0, p->stride}};
    o->state = (iv_state){.context = p->context,
                          .n_members = p->n_members,
                          .kept = o->kept,
                          .n_kept = o->method->n_states,
                          .what = "optimizer",
                          .kind = o->method->title,
                          .kind_in = kind_in};
}

const iv_state *iv_optimizer_state(const iv_optimizer *o) {
    return &o->state;
}

/* ------------------------------------------------------------------ creating */

/* Rates, and what they are multiplied with when a plan updates. */
static iv_status create_rates(iv_optimizer *o, const float *rates) {
    iv_context *context = o->parameters->context;
    const size_t n = o->parameters->n_members;
    float *descents = malloc(n * sizeof *descents);
    o->taken = calloc(o->parameters->n_parameters, sizeof *o->taken);
    if (!descents || !o->taken) {
        free(descents);
        return iv_fail(iv_context_error(context), IV_ENOMEM, "out of memory for an optimizer");
    }
    for (size_t r = 0; r < n; r++) descents[r] = -rates[r];
    const float *const values[] = {rates, descents};
    cl_mem *const buffers[] = {&o->learning_rates, &o->descents};
    iv_status status = IV_OK;
    for (size_t i = 0; i < 2 && status == IV_OK; i++) {
        status = iv_buffer_create(context, n * sizeof(float), buffers[i]);
        if (status == IV_OK)
            status = iv_buffer_write(context, *buffers[i], 0, n * sizeof(float), values[i]);
    }
    free(descents);
    return status;
}

static iv_status check_rates(const iv_parameters *p) {
    for (size_t i = 0; i < p->n_parameters; i++) {
        const float rate = p->descs[i].relative_rate;
        if (!(rate >= 0.0f) || isinf(rate))
            return iv_fail(iv_context_error(p->context), IV_EINVAL,
                           "%s: the relative learning rate %g must be at least 0 and finite",
                           p->descs[i].name, (double)rate);
    }
    return IV_OK;
}

iv_status iv_create_zeros(iv_context *context, size_t bytes, cl_mem *buffer) {
    const iv_status status = iv_buffer_create(context, bytes, buffer);
    return status == IV_OK ? iv_buffer_fill(context, *buffer, 0, bytes, 0) : status;
}

iv_status iv_optimizer_create(iv_parameters *parameters, const iv_optimizer_desc *desc,
                              iv_optimizer **out) {
    *out = NULL;
    iv_context *context = parameters->context;
    const iv_optimizer_method *method = NULL;
    iv_status status = choose_method(desc, &method, iv_context_error(context));
    if (status == IV_OK) status = check_rates(parameters);
    if (status != IV_OK) return status;
    iv_optimizer *o = calloc(1, sizeof *o);
    if (!o) return iv_fail(iv_context_error(context), IV_ENOMEM, "out of memory for an optimizer");
    o->parameters = parameters;
    o->method = method;
    o->desc = *desc;
    o->desc.learning_rates = NULL;

    const size_t n_members = parameters->n_members;
    const size_t bytes = n_members * parameters->stride * sizeof(float);
    status = create_rates(o, desc->learning_rates);
    if (status == IV_OK) status = iv_create_zeros(context, bytes, &o->gradient);
    for (size_t i = 0; i < method->n_states && status == IV_OK; i++)
        status = iv_create_zeros(context, bytes, &o->states[i]);
    if (status == IV_OK) declare(o);
    if (status != IV_OK)
        iv_optimizer_destroy(o);
    else
        *out = o;
    return status;
}

void iv_optimizer_destroy(iv_optimizer *o) {
    if (!o) return;
    iv_context *context = o->parameters->context;
    iv_buffer_release(context, o->learning_rates);
    iv_buffer_release(context, o->descents);
    free(o->taken);
    iv_buffer_release(context, o->gradient);
    for (size_t i = 0; i < IV_MAX_OPTIMIZER_STATES; i++) iv_buffer_release(context, o->states[i]);
    free(o);
}

iv_view iv_optimizer_gradient_view(const iv_optimizer *o, size_t i) {
    return (iv_view){o->gradient, o->parameters->offsets[i], o->parameters->stride};
}

static float relative_rate(const iv_parameter_desc *desc) {
    return desc->relative_rate == 0.0f ? 1.0f : desc->relative_rate;
}

void iv_optimizer_take(iv_optimizer *o, size_t i, iv_tensor *gradient) {
    const iv_parameters *p = o->parameters;
    const bool plain = o->method == &sgd && o->desc.cosine_steps == 0;
    if (!plain || p->descs[i].fixed || relative_rate(&p->descs[i]) != 1.0f) {
        iv_place(gradient, iv_optimizer_gradient_view(o, i));
        return;
    }
    o->taken[i] = true;
    iv_add_to(gradient, (iv_view){p->values, p->offsets[i], p->stride},
              (iv_view){o->descents, 0, 1});
}

/* A stretch of neighbouring parameters that learn at the same rate. */
typedef struct {
    size_t first, n; /* elements of a member, padding included: multiples of a vector */
    float rate_factor;
} stretch;

static void arg_adam(iv_launch *launch, const iv_optimizer_desc *desc) {
    iv_arg_float(launch, desc->beta1);
    iv_arg_float(launch, desc->beta2);
    iv_arg_float(launch, (float)log(desc->beta1));
    iv_arg_float(launch, (float)log(desc->beta2));
    iv_arg_float(launch, desc->epsilon);
}

static iv_status append_stretch(const iv_optimizer *o, stretch s, iv_sequence *sequence) {
    const iv_parameters *p = o->parameters;
    /* Long runs a work-item on CPUs, neighbours side by side on GPUs. */
    const size_t width = iv_kernel_value(p->context, "optimizer", "VW");
    const size_t chunk = iv_kernel_value(p->context, "optimizer", "CHUNK");
    assert(IV_PARAMETER_VECTOR % width == 0);
    char options[48];
    snprintf(options, sizeof options, "-DVW=%zu -DCHUNK=%zu", width, chunk);
    const char *function = o->method == &adam ? "adam" : o->method == &sgd ? "sgd" : "sgd_momentum";

    iv_launch *launch = iv_launch_begin(sequence, "optimizer", function, options);
    iv_arg_buffer(launch, p->values);
    iv_arg_buffer(launch, o->gradient);
    for (size_t i = 0; i < o->method->n_states; i++) iv_arg_buffer(launch, o->states[i]);
    iv_arg_buffer(launch, o->learning_rates);
    iv_arg_float(launch, s.rate_factor);
    iv_arg_uint(launch, o->desc.cosine_steps);
    iv_arg_uint(launch, p->stride);
    iv_arg_uint(launch, s.first);
    iv_arg_uint(launch, s.n);
    iv_arg_step(launch);
    if (o->method == &adam)
        arg_adam(launch, &o->desc);
    else if (o->method == &sgd_momentum)
        iv_arg_float(launch, o->desc.momentum);
    return iv_launch_end_by_member(
        launch, 2, (const size_t[]){(s.n / width + chunk - 1) / chunk, p->n_members},
        chunk > 1 ? (const size_t[]){1, 1} : NULL);
}

/* The first stretch at or after parameter *i, which moves past it;
 * of no elements after the last. */
static stretch next_stretch(const iv_optimizer *o, size_t *i) {
    const iv_parameters *p = o->parameters;
    while (*i < p->n_parameters && (p->descs[*i].fixed || o->taken[*i])) ++*i;
    if (*i == p->n_parameters) return (stretch){0, 0, 1.0f};
    const float rate_factor = relative_rate(&p->descs[*i]);
    const size_t first = p->offsets[*i];
    while (*i < p->n_parameters && !p->descs[*i].fixed && !o->taken[*i] &&
           relative_rate(&p->descs[*i]) == rate_factor)
        ++*i;
    const size_t end = *i == p->n_parameters ? p->stride : p->offsets[*i];
    return (stretch){first, end - first, rate_factor};
}

iv_status iv_optimizer_append(iv_optimizer *o, iv_sequence *sequence) {
    size_t i = 0;
    iv_status status = IV_OK;
    for (stretch s = next_stretch(o, &i); s.n > 0 && status == IV_OK; s = next_stretch(o, &i))
        status = append_stretch(o, s, sequence);
    return status;
}

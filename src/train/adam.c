/* Adam: one launch updates all parameters of all members. Kernel: cl/adam.cl. */
#include "train/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

iv_status iv_adam_create(iv_parameters *parameters, const iv_adam_desc *desc, iv_adam **out) {
    *out = NULL;
    iv_context *context = parameters->context;
    iv_adam *adam = calloc(1, sizeof *adam);
    if (!adam)
        return iv_fail(iv_context_error(context), IV_ENOMEM, "out of memory for an optimizer");
    adam->parameters = parameters;
    adam->desc = *desc;
    adam->desc.learning_rates = NULL;

    const size_t n_members = parameters->n_members;
    const size_t bytes = n_members * parameters->stride * sizeof(float);
    iv_status status = iv_buffer_create(context, n_members * sizeof(float), &adam->learning_rates);
    if (status == IV_OK)
        status = iv_buffer_write(context, adam->learning_rates, 0, n_members * sizeof(float),
                                 desc->learning_rates);
    cl_mem *const states[] = {&adam->gradient, &adam->mean, &adam->variance};
    for (size_t i = 0; i < 3 && status == IV_OK; i++) {
        status = iv_buffer_create(context, bytes, states[i]);
        if (status == IV_OK) status = iv_buffer_fill(context, *states[i], 0, bytes, 0);
    }
    if (status != IV_OK)
        iv_adam_destroy(adam);
    else
        *out = adam;
    return status;
}

void iv_adam_destroy(iv_adam *adam) {
    if (!adam) return;
    iv_context *context = adam->parameters->context;
    iv_buffer_release(context, adam->learning_rates);
    iv_buffer_release(context, adam->gradient);
    iv_buffer_release(context, adam->mean);
    iv_buffer_release(context, adam->variance);
    free(adam);
}

iv_view iv_adam_gradient_view(const iv_adam *adam, size_t i) {
    return (iv_view){adam->gradient, adam->parameters->offsets[i], adam->parameters->stride};
}

iv_status iv_adam_append(iv_adam *adam, iv_sequence *sequence) {
    const iv_parameters *p = adam->parameters;
    /* Long runs a work-item on CPUs, neighbours side by side on GPUs. */
    const bool cpu = iv_context_device(p->context)->type == IV_DEVICE_CPU;
    const size_t width = cpu ? IV_PARAMETER_VECTOR : 4, chunk = cpu ? 64 : 1;
    char options[48];
    snprintf(options, sizeof options, "-DVW=%zu -DCHUNK=%zu", width, chunk);
    iv_launch *launch = iv_launch_begin(sequence, "adam", "adam", options);
    iv_arg_buffer(launch, p->values);
    iv_arg_buffer(launch, adam->gradient);
    iv_arg_buffer(launch, adam->mean);
    iv_arg_buffer(launch, adam->variance);
    iv_arg_buffer(launch, adam->learning_rates);
    iv_arg_float(launch, adam->desc.beta1);
    iv_arg_float(launch, adam->desc.beta2);
    iv_arg_float(launch, (float)log(adam->desc.beta1));
    iv_arg_float(launch, (float)log(adam->desc.beta2));
    iv_arg_float(launch, adam->desc.epsilon);
    iv_arg_uint(launch, p->stride);
    iv_arg_step(launch);
    return iv_launch_end_by_member(
        launch, 2, (const size_t[]){(p->stride / width + chunk - 1) / chunk, p->n_members},
        cpu ? (const size_t[]){1, 1} : NULL);
}

/* The parameters of a population: one buffer, named tensors in it. */
#include "train/train.h"

#include <invar/random.h>

#include <stdlib.h>

enum { ALIGNMENT = 2 * IV_PARAMETER_VECTOR }; /* elements: whole vectors and cache lines */

size_t iv_parameter_elements(const iv_parameter_desc *desc) {
    size_t n = 1;
    for (unsigned i = 0; i < desc->rank; i++) n *= desc->dims[i];
    return n;
}

static size_t aligned(size_t n) {
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void declare(iv_parameters *p) {
    for (size_t i = 0; i < p->n_parameters; i++) {
        const iv_parameter_desc *desc = &p->descs[i];
        iv_saved *tensor = &p->exported[i];
        *tensor =
            (iv_saved){.name = desc->name, .view = iv_parameters_view(p, i), .rank = desc->rank};
        for (unsigned k = 0; k < desc->rank; k++) tensor->dims[k] = desc->dims[k];
    }
    p->kept = (iv_saved){.name = "parameters", .view = {p->values, 0, p->stride}};
    p->state = (iv_state){.context = p->context,
                          .n_members = p->n_members,
                          .exported = p->exported,
                          .n_exported = p->n_parameters,
                          .kept = &p->kept,
                          .n_kept = 1};
}

iv_status iv_parameters_create(iv_context *context, size_t n_members,
                               const iv_parameter_desc *descs, size_t n_parameters,
                               iv_parameters **out) {
    *out = NULL;
    iv_error *error = iv_context_error(context);
    iv_parameters *p = calloc(1, sizeof *p);
    if (!p) return iv_fail(error, IV_ENOMEM, "out of memory for parameters");
    p->context = context;
    p->n_members = n_members;
    p->n_parameters = n_parameters;
    p->descs = malloc(n_parameters * sizeof *p->descs);
    p->offsets = malloc(n_parameters * sizeof *p->offsets);
    p->exported = malloc(n_parameters * sizeof *p->exported);
    iv_status status = IV_OK;
    if (!p->descs || !p->offsets || !p->exported) {
        status = iv_fail(error, IV_ENOMEM, "out of memory for parameters");
        goto done;
    }
    for (size_t i = 0; i < n_parameters; i++) {
        p->descs[i] = descs[i];
        p->offsets[i] = p->stride;
        p->stride += aligned(iv_parameter_elements(&descs[i]));
    }
    size_t bytes;
    status = iv_multiply_size(n_members * sizeof(float), p->stride, &bytes, error);
    if (status == IV_OK) status = iv_buffer_create(context, bytes, &p->values);
    if (status == IV_OK) status = iv_buffer_fill(context, p->values, 0, bytes, 0);

    if (status == IV_OK) declare(p);

done:
    if (status != IV_OK)
        iv_parameters_destroy(p);
    else
        *out = p;
    return status;
}

void iv_parameters_destroy(iv_parameters *p) {
    if (!p) return;
    iv_buffer_release(p->context, p->values);
    free(p->descs);
    free(p->offsets);
    free(p->exported);
    free(p);
}

static iv_status append_draw(iv_parameters *p, size_t i, cl_mem seeds, iv_sequence *sequence) {
    const iv_parameter_desc *desc = &p->descs[i];
    const size_t n = iv_parameter_elements(desc);
    const char *function = desc->distribution == IV_NORMAL ? "normal_fill" : "uniform_fill";
    iv_launch *launch = iv_launch_begin(sequence, "random_fill", function, NULL);
    iv_arg_view(launch, iv_parameters_view(p, i));
    iv_arg_buffer(launch, seeds);
    iv_arg_uint(launch, IV_STREAM_INITIAL);
    iv_arg_uint(launch, i);
    iv_arg_uint(launch, n);
    iv_arg_uint(launch, p->n_members);
    iv_arg_float(launch, desc->scale);
    return iv_launch_end(launch, 2, (const size_t[]){(n + 3) / 4, p->n_members}, NULL);
}

iv_status iv_parameters_initialize(iv_parameters *p, const uint32_t *seeds) {
    cl_mem device_seeds = NULL;
    iv_sequence *sequence = NULL;
    /* a scale of zero draws nothing, so that no zero is negative */
    iv_status status =
        iv_buffer_fill(p->context, p->values, 0, p->n_members * p->stride * sizeof(float), 0);
    if (status == IV_OK)
        status = iv_buffer_create(p->context, p->n_members * sizeof *seeds, &device_seeds);
    if (status == IV_OK)
        status = iv_buffer_write(p->context, device_seeds, 0, p->n_members * sizeof *seeds, seeds);
    if (status == IV_OK) status = iv_sequence_create(p->context, &sequence);
    for (size_t i = 0; i < p->n_parameters && status == IV_OK; i++)
        if (p->descs[i].scale != 0.0f) status = append_draw(p, i, device_seeds, sequence);
    if (status == IV_OK) status = iv_sequence_run(sequence, 0);
    if (status == IV_OK) status = iv_context_finish(p->context);
    iv_sequence_destroy(sequence);
    iv_buffer_release(p->context, device_seeds);
    return status;
}

size_t iv_parameters_count(const iv_parameters *p) {
    return p->n_parameters;
}

const iv_parameter_desc *iv_parameters_desc(const iv_parameters *p, size_t i) {
    return &p->descs[i];
}

iv_view iv_parameters_view(const iv_parameters *p, size_t i) {
    return (iv_view){p->values, p->offsets[i], p->stride};
}

iv_tensor *iv_parameters_tensor(const iv_parameters *p, iv_graph *graph, size_t i) {
    const iv_view view = iv_parameters_view(p, i);
    return iv_input(graph, IV_F32, p->descs[i].rank, p->descs[i].dims, &view);
}

const iv_state *iv_parameters_state(const iv_parameters *p) {
    return &p->state;
}

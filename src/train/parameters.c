/* The parameters of a population: one buffer, named tensors in it. */
#include "train/posterior.h"

#include <invar/random.h>

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 2 * IV_PARAMETER_VECTOR }; /* elements: whole vectors and cache lines */

size_t iv_parameter_elements(const iv_parameter_desc *desc) {
    size_t n = 1;
    for (unsigned i = 0; i < desc->rank; i++) n *= desc->dims[i];
    return n;
}

static size_t aligned(size_t n) {
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
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
    iv_status status = IV_OK;
    if (!p->descs || !p->offsets) {
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

iv_status iv_parameters_export(const iv_parameters *p, const iv_posterior *posterior, size_t member,
                               const char *path, const iv_metadata *metadata, size_t n_metadata) {
    iv_error *error = iv_context_error(p->context);
    const size_t n_entries = p->n_parameters + iv_posterior_n_tensors(posterior);
    float *values = malloc(p->stride * sizeof *values), *of_posterior = NULL;
    iv_tensor_entry *entries = calloc(n_entries, sizeof *entries);
    iv_status status = IV_OK;
    if (!values || !entries) status = iv_fail(error, IV_ENOMEM, "out of memory for a model file");
    if (status == IV_OK)
        status = iv_buffer_read(p->context, p->values, member * p->stride * sizeof *values,
                                p->stride * sizeof *values, values);
    for (size_t i = 0; i < p->n_parameters && status == IV_OK; i++) {
        entries[i].name = p->descs[i].name;
        entries[i].rank = p->descs[i].rank;
        memcpy(entries[i].shape, p->descs[i].dims, p->descs[i].rank * sizeof(size_t));
        entries[i].data = values + p->offsets[i];
    }
    if (status == IV_OK)
        status = iv_posterior_export(posterior, member, entries + p->n_parameters, &of_posterior);
    if (status == IV_OK)
        status = iv_safetensors_write(path, entries, n_entries, metadata, n_metadata, error);
    free(of_posterior);
    free(entries);
    free(values);
    return status;
}

static bool same_shape(const iv_tensor_entry *entry, const iv_parameter_desc *desc) {
    return entry->rank == desc->rank &&
           memcmp(entry->shape, desc->dims, desc->rank * sizeof(size_t)) == 0;
}

static iv_status check_tensors(const iv_parameters *p, const iv_posterior *posterior,
                               const iv_safetensors *file, const char *path) {
    iv_error *error = iv_context_error(p->context);
    const size_t n = p->n_parameters + iv_posterior_n_tensors(posterior);
    if (iv_safetensors_count(file) != n)
        return iv_fail(error, IV_EDATA, "%s holds %zu tensors, the model has %zu", path,
                       iv_safetensors_count(file), n);
    for (size_t i = 0; i < p->n_parameters; i++) {
        const iv_tensor_entry *entry = iv_safetensors_find(file, p->descs[i].name);
        if (!entry || !same_shape(entry, &p->descs[i]))
            return iv_fail(error, IV_EDATA, "%s: tensor %s is missing or of another shape", path,
                           p->descs[i].name);
    }
    return iv_posterior_check(posterior, file, path);
}

iv_status iv_parameters_import(iv_parameters *p, iv_posterior *posterior, size_t member,
                               const char *path) {
    iv_safetensors *file;
    iv_status status = iv_safetensors_open(path, &file, iv_context_error(p->context));
    if (status != IV_OK) return status;
    status = check_tensors(p, posterior, file, path);
    for (size_t i = 0; i < p->n_parameters && status == IV_OK; i++) {
        const iv_tensor_entry *entry = iv_safetensors_find(file, p->descs[i].name);
        status = iv_buffer_write(p->context, p->values,
                                 (member * p->stride + p->offsets[i]) * sizeof(float),
                                 iv_parameter_elements(&p->descs[i]) * sizeof(float), entry->data);
    }
    if (status == IV_OK) status = iv_posterior_import(posterior, file, member);
    iv_safetensors_close(file);
    return status;
}

/* Probes: opening, running, comparing, and what they are made of. */
#include "tuning/probe.h"

#include <invar/random.h>

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static iv_status no_memory(iv_context *context) {
    return iv_fail(iv_context_error(context), IV_ENOMEM, "no memory for the tuner");
}

/* ------------------------------------------------------------------ contents */

static uint32_t word(size_t i, size_t k) {
    uint32_t words[4];
    iv_philox(1, IV_STREAM_TEST, (uint32_t)i, (uint32_t)k, words);
    return words[0];
}

static float number(size_t i, size_t k) {
    return 0.55f + 0.45f * iv_uniform_symmetric(word(i, k));
}

cl_mem probe_copy(probe *p, size_t bytes, const void *contents) {
    cl_mem *buffer = &p->buffers[p->n_buffers];
    assert(p->n_buffers < PROBE_BUFFERS);
    if (iv_buffer_create(p->context, bytes, buffer) != IV_OK) return NULL;
    p->n_buffers++;
    return iv_buffer_write(p->context, *buffer, 0, bytes, contents) == IV_OK ? *buffer : NULL;
}

cl_mem probe_buffer(probe *p, size_t n_floats) {
    float *values = malloc(n_floats * sizeof *values);
    if (!values) {
        (void)no_memory(p->context);
        return NULL;
    }
    for (size_t k = 0; k < n_floats; k++) values[k] = number(PROBE_INPUTS + p->n_buffers, k);
    cl_mem buffer = probe_copy(p, n_floats * sizeof *values, values);
    free(values);
    return buffer;
}

cl_mem probe_bytes(probe *p, size_t n, unsigned below) {
    uint8_t *bytes = malloc(n);
    if (!bytes) {
        (void)no_memory(p->context);
        return NULL;
    }
    for (size_t k = 0; k < n; k++) bytes[k] = (uint8_t)(word(p->n_buffers, k) % below);
    cl_mem buffer = probe_copy(p, n, bytes);
    free(bytes);
    return buffer;
}

enum { MOST_MEMBERS = 16 };

iv_view probe_seeds(probe *p) {
    uint32_t seeds[MOST_MEMBERS];
    for (size_t r = 0; r < MOST_MEMBERS; r++) seeds[r] = (uint32_t)r + 1;
    return (iv_view){probe_copy(p, p->n_members * sizeof *seeds, seeds), 0, 1};
}

static iv_tensor *input(probe *p, iv_dtype dtype, unsigned rank, const size_t *dims) {
    iv_tensor *tensor = iv_input(p->graph, dtype, rank, dims, NULL);
    assert(p->n_inputs < PROBE_INPUTS);
    p->inputs[p->n_inputs] = tensor;
    p->types[p->n_inputs++] = dtype;
    return tensor;
}

iv_tensor *probe_floats(probe *p, unsigned rank, const size_t *dims) {
    return input(p, IV_F32, rank, dims);
}

iv_tensor *probe_labels(probe *p, size_t n) {
    return input(p, IV_I32, 1, &n);
}

static iv_status write_input(const probe *p, size_t i) {
    const iv_view view = iv_plan_view(p->plan, p->inputs[i]);
    const size_t n = iv_elements(p->inputs[i]);
    const bool whole = p->types[i] == IV_I32;
    union {
        float real;
        int32_t whole;
    } *values = malloc(n * sizeof *values);
    if (!values) return no_memory(p->context);
    for (size_t k = 0; k < n && whole; k++) values[k].whole = (int32_t)(word(i, k) % 10);
    for (size_t k = 0; k < n && !whole; k++) values[k].real = number(i, k);
    iv_status status = IV_OK;
    for (size_t r = 0; r < p->n_members && view.buffer && status == IV_OK; r++)
        status = iv_buffer_write(p->context, view.buffer,
                                 (view.offset + r * view.stride) * sizeof *values,
                                 n * sizeof *values, values);
    free(values);
    return status;
}

/* ------------------------------------------------------------------ open and close */

/* NaN in all results, which a kernel has to replace. */
static iv_status poison(const probe *p) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < p->n_results; i++)
        for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
            const iv_view view = p->results[i].view;
            status = iv_buffer_fill(p->context, view.buffer,
                                    (view.offset + r * view.stride) * sizeof(float),
                                    p->results[i].n * sizeof(float), 0x7fc00000U);
        }
    return status;
}

static iv_status open_graph(probe *p, const probe_kind *kind) {
    size_t n = 0;
    iv_status status = iv_graph_create(p->context, p->n_members, &p->graph);
    if (status != IV_OK) return status;
    kind->build(p);
    status = iv_context_error(p->context)->status; /* of buffers; of tensors: compiling says it */
    if (status != IV_OK) return status;
    while (n < PROBE_OUTPUTS && p->outputs[n]) n++;
    status = iv_graph_compile(p->graph, p->outputs, n, &p->plan);
    if (status != IV_OK) return status;
    p->sequence = iv_plan_sequence(p->plan);
    p->n_results = n;
    for (size_t i = 0; i < n; i++) {
        p->results[i].view = iv_plan_view(p->plan, p->outputs[i]);
        p->results[i].n = iv_elements(p->outputs[i]);
    }
    status = poison(p); /* before the inputs, whose memory may be the same */
    for (size_t i = 0; i < p->n_inputs && status == IV_OK; i++) status = write_input(p, i);
    return status;
}

static iv_status run(probe *p) {
    if (p->run) return p->run(p);
    const iv_status status = iv_sequence_run(p->sequence, 0);
    return status == IV_OK ? iv_context_finish(p->context) : status;
}

iv_status probe_open(iv_context *context, const probe_kind *kind, probe *p) {
    const bool is_cpu = iv_context_device(context)->type == IV_DEVICE_CPU;
    *p = (probe){.context = context, .n_members = is_cpu ? 2 : MOST_MEMBERS};
    const iv_status status = kind->build ? open_graph(p, kind) : kind->open(p);
    return status == IV_OK ? run(p) : status;
}

void probe_close(probe *p) {
    iv_plan_destroy(p->plan);
    iv_graph_destroy(p->graph);
    iv_sequence_destroy(p->own_sequence);
    iv_posterior_destroy(p->posterior);
    iv_optimizer_destroy(p->optimizer);
    iv_parameters_destroy(p->parameters);
    sgpr_destroy(p->regression);
    iv_signal_set_clear(p->context, &p->signals);
    for (size_t i = 0; i < p->n_buffers; i++) iv_buffer_release(p->context, p->buffers[i]);
    *p = (probe){.context = p->context};
}

/* ------------------------------------------------------------------ results */

size_t probe_size(const probe *p) {
    size_t n = p->run ? 1 : 0;
    for (size_t i = 0; i < p->n_results; i++) n += p->results[i].n * p->n_members;
    return n;
}

iv_status probe_read(const probe *p, float *values) {
    iv_status status = IV_OK;
    if (p->run) *values++ = (float)p->number;
    for (size_t i = 0; i < p->n_results; i++)
        for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
            const iv_view view = p->results[i].view;
            status = iv_buffer_read(p->context, view.buffer,
                                    (view.offset + r * view.stride) * sizeof *values,
                                    p->results[i].n * sizeof *values, values);
            values += p->results[i].n;
        }
    return status;
}

static bool agrees(const float *right, const float *values, size_t n) {
    const float tolerance = 1e-4f;
    float largest = 0.0f;
    for (size_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(right[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(values[i] - right[i]) <= tolerance * largest)) return false;
    return true;
}

bool probe_agrees(const probe *p, const float *right, const float *values) {
    size_t at = p->run ? 1 : 0;
    if (p->run && !agrees(right, values, 1)) return false;
    for (size_t i = 0; i < p->n_results; i++) {
        const size_t n = p->results[i].n * p->n_members;
        if (!agrees(right + at, values + at, n)) return false;
        at += n;
    }
    return true;
}

iv_status probe_time(probe *p, double budget, double *seconds) {
    if (!p->run) return iv_tune_time(p->context, p->sequence, budget, seconds);
    const double start = iv_seconds();
    *seconds = INFINITY;
    for (int i = 0; i < 10 && (i < 2 || iv_seconds() - start < budget); i++) {
        const double before = iv_seconds();
        const iv_status status = run(p);
        if (status != IV_OK) return status;
        *seconds = fmin(*seconds, iv_seconds() - before);
    }
    return IV_OK;
}

/* ------------------------------------------------------------------ all of them */

const probe_kind *probe_of(const char *kernel, const char *name) {
    const probe_kind *const tables[] = {probe_graphs, probe_systems};
    const size_t sizes[] = {n_probe_graphs, n_probe_systems};
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < sizes[t]; i++)
            if (strcmp(tables[t][i].kernel, kernel) == 0 && strcmp(tables[t][i].name, name) == 0)
                return &tables[t][i];
    return NULL;
}

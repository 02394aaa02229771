/* Singular values of the studies' matrices: Jacobians of many inputs, weights of many members. */
#include "bench/bench.h"

#include <invar/linalg.h>

#include <stdio.h>

enum { N_LAYERS = 5 };

typedef struct {
    size_t m, n, batch;
} matrices;

/* Append the singular values of random matrices; *buffer holds the matrices. */
static iv_status append(bench *b, iv_sequence *sequence, const matrices *a, cl_mem *buffer) {
    const size_t n_values = a->m < a->n ? a->m : a->n;
    cl_mem values;
    iv_status status = bench_random_buffer(b, 3, a->m * a->n * a->batch, 0.1f, buffer);
    if (status == IV_OK)
        status = iv_sequence_buffer(sequence, n_values * a->batch * sizeof(float), &values);
    if (status == IV_OK)
        status = iv_svd(sequence, &(iv_svd_desc){.m = a->m,
                                                 .n = a->n,
                                                 .batch = a->batch,
                                                 .a = {*buffer, 0, a->m * a->n},
                                                 .s = {values, 0, n_values}});
    return status;
}

static iv_status measure(bench *b, const char *name, const matrices *list, size_t n) {
    if (!bench_wants(b, name)) return IV_OK;
    cl_mem buffers[N_LAYERS] = {NULL};
    iv_sequence *sequence = NULL;
    iv_status status = iv_sequence_create(b->context, &sequence);
    for (size_t i = 0; i < n && status == IV_OK; i++)
        status = append(b, sequence, &list[i], &buffers[i]);
    if (status == IV_OK)
        status =
            bench_sequence(b, &(bench_work){.name = name, .unit = "ms", .scale = 1e3}, sequence);
    iv_sequence_destroy(sequence);
    for (size_t i = 0; i < n; i++) iv_buffer_release(b->context, buffers[i]);
    return status;
}

iv_status bench_svd(bench *b) {
    static const matrices single[] = {{10, 784, 1024}, {128, 784, 1}, {128, 784, 5},
                                      {128, 128, 5},   {10, 128, 1},  {10, 128, 5}};
    /* the weights of one network of the regularization study */
    static const matrices network[N_LAYERS] = {
        {128, 784, 1}, {128, 128, 1}, {128, 128, 1}, {128, 128, 1}, {10, 128, 1}};
    iv_status status = IV_OK;
    for (size_t i = 0; i < sizeof single / sizeof *single && status == IV_OK; i++) {
        char name[72];
        snprintf(name, sizeof name, "svd/%zux%zu-x%zu", single[i].m, single[i].n, single[i].batch);
        status = measure(b, name, &single[i], 1);
    }
    if (status == IV_OK) status = measure(b, "svd/weights-784-128x4-10", network, N_LAYERS);
    return status;
}

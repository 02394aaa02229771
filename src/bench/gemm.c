/* Matrix products of the studies' shapes through iv_gemm, whatever the chosen engine has to pack
 * included. */
#include "bench/bench.h"

#include <invar/linalg.h>

#include <stdio.h>
#include <string.h>

typedef struct {
    size_t m, n, k;
    char layout[3];    /* of A and B: N as written, T stored transposed */
    size_t batches[4]; /* ends with 0 */
} shape;

static const shape shapes[] = {
    /* a batch of 512 images through the first layer: forward, the weights' gradient, the input's */
    {512, 128, 784, "nt", {1, 8}},
    {128, 784, 512, "tn", {1, 8}},
    {512, 784, 128, "nn", {1, 8}},
    /* hidden and last layer */
    {512, 128, 128, "nt", {1, 8}},
    {128, 128, 512, "tn", {1, 8}},
    {512, 128, 128, "nn", {1, 8}},
    {512, 10, 128, "nt", {1, 8}},
    /* the first layer on whole orbits (weight-tying) and on pairs (invariance regularization) */
    {2048, 128, 784, "nt", {1, 8}},
    {128, 784, 2048, "tn", {1, 8}},
    {1024, 128, 784, "nt", {1, 8}},
    {128, 784, 1024, "tn", {1, 8}},
    /* small layers of an autoencoder, which only a population makes large */
    {128, 80, 80, "nt", {1, 4, 16, 64}},
    /* many transformed filters at once, forward and back */
    {4096, 1024, 784, "nn", {1}},
    {4096, 1024, 784, "nt", {1}},
    {4096, 1024, 784, "tn", {1}},
    {4096, 1024, 784, "tt", {1}},
    {1024, 784, 4096, "nn", {1}},
    {1024, 784, 4096, "nt", {1}},
    {1024, 784, 4096, "tn", {1}},
    {1024, 784, 4096, "tt", {1}},
};

static iv_status measure(bench *b, const shape *s, size_t batch) {
    char name[72], suffix[24] = "";
    if (batch > 1) snprintf(suffix, sizeof suffix, "-x%zu", batch);
    snprintf(name, sizeof name, "gemm/%zux%zux%zu-%s%s", s->m, s->n, s->k, s->layout, suffix);
    if (!bench_wants(b, name)) return IV_OK;

    const bool transpose_a = s->layout[0] == 't', transpose_b = s->layout[1] == 't';
    const double flops = 2.0 * (double)(s->m * s->n) * (double)s->k * (double)batch;
    cl_mem left = NULL, right = NULL, product = NULL;
    iv_sequence *sequence = NULL;
    iv_status status = bench_random_buffer(b, 1, batch * s->m * s->k, 1, &left);
    if (status == IV_OK) status = bench_random_buffer(b, 2, batch * s->k * s->n, 1, &right);
    if (status == IV_OK)
        status = iv_buffer_create(b->context, batch * s->m * s->n * sizeof(float), &product);
    if (status == IV_OK) status = iv_sequence_create(b->context, &sequence);
    if (status == IV_OK)
        status = iv_gemm(sequence, &(iv_gemm_desc){.m = s->m,
                                                   .n = s->n,
                                                   .k = s->k,
                                                   .batch = batch,
                                                   .transpose_a = transpose_a,
                                                   .transpose_b = transpose_b,
                                                   .a = {left, 0, s->m * s->k},
                                                   .b = {right, 0, s->k * s->n},
                                                   .c = {product, 0, s->m * s->n},
                                                   .lda = transpose_a ? s->m : s->k,
                                                   .ldb = transpose_b ? s->k : s->n,
                                                   .ldc = s->n});
    if (status == IV_OK)
        status = bench_sequence(b,
                                &(bench_work){.name = name,
                                              .unit = "GFLOP/s",
                                              .is_rate = true,
                                              .scale = 1e-9 * flops,
                                              .flops = flops},
                                sequence);
    iv_sequence_destroy(sequence);
    iv_buffer_release(b->context, left);
    iv_buffer_release(b->context, right);
    iv_buffer_release(b->context, product);
    return status;
}

iv_status bench_gemm(bench *b) {
    iv_status status = IV_OK;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t k = 0; k < 4 && shapes[i].batches[k] && status == IV_OK; k++)
            status = measure(b, &shapes[i], shapes[i].batches[k]);
    return status;
}

/* The self-test of a device: small pieces of work whose results are known. */
#include "tuning/probe.h"

#include <invar/linalg.h>
#include <invar/random.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a part has at hand; all of it is released when it is over. */
typedef struct {
    iv_context *context;
    iv_sequence *sequence;
    void *memory[8];
    size_t n_memory;
    char wrong[160]; /* what is wrong; "" if nothing is */
} trial;

/* ------------------------------------------------------------------ what parts are made of */

static iv_error *error_of(const trial *t) {
    return iv_context_error(t->context);
}

/* Zeros of the host. NULL, and said so in the context, without memory. */
static void *memory(trial *t, size_t n, size_t bytes) {
    void *values = calloc(n, bytes);
    if (!values)
        (void)iv_fail(error_of(t), IV_ENOMEM, "no memory for the self-test");
    else
        t->memory[t->n_memory++] = values;
    return values;
}

/* n numbers on [-1, 1), others for every `which`. */
static float *numbers(trial *t, uint32_t which, size_t n) {
    float *values = memory(t, n, sizeof *values);
    for (size_t i = 0; values && i < n; i++) {
        uint32_t words[4];
        iv_philox(1, IV_STREAM_TEST, which, (uint32_t)i, words);
        values[i] = iv_uniform_symmetric(words[0]);
    }
    return values;
}

static cl_mem put(trial *t, const void *values, size_t bytes) {
    cl_mem buffer = NULL;
    iv_status status =
        values ? iv_sequence_buffer(t->sequence, bytes, &buffer) : error_of(t)->status;
    if (status == IV_OK) status = iv_buffer_write(t->context, buffer, 0, bytes, values);
    return status == IV_OK ? buffer : NULL;
}

static iv_view view_of(cl_mem buffer, size_t stride) {
    return (iv_view){buffer, 0, stride};
}

/* A buffer of NaN, which a kernel has to replace. */
static cl_mem room(trial *t, size_t n) {
    cl_mem buffer = NULL;
    iv_status status = iv_sequence_buffer(t->sequence, n * sizeof(float), &buffer);
    if (status == IV_OK)
        status = iv_buffer_fill(t->context, buffer, 0, n * sizeof(float), 0x7fc00000U);
    return status == IV_OK ? buffer : NULL;
}

static iv_status run(trial *t) {
    const iv_status status = iv_sequence_run(t->sequence, 0);
    return status == IV_OK ? iv_context_finish(t->context) : status;
}

static float *take(trial *t, cl_mem buffer, size_t n) {
    float *values = memory(t, n, sizeof *values);
    if (!values || iv_buffer_read(t->context, buffer, 0, n * sizeof *values, values) != IV_OK)
        return NULL;
    return values;
}

/* Remember the first number that is not within `bound` of what is right. */
static void compare(trial *t, const char *what, size_t i, double got, double right, double bound) {
    if (*t->wrong || fabs(got - right) <= bound) return;
    snprintf(t->wrong, sizeof t->wrong, "%s %zu is %.9g instead of %.9g", what, i, got, right);
}

/* ------------------------------------------------------------------ parts known from the host */

/* Bit for bit. */
static iv_status check_random(trial *t) {
    enum { N = 1000 };
    const uint32_t seeds[] = {7, 0x9e3779b9U};
    const cl_mem on_device = put(t, seeds, sizeof seeds), out = room(t, 2 * N);
    if (!on_device || !out) return error_of(t)->status;
    iv_launch *launch = iv_launch_begin(t->sequence, "random_fill", "uniform_fill", NULL);
    iv_arg_view(launch, view_of(out, N));
    iv_arg_buffer(launch, on_device);
    iv_arg_uint(launch, IV_STREAM_TEST);
    iv_arg_uint(launch, 3);
    iv_arg_uint(launch, N);
    iv_arg_uint(launch, 2);
    iv_arg_float(launch, 1.0f);
    iv_status status = iv_launch_end(launch, 2, (const size_t[]){(N + 3) / 4, 2}, NULL);
    if (status == IV_OK) status = run(t);
    const float *got = status == IV_OK ? take(t, out, 2 * N) : NULL;
    for (size_t i = 0; got && i < 2 * N; i++) {
        uint32_t words[4];
        iv_philox(seeds[i / N], IV_STREAM_TEST, 3, (uint32_t)(i % N / 4), words);
        compare(t, "number", i, (double)got[i], (double)iv_uniform_symmetric(words[i % N % 4]), 0);
    }
    return got ? IV_OK : error_of(t)->status;
}

/* The product of a layer forward, of its gradient to the input, and to the weights. A sum of K
 * rounded products is off by K + 2 roundings of their magnitudes at the most. */
static iv_status check_product(trial *t, bool transpose_a, bool transpose_b) {
    enum { M = 70, N = 66, K = 90 };
    const float *a = numbers(t, 1, M * K), *b = numbers(t, 2, K * N), *bias = numbers(t, 3, N);
    const bool forward = transpose_b;
    const cl_mem on_device[] = {put(t, a, sizeof(float[M * K])), put(t, b, sizeof(float[K * N])),
                                put(t, bias, sizeof(float[N])), room(t, M * N)};
    for (size_t i = 0; i < 4; i++)
        if (!on_device[i]) return error_of(t)->status;
    const iv_gemm_desc product = {.m = M,
                                  .n = N,
                                  .k = K,
                                  .batch = 1,
                                  .transpose_a = transpose_a,
                                  .transpose_b = transpose_b,
                                  .a = view_of(on_device[0], 0),
                                  .b = view_of(on_device[1], 0),
                                  .c = view_of(on_device[3], 0),
                                  .lda = transpose_a ? M : K,
                                  .ldb = transpose_b ? K : N,
                                  .ldc = N,
                                  .bias = view_of(forward ? on_device[2] : NULL, 0),
                                  .activation = forward ? IV_ACTIVATION_RELU : IV_ACTIVATION_NONE};
    iv_status status = iv_gemm(t->sequence, &product);
    if (status == IV_OK) status = run(t);
    const float *got = status == IV_OK ? take(t, on_device[3], M * N) : NULL;
    for (size_t e = 0; got && e < M * N; e++) {
        const size_t i = e / N, j = e % N;
        double sum = forward ? (double)bias[j] : 0.0, magnitude = fabs(sum);
        for (size_t k = 0; k < K; k++) {
            const double term = (double)a[transpose_a ? k * M + i : i * K + k] *
                                (double)b[transpose_b ? j * K + k : k * N + j];
            sum += term;
            magnitude += fabs(term);
        }
        compare(t, "entry", e, (double)got[e], forward ? fmax(sum, 0.0) : sum,
                (K + 2) * (double)FLT_EPSILON / 2 * magnitude);
    }
    return got ? IV_OK : error_of(t)->status;
}

static iv_status check_forward(trial *t) {
    return check_product(t, false, true);
}

static iv_status check_backward(trial *t) {
    return check_product(t, false, false);
}

static iv_status check_weights(trial *t) {
    return check_product(t, true, false);
}

/* Matrices of known singular values: rows of a diagonal matrix D mixed by reflections H = I - 2 v
 * v^T from both sides, H D H', whose values are those of D. */
static void mirror(double *matrix, size_t rows, size_t columns, const float *v, bool from_left) {
    const size_t n = from_left ? rows : columns, others = from_left ? columns : rows;
    const size_t step = from_left ? columns : 1, stride = from_left ? 1 : columns;
    double square = 0.0;
    for (size_t i = 0; i < n; i++) square += (double)v[i] * (double)v[i];
    for (size_t o = 0; o < others; o++) {
        double dot = 0.0;
        for (size_t i = 0; i < n; i++) dot += (double)v[i] * matrix[o * stride + i * step];
        for (size_t i = 0; i < n; i++)
            matrix[o * stride + i * step] -= 2.0 * dot / square * (double)v[i];
    }
}

static iv_status check_values(trial *t, size_t rows, size_t columns) {
    enum { BATCH = 20 };
    const size_t k = rows < columns ? rows : columns, size = rows * columns;
    float *a = memory(t, BATCH * size, sizeof *a);
    double *matrix = memory(t, size, sizeof *matrix);
    const float *v = numbers(t, 4, rows + columns + BATCH);
    if (!a || !matrix || !v) return error_of(t)->status;
    for (size_t m = 0; m < BATCH; m++) {
        memset(matrix, 0, size * sizeof *matrix);
        for (size_t i = 0; i < k; i++) matrix[i * columns + i] = (double)(k - i) / (double)(m + 1);
        mirror(matrix, rows, columns, v + m, true);
        mirror(matrix, rows, columns, v + rows, false);
        for (size_t e = 0; e < size; e++) a[m * size + e] = (float)matrix[e];
    }
    const cl_mem in = put(t, a, BATCH * size * sizeof *a), out = room(t, BATCH * k);
    if (!in || !out) return error_of(t)->status;
    iv_status status = iv_svd(
        t->sequence,
        &(iv_svd_desc){
            .m = rows, .n = columns, .batch = BATCH, .a = view_of(in, size), .s = view_of(out, k)});
    if (status == IV_OK) status = run(t);
    const float *got = status == IV_OK ? take(t, out, BATCH * k) : NULL;
    for (size_t i = 0; got && i < BATCH * k; i++) { /* iv_svd promises 1e-5 of the largest */
        const double scale = 1.0 / (double)(i / k + 1);
        compare(t, "value", i, (double)got[i], scale * (double)(k - i % k),
                1e-5 * scale * (double)k);
    }
    return got ? IV_OK : error_of(t)->status;
}

static iv_status check_jacobians(trial *t) {
    return check_values(t, 10, 200);
}

static iv_status check_layers(trial *t) {
    return check_values(t, 72, 50);
}

/* L L^T = A = B B^T + n I, whose factor is known to be within a few n roundings. */
static iv_status check_cholesky(trial *t) {
    enum { N = 100 };
    const float *b = numbers(t, 5, N * N);
    float *a = memory(t, N * N, sizeof *a);
    if (!a || !b) return error_of(t)->status;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = i == j ? N : 0.0;
            for (size_t k = 0; k < N; k++) sum += (double)b[i * N + k] * (double)b[j * N + k];
            a[i * N + j] = (float)sum;
        }
    const cl_mem matrix = put(t, a, sizeof(float[N * N])), failed = room(t, 1);
    if (!matrix || !failed) return error_of(t)->status;
    const iv_cholesky_desc desc = {N, 1, N, view_of(matrix, 0), view_of(failed, 0)};
    iv_status status = iv_cholesky(t->sequence, &desc);
    if (status == IV_OK) status = run(t);
    if (status == IV_OK) status = iv_cholesky_check(t->context, &desc, "the self-test's matrix");
    const float *l = status == IV_OK ? take(t, matrix, N * N) : NULL;
    for (size_t i = 0; l && i < N; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0.0, magnitude = 0.0;
            for (size_t k = 0; k <= j; k++) {
                sum += (double)l[i * N + k] * (double)l[j * N + k];
                magnitude += fabs((double)l[i * N + k] * (double)l[j * N + k]);
            }
            compare(t, "entry of L L^T", i * N + j, sum, (double)a[i * N + j],
                    (N + 2) * (double)FLT_EPSILON * magnitude);
        }
    return l ? IV_OK : error_of(t)->status;
}

/* ------------------------------------------------------------------ parts in two forms */

/* Results of an open probe. What is no graph moves numbers: it has to move them again when it runs
 * once more. */
static iv_status read_form(trial *t, probe *p, float **values) {
    const size_t n = probe_size(p);
    float *before = memory(t, n, sizeof *before);
    *values = memory(t, n, sizeof **values);
    if (!before || !*values) return IV_ENOMEM;
    iv_status status = probe_read(p, before);
    if (status != IV_OK || p->plan) {
        *values = before;
        return status;
    }
    status = iv_sequence_run(p->sequence, 1);
    if (status == IV_OK) status = iv_context_finish(t->context);
    if (status == IV_OK) status = probe_read(p, *values);
    if (status == IV_OK && memcmp(before, *values, n * sizeof *before) == 0)
        snprintf(t->wrong, sizeof t->wrong, "an update changes nothing");
    return status;
}

/* A probe of the tuner with the number that it uses and with another one: the same but for rounding. */
static iv_status check_forms(trial *t, const char *kernel, const char *name) {
    const iv_kernel_parameter *rows;
    const size_t n_rows = iv_kernel_parameters(&rows);
    const iv_kernel_parameter *row = rows;
    while (row < rows + n_rows && (strcmp(row->kernel, kernel) || strcmp(row->name, name))) row++;
    const size_t used = iv_kernel_value(t->context, kernel, name);
    const size_t other = used == row->cpu ? row->gpu : row->cpu;
    const size_t forms[] = {used, other == used ? row->candidates[0] : other};
    float *values[2] = {NULL, NULL};
    iv_status status = IV_OK;
    for (size_t i = 0; i < 2 && status == IV_OK; i++) {
        probe p = {.context = t->context};
        status = iv_kernel_set(t->context, kernel, name, forms[i]);
        if (status == IV_OK) status = probe_open(t->context, probe_of(kernel, name), &p);
        if (status == IV_OK) status = read_form(t, &p, &values[i]);
        if (status == IV_OK && i == 1 && !*t->wrong && !probe_agrees(&p, values[0], values[1]))
            snprintf(t->wrong, sizeof t->wrong, "%s.%s of %zu and of %zu give different results",
                     kernel, name, forms[0], forms[1]);
        probe_close(&p);
    }
    const iv_status restored = iv_kernel_set(t->context, kernel, name, used);
    return status == IV_OK ? restored : status;
}

/* ------------------------------------------------------------------ all of them */

static const struct {
    const char *name;
    iv_status (*check)(trial *t);
    const char *kernel, *number; /* where there is no check: forms to compare */
} parts[] = {
    {"random numbers", check_random, NULL, NULL},
    {"products, forward", check_forward, NULL, NULL},
    {"products, backward", check_backward, NULL, NULL},
    {"products, weights", check_weights, NULL, NULL},
    {"singular values, Jacobians", check_jacobians, NULL, NULL},
    {"singular values, layers", check_layers, NULL, NULL},
    {"Cholesky factors", check_cholesky, NULL, NULL},
    {"batches of images", NULL, "image_batch", "WHOLE"},
    {"images under a group", NULL, "orbit", "WHOLE"},
    {"transformed images", NULL, "warp", "VECTORS"},
    {"gradients of transformations", NULL, "affine", "LANES"},
    {"batches of signals", NULL, "fourier", "LANES"},
    {"rich layers", NULL, "rich", "ROWS"},
    {"cross-entropy", NULL, "loss", "WIDE"},
    {"mean square error", NULL, "mean_square", "LANES"},
    {"losses of pairs", NULL, "pair_loss", "LANES"},
    {"updates", NULL, "optimizer", "VW"},
    {"posteriors", NULL, "posterior", "LANES"},
};

iv_status iv_device_test(iv_context *context,
                         void (*result)(void *user, const iv_test_result *result), void *user,
                         size_t *n_right) {
    const size_t n_parts = sizeof parts / sizeof *parts;
    size_t n_wrong = 0;
    for (size_t i = 0; i < n_parts; i++) {
        trial t = {.context = context};
        const double start = iv_seconds();
        iv_status status = iv_sequence_create(context, &t.sequence);
        if (status == IV_OK)
            status = parts[i].check ? parts[i].check(&t)
                                    : check_forms(&t, parts[i].kernel, parts[i].number);
        const bool is_wrong = status == IV_OK && *t.wrong;
        n_wrong += status != IV_OK || is_wrong;
        if (result)
            result(user, &(iv_test_result){.part = parts[i].name,
                                           .outcome = is_wrong          ? IV_TEST_WRONG
                                                      : status == IV_OK ? IV_TEST_RIGHT
                                                                        : IV_TEST_FAILED,
                                           .problem = is_wrong          ? t.wrong
                                                      : status == IV_OK ? ""
                                                                        : error_of(&t)->message,
                                           .seconds = iv_seconds() - start});
        iv_error_clear(error_of(&t));
        iv_sequence_destroy(t.sequence);
        for (size_t m = 0; m < t.n_memory; m++) free(t.memory[m]);
    }
    *n_right = n_parts - n_wrong;
    return n_wrong == 0
               ? IV_OK
               : iv_fail(iv_context_error(context), IV_EFAILED,
                         "%zu of %zu parts do not work on %s (driver %s)", n_wrong, n_parts,
                         iv_context_device(context)->name, iv_context_device(context)->driver);
}

/* Products to tune on: operands, the right result in double precision, and the stopwatch. */
#include "linalg/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Members begin at an offset, as they do in the arena of a plan. */
enum { FIRST_ELEMENT = 64 };

enum { MAX_CHECKED_ROWS = 256 };

static const double unit_roundoff = 1.0 / (1 << 24);

/* Uniform on [-1, 1): splitmix64. */
static float uniform(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (float)(z >> 40) / (float)(1 << 23) - 1.0f;
}

/* A buffer of `batch` members of `elements` random values each, and its copy on the host. */
static iv_status random_view(iv_context *context, size_t elements, size_t batch, uint64_t *seed,
                             iv_view *view, float **host) {
    size_t total, bytes;
    iv_error *error = iv_context_error(context);
    *view = (iv_view){NULL, FIRST_ELEMENT, elements};
    iv_status status = iv_multiply_size(elements, batch, &total, error);
    if (status == IV_OK)
        status = iv_multiply_size(total + FIRST_ELEMENT, sizeof(float), &bytes, error);
    if (status != IV_OK) return status;
    *host = malloc(bytes);
    if (!*host) return iv_fail(error, IV_ENOMEM, "no memory for an operand of %zu bytes", bytes);
    for (size_t i = 0; i < total + FIRST_ELEMENT; i++) (*host)[i] = uniform(seed);
    status = iv_buffer_create(context, bytes, &view->buffer);
    return status == IV_OK ? iv_buffer_write(context, view->buffer, 0, bytes, *host) : status;
}

/* ------------------------------------------------------------------ the right result */

typedef struct {
    float *a, *b, *bias, *gate;
} host_operands;

/* The row of C that is checked as number c: all of them, or, where there are many, those of the
 * first and the last tiles and some between. */
static size_t checked_row(const iv_product *product, size_t c) {
    const size_t m = product->desc.m, n = product->n_rows, edge = n * 3 / 8;
    if (m == n || c < edge) return c;
    if (c >= n - edge) return m - (n - c);
    return edge + (c - edge) * (m - 2 * edge) / (n - 2 * edge);
}

/* One member: right and tolerance [n_rows, n + 1]; b [k, n] is
 * op(B); row [2 (n + 1)] is scratch. */
static void multiply_member(const iv_product *product, const host_operands *host, size_t r,
                            const double *b, double *right, double *tolerance, double *row) {
    const iv_gemm_desc *d = &product->desc;
    const float *a = host->a + d->a.offset + r * d->a.stride;
    double *magnitude = row + d->n + 1;
    /* k multiply-adds, each of which rounds once, and what the epilogue adds. */
    const double bound = ((double)d->k + 4.0) * unit_roundoff;

    for (size_t c = 0; c < product->n_rows; c++, right += d->n + 1, tolerance += d->n + 1) {
        const size_t i = checked_row(product, c);
        memset(row, 0, 2 * (d->n + 1) * sizeof *row);
        for (size_t p = 0; p < d->k; p++) {
            const double left = (double)a[d->transpose_a ? p * d->lda + i : i * d->lda + p];
            for (size_t j = 0; j < d->n; j++) {
                const double term = left * b[p * d->n + j];
                row[j] += term;
                magnitude[j] += fabs(term);
            }
            row[d->n] += left;
            magnitude[d->n] += fabs(left);
        }
        for (size_t j = 0; j <= d->n; j++) {
            double value = row[j];
            if (j < d->n && host->bias) {
                const double bias = host->bias[d->bias.offset + r * d->bias.stride + j];
                value += bias;
                magnitude[j] += fabs(bias);
            }
            if (j < d->n && d->activation == IV_ACTIVATION_RELU && value < 0.0) value = 0.0;
            if (j < d->n && host->gate &&
                host->gate[d->gate.offset + r * d->gate.stride + i * d->n + j] <= 0.0f)
                value = 0.0;
            right[j] = value;
            tolerance[j] = bound * magnitude[j];
        }
    }
}

/* op(B) of a member as [k, n]. */
static void widen_b(const iv_gemm_desc *d, const host_operands *host, size_t r, double *out) {
    const float *b = host->b + d->b.offset + r * d->b.stride;
    for (size_t p = 0; p < d->k; p++)
        for (size_t j = 0; j < d->n; j++)
            out[p * d->n + j] = (double)b[d->transpose_b ? j * d->ldb + p : p * d->ldb + j];
}

static iv_status multiply_on_host(iv_product *product, const host_operands *host) {
    const iv_gemm_desc *d = &product->desc;
    const size_t entries = product->n_rows * (d->n + 1);
    size_t bytes;
    iv_error *error = iv_context_error(product->context);
    const iv_status status =
        iv_multiply_size(entries, product->n_checked * sizeof(double), &bytes, error);
    if (status != IV_OK) return status;

    double *row = malloc(2 * (d->n + 1) * sizeof *row);
    double *b = malloc(d->k * d->n * sizeof *b); /* k n floats were allocated before */
    product->right = malloc(bytes);
    product->tolerance = malloc(bytes);
    product->result = malloc(d->m * d->n * sizeof *product->result);
    product->result_sums = malloc(d->m * sizeof *product->result_sums);
    const bool good =
        row && b && product->right && product->tolerance && product->result && product->result_sums;
    for (size_t c = 0; c < product->n_checked && good; c++) {
        const size_t r = c ? d->batch - 1 : 0;
        widen_b(d, host, r, b);
        multiply_member(product, host, r, b, product->right + c * entries,
                        product->tolerance + c * entries, row);
    }
    free(row);
    free(b);
    return good
               ? IV_OK
               : iv_fail(error, IV_ENOMEM, "no memory to check a product of %zu x %zu", d->m, d->n);
}

/* ------------------------------------------------------------------ making a product */

iv_status iv_product_create(iv_context *context, size_t m, size_t n, size_t k, bool transpose_a,
                            bool transpose_b, size_t batch, iv_product *product) {
    *product = (iv_product){.context = context,
                            .n_checked = batch > 1 ? 2 : 1,
                            .n_rows = m < MAX_CHECKED_ROWS ? m : MAX_CHECKED_ROWS};
    iv_gemm_desc *d = &product->desc;
    *d = (iv_gemm_desc){.m = m,
                        .n = n,
                        .k = k,
                        .batch = batch,
                        .transpose_a = transpose_a,
                        .transpose_b = transpose_b,
                        .lda = transpose_a ? m : k,
                        .ldb = transpose_b ? k : n,
                        .ldc = n};
    host_operands host = {0};
    float *c = NULL, *sums = NULL;
    uint64_t seed = m * 1000003 + n * 1009 + k;
    iv_status status = random_view(context, m * k, batch, &seed, &d->a, &host.a);
    if (status == IV_OK) status = random_view(context, k * n, batch, &seed, &d->b, &host.b);
    if (status == IV_OK) status = random_view(context, m * n, batch, &seed, &d->c, &c);

    /* A layer forward, its gradient with respect to its input, and to its weights. */
    if (status == IV_OK && transpose_b && !transpose_a) {
        status = random_view(context, n, batch, &seed, &d->bias, &host.bias);
        d->activation = IV_ACTIVATION_RELU;
    } else if (status == IV_OK && !transpose_a) {
        status = random_view(context, m * n, batch, &seed, &d->gate, &host.gate);
        d->gate_activation = IV_ACTIVATION_RELU;
    } else if (status == IV_OK && !transpose_b) {
        status = random_view(context, m, batch, &seed, &d->row_sums, &sums);
    }
    if (status == IV_OK) status = multiply_on_host(product, &host);

    free(host.a);
    free(host.b);
    free(host.bias);
    free(host.gate);
    free(c);
    free(sums);
    if (status != IV_OK) iv_product_destroy(product);
    return status;
}

void iv_product_destroy(iv_product *product) {
    if (!product->context) return;
    const iv_gemm_desc *d = &product->desc;
    const cl_mem buffers[] = {d->a.buffer,    d->b.buffer,    d->c.buffer,
                              d->bias.buffer, d->gate.buffer, d->row_sums.buffer};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        iv_buffer_release(product->context, buffers[i]);
    free(product->right);
    free(product->tolerance);
    free(product->result);
    free(product->result_sums);
    *product = (iv_product){0};
}

/* ------------------------------------------------------------------ measuring */

/* NaN in all that a candidate has to write. */
static iv_status poison(const iv_product *product, const iv_view *view, size_t elements) {
    const uint32_t quiet_nan = 0x7fc00000;
    if (!view->buffer) return IV_OK;
    return iv_buffer_fill(product->context, view->buffer, view->offset * sizeof(float),
                          elements * product->desc.batch * sizeof(float), quiet_nan);
}

static iv_status read_member(const iv_product *product, const iv_view *view, size_t elements,
                             size_t r, float *out) {
    if (!view->buffer) return IV_OK;
    return iv_buffer_read(product->context, view->buffer,
                          (view->offset + r * view->stride) * sizeof(float),
                          elements * sizeof(float), out);
}

static bool is_right(float result, double right, double tolerance) {
    return fabs((double)result - right) <= tolerance; /* false for NaN */
}

/* How many entries of a member are not right, or, in rows that are
 * not checked, were not written. */
static size_t count_wrong(const iv_product *product, const double *right, const double *tolerance) {
    const iv_gemm_desc *d = &product->desc;
    size_t wrong = 0;
    for (size_t i = 0; i < d->m * d->n; i++) wrong += isnan(product->result[i]) != 0;
    for (size_t c = 0; c < product->n_rows; c++, right += d->n + 1, tolerance += d->n + 1) {
        const size_t i = checked_row(product, c);
        for (size_t j = 0; j < d->n; j++)
            wrong += !is_right(product->result[i * d->n + j], right[j], tolerance[j]);
        if (d->row_sums.buffer)
            wrong += !is_right(product->result_sums[i], right[d->n], tolerance[d->n]);
    }
    return wrong;
}

/* Compare the members that have a reference. */
static iv_status compare(iv_product *product, size_t *wrong) {
    const iv_gemm_desc *d = &product->desc;
    const size_t entries = product->n_rows * (d->n + 1);
    *wrong = 0;
    for (size_t c = 0; c < product->n_checked; c++) {
        const size_t r = c ? d->batch - 1 : 0;
        iv_status status = read_member(product, &d->c, d->m * d->n, r, product->result);
        if (status == IV_OK)
            status = read_member(product, &d->row_sums, d->m, r, product->result_sums);
        if (status != IV_OK) return status;
        *wrong +=
            count_wrong(product, product->right + c * entries, product->tolerance + c * entries);
    }
    return IV_OK;
}

/* Runs in groups of at least 2 ms, so that neither the wait nor the clock counts, until the budget
 * is spent or ten groups are done. */
iv_status iv_tune_time(iv_context *context, iv_sequence *sequence, double budget, double *seconds) {
    const double start = iv_seconds();
    size_t n_runs = 1;
    *seconds = INFINITY;
    for (int group = 0; group < 10 && (group < 2 || iv_seconds() - start < budget); group++) {
        const double group_start = iv_seconds();
        iv_status status = IV_OK;
        for (size_t i = 0; i < n_runs && status == IV_OK; i++)
            status = iv_sequence_run(sequence, 0);
        if (status == IV_OK) status = iv_context_finish(context);
        if (status != IV_OK) return status;
        const double each = (iv_seconds() - group_start) / (double)n_runs;
        if (each < *seconds) *seconds = each;
        n_runs = (size_t)fmin(fmax(2e-3 / *seconds, 1.0), 200.0);
    }
    return IV_OK;
}

bool iv_product_measure(iv_product *product, iv_product_append append, const iv_gemm_choice *choice,
                        double budget, double *seconds, char *why, size_t why_bytes) {
    iv_context *context = product->context;
    const iv_gemm_desc *d = &product->desc;
    iv_sequence *sequence = NULL;
    size_t wrong = 0;
    iv_status status = poison(product, &d->c, d->m * d->n);
    if (status == IV_OK) status = poison(product, &d->row_sums, d->m);
    if (status == IV_OK) status = iv_sequence_create(context, &sequence);
    if (status == IV_OK) status = append(sequence, d, choice);
    if (status == IV_OK) status = iv_sequence_run(sequence, 0);
    if (status == IV_OK) status = iv_context_finish(context);
    if (status == IV_OK) status = compare(product, &wrong);
    if (status == IV_OK && wrong == 0) status = iv_tune_time(context, sequence, budget, seconds);
    iv_sequence_destroy(sequence);

    if (status == IV_OK && wrong == 0) {
        *seconds /= (double)d->batch;
        return true;
    }
    if (status == IV_OK)
        snprintf(why, why_bytes, "%zu entries are wrong", wrong);
    else
        snprintf(why, why_bytes, "%s", iv_context_error(context)->message);
    iv_error_clear(iv_context_error(context));
    return false;
}

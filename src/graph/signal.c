/* Data sets of signals and their codes, and hidden cycles. Kernels: cl/signal.cl. */
#include "graph/signal.h"

#include <invar/random.h>
#include <invar/tune.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

size_t iv_code_size(iv_code code, size_t d) {
    return (code == IV_CODE_MODULUS_PHASE ? 2 : 3) * d;
}

/* ------------------------------------------------------------------ tables */

enum { MOST_LANES = 32, CPU_VECTOR = 8 }; /* lanes: of any device, or set by tests */

size_t iv_fourier_lanes(iv_context *context) {
    return iv_kernel_value(context, "fourier", "LANES");
}

size_t iv_fourier_columns(size_t n, size_t lanes) {
    const size_t width = lanes == 1 ? CPU_VECTOR : lanes;
    return (n / 2 + width) / width * width;
}

/* cos and sin of 2 pi m / n, m < n, from an angle of at most pi / 4, so that the values of
 * symmetrical angles differ in sign alone. */
static void turn(size_t m, size_t n, double *cosine, double *sine) {
    const double pi = 3.14159265358979323846;
    const bool below = 2 * m > n;
    size_t p = 2 * (below ? n - m : m); /* angle pi p / n on [0, pi] */
    const bool behind = 2 * p > n;
    if (behind) p = n - p; /* on [0, pi / 2] */
    const bool steep = 4 * p > n;
    const double angle = pi * (double)(steep ? n - 2 * p : 2 * p) / (double)(2 * n);
    const double c = steep ? sin(angle) : cos(angle), s = steep ? cos(angle) : sin(angle);
    *cosine = behind ? -c : c;
    *sine = below ? -s : s;
}

void iv_fourier_table(size_t n, size_t columns, float *table) {
    for (size_t j = 0; j < n; j++)
        for (size_t k = 0; k < columns; k++) {
            double cosine = 0.0, sine = 0.0;
            if (2 * k <= n) turn(j * k % n, n, &cosine, &sine);
            table[j * columns + k] = (float)cosine;
            table[(n + j) * columns + k] = (float)sine;
        }
    for (size_t k = 0; k < columns; k++)
        table[2 * n * columns + k] = 2 * k > n ? 0.0f : k == 0 || 2 * k == n ? 1.0f : 2.0f;
}

/* ------------------------------------------------------------------ data sets */

/* Run what was put into a sequence, and be done with it. */
static iv_status finish(iv_context *context, iv_sequence *sequence, iv_status status) {
    if (status == IV_OK) status = iv_sequence_run(sequence, 0);
    if (status == IV_OK) status = iv_context_finish(context);
    iv_sequence_destroy(sequence);
    return status;
}

static iv_status draw(iv_context *context, const uint32_t *seeds, size_t first,
                      const iv_signal_set *set) {
    iv_sequence *sequence = NULL;
    char options[64];
    snprintf(options, sizeof options, "-DD=%zu -DLANES=1 -DCOLUMNS=8 -DPARTS=2", set->d);
    iv_status status = iv_sequence_create(context, &sequence);
    for (size_t i = 0; i < set->n_sets && status == IV_OK; i++) {
        iv_launch *launch = iv_launch_begin(sequence, "signal", "draw_signals", options);
        iv_arg_buffer(launch, set->signals);
        iv_arg_uint(launch, i);
        iv_arg_uint(launch, seeds[i]);
        iv_arg_uint(launch, first);
        iv_arg_uint(launch, set->count);
        status = iv_launch_end(launch, 1, &set->count, NULL);
    }
    return finish(context, sequence, status);
}

static size_t table_bytes(size_t d, size_t columns) { /* d <= 256: no overflow */
    return (2 * d + 1) * columns * sizeof(float);
}

iv_status iv_signal_encode(iv_context *context, const iv_signal_set *set, iv_code code,
                           size_t lanes) {
    const size_t columns = iv_fourier_columns(set->d, lanes);
    const size_t bytes = table_bytes(set->d, columns);
    iv_sequence *sequence = NULL;
    char options[96];
    snprintf(options, sizeof options, "-DD=%zu -DLANES=%zu -DCOLUMNS=%zu -DPARTS=%zu", set->d,
             lanes, columns, iv_code_size(code, 1));
    float *table = malloc(bytes);
    if (!table)
        return iv_fail(iv_context_error(context), IV_ENOMEM, "codes: no memory for a table");
    iv_fourier_table(set->d, columns, table);
    iv_status status = iv_buffer_write(context, set->table, 0, bytes, table);
    free(table);
    if (status == IV_OK) status = iv_sequence_create(context, &sequence);
    if (status == IV_OK) {
        iv_launch *launch = iv_launch_begin(sequence, "signal", "encode_signals", options);
        iv_arg_buffer(launch, set->signals);
        iv_arg_buffer(launch, set->table);
        iv_arg_buffer(launch, set->codes);
        status = iv_launch_end(launch, 3, (const size_t[]){lanes, set->count, set->n_sets},
                               (const size_t[]){lanes, 1, 1});
    }
    return finish(context, sequence, status);
}

/* float [n_sets, count, columns] */
static iv_status create_rows(iv_context *context, const iv_signal_set *set, size_t columns,
                             cl_mem *buffer) {
    iv_error *error = iv_context_error(context);
    size_t bytes;
    iv_status status = iv_multiply_size(set->n_sets, set->count, &bytes, error);
    if (status == IV_OK) status = iv_multiply_size(bytes, columns * sizeof(float), &bytes, error);
    return status == IV_OK ? iv_buffer_create(context, bytes, buffer) : status;
}

iv_status iv_signal_set_create(iv_context *context, const uint32_t *seeds, size_t n_sets,
                               size_t first, size_t count, size_t d, const iv_code *code,
                               iv_signal_set *set) {
    *set = (iv_signal_set){.n_sets = n_sets, .count = count, .d = d};
    if (n_sets == 0 || count == 0 || d < IV_MIN_SIGNAL || d > IV_MAX_SIGNAL || first > UINT32_MAX ||
        count > UINT32_MAX - first)
        return iv_fail(iv_context_error(context), IV_EINVAL,
                       "signals: %zu sets of %zu signals of %zu dimensions from number %zu on; "
                       "needs at least one, %d to %d dimensions, and numbers below 2^32",
                       n_sets, count, d, first, IV_MIN_SIGNAL, IV_MAX_SIGNAL);
    iv_status status = create_rows(context, set, d, &set->signals);
    if (status == IV_OK && code) {
        set->code_size = iv_code_size(*code, d);
        status = create_rows(context, set, set->code_size, &set->codes);
    }
    if (status == IV_OK && code) /* room for either way of sharing a transform */
        status = iv_buffer_create(context, table_bytes(d, iv_fourier_columns(d, MOST_LANES)),
                                  &set->table);
    if (status == IV_OK) status = draw(context, seeds, first, set);
    if (status == IV_OK && code)
        status = iv_signal_encode(context, set, *code, iv_fourier_lanes(context));
    if (status != IV_OK) iv_signal_set_clear(context, set);
    return status;
}

void iv_signal_set_clear(iv_context *context, iv_signal_set *set) {
    iv_buffer_release(context, set->signals);
    iv_buffer_release(context, set->codes);
    iv_buffer_release(context, set->table);
    *set = (iv_signal_set){.n_sets = 0};
}

/* ------------------------------------------------------------------ cycles */

iv_status iv_cycles_create(iv_context *context, const uint32_t *seeds, size_t n_sets, size_t d,
                           cl_mem *cycles) {
    *cycles = NULL;
    iv_error *error = iv_context_error(context);
    if (n_sets == 0 || d < IV_MIN_SIGNAL || d > IV_MAX_SIGNAL)
        return iv_fail(error, IV_EINVAL, "cycles: %zu of %zu dimensions; needs %d to %d", n_sets, d,
                       IV_MIN_SIGNAL, IV_MAX_SIGNAL);
    size_t bytes;
    iv_status status = iv_multiply_size(n_sets, d * sizeof(int32_t), &bytes, error);
    if (status != IV_OK) return status;
    int32_t *order = malloc(bytes);
    if (!order) return iv_fail(error, IV_ENOMEM, "cycles: no memory for %zu bytes", bytes);
    for (size_t i = 0; i < n_sets; i++)
        iv_permutation(seeds[i], IV_STREAM_CYCLE, (uint32_t)d, order + i * d);
    status = iv_buffer_create(context, bytes, cycles);
    if (status == IV_OK) status = iv_buffer_write(context, *cycles, 0, bytes, order);
    free(order);
    if (status != IV_OK) {
        iv_buffer_release(context, *cycles);
        *cycles = NULL;
    }
    return status;
}

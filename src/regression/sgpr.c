/* Sparse Gaussian process regression: making one, and predictions. Kernels: cl/sgpr.cl. */
#include "regression/sgpr_parts.h"

#include <invar/random.h>
#include <invar/tune.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Kernels count rows by int, a chunk past the last one. */
enum { MARGIN = 8192 };

static iv_view view(cl_mem buffer, size_t offset) {
    return (iv_view){buffer, offset, 0};
}

static iv_status out_of_memory(sgpr *s) {
    return iv_fail(iv_context_error(s->context), IV_ENOMEM, "no memory for a regression");
}

/* ------------------------------------------------------------------ sizes */

static size_t size_min(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Rows of data at a time: enough for the products to run at full speed, few enough that a chunk's
 * features stay small beside the data. */
static size_t choose_chunk(iv_context *context, const sgpr_desc *desc) {
    const iv_device_info *device = iv_context_device(context);
    const size_t wanted = desc->chunk ? desc->chunk : iv_kernel_value(context, "sgpr", "CHUNK");
    /* the largest buffer of a chunk: pairs, or the data */
    const size_t widest =
        desc->n_columns > 2 * desc->n_inducing ? desc->n_columns : 2 * desc->n_inducing;
    const size_t allowed = device->max_alloc_bytes / sizeof(float) / widest;
    const size_t chunk = size_min(size_min(wanted, desc->n_data), allowed);
    return chunk ? chunk : 1;
}

/* Distances of all data may take half of what is free: models and data of others need some. */
static bool squares_fit(const sgpr *s) {
    const iv_device_info *device = iv_context_device(s->context);
    const size_t used = iv_context_bytes(s->context);
    const size_t free_bytes = device->global_bytes > used ? device->global_bytes - used : 0;
    const double wanted = (double)s->n_chunks * (double)s->desc.chunk * (double)s->desc.n_inducing *
                          (double)sizeof(float);
    return !s->desc.streams && wanted <= 0.5 * (double)free_bytes;
}

static iv_status check(iv_context *context, const sgpr_desc *desc, const uint8_t *labels) {
    iv_error *error = iv_context_error(context);
    if (!desc->n_data || !desc->n_columns || !desc->n_classes || !desc->n_inducing)
        return iv_fail(error, IV_EINVAL,
                       "a regression on %zu data of %zu columns and %zu classes with %zu inducing "
                       "points; every number must be positive",
                       desc->n_data, desc->n_columns, desc->n_classes, desc->n_inducing);
    if (desc->n_classes < 2)
        return iv_fail(error, IV_EINVAL, "a regression on labels needs two classes, not one");
    if (desc->n_inducing > desc->n_data)
        return iv_fail(error, IV_EINVAL,
                       "%zu inducing points are more than the %zu data that they are taken from",
                       desc->n_inducing, desc->n_data);
    if (desc->n_data > INT32_MAX - MARGIN)
        return iv_fail(error, IV_EINVAL, "%zu data are too many", desc->n_data);
    for (size_t i = 0; i < desc->n_data; i++)
        if (labels[i] >= desc->n_classes)
            return iv_fail(error, IV_EINVAL, "label %u of datum %zu is not below %zu",
                           (unsigned)labels[i], i, desc->n_classes);
    return IV_OK;
}

/* ------------------------------------------------------------------ buffers */

static iv_status own(sgpr *s, size_t bytes, cl_mem *buffer) {
    if (s->n_owned == s->owned_capacity) {
        const size_t capacity = s->owned_capacity ? 2 * s->owned_capacity : 32;
        cl_mem *grown = realloc(s->owned, capacity * sizeof *grown);
        if (!grown) return out_of_memory(s);
        s->owned = grown;
        s->owned_capacity = capacity;
    }
    const iv_status status = iv_buffer_create(s->context, bytes, buffer);
    if (status == IV_OK) s->owned[s->n_owned++] = *buffer;
    return status;
}

iv_status sgpr_buffer(sgpr *s, size_t rows, size_t columns, cl_mem *buffer) {
    size_t bytes;
    iv_error *error = iv_context_error(s->context);
    iv_status status = iv_multiply_size(rows, columns, &bytes, error);
    if (status == IV_OK) status = iv_multiply_size(bytes, sizeof(float), &bytes, error);
    return status == IV_OK ? own(s, bytes, buffer) : status;
}

static iv_status create_buffers(sgpr *s) {
    const size_t m = s->desc.n_inducing, chunk = s->desc.chunk, columns = s->desc.n_columns;
    const size_t n_classes = s->desc.n_classes;
    const struct {
        size_t rows, columns;
        cl_mem *buffer;
    } wanted[] = {
        {1, columns, &s->centre},
        {m, columns, &s->points},
        {1, m, &s->point_lengths},
        {chunk, columns, &s->rows},
        {1, chunk, &s->row_lengths},
        {chunk, m, &s->products},
        {chunk, n_classes, &s->targets},
        {chunk, m, &s->features},
        {chunk, 2 * m, &s->pairs},
        {m, m, &s->x_matrix},
        {n_classes, m, &s->h},
        {m, m, &s->prior_squares},
        {m, m, &s->prior_factor},
        {m, m, &s->prior_derivative},
        {m, m, &s->prior_solver},
        {m, 2 * m, &s->gram},
        {n_classes, 2 * m, &s->projection},
        {m, m, &s->s},
        {m, m, &s->inner},
        {m, m, &s->inner_solver},
        {m, m, &s->inverse_root},
        {m, m, &s->inverse},
        {m, m, &s->square},
        {n_classes, m, &s->right},
        {n_classes, m, &s->half},
        {n_classes, m, &s->beta},
        {n_classes, m, &s->beta_x},
        {n_classes, m, &s->beta_s},
        {1, 3, &s->numbers},
        {SGPR_N_ROWS, m, &s->rows_out},
        {1, 1, &s->failed},
        {1, 1, &s->inner_failed},
    };
    iv_status status = own(s, s->desc.n_data, &s->labels);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && status == IV_OK; i++)
        status = sgpr_buffer(s, wanted[i].rows, wanted[i].columns, wanted[i].buffer);
    if (status != IV_OK) return status;

    s->keeps_squares = squares_fit(s);
    s->n_slots = s->keeps_squares ? s->n_chunks : 1;
    s->squares = calloc(s->n_slots, sizeof *s->squares);
    if (!s->squares) return out_of_memory(s);
    for (size_t i = 0; i < s->n_slots && status == IV_OK; i++)
        status = sgpr_buffer(s, chunk, m, &s->squares[i]);
    return status;
}

static iv_status create_host_arrays(sgpr *s) {
    const size_t m = s->desc.n_inducing, n_classes = s->desc.n_classes;
    s->inducing = malloc(s->desc.n_data * sizeof *s->inducing);
    s->out_rows = calloc(m, SGPR_N_ROWS * sizeof *s->out_rows);
    s->out_projection = calloc(2 * m, n_classes * sizeof *s->out_projection);
    s->out_h = calloc(m, n_classes * sizeof *s->out_h);
    s->out_beta = calloc(m, n_classes * sizeof *s->out_beta);
    s->out_beta_x = calloc(m, n_classes * sizeof *s->out_beta_x);
    s->out_beta_s = calloc(m, n_classes * sizeof *s->out_beta_s);
    const bool all = s->inducing && s->out_rows && s->out_projection && s->out_h && s->out_beta &&
                     s->out_beta_x && s->out_beta_s;
    return all ? IV_OK : out_of_memory(s);
}

/* ------------------------------------------------------------------ inducing points */

/* Distances come from products, which lose digits far from the origin: everything is centred on the
 * inducing points' mean. It is rounded to floats first, and subtracted as on the device. */
static double centre_points(sgpr *s, float *points, float *centre) {
    const size_t m = s->desc.n_inducing, columns = s->desc.n_columns;
    double spread = 0.0;
    for (size_t j = 0; j < columns; j++) {
        double sum = 0.0;
        for (size_t i = 0; i < m; i++) sum += points[i * columns + j];
        centre[j] = (float)(sum / (double)m);
        for (size_t i = 0; i < m; i++) {
            float *value = &points[i * columns + j];
            *value -= centre[j];
            spread += (double)*value * *value;
        }
    }
    /* over pairs of different points, the mean squared distance */
    return m > 1 ? 2.0 * spread / (double)(m - 1) : 0.0;
}

static iv_status place_points(sgpr *s) {
    const size_t m = s->desc.n_inducing, columns = s->desc.n_columns;
    const size_t row_bytes = columns * sizeof(float);
    iv_status status = IV_OK;
    float *points = calloc(m, row_bytes), *centre = calloc(1, row_bytes);
    if (!points || !centre) {
        status = out_of_memory(s);
        goto done;
    }
    iv_permutation(s->desc.seed, IV_STREAM_INITIAL, (uint32_t)s->desc.n_data, s->inducing);
    for (size_t i = 0; i < m && status == IV_OK; i++)
        status = iv_buffer_read(s->context, s->x, (size_t)s->inducing[i] * row_bytes, row_bytes,
                                points + i * columns);
    if (status != IV_OK) goto done;

    const double square = centre_points(s, points, centre);
    const double variance = s->target_square / (double)(s->desc.n_data * s->desc.n_classes);
    s->hyper.lengthscale = square > 0.0 && isfinite(square) ? sqrt(square) : 1.0;
    s->hyper.variance = variance > 0.0 ? variance : 1.0;
    s->hyper.noise = 0.1 * s->hyper.variance;
    status = iv_buffer_write(s->context, s->points, 0, m * row_bytes, points);
    if (status == IV_OK) status = iv_buffer_write(s->context, s->centre, 0, row_bytes, centre);

done:
    free(points);
    free(centre);
    return status;
}

/* ------------------------------------------------------------------ making one */

iv_status sgpr_create(iv_context *context, const sgpr_desc *desc, cl_mem x, const uint8_t *labels,
                      sgpr **regression) {
    *regression = NULL;
    iv_status status = check(context, desc, labels);
    if (status != IV_OK) return status;
    sgpr *s = calloc(1, sizeof *s);
    if (!s) return iv_fail(iv_context_error(context), IV_ENOMEM, "no memory for a regression");
    const double outputs = (double)desc->n_classes;
    s->context = context;
    s->desc = *desc;
    s->desc.chunk = choose_chunk(context, desc);
    s->n_chunks = (desc->n_data + s->desc.chunk - 1) / s->desc.chunk;
    s->x = x;
    s->target_square = (double)desc->n_data * (outputs - 1.0) / outputs;

    status = create_host_arrays(s);
    if (status == IV_OK) status = create_buffers(s);
    if (status == IV_OK) status = iv_buffer_write(context, s->labels, 0, desc->n_data, labels);
    if (status == IV_OK) status = place_points(s);
    if (status == IV_OK) status = sgpr_pass_build(s);
    if (status == IV_OK) status = sgpr_bound_build(s);
    if (status == IV_OK) status = iv_sequence_run(s->work.distance, 0);
    if (status == IV_OK)
        *regression = s;
    else
        sgpr_destroy(s);
    return status;
}

void sgpr_destroy(sgpr *s) {
    if (!s) return;
    const sgpr_work *w = &s->work;
    iv_sequence *const sequences[] = {w->gather, w->absorb, w->distance, w->factor,
                                      w->prior,  w->finish, w->inner,    w->slope};
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++)
        iv_sequence_destroy(sequences[i]);
    for (size_t i = 0; i < s->n_slots; i++) {
        if (w->store) iv_sequence_destroy(w->store[i]);
        if (w->expand) iv_sequence_destroy(w->expand[i]);
    }
    free(w->store);
    free(w->expand);
    for (size_t i = 0; i < s->n_owned; i++) iv_buffer_release(s->context, s->owned[i]);
    free(s->owned);
    free(s->squares);
    free(s->inducing);
    free(s->out_rows);
    free(s->out_projection);
    free(s->out_h);
    free(s->out_beta);
    free(s->out_beta_x);
    free(s->out_beta_s);
    free(s);
}

const int32_t *sgpr_inducing(const sgpr *s) {
    return s->inducing;
}

sgpr_hyper sgpr_get_hyper(const sgpr *s) {
    return s->hyper;
}

iv_status sgpr_set_hyper(sgpr *s, sgpr_hyper hyper) {
    const double values[] = {hyper.variance, hyper.lengthscale, hyper.noise};
    for (size_t i = 0; i < 3; i++)
        if (!(values[i] > 0.0 && isfinite(values[i])))
            return iv_fail(iv_context_error(s->context), IV_EINVAL,
                           "a regression with variance %g, lengthscale %g and noise %g: all must "
                           "be positive",
                           hyper.variance, hyper.lengthscale, hyper.noise);
    s->hyper = hyper;
    return IV_OK;
}

/* ------------------------------------------------------------------ prediction */

/* weights^T [C, M] = L^-T beta, which rho makes the posterior mean's. */
static iv_status append_weights(sgpr *s, iv_sequence *sequence) {
    const size_t m = s->desc.n_inducing, n_classes = s->desc.n_classes;
    iv_launch *launch = iv_launch_begin(sequence, "sgpr", "sgpr_copy", NULL);
    iv_arg_buffer(launch, s->beta);
    iv_arg_buffer(launch, s->half);
    iv_arg_uint(launch, m);
    iv_arg_uint(launch, m);
    const iv_status status = sgpr_launch_end(launch, m, n_classes);
    return status == IV_OK
               ? iv_triangular_solve(sequence,
                                     &(iv_triangular_solve_desc){.n = m,
                                                                 .rows = n_classes,
                                                                 .batch = 1,
                                                                 .transpose = true,
                                                                 .f = view(s->prior_solver, 0),
                                                                 .b = view(s->half, 0),
                                                                 .x = view(s->right, 0),
                                                                 .ldb = m,
                                                                 .ldx = m})
               : status;
}

/* Scores of a chunk, where training has its targets. The squares of slot 0 may have to stay, hence
 * the products' own place. */
static iv_status append_scores(sgpr *s, iv_sequence *sequence, cl_mem x, size_t n, cl_mem squares) {
    const size_t m = s->desc.n_inducing, n_classes = s->desc.n_classes;
    iv_status status = sgpr_append_gather(s, sequence, x, n);
    if (status == IV_OK) status = sgpr_append_squares(s, sequence, squares);
    if (status == IV_OK) status = sgpr_append_features(s, sequence, squares, n);
    return status == IV_OK ? iv_gemm(sequence, &(iv_gemm_desc){.m = s->desc.chunk,
                                                               .n = n_classes,
                                                               .k = m,
                                                               .batch = 1,
                                                               .transpose_b = true,
                                                               .a = view(s->features, 0),
                                                               .b = view(s->right, 0),
                                                               .c = view(s->targets, 0),
                                                               .lda = m,
                                                               .ldb = m,
                                                               .ldc = n_classes})
                           : status;
}

iv_status sgpr_predict(sgpr *s, cl_mem x, size_t n, float *scores) {
    const size_t n_classes = s->desc.n_classes, chunk = s->desc.chunk;
    const double ratio = s->hyper.variance / s->hyper.noise;
    iv_sequence *weights = NULL, *sequence = NULL;
    cl_mem squares;
    iv_status status = sgpr_inner(s, ratio);
    if (status == IV_OK) status = iv_sequence_create(s->context, &weights);
    if (status == IV_OK) status = append_weights(s, weights);
    if (status == IV_OK) status = iv_sequence_run(weights, 0);
    if (status == IV_OK) status = iv_sequence_create(s->context, &sequence);
    if (status == IV_OK)
        status = iv_sequence_buffer(sequence, chunk * s->desc.n_inducing * sizeof(float), &squares);
    if (status == IV_OK) status = append_scores(s, sequence, x, n, squares);
    for (size_t first = 0; first < n && status == IV_OK; first += chunk) {
        float *part = scores + first * n_classes;
        const size_t count = size_min(chunk, n - first) * n_classes;
        status = iv_sequence_run(sequence, (uint32_t)(first / chunk));
        if (status == IV_OK)
            status = iv_buffer_read(s->context, s->targets, 0, count * sizeof *part, part);
        for (size_t i = 0; i < count && status == IV_OK; i++)
            part[i] = (float)(ratio * part[i] + 1.0 / (double)n_classes);
    }
    iv_sequence_destroy(weights);
    iv_sequence_destroy(sequence);
    return status;
}

/* Posteriors of an output layer: what they keep, and what host and caller see of it. */
#include "train/posterior.h"

#include <invar/tune.h>

#include <math.h>
#include <stdlib.h>

size_t iv_posterior_entry(size_t i, size_t j) {
    const size_t pieces = i / IV_POSTERIOR_PIECE + 1;
    return IV_POSTERIOR_PIECE * pieces * (8 * (pieces - 1) + i % IV_POSTERIOR_PIECE) + j;
}

static iv_status check(const iv_posterior_desc *desc, iv_error *error) {
    if (desc->optimizer.kind != IV_OPTIMIZER_ADAM)
        return iv_fail(error, IV_EINVAL, "a posterior is trained with Adam alone");
    if (desc->n_classes == 0 || desc->n_features == 0 || desc->n_data == 0)
        return iv_fail(error, IV_EINVAL,
                       "a posterior of %zu classes, %zu features and %zu samples: none may be 0",
                       desc->n_classes, desc->n_features, desc->n_data);
    if (!desc->point && (!(desc->prior_variance > 0.0f) || isinf(desc->prior_variance)))
        return iv_fail(error, IV_EINVAL, "the prior's variance %g must be above 0 and finite",
                       (double)desc->prior_variance);
    if (!desc->point && (!(desc->initial_deviation > 0.0f) || isinf(desc->initial_deviation)))
        return iv_fail(error, IV_EINVAL, "the initial deviation %g must be above 0 and finite",
                       (double)desc->initial_deviation);
    if (desc->point && (desc->logits || desc->natural || desc->alpha_damping > 0))
        return iv_fail(error, IV_EINVAL, "a point estimate samples nothing and has no prior");
    if (!(desc->alpha_damping >= 0.0f && desc->alpha_damping <= 1.0f))
        return iv_fail(error, IV_EINVAL, "the damping %g of alpha must be in [0, 1]",
                       (double)desc->alpha_damping);
    if (desc->natural && !desc->logits)
        return iv_fail(error, IV_EINVAL, "natural gradients need sampled logits");
    if (desc->natural &&
        !(desc->newton.rate > 0.0f && desc->newton.rate <= 1.0f && desc->newton.least >= 0.0f &&
          desc->newton.least <= desc->newton.rate && desc->newton.trust >= 0.0f &&
          isfinite(desc->newton.trust) && desc->newton.every >= 1))
        return iv_fail(error, IV_EINVAL,
                       "natural gradients with a rate of %g, at least %g, a trust of %g, every %u "
                       "batches: expected a rate in (0, 1] and no more than it, a trust from 0 on, "
                       "and every 1 or more",
                       (double)desc->newton.rate, (double)desc->newton.least,
                       (double)desc->newton.trust, (unsigned)desc->newton.every);
    /* kernels count a class's entries in 32 bits */
    if (desc->n_features > UINT16_MAX || desc->n_classes > UINT16_MAX)
        return iv_fail(error, IV_EINVAL, "a posterior of %zu x %zu is too large", desc->n_classes,
                       desc->n_features);
    return IV_OK;
}

static iv_status create_mean(iv_posterior *p, const iv_posterior_desc *desc) {
    const iv_parameter_desc mean = {
        .name = "output.mean", .rank = 2, .dims = {desc->n_classes, desc->n_features}};
    const iv_status status = iv_parameters_create(p->context, p->n_members, &mean, 1, &p->mean);
    return status == IV_OK ? iv_optimizer_create(p->mean, &desc->optimizer, &p->optimizer) : status;
}

static iv_status start_at_diagonal(iv_posterior *p) {
    iv_sequence *sequence;
    iv_status status = iv_sequence_create(p->context, &sequence);
    if (status == IV_OK) status = iv_posterior_append_diagonal(p, sequence);
    if (status == IV_OK) status = iv_sequence_run(sequence, 0);
    if (status == IV_OK) status = iv_context_finish(p->context);
    iv_sequence_destroy(sequence);
    return status;
}

static iv_status create_prior(iv_posterior *p) {
    const size_t n = p->n_members;
    const double variance = (double)p->desc.prior_variance;
    float *values = malloc(3 * n * sizeof *values);
    if (!values)
        return iv_fail(iv_context_error(p->context), IV_ENOMEM, "out of memory for a posterior");
    for (size_t r = 0; r < n; r++) {
        values[2 * r] = (float)(1.0 / variance);
        values[2 * r + 1] = (float)log(variance);
        values[2 * n + r] = p->desc.prior_variance;
    }
    iv_status status = iv_buffer_upload(p->context, values, 2 * n * sizeof *values, &p->prior);
    if (status == IV_OK)
        status = iv_buffer_upload(p->context, values + 2 * n, n * sizeof *values, &p->alpha);
    free(values);
    return status;
}

/* What only sampled logits need. */
static iv_status create_squares(iv_posterior *p) {
    const size_t n = p->desc.n_features;
    size_t bytes;
    iv_status status = iv_multiply_size(p->n_members * p->desc.n_classes * sizeof(float), n * n,
                                        &bytes, iv_context_error(p->context));
    if (status == IV_OK) status = iv_create_zeros(p->context, bytes, &p->squares);
    if (status == IV_OK)
        status = iv_create_zeros(p->context, bytes,
                                 p->desc.natural ? &p->precisions : &p->square_gradients);
    if (status == IV_OK && p->desc.natural)
        status = iv_create_zeros(p->context, p->n_members * p->desc.n_classes * n * sizeof(float),
                                 &p->pull);
    return status;
}

static iv_status create_factor(iv_posterior *p, const uint32_t *seeds) {
    iv_context *context = p->context;
    const size_t n_classes = p->desc.n_classes, n_features = p->desc.n_features;
    const size_t row = (n_features + IV_POSTERIOR_PIECE - 1) / IV_POSTERIOR_PIECE;
    size_t factor_bytes, eps_bytes;
    p->entries = iv_posterior_entry(n_features, 0);
    p->eps_stride = n_classes * row * IV_POSTERIOR_PIECE;
    iv_error *error = iv_context_error(context);
    iv_status status = iv_multiply_size(p->n_members * sizeof(float), n_classes * p->entries,
                                        &factor_bytes, error);
    if (status == IV_OK)
        status =
            iv_multiply_size(p->n_members * 2 * sizeof(float), p->eps_stride, &eps_bytes, error);
    if (status != IV_OK) return status;
    const size_t weight_bytes = p->n_members * p->mean->stride * sizeof(float);

    status = iv_buffer_create(context, p->n_members * sizeof *seeds, &p->seeds);
    if (status == IV_OK)
        status = iv_buffer_write(context, p->seeds, 0, p->n_members * sizeof *seeds, seeds);
    if (status == IV_OK) status = create_prior(p);
    if (status == IV_OK && p->desc.logits) status = create_squares(p);
    if (status == IV_OK) status = iv_create_zeros(context, factor_bytes, &p->factor);
    if (status == IV_OK) status = start_at_diagonal(p);
    const size_t n_states = p->desc.natural ? 0 : p->optimizer->method->n_states;
    for (size_t i = 0; i < n_states && status == IV_OK; i++)
        status = iv_create_zeros(context, factor_bytes, &p->factor_states[i]);
    if (status == IV_OK) status = iv_create_zeros(context, eps_bytes, &p->eps);
    if (status == IV_OK)
        status = iv_create_zeros(context, p->n_members * 2 * sizeof(float), &p->adam_scales);
    if (status == IV_OK) status = iv_create_zeros(context, weight_bytes, &p->sample);
    if (status == IV_OK) status = iv_create_zeros(context, weight_bytes, &p->row_kl);
    if (status == IV_OK) status = iv_create_zeros(context, weight_bytes, &p->row_squares);
    if (status == IV_OK) status = iv_sequence_create(context, &p->prepare);
    if (status == IV_OK) status = iv_posterior_append_prepare(p, p->prepare);
    return status;
}

iv_status iv_posterior_create_with(iv_context *context, size_t n_members,
                                   const iv_posterior_desc *desc, size_t lanes,
                                   iv_posterior **out) {
    *out = NULL;
    iv_status status = check(desc, iv_context_error(context));
    if (status != IV_OK) return status;
    iv_posterior *p = calloc(1, sizeof *p);
    if (!p) return iv_fail(iv_context_error(context), IV_ENOMEM, "out of memory for a posterior");
    p->context = context;
    p->desc = *desc;
    p->desc.seeds = NULL;
    p->desc.optimizer.learning_rates = NULL;
    p->n_members = n_members;
    p->lanes = lanes;
    status = create_mean(p, desc);
    if (status == IV_OK) status = iv_create_zeros(context, n_members * sizeof(float), &p->kl);
    if (status == IV_OK && !desc->point) status = create_factor(p, desc->seeds);
    if (status == IV_OK) iv_posterior_declare(p);
    if (status != IV_OK)
        iv_posterior_destroy(p);
    else
        *out = p;
    return status;
}

iv_status iv_posterior_create(iv_context *context, size_t n_members, const iv_posterior_desc *desc,
                              iv_posterior **out) {
    return iv_posterior_create_with(context, n_members, desc,
                                    iv_kernel_value(context, "posterior", "LANES"), out);
}

void iv_posterior_destroy(iv_posterior *p) {
    if (!p) return;
    iv_context *context = p->context;
    iv_sequence_destroy(p->prepare);
    iv_buffer_release(context, p->seeds);
    iv_buffer_release(context, p->factor);
    for (size_t i = 0; i < IV_MAX_OPTIMIZER_STATES; i++)
        iv_buffer_release(context, p->factor_states[i]);
    iv_buffer_release(context, p->eps);
    iv_buffer_release(context, p->adam_scales);
    iv_buffer_release(context, p->sample);
    cl_mem const buffers[] = {p->row_kl,           p->row_squares, p->alpha, p->prior, p->squares,
                              p->square_gradients, p->precisions,  p->pull,  p->kl};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        iv_buffer_release(context, buffers[i]);
    iv_optimizer_destroy(p->optimizer);
    iv_parameters_destroy(p->mean);
    free(p);
}

/* ------------------------------------------------------------------ views */

iv_view iv_posterior_mean_view(const iv_posterior *p) {
    return iv_parameters_view(p->mean, 0);
}

iv_view iv_posterior_sample_view(const iv_posterior *p) {
    return p->desc.point ? iv_posterior_mean_view(p) : (iv_view){p->sample, 0, p->mean->stride};
}

iv_view iv_posterior_gradient_view(const iv_posterior *p) {
    return iv_optimizer_gradient_view(p->optimizer, 0);
}

/* One of the squares of all classes. */
static iv_view square_view(const iv_posterior *p, cl_mem buffer) {
    return (iv_view){buffer, 0, p->desc.n_classes * p->desc.n_features * p->desc.n_features};
}

iv_view iv_posterior_factor_view(const iv_posterior *p) {
    return square_view(p, p->squares);
}

iv_view iv_posterior_factor_gradient_view(const iv_posterior *p) {
    return square_view(p, p->square_gradients);
}

iv_view iv_posterior_kl_view(const iv_posterior *p) {
    return (iv_view){p->kl, 0, 1};
}

iv_status iv_posterior_prior(const iv_posterior *p, float *variances) {
    for (size_t r = 0; r < p->n_members; r++) variances[r] = p->desc.prior_variance;
    return p->alpha ? iv_buffer_read(p->context, p->alpha, 0, p->n_members * sizeof *variances,
                                     variances)
                    : IV_OK;
}

/* ------------------------------------------------------------------ the KL */

static double sum_of_squares(const float *values, size_t n) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)values[i] * (double)values[i];
    return sum;
}

/* Of one class; factor [entries], with zeros for padding. */
static double kl_of_class(const iv_posterior *p, const float *factor, const float *mean,
                          double variance) {
    const size_t n = p->desc.n_features;
    double logarithms = 0.0;
    for (size_t i = 0; i < n; i++)
        logarithms += log(fmax(fabs((double)factor[iv_posterior_entry(i, i)]), 1e-12));
    const double squares = sum_of_squares(factor, p->entries) + sum_of_squares(mean, n);
    return 0.5 * (squares / variance + (double)n * (log(variance) - 1.0)) - logarithms;
}

iv_status iv_posterior_kl(iv_posterior *p, double *kl) {
    for (size_t r = 0; r < p->n_members; r++) kl[r] = 0.0;
    if (p->desc.point) return IV_OK;
    const size_t n_classes = p->desc.n_classes, stride = p->mean->stride;
    float *factor = malloc(p->entries * sizeof *factor), *mean = malloc(stride * sizeof *mean);
    float *variances = malloc(p->n_members * sizeof *variances);
    iv_status status =
        factor && mean && variances
            ? iv_posterior_prior(p, variances)
            : iv_fail(iv_context_error(p->context), IV_ENOMEM, "out of memory for a posterior");
    for (size_t r = 0; r < p->n_members && status == IV_OK; r++) {
        status = iv_buffer_read(p->context, p->mean->values, r * stride * sizeof *mean,
                                stride * sizeof *mean, mean);
        for (size_t c = 0; c < n_classes && status == IV_OK; c++) {
            const size_t bytes = p->entries * sizeof *factor;
            status =
                iv_buffer_read(p->context, p->factor, (r * n_classes + c) * bytes, bytes, factor);
            if (status == IV_OK)
                kl[r] +=
                    kl_of_class(p, factor, mean + c * p->desc.n_features, (double)variances[r]);
        }
    }
    free(factor);
    free(mean);
    free(variances);
    return status;
}

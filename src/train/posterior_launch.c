/* What posteriors append to a sequence. Kernels: cl/posterior.cl. */
#include "train/posterior.h"

#include <invar/random.h>

#include <math.h>
#include <stdio.h>

/* Of each class for work-items of CPUs: enough to keep every core busy, and long runs of memory. */
enum { N_PARTS = 32 };

static iv_launch *begin(const iv_posterior *p, iv_sequence *sequence, const char *function) {
    char options[48];
    snprintf(options, sizeof options, "-DVW=%d -DLANES=%zu%s", p->lanes == 1 ? 16 : 4, p->lanes,
             p->desc.logits ? " -DLOGITS" : "");
    return iv_launch_begin(sequence, "posterior", function, options);
}

iv_status iv_posterior_append_diagonal(const iv_posterior *p, iv_sequence *sequence) {
    iv_launch *launch = begin(p, sequence, "posterior_diagonal");
    iv_arg_buffer(launch, p->factor);
    iv_arg_uint(launch, p->desc.n_features);
    iv_arg_uint(launch, p->desc.n_classes);
    iv_arg_uint(launch, p->entries);
    iv_arg_float(launch, p->desc.initial_deviation);
    return iv_launch_end(
        launch, 3, (const size_t[]){p->desc.n_features, p->desc.n_classes, p->n_members}, NULL);
}

/* Four numbers a work-item. */
static iv_status end_of_noise(const iv_posterior *p, iv_launch *launch) {
    const size_t n = p->desc.n_classes * p->desc.n_features;
    return iv_launch_end_by_member(launch, 2, (const size_t[]){(n + 3) / 4, p->n_members}, NULL);
}

static iv_status end_of_rows(const iv_posterior *p, iv_launch *launch) {
    const size_t n = p->desc.n_features, parts = n < N_PARTS ? n : N_PARTS;
    const size_t items = p->lanes == 1 ? parts : n * p->lanes;
    return iv_launch_end_by_member(launch, 3,
                                   (const size_t[]){items, p->desc.n_classes, p->n_members},
                                   (const size_t[]){p->lanes, 1, 1});
}

/* The eps of the sequence's step, in one slot or that of its parity, and their W. */
static iv_status append_draw(const iv_posterior *p, iv_sequence *sequence, uint32_t stream,
                             cl_mem eps, size_t n_slots) {
    iv_launch *launch = begin(p, sequence, "posterior_noise");
    iv_arg_buffer(launch, eps);
    iv_arg_buffer(launch, p->seeds);
    iv_arg_uint(launch, stream);
    iv_arg_uint(launch, n_slots);
    iv_arg_uint(launch, p->desc.n_features);
    iv_arg_uint(launch, p->desc.n_classes);
    iv_arg_uint(launch, p->eps_stride);
    iv_arg_step(launch);
    const iv_status status = end_of_noise(p, launch);
    if (status != IV_OK) return status;

    launch = begin(p, sequence, "posterior_sample");
    iv_arg_buffer(launch, p->factor);
    iv_arg_buffer(launch, p->mean->values);
    iv_arg_buffer(launch, eps);
    iv_arg_buffer(launch, p->sample);
    iv_arg_uint(launch, n_slots);
    iv_arg_uint(launch, p->desc.n_features);
    iv_arg_uint(launch, p->desc.n_classes);
    iv_arg_uint(launch, p->eps_stride);
    iv_arg_uint(launch, p->entries);
    iv_arg_uint(launch, p->mean->stride);
    iv_arg_step(launch);
    return end_of_rows(p, launch);
}

static iv_status append_squares(const iv_posterior *p, iv_sequence *sequence) {
    const size_t n = p->desc.n_features;
    iv_launch *launch = begin(p, sequence, "posterior_square");
    iv_arg_buffer(launch, p->factor);
    iv_arg_buffer(launch, p->squares);
    iv_arg_uint(launch, n);
    iv_arg_uint(launch, p->entries);
    return iv_launch_end(launch, 3, (const size_t[]){n, n, p->n_members * p->desc.n_classes}, NULL);
}

static iv_status append_prior(const iv_posterior *p, iv_sequence *sequence) {
    iv_launch *launch = begin(p, sequence, "posterior_prior");
    iv_arg_buffer(launch, p->alpha);
    iv_arg_buffer(launch, p->prior);
    return iv_launch_end_by_member(launch, 1, (const size_t[]){p->n_members}, (const size_t[]){1});
}

iv_status iv_posterior_append_prepare(const iv_posterior *p, iv_sequence *sequence) {
    const iv_status status = p->desc.alpha_damping > 0 ? append_prior(p, sequence) : IV_OK;
    if (status != IV_OK) return status;
    return p->desc.logits ? append_squares(p, sequence)
                          : append_draw(p, sequence, IV_STREAM_POSTERIOR, p->eps, 2);
}

iv_status iv_posterior_prepare(iv_posterior *p, uint32_t step) {
    if (p->desc.point) return IV_OK;
    const iv_status status = iv_sequence_run(p->prepare, step);
    return status == IV_OK ? iv_context_finish(p->context) : status;
}

iv_status iv_posterior_append_sample(iv_posterior *p, iv_sequence *sequence, uint32_t stream) {
    if (p->desc.point) return IV_OK;
    const size_t bytes = p->n_members * p->eps_stride * sizeof(float);
    cl_mem eps = NULL;
    iv_status status = iv_sequence_buffer(sequence, bytes, &eps);
    if (status == IV_OK) status = iv_buffer_fill(p->context, eps, 0, bytes, 0);
    return status == IV_OK ? append_draw(p, sequence, stream, eps, 1) : status;
}

/* ------------------------------------------------------------------ the update */

static iv_status append_next(const iv_posterior *p, iv_sequence *sequence) {
    const iv_optimizer_desc *desc = &p->optimizer->desc;
    iv_launch *launch = begin(p, sequence, "posterior_next");
    iv_arg_buffer(launch, p->eps);
    iv_arg_buffer(launch, p->seeds);
    iv_arg_uint(launch, IV_STREAM_POSTERIOR);
    iv_arg_uint(launch, p->desc.n_features);
    iv_arg_uint(launch, p->desc.n_classes);
    iv_arg_uint(launch, p->eps_stride);
    iv_arg_buffer(launch, p->optimizer->learning_rates);
    iv_arg_uint(launch, desc->cosine_steps);
    iv_arg_float(launch, (float)log(desc->beta1));
    iv_arg_float(launch, (float)log(desc->beta2));
    iv_arg_buffer(launch, p->adam_scales);
    iv_arg_step(launch);
    return end_of_noise(p, launch);
}

static iv_status append_rows(const iv_posterior *p, iv_sequence *sequence) {
    const iv_optimizer_desc *desc = &p->optimizer->desc;
    iv_launch *launch = begin(p, sequence, "posterior_update");
    iv_arg_buffer(launch, p->factor);
    for (size_t i = 0; i < p->optimizer->method->n_states; i++)
        iv_arg_buffer(launch, p->factor_states[i]);
    iv_arg_buffer(launch, p->mean->values);
    for (size_t i = 0; i < p->optimizer->method->n_states; i++)
        iv_arg_buffer(launch, p->optimizer->states[i]);
    iv_arg_buffer(launch, p->optimizer->gradient);
    iv_arg_buffer(launch, p->desc.logits ? p->square_gradients : p->optimizer->gradient);
    iv_arg_buffer(launch, p->eps);
    iv_arg_buffer(launch, p->adam_scales);
    iv_arg_buffer(launch, p->sample);
    iv_arg_buffer(launch, p->row_kl);
    iv_arg_buffer(launch, p->row_squares);
    iv_arg_buffer(launch, p->prior);
    iv_arg_uint(launch, p->desc.n_features);
    iv_arg_uint(launch, p->desc.n_classes);
    iv_arg_uint(launch, p->eps_stride);
    iv_arg_uint(launch, p->entries);
    iv_arg_uint(launch, p->mean->stride);
    iv_arg_float(launch, (float)(1.0 / (double)p->desc.n_data));
    iv_arg_float(launch, desc->beta1);
    iv_arg_float(launch, desc->beta2);
    iv_arg_float(launch, desc->epsilon);
    iv_arg_step(launch);
    return end_of_rows(p, launch);
}

iv_status iv_posterior_append_kl(const iv_posterior *p, iv_sequence *sequence) {
    iv_launch *launch = begin(p, sequence, "posterior_kl");
    iv_arg_buffer(launch, p->row_kl);
    iv_arg_buffer(launch, p->kl);
    iv_arg_uint(launch, p->desc.n_classes * p->desc.n_features);
    iv_arg_uint(launch, p->mean->stride);
    return iv_launch_end_by_member(launch, 2, (const size_t[]){64, p->n_members},
                                   (const size_t[]){64, 1});
}

iv_status iv_posterior_append_alpha(const iv_posterior *p, iv_sequence *sequence) {
    if (p->desc.alpha_damping == 0) return IV_OK;
    iv_launch *launch = begin(p, sequence, "posterior_alpha");
    iv_arg_buffer(launch, p->mean->values);
    iv_arg_buffer(launch, p->row_squares);
    iv_arg_buffer(launch, p->alpha);
    iv_arg_buffer(launch, p->prior);
    iv_arg_uint(launch, p->desc.n_classes * p->desc.n_features);
    iv_arg_uint(launch, p->mean->stride);
    iv_arg_float(launch, p->desc.alpha_damping);
    iv_arg_uint(launch, p->desc.natural); /* whose first q knows no data */
    iv_arg_step(launch);
    return iv_launch_end_by_member(launch, 2, (const size_t[]){64, p->n_members},
                                   (const size_t[]){64, 1});
}

iv_status iv_posterior_append_statistics(const iv_posterior *p, iv_sequence *sequence) {
    iv_launch *launch = begin(p, sequence, "posterior_statistics");
    iv_arg_buffer(launch, p->factor);
    iv_arg_buffer(launch, p->mean->values);
    iv_arg_buffer(launch, p->row_kl);
    iv_arg_buffer(launch, p->row_squares);
    iv_arg_buffer(launch, p->prior);
    iv_arg_uint(launch, p->desc.n_features);
    iv_arg_uint(launch, p->desc.n_classes);
    iv_arg_uint(launch, p->entries);
    iv_arg_uint(launch, p->mean->stride);
    return end_of_rows(p, launch);
}

iv_status iv_posterior_append_update(iv_posterior *p, iv_sequence *sequence) {
    if (p->desc.point) return iv_optimizer_append(p->optimizer, sequence);
    iv_status status = append_next(p, sequence);
    if (status == IV_OK) status = append_rows(p, sequence);
    if (status == IV_OK) status = iv_posterior_append_kl(p, sequence);
    if (status == IV_OK) status = iv_posterior_append_alpha(p, sequence);
    return status == IV_OK && p->desc.logits ? append_squares(p, sequence) : status;
}

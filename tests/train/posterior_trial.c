/* Posteriors under test. */
#include "posterior_trial.h"

#include <lapacke.h>

#include <stdio.h>

static void destroy_posterior(void *posterior) {
    iv_posterior_destroy(posterior);
}

static void destroy_sequence(void *sequence) {
    iv_sequence_destroy(sequence);
}

/* The end of a step, with memory for a batch where it takes one. */
static void append_update(subject *s) {
    const size_t n_features = TRIAL_ROWS * s->n_features, n_curvatures = TRIAL_ROWS * s->n_classes;
    if (!s->posterior->desc.natural) {
        assert_ok(s->context, iv_posterior_append_update(s->posterior, s->update));
        return;
    }
    assert_ok(s->context, iv_sequence_buffer(s->update, s->n_members * n_features * sizeof(float),
                                             &s->features));
    assert_ok(s->context, iv_sequence_buffer(s->update, s->n_members * n_curvatures * sizeof(float),
                                             &s->curvatures));
    assert_ok(s->context, iv_posterior_append_newton(s->posterior, s->update, TRIAL_ROWS,
                                                     (iv_view){s->features, 0, n_features},
                                                     (iv_view){s->curvatures, 0, n_curvatures}));
}

subject subject_begin(program *p, const plan_of_subject *plan) {
    subject s = {.program = p,
                 .context = p->context,
                 .n_members = plan->n_members,
                 .n_classes = plan->n_classes,
                 .n_features = plan->n_features,
                 .first_seed = plan->first_seed};
    uint32_t seeds[MAX_POSTERIORS];
    float rates[MAX_POSTERIORS];
    assert_true(s.n_members <= MAX_POSTERIORS);
    for (size_t r = 0; r < s.n_members; r++) {
        seeds[r] = plan->first_seed + (uint32_t)r;
        rates[r] = plan->rate * (float)(plan->first_seed + r + 1);
    }
    iv_posterior_desc desc = {.n_classes = s.n_classes,
                              .n_features = s.n_features,
                              .n_data = plan->n_data,
                              .point = plan->point,
                              .prior_variance = plan->prior_variance,
                              .initial_deviation = plan->initial_deviation,
                              .alpha_damping = plan->alpha_damping,
                              .logits = plan->logits,
                              .natural = plan->natural,
                              .newton = plan->newton,
                              .seeds = seeds,
                              .optimizer = plan->adam};
    desc.optimizer.learning_rates = rates;
    static const iv_parameter_desc other = {.name = "hidden.bias", .rank = 1, .dims = {3}};
    assert_ok(s.context,
              iv_posterior_create_with(s.context, s.n_members, &desc, plan->lanes, &s.posterior));
    assert_ok(s.context, iv_parameters_create(s.context, s.n_members, &other, 1, &s.others));
    const iv_optimizer_desc sgd = {.kind = IV_OPTIMIZER_SGD, .learning_rates = rates};
    assert_ok(s.context, iv_optimizer_create(s.others, &sgd, &s.optimizer));
    assert_ok(s.context, iv_sequence_create(s.context, &s.update));
    iv_sequence_set_members(s.update, s.n_members);
    append_update(&s);
    return s;
}

void subject_end(subject *s) {
    program_release(s->program, destroy_sequence, s->update);
    program_release(s->program, destroy_posterior, s->posterior);
    release_optimizer(s->program, s->optimizer);
}

/* ------------------------------------------------------------------ models */

static model allocate_model(const subject *s) {
    const size_t n = s->n_members * s->n_classes * s->n_features;
    model m = {calloc(n, sizeof(float)), NULL};
    assert_non_null(m.means);
    if (!s->posterior->desc.point) {
        m.factors = calloc(n * s->n_features, sizeof(float));
        assert_non_null(m.factors);
    }
    return m;
}

void free_model(model *m) {
    free(m->means);
    free(m->factors);
}

model random_model(const subject *s, uint32_t seed) {
    model m = allocate_model(s);
    const size_t h = s->n_features, rows = s->n_members * s->n_classes * h;
    for (size_t k = 0; k < rows; k++) {
        uint32_t words[4];
        iv_philox(seed, IV_STREAM_TEST, 0, (uint32_t)k, words);
        const size_t i = k % h;
        m.means[k] = iv_uniform_symmetric(words[0]);
        for (size_t j = 0; j < i && m.factors; j++) {
            uint32_t entry[4];
            iv_philox(seed, IV_STREAM_TEST, 1 + (uint32_t)j, (uint32_t)k, entry);
            m.factors[k * h + j] = 0.5f * iv_uniform_symmetric(entry[0]) / sqrtf((float)h);
        }
        const float diagonal = 0.5f + iv_uniform(words[1]);
        if (m.factors) m.factors[k * h + i] = k % 7 == 5 ? -diagonal : diagonal;
    }
    return m;
}

/* Oclgrind 21.10 takes a buffer for uninitialised once the host has written to a part of it. */
static void write_whole(const subject *s, cl_mem buffer) {
    size_t n;
    float *values = read_buffer(s->context, buffer, &n);
    assert_ok(s->context, iv_buffer_write(s->context, buffer, 0, n * sizeof *values, values));
    free(values);
}

void write_model(const subject *s, const model *m) {
    const size_t c = s->n_classes, h = s->n_features;
    own_folder f;
    make_folder(&f);
    const char *path = in_folder(&f, "model.safetensors");
    static const float bias[3] = {1.0f, 2.0f, 3.0f};
    for (size_t r = 0; r < s->n_members; r++) {
        const iv_tensor_entry entries[] = {
            {"hidden.bias", 1, {3}, bias},
            {"output.mean", 2, {c, h}, m->means + r * c * h},
            {"output.scale_tril", 3, {c, h, h}, m->factors ? m->factors + r * c * h * h : NULL}};
        assert_ok(s->context, iv_safetensors_write(path, entries, m->factors ? 3 : 2, NULL, 0,
                                                   iv_context_error(s->context)));
        assert_ok(s->context, iv_model_read(path, MODEL_OF(s), r));
    }
    const iv_state *state = iv_posterior_state(s->posterior);
    for (size_t i = 0; i < state->n_kept; i++) write_whole(s, state->kept[i].view.buffer);
    remove_folder(&f);
}

model read_model(const subject *s) {
    model m = allocate_model(s);
    const size_t n = s->n_classes * s->n_features, n_factor = n * s->n_features;
    own_folder f;
    make_folder(&f);
    const char *path = in_folder(&f, "model.safetensors");
    for (size_t r = 0; r < s->n_members; r++) {
        iv_safetensors *file;
        assert_ok(s->context, iv_model_write(path, MODEL_OF(s), r, NULL, 0));
        assert_ok(s->context, iv_safetensors_open(path, &file, iv_context_error(s->context)));
        assert_int_equal(iv_safetensors_count(file),
                         (m.factors ? 3 : 2) + (s->posterior->desc.alpha_damping > 0));
        memcpy(m.means + r * n, iv_safetensors_find(file, "output.mean")->data,
               n * sizeof *m.means);
        if (m.factors)
            memcpy(m.factors + r * n_factor, iv_safetensors_find(file, "output.scale_tril")->data,
                   n_factor * sizeof *m.factors);
        iv_safetensors_close(file);
    }
    remove_folder(&f);
    return m;
}

float *read_weights(const subject *s, iv_view view) {
    const size_t n = s->n_classes * s->n_features;
    size_t n_buffer;
    float *all = read_buffer(s->context, view.buffer, &n_buffer);
    for (size_t r = 0; r < s->n_members; r++)
        memmove(all + r * n, all + view.offset + r * view.stride, n * sizeof *all);
    return all;
}

void write_gradients(const subject *s, const float *gradients) {
    const size_t n = s->n_classes * s->n_features;
    const iv_view view = iv_posterior_gradient_view(s->posterior);
    for (size_t r = 0; r < s->n_members; r++)
        assert_ok(s->context, iv_buffer_write(s->context, view.buffer,
                                              (view.offset + r * view.stride) * sizeof(float),
                                              n * sizeof(float), gradients + r * n));
    write_whole(s, view.buffer);
}

iv_sequence *evaluation_begin(const subject *s) {
    iv_sequence *draw;
    assert_ok(s->context, iv_sequence_create(s->context, &draw));
    assert_ok(s->context, iv_posterior_append_sample(s->posterior, draw, IV_STREAM_EVALUATION));
    return draw;
}

void evaluation_end(const subject *s, iv_sequence *draw) {
    program_release(s->program, destroy_sequence, draw);
}

/* ------------------------------------------------------------------ oracles */

float eps_at(const subject *s, size_t member, uint32_t stream, uint32_t step, size_t c, size_t j) {
    const uint32_t e = (uint32_t)(c * s->n_features + j);
    uint32_t words[4];
    float pair[2];
    iv_philox(s->first_seed + (uint32_t)member, stream, step, e / 4, words);
    iv_normal(words[e % 4 < 2 ? 0 : 2], words[e % 4 < 2 ? 1 : 3], pair);
    return pair[e % 2];
}

/* Eigenvalues are off by n u of the largest, entries of the covariance by as much; so is each
 * logarithm, relative to the smallest. */
double kl_by_eigenvalues(const subject *s, const model *m, size_t r, double prior_variance,
                         double *bound) {
    const size_t h = s->n_features;
    double *covariance = malloc((h * h + h) * sizeof *covariance), kl = 0.0;
    double *eigenvalues = covariance + h * h;
    assert_non_null(covariance);
    *bound = 0.0;
    for (size_t c = 0; c < s->n_classes; c++) {
        const float *factor = m->factors + (r * s->n_classes + c) * h * h;
        const float *mean = m->means + (r * s->n_classes + c) * h;
        double trace = 0.0, square = 0.0, log_determinant = 0.0;
        for (size_t i = 0; i < h; i++)
            for (size_t k = 0; k < h; k++) {
                double sum = 0.0;
                for (size_t j = 0; j < h; j++)
                    sum += (double)factor[i * h + j] * (double)factor[k * h + j];
                covariance[i * h + k] = sum;
            }
        for (size_t i = 0; i < h; i++) {
            trace += covariance[i * h + i];
            square += (double)mean[i] * (double)mean[i];
        }
        assert_int_equal(LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'N', 'U', (lapack_int)h, covariance,
                                       (lapack_int)h, eigenvalues),
                         0);
        for (size_t i = 0; i < h; i++) log_determinant += log(eigenvalues[i]);
        kl += 0.5 * ((trace + square) / prior_variance - (double)h +
                     (double)h * log(prior_variance) - log_determinant);
        *bound += 0x1p-52 * (double)(h * h) * eigenvalues[h - 1] / eigenvalues[0] +
                  0x1p-52 * (double)h * (trace + square) / prior_variance;
    }
    free(covariance);
    return kl;
}

/* Posteriors against double precision: samples, the update of a step, the KL. */
#include "posterior_trial.h"

#include <stdio.h>

#define U 0x1p-24 /* unit roundoff of floats */

static const iv_optimizer_desc adam = {
    .kind = IV_OPTIMIZER_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-4f};

/* Around the piece of 16 floats that rows consist of, and more rows than work-items of a CPU. */
static const struct {
    size_t n_members, n_classes, n_features, lanes;
} shapes[] = {{1, 1, 1, 1},  {2, 3, 15, 1},  {1, 2, 16, 1},  {3, 2, 17, 1},  {1, 3, 70, 1},
              {1, 1, 1, 64}, {2, 3, 15, 64}, {1, 2, 17, 64}, {1, 1, 300, 64}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static subject begin(program *p, size_t shape, iv_optimizer_desc optimizer, float prior_variance) {
    const plan_of_subject plan = {.n_members = shapes[shape].n_members,
                                  .n_classes = shapes[shape].n_classes,
                                  .n_features = shapes[shape].n_features,
                                  .lanes = shapes[shape].lanes,
                                  .n_data = 7,
                                  .first_seed = 40,
                                  .prior_variance = prior_variance,
                                  .initial_deviation = 1.0f,
                                  .rate = 1e-4f,
                                  .adam = optimizer};
    return subject_begin(p, &plan);
}

static bool too_large(size_t shape) {
    return is_small_run() && shapes[shape].n_features > 20;
}

/* ------------------------------------------------------------------ samples */

/* A row is a sum of i + 1 products and the mean, each rounded once; the sum of the roundings is at
 * most (i + 2) u of the sum of the sizes. */
static void check_sample(const subject *s, const model *m, uint32_t stream, uint32_t step) {
    const size_t h = s->n_features, n_rows = s->n_members * s->n_classes * h;
    float *w = read_weights(s, iv_posterior_sample_view(s->posterior));
    for (size_t k = 0; k < n_rows; k++) {
        const size_t i = k % h, c = k / h % s->n_classes, r = k / h / s->n_classes;
        double expected = (double)m->means[k], size = fabs(expected);
        for (size_t j = 0; j <= i; j++) {
            const double term =
                (double)m->factors[k * h + j] * (double)eps_at(s, r, stream, step, c, j);
            expected += term;
            size += fabs(term);
        }
        if (!(fabs((double)w[k] - expected) <= (double)(i + 2) * U * size))
            fail_msg("W %zu of %zu x %zu is %.9g, not %.9g", k, s->n_classes, h, (double)w[k],
                     expected);
    }
    free(w);
}

static void samples_are_mean_plus_factor_times_the_noise_of_the_step(void **state) {
    for (size_t shape = 0; shape < N_SHAPES; shape++) {
        if (too_large(shape)) continue;
        subject s = begin(*state, shape, adam, 1.0f);
        model m = random_model(&s, 3);
        write_model(&s, &m);
        iv_sequence *draw = evaluation_begin(&s);
        for (uint32_t step = 4; step < 6; step++) {
            assert_ok(s.context, iv_posterior_prepare(s.posterior, step));
            check_sample(&s, &m, IV_STREAM_POSTERIOR, step);
            assert_ok(s.context, iv_sequence_run(draw, step));
            check_sample(&s, &m, IV_STREAM_EVALUATION, step);
        }
        evaluation_end(&s, draw);
        free_model(&m);
        subject_end(&s);
    }
}

/* In the beginning L = deviation I: W is a multiple of the noise. A deviation of 1/4 scales it
 * without rounding; its KL is H C (1 / 16 - 1 + 2 ln 4) / 2, of a standard normal distribution
 * exactly 0. */
static void a_new_posterior_is_a_normal_distribution_of_the_initial_deviation(void **state) {
    static const float deviations[] = {1.0f, 0.25f};
    for (size_t d = 0; d < 2; d++) {
        const plan_of_subject plan = {.n_members = 3,
                                      .n_classes = 2,
                                      .n_features = 17,
                                      .n_data = 7,
                                      .lanes = d == 0 ? 1 : 64,
                                      .first_seed = 40,
                                      .prior_variance = 1.0f,
                                      .initial_deviation = deviations[d],
                                      .rate = 1e-4f,
                                      .adam = adam};
        subject s = subject_begin(*state, &plan);
        assert_ok(s.context, iv_posterior_prepare(s.posterior, 0));
        float *w = read_weights(&s, iv_posterior_sample_view(s.posterior));
        const size_t h = s.n_features, n = s.n_classes * h;
        for (size_t k = 0; k < s.n_members * n; k++) {
            const float eps = eps_at(&s, k / n, IV_STREAM_POSTERIOR, 0, k / h % s.n_classes, k % h);
            assert_true(w[k] == deviations[d] * eps);
        }
        double kl[MAX_POSTERIORS];
        assert_ok(s.context, iv_posterior_kl(s.posterior, kl));
        const double expected = d == 0 ? 0.0 : 0.5 * (double)n * (1.0 / 16 - 1 + 2 * log(4.0));
        for (size_t r = 0; r < s.n_members; r++)
            assert_true(fabs(kl[r] - expected) <= 1e-13 * expected);
        free(w);
        subject_end(&s);
    }
}

/* Of n draws, a mean scatters by its deviation over sqrt(n), a covariance of x and y by
 * sqrt(var x var y + cov^2) over sqrt(n). Five times that is met but for one seed in a million. */
static void samples_have_the_mean_and_covariance_of_the_posterior(void **state) {
    enum { H = 3 };
    const plan_of_subject plan = {.n_members = 1,
                                  .n_classes = 1,
                                  .n_features = H,
                                  .n_data = 1,
                                  .lanes = 1,
                                  .prior_variance = 1.0f,
                                  .initial_deviation = 1.0f,
                                  .adam = adam};
    const uint32_t n = is_small_run() ? 50 : 4000;
    subject s = subject_begin(*state, &plan);
    model m = random_model(&s, 11);
    write_model(&s, &m);
    iv_sequence *draw = evaluation_begin(&s);
    const iv_view view = iv_posterior_sample_view(s.posterior);
    double first[H] = {0}, second[H][H] = {{0}};
    for (uint32_t step = 0; step < n; step++) {
        float w[H];
        assert_ok(s.context, iv_sequence_run(draw, step));
        assert_ok(s.context, iv_buffer_read(s.context, view.buffer, 0, sizeof w, w));
        for (size_t i = 0; i < H; i++) {
            const double x = (double)w[i] - (double)m.means[i];
            first[i] += x / n;
            for (size_t k = 0; k < H; k++)
                second[i][k] += x * ((double)w[k] - (double)m.means[k]) / n;
        }
    }
    double covariance[H][H] = {{0}};
    for (size_t i = 0; i < H; i++)
        for (size_t k = 0; k < H; k++)
            for (size_t j = 0; j < H; j++)
                covariance[i][k] += (double)m.factors[i * H + j] * (double)m.factors[k * H + j];
    for (size_t i = 0; i < H; i++) {
        assert_true(fabs(first[i]) < 5.0 * sqrt(covariance[i][i] / n));
        for (size_t k = 0; k < H; k++) {
            const double c = covariance[i][k];
            assert_true(fabs(second[i][k] - c) <
                        5.0 * sqrt((covariance[i][i] * covariance[k][k] + c * c) / n));
        }
    }
    evaluation_end(&s, draw);
    free_model(&m);
    subject_end(&s);
}

/* ------------------------------------------------------------------ the update */

/* A number in training, with bounds on what its twin in floats may be off. */
typedef struct {
    double value, mean, variance;
    double value_error, mean_error, variance_error;
} trained;

/* Adam as in test_optimizer.c, where the roundings are counted; here the gradient has an error of
 * its own. A root is off by as much as the root of the error, or the error over twice itself. */
static void advance(trained *x, const iv_optimizer_desc *d, double rate, double gradient,
                    double gradient_error, int t) {
    const double beta1 = (double)d->beta1, beta2 = (double)d->beta2, size = fabs(gradient);
    x->mean_error = beta1 * x->mean_error + (1 - beta1) * gradient_error +
                    3 * U * (fabs(beta1 * x->mean) + (1 - beta1) * size);
    x->mean = beta1 * x->mean + (1 - beta1) * gradient;
    x->variance = beta2 * x->variance + (1 - beta2) * gradient * gradient;
    x->variance_error = beta2 * x->variance_error + 4 * U * x->variance +
                        (1 - beta2) * (2 * size + gradient_error) * gradient_error;
    const double correction = sqrt(1 - pow(beta2, t)), step_size = rate / (1 - pow(beta1, t));
    const double of_variance = sqrt(x->variance), error = x->variance_error;
    const double root = of_variance / correction + (double)d->epsilon;
    const double of_error =
        of_variance > 0.0 ? fmin(sqrt(error), error / of_variance) : sqrt(error);
    const double least = fmax((double)d->epsilon, root - of_error / correction);
    const double step = step_size * x->mean / root;
    x->value -= step;
    x->value_error += step_size * x->mean_error / least +
                      fabs(step) * (of_error / correction / least + (40 + 2 * t) * U) +
                      rate * t * U;
    x->value_error += U * (fabs(x->value) + x->value_error);
}

static double annealing(const iv_optimizer_desc *d, uint32_t step) {
    const double pi = acos(-1.0);
    return d->cosine_steps ? 0.5 * (1.0 + cos(pi * step / d->cosine_steps)) : 1.0;
}

static float gradient_at(size_t k, uint32_t step) {
    uint32_t words[4];
    iv_philox(9, IV_STREAM_TEST, step, (uint32_t)k, words);
    return k % 13 == 4 ? 0.0f : 2.0f * iv_uniform_symmetric(words[0]);
}

/* All members' numbers: the model's means, and the lower triangles as squares. */
typedef struct {
    const subject *s;
    const iv_optimizer_desc *d;
    double n_data, prior_variance;
    trained *means, *factors;
} oracle;

static void start_oracle(oracle *o, const model *m) {
    const size_t h = o->s->n_features, n = o->s->n_members * o->s->n_classes * h;
    o->means = calloc(n, sizeof *o->means);
    o->factors = calloc(n * h, sizeof *o->factors);
    assert_true(o->means && o->factors);
    for (size_t k = 0; k < n; k++) o->means[k].value = (double)m->means[k];
    for (size_t k = 0; k < n * h; k++) o->factors[k].value = (double)m->factors[k];
}

/* A gradient's roundings: two products and sums, the quotient on the diagonal, and what L and mean
 * are off. */
static void step_oracle(oracle *o, const float *gradients, uint32_t step) {
    const subject *s = o->s;
    const size_t h = s->n_features;
    const double weight = 1.0 / o->n_data, decay = weight / o->prior_variance;
    for (size_t k = 0; k < s->n_members * s->n_classes * h; k++) {
        const size_t i = k % h, c = k / h % s->n_classes, r = k / h / s->n_classes;
        const double down = (double)gradients[k];
        const double rate =
            (double)(1e-4f * (float)(s->first_seed + r + 1)) * annealing(o->d, step);
        for (size_t j = 0; j <= i; j++) {
            trained *l = &o->factors[k * h + j];
            const double of_loss = down * (double)eps_at(s, r, IV_STREAM_POSTERIOR, step, c, j);
            double gradient = of_loss + decay * l->value;
            double error =
                4 * U * (fabs(of_loss) + decay * fabs(l->value)) + decay * l->value_error;
            if (i == j) {
                gradient -= weight / l->value;
                error += weight / fabs(l->value) * (8 * U + 2 * l->value_error / fabs(l->value));
            }
            advance(l, o->d, rate, gradient, error, (int)step + 1);
        }
        trained *x = &o->means[k];
        const double gradient = down + decay * x->value;
        const double error = 4 * U * (fabs(down) + decay * fabs(x->value)) + decay * x->value_error;
        advance(x, o->d, rate, gradient, error, (int)step + 1);
    }
}

static void compare(const oracle *o, const trained *expected, const float *got, size_t n,
                    const char *what) {
    size_t n_sharp = 0;
    for (size_t k = 0; k < n; k++) {
        const double error = fabs((double)got[k] - expected[k].value);
        if (!(error <= expected[k].value_error))
            fail_msg("%s %zu (H = %zu, lanes %zu) is %.9g, not %.9g +- %.2g", what, k,
                     o->s->n_features, o->s->posterior->lanes, (double)got[k], expected[k].value,
                     expected[k].value_error);
        n_sharp += expected[k].value_error < 1e-4; /* a step is of 4e-3 and more */
    }
    assert_true(n_sharp >= n - n / 50);
}

/* Of the total of n rows, each a sum of h squares and a logarithm (3 ulp): n + h additions. */
static void check_kl_view(const subject *s, const model *before, double prior_variance) {
    const size_t h = s->n_features, n = s->n_classes * h;
    for (size_t r = 0; r < s->n_members; r++) {
        double bound, size = 0.0;
        const double expected = kl_by_eigenvalues(s, before, r, prior_variance, &bound);
        for (size_t k = r * n; k < (r + 1) * n; k++) {
            size += ((double)before->means[k] * (double)before->means[k]) / prior_variance;
            size += 1.0 + fabs(log(prior_variance)) +
                    2.0 * fabs(log(fabs((double)before->factors[k * h + k % h])));
            for (size_t j = 0; j < h; j++)
                size += pow((double)before->factors[k * h + j], 2.0) / prior_variance;
        }
        float view;
        assert_ok(s->context, iv_buffer_read(s->context, iv_posterior_kl_view(s->posterior).buffer,
                                             r * sizeof view, sizeof view, &view));
        if (!(fabs((double)view - expected) <= bound + (double)(8 + n / 32 + h) * U * size))
            fail_msg("KL %.9g, not %.9g", (double)view, expected);
    }
}

static void check_updates(program *p, size_t shape, iv_optimizer_desc d, float prior_variance) {
    const uint32_t n_steps = is_small_run() ? 2 : 6;
    subject s = begin(p, shape, d, prior_variance);
    const size_t h = s.n_features, n = s.n_members * s.n_classes * h;
    model m = random_model(&s, 5);
    oracle o = {&s, &d, 7.0, (double)prior_variance, NULL, NULL};
    start_oracle(&o, &m);
    write_model(&s, &m);
    float *gradients = calloc(n, sizeof *gradients);
    assert_non_null(gradients);
    assert_ok(s.context, iv_posterior_prepare(s.posterior, 0));
    for (uint32_t step = 0; step < n_steps; step++) {
        model before = read_model(&s);
        for (size_t k = 0; k < n; k++) gradients[k] = gradient_at(k, step);
        write_gradients(&s, gradients);
        assert_ok(s.context, iv_sequence_run(s.update, step));
        step_oracle(&o, gradients, step);
        check_kl_view(&s, &before, (double)prior_variance);
        model after = read_model(&s);
        compare(&o, o.means, after.means, n, "mean");
        compare(&o, o.factors, after.factors, n * h, "factor");
        check_sample(&s, &after, IV_STREAM_POSTERIOR, step + 1);
        free_model(&before);
        free_model(&after);
    }
    free(gradients);
    free(o.means);
    free(o.factors);
    free_model(&m);
    subject_end(&s);
}

static void updates_follow_adam_on_the_gradients_of_the_loss(void **state) {
    for (size_t shape = 0; shape < N_SHAPES; shape++)
        if (!too_large(shape)) check_updates(*state, shape, adam, shape % 2 ? 1.0f : 0.25f);
}

static void updates_anneal_their_rates(void **state) {
    iv_optimizer_desc annealed = adam;
    annealed.cosine_steps = 7;
    for (size_t shape = 1; shape < N_SHAPES; shape += 5)
        if (!too_large(shape)) check_updates(*state, shape, annealed, 2.0f);
}

/* ------------------------------------------------------------------ the KL */

static void the_kl_is_that_of_the_covariances(void **state) {
    static const float variances[] = {1.0f, 0.3f, 20.0f};
    for (size_t shape = 0; shape < N_SHAPES; shape++) {
        if (too_large(shape)) continue;
        const float variance = variances[shape % 3];
        subject s = begin(*state, shape, adam, variance);
        model m = random_model(&s, 17);
        write_model(&s, &m);
        double kl[MAX_POSTERIORS];
        assert_ok(s.context, iv_posterior_kl(s.posterior, kl));
        for (size_t r = 0; r < s.n_members; r++) {
            double bound;
            const double expected = kl_by_eigenvalues(&s, &m, r, (double)variance, &bound);
            if (!(fabs(kl[r] - expected) <= bound))
                fail_msg("KL %.15g, not %.15g +- %.2g", kl[r], expected, bound);
        }
        free_model(&m);
        subject_end(&s);
    }
}

/* ------------------------------------------------------------------ point estimates, errors */

static void a_point_estimate_is_its_mean_under_adam(void **state) {
    const plan_of_subject plan = {.n_members = 2,
                                  .n_classes = 3,
                                  .n_features = 18,
                                  .n_data = 7,
                                  .lanes = 1,
                                  .point = true,
                                  .rate = 1e-4f,
                                  .first_seed = 40,
                                  .adam = adam};
    subject s = subject_begin(*state, &plan);
    const size_t n = s.n_members * s.n_classes * s.n_features;
    model m = random_model(&s, 5);
    write_model(&s, &m);
    trained *expected = calloc(n, sizeof *expected);
    float *gradients = calloc(n, sizeof *gradients);
    assert_true(expected && gradients);
    for (size_t k = 0; k < n; k++) expected[k].value = (double)m.means[k];
    assert_ok(s.context, iv_posterior_append_sample(s.posterior, s.update, IV_STREAM_EVALUATION));
    assert_ok(s.context, iv_posterior_prepare(s.posterior, 0));
    for (uint32_t step = 0; step < 4; step++) {
        for (size_t k = 0; k < n; k++) {
            gradients[k] = gradient_at(k, step);
            const double rate = (double)(1e-4f * (float)(41 + k / (n / 2)));
            advance(&expected[k], &adam, rate, (double)gradients[k], 0.0, (int)step + 1);
        }
        write_gradients(&s, gradients);
        assert_ok(s.context, iv_sequence_run(s.update, step));
    }
    const oracle o = {.s = &s};
    float *w = read_weights(&s, iv_posterior_sample_view(s.posterior));
    model after = read_model(&s);
    compare(&o, expected, after.means, n, "mean");
    assert_memory_equal(w, after.means, n * sizeof *w);
    double kl[MAX_POSTERIORS];
    float of_step[2];
    assert_ok(s.context, iv_posterior_kl(s.posterior, kl));
    assert_ok(s.context, iv_buffer_read(s.context, iv_posterior_kl_view(s.posterior).buffer, 0,
                                        sizeof of_step, of_step));
    for (size_t r = 0; r < s.n_members; r++) assert_true(kl[r] == 0.0 && of_step[r] == 0.0f);
    free(w);
    free(expected);
    free(gradients);
    free_model(&m);
    free_model(&after);
    subject_end(&s);
}

static void impossible_posteriors_are_refused(void **state) {
    static const uint32_t seed = 1;
    static const float rate = 0.1f;
    const iv_posterior_desc good = {.n_classes = 2,
                                    .n_features = 3,
                                    .n_data = 4,
                                    .prior_variance = 1.0f,
                                    .initial_deviation = 1.0f,
                                    .seeds = &seed,
                                    .optimizer = adam};
    struct {
        iv_posterior_desc desc;
        const char *part;
    } cases[] = {{good, "2 classes, 3 features and 0 samples"},
                 {good, "variance 0"},
                 {good, "variance inf"},
                 {good, "variance nan"},
                 {good, "deviation 0"},
                 {good, "deviation inf"},
                 {good, "deviation nan"},
                 {good, "0 classes"},
                 {good, "Adam alone"},
                 {good, "betas 1 and"},
                 {good, "too large"}};
    cases[0].desc.n_data = 0;
    cases[1].desc.prior_variance = 0.0f;
    cases[2].desc.prior_variance = INFINITY;
    cases[3].desc.prior_variance = NAN;
    cases[4].desc.initial_deviation = 0.0f;
    cases[5].desc.initial_deviation = INFINITY;
    cases[6].desc.initial_deviation = NAN;
    cases[7].desc.n_classes = 0;
    cases[8].desc.optimizer.kind = IV_OPTIMIZER_SGD;
    cases[9].desc.optimizer.beta1 = 1.0f;
    cases[10].desc.n_features = 100000;
    program *p = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        iv_posterior *posterior;
        cases[i].desc.optimizer.learning_rates = &rate;
        assert_fails(p->context, iv_posterior_create(p->context, 1, &cases[i].desc, &posterior),
                     IV_EINVAL, cases[i].part);
        assert_null(posterior);
    }
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_mean_plus_factor_times_the_noise_of_the_step),
        cmocka_unit_test(a_new_posterior_is_a_normal_distribution_of_the_initial_deviation),
        cmocka_unit_test(samples_have_the_mean_and_covariance_of_the_posterior),
        cmocka_unit_test(updates_follow_adam_on_the_gradients_of_the_loss),
        cmocka_unit_test(updates_anneal_their_rates),
        cmocka_unit_test(the_kl_is_that_of_the_covariances),
        cmocka_unit_test(a_point_estimate_is_its_mean_under_adam),
        cmocka_unit_test(impossible_posteriors_are_refused),
    };
    return cmocka_run_group_tests_name("posterior", tests, open_program, close_program);
}

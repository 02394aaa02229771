/* The gradients that an update takes, against central differences
 * of the loss in double precision. */
#include "posterior_trial.h"

#include <stdio.h>

enum { MEMBERS = 2, CLASSES = 3, FEATURES = 19, BATCH = 6, PAIRS = 2 };

static const uint32_t step = 5;

/* Without momentum and with epsilon = rate far above all gradients, a step of Adam subtracts
 * epsilon g / (|g| + epsilon): the gradient itself within 2e-5 of its value if that is below 20. */
static subject begin(program *p, size_t lanes, size_t n_data, float prior_variance, bool logits) {
    const plan_of_subject plan = {.logits = logits,
                                  .n_members = MEMBERS,
                                  .n_classes = CLASSES,
                                  .n_features = FEATURES,
                                  .n_data = n_data,
                                  .lanes = lanes,
                                  .first_seed = 0,
                                  .prior_variance = prior_variance,
                                  .initial_deviation = 1.0f,
                                  .rate = 1e6f,
                                  .adam = {.kind = IV_OPTIMIZER_ADAM, .epsilon = 1e6f}};
    return subject_begin(p, &plan);
}

/* ------------------------------------------------------------------ the loss */

typedef struct {
    double mean[CLASSES * FEATURES], factor[CLASSES * FEATURES * FEATURES];
    double weight_of_kl, prior_variance;
    const double *features; /* [BATCH, H], NULL for the KL alone */
    const int *labels;
    double eps[CLASSES * FEATURES]; /* of weights */
    const double
        *pairs; /* [PAIRS, BATCH, CLASSES]: of logits, which are sampled instead; or NULL */
} problem;

static double cross_entropy(const problem *q) {
    double total = 0.0;
    for (size_t b = 0; b < BATCH; b++) {
        double logits[CLASSES] = {0}, sum = 0.0;
        for (size_t c = 0; c < CLASSES; c++) {
            for (size_t i = 0; i < FEATURES; i++) {
                const size_t row = c * FEATURES + i;
                double w = q->mean[row];
                for (size_t j = 0; j <= i; j++)
                    w += q->factor[row * FEATURES + j] * q->eps[c * FEATURES + j];
                logits[c] += w * q->features[b * FEATURES + i];
            }
            sum += exp(logits[c]);
        }
        total += (log(sum) - logits[q->labels[b]]) / BATCH;
    }
    return total;
}

static double log_sum_exp(const double *logits) {
    double sum = 0.0;
    for (size_t c = 0; c < CLASSES; c++) sum += exp(logits[c]);
    return log(sum);
}

/* The same with logits sampled for each row, in pairs. */
static double sampled_cross_entropy(const problem *q) {
    double total = 0.0;
    for (size_t i = 0; i < PAIRS * BATCH; i++) {
        const size_t b = i % BATCH;
        double above[CLASSES], below[CLASSES];
        for (size_t c = 0; c < CLASSES; c++) {
            double mean = 0.0, variance = 0.0;
            for (size_t k = 0; k < FEATURES; k++)
                mean += q->mean[c * FEATURES + k] * q->features[b * FEATURES + k];
            for (size_t j = 0; j < FEATURES; j++) {
                double sum = 0.0;
                for (size_t k = j; k < FEATURES; k++)
                    sum += q->factor[(c * FEATURES + k) * FEATURES + j] *
                           q->features[b * FEATURES + k];
                variance += sum * sum;
            }
            above[c] = mean + sqrt(variance) * q->pairs[i * CLASSES + c];
            below[c] = mean - sqrt(variance) * q->pairs[i * CLASSES + c];
        }
        total += log_sum_exp(above) - above[q->labels[b]];
        total += log_sum_exp(below) - below[q->labels[b]];
    }
    return total / (2 * PAIRS * BATCH);
}

static double loss(const problem *q) {
    double kl = 0.0;
    for (size_t row = 0; row < CLASSES * FEATURES; row++) {
        double squares = q->mean[row] * q->mean[row];
        for (size_t j = 0; j <= row % FEATURES; j++)
            squares += pow(q->factor[row * FEATURES + j], 2.0);
        kl += 0.5 * (squares / q->prior_variance + log(q->prior_variance) - 1.0) -
              log(fabs(q->factor[row * FEATURES + row % FEATURES]));
    }
    if (!q->features) return q->weight_of_kl * kl;
    return q->weight_of_kl * kl + (q->pairs ? sampled_cross_entropy(q) : cross_entropy(q));
}

/* The error of the difference: h^2 / 6 times the third derivative, at most that of the logarithm,
 * 2 / L^3 <= 16, and 2^-53 of the loss over h. */
static double difference(problem *q, double *x) {
    const double h = 1e-4, middle = *x;
    *x = middle + h;
    const double above = loss(q);
    *x = middle - h;
    const double below = loss(q);
    *x = middle;
    return (above - below) / (2 * h);
}

/* ------------------------------------------------------------------ the update's gradients */

static void check_one(problem *q, double *x, double rates, float before, float after,
                      const char *what) {
    const double expected = difference(q, x), got = ((double)before - (double)after) / rates;
    /* Adam's step takes |g| / 1e6 of it, |g| < 20; the rounding of both values; what the difference
     * is off, and the roundings of a float's gradient, whose terms are of order 10 at most */
    const double bound =
        2e-5 * fabs(expected) + 0x1p-24 * (fabs((double)before) + fabs((double)after)) + 2e-6;
    if (!(fabs(got - expected) <= bound))
        fail_msg("the gradient of %s is %.7g, not %.7g +- %.2g", what, got, expected, bound);
}

static void check_member(const subject *s, const model *before, const model *after, size_t r,
                         problem *q) {
    const size_t n = CLASSES * FEATURES, n_factor = n * FEATURES;
    const double rates = (double)(r + 1); /* of the first member's */
    for (size_t k = 0; k < n; k++) q->mean[k] = (double)before->means[r * n + k];
    for (size_t k = 0; k < n_factor; k++) q->factor[k] = (double)before->factors[r * n_factor + k];
    for (size_t k = 0; k < n; k++)
        q->eps[k] = (double)eps_at(s, r, IV_STREAM_POSTERIOR, step, k / FEATURES, k % FEATURES);
    for (size_t k = 0; k < n; k++) {
        check_one(q, &q->mean[k], rates, before->means[r * n + k], after->means[r * n + k],
                  "a mean");
        for (size_t j = 0; j < FEATURES; j++) {
            const size_t at = r * n_factor + k * FEATURES + j;
            if (j > k % FEATURES)
                assert_true(after->factors[at] == 0.0f);
            else if (j == k % FEATURES || (k + j) % 4 == 0)
                check_one(q, &q->factor[k * FEATURES + j], rates, before->factors[at],
                          after->factors[at], j == k % FEATURES ? "a diagonal entry" : "a factor");
        }
    }
}

static void gradient_of_the_kl_is_its_difference_quotient(void **state) {
    for (size_t lanes = 1; lanes <= 64; lanes += 63) {
        subject s = begin(*state, lanes, 2, 0.5f, false);
        model before = random_model(&s, 23);
        write_model(&s, &before);
        assert_ok(s.context, iv_posterior_prepare(s.posterior, step));
        assert_ok(s.context, iv_sequence_run(s.update, step));
        model after = read_model(&s);
        for (size_t r = 0; r < MEMBERS; r++) {
            problem q = {.weight_of_kl = 0.5, .prior_variance = 0.5};
            check_member(&s, &before, &after, r, &q);
        }
        free_model(&before);
        free_model(&after);
        subject_end(&s);
    }
}

/* As a study has it: features, W as an input of the graph, the gradient in its place. */
static void gradient_of_the_whole_loss_is_its_difference_quotient(void **state) {
    for (size_t lanes = 1; lanes <= 64; lanes += 63) {
        subject s = begin(*state, lanes, 3, 1.0f, false);
        model before = random_model(&s, 29);
        write_model(&s, &before);
        trial *t = trial_begin(*state, MEMBERS);
        iv_tensor *features =
            trial_floats(t, LIES_APART, 2, (const size_t[]){BATCH, FEATURES}, -1.0, 1.0);
        iv_tensor *labels = trial_classes(t, LIES_APART, BATCH, CLASSES);
        const iv_view sample = iv_posterior_sample_view(s.posterior);
        iv_tensor *w = iv_input(t->graph, IV_F32, 2, (const size_t[]){CLASSES, FEATURES}, &sample);
        iv_tensor *outputs[2], *gradient;
        outputs[0] = iv_cross_entropy(t->graph, iv_linear(t->graph, features, w, NULL), labels);
        assert_ok(t->context, iv_gradient(t->graph, outputs[0], &w, 1, &gradient));
        iv_place(gradient, iv_posterior_gradient_view(s.posterior));
        outputs[1] = gradient;
        assert_ok(s.context, iv_posterior_prepare(s.posterior, step));
        trial_run(t, outputs, 2, step);
        assert_ok(s.context, iv_sequence_run(s.update, step));
        model after = read_model(&s);
        float *losses = trial_read(t, outputs[0]);
        for (size_t r = 0; r < MEMBERS; r++) {
            const double *of_labels = trial_values(t, labels, r);
            int classes[BATCH];
            for (size_t b = 0; b < BATCH; b++) classes[b] = (int)of_labels[b];
            problem q = {.weight_of_kl = 1.0 / 3.0,
                         .prior_variance = 1.0,
                         .features = trial_values(t, features, r),
                         .labels = classes};
            check_member(&s, &before, &after, r, &q);
            float kl;
            assert_ok(s.context, iv_buffer_read(s.context, iv_posterior_kl_view(s.posterior).buffer,
                                                r * sizeof kl, sizeof kl, &kl));
            /* some hundred numbers of order 1 */
            assert_true(fabs((double)losses[r] + (double)kl / 3.0 - loss(&q)) < 1e-4);
        }
        free(losses);
        free_model(&before);
        free_model(&after);
        trial_end(*state, t);
        subject_end(&s);
    }
}

/* The noise of a member's logits as invar/graph.h says. */
static void draw_pairs(const subject *s, size_t r, double pairs[PAIRS * BATCH * CLASSES]) {
    for (uint32_t i = 0; i < PAIRS * BATCH * CLASSES; i++) {
        const uint32_t c = i % CLASSES;
        uint32_t words[4];
        float two[2];
        iv_philox(s->first_seed + (uint32_t)r, IV_STREAM_POSTERIOR, step, i / CLASSES, words);
        iv_normal(words[c < 2 ? 0 : 2], words[c < 2 ? 1 : 3], two);
        pairs[i] = (double)two[c % 2];
    }
}

static void gradient_with_sampled_logits_is_its_difference_quotient(void **state) {
    for (size_t lanes = 1; lanes <= 64; lanes += 63) {
        subject s = begin(*state, lanes, 3, 1.0f, true);
        model before = random_model(&s, 37);
        write_model(&s, &before);
        trial *t = trial_begin(*state, MEMBERS);
        iv_tensor *features =
            trial_floats(t, LIES_APART, 2, (const size_t[]){BATCH, FEATURES}, -1.0, 1.0);
        iv_tensor *labels = trial_classes(t, LIES_APART, BATCH, CLASSES);
        const iv_view mean = iv_posterior_mean_view(s.posterior);
        const iv_view factor = iv_posterior_factor_view(s.posterior);
        const uint32_t seeds[MEMBERS] = {s.first_seed, s.first_seed + 1};
        const iv_logit_draws draws = {.seeds = {trial_upload(t, seeds, sizeof seeds), 0, 1},
                                      .stream = IV_STREAM_POSTERIOR,
                                      .n_pairs = PAIRS};
        iv_tensor *wrt[] = {
            iv_input(t->graph, IV_F32, 2, (const size_t[]){CLASSES, FEATURES}, &mean),
            iv_input(t->graph, IV_F32, 3, (const size_t[]){CLASSES, FEATURES, FEATURES}, &factor)};
        iv_tensor *outputs[3];
        outputs[0] = iv_sampled_cross_entropy(t->graph, iv_linear(t->graph, features, wrt[0], NULL),
                                              iv_row_variances(t->graph, features, wrt[1]), labels,
                                              &draws, NULL);
        assert_ok(t->context, iv_gradient(t->graph, outputs[0], wrt, 2, outputs + 1));
        iv_place(outputs[1], iv_posterior_gradient_view(s.posterior));
        iv_place(outputs[2], iv_posterior_factor_gradient_view(s.posterior));
        assert_ok(s.context, iv_posterior_prepare(s.posterior, step));
        trial_run(t, outputs, 3, step);
        assert_ok(s.context, iv_sequence_run(s.update, step));
        model after = read_model(&s);
        float *losses = trial_read(t, outputs[0]);
        for (size_t r = 0; r < MEMBERS; r++) {
            const double *of_labels = trial_values(t, labels, r);
            double pairs[PAIRS * BATCH * CLASSES];
            int classes[BATCH];
            for (size_t b = 0; b < BATCH; b++) classes[b] = (int)of_labels[b];
            draw_pairs(&s, r, pairs);
            problem q = {.weight_of_kl = 1.0 / 3.0,
                         .prior_variance = 1.0,
                         .features = trial_values(t, features, r),
                         .labels = classes,
                         .pairs = pairs};
            check_member(&s, &before, &after, r, &q);
            q.weight_of_kl = 0.0;
            assert_true(fabs((double)losses[r] - loss(&q)) < 1e-5);
        }
        free(losses);
        free_model(&before);
        free_model(&after);
        trial_end(*state, t);
        subject_end(&s);
    }
}

/* A diagonal entry at zero has a KL and a gradient that are numbers. */
static void a_factor_without_diagonal_does_no_harm(void **state) {
    subject s = begin(*state, 1, 2, 1.0f, false);
    model before = random_model(&s, 31);
    before.factors[0] = 0.0f;
    before.factors[FEATURES + 1] = 1e-13f;
    write_model(&s, &before);
    assert_ok(s.context, iv_posterior_prepare(s.posterior, step));
    assert_ok(s.context, iv_sequence_run(s.update, step));
    model after = read_model(&s);
    for (size_t k = 0; k < MEMBERS * CLASSES * FEATURES * FEATURES; k++)
        assert_true(isfinite(after.factors[k]));
    assert_true(after.factors[0] == 0.0f);
    double kl[MEMBERS];
    float of_step;
    assert_ok(s.context, iv_posterior_kl(s.posterior, kl));
    assert_ok(s.context, iv_buffer_read(s.context, iv_posterior_kl_view(s.posterior).buffer, 0,
                                        sizeof of_step, &of_step));
    assert_true(isfinite(kl[0]) && isfinite(of_step));
    free_model(&before);
    free_model(&after);
    subject_end(&s);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_of_the_kl_is_its_difference_quotient),
        cmocka_unit_test(gradient_of_the_whole_loss_is_its_difference_quotient),
        cmocka_unit_test(gradient_with_sampled_logits_is_its_difference_quotient),
        cmocka_unit_test(a_factor_without_diagonal_does_no_harm),
    };
    return cmocka_run_group_tests_name("posterior-gradient", tests, open_program, close_program);
}

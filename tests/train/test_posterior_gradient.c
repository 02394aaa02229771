/* The gradients that an update takes, against central differences
 * of the loss in double precision. */
#include "posterior_trial.h"

#include <stdio.h>

enum { MEMBERS = 2, CLASSES = 3, FEATURES = 19, BATCH = 6 };

static const uint32_t step = 5;

/* Without momentum and with epsilon = rate far above all gradients, a step of Adam subtracts
 * epsilon g / (|g| + epsilon): the gradient itself within 2e-5 of its value if that is below 20. */
static subject begin(program *p, size_t lanes, size_t n_data, float prior_variance) {
    const plan_of_subject plan = {.n_members = MEMBERS,
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
    double eps[CLASSES * FEATURES];
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

static double loss(const problem *q) {
    double kl = 0.0;
    for (size_t row = 0; row < CLASSES * FEATURES; row++) {
        double squares = q->mean[row] * q->mean[row];
        for (size_t j = 0; j <= row % FEATURES; j++)
            squares += pow(q->factor[row * FEATURES + j], 2.0);
        kl += 0.5 * (squares / q->prior_variance + log(q->prior_variance) - 1.0) -
              log(fabs(q->factor[row * FEATURES + row % FEATURES]));
    }
    return q->weight_of_kl * kl + (q->features ? cross_entropy(q) : 0.0);
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
        subject s = begin(*state, lanes, 2, 0.5f);
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
        subject s = begin(*state, lanes, 3, 1.0f);
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

/* A diagonal entry at zero has a KL and a gradient that are numbers. */
static void a_factor_without_diagonal_does_no_harm(void **state) {
    subject s = begin(*state, 1, 2, 1.0f);
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
        cmocka_unit_test(a_factor_without_diagonal_does_no_harm),
    };
    return cmocka_run_group_tests_name("posterior-gradient", tests, open_program, close_program);
}

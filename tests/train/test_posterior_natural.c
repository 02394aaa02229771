/* Natural gradients of posteriors and learned priors against a Newton step in double precision. */
#include "newton_oracle.h"
#include "posterior_trial.h"

enum { MEMBERS = 2 };

/* The trust by which some of the trial's steps are held, and some are not. */
#define SOMETIMES 1.5f

static const iv_newton_schedule schedule = {.rate = 0.4f, .hold = 2, .least = 0.3f, .every = 1};

static subject begin(program *p, size_t n_members, uint32_t first_seed, size_t n_features,
                     size_t lanes, float alpha_damping, iv_newton_schedule newton) {
    const plan_of_subject plan = {.n_members = n_members,
                                  .n_classes = CLASSES,
                                  .n_features = n_features,
                                  .n_data = N_DATA,
                                  .lanes = lanes,
                                  .first_seed = first_seed,
                                  .prior_variance = 1.5f,
                                  .initial_deviation = 0.8f,
                                  .alpha_damping = alpha_damping,
                                  .logits = true,
                                  .natural = true,
                                  .newton = newton,
                                  .rate = 0.01f,
                                  .adam = {.kind = IV_OPTIMIZER_ADAM, .epsilon = 1e-8f}};
    subject s = subject_begin(p, &plan);
    assert_ok(s.context, iv_posterior_prepare(s.posterior, 0));
    return s;
}

/* ------------------------------------------------------------------ batches */

/* A batch of all members: [R, B, H], [R, B, C], and the gradient to the means [R, C, H]. A member's
 * follows from its seed. */
typedef struct {
    float *features, *curvatures, *gradients;
} batch;

static void draw(float *values, size_t n, uint32_t seed, uint32_t step, uint32_t which, float low,
                 float high) {
    for (size_t i = 0; i < n; i++) {
        uint32_t words[4];
        iv_philox(seed, IV_STREAM_TEST, 3 * step + which, (uint32_t)i, words);
        values[i] = low + (high - low) * iv_uniform(words[0]);
    }
}

static batch new_batch(const subject *s, uint32_t step) {
    const size_t n_f = TRIAL_ROWS * s->n_features, n_c = TRIAL_ROWS * CLASSES;
    const size_t n_g = CLASSES * s->n_features;
    batch b = {new_floats(s->n_members * n_f), new_floats(s->n_members * n_c),
               new_floats(s->n_members * n_g)};
    const float largest = 1.0f / sqrtf((float)s->n_features);
    for (uint32_t r = 0; r < s->n_members; r++) {
        const uint32_t seed = s->first_seed + r;
        draw(b.features + r * n_f, n_f, seed, step, 0, -largest, largest);
        draw(b.curvatures + r * n_c, n_c, seed, step, 1, 0.0f, 0.25f);
        draw(b.gradients + r * n_g, n_g, seed, step, 2, -0.1f, 0.1f);
    }
    return b;
}

static void free_batch(batch *b) {
    free(b->features);
    free(b->curvatures);
    free(b->gradients);
}

static void take_step(const subject *s, const batch *b, uint32_t step) {
    const size_t n = s->n_members * sizeof(float);
    assert_ok(s->context, iv_buffer_write(s->context, s->features, 0,
                                          n * TRIAL_ROWS * s->n_features, b->features));
    assert_ok(s->context, iv_buffer_write(s->context, s->curvatures, 0, n * TRIAL_ROWS * CLASSES,
                                          b->curvatures));
    write_gradients(s, b->gradients);
    assert_ok(s->context, iv_sequence_run(s->update, step));
}

/* ------------------------------------------------------------------ comparing */

static void assert_covariances(const known *k, const float *factors) {
    const size_t n = k->n;
    for (size_t c = 0; c < CLASSES; c++)
        for (size_t i = 0; i < n; i++) {
            const float *row = factors + (c * n + i) * n;
            assert_true(row[i] > 0.0f);
            for (size_t j = i + 1; j < n; j++) assert_true(row[j] == 0.0f);
            for (size_t j = 0; j <= i; j++) {
                double sum = 0.0;
                for (size_t l = 0; l <= j; l++)
                    sum += (double)row[l] * (double)factors[(c * n + j) * n + l];
                const double expected = k->covariances[(c * n + i) * n + j];
                if (!(fabs(sum - expected) <= k->largest_errors[c]))
                    fail_msg("covariance (%zu, %zu) of class %zu is %.7g, not %.7g +- %.2g", i, j,
                             c, sum, expected, k->largest_errors[c]);
            }
        }
}

static void assert_known(const subject *s, const known *all) {
    const size_t n = s->n_features;
    model m = read_model(s);
    float kls[MEMBERS];
    double now[MEMBERS];
    assert_ok(s->context, iv_posterior_kl(s->posterior, now));
    assert_ok(s->context, iv_buffer_read(s->context, iv_posterior_kl_view(s->posterior).buffer, 0,
                                         sizeof kls, kls));
    for (size_t r = 0; r < MEMBERS; r++) {
        const known *k = &all[r];
        assert_covariances(k, m.factors + r * CLASSES * n * n);
        for (size_t i = 0; i < CLASSES * n; i++)
            if (!(fabs((double)m.means[r * CLASSES * n + i] - k->means[i]) <= k->mean_error))
                fail_msg("mean %zu is %.7g, not %.7g +- %.2g", i,
                         (double)m.means[r * CLASSES * n + i], k->means[i], k->mean_error);
        /* sums of 3 H logarithms and squares of order 1 whose errors are those above */
        const double slack =
            (double)(3 * CLASSES * n) * k->largest_errors[0] + 20.0 * k->mean_error + 1e-4;
        if (!(fabs(now[r] - known_kl(k)) <= slack) || !(fabs((double)kls[r] - k->kl) <= slack))
            fail_msg("KLs are %.7g before the step and %.7g after it, not %.7g and %.7g +- %.2g",
                     (double)kls[r], now[r], k->kl, known_kl(k), slack);
    }
    free_model(&m);
}

/* Training steps first .. first + every - 1 of the device, and what a member's batches were, one below
 * the other; gradients are their mean. */
static batch gather(const subject *s, uint32_t first, uint32_t every) {
    const size_t n = s->n_features, n_f = TRIAL_ROWS * n, n_c = TRIAL_ROWS * CLASSES;
    const size_t n_g = s->n_members * CLASSES * n;
    batch all = {new_floats(every * s->n_members * n_f), new_floats(every * s->n_members * n_c),
                 new_floats(n_g)};
    for (uint32_t i = 0; i < every; i++) {
        batch b = new_batch(s, first + i);
        take_step(s, &b, first + i);
        for (size_t r = 0; r < s->n_members; r++) {
            memcpy(all.features + (r * every + i) * n_f, b.features + r * n_f,
                   n_f * sizeof *b.features);
            memcpy(all.curvatures + (r * every + i) * n_c, b.curvatures + r * n_c,
                   n_c * sizeof *b.curvatures);
        }
        for (size_t j = 0; j < n_g; j++) all.gradients[j] += b.gradients[j] / (float)every;
        free_batch(&b);
    }
    return all;
}

static void check_steps_of(program *p, size_t n, size_t lanes, float damping, float trust,
                           uint32_t every) {
    const uint32_t n_steps = is_small_run() ? 3 : 5;
    const size_t rows = every * TRIAL_ROWS;
    iv_newton_schedule newton = schedule;
    newton.trust = trust;
    newton.every = every;
    subject s = begin(p, MEMBERS, 3, n, lanes, damping, newton);
    uint32_t n_held = 0;
    known all[MEMBERS];
    for (size_t r = 0; r < MEMBERS; r++) all[r] = known_begin(n, rows, (double)0.8f, 1.5);
    for (uint32_t step = 0; step < n_steps; step++) {
        float alphas[MEMBERS];
        batch b = gather(&s, step * every, every);
        assert_ok(s.context, iv_posterior_prior(s.posterior, alphas));
        for (size_t r = 0; r < MEMBERS; r++)
            n_held += known_step(&all[r], step, b.features + r * rows * n,
                                 b.curvatures + r * rows * CLASSES, b.gradients + r * CLASSES * n,
                                 (double)damping, (double)alphas[r], (double)trust);
        free_batch(&b);
        assert_known(&s, all);
    }
    for (size_t r = 0; r < MEMBERS; r++) known_end(&all[r]);
    subject_end(&s);
    assert_true(trust == 0.0f ? n_held == 0 : n_held > 0);
    if (trust == SOMETIMES) assert_true(n_held < MEMBERS * n_steps);
}

static void check_steps(program *p, size_t n, size_t lanes, float damping, float trust) {
    check_steps_of(p, n, lanes, damping, trust, 1);
}

/* ------------------------------------------------------------------ claims */

static void steps_are_newtons(void **state) {
    check_steps(*state, 19, 64, 0.5f, 0.0f);
    if (is_small_run()) return;
    check_steps(*state, 1, 1, 0.0f, 0.0f);
    check_steps(*state, 19, 1, 0.0f, 0.0f);
    check_steps(*state, 70, 1, 0.3f, 0.0f);
    check_steps(*state, 211, 1, 1.0f, 0.0f); /* more than a block of the products */
}

static void steps_of_several_batches_are_one_of_all_their_rows(void **state) {
    check_steps_of(*state, 19, 1, 0.5f, 0.0f, 3);
    if (is_small_run()) return;
    check_steps_of(*state, 19, 1, 0.5f, 1e-4f, 2);
    check_steps_of(*state, 70, 1, 0.0f, 0.0f, 4);
}

/* Between its steps q is what it was, to the last bit. */
static void q_stands_still_until_all_batches_of_a_step_are_there(void **state) {
    enum { FEATURES = 19, EVERY = 3 };
    iv_newton_schedule newton = schedule;
    newton.every = EVERY;
    subject s = begin(*state, MEMBERS, 3, FEATURES, 1, 0.5f, newton);
    model before = read_model(&s);
    for (uint32_t step = 0; step < 2 * EVERY; step++) {
        batch b = new_batch(&s, step);
        take_step(&s, &b, step);
        free_batch(&b);
        model now = read_model(&s);
        const size_t n = MEMBERS * CLASSES * FEATURES;
        const bool same =
            memcmp(now.means, before.means, n * sizeof *now.means) == 0 &&
            memcmp(now.factors, before.factors, n * FEATURES * sizeof *now.factors) == 0;
        assert_int_equal(same, step % EVERY != EVERY - 1);
        free_model(&before);
        before = now;
    }
    free_model(&before);
    subject_end(&s);
}

static void means_move_no_further_than_they_are_trusted(void **state) {
    check_steps(*state, 19, 1, 0.5f, 1e-4f);
    check_steps(*state, 70, 1, 0.0f, SOMETIMES);
}

/* Probabilities of 0 and 1, a single image again and again, features a thousand times too large, and
 * one step that forgets all before it: covariances stay positive definite. */
static void hostile_batches_leave_the_covariance_positive_definite(void **state) {
    enum { HOSTILE_STEPS = 12, FEATURES = 33 };
    static const iv_newton_schedule forgets = {
        .rate = 1.0f, .hold = 1000, .least = 1.0f, .every = 1};
    for (int forgetful = is_small_run(); forgetful < 2; forgetful++) {
        /* alpha stays where each batch is all there is: pulls that no curvature holds would let it
         * grow without end */
        subject s = begin(*state, MEMBERS, 7, FEATURES, 1, forgetful ? 0.0f : 1.0f,
                          forgetful ? forgets : schedule);
        for (uint32_t step = 0; step < (is_small_run() ? 4 : HOSTILE_STEPS); step++) {
            batch b = new_batch(&s, step);
            const size_t n_f = MEMBERS * TRIAL_ROWS * FEATURES,
                         n_c = MEMBERS * TRIAL_ROWS * CLASSES;
            for (size_t i = 0; i < n_f; i++) {
                if (step % 4 == 1) b.features[i] = b.features[i % FEATURES] * 1e3f;
                if (step % 4 == 2) b.features[i] = 0.0f;
                if (step % 4 == 3) b.features[i] *= 1e3f;
            }
            for (size_t i = 0; i < n_c; i++)
                b.curvatures[i] = step % 4 == 0 ? 0.0f : step % 4 == 3 ? 1e-30f : 0.25f;
            take_step(&s, &b, step);
            free_batch(&b);
            model m = read_model(&s);
            for (size_t i = 0; i < MEMBERS * CLASSES * FEATURES * FEATURES; i++) {
                assert_true(isfinite(m.factors[i]));
                if (i / FEATURES % FEATURES == i % FEATURES) assert_true(m.factors[i] > 0.0f);
            }
            for (size_t i = 0; i < MEMBERS * CLASSES * FEATURES; i++)
                assert_true(isfinite(m.means[i]));
            free_model(&m);
        }
        subject_end(&s);
    }
}

static void train(const subject *s, uint32_t first, uint32_t end) {
    for (uint32_t step = first; step < end; step++) {
        batch b = new_batch(s, step);
        float *mean = read_weights(s, iv_posterior_mean_view(s->posterior));
        for (size_t i = 0; i < s->n_members * CLASSES * s->n_features; i++)
            b.gradients[i] += 0.01f * sinf(mean[i]);
        take_step(s, &b, step);
        free(mean);
        free_batch(&b);
    }
}

/* Everything that is kept, and the square L. */
static void assert_same_member(const subject *a, size_t r, const subject *b, size_t q) {
    const iv_state *of_a = iv_posterior_state(a->posterior);
    const iv_state *of_b = iv_posterior_state(b->posterior);
    /* mean, factor, precision, alpha; what pulls at the means, where a step gathers */
    assert_int_equal(of_a->n_kept, a->posterior->desc.newton.every > 1 ? 5 : 4);
    for (size_t i = 0; i <= of_a->n_kept; i++) {
        const bool is_last = i == of_a->n_kept;
        const iv_view x = is_last ? iv_posterior_factor_view(a->posterior) : of_a->kept[i].view;
        const iv_view y = is_last ? iv_posterior_factor_view(b->posterior) : of_b->kept[i].view;
        size_t n;
        float *values_a = read_buffer(a->context, x.buffer, &n);
        float *values_b = read_buffer(b->context, y.buffer, &n);
        if (memcmp(values_a + r * x.stride, values_b + q * y.stride, x.stride * sizeof *values_a))
            fail_msg("%s differs", is_last ? "the square" : of_a->kept[i].name);
        free(values_a);
        free(values_b);
    }
}

static void check_resuming(program *p, uint32_t every) {
    enum { FEATURES = 21 };
    const uint32_t before = is_small_run() ? 1 : 3, total = 2 * before;
    iv_newton_schedule newton = schedule;
    newton.every = every;
    own_folder f;
    make_folder(&f);
    const char *path = in_folder(&f, "checkpoint.safetensors");
    subject straight = begin(p, 2, 5, FEATURES, 1, 0.5f, newton);
    subject stopped = begin(p, 2, 5, FEATURES, 1, 0.5f, newton);
    subject resumed = begin(p, 2, 5, FEATURES, 1, 0.5f, newton);
    train(&straight, 0, total);
    train(&stopped, 0, before);
    const iv_state *const saved[] = {iv_posterior_state(stopped.posterior)};
    assert_ok(stopped.context, iv_checkpoint_write(path, saved, 1, NULL, 0));
    const iv_state *const states[] = {iv_posterior_state(resumed.posterior)};
    iv_safetensors *file;
    assert_ok(resumed.context, iv_safetensors_open(path, &file, iv_context_error(resumed.context)));
    assert_ok(resumed.context, iv_checkpoint_read(file, states, 1));
    iv_safetensors_close(file);
    assert_ok(resumed.context, iv_states_prepare(states, 1, before));
    train(&resumed, before, total);
    for (size_t r = 0; r < 2; r++) assert_same_member(&straight, r, &resumed, r);
    subject_end(&straight);
    subject_end(&stopped);
    subject_end(&resumed);
    remove_folder(&f);
}

static void training_goes_on_from_a_checkpoint_to_the_same_bytes(void **state) {
    check_resuming(*state, 1);
}

/* ... of which each run writes one in the middle of a step. */
static void steps_of_several_batches_go_on_from_a_checkpoint_among_them(void **state) {
    check_resuming(*state, 2);
}

static void a_member_trains_to_the_same_bytes_alone_and_in_a_population(void **state) {
    enum { POPULATION = 4, FEATURES = 21 };
    const uint32_t n_steps = is_small_run() ? 1 : 3;
    subject all = begin(*state, POPULATION, 0, FEATURES, 1, 0.5f, schedule);
    train(&all, 0, n_steps);
    for (uint32_t r = 0; r < POPULATION; r += 3) {
        subject one = begin(*state, 1, r, FEATURES, 1, 0.5f, schedule);
        train(&one, 0, n_steps);
        assert_same_member(&all, r, &one, 0);
        subject_end(&one);
    }
    subject_end(&all);
}

static void impossible_descriptions_are_refused(void **state) {
    program *p = *state;
    const float rate = 0.1f;
    const uint32_t seed = 1;
    const iv_posterior_desc good = {
        .n_classes = 2,
        .n_features = 3,
        .n_data = 4,
        .prior_variance = 1.0f,
        .initial_deviation = 1.0f,
        .logits = true,
        .natural = true,
        .newton = schedule,
        .seeds = &seed,
        .optimizer = {.kind = IV_OPTIMIZER_ADAM, .learning_rates = &rate, .epsilon = 1e-8f}};
    enum { N_BAD = 7 };
    iv_posterior_desc bad[N_BAD];
    for (size_t i = 0; i < N_BAD; i++) bad[i] = good;
    bad[0].logits = false;
    bad[1].newton.rate = 1.5f;
    bad[2].newton.least = 0.5f;
    bad[3].alpha_damping = -0.1f;
    bad[4].point = true;
    bad[5].newton.trust = -1.0f;
    bad[6].newton.every = 0;
    static const char *const parts[] = {"sampled logits", "a rate of 1.5",  "at least 0.5",
                                        "damping -0.1",   "point estimate", "a trust of -1",
                                        "every 0"};
    for (size_t i = 0; i < N_BAD; i++) {
        iv_posterior *posterior;
        assert_fails(p->context, iv_posterior_create(p->context, 1, &bad[i], &posterior), IV_EINVAL,
                     parts[i]);
        assert_null(posterior);
    }
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_newtons),
        cmocka_unit_test(steps_of_several_batches_are_one_of_all_their_rows),
        cmocka_unit_test(q_stands_still_until_all_batches_of_a_step_are_there),
        cmocka_unit_test(means_move_no_further_than_they_are_trusted),
        cmocka_unit_test(hostile_batches_leave_the_covariance_positive_definite),
        cmocka_unit_test(training_goes_on_from_a_checkpoint_to_the_same_bytes),
        cmocka_unit_test(steps_of_several_batches_go_on_from_a_checkpoint_among_them),
        cmocka_unit_test(a_member_trains_to_the_same_bytes_alone_and_in_a_population),
        cmocka_unit_test(impossible_descriptions_are_refused),
    };
    return cmocka_run_group_tests_name("posterior-natural", tests, open_program, close_program);
}

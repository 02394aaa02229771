/* Learned affine transformations: closed forms, draws, and images transformed as they are gathered.
 * The oracles and central differences of test_ops.c cover the rest. */
#include "affine.h"
#include "signals.h"

enum { S = 16 };

/* A graph of samples and, with `weights` [S, 6], of the gradient of their inner product. */
typedef struct {
    trial *t;
    iv_tensor *eta, *learned, *samples, *weights, *gradient;
} sampled;

static sampled sample(void **state, size_t n_members, size_t first_member, uint32_t stream,
                      bool points) {
    const size_t six = 6;
    sampled x = {.t = trial_begin(*state, n_members)};
    x.t->first_member = first_member;
    x.t->seed = 1; /* the same weights in every trial */
    x.weights = trial_floats(x.t, LIES_SHARED, 2, (const size_t[]){S, 6}, -1.0, 1.0);
    x.eta = trial_floats(x.t, LIES_IN_PLAN, 1, &six, 0.0, 0.0);
    x.learned = trial_floats(x.t, LIES_IN_PLAN, 1, &six, 1.0, 1.0);
    iv_affine_draws draws = {trial_affine_seeds(x.t), stream, S, {NULL, 0, 0}, {NULL, 0, 0}};
    if (points) draws.points = trial_affine_points(x.t, S);
    x.samples = iv_affine_samples(x.t->graph, x.eta, x.learned, &draws);
    assert_ok(x.t->context,
              iv_vector_jacobian(x.t->graph, x.samples, x.weights, &x.eta, 1, &x.gradient));
    return x;
}

static void set_eta(const sampled *x, size_t member, const double eta[6]) {
    for (size_t i = 0; i < 6; i++) trial_values(x->t, x->eta, member)[i] = (float)eta[i];
}

static void run(const sampled *x, uint32_t step) {
    iv_tensor *outputs[] = {x->samples, x->gradient};
    if (!x->t->plan)
        assert_ok(x->t->context, iv_graph_compile(x->t->graph, outputs, 2, &x->t->plan));
    trial_write_inputs(x->t);
    assert_ok(x->t->context, iv_plan_run(x->t->plan, step));
}

/* The draws of a step, as invar/affine.h describes them. */
static double drawn(const sampled *x, size_t member, uint32_t step, size_t s, size_t i) {
    uint32_t words[4];
    iv_philox(affine_seed(x->t, member), IV_STREAM_TRANSFORMATION, step,
              2 * (uint32_t)s + (uint32_t)i / 4, words);
    return (double)iv_uniform_symmetric(words[i % 4]);
}

/* ------------------------------------------------------------------ samples */

/* The result is the exact number of pairs of floats, 2^-33 at most from the one of the draw, to the
 * nearest float. */
static void assert_near(float got, double expected, const char *what, double a) {
    if (!(fabs(got - expected) <= 0x1p-24 * fabs(expected) + 0x1p-33 * fmax(1.0, fabs(expected))))
        fail_msg("%s by %.17g: %.9g, not %.17g", what, a, got, expected);
}

static void single_generators_have_their_closed_forms_to_the_last_place(void **state) {
    static const double lengths[] = {1e-30, 1e-6, 0.1, 3.14159265, 20.0};
    sampled x = sample(state, 1, 0, IV_STREAM_TRANSFORMATION, false);
    for (uint32_t step = 0; step < 5; step++) {
        const double longest = fmin(lengths[step], 3.0);
        for (size_t i = 0; i < 6; i++) {
            double eta[6] = {0};
            eta[i] = (float)(i < 3 ? lengths[step] : longest);
            set_eta(&x, 0, eta);
            run(&x, step);
            float *t = trial_read(x.t, x.samples);
            for (size_t s = 0; s < S; s++) {
                const double a = eta[i] * drawn(&x, 0, step, s, i);
                const double expected[6][6] = {{1, 0, a, 0, 1, 0},
                                               {1, 0, 0, 0, 1, a},
                                               {cos(a), -sin(a), 0, sin(a), cos(a), 0},
                                               {exp(a), 0, 0, 0, 1, 0},
                                               {1, 0, 0, 0, exp(a), 0},
                                               {cosh(a), sinh(a), 0, sinh(a), cosh(a), 0}};
                for (size_t k = 0; k < 6; k++)
                    assert_near(t[6 * s + k], expected[i][k], "generator", a);
            }
            free(t);
        }
    }
    trial_end(*state, x.t);
}

/* T = I exactly, and its derivative along generator i is eps_i
 * G_i: sums of S terms rounded once. */
static void at_zero_maps_are_the_identity_and_slopes_the_generators(void **state) {
    static const double generators[6][6] = {{0, 0, 1, 0, 0, 0},  {0, 0, 0, 0, 0, 1},
                                            {0, -1, 0, 1, 0, 0}, {1, 0, 0, 0, 0, 0},
                                            {0, 0, 0, 0, 1, 0},  {0, 1, 0, 1, 0, 0}};
    static const float identity[] = {1, 0, 0, 0, 1, 0};
    sampled x = sample(state, 1, 0, IV_STREAM_TRANSFORMATION, false);
    const uint32_t step = 9;
    run(&x, step);
    float *t = trial_read(x.t, x.samples), *gradient = trial_read(x.t, x.gradient);
    for (size_t s = 0; s < S; s++) assert_memory_equal(t + 6 * s, identity, sizeof identity);
    for (size_t i = 0; i < 6; i++) {
        double expected = 0.0;
        for (size_t s = 0; s < S; s++)
            for (size_t k = 0; k < 6; k++)
                expected += trial_values(x.t, x.weights, 0)[6 * s + k] * generators[i][k] *
                            drawn(&x, 0, step, s, i);
        assert_near(gradient[i], expected, "slope of generator", (double)i);
    }
    free(t);
    free(gradient);
    trial_end(*state, x.t);
}

static const double some_eta[6] = {0.3, -0.4, 2.9, 0.2, -0.7, 0.5};

static void generators_that_do_not_learn_have_no_gradient(void **state) {
    for (size_t i = 0; i < 6; i++) {
        sampled x = sample(state, 1, 0, IV_STREAM_TRANSFORMATION, i % 2);
        set_eta(&x, 0, some_eta);
        run(&x, 4);
        float *all = trial_read(x.t, x.gradient), *maps = trial_read(x.t, x.samples);
        trial_values(x.t, x.learned, 0)[i] = 0.0;
        run(&x, 4);
        float *others = trial_read(x.t, x.gradient), *same = trial_read(x.t, x.samples);
        assert_memory_equal(maps, same, S * 6 * sizeof *maps);
        for (size_t k = 0; k < 6; k++) {
            assert_true(all[k] != 0.0f);
            assert_true(others[k] == (k == i ? 0.0f : all[k]));
        }
        free(all);
        free(maps);
        free(others);
        free(same);
        trial_end(*state, x.t);
    }
}

/* [S, 6] and [6] of one member of a population. */
static void read_member(void **state, size_t n_members, size_t first_member, size_t member,
                        uint32_t stream, uint32_t step, float *maps, float *gradient) {
    sampled x = sample(state, n_members, first_member, stream, false);
    for (size_t r = 0; r < n_members; r++) set_eta(&x, r, some_eta);
    run(&x, step);
    float *all = trial_read(x.t, x.samples), *slopes = trial_read(x.t, x.gradient);
    memcpy(maps, all + member * S * 6, S * 6 * sizeof *maps);
    memcpy(gradient, slopes + member * 6, 6 * sizeof *gradient);
    free(all);
    free(slopes);
    trial_end(*state, x.t);
}

static void a_member_draws_the_same_alone_or_in_a_population(void **state) {
    for (size_t r = 0; r < 3; r++) {
        float maps[2][S * 6], gradients[2][6];
        read_member(state, 3, 0, r, IV_STREAM_TRANSFORMATION, 11, maps[0], gradients[0]);
        read_member(state, 1, r, 0, IV_STREAM_TRANSFORMATION, 11, maps[1], gradients[1]);
        assert_memory_equal(maps[0], maps[1], sizeof *maps);
        assert_memory_equal(gradients[0], gradients[1], sizeof *gradients);
    }
}

static void draws_differ_between_steps_streams_and_members(void **state) {
    float maps[4][S * 6], gradient[6];
    read_member(state, 2, 0, 0, IV_STREAM_TRANSFORMATION, 0, maps[0], gradient);
    read_member(state, 2, 0, 1, IV_STREAM_TRANSFORMATION, 0, maps[1], gradient);
    read_member(state, 2, 0, 0, IV_STREAM_TRANSFORMATION, 1, maps[2], gradient);
    read_member(state, 2, 0, 0, IV_STREAM_EVALUATION, 0, maps[3], gradient);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            for (size_t s = 0; s < S; s++)
                assert_memory_not_equal(maps[i] + 6 * s, maps[j] + 6 * s, 6 * sizeof(float));
}

/* One member's training has failed; it ends, and the others do not notice. */
static void a_member_that_has_diverged_stays_alone(void **state) {
    static const double bad[] = {NAN, INFINITY, 3e38, 1e20};
    for (size_t i = 0; i < 4; i++) {
        sampled x = sample(state, 3, 0, IV_STREAM_TRANSFORMATION, false);
        for (size_t r = 0; r < 3; r++) set_eta(&x, r, some_eta);
        run(&x, 2);
        float *before = trial_read(x.t, x.samples), *slopes = trial_read(x.t, x.gradient);
        trial_values(x.t, x.eta, 1)[3] = (float)bad[i];
        run(&x, 2);
        float *after = trial_read(x.t, x.samples), *slopes_after = trial_read(x.t, x.gradient);
        for (size_t r = 0; r < 3; r += 2) {
            assert_memory_equal(before + r * S * 6, after + r * S * 6, S * 6 * sizeof *before);
            assert_memory_equal(slopes + r * 6, slopes_after + r * 6, 6 * sizeof *slopes);
        }
        if (i < 2) assert_true(isnan(after[S * 6]) && isnan(slopes_after[6 + 2]));
        free(before);
        free(slopes);
        free(after);
        free(slopes_after);
        trial_end(*state, x.t);
    }
}

static void samples_that_cannot_be_are_refused(void **state) {
    static const struct {
        size_t n_eta, n_samples;
        bool seeds, widths;
        const char *part;
    } bad[] = {{6, 0, true, false, "0 samples; use 1 to 256"},
               {6, 257, true, false, "257 samples"},
               {5, 8, true, false, "need 6 numbers each"},
               {6, 8, false, false, "neither seeds nor points"},
               {6, 8, true, true, "widths without points"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        trial *t = trial_begin(*state, 1);
        iv_tensor *eta = trial_floats(t, LIES_IN_PLAN, 1, &bad[i].n_eta, 0.0, 1.0);
        iv_affine_draws draws = {
            {NULL, 0, 0}, IV_STREAM_EVALUATION, bad[i].n_samples, {NULL, 0, 0}, {NULL, 0, 0}};
        if (bad[i].widths) draws.widths = trial_affine_widths(t);
        if (bad[i].seeds) draws.seeds = trial_affine_seeds(t);
        assert_null(iv_affine_samples(t->graph, eta, eta, &draws));
        assert_refused(t, t->graph->status, bad[i].part);
        trial_end(*state, t);
    }
}

/* Groups as on GPUs, fewer and more than samples: a sample's terms
 * and their order stay the same. */
static void any_work_group_gives_the_same_gradient(void **state) {
    static const size_t lanes[] = {1, 8, 64};
    float *first = NULL;
    for (size_t i = 0; i < 3; i++) {
        sampled x = sample(state, 3, 0, IV_STREAM_TRANSFORMATION, false);
        for (size_t r = 0; r < 3; r++) set_eta(&x, r, some_eta);
        ((own_affine_samples *)x.gradient->producer->own)->lanes = lanes[i];
        run(&x, 2);
        float *gradient = trial_read(x.t, x.gradient);
        if (!first) first = gradient;
        assert_memory_equal(gradient, first, 3 * 6 * sizeof *first);
        if (gradient != first) free(gradient);
        trial_end(*state, x.t);
    }
    free(first);
}

/* ------------------------------------------------------------------ images */

enum { N_POOL = 13, FIRST = 2, BATCH = 4, MEMBERS = 8, SIDE = 9 };

typedef struct {
    trial *t;
    iv_tensor *images, *labels;
} gathered;

/* lanes: 0 for those of the device */
static gathered gather(void **state, size_t n_members, size_t first_member, bool shuffle,
                       size_t lanes) {
    gathered x = {.t = trial_begin(*state, n_members)};
    x.t->first_member = first_member;
    iv_affine_image_source source =
        trial_affine_images(x.t, (iv_image_shape){2, SIDE, SIDE}, N_POOL, FIRST, shuffle);
    source.mean = lanes ? 0.43f : 0.0f; /* elsewhere a CPU's form alone has one */
    iv_affine_image_batch(x.t->graph, &source, BATCH, &x.images, &x.labels);
    if (lanes) ((own_affine_image_batch *)x.images->producer->own)->lanes = lanes;
    iv_tensor *outputs[] = {x.images, x.labels};
    assert_ok(x.t->context, iv_graph_compile(x.t->graph, outputs, 2, &x.t->plan));
    return x;
}

static void batches_are_those_of_the_host_at_every_step(void **state) {
    static const uint32_t steps[] = {2, 1000003, 0, 1, 3};
    for (int i = 0; i < 4; i++) {
        const size_t lanes = i < 2 ? 0 : 64;
        gathered x = gather(state, is_small_run() ? 3 : MEMBERS, 0, i % 2, lanes);
        for (size_t k = 0; k < (is_small_run() ? 2 : sizeof steps / sizeof *steps); k++) {
            assert_ok(x.t->context, iv_plan_run(x.t->plan, steps[k]));
            assert_tensor_agrees(x.t, x.images, steps[k]);
            assert_tensor_agrees(x.t, x.labels, steps[k]);
        }
        trial_end(*state, x.t);
    }
}

/* The place of an image in a shuffled epoch is that of iv_shuffle. */
static void an_image_is_the_same_in_every_epoch_and_order(void **state) {
    enum { COUNT = N_POOL - FIRST, N_BATCHES = COUNT / BATCH, D = 2 * SIDE * SIDE };
    static float in_order[COUNT + BATCH][D];
    for (size_t member = 1; member < (is_small_run() ? 2 : 5); member++) {
        gathered x = gather(state, 1, member, false, 0);
        for (uint32_t step = 0; step * BATCH < COUNT; step++) {
            assert_ok(x.t->context, iv_plan_run(x.t->plan, step));
            float *images = trial_read(x.t, x.images);
            memcpy(in_order[step * BATCH], images, BATCH * sizeof *in_order);
            free(images);
        }
        trial_end(*state, x.t);

        x = gather(state, 1, member, true, 0);
        for (uint32_t step = 0; step < (is_small_run() ? 1 : 3) * N_BATCHES; step++) {
            assert_ok(x.t->context, iv_plan_run(x.t->plan, step));
            float *images = trial_read(x.t, x.images);
            for (uint32_t b = 0; b < BATCH; b++) {
                const uint32_t i =
                    iv_shuffle(affine_seed(x.t, 0), IV_STREAM_BATCH_ORDER, step / N_BATCHES, COUNT,
                               step % N_BATCHES * BATCH + b);
                assert_memory_equal(images + b * D, in_order[i], sizeof *in_order);
            }
            free(images);
        }
        trial_end(*state, x.t);
    }
}

static void untransformed_bytes_become_the_floats_nearest_to_their_255ths(void **state) {
    bool seen[256] = {false};
    gathered x = gather(state, 1, 0, false, 0);
    assert_int_equal(trial_transformation(x.t, 0), 0);
    for (uint32_t step = 0; step < 3; step++) {
        assert_ok(x.t->context, iv_plan_run(x.t->plan, step));
        float *images = trial_read(x.t, x.images);
        for (size_t b = 0; b < BATCH && step * BATCH + b < N_POOL - FIRST; b++)
            for (size_t i = 0; i < 2 * SIDE * SIDE; i++) {
                const uint8_t byte = affine_byte(FIRST + step * BATCH + b, i);
                const float expected = (float)byte / 255.0f; /* IEEE: rounded correctly */
                assert_memory_equal(&images[b * 2 * SIDE * SIDE + i], &expected, sizeof expected);
                seen[byte] = true;
            }
        free(images);
    }
    for (size_t byte = 0; byte < 256; byte++) assert_true(seen[byte]);
    trial_end(*state, x.t);
}

static void images_that_cannot_be_are_refused(void **state) {
    static const struct {
        iv_image_shape shape;
        size_t n_samples, batch;
        bool shuffle;
        const char *part;
        float mean;
    } bad[] = {{{1, 4, 4}, 5, 0, false, "a batch of 0 from 5", 0},
               {{1, 4, 4}, 5, 6, true, "a batch of 6 from 5", 0},
               {{1, 4, 4}, 0, 1, false, "a batch of 1 from 0", 0},
               {{1, 0, 4}, 5, 1, false, "1 planes of 0 x 4", 0},
               {{0, 4, 4}, 5, 1, false, "0 planes", 0},
               {{1, 4, 4}, 5, 1, false, "a mean of 1.5", 1.5f},
               {{1, 4, 4}, 5, 1, false, "a mean of nan", NAN}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        trial *t = trial_begin(*state, 1);
        iv_affine_image_source source =
            trial_affine_images(t, (iv_image_shape){1, 4, 4}, 5, 0, bad[i].shuffle);
        source.shape = bad[i].shape;
        source.n_samples = bad[i].n_samples;
        source.mean = bad[i].mean;
        iv_tensor *images, *labels;
        iv_affine_image_batch(t->graph, &source, bad[i].batch, &images, &labels);
        assert_null(images);
        assert_null(labels);
        assert_refused(t, t->graph->status, bad[i].part);
        trial_end(*state, t);
    }
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_generators_have_their_closed_forms_to_the_last_place),
        cmocka_unit_test(at_zero_maps_are_the_identity_and_slopes_the_generators),
        cmocka_unit_test(generators_that_do_not_learn_have_no_gradient),
        cmocka_unit_test(a_member_draws_the_same_alone_or_in_a_population),
        cmocka_unit_test(draws_differ_between_steps_streams_and_members),
        cmocka_unit_test(a_member_that_has_diverged_stays_alone),
        cmocka_unit_test(samples_that_cannot_be_are_refused),
        cmocka_unit_test(any_work_group_gives_the_same_gradient),
        cmocka_unit_test(batches_are_those_of_the_host_at_every_step),
        cmocka_unit_test(an_image_is_the_same_in_every_epoch_and_order),
        cmocka_unit_test(untransformed_bytes_become_the_floats_nearest_to_their_255ths),
        cmocka_unit_test(images_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests_name("affine transformations", tests, open_program,
                                       close_program);
}

/* Ops on images beyond what the table's tests say: both ways to convolve, whatever the device would
 * choose, populations, batches larger than the workspace, and values that are no numbers. */
#include "examples.h"
#include "oracles.h"

#include <invar/image_ops.h>
#include <invar/tune.h>

static void choose(program *p, size_t direct) {
    assert_ok(p->context, iv_kernel_set(p->context, "convolve", "DIRECT", direct));
    assert_ok(p->context, iv_kernel_set(p->context, "pool", "PLANES", direct));
}

static void leave_choice(program *p) {
    choose(p, IV_KERNEL_UNTUNED);
}

static void check_example(program *p, const example_family *family, size_t variant) {
    trial *t = trial_begin(p, 1 + variant % 2);
    example x = {.n_outputs = 0};
    family->build(t, variant, &x);
    iv_tensor *y = x.outputs[0], *outputs[2] = {y};
    iv_tensor *seed = trial_floats(t, LIES_APART, y->rank, y->dims, -1.0, 1.0);
    assert_ok(t->context, iv_vector_jacobian(t->graph, y, seed, x.wrt, 1, outputs + 1));
    trial_run(t, outputs, 2, 0);
    for (size_t i = 0; i < 2; i++) assert_tensor_agrees(t, outputs[i], 0);
    trial_end(p, t);
}

static void both_ways_agree_with_the_oracles(void **state) {
    const example_family *families[] = {&examples_convolve, &examples_activated_convolutions,
                                        &examples_max_pool, &examples_mean_pool};
    for (int direct = 0; direct < 2; direct++) {
        choose(*state, (size_t)direct);
        for (size_t k = 0; k < 4; k++) {
            const size_t n = is_small_run() ? families[k]->n_small : families[k]->n_variants;
            for (size_t variant = 0; variant < n; variant++)
                check_example(*state, families[k], variant);
        }
    }
    leave_choice(*state);
}

/* ------------------------------------------------------------------ the same bits */

typedef struct {
    trial *t;
    iv_tensor *images, *weights, *bias;
    iv_tensor *outputs[2]; /* y, and dx of a seed that is y */
    float *values[2];
} run;

static const iv_window around = {{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};

/* A convolution, not yet run. */
static run build(program *p, size_t n_members, size_t images, size_t channels, size_t side) {
    enum { OUTPUTS = 5 };
    run r = {.t = trial_begin(p, n_members)};
    r.images =
        trial_floats(r.t, LIES_IN_PLAN, 4, DIMS(images, channels, side, side + 1), -1.0, 1.0);
    r.weights = trial_floats(r.t, LIES_IN_PLAN, 4, DIMS(OUTPUTS, channels, 3, 3), -1.0, 1.0);
    r.bias = trial_floats(r.t, LIES_IN_PLAN, 1, DIMS(OUTPUTS), -1.0, 1.0);
    r.outputs[0] =
        iv_activate(r.t->graph, iv_convolve(r.t->graph, r.images, r.weights, r.bias, &around, 1),
                    IV_ACTIVATION_TANH);
    assert_ok(r.t->context, iv_vector_jacobian(r.t->graph, r.outputs[0], r.outputs[0], &r.images, 1,
                                               &r.outputs[1]));
    return r;
}

static void finish(run *r) {
    trial_run(r->t, r->outputs, 2, 0);
    for (size_t i = 0; i < 2; i++) r->values[i] = trial_read(r->t, r->outputs[i]);
}

static void end(program *p, run *r) {
    for (size_t i = 0; i < 2; i++) free(r->values[i]);
    trial_end(p, r->t);
}

static void copy_values(const run *to, size_t member, const run *from, size_t from_member,
                        size_t first_image) {
    const size_t of_image = iv_elements(from->images) / iv_dim(from->images, 0);
    memcpy(trial_values(to->t, to->images, member),
           trial_values(from->t, from->images, from_member) + first_image * of_image,
           iv_elements(to->images) * sizeof(double));
    memcpy(trial_values(to->t, to->weights, member),
           trial_values(from->t, from->weights, from_member),
           iv_elements(to->weights) * sizeof(double));
    memcpy(trial_values(to->t, to->bias, member), trial_values(from->t, from->bias, from_member),
           iv_elements(to->bias) * sizeof(double));
}

static void a_member_gets_the_same_bits_in_any_population(void **state) {
    enum { MEMBERS = 3, CHOSEN = 1 };
    for (int direct = 0; direct < 2; direct++) {
        choose(*state, (size_t)direct);
        run many = build(*state, MEMBERS, 4, 3, 6), one = build(*state, 1, 4, 3, 6);
        copy_values(&one, 0, &many, CHOSEN, 0);
        finish(&many);
        finish(&one);
        for (size_t i = 0; i < 2; i++) {
            const size_t n = iv_elements(one.outputs[i]);
            assert_memory_equal(one.values[i], many.values[i] + CHOSEN * n, n * sizeof(float));
        }
        end(*state, &many);
        end(*state, &one);
    }
    leave_choice(*state);
}

/* The last images of a batch that the workspace holds in several turns are what they are alone. */
static void a_batch_larger_than_the_workspace_gives_the_same_bits(void **state) {
    enum { LAST = 3 };
    const size_t images = is_small_run() ? 5 : 45, side = is_small_run() ? 5 : 63, channels = 8;
    for (int direct = 0; direct < 2; direct++) {
        choose(*state, (size_t)direct);
        run all = build(*state, 1, images, channels, side),
            last = build(*state, 1, LAST, channels, side);
        const own_convolve *own = all.outputs[0]->producer->inputs[0]->producer->own;
        if (!is_small_run()) assert_true(own->at_a_time < images);
        copy_values(&last, 0, &all, 0, images - LAST);
        finish(&all);
        finish(&last);
        for (size_t i = 0; i < 2; i++) {
            const size_t n = iv_elements(last.outputs[i]);
            assert_memory_equal(last.values[i], all.values[i] + iv_elements(all.outputs[i]) - n,
                                n * sizeof(float));
        }
        end(*state, &all);
        end(*state, &last);
    }
    leave_choice(*state);
}

/* ------------------------------------------------------------------ fusion */

static size_t n_launches(program *p, bool activated) {
    trial *t = trial_begin(p, 1);
    iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 4, DIMS(2, 3, 5, 5), -1.0, 1.0);
    iv_tensor *w = trial_floats(t, LIES_IN_PLAN, 4, DIMS(4, 3, 3, 3), -1.0, 1.0);
    iv_tensor *b = trial_floats(t, LIES_IN_PLAN, 1, DIMS(4), -1.0, 1.0);
    iv_tensor *y = iv_convolve(t->graph, x, w, b, &around, 1);
    if (activated) y = iv_activate(t->graph, y, IV_ACTIVATION_RELU);
    iv_plan *plan;
    assert_ok(t->context, iv_graph_compile(t->graph, &y, 1, &plan));
    const size_t n = iv_sequence_length(iv_plan_sequence(plan));
    iv_plan_destroy(plan);
    trial_end(p, t);
    return n;
}

static void an_activation_after_a_convolution_is_no_launch(void **state) {
    for (int direct = 0; direct < 2; direct++) {
        choose(*state, (size_t)direct);
        assert_int_equal(n_launches(*state, true), n_launches(*state, false));
    }
    leave_choice(*state);
}

/* ------------------------------------------------------------------ largest values */

/* Of 2 x 2 windows side by side: the first of equal values has the gradient; where a NaN is, it is the
 * result, and has it. */
static void check_largest(program *p) {
    enum { KINDS = 4, WINDOWS = 20 }; /* more than vectors have floats */
    static const double values[KINDS][4] = {{1, 3, 3, 2},
                                            {-INFINITY, -INFINITY, -INFINITY, -INFINITY},
                                            {1, NAN, 5, 2},
                                            {-5, -2, -9, -2}};
    static const size_t chosen[KINDS] = {1, 0, 1, 1};
    trial *t = trial_begin(p, 1);
    iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 4, DIMS(1, 1, 2, 2 * WINDOWS), -1.0, 1.0);
    for (size_t i = 0; i < 2 * 2 * WINDOWS; i++) {
        const size_t row = i / (2 * WINDOWS), column = i % (2 * WINDOWS);
        trial_values(t, x, 0)[i] = values[column / 2 % KINDS][2 * row + column % 2];
    }
    const iv_window window = {{2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}};
    iv_tensor *outputs[] = {iv_max_pool(t->graph, x, &window), NULL};
    iv_tensor *seed = trial_floats(t, LIES_IN_PLAN, 4, DIMS(1, 1, 1, WINDOWS), 1.0, 2.0);
    assert_ok(t->context, iv_vector_jacobian(t->graph, outputs[0], seed, &x, 1, &outputs[1]));
    trial_run(t, outputs, 2, 0);
    float *y = trial_read(t, outputs[0]), *dx = trial_read(t, outputs[1]);
    for (size_t i = 0; i < WINDOWS; i++) {
        const size_t place = chosen[i % KINDS];
        const double expected = values[i % KINDS][place];
        assert_true(isnan(expected) ? isnan(y[i]) : y[i] == (float)expected);
        for (size_t k = 0; k < 4; k++) {
            const float gradient = k == place ? (float)trial_values(t, seed, 0)[i] : 0.0f;
            assert_true(dx[k / 2 * 2 * WINDOWS + 2 * i + k % 2] == gradient);
        }
    }
    free(y);
    free(dx);
    trial_end(p, t);
}

static void the_largest_value_is_the_first_one_or_nan(void **state) {
    for (int planes = 0; planes < 2; planes++) {
        choose(*state, (size_t)planes);
        check_largest(*state);
    }
    leave_choice(*state);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_agree_with_the_oracles),
        cmocka_unit_test(a_member_gets_the_same_bits_in_any_population),
        cmocka_unit_test(a_batch_larger_than_the_workspace_gives_the_same_bits),
        cmocka_unit_test(an_activation_after_a_convolution_is_no_launch),
        cmocka_unit_test(the_largest_value_is_the_first_one_or_nan),
    };
    return cmocka_run_group_tests_name("images", tests, open_program, close_program);
}

/* What compiling promises: nothing needless, shared memory, fusion, replays, early refusals. */
#include "oracles.h"

static iv_sequence *list_of(const trial *t) {
    return iv_plan_sequence(t->plan);
}

static void a_tensor_that_is_not_needed_is_not_computed(void **state) {
    size_t lengths[2], bytes[2];
    for (size_t with_more = 0; with_more < 2; with_more++) {
        trial *t = trial_begin(*state, 2);
        iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 2, DIMS(4, 5), -1.0, 1.0);
        iv_tensor *w = trial_floats(t, LIES_IN_PLAN, 2, DIMS(3, 5), -1.0, 1.0);
        iv_tensor *h = iv_linear(t->graph, x, w, NULL);
        iv_tensor *y = iv_add(t->graph, h, h), *needless = NULL;
        if (with_more) {
            iv_tensor *unread = trial_floats(t, LIES_IN_PLAN, 2, DIMS(4, 3), -1.0, 1.0);
            needless = iv_add(t->graph, iv_activate(t->graph, y, IV_ACTIVATION_RELU), unread);
            trial_place(t, needless);
        }
        trial_run(t, &y, 1, 0);
        lengths[with_more] = iv_sequence_length(list_of(t));
        bytes[with_more] = iv_plan_bytes(t->plan);
        if (needless) { /* its memory holds what it held before */
            float *values = trial_read(t, needless);
            const uint32_t untouched = 0x12345678;
            for (size_t i = 0; i < 2 * iv_elements(needless); i++)
                assert_memory_equal(&values[i], &untouched, sizeof untouched);
            free(values);
        }
        trial_end(*state, t);
    }
    assert_int_equal(lengths[0], lengths[1]);
    assert_int_equal(bytes[0], bytes[1]);
}

/* A chain of N scaled tensors; all of them are outputs, or only the last. */
enum { CHAIN = 8, WIDTH = 33 };

static float *run_chain(void **state, bool keep_all, size_t *bytes) {
    trial *t = trial_begin(*state, 3);
    t->seed = 1000; /* the same numbers in every chain */
    iv_tensor *factor = trial_floats(t, LIES_APART, 1, DIMS(1), 0.5, 2.0), *chain[CHAIN];
    iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 1, DIMS(WIDTH), -1.0, 1.0);
    for (size_t i = 0; i < CHAIN; i++) {
        chain[i] = iv_scale(t->graph, i == 0 ? x : chain[i - 1], factor);
        if (i > 1) chain[i] = iv_add(t->graph, chain[i], chain[i - 2]);
    }
    const size_t first = keep_all ? 0 : CHAIN - 1;
    size_t predicted;
    assert_ok(t->context, iv_graph_bytes(t->graph, chain + first, CHAIN - first, &predicted));
    const size_t before = iv_context_bytes(t->context);
    trial_run(t, chain + first, CHAIN - first, 0);
    *bytes = iv_plan_bytes(t->plan);
    assert_int_equal(predicted, *bytes);
    assert_int_equal(iv_context_bytes(t->context) - before, *bytes);
    float *last = trial_read(t, chain[CHAIN - 1]);
    trial_end(*state, t);
    return last;
}

static void memory_is_shared_without_changing_results(void **state) {
    size_t bytes_all, bytes_last;
    float *all = run_chain(state, true, &bytes_all);
    float *last = run_chain(state, false, &bytes_last);
    assert_memory_equal(all, last, 3 * WIDTH * sizeof *all);
    /* x and every tensor of the chain, against x and the five that live at one time: three of the
     * chain, a scaled one, and the sum */
    const size_t of_one = 3 * WIDTH * sizeof *all;
    assert_true(bytes_all >= (1 + CHAIN) * of_one);
    assert_true(bytes_last <= (1 + 5) * of_one);
    free(all);
    free(last);
}

/* What reads an output where it lies may take all members for one long tensor, so the small last
 * layer must not lie spread out in the memory of the large first one. */
static void members_of_an_output_follow_one_another(void **state) {
    trial *t = trial_begin(*state, 3);
    iv_tensor *x = trial_floats(t, LIES_APART, 2, DIMS(4, 5), -1.0, 1.0);
    iv_tensor *h =
        iv_linear(t->graph, x, trial_floats(t, LIES_APART, 2, DIMS(40, 5), -1.0, 1.0), NULL);
    h = iv_linear(t->graph, h, trial_floats(t, LIES_APART, 2, DIMS(30, 40), -1.0, 1.0), NULL);
    h = iv_linear(t->graph, h, trial_floats(t, LIES_APART, 2, DIMS(2, 30), -1.0, 1.0), NULL);
    trial_run(t, &h, 1, 0);
    const iv_view view = iv_plan_view(t->plan, h);
    assert_int_equal(view.stride, iv_elements(h));
    float there[3 * 4 * 2], *values = trial_read(t, h);
    assert_ok(t->context, iv_buffer_read(t->context, view.buffer, view.offset * sizeof(float),
                                         sizeof there, there));
    assert_memory_equal(there, values, sizeof there);
    free(values);
    trial_end(*state, t);
}

/* The gradient of two slices is two launches, each into its half, and a third that copies only
 * where the caller wants a half for itself. */
static void gradients_of_slices_are_computed_in_place(void **state) {
    trial *t = trial_begin(*state, 3);
    iv_tensor *x = trial_floats(t, LIES_APART, 3, DIMS(2, 5, 4), -1.0, 1.0), *gradient;
    iv_tensor *halves[] = {iv_slice(t->graph, x, 0, 1), iv_slice(t->graph, x, 1, 1)};
    iv_tensor *loss = iv_logit_distance(t->graph, halves[0], halves[1]);
    assert_ok(t->context, iv_gradient(t->graph, loss, &x, 1, &gradient));
    iv_tensor *outputs[] = {gradient, gradient->producer->inputs[0]};
    iv_plan *plan;
    assert_ok(t->context, iv_graph_compile(t->graph, outputs, 2, &plan));
    assert_int_equal(iv_sequence_length(iv_plan_sequence(plan)), 3);
    iv_plan_destroy(plan);
    trial_run(t, &gradient, 1, 0);
    assert_int_equal(iv_sequence_length(iv_plan_sequence(t->plan)), 2);
    assert_tensor_agrees(t, gradient, 0);
    trial_end(*state, t);
}

/* A perceptron's loss and gradients, alone or with its intermediate tensors as outputs too. */
typedef struct {
    iv_tensor *loss, *gradients[4], *between[4];
} perceptron;

static perceptron make_perceptron(trial *t, iv_activation activation) {
    perceptron p;
    iv_tensor *x = trial_floats(t, LIES_APART, 2, DIMS(7, 13), -1.0, 1.0);
    iv_tensor *labels = trial_classes(t, LIES_APART, 7, 3);
    iv_tensor *parameters[] = {trial_floats(t, LIES_APART, 2, DIMS(19, 13), -1.0, 1.0),
                               trial_floats(t, LIES_APART, 1, DIMS(19), -1.0, 1.0),
                               trial_floats(t, LIES_APART, 2, DIMS(3, 19), -1.0, 1.0),
                               trial_floats(t, LIES_APART, 1, DIMS(3), -1.0, 1.0)};
    p.between[0] = iv_linear(t->graph, x, parameters[0], parameters[1]);
    p.between[1] = iv_activate(t->graph, p.between[0], activation);
    p.between[2] = iv_linear(t->graph, p.between[1], parameters[2], parameters[3]);
    p.loss = iv_cross_entropy(t->graph, p.between[2], labels);
    assert_ok(t->context, iv_gradient(t->graph, p.loss, parameters, 4, p.gradients));
    p.between[3] = NULL; /* the gradient before the activation's derivative */
    for (size_t i = 0; i < t->graph->n_nodes; i++)
        if (t->graph->nodes[i]->op == &op_activation_gradient)
            p.between[3] = t->graph->nodes[i]->inputs[0];
    assert_non_null(p.between[3]);
    return p;
}

static void compare_fused(void **state, iv_activation activation) {
    enum { N = 5 };
    float *results[2][N];
    size_t lengths[2], sizes[N];
    for (size_t separate = 0; separate < 2; separate++) {
        trial *t = trial_begin(*state, 2);
        t->seed = 2000;
        perceptron p = make_perceptron(t, activation);
        iv_tensor *outputs[N + 4] = {p.loss};
        memcpy(outputs + 1, p.gradients, sizeof p.gradients);
        memcpy(outputs + N, p.between, sizeof p.between);
        trial_run(t, outputs, separate ? N + 4 : N, 0);
        lengths[separate] = iv_sequence_length(list_of(t));
        for (size_t i = 0; i < N; i++) {
            results[separate][i] = trial_read(t, outputs[i]);
            sizes[i] = 2 * iv_elements(outputs[i]);
        }
        trial_end(*state, t);
    }
    /* The activation and its derivative; CLBlast has launches of its own for what follows a
     * product, so that less is saved. */
    assert_true(lengths[0] < lengths[1] && lengths[1] <= lengths[0] + 2);
    for (size_t i = 0; i < N; i++) {
        assert_memory_equal(results[0][i], results[1][i], sizes[i] * sizeof(float));
        free(results[0][i]);
        free(results[1][i]);
    }
}

static void a_fused_activation_gives_the_same_numbers(void **state) {
    for (int a = IV_ACTIVATION_RELU; a <= IV_ACTIVATION_TANH; a++)
        compare_fused(state, (iv_activation)a);
}

static void a_member_has_the_same_bytes_alone_and_in_a_population(void **state) {
    enum { POPULATION = 8 };
    trial *all = trial_begin(*state, POPULATION);
    perceptron p = make_perceptron(all, IV_ACTIVATION_RELU);
    iv_tensor *outputs[] = {p.loss, p.gradients[0], p.gradients[1], p.gradients[2], p.gradients[3]};
    trial_run(all, outputs, 5, 0);
    for (size_t r = 0; r < POPULATION; r += 3) {
        trial *one = trial_begin(*state, 1);
        perceptron q = make_perceptron(one, IV_ACTIVATION_RELU);
        for (size_t i = 0; i < one->n_inputs; i++)
            memcpy(one->inputs[i].values, trial_values(all, all->inputs[i].tensor, r),
                   iv_elements(one->inputs[i].tensor) * sizeof(double));
        iv_tensor *alone[] = {q.loss, q.gradients[0], q.gradients[1], q.gradients[2],
                              q.gradients[3]};
        trial_run(one, alone, 5, 0);
        for (size_t i = 0; i < 5; i++) {
            const size_t n = iv_elements(alone[i]);
            float *of_all = trial_read(all, outputs[i]), *of_one = trial_read(one, alone[i]);
            assert_memory_equal(of_all + r * n, of_one, n * sizeof *of_one);
            free(of_all);
            free(of_one);
        }
        trial_end(*state, one);
    }
    trial_end(*state, all);
}

static void a_replay_gives_the_same_bytes(void **state) {
    trial *t = trial_begin(*state, 3);
    perceptron p = make_perceptron(t, IV_ACTIVATION_RELU);
    trial_run(t, p.gradients, 4, 0);
    float *before[4];
    for (size_t i = 0; i < 4; i++) before[i] = trial_read(t, p.gradients[i]);
    for (size_t i = 0; i < 3; i++) assert_ok(t->context, iv_plan_run(t->plan, 0));
    for (size_t i = 0; i < 4; i++) {
        float *after = trial_read(t, p.gradients[i]);
        assert_memory_equal(before[i], after, 3 * iv_elements(p.gradients[i]) * sizeof *after);
        free(before[i]);
        free(after);
    }
    trial_end(*state, t);
}

/* A second plan with other outputs leaves the first one as it is. */
static void two_plans_of_one_graph_do_not_disturb_each_other(void **state) {
    trial *t = trial_begin(*state, 2);
    perceptron p = make_perceptron(t, IV_ACTIVATION_RELU);
    trial_run(t, &p.loss, 1, 0);
    float *alone = trial_read(t, p.loss);
    iv_plan *first = t->plan;
    trial_run(t, p.gradients, 4, 0);
    iv_plan *second = t->plan;
    assert_ok(t->context, iv_plan_run(first, 0));
    t->plan = first;
    float *again = trial_read(t, p.loss);
    assert_memory_equal(alone, again, 2 * sizeof *alone);
    free(alone);
    free(again);
    iv_plan_destroy(second);
    trial_end(*state, t);
}

static void only_what_a_plan_keeps_can_be_read(void **state) {
    trial *t = trial_begin(*state, 1);
    iv_tensor *x = trial_floats(t, LIES_IN_PLAN, 1, DIMS(5), -1.0, 1.0);
    iv_tensor *h = iv_activate(t->graph, x, IV_ACTIVATION_RELU), *y = iv_add(t->graph, h, h);
    trial_run(t, &y, 1, 0);
    iv_tensor *later = iv_activate(t->graph, y, IV_ACTIVATION_RELU);
    iv_tensor *const not_kept[] = {h, later};
    float values[5];
    for (size_t i = 0; i < 2; i++) {
        assert_null(iv_plan_view(t->plan, not_kept[i]).buffer);
        assert_int_equal(iv_plan_read(t->plan, not_kept[i], values), IV_EINVAL);
        assert_non_null(strstr(iv_context_error(t->context)->message, "outputs"));
        iv_error_clear(iv_context_error(t->context));
    }
    assert_ok(t->context, iv_plan_read(t->plan, x, values));
    trial_end(*state, t);
}

/* Refused by its arithmetic: nothing of the kind could be allocated here. */
static void a_population_that_is_too_large_is_refused_with_one_that_fits(void **state) {
    program *p = *state;
    const iv_device_info *device = iv_context_device(p->context);
    enum { ELEMENTS = 1 << 20 };
    const size_t bytes = ELEMENTS * sizeof(float), before = iv_context_bytes(p->context);
    const size_t n_members = device->global_bytes / bytes + 1;
    iv_graph *graph;
    assert_ok(p->context, iv_graph_create(p->context, n_members, &graph));
    iv_tensor *x = iv_input(graph, IV_F32, 1, DIMS(ELEMENTS), NULL);
    iv_tensor *y = iv_activate(graph, x, IV_ACTIVATION_RELU);
    iv_plan *plan;
    assert_int_equal(iv_graph_compile(graph, &y, 1, &plan), IV_ENOMEM);
    assert_null(plan);
    assert_int_equal(iv_context_bytes(p->context), before);

    const size_t by_total = (device->global_bytes - before) / (2 * bytes);
    const size_t by_buffer = device->max_alloc_bytes / bytes;
    char expected[64];
    snprintf(expected, sizeof expected, "a population of %zu would fit",
             by_total < by_buffer ? by_total : by_buffer);
    const char *message = iv_context_error(p->context)->message;
    if (!strstr(message, expected)) fail_msg("the message lacks \"%s\": %s", expected, message);
    iv_error_clear(iv_context_error(p->context));
    iv_graph_destroy(graph);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tensor_that_is_not_needed_is_not_computed),
        cmocka_unit_test(memory_is_shared_without_changing_results),
        cmocka_unit_test(members_of_an_output_follow_one_another),
        cmocka_unit_test(gradients_of_slices_are_computed_in_place),
        cmocka_unit_test(a_fused_activation_gives_the_same_numbers),
        cmocka_unit_test(a_member_has_the_same_bytes_alone_and_in_a_population),
        cmocka_unit_test(a_replay_gives_the_same_bytes),
        cmocka_unit_test(two_plans_of_one_graph_do_not_disturb_each_other),
        cmocka_unit_test(only_what_a_plan_keeps_can_be_read),
        cmocka_unit_test(a_population_that_is_too_large_is_refused_with_one_that_fits),
    };
    return cmocka_run_group_tests_name("plan", tests, open_program, close_program);
}

/* Gradients that an optimizer takes from a graph: the same bits as gradients that are placed where
 * it reads them, whoever makes the update. */
#include "setup.h"

enum { MEMBERS = 3, ROWS = 9, INPUTS = 21, OUTPUTS = 18, STEPS = 4 };

static const iv_parameter_desc descs[] = {
    {.name = "w", .rank = 2, .dims = {OUTPUTS, INPUTS}, .distribution = IV_UNIFORM, .scale = 0.5f},
    {.name = "b", .rank = 1, .dims = {OUTPUTS}, .distribution = IV_UNIFORM, .scale = 0.5f},
    {.name = "v",
     .rank = 2,
     .dims = {5, OUTPUTS},
     .relative_rate = 0.25f,
     .distribution = IV_UNIFORM,
     .scale = 0.5f},
    {.name = "c", .rank = 1, .dims = {5}, .fixed = true},
};
enum { N_DESCS = 4 };

/* Parameters after a few steps, to free; *n_launches of the optimizer itself. */
static float *train(program *p, iv_optimizer_desc desc, bool take, size_t *n, size_t *n_launches) {
    static const float rates[MEMBERS] = {0.5f, 0.05f, 0.3f};
    trial *t = trial_begin(p, MEMBERS);
    t->seed = 4000;
    iv_parameters *parameters;
    iv_optimizer *optimizer;
    iv_tensor *tensors[N_DESCS], *outputs[N_DESCS];
    desc.learning_rates = rates;
    assert_ok(p->context, iv_parameters_create(p->context, MEMBERS, descs, N_DESCS, &parameters));
    assert_ok(p->context, iv_parameters_initialize(parameters, (const uint32_t[]){7, 8, 9}));
    assert_ok(p->context, iv_optimizer_create(parameters, &desc, &optimizer));
    for (size_t i = 0; i < N_DESCS; i++) tensors[i] = iv_parameters_tensor(parameters, t->graph, i);

    iv_tensor *x = trial_floats(t, LIES_APART, 2, (const size_t[]){ROWS, INPUTS}, -1.0, 1.0);
    iv_tensor *y = trial_floats(t, LIES_APART, 2, (const size_t[]){ROWS, 5}, -1.0, 1.0);
    iv_tensor *h =
        iv_activate(t->graph, iv_linear(t->graph, x, tensors[0], tensors[1]), IV_ACTIVATION_TANH);
    iv_tensor *loss = iv_mean_square(t->graph, iv_linear(t->graph, h, tensors[2], tensors[3]), y);
    assert_ok(p->context, iv_gradient(t->graph, loss, tensors, N_DESCS, outputs));
    for (size_t i = 0; i < N_DESCS; i++) {
        if (take)
            iv_optimizer_take(optimizer, i, outputs[i]);
        else
            iv_place(outputs[i], iv_optimizer_gradient_view(optimizer, i));
    }
    assert_ok(p->context, iv_graph_compile(t->graph, outputs, N_DESCS, &t->plan));
    iv_sequence *sequence = iv_plan_sequence(t->plan);
    const size_t before = iv_sequence_length(sequence);
    assert_ok(p->context, iv_optimizer_append(optimizer, sequence));
    *n_launches = iv_sequence_length(sequence) - before;
    trial_write_inputs(t);
    for (uint32_t step = 0; step < STEPS; step++) assert_ok(p->context, iv_plan_run(t->plan, step));
    float *values = read_buffer(p->context, iv_parameters_view(parameters, 0).buffer, n);
    trial_end(p, t);
    release_optimizer(p, optimizer);
    return values;
}

static void check(void **state, iv_optimizer_desc desc, size_t n_own) {
    size_t n, m, n_placed, n_taken;
    float *placed = train(*state, desc, false, &n, &n_placed);
    float *taken = train(*state, desc, true, &m, &n_taken);
    assert_int_equal(n, m);
    assert_memory_equal(placed, taken, n * sizeof *placed);
    assert_int_equal(n_placed, 2); /* of two rates */
    assert_int_equal(n_taken, n_own);
    free(placed);
    free(taken);
}

/* Those of the relative rate 1 are the plan's; the others stay with the optimizer. */
static void descent_at_a_constant_rate_is_the_plans(void **state) {
    check(state, optimizers[1], 1);
}

static void updates_that_need_more_than_the_gradient_stay_with_the_optimizer(void **state) {
    iv_optimizer_desc annealed = optimizers[1];
    annealed.cosine_steps = STEPS;
    check(state, optimizers[0], 2);
    check(state, annealed, 2);
    check(state, optimizers[2], 2);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descent_at_a_constant_rate_is_the_plans),
        cmocka_unit_test(updates_that_need_more_than_the_gradient_stay_with_the_optimizer),
    };
    return cmocka_run_group_tests_name("plan-updates", tests, open_program, close_program);
}

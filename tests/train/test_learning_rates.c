/* Learning rates: annealing, rates of single parameters, parameters that are fixed. */
#include "setup.h"

#include <stdio.h>

#define U 0x1p-24 /* unit roundoff of floats */

enum { MEMBERS = 2 };

static const float rates[MEMBERS] = {0.5f, 0.125f};

typedef struct {
    iv_context *context;
    iv_parameters *parameters;
    iv_optimizer *optimizer;
    iv_sequence *sequence;
    iv_view gradient; /* of all parameters */
} subject;

static subject begin(program *p, const iv_parameter_desc *descs, size_t n, iv_optimizer_desc desc,
                     const float *learning_rates) {
    subject s = {.context = p->context};
    desc.learning_rates = learning_rates;
    assert_ok(s.context, iv_parameters_create(s.context, MEMBERS, descs, n, &s.parameters));
    assert_ok(s.context, iv_parameters_initialize(s.parameters, (const uint32_t[]){5, 6}));
    assert_ok(s.context, iv_optimizer_create(s.parameters, &desc, &s.optimizer));
    assert_ok(s.context, iv_sequence_create(s.context, &s.sequence));
    assert_ok(s.context, iv_optimizer_append(s.optimizer, s.sequence));
    s.gradient = iv_optimizer_gradient_view(s.optimizer, 0);
    return s;
}

static void end(program *p, subject *s) {
    iv_sequence_destroy(s->sequence);
    release_optimizer(p, s->optimizer);
}

static void write_gradients(const subject *s, float first, float slope) {
    size_t n;
    float *values = read_buffer(s->context, s->gradient.buffer, &n);
    for (size_t i = 0; i < n; i++) values[i] = first + slope * (float)(i % s->gradient.stride % 7);
    assert_ok(s->context,
              iv_buffer_write(s->context, s->gradient.buffer, 0, n * sizeof *values, values));
    free(values);
}

static float *all_values(const subject *s, size_t *n) {
    return read_buffer(s->context, iv_parameters_view(s->parameters, 0).buffer, n);
}

/* ------------------------------------------------------------------ annealing */

/* torch.optim.lr_scheduler.CosineAnnealingLR, eta_min = 0, as its chainable form steps. */
static double torch_step(double rate, uint32_t epoch, uint32_t t_max) {
    const double pi = acos(-1.0);
    return rate * (1 + cos(pi * epoch / t_max)) / (1 + cos(pi * (epoch - 1) / t_max));
}

/* All gradients are 1: SGD subtracts the rate, and so does Adam without epsilon. A rate takes a
 * sine of a rounded quotient (4 ulp and an error of 2 u before a function whose slope is at most pi
 * / 2 of its value), its square and two products: 24 u. Adam has 40 + 2 t u (test_optimizer.c). */
static void check_annealing(program *p, iv_optimizer_desc desc, uint32_t n_steps) {
    static const iv_parameter_desc x = {.name = "x", .rank = 1, .dims = {40}};
    desc.cosine_steps = n_steps;
    subject s = begin(p, &x, 1, desc, rates);
    write_gradients(&s, 1.0f, 0.0f);
    double expected[MEMBERS] = {0}, bound[MEMBERS] = {0}, rate[MEMBERS];
    for (size_t r = 0; r < MEMBERS; r++) rate[r] = (double)rates[r];
    const bool adam = desc.kind == IV_OPTIMIZER_ADAM;
    for (uint32_t step = 0; step < n_steps; step++) {
        assert_ok(s.context, iv_sequence_run(s.sequence, step));
        size_t n;
        float *values = all_values(&s, &n);
        for (size_t r = 0; r < MEMBERS; r++) {
            if (step > 0) rate[r] = torch_step(rate[r], step, n_steps);
            expected[r] -= rate[r];
            bound[r] += (24 + (adam ? 42 + 2 * step : 0)) * U * rate[r] + U * -expected[r] + 1e-15;
            for (size_t i = 0; i < 40; i++) {
                const double got = (double)values[r * s.gradient.stride + i];
                if (!(fabs(got - expected[r]) <= bound[r]))
                    fail_msg("step %u of %u: %.9g, not %.9g +- %.2g", step, n_steps, got,
                             expected[r], bound[r]);
            }
        }
        free(values);
    }
    size_t n;
    float *at_end = all_values(&s, &n);
    for (uint32_t step = n_steps; step < n_steps + 3; step++)
        assert_ok(s.context, iv_sequence_run(s.sequence, step));
    float *later = all_values(&s, &n);
    assert_memory_equal(at_end, later, n * sizeof *later);
    free(at_end);
    free(later);
    end(p, &s);
}

static void rates_follow_the_cosine_of_pytorch_to_zero(void **state) {
    static const iv_optimizer_desc kinds[] = {
        {.kind = IV_OPTIMIZER_SGD},
        {.kind = IV_OPTIMIZER_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-20f}};
    for (size_t k = 0; k < 2; k++) {
        check_annealing(*state, kinds[k], 1);
        check_annealing(*state, kinds[k], is_small_run() ? 4 : 100);
    }
}

/* Near the end the sum 1 + cos cancels; the rate does not: the last of T steps has
 * sin^2(pi / (2 T)) of the first, in an SGD from 0 the value itself. */
static void the_last_rate_of_a_long_training_has_all_its_digits(void **state) {
    static const iv_parameter_desc x = {.name = "x", .rank = 1, .dims = {3}};
    const uint32_t n_steps = 100000;
    const iv_optimizer_desc desc = {.kind = IV_OPTIMIZER_SGD, .cosine_steps = n_steps};
    subject s = begin(*state, &x, 1, desc, rates);
    write_gradients(&s, 1.0f, 0.0f);
    assert_ok(s.context, iv_sequence_run(s.sequence, n_steps - 1));
    size_t n;
    float *values = all_values(&s, &n);
    const double sine = sin(acos(-1.0) / (2.0 * n_steps)), expected = -0.5 * sine * sine;
    assert_true(fabs((double)values[0] - expected) <= 24 * U * -expected);
    free(values);
    end(*state, &s);
}

/* ------------------------------------------------------------------ single parameters */

/* A parameter at a tenth of the rate trains to the same bytes as one at a rate that is a tenth. */
static void relative_rates_multiply_the_rate(void **state) {
    static const iv_parameter_desc mixed[] = {
        {.name = "a", .rank = 1, .dims = {37}, .scale = 1.0f},
        {.name = "b", .rank = 2, .dims = {40, 60}, .scale = 1.0f, .relative_rate = 0.1f},
        {.name = "c", .rank = 1, .dims = {5}, .scale = 1.0f, .relative_rate = 0.1f},
        {.name = "d", .rank = 1, .dims = {64}, .scale = 1.0f, .relative_rate = 1.0f}};
    enum { N = sizeof mixed / sizeof *mixed };
    iv_parameter_desc plain[N];
    for (size_t i = 0; i < N; i++) {
        plain[i] = mixed[i];
        plain[i].relative_rate = 0.0f;
    }
    const float tenths[MEMBERS] = {rates[0] * 0.1f, rates[1] * 0.1f};
    for (size_t k = 0; k < N_OPTIMIZERS; k++) {
        subject s = begin(*state, mixed, N, optimizers[k], rates);
        subject full = begin(*state, plain, N, optimizers[k], rates);
        subject tenth = begin(*state, plain, N, optimizers[k], tenths);
        const subject *all[] = {&s, &full, &tenth};
        assert_int_equal(iv_sequence_length(s.sequence), 3); /* a; b and c; d */
        assert_int_equal(iv_sequence_length(full.sequence), 1);
        for (uint32_t step = 0; step < 3; step++)
            for (size_t i = 0; i < 3; i++) {
                write_gradients(all[i], (float)step - 1.5f, 0.25f);
                assert_ok(s.context, iv_sequence_run(all[i]->sequence, step));
            }
        size_t n;
        float *got = all_values(&s, &n), *ones = all_values(&full, &n);
        float *tenth_values = all_values(&tenth, &n);
        for (size_t i = 0; i < N; i++)
            for (size_t r = 0; r < MEMBERS; r++) {
                const iv_view view = iv_parameters_view(s.parameters, i);
                const size_t at = view.offset + r * view.stride;
                const size_t n_i = mixed[i].dims[0] * (mixed[i].rank > 1 ? mixed[i].dims[1] : 1);
                const float *expected = mixed[i].relative_rate == 0.1f ? tenth_values : ones;
                assert_memory_equal(got + at, expected + at, n_i * sizeof *got);
            }
        free(got);
        free(ones);
        free(tenth_values);
        end(*state, &s);
        end(*state, &full);
        end(*state, &tenth);
    }
}

/* Whatever lies in the place of their gradient. */
static void fixed_parameters_stay(void **state) {
    static const iv_parameter_desc descs[] = {
        {.name = "a", .rank = 1, .dims = {33}, .scale = 1.0f, .fixed = true},
        {.name = "b", .rank = 1, .dims = {20}, .scale = 1.0f},
        {.name = "c", .rank = 1, .dims = {50}, .scale = 1.0f, .fixed = true},
        {.name = "d", .rank = 1, .dims = {7}, .scale = 1.0f},
        {.name = "e", .rank = 1, .dims = {7}, .scale = 1.0f}};
    enum { N = sizeof descs / sizeof *descs };
    for (size_t k = 0; k < N_OPTIMIZERS; k++) {
        subject s = begin(*state, descs, N, optimizers[k], rates);
        assert_int_equal(iv_sequence_length(s.sequence), 2);
        size_t n;
        float *before = all_values(&s, &n);
        write_gradients(&s, 1.0f, 0.5f);
        for (uint32_t step = 0; step < 2; step++)
            assert_ok(s.context, iv_sequence_run(s.sequence, step));
        float *after = all_values(&s, &n);
        for (size_t i = 0; i < N; i++)
            for (size_t r = 0; r < MEMBERS; r++) {
                const iv_view view = iv_parameters_view(s.parameters, i);
                for (size_t e = 0; e < descs[i].dims[0]; e++) {
                    const size_t at = view.offset + r * view.stride + e;
                    assert_true((before[at] == after[at]) == descs[i].fixed);
                }
            }
        free(before);
        free(after);
        end(*state, &s);
    }
}

static void nothing_is_launched_where_all_is_fixed(void **state) {
    static const iv_parameter_desc fixed = {
        .name = "a", .rank = 1, .dims = {3}, .scale = 1.0f, .fixed = true};
    subject s = begin(*state, &fixed, 1, optimizers[0], rates);
    assert_int_equal(iv_sequence_length(s.sequence), 0);
    end(*state, &s);
}

static void relative_rates_out_of_range_are_refused(void **state) {
    static const float wrong[] = {-1.0f, NAN, INFINITY};
    program *p = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const iv_parameter_desc desc = {
            .name = "eta", .rank = 1, .dims = {3}, .relative_rate = wrong[i]};
        iv_parameters *parameters;
        iv_optimizer *optimizer;
        iv_optimizer_desc sgd = {.kind = IV_OPTIMIZER_SGD, .learning_rates = rates};
        assert_ok(p->context, iv_parameters_create(p->context, MEMBERS, &desc, 1, &parameters));
        assert_fails(p->context, iv_optimizer_create(parameters, &sgd, &optimizer), IV_EINVAL,
                     "eta: the relative learning rate");
        assert_null(optimizer);
        release_parameters(p, parameters);
    }
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_follow_the_cosine_of_pytorch_to_zero),
        cmocka_unit_test(the_last_rate_of_a_long_training_has_all_its_digits),
        cmocka_unit_test(relative_rates_multiply_the_rate),
        cmocka_unit_test(fixed_parameters_stay),
        cmocka_unit_test(nothing_is_launched_where_all_is_fixed),
        cmocka_unit_test(relative_rates_out_of_range_are_refused),
    };
    return cmocka_run_group_tests_name("learning-rates", tests, open_program, close_program);
}

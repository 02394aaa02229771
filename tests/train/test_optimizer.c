/* Optimizers against the formulas as PyTorch writes them, in double precision. */
#include "setup.h"

#define UNIT_ROUNDOFF 0x1p-24

enum { MEMBERS = 3, STEPS = 50, MAX_PARAMETERS = 2200 };

static const iv_parameter_desc descs[] = {
    {.name = "one", .rank = 1, .dims = {1}, .distribution = IV_UNIFORM, .scale = 1.0f},
    {.name = "row", .rank = 1, .dims = {37}, .distribution = IV_UNIFORM, .scale = 0.5f},
    {.name = "matrix",
     .rank = 2,
     .dims = {41, 50},
     .distribution = IV_UNIFORM,
     .scale = 2.0f}, /* more than one work-item takes */
};
enum { N_DESCS = sizeof descs / sizeof *descs };

typedef struct {
    iv_optimizer_kind kind;
    double beta1, beta2;
    float epsilon, momentum;
} setting;

/* One parameter, with bounds on the rounding errors of its single-precision twin. */
typedef struct {
    double value, mean, variance, velocity;
    double value_error, mean_error, variance_error, velocity_error;
} state_of_one;

/* torch.optim.Adam: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
 * p -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps).
 *
 * Errors: three roundings in m, four in v. A beta has one of its own, which moves the weights of
 * the gradients, normalised by the corrections, by at most t u. The quotient takes sqrt (3 ulp, 6
 * u), a product, a sum, a division (2.5 ulp, 5 u), and two corrections of expm1 (3 ulp) of a
 * rounded product and a division, one under a root (3 ulp): 40 u with room. */
static void advance_adam(state_of_one *s, const setting *b, double rate, double gradient, int t) {
    const double u = UNIT_ROUNDOFF;
    s->mean_error = b->beta1 * s->mean_error +
                    3 * u * (fabs(b->beta1 * s->mean) + fabs((1 - b->beta1) * gradient));
    s->mean = b->beta1 * s->mean + (1 - b->beta1) * gradient;
    s->variance = b->beta2 * s->variance + (1 - b->beta2) * gradient * gradient;
    s->variance_error = b->beta2 * s->variance_error + 4 * u * s->variance;
    const double correction1 = 1 - pow(b->beta1, t), correction2 = 1 - pow(b->beta2, t);
    const double root = sqrt(s->variance) / sqrt(correction2) + b->epsilon;
    const double step = rate / correction1 * s->mean / root;
    const double relative =
        s->variance > 0.0 ? 0.5 * s->variance_error / s->variance + (40 + 2 * t) * u : 0.0;
    s->value -= step;
    s->value_error += rate / correction1 * s->mean_error / root + fabs(step) * relative +
                      u * fabs(s->value) + 1e-37;
    /* the weights of a mean whose terms cancel move by t u of the terms, at most the root of v */
    s->value_error += rate * t * u;
}

/* torch.optim.SGD: v = g in the first step, then v = momentum v + g; p -= lr v.
 *
 * Errors: one rounding in v, one in p. */
static void advance_sgd(state_of_one *s, const setting *b, double rate, double gradient, int t) {
    const double u = UNIT_ROUNDOFF;
    if (t == 1) {
        s->velocity = gradient;
    } else {
        s->velocity = (double)b->momentum * s->velocity + gradient;
        s->velocity_error = (double)b->momentum * s->velocity_error;
        if (b->momentum > 0.0f) s->velocity_error += u * fabs(s->velocity);
    }
    s->value -= rate * s->velocity;
    /* a rounding is relative to the rounded number, which the error so far may have made larger */
    s->value_error += rate * s->velocity_error;
    s->value_error += u * (fabs(s->value) + s->value_error) + 1e-37;
}

static double gradient_at(uint32_t member, uint32_t i, uint32_t step) {
    uint32_t words[4];
    iv_philox(member, IV_STREAM_TEST, step, i, words);
    const double size = i % 5 == 0 ? 1e-6 : i % 5 == 1 ? 100.0 : 1.0; /* of all magnitudes */
    return i % 11 == 3 ? 0.0 : (float)(size * iv_uniform_symmetric(words[0]));
}

typedef struct {
    iv_context *context;
    iv_parameters *parameters;
    iv_optimizer *optimizer;
    iv_sequence *sequence;
    cl_mem gradients;
    size_t n; /* of a member, padding included */
} subject;

static iv_optimizer_desc desc_of(const setting *b, const float *rates) {
    return (iv_optimizer_desc){.kind = b->kind,
                               .learning_rates = rates,
                               .beta1 = (float)b->beta1,
                               .beta2 = (float)b->beta2,
                               .epsilon = b->epsilon,
                               .momentum = b->momentum};
}

static subject make_optimizer(program *p, const setting *b, const float *rates) {
    subject o = {.context = p->context};
    assert_ok(o.context, iv_parameters_create(o.context, MEMBERS, descs, N_DESCS, &o.parameters));
    assert_ok(o.context, iv_parameters_initialize(o.parameters, (const uint32_t[]){5, 6, 7}));
    const iv_optimizer_desc desc = desc_of(b, rates);
    assert_ok(o.context, iv_optimizer_create(o.parameters, &desc, &o.optimizer));
    assert_ok(o.context, iv_sequence_create(o.context, &o.sequence));
    assert_ok(o.context, iv_optimizer_append(o.optimizer, o.sequence));
    assert_int_equal(iv_sequence_length(o.sequence), 1);
    const iv_view view = iv_optimizer_gradient_view(o.optimizer, 0);
    o.gradients = view.buffer;
    o.n = view.stride;
    assert_true(o.n <= MAX_PARAMETERS);
    return o;
}

static void end_optimizer(program *p, subject *o) {
    iv_sequence_destroy(o->sequence); /* has no memory on the device */
    release_optimizer(p, o->optimizer);
}

/* Padding gets no gradient: where a parameter lies, and where none does. */
static void mark_parameters(const subject *o, bool *is_parameter) {
    memset(is_parameter, 0, o->n * sizeof *is_parameter);
    for (size_t k = 0; k < N_DESCS; k++) {
        const iv_view view = iv_optimizer_gradient_view(o->optimizer, k);
        const size_t n = descs[k].dims[0] * (descs[k].rank > 1 ? descs[k].dims[1] : 1);
        assert_int_equal(view.offset, iv_parameters_view(o->parameters, k).offset);
        for (size_t i = 0; i < n; i++) is_parameter[view.offset + i] = true;
    }
}

static void check(program *p, const setting *b) {
    static const float rates[MEMBERS] = {1e-3f, 0.1f, 3e-5f};
    const int n_steps = is_small_run() ? 5 : STEPS;
    subject o = make_optimizer(p, b, rates);
    bool is_parameter[MAX_PARAMETERS];
    mark_parameters(&o, is_parameter);
    size_t n_all;
    const cl_mem values = iv_parameters_view(o.parameters, 0).buffer;
    float *initial = read_buffer(o.context, values, &n_all);
    state_of_one *states = calloc(n_all, sizeof *states);
    float *gradients = calloc(n_all, sizeof *gradients);
    assert_true(states && gradients);
    for (size_t i = 0; i < n_all; i++) states[i].value = initial[i];

    for (int t = 1; t <= n_steps; t++) {
        for (size_t i = 0; i < n_all; i++) {
            if (!is_parameter[i % o.n]) continue;
            const uint32_t member = (uint32_t)(i / o.n);
            gradients[i] = (float)gradient_at(member, (uint32_t)(i % o.n), (uint32_t)t);
            if (b->kind == IV_OPTIMIZER_ADAM)
                advance_adam(&states[i], b, rates[member], gradients[i], t);
            else
                advance_sgd(&states[i], b, rates[member], gradients[i], t);
        }
        assert_ok(o.context,
                  iv_buffer_write(o.context, o.gradients, 0, n_all * sizeof *gradients, gradients));
        assert_ok(o.context, iv_sequence_run(o.sequence, (uint32_t)t - 1));
    }
    float *got = read_buffer(o.context, values, &n_all);
    for (size_t i = 0; i < n_all; i++) {
        if (!is_parameter[i % o.n] && got[i] != 0.0f) fail_msg("padding %zu changed", i);
        if (is_parameter[i % o.n] && !(fabs(got[i] - states[i].value) <= states[i].value_error))
            fail_msg("betas %g, %g, momentum %g: parameter %zu is %.9g, not %.9g +- %.2g", b->beta1,
                     b->beta2, (double)b->momentum, i, got[i], states[i].value,
                     states[i].value_error);
    }
    free(initial);
    free(states);
    free(gradients);
    free(got);
    end_optimizer(p, &o);
}

static void adam_follows_the_published_formula(void **state) {
    static const setting settings[] = {{.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8f},
                                       {.beta1 = 0.5, .beta2 = 0.9, .epsilon = 1e-8f},
                                       {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-3f},
                                       {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 0.1f}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) check(*state, &settings[i]);
}

static void betas_of_zero_work(void **state) {
    static const setting settings[] = {
        {.epsilon = 1e-8f}, {.beta2 = 0.999, .epsilon = 1e-8f}, {.beta1 = 0.9, .epsilon = 1e-8f}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) check(*state, &settings[i]);
}

/* Betas and epsilon are Adam's alone: whatever they are. */
static void sgd_follows_the_rule_of_pytorch(void **state) {
    static const setting settings[] = {
        {.kind = IV_OPTIMIZER_SGD, .beta1 = 7.0},
        {.kind = IV_OPTIMIZER_SGD, .momentum = 0.9f},
        {.kind = IV_OPTIMIZER_SGD, .momentum = 0.25f, .beta2 = -1.0},
        {.kind = IV_OPTIMIZER_SGD, .momentum = 1.0f},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) check(*state, &settings[i]);
}

/* With momentum 1/2 and gradients of one, v_t = 2 - 2^(1 - t): the sum over T steps is
 * 2 T - 2 + 2^(1 - T). At a rate of 1/4, from 0, every number on the way is exact in floats. */
static void momentum_sums_to_the_geometric_series(void **state) {
    enum { N = 32, N_STEPS = 12 }; /* no padding */
    program *p = *state;
    const iv_parameter_desc desc = {
        .name = "x", .rank = 1, .dims = {N}, .distribution = IV_UNIFORM, .scale = 0.0f};
    const iv_optimizer_desc half = {
        .kind = IV_OPTIMIZER_SGD, .learning_rates = (const float[]){0.25f}, .momentum = 0.5f};
    iv_parameters *parameters;
    iv_optimizer *optimizer;
    iv_sequence *sequence;
    assert_ok(p->context, iv_parameters_create(p->context, 1, &desc, 1, &parameters));
    assert_ok(p->context, iv_parameters_initialize(parameters, (const uint32_t[]){1}));
    assert_ok(p->context, iv_optimizer_create(parameters, &half, &optimizer));
    assert_ok(p->context, iv_sequence_create(p->context, &sequence));
    assert_ok(p->context, iv_optimizer_append(optimizer, sequence));
    const iv_view gradient = iv_optimizer_gradient_view(optimizer, 0);
    assert_int_equal(gradient.stride, N);
    float ones[N];
    for (size_t i = 0; i < N; i++) ones[i] = 1.0f;
    assert_ok(p->context, iv_buffer_write(p->context, gradient.buffer, 0, sizeof ones, ones));
    for (uint32_t step = 0; step < N_STEPS; step++)
        assert_ok(p->context, iv_sequence_run(sequence, step));
    size_t n;
    float *got = read_buffer(p->context, iv_parameters_view(parameters, 0).buffer, &n);
    const double expected = -0.25 * (2.0 * N_STEPS - 2.0 + ldexp(1.0, 1 - N_STEPS));
    for (size_t i = 0; i < N; i++) assert_true(got[i] == expected);
    free(got);
    iv_sequence_destroy(sequence);
    release_optimizer(p, optimizer);
}

/* A parameter that never gets a gradient stays: 0 / (0 + epsilon) for Adam. */
static void a_parameter_without_gradient_stays(void **state) {
    static const float rates[MEMBERS] = {1.0f, 1.0f, 1.0f};
    static const setting settings[] = {{.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8f},
                                       {.kind = IV_OPTIMIZER_SGD},
                                       {.kind = IV_OPTIMIZER_SGD, .momentum = 0.9f}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        subject o = make_optimizer(*state, &settings[i], rates);
        size_t n;
        const cl_mem values = iv_parameters_view(o.parameters, 0).buffer;
        float *before = read_buffer(o.context, values, &n);
        for (uint32_t step = 0; step < 3; step++)
            assert_ok(o.context, iv_sequence_run(o.sequence, step));
        float *after = read_buffer(o.context, values, &n);
        assert_memory_equal(before, after, n * sizeof *before);
        free(before);
        free(after);
        end_optimizer(*state, &o);
    }
}

static void no_memory_is_taken_for_what_is_not_kept(void **state) {
    static const float rates[MEMBERS] = {1.0f, 1.0f, 1.0f};
    program *p = *state;
    iv_parameters *parameters;
    size_t bytes[N_OPTIMIZERS];
    assert_ok(p->context, iv_parameters_create(p->context, MEMBERS, descs, N_DESCS, &parameters));
    const size_t of_values = MEMBERS * iv_parameters_view(parameters, 0).stride * sizeof(float);
    for (size_t k = 0; k < N_OPTIMIZERS; k++) {
        const size_t before = iv_context_bytes(p->context);
        iv_optimizer *optimizer;
        iv_optimizer_desc desc = optimizers[k];
        desc.learning_rates = rates;
        assert_ok(p->context, iv_optimizer_create(parameters, &desc, &optimizer));
        bytes[k] = iv_context_bytes(p->context) - before;
        iv_optimizer_destroy(optimizer);
    }
    assert_int_equal(bytes[0] - bytes[1], 2 * of_values); /* Adam, plain SGD */
    assert_int_equal(bytes[2] - bytes[1], of_values);     /* with momentum */
    release_parameters(p, parameters);
}

static void coefficients_out_of_range_are_refused(void **state) {
    static const float rates[MEMBERS] = {1.0f, 1.0f, 1.0f};
    static const struct {
        setting setting;
        const char *part;
    } cases[] = {
        {{.beta1 = 1.0, .beta2 = 0.999}, "betas 1 and 0.999"},
        {{.beta1 = 0.9, .beta2 = -0.5}, "betas 0.9 and -0.5"},
        {{.beta1 = NAN, .beta2 = 0.9}, "betas"},
        {{.kind = IV_OPTIMIZER_SGD, .momentum = -0.1f}, "momentum -0.1"},
        {{.kind = IV_OPTIMIZER_SGD, .momentum = NAN}, "momentum"},
        {{.kind = IV_OPTIMIZER_SGD, .momentum = INFINITY}, "momentum"},
        {{.kind = (iv_optimizer_kind)7}, "kind 7"},
    };
    program *p = *state;
    iv_parameters *parameters;
    assert_ok(p->context, iv_parameters_create(p->context, MEMBERS, descs, N_DESCS, &parameters));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const iv_optimizer_desc desc = desc_of(&cases[i].setting, rates);
        iv_optimizer *optimizer;
        assert_fails(p->context, iv_optimizer_create(parameters, &desc, &optimizer), IV_EINVAL,
                     cases[i].part);
        assert_null(optimizer);
    }
    release_parameters(p, parameters);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adam_follows_the_published_formula),
        cmocka_unit_test(betas_of_zero_work),
        cmocka_unit_test(sgd_follows_the_rule_of_pytorch),
        cmocka_unit_test(momentum_sums_to_the_geometric_series),
        cmocka_unit_test(a_parameter_without_gradient_stays),
        cmocka_unit_test(no_memory_is_taken_for_what_is_not_kept),
        cmocka_unit_test(coefficients_out_of_range_are_refused),
    };
    return cmocka_run_group_tests_name("optimizer", tests, open_program, close_program);
}

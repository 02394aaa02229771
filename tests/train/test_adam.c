/* Adam against the formula of Kingma and Ba 2015 as PyTorch writes it, in double precision. */
#include "setup.h"

#define UNIT_ROUNDOFF 0x1p-24

enum { MEMBERS = 3, STEPS = 50, MAX_PARAMETERS = 2200 };

static const iv_parameter_desc descs[] = {
    {"one", 1, {1}, 1.0f},
    {"row", 1, {37}, 0.5f},
    {"matrix", 2, {41, 50}, 2.0f}, /* more than one work-item takes */
};
enum { N_DESCS = sizeof descs / sizeof *descs };

typedef struct {
    double beta1, beta2;
    float epsilon;
} setting;

/* One parameter, with bounds on the rounding errors of its single-precision twin. */
typedef struct {
    double value, mean, variance;
    double value_error, mean_error, variance_error;
} state_of_one;

/* torch.optim.Adam: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
 * p -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps).
 *
 * Errors: three roundings in m, four in v. A beta has one of its own, which moves the weights of
 * the gradients, normalised by the corrections, by at most t u. The quotient takes sqrt (3 ulp, 6
 * u), a product, a sum, a division (2.5 ulp, 5 u), and two corrections of expm1 (3 ulp) of a
 * rounded product and a division, one under a root (3 ulp): 40 u with room. */
static void advance(state_of_one *s, const setting *b, double rate, double gradient, int t) {
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

static double gradient_at(uint32_t member, uint32_t i, uint32_t step) {
    uint32_t words[4];
    iv_philox(member, IV_STREAM_TEST, step, i, words);
    const double size = i % 5 == 0 ? 1e-6 : i % 5 == 1 ? 100.0 : 1.0; /* of all magnitudes */
    return i % 11 == 3 ? 0.0 : (float)(size * iv_uniform_symmetric(words[0]));
}

typedef struct {
    iv_context *context;
    iv_parameters *parameters;
    iv_adam *adam;
    iv_sequence *sequence;
    cl_mem gradients;
    size_t n; /* of a member, padding included */
} optimizer;

static optimizer make_optimizer(program *p, const setting *b, const float *rates) {
    optimizer o = {.context = p->context};
    assert_ok(o.context, iv_parameters_create(o.context, MEMBERS, descs, N_DESCS, &o.parameters));
    assert_ok(o.context, iv_parameters_initialize(o.parameters, (const uint32_t[]){5, 6, 7}));
    const iv_adam_desc desc = {rates, (float)b->beta1, (float)b->beta2, b->epsilon};
    assert_ok(o.context, iv_adam_create(o.parameters, &desc, &o.adam));
    assert_ok(o.context, iv_sequence_create(o.context, &o.sequence));
    assert_ok(o.context, iv_adam_append(o.adam, o.sequence));
    assert_int_equal(iv_sequence_length(o.sequence), 1);
    const iv_view view = iv_adam_gradient_view(o.adam, 0);
    o.gradients = view.buffer;
    o.n = view.stride;
    assert_true(o.n <= MAX_PARAMETERS);
    return o;
}

static void end_optimizer(program *p, optimizer *o) {
    iv_sequence_destroy(o->sequence); /* has no memory on the device */
    release_optimizer(p, o->adam);
}

/* Padding gets no gradient: where a parameter lies, and where none does. */
static void mark_parameters(const optimizer *o, bool *is_parameter) {
    memset(is_parameter, 0, o->n * sizeof *is_parameter);
    for (size_t k = 0; k < N_DESCS; k++) {
        const iv_view view = iv_adam_gradient_view(o->adam, k);
        const size_t n = descs[k].dims[0] * (descs[k].rank > 1 ? descs[k].dims[1] : 1);
        assert_int_equal(view.offset, iv_parameters_view(o->parameters, k).offset);
        for (size_t i = 0; i < n; i++) is_parameter[view.offset + i] = true;
    }
}

static void check(program *p, const setting *b) {
    static const float rates[MEMBERS] = {1e-3f, 0.1f, 3e-5f};
    const int n_steps = is_small_run() ? 5 : STEPS;
    optimizer o = make_optimizer(p, b, rates);
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
            advance(&states[i], b, rates[member], gradients[i], t);
        }
        assert_ok(o.context,
                  iv_buffer_write(o.context, o.gradients, 0, n_all * sizeof *gradients, gradients));
        assert_ok(o.context, iv_sequence_run(o.sequence, (uint32_t)t - 1));
    }
    float *got = read_buffer(o.context, values, &n_all);
    for (size_t i = 0; i < n_all; i++) {
        if (!is_parameter[i % o.n] && got[i] != 0.0f) fail_msg("padding %zu changed", i);
        if (is_parameter[i % o.n] && !(fabs(got[i] - states[i].value) <= states[i].value_error))
            fail_msg("betas %g, %g: parameter %zu is %.9g, not %.9g +- %.2g", b->beta1, b->beta2, i,
                     got[i], states[i].value, states[i].value_error);
    }
    free(initial);
    free(states);
    free(gradients);
    free(got);
    end_optimizer(p, &o);
}

static void updates_follow_the_published_formula(void **state) {
    static const setting settings[] = {
        {0.9, 0.999, 1e-8f}, {0.5, 0.9, 1e-8f}, {0.9, 0.999, 1e-3f}, {0.9, 0.99, 0.1f}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) check(*state, &settings[i]);
}

static void betas_of_zero_work(void **state) {
    static const setting settings[] = {{0.0, 0.0, 1e-8f}, {0.0, 0.999, 1e-8f}, {0.9, 0.0, 1e-8f}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) check(*state, &settings[i]);
}

/* A parameter that never gets a gradient stays: 0 / (0 + epsilon). */
static void a_parameter_without_gradient_stays(void **state) {
    static const float rates[MEMBERS] = {1.0f, 1.0f, 1.0f};
    optimizer o = make_optimizer(*state, &(setting){0.9, 0.999, 1e-8f}, rates);
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

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_follow_the_published_formula),
        cmocka_unit_test(betas_of_zero_work),
        cmocka_unit_test(a_parameter_without_gradient_stays),
    };
    return cmocka_run_group_tests_name("adam", tests, open_program, close_program);
}

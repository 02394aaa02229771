/* Data sets of signals: their values, their codes, and hidden cycles. */
#include "signals.h"

#include <invar/random.h>

#define PI 3.14159265358979323846

enum { N_SIGNALS = 23 };

static const size_t sizes[] = {2, 5, 10, 20, 31};
enum { N_SIZES = sizeof sizes / sizeof *sizes };
static const size_t gpu_lanes = 32;

/* ------------------------------------------------------------------ data sets */

static float *read_floats(trial *t, cl_mem buffer, size_t n) {
    float *values = malloc(n * sizeof *values);
    assert_non_null(values);
    assert_ok(t->context, iv_buffer_read(t->context, buffer, 0, n * sizeof *values, values));
    return values;
}

static void signals_are_those_of_the_host(void **state) {
    for (size_t s = 0; s < N_SIZES; s++) {
        trial *t = trial_begin(*state, 1);
        const size_t d = sizes[s];
        iv_signal_set set;
        trial_signals(t, N_SIGNALS, d, NULL, false, false, &set);
        assert_null(set.codes);
        float *got = read_floats(t, set.signals, N_SETS * N_SIGNALS * d);
        for (size_t row = 0; row < N_SETS * N_SIGNALS; row++) {
            float expected[IV_MAX_SIGNAL];
            known_signal(row / N_SIGNALS, row % N_SIGNALS, d, expected);
            assert_memory_equal(got + row * d, expected, d * sizeof *expected);
        }
        free(got);
        trial_end(*state, t);
    }
}

static void a_later_first_number_goes_on_where_an_earlier_set_ended(void **state) {
    trial *t = trial_begin(*state, 1);
    const uint32_t seed = 7;
    iv_signal_set whole, rest;
    assert_ok(t->context, iv_signal_set_create(t->context, &seed, 1, 0, 9, 6, NULL, &whole));
    assert_ok(t->context, iv_signal_set_create(t->context, &seed, 1, 5, 4, 6, NULL, &rest));
    float *all = read_floats(t, whole.signals, 9 * 6), *last = read_floats(t, rest.signals, 4 * 6);
    assert_memory_equal(all + 5 * 6, last, 4 * 6 * sizeof *last);
    free(all);
    free(last);
    iv_signal_set_clear(t->context, &whole);
    iv_signal_set_clear(t->context, &rest);
    assert_null(rest.signals);
    iv_signal_set_clear(t->context, &rest); /* nothing is left to release */
    trial_end(*state, t);
}

static void check_codes(trial *t, const iv_signal_set *set, iv_code code) {
    const size_t d = set->d, size = iv_code_size(code, d);
    assert_int_equal(set->code_size, size);
    float *got = read_floats(t, set->codes, N_SETS * N_SIGNALS * size);
    for (size_t row = 0; row < N_SETS * N_SIGNALS; row++) {
        float x[IV_MAX_SIGNAL];
        double value[3 * IV_MAX_SIGNAL], error[3 * IV_MAX_SIGNAL];
        known_signal(row / N_SIGNALS, row % N_SIGNALS, d, x);
        known_code(x, d, code, value, error);
        for (size_t i = 0; i < size; i++)
            if (!(fabs(got[row * size + i] - value[i]) <= error[i]))
                fail_msg("d = %zu: entry %zu of code %zu is %.9g, not %.9g +- %.2g", d, i, row,
                         got[row * size + i], value[i], error[i]);
    }
    free(got);
}

static void codes_are_modulus_and_phase_of_the_transform(void **state) {
    for (size_t s = 0; s < N_SIZES; s++)
        for (int code = IV_CODE_MODULUS_PHASE; code <= IV_CODE_MODULUS_SINE_COSINE; code++) {
            trial *t = trial_begin(*state, 1);
            iv_signal_set set;
            const iv_code kind = (iv_code)code;
            trial_signals(t, N_SIGNALS, sizes[s], &kind, false, false, &set);
            check_codes(t, &set, kind);
            /* both ways of sharing the work */
            assert_ok(t->context, iv_signal_encode(t->context, &set, kind, 1));
            check_codes(t, &set, kind);
            assert_ok(t->context, iv_signal_encode(t->context, &set, kind, gpu_lanes));
            check_codes(t, &set, kind);
            trial_end(*state, t);
        }
}

/* A set of one signal, to be chosen, with room for either code; the trial owns it. */
static iv_signal_set single(trial *t, size_t d) {
    const iv_code code = IV_CODE_MODULUS_SINE_COSINE;
    const uint32_t seed = 1;
    iv_signal_set set;
    assert_ok(t->context, iv_signal_set_create(t->context, &seed, 1, 0, 1, d, &code, &set));
    t->buffers[t->n_buffers++] = set.signals;
    t->buffers[t->n_buffers++] = set.codes;
    t->buffers[t->n_buffers++] = set.table;
    return set;
}

/* out [iv_code_size] */
static void code_of(trial *t, iv_signal_set *set, const float *x, iv_code code, size_t lanes,
                    float *out) {
    assert_ok(t->context, iv_buffer_write(t->context, set->signals, 0, set->d * sizeof *x, x));
    assert_ok(t->context, iv_signal_encode(t->context, set, code, lanes));
    assert_ok(t->context, iv_buffer_read(t->context, set->codes, 0,
                                         iv_code_size(code, set->d) * sizeof *out, out));
}

/* Four entries: all coefficients are exact, X = (x0 + x1 + x2 + x3, (x0 - x2) - i (x1 - x3),
 * x0 - x1 + x2 - x3, (x0 - x2) + i (x1 - x3)). Signs of zeros count. */
static void conventions_hold_to_the_bit(void **state) {
    const float pi = (float)PI;
    const struct {
        float x[4], modulus[4], phase[4], sine[4], cosine[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {1, 1, 1, 1}},
        {{-1, 0, 0, 0}, {1, 1, 1, 1}, {pi, pi, pi, pi}, {0, 0, 0, 0}, {-1, -1, -1, -1}},
        {{-.5f, .25f, .5f, .25f}, {.5f, 1, .5f, 1}, {0, pi, pi, pi}, {0, 0, 0, 0}, {1, -1, -1, -1}},
        {{1, 1, 1, 1}, {4, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {1, 1, 1, 1}},
    };
    trial *t = trial_begin(*state, 1);
    iv_signal_set set = single(t, 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t lanes = 1; lanes <= gpu_lanes; lanes += gpu_lanes - 1) {
            float got[12];
            code_of(t, &set, cases[i].x, IV_CODE_MODULUS_SINE_COSINE, lanes, got);
            assert_memory_equal(got, cases[i].modulus, 4 * sizeof *got);
            assert_memory_equal(got + 4, cases[i].sine, 4 * sizeof *got);
            assert_memory_equal(got + 8, cases[i].cosine, 4 * sizeof *got);
            code_of(t, &set, cases[i].x, IV_CODE_MODULUS_PHASE, lanes, got);
            assert_memory_equal(got, cases[i].modulus, 4 * sizeof *got);
            assert_memory_equal(got + 4, cases[i].phase, 4 * sizeof *got);
        }
    trial_end(*state, t);
}

/* X_1 of a unit at place 1 is exp(-2 pi i / d): the phase is negative, and that of X_(d-1) its
 * mirror image to the bit. */
static void phases_turn_clockwise_and_mirror_exactly(void **state) {
    for (size_t s = 1; s < N_SIZES; s++) {
        trial *t = trial_begin(*state, 1);
        const size_t d = sizes[s];
        float x[IV_MAX_SIGNAL] = {0, 1}, got[2 * IV_MAX_SIGNAL];
        iv_signal_set set = single(t, d);
        code_of(t, &set, x, IV_CODE_MODULUS_PHASE, iv_fourier_lanes(t->context), got);
        for (size_t k = 0; k <= d / 2; k++) { /* tables: 1 rounding; root 6, atan2 12 */
            assert_true(fabs(got[k] - 1.0) <= 10 * UNIT_ROUNDOFF);
            const double expected = 2 * k == d ? PI : -2.0 * PI * (double)k / (double)d;
            assert_true(fabs(got[d + k] - expected) <= 16 * UNIT_ROUNDOFF * PI);
            if (k == 0 || 2 * k == d) continue;
            assert_true(got[d - k] == got[k]);
            assert_true(got[d + d - k] == -got[d + k]);
        }
        trial_end(*state, t);
    }
}

/* ------------------------------------------------------------------ cycles */

static void a_hidden_cycle_goes_once_through_all_dimensions(void **state) {
    for (size_t s = 0; s < N_SIZES; s++) {
        trial *t = trial_begin(*state, 1);
        const size_t d = sizes[s];
        const cl_mem buffer = trial_cycles(t, IV_DISTORTION_CYCLE, d);
        int32_t cycles[N_SETS * IV_MAX_SIGNAL], next[IV_MAX_SIGNAL];
        assert_ok(t->context,
                  iv_buffer_read(t->context, buffer, 0, N_SETS * d * sizeof *cycles, cycles));
        for (size_t set = 0; set < N_SETS; set++) {
            const int32_t *order = cycles + set * d;
            for (size_t p = 0; p < d; p++) {
                assert_in_range(order[p], 0, d - 1);
                next[order[p]] = order[(p + 1) % d];
            }
            size_t length = 0;
            int32_t at = 0;
            do {
                at = next[at];
                length++;
            } while (at != 0 && length <= d);
            assert_int_equal(length, d);
        }
        if (d >= 10) assert_memory_not_equal(cycles, cycles + d, d * sizeof *cycles);
        trial_end(*state, t);
    }
}

/* ------------------------------------------------------------------ mistakes */

static void impossible_sets_are_refused(void **state) {
    trial *t = trial_begin(*state, 1);
    const uint32_t seed = 1;
    const struct {
        size_t n_sets, first, count, d;
    } cases[] = {{0, 0, 1, 5},   {1, 0, 0, 5},           {1, 0, 1, 1},
                 {1, 0, 1, 257}, {1, 0xffffffffU, 1, 5}, {1, 0, (size_t)1 << 32, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        iv_signal_set set;
        assert_refused(t,
                       iv_signal_set_create(t->context, &seed, cases[i].n_sets, cases[i].first,
                                            cases[i].count, cases[i].d, NULL, &set),
                       "signals: ");
        assert_null(set.signals);
    }
    cl_mem cycles;
    assert_refused(t, iv_cycles_create(t->context, &seed, 1, 257, &cycles), "cycles: ");
    assert_null(cycles);
    trial_end(*state, t);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_are_those_of_the_host),
        cmocka_unit_test(codes_are_modulus_and_phase_of_the_transform),
        cmocka_unit_test(conventions_hold_to_the_bit),
        cmocka_unit_test(phases_turn_clockwise_and_mirror_exactly),
        cmocka_unit_test(a_hidden_cycle_goes_once_through_all_dimensions),
        cmocka_unit_test(impossible_sets_are_refused),
        /* last: it releases buffers, see trial.h */
        cmocka_unit_test(a_later_first_number_goes_on_where_an_earlier_set_ended),
    };
    return cmocka_run_group_tests_name("signals", tests, open_program, close_program);
}

/* Batches of signals: which ones are taken, and how partners differ from them. */
#include "signals.h"

enum { N_SIGNALS = 23, BATCH = 8, MEMBERS = 4 }; /* see signals.h for how the members differ */

static const size_t sizes[] = {2, 5, 10, 20, 31};
enum { N_SIZES = sizeof sizes / sizeof *sizes };
static const size_t gpu_lanes = 32;

typedef struct {
    trial *t;
    iv_tensor *x, *second;
} batches;

typedef struct {
    size_t d, n_members, first_member, lanes;
    bool shuffle, fresh, coded;
    iv_distortion distortion;
} setting;

/* lanes: 0 for those of the device */
static batches finish(trial *t, const setting *s, iv_tensor *x, iv_tensor *second) {
    iv_tensor *outputs[] = {x, second};
    assert_non_null(x);
    if (s->lanes) ((own_signals *)x->producer->own)->lanes = s->lanes;
    trial_place(t, x);
    assert_ok(t->context, iv_graph_compile(t->graph, outputs, second ? 2 : 1, &t->plan));
    return (batches){t, x, second};
}

static batches begin_batches(void **state, const setting *s) {
    trial *t = trial_begin(*state, s->n_members);
    t->first_member = s->first_member;
    const iv_code code = IV_CODE_MODULUS_SINE_COSINE;
    iv_signal_set set;
    const iv_signal_source source =
        trial_signals(t, N_SIGNALS, s->d, s->coded ? &code : NULL, s->shuffle, s->fresh, &set);
    iv_tensor *x, *codes = NULL;
    iv_signal_batch(t->graph, &source, BATCH, &x, s->coded ? &codes : NULL);
    return finish(t, s, x, codes);
}

static batches begin_pairs(void **state, const setting *s) {
    trial *t = trial_begin(*state, s->n_members);
    t->first_member = s->first_member;
    iv_signal_set set;
    const iv_signal_source source =
        trial_signals(t, N_SIGNALS, s->d, NULL, s->shuffle, s->fresh, &set);
    const iv_pair_desc pairs = {s->distortion, trial_cycles(t, s->distortion, s->d)};
    iv_tensor *x, *distances;
    iv_pair_batch(t->graph, &source, &pairs, BATCH, &x, &distances);
    return finish(t, s, x, distances);
}

static void check_steps(const batches *b) {
    const uint32_t steps[] = {2, 1000003, 0, 1, 3};
    for (size_t i = 0; i < (is_small_run() ? 2 : sizeof steps / sizeof *steps); i++) {
        assert_ok(b->t->context, iv_plan_run(b->t->plan, steps[i]));
        assert_tensor_agrees(b->t, b->x, steps[i]);
        if (b->second) assert_tensor_agrees(b->t, b->second, steps[i]);
    }
}

static size_t n_sizes(void) {
    return is_small_run() ? 2 : N_SIZES;
}

/* Every variant of every second size, but in full runs: each is a kernel to be built. */
static bool is_tried(size_t number) {
    return number % 2 == 0 || is_full_run();
}

/* In order, the last batch is partial, and later steps repeat the last signal. Every variant is a
 * kernel of its own, so not all combinations are tried with every size. */
static void batches_are_those_of_the_host(void **state) {
    for (size_t s = 0; s < n_sizes(); s++)
        for (size_t variant = 0; variant < 4; variant++) {
            if (!is_tried(s + variant / 2)) continue;
            const batches b =
                begin_batches(state, &(setting){.d = sizes[s],
                                                .n_members = MEMBERS,
                                                .shuffle = (variant ^ s) & 1,
                                                .coded = s == 0 || variant & 1,
                                                .lanes = variant & 2 ? gpu_lanes : 1});
            check_steps(&b);
            trial_end(*state, b.t);
        }
}

static void pairs_are_those_of_the_host(void **state) {
    for (size_t s = 0; s < n_sizes(); s++)
        for (size_t distortion = 0; distortion <= IV_DISTORTION_SHIFT_SCALE; distortion++)
            for (size_t lanes = 1; lanes <= gpu_lanes; lanes += gpu_lanes - 1) {
                if (!is_tried(s + distortion + (lanes == 1))) continue;
                const bool shuffle = (s / 2 + distortion + (lanes == 1)) % 2;
                const batches b =
                    begin_pairs(state, &(setting){.d = sizes[s],
                                                  .n_members = MEMBERS,
                                                  .shuffle = shuffle,
                                                  .fresh = !shuffle,
                                                  .lanes = lanes,
                                                  .distortion = (iv_distortion)distortion});
                check_steps(&b);
                trial_end(*state, b.t);
            }
}

/* The largest size, whose partners take every block of their draws, on one path of many. */
static void the_largest_signals_agree_too(void **state) {
    if (is_small_run()) SKIP_BECAUSE("too slow for a small run");
    for (size_t lanes = 1; lanes <= gpu_lanes; lanes += gpu_lanes - 1) {
        const setting s = {.d = IV_MAX_SIGNAL,
                           .n_members = 1,
                           .shuffle = true,
                           .lanes = lanes,
                           .distortion = IV_DISTORTION_TWO_PART_SHIFT};
        const batches b = begin_pairs(state, &s);
        check_steps(&b);
        trial_end(*state, b.t);
    }
}

/* Enough for several work-items a batch, the last one with a part of its samples, and for a shuffle
 * of other proportions than a few signals have; the last batch of an epoch reaches its end. */
static void large_batches_are_those_of_the_host(void **state) {
    enum { COUNT = 1000, LARGE = 100, D = 2 };
    if (is_small_run()) SKIP_BECAUSE("too slow for a small run");
    for (size_t lanes = 1; lanes <= gpu_lanes; lanes += gpu_lanes - 1) {
        const setting s = {.d = D, .n_members = 1, .lanes = lanes};
        trial *t = trial_begin(*state, 1);
        iv_signal_set set;
        const iv_signal_source source = trial_signals(t, COUNT, D, NULL, true, false, &set);
        iv_tensor *x;
        iv_signal_batch(t->graph, &source, LARGE, &x, NULL);
        const batches b = finish(t, &s, x, NULL);
        for (uint32_t step = COUNT / LARGE - 1; step < COUNT / LARGE + 2; step++) {
            assert_ok(t->context, iv_plan_run(t->plan, step));
            assert_tensor_agrees(t, b.x, step);
        }
        trial_end(*state, t);
    }
}

static float *read_batch(const batches *b, uint32_t step, iv_tensor *tensor) {
    assert_ok(b->t->context, iv_plan_run(b->t->plan, step));
    return trial_read(b->t, tensor);
}

static void an_epoch_visits_distinct_signals(void **state) {
    enum { D = 5, N_BATCHES = N_SIGNALS / BATCH };
    const batches b =
        begin_batches(state, &(setting){.d = D, .n_members = MEMBERS, .shuffle = true});
    size_t visits[MEMBERS][N_SIGNALS] = {{0}};
    for (uint32_t step = N_BATCHES; step < 2 * N_BATCHES; step++) {
        float *x = read_batch(&b, step, b.x);
        for (size_t r = 0; r < MEMBERS; r++)
            for (size_t k = 0; k < BATCH; k++)
                for (size_t i = 0; i < N_SIGNALS; i++) {
                    float own[D];
                    known_signal(member_set(b.t, r), i, D, own);
                    visits[r][i] += !memcmp(own, x + (r * BATCH + k) * D, sizeof own);
                }
        free(x);
    }
    for (size_t r = 0; r < MEMBERS; r++) {
        size_t n_visited = 0;
        for (size_t i = 0; i < N_SIGNALS; i++) {
            assert_true(visits[r][i] <= 1);
            n_visited += visits[r][i];
        }
        assert_int_equal(n_visited, N_BATCHES * BATCH);
    }
    trial_end(*state, b.t);
}

static void members_differ_by_their_set_and_seed_alone(void **state) {
    const setting s = {.d = 10, .n_members = MEMBERS, .shuffle = true};
    const batches b = begin_pairs(state, &s);
    const size_t n = iv_elements(b.x);
    float *x = read_batch(&b, 1, b.x), *distances = trial_read(b.t, b.second);
    assert_memory_equal(x, x + n, n * sizeof *x);
    assert_memory_equal(distances, distances + BATCH, BATCH * sizeof *x);
    assert_memory_not_equal(x, x + 2 * n, n * sizeof *x);
    assert_memory_not_equal(x, x + 3 * n, n * sizeof *x);
    assert_memory_not_equal(x + 2 * n, x + 3 * n, n * sizeof *x);

    /* and each has the same bits alone */
    for (size_t r = 0; r < MEMBERS; r++) {
        const batches one = begin_pairs(
            state, &(setting){.d = 10, .n_members = 1, .first_member = r, .shuffle = true});
        float *alone = read_batch(&one, 1, one.x), *distance = trial_read(one.t, one.second);
        assert_memory_equal(alone, x + r * n, n * sizeof *x);
        assert_memory_equal(distance, distances + r * BATCH, BATCH * sizeof *x);
        free(alone);
        free(distance);
        trial_end(*state, one.t);
    }
    free(x);
    free(distances);
    trial_end(*state, b.t);
}

/* ------------------------------------------------------------------ partners */

/* Whether y is x shifted by some number of places, and multiplied by some number on [0.5, 2] if
 * `scaled`, along `order` (NULL: as they lie). */
static bool is_shifted(const float *x, const float *y, size_t n, const int32_t *order, bool scaled,
                       size_t *shift) {
    for (*shift = 0; *shift < n; ++*shift) {
        double factor = 1.0;
        if (scaled) {
            const size_t to = order ? (size_t)order[*shift] : *shift, from = order ? order[0] : 0;
            factor = (double)y[to] / x[from];
        }
        bool all = factor >= 0.5 * (1.0 - 4 * UNIT_ROUNDOFF) && factor <= 2.0;
        for (size_t p = 0; p < n && all; p++) {
            const size_t q = (p + *shift) % n;
            const double expected = factor * x[order ? (size_t)order[p] : p];
            const double got = y[order ? (size_t)order[q] : q];
            /* y is rounded, and so is the one that the factor was found from */
            all = fabs(got - expected) <= (scaled ? 3 * UNIT_ROUNDOFF * fabs(got) : 0.0);
        }
        if (all) return true;
    }
    return false;
}

/* Which entries of a pair are a copy, found by trying. Shifts are noted. */
static size_t copied_entries(iv_distortion distortion, const float *x, const float *y, size_t d,
                             const int32_t *cycle, bool *seen) {
    size_t shift;
    if (distortion == IV_DISTORTION_TWO_PART_SHIFT) {
        const size_t left = d / 2;
        if (!is_shifted(x, y, left, NULL, false, &shift)) return 0;
        return is_shifted(x + left, y + left, d - left, NULL, false, &shift) ? d : left;
    }
    const bool scaled = distortion == IV_DISTORTION_SHIFT_SCALE;
    if (!is_shifted(x, y, d, distortion == IV_DISTORTION_CYCLE ? cycle : NULL, scaled, &shift))
        return 0;
    seen[shift] = true;
    return d;
}

/* Chance that one of 5 shifts is never drawn in 4 x 20 x 4 copies: 5 (4/5)^240 < 1e-22 (members 0
 * and 1 draw the same). */
static void partners_are_copies_and_others_as_declared(void **state) {
    enum { D = 5 };
    const uint32_t n_steps = is_small_run() ? 2 : 20;
    for (int kind = 0; kind <= IV_DISTORTION_SHIFT_SCALE; kind++) {
        const iv_distortion distortion = (iv_distortion)kind;
        const batches b = begin_pairs(
            state,
            &(setting){.d = D, .n_members = MEMBERS, .shuffle = true, .distortion = distortion});
        bool seen[D] = {false};
        for (uint32_t step = 0; step < n_steps; step++) {
            float *x = read_batch(&b, step, b.x), *distances = trial_read(b.t, b.second);
            for (size_t r = 0; r < MEMBERS; r++)
                for (size_t i = 0; i < BATCH; i++) {
                    const float *own = x + (r * 2 * BATCH + i) * D, *other = own + BATCH * D;
                    int32_t cycle[D];
                    known_cycle(member_set(b.t, r), D, cycle);
                    const size_t copied = copied_entries(distortion, own, other, D, cycle, seen);
                    const bool half = distortion == IV_DISTORTION_TWO_PART_SHIFT && i % 4 == 1;
                    assert_int_equal(copied, i % 2 == 0 ? D : half ? D / 2 : 0);
                    if (copied == D)
                        assert_true(distances[r * BATCH + i] == 0.0f);
                    else
                        assert_true(distances[r * BATCH + i] > 0.0f);
                }
            free(x);
            free(distances);
        }
        for (size_t s = 0; s < D && distortion != IV_DISTORTION_TWO_PART_SHIFT; s++)
            assert_true(seen[s] || is_small_run());
        trial_end(*state, b.t);
    }
}

/* The paper's example: 1, 2, 3, 4, 5 shifted by 2 is 4, 5, 1, 2, 3. */
static void shifts_go_the_way_of_the_paper(void **state) {
    (void)state;
    const float x[] = {1, 2, 3, 4, 5}, y[] = {4, 5, 1, 2, 3};
    size_t shift;
    assert_true(is_shifted(x, y, 5, NULL, false, &shift));
    assert_int_equal(shift, 2); /* as the oracle's, (p + shift) mod d */
}

static void partners_are_new_at_every_step_and_in_evaluation(void **state) {
    const setting training = {.d = 10, .n_members = 1};
    setting testing = training;
    testing.fresh = true;
    const batches a = begin_pairs(state, &training), b = begin_pairs(state, &testing);
    /* past the end all signals are the last one, so only partners can differ */
    float *first = read_batch(&a, 50, a.x), *second = read_batch(&a, 51, a.x);
    float *fresh = read_batch(&b, 50, b.x);
    const size_t n = BATCH * 10;
    assert_memory_equal(first, second, n * sizeof *first);
    assert_memory_equal(first, fresh, n * sizeof *first);
    for (size_t i = 1; i < BATCH; i += 2) {
        assert_memory_not_equal(first + n + i * 10, second + n + i * 10, 10 * sizeof *first);
        assert_memory_not_equal(first + n + i * 10, fresh + n + i * 10, 10 * sizeof *first);
    }
    free(first);
    free(second);
    free(fresh);
    trial_end(*state, b.t);
    trial_end(*state, a.t);
}

/* ------------------------------------------------------------------ mistakes */

static void impossible_batches_are_refused(void **state) {
    static const struct {
        size_t batch;
        bool codes, pairs;
        const char *part;
    } cases[] = {
        {0, false, false, "signal_batch: a batch of 0 from 23"},
        {N_SIGNALS + 1, false, false, "signal_batch: a batch of 24 from 23"},
        {BATCH, true, false, "codes of a data set that has none"},
        {0, false, true, "pair_batch: a batch of 0"},
        {BATCH, false, true, "without cycles"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trial *t = trial_begin(*state, 1);
        iv_signal_set set;
        const iv_signal_source source = trial_signals(t, N_SIGNALS, 6, NULL, true, false, &set);
        const iv_pair_desc pairs = {cases[i].batch ? IV_DISTORTION_CYCLE : IV_DISTORTION_SHIFT,
                                    NULL};
        iv_tensor *x = NULL, *second = NULL;
        if (cases[i].pairs)
            iv_pair_batch(t->graph, &source, &pairs, cases[i].batch, &x, &second);
        else
            iv_signal_batch(t->graph, &source, cases[i].batch, &x, cases[i].codes ? &second : NULL);
        assert_null(x);
        assert_null(second);
        assert_refused(t, iv_graph_compile(t->graph, &x, 1, &t->plan), cases[i].part);
        trial_end(*state, t);
    }
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_those_of_the_host),
        cmocka_unit_test(pairs_are_those_of_the_host),
        cmocka_unit_test(the_largest_signals_agree_too),
        cmocka_unit_test(large_batches_are_those_of_the_host),
        cmocka_unit_test(an_epoch_visits_distinct_signals),
        cmocka_unit_test(members_differ_by_their_set_and_seed_alone),
        cmocka_unit_test(partners_are_copies_and_others_as_declared),
        cmocka_unit_test(shifts_go_the_way_of_the_paper),
        cmocka_unit_test(partners_are_new_at_every_step_and_in_evaluation),
        cmocka_unit_test(impossible_batches_are_refused),
    };
    return cmocka_run_group_tests_name("signal batch", tests, open_program, close_program);
}

/* The training loop: how it stops, what it reports, and that a
 * population does not change a member. */
#include "setup.h"

#include <limits.h>

/* What a progress callback saw; it raises the stop flag at a step. */
typedef struct {
    uint64_t last, total;
    size_t n_calls;
    uint64_t stop_at;
    volatile sig_atomic_t stop;
    bool went_back;
} witness;

static void witness_update(void *state, const char *what, uint64_t done, uint64_t total) {
    witness *w = state;
    assert_string_equal(what, "toy");
    if (done < w->last || done > total) w->went_back = true;
    w->last = done;
    w->total = total;
    w->n_calls++;
    if (w->stop_at && done >= w->stop_at) w->stop = 1;
}

static iv_status run(const training *a, uint32_t *step, uint32_t end, double seconds, witness *w) {
    const iv_progress progress = {witness_update, w};
    return iv_train(a->t->context, a->t->plan, step, end, end, seconds, &w->stop, &progress, "toy");
}

static void all_steps_run_and_progress_reaches_the_end(void **state) {
    enum { END = 40 };
    training loop = training_begin(*state, 2, 0), by_hand = training_begin(*state, 2, 0);
    witness w = {.last = 0};
    uint32_t step = 0;
    assert_ok(loop.t->context, run(&loop, &step, END, 0.0, &w));
    assert_int_equal(step, END);
    assert_int_equal(w.last, END);
    assert_int_equal(w.total, END);
    assert_true(w.n_calls >= 2);
    assert_false(w.went_back);
    for (uint32_t i = 0; i < END; i++) assert_ok(loop.t->context, iv_plan_run(by_hand.t->plan, i));
    size_t n;
    float *of_loop = training_values(&loop, &n), *of_hand = training_values(&by_hand, &n);
    assert_memory_equal(of_loop, of_hand, 2 * n * sizeof *of_loop);
    free(of_loop);
    free(of_hand);
    training_end(*state, &loop);
    training_end(*state, &by_hand);
}

static void no_progress_and_no_flag_are_fine(void **state) {
    training a = training_begin(*state, 1, 0);
    uint32_t step = 3;
    assert_ok(a.t->context, iv_train(a.t->context, a.t->plan, &step, 5, 5, 0.0, NULL, NULL, "toy"));
    assert_int_equal(step, 5);
    iv_progress_update(NULL, "toy", 1, 2);
    iv_progress_update(&(iv_progress){NULL, NULL}, "toy", 1, 2);
    training_end(*state, &a);
}

static void a_raised_flag_stops_before_the_end(void **state) {
    training a = training_begin(*state, 1, 0);
    witness w = {.stop_at = 5};
    uint32_t step = 0;
    assert_fails(a.t->context, run(&a, &step, UINT32_MAX, 0.0, &w), IV_EINTERRUPTED, "interrupted");
    assert_true(step >= 5 && step < 10000);
    assert_int_equal(step, w.last);

    const uint32_t stopped_at = step;
    assert_fails(a.t->context, run(&a, &step, UINT32_MAX, 0.0, &w), IV_EINTERRUPTED, "interrupted");
    assert_int_equal(step, stopped_at);
    training_end(*state, &a);
}

/* The steps counted are those that ran: going on gives what one run gives. */
static void an_interrupted_run_goes_on_to_the_same_bytes(void **state) {
    enum { END = 60 };
    training straight = training_begin(*state, 3, 0), stopped = training_begin(*state, 3, 0);
    witness w = {.last = 0}, interrupting = {.stop_at = 6};
    uint32_t step = 0, straight_step = 0;
    assert_ok(straight.t->context, run(&straight, &straight_step, END, 0.0, &w));
    assert_fails(stopped.t->context, run(&stopped, &step, END, 0.0, &interrupting), IV_EINTERRUPTED,
                 "interrupted");
    assert_true(step < END);
    interrupting.stop = 0;
    interrupting.stop_at = 0;
    assert_ok(stopped.t->context, run(&stopped, &step, END, 0.0, &interrupting));
    size_t n;
    float *a = training_values(&straight, &n), *b = training_values(&stopped, &n);
    assert_memory_equal(a, b, 3 * n * sizeof *a);
    free(a);
    free(b);
    training_end(*state, &straight);
    training_end(*state, &stopped);
}

/* So short a limit is over after the first piece at the latest; a
 * limit that is far is never met. */
static void a_time_limit_returns_early_without_an_error(void **state) {
    training a = training_begin(*state, 1, 0);
    witness w = {.last = 0};
    uint32_t step = 0;
    assert_ok(a.t->context, run(&a, &step, UINT32_MAX, 1e-9, &w));
    assert_true(step < 1000);
    uint32_t reached = step;
    assert_ok(a.t->context, run(&a, &reached, step + 3, 1e9, &w));
    assert_int_equal(reached, step + 3);
    training_end(*state, &a);
}

static void the_clock_moves_forward(void **state) {
    (void)state;
    const double first = iv_seconds();
    double later = first;
    for (size_t i = 0; i < 100000000 && later == first; i++) later = iv_seconds();
    assert_true(later > first);
}

static void compare_alone_and_in_a_population(program *p, iv_optimizer_desc desc) {
    enum { POPULATION = 8, STEPS = 20 };
    training all = training_begin_with(p, POPULATION, 0, desc);
    for (uint32_t step = 0; step < STEPS; step++)
        assert_ok(all.t->context, iv_plan_run(all.t->plan, step));
    size_t n;
    float *of_all = training_values(&all, &n), losses[POPULATION];
    assert_ok(all.t->context, iv_plan_read(all.t->plan, all.loss, losses));
    for (size_t r = 0; r < POPULATION; r += 3) {
        training one = training_begin_with(p, 1, r, desc);
        for (uint32_t step = 0; step < STEPS; step++)
            assert_ok(one.t->context, iv_plan_run(one.t->plan, step));
        float *of_one = training_values(&one, &n), loss;
        assert_ok(one.t->context, iv_plan_read(one.t->plan, one.loss, &loss));
        assert_memory_equal(of_all + r * n, of_one, n * sizeof *of_one);
        assert_memory_equal(&losses[r], &loss, sizeof loss);
        free(of_one);
        training_end(p, &one);
    }
    assert_memory_not_equal(of_all, of_all + n, n * sizeof *of_all);
    free(of_all);
    training_end(p, &all);
}

static void a_member_trains_to_the_same_bytes_alone_and_in_a_population(void **state) {
    for (size_t k = 0; k < N_OPTIMIZERS; k++)
        compare_alone_and_in_a_population(*state, optimizers[k]);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_steps_run_and_progress_reaches_the_end),
        cmocka_unit_test(no_progress_and_no_flag_are_fine),
        cmocka_unit_test(a_raised_flag_stops_before_the_end),
        cmocka_unit_test(an_interrupted_run_goes_on_to_the_same_bytes),
        cmocka_unit_test(a_time_limit_returns_early_without_an_error),
        cmocka_unit_test(the_clock_moves_forward),
        cmocka_unit_test(a_member_trains_to_the_same_bytes_alone_and_in_a_population),
    };
    return cmocka_run_group_tests_name("loop", tests, open_program, close_program);
}

/* Lanes: members divided among queues give the same bytes and keep the list's order. Where a
 * device has no lanes (a GPU, one compute unit, Oclgrind) everything but the division still has to
 * hold. */
#include "../kit/device.h"

#include "runtime/context.h"
#include "runtime/lanes.h"

/* Values of a member: long enough that a launch which does not wait for another is caught. */
enum { COUNT = 1 << 14, SMALL_COUNT = 64, STEPS = 20 };

static size_t count(void) {
    return getenv("INVAR_TEST_SMALL") ? SMALL_COUNT : COUNT;
}

static iv_context *open_with_lanes(bool lanes) {
    if (lanes)
        unsetenv("INVAR_LANES");
    else
        setenv("INVAR_LANES", "off", 1);
    iv_context *context = open_context(false);
    unsetenv("INVAR_LANES");
    return context;
}

/* Lanes of the context for so many members; 1 if no launch is divided. */
static size_t lanes_for(const iv_context *context, size_t n_members) {
    return iv_lanes_suit(context->lanes, n_members) ? iv_lanes_count(context->lanes) : 1;
}

static cl_mem new_zeros(iv_sequence *sequence, size_t n) {
    cl_mem buffer;
    iv_context *context = iv_sequence_context(sequence);
    assert_ok(context, iv_sequence_buffer(sequence, n * sizeof(float), &buffer));
    assert_ok(context, iv_buffer_fill(context, buffer, 0, n * sizeof(float), 0));
    return buffer;
}

/* x[r][i] = value i + step, by member or not */
static void append_values(iv_sequence *sequence, cl_mem x, float value, size_t n_members,
                          bool by_member) {
    iv_launch *launch = iv_launch_begin(sequence, "selftest", "selftest_arguments", NULL);
    iv_arg_view(launch, (iv_view){x, 0, count()});
    iv_arg_uint(launch, count());
    iv_arg_float(launch, value);
    iv_arg_step(launch);
    const size_t global[] = {count(), n_members};
    assert_ok(iv_sequence_context(sequence), by_member
                                                 ? iv_launch_end_by_member(launch, 2, global, NULL)
                                                 : iv_launch_end(launch, 2, global, NULL));
}

/* y = a x + y over all members, not divided by them */
static void append_axpy(iv_sequence *sequence, cl_mem y, cl_mem x, float a, size_t n_members) {
    iv_launch *launch = iv_launch_begin(sequence, "selftest", "selftest_axpy", NULL);
    const size_t n = n_members * count();
    iv_arg_buffer(launch, y);
    iv_arg_buffer(launch, x);
    iv_arg_float(launch, a);
    iv_arg_uint(launch, n);
    assert_ok(iv_sequence_context(sequence), iv_launch_end(launch, 1, &n, NULL));
}

/* Launches by member, others, and by member again, replayed without waiting. Every launch reads
 * what the one before wrote or overwrites what it read. The sums, by the caller to be freed. */
static float *run_mixture(bool lanes, size_t n_members) {
    iv_context *context = open_with_lanes(lanes);
    iv_sequence *sequence;
    assert_ok(context, iv_sequence_create(context, &sequence));
    iv_sequence_set_members(sequence, n_members);
    const size_t n = n_members * count();
    const cl_mem x = new_zeros(sequence, n), sum = new_zeros(sequence, n);
    append_values(sequence, x, 1, n_members, true);
    append_axpy(sequence, sum, x, 1, n_members);
    append_values(sequence, x, -2, n_members, true);
    append_values(sequence, x, 2, n_members, true);
    append_axpy(sequence, sum, x, 2, n_members);
    append_values(sequence, x, 3, n_members, false);
    append_values(sequence, x, 4, n_members, true);
    append_axpy(sequence, sum, x, -1, n_members);
    append_values(sequence, x, 9, n_members, true);
    for (uint32_t step = 0; step < STEPS; step++)
        assert_ok(context, iv_sequence_run(sequence, step));

    float *sums = malloc(n * sizeof *sums);
    assert_non_null(sums);
    assert_ok(context, iv_buffer_read(context, sum, 0, n * sizeof *sums, sums));
    iv_sequence_destroy(sequence);
    assert_int_equal(iv_context_bytes(context), 0);
    iv_context_destroy(context);
    return sums;
}

/* Each step adds (i + step) + 2 (2 i + step) - (4 i + step) = i + 2 step: with i < 2^14 and 20
 * steps whole numbers below 2^19, exact in float in any order. */
static void check_mixture(size_t n_members) {
    float *with = run_mixture(true, n_members), *without = run_mixture(false, n_members);
    assert_memory_equal(with, without, n_members * count() * sizeof *with);
    for (size_t r = 0; r < n_members; r++)
        for (size_t i = 0; i < count(); i++)
            assert_true(with[r * count() + i] == (float)(STEPS * i + STEPS * (STEPS - 1)));
    free(with);
    free(without);
}

static size_t lanes_of_the_device(void) {
    iv_context *context = open_with_lanes(true);
    const size_t n = context->lanes ? iv_lanes_count(context->lanes) : 2;
    iv_context_destroy(context);
    return n;
}

static void a_member_for_every_lane_gives_the_same_bytes(void **state) {
    (void)state;
    check_mixture(lanes_of_the_device());
}

static void an_odd_number_of_members_gives_the_same_bytes(void **state) {
    (void)state;
    check_mixture(2 * lanes_of_the_device() + 1);
}

static void fewer_members_than_lanes_give_the_same_bytes(void **state) {
    (void)state;
    check_mixture(1);
    check_mixture(lanes_of_the_device() - 1);
}

/* ------------------------------------------------------------------ what is divided */

/* Work-items along the members' dimension, as member 0's launch sees them. */
static size_t seen_members(iv_context *context, size_t announced, unsigned rank,
                           const size_t *global, const size_t *local) {
    iv_sequence *sequence;
    uint32_t seen[4];
    assert_ok(context, iv_sequence_create(context, &sequence));
    if (announced > 0) iv_sequence_set_members(sequence, announced);
    const cl_mem out = new_zeros(sequence, 4);
    iv_launch *launch = iv_launch_begin(sequence, "selftest", "selftest_sizes", NULL);
    iv_arg_buffer(launch, out);
    assert_ok(context, iv_launch_end_by_member(launch, rank, global, local));
    assert_ok(context, iv_sequence_run(sequence, 0));
    assert_ok(context, iv_buffer_read(context, out, 0, sizeof seen, seen));
    iv_sequence_destroy(sequence);
    return seen[rank - 1];
}

static void lanes_share_the_members_evenly(void **state) {
    (void)state;
    iv_context *context = open_with_lanes(true);
    const size_t n = lanes_of_the_device();
    for (size_t members = 1; members <= 12 * n; members++) {
        const size_t lanes = lanes_for(context, members), share = members / lanes;
        assert_true(lanes == 1 || members - share * lanes < lanes);
        assert_int_equal(seen_members(context, members, 2, (size_t[]){1, members}, NULL), share);
    }
    iv_context_destroy(context);
}

static void a_population_of_fewer_members_than_lanes_is_not_divided(void **state) {
    (void)state;
    iv_context *context = open_with_lanes(true);
    const size_t n = lanes_of_the_device();
    assert_int_equal(lanes_for(context, 0), 1);
    assert_int_equal(lanes_for(context, n - 1), 1);
    iv_context_destroy(context);
}

static void nothing_is_divided_unless_members_are_announced(void **state) {
    (void)state;
    iv_context *context = open_with_lanes(true);
    const size_t n = 2 * lanes_of_the_device();
    assert_int_equal(seen_members(context, 0, 2, (size_t[]){1, n}, NULL), n);
    assert_int_equal(seen_members(context, n, 2, (size_t[]){1, n + 1}, NULL), n + 1);
    iv_context_destroy(context);
    context = open_with_lanes(false);
    assert_null(context->lanes);
    assert_int_equal(seen_members(context, n, 2, (size_t[]){1, n}, NULL), n);
    iv_context_destroy(context);
}

/* A lane's share need not be a multiple of such a work-group. */
static void work_groups_of_several_members_are_not_divided(void **state) {
    (void)state;
    const size_t n = 2 * lanes_of_the_device();
    iv_context *context = open_with_lanes(false);
    const size_t whole = seen_members(context, n, 1, &n, NULL); /* the runtime's own choice */
    iv_context_destroy(context);
    assert_true(whole >= n);
    context = open_with_lanes(true);
    assert_int_equal(seen_members(context, n, 1, &n, NULL), whole);
    assert_int_equal(seen_members(context, n, 1, &n, &n), n);
    assert_int_equal(seen_members(context, n, 2, (size_t[]){1, n}, (size_t[]){1, n}), n);
    iv_context_destroy(context);
}

/* ------------------------------------------------------------------ calls, failures, ends */

/* A stand-in for a library: copies a buffer on the main queue, or fails. */
typedef struct {
    cl_mem from, to;
    size_t bytes;
    bool fails;
} copy_call;

static iv_status copy(iv_context *context, cl_command_queue queue, void *state) {
    const copy_call *call = state;
    if (call->fails) return iv_fail(iv_context_error(context), IV_EDATA, "as told");
    return iv_cl_check(
        context, clEnqueueCopyBuffer(queue, call->from, call->to, 0, 0, call->bytes, 0, NULL, NULL),
        "copying");
}

static void append_copy(iv_sequence *sequence, copy_call state) {
    copy_call *call = malloc(sizeof *call);
    assert_non_null(call);
    *call = state;
    assert_ok(iv_sequence_context(sequence), iv_sequence_call(sequence, "copy", copy, call));
}

static void library_calls_come_after_all_lanes_and_before_what_follows(void **state) {
    (void)state;
    iv_context *context = open_with_lanes(true);
    const size_t members = 2 * lanes_of_the_device(), n = members * count();
    iv_sequence *sequence;
    assert_ok(context, iv_sequence_create(context, &sequence));
    iv_sequence_set_members(sequence, members);
    const cl_mem x = new_zeros(sequence, n), y = new_zeros(sequence, n);
    append_values(sequence, x, 1, members, true);
    append_copy(sequence, (copy_call){x, y, n * sizeof(float), false});
    append_values(sequence, x, 7, members, true);
    for (uint32_t step = 0; step < STEPS; step++) {
        assert_ok(context, iv_sequence_run(sequence, step));
        float last;
        assert_ok(context, iv_buffer_read(context, y, (n - 1) * sizeof last, sizeof last, &last));
        assert_true(last == (float)(count() - 1 + step));
    }
    iv_sequence_destroy(sequence);
    iv_context_destroy(context);
}

static void a_run_that_fails_midway_waits_for_its_lanes(void **state) {
    (void)state;
    iv_context *context = open_with_lanes(true);
    const size_t members = 2 * lanes_of_the_device(), n = members * count();
    iv_sequence *sequence;
    assert_ok(context, iv_sequence_create(context, &sequence));
    iv_sequence_set_members(sequence, members);
    const cl_mem x = new_zeros(sequence, n);
    append_values(sequence, x, 1, members, true);
    append_copy(sequence, (copy_call){.fails = true});
    append_values(sequence, x, 7, members, true);
    for (int i = 0; i <= IV_SEQUENCE_FIRST_RUNS; i++) /* alone, then at once */
        assert_fails(context, iv_sequence_run(sequence, 5), IV_EDATA, "as told");
    float last;
    assert_ok(context, iv_buffer_read(context, x, (n - 1) * sizeof last, sizeof last, &last));
    assert_true(last == (float)(count() - 1 + 5));
    iv_sequence_destroy(sequence);
    iv_context_destroy(context);
}

static void a_context_with_work_in_its_lanes_can_be_destroyed(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        iv_context *context = open_with_lanes(true);
        const size_t members = 2 * lanes_of_the_device();
        iv_sequence *sequence;
        assert_ok(context, iv_sequence_create(context, &sequence));
        iv_sequence_set_members(sequence, members);
        append_values(sequence, new_zeros(sequence, members * count()), 1, members, true);
        for (uint32_t step = 0; step < STEPS; step++)
            assert_ok(context, iv_sequence_run(sequence, step));
        iv_sequence_destroy(sequence);
        iv_context_destroy(context);
    }
}

/* Every lane's launches count towards the bound on what is queued. */
static void launches_of_all_lanes_are_throttled(void **state) {
    (void)state;
    iv_context *context = open_with_lanes(true);
    const size_t members = 2 * lanes_of_the_device();
    iv_sequence *sequence;
    assert_ok(context, iv_sequence_create(context, &sequence));
    iv_sequence_set_members(sequence, members);
    const cl_mem x = new_zeros(sequence, members * count());
    for (int i = 0; i < 3; i++) append_values(sequence, x, 1, members, true);
    assert_ok(context, iv_context_finish(context));
    for (size_t runs = 1; runs <= IV_SEQUENCE_FIRST_RUNS + 1; runs++) {
        assert_ok(context, iv_sequence_run(sequence, 0));
        assert_int_equal(context->n_queued, runs * 3 * lanes_for(context, members));
    }
    iv_sequence_destroy(sequence);
    iv_context_destroy(context);
}

static void profiles_see_whole_launches(void **state) {
    (void)state;
    iv_context *context = open_context(true);
    assert_null(context->lanes);
    iv_context_destroy(context);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_for_every_lane_gives_the_same_bytes),
        cmocka_unit_test(an_odd_number_of_members_gives_the_same_bytes),
        cmocka_unit_test(fewer_members_than_lanes_give_the_same_bytes),
        cmocka_unit_test(lanes_share_the_members_evenly),
        cmocka_unit_test(a_population_of_fewer_members_than_lanes_is_not_divided),
        cmocka_unit_test(nothing_is_divided_unless_members_are_announced),
        cmocka_unit_test(work_groups_of_several_members_are_not_divided),
        cmocka_unit_test(library_calls_come_after_all_lanes_and_before_what_follows),
        cmocka_unit_test(a_run_that_fails_midway_waits_for_its_lanes),
        cmocka_unit_test(a_context_with_work_in_its_lanes_can_be_destroyed),
        cmocka_unit_test(launches_of_all_lanes_are_throttled),
        cmocka_unit_test(profiles_see_whole_launches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

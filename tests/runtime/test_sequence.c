/* Sequences: arguments, order, replay, work-group sizes, refusals, profiles. */
#include "../kit/device.h"

#include "runtime/context.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 100, MEMBERS = 3, STRIDE = 128, OFFSET = 5 };

/* A sequence and a buffer of floats, all -1, that belongs to it. */
typedef struct {
    iv_context *context;
    iv_sequence *sequence;
    cl_mem buffer;
    size_t bytes;
} bench;

static bench set_up(bool profiling, size_t n_floats) {
    bench on = {.context = open_context(profiling), .bytes = n_floats * sizeof(float)};
    assert_ok(on.context, iv_sequence_create(on.context, &on.sequence));
    assert_ok(on.context, iv_sequence_buffer(on.sequence, on.bytes, &on.buffer));
    const float minus_one = -1;
    uint32_t word;
    memcpy(&word, &minus_one, sizeof word);
    assert_ok(on.context, iv_buffer_fill(on.context, on.buffer, 0, on.bytes, word));
    return on;
}

static void tear_down(bench on) {
    iv_sequence_destroy(on.sequence);
    assert_int_equal(iv_context_bytes(on.context), 0);
    iv_context_destroy(on.context);
}

/* view[r][i] = value * i + step */
static iv_status append_arguments(iv_sequence *sequence, iv_view view, size_t count, size_t members,
                                  float value) {
    iv_launch *launch = iv_launch_begin(sequence, "selftest", "selftest_arguments", NULL);
    iv_arg_view(launch, view);
    iv_arg_uint(launch, count);
    iv_arg_float(launch, value);
    iv_arg_step(launch);
    return iv_launch_end(launch, 2, (size_t[]){count, members}, NULL);
}

static iv_status append_axpy(iv_sequence *sequence, cl_mem y, cl_mem x, float a, size_t n) {
    iv_launch *launch = iv_launch_begin(sequence, "selftest", "selftest_axpy", NULL);
    iv_arg_buffer(launch, y);
    iv_arg_buffer(launch, x);
    iv_arg_float(launch, a);
    iv_arg_uint(launch, n);
    return iv_launch_end(launch, 1, &n, NULL);
}

/* ------------------------------------------------------------------ memory */

static void scratch_is_shared_by_what_has_the_same_use_and_sizes(void **state) {
    (void)state;
    bench on = set_up(false, COUNT);
    static const char use[] = "panels", other_use[] = "strips";
    char same_use[] = "panels";
    cl_mem first, same, other[3];
    assert_ok(on.context, iv_sequence_scratch(on.sequence, use, 64, 3, &first));
    assert_int_equal(iv_context_bytes(on.context), on.bytes + 64 * 3);
    assert_ok(on.context, iv_sequence_scratch(on.sequence, same_use, 64, 3, &same));
    assert_ptr_equal(same, first);
    assert_int_equal(iv_context_bytes(on.context), on.bytes + 64 * 3);

    /* as many bytes, but members elsewhere */
    assert_ok(on.context, iv_sequence_scratch(on.sequence, use, 32, 6, &other[0]));
    assert_ok(on.context, iv_sequence_scratch(on.sequence, use, 64, 6, &other[1]));
    assert_ok(on.context, iv_sequence_scratch(on.sequence, other_use, 64, 3, &other[2]));
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_not_equal(other[i], first);
        for (size_t k = 0; k < i; k++) assert_ptr_not_equal(other[i], other[k]);
    }
    assert_fails(on.context, iv_sequence_scratch(on.sequence, use, SIZE_MAX / 2, 3, &same),
                 IV_ENOMEM, "");
    tear_down(on);
}

/* ------------------------------------------------------------------ replay */

static void a_replay_gets_its_step_and_touches_its_views_only(void **state) {
    (void)state;
    enum { N = OFFSET + MEMBERS * STRIDE };
    bench on = set_up(false, N);
    assert_ok(on.context, append_arguments(on.sequence, (iv_view){on.buffer, OFFSET, STRIDE}, COUNT,
                                           MEMBERS, 0.5f));
    assert_int_equal(iv_sequence_length(on.sequence), 1);

    const uint32_t steps[] = {3, 70000, 0};
    for (size_t s = 0; s < 3; s++) {
        float got[N];
        assert_ok(on.context, iv_sequence_run(on.sequence, steps[s]));
        assert_ok(on.context, iv_buffer_read(on.context, on.buffer, 0, on.bytes, got));
        for (size_t i = 0; i < N; i++) {
            size_t column = (i - OFFSET) % STRIDE;
            bool inside = i >= OFFSET && column < COUNT;
            /* Multiples of 1/2 below 2^17: exact in float. */
            float expected = inside ? 0.5f * (float)column + (float)steps[s] : -1;
            assert_true(got[i] == expected);
        }
    }
    tear_down(on);
}

static void queued_runs_keep_their_own_steps(void **state) {
    (void)state;
    bench on = set_up(false, COUNT);
    cl_mem sum;
    assert_ok(on.context, iv_sequence_buffer(on.sequence, on.bytes, &sum));
    assert_ok(on.context, iv_buffer_fill(on.context, sum, 0, on.bytes, 0));
    assert_ok(on.context, append_arguments(on.sequence, (iv_view){on.buffer, 0, 0}, COUNT, 1, 0));
    assert_ok(on.context, append_axpy(on.sequence, sum, on.buffer, 1, COUNT));

    enum { RUNS = 2000 };
    for (uint32_t step = 1; step <= RUNS; step++)
        assert_ok(on.context, iv_sequence_run(on.sequence, step));
    /* The queue is bounded: a marker was set on the way, and fewer
     * launches than all came after it. */
    assert_non_null(on.context->queued_event);
    assert_true(on.context->n_queued < 2 * RUNS);

    float got[COUNT];
    assert_ok(on.context, iv_buffer_read(on.context, sum, 0, on.bytes, got));
    /* 1 + ... + 2000 = 2001000 < 2^24: every partial sum is exact. */
    for (size_t i = 0; i < COUNT; i++) assert_true(got[i] == RUNS * (RUNS + 1) / 2);
    tear_down(on);
}

/* In steps 0 .. 6, the sum takes the step's number once in every step, and three more times it in
 * steps 2 and 5. */
static void launches_of_some_steps_alone_run_in_those(void **state) {
    (void)state;
    enum { STEPS = 7 };
    bench on = set_up(false, COUNT);
    cl_mem sum;
    assert_ok(on.context, iv_sequence_buffer(on.sequence, on.bytes, &sum));
    assert_ok(on.context, iv_buffer_fill(on.context, sum, 0, on.bytes, 0));
    assert_int_equal(iv_sequence_period(on.sequence), 1);
    assert_ok(on.context, append_arguments(on.sequence, (iv_view){on.buffer, 0, 0}, COUNT, 1, 0));
    iv_sequence_only(on.sequence, 3, 2);
    assert_ok(on.context, append_axpy(on.sequence, sum, on.buffer, 3, COUNT));
    iv_sequence_only(on.sequence, 1, 0);
    assert_ok(on.context, append_axpy(on.sequence, sum, on.buffer, 1, COUNT));
    assert_int_equal(iv_sequence_period(on.sequence), 3);
    for (uint32_t step = 0; step < STEPS; step++)
        assert_ok(on.context, iv_sequence_run(on.sequence, step));
    float got[COUNT];
    assert_ok(on.context, iv_buffer_read(on.context, sum, 0, on.bytes, got));
    for (size_t i = 0; i < COUNT; i++)
        assert_true(got[i] == STEPS * (STEPS - 1) / 2 + 3 * (2 + 5)); /* exact in float */
    tear_down(on);
}

static void two_launches_of_a_kernel_keep_their_own_arguments(void **state) {
    (void)state;
    bench on = set_up(false, 2 * COUNT);
    assert_ok(on.context, append_arguments(on.sequence, (iv_view){on.buffer, 0, 0}, COUNT, 1, 2));
    assert_ok(on.context,
              append_arguments(on.sequence, (iv_view){on.buffer, COUNT, 0}, COUNT, 1, -4));
    assert_ok(on.context, iv_sequence_run(on.sequence, 1));
    float got[2 * COUNT];
    assert_ok(on.context, iv_buffer_read(on.context, on.buffer, 0, on.bytes, got));
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(got[i] == 2 * (float)i + 1);
        assert_true(got[COUNT + i] == -4 * (float)i + 1);
    }
    tear_down(on);
}

/* A stand-in for a library: copies a buffer of ones over the bench's buffer. */
typedef struct {
    cl_mem ones, buffer;
    size_t bytes;
    iv_status status;
} copy_call;

static iv_status copy_ones(iv_context *context, cl_command_queue queue, void *state) {
    const copy_call *call = state;
    if (call->status != IV_OK) return iv_fail(iv_context_error(context), call->status, "as told");
    return iv_cl_check(
        context,
        clEnqueueCopyBuffer(queue, call->ones, call->buffer, 0, 0, call->bytes, 0, NULL, NULL),
        "copying");
}

static void append_copy(bench on, iv_status status) {
    const float one = 1;
    uint32_t word;
    memcpy(&word, &one, sizeof word);
    copy_call *call = malloc(sizeof *call);
    assert_non_null(call);
    *call = (copy_call){.buffer = on.buffer, .bytes = on.bytes, .status = status};
    assert_ok(on.context, iv_sequence_buffer(on.sequence, on.bytes, &call->ones));
    assert_ok(on.context, iv_buffer_fill(on.context, call->ones, 0, on.bytes, word));
    assert_ok(on.context, iv_sequence_call(on.sequence, "copy", copy_ones, call));
}

static void library_calls_run_in_their_place(void **state) {
    (void)state;
    bench on = set_up(false, COUNT);
    cl_mem sum;
    assert_ok(on.context, iv_sequence_buffer(on.sequence, on.bytes, &sum));
    assert_ok(on.context, iv_buffer_fill(on.context, sum, 0, on.bytes, 0));
    assert_ok(on.context, append_axpy(on.sequence, sum, on.buffer, 100, COUNT)); /* of -1 */
    append_copy(on, IV_OK);
    assert_ok(on.context, append_axpy(on.sequence, sum, on.buffer, 3, COUNT)); /* of 1 */
    assert_int_equal(iv_sequence_length(on.sequence), 3);
    assert_ok(on.context, iv_sequence_run(on.sequence, 0));

    float got[COUNT];
    assert_ok(on.context, iv_buffer_read(on.context, sum, 0, on.bytes, got));
    for (size_t i = 0; i < COUNT; i++) assert_true(got[i] == -97);
    tear_down(on);
}

static void a_failing_call_ends_the_run(void **state) {
    (void)state;
    bench on = set_up(false, COUNT);
    append_copy(on, IV_EDATA);
    append_copy(on, IV_OK);
    assert_fails(on.context, iv_sequence_run(on.sequence, 0), IV_EDATA, "as told");
    float got[COUNT];
    assert_ok(on.context, iv_buffer_read(on.context, on.buffer, 0, on.bytes, got));
    assert_true(got[0] == -1);
    tear_down(on);
}

/* ------------------------------------------------------------------ work-groups */

static void sizes_seen_by(const char *kernel, unsigned rank, const size_t *global,
                          const size_t *local, uint32_t seen[4]) {
    bench on = set_up(false, 4);
    iv_launch *launch = iv_launch_begin(on.sequence, "selftest", kernel, NULL);
    iv_arg_buffer(launch, on.buffer);
    assert_ok(on.context, iv_launch_end(launch, rank, global, local));
    assert_ok(on.context, iv_sequence_run(on.sequence, 0));
    assert_ok(on.context, iv_buffer_read(on.context, on.buffer, 0, on.bytes, seen));
    tear_down(on);
}

static void default_work_groups_cover_what_was_asked(void **state) {
    (void)state;
    const size_t wanted[] = {1, 2, 3, 10, 63, 64, 65, 100, 255, 256, 257, 784, 1000, 4096};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        uint32_t seen[4];
        sizes_seen_by("selftest_sizes", 2, (size_t[]){wanted[i], 3}, NULL, seen);
        assert_true(seen[0] >= wanted[i]);
        assert_int_equal(seen[0] % seen[2], 0);
        assert_true(seen[2] >= 1 && seen[2] <= 256 && (seen[2] & (seen[2] - 1)) == 0);
        /* The remark in sequence.c: up to 64 work-items a group at most half is idle, above it an
         * eighth of what was asked. */
        size_t idle = seen[0] - wanted[i];
        assert_true(seen[2] > 64 ? idle <= wanted[i] / 8 || seen[0] == seen[2] : idle < seen[2]);
        assert_int_equal(seen[1], 3);
        assert_int_equal(seen[3], 1);
    }
}

static void given_work_groups_round_the_global_size_up(void **state) {
    (void)state;
    uint32_t seen[4];
    sizes_seen_by("selftest_sizes", 2, (size_t[]){10, 5}, (size_t[]){4, 2}, seen);
    assert_memory_equal(seen, ((uint32_t[]){12, 6, 4, 2}), sizeof seen);
}

static void a_kernel_that_requires_its_work_group_gets_it(void **state) {
    (void)state;
    uint32_t seen[4];
    sizes_seen_by("selftest_required_sizes", 2, (size_t[]){10, 5}, NULL, seen);
    assert_memory_equal(seen, ((uint32_t[]){16, 6, 8, 2}), sizeof seen);
}

static void local_memory_reaches_the_kernel(void **state) {
    (void)state;
    enum { N = 32, GROUP = 8 };
    bench on = set_up(false, N);
    int32_t data[N];
    for (int i = 0; i < N; i++) data[i] = i;
    assert_ok(on.context, iv_buffer_write(on.context, on.buffer, 0, sizeof data, data));
    iv_launch *launch = iv_launch_begin(on.sequence, "selftest", "selftest_reverse", NULL);
    iv_arg_buffer(launch, on.buffer);
    iv_arg_local(launch, GROUP * sizeof(int32_t));
    assert_ok(on.context, iv_launch_end(launch, 1, (size_t[]){N}, (size_t[]){GROUP}));
    assert_ok(on.context, iv_sequence_run(on.sequence, 0));
    assert_ok(on.context, iv_buffer_read(on.context, on.buffer, 0, sizeof data, data));
    for (int i = 0; i < N; i++)
        assert_int_equal(data[i], i / GROUP * GROUP + GROUP - 1 - i % GROUP);
    tear_down(on);
}

/* ------------------------------------------------------------------ refusals */

static void an_empty_launch_appends_nothing(void **state) {
    (void)state;
    bench on = set_up(false, COUNT);
    assert_ok(on.context, append_arguments(on.sequence, (iv_view){on.buffer, 0, 0}, COUNT, 0, 1));
    assert_int_equal(iv_sequence_length(on.sequence), 0);
    assert_ok(on.context, iv_sequence_run(on.sequence, 9));
    float got;
    assert_ok(on.context, iv_buffer_read(on.context, on.buffer, 0, sizeof got, &got));
    assert_true(got == -1);
    tear_down(on);
}

static void oversized_views_are_refused(void **state) {
    (void)state;
    bench on = set_up(false, COUNT);
    const size_t too_large = (size_t)UINT32_MAX + 1;
    const iv_view beyond = {on.buffer, COUNT * sizeof(float), 0};
    const iv_view wide = {on.buffer, 0, too_large};
    assert_fails(on.context, append_arguments(on.sequence, beyond, COUNT, 1, 1), IV_EINVAL,
                 "argument 0 of selftest.selftest_arguments");
    assert_fails(on.context, append_arguments(on.sequence, wide, COUNT, 1, 1), IV_EINVAL,
                 "4294967296");

    iv_launch *launch = iv_launch_begin(on.sequence, "selftest", "selftest_axpy", NULL);
    iv_arg_buffer(launch, on.buffer);
    iv_arg_buffer(launch, on.buffer);
    iv_arg_float(launch, 1);
    iv_arg_uint(launch, too_large);
    assert_fails(on.context, iv_launch_end(launch, 1, (size_t[]){1}, NULL), IV_EINVAL,
                 "argument 3");

    assert_int_equal(iv_sequence_length(on.sequence), 0);
    tear_down(on);
}

static void a_failed_launch_leaves_the_sequence_usable(void **state) {
    (void)state;
    bench on = set_up(false, COUNT);
    iv_launch *launch = iv_launch_begin(on.sequence, "selftest", "selftest_arguments", NULL);
    iv_arg_view(launch, (iv_view){on.buffer, 0, 0});
    iv_arg_uint(launch, COUNT);
    iv_arg_float(launch, 1);
    iv_arg_step(launch);
    iv_arg_step(launch); /* one too many */
    assert_fails(on.context, iv_launch_end(launch, 1, (size_t[]){COUNT}, NULL), IV_EINVAL,
                 "takes 6 arguments, not 7");

    launch = iv_launch_begin(on.sequence, "selftest", "selftest_arguments", NULL);
    iv_arg_view(launch, (iv_view){on.buffer, 0, 0});
    iv_arg_uint(launch, COUNT);
    iv_arg_float(launch, 1);
    iv_arg_step(launch); /* and a launch that is never ended */
    assert_ok(on.context, append_arguments(on.sequence, (iv_view){on.buffer, 0, 0}, COUNT, 1, 0));
    assert_ok(on.context, iv_sequence_run(on.sequence, 6));
    float got;
    assert_ok(on.context, iv_buffer_read(on.context, on.buffer, 0, sizeof got, &got));
    assert_true(got == 6);
    tear_down(on);
}

static void a_missing_argument_is_noticed_when_the_launch_is_described(void **state) {
    (void)state;
    bench on = set_up(false, COUNT);
    iv_launch *launch = iv_launch_begin(on.sequence, "selftest", "selftest_axpy", NULL);
    iv_arg_buffer(launch, on.buffer);
    assert_fails(on.context, iv_launch_end(launch, 1, (size_t[]){COUNT}, NULL), IV_EINVAL,
                 "takes 4 arguments, not 1");
    tear_down(on);
}

static void a_work_group_beyond_the_device_is_refused(void **state) {
    (void)state;
    bench on = set_up(false, COUNT);
    const size_t groups[][3] = {{(size_t)1 << 40, 1, 1}, {1 << 10, 1 << 10, 1 << 10}, {0, 1, 1}};
    for (size_t i = 0; i < 3; i++) {
        iv_launch *launch = iv_launch_begin(on.sequence, "selftest", "selftest_sizes", NULL);
        iv_arg_buffer(launch, on.buffer);
        assert_fails(on.context, iv_launch_end(launch, 3, (size_t[]){1, 1, 1}, groups[i]),
                     IV_ENODEVICE, "work-groups of", "driver");
    }
    iv_launch *launch = iv_launch_begin(on.sequence, "selftest", "selftest_sizes", NULL);
    iv_arg_buffer(launch, on.buffer);
    assert_fails(on.context, iv_launch_end(launch, 4, (size_t[]){1, 1, 1, 1}, NULL), IV_EINVAL,
                 "1 to 3 dimensions");
    tear_down(on);
}

static void more_local_memory_than_the_device_has_is_refused(void **state) {
    (void)state;
    bench on = set_up(false, COUNT);
    on.context->device.local_bytes = 1024;
    iv_launch *launch = iv_launch_begin(on.sequence, "selftest", "selftest_reverse", NULL);
    iv_arg_buffer(launch, on.buffer);
    iv_arg_local(launch, 1028);
    assert_fails(on.context, iv_launch_end(launch, 1, (size_t[]){8}, (size_t[]){8}), IV_ENODEVICE,
                 "1028 bytes of local memory");
    tear_down(on);
}

/* ------------------------------------------------------------------ profiles */

static void a_profile_counts_every_kernel_and_call(void **state) {
    (void)state;
    bench on = set_up(true, COUNT);
    cl_mem sum;
    assert_ok(on.context, iv_sequence_buffer(on.sequence, on.bytes, &sum));
    assert_ok(on.context, iv_buffer_fill(on.context, sum, 0, on.bytes, 0));
    assert_ok(on.context, append_arguments(on.sequence, (iv_view){on.buffer, 0, 0}, COUNT, 1, 0));
    for (int i = 0; i < 3; i++)
        assert_ok(on.context, append_axpy(on.sequence, sum, on.buffer, 1, COUNT));
    append_copy(on, IV_OK);

    iv_profile profile;
    assert_ok(on.context, iv_sequence_profile(on.sequence, 4, 2, &profile));
    static const char *const labels[] = {"selftest.selftest_arguments", "selftest.selftest_axpy",
                                         "selftest.selftest_axpy", "selftest.selftest_axpy",
                                         "copy"};
    double before = 0, total = 0;
    assert_int_equal(profile.n_events, 5);
    for (size_t i = 0; i < 5; i++) {
        const iv_profile_event *event = &profile.events[i];
        assert_string_equal(event->label, labels[i]);
        assert_true(event->start >= before && event->end >= event->start);
        assert_int_equal(event->rank, i == 0 ? 2 : i < 4 ? 1 : 0);
        if (i > 0 && i < 4) assert_true(event->global[0] >= COUNT && event->local[0] > 0);
        before = event->end;
        total += event->end - event->start;
    }
    assert_true(total > 0 && fabs(iv_profile_total(&profile) - total) <= 1e-9 * total);

    iv_profile_row *rows;
    size_t n_rows, axpy = 0, n_launches = 0;
    double sum_of_rows = 0;
    assert_ok(on.context, iv_profile_sum(&profile, &rows, &n_rows, iv_context_error(on.context)));
    assert_int_equal(n_rows, 3);
    for (size_t i = 0; i < n_rows; i++) {
        if (strcmp(rows[i].label, "selftest.selftest_axpy") == 0) axpy = rows[i].n_launches;
        if (i > 0) assert_true(rows[i].microseconds <= rows[i - 1].microseconds);
        n_launches += rows[i].n_launches;
        sum_of_rows += rows[i].microseconds;
    }
    assert_int_equal(axpy, 3);
    assert_int_equal(n_launches, 5);
    assert_true(fabs(sum_of_rows - total) <= 1e-9 * total);
    free(rows);
    iv_profile_clear(&profile);

    /* They were runs like any other: three times each step. */
    float got;
    assert_ok(on.context, iv_buffer_read(on.context, sum, 0, sizeof got, &got));
    assert_true(got == 3 * 4 + 3 * 5);
    tear_down(on);
}

/* What one step in four has counts a quarter. */
static void a_profile_counts_launches_of_some_steps_by_their_share(void **state) {
    (void)state;
    bench on = set_up(true, COUNT);
    assert_ok(on.context, append_arguments(on.sequence, (iv_view){on.buffer, 0, 0}, COUNT, 1, 0));
    iv_sequence_only(on.sequence, 4, 3);
    assert_ok(on.context, append_axpy(on.sequence, on.buffer, on.buffer, 1, COUNT));
    iv_profile profile;
    assert_ok(on.context, iv_sequence_profile(on.sequence, 0, 1, &profile));
    assert_int_equal(profile.n_events, 2);
    const double each = profile.events[0].end - profile.events[0].start;
    const double some = profile.events[1].end - profile.events[1].start;
    assert_true(some > 0 && profile.events[1].period == 4);
    assert_true(fabs(iv_profile_total(&profile) - (each + some / 4)) <= 1e-9 * (each + some));
    iv_profile_row *rows;
    size_t n_rows;
    assert_ok(on.context, iv_profile_sum(&profile, &rows, &n_rows, iv_context_error(on.context)));
    assert_int_equal(n_rows, 2);
    for (size_t i = 0; i < 2; i++) {
        const bool is_axpy = strcmp(rows[i].label, "selftest.selftest_axpy") == 0;
        assert_true(fabs(rows[i].microseconds - (is_axpy ? some / 4 : each)) <=
                    1e-9 * (each + some));
    }
    free(rows);
    iv_profile_clear(&profile);
    tear_down(on);
}

static void a_profile_without_profiling_is_refused(void **state) {
    (void)state;
    bench on = set_up(false, COUNT);
    iv_profile profile;
    assert_fails(on.context, iv_sequence_profile(on.sequence, 0, 1, &profile), IV_EINVAL,
                 "profiling");
    assert_null(profile.events);
    tear_down(on);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scratch_is_shared_by_what_has_the_same_use_and_sizes),
        cmocka_unit_test(a_replay_gets_its_step_and_touches_its_views_only),
        cmocka_unit_test(queued_runs_keep_their_own_steps),
        cmocka_unit_test(launches_of_some_steps_alone_run_in_those),
        cmocka_unit_test(two_launches_of_a_kernel_keep_their_own_arguments),
        cmocka_unit_test(library_calls_run_in_their_place),
        cmocka_unit_test(a_failing_call_ends_the_run),
        cmocka_unit_test(default_work_groups_cover_what_was_asked),
        cmocka_unit_test(given_work_groups_round_the_global_size_up),
        cmocka_unit_test(a_kernel_that_requires_its_work_group_gets_it),
        cmocka_unit_test(local_memory_reaches_the_kernel),
        cmocka_unit_test(an_empty_launch_appends_nothing),
        cmocka_unit_test(oversized_views_are_refused),
        cmocka_unit_test(a_failed_launch_leaves_the_sequence_usable),
        cmocka_unit_test(a_missing_argument_is_noticed_when_the_launch_is_described),
        cmocka_unit_test(a_work_group_beyond_the_device_is_refused),
        cmocka_unit_test(more_local_memory_than_the_device_has_is_refused),
        cmocka_unit_test(a_profile_counts_every_kernel_and_call),
        cmocka_unit_test(a_profile_counts_launches_of_some_steps_by_their_share),
        cmocka_unit_test(a_profile_without_profiling_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

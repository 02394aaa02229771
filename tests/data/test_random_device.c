/* Random numbers in kernels: the same bits as on the host. */
#include "../kit/device.h"

#include <invar/data.h>
#include <invar/random.h>

static void host_row(uint32_t seed, uint32_t stream, uint32_t step, uint32_t bound, uint32_t n,
                     uint32_t index, uint32_t row[10]) {
    iv_philox(seed, stream, step, index, row);
    const float uniform = iv_uniform(row[0]), symmetric = iv_uniform_symmetric(row[1]);
    memcpy(&row[4], &uniform, sizeof uniform);
    memcpy(&row[5], &symmetric, sizeof symmetric);
    row[6] = iv_below(row[2], bound);
    row[7] = iv_shuffle(seed, stream, step, n, index);
    float normal[2];
    iv_normal(row[0], row[1], normal);
    memcpy(&row[8], normal, sizeof normal);
}

static void compare_words(iv_context *context, uint32_t seed, uint32_t stream, uint32_t step,
                          uint32_t bound, uint32_t n) {
    iv_sequence *sequence = NULL;
    cl_mem out = NULL;
    const size_t bytes = 10 * sizeof(uint32_t) * n, global = n;
    uint32_t *rows = malloc(bytes);
    assert_ok(context, iv_sequence_create(context, &sequence));
    assert_ok(context, iv_buffer_create(context, bytes, &out));
    iv_launch *launch = iv_launch_begin(sequence, "random_fill", "random_words", NULL);
    iv_arg_buffer(launch, out);
    iv_arg_uint(launch, seed);
    iv_arg_uint(launch, stream);
    iv_arg_uint(launch, step);
    iv_arg_uint(launch, bound);
    iv_arg_uint(launch, n);
    assert_ok(context, iv_launch_end(launch, 1, &global, NULL));
    assert_ok(context, iv_sequence_run(sequence, 0));
    assert_ok(context, iv_buffer_read(context, out, 0, bytes, rows));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t expected[10];
        host_row(seed, stream, step, bound, n, i, expected);
        assert_memory_equal(rows + 10 * (size_t)i, expected, sizeof expected);
    }
    iv_buffer_release(context, out);
    iv_sequence_destroy(sequence);
    free(rows);
}

static void device_draws_the_hosts_bits(void **state) {
    (void)state;
    iv_context *context = open_context(false);
    compare_words(context, 0, IV_STREAM_TEST, 0, 10, 1);
    compare_words(context, 1, IV_STREAM_BATCH_ORDER, 3, 4, 2);
    compare_words(context, 0xffffffffU, IV_STREAM_TEST, 0xffffffffU, 0xffffffffU, 257);
    compare_words(context, 12345, IV_STREAM_AUGMENTATION, 678, 3, 20000);
    iv_context_destroy(context);
}

/* With a bound that is no power of two the product rounds once, on either side. */
static void initial_parameters_are_the_hosts(void **state) {
    (void)state;
    enum { MEMBERS = 3, N = 101 };
    const uint32_t seeds[MEMBERS] = {4, 5, 4000000000U};
    const float bound = 0.0357f;
    iv_context *context = open_context(false);
    iv_sequence *sequence = NULL;
    cl_mem out = NULL, seed_buffer = NULL;
    float values[MEMBERS][N];
    assert_ok(context, iv_sequence_create(context, &sequence));
    assert_ok(context, iv_buffer_create(context, sizeof values, &out));
    assert_ok(context, iv_buffer_create(context, sizeof seeds, &seed_buffer));
    assert_ok(context, iv_buffer_write(context, seed_buffer, 0, sizeof seeds, seeds));

    const size_t global[] = {(N + 3) / 4, MEMBERS};
    iv_launch *launch = iv_launch_begin(sequence, "random_fill", "uniform_fill", NULL);
    iv_arg_view(launch, (iv_view){out, 0, N});
    iv_arg_buffer(launch, seed_buffer);
    iv_arg_uint(launch, IV_STREAM_INITIAL);
    iv_arg_uint(launch, 7);
    iv_arg_uint(launch, N);
    iv_arg_uint(launch, MEMBERS);
    iv_arg_float(launch, bound);
    assert_ok(context, iv_launch_end(launch, 2, global, NULL));
    assert_ok(context, iv_sequence_run(sequence, 0));
    assert_ok(context, iv_buffer_read(context, out, 0, sizeof values, values));

    for (uint32_t r = 0; r < MEMBERS; r++)
        for (uint32_t i = 0; i < N; i++) {
            uint32_t words[4];
            iv_philox(seeds[r], IV_STREAM_INITIAL, 7, i / 4, words);
            const float expected = bound * iv_uniform_symmetric(words[i % 4]);
            assert_memory_equal(&values[r][i], &expected, sizeof expected);
        }
    iv_buffer_release(context, seed_buffer);
    iv_buffer_release(context, out);
    iv_sequence_destroy(sequence);
    iv_context_destroy(context);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_draws_the_hosts_bits),
        cmocka_unit_test(initial_parameters_are_the_hosts),
    };
    return cmocka_run_group_tests_name("random numbers on the device", tests, NULL, NULL);
}

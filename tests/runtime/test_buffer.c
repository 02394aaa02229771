/* Buffers: accounts, limits, copies. */
#include "../kit/device.h"

#include "runtime/context.h"

static void bytes_are_accounted(void **state) {
    (void)state;
    iv_context *context = open_context(false);
    cl_mem first, second;
    assert_int_equal(iv_context_bytes(context), 0);
    assert_ok(context, iv_buffer_create(context, 1000, &first));
    assert_ok(context, iv_buffer_create(context, 500, &second));
    assert_int_equal(iv_context_bytes(context), 1500);
    iv_buffer_release(context, first);
    assert_int_equal(iv_context_bytes(context), 500);
    assert_int_equal(iv_context_peak_bytes(context), 1500);
    iv_buffer_release(context, second);
    iv_buffer_release(context, NULL);
    assert_int_equal(iv_context_bytes(context), 0);
    assert_int_equal(iv_context_peak_bytes(context), 1500);
    iv_context_destroy(context);
}

static void an_empty_buffer_is_one_alignment_unit(void **state) {
    (void)state;
    iv_context *context = open_context(false);
    cl_mem buffer;
    assert_ok(context, iv_buffer_create(context, 0, &buffer));
    assert_int_equal(iv_context_bytes(context), iv_context_device(context)->align_bytes);
    iv_buffer_release(context, buffer);
    iv_context_destroy(context);
}

static void a_buffer_above_the_largest_is_refused_with_both_sizes(void **state) {
    (void)state;
    iv_context *context = open_context(false);
    cl_mem buffer = (cl_mem)context;
    context->device.max_alloc_bytes = 3 << 20;
    assert_fails(context, iv_buffer_create(context, (3 << 20) + (1 << 19), &buffer), IV_ENOMEM,
                 "3.5 MiB");
    assert_null(buffer);
    assert_fails(context, iv_buffer_create(context, 4 << 20, &buffer), IV_ENOMEM, "3.0 MiB");
    assert_fails(context, iv_buffer_create(context, SIZE_MAX, &buffer), IV_ENOMEM, "MiB");

    assert_ok(context, iv_buffer_create(context, 3 << 20, &buffer));
    iv_buffer_release(context, buffer);
    iv_context_destroy(context);
}

static void a_buffer_that_does_not_fit_beside_the_others_is_refused(void **state) {
    (void)state;
    iv_context *context = open_context(false);
    cl_mem first, second;
    context->device.global_bytes = 4 << 20;
    assert_ok(context, iv_buffer_create(context, 3 << 20, &first));
    assert_fails(context, iv_buffer_create(context, 2 << 20, &second), IV_ENOMEM, "2.0 MiB");
    assert_fails(context, iv_buffer_create(context, 2 << 20, &second), IV_ENOMEM, "3.0 MiB");
    assert_int_equal(iv_context_bytes(context), 3 << 20);

    assert_ok(context, iv_buffer_create(context, 1 << 20, &second));
    iv_buffer_release(context, first);
    iv_buffer_release(context, second);
    iv_context_destroy(context);
}

static void what_is_written_at_an_offset_is_read_there(void **state) {
    (void)state;
    iv_context *context = open_context(false);
    cl_mem buffer;
    const uint32_t written[] = {1, 2, 3};
    uint32_t read[6];
    assert_ok(context, iv_buffer_create(context, sizeof read, &buffer));
    assert_ok(context, iv_buffer_fill(context, buffer, 0, sizeof read, 0xdeadbeef));
    assert_ok(context, iv_buffer_fill(context, buffer, 20, 4, 7));
    assert_ok(context, iv_buffer_write(context, buffer, 4, sizeof written, written));
    assert_ok(context, iv_buffer_read(context, buffer, 0, sizeof read, read));
    const uint32_t expected[] = {0xdeadbeef, 1, 2, 3, 0xdeadbeef, 7};
    assert_memory_equal(read, expected, sizeof expected);

    uint32_t last = 0;
    assert_ok(context, iv_buffer_read(context, buffer, 12, 4, &last));
    assert_int_equal(last, 3);
    iv_buffer_release(context, buffer);
    iv_context_destroy(context);
}

static void a_region_outside_its_buffer_is_refused(void **state) {
    (void)state;
    iv_context *context = open_context(false);
    cl_mem buffer;
    uint32_t words[8] = {0};
    assert_ok(context, iv_buffer_create(context, 16, &buffer));
    assert_fails(context, iv_buffer_write(context, buffer, 0, 20, words), IV_EINVAL, "20 bytes");
    assert_fails(context, iv_buffer_read(context, buffer, 12, 8, words), IV_EINVAL, "16 bytes");
    assert_fails(context, iv_buffer_fill(context, buffer, SIZE_MAX - 3, 4, 0), IV_EINVAL,
                 "filling");
    assert_fails(context, iv_buffer_fill(context, buffer, 2, 4, 0), IV_EINVAL, "multiples of 4");
    assert_ok(context, iv_buffer_read(context, buffer, 16, 0, NULL));
    iv_buffer_release(context, buffer);
    iv_context_destroy(context);
}

static void opencl_codes_become_statuses_with_advice(void **state) {
    (void)state;
    iv_context *context = open_context(false);
    assert_ok(context, iv_cl_check(context, CL_SUCCESS, "nothing"));
    assert_fails(context, iv_cl_check(context, CL_MEM_OBJECT_ALLOCATION_FAILURE, "growing"),
                 IV_ENOMEM, "CL_MEM_OBJECT_ALLOCATION_FAILURE (-4)");
    assert_fails(context, iv_cl_check(context, CL_OUT_OF_HOST_MEMORY, "growing"), IV_ENOMEM,
                 "lower the batch size");
    assert_fails(context, iv_cl_check(context, CL_OUT_OF_RESOURCES, "training"), IV_EFAILED,
                 "training on ");
    assert_fails(context, iv_cl_check(context, -12345, "training"), IV_EFAILED, "-12345");
    iv_context_destroy(context);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_accounted),
        cmocka_unit_test(an_empty_buffer_is_one_alignment_unit),
        cmocka_unit_test(a_buffer_above_the_largest_is_refused_with_both_sizes),
        cmocka_unit_test(a_buffer_that_does_not_fit_beside_the_others_is_refused),
        cmocka_unit_test(what_is_written_at_an_offset_is_read_there),
        cmocka_unit_test(a_region_outside_its_buffer_is_refused),
        cmocka_unit_test(opencl_codes_become_statuses_with_advice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

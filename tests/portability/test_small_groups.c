/* The runtime on a device that allows little: tests/portability/disguise.c, put on by this program
 * itself before it opens a device. */
#include "../kit/device.h"

#include "runtime/context.h"

#include <invar/linalg.h>

static void wear(const char *name, const char *value) {
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static size_t count_programs(void **state) {
    return ((const program *)*state)->context->n_programs;
}

/* ------------------------------------------------------------------ the disguise */

static void the_disguise_is_a_small_gpu(void **state) {
    const iv_device_info *device = iv_context_device(((const program *)*state)->context);
    assert_int_equal(device->type, IV_DEVICE_GPU);
    assert_int_equal(device->max_work_group, 256);
    assert_int_equal(device->local_bytes, 32 << 10);
    assert_int_equal(device->max_alloc_bytes, 64 << 20);
    assert_int_equal(device->float_vector_width, 1);
}

static void it_refuses_what_such_a_device_would(void **state) {
    const program *p = *state;
    cl_command_queue queue = iv_context_queue(p->context);
    cl_kernel kernel = NULL;
    cl_int code;
    cl_mem buffer = upload(p->context, &(float){0}, sizeof(float));
    assert_ok(p->context,
              iv_kernel_create(p->context, "selftest", "selftest_sizes", NULL, &kernel));
    assert_int_equal(clSetKernelArg(kernel, 0, sizeof buffer, &buffer), CL_SUCCESS);
    wear("INVAR_DISGUISE_KERNEL", "64");
    assert_int_equal(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, (size_t[]){512},
                                            (size_t[]){512}, 0, NULL, NULL),
                     CL_INVALID_WORK_ITEM_SIZE);
    assert_int_equal(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, (size_t[]){128},
                                            (size_t[]){128}, 0, NULL, NULL),
                     CL_INVALID_WORK_GROUP_SIZE);
    wear("INVAR_DISGUISE_KERNEL", NULL);
    clReleaseKernel(kernel);
    iv_buffer_release(p->context, buffer);
    assert_null(clCreateBuffer(iv_context_cl(p->context), 0, ((size_t)64 << 20) + 1, NULL, &code));
    assert_int_equal(code, CL_INVALID_BUFFER_SIZE);
}

/* ------------------------------------------------------------------ groups that fit */

/* Whole numbers, whose sums are exact in any order. */
enum { N = 1000, MEMBERS = 3 };

static iv_status append_means(iv_sequence *sequence, cl_mem values, cl_mem means) {
    iv_launch *launch = iv_launch_begin(sequence, "reduce", "mean", NULL);
    iv_arg_view(launch, (iv_view){values, 0, N});
    iv_arg_view(launch, (iv_view){means, 0, 1});
    iv_arg_uint(launch, N);
    return iv_launch_end(launch, 2, (size_t[]){64, MEMBERS}, (size_t[]){64, 1});
}

static void check_means(program *p, const char *limit) {
    float values[MEMBERS * N], means[MEMBERS];
    for (size_t i = 0; i < MEMBERS * N; i++) values[i] = (float)(i % 17);
    wear("INVAR_DISGUISE_KERNEL", limit);
    iv_sequence *sequence = begin_sequence(p);
    cl_mem in = sequence_upload(p->context, sequence, values, sizeof values);
    cl_mem out = sequence_upload(p->context, sequence, means, sizeof means);
    assert_ok(p->context, append_means(sequence, in, out));
    assert_ok(p->context, iv_sequence_run(sequence, 0));
    assert_ok(p->context, iv_buffer_read(p->context, out, 0, sizeof means, means));
    for (size_t r = 0; r < MEMBERS; r++) {
        float sum = 0.0f;
        for (size_t i = 0; i < N; i++) sum += values[r * N + i];
        assert_true(means[r] == sum / N);
    }
    end_sequence(p, sequence);
    wear("INVAR_DISGUISE_KERNEL", NULL);
}

static void groups_are_as_large_as_a_kernel_may_have(void **state) {
    static const char *const limits[] = {"64", "63", "32", "7", "1"};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) check_means(*state, limits[i]);
}

static void nothing_is_built_twice_where_groups_fit(void **state) {
    check_means(*state, "64");
    const size_t before = count_programs(state);
    check_means(*state, "64");
    assert_int_equal(count_programs(state), before);
}

/* Whole numbers again. */
static void check_product(program *p, const char *limit) {
    enum { ROWS = 70, COLUMNS = 66, DEPTH = 21 };
    float a[ROWS * DEPTH], b[DEPTH * COLUMNS], c[ROWS * COLUMNS] = {0.0f};
    for (size_t i = 0; i < ROWS * DEPTH; i++) a[i] = (float)(i % 11);
    for (size_t i = 0; i < DEPTH * COLUMNS; i++) b[i] = (float)(i % 7);
    wear("INVAR_DISGUISE_KERNEL", limit);
    iv_sequence *sequence = begin_sequence(p);
    const cl_mem on_device[] = {sequence_upload(p->context, sequence, a, sizeof a),
                                sequence_upload(p->context, sequence, b, sizeof b),
                                sequence_upload(p->context, sequence, c, sizeof c)};
    assert_ok(p->context, iv_gemm(sequence, &(iv_gemm_desc){.m = ROWS,
                                                            .n = COLUMNS,
                                                            .k = DEPTH,
                                                            .batch = 1,
                                                            .a = {on_device[0], 0, 0},
                                                            .b = {on_device[1], 0, 0},
                                                            .c = {on_device[2], 0, 0},
                                                            .lda = DEPTH,
                                                            .ldb = COLUMNS,
                                                            .ldc = COLUMNS,
                                                            .engine = IV_ENGINE_TILED}));
    assert_ok(p->context, iv_sequence_run(sequence, 0));
    assert_ok(p->context, iv_buffer_read(p->context, on_device[2], 0, sizeof c, c));
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < COLUMNS; j++) {
            float sum = 0.0f;
            for (size_t k = 0; k < DEPTH; k++) sum += a[i * DEPTH + k] * b[k * COLUMNS + j];
            assert_true(c[i * COLUMNS + j] == sum);
        }
    end_sequence(p, sequence);
    wear("INVAR_DISGUISE_KERNEL", NULL);
}

static void tiles_of_products_are_as_large_as_a_kernel_may_have(void **state) {
    static const char *const limits[] = {"255", "63", "1"};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) check_product(*state, limits[i]);
}

static void a_kernel_that_fits_nowhere_is_named_with_the_device(void **state) {
    program *p = *state;
    float values[MEMBERS * N] = {0.0f};
    iv_sequence *sequence = begin_sequence(p);
    cl_mem buffer = sequence_upload(p->context, sequence, values, sizeof values);
    wear("INVAR_DISGUISE_KERNEL", "0");
    assert_fails(p->context, append_means(sequence, buffer, buffer), IV_ENODEVICE, "reduce.mean",
                 iv_context_device(p->context)->name, "driver", "allows 0 work-items");
    end_sequence(p, sequence);
    wear("INVAR_DISGUISE_KERNEL", NULL);
}

/* ------------------------------------------------------------------ by platform */

/* Whether a program of the file was built with the option. */
static bool was_built(const iv_context *context, const char *file, const char *option) {
    for (size_t i = 0; i < context->n_programs; i++)
        if (strcmp(context->programs[i].file, file) == 0 &&
            strstr(context->programs[i].options, option))
            return true;
    return false;
}

/* Mesa's rusticl ends the process where several rotate a pair. */
static void one_work_item_rotates_a_pair_on_rusticl(void **state) {
    static const char *const platforms[] = {NULL, "rusticl"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        wear("INVAR_DISGUISE_PLATFORM", platforms[i]);
        iv_context *context = open_context(false);
        iv_sequence *sequence = NULL;
        cl_mem buffer = NULL;
        assert_ok(context, iv_sequence_create(context, &sequence));
        assert_ok(context, iv_sequence_buffer(sequence, 64 * sizeof(float), &buffer));
        assert_ok(
            context,
            iv_svd(sequence,
                   &(iv_svd_desc){
                       .m = 4, .n = 8, .batch = 1, .a = {buffer, 0, 32}, .s = {buffer, 32, 4}}));
        assert_true(
            was_built(context, "svd_rotate", platforms[i] ? "WANTED_TEAM=1 " : "WANTED_TEAM=8 "));
        iv_sequence_destroy(sequence);
        iv_context_destroy(context);
    }
    wear("INVAR_DISGUISE_PLATFORM", NULL);
}

int main(void) {
    wear("OCL_ICD_VENDORS", DISGUISE_ICD);
    wear("INVAR_DISGUISE_TYPE", "gpu");
    wear("INVAR_DISGUISE_GROUP", "256");
    wear("INVAR_DISGUISE_LOCAL", "32768");
    wear("INVAR_DISGUISE_ALLOC", "67108864");
    wear("INVAR_DISGUISE_VECTOR", "1");
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_disguise_is_a_small_gpu),
        cmocka_unit_test(it_refuses_what_such_a_device_would),
        cmocka_unit_test(groups_are_as_large_as_a_kernel_may_have),
        cmocka_unit_test(nothing_is_built_twice_where_groups_fit),
        cmocka_unit_test(tiles_of_products_are_as_large_as_a_kernel_may_have),
        cmocka_unit_test(one_work_item_rotates_a_pair_on_rusticl),
        cmocka_unit_test(a_kernel_that_fits_nowhere_is_named_with_the_device),
    };
    return cmocka_run_group_tests(tests, open_program, close_program);
}

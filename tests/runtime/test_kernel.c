/* Kernel files: embedding, building, build failures, and Random123 in kernels. */
#include "../kit/device.h"

#include "runtime/context.h"
#include "runtime/kernels.h"

#include <Random123/philox.h>

static size_t lines_with(const iv_embedded_kernel *file, const char *part) {
    size_t n = 0;
    for (size_t i = 0; file->lines[i]; i++) n += strstr(file->lines[i], part) != NULL;
    return n;
}

/* selftest.cl includes philox.cl itself and through random.cl. */
static void a_file_included_twice_is_embedded_once(void **state) {
    (void)state;
    const iv_embedded_kernel *file = iv_embedded_kernels;
    while (file->name && strcmp(file->name, "selftest")) file++;
    assert_non_null(file->name);
    assert_int_equal(lines_with(file, "struct r123array4x32{"), 1);
    assert_int_equal(lines_with(file, "define TENSOR("), 1);
    assert_int_equal(lines_with(file, "static inline void iv_philox("), 1);
}

static void no_embedded_file_needs_an_include_path(void **state) {
    (void)state;
    size_t n_files = 0;
    for (const iv_embedded_kernel *file = iv_embedded_kernels; file->name; file++, n_files++) {
        assert_int_equal(lines_with(file, "#include"), 0);
        for (size_t i = 0; file->lines[i]; i++) {
            size_t length = strlen(file->lines[i]);
            assert_true(length > 0 && strchr(file->lines[i], '\n') == file->lines[i] + length - 1);
        }
    }
    assert_true(n_files >= 3);
}

static void a_build_failure_shows_the_compilers_error(void **state) {
    (void)state;
    iv_context *context = open_context(false);
    cl_kernel kernel = (cl_kernel)context;
    const char *const parts[] = {"undeclared_on_purpose", "cl/selftest.cl", "-DSELFTEST_BROKEN",
                                 iv_context_device(context)->name};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        iv_status status =
            iv_kernel_create(context, "selftest", "selftest_axpy", "-DSELFTEST_BROKEN", &kernel);
        assert_null(kernel);
        assert_fails(context, status, IV_EFAILED, parts[i]);
    }

    assert_ok(context, iv_kernel_create(context, "selftest", "selftest_axpy", NULL, &kernel));
    clReleaseKernel(kernel);
    iv_context_destroy(context);
}

static void unknown_files_and_kernels_are_named(void **state) {
    (void)state;
    iv_context *context = open_context(false);
    cl_kernel kernel;
    assert_fails(context, iv_kernel_create(context, "nonesuch", "axpy", NULL, &kernel), IV_EFAILED,
                 "cl/nonesuch.cl");
    assert_fails(context, iv_kernel_create(context, "selftest", "nonesuch", NULL, &kernel),
                 IV_EFAILED, "no kernel nonesuch in cl/selftest.cl");
    iv_context_destroy(context);
}

static void a_file_is_built_once_for_each_set_of_options(void **state) {
    (void)state;
    iv_context *context = open_context(false);
    const char *const options[] = {NULL, "", "-DSELFTEST_SCALE=2", NULL, "-DSELFTEST_SCALE=2"};
    const size_t n_programs[] = {1, 1, 2, 2, 2};
    for (size_t i = 0; i < 5; i++) {
        cl_kernel kernel;
        assert_ok(context,
                  iv_kernel_create(context, "selftest", "selftest_axpy", options[i], &kernel));
        assert_int_equal(context->n_programs, n_programs[i]);
        clReleaseKernel(kernel);
    }
    iv_context_destroy(context);
}

/* What the driver says it was asked for. */
static bool is_built_without_warnings(void) {
    iv_context *context = open_context(false);
    cl_kernel kernel;
    char options[512] = "";
    assert_ok(context, iv_kernel_create(context, "selftest", "selftest_axpy", NULL, &kernel));
    assert_int_equal(clGetProgramBuildInfo(context->programs[0].program, context->device.device_id,
                                           CL_PROGRAM_BUILD_OPTIONS, sizeof options - 1, options,
                                           NULL),
                     CL_SUCCESS);
    clReleaseKernel(kernel);
    iv_context_destroy(context);
    char *found = strstr(options, "-w");
    return found && (found[2] == ' ' || found[2] == '\0');
}

static void compiler_warnings_are_off_unless_asked_for(void **state) {
    (void)state;
    const char *set = getenv("INVAR_BUILD_WARNINGS");
    char *before = set ? strdup(set) : NULL;
    unsetenv("INVAR_BUILD_WARNINGS");
    assert_true(is_built_without_warnings());
    setenv("INVAR_BUILD_WARNINGS", "on", 1);
    assert_false(is_built_without_warnings());
    setenv("INVAR_BUILD_WARNINGS", "off", 1);
    assert_true(is_built_without_warnings());
    if (before)
        setenv("INVAR_BUILD_WARNINGS", before, 1);
    else
        unsetenv("INVAR_BUILD_WARNINGS");
    free(before);
}

/* The oracle is the library's host side; its own known answer guards against both being off:
 * counter and key all ones, 10 rounds (kat_vectors of Random123: "philox4x32 10 ffffffff..."). */
static void philox_in_kernels_gives_random123s_bits(void **state) {
    (void)state;
    philox4x32_ctr_t ones = {{~0U, ~0U, ~0U, ~0U}};
    philox4x32_key_t ones_key = {{~0U, ~0U}};
    const uint32_t known[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    ones = philox4x32_R(10, ones, ones_key);
    assert_memory_equal(ones.v, known, sizeof known);

    enum { N = 1000 };
    const uint32_t keys[][2] = {{0, 0}, {~0U, 1}, {0x12345678, 0x9abcdef0}};
    iv_context *context = open_context(false);
    for (size_t k = 0; k < 3; k++) {
        iv_sequence *sequence;
        cl_mem out;
        uint32_t got[4 * N];
        assert_ok(context, iv_sequence_create(context, &sequence));
        assert_ok(context, iv_sequence_buffer(sequence, sizeof got, &out));
        iv_launch *launch = iv_launch_begin(sequence, "selftest", "selftest_philox", NULL);
        iv_arg_buffer(launch, out);
        iv_arg_uint(launch, N);
        iv_arg_uint(launch, keys[k][0]);
        iv_arg_uint(launch, keys[k][1]);
        assert_ok(context, iv_launch_end(launch, 1, (size_t[]){N}, NULL));
        assert_ok(context, iv_sequence_run(sequence, 0));
        assert_ok(context, iv_buffer_read(context, out, 0, sizeof got, got));

        for (uint32_t i = 0; i < N; i++) {
            philox4x32_ctr_t counter = {{i, 1, 2, 3}};
            philox4x32_key_t key = {{keys[k][0], keys[k][1]}};
            counter = philox4x32(counter, key);
            assert_memory_equal(&got[4 * i], counter.v, 4 * sizeof *got);
        }
        iv_sequence_destroy(sequence);
    }
    iv_context_destroy(context);
}

/* ------------------------------------------------------------------ kernels from outside */

/* reduce.cl and random.cl each hold tensor.cl or philox.cl, and so does the text itself. */
static const char own_source[] = "/* from outside */\n"
                                 "#include \"tensor.cl\"\n"
                                 "  # include \"reduce.cl\"\n"
                                 "#include \"random.cl\"\n"
                                 "#include \"philox.cl\"\n"
                                 "__kernel void add_word(TENSOR(uint, y), uint seed, uint n) {\n"
                                 "    const size_t i = get_global_id(0), r = get_global_id(1);\n"
                                 "    uint words[4];\n"
                                 "    iv_philox(seed, 1, 2, (uint)i, words);\n"
                                 "    if (i < n) MEMBER(y, r)[i] += words[0] + FACTOR * (uint)r;\n"
                                 "}\n";

static void kernels_from_outside_run_beside_the_librarys(void **state) {
    (void)state;
    enum { N = 37, MEMBERS = 2 };
    iv_context *context = open_context(false);
    assert_ok(context, iv_program_add(context, "own", own_source));
    assert_ok(context, iv_program_add(context, "own", own_source)); /* once more */
    uint32_t values[MEMBERS * N];
    for (uint32_t k = 0; k < MEMBERS * N; k++) values[k] = 1000 * k;
    cl_mem buffer;
    iv_sequence *sequence;
    assert_ok(context, iv_buffer_upload(context, values, sizeof values, &buffer));
    assert_ok(context, iv_sequence_create(context, &sequence));
    iv_launch *launch = iv_launch_begin(sequence, "own", "add_word", "-DFACTOR=7");
    iv_arg_view(launch, (iv_view){buffer, 0, N});
    iv_arg_uint(launch, 5);
    iv_arg_uint(launch, N);
    assert_ok(context, iv_launch_end_by_member(launch, 2, (const size_t[]){N, MEMBERS}, NULL));
    assert_ok(context, iv_sequence_run(sequence, 0));
    assert_ok(context, iv_buffer_read(context, buffer, 0, sizeof values, values));
    for (uint32_t k = 0; k < MEMBERS * N; k++) {
        const philox4x32_ctr_t words =
            philox4x32_R(10, (philox4x32_ctr_t){{k % N, 2, 0, 0}}, (philox4x32_key_t){{5, 1}});
        assert_int_equal(values[k], 1000 * k + words.v[0] + 7 * (k / N));
    }
    iv_sequence_destroy(sequence);
    iv_buffer_release(context, buffer);
    iv_context_destroy(context);
}

/* Also from the cache on disk, where a name says nothing. */
static void another_text_of_the_same_name_is_another_kernel(void **state) {
    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        iv_context *context = open_context(false);
        char source[128];
        snprintf(source, sizeof source,
                 "__kernel void set(__global int *y) { y[get_global_id(0)] = %d; }", turn % 2);
        assert_ok(context, iv_program_add(context, "named-alike", source));
        int32_t value = -1;
        cl_mem buffer;
        iv_sequence *sequence;
        assert_ok(context, iv_buffer_upload(context, &value, sizeof value, &buffer));
        assert_ok(context, iv_sequence_create(context, &sequence));
        iv_launch *launch = iv_launch_begin(sequence, "named-alike", "set", NULL);
        iv_arg_buffer(launch, buffer);
        assert_ok(context, iv_launch_end(launch, 1, (const size_t[]){1}, (const size_t[]){1}));
        assert_ok(context, iv_sequence_run(sequence, 0));
        assert_ok(context, iv_buffer_read(context, buffer, 0, sizeof value, &value));
        assert_int_equal(value, turn % 2);
        iv_sequence_destroy(sequence);
        iv_buffer_release(context, buffer);
        iv_context_destroy(context);
    }
}

static void mistakes_in_kernels_from_outside_are_named(void **state) {
    (void)state;
    static const char broken[] = "#include \"tensor.cl\"\n"
                                 "\n"
                                 "__kernel void f(__global int *y) { *y = undeclared; }\n";
    iv_context *context = open_context(false);
    cl_kernel kernel;
    assert_ok(context, iv_program_add(context, "broken", broken));
    static const char *const parts[] = {"\"broken\" does not build", "undeclared", "broken:3:"};
    /* Oclgrind's compiler does not heed #line */
    const bool counts = !strstr(iv_context_device(context)->name, "Oclgrind");
    for (size_t i = 0; i < (counts ? 3 : 2); i++)
        assert_fails(context, iv_kernel_create(context, "broken", "f", NULL, &kernel), IV_EFAILED,
                     parts[i]);
    assert_ok(context, iv_program_add(context, "own", own_source));
    assert_fails(context, iv_kernel_create(context, "own", "nonesuch", "-DFACTOR=1", &kernel),
                 IV_EFAILED, "no kernel nonesuch in \"own\"");
    assert_fails(context, iv_program_add(context, "own", broken), IV_EINVAL, "other kernels");
    assert_fails(context, iv_program_add(context, "reduce", own_source), IV_EINVAL, "reduce");
    assert_fails(context, iv_program_add(context, "a/b", own_source), IV_EINVAL, "a/b");
    assert_fails(context, iv_program_add(context, "", own_source), IV_EINVAL, "\"\"");
    assert_fails(context, iv_program_add(context, "lost", "\n#include \"nonesuch.cl\"\n"),
                 IV_EINVAL, "lost:2: there is no kernel file \"nonesuch.cl\"");
    assert_fails(context, iv_program_add(context, "lost", "#include \"tensor.h\""), IV_EINVAL,
                 "tensor.h");
    iv_context_destroy(context);
}

int main(void) {
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_included_twice_is_embedded_once),
        cmocka_unit_test(no_embedded_file_needs_an_include_path),
        cmocka_unit_test(a_build_failure_shows_the_compilers_error),
        cmocka_unit_test(unknown_files_and_kernels_are_named),
        cmocka_unit_test(a_file_is_built_once_for_each_set_of_options),
        cmocka_unit_test(compiler_warnings_are_off_unless_asked_for),
        cmocka_unit_test(philox_in_kernels_gives_random123s_bits),
        cmocka_unit_test(kernels_from_outside_run_beside_the_librarys),
        cmocka_unit_test(another_text_of_the_same_name_is_another_kernel),
        cmocka_unit_test(mistakes_in_kernels_from_outside_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

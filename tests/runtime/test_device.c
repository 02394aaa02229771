/* Which device a selector means, on a made-up machine; and a machine without any. */
#include "../kit/device.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *this_program; /* argv[0], to run this program again without drivers */

/* A machine of every kind of device; the first GPU is unusable. */
static const iv_device_info machine[] = {
    {.name = "EPYC 7763",
     .platform = "Portable Computing Language",
     .type = IV_DEVICE_CPU,
     .available = true},
    {.name = "Old Radeon", .platform = "AMD", .type = IV_DEVICE_GPU, .available = false},
    {.name = "gfx1030 Radeon RX 6800", .platform = "AMD", .type = IV_DEVICE_GPU, .available = true},
    {.name = "GeForce GTX 1080",
     .platform = "NVIDIA CUDA",
     .type = IV_DEVICE_GPU,
     .available = true},
    {.name = "FPGA board", .platform = "Boards Inc.", .type = IV_DEVICE_OTHER, .available = true},
};
enum { N_DEVICES = sizeof machine / sizeof *machine };

static void assert_selects(const char *selector, size_t expected) {
    iv_error error = {0};
    size_t index = 99;
    iv_status status = iv_device_select(machine, N_DEVICES, selector, &index, &error);
    if (status != IV_OK) fail_msg("%s: %s", selector ? selector : "(none)", error.message);
    assert_int_equal(index, expected);
}

static void assert_selects_nothing(const char *selector, iv_status expected, const char *part) {
    iv_error error = {0};
    size_t index = 99;
    assert_int_equal(iv_device_select(machine, N_DEVICES, selector, &index, &error), expected);
    assert_int_equal(error.status, expected);
    if (!strstr(error.message, part)) fail_msg("\"%s\" not in: %s", part, error.message);
}

static void without_a_selector_the_first_usable_gpu_wins(void **state) {
    (void)state;
    assert_selects(NULL, 2);
    assert_selects("", 2);
}

static void without_gpus_the_first_cpu_wins(void **state) {
    (void)state;
    const iv_device_info others[] = {machine[4], machine[1], machine[0]};
    iv_error error = {0};
    size_t index;
    assert_int_equal(iv_device_select(others, 3, NULL, &index, &error), IV_OK);
    assert_int_equal(index, 2);
    assert_int_equal(iv_device_select(others, 1, NULL, &index, &error), IV_OK);
    assert_int_equal(index, 0);
}

static void an_index_names_its_device(void **state) {
    (void)state;
    assert_selects("0", 0);
    assert_selects("3", 3);
    assert_selects("4", 4);
}

static void a_number_beyond_the_list_is_part_of_a_name(void **state) {
    (void)state;
    assert_selects("1080", 3);
    assert_selects_nothing("5", IV_ENODEVICE, "\"5\"");
}

static void a_type_names_its_first_usable_device(void **state) {
    (void)state;
    assert_selects("cpu", 0);
    assert_selects("gpu", 2);
    assert_selects("GPU", 2);
}

static void a_part_of_a_name_or_platform_is_enough(void **state) {
    (void)state;
    assert_selects("geforce", 3);
    assert_selects("radeon", 2);
    assert_selects("nvidia", 3);
    assert_selects("portable", 0);
    assert_selects("boards", 4);
}

static void an_unusable_device_is_never_selected(void **state) {
    (void)state;
    assert_selects_nothing("1", IV_ENODEVICE, "unusable");
    assert_selects_nothing("old", IV_ENODEVICE, "Old Radeon");

    iv_error error = {0};
    size_t index;
    assert_int_equal(iv_device_select(&machine[1], 1, NULL, &index, &error), IV_ENODEVICE);
    assert_non_null(strstr(error.message, "Old Radeon"));
}

static void an_unknown_name_lists_what_there_is(void **state) {
    (void)state;
    assert_selects_nothing("voodoo", IV_ENODEVICE, "voodoo");
    for (size_t i = 0; i < N_DEVICES; i++)
        assert_selects_nothing("voodoo", IV_ENODEVICE, machine[i].name);
    assert_selects_nothing("-1", IV_ENODEVICE, "-1");
    assert_selects_nothing("99999999999999999999999", IV_ENODEVICE, "99999");
}

static void all_is_not_one_device(void **state) {
    (void)state;
    assert_selects_nothing("all", IV_EINVAL, "all");
}

static void the_environment_decides_only_where_the_selector_does_not(void **state) {
    (void)state;
    setenv("INVAR_DEVICE", "geforce", 1);
    assert_selects(NULL, 3);
    assert_selects("", 3);
    assert_selects("cpu", 0);
    setenv("INVAR_DEVICE", "", 1);
    assert_selects(NULL, 2);
    unsetenv("INVAR_DEVICE");
}

static void a_long_list_of_devices_is_cut_not_overrun(void **state) {
    (void)state;
    enum { N = 64 };
    iv_device_info *many = calloc(N, sizeof *many);
    assert_non_null(many);
    for (int i = 0; i < N; i++) memset(many[i].name, 'a' + i % 26, sizeof many[i].name - 1);
    iv_error error = {0};
    size_t index;
    assert_int_equal(iv_device_select(many, N, "none", &index, &error), IV_ENODEVICE);
    assert_true(strlen(error.message) < sizeof error.message);
    free(many);
}

/* ------------------------------------------------------------------ a machine without drivers */

enum { STILL_DEVICES = 10, OPENED = 11 };

/* Runs in a process of its own, with the ICD loader pointed at an empty folder. */
static int open_without_drivers(void) {
    iv_error error = {0};
    iv_device_info *devices = NULL;
    size_t n_devices = 99;
    if (iv_devices_list(&devices, &n_devices, &error) != IV_OK || n_devices || devices)
        return STILL_DEVICES;
    iv_context *context = NULL;
    iv_status status = iv_context_create(NULL, false, &context, &error);
    printf("%s\n", error.message);
    return context ? OPENED : iv_exit_status(status);
}

static void without_drivers_the_message_says_how_to_install_one(void **state) {
    (void)state;
#ifdef __APPLE__
    SKIP_BECAUSE("OpenCL is part of this system");
#endif
    char folder[] = "/tmp/invar-no-drivers-XXXXXX", command[4096], message[2048] = "";
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command,
             "env -u OCL_ICD_FILENAMES OCL_ICD_VENDORS='%s' '%s' --open-without-drivers", folder,
             this_program);
    FILE *child = popen(command, "r");
    assert_non_null(child);
    size_t got = fread(message, 1, sizeof message - 1, child);
    message[got] = '\0';
    int result = pclose(child);
    rmdir(folder);

    assert_true(WIFEXITED(result));
    if (WEXITSTATUS(result) == STILL_DEVICES)
        SKIP_BECAUSE("this OpenCL library does not look for drivers in OCL_ICD_VENDORS");
    assert_int_equal(WEXITSTATUS(result), 3);
    assert_non_null(strstr(message, "no OpenCL device"));
    assert_non_null(strstr(message, "install"));
    assert_non_null(strstr(message, "PoCL"));
}

/* ------------------------------------------------------------------ the machine at hand */

static void listed_devices_are_plausible(void **state) {
    (void)state;
    iv_error error = {0};
    iv_device_info *devices;
    size_t n_devices;
    assert_int_equal(iv_devices_list(&devices, &n_devices, &error), IV_OK);
    if (n_devices == 0) SKIP_BECAUSE("no OpenCL device");
    for (size_t i = 0; i < n_devices; i++) {
        assert_true(strlen(devices[i].name) > 0);
        assert_true(strlen(devices[i].platform) > 0);
        assert_memory_equal(devices[i].version, "OpenCL ", 7);
        if (!devices[i].available) continue;
        /* Minima that OpenCL 1.2 promises (full profile; CL_DEVICE_* in its table 4.3). */
        assert_true(devices[i].compute_units >= 1);
        assert_true(devices[i].max_work_group >= 1);
        assert_true(devices[i].local_bytes >= 32 * 1024 || devices[i].type == IV_DEVICE_OTHER);
        assert_true(devices[i].max_alloc_bytes <= devices[i].global_bytes);
        assert_true(devices[i].align_bytes >= 1);
    }
    free(devices);
}

int main(int argc, char **argv) {
    this_program = argv[0];
    if (argc > 1 && !strcmp(argv[1], "--open-without-drivers")) return open_without_drivers();

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_drivers_the_message_says_how_to_install_one),
        cmocka_unit_test(listed_devices_are_plausible),
        cmocka_unit_test(without_a_selector_the_first_usable_gpu_wins),
        cmocka_unit_test(without_gpus_the_first_cpu_wins),
        cmocka_unit_test(an_index_names_its_device),
        cmocka_unit_test(a_number_beyond_the_list_is_part_of_a_name),
        cmocka_unit_test(a_type_names_its_first_usable_device),
        cmocka_unit_test(a_part_of_a_name_or_platform_is_enough),
        cmocka_unit_test(an_unusable_device_is_never_selected),
        cmocka_unit_test(an_unknown_name_lists_what_there_is),
        cmocka_unit_test(all_is_not_one_device),
        cmocka_unit_test(the_environment_decides_only_where_the_selector_does_not),
        cmocka_unit_test(a_long_list_of_devices_is_cut_not_overrun),
    };
    unsetenv("INVAR_DEVICE");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The run directory and run.json. */
#include "../kit/files.h"

#include <invar/report.h>

#include <jansson.h>

#include <errno.h>

static const uint64_t seeds[] = {0, 1, 7};

static iv_run_dir_options options_for(const char *path, bool resume) {
    return (iv_run_dir_options){
        .path = path, .name = "table1", .seeds = seeds, .n_seeds = 3, .resume = resume};
}

static iv_run_dir *create(const char *path, bool resume) {
    iv_error error = {0};
    iv_run_dir *dir;
    iv_run_dir_options options = options_for(path, resume);
    assert_ok(&error, iv_run_dir_create(&options, &dir, &error));
    return dir;
}

static void finish(iv_run_dir *dir, const char *status) {
    iv_error error = {0};
    assert_ok(&error, iv_run_dir_finish(dir, status, &error));
    iv_run_dir_destroy(dir);
}

static void assert_refused(const char *path, bool resume, iv_status expected, const char *message) {
    iv_error error = {0};
    iv_run_dir *dir;
    iv_run_dir_options options = options_for(path, resume);
    assert_int_equal(iv_run_dir_create(&options, &dir, &error), expected);
    assert_null(dir);
    assert_contains(error.message, message);
}

static json_t *read_run_json(const char *dir) {
    char path[SCRATCH_PATH + 200];
    snprintf(path, sizeof path, "%s/run.json", dir);
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    return root;
}

static const char *member(json_t *root, const char *key) {
    const char *value = json_string_value(json_object_get(root, key));
    return value ? value : "(null)";
}

static void a_new_directory_has_its_folders_and_a_running_status(void **state) {
    const char *path = in_scratch(state, "a/b/run/");
    iv_run_dir *dir = create(path, false);
    assert_int_not_equal(iv_run_dir_path(dir)[strlen(iv_run_dir_path(dir)) - 1], '/');
    assert_null(iv_run_dir_previous_status(dir));
    const char *const folders[] = {"models", "splits", "checkpoint", "figures"};
    for (size_t i = 0; i < 4; i++) {
        char *folder = iv_run_dir_file(dir, folders[i]);
        assert_true(exists(folder));
        free(folder);
    }

    json_t *run = read_run_json(path);
    assert_string_equal(member(run, "status"), "running");
    assert_string_equal(member(run, "name"), "table1");
    assert_true(json_is_null(json_object_get(run, "device")));
    assert_true(json_is_null(json_object_get(run, "end")));
    assert_true(json_is_string(json_object_get(run, "version")));
    assert_true(json_is_string(json_object_get(run, "commit")));
    assert_true(json_is_string(json_object_get(run, "host")));
    assert_int_equal(json_array_size(json_object_get(run, "seeds")), 3);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(run, "seeds"), 2)), 7);
    json_decref(run);
    iv_run_dir_destroy(dir);
}

static void finishing_records_end_time_and_status(void **state) {
    const char *path = in_scratch(state, "run");
    iv_device_info device = {.name = "A \"quoted\" device", .driver = "1.2", .platform = "P"};
    iv_run_dir_options options = options_for(path, false);
    options.device = &device;
    iv_error error = {0};
    iv_run_dir *dir;
    assert_ok(&error, iv_run_dir_create(&options, &dir, &error));
    assert_int_equal(iv_run_dir_finish(dir, "perfect", &error), IV_EINVAL);
    finish(dir, "done");

    json_t *run = read_run_json(path);
    assert_string_equal(member(run, "status"), "done");
    assert_string_equal(member(run, "device"), device.name);
    assert_string_equal(member(run, "driver"), "1.2");
    int year, month, day, hour, minute, second, length = 0;
    sscanf(member(run, "end"), "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &year, &month, &day, &hour, &minute,
           &second, &length);
    assert_int_equal(length, 20);
    assert_true(strcmp(member(run, "start"), member(run, "end")) <= 0);
    assert_true(json_is_number(json_object_get(run, "seconds")));
    json_decref(run);
}

static void a_finished_run_is_not_overwritten(void **state) {
    const char *path = in_scratch(state, "run");
    finish(create(path, false), "done");
    assert_refused(path, false, IV_EINVAL, "finished run");
    json_t *run = read_run_json(path);
    assert_string_equal(member(run, "status"), "done");
    json_decref(run);
}

static void an_unfinished_run_is_to_be_resumed(void **state) {
    const char *path = in_scratch(state, "run");
    finish(create(path, false), "interrupted");
    assert_refused(path, false, IV_EINVAL, "--resume");
}

static void resuming_keeps_the_start_and_adds_up_the_seconds(void **state) {
    const char *path = in_scratch(state, "run");
    assert_int_equal(mkdir(path, 0777), 0);
    spill(
        in_scratch(state, "run/run.json"),
        "{\"start\": \"2020-01-02T03:04:05Z\", \"seconds\": 1000.5, \"status\": \"interrupted\"}");
    iv_run_dir *dir = create(path, true);
    assert_string_equal(iv_run_dir_previous_status(dir), "interrupted");
    finish(dir, "done");
    json_t *run = read_run_json(path);
    assert_string_equal(member(run, "start"), "2020-01-02T03:04:05Z");
    assert_true(json_number_value(json_object_get(run, "seconds")) >= 1000.5);
    json_decref(run);
}

static void resuming_where_there_is_no_run_is_refused(void **state) {
    assert_refused(in_scratch(state, "nothing"), true, IV_EDATA, "no run.json");
    assert_false(exists(in_scratch(state, "nothing")));
}

static void a_damaged_run_json_is_named_with_its_line(void **state) {
    assert_int_equal(mkdir(in_scratch(state, "run"), 0777), 0);
    spill(in_scratch(state, "run/run.json"), "{\"status\":\n \"don");
    assert_refused(in_scratch(state, "run"), true, IV_EDATA, "run.json:2:");
}

static void a_path_under_a_file_is_refused(void **state) {
    spill(in_scratch(state, "file"), "x");
    assert_refused(in_scratch(state, "file/run"), false, IV_EFAILED, "file/run");
    assert_refused(in_scratch(state, "file"), false, IV_EFAILED, "a directory is wanted");
}

static void the_default_name_is_unique_and_typable(void **state) {
    char before[1024];
    iv_error error = {0};
    iv_run_dir_options options = {.name = "../fig 3"};
    iv_run_dir *first, *second;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(*state), 0);
    iv_status one = iv_run_dir_create(&options, &first, &error);
    iv_status two = iv_run_dir_create(&options, &second, &error);
    assert_int_equal(chdir(before), 0);
    assert_ok(&error, one);
    assert_ok(&error, two);

    int length = 0;
    sscanf(iv_run_dir_path(first), "runs/-.-fig-3-%*8d-%*6d%n", &length);
    assert_int_equal(length, strlen(iv_run_dir_path(first)));
    assert_string_not_equal(iv_run_dir_path(first), iv_run_dir_path(second));
    assert_true(exists(in_scratch(state, iv_run_dir_path(second))));
    iv_run_dir_destroy(first);
    iv_run_dir_destroy(second);
}

static void files_are_written_into_the_directory(void **state) {
    iv_error error = {0};
    iv_run_dir *dir = create(in_scratch(state, "run"), false);
    assert_ok(&error, iv_run_dir_write(dir, "spec.yaml", "study: x\n", 9, &error));
    char *text = slurp(in_scratch(state, "run/spec.yaml"), NULL);
    assert_string_equal(text, "study: x\n");
    free(text);
    assert_int_equal(iv_run_dir_write(dir, "no/such.txt", "x", 1, &error), IV_EFAILED);
    assert_contains(error.message, "no/such.txt");
    iv_run_dir_destroy(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_new_directory_has_its_folders_and_a_running_status),
        SCRATCH_TEST(finishing_records_end_time_and_status),
        SCRATCH_TEST(a_finished_run_is_not_overwritten),
        SCRATCH_TEST(an_unfinished_run_is_to_be_resumed),
        SCRATCH_TEST(resuming_keeps_the_start_and_adds_up_the_seconds),
        SCRATCH_TEST(resuming_where_there_is_no_run_is_refused),
        SCRATCH_TEST(a_damaged_run_json_is_named_with_its_line),
        SCRATCH_TEST(a_path_under_a_file_is_refused),
        SCRATCH_TEST(the_default_name_is_unique_and_typable),
        SCRATCH_TEST(files_are_written_into_the_directory),
    };
    return cmocka_run_group_tests_name("run_dir", tests, NULL, NULL);
}

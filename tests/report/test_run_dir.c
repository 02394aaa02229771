/* The run directory and run.json. */
#include "../kit/files.h"

#include <invar/report.h>

#include <jansson.h>

#include <errno.h>

static const uint64_t seeds[] = {0, 1, 7};

static iv_run_dir_options options_for(const char *path, bool resume) {
    return (iv_run_dir_options){.path = path,
                                .name = "table1",
                                .seeds = seeds,
                                .n_seeds = 3,
                                .spec = "study: x\n",
                                .resume = resume};
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

/* ------------------------------------------------------------------ what a crash leaves */

/* run.json declares the run, so that it is written last: where it cannot be, there is no run. */
static void a_run_is_declared_after_its_spec(void **state) {
    const char *path = in_scratch(state, "run");
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(mkdir(in_scratch(state, "run/run.json"), 0777), 0);
    iv_error error = {0};
    iv_run_dir *dir;
    iv_run_dir_options options = options_for(path, false);
    assert_fails(&error, iv_run_dir_create(&options, &dir, &error), IV_EFAILED, "run.json");
    assert_int_equal(rmdir(in_scratch(state, "run/run.json")), 0);
    assert_int_equal(unlink(in_scratch(state, "run/spec.yaml")), 0);

    assert_int_equal(mkdir(in_scratch(state, "run/spec.yaml"), 0777), 0);
    assert_fails(&error, iv_run_dir_create(&options, &dir, &error), IV_EFAILED, "spec.yaml");
    assert_false(exists(in_scratch(state, "run/run.json")));
    assert_int_equal(rmdir(in_scratch(state, "run/spec.yaml")), 0);
    finish(create(path, false), "done");
    assert_true(exists(in_scratch(state, "run/spec.yaml")));
}

/* As versions of Invar that wrote run.json first left it. */
static void a_directory_without_a_spec_can_be_begun_again(void **state) {
    const char *path = in_scratch(state, "run");
    finish(create(path, false), "failed");
    assert_int_equal(unlink(in_scratch(state, "run/spec.yaml")), 0);
    finish(create(path, false), "done");
}

static void what_killed_processes_left_is_removed_and_nothing_else(void **state) {
    static const char *const left[] = {"run/spec.yaml.part-123-0",
                                       "run/checkpoint/population.safetensors.part-99-17"};
    static const char *const kept[] = {"run/notes.part-1", "run/models/a.part-x-1",
                                       "run/models/b.part-1-", "run/models/c.part-1-0.txt"};
    const char *path = in_scratch(state, "run");
    finish(create(path, false), "interrupted");
    for (size_t i = 0; i < 2; i++) spill(in_scratch(state, left[i]), "half");
    for (size_t i = 0; i < 4; i++) spill(in_scratch(state, kept[i]), "whole");
    finish(create(path, true), "done");
    for (size_t i = 0; i < 2; i++) assert_false(exists(in_scratch(state, left[i])));
    for (size_t i = 0; i < 4; i++) assert_true(exists(in_scratch(state, kept[i])));
}

/* ------------------------------------------------------------------ several processes */

static void a_directory_in_use_is_refused_until_it_is_given_back(void **state) {
    const char *path = in_scratch(state, "run");
    char holder[64];
    snprintf(holder, sizeof holder, "run is in use by process %ld on ", (long)getpid());
    iv_run_dir *dir = create(path, false);
    assert_true(exists(in_scratch(state, "run/lock")));
    assert_refused(path, true, IV_EFAILED, holder);
    assert_refused(path, true, IV_EFAILED, " since 2");
    finish(dir, "interrupted");
    assert_false(exists(in_scratch(state, "run/lock")));

    spill(in_scratch(state, "run/lock"), "process 1 on a machine that went down\n");
    finish(create(path, true), "done");
    assert_false(exists(in_scratch(state, "run/lock")));
}

static iv_run_dir *create_on(const char *path, const char *device, const char *engine) {
    iv_error error = {0};
    iv_run_dir *dir;
    iv_device_info info = {.driver = "1", .platform = "P"};
    snprintf(info.name, sizeof info.name, "%s", device);
    iv_run_dir_options options = options_for(path, exists(path));
    options.device = &info;
    options.engine = engine;
    assert_ok(&error, iv_run_dir_create(&options, &dir, &error));
    return dir;
}

static void the_conditions_of_every_process_are_kept(void **state) {
    static const char *const devices[] = {"A", "B", "B"}, *const engines[] = {"x", "x", "y"};
    static const char *const changes[] = {"", "device B (was A)", "engine y (was x)"};
    const char *path = in_scratch(state, "run");
    iv_error error = {0};
    for (size_t i = 0; i < 3; i++) {
        iv_run_dir *dir = create_on(path, devices[i], engines[i]);
        char *changed;
        assert_ok(&error, iv_run_dir_changes(dir, &changed, &error));
        assert_string_equal(changed, changes[i]);
        free(changed);
        finish(dir, i == 2 ? "done" : "interrupted");
    }
    json_t *run = read_run_json(path), *processes = json_object_get(run, "processes");
    assert_int_equal(json_array_size(processes), 3);
    for (size_t i = 0; i < 3; i++) {
        json_t *process = json_array_get(processes, i);
        assert_string_equal(member(process, "device"), devices[i]);
        assert_string_equal(member(process, "engine"), engines[i]);
        assert_string_equal(member(process, "status"), i == 2 ? "done" : "interrupted");
        assert_true(json_is_string(json_object_get(process, "end")));
    }
    assert_string_equal(member(run, "device"), "B");
    json_decref(run);
}

/* A run.json without the list tells of one process. */
static void the_first_process_of_an_older_run_is_kept_too(void **state) {
    const char *path = in_scratch(state, "run");
    assert_int_equal(mkdir(path, 0777), 0);
    spill(in_scratch(state, "run/run.json"),
          "{\"device\": \"A\", \"driver\": null, \"status\": \"interrupted\"}");
    finish(create_on(path, "B", "x"), "done");
    json_t *run = read_run_json(path), *processes = json_object_get(run, "processes");
    assert_int_equal(json_array_size(processes), 2);
    assert_string_equal(member(json_array_get(processes, 0), "device"), "A");
    assert_true(json_is_null(json_object_get(json_array_get(processes, 0), "driver")));
    assert_string_equal(member(json_array_get(processes, 1), "device"), "B");
    json_decref(run);
}

static void data_are_recorded_and_other_ones_refused(void **state) {
    const char *path = in_scratch(state, "run");
    iv_error error = {0};
    iv_run_dir *dir = create(path, false);
    assert_ok(&error, iv_run_dir_add_data(dir, "mnist/labels", "12ab", false, &error));
    assert_ok(&error, iv_run_dir_add_data(dir, "mnist/labels", "12ab", false, &error));
    iv_run_dir_destroy(dir); /* killed */
    dir = create(path, true);
    assert_ok(&error, iv_run_dir_add_data(dir, "mnist/images", "34cd", true, &error));
    assert_fails(&error, iv_run_dir_add_data(dir, "mnist/labels", "56ef", true, &error), IV_EDATA,
                 "mnist/labels", "12ab", "56ef");
    assert_ok(&error, iv_run_dir_add_data(dir, "mnist/labels", "12ab", false, &error));
    finish(dir, "done");
    json_t *run = read_run_json(path), *data = json_object_get(run, "data");
    assert_int_equal(json_array_size(data), 2);
    assert_string_equal(member(json_array_get(data, 0), "file"), "mnist/labels");
    assert_string_equal(member(json_array_get(data, 0), "sha256"), "12ab");
    assert_true(json_is_false(json_object_get(json_array_get(data, 0), "published")));
    assert_true(json_is_true(json_object_get(json_array_get(data, 1), "published")));
    json_decref(run);
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
        SCRATCH_TEST(a_run_is_declared_after_its_spec),
        SCRATCH_TEST(a_directory_without_a_spec_can_be_begun_again),
        SCRATCH_TEST(what_killed_processes_left_is_removed_and_nothing_else),
        SCRATCH_TEST(a_directory_in_use_is_refused_until_it_is_given_back),
        SCRATCH_TEST(the_conditions_of_every_process_are_kept),
        SCRATCH_TEST(the_first_process_of_an_older_run_is_kept_too),
        SCRATCH_TEST(data_are_recorded_and_other_ones_refused),
    };
    return cmocka_run_group_tests_name("run_dir", tests, NULL, NULL);
}

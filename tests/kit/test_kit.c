/* The kit itself: what its comparisons find, and what a process without privileges cannot do. */
#include "json.h"
#include "process.h"

static const char *const nothing[] = {NULL};

static void make_pair(void) {
    const char *const names[] = {"a", "a/sub", "b", "b/sub"};
    for (size_t i = 0; i < 4; i++) assert_int_equal(mkdir(in(scratch, names[i]), 0777), 0);
    spill(in(scratch, "a/one"), "1");
    spill(in(scratch, "b/one"), "1");
    spill(in(scratch, "a/sub/two"), "22");
    spill(in(scratch, "b/sub/two"), "22");
}

static void assert_differ(const char *part, const char *const *ignored) {
    char difference[2 * SCRATCH_PATH + 64];
    if (!folders_differ(in(scratch, "a"), in(scratch, "b"), ignored, difference, sizeof difference))
        fail_msg("no difference found, expected one in %s", part);
    assert_contains(difference, part);
}

static void folders_with_the_same_bytes_are_the_same(void **state) {
    (void)state;
    make_pair();
    assert_same_folder(in(scratch, "a"), in(scratch, "b"), nothing);
}

static void a_byte_of_difference_is_found_at_any_depth(void **state) {
    (void)state;
    make_pair();
    spill(in(scratch, "b/sub/two"), "2\n");
    assert_differ("sub/two", nothing);
    assert_same_folder(in(scratch, "a"), in(scratch, "b"), (const char *const[]){"two", NULL});
}

static void a_longer_file_is_found(void **state) {
    (void)state;
    make_pair();
    spill(in(scratch, "b/one"), "1 and more");
    assert_differ("one", nothing);
}

static void files_that_one_folder_alone_has_are_found(void **state) {
    (void)state;
    make_pair();
    spill(in(scratch, "a/sub/alone"), "");
    assert_differ("alone is in", nothing);
    assert_int_equal(unlink(in(scratch, "a/sub/alone")), 0);
    spill(in(scratch, "b/zz"), "");
    assert_differ("zz is in", nothing);
    assert_same_folder(in(scratch, "a"), in(scratch, "b"), (const char *const[]){"zz", NULL});
}

static void a_folder_in_place_of_a_file_is_found(void **state) {
    (void)state;
    make_pair();
    assert_int_equal(unlink(in(scratch, "a/one")), 0);
    assert_int_equal(mkdir(in(scratch, "a/one"), 0777), 0);
    assert_differ("is a folder", nothing);
}

static void lines_of_json_are_read_one_by_one(void **state) {
    (void)state;
    spill(in(scratch, "log"), "{\"step\": 1}\n{\"step\": 2}\n");
    json_t *lines = read_json_lines(in(scratch, "log"));
    assert_int_equal(json_array_size(lines), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(lines, 1), "step")), 2);
    json_decref(lines);
}

static void a_process_leaves_its_status_and_its_words(void **state) {
    const process p = process_start(state, "/bin/sh", NULL,
                                    ARGUMENTS("-c", "echo said; echo complained >&2; exit 7"));
    outcome o = process_wait(&p);
    assert_status(&o, 7);
    assert_string_equal(o.out, "said\n");
    assert_string_equal(o.err, "complained\n");
    outcome_free(&o);
    assert_int_equal(count_entries(scratch), 0);
}

static void without_privileges_permissions_are_heeded(void **state) {
    assert_int_equal(mkdir(in(scratch, "closed"), 0500), 0);
    const char *const try = "cd closed && : >file";
    assert_int_equal(chdir(scratch), 0);
    const process p = process_start(state, "/bin/sh", renounce_privileges, ARGUMENTS("-c", try));
    outcome o = process_wait(&p);
    assert_int_equal(chdir("/"), 0);
    const int status = o.status;
    outcome_free(&o);
    if (status == STILL_PRIVILEGED) SKIP_BECAUSE("root cannot do without its rights here");
    assert_true(status > 0);
    assert_false(exists(in(scratch, "closed/file")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(folders_with_the_same_bytes_are_the_same),
        SCRATCH_TEST(a_byte_of_difference_is_found_at_any_depth),
        SCRATCH_TEST(a_longer_file_is_found),
        SCRATCH_TEST(files_that_one_folder_alone_has_are_found),
        SCRATCH_TEST(a_folder_in_place_of_a_file_is_found),
        SCRATCH_TEST(lines_of_json_are_read_one_by_one),
        SCRATCH_TEST(a_process_leaves_its_status_and_its_words),
        SCRATCH_TEST(without_privileges_permissions_are_heeded),
    };
    return cmocka_run_group_tests_name("kit", tests, NULL, NULL);
}

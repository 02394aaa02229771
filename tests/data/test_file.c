/* Atomic writes: what is on disk after success and after every kind of failure. */
#include "fixture.h"

#include <signal.h>
#include <sys/resource.h>

static char *folder;

static int make_it(void **state) {
    (void)state;
    folder = make_folder();
    return 0;
}

static int remove_it(void **state) {
    (void)state;
    remove_folder(folder);
    return 0;
}

static void assert_holds(const char *path, const char *text) {
    uint8_t *bytes;
    size_t n_bytes;
    iv_error error = {0};
    assert_ok(iv_read_file(path, 1 << 20, &bytes, &n_bytes, &error), &error);
    assert_int_equal(n_bytes, strlen(text));
    assert_memory_equal(bytes, text, n_bytes);
    assert_int_equal(bytes[n_bytes], 0);
    free(bytes);
}

static void parts_are_written_one_after_another(void **state) {
    (void)state;
    iv_error error = {0};
    const iv_file_part parts[] = {{"ab", 2}, {NULL, 0}, {"cde", 3}};
    assert_ok(iv_write_parts_atomically(in(folder, "file"), parts, 3, &error), &error);
    assert_holds(in(folder, "file"), "abcde");
    assert_int_equal(count_files(folder), 1);
}

static void a_file_is_replaced_whole(void **state) {
    (void)state;
    iv_error error = {0};
    assert_ok(iv_write_file_atomically(in(folder, "file"), "long text", 9, &error), &error);
    assert_ok(iv_write_file_atomically(in(folder, "file"), "short", 5, &error), &error);
    assert_holds(in(folder, "file"), "short");
    assert_ok(iv_write_file_atomically(in(folder, "file"), NULL, 0, &error), &error);
    assert_holds(in(folder, "file"), "");
    assert_int_equal(count_files(folder), 1);
}

static void a_new_file_has_the_users_permissions(void **state) {
    (void)state;
    iv_error error = {0};
    struct stat found;
    const mode_t before = umask(027);
    assert_ok(iv_write_file_atomically(in(folder, "file"), "x", 1, &error), &error);
    umask(before);
    assert_int_equal(stat(in(folder, "file"), &found), 0);
    assert_int_equal(found.st_mode & 0777, 0640);
}

static void a_missing_folder_is_an_error(void **state) {
    (void)state;
    iv_error error = {0};
    assert_fails(iv_write_file_atomically(in(folder, "no/file"), "x", 1, &error), IV_EFAILED,
                 &error, "no/file", "No such file", "folder", NULL);
    assert_int_equal(count_files(folder), 0);
}

static void a_folder_is_not_overwritten(void **state) {
    (void)state;
    iv_error error = {0};
    assert_int_equal(mkdir(in(folder, "taken"), 0777), 0);
    assert_fails(iv_write_file_atomically(in(folder, "taken"), "x", 1, &error), IV_EFAILED, &error,
                 "taken", "directory", NULL);
    assert_int_equal(count_files(folder), 1);
}

/* /dev/full answers every write as a full disk does. */
static void a_full_disk_is_reported(void **state) {
    (void)state;
    iv_error error = {0};
    if (access("/dev/full", W_OK) != 0) {
        print_message("# skipped: no /dev/full here\n");
        return;
    }
    assert_fails(iv_write_file_atomically("/dev/full", "x", 1, &error), IV_EFAILED, &error,
                 "/dev/full", "No space left", "free some space", NULL);
}

/* A write that stops in the middle, by the limit on file sizes. */
static void a_write_that_fails_leaves_the_old_file_and_nothing_else(void **state) {
    (void)state;
    iv_error error = {0};
    char *large = calloc(1, 100000);
    assert_ok(iv_write_file_atomically(in(folder, "file"), "old", 3, &error), &error);

    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 4096;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const iv_status replaced = iv_write_file_atomically(in(folder, "file"), large, 100000, &error);
    const iv_status created = iv_write_file_atomically(in(folder, "new"), large, 100000, NULL);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    free(large);

    assert_fails(replaced, IV_EFAILED, &error, "file", "too large", "ulimit", NULL);
    assert_int_equal(created, IV_EFAILED);
    assert_holds(in(folder, "file"), "old");
    assert_int_equal(count_files(folder), 1);
}

static void reading_is_bounded_and_wants_a_regular_file(void **state) {
    (void)state;
    iv_error error = {0};
    uint8_t *bytes;
    size_t n_bytes;
    write_bytes(in(folder, "file"), "12345", 5);
    assert_fails(iv_read_file(in(folder, "file"), 4, &bytes, &n_bytes, &error), IV_EDATA, &error,
                 "5 bytes", "at most 4", NULL);
    assert_fails(iv_read_file(in(folder, "none"), 4, &bytes, &n_bytes, &error), IV_EDATA, &error,
                 "none", "No such file", NULL);
    assert_fails(iv_read_file(folder, 1 << 20, &bytes, &n_bytes, &error), IV_EDATA, &error,
                 "not a regular file", NULL);
    /* A pipe without a writer must not be waited for. */
    assert_int_equal(mkfifo(in(folder, "pipe"), 0600), 0);
    assert_fails(iv_read_file(in(folder, "pipe"), 4, &bytes, &n_bytes, &error), IV_EDATA, &error,
                 "not a regular file", NULL);
    assert_null(bytes);
}

static void directories_are_made_with_their_parents(void **state) {
    (void)state;
    iv_error error = {0};
    struct stat found;
    assert_ok(iv_make_directories(in(folder, "a/b//c/"), &error), &error);
    assert_ok(iv_make_directories(in(folder, "a/b/c"), &error), &error);
    assert_true(stat(in(folder, "a/b/c"), &found) == 0 && S_ISDIR(found.st_mode));
    write_bytes(in(folder, "file"), "", 0);
    assert_fails(iv_make_directories(in(folder, "file"), &error), IV_EFAILED, &error, "file", NULL);
    assert_fails(iv_make_directories(in(folder, "file/below"), &error), IV_EFAILED, &error, "file",
                 NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_it, remove_it)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(parts_are_written_one_after_another),
        TEST(a_file_is_replaced_whole),
        TEST(a_new_file_has_the_users_permissions),
        TEST(a_missing_folder_is_an_error),
        TEST(a_folder_is_not_overwritten),
        TEST(a_full_disk_is_reported),
        TEST(a_write_that_fails_leaves_the_old_file_and_nothing_else),
        TEST(reading_is_bounded_and_wants_a_regular_file),
        TEST(directories_are_made_with_their_parents),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}

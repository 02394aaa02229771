/* Atomic writes: what is on disk after success and after every kind of failure. */
#include "../kit/files.h"

#include <invar/data.h>

#include <signal.h>
#include <sys/resource.h>

static void assert_holds(const char *path, const char *text) {
    uint8_t *bytes;
    size_t n_bytes;
    iv_error error = {0};
    assert_ok(&error, iv_read_file(path, 1 << 20, &bytes, &n_bytes, &error));
    assert_int_equal(n_bytes, strlen(text));
    assert_memory_equal(bytes, text, n_bytes);
    assert_int_equal(bytes[n_bytes], 0);
    free(bytes);
}

static void parts_are_written_one_after_another(void **state) {
    (void)state;
    iv_error error = {0};
    const iv_file_part parts[] = {{"ab", 2}, {NULL, 0}, {"cde", 3}};
    assert_ok(&error, iv_write_parts_atomically(in(scratch, "file"), parts, 3, &error));
    assert_holds(in(scratch, "file"), "abcde");
    assert_int_equal(count_entries(scratch), 1);
}

static void a_file_is_replaced_whole(void **state) {
    (void)state;
    iv_error error = {0};
    assert_ok(&error, iv_write_file_atomically(in(scratch, "file"), "long text", 9, &error));
    assert_ok(&error, iv_write_file_atomically(in(scratch, "file"), "short", 5, &error));
    assert_holds(in(scratch, "file"), "short");
    assert_ok(&error, iv_write_file_atomically(in(scratch, "file"), NULL, 0, &error));
    assert_holds(in(scratch, "file"), "");
    assert_int_equal(count_entries(scratch), 1);
}

static void a_new_file_has_the_users_permissions(void **state) {
    (void)state;
    iv_error error = {0};
    struct stat found;
    const mode_t before = umask(027);
    assert_ok(&error, iv_write_file_atomically(in(scratch, "file"), "x", 1, &error));
    umask(before);
    assert_int_equal(stat(in(scratch, "file"), &found), 0);
    assert_int_equal(found.st_mode & 0777, 0640);
}

static void a_missing_folder_is_an_error(void **state) {
    (void)state;
    iv_error error = {0};
    assert_fails(&error, iv_write_file_atomically(in(scratch, "no/file"), "x", 1, &error),
                 IV_EFAILED, "no/file", "No such file", "folder");
    assert_int_equal(count_entries(scratch), 0);
}

static void a_folder_is_not_overwritten(void **state) {
    (void)state;
    iv_error error = {0};
    assert_int_equal(mkdir(in(scratch, "taken"), 0777), 0);
    assert_fails(&error, iv_write_file_atomically(in(scratch, "taken"), "x", 1, &error), IV_EFAILED,
                 "taken", "directory");
    assert_int_equal(count_entries(scratch), 1);
}

/* /dev/full answers every write as a full disk does. */
static void a_full_disk_is_reported(void **state) {
    (void)state;
    iv_error error = {0};
    if (access("/dev/full", W_OK) != 0) SKIP_BECAUSE("no /dev/full here");
    assert_fails(&error, iv_write_file_atomically("/dev/full", "x", 1, &error), IV_EFAILED,
                 "/dev/full", "No space left", "free some space");
}

/* A write that stops in the middle, by the limit on file sizes. */
static void a_write_that_fails_leaves_the_old_file_and_nothing_else(void **state) {
    (void)state;
    iv_error error = {0};
    char *large = calloc(1, 100000);
    assert_ok(&error, iv_write_file_atomically(in(scratch, "file"), "old", 3, &error));

    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 4096;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const iv_status replaced = iv_write_file_atomically(in(scratch, "file"), large, 100000, &error);
    const iv_status created = iv_write_file_atomically(in(scratch, "new"), large, 100000, NULL);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    free(large);

    assert_fails(&error, replaced, IV_EFAILED, "file", "too large", "ulimit");
    assert_int_equal(created, IV_EFAILED);
    assert_holds(in(scratch, "file"), "old");
    assert_int_equal(count_entries(scratch), 1);
}

static void reading_is_bounded_and_wants_a_regular_file(void **state) {
    (void)state;
    iv_error error = {0};
    uint8_t *bytes;
    size_t n_bytes;
    write_bytes(in(scratch, "file"), "12345", 5);
    assert_fails(&error, iv_read_file(in(scratch, "file"), 4, &bytes, &n_bytes, &error), IV_EDATA,
                 "5 bytes", "at most 4");
    assert_fails(&error, iv_read_file(in(scratch, "none"), 4, &bytes, &n_bytes, &error), IV_EDATA,
                 "none", "No such file");
    assert_fails(&error, iv_read_file(scratch, 1 << 20, &bytes, &n_bytes, &error), IV_EDATA,
                 "Is a directory");
    /* A pipe without a writer must not be waited for. */
    assert_int_equal(mkfifo(in(scratch, "pipe"), 0600), 0);
    assert_fails(&error, iv_read_file(in(scratch, "pipe"), 4, &bytes, &n_bytes, &error), IV_EDATA,
                 "not a regular file");
    assert_null(bytes);
}

static void directories_are_made_with_their_parents(void **state) {
    (void)state;
    iv_error error = {0};
    struct stat found;
    assert_ok(&error, iv_make_directories(in(scratch, "a/b//c/"), &error));
    assert_ok(&error, iv_make_directories(in(scratch, "a/b/c"), &error));
    assert_true(stat(in(scratch, "a/b/c"), &found) == 0 && S_ISDIR(found.st_mode));
    write_bytes(in(scratch, "file"), "", 0);
    assert_fails(&error, iv_make_directories(in(scratch, "file"), &error), IV_EFAILED, "file");
    assert_fails(&error, iv_make_directories(in(scratch, "file/below"), &error), IV_EFAILED,
                 "file");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(parts_are_written_one_after_another),
        SCRATCH_TEST(a_file_is_replaced_whole),
        SCRATCH_TEST(a_new_file_has_the_users_permissions),
        SCRATCH_TEST(a_missing_folder_is_an_error),
        SCRATCH_TEST(a_folder_is_not_overwritten),
        SCRATCH_TEST(a_full_disk_is_reported),
        SCRATCH_TEST(a_write_that_fails_leaves_the_old_file_and_nothing_else),
        SCRATCH_TEST(reading_is_bounded_and_wants_a_regular_file),
        SCRATCH_TEST(directories_are_made_with_their_parents),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}

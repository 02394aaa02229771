/* The cache directory: hits, damage, concurrent writers, directories that cannot be written. */
#include "../kit/device.h"
#include "../kit/process.h"

#include "runtime/cache.h"
#include "runtime/sha256.h"

#include <dirent.h>
#include <sys/wait.h>

enum { PATH_BYTES = 4096 };

static const char *this_program; /* argv[0], to run this program again */

/* ------------------------------------------------------------------ a cache of the test's own */

/* One base for the whole this_program, because drivers keep caches of their own in it and need them for
 * as long as they live; each test starts with Invar's part of it gone. */
static char base[] = "/tmp/invar-cache-XXXXXX";

static int use_fresh_cache(void **state) {
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s/invar", base);
    remove_tree(folder);
    setenv("INVAR_CACHE", "on", 1);
    setenv("XDG_CACHE_HOME", base, 1);
    *state = base;
    return 0;
}

static int make_base(void **state) {
    (void)state;
    return mkdtemp(base) ? 0 : -1;
}

static int remove_base(void **state) {
    (void)state;
    remove_tree(base);
    return 0;
}

/* The cache's files of one folder: how many, and the path and name of the last. */
static size_t list_files(const char *cache, const char *folder, char path[PATH_BYTES],
                         char name[256]) {
    char directory[PATH_BYTES / 2];
    size_t n_files = 0;
    snprintf(directory, sizeof directory, "%s/invar/%s", cache, folder);
    DIR *opened = opendir(directory);
    for (struct dirent *entry; opened && (entry = readdir(opened));) {
        if (entry->d_name[0] == '.') continue;
        n_files++;
        snprintf(name, 256, "%s", entry->d_name);
        snprintf(path, PATH_BYTES, "%s/%s", directory, entry->d_name);
    }
    if (opened) closedir(opened);
    return n_files;
}

static ino_t inode_of(const char *path) {
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    return about.st_ino;
}

static void flip_byte(const char *path, long offset) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, offset < 0 ? SEEK_END : SEEK_SET), 0);
    int byte = fgetc(file);
    fseek(file, -1, SEEK_CUR);
    fputc(byte ^ 1, file);
    assert_int_equal(fclose(file), 0);
}

/* ------------------------------------------------------------------ files */

static void what_is_stored_is_loaded(void **state) {
    (void)state;
    const char text[] = "any\0bytes";
    void *data;
    size_t bytes;
    assert_false(iv_cache_load("notes", "one", &data, &bytes));
    iv_cache_store("notes", "one", text, sizeof text);
    assert_true(iv_cache_load("notes", "one", &data, &bytes));
    assert_int_equal(bytes, sizeof text);
    assert_memory_equal(data, text, sizeof text);
    free(data);

    iv_cache_store("notes", "one", "other", 6);
    assert_true(iv_cache_load("notes", "one", &data, &bytes));
    assert_string_equal(data, "other");
    free(data);

    iv_cache_remove("notes", "one");
    assert_false(iv_cache_load("notes", "one", &data, &bytes));
}

static void a_file_with_any_byte_changed_is_refused_and_removed(void **state) {
    enum { HEADER = 8 + 8 + 32, PAYLOAD = 20 };
    char path[PATH_BYTES], name[256];
    void *data;
    size_t bytes;
    for (long offset = 0; offset < HEADER + PAYLOAD; offset++) {
        iv_cache_store("notes", "one", "twenty bytes of text", PAYLOAD);
        assert_int_equal(list_files(*state, "notes", path, name), 1);
        flip_byte(path, offset);
        assert_false(iv_cache_load("notes", "one", &data, &bytes));
        assert_null(data);
        assert_int_equal(list_files(*state, "notes", path, name), 0);
    }
}

static void a_file_cut_or_grown_to_any_length_is_refused(void **state) {
    enum { HEADER = 8 + 8 + 32, PAYLOAD = 20 };
    char path[PATH_BYTES], name[256];
    void *data;
    size_t bytes;
    for (off_t length = 0; length <= HEADER + PAYLOAD + 3; length++) {
        iv_cache_store("notes", "one", "twenty bytes of text", PAYLOAD);
        assert_int_equal(list_files(*state, "notes", path, name), 1);
        assert_int_equal(truncate(path, length), 0);
        assert_int_equal(iv_cache_load("notes", "one", &data, &bytes), length == HEADER + PAYLOAD);
        free(data);
    }
}

/* Writers of different payloads and readers at once: every load is one writer's whole payload. */
static int write_and_read(char letter) {
    enum { BYTES = 50000, TURNS = 40 };
    char *payload = malloc(BYTES);
    if (!payload) return 1;
    memset(payload, letter, BYTES);
    for (int turn = 0; turn < TURNS; turn++) {
        void *data;
        size_t bytes;
        iv_cache_store("notes", "shared", payload, BYTES);
        if (!iv_cache_load("notes", "shared", &data, &bytes)) return 2;
        const char *text = data;
        if (bytes != BYTES || text[0] < 'a' || text[0] > 'd') return 3;
        for (size_t i = 1; i < bytes; i++)
            if (text[i] != text[0]) return 4;
        free(data);
    }
    free(payload);
    return 0;
}

static void concurrent_writers_never_show_a_part(void **state) {
    pid_t children[4];
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) _exit(write_and_read((char)('a' + i)));
    }
    for (int i = 0; i < 4; i++) {
        int result;
        assert_int_equal(waitpid(children[i], &result, 0), children[i]);
        assert_true(WIFEXITED(result));
        assert_int_equal(WEXITSTATUS(result), 0);
    }
    char path[PATH_BYTES], name[256];
    assert_int_equal(list_files(*state, "notes", path, name), 1); /* and no temporary file */
}

static void strings_hash_to_the_published_digest(void **state) {
    (void)state;
    char hex[IV_SHA256_HEX], other[IV_SHA256_HEX];
    /* printf 'abc\0' | sha256sum */
    const char *abc[] = {"abc"};
    assert_true(iv_sha256_strings(abc, 1, hex));
    assert_string_equal(hex, "dc1114cd074914bd872cc1f9a23ec910ea2203bc79779ab2e17da25782a624fc");

    const char *split[] = {"ab", "c"}, *moved[] = {"a", "bc"};
    assert_true(iv_sha256_strings(split, 2, hex) && iv_sha256_strings(moved, 2, other));
    assert_string_not_equal(hex, other);
}

/* ------------------------------------------------------------------ programs */

/* What selftest_arguments, built with SELFTEST_SCALE = scale, makes of 1: the scale, if what ran is
 * what was asked for. A context of its own, as in a new process. -1 for a failure. */
static float computed_scale(int scale) {
    char options[64];
    snprintf(options, sizeof options, "-DSELFTEST_SCALE=%d", scale);
    iv_context *context = open_context(false);
    iv_sequence *sequence;
    cl_mem out;
    float got[2] = {-1, -1};
    assert_ok(context, iv_sequence_create(context, &sequence));
    assert_ok(context, iv_sequence_buffer(sequence, sizeof got, &out));
    iv_launch *launch = iv_launch_begin(sequence, "selftest", "selftest_arguments", options);
    iv_arg_view(launch, (iv_view){.buffer = out});
    iv_arg_uint(launch, 2);
    iv_arg_float(launch, 1);
    iv_arg_step(launch);
    assert_ok(context, iv_launch_end(launch, 1, (size_t[]){2}, NULL));
    assert_ok(context, iv_sequence_run(sequence, 0));
    assert_ok(context, iv_buffer_read(context, out, 0, sizeof got, got));
    iv_sequence_destroy(sequence);
    iv_context_destroy(context);
    return got[1];
}

/* Build once and find the one file. Any driver with a compiler gives binaries. */
static void build_and_find(const char *cache, int scale, char path[PATH_BYTES], char name[256]) {
    assert_true(computed_scale(scale) == (float)scale);
    assert_int_equal(list_files(cache, "programs", path, name), 1);
}

/* A file that is rebuilt is renamed into place: a new inode. */
static void a_second_context_leaves_the_cached_program_alone(void **state) {
    char path[PATH_BYTES], name[256];
    build_and_find(*state, 2, path, name);
    ino_t before = inode_of(path);
    assert_int_equal(strlen(name), 64);
    assert_true(computed_scale(2) == 2);
    assert_int_equal(list_files(*state, "programs", path, name), 1);
    assert_true(inode_of(path) == before);

    assert_true(computed_scale(3) == 3); /* other options, another file */
    assert_int_equal(list_files(*state, "programs", path, name), 2);
}

/* The binary of scale 2 under the name of scale 3: only a program that comes from the cache
 * gives 2. */
static void a_cached_program_is_what_runs(void **state) {
    char path[PATH_BYTES], name_2[256], name_3[256];
    void *binary;
    size_t bytes;
    build_and_find(*state, 2, path, name_2);
    assert_true(iv_cache_load("programs", name_2, &binary, &bytes));
    iv_cache_remove("programs", name_2);
    build_and_find(*state, 3, path, name_3);
    iv_cache_store("programs", name_3, binary, bytes);
    free(binary);
    assert_true(computed_scale(3) == 2);
}

static void a_damaged_program_is_rebuilt(void **state) {
    char path[PATH_BYTES], name[256];
    build_and_find(*state, 2, path, name);
    flip_byte(path, -100);
    assert_true(computed_scale(2) == 2);

    void *binary;
    size_t bytes;
    assert_true(iv_cache_load("programs", name, &binary, &bytes));
    free(binary);
}

static void a_truncated_program_is_rebuilt(void **state) {
    char path[PATH_BYTES], name[256];
    build_and_find(*state, 2, path, name);
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    const off_t lengths[] = {0, 10, before.st_size / 2, before.st_size - 1};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(truncate(path, lengths[i]), 0);
        assert_true(computed_scale(2) == 2);
        assert_int_equal(stat(path, &after), 0);
        assert_true(after.st_size > lengths[i]);
    }
}

/* Whole by its checksum, but no program: as after a change of the driver's format. */
static void a_program_that_the_driver_rejects_is_rebuilt(void **state) {
    char path[PATH_BYTES], name[256];
    char garbage[1000];
    memset(garbage, 'x', sizeof garbage);
    build_and_find(*state, 2, path, name);
    iv_cache_store("programs", name, garbage, sizeof garbage);
    assert_true(computed_scale(2) == 2);

    void *binary;
    size_t bytes;
    assert_true(iv_cache_load("programs", name, &binary, &bytes));
    assert_true(bytes != sizeof garbage || memcmp(binary, garbage, bytes));
    free(binary);
}

static void concurrent_processes_share_the_cache(void **state) {
    enum { PROCESSES = 3 };
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            execl(this_program, this_program, "--compute-scale", (char *)NULL);
            _exit(99);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int result;
        assert_int_equal(waitpid(children[i], &result, 0), children[i]);
        assert_true(WIFEXITED(result));
        assert_int_equal(WEXITSTATUS(result), 0);
    }

    char path[PATH_BYTES], name[256];
    void *binary;
    size_t bytes;
    assert_int_equal(list_files(*state, "programs", path, name), 1);
    assert_true(iv_cache_load("programs", name, &binary, &bytes));
    free(binary);
}

/* /dev/null is no directory for anyone, root included. */
static void an_impossible_cache_directory_is_no_error(void **state) {
    (void)state;
    setenv("XDG_CACHE_HOME", "/dev/null/cache", 1);
    assert_true(computed_scale(2) == 2);
    assert_true(computed_scale(2) == 2);
}

static void a_read_only_cache_directory_is_no_error(void **state) {
    char path[PATH_BYTES], name[256], folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s/invar", base);
    assert_int_equal(mkdir(folder, 0500), 0);
    const process p =
        process_start(state, this_program, renounce_privileges, ARGUMENTS("--compute-scale"));
    outcome o = process_wait(&p);
    const int status = o.status;
    outcome_free(&o);
    if (status == STILL_PRIVILEGED) SKIP_BECAUSE("root cannot do without its rights here");
    assert_int_equal(status, 0);
    assert_int_equal(list_files(*state, "programs", path, name), 0);
}

static void a_user_without_any_home_is_no_error(void **state) {
    (void)state;
    char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    float got = computed_scale(2);
    if (home) setenv("HOME", home, 1);
    free(home);
    assert_true(got == 2);
}

static void a_cache_that_is_only_read_keeps_nothing_new(void **state) {
    char path[PATH_BYTES], name_2[256], name[256];
    void *binary;
    size_t bytes;
    build_and_find(*state, 2, path, name_2);
    setenv("INVAR_CACHE", "read", 1);
    assert_false(iv_cache_is_writable());
    assert_true(computed_scale(3) == 3);
    assert_int_equal(list_files(*state, "programs", path, name), 1);
    assert_string_equal(name, name_2);
    assert_true(iv_cache_load("programs", name_2, &binary, &bytes));
    free(binary);
    unsetenv("INVAR_CACHE");
    assert_true(iv_cache_is_writable());
    assert_false(iv_cache_keeps_all());
}

static void the_cache_can_be_turned_off(void **state) {
    char path[PATH_BYTES], name[256];
    setenv("INVAR_CACHE", "off", 1);
    assert_true(computed_scale(2) == 2);
    assert_int_equal(list_files(*state, "programs", path, name), 0);
}

static void drivers_that_keep_what_they_compile_are_left_to_it(void **state) {
    char path[PATH_BYTES], name[256];
    unsetenv("INVAR_CACHE");
    assert_true(computed_scale(2) == 2);
    iv_context *context = open_context(false);
    const bool is_pocl = strstr(iv_context_device(context)->platform, "Portable Computing");
    iv_context_destroy(context);
    assert_int_equal(list_files(*state, "programs", path, name), is_pocl ? 0 : 1);
}

int main(int argc, char **argv) {
    this_program = argv[0];
    if (argc > 1 && !strcmp(argv[1], "--compute-scale")) return computed_scale(5) == 5 ? 0 : 1;

#define CASE(name) cmocka_unit_test_setup(name, use_fresh_cache)
    if (no_device_to_test()) return 0;
    const struct CMUnitTest tests[] = {
        CASE(what_is_stored_is_loaded),
        CASE(a_file_with_any_byte_changed_is_refused_and_removed),
        CASE(a_file_cut_or_grown_to_any_length_is_refused),
        CASE(concurrent_writers_never_show_a_part),
        CASE(strings_hash_to_the_published_digest),
        CASE(a_second_context_leaves_the_cached_program_alone),
        CASE(a_cached_program_is_what_runs),
        CASE(a_damaged_program_is_rebuilt),
        CASE(a_truncated_program_is_rebuilt),
        CASE(a_program_that_the_driver_rejects_is_rebuilt),
        CASE(concurrent_processes_share_the_cache),
        CASE(an_impossible_cache_directory_is_no_error),
        CASE(a_read_only_cache_directory_is_no_error),
        CASE(a_user_without_any_home_is_no_error),
        CASE(a_cache_that_is_only_read_keeps_nothing_new),
        CASE(the_cache_can_be_turned_off),
        CASE(drivers_that_keep_what_they_compile_are_left_to_it),
    };
    return cmocka_run_group_tests(tests, make_base, remove_base);
}

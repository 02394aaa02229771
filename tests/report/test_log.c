/* metrics.jsonl: bytes, resuming, full disks. */
#include "../kit/files.h"

#include <invar/report.h>

#include <jansson.h>

#include <float.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

static void log_point(iv_log *log, uint64_t step) {
    iv_error error = {0};
    iv_log_begin(log, "WT", 3, step, step / 2, "test");
    iv_log_double(log, "loss", 0.1 * (double)step);
    assert_ok(&error, iv_log_end(log, &error));
}

static void a_point_is_one_line_with_these_bytes(void **state) {
    iv_error error = {0};
    iv_log *log;
    const char *path = in_scratch(state, "metrics.jsonl");
    assert_ok(&error, iv_log_open(path, NULL, &log, &error));
    iv_log_begin(log, "IR \"nu=1\"", 18446744073709551615u, 200, 1, "train");
    iv_log_float(log, "loss", 0.1f);
    iv_log_double(log, "accuracy", 0.1);
    iv_log_float(log, "diverged", NAN);
    iv_log_double(log, "infinite", -INFINITY);
    iv_log_floats(log, "eta", (float[]){0, -1.5f, INFINITY}, 3);
    iv_log_doubles(log, "spectrum", (double[]){1e-30, 1.0 / 3}, 2);
    assert_ok(&error, iv_log_end(log, &error));
    iv_log_begin(log, "WT", 0, 0, 0, NULL);
    assert_ok(&error, iv_log_end(log, &error));
    assert_ok(&error, iv_log_close(log, &error));

    char *text = slurp(path, NULL);
    assert_string_equal(
        text, "{\"run\": \"IR \\\"nu=1\\\"\", \"seed\": 18446744073709551615, \"step\": 200, "
              "\"epoch\": 1, \"split\": \"train\", \"loss\": 0.1, \"accuracy\": 0.1, "
              "\"diverged\": null, \"infinite\": null, \"eta\": [0, -1.5, null], "
              "\"spectrum\": [1e-30, 0.3333333333333333]}\n"
              "{\"run\": \"WT\", \"seed\": 0, \"step\": 0, \"epoch\": 0}\n");
    free(text);
}

/* Read back by another JSON library, to the bit. */
static void numbers_survive_the_round_trip(void **state) {
    const double doubles[] = {DBL_MIN, DBL_MAX, -0.1,          5e-324, 1.0 / 3, 123456789.123456789,
                              1e22,    0.3,     2.0 / 3 * 1e-7};
    const float floats[] = {FLT_MIN, FLT_MAX, 0.1f, 1e-45f, 1.0f / 3, 16777217.0f};
    const size_t n_doubles = sizeof doubles / sizeof *doubles;
    const size_t n_floats = sizeof floats / sizeof *floats;
    iv_error error = {0};
    iv_log *log;
    const char *path = in_scratch(state, "metrics.jsonl");
    assert_ok(&error, iv_log_open(path, NULL, &log, &error));
    iv_log_begin(log, "r", 0, 0, 0, NULL);
    iv_log_doubles(log, "doubles", doubles, n_doubles);
    iv_log_floats(log, "floats", floats, n_floats);
    assert_ok(&error, iv_log_end(log, &error));
    assert_ok(&error, iv_log_close(log, &error));

    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    for (size_t i = 0; i < n_doubles; i++) {
        double back = json_number_value(json_array_get(json_object_get(root, "doubles"), i));
        assert_memory_equal(&back, &doubles[i], sizeof back);
    }
    for (size_t i = 0; i < n_floats; i++) {
        float back = (float)json_number_value(json_array_get(json_object_get(root, "floats"), i));
        assert_memory_equal(&back, &floats[i], sizeof back);
    }
    json_decref(root);
}

static void resuming_at_an_offset_gives_the_bytes_of_an_uninterrupted_log(void **state) {
    iv_error error = {0};
    iv_log *log;
    iv_log_mark mark;
    const char *whole = in_scratch(state, "whole.jsonl"),
               *resumed = in_scratch(state, "resumed.jsonl");

    assert_ok(&error, iv_log_open(whole, NULL, &log, &error));
    for (uint64_t step = 0; step < 9; step++) log_point(log, step);
    assert_ok(&error, iv_log_close(log, &error));

    assert_ok(&error, iv_log_open(resumed, NULL, &log, &error));
    for (uint64_t step = 0; step < 4; step++) log_point(log, step);
    assert_ok(&error, iv_log_flush(log, &mark, &error));
    for (uint64_t step = 4; step < 7; step++) log_point(log, step); /* lost with the process */
    assert_ok(&error, iv_log_close(log, &error));
    assert_ok(&error, iv_log_open(resumed, &mark, &log, &error));
    for (uint64_t step = 4; step < 9; step++) log_point(log, step);
    assert_ok(&error, iv_log_close(log, &error));

    char *a = slurp(whole, NULL), *b = slurp(resumed, NULL);
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static void flush_reports_the_length_of_the_file(void **state) {
    iv_error error = {0};
    iv_log *log;
    iv_log_mark mark;
    struct stat info;
    const char *path = in_scratch(state, "metrics.jsonl");
    assert_ok(&error, iv_log_open(path, NULL, &log, &error));
    for (uint64_t step = 0; step < 10000; step++) log_point(log, step); /* more than one buffer */
    assert_ok(&error, iv_log_flush(log, &mark, &error));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, mark.bytes);
    assert_ok(&error, iv_log_close(log, &error));
}

static void a_log_shorter_than_the_checkpoint_says_is_refused(void **state) {
    const iv_log_mark mark = {.bytes = 4};
    iv_error error = {0};
    iv_log *log;
    const char *path = in_scratch(state, "metrics.jsonl");
    spill(path, "{}\n");
    assert_int_equal(iv_log_open(path, &mark, &log, &error), IV_EDATA);
    assert_null(log);
    assert_contains(error.message, path);
    char *text = slurp(path, NULL);
    assert_string_equal(text, "{}\n");
    free(text);
}

/* One byte of what the checkpoint knows; nothing is cut off then. */
static void a_log_that_was_changed_is_refused(void **state) {
    iv_error error = {0};
    iv_log *log;
    iv_log_mark mark;
    size_t n, left;
    const char *path = in_scratch(state, "metrics.jsonl");
    assert_ok(&error, iv_log_open(path, NULL, &log, &error));
    for (uint64_t step = 0; step < 4; step++) log_point(log, step);
    assert_ok(&error, iv_log_flush(log, &mark, &error));
    log_point(log, 4);
    assert_ok(&error, iv_log_close(log, &error));

    char *text = slurp(path, &n);
    text[n / 2] ^= 1;
    write_bytes(path, text, n);
    assert_fails(&error, iv_log_open(path, &mark, &log, &error), IV_EDATA, path, "SHA-256");
    assert_null(log);
    free(slurp(path, &left));
    assert_int_equal(left, n);
    text[n / 2] ^= 1;
    text[n - 2] ^= 1; /* past what it knows */
    write_bytes(path, text, n);
    assert_ok(&error, iv_log_open(path, &mark, &log, &error));
    assert_ok(&error, iv_log_close(log, &error));
    free(text);
}

static void a_full_disk_is_reported_and_leaves_whole_lines(void **state) {
    enum { LIMIT = 1000 };
    iv_error error = {0};
    iv_log *log;
    struct rlimit before, limited;
    iv_log_mark mark;
    size_t n;
    const char *path = in_scratch(state, "metrics.jsonl");
    assert_ok(&error, iv_log_open(path, NULL, &log, &error));
    for (uint64_t step = 0; step < 100; step++) log_point(log, step);

    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limited = before;
    limited.rlim_cur = LIMIT;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited), 0);
    iv_status status = iv_log_flush(log, &mark, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);

    assert_int_equal(status, IV_EFAILED);
    assert_contains(error.message, path);
    char *text = slurp(path, &n);
    assert_in_range(n, LIMIT / 2, LIMIT); /* a line has about 80 bytes */
    assert_int_equal(text[n - 1], '\n');
    assert_int_equal(mark.bytes, n);
    free(text);

    /* Once there is room again, nothing was lost. */
    iv_error_clear(&error);
    assert_ok(&error, iv_log_close(log, &error));
    text = slurp(path, NULL);
    size_t lines = 0;
    for (char *s = text; (s = strchr(s, '\n')); s++) lines++;
    assert_int_equal(lines, 100);
    free(text);
}

/* Nobody would wait for the pipe's other end, or find what a device has swallowed. */
static void what_is_no_file_in_the_logs_place_is_refused(void **state) {
    iv_error error = {0};
    iv_log *log;
    const char *path = in_scratch(state, "metrics.jsonl");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_fails(&error, iv_log_open(path, NULL, &log, &error), IV_EFAILED, path,
                 "not a regular file");
    assert_null(log);
    assert_fails(&error, iv_log_open("/dev/null", NULL, &log, &error), IV_EFAILED,
                 "not a regular file");
}

static void a_log_in_a_missing_folder_is_refused(void **state) {
    iv_error error = {0};
    iv_log *log;
    assert_int_equal(iv_log_open(in_scratch(state, "no/metrics.jsonl"), NULL, &log, &error),
                     IV_EFAILED);
    assert_contains(error.message, "no/metrics.jsonl");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_point_is_one_line_with_these_bytes),
        SCRATCH_TEST(numbers_survive_the_round_trip),
        SCRATCH_TEST(resuming_at_an_offset_gives_the_bytes_of_an_uninterrupted_log),
        SCRATCH_TEST(flush_reports_the_length_of_the_file),
        SCRATCH_TEST(a_log_shorter_than_the_checkpoint_says_is_refused),
        SCRATCH_TEST(a_log_that_was_changed_is_refused),
        SCRATCH_TEST(a_full_disk_is_reported_and_leaves_whole_lines),
        SCRATCH_TEST(what_is_no_file_in_the_logs_place_is_refused),
        SCRATCH_TEST(a_log_in_a_missing_folder_is_refused),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}

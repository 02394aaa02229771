/* Image files that are missing or damaged: exit status 4, the path and what to do, and no run
 * directory. */
#include "../kit/process.h"
#include "tiny_spec.h"

#include <zlib.h>

enum { N_TRAINING = 60000, N_TEST = 10000, SIDE = 28 };

static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

static const char *path_of(void **state, const char *name) {
    char relative[128];
    snprintf(relative, sizeof relative, "data/mnist/%s", name);
    return in_scratch(state, relative);
}

static void put_big_endian(uint8_t *bytes, uint32_t value) {
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* A file with the right header and size, all zeros: black images, or labels 0. */
static void write_blank(const char *path, uint8_t magic, uint32_t n) {
    uint8_t header[16] = {0, 0, 8, magic};
    put_big_endian(header + 4, n);
    put_big_endian(header + 8, SIDE);
    put_big_endian(header + 12, SIDE);
    const size_t n_header = magic == 3 ? 16 : 8;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(header, 1, n_header, file), n_header);
    assert_int_equal(fclose(file), 0);
    const size_t n_bytes = n_header + (magic == 3 ? (size_t)n * SIDE * SIDE : n);
    assert_int_equal(truncate(path, (off_t)n_bytes), 0);
}

/* A data directory with a whole, if dull, MNIST, and a spec that trains on it. */
static int make_data(void **state) {
    if (make_scratch(state) != 0) return -1;
    mkdir(in_scratch(state, "data"), 0700);
    mkdir(in_scratch(state, "data/mnist"), 0700);
    for (int i = 0; i < 4; i++)
        write_blank(path_of(state, names[i]), i % 2 ? 1 : 3, i < 2 ? N_TRAINING : N_TEST);
    spill(in_scratch(state, "spec.yaml"),
          TINY_SPEC_ON("{name: mnist, train: 128, validation: 0, test: 50}"));
    return 0;
}

static void overwrite(const char *path, long offset, const void *bytes, size_t n_bytes) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, offset, SEEK_SET);
    assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
    assert_int_equal(fclose(file), 0);
}

static void expect_refused(void **state, const char *path, const char *what, const char *advice) {
    invar_fails(state,
                ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--data",
                          in_scratch(state, "data"), "--out", in_scratch(state, "run")),
                4, path, what, advice, NULL);
    assert_false(exists(in_scratch(state, "run")));
}

static void a_whole_data_directory_is_accepted(void **state) {
    invar_succeeds(state, ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--quiet", "--data",
                                    in_scratch(state, "data"), "--out", in_scratch(state, "run")));
}

static void missing_data_is_named_with_the_command_that_fetches_it(void **state) {
    for (int i = 0; i < 4; i++) {
        const char *path = path_of(state, names[i]), *away = path_of(state, "away");
        assert_int_equal(rename(path, away), 0);
        expect_refused(state, path, "missing", "invar data fetch mnist");
        assert_int_equal(rename(away, path), 0);
    }
}

static void a_missing_drift_set_is_found_before_training(void **state) {
    invar_fails(state,
                ARGUMENTS("run", in_scratch(state, "spec.yaml"), "--data",
                          in_scratch(state, "data"), "--out", in_scratch(state, "run"), "--set",
                          "metrics.drift=[noise, fashion-mnist]"),
                4, "fashion-mnist", "invar data fetch fashion-mnist", NULL);
    assert_false(exists(in_scratch(state, "run")));
}

static void a_truncated_file_is_refused(void **state) {
    const char *path = path_of(state, names[0]);
    assert_int_equal(truncate(path, 1000000), 0);
    expect_refused(state, path, "truncated", "fetch it again");
    assert_int_equal(truncate(path, 7), 0);
    expect_refused(state, path, "truncated", "fetch it again");
}

static void an_empty_file_is_refused(void **state) {
    const char *path = path_of(state, names[3]);
    assert_int_equal(truncate(path, 0), 0);
    expect_refused(state, path, "", "fetch");
}

static void a_file_with_too_much_in_it_is_refused(void **state) {
    const char *path = path_of(state, names[1]);
    assert_int_equal(truncate(path, 8 + N_TRAINING + 1), 0);
    expect_refused(state, path, "too long", "fetch it again");
}

static void a_file_of_another_kind_is_refused(void **state) {
    const char *path = path_of(state, names[2]);
    overwrite(path, 0, "PNG!", 4);
    expect_refused(state, path, "not an IDX file", "invar data fetch");
}

static void a_header_with_other_sizes_is_refused(void **state) {
    const char *path = path_of(state, names[0]);
    overwrite(path, 4, "\xff\xff\xff\xff", 4);
    expect_refused(state, path, "4294967295", "60000");
}

static void a_label_out_of_range_is_refused(void **state) {
    const char *path = path_of(state, names[1]);
    overwrite(path, 8 + 77, "\x0a", 1);
    expect_refused(state, path, "label 77 is 10", "fetch it again");
}

static void compress_file(const char *from, const char *to) {
    size_t n;
    char *bytes = slurp(from, &n);
    gzFile file = gzopen(to, "wb1");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)n), n);
    assert_int_equal(gzclose(file), Z_OK);
    free(bytes);
}

static void a_damaged_gzip_file_is_refused(void **state) {
    char plain[SCRATCH_PATH + 128], packed[sizeof plain + 3];
    snprintf(plain, sizeof plain, "%s", path_of(state, names[3]));
    snprintf(packed, sizeof packed, "%s.gz", plain);
    compress_file(plain, packed);
    unlink(plain);
    size_t n;
    char *bytes = slurp(packed, &n);
    a_whole_data_directory_is_accepted(state);
    remove_tree(in_scratch(state, "run"));

    /* Cut short; then whole but for one byte of its checksum. */
    assert_int_equal(truncate(packed, (off_t)n - 12), 0);
    expect_refused(state, packed, "", "fetch it again");
    bytes[n - 8] ^= 1;
    overwrite(packed, 0, bytes, n);
    expect_refused(state, packed, "gzip", "fetch it again");
    free(bytes);
}

#define DATA_TEST(function) cmocka_unit_test_setup_teardown(function, make_data, remove_scratch)

int main(void) {
    const struct CMUnitTest tests[] = {
        DATA_TEST(a_whole_data_directory_is_accepted),
        DATA_TEST(missing_data_is_named_with_the_command_that_fetches_it),
        DATA_TEST(a_missing_drift_set_is_found_before_training),
        DATA_TEST(a_truncated_file_is_refused),
        DATA_TEST(an_empty_file_is_refused),
        DATA_TEST(a_file_with_too_much_in_it_is_refused),
        DATA_TEST(a_file_of_another_kind_is_refused),
        DATA_TEST(a_header_with_other_sizes_is_refused),
        DATA_TEST(a_label_out_of_range_is_refused),
        DATA_TEST(a_damaged_gzip_file_is_refused),
    };
    return run_without_device() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}

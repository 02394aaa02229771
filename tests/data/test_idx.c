/* IDX files: every way in which one can be wrong is told, and what is right is read. */
#include "../kit/files.h"

#include <invar/data.h>

#include "data/idx.h"

#include <zlib.h>

static const size_t any[3];

/* Two images of 2 x 3 with pixels 1 to 12, as the format's description has it. */
static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2,  0,  0,
                                 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void write_gzip(const char *path, const void *bytes, size_t n_bytes, const char *mode) {
    gzFile file = gzopen(path, mode);
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, (unsigned)n_bytes), n_bytes);
    assert_int_equal(gzclose(file), Z_OK);
}

static void assert_reads(const char *path) {
    iv_idx idx;
    iv_error error = {0};
    assert_ok(&error, iv_idx_read(path, 3, any, &idx, &error));
    assert_int_equal(idx.rank, 3);
    assert_true(idx.shape[0] == 2 && idx.shape[1] == 2 && idx.shape[2] == 3);
    assert_memory_equal(idx.data, images + 16, 12);
    free(idx.data);
}

/* Writing `bytes` to a file and reading it as images fails with `part` in the message. */
static void assert_refused(const void *bytes, size_t n_bytes, const char *part) {
    iv_idx idx;
    iv_error error = {0};
    write_bytes(in(scratch, "x"), bytes, n_bytes);
    assert_fails(&error, iv_idx_read(in(scratch, "x"), 3, any, &idx, &error), IV_EDATA,
                 "/x:", part);
    assert_null(idx.data);
}

static void a_plain_file_is_read(void **state) {
    (void)state;
    write_bytes(in(scratch, "x"), images, sizeof images);
    assert_reads(in(scratch, "x"));
}

static void a_gzip_file_is_read_whatever_its_name(void **state) {
    (void)state;
    write_gzip(in(scratch, "x.gz"), images, sizeof images, "wb9");
    assert_reads(in(scratch, "x.gz"));
    write_gzip(in(scratch, "x"), images, sizeof images, "wb1");
    assert_reads(in(scratch, "x"));
    write_bytes(in(scratch, "plain.gz"), images, sizeof images);
    assert_reads(in(scratch, "plain.gz"));
}

static void a_gzip_file_of_several_members_is_read(void **state) {
    (void)state;
    write_gzip(in(scratch, "x.gz"), images, 10, "wb");
    write_gzip(in(scratch, "x.gz"), images + 10, sizeof images - 10, "ab");
    assert_reads(in(scratch, "x.gz"));
}

static void what_is_written_is_read_and_is_the_format(void **state) {
    (void)state;
    iv_error error = {0};
    const size_t shape[] = {2, 2, 3};
    uint8_t *bytes;
    size_t n_bytes;
    assert_ok(&error, iv_idx_write(in(scratch, "x"), 3, shape, images + 16, &error));
    assert_ok(&error, iv_read_file(in(scratch, "x"), 1000, &bytes, &n_bytes, &error));
    assert_int_equal(n_bytes, sizeof images);
    assert_memory_equal(bytes, images, sizeof images);
    free(bytes);
}

static void a_missing_file_is_refused(void **state) {
    (void)state;
    iv_idx idx;
    iv_error error = {0};
    assert_fails(&error, iv_idx_read(in(scratch, "x"), 3, any, &idx, &error), IV_EDATA, "/x",
                 "No such file");
    assert_fails(&error, iv_idx_read(scratch, 3, any, &idx, &error), IV_EDATA, "Is a directory");
}

static void every_truncated_file_is_refused(void **state) {
    (void)state;
    for (size_t n_bytes = 0; n_bytes < sizeof images; n_bytes++)
        assert_refused(images, n_bytes, "truncated");
}

static void a_file_with_trailing_bytes_is_refused(void **state) {
    (void)state;
    uint8_t longer[sizeof images + 1] = {0};
    memcpy(longer, images, sizeof images);
    assert_refused(longer, sizeof longer, "too long");
}

static void every_wrong_magic_byte_is_refused(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++)
        for (int bit = 0; bit < 8; bit++) {
            uint8_t wrong[sizeof images];
            memcpy(wrong, images, sizeof images);
            wrong[i] ^= (uint8_t)(1 << bit);
            assert_refused(wrong, sizeof wrong, "00 00 08 03");
        }
}

static void unexpected_sizes_are_refused(void **state) {
    (void)state;
    iv_idx idx;
    iv_error error = {0};
    static const char *const names[] = {"number of items 2", "height 2", "width 3"};
    write_bytes(in(scratch, "x"), images, sizeof images);
    for (int i = 0; i < 3; i++) {
        size_t expected[3] = {0};
        expected[i] = 28;
        assert_fails(&error, iv_idx_read(in(scratch, "x"), 3, expected, &idx, &error), IV_EDATA,
                     names[i], "expected 28");
    }
}

static void impossible_sizes_are_refused_without_allocating_them(void **state) {
    (void)state;
    for (size_t at = 4; at < 16; at += 4) {
        uint8_t wrong[sizeof images];
        memcpy(wrong, images, sizeof images);
        memset(wrong + at, 0, 4);
        assert_refused(wrong, sizeof wrong, " 0");
        memset(wrong + at, 0xff, 4);
        assert_refused(wrong, sizeof wrong, "promises");
    }
    uint8_t wrong[sizeof images];
    memcpy(wrong, images, sizeof images);
    memset(wrong + 4, 0xff, 12);
    assert_refused(wrong, sizeof wrong, "promises more than");
}

/* Flip every bit of a gzip file in turn. What can be flipped without a trace is in the wrapper's
 * ten bytes of header (time, hints, operating system) and the padding to a whole byte, at most
 * seven bits, behind the last code: then the data must still be right. */
static void no_flipped_bit_of_a_gzip_file_changes_the_data(void **state) {
    (void)state;
    uint8_t *bytes;
    size_t n_bytes, n_harmless = 0;
    iv_error error = {0};
    write_gzip(in(scratch, "x"), images, sizeof images, "wb");
    assert_ok(&error, iv_read_file(in(scratch, "x"), 1000, &bytes, &n_bytes, &error));
    for (size_t i = 0; i < n_bytes; i++)
        for (int bit = 0; bit < 8; bit++) {
            iv_idx idx;
            bytes[i] ^= (uint8_t)(1 << bit);
            write_bytes(in(scratch, "x"), bytes, n_bytes);
            const iv_status status = iv_idx_read(in(scratch, "x"), 3, any, &idx, &error);
            if (status == IV_OK)
                assert_memory_equal(idx.data, images + 16, 12);
            else
                assert_fails(&error, status, IV_EDATA, "/x:");
            if (i >= 10 && status == IV_OK) n_harmless++;
            free(idx.data);
            bytes[i] ^= (uint8_t)(1 << bit);
        }
    assert_true(n_harmless <= 7);
    free(bytes);
}

static void every_truncated_gzip_file_is_refused(void **state) {
    (void)state;
    uint8_t *bytes;
    size_t n_bytes;
    iv_error error = {0};
    write_gzip(in(scratch, "y"), images, sizeof images, "wb");
    assert_ok(&error, iv_read_file(in(scratch, "y"), 1000, &bytes, &n_bytes, &error));
    for (size_t n = 2; n < n_bytes; n++) assert_refused(bytes, n, "ends too early");
    free(bytes);
}

static void bytes_after_a_gzip_file_are_refused(void **state) {
    (void)state;
    uint8_t *bytes;
    size_t n_bytes;
    iv_error error = {0};
    write_gzip(in(scratch, "y"), images, sizeof images, "wb");
    assert_ok(&error, iv_read_file(in(scratch, "y"), 1000, &bytes, &n_bytes, &error));
    bytes[n_bytes] = 'x'; /* the zero that iv_read_file puts behind the end */
    assert_refused(bytes, n_bytes + 1, "other bytes follow");
    free(bytes);
}

/* 64 MiB of zeros in 64 KiB behind a small header: read no further than one byte too many. */
static void a_gzip_bomb_is_refused(void **state) {
    (void)state;
    iv_idx idx;
    iv_error error = {0};
    char *zeros = calloc(1, 1 << 20);
    gzFile file = gzopen(in(scratch, "bomb"), "wb9");
    assert_int_equal(gzwrite(file, images, sizeof images), sizeof images);
    for (int i = 0; i < 64; i++) assert_int_equal(gzwrite(file, zeros, 1 << 20), 1 << 20);
    assert_int_equal(gzclose(file), Z_OK);
    free(zeros);
    assert_fails(&error, iv_idx_read(in(scratch, "bomb"), 3, any, &idx, &error), IV_EDATA,
                 "too long", "found at least 13");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_plain_file_is_read),
        SCRATCH_TEST(a_gzip_file_is_read_whatever_its_name),
        SCRATCH_TEST(a_gzip_file_of_several_members_is_read),
        SCRATCH_TEST(what_is_written_is_read_and_is_the_format),
        SCRATCH_TEST(a_missing_file_is_refused),
        SCRATCH_TEST(every_truncated_file_is_refused),
        SCRATCH_TEST(a_file_with_trailing_bytes_is_refused),
        SCRATCH_TEST(every_wrong_magic_byte_is_refused),
        SCRATCH_TEST(unexpected_sizes_are_refused),
        SCRATCH_TEST(impossible_sizes_are_refused_without_allocating_them),
        SCRATCH_TEST(no_flipped_bit_of_a_gzip_file_changes_the_data),
        SCRATCH_TEST(every_truncated_gzip_file_is_refused),
        SCRATCH_TEST(bytes_after_a_gzip_file_are_refused),
        SCRATCH_TEST(a_gzip_bomb_is_refused),
    };
    return cmocka_run_group_tests_name("IDX files", tests, NULL, NULL);
}

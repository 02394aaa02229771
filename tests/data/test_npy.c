/* NumPy files: the bytes that NumPy's documentation prescribes, and what is refused. */
#include "../kit/process.h"

#include <invar/data.h>

/* numpy.save of arange(6, dtype='<i4').reshape(2, 3): format 1.0, header padded to 128 bytes in
 * all. */
static size_t compose(const char *dictionary, const void *data, size_t data_bytes, char *out) {
    memset(out, ' ', 128);
    memcpy(out, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(out + 10, dictionary, strlen(dictionary));
    out[127] = '\n';
    memcpy(out + 128, data, data_bytes);
    return 128 + data_bytes;
}

static const uint8_t six_integers[] = {0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0,
                                       3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0};

static void an_array_is_written_as_numpy_writes_it(void **state) {
    (void)state;
    iv_error error = {0};
    int32_t values[] = {0, 1, 2, 3, 4, 5};
    uint8_t *bytes;
    char expected[256];
    size_t n_bytes;
    const iv_array array = {IV_ARRAY_INT32, 2, {2, 3}, values};
    assert_ok(&error, iv_npy_write(in(scratch, "a.npy"), &array, &error));
    assert_ok(&error, iv_read_file(in(scratch, "a.npy"), 1000, &bytes, &n_bytes, &error));
    assert_int_equal(n_bytes, compose("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }",
                                      six_integers, sizeof six_integers, expected));
    assert_memory_equal(bytes, expected, n_bytes);
    free(bytes);
}

static void every_type_and_rank_is_read_back(void **state) {
    (void)state;
    float values[24];
    for (int i = 0; i < 24; i++) values[i] = (float)i * 0.1f - 1;
    static const iv_array arrays[] = {
        {IV_ARRAY_FLOAT32, 0, {0}, NULL},     {IV_ARRAY_FLOAT32, 1, {24}, NULL},
        {IV_ARRAY_INT32, 3, {2, 3, 4}, NULL}, {IV_ARRAY_UINT8, 4, {1, 4, 1, 5}, NULL},
        {IV_ARRAY_UINT8, 2, {0, 7}, NULL},    {IV_ARRAY_FLOAT32, 8, {1, 2, 1, 3, 1, 2, 1, 2}, NULL},
        {IV_ARRAY_INT32, 1, {1}, NULL},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        iv_error error = {0};
        iv_array array = arrays[i], read;
        size_t n_bytes = array.type == IV_ARRAY_UINT8 ? 1 : 4;
        for (unsigned k = 0; k < array.rank; k++) n_bytes *= array.shape[k];
        array.data = values;
        assert_ok(&error, iv_npy_write(in(scratch, "a.npy"), &array, &error));
        assert_ok(&error, iv_npy_read(in(scratch, "a.npy"), &read, &error));
        assert_int_equal(read.type, array.type);
        assert_int_equal(read.rank, array.rank);
        assert_memory_equal(read.shape, array.shape, array.rank * sizeof *array.shape);
        assert_memory_equal(read.data, values, n_bytes);
        free(read.data);
    }
}

static void the_data_starts_at_a_multiple_of_64(void **state) {
    (void)state;
    iv_error error = {0};
    const size_t huge = (size_t)1 << 40;
    iv_array array = {IV_ARRAY_UINT8, 8, {0, huge, huge, huge, 1, huge, 1, huge}, NULL};
    for (array.rank = 1; array.rank <= 8; array.rank++) {
        struct stat found;
        array.shape[0] = 0;
        const iv_status status = iv_npy_write(in(scratch, "a.npy"), &array, &error);
        assert_ok(&error, status);
        assert_int_equal(stat(in(scratch, "a.npy"), &found), 0);
        assert_int_equal(found.st_size % 64, 0);
    }
}

static void assert_refused(const char *dictionary, size_t data_bytes) {
    char bytes[512];
    iv_array array;
    iv_error error = {0};
    const size_t n_bytes = compose(dictionary, six_integers, data_bytes, bytes);
    write_bytes(in(scratch, "a.npy"), bytes, n_bytes);
    assert_fails(&error, iv_npy_read(in(scratch, "a.npy"), &array, &error), IV_EDATA, "a.npy");
    assert_null(array.data);
}

static void other_spellings_of_the_header_are_read(void **state) {
    (void)state;
    static const char *const dictionaries[] = {
        "{\"shape\": (6,), \"descr\": \"<i4\", \"fortran_order\": False}",
        "{'shape':(6),'fortran_order':False,'descr':'<i4'}",
    };
    for (int i = 0; i < 2; i++) {
        char bytes[512];
        iv_array array;
        iv_error error = {0};
        const size_t n_bytes = compose(dictionaries[i], six_integers, sizeof six_integers, bytes);
        write_bytes(in(scratch, "a.npy"), bytes, n_bytes);
        assert_ok(&error, iv_npy_read(in(scratch, "a.npy"), &array, &error));
        assert_true(array.rank == 1 && array.shape[0] == 6 && ((int32_t *)array.data)[5] == 5);
        free(array.data);
    }
}

static void other_headers_are_refused(void **state) {
    (void)state;
    static const char *const dictionaries[] = {
        "",
        "{",
        "{}",
        "not a dictionary",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '>i4', 'fortran_order': False, 'shape': (6,), }",
        "{'descr': '<i4', 'fortran_order': True, 'shape': (6,), }",
        "{'descr': '<i4', 'fortran_order': False, }",
        "{'descr': '<i4', 'shape': (6,), }",
        "{'fortran_order': False, 'shape': (6,), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (6,), 'more': 1}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (-6,), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (6 6), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (7,), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (5,), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999999999999999,), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (4611686018427387904, 4, 6), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (6,1,1,1,1,1,1,1,1), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (6,), } x",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (6,",
        "{'descr': '<i4",
    };
    for (size_t i = 0; i < sizeof dictionaries / sizeof *dictionaries; i++)
        assert_refused(dictionaries[i], sizeof six_integers);
}

static void every_truncated_file_is_refused(void **state) {
    (void)state;
    char bytes[512];
    const size_t n_bytes = compose("{'descr': '<i4', 'fortran_order': False, 'shape': (6,), }",
                                   six_integers, sizeof six_integers, bytes);
    for (size_t n = 0; n < n_bytes; n++) {
        iv_array array;
        iv_error error = {0};
        write_bytes(in(scratch, "a.npy"), bytes, n);
        assert_fails(&error, iv_npy_read(in(scratch, "a.npy"), &array, &error), IV_EDATA, "a.npy");
    }
}

/* Where NumPy is installed it must read the same numbers. */
static void numpy_reads_what_is_written(void **state) {
    (void)state;
    char command[2048];
    iv_error error = {0};
    const char *python = python_with("numpy");
    if (!python) SKIP_BECAUSE("no python3 with NumPy here");
    float values[] = {0.5f, -1.25f, 3e30f, 1e-40f};
    const iv_array array = {IV_ARRAY_FLOAT32, 2, {2, 2}, values};
    assert_ok(&error, iv_npy_write(in(scratch, "a.npy"), &array, &error));
    snprintf(command, sizeof command,
             "%s -c \"import numpy as n; a = n.load('%s'); "
             "assert a.dtype == n.float32 and a.flags.c_contiguous; "
             "assert (a == n.float32([[0.5, -1.25], [3e30, 1e-40]])).all()\"",
             python, in(scratch, "a.npy"));
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(an_array_is_written_as_numpy_writes_it),
        SCRATCH_TEST(every_type_and_rank_is_read_back),
        SCRATCH_TEST(the_data_starts_at_a_multiple_of_64),
        SCRATCH_TEST(other_spellings_of_the_header_are_read),
        SCRATCH_TEST(other_headers_are_refused),
        SCRATCH_TEST(every_truncated_file_is_refused),
        SCRATCH_TEST(numpy_reads_what_is_written),
    };
    return cmocka_run_group_tests_name("NumPy files", tests, NULL, NULL);
}

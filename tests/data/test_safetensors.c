/* safetensors: the bytes that the format's description prescribes, and what is refused. */
#include "../kit/process.h"

#include <invar/data.h>

#include <math.h>

static size_t compose(const char *header, const void *data, size_t data_bytes, uint8_t *out) {
    const size_t length = strlen(header);
    for (int i = 0; i < 8; i++) out[i] = (uint8_t)(length >> (8 * i));
    memcpy(out + 8, header, length);
    memcpy(out + 8 + length, data, data_bytes);
    return 8 + length + data_bytes;
}

/* 1.0f, -2.0f, 0.5f, little-endian. */
static const uint8_t three_floats[] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f};

static void tensors_are_written_as_the_format_says(void **state) {
    (void)state;
    iv_error error = {0};
    const float values[] = {1.0f, -2.0f, 0.5f};
    const iv_tensor_entry tensors[] = {{"w", 2, {1, 2}, values}, {"b", 1, {1}, values + 2}};
    const iv_metadata metadata = {"k", "v \"1\""};
    uint8_t *bytes, expected[512];
    size_t n_bytes;
    assert_ok(&error, iv_safetensors_write(in(scratch, "m"), tensors, 2, &metadata, 1, &error));
    assert_ok(&error, iv_read_file(in(scratch, "m"), 1000, &bytes, &n_bytes, &error));
    const char *header = "{\"__metadata__\":{\"k\":\"v \\\"1\\\"\"},"
                         "\"w\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}";
    char padded[256];
    snprintf(padded, sizeof padded, "%-*s", (int)((strlen(header) + 7) / 8 * 8), header);
    assert_int_equal(n_bytes, compose(padded, three_floats, sizeof three_floats, expected));
    assert_memory_equal(bytes, expected, n_bytes);
    free(bytes);
}

static void what_is_written_is_read_back(void **state) {
    (void)state;
    iv_error error = {0};
    float values[60];
    for (int i = 0; i < 60; i++) values[i] = sinf((float)i);
    const iv_tensor_entry tensors[] = {{"layers.0.weight", 3, {3, 4, 5}, values},
                                       {"scalar", 0, {0}, values + 7},
                                       {"empty", 2, {0, 3}, NULL},
                                       {"gewölbt", 1, {2}, values + 9}};
    const iv_metadata metadata[] = {{"run", "{\"seed\": 1}"}, {"", ""}};
    iv_safetensors *file;
    assert_ok(&error, iv_safetensors_write(in(scratch, "m"), tensors, 4, metadata, 2, &error));
    assert_ok(&error, iv_safetensors_open(in(scratch, "m"), &file, &error));
    assert_int_equal(iv_safetensors_count(file), 4);
    assert_null(iv_safetensors_get(file, 4));
    for (int i = 0; i < 4; i++) {
        const iv_tensor_entry *found = iv_safetensors_find(file, tensors[i].name);
        size_t n = 1;
        assert_non_null(found);
        assert_int_equal(found->rank, tensors[i].rank);
        for (unsigned k = 0; k < found->rank; k++) {
            assert_int_equal(found->shape[k], tensors[i].shape[k]);
            n *= found->shape[k];
        }
        if (n > 0) assert_memory_equal(found->data, tensors[i].data, n * sizeof(float));
    }
    assert_string_equal(iv_safetensors_get(file, 0)->name, "layers.0.weight");
    assert_null(iv_safetensors_find(file, "layers.0"));
    assert_string_equal(iv_safetensors_metadata(file, "run"), "{\"seed\": 1}");
    assert_string_equal(iv_safetensors_metadata(file, ""), "");
    assert_null(iv_safetensors_metadata(file, "none"));
    iv_safetensors_close(file);

    assert_ok(&error, iv_safetensors_write(in(scratch, "m"), NULL, 0, NULL, 0, &error));
    assert_ok(&error, iv_safetensors_open(in(scratch, "m"), &file, &error));
    assert_int_equal(iv_safetensors_count(file), 0);
    assert_null(iv_safetensors_metadata(file, "run"));
    iv_safetensors_close(file);
}

static void bad_names_are_not_written(void **state) {
    (void)state;
    const float value = 0;
    static const char *const names[] = {"", "__metadata__", "a", "not UTF-8 \xff"};
    for (int i = 0; i < 4; i++) {
        iv_error error = {0};
        const iv_tensor_entry tensors[] = {{"a", 0, {0}, &value}, {names[i], 0, {0}, &value}};
        assert_fails(&error, iv_safetensors_write(in(scratch, "m"), tensors, 2, NULL, 0, &error),
                     IV_EINVAL, "");
    }
    iv_error error = {0};
    const iv_metadata metadata = {"k", "\xff"};
    assert_fails(&error, iv_safetensors_write(in(scratch, "m"), NULL, 0, &metadata, 1, &error),
                 IV_EINVAL, "UTF-8");
    assert_int_equal(count_entries(scratch), 0);
}

static void assert_opens(const char *header, size_t data_bytes, int good) {
    uint8_t bytes[1024];
    iv_safetensors *file;
    iv_error error = {0};
    const size_t n_bytes = compose(header, three_floats, data_bytes, bytes);
    write_bytes(in(scratch, "m"), bytes, n_bytes);
    const iv_status status = iv_safetensors_open(in(scratch, "m"), &file, &error);
    if (good) {
        assert_ok(&error, status);
    } else {
        if (status == IV_OK) fail_msg("was read: %s", header);
        assert_fails(&error, status, IV_EDATA, "/m");
        assert_null(file);
    }
    iv_safetensors_close(file);
}

#define TENSOR(name, shape, begin, end)                                                            \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void other_orders_and_spaces_are_read(void **state) {
    (void)state;
    assert_opens("{" TENSOR("b", "[1]", "8", "12") "," TENSOR("a", "[2]", "0", "8") "}", 12, 1);
    assert_opens("{ " TENSOR("a", "[3]", "0", "12") " }     ", 12, 1);
    assert_opens("{\"a\":{\"data_offsets\":[0,12],\"shape\":[3],\"dtype\":\"F32\"}}", 12, 1);
    assert_opens("{" TENSOR("e", "[0]", "4", "4") "," TENSOR("a", "[]", "0", "4") "}", 4, 1);
    assert_opens("{\"__metadata__\":{}}", 0, 1);
}

static void wrong_headers_are_refused(void **state) {
    (void)state;
    static const char *const headers[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"a\":1}",
        "{\"a\":{}}",
        "{" TENSOR("a", "[3]", "0", "12") "} x",
        "{\"a\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[0,12]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12],\"more\":0}}",
        "{\"a\":{\"dtype\":32,\"shape\":[3],\"data_offsets\":[0,12]}}",
        "{" TENSOR("a", "[2]", "0", "12") "}",
        "{" TENSOR("a", "[4]", "0", "16") "}",
        "{" TENSOR("a", "[3]", "4", "16") "}",
        "{" TENSOR("a", "[2]", "4", "12") "}",
        "{" TENSOR("a", "[2]", "0", "8") "}",
        "{" TENSOR("a", "[-3]", "0", "12") "}",
        "{" TENSOR("a", "[1.5,2]", "0", "12") "}",
        "{" TENSOR("a", "[3]", "12", "0") "}",
        "{" TENSOR("a", "[3]", "-1", "11") "}",
        "{" TENSOR("a", "[3]", "0", "99999999999999999999") "}",
        "{" TENSOR("a", "[4611686018427387904,4,3]", "0", "12") "}",
        "{" TENSOR("a", "[3,1,1,1,1,1,1,1,1]", "0", "12") "}",
        "{" TENSOR("a", "3", "0", "12") "}",
        "{" TENSOR("a", "[2]", "0", "8") "," TENSOR("b", "[2]", "4", "12") "}",
        "{" TENSOR("a", "[1]", "0", "4") "," TENSOR("b", "[1]", "8", "12") "}",
        "{" TENSOR("a", "[3]", "0", "12") "," TENSOR("a", "[3]", "0", "12") "}",
        "{\"__metadata__\":{\"k\":1}," TENSOR("a", "[3]", "0", "12") "}",
        "{\"__metadata__\":[]," TENSOR("a", "[3]", "0", "12") "}",
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) assert_opens(headers[i], 12, 0);
}

static void every_truncated_file_is_refused(void **state) {
    (void)state;
    uint8_t bytes[256];
    const size_t n_bytes = compose("{" TENSOR("a", "[3]", "0", "12") "}", three_floats, 12, bytes);
    for (size_t n = 0; n < n_bytes; n++) {
        iv_safetensors *file;
        iv_error error = {0};
        write_bytes(in(scratch, "m"), bytes, n);
        assert_fails(&error, iv_safetensors_open(in(scratch, "m"), &file, &error), IV_EDATA, "/m");
    }
}

static void a_nonsensical_header_length_is_refused(void **state) {
    (void)state;
    uint8_t bytes[256];
    const size_t n_bytes = compose("{" TENSOR("a", "[3]", "0", "12") "}", three_floats, 12, bytes);
    for (int i = 1; i < 8; i++) {
        iv_safetensors *file;
        iv_error error = {0};
        bytes[i] = 0xff;
        write_bytes(in(scratch, "m"), bytes, n_bytes);
        assert_fails(&error, iv_safetensors_open(in(scratch, "m"), &file, &error), IV_EDATA,
                     "header");
        bytes[i] = 0;
    }
}

/* Where the reference implementation is installed it must read the same. */
static void the_reference_implementation_reads_what_is_written(void **state) {
    (void)state;
    char command[2048];
    iv_error error = {0};
    const char *python = python_with("numpy, safetensors.numpy");
    if (!python) SKIP_BECAUSE("no python3 with safetensors here");
    const float values[] = {1, 2, 3, 4, 5, 6};
    const iv_tensor_entry tensors[] = {{"b", 2, {2, 2}, values}, {"a", 1, {2}, values + 4}};
    const iv_metadata metadata = {"run", "{}"};
    assert_ok(&error, iv_safetensors_write(in(scratch, "m"), tensors, 2, &metadata, 1, &error));
    snprintf(command, sizeof command,
             "%s -c \"from safetensors import safe_open; from safetensors.numpy import load_file; "
             "m = load_file('%s'); assert m['b'].tolist() == [[1, 2], [3, 4]]; "
             "assert m['a'].tolist() == [5, 6] and len(m) == 2; "
             "assert safe_open('%s', 'np').metadata() == {'run': '{}'}\"",
             python, in(scratch, "m"), in(scratch, "m"));
    assert_int_equal(system(command), 0);
}

/* Every pattern of half precision: sign, exponent and fraction by the definition of IEEE 754. */
static void every_half_is_read_as_the_number_it_is(void **state) {
    (void)state;
    enum { N = 65536 };
    static uint8_t halves[2 * N], bytes[2 * N + 128];
    iv_error error = {0};
    iv_safetensors *file;
    for (size_t i = 0; i < N; i++) {
        halves[2 * i] = (uint8_t)i;
        halves[2 * i + 1] = (uint8_t)(i >> 8);
    }
    const size_t n =
        compose("{\"h\":{\"dtype\":\"F16\",\"shape\":[65536],\"data_offsets\":[0,131072]}}", halves,
                sizeof halves, bytes);
    write_bytes(in(scratch, "h"), bytes, n);
    assert_fails(&error, iv_safetensors_open(in(scratch, "h"), &file, &error), IV_EDATA,
                 "has type F16, only F32 is read");
    assert_ok(&error, iv_safetensors_open_converted(in(scratch, "h"), &file, &error));
    assert_string_equal(iv_safetensors_stored(file, 0), "F16");
    const float *values = iv_safetensors_get(file, 0)->data;
    for (int i = 0; i < N; i++) {
        const int exponent = i >> 10 & 31, fraction = i & 1023;
        const double sign = i & 0x8000 ? -1 : 1;
        if (exponent == 31 && fraction > 0)
            assert_true(isnan(values[i]));
        else if (exponent == 31)
            assert_true(isinf(values[i]) && (values[i] > 0) == (sign > 0));
        else
            assert_true(
                (double)values[i] ==
                sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24)));
    }
    iv_safetensors_close(file);
}

/* bfloat16 is the upper half of a float; doubles become the nearest float. */
static void other_types_become_floats(void **state) {
    (void)state;
    static const uint8_t data[] = {0x80, 0x3f, 0x20, 0xc0,                          /* 1, -2.5 */
                                   0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f,  /* 0.1 */
                                   0,    0,    0,    0,    0,    0,    0x08, 0xc0}; /* -3 */
    static const char header[] = "{\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]},"
                                 "\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[4,20]}}";
    uint8_t bytes[256];
    iv_error error = {0};
    iv_safetensors *file;
    write_bytes(in(scratch, "m"), bytes, compose(header, data, sizeof data, bytes));
    assert_ok(&error, iv_safetensors_open_converted(in(scratch, "m"), &file, &error));
    const float *b = iv_safetensors_find(file, "b")->data,
                *d = iv_safetensors_find(file, "d")->data;
    assert_true(b[0] == 1.0f && b[1] == -2.5f && d[0] == 0.1f && d[1] == -3.0f);
    iv_safetensors_close(file);
    write_bytes(in(scratch, "m"), bytes, compose(header, data, sizeof data - 1, bytes));
    assert_fails(&error, iv_safetensors_open_converted(in(scratch, "m"), &file, &error), IV_EDATA,
                 "lies outside the file");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(tensors_are_written_as_the_format_says),
        SCRATCH_TEST(what_is_written_is_read_back),
        SCRATCH_TEST(bad_names_are_not_written),
        SCRATCH_TEST(other_orders_and_spaces_are_read),
        SCRATCH_TEST(every_half_is_read_as_the_number_it_is),
        SCRATCH_TEST(other_types_become_floats),
        SCRATCH_TEST(wrong_headers_are_refused),
        SCRATCH_TEST(every_truncated_file_is_refused),
        SCRATCH_TEST(a_nonsensical_header_length_is_refused),
        SCRATCH_TEST(the_reference_implementation_reads_what_is_written),
    };
    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}

/* Files that cannot be read are refused in one line that names the node and says what is wrong with it:
 * tests/onnx/make_models.py, and what no library writes. */
#include "../kit/files.h"
#include "../kit/json.h"

#include <invar/onnx.h>

static void refuse_bytes(const void *bytes, size_t n_bytes, const char *part) {
    iv_error error = {0};
    iv_onnx_model model;
    write_bytes(in(scratch, "model.onnx"), bytes, n_bytes);
    assert_fails(&error, iv_onnx_read(in(scratch, "model.onnx"), &model, &error), IV_EDATA,
                 "model.onnx: ", part);
    assert_int_equal(model.n_values, 0);
}

/* ------------------------------------------------------------------ files of refused.json */

static char *bytes_of(const char *digits, size_t *n) {
    *n = strlen(digits) / 2;
    char *bytes = calloc(*n + 1, 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < *n; i++) {
        const char pair[] = {digits[2 * i], digits[2 * i + 1], '\0'};
        bytes[i] = (char)strtol(pair, NULL, 16);
    }
    return bytes;
}

static bool is_refused_so(const char *name, json_t *one) {
    iv_error error = {0};
    iv_onnx_model model;
    size_t n, i;
    char *bytes = bytes_of(json_string_value(json_object_get(one, "file")), &n);
    json_t *part;
    write_bytes(in(scratch, "model.onnx"), bytes, n);
    free(bytes);
    const iv_status status = iv_onnx_read(in(scratch, "model.onnx"), &model, &error);
    bool right = status == IV_EDATA && model.n_values == 0 && !strpbrk(error.message, "\n\a\033");
    json_array_foreach(json_object_get(one, "says"), i, part) {
        right = right && strstr(error.message, json_string_value(part));
    }
    if (!right) print_error("%s: status %d, \"%s\"\n", name, (int)status, error.message);
    iv_onnx_clear(&model);
    return right;
}

static void what_is_wrong_is_said_of_its_node(void **state) {
    (void)state;
    json_t *all = read_json(MODELS "/refused.json"), *one;
    const char *name;
    size_t n_bad = 0;
    write_bytes(in(scratch, "here.data"), "0123456789abcdef", 16);
    assert_true(json_object_size(all) > 150);
    json_object_foreach(all, name, one) {
        n_bad += !is_refused_so(name, one);
    }
    json_decref(all);
    assert_int_equal(n_bad, 0);
}

/* ------------------------------------------------------------------ damaged files */

static void every_cut_of_a_file_is_refused(void **state) {
    size_t n;
    char *bytes = slurp(MODELS "/opset-13.onnx", &n);
    (void)state;
    for (size_t i = 0; i < n; i++) refuse_bytes(bytes, i, "");
    free(bytes);
}

static void what_is_no_file_of_onnx_is_refused(void **state) {
    static const char pickled[] = "PK\3\4 what torch.save writes";
    iv_error error = {0};
    iv_onnx_model model;
    (void)state;
    refuse_bytes("", 0, "it is empty");
    refuse_bytes(pickled, sizeof pickled, "not an ONNX file");
    assert_fails(&error, iv_onnx_read(in(scratch, "gone.onnx"), &model, &error), IV_EDATA,
                 "gone.onnx: cannot be read");
    assert_fails(&error, iv_onnx_read(scratch, &model, &error), IV_EDATA, "cannot be read");
}

/* A message of one field that holds a message, again and again, from the inside to the outside. `keys`
 * are the fields that lead to one another. Returns where the outermost begins. */
static size_t nest(uint8_t *bytes, size_t begin, size_t end, size_t n_levels, const uint8_t *keys,
                   size_t n_keys) {
    for (size_t level = 0; level < n_levels; level++) {
        size_t length = end - begin;
        uint8_t varint[10];
        size_t n = 0;
        do {
            varint[n++] = (uint8_t)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
            length >>= 7;
        } while (length > 0);
        begin -= n;
        memcpy(bytes + begin, varint, n);
        bytes[--begin] = (uint8_t)(keys[level % n_keys] << 3 | 2);
    }
    return begin;
}

/* A graph in an attribute of a node of a graph, and so on: 200 000 levels would be a stack of hundreds of
 * megabytes. */
static void nesting_is_bounded(void **state) {
    static const uint8_t graphs[] = {
        6, 5, 1}; /* AttributeProto.g, NodeProto.attribute, GraphProto.node */
    enum { BYTES = 2 << 20 };
    uint8_t *bytes = malloc(BYTES);
    (void)state;
    assert_non_null(bytes);
    for (size_t n_levels = 48; n_levels < 300000; n_levels *= 60) {
        size_t begin = nest(bytes, BYTES, BYTES, n_levels - n_levels % 3, graphs, 3);
        begin = nest(bytes, begin, BYTES, 1, (const uint8_t[]){7}, 1); /* ModelProto.graph */
        refuse_bytes(bytes + begin, BYTES - begin,
                     n_levels < 64 ? "version 0" : "nested in more than 64 levels");
    }
    free(bytes);
}

/* 4 million empty nodes are 8 MB of a file, and would be 800 MB of memory. */
static void memory_is_bounded_by_the_file(void **state) {
    enum { NODES = 4 << 20 };
    uint8_t *bytes = calloc(2 * NODES + 5, 1);
    (void)state;
    assert_non_null(bytes);
    bytes[0] = 7 << 3 | 2; /* ModelProto.graph of 2 NODES bytes */
    for (int i = 0; i < 4; i++)
        bytes[1 + i] = (uint8_t)((2 * NODES >> 7 * i & 0x7f) | (i < 3 ? 0x80 : 0));
    for (size_t i = 0; i < NODES; i++) bytes[5 + 2 * i] = 1 << 3 | 2;
    refuse_bytes(bytes, 2 * NODES + 5, "unpacks to more than 16 times its size");
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(what_is_wrong_is_said_of_its_node),
        SCRATCH_TEST(every_cut_of_a_file_is_refused),
        SCRATCH_TEST(what_is_no_file_of_onnx_is_refused),
        SCRATCH_TEST(nesting_is_bounded),
        SCRATCH_TEST(memory_is_bounded_by_the_file),
    };
    if (!iv_onnx_is_built()) return skip_all_because("built without ONNX");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

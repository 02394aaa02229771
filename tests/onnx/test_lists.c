/* What files become: which nodes, in which order, with which constants; what the reader says of them. The
 * files: tests/onnx/make_models.py. */
#include "../kit/kit.h"

#include <invar/onnx.h>

#include <math.h>

static void read_model(const char *name, iv_onnx_model *model) {
    iv_error error = {0};
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.onnx", MODELS, name);
    assert_ok(&error, iv_onnx_read(path, model, &error));
}

/* "convolve unary reshape linear" */
static void assert_list(const char *name, const char *expected) {
    iv_onnx_model model;
    char list[1024] = "";
    read_model(name, &model);
    for (size_t i = 0; i < model.n_nodes; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i > 0 ? ", " : "",
                 iv_onnx_op_name(model.nodes[i].op));
    if (strcmp(list, expected) != 0) fail_msg("%s: %s; expected %s", name, list, expected);
    iv_onnx_clear(&model);
}

static void normalisation_goes_into_the_product_before_it(void **state) {
    (void)state;
    assert_list("conv-normalized", "convolve, reshape, linear");
    assert_list("conv-normalized-no-bias", "convolve, reshape, linear");
    assert_list("gemm-normalized", "linear");
    assert_list("gemm-flat-normalized", "linear");
    assert_list("opset-9", "convolve, unary, max pool, reshape, linear");
}

static void normalisation_stays_where_something_else_takes_the_product(void **state) {
    (void)state;
    assert_list("normalized", "binary, binary");
    assert_list("gemm-normalized-and-flat", "linear, binary, binary, binary");
    assert_list("normalized-conv", "binary, binary, convolve, reshape, linear");
    assert_list("conv-normalized-and-plain", "convolve, binary, binary, binary, reshape, linear");
    assert_list("conv-normalized-and-identity",
                "convolve, binary, binary, binary, reshape, linear");
}

static void a_sum_after_a_product_is_its_bias(void **state) {
    (void)state;
    assert_list("matmul", "linear, unary, linear");
    assert_list("conv-added-bias", "convolve, reshape, linear");
    assert_list("gemm-sum", "linear, linear, binary");
}

static void shapes_are_folded(void **state) {
    static const char *const views[] = {
        "view-9-n",    "view-9-1",      "view-9-3",       "view-13-n", "view-13-1",
        "view-13-3",   "view-slice",    "view-computed",  "reshape-0", "reshape-1",
        "reshape-all", "reshape-fixed", "reshape-dropped"};
    (void)state;
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        assert_list(views[i], "reshape, linear");
    assert_list("folded", "binary");
    assert_list("filled", "binary, binary");
    assert_list("dropout-9", "unary");
    assert_list("dropout-13", "unary");
    assert_list("cast", "binary, binary, binary");
}

static void what_changes_nothing_is_left_out(void **state) {
    (void)state;
    assert_list("flatten--1", "linear");
    assert_list("pow-1", "unary, binary"); /* what makes it positive */
    assert_list("pow-2", "unary, binary, binary");
    assert_list("pow-0.5", "unary, binary, unary");
    assert_list("clip-9-relu", "unary");
    assert_list("squeeze-any", "mean over, reshape");
    assert_list("turned-image", "reshape, binary, reshape, linear");
    assert_list("transpose", "permute, linear, reshape, linear");
    assert_list("channels-last", "convolve, permute, reshape, linear");
}

static void tensors_of_five_axes_are_moved_with_fewer(void **state) {
    (void)state;
    assert_list("shuffle", "reshape, permute, reshape, convolve, reshape, linear");
    assert_list("slice-five-axes", "reshape, part, reshape, linear");
}

/* Softmax before operator set 13 is over all axes from one on. */
static void softmax_is_along_the_axes_of_its_operator_set(void **state) {
    (void)state;
    assert_list("softmax-flattening", "reshape, softmax, linear");
    assert_list("softmax-flattening-2", "reshape, softmax, reshape, linear");
    assert_list("softmax-channels", "permute, softmax, permute, reshape, linear");
    assert_list("softmax-last", "softmax, reshape, linear");
}

static void a_softmax_at_the_end_is_left_out_and_named(void **state) {
    static const struct {
        const char *name, *left_out, *note;
    } ends[] = {{"softmax-end-9", "Softmax", "ends in a softmax"},
                {"softmax-end-13", "Softmax", "ends in a softmax"},
                {"softmax-pooled-end", "Softmax", "ends in a softmax"},
                {"logsoftmax-end-11", "LogSoftmax", "ends in a logarithm of a softmax"},
                {"softmax-log-end", "LogSoftmax", "ends in a logarithm of a softmax"}};
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        iv_onnx_model model;
        read_model(ends[i].name, &model);
        assert_string_equal(model.left_out, ends[i].left_out);
        assert_contains(model.notes, ends[i].note);
        for (size_t k = 0; k < model.n_nodes; k++)
            assert_int_not_equal(model.nodes[k].op, IV_ONNX_SOFTMAX);
        iv_onnx_clear(&model);
    }
}

static void the_image_and_the_classes_are_known(void **state) {
    static const struct {
        const char *name;
        size_t planes, height, width, n_pixels, n_classes;
    } models[] = {{"opset-13", 2, 4, 4, 32, 3},     {"gemm", 0, 0, 0, 4, 3},
                  {"unsqueeze-13", 1, 4, 4, 16, 3}, {"channels-last", 3, 5, 6, 90, 3},
                  {"alone-pixels", 0, 0, 0, 6, 3},  {"alone-planes", 2, 4, 5, 40, 3},
                  {"alone-plane", 1, 4, 5, 20, 3},  {"pooled-logits", 2, 4, 4, 32, 3},
                  {"many-planes", 6, 5, 3, 90, 3}};
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        iv_onnx_model model;
        read_model(models[i].name, &model);
        assert_int_equal(model.planes, models[i].planes);
        assert_int_equal(model.height, models[i].height);
        assert_int_equal(model.width, models[i].width);
        assert_int_equal(model.n_pixels, models[i].n_pixels);
        assert_int_equal(model.n_classes, models[i].n_classes);
        assert_int_equal(model.values[model.output].rank, 1);
        iv_onnx_clear(&model);
    }
}

static void what_was_decided_is_noted(void **state) {
    static const char *const notes[][2] = {
        {"two-outputs", "has 2 outputs: the first, 'v1', is used"},
        {"batch-of-4", "was exported for batches of 4 images, takes any number of them"},
        {"channels-last", "takes images of [height, width, planes]"},
        {"all-float16", "has numbers of type float16, computed with as floats"},
        {"all-double", "has numbers of type double, computed with as floats"},
        {"type-bfloat16", "has numbers of type bfloat16"},
        {"opset-13", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        iv_onnx_model model;
        read_model(notes[i][0], &model);
        if (*notes[i][1])
            assert_contains(model.notes, notes[i][1]);
        else
            assert_string_equal(model.notes, "");
        assert_string_equal(model.producer, "make_models");
        iv_onnx_clear(&model);
    }
}

/* The values that make_models.py writes, as each type rounds them. */
static void constants_have_the_numbers_of_the_file(void **state) {
    static const double floats[] = {0.5, -1.25, 3, 100, 0x1p-14, -0x1p-24};
    static const double integers[] = {1, -2, 3, 100, 0, -128};
    static const double naturals[] = {1, 2, 3, 100, 0, 200};
    static const double truths[] = {1, 0, 1, 1, 0, 1};
    static const struct {
        const char *type;
        const double *numbers;
    } types[] = {{"float", floats},    {"double", floats},   {"float16", floats},
                 {"int8", integers},   {"int16", integers},  {"int32", integers},
                 {"int64", integers},  {"uint8", naturals},  {"uint16", naturals},
                 {"uint32", naturals}, {"uint64", naturals}, {"bool", truths}};
    (void)state;
    for (size_t i = 0; i < 2 * (sizeof types / sizeof *types); i++) {
        iv_onnx_model model;
        char name[64];
        snprintf(name, sizeof name, "type-%s%s", types[i / 2].type, i % 2 ? "-raw" : "");
        read_model(name, &model);
        assert_int_equal(model.n_nodes, 1);
        const iv_onnx_value *constant = &model.values[model.nodes[0].inputs[1]];
        assert_non_null(constant->data);
        for (size_t k = 0; k < 6; k++)
            assert_true((double)constant->data[k] == types[i / 2].numbers[k]);
        iv_onnx_clear(&model);
    }
}

/* Nodes are named as the file names them. */
static void nodes_say_where_they_come_from(void **state) {
    iv_onnx_model model;
    (void)state;
    read_model("opset-13", &model);
    assert_string_equal(model.nodes[0].name, "Conv 'Conv_1'");
    assert_string_equal(model.nodes[1].name, "Relu 'Relu_3'");
    assert_string_equal(model.values[model.input].name, "image");
    assert_int_equal(model.opset, 13);
    iv_onnx_clear(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalisation_goes_into_the_product_before_it),
        cmocka_unit_test(normalisation_stays_where_something_else_takes_the_product),
        cmocka_unit_test(a_sum_after_a_product_is_its_bias),
        cmocka_unit_test(shapes_are_folded),
        cmocka_unit_test(what_changes_nothing_is_left_out),
        cmocka_unit_test(tensors_of_five_axes_are_moved_with_fewer),
        cmocka_unit_test(softmax_is_along_the_axes_of_its_operator_set),
        cmocka_unit_test(a_softmax_at_the_end_is_left_out_and_named),
        cmocka_unit_test(the_image_and_the_classes_are_known),
        cmocka_unit_test(what_was_decided_is_noted),
        cmocka_unit_test(constants_have_the_numbers_of_the_file),
        cmocka_unit_test(nodes_say_where_they_come_from),
    };
    if (!iv_onnx_is_built()) return skip_all_because("built without ONNX");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
